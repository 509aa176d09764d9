"""How long one thing takes relative to another, from repeated times of slices, with an interval.

Of every slice the shortest time counts, since interference only ever adds; the ratio of the sums is
the result. Two errors make its 95 % interval. Noise: how the times of a slice differ between
rounds. Sampling: where only some slices were timed, how they differ from one another. The two are
put together as in two-stage sampling, and the ratio is treated as a ratio estimator (Cochran,
Sampling Techniques, sections 10.3 and 6.4).
"""

import math
import statistics
from collections.abc import Sequence

# What an interval needs, where there are as many slices.
MIN_SLICES = 2
MIN_ROUNDS = 2

# Quantile 0.975 of Student's t distribution for 1, 2, ... degrees of freedom (NIST/SEMATECH
# e-Handbook of Statistical Methods, section 1.3.6.7.2). The last one serves for all above.
_T_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def relative_time(
    subject_ns: Sequence[Sequence[float]],
    reference_ns: Sequence[Sequence[Sequence[float]]],
    slices: float,
) -> tuple[float, tuple[float, float]]:
    """How much longer the subject takes than the reference, and the 95 % interval of that.

    Both hold, for every slice that was timed, its times in the same rounds, in nanoseconds; the
    reference may have been timed several times in a round. Of those, the first ones of all rounds
    give one shortest time, the second ones another, and so on; their mean counts. The shortest of
    means would be longer than what is the shortest of single times for the subject.
    `slices` is how many there are, timed or not; infinity, if no two that were timed are of the
    same kind. 0.152 means 15.2 % longer.

    Raises:
        ValueError: if there are too few for an interval: one slice out of several, or, unless there
            are infinitely many, fewer than two rounds of a slice.
    """
    timed = len(subject_ns)
    share = timed / slices
    if timed < min(MIN_SLICES, slices) or (
        share and any(len(of_slice) < MIN_ROUNDS for of_slice in subject_ns)
    ):
        raise ValueError("an interval needs two slices, and two rounds of each")
    subject = [min(of_slice) for of_slice in subject_ns]
    reference = [shortest(of_slice) for of_slice in reference_ns]
    ratio = sum(subject) / sum(reference)

    variance, degrees_of_freedom = 0.0, 0
    if share:
        for of_subject, of_reference in zip(subject_ns, reference_ns, strict=True):
            residuals = [
                of - ratio * statistics.fmean(of_ref)
                for of, of_ref in zip(of_subject, of_reference, strict=True)
            ]
            variance += share * statistics.variance(residuals) / len(residuals)
            degrees_of_freedom += len(residuals) - 1
    if share < 1:
        residuals = [of - ratio * of_ref for of, of_ref in zip(subject, reference, strict=True)]
        variance += (1 - share) * timed * statistics.variance(residuals)
        degrees_of_freedom = timed - 1

    quantile = _T_975[min(degrees_of_freedom, len(_T_975)) - 1]
    margin = quantile * math.sqrt(variance) / sum(reference)
    return ratio - 1, (ratio - 1 - margin, ratio - 1 + margin)


def shortest(rounds_ns: Sequence[Sequence[float]]) -> float:
    """The shortest time of one slice over rounds in which it was timed several times."""
    return statistics.fmean(min(repeated) for repeated in zip(*rounds_ns, strict=False))

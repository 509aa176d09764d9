"""How long one thing takes relative to another, from repeated times, with a 95 % interval.

Rounds are dealt out to batches. In each batch, of every slice the shortest time counts, since
interference only ever adds, and their sums form a ratio. The result is the mean of the batches'
ratios, and its interval by Student's t distribution.
"""

import math
import statistics
from collections.abc import Sequence

MIN_ROUNDS = 2
_ROUNDS_PER_BATCH = 3
_MAX_BATCHES = 10

# Quantile 0.975 of Student's t distribution for 1, 2, ... degrees of freedom (NIST/SEMATECH
# e-Handbook of Statistical Methods, section 1.3.6.7.2).
_T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def relative_time(
    subject_ns: Sequence[Sequence[int]], reference_ns: Sequence[Sequence[int]], rounds: int
) -> tuple[float, tuple[float, float]]:
    """How much longer the subject takes than the reference, and the 95 % interval of that.

    Both hold, for every slice, the times of at least `rounds` rounds, in nanoseconds; the times of
    one round were taken together. 0.152 means 15.2 % longer.

    Raises:
        ValueError: if there are fewer than `MIN_ROUNDS` rounds.
    """
    if rounds < MIN_ROUNDS:
        raise ValueError(f"an interval needs {MIN_ROUNDS} rounds, not {rounds}")
    batches = min(_MAX_BATCHES, max(MIN_ROUNDS, rounds // _ROUNDS_PER_BATCH))
    ratios = []
    for batch in range(batches):
        # Dealt out in turn, so that a drift of the machine reaches every batch alike.
        of_batch = range(batch, rounds, batches)
        subject, reference = (sum_of_minima(ns, of_batch) for ns in (subject_ns, reference_ns))
        ratios.append(subject / reference - 1)
    mean = statistics.mean(ratios)
    margin = _T_975[batches - 2] * statistics.stdev(ratios) / math.sqrt(batches)
    return mean, (mean - margin, mean + margin)


def sum_of_minima(times_ns: Sequence[Sequence[int]], rounds: range) -> int:
    """The time of all slices, each at its shortest in these rounds, in nanoseconds."""
    return sum(min(of_slice[number] for number in rounds) for of_slice in times_ns)

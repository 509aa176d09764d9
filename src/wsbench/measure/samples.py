"""What was timed so far, settings beside the reference, and the Time that it amounts to."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from wsbench.measure.interval import MIN_ROUNDS, MIN_SLICES, relative_time, shortest
from wsbench.results import Time
from wsbench.settings import DeflateSettings

# With fewer, an interval may be narrow by luck, and must not end the timing.
_TRUSTED_ROUNDS = 24
# Where code and data happen to be in memory moves a ratio the same way in all rounds of a process,
# unseen in how they differ: by thousandths for encoding, by more for decoding, which mostly copies.
# With these, benchmarks/time_coverage.py finds that intervals hold what they should.
_PROCESS_MARGINS = (0.005, 0.015)


class Sample(NamedTuple):
    """Nanoseconds to encode and to decode the messages of one slice, in one round."""

    encode_ns: float
    decode_ns: float


# For every slice and round, what was measured in it: once, or for the reference in every group.
_Rounds = defaultdict[int, defaultdict[int, list[Sample]]]


class Samples:
    """Samples of every settings; each is compared with the reference's of the same round.

    `slice_messages` is how many messages each slice has. With `endless`, the slices are a sample of
    infinitely many, each timed once; without, they are all that there are.
    """

    def __init__(
        self,
        settings: Sequence[DeflateSettings],
        reference: DeflateSettings,
        connections: int,
        *,
        slice_messages: Sequence[int] = (),
        endless: bool = False,
    ) -> None:
        self._reference = reference
        self._connections = connections
        self._messages = list(slice_messages)
        self._endless = endless
        self._rounds: dict[DeflateSettings, _Rounds] = {
            item: defaultdict(lambda: defaultdict(list)) for item in (reference, *settings)
        }

    def add_slice(self, messages: int) -> int:
        """The number of a new slice of so many messages."""
        self._messages.append(messages)
        return len(self._messages) - 1

    def add(self, item: DeflateSettings, number: int, of_round: int, sample: Sample) -> None:
        """Take in the time of a slice under some settings."""
        self._rounds[item][number][of_round].append(sample)

    def rounds(self, item: DeflateSettings, number: int) -> int:
        """How often a slice was timed under these settings."""
        return len(self._rounds[item].get(number, ()))

    def margin(self, item: DeflateSettings, *, decode: bool) -> float:
        """How far the interval of these settings reaches; infinitely far until it is known.

        With `decode`, the wider one of encoding's and decoding's.
        """
        timed = self._timed(item)
        if not self.is_enough(item) or sum(self.rounds(item, of) for of in timed) < _TRUSTED_ROUNDS:
            return math.inf
        intervals = [self._relative(item, timed, which)[1] for which in range(1 + decode)]
        return max(high - low for low, high in intervals) / 2

    def is_enough(self, item: DeflateSettings) -> bool:
        """Whether there are rounds enough of these settings for an interval."""
        needed = MIN_SLICES if self._endless else min(MIN_SLICES, len(self._messages))
        return len(self._timed(item)) >= needed

    def time(self, item: DeflateSettings) -> Time:
        """The time of these settings.

        The reference's is the sum of its shortest times beside whatever settings; that of another
        is made from it and the ratio, so that the two agree.

        Raises:
            ValueError: if there are too few rounds for an interval.
        """
        timed = self._timed(item)
        vs_reference, ci95 = self._relative(item, timed, 0)
        decode_vs_reference, decode_ci95 = self._relative(item, timed, 1)
        return Time(
            connections=self._connections,
            encode_ns_per_message=self._reference_ns(0) * (1 + vs_reference),
            vs_reference=vs_reference,
            ci95=ci95,
            decode_ns_per_message=self._reference_ns(1) * (1 + decode_vs_reference),
            decode_vs_reference=decode_vs_reference,
            decode_ci95=decode_ci95,
            sampled_messages=sum(self._messages[number] for number in timed),
            rounds=len(timed)
            if self._endless
            else min(self.rounds(item, number) for number in timed),
        )

    def _timed(self, item: DeflateSettings) -> list[int]:
        """The slices that were timed often enough under these settings to count."""
        least = 1 if self._endless else MIN_ROUNDS
        return [number for number, rounds in self._rounds[item].items() if len(rounds) >= least]

    def _relative(
        self, item: DeflateSettings, timed: list[int], which: int
    ) -> tuple[float, tuple[float, float]]:
        if item == self._reference:
            return 0.0, (0.0, 0.0)
        subject, reference = self._rounds[item], self._rounds[self._reference]
        ratio, (low, high) = relative_time(
            [[of[0][which] for of in subject[number].values()] for number in timed],
            [
                [[sample[which] for sample in reference[number][of]] for of in subject[number]]
                for number in timed
            ],
            math.inf if self._endless else len(self._messages),
        )
        margin = math.hypot((high - low) / 2, _PROCESS_MARGINS[which] * (1 + ratio))
        return ratio, (ratio - margin, ratio + margin)

    def _reference_ns(self, which: int) -> float:
        """Nanoseconds a message takes the reference."""
        timed = self._timed(self._reference)
        total_ns = sum(
            shortest(
                [
                    [sample[which] for sample in of_round]
                    for of_round in self._rounds[self._reference][number].values()
                ]
            )
            for number in timed
        )
        return total_ns / sum(self._messages[number] for number in timed)

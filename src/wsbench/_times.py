"""Times by several processes: until verdicts are known, or for a baseline to compare with."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wsbench._sweep import Progress
from wsbench.corpus import AnyCorpus
from wsbench.judge import (
    CANNOT_TELL,
    LEAST_OTHERS,
    PROCESSES_TO_FAIL,
    Judgement,
    Limits,
    Times,
    judge_reference_time,
    judge_time,
)
from wsbench.measure.processes import Processes, combined
from wsbench.measure.timing_process import never
from wsbench.quantities import time_value
from wsbench.results import Results, Time, TimingSummary, Traffic
from wsbench.settings import LADDER, DeflateSettings

# How far a single process narrows the intervals, as a share of the increase that is allowed.
_PRECISION_SHARE = 0.2
# How long a process measures, with one connection and with many, for as many rows as a ladder has;
# and how many processes a baseline rests on.
_ONE_CONNECTION_SECONDS, _MANY_CONNECTIONS_SECONDS = 4.0, 8.0
_BASELINE_PROCESSES = 3
# What is left of the time is not worth another process.
_SHORTEST_SECONDS = 1.0

_Key = tuple[int, DeflateSettings]


class TimesUntilDecided:
    """Times beside the baseline's, until every verdict is known, or the time is up."""

    def __init__(
        self,
        corpus: AnyCorpus,
        baseline: Results,
        settings: Sequence[DeflateSettings],
        numbers: Sequence[int],
        limits: Limits,
        *,
        same_processor: bool,
    ) -> None:
        self._reference = baseline.reference
        self._limits = limits
        self._same_processor = same_processor
        self._numbers = numbers
        # All of them, since the reference is judged by all others.
        self._before: dict[_Key, Time] = {
            (number, row.deflate): measured
            for number in numbers
            for row in baseline.rows
            if row.deflate and (measured := row.time_at(number))
        }
        self._judged = [key for key in self._before if key[1] in settings]
        self._is_final = False
        self.processes = Processes(
            corpus.sample,
            baseline.reference,
            traffic=_traffic(baseline, numbers),
            precision=_PRECISION_SHARE * limits.max_time_increase,
        )

    def run(self, max_seconds: float, progress: Callable[[Progress], None]) -> None:
        """Measure until every verdict is known, or the time is up.

        Raises:
            MeasurementError: if a process is killed.
        """
        clock = _Clock(max_seconds, progress)
        pending, measured = self._pending(), 0
        while pending and clock.has_time(measured, PROCESSES_TO_FAIL):
            self.processes.run(
                pending,
                clock.share(_process_seconds(pending)),
                _Enough(self._before, self._earlier(pending), self._limits, self._same_processor),
                clock.tick,
            )
            measured += 1
            pending = self._pending()
        self._is_final = True

    def judgements(self, settings: DeflateSettings) -> list[Judgement]:
        """The verdicts of some settings so far, one for each number of connections."""
        judgements = (self._judge(key) for key in self._judged if key[1] == settings)
        return [judgement for judgement in judgements if judgement is not None]

    def summaries(self, max_seconds: float) -> tuple[TimingSummary, ...]:
        """How the times came about."""
        found = (self._judge(key) for key in self._judged)
        undecided = {of.connections for of in found if of and of.verdict == "undecided"}
        return self.processes.summaries(
            max_seconds, "decided", [number for number in self._numbers if number in undecided]
        )

    def times(self, settings: DeflateSettings) -> tuple[Time, ...]:
        """The times of some settings, one for each number of connections."""
        known = (self.processes.time(number, settings) for number in self._numbers)
        return tuple(time for time in known if time is not None)

    def unjudged(self) -> list[int]:
        """The numbers of connections at which the reference's time is known and cannot be judged.

        For that, other settings are needed.
        """
        return [
            number
            for number, settings in self._judged
            if settings == self._reference and not self._can_judge(number)
        ]

    def _can_judge(self, number: int) -> bool:
        return len(self._others(number)) >= LEAST_OTHERS

    def _judge(self, key: _Key) -> Judgement | None:
        number, settings = key
        if settings != self._reference:
            times = self._times(key)
            return times and judge_time(
                settings, number, times, self._limits, same_processor=self._same_processor
            )
        others = [times for other in self._others(number) if (times := self._times(other))]
        return judge_reference_time(
            settings, number, others, self._limits, same_processor=self._same_processor
        )

    def _times(self, key: _Key) -> Times | None:
        measured = self.processes.time(*key)
        if measured is None:
            return None
        before = time_value(self._before[key])
        processes = self.processes.processes(*key)
        return Times(before, time_value(measured), processes, self._is_final)

    def _others(self, number: int) -> list[_Key]:
        return [key for key in self._before if key[0] == number and key[1] != self._reference]

    def _pending(self) -> dict[int, list[DeflateSettings]]:
        """What must be measured, or measured longer, by number of connections."""
        pending: dict[int, list[DeflateSettings]] = {}
        for key in self._judged:
            judgement = self._judge(key)
            if judgement is not None and (
                judgement.verdict != "undecided" or judgement.reason == CANNOT_TELL
            ):
                continue
            number, settings = key
            wanted = [key]
            if settings == self._reference:
                wanted = self._others(number) if self._can_judge(number) else []
            times = {other: self._times(other) for other in wanted}
            known = pending.setdefault(number, [])
            known += [
                item
                for (_, item), of_item in times.items()
                if item not in known and (of_item is None or not of_item.are_limited)
            ]
        return {number: settings for number, settings in pending.items() if settings}

    def _earlier(self, pending: dict[int, list[DeflateSettings]]) -> dict[_Key, Time]:
        keys = [(number, item) for number, settings in pending.items() for item in settings]
        return {key: known for key in keys if (known := self.processes.time(*key))}


@dataclass(frozen=True)
class _Enough:
    """Tells a process when a time has passed; whatever has not, it measures as well as it can."""

    before: dict[_Key, Time]
    earlier: dict[_Key, Time]
    limits: Limits
    same_processor: bool

    def __call__(self, connections: int, settings: DeflateSettings, now: Time) -> bool:
        key = connections, settings
        known = combined([self.earlier[key], now]) if key in self.earlier else now
        processes = 2 if key in self.earlier else 1
        times = Times(time_value(self.before[key]), time_value(known), processes)
        judgement = judge_time(
            settings, connections, times, self.limits, same_processor=self.same_processor
        )
        return judgement.verdict == "passed"


def baseline_times(
    corpus: AnyCorpus,
    reference: DeflateSettings,
    settings: Sequence[DeflateSettings],
    numbers: Sequence[int],
    like: Results | None,
    limits: Limits,
    max_seconds: float,
    progress: Callable[[Progress], None],
) -> tuple[Processes, tuple[TimingSummary, ...]]:
    """Times of settings with these numbers of connections, and how they came about.

    They rest on several processes, since whatever is wrong with them will be wrong with every
    comparison. `like` tells how connections are used.

    Raises:
        MeasurementError: if a process is killed.
    """
    precision = _PRECISION_SHARE * limits.max_time_increase
    traffic = _traffic(like, numbers) if like else {}
    processes = Processes(corpus.sample, reference, traffic=traffic, precision=precision)
    clock = _Clock(max_seconds, progress)
    wanted = {number: list(settings) for number in numbers}
    measured = 0
    while wanted and clock.has_time(measured, _BASELINE_PROCESSES):
        processes.run(wanted, clock.share(_process_seconds(wanted)), never, clock.tick)
        measured += 1
        if measured >= _BASELINE_PROCESSES:
            wanted = _wide(processes, settings, numbers, precision)
    return processes, processes.summaries(max_seconds, "precision", wanted)


def _wide(
    processes: Processes,
    settings: Sequence[DeflateSettings],
    numbers: Sequence[int],
    precision: float,
) -> dict[int, list[DeflateSettings]]:
    """What has an interval wider than that, by number of connections."""
    wide: dict[int, list[DeflateSettings]] = {}
    for number in numbers:
        for item in settings:
            known = processes.time(number, item)
            if known is not None and known.margin > precision:
                wide.setdefault(number, []).append(item)
    return wide


class _Clock:
    """How much of the time there is for timing is gone."""

    def __init__(self, max_seconds: float, progress: Callable[[Progress], None]) -> None:
        self._start_seconds = time.monotonic()
        self._max_seconds = max_seconds
        self._progress = progress

    @property
    def left_seconds(self) -> float:
        return self._max_seconds - (time.monotonic() - self._start_seconds)

    def tick(self) -> None:
        """Tell how much is gone."""
        fraction = 1 - max(0.0, self.left_seconds) / self._max_seconds
        self._progress(Progress("time", fraction))

    def has_time(self, measured: int, least: int) -> bool:
        """Whether another process is to measure, after so many, of which there must be some."""
        return measured < least or self.left_seconds >= _SHORTEST_SECONDS

    def share(self, wanted_seconds: float) -> float:
        """How long it may take, if it wants to take so long."""
        return min(max(self.left_seconds, _SHORTEST_SECONDS), wanted_seconds)


def _traffic(record: Results, numbers: Sequence[int]) -> dict[int, Traffic]:
    """How the record's connections were used."""
    timings = (record.timing_of(number) for number in numbers)
    return {of.connections: of.traffic for of in timings if of and of.traffic}


def _process_seconds(wanted: dict[int, list[DeflateSettings]]) -> float:
    """How long one process should take: rows share what a ladder takes, or take as much more."""
    return sum(
        (_ONE_CONNECTION_SECONDS if number == 1 else _MANY_CONNECTIONS_SECONDS)
        * max(0.5, len(settings) / len(LADDER))
        for number, settings in wanted.items()
    )

"""Time: settings beside a reference, until the ratios are known or the time is up."""

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

from wsbench.corpus.model import Corpus
from wsbench.machine import Watch, standing_warnings
from wsbench.measure.clock import Gauge
from wsbench.measure.many_connections import ManyConnections
from wsbench.measure.one_connection import OneConnection
from wsbench.measure.samples import Samples
from wsbench.results import Time, TimingSummary, Traffic
from wsbench.settings import DeflateSettings

_JUDGED_EVERY_SECONDS = 0.2
# How much of the time waiting for an undisturbed processor may take.
_PATIENCE_SHARE = 0.4
# More timings than this that were taken although disturbed are worth a warning.
_DISTURBED_SHARE = 0.1


class _Method(Protocol):
    """A way to time settings beside the reference."""

    samples: Samples

    def visit(self, settings: Sequence[DeflateSettings]) -> Iterator[None]:
        """Time these settings on some messages; yield now and then."""


class Timing:
    """Times settings against a reference, for each number of connections; run it, then ask.

    For each it ends when every 95 % interval is within ± `precision` of its ratio, with `decode`
    those of decoding too, or when its part of `max_seconds` is over; what one number leaves over is
    for the next ones. What an interval needs is always measured. Settings whose intervals are
    narrow enough are left out of further rounds. Whoever needs less than that passes `is_known`,
    which is asked, with a number of connections, some settings and their time so far, whether that
    will do. `first_turn` is where in the corpus it begins, so that several that are put together
    do not sample the same places. Nothing else may run in the process meanwhile.
    """

    def __init__(
        self,
        corpus: Corpus,
        settings: Sequence[DeflateSettings],
        reference: DeflateSettings,
        *,
        connections: Sequence[int],
        traffic: Traffic,
        decode: bool,
        precision: float,
        max_seconds: float,
        is_known: Callable[[int, DeflateSettings, Time], bool] = lambda *_: False,
        first_turn: int = 0,
    ) -> None:
        self._corpus = corpus
        self._settings = settings
        self._reference = reference
        self._connections = connections
        self._traffic = traffic
        self._decode = decode
        self._precision = precision
        self._max_seconds = max_seconds
        self._is_known = is_known
        self._first_turn = first_turn
        self._gauge = Gauge(_PATIENCE_SHARE * max_seconds)
        self._watch: Watch | None = None
        self._samples: dict[int, Samples] = {}
        self._summaries: dict[int, TimingSummary] = {}

    def run(self) -> Iterator[float]:
        """Measure; now and then, yield how much of the time is gone, 0 to 1."""
        start = time.monotonic()
        self._watch = Watch()
        gc.collect()
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            for position, connections in enumerate(self._connections):
                left_seconds = max(0.001, self._max_seconds - (time.monotonic() - start))
                max_seconds = left_seconds / (len(self._connections) - position)
                for _ in self._run(connections, max_seconds):
                    yield min(1.0, (time.monotonic() - start) / self._max_seconds)
            yield 1.0
        finally:
            if was_enabled:
                gc.enable()

    def times(self, settings: DeflateSettings | None) -> tuple[Time, ...]:
        """The times of some settings that have rounds enough for an interval."""
        return tuple(
            samples.time(settings)
            for samples in self._samples.values()
            if settings is not None and samples.is_enough(settings)
        )

    def summaries(self) -> tuple[TimingSummary, ...]:
        """How each number of connections was timed that was begun."""
        return tuple(self._summaries.values())

    def warnings(self) -> list[str]:
        """What on the machine made the times worse than they could be."""
        warnings = standing_warnings()
        if self._watch is not None:
            warnings += self._watch.warnings()
        if self._gauge.disturbed_share > _DISTURBED_SHARE:
            warnings.append(
                f"the processor was slowed down by others for "
                f"{100 * self._gauge.disturbed_share:.0f}% of the timings"
            )
        return warnings

    def _run(self, connections: int, max_seconds: float) -> Iterator[None]:
        start = time.monotonic()

        def summarise(stopped: Literal["precision", "max_seconds", "interrupted"]) -> None:
            self._summaries[connections] = TimingSummary(
                connections=connections,
                traffic=None if connections == 1 else self._traffic,
                precision=self._precision,
                max_seconds=max_seconds,
                seconds=time.monotonic() - start,
                stopped=stopped,
            )

        summarise("interrupted")
        method = self._method(connections, max_seconds)
        samples = self._samples[connections] = method.samples
        wide = self._settings
        elapsed = longest = judged = 0.0
        while wide:
            for _ in method.visit(wide):
                before, elapsed = elapsed, time.monotonic() - start
                longest = max(longest, elapsed - before)
                summarise("interrupted")
                yield
                # Rather less than asked for than more.
                is_over = elapsed + longest > max_seconds
                if is_over and all(map(samples.is_enough, self._settings)):
                    summarise("max_seconds")
                    return
            # Where visits are short, judging after each would take longer than they do.
            if elapsed - judged > _JUDGED_EVERY_SECONDS:
                judged = elapsed
                wide = [item for item in self._settings if self._is_wide(connections, item)]
        summarise("precision")

    def _is_wide(self, connections: int, item: DeflateSettings) -> bool:
        """Whether the interval of these settings must become narrower."""
        samples = self._samples[connections]
        margin = samples.margin(item, decode=self._decode)
        if margin <= self._precision:
            return False
        return math.isinf(margin) or not self._is_known(connections, item, samples.time(item))

    def _method(self, connections: int, max_seconds: float) -> _Method:
        corpus, settings, reference = self._corpus, self._settings, self._reference
        gauge, turn = self._gauge, self._first_turn
        if connections == 1:
            return OneConnection(corpus, settings, reference, max_seconds, gauge, turn)
        return ManyConnections(corpus, settings, reference, connections, self._traffic, gauge, turn)

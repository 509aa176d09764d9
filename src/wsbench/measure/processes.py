"""Time, measured by one process after another, each begun anew.

Where code and data happen to lie in memory moves the ratios of a process, and nothing that it
measures shows by how much. Only another process does: so what matters is measured in several.
"""

import math
import pickle
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from msgspec.structs import replace

from wsbench.corpus.model import Corpus
from wsbench.live.child import Child
from wsbench.measure.timing_process import IsKnown, Request, Task, Tick, Timed
from wsbench.results import Time, TimingSummary, Traffic
from wsbench.settings import DeflateSettings

# How long a process may say nothing: a round of many connections can take long.
_SILENT_SECONDS = 600
# How many turns apart in the corpus processes begin: more than one of them takes.
_TURNS = 1_009


class Processes:
    """Times of settings beside a reference, combined from all processes so far."""

    def __init__(
        self,
        corpus: Corpus,
        reference: DeflateSettings,
        *,
        traffic: Mapping[int, Traffic],
        precision: float,
    ) -> None:
        """`traffic` is that of each number of connections above one, see `TimingSummary`."""
        self._corpus = corpus
        self._reference = reference
        self._traffic = traffic
        self._precision = precision
        self._times: defaultdict[tuple[int, DeflateSettings], list[Time]] = defaultdict(list)
        self._summaries: defaultdict[int, list[TimingSummary]] = defaultdict(list)
        self._warnings: dict[str, str] = {}
        self._runs = 0

    def run(
        self,
        wanted: Mapping[int, Sequence[DeflateSettings]],
        max_seconds: float,
        is_known: IsKnown,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        """Measure settings, by number of connections, in one more process, for so long at most.

        `is_known` goes there, see `Timing`, so it can be pickled. `idle` is called now and then.

        Raises:
            MeasurementError: if the process ends before it has measured them.
        """
        task = Task(
            self._corpus,
            self._reference,
            dict(wanted),
            dict(self._traffic),
            self._precision,
            max_seconds,
            is_known,
            self._runs * _TURNS,
        )
        self._runs += 1
        with Child("wsbench.measure.timing_process", "the process that measures times") as child:
            child.tell(Request(pickle.dumps(task)))
            while isinstance(timed := child.receive(Tick | Timed, _SILENT_SECONDS), Tick):
                idle()
        for item in timed.times:
            for time in item.times:
                self._times[time.connections, item.settings].append(time)
        for summary in timed.summaries:
            self._summaries[summary.connections].append(summary)
        for warning in timed.warnings:
            # Those that differ in their figures alone are one, with the largest.
            kind = re.sub("[0-9.]+", "", warning)
            self._warnings[kind] = max(warning, self._warnings.get(kind, ""))

    def time(self, connections: int, settings: DeflateSettings) -> Time | None:
        """What all processes together say of some settings."""
        times = self._times.get((connections, settings))
        return combined(times) if times else None

    def processes(self, connections: int, settings: DeflateSettings) -> int:
        """How many processes have measured these settings."""
        return len(self._times.get((connections, settings), ()))

    def summaries(
        self,
        max_seconds: float,
        ended: Literal["precision", "decided"],
        unknown: Collection[int],
    ) -> tuple[TimingSummary, ...]:
        """How all of them came about: they `ended` so but for these numbers of connections."""
        return tuple(
            replace(
                summaries[0],
                max_seconds=max_seconds,
                seconds=sum(summary.seconds for summary in summaries),
                stopped="max_seconds" if number in unknown else ended,
            )
            for number, summaries in sorted(self._summaries.items())
        )

    def warnings(self) -> list[str]:
        """What disturbed any of the processes."""
        return list(self._warnings.values())


def combined(times: Sequence[Time]) -> Time:
    """One time from those of several processes.

    The mean, each weighted by the inverse square of its margin. If they differ by more than their
    margins let expect, the margin is widened by the ratio of the two (as the Particle Data Group
    does, Review of Particle Physics, section 5.2.2).
    """
    first = times[0]
    if len(times) == 1:
        return first
    encode, encode_margin = _mean([(time.vs_reference, time.margin) for time in times])
    decode, decode_margin = _mean(
        [(time.decode_vs_reference, time.decode_margin) for time in times]
    )
    # That of the reference is the shortest, since interference only adds; see Samples.time.
    encode_ns = min(time.encode_ns_per_message / (1 + time.vs_reference) for time in times)
    decode_ns = min(time.decode_ns_per_message / (1 + time.decode_vs_reference) for time in times)
    sampled = [time.sampled_messages for time in times]
    return Time(
        connections=first.connections,
        encode_ns_per_message=encode_ns * (1 + encode),
        vs_reference=encode,
        ci95=(encode - encode_margin, encode + encode_margin),
        decode_ns_per_message=decode_ns * (1 + decode),
        decode_vs_reference=decode,
        decode_ci95=(decode - decode_margin, decode + decode_margin),
        # On one connection, processes go through the same slices, from elsewhere; on many, each
        # turn is at another place.
        sampled_messages=min(sampled) if first.connections == 1 else sum(sampled),
        rounds=sum(time.rounds for time in times),
    )


def _mean(measured: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The weighted mean of values with margins, and its margin."""
    if all(margin == 0 for _, margin in measured):
        return measured[0]
    weights = [1 / max(margin, 1e-9) ** 2 for _, margin in measured]
    total = sum(weights)
    mean = sum(weight * value for weight, (value, _) in zip(weights, measured, strict=True)) / total
    # Margins are twice the standard deviation or so.
    scatter = sum(
        4 * weight * (value - mean) ** 2
        for weight, (value, _) in zip(weights, measured, strict=True)
    )
    return mean, max(1.0, math.sqrt(scatter / (len(measured) - 1))) / math.sqrt(total)

"""The process that measures times: one `Timing` for each number of connections, then it ends.

Run as `python -m wsbench.measure.timing_process` by `wsbench.measure.processes`, which it talks to
in JSON lines: it reads a `Request` from standard input, writes a `Tick` now and then and the
`Timed` at last, and ends when standard input does.
"""

import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from wsbench.corpus.model import Corpus
from wsbench.measure.time import Timing
from wsbench.results import Time, TimingSummary, Traffic
from wsbench.settings import DeflateSettings

IsKnown = Callable[[int, DeflateSettings, Time], bool]

_TICK_SECONDS = 0.5


class Task(NamedTuple):
    """What to measure: settings beside the reference, by number of connections; see `Timing`."""

    corpus: Corpus
    reference: DeflateSettings
    wanted: dict[int, Sequence[DeflateSettings]]
    traffic: dict[int, Traffic]
    precision: float
    max_seconds: float
    is_known: IsKnown
    first_turn: int = 0


class Request(msgspec.Struct, frozen=True):
    """A `Task`, pickled: messages are bytes, and `is_known` is code of wsbench."""

    task: bytes


class Tick(msgspec.Struct, frozen=True, tag=True):
    """A sign of life."""


class TimedSettings(msgspec.Struct, frozen=True):
    """The times of some settings, one for each number of connections."""

    settings: DeflateSettings
    times: list[Time]


class Timed(msgspec.Struct, frozen=True, tag=True):
    """What was measured, how, and what disturbed it."""

    times: list[TimedSettings]
    summaries: list[TimingSummary]
    warnings: list[str]


def never(_connections: int, _settings: DeflateSettings, _time: Time) -> bool:
    """An `is_known` for which nothing will do but the precision."""
    return False


def run(task: Task, tick: Callable[[], None] = lambda: None) -> Timed:
    """Measure: each number of connections gets its share of the time that is left."""
    times: dict[DeflateSettings, list[Time]] = {}
    summaries: list[TimingSummary] = []
    warnings: list[str] = []
    for position, (connections, settings) in enumerate(sorted(task.wanted.items())):
        used_seconds = sum(summary.seconds for summary in summaries)
        left_seconds = max(0.001, task.max_seconds - used_seconds)
        distinct = list(dict.fromkeys([task.reference, *settings]))
        timing = Timing(
            task.corpus,
            distinct,
            task.reference,
            connections=[connections],
            traffic=task.traffic.get(connections, "independent"),
            decode=False,
            precision=task.precision,
            max_seconds=left_seconds / (len(task.wanted) - position),
            is_known=task.is_known,
            first_turn=task.first_turn,
        )
        for _ in timing.run():
            tick()
        for item in distinct:
            times.setdefault(item, []).extend(timing.times(item))
        summaries += timing.summaries()
        warnings += timing.warnings()
    return Timed([TimedSettings(*item) for item in times.items()], summaries, warnings)


def _main() -> None:
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    threading.Thread(target=_end_with_input, daemon=True).start()
    said = time.monotonic()

    def tick() -> None:
        nonlocal said
        if time.monotonic() - said > _TICK_SECONDS:
            said = time.monotonic()
            _say(Tick())

    _say(run(pickle.loads(request.task), tick))


def _end_with_input() -> None:
    # Not through the buffered reader, whose lock a thread must not hold when Python ends.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(1)


def _say(line: Tick | Timed) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()

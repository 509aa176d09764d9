"""The sweep: corpus × settings → Results. Owns order, budget and progress; measures nothing."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import wsbench
from wsbench.corpus import AnyCorpus
from wsbench.environment import current_commit, current_environment
from wsbench.errors import CorpusError, MeasurementError, SettingsError
from wsbench.machine import available_bytes
from wsbench.measure.contexts import context_bytes
from wsbench.measure.many_connections import most_connections, needed_bytes
from wsbench.measure.memory import measure_memory
from wsbench.measure.resident import measure_resident
from wsbench.measure.size import measure_sizes
from wsbench.measure.time import Timing
from wsbench.report.units import binary_size
from wsbench.results import (
    TRAFFICS,
    CorpusSummary,
    Memory,
    Resident,
    Results,
    Row,
    Size,
    Traffic,
    now,
)
from wsbench.settings import LADDER, REFERENCE, DeflateSettings, in_table_order
from wsbench.workers import local_pool

# How many connections are timed unless told otherwise: one, and the first of these that fits.
_DEFAULT_CONNECTIONS = (1000, 500, 200, 100, 50, 20, 10)
# What all connections may send in one round by default.
_ROUND_BYTES = 1_500_000
# How much of the available memory contexts may take: the rest is for what else goes on.
_MEMORY_SHARE = 0.8
# How long timing takes by default, for each number of connections: at least, and for each row.
_SECONDS = 5.0
_SECONDS_A_ROW = 0.25

# Enough pieces of work for the workers to end at about the same time.
_PIECES_PER_WORKER = 3


class Progress(NamedTuple):
    """How far a measurement has come: `fraction` 0 to 1 of the `phase`.

    Phases are "size", "time", "memory" and "resident"; of live connections, "allocated" and the
    settings; of buffers, "buffers".
    """

    phase: str
    fraction: float


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C during a sweep; `results` holds what was measured so far, marked partial."""

    def __init__(self, results: Results) -> None:
        super().__init__("the sweep was interrupted")
        self.results = results


def sweep(
    corpus: AnyCorpus,
    settings: Iterable[DeflateSettings | None] = LADDER,
    *,
    reference: DeflateSettings = REFERENCE,
    memory: bool = True,
    resident: bool = False,
    time: bool = True,
    connections: Sequence[int] | None = None,
    traffic: Traffic = "independent",
    decode: bool = False,
    precision: float = 0.01,
    max_seconds: float | None = None,
    jobs: int = 1,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Results:
    """Measure what every settings does to the corpus.

    The reference and the disabled row (settings None) are always among the rows. Sizes are always
    measured, by `jobs` processes; memory per connection and times can be left out. With `resident`,
    some live connections tell what each of them holds of physical memory. `progress` is called now
    and then. Of a corpus that is not held in memory, times and resident memory are measured by its
    sample.

    Times are measured for each number of `connections`: 1 and 1,000 unless given, or fewer than
    1,000 where their contexts would not fit into memory. More than one are used in turn; with the
    traffic "independent" each sends messages of its own, with "broadcast" all send the same one.
    Timing stops when all 95 % intervals, with `decode` those of decoding too, are within
    ± `precision` of their ratios (0.01 is one percentage point), or after `max_seconds` in all:
    unless given, for each number of connections 5 s, or a quarter of a second a settings if that is
    more.

    With more than one job, and for memory, processes are started: a script that calls this needs
    the usual `if __name__ == "__main__":` where multiprocessing asks for it.

    Raises:
        SettingsError: if `max_seconds` or `precision` is not a finite number above 0, a number of
            `connections` or `jobs` is less than 1, the contexts of the connections would not fit
            into memory, or there is no such traffic.
        CorpusError: if the corpus has no messages.
        MeasurementError: if a measurement fails, or its outcome cannot be right; its `results`
            hold what was measured so far, marked partial.
        SweepInterrupted: at Ctrl-C, with what was measured so far.
    """
    compressing = in_table_order({item for item in settings if item is not None} | {reference})
    if jobs < 1:
        raise SettingsError(f"jobs {jobs}: choose a number from 1")
    summary, environment, commit = corpus_summary(corpus), current_environment(), current_commit()
    timing, warnings = None, list[str](corpus.remarks)
    if time:
        if traffic not in TRAFFICS:
            raise SettingsError(f"traffic {traffic!r}: choose one of {', '.join(TRAFFICS)}")
        if not 0 < precision < math.inf:
            raise SettingsError(f"precision {precision}: choose a finite number above 0")
        numbers, changes = _choose_connections(summary, compressing, connections)
        warnings += changes
        if max_seconds is None:
            max_seconds = len(numbers) * max(_SECONDS, _SECONDS_A_ROW * len(compressing))
        if not 0 < max_seconds < math.inf:
            raise SettingsError(f"max_seconds {max_seconds}: choose a finite number above 0")
        timing = Timing(
            corpus.sample,
            compressing,
            reference,
            connections=numbers,
            traffic=traffic,
            decode=decode,
            precision=precision,
            max_seconds=max_seconds,
        )
    rows: list[DeflateSettings | None] = [*compressing, None]
    sizes: dict[DeflateSettings | None, Size] = {}
    memories: dict[DeflateSettings | None, Memory] = {}
    residents: dict[DeflateSettings | None, Resident] = {}

    def results(*, partial: bool) -> Results:
        return Results(
            schema="wsbench.result/1",
            created=now(),
            wsbench=wsbench.__version__,
            commit=commit,
            partial=partial,
            environment=environment,
            corpus=summary,
            reference=reference,
            rows=tuple(
                Row(
                    settings=item,
                    memory=memories.get(item),
                    resident=residents.get(item),
                    size=sizes.get(item),
                    time=timing.times(item) if timing else (),
                )
                for item in rows
            ),
            timing=timing.summaries() if timing else (),
            warnings=tuple(warnings),
        )

    try:
        for measured in sizes_of(corpus, rows, jobs):
            sizes.update(measured)
            progress(Progress("size", len(sizes) / len(rows)))
        if timing:
            # Before memory, whose client connections leave a heap in which the copies of a 256 KiB
            # context are a percent slower.
            try:
                for fraction in timing.run():
                    progress(Progress("time", fraction))
            finally:
                warnings += timing.warnings()
        if memory:
            for item, of_item in measure_memory(rows):
                memories[item] = of_item
                progress(Progress("memory", len(memories) / len(rows)))
        if resident:
            for item, estimate in measure_resident(corpus.sample, rows):
                residents[item] = estimate
                progress(Progress("resident", len(residents) / len(rows)))
    except KeyboardInterrupt:
        raise SweepInterrupted(results(partial=True)) from None
    except MemoryError:
        error = MeasurementError("out of memory; pass fewer --connections, or a smaller corpus")
        error.results = results(partial=True)
        raise error from None
    except MeasurementError as error:
        error.results = results(partial=True)
        raise
    return results(partial=False)


def check_connections(settings: Sequence[DeflateSettings], connections: Sequence[int]) -> None:
    """Raise SettingsError if a number is less than 1, or so many do not fit into memory."""
    free_bytes = _free_bytes()
    for number in connections:
        if number < 1:
            raise SettingsError(f"connections {number}: choose a number from 1")
        if reason := _shortage(settings, number, free_bytes):
            most = max(1, most_connections(settings, free_bytes))
            raise SettingsError(f"connections {number:,}: {reason}; choose up to {most:,}")


def _choose_connections(
    summary: CorpusSummary, settings: Sequence[DeflateSettings], wanted: Sequence[int] | None
) -> tuple[list[int], list[str]]:
    """The numbers of connections to time, in ascending order, and what to warn of.

    Raises:
        SettingsError: if one that is wanted is less than 1, or takes more memory than there is.
    """
    if wanted:
        check_connections(settings, wanted)
        return sorted(set(wanted)), []
    free_bytes = _free_bytes()

    def adversity(connections: int) -> str:
        """What keeps so many connections, which nobody asked for, from being timed, if anything."""
        if connections * summary.bytes > _ROUND_BYTES * summary.messages:
            return "messages are so long that a round would take seconds"
        return _shortage(settings, connections, free_bytes)

    usual = _DEFAULT_CONNECTIONS[0]
    fitting = [connections for connections in _DEFAULT_CONNECTIONS if not adversity(connections)]
    if not fitting:
        return [1], [f"not timed at {usual:,} connections: {adversity(usual)}"]
    if fitting[0] == usual:
        return [1, usual], []
    return [1, fitting[0]], [
        f"timed at {fitting[0]:,} connections instead of {usual:,}: {adversity(usual)}"
    ]


def _free_bytes() -> int:
    """The memory that contexts may take."""
    return int(_MEMORY_SHARE * available_bytes())


def _shortage(settings: Sequence[DeflateSettings], connections: int, free_bytes: int) -> str:
    """Why so many connections do not fit into so much memory; empty if they do."""
    needed = needed_bytes(settings, connections)
    if connections <= 1 or needed <= free_bytes:
        return ""
    return (
        f"contexts of {max(settings, key=context_bytes)} would take {binary_size(needed)}, and of "
        f"the free memory {binary_size(free_bytes)} can be used"
    )


def sizes_of(
    corpus: AnyCorpus, rows: Sequence[DeflateSettings | None], jobs: int
) -> Iterator[list[tuple[DeflateSettings | None, Size]]]:
    """The sizes of all rows, some at a time, as they are measured by `jobs` processes.

    Raises:
        MeasurementError: if a process is killed, or a message does not come back as it was.
    """
    workers = min(jobs, len(rows))
    if workers == 1:
        yield from (measure_sizes(corpus, [item]) for item in rows)
        return
    pieces = min(len(rows), workers * _PIECES_PER_WORKER)
    with local_pool(workers) as executor:
        # Dealt out in turn, so that the slow settings of a ladder do not end up in one piece.
        futures = [
            executor.submit(measure_sizes, corpus, rows[piece::pieces]) for piece in range(pieces)
        ]
        try:
            yield from (future.result() for future in as_completed(futures))
        except BrokenProcessPool as error:
            raise MeasurementError(
                "a worker process was killed, perhaps for want of memory; pass --jobs 1"
            ) from error


def corpus_summary(corpus: AnyCorpus) -> CorpusSummary:
    """What a record says of the corpus.

    Raises:
        CorpusError: if it has no messages.
    """
    try:
        statistics = corpus.statistics()
    except ValueError as error:
        raise CorpusError(f"{corpus.name}: {error}") from error
    return CorpusSummary(
        name=corpus.name,
        sha256=corpus.sha256(),
        messages=statistics.messages,
        bytes=statistics.bytes,
        streams=statistics.streams,
        connections=statistics.connections,
        directions=statistics.directions,
    )

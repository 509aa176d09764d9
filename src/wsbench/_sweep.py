"""The sweep: corpus × settings → Results. Owns order, budget and progress; measures nothing."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import wsbench
from wsbench.corpus.model import Corpus
from wsbench.environment import current_environment
from wsbench.errors import CorpusError, MeasurementError, SettingsError
from wsbench.measure.memory import measure_memory
from wsbench.measure.size import measure_sizes
from wsbench.measure.time import Timing
from wsbench.results import CorpusSummary, Memory, Results, Row, Size, Time, now
from wsbench.settings import LADDER, REFERENCE, DeflateSettings, in_table_order
from wsbench.workers import local_pool

# Enough pieces of work for the workers to end at about the same time.
_PIECES_PER_WORKER = 3


class Progress(NamedTuple):
    """How far a sweep has come: `fraction` 0 to 1 of the `phase`: "size", "time" or "memory"."""

    phase: str
    fraction: float


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C during a sweep; `results` holds what was measured so far, marked partial."""

    def __init__(self, results: Results) -> None:
        super().__init__("the sweep was interrupted")
        self.results = results


def sweep(
    corpus: Corpus,
    settings: Iterable[DeflateSettings | None] = LADDER,
    *,
    reference: DeflateSettings = REFERENCE,
    memory: bool = True,
    time: bool = True,
    max_seconds: float | None = None,
    jobs: int = 1,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Results:
    """Measure what every settings does to the corpus.

    The reference and the disabled row (settings None) are always among the rows. Sizes are always
    measured, by `jobs` processes; memory per connection and times can be left out. `max_seconds`
    bounds the timing: 5 s, or a quarter of a second a settings if that is more, unless given.
    `progress` is called now and then.

    With more than one job, and for memory, processes are started: a script that calls this needs
    the usual `if __name__ == "__main__":` where multiprocessing asks for it.

    Raises:
        SettingsError: if `max_seconds` is not a finite number above 0, or `jobs` is less than 1.
        CorpusError: if the corpus has no messages.
        MeasurementError: if a measurement fails, or its outcome cannot be right; its `results`
            hold what was measured so far, marked partial.
        SweepInterrupted: at Ctrl-C, with what was measured so far.
    """
    compressing = in_table_order({item for item in settings if item is not None} | {reference})
    if max_seconds is None:
        max_seconds = max(5.0, len(compressing) / 4)
    if not 0 < max_seconds < math.inf:
        raise SettingsError(f"max_seconds {max_seconds}: choose a number above 0")
    if jobs < 1:
        raise SettingsError(f"jobs {jobs}: choose a number from 1")
    summary, environment = _summary(corpus), current_environment()
    rows: list[DeflateSettings | None] = [*compressing, None]
    sizes: dict[DeflateSettings | None, Size] = {}
    memories: dict[DeflateSettings | None, Memory] = {}
    times: dict[DeflateSettings, Time] = {}
    timing: Timing | None = None

    def results(*, partial: bool) -> Results:
        return Results(
            schema="wsbench.result/1",
            created=now(),
            wsbench=wsbench.__version__,
            partial=partial,
            environment=environment,
            corpus=summary,
            reference=reference,
            rows=tuple(
                Row(
                    settings=item,
                    memory=memories.get(item),
                    size=sizes.get(item),
                    time=(times[item],) if item in times else (),
                )
                for item in rows
            ),
        )

    try:
        for measured in _sizes(corpus, rows, jobs):
            sizes.update(measured)
            progress(Progress("size", len(sizes) / len(rows)))
        if time:
            # Before memory, whose client connections leave a heap in which the copies of a 256 KiB
            # context are a percent slower.
            timing = Timing(corpus, compressing, reference, max_seconds)
            for fraction in timing.run():
                progress(Progress("time", fraction))
            times.update(timing.times())
        if memory:
            for item, of_item in measure_memory(rows):
                memories[item] = of_item
                progress(Progress("memory", len(memories) / len(rows)))
    except KeyboardInterrupt:
        if timing is not None and not times and timing.is_enough:
            times.update(timing.times())
        raise SweepInterrupted(results(partial=True)) from None
    except MeasurementError as error:
        error.results = results(partial=True)
        raise
    return results(partial=False)


def _sizes(
    corpus: Corpus, rows: Sequence[DeflateSettings | None], jobs: int
) -> Iterator[list[tuple[DeflateSettings | None, Size]]]:
    """The sizes of all rows, some at a time, as they are measured."""
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


def _summary(corpus: Corpus) -> CorpusSummary:
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
    )

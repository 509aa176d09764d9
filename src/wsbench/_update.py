"""A baseline, made or made anew: corpora → records to compare with, and what changed in them."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from wsbench._check import CheckOptions
from wsbench._sweep import Progress, check_connections, corpus_summary, sweep
from wsbench._times import baseline_times
from wsbench.baseline import Baseline
from wsbench.corpus import AnyCorpus
from wsbench.errors import ResultsError
from wsbench.judge import Limits
from wsbench.results import Results
from wsbench.settings import LADDER, REFERENCE, in_table_order


def update_baseline(
    baseline: Baseline,
    corpora: Mapping[str, AnyCorpus],
    limits: Limits,
    options: CheckOptions,
    connections: Sequence[int] = (),
    progress: Callable[[Progress], None] = lambda _: None,
) -> list[tuple[Results | None, Results]]:
    """Measure corpora again, and write the file when all are measured.

    Returns each new record with the one whose place it takes, None if it takes none. Records of
    other corpora stay as they are.

    Raises:
        CorpusError: if a corpus has no messages.
        SettingsError: if a number of connections does not fit into memory.
        ResultsError: if the file holds more of a corpus than would be measured, or cannot be
            written.
        MeasurementError: if a measurement fails.
        KeyboardInterrupt: at Ctrl-C; the file is then as it was.
    """
    summaries = [corpus_summary(corpus) for corpus in corpora.values()]
    # A file of another name and with other messages is another corpus.
    records = baseline.match(summaries, alone=False)
    for record in records:
        if record is not None and (lost := ", ".join(_lost(record, options, connections))):
            raise ResultsError(
                f"{baseline.path}: holds more of {record.corpus.name!r} than would be measured: "
                f"{lost}; measure that too, or delete the file to begin anew"
            )
    changes = []
    for corpus, before in zip(corpora.values(), records, strict=True):
        after = measure_baseline(corpus, before, limits, options, connections, progress)
        baseline.put(after, before)
        changes.append((before, after))
    baseline.save()
    return changes


def _lost(record: Results, options: CheckOptions, connections: Sequence[int]) -> Iterator[str]:
    """What a record holds that would not be measured again."""
    if options.settings is not None:
        kept = {*options.settings, record.reference, None}
        yield from (row.label for row in record.rows if row.settings not in kept)
    if not options.memory and any(row.memory for row in record.rows):
        yield "memory"
    numbers = record.timed_connections()
    if not options.time and numbers:
        yield "times"
    elif connections:
        yield from (f"times at {number:,}" for number in numbers if number not in connections)


def measure_baseline(
    corpus: AnyCorpus,
    like: Results | None,
    limits: Limits,
    options: CheckOptions,
    connections: Sequence[int] = (),
    progress: Callable[[Progress], None] = lambda _: None,
) -> Results:
    """A record to compare with: of what another one holds, or else of the ladder.

    Without another record, and without `connections`, times are those on one connection, which are
    known well after seconds; at a thousand, it takes minutes.

    Raises:
        CorpusError: if the corpus has no messages.
        SettingsError: if a number of connections does not fit into memory.
        MeasurementError: if a measurement fails.
        SweepInterrupted, KeyboardInterrupt: at Ctrl-C.
    """
    settings = options.settings or ([row.deflate for row in like.rows] if like else LADDER)
    reference = like.reference if like else REFERENCE
    has_memory = options.memory and (like is None or any(row.memory for row in like.rows))
    held = like.timed_connections() if like else [1]
    numbers = sorted(set(connections or held)) if options.time else []
    compressing = in_table_order({item for item in settings if item is not None} | {reference})
    check_connections(compressing, numbers)
    record = sweep(
        corpus,
        compressing,
        reference=reference,
        memory=has_memory,
        time=False,
        jobs=options.jobs,
        progress=progress,
    )
    if not numbers:
        return record
    processes, timing = baseline_times(
        corpus,
        reference,
        compressing,
        numbers,
        like,
        limits,
        options.max_seconds,
        progress,
    )
    rows = [
        replace(
            row,
            time=tuple(
                known
                for number in numbers
                if row.deflate and (known := processes.time(number, row.deflate))
            ),
        )
        for row in record.rows
    ]
    return replace(
        record,
        rows=tuple(rows),
        timing=timing,
        warnings=(*record.warnings, *processes.warnings()),
    )

"""A check: corpus and baseline → verdicts. Owns order, budget and progress; judges nothing itself.

What is exact is measured once, or again before it fails. Times are measured by one process after
another, only those that are not decided yet, until all are or the time is up.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

import wsbench
from wsbench._sweep import Progress, choose_connections, corpus_summary, sizes_of, sweep
from wsbench._times import Decision, baseline_times
from wsbench.checks import BaselineSummary, CorpusCheck
from wsbench.corpus import AnyCorpus
from wsbench.environment import current_commit, current_environment
from wsbench.errors import ResultsError
from wsbench.judge import (
    Judgement,
    Limits,
    judge_budgets,
    judge_corpus,
    judge_memory,
    judge_size,
)
from wsbench.measure.memory import measure_memory
from wsbench.quantities import PROCESSOR, SOFTWARE, differ_in, differences
from wsbench.results import Memory, Results, Row, Size, Time, now
from wsbench.settings import LADDER, REFERENCE, DeflateSettings, in_table_order

# How often memory is measured before it fails: by the median, so an odd one does not count.
_MEMORY_REPEATS = 3


class CheckInterrupted(KeyboardInterrupt):
    """Ctrl-C during a check; `check` holds what was judged so far, marked partial."""

    def __init__(self, check: CorpusCheck) -> None:
        super().__init__("the check was interrupted")
        self.check = check


class CheckOptions(NamedTuple):
    """What is measured: these settings, or those of the baseline; which quantities; for how long.

    `max_seconds` is how long timing may take, though what a verdict needs is always measured.
    """

    settings: Sequence[DeflateSettings | None] | None = None
    memory: bool = True
    time: bool = True
    max_seconds: float = 30.0
    jobs: int = 1


def check_corpus(
    path: str,
    corpus: AnyCorpus,
    limits: Limits,
    options: CheckOptions,
    baseline: tuple[Results, BaselineSummary] | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[CorpusCheck, Results]:
    """Measure again what the baseline holds, and judge it, and by the budgets, if there are any.

    Returns the verdicts, and the record of what was measured. Without a baseline, only budgets are
    judged, at the given settings, or websockets' default.
    With one, they are those of the given settings, or of its reference.

    Raises:
        CorpusError: if the corpus has no messages.
        SettingsError: if the baseline's number of connections does not fit into memory.
        ResultsError: if the baseline holds nothing of some of the settings.
        MeasurementError: if a measurement fails.
        CheckInterrupted: at Ctrl-C.
    """
    return _Run(path, corpus, limits, options, baseline, progress).check()


class _Run:
    """One corpus; what was measured and judged so far."""

    def __init__(
        self,
        path: str,
        corpus: AnyCorpus,
        limits: Limits,
        options: CheckOptions,
        baseline: tuple[Results, BaselineSummary] | None,
        progress: Callable[[Progress], None],
    ) -> None:
        self._path = path
        self._corpus = corpus
        self._baseline = baseline[0] if baseline else None
        self._baseline_summary = baseline[1] if baseline else None
        self._limits = limits
        self._options = options
        self._progress = progress
        self._start = time.monotonic()
        self._summary = corpus_summary(corpus)
        self._environment = current_environment()
        self._reference = self._baseline.reference if self._baseline else REFERENCE
        self._differences = (
            tuple(differences([self._baseline.environment, self._environment]))
            if self._baseline
            else ()
        )
        self._disturbances: list[str] = []
        self._rows = self._choose_rows()
        self._sizes: dict[DeflateSettings | None, Size] = {}
        self._memories: dict[DeflateSettings | None, list[Memory]] = {}
        self._decision: Decision | None = None

    def check(self) -> tuple[CorpusCheck, Results]:
        try:
            self._measure_sizes()
            self._measure_memory()
            self._measure_times()
        except KeyboardInterrupt:
            raise CheckInterrupted(self._found(partial=True)) from None
        return self._found(partial=False), self._record()

    def _choose_rows(self) -> list[Row]:
        """The baseline's rows that are checked; without a baseline, rows with nothing in them."""
        wanted = self._options.settings
        if self._baseline is None:
            return [Row(settings=item) for item in wanted or [self._reference]]
        if wanted is None:
            return list(self._baseline.rows)
        rows = []
        for item in wanted:
            row = self._baseline.row(item)
            if row is None:
                held = ", ".join(row.label for row in self._baseline.rows)
                assert self._baseline_summary is not None
                raise ResultsError(
                    f"{self._baseline_summary.file}: holds nothing of {item or 'off'}, only of "
                    f"{held}; choose among them, or make it anew with check --update"
                )
            rows.append(row)
        return rows

    def _found(self, *, partial: bool) -> CorpusCheck:
        return CorpusCheck(
            path=self._path,
            corpus=self._summary,
            reference=self._reference,
            environment=self._environment,
            baseline=self._baseline_summary,
            differences=self._differences,
            judgements=tuple(self._judgements()),
            warnings=self._corpus.remarks,
            disturbances=tuple(self._disturbances),
            partial=partial,
            seconds=time.monotonic() - self._start,
        )

    def _judgements(self) -> Iterable[Judgement]:
        """All verdicts so far, in the order of rows."""
        if corpus := self._judge_corpus():
            yield corpus
        budgets = {row.settings for row in self._rows}
        if self._baseline is not None and self._options.settings is None:
            budgets = {self._reference}
        for row in self._rows:
            size, memories = self._sizes.get(row.deflate), self._memories.get(row.deflate)
            if row.size is not None and size is not None:
                assert self._baseline is not None
                before, after = (self._baseline.corpus, row.size), (self._summary, size)
                yield judge_size(row.deflate, before, after, self._limits)
            if row.memory is not None and memories:
                yield judge_memory(
                    row.deflate,
                    row.memory,
                    _median(memories),
                    self._limits,
                    same_software=not differ_in(self._differences, SOFTWARE),
                )
            if self._decision and row.deflate:
                yield from self._decision.judgements(row.deflate)
            if row.settings in budgets:
                memory = _median(memories) if memories else None
                measured = Row(settings=row.settings, size=size, memory=memory)
                yield from judge_budgets(measured, self._limits)

    def _judge_corpus(self) -> Judgement | None:
        if self._baseline is None:
            return None
        return judge_corpus(self._baseline.corpus, self._summary, self._limits)

    def _record(self) -> Results:
        """What was measured, to be compared with later; times as far as verdicts needed them."""
        rows = list(dict.fromkeys([*(row.deflate for row in self._rows), self._reference]))
        ordered = [*in_table_order(item for item in rows if item), *([None] * (None in rows))]
        numbers = self._decision.numbers if self._decision else []
        processes = self._decision.processes if self._decision else None

        def times(item: DeflateSettings | None) -> tuple[Time, ...]:
            if processes is None or item is None:
                return ()
            known = (processes.time(number, item) for number in numbers)
            return tuple(time for time in known if time is not None)

        return Results(
            schema="wsbench.result/1",
            created=now(),
            wsbench=wsbench.__version__,
            commit=current_commit(),
            partial=False,
            environment=self._environment,
            corpus=self._summary,
            reference=self._reference,
            rows=tuple(
                Row(
                    settings=item,
                    size=self._sizes.get(item),
                    memory=_median(self._memories[item]) if item in self._memories else None,
                    time=times(item),
                )
                for item in ordered
            ),
            timing=self._decision.summaries(self._options.max_seconds) if self._decision else (),
            warnings=(*self._corpus.remarks, *self._disturbances),
        )

    def _measure_sizes(self) -> None:
        # The record has a row for the reference, whatever is judged.
        rows = list(dict.fromkeys([*(row.deflate for row in self._rows), self._reference]))
        for measured in sizes_of(self._corpus, rows, self._options.jobs):
            self._sizes.update(measured)
            self._progress(Progress("size", len(self._sizes) / len(rows)))

    def _measure_memory(self) -> None:
        if not self._options.memory:
            return
        has_budget = self._limits.max_memory_bytes is not None
        rows = [row for row in self._rows if row.memory is not None or has_budget]
        for repeat in range(_MEMORY_REPEATS):
            if not rows:
                return
            for position, (item, memory) in enumerate(
                measure_memory([row.deflate for row in rows]), 1
            ):
                self._memories.setdefault(item, []).append(memory)
                if not repeat:
                    self._progress(Progress("memory", position / len(rows)))
            failed = {
                judgement.settings
                for judgement in self._judgements()
                if judgement.quantity == "memory" and judgement.verdict == "failed"
            }
            rows = [row for row in rows if row.settings in failed]

    def _measure_times(self) -> None:
        if self._baseline is None or not self._options.time:
            return
        messages = self._judge_corpus()
        if messages is not None and messages.verdict == "failed":
            return
        numbers = sorted({time.connections for row in self._rows for time in row.time})
        if not numbers:
            return
        compressing = [row.deflate for row in self._baseline.rows if row.deflate]
        choose_connections(self._summary, compressing, numbers)
        self._decision = Decision(
            self._corpus,
            self._baseline,
            [row.deflate for row in self._rows if row.deflate],
            numbers,
            self._limits,
            same_processor=not differ_in(self._differences, PROCESSOR),
        )
        try:
            self._decision.run(self._options.max_seconds, self._progress)
        finally:
            self._disturbances += self._decision.processes.warnings()


def _median(memories: list[Memory]) -> Memory:
    """The one in the middle, so that an odd one does not count."""
    return sorted(memories, key=lambda memory: memory.connection_bytes)[(len(memories) - 1) // 2]


def measure_baseline(
    corpus: AnyCorpus,
    like: Results | None,
    limits: Limits,
    options: CheckOptions,
    connections: Sequence[int] = (),
    progress: Callable[[Progress], None] = lambda _: None,
) -> Results:
    """A record to compare with: of what another one holds, or else of the ladder.

    Without another record, and without `connections`, they are those on one connection,
    which are known well after seconds; at a thousand, it takes minutes.

    Raises:
        CorpusError: if the corpus has no messages.
        SettingsError: if a number of connections does not fit into memory.
        MeasurementError: if a measurement fails.
        SweepInterrupted, KeyboardInterrupt: at Ctrl-C.
    """
    settings = options.settings or ([row.deflate for row in like.rows] if like else LADDER)
    reference = like.reference if like else REFERENCE
    has_memory = options.memory and (like is None or any(row.memory for row in like.rows))
    has_time = options.time and (like is None or bool(like.timed_connections()))
    numbers = connections or (like.timed_connections() if like else []) or [1]
    record = sweep(
        corpus,
        [item for item in settings if item is not None],
        reference=reference,
        memory=has_memory,
        time=False,
        jobs=options.jobs,
        progress=progress,
    )
    if not has_time:
        return record
    compressing = [row.deflate for row in record.rows if row.deflate]
    choose_connections(record.corpus, compressing, numbers)
    processes, is_known = baseline_times(
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
        timing=processes.summaries(options.max_seconds, known=is_known),
        warnings=(*record.warnings, *processes.warnings()),
    )

"""A check: corpora and baseline → verdicts. Owns order, budget and progress; judges nothing itself.

What is exact is measured once, or again before it fails. Times are measured by one process after
another, only those that are not decided yet, until all are or the time is up. Whatever ends a check
early, what was found before is there.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import wsbench
from wsbench._sweep import Progress, check_connections, corpus_summary, sizes_of
from wsbench._times import TimesUntilDecided
from wsbench.baseline import Baseline
from wsbench.checks import BaselineSummary, Check, CorpusCheck
from wsbench.corpus import AnyCorpus
from wsbench.environment import Environment, current_commit, current_environment
from wsbench.errors import MeasurementError, ResultsError, SettingsError, WsbenchError
from wsbench.judge import (
    OTHER_PROCESSOR,
    Judgement,
    Limits,
    judge_budgets,
    judge_corpus,
    judge_memory,
    judge_size,
)
from wsbench.measure.memory import measure_memory
from wsbench.quantities import PROCESSOR, SOFTWARE, differ_in, differences, is_same_processor
from wsbench.results import CorpusSummary, Memory, Results, Row, Size, now
from wsbench.settings import REFERENCE, DeflateSettings, in_table_order

# How often memory is measured before it fails: an odd one does not count.
_MEMORY_REPEATS = 2


class CheckOptions(NamedTuple):
    """What is measured: these settings, or those of the baseline; which quantities; for how long.

    `max_seconds` is how long timing may take, though what a verdict needs is always measured.
    """

    settings: Sequence[DeflateSettings | None] | None = None
    memory: bool = True
    time: bool = True
    max_seconds: float = 30.0
    jobs: int = 1


class Outcome(NamedTuple):
    """What a check found, the records of what it measured, and what ended it early, if anything."""

    check: Check
    records: list[Results]
    error: BaseException | None


def check_corpora(
    corpora: Mapping[str, AnyCorpus],
    limits: Limits,
    options: CheckOptions,
    baseline: Baseline | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Measure again what the baseline holds, and judge it, and by the budgets, if there are any.

    `corpora` have the names that reports call them by. Without a baseline, only budgets are judged,
    at the given settings, or websockets' default; with one, at the given settings, or those of its
    reference.

    Raises:
        CorpusError: if a corpus has no messages.
        SettingsError: if the baseline's number of connections does not fit into memory.
        ResultsError: if the baseline has no record of a corpus, or not of some of the settings.
    """
    started, commit = now(), current_commit()
    runs = _runs(corpora, limits, options, baseline, (current_environment(), commit), progress)
    checks: list[CorpusCheck] = []
    records: list[Results] = []
    error: BaseException | None = None
    for run in runs:
        try:
            run.measure()
        except (KeyboardInterrupt, WsbenchError) as raised:
            error = raised
        except MemoryError:
            error = MeasurementError("out of memory; pass --no-time, or a smaller corpus")
        checks.append(run.found(partial=error is not None))
        records.append(run.record(partial=error is not None))
        if error is not None:
            break
    ended = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error or "")
    check = Check(
        schema="wsbench.check/1",
        created=started,
        wsbench=wsbench.__version__,
        commit=commit,
        checks=tuple(checks),
        ended=ended,
        unchecked=tuple(corpora)[len(checks) :],
    )
    return Outcome(check, records, error)


def _runs(
    corpora: Mapping[str, AnyCorpus],
    limits: Limits,
    options: CheckOptions,
    baseline: Baseline | None,
    here: tuple[Environment, str | None],
    progress: Callable[[Progress], None],
) -> "list[_Run]":
    summaries = [corpus_summary(corpus) for corpus in corpora.values()]
    records = baseline.match(summaries) if baseline else [None] * len(summaries)
    runs = []
    for (path, corpus), summary, record in zip(corpora.items(), summaries, records, strict=True):
        compared = None
        if baseline is not None:
            if record is None:
                raise baseline.lacks(summary)
            compared = record, baseline.summary(record)
        runs.append(_Run(path, corpus, summary, limits, options, compared, here, progress))
    return runs


class _Run:
    """One corpus; what was measured and judged so far."""

    def __init__(
        self,
        path: str,
        corpus: AnyCorpus,
        summary: CorpusSummary,
        limits: Limits,
        options: CheckOptions,
        baseline: tuple[Results, BaselineSummary] | None,
        here: tuple[Environment, str | None],
        progress: Callable[[Progress], None],
    ) -> None:
        self._path = path
        self._corpus = corpus
        self._summary = summary
        self._baseline = baseline[0] if baseline else None
        self._baseline_summary = baseline[1] if baseline else None
        self._limits = limits
        self._options = options
        self._progress = progress
        self._seconds = 0.0
        self._environment, self._commit = here
        self._reference = self._baseline.reference if self._baseline else REFERENCE
        self._differences = (
            tuple(differences([self._baseline.environment, self._environment]))
            if self._baseline
            else ()
        )
        self._warnings = list[str](corpus.remarks)
        self._rows = self._choose_rows()
        # The record has a row for the reference, whatever is judged.
        settings = {*(row.deflate for row in self._rows), self._reference}
        self._settings: list[DeflateSettings | None] = [
            *in_table_order(item for item in settings if item),
            *([None] if None in settings else []),
        ]
        self._sizes: dict[DeflateSettings | None, Size] = {}
        self._memories: dict[DeflateSettings | None, list[Memory]] = {}
        self._times = self._choose_times()

    def measure(self) -> None:
        """Measure all of it, or as much as an exception lets."""
        start = time.monotonic()
        try:
            self._measure_sizes()
            self._measure_memory()
            if self._times is not None:
                self._times.run(self._options.max_seconds, self._progress)
        finally:
            self._seconds = time.monotonic() - start

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

    def _choose_times(self) -> TimesUntilDecided | None:
        """What times are to be measured, if any.

        Raises:
            SettingsError: if a number of connections does not fit into memory.
        """
        messages = self._judge_corpus()
        if self._baseline is None or not self._options.time:
            return None
        if messages is not None and messages.verdict == "failed":
            return None
        numbers = sorted({time.connections for row in self._rows for time in row.time})
        if not numbers:
            return None
        compressing = [row.deflate for row in self._baseline.rows if row.deflate]
        try:
            check_connections(compressing, numbers)
        except SettingsError as error:
            reason = str(error).partition("; ")[0]
            raise SettingsError(f"{self._path}: {reason}; pass --no-time") from error
        same_processor = is_same_processor(self._baseline.environment, self._environment)
        times = TimesUntilDecided(
            self._corpus,
            self._baseline,
            [row.deflate for row in self._rows if row.deflate],
            numbers,
            self._limits,
            same_processor=same_processor,
        )
        if not same_processor and not differ_in(self._differences, PROCESSOR):
            self._warnings.append(
                "the system does not tell processors apart: this may be another than the "
                f"baseline's, so times may be longer by another {100 * OTHER_PROCESSOR:.0f}%"
            )
        if times.unjudged():
            self._warnings.append(
                f"the time of {self._reference} is not judged: it is the reference, and the "
                f"baseline has too few other settings to judge it by"
            )
        return times

    def found(self, *, partial: bool) -> CorpusCheck:
        """What was found; partial if something ended it early."""
        return CorpusCheck(
            path=self._path,
            corpus=self._summary,
            reference=self._reference,
            environment=self._environment,
            baseline=self._baseline_summary,
            differences=self._differences,
            judgements=tuple(self._judgements()),
            warnings=tuple(self._warnings),
            disturbances=self._disturbances(),
            partial=partial,
            seconds=self._seconds,
        )

    def record(self, *, partial: bool) -> Results:
        """What was measured, to be compared with later; times as far as verdicts needed them."""
        return Results(
            schema="wsbench.result/1",
            created=now(),
            wsbench=wsbench.__version__,
            commit=self._commit,
            partial=partial,
            environment=self._environment,
            corpus=self._summary,
            reference=self._reference,
            rows=tuple(
                Row(
                    settings=item,
                    size=self._sizes.get(item),
                    memory=self._memory(item),
                    time=self._times.times(item) if self._times and item else (),
                )
                for item in self._settings
            ),
            timing=self._times.summaries(self._options.max_seconds) if self._times else (),
            warnings=(*self._corpus.remarks, *self._disturbances()),
        )

    def _disturbances(self) -> tuple[str, ...]:
        return tuple(self._times.processes.warnings()) if self._times else ()

    def _memory(self, settings: DeflateSettings | None) -> Memory | None:
        """What was measured, of several the least: what is more by chance does not count."""
        memories = self._memories.get(settings, [])
        return min(memories, key=lambda memory: memory.connection_bytes, default=None)

    def _judgements(self) -> Iterable[Judgement]:
        """All verdicts so far, in the order of rows."""
        if corpus := self._judge_corpus():
            yield corpus
        budgets = {row.settings for row in self._rows}
        if self._baseline is not None and self._options.settings is None:
            budgets = {self._reference}
        for row in self._rows:
            size, memory = self._sizes.get(row.deflate), self._memory(row.deflate)
            if row.size is not None and size is not None:
                assert self._baseline is not None
                before, after = (self._baseline.corpus, row.size), (self._summary, size)
                yield judge_size(row.deflate, before, after, self._limits)
            if row.memory is not None and memory is not None:
                yield judge_memory(
                    row.deflate,
                    row.memory,
                    memory,
                    self._limits,
                    same_software=not differ_in(self._differences, SOFTWARE),
                )
            if self._times and row.deflate:
                yield from self._times.judgements(row.deflate)
            if row.settings in budgets:
                measured = Row(settings=row.settings, size=size, memory=memory)
                yield from judge_budgets(measured, self._limits)

    def _judge_corpus(self) -> Judgement | None:
        if self._baseline is None:
            return None
        return judge_corpus(self._baseline.corpus, self._summary, self._limits)

    def _measure_sizes(self) -> None:
        for measured in sizes_of(self._corpus, self._settings, self._options.jobs):
            self._sizes.update(measured)
            self._progress(Progress("size", len(self._sizes) / len(self._settings)))

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

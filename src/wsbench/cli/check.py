"""wsbench check: measure again, and fail if it is worse than a baseline or a budget allows."""

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
from click.core import ParameterSource

import wsbench
from wsbench._check import CheckInterrupted, CheckOptions, check_corpus, measure_baseline
from wsbench._sweep import corpus_summary
from wsbench.baseline import Baseline
from wsbench.checks import Check, CorpusCheck
from wsbench.cli import EXIT_DONE, EXIT_INTERRUPTED, EXIT_REGRESSION, remark, warn
from wsbench.cli._config import ConfiguredCommand, config_option
from wsbench.cli._increases import (
    parse_memory_limit,
    parse_percent,
    parse_points,
    parse_share,
)
from wsbench.cli._measure import interrupt_once
from wsbench.cli._options import (
    corpus_format_option,
    direction_option,
    jobs_option,
    output_option,
    parsed,
    parsed_each,
    quiet_option,
)
from wsbench.cli._output import check_target, emit, is_same_file
from wsbench.cli._progress import ProgressBars
from wsbench.compare import compare
from wsbench.corpus import AnyCorpus, load_corpus
from wsbench.environment import current_commit
from wsbench.errors import MeasurementError
from wsbench.judge import Limits, MemoryLimit
from wsbench.limits_text import parse_bytes, parse_seconds
from wsbench.report.check import FORMATS, render_check
from wsbench.report.compare import render_comparisons
from wsbench.report.github import github_summary
from wsbench.report.junit import render_junit
from wsbench.results import Results, now, save_records
from wsbench.settings import DeflateSettings, Direction, parse_settings


@click.command(cls=ConfiguredCommand)
@click.argument("corpus_paths", metavar="[CORPUS]...", nargs=-1)
@config_option
@corpus_format_option
@direction_option
@click.option(
    "--baseline",
    metavar="FILE",
    help="What to compare with: made by --update, or by compress --save.",
)
@click.option("--update", is_flag=True, help="Write the baseline anew, and show what changed.")
@click.option(
    "--settings",
    callback=parsed_each(parse_settings),
    multiple=True,
    metavar="BITS/LEVEL",
    show_default="those of the baseline, or 12/5",
    help="Check only these, such as 12/5 or off; can be repeated.",
)
@click.option(
    "--max-size-increase",
    callback=parsed(parse_percent),
    metavar="PERCENT",
    default="0.5",
    show_default=True,
    help="By how much the compressed size may grow.",
)
@click.option(
    "--max-memory-increase",
    callback=parsed(parse_memory_limit),
    metavar="BYTES|PERCENT%",
    show_default="1KiB; with other software, 1KiB or 1%",
    help="By how much memory per connection may grow, such as 1KiB or 1%.",
)
@click.option(
    "--max-time-increase",
    callback=parsed(parse_points),
    metavar="POINTS",
    default="5",
    show_default=True,
    help="By how many percentage points the time, as a ratio to the reference, may grow.",
)
@click.option(
    "--allow-corpus-change",
    is_flag=True,
    help="Compare other messages by their compressed size per original byte.",
)
@click.option(
    "--max-ratio",
    callback=parsed(parse_share),
    metavar="SHARE",
    help="Budget: to what share messages must be compressed, such as 0.25 or 25%.",
)
@click.option(
    "--max-memory",
    callback=parsed(parse_bytes),
    metavar="BYTES",
    help="Budget: what a connection may allocate, such as 64KiB.",
)
@click.option("--no-memory", is_flag=True, help="Do not measure memory.")
@click.option("--no-time", is_flag=True, help="Do not measure time.")
@click.option(
    "--connections",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    show_default="as before, or 1",
    help="With --update: with how many connections times are measured; can be repeated.",
)
@click.option(
    "--max-seconds",
    callback=parsed(parse_seconds),
    metavar="SECONDS",
    default="30",
    show_default=True,
    help="How long timing may take for a corpus; it ends when all is decided.",
)
@click.option("--strict", is_flag=True, help="Fail if something is undecided, too.")
@jobs_option
@click.option(
    "--format",
    "format",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How verdicts are printed; github adds annotations and the summary of a job.",
)
@click.option("--verbose", is_flag=True, help="Show all figures, whether they passed or not.")
@output_option
@click.option("--junit", metavar="FILE", help="Write verdicts to this file, as JUnit's XML.")
@click.option("--save", metavar="FILE", help="Save the record of what was measured (JSON).")
@quiet_option
def check(
    corpus_paths: tuple[str, ...],
    corpus_format: str | None,
    direction: Direction | None,
    baseline: str | None,
    update: bool,
    settings: list[DeflateSettings | None],
    max_size_increase: float,
    max_memory_increase: MemoryLimit | None,
    max_time_increase: float,
    allow_corpus_change: bool,
    max_ratio: float | None,
    max_memory: int | None,
    no_memory: bool,
    no_time: bool,
    connections: tuple[int, ...],
    max_seconds: float,
    strict: bool,
    jobs: int,
    format: str,
    verbose: bool,
    output: str | None,
    junit: str | None,
    save: str | None,
    quiet: bool,
) -> int:
    """Measure the messages of each CORPUS again, and fail if they cost more than is allowed.

    What is allowed is what the --baseline holds and a little more, or a budget, or both. Sizes and
    allocated memory are exact. A time fails only if its interval says that the increase is real,
    and it is measured until that is known, or is called undecided. The exit code is 0 if all
    passed, 1 if something failed, 2 after wrong use.

    \b
    wsbench check messages.json --baseline baseline.json --update
    wsbench check messages.json --baseline baseline.json
    wsbench check messages.json --settings 12/5 --max-memory 64KiB --max-ratio 0.25

    What the command line does not say is taken from [tool.wsbench] of pyproject.toml, so that a
    project's CI runs `wsbench check` alone.
    """
    limits = Limits(
        max_size_increase=max_size_increase,
        max_memory_increase=max_memory_increase,
        max_time_increase=max_time_increase,
        allow_corpus_change=allow_corpus_change,
        max_memory_bytes=max_memory,
        max_ratio=max_ratio,
    )
    if not corpus_paths:
        raise click.UsageError("name a CORPUS, or put `corpus` into [tool.wsbench]")
    if update and baseline is None:
        raise click.UsageError("--update needs --baseline FILE, the file to be written")
    if baseline is None and not limits.are_budgets:
        raise click.UsageError(
            "nothing to compare with; pass --baseline FILE, --max-ratio or --max-memory"
        )
    source = click.get_current_context().get_parameter_source("connections")
    if source is ParameterSource.COMMANDLINE and not update:
        raise click.UsageError("--connections is for --update; a check measures what it must")
    if no_memory and max_memory is not None:
        raise click.UsageError("--max-memory needs what --no-memory leaves out; drop one of them")
    targets = {"--output": output, "--junit": junit, "--save": save}
    _check_targets(targets, baseline, update, corpus_paths)
    known = None
    if baseline is not None:
        is_there = Path(baseline).exists()
        if not is_there and not update:
            raise click.UsageError(f"--baseline {baseline}: no such file; make it with --update")
        known = Baseline.load(baseline) if is_there else Baseline(baseline)
    corpora = [load_corpus(path, corpus_format, direction) for path in corpus_paths]
    _check_names(corpora)
    run = _Run(
        corpora=dict(zip(corpus_paths, corpora, strict=True)),
        baseline=known,
        limits=limits,
        options=CheckOptions(
            settings=list(dict.fromkeys(settings)) or None,
            memory=not no_memory,
            time=not no_time,
            max_seconds=max_seconds,
            jobs=jobs,
        ),
        quiet=quiet,
    )
    signal.signal(signal.SIGINT, interrupt_once)
    if update:
        return _update(run, connections, format, output)
    return _check(run, _Delivery(format, output, junit, save, verbose=verbose), strict=strict)


class _Run(NamedTuple):
    """What is measured, and how: corpora by the names that the user gave them."""

    corpora: dict[str, AnyCorpus]
    baseline: Baseline | None
    limits: Limits
    options: CheckOptions
    quiet: bool

    def records(self) -> Iterator[tuple[str, AnyCorpus, Results | None]]:
        """Every corpus with the record that it is compared with, if there is one.

        Raises:
            ResultsError: if there is a baseline that has none.
        """
        for path, corpus in self.corpora.items():
            record = None
            if self.baseline is not None:
                alone = len(self.corpora) == 1
                record = self.baseline.record_of(corpus_summary(corpus), alone=alone)
            yield path, corpus, record


class _Delivery(NamedTuple):
    """Where verdicts go."""

    format: str
    output: str | None
    junit: str | None
    save: str | None
    verbose: bool

    def deliver(self, check: Check, records: Sequence[Results], *, quiet: bool) -> None:
        """Print, and write the files; of a check that was interrupted, print alone.

        Raises:
            ResultsError: if a file cannot be written.
        """
        if not quiet and self.format == "json":
            # All other formats show them.
            warn(dict.fromkeys(text for item in check.checks for text in item.warnings))
        try:
            if not any(item.partial for item in check.checks):
                if self.save is not None:
                    _save(self.save, records)
                if self.junit is not None:
                    emit(render_junit(check), self.junit)
        finally:
            emit(render_check(check, self.format, verbose=self.verbose), self.output)
            summary = os.environ.get("GITHUB_STEP_SUMMARY")
            if self.format == "github" and summary:
                _append(summary, github_summary(check))


def _check(run: _Run, delivery: _Delivery, *, strict: bool) -> int:
    """Judge every corpus, and tell what was found, as much as there is of it; the exit code."""
    checks: list[CorpusCheck] = []
    records: list[Results] = []

    def deliver() -> Check:
        found = Check(
            schema="wsbench.check/1",
            created=now(),
            wsbench=wsbench.__version__,
            commit=current_commit(),
            checks=tuple(checks),
        )
        delivery.deliver(found, records, quiet=run.quiet)
        return found

    try:
        for path, corpus, record in list(run.records()):
            compared = (record, run.baseline.summary(record)) if run.baseline and record else None
            with ProgressBars(quiet=run.quiet) as progress:
                found, measured = check_corpus(
                    path, corpus, run.limits, run.options, compared, progress
                )
            checks.append(found)
            records.append(measured)
    except CheckInterrupted as interrupted:
        checks.append(interrupted.check)
        deliver()
        if not run.quiet:
            remark("interrupted: not everything was checked")
        return EXIT_INTERRUPTED
    except MeasurementError:
        if checks:
            deliver()
        raise
    verdict = deliver().verdict
    is_bad = verdict == "failed" or (strict and verdict == "undecided")
    return EXIT_REGRESSION if is_bad else EXIT_DONE


def _update(run: _Run, connections: Sequence[int], format: str, output: str | None) -> int:
    """Measure every corpus for the baseline, write it, and show what changed; the exit code."""
    assert run.baseline is not None
    changes: list[tuple[Results, Results]] = []
    for corpus in run.corpora.values():
        before = run.baseline.find(corpus_summary(corpus))
        with ProgressBars(quiet=run.quiet) as progress:
            record = measure_baseline(
                corpus, before, run.limits, run.options, connections, progress
            )
        if not run.quiet:
            warn(record.warnings)
        run.baseline.put(record, before)
        if before is not None:
            changes.append((before, record))
    run.baseline.save()
    old, new = f"{run.baseline.path}, before", f"{run.baseline.path}, now"
    shown = [
        comparison
        for before, after in changes
        for comparison in compare([(old, [before]), (new, [after])])
    ]
    if shown:
        # Annotations are for what a check found.
        emit(render_comparisons(shown, "table" if format == "github" else format), output)
    if not run.quiet:
        remark(f"{run.baseline.path}: written, with {', '.join(run.baseline.names)}")
    return EXIT_DONE


def _check_names(corpora: Sequence[AnyCorpus]) -> None:
    """Raise click.UsageError if two corpora have one name, by which a baseline tells them apart."""
    names = [corpus.name for corpus in corpora]
    for name in names:
        if names.count(name) > 1:
            raise click.UsageError(f"two corpora are called {name!r}; rename one of their files")


def _check_targets(
    targets: dict[str, str | None], baseline: str | None, update: bool, inputs: Sequence[str]
) -> None:
    """Raise click.UsageError unless the files can be written, and are none of the others."""
    if update:
        targets = {**targets, "--baseline": baseline}
    for option, path in targets.items():
        for input_path in inputs:
            check_target(option, path, input_path)
    files = {**targets, "--baseline": baseline}
    named = [(option, path) for option, path in files.items() if path not in (None, "-")]
    for position, (option, path) in enumerate(named):
        for other, same in named[:position]:
            if path and same and is_same_file(path, same):
                raise click.UsageError(f"{other} and {option} are both {path}; name two files")


def _save(path: str, records: Sequence[Results]) -> None:
    if len(records) == 1:
        records[0].save(path)
    else:
        save_records(path, records)


def _append(path: str, text: str) -> None:
    """Add to the summary of a GitHub job, whose other steps may have written to it."""
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        remark(f"warning: {path}: {error.strerror}; there is no summary of this check")

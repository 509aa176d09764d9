"""wsbench check: measure again, and fail if it is worse than a baseline or a budget allows."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from wsbench._check import CheckOptions, Outcome, check_corpora
from wsbench._update import update_baseline
from wsbench.baseline import Baseline
from wsbench.checks import Check
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
from wsbench.judge import Limits, MemoryLimit
from wsbench.limits_text import parse_bytes, parse_seconds
from wsbench.oneline import file_label
from wsbench.report import render
from wsbench.report.cells import at_connections
from wsbench.report.check import FORMATS, render_check
from wsbench.report.compare import render_comparisons
from wsbench.report.github import github_summary, inert
from wsbench.report.junit import render_junit
from wsbench.report.units import points
from wsbench.results import Results, save_records
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
@click.pass_context
def check(
    context: click.Context,
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

    What is allowed is what the --baseline holds and a little more, or a budget, or both. Sizes are
    exact, and allocated memory nearly so. A time fails only if its interval says that the increase
    is real; it is measured until that is known, or is called undecided.

    The exit code is 0 if nothing failed, 1 if something did, 2 after wrong use, or if something
    cannot be read or measured, 130 after Ctrl-C; what was found before is then printed.

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
    if _is_given(context, "connections") and not update:
        raise click.UsageError("--connections is for --update; a check measures what it must")
    for name in ("junit", "save", "verbose", "strict", "max_ratio", "max_memory"):
        if update and _is_given(context, name):
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} is for a check; --update judges nothing")
    if no_memory and max_memory is not None:
        raise click.UsageError("--max-memory needs what --no-memory leaves out; drop one of them")
    if format == "github" and output not in (None, "-"):
        raise click.UsageError("--format github is for standard output; drop --output")
    if baseline == "":
        raise click.UsageError("--baseline '': name a file")
    targets = {"--output": output, "--junit": junit, "--save": save}
    _check_targets(targets, baseline, update, corpus_paths)
    known = None
    if baseline is not None:
        is_there = Path(baseline).exists()
        if not is_there and not update:
            raise click.UsageError(f"--baseline {baseline}: no such file; make it with --update")
        known = Baseline.load(baseline) if is_there else Baseline(baseline)
    corpora = {
        file_label(path): load_corpus(path, corpus_format, direction) for path in corpus_paths
    }
    _check_names(list(corpora.values()))
    options = CheckOptions(
        settings=list(dict.fromkeys(settings)) or None,
        memory=not no_memory,
        time=not no_time,
        max_seconds=max_seconds,
        jobs=jobs,
    )
    signal.signal(signal.SIGINT, interrupt_once)
    if update:
        assert known is not None
        with ProgressBars(quiet=quiet) as progress:
            try:
                changes = update_baseline(known, corpora, limits, options, connections, progress)
            except KeyboardInterrupt:
                remark(f"interrupted: {known.path} is as it was")
                raise
        emit(_updated(known, changes, format), output)
        if not quiet:
            _remark_on_update(known, [after for _, after in changes])
        return EXIT_DONE
    with ProgressBars(quiet=quiet) as progress:
        outcome = check_corpora(corpora, limits, options, known, progress)
    _deliver(outcome, format, output, junit, save, verbose=verbose, quiet=quiet)
    if not quiet and known is not None and not _is_given(context, "corpus_paths"):
        _remark_on_unchecked(known, outcome.check)
    if isinstance(outcome.error, KeyboardInterrupt):
        remark("interrupted: not everything was checked")
        return EXIT_INTERRUPTED
    if outcome.error is not None:
        raise outcome.error
    verdict = outcome.check.verdict
    is_bad = verdict == "failed" or (strict and verdict == "undecided")
    return EXIT_REGRESSION if is_bad else EXIT_DONE


def _is_given(context: click.Context, name: str) -> bool:
    """Whether the command line itself says it."""
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _deliver(
    outcome: Outcome,
    format: str,
    output: str | None,
    junit: str | None,
    save: str | None,
    *,
    verbose: bool,
    quiet: bool,
) -> None:
    """Write the files and print, whatever there is.

    Raises:
        ResultsError: if a file cannot be written.
    """
    check = outcome.check
    if not quiet and format == "json":
        # All other formats show them.
        warn(dict.fromkeys(text for item in check.checks for text in item.warnings))
    try:
        if save is not None:
            _save(save, outcome.records)
        if junit is not None:
            emit(render_junit(check), junit)
    finally:
        emit(render_check(check, format, verbose=verbose), output)
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if format == "github" and summary:
            _append(summary, github_summary(check))


def _updated(
    baseline: Baseline, changes: Sequence[tuple[Results | None, Results]], format: str
) -> str:
    """What changed in a baseline, and the tables of what is new in it."""
    old, new = f"{baseline.path}, before", f"{baseline.path}, now"
    compared = [
        comparison
        for before, after in changes
        if before is not None
        for comparison in compare([(old, [before]), (new, [after])])
    ]
    if format == "json":
        return render_comparisons(compared, format)
    # Annotations are for what a check found.
    text_format = "markdown" if format == "markdown" else "table"
    parts = [render(after, text_format) for before, after in changes if before is None]
    if compared:
        parts.insert(0, render_comparisons(compared, text_format))
    text = "\n".join(parts)
    return inert(text) if format == "github" else text


def _remark_on_update(baseline: Baseline, records: Sequence[Results]) -> None:
    warn(dict.fromkeys(text for record in records for text in record.warnings))
    for record in records:
        for timing in record.timing:
            if timing.stopped == "max_seconds":
                at = f"{at_connections(timing.connections)} " if timing.connections > 1 else ""
                remark(
                    f"warning: times of {record.corpus.name} {at}are known less well than "
                    f"± {points(timing.precision)}; pass a larger --max-seconds"
                )
    remark(f"{baseline.path}: written, with {', '.join(baseline.names)}")


def _remark_on_unchecked(baseline: Baseline, check: Check) -> None:
    """What the baseline holds and the configuration does not name."""
    checked = {item.baseline.corpus.name for item in check.checks if item.baseline}
    names = [name for name in baseline.names if name not in checked]
    if names and not check.ended:
        remark(f"{baseline.path}: also holds {', '.join(names)}, which was not checked")


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

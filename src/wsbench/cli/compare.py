"""wsbench compare: print records side by side, and in what they differ."""

from collections.abc import Sequence

import click

from wsbench.cli import EXIT_DONE, remark
from wsbench.cli._options import output_option, quiet_option
from wsbench.cli._output import check_target, emit
from wsbench.cli._records import read_records
from wsbench.compare import File, kind, left_out
from wsbench.compare import compare as compare_records
from wsbench.oneline import one_line
from wsbench.report.compare import COMPARISON_FORMATS, render_comparisons
from wsbench.results import Results


@click.command()
@click.argument("records", metavar="A B [C...]", nargs=-1)
@click.option(
    "--format",
    "format",
    type=click.Choice(COMPARISON_FORMATS),
    default="table",
    show_default=True,
    help="How the comparison is printed.",
)
@output_option
@quiet_option
def compare(records: tuple[str, ...], format: str, output: str | None, quiet: bool) -> int:
    """Print the records of files side by side, and how the others differ from the first.

    A, B and so on are files that `--save` wrote, of any command, from any machine; one may be - for
    standard input. With several records in a file, such as a baseline of wsbench check, those of
    the same messages are compared, or else those of the same name.

    Above the tables stands what differs in the environments. A difference within its 95 % interval
    is marked, since it may be chance. Whatever differs, the exit code is 0: it is wsbench check
    that fails.
    """
    if len(records) < 2:
        raise click.UsageError(
            "name two files or more, such as wsbench compare before.json after.json"
        )
    if records.count("-") > 1:
        raise click.UsageError("- is named twice; standard input can be read only once")
    for path in records:
        check_target("--output", output, path)
    files = [read_records(path) for path in records]
    comparisons = compare_records(files)
    emit(render_comparisons(comparisons, format), output)
    if not quiet:
        _remark(files)
    return EXIT_DONE


def _remark(files: Sequence[File]) -> None:
    """Say what is incomplete."""

    def name(label: str, results: Results) -> str:
        return one_line(f"{label}: {results.corpus.name}, of {kind(results)},")

    for label, results in left_out(files):
        remark(f"{name(label, results)} has no partner in another file, and is left out")
    for label, records in files:
        for results in records:
            if results.partial:
                remark(f"{name(label, results)} is partial: the measurement did not finish")

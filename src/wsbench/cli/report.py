"""wsbench report: print a saved record again."""

import click

from wsbench.cli import EXIT_DONE, remark
from wsbench.cli._options import decode_option, format_option, output_option
from wsbench.cli._output import check_target, emit
from wsbench.files import standard_input
from wsbench.report import render
from wsbench.results import load_results, parse_results


@click.command()
@click.argument("result", metavar="RESULT")
@decode_option
@format_option
@output_option
def report(result: str, decode: bool, format: str, output: str | None) -> int:
    """Print the record that `wsbench compress --save` wrote to RESULT, without measuring again.

    RESULT may be - for standard input.
    """
    check_target("--output", output, result)
    if result == "-":
        results = parse_results(standard_input().read(), "standard input")
    else:
        results = load_results(result)
    emit(render(results, format, decode=decode), output)
    if results.partial:
        remark(f"{result}: partial: the sweep did not finish")
    return EXIT_DONE

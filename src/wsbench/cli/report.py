"""wsbench report: print a saved record again."""

import sys

import click

from wsbench.cli import EXIT_DONE
from wsbench.cli._options import format_option, output_option
from wsbench.cli._output import check_target, emit
from wsbench.report import render
from wsbench.results import load_results, parse_results


@click.command()
@click.argument("result", metavar="RESULT")
@format_option
@output_option
def report(result: str, format: str, output: str | None) -> int:
    """Print the record that `wsbench compress --save` wrote to RESULT, without measuring again.

    RESULT may be - for standard input.
    """
    check_target("--output", output)
    if result == "-":
        results = parse_results(sys.stdin.buffer.read(), "standard input")
    else:
        results = load_results(result)
    emit(render(results, format), output)
    return EXIT_DONE

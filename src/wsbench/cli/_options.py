"""Options and arguments that several commands share."""

from collections.abc import Callable
from typing import TypeVar

import click

from wsbench.corpus import FORMATS as CORPUS_FORMATS
from wsbench.errors import SettingsError
from wsbench.report import FORMATS as REPORT_FORMATS

Parsed = TypeVar("Parsed")

corpus_argument = click.argument("corpus_path", metavar="CORPUS")

corpus_format_option = click.option(
    "--corpus-format",
    type=click.Choice(CORPUS_FORMATS),
    help="What CORPUS is; default: recognised by its content, then by its extension.",
)

format_option = click.option(
    "--format",
    "format",
    type=click.Choice(REPORT_FORMATS),
    default="table",
    show_default=True,
    help="How results are printed.",
)

decode_option = click.option(
    "--decode", is_flag=True, help="Show how long decompressing takes, too."
)

output_option = click.option(
    "-o", "--output", metavar="FILE", help="Print to this file instead of standard output."
)


def parsed(
    parse: Callable[[str], Parsed],
) -> Callable[[click.Context, click.Parameter, str | None], Parsed | None]:
    """A callback for an option whose text a function of wsbench parses."""

    def callback(ctx: click.Context, param: click.Parameter, value: str | None) -> Parsed | None:
        if value is None:
            return None
        try:
            return parse(value)
        except SettingsError as error:
            raise click.BadParameter(str(error), ctx, param) from error

    return callback

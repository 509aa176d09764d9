"""Options and arguments that several commands share."""

import ssl
from collections.abc import Callable
from typing import TypeVar

import click

from wsbench.corpus import DIRECTIONS, AnyCorpus, load_corpus
from wsbench.corpus import FORMATS as CORPUS_FORMATS
from wsbench.corpus.kinds import generate
from wsbench.environment import available_cpus
from wsbench.errors import SettingsError
from wsbench.report import FORMATS as REPORT_FORMATS
from wsbench.settings import (
    IMPLEMENTATIONS,
    MEMORY_LEVELS,
    WINDOW_BITS,
    DeflateSettings,
    Direction,
    cross,
    parse_numbers,
)

Parsed = TypeVar("Parsed")


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


def parsed_each(
    parse: Callable[[str], Parsed],
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], list[Parsed]]:
    """The same for an option that can be repeated."""

    def callback(
        ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
    ) -> list[Parsed]:
        try:
            return [parse(value) for value in values]
        except SettingsError as error:
            raise click.BadParameter(str(error), ctx, param) from error

    return callback


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """What a server needs for TLS; click.UsageError unless the files of --tls hold it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        # OpenSSL does not say which of the files it means.
        reason = getattr(error, "reason", None) or error.strerror
        raise click.UsageError(
            f"--tls {certificate} {key}: {reason}; give a certificate and its key as PEM files"
        ) from error
    return context


def corpus_or_chat(path: str | None, format: str | None, direction: Direction | None) -> AnyCorpus:
    """The corpus that is given, or messages of a chat.

    Raises:
        CorpusError: if it cannot be read.
    """
    if path is None:
        return generate("chat", messages=1000, seed=0)
    return load_corpus(path, format, direction)


def points(
    window_bits: list[int] | None, memory_levels: list[int] | None
) -> list[DeflateSettings] | None:
    """Every combination of what was given with all values of what was not; None without either.

    Raises:
        SettingsError: if a value is out of range.
    """
    if window_bits is None and memory_levels is None:
        return None
    return cross(window_bits or WINDOW_BITS, memory_levels or MEMORY_LEVELS)


corpus_argument = click.argument("corpus_path", metavar="CORPUS")

corpus_format_option = click.option(
    "--corpus-format",
    type=click.Choice(CORPUS_FORMATS),
    help="What CORPUS is; default: recognised by its content, then by its extension.",
)

direction_option = click.option(
    "--direction",
    type=click.Choice((*DIRECTIONS, "both")),
    default="both",
    show_default=True,
    callback=lambda _, __, value: None if value == "both" else value,
    help="Take only the messages that servers, or clients, send.",
)

implementation_option = click.option(
    "--implementation",
    type=click.Choice(IMPLEMENTATIONS),
    default="asyncio",
    show_default=True,
    help="websockets' implementation: a task or a thread a connection.",
)

tls_option = click.option(
    "--tls",
    nargs=2,
    metavar="CERT KEY",
    help="Serve with TLS, with this certificate and private key (PEM files).",
)

ca_option = click.option("--ca", metavar="FILE", help="Trust the certificates in this PEM file.")

insecure_option = click.option("--insecure", is_flag=True, help="Trust any certificate.")

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

save_option = click.option(
    "--save", metavar="FILE", help="Save the record of results (JSON) for report."
)

jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=available_cpus,
    show_default="the available CPUs",
    help="How many processes measure sizes.",
)

quiet_option = click.option("--quiet", is_flag=True, help="No progress bars and no remarks.")

window_bits_option = click.option(
    "--window-bits",
    callback=parsed(parse_numbers),
    metavar="RANGE",
    help="Window Bits, such as 9-15 or 9,12,15.",
)

memory_level_option = click.option(
    "--memory-level",
    callback=parsed(parse_numbers),
    metavar="RANGE",
    help="Memory Levels, such as 1-9 or 5,8.",
)

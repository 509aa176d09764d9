"""wsbench compress: sweep a corpus, print the table."""

import click
from msgspec import UNSET

from wsbench._sweep import sweep
from wsbench.cli._measure import measure
from wsbench.cli._options import (
    corpus_argument,
    corpus_format_option,
    decode_option,
    direction_option,
    format_option,
    jobs_option,
    memory_level_option,
    output_option,
    parsed,
    points,
    quiet_option,
    save_option,
    window_bits_option,
)
from wsbench.cli._output import check_targets
from wsbench.corpus import load_corpus
from wsbench.report import render
from wsbench.results import TRAFFICS, Traffic
from wsbench.settings import (
    LADDER,
    REFERENCE,
    STRATEGIES,
    DeflateSettings,
    Direction,
    Strategy,
    parse_numbers,
    vary,
)


@click.command()
@corpus_argument
@corpus_format_option
@direction_option
@window_bits_option
@memory_level_option
@click.option(
    "--level",
    "levels",
    callback=parsed(parse_numbers),
    metavar="RANGE",
    default="6",
    show_default=True,
    help="Compression levels, 0 to 9; 6 is zlib's default.",
)
@click.option(
    "--strategy",
    "strategies",
    type=click.Choice(STRATEGIES),
    multiple=True,
    default=["default"],
    show_default=True,
    help="Compression strategy; can be repeated.",
)
@click.option(
    "--no-context-takeover", is_flag=True, help="Compress every message from a fresh context."
)
@click.option(
    "--reference",
    callback=parsed(DeflateSettings.parse),
    metavar="BITS/LEVEL",
    default=str(REFERENCE),
    show_default=True,
    help="What the 'vs.' columns compare with.",
)
@click.option(
    "--client-window-bits",
    callback=parsed(parse_numbers),
    metavar="RANGE",
    show_default="the same as Window Bits",
    help="Window Bits of what clients send, where they differ, such as 9-15.",
)
@click.option("--no-memory", is_flag=True, help="Do not measure memory.")
@click.option(
    "--resident",
    is_flag=True,
    help="Estimate resident memory too, by some live connections a row.",
)
@click.option("--no-time", is_flag=True, help="Do not measure time.")
@click.option(
    "--connections",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    show_default="1 and 1000, or what fits into memory",
    help="With how many connections in use times are measured; can be repeated.",
)
@click.option(
    "--traffic",
    type=click.Choice(TRAFFICS),
    default="independent",
    show_default=True,
    help="What connections send: each its own messages, or all the same one.",
)
@click.option(
    "--precision",
    "precision_points",
    type=click.FloatRange(min=0, min_open=True),
    metavar="POINTS",
    default=1.0,
    show_default=True,
    help="Stop timing when all 95 % intervals are within ± so many percentage points.",
)
@click.option(
    "--max-seconds",
    type=float,
    metavar="SECONDS",
    show_default="for each number of connections 5, or 0.25 a row if that is more",
    help="How long timing may take, though what an interval needs is always measured.",
)
@decode_option
@jobs_option
@format_option
@output_option
@save_option
@quiet_option
def compress(
    corpus_path: str,
    corpus_format: str | None,
    direction: Direction | None,
    window_bits: list[int] | None,
    memory_level: list[int] | None,
    levels: list[int],
    strategies: tuple[Strategy, ...],
    no_context_takeover: bool,
    client_window_bits: list[int] | None,
    reference: DeflateSettings,
    no_memory: bool,
    resident: bool,
    no_time: bool,
    connections: tuple[int, ...],
    traffic: Traffic,
    precision_points: float,
    max_seconds: float | None,
    decode: bool,
    jobs: int,
    format: str,
    output: str | None,
    save: str | None,
    quiet: bool,
) -> int:
    """Measure what permessage-deflate does to the messages of CORPUS.

    CORPUS is a HAR file that a browser exported, a capture of wsbench record, a JSON array of
    messages, a file with a message a line, or a directory with a message a file; or a URL, or - for
    standard input. A file may be gzipped.

    Without --window-bits and --memory-level, the settings are those of the table in the websockets
    documentation: 15/8, 14/7, 13/6, 12/5, 11/4, 10/3, 9/2 and compression disabled. With both,
    they are every combination; with one, the other takes all its values.
    """
    check_targets(output, save, corpus_path)
    settings = vary(
        points(window_bits, memory_level) or LADDER,
        levels=levels,
        strategies=strategies,
        context_takeover=not no_context_takeover,
        client_window_bits=client_window_bits or (UNSET,),
    )
    corpus = load_corpus(corpus_path, corpus_format, direction)

    return measure(
        lambda progress: sweep(
            corpus,
            settings,
            reference=reference,
            memory=not no_memory,
            resident=resident,
            time=not no_time,
            connections=connections or None,
            traffic=traffic,
            decode=decode,
            precision=precision_points / 100,
            max_seconds=max_seconds,
            jobs=jobs,
            progress=progress,
        ),
        lambda results: render(results, format, decode=decode),
        output=output,
        save=save,
        quiet=quiet,
    )

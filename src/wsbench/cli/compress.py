"""wsbench compress: sweep a corpus, print the table."""

import signal
from pathlib import Path
from types import FrameType

import click

from wsbench._sweep import SweepInterrupted, sweep
from wsbench.cli import EXIT_DONE, EXIT_INTERRUPTED, remark
from wsbench.cli._options import (
    corpus_argument,
    corpus_format_option,
    decode_option,
    format_option,
    output_option,
    parsed,
)
from wsbench.cli._output import check_target, emit, is_same_file
from wsbench.cli._progress import ProgressBars
from wsbench.corpus import load_corpus
from wsbench.environment import available_cpus
from wsbench.errors import MeasurementError
from wsbench.report import render
from wsbench.results import TRAFFICS, Results, Traffic
from wsbench.settings import (
    LADDER,
    MEMORY_LEVELS,
    REFERENCE,
    STRATEGIES,
    WINDOW_BITS,
    DeflateSettings,
    Strategy,
    cross,
    parse_numbers,
    vary,
)


@click.command()
@corpus_argument
@corpus_format_option
@click.option(
    "--window-bits",
    callback=parsed(parse_numbers),
    metavar="RANGE",
    help="Window Bits, such as 9-15 or 9,12,15.",
)
@click.option(
    "--memory-level",
    callback=parsed(parse_numbers),
    metavar="RANGE",
    help="Memory Levels, such as 1-9 or 5,8.",
)
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
@click.option("--no-memory", is_flag=True, help="Do not measure memory.")
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
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=available_cpus,
    show_default="the available CPUs",
    help="How many processes measure sizes.",
)
@format_option
@output_option
@click.option("--save", metavar="FILE", help="Save the record of results (JSON) for report.")
@click.option("--quiet", is_flag=True, help="No progress bars and no remarks.")
def compress(
    corpus_path: str,
    corpus_format: str | None,
    window_bits: list[int] | None,
    memory_level: list[int] | None,
    levels: list[int],
    strategies: tuple[Strategy, ...],
    no_context_takeover: bool,
    reference: DeflateSettings,
    no_memory: bool,
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

    CORPUS is a JSON array of messages, a file with a message a line, or a directory with a message
    a file; or - for standard input. A file may be gzipped.

    Without --window-bits and --memory-level, the settings are those of the table in the websockets
    documentation: 15/8, 14/7, 13/6, 12/5, 11/4, 10/3, 9/2 and compression disabled. With both,
    they are every combination; with one, the other takes all its values.
    """
    check_target("--output", output, corpus_path)
    check_target("--save", save, corpus_path)
    if save is not None and output is not None and is_same_file(save, output):
        raise click.UsageError(f"--save and --output are both {save}; name two files")
    settings = vary(
        _points(window_bits, memory_level),
        levels=levels,
        strategies=strategies,
        context_takeover=not no_context_takeover,
    )
    corpus = load_corpus(corpus_path, corpus_format)

    def deliver(results: Results) -> None:
        if not quiet:
            for warning in results.warnings:
                remark(f"warning: {warning}")
        _deliver(results, render(results, format, decode=decode), output, save)

    signal.signal(signal.SIGINT, _interrupt_once)
    try:
        with ProgressBars(quiet=quiet) as progress:
            results = sweep(
                corpus,
                settings,
                reference=reference,
                memory=not no_memory,
                time=not no_time,
                connections=connections or None,
                traffic=traffic,
                decode=decode,
                precision=precision_points / 100,
                max_seconds=max_seconds,
                jobs=jobs,
                progress=progress,
            )
    except SweepInterrupted as interrupted:
        deliver(interrupted.results)
        if not quiet:
            remark("interrupted: the results are partial")
        return EXIT_INTERRUPTED
    except MeasurementError as error:
        if error.results is not None:
            deliver(error.results)
        raise
    deliver(results)
    return EXIT_DONE


def _interrupt_once(_signum: int, _frame: FrameType | None) -> None:
    # Whoever presses Ctrl-C twice wants an end, not the loss of what the first one delivers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _points(
    window_bits: list[int] | None, memory_levels: list[int] | None
) -> tuple[DeflateSettings, ...] | list[DeflateSettings]:
    """The ladder, or every combination of what was given with all values of what was not."""
    if window_bits is None and memory_levels is None:
        return LADDER
    return cross(window_bits or WINDOW_BITS, memory_levels or MEMORY_LEVELS)


def _deliver(results: Results, text: str, output: str | None, save: str | None) -> None:
    """Save first: a terminal that went away must not cost the record; then print all the same."""
    try:
        if save is not None:
            results.save(Path(save))
    finally:
        emit(text, output)

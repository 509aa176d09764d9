"""wsbench corpus: describe a corpus, convert one, or generate one."""

import sys
from pathlib import Path

import click
import msgspec

from wsbench.cli import EXIT_DONE, warn
from wsbench.cli._options import (
    corpus_argument,
    corpus_format_option,
    direction_option,
    quiet_option,
)
from wsbench.cli._output import emit, emit_bytes, is_same_file
from wsbench.corpus import FORMATS, Corpus, load_corpus, serialise, write_corpus
from wsbench.corpus.kinds import KINDS, generate
from wsbench.measure.description import describe
from wsbench.report.corpus import render_description
from wsbench.settings import Direction


@click.group(no_args_is_help=False)
def corpus() -> None:
    """Describe a corpus, convert one, or generate one."""


@corpus.command(short_help="Say what is in CORPUS, and what Window Bits would buy.")
@corpus_argument
@corpus_format_option
@direction_option
@click.option(
    "--format",
    "format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How the description is printed.",
)
@quiet_option
def info(
    corpus_path: str,
    corpus_format: str | None,
    direction: Direction | None,
    format: str,
    quiet: bool,
) -> int:
    """Say what is in CORPUS, and what Window Bits would buy.

    How many messages of which sizes who sends on how many connections, how even their bytes are,
    how far back what deflate finds again lies, and which settings of the ladder that suggests, by
    bytes alone. Memory and time are what wsbench compress measures.
    """
    loaded = load_corpus(corpus_path, corpus_format, direction)
    if not quiet:
        warn(loaded.remarks)
    description = describe(loaded)
    if format == "json":
        emit(msgspec.json.format(msgspec.json.encode(description), indent=2).decode() + "\n")
    else:
        emit(render_description(description, blocks=_can_print("█")))
    return EXIT_DONE


@corpus.command(short_help="Write CORPUS in another format.")
@corpus_argument
@click.argument("target", metavar="TARGET")
@corpus_format_option
@direction_option
@click.option(
    "--to",
    "target_format",
    type=click.Choice(FORMATS),
    help="The format of TARGET; default: by its extension.",
)
@click.option("--force", is_flag=True, help="Replace TARGET if it is a file that exists.")
@quiet_option
def convert(
    corpus_path: str,
    target: str,
    corpus_format: str | None,
    direction: Direction | None,
    target_format: str | None,
    force: bool,
    quiet: bool,
) -> int:
    """Write CORPUS in another format; its messages stay the same to the byte.

    TARGET is a new file or a directory: .capture.jsonl, .har, .json, .jsonl, .txt, or without an
    extension; .gz packs it; - is standard output. Captures and HAR files hold the messages of all
    connections, with who sent them and when. The others hold what one side sends on one connection,
    text only but for directories; what they cannot hold is refused. With --direction, they take
    what that side sends.

    \b
    wsbench corpus convert session.har session.capture.jsonl
    wsbench corpus convert session.har messages/ --to directory --direction server
    """
    if not target:
        raise click.UsageError("TARGET is empty; name a file, a new directory, or -")
    path = Path(target)
    if target != "-" and corpus_path != "-":
        if is_same_file(target, corpus_path):
            raise click.UsageError(f"{target}: that is CORPUS; name another target")
        if is_same_file(path.parent, corpus_path) and not path.name.startswith("."):
            raise click.UsageError(f"{target}: it would join CORPUS; name another place")
    if target != "-" and path.is_file() and not force:
        raise click.UsageError(f"{target}: exists; name another target, or pass --force")
    loaded = load_corpus(corpus_path, corpus_format, direction)
    if not quiet:
        warn(loaded.remarks)
    # Who takes what clients send into a format that does not say who sends knows it.
    forget = direction is not None
    if target == "-":
        if target_format is None or target_format == "directory":
            raise click.UsageError("standard output needs --to, with the format of a file")
        chunks = serialise(loaded, target_format, forget_direction=forget)
        # What is refused is refused before anything is printed, if it fits into memory.
        emit_bytes([b"".join(chunks)] if isinstance(loaded, Corpus) else chunks)
    else:
        write_corpus(loaded, path, target_format, forget_direction=forget)
    return EXIT_DONE


@corpus.command("generate", short_help="Make messages of a KIND.")
@click.argument("kind", type=click.Choice(tuple(KINDS)))
@click.option("--messages", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--to",
    "target_format",
    type=click.Choice(FORMATS),
    help="How it is written; default: by the extension of --output, lines on standard output.",
)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="A file (.json, .jsonl, .capture.jsonl, .har; .gz packs it) or a new directory.",
)
def generate_(
    kind: str, messages: int, seed: int, target_format: str | None, output: str | None
) -> int:
    """Make messages of a KIND; the same number and seed give the same messages.

    \b
    chat       what a group chat server pushes to a member
    ticker     a market data feed
    tokens     the answers of a language model, a token a message
    jsonrpc    a language server answering an editor
    telemetry  measurements of machines in the field
    game       binary world snapshots and voice
    """
    generated = generate(kind, messages=messages, seed=seed)
    if output is not None and output != "-":
        write_corpus(generated, Path(output), target_format)
    elif target_format == "directory":
        raise click.UsageError("a directory needs a name; pass --output PATH")
    else:
        emit_bytes(serialise(generated, target_format or "lines"))
    return EXIT_DONE


def _can_print(character: str) -> bool:
    """Whether standard output has a form for a character."""
    try:
        character.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True

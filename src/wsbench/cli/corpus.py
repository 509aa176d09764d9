"""wsbench corpus: describe a corpus, or generate one."""

from pathlib import Path

import click
import msgspec

from wsbench.cli import EXIT_DONE
from wsbench.cli._options import corpus_argument, corpus_format_option
from wsbench.cli._output import emit
from wsbench.corpus import FORMATS, load_corpus, serialise, write_corpus
from wsbench.corpus.kinds import KINDS, generate
from wsbench.corpus.model import Corpus


@click.group(no_args_is_help=False)
def corpus() -> None:
    """Describe a corpus, or generate one."""


@corpus.command(short_help="Say what is in CORPUS.")
@corpus_argument
@corpus_format_option
@click.option(
    "--format",
    "format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How the description is printed.",
)
def info(corpus_path: str, corpus_format: str | None, format: str) -> int:
    """Say what is in CORPUS: how many messages, of which sizes, text or binary."""
    loaded = load_corpus(corpus_path, corpus_format)
    emit(_as_json(loaded) if format == "json" else _as_text(loaded))
    return EXIT_DONE


@corpus.command("generate", short_help="Make messages of a KIND.")
@click.argument("kind", type=click.Choice(tuple(KINDS)))
@click.option("--messages", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--corpus-format",
    type=click.Choice(FORMATS),
    help="How it is written; default: by the extension of --output, lines on standard output.",
)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="A file (.json, .jsonl, .txt; .gz packs it) or a new directory.",
)
def generate_(
    kind: str, messages: int, seed: int, corpus_format: str | None, output: str | None
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
        write_corpus(generated, Path(output), corpus_format)
    elif corpus_format == "directory":
        raise click.UsageError("a directory needs a name; pass --output PATH")
    else:
        emit(serialise(generated, corpus_format or "lines").decode())
    return EXIT_DONE


def _as_text(corpus: Corpus) -> str:
    statistics = corpus.statistics()
    if not statistics.binary_messages:
        content = "text"
    elif not statistics.text_messages:
        content = "binary"
    else:
        content = f"{statistics.text_messages:,} text, {statistics.binary_messages:,} binary"
    directions = sorted({stream.direction for stream in corpus.streams})
    rows = {
        "Corpus": corpus.name,
        "Messages": f"{statistics.messages:,} ({content})",
        "Bytes": f"{statistics.bytes:,}",
        "Streams": f"{statistics.streams:,}, sent by the {' and the '.join(directions)}",
        "Message size": (
            f"min {statistics.min_bytes:,}, median {statistics.median_bytes:,}, "
            f"p95 {statistics.p95_bytes:,}, max {statistics.max_bytes:,} bytes"
        ),
        "SHA-256": corpus.sha256(),
    }
    return "".join(f"{name + ':':14}{value}\n" for name, value in rows.items())


def _as_json(corpus: Corpus) -> str:
    described = {
        "name": corpus.name,
        "sha256": corpus.sha256(),
        **msgspec.structs.asdict(corpus.statistics()),
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2).decode() + "\n"

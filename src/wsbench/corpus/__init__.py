"""Corpora: where the messages come from, which format a file has, and how it is read."""

import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from wsbench.corpus import directory_format, json_format, lines_format
from wsbench.corpus.model import Corpus, Direction, Message, Statistics, Stream
from wsbench.corpus.source import Source, read_source
from wsbench.errors import CorpusError
from wsbench.files import write_atomically

__all__ = [
    "FORMATS",
    "Corpus",
    "Direction",
    "Message",
    "Statistics",
    "Stream",
    "load_corpus",
    "write_corpus",
]

FORMATS = ("json", "lines", "directory")

_PARSERS: dict[str, Callable[[bytes, str], list[Message]]] = {
    "json": json_format.parse,
    "lines": lines_format.parse,
}
_SERIALISERS: dict[str, Callable[[Sequence[Message]], bytes]] = {
    "json": json_format.serialise,
    "lines": lines_format.serialise,
}
_LINES_EXTENSIONS = frozenset({".jsonl", ".ndjson", ".txt", ".log"})


def load_corpus(path: str | Path, format: str | None = None) -> Corpus:
    """Read messages from a file, a directory, or standard input (`-`).

    The format is recognised by content first and by extension second, unless `format`, one of
    `FORMATS`, forces it. A file may be gzipped. All messages form one stream, sent by the server.

    Raises:
        CorpusError: if the corpus cannot be read, or holds no messages.
    """
    path = str(path)
    if not path:
        raise CorpusError("the corpus has an empty name; name a file, a directory or -")
    if format is not None and format not in FORMATS:
        raise CorpusError(f"no corpus format {format!r}; choose one of {', '.join(FORMATS)}")
    if path != "-" and _is_directory(path):
        if format not in (None, "directory"):
            raise CorpusError(f"{path}: a directory, not a file of {format}; name a file in it")
        messages = directory_format.read(Path(path))
        label, name = path, Path(path).resolve().name
        remedy = "it needs at least one visible file; subdirectories are not searched"
    else:
        if format == "directory":
            raise CorpusError(f"{path}: not a directory; leave --corpus-format out")
        source = read_source(path)
        messages = _PARSERS[format or _recognise(source)](source.data, source.label)
        label, name = source.label, source.stem
        remedy = "the file is empty" if not source.data else "it holds no messages"
    if not messages:
        raise CorpusError(f"{label}: empty corpus: {remedy}")
    return Corpus.of_messages(_printable(name), messages)


def _is_directory(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # Too long a name, or a folder above that is closed: the reader will say so.
        return False


def _printable(name: str) -> str:
    """The name of a file with what a terminal or a JSON file could not show replaced."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def write_corpus(corpus: Corpus, path: Path, format: str | None = None) -> None:
    """Write the messages to a file or a directory; `.gz` at the end of the name packs the file.

    Unless `format` says, the extension decides: `.json`, a lines extension (`.jsonl`, `.ndjson`,
    `.txt`, `.log`), or none for a directory.

    Raises:
        CorpusError: if the format cannot hold a message, or the place cannot be written.
    """
    packed = path.suffix.lower() == ".gz"
    extension = (path.with_suffix("") if packed else path).suffix.lower()
    chosen = format or _format_of_extension(path, extension, packed)
    if chosen == "directory":
        directory_format.write(list(corpus.messages()), path)
        return
    data = serialise(corpus, chosen)
    # Who forces a format on writing can do so on reading.
    if format is None and _recognise(Source(str(path), path.stem, extension, data)) != chosen:
        raise CorpusError(
            f"{path}: these messages as {chosen} would be taken for another format; "
            f"write a directory"
        )
    try:
        write_atomically(path, gzip.compress(data, mtime=0) if packed else data)
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}; name another place") from error


def _format_of_extension(path: Path, extension: str, packed: bool) -> str:
    if extension == ".json":
        return "json"
    if extension in _LINES_EXTENSIONS:
        return "lines"
    if not extension and not packed:
        return "directory"
    raise CorpusError(
        f"{path}: no corpus format has the extension {extension or '.gz'}; pass --corpus-format"
    )


def serialise(corpus: Corpus, format: str) -> bytes:
    """The messages as a file of the format, `json` or `lines`.

    Raises:
        CorpusError: if the format cannot hold a message.
    """
    return _SERIALISERS[format](list(corpus.messages()))


def _recognise(source: Source) -> str:
    """The format of a file: by its content, and where that leaves a choice, by its extension."""
    data, extension = source.data, source.extension
    if data.lstrip()[:1] not in (b"[", b"{"):
        return "json" if extension == ".json" else "lines"
    lines = (line for line in io.BytesIO(data) if not line.isspace())
    first, is_single = next(lines), next(lines, None) is None
    if is_single and extension in _LINES_EXTENSIONS:
        return "lines"
    if json_format.is_corpus(data):
        return "json"
    # One object that is no corpus can only be a message, unless the name promises a document.
    is_object = first.lstrip().startswith(b"{")
    if json_format.is_value(first) and (not is_single or (is_object and extension != ".json")):
        return "lines"
    # Broken, or not JSON after all: only a name that promises lines keeps it from being refused.
    return "lines" if extension in _LINES_EXTENSIONS else "json"

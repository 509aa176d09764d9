"""Corpora: where the messages come from, which format a file has, and how it is read."""

import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from wsbench.corpus import (
    capture_format,
    directory_format,
    har_format,
    json_format,
    lines_format,
)
from wsbench.corpus.model import (
    DIRECTIONS,
    Corpus,
    Event,
    Message,
    Statistics,
    Stream,
)
from wsbench.corpus.source import HELD_BYTES, File, Source, is_url, read_source, spooled
from wsbench.corpus.streamed import AnyCorpus, StreamedCorpus
from wsbench.errors import CorpusError
from wsbench.files import write_atomically
from wsbench.settings import Direction

__all__ = [
    "DIRECTIONS",
    "FORMATS",
    "AnyCorpus",
    "Corpus",
    "Direction",
    "Event",
    "Message",
    "Statistics",
    "Stream",
    "StreamedCorpus",
    "load_corpus",
    "write_corpus",
]

FORMATS = ("json", "lines", "directory", "har", "capture")

_LINES_EXTENSIONS = frozenset({".jsonl", ".ndjson", ".txt", ".log"})
# The beginning of a HAR file and of a capture.
_HAR_HEAD = re.compile(rb'\s*\{\s*"log"\s*:\s*\{')
_CAPTURE_HEAD = re.compile(rb'\s*\{[^\n]*"schema"\s*:\s*"wsbench\.capture/')

# What a reader calls with what was left out.
Remark = Callable[[str], None]


def load_corpus(
    path: str | Path, format: str | None = None, direction: Direction | None = None
) -> AnyCorpus:
    """Read messages from a file, a directory, a URL that fsspec opens, or standard input (`-`).

    The format is recognised by content first and by extension second, unless `format`, one of
    `FORMATS`, forces it. A file may be gzipped. Formats that do not say who sends have one stream,
    of the server. With a `direction`, only what that side sends is taken. Lines, captures and HAR
    files that are too large to be held in memory become a `StreamedCorpus`.

    Raises:
        CorpusError: if the corpus cannot be read, or holds no messages.
    """
    path = str(path)
    if not path:
        raise CorpusError("the corpus has an empty name; name a file, a directory or -")
    if format is not None and format not in FORMATS:
        raise CorpusError(f"no corpus format {format!r}; choose one of {', '.join(FORMATS)}")
    corpus: AnyCorpus
    if path != "-" and not is_url(path) and _is_directory(path):
        if format not in (None, "directory"):
            raise CorpusError(f"{path}: a directory, not a file of {format}; name a file in it")
        label, name = path, Path(path).resolve().name
        corpus = Corpus.of_messages(_printable(name), directory_format.read(Path(path)))
        remedy = "it needs at least one visible file; subdirectories are not searched"
    else:
        if format == "directory":
            raise CorpusError(f"{path}: not a directory; leave --corpus-format out")
        source = read_source(path)
        label = source.file.label
        chosen = format or _recognise(source.head, source.extension, is_whole=source.is_whole)
        corpus = _load(source, chosen, direction)
        remedy = "it holds no messages" if source.head else "the file is empty"
        if chosen == "har":
            remedy = (
                "it holds no messages of WebSockets; export it from Chrome with the page open from "
                "the start (Firefox leaves them out), or use wsbench record"
            )
        remedy = "; ".join([remedy, *corpus.remarks])
    if isinstance(corpus, Corpus):
        is_empty = not any(stream.messages for stream in corpus.streams)
        if direction is not None and not is_empty:
            corpus = corpus.in_direction(direction)
    else:
        is_empty = corpus.is_empty
    if is_empty:
        raise CorpusError(f"{label}: empty corpus: {remedy}")
    if not corpus.sample.streams:
        raise CorpusError(f"{label}: no messages from the {direction}; choose another --direction")
    return corpus


def _load(source: Source, format: str, direction: Direction | None) -> AnyCorpus:
    """The corpus of a file; what is in memory is of both directions."""
    file, name = source.file, _printable(source.stem)
    if format == "json":
        with file.open(bounded=True) as whole:
            return Corpus.of_messages(name, json_format.parse(whole.read(), file.label))
    if format == "capture":
        name = name.removesuffix(".capture")
    if source.is_whole:
        remarks: list[str] = []
        corpus = Corpus.of_events(name, _READERS[format](file, remarks.append))
        return msgspec.structs.replace(corpus, remarks=tuple(remarks))
    if format == "har":
        return _as_capture(name, file, direction)
    return StreamedCorpus(name, file, _READERS[format], direction)


def _as_capture(name: str, file: File, direction: Direction | None) -> StreamedCorpus:
    """The messages of a large HAR file, most of which may be other things, as a capture."""
    remarks: list[str] = []
    events = har_format.read(file, remarks.append)
    capture = spooled(file.label, capture_format.serialise(events))
    return StreamedCorpus(name, capture, _read_capture, direction, remarks)


def _read_lines(file: File, _remark: Remark) -> Iterator[Event]:
    with file.open() as unpacked:
        for message in lines_format.read(unpacked, file.label):
            yield Event(0, "server", message)


def _read_capture(file: File, remark: Remark) -> Iterator[Event]:
    with file.open() as unpacked:
        yield from capture_format.read(unpacked, file.label, remark)


_READERS: dict[str, Callable[[File, Remark], Iterator[Event]]] = {
    "lines": _read_lines,
    "capture": _read_capture,
    "har": har_format.read,
}


def _is_directory(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # Too long a name, or a folder above that is closed: the reader will say so.
        return False


def _printable(name: str) -> str:
    """The name of a file with what a terminal or a JSON file could not show replaced."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def write_corpus(
    corpus: AnyCorpus, path: Path, format: str | None = None, *, forget_direction: bool = False
) -> None:
    """Write the messages to a file or a directory; `.gz` at the end of the name packs the file.

    Unless `format` says, the extension decides: `.json`, `.har`, `.capture.jsonl`, an extension of
    lines (`.jsonl`, `.ndjson`, `.txt`, `.log`), or none for a directory. Formats that do not say
    who sends hold what a server sends; with `forget_direction`, what a client sends as well.

    Raises:
        CorpusError: if the format cannot hold the corpus, or the place cannot be written.
    """
    packed = path.suffix.lower() == ".gz"
    unpacked = path.with_suffix("") if packed else path
    chosen = format or _format_of_name(path, unpacked, packed)
    if chosen == "directory":
        _check_streams(corpus, chosen, forget_direction)
        directory_format.write(corpus.messages(), corpus.statistics().messages, path)
        return
    chunks = serialise(corpus, chosen, forget_direction=forget_direction)
    if format is None:
        # Who forces a format on writing can do so on reading.
        chunks = _checked(chunks, path, unpacked.suffix.lower(), chosen)
    try:
        write_atomically(path, _packed(chunks) if packed else chunks)
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}; name another place") from error


def _format_of_name(path: Path, unpacked: Path, packed: bool) -> str:
    extension = unpacked.suffix.lower()
    if extension in (".json", ".har"):
        return extension[1:]
    if extension in _LINES_EXTENSIONS:
        is_capture = unpacked.with_suffix("").suffix.lower() == ".capture"
        return "capture" if is_capture else "lines"
    if not extension and not packed:
        return "directory"
    raise CorpusError(
        f"{path}: no corpus format has the extension {extension or '.gz'}; pass --to FORMAT"
    )


def _check_streams(corpus: AnyCorpus, format: str, forget_direction: bool) -> None:
    """Raise CorpusError unless the format holds more than one stream, or there is no more."""
    if format in ("capture", "har"):
        if format == "har" and isinstance(corpus, StreamedCorpus):
            raise CorpusError(
                "a HAR file has all messages of a connection together, for which these are too "
                "many; write a capture instead"
            )
        return
    statistics = corpus.statistics()
    what = "" if statistics.streams == 1 else f"{statistics.streams:,} streams"
    if not what and statistics.directions == ("client",) and not forget_direction:
        what = "messages of a client, not of a server"
    if what:
        raise CorpusError(
            f"{what}, which {_PLURALS[format]} cannot hold; write a capture instead, or choose "
            f"with --direction what to take"
        )


_PLURALS = {"json": "JSON arrays", "lines": "lines", "directory": "directories"}


def serialise(corpus: AnyCorpus, format: str, *, forget_direction: bool = False) -> Iterator[bytes]:
    """The messages as the bytes of a file of the format, anything but a directory.

    Raises:
        CorpusError: if the format cannot hold the corpus; while it is made, if it cannot hold a
            message.
    """
    _check_streams(corpus, format, forget_direction)
    match format:
        case "json":
            return json_format.serialise(corpus.messages())
        case "lines":
            return lines_format.serialise(corpus.messages())
        case "har":
            assert isinstance(corpus, Corpus)
            return har_format.serialise(corpus)
        case _:
            if isinstance(corpus, Corpus):
                return capture_format.serialise(corpus.events_in_time())
            return capture_format.serialise(corpus.events())


def _checked(chunks: Iterator[bytes], path: Path, extension: str, format: str) -> Iterator[bytes]:
    """The same chunks, unless what they begin with would be taken for another format."""
    head = bytearray()
    for chunk in chunks:
        head += chunk
        if len(head) > HELD_BYTES:
            break
    is_whole = len(head) <= HELD_BYTES
    if _recognise(bytes(head), extension, is_whole=is_whole) != format:
        raise CorpusError(
            f"{path}: these messages as {format} would be taken for another format; "
            f"write a capture or a directory"
        )
    yield bytes(head)
    yield from chunks


def _packed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(9, wbits=31)
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


def _recognise(data: bytes, extension: str, *, is_whole: bool) -> str:
    """The format of a file: by its first bytes, and where they leave a choice, by its extension."""
    if _CAPTURE_HEAD.match(data):
        return "capture"
    if _HAR_HEAD.match(data) or data.startswith(har_format.ZIP_MAGIC) or extension == ".har":
        return "har"
    if data.lstrip()[:1] not in (b"[", b"{"):
        return "json" if extension == ".json" else "lines"
    lines = (line for line in io.BytesIO(data) if not line.isspace())
    first, is_single = next(lines), next(lines, None) is None
    if is_single and is_whole and extension in _LINES_EXTENSIONS:
        return "lines"
    if is_whole and json_format.is_corpus(data):
        return "json"
    # One object that is no corpus can only be a message, unless the name promises a document.
    is_object = first.lstrip().startswith(b"{")
    if json_format.is_value(first) and (not is_single or (is_object and extension != ".json")):
        return "lines"
    # Broken, or not JSON after all: only a name that promises lines keeps it from being refused.
    return "lines" if extension in _LINES_EXTENSIONS else "json"

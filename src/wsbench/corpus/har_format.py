"""HAR files: the WebSocket messages that browsers and proxies export with their HTTP traffic.

HAR 1.2 knows no WebSockets; Chrome added `_webSocketMessages` to entries, and mitmproxy and
Playwright do the same. An entry is a connection, with a stream in each direction. Playwright may
put the messages into another file instead, as lines, and the name of it into the entry.
"""

import base64
import re
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import IO, Any

import ijson
import msgspec

import wsbench
from wsbench.corpus.json_format import syntax_error
from wsbench.corpus.lines_format import numbered_lines
from wsbench.corpus.model import Corpus, Event, Message
from wsbench.corpus.source import HELD_BYTES, File, too_large
from wsbench.corpus.text import not_utf8
from wsbench.errors import CorpusError
from wsbench.oneline import one_line
from wsbench.settings import Direction

_SHAPE = 'expected a HAR file, an object with "log" and in it "entries"'
_ENTRY = "log.entries.item"
_MESSAGES = f"{_ENTRY}._webSocketMessages"
_MESSAGE = f"{_MESSAGES}.item"
_KIND = f"{_ENTRY}._resourceType"
_ATTACHED = f"{_ENTRY}.response.content._file"
# Opens the file of a name that an entry has; None if there is none.
_Opener = Callable[[str], AbstractContextManager[IO[bytes]] | None]
# In so many objects and arrays is what matters.
_DEEPEST = 6
# It takes the square of the number of pieces to put a string together.
_PIECE_BYTES = 2**20
# Later than any time in seconds, earlier than any in milliseconds.
_LATEST_SECONDS = 1e11
_SENDERS: dict[str, Direction] = {"send": "client", "receive": "server"}
_TEXT, _BINARY, _ERROR = 1, 2, -1
ZIP_MAGIC = b"PK\x03\x04"
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
)
# An escape of half of a surrogate pair may be in it.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
# One escape, or two that are a pair.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
# Where there has been no backslash for as long as a pair is, no escape is broken off.
_GAP = re.compile(rb"[^\\]{12}")
_GAP_WITHIN_BYTES = 4096


class _Line(msgspec.Struct):
    """A message, as a line of another file; what is missing or malformed is refused later."""

    type: Any = None
    time: Any = None
    opcode: Any = None
    data: Any = None


def read(file: File, remark: Callable[[str], None]) -> Iterator[Event]:
    """The messages of each entry, and its end, in the order of the file.

    It is read as a stream: no more of it is held than one string, or one message. What is no
    message is left out, and counted in a remark. Half of a surrogate pair, which mitmproxy writes
    where a page is not in the encoding that it says, is U+FFFD, as browsers would send it.

    Raises:
        CorpusError: if the file is no HAR file, or a message lacks what makes it one; the text
            names it.
    """
    left_out: Counter[str] = Counter()
    with file.open(bounded=True) as unpacked:
        start = unpacked.tell()
        is_archive = unpacked.read(len(ZIP_MAGIC)) == ZIP_MAGIC
        unpacked.seek(start)
        if is_archive:
            yield from _archived(unpacked, file, left_out)
        else:
            yield from _entries(unpacked, file.label, left_out, file.open_beside)
    if left_out:
        counts = ", ".join(f"{what} ({count:,})" for what, count in left_out.items())
        remark(f"{file.label}: left out: {counts}")


def _archived(archive: IO[bytes], file: File, left_out: Counter[str]) -> Iterator[Event]:
    """The messages of the HAR file in a zip archive, and of those that it names beside it."""
    label, most_bytes = file.label, file.most_bytes()
    try:
        with zipfile.ZipFile(archive) as members:
            of_name = {member.filename: member for member in members.infolist()}

            def opened(name: str) -> IO[bytes] | None:
                member = of_name.get(name)
                if member is None:
                    return None
                if member.compress_type not in _ZIP_METHODS:
                    raise NotImplementedError("packed in another way than by deflate")
                if member.file_size > most_bytes:
                    raise too_large(f"{label}: {one_line(name)}")
                return members.open(name)

            names = [name for name in members.namelist() if name.lower().endswith(".har")]
            if len(names) != 1:
                raise CorpusError(
                    f"{label}: a zip archive with {len(names)} HAR files in it; give one with one, "
                    f"or unpack it"
                )
            har = opened(names[0])
            assert har is not None
            with har:
                yield from _entries(har, f"{label}: {one_line(names[0])}", left_out, opened)
    except _ZIP_ERRORS as error:
        raise CorpusError(
            f"{label}: broken zip archive: {one_line(str(error))}; make it again"
        ) from error


def _entries(
    file: IO[bytes], label: str, left_out: Counter[str], open_attached: _Opener
) -> Iterator[Event]:
    """The messages of a HAR file, entry by entry, and those of the files that entries name."""
    entry, number, fields, is_har = -1, 0, dict[str, Any](), False
    attached, is_socket = "", False
    start = file.tell()
    events = ijson.basic_parse(_Mended(file), buf_size=_PIECE_BYTES, use_float=True)
    try:
        for prefix, kind, value in _placed(events):
            if prefix.startswith(_MESSAGE):
                place = f"log.entries[{entry}]._webSocketMessages[{number}]"
                if prefix != _MESSAGE:
                    # What is nested is none of the fields that matter, whose values are scalars.
                    is_nested = kind in ("start_map", "start_array", "end_map", "end_array")
                    fields[prefix[len(_MESSAGE) + 1 :]] = [] if is_nested else value
                elif kind == "start_map":
                    fields = {}
                elif kind == "end_map":
                    event = _event(entry, fields, f"{label}: {place}", left_out)
                    if event is not None:
                        yield event
                    number += 1
                else:
                    raise CorpusError(f"{label}: {place}: no message, which is an object")
            elif prefix == _MESSAGES:
                if kind not in ("start_array", "end_array", "null"):
                    raise CorpusError(
                        f"{label}: log.entries[{entry}]._webSocketMessages: no array of messages"
                    )
            elif prefix == _ENTRY and kind == "start_map":
                entry, number, attached, is_socket = entry + 1, 0, "", False
            elif prefix == _ENTRY and kind == "end_map":
                if is_socket and attached and not number:
                    place = f"{label}: log.entries[{entry}]"
                    yield from _attached(entry, attached, place, open_attached, left_out)
                yield Event(entry, None, None)
            elif prefix == _KIND:
                is_socket = value == "websocket"
            elif prefix == _ATTACHED and kind == "string":
                attached = value
            elif prefix == "log.entries" and kind == "start_array":
                is_har = True
    # Which ValueError gets through, UnicodeDecodeError or another, depends on ijson's parser.
    except (ijson.JSONError, ValueError) as error:
        raise CorpusError(_syntax_error(file, start, label, error)) from error
    if not is_har:
        raise CorpusError(f"{label}: JSON of another shape: {_SHAPE}")


def _placed(events: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    """What `ijson.parse` gives but keys, and without what is nested too deeply to matter.

    That keeps the path of all that is open, which for a small file of nothing but brackets would
    fill the memory.
    """
    of_open: list[str] = []
    path, skipped = "", 0
    for kind, value in events:
        if kind == "map_key":
            if not skipped:
                path = f"{of_open[-1]}.{value}" if of_open[-1] else value
        elif kind in ("start_map", "start_array"):
            if skipped or len(of_open) > _DEEPEST:
                skipped += 1
                continue
            yield path, kind, None
            of_open.append(path)
            if kind == "start_array":
                path = f"{path}.item" if path else "item"
        elif kind in ("end_map", "end_array"):
            if skipped:
                skipped -= 1
                continue
            path = of_open.pop()
            yield path, kind, None
        elif not skipped:
            yield path, kind, value


class _Mended:
    """JSON with U+FFFD for each escaped half of a surrogate pair, which has no UTF-8 form."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rest = b""

    def read(self, size_bytes: int) -> bytes:
        """At least one byte, unless there are no more."""
        pieces, self._rest = [self._rest], b""
        while piece := self._file.read(size_bytes):
            looked_at = max(0, len(piece) - _GAP_WITHIN_BYTES)
            gaps = [match.end() for match in _GAP.finditer(piece, looked_at)]
            if gaps:
                self._rest = piece[gaps[-1] :]
                pieces.append(piece[: gaps[-1]])
                break
            pieces.append(piece)
        data = b"".join(pieces)
        return _ESCAPE.sub(_mended, data) if _HALF.search(data) else data


def _mended(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape["half"] else escape[0]


def _attached(
    entry: int, name: str, place: str, open_attached: _Opener, left_out: Counter[str]
) -> Iterator[Event]:
    """The messages of an entry that are lines of another file."""
    opened = open_attached(name)
    if opened is None:
        raise CorpusError(
            f"{place}: its messages are in {name!r}, which is missing; give the zip archive, or "
            f"put the file beside the HAR file"
        )
    name = one_line(name)
    with opened as lines:
        for number, line in numbered_lines(lines, f"{place}: {name}"):
            of_line = f"{place}: {name}:{number}"
            try:
                fields = msgspec.structs.asdict(msgspec.json.decode(line, type=_Line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise CorpusError(f"{of_line}: no message: {one_line(str(error))}") from error
            event = _event(entry, fields, of_line, left_out)
            if event is not None:
                yield event


def _event(entry: int, fields: dict[str, Any], place: str, left_out: Counter[str]) -> Event | None:
    """The event of a message, or None of what is none: control frames, and records of errors.

    Raises:
        CorpusError: if a field is missing or malformed.
    """
    kind, opcode, data = fields.get("type"), fields.get("opcode"), fields.get("data")
    if kind == "error" or opcode == _ERROR:
        left_out["error records"] += 1
        return None
    if not isinstance(kind, str) or kind not in _SENDERS:
        raise CorpusError(f'{place}: "type" is {_shown(kind)}; it has to be "send" or "receive"')
    if type(opcode) is not int and not (isinstance(opcode, float) and opcode.is_integer()):
        raise CorpusError(f'{place}: "opcode" is {_shown(opcode)}; 1 is text, 2 binary')
    if opcode not in (_TEXT, _BINARY):
        left_out["control frames"] += 1
        return None
    if not isinstance(data, str):
        raise CorpusError(f'{place}: "data" is {_shown(data)}; it has to be a string')
    try:
        message = (
            Message(data.encode(), True)
            if opcode == _TEXT
            else Message(base64.b64decode(data, validate=True), False)
        )
    except ValueError as error:
        text = str(error)
        raise CorpusError(f'{place}: "data" is not base64: {text[:1].lower()}{text[1:]}') from error
    return Event(entry, _SENDERS[kind], message, _seconds(fields.get("time")))


def _seconds(time: object) -> float | None:
    """A time since 1970 in seconds, if it is one, in seconds or milliseconds."""
    if isinstance(time, bool) or not isinstance(time, int | float):
        return None
    if not 0 < time < 1000 * _LATEST_SECONDS:
        return None
    return time / 1000 if time > _LATEST_SECONDS else float(time)


def _syntax_error(file: IO[bytes], start: int, label: str, error: Exception) -> str:
    """Where the JSON breaks off, if the file is small enough to be looked through."""
    # The parser adds lines with what is around the place.
    told = error.args[0] if error.args else ""
    text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    reason = one_line(text.partition("\n")[0].rstrip("."))
    file.seek(start)
    data = file.read(HELD_BYTES + 1)
    if len(data) > HELD_BYTES:
        return f"{label}: not JSON: {reason}"
    try:
        return syntax_error(data, label, reason)
    except UnicodeDecodeError:
        return str(not_utf8(data, label))


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:50]


def serialise(corpus: Corpus) -> Iterator[bytes]:
    """A HAR file that `read` gives back: an entry for each connection."""
    records: dict[int, list[dict[str, object]]] = defaultdict(list)
    started: dict[int, float] = {}
    for connection, direction, message, time in corpus.events_in_time():
        if direction is None or message is None:
            continue
        # A time that would be taken for milliseconds, or is none, is as good as none.
        time = time if time is not None and 0 < time <= _LATEST_SECONDS else 0
        started.setdefault(connection, time)
        records[connection].append(
            {
                "type": "receive" if direction == "server" else "send",
                "time": time,
                "opcode": _TEXT if message.text else _BINARY,
                "data": message.data.decode()
                if message.text
                else base64.b64encode(message.data).decode(),
            }
        )
    creator = {"name": "wsbench", "version": wsbench.__version__}
    yield b'{"log":{"version":"1.2","creator":' + msgspec.json.encode(creator) + b',"entries":[\n'
    for number, (connection, messages) in enumerate(records.items()):
        yield b",\n" if number else b""
        yield msgspec.json.encode(_entry(started[connection], messages))
    yield b"\n]}}\n"


def _entry(started: float, messages: list[dict[str, object]]) -> dict[str, object]:
    """What HAR 1.2 wants of an entry, most of which nobody knows any more."""
    unknown = {"headers": [], "cookies": [], "headersSize": -1, "bodySize": -1}
    return {
        "_resourceType": "websocket",
        "startedDateTime": datetime.fromtimestamp(started, UTC).isoformat(timespec="milliseconds"),
        "time": 0,
        "request": {
            "method": "GET",
            "url": "ws://unknown.invalid/",
            "httpVersion": "HTTP/1.1",
            "queryString": [],
            **unknown,
        },
        "response": {
            "status": 101,
            "statusText": "Switching Protocols",
            "httpVersion": "HTTP/1.1",
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            **unknown,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "_webSocketMessages": messages,
    }

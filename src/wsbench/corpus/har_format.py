"""HAR files: the WebSocket messages that browsers and proxies export with their HTTP traffic.

HAR 1.2 knows no WebSockets; Chrome added `_webSocketMessages` to entries, and mitmproxy and
Playwright do the same. An entry is a connection, with a stream in each direction. Playwright may
put the messages into another file instead, as lines, and the name of it into the entry.
"""

import base64
import binascii
import math
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
from wsbench.corpus.source import HELD_BYTES, File
from wsbench.errors import CorpusError
from wsbench.settings import Direction

_SHAPE = 'expected a HAR file, an object with "log" and in it "entries"'
_ENTRY = "log.entries.item"
_MESSAGES = f"{_ENTRY}._webSocketMessages"
_MESSAGE = f"{_MESSAGES}.item"
_KIND = f"{_ENTRY}._resourceType"
_ATTACHED = f"{_ENTRY}.response.content._file"
# Opens the file of a name that an entry has; None if there is none.
_Opener = Callable[[str], AbstractContextManager[IO[bytes]] | None]
# Later than any time in seconds, earlier than any in milliseconds.
_LATEST_SECONDS = 1e11
_SENDERS: dict[str, Direction] = {"send": "client", "receive": "server"}
_TEXT, _BINARY, _ERROR = 1, 2, -1
_ZIP_MAGIC = b"PK\x03\x04"


def read(file: File, remark: Callable[[str], None]) -> Iterator[Event]:
    """The messages of each entry, and its end, in the order of the file.

    It is read as a stream: no more of it is held than one string, or one message. What is no
    message is left out, and counted in a remark.

    Raises:
        CorpusError: if the file is no HAR file, or a message lacks what makes it one; the text
            names it.
    """
    left_out: Counter[str] = Counter()
    with file.open(bounded=True) as unpacked:
        if unpacked.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC:
            unpacked.seek(0)
            yield from _archived(unpacked, file.label, left_out)
        else:
            unpacked.seek(0)
            yield from _entries(unpacked, file.label, left_out, file.open_beside)
    if left_out:
        counts = ", ".join(f"{count:,} {what}" for what, count in left_out.items())
        remark(f"{file.label}: left out: {counts}")


def _archived(archive: IO[bytes], label: str, left_out: Counter[str]) -> Iterator[Event]:
    """The messages of the HAR file in a zip archive, and of those that it names beside it."""
    try:
        with zipfile.ZipFile(archive) as members:
            names = [name for name in members.namelist() if name.lower().endswith(".har")]
            if len(names) != 1:
                raise CorpusError(
                    f"{label}: a zip archive with {len(names)} HAR files in it; give one with one, "
                    f"or unpack it"
                )
            with members.open(names[0]) as file:
                yield from _entries(
                    file,
                    f"{label}: {names[0]}",
                    left_out,
                    lambda name: members.open(name) if name in members.namelist() else None,
                )
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise CorpusError(f"{label}: broken zip archive: {error}; make it again") from error


def _entries(
    file: IO[bytes], label: str, left_out: Counter[str], open_attached: _Opener
) -> Iterator[Event]:
    """The messages of a HAR file, entry by entry, and those of the files that entries name."""
    entry, number, fields, is_har = -1, 0, dict[str, Any](), False
    attached, is_socket = "", False
    try:
        for prefix, kind, value in ijson.parse(file, use_float=True):
            if prefix.startswith(_MESSAGE):
                place = f"log.entries[{entry}]._webSocketMessages[{number}]"
                if kind == "map_key":
                    continue
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
    except ijson.JSONError as error:
        raise CorpusError(_syntax_error(file, label, error)) from error
    if not is_har:
        raise CorpusError(f"{label}: JSON of another shape: {_SHAPE}")


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
    with opened as lines:
        for number, line in numbered_lines(lines, f"{place}: {name}"):
            of_line = f"{place}: {name}:{number}"
            try:
                fields = msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise CorpusError(f"{of_line}: no message: {error}") from error
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
        left_out["records of errors"] += 1
        return None
    if kind not in _SENDERS:
        raise CorpusError(f'{place}: "type" is {_shown(kind)}; it has to be "send" or "receive"')
    if type(opcode) is not int and not (isinstance(opcode, float) and opcode.is_integer()):
        raise CorpusError(f'{place}: "opcode" is {_shown(opcode)}; 1 is text, 2 binary')
    if opcode not in (_TEXT, _BINARY):
        left_out["control frames"] += 1
        return None
    if not isinstance(data, str):
        raise CorpusError(f'{place}: "data" is {_shown(data)}; it has to be a string')
    time = fields.get("time")
    if isinstance(time, bool) or not isinstance(time, int | float) or not 0 < time < math.inf:
        time = None
    elif time > _LATEST_SECONDS:
        time /= 1000
    try:
        message = (
            Message(data.encode(), True)
            if opcode == _TEXT
            else Message(base64.b64decode(data, validate=True), False)
        )
    except UnicodeEncodeError as error:
        raise CorpusError(f'{place}: "data" holds half of a surrogate pair') from error
    except binascii.Error as error:
        text = str(error)
        raise CorpusError(f'{place}: "data" is not base64: {text[:1].lower()}{text[1:]}') from error
    return Event(entry, _SENDERS[kind], message, time)


def _syntax_error(file: IO[bytes], label: str, error: Exception) -> str:
    """Where the JSON breaks off, if the file is small enough to be looked through."""
    try:
        file.seek(0)
        data = file.read(HELD_BYTES + 1)
        if len(data) <= HELD_BYTES:
            return syntax_error(data, label, error)
    except (OSError, UnicodeDecodeError):
        pass
    return f"{label}: not JSON: {str(error).splitlines()[0]}"


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:50]


def serialise(corpus: Corpus) -> Iterator[bytes]:
    """A HAR file that `read` gives back: an entry for each connection."""
    records: dict[int, list[dict[str, object]]] = defaultdict(list)
    started: dict[int, float] = {}
    for connection, direction, message, time in corpus.events_in_time():
        if direction is None or message is None:
            continue
        started.setdefault(connection, time or 0.0)
        records[connection].append(
            {
                "type": "receive" if direction == "server" else "send",
                "time": time or 0,
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

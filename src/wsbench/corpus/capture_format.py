"""Captures, wsbench's own JSON lines: a header, then a record for each message and connection.

docs/corpora.md describes the format, docs/capture.schema.json is its schema. A record is a line, so
a file that is cut off is read up to the cut.
"""

import base64
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import IO, Annotated, Literal

import msgspec

import wsbench
from wsbench.corpus.lines_format import numbered_lines
from wsbench.corpus.model import Event, Message
from wsbench.errors import CorpusError
from wsbench.oneline import one_line
from wsbench.settings import Direction

SCHEMA: Literal["wsbench.capture/1"] = "wsbench.capture/1"

Number = Annotated[int, msgspec.Meta(ge=0)]


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line of a capture: what it is, when it was begun, by which version of wsbench.

    `upstream` is the server that was recorded; `redacted` says that secrets were replaced.
    """

    schema: Literal["wsbench.capture/1"]
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    wsbench: str
    upstream: str | None = None
    redacted: bool = False


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What all records have: their form, and the number of the connection that they are of."""

    connection: Number


class _Message(_Record, frozen=True, kw_only=True):
    """What messages of either kind have."""

    direction: Direction
    time: float | None = None
    data: str


class Open(_Record, frozen=True, kw_only=True, tag="open"):
    """A connection was opened. Its number is its own until it is closed; the path is without what
    follows a `?`, which may be secret.
    """

    time: float | None = None
    path: str | None = None
    subprotocol: str | None = None


class Text(_Message, frozen=True, kw_only=True, tag="text"):
    """A text message, whole, whatever frames it came in. Times are in seconds since 1970."""


class Binary(_Message, frozen=True, kw_only=True, tag="binary"):
    """A binary message; its data is in base64."""


class Close(_Record, frozen=True, kw_only=True, tag="close"):
    """A connection ended, with this code and reason of RFC 6455 (1005: none was given; 1006: it was
    lost), said by this side; by none if the recording ended.
    """

    time: float | None = None
    code: int | None = None
    reason: str = ""
    direction: Direction | None = None


Record = Open | Text | Binary | Close

_HEADER = msgspec.json.Decoder(Header)
_RECORD: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_ENCODER = msgspec.json.Encoder()


def read(file: IO[bytes], label: str, remark: Callable[[str], None]) -> Iterator[Event]:
    """The messages of a capture, and the ends of its connections, in the order of the file.

    What a cut-off file breaks off with is left out, with a remark.

    Raises:
        CorpusError: if a line is no record; the text names it.
    """
    is_begun = False
    for number, line in numbered_lines(file, label):
        if line.isspace():
            continue
        try:
            event = _event(_RECORD.decode(line)) if is_begun else _HEADER.decode(line)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            if not line.endswith(b"\n"):
                remark(f"{label}: cut off in line {number}, which is left out")
                return
            what, remedy = (
                ("record of a capture", "repair the line, or take it out")
                if is_begun
                else (f"header of {SCHEMA}", "use the wsbench that wrote it, or put it back")
            )
            raise CorpusError(
                f"{label}:{number}: no {what}: {one_line(str(error))}; {remedy}"
            ) from error
        is_begun = True
        if isinstance(event, Event):
            yield event


def header(upstream: str | None = None, *, redacted: bool = False) -> bytes:
    """The first line of a capture that is begun now."""
    return _line(
        Header(
            schema=SCHEMA,
            created=datetime.now(UTC).replace(microsecond=0),
            wsbench=wsbench.__version__,
            upstream=upstream,
            redacted=redacted,
        )
    )


def opened(connection: int, time: float, path: str, subprotocol: str | None) -> bytes:
    """The line of a connection that was opened."""
    return _line(Open(connection=connection, time=time, path=path, subprotocol=subprotocol))


def closed(
    connection: int, time: float, code: int, reason: str, direction: Direction | None
) -> bytes:
    """The line of a connection that one side closed, or, None, neither did."""
    return _line(
        Close(connection=connection, time=time, code=code, reason=reason, direction=direction)
    )


def event_line(event: Event) -> bytes:
    """The line of a message, or of the end of a connection."""
    connection, direction, message, time = event
    if direction is None or message is None:
        return _line(Close(connection=connection, time=time))
    kind, data = (
        (Text, message.data.decode())
        if message.text
        else (Binary, base64.b64encode(message.data).decode())
    )
    return _line(kind(connection=connection, direction=direction, time=time, data=data))


def serialise(events: Iterable[Event]) -> Iterator[bytes]:
    """The lines of a capture that `read` gives back."""
    yield header()
    yield from map(event_line, events)


def _event(record: Record) -> Event | None:
    match record:
        case Text():
            message = Message(record.data.encode(), True)
        case Binary():
            message = Message(base64.b64decode(record.data, validate=True), False)
        case Close():
            return Event(record.connection, None, None)
        case Open():
            return None
    return Event(record.connection, record.direction, message, record.time)


def _line(record: Header | Record) -> bytes:
    return _ENCODER.encode(record) + b"\n"

"""The record of a sweep: what is saved, validated on load, and all that reports read.

In a file, a record ends with a `seal`: the SHA-256 digest of all the rest of it. Whoever changes a
figure by hand breaks the seal, so that no baseline can be lowered by an editor unnoticed; white
space and the order of keys are free. A file may hold one record, or several of different corpora.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from wsbench.buffers import Buffers
from wsbench.environment import Environment
from wsbench.errors import ResultsError
from wsbench.files import write_atomically
from wsbench.settings import DeflateSettings, Direction, Implementation, Offer

# Whether all connections send the same message, or each its own.
Traffic = Literal["independent", "broadcast"]
TRAFFICS: tuple[Traffic, ...] = get_args(Traffic)

# Physical memory: what a process holds alone, or what it holds counting shared pages in full.
ResidentKind = Literal["uss", "rss"]

# What schemas of files are called, before their number.
_RECORD, _RECORDS = "wsbench.result", "wsbench.records"
_KINDS = (_RECORD, _RECORDS)
_REMEDY = "give a file made by wsbench compress --save"

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class CorpusSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages were measured; `sha256` is a digest of the messages, not of the file.

    They are the `streams` of so many `connections`, sent by the sides in `directions`; older
    records do not say so.
    """

    name: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    messages: Annotated[int, msgspec.Meta(ge=1)]
    bytes: Count
    streams: Annotated[int, msgspec.Meta(ge=1)]
    connections: Annotated[int, msgspec.Meta(ge=1)] | None = None
    directions: tuple[Direction, ...] = ()


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes asked of the allocator, traced; not resident memory.

    `connection_bytes` is the mean over `connections` real connections to a websockets server,
    each after a text and a binary message both ways, and `connection_stdev_bytes` its standard
    deviation. `deflate_bytes` and `inflate_bytes` are one compressor and one decompressor on their
    own, after a message.
    """

    connection_bytes: Count
    connection_stdev_bytes: Count
    connections: Annotated[int, msgspec.Meta(ge=2)]
    deflate_bytes: Count
    inflate_bytes: Count


class Resident(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate of the physical memory that a connection holds after so many `messages`.

    It is what each of `connections` live connections added to a websockets server, in USS or RSS.
    """

    connection_bytes: Count
    connections: Annotated[int, msgspec.Meta(ge=1)]
    messages: Annotated[int, msgspec.Meta(ge=1)]
    kind: ResidentKind


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of all messages: as the application sends them, after permessage-deflate (RFC 7692,
    section 7.2.1: without the last four bytes of the flush), and with frame headers (RFC 6455,
    section 5.2) as they go over the wire.
    """

    original_bytes: Count
    compressed_bytes: Count
    wire_bytes: Count


class Time(msgspec.Struct, frozen=True, kw_only=True):
    """Time to encode and to decode a message, with `connections` contexts in use in turn.

    `vs_reference` 0.152 means 15.2 % more than the reference takes; `ci95` is the interval that
    holds it with 95 % confidence. The same for decoding. With one connection, `sampled_messages`
    messages were timed, each at least `rounds` times; with more, that many were timed in `rounds`
    turns, each beside the reference.
    """

    connections: Annotated[int, msgspec.Meta(ge=1)]
    encode_ns_per_message: Positive
    vs_reference: float
    ci95: tuple[float, float]
    decode_ns_per_message: Positive
    decode_vs_reference: float
    decode_ci95: tuple[float, float]
    sampled_messages: Annotated[int, msgspec.Meta(ge=1)]
    rounds: Annotated[int, msgspec.Meta(ge=1)]

    @property
    def margin(self) -> float:
        """How far the interval reaches from the ratio, to either side."""
        return (self.ci95[1] - self.ci95[0]) / 2

    @property
    def decode_margin(self) -> float:
        """The same for decoding."""
        return (self.decode_ci95[1] - self.decode_ci95[0]) / 2


class TimingSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How the times with `connections` connections were taken, and why that ended.

    It was to end when the intervals of all settings were within ± `precision` of their ratios
    (0.01 is a percentage point), or after `max_seconds`; it took `seconds`. That of a check ends
    when all verdicts are known, `decided`, too. `traffic` is how the
    connections were used: each with messages of its own, or all with the same one. One connection
    has none.
    """

    connections: Annotated[int, msgspec.Meta(ge=1)]
    traffic: Traffic | None
    precision: Positive
    max_seconds: Positive
    seconds: Annotated[float, msgspec.Meta(ge=0)]
    stopped: Literal["precision", "max_seconds", "interrupted", "decided"]


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """Nanoseconds from sending a message to having its whole answer: percentiles."""

    p50: Count
    p99: Count


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What one more of `connections` connections costs a real server, measured from outside.

    Resident bytes per connection: once it is open, after one message each way, and after all of
    the summary's `messages`. `kernel_bytes` is what waits beside that in the kernel's buffers of
    its sockets, at both ends. So many were opened a second, while the server used so many
    processors: where that is nearly one, a server of one thread, and not the clients, set the pace.
    CPU time is the server's, a message in and its answer out. `negotiated` is the server's
    `Sec-WebSocket-Extensions` header, empty if there is none. None is what was not reached, or what
    the system does not tell.
    """

    connections: Annotated[int, msgspec.Meta(ge=1)]
    negotiated: str
    opened_per_second: float | None = None
    opening_cpu_share: float | None = None
    resident_opened_bytes: int | None = None
    resident_after_one_bytes: int | None = None
    resident_bytes: int | None = None
    kernel_bytes: int | None = None
    cpu_ns_per_message: Count | None = None
    round_trip_ns: RoundTrip | None = None


class LiveSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Which server was measured, and how it was used.

    `server` is a command or a process, `implementation` that of `wsbench serve`, None for others.
    Each connection sent `messages` messages, `in_flight` were under way at a time, and `processes`
    processes held the clients. `resident` says what the system told: USS, or RSS, which counts
    memory that is shared with other processes in full.
    """

    server: str
    implementation: Implementation | None
    tls: bool
    connections: Annotated[int, msgspec.Meta(ge=1)]
    messages: Annotated[int, msgspec.Meta(ge=1)]
    in_flight: Annotated[int, msgspec.Meta(ge=1)]
    processes: Annotated[int, msgspec.Meta(ge=1)]
    resident: ResidentKind | None
    seconds: Annotated[float, msgspec.Meta(ge=0)]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one settings, None being compression disabled.

    Of a live server, `settings` are what was offered, which may be what browsers offer, "browser";
    what came of it is in `live`. A quantity that was not asked for, or not reached, is None, or
    empty for the times.
    """

    settings: Offer
    memory: Memory | None = None
    resident: Resident | None = None
    size: Size | None = None
    time: tuple[Time, ...] = ()
    live: Live | None = None

    @property
    def deflate(self) -> DeflateSettings | None:
        """The settings, if they are definite and compression is not disabled."""
        return self.settings if isinstance(self.settings, DeflateSettings) else None

    @property
    def label(self) -> str:
        """`12/5`, `off` or `browser`."""
        return "off" if self.settings is None else str(self.settings)

    def time_at(self, connections: int) -> Time | None:
        """The time with so many connections, if it was measured."""
        return next((time for time in self.time if time.connections == connections), None)


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One sweep, or what live connections cost (`live`), or what buffers hold (`buffers`). `rows`
    are in table order, the disabled one last; of a sweep, the reference is among them. Of buffers
    there are none.

    `commit` is that of the directory it was measured in, where git knows one. `warnings` say what
    on the machine disturbed the measurement, or what was changed to fit it.

    Raises:
        ValueError: if a settings stands in two rows, or a record of a sweep that is not partial
            has no row for the reference.
    """

    schema: Literal["wsbench.result/1"]
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    wsbench: str
    partial: bool
    environment: Environment
    corpus: CorpusSummary
    reference: DeflateSettings
    rows: tuple[Row, ...]
    timing: tuple[TimingSummary, ...] = ()
    live: LiveSummary | None = None
    buffers: Buffers | None = None
    warnings: tuple[str, ...] = ()
    commit: str | None = None

    def __post_init__(self) -> None:
        settings = [row.settings for row in self.rows]
        if len(set(settings)) < len(settings):
            raise ValueError("`rows` holds the same settings twice")
        is_sweep = self.live is None and self.buffers is None
        if is_sweep and not self.partial and self.reference not in settings:
            raise ValueError(f"`rows` holds none for the reference, {self.reference}")

    def row(self, settings: Offer) -> Row | None:
        """The row of these settings, if there is one."""
        return next((row for row in self.rows if row.settings == settings), None)

    def timed_connections(self) -> list[int]:
        """The numbers of connections that some row has a time for, in ascending order."""
        return sorted({time.connections for row in self.rows for time in row.time})

    def timing_of(self, connections: int) -> TimingSummary | None:
        """How the times with so many connections were taken, if the record says it."""
        return next((item for item in self.timing if item.connections == connections), None)

    def size_vs_reference(self, row: Row) -> float | None:
        """How much larger the row's compressed messages are: 0.1 means 10 %."""
        reference = self.row(self.reference)
        if row.size is None or reference is None or reference.size is None:
            return None
        if not reference.size.compressed_bytes:
            return None
        return row.size.compressed_bytes / reference.size.compressed_bytes - 1

    def to_json(self) -> bytes:
        """The record as indented JSON, sealed, with a final newline."""
        return _indented(_sealed(self))

    def save(self, path: str | Path) -> None:
        """Write the record to a file, at once or not at all.

        Raises:
            ResultsError: if the file cannot be written.
        """
        _write(path, self.to_json())


def now() -> datetime:
    """The time, to the second, for `Results.created`."""
    return datetime.now(UTC).replace(microsecond=0)


def load_results(path: str | Path) -> Results:
    """Read a record that was saved.

    Raises:
        ResultsError: if the file cannot be read or is no such record; the text names the field.
    """
    return parse_results(_read(path), str(path))


def parse_results(data: bytes, label: str) -> Results:
    """Read a record from bytes; `label` names them in errors.

    Raises:
        ResultsError: if they are no such record; the text names the field.
    """
    records = parse_records(data, label)
    if len(records) > 1:
        raise ResultsError(
            f"{label}: holds {len(records)} records; give a file with one, as compress --save "
            "makes it"
        )
    return records[0]


def load_records(
    path: str | Path, *, sealed: bool = False, remedy: str = _REMEDY
) -> tuple[Results, ...]:
    """Read the records of a file: one that was saved alone, or all of several.

    With `sealed`, records without a seal are refused, as older versions of wsbench wrote them.
    `remedy` is what errors say to do.

    Raises:
        ResultsError: if the file cannot be read, holds no records, or was changed by hand.
    """
    return parse_records(_read(path), str(path), sealed=sealed, remedy=remedy)


def parse_records(
    data: bytes, label: str, *, sealed: bool = False, remedy: str = _REMEDY
) -> tuple[Results, ...]:
    """Read the records of a file from bytes; `label` names them in errors.

    Raises:
        ResultsError: if they are no records, or were changed by hand; the text names the field.
    """
    if not data.strip():
        raise ResultsError(f"{label}: empty; {remedy}")
    try:
        content = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultsError(f"{label}: not JSON: {error}; {remedy}") from error
    schema = _schema(content, label)
    if schema.partition("/")[0] != _RECORDS:
        return (_unsealed(content, label, sealed=sealed, remedy=remedy),)
    records = content.get("records")
    if schema != f"{_RECORDS}/1" or not isinstance(records, list) or not records:
        raise ResultsError(
            f"{label}: not records of results: `records` is empty, or no array; {remedy}"
        )
    found = []
    for number, record in enumerate(records):
        place = f"{label}: records[{number}]"
        _schema(record, place)
        found.append(_unsealed(record, place, sealed=sealed, remedy=remedy))
    return tuple(found)


def _schema(content: Any, label: str) -> str:
    """The name of the content's schema, empty if there is none.

    Raises:
        ResultsError: if it is of a newer wsbench.
    """
    schema = content.get("schema") if isinstance(content, dict) else None
    if not isinstance(schema, str):
        return ""
    kind, _, number = schema.rpartition("/")
    if kind in _KINDS and re.fullmatch("[0-9]+", number) and number.lstrip("0") not in ("", "1"):
        raise ResultsError(
            f"{label}: made by a newer wsbench, its schema is {schema[:100]}; upgrade wsbench to "
            "read it"
        )
    return schema


def save_records(path: str | Path, records: Sequence[Results]) -> None:
    """Write several records to one file, at once or not at all.

    Raises:
        ResultsError: if the file cannot be written.
    """
    sealed = [_sealed(record) for record in records]
    _write(path, _indented({"schema": f"{_RECORDS}/1", "records": sealed}))


def _sealed(results: Results) -> dict[str, Any]:
    """The record as JSON has it, with its seal."""
    record: dict[str, Any] = msgspec.to_builtins(results)
    return record | {"seal": _seal(record)}


def _unsealed(record: Any, label: str, *, sealed: bool, remedy: str) -> Results:
    """The record, if it is one, and its seal is whole or, unless `sealed`, missing."""
    seal = record.pop("seal", None) if isinstance(record, dict) else None
    try:
        results = msgspec.convert(record, Results)
        is_whole = seal == _seal(record)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ResultsError(f"{label}: not a record of results: {error}; {remedy}") from error
    if seal is None and not sealed:
        return results
    if seal is None:
        raise ResultsError(f"{label}: has no seal, by which edits are found; {remedy}")
    if not is_whole:
        raise ResultsError(
            f"{label}: was changed by hand: its seal is broken; restore it, or {remedy}"
        )
    return results


def _seal(record: Any) -> str:
    """The digest of a record, in JSON with sorted keys and without white space."""
    return hashlib.sha256(msgspec.json.encode(_plain(record), order="sorted")).hexdigest()


def _plain(value: Any) -> Any:
    """The same in JSON, with 5 for 5.0: programs that reformat JSON write either."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _indented(content: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; name a file made by --save") from error


def _write(path: str | Path, data: bytes) -> None:
    try:
        write_atomically(Path(path), data)
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; name another place") from error

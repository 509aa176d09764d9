"""The tables of buffers: one a scenario, and the advice."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from tabulate import tabulate

from wsbench.buffers import (
    Advice,
    Application,
    Bomb,
    Broadcast,
    Buffers,
    Closing,
    SlowClient,
    SlowReader,
)
from wsbench.report.prose import corpus_line, environment_line, warning_lines
from wsbench.report.snippet import server_snippet
from wsbench.report.units import DASH, binary_bytes, binary_size, counted, seconds
from wsbench.results import Results
from wsbench.settings import DeflateSettings

_LIMITS = "Limits: the smallest that are safe for these messages"
_NO_LIMIT = "no limit"
_CONNECTION_STATES = {"OPEN": "still open", "CLOSING": "hangs while closing", "CLOSED": "closed"}


class Section(NamedTuple):
    """A table with its title and what its columns mean."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]


def render_buffers_table(results: Results, _decode: bool) -> str:
    """Plain text: a heading, then each table below its title and above its notes."""
    parts = ["\n".join(_heading(results))]
    for section in sections(results):
        table = _table(section, "simple")
        parts.append("\n".join([f"{section.title}\n", table, "", *section.notes]))
    if advice := _buffers(results).advice:
        code = textwrap.indent(_snippet(_buffers(results), advice), "    ")
        parts += [_LIMITS, _limits(advice), code, _cost(_buffers(results), advice)]
    parts += ["\n".join(warning_lines(results))] if results.warnings else []
    return "\n\n".join(parts) + "\n"


def render_buffers_markdown(results: Results, _decode: bool) -> str:
    """The same as Markdown, each title a heading of the third level."""
    parts = ["  \n".join(_heading(results))]
    for section in sections(results):
        parts += [f"### {section.title}", _table(section, "github"), *section.notes]
    if advice := _buffers(results).advice:
        code = f"```python\n{_snippet(_buffers(results), advice)}\n```"
        parts += [f"### {_LIMITS}", _limits(advice), code]
        parts.append(_cost(_buffers(results), advice))
    return "\n\n".join([*parts, *warning_lines(results)]) + "\n"


def render_buffers_rst(results: Results, _decode: bool) -> str:
    """The tables in reStructuredText, each below its title, and nothing else."""
    parts = [
        f"{section.title}\n{'-' * len(section.title)}\n\n{_table(section, 'rst')}"
        for section in sections(results)
    ]
    return "\n\n".join(parts) + "\n"


def sections(results: Results) -> list[Section]:
    """The tables that there is something for."""
    buffers = _buffers(results)
    tables = [
        _slow_readers(buffers.slow_readers),
        _bombs(buffers.bombs),
        _slow_clients(buffers.slow_clients, results),
        _broadcasts(buffers.broadcasts, threads=buffers.implementation == "sync"),
        *map(_application, buffers.applications),
    ]
    return [table for table in tables if table.rows]


def _heading(results: Results) -> list[str]:
    buffers = _buffers(results)
    received = buffers.receive_buffer_bytes
    what = "tasks" if buffers.implementation == "asyncio" else "threads"
    lines = [
        corpus_line(results),
        environment_line(results),
        f"Server: websockets' {buffers.implementation} implementation ({what})"
        f"{', over TLS' if buffers.tls else ''}, which reads up to "
        f"{binary_bytes(buffers.read_bytes)} at once"
        + (f", SO_RCVBUF {binary_bytes(received)}" if received is not None else ""),
        f"Its defaults: {_defaults(buffers)}",
    ]
    if results.partial:
        lines.append("Partial: the measurement did not finish; what is missing was not measured")
    return lines


def _defaults(buffers: Buffers) -> str:
    limits, keepalive = buffers.defaults, buffers.keepalive
    write_limit = (
        f"write_limit {_limit(limits.write_limit)}"
        if buffers.implementation == "asyncio"
        else "no write_limit, which threads have not"
    )
    return (
        f"max_size {_limit(limits.max_size)}, max_queue {_frames(limits.max_queue)}, "
        f"{write_limit}, ping_interval {_seconds(keepalive.ping_interval)}, "
        f"ping_timeout {_seconds(keepalive.ping_timeout)}"
    )


def _slow_readers(rows: Sequence[SlowReader]) -> Section:
    return Section(
        "Slow reader: clients send without end, the handler does not keep up; per connection",
        [
            "Settings",
            "Messages",
            "max_queue",
            "max_size",
            "Taken",
            "In queue",
            "Allocated",
            "Peak",
            "Resident",
            "Bound",
            "Of bound",
            "Can reach",
            "In kernel",
        ],
        [
            [
                _settings(row.settings),
                _payload(row),
                _frames(row.limits.max_queue),
                _limit(row.limits.max_size),
                f"{row.messages:,.0f}, {binary_bytes(row.wire_bytes)}"
                + ("" if row.is_stopped else ", goes on"),
                f"{row.queued_frames:,.0f}",
                binary_bytes(row.allocated_bytes),
                binary_bytes(row.peak_bytes),
                binary_bytes(row.resident_bytes),
                _limit(row.bound_bytes),
                _times(row.of_bound),
                _limit(row.reach_bytes),
                _kernel(row.server_kernel_bytes, row.client_kernel_bytes),
            ]
            for row in rows
        ],
        [
            "Taken: messages that clients could send, and their bytes on the wire, beyond what the "
            "handler read, when nothing more went. In queue: frames. Allocated (traced) and "
            "resident (USS): beyond an idle connection. Peak: what the process had allocated at "
            "most, while a read was parsed; the heap keeps much of that, so it is resident. Bound: "
            "max_queue × max_size, as websockets documents it; allocated, as a multiple of it. Can "
            "reach: max_queue frames and what one more read brings, since the queue is looked at "
            "after a read. In kernel: what waits in the sockets' buffers, the server's and the "
            "client's" + _socket_memory(rows) + ".",
            *_explained(rows),
        ],
    )


def _socket_memory(rows: Sequence[SlowReader]) -> str:
    most = max((row.socket_memory_bytes or 0 for row in rows), default=0)
    # It is not exact: little may look like nothing, or less.
    return f", which take up to {binary_bytes(most)} of its memory (sockstat)" if most > 0 else ""


def _explained(rows: Sequence[SlowReader]) -> list[str]:
    """How well what is allocated, and what was sent, is accounted for."""
    shares = [row.explained for row in rows if row.explained is not None]
    accounted = [row.accounted for row in rows if row.accounted is not None]
    parts = []
    if shares:
        parts.append(
            f"The frames in the queue and the unfinished one explain {_percents(shares)} of what "
            "is allocated."
        )
    if accounted:
        parts.append(
            f"Of the bytes sent, {_percents(accounted)} were read, or found in the library or in "
            "the kernel."
        )
    return [" ".join(parts)] if parts else []


def _percents(shares: Sequence[float]) -> str:
    low, high = f"{100 * min(shares):.0f}", f"{100 * max(shares):.0f}"
    return f"{low}%" if low == high else f"{low} to {high}%"


def _bombs(rows: Sequence[Bomb]) -> Section:
    return Section(
        "Decompression bomb: one message of zeros",
        [
            "Settings",
            "max_size",
            "Zeros",
            "On the wire",
            "Frames",
            "Answer",
            "Allocated at most",
            "Bound",
        ],
        [
            [
                _settings(row.settings),
                _limit(row.max_size),
                binary_bytes(row.payload_bytes),
                binary_bytes(row.wire_bytes),
                "16" if row.is_fragmented else "1",
                f"refused with {row.close_code}" if row.close_code else "accepted",
                binary_bytes(row.peak_bytes),
                _limit(row.bound_bytes),
            ]
            for row in rows
        ],
        [
            "Bound: twice max_size, since zlib joins what it has made in pieces, what was read, "
            "and 16 KiB for closing the connection."
        ],
    )


def _slow_clients(rows: Sequence[SlowClient], results: Results) -> Section:
    threads = _buffers(results).implementation == "sync"
    return Section(
        "Slow client: the server sends, the client does not read; per connection",
        [
            "Settings",
            "write_limit",
            "Sent",
            "In process",
            "In kernel",
            "Allocated",
            "Resident",
            "Closed by keepalive",
        ],
        [
            [
                _settings(row.settings),
                "no such limit" if threads else _limit(row.write_limit),
                counted(round(row.messages), "message") if row.is_sending else "nothing",
                binary_bytes(row.buffered_bytes),
                _kernel(row.server_kernel_bytes, row.client_kernel_bytes),
                binary_bytes(row.allocated_bytes),
                binary_bytes(row.resident_bytes),
                _closed(row.closing),
            ]
            for row in rows
        ],
        [
            "In process: what waits there when send() returns no more, which is when that exceeds "
            "write_limit. Allocated and resident: beyond an idle connection. Closed: after it was "
            f"opened, with {_keepalive(rows[0].closing if rows else None)}. A ping, too, is sent "
            "only when there is room for it, however long that takes."
        ],
    )


def _broadcasts(rows: Sequence[Broadcast], *, threads: bool) -> Section:
    how = (
        "websockets.broadcast waits for every client: one that is stuck holds up all."
        if threads
        else "websockets.broadcast waits for nobody: write_limit does not apply, and what a stuck "
        "client is sent stays in the process until its connection is closed."
    )
    return Section(
        "Broadcast: some clients do not read",
        [
            "Settings",
            "Clients",
            "Broadcast",
            "Kernel takes",
            "until",
            "then grows, each stuck",
            "a message",
            "In the end: stuck / fast",
            "Resident, all",
            "Closed by keepalive",
        ],
        [
            [
                _settings(row.settings),
                f"{row.fast} fast, {row.stuck} stuck",
                f"{counted(row.messages, 'message')} in {seconds(round(row.seconds, 1))}"
                + (", then got stuck itself" if row.stopped == "stuck" else ""),
                DASH if row.kernel_bytes is None else binary_bytes(row.kernel_bytes),
                DASH if row.kernel_seconds is None else f"{row.kernel_seconds:.1f} s",
                DASH
                if row.growth_bytes_per_second is None
                else f"{binary_bytes(row.growth_bytes_per_second)} a second",
                DASH
                if row.growth_bytes_per_message is None
                else binary_bytes(row.growth_bytes_per_message),
                f"{binary_bytes(row.buffered_bytes)} / {binary_bytes(row.fast_buffered_bytes)}",
                binary_bytes(row.resident_bytes),
                _closed(row.closing),
            ]
            for row in rows
        ],
        [
            f"{how} Closed: after it was opened, with "
            f"{_keepalive(rows[0].closing if rows else None)}."
        ],
    )


def _application(row: Application) -> Section:
    connections = row.connections
    stuck = "buffers, client does not read" if row.is_stopped else "handler, client goes on sending"
    what = row.handler if row.handler != "echo" else f"echo, keeps {binary_bytes(row.app_bytes)}"
    parts: list[tuple[str, int, int | None, int]] = [
        ("process, imports", 1, None, row.process_bytes),
        (
            f"connection, {_settings(row.settings)}",
            connections,
            row.connection_allocated_bytes,
            row.connection_bytes,
        ),
        (
            f"application, {what}",
            connections,
            row.application_allocated_bytes,
            row.application_bytes,
        ),
        (stuck, row.stuck, row.buffer_allocated_bytes, row.buffer_bytes),
    ]
    rows = [
        [
            name,
            f"{number:,}",
            DASH if allocated is None else binary_bytes(allocated),
            binary_bytes(resident),
            binary_bytes(number * resident),
        ]
        for name, number, allocated, resident in parts
    ]
    rows.append(["sum: the process", "", "", "", binary_bytes(row.total_bytes)])
    kernel = (
        ""
        if row.kernel_bytes is None
        else f" The kernel holds {binary_bytes(row.kernel_bytes)} beside that, at both ends."
    )
    return Section(
        f"Application: {what}, after {counted(row.messages, 'message')} on each connection",
        ["Part", "Number", "Allocated, each", "Resident, each", "Resident, all"],
        rows,
        [
            "Connection: with an echo that keeps nothing. Application: what the handler adds to "
            "that. Buffers: what it comes to when clients then send on without reading, and the "
            "heap has no room left." + kernel
        ],
    )


def _limits(advice: Advice) -> str:
    """What the limits are for."""
    largest, usual = advice.largest_bytes, advice.p95_bytes
    sizes = counted(largest, "byte")
    if usual < largest:
        sizes += f", 95% of them at most {usual:,}"
    burst = counted(advice.burst, "message")
    return f"The largest of these messages has {sizes}. For {burst} at once:"


def _snippet(buffers: Buffers, advice: Advice) -> str:
    """The limits to choose, as code."""
    limits = {"max_size": advice.limits.max_size, "max_queue": advice.limits.max_queue}
    if advice.limits.write_limit != buffers.defaults.write_limit:
        limits["write_limit"] = advice.limits.write_limit
    return server_snippet(
        buffers.implementation,
        advice.settings,
        limits,
        tls=buffers.tls,
        receive_buffer_bytes=buffers.receive_buffer_bytes,
    )


def _cost(buffers: Buffers, advice: Advice) -> str:
    def all_of(size_bytes: int) -> str:
        return binary_size(advice.connections * size_bytes)

    cost = (
        f"{counted(advice.connections, 'connection')}, {_settings(advice.settings)}, idle: "
        f"{all_of(advice.idle_bytes)} allocated. If all handlers are slow at once: up to "
        f"{all_of(advice.connection_bytes)} with these messages, "
        f"{counted(advice.queued_frames, 'frame')} each, and {all_of(advice.hostile_bytes)} if "
        "clients send what takes most room."
    )
    if buffers.receive_buffer_bytes is None and not buffers.tls:
        cost += " A small receive buffer makes that less: see --receive-buffer."
    return cost


def _payload(row: SlowReader) -> str:
    if row.payload in ("corpus", "small"):
        return row.payload
    size = binary_bytes(row.payload_bytes)
    return f"{row.payload}, {size}" + (" in 16 frames" if row.payload == "fragmented" else "")


def _closed(closing: Closing) -> str:
    if closing.seconds is not None:
        return f"after {seconds(closing.seconds)}"
    states = ", ".join(
        f"{number} {_CONNECTION_STATES.get(state, state)}"
        for state, number in sorted(closing.states.items())
    )
    return f"no: {states} after {seconds(closing.watched_seconds)}"


def _keepalive(closing: Closing | None) -> str:
    if closing is None:
        return ""
    keepalive = closing.keepalive
    return (
        f"ping_interval {_seconds(keepalive.ping_interval)}, "
        f"ping_timeout {_seconds(keepalive.ping_timeout)}, "
        f"close_timeout {_seconds(keepalive.close_timeout)}"
    )


def _kernel(server: int | None, client: int | None) -> str:
    if server is None or client is None:
        return DASH
    return f"{binary_bytes(server)} + {binary_bytes(client)}"


def _settings(settings: DeflateSettings | None) -> str:
    return str(settings or "off")


def _limit(size_bytes: int | None) -> str:
    return _NO_LIMIT if size_bytes is None else binary_bytes(size_bytes)


def _frames(number: int | None) -> str:
    return _NO_LIMIT if number is None else f"{number:,}"


def _seconds(value: float | None) -> str:
    return "none" if value is None else seconds(value)


def _times(ratio: float | None) -> str:
    if ratio is None:
        return DASH
    return f"{ratio:,.0f} ×" if ratio >= 10 else f"{ratio:.2f} ×"


def _table(section: Section, tablefmt: str) -> str:
    return tabulate(section.rows, headers=section.head, tablefmt=tablefmt, disable_numparse=True)


def _buffers(results: Results) -> Buffers:
    assert results.buffers is not None
    return results.buffers


def buffers_rows(results: Results) -> Iterable[dict[str, object]]:
    """All that was measured as flat rows, one a record; names within others follow a dot."""
    buffers = _buffers(results)
    groups: list[tuple[str, Sequence[msgspec.Struct]]] = [
        ("slow-reader", buffers.slow_readers),
        ("bomb", buffers.bombs),
        ("slow-client", buffers.slow_clients),
        ("broadcast", buffers.broadcasts),
        ("application", buffers.applications),
        ("advice", [buffers.advice] if buffers.advice else []),
    ]
    for scenario, records in groups:
        for record in records:
            row: dict[str, object] = {"scenario": scenario}
            for name in record.__struct_fields__:
                row |= _flat(name, getattr(record, name))
            yield row


def _flat(name: str, value: object) -> dict[str, object]:
    match value:
        case _ if name == "settings":
            assert value is None or isinstance(value, DeflateSettings)
            return {name: _settings(value)}
        case tuple():
            # How memory grew is in the record alone.
            return {}
        case dict():
            return {f"{name}.{key.lower()}": item for key, item in value.items()}
        case msgspec.Struct():
            flat: dict[str, object] = {}
            for field in value.__struct_fields__:
                flat |= {
                    f"{name}.{key}": item
                    for key, item in _flat(field, getattr(value, field)).items()
                }
            return flat
        case _:
            return {name: value}

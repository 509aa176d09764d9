"""What records of buffers hold that can be compared, in the form of `wsbench.quantities`."""

from collections.abc import Iterable, Iterator

from wsbench.buffers import (
    Advice,
    Application,
    Bomb,
    Broadcast,
    Buffers,
    SlowClient,
    SlowReader,
)
from wsbench.quantities import Quantity, Value
from wsbench.report.units import binary_bytes, counted
from wsbench.settings import DeflateSettings

# A quantity by its name, how one measurement of it is called, and what it came to.
_Measured = tuple[str, str, float | None]

_TITLES = {
    "slow_reader_allocated": "Slow reader, allocated per connection",
    "slow_reader_peak": "Slow reader, allocated per connection at most",
    "slow_reader_resident": "Slow reader, resident per connection",
    "bomb_peak": "Decompression bomb, allocated at most",
    "slow_client_buffered": "Slow client, waiting in the process per connection",
    "slow_client_allocated": "Slow client, allocated per connection",
    "slow_client_resident": "Slow client, resident per connection",
    "broadcast_kernel": "Broadcast, what the kernel takes for each stuck client",
    "broadcast_growth": "Broadcast, what a message then adds for each stuck client",
    "application_resident": "Application, resident",
    "application_allocated": "Application, allocated",
    "advice": "With the smallest limits that are safe, allocated per connection",
}


def buffers_values(buffers: Buffers) -> dict[Quantity, dict[str, Value]]:
    """All bytes that a record of buffers holds, by quantity and by what was measured.

    The label of a measurement tells its settings and whatever else its outcome depends on, such as
    `12/5, text of 1 MiB, max_queue 16, max_size 1 MiB`. How well values are known is not recorded.
    """
    values: dict[Quantity, dict[str, Value]] = {}
    for name, label, value in _measured(buffers):
        if value is not None:
            quantity = Quantity(name=name, title=_TITLES[name], unit="bytes")
            of_quantity = values.setdefault(quantity, {})
            of_quantity[_unused(label, of_quantity)] = Value(value, None)
    return values


def _unused(label: str, used: Iterable[str]) -> str:
    """The label, followed by a number if the same was measured before."""
    number, labels = 1, set(used)
    numbered = label
    while numbered in labels:
        number += 1
        numbered = f"{label} ({number})"
    return numbered


def _measured(buffers: Buffers) -> Iterator[_Measured]:
    for reader in buffers.slow_readers:
        yield from _slow_reader(reader)
    for bomb in buffers.bombs:
        yield from _bomb(bomb)
    for client in buffers.slow_clients:
        yield from _slow_client(client)
    for broadcast in buffers.broadcasts:
        yield from _broadcast(broadcast)
    for application in buffers.applications:
        yield from _application(application)
    if buffers.advice is not None:
        yield from _advice(buffers.advice)


def _slow_reader(row: SlowReader) -> Iterator[_Measured]:
    label = ", ".join(
        [
            _settings(row.settings),
            _payload(row),
            f"max_queue {_frames(row.limits.max_queue)}",
            f"max_size {_limit(row.limits.max_size)}",
        ]
    )
    yield "slow_reader_allocated", label, row.allocated_bytes
    yield "slow_reader_peak", label, row.peak_bytes
    yield "slow_reader_resident", label, row.resident_bytes


def _bomb(row: Bomb) -> Iterator[_Measured]:
    frames = " in 16 frames" if row.is_fragmented else ""
    zeros = f"{_exact(row.payload_bytes)} of zeros{frames}"
    yield (
        "bomb_peak",
        f"{_settings(row.settings)}, {zeros}, max_size {_limit(row.max_size)}",
        row.peak_bytes,
    )


def _slow_client(row: SlowClient) -> Iterator[_Measured]:
    label = f"{_settings(row.settings)}, write_limit {_limit(row.write_limit)}"
    if not row.is_sending:
        label += ", nothing sent"
    yield "slow_client_buffered", label, row.buffered_bytes
    yield "slow_client_allocated", label, row.allocated_bytes
    yield "slow_client_resident", label, row.resident_bytes


def _broadcast(row: Broadcast) -> Iterator[_Measured]:
    rate = f", {row.rate:,g} messages a second" if row.rate is not None else ""
    label = (
        f"{_settings(row.settings)}, {row.fast} fast, {row.stuck} stuck{rate}, "
        f"write_limit {_limit(row.write_limit)}"
    )
    yield "broadcast_kernel", label, row.kernel_bytes
    yield "broadcast_growth", label, row.growth_bytes_per_message


def _application(row: Application) -> Iterator[_Measured]:
    handler = row.handler if row.handler != "echo" else f"echo that keeps {_exact(row.app_bytes)}"
    label = f"{_settings(row.settings)}, {handler}"
    yield "application_resident", f"{label}: process", row.process_bytes
    for name, of_each in (
        (
            "application_resident",
            (row.connection_bytes, row.application_bytes, row.buffer_bytes),
        ),
        (
            "application_allocated",
            (
                row.connection_allocated_bytes,
                row.application_allocated_bytes,
                row.buffer_allocated_bytes,
            ),
        ),
    ):
        connection, application, buffers = of_each
        yield name, f"{label}: connection", connection
        yield name, f"{label}: application", application
        yield name, f"{label}: buffers of a stuck one", buffers


def _advice(row: Advice) -> Iterator[_Measured]:
    label = f"{_settings(row.settings)}, {counted(row.burst, 'message')} at once"
    yield "advice", f"{label}: idle", row.idle_bytes
    yield "advice", f"{label}: slow handler", row.connection_bytes
    yield "advice", f"{label}: slow handler, hostile client", row.hostile_bytes


def _payload(row: SlowReader) -> str:
    # How long the messages of a corpus are is told by the corpus.
    if row.payload in ("corpus", "small"):
        return row.payload
    return f"{row.payload} of {_exact(row.payload_bytes)}"


def _settings(settings: DeflateSettings | None) -> str:
    return str(settings or "off")


def _frames(number: int | None) -> str:
    return "none" if number is None else f"{number:,}"


def _limit(size_bytes: int | None) -> str:
    return "none" if size_bytes is None else _exact(size_bytes)


def _exact(size_bytes: int) -> str:
    """`1 MiB`, or `1,048,577 bytes`: what differs in a byte is not the same measurement."""
    unit = next((unit for unit in (2**30, 2**20, 2**10) if size_bytes >= unit), 1)
    return binary_bytes(size_bytes) if size_bytes % unit == 0 else counted(size_bytes, "byte")

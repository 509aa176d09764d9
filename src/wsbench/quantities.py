"""What records hold that can be compared: values of settings, each with what it is known to."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from wsbench.environment import Environment
from wsbench.errors import ResultsError
from wsbench.results import Live, Memory, Results, Row, Time
from wsbench.settings import DeflateSettings

# What values are: bytes; compressed bytes for a byte of the messages; how much longer than the
# reference, 0.15 for 15 %; nanoseconds; connections a second.
Unit = Literal["bytes", "share", "ratio", "ns", "per_second"]

# What a record says of its environment, in the order in which it matters, and what it is called.
_FIELDS = {
    "websockets": "websockets",
    "zlib": "zlib",
    "zlib_headers": "zlib's headers",
    "implementation": "implementation",
    "python": "Python",
    "os": "system",
    "machine": "machine",
    "allocator": "allocator",
    "cpu": "processor",
    "cpu_version": "processor's version",
    "cpu_caches": "caches",
    "cpus": "processors",
    "transparent_huge_pages": "transparent huge pages",
}
# What allocated memory depends on, and what ratios of times do.
SOFTWARE = ("websockets", "zlib", "implementation", "python", "os", "machine", "allocator")
PROCESSOR = ("machine", "cpu", "cpu_version", "cpu_caches")

_MEMORY_MARGIN_BYTES = 100
_TOO_MUCH = 2.0**63


class Value(msgspec.Struct, frozen=True):
    """A value in its unit; `margin` is half its 95 % interval, 0 if exact, None if unknown."""

    value: float
    margin: float | None


class Quantity(msgspec.Struct, frozen=True, kw_only=True):
    """What a value is of. One that is not `portable` depends on the machine it was measured on."""

    name: str
    title: str
    unit: Unit
    connections: int | None = None
    portable: bool = True


class Difference(msgspec.Struct, frozen=True):
    """A part of the environment in which records differ, and what each of them says."""

    field: str
    title: str
    values: tuple[str | int | None, ...]


class Change(msgspec.Struct, frozen=True):
    """How much more a value is than another, in their unit, and as a share of the other.

    `margin` is half its 95 % interval. `real` is whether that excludes zero; None where no interval
    is known, or the machines differ on which the result depends.
    """

    change: float
    relative: float | None
    margin: float | None
    real: bool | None


SIZE = Quantity(name="size", title="Size, compressed", unit="bytes")
SIZE_PER_BYTE = Quantity(name="size_per_byte", title="Size, of the original", unit="share")
MEMORY = Quantity(name="memory", title="Memory usage, allocated per connection", unit="bytes")
RESIDENT = Quantity(name="resident", title="Resident memory per connection", unit="bytes")

_LIVE: dict[str, tuple[str, Unit, bool]] = {
    "resident_opened_bytes": ("Resident per connection, opened", "bytes", True),
    "resident_after_one_bytes": ("Resident per connection, after a message", "bytes", True),
    "resident_bytes": ("Resident per connection, after all messages", "bytes", True),
    "kernel_bytes": ("In the kernel's buffers, per connection", "bytes", True),
    "cpu_ns_per_message": ("CPU time a message", "ns", False),
    "opened_per_second": ("Connections opened a second", "per_second", False),
}


def time_quantity(
    connections: int, reference: DeflateSettings, *, decode: bool = False
) -> Quantity:
    """The time with so many connections, compared with the reference's."""
    what = "Decode" if decode else "Time"
    at = f", at {connections:,} connections" if connections > 1 else ""
    return Quantity(
        name="decode" if decode else "time",
        title=f"{what} vs. {reference}{at}",
        unit="ratio",
        connections=connections,
    )


def values(results: Results, reference: DeflateSettings) -> dict[Quantity, dict[str, Value]]:
    """All that a record of settings holds, by quantity and by the settings' label.

    Times are compared with this reference's, whichever the record's own is.
    """
    measured: dict[Quantity, dict[str, Value]] = {}
    for row in results.rows:
        for quantity, value in _row_values(results, row, reference):
            measured.setdefault(quantity, {})[row.label] = value
    return measured


def memory_value(memory: Memory) -> Value:
    """Allocated bytes. Connections differ by more, as tables of the server grow, but alike in every
    run: benchmarks/memory_agreement.py finds the mean again to a tenth of a KiB.
    """
    return Value(memory.connection_bytes, _MEMORY_MARGIN_BYTES)


def time_value(time: Time, *, decode: bool = False) -> Value:
    """How much longer than the reference a message takes."""
    if decode:
        return Value(time.decode_vs_reference, time.decode_margin)
    return Value(time.vs_reference, time.margin)


def rebased(value: Value, reference: Value) -> Value:
    """How much longer than another reference, of which the same is known.

    Raises:
        ZeroDivisionError: if the other reference takes no time at all.
    """
    base = 1 + reference.value
    ratio = (1 + value.value) / base
    if value.margin is None or reference.margin is None:
        return Value(ratio - 1, None)
    return Value(ratio - 1, math.hypot(value.margin, ratio * reference.margin) / base)


def change(before: Value, after: Value, *, comparable: bool = True) -> Change:
    """How one value differs from another; not `comparable` are those of different machines.

    There is no share of nothing, nor of less, which what a connection adds may come out as.
    """
    margin = None
    if before.margin is not None and after.margin is not None:
        margin = math.hypot(before.margin, after.margin)
    difference = after.value - before.value
    return Change(
        difference,
        difference / before.value if before.value > 0 else None,
        margin,
        abs(difference) > margin if comparable and margin is not None else None,
    )


@contextlib.contextmanager
def refusing_impossible(name: str) -> Iterator[None]:
    """Raise ResultsError, about the record of that name, for what `require_possible` refuses."""
    try:
        yield
    except OverflowError as error:
        raise ResultsError(
            f"{name}: holds a number that no measurement gives; measure it anew"
        ) from error


def require_possible(found: Iterable[Value]) -> None:
    """Raise OverflowError unless arithmetic with all values gives numbers that say something."""
    for value in found:
        if not all(abs(number) < _TOO_MUCH for number in (value.value, value.margin or 0)):
            raise OverflowError("more than any machine has or does")


def differences(environments: Sequence[Environment]) -> list[Difference]:
    """In what the environments of records differ."""
    found = []
    for field, title in _FIELDS.items():
        of_each = tuple(getattr(environment, field) for environment in environments)
        if len(set(of_each)) > 1:
            found.append(Difference(field, title, of_each))
    return found


def differ_in(found: Sequence[Difference], fields: tuple[str, ...]) -> bool:
    """Whether one of the fields is among the differences."""
    return any(difference.field in fields for difference in found)


def is_same_processor(one: Environment, other: Environment) -> bool:
    """Whether both say the same of it, and enough: many go by one name."""
    said = [[getattr(of, field) for field in PROCESSOR] for of in (one, other)]
    return said[0] == said[1] and (one.cpu_version or one.cpu_caches) is not None


def _row_values(
    results: Results, row: Row, reference: DeflateSettings
) -> Iterator[tuple[Quantity, Value]]:
    if row.size is not None:
        yield SIZE, Value(row.size.compressed_bytes, 0)
        if row.size.original_bytes:
            share = row.size.compressed_bytes / row.size.original_bytes
            yield SIZE_PER_BYTE, Value(share, 0)
    if row.memory is not None:
        yield MEMORY, memory_value(row.memory)
    if row.resident is not None:
        yield RESIDENT, Value(row.resident.connection_bytes, None)
    for decode in (False, True):
        for time in row.time:
            value = time_value(time, decode=decode)
            if reference != results.reference:
                base = results.row(reference)
                of_base = base.time_at(time.connections) if base else None
                # No time at all: only in a record that was made by hand.
                if of_base is None or time_value(of_base, decode=decode).value <= -1:
                    continue
                value = rebased(value, time_value(of_base, decode=decode))
                if row.settings == reference:
                    value = Value(0, 0)
            yield time_quantity(time.connections, reference, decode=decode), value
    if row.live is not None:
        yield from _live_values(row.live)


def _live_values(live: Live) -> Iterator[tuple[Quantity, Value]]:
    for name, (title, unit, portable) in _LIVE.items():
        value = getattr(live, name)
        if value is not None:
            quantity = Quantity(name=name, title=title, unit=unit, portable=portable)
            yield quantity, Value(value, None)
    if live.round_trip_ns is not None:
        for name in ("p50", "p99"):
            title = f"Round trip, {name}"
            quantity = Quantity(
                name=f"round_trip_ns_{name}", title=title, unit="ns", portable=False
            )
            yield quantity, Value(getattr(live.round_trip_ns, name), None)

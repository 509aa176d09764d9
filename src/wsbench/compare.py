"""Records side by side: the values of each, and how they differ from those of the first one."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from wsbench.buffers_quantities import buffers_values
from wsbench.environment import Environment
from wsbench.errors import ResultsError
from wsbench.quantities import (
    PROCESSOR,
    SIZE,
    SIZE_PER_BYTE,
    Change,
    Difference,
    Quantity,
    Unit,
    Value,
    change,
    differ_in,
    differences,
    refusing_impossible,
    require_possible,
    values,
)
from wsbench.results import CorpusSummary, Results
from wsbench.settings import DeflateSettings

SCHEMA: Literal["wsbench.comparison/1"] = "wsbench.comparison/1"

_Values = Mapping[Quantity, Mapping[str, Value]]


class ComparedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that is compared, and the file it is in.

    Times are compared with the reference of the first record. One that `lacks_reference` has times,
    but not of these settings with as many connections, so that they cannot be.
    """

    label: str
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    wsbench: str
    commit: str | None
    corpus: CorpusSummary
    environment: Environment
    reference: DeflateSettings
    lacks_reference: bool
    partial: bool
    warnings: tuple[str, ...]


class ComparedRow(msgspec.Struct, frozen=True, kw_only=True):
    """The value that each record has for some settings, and how it differs from the first one's.

    `settings` are `12/5`, `off` or `browser`; of buffers, what was measured. None is a value that
    was not measured, and a change that cannot be told: the first one's, one without values, or that
    of times on different processors.
    """

    settings: str
    values: tuple[Value | None, ...]
    changes: tuple[Change | None, ...]


class ComparedQuantity(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity that some record has values of; its fields are those of `Quantity`."""

    name: str
    title: str
    unit: Unit
    connections: int | None
    portable: bool
    rows: tuple[ComparedRow, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Some records, of which the first is what the others are compared with.

    `differences` are those of their environments, `conditions` what else differs in how they were
    measured; each has a value a record, None if it does not say. Sizes are compressed bytes if all
    have the `same_messages`, else compressed bytes for a byte of the messages.
    """

    records: tuple[ComparedRecord, ...]
    same_messages: bool
    differences: tuple[Difference, ...]
    conditions: tuple[Difference, ...]
    quantities: tuple[ComparedQuantity, ...]


class Comparisons(msgspec.Struct, frozen=True, kw_only=True):
    """What `wsbench compare --format json` prints."""

    schema: Literal["wsbench.comparison/1"]
    comparisons: tuple[Comparison, ...]


# A file: how it is called, and its records.
File = tuple[str, Sequence[Results]]


class Record(NamedTuple):
    """A record, and how the file it is in is called."""

    label: str
    results: Results


def compare(files: Sequence[File]) -> list[Comparison]:
    """Compare records with those of the first file; each file is a label and its records.

    With one record in every file, these are compared. Else those are that have the same messages,
    or, failing that, messages of the same name; `left_out` tells which have no partner.

    Raises:
        ResultsError: if there is nothing to compare, or a record holds what cannot be.
    """
    matched = _matched(files)
    if not matched:
        raise ResultsError(_nothing(files))
    return [_comparison(records) for records in matched]


def left_out(files: Sequence[File]) -> list[Record]:
    """The records that `compare` finds no partner for.

    Raises:
        ResultsError: if a record holds what cannot be compared.
    """
    taken = {id(record.results) for records in _matched(files) for record in records}
    return [
        Record(label, results)
        for label, records in files
        for results in records
        if id(results) not in taken
    ]


def kind(results: Results) -> str:
    """What a record is of, in words."""
    if results.buffers is not None:
        return "buffers"
    return "a sweep" if results.live is None else "live connections"


def _matched(files: Sequence[File]) -> list[list[Record]]:
    """The records that belong together, each list with one of the first file at its head."""
    if len(files) < 2:
        raise ResultsError("there is nothing to compare with; name two files or more")
    base, *others = files
    by = [_anything] if all(len(records) == 1 for _, records in files) else _BY
    partners = [_partners(base, other, by) for other in others]
    matched = []
    for number, results in enumerate(base[1]):
        found = [of_file[number] for of_file in partners if number in of_file]
        if found:
            matched.append([Record(base[0], results), *found])
    return matched


def _partners(
    base: File, other: File, by: Iterable[Callable[[Results], Hashable]]
) -> dict[int, Record]:
    """The partners that records of a file have in another, by their number in the first."""
    bases = [Record(base[0], results) for results in base[1]]
    free = [Record(other[0], results) for results in other[1]]
    partners: dict[int, Record] = {}
    for key in by:
        for number, record in enumerate(bases):
            if number in partners:
                continue
            wanted = key(record.results)
            for place, candidate in enumerate(free):
                if key(candidate.results) == wanted and _share(record, candidate):
                    partners[number] = free.pop(place)
                    break
    return partners


def _anything(_: Results) -> Hashable:
    return None


# What partners have in common, the closest first: a file may hold records of one corpus that
# different commands made.
_BY: Sequence[Callable[[Results], Hashable]] = [
    lambda results: (results.corpus.sha256, results.corpus.name, kind(results)),
    lambda results: (results.corpus.sha256, kind(results)),
    lambda results: results.corpus.sha256,
    lambda results: (results.corpus.name, kind(results)),
    lambda results: results.corpus.name,
]


def _share(one: Record, other: Record) -> bool:
    """Whether they have values of the same quantity."""
    reference = one.results.reference
    return not _values(one, reference).keys().isdisjoint(_values(other, reference))


def _nothing(files: Sequence[File]) -> str:
    """Why none of the records can be compared, and what can be."""
    for label, records in files:
        if not any(_values(Record(label, item), item.reference) for item in records):
            return f"{label}: holds nothing that was measured; give a file made by --save"
    (base, bases), (other, others) = files[:2]
    if len(bases) > 1 or len(others) > 1:
        return (
            f"{other}: none of its records has a corpus and a quantity in common with one of "
            f"{base}; compare records of the same corpora"
        )
    return (
        f"{other}: of {kind(others[0])}, has no quantity in common with {base}, of "
        f"{kind(bases[0])}; compare records of the same command"
    )


def _comparison(records: Sequence[Record]) -> Comparison:
    reference = records[0].results.reference
    same_messages = len({record.results.corpus.sha256 for record in records}) == 1
    compared = tuple(_record(record, reference) for record in records)
    of_each = [_values(record, reference) for record in records]
    other_size = SIZE_PER_BYTE if same_messages else SIZE
    quantities = dict.fromkeys(quantity for of_one in of_each for quantity in of_one)
    quantities.pop(other_size, None)
    return Comparison(
        records=compared,
        same_messages=same_messages,
        differences=tuple(differences([record.environment for record in compared])),
        conditions=tuple(_conditions([record.results for record in records])),
        quantities=tuple(
            _quantity(
                quantity,
                [of_one.get(quantity, {}) for of_one in of_each],
                [_same_processor(compared[0], record) for record in compared],
            )
            for quantity in quantities
        ),
    )


def _record(record: Record, reference: DeflateSettings) -> ComparedRecord:
    results = record.results
    row = results.row(reference)
    lacks_reference = reference != results.reference and any(
        row is None or row.time_at(connections) is None
        for connections in results.timed_connections()
    )
    return ComparedRecord(
        label=record.label,
        created=results.created,
        wsbench=results.wsbench,
        commit=results.commit,
        corpus=results.corpus,
        environment=results.environment,
        reference=results.reference,
        lacks_reference=lacks_reference,
        partial=results.partial,
        warnings=results.warnings,
    )


def _same_processor(one: ComparedRecord, other: ComparedRecord) -> bool:
    """Whether two records say the same of the processor."""
    return not differ_in(differences([one.environment, other.environment]), PROCESSOR)


def _quantity(
    quantity: Quantity,
    of_each: Sequence[Mapping[str, Value]],
    on_same_processor: Sequence[bool],
) -> ComparedQuantity:
    rows = []
    for settings in dict.fromkeys(label for of_one in of_each for label in of_one):
        of_row = tuple(of_one.get(settings) for of_one in of_each)
        base = of_row[0]
        changes: list[Change | None] = [None]
        for value, same in zip(of_row[1:], on_same_processor[1:], strict=True):
            known = base is not None and value is not None and (quantity.portable or same)
            changes.append(_change(quantity, base, value, same) if known else None)
        rows.append(ComparedRow(settings=settings, values=of_row, changes=tuple(changes)))
    return ComparedQuantity(
        name=quantity.name,
        title=quantity.title,
        unit=quantity.unit,
        connections=quantity.connections,
        portable=quantity.portable,
        rows=tuple(rows),
    )


def _change(
    quantity: Quantity, before: Value | None, after: Value | None, same_processor: bool
) -> Change:
    assert before is not None and after is not None
    if quantity.unit != "ratio":
        return change(before, after)
    # What is a share of the reference's time already has no share itself.
    return replace(change(before, after, comparable=same_processor), relative=None)


def _values(record: Record, reference: DeflateSettings) -> _Values:
    """All that a record holds, times compared with this reference's."""
    results = record.results
    with refusing_impossible(record.label):
        found = values(results, reference)
        if results.buffers is not None:
            found |= buffers_values(results.buffers)
        require_possible(value for of_one in found.values() for value in of_one.values())
    return found


def _conditions(records: Sequence[Results]) -> Iterator[Difference]:
    """In what differs how they were measured, apart from the environment."""
    of_each = [{field: (title, value) for field, title, value in _said(item)} for item in records]
    titles = {field: title for said in of_each for field, (title, _) in said.items()}
    for field, title in titles.items():
        # What does not concern a record is no difference: only a server has a number of messages.
        if len({said[field] for said in of_each if field in said}) > 1:
            yield Difference(
                field, title, tuple(said[field][1] if field in said else None for said in of_each)
            )


def _said(results: Results) -> Iterator[tuple[str, str, str | int | None]]:
    """What a record says of how it was measured: name, title and value."""
    for timing in results.timing:
        at = f"at {timing.connections:,} connections"
        yield f"traffic_{timing.connections}", f"traffic {at}", timing.traffic
    resident = next((row.resident for row in results.rows if row.resident), None)
    if resident is not None:
        yield "resident.kind", "resident memory as", resident.kind.upper()
        yield "resident.connections", "resident memory of connections", resident.connections
        yield "resident.messages", "resident memory after messages", resident.messages
    if results.live is not None:
        live = results.live
        yield "live.server", "server", live.server
        yield "live.implementation", "websockets' implementation", live.implementation
        yield "live.tls", "TLS", _yes(live.tls)
        yield "live.connections", "connections", live.connections
        yield "live.messages", "messages on each", live.messages
        yield "live.in_flight", "messages in flight", live.in_flight
        yield "live.processes", "client processes", live.processes
        kind = live.resident and live.resident.upper()
        yield "live.resident", "resident memory as", kind
        for row in results.rows:
            if row.live is not None:
                title = f"negotiated for {row.label}"
                yield f"live.negotiated.{row.label}", title, row.live.negotiated or "nothing"
    if results.buffers is not None:
        buffers = results.buffers
        yield "buffers.implementation", "websockets' implementation", buffers.implementation
        yield "buffers.tls", "TLS", _yes(buffers.tls)
        size_bytes = buffers.receive_buffer_bytes
        yield "buffers.receive_buffer_bytes", "receive buffer in bytes", size_bytes
        yield "buffers.read_bytes", "bytes read at once", buffers.read_bytes


def _yes(value: bool) -> str:
    return "yes" if value else "no"

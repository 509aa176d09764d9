"""History: how quantities went over the records of a corpus, and between which of them they moved.

A quantity moved where it changed by more than it does when the same is measured again:

- compressed size, for a byte of the messages: by more than a check allows; it is exact;
- allocated memory: by more than a check allows where the software is another;
- a time vs. the reference: by two points, and by twice the margin of the change; on another
  processor by what a check allows for that;
- resident memory: by 5 %;
- absolute times, on the same processor alone: by 20 %, and by half where they are not those of the
  processor but depend on how clients and a server take turns.

A value is compared with the one before it and, so that many small steps are found too, with the
first one since the quantity last moved. Each of the two is looked for on the same processor as
well: where processors take turns, as in CI, the record before says little of a time.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

from wsbench.environment import Environment
from wsbench.judge import OTHER_PROCESSOR, OTHER_SOFTWARE, Limits, MemoryLimit
from wsbench.quantities import (
    MEMORY,
    PROCESSOR,
    SIZE,
    SIZE_PER_BYTE,
    Difference,
    Quantity,
    Value,
    change,
    differences,
    refusing_impossible,
    require_possible,
    values,
)
from wsbench.results import CorpusSummary, LiveSummary, Results, Row
from wsbench.settings import DeflateSettings, in_table_order

Kind = Literal["sweep", "live"]

# What a check allows, of itself.
SIZE_SHARE = Limits().max_size_increase
# Less is of no use to anybody, and where code and data happen to lie in memory moves the times of
# a process by as much as its interval is wide, or more.
LEAST_POINTS = 0.02
# A history makes hundreds of comparisons. By one margin, every twentieth would find a move where
# there is none; by two, which is what a check asks of an increase, one of 16,000.
MARGINS = 2.0
# Resident memory comes in pages, from an allocator that may have room in those it holds.
RESIDENT = MemoryLimit(1024, 0.05)
# Of the larger of the two values. What else runs on a machine, and how fast its processor is let
# run, moves absolute times: of the server in results/, measured twice within a minute, CPU time by
# 12 %. Where clients and a server wait for each other, it is much more: round trips by 47 %, the
# connections opened a second by 21 %.
ABSOLUTE_SHARE = 0.2
PACE_SHARE = 0.5

# What a server that was not started by wsbench is called: every time anew, by its process id.
_RUNNING = re.compile("process [0-9]+")

# Absolute times that a processor spends; the others are spent waiting, too.
PROCESSOR_TIMES = ("encode_ns_per_message", "decode_ns_per_message", "cpu_ns_per_message")

# What tells processors apart.
_Processor = tuple[object, ...]


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """That a quantity moved between the record at `since` and the one at `index`.

    `since` is the record before, or an earlier one if the steps from it were too small, or too
    little was known of those between. `before` and `after` are the two values, `from` and `to` in
    JSON, `change` is by how much they differ, in the quantity's unit, and `relative` the same as a
    share of the first, None if that is 0. `commit` is that of the later record; `differences` are
    those between the two.
    """

    index: int
    since: int
    before: float = msgspec.field(name="from")
    after: float = msgspec.field(name="to")
    change: float
    relative: float | None
    commit: str | None
    differences: tuple[Difference, ...]


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of some settings, with a value for each record, None where there is none.

    Changes of up to `limit`, in the quantity's unit, are no moves.
    """

    settings: str
    quantity: Quantity
    values: tuple[Value | None, ...]
    moves: tuple[Move, ...]
    limit: float

    @property
    def present(self) -> list[Value]:
        """The values that there are; at least one."""
        return [value for value in self.values if value is not None]


class HistoryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured when, the file it was read from, and how it differs from the one before.

    Where the messages changed, `corpus` is the field of one of the `differences`.
    """

    file: str
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    commit: str | None
    wsbench: str
    partial: bool
    environment: Environment
    corpus: CorpusSummary
    live: LiveSummary | None
    differences: tuple[Difference, ...]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The records of one corpus, oldest first, and a series for all that they hold.

    Those of live connections are of one `server`. Times are compared with the `reference` of the
    newest record. What is so by definition has no series: that the reference takes as long as
    itself, and that messages keep all their bytes without compression. Of the reference alone there
    are absolute times, since no ratio tells when it becomes slower itself.
    """

    corpus: str
    kind: Kind
    server: str | None
    reference: DeflateSettings
    records: tuple[HistoryRecord, ...]
    series: tuple[Series, ...]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """All groups, by the name of the corpus, sweeps before live connections."""

    schema: Literal["wsbench.history/1"] = "wsbench.history/1"
    groups: tuple[Group, ...]

    @property
    def settings(self) -> list[str]:
        """All settings that there is a series of."""
        return list(dict.fromkeys(item.settings for group in self.groups for item in group.series))

    def only(self, is_wanted: Callable[[Series], bool]) -> "History":
        """The same with some of the series."""
        return History(
            groups=tuple(
                msgspec.structs.replace(group, series=tuple(filter(is_wanted, group.series)))
                for group in self.groups
            )
        )


def history(files: Sequence[tuple[str, Sequence[Results]]]) -> History:
    """The history of the records of some files, each a name and what it holds.

    A record that stands in several files counts once. Those of buffers have no settings to follow,
    and are left out.

    Raises:
        ResultsError: if a record holds a number that cannot have been measured.
    """
    names: dict[Results, str] = {}
    for name, records in files:
        for results in records:
            if results.buffers is None:
                with refusing_impossible(name):
                    require_possible(of for _, _, of in _values(results, results.reference))
                names.setdefault(results, name)
    grouped: dict[tuple[str, bool, str], list[Results]] = {}
    for results in sorted(names, key=lambda results: results.created):
        key = (results.corpus.name, results.live is not None, _server(results.live) or "")
        grouped.setdefault(key, []).append(results)
    return History(groups=tuple(_group(grouped[key], names) for key in sorted(grouped)))


def _server(live: LiveSummary | None) -> str | None:
    """What was measured live: `wsbench serve, asyncio, over TLS`."""
    if live is None:
        return None
    name = "a running process" if _RUNNING.fullmatch(live.server) else live.server
    implementation = f", {live.implementation}" if live.implementation else ""
    return f"{name}{implementation}{', over TLS' if live.tls else ''}"


def _group(records: list[Results], names: dict[Results, str]) -> Group:
    newest = records[-1]
    return Group(
        corpus=newest.corpus.name,
        kind="live" if newest.live else "sweep",
        server=_server(newest.live),
        reference=newest.reference,
        records=tuple(
            HistoryRecord(
                file=names[results],
                created=results.created,
                commit=results.commit,
                wsbench=results.wsbench,
                partial=results.partial,
                environment=results.environment,
                corpus=results.corpus,
                live=results.live,
                differences=_differences(records[max(0, index - 1)], results),
            )
            for index, results in enumerate(records)
        ),
        series=tuple(_all_series(records, newest.reference)),
    )


def _all_series(records: list[Results], reference: DeflateSettings) -> Iterator[Series]:
    """All series, by quantity, then by settings, both in the order in which reports have them."""
    measured: dict[tuple[Quantity, str], list[Value | None]] = {}
    for index, results in enumerate(records):
        for quantity, label, value in _values(results, reference):
            of_records = measured.setdefault((quantity, label), [None] * len(records))
            of_records[index] = value
    labels = _labels(records)
    names = list(dict.fromkeys(quantity.name for quantity, _ in measured))

    def place(key: tuple[Quantity, str]) -> tuple[int, int, int]:
        quantity, label = key
        return names.index(quantity.name), quantity.connections or 0, labels.index(label)

    for quantity, label in sorted(measured, key=place):
        yield _Track(records, label, quantity, measured[quantity, label]).series()


def _labels(records: list[Results]) -> list[str]:
    """The labels of all settings, in table order."""
    rows = [row for results in records for row in results.rows]
    deflate = in_table_order(row.deflate for row in rows if row.deflate)
    return [*map(str, deflate), *sorted({row.label for row in rows if row.deflate is None})]


def _values(results: Results, reference: DeflateSettings) -> Iterator[tuple[Quantity, str, Value]]:
    """What a record holds that can move."""
    for quantity, of_settings in values(results, reference).items():
        for label, value in of_settings.items():
            by_definition = (
                # Of other messages, only bytes for a byte can be compared.
                quantity == SIZE
                or (quantity == SIZE_PER_BYTE and label == "off")
                or (quantity.unit == "ratio" and label == str(reference))
            )
            if not by_definition:
                yield quantity, label, value
    row = results.row(reference)
    for time in row.time if row else ():
        for quantity in _absolute_times(time.connections):
            yield quantity, str(reference), Value(getattr(time, quantity.name), None)


def _absolute_times(connections: int) -> Iterator[Quantity]:
    """What a message takes, by the names that a record has for it."""
    at = f", at {connections:,} connections" if connections > 1 else ""
    for what, title in (("encode", "Time a message"), ("decode", "Decode a message")):
        yield Quantity(
            name=f"{what}_ns_per_message",
            title=f"{title}{at}",
            unit="ns",
            connections=connections,
            portable=False,
        )


class _Track(NamedTuple):
    """A quantity of some settings over records; None where one has no value."""

    records: list[Results]
    label: str
    quantity: Quantity
    values: list[Value | None]

    def series(self) -> Series:
        moves = tuple(self._moves())
        # Neighbours that differ by more moved, and whatever moved did so by more.
        known = [index for index, value in enumerate(self.values) if value is not None]
        pairs = [(known[0], known[0]), *itertools.pairwise(known)]
        limits = [limit for pair in pairs if (limit := self._limit(*pair)) is not None]
        return Series(
            settings=self.label,
            quantity=self.quantity,
            values=tuple(self.values),
            moves=moves,
            limit=min([max(limits), *(abs(move.change) for move in moves)]),
        )

    def _moves(self) -> Iterator[Move]:
        # The first and the last record since the quantity last moved, on each processor.
        firsts: dict[_Processor, int] = {}
        lasts: dict[_Processor, int] = {}
        before: int | None = None
        for index, value in enumerate(self.values):
            if value is None:
                continue
            processor = _processor(self.records[index])
            candidates = (
                before,
                lasts.get(processor),
                next(iter(firsts.values()), None),
                firsts.get(processor),
            )
            for since in candidates:
                if since is not None and (move := self._move(since, index)):
                    yield move
                    firsts.clear()
                    lasts.clear()
                    break
            firsts.setdefault(processor, index)
            lasts[processor] = before = index

    def _move(self, since: int, index: int) -> Move | None:
        """The move between two records with values, if there is one."""
        before, after = self._pair(since, index)
        limit = self._limit(since, index)
        changed = change(before, after)
        if limit is None or abs(changed.change) <= limit:
            return None
        earlier, later = self.records[since], self.records[index]
        return Move(
            index=index,
            since=since,
            before=before.value,
            after=after.value,
            change=changed.change,
            relative=changed.relative,
            commit=later.commit,
            differences=(
                *_negotiated(self.label, earlier, later),
                *_differences(earlier, later),
            ),
        )

    def _limit(self, since: int, index: int) -> float | None:
        """How much may lie between two records without a move; None if that cannot be told."""
        before, after = self._pair(since, index)
        unit = self.quantity.unit
        same_processor = _processor(self.records[since]) == _processor(self.records[index])
        if not (self.quantity.portable or same_processor):
            return None
        if unit == "share":
            return SIZE_SHARE * before.value
        if unit == "bytes":
            limit = OTHER_SOFTWARE if self.quantity == MEMORY else RESIDENT
            return limit.allowed_bytes(abs(before.value))
        if unit == "ratio":
            least = 0.0 if same_processor else OTHER_PROCESSOR * (1 + before.value)
            return max(least, LEAST_POINTS, MARGINS * (change(before, after).margin or 0))
        share = ABSOLUTE_SHARE if self.quantity.name in PROCESSOR_TIMES else PACE_SHARE
        return share * max(before.value, after.value)

    def _pair(self, since: int, index: int) -> tuple[Value, Value]:
        before, after = self.values[since], self.values[index]
        assert before is not None and after is not None
        return before, after


def _differences(before: Results, after: Results) -> tuple[Difference, ...]:
    """What differs between two records beside the values: conditions, then the environment."""
    conditions = _conditions(after)
    found = []
    for field, (title, value) in _conditions(before).items():
        _, other = conditions.get(field, (title, None))
        # What one of them does not say need not be different.
        if value is not None and other is not None and value != other:
            found.append(Difference(field, title, (value, other)))
    return (*found, *differences([before.environment, after.environment]))


def _conditions(results: Results) -> dict[str, tuple[str, str | int | None]]:
    """What values depend on beside the environment: titles and values."""
    traffic = next((timing.traffic for timing in results.timing if timing.traffic), None)
    kind = next((row.resident.kind for row in results.rows if row.resident), None)
    conditions: dict[str, tuple[str, str | int | None]] = {
        "corpus": ("messages", results.corpus.sha256),
        "traffic": ("traffic", traffic),
        "resident": ("resident memory as", kind),
    }
    if results.live is not None:
        conditions |= {
            "server": ("server", results.live.server),
            "connections": ("connections", results.live.connections),
            "messages": ("messages a connection", results.live.messages),
            "in_flight": ("messages in flight", results.live.in_flight),
            "processes": ("client processes", results.live.processes),
            "resident": ("resident memory as", results.live.resident),
        }
    return conditions | {"wsbench": ("wsbench", results.wsbench)}


def _negotiated(label: str, before: Results, after: Results) -> Iterator[Difference]:
    """That the server answered the same offer otherwise, if it did."""

    def answer(results: Results) -> str | None:
        rows: Iterator[Row] = (row for row in results.rows if row.label == label)
        return next((row.live.negotiated or "nothing" for row in rows if row.live), None)

    answers = (answer(before), answer(after))
    if None not in answers and answers[0] != answers[1]:
        yield Difference("negotiated", "parameters negotiated", answers)


def _processor(results: Results) -> _Processor:
    """What tells processors apart."""
    return tuple(getattr(results.environment, field) for field in PROCESSOR)

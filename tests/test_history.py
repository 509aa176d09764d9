"""Histories of records made by hand, with moves that were worked out by hand."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from wsbench.errors import ResultsError
from wsbench.history import Group, Series, history
from wsbench.results import Results, Row, Size, load_results
from wsbench.settings import BROWSER, DeflateSettings

ROOT = Path(__file__).parent.parent

Change = Callable[[Row], Row]


def day(results: Results, number: int, **changes: object) -> Results:
    """The record as if it had been made so many days later, at a commit of its own."""
    changes.setdefault("commit", f"c{number}")
    return replace(results, created=results.created + timedelta(days=number), **changes)


def with_row(results: Results, label: str, change: Change) -> Results:
    """The record with one row changed."""
    rows = tuple(change(row) if row.label == label else row for row in results.rows)
    return replace(results, rows=rows)


def compressed(size_bytes: int) -> Change:
    def change(row: Row) -> Row:
        assert row.size is not None
        return replace(row, size=replace(row.size, compressed_bytes=size_bytes))

    return change


def allocated(size_bytes: int) -> Change:
    def change(row: Row) -> Row:
        assert row.memory is not None
        return replace(row, memory=replace(row.memory, connection_bytes=size_bytes))

    return change


def timed(ratio: float, margin: float = 0.004) -> Change:
    """Encoding on one connection, vs. the reference."""

    def change(row: Row) -> Row:
        time = replace(row.time[0], vs_reference=ratio, ci95=(ratio - margin, ratio + margin))
        return replace(row, time=(time, *row.time[1:]))

    return change


def taking(time_ns: float) -> Change:
    """What encoding a message takes on one connection."""
    return lambda row: replace(
        row, time=(replace(row.time[0], encode_ns_per_message=time_ns), *row.time[1:])
    )


def live(**fields: object) -> Change:
    def change(row: Row) -> Row:
        assert row.live is not None
        return replace(row, live=replace(row.live, **fields))

    return change


def on(results: Results, **fields: object) -> Results:
    """The record with some of its environment changed."""
    return replace(results, environment=replace(results.environment, **fields))


def group_of(records: Sequence[Results]) -> Group:
    (group,) = history([("records.json", records)]).groups
    return group


def series_of(
    records: Sequence[Results], name: str, settings: str, connections: int | None = None
) -> Series:
    (series,) = (
        series
        for series in group_of(records).series
        if (series.quantity.name, series.settings, series.quantity.connections)
        == (name, settings, connections)
    )
    return series


def moved_at(
    results: Results, name: str, settings: str, changes: Sequence[Change], connections: int | None
) -> list[int]:
    """Where a quantity moved over records whose row was changed so, one after another."""
    records = [
        day(with_row(results, settings, change), number) for number, change in enumerate(changes)
    ]
    return [move.index for move in series_of(records, name, settings, connections).moves]


def test_a_size_moves_by_more_than_half_a_percent(results: Results) -> None:
    # 0.5 % of 1,300 bytes are 6.5.
    def moves(*sizes: int) -> list[int]:
        return moved_at(results, "size_per_byte", "12/5", [*map(compressed, sizes)], None)

    assert moves(1300, 1306, 1294) == [2]
    assert moves(1300, 1306, 1300) == []
    assert moves(1300, 1300, 1307, 1307, 1300) == [2, 4]


def test_a_move_tells_all_that_is_known_of_it(results: Results) -> None:
    newer = with_row(on(results, websockets="18.0"), "12/5", compressed(1430))
    series = series_of([day(results, 0), day(results, 1), day(newer, 2)], "size_per_byte", "12/5")
    assert [value and value.value for value in series.values] == [0.13, 0.13, 0.143]
    (move,) = series.moves
    assert (move.since, move.index, move.commit) == (1, 2, "c2")
    assert (move.before, move.after) == (0.13, 0.143)
    assert (move.change, move.relative) == pytest.approx((0.013, 0.1))
    assert [(item.field, item.values) for item in move.differences] == [
        ("websockets", ("17.4", "18.0"))
    ]


def test_small_steps_are_found_where_they_add_up(results: Results) -> None:
    # 4 of 1,300 bytes are 0.3 %; two such steps are more than half a percent.
    steps = [compressed(1300 + 4 * step) for step in range(11)]
    records = [day(with_row(results, "12/5", step), place) for place, step in enumerate(steps)]
    moves = series_of(records, "size_per_byte", "12/5").moves
    places = [(move.since, move.index) for move in moves]
    assert places == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]


@given(st.lists(st.integers(900, 1100), min_size=1, max_size=12))
def test_between_moves_nothing_is_far_from_where_they_led(sizes: list[int]) -> None:
    record = load_results(ROOT / "results" / "chat.json")
    records = []
    for number, size_bytes in enumerate(sizes):
        size = Size(original_bytes=10_000, compressed_bytes=size_bytes, wire_bytes=size_bytes)
        row = Row(settings=record.reference, size=size)
        records.append(day(replace(record, rows=(row,), timing=()), number))
    moves = {move.index: move for move in series_of(records, "size_per_byte", "12/5").moves}
    level = before = sizes[0]
    for number, size_bytes in enumerate(sizes):
        far = abs(size_bytes - level) > 0.005 * level or abs(size_bytes - before) > 0.005 * before
        assert far == (number in moves)
        before = size_bytes
        if far:
            level = size_bytes


def test_other_messages_are_compared_by_the_byte(results: Results) -> None:
    def of_twice_as_many(size_bytes: int) -> Results:
        size = Size(original_bytes=20_000, compressed_bytes=size_bytes, wire_bytes=size_bytes)
        other = with_row(results, "12/5", lambda row: replace(row, size=size))
        return day(replace(other, corpus=replace(results.corpus, sha256="1" * 64)), 1)

    records = [day(results, 0), of_twice_as_many(2_600)]
    assert series_of(records, "size_per_byte", "12/5").moves == ()
    first, second = group_of(records).records
    assert first.differences == ()
    assert [(item.field, item.title) for item in second.differences] == [("corpus", "messages")]

    records = [day(results, 0), of_twice_as_many(2_700)]
    (move,) = series_of(records, "size_per_byte", "12/5").moves
    assert [item.field for item in move.differences] == ["corpus"]


def test_allocated_memory_moves_by_a_kib_and_a_percent(results: Results) -> None:
    def moves(settings: str, *sizes: int) -> list[int]:
        return moved_at(results, "memory", settings, [*map(allocated, sizes)], None)

    # A percent of 200,000 bytes is more than a KiB, one of 20,000 is less.
    assert moves("12/5", 200_000, 201_999, 200_000) == []
    assert moves("12/5", 200_000, 202_001, 200_000) == [1]
    assert moves("12/5", 200_000, 202_001, 199_000) == [1, 2]
    assert moves("off", 20_000, 21_024, 20_000) == []
    assert moves("off", 20_000, 21_025) == [1]


def test_a_time_moves_by_two_points_and_two_margins(results: Results) -> None:
    def moves(*changes: Change) -> list[int]:
        return moved_at(results, "time", "15/8", changes, 1)

    assert moves(timed(-0.06), timed(-0.041), timed(-0.06)) == []
    assert moves(timed(-0.06), timed(-0.039), timed(-0.06)) == [1, 2]
    # The margin of a difference is that of one value times the square root of 2.
    assert moves(timed(-0.06, 0.04), timed(0.05, 0.04)) == []
    assert moves(timed(-0.06, 0.04), timed(0.06, 0.04)) == [1]


def test_a_time_on_another_processor_moves_by_a_fifth(results: Results) -> None:
    other = on(results, cpu="Other CPU")

    def moves(ratio: float) -> int:
        records = [day(results, 0), day(with_row(other, "15/8", timed(ratio)), 1)]
        return len(series_of(records, "time", "15/8", 1).moves)

    # A fifth of 1 - 0.06 is 0.188.
    assert moves(-0.06 + 0.187) == 0
    assert moves(-0.06 + 0.189) == 1


def test_processors_that_take_turns_do_not_hide_a_move(results: Results) -> None:
    other = on(results, cpu="Other CPU")
    pairs = [(results, 0.0), (other, 0.1), (results, 0.05), (other, 0.15), (results, 0.05)]
    records = [
        day(with_row(of_processor, "15/8", timed(ratio)), number)
        for number, (of_processor, ratio) in enumerate(pairs)
    ]
    # Once: that the other processor has the same move later is no other one.
    (move,) = series_of(records, "time", "15/8", 1).moves
    assert (move.since, move.index) == (0, 2)


@pytest.mark.parametrize(
    ("processors", "sizes", "since"),
    [
        # From the record before; from the first one is only 0.1 %.
        ("AAB", (1300, 1306, 1299), 1),
        # From the first one; from the record before is only 0.3 %.
        ("ABC", (1300, 1304, 1308), 0),
    ],
)
def test_sizes_do_not_depend_on_processors(
    results: Results, processors: str, sizes: tuple[int, ...], since: int
) -> None:
    records = [
        day(on(with_row(results, "12/5", compressed(size)), cpu=cpu), number)
        for number, (cpu, size) in enumerate(zip(processors, sizes, strict=True))
    ]
    (move,) = series_of(records, "size_per_byte", "12/5").moves
    assert (move.since, move.index) == (since, 2)


def test_a_time_is_compared_with_the_last_one_on_its_processor(results: Results) -> None:
    ratios = [("A", 0.0), ("A", 0.019), ("B", 0.1), ("A", -0.002)]
    records = [
        day(on(with_row(results, "15/8", timed(ratio)), cpu=cpu), number)
        for number, (cpu, ratio) in enumerate(ratios)
    ]
    (move,) = series_of(records, "time", "15/8", 1).moves
    assert (move.since, move.index) == (1, 3)


def test_absolute_times_are_the_reference_s_and_the_processor_s(results: Results) -> None:
    def moves(*records: Results) -> list[int]:
        days = [day(record, number) for number, record in enumerate(records)]
        found = series_of(days, "encode_ns_per_message", "12/5", 1)
        return [move.index for move in found.moves]

    # 20 % of the larger.
    slower = with_row(results, "12/5", taking(6_700))
    much_slower = with_row(results, "12/5", taking(7_000))
    assert moves(with_row(results, "12/5", taking(5_400)), slower) == []
    assert moves(with_row(results, "12/5", taking(5_400)), much_slower) == [1]
    assert moves(with_row(results, "12/5", taking(5_400)), on(much_slower, cpu="Other")) == []
    of_others = [series for series in group_of([results]).series if series.settings == "15/8"]
    names = {series.quantity.name for series in of_others}
    assert names == {"size_per_byte", "memory", "time", "decode"}


def test_what_is_so_by_definition_has_no_series(results: Results) -> None:
    found = {(series.quantity.name, series.settings) for series in group_of([results]).series}
    assert ("time", "12/5") not in found
    assert ("decode", "12/5") not in found
    assert ("size_per_byte", "off") not in found
    assert ("memory", "off") in found
    assert "size" not in {name for name, _ in found}


def test_times_are_compared_with_the_newest_record_s_reference(results: Results) -> None:
    newest = replace(results, reference=DeflateSettings(15, 8))
    records = [day(results, 0), day(newest, 1)]
    assert str(group_of(records).reference) == "15/8"
    values = series_of(records, "time", "9/2", 1).values
    # The older record has 9/2 at 1.06 and 15/8 at 0.94 of its own reference.
    assert values[0] is not None
    assert values[0].value == pytest.approx(1.06 / 0.94 - 1)
    assert values[1] is not None
    assert values[1].value == pytest.approx(0.06)


def test_a_record_may_lack_what_others_have(results: Results) -> None:
    lacking = replace(results, rows=results.rows[:3], partial=True)
    grown = with_row(results, "12/5", compressed(1400))
    records = [day(results, 0), day(lacking, 1), day(grown, 2)]
    series = series_of(records, "size_per_byte", "12/5")
    assert [value and value.value for value in series.values] == [0.13, None, 0.14]
    assert [(move.since, move.index) for move in series.moves] == [(0, 2)]
    assert [record.partial for record in group_of(records).records] == [False, True, False]


def test_one_record_has_no_moves(results: Results) -> None:
    assert not any(series.moves for series in group_of([results]).series)
    assert history([]).groups == ()


def test_records_are_grouped_by_corpus_and_kind_and_ordered_by_time(
    results: Results, live_results: Results
) -> None:
    other = replace(results, corpus=replace(results.corpus, name="Other"))
    found = history(
        [("b.json", [day(results, 2), live_results]), ("a.json", [day(results, 1), other])]
    )
    assert [
        (group.corpus, group.kind, [record.file for record in group.records])
        for group in found.groups
    ] == [
        ("Other", "sweep", ["a.json"]),
        ("commits", "sweep", ["a.json", "b.json"]),
        ("commits", "live", ["b.json"]),
    ]


def test_a_record_that_stands_in_two_files_counts_once(results: Results) -> None:
    files = [("a.json", [results]), ("baseline.json", [day(results, 1), replace(results)])]
    (group,) = history(files).groups
    assert [record.file for record in group.records] == ["a.json", "baseline.json"]


def test_records_of_buffers_are_left_out(results: Results) -> None:
    assert history([("b.json", [load_results(ROOT / "results" / "buffers.json")])]).groups == ()


def test_live_connections_are_grouped_by_server(live_results: Results) -> None:
    assert live_results.live is not None

    def served(number: int, **changes: object) -> Results:
        return day(replace(live_results, live=replace(live_results.live, **changes)), number)

    records = [
        served(0),
        served(1, tls=False),
        served(2, server="node server.js", implementation=None),
        served(3, server="process 12", implementation=None),
        served(4, server="process 345", implementation=None),
    ]
    groups = history([("live.json", records)]).groups
    assert [(group.server, len(group.records)) for group in groups] == [
        ("a running process, over TLS", 2),
        ("node server.js, over TLS", 1),
        ("wsbench serve, asyncio", 1),
        ("wsbench serve, asyncio, over TLS", 1),
    ]
    (difference,) = groups[0].records[1].differences
    assert (difference.field, difference.values) == ("server", ("process 12", "process 345"))


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        # A KiB and 5 % of 60 KiB, which are 3,072 bytes.
        ("resident_bytes", (61_440, 64_512, 61_440), []),
        ("resident_bytes", (61_440, 64_513, 64_513), [1]),
        ("kernel_bytes", (0, 1024, 0), []),
        ("kernel_bytes", (0, 1025, 1025), [1]),
        # 20 %, and half, of the larger.
        ("cpu_ns_per_message", (80_000, 99_000, 80_000), []),
        ("cpu_ns_per_message", (80_000, 101_000, 101_000), [1]),
        ("opened_per_second", (1000.0, 1900.0, 1000.0), []),
        ("opened_per_second", (1000.0, 2100.0, 2100.0), [1]),
    ],
)
def test_what_live_connections_cost_moves_by_more(
    live_results: Results, field: str, values: tuple[float, ...], expected: list[int]
) -> None:
    changes = [live(**{field: value}) for value in values]
    assert moved_at(live_results, field, "12/5", changes, None) == expected


def test_another_answer_of_the_server_is_told(live_results: Results) -> None:
    row = replace(live_results.rows[0], settings=BROWSER, memory=None)
    browser = replace(live_results, rows=(row,))
    off = with_row(browser, "browser", live(negotiated="", resident_bytes=20_000))
    (move,) = series_of([day(browser, 0), day(off, 1)], "resident_bytes", "browser").moves
    (difference,) = move.differences
    assert row.live is not None
    assert difference.field == "negotiated"
    assert difference.values == (row.live.negotiated, "nothing")


def test_other_conditions_are_told(results: Results) -> None:
    broadcast = tuple(
        replace(timing, traffic=timing.traffic and "broadcast") for timing in results.timing
    )
    newer = on(replace(results, timing=broadcast, wsbench="0.2.0"), python="3.12.1")
    _, record = group_of([day(results, 0), day(newer, 1)]).records
    assert [(item.title, *item.values) for item in record.differences] == [
        ("traffic", "independent", "broadcast"),
        ("wsbench", "0.1.0", "0.2.0"),
        ("Python", "3.11.7", "3.12.1"),
    ]


def test_what_does_not_move_has_a_limit_that_it_keeps(results: Results) -> None:
    records = [day(results, 0), day(with_row(results, "15/8", timed(-0.05)), 1)]
    assert series_of(records, "time", "15/8", 1).limit == 0.02
    assert series_of(records, "size_per_byte", "15/8").limit == pytest.approx(0.0005)


def test_no_limit_is_wider_than_a_move(results: Results) -> None:
    changes = [timed(-0.06), timed(0.0), timed(0.0, margin=0.1)]
    records = [
        day(with_row(results, "15/8", change), number) for number, change in enumerate(changes)
    ]
    series = series_of(records, "time", "15/8", 1)
    assert [move.index for move in series.moves] == [1]
    assert series.limit == pytest.approx(0.06)


@pytest.mark.parametrize("number", [2**63, 10**400])
def test_a_number_that_is_none_is_refused(results: Results, number: int) -> None:
    impossible = with_row(results, "12/5", allocated(number))
    with pytest.raises(ResultsError, match=r"^r\.json: holds a number that no measurement gives"):
        history([("r.json", [impossible])])


def test_a_corpus_of_nothing_has_no_size_but_memory(results: Results) -> None:
    rows = tuple(
        replace(row, size=Size(original_bytes=0, compressed_bytes=0, wire_bytes=2))
        for row in results.rows
    )
    names = {series.quantity.name for series in group_of([replace(results, rows=rows)]).series}
    assert "size_per_byte" not in names
    assert "memory" in names


def test_series_can_be_chosen(results: Results) -> None:
    found = history([("r.json", [results])])
    assert found.settings == ["15/8", "14/7", "13/6", "12/5", "11/4", "10/3", "9/2", "off"]
    chosen = found.only(lambda series: series.settings == "off")
    assert chosen.settings == ["off"]
    assert chosen.groups[0].records == found.groups[0].records

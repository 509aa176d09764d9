"""Comparisons of records, against figures worked out by hand."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from wsbench import Results, ResultsError
from wsbench.compare import ComparedRow, Comparison, compare, left_out
from wsbench.quantities import Change, Difference, Value
from wsbench.results import Row, load_results
from wsbench.settings import REFERENCE, DeflateSettings

LARGEST = DeflateSettings(15, 8)

Record = Callable[[str], Results]


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """A record of results/ by its name."""
    return lambda name: load_results(request.config.rootpath / "results" / f"{name}.json")


def of(results: Results, settings: object, **fields: object) -> Results:
    """The record with something else measured of some settings."""
    rows = tuple(
        replace(row, **fields) if row.settings == settings else row for row in results.rows
    )
    return replace(results, rows=rows)


def on(results: Results, **environment: object) -> Results:
    """The record as if measured elsewhere."""
    return replace(results, environment=replace(results.environment, **environment))


def called(results: Results, name: str, digit: str) -> Results:
    """The record as if of other messages."""
    return replace(results, corpus=replace(results.corpus, name=name, sha256=digit * 64))


def pair(one: Results, other: Results) -> Comparison:
    """The only comparison of two records."""
    (comparison,) = compare([("a.json", [one]), ("b.json", [other])])
    return comparison


def find(
    comparison: Comparison, name: str, settings: str, connections: int | None = None
) -> ComparedRow:
    """The row of a quantity and settings."""
    (row,) = (
        row
        for quantity in comparison.quantities
        if (quantity.name, quantity.connections) == (name, connections)
        for row in quantity.rows
        if row.settings == settings
    )
    return row


def test_a_record_does_not_differ_from_itself(record: Record) -> None:
    for name in ("chat", "connections", "buffers", "servers/node-ws-on"):
        results = record(name)
        comparison = pair(results, results)
        assert comparison.same_messages
        assert comparison.differences == comparison.conditions == ()
        for quantity in comparison.quantities:
            for row in quantity.rows:
                first, second = row.changes
                assert row.values[0] == row.values[1]
                assert first is None
                assert second is not None
                assert second.change == 0
                assert not second.real


def test_sizes_of_the_same_messages_are_bytes(results: Results) -> None:
    size = results.rows[3].size
    assert size is not None
    other = of(results, REFERENCE, size=replace(size, compressed_bytes=1_313))
    comparison = pair(results, other)
    assert find(comparison, "size", "12/5") == ComparedRow(
        settings="12/5",
        values=(Value(1_300, 0), Value(1_313, 0)),
        changes=(None, Change(13, 13 / 1_300, 0, True)),
    )
    assert find(comparison, "size", "15/8").changes[1] == Change(0, 0, 0, False)
    assert "size_per_byte" not in {quantity.name for quantity in comparison.quantities}


def test_sizes_of_other_messages_are_shares_of_their_bytes(results: Results) -> None:
    size = results.rows[3].size
    assert size is not None
    other = of(results, REFERENCE, size=replace(size, original_bytes=20_000))
    comparison = pair(results, called(other, "commits", "1"))
    assert not comparison.same_messages
    row = find(comparison, "size_per_byte", "12/5")
    assert row.values == (Value(0.13, 0), Value(0.065, 0))
    assert row.changes == (None, Change(-0.065, -0.5, 0, True))
    assert "size" not in {quantity.name for quantity in comparison.quantities}


def test_memory_differs_beyond_what_repeats(results: Results) -> None:
    """A tenth of a KiB each is 141 bytes together."""
    memory = results.rows[3].memory
    assert memory is not None
    margin = math.sqrt(2) * 100
    for more, is_real in ((141, False), (142, True), (-141, False), (-142, True)):
        changed = replace(memory, connection_bytes=memory.connection_bytes + more)
        # It does not depend on the processor.
        other = on(of(results, REFERENCE, memory=changed), cpu="Another")
        change = find(pair(results, other), "memory", "12/5").changes[1]
        assert change is not None
        assert (change.change, change.margin) == (more, pytest.approx(margin))
        assert change.relative == pytest.approx(more / (196 * 1024))
        assert change.real is is_real


@pytest.mark.parametrize(("points", "is_real"), [(5, False), (6, True), (-5, False), (-6, True)])
def test_ratios_differ_beyond_both_intervals(results: Results, points: int, is_real: bool) -> None:
    """Intervals of ± 3 and ± 4 points are ± 5 together."""
    first = results.rows[0].time[0]

    def timed(ratio: float, margin: float) -> Results:
        time = replace(first, vs_reference=ratio, ci95=(ratio - margin, ratio + margin))
        return of(results, LARGEST, time=(time,))

    # A bit less than 5 points, since floats are not exact.
    by = points / 100 * (0.999 if abs(points) == 5 else 1)
    one, other = timed(0.25, 0.03), timed(0.25 + by, 0.04)
    change = find(pair(one, other), "time", "15/8", 1).changes[1]
    assert change is not None
    assert (change.change, change.margin) == (pytest.approx(by), pytest.approx(0.05))
    # There is no share of a ratio, whose zero is the reference.
    assert change.relative is None
    assert change.real is is_real
    elsewhere = find(pair(one, on(other, cpu_caches="L2 1K")), "time", "15/8", 1).changes[1]
    assert elsewhere == replace(change, real=None)


def test_times_are_compared_with_the_first_records_reference(record: Record) -> None:
    """As if 15/8 had been its reference: then 12/5 takes as much longer as the clock says."""
    chat = record("chat")
    ns = {row.label: row.time[0].encode_ns_per_message for row in chat.rows if row.time}
    other = replace(chat, reference=LARGEST)
    comparison = pair(other, chat)
    row = find(comparison, "time", "12/5", 1)
    assert row.values[1] is not None
    # Its own reference is 12/5: there its ratio to 15/8 is worked out.
    assert row.values[1].value == pytest.approx(ns["12/5"] / ns["15/8"] - 1, abs=0.03)
    assert find(comparison, "time", "15/8", 1).values[1] == Value(0, 0)
    assert [item.reference for item in comparison.records] == [LARGEST, REFERENCE]
    assert not any(item.lacks_reference for item in comparison.records)


def test_times_without_the_first_records_reference_are_left_out(results: Results) -> None:
    base = replace(results, reference=LARGEST)
    other = replace(results, rows=results.rows[1:])
    comparison = pair(base, other)
    assert [item.lacks_reference for item in comparison.records] == [False, True]
    assert find(comparison, "time", "12/5", 1).changes == (None, None)
    assert pair(other, base).records[0].lacks_reference is False


def test_absolute_times_differ_on_the_same_processor_only(live_results: Results) -> None:
    live = live_results.rows[0].live
    assert live is not None
    faster = of(live_results, REFERENCE, live=replace(live, cpu_ns_per_message=55_386))
    row = find(pair(live_results, faster), "cpu_ns_per_message", "12/5")
    assert row.values == (Value(61_540, None), Value(55_386, None))
    assert row.changes == (None, Change(-6_154, -0.1, None, None))
    for elsewhere in ({"cpu": "Another"}, {"cpu_version": "stepping 2"}, {"machine": "aarch64"}):
        row = find(pair(live_results, on(faster, **elsewhere)), "cpu_ns_per_message", "12/5")
        assert row.values == (Value(61_540, None), Value(55_386, None))
        assert row.changes == (None, None)
    # What is no time differs all the same.
    memory = find(pair(live_results, on(faster, cpu="Another")), "resident_bytes", "12/5")
    assert memory.changes[1] == Change(0, 0, None, None)


def test_each_record_is_compared_with_the_first(results: Results) -> None:
    size = results.rows[3].size
    assert size is not None
    files = [
        (label, [of(results, REFERENCE, size=replace(size, compressed_bytes=size_bytes))])
        for label, size_bytes in (("a", 1000), ("b", 1100), ("c", 1300))
    ]
    (comparison,) = compare(files)
    changes = find(comparison, "size", "12/5").changes
    assert changes == (None, Change(100, 0.1, 0, True), Change(300, 0.3, 0, True))
    assert [item.label for item in comparison.records] == ["a", "b", "c"]


def test_rows_are_those_of_any_record_in_the_order_of_the_first(results: Results) -> None:
    one = replace(results, rows=(results.rows[3], results.rows[7]))
    other = replace(results, rows=results.rows[2:5])
    comparison = pair(one, other)
    for name in ("size", "memory"):
        (quantity,) = (item for item in comparison.quantities if item.name == name)
        assert [row.settings for row in quantity.rows] == ["12/5", "off", "13/6", "11/4"]
    assert find(comparison, "size", "off").values[1] is None
    assert find(comparison, "size", "13/6").changes == (None, None)


def test_a_quantity_that_one_record_has_is_there(results: Results, live_results: Results) -> None:
    names = {quantity.name for quantity in pair(results, live_results).quantities}
    assert names >= {"size", "memory", "time", "decode", "resident_bytes", "round_trip_ns_p99"}


def test_differences_of_three_environments(results: Results) -> None:
    files = [("a", [results]), ("b", [on(results, zlib="1.3.1.zlib-ng")]), ("c", [results])]
    (comparison,) = compare(files)
    assert comparison.differences == (
        Difference("zlib", "zlib", ("1.2.13", "1.3.1.zlib-ng", "1.2.13")),
    )


def test_conditions_are_what_else_differs_in_measuring(
    results: Results, live_results: Results, record: Record
) -> None:
    broadcast = replace(
        results, timing=(results.timing[0], replace(results.timing[1], traffic="broadcast"))
    )
    assert pair(results, broadcast).conditions == (
        Difference("traffic_1000", "traffic at 1,000 connections", ("independent", "broadcast")),
    )
    assert live_results.live is not None
    longer = replace(live_results, live=replace(live_results.live, tls=False, messages=400))
    assert pair(live_results, longer).conditions == (
        Difference("live.tls", "TLS", ("yes", "no")),
        Difference("live.messages", "messages on each", (200, 400)),
    )
    fields = {item.field for item in pair(record("buffers"), record("buffers/threads")).conditions}
    assert "buffers.implementation" in fields
    fields = {
        item.field
        for item in pair(record("servers/node-ws-on"), record("servers/node-ws-off")).conditions
    }
    assert fields >= {"live.server", "live.negotiated.browser"}
    # What a sweep does not have is no difference.
    assert pair(results, live_results).conditions == ()


def test_one_record_in_every_file_is_compared_whatever_its_messages(results: Results) -> None:
    other = called(results, "other", "1")
    assert not pair(results, other).same_messages
    assert left_out([("a", [results]), ("b", [other])]) == []


def test_several_records_are_matched_by_messages_then_by_name(results: Results) -> None:
    one, two, three = (called(results, name, digit) for name, digit in ("a1", "b2", "c3"))
    renamed, changed = called(results, "x", "1"), called(results, "b", "9")
    files = [("old", [one, two, three]), ("new", [changed, called(results, "d", "4"), renamed])]
    comparisons = compare(files)
    names = [[item.corpus.name for item in found.records] for found in comparisons]
    assert names == [["a", "x"], ["b", "b"]]
    assert [found.same_messages for found in comparisons] == [True, False]
    alone = [(label, item.corpus.name) for label, item in left_out(files)]
    assert alone == [("old", "c"), ("new", "d")]


def test_a_digest_counts_more_than_a_name(results: Results) -> None:
    """Two corpora that swapped their names."""
    one, two = called(results, "a", "1"), called(results, "b", "2")
    swapped = [called(results, "a", "2"), called(results, "b", "1")]
    for comparison in compare([("old", [one, two]), ("new", swapped)]):
        assert comparison.same_messages


def test_records_of_one_corpus_are_matched_by_what_they_are_of(
    results: Results, live_results: Results
) -> None:
    files = [("a", [results, live_results]), ("b", [live_results, results])]
    for comparison in compare(files):
        first, second = (item.environment for item in comparison.records)
        assert first == second
        for quantity in comparison.quantities:
            for row in quantity.rows:
                assert row.values[0] == row.values[1]
    assert left_out(files) == []


def test_a_third_file_may_have_fewer_records(results: Results) -> None:
    one, two = called(results, "a", "1"), called(results, "b", "2")
    comparisons = compare([("x", [one, two]), ("y", [one, two]), ("z", [two])])
    assert [[item.label for item in found.records] for found in comparisons] == [
        ["x", "y"],
        ["x", "y", "z"],
    ]


def test_the_same_record_twice_in_a_file_has_a_partner_each(results: Results) -> None:
    assert len(compare([("a", [results, results]), ("b", [results, results])])) == 2


def test_a_partial_record_is_compared_as_far_as_it_goes(results: Results) -> None:
    rows = (results.rows[0], Row(settings=REFERENCE))
    comparison = pair(results, replace(results, rows=rows, partial=True, timing=()))
    assert [item.partial for item in comparison.records] == [False, True]
    assert find(comparison, "size", "15/8").changes[1] == Change(0, 0, 0, False)
    assert find(comparison, "size", "12/5").changes == (None, None)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ([], "there is nothing to compare with; name two files or more"),
        (["a"], "there is nothing to compare with; name two files or more"),
        (
            ["a", "buffers"],
            "buffers: of buffers, has no quantity in common with a, of a sweep; compare records of "
            "the same command",
        ),
        (
            ["buffers", "live"],
            "live: of live connections, has no quantity in common with buffers, of buffers; "
            "compare records of the same command",
        ),
        (
            ["a", "unmeasured"],
            "unmeasured: holds nothing that was measured; give a file made by --save",
        ),
        (["a", "none"], "none: holds nothing that was measured; give a file made by --save"),
        (
            ["a", "others"],
            "others: none of its records has a corpus and a quantity in common with one of a; "
            "compare records of the same corpora",
        ),
        (["a", "huge"], "huge: holds a number that no measurement gives; measure it anew"),
        (["wide", "a"], "wide: holds a number that no measurement gives; measure it anew"),
    ],
)
def test_what_cannot_be_compared_is_told(
    results: Results, live_results: Results, record: Record, names: list[str], complaint: str
) -> None:
    size, time = results.rows[0].size, results.rows[0].time[0]
    assert size is not None
    files = {
        "a": [results],
        "buffers": [record("buffers")],
        "live": [live_results],
        "unmeasured": [replace(results, rows=(), partial=True)],
        "none": [],
        "others": [called(results, "b", "2"), called(results, "c", "3")],
        "huge": [of(results, LARGEST, size=replace(size, compressed_bytes=10**400))],
        "wide": [of(results, LARGEST, time=(replace(time, ci95=(-1e308, 1e308)),))],
    }
    with pytest.raises(ResultsError) as raised:
        compare([(name, files[name]) for name in names])
    assert str(raised.value) == complaint


def test_a_third_file_with_nothing_in_common_is_left_out(results: Results, record: Record) -> None:
    files = [("a", [results]), ("b", [record("buffers")]), ("c", [results])]
    (comparison,) = compare(files)
    assert [item.label for item in comparison.records] == ["a", "c"]
    assert [label for label, _ in left_out(files)] == ["b"]


sizes = st.lists(st.integers(0, 2**40), min_size=8, max_size=8)


@given(sizes, sizes)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_comparing_the_other_way_round_gives_the_opposite(
    results: Results, ours: list[int], theirs: list[int]
) -> None:
    def sized(of_rows: list[int]) -> Results:
        rows = tuple(
            replace(row, size=row.size and replace(row.size, compressed_bytes=size_bytes))
            for row, size_bytes in zip(results.rows, of_rows, strict=True)
        )
        return replace(results, rows=rows)

    there, back = pair(sized(ours), sized(theirs)), pair(sized(theirs), sized(ours))
    for one, other in zip(there.quantities, back.quantities, strict=True):
        for row, reverse in zip(one.rows, other.rows, strict=True):
            assert row.values == reverse.values[::-1]
            change, opposite = row.changes[1], reverse.changes[1]
            assert change is not None
            assert opposite is not None
            assert change.change == -opposite.change
            assert (change.margin, change.real) == (opposite.margin, opposite.real)
    changes = [find(there, "size", row.label).changes[1] for row in results.rows]
    assert [change and change.change for change in changes] == [
        theirs - ours for ours, theirs in zip(ours, theirs, strict=True)
    ]


def test_every_record_of_the_project_can_be_compared(request: pytest.FixtureRequest) -> None:
    """Any two of them, whatever commands and servers they are of, have values or say why not."""
    folder = request.config.rootpath / "results"
    paths = sorted(path for path in folder.rglob("*.json") if path.name != "baseline.json")
    records = [(str(path), [load_results(path)]) for path in paths]
    assert len(records) > 20
    complaints, compared = set(), 0
    for one in records[::3]:
        for other in records:
            try:
                (comparison,) = compare([one, other])
            except ResultsError as error:
                complaints.add(str(error).partition(": ")[2])
            else:
                compared += bool(comparison.quantities)
    assert compared > len(records)
    assert all("has no quantity in common" in complaint for complaint in complaints)


def test_records_of_files_are_compared_from_python(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "a.json")
    saved = load_results(tmp_path / "a.json")
    assert pair(results, saved).quantities == pair(saved, results).quantities

"""Histories as text: whole outputs, sparklines, and names that try to break a table."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from wsbench.errors import ResultsError
from wsbench.history import history
from wsbench.report.history import HISTORY_FORMATS, render_history, sparkline
from wsbench.results import Results
from wsbench.settings import REFERENCE

BARS = "▁▂▃▄▅▆▇█"

# Without the padding, which versions of tabulate may change.
RECORDS = """\
commits: 3 records, 2026-11-22 to 2026-11-24, with the figures of 12/5

Created (UTC) Commit wsbench websockets zlib Python Size Memory usage Remarks
2026-11-22 08:00 3291efb47e31 0.1.0 17.4 1.2.13 3.11.7 13.0% 196.0 KiB
2026-11-23 08:00 102fdf6aaaaa-dirty 0.1.0 18.0 1.2.13 3.11.7 14.3% 196.0 KiB \
partial, other messages, processors 2 → 4
2026-11-24 08:00 — 0.1.0 18.0 1.2.13 3.11.7 14.3% 196.0 KiB"""

SIZES = """\
15/8 ▄▄▄ 10.0% 10.0% 0.0% —
14/7 ▄▄▄ 11.0% 11.0% 0.0% —
13/6 ▄▄▄ 12.0% 12.0% 0.0% —
12/5 ▁██ 13.0% 14.3% +10.0% \
at 102fdf6-dirty (other messages, websockets 17.4 → 18.0, processors 2 → 4), +10.0%
11/4 ▄▄▄ 14.0% 14.0% 0.0% —
10/3 ▄▄▄ 15.0% 15.0% 0.0% —
9/2 ▄▄▄ 16.0% 16.0% 0.0% —"""

numbers = st.integers(-(2**53), 2**53) | st.floats(-1e12, 1e12)


def changed(results: Results, number: int, **changes: Any) -> Results:
    """The record as if made so many days later."""
    return replace(results, created=results.created + timedelta(days=number), **changes)


def with_size(results: Results, size_bytes: int) -> Results:
    """The record with other compressed bytes of the reference."""
    rows = tuple(
        replace(row, size=replace(row.size, compressed_bytes=size_bytes))
        if row.settings == REFERENCE and row.size
        else row
        for row in results.rows
    )
    return replace(results, rows=rows)


def on(results: Results, **fields: Any) -> Results:
    """The record with another environment."""
    return replace(results, environment=replace(results.environment, **fields))


@pytest.fixture
def records(results: Results) -> list[Results]:
    """A size that grows by a tenth with the second of three records."""
    grown = on(with_size(results, 1430), websockets="18.0")
    corpus = replace(results.corpus, sha256="1" * 64)
    return [
        changed(results, 0, commit="3291efb47e31"),
        changed(grown, 1, commit="102fdf6aaaaa-dirty", corpus=corpus, partial=True),
        changed(grown, 2, corpus=corpus),
    ]


def render(records: list[Results], format: str = "table", **options: Any) -> str:
    return render_history(history([("r.json", records)]), format, **options)


def unpadded(text: str) -> str:
    """The text without rules and padding."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if not line.startswith("---"))


def block(text: str, title: str) -> str:
    """The lines of a quantity."""
    return text.split(f"\n{title}\n")[1].split("\n\n")[0]


def line(text: str, *words: str) -> str:
    """The one line with these words, without padding."""
    lines = unpadded(text).split("\n")
    (found,) = (line for line in lines if set(words) <= set(line.split()))
    return found


@given(st.lists(st.none() | numbers, max_size=30), st.floats(0, 1e12))
def test_a_sparkline_has_a_character_a_value(values: list[float | None], limit: float) -> None:
    text = sparkline(values, limit)
    assert len(text) == len(values)
    for value, character in zip(values, text, strict=True):
        assert character in ("·" if value is None else BARS)


@given(st.lists(numbers, min_size=1, max_size=30), st.floats(0, 1e12))
def test_a_sparkline_rises_where_values_do(values: list[float], limit: float) -> None:
    text = sparkline(sorted(values), limit)
    assert list(text) == sorted(text)
    # The same values in another order are the same bars in that order.
    bars = dict(zip(sorted(values), text, strict=True))
    assert sparkline(values, limit) == "".join(bars[value] for value in values)


@given(numbers, st.integers(1, 30), st.floats(0, 1e12))
def test_a_constant_is_flat(value: float, length: int, limit: float) -> None:
    assert sparkline([value] * length, limit) == "▄" * length


@given(st.lists(st.floats(0, 0.99), min_size=1, max_size=30))
def test_what_stays_below_the_limit_is_flat(values: list[float]) -> None:
    assert set(sparkline(values, 1.0)) == {"▄"}


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=30))
def test_without_a_limit_all_heights_are_used(values: list[float]) -> None:
    text = sparkline([0, *values])
    assert text[0] == "▁"
    assert max(text) == "█"


def test_heights_are_in_proportion_to_the_limit() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == BARS
    # One limit is a quarter of all heights, which are seven steps; two are half of them.
    assert sparkline([0, 1], 1.0) == "▄▅"
    assert sparkline([0, 2], 1.0) == "▃▆"
    assert sparkline([0, 4], 1.0) == "▁█"
    assert sparkline([0, 400], 1.0) == "▁█"
    assert sparkline([0, None, 8, 4], 1.0) == "▁·█▅"
    assert sparkline([]) == ""
    assert sparkline([None, None]) == "··"


def test_a_line_a_record_and_a_line_a_series(records: list[Results]) -> None:
    records[1:] = [on(record, cpus=4) for record in records[1:]]
    text = render(records)
    assert unpadded(text.split("\n\nSettings ")[0]) == RECORDS
    assert unpadded(block(text, "Size, of the original")) == SIZES
    assert "\nTime vs. 12/5, at 1,000 connections\n15/8 " in text
    assert "Decode" not in text
    limits = "sizes 0.5%; allocated memory 1 KiB and 1%; times vs. the reference 2 points"
    assert limits in " ".join(text.split())


def test_of_one_settings_quantities_stand_in_the_table(records: list[Results]) -> None:
    text = render(records, settings=["12/5"])
    lines = text.splitlines()
    start = next(number for number, row in enumerate(lines) if row.startswith("12/5 "))
    assert [row.split("  ")[0] for row in lines[start + 2 : start + 6]] == [
        "Size, of the original",
        "Memory usage, allocated per connection",
        "Time a message",
        "Time a message, at 1,000 connections",
    ]
    assert lines[start + 6] == ""


def test_only_what_moved(records: list[Results]) -> None:
    text = render(records, moved=True)
    assert [row for row in text.splitlines() if "▄" in row] == []
    assert line(text, "original").startswith("Size, of the original ▁██ 13.0% 14.3% +10.0% at")
    assert "Nothing moved." in render(records, moved=True, settings=["9/2"])
    assert "2026-11-24 08:00" in render(records, moved=True, settings=["9/2"])


def test_decoding_is_shown_if_asked_for_or_moved(records: list[Results]) -> None:
    text = render(records, decode=True)
    assert "\nDecode vs. 12/5\n15/8 " in text
    assert "\nDecode a message\n12/5 " in text

    def slower(results: Results) -> Results:
        time = replace(results.rows[0].time[0], decode_vs_reference=0.3, decode_ci95=(0.29, 0.31))
        rows = (replace(results.rows[0], time=(time,)), *results.rows[1:])
        return replace(results, rows=rows)

    records[-1] = slower(records[-1])
    assert unpadded(block(render(records), "Decode vs. 12/5")) == (
        "15/8 ▁▁█ 0.0% +30.0% +30.0 points on 2026-11-24 08:00, +30.0 points"
    )


def test_several_moves_are_counted_and_slow_ones_have_two_ends(results: Results) -> None:
    sizes = [1300, 1400, 1404, 1408]
    commits = ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "release", "1234567"]
    records = [
        changed(with_size(results, size), number, commit=commit)
        for number, (size, commit) in enumerate(zip(sizes, commits, strict=True))
    ]
    text = line(render(records, settings=["12/5"], moved=True), "Size,")
    assert text.endswith("2 times, last between bbbbbbb and 1234567, +0.6%")
    same = [replace(record, commit="1234567") for record in records]
    text = line(render(same, settings=["12/5"], moved=True), "Size,")
    assert text.endswith("2 times, last at 1234567, +0.6%")


def test_many_differences_are_counted(records: list[Results]) -> None:
    records[1] = on(
        records[1],
        zlib="1.3.1",
        zlib_headers="1.3.1",
        python="3.12.1",
        allocator="a library whose name is long",
        cpu="Other CPU",
        cpu_version="family 6",
        cpu_caches="L2 1024K",
    )
    text = line(render(records, settings=["12/5"], moved=True), "Size,")
    assert text.endswith(
        "(other messages, websockets 17.4 → 18.0, zlib 1.2.13 → 1.3.1, 3 more), +10.0%"
    )
    remarks = line(render(records), "102fdf6aaaaa-dirty")
    assert remarks.endswith(
        "partial, other messages, other allocator, processor Some CPU → Other CPU"
    )


@pytest.mark.parametrize(
    ("before", "after", "remark"),
    [
        ({"cpu_version": "family 6"}, {"cpu_version": "family 7"}, "other processor"),
        ({}, {"cpu_version": "family 7"}, "perhaps another processor"),
        (
            {"cpu_version": "family 6"},
            {"cpu_version": "family 7", "cpu_caches": "L2 1024K"},
            "other processor",
        ),
        ({}, {"zlib_headers": "1.3.1"}, "zlib's headers 1.2.13 → 1.3.1"),
        ({}, {"transparent_huge_pages": None}, "transparent huge pages madvise → unknown"),
        ({}, {"zlib": "1.3.1", "zlib_headers": "1.3.1"}, ""),
    ],
)
def test_remarks_tell_what_no_column_does(
    results: Results, before: dict[str, str], after: dict[str, str], remark: str
) -> None:
    records = [changed(on(results, **before), 0), changed(on(results, **after), 1)]
    found = line(render(records), "2026-11-23", "KiB")
    assert found.partition(" 196.0 KiB")[2].strip() == remark


def test_live_connections_have_figures_of_their_own(live_results: Results) -> None:
    assert live_results.live is not None
    row = live_results.rows[0]
    assert row.live is not None
    grown = replace(row, live=replace(row.live, resident_bytes=70 * 1024, opened_per_second=5e3))
    newer = changed(replace(live_results, rows=(grown, live_results.rows[1])), 1)
    text = render([live_results, newer])
    assert text.splitlines()[:2] == [
        "commits: 2 records, 2026-11-22 to 2026-11-23, with the figures of 12/5",
        "Live connections to wsbench serve, asyncio, over TLS",
    ]
    assert "Memory usage    Resident memory    CPU per message\n" in text
    newest = line(text, "2026-11-23", "0.1.0")
    assert newest.endswith(" 3.11.7 196.0 KiB 70.0 KiB 61.54 µs")
    resident = block(text, "Resident per connection, after all messages")
    assert line(resident, "12/5") == "12/5 ▂▇ 60.0 KiB 70.0 KiB +16.7% on 2026-11-23 08:00, +16.7%"
    opened = block(text, "Connections opened a second")
    assert line(opened, "12/5") == "12/5 ▃▆ 1,234/s 5,000/s +305.0% on 2026-11-23 08:00, +305.0%"
    assert line(block(text, "Round trip, p99"), "12/5") == "12/5 ▄▄ 1.03 ms 1.03 ms 0.0% —"


def test_of_an_odd_reference_the_first_settings_have_the_figures(live_results: Results) -> None:
    text = render([replace(live_results, rows=live_results.rows[1:])])
    assert "with the figures of off\n" in text
    assert line(text, "2026-11-22").endswith("3.11.7 1.0 KiB")


def test_single_records_have_no_trends(results: Results) -> None:
    other = replace(results, corpus=replace(results.corpus, name="other"))
    text = render([results, other])
    assert "Trend" not in text
    assert text.endswith("\n\nNo corpus has more than one record here: nothing can have moved.\n")
    assert text.count("2026-11-22 08:00") == 2
    assert "Commit" not in text


def test_markdown_has_tables(records: list[Results]) -> None:
    lines = render(records, "markdown").splitlines()
    assert lines[0] == "**commits**: 3 records, 2026-11-22 to 2026-11-24, with the figures of 12/5"
    tables = [row for row in lines if row.startswith("|")]
    widths = {row.count("|") for row in tables[:5]}, {row.count("|") for row in tables[5:]}
    assert widths == ({10}, {8})
    row = next(row for row in tables if row.startswith("| Size, of the original") and "12/5" in row)
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "Size, of the original",
        "12/5",
        "▁██",
        "13.0%",
        "14.3%",
        "+10.0%",
        "at 102fdf6-dirty (other messages, websockets 17.4 → 18.0), +10.0%",
    ]


def test_json_holds_all_of_it(records: list[Results]) -> None:
    found = json.loads(render(records, "json"))
    assert found["schema"] == "wsbench.history/1"
    (group,) = found["groups"]
    assert (group["corpus"], group["kind"], group["server"]) == ("commits", "sweep", None)
    assert group["reference"]["window_bits"] == 12
    record = group["records"][1]
    assert record["file"] == "r.json"
    assert record["created"] == "2026-11-23T08:00:00Z"
    assert (record["commit"], record["wsbench"]) == ("102fdf6aaaaa-dirty", "0.1.0")
    assert record["environment"]["websockets"] == "18.0"
    assert record["corpus"]["sha256"] == "1" * 64
    assert record["differences"][0]["field"] == "corpus"
    (series,) = (
        series
        for series in group["series"]
        if (series["settings"], series["quantity"]["name"]) == ("12/5", "size_per_byte")
    )
    assert series["quantity"] == {
        "name": "size_per_byte",
        "title": "Size, of the original",
        "unit": "share",
        "connections": None,
        "portable": True,
    }
    assert series["values"] == [
        {"value": 0.13, "margin": 0},
        {"value": 0.143, "margin": 0},
        {"value": 0.143, "margin": 0},
    ]
    (move,) = series["moves"]
    assert (move["index"], move["since"], move["from"], move["to"]) == (1, 0, 0.13, 0.143)
    assert move["relative"] == pytest.approx(0.1)
    assert move["commit"] == "102fdf6aaaaa-dirty"
    assert move["differences"][1] == {
        "field": "websockets",
        "title": "websockets",
        "values": ["17.4", "18.0"],
    }
    assert any(series["quantity"]["name"] == "decode" for series in group["series"])

    (group,) = json.loads(render(records, "json", moved=True))["groups"]
    assert len(group["series"]) == 1
    assert len(group["records"]) == 3


@pytest.mark.parametrize("format", HISTORY_FORMATS)
def test_odd_names_break_nothing(records: list[Results], format: str) -> None:
    name = "päck|ed\n\x1b[2J<b>_*`名"
    odd = [
        on(
            replace(record, corpus=replace(record.corpus, name=name), commit=f"c|{number}\n"),
            cpu=f"a\r|{number}",
        )
        for number, record in enumerate(records)
    ]
    text = render(odd, format)
    assert "\x1b" not in text
    assert "\r" not in text
    if format == "json":
        assert json.loads(text)["groups"][0]["corpus"] == name
        return
    assert len(text.splitlines()) == len(render(records, format).splitlines())
    if format == "markdown":
        rows = [row for row in text.splitlines() if row.startswith("|")]
        assert {row.replace("\\|", "").count("|") for row in rows} == {8, 10}
        assert text.startswith(r"**päck\|ed\\n\\x1b\[2J\<b\>\_\*\`名**: 3 records")
    else:
        assert text.startswith(r"päck|ed\n\x1b[2J<b>_*`名: 3 records")


def test_an_unknown_format_is_refused(records: list[Results]) -> None:
    with pytest.raises(ResultsError, match="choose one of table, markdown, json"):
        render(records, "xml")

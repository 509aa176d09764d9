"""Comparisons as text: what a reader is told, from records made by hand."""

import json
import re

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from wsbench import Results, ResultsError
from wsbench.compare import Comparisons, compare
from wsbench.oneline import one_line
from wsbench.report.compare import (
    COMPARISON_FORMATS,
    letter,
    render_comparisons,
)
from wsbench.results import Memory, Size, Time
from wsbench.settings import REFERENCE, DeflateSettings

LARGEST = DeflateSettings(15, 8)


def of(results: Results, settings: object, **fields: object) -> Results:
    """The record with something else measured of some settings."""
    rows = tuple(
        replace(row, **fields) if row.settings == settings else row for row in results.rows
    )
    return replace(results, rows=rows)


def on(results: Results, **environment: object) -> Results:
    """The record as if measured elsewhere."""
    return replace(results, environment=replace(results.environment, **environment))


def sized(size_bytes: int, original_bytes: int = 10_000) -> Size:
    return Size(original_bytes=original_bytes, compressed_bytes=size_bytes, wire_bytes=size_bytes)


def shown(*records: Results, format: str = "table", labels: str = "abc") -> str:
    """The comparison of records, as text."""
    return render_comparisons(
        compare([(f"{label}.json", [item]) for label, item in zip(labels, records, strict=False)]),
        format,
    )


def table(text: str, title: str) -> list[list[str]]:
    """The cells of the table below a title."""
    lines = text.split(f"{title}\n\n")[1].split("\n\n")[0].splitlines()
    return [re.split(r"  +", line.strip()) for line in lines[2:]]


@pytest.fixture
def small(results: Results) -> Results:
    """A record of three settings, timed on one connection."""
    rows = tuple(
        replace(row, time=row.time[:1]) for row in (*results.rows[::3][:2], results.rows[7])
    )
    return replace(results, rows=rows, timing=results.timing[:1])


def test_a_comparison_is_a_table_a_quantity(small: Results) -> None:
    def timed(ratio: float, margin: float) -> tuple[Time]:
        return (
            replace(
                small.rows[0].time[0],
                vs_reference=ratio,
                ci95=(ratio - margin, ratio + margin),
                decode_ci95=(0.0, 0.0),
            ),
        )

    memory = small.rows[0].memory
    assert memory is not None
    before = of(of(small, LARGEST, time=timed(-0.06, 0.012)), REFERENCE, time=timed(0, 0))
    other = of(
        on(before, websockets="15.0"),
        LARGEST,
        size=sized(1_012),
        memory=replace(memory, connection_bytes=memory.connection_bytes - 100),
        time=timed(-0.008, 0.005),
    )
    other = replace(other, commit="0123456789ab")
    comparisons = compare([("before.json", [before]), ("after.json", [other])])
    lines = [line.rstrip() for line in render_comparisons(comparisons).splitlines()]
    assert "\n".join(lines) == (
        """\
A: before.json: commits, 2026-11-22 08:00 UTC, wsbench 0.1.0, websockets 17.4, zlib 1.2.13, CPython
   3.11.7
B: after.json: commits, 2026-11-22 08:00 UTC, commit 0123456789ab, wsbench 0.1.0, websockets 15.0,
   zlib 1.2.13, CPython 3.11.7
Environment: websockets 17.4 → 15.0

Size, compressed, in bytes

Settings         A       B  difference
----------  ------  ------  ------------
15/8         1,000   1,012  +12 (+1.2%)
12/5         1,300   1,300  =
off         10,000  10,000  =

Memory usage, allocated per connection

Settings          A          B  difference
----------  -------  ---------  -------------------------
15/8        316 KiB  315.9 KiB  -100 ± 141 bytes (0.0%) ≈
12/5        196 KiB    196 KiB  =
off          36 KiB     36 KiB  =

Time vs. 12/5

Settings              A            B  difference
----------  -----------  -----------  ------------
15/8        -6.0% ± 1.2  -0.8% ± 0.5  +5.2 ± 1.3
12/5               0.0%         0.0%  =

Decode vs. 12/5

Settings       A     B  difference
----------  ----  ----  ------------
15/8        0.0%  0.0%  =
12/5        0.0%  0.0%  =

Differences are from A. Those of percentages are in points. ±: the 95% interval. =: exactly the
   same. ≈: within the interval, so it may be chance.
The records tell the processor by its name alone, which different ones go by: times may be of two.\
"""
    )


def test_the_same_environment_is_named(small: Results) -> None:
    assert "Environment: the same, Linux x86_64, 2 × Some CPU\n" in shown(small, small)


def test_three_records_have_a_difference_each(small: Results) -> None:
    third = on(of(small, LARGEST, size=sized(900)), zlib="1.3.1", cpu_version="family 6")
    text = shown(small, of(small, LARGEST, size=sized(1_100)), third)
    assert table(text, "Size, compressed, in bytes")[0] == [
        *("15/8", "1,000", "1,100", "+100 (+10.0%)", "900", "-100 (-10.0%)")
    ]
    assert "Environment: zlib 1.2.13 / 1.2.13 / 1.3.1; processor's version — / — / family 6" in text
    assert "C may have another processor than A." in text


def test_other_messages_are_told_first(small: Results) -> None:
    other = of(small, LARGEST, size=sized(2_000, original_bytes=16_000))
    text = shown(small, replace(other, corpus=replace(other.corpus, sha256="1" * 64)))
    heading, _, tables = text.partition("\n\n")
    assert (
        "The messages differ, and what depends on them: A commits, 1,837 messages of 10,000 bytes\n"
        "   (000000000000); B commits, 1,837 messages of 10,000 bytes (111111111111)" in heading
    )
    assert tables.startswith("Size, of the original\n")
    assert table(text, "Size, of the original")[0] == [*("15/8", "10.0%", "12.5%", "+2.5 (+25.0%)")]


def test_another_processor_leaves_ratios_unmarked(results: Results) -> None:
    text = shown(results, on(results, cpu="Another"))
    assert "B has another processor than A.\n" in text
    assert "Ratios of times depend on the processor by as much as 20%" in text
    time = replace(results.rows[0].time[0], vs_reference=-0.0601)
    other = of(results, LARGEST, time=(time,))
    assert table(shown(results, other), "Time vs. 12/5")[0][-1] == "0.0 ± 0.6 ≈"
    elsewhere = shown(results, on(other, cpu="Another"))
    assert table(elsewhere, "Time vs. 12/5")[0][-1] == "0.0 ± 0.6"


def test_absolute_times_have_no_difference_elsewhere(live_results: Results) -> None:
    assert live_results.rows[0].live is not None
    faster = replace(live_results.rows[0].live, cpu_ns_per_message=51_540, opened_per_second=1300.0)
    other = of(live_results, REFERENCE, live=faster)
    text = shown(live_results, other)
    assert table(text, "CPU time a message") == [
        ["12/5", "61.5 µs", "51.5 µs", "-10.0 µs (-16.2%)"]
    ]
    assert table(text, "Connections opened a second")[0][1:] == ["1,234", "1,300", "+66 (+5.3%)"]
    assert table(text, "Round trip, p99")[0] == ["12/5", "1.03 ms", "1.03 ms", "="]
    assert (
        "How well values of CPU time a message; Connections opened a second are known is not"
        in text
    )
    text = shown(live_results, on(other, cpu="Another", machine="aarch64"))
    assert table(text, "CPU time a message") == [["12/5", "61.5 µs", "51.5 µs", "—"]]
    assert table(text, "Resident per connection, after all messages")[0][-1] == "="
    assert "no difference is given of CPU time a message; Connections" in text.replace("\n   ", " ")


def test_what_was_not_measured_is_a_dash(small: Results) -> None:
    other = replace(small, rows=small.rows[:2])
    text = shown(small, other)
    assert table(text, "Size, compressed, in bytes")[2] == ["off", "10,000", "—", "—"]
    assert "—: not measured." in text
    assert "—: not measured." not in shown(small, small)


def test_what_one_record_has_is_named_and_not_shown(small: Results, live_results: Results) -> None:
    text = " ".join(shown(small, live_results).split())
    assert "Only A has: Size, compressed; Time vs. 12/5; Decode vs. 12/5." in text
    assert "Only B has: Resident per connection, opened; " in text
    assert "Round trip, p50\n\n" not in text


def test_times_of_another_reference_are_told(small: Results) -> None:
    other = replace(small, reference=LARGEST)
    assert "B's own times are compared with 15/8; here they are compared with 12/5" in shown(
        small, other
    )
    text = " ".join(shown(other, replace(small, rows=small.rows[1:])).split())
    assert "B has times that are not shown: it was measured without 15/8, which they" in text
    assert "own times" not in text


def test_other_traffic_is_told(results: Results) -> None:
    timing = (results.timing[0], replace(results.timing[1], traffic="broadcast"))
    text = shown(results, replace(results, timing=timing), results)
    assert (
        "\nMeasured with: traffic at 1,000 connections independent / broadcast / independent\n"
        in text
    )


def test_partial_records_and_warnings_are_told(small: Results) -> None:
    other = replace(small, partial=True, warnings=("other programs computed",))
    text = shown(small, other)
    assert "\nB is partial: what is missing was not measured\n" in text
    assert text.endswith("\nWarning, B: other programs computed\n")


def test_several_comparisons_have_titles(small: Results) -> None:
    second = replace(small, corpus=replace(small.corpus, name="game", sha256="1" * 64))
    files = [("a", [small, second]), ("b", [second, small])]
    text = render_comparisons(compare(files))
    assert text.startswith("commits\n=======\n\nA: a: commits, ")
    assert "\n\ngame\n====\n\nA: a: game, " in text
    markdown = render_comparisons(compare(files), "markdown")
    assert markdown.startswith("## commits\n\nA: a: commits, ")
    assert "\n\n## game\n\n" in markdown
    assert "##" not in render_comparisons(compare([("a", [small]), ("b", [small])]), "markdown")[:9]


def test_markdown_has_tables_that_markdown_reads(small: Results) -> None:
    text = shown(small, small, format="markdown")
    assert (
        "### Size, compressed, in bytes\n\n| Settings   |      A |      B | difference   |" in text
    )
    assert "|-----" in text
    assert "  \nEnvironment: the same" in text


@pytest.mark.parametrize("format", COMPARISON_FORMATS)
@given(name=st.text(max_size=20), label=st.text(max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_breaks_the_output(small: Results, format: str, name: str, label: str) -> None:
    odd = on(replace(small, corpus=replace(small.corpus, name=name)), cpu=name)
    files = [(one_line(label), [odd]), ("b", [small])]
    text = render_comparisons(compare(files), format)
    text.encode()
    usual = render_comparisons(compare([("a", [on(small, cpu="x")]), ("b", [small])]), format)
    if format == "json":
        assert json.loads(text)["comparisons"][0]["records"][0]["corpus"]["name"] == name
        return
    assert all(line.isprintable() for line in text.split("\n"))
    # What a name may change is how lines are wrapped: never the tables.
    assert text.split("\n\n")[1:-2] == usual.split("\n\n")[1:-2]


def test_markup_in_names_is_no_markup(small: Results) -> None:
    odd = replace(small, corpus=replace(small.corpus, name="a|b *c* `d` <e> [f] _g_ h_i\n\x1b[1m"))
    text = shown(odd, odd, format="markdown")
    assert r"a\|b \*c\* \`d\` \<e\> \[f\] \_g\_ h_i\\n\\x1b\[1m" in text


def test_json_is_the_comparison(small: Results) -> None:
    text = shown(small, on(of(small, LARGEST, size=sized(1_100)), zlib="1.3"), format="json")
    assert msgspec.json.decode(text, type=Comparisons).comparisons
    found = json.loads(text)
    assert found["schema"] == "wsbench.comparison/1"
    (comparison,) = found["comparisons"]
    assert comparison["same_messages"] is True
    assert comparison["differences"] == [
        {"field": "zlib", "title": "zlib", "values": ["1.2.13", "1.3"]}
    ]
    assert [item["label"] for item in comparison["records"]] == ["a.json", "b.json"]
    assert comparison["records"][0]["environment"]["websockets"] == "17.4"
    size = comparison["quantities"][0]
    assert (size["name"], size["title"], size["unit"], size["connections"]) == (
        *("size", "Size, compressed", "bytes", None),
    )
    assert size["rows"][0] == {
        "settings": "15/8",
        "values": [{"value": 1000, "margin": 0}, {"value": 1100, "margin": 0}],
        "changes": [None, {"change": 100, "relative": 0.1, "margin": 0, "real": True}],
    }


def test_a_format_that_is_not_there_is_refused(small: Results) -> None:
    with pytest.raises(ResultsError, match="no format 'csv' of comparisons; choose one of table"):
        shown(small, small, format="csv")


def test_tables_fit_a_terminal_of_100_columns(results: Results, live_results: Results) -> None:
    for records in ([results] * 3, [live_results] * 3, [results, live_results]):
        assert max(map(len, shown(*records).splitlines())) <= 100


def test_what_connections_add_may_be_less_than_nothing(live_results: Results) -> None:
    live = live_results.rows[0].live
    assert live is not None
    before = of(live_results, REFERENCE, live=replace(live, resident_bytes=-2048))
    text = shown(before, of(live_results, REFERENCE, live=replace(live, resident_bytes=1024)))
    rows = table(text, "Resident per connection, after all messages")
    assert rows[0] == ["12/5", "-2 KiB", "1 KiB", "+3 KiB"]


def test_a_little_memory_of_much_is_written_in_bytes(small: Results) -> None:
    def exact(size_bytes: int) -> Results:
        memory = Memory(
            connection_bytes=size_bytes,
            connection_stdev_bytes=0,
            connections=20,
            deflate_bytes=0,
            inflate_bytes=0,
        )
        return of(small, LARGEST, memory=memory)

    title = "Memory usage, allocated per connection"
    assert table(shown(exact(2**20), exact(2**20 + 7)), title)[0][-1] == "+7 ± 141 bytes (0.0%) ≈"
    assert table(shown(exact(2**20), exact(2**21)), title)[0][-1] == "+1 MiB ± 141 bytes (+100.0%)"


def test_letters_go_on_after_z() -> None:
    names = [letter(number) for number in range(26 + 26 * 26 + 1)]
    assert (names[0], names[25], names[26], names[27], names[52]) == ("A", "Z", "AA", "AB", "BA")
    assert names[-1] == "AAA"
    assert len(set(names)) == len(names)

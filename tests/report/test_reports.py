"""Whole outputs, compared with text written by hand for a record with round figures."""

import csv
import io
import json

import msgspec
import pytest

from wsbench.errors import ResultsError
from wsbench.report import FORMATS, render
from wsbench.results import Results, parse_results
from wsbench.settings import DeflateSettings

HEADING = """\
commits: 1,837 messages, 10,000 bytes, 1 stream
websockets 17.4, zlib 1.2.13, CPython 3.11.7, Linux x86_64, 2 × Some CPU
Reference (*) 12/5: 196.0 KiB per connection, compressed to 13.0% of the bytes, \
5.30 µs to compress a message and 1.00 µs to decompress it, \
20.30 µs to compress a message and 2.00 µs to decompress it at 1,000 connections
"""

TABLE = """
Window Bits    Memory Level    Memory usage    Size vs. default    Time vs. default    \
Time at 1,000 connections
-------------  --------------  --------------  ------------------  ------------------  \
---------------------------
15             8               316.0 KiB       -23.1%              -6.0% ± 0.4         \
-30.0% ± 2.0 ~
14             7               276.0 KiB       -15.4%              -4.0% ± 0.4         \
-20.0% ± 2.0 ~
13             6               236.0 KiB       -7.7%               -2.0% ± 0.4         \
-10.0% ± 2.0 ~
12 *           5 *             196.0 KiB       =                   =                   \
=
11             4               156.0 KiB       +7.7%               +2.0% ± 0.4         \
+10.0% ± 2.0 ~
10             3               116.0 KiB       +15.4%              +4.0% ± 0.4         \
+20.0% ± 2.0 ~
9              2               76.0 KiB        +23.1%              +6.0% ± 0.4         \
+30.0% ± 2.0 ~
off            —               36.0 KiB        +669.2%             —                   \
—
"""

RST = """\
=============  ==============  ==============  ==================  ==================
Window Bits    Memory Level    Memory usage    Size vs. default    Time vs. default
=============  ==============  ==============  ==================  ==================
15             8               316 KiB         -23%                -6%
14             7               276 KiB         -15%                -4%
13             6               236 KiB         -8%                 -2%
**12**         **5**           196 KiB         =                   =
11             4               156 KiB         +8%                 +2%
10             3               116 KiB         +15%                +4%
9              2               76 KiB          +23%                +6%
—              —               36 KiB          +669%               —
=============  ==============  ==============  ==================  ==================
"""


def at_one_connection(results: Results) -> Results:
    """The record as if nothing else had been timed."""
    rows = tuple(msgspec.structs.replace(row, time=row.time[:1]) for row in results.rows)
    return msgspec.structs.replace(results, rows=rows, timing=results.timing[:1])


def columns(text: str) -> list[str]:
    """The words of a table without the padding, which versions of tabulate may change."""
    return ["  ".join(line.split()) for line in text.splitlines()]


def test_the_table_has_the_docs_columns_and_marks_the_reference(results: Results) -> None:
    text = render(results)
    assert text.startswith(HEADING + TABLE)
    notes = text.removeprefix(HEADING + TABLE).strip().splitlines()
    assert "mean of 20 (σ ≤ 0.5 KiB); resident memory differs" in notes[0]
    assert notes[1:] == [
        "On one connection that is always busy, by 100 of the 1,837 messages: "
        "all known to ± 1 after 2.2 s.",
        "At 1,000 connections, used in turn, each sending messages of its own: "
        "the time, 7 s, was up; ~ is wider than ± 1.",
    ]


def test_decoding_has_columns_if_asked_for(results: Results) -> None:
    lines = columns(render(results, decode=True))
    header = next(line for line in lines if line.startswith("Window  Bits"))
    assert header.endswith(
        "Time  at  1,000  connections  Decode  vs.  default  Decode  at  1,000  connections"
    )
    assert (
        "15  8  316.0  KiB  -23.1%  -6.0%  ±  0.4  -30.0%  ±  2.0  ~  0.0%  ±  1.0  +25.0%  ±  0.5"
        in lines
    )
    assert "CPU time: to decompress a message, at 1,000 connections" in render(
        results, "grid", decode=True
    )


def test_warnings_stand_below_the_table(results: Results) -> None:
    record = msgspec.structs.replace(results, warnings=("the machine runs on battery",))
    assert render(record).splitlines()[-1] == "Warning: the machine runs on battery"
    assert "Warning: the machine runs on battery" in render(record, "markdown")
    assert "battery" not in render(record, "rst")


def test_broadcast_and_interruption_are_told(results: Results) -> None:
    timing = msgspec.structs.replace(results.timing[1], traffic="broadcast", stopped="interrupted")
    text = render(msgspec.structs.replace(results, timing=(timing,)))
    assert "At 1,000 connections, used in turn, each sending the same message: " in text
    assert text.endswith("interrupted after 7 s; ~ is wider than ± 1.\n")


def test_rst_is_the_docs_table(results: Results) -> None:
    assert render(at_one_connection(results), "rst") == RST
    header = render(results, "rst").splitlines()[1]
    assert header.endswith("Time vs. default    Time at 1,000 connections")


def test_markdown_marks_the_reference_in_bold(results: Results) -> None:
    lines = render(results, "markdown").splitlines()
    assert lines[0] == "commits: 1,837 messages, 10,000 bytes, 1 stream  "
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    assert cells[0][:2] == ["Window Bits", "Memory Level"]
    assert ["**12**", "**5**", "196.0 KiB", "=", "=", "="] in cells
    assert cells[-1] == ["off", "—", "36.0 KiB", "+669.2%", "—", "—"]
    assert all(set(cell) <= {"-", ":"} for cell in cells[1])


def test_csv_holds_every_number_in_its_base_unit(results: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(render(results, "csv"))))
    assert len(rows) == 8
    assert rows[0] == {
        "settings": "15/8",
        "window_bits": "15",
        "memory_level": "8",
        "level": "6",
        "strategy": "default",
        "context_takeover": "True",
        "client_window_bits": "15",
        "reference": "False",
        "connection_bytes": "323584",
        "connection_stdev_bytes": "512",
        "deflate_bytes": "2000",
        "inflate_bytes": "1000",
        "resident_bytes": "",
        "original_bytes": "10000",
        "compressed_bytes": "1000",
        "wire_bytes": "1020",
        "size_vs_reference": str(1000 / 1300 - 1),
        "at_1_encode_ns_per_message": "5000.0",
        "at_1_vs_reference": "-0.06",
        "at_1_ci95_low": "-0.064",
        "at_1_ci95_high": "-0.056",
        "at_1_decode_ns_per_message": "1000.0",
        "at_1_decode_vs_reference": "0.0",
        "at_1_decode_ci95_low": "-0.01",
        "at_1_decode_ci95_high": "0.01",
        "at_1_sampled_messages": "100",
        "at_1_rounds": "30",
        "at_1_within_precision": "True",
        "at_1_decode_within_precision": "True",
        "at_1000_encode_ns_per_message": "20000.0",
        "at_1000_vs_reference": "-0.3",
        "at_1000_ci95_low": "-0.32",
        "at_1000_ci95_high": "-0.27999999999999997",
        "at_1000_decode_ns_per_message": "2000.0",
        "at_1000_decode_vs_reference": "0.25",
        "at_1000_decode_ci95_low": "0.245",
        "at_1000_decode_ci95_high": "0.255",
        "at_1000_sampled_messages": "800",
        "at_1000_rounds": "8",
        "at_1000_within_precision": "False",
        "at_1000_decode_within_precision": "True",
    }
    assert [row["settings"] for row in rows if row["reference"] == "True"] == ["12/5"]
    assert rows[-1]["settings"] == "off"
    assert rows[-1]["window_bits"] == rows[-1]["at_1_encode_ns_per_message"] == ""


def test_json_is_the_record(results: Results) -> None:
    text = render(results, "json")
    assert parse_results(text.encode(), "") == results
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def test_the_grid_has_window_bits_down_and_memory_levels_across(results: Results) -> None:
    text = render(results, "grid")
    assert text.startswith(HEADING)
    titles = [line for line in text.splitlines() if ":" not in line and " vs. " in line]
    assert titles == ["Size vs. 12/5", "Time vs. 12/5", "Time vs. 12/5, at 1,000 connections"]
    assert "CPU time: to compress a message, at 1,000 connections" in text
    assert "Compression ratio: bytes saved" in text
    lines = columns(text)
    at = lines.index("Size  vs.  12/5")
    assert lines[at + 2] == "wb  \\  ml  2  3  4  5  6  7  8"
    assert lines[at + 4 : at + 11] == [
        "9  +23.1%",
        "10  +15.4%",
        "11  +7.7%",
        "12  0.0%  *",
        "13  -7.7%",
        "14  -15.4%",
        "15  -23.1%",
    ]
    ratio = lines.index("Compression  ratio:  bytes  saved")
    assert lines[ratio + 4] == "9  84.0%"


def test_the_grid_has_a_group_of_tables_for_each_variant(results: Results) -> None:
    slow = msgspec.structs.replace(results.rows[0], settings=DeflateSettings(15, 8, level=9))
    record = msgspec.structs.replace(results, rows=(*results.rows, slow))
    text = render(record, "grid")
    assert "Size vs. 12/5 (level 9)" in text
    assert text.count("Size vs. 12/5") == 2


def test_what_was_not_measured_has_no_column(results: Results) -> None:
    rows = tuple(msgspec.structs.replace(row, memory=None, time=()) for row in results.rows)
    record = msgspec.structs.replace(results, rows=rows, timing=())
    text = render(record)
    assert "Reference (*) 12/5: compressed to 13.0% of the bytes\n" in text
    assert "Memory" not in text.replace("Memory Level", "")
    assert "Time" not in text
    assert "CPU" not in render(record, "grid").replace("Some CPU", "")
    (first, *_) = csv.DictReader(io.StringIO(render(record, "csv")))
    assert first["connection_bytes"] == ""
    assert not any(column.startswith("at_") for column in first)


def test_a_partial_record_says_so_and_leaves_cells_empty(results: Results) -> None:
    rows = (
        results.rows[0],
        *(msgspec.structs.replace(row, memory=None) for row in results.rows[1:]),
    )
    text = render(msgspec.structs.replace(results, rows=rows, partial=True))
    assert "Partial: the sweep did not finish" in text
    lines = columns(text)
    assert "15  8  316.0  KiB  -23.1%  -6.0%  ±  0.4  -30.0%  ±  2.0  ~" in lines
    assert "14  7  -15.4%  -4.0%  ±  0.4  -20.0%  ±  2.0  ~" in lines


@pytest.mark.parametrize("format", FORMATS)
def test_a_record_of_nothing_is_rendered_in_every_format(results: Results, format: str) -> None:
    rows = tuple(
        msgspec.structs.replace(row, memory=None, size=None, time=()) for row in results.rows
    )
    for partial in (rows, ()):
        text = render(msgspec.structs.replace(results, rows=partial, partial=True), format)
        assert text.endswith("\n")


def test_columns_appear_for_what_differs_from_the_default(results: Results) -> None:
    variants = [
        DeflateSettings(12, 5, level=9),
        DeflateSettings(12, 5, strategy="rle"),
        DeflateSettings(12, 5, context_takeover=False),
    ]
    extra = [msgspec.structs.replace(results.rows[0], settings=item) for item in variants]
    text = render(msgspec.structs.replace(results, rows=(*extra, *results.rows)))
    header = "Window  Bits  Memory  Level  Level  Strategy  Context  Takeover  Memory  usage"
    assert any(line.startswith(header) for line in columns(text))
    assert any(
        line.startswith("12  5  9  default  yes  316.0  KiB  -23.1%") for line in columns(text)
    )
    assert any(
        line.startswith("12  5  6  default  no  316.0  KiB  -23.1%") for line in columns(text)
    )
    assert any(line.startswith("off  —  —  —  —") for line in columns(text))


def test_small_differences_have_no_sign(results: Results) -> None:
    time = msgspec.structs.replace(results.rows[0].time[0], vs_reference=-0.0004)
    rows = (msgspec.structs.replace(results.rows[0], time=(time,)), *results.rows[1:])
    record = msgspec.structs.replace(at_one_connection(results), rows=rows)
    assert "0.0% ± 0.4" in render(record)
    assert "-0.0%" not in render(record)
    assert render(record, "rst").splitlines()[3].split()[-1] == "0%"


def test_columns_are_named_after_another_reference(results: Results) -> None:
    record = msgspec.structs.replace(results, reference=DeflateSettings(15, 8))
    header = render(record, "rst").splitlines()[1]
    assert "Time vs. 15/8" in header
    assert "default" not in header


def test_an_unknown_format_is_refused(results: Results) -> None:
    with pytest.raises(ResultsError, match="choose one of table, grid, markdown, rst, csv, json"):
        render(results, "xml")

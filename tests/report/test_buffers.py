"""Tables of what buffers hold, from records made by hand."""

import csv
import io
import json
import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from wsbench import Results, ResultsError, render
from wsbench.buffers import (
    Advice,
    Application,
    Bomb,
    Broadcast,
    Buffers,
    Closing,
    Keepalive,
    Limits,
    SlowClient,
    SlowReader,
)
from wsbench.errors import SettingsError
from wsbench.limits_text import or_none, parse_bytes, parse_frames, parse_grace, parse_seconds
from wsbench.report import BUFFERS_FORMATS
from wsbench.report.buffers import sections
from wsbench.report.snippet import server_snippet
from wsbench.report.units import binary_bytes
from wsbench.results import load_results, parse_results
from wsbench.settings import REFERENCE

KIB, MIB = 1024, 2**20
LIMITS = Limits(max_size=MIB, max_queue=16, write_limit=32 * KIB)
NO_LIMITS = Limits(max_size=None, max_queue=None, write_limit=None)
KEEPALIVE = Keepalive(ping_interval=2.0, ping_timeout=1.0, close_timeout=None)
CLOSED = Closing(keepalive=KEEPALIVE, watched_seconds=8.0, seconds=3.25, states={"CLOSED": 3})
OPEN = Closing(
    keepalive=KEEPALIVE, watched_seconds=8.0, seconds=None, states={"OPEN": 2, "CLOSING": 1}
)

SLOW_READER = SlowReader(
    settings=REFERENCE,
    payload="text",
    payload_bytes=MIB,
    limits=LIMITS,
    connections=2,
    messages=1234.6,
    wire_bytes=20 * MIB,
    is_stopped=True,
    queued_frames=17.0,
    library_bytes=1000,
    server_kernel_bytes=3 * KIB,
    client_kernel_bytes=5 * KIB,
    socket_memory_bytes=9 * KIB,
    accounted=0.9995,
    idle_allocated_bytes=60 * KIB,
    allocated_bytes=24 * MIB,
    peak_bytes=26 * MIB,
    explained_bytes=23 * MIB,
    resident_bytes=25 * MIB,
    bound_bytes=16 * MIB,
    reach_bytes=18 * MIB,
    growth=((0.0, 0), (4.0, 4 * MIB)),
)
UNLIMITED_READER = replace(
    SLOW_READER,
    settings=None,
    payload="fragmented",
    payload_bytes=1536,
    limits=NO_LIMITS,
    is_stopped=False,
    server_kernel_bytes=None,
    client_kernel_bytes=None,
    socket_memory_bytes=None,
    accounted=None,
    allocated_bytes=-512,
    bound_bytes=None,
    reach_bytes=None,
    growth=(),
)
BOMB = Bomb(
    settings=REFERENCE,
    max_size=MIB,
    payload_bytes=64 * MIB,
    wire_bytes=64 * KIB,
    is_fragmented=True,
    close_code=1009,
    peak_bytes=2 * MIB,
    bound_bytes=2 * MIB + 64 * KIB,
)
ACCEPTED_BOMB = replace(BOMB, max_size=None, is_fragmented=False, close_code=None, bound_bytes=None)
SLOW_CLIENT = SlowClient(
    settings=REFERENCE,
    write_limit=32 * KIB,
    is_sending=True,
    connections=3,
    messages=1000.4,
    buffered_bytes=33 * KIB,
    server_kernel_bytes=100 * KIB,
    client_kernel_bytes=200 * KIB,
    allocated_bytes=34 * KIB,
    explained_bytes=33 * KIB,
    resident_bytes=36 * KIB,
    closing=OPEN,
)
SILENT_CLIENT = replace(
    SLOW_CLIENT,
    settings=None,
    write_limit=None,
    is_sending=False,
    messages=0.0,
    server_kernel_bytes=None,
    client_kernel_bytes=None,
    closing=CLOSED,
)
BROADCAST = Broadcast(
    settings=REFERENCE,
    write_limit=32 * KIB,
    fast=3,
    stuck=2,
    rate=None,
    messages=5000,
    seconds=4.04,
    kernel_seconds=0.31,
    kernel_bytes=300 * KIB,
    growth_bytes_per_second=1.5 * MIB,
    growth_bytes_per_message=301.4,
    buffered_bytes=6 * MIB,
    fast_buffered_bytes=0,
    resident_bytes=13 * MIB,
    stopped="seconds",
    closing=CLOSED,
)
STUCK_BROADCAST = replace(
    BROADCAST,
    settings=None,
    write_limit=None,
    rate=10.0,
    kernel_seconds=None,
    kernel_bytes=None,
    growth_bytes_per_second=None,
    growth_bytes_per_message=None,
    stopped="stuck",
    closing=OPEN,
)
APPLICATION = Application(
    settings=REFERENCE,
    handler="echo",
    app_bytes=100 * KIB,
    connections=200,
    stuck=10,
    messages=50,
    process_bytes=20 * MIB,
    connection_bytes=64 * KIB,
    application_bytes=100 * KIB,
    buffer_bytes=MIB,
    total_bytes=20 * MIB + 200 * 164 * KIB + 10 * MIB,
    connection_allocated_bytes=60 * KIB,
    application_allocated_bytes=101 * KIB,
    buffer_allocated_bytes=-3,
    kernel_bytes=7 * MIB,
)
OWN_APPLICATION = replace(
    APPLICATION, settings=None, handler="my_app:handler", app_bytes=0, kernel_bytes=None
)
ADVICE = Advice(
    settings=REFERENCE,
    largest_bytes=4321,
    p95_bytes=1000,
    burst=16,
    connections=1000,
    limits=Limits(max_size=5 * KIB, max_queue=16, write_limit=32 * KIB),
    queued_frames=23,
    idle_bytes=60 * KIB,
    connection_bytes=160 * KIB,
    hostile_bytes=2 * MIB,
)
COUNTS = {"slow-reader": 2, "bomb": 2, "slow-client": 2, "broadcast": 2, "application": 2}


@pytest.fixture
def record(results: Results) -> Results:
    """Every scenario twice: with everything, and with nothing that may be missing."""
    return replace(
        results,
        rows=(),
        timing=(),
        buffers=Buffers(
            implementation="asyncio",
            tls=False,
            defaults=LIMITS,
            keepalive=Keepalive(ping_interval=20.0, ping_timeout=20.0, close_timeout=10.0),
            read_bytes=256 * KIB,
            seconds=60.5,
            slow_readers=(SLOW_READER, UNLIMITED_READER),
            bombs=(BOMB, ACCEPTED_BOMB),
            slow_clients=(SLOW_CLIENT, SILENT_CLIENT),
            broadcasts=(BROADCAST, STUCK_BROADCAST),
            applications=(APPLICATION, OWN_APPLICATION),
            advice=ADVICE,
        ),
        warnings=("the processor was busy",),
    )


@pytest.fixture
def empty(record: Results) -> Results:
    """Nothing was measured but what the defaults are, and these are none."""
    return replace(
        record,
        partial=True,
        buffers=Buffers(
            implementation="sync",
            tls=True,
            defaults=NO_LIMITS,
            keepalive=Keepalive(ping_interval=None, ping_timeout=None, close_timeout=None),
            read_bytes=16 * KIB,
            seconds=0.0,
        ),
        warnings=(),
    )


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def tables(markdown: str) -> dict[str, list[list[str]]]:
    """Rows of each table of a Markdown text, by its title; the first row is the head."""
    found: dict[str, list[list[str]]] = {}
    title = ""
    for line in markdown.splitlines():
        if line.startswith("### "):
            title = line[4:]
        elif line.startswith("|") and not set(line) <= set("|-: "):
            found.setdefault(title.split(":")[0], []).append(cells(line))
    return found


def test_every_quantity_of_a_slow_reader_has_a_cell(record: Results) -> None:
    head, first, second = tables(render(record, "markdown"))["Slow reader"]
    assert dict(zip(head, first, strict=True)) == {
        "Settings": "12/5",
        "Messages": "text, 1 MiB",
        "max_queue": "16",
        "max_size": "1 MiB",
        "Taken": "1,235, 20 MiB",
        "In queue": "17",
        "Allocated": "24 MiB",
        "Peak": "26 MiB",
        "Resident": "25 MiB",
        "Bound": "16 MiB",
        "Of bound": "1.50 ×",
        "Can reach": "18 MiB",
        "In kernel": "3 KiB + 5 KiB",
    }
    assert dict(zip(head, second, strict=True)) == {
        "Settings": "off",
        "Messages": "fragmented, 1.5 KiB in 16 frames",
        "max_queue": "no limit",
        "max_size": "no limit",
        "Taken": "1,235, 20 MiB, goes on",
        "In queue": "17",
        "Allocated": "-512 bytes",
        "Peak": "26 MiB",
        "Resident": "25 MiB",
        "Bound": "no limit",
        "Of bound": "—",
        "Can reach": "no limit",
        "In kernel": "—",
    }
    printed = render(record)
    assert "explain 96% of what" in printed
    assert "Of the bytes sent, 100% were read" in printed


def test_other_scenarios_have_theirs(record: Results) -> None:
    found = tables(render(record, "markdown"))
    assert found["Decompression bomb"][1:] == [
        ["12/5", "1 MiB", "64 MiB", "64 KiB", "16", "refused with 1009", "2 MiB", "2.1 MiB"],
        ["12/5", "no limit", "64 MiB", "64 KiB", "1", "accepted", "2 MiB", "no limit"],
    ]
    assert found["Slow client"][1:] == [
        [
            *("12/5", "32 KiB", "1,000 messages", "33 KiB", "100 KiB + 200 KiB", "34 KiB"),
            *("36 KiB", "no: 1 hangs while closing, 2 still open after 8 s"),
        ],
        ["off", "no limit", "nothing", "33 KiB", "—", "34 KiB", "36 KiB", "after 3.2 s"],
    ]
    first, second = found["Broadcast"][1:]
    assert first == [
        *("12/5", "3 fast, 2 stuck", "5,000 messages in 4 s", "300 KiB", "0.3 s"),
        *("1.5 MiB a second", "301 bytes", "6 MiB / 0 bytes", "13 MiB", "after 3.2 s"),
    ]
    assert second[2:7] == [
        "5,000 messages in 4 s, then got stuck itself",
        *("—",) * 4,
    ]


def test_parts_of_an_application_add_up(record: Results) -> None:
    found = tables(render(record, "markdown"))["Application"]
    assert [row[1:] for row in found[:6]] == [
        ["Number", "Allocated, each", "Resident, each", "Resident, all"],
        ["1", "—", "20 MiB", "20 MiB"],
        ["200", "60 KiB", "64 KiB", "12.5 MiB"],
        ["200", "101 KiB", "100 KiB", "19.5 MiB"],
        ["10", "-3 bytes", "1 MiB", "10 MiB"],
        ["", "", "", "62 MiB"],
    ]
    assert found[2][0] == "connection, 12/5"
    assert found[3][0] == "application, echo, keeps 100 KiB"
    assert "my_app:handler" in found[9][0]
    assert render(record).count("The kernel holds 7 MiB") == 1


def test_the_advice_is_a_snippet_that_runs(record: Results) -> None:
    markdown = render(record, "markdown")
    (snippet,) = re.findall(r"```python\n(.*?)\n```", markdown, re.DOTALL)
    assert snippet.splitlines() == [
        "from websockets.asyncio.server import serve",
        "",
        "async with serve(handler, host, port, max_size=5120, max_queue=16) as server:",
        "    await server.serve_forever()",
    ]
    assert textwrap.indent(snippet, "    ") in render(record)
    for text in (markdown, render(record)):
        assert "The largest of these messages has 4,321 bytes, 95% of them at most 1,000. " in text
        assert "For 16 messages at once:" in text
        assert "1,000 connections, 12/5, idle: 59 MiB allocated" in text
        assert "up to 156 MiB with these messages, 23 frames each, and 2.0 GiB if" in text
        assert "see --receive-buffer" in text


def test_the_advice_holds_for_what_was_measured(record: Results) -> None:
    """Costs are those of a server as it was, which the snippet has to make the same."""
    assert record.buffers is not None
    advice = replace(
        ADVICE, settings=None, p95_bytes=4321, limits=replace(ADVICE.limits, write_limit=KIB)
    )
    as_it_was = replace(record.buffers, tls=True, receive_buffer_bytes=8192, advice=advice)
    text = render(replace(record, buffers=as_it_was))
    snippet = server_snippet(
        "asyncio",
        None,
        {"max_size": 5120, "max_queue": 16, "write_limit": KIB},
        tls=True,
        receive_buffer_bytes=8192,
    )
    assert textwrap.indent(snippet, "    ") in text
    assert "The largest of these messages has 4,321 bytes. For 16" in text
    assert "see --receive-buffer" not in text


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_what_stands_above_and_below(record: Results, empty: Results, format: str) -> None:
    text = render(record, format)
    assert "commits: 1,837 messages" in text
    assert "asyncio implementation (tasks), which reads up to 256 KiB at once" in text
    assert (
        "max_size 1 MiB, max_queue 16, write_limit 32 KiB, ping_interval 20 s, ping_timeout 20 s"
    ) in text
    assert "Partial" not in text
    assert text.endswith("Warning: the processor was busy\n")
    text = render(empty, format)
    assert "sync implementation (threads), over TLS, which reads up to 16 KiB" in text
    assert "max_size no limit, max_queue no limit, no write_limit" in text
    assert "ping_interval none, ping_timeout none" in text
    assert "Partial: " in text
    assert "Warning" not in text
    assert "|" not in text and "---" not in text


def test_threads_have_no_write_limit(record: Results) -> None:
    assert record.buffers is not None
    threads = replace(record, buffers=replace(record.buffers, implementation="sync"))
    rows = tables(render(threads, "markdown"))["Slow client"][1:]
    assert {row[1] for row in rows} == {"no such limit"}
    assert "from websockets.sync.server import serve" in render(threads)


def test_markdown_tables_have_a_cell_for_every_column(record: Results) -> None:
    found = tables(render(record, "markdown"))
    assert len(found) == 5
    for rows in found.values():
        assert len({len(row) for row in rows}) == 1
    assert sum(map(len, found.values())) == 4 * 3 + 2 * 6


def test_restructuredtext_has_tables_and_titles_alone(record: Results) -> None:
    blocks = render(record, "rst").rstrip("\n").split("\n\n")
    titles = [section.title for section in sections(record)]
    assert len(titles) == 6
    assert [block.splitlines()[0] for block in blocks[::2]] == titles
    for title in blocks[::2]:
        text, underline = title.splitlines()
        assert underline == "-" * len(text)
    for table in blocks[1::2]:
        lines = table.splitlines()
        assert {lines[0], lines[2], lines[-1]} == {lines[0]}
        assert set(lines[0]) == {"=", " "}
        ends = [match.end() for match in re.finditer("=+", lines[0])]
        assert all(line[end : end + 2].strip() == "" for line in lines for end in ends[:-1])


def test_csv_has_a_row_a_record_with_numbers_in_base_units(record: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(render(record, "csv"))))
    scenarios = [row["scenario"] for row in rows]
    assert {name: scenarios.count(name) for name in scenarios} == {**COUNTS, "advice": 1}
    first, second, bomb = rows[0], rows[1], rows[2]
    assert first["settings"] == "12/5"
    assert first["limits.max_size"] == str(MIB)
    assert first["messages"] == "1234.6"
    assert first["reach_bytes"] == str(18 * MIB)
    assert first["close_code"] == ""
    assert (second["settings"], second["limits.max_queue"], second["accounted"]) == ("off", "", "")
    assert (bomb["close_code"], bomb["is_fragmented"]) == ("1009", "True")
    client = rows[4]
    assert client["closing.keepalive.ping_interval"] == "2.0"
    assert client["closing.keepalive.close_timeout"] == ""
    assert (client["closing.states.open"], client["closing.states.closed"]) == ("2", "")
    assert rows[-1]["burst"] == "16"
    assert None not in first


@pytest.mark.parametrize("format", BUFFERS_FORMATS)
def test_nothing_measured_is_no_table(empty: Results, format: str) -> None:
    text = render(empty, format)
    assert text.endswith("\n")
    assert "Slow" not in text


def test_there_is_no_grid(record: Results) -> None:
    with pytest.raises(ResultsError, match="no report format 'grid'; choose one of table, markd"):
        render(record, "grid")


def test_a_record_comes_back_from_json_and_a_file(
    record: Results, empty: Results, tmp_path: Path
) -> None:
    for item in (record, empty):
        data = render(item, "json").encode()
        assert parse_results(data, "x") == item
        path = tmp_path / "record.json"
        item.save(path)
        loaded = load_results(path)
        assert loaded == item
        for format in BUFFERS_FORMATS:
            assert render(loaded, format) == render(item, format)


@pytest.mark.parametrize(
    ("field", "value"), [("read_bytes", 0), ("seconds", -1), ("implementation", "trio")]
)
def test_a_record_that_cannot_be_is_refused(record: Results, field: str, value: object) -> None:
    data = json.loads(record.to_json())
    data["buffers"][field] = value
    with pytest.raises(ResultsError, match=rf"x: not a record of results: .*buffers\.{field}"):
        parse_results(json.dumps(data).encode(), "x")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (10 * KIB, "10 KiB"),
        (1000 * KIB, "1,000 KiB"),
        (MIB - KIB, "1,023 KiB"),
        (MIB - 1, "1 MiB"),
        (MIB, "1 MiB"),
        (2**30 - 1, "1 GiB"),
        (2**30, "1 GiB"),
        (5000 * 2**30, "5,000 GiB"),
        (-1, "-1 bytes"),
        (-1024, "-1 KiB"),
        (-MIB - MIB // 2, "-1.5 MiB"),
        (1234.5 * KIB, "1.2 MiB"),
    ],
)
def test_bytes_are_written_in_the_largest_unit_that_fits(size: float, text: str) -> None:
    assert binary_bytes(size) == text


UNITS = {"byte": 1, "bytes": 1, "KiB": KIB, "MiB": MIB, "GiB": 2**30}


@given(st.integers(-(2**45), 2**45))
@example(1)
@example(MIB - 52)
@example(MIB - 53)
@example(2**30 - 53_000)
@example(2**30 - 54_000)
def test_what_is_written_is_what_there_is_within_its_last_digit(size: int) -> None:
    number, unit = binary_bytes(size).split(" ")
    value = float(number.replace(",", ""))
    exact = UNITS[unit] == 1
    assert abs(value * UNITS[unit] - size) <= (0 if exact else 0.0501 * UNITS[unit])
    assert unit == "GiB" or abs(value) < 1024
    assert abs(value) >= 1 or exact


@given(st.floats(-2000, 2000))
@example(1023.6)
@example(-0.3)
def test_fractions_of_bytes_are_rounded_into_the_right_unit(size: float) -> None:
    number, unit = binary_bytes(size).split(" ")
    assert unit == "KiB" or abs(int(number)) < 1024
    assert number != "-0"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("65536", 65_536),
        ("0", 0),
        ("64KiB", 65_536),
        (" 1 MiB ", MIB),
        ("2gib", 2**31),
        ("1kib", KIB),
    ],
)
def test_sizes_that_users_write(text: str, size: int) -> None:
    assert parse_bytes(text) == size
    assert or_none(parse_bytes)(text) == size


@given(st.integers(0, 10**15 - 1), st.sampled_from(["", "KiB", "MiB", "GiB"]))
@example(1024, "GiB")
@example(1025, "GiB")
def test_any_number_of_bytes_in_any_unit_up_to_a_tebibyte(number: int, unit: str) -> None:
    size = number * UNITS[unit or "bytes"]
    if size <= 2**40:
        assert parse_bytes(f"{number}{unit}") == size
    else:
        with pytest.raises(SettingsError, match="choose up to 1024GiB"):
            parse_bytes(f"{number}{unit}")


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5MiB", "1e3", "1_000", "64K", "64KB", "KiB", "1  KiB", "٣", "nan", "none"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(SettingsError, match="write a number of bytes, such as 65536 or 64KiB"):
        parse_bytes(text)


def test_frames_and_seconds_that_users_write() -> None:
    assert parse_frames("1") == 1
    assert parse_frames("999999999") == 999_999_999
    assert parse_seconds("0.5") == 0.5
    assert parse_seconds("86400") == 86_400
    assert parse_grace("0") == 0
    for parse in (parse_bytes, parse_frames, parse_seconds, parse_grace):
        assert or_none(parse)(" None ") is None
        assert or_none(parse)("5") == 5


@pytest.mark.parametrize("text", ["0", "00", "-1", "1.5", "", "1000000000", "1KiB", "٣", "²"])
def test_what_is_no_number_of_frames(text: str) -> None:
    with pytest.raises(SettingsError, match=r"write a number of frames, from 1$"):
        parse_frames(text)


@pytest.mark.parametrize("text", ["-1", "-0.001", "nan", "inf", "-inf", "86401", "", "5s", "1e9"])
def test_what_is_no_time(text: str) -> None:
    for parse in (parse_seconds, parse_grace):
        with pytest.raises(SettingsError, match=re.escape(repr(text))):
            parse(text)


def test_no_time_is_none_but_to_be_graceful() -> None:
    with pytest.raises(SettingsError, match="above 0"):
        parse_seconds("0")
    assert parse_grace("0.0") == 0

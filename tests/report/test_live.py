import csv
import io

from msgspec.structs import replace

from wsbench import Results, render
from wsbench.results import parse_results
from wsbench.settings import BROWSER

TABLE = """\
commits: 1,837 messages, 10,000 bytes, 1 stream
websockets 17.4, zlib 1.2.13, CPython 3.11.7, Linux x86_64, 2 × Some CPU
Server: wsbench serve, asyncio, over TLS; 1,000 connections from 2 client processes, \
10 messages in flight

Settings    Allocated    Resident: opened    after 1 message    after 200 messages    \
CPU per message    Round trip p50 / p99
----------  -----------  ------------------  -----------------  --------------------  \
-----------------  ----------------------
12/5        196.0 KiB    40.0 KiB            50.0 KiB           60.0 KiB              \
61.5 µs            0.59 ms / 1.03 ms
off                                                             1.0 KiB

"""


def test_the_table_has_a_column_a_quantity(live_results: Results) -> None:
    printed = render(live_results)
    lines = [line.rstrip() for line in printed.splitlines()]
    assert "\n".join(lines).startswith(TABLE)
    assert "(USS)" in printed
    assert "socket buffers, both ends, wait up to 0.5 KiB." in printed
    assert (
        "Opened: 1,234 connections per second, while the server used 95% of a processor." in printed
    )
    assert "Negotiated" not in printed


def test_any_other_server_is_told_by_what_it_negotiated(live_results: Results) -> None:
    assert live_results.live is not None
    first, second = live_results.rows
    results = replace(
        live_results,
        rows=(replace(first, settings=BROWSER, memory=None), second),
        live=replace(live_results.live, server="node x.js", implementation=None, resident="rss"),
    )
    table = render(results).split("\n\n")[1].splitlines()
    assert table[0].startswith("Settings    Resident (RSS): opened")
    assert table[0].endswith("Negotiated")
    assert table[2].startswith("browser ")
    assert table[2].endswith(
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    )
    assert table[3].startswith("off ")
    assert table[3].endswith("—")
    assert "Memory Level is not negotiated" not in render(results)
    assert "Memory Level is not negotiated" in render(replace(results, rows=live_results.rows))


def test_csv_and_json_hold_every_number(live_results: Results) -> None:
    first, second = csv.DictReader(io.StringIO(render(live_results, "csv")))
    live = {key: value for key, value in first.items() if key.startswith("live_")}
    assert live == {
        "live_connections": "1000",
        "live_negotiated": (
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
        ),
        "live_opened_per_second": "1234.5",
        "live_opening_cpu_share": "0.95",
        "live_resident_opened_bytes": "40960",
        "live_resident_after_one_bytes": "51200",
        "live_resident_bytes": "61440",
        "live_kernel_bytes": "512",
        "live_cpu_ns_per_message": "61540",
        "live_round_trip_ns_p50": "590000",
        "live_round_trip_ns_p99": "1030000",
    }
    assert (second["settings"], second["live_cpu_ns_per_message"]) == ("off", "")
    assert parse_results(render(live_results, "json").encode(), "x") == live_results


def test_grid_and_partial_records(live_results: Results) -> None:
    grid = render(live_results, "grid")
    assert "Resident: opened\n\n" in grid
    assert "61.5 µs *" in grid
    assert "Partial: the measurement did not finish" in render(replace(live_results, partial=True))

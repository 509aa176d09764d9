"""Formats for programs: CSV, one line a settings, and JSON, the record itself."""

import csv
import io
from collections.abc import Callable
from functools import partial

from wsbench.report.buffers import buffers_rows
from wsbench.report.cells import time_columns
from wsbench.results import Results, Row

_SETTINGS = ("window_bits", "memory_level", "level", "strategy", "context_takeover")
_MEMORY = ("connection_bytes", "connection_stdev_bytes", "deflate_bytes", "inflate_bytes")
_SIZE = ("original_bytes", "compressed_bytes", "wire_bytes")
_LIVE = (
    "connections",
    "negotiated",
    "opened_per_second",
    "opening_cpu_share",
    "resident_opened_bytes",
    "resident_after_one_bytes",
    "resident_bytes",
    "kernel_bytes",
    "cpu_ns_per_message",
)
_TIME = (
    "encode_ns_per_message",
    "vs_reference",
    "ci95",
    "decode_ns_per_message",
    "decode_vs_reference",
    "decode_ci95",
    "sampled_messages",
    "rounds",
)


def render_json(results: Results, _decode: bool) -> str:
    """The record, as `--save` writes it."""
    return results.to_json().decode()


def render_csv(results: Results, _decode: bool) -> str:
    """A header line, then one line a row, numbers in base units; what was not measured is empty.

    Ratios to the reference are fractions: 0.152 means 15.2 % more. The disabled row is `off`, and
    has no settings, nor has `browser`. What begins with `at_1000_` was timed with 1,000
    connections, what begins with `live_` was measured on a live server.
    """
    columns = _columns(results)
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(row) for cell in columns.values()] for row in results.rows)
    return output.getvalue()


def render_buffers_csv(results: Results, _decode: bool) -> str:
    """A header line, then one line for what was measured of each scenario, in base units.

    What a scenario does not have is empty.
    """
    rows = list(buffers_rows(results))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    output = io.StringIO()
    writer = csv.DictWriter(output, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return output.getvalue()


def _columns(results: Results) -> dict[str, Callable[[Row], object]]:
    columns: dict[str, Callable[[Row], object]] = {
        "settings": lambda row: row.label,
        **{name: _field(lambda row: row.deflate, name) for name in _SETTINGS},
        "client_window_bits": lambda row: row.deflate and row.deflate.window_bits_of("client"),
        "reference": lambda row: row.settings == results.reference,
        **{name: _field(lambda row: row.memory, name) for name in _MEMORY},
        "resident_bytes": _field(lambda row: row.resident, "connection_bytes"),
        **{name: _field(lambda row: row.size, name) for name in _SIZE},
        "size_vs_reference": results.size_vs_reference,
    }
    if results.live is not None:
        columns |= {f"live_{name}": _field(lambda row: row.live, name) for name in _LIVE}
        for name in ("p50", "p99"):
            round_trip = _field(lambda row: row.live and row.live.round_trip_ns, name)
            columns[f"live_round_trip_ns_{name}"] = round_trip
    for connections in results.timed_connections():
        for name in _TIME:
            value = _field(partial(Row.time_at, connections=connections), name)
            column = f"at_{connections}_{name}"
            if name.endswith("ci95"):
                columns[f"{column}_low"] = _item(value, 0)
                columns[f"{column}_high"] = _item(value, 1)
            else:
                columns[column] = value
        for timed in time_columns(results, decode=True):
            if timed.connections == connections:
                prefix = "decode_" if timed.decode else ""
                columns[f"at_{connections}_{prefix}within_precision"] = timed.is_known
    return columns


def _field(part: Callable[[Row], object], name: str) -> Callable[[Row], object]:
    return lambda row: getattr(part(row), name, None)


def _item(pair: Callable[[Row], object], index: int) -> Callable[[Row], object]:
    def item(row: Row) -> object:
        value = pair(row)
        return value[index] if isinstance(value, tuple) else None

    return item

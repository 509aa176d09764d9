"""The tables of the docs' script: window bits down, memory levels across, a quantity a table."""

from collections.abc import Callable
from itertools import groupby

from tabulate import tabulate

from wsbench.report.prose import heading, note
from wsbench.report.units import difference, kib, microseconds, percent
from wsbench.results import Results, Row
from wsbench.settings import DeflateSettings


def render_grid(results: Results) -> str:
    """A group of tables for each level, strategy and context takeover in the record."""
    rows = [row for row in results.rows if row.settings is not None]
    parts = ["\n".join(heading(results))]
    for variant, of_variant in groupby(sorted(rows, key=_variant_order), key=_variant):
        group = list(of_variant)
        suffix = f" ({variant})" if variant else ""
        for title, cell in _quantities(results).items():
            table = _grid(group, results.reference, cell)
            parts.append(f"{title}{suffix}\n\n{table}")
    parts.append(note(results))
    return "\n\n".join(parts) + "\n"


def _quantities(results: Results) -> dict[str, Callable[[Row], str | None]]:
    """A title and the cell of a row for each quantity that was measured."""
    reference = f"vs. {results.reference}"
    quantities: dict[str, Callable[[Row], str | None]] = {}
    if any(row.size for row in results.rows):
        quantities["Compression ratio: bytes saved"] = _saved
    if any(row.time for row in results.rows):
        quantities["CPU time: to compress a message"] = _time
    if any(row.memory for row in results.rows):
        quantities["Memory usage: allocated per connection"] = _memory
    if any(row.size for row in results.rows):
        quantities[f"Size {reference}"] = lambda row: _size_difference(row, results)
    if any(row.time for row in results.rows):
        quantities[f"Time {reference}"] = _time_difference
    return quantities


def _grid(rows: list[Row], reference: DeflateSettings, cell: Callable[[Row], str | None]) -> str:
    cells: dict[tuple[int, int], str] = {}
    for row in rows:
        if row.settings is not None:
            text = cell(row) or ""
            marked = f"{text} *" if row.settings == reference else text
            cells[row.settings.window_bits, row.settings.memory_level] = marked
    window_bits = sorted({bits for bits, _ in cells})
    memory_levels = sorted({level for _, level in cells})
    return tabulate(
        [
            [bits, *(cells.get((bits, level), "") for level in memory_levels)]
            for bits in window_bits
        ],
        headers=["wb \\ ml", *map(str, memory_levels)],
        disable_numparse=True,
        stralign="right",
    )


def _variant(row: Row) -> str:
    """What sets the row's settings apart, beside window bits and memory level."""
    assert row.settings is not None
    return ", ".join(str(row.settings).split(", ")[1:])


def _variant_order(row: Row) -> tuple[bool, int, str]:
    assert row.settings is not None
    settings = row.settings
    return not settings.context_takeover, settings.level, settings.strategy


def _saved(row: Row) -> str | None:
    if row.size is None or not row.size.original_bytes:
        return None
    return percent(1 - row.size.compressed_bytes / row.size.original_bytes)


def _time(row: Row) -> str | None:
    return microseconds(row.time[0].encode_ns_per_message) if row.time else None


def _memory(row: Row) -> str | None:
    return kib(row.memory.connection_bytes) if row.memory else None


def _size_difference(row: Row, results: Results) -> str | None:
    vs_reference = results.size_vs_reference(row)
    return None if vs_reference is None else difference(vs_reference)


def _time_difference(row: Row) -> str | None:
    return difference(row.time[0].vs_reference) if row.time else None

"""The tables of the docs' script: window bits down, memory levels across, a quantity a table."""

from collections.abc import Callable

from tabulate import tabulate

from wsbench.report.cells import time_columns
from wsbench.report.live import live_quantities
from wsbench.report.prose import heading, notes
from wsbench.report.units import difference, kib, percent
from wsbench.results import Memory, Resident, Results, Row


def render_grid(results: Results, decode: bool) -> str:
    """A group of tables for each level, strategy and context takeover in the record."""
    parts = ["\n".join(heading(results))]
    variants = dict.fromkeys(row.deflate.variant for row in results.rows if row.deflate)
    for variant in sorted(variants):
        suffix = f" ({variant})" if variant else ""
        for title, cell in _quantities(results, decode).items():
            parts.append(f"{title}{suffix}\n\n{_grid(results, variant, cell)}")
    parts.extend(notes(results, decode))
    return "\n\n".join(parts) + "\n"


def _quantities(results: Results, decode: bool) -> dict[str, Callable[[Row], str | None]]:
    """A title and the cell of a row for each quantity that was measured."""
    reference = f"vs. {results.reference}"
    times = list(time_columns(results, decode=decode))
    quantities: dict[str, Callable[[Row], str | None]] = {}
    if any(row.size for row in results.rows):
        quantities["Compression ratio: bytes saved"] = _saved
    for column in times:
        what = "decompress" if column.decode else "compress"
        quantities[f"CPU time: to {what} a message{column.suffix}"] = column.absolute
    if any(row.memory for row in results.rows):
        quantities["Memory usage: allocated per connection"] = lambda row: _memory(row.memory)
    if any(row.resident for row in results.rows):
        quantities["Resident memory per connection"] = lambda row: _memory(row.resident)
    if any(row.size for row in results.rows):
        quantities[f"Size {reference}"] = lambda row: _size_difference(row, results)
    for column in times:
        quantities[f"{column.quantity} {reference}{column.suffix}"] = column.difference
    return quantities | (live_quantities(results) if results.live else {})


def _grid(results: Results, variant: str, cell: Callable[[Row], str | None]) -> str:
    cells: dict[tuple[int, int], str] = {}
    for row in results.rows:
        if row.deflate is not None and row.deflate.variant == variant:
            text = cell(row) or ""
            marked = f"{text} *" if row.settings == results.reference else text
            cells[row.deflate.window_bits, row.deflate.memory_level] = marked
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


def _saved(row: Row) -> str | None:
    if row.size is None or not row.size.original_bytes:
        return None
    return percent(1 - row.size.compressed_bytes / row.size.original_bytes)


def _memory(memory: Memory | Resident | None) -> str | None:
    return kib(memory.connection_bytes) if memory else None


def _size_difference(row: Row, results: Results) -> str | None:
    vs_reference = results.size_vs_reference(row)
    return None if vs_reference is None else difference(vs_reference)

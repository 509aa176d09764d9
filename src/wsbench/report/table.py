"""The docs' table: one row a settings, as plain text, as Markdown and as reStructuredText."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import UNSET
from tabulate import tabulate

from wsbench.report.cells import TimeColumn, time_columns
from wsbench.report.prose import heading, notes
from wsbench.report.units import DASH, difference, kib
from wsbench.results import Memory, Resident, Results, Row
from wsbench.settings import REFERENCE, DeflateSettings


class _Style(NamedTuple):
    """How one output format writes a table.

    `mark` wraps the cells that name the reference, `off` stands for "no settings" in the first
    column, `precise` shows decimals and intervals.
    """

    tablefmt: str
    mark: Callable[[str], str]
    off: str
    precise: bool


_TEXT = _Style("simple", lambda cell: f"{cell} *", "off", precise=True)
_MARKDOWN = _Style("github", lambda cell: f"**{cell}**", "off", precise=True)
_RST = _Style("rst", lambda cell: f"**{cell}**", DASH, precise=False)


def render_table(results: Results, decode: bool) -> str:
    """Plain text, with a heading above and notes below."""
    table = _table(results, _TEXT, decode)
    return "\n".join([*heading(results), "", table, "", *notes(results, decode), ""])


def render_markdown(results: Results, decode: bool) -> str:
    """A Markdown table, with the heading and the notes as paragraphs."""
    paragraphs = ["  \n".join(heading(results, mark="bold")), _table(results, _MARKDOWN, decode)]
    return "\n\n".join([*paragraphs, *notes(results, decode)]) + "\n"


def render_rst(results: Results, decode: bool) -> str:
    """The table of websockets' documentation, in reStructuredText, and nothing else."""
    return _table(results, _RST, decode) + "\n"


def _table(results: Results, style: _Style, decode: bool) -> str:
    columns = _columns(results, style, decode)
    return tabulate(
        [[cell(row) for cell in columns.values()] for row in results.rows],
        headers=list(columns),
        tablefmt=style.tablefmt,
        disable_numparse=True,
    )


def _columns(results: Results, style: _Style, decode: bool) -> dict[str, Callable[[Row], str]]:
    """The columns that the record has something for, each with the cell that a row gets in it."""
    columns = _settings_columns(results, style)
    reference = "default" if results.reference == REFERENCE else str(results.reference)
    if any(row.memory for row in results.rows):
        columns["Memory usage"] = lambda row: _memory(row.memory, style)
    if any(row.resident for row in results.rows):
        columns["Resident memory"] = lambda row: _memory(row.resident, style)
    if any(row.size for row in results.rows):
        columns[f"Size vs. {reference}"] = lambda row: _size(row, results, style)
    for column in time_columns(results, decode=decode):
        columns[column.title(reference)] = _time_cell(column, results, style)
    return columns


def _settings_columns(results: Results, style: _Style) -> dict[str, Callable[[Row], str]]:
    """Window bits, memory level, and what else differs from zlib's default in some row."""

    def column(value: Callable[[DeflateSettings], object], off: str) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            if row.deflate is None:
                return off
            text = str(value(row.deflate))
            return style.mark(text) if row.settings == results.reference else text

        return cell

    columns = {
        "Window Bits": column(lambda settings: settings.window_bits, style.off),
        "Memory Level": column(lambda settings: settings.memory_level, DASH),
    }
    settings = [row.deflate for row in results.rows if row.deflate]
    if any(item.client_window_bits is not UNSET for item in settings):
        columns["Client Window Bits"] = column(
            lambda settings: settings.window_bits_of("client"), DASH
        )
    if any(item.level != 6 for item in settings):
        columns["Level"] = column(lambda settings: settings.level, DASH)
    if any(item.strategy != "default" for item in settings):
        columns["Strategy"] = column(lambda settings: settings.strategy, DASH)
    if any(not item.context_takeover for item in settings):
        columns["Context Takeover"] = column(
            lambda settings: "yes" if settings.context_takeover else "no", DASH
        )
    return columns


def _memory(memory: Memory | Resident | None, style: _Style) -> str:
    if memory is None:
        return ""
    return kib(memory.connection_bytes, decimals=1 if style.precise else 0)


def _size(row: Row, results: Results, style: _Style) -> str:
    if row.settings == results.reference:
        return "="
    vs_reference = results.size_vs_reference(row)
    if vs_reference is None:
        return ""
    return difference(vs_reference, decimals=1 if style.precise else 0)


def _time_cell(column: TimeColumn, results: Results, style: _Style) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        if row.settings is None:
            return DASH
        if row.settings == results.reference:
            return "="
        if style.precise:
            return column.difference(row, interval=True) or ""
        return column.rounded(row) or ""

    return cell

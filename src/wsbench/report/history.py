"""A history as text: one line a record, a sparkline a quantity, and at what it moved; as JSON."""

import itertools
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC
from typing import NamedTuple

import msgspec
from tabulate import tabulate

from wsbench.errors import ResultsError
from wsbench.history import (
    ABSOLUTE_SHARE,
    LEAST_POINTS,
    PACE_SHARE,
    PROCESSOR_TIMES,
    RESIDENT,
    SIZE_SHARE,
    Group,
    History,
    HistoryRecord,
    Move,
    Series,
)
from wsbench.judge import OTHER_PROCESSOR, OTHER_SOFTWARE, MemoryLimit
from wsbench.oneline import one_line
from wsbench.quantities import MEMORY, Difference, Quantity, Unit
from wsbench.report.markdown import escaped
from wsbench.report.units import (
    DASH,
    binary_bytes,
    counted,
    difference,
    kib,
    microseconds,
    milliseconds,
    percent,
    points,
)

_BARS = "▁▂▃▄▅▆▇█"
_FLAT = "▄"
_MISSING = "·"
# A range of so many limits, or more, takes all heights.
_FULL_LIMITS = 4

_COLUMNS = 100

# What stands beside each record, by the name of the quantity.
_FIGURES = {
    "size_per_byte": "Size",
    "memory": "Memory usage",
    "resident": "Resident memory",
    "resident_bytes": "Resident memory",
    "cpu_ns_per_message": "CPU per message",
}

# What is told of a series, and what of that is numbers.
_TREND = ("Trend", "First", "Last", "Change", "Moved")
_TREND_RIGHT = ("First", "Last", "Change")

# As git writes the commits of which records have more digits.
_COMMIT_DIGITS = 7
# How many differences are named, and how long a value may be that is told.
_MOST_DIFFERENCES, _MOST_CHARACTERS = 3, 16
# Parts of the environment that differ wherever another one does.
_FOLLOWS = {"zlib_headers": "zlib", "cpu_version": "cpu", "cpu_caches": "cpu"}
_OTHER_PROCESSOR, _PERHAPS_OTHER = "other processor", "perhaps another processor"
# Those with a column of their own.
_HAVE_COLUMNS = ("websockets", "zlib", "python", "wsbench")


class _Style(NamedTuple):
    """How one output format writes tables, names, and text that came from a record."""

    tablefmt: str
    name: Callable[[str], str]
    text: Callable[[str], str]


_TEXT = _Style("simple", one_line, one_line)
_MARKDOWN = _Style("github", lambda name: f"**{escaped(name)}**", escaped)


def render_history(
    history: History,
    format: str = "table",
    *,
    settings: Collection[str] | None = None,
    moved: bool = False,
    decode: bool = False,
) -> str:
    """The history as text in one of `HISTORY_FORMATS`, ending with a newline.

    Of the series, those of these `settings` are shown, or of all; with `moved`, only those that
    moved. Tables show how long decompressing takes where that moved, and else with `decode`.

    Raises:
        ResultsError: if there is no such format.
    """
    if format not in _RENDERERS:
        raise ResultsError(
            f"no format {format!r} of a history; choose one of {', '.join(_RENDERERS)}"
        )

    def is_shown(series: Series) -> bool:
        if settings is not None and series.settings not in settings:
            return False
        is_extra = series.quantity.name.startswith("decode") and format != "json"
        return bool(series.moves) or not (moved or (is_extra and not decode))

    return _RENDERERS[format](history, history.only(is_shown))


def sparkline(values: Sequence[float | None], limit: float = 0.0) -> str:
    """A character a value, of eight heights, and a dot where there is none.

    A range of less than `limit` is flat. One of four times that takes all heights, and one between
    its share of them, so that what has just begun to count does not look like a cliff.
    """
    present = [value for value in values if value is not None]
    low, high = min(present, default=0.0), max(present, default=0.0)
    span = high - low
    top = len(_BARS) - 1
    height = top * min(1.0, span / (_FULL_LIMITS * limit)) if limit else top
    is_flat = not span or span < limit

    def bar(value: float | None) -> str:
        if value is None:
            return _MISSING
        if is_flat:
            return _FLAT
        return _BARS[int((top - height) / 2 + height * ((value - low) / span) + 0.5)]

    return "".join(map(bar, values))


def _render_table(history: History, shown: History) -> str:
    sections = []
    for group, series in _groups(history, shown):
        sections.append("\n".join([*_heading(group, _TEXT), "", _records(group, _TEXT)]))
        if len(group.records) > 1:
            sections.append(_trends_text(series, group) if series else "Nothing moved.")
    notes = textwrap.fill(_notes(history), _COLUMNS, break_on_hyphens=False)
    return "\n\n".join([*sections, notes]) + "\n"


def _render_markdown(history: History, shown: History) -> str:
    sections = []
    for group, series in _groups(history, shown):
        sections.append("  \n".join(_heading(group, _MARKDOWN)))
        sections.append(_records(group, _MARKDOWN))
        if len(group.records) > 1:
            sections.append(_trends_markdown(series, group) if series else "Nothing moved.")
    return "\n\n".join([*sections, _notes(history)]) + "\n"


def _render_json(_history: History, shown: History) -> str:
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode() + "\n"


_RENDERERS: dict[str, Callable[[History, History], str]] = {
    "table": _render_table,
    "markdown": _render_markdown,
    "json": _render_json,
}
HISTORY_FORMATS = tuple(_RENDERERS)


def _groups(history: History, shown: History) -> Iterator[tuple[Group, tuple[Series, ...]]]:
    """All groups, whose figures stand beside records, each with the series to show."""
    for group, of_shown in zip(history.groups, shown.groups, strict=True):
        yield group, of_shown.series


def _heading(group: Group, style: _Style) -> list[str]:
    """Which messages, how many records, from when to when, and whose figures are beside them."""
    dates = [f"{group.records[index].created.astimezone(UTC):%Y-%m-%d}" for index in (0, -1)]
    lines = [
        f"{style.name(group.corpus)}: {counted(len(group.records), 'record')}, "
        f"{' to '.join(dict.fromkeys(dates))}"
    ]
    if _figures(group):
        lines[0] += f", with the figures of {_main_settings(group)}"
    if group.server is not None:
        lines.append(f"Live connections to {style.text(group.server)}")
    return lines


def _records(group: Group, style: _Style) -> str:
    """One line a record: when, with what, what came of it, and what else was another."""
    columns: dict[str, Callable[[int, HistoryRecord], str]] = {
        "Created (UTC)": lambda _, record: _time(record),
        "Commit": lambda _, record: record.commit or DASH,
        "wsbench": lambda _, record: record.wsbench,
        "websockets": lambda _, record: record.environment.websockets,
        "zlib": lambda _, record: record.environment.zlib,
        "Python": lambda _, record: record.environment.python,
    }
    for series in _figures(group):
        columns[_FIGURES[series.quantity.name]] = _figure(series)
    columns["Remarks"] = lambda _, record: _remarks(record)
    rows = [
        [cell(index, record) for cell in columns.values()]
        for index, record in enumerate(group.records)
    ]
    used = [
        column
        for column in range(len(columns))
        if any(row[column] not in ("", DASH) for row in rows)
    ]
    titles = list(columns)
    return _table(
        [[row[column] for column in used] for row in rows],
        [titles[column] for column in used],
        style,
        right=_FIGURES.values(),
    )


def _main_settings(group: Group) -> str:
    """The settings whose figures stand beside records: the reference, or the first there are."""
    settings = [series.settings for series in group.series]
    reference = str(group.reference)
    return reference if reference in settings or not settings else settings[0]


def _figures(group: Group) -> list[Series]:
    main = _main_settings(group)
    return [
        series
        for series in group.series
        if series.settings == main and series.quantity.name in _FIGURES
    ]


def _figure(series: Series) -> Callable[[int, HistoryRecord], str]:
    def cell(index: int, _record: HistoryRecord) -> str:
        value = series.values[index]
        return DASH if value is None else _value(series.quantity, value.value)

    return cell


def _remarks(record: HistoryRecord) -> str:
    partial = ["partial"] if record.partial else []
    return ", ".join([*partial, *_texts(record.differences, apart_from=_HAVE_COLUMNS)])


def _trends_text(shown: Sequence[Series], group: Group) -> str:
    """A line a series; below lines with their quantity, if there is more than one settings."""
    titles = [series.quantity.title for series in shown]
    settings = [series.settings for series in shown]
    cells = [_trend(series, group) for series in shown]
    if len(set(settings)) == 1:
        return _trend_table(titles, cells, settings[0])
    head, rule, *lines = _trend_table(settings, cells, "Settings").split("\n")
    blocks = []
    for title, block in itertools.groupby(zip(titles, lines, strict=True), lambda pair: pair[0]):
        blocks.append("\n".join([title, *(line for _, line in block)]))
    return "\n".join([head, rule, "\n\n".join(blocks)])


def _trend_table(labels: list[str], cells: list[list[str]], title: str) -> str:
    rows = [[label, *of_label] for label, of_label in zip(labels, cells, strict=True)]
    return _table(rows, [title, *_TREND], _TEXT, right=_TREND_RIGHT)


def _trends_markdown(shown: Sequence[Series], group: Group) -> str:
    rows = [[item.quantity.title, item.settings, *_trend(item, group)] for item in shown]
    return _table(rows, ["Quantity", "Settings", *_TREND], _MARKDOWN, right=_TREND_RIGHT)


def _trend(series: Series, group: Group) -> list[str]:
    """The cells of a series, by the titles of `_TREND`."""
    first, last = (series.present[index].value for index in (0, -1))
    values = [None if value is None else value.value for value in series.values]
    return [
        sparkline(values, series.limit),
        _value(series.quantity, first),
        _value(series.quantity, last),
        _amount(series.quantity, first, last),
        _moved(series, group),
    ]


def _moved(series: Series, group: Group) -> str:
    """Where the quantity moved last, together with what, by how much, and how often it did."""
    if not series.moves:
        return DASH
    move = series.moves[-1]
    often = f"{len(series.moves)} times, last " if len(series.moves) > 1 else ""
    texts = _texts(move.differences)
    if len(texts) > _MOST_DIFFERENCES:
        more = len(texts) - _MOST_DIFFERENCES
        texts = [*texts[:_MOST_DIFFERENCES], f"{more} more"]
    also = f" ({', '.join(texts)})" if texts else ""
    amount = _amount(series.quantity, move.before, move.after)
    return f"{often}{_place(move, group)}{also}, {amount}"


def _place(move: Move, group: Group) -> str:
    """`at 3291efb`; `between 3291efb and 102fdf6`, where there are records between."""
    earlier, later = (
        _commit(group.records[index]) or _time(group.records[index])
        for index in (move.since, move.index)
    )
    if move.since < move.index - 1 and earlier != later:
        return f"between {earlier} and {later}"
    return f"{'at' if group.records[move.index].commit else 'on'} {later}"


def _commit(record: HistoryRecord) -> str | None:
    """The commit as short as git has it."""
    if record.commit is None:
        return None
    commit, dash, rest = record.commit.partition("-")
    is_digest = len(commit) > _COMMIT_DIGITS and set(commit) <= set("0123456789abcdef")
    return f"{commit[:_COMMIT_DIGITS] if is_digest else commit}{dash}{rest}"


def _texts(found: Iterable[Difference], apart_from: Collection[str] = ()) -> list[str]:
    """What differs, apart from some fields: `websockets 15.0 → 17.4`, `other processor`."""
    fields = [item.field for item in found]
    texts = dict.fromkeys(
        _text(item)
        for item in found
        if item.field not in apart_from and _FOLLOWS.get(item.field, "") not in fields
    )
    if _OTHER_PROCESSOR in texts:
        texts.pop(_PERHAPS_OTHER, None)
    return list(texts)


def _text(item: Difference) -> str:
    if _FOLLOWS.get(item.field) == "cpu":
        # Older records do not have it.
        return _PERHAPS_OTHER if None in item.values else _OTHER_PROCESSOR
    before, after = ("unknown" if value is None else str(value) for value in item.values)
    if max(len(before), len(after)) > _MOST_CHARACTERS:
        return f"other {item.title}"
    return f"{item.title} {before} → {after}"


def _notes(history: History) -> str:
    """What counts as a move, if there can be any."""
    if all(len(group.records) == 1 for group in history.groups):
        return "No corpus has more than one record here: nothing can have moved."
    quantities = dict.fromkeys(
        series.quantity for group in history.groups for series in group.series
    )
    limits = dict.fromkeys(_limit(quantity) for quantity in sorted(quantities, key=_rank))
    return (
        f"A quantity moved where it changed by more than this: {'; '.join(limits)}. Trends are "
        "flat up to that."
    )


def _rank(quantity: Quantity) -> tuple[int, bool]:
    order: tuple[Unit, ...] = ("share", "bytes", "ratio", "ns", "per_second")
    return order.index(quantity.unit), quantity != MEMORY


def _limit(quantity: Quantity) -> str:
    """By how much such quantities may change without having moved."""
    match quantity.unit:
        case "share":
            return f"sizes {percent(SIZE_SHARE)}"
        case "bytes" if quantity == MEMORY:
            return f"allocated memory {_memory(OTHER_SOFTWARE)}"
        case "bytes":
            return f"other memory {_memory(RESIDENT)}"
        case "ratio":
            return (
                f"times vs. the reference {points(LEAST_POINTS)} points and twice the margin, on "
                f"another processor {points(OTHER_PROCESSOR)}%"
            )
        case _ if quantity.name in PROCESSOR_TIMES:
            return f"times a message, on the same processor, {points(ABSOLUTE_SHARE)}%"
        case _:
            return f"round trips and opening, on the same processor, {points(PACE_SHARE)}%"


def _memory(limit: MemoryLimit) -> str:
    return f"{binary_bytes(limit.bytes)} and {points(limit.share)}%"


def _value(quantity: Quantity, value: float) -> str:
    match quantity.unit:
        case "bytes":
            return kib(value)
        case "share":
            return percent(value)
        case "ratio":
            return difference(value)
        case "ns":
            return microseconds(value) if value < 1e6 else milliseconds(value)
        case "per_second":
            return f"{value:,.0f}/s"


def _amount(quantity: Quantity, before: float, after: float) -> str:
    """A change: of ratios, which are percentages, in points; of others relative."""
    if quantity.unit == "ratio":
        return difference(after - before).replace("%", " points")
    if before > 0:
        return difference(after / before - 1)
    return difference(0) if before == after else f"to {_value(quantity, after)}"


def _time(record: HistoryRecord) -> str:
    return f"{record.created.astimezone(UTC):%Y-%m-%d %H:%M}"


def _table(
    rows: list[list[str]], titles: list[str], style: _Style, *, right: Collection[str]
) -> str:
    text = tabulate(
        [[style.text(cell) for cell in row] for row in rows],
        headers=titles,
        tablefmt=style.tablefmt,
        disable_numparse=True,
        colalign=["right" if title in right else "left" for title in titles],
    )
    return "\n".join(line.rstrip() for line in text.split("\n"))

"""Records side by side as text: a table a quantity, with what differs above and notes below."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
from tabulate import tabulate

from wsbench.compare import (
    SCHEMA,
    ComparedQuantity,
    ComparedRecord,
    Comparison,
    Comparisons,
)
from wsbench.errors import ResultsError
from wsbench.oneline import one_line
from wsbench.quantities import (
    PROCESSOR,
    SIZE,
    Change,
    Difference,
    Value,
    differ_in,
    differences,
)
from wsbench.report.markdown import escaped
from wsbench.report.units import (
    DASH,
    binary_bytes,
    counted,
    difference,
    difference_with_margin,
    microseconds,
    milliseconds,
    percent,
)

COMPARISON_FORMATS = ("table", "markdown", "json")

# What follows a difference that may be chance, and what stands for none at all.
_CHANCE = "≈"
_EQUAL = "="
_COLUMNS = 100
_MILLISECOND_NS = 1_000_000


class _Style(NamedTuple):
    """How one output format writes a comparison.

    `text` is for what records and file names bring in, `heading` joins the lines above the tables
    and `notes` those below, `title` is for the title of one of several comparisons and
    `table_title` for that of a table.
    """

    tablefmt: str
    text: Callable[[str], str]
    heading: Callable[[Sequence[str]], str]
    notes: Callable[[Sequence[str]], str]
    title: Callable[[str], str]
    table_title: Callable[[str], str]


class _Table(NamedTuple):
    """A quantity, and how its values and their changes are written."""

    quantity: ComparedQuantity
    value: Callable[[Value], str]
    amount: Callable[[Change], str]


def render_comparisons(comparisons: Sequence[Comparison], format: str = "table") -> str:
    """Comparisons as text in one of `COMPARISON_FORMATS`, ending with a newline.

    Raises:
        ResultsError: if there is no such format.
    """
    if format not in COMPARISON_FORMATS:
        choices = ", ".join(COMPARISON_FORMATS)
        raise ResultsError(f"no format {format!r} of comparisons; choose one of {choices}")
    if format == "json":
        content = Comparisons(schema=SCHEMA, comparisons=tuple(comparisons))
        return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"
    style = _MARKDOWN if format == "markdown" else _TEXT
    parts: list[str] = []
    for comparison in comparisons:
        if len(comparisons) > 1:
            parts.append(style.title(style.text(comparison.records[0].corpus.name)))
        parts += _parts(comparison, style)
    return "\n\n".join(parts) + "\n"


def letter(number: int) -> str:
    """What a record is called in tables: A, B, … Z, AA, AB, …"""
    before, last = divmod(number, 26)
    return (letter(before - 1) if before else "") + chr(ord("A") + last)


def _wrapped(lines: Sequence[str]) -> str:
    """Lines of a width that fits a terminal; what goes on is indented."""
    return "\n".join(
        textwrap.fill(
            line, _COLUMNS, subsequent_indent="   ", break_long_words=False, break_on_hyphens=False
        )
        for line in lines
    )


def _underlined(text: str) -> str:
    return f"{text}\n{'=' * len(text)}"


_TEXT = _Style("simple", one_line, _wrapped, _wrapped, _underlined, str)
_MARKDOWN = _Style("github", escaped, "  \n".join, "\n\n".join, "## {}".format, "### {}".format)


def _parts(comparison: Comparison, style: _Style) -> Iterator[str]:
    """Paragraphs and tables."""
    yield style.heading(list(_heading(comparison, style.text)))
    tables = [_table(quantity) for quantity in comparison.quantities if len(_holders(quantity)) > 1]
    for table in tables:
        yield style.table_title(_title(table.quantity))
        yield _grid(table, comparison, style)
    shown = [table.quantity for table in tables]
    yield style.notes([*_notes(comparison, shown), *_warnings(comparison, style.text)])


def _heading(comparison: Comparison, text: Callable[[str], str]) -> Iterator[str]:
    """Which records these are, and in what they differ beside their values."""
    records = comparison.records
    for number, record in enumerate(records):
        yield f"{letter(number)}: {_record_line(record, text)}"
    for number, record in enumerate(records):
        if record.partial:
            yield f"{letter(number)} is partial: what is missing was not measured"
    if not comparison.same_messages:
        messages = "; ".join(_messages(records, text))
        yield f"The messages differ, and what depends on them: {messages}"
    if comparison.differences:
        yield f"Environment: {_differences(comparison.differences, text)}"
    else:
        environment = records[0].environment
        yield text(
            f"Environment: the same, {environment.os} {environment.machine}, "
            f"{environment.cpus} × {environment.cpu or 'CPU'}"
        )
    if comparison.conditions:
        yield f"Measured with: {_differences(comparison.conditions, text)}"


def _record_line(record: ComparedRecord, text: Callable[[str], str]) -> str:
    environment = record.environment
    parts = [
        record.corpus.name,
        f"{record.created:%Y-%m-%d %H:%M %Z}",
        *([f"commit {record.commit}"] if record.commit else []),
        f"wsbench {record.wsbench}",
        f"websockets {environment.websockets}",
        f"zlib {environment.zlib}",
        f"{environment.implementation} {environment.python}",
    ]
    return text(f"{record.label}: {', '.join(parts)}")


def _messages(records: Sequence[ComparedRecord], text: Callable[[str], str]) -> Iterator[str]:
    """Which messages each record is of; the digest tells apart what goes by one name."""
    for number, record in enumerate(records):
        corpus = record.corpus
        of = f"{counted(corpus.messages, 'message')} of {counted(corpus.bytes, 'byte')}"
        yield f"{letter(number)} {text(corpus.name)}, {of} ({corpus.sha256[:12]})"


def _differences(found: Sequence[Difference], text: Callable[[str], str]) -> str:
    """`websockets 15.0 → 17.4; …`; of three records `websockets 15.0 / 17.4 / 17.4`."""
    arrow = " → " if len(found[0].values) == 2 else " / "
    return "; ".join(
        f"{text(item.title)} {arrow.join(_said(value, text) for value in item.values)}"
        for item in found
    )


def _said(value: str | int | None, text: Callable[[str], str]) -> str:
    if value is None:
        return DASH
    return f"{value:,}" if isinstance(value, int) else text(value)


def _holders(quantity: ComparedQuantity) -> list[int]:
    """The numbers of the records that have values of it."""
    columns = zip(*(row.values for row in quantity.rows), strict=True)
    return [number for number, column in enumerate(columns) if any(column)]


def _title(quantity: ComparedQuantity) -> str:
    return f"{quantity.title}, in bytes" if quantity.name == SIZE.name else quantity.title


def _table(quantity: ComparedQuantity) -> _Table:
    """How its numbers are written, the same in all rows."""
    match quantity.unit:
        case "bytes" if quantity.name == SIZE.name:
            # Every byte counts, since sizes are exact.
            return _Table(quantity, lambda value: f"{value.value:,.0f}", _amount(_count))
        case "bytes":
            return _Table(quantity, lambda value: binary_bytes(value.value), _amount(binary_bytes))
        case "share":
            return _Table(quantity, lambda value: percent(value.value), _points)
        case "ratio":
            return _Table(quantity, _ratio, _points)
        case "ns":
            most = max(value.value for row in quantity.rows for value in row.values if value)
            form = milliseconds if most >= _MILLISECOND_NS else partial(microseconds, decimals=1)
            return _Table(quantity, lambda value: form(value.value), _amount(form))
        case "per_second":
            return _Table(quantity, lambda value: _count(value.value), _amount(_count))


def _count(value: float) -> str:
    return f"{round(value):,}"


def _ratio(value: Value) -> str:
    if not value.margin:
        return difference(value.value)
    return difference_with_margin(value.value, value.margin)


def _points(change: Change) -> str:
    """A difference of ratios or shares, in percentage points: `+5.2 ± 1.1`."""
    if change.margin is None:
        return difference(change.change).removesuffix("%")
    if not change.margin:
        relative = f" ({difference(change.relative)})" if change.relative is not None else ""
        return f"{difference(change.change).removesuffix('%')}{relative}"
    return difference_with_margin(change.change, change.margin).replace("%", "")


def _amount(form: Callable[[float], str]) -> Callable[[Change], str]:
    """A difference in the unit of its values, and in percent of the first: `+12 KiB (+6.1%)`."""

    def text(change: Change) -> str:
        parts = ["+" * (change.change > 0) + form(change.change)]
        if change.margin:
            margin = form(change.margin)
            number, _, unit = parts[0].rpartition(" ")
            parts = [number if margin.endswith(f" {unit}") else parts[0], "±", margin]
        if change.relative is not None:
            parts.append(f"({difference(change.relative)})")
        return " ".join(parts)

    return text


def _grid(table: _Table, comparison: Comparison, style: _Style) -> str:
    heads, aligned = ["Settings", letter(0)], ["left", "right"]
    for number in range(1, len(comparison.records)):
        heads += [letter(number), "difference"]
        aligned += ["right", "left"]
    rows = []
    for row in table.quantity.rows:
        cells = [style.text(row.settings), _cell(row.values[0], table)]
        for value, change in zip(row.values[1:], row.changes[1:], strict=True):
            cells += [_cell(value, table), _change_cell(change, table)]
        rows.append(cells)
    return tabulate(
        rows, headers=heads, tablefmt=style.tablefmt, disable_numparse=True, colalign=aligned
    )


def _cell(value: Value | None, table: _Table) -> str:
    return DASH if value is None else table.value(value)


def _change_cell(change: Change | None, table: _Table) -> str:
    if change is None:
        return DASH
    if not change.change:
        return _EQUAL
    text = table.amount(change)
    return f"{text} {_CHANCE}" if change.real is False else text


def _notes(comparison: Comparison, shown: Sequence[ComparedQuantity]) -> Iterator[str]:
    """What the marks mean, and what the numbers do not tell."""
    changes = [
        (quantity, change)
        for quantity in shown
        for row in quantity.rows
        for change in row.changes
        if change is not None
    ]
    parts = ["Differences are from A."]
    if any(quantity.unit in ("ratio", "share") for quantity, _ in changes):
        parts.append("Those of percentages are in points.")
    ratios = any(quantity.unit == "ratio" for quantity in shown)
    if ratios or any(change.change and change.margin for _, change in changes):
        parts.append("±: the 95% interval.")
    if any(not change.change for _, change in changes):
        parts.append(f"{_EQUAL}: exactly the same.")
    if any(change.change and change.real is False for _, change in changes):
        parts.append(f"{_CHANCE}: within the interval, so it may be chance.")
    missing = (row.values for quantity in shown for row in quantity.rows)
    if any(None in of_row for of_row in missing):
        parts.append(f"{DASH}: not measured.")
    yield " ".join(parts)
    unknown = dict.fromkeys(
        quantity.title for quantity, change in changes if change.margin is None and change.change
    )
    if unknown:
        which = "" if len(unknown) == len(shown) else f" of {'; '.join(unknown)}"
        yield f"How well values{which} are known is not recorded: differences may be chance."
    yield from _processor_notes(comparison, shown)
    yield from _time_notes(comparison, shown)
    yield from _alone(comparison)


def _processor_notes(comparison: Comparison, shown: Sequence[ComparedQuantity]) -> Iterator[str]:
    """What another processor means, or one of which too little is known."""
    ratios = any(quantity.unit == "ratio" for quantity in shown)
    absolute = [quantity.title for quantity in shown if not quantity.portable]
    if not ratios and not absolute:
        return
    base, *others = comparison.records
    other: dict[bool, list[str]] = {}
    for number, record in enumerate(others, 1):
        found = [
            item
            for item in differences([base.environment, record.environment])
            if differ_in([item], PROCESSOR)
        ]
        if found:
            is_certain = any(None not in item.values for item in found)
            other.setdefault(is_certain, []).append(letter(number))
    for is_certain, letters in sorted(other.items(), reverse=True):
        names = " and ".join(letters)
        has = ("have" if len(letters) > 1 else "has") if is_certain else "may have"
        yield f"{names} {has} another processor than A."
    if other and ratios:
        yield (
            "Ratios of times depend on the processor by as much as 20%: which of their differences "
            "may be chance is not marked."
        )
    if other and absolute:
        titles = "; ".join(absolute)
        yield f"Where the processor may be another, no difference is given of {titles}."
    if not other and base.environment.cpu_version is None:
        yield (
            "The records tell the processor by its name alone, which different ones go by: times "
            "may be of two."
        )


def _time_notes(comparison: Comparison, shown: Sequence[ComparedQuantity]) -> Iterator[str]:
    """What became of times that were compared with other settings when they were measured."""
    ratios = any(quantity.unit == "ratio" for quantity in shown)
    base = comparison.records[0]
    for number, record in enumerate(comparison.records):
        if record.lacks_reference:
            yield (
                f"{letter(number)} has times that are not shown: it was measured without "
                f"{base.reference}, which they would have to be compared with."
            )
        elif ratios and record.reference != base.reference:
            yield (
                f"{letter(number)}'s own times are compared with {record.reference}; here they are "
                f"compared with {base.reference}, like A's."
            )


def _alone(comparison: Comparison) -> Iterator[str]:
    """What only one record has values of."""
    titles: dict[int, list[str]] = {}
    for quantity in comparison.quantities:
        holders = _holders(quantity)
        if len(holders) == 1:
            titles.setdefault(holders[0], []).append(quantity.title)
    for number, of_record in sorted(titles.items()):
        yield f"Only {letter(number)} has: {'; '.join(of_record)}."


def _warnings(comparison: Comparison, text: Callable[[str], str]) -> Iterator[str]:
    """What disturbed the measurements."""
    for number, record in enumerate(comparison.records):
        for warning in record.warnings:
            yield f"Warning, {letter(number)}: {text(warning)}"

"""A check as text: what it was compared with, the figures of what did not pass, and the verdict."""

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

import msgspec
from tabulate import tabulate

from wsbench.checks import Check, CorpusCheck
from wsbench.errors import ResultsError
from wsbench.judge import Judgement
from wsbench.quantities import time_quantity
from wsbench.report.figures import amount, before_and_after, increase
from wsbench.report.markdown import code, escaped
from wsbench.report.units import DASH
from wsbench.report.verdicts import (
    MARKS,
    consequences,
    counts,
    differences_line,
    ending,
    finding,
    is_of_reference,
    largest_increases,
    nearest_to_budgets,
    printable,
    took,
    total,
    verdict_lines,
)

# Where each format is rendered; annotations show the table too.
_RENDERERS = {
    "table": ("wsbench.report.check", "render_table"),
    "markdown": ("wsbench.report.check", "render_markdown"),
    "json": ("wsbench.report.check", "render_json"),
    "github": ("wsbench.report.github", "render_github"),
}

FORMATS = tuple(_RENDERERS)

_SIZE_TITLES = {"bytes": "Size in bytes", "bytes_per_message": "Bytes per message"}


class _Style(NamedTuple):
    """How a format writes tables, what comes from outside, other text, and a line on a verdict."""

    tablefmt: str
    name: Callable[[str], str]
    text: Callable[[str], str]
    strong: Callable[[str], str]
    item: str


class _Group(NamedTuple):
    """Corpora that were compared with the same, in the same environment."""

    against: str
    checks: list[CorpusCheck]


def render_check(check: Check, format: str = "table", *, verbose: bool = False) -> str:
    """What a check found, in one of `FORMATS`, ending with a newline.

    Corpora of which something failed have a table of all figures, and the only one if something is
    undecided; with `verbose`, all have.

    Raises:
        ResultsError: if there is no such format.
    """
    if format not in _RENDERERS:
        raise ResultsError(f"no report format {format!r}; choose one of {', '.join(FORMATS)}")
    module, name = _RENDERERS[format]
    renderer: Callable[[Check, bool], str] = getattr(import_module(module), name)
    return renderer(check, verbose)


def render_table(check: Check, verbose: bool = False) -> str:
    """Plain text, whose last line is the verdict."""
    is_alone = len(check.checks) == 1
    blocks = []
    for group in _groups(check, _TEXT):
        brief, detailed = _split(group.checks, verbose, is_alone)
        heading = _heading(group, _TEXT)
        if is_alone:
            blocks.append([*heading, *map(_best, brief), *_brief_lines(brief, _TEXT)])
        else:
            blocks += [heading, [_brief_table(brief, _TEXT)], _brief_lines(brief, _TEXT)]
        for item in detailed:
            if len(group.checks) > 1:
                blocks.append([_TEXT.name(item.path)])
            blocks += [[_detail_table(item, _TEXT)], _lines(item, _TEXT)]
            if not is_alone:
                blocks[-1].append(total([item]))
    blocks.append([*_notes(check, _TEXT, verbose), total(check.checks)])
    texts = ("\n".join(filter(None, lines)) for lines in blocks)
    return "\n\n".join(filter(None, texts)) + "\n"


def render_markdown(check: Check, verbose: bool = False) -> str:
    """Markdown, which begins with the verdict."""
    return "\n\n".join(markdown_blocks(check, verbose)) + "\n"


def render_json(check: Check, _verbose: bool = False) -> str:
    """The check itself; what in a name is no UTF-8 becomes an escape of JSON's."""
    text = json.dumps(msgspec.to_builtins(check), indent=2, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def markdown_blocks(check: Check, verbose: bool = False) -> list[str]:
    """Paragraphs, lists and tables of Markdown, the first of which is the verdict."""
    blocks = [_MARKDOWN.strong(_MARKDOWN.text(total(check.checks)))]
    for group in _groups(check, _MARKDOWN):
        brief, detailed = _split(group.checks, verbose, len(check.checks) == 1)
        blocks.append("  \n".join(_heading(group, _MARKDOWN)))
        for item in detailed:
            if len(group.checks) > 1:
                blocks.append(_MARKDOWN.strong(f"{_MARKDOWN.name(item.path)}: {counts([item])}"))
            blocks += ["\n".join(_lines(item, _MARKDOWN)), _detail_table(item, _MARKDOWN)]
        blocks += [_brief_table(brief, _MARKDOWN), "\n".join(_brief_lines(brief, _MARKDOWN))]
    return list(filter(None, [*blocks, *_notes(check, _MARKDOWN, verbose)]))


def _groups(check: Check, style: _Style) -> list[_Group]:
    """The corpora, in their order, by what they were compared with."""
    groups: dict[tuple[str, str], _Group] = {}
    for item in check.checks:
        against = _against(item, check.wsbench, style)
        key = against, differences_line(item.differences)
        groups.setdefault(key, _Group(against, [])).checks.append(item)
    return list(groups.values())


def _against(check: CorpusCheck, version: str, style: _Style) -> str:
    """What it was compared with: the file, and when, at which commit and by what it was made."""
    if check.baseline is None:
        return "against budgets"
    baseline = check.baseline
    text = f"against {style.name(baseline.file)}, of {baseline.created:%Y-%m-%d}"
    if baseline.commit is not None:
        text += f", commit {style.name(baseline.commit)}"
    if baseline.wsbench != version:
        text += f", by wsbench {style.name(baseline.wsbench)}"
    return text


def _heading(group: _Group, style: _Style) -> list[str]:
    """Which messages were checked against what, and whether the environment is another."""
    first, *others = group.checks
    what = f"{len(group.checks)} corpora" if others else style.name(first.path)
    lines = [f"{what} {group.against}"]
    if first.differences:
        lines.append(differences_line(first.differences, style.name))
        lines += dict.fromkeys(line for item in group.checks for line in consequences(item))
    return lines


def _split(
    checks: Sequence[CorpusCheck], verbose: bool, is_alone: bool
) -> tuple[list[CorpusCheck], list[CorpusCheck]]:
    """Those of which some lines say enough, and those that have a table of all figures.

    Those are where something failed. What is undecided on a busy machine would show many of them.
    """
    brief: list[CorpusCheck] = []
    detailed: list[CorpusCheck] = []
    for item in checks:
        is_detailed = verbose or item.count("failed") or (is_alone and item.count("undecided"))
        (detailed if is_detailed else brief).append(item)
    return brief, detailed


def _best(check: CorpusCheck) -> str:
    """What the figures of a corpus come to that passed."""
    increases = [f"{name} {text}" for name, text in largest_increases(check).items()]
    budgets = [f"{name} {text}" for name, text in nearest_to_budgets(check).items()]
    sentences = []
    if increases:
        sentences.append(f"Largest increases: {', '.join(increases)}.")
    if budgets:
        sentences.append(f"Budgets: {', '.join(budgets)}.")
    return " ".join(sentences)


def _brief_table(checks: Sequence[CorpusCheck], style: _Style) -> str:
    """A row for each corpus of which nothing failed, with its largest increases; or nothing."""
    rows = []
    for check in checks:
        name = style.name(check.corpus.name)
        undecided = check.count("undecided")
        cells = {
            # Even in code, a bar would end the cell.
            "Corpus": name.replace("|", "\\|") if style is _MARKDOWN else name,
            "Passed": str(check.count("passed")),
            "Undecided": f"{undecided} {MARKS['undecided']}" if undecided else "",
        }
        cells |= {of[:1].upper() + of[1:]: text for of, text in largest_increases(check).items()}
        cells |= {f"Budget: {of}": text for of, text in nearest_to_budgets(check).items()}
        rows.append(cells | {"Took": took([check])})
    # Not all have the same, but all end with how long it took.
    names = [*dict.fromkeys(name for row in rows for name in row if name != "Took"), "Took"]
    columns = [name for name in names if any(row.get(name) for row in rows)]
    return _tabulated([[row.get(name, "") for name in columns] for row in rows], columns, style)


def _detail_table(check: CorpusCheck, style: _Style) -> str:
    """A row a settings and a column a quantity, budgets last; empty if nothing was judged."""
    judged = [item for item in check.judgements if item.quantity != "corpus"]
    columns: dict[str, dict[str, str]] = {}
    for item in sorted(judged, key=lambda item: (item.is_budget, item.connections or 0)):
        columns.setdefault(_title(item, check), {})[item.label] = _cell(item, check)
    rows = [
        [label, *(cells.get(label, "") for cells in columns.values())]
        for label in dict.fromkeys(item.label for item in judged)
    ]
    return _tabulated(rows, ["Settings", *columns], style)


def _tabulated(rows: list[list[str]], headers: list[str], style: _Style) -> str:
    if not rows:
        return ""
    return tabulate(rows, headers=headers, tablefmt=style.tablefmt, disable_numparse=True)


def _title(judgement: Judgement, check: CorpusCheck) -> str:
    if judgement.is_budget and judgement.limit is not None:
        name = judgement.quantity.capitalize()
        return f"{name} budget, {amount(judgement, judgement.limit)}"
    match judgement.quantity:
        case "time":
            return time_quantity(judgement.connections or 1, check.reference).title
        case "memory":
            title = "Allocated memory"
        case _:
            title = _SIZE_TITLES.get(judgement.unit, "Share of the bytes")
    return title


def _cell(judgement: Judgement, check: CorpusCheck) -> str:
    if judgement.measured is None:
        text = DASH
    elif is_of_reference(judgement, check):
        text = "=" if judgement.verdict == "passed" else f"= ({increase(judgement)})"
    elif judgement.is_budget:
        text = amount(judgement, judgement.measured)
    else:
        text, grown = before_and_after(judgement), increase(judgement)
        # One figure has not changed; and what is rounded to nothing says nothing.
        if "→" in text and set(grown) & set("123456789"):
            text += f" ({grown})"
    return f"{text} {MARKS[judgement.verdict]}".rstrip()


def _lines(check: CorpusCheck, style: _Style, name: str = "") -> list[str]:
    """A line for what did not pass, and one if the messages changed and may; `name` comes first."""
    lines = [
        f"{style.text(finding(item, check))}"
        for item in check.judgements
        if item.quantity == "corpus" and item.verdict == "passed"
    ]
    lines += [f"{style.strong(of.word)}{style.text(of.rest)}" for of in verdict_lines(check)]
    return [f"{style.item}{name}{line}" for line in lines]


def _brief_lines(checks: Sequence[CorpusCheck], style: _Style) -> list[str]:
    """The same of some corpora, if there is more than one, with their names."""
    return [
        line
        for check in checks
        for line in _lines(check, style, f"{style.name(check.corpus.name)}: ")
    ]


def _notes(check: Check, style: _Style, verbose: bool) -> list[str]:
    """What the tables mean, what was left out, and what disturbed the measurement."""
    lines = []
    shown = _split(check.checks, verbose, len(check.checks) == 1)[1]
    judgements = [judgement for item in shown for judgement in item.judgements]
    verdicts = {item.verdict for item in judgements}
    marks = [f"{MARKS[of]} {of}" for of in MARKS if MARKS[of] and of in verdicts]
    sentences = [f"{', '.join(marks)}."] if marks else []
    grown = [item for item in judgements if item.baseline is not None and item.change]
    if grown:
        sentences.append("In parentheses: by how much it grew.")
    if any(item.quantity == "time" for item in grown):
        sentences.append("Times grew by percentage points, with half the 95% interval.")
    lines.append(" ".join(sentences))
    if any(item.count("undecided") for item in check.checks):
        lines.append("What is undecided does not fail, unless --strict is given.")
    if text := ending(check):
        lines.append(style.text(text))
    warnings = dict.fromkeys(text for item in check.checks for text in item.warnings)
    # What is decided is decided, on however busy a machine.
    if verbose or check.verdict != "passed":
        warnings |= dict.fromkeys(text for item in check.checks for text in item.disturbances)
    return lines + [f"Warning: {style.text(printable(text))}" for text in warnings]


_TEXT = _Style("simple", printable, str, str, "")
_MARKDOWN = _Style(
    "github", lambda name: code(printable(name)), escaped, lambda text: f"**{text}**", "- "
)

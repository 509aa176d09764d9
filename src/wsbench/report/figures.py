"""The figures of a judgement: what was measured, by how much it grew, and what is allowed."""

from collections.abc import Callable
from typing import NamedTuple

from wsbench.judge import Judgement
from wsbench.report.units import difference, difference_with_margin, kib

# Figures that differ are written with so many decimals at most until they look different.
_MOST_DECIMALS = 6


class Grown(NamedTuple):
    """What a figure was and is, by how much it grew, and by how much it may."""

    figures: str
    increase: str
    allowed: str


def amount(judgement: Judgement, value: float, decimals: int = 1) -> str:
    """A figure in the judgement's unit: `65.8 KiB`, `98,592`, `33.3%`, `+13.1%` of a ratio."""
    match judgement.unit:
        case "bytes" if judgement.quantity == "memory":
            return kib(value, decimals=decimals)
        case "bytes":
            return f"{value:,.0f}"
        case "bytes_per_message":
            return f"{value:,.{decimals}f}"
        case "share":
            return difference(value, decimals=decimals).removeprefix("+")
        case _:
            return difference(value, decimals=decimals)


def before_and_after(judgement: Judgement, decimals: int = 1) -> str:
    """What it was and is: `63.8 KiB → 65.8 KiB`; once, if that is exact and looks the same."""
    before, after = (
        "" if value is None else amount(judgement, value, decimals)
        for value in (judgement.baseline, judgement.measured)
    )
    if before == after and judgement.quantity != "time":
        return after
    return f"{before} → {after}"


def increase(judgement: Judgement) -> str:
    """By how much it grew: `+0.7%`, `+2.0 KiB`, and, in percentage points, `+5.2 ± 0.9`."""
    change = judgement.change or 0.0
    if judgement.quantity != "time":
        return _exact_increase(judgement, change, 1)
    if judgement.margin is None:
        return difference(change).removesuffix("%")
    return difference_with_margin(change, judgement.margin).replace("%", "")


def grown(judgement: Judgement) -> Grown:
    """All of that, of what has no budget, with as many decimals as show why it failed."""
    limit, change = judgement.limit or 0.0, judgement.change or 0.0
    if judgement.quantity == "time":
        return Grown(before_and_after(judgement), increase(judgement), allowed_points(limit))
    (figures,) = _told_apart(
        lambda decimals: (before_and_after(judgement, decimals),),
        lambda texts: not change or "→" in texts[0],
    )
    written, allowed = _told_apart(
        lambda decimals: (
            _exact_increase(judgement, change, decimals),
            _exact_increase(judgement, limit, decimals),
        )
    )
    return Grown(figures, written, allowed)


def against_budget(judgement: Judgement) -> tuple[str, str]:
    """What was measured, and the budget, with as many decimals as show which is more."""
    measured, limit = judgement.measured or 0.0, judgement.limit or 0.0
    found, budget = _told_apart(
        lambda decimals: (amount(judgement, measured, decimals), amount(judgement, limit, decimals))
    )
    return found, budget


def allowed_points(fraction: float) -> str:
    """Percentage points with their sign: `+5`, `+26.6`."""
    return difference(fraction).removesuffix("%").removesuffix(".0")


def nearness(judgement: Judgement) -> float:
    """What is nearest to its limit ranks highest, of those of one quantity."""
    if judgement.is_budget:
        return judgement.measured or 0.0
    change = judgement.change or 0.0
    if judgement.quantity == "size" and judgement.baseline:
        return change / judgement.baseline
    return change


def _exact_increase(judgement: Judgement, change: float, decimals: int) -> str:
    """An increase of an exact figure: of memory in KiB, of a size as a share of the baseline."""
    if judgement.quantity == "memory":
        text = kib(abs(change), decimals=decimals)
        if text == kib(0, decimals=decimals):
            return text
        return f"{'+' if change > 0 else '-'}{text}"
    if not judgement.baseline:
        return f"{change:+,.0f}"
    return difference(change / judgement.baseline, decimals=decimals)


def _told_apart(
    write: Callable[[int], tuple[str, ...]],
    is_enough: Callable[[tuple[str, ...]], bool] = lambda texts: len(set(texts)) > 1,
) -> tuple[str, ...]:
    """Figures with as few decimals as let them look different, as they are."""
    for decimals in range(1, _MOST_DECIMALS):
        if is_enough(texts := write(decimals)):
            return texts
    return write(_MOST_DECIMALS)

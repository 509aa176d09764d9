"""What a check found, in words: a line a judgement, and what all of them come to."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from wsbench.checks import Check, CorpusCheck
from wsbench.judge import OTHER_PROCESSOR, OTHER_SOFTWARE, Judgement, Verdict
from wsbench.oneline import one_line
from wsbench.quantities import PROCESSOR, SOFTWARE, Difference, differ_in
from wsbench.report.cells import at_connections
from wsbench.report.figures import against_budget, grown, increase, nearness
from wsbench.report.units import binary_bytes, counted, percent, points, seconds
from wsbench.results import CorpusSummary

# How verdicts are marked in tables, in the order in which they are counted, and how lines begin.
MARKS: dict[Verdict, str] = {"passed": "", "failed": "✗", "undecided": "?"}
_WORDS: dict[Verdict, str] = {"passed": "passed", "failed": "FAILED", "undecided": "undecided"}
_QUANTITIES = ("corpus", "size", "memory", "time")

# What comes from outside is cut to so many characters, more than a path has in practice.
_LONGEST = 200
# How many corpora, or settings, a line names.
_MOST_NAMES = 8
# More lines than these that differ in the settings alone become one.
_MOST_ALIKE = 2


class VerdictLine(NamedTuple):
    """The verdict, what it is on, empty for the messages, and the figures, or why."""

    verdict: Verdict
    subject: str
    finding: str

    @property
    def word(self) -> str:
        """What it begins with: `FAILED` or `undecided`."""
        return _WORDS[self.verdict]

    @property
    def rest(self) -> str:
        """What follows: ` 12/5 memory: 63.8 KiB → …`."""
        return f"{self.subject and ' '}{self.subject}: {self.finding}"


def printable(text: str) -> str:
    """What comes from outside, in one line that is not too long."""
    if len(text) > _LONGEST:
        half = _LONGEST // 2
        text = f"{text[:half]}…{text[-half:]}"
    return one_line(text)


def subject(judgement: Judgement) -> str:
    """What was judged: `12/5 memory`, `11/4 time on one connection`, `messages`."""
    if judgement.quantity == "corpus":
        return "messages"
    text = f"{judgement.label} {judgement.quantity}"
    if judgement.quantity != "time":
        return text
    connections = judgement.connections or 1
    return f"{text} {at_connections(connections) if connections > 1 else 'on one connection'}"


def finding(judgement: Judgement, check: CorpusCheck) -> str:
    """The figures of a judgement, what is allowed, and why or what to do."""
    if judgement.quantity == "corpus":
        return _messages(judgement, check)
    if judgement.measured is None or judgement.limit is None:
        return judgement.reason or "not measured"
    if judgement.is_budget:
        text = _over_budget(judgement)
    elif is_of_reference(judgement, check):
        return _reference(judgement)
    else:
        text = _grown(judgement, check)
    return f"{text}: {judgement.reason}" if judgement.reason else text


def is_of_reference(judgement: Judgement, check: CorpusCheck) -> bool:
    """Whether it is the time of what times are compared with."""
    return judgement.quantity == "time" and judgement.settings == check.reference


def verdict_lines(check: CorpusCheck) -> list[VerdictLine]:
    """What did not pass: first what failed, then what is undecided.

    Each judgement has a line, but those that differ in the settings alone share one, if there are
    several: undecided ones, and sizes of other messages.
    """
    found: dict[object, list[Judgement]] = {}
    for verdict in ("failed", "undecided"):
        for position, item in enumerate(check.judgements):
            if item.verdict == verdict:
                key = _alike(item) or (verdict, position)
                found.setdefault(key, []).append(item)
    lines = []
    for alike in found.values():
        if len(alike) > _MOST_ALIKE:
            lines.append(_of_several(alike))
        else:
            lines += [
                VerdictLine(
                    item.verdict,
                    "" if item.quantity == "corpus" else subject(item),
                    finding(item, check),
                )
                for item in alike
            ]
    return lines


def differences_line(
    differences: Sequence[Difference], written: Callable[[str], str] = printable
) -> str:
    """In what the environment differs from the baseline's; `written` tells how values are."""
    parts = []
    for item in differences:
        values = ("unknown" if value is None else written(str(value)) for value in item.values)
        parts.append(f"{item.title} {' → '.join(values)}")
    return f"The environment differs from the baseline's: {', '.join(parts)}."


def consequences(check: CorpusCheck) -> list[str]:
    """What the differences of the environment mean for what is allowed."""
    lines = []
    if differ_in(check.differences, SOFTWARE) and _allows_as_of_other_software(check):
        more = f"{binary_bytes(OTHER_SOFTWARE.bytes)} or {points(OTHER_SOFTWARE.share)}%"
        lines.append(
            f"As the software differs, allocated memory may be more by {more}, whichever is larger."
        )
    is_timed = any(item.quantity == "time" for item in check.judgements)
    if differ_in(check.differences, PROCESSOR) and is_timed:
        lines.append(
            f"As the processor differs, times may be longer by another {points(OTHER_PROCESSOR)}%."
        )
    return lines


def largest_increases(check: CorpusCheck) -> dict[str, str]:
    """By how much each quantity grew most, by its name."""
    nearest = _nearest(item for item in check.judgements if item.baseline is not None)
    return {
        name: f"{increase(item)} points" if item.quantity == "time" else increase(item)
        for name, item in nearest.items()
    }


def nearest_to_budgets(check: CorpusCheck) -> dict[str, str]:
    """What is nearest to each budget, by its name: `63.8 KiB ≤ 64.0 KiB`, if it is within it."""
    nearest = _nearest(item for item in check.judgements if item.is_budget)
    return {name: " ≤ ".join(against_budget(item)) for name, item in nearest.items()}


def counts(checks: Sequence[CorpusCheck], *, named: bool = False) -> str:
    """`22 passed, 1 failed, 1 undecided`; if `named`, with the corpora that did not pass."""
    parts = []
    for verdict in MARKS:
        number = sum(check.count(verdict) for check in checks)
        if not number:
            continue
        part = f"{number:,} {verdict}"
        if named and verdict != "passed":
            names = [printable(check.corpus.name) for check in checks if check.count(verdict)]
            part += f" ({_listed(names)})"
        parts.append(part)
    return ", ".join(parts) or "nothing judged"


def took(checks: Sequence[CorpusCheck]) -> str:
    """How long it took: `12 s`, and whether it ended before its time."""
    text = seconds(sum(check.seconds for check in checks))
    return f"{text}, then ended early" if any(check.partial for check in checks) else text


def total(checks: Sequence[CorpusCheck]) -> str:
    """What it came to: `chat: 24 passed, in 12 s`; `9 corpora: 215 passed, 1 failed (chat), …`."""
    if len(checks) == 1:
        what = printable(checks[0].corpus.name)
    else:
        what = f"{len(checks)} corpora"
    return f"{what}: {counts(checks, named=len(checks) > 1)}, in {took(checks)}"


def heading(check: Check) -> str:
    """The verdict, in a few words: `wsbench check failed`."""
    words: dict[Verdict, str] = {
        "passed": "passed",
        "failed": "failed",
        "undecided": "could not decide everything",
    }
    if check.ended and check.verdict != "failed":
        return "wsbench check ended early"
    return f"wsbench check {words[check.verdict]}"


def ending(check: Check) -> str:
    """Why it ended before everything was checked, and what was not; empty if it did not."""
    if not check.ended:
        return ""
    text = f"It ended early: {printable(check.ended)}; what is missing was not judged"
    if check.unchecked:
        text += f", nor was {_listed([printable(path) for path in check.unchecked])}"
    return f"{text}."


def _alike(judgement: Judgement) -> object:
    """What all have in common that share a line; None for one that has a line of its own."""
    if judgement.verdict == "undecided" or judgement.unit == "bytes_per_message":
        return (
            judgement.verdict,
            judgement.quantity,
            judgement.connections,
            judgement.is_budget,
            judgement.reason,
        )
    return None


def _of_several(alike: Sequence[Judgement]) -> VerdictLine:
    """The line that they share; their figures are in the table."""
    first = alike[0]
    text = first.reason or "not measured"
    if first.verdict == "failed":
        most = max(alike, key=nearness)
        allowed = grown(most).allowed
        text = f"up to {increase(most)}, allowed {allowed}, since the messages are others"
    what = subject(first).removeprefix(f"{first.label} ")
    return VerdictLine(first.verdict, f"{what} of {_listed([item.label for item in alike])}", text)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return f"{', '.join(names[:_MOST_NAMES])}{f' and {more} more' if more > 0 else ''}"


def _messages(judgement: Judgement, check: CorpusCheck) -> str:
    """How the messages changed, and what to do about that."""
    if check.baseline is None:
        return judgement.reason
    before, now = check.baseline.corpus, check.corpus
    if (before.messages, before.bytes) == (now.messages, now.bytes):
        text = f"{_many(before)}, now as many others"
    else:
        text = f"{_many(before)}, now {now.messages:,} of {now.bytes:,}"
    if shares := _reference_shares(check, before):
        text += f"; compressed at {check.reference} to {shares[0]} of the bytes, now {shares[1]}"
    if judgement.verdict == "passed":
        remedy = "that is allowed, and sizes are compared per original byte"
    else:
        remedy = (
            "if that is intended, pass --update, or --allow-corpus-change to compare per original "
            "byte"
        )
    return f"{judgement.reason}: {text}; {remedy}"


def _many(corpus: CorpusSummary) -> str:
    return f"{counted(corpus.messages, 'message')} of {counted(corpus.bytes, 'byte')}"


def _reference_shares(check: CorpusCheck, before: CorpusSummary) -> tuple[str, str] | None:
    """To what share of their bytes the reference compressed the messages, before and now."""
    for item in check.judgements:
        if item.quantity != "size" or item.settings != check.reference or item.is_budget:
            continue
        if item.baseline is None or item.measured is None:
            continue
        if item.unit == "share":
            return percent(item.baseline), percent(item.measured)
        if item.unit == "bytes_per_message" and before.bytes and check.corpus.bytes:
            was = item.baseline * before.messages / before.bytes
            return percent(was), percent(item.measured * check.corpus.messages / check.corpus.bytes)
    return None


def _over_budget(judgement: Judgement) -> str:
    found, budget = against_budget(judgement)
    if judgement.quantity == "memory":
        return f"{found} per connection, the budget is {budget}"
    return f"compressed to {found} of the bytes, the budget is {budget}"


def _reference(judgement: Judgement) -> str:
    """The time of the reference itself, which no ratio tells."""
    _, change, allowed = grown(judgement)
    became = (
        "may have become slower; measure longer"
        if judgement.verdict == "undecided"
        else "became slower"
    )
    return (
        f"{change} points, allowed {allowed}: it is the reference, and what the others seem to "
        f"have gained says that it {became}"
    )


def _grown(judgement: Judgement, check: CorpusCheck) -> str:
    figures, change, allowed = grown(judgement)
    if judgement.quantity == "time":
        return f"{figures} vs. {check.reference}, {change} points, allowed {allowed}"
    if judgement.quantity == "memory":
        return f"{figures} per connection, {change}, allowed {allowed}"
    units = {"bytes": " bytes", "bytes_per_message": " bytes per message"}
    return f"{figures}{units.get(judgement.unit, ' of the bytes')}, {change}, allowed {allowed}"


def _allows_as_of_other_software(check: CorpusCheck) -> bool:
    """Whether memory was judged by what other software may take, unless told otherwise."""
    judged = [
        (item.limit, OTHER_SOFTWARE.allowed_bytes(item.baseline))
        for item in check.judgements
        if item.quantity == "memory" and item.baseline is not None
    ]
    return bool(judged) and all(limit == allowed for limit, allowed in judged)


def _nearest(judgements: Iterable[Judgement]) -> dict[str, Judgement]:
    """The judgement that is nearest to its limit, of each quantity, by its name."""
    found: dict[tuple[int, int], Judgement] = {}
    for item in judgements:
        if item.measured is None:
            continue
        key = _QUANTITIES.index(item.quantity), item.connections or 0
        if key not in found or nearness(item) > nearness(found[key]):
            found[key] = item
    return {_name(item): item for _, item in sorted(found.items(), key=lambda pair: pair[0])}


def _name(judgement: Judgement) -> str:
    """`size`, `time at 1,000 connections`."""
    connections = judgement.connections or 1
    where = f" {at_connections(connections)}" if connections > 1 else ""
    return f"{judgement.quantity}{where}"

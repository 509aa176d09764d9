"""What a check found: a verdict for every settings and quantity of some corpora, for reports."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from wsbench.environment import Environment
from wsbench.judge import Judgement, Verdict
from wsbench.quantities import Difference
from wsbench.results import CorpusSummary
from wsbench.settings import DeflateSettings

_WORST_FIRST: tuple[Verdict, ...] = ("failed", "undecided")


class BaselineSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The record that a corpus was compared with, and the file it is in."""

    file: str
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    commit: str | None
    wsbench: str
    corpus: CorpusSummary
    environment: Environment


class CorpusCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What was found with the messages at `path`.

    `baseline` is None where there are only budgets, and then there are no `differences`, which are
    those between its environment and this one. `warnings` say what of the corpus was left out,
    `disturbances` what disturbed the timing. A `partial` one was interrupted.
    """

    path: str
    corpus: CorpusSummary
    reference: DeflateSettings
    environment: Environment
    baseline: BaselineSummary | None
    differences: tuple[Difference, ...]
    judgements: tuple[Judgement, ...]
    warnings: tuple[str, ...] = ()
    disturbances: tuple[str, ...] = ()
    partial: bool = False
    seconds: float = 0.0

    def count(self, verdict: Verdict) -> int:
        """How many judgements have this verdict."""
        return sum(item.verdict == verdict for item in self.judgements)


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """All that one run of `wsbench check` found.

    `verdict` is `failed` if one of the judgements is, else `undecided` if one is, or if not all was
    checked, else `passed`. `ended` says why it ended before everything was checked, empty if it did
    not, and `unchecked` are the corpora that it had not begun with.
    """

    schema: Literal["wsbench.check/1"]
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    wsbench: str
    commit: str | None
    checks: tuple[CorpusCheck, ...]
    ended: str = ""
    unchecked: tuple[str, ...] = ()
    verdict: Verdict = "passed"

    def __post_init__(self) -> None:
        found = {item.verdict for check in self.checks for item in check.judgements}
        if self.ended or any(check.partial for check in self.checks):
            found.add("undecided")
        worst = next((verdict for verdict in _WORST_FIRST if verdict in found), "passed")
        msgspec.structs.force_setattr(self, "verdict", worst)

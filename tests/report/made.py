"""Checks made by hand, with round figures, and names that nobody gives a file."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies
from msgspec.structs import replace
from tests.strategies import ENVIRONMENT as _ENVIRONMENT

from wsbench.checks import BaselineSummary, Check, CorpusCheck
from wsbench.environment import Environment
from wsbench.judge import Judgement
from wsbench.quantities import differences
from wsbench.results import CorpusSummary
from wsbench.settings import REFERENCE, DeflateSettings

SMALLER = DeflateSettings(11, 4)

ENVIRONMENT = replace(_ENVIRONMENT, python="3.13.1", zlib="1.3.1", zlib_headers="1.3.1")
OTHER_SOFTWARE = replace(ENVIRONMENT, websockets="15.0", zlib="1.2.13")
OTHER_PROCESSOR = replace(ENVIRONMENT, cpu="Other CPU")

CORPUS = CorpusSummary(name="chat", sha256="0" * 64, messages=1000, bytes=200_000, streams=1)


def size(baseline: float = 50_000, measured: float = 50_000, **fields: Any) -> Judgement:
    """A compressed size in bytes, which may grow by half a percent."""
    fields = {"settings": REFERENCE, "verdict": "passed", "unit": "bytes"} | fields
    return Judgement(
        quantity="size",
        baseline=baseline,
        measured=measured,
        change=measured - baseline,
        margin=0,
        limit=0.005 * baseline,
        **fields,
    )


def memory(baseline: float = 65_536, measured: float = 65_536, **fields: Any) -> Judgement:
    """Allocated bytes per connection, which may grow by 1 KiB."""
    fields = {"settings": REFERENCE, "verdict": "passed", "limit": 1024} | fields
    return Judgement(
        quantity="memory",
        unit="bytes",
        baseline=baseline,
        measured=measured,
        change=measured - baseline,
        **fields,
    )


def time(
    baseline: float = 0.08, measured: float = 0.083, margin: float = 0.009, **fields: Any
) -> Judgement:
    """A ratio to 12/5, which may grow by five points."""
    fields = {"settings": SMALLER, "verdict": "passed", "connections": 1, "limit": 0.05} | fields
    return Judgement(
        quantity="time",
        unit="ratio",
        baseline=baseline,
        measured=measured,
        change=measured - baseline,
        margin=margin,
        **fields,
    )


def reference_time(measured: float = 0.002, **fields: Any) -> Judgement:
    """The time of 12/5 itself."""
    reason = "by what the others seem to have gained"
    return time(0, measured, settings=REFERENCE, reason=reason, **fields)


def size_budget(measured: float = 0.25, limit: float = 0.3, verdict: Any = "passed") -> Judgement:
    """To what share messages are compressed, and may be."""
    return Judgement(
        settings=REFERENCE,
        quantity="size",
        verdict=verdict,
        unit="share",
        measured=measured,
        limit=limit,
    )


def memory_budget(
    measured: float = 65_536, limit: float = 66_560, verdict: Any = "passed"
) -> Judgement:
    """How many bytes a connection allocates, and may."""
    return Judgement(
        settings=REFERENCE,
        quantity="memory",
        verdict=verdict,
        unit="bytes",
        measured=measured,
        limit=limit,
    )


def messages(verdict: Any = "failed") -> Judgement:
    """That the messages are others."""
    return Judgement(
        settings=None,
        quantity="corpus",
        verdict=verdict,
        unit="none",
        reason="the messages changed",
    )


def wide(settings: DeflateSettings, connections: int = 1000) -> Judgement:
    """A time that could not be told."""
    return time(
        0.4,
        0.43,
        0.05,
        settings=settings,
        connections=connections,
        verdict="undecided",
        reason="the interval is too wide; measure longer",
    )


PASSED = (
    size(),
    memory(),
    reference_time(),
    size(60_000, 60_060, settings=SMALLER),
    memory(40_960, 41_062, settings=SMALLER),
    time(),
    size(200_000, 200_000, settings=None),
    memory(14_336, 14_336, settings=None),
)
FAILED = (
    memory(65_331, 67_379, verdict="failed"),
    time(0.079, 0.131, verdict="failed"),
)


def of_corpus(
    name: str = "chat",
    judgements: tuple[Judgement, ...] = PASSED,
    *,
    baseline: Environment | None = ENVIRONMENT,
    file: str = "baseline.json",
    before: CorpusSummary = CORPUS,
    **fields: Any,
) -> CorpusCheck:
    """What was found with a corpus; without the environment of a baseline, there is none."""
    summary = baseline and BaselineSummary(
        file=file,
        created=datetime(2026, 11, 22, 8, tzinfo=UTC),
        commit="0123456789ab",
        wsbench="0.1.0",
        corpus=replace(before, name=name),
        environment=baseline,
    )
    return CorpusCheck(
        **{
            "path": f"corpora/{name}.json",
            "corpus": replace(CORPUS, name=name),
            "reference": REFERENCE,
            "environment": ENVIRONMENT,
            "baseline": summary,
            "differences": tuple(differences([baseline, ENVIRONMENT])) if baseline else (),
            "judgements": judgements,
            "seconds": 12.0,
            **fields,
        }
    )


def check_of(*checks: CorpusCheck, ended: str = "", unchecked: tuple[str, ...] = ()) -> Check:
    """One run of wsbench check, which may have ended early."""
    return Check(
        schema="wsbench.check/1",
        created=datetime(2026, 11, 25, 8, tzinfo=UTC),
        wsbench="0.1.0",
        commit="abcdef012345",
        checks=checks,
        ended=ended,
        unchecked=unchecked,
    )


# What a name may hold, so that what reads the output takes it for something else.
_HOSTILE = (
    "::error::x",
    "::error title=x::",
    "##[error]x",
    "##",
    "[",
    "::",
    "%0A",
    "%25",
    "\n",
    "\r",
    "\x00",
    "\x1b[31m",
    "\u2028",
    "\u202e",
    "\ufeff",
    "\ufffe",
    "\udcff",
    " ",
    "\u00a0",
    "`",
    "``",
    "|",
    "\\",
    "<b>",
    "</details>",
    "&lt;",
    "]]>",
    "[x](https://example.com)",
    "![x](x)",
    "**",
    "# ",
    "- ",
    "---",
    "$(id)",
    "\"'",
    "é",
    "👩\u200d💻",
)
hostile_names = strategies.one_of(
    strategies.lists(strategies.sampled_from(_HOSTILE), min_size=1, max_size=6).map("".join),
    strategies.text(strategies.characters(exclude_categories=()), max_size=30),
    strategies.text(min_size=300, max_size=1000),
)


def named(name: str) -> Check:
    """A check in which the name stands wherever one can, with every kind of verdict."""
    environment = replace(ENVIRONMENT, cpu=name, allocator=name)
    found = of_corpus(
        name, (messages(), *FAILED, wide(SMALLER), *PASSED), baseline=environment, file=name
    )
    assert found.baseline is not None
    failed = replace(
        found,
        path=name,
        warnings=(name, f"the file {name} is slow"),
        baseline=replace(found.baseline, commit=name, wsbench=name),
    )
    return check_of(failed, of_corpus("plain"), of_corpus(f"{name}2", path=name, file=name))

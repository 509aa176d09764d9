"""Verdicts: whether what was measured again is worse than a baseline or a budget allows.

Sizes are exact, so every growth is real and only the limit counts. Allocated memory repeats to a
tenth of a KiB. A time is a ratio with an interval, and here is how that is judged, with `d` the
increase of the ratio, `m` half the 95 % interval of `d`, and `L` the limit:

- passed, if d + 1.5 m < L: it is certainly less than the limit. In a single process, which cannot
  know how far it is from others, d + 3 m < L is wanted;
- failed, if d > L and d - 2 m > 0, in three processes or more: it is certainly an increase, and
  more than the limit;
- undecided otherwise: measure longer. Where that cannot be, since the time is up or the baseline
  knows no better, it fails too if it is certainly an increase that has not passed: it may be one of
  as much as the limit.

Where d is normal, one and a half margins are three standard deviations, and two are four.
benchmarks/check_false_alarms.py and benchmarks/check_detects.py count what comes of that.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from wsbench.quantities import Value
from wsbench.results import CorpusSummary, Memory, Row, Size
from wsbench.settings import DeflateSettings

Verdict = Literal["passed", "failed", "undecided"]

# Margins that an increase must be below the limit to pass, in several processes and in one, and
# above zero to be real.
_SURE, _SURE_IN_ONE, _REAL = 1.5, 3.0, 2.0
# Processes that must have measured a time before it fails: where code and data happen to lie in
# memory moves the times of one.
PROCESSES_TO_FAIL = 3
# A baseline whose margin is so many times what is measured now limits what can be known.
_LIMITS = 2.0
# How much of a ratio another processor may change, beyond the limit. docs/ci.md tells of two that
# differ by 9 % on one connection and 19 % on a thousand.
OTHER_PROCESSOR = 0.2
# With fewer other settings, none tells whether it was the reference that became slower.
LEAST_OTHERS = 3
# Why the reference's time is undecided however long others are measured.
CANNOT_TELL = "others became faster, or it became slower: ratios cannot tell"


class MemoryLimit(msgspec.Struct, frozen=True):
    """How many bytes more a connection may take, or what share more; the larger counts."""

    bytes: int = 0
    share: float = 0.0

    def allowed_bytes(self, baseline_bytes: float) -> float:
        """What it allows beyond so many bytes."""
        return max(self.bytes, self.share * baseline_bytes)


# Unless told otherwise, where the software is the baseline's, and where it is not.
SAME_SOFTWARE = MemoryLimit(1024)
OTHER_SOFTWARE = MemoryLimit(1024, 0.01)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is allowed beyond the baseline, and budgets that hold without one.

    `max_size_increase` 0.005 is half a percent; `max_time_increase` 0.05 is five percentage points
    of the ratio to the reference. `max_memory_bytes` is the most that a connection may allocate,
    `max_ratio` the largest share of their bytes that the messages may be compressed to.
    """

    max_size_increase: float = 0.005
    max_memory_increase: MemoryLimit | None = None
    max_time_increase: float = 0.05
    allow_corpus_change: bool = False
    max_memory_bytes: int | None = None
    max_ratio: float | None = None

    @property
    def are_budgets(self) -> bool:
        """Whether there is a budget among them."""
        return self.max_memory_bytes is not None or self.max_ratio is not None


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of one quantity of one settings, and what it rests on.

    All numbers are in `unit`, as `wsbench.quantities` explains it; of `corpus` there are none.
    `limit` is what `change` may be; of a budget, where `baseline` and `change` are None, what
    `measured` may be. `margin` is half the 95 % interval of `change`. `reason` says why it is
    undecided, or what the numbers do not show.
    """

    settings: DeflateSettings | None
    quantity: Literal["corpus", "size", "memory", "time"]
    verdict: Verdict
    unit: Literal["bytes", "bytes_per_message", "share", "ratio", "none"]
    connections: int | None = None
    baseline: float | None = None
    measured: float | None = None
    change: float | None = None
    margin: float | None = None
    limit: float | None = None
    reason: str = ""

    @property
    def label(self) -> str:
        """`12/5` or `off`."""
        return str(self.settings or "off")

    @property
    def is_budget(self) -> bool:
        """Whether it needs no baseline."""
        return self.quantity != "corpus" and self.baseline is None and self.limit is not None


def judge_corpus(
    baseline: CorpusSummary, measured: CorpusSummary, limits: Limits
) -> Judgement | None:
    """That the messages changed, if they did."""
    if baseline.sha256 == measured.sha256:
        return None
    return Judgement(
        settings=None,
        quantity="corpus",
        verdict="passed" if limits.allow_corpus_change else "failed",
        unit="none",
        reason="the messages changed",
    )


def judge_size(
    settings: DeflateSettings | None,
    baseline: tuple[CorpusSummary, Size],
    measured: tuple[CorpusSummary, Size],
    limits: Limits,
) -> Judgement:
    """Compressed bytes; of other messages a message, or, if these are allowed, an original byte."""
    if baseline[0].sha256 == measured[0].sha256:
        unit: Literal["bytes", "bytes_per_message", "share"] = "bytes"
        divisors = (1, 1)
    elif limits.allow_corpus_change:
        unit = "share"
        divisors = (max(1, baseline[1].original_bytes), max(1, measured[1].original_bytes))
    else:
        unit = "bytes_per_message"
        divisors = (baseline[0].messages, measured[0].messages)
    before, after = (
        of.compressed_bytes / divisor
        for (_, of), divisor in zip((baseline, measured), divisors, strict=True)
    )
    limit = limits.max_size_increase * before
    return Judgement(
        settings=settings,
        quantity="size",
        verdict="failed" if after - before > limit else "passed",
        unit=unit,
        baseline=before,
        measured=after,
        change=after - before,
        margin=0,
        limit=limit,
    )


def judge_memory(
    settings: DeflateSettings | None,
    baseline: Memory,
    measured: Memory,
    limits: Limits,
    *,
    same_software: bool,
) -> Judgement:
    """Allocated bytes per connection."""
    before, after = baseline.connection_bytes, measured.connection_bytes
    allowed = limits.max_memory_increase or (SAME_SOFTWARE if same_software else OTHER_SOFTWARE)
    limit = allowed.allowed_bytes(before)
    return Judgement(
        settings=settings,
        quantity="memory",
        verdict="failed" if after - before > limit else "passed",
        unit="bytes",
        baseline=before,
        measured=after,
        change=after - before,
        limit=limit,
    )


class Times(NamedTuple):
    """What is known of the ratio of some settings, and how many processes measured it.

    `is_final` where no more will be measured.
    """

    baseline: Value
    measured: Value
    processes: int
    is_final: bool = False

    @property
    def are_limited(self) -> bool:
        """Whether measuring longer would not help, since the baseline knows less than that."""
        before, after = self.baseline.margin or 0, self.measured.margin or 0
        return self.processes >= PROCESSES_TO_FAIL and before > _LIMITS * after


def judge_time(
    settings: DeflateSettings,
    connections: int,
    times: Times,
    limits: Limits,
    *,
    same_processor: bool,
) -> Judgement:
    """The ratio to the reference, by the rule above."""
    before, after, processes, _ = times
    limit = limits.max_time_increase
    if not same_processor:
        limit += OTHER_PROCESSOR * (1 + before.value)
    change = after.value - before.value
    margin = math.hypot(before.margin or 0, after.margin or 0)
    is_real = change - _REAL * margin > 0 and processes >= PROCESSES_TO_FAIL
    is_end = times.is_final or times.are_limited
    verdict: Verdict = "undecided"
    if change + (_SURE if processes > 1 else _SURE_IN_ONE) * margin < limit:
        verdict = "passed"
    elif is_real and (change > limit or is_end):
        verdict = "failed"
    reason = ""
    if verdict == "undecided":
        reason = "the interval is too wide; " + (
            "that of the baseline is, too: make it anew, with --update"
            if times.are_limited
            else "measure longer, with --max-seconds"
        )
    elif verdict == "failed" and change <= limit:
        reason = "it is real, and perhaps more than that"
    return Judgement(
        settings=settings,
        quantity="time",
        verdict=verdict,
        unit="ratio",
        connections=connections,
        baseline=before.value,
        measured=after.value,
        change=change,
        margin=margin,
        limit=limit,
        reason=reason,
    )


def judge_reference_time(
    reference: DeflateSettings,
    connections: int,
    others: Sequence[Times],
    limits: Limits,
    *,
    same_processor: bool,
) -> Judgement | None:
    """The time of the reference itself: if it becomes slower, all others seem to become faster.

    It passes by the median of what the others gained, so that one of them that became slower or
    faster does not matter. It fails if even the one that gained least says so: where some did not
    gain, it may as well be that the others became faster, and ratios cannot tell. None if there are
    too few others.
    """
    if len(others) < LEAST_OTHERS:
        return None
    gains = sorted(map(_gain, others), key=lambda times: times.measured.value)
    by_median, by_least = (
        judge_time(reference, connections, gain, limits, same_processor=same_processor)
        for gain in (gains[len(gains) // 2], gains[0])
    )
    if by_median.verdict == "passed":
        return by_median
    if by_least.verdict == "failed":
        return by_least
    if by_least.verdict == "passed" and by_median.verdict == "failed":
        return msgspec.structs.replace(by_median, verdict="undecided", reason=CANNOT_TELL)
    return by_median if by_median.verdict == "undecided" else by_least


def _gain(times: Times) -> Times:
    """How much longer the reference takes than before, if these settings take as long as before."""
    before, after = times.baseline, times.measured
    ratio = (1 + before.value) / (1 + after.value)
    margins = [ratio * (of.margin or 0) / (1 + of.value) for of in (before, after)]
    return times._replace(baseline=Value(0, margins[0]), measured=Value(ratio - 1, margins[1]))


def judge_budgets(row: Row, limits: Limits) -> list[Judgement]:
    """What was measured of a settings, against the budgets there are for it."""
    judgements = []
    if limits.max_ratio is not None and row.size is not None:
        share = row.size.compressed_bytes / max(1, row.size.original_bytes)
        judgements.append(_judge_budget(row, "size", "share", share, limits.max_ratio))
    if limits.max_memory_bytes is not None and row.memory is not None:
        size_bytes = row.memory.connection_bytes
        judgements.append(
            _judge_budget(row, "memory", "bytes", size_bytes, limits.max_memory_bytes)
        )
    return judgements


def _judge_budget(
    row: Row,
    quantity: Literal["size", "memory"],
    unit: Literal["share", "bytes"],
    measured: float,
    limit: float,
) -> Judgement:
    return Judgement(
        settings=row.deflate,
        quantity=quantity,
        verdict="failed" if measured > limit else "passed",
        unit=unit,
        measured=measured,
        limit=limit,
    )

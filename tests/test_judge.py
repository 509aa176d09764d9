import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from wsbench.judge import (
    Judgement,
    Limits,
    MemoryLimit,
    Times,
    judge_budgets,
    judge_corpus,
    judge_memory,
    judge_reference_time,
    judge_size,
    judge_time,
)
from wsbench.quantities import Value
from wsbench.results import CorpusSummary, Memory, Row, Size
from wsbench.settings import REFERENCE, DeflateSettings

SETTINGS = DeflateSettings(11, 4)
CORPUS = CorpusSummary(name="chat", sha256="0" * 64, messages=100, bytes=10_000, streams=1)
OTHERS = replace(CORPUS, sha256="1" * 64, messages=200, bytes=40_000)


def size(compressed_bytes: int, original_bytes: int = 10_000) -> Size:
    return Size(original_bytes=original_bytes, compressed_bytes=compressed_bytes, wire_bytes=0)


def memory(connection_bytes: int) -> Memory:
    return Memory(
        connection_bytes=connection_bytes,
        connection_stdev_bytes=100,
        connections=20,
        deflate_bytes=1,
        inflate_bytes=1,
    )


def time(
    before: float,
    after: float,
    *,
    margin: float = 0.005,
    before_margin: float = 0.005,
    processes: int = 3,
    is_final: bool = False,
    max_time_increase: float = 0.05,
    same_processor: bool = True,
) -> Judgement:
    limits = Limits(max_time_increase=max_time_increase)
    times = Times(Value(before, before_margin), Value(after, margin), processes, is_final)
    return judge_time(SETTINGS, 1, times, limits, same_processor=same_processor)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [(1000, 1000, "passed"), (1000, 1005, "passed"), (1000, 1006, "failed"), (1000, 9, "passed")],
)
def test_a_size_may_grow_by_half_a_percent(before: int, after: int, verdict: str) -> None:
    judgement = judge_size(SETTINGS, (CORPUS, size(before)), (CORPUS, size(after)), Limits())
    assert judgement.verdict == verdict
    assert (judgement.unit, judgement.baseline, judgement.measured) == ("bytes", before, after)
    assert judgement.change == after - before


def test_a_size_of_nothing_may_not_grow() -> None:
    judgement = judge_size(None, (CORPUS, size(0)), (CORPUS, size(1)), Limits())
    assert judgement.verdict == "failed"
    assert judge_size(None, (CORPUS, size(0)), (CORPUS, size(0)), Limits()).verdict == "passed"


def test_other_messages_are_compared_message_by_message() -> None:
    # 10 bytes a message before and 11 now, though there are twice as many messages.
    judgement = judge_size(SETTINGS, (CORPUS, size(1000)), (OTHERS, size(2200, 40_000)), Limits())
    assert judgement.verdict == "failed"
    assert (judgement.unit, judgement.change) == ("bytes_per_message", 1)


def test_other_messages_that_are_allowed_are_compared_byte_by_byte() -> None:
    limits = Limits(allow_corpus_change=True)
    # A tenth of the original bytes before, and a little less than that now.
    judgement = judge_size(SETTINGS, (CORPUS, size(1000)), (OTHERS, size(3900, 40_000)), limits)
    assert judgement.verdict == "passed"
    assert (judgement.unit, judgement.baseline, judgement.measured) == ("share", 0.1, 0.0975)
    worse = judge_size(SETTINGS, (CORPUS, size(1000)), (OTHERS, size(4100, 40_000)), limits)
    assert worse.verdict == "failed"


def test_that_the_messages_changed_is_a_verdict_of_its_own() -> None:
    assert judge_corpus(CORPUS, CORPUS, Limits()) is None
    assert judge_corpus(CORPUS, replace(CORPUS, name="x"), Limits()) is None
    changed = judge_corpus(CORPUS, OTHERS, Limits())
    assert changed is not None
    assert (changed.quantity, changed.verdict) == ("corpus", "failed")
    allowed = judge_corpus(CORPUS, OTHERS, Limits(allow_corpus_change=True))
    assert allowed is not None
    assert allowed.verdict == "passed"


@pytest.mark.parametrize(
    ("before", "after", "limit", "same_software", "verdict"),
    [
        (64_000, 65_024, None, True, "passed"),
        (64_000, 65_025, None, True, "failed"),
        # A percent of 320,000 is more than a KiB, but the software is the same.
        (320_000, 323_000, None, True, "failed"),
        (320_000, 323_200, None, False, "passed"),
        (320_000, 323_201, None, False, "failed"),
        (64_000, 65_024, None, False, "passed"),
        (64_000, 64_641, MemoryLimit(share=0.01), True, "failed"),
        (64_000, 64_640, MemoryLimit(share=0.01), False, "passed"),
        (64_000, 64_001, MemoryLimit(), True, "failed"),
        (64_000, 10, MemoryLimit(), True, "passed"),
    ],
)
def test_memory_may_grow_by_a_kib_and_with_other_software_by_a_percent(
    before: int, after: int, limit: MemoryLimit | None, same_software: bool, verdict: str
) -> None:
    judgement = judge_memory(
        SETTINGS,
        memory(before),
        memory(after),
        Limits(max_memory_increase=limit),
        same_software=same_software,
    )
    assert judgement.verdict == verdict
    assert judgement.change == after - before


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (0.10, 0.10, "passed"),
        # The interval of the difference is ± 0.7 points: one and a half of it are 1.06.
        (0.10, 0.139, "passed"),
        (0.10, 0.140, "undecided"),
        (0.10, 0.149, "undecided"),
        (0.10, 0.151, "failed"),
        (0.10, 9.0, "failed"),
        (0.10, -0.5, "passed"),
        (-0.30, -0.249, "failed"),
    ],
)
def test_a_time_that_is_known_well_passes_or_fails(
    before: float, after: float, verdict: str
) -> None:
    judgement = time(before, after)
    assert judgement.verdict == verdict
    assert judgement.margin == pytest.approx(math.hypot(0.005, 0.005))


def test_in_the_end_a_real_increase_fails_that_may_be_of_the_limit() -> None:
    assert time(0.1, 0.145).verdict == "undecided"
    judgement = time(0.1, 0.145, is_final=True)
    assert (judgement.verdict, judgement.reason) == (
        "failed",
        "it is real, and perhaps more than that",
    )
    assert time(0.1, 0.139, is_final=True).verdict == "passed"
    # Nor does it help to measure what is known better than the baseline.
    assert time(0.1, 0.145, before_margin=0.008, margin=0.003).verdict == "failed"


def test_two_processes_are_not_enough_to_fail_nor_one_to_barely_pass() -> None:
    assert time(0.1, 0.2, processes=2).verdict == "undecided"
    assert time(0.1, 0.2, processes=2, is_final=True).verdict == "undecided"
    assert time(0.1, 0.2, processes=3).verdict == "failed"
    # Three times ± 0.7 points are 2.1.
    assert time(0.1, 0.128, processes=1).verdict == "passed"
    assert time(0.1, 0.130, processes=1).verdict == "undecided"
    assert time(0.1, 0.130, processes=2).verdict == "passed"


def test_a_time_that_is_not_known_well_is_undecided() -> None:
    judgement = time(0.1, 0.1, margin=0.05, is_final=True)
    assert judgement.verdict == "undecided"
    assert judgement.reason == "the interval is too wide; measure longer, with --max-seconds"
    # An increase that is several times its interval is real all the same.
    assert time(0.1, 0.3, margin=0.05).verdict == "failed"
    judgement = time(0.1, 0.1, before_margin=0.05)
    assert judgement.reason.endswith("that of the baseline is, too: make it anew, with --update")


def test_another_processor_may_change_a_ratio_by_a_fifth_of_it() -> None:
    # 0.05 and a fifth of 1.5 are allowed, 0.35 in all.
    assert time(0.5, 0.5 + 0.33, same_processor=False).verdict == "passed"
    assert time(0.5, 0.5 + 0.36, same_processor=False).verdict == "failed"
    assert time(0.5, 0.5 + 0.33).verdict == "failed"


ratios = st.floats(-0.9, 5)
margins = st.floats(0, 1)


@given(
    ratios,
    ratios,
    margins,
    margins,
    st.floats(0.001, 1),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
)
def test_a_time_never_fails_without_an_increase_nor_passes_with_more_than_the_limit(
    before: float,
    after: float,
    before_margin: float,
    margin: float,
    limit: float,
    processes: int,
    same_processor: bool,
    is_final: bool,
) -> None:
    judgement = time(
        before,
        after,
        margin=margin,
        before_margin=before_margin,
        processes=processes,
        is_final=is_final,
        max_time_increase=limit,
        same_processor=same_processor,
    )
    assert judgement.limit is not None
    if after <= before:
        assert judgement.verdict != "failed"
    if after - before > judgement.limit:
        assert judgement.verdict != "passed"
    if processes < 3:
        assert judgement.verdict != "failed"


def others(*ratios_after: float) -> list[Times]:
    """Settings that took as long as the reference before."""
    return [Times(Value(0, 0.005), Value(after, 0.005), 3) for after in ratios_after]


def reference(*ratios_after: float) -> Judgement | None:
    return judge_reference_time(REFERENCE, 1, others(*ratios_after), Limits(), same_processor=True)


def test_a_reference_that_became_slower_is_found_by_the_others() -> None:
    # If it takes 10 % longer, the others take 1 / 1.1 of it.
    faster = 1 / 1.1 - 1
    judgement = reference(faster, faster, faster)
    assert judgement is not None
    assert judgement.verdict == "failed"
    assert judgement.settings == REFERENCE
    assert judgement.change == pytest.approx(0.1)


def test_one_of_the_others_does_not_blame_the_reference() -> None:
    for odd in (-0.5, 0.5):
        judgement = reference(0, 0, odd)
        assert judgement is not None
        assert judgement.verdict == "passed"
    assert reference(0, 0) is None


def test_ratios_cannot_tell_the_reference_from_most_others() -> None:
    judgement = reference(-0.2, -0.2, -0.2, 0)
    assert judgement is not None
    assert judgement.verdict == "undecided"
    assert judgement.reason == "others became faster, or it became slower: ratios cannot tell"


def test_budgets() -> None:
    row = Row(settings=REFERENCE, size=size(2500), memory=memory(65_536))
    assert judge_budgets(row, Limits()) == []
    passed = judge_budgets(row, Limits(max_ratio=0.25, max_memory_bytes=65_536))
    assert [(item.quantity, item.verdict) for item in passed] == [
        ("size", "passed"),
        ("memory", "passed"),
    ]
    assert all(item.is_budget for item in passed)
    failed = judge_budgets(row, Limits(max_ratio=0.2499, max_memory_bytes=65_535))
    assert [item.verdict for item in failed] == ["failed", "failed"]
    assert (failed[0].measured, failed[0].limit) == (0.25, 0.2499)

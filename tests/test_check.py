"""Checks without a command line: what is measured again, how often, and what comes of it."""

import contextlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import wsbench
from tests.strategies import corpora, time
from wsbench import (
    LADDER,
    REFERENCE,
    Corpus,
    DeflateSettings,
    Message,
    Progress,
    Results,
    _check,
    _times,
)
from wsbench._check import CheckOptions, Outcome, check_corpora
from wsbench._update import measure_baseline, update_baseline
from wsbench.baseline import Baseline
from wsbench.checks import CorpusCheck
from wsbench.cli import main
from wsbench.errors import CorpusError, MeasurementError, ResultsError, SettingsError
from wsbench.judge import Limits, MemoryLimit
from wsbench.measure.processes import Processes
from wsbench.results import Memory, Row, TimingSummary, load_records, save_records

SIZES = CheckOptions(memory=False, time=False)
MEMORY = CheckOptions(time=False)
TIMES = CheckOptions(memory=False, max_seconds=600)
SMALL = DeflateSettings(9, 2)
OTHERS = [item for item in LADDER if item != REFERENCE]


def outcome(
    corpus: Corpus,
    record: Results | None,
    options: CheckOptions = SIZES,
    limits: Limits = Limits(),  # noqa: B008
    progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """What comes of checking one corpus, against its record or budgets alone."""
    baseline = Baseline("b.json", [record]) if record else None
    return check_corpora({"x.json": corpus}, limits, options, baseline, progress)


def checked(
    corpus: Corpus,
    record: Results | None,
    options: CheckOptions = SIZES,
    limits: Limits = Limits(),  # noqa: B008
) -> tuple[CorpusCheck, Results]:
    """The verdicts and the record, if nothing ends the check early."""
    found = outcome(corpus, record, options, limits)
    assert (found.error, found.check.ended, found.check.unchecked) == (None, "", ())
    (check,), (of_corpus,) = found.check.checks, found.records
    assert not check.partial
    assert not of_corpus.partial
    return check, of_corpus


def measured(corpus: Corpus, *settings: DeflateSettings) -> Results:
    """A record of its sizes alone."""
    return wsbench.sweep(corpus, settings or LADDER, memory=False, time=False)


def named(check: CorpusCheck, verdict: str) -> list[tuple[str, str]]:
    return [(item.quantity, item.label) for item in check.judgements if item.verdict == verdict]


def of_texts(*texts: str, name: str = "made") -> Corpus:
    return Corpus.of_messages(name, [Message(text.encode(), True) for text in texts])


# Sizes and messages


@given(corpora())
def test_the_same_messages_have_the_same_sizes(drawn: Corpus) -> None:
    record = measured(drawn, REFERENCE, SMALL)
    # Under another name, and from another file.
    again = Corpus("again", drawn.streams)
    check, found = checked(again, record)
    assert named(check, "passed") == [("size", "12/5"), ("size", "9/2"), ("size", "off")]
    assert {item.change for item in check.judgements} == {0}
    assert (check.path, check.corpus.name) == ("x.json", "again")
    assert found.rows == record.rows
    assert replace(found.corpus, name="drawn") == record.corpus


@given(corpora(), corpora(), st.booleans(), st.sampled_from([0, 0.005, 0.5]))
def test_other_messages_are_judged_by_the_message_or_the_byte(
    old: Corpus, new: Corpus, is_allowed: bool, may_grow: float
) -> None:
    record = measured(old, SMALL)
    limits = Limits(max_size_increase=may_grow, allow_corpus_change=is_allowed)
    check, _ = checked(new, record, SIZES, limits)
    now = measured(new, SMALL)
    failed = []
    if old.sha256() != new.sha256():
        failed += [] if is_allowed else [("corpus", "off")]
        for before, after in zip(record.rows, now.rows, strict=True):
            assert before.size is not None
            assert after.size is not None
            sizes = before.size.compressed_bytes, after.size.compressed_bytes
            if is_allowed:
                divisors = (
                    max(1, before.size.original_bytes),
                    max(1, after.size.original_bytes),
                )
            else:
                divisors = record.corpus.messages, now.corpus.messages
            was, became = (size / of for size, of in zip(sizes, divisors, strict=True))
            if became - was > may_grow * was:
                failed.append(("size", before.label))
    assert named(check, "failed") == failed


@given(corpora(), st.floats(0.01, 3))
def test_a_budget_is_a_share_of_the_bytes(drawn: Corpus, most: float) -> None:
    check, _ = checked(drawn, None, SIZES, Limits(max_ratio=most))
    row = measured(drawn).row(REFERENCE)
    assert row is not None
    assert row.size is not None
    is_kept = row.size.compressed_bytes / max(1, row.size.original_bytes) <= most
    assert named(check, "passed" if is_kept else "failed") == [("size", "12/5")]
    assert len(check.judgements) == 1
    assert (check.baseline, check.differences) == (None, ())


def test_jobs_make_no_difference(corpus: Corpus) -> None:
    record = measured(corpus)
    one, two = (checked(corpus, record, SIZES._replace(jobs=jobs)) for jobs in (1, 2))
    assert one[1].rows == two[1].rows == record.rows
    assert one[0].judgements == two[0].judgements


def test_an_empty_corpus_is_refused() -> None:
    with pytest.raises(CorpusError, match="empty: "):
        checked(Corpus("empty", ()), None, SIZES, Limits(max_ratio=1))


def test_settings_that_the_baseline_lacks_are_refused(corpus: Corpus) -> None:
    record = measured(corpus, SMALL)
    options = SIZES._replace(settings=[SMALL, DeflateSettings(10, 4)])
    with pytest.raises(ResultsError) as caught:
        checked(corpus, record, options)
    assert str(caught.value) == (
        "b.json: holds nothing of 10/4, only of 12/5, 9/2, off; choose among them, or make it "
        "anew with check --update"
    )


def test_the_record_has_the_reference_whatever_was_checked(corpus: Corpus) -> None:
    record = measured(corpus)
    options = SIZES._replace(settings=[None, SMALL])
    check, found = checked(corpus, record, options)
    assert named(check, "passed") == [("size", "off"), ("size", "9/2")]
    assert [row.label for row in found.rows] == ["12/5", "9/2", "off"]
    assert not found.partial
    for row in found.rows:
        assert row == record.row(row.settings)


# Memory


def memory(connection_bytes: int) -> Memory:
    return Memory(
        connection_bytes=connection_bytes,
        connection_stdev_bytes=100,
        connections=20,
        deflate_bytes=1,
        inflate_bytes=1,
    )


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> dict[DeflateSettings | None, list[int]]:
    """What memory is measured to be, one time after another; what is not said is 64,000 bytes."""
    told: dict[DeflateSettings | None, list[int]] = {}

    def measure(
        settings: Sequence[DeflateSettings | None],
    ) -> Iterator[tuple[DeflateSettings | None, Memory]]:
        for item in settings:
            of_item = told.get(item, [64_000])
            yield item, memory(of_item.pop(0) if len(of_item) > 1 else of_item[0])

    monkeypatch.setattr(_check, "measure_memory", measure)
    return told


def with_memory(record: Results, connection_bytes: int = 64_000) -> Results:
    rows = tuple(replace(row, memory=memory(connection_bytes)) for row in record.rows)
    return replace(record, rows=rows)


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ([65_024, 99_999], "passed"),
        ([65_025, 65_024, 99_999], "passed"),
        ([99_999, 65_025, 0], "failed"),
        ([65_025, 99_999, 0], "failed"),
    ],
)
def test_one_odd_reading_does_not_fail(
    corpus: Corpus,
    readings: dict[DeflateSettings | None, list[int]],
    told: list[int],
    verdict: str,
) -> None:
    record = with_memory(measured(corpus))
    readings[SMALL] = list(told)
    check, found = checked(corpus, record, MEMORY)
    of_memory = {item.label: item for item in check.judgements if item.quantity == "memory"}
    assert of_memory["9/2"].verdict == verdict
    assert {of.verdict for label, of in of_memory.items() if label != "9/2"} == {"passed"}
    # What comes last was not asked for.
    assert readings[SMALL] == told[-1:]
    assert of_memory["9/2"].measured == min(told[:-1])
    row = found.row(SMALL)
    assert row is not None
    assert row.memory == memory(min(told[:-1]))


def test_a_budget_is_measured_again_before_it_fails(
    corpus: Corpus, readings: dict[DeflateSettings | None, list[int]]
) -> None:
    readings[REFERENCE] = [99_999, 64_000, 0]
    limits = Limits(max_memory_bytes=65_000)
    check, _ = checked(corpus, None, MEMORY, limits)
    assert named(check, "passed") == [("memory", "12/5")]
    readings[REFERENCE] = [65_001]
    check, _ = checked(corpus, None, MEMORY, limits)
    assert named(check, "failed") == [("memory", "12/5")]


def test_memory_that_a_baseline_lacks_is_not_measured(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(_check, "measure_memory", fail)
    check, _ = checked(corpus, measured(corpus), MEMORY)
    assert {item.quantity for item in check.judgements} == {"size"}


def test_real_memory_repeats(corpus: Corpus) -> None:
    record = wsbench.sweep(corpus, [SMALL], time=False)
    # A limit that was given holds whatever the software is.
    limits = Limits(max_memory_increase=MemoryLimit(512))
    check, found = checked(corpus, record, MEMORY, limits)
    assert named(check, "failed") == []
    assert all(row.memory for row in found.rows)


# Times


class Scripted(Processes):
    """Processes that measure at once what the test says, and keep what they were asked."""

    script: dict[tuple[int, DeflateSettings], Iterator[tuple[float, float]]]
    asked: list[dict[int, list[DeflateSettings]]]

    def run(
        self,
        wanted: Mapping[int, Sequence[DeflateSettings]],
        max_seconds: float,
        is_known: Any,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        self.asked.append({number: list(of) for number, of in wanted.items()})
        idle()
        for number, of_number in wanted.items():
            for item in dict.fromkeys([REFERENCE, *of_number]):
                if item == REFERENCE:
                    ratio, margin = 0.0, 0.0
                else:
                    ratio, margin = next(self.script.get((number, item), repeat((0.1, 0.005))))
                self._times[number, item].append(time(ratio, margin, connections=number))
            self._summaries[number].append(
                TimingSummary(
                    connections=number,
                    traffic=self._traffic.get(number),
                    precision=self._precision,
                    max_seconds=max_seconds,
                    seconds=0.5,
                    stopped="precision",
                )
            )


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    """Times as the test says; what it does not say is as in the baseline, 10 % more than 12/5."""
    monkeypatch.setattr(_times, "Processes", Scripted)
    Scripted.script, Scripted.asked = {}, []
    return Scripted


def with_times(record: Results, *connections: int, margin: float = 0.005) -> Results:
    def timed(row: Row) -> Row:
        if row.deflate is None:
            return row
        ratio, half = (0.0, 0.0) if row.settings == REFERENCE else (0.1, margin)
        return replace(
            row, time=tuple(time(ratio, half, connections=number) for number in connections)
        )

    return replace(record, rows=tuple(map(timed, record.rows)))


@pytest.fixture
def baseline(corpus: Corpus) -> Results:
    """Sizes and times on one connection, each with half a point as its margin."""
    return with_times(measured(corpus), 1)


def times_of(check: CorpusCheck) -> dict[str, str]:
    return {item.label: item.verdict for item in check.judgements if item.quantity == "time"}


PASSED = dict.fromkeys(map(str, LADDER), "passed")


def test_times_that_are_clear_take_one_process(
    corpus: Corpus, scripted: type[Scripted], baseline: Results
) -> None:
    check, found = checked(corpus, baseline, TIMES)
    assert times_of(check) == PASSED
    assert [list(asked) for asked in scripted.asked] == [[1]]
    assert set(scripted.asked[0][1]) >= set(OTHERS)
    assert [row.time[0].vs_reference for row in found.rows if row.time] == [
        0.0 if item == REFERENCE else 0.1 for item in LADDER
    ]
    (summary,) = found.timing
    assert (summary.stopped, summary.max_seconds, summary.seconds) == ("decided", 600, 0.5)


def test_three_processes_must_agree_to_fail_and_what_passed_is_left_alone(
    corpus: Corpus, scripted: type[Scripted], baseline: Results
) -> None:
    scripted.script[1, SMALL] = repeat((0.2, 0.005))
    check, _ = checked(corpus, baseline, TIMES)
    assert times_of(check) == {**PASSED, "9/2": "failed"}
    assert scripted.asked[1:] == [{1: [SMALL]}] * 2


def test_a_process_that_disagrees_does_not_fail(
    corpus: Corpus, scripted: type[Scripted], baseline: Results
) -> None:
    # Code and data of the first one happened to lie badly.
    scripted.script[1, SMALL] = iter([(0.2, 0.005), *repeat((0.1, 0.005), 100)])
    check, _ = checked(corpus, baseline, TIMES)
    assert times_of(check) == PASSED
    assert len(scripted.asked) > 3


def test_when_the_time_is_up_three_processes_have_measured_what_is_undecided(
    corpus: Corpus, scripted: type[Scripted], baseline: Results
) -> None:
    scripted.script[1, SMALL] = repeat((0.13, 0.04))
    options = TIMES._replace(max_seconds=0.001)
    check, found = checked(corpus, baseline, options)
    assert times_of(check) == {**PASSED, "9/2": "undecided"}
    assert len(scripted.asked) == 3
    assert found.timing[0].stopped == "max_seconds"


def test_when_the_time_is_up_what_is_real_and_perhaps_too_much_fails(
    corpus: Corpus, scripted: type[Scripted], baseline: Results
) -> None:
    # 4 points more, ± 1.5 of three processes that are known to 2.5 each: more than 5 is likely.
    scripted.script[1, SMALL] = repeat((0.14, 0.025))
    check, _ = checked(corpus, baseline, TIMES._replace(max_seconds=0.001))
    assert times_of(check) == {**PASSED, "9/2": "failed"}
    (reason,) = {item.reason for item in check.judgements if item.verdict == "failed"}
    assert reason == "it is real, and perhaps more than that"


def test_measuring_ends_where_the_baseline_knows_too_little(
    corpus: Corpus, scripted: type[Scripted]
) -> None:
    record = with_times(measured(corpus), 1, margin=0.1)
    check, _ = checked(corpus, record, TIMES)
    reasons = {item.reason for item in check.judgements if item.verdict == "undecided"}
    assert set(times_of(check).values()) == {"undecided"}
    assert reasons == {
        "the interval is too wide; that of the baseline is, too: make it anew, with --update"
    }
    # There were ten minutes.
    assert len(scripted.asked) == 3


def test_measuring_longer_decides(
    corpus: Corpus, scripted: type[Scripted], baseline: Results
) -> None:
    # 2.5 points more, ± 2.5: with a margin of 1.6 it is certainly less than 5, of several.
    scripted.script[1, SMALL] = repeat((0.125, 0.025))
    check, _ = checked(corpus, baseline, TIMES)
    assert times_of(check) == PASSED
    needed = next(
        number
        for number in range(2, 99)
        if 0.025 + 1.5 * math.hypot(0.005, 0.025 / math.sqrt(number)) < 0.05
    )
    assert len(scripted.asked) == needed > 2


def test_a_slower_reference_is_told_by_all_others(
    corpus: Corpus, scripted: type[Scripted], baseline: Results
) -> None:
    for item in OTHERS:
        scripted.script[1, item] = repeat((0.1 - 0.15, 0.005))
    check, _ = checked(corpus, baseline, TIMES)
    assert times_of(check) == {**PASSED, "12/5": "failed"}
    alone = TIMES._replace(settings=[REFERENCE])
    check, _ = checked(corpus, baseline, alone)
    assert times_of(check) == {"12/5": "failed"}


def test_one_other_that_did_not_gain_makes_it_doubtful(
    corpus: Corpus, scripted: type[Scripted], baseline: Results
) -> None:
    for item in OTHERS[1:]:
        scripted.script[1, item] = repeat((0.1 - 0.15, 0.005))
    check, _ = checked(corpus, baseline, TIMES)
    assert times_of(check) == {**PASSED, "12/5": "undecided"}
    (reason,) = {item.reason for item in check.judgements if item.verdict == "undecided"}
    assert reason == "others became faster, or it became slower: ratios cannot tell"
    assert len(scripted.asked) == 3


def test_a_reference_that_cannot_be_judged_is_told(
    corpus: Corpus, scripted: type[Scripted]
) -> None:
    record = with_times(measured(corpus, *OTHERS[:2]), 1)
    check, _ = checked(corpus, record, TIMES)
    assert times_of(check) == dict.fromkeys(map(str, OTHERS[:2]), "passed")
    assert [text.partition(":")[0] for text in check.warnings] == ["the time of 12/5 is not judged"]


def test_only_what_is_chosen_is_timed(
    corpus: Corpus, scripted: type[Scripted], baseline: Results
) -> None:
    options = TIMES._replace(settings=[SMALL, None])
    check, found = checked(corpus, baseline, options)
    assert times_of(check) == {"9/2": "passed"}
    assert scripted.asked == [{1: [SMALL]}]
    assert [row.label for row in found.rows if row.time] == ["12/5", "9/2"]


def test_each_number_of_connections_is_decided_for_itself(
    corpus: Corpus, scripted: type[Scripted]
) -> None:
    record = with_times(measured(corpus, SMALL), 1, 7)
    scripted.script[7, SMALL] = repeat((0.3, 0.01))
    check, found = checked(corpus, record, TIMES)
    # With so few others, the reference is not judged.
    found_times = [
        (item.connections, item.verdict) for item in check.judgements if item.quantity == "time"
    ]
    assert found_times == [(1, "passed"), (7, "failed")]
    assert scripted.asked == [{1: [SMALL], 7: [SMALL]}, {7: [SMALL]}, {7: [SMALL]}]
    assert found.timed_connections() == [1, 7]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "failed"),
        ({"websockets": "1.0"}, "failed"),
        ({"cpu": "Another"}, "passed"),
        ({"cpu_caches": "L1d 1K"}, "passed"),
    ],
)
def test_another_processor_is_allowed_more(
    corpus: Corpus, scripted: type[Scripted], change: dict[str, str], verdict: str
) -> None:
    record = with_times(measured(corpus, SMALL), 1)
    record = replace(record, environment=replace(record.environment, **change))
    # A fifth of 110 % is 22 points.
    scripted.script[1, SMALL] = repeat((0.3, 0.005))
    check, _ = checked(corpus, record, TIMES)
    assert times_of(check) == {"9/2": verdict}
    assert [item.field for item in check.differences] == list(change)


@pytest.mark.parametrize(
    ("is_allowed", "options", "count"),
    [(False, TIMES, 0), (True, TIMES, 1), (True, TIMES._replace(time=False), 0)],
)
def test_times_of_other_messages_are_measured_only_if_these_are_allowed(
    scripted: type[Scripted], is_allowed: bool, options: CheckOptions, count: int
) -> None:
    record = with_times(measured(of_texts("a", "b")), 1)
    limits = Limits(allow_corpus_change=is_allowed, max_size_increase=10)
    check, found = checked(of_texts("c", "d"), record, options, limits)
    assert len(scripted.asked) == count
    assert bool(times_of(check)) == bool(count)
    assert bool(found.timing) == bool(count)


def test_real_times_repeat(corpus: Corpus) -> None:
    limits = Limits(max_time_increase=0.5)
    options = CheckOptions(memory=False, max_seconds=1.0)
    record = measure_baseline(corpus, None, limits, options)
    check, found = checked(corpus, record, options, limits)
    assert times_of(check) == PASSED
    again, _ = checked(corpus, found, options, limits)
    assert times_of(again) == PASSED


# Interruptions


@pytest.mark.parametrize(
    ("phase", "judged"),
    [
        ("size", {"size": 1}),
        ("memory", {"size": 8, "memory": 1}),
        ("time", {"size": 8, "memory": 8}),
    ],
)
def test_an_interruption_keeps_what_was_judged(
    corpus: Corpus,
    readings: dict[DeflateSettings | None, list[int]],
    scripted: type[Scripted],
    phase: str,
    judged: dict[str, int],
) -> None:
    record = with_memory(with_times(measured(corpus), 1))

    def interrupt(progress: Progress) -> None:
        if progress.phase == phase:
            raise KeyboardInterrupt

    found = outcome(corpus, record, CheckOptions(), progress=interrupt)
    assert isinstance(found.error, KeyboardInterrupt)
    assert (found.check.ended, found.check.verdict) == ("interrupted", "undecided")
    (check,), (of_corpus,) = found.check.checks, found.records
    assert check.partial
    assert of_corpus.partial
    assert Counter(item.quantity for item in check.judgements) == judged
    assert check.count("passed") == sum(judged.values())


def test_progress_goes_through_the_phases_to_their_end(
    corpus: Corpus,
    readings: dict[DeflateSettings | None, list[int]],
    scripted: type[Scripted],
) -> None:
    record = with_memory(with_times(measured(corpus), 1))
    seen: list[Progress] = []
    outcome(corpus, record, CheckOptions(), progress=seen.append)
    assert list(dict.fromkeys(item.phase for item in seen)) == ["size", "memory", "time"]
    for phase in ("size", "memory"):
        fractions = [item.fraction for item in seen if item.phase == phase]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1
    assert all(0 <= item.fraction <= 1 for item in seen)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_measurement_that_fails_keeps_what_was_judged(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    corpora = {f"{name}.json": of_texts(name, name=name) for name in ("a", "b", "c")}
    records = [with_memory(measured(corpus)) for corpus in corpora.values()]
    calls = 0

    def fail(_: object) -> Iterator[tuple[DeflateSettings | None, Memory]]:
        nonlocal calls
        calls += 1
        if calls > number:
            raise MeasurementError("as it was said")
        return iter([(None, memory(64_000))])

    monkeypatch.setattr(_check, "measure_memory", fail)
    found = check_corpora(corpora, Limits(), MEMORY, Baseline("b.json", records))
    assert isinstance(found.error, MeasurementError)
    assert (found.check.ended, found.check.verdict) == ("as it was said", "undecided")
    assert [item.path for item in found.check.checks] == [*corpora][: number + 1]
    assert [item.partial for item in found.check.checks] == [False] * number + [True]
    assert [record.partial for record in found.records] == [False] * number + [True]
    assert found.check.unchecked == tuple(corpora)[number + 1 :]
    assert found.check.checks[number].count("passed") == len(LADDER) + 1


# Baselines


def test_a_first_baseline_is_of_the_ladder_on_one_connection(
    corpus: Corpus, scripted: type[Scripted]
) -> None:
    record = measure_baseline(corpus, None, Limits(), CheckOptions(memory=False))
    assert [row.settings for row in record.rows] == [*LADDER, None]
    assert [row.size for row in record.rows] == [row.size for row in measured(corpus).rows]
    times = [row.time[0] for row in record.rows if row.time]
    assert [time.vs_reference for time in times] == pytest.approx([0.1, 0.1, 0.1, 0, 0.1, 0.1, 0.1])
    assert max(time.margin for time in times) == pytest.approx(0.005 / math.sqrt(3))
    # Whatever is wrong with it will be wrong with every comparison.
    assert len(scripted.asked) == 3
    assert record.timing[0].stopped == "precision"


def test_a_baseline_is_measured_until_it_is_known_to_a_fifth_of_the_limit(
    corpus: Corpus, scripted: type[Scripted]
) -> None:
    scripted.script[1, SMALL] = repeat((0.1, 0.025))
    options = CheckOptions(memory=False, max_seconds=600)
    record = measure_baseline(corpus, None, Limits(), options)
    # 0.025 / √n is less than a point from the seventh on.
    assert len(scripted.asked) == 7
    assert scripted.asked[3:] == [{1: [SMALL]}] * 4
    row = record.row(SMALL)
    assert row is not None
    assert row.time[0].margin == pytest.approx(0.025 / math.sqrt(7))
    assert record.timing[0].stopped == "precision"


def test_a_baseline_that_is_not_known_well_says_so(
    corpus: Corpus, scripted: type[Scripted]
) -> None:
    scripted.script[1, SMALL] = repeat((0.1, 0.5))
    options = CheckOptions(memory=False, max_seconds=0.01)
    record = measure_baseline(corpus, None, Limits(), options)
    assert len(scripted.asked) == 3
    assert record.timing[0].stopped == "max_seconds"


def test_a_baseline_made_anew_holds_what_it_held(corpus: Corpus, scripted: type[Scripted]) -> None:
    reference = DeflateSettings(15, 9)
    sizes = wsbench.sweep(corpus, [SMALL], reference=reference, memory=False, time=False)
    broadcast = TimingSummary(
        connections=20,
        traffic="broadcast",
        precision=0.01,
        max_seconds=1.0,
        seconds=1.0,
        stopped="precision",
    )
    old = replace(with_times(sizes, 20), timing=(broadcast,))
    record = measure_baseline(of_texts("others"), old, Limits(), CheckOptions())
    assert record.reference == reference
    assert [row.label for row in record.rows] == ["15/9", "9/2", "off"]
    assert not any(row.memory for row in record.rows)
    assert record.timed_connections() == [20]
    assert record.timing[0].traffic == "broadcast"
    assert measure_baseline(corpus, sizes, Limits(), CheckOptions()).timing == ()


def test_what_is_asked_for_counts_more_than_what_there_was(
    corpus: Corpus, scripted: type[Scripted]
) -> None:
    old = with_times(measured(corpus), 1)
    options = CheckOptions(settings=[SMALL, None], memory=False)
    record = measure_baseline(corpus, old, Limits(), options, [7, 5, 7])
    assert [row.label for row in record.rows] == ["12/5", "9/2", "off"]
    assert record.timed_connections() == [5, 7]
    without = measure_baseline(corpus, old, Limits(), options._replace(time=False))
    assert without.timed_connections() == []


def test_connections_that_are_asked_for_are_timed(corpus: Corpus, scripted: type[Scripted]) -> None:
    options = CheckOptions(memory=False)
    record = measure_baseline(corpus, measured(corpus), Limits(), options, [7])
    assert record.timed_connections() == [7]


def test_too_many_connections_are_refused(corpus: Corpus) -> None:
    with pytest.raises(SettingsError, match=r"^connections 1,000,000,000: contexts of 15/8 would"):
        measure_baseline(corpus, None, Limits(), CheckOptions(memory=False), [10**9])


def names_of(path: Path) -> list[str]:
    return [record.corpus.name for record in load_records(path, sealed=True)]


def updated(
    path: Path,
    *corpora: Corpus,
    options: CheckOptions = SIZES,
    connections: Sequence[int] = (),
    progress: Callable[[Progress], None] = lambda _: None,
) -> list[tuple[Results | None, Results]]:
    baseline = Baseline.load(path) if path.exists() else Baseline(path)
    named = {f"{corpus.name}.json": corpus for corpus in corpora}
    return update_baseline(baseline, named, Limits(), options, connections, progress)


def test_an_update_keeps_the_records_of_other_corpora(tmp_path: Path) -> None:
    first, second, third = (of_texts(name, name=name) for name in ("a", "b", "c"))
    path = tmp_path / "b.json"
    assert [before for before, _ in updated(path, second, first)] == [None, None]
    old = load_records(path)
    ((before, after),) = updated(path, of_texts("other", name="a"))
    assert before == old[1]
    assert load_records(path, sealed=True) == (old[0], after)
    updated(path, third, second)
    assert names_of(path) == ["b", "a", "c"]


def test_an_update_with_another_corpus_adds_its_record(tmp_path: Path) -> None:
    updated(tmp_path / "b.json", of_texts("a", name="a"))
    updated(tmp_path / "b.json", of_texts("b", name="b"))
    assert names_of(tmp_path / "b.json") == ["a", "b"]


texts = st.lists(st.sampled_from("xyz"), min_size=1, max_size=2)
files = st.dictionaries(st.sampled_from("abc"), texts, min_size=1, max_size=3)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(files, min_size=1, max_size=4))
def test_however_messages_move_a_baseline_is_good_for_the_next_check(
    tmp_path: Path, steps: list[dict[str, list[str]]]
) -> None:
    path = tmp_path / "b.json"
    path.unlink(missing_ok=True)
    for step in steps:
        corpora = [of_texts(*of, name=name) for name, of in step.items()]
        updated(path, *corpora)
        names = names_of(path)
        assert sorted(set(names)) == sorted(names)
        assert {*step} <= {*names}
        found = check_corpora(
            {corpus.name: corpus for corpus in corpora}, Limits(), SIZES, Baseline.load(path)
        )
        assert found.check.verdict == "passed"


@pytest.mark.parametrize(
    ("options", "connections", "lost"),
    [
        (SIZES, [], "memory, times"),
        (CheckOptions(time=False), [], "times"),
        (CheckOptions(memory=False), [], "memory"),
        (CheckOptions(settings=[SMALL]), [], "15/8, 14/7, 13/6, 11/4, 10/3"),
        (CheckOptions(), [7], "times at 1"),
    ],
)
def test_an_update_that_would_lose_something_is_refused_before_it_measures(
    corpus: Corpus,
    readings: dict[DeflateSettings | None, list[int]],
    scripted: type[Scripted],
    tmp_path: Path,
    options: CheckOptions,
    connections: list[int],
    lost: str,
) -> None:
    path = tmp_path / "b.json"
    save_records(path, [with_memory(with_times(measured(corpus), 1))])
    before = path.read_bytes()
    with pytest.raises(ResultsError) as caught:
        updated(path, corpus, options=options, connections=connections)
    assert str(caught.value) == (
        f"{path}: holds more of 'small' than would be measured: {lost}; measure that too, or "
        "delete the file to begin anew"
    )
    assert scripted.asked == []
    assert path.read_bytes() == before


@pytest.mark.parametrize("corpus_number", [0, 1])
def test_an_interrupted_update_changes_nothing(tmp_path: Path, corpus_number: int) -> None:
    path = tmp_path / "b.json"
    corpora = [of_texts(name, name=name) for name in ("a", "b")]
    updated(path, *corpora)
    before = path.read_bytes()
    seen = []

    def interrupt(progress: Progress) -> None:
        seen.append(progress.fraction)
        if seen.count(1.0) > corpus_number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        updated(path, of_texts("x", name="a"), of_texts("y", name="b"), progress=interrupt)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["b.json"]


# Files of baselines


def edit(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """A change by somebody who knows JSON; what is returned is the new file, if anything is."""

    def edited(data: bytes) -> bytes:
        content = json.loads(data)
        return json.dumps(change(content) or content).encode()

    return edited


def put(*path: Any) -> Callable[[bytes], bytes]:
    """Another value, the last of these, at a place of the only record."""
    *keys, last, value = path

    def change(content: Any) -> None:
        place = content["records"][0]
        for key in keys:
            place = place[key]
        assert place[last] != value
        place[last] = value

    return edit(change)


def cut(start: float = 0, end: float = 1) -> Callable[[bytes], bytes]:
    """A part of the file."""
    return lambda data: data[int(start * len(data)) : int(end * len(data))]


NO_JSON, NO_RECORD = "not JSON: ", "not a record of results: "
BY_HAND = "was changed by hand: its seal is broken; restore it, or "
NEWER = "made by a newer wsbench, its schema is wsbench.record"
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "empty; "),
    "white space": (lambda _: b" \n\t\r\n", "empty; "),
    "a byte": (lambda data: data[:1], NO_JSON),
    "a quarter": (cut(end=0.25), NO_JSON),
    "half": (cut(end=0.5), NO_JSON),
    "almost all": (cut(end=0.999), NO_JSON),
    "without its end": (lambda data: data[:-2], NO_JSON),
    "without its start": (cut(start=0.001), NO_JSON),
    "twice": (lambda data: data * 2, NO_JSON),
    "no JSON": (lambda _: b"not { JSON }", NO_JSON),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(range(256)), NO_JSON),
    "zeros": (lambda data: bytes(len(data)), NO_JSON),
    "UTF-16": (lambda data: data.decode().encode("utf-16"), NO_JSON),
    "with a mark": (lambda data: b"\xef\xbb\xbf" + data, NO_JSON),
    "deep": (lambda _: b"[" * 100_000, NO_JSON),
    "NaN": (lambda data: data.replace(b'"partial": false', b'"partial": NaN'), NO_JSON),
    "infinite": (lambda data: data.replace(b'vs_reference": 0.1', b'vs_reference": 1e999'), ""),
    "null": (lambda _: b"null", NO_RECORD),
    "a number": (lambda _: b"5", NO_RECORD),
    "an array": (lambda _: b"[1, 2]", NO_RECORD),
    "another kind": (lambda _: b'{"schema": "benchmark/3", "rows": []}', NO_RECORD),
    "a check": (lambda _: b'{"schema": "wsbench.check/1", "checks": []}', NO_RECORD),
    "no schema": (edit(lambda of: {"records": of["records"]}), NO_RECORD),
    "no records": (edit(lambda of: {**of, "records": []}), "`records` is empty, or no array"),
    "a record as records": (edit(lambda of: {**of, "records": of["records"][0]}), "or no array"),
    "records as a record": (edit(lambda of: {**of, "schema": "wsbench.result/1"}), NO_RECORD),
    "record zero": (edit(lambda of: {**of, "schema": "wsbench.records/0"}), "not records of resu"),
    "newer": (edit(lambda of: {**of, "schema": "wsbench.records/2"}), f"{NEWER}s/2; upgrade"),
    "newer alone": (lambda _: b'{"schema": "wsbench.result/2"}', "its schema is wsbench.result/2"),
    "a newer record": (put("schema", "wsbench.result/2"), "its schema is wsbench.result/2"),
    "a size": (put("rows", 0, "size", "compressed_bytes", 10**6), BY_HAND),
    "another size": (put("rows", 0, "size", "wire_bytes", 10**6), BY_HAND),
    "a memory": (put("rows", 3, "memory", "connection_bytes", 10**6), BY_HAND),
    "a time": (put("rows", 6, "time", 0, "vs_reference", 9.5), BY_HAND),
    "an interval": (put("rows", 6, "time", 0, "ci95", [-9, 9]), BY_HAND),
    "a digest": (put("corpus", "sha256", "1" * 64), BY_HAND),
    "a name": (put("corpus", "name", "other"), BY_HAND),
    "an environment": (put("environment", "cpu", "Another"), BY_HAND),
    "a version": (put("wsbench", "9"), BY_HAND),
    "a commit": (put("commit", "0123456789ab"), BY_HAND),
    "a row less": (edit(lambda of: of["records"][0]["rows"].pop(0) and None), BY_HAND),
    "rows moved": (edit(lambda of: of["records"][0]["rows"].reverse()), BY_HAND),
    "a key": (edit(lambda of: of["records"][0].update(comment="mine")), BY_HAND),
    "a seal": (put("seal", "0" * 64), BY_HAND),
    "a seal of another kind": (put("seal", 5), BY_HAND),
    "no seal": (
        edit(lambda of: of["records"][0].pop("seal") and None),
        "has no seal, by which edits are found; ",
    ),
    "a null seal": (put("seal", None), "has no seal, by which edits are found; "),
    "a type": (put("rows", 0, "size", "compressed_bytes", "many"), NO_RECORD),
    "a negative size": (put("rows", 0, "size", "compressed_bytes", -1), NO_RECORD),
    "no rows": (put("rows", []), "`rows` holds none for the reference"),
    "a row twice": (
        edit(lambda of: of["records"][0]["rows"].append(of["records"][0]["rows"][0])),
        "`rows` holds the same settings twice",
    ),
    "twice the record": (
        edit(lambda of: of["records"].extend(of["records"])),
        "holds two records of 'chat'; delete it, and make one with check --update",
    ),
    "a bad one beside it": (
        edit(lambda of: of["records"].append({})),
        "records[1]: not a record of results: ",
    ),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Results) -> Path:
    """A folder with chat.json and its baseline; the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat.json").write_text('["hello"]')
    named = replace(results, corpus=replace(results.corpus, name="chat"))
    save_records(tmp_path / "b.json", [named])
    return tmp_path


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("update", [(), ("--update",)], ids=["check", "update"])
def test_a_damaged_baseline_is_refused_and_left_as_it_is(
    project: Path, capsys: pytest.CaptureFixture[str], damage: str, update: tuple[str, ...]
) -> None:
    change, complaint = DAMAGES[damage]
    data = change((project / "b.json").read_bytes())
    assert data != (project / "b.json").read_bytes()
    (project / "b.json").write_bytes(data)
    code = main(["check", "chat.json", "--baseline", "b.json", "--no-time", *update])
    output, errors = capsys.readouterr()
    assert (code, output) == (2, "")
    assert errors.startswith("wsbench: b.json: ")
    assert complaint in errors
    assert errors.count("\n") == 1
    assert (project / "b.json").read_bytes() == data


# Where, how many bytes are cut out, and what is put there.
PARTS = st.tuples(
    st.floats(0, 1),
    st.integers(0, 1) | st.integers(0, 40),
    st.sampled_from([*b"0123456789"]).map(lambda digit: bytes([digit])) | st.binary(max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PARTS, min_size=1, max_size=3))
def test_no_damage_goes_unnoticed(
    project: Path, results: Results, parts: list[tuple[float, int, bytes]]
) -> None:
    save_records(project / "whole.json", [results])
    data = (project / "whole.json").read_bytes()
    for place, length, other in parts:
        start = int(place * len(data))
        data = data[:start] + other + data[start + length :]
    (project / "damaged.json").write_bytes(data)
    with contextlib.suppress(ResultsError):
        # Else only white space changed, or something outside of the record.
        assert Baseline.load(project / "damaged.json").match([results.corpus]) == [results]

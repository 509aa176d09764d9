import gc
import itertools
import random
from typing import Any

import pytest
from tests.strategies import odd_corpora

from wsbench.corpus import Corpus, Message
from wsbench.corpus.kinds import generate
from wsbench.measure import clock, one_connection
from wsbench.measure.time import Timing
from wsbench.results import Time
from wsbench.settings import LADDER, REFERENCE, DeflateSettings


def timing(
    corpus: Corpus, *settings: DeflateSettings, max_seconds: float = 0.5, **options: Any
) -> Timing:
    defaults: dict[str, Any] = {
        "connections": [1], "traffic": "independent", "decode": True, "precision": 1e-9,
    }  # fmt: skip
    return Timing(
        corpus,
        [REFERENCE, *settings],
        REFERENCE,
        max_seconds=max_seconds,
        **{**defaults, **options},
    )


def run(of: Timing) -> Timing:
    fractions = list(of.run())
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    return of


def time(corpus: Corpus, item: DeflateSettings, **options: Any) -> Time:
    (result,) = run(timing(corpus, item, **options)).times(item)
    return result


def test_a_setting_that_does_far_more_work_is_found_to_take_longer() -> None:
    hard = DeflateSettings(12, 5, level=9)
    easy = DeflateSettings(12, 5, level=0)
    done = run(timing(generate("jsonrpc", messages=40), hard, easy, max_seconds=2))
    (slow,), (fast,) = done.times(hard), done.times(easy)
    assert slow.ci95[0] > 0 > fast.ci95[1]
    assert slow.encode_ns_per_message > fast.encode_ns_per_message
    for item in (slow, fast):
        assert item.ci95[0] <= item.vs_reference <= item.ci95[1]
        assert item.decode_ci95[0] <= item.decode_vs_reference <= item.decode_ci95[1]


def test_the_reference_is_equal_to_itself(corpus: Corpus) -> None:
    (reference,) = run(timing(corpus)).times(REFERENCE)
    assert (reference.vs_reference, reference.ci95) == (0, (0, 0))
    assert reference.connections == 1
    assert reference.rounds >= 2


def test_a_small_corpus_is_timed_whole(corpus: Corpus) -> None:
    assert time(corpus, DeflateSettings(15, 8)).sampled_messages == 201


def test_a_large_corpus_is_sampled() -> None:
    sample = time(generate("jsonrpc", messages=2000), DeflateSettings(15, 8), max_seconds=0.2)
    assert 1 < sample.sampled_messages < 1000


@pytest.mark.parametrize("corpus", odd_corpora, ids=lambda corpus: corpus.name)
@pytest.mark.parametrize("context_takeover", [True, False])
def test_corpora_of_every_shape_are_timed(corpus: Corpus, context_takeover: bool) -> None:
    settings = DeflateSettings(9, 1, context_takeover=context_takeover)
    result = time(corpus, settings, max_seconds=0.1)
    # A hundred streams are a hundred slices: whether there is time for all is the machine's affair.
    assert 2 <= max(2, result.sampled_messages) <= max(2, corpus.statistics().messages)
    assert result.encode_ns_per_message > 0
    assert result.decode_ns_per_message > 0


def test_times_come_from_the_clock_alone(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that advances by 1 ms a reading: every part takes that, whatever it does."""
    readings = itertools.count(step=1_000_000)
    monkeypatch.setattr(clock, "_clock_ns", lambda: next(readings))
    monkeypatch.setattr(clock, "_overhead_ns", 400_000)
    for item in (DeflateSettings(15, 8), DeflateSettings(9, 1)):
        result = time(corpus, item)
        assert result.vs_reference == 0
        # Without any noise, what cannot be seen in one process remains.
        assert result.ci95 == pytest.approx((-0.005, 0.005))
        assert result.encode_ns_per_message == result.decode_ns_per_message
        parts = result.encode_ns_per_message * result.sampled_messages / 600_000
        assert parts == pytest.approx(round(parts))


def test_the_ratio_is_that_of_the_times_it_stands_beside() -> None:
    slow = DeflateSettings(9, 1)
    done = run(timing(generate("chat", messages=300), slow))
    (reference,), (subject,) = done.times(REFERENCE), done.times(slow)
    encode = subject.encode_ns_per_message / reference.encode_ns_per_message - 1
    decode = subject.decode_ns_per_message / reference.decode_ns_per_message - 1
    assert subject.vs_reference == pytest.approx(encode)
    assert subject.decode_vs_reference == pytest.approx(decode)


def test_a_sample_tells_how_far_it_may_be_from_the_whole() -> None:
    """Every other message is hard, and a tenth of the corpus is timed."""
    easy, hard = Message(b"x" * 2000, True), Message(bytes(range(250)) * 8, False)
    corpus = Corpus.of_messages("mixed", [easy, hard] * 1000)
    other = DeflateSettings(9, 1)
    whole = time(corpus, other, max_seconds=3)
    sample = time(corpus, other, max_seconds=0.05)
    assert sample.sampled_messages < 1000
    low, high = sample.ci95
    assert low - 3 * whole.margin <= whole.vs_reference <= high + 3 * whole.margin


def test_timing_stops_when_all_is_known(corpus: Corpus) -> None:
    done = run(timing(corpus, DeflateSettings(15, 8), precision=10.0, max_seconds=60))
    (summary,) = done.summaries()
    assert summary.stopped == "precision"
    assert summary.seconds < 30
    assert (summary.connections, summary.traffic, summary.precision) == (1, None, 10.0)


def test_timing_stops_when_the_time_is_up(corpus: Corpus) -> None:
    done = run(timing(corpus, DeflateSettings(15, 8), max_seconds=1.0))
    (summary,) = done.summaries()
    assert summary.stopped == "max_seconds"
    assert summary.max_seconds == pytest.approx(1.0, abs=0.1)


def test_decoding_counts_where_it_is_asked_for(corpus: Corpus) -> None:
    """Encoding takes 1 ms a part by this clock, decoding anything."""
    rng = random.Random(1)

    def part_ns(code: Any, frames: Any) -> int:
        for item in frames:
            code(item)
        return 1_000_000 if code.__name__ == "encode" else rng.randrange(1, 10_000_000)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_connection, "run_ns", part_ns)
        stopped = [
            run(timing(corpus, LADDER[0], decode=decode, precision=0.01, max_seconds=2))
            .summaries()[0]
            .stopped
            for decode in (False, True)
        ]
    assert stopped == ["precision", "max_seconds"]


def test_what_is_known_early_leaves_its_time_to_the_next(corpus: Corpus) -> None:
    done = run(timing(corpus, connections=[1, 2, 3], precision=10.0, max_seconds=9))
    one, two, three = done.summaries()
    assert [item.connections for item in (one, two, three)] == [1, 2, 3]
    assert [item.traffic for item in (one, two, three)] == [None, "independent", "independent"]
    assert one.max_seconds == pytest.approx(3, abs=0.1)
    assert two.max_seconds == pytest.approx((9 - one.seconds) / 2, abs=0.1)
    assert three.max_seconds == pytest.approx(9 - one.seconds - two.seconds, abs=0.1)
    assert [item.connections for item in done.times(REFERENCE)] == [1, 2, 3]


def test_a_run_ends_only_with_enough_and_collects_no_garbage(corpus: Corpus) -> None:
    short = timing(corpus, *LADDER[:2], max_seconds=1e-9, connections=[1, 5])
    assert short.times(REFERENCE) == ()
    assert short.times(None) == ()
    collecting = [gc.isenabled() for _ in short.run()]
    assert not any(collecting)
    assert gc.isenabled()
    for item in (REFERENCE, *LADDER[:2]):
        assert [of.connections for of in short.times(item)] == [1, 5]


def test_an_abandoned_run_keeps_what_it_has(corpus: Corpus) -> None:
    done = timing(corpus, max_seconds=60)
    going = done.run()
    for _ in range(4):
        next(going)
    going.close()
    assert gc.isenabled()
    assert done.summaries()[0].stopped == "interrupted"
    assert done.times(REFERENCE)

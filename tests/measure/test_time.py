import gc
import itertools

import pytest

from wsbench.corpus import Corpus, Message, Stream
from wsbench.corpus.kinds import generate
from wsbench.measure import time as measure_time
from wsbench.measure.time import Timing
from wsbench.results import Time
from wsbench.settings import REFERENCE, DeflateSettings


def run(timing: Timing) -> dict[DeflateSettings, Time]:
    fractions = list(timing.run())
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert fractions == sorted(fractions)
    return timing.times()


def time(
    corpus: Corpus, *settings: DeflateSettings, max_seconds: float = 0.5
) -> dict[DeflateSettings, Time]:
    return run(Timing(corpus, [REFERENCE, *settings], REFERENCE, max_seconds))


def test_a_setting_that_does_far_more_work_is_found_to_take_longer() -> None:
    hard = DeflateSettings(12, 5, level=9)
    easy = DeflateSettings(12, 5, level=0)
    times = time(generate("jsonrpc", messages=40), hard, easy, max_seconds=2)
    assert times[hard].ci95[0] > 0 > times[easy].ci95[1]
    assert times[hard].encode_ns_per_message > times[easy].encode_ns_per_message
    for item in times.values():
        assert item.ci95[0] <= item.vs_reference <= item.ci95[1]
        assert item.decode_ci95[0] <= item.decode_vs_reference <= item.decode_ci95[1]


def test_the_reference_is_equal_to_itself(corpus: Corpus) -> None:
    reference = time(corpus)[REFERENCE]
    assert (reference.vs_reference, reference.ci95) == (0, (0, 0))
    assert reference.connections == 1
    assert reference.rounds >= 2


def test_a_small_corpus_is_timed_whole(corpus: Corpus) -> None:
    assert time(corpus)[REFERENCE].sampled_messages == 201


def test_a_large_corpus_is_sampled() -> None:
    corpus = generate("jsonrpc", messages=2000)
    times = time(corpus, DeflateSettings(15, 8), max_seconds=0.2)
    assert 1 < times[REFERENCE].sampled_messages < 1000


@pytest.mark.parametrize(
    "corpus",
    [
        Corpus.of_messages("one", [Message(b"x", True)]),
        Corpus.of_messages("empty", [Message(b"", True)] * 3),
        Corpus("streams", tuple(Stream((Message(b"hello", True),)) for _ in range(100))),
        Corpus("sparse", (Stream(()), Stream((Message(b"a", True),)), Stream(()))),
        Corpus.of_messages("large", [Message(bytes(1_000_000), False)]),
    ],
    ids=lambda corpus: corpus.name,
)
@pytest.mark.parametrize("context_takeover", [True, False])
def test_corpora_of_every_shape_are_timed(corpus: Corpus, context_takeover: bool) -> None:
    settings = DeflateSettings(9, 1, context_takeover=context_takeover)
    times = time(corpus, settings, max_seconds=0.1)
    # A hundred streams are a hundred slices: whether there is time for all is the machine's affair.
    assert 2 <= max(2, times[settings].sampled_messages) <= max(2, corpus.statistics().messages)
    assert times[settings].encode_ns_per_message > 0
    assert times[settings].decode_ns_per_message > 0


def test_times_come_from_the_clock_alone(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that advances by 1 ms a reading: every slice takes that, whatever it does."""
    readings = itertools.count(step=1_000_000)
    monkeypatch.setattr(measure_time, "_clock_ns", lambda: next(readings))
    monkeypatch.setattr(measure_time, "_overhead_ns", 400_000)
    for item in time(corpus, DeflateSettings(15, 8), DeflateSettings(9, 1)).values():
        assert (item.vs_reference, item.ci95) == (0, (0, 0))
        assert item.encode_ns_per_message == item.decode_ns_per_message
        slices = item.encode_ns_per_message * item.sampled_messages / 600_000
        assert slices == pytest.approx(round(slices))


def test_the_ratio_is_that_of_the_times_it_stands_beside() -> None:
    slow = DeflateSettings(9, 1)
    times = time(generate("chat", messages=300), slow)
    encode = times[slow].encode_ns_per_message / times[REFERENCE].encode_ns_per_message - 1
    decode = times[slow].decode_ns_per_message / times[REFERENCE].decode_ns_per_message - 1
    assert times[slow].vs_reference == pytest.approx(encode)
    assert times[slow].decode_vs_reference == pytest.approx(decode)


def test_a_sample_tells_how_far_it_may_be_from_the_whole() -> None:
    """Every other message is hard, by a clock that counts the work: bytes not yet compressed."""
    easy, hard = Message(b"x" * 2000, True), Message(bytes(range(250)) * 8, False)
    corpus = Corpus.of_messages("mixed", [easy, hard] * 1000)
    other = DeflateSettings(9, 1)
    whole = time(corpus, other, max_seconds=3)
    sample = time(corpus, other, max_seconds=0.05)
    assert sample[other].sampled_messages < 1000
    low, high = sample[other].ci95
    margin = whole[other].ci95[1] - whole[other].vs_reference
    assert low - 3 * margin <= whole[other].vs_reference <= high + 3 * margin


def test_a_run_ends_only_with_enough_and_collects_no_garbage(corpus: Corpus) -> None:
    timing = Timing(corpus, [REFERENCE], REFERENCE, max_seconds=1e-9)
    assert not timing.is_enough
    with pytest.raises(ValueError, match="two rounds"):
        timing.times()
    collecting = [gc.isenabled() for _ in timing.run()]
    assert not any(collecting)
    assert gc.isenabled()
    assert timing.is_enough
    assert timing.times()


def test_an_abandoned_run_turns_garbage_collection_on_again(corpus: Corpus) -> None:
    run = Timing(corpus, [REFERENCE], REFERENCE, max_seconds=60).run()
    next(run)
    run.close()
    assert gc.isenabled()

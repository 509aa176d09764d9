import time

import pytest

from wsbench.measure import clock
from wsbench.measure.clock import Gauge


class Processor:
    """A processor whose speed a test sets; its time is what `time` shows to the gauge."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 0
        self.slowness = 1.0
        self.readings = 0
        monkeypatch.setattr(time, "perf_counter_ns", lambda: self.now_ns)
        monkeypatch.setattr(clock.hashlib, "blake2b", self.work)

    def work(self, _data: bytes) -> None:
        self.readings += 1
        self.now_ns += round(7_000 * self.slowness)

    def pass_seconds(self, gauge: Gauge, seconds: float) -> list[bool]:
        """Ask the gauge every 5 ms for so long."""
        answers = []
        for _ in range(round(seconds / 0.005)):
            self.now_ns += 5_000_000
            answers.append(gauge.is_calm())
        return answers


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Processor:
    return Processor(monkeypatch)


def test_a_steady_processor_is_calm(processor: Processor) -> None:
    assert all(processor.pass_seconds(Gauge(patience_seconds=60), 1))


def test_a_slowed_processor_is_not_calm_until_it_recovers(processor: Processor) -> None:
    gauge = Gauge(patience_seconds=60)
    processor.pass_seconds(gauge, 1)
    processor.slowness = 1.3
    assert not any(processor.pass_seconds(gauge, 0.5))
    processor.slowness = 1.0
    assert all(processor.pass_seconds(gauge, 0.5))


def test_what_lasts_is_the_usual_speed(processor: Processor) -> None:
    """A hog that stays must not keep a measurement from ever ending."""
    gauge = Gauge(patience_seconds=60)
    processor.pass_seconds(gauge, 2)
    processor.slowness = 1.5
    assert all(processor.pass_seconds(gauge, 4)[-100:])


def test_waiting_for_calm_has_an_end(processor: Processor) -> None:
    gauge = Gauge(patience_seconds=60)
    processor.pass_seconds(gauge, 1)
    processor.slowness = 1.5
    start_ns = processor.now_ns
    gauge.await_calm()
    assert Gauge.WAIT_NS <= processor.now_ns - start_ns < 2 * Gauge.WAIT_NS


def test_a_calm_timing_is_taken_at_once(processor: Processor) -> None:
    gauge = Gauge(patience_seconds=60)
    attempts = iter([[5, 6]])
    assert gauge.undisturbed(lambda: next(attempts)) == [5, 6]
    assert gauge.disturbed_share == 0


def test_a_disturbed_timing_is_repeated(processor: Processor) -> None:
    gauge = Gauge(patience_seconds=60)
    processor.pass_seconds(gauge, 1)
    attempts = iter([(1.5, [9, 9]), (1.0, [5, 6])])

    def timing() -> list[int]:
        processor.slowness, times_ns = next(attempts)
        return times_ns

    processor.slowness = 1.0
    assert gauge.undisturbed(timing) == [5, 6]
    assert gauge.disturbed_share == 0


def test_of_timings_that_are_all_disturbed_the_shortest_is_taken(processor: Processor) -> None:
    gauge = Gauge(patience_seconds=60)
    processor.pass_seconds(gauge, 1)
    processor.slowness = 1.5
    attempts = iter([[9, 9], [7, 7], [8, 8]])
    assert gauge.undisturbed(lambda: next(attempts)) == [7, 7]
    assert gauge.disturbed_share == 1


def test_patience_is_limited(processor: Processor) -> None:
    gauge = Gauge(patience_seconds=0.1)
    processor.pass_seconds(gauge, 1)
    processor.slowness = 1.5
    start_ns = processor.now_ns
    for _ in range(100):
        assert gauge.undisturbed(lambda: [1]) == [1]
    assert processor.now_ns - start_ns < 300_000_000


def test_a_lap_counts_as_disturbed_or_not(processor: Processor) -> None:
    gauge = Gauge(patience_seconds=60)
    processor.pass_seconds(gauge, 1)
    assert gauge.was_calm()
    processor.slowness = 1.5
    assert not gauge.was_calm()
    assert gauge.disturbed_share == 0.5

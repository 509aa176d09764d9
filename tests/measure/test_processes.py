import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import time

from wsbench.corpus import Corpus
from wsbench.errors import MeasurementError
from wsbench.measure.processes import Processes, combined
from wsbench.measure.timing_process import never
from wsbench.settings import LADDER, REFERENCE


def test_one_time_is_what_it_is() -> None:
    assert combined([time(0.1, 0.01)]) == time(0.1, 0.01)


def test_times_that_agree_are_known_better() -> None:
    both = combined([time(0.10, 0.01), time(0.10, 0.01, reference_ns=900)])
    assert both.vs_reference == pytest.approx(0.1)
    assert both.margin == pytest.approx(0.01 / math.sqrt(2))
    # That of the faster process, since interference only adds.
    assert both.encode_ns_per_message == pytest.approx(990)
    assert (both.sampled_messages, both.rounds) == (100, 20)


def test_the_better_one_counts_for_more() -> None:
    # Weights 1 / 0.01² and 1 / 0.02² are as 4 to 1.
    both = combined([time(0.10, 0.01), time(0.105, 0.02)])
    assert both.vs_reference == pytest.approx((4 * 0.10 + 0.105) / 5)
    assert both.margin == pytest.approx(0.01 / math.sqrt(1.25))


def test_times_that_disagree_are_known_worse() -> None:
    # 0.1 apart, with margins of 0.01: chi² is 2 · (0.05 / 0.005)², its root 14.1.
    both = combined([time(0.1, 0.01), time(0.2, 0.01)])
    assert both.vs_reference == pytest.approx(0.15)
    assert both.margin == pytest.approx(math.sqrt(2) * 10 * 0.01 / math.sqrt(2))


def test_with_many_connections_the_processes_go_on() -> None:
    both = combined([time(0.1, 0.01, connections=9), time(0.1, 0.01, connections=9)])
    assert (both.sampled_messages, both.rounds) == (200, 20)


@given(st.lists(st.tuples(st.floats(-0.9, 5), st.floats(0.001, 1)), min_size=1, max_size=6))
def test_a_mean_lies_between_and_isnever_better_than_all_together(
    measured: list[tuple[float, float]],
) -> None:
    whole = combined([time(*item) for item in measured])
    ratios = [ratio for ratio, _ in measured]
    assert min(ratios) - 1e-9 <= whole.vs_reference <= max(ratios) + 1e-9
    least = 1 / math.sqrt(sum(1 / margin**2 for _, margin in measured))
    assert whole.margin >= least * (1 - 1e-6)


def test_processes_measure_what_is_wanted(corpus: Corpus) -> None:
    processes = Processes(corpus, REFERENCE, traffic={}, precision=10.0)
    processes.run({1: LADDER, 3: LADDER[-1:]}, 1.0, never, lambda: None)
    processes.run({1: LADDER[-1:]}, 0.2, never)
    assert processes.processes(1, LADDER[-1]) == 2
    assert processes.processes(3, LADDER[-1]) == 1
    assert processes.processes(1, LADDER[0]) == 1
    assert processes.processes(3, LADDER[0]) == 0
    assert processes.time(3, LADDER[0]) is None
    of_reference = processes.time(1, REFERENCE)
    assert of_reference is not None
    assert of_reference.vs_reference == 0
    summaries = processes.summaries(9.0, "decided", [3])
    assert [summary.connections for summary in summaries] == [1, 3]
    assert [summary.stopped for summary in summaries] == ["decided", "max_seconds"]
    assert summaries[0].max_seconds == 9


def test_a_process_that_cannot_measure_is_an_error(corpus: Corpus) -> None:
    processes = Processes(corpus, REFERENCE, traffic={}, precision=0.01)
    with pytest.raises(MeasurementError, match="the process that measures times ended: "):
        # There is no such attribute where the process looks for it.
        processes.run({1: LADDER}, 1.0, _missing)


def _missing(*_: object) -> bool:
    return True

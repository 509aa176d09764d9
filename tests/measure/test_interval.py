import random

import pytest

from wsbench.measure.interval import relative_time, sum_of_minima


def noisy(rng: random.Random, true_ns: float, rounds: int) -> list[int]:
    """Times of one slice: noise both ways, and now and then an interruption."""
    return [
        round(true_ns * rng.gauss(1, 0.01) + (true_ns if rng.random() < 0.1 else 0))
        for _ in range(rounds)
    ]


def test_each_slice_counts_with_its_shortest_time() -> None:
    assert sum_of_minima([[5, 3, 9], [2, 7, 1]], range(3)) == 3 + 1
    assert sum_of_minima([[5, 3, 9], [2, 7, 1]], range(0, 3, 2)) == 5 + 1
    assert sum_of_minima([[5, 3, 9], [2, 7, 1]], range(1, 2)) == 3 + 7


def test_two_rounds_give_two_ratios_and_a_wide_interval() -> None:
    # Ratios 0.1 and 0.3: mean 0.2, standard error 0.1, and t(0.975, 1) = 12.706.
    mean, (low, high) = relative_time([[110, 130]], [[100, 100]], 2)
    assert mean == pytest.approx(0.2)
    assert (low, high) == pytest.approx((0.2 - 1.2706, 0.2 + 1.2706))


def test_nine_rounds_make_three_batches() -> None:
    # Rounds 0, 3, 6 make the first batch, and so on: minima 101, 103, 105 to 100.
    subject = [[101, 103, 105, 300, 300, 300, 300, 300, 300]]
    mean, (low, high) = relative_time(subject, [[100] * 9], 9)
    assert mean == pytest.approx(0.03)
    # Standard deviation 0.02, so the margin is t(0.975, 2) = 4.303 times 0.02 / sqrt(3).
    assert (high - low) / 2 == pytest.approx(4.303 * 0.02 / 3**0.5, rel=1e-6)


def test_equal_times_are_equal_without_doubt() -> None:
    assert relative_time([[7] * 30, [9] * 30], [[7] * 30, [9] * 30], 30) == (0, (0, 0))


def test_rounds_that_were_not_completed_do_not_count() -> None:
    assert relative_time([[10, 10, 1], [10, 10]], [[10, 10], [10, 10]], 2) == (0, (0, 0))


def test_one_round_is_too_few() -> None:
    with pytest.raises(ValueError, match="2 rounds, not 1"):
        relative_time([[1]], [[1]], 1)


def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says() -> None:
    rng = random.Random(1)
    held = 0
    for _ in range(400):
        reference = [noisy(rng, 1e6, 30) for _ in range(10)]
        subject = [noisy(rng, 1.05e6, 30) for _ in range(10)]
        _, (low, high) = relative_time(subject, reference, 30)
        held += low <= 0.05 <= high
    assert 360 <= held <= 396

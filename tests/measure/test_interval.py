import random
from math import inf, sqrt

import pytest

from wsbench.measure import interval


def relative_time(
    subject: list[list[int]], reference: list[list[int]], slices: float
) -> tuple[float, tuple[float, float]]:
    """With the reference timed once a round."""
    once = [[[of_round] for of_round in of_slice] for of_slice in reference]
    return interval.relative_time(subject, once, slices)


def test_each_slice_counts_with_its_shortest_time() -> None:
    ratio, _ = relative_time([[50, 30, 90], [20, 70, 10]], [[20, 25, 30], [20, 30, 40]], 2)
    assert ratio == pytest.approx((30 + 10) / (20 + 20) - 1)


def test_noise_is_the_variance_between_rounds() -> None:
    # The ratio is 110/100; the residuals 110 - 110 and 130 - 110 have the variance 200, their mean
    # 100; and t(0.975, 1) = 12.706.
    ratio, (low, high) = relative_time([[110, 130]], [[100, 100]], 1)
    assert ratio == pytest.approx(0.1)
    assert (high - low) / 2 == pytest.approx(12.706 * sqrt(100) / 100)


def test_noise_of_slices_adds_up() -> None:
    # Each of two slices has the variance 100 of its mean; two degrees of freedom, t = 4.303.
    _, (low, high) = relative_time([[110, 130], [110, 130]], [[100] * 2] * 2, 2)
    assert (high - low) / 2 == pytest.approx(4.303 * sqrt(200) / 200)


def test_slices_that_were_not_timed_widen_the_interval() -> None:
    # Without noise: ratio 1.2, residuals -20 and +20, variance 800. Two of ten slices were timed:
    # 0.8 * 2 * 800, one degree of freedom.
    subject, reference = [[100, 100], [140, 140]], [[100, 100], [100, 100]]
    ratio, (low, high) = relative_time(subject, reference, 10)
    assert ratio == pytest.approx(0.2)
    assert (high - low) / 2 == pytest.approx(12.706 * sqrt(0.8 * 2 * 800) / 200)
    assert relative_time(subject, reference, 2)[1] == pytest.approx((0.2, 0.2))


def test_noise_counts_by_the_share_of_slices_that_were_timed() -> None:
    # Ratio 1.1 and no difference between the slices, each with the variance 100 of its mean; half
    # of the slices were timed: 0.5 * 200, one degree of freedom.
    subject, reference = [[110, 130], [110, 130]], [[100] * 2] * 2
    _, (low, high) = relative_time(subject, reference, 4)
    assert (high - low) / 2 == pytest.approx(12.706 * sqrt(0.5 * 200) / 200)


def test_of_endless_slices_one_round_each_is_enough() -> None:
    # Ratio 1.2, residuals -20, 0 and +20, variance 400; two degrees of freedom, t = 4.303.
    ratio, (low, high) = relative_time([[100], [120], [140]], [[100]] * 3, inf)
    assert ratio == pytest.approx(0.2)
    assert (high - low) / 2 == pytest.approx(4.303 * sqrt(3 * 400) / 300)


def test_a_reference_timed_twice_a_round_counts_with_the_mean_of_its_shortest_times() -> None:
    # The first times of the rounds are 100 and 90, the second ones 104 and 110: (90 + 104) / 2.
    ratio, _ = interval.relative_time([[97, 98]], [[[100, 104], [90, 110]]], 1)
    assert ratio == pytest.approx(0)


def test_equal_times_are_equal_without_doubt() -> None:
    assert relative_time([[7] * 30, [9] * 30], [[7] * 30, [9] * 30], 50) == (0, (0, 0))


@pytest.mark.parametrize(
    ("subject", "slices"),
    [([[1]], 1), ([[1, 1], [1]], 2), ([[1, 1]], 2), ([], 1), ([[1]], inf)],
)
def test_too_few_times_are_refused(subject: list[list[int]], slices: float) -> None:
    with pytest.raises(ValueError, match="two slices, and two rounds"):
        relative_time(subject, subject, slices)


@pytest.mark.parametrize("slices", [40, 80, inf])
def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says(slices: float) -> None:
    """Slices of different cost and ratio, noise, and now and then an interruption."""
    rng = random.Random(7)
    everything = 4000 if slices == inf else int(slices)
    costs = [rng.uniform(0.5e6, 1.5e6) for _ in range(everything)]
    ratios = [rng.gauss(1.05, 0.05) for _ in range(everything)]
    true_ratio = sum(cost * ratio for cost, ratio in zip(costs, ratios, strict=True)) / sum(costs)

    def times(true_ns: float) -> list[int]:
        return [
            round(true_ns * (1 + rng.expovariate(100)) + (true_ns if rng.random() < 0.1 else 0))
            for _ in range(6)
        ]

    held = 0
    for _ in range(400):
        chosen = rng.sample(range(everything), 40)
        reference = [times(costs[number]) for number in chosen]
        subject = [times(costs[number] * ratios[number]) for number in chosen]
        _, (low, high) = relative_time(subject, reference, slices)
        held += low <= true_ratio - 1 <= high
    assert 360 <= held <= 400

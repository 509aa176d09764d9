import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.measure.order import GROUP, evenly_spread, golden_fraction, in_groups
from wsbench.settings import LADDER, REFERENCE, DeflateSettings, cross


@given(st.integers(0, 300))
def test_every_place_comes_once(count: int) -> None:
    assert sorted(evenly_spread(count)) == list(range(count))


@pytest.mark.parametrize("taken", [4, 10, 25, 50])
def test_any_first_few_places_are_spread_evenly(taken: int) -> None:
    chosen = sorted(evenly_spread(1000)[:taken])
    gaps = [after - before for before, after in zip([0, *chosen], [*chosen, 1000], strict=True)]
    # The golden ratio leaves gaps of at most about 1.9 times the mean.
    assert max(gaps) <= 2.7 * 1000 / (taken + 1)


@given(st.integers(0, 10**6))
def test_a_fraction_is_within_the_corpus(number: int) -> None:
    assert 0 <= golden_fraction(number) < 1


@pytest.mark.parametrize("settings", [list(LADDER), cross(range(9, 16), range(1, 10)), [REFERENCE]])
def test_every_group_has_the_reference_and_every_settings_is_in_one(
    settings: list[DeflateSettings],
) -> None:
    groups = list(in_groups(settings, REFERENCE))
    assert all(group[0] == REFERENCE for group in groups)
    others = [item for group in groups for item in group[1:]]
    assert sorted(map(str, others)) == sorted(str(item) for item in settings if item != REFERENCE)
    lengths = {len(group) for group in groups}
    assert max(lengths) <= GROUP + 1
    assert max(lengths) - min(lengths) <= 1

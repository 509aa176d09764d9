import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import enable_server_permessage_deflate

from tests.strategies import any_settings
from wsbench.errors import SettingsError
from wsbench.settings import (
    LADDER,
    REFERENCE,
    DeflateSettings,
    cross,
    in_table_order,
    parse_numbers,
    vary,
)


def test_reference_is_what_the_installed_websockets_uses_by_default() -> None:
    (default,) = enable_server_permessage_deflate(None)
    assert REFERENCE.window_bits == default.server_max_window_bits
    assert REFERENCE.memory_level == default.compress_settings["memLevel"]
    assert default.compress_settings.keys() == {"memLevel"}


def test_ladder_is_the_docs_table() -> None:
    assert [str(item) for item in LADDER] == ["15/8", "14/7", "13/6", "12/5", "11/4", "10/3", "9/2"]


@given(any_settings)
def test_parse_reads_what_str_writes(settings: DeflateSettings) -> None:
    assert DeflateSettings.parse(str(settings)) == settings


@pytest.mark.parametrize("text", ["", "12", "12/", "/5", "12/5/6", "a/b", "12/-5", "1٢/5", " 12/5"])
def test_parse_refuses_other_forms(text: str) -> None:
    with pytest.raises(SettingsError, match="such as 12/5"):
        DeflateSettings.parse(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, 5), "window bits 8: zlib cannot produce it for raw deflate; choose 9 to 15"),
        ((16, 5), "window bits 16: choose 9 to 15"),
        ((12, 0), "memory level 0: choose 1 to 9"),
        ((12, 10), "memory level 10: choose 1 to 9"),
        ((12, 5, -1), "level -1: choose 0 to 9"),
        ((12, 5, 10), "level 10: choose 0 to 9"),
        ((12, 5, 6, "best"), "strategy 'best': choose one of default, filtered"),
    ],
)
def test_out_of_range_values_are_refused_with_the_range(
    arguments: tuple[int, int], message: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{message}"):
        DeflateSettings(*arguments)


def test_str_names_what_differs_from_the_defaults() -> None:
    assert str(DeflateSettings(9, 1, 0, "rle", False)) == "9/1, level 0, rle, no context takeover"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("9-15", [9, 10, 11, 12, 13, 14, 15]),
        ("9,12,15", [9, 12, 15]),
        ("15,9-11, 10", [9, 10, 11, 15]),
        ("12", [12]),
        ("12-12", [12]),
    ],
)
def test_parse_numbers_reads_lists_and_ranges(text: str, numbers: list[int]) -> None:
    assert parse_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", ",", "9-", "-9", "9--15", "nine", "9;12", "9-12-15", "99999"])
def test_parse_numbers_refuses_other_forms(text: str) -> None:
    with pytest.raises(SettingsError, match="such as 9-15 or 9,12,15"):
        parse_numbers(text)


def test_parse_numbers_says_how_a_backward_range_is_written() -> None:
    with pytest.raises(SettingsError, match="write 9-15"):
        parse_numbers("15-9")


def test_cross_has_every_combination_from_the_largest_to_the_smallest() -> None:
    assert [str(item) for item in cross([12, 15], iter([1, 9]))] == ["15/9", "15/1", "12/9", "12/1"]
    assert len(cross(range(9, 16), range(1, 10))) == 63


def test_vary_has_every_level_and_strategy() -> None:
    varied = vary(
        [REFERENCE], levels=iter([1, 6]), strategies=["rle", "default"], context_takeover=False
    )
    assert [str(item) for item in varied] == [
        "12/5, level 1, no context takeover",
        "12/5, level 1, rle, no context takeover",
        "12/5, no context takeover",
        "12/5, rle, no context takeover",
    ]


@given(st.lists(any_settings))
def test_table_order_depends_on_the_settings_alone(items: list[DeflateSettings]) -> None:
    ordered = in_table_order(items)
    assert set(ordered) == set(items)
    assert len(ordered) == len(set(items))
    assert in_table_order(reversed(items)) == ordered

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.cli._increases import parse_memory_limit, parse_percent, parse_points, parse_share
from wsbench.errors import SettingsError
from wsbench.judge import MemoryLimit

PARSERS = [parse_percent, parse_points, parse_share, parse_memory_limit]

# As people write numbers: not 1e3, and without a sign.
numbers = st.builds(
    lambda value, places: f"{value:.{places}f}",
    st.decimals(0, 1000, allow_nan=False, allow_infinity=False, places=9),
    st.integers(0, 9),
)
spaces = st.sampled_from(["", " ", "\t", "  "])


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("0", 0),
        ("0.5", 0.005),
        ("0.5%", 0.005),
        (" 0.5 % ", 0.005),
        (".5", 0.005),
        ("5.", 0.05),
        ("007", 0.07),
        ("1000", 10),
        ("1000.000", 10),
    ],
)
def test_percent_are_hundredths(text: str, fraction: float) -> None:
    assert parse_percent(text) == pytest.approx(fraction)


@given(numbers, spaces, st.sampled_from(["", "%", " %"]), spaces)
def test_any_percent_is_read(number: str, before: str, sign: str, after: str) -> None:
    fraction = float(Decimal(number) / 100)
    assert parse_percent(before + number + sign + after) == pytest.approx(fraction)


@given(numbers)
def test_points_are_percent_above_zero(number: str) -> None:
    if Decimal(number) > 0:
        assert parse_points(number) == parse_percent(number)
    else:
        with pytest.raises(SettingsError, match=r"write percentage points above 0, such as 5$"):
            parse_points(number)


@pytest.mark.parametrize(
    ("text", "share"),
    [("0.25", 0.25), ("25%", 0.25), (" 25 % ", 0.25), (".25", 0.25), ("1", 1), ("100%", 1)],
)
def test_a_share_is_written_in_two_ways(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@given(st.decimals("0.0001", 1, places=6))
def test_both_ways_to_write_a_share_mean_the_same(share: Decimal) -> None:
    assert parse_share(f"{share:f}") == pytest.approx(float(share))
    assert parse_share(f"{100 * share:f}%") == pytest.approx(float(share))


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0", MemoryLimit()),
        ("1024", MemoryLimit(1024)),
        ("1KiB", MemoryLimit(1024)),
        ("1 kib", MemoryLimit(1024)),
        (" 2 MiB ", MemoryLimit(2**21)),
        ("0%", MemoryLimit()),
        ("1%", MemoryLimit(share=0.01)),
        (" 2.5 % ", MemoryLimit(share=0.025)),
    ],
)
def test_memory_may_grow_by_bytes_or_percent(text: str, limit: MemoryLimit) -> None:
    assert parse_memory_limit(text) == limit


@given(st.integers(0, 2**40), st.sampled_from([("", 1), ("KiB", 2**10), ("MiB", 2**20)]))
def test_any_number_of_bytes_is_read_up_to_a_tebibyte(number: int, unit: tuple[str, int]) -> None:
    name, factor = unit
    if number * factor <= 2**40:
        assert parse_memory_limit(f"{number}{name}") == MemoryLimit(number * factor)
    else:
        with pytest.raises(SettingsError):
            parse_memory_limit(f"{number}{name}")


@given(numbers)
def test_percent_of_memory_are_percent(number: str) -> None:
    assert parse_memory_limit(f"{number}%") == MemoryLimit(share=parse_percent(number))


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "%", "x", "-1", "+1", "1e3", "1_000", "0x1", "nan", "inf", "-inf", "1,5", "1/4",
        "1 2", "1%%", "%1", "1.2.3", "1\x00", "٣", "½", "1KB", "1 000", "10001%", "9" * 30,
        "0." + "1" * 30,
    ],
)  # fmt: skip
def test_other_forms_are_refused_with_an_example(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    assert str(caught.value).startswith(f"{text!r}: write ")
    assert re.search(r"[0-9]", str(caught.value).removeprefix(repr(text)))


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.text() | st.text("0123456789.%+-eE_ KMGiB"))
def test_any_text_is_a_limit_or_an_error_of_one_line(
    parse: Callable[[str], float | MemoryLimit], text: str
) -> None:
    limit: float | MemoryLimit = 0
    complaint = ""
    try:
        limit = parse(text)
    except SettingsError as error:
        complaint = str(error)
    assert "\n" not in complaint
    if isinstance(limit, MemoryLimit):
        assert 0 <= limit.share <= 10
        assert 0 <= limit.bytes <= 2**40
    else:
        assert 0 <= limit <= 10

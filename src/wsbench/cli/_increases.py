"""How users write what may grow, and by how much: percent, points, shares, bytes."""

import contextlib
import re

from wsbench.errors import SettingsError
from wsbench.judge import MemoryLimit
from wsbench.limits_text import parse_bytes

_MOST_PERCENT = 1000
_MOST_SHARE = 2


def parse_percent(text: str) -> float:
    """A fraction from percent or points, from 0: 0.005 from `0.5` or `0.5%`.

    Raises:
        SettingsError: if the text has another form.
    """
    number = _number(text.strip().removesuffix("%"))
    if number is None or number > _MOST_PERCENT:
        raise SettingsError(f"{text!r}: write percent, such as 0.5, from 0 to {_MOST_PERCENT}")
    return number / 100


def parse_points(text: str) -> float:
    """The same, but above 0: no interval is narrow enough for nothing.

    Raises:
        SettingsError: if the text has another form.
    """
    points = parse_percent(text)
    if points <= 0:
        raise SettingsError(f"{text!r}: write percentage points above 0, such as 5")
    return points


def parse_share(text: str) -> float:
    """A share, above 0: 0.25 from `0.25` or `25%`.

    Raises:
        SettingsError: if the text has another form.
    """
    bare = text.strip()
    number = _number(bare.removesuffix("%"))
    share = number and (number / 100 if bare.endswith("%") else number)
    # What does not compress becomes a little longer; but who writes 25 means percent.
    if not share or share > _MOST_SHARE:
        raise SettingsError(f"{text!r}: write a share of the bytes, such as 0.25 or 25%")
    return share


def parse_memory_limit(text: str) -> MemoryLimit:
    """What memory may grow by: `1KiB`, or `1%`.

    Raises:
        SettingsError: if the text has another form.
    """
    if text.strip().endswith("%"):
        return MemoryLimit(share=parse_percent(text))
    with contextlib.suppress(SettingsError):
        return MemoryLimit(bytes=parse_bytes(text))
    raise SettingsError(f"{text!r}: write bytes or percent, such as 1KiB or 1%")


def _number(text: str) -> float | None:
    """A number from 0 in decimal notation, not of other forms that `float` would take."""
    text = text.strip()
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}", text) else None

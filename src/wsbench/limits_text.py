"""How users write limits: sizes, numbers of frames, seconds, and none."""

import contextlib
import re
from collections.abc import Callable
from typing import TypeVar

from wsbench.errors import SettingsError

Parsed = TypeVar("Parsed")

_UNITS = {"": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_MOST_BYTES = 2**40
_MOST_SECONDS = 86_400


def parse_bytes(text: str) -> int:
    """Bytes from `65536`, `64KiB` or `1 MiB`.

    Raises:
        SettingsError: if the text has another form.
    """
    match = re.fullmatch(r"([0-9]{1,15}) ?([KMG]IB|)", text.strip().upper())
    if match is None:
        raise SettingsError(f"{text!r}: write a number of bytes, such as 65536 or 64KiB")
    size_bytes = int(match[1]) * _UNITS[match[2]]
    if size_bytes > _MOST_BYTES:
        raise SettingsError(f"{text!r}: choose up to {_MOST_BYTES // 2**30}GiB")
    return size_bytes


def parse_frames(text: str) -> int:
    """A number of frames, from 1.

    Raises:
        SettingsError: if the text has another form.
    """
    text = text.strip()
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 9 and int(text)):
        raise SettingsError(f"{text!r}: write a number of frames, from 1")
    return int(text)


def parse_seconds(text: str) -> float:
    """A number of seconds, above 0.

    Raises:
        SettingsError: if the text has another form.
    """
    with contextlib.suppress(ValueError):
        if 0 < (seconds := float(text)) <= _MOST_SECONDS:
            return seconds
    raise SettingsError(f"{text!r}: write a number of seconds, above 0")


def parse_grace(text: str) -> float:
    """A number of seconds, from 0.

    Raises:
        SettingsError: if the text has another form.
    """
    with contextlib.suppress(ValueError):
        if 0 <= (seconds := float(text)) <= _MOST_SECONDS:
            return seconds
    raise SettingsError(f"{text!r}: write a number of seconds, from 0")


def or_none(parse: Callable[[str], Parsed]) -> Callable[[str], Parsed | None]:
    """What `parse` makes of a text, None of the text `none`."""

    def parse_or_none(text: str) -> Parsed | None:
        if text.strip().lower() == "none":
            return None
        try:
            return parse(text)
        except SettingsError as error:
            raise SettingsError(f"{error}, or none") from error

    return parse_or_none

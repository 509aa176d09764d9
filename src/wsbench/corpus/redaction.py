"""Redaction: secrets in messages, replaced by others of the same length and shape.

A letter becomes a letter of the same case, a digit a digit, and what is neither stays. What stands
for a secret depends on it and on a key that nobody is told: the same secret is replaced in the same
way, so that what repeated itself still does, and messages compress much as they did. Words within a
secret do not: what stands for a text could be guessed from how often each occurs.
"""

import bisect
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterator, Sequence

from wsbench.corpus.json_format import is_value
from wsbench.corpus.model import Message
from wsbench.errors import SettingsError

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# The letters of a hundred of English text, so that prose takes as many bits as it did.
_PROSE = (
    "eeeeeeeeeeeetttttttttaaaaaaaaooooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddllllcccuuummmwwwff"
    "ggyyppbbvk"
)
_HEX_LETTERS = "abcdef"
_DIGITS = "0123456789"
# Letters that take two, three and four bytes in UTF-8, as those do that they stand for.
_TWO_BYTES = "àáâãäåæçèéêëìíîïñòóôõöøùúûüý"
_THREE_BYTES = "".join(map(chr, range(0x4E00, 0x4F00)))
_FOUR_BYTES = "".join(map(chr, range(0x1F600, 0x1F640)))

_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
# The tokens of JSON; what they are is told by their first character.
_TOKEN = re.compile(
    r'[\s]*(?:(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<scalar>[^\s,:\[\]{}"]+)|(?P<mark>[\[\]{},:]))',
    re.DOTALL,
)
_RUN_OF_DIGITS = re.compile(r"[0-9]+")
_STEP = re.compile(r"\.\.|\.?\*|\.?\[\*\]|\.?\[(\d{1,9})\]|\.?([^.\[\]*]+)")

Path = tuple[str | int, ...]
# A step of a pattern: a member's name, an index, any of either, or any number of steps.
_ANY, _DEEP = "*", ".."


class Redactor:
    """What is to be replaced in messages, and by what.

    `patterns` are regular expressions; of what they match, their groups are replaced, or all if
    they have none. `paths` name values in messages that are JSON: `user.token`, `items[*].name`,
    `..password` at any depth; a leading `$` or `$.` may be there. Below a path that is an object or
    an array, all strings and numbers are replaced.

    Raises:
        SettingsError: if a pattern or a path is malformed.
    """

    def __init__(self, patterns: Sequence[str], paths: Sequence[str]) -> None:
        self._patterns = [_compiled(pattern) for pattern in patterns]
        self._paths = [_parsed(path) for path in paths]
        self._key = secrets.token_bytes(32)

    def __bool__(self) -> bool:
        return bool(self._patterns or self._paths)

    def redact(self, message: Message) -> Message:
        """The message with its secrets replaced."""
        text, encoding = _decoded(message.data)
        matches = self._without_torn_escapes(text, self._matches(text))
        spans = [*matches, *self._values(text)]
        if not spans:
            return message
        parts, end = [], 0
        for start, stop in _merged(spans):
            parts += [text[end:start], self._stand_in(text[start:stop], encoding)]
            end = stop
        parts.append(text[end:])
        return Message("".join(parts).encode(encoding), message.text)

    def _matches(self, text: str) -> Iterator[tuple[int, int]]:
        for pattern in self._patterns:
            for match in pattern.finditer(text):
                groups = range(1, pattern.groups + 1) if pattern.groups else (0,)
                yield from (match.span(group) for group in groups if match.start(group) >= 0)

    def _without_torn_escapes(
        self, text: str, spans: Iterator[tuple[int, int]]
    ) -> Iterator[tuple[int, int]]:
        """The spans, in JSON without parts of escapes, which would become others that are none."""
        if not self._patterns or not is_value(text.encode()):
            yield from spans
            return
        escapes = [escape.span() for escape in _ESCAPE.finditer(text)]
        starts = [start for start, _ in escapes]
        for start, stop in spans:
            at = bisect.bisect_right(starts, start) - 1
            if at >= 0 and escapes[at][0] < start < escapes[at][1]:
                start = escapes[at][1]
            at = bisect.bisect_right(starts, stop) - 1
            if at >= 0 and escapes[at][0] < stop < escapes[at][1]:
                stop = escapes[at][0]
            yield start, stop

    def _values(self, text: str) -> Iterator[tuple[int, int]]:
        if self._paths:
            for path, start, stop in _leaves(text):
                if any(_is_below(path, pattern) for pattern in self._paths):
                    yield start, stop

    def _stand_in(self, secret: str, encoding: str) -> str:
        """What stands for a secret: characters of the same kinds, chosen by the secret."""
        choices = self._choices(secret)
        letters = _letters(secret)

        def like(part: str) -> str:
            return "".join(_like(item, choices, letters, encoding) for item in part)

        parts, end = [], 0
        for escape in _ESCAPE.finditer(secret):
            parts += [like(secret[end : escape.start()]), _like_escape(escape[0], choices, letters)]
            end = escape.end()
        text = "".join([*parts, like(secret[end:])])
        if text.startswith("0") and not secret.startswith("0"):
            # A number does not begin with a zero.
            text = "1" + text[1:]
        return text

    def _choices(self, secret: str) -> Iterator[int]:
        """Endless numbers from 0 to 65,535 that only the secret and the key decide."""
        key = hmac.digest(self._key, secret.encode(), hashlib.sha256)
        block = 0
        while True:
            digest = hmac.digest(key, block.to_bytes(4, "big"), hashlib.sha256)
            for start in range(0, len(digest), 2):
                yield int.from_bytes(digest[start : start + 2], "big")
            block += 1


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise SettingsError(f"{pattern!r}: no regular expression: {error}") from error


def _parsed(path: str) -> Path:
    """The steps of a path."""
    text = path[1:] if path.startswith("$") else path
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            break
        if step[0] == "..":
            steps.append(_DEEP)
        elif step[1] is not None:
            steps.append(int(step[1]))
        elif step[2] is not None:
            steps.append(step[2])
        else:
            steps.append(_ANY)
        position = step.end()
    if position < len(text) or not steps or steps[-1] == _DEEP:
        raise SettingsError(
            f"{path!r}: write a path such as user.token, items[*].name or ..password"
        )
    return tuple(steps)


def _is_below(path: Path, pattern: Path) -> bool:
    """Whether a value lies where a pattern points, or below."""
    if not pattern:
        return True
    if pattern[0] == _DEEP:
        return any(_is_below(path[start:], pattern[1:]) for start in range(len(path)))
    if not path:
        return False
    return (pattern[0] == _ANY or path[0] == pattern[0]) and _is_below(path[1:], pattern[1:])


def _leaves(text: str) -> Iterator[tuple[Path, int, int]]:
    """The strings (without their quotes) and the digits of numbers in a JSON text, with where they
    are.

    A text that is not JSON has none, or those before it breaks off.
    """
    # Of every object and array that is open: the name or the number of the member that is read.
    path: list[str | int] = []
    is_object: list[bool] = []
    is_name = False
    position = 0
    while token := _TOKEN.match(text, position):
        position = token.end()
        mark = token["mark"]
        if mark in ("{", "["):
            is_object.append(mark == "{")
            path.append("" if mark == "{" else 0)
            is_name = mark == "{"
        elif mark in ("}", "]"):
            if not is_object:
                return
            is_object.pop()
            path.pop()
            is_name = False
        elif mark == ",":
            if not is_object:
                return
            is_name = is_object[-1]
            if not is_object[-1]:
                path[-1] = int(path[-1]) + 1
        elif mark == ":":
            is_name = False
        elif is_name:
            path[-1] = _name(token["string"])
        elif token["string"] is not None:
            yield tuple(path), token.start("string") + 1, token.end("string") - 1
        elif token["scalar"][0] in "-0123456789":
            for digits in _RUN_OF_DIGITS.finditer(text, *token.span("scalar")):
                yield tuple(path), *digits.span()


def _name(string: str | None) -> str:
    try:
        return str(json.loads(string or '""', strict=False))
    except ValueError:
        return ""


def _merged(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans in order, those that overlap as one, empty ones left out."""
    current: tuple[int, int] | None = None
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if current is None or start >= current[1]:
            if current is not None:
                yield current
            current = start, stop
        else:
            current = current[0], max(current[1], stop)
    if current is not None:
        yield current


def _decoded(data: bytes) -> tuple[str, str]:
    """A message as text, and its encoding: UTF-8, or else one in which a character is a byte."""
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _letters(secret: str) -> str:
    """What letters are drawn from: those of prose, hexadecimal numbers, or anything else."""
    if " " in secret:
        return _PROSE
    letters = {item for item in secret.lower() if "a" <= item <= "z"}
    return _HEX_LETTERS if letters <= set(_HEX_LETTERS) else _LETTERS


def _like(character: str, choices: Iterator[int], letters: str, encoding: str) -> str:
    """Another character of the same kind that takes as many bytes."""
    if "a" <= character <= "z":
        kind = letters
    elif "A" <= character <= "Z":
        kind = letters.upper()
    elif "0" <= character <= "9":
        kind = _DIGITS
    elif character < "\x80":
        return character
    elif encoding == "latin-1":
        return chr(0x80 + next(choices) % 0x80)
    elif character < "\u0800":
        kind = _TWO_BYTES
    elif character < "\U00010000":
        kind = _THREE_BYTES
    else:
        kind = _FOUR_BYTES
    return kind[next(choices) % len(kind)]


def _like_escape(escape: str, choices: Iterator[int], letters: str) -> str:
    """An escape of JSON that stands for another character of the same kind, if any does."""
    if len(escape) < len("\\u0000"):
        return escape
    number = int(escape[2:], 16)
    if 0xD800 <= number < 0xDC00:
        # The first half of all of _FOUR_BYTES; the second half is another escape.
        return "\\ud83d"
    if 0xDC00 <= number < 0xE000:
        return f"\\u{0xDE00 + next(choices) % len(_FOUR_BYTES):04x}"
    like = ord(_like(chr(number), choices, letters, "utf-8"))
    return escape if like == number else f"\\u{like:04x}"

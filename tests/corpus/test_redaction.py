"""Redaction: secrets are replaced by the like of them, and nothing else is."""

import itertools
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsbench.corpus import Message
from wsbench.corpus.redaction import Redactor
from wsbench.errors import SettingsError

# Some that paths name, and any others.
NAMES = ("user", "größe", "a b")
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: (
        st.lists(children) | st.dictionaries(st.sampled_from(NAMES) | st.text(), children)
    ),
    max_leaves=20,
)
# A path as its steps: names, indices, `*` for any, `..` for any number of any.
steps = st.lists(
    st.sampled_from((*NAMES, "*", "..")) | st.integers(0, 3), min_size=1, max_size=4
).filter(lambda steps: steps[-1] != ".." and ("..", "..") not in itertools.pairwise(steps))


def written(steps: list[str | int]) -> str:
    """A path as a user writes it."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step == "..":
            text += ".."
        else:
            text += step if not text or text.endswith("..") else f".{step}"
    return text


def encoded(steps: list[str | int]) -> str:
    """The way to a value, as a text that a regular expression can be matched with."""
    return "".join(f"/{json.dumps(step).replace('/', '|')}" for step in steps)


def leads_to(steps: list[str | int], way: str) -> bool:
    """Whether a path names a value, or what it is a part of."""
    wild = {"*": "/[^/]*", "..": "(/[^/]*)*"}
    parts = [wild.get(str(step)) or re.escape(encoded([step])) for step in steps]
    return re.fullmatch("".join([*parts, "(/[^/]*)*"]), way, re.DOTALL) is not None


def leaves(value: Any, way: str = "") -> Iterator[tuple[str, Any]]:
    """What is in a value of JSON that is no array and no object, and where; and these, emptied."""
    match value:
        case dict():
            yield way, list(value)
            for name, member in value.items():
                yield from leaves(member, way + encoded([name]))
        case list():
            yield way, len(value)
            for index, item in enumerate(value):
                yield from leaves(item, way + encoded([index]))
        case _:
            yield way, value


@given(values, st.lists(steps, min_size=1, max_size=2), st.booleans(), st.booleans())
def test_json_stays_the_same_but_for_what_paths_name(
    value: Any, paths: list[list[str | int]], ascii_only: bool, text: bool
) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, indent=1 if text else None).encode()
    redacted = Redactor([], list(map(written, paths))).redact(Message(data, text))
    assert redacted.text == text
    assert len(redacted.data) == len(data)
    before, after = (list(leaves(json.loads(item))) for item in (data, redacted.data))
    assert [way for way, _ in before] == [way for way, _ in after]
    for (way, old), (_, new) in zip(before, after, strict=True):
        assert type(new) is type(old)
        if isinstance(old, str):
            assert len(new.encode()) == len(old.encode())
            assert len(new) == len(old)
        is_secret = any(leads_to(path, way) for path in paths)
        if not is_secret or isinstance(old, bool | list | None):
            assert new == old
        elif isinstance(old, str) and len(re.findall("[a-z0-9]", old, re.IGNORECASE)) > 12:
            assert new != old


PATTERNS = (
    *(r"\w+", ".", r"(?s)(.).", r"(a)|(\d)", r"[^ ]+", r"\\", "u", "", "$", r"(?<=a)[^b]*"),
    *("[\x80-\xff]", "[\U00010000-\U0010ffff]+", r"\\u[0-9a-f]"),
)


@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('ab0\\u"ä€🚀')),
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
    st.booleans(),
)
def test_text_stays_the_same_but_for_what_patterns_match(
    content: str, patterns: list[str], text: bool
) -> None:
    redacted = Redactor(patterns, []).redact(Message(content.encode(), text))
    assert redacted.text == text
    assert len(redacted.data) == len(content.encode())
    result = redacted.data.decode()
    assert len(result) == len(content)
    secret = {
        position
        for pattern in patterns
        for match in re.finditer(pattern, content)
        for group in (range(1, match.re.groups + 1) if match.re.groups else (0,))
        for position in range(*match.span(group))
    }
    for position, (old, new) in enumerate(zip(content, result, strict=True)):
        if position not in secret or (old.isascii() and not old.isalnum()):
            assert new == old
        if old.isascii():
            assert (new.isdigit(), new.islower(), new.isupper()) == (
                (old.isdigit(), old.islower(), old.isupper())
            ) or "\\" in content
        assert len(new.encode()) == len(old.encode())


@given(st.binary(), st.lists(st.sampled_from(PATTERNS), min_size=1), st.lists(steps, max_size=2))
def test_binary_messages_keep_their_length(
    data: bytes, patterns: list[str], paths: list[list[str | int]]
) -> None:
    redacted = Redactor(patterns, list(map(written, paths))).redact(Message(data, False))
    assert (len(redacted.data), redacted.text) == (len(data), False)


def redact(text: str, *, patterns: tuple[str, ...] = (), paths: tuple[str, ...] = ()) -> str:
    return Redactor(patterns, paths).redact(Message(text.encode(), True)).data.decode()


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("user.token", {"first"}),
        ("$.user.token", {"first"}),
        ("user", {"first", "second"}),
        ("user.*", {"first", "second"}),
        ("items[0]", {"third"}),
        ("items[*].token", {"third", "fourth"}),
        ("items.*.token", {"third", "fourth"}),
        ("items[1]..token", {"fourth", "fifth"}),
        ("..token", {"first", "third", "fourth", "fifth"}),
        ("..größe", {"sixth"}),
        ("token", set()),
        ("user.token.more", set()),
        ("items[2]", set()),
    ],
)
def test_a_path_names_values(path: str, named: set[str]) -> None:
    words = ("first", "second", "third", "fourth", "fifth", "sixth")
    text = json.dumps(
        {
            "user": {"token": "first-1111-1111", "name": "second-1111-1111"},
            "items": [
                {"token": "third-1111-1111"},
                {"token": "fourth-1111-1111", "more": {"token": ["fifth-1111-1111"]}},
            ],
            "größe": "sixth-1111-1111",
        }
    )
    for data, is_text in ((text.encode(), True), (text.encode(), False)):
        result = Redactor([], [path]).redact(Message(data, is_text)).data.decode()
        assert {word for word in words if f'"{word}-1111-1111"' not in result} == named


@pytest.mark.parametrize(
    "frame",
    [
        '42["login",{"token":"%s"}]',  # Socket.IO
        '{"type":1}\x1e{"token":"%s"}\x1e',  # SignalR
        '{"token":"%s"}\n{"token":"%s"}',
        '{"before":1,"token":"%s","after',
    ],
)
def test_json_within_other_framing_is_found(frame: str) -> None:
    secret = "abcd-1234-efgh"
    text = frame.replace("%s", secret)
    result = redact(text, paths=("..token",))
    assert secret not in result
    assert re.sub("[a-z]{4}-[0-9]{4}-[a-z]{4}", "%s", result) == frame


def test_the_same_secret_is_replaced_by_the_same_text() -> None:
    redactors = [Redactor([r"key-\w+"], ["token"]) for _ in range(2)]
    messages = ["key-abcdefgh1 and key-abcdefgh1", '{"token":"key-abcdefgh1"}', "key-abcdefgh2"]
    first, second = (
        [item.redact(Message(text.encode(), True)).data.decode() for text in messages]
        for item in redactors
    )
    word = first[0].partition(" ")[0]
    assert first[:2] == [f"{word} and {word}", f'{{"token":"{word}"}}']
    assert first[2] != word != "key-abcdefgh1"
    assert set(first).isdisjoint(second)
    assert re.fullmatch("[a-z]{3}-[a-z]{8}[0-9]", word)


def test_groups_are_replaced_alone() -> None:
    result = redact("token=abcd1234abcd; user=ada", patterns=(r"token=(\w+)|user=(\d+)",))
    assert re.fullmatch("token=[a-z]{4}[0-9]{4}[a-z]{4}; user=ada", result)
    assert "abcd1234abcd" not in result


def test_what_is_not_named_is_the_same_object() -> None:
    message = Message(b'{"a":1}', True)
    assert Redactor(["x"], ["b"]).redact(message) is message


def test_long_secrets_take_no_longer_a_byte() -> None:
    def seconds(count: int) -> float:
        data = b"abcdefgh" * count
        start = time.process_time()
        Redactor([r"\w+"], []).redact(Message(data, True))
        return time.process_time() - start

    # Time that grew with the square would be 256 times as long.
    assert seconds(2**15) < 64 * seconds(2**11)


@pytest.mark.parametrize("path", ["", "$", "..", "a..", "a[", "a[x]", "a[1", "a]", "[99999999999]"])
def test_a_malformed_path_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match="write a path such as"):
        Redactor([], [path])


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?P<a>x)(?P<a>y)"])
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(SettingsError, match="no regular expression"):
        Redactor([pattern], [])


@given(
    st.recursive(
        st.text() | st.integers(),
        lambda children: st.lists(children) | st.dictionaries(st.text(), children),
        max_leaves=6,
    ),
    st.sampled_from([r"\w{2,}", r"[a-z]+", r"n(\w+)", r"u00\w", r"\d+"]),
    st.booleans(),
)
@example({"t": "line one\nabcdefgh"}, r"\w{8,}", True)
@example({"t": "\u00e9\u00e9abc"}, r"[0-9a-z]{3,}", True)
def test_patterns_do_not_tear_escapes_apart(value: object, pattern: str, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    redacted = Redactor([pattern], ()).redact(Message(text.encode(), True)).data
    assert len(redacted) == len(text.encode())
    json.loads(redacted)

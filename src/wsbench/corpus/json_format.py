"""JSON corpora: an array of messages, or an object that has one under "messages"."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from wsbench.corpus.model import Message
from wsbench.corpus.text import place, require_utf8
from wsbench.errors import CorpusError

_SHAPE = 'expected an array of messages, or an object with an array "messages"'


class _Wrapped(msgspec.Struct):
    messages: list[msgspec.Raw]


class _Whole(msgspec.Struct):
    messages: msgspec.Raw


_FILLED_ARRAY = re.compile(rb"\s*\[\s*[^\s\]]")
# A string or a constant that is none of JSON; strings are matched so that none is found in them.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN')

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(_Wrapped)
_WHOLE = msgspec.json.Decoder(_Whole)
_STRING = msgspec.json.Decoder(str)


def parse(data: bytes, label: str) -> list[Message]:
    """The messages of a JSON file: a string is a text message as it stands; any other value is
    one message, its own text without the white space between tokens.

    Raises:
        CorpusError: if the data is not UTF-8, not JSON, or has another shape.
    """
    require_utf8(data, label)
    try:
        values: list[Any] = _values(data)
        # Each takes the place of its text, since small ones take many times that in memory.
        for index, value in enumerate(values):
            values[index] = _message(bytes(value))
        return values
    except msgspec.ValidationError as error:
        raise CorpusError(
            f"{label}: JSON of another shape: {_SHAPE}; to measure every line as one message, "
            f"pass --corpus-format lines"
        ) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise CorpusError(syntax_error(data, label, error)) from error


def is_corpus(data: bytes) -> bool:
    """Whether the data is JSON with messages in it."""
    try:
        if data.lstrip().startswith(b"{"):
            data = bytes(_WHOLE.decode(data).messages)
    except (msgspec.DecodeError, RecursionError):
        return False
    return _FILLED_ARRAY.match(data) is not None and is_value(data)


def is_value(data: bytes) -> bool:
    """Whether the data is one JSON value."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def serialise(messages: Iterable[Message]) -> Iterator[bytes]:
    """A JSON array that `parse` reads back, one message a line.

    Raises:
        CorpusError: if a message is binary or not UTF-8.
    """
    yield b"["
    for number, message in enumerate(messages, 1):
        yield (b",\n" if number > 1 else b"\n") + _element(message, number)
    yield b"\n]\n"


def _values(data: bytes) -> list[msgspec.Raw]:
    if data.lstrip().startswith(b"{"):
        return _OBJECT.decode(data).messages
    return _ARRAY.decode(data)


def _message(value: bytes) -> Message:
    if value.startswith(b'"'):
        return Message(_STRING.decode(value).encode(), True)
    return Message(msgspec.json.format(value, indent=-1), True)


def _element(message: Message, number: int) -> bytes:
    """The message as it stands where `parse` leaves it alone, as a string elsewhere."""
    if not message.text:
        raise CorpusError(
            f"message {number} is binary, which JSON cannot hold; write a capture or a directory "
            f"instead"
        )
    if not message.data.startswith(b'"') and is_value(message.data):
        if msgspec.json.format(message.data, indent=-1) == message.data:
            return message.data
    return msgspec.json.encode(message.data.decode())


def syntax_error(data: bytes, label: str, error: Exception | str) -> str:
    """Where the JSON breaks off; the standard library's parser tells it best."""
    text = data.decode()

    def where(position: int) -> str:
        return f"{label}:{place(data, len(text[:position].encode()))}"

    try:
        json.loads(text)
    except json.JSONDecodeError as located:
        return f"{where(located.pos)}: not JSON: {located.msg}; repair it there"
    except RecursionError:
        return f"{label}: JSON nested too deeply to be read; give it as lines or as a directory"
    except ValueError:  # A number of more digits than Python reads, before the fault.
        return f"{label}: not JSON: {error}"
    # What only the standard library accepts: NaN and Infinity, and half of a surrogate pair.
    for token in _TOKEN.finditer(text):
        if not token[0].startswith('"'):
            return f"{where(token.start())}: not JSON: {token[0]}; write null or a string"
        if any("\ud800" <= character <= "\udfff" for character in json.loads(token[0])):
            return (
                f"{where(token.start())}: half of a surrogate pair has no UTF-8 form; take it out"
            )
    return f"{label}: not JSON: {error}"

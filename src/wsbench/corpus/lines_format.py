"""Lines corpora (JSONL, NDJSON, text): every non-blank line is one text message."""

from collections.abc import Iterable

from wsbench.corpus.model import Message
from wsbench.corpus.text import require_utf8
from wsbench.errors import CorpusError


def parse(data: bytes, label: str) -> list[Message]:
    r"""The lines as they stand, without their end (`\n` or `\r\n`), except blank ones.

    Raises:
        CorpusError: if a line is not UTF-8.
    """
    require_utf8(data, label)
    lines = (line.removesuffix(b"\r") for line in data.split(b"\n"))
    return [Message(line, True) for line in lines if not line.isspace() and line]


def serialise(messages: Iterable[Message]) -> bytes:
    """Lines that `parse` reads back.

    Raises:
        CorpusError: if a message is binary or cannot be told from the lines around it.
    """
    return b"".join(_line(message, number) for number, message in enumerate(messages, 1))


def _line(message: Message, number: int) -> bytes:
    if not message.text:
        reason = "is binary"
    elif b"\n" in message.data or message.data.endswith(b"\r"):
        reason = "holds a line end"
    elif not message.data or message.data.isspace():
        reason = "is blank"
    elif number == 1 and message.data.startswith(b"\xef\xbb\xbf"):
        reason = "starts with a byte order mark"
    else:
        return message.data + b"\n"
    raise CorpusError(
        f"message {number} {reason}, which lines cannot hold; write a directory instead"
    )

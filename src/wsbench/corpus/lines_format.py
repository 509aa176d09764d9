"""Lines corpora (JSONL, NDJSON, text): every non-blank line is one text message."""

import itertools
from collections.abc import Iterable, Iterator
from typing import IO

from wsbench.corpus.model import Message
from wsbench.corpus.text import not_utf8
from wsbench.errors import CorpusError

# A file of one endless line would otherwise fill the memory, however small it is when packed.
MOST_LINE_BYTES = 2**28


def read(file: IO[bytes], label: str) -> Iterator[Message]:
    r"""The lines as they stand, without their end (`\n` or `\r\n`), except blank ones.

    Raises:
        CorpusError: if a line is not UTF-8, or too long.
    """
    for number, line in numbered_lines(file, label):
        data = line.removesuffix(b"\n").removesuffix(b"\r")
        if data and not data.isspace():
            try:
                yield Message(data, True)
            except CorpusError:
                raise not_utf8(data, label, number) from None


def numbered_lines(file: IO[bytes], label: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their ends, numbered from 1.

    Raises:
        CorpusError: if a line is too long to be held.
    """
    for number in itertools.count(1):
        line = file.readline(MOST_LINE_BYTES + 1)
        if len(line) > MOST_LINE_BYTES:
            raise CorpusError(
                f"{label}:{number}: a line of more than {MOST_LINE_BYTES // 2**20} MiB; "
                f"give messages as a directory, one file each"
            )
        if not line:
            return
        yield number, line


def serialise(messages: Iterable[Message]) -> Iterator[bytes]:
    """Lines that `read` gives back.

    Raises:
        CorpusError: if a message is binary or cannot be told from the lines around it.
    """
    return (_line(message, number) for number, message in enumerate(messages, 1))


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
        f"message {number} {reason}, which lines cannot hold; write a capture or a directory "
        f"instead"
    )

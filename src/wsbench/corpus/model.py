"""Message, Stream and Corpus: what is compressed, in the order in which it is sent."""

import hashlib
import math
import struct
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from wsbench.errors import CorpusError

Direction = Literal["server", "client"]


class Message(msgspec.Struct, frozen=True, gc=False):
    """One WebSocket message.

    `data` is the payload as the application sends it: UTF-8 for a text message (`text` true),
    any bytes for a binary one.

    Raises:
        CorpusError: if a text message is not UTF-8.
    """

    data: bytes
    text: bool

    def __post_init__(self) -> None:
        if self.text:
            try:
                self.data.decode()
            except UnicodeDecodeError as error:
                raise CorpusError(
                    f"byte {error.start + 1} is not UTF-8, which a text message must be"
                ) from error


class Stream(msgspec.Struct, frozen=True):
    """The messages that one endpoint sends on one connection, in order.

    It is the unit of compression: with context takeover, a compression context lives exactly as
    long as one stream. `direction` names the sender: "server" sends to the client.
    """

    messages: tuple[Message, ...]
    direction: Direction = "server"


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts and the size distribution of a corpus; percentiles are sizes of real messages."""

    messages: int
    bytes: int
    streams: int
    text_messages: int
    binary_messages: int
    min_bytes: int
    median_bytes: int
    p95_bytes: int
    max_bytes: int


class Corpus(msgspec.Struct, frozen=True):
    """One or more streams under a name."""

    name: str
    streams: tuple[Stream, ...]

    @classmethod
    def of_messages(
        cls, name: str, messages: Iterable[Message], direction: Direction = "server"
    ) -> "Corpus":
        """A corpus of one stream."""
        return cls(name, (Stream(tuple(messages), direction),))

    def messages(self) -> Iterable[Message]:
        """Every message, stream after stream."""
        return (message for stream in self.streams for message in stream.messages)

    def sha256(self) -> str:
        """Digest of the messages in hexadecimal, independent of the file they came from.

        SHA-256 over, for each stream, `S` or `C` (the sending side) and the number of messages,
        then, for each message, `T` or `B` (text, binary), the number of bytes and the bytes.
        Numbers are 8 bytes, big endian.
        """
        digest = hashlib.sha256()
        for stream in self.streams:
            digest.update(stream.direction[0].upper().encode())
            digest.update(struct.pack(">Q", len(stream.messages)))
            for message in stream.messages:
                digest.update(b"T" if message.text else b"B")
                digest.update(struct.pack(">Q", len(message.data)))
                digest.update(message.data)
        return digest.hexdigest()

    def statistics(self) -> Statistics:
        """Counts and sizes in bytes.

        Raises:
            ValueError: if the corpus has no messages. A loaded corpus has at least one.
        """
        sizes_bytes = sorted(len(message.data) for message in self.messages())
        if not sizes_bytes:
            raise ValueError("a corpus without messages cannot be measured")
        text_messages = sum(message.text for message in self.messages())
        return Statistics(
            messages=len(sizes_bytes),
            bytes=sum(sizes_bytes),
            streams=len(self.streams),
            text_messages=text_messages,
            binary_messages=len(sizes_bytes) - text_messages,
            min_bytes=sizes_bytes[0],
            median_bytes=_nearest_rank(sizes_bytes, 50),
            p95_bytes=_nearest_rank(sizes_bytes, 95),
            max_bytes=sizes_bytes[-1],
        )


def _nearest_rank(ordered: Sequence[int], percent: int) -> int:
    """The smallest value that at least `percent` % of the values do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]

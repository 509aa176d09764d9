"""What a client sends, as bytes of frames, and how many of them are what."""

import bisect
import itertools
import random
from collections.abc import Iterable, Iterator

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from wsbench.buffers import Payload
from wsbench.corpus.model import Corpus
from wsbench.deflate import endpoint, frame
from wsbench.settings import DeflateSettings

_SMALL_BYTES = 16
# Long enough for a fragment to be worth a frame, short enough for many of them.
_FRAGMENTS = 16
_FIRST = Frame(Opcode.TEXT, b"x")
_UNLIMITED_BYTES = 2**20
# How much of what is sent is looked at for the worst case.
_LOOK_BYTES = 2**20
_SHORT_BYTES = 1024
_OVERHEAD_BYTES = 16


class Script:
    """Frames that a client sends one after another, made when they are needed.

    A message is one frame, or several. Numbers of frames and of bytes are counted from the first.
    """

    def __init__(self, messages: Iterator[list[Frame]], settings: DeflateSettings | None) -> None:
        self._messages = messages
        self._extensions: list[PerMessageDeflate] = [endpoint(settings)] if settings else []
        self._data = bytearray()
        # What all frames up to each take, on the wire and in the queue; frames up to each message.
        self._wire = [0]
        self._payload = [0]
        self._ends = [0]

    def part(self, start: int, most: int) -> bytes:
        """Up to so many bytes from a position on; empty when there are no more messages."""
        while len(self._data) < start + most and self._add():
            pass
        return bytes(self._data[start : start + most])

    def wire_bytes(self, frames: int) -> int:
        """How many bytes so many frames take on the wire."""
        while len(self._wire) <= frames and self._add():
            pass
        return self._wire[min(frames, len(self._wire) - 1)]

    def payload_bytes(self, first: int, last: int) -> int:
        """How many bytes frames `first` to `last - 1` have when they are decompressed."""
        self.wire_bytes(last)
        return self._payload[min(last, len(self._payload) - 1)] - self._payload[first]

    def frames_within(self, size_bytes: int, frame_bytes: int) -> int:
        """How many frames take so much together, with `frame_bytes` each beside their payload."""
        frames = 1
        while self.payload_bytes(0, frames) + frames * frame_bytes < size_bytes:
            if len(self._payload) <= frames:
                break
            frames += 1
        return frames

    def frames_of(self, messages: int) -> int:
        """How many frames so many messages have."""
        while len(self._ends) <= messages and self._add():
            pass
        return self._ends[min(messages, len(self._ends) - 1)]

    def messages_in(self, wire_bytes: int) -> int:
        """How many whole messages so many bytes have."""
        self.part(0, wire_bytes)
        return bisect.bisect_right(self._ends, bisect.bisect_right(self._wire, wire_bytes) - 1) - 1

    def most(self, queued: int, read_bytes: int) -> tuple[int, int, int]:
        """What can wait at the worst, where a queue has so many frames, and one more read comes.

        Bytes, decompressed, and in how many frames; and the bytes of the wire of the next frame,
        which may have come in part.
        """
        self.wire_bytes(queued + 1)
        self.part(0, self._wire[-1] + 2 * read_bytes + _LOOK_BYTES)
        worst = (0, 0, 0)
        for first in range(len(self._wire) - queued - 1):
            # What is read begins in the middle of the frame after those that wait, at best.
            begun = first + queued + 1
            end = bisect.bisect_right(self._wire, self._wire[begun] - 1 + read_bytes) - 1
            if end + 1 >= len(self._wire):
                break
            unfinished = self._wire[end + 1] - self._wire[end]
            worst = max(worst, (self._payload[end] - self._payload[first], end - first, unfinished))
        return worst

    def _add(self) -> bool:
        frames = next(self._messages, None)
        if frames is None:
            return False
        for item in frames:
            # One mask serves all clients: a server checks nothing but its presence.
            data = item.serialize(mask=True, extensions=self._extensions)
            self._data += data
            self._wire.append(self._wire[-1] + len(data))
            self._payload.append(self._payload[-1] + len(item.data))
        self._ends.append(len(self._wire) - 1)
        return True


def script(
    payload: Payload, size_bytes: int | None, corpus: Corpus, settings: DeflateSettings | None
) -> Script:
    """Endless messages of a kind: of the corpus, of a few bytes, or of `size_bytes`.

    The first is a single character. A connection that has read it is idle and has no more to
    allocate but for what it receives: websockets' parser keeps the last frame until the next one.
    """
    size_bytes = _UNLIMITED_BYTES if size_bytes is None else size_bytes
    messages = _frames(payload, size_bytes, corpus)
    return Script(itertools.chain([[_FIRST]], messages), settings)


def _frames(payload: Payload, size_bytes: int, corpus: Corpus) -> Iterator[list[Frame]]:
    generator = random.Random(0)
    if payload == "corpus":
        yield from ([frame(message)] for message in itertools.cycle(corpus.messages()))
    if payload == "zeros":
        yield from itertools.repeat([Frame(Opcode.BINARY, bytes(size_bytes))])
    # Deflated, a short frame can be longer, and websockets compares what comes with its limit.
    if size_bytes < _SHORT_BYTES or payload == "fragmented":
        size_bytes = max(1, size_bytes - _OVERHEAD_BYTES)
    while True:
        match payload:
            case "small":
                yield [Frame(Opcode.TEXT, _random(generator, min(_SMALL_BYTES, size_bytes), 64))]
            case "text":
                yield [Frame(Opcode.TEXT, _random(generator, size_bytes, 64))]
            case "binary":
                yield [Frame(Opcode.BINARY, _random(generator, size_bytes, 128))]
            case _:
                yield fragments(_random(generator, size_bytes, 128), _FRAGMENTS)


def _random(generator: random.Random, size_bytes: int, values: int) -> bytes:
    """Bytes of so many values: 64 are those of letters and digits, 128 are any of seven bits.

    All compress a little, so that none grows beyond the limit that it is to reach.
    """
    low = 0x3B if values == 64 else 0
    table = bytes(low + value % values for value in range(256))
    return generator.randbytes(size_bytes).translate(table)


def fragments(data: bytes, count: int) -> list[Frame]:
    """A binary message in so many frames, or fewer if it is short (RFC 6455, section 5.4)."""
    size = max(1, -(-len(data) // count))
    starts = range(0, max(1, len(data)), size)
    return [
        Frame(
            Opcode.CONT if start else Opcode.BINARY,
            data[start : start + size],
            fin=start + size >= len(data),
        )
        for start in starts
    ]


def one(frames: Iterable[Frame], settings: DeflateSettings | None) -> Script:
    """The single character that all begin with, and one more message."""
    return Script(iter([[_FIRST], list(frames)]), settings)


def idle_script() -> Script:
    """The single character that all begin with, and nothing more."""
    return Script(iter([[_FIRST]]), None)

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
# From how many places on the worst case is looked for.
_MOST_STARTS = 100_000
_MARGIN_BYTES = 16
_MARGIN_SHARE = 256


class Script:
    """Frames that a client sends one after another, made when they are needed.

    A message is one frame, or several, and they repeat after `period` messages. Numbers of frames
    and of bytes are counted from the first.
    """

    def __init__(
        self, messages: Iterator[list[Frame]], settings: DeflateSettings | None, period: int = 1
    ) -> None:
        self._messages = messages
        self._period = period
        self._extensions: list[PerMessageDeflate] = (
            [endpoint(settings.one_way("client"))] if settings else []
        )
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
        end = len(self._payload) - 1
        return self._payload[min(last, end)] - self._payload[min(first, end)]

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

    def most(self, queued: int, read_bytes: int, frame_bytes: int) -> tuple[int, int]:
        """What can wait at the worst, where a queue has so many frames, and one more read comes.

        Bytes: payloads, `frame_bytes` for each frame, and the next frame as it comes, which may be
        there in part; and how many whole frames that is.
        """
        starts = self.frames_of(min(2 * self._period, _MOST_STARTS))
        worst = (0, 0)
        for first in range(max(1, starts)):
            self.wire_bytes(first + queued + 1)
            if first + queued + 1 >= len(self._wire):
                break
            # What is read begins in the middle of the frame after those that wait, at best.
            limit = self._wire[first + queued + 1] - 1 + read_bytes
            while self._wire[-1] <= limit and self._add():
                pass
            end = bisect.bisect_right(self._wire, limit) - 1
            unfinished = self._wire[end + 1] - self._wire[end] if end + 1 < len(self._wire) else 0
            payload = self._payload[end] - self._payload[first]
            worst = max(worst, (payload + (end - first) * frame_bytes + unfinished, end - first))
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
    payload: Payload, max_size: int | None, corpus: Corpus, settings: DeflateSettings | None
) -> Script:
    """Endless messages of a kind: of the corpus, of a few bytes, or as large as is accepted.

    The first is a single character. A connection that has read it is idle and has no more to
    allocate but for what it receives: websockets' parser keeps the last frame until the next one.
    """
    if payload == "corpus":
        messages = corpus.messages()
        endless = ([frame(message)] for message in itertools.cycle(corpus.messages()))
        period = sum(1 for _ in messages)
    else:
        generator = random.Random(0)
        size_bytes = _fitting(payload, max_size, settings)
        endless = (_message(payload, size_bytes, generator) for _ in itertools.repeat(None))
        period = 1
    return Script(itertools.chain([[_FIRST]], endless), settings, period)


def _fitting(payload: Payload, max_size: int | None, settings: DeflateSettings | None) -> int:
    """The largest size of a message that is accepted, or a little less.

    What does not compress grows when it is deflated, and websockets compares each frame as it comes
    with what is left of its limit.
    """
    if max_size is None:
        return _UNLIMITED_BYTES
    size_bytes = max_size
    while settings is not None and size_bytes > 1:
        codec = endpoint(settings.one_way("client"))
        left, excess = max_size, -max_size
        for item in _message(payload, size_bytes, random.Random(0)):
            excess = max(excess, len(codec.encode(item).data) - left)
            left -= len(item.data)
        if payload != "zeros":
            # Others of the same size may be a little longer.
            excess += _MARGIN_BYTES + size_bytes // _MARGIN_SHARE
        if excess <= 0:
            break
        size_bytes -= excess
    return max(1, size_bytes)


def _message(payload: Payload, size_bytes: int, generator: random.Random) -> list[Frame]:
    match payload:
        case "small":
            return [Frame(Opcode.TEXT, _random(generator, min(_SMALL_BYTES, size_bytes), 64))]
        case "text":
            return [Frame(Opcode.TEXT, _random(generator, size_bytes, 64))]
        case "binary":
            return [Frame(Opcode.BINARY, _random(generator, size_bytes, 128))]
        case "zeros":
            return [Frame(Opcode.BINARY, bytes(size_bytes))]
        case _:
            return fragments(_random(generator, size_bytes, 128), _FRAGMENTS)


def _random(generator: random.Random, size_bytes: int, values: int) -> bytes:
    """Bytes of so many values, which compress a little: 64 characters of ASCII, or 128 bytes."""
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

"""How far back repeats lie: the matches that zlib itself found, read from its output.

RFC 1951 is the format: blocks of literals and of matches, a match being a length and the distance
back to the same bytes. zlib decompresses faster, but does not tell them.
"""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wsbench.corpus.model import Message

# RFC 1951, section 3.2.5: for symbols 257 to 285 the shortest length and the number of extra bits;
# the same for distances.
_LENGTHS = [
    *((length, 0) for length in range(3, 11)),
    *((11 + 2 * step, 1) for step in range(4)),
    *((19 + 4 * step, 2) for step in range(4)),
    *((35 + 8 * step, 3) for step in range(4)),
    *((67 + 16 * step, 4) for step in range(4)),
    *((131 + 32 * step, 5) for step in range(4)),
    (258, 0),
]
_DISTANCES = [
    *((distance, 0) for distance in range(1, 5)),
    *((1 + ((2 + odd) << bits), bits) for bits in range(1, 14) for odd in (0, 1)),
]
_LENGTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_END_OF_BLOCK = 256
_STORED, _FIXED, _DYNAMIC = range(3)


class Token(NamedTuple):
    """A literal, `value` its byte and `distance` 0, or a match of `value` bytes."""

    value: int
    distance: int


class Repeats(NamedTuple):
    """Of so many bytes, those that are copies of earlier ones, by the distance of the copy."""

    bytes: int
    matched_bytes: Counter[int]

    def share_within(self, distance: int) -> float:
        """The share of all bytes that are copies from at most so far back."""
        matched = sum(count for of, count in self.matched_bytes.items() if of <= distance)
        return matched / self.bytes if self.bytes else 0.0


def reach_bytes(window_bits: int) -> int:
    """How far back zlib looks: a window, less its reserve (MAX_DIST in zlib's deflate.h)."""
    return (1 << window_bits) - 262


def measure_repeats(streams: Sequence[Sequence[Message]]) -> Repeats:
    """What zlib finds again in messages that are sent with the largest window, stream by stream."""
    matched_bytes: Counter[int] = Counter()
    size_bytes = 0
    for messages in streams:
        compressor = zlib.compressobj(wbits=-15, memLevel=8)
        deflated = bytearray()
        for message in messages:
            size_bytes += len(message.data)
            deflated += compressor.compress(message.data)
            deflated += compressor.flush(zlib.Z_SYNC_FLUSH)
        deflated += compressor.flush()
        for value, distance in tokens(bytes(deflated)):
            if distance:
                matched_bytes[distance] += value
    return Repeats(size_bytes, matched_bytes)


def tokens(deflated: bytes) -> Iterator[Token]:
    """The literals and matches of a complete raw deflate stream.

    Raises:
        ValueError: if it is none.
    """
    bits = _Bits(deflated)
    is_last = False
    while not is_last:
        is_last = bool(bits.take(1))
        kind = bits.take(2)
        if kind == _STORED:
            yield from (Token(value, 0) for value in bits.stored())
            continue
        if kind == _FIXED:
            literals, distances = _FIXED_CODES
        elif kind == _DYNAMIC:
            literals, distances = _dynamic_codes(bits)
        else:
            raise ValueError("no such kind of block")
        while (symbol := bits.symbol(literals)) != _END_OF_BLOCK:
            if symbol < _END_OF_BLOCK:
                yield Token(symbol, 0)
                continue
            base, extra = _LENGTHS[symbol - 257]
            length = base + bits.take(extra)
            base, extra = _DISTANCES[bits.symbol(distances)]
            yield Token(length, base + bits.take(extra))
        bits.check_end()


class _Code(NamedTuple):
    """A Huffman code: symbol and number of bits for whatever the next `bits` bits may be."""

    bits: int
    table: list[tuple[int, int]]


class _Bits:
    """The bits of a deflate stream, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def _next(self) -> int:
        """At least the next 25 bits; zeros after the end."""
        start = self._position >> 3
        if start > len(self._data):
            self.check_end()
        return int.from_bytes(self._data[start : start + 4], "little") >> (self._position & 7)

    def check_end(self) -> None:
        """Raise ValueError if more was taken than there is."""
        if self._position > 8 * len(self._data):
            raise ValueError("the stream ends too early")

    def take(self, count: int) -> int:
        """An integer of so many bits."""
        if not count:
            return 0
        value = self._next() & ((1 << count) - 1)
        self._position += count
        return value

    def symbol(self, code: _Code) -> int:
        """The next symbol of a code."""
        symbol, count = code.table[self._next() & ((1 << code.bits) - 1)]
        self._position += count
        return symbol

    def stored(self) -> bytes:
        """The bytes of a stored block, which begins with its length at the next whole byte."""
        start = (self._position + 7) >> 3
        size = int.from_bytes(self._data[start : start + 2], "little")
        self._position = (start + 4 + size) << 3
        return self._data[start + 4 : start + 4 + size]


def _code(lengths: Sequence[int]) -> _Code:
    """The code in which each symbol has so many bits (RFC 1951, section 3.2.2)."""
    most = max(1, *lengths)
    table = [(_END_OF_BLOCK, most)] * (1 << most)
    code = 0
    for bits in range(1, most + 1):
        for symbol, length in enumerate(lengths):
            if length == bits:
                # Codes are sent with their highest bit first, everything else with the lowest.
                reversed_code = int(f"{code:0{bits}b}"[::-1], 2)
                for index in range(reversed_code, 1 << most, 1 << bits):
                    table[index] = symbol, bits
                code += 1
        code <<= 1
    return _Code(most, table)


_FIXED_CODES = (
    _code([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8),
    _code([5] * 30),
)


def _dynamic_codes(bits: _Bits) -> tuple[_Code, _Code]:
    """The codes that a block begins with (RFC 1951, section 3.2.7)."""
    literals, distances, meta = bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4
    meta_lengths = [0] * len(_LENGTH_ORDER)
    for symbol in _LENGTH_ORDER[:meta]:
        meta_lengths[symbol] = bits.take(3)
    meta_code = _code(meta_lengths)
    lengths: list[int] = []
    while len(lengths) < literals + distances:
        symbol = bits.symbol(meta_code)
        if symbol < 16:
            lengths.append(symbol)
        elif symbol == 16:
            lengths += lengths[-1:] * (3 + bits.take(2))
        elif symbol == 17:
            lengths += [0] * (3 + bits.take(3))
        else:
            lengths += [0] * (11 + bits.take(7))
    return _code(lengths[:literals]), _code(lengths[literals:])

import zlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.corpus import Message
from wsbench.measure.repeats import Token, measure_repeats, reach_bytes, tokens


def expanded(found: list[Token]) -> bytes:
    """What literals and matches stand for (RFC 1951, section 3.2.3)."""
    data = bytearray()
    for value, distance in found:
        if distance:
            for _ in range(value):
                data.append(data[-distance])
        else:
            data.append(value)
    return bytes(data)


pieces = st.binary(max_size=80) | st.builds(
    lambda unit, count: unit * count, st.binary(min_size=1, max_size=30), st.integers(1, 3000)
)


@given(
    st.lists(pieces, max_size=6),
    st.integers(0, 9),
    st.integers(1, 9),
    st.integers(9, 15),
    st.sampled_from([0, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]),
)
def test_tokens_stand_for_what_was_compressed(
    parts: list[bytes], level: int, memory_level: int, bits: int, strategy: int
) -> None:
    compressor = zlib.compressobj(level, wbits=-bits, memLevel=memory_level, strategy=strategy)
    deflated = b""
    for part in parts:
        deflated += compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH)
    found = list(tokens(deflated + compressor.flush()))
    assert expanded(found) == b"".join(parts)
    assert all(distance <= reach_bytes(bits) for _, distance in found)


def test_a_block_of_every_length_and_distance() -> None:
    """Blocks of 258 bytes at all distances, and matches of all lengths."""
    unit = bytes(range(256)) * 2
    data = b"".join(unit[:length] + bytes([length % 251, 255, length % 7]) for length in range(400))
    compressor = zlib.compressobj(9, wbits=-15)
    found = list(tokens(compressor.compress(data) + compressor.flush()))
    assert expanded(found) == data
    assert max(token.value for token in found if token.distance) == 258


@pytest.mark.parametrize("deflated", [b"", b"\x07", zlib.compress(bytes(range(256)) * 9)[2:-20]])
def test_what_is_no_complete_deflate_stream_is_refused(deflated: bytes) -> None:
    with pytest.raises(ValueError, match=r"the stream ends too early|no such kind of block"):
        list(tokens(deflated))


def test_repeats_are_counted_by_their_distance() -> None:
    """A text of 100 bytes that nothing in it repeats, again after 1,000 bytes of noise."""
    text = bytes(range(32, 132))
    noise = b"".join(
        bytes([200 + number % 50, number % 7 + 3, number % 11 + 14]) for number in range(300)
    )
    # zlib does not find the very first byte of a stream again.
    messages = [Message(data, False) for data in (b"\x00", text, noise, text)]
    repeats = measure_repeats([messages])
    distance = len(text) + len(noise)
    assert repeats.bytes == 1 + 2 * len(text) + len(noise)
    assert repeats.matched_bytes[distance] == len(text)
    assert repeats.share_within(distance) - repeats.share_within(distance - 1) == pytest.approx(
        len(text) / repeats.bytes
    )


def test_streams_do_not_see_one_another() -> None:
    first, message = Message(b"\xff", False), Message(bytes(range(200)), False)
    assert measure_repeats([[first, message], [first, message]]).matched_bytes == Counter()
    assert measure_repeats([[first, message, message]]).matched_bytes == {200: 200}


def test_nothing_has_no_repeats() -> None:
    assert measure_repeats([]).share_within(32_768) == 0

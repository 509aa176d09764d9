import math
import zlib
from collections import Counter

from hypothesis import given
from tests.strategies import corpora

from wsbench.corpus import Corpus, Message, Stream
from wsbench.corpus.kinds import generate
from wsbench.measure import description
from wsbench.measure.description import describe
from wsbench.settings import DeflateSettings


def deflated_share(messages: list[bytes], bits: int, memory_level: int) -> float:
    compressor = zlib.compressobj(wbits=-bits, memLevel=memory_level)
    size = sum(
        len(compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)) - 4
        for data in messages
    )
    return size / sum(map(len, messages))


def test_what_windows_buy_is_what_zlib_makes_of_the_messages() -> None:
    corpus = generate("chat", messages=300)
    described = describe(corpus)
    messages = [message.data for message in corpus.messages()]
    for window in described.windows:
        bits, level = window.settings.window_bits, window.settings.memory_level
        assert window.compressed_share == deflated_share(messages, bits, level)
        assert window.reach_bytes == 2**bits - 262
        assert window.deflate_bytes == 2 ** (bits + 2) + 2 ** (level + 9)
    shares = [window.matched_share for window in described.windows]
    assert shares == sorted(shares, reverse=True)
    assert 0.9 < shares[0] < 1
    assert described.suggested == DeflateSettings(15, 8)


def test_settings_are_suggested_by_bytes_alone() -> None:
    assert describe(generate("game", messages=200)).suggested == DeflateSettings(10, 3)
    noise = zlib.compress(b"".join(m.data for m in generate("chat", messages=300).messages()))
    noise = b"".join(zlib.crc32(noise[n : n + 9]).to_bytes(4, "big") for n in range(5000))
    compressed = Corpus.of_messages("noise", [Message(noise, False)])
    assert describe(compressed).suggested is None


def test_entropy_is_that_of_the_bytes() -> None:
    data = b"aaab" * 64
    described = describe(Corpus.of_messages("c", [Message(data, True)]))
    expected = 0.75 * math.log2(4 / 3) + 0.25 * math.log2(4)
    assert math.isclose(described.entropy_bits, expected)
    every = Corpus.of_messages("c", [Message(bytes(range(256)), False)])
    assert math.isclose(describe(every).entropy_bits, 8)
    assert describe(Corpus.of_messages("c", [Message(b"", True)])).entropy_bits == 0


@given(corpora())
def test_counts_add_up(corpus: Corpus) -> None:
    described = describe(corpus)
    sizes = [len(message.data) for message in corpus.messages()]
    assert sum(side.messages for side in described.sides) == len(sizes)
    assert sum(side.bytes for side in described.sides) == sum(sizes)
    assert sum(side.streams for side in described.sides) == len(corpus.streams)
    assert sum(item.messages for item in described.sizes) == len(sizes)
    for item in described.sizes:
        within = [size for size in sizes if item.least_bytes <= size <= item.most_bytes]
        assert len(within) == item.messages
    largest = Counter(
        (stream.direction, sum(len(message.data) for message in stream.messages))
        for stream in corpus.streams
    )
    assert Counter((side.direction, side.bytes) for side in described.largest_streams) == largest


def test_the_largest_streams_are_named_and_others_only_counted() -> None:
    streams = [
        Stream((Message(b"x" * number, True),), "client", connection=number)
        for number in range(1, 31)
    ]
    described = describe(Corpus("c", tuple(streams)))
    assert [side.bytes for side in described.largest_streams] == list(range(30, 20, -1))
    assert [side.connection for side in described.largest_streams] == list(range(30, 20, -1))


def test_a_large_corpus_is_measured_by_the_beginnings_of_its_streams(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(description, "_COMPRESSED_BYTES", 30_000)
    monkeypatch.setattr(description, "_MATCHED_BYTES", 10_000)
    first, second = generate("chat", messages=200), generate("ticker", messages=400)
    corpus = Corpus("both", (*first.streams, Stream(second.streams[0].messages, "client")))
    described = describe(corpus)
    assert 29_000 < described.measured_bytes <= 30_000
    assert 9_000 < described.matched_bytes <= 10_000
    assert described.statistics.messages == 600

import random
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from tests.strategies import any_settings, corpora
from websockets.exceptions import PayloadTooBig
from websockets.extensions.permessage_deflate import PerMessageDeflate

from wsbench.corpus import (
    DIRECTIONS,
    Corpus,
    Event,
    Message,
    Stream,
    StreamedCorpus,
    capture_format,
    load_corpus,
    source,
)
from wsbench.deflate import endpoint, frame
from wsbench.errors import MeasurementError
from wsbench.measure import size
from wsbench.measure.contexts import context_bytes
from wsbench.measure.size import measure_size
from wsbench.results import Size
from wsbench.settings import STRATEGIES, DeflateSettings, Direction

ZLIB_STRATEGIES = dict(
    zip(
        STRATEGIES, (0, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED), strict=True
    )
)

# Random bytes, and long repetitive ones that reach beyond small windows and buffers.
payloads = st.binary(max_size=300) | st.builds(
    lambda unit, count: unit * count, st.binary(min_size=1, max_size=40), st.integers(1, 400)
)


def zlib_payloads(messages: list[bytes], settings: DeflateSettings, bits: int) -> list[bytes]:
    """RFC 7692, section 7.2.1, by zlib alone."""

    def fresh() -> "zlib._Compress":
        return zlib.compressobj(
            level=settings.level,
            wbits=-bits,
            memLevel=settings.memory_level,
            strategy=ZLIB_STRATEGIES[settings.strategy],
        )

    compressor, payloads = fresh(), []
    for message in messages:
        if not settings.context_takeover:
            compressor = fresh()
        data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        assert data.endswith(b"\x00\x00\xff\xff")
        payloads.append(data[:-4])
    return payloads


@given(st.lists(payloads, max_size=15), any_settings, st.sampled_from(DIRECTIONS))
def test_decoding_gives_every_message_back_in_order(
    messages: list[bytes], settings: DeflateSettings, direction: Direction
) -> None:
    one_way = settings.one_way(direction)
    sender, receiver = endpoint(one_way), endpoint(one_way)
    encoded = [sender.encode(frame(Message(data, False))) for data in messages]
    assert [bytes(receiver.decode(item).data) for item in encoded] == messages


@given(st.lists(payloads, min_size=1, max_size=15), any_settings, st.sampled_from(DIRECTIONS))
def test_sizes_are_those_of_zlib_with_the_tail_cut(
    messages: list[bytes], settings: DeflateSettings, direction: Direction
) -> None:
    corpus = Corpus.of_messages("c", [Message(data, False) for data in messages], direction)
    measured = measure_size(corpus, settings)
    assert measured.original_bytes == sum(map(len, messages))
    bits = settings.window_bits
    if direction == "client" and settings.client_window_bits is not UNSET:
        bits = settings.client_window_bits
    assert measured.compressed_bytes == sum(map(len, zlib_payloads(messages, settings, bits)))


@given(corpora(), any_settings)
def test_sizes_of_a_corpus_are_those_of_its_streams(
    corpus: Corpus, settings: DeflateSettings
) -> None:
    sizes = [measure_size(Corpus("c", (stream,)), settings) for stream in corpus.streams]
    assert measure_size(corpus, settings) == Size(
        original_bytes=sum(size.original_bytes for size in sizes),
        compressed_bytes=sum(size.compressed_bytes for size in sizes),
        wire_bytes=sum(size.wire_bytes for size in sizes),
    )


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 50])
def test_connections_that_are_open_together_are_measured_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """However few contexts may be held: the file is read more than once then."""
    generator = random.Random(3)
    events, closed = [], set[int]()
    for number in range(900):
        connection = generator.randrange(9)
        if generator.random() < 0.02:
            events.append(Event(connection, None, None))
            closed.add(connection)
        data = b"%d: of connection %d" % (number % 50, connection)
        direction = generator.choice(DIRECTIONS)
        events.append(Event(connection, direction, Message(data, True), float(number)))
    assert closed
    path = tmp_path / "c.capture.jsonl"
    path.write_bytes(b"".join(capture_format.serialise(events)))
    held = Corpus.of_events("c", events)
    settings = DeflateSettings(15, 8)
    monkeypatch.setattr(source, "HELD_BYTES", 1000)
    streamed = load_corpus(path)
    assert isinstance(streamed, StreamedCorpus)
    monkeypatch.setattr(size, "_CONTEXTS_BYTES", at_a_time * 3 * context_bytes(settings))
    assert measure_size(streamed, settings) == measure_size(held, settings)
    assert measure_size(streamed, None) == measure_size(held, None)


def test_every_stream_starts_from_a_fresh_context(corpus: Corpus) -> None:
    (stream,) = corpus.streams
    twice = Corpus("twice", (stream, stream))
    settings = DeflateSettings(15, 8)
    once, both = measure_size(corpus, settings), measure_size(twice, settings)
    assert both.compressed_bytes == 2 * once.compressed_bytes
    joined = measure_size(Corpus.of_messages("joined", twice.messages()), settings)
    assert joined.compressed_bytes < both.compressed_bytes


def test_disabled_compression_changes_nothing(corpus: Corpus) -> None:
    measured = measure_size(corpus, None)
    assert measured.compressed_bytes == measured.original_bytes


@pytest.mark.parametrize(
    ("payload_bytes", "header_bytes"),
    [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10), (100_000, 10)],
)
def test_wire_bytes_add_the_frame_header_and_the_mask(
    payload_bytes: int, header_bytes: int
) -> None:
    message = Message(b"x" * payload_bytes, True)
    for direction, mask_bytes in (("server", 0), ("client", 4)):
        corpus = Corpus("c", (Stream((message,), direction),))  # type: ignore[arg-type]
        wire_bytes = measure_size(corpus, None).wire_bytes
        assert wire_bytes == payload_bytes + header_bytes + mask_bytes


def test_compressed_frames_have_headers_of_the_compressed_length() -> None:
    # Ten kilobytes of which deflate, without the means to find repetitions, saves about half.
    corpus = Corpus.of_messages("c", [Message(b"01" * 5_000 + bytes(range(256)), False)])
    measured = measure_size(corpus, DeflateSettings(12, 5, strategy="huffman"))
    assert 126 <= measured.compressed_bytes <= 65_535
    assert measured.wire_bytes == measured.compressed_bytes + 4


def test_a_changed_message_is_a_hard_error(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = PerMessageDeflate.decode

    def wrong(self: PerMessageDeflate, frame: object, **options: object) -> object:
        decoded = decode(self, frame, **options)  # type: ignore[arg-type]
        decoded.data = bytes(decoded.data)[:-1] + b"?"
        return decoded

    monkeypatch.setattr(PerMessageDeflate, "decode", wrong)
    with pytest.raises(MeasurementError, match=r"12/5: a message of \d+ bytes did not come back"):
        measure_size(corpus, DeflateSettings(12, 5))


def test_a_message_that_cannot_be_decoded_is_a_hard_error(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise PayloadTooBig(1, 0)

    monkeypatch.setattr(PerMessageDeflate, "decode", refuse)
    with pytest.raises(MeasurementError, match="12/5: a message"):
        measure_size(corpus, DeflateSettings(12, 5))

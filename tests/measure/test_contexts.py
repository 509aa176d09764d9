import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import any_settings

from wsbench.corpus import DIRECTIONS, Corpus, Message
from wsbench.deflate import frame
from wsbench.measure.contexts import WarmContext, context_bytes
from wsbench.settings import LADDER, DeflateSettings, Direction


@pytest.mark.parametrize("settings", [*LADDER, DeflateSettings(12, 5, context_takeover=False)])
def test_a_warm_context_compresses_as_one_that_has_seen_everything(
    corpus: Corpus, settings: DeflateSettings
) -> None:
    messages = corpus.streams[0].messages
    compressor = zlib.compressobj(wbits=-settings.window_bits, memLevel=settings.memory_level)
    expected = []
    for message in messages:
        if not settings.context_takeover:
            compressor = zlib.compressobj(
                wbits=-settings.window_bits, memLevel=settings.memory_level
            )
        data = compressor.compress(message.data) + compressor.flush(zlib.Z_SYNC_FLUSH)
        expected.append(data.removesuffix(b"\x00\x00\xff\xff"))
    for start in (0, 1, 100, 200):
        context = WarmContext(messages, start, settings)
        (encoded,) = context.encoded([frame(messages[start])])
        assert encoded.data == expected[start]
        assert context.receiver().decode(encoded).data == messages[start].data


def test_what_a_copy_sends_is_nothing_to_others(corpus: Corpus) -> None:
    messages = corpus.streams[0].messages
    context = WarmContext(messages, 50, DeflateSettings(15, 8))
    first, second = context.sender(), context.copy()
    once = first.encode(frame(messages[50]))
    assert len(first.encode(frame(messages[50])).data) < len(once.data)
    assert context.encoded([frame(messages[50])]) == [once]
    second.advance(messages[50:60])
    third = WarmContext(messages, 60, DeflateSettings(15, 8))
    assert second.encoded([frame(messages[60])]) == third.encoded([frame(messages[60])])


@given(any_settings, st.sampled_from(DIRECTIONS))
def test_a_context_takes_no_more_than_is_said(
    settings: DeflateSettings, direction: Direction
) -> None:
    messages = [Message(bytes(range(256)) * 20, False)] * 30
    context = WarmContext(messages, 30, settings.one_way(direction))
    count = 20
    for make in (context.sender, context.receiver):
        make()
        tracemalloc.start()
        try:
            copies = [make() for _ in range(count)]
            allocated, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert allocated <= count * context_bytes(settings)
        del copies


@given(st.integers(0, 40), st.integers(9, 15))
def test_messages_longer_than_the_window_warm_it_too(start: int, window_bits: int) -> None:
    messages = [Message(bytes([number]) * 70_000, False) for number in range(41)]
    context = WarmContext(messages, start, DeflateSettings(window_bits, 1))
    (encoded,) = context.encoded([frame(messages[start])])
    assert context.receiver().decode(encoded).data == messages[start].data

"""What clients send, read by websockets' own parser, and counted frame by frame."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.strategies import any_settings
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from wsbench.buffers import Payload
from wsbench.corpus import Corpus, Message, Stream
from wsbench.deflate import endpoint
from wsbench.live.script import Script, fragments, idle_script, one, script
from wsbench.settings import DeflateSettings

KINDS: tuple[Payload, ...] = ("small", "text", "binary", "fragmented", "zeros")
SIZES = (16, 17, 100, 1000, 4096, 65_536, 2**20)
POINTS = (None, DeflateSettings(9, 1), DeflateSettings(12, 5), DeflateSettings(15, 9))
CORPUS = Corpus(
    "two streams",
    (Stream((Message("größer".encode(), True),)), Stream((Message(b"\xff", False),) * 2)),
)


class Arrived(NamedTuple):
    """A frame as the server's parser makes it, and where it ends on the wire."""

    frame: Frame
    end: int


def arrived(
    wire: bytes, item: DeflateSettings | None, max_size: int | None = None
) -> tuple[list[Arrived], Exception | None]:
    """All whole frames in these bytes, which come in pieces, and what is wrong with them."""
    protocol = ServerProtocol(state=State.OPEN, max_size=max_size)
    protocol.extensions = [endpoint(item)] if item else []
    frames: list[Arrived] = []
    position = 0
    while position < len(wire):
        end = frame_end(wire, position)
        protocol.receive_data(wire[position:end])
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            frames.append(Arrived(event, end))
        position = end
    return frames, protocol.parser_exc


def frame_end(wire: bytes, start: int) -> int:
    """Where a masked frame ends that begins here, by RFC 6455, section 5.2."""
    length, header = wire[start + 1] & 0x7F, 2
    if length == 126:
        length, header = int.from_bytes(wire[start + 2 : start + 4], "big"), 4
    elif length == 127:
        length, header = int.from_bytes(wire[start + 2 : start + 10], "big"), 10
    return start + header + 4 + length


def joined(frames: list[Arrived]) -> list[tuple[Opcode, bytes]]:
    """Whole messages: how they begin, and their data."""
    messages: list[tuple[Opcode, bytes]] = []
    is_whole = True
    for item, _ in frames:
        if item.opcode is Opcode.CONT:
            assert not is_whole
            opcode, data = messages.pop()
        else:
            assert is_whole
            opcode, data = item.opcode, b""
        messages.append((opcode, data + bytes(item.data)))
        is_whole = item.fin
    assert is_whole
    return messages


def all_of(frames: Script, step: int = 1 << 16) -> bytes:
    """Everything that a script that ends has, taken piece by piece."""
    wire = b""
    while part := frames.part(len(wire), step):
        wire += part
    return wire


def make(messages: list[list[Frame]], item: DeflateSettings | None) -> Script:
    return Script(iter(messages), item)


texts = st.text(max_size=40).map(lambda text: [Frame(Opcode.TEXT, text.encode())])
binaries = st.binary(max_size=40).map(lambda data: [Frame(Opcode.BINARY, data)])
in_fragments = st.builds(fragments, st.binary(max_size=40), st.integers(1, 6))
# 126 and 65,536 bytes are where the header of a frame becomes longer.
long_ones = st.sampled_from([125, 126, 65_535, 65_536]).map(
    lambda size: [Frame(Opcode.BINARY, bytes(size))]
)
any_messages = st.lists(texts | binaries | in_fragments | long_ones, max_size=12)
any_point = st.none() | any_settings


@given(any_messages, any_point, st.integers(1, 300))
def test_a_server_reads_the_messages_that_were_put_in(
    messages: list[list[Frame]], item: DeflateSettings | None, step: int
) -> None:
    # The step must not make short work of long frames, nor be all there is.
    wire = all_of(make(messages, item), step if sum(map(size_of, messages)) < 9000 else 1 << 14)
    frames, wrong = arrived(wire, item)
    assert wrong is None
    put_in = [(parts[0].opcode, b"".join(part.data for part in parts)) for parts in messages]
    assert joined(frames) == put_in
    assert [item.fin for item, _ in frames] == [part.fin for parts in messages for part in parts]


def size_of(parts: list[Frame]) -> int:
    return sum(len(part.data) for part in parts)


@settings(max_examples=50)
@given(any_messages, any_point)
def test_counts_are_those_of_the_frames_that_come(
    messages: list[list[Frame]], item: DeflateSettings | None
) -> None:
    frames, _ = arrived(all_of(make(messages, item)), item)
    ends = [0, *(end for _, end in frames)]
    sizes = [len(frame.data) for frame, _ in frames]
    counts = [0, *itertools.accumulate(map(len, messages))]
    # Every question to a script of its own: what was made for one must not be needed by another.
    for number in range(len(frames) + 1):
        assert make(messages, item).wire_bytes(number) == ends[number]
        for first in {0, number // 2, number}:
            assert make(messages, item).payload_bytes(first, number) == sum(sizes[first:number])
    for number in range(len(messages) + 1):
        assert make(messages, item).frames_of(number) == counts[number]
    message_ends = [ends[count] for count in counts]
    for position in {0, *(place + by for place in message_ends for by in (-1, 0, 1))}:
        if position >= 0:
            whole = sum(0 < end <= position for end in message_ends)
            assert make(messages, item).messages_in(position) == whole


@given(any_messages, any_point)
def test_beyond_the_end_there_is_nothing(
    messages: list[list[Frame]], item: DeflateSettings | None
) -> None:
    wire = all_of(make(messages, item))
    frames = make(messages, item)
    assert frames.part(len(wire), 10) == b""
    assert frames.part(len(wire) + 10, 10) == b""
    whole = frames.part(0, len(wire) + 10)
    assert len(whole) == len(wire)
    assert frames.part(max(0, len(wire) - 3), 10) == whole[-3:]
    count = sum(map(len, messages))
    assert frames.wire_bytes(count + 5) == len(wire)
    assert frames.frames_of(len(messages) + 5) == count
    assert frames.payload_bytes(0, count + 5) == sum(map(size_of, messages))
    assert frames.messages_in(len(wire) + 5) == len(messages)


def worst_by_trying(
    frames: list[Arrived], starts: int, queued: int, read_bytes: int, frame_bytes: int
) -> tuple[int, int]:
    """Every moment at which a queue is full but for a frame that has begun to come, tried out."""
    wire = [0, *(end for _, end in frames)]
    outcomes = []
    for first in range(starts):
        begin, end = wire[first + queued : first + queued + 2]
        for begun in range(begin, end):
            whole = sum(item.end <= begun + read_bytes for item in frames)
            payload = sum(len(item.data) for item, _ in frames[first:whole])
            unfinished = wire[whole + 1] - wire[whole]
            outcomes.append((payload + (whole - first) * frame_bytes + unfinished, whole - first))
    return max(outcomes)


@given(
    st.lists(texts | binaries | in_fragments, min_size=1, max_size=5),
    any_point,
    st.integers(1, 4),
    st.integers(1, 100),
    st.integers(0, 50),
)
@example([[Frame(Opcode.BINARY, bytes(size))] for size in (1, 9, 0, 30, 0, 0, 5)], None, 2, 50, 0)
def test_the_worst_case_is_the_worst_of_all(
    messages: list[list[Frame]],
    item: DeflateSettings | None,
    queued: int,
    read_bytes: int,
    frame_bytes: int,
) -> None:
    # Long enough for what is looked at, two rounds, and what is read from its end on.
    frames, _ = arrived(all_of(make(messages * 40, item)), item)
    starts = 2 * sum(map(len, messages))
    endless = Script(itertools.cycle(messages), item, period=len(messages))
    assert endless.most(queued, read_bytes, frame_bytes) == worst_by_trying(
        frames, starts, queued, read_bytes, frame_bytes
    )


def test_the_worst_case_of_equal_frames_by_hand() -> None:
    # A frame of 10 bytes has a header of 2, and a mask of 4, so it takes 16 on the wire.
    frames = make([[Frame(Opcode.BINARY, bytes(10))]] * 1000, None)
    # Three frames, and 15 bytes of a fourth; 1 byte makes it whole, and 160 make eleven whole.
    assert frames.most(3, 1, 0) == (40 + 16, 4)
    assert frames.most(3, 160, 0) == (130 + 16, 13)
    assert frames.most(3, 161, 7) == (140 + 14 * 7 + 16, 14)


def test_of_endless_ones_a_window_of_another_kind_is_found() -> None:
    """Far behind what is queued at first, but before they begin again."""
    few = [Frame(Opcode.BINARY, b"")]
    many = [Frame(Opcode.BINARY, bytes(100))]
    messages = itertools.cycle([*[few] * 5000, *[many] * 20])
    frames = Script(messages, None, period=5020)
    assert frames.most(4, 1 + 106 * 3, 0) == (800 + 106, 8)
    # Where each frame takes much, it is the empty ones.
    assert frames.most(4, 1 + 106 * 3, 1000)[1] > 50


def test_an_endless_script_is_made_as_far_as_it_is_needed() -> None:
    made = 0

    def messages() -> Iterator[list[Frame]]:
        nonlocal made
        while True:
            made += 1
            yield [Frame(Opcode.BINARY, bytes(94))]

    frames = Script(messages(), None)
    assert len(frames.part(0, 1000)) == 1000
    assert made == 10
    assert frames.wire_bytes(7) == 700
    assert made == 10


@given(st.binary(max_size=200), st.integers(1, 20))
def test_fragments_make_one_message(data: bytes, count: int) -> None:
    parts = fragments(data, count)
    assert b"".join(part.data for part in parts) == data
    assert [part.opcode for part in parts] == [Opcode.BINARY] + [Opcode.CONT] * (len(parts) - 1)
    assert [part.fin for part in parts] == [False] * (len(parts) - 1) + [True]
    assert 1 <= len(parts) <= count
    # Nothing but an empty message is made of empty frames.
    assert all(part.data for part in parts) or not data
    if len(data) >= count**2:
        assert len(parts) == count


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("item", POINTS, ids=str)
def test_no_message_of_a_kind_is_refused(
    kind: Payload, size: int, item: DeflateSettings | None
) -> None:
    frames = script(kind, size, CORPUS, item)
    count = 2 if size > 65_536 else 12
    wire = frames.part(0, frames.wire_bytes(frames.frames_of(1 + count)))
    came, wrong = arrived(wire, item, max_size=size)
    if wrong is not None:
        raise wrong
    first, *messages = joined(came)
    assert first == (Opcode.TEXT, b"x")
    assert len(messages) == count
    for opcode, data in messages:
        # Some need room for what deflating adds.
        assert 0.85 * size - 40 <= len(data) <= size or kind == "small"
        assert len(data) == size or item is not None or kind == "small"
        if kind in ("text", "small"):
            assert opcode is Opcode.TEXT
            assert data.decode().isprintable()
        else:
            assert opcode is Opcode.BINARY
    if kind == "zeros":
        assert {data for _, data in messages} == {bytes(size)}
    elif kind == "small":
        assert {len(data) for _, data in messages} <= set(range(1, 17))
    elif size >= 1024 and kind == "text":
        assert {len(data) for _, data in messages} == {size}
    if kind == "fragmented" and size >= 1000:
        assert len(came) == 1 + 16 * count
    elif kind != "fragmented":
        assert len(came) == 1 + count
    if kind not in ("zeros", "small") and size >= 100:
        assert len(set(messages)) == count


@pytest.mark.parametrize("item", POINTS, ids=str)
def test_a_corpus_is_sent_round_and_round(item: DeflateSettings | None) -> None:
    frames = script("corpus", None, CORPUS, item)
    came, wrong = arrived(frames.part(0, frames.wire_bytes(8)), item)
    assert wrong is None
    cycle = [(Opcode.TEXT, "größer".encode()), (Opcode.BINARY, b"\xff"), (Opcode.BINARY, b"\xff")]
    assert joined(came) == [(Opcode.TEXT, b"x"), *cycle, *cycle, cycle[0]]


def test_without_a_limit_messages_have_a_size_all_the_same() -> None:
    frames = script("zeros", None, CORPUS, None)
    assert frames.payload_bytes(1, 2) == 2**20
    assert script("text", None, CORPUS, None).payload_bytes(1, 2) == 2**20


@pytest.mark.parametrize("kind", KINDS)
def test_all_scripts_of_a_kind_are_alike(kind: Payload) -> None:
    first, second = (
        arrived(frames.part(0, frames.wire_bytes(100)), POINTS[2])[0]
        for frames in (script(kind, 1000, CORPUS, POINTS[2]) for _ in range(2))
    )
    assert len(first) == 100
    assert first == second


@pytest.mark.parametrize("item", POINTS, ids=str)
def test_one_message_follows_a_character_and_idle_ones_nothing(
    item: DeflateSettings | None,
) -> None:
    parts = fragments(b"hello world", 3)
    came, wrong = arrived(all_of(one(parts, item)), item)
    assert wrong is None
    assert joined(came) == [(Opcode.TEXT, b"x"), (Opcode.BINARY, b"hello world")]
    assert len(came) == 4
    idle, wrong = arrived(all_of(idle_script()), None)
    assert wrong is None
    assert joined(idle) == [(Opcode.TEXT, b"x")]

"""What is to be known of a corpus before it is swept: who sends what, and what windows buy."""

import math
from collections import Counter
from collections.abc import Iterable

import msgspec

from wsbench.corpus import AnyCorpus, Corpus
from wsbench.corpus.model import DIRECTIONS, Message, Statistics, Stream
from wsbench.measure.contexts import deflate_bytes
from wsbench.measure.repeats import measure_repeats, reach_bytes
from wsbench.measure.size import measure_size
from wsbench.settings import LADDER, DeflateSettings, Direction

# As much as the ladder is compressed by, and is looked through for matches, in a second or two.
_COMPRESSED_BYTES = 4 * 2**20
_MATCHED_BYTES = 2**20
# Streams that are looked at: each needs a compressor for every row.
_MEASURED_STREAMS = 500
# Streams that are named one by one.
_MOST_STREAMS = 10
# How much larger than the smallest what the suggested settings make may be; and what has to be
# saved for compression to be suggested at all.
_TOLERANCE = 0.1
_WORTHWHILE = 0.05


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one side sends, on all connections or on one."""

    direction: Direction
    connection: int | None = None
    streams: int
    messages: int
    bytes: int


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages have `least_bytes` to `most_bytes`."""

    least_bytes: int
    most_bytes: int
    messages: int


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of the ladder does for the bytes of a corpus.

    Its window reaches back `reach_bytes`; so great a share of all bytes are copies of what is
    within it; to so great a share of them the messages are compressed; and one compressor takes
    `deflate_bytes`, by zlib's formula.
    """

    settings: DeflateSettings
    reach_bytes: int
    matched_share: float
    compressed_share: float
    deflate_bytes: int


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """A corpus; `entropy_bits` a byte are what coding each byte on its own would leave of 8.

    `windows` were measured with the first `measured_bytes` of its streams, matches with the first
    `matched_bytes`. `suggested` are the settings with the smallest context whose messages take at
    most a tenth more than the smallest of the ladder; None is no compression. By bytes alone.
    """

    name: str
    sha256: str
    statistics: Statistics
    sides: tuple[Side, ...]
    largest_streams: tuple[Side, ...]
    sizes: tuple[Sizes, ...]
    entropy_bits: float
    measured_bytes: int
    matched_bytes: int
    windows: tuple[Window, ...]
    suggested: DeflateSettings | None


def describe(corpus: AnyCorpus) -> Description:
    """Everything about a corpus that takes seconds to find out.

    Raises:
        MeasurementError: if a message is not what it was after compressing and decompressing.
    """
    sides, largest, sizes = _counts(corpus)
    measured = _beginnings(corpus.sample, _COMPRESSED_BYTES)
    matched = _beginnings(corpus.sample, _MATCHED_BYTES)
    repeats = measure_repeats([stream.messages for stream in matched.streams])
    windows = []
    for settings in LADDER:
        size = measure_size(measured, settings)
        reach = reach_bytes(settings.window_bits)
        windows.append(
            Window(
                settings=settings,
                reach_bytes=reach,
                matched_share=repeats.share_within(reach),
                compressed_share=size.compressed_bytes / max(1, size.original_bytes),
                deflate_bytes=deflate_bytes(settings),
            )
        )
    return Description(
        name=corpus.name,
        sha256=corpus.sha256(),
        statistics=corpus.statistics(),
        sides=sides,
        largest_streams=largest,
        sizes=sizes,
        entropy_bits=_entropy_bits(measured.messages()),
        measured_bytes=sum(len(message.data) for message in measured.messages()),
        matched_bytes=repeats.bytes,
        windows=tuple(windows),
        suggested=_suggested(windows),
    )


def _counts(
    corpus: AnyCorpus,
) -> tuple[tuple[Side, ...], tuple[Side, ...], tuple[Sizes, ...]]:
    """What each side sends in all, the streams with the most bytes, and the sizes of messages."""
    streams, messages, sent_bytes = Counter[Direction](), Counter[Direction](), Counter[Direction]()
    of_bit_length: Counter[int] = Counter()
    open_: dict[int, dict[Direction, list[int]]] = {}
    numbers: dict[int, int] = {}
    begun = 0
    largest: list[Side] = []

    def end(connection: int) -> None:
        for direction, (count, size_bytes) in open_.pop(connection).items():
            side = Side(
                direction=direction,
                connection=numbers[connection],
                streams=1,
                messages=count,
                bytes=size_bytes,
            )
            largest.append(side)
        largest.sort(key=lambda side: -side.bytes)
        del largest[_MOST_STREAMS:]

    for connection, direction, message, _ in corpus.events():
        if direction is None or message is None:
            if connection in open_:
                end(connection)
            continue
        if connection not in open_:
            begun += 1
            open_[connection], numbers[connection] = {}, begun
        if direction not in open_[connection]:
            open_[connection][direction] = [0, 0]
            streams[direction] += 1
        size_bytes = len(message.data)
        stream = open_[connection][direction]
        stream[0] += 1
        stream[1] += size_bytes
        messages[direction] += 1
        sent_bytes[direction] += size_bytes
        of_bit_length[size_bytes.bit_length()] += 1
    for connection in list(open_):
        end(connection)
    sides = tuple(
        Side(
            direction=direction,
            streams=streams[direction],
            messages=messages[direction],
            bytes=sent_bytes[direction],
        )
        for direction in DIRECTIONS
        if streams[direction]
    )
    sizes = tuple(
        Sizes(
            least_bytes=1 << (length - 1) if length else 0,
            most_bytes=(1 << length) - 1,
            messages=of_bit_length[length],
        )
        for length in range(min(of_bit_length), max(of_bit_length) + 1)
    )
    return sides, tuple(largest), sizes


def _beginnings(corpus: Corpus, most_bytes: int) -> Corpus:
    """The same share of every stream, or of so many of them, from its begin, that makes so many
    bytes in all.
    """
    step = math.ceil(len(corpus.streams) / _MEASURED_STREAMS)
    streams = corpus.streams[::step]
    total = sum(len(message.data) for stream in streams for message in stream.messages)
    share = most_bytes / total if total else 1.0
    if share < 1:
        streams = tuple(_beginning(stream, share) for stream in streams)
    return Corpus(corpus.name, streams)


def _beginning(stream: Stream, share: float) -> Stream:
    left_bytes = share * sum(len(message.data) for message in stream.messages)
    kept: list[Message] = []
    for message in stream.messages:
        # At least one message, so that no stream is left out.
        if kept and len(message.data) > left_bytes:
            break
        kept.append(message)
        left_bytes -= len(message.data)
    return Stream(tuple(kept), stream.direction)


def _entropy_bits(messages: Iterable[Message]) -> float:
    """Shannon's entropy of single bytes, in bits a byte."""
    counts: Counter[int] = Counter()
    for message in messages:
        counts.update(message.data)
    total = counts.total()
    return sum(count / total * math.log2(total / count) for count in counts.values())


def _suggested(windows: list[Window]) -> DeflateSettings | None:
    smallest = min(window.compressed_share for window in windows)
    if smallest > 1 - _WORTHWHILE:
        return None
    enough = [
        window for window in windows if window.compressed_share <= smallest * (1 + _TOLERANCE)
    ]
    return min(enough, key=lambda window: window.deflate_bytes).settings

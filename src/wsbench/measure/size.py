"""Size: every message compressed once, in order, from a fresh context, and decompressed again."""

import sys
from collections.abc import Callable, Container, Iterator, Sequence

from websockets.exceptions import WebSocketException
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame

from wsbench.corpus import AnyCorpus
from wsbench.corpus.model import Message
from wsbench.deflate import endpoint, frame
from wsbench.errors import MeasurementError
from wsbench.measure.contexts import context_bytes
from wsbench.results import Size
from wsbench.settings import DeflateSettings, Direction

# What contexts may take at a time. Connections that are open beyond that wait for another reading
# of the corpus.
_CONTEXTS_BYTES = 128 * 2**20

_Encoder = Callable[[Message], Frame]


def measure_size(corpus: AnyCorpus, settings: DeflateSettings | None) -> Size:
    """Bytes of the corpus under these settings; exact, and the same in every run.

    Raises:
        MeasurementError: if a message is not what it was after compressing and decompressing.
    """
    original_bytes = compressed_bytes = wire_bytes = 0
    for direction, message, encoded in _encoded(corpus, settings):
        original_bytes += len(message.data)
        compressed_bytes += len(encoded.data)
        wire_bytes += _wire_bytes(encoded, direction)
    return Size(
        original_bytes=original_bytes, compressed_bytes=compressed_bytes, wire_bytes=wire_bytes
    )


def measure_sizes(
    corpus: AnyCorpus, settings: Sequence[DeflateSettings | None]
) -> list[tuple[DeflateSettings | None, Size]]:
    """`measure_size` of several settings: one piece of work for an executor."""
    return [(item, measure_size(corpus, item)) for item in settings]


def _encoded(
    corpus: AnyCorpus, settings: DeflateSettings | None
) -> Iterator[tuple[Direction, Message, Frame]]:
    """Every message and what is sent for it, with a context of its own for each stream.

    As many connections as may be open at a time are followed from their begin to their end; others,
    known by the order in which they begin, at the next reading.
    """
    wanted: Container[int] = range(sys.maxsize)
    while True:
        begun, room, missed = 0, _most_connections(settings), set[int]()
        # Of every open connection, the encoder of each direction; None where it is not followed.
        followed: dict[int, dict[Direction, _Encoder] | None] = {}
        for connection, direction, message, _ in corpus.events():
            if direction is None or message is None:
                room += followed.pop(connection, None) is not None
                continue
            if connection not in followed:
                is_wanted, is_followed = begun in wanted, begun in wanted and room > 0
                if is_wanted and not is_followed:
                    missed.add(begun)
                followed[connection] = {} if is_followed else None
                room -= is_followed
                begun += 1
            encoders = followed[connection]
            if encoders is None:
                continue
            encode = encoders.get(direction)
            if encode is None:
                one_way = settings and settings.one_way(direction)
                encode = encoders[direction] = _verified_encoder(one_way)
            yield direction, message, encode(message)
        if not missed:
            return
        wanted = missed


def _most_connections(settings: DeflateSettings | None) -> int:
    """How many connections can be followed at a time."""
    if settings is None:
        return sys.maxsize
    # Two contexts that compress, and two that decompress, which take less than half as much.
    return max(1, _CONTEXTS_BYTES // (3 * context_bytes(settings)))


def _verified_encoder(settings: DeflateSettings | None) -> _Encoder:
    """What encodes the messages of one stream, and checks each against a peer that decodes it."""
    if settings is None:
        return frame
    sender, receiver = endpoint(settings), endpoint(settings)

    def encode(message: Message) -> Frame:
        plain = frame(message)
        encoded = sender.encode(plain)
        _check_decoded(receiver, encoded, plain, settings)
        return encoded

    return encode


def _check_decoded(
    receiver: PerMessageDeflate, encoded: Frame, plain: Frame, settings: DeflateSettings
) -> None:
    try:
        intact = receiver.decode(encoded) == plain
    except WebSocketException:
        intact = False
    if not intact:
        raise MeasurementError(
            f"{settings}: a message of {len(plain.data)} bytes did not come back as it was; "
            f"this zlib cannot be trusted with these settings"
        )


def _wire_bytes(encoded: Frame, direction: Direction) -> int:
    """Bytes of the frame with its header: clients mask what they send (RFC 6455, section 5.3)."""
    # Without the bit that marks it compressed, which websockets refuses where no extension claims
    # it, the frame is just as long.
    bare = Frame(encoded.opcode, encoded.data)
    return len(bare.serialize(mask=direction == "client"))

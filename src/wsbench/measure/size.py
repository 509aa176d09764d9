"""Size: every message compressed once, in order, from a fresh context, and decompressed again."""

from collections.abc import Callable, Sequence

from websockets.exceptions import WebSocketException
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame

from wsbench.corpus.model import Corpus, Direction, Message
from wsbench.deflate import endpoint, frame
from wsbench.errors import MeasurementError
from wsbench.results import Size
from wsbench.settings import DeflateSettings


def measure_size(corpus: Corpus, settings: DeflateSettings | None) -> Size:
    """Bytes of the corpus under these settings; exact, and the same in every run.

    Raises:
        MeasurementError: if a message is not what it was after compressing and decompressing.
    """
    original_bytes = compressed_bytes = wire_bytes = 0
    for stream in corpus.streams:
        encode = _verified_encoder(settings)
        for message in stream.messages:
            encoded = encode(message)
            original_bytes += len(message.data)
            compressed_bytes += len(encoded.data)
            wire_bytes += _wire_bytes(encoded, stream.direction)
    return Size(
        original_bytes=original_bytes, compressed_bytes=compressed_bytes, wire_bytes=wire_bytes
    )


def measure_sizes(
    corpus: Corpus, settings: Sequence[DeflateSettings | None]
) -> list[tuple[DeflateSettings | None, Size]]:
    """`measure_size` of several settings: one piece of work for an executor."""
    return [(item, measure_size(corpus, item)) for item in settings]


def _verified_encoder(settings: DeflateSettings | None) -> Callable[[Message], Frame]:
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

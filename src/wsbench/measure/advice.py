"""The smallest limits that are safe for a corpus and a burst, and what they cost at the worst."""

import itertools
import math

from websockets.frames import Frame, Opcode

from wsbench.buffers import Advice, Limits
from wsbench.corpus.model import Corpus
from wsbench.live.pressure import How, Pressure
from wsbench.live.script import Script, idle_script, script
from wsbench.measure.slow_reader import reach
from wsbench.settings import DeflateSettings

_CONNECTIONS = 10
_KIB = 1024
# zlib stores what it cannot compress in blocks of as many bytes as its buffer of symbols holds,
# one less than 1 << (memLevel + 6) (deflate.c), with 5 bytes more each (RFC 1951, section 3.2.4).
_SMALLEST_BLOCK_BYTES = (1 << (1 + 6)) - 1
_BLOCK_BYTES = 5


def advice(
    how: How,
    settings: DeflateSettings | None,
    write_limit: int | None,
    corpus: Corpus,
    *,
    burst: int,
    connections: int,
) -> Advice:
    """What to limit messages and the queue to, for this corpus and so many messages at once.

    A message has to pass twice, as it comes and decompressed: if it does not compress, the first is
    larger. What an idle connection takes, and a frame in the queue, is measured in a server.

    Raises:
        MeasurementError: if the server fails.
        TimeUp: if it takes too long.
    """
    sizes = corpus.statistics()
    largest = wire = sizes.max_bytes
    if settings is not None:
        wire += _BLOCK_BYTES * (1 + math.ceil(largest / _SMALLEST_BLOCK_BYTES))
    limits = Limits(
        max_size=_KIB * max(1, math.ceil(wire / _KIB)), max_queue=burst, write_limit=write_limit
    )
    with Pressure(how, settings, {"ping_interval": None}, idle_script(), traced=True) as pressure:
        pressure.warm_up()
        _, all_bytes = pressure.open_idle(_CONNECTIONS)
        frame_bytes = pressure.frame_bytes
    idle_bytes = round(all_bytes / _CONNECTIONS)
    usual = reach(how, limits, frame_bytes, script("corpus", limits.max_size, corpus, settings))
    # Empty messages make most frames of what is read, zeros most bytes.
    empty = Script(itertools.repeat([Frame(Opcode.BINARY, b"")]), None)
    worst = [
        reach(how, limits, frame_bytes, frames)
        for frames in (empty, script("zeros", limits.max_size, corpus, settings))
    ]
    assert usual is not None
    return Advice(
        settings=settings,
        largest_bytes=largest,
        p95_bytes=sizes.p95_bytes,
        burst=burst,
        connections=connections,
        limits=limits,
        queued_frames=usual.frames,
        idle_bytes=idle_bytes,
        connection_bytes=idle_bytes + usual.bytes,
        hostile_bytes=idle_bytes + max(item.bytes for item in (usual, *worst) if item),
    )

"""The limits that are advised: clients get through, and the costs are those of a full queue."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import websockets.sync.client
import websockets.sync.server
from websockets.exceptions import ConnectionClosedError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from wsbench.bounds import read_bytes
from wsbench.buffers import Advice
from wsbench.corpus import Corpus, Message
from wsbench.deflate import server_factory
from wsbench.live.pressure import Deadline, How, TimeUp
from wsbench.measure.advice import advice
from wsbench.settings import DeflateSettings, Implementation

REFERENCE = DeflateSettings(12, 5)
LIMIT_SECONDS = 60
KIB = 1024


def advised(
    corpus: Corpus,
    settings: DeflateSettings | None = REFERENCE,
    *,
    implementation: Implementation = "sync",
    burst: int = 16,
    connections: int = 1000,
) -> Advice:
    how = How(implementation, None, Deadline(LIMIT_SECONDS))
    return advice(how, settings, 32_768, corpus, burst=burst, connections=connections)


def incompressible(size: int) -> Corpus:
    message = Message(random.Random(size).randbytes(size), False)
    return Corpus.of_messages("random", [Message(b"small", True), message])


@contextmanager
def server(settings: DeflateSettings | None, max_size: int | None) -> Iterator[str]:
    """A server that answers how long each message is."""

    def handler(connection: websockets.sync.server.ServerConnection) -> None:
        for message in connection:
            connection.send(str(len(message)))

    with websockets.sync.server.serve(
        handler,
        "127.0.0.1",
        0,
        max_size=max_size,
        compression=None,
        extensions=[server_factory(settings)] if settings else None,
    ) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{running.socket.getsockname()[1]}"
        running.shutdown()
        thread.join()


def answers(uri: str, corpus: Corpus, compress: dict[str, int] | None) -> list[int]:
    """What a client is answered that compresses like that, or not at all."""
    extensions = None
    if compress is not None:
        extensions = [
            ClientPerMessageDeflateFactory(client_max_window_bits=True, compress_settings=compress)
        ]
    with websockets.sync.client.connect(
        uri, compression=None, extensions=extensions, proxy=None
    ) as client:
        assert bool(client.protocol.extensions) == (compress is not None)
        sizes = []
        for message in corpus.messages():
            client.send(message.data)
            sizes.append(int(client.recv(timeout=LIMIT_SECONDS)))
        return sizes


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (1, REFERENCE),
        (KIB, REFERENCE),
        (64 * KIB, DeflateSettings(9, 1)),
        (1_048_506, REFERENCE),
    ],
    ids=str,
)
def test_what_does_not_compress_gets_through(size: int, settings: DeflateSettings) -> None:
    corpus = incompressible(size)
    given = advised(corpus, settings)
    assert given.largest_bytes == max(size, 5)
    assert given.limits.max_size is not None
    # Not much more than it has to be.
    assert given.limits.max_size <= 1.05 * size + KIB
    with server(settings, given.limits.max_size) as uri:
        for memory_level in (5, 1):
            for level in (6, 0):
                compress = {"memLevel": memory_level, "level": level}
                assert answers(uri, corpus, compress) == [5, size]
        assert answers(uri, corpus, None) == [5, size]


def test_without_compression_it_is_the_largest_message() -> None:
    given = advised(incompressible(3 * KIB), None)
    assert given.limits.max_size == 3 * KIB
    # The same the other way round: a smaller limit would close the connection.
    with server(None, given.limits.max_size - 1) as uri:
        with pytest.raises(ConnectionClosedError, match="1009"):
            answers(uri, incompressible(3 * KIB), None)


@pytest.mark.parametrize("implementation", ["asyncio", "sync"])
def test_costs_are_those_of_queues_that_are_full(implementation: Implementation) -> None:
    # Frames of 1,000 bytes have a header of 4 bytes, and a mask of 4.
    size, wire = 1000, 1008
    corpus = Corpus.of_messages("equal", [Message(bytes(size), False)])
    given = advised(corpus, None, implementation=implementation, burst=20, connections=77)
    assert (given.burst, given.connections) == (20, 77)
    assert given.settings is None
    assert given.limits.max_queue == 20
    assert given.limits.write_limit == 32_768
    assert given.largest_bytes == size
    # All but a byte of a frame, which the read goes on with.
    reading = read_bytes(implementation, tls=False)
    frames = 20 + (wire - 1 + reading) // wire
    assert given.queued_frames == frames
    assert 1000 < given.idle_bytes < 100_000
    held = given.connection_bytes - given.idle_bytes
    kept = reading if implementation == "sync" else 0
    assert frames * size + kept < held < frames * (size + 1000) + wire + kept
    # Empty messages, of 6 bytes each, are many more frames.
    empty = 20 + (5 + reading) // 6
    frame_bytes = (held - frames * size - wire - kept) / frames
    hostile = given.hostile_bytes - given.idle_bytes - kept
    assert hostile == pytest.approx(empty * frame_bytes + 6, abs=empty)


def test_zeros_cost_more_than_what_compresses_less() -> None:
    corpus = incompressible(64 * KIB)
    given = advised(corpus, burst=2)
    assert given.limits.max_size is not None
    # A read of 64 KiB brings one or two of these messages, and many of zeros.
    queue = 2 * 64 * KIB
    assert given.idle_bytes + queue < given.connection_bytes < given.idle_bytes + 4 * queue
    assert given.hostile_bytes > 100 * given.limits.max_size


def test_small_messages_among_large_ones_are_the_worst_when_they_are_many() -> None:
    few = [Message(bytes(1000), False)] * 100
    many = [Message(b"", False)] * 20_000
    given = advised(Corpus.of_messages("mixed", [*few, *many]), None)
    alone = advised(Corpus.of_messages("small", many), None)
    assert given.connection_bytes >= 0.99 * alone.connection_bytes


def test_the_time_is_up() -> None:
    how = How("asyncio", None, Deadline(-1))
    with pytest.raises(TimeUp):
        advice(how, None, None, incompressible(1), burst=1, connections=1)

"""The process under measurement: an echo server a settings, with every allocation traced.

Run as `python -m wsbench.live.traced_server` by `wsbench.live.target`, which it talks to in JSON
lines: it reads the settings from standard input, writes a `Listening` line, and ends when standard
input does. Each connection echoes a text and a binary message and is then told the bytes traced.
"""

import asyncio
import contextlib
import gc
import socket
import sys
import tracemalloc

import msgspec
from websockets.asyncio.server import ServerConnection, serve

from wsbench.corpus.model import Message
from wsbench.deflate import endpoint, frame, server_factory
from wsbench.settings import DeflateSettings


class Listener(msgspec.Struct, frozen=True):
    """Where one settings is served, and what its compressor and decompressor hold, in bytes."""

    port: int
    deflate_bytes: int
    inflate_bytes: int


class Listening(msgspec.Struct, frozen=True):
    """The first line that the server writes: a listener for each settings, in their order."""

    listeners: list[Listener]


async def run(settings: list[DeflateSettings | None]) -> None:
    """Serve every settings on a port of its own until standard input ends."""
    tracemalloc.start()
    async with contextlib.AsyncExitStack() as stack:
        listeners = []
        for item in settings:
            extensions = [server_factory(item)] if item else None
            sock = _listening_socket()
            await stack.enter_async_context(
                serve(_echo, sock=sock, compression=None, extensions=extensions)
            )
            listeners.append(Listener(sock.getsockname()[1], *_codec_bytes(item)))
        # What is alive by now stays: collections need not look at it again.
        gc.collect()
        gc.freeze()
        sys.stdout.buffer.write(msgspec.json.encode(Listening(listeners)) + b"\n")
        sys.stdout.buffer.flush()
        await asyncio.to_thread(sys.stdin.buffer.read)


def _listening_socket() -> socket.socket:
    # asyncio, asked to make the socket, passes over a lack of descriptors in silence; given one
    # that does not name TCP, it leaves Nagle's algorithm on, at 40 ms a message.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    return sock


async def _echo(connection: ServerConnection) -> None:
    for _ in range(2):
        await connection.send(await connection.recv())
    await connection.send(str(_traced_bytes()))
    await connection.wait_closed()


def _traced_bytes() -> int:
    # The garbage of a handshake, in reference cycles, is no cost of an open connection; left to
    # the collector's own moment, it would be counted with whichever connection comes next.
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _codec_bytes(settings: DeflateSettings | None) -> tuple[int, int]:
    """Bytes of the compressor and of the decompressor of one endpoint, after a message."""
    if settings is None:
        return 0, 0
    # Without context takeover they live for one message only; this is what they hold then.
    codec = endpoint(msgspec.structs.replace(settings, context_takeover=True))
    # zlib's inflate allocates its window when it first has something to keep in it.
    codec.decode(codec.encode(frame(Message(b"hello", True))))
    with_both = _traced_bytes()
    del codec.encoder
    with_decoder = _traced_bytes()
    del codec.decoder
    return with_both - with_decoder, with_decoder - _traced_bytes()


if __name__ == "__main__":
    requested = msgspec.json.decode(sys.stdin.buffer.readline(), type=list[DeflateSettings | None])
    asyncio.run(run(requested))

"""The process under measurement: an echo server a settings, with every allocation traced.

Run as `python -m wsbench.live.traced_server` by `wsbench.live.target`, which it talks to in JSON
lines: it reads a `Request` from standard input, writes a `Listening` line, and ends when standard
input does. Each connection echoes a text and a binary message and is then told the bytes traced.
"""

import asyncio
import contextlib
import gc
import os
import ssl
import sys
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import websockets.asyncio.server
import websockets.sync.server
from websockets.exceptions import ConnectionClosed

from wsbench.corpus.model import Message
from wsbench.deflate import endpoint, frame, server_factory
from wsbench.live.listen import listen_tcp
from wsbench.settings import DeflateSettings, Implementation


class Request(msgspec.Struct, frozen=True):
    """Which settings to serve, and how; `tls` names a certificate and its key."""

    settings: list[DeflateSettings | None]
    implementation: Implementation
    tls: tuple[str, str] | None


class Listener(msgspec.Struct, frozen=True):
    """Where one settings is served, and what its compressor and decompressor hold, in bytes."""

    port: int
    deflate_bytes: int
    inflate_bytes: int


class Listening(msgspec.Struct, frozen=True):
    """The first line that the server writes: a listener for each settings, in their order."""

    listeners: list[Listener]


def run(request: Request) -> None:
    """Serve every settings on a port of its own until standard input ends.

    Raises:
        OSError: if the certificate or its key cannot be read.
    """
    context = None
    if request.tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*request.tls)
    serve = _serve_in_tasks if request.implementation == "asyncio" else _serve_in_threads
    tracemalloc.start()
    listeners, arguments = [], []
    for item in request.settings:
        sock = listen_tcp("127.0.0.1", 0)
        listeners.append(Listener(sock.getsockname()[1], *_codec_bytes(item)))
        extensions = [server_factory(item)] if item else None
        arguments.append(
            {"sock": sock, "ssl": context, "compression": None, "extensions": extensions}
        )
    serve(arguments, lambda: _say(Listening(listeners)))


def _say(listening: Listening) -> None:
    # What is alive by now stays: collections need not look at it again.
    gc.collect()
    gc.freeze()
    sys.stdout.buffer.write(msgspec.json.encode(listening) + b"\n")
    sys.stdout.buffer.flush()


def _serve_in_tasks(arguments: list[dict[str, Any]], started: Callable[[], None]) -> None:
    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for item in arguments:
                await stack.enter_async_context(websockets.asyncio.server.serve(_echo, **item))
            started()
            await asyncio.to_thread(sys.stdin.buffer.read)

    asyncio.run(run())


def _serve_in_threads(arguments: list[dict[str, Any]], started: Callable[[], None]) -> None:
    for item in arguments:
        server = websockets.sync.server.serve(_echo_in_thread, **item)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    started()
    sys.stdin.buffer.read()
    # Threads that wait for messages would keep the process.
    os._exit(0)


async def _echo(connection: websockets.asyncio.server.ServerConnection) -> None:
    for _ in range(2):
        await connection.send(await connection.recv())
    await connection.send(str(_traced_bytes()))
    await connection.wait_closed()


def _echo_in_thread(connection: websockets.sync.server.ServerConnection) -> None:
    for _ in range(2):
        connection.send(connection.recv())
    connection.send(str(_traced_bytes()))
    with contextlib.suppress(ConnectionClosed):
        connection.recv()


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
    try:
        run(msgspec.json.decode(sys.stdin.buffer.readline(), type=Request))
    except OSError as error:
        # An event loop that was made by half would have the last word.
        print(error.strerror or error, file=sys.stderr, flush=True)
        os._exit(1)

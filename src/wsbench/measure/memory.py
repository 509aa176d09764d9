"""Memory: what one more connection allocates in a real websockets server."""

import asyncio
import contextlib
import itertools
import socket
import ssl
import statistics
from collections.abc import AsyncIterator, Iterator, Sequence

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from wsbench.deflate import is_negotiated, offer_factories
from wsbench.errors import MeasurementError
from wsbench.live.target import Tls, traced_server
from wsbench.live.traced_server import Listener
from wsbench.results import Memory
from wsbench.settings import DeflateSettings, Implementation

CONNECTIONS = 20
TIMEOUT_SECONDS = 30


def measure_memory(
    settings: Sequence[DeflateSettings | None],
    *,
    implementation: Implementation = "asyncio",
    tls: Tls | None = None,
) -> Iterator[tuple[DeflateSettings | None, Memory]]:
    """Memory per connection of each settings, in their order, as each is measured.

    One server process serves all of them, with tracing on. Connections are opened one after
    another and kept; each exchanges a text and a binary message, then the server reads its running
    total. What a connection costs is the difference of two readings, so the first is dropped.

    Raises:
        MeasurementError: if the server does not start, a connection fails, or something else than
            the settings was negotiated.
    """
    # Level and strategy take no memory; each is measured once for all of them, on one listener.
    distinct = list(dict.fromkeys(map(_what_takes_memory, settings)))
    measured: dict[DeflateSettings | None, Memory] = {}
    with traced_server(distinct, implementation, tls) as listeners:
        listener_of = dict(zip(distinct, listeners, strict=True))
        # The first connections of a process find caches empty that later ones find filled.
        _memory(distinct[0], listeners[0], tls)
        for item in settings:
            same = _what_takes_memory(item)
            if same not in measured:
                measured[same] = _memory(same, listener_of[same], tls)
            yield item, measured[same]


def _what_takes_memory(settings: DeflateSettings | None) -> DeflateSettings | None:
    """The settings, with what zlib's deflateInit2 allocates nothing for at its default."""
    if settings is None:
        return None
    return msgspec.structs.replace(settings, level=6, strategy="default")


def _memory(settings: DeflateSettings | None, listener: Listener, tls: Tls | None) -> Memory:
    try:
        readings = asyncio.run(_readings(settings, listener.port, tls))
    except (OSError, WebSocketException) as error:
        reason = str(error) or type(error).__name__
        raise MeasurementError(f"{settings or 'off'}: a connection failed: {reason}") from error
    per_connection = [after - before for before, after in itertools.pairwise(readings)]
    return Memory(
        connection_bytes=round(statistics.mean(per_connection)),
        connection_stdev_bytes=round(statistics.stdev(per_connection)),
        connections=CONNECTIONS,
        deflate_bytes=listener.deflate_bytes,
        inflate_bytes=listener.inflate_bytes,
    )


async def _readings(settings: DeflateSettings | None, port: int, tls: Tls | None) -> list[int]:
    """The server's running total after each of the connections, which are kept."""
    # Clients in threads would not do: Python's TLS sockets do not read and write at the same time
    # without losing a connection now and then.
    async with contextlib.AsyncExitStack() as connections:
        return [
            await _traced_bytes(
                await connections.enter_async_context(_connection(settings, port, tls))
            )
            for _ in range(CONNECTIONS + 1)
        ]


@contextlib.asynccontextmanager
async def _connection(
    settings: DeflateSettings | None, port: int, tls: Tls | None
) -> AsyncIterator[ClientConnection]:
    """A client connection that negotiated these settings."""
    # Given a socket, websockets does not look for a proxy in the environment.
    sock = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
    sock.setblocking(False)
    async with connect(
        f"{'wss' if tls else 'ws'}://127.0.0.1:{port}",
        sock=sock,
        # The server is ours, whatever name its certificate is for.
        ssl=ssl._create_unverified_context() if tls else None,
        compression=None,
        extensions=offer_factories(settings),
        open_timeout=TIMEOUT_SECONDS,
    ) as connection:
        _check_negotiated(connection, settings)
        yield connection


def _check_negotiated(connection: ClientConnection, settings: DeflateSettings | None) -> None:
    assert connection.response is not None
    header = ", ".join(connection.response.headers.get_all("Sec-WebSocket-Extensions"))
    if not is_negotiated(settings, header):
        raise MeasurementError(f"{settings or 'off'}: the server negotiated {header!r} instead")


async def _traced_bytes(connection: ClientConnection) -> int:
    """The server's running total, read after a text and a binary message both ways."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        for message in ("hello", b"hello"):
            await connection.send(message)
            if await connection.recv() != message:
                raise MeasurementError("the server to be measured did not echo a message")
        return int(await connection.recv())

"""What websockets limits buffers to, asked of servers that were told nothing about it."""

import asyncio
import socket
import sys
import threading
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
import websockets.sync.server

from wsbench.bounds import default_keepalive, default_limits, read_bytes
from wsbench.buffers import Keepalive, Limits
from wsbench.settings import IMPLEMENTATIONS


def keepalive_of(connection: Any) -> Keepalive:
    return Keepalive(
        ping_interval=connection.ping_interval,
        ping_timeout=connection.ping_timeout,
        close_timeout=connection.close_timeout,
    )


def max_size_of(connection: Any) -> int | None:
    """`max_size`, by whichever name this websockets has for it."""
    protocol = connection.protocol
    size: int | None = getattr(protocol, "max_message_size", None)
    return protocol.max_size if size is None else size


def test_limits_are_those_of_a_server_in_a_loop() -> None:
    seen: list[tuple[Limits, Keepalive]] = []

    async def handler(connection: websockets.asyncio.server.ServerConnection) -> None:
        _, write_limit = connection.transport.get_write_buffer_limits()
        limits = Limits(
            max_size=max_size_of(connection),
            max_queue=connection.recv_messages.high,
            write_limit=write_limit,
        )
        seen.append((limits, keepalive_of(connection)))

    async def main() -> None:
        async with websockets.asyncio.server.serve(handler, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with websockets.asyncio.client.connect(f"ws://127.0.0.1:{port}", proxy=None):
                pass

    asyncio.run(main())
    assert seen == [(default_limits("asyncio"), default_keepalive("asyncio"))]
    # There are such limits: a release without them would be another subject.
    assert None not in (seen[0][0].max_size, seen[0][0].max_queue, seen[0][0].write_limit)


class Spy:
    """A socket that keeps how much it is asked for at once."""

    def __init__(self, sock: socket.socket, asked: set[int]) -> None:
        self._sock, self._asked = sock, asked

    def recv(self, size: int) -> bytes:
        self._asked.add(size)
        return self._sock.recv(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def test_limits_are_those_of_a_server_of_threads() -> None:
    seen: list[tuple[Limits, Keepalive]] = []
    asked: set[int] = set()

    class Connection(websockets.sync.server.ServerConnection):
        def __init__(self, sock: Any, *arguments: Any, **names: Any) -> None:
            super().__init__(Spy(sock, asked), *arguments, **names)  # type: ignore[arg-type]

    def handler(connection: websockets.sync.server.ServerConnection) -> None:
        limits = Limits(
            max_size=max_size_of(connection),
            max_queue=connection.recv_messages.high,
            write_limit=None,
        )
        seen.append((limits, keepalive_of(connection)))

    with websockets.sync.server.serve(
        handler, "127.0.0.1", 0, create_connection=Connection
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with websockets.sync.client.connect(f"ws://127.0.0.1:{port}", proxy=None):
            pass
        server.shutdown()
        thread.join()
    assert seen == [(default_limits("sync"), default_keepalive("sync"))]
    assert None not in (seen[0][0].max_size, seen[0][0].max_queue)
    assert asked == {read_bytes("sync", tls=False)}


class Receiver(asyncio.Protocol):
    """Keeps how much came at first."""

    def __init__(self) -> None:
        self.first: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if not self.first.done():
            self.first.set_result(len(data))


def test_a_loop_reads_no_more_at_once_where_there_is_more() -> None:
    expected = read_bytes("asyncio", tls=False)
    near, far = socket.socketpair()
    with near, far:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * expected)
        near.setblocking(False)
        waiting = 0
        try:
            while waiting <= 2 * expected:
                waiting += near.send(bytes(4096))
        except BlockingIOError:
            pass
        if waiting <= expected:
            pytest.skip("this system's buffers hold less than is read at once")

        async def main() -> int:
            transport, receiver = await asyncio.get_running_loop().connect_accepted_socket(
                Receiver, far
            )
            size = await receiver.first
            transport.close()
            return size

        assert asyncio.run(main()) == expected


def test_with_tls_a_record_is_read_by_threads_and_two_reads_by_a_loop() -> None:
    assert read_bytes("sync", tls=True) == 2**14
    assert read_bytes("asyncio", tls=True) == 2 * read_bytes("asyncio", tls=False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sizes are Linux' own")
def test_a_read_brings_no_more_than_the_receive_buffer_holds() -> None:
    size = 8192
    for implementation in IMPLEMENTATIONS:
        assert read_bytes(implementation, tls=False, receive_buffer=size) == 2 * size
        # However little one asks for, there is a least size.
        assert 100 < read_bytes(implementation, tls=False, receive_buffer=1) < size
        most = read_bytes(implementation, tls=False)
        assert read_bytes(implementation, tls=False, receive_buffer=2**20) == most
    # What asyncio has not decrypted waits in memory of its own, and records are what they are.
    waiting = read_bytes("asyncio", tls=True) - read_bytes("asyncio", tls=False)
    assert read_bytes("asyncio", tls=True, receive_buffer=size) == waiting + 2 * size
    assert read_bytes("sync", tls=True, receive_buffer=1) == 2**14

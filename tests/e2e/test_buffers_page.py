"""What docs/buffers.md advises does what it says, with real clients that do not read."""

import ast
import asyncio
import re
import socket
import textwrap
from pathlib import Path
from types import CodeType
from typing import Any

import websockets.asyncio.client
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

PAGE = (Path(__file__).parent.parent.parent / "docs" / "buffers.md").read_text("utf-8")
LONG_SECONDS = 20.0


def block(containing: str) -> CodeType:
    """The page's Python code that contains a text."""
    (code,) = [
        textwrap.dedent(code)
        for code in re.findall(r"^ *```python\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
        if containing in code
    ]
    return compile(code, "docs/buffers.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def stuck_client(port: int) -> socket.socket:
    """A client that shakes hands and then reads nothing."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(
        sock,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await loop.sock_recv(sock, 1)
    assert answer.startswith(b"HTTP/1.1 101")
    return sock


def test_sending_within_a_time_cuts_a_client_that_does_not_read() -> None:
    names: dict[str, Any] = {"asyncio": asyncio}
    exec(block("async def send_within"), names)

    async def run() -> None:
        ended = asyncio.Event()

        async def handler(connection: ServerConnection) -> None:
            try:
                while True:
                    await names["send_within"](connection, bytes(10_000), seconds=0.3)
            except ConnectionClosed:
                ended.set()

        async with serve(handler, "127.0.0.1", 0, ping_interval=None) as server:
            client = await stuck_client(server.sockets[0].getsockname()[1])
            async with asyncio.timeout(LONG_SECONDS):
                await ended.wait()
            client.close()

    asyncio.run(run())


def test_broadcasting_within_a_limit_cuts_those_alone_that_do_not_read() -> None:
    names: dict[str, Any] = {"broadcast": broadcast}
    exec(block("def broadcast_within"), names)

    async def run() -> None:
        open_connections: set[ServerConnection] = set()

        async def handler(connection: ServerConnection) -> None:
            open_connections.add(connection)
            try:
                await connection.wait_closed()
            finally:
                open_connections.discard(connection)

        async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            port = server.sockets[0].getsockname()[1]
            stuck = await stuck_client(port)
            async with websockets.asyncio.client.connect(
                f"ws://127.0.0.1:{port}", compression=None, proxy=None, max_queue=None
            ) as fast:
                received = 0
                most = 0
                async with asyncio.timeout(LONG_SECONDS):
                    while len(open_connections) < 2:
                        await asyncio.sleep(0.01)
                    while len(open_connections) == 2:
                        names["broadcast_within"](open_connections, bytes(10_000))
                        received += len(await fast.recv()) == 10_000
                        most = max(
                            item.transport.get_write_buffer_size() for item in open_connections
                        )
                    # Only the stuck one is gone.
                    names["broadcast_within"](open_connections, b"goodbye")
                    while await fast.recv() != b"goodbye":
                        pass
                assert received > 100
                assert most <= 2**20 + 10_004
            stuck.close()

    asyncio.run(run())


def test_a_socket_of_our_own_has_a_small_receive_buffer_and_no_delay() -> None:
    async def run() -> None:
        accepted: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()

        async def handler(connection: ServerConnection) -> None:
            accepted.set_result(connection.transport.get_extra_info("socket"))
            await connection.wait_closed()

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        names = {"socket": socket, "serve": serve, "handler": handler}
        names |= {"host": "127.0.0.1", "port": port}
        serving = asyncio.ensure_future(eval(block("SO_RCVBUF"), names))
        async with asyncio.timeout(LONG_SECONDS):
            while True:
                assert not serving.done()
                try:
                    client = await stuck_client(port)
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
            sock = await accepted
        # The kernel doubles what it is asked for (socket(7)).
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 8 * 1024
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        client.close()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(run())

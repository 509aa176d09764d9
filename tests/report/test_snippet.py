"""Snippets are run as they are: what a server that they start negotiates, accepts and refuses."""

import asyncio
import itertools
import re
import socket
import subprocess
import sys
import textwrap
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import websockets.asyncio.server
import websockets.sync.server
from websockets.exceptions import ConnectionClosedError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from wsbench.report.snippet import server_snippet
from wsbench.settings import (
    IMPLEMENTATIONS,
    REFERENCE,
    STRATEGIES,
    DeflateSettings,
    Implementation,
)

LIMIT_SECONDS = 20
SETTINGS = [
    None,
    REFERENCE,
    DeflateSettings(9, 2),
    DeflateSettings(12, 5, level=1),
    DeflateSettings(15, 9, level=9, strategy="huffman", context_takeover=False),
    *(DeflateSettings(12, 5, strategy=strategy) for strategy in STRATEGIES),
]
both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


class Server:
    """A server that a snippet starts, with an echo for a handler, in a thread of its own."""

    def __init__(self, stack: ExitStack, implementation: Implementation, snippet: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.connections: list[Any] = []
        names: dict[str, Any] = {"host": "127.0.0.1", "port": self.port}
        is_task = implementation == "asyncio"
        names["handler"] = self._echo_as_task if is_task else self._echo
        # What the snippet calls its server is how it is stopped.
        body = snippet.replace(" as server:\n", " as server:\n    started(server)\n")
        code = f"{'async ' * is_task}def run():\n{textwrap.indent(body, '    ')}\n"
        started = threading.Event()

        def start(server: Any) -> None:
            self._server = server
            self._loop = asyncio.get_running_loop() if is_task else None
            started.set()

        names["started"] = start
        exec(code, names)
        run = (lambda: asyncio.run(self._until_closed(names["run"]))) if is_task else names["run"]
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert started.wait(LIMIT_SECONDS)
        stack.callback(thread.join, LIMIT_SECONDS)
        stack.callback(self._stop)

    async def _until_closed(self, run: Any) -> None:
        with suppress(asyncio.CancelledError):
            await run()

    def _stop(self) -> None:
        if self._loop is None:
            self._server.shutdown()
        else:
            self._loop.call_soon_threadsafe(self._server.close)

    async def _echo_as_task(self, connection: websockets.asyncio.server.ServerConnection) -> None:
        self.connections.append(connection)
        async for message in connection:
            await connection.send(message)

    def _echo(self, connection: websockets.sync.server.ServerConnection) -> None:
        self.connections.append(connection)
        for message in connection:
            connection.send(message)


@both
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_server_negotiates_the_settings(
    settings: DeflateSettings | None, implementation: Implementation
) -> None:
    snippet = server_snippet(implementation, settings, {"max_size": 1024, "max_queue": 3})
    with ExitStack() as stack:
        server = Server(stack, implementation, snippet)
        # What a browser offers, and more than that: every window.
        offer = ClientPerMessageDeflateFactory(client_max_window_bits=True)
        with connect(
            f"ws://127.0.0.1:{server.port}", extensions=[offer], max_size=None, proxy=None
        ) as client:
            client.send("x" * 1000)
            assert client.recv(LIMIT_SECONDS) == "x" * 1000
            assert client.response is not None
            header = client.response.headers.get("Sec-WebSocket-Extensions")
            (connection,) = server.connections
            extensions = connection.protocol.extensions
            if settings is None:
                assert (header, extensions) == (None, [])
            else:
                assert header is not None
                for side in ("server", "client"):
                    assert f"{side}_max_window_bits={settings.window_bits}" in header
                    assert (f"{side}_no_context_takeover" in header) is (
                        not settings.context_takeover
                    )
                (deflate,) = extensions
                compress = deflate.compress_settings
                assert compress["memLevel"] == settings.memory_level
                assert compress.get("level", 6) == settings.level
                # Z_FILTERED to Z_FIXED are 1 to 4 in zlib.h.
                assert compress.get("strategy", 0) == STRATEGIES.index(settings.strategy)
            assert connection.recv_messages.high == 3
            client.send(bytes(range(256)) * 5)
            with pytest.raises(ConnectionClosedError, match="1009"):
                client.recv(LIMIT_SECONDS)


@both
def test_a_receive_buffer_and_other_limits_are_set(implementation: Implementation) -> None:
    limits: dict[str, int | None] = {"max_size": None, "max_queue": 2}
    if implementation == "asyncio":
        limits["write_limit"] = 4321
    snippet = server_snippet(implementation, None, limits, receive_buffer_bytes=8192)
    with ExitStack() as stack:
        server = Server(stack, implementation, snippet)
        with connect(f"ws://127.0.0.1:{server.port}", max_size=None, proxy=None) as client:
            client.send(bytes(2**21))
            assert client.recv(LIMIT_SECONDS) == bytes(2**21)
            (connection,) = server.connections
            is_task = implementation == "asyncio"
            sock = connection.transport.get_extra_info("socket") if is_task else connection.socket
            if sys.platform.startswith("linux"):
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 8192
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            if is_task:
                assert connection.transport.get_write_buffer_limits()[1] == 4321


@both
def test_snippets_are_formatted_as_ruff_does(
    implementation: Implementation, tmp_path: Path
) -> None:
    longest = {"max_size": 2**40, "max_queue": 100_000, "write_limit": 2**40}
    count = 0
    for settings, limits, tls, receive in itertools.product(
        SETTINGS, ({"max_size": 1024, "max_queue": 16}, longest), (False, True), (None, 8192)
    ):
        text = server_snippet(
            implementation, settings, limits, tls=tls, receive_buffer_bytes=receive
        )
        assert ("ssl=ssl_context" in text) is tls
        (tmp_path / f"snippet{count}.py").write_text(text + "\n")
        count += 1
    ruff = Path(sys.executable).parent / "ruff"
    for arguments in (["format", "--check"], ["check", "--select", "I"]):
        done = subprocess.run(
            [ruff, *arguments, "--isolated", "--no-cache", tmp_path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert count == len(list(tmp_path.iterdir()))
    assert not any(re.search(r" $", path.read_text(), re.M) for path in tmp_path.iterdir())

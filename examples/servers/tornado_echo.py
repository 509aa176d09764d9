"""An echo server on tornado.

    pip install tornado
    python tornado_echo.py --port 8801

What `get_compression_options` returning {} amounts to in tornado 6.6.1 (returning None, the
default, means no compression): both windows of 15 bits, unless the client asks for smaller ones;
memory level 8; level 6 (`GZipContentEncoding.GZIP_LEVEL`); the context is kept; every message is
compressed. Tornado has no setting for the window.
"""

import argparse
import asyncio
import contextlib
import signal
from typing import Any, ClassVar

from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler


class Echo(WebSocketHandler):
    """One connection, whose messages are sent back."""

    connections: ClassVar[set["Echo"]] = set()

    def initialize(self, compression: bool) -> None:
        self.compression = compression

    def get_compression_options(self) -> dict[str, Any] | None:
        return {} if self.compression else None

    def open(self) -> None:
        self.connections.add(self)
        # The other servers' libraries do this; without it, TCP may hold back small messages.
        self.set_nodelay(True)

    async def on_message(self, message: str | bytes) -> None:
        # Sending fails when the client has gone since its message.
        with contextlib.suppress(WebSocketClosedError):
            await self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        self.connections.discard(self)


async def serve(port: int, compression: bool) -> None:
    """Serve until SIGTERM, then close what is open."""
    loop = asyncio.get_running_loop()
    terminated = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, terminated.set)
    app = Application([("/", Echo, {"compression": compression})])
    server = app.listen(port, address="127.0.0.1")
    await terminated.wait()
    server.stop()
    for connection in list(Echo.connections):
        connection.close(1001)
    # A client that no longer reads does not answer; its connection ends with the process.
    deadline = loop.time() + 1
    while Echo.connections and loop.time() < deadline:
        await asyncio.sleep(0.01)


def main() -> None:
    """Serve as the options say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8801)
    parser.add_argument("--compression", choices=["on", "off"], default="on")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.compression == "on"))


if __name__ == "__main__":
    main()

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
        # As the other servers' libraries do: else TCP holds back the second of two small messages
        # until the client has acknowledged the first, which takes up to 40 ms.
        self.set_nodelay(True)

    async def on_message(self, message: str | bytes) -> None:
        # Sending fails when the client has gone since its message.
        with contextlib.suppress(WebSocketClosedError):
            await self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        self.connections.discard(self)


async def serve(port: int, compression: bool) -> None:
    """Serve until SIGTERM or SIGINT, then close what is open."""
    loop = asyncio.get_running_loop()
    terminated = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, terminated.set)
    app = Application([("/", Echo, {"compression": compression})])
    server = app.listen(port, address="127.0.0.1")
    await terminated.wait()
    server.stop()
    connections = [connection for connection in Echo.connections if connection.ws_connection]
    streams = [connection.ws_connection.stream for connection in connections]
    for connection in connections:
        connection.close(1001)
    # A client that no longer reads does not answer, so that its stream is closed instead.
    deadline = loop.time() + 1
    while Echo.connections and loop.time() < deadline:
        await asyncio.sleep(0.01)
    for stream in streams:
        stream.close()
    await asyncio.sleep(0)  # for what waits on a stream to end


def main() -> None:
    """Serve as the options say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8801)
    parser.add_argument("--compression", choices=["on", "off"], default="on")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.compression == "on"))


if __name__ == "__main__":
    main()

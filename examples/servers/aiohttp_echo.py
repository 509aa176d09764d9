"""An echo server on aiohttp.

    pip install aiohttp
    python aiohttp_echo.py --port 8801

What `compress=True`, the default of `WebSocketResponse`, amounts to in aiohttp 3.14.5: both windows
of 15 bits, unless the client asks for a smaller one of the server's; zlib's memory level 8; level 1
(`Z_BEST_SPEED`); the context is kept; every message is compressed. A connection's compressor is
made at its first message, and works in a thread for messages above 16 KiB.
"""

import argparse
import asyncio
import contextlib

from aiohttp import WSCloseCode, WSMsgType, web

COMPRESSION = web.AppKey("compression", bool)
CONNECTIONS = web.AppKey("connections", set[web.WebSocketResponse])


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Accept one connection, and send its messages back until it ends."""
    connection = web.WebSocketResponse(compress=request.app[COMPRESSION])
    await connection.prepare(request)
    request.app[CONNECTIONS].add(connection)
    # Sending fails when the client has gone since its message.
    with contextlib.suppress(ConnectionError):
        async for message in connection:
            if message.type is WSMsgType.TEXT:
                await connection.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await connection.send_bytes(message.data)
    request.app[CONNECTIONS].discard(connection)
    return connection


async def close_connections(app: web.Application) -> None:
    """Close what is open, which aiohttp leaves to the application."""
    closing = [connection.close(code=WSCloseCode.GOING_AWAY) for connection in app[CONNECTIONS]]
    # A client that no longer reads does not answer.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await asyncio.gather(*closing)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8801)
    parser.add_argument("--compression", choices=["on", "off"], default="on")
    options = parser.parse_args()
    app = web.Application()
    app[COMPRESSION] = options.compression == "on"
    app[CONNECTIONS] = set()
    app.router.add_get("/", echo)
    app.on_shutdown.append(close_connections)
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()

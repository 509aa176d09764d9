"""Connections opened one after another and kept, by websockets alone; the server says the rest."""

import asyncio
import contextlib
import socket
import sys

from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory


async def main(port: int, window_bits: int, memory_level: int, connections: int) -> None:
    deflate = ClientPerMessageDeflateFactory(
        server_max_window_bits=window_bits or None,
        client_max_window_bits=window_bits or None,
        compress_settings={"memLevel": memory_level},
    )
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(connections):
            connection = await stack.enter_async_context(
                connect(
                    f"ws://127.0.0.1:{port}",
                    sock=socket.create_connection(("127.0.0.1", port)),
                    compression=None,
                    extensions=[deflate] if window_bits else None,
                )
            )
            for message in ("hello", b"hello"):
                await connection.send(message)
                await connection.recv()


asyncio.run(main(*map(int, sys.argv[1:])))

"""A traced echo server, by websockets alone: what the documentation measured its table with."""

import asyncio
import sys
import tracemalloc

from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory


async def handler(connection: ServerConnection) -> None:
    await connection.send(await connection.recv())
    await connection.send(await connection.recv())
    print(tracemalloc.get_traced_memory()[0], flush=True)
    await connection.wait_closed()


async def main(window_bits: int, memory_level: int) -> None:
    deflate = ServerPerMessageDeflateFactory(
        server_max_window_bits=window_bits or None,
        client_max_window_bits=window_bits or None,
        compress_settings={"memLevel": memory_level},
    )
    extensions = [deflate] if window_bits else None
    async with serve(handler, "127.0.0.1", 0, compression=None, extensions=extensions) as server:
        tracemalloc.start()
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.wait_closed()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))

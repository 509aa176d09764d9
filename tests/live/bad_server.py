"""A WebSocket server that misbehaves: bad_server.py KIND PORT."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def silent(connection: ServerConnection) -> None:
    async for _ in connection:
        pass


async def closing(connection: ServerConnection) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await echo(connection)
    await connection.close(4000, "enough")


async def garbage(connection: ServerConnection) -> None:
    await connection.recv()
    connection.transport.write(b"\xff\xff this is no frame")
    await connection.wait_closed()


async def bad_deflate(connection: ServerConnection) -> None:
    await connection.recv()
    connection.transport.write(b"\xc1\x04\xff\xff\xff\xff")
    await connection.wait_closed()


async def changing(connection: ServerConnection) -> None:
    async for _ in connection:
        await connection.send("something else")


async def greeting(connection: ServerConnection) -> None:
    await connection.send("welcome")
    await echo(connection)


async def noting(connection: ServerConnection) -> None:
    with Path("addresses").open("a") as file:
        print(connection.remote_address[0], file=file)
    await echo(connection)


answered = 0


async def dying(connection: ServerConnection) -> None:
    global answered
    async for message in connection:
        answered += 1
        if answered > 100:
            print("out of luck", file=sys.stderr, flush=True)
            os._exit(3)
        await connection.send(message)


async def unheard(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"220 this is a mail server\r\n")
    await writer.drain()
    await reader.read()
    writer.close()


async def run(kind: str, port: int) -> None:
    if kind in ("unheard", "no_http"):
        server = await asyncio.start_server(globals()[kind], "127.0.0.1", port)
        await server.serve_forever()
    options: dict[str, object] = {}
    if kind == "refusing":
        options["process_request"] = lambda connection, _: connection.respond(503, "full\n")
    if kind == "stubborn":
        options["compression"] = None
        options["extensions"] = [ServerPerMessageDeflateFactory(server_max_window_bits=10)]
    handler = globals().get(kind, echo)
    async with serve(handler, "127.0.0.1", port, **options) as server:  # type: ignore[arg-type]
        await server.serve_forever()


asyncio.run(run(sys.argv[1], int(sys.argv[2])))

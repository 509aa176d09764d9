"""Make mitmproxy.har: messages of known content through mitmdump, which writes what it saw.

    python make_mitmproxy.py mitmproxy.har

Needs mitmproxy and websockets in one environment. The first connection is closed by the client, the
second by the server with 4001, the third is refused with 403. A page says that it is in UTF-8,
which it is not.
"""

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
import urllib.request
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response

Sent = str | bytes | list[str]

# A list is one message in fragments.
FROM_CLIENT: list[Sent] = [
    "hello",
    "",
    b"\x00\x01\xfe\xff",
    b"",
    "žluťoučký kůň – 🐎 – 日本語",
    ["frag", "men", "ted"],
]
FROM_SERVER: list[Sent] = [
    "welcome",
    "",
    bytes(range(256)),
    b"",
    'Grüße, мир 🌍 \0\u2028\\"',
    ["one ", "two"],
]


async def exchange(
    connection: ClientConnection | ServerConnection, sent: list[Sent], expected: list[Sent]
) -> None:
    """Send and receive in turn, so that the order is known; then ping."""
    for out, wanted in zip(sent, expected, strict=True):
        await connection.send(out)
        received = await connection.recv()
        assert received == ("".join(wanted) if isinstance(wanted, list) else wanted)
    await (await connection.ping(b"are you there"))


async def answer(connection: ServerConnection) -> None:
    assert connection.request is not None
    is_second = connection.request.path == "/second"
    if is_second:
        await connection.send("server first")
    await exchange(connection, FROM_SERVER, FROM_CLIENT)
    if is_second:
        await connection.close(4001, "příliš pozdě")
    else:
        await connection.wait_closed()


def respond(connection: ServerConnection, request: Request) -> Response | None:
    if request.path == "/refused":
        return connection.respond(HTTPStatus.FORBIDDEN, "not for you\n")
    if request.path == "/page":
        body = "<!doctype html>\n<p>Café, crème brûlée\n".encode("latin-1")
        headers = Headers({"Content-Type": "text/html; charset=utf-8", "Connection": "close"})
        headers["Content-Length"] = str(len(body))
        return Response(200, "OK", headers, body)
    return None


async def be_client(port: int) -> None:
    url = f"ws://127.0.0.1:{port}"
    async with connect(f"{url}/first?x=1", origin="http://example.test") as connection:
        await exchange(connection, FROM_CLIENT, FROM_SERVER)
        await connection.close(1000, "done")
    await asyncio.to_thread(
        lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/page", timeout=30).read()
    )
    async with connect(f"{url}/second", compression=None) as connection:
        assert await connection.recv() == "server first"
        await exchange(connection, FROM_CLIENT, FROM_SERVER)
        await connection.wait_closed()
        assert connection.close_code == 4001
    with contextlib.suppress(InvalidStatus):
        await connect(f"{url}/refused")


async def wait_for(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def main(path: Path) -> None:
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        proxy_port = free.getsockname()[1]
        free.close()
        async with serve(answer, "127.0.0.1", 0, process_request=respond) as server:
            port = server.sockets[0].getsockname()[1]
            options = [f"hardump={path.resolve()}", f"confdir={folder}"]
            proxy = await asyncio.create_subprocess_exec(
                Path(sys.executable).parent / "mitmdump",
                *("--quiet", "--mode", f"reverse:http://127.0.0.1:{port}"),
                *("--listen-host", "127.0.0.1", "--listen-port", str(proxy_port)),
                *(word for option in options for word in ("--set", option)),
            )
            try:
                await wait_for(proxy_port)
                await asyncio.wait_for(be_client(proxy_port), 30)
                # What mitmdump has not seen the end of, it does not write.
                await asyncio.sleep(0.5)
            finally:
                proxy.send_signal(signal.SIGINT)
                await asyncio.wait_for(proxy.wait(), 30)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

"""The proxy of wsbench record: what it asks of servers, and what it does about slow clients."""

import asyncio
import re
import socket
from pathlib import Path

import pytest
from tests.e2e.test_record import accepted
from tests.e2e.test_serve import LIMIT_SECONDS, upgrade
from websockets.uri import parse_uri

from wsbench.corpus.redaction import Redactor
from wsbench.live.proxy import Proxy, Upstream
from wsbench.live.recorder import Limits, Recorder


@pytest.mark.parametrize(
    ("url", "asked", "passed_on"),
    [
        ("ws://h", "/", "/"),
        ("ws://h", "/?", "/?"),
        ("ws://h", "/a/?x=1&y=%20", "/a/?x=1&y=%20"),
        ("ws://h/base", "/", "/base"),
        ("ws://h/base/", "/", "/base/"),
        ("ws://h/base", "/a", "/base/a"),
        ("ws://h/base/", "/a", "/base/a"),
        ("ws://h?key=1", "/", "/?key=1"),
        ("ws://h/base?key=1", "/?x=2", "/base?key=1&x=2"),
    ],
)
def test_the_path_of_the_url_precedes_what_clients_ask_for(
    url: str, asked: str, passed_on: str
) -> None:
    assert Upstream(parse_uri(url), None).resource(asked) == passed_on


@pytest.mark.parametrize(
    ("url", "origin", "passed_on"),
    [
        ("ws://h:8080", "http://localhost:9000", "http://h:8080"),
        ("wss://h", "http://localhost:9000", "https://h"),
        ("wss://h", "https://elsewhere.test", "https://elsewhere.test"),
        ("ws://h", "null", "null"),
    ],
)
def test_a_page_that_came_from_the_proxy_came_from_the_server(
    url: str, origin: str, passed_on: str
) -> None:
    assert Upstream(parse_uri(url), None).origin(origin, "localhost:9000") == passed_on


def test_what_a_server_sent_before_it_left_waits_for_a_slow_client(tmp_path: Path) -> None:
    frames = 50 * (b"\x82\x7e\x04\x00" + bytes(1024))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(accepted(await reader.readuntil(b"\r\n\r\n")) + frames)
        writer.close()

    async def scenario() -> bytes:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        recorder = Recorder(tmp_path / "capture", "", Redactor([], []), Limits(), lambda: None)
        proxy = Proxy(Upstream(parse_uri(f"ws://127.0.0.1:{port}"), None), recorder, print)
        # So small that it is the proxy that holds what the client has not read.
        place = socket.socket()
        place.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        place.bind(("127.0.0.1", 0))
        listening = await asyncio.start_server(proxy.handle, sock=place)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(place.getsockname())
            client.setblocking(False)
            client.sendall(upgrade())
            # Longer than other waits for an end may take.
            await asyncio.sleep(2.5)
            received = b""
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(LIMIT_SECONDS):
                while data := await loop.sock_recv(client, 65_536):
                    received += data
        for item in (server, listening):
            item.close()
        await proxy.stop()
        recorder.close()
        return received

    received = asyncio.run(scenario())
    assert re.match(rb"HTTP/1\.1 101 ", received)
    assert received.endswith(frames)

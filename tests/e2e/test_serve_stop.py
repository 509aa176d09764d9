"""wsbench serve: answers, pages, a graceful stop under load, and clients that mean no good."""

import asyncio
import contextlib
import http.client
import json
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

LIMIT_SECONDS = 60
IMPLEMENTATIONS = ("asyncio", "sync")


class Server:
    """A running wsbench serve."""

    def __init__(self, command: Path, arguments: tuple[Any, ...], cwd: Path) -> None:
        self.process = subprocess.Popen(
            [command, "serve", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"listening on (wss?)://127\.0\.0\.1:(\d+)/", line)
        assert found, line + self.process.communicate()[1]
        self.port = int(found[2])
        self.url = f"ws://127.0.0.1:{self.port}/"

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def stats(self) -> dict[str, int]:
        status, body = self.get("/stats/")
        assert status == 200
        stats: dict[str, int] = json.loads(body)
        return stats

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Stop it, and return its last line."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=LIMIT_SECONDS)
        assert errors == ""
        assert self.process.returncode == 0
        return output.strip()


@pytest.fixture
def serve(command: Path, tmp_path: Path) -> Iterator[Any]:
    servers: list[Server] = []

    def start(*arguments: Any) -> Server:
        servers.append(Server(command, arguments, tmp_path))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_it_echoes_and_tells_how_it_is(serve: Any, implementation: str) -> None:
    server = serve("--implementation", implementation, "--max-size", "1MiB")
    assert server.get("/health/") == (200, "OK\n")
    assert server.get("/other")[0] == 426
    with connect(server.url) as first, connect(server.url), connect(server.url) as third:
        for message in ("größer 🚀", b"\x00\xff", "", b"", "x" * 300_000):
            first.send(message)
            assert first.recv(LIMIT_SECONDS) == message
        third.close()
        deadline = time.monotonic() + LIMIT_SECONDS
        while (stats := server.stats())["connections"] != 2:
            assert time.monotonic() < deadline
        assert stats["accepted"] == 3
        assert stats["messages"] == 5
        assert 2**20 < stats["uss_bytes"] < stats["rss_bytes"]
        assert "traced_bytes" not in stats
        first.send("x" * (2**20 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            first.recv(LIMIT_SECONDS)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    assert server.stop() == "wsbench serve: stopped after 5 messages on 3 connections"


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_it_negotiates_exactly_its_settings(serve: Any, implementation: str) -> None:
    for settings, expected in (
        ("15/8", "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15"),
        ("9/1", "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"),
        ("off", None),
    ):
        server = serve("--implementation", implementation, "--settings", settings)
        with connect(server.url) as connection:
            assert connection.response is not None
            assert connection.response.headers.get("Sec-WebSocket-Extensions") == expected
        server.stop(signal.SIGINT)


def test_it_traces_when_python_does(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONTRACEMALLOC", "1")
    server = serve("--settings", "15/8")
    without = server.stats()["traced_bytes"]
    with connect(server.url, compression=None), connect(server.url):
        # zlib's manual: a compressor of 15/8 has 256 KiB.
        assert without + 256 * 1024 < server.stats()["traced_bytes"] < without + 500 * 1024


def test_it_replies_with_a_corpus(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('["one", "two", "three"]')
    server = serve("--reply", "corpus", "--corpus", "c.json")
    for expected in (["one", "two", "three", "one"], ["two", "three", "one", "two"]):
        with connect(server.url) as connection:
            replies = []
            for _ in expected:
                connection.send("?")
                replies.append(connection.recv(LIMIT_SECONDS))
            assert replies == expected


def test_it_listens_on_unix_sockets(command: Path, tmp_path: Path) -> None:
    path = tmp_path / "ws.sock"
    # What a killed server leaves behind.
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    arguments = [command, "serve", "--unix", path]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert f"listening on unix:{path} " in process.stdout.readline()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"GET /health/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in sock.recv(1000)
        second = subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        assert second.returncode == 2
        assert "another server is listening there" in second.stderr
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT_SECONDS)
    assert not path.exists()
    path.write_text("precious")
    refused = subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert refused.returncode == 2
    assert path.read_text() == "precious"


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_it_serves_an_inherited_socket(command: Path, implementation: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        process = subprocess.Popen(
            [command, "serve", "--fd", str(sock.fileno()), "--implementation", implementation],
            pass_fds=[sock.fileno()],
            stdout=subprocess.DEVNULL,
        )
        try:
            with connect(f"ws://127.0.0.1:{sock.getsockname()[1]}") as connection:
                connection.send("hello")
                assert connection.recv(LIMIT_SECONDS) == "hello"
        finally:
            process.terminate()
            assert process.wait(LIMIT_SECONDS) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "no.such.host.invalid"], "name another place to listen on"),
        (["--unix", "a", "--fd", "3"], "choose one place to listen on"),
        (["--unix", "a", "--port", "1"], "choose one place to listen on"),
        (["--fd", "0"], "--fd 0: "),
        (["--settings", "16/5"], "choose 9 to 15"),
        (["--settings", "browser"], "such as 12/5"),
        (["--implementation", "sync", "--write-limit", "1KiB"], "threads have no such limit"),
        (["--reply", "corpus"], "need each other"),
        (["--corpus", "x"], "need each other"),
        (["--reply", "corpus", "--corpus", "no-such-file"], "no-such-file"),
        (["--tls", "no", "no"], "No such file or directory"),
        (["--max-size", "1 mile"], "such as 65536 or 64KiB"),
        (["--max-queue", "0"], "from 1"),
        (["--ping-interval", "-1"], "above 0"),
        (["--grace", "-1"], "-1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(arguments: list[str], message: str, wsbench: Any) -> None:
    done = wsbench("serve", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("wsbench: ")
    assert message in done.stderr
    assert done.stdout == ""


def test_it_pings_as_often_as_it_is_told(serve: Any) -> None:
    server = serve("--ping-interval", 0.2)
    with raw_connection(server) as sock:
        # An unmasked ping with a payload of four bytes.
        assert sock.recv(6)[:2] == b"\x89\x04"


def test_a_port_in_use_is_a_mistake(serve: Any, wsbench: Any) -> None:
    server = serve()
    done = wsbench("serve", "--port", server.port)
    assert done.returncode == 2
    assert "Address already in use; name another place" in done.stderr


@pytest.mark.parametrize(("implementation", "clients"), [("asyncio", 500), ("sync", 50)])
@pytest.mark.parametrize("pipelined", [1, 5])
def test_a_stop_under_load_answers_all_that_was_received(
    serve: Any, implementation: str, clients: int, pipelined: int
) -> None:
    server = serve("--implementation", implementation, "--grace", 30)
    answers, codes = asyncio.run(load_until_stopped(server, clients, pipelined))
    assert codes == [1001] * clients
    output, errors = server.process.communicate(timeout=LIMIT_SECONDS)
    assert (server.process.returncode, errors) == (0, "")
    # What the server has counted, it has received; and each of these was answered.
    assert f"stopped after {answers:,} messages on {clients} connections" in output
    assert "cut" not in output


async def load_until_stopped(server: Server, clients: int, pipelined: int) -> tuple[int, list[int]]:
    """Messages answered, and the close codes that clients saw."""
    answers = 0
    opened = asyncio.Semaphore(50)
    ready = asyncio.Barrier(clients + 1)

    async def client(number: int) -> int:
        nonlocal answers
        async with opened:
            connection = await websockets.asyncio.client.connect(
                server.url, open_timeout=LIMIT_SECONDS, ping_interval=None
            )
        await ready.wait()
        try:
            for index in range(10**9):
                await connection.send(f"message {index} of {number}" * 10)
                if index >= pipelined - 1:
                    await connection.recv()
                    answers += 1
        except ConnectionClosed as closed:
            # What had arrived before the close frame can still be had.
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await connection.recv()
                    answers += 1
            return closed.rcvd.code if closed.rcvd else 1006
        raise AssertionError

    async with asyncio.timeout(LIMIT_SECONDS * 2):
        tasks = [asyncio.create_task(client(number)) for number in range(clients)]
        await ready.wait()
        await asyncio.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        codes = await asyncio.gather(*tasks)
        return answers, codes


def test_a_client_that_does_not_answer_is_cut(serve: Any) -> None:
    server = serve("--grace", 1)
    with raw_connection(server), socket.create_connection(("127.0.0.1", server.port)):
        last = server.stop()
    assert last.endswith("on 1 connections; cut 1 that did not end within 1 s")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_second_signal_ends_it_at_once(serve: Any, implementation: str) -> None:
    server = serve("--grace", 100, "--implementation", implementation)
    with raw_connection(server):
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + LIMIT_SECONDS
        while is_listening(server.port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(LIMIT_SECONDS) == 130


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def raw_connection(server: Server) -> Iterator[socket.socket]:
    """A connection after its handshake, for what no library sends."""
    with socket.create_connection(("127.0.0.1", server.port), LIMIT_SECONDS) as sock:
        sock.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        assert b" 101 " in head
        yield sock


def masked(opcode: Opcode, data: bytes, **bits: bool) -> bytes:
    return Frame(opcode, data, **bits).serialize(mask=True)


def bomb() -> bytes:
    """64 MiB of zeros, compressed, as one message."""
    factory = ClientPerMessageDeflateFactory(client_max_window_bits=12)
    extension = factory.process_response_params([("client_max_window_bits", "12")], [])
    return Frame(Opcode.BINARY, bytes(2**26)).serialize(mask=True, extensions=[extension])


HOSTILE = {
    "unmasked": (b"\x81\x05hello", 1002),
    "reserved opcode": (b"\x83\x80\0\0\0\0", 1002),
    "reserved bit": (b"\xa1\x80\0\0\0\0", 1002),
    "fragmented ping": (b"\x09\x80\0\0\0\0", 1002),
    "long ping": (b"\x89\xfe\x00\x80\0\0\0\0" + bytes(128), 1002),
    "2**40 bytes": (b"\x82\xff" + struct.pack("!Q", 2**40) + bytes(4), 1009),
    "not UTF-8": (masked(Opcode.TEXT, b"\xff\xfe"), 1007),
    "too long": (masked(Opcode.BINARY, bytes(2**20 + 1)), 1009),
    "no deflate": (b"\xc1\x84\0\0\0\0\xff\xff\xff\xff", 1002),
    "bomb": (bomb(), 1009),
}


def test_hostile_clients_do_not_harm_it(serve: Any) -> None:
    server = serve()
    healthy, over = [], threading.Event()

    def watch() -> None:
        while not over.is_set():
            healthy.append(server.get("/health/") == (200, "OK\n"))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        harm(server)
        after_one = settled_bytes(server)
        harm(server)
        after_two = settled_bytes(server)
    finally:
        over.set()
        watcher.join()
    assert all(healthy)
    assert len(healthy) > 10
    assert after_two < 1.1 * after_one
    with connect(server.url) as connection:
        connection.send("still there")
        assert connection.recv(LIMIT_SECONDS) == "still there"
        assert server.stats()["connections"] == 1
    # The bomb would have been 64 MiB.
    assert psutil.Process(server.process.pid).memory_info().rss < 150 * 2**20


def harm(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            half_open = socket.create_connection(("127.0.0.1", server.port), LIMIT_SECONDS)
            stack.enter_context(half_open).sendall(b"GET / HT")
        slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        for byte in b"GET / HTTP/1.1\r\nHost: x":
            slow.sendall(bytes([byte]))
            time.sleep(0.01)
        for garbage in (b"\0" * 1000, b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 100_000, b"\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), LIMIT_SECONDS) as sock:
                with contextlib.suppress(OSError):
                    sock.sendall(garbage)
        for name, (data, code) in HOSTILE.items():
            with raw_connection(server) as sock:
                with contextlib.suppress(OSError):
                    sock.sendall(data)
                assert close_code(sock) == code, name
        for _ in range(20):
            batch = []
            for _ in range(100):
                sock = socket.create_connection(("127.0.0.1", server.port), LIMIT_SECONDS)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                batch.append(sock)
            for sock in batch:
                sock.close()


def close_code(sock: socket.socket) -> int:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while len(data) < 4 or data[0] != 0x88:
            part = sock.recv(4096)
            assert part, data
            data += part
    return int.from_bytes(data[2:4], "big")


def settled_bytes(server: Server) -> int:
    """What the server holds when it has noticed that all are gone."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while server.stats()["connections"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    return server.stats()["uss_bytes"]

"""wsbench record: what passes through it, what it writes, and how it ends."""

import asyncio
import base64
import contextlib
import hashlib
import http.client
import http.server
import itertools
import json
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil
import pytest
import websockets.asyncio.client
import websockets.asyncio.server
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.conftest import Run
from tests.e2e.test_serve import (
    BINARY,
    CLOSE,
    KIB,
    LIMIT_SECONDS,
    MIB,
    TEXT,
    Raw,
    Server,
    drop,
    end,
    eventually,
    frame,
    peak_bytes,
    read_to_end,
    upgrade,
)

pytestmark = pytest.mark.usefixtures("no_orphans")

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "servers" / "node_ws"

Connection = websockets.asyncio.server.ServerConnection
Messages = list[str | bytes]
T = TypeVar("T")


class Summary(NamedTuple):
    """What the line says that is printed at the end."""

    messages: int
    payload_bytes: int
    connections: int


class Recording(Server):
    """A running wsbench record."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: Path, capture: Path) -> None:
        self.process = process
        self.capture = capture
        self._errors = errors
        self._output = b""
        self.announcement = self.line()
        match = re.match(r"wsbench record: listening on (\S+), ", self.announcement)
        assert match, self.announcement
        self.url = match[1]

    def connect(self, path: str = "", **options: Any) -> websockets.asyncio.client.connect:
        """A client of websockets'."""
        return connect(self.url + path, **options)

    def ended(self) -> Summary:
        """Wait for the end of a recording that was told to end, or has come to a limit."""
        match = re.fullmatch(
            r"wsbench record: ([\d,]+) messages? of ([\d,]+) bytes? on ([\d,]+) connections? "
            r"in (.+)",
            self.line(),
        )
        assert match, self.errors()
        assert match[4] == self.capture.name
        assert self.process.wait(LIMIT_SECONDS) == 0
        return Summary(*(int(number.replace(",", "")) for number in match.groups()[:3]))

    def finish(self) -> Summary:
        """End it with SIGTERM; it has had nothing to complain of."""
        self.signal()
        summary = self.ended()
        assert self.errors() == ""
        return summary

    def records(self) -> list[dict[str, Any]]:
        """What is in the capture, after its header; a line that is cut off is not."""
        *lines, _ = self.capture.read_bytes().split(b"\n")
        header, *records = map(json.loads, lines)
        assert header["schema"] == "wsbench.capture/1"
        return records

    def messages(self) -> dict[tuple[str, str], Messages]:
        """Those in the capture, by the path of their connection and who sent them."""
        paths: dict[int, str] = {}
        found = defaultdict(list)
        for item in self.records():
            number = item["connection"]
            match item["type"]:
                case "open":
                    assert number not in paths
                    paths[number] = item["path"]
                case "text":
                    found[paths[number], item["direction"]].append(item["data"])
                case "binary":
                    found[paths[number], item["direction"]].append(base64.b64decode(item["data"]))
        return dict(found)

    def closes(self) -> dict[str, tuple[int, str, str]]:
        """Code, reason and side of the ends in the capture, by path; nothing comes after them."""
        paths: dict[int, str] = {}
        found = {}
        for item in self.records():
            if item["type"] == "open":
                paths[item["connection"]] = item["path"]
            elif item["type"] == "close":
                path = paths.pop(item["connection"])
                found[path] = item["code"], item.get("reason", ""), item["direction"]
            else:
                assert item["connection"] in paths
        return found


Record = Callable[..., Recording]


@pytest.fixture
def record(command: Path, tmp_path: Path) -> Iterator[Record]:
    """Start a recording; it ends with the test."""
    with contextlib.ExitStack() as stack:
        numbers = itertools.count(1)

        def start(
            upstream: str | socket.socket, *options: object, shell: str = 'exec "$@"'
        ) -> Recording:
            number = next(numbers)
            capture = tmp_path / f"{number}.capture.jsonl"
            errors = tmp_path / f"{number}.stderr"
            url = upstream if isinstance(upstream, str) else url_of(upstream)
            words = [command, "record", url, "--listen", "127.0.0.1:0", "-o", capture.name]
            with errors.open("wb") as stderr:
                process = subprocess.Popen(
                    ["sh", "-c", shell, "sh", *map(str, [*words, *options])],
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    cwd=tmp_path,
                )
            stack.callback(end, process)
            return Recording(process, errors, capture)

        yield start


@pytest.fixture
def place() -> Iterator[socket.socket]:
    """Where the server listens that is recorded."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as sock:
        yield sock


def url_of(sock: socket.socket, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{sock.getsockname()[1]}"


def run(scenario: Coroutine[Any, Any, T]) -> T:
    async def limited() -> T:
        async with asyncio.timeout(2 * LIMIT_SECONDS):
            return await scenario

    return asyncio.run(limited())


def connect(url: str, **options: Any) -> websockets.asyncio.client.connect:
    return websockets.asyncio.client.connect(
        url,
        open_timeout=LIMIT_SECONDS,
        close_timeout=LIMIT_SECONDS,
        ping_interval=None,
        max_size=None,
        **options,
    )


def serve(
    handler: Callable[[Connection], Coroutine[Any, Any, None]], place: socket.socket, **options: Any
) -> websockets.asyncio.server.serve:
    return websockets.asyncio.server.serve(
        handler,
        sock=place,
        open_timeout=LIMIT_SECONDS,
        ping_interval=None,
        max_size=None,
        **options,
    )


async def echo(connection: Connection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def close_code(connection: Any) -> int | None:
    """Wait for the end."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await connection.recv()
    code: int | None = connection.close_code
    return code


# What passes through, and what is written.

WORDS = ["größer", " 🚀 ", "hello ", '"\\\n', "12345"]


def some_messages(seed: str, count: int) -> Messages:
    """Text and binary messages of all sizes."""
    chosen = random.Random(seed)
    messages: Messages = []
    for _ in range(count):
        size = chosen.choice([0, 1, 10, 100, 500])
        if chosen.random() < 0.005:
            size = 70_000
        if chosen.random() < 0.5:
            messages.append(chosen.randbytes(size))
        else:
            messages.append("".join(chosen.choices(WORDS, k=size // 6)))
    return messages


def test_every_message_of_200_connections_is_recorded(
    record: Record, place: socket.socket, wsbench: Run
) -> None:
    sent: dict[tuple[str, str], Messages] = {}
    received: dict[tuple[str, str], Messages] = defaultdict(list)

    async def answer(connection: Connection) -> None:
        assert connection.request is not None
        path = connection.request.path
        sent[path, "server"] = some_messages(f"server {path}", 15)
        left = iter(sent[path, "server"])
        lock = asyncio.Lock()

        async def say(count: int) -> None:
            for message in itertools.islice(left, count):
                async with lock:
                    await connection.send(message)

        async def push() -> None:
            for _ in range(3):
                await asyncio.sleep(0.02)
                await say(1)

        pushing = asyncio.create_task(push())
        async for message in connection:
            received[path, "client"].append(message)
            await say(2)
        await pushing

    async def talk(path: str) -> None:
        sent[path, "client"] = some_messages(f"client {path}", 6)

        async def speak() -> None:
            for message in sent[path, "client"]:
                await connection.send(message)
                await asyncio.sleep(0)

        async with recording.connect(path[1:]) as connection:
            speaking = asyncio.create_task(speak())
            for _ in range(15):
                received[path, "server"].append(await connection.recv())
            await speaking

    async def scenario() -> None:
        async with serve(answer, place):
            await asyncio.gather(*(talk(f"/{number}") for number in range(200)))

    recording = record(place)
    run(scenario())
    summary = recording.finish()
    assert received == sent
    assert recording.messages() == sent
    assert recording.closes() == {f"/{number}": (1000, "", "client") for number in range(200)}

    everything = [message for messages in sent.values() for message in messages]
    assert {type(message) for message in everything} == {str, bytes}
    assert max(map(len, everything)) == 70_000
    size_bytes = sum(
        len(message.encode() if isinstance(message, str) else message) for message in everything
    )
    assert summary == Summary(len(everything), size_bytes, 200) == Summary(4200, size_bytes, 200)
    info = wsbench("corpus", "info", recording.capture.name, "--format", "json")
    statistics = json.loads(info.stdout)["statistics"]
    counts = [statistics[name] for name in ("messages", "bytes", "streams", "connections")]
    assert counts == [4200, size_bytes, 400, 200]
    assert statistics["text_messages"] == sum(isinstance(item, str) for item in everything)
    compressed = wsbench(
        *("compress", recording.capture.name, "--no-time", "--no-memory", "--format", "json"),
        *("--window-bits", "12", "--memory-level", "5"),
    )
    corpus = json.loads(compressed.stdout)["corpus"]
    assert [corpus[name] for name in ("messages", "bytes", "streams")] == counts[:3]
    assert info.stderr == compressed.stderr == ""


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ws installed in it."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(EXAMPLE / "package.json", folder)
    shutil.copy(Path(__file__).with_name("node_record.js"), folder)
    install = [npm, "install", "--no-audit", "--no-fund", "--fetch-retries", "1"]
    try:
        subprocess.run(install, cwd=folder, check=True, timeout=60, capture_output=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm could not install ws: {error}")
    return folder


def test_node_applications_notice_no_difference(record: Record, node_folder: Path) -> None:
    with subprocess.Popen(
        ["node", "node_record.js"],
        cwd=node_folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        with contextlib.closing(node.stdin):
            direct = f"ws://127.0.0.1:{node.stdout.readline().strip()}"
            recording = record(direct)

            def seen(url: str, of_client: str, of_server: str) -> tuple[Any, Any]:
                """What was seen, and whether there was compression at the client, the server."""
                assert node.stdin is not None
                assert node.stdout is not None
                node.stdin.write(f"{url} {of_client} {of_server}\n")
                node.stdin.flush()
                cases = json.loads(node.stdout.readline())
                negotiated = [case.pop("negotiated") for case in cases.values()]
                return cases, [
                    tuple(ends[side] != "" for side in ("client", "server"))
                    for ends in negotiated
                    if ends
                ]

            for of_client in ("on", "off"):
                for of_server in ("on", "off"):
                    plain, negotiated = seen(direct + "/", of_client, of_server)
                    passed_on, apart = seen(recording.url, of_client, of_server)
                    assert passed_on == plain
                    assert set(negotiated) == {(of_client == of_server == "on",) * 2}
                    # Either side has what it would have with a peer that can compress.
                    assert set(apart) == {(of_client == "on", of_server == "on")}
    # The script says what it is about, and not that it has seen nothing.
    assert plain["talk"]["client"][-1] == ["close", 1000, "done"]
    assert ["rejected", 401, "Unauthorized", ""] in plain["rejected-without-length"]["client"]
    recording.finish()
    closes = {path.split("/")[1]: close for path, close in recording.closes().items()}
    assert closes == {
        "talk": (1000, "done", "client"),
        "client-closes-without-code": (1005, "", "client"),
        "client-closes-with-4001": (4001, "Gründe", "client"),
        "client-terminates": (1006, "", "client"),
        "server-closes": (1000, "", "server"),
        "server-closes-without-code": (1005, "", "server"),
        "server-closes-with-4001": (4001, "Gründe", "server"),
        "server-terminates": (1006, "", "server"),
        "messages-cross-the-close": (1000, "", "client"),
    }


def test_fragments_and_pings_pass_as_they_are(record: Record, place: socket.socket) -> None:
    text, binary = ["gr", "", "öß", "er"], [b"\x00" * 70_000, b"\xff"]
    seen: list[Messages] = []

    async def note(connection: Any) -> None:
        fragments = [item async for item in connection.recv_streaming()]
        seen.append([item if isinstance(item, str) else bytes(item) for item in fragments])

    async def answer(connection: Connection) -> None:
        for fragments in (text, binary):
            await note(connection)
            await connection.send(iter(fragments))
        await (await connection.ping(b"are you there"))
        await connection.send("yes")
        await connection.wait_closed()

    async def scenario() -> None:
        async with serve(answer, place):
            for compression in ("deflate", None):
                async with recording.connect(compression=compression) as client:
                    for fragments in (text, binary):
                        await client.send(iter(fragments))
                        await note(client)
                    await (await client.ping(b"and you"))
                    assert await client.recv() == "yes"

    recording = record(place)
    run(scenario())
    # websockets marks the end of a message by a fragment of nothing.
    as_sent = [[*text, ""], [*text, ""], [*binary, b""], [*binary, b""]]
    assert seen == as_sent * 2
    assert recording.finish() == Summary(10, 2 * (2 * 8 + 2 * 70_001 + 3), 2)
    assert recording.messages() == {
        ("/", "client"): ["größer", b"".join(binary)] * 2,
        ("/", "server"): ["größer", b"".join(binary), "yes"] * 2,
    }


def accept(place: socket.socket) -> tuple[socket.socket, bytes]:
    """A connection that the proxy makes, and the head of the request on it."""
    place.settimeout(LIMIT_SECONDS)
    sock, _ = place.accept()
    sock.settimeout(LIMIT_SECONDS)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(65_536)
        assert data
        head += data
    return sock, head


def accepted(head: bytes) -> bytes:
    """The answer to an opening handshake (RFC 6455, section 4.2.2)."""
    (key,) = re.findall(rb"(?i)\r\nsec-websocket-key: *(\S+)", head)
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    lines = [
        *(b"HTTP/1.1 101 Switching Protocols", b"Connection: Upgrade", b"Upgrade: websocket"),
        *(b"Sec-WebSocket-Accept: " + base64.b64encode(digest), b"", b""),
    ]
    return b"\r\n".join(lines)


def test_a_greeting_that_comes_with_the_handshake_is_passed_on(
    record: Record, place: socket.socket
) -> None:
    recording = record(place)
    with recording.open() as client:
        client.sendall(upgrade() + frame(TEXT, b"hi"))
        server, head = accept(place)
        with server:
            server.sendall(accepted(head) + b"\x81\x05hello\x88\x02\x03\xe8")
            assert server.recv(8)[-2:] != b""
        assert read_to_end(client).endswith(b"\r\n\r\n\x81\x05hello\x88\x02\x03\xe8")
    assert recording.finish() == Summary(2, 7, 1)
    assert recording.messages() == {("/", "client"): ["hi"], ("/", "server"): ["hello"]}
    assert recording.closes() == {"/": (1000, "", "server")}


def test_who_vanishes_is_missed_by_the_other(record: Record, place: socket.socket) -> None:
    codes: dict[str, int | None] = {}

    async def wait(connection: Connection) -> None:
        assert connection.request is not None
        path = connection.request.path
        if path == "/server":
            await connection.recv()
            connection.transport.abort()
        with contextlib.suppress(ConnectionClosed):
            while path.startswith("/flooded"):
                await connection.send(random.randbytes(1000))
                await asyncio.sleep(0)
        codes[path] = await close_code(connection)

    async def vanish(path: str) -> None:
        connection = await recording.connect(path)
        if path != "idle":
            await connection.recv()
        sock = connection.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.transport.abort()

    async def scenario() -> None:
        async with serve(wait, place):
            await asyncio.gather(*(vanish(path) for path in clients))
            async with recording.connect("server") as connection:
                await connection.send("go")
                assert await close_code(connection) == 1006
            while len(codes) < len(clients) + 1:
                await asyncio.sleep(0.01)

    clients = ["idle", *(f"flooded-{number}" for number in range(5))]
    recording = record(place)
    run(scenario())
    assert set(codes.values()) == {1006}
    recording.finish()
    assert recording.closes() == {
        "/server": (1006, "", "server"),
        **{f"/{path}": (1006, "", "client") for path in clients},
    }


def test_a_server_that_is_not_there_is_502_and_said_once(record: Record) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        recording = record(nobody)

        async def scenario() -> None:
            for _ in range(2):
                with pytest.raises(InvalidStatus) as refused:
                    await recording.connect()
                assert refused.value.response.status_code == 502

        run(scenario())
        status, _, body = recording.get("/page")
        assert (status, body.startswith(b"wsbench record: 127.0.0.1:")) == (502, True)
        recording.signal()
        assert recording.ended() == Summary(0, 0, 0)
        port = nobody.getsockname()[1]
        assert re.fullmatch(rf"wsbench: 127\.0\.0\.1:{port}: .+\n", recording.errors())


ANSWERS = {
    b"HTTP/1.1 401 Unauthorized\r\n\r\nuntil the end": b"401 Unauthorized",
    b"220 this is a mail server\r\n\r\n": b"502 Bad Gateway",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n": b"502 Bad Gateway",
    b"": b"502 Bad Gateway",
}


def test_what_is_no_handshake_is_answered(record: Record, place: socket.socket) -> None:
    recording = record(place)
    for answer, status in ANSWERS.items():
        with recording.open() as client:
            client.sendall(upgrade())
            server, _ = accept(place)
            with server:
                server.sendall(answer)
            received = read_to_end(client)
        assert received.startswith(b"HTTP/1.1 " + status)
        assert received.endswith(b"until the end") == (b"401" in status)
    recording.signal()
    assert recording.ended() == Summary(0, 0, 0)
    # What no server means to say is told to the user, too.
    assert recording.errors().count("\n") == 3


class Page(http.server.BaseHTTPRequestHandler):
    """Answers by what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        asked = [self.command, self.path, self.rfile.read(size).decode(), *self.headers.items()]
        body = json.dumps(asked).encode()
        self.send_response(203)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_pages_are_passed_on(record: Record) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            recording = record(f"ws://127.0.0.1:{server.server_port}")
            place = recording.url.removeprefix("ws://").rstrip("/")
            client = http.client.HTTPConnection(place, timeout=LIMIT_SECONDS)
            headers = {"X-Custom": "kept", "Origin": f"http://{place}"}
            for method, body in (("GET", None), ("POST", "größer" * 50_000)):
                data = body and body.encode()
                with contextlib.closing(client):
                    client.request(method, "/a/page?x=1&y=%2F", data, headers)
                    response = client.getresponse()
                    asked, path, received, *seen = json.loads(response.read())
                assert (response.status, response.headers.get_all("Set-Cookie")) == (
                    203,
                    ["a=1", "b=2"],
                )
                assert (asked, path, received) == (method, "/a/page?x=1&y=%2F", body or "")
                # As if the page had been asked for where it is.
                host = f"127.0.0.1:{server.server_port}"
                assert ["Host", host] in seen
                assert ["Origin", f"http://{host}"] in seen
                assert ["X-Custom", "kept"] in seen
            assert recording.finish() == Summary(0, 0, 0)
        finally:
            server.shutdown()
            thread.join()


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("makes a certificate with openssl")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", "key.pem", "-out", "cert.pem"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=LIMIT_SECONDS,
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize("option", ["--ca", "--insecure", "neither"])
def test_certificates_of_servers_are_checked(
    option: str, record: Record, place: socket.socket, certificate: tuple[Path, Path]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    trust = ssl.create_default_context(cafile=certificate[0])
    # With TLS on both sides; or on one.
    options = {"--ca": ("--ca", certificate[0], "--tls", *certificate), "--insecure": (option,)}
    tls = {"ssl": trust} if option == "--ca" else {}

    async def scenario() -> None:
        async with serve(echo, place, ssl=context):
            if option == "neither":
                for _ in range(2):
                    with pytest.raises(InvalidStatus) as refused:
                        await recording.connect()
                    assert refused.value.response.status_code == 502
                return
            async with recording.connect("chat", **tls) as client:
                for message in ("hello", bytes(300 * KIB)):
                    await client.send(message)
                    assert await client.recv() == message

    recording = record(url_of(place, "wss"), *options.get(option, ()))
    run(scenario())
    if option == "neither":
        recording.signal()
        assert recording.ended() == Summary(0, 0, 0)
        (line,) = recording.errors().splitlines()
        assert "certificate" in line
        return
    assert recording.url.startswith("wss://" if option == "--ca" else "ws://")
    assert recording.finish() == Summary(4, 2 * (5 + 300 * KIB), 1)
    said: Messages = ["hello", bytes(300 * KIB)]
    assert recording.messages() == {("/chat", side): said for side in ("client", "server")}


# How it ends.


def test_after_a_kill_at_most_a_second_is_missing(
    record: Record, place: socket.socket, wsbench: Run
) -> None:
    times: dict[tuple[str, str], list[float]] = defaultdict(list)

    def numbered(number: int) -> str:
        return f"{number} {'x' * 1000}"

    async def count(connection: Any, direction: str) -> None:
        noted = times[connection.request.path, direction]
        with contextlib.suppress(ConnectionClosed):
            while True:
                noted.append(time.monotonic())
                await connection.send(numbered(len(noted) - 1))
                await asyncio.sleep(0.005)

    async def scenario() -> float:
        async with serve(lambda connection: count(connection, "server"), place):
            clients = [await recording.connect(path) for path in "ab"]
            counting = [asyncio.create_task(count(client, "client")) for client in clients]
            reading = [asyncio.create_task(close_code(client)) for client in clients]
            await asyncio.sleep(1.6)
            killed = time.monotonic()
            recording.signal(signal.SIGKILL)
            assert await asyncio.gather(*reading) == [1006, 1006]
            await asyncio.gather(*counting)
            return killed

    recording = record(place)
    killed = run(scenario())
    found = recording.messages()
    for key, noted in times.items():
        kept = len(found[key])
        assert found[key] == [numbered(number) for number in range(kept)]
        assert kept >= sum(moment <= killed - 1 for moment in noted) > 0
    info = wsbench("corpus", "info", recording.capture.name, "--format", "json")
    assert info.returncode == 0
    assert re.fullmatch(r"(.* cut off in line \d+, which is left out\n)?", info.stderr)
    assert json.loads(info.stdout)["statistics"]["messages"] == sum(map(len, found.values()))


async def is_told_to_go(recording: Recording) -> None:
    """A client that talks without end is told that the proxy goes away."""
    async with recording.connect() as client:
        with contextlib.suppress(ConnectionClosed):
            for number in itertools.count():
                await client.send(f"{number} {'x' * 1000}")
                await client.recv()
        assert await close_code(client) == 1001


@pytest.mark.parametrize(
    ("limit", "value"), [("--max-messages", "5"), ("--max-bytes", "20KiB"), ("--duration", "1.5")]
)
def test_a_limit_ends_it(
    limit: str, value: str, record: Record, place: socket.socket, wsbench: Run
) -> None:
    codes = []

    async def note(connection: Connection) -> None:
        await echo(connection)
        codes.append(connection.close_code)

    async def scenario() -> None:
        async with serve(note, place):
            await asyncio.gather(*(is_told_to_go(recording) for _ in range(3)))

    recording = record(place, limit, value)
    run(scenario())
    summary = recording.ended()
    assert recording.errors() == ""
    assert codes == [1001] * 3
    found = [item for item in recording.records() if item["type"] in ("text", "binary")]
    size_bytes = sum(len(item["data"]) for item in found)
    assert (summary.messages, summary.payload_bytes) == (len(found), size_bytes)
    info = wsbench("corpus", "info", recording.capture.name, "--format", "json")
    assert (info.returncode, info.stderr) == (0, "")
    if limit == "--max-messages":
        assert len(found) == 5
    elif limit == "--max-bytes":
        assert 18 * KIB < recording.capture.stat().st_size <= 20 * KIB


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(number: signal.Signals, record: Record, place: socket.socket) -> None:
    async def scenario() -> None:
        async with serve(echo, place):
            clients = [await recording.connect(path) for path in "abc"]
            for client in clients:
                for message in ("größer", b"\0"):
                    await client.send(message)
                    assert await client.recv() == message
            recording.signal(number)
            assert await asyncio.gather(*map(close_code, clients)) == [1001] * 3

    recording = record(place)
    run(scenario())
    assert recording.ended() == Summary(12, 6 * (8 + 1), 3)
    assert recording.errors() == ""
    said: Messages = ["größer", b"\0"]
    sides = ("client", "server")
    assert recording.messages() == {(f"/{path}", side): said for path in "abc" for side in sides}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(
    number: signal.Signals, record: Record, place: socket.socket
) -> None:
    recording = record(place)
    with recording.open() as client:
        client.sendall(upgrade())
        server, head = accept(place)
        with server:
            server.sendall(accepted(head) + b"\x81\x02hi")
            # Neither of them answers the closing frame.
            while not client.recv(65_536).endswith(b"\x81\x02hi"):
                pass
            recording.signal()
            assert client.recv(4) == b"\x88\x02\x03\xe9"
            recording.signal(number)
            code = recording.process.wait(LIMIT_SECONDS)
    assert code == {signal.SIGTERM: -signal.SIGTERM, signal.SIGINT: 130}[number]
    assert recording.errors().strip() == ""


def test_a_handshake_that_is_under_way_does_not_outlast_it(
    record: Record, place: socket.socket
) -> None:
    recording = record(place)
    with recording.open() as client:
        client.sendall(upgrade())
        server, head = accept(place)
        with server:
            recording.signal()

            def is_refused() -> bool:
                try:
                    recording.open().close()
                except ConnectionRefusedError:
                    return True
                return False

            eventually(is_refused)
            server.sendall(accepted(head))
            assert server.recv(65_536)[:2] == b"\x88\x82"
        assert read_to_end(client).endswith(b"\r\n\r\n\x88\x02\x03\xe9")
    assert recording.ended() == Summary(0, 0, 1)
    assert recording.errors() == ""


def test_a_file_that_cannot_grow_ends_it(
    record: Record, place: socket.socket, wsbench: Run
) -> None:
    async def scenario() -> None:
        async with serve(echo, place):
            await is_told_to_go(recording)

    # In units of 512 bytes.
    recording = record(place, shell='ulimit -f 32; exec "$@"')
    run(scenario())
    assert recording.process.wait(LIMIT_SECONDS) == 2
    assert recording.errors() == (
        f"wsbench: {recording.capture.name}: File too large; what was written before can be read\n"
    )
    found = recording.messages()["/", "client"]
    assert found == [f"{number} {'x' * 1000}" for number in range(len(found))]
    assert len(found) > 5
    info = wsbench("corpus", "info", recording.capture.name)
    assert info.returncode == 0
    assert re.fullmatch(r"(.* cut off in line \d+, which is left out\n)?", info.stderr)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("ws://h", "Missing option '-o' / '--output'; see wsbench record --help"),
        ("ws://h -o old", "--output old: exists, and is not replaced; name a new file"),
        ("ws://h -o dangling", "--output dangling: exists, and is not replaced; name a new file"),
        ("ws://h -o no/where", "--output no/where: No such file or directory; name a file that"),
        ("ws://h -o -", "--output '-': name a file"),
        ("ws://h -o new --listen {busy}", "--listen {busy}: Address already in use; name another"),
        ("ws://h -o new --listen 127.0.0.1:65536", "write HOST:PORT, such as 127.0.0.1:9000"),
        ("http://h -o new", "http://h: scheme isn't ws or wss; write ws://host:port/path"),
        ("ws://h:99999 -o new", "ws://h:99999: Port out of range 0-65535; write ws://"),
        ("ws://[::1 -o new", "ws://[::1: Invalid IPv6 URL; write ws://"),
        ("ws://a..b -o new", "ws://a..b: "),
        ("ws://h -o new --redact (", "'(': no regular expression: "),
        ("ws://h -o new --redact-json a..", "'a..': write a path such as user.token, "),
        ("ws://h -o new --ca old", "--ca and --insecure are for an UPSTREAM at wss://"),
        ("ws://h -o new --duration 0", "'0': write a number of seconds, above 0"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: str, complaint: str, wsbench: Run, tmp_path: Path, place: socket.socket
) -> None:
    (tmp_path / "old").write_text("what was there")
    (tmp_path / "dangling").symlink_to("nothing")
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    busy = url_of(place).removeprefix("ws://")
    done = wsbench("record", *arguments.format(busy=busy).split())
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("wsbench: ")
    assert complaint.format(busy=busy) in done.stderr
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before


# Redaction.


def shape(text: str) -> str:
    """A text without what stands for a secret: which letters and digits there are."""
    for kind, character in (("[0-9]", "9"), ("[a-zà-ÿ]", "a"), ("[A-Z]", "A")):
        text = re.sub(kind, character, text)
    return text


def test_secrets_are_not_in_the_file(record: Record, place: socket.socket) -> None:
    token, password = "T0ken-abcDEF1234567890", "Pässwort_77_Geheim"
    login = {"user": {"name": "Ada", "password": password}, "pins": [1234567890123, 1], "ok": None}
    said: Messages = [
        f"login {token}, please",
        json.dumps(login, ensure_ascii=False),
        json.dumps(login),
        json.dumps(login, ensure_ascii=False).encode(),
        b"\xff\x00" + token.encode(),
        "no secret: " + "x" * 50,
        bytes(range(256)),
    ]
    received: Messages = []

    async def note(connection: Connection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                received.append(message)
                await connection.send(message)

    async def scenario() -> None:
        async with serve(note, place, subprotocols=[token]):
            for recording in recordings:
                async with recording.connect(f"{token}/", subprotocols=[token]) as client:
                    for message in said:
                        await client.send(message)
                        assert await client.recv() == message
                    await client.close(4000, f"away with {token}")

    options = ("--redact", r"T0ken-\w+", "--redact-json", "..password", "--redact-json", "pins[*]")
    recordings = [record(place, *options) for _ in range(2)]
    run(scenario())
    assert received == said * 2
    written = []
    for recording in recordings:
        assert recording.finish().messages == 2 * len(said)
        assert recording.capture.read_bytes().count(b'"redacted":true') == 1
        assert token not in recording.capture.read_text()
        by_side = recording.messages()
        (path, _), found = next(iter(by_side.items()))
        # Both sides have sent the same, which is replaced by the same.
        assert by_side == {(path, side): found for side in ("client", "server")}
        for message, original in zip(found, said, strict=True):
            is_text = isinstance(message, str)
            data, secret = (
                item.encode() if isinstance(item, str) else item for item in (message, original)
            )
            assert is_text == isinstance(original, str)
            assert len(data) == len(secret)
            assert all(word.encode() not in data for word in (token, password, "1234567890123"))
        assert found[5:] == said[5:]
        login_found, escaped_found, binary_found = map(json.loads, found[1:4])
        assert shape(found[0]) == shape(f"login {token}, please")
        assert shape(found[1]) == shape(said[1])
        assert login_found["user"]["name"] == "Ada"
        assert login_found == binary_found
        assert escaped_found["pins"] == login_found["pins"]
        # The same secret is replaced by the same text, wherever it is.
        replaced = found[0].removeprefix("login ").removesuffix(", please")
        assert found[4] == b"\xff\x00" + replaced.encode()
        assert path == f"/{replaced}/"
        assert recording.closes() == {path: (4000, f"away with {replaced}", "client")}
        assert recording.records()[0]["subprotocol"] == replaced
        written.append((replaced, login_found))
    # And in another recording by another.
    assert written[0][0] != written[1][0]
    assert written[0][1]["user"]["password"] != written[1][1]["user"]["password"]


# What it bears.


def test_a_client_that_does_not_read_holds_up_its_server_alone(
    record: Record, place: socket.socket
) -> None:
    sent_bytes = 0

    async def flood(connection: Connection) -> None:
        nonlocal sent_bytes
        assert connection.request is not None
        if connection.request.path == "/other":
            await echo(connection)
            return
        with contextlib.suppress(ConnectionClosed):
            while sent_bytes < 200 * MIB:
                await connection.send(random.randbytes(64 * KIB))
                sent_bytes += 64 * KIB

    async def scenario() -> None:
        async with serve(flood, place, compression=None):
            async with recording.connect("other") as other:
                with await asyncio.to_thread(Raw, recording):
                    last = -1
                    # Until no more goes into buffers on the way.
                    while last < sent_bytes:
                        last = sent_bytes
                        for _ in range(20):
                            await other.send("still here")
                            assert await other.recv() == "still here"
                            await asyncio.sleep(0.02)
                    assert MIB < sent_bytes < 200 * MIB
                    assert peak_bytes(recording.process.pid) - before < 60 * MIB

    recording = record(place)
    before = psutil.Process(recording.process.pid).memory_info().rss
    run(scenario())
    recording.finish()


BAD_STARTS = {
    "garbage": b"\x00\xff\xfe garbage\r\n\r\n",
    "random bytes": random.Random(3).randbytes(20_000),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
    "a head that never ends": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000,
    "many headers": upgrade(*("A: b",) * 1000),
    "a path that is not ASCII": upgrade().replace(b"GET /", b"GET /\xff"),
    "no key": upgrade().replace(b"Sec-WebSocket-Key", b"X"),
    "a body": upgrade("Content-Length: 5") + b"hello",
    "bad subprotocols": upgrade("Sec-WebSocket-Protocol: ,;,"),
    "bad extensions": upgrade("Sec-WebSocket-Extensions: =;="),
}

# With the code that RFC 6455, section 7.4.1, has for it.
BAD_FRAMES = {
    "a reserved opcode": (frame(0x83, b""), 1002),
    "no mask": (b"\x81\x02hi", 1002),
    "a continuation of nothing": (frame(0x80, b"x"), 1002),
    "a message in another": (frame(1, b"a") + frame(TEXT, b"b"), 1002),
    "half a close code": (frame(CLOSE, b"\x03"), 1002),
    "a close code that is none": (frame(CLOSE, b"\x03\xed"), 1002),
    "a close reason that is no UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "text that is no UTF-8": (frame(TEXT, b"\xc3\x28"), 1007),
    "what was not compressed": (frame(TEXT | 0x40, b"hi"), 1002),
}


def test_malformed_clients_hurt_nobody_else(record: Record, place: socket.socket) -> None:
    def send_all() -> None:
        for name, request in BAD_STARTS.items():
            with recording.open() as sock:
                # The answer may have come before.
                with contextlib.suppress(OSError):
                    sock.sendall(request)
                    sock.shutdown(socket.SHUT_WR)
                answer = read_to_end(sock)
            assert answer == b"" or re.match(rb"HTTP/1\.1 [45]\d\d ", answer), (name, answer)
        for name, (data, code) in BAD_FRAMES.items():
            with Raw(recording) as client:
                client.send(data)
                assert client.close_code() == code, name
        with Raw(recording) as client:
            client.send(frame(BINARY, bytes(10))[:-3])
            drop(client.socket)

    async def scenario() -> None:
        async with serve(echo, place):
            async with recording.connect("good") as good:
                sending = asyncio.create_task(asyncio.to_thread(send_all))
                while not sending.done():
                    await good.send("still here")
                    assert await good.recv() == "still here"
                    await asyncio.sleep(0.01)
                await sending

    recording = record(place)
    run(scenario())
    recording.signal()
    recording.ended()
    # Messages that no capture can hold are said; nothing else is.
    assert recording.errors() == ("wsbench: 1 text message that are not UTF-8 were left out\n")
    assert set(recording.closes().values()) <= {(1000, "", "client"), (1006, "", "client")}

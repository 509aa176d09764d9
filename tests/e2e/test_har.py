"""HAR files on the command line: of a browser, of a proxy, and converted to everything else."""

import asyncio
import base64
import contextlib
import gzip
import json
import socket
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.e2e import chromium
from tests.e2e.conftest import Run

EXPORTS = Path(__file__).parent.parent / "corpus" / "har"

# A browser

PAGE = """<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<script>
const open = url => Object.assign(new WebSocket(url), {binaryType: "arraybuffer"});
const echo = open("ws://127.0.0.1:PORT/echo?token=secret");
echo.onopen = () => {
  for (const message of ["hello", "", new Uint8Array([0, 1, 254, 255]), new Uint8Array(0),
                         "žluť – 🐎 – 日本", "half \\ud800 a pair", "x".repeat(100000), "bye"])
    echo.send(message);
};
const broken = open("ws://127.0.0.1:PORT/broken");
broken.onopen = () => broken.send("break, please");
open("ws://127.0.0.1:PORT/refused");
open("ws://127.0.0.1:NOBODY/");
</script>
"""
SOCKETS = 4
TO_SERVER = [
    *("hello", "", b"\0\x01\xfe\xff", b"", "žluť – 🐎 – 日本", "half \ufffd a pair", "x" * 100_000),
    "bye",
]


class Server:
    """The server of a page, which keeps what it sent and received, by path."""

    def __init__(self, nobody: int) -> None:
        self.received: dict[str, list[str | bytes]] = {}
        self.sent: dict[str, list[str | bytes]] = {}
        self._nobody = nobody

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        path = connection.request.path.partition("?")[0]
        received = self.received.setdefault(path, [])
        sent = self.sent.setdefault(path, [])
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                received.append(message)
                if message == "break, please":
                    sent.append("as you wish")
                    await connection.send("as you wish")
                    connection.transport.write(b"\x83\x00")  # An opcode that is reserved.
                elif message == "bye":
                    sent += ["in three fragments", bytes(range(256))]
                    await connection.send(["in ", "three ", "fragments"])
                    await (await connection.ping())
                    await connection.send(bytes(range(256)))
                    await connection.close(4001, "enough")
                else:
                    sent.append(message)
                    await connection.send(message)

    def respond(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/refused":
            return connection.respond(HTTPStatus.FORBIDDEN, "no\n")
        if request.path != "/":
            return None
        port = connection.transport.get_extra_info("sockname")[1]
        body = PAGE.replace("PORT", str(port)).replace("NOBODY", str(self._nobody)).encode()
        headers = Headers({"Content-Type": "text/html", "Content-Length": str(len(body))})
        return Response(200, "OK", headers, body)


async def browse(server: Server) -> dict[str, Any]:
    """The HAR file of a browser that loads the page."""
    async with serve(
        server.handle, "127.0.0.1", 0, process_request=server.respond, max_size=None
    ) as listening:
        port = listening.sockets[0].getsockname()[1]
        return await chromium.har_of(f"http://127.0.0.1:{port}/", SOCKETS)


@pytest.mark.skipif(chromium.COMMAND is None, reason="needs chromium")
def test_a_session_of_a_browser(wsbench: Run, tmp_path: Path, no_orphans: None) -> None:
    before = time.time()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # It does not listen, so connections are refused.
        server = Server(nobody.getsockname()[1])
        har = asyncio.run(browse(server))
    (tmp_path / "session.har").write_text(json.dumps(har, indent=2, ensure_ascii=False))
    assert server.received == {"/echo": TO_SERVER, "/broken": ["break, please"]}

    done = wsbench("corpus", "info", "session.har")
    assert done.returncode == 0
    assert done.stderr == "wsbench: warning: session.har: left out: error records (3)\n"
    streams = [*server.received.values(), *server.sent.values()]
    sizes = [
        len(message.encode() if isinstance(message, str) else message)
        for stream in streams
        for message in stream
    ]
    lines = done.stdout.splitlines()
    assert lines[:2] == ["Corpus:       session", "Messages:     19 (14 text, 5 binary)"]
    assert lines[2] == f"Bytes:        {sum(sizes):,}"
    assert lines[3] == "Streams:      4 of 2 connections, sent by the client and the server"

    done = wsbench("compress", "session.har", "--no-time", "--no-memory", "--format", "json")
    assert done.returncode == 0
    corpus = json.loads(done.stdout)["corpus"]
    assert (corpus["messages"], corpus["bytes"]) == (len(sizes), sum(sizes)) == (19, sum(sizes))
    assert (corpus["streams"], corpus["connections"]) == (4, 2)

    done = wsbench("corpus", "convert", "session.har", "session.capture.jsonl", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    capture = (tmp_path / "session.capture.jsonl").read_text()
    assert "secret" not in capture
    exchanged = messages_of(capture)
    assert sorted(map(repr, exchanged.values())) == sorted(map(repr, streams))
    for (connection, side), messages in exchanged.items():
        path = "/echo" if "hello" in messages else "/broken"
        assert messages == (server.received if side == "client" else server.sent)[path]
        assert exchanged[connection, "client"] == server.received[path]
    times = [record["time"] for record in map(json.loads, capture.splitlines()) if "data" in record]
    assert before - 5 < min(times) <= max(times) < time.time() + 5


def messages_of(capture: str) -> dict[tuple[int, str], list[str | bytes]]:
    """The messages in a capture, by connection and sender, read without wsbench."""
    messages: dict[tuple[int, str], list[str | bytes]] = {}
    for record in map(json.loads, capture.splitlines()[1:]):
        if record["type"] in ("text", "binary"):
            data = record["data"]
            messages.setdefault((record["connection"], record["direction"]), []).append(
                data if record["type"] == "text" else base64.b64decode(data)
            )
    return messages


# A proxy


def test_the_export_of_a_proxy(wsbench: Run) -> None:
    path = EXPORTS / "mitmproxy.har"
    done = wsbench("corpus", "info", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:5] == [
        "Corpus:       mitmproxy",
        "Messages:     25 (17 text, 8 binary)",
        "Bytes:        728",
        "Streams:      4 of 2 connections, sent by the client and the server",
        "Message size: min 0, median 7, p95 256, max 256 bytes",
    ]
    done = wsbench("compress", path, "--no-time", "--no-memory")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("mitmproxy: 25 messages, 728 bytes, 4 streams of 2 connections")
    done = wsbench("compress", path, "--no-time", "--no-memory", "--direction", "client")
    assert done.stdout.startswith("mitmproxy: 12 messages, 122 bytes, 2 streams")


# Conversion

HAR = {
    "log": {
        "version": "1.2",
        "entries": [
            {
                "_resourceType": "websocket",
                "_webSocketMessages": [
                    {"type": "send", "time": 1795558073.25, "opcode": 1, "data": "hello, žluť"},
                    {"type": "receive", "time": 1795558073.5, "opcode": 1, "data": '{"a":1}'},
                    {"type": "error", "time": 1795558074, "opcode": -1, "data": "net::ERR_FAILED"},
                    {"type": "receive", "time": 1795558074, "opcode": 1, "data": "plain"},
                ],
            }
        ],
    }
}
CLIENT, SERVER = ["hello, žluť"], ['{"a":1}', "plain"]
LEFT_OUT = "wsbench: warning: a.har: left out: error records (1)\n"


@pytest.fixture
def har(tmp_path: Path) -> Path:
    """A connection on which both sides send text."""
    path = tmp_path / "a.har"
    path.write_text(json.dumps(HAR))
    return path


def digest(wsbench: Run, *corpus: object) -> str:
    done = wsbench("corpus", "info", *corpus, "--format", "json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    described: str = json.loads(done.stdout)["sha256"]
    return described


def test_har_to_capture_and_back(wsbench: Run, har: Path, tmp_path: Path) -> None:
    expected = digest(wsbench, har)
    source = "a.har"
    for target in ("b.capture.jsonl", "c.har", "d.capture.jsonl.gz", "e.har.gz", "f.capture.jsonl"):
        done = wsbench("corpus", "convert", source, target)
        assert (done.returncode, done.stdout) == (0, "")
        # What is left out is told where it is.
        assert done.stderr == (LEFT_OUT if source == "a.har" else "")
        assert digest(wsbench, target) == expected
        source = target
    for name in ("b.capture.jsonl", "f.capture.jsonl"):
        capture = (tmp_path / name).read_text()
        assert messages_of(capture) == {(0, "client"): CLIENT, (0, "server"): SERVER}
        times = [json.loads(line).get("time") for line in capture.splitlines()[1:4]]
        assert times == [1795558073.25, 1795558073.5, 1795558074]
    (entry,) = json.loads((tmp_path / "c.har").read_text())["log"]["entries"]
    assert [(item["type"], item["data"]) for item in entry["_webSocketMessages"]] == [
        ("send", "hello, žluť"),
        ("receive", '{"a":1}'),
        ("receive", "plain"),
    ]


def test_one_side_to_formats_of_one_stream(wsbench: Run, har: Path, tmp_path: Path) -> None:
    def convert(*arguments: object) -> None:
        done = wsbench("corpus", "convert", "a.har", "--quiet", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    for side, texts in (("client", CLIENT), ("server", SERVER)):
        of_side = ("--direction", side)
        convert(f"{side}.json", *of_side)
        document = json.loads((tmp_path / f"{side}.json").read_text())
        assert document == [{"a": 1}, "plain"] if side == "server" else CLIENT
        convert(f"{side}.jsonl", *of_side)
        assert (tmp_path / f"{side}.jsonl").read_text() == "".join(f"{text}\n" for text in texts)
        convert(f"{side}.txt.gz", *of_side)
        lines = gzip.decompress((tmp_path / f"{side}.txt.gz").read_bytes())
        assert lines.decode().splitlines() == texts
        convert(side, *(("--to", "directory") if side == "server" else ()), *of_side)
        files = sorted((tmp_path / side).iterdir())
        assert [file.name for file in files] == [f"{n + 1}.txt" for n in range(len(texts))]
        assert [file.read_text() for file in files] == texts
    # The other way, everything is a server's.
    for source, target in (
        ("server.json", "a.capture.jsonl"),
        ("server.jsonl", "b.har"),
        ("server", "c.capture.jsonl.gz"),
        ("server.txt.gz", "d.capture.jsonl"),
    ):
        assert wsbench("corpus", "convert", source, target).returncode == 0
    expected = digest(wsbench, har, "--direction", "server")
    for target in ("server", "b.har", "c.capture.jsonl.gz"):
        assert digest(wsbench, target) == expected
    for name in ("a", "d"):
        capture = (tmp_path / f"{name}.capture.jsonl").read_text()
        assert messages_of(capture) == {(0, "server"): SERVER}


def test_to_standard_output(wsbench: Run, har: Path) -> None:
    def convert(*arguments: object) -> str:
        done = wsbench("corpus", "convert", *arguments, stdin=har.read_bytes())
        label = "standard input" if arguments[0] == "-" else "a.har"
        assert (done.returncode, done.stderr) == (0, LEFT_OUT.replace("a.har", label))
        return done.stdout

    for source in ("a.har", "-"):
        capture = convert(source, "-", "--to", "capture")
        assert messages_of(capture) == {(0, "client"): CLIENT, (0, "server"): SERVER}
        lines = convert(source, "-", "--to", "lines", "--direction", "server")
        assert lines == '{"a":1}\nplain\n'
        assert json.loads(convert(source, "-", "--to", "har"))["log"]["version"] == "1.2"
    server = convert("a.har", "-", "--to", "json", "--direction", "server")
    assert json.loads(server) == [{"a": 1}, "plain"]


def test_what_cannot_be_converted_is_refused(wsbench: Run, har: Path, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        done = wsbench("corpus", "convert", "--quiet", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("wsbench: ")
        assert done.stderr.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return done.stderr

    for target, plural in (("b.json", "JSON arrays"), ("b.jsonl", "lines"), ("b", "directories")):
        assert f"2 streams, which {plural} cannot hold; write a capture" in refused(har, target)
    assert "2 streams, which lines" in refused(har, "-", "--to", "lines")
    sent = {"type": "send", "opcode": 1, "data": "AAE="}
    client = {"log": {"entries": [{"_webSocketMessages": [sent]}]}}
    (tmp_path / "client.har").write_text(json.dumps(client))
    assert "messages of a client, not of a server, which lines" in refused("client.har", "b.txt")
    binary = json.dumps(client).replace("send", "receive").replace("1", "2")
    (tmp_path / "binary.har").write_text(binary)
    assert "message 1 is binary, which lines cannot hold" in refused("binary.har", "b.jsonl")
    assert "message 1 is binary, which JSON cannot hold" in refused("binary.har", "b.json")
    assert "message 1 is binary" in refused("binary.har", "-", "--to", "lines")
    assert wsbench("corpus", "convert", "binary.har", "b").returncode == 0
    assert (tmp_path / "b" / "1.bin").read_bytes() == b"\0\x01"

    assert "standard output needs --to, with the format of a file" in refused(har, "-")
    assert "standard output needs --to" in refused(har, "-", "--to", "directory")
    assert "c.dat: no corpus format has the extension .dat; pass --to" in refused(har, "c.dat")
    assert "a.har: that is CORPUS; name another target" in refused(har, "a.har", "--force")
    assert "b: exists; name a directory that does not" in refused(
        "binary.har", "b", "--to", "directory", "--force"
    )
    assert "no messages from the client" in refused("binary.har", "c.txt", "--direction", "client")
    assert "No such file or directory" in refused(har, "missing/c.har")


def test_a_target_that_exists_is_replaced_only_by_force(
    wsbench: Run, har: Path, tmp_path: Path
) -> None:
    target = tmp_path / "b.capture.jsonl"
    target.write_text("mine")
    done = wsbench("corpus", "convert", har, target)
    assert (done.returncode, done.stdout) == (2, "")
    assert "b.capture.jsonl: exists; name another target, or pass --force" in done.stderr
    assert target.read_text() == "mine"
    assert wsbench("corpus", "convert", har, target, "--force").returncode == 0
    assert messages_of(target.read_text()) == {(0, "client"): CLIENT, (0, "server"): SERVER}
    # A corpus that cannot be read, or does not fit, costs nothing.
    (tmp_path / "broken.har").write_text('{"log":{"entries":[')
    target.write_text("mine")
    assert wsbench("corpus", "convert", "broken.har", target, "--force").returncode == 2
    assert wsbench("corpus", "convert", har, target, "--force", "--to", "lines").returncode == 2
    assert target.read_text() == "mine"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_was_left_out_is_told_unless_quiet(wsbench: Run, har: Path) -> None:
    loud = {
        "info": wsbench("corpus", "info", "a.har"),
        "convert": wsbench("corpus", "convert", "a.har", "b.har"),
        "compress": wsbench("compress", "a.har", "--no-time", "--no-memory"),
    }
    assert {name: done.stderr for name, done in loud.items()} == dict.fromkeys(loud, LEFT_OUT)
    assert "Warning: a.har: left out: error records (1)\n" in loud["compress"].stdout
    quiet = (
        wsbench("corpus", "info", "a.har", "--quiet"),
        wsbench("corpus", "convert", "a.har", "c.har", "--quiet"),
        wsbench("compress", "a.har", "--no-time", "--no-memory", "--quiet"),
    )
    assert [(done.returncode, done.stderr) for done in quiet] == [(0, "")] * 3
    assert quiet[0].stdout == loud["info"].stdout

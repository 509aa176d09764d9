"""Clients that are no help, against a server that is nothing but a socket and a handshake."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from wsbench.corpus import Corpus, Message
from wsbench.deflate import endpoint, server_factory
from wsbench.errors import MeasurementError
from wsbench.live import child
from wsbench.live.child import Child
from wsbench.live.flood import Client, Flood
from wsbench.live.script import Script, idle_script, script
from wsbench.settings import DeflateSettings

REFERENCE = DeflateSettings(12, 5)
CORPUS = Corpus.of_messages("two", [Message(b"hello" * 40, True), Message(b"\xff", False)])
LIMIT_SECONDS = 20
CLOSE_1009 = b"\x88\x02\x03\xf1"
PING = b"\x89\x05hello"


class Peer:
    """Accepts connections, shakes hands, and leaves the sockets to the test."""

    def __init__(self, settings: DeflateSettings | None = None, tls: Path | None = None) -> None:
        self.connections: list[socket.socket] = []
        self._settings = settings
        self._context = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
        self._listening = socket.create_server(("127.0.0.1", 0))
        # Little room, which is inherited by what is accepted: senders come to its end soon.
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        port = self._listening.getsockname()[1]
        self.uri = WebSocketURI(tls is not None, "127.0.0.1", port, "/", "")
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        for sock in self.connections:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            sock.settimeout(LIMIT_SECONDS)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            # Before the client knows that it is open, it is there for the test.
            self.connections.append(sock)
            protocol = ServerProtocol(
                extensions=[server_factory(self._settings)] if self._settings else None
            )
            while protocol.state is State.CONNECTING:
                protocol.receive_data(sock.recv(65_536))
                for request in protocol.events_received():
                    protocol.send_response(protocol.accept(request))
            for data in protocol.data_to_send():
                sock.sendall(data)


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("makes a certificate with openssl")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


def read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            break
        data += part
    return data


def is_empty(sock: socket.socket) -> bool:
    """Whether nothing comes, without waiting for long."""
    sock.settimeout(0.1)
    try:
        return not sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(LIMIT_SECONDS)


def pump_until_stuck(flood: Flood) -> None:
    """Until nothing can be sent for a moment."""
    quiet, last = 0, None
    while quiet < 3:
        flood.pump(0.1)
        now = [client.sent_bytes for client in flood.clients]
        quiet, last = quiet + 1 if now == last else 0, now


def pump_until_sent(flood: Flood) -> None:
    """Until all goals are reached."""
    for _ in range(1000):
        if not any(client.wants_to_send() for client in flood.clients):
            return
        flood.pump(0.02)
    raise AssertionError("there is something left to be sent")


def pump_and_read(flood: Flood, sock: socket.socket, size: int) -> bytes:
    """So many bytes that come meanwhile."""
    reader = Reading(sock, size)
    while reader.is_alive():
        flood.pump(0.02)
    return reader.data


class Reading(threading.Thread):
    """Reads so many bytes."""

    def __init__(self, sock: socket.socket, size: int) -> None:
        super().__init__(daemon=True)
        self._sock, self._size = sock, size
        self.data = b""
        self.start()

    def run(self) -> None:
        self.data = read(self._sock, self._size)


def parsed(wire: bytes, settings: DeflateSettings | None) -> list[Frame]:
    protocol = ServerProtocol(state=State.OPEN, max_size=None)
    protocol.extensions = [endpoint(settings)] if settings else []
    protocol.receive_data(wire)
    assert protocol.parser_exc is None
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


def zeros(size: int = 4096) -> Script:
    return script("zeros", size, CORPUS, None)


def test_clients_send_as_much_as_they_are_told_and_nothing_more(peer: Peer) -> None:
    frames = zeros()
    with Flood(peer.uri, None, frames) as flood:
        clients = flood.open(4)
        # Until they are told to, they send nothing at all.
        flood.pump(0.1)
        assert all(is_empty(sock) for sock in peer.connections)
        goals = [0, 1, 20_000, 65_537]
        for client, goal in zip(clients, goals, strict=True):
            client.goal = goal
        pump_until_sent(flood)
        assert [client.sent_bytes for client in clients] == goals
        for sock, goal in zip(peer.connections, goals, strict=True):
            assert read(sock, goal) == frames.part(0, goal)
            assert is_empty(sock)
        # A higher goal is gone on to, a lower one is nothing to be done.
        clients[2].goal, clients[3].goal = 20_010, 10
        pump_until_sent(flood)
        assert [client.sent_bytes for client in clients] == [0, 1, 20_010, 65_537]
        assert read(peer.connections[2], 10) == frames.part(20_000, 10)
        assert is_empty(peer.connections[3])


def test_without_a_goal_they_send_until_the_network_takes_no_more(peer: Peer) -> None:
    frames = zeros()
    with Flood(peer.uri, None, frames) as flood:
        (client,) = flood.open(1)
        client.goal = None
        pump_until_stuck(flood)
        stuck_bytes = client.sent_bytes
        # More than what fits in a single write, less than anything without an end.
        assert 65_536 < stuck_bytes < 16 * 2**20
        assert client.wants_to_send()
        assert not client.is_lost
        # What is read makes room, and nothing was lost or sent twice.
        came = read(peer.connections[0], stuck_bytes)
        pump_until_stuck(flood)
        assert client.sent_bytes > stuck_bytes
        came += read(peer.connections[0], client.sent_bytes - stuck_bytes)
        assert came == frames.part(0, client.sent_bytes)


def test_a_script_that_ends_is_sent_to_its_end(peer: Peer) -> None:
    with Flood(peer.uri, None, idle_script()) as flood:
        (client,) = flood.open(1)
        client.goal = None
        pump_until_stuck(flood)
        assert client.sent_bytes == 7
        (frame,) = parsed(read(peer.connections[0], 7), None)
        assert (frame.opcode, frame.data) == (Opcode.TEXT, b"x")


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "settings", [None, REFERENCE, DeflateSettings(9, 1, context_takeover=False)], ids=str
)
def test_a_server_reads_messages_with_what_was_negotiated(
    settings: DeflateSettings | None, is_tls: bool, request: pytest.FixtureRequest
) -> None:
    peer = Peer(settings, request.getfixturevalue("certificate") if is_tls else None)
    frames = script("corpus", None, CORPUS, settings)
    try:
        with Flood(peer.uri, settings, frames) as flood:
            (client,) = flood.open(1)
            client.goal = frames.wire_bytes(201)
            pump_until_sent(flood)
            came = parsed(read(peer.connections[0], client.goal), settings)
    finally:
        peer.close()
    cycle = [(message.text, message.data) for message in CORPUS.messages()] * 100
    assert [(item.opcode is Opcode.TEXT, item.data) for item in came] == [(True, b"x"), *cycle]


def test_over_tls_one_that_is_stuck_goes_on_where_it_was(certificate: Path) -> None:
    peer, frames = Peer(tls=certificate), zeros()
    try:
        with Flood(peer.uri, None, frames) as flood:
            (client,) = flood.open(1)
            client.goal = None
            pump_until_stuck(flood)
            stuck_bytes = client.sent_bytes
            assert stuck_bytes > 65_536
            came = pump_and_read(flood, peer.connections[0], stuck_bytes + 200_000)
            assert not client.is_lost
            assert came == frames.part(0, len(came))
            assert client.sent_bytes >= len(came) > stuck_bytes
    finally:
        peer.close()


def open_two(flood: Flood) -> tuple[Client, Client]:
    """One that reads, and one that does not."""
    (reading,), (silent,) = flood.open(1, reads=True), flood.open(1)
    return reading, silent


def test_those_that_read_answer_pings_once_they_have_sent_what_they_should(peer: Peer) -> None:
    frames = zeros()
    with Flood(peer.uri, None, frames) as flood:
        reading, _ = open_two(flood)
        reading.goal = None
        pump_until_stuck(flood)
        for sock in peer.connections:
            sock.sendall(PING)
        pump_until_stuck(flood)
        # Now all frames that it has begun are to end.
        count = 1
        while frames.wire_bytes(count) < reading.sent_bytes:
            count += 1
        reading.goal = frames.wire_bytes(count)
        came = pump_and_read(flood, peer.connections[0], reading.goal + 11)
        *messages, pong = parsed(came, None)
        assert len(messages) == count
        assert (pong.opcode, pong.data) == (Opcode.PONG, b"hello")
        assert reading.sent_bytes == reading.goal
        assert not reading.wants_to_send()
        assert is_empty(peer.connections[0])
        assert is_empty(peer.connections[1])


def test_the_code_of_a_closing_frame_is_known_to_those_that_read(peer: Peer) -> None:
    with Flood(peer.uri, None, zeros()) as flood:
        reading, silent = open_two(flood)
        assert reading.close_code is None
        for sock in peer.connections:
            # A message before it is read, too.
            sock.sendall(b"\x81\x02hi" + CLOSE_1009)
            sock.shutdown(socket.SHUT_WR)
        pump_until_lost(flood, reading)
        assert (reading.close_code, silent.close_code) == (1009, None)
        assert not silent.is_lost
        # One that is lost is left alone.
        reading.goal = None
        assert not reading.wants_to_send()
        sent_bytes = reading.sent_bytes
        flood.pump(0.1)
        assert reading.sent_bytes == sent_bytes


def pump_until_lost(flood: Flood, client: Client) -> None:
    for _ in range(1000):
        if client.is_lost:
            return
        flood.pump(0.02)
    raise AssertionError("the connection is not lost")


@pytest.mark.parametrize("reads", [True, False])
def test_a_connection_that_was_cut_is_lost(peer: Peer, reads: bool) -> None:
    with Flood(peer.uri, None, zeros()) as flood:
        (client,) = flood.open(1, reads=reads)
        client.goal = None
        flood.pump(1)
        # With unread data, this is a reset.
        peer.connections[0].close()
        pump_until_lost(flood, client)
        assert client.close_code is None


def test_what_a_server_sends_compressed_is_read_without_decompressing() -> None:
    peer = Peer(REFERENCE)
    try:
        with Flood(peer.uri, REFERENCE, idle_script()) as flood:
            flood.open(1, reads=True)
            message = Frame(Opcode.TEXT, b"hello" * 100).serialize(
                mask=False, extensions=[endpoint(REFERENCE)]
            )
            # It is no DEFLATE at all, which a client that looked at it would complain of.
            garbage = b"\xc1\x05\xff\xff\xff\xff\xff"
            peer.connections[0].sendall(message + garbage + PING)
            answer = pump_and_read(flood, peer.connections[0], 11)
    finally:
        peer.close()
    (pong,) = parsed(answer, None)
    assert (pong.opcode, pong.data) == (Opcode.PONG, b"hello")


def test_connections_are_cut_one_by_one_and_at_the_end(peer: Peer) -> None:
    with Flood(peer.uri, None, zeros()) as flood:
        clients = flood.open(3)
        flood.close(clients[:2])
        assert flood.clients == clients[2:]
        for sock in peer.connections[:2]:
            assert sock.recv(1) == b""
        flood.pump(0.02)
        clients[2].goal = 7
        pump_until_sent(flood)
        assert len(read(peer.connections[2], 7)) == 7
    assert peer.connections[2].recv(1) == b""


def test_connections_are_cut_after_an_exception(peer: Peer) -> None:
    with contextlib.suppress(KeyError), Flood(peer.uri, None, zeros()) as flood:
        flood.open(2)
        raise KeyError
    assert [sock.recv(1) for sock in peer.connections] == [b"", b""]


def failing(answer: bytes) -> tuple[WebSocketURI, threading.Thread]:
    """A server that sends something else than a handshake, and closes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, listening.accept()[0] as sock:
            while b"\r\n\r\n" not in sock.recv(65_536):
                pass
            sock.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return WebSocketURI(False, "127.0.0.1", listening.getsockname()[1], "/", ""), thread


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"", "the server closed it"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ".*404"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ".+"),
    ],
    ids=["nothing", "404", "no HTTP"],
)
def test_a_handshake_that_fails_is_an_error(answer: bytes, complaint: str) -> None:
    uri, thread = failing(answer)
    with Flood(uri, None, zeros()) as flood:
        with pytest.raises(MeasurementError, match=f"^a connection failed: {complaint}"):
            flood.open(1)
        assert flood.clients == []
    thread.join()


def test_a_port_where_nobody_listens_is_an_error() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        uri = WebSocketURI(False, "127.0.0.1", sock.getsockname()[1], "/", "")
        with Flood(uri, None, zeros()) as flood:
            with pytest.raises(MeasurementError, match="a connection failed: Connection refused"):
                flood.open(1)


def test_a_child_that_speaks_ends_the_wait(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "PYTHON", (sys.executable,))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "speaking_child.py").write_text(
        "import sys\nfor line in sys.stdin: print(line, end='', flush=True)\n"
    )
    with Child("speaking_child", "the child") as process, Flood(peer.uri, None, zeros()) as flood:
        (client,) = flood.open(1)
        process.tell("hello")
        # The test's own limit is what it would come to otherwise.
        flood.pump(3600, process)
        assert list(process.lines) == [b'"hello"']
        client.goal = 7
        flood.pump(3600, process)
        assert client.sent_bytes == 7
        process._process.kill()
        with pytest.raises(MeasurementError, match="the child ended: it was killed by signal 9"):
            flood.pump(3600, process)
        # What was watched is watched no more, and can be again.
        client.goal = 14
        flood.pump(3600)
        assert client.sent_bytes == 14

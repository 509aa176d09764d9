"""Clients that are no help: they send as fast as the network takes it, or read nothing, or both.

They run in this process, in one thread: what is measured is a server in another one.
"""

import contextlib
import selectors
import socket
import ssl
from typing import Self

from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import WebSocketURI

from wsbench.deflate import offer_factories
from wsbench.errors import MeasurementError
from wsbench.live.child import Child
from wsbench.live.clients import Uninflated
from wsbench.live.script import Script
from wsbench.settings import DeflateSettings

_HANDSHAKE_SECONDS = 10.0
_CHUNK_BYTES = 1 << 16
# What fits into a packet of an Ethernet. The loopback interface has packets of 64 KiB, for which
# the kernel makes its buffers many times larger than over a network.
_SEGMENT_BYTES = 1448
# What the kernel keeps for a client that sends, which is the client's own business: half of it is
# for the kernel's management (socket(7)).
_SEND_BUFFER_BYTES = 131_072


class Client:
    """A connection; it sends up to `goal` bytes of a script (None: without end), and may read."""

    def __init__(self, sock: socket.socket, protocol: ClientProtocol, *, reads: bool) -> None:
        self.sock = sock
        self.sent_bytes = 0
        self.goal: int | None = 0
        self.is_lost = False
        self.reads = reads
        self._protocol = protocol
        self._answers = b""

    @property
    def port(self) -> int:
        """The port that it connects from."""
        port: int = self.sock.getsockname()[1]
        return port

    @property
    def close_code(self) -> int | None:
        """The code of the server's closing frame, if one was read."""
        return self._protocol.close_rcvd.code if self._protocol.close_rcvd else None

    def wants_to_send(self) -> bool:
        """Whether there is something to be sent."""
        wants = self.goal is None or self.sent_bytes < self.goal
        return not self.is_lost and (wants or bool(self._answers))

    def send(self, script: Script) -> None:
        """Send what the network takes of the next bytes; pongs when there are none."""
        if self.goal is not None and self.sent_bytes >= self.goal:
            sent = self._send(self._answers)
            self._answers = self._answers[sent:]
        else:
            most = _CHUNK_BYTES if self.goal is None else self.goal - self.sent_bytes
            data = script.part(self.sent_bytes, min(_CHUNK_BYTES, most))
            if not data:
                self.goal = self.sent_bytes
            self.sent_bytes += self._send(data)

    def receive(self) -> None:
        """Read what has come."""
        try:
            data = self.sock.recv(_CHUNK_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            self.is_lost = True
            return
        if not data:
            self.is_lost = True
            return
        if self._protocol.state is State.OPEN:
            self._protocol.receive_data(data)
            self._protocol.events_received()
            self._answers += b"".join(self._protocol.data_to_send())

    def _send(self, data: bytes) -> int:
        try:
            return self.sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError:
            self.is_lost = True
            return 0


class Flood:
    """All clients of a server, from the first to the end of the block.

    Raises:
        MeasurementError: by `open`, if a connection fails.
    """

    def __init__(self, uri: WebSocketURI, settings: DeflateSettings | None, script: Script) -> None:
        self.clients: list[Client] = []
        self.script = script
        self._uri = uri
        self._settings = settings
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.sock.close()
        self._selector.close()

    def open(self, count: int, *, reads: bool = False) -> list[Client]:
        """Open so many connections, one after another; the server has them in that order."""
        opened = []
        for _ in range(count):
            try:
                client = self._open_one(reads)
            except OSError as error:
                reason = error.strerror or str(error) or type(error).__name__
                raise MeasurementError(f"a connection failed: {reason}") from error
            self.clients.append(client)
            opened.append(client)
        return opened

    def close(self, clients: list[Client]) -> None:
        """Cut connections."""
        for client in clients:
            client.sock.close()
            self.clients.remove(client)

    def pump(self, seconds: float, child: Child | None = None) -> None:
        """Send and read what goes without waiting longer than that.

        Returns at once when the child says something.

        Raises:
            MeasurementError: if the child ends.
        """
        if child is not None:
            self._selector.register(child, selectors.EVENT_READ)
        watched = []
        for client in self.clients:
            wanted = selectors.EVENT_READ * (client.reads and not client.is_lost)
            wanted |= selectors.EVENT_WRITE * client.wants_to_send()
            if wanted:
                self._selector.register(client.sock, wanted, client)
                watched.append(client)
        try:
            for key, events in self._selector.select(seconds):
                if key.data is None:
                    assert child is not None
                    child.read()
                    continue
                if events & selectors.EVENT_READ:
                    key.data.receive()
                if events & selectors.EVENT_WRITE:
                    key.data.send(self.script)
        finally:
            for client in watched:
                self._selector.unregister(client.sock)
            if child is not None:
                self._selector.unregister(child)

    def _open_one(self, reads: bool) -> Client:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            sock.settimeout(_HANDSHAKE_SECONDS)
            sock.connect((self._uri.host, self._uri.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._uri.secure:
                # The server is ours, whatever name its certificate is for.
                sock = ssl._create_unverified_context().wrap_socket(sock)
            protocol = ClientProtocol(
                self._uri, extensions=offer_factories(self._settings), max_size=None
            )
            _shake_hands(sock, protocol)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        if protocol.extensions:
            protocol.extensions = [Uninflated()]
        return Client(sock, protocol, reads=reads)


def _shake_hands(sock: socket.socket, protocol: ClientProtocol) -> None:
    protocol.send_request(protocol.connect())
    for data in protocol.data_to_send():
        sock.sendall(data)
    while protocol.state is State.CONNECTING:
        data = sock.recv(_CHUNK_BYTES)
        if not data:
            raise MeasurementError("a connection failed: the server closed it")
        protocol.receive_data(data)
        if protocol.handshake_exc is not None:
            raise MeasurementError(f"a connection failed: {protocol.handshake_exc}")

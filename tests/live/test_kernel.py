"""What waits in the kernel, compared with what was sent and not read."""

import contextlib
import mmap
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wsbench.live import kernel
from wsbench.live.kernel import Queued, queued_bytes, socket_memory_bytes

LIMIT_SECONDS = 20
MIB = 2**20
NOTHING = Queued(0, 0, 0, 0)

linux = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux' /proc")


class Pairs:
    """Connections to one port: sockets of the server, and of clients."""

    def __init__(self, stack: contextlib.ExitStack, family: socket.AddressFamily) -> None:
        self._stack = stack
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        self.listening = stack.enter_context(socket.create_server((host, 0), family=family))
        self.port = self.listening.getsockname()[1]

    def connect(self) -> socket.socket:
        """A client that nobody has accepted."""
        return self._stack.enter_context(
            socket.create_connection(self.listening.getsockname()[:2], LIMIT_SECONDS)
        )

    def open(self) -> tuple[socket.socket, socket.socket]:
        """The server's end, and the client's."""
        client = self.connect()
        return self._stack.enter_context(self.listening.accept()[0]), client

    def settled(self, expected: Queued) -> Queued:
        """What waits once it is what is expected: an acknowledgment may come a little later."""
        return self.until(lambda queued: queued == expected)

    def until(self, condition: Callable[[Queued], bool]) -> Queued:
        """What waits once that holds, or much later."""
        end = time.monotonic() + LIMIT_SECONDS
        while True:
            queued = queued_bytes(self.port)
            assert queued is not None
            if condition(queued) or time.monotonic() > end:
                return queued
            time.sleep(0.01)


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def pairs(request: pytest.FixtureRequest) -> Iterator[Pairs]:
    with contextlib.ExitStack() as stack:
        try:
            pairs = Pairs(stack, request.param)
        except OSError:
            pytest.skip("this machine has no such addresses")
        yield pairs


@linux
def test_unread_bytes_of_all_connections_are_added_up(pairs: Pairs) -> None:
    first, second = pairs.open(), pairs.open()
    assert queued_bytes(pairs.port) == NOTHING
    first[1].sendall(b"x" * 1000)
    second[1].sendall(b"x" * 24)
    assert pairs.settled(Queued(1024, 0, 0, 0)) == Queued(1024, 0, 0, 0)
    first[0].sendall(b"x" * 300)
    second[0].sendall(b"x" * 7)
    assert pairs.settled(Queued(1024, 0, 307, 0)) == Queued(1024, 0, 307, 0)
    assert first[0].recv(600) == b"x" * 600
    assert second[1].recv(600) == b"x" * 7
    queued = pairs.settled(Queued(424, 0, 300, 0))
    assert queued == Queued(424, 0, 300, 0)
    assert (queued.inwards, queued.outwards) == (424, 300)


def fill(sock: socket.socket) -> int:
    """Send until nothing is taken for a moment; how much that was."""
    sock.setblocking(False)
    sent, quiet = 0, 0
    while quiet < 5:
        try:
            sent += sock.send(b"x" * 65_536)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.05)
    return sent


@linux
def test_what_the_sender_could_not_deliver_is_counted_at_its_end(pairs: Pairs) -> None:
    server, client = pairs.open()
    inwards = fill(client)
    queued = pairs.until(lambda queued: queued.inwards == inwards)
    assert queued.inwards == inwards
    assert min(queued.client_send, queued.server_receive) > 0
    assert queued.outwards == 0
    outwards = fill(server)
    queued = pairs.until(lambda queued: queued.outwards == outwards)
    assert (queued.inwards, queued.outwards) == (inwards, outwards)
    assert min(queued.server_send, queued.client_receive) > 0
    # The memory of all sockets is no less than what these hold, as exactly as the kernel counts.
    memory = socket_memory_bytes()
    assert memory is not None
    assert memory > inwards + outwards - MIB * (os.cpu_count() or 1)
    assert memory % mmap.PAGESIZE == 0


@linux
def test_connections_that_wait_to_be_accepted_are_no_bytes(pairs: Pairs) -> None:
    clients = [pairs.connect() for _ in range(3)]
    assert queued_bytes(pairs.port) == NOTHING
    clients[1].sendall(b"hello")
    assert pairs.settled(Queued(5, 0, 0, 0)) == Queued(5, 0, 0, 0)


@linux
def test_others_are_not_counted(pairs: Pairs) -> None:
    with contextlib.ExitStack() as stack:
        other = Pairs(stack, socket.AF_INET)
        server, client = other.open()
        server.sendall(b"x" * 100)
        client.sendall(b"x" * 200)
        assert other.settled(Queued(200, 0, 100, 0)) == Queued(200, 0, 100, 0)
        assert queued_bytes(pairs.port) == NOTHING
        # Nor is the port of a client that of a server, but for itself.
        port = client.getsockname()[1]
        assert queued_bytes(port) == Queued(100, 0, 200, 0)
    assert queued_bytes(pairs.port) == NOTHING


@linux
def test_a_port_that_nobody_uses() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        assert queued_bytes(sock.getsockname()[1]) == NOTHING


# A line of a listening socket, which has 3 connections that wait, and of both ends of one: as in
# Linux' Documentation/networking/proc_net_tcp.rst, numbers are hexadecimal.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:22B8 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 1 1 0 100
   1: 0100007F:22B8 0100007F:C350 01 00000010:00000200 00:00000000 00000000     0        0 2 1 0 20
   2: 0100007F:C350 0100007F:22B8 01 00003000:00040000 00:00000000 00000000     0        0 3 1 0 20
   3: 0100007F:C351 0100007F:22B9 01 00000001:00000001 00:00000000 00000000     0        0 4 1 0 20
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 0000000000000000FFFF00000100007F:22B8 0000000000000000FFFF00000100007F:C352 01 00000001:00000002 0
"""  # noqa: E501
SOCKSTAT = """\
sockets: used 200
TCP: inuse 14 orphan 0 tw 1 alloc 16 mem 5
UDP: inuse 0 mem 7
"""


@pytest.fixture
def proc(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Files of /proc, in place of the system's."""
    files: dict[str, str] = {}
    monkeypatch.setattr(kernel, "read_if_there", lambda path: files.get(str(path), ""))
    return files


def test_numbers_are_hexadecimal_and_both_files_count(proc: dict[str, str]) -> None:
    proc["/proc/net/tcp"] = TCP
    assert queued_bytes(8888) == Queued(0x200, 0x10, 0x40000, 0x3000)
    proc["/proc/net/tcp6"] = TCP6
    assert queued_bytes(8888) == Queued(0x202, 0x11, 0x40000, 0x3000)
    assert queued_bytes(0x22B9) == Queued(0, 0, 1, 1)
    assert queued_bytes(1) == NOTHING


def test_memory_is_in_pages(proc: dict[str, str]) -> None:
    proc["/proc/net/sockstat"] = SOCKSTAT
    assert socket_memory_bytes() == 5 * mmap.PAGESIZE


def test_a_system_that_tells_nothing(proc: dict[str, str]) -> None:
    assert queued_bytes(8888) is None
    assert socket_memory_bytes() is None

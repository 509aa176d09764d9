"""Sockets to listen on: what is taken, what is left alone, and what is cleaned up."""

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsbench.live.listen import address, inherited, listen_tcp, listen_unix

LIMIT_SECONDS = 10


@pytest.fixture
def short_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path for a socket; absolute ones may be too long for the system."""
    monkeypatch.chdir(tmp_path)
    return Path("ws.sock")


def is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True


def leave_behind(path: Path) -> None:
    """What is left of a server that was killed."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()


# TCP.


def test_a_free_port_is_found() -> None:
    with listen_tcp("127.0.0.1", 0) as first, listen_tcp("127.0.0.1", 0) as second:
        assert first.getsockname()[1] != second.getsockname()[1]
        with socket.create_connection(first.getsockname()) as client:
            accepted, peer = first.accept()
            with accepted:
                assert peer == client.getsockname()


def test_tcp_is_named() -> None:
    """Without that, asyncio leaves Nagle's algorithm on."""
    with listen_tcp("localhost", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP


def test_a_port_in_use_is_not_shared() -> None:
    with listen_tcp("127.0.0.1", 0) as sock:
        with pytest.raises(OSError, match="Address already in use"):
            listen_tcp(*sock.getsockname())


def test_a_port_is_free_once_its_server_is_gone() -> None:
    """Also while the system keeps connections that the server has closed first."""
    with listen_tcp("127.0.0.1", 0) as sock:
        place = sock.getsockname()
        client = socket.create_connection(place)
        accepted, _ = sock.accept()
        accepted.close()
        assert client.recv(1) == b""
        client.close()
    listen_tcp(*place).close()


@pytest.mark.parametrize(
    "host",
    ["no-such-host.invalid", "192.0.2.1", "", "a..b", ".", "x" * 70, "größe.invalid"],
)
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(OSError, match=r"\w"):
        listen_tcp(host, 0)


# Unix sockets.


def test_the_path_lasts_as_long_as_the_socket(short_path: Path) -> None:
    with listen_unix(str(short_path)):
        assert is_served(short_path)
    assert not short_path.exists()
    with pytest.raises(KeyError), listen_unix(str(short_path)):
        raise KeyError
    assert not short_path.exists()


def test_a_stale_socket_is_replaced(short_path: Path) -> None:
    leave_behind(short_path)
    with listen_unix(str(short_path)):
        assert is_served(short_path)


def test_a_link_to_a_stale_socket_is_replaced_and_not_what_it_leads_to(short_path: Path) -> None:
    stale = Path("stale.sock")
    leave_behind(stale)
    short_path.symlink_to(stale)
    with listen_unix(str(short_path)):
        assert is_served(short_path)
        assert not short_path.is_symlink()
    assert stale.is_socket()


def test_a_socket_in_use_is_left_alone(short_path: Path) -> None:
    with listen_unix(str(short_path)):
        with pytest.raises(OSError, match="another server is listening there"):
            with listen_unix(str(short_path)):
                pass
        assert is_served(short_path)


def test_a_socket_whose_server_is_too_busy_to_accept_is_in_use(short_path: Path) -> None:
    errors: list[OSError] = []

    def listen() -> None:
        try:
            with listen_unix(str(short_path)):
                pass
        except OSError as error:
            errors.append(error)

    with contextlib.ExitStack() as stack:
        with socket.socket(socket.AF_UNIX) as busy:
            busy.bind(str(short_path))
            busy.listen(0)
            code = 0
            while code == 0:
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                code = client.connect_ex(str(short_path))
            assert code == errno.EAGAIN
            thread = threading.Thread(target=listen, daemon=True)
            thread.start()
            thread.join(3)
            hangs = thread.is_alive()
        # Now that the other one is gone, it has to end.
        thread.join(LIMIT_SECONDS)
    assert not hangs
    assert "another server is listening there" in str(errors)


@pytest.mark.parametrize("kind", ["file", "directory", "link to a file", "broken link"])
def test_what_is_no_socket_is_left_alone(kind: str, short_path: Path) -> None:
    file = Path("file")
    if kind == "directory":
        short_path.mkdir()
    elif kind == "file":
        short_path.write_text("mine")
    else:
        if kind == "link to a file":
            file.write_text("mine")
        short_path.symlink_to(file)
    with pytest.raises(FileExistsError, match="exists, and is not a socket"):
        with listen_unix(str(short_path)):
            pass
    if kind == "directory":
        assert short_path.is_dir()
    elif kind == "broken link":
        assert short_path.is_symlink()
    else:
        assert short_path.read_text() == "mine"


def test_the_path_of_a_successor_is_left_alone(short_path: Path) -> None:
    with contextlib.ExitStack() as successor:
        with listen_unix(str(short_path)):
            # As an upgrade without a gap does it.
            successor.enter_context(listen_unix("next.sock"))
            Path("next.sock").rename(short_path)
        assert is_served(short_path)
    # It was renamed behind the successor's back, which looks at its own name alone.
    assert short_path.is_socket()


def test_a_path_that_somebody_removed_is_no_error(short_path: Path) -> None:
    with listen_unix(str(short_path)):
        short_path.unlink()
    assert not short_path.exists()


@pytest.mark.parametrize("path", ["", "no-such-folder/ws.sock", "x" * 200])
def test_a_path_that_is_none(path: str, short_path: Path) -> None:
    with pytest.raises(OSError, match=r"\w"):
        with listen_unix(path):
            pass
    assert list(Path().iterdir()) == []


# Inherited sockets.


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    """Closed after the test, which fails if one is not open any more."""
    opened: list[int] = []
    yield opened
    for descriptor in opened:
        os.close(descriptor)


def test_a_listening_socket_is_inherited(short_path: Path) -> None:
    with listen_tcp("127.0.0.1", 0) as sock:
        with inherited(os.dup(sock.fileno())) as same:
            assert same.getsockname() == sock.getsockname()
            assert same.proto == socket.IPPROTO_TCP
    with listen_unix(str(short_path)) as sock:
        with inherited(os.dup(sock.fileno())) as same:
            assert same.family == socket.AF_UNIX


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_does_not_listen(kind: socket.SocketKind, descriptors: list[int]) -> None:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        descriptors.append(os.dup(sock.fileno()))
    with pytest.raises(OSError, match="is not a listening socket"):
        inherited(descriptors[0])


def test_a_file_is_no_socket(tmp_path: Path, descriptors: list[int]) -> None:
    descriptors.append(os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR))
    with pytest.raises(OSError, match="non-socket"):
        inherited(descriptors[0])


def test_a_descriptor_that_is_not_open() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        inherited(10_000)


# What a user is told.


@pytest.mark.parametrize(("tls", "scheme"), [(False, "ws"), (True, "wss")])
def test_the_address_of_ip(tls: bool, scheme: str) -> None:
    with listen_tcp("127.0.0.1", 0) as sock:
        assert address(sock, tls=tls) == f"{scheme}://127.0.0.1:{sock.getsockname()[1]}/"


def test_the_address_of_ip_version_6() -> None:
    try:
        sock = listen_tcp("::1", 0)
    except OSError:
        pytest.skip("the system has no IPv6")
    with sock:
        assert address(sock, tls=False) == f"ws://[::1]:{sock.getsockname()[1]}/"


def test_the_address_of_unix(short_path: Path) -> None:
    with listen_unix(str(short_path)) as sock:
        assert address(sock, tls=False) == "unix:ws.sock"

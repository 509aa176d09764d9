"""The socket that a server listens on: TCP, Unix, or inherited from whoever started the server."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# As much as the system allows; it lowers the number to net.core.somaxconn.
BACKLOG = 65_535


def listen_tcp(host: str, port: int) -> socket.socket:
    """Listen on a host's address; port 0 takes a free one.

    Raises:
        OSError: if there is no such host, or the address cannot be had.
    """
    # asyncio, given a socket that does not name TCP, leaves Nagle's algorithm on, at 40 ms a
    # message; getaddrinfo, unlike socket.create_server, names it.
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "not a name of a host") from error
    sock = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


@contextmanager
def listen_unix(path: str) -> Iterator[socket.socket]:
    """Listen on a path, which is removed afterwards; a socket that nobody serves is replaced.

    Raises:
        OSError: if something else is there, or the path cannot be had.
    """
    if not path:
        raise FileNotFoundError(errno.ENOENT, "the path is empty", path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(sock):
        _remove_stale(path)
        sock.bind(path)
        own = Path(path).stat()
        sock.listen(BACKLOG)
        try:
            yield sock
        finally:
            # A successor may have taken the path over.
            with contextlib.suppress(OSError):
                if os.path.samestat(own, Path(path).stat()):
                    Path(path).unlink()


def _remove_stale(path: str) -> None:
    if not os.path.lexists(path):
        return
    if not Path(path).is_socket():
        raise FileExistsError(errno.EEXIST, "exists, and is not a socket", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A server that is slow to accept is there all the same.
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        except BlockingIOError:
            raise OSError(errno.EADDRINUSE, "another server is listening there", path) from None
        else:
            raise OSError(errno.EADDRINUSE, "another server is listening there", path)


def inherited(descriptor: int) -> socket.socket:
    """The listening socket that the starting process left open as a file descriptor.

    Raises:
        OSError: if it is none.
    """
    sock = socket.socket(fileno=descriptor)
    try:
        is_listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        sock.detach()
        raise
    if not is_listening:
        sock.detach()
        raise OSError(errno.EINVAL, "is not a listening socket")
    return sock


def address(sock: socket.socket, *, tls: bool) -> str:
    """Where clients find a listening socket: `ws://127.0.0.1:8765/`, `unix:/run/ws.sock`."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"{'wss' if tls else 'ws'}://{f'[{host}]' if ':' in host else host}:{port}/"

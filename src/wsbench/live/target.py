"""The server under measurement: starting and stopping it, its memory and its CPU time."""

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import psutil
from websockets.uri import WebSocketURI

from wsbench.errors import MeasurementError
from wsbench.live import keeper
from wsbench.live.child import PYTHON, Child
from wsbench.live.listen import listen_tcp
from wsbench.live.traced_server import Listener, Listening, Request
from wsbench.results import ResidentKind
from wsbench.settings import DeflateSettings, Implementation

_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
_CONNECT_SECONDS = 2.0
_POLL_SECONDS = 0.05
# Memory has settled when two readings this far apart differ by less than so many bytes.
_SETTLING_SECONDS = 0.1
_SETTLED_BYTES = 65_536
_MOST_SETTLING_SECONDS = 2.0


class Tls(NamedTuple):
    """The certificate and the private key of a server, as PEM files."""

    certificate: str
    key: str


class Resident(NamedTuple):
    """Physical memory: `uss`, what would be free if the processes ended, or `rss` if that is all
    that the system tells, which counts what they share with others in full.
    """

    bytes: int
    kind: ResidentKind


class Target:
    """A running server: a process and all its children.

    Raises:
        MeasurementError: by every reading, if the process has ended.
    """

    def __init__(self, pid: int, uri: WebSocketURI, keeper: Child | None = None) -> None:
        self.uri = uri
        self._keeper = keeper
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            raise MeasurementError(f"there is no process {pid}") from None

    def resident(self) -> Resident:
        """What its processes hold now, after it has stopped changing or two seconds."""
        deadline = time.monotonic() + _MOST_SETTLING_SECONDS
        before = self._resident()
        while True:
            time.sleep(_SETTLING_SECONDS)
            now = self._resident()
            settled = abs(now.bytes - before.bytes) < _SETTLED_BYTES
            if settled or time.monotonic() > deadline:
                return now
            before = now

    def cpu_seconds(self) -> float:
        """The processor time that its processes have used, in user and in system mode."""
        total = 0.0
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def descriptor_limit(self) -> int | None:
        """How many files and sockets the process may open, where the system tells."""
        try:
            soft, _ = self._process.rlimit(psutil.RLIMIT_NOFILE)
        except (psutil.Error, AttributeError, OSError):
            return None
        return soft if soft >= 0 else None

    def end(self) -> str | None:
        """How the server ended, if it did."""
        if self._is_running():
            return None
        if self._keeper is None:
            return "the server ended"
        ended = self._keeper.receive(keeper.Reply, _START_SECONDS)
        assert isinstance(ended, keeper.Ended)
        return _obituary(ended, self._keeper)

    def keeper_has_ended(self) -> bool:
        """Whether nobody will end the server when this process does."""
        return self._keeper is not None and self._keeper.has_ended()

    def kill(self) -> None:
        """End what is left of the server, if its keeper did not."""
        kill_family(self._process.pid)

    def _is_running(self) -> bool:
        try:
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def _family(self) -> list[psutil.Process]:
        if not self._is_running():
            raise MeasurementError(self.end() or "the server ended")
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self._process, *self._process.children(recursive=True)]
        raise MeasurementError("the server ended")

    def _resident(self) -> Resident:
        family = self._family()
        try:
            return Resident(sum(item.memory_full_info().uss for item in family), "uss")
        except psutil.NoSuchProcess:
            # A child ended between two looks.
            return self._resident()
        except (psutil.AccessDenied, AttributeError):
            return Resident(sum(item.memory_info().rss for item in family), "rss")


def kill_family(pid: int) -> None:
    """End a process and all its children at once, if there still are any."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@contextmanager
def own_server(
    settings: DeflateSettings | None, implementation: Implementation, tls: Tls | None
) -> Iterator[Target]:
    """`wsbench serve` with these settings on a free port of the loopback interface.

    Raises:
        MeasurementError: if it does not start.
    """
    sock = listen_tcp("127.0.0.1", 0)
    host, port = sock.getsockname()
    uri = WebSocketURI(tls is not None, host, port, "/", "")
    # The largest message of a corpus says nothing about what a connection holds.
    command = [
        *(*PYTHON, "-m", "wsbench", "serve", "--fd", str(sock.fileno())),
        *("--settings", str(settings or "off"), "--implementation", implementation),
        *("--max-size", "none", *(("--tls", *tls) if tls else ())),
    ]
    with Child("wsbench.live.keeper", "the server's keeper", pass_fds=[sock.fileno()]) as child:
        pid = _start(child, command, sock.fileno())
        # Once the server is gone, connecting has to fail.
        sock.close()
        with _kept(_target(pid, uri, child)) as target:
            yield target


@contextmanager
def command_server(command: Sequence[str], uri: WebSocketURI) -> Iterator[Target]:
    """The server that a command starts, once it accepts connections where `uri` says.

    Raises:
        MeasurementError: if something else listens there, or it does not accept any in time.
    """
    place = f"{uri.host}:{uri.port}"
    if _accepts(uri):
        raise MeasurementError(
            f"{place}: a server listens there already; stop it, or measure it with --pid"
        )
    with Child("wsbench.live.keeper", "the server's keeper") as child:
        with _kept(_target(_start(child, command, None), uri, child)) as target:
            deadline = time.monotonic() + _START_SECONDS
            while not _accepts(uri):
                if reason := target.end():
                    raise MeasurementError(reason)
                if time.monotonic() > deadline:
                    raise MeasurementError(
                        f"{command[0]}: accepts no connections at {place} after "
                        f"{_START_SECONDS:g} s"
                    )
                time.sleep(_POLL_SECONDS)
            yield target


@contextmanager
def running_server(pid: int, uri: WebSocketURI) -> Iterator[Target]:
    """A server that somebody else started, and that goes on afterwards.

    Raises:
        MeasurementError: if there is no such process, or it accepts no connections.
    """
    target = Target(pid, uri)
    if not _accepts(uri):
        raise MeasurementError(f"{uri.host}:{uri.port}: no server accepts connections there")
    yield target


@contextmanager
def _kept(target: Target) -> Iterator[Target]:
    """The target; when its keeper has been killed, nobody else ends it."""
    try:
        yield target
    finally:
        if target.keeper_has_ended():
            target.kill()


def _start(child: Child, command: Sequence[str], descriptor: int | None) -> int:
    child.tell(keeper.Start(list(command), descriptor, _STOP_SECONDS))
    reply = child.receive(keeper.Reply, _START_SECONDS)
    if isinstance(reply, keeper.Ended):
        raise MeasurementError(f"{command[0]}: {reply.reason}; name a command that can be run")
    assert isinstance(reply, keeper.Started)
    pid: int = reply.pid
    return pid


def _target(pid: int, uri: WebSocketURI, child: Child) -> Target:
    try:
        return Target(pid, uri, child)
    except MeasurementError:
        ended = child.receive(keeper.Reply, _START_SECONDS)
        assert isinstance(ended, keeper.Ended)
        raise MeasurementError(_obituary(ended, child)) from None


def _obituary(ended: keeper.Ended, child: Child) -> str:
    code = ended.code or 0
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    said = child.said()
    return f"the server ended ({how}){f': {said}' if said else ''}"


def _accepts(uri: WebSocketURI) -> bool:
    try:
        with socket.create_connection((uri.host, uri.port), _CONNECT_SECONDS):
            return True
    except OSError:
        return False


@contextmanager
def traced_server(
    settings: Sequence[DeflateSettings | None],
    implementation: Implementation = "asyncio",
    tls: Tls | None = None,
) -> Iterator[list[Listener]]:
    """A server process with tracing on, and its listeners, one for each settings in their order.

    It ends with the block, and also when this process dies.

    Raises:
        MeasurementError: if it does not start.
    """
    with Child("wsbench.live.traced_server", "the server to be measured") as child:
        child.tell(Request(list(settings), implementation, tls))
        yield child.receive(Listening, _START_SECONDS).listeners

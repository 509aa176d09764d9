"""The server under test, on asyncio or on threads; stops gracefully at the first signal."""

import asyncio
import contextlib
import errno
import http
import inspect
import logging
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import websockets.asyncio.server
import websockets.sync.server
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from wsbench.deflate import server_factory
from wsbench.live.application import Application, Session, page_name
from wsbench.live.listen import BACKLOG
from wsbench.settings import DeflateSettings, Implementation

# How soon a thread that waits for a message notices that the server stops.
_POLL_SECONDS = 2.0
_SHORTEST_POLL_SECONDS = 0.05
# How long a message takes from the thread that reads it to the one that answers it.
_HANDOVER_SECONDS = 0.02
# How soon a server that has run out of descriptors looks for one.
_RETRY_SECONDS = 0.1
# How soon a signal is noticed at the latest.
_LOOK_SECONDS = 0.5
# How long handshakes that are under way when the server stops may take to be refused with 503.
_REFUSAL_SECONDS = 0.5
_EXIT_AT_ONCE = 130

_AsyncioConnection = websockets.asyncio.server.ServerConnection
_SyncConnection = websockets.sync.server.ServerConnection


def serve(
    sock: socket.socket,
    application: Application,
    settings: DeflateSettings | None,
    *,
    implementation: Implementation = "asyncio",
    limits: Mapping[str, float | None] | None = None,
    tls: ssl.SSLContext | None = None,
    grace_seconds: float = 10.0,
    started: Callable[[], None] = lambda: None,
) -> int:
    """Serve connections on a listening socket until SIGTERM or SIGINT, then stop gracefully.

    Nothing more is accepted, every message that was received is answered, and connections are
    closed with 1001 (going away), for at most `grace_seconds`. A second signal ends the process at
    once. `limits` are arguments of websockets' `serve`: `max_size`, `max_queue`, `write_limit`,
    which threads do not have, and `ping_interval`; `tls` makes it wss://. `started` is called when
    signals are waited for. Returns the number of connections that had to be cut. To be called in
    the main thread.
    """
    server = (_AsyncioServer if implementation == "asyncio" else _SyncServer)(application)
    arguments = {
        "sock": sock,
        "ssl": tls,
        "compression": None,
        "extensions": [server_factory(settings)] if settings else None,
        "logger": _logger(),
        **(limits or {}),
    }
    return server.run(arguments, grace_seconds, started)


def _logger() -> logging.Logger:
    """Passes on what is wrong with the server, not what is wrong with its clients."""
    logger = logging.getLogger("wsbench.serve")
    logger.setLevel(logging.ERROR)
    logger.addFilter(_is_no_failed_handshake)
    return logger


def _is_no_failed_handshake(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("opening handshake failed")


def _end_at_once() -> None:
    os._exit(_EXIT_AT_ONCE)


class _AsyncioServer:
    """All connections in one thread, a task each."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._stopping = False
        self._open: dict[asyncio.Task[Any], _AsyncioConnection] = {}
        self._waiting: set[asyncio.Task[Any]] = set()

    def run(
        self, arguments: dict[str, Any], grace_seconds: float, started: Callable[[], None]
    ) -> int:
        return asyncio.run(self._run(arguments, grace_seconds, started))

    async def _run(
        self, arguments: dict[str, Any], grace_seconds: float, started: Callable[[], None]
    ) -> int:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()

        def at_signal() -> None:
            if stop.is_set():
                _end_at_once()
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, at_signal)
        server = await websockets.asyncio.server.serve(
            self._handle, process_request=self._process_request, **arguments
        )
        # asyncio has asked for a queue of 100, whatever the socket had.
        arguments["sock"].listen(BACKLOG)
        started()
        await stop.wait()
        server.close(close_connections=False)
        self._stopping = True
        # A task that waits for a message may have one by now that it has not seen: the task looks
        # once more when it is woken. All others notice when they have sent their answer.
        for task in self._waiting:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=grace_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(grace_seconds, _REFUSAL_SECONDS)):
                await server.wait_closed()
        cut = list(self._open.values())
        for connection in cut:
            connection.transport.abort()
        return len(cut)

    async def _handle(self, connection: _AsyncioConnection) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = connection
        try:
            with self._application.session() as session, contextlib.suppress(ConnectionClosed):
                await self._answer(connection, session, task)
                await self._answer_what_was_received(connection, session)
                # Unread, more than `max_queue` of them would keep the answer to the closing frame
                # from being read.
                discarding = asyncio.create_task(self._discard(connection))
                await connection.close(CloseCode.GOING_AWAY)
                await discarding
        finally:
            self._waiting.discard(task)
            del self._open[task]

    async def _answer(
        self, connection: _AsyncioConnection, session: Session, task: asyncio.Task[Any]
    ) -> None:
        """Answer messages until the server stops."""
        try:
            while not self._stopping:
                self._waiting.add(task)
                message = await connection.recv()
                self._waiting.discard(task)
                await connection.send(session.answer(message))
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            task.uncancel()

    async def _answer_what_was_received(
        self, connection: _AsyncioConnection, session: Session
    ) -> None:
        while True:
            try:
                # recv() returns a message that is there without waiting, hence before this ends.
                async with asyncio.timeout(0):
                    message = await connection.recv()
            except TimeoutError:
                return
            await connection.send(session.answer(message))

    async def _discard(self, connection: _AsyncioConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await connection.recv()

    async def _process_request(
        self, connection: _AsyncioConnection, request: Request
    ) -> Response | None:
        name = page_name(request.path)
        if name is None:
            return None
        # Reading its own memory takes a process with many connections milliseconds.
        return _response(connection, await asyncio.to_thread(self._application.page, name))


class _Patient:
    """A listening socket; where websockets would stop accepting for good, it tries again."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def accept(self) -> tuple[socket.socket, Any]:
        while True:
            try:
                return self._sock.accept()
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
            time.sleep(_RETRY_SECONDS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _SyncServer:
    """Every connection in a thread of its own."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._stopping = threading.Event()
        self._open: set[_SyncConnection] = set()
        self._poll_seconds = _POLL_SECONDS

    def run(
        self, arguments: dict[str, Any], grace_seconds: float, started: Callable[[], None]
    ) -> int:
        stop = threading.Event()
        self._poll_seconds = min(_POLL_SECONDS, max(_SHORTEST_POLL_SECONDS, grace_seconds / 4))

        def at_signal(*_: object) -> None:
            if stop.is_set():
                _end_at_once()
            stop.set()

        server = websockets.sync.server.serve(
            self._handle, process_request=self._process_request, **arguments
        )
        server.socket = cast(socket.socket, _Patient(server.socket))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, at_signal)
        started()
        # A signal that a thread takes while it starts another one wakes nobody; hence the looking.
        while not stop.wait(_LOOK_SECONDS):
            pass
        self._stopping.set()
        # websockets' own way waits for connections, and older releases cannot do without.
        waits = "close_connections" in inspect.signature(server.shutdown).parameters
        shutdown = (lambda: server.shutdown(close_connections=False)) if waits else server.shutdown
        closing = threading.Thread(target=shutdown, daemon=True)
        closing.start()
        deadline = time.monotonic() + grace_seconds
        while self._open and time.monotonic() < deadline:
            time.sleep(0.02)
        # Those whose handshake has just ended have to be told, too.
        closing.join(min(grace_seconds, _REFUSAL_SECONDS))
        return len(self._open)

    def _handle(self, connection: _SyncConnection) -> None:
        self._open.add(connection)
        try:
            with self._application.session() as session, contextlib.suppress(ConnectionClosed):
                while not self._stopping.is_set():
                    self._answer(connection, session, self._poll_seconds)
                # Twice, since what one read has brought is not handed over at once.
                for _ in range(2):
                    while self._answer(connection, session, 0):
                        pass
                    time.sleep(_HANDOVER_SECONDS)
                threading.Thread(target=self._discard, args=[connection], daemon=True).start()
                connection.close(CloseCode.GOING_AWAY)
        finally:
            self._open.discard(connection)

    def _answer(self, connection: _SyncConnection, session: Session, timeout: float) -> bool:
        try:
            message = connection.recv(timeout)
        except TimeoutError:
            return False
        connection.send(session.answer(message))
        return True

    def _discard(self, connection: _SyncConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                connection.recv()

    def _process_request(self, connection: _SyncConnection, request: Request) -> Response | None:
        name = page_name(request.path)
        return None if name is None else _response(connection, self._application.page(name))


def _response(connection: _AsyncioConnection | _SyncConnection, page: tuple[str, str]) -> Response:
    media_type, body = page
    response = connection.respond(http.HTTPStatus.OK, body)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = media_type
    return response

"""The server whose buffers are measured: it reads and sends as it is told, and tells what waits.

Run as `python -m wsbench.live.buffered_server` by `wsbench.live.pressure`: it reads a `Request`
from standard input, answers `Listening`, or `Refused` and ends, then reads one command after
another and answers each. It ends when standard input does, or, busy with a user's code, soon after
the process that started it.
"""

import asyncio
import contextlib
import gc
import importlib
import inspect
import itertools
import logging
import os
import socket
import ssl
import struct
import sys
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import websockets.asyncio.server
import websockets.sync.server
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from wsbench.buffers import Stopped
from wsbench.corpus.model import Message
from wsbench.deflate import endpoint, server_factory
from wsbench.live.listen import listen_tcp
from wsbench.settings import DeflateSettings, Implementation

_PLAN_BYTES = 1 << 30
_WEIGHED_FRAMES = 1000
_TURN_MESSAGES = 100
_POLL_SECONDS = 0.02
_PARENT_SECONDS = 1.0
_SAMPLE_SECONDS = 0.05
# Broadcasting a single message does not take so long, unless somebody is waited for.
_STUCK_SECONDS = 1.0
# What a client that reads may have waiting before broadcasting waits for it.
_FAST_BYTES = 65_536


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Which server: `limits` are arguments of websockets' `serve`, `tls` certificate and key, and
    `receive_buffer` is SO_RCVBUF of its sockets, unless the system chooses.

    The handler waits, and messages are read on command; or it echoes, and keeps `app_bytes` a
    connection; or it is a user's, `module:function`; or it `sends` the `messages`, once told to.
    With `traced`, allocations are traced.
    """

    settings: DeflateSettings | None
    implementation: Implementation
    tls: tuple[str, str] | None
    limits: dict[str, int | float | None]
    handler: str | None = None
    echoes: bool = False
    app_bytes: int = 0
    sends: bool = False
    messages: list[Message] = []
    receive_buffer: int | None = None
    traced: bool = False


class Listening(msgspec.Struct, frozen=True, tag=True):
    """Where it listens, and what a frame in the queue takes beside its payload."""

    port: int
    frame_bytes: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The request cannot be done."""

    reason: str


class Look(msgspec.Struct, frozen=True, tag=True):
    """Tell what waits; the peak of traced memory begins anew."""


class Forget(msgspec.Struct, frozen=True, tag=True):
    """Tell nothing more of the connections that there were."""


class Take(msgspec.Struct, frozen=True, tag=True):
    """Read so many messages on each connection; None: until the server reads on by itself."""

    messages: int | None


class Send(msgspec.Struct, frozen=True, tag=True):
    """Send on each connection, round and round, without end; answered at once."""


class Broadcast(msgspec.Struct, frozen=True, tag=True):
    """Broadcast, round and round, `rate` messages a second, or as fast as others read.

    The first `stuck` connections do not. It ends after so many seconds, when they have so many
    bytes waiting in all, or when none of them is open.
    """

    stuck: int
    rate: float | None
    seconds: float
    most_bytes: int


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A connection, in the order of their opening.

    Frames in the queue, bytes of an unfinished frame, bytes that a thread has read last and keeps,
    bytes of TLS that wait to be decrypted, bytes that wait to be sent and what the objects take
    that hold them; messages read and sent on command; whether reading has paused; the state that
    websockets gives it, why it gave up reading, and how long it was open if it is not.
    """

    frames: int
    reader_bytes: int
    kept_bytes: int
    undecrypted_bytes: int
    write_bytes: int
    write_allocated_bytes: int
    taken: int
    sent: int
    paused: bool
    state: str
    failure: str | None
    open_seconds: float | None


class Sight(msgspec.Struct, frozen=True, tag=True):
    """All connections; traced memory now, and at most since the last look."""

    connections: list[Seen]
    traced_bytes: int | None
    traced_peak_bytes: int | None


class Done(msgspec.Struct, frozen=True, tag=True):
    """A command is done, or under way."""


class Sample(msgspec.Struct, frozen=True):
    """Seconds from the beginning, messages broadcast, bytes that wait for all that are stuck."""

    seconds: float
    messages: int
    stuck_bytes: int


class Grown(msgspec.Struct, frozen=True, tag=True):
    """Broadcasting ended; `stopped` says why, as in `wsbench.buffers.Broadcast`."""

    samples: list[Sample]
    fast_bytes: int
    stopped: Stopped


Command = Look | Forget | Take | Send | Broadcast
Reply = Listening | Refused | Sight | Done | Grown

_Connection = Any  # of asyncio or of threads, which have no common base
_Event = Any


class _Held:
    """What is known of a connection beside itself."""

    def __init__(self, connection: _Connection, may_send: _Event) -> None:
        self.connection = connection
        self.may_send = may_send
        self.opened_seconds = time.monotonic()
        self.open_seconds: float | None = None
        self.taken = 0
        self.sent = 0

    def ended(self) -> None:
        """The connection is closed."""
        self.open_seconds = time.monotonic() - self.opened_seconds

    def watch_resuming(self) -> Callable[[], bool]:
        """Whether the server has read on since this call, if only to pause again."""
        assembler = self.connection.recv_messages
        resume, has_resumed = assembler.resume, threading.Event()

        def resume_and_tell() -> None:
            has_resumed.set()
            assembler.resume = resume
            resume()

        assembler.resume = resume_and_tell
        return has_resumed.is_set

    def seen(self) -> Seen:
        """How it is."""
        connection = self.connection
        frames, failure = connection.recv_messages.frames, connection.protocol.parser_exc
        transport = getattr(connection, "transport", None)
        tls = getattr(transport, "_ssl_protocol", None)
        below = getattr(tls, "_transport", None)
        writes = transport.get_write_buffer_size() if transport else 0
        if below is not None:
            writes += below.get_write_buffer_size()
        return Seen(
            frames=frames.qsize() if hasattr(frames, "qsize") else len(frames),
            reader_bytes=len(connection.protocol.reader.buffer),
            kept_bytes=_kept_by_thread(connection),
            undecrypted_bytes=getattr(getattr(tls, "_incoming", None), "pending", 0),
            write_bytes=writes,
            write_allocated_bytes=_write_allocated(below or transport),
            taken=self.taken,
            sent=self.sent,
            paused=connection.recv_messages.paused,
            state=connection.protocol.state.name,
            failure=None if failure is None else str(failure),
            open_seconds=self.open_seconds,
        )


def _kept_by_thread(connection: _Connection) -> int:
    """What a connection's thread has read and parsed, and keeps until it reads again."""
    thread = getattr(connection, "recv_events_thread", None)
    frame = sys._current_frames().get(thread.ident) if thread is not None else None
    while frame is not None:
        if frame.f_code.co_name == "recv_events":
            data = frame.f_locals.get("data")
            return len(data) if isinstance(data, bytes) else 0
        frame = frame.f_back
    return 0


def _write_allocated(transport: Any) -> int:
    """What asyncio's buffer of what is to be sent takes: a bytearray, or pieces from 3.12 on."""
    buffer = getattr(transport, "_buffer", None)
    if buffer is None:
        return 0
    if isinstance(buffer, bytearray):
        return sys.getsizeof(buffer)
    return sys.getsizeof(buffer) + sum(
        sys.getsizeof(piece) + (sys.getsizeof(piece.obj) if isinstance(piece, memoryview) else 0)
        for piece in buffer
    )


def _sight(held: list[_Held]) -> Sight:
    traced = peak = None
    if tracemalloc.is_tracing():
        # The garbage of handshakes, in reference cycles, is no buffer.
        gc.collect()
        traced, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
    return Sight([item.seen() for item in held], traced, peak)


def _frame_bytes(settings: DeflateSettings | None, implementation: Implementation) -> int:
    """What a frame takes as websockets' parser makes it, beside its payload.

    A thread also keeps the list of those that it has read last.
    """
    extensions = [endpoint(settings.one_way("client"))] if settings else []
    protocol = ServerProtocol(state=State.OPEN)
    protocol.extensions = [endpoint(settings)] if settings else []
    item = Frame(Opcode.BINARY, b"x")
    wire = b"".join(
        item.serialize(mask=True, extensions=extensions) for _ in range(_WEIGHED_FRAMES + 1)
    )
    first = len(wire) // (_WEIGHED_FRAMES + 1)
    protocol.receive_data(wire[:first])
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    protocol.receive_data(wire[first:])
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    listed = struct.calcsize("P") if implementation == "sync" else 0
    return round((after - before) / _WEIGHED_FRAMES) - 1 + listed


class _AsyncioServer:
    """All connections in one thread, a task each."""

    def __init__(self, request: Request, handler: Any) -> None:
        self._request = request
        self._handler = handler
        self._messages = [_data(message) for message in request.messages]
        self._held: list[_Held] = []

    def run(self, arguments: dict[str, Any], started: Callable[[], None]) -> None:
        asyncio.run(self._run(arguments, started))

    async def _run(self, arguments: dict[str, Any], started: Callable[[], None]) -> None:
        reader = asyncio.StreamReader(limit=_PLAN_BYTES)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
        )
        decoder = msgspec.json.Decoder(Command)
        self._server = await websockets.asyncio.server.serve(self._handle, **arguments)
        started()
        with _the_end():
            while line := await reader.readline():
                _answer(await self._do(decoder.decode(line)))

    async def _do(self, command: Command) -> Reply:
        match command:
            case Look():
                return _sight(self._held)
            case Forget():
                # Those that wait to send find out that they are closed.
                self._let_send()
                self._held.clear()
            case Take():
                await asyncio.gather(*(self._take(held, command.messages) for held in self._held))
            case Send():
                self._let_send()
            case Broadcast():
                return await self._broadcast(command)
        return Done()

    async def _handle(self, connection: _Connection) -> None:
        held = _Held(connection, asyncio.Event())
        self._held.append(held)
        try:
            if self._handler is not None:
                await self._handler(connection)
            elif self._request.echoes:
                kept = _kept(self._request.app_bytes)
                async for message in connection:
                    await connection.send(message)
                del kept
            elif self._request.sends:
                await held.may_send.wait()
                await self._send(held)
            else:
                await connection.wait_closed()
        except ConnectionClosed:
            pass
        finally:
            held.ended()

    def _let_send(self) -> None:
        for held in self._held:
            held.may_send.set()

    async def _take(self, held: _Held, messages: int | None) -> None:
        with contextlib.suppress(ConnectionClosed):
            if messages is None:
                has_resumed = held.watch_resuming()
                while held.connection.recv_messages.paused and not has_resumed():
                    await held.connection.recv()
                    held.taken += 1
            for _ in range(messages or 0):
                await held.connection.recv()
                held.taken += 1

    async def _send(self, held: _Held) -> None:
        while True:
            await held.connection.send(self._messages[held.sent % len(self._messages)])
            held.sent += 1
            # Sending what there is room for does not let others have their turn.
            if held.sent % _TURN_MESSAGES == 0:
                await asyncio.sleep(0)

    async def _broadcast(self, command: Broadcast) -> Grown:
        connections = [held.connection for held in self._held]
        stuck, fast = connections[: command.stuck], connections[command.stuck :]
        begin = time.monotonic()
        samples = [Sample(0.0, 0, 0)]
        stopped: Stopped = "seconds"
        for count, message in enumerate(itertools.cycle(self._messages), 1):
            websockets.asyncio.server.broadcast(connections, message)
            await asyncio.sleep(0)
            while any(item.transport.get_write_buffer_size() > _FAST_BYTES for item in fast):
                await asyncio.sleep(0.001)
            if command.rate is not None:
                due_seconds = min(count / command.rate, command.seconds)
                await asyncio.sleep(max(0.0, begin + due_seconds - time.monotonic()))
            seconds = time.monotonic() - begin
            if seconds < samples[-1].seconds + _SAMPLE_SECONDS and seconds < command.seconds:
                continue
            stuck_bytes = sum(item.transport.get_write_buffer_size() for item in stuck)
            samples.append(Sample(seconds, count, stuck_bytes))
            if all(item.protocol.state is not State.OPEN for item in stuck):
                stopped = "closed"
            elif stuck_bytes >= command.most_bytes:
                stopped = "bytes"
            elif seconds < command.seconds:
                continue
            break
        fast_bytes = sum(item.transport.get_write_buffer_size() for item in fast)
        return Grown(samples, fast_bytes, stopped)


class _SyncServer:
    """Every connection in a thread of its own."""

    def __init__(self, request: Request, handler: Any) -> None:
        self._request = request
        self._handler = handler
        self._messages = [_data(message) for message in request.messages]
        self._held: list[_Held] = []

    def run(self, arguments: dict[str, Any], started: Callable[[], None]) -> None:
        server = websockets.sync.server.serve(self._handle, **arguments)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started()
        decoder = msgspec.json.Decoder(Command)
        with _the_end():
            while line := sys.stdin.buffer.readline():
                _answer(self._do(decoder.decode(line)))

    def _do(self, command: Command) -> Reply:
        match command:
            case Look():
                return _sight(self._held)
            case Forget():
                # Those that wait to send find out that they are closed.
                self._let_send()
                self._held.clear()
            case Take():
                for held in self._held:
                    self._take(held, command.messages)
            case Send():
                self._let_send()
            case Broadcast():
                return self._broadcast(command)
        return Done()

    def _handle(self, connection: _Connection) -> None:
        held = _Held(connection, threading.Event())
        self._held.append(held)
        try:
            if self._handler is not None:
                self._handler(connection)
            elif self._request.echoes:
                kept = _kept(self._request.app_bytes)
                for message in connection:
                    connection.send(message)
                del kept
            elif self._request.sends:
                held.may_send.wait()
                self._send(held)
            else:
                while connection.protocol.state is not State.CLOSED:
                    time.sleep(_POLL_SECONDS)
        except ConnectionClosed:
            pass
        finally:
            held.ended()

    def _let_send(self) -> None:
        for held in self._held:
            held.may_send.set()

    def _take(self, held: _Held, messages: int | None) -> None:
        with contextlib.suppress(ConnectionClosed):
            if messages is None:
                has_resumed = held.watch_resuming()
                while held.connection.recv_messages.paused and not has_resumed():
                    held.connection.recv()
                    held.taken += 1
            for _ in range(messages or 0):
                held.connection.recv()
                held.taken += 1

    def _send(self, held: _Held) -> None:
        while True:
            held.connection.send(self._messages[held.sent % len(self._messages)])
            held.sent += 1

    def _broadcast(self, command: Broadcast) -> Grown:
        """Broadcast in a thread of its own, since it waits for those that are stuck."""
        connections = [held.connection for held in self._held]
        count = 0
        busy_since: float | None = None

        def broadcast() -> None:
            nonlocal count, busy_since
            for message in itertools.cycle(self._messages):
                busy_since = time.monotonic()
                websockets.sync.server.broadcast(connections, message)
                busy_since = None
                count += 1
                if command.rate is not None:
                    time.sleep(max(0.0, begin + count / command.rate - time.monotonic()))

        begin = time.monotonic()
        samples = [Sample(0.0, 0, 0)]
        threading.Thread(target=broadcast, daemon=True).start()
        stopped: Stopped = "seconds"
        while (seconds := time.monotonic() - begin) < command.seconds:
            time.sleep(_SAMPLE_SECONDS)
            samples.append(Sample(seconds, count, 0))
            began = busy_since
            if began is not None and time.monotonic() - began > _STUCK_SECONDS:
                stopped = "stuck"
                break
        return Grown(samples, 0, stopped)


def _end_with(parent: int) -> None:
    """End the process when that one has ended, whatever a user's module or handler is doing."""
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(1)


@contextlib.contextmanager
def _the_end() -> Iterator[None]:
    """End the process after the block, however that ends: stuck connections would keep it."""
    try:
        yield
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _kept(size_bytes: int) -> bytearray:
    # Written to, so that it is resident.
    return bytearray(b"\1") * size_bytes


def _data(message: Message) -> str | bytes:
    return message.data.decode() if message.text else message.data


def _load(name: str, implementation: Implementation) -> Any:
    """The function that a user names as module:function; ValueError says why there is none."""
    module, _, function = name.partition(":")
    # Where the user is, which -P leaves out; last, so that nothing of it hides what is installed.
    sys.path.append(os.getcwd())  # noqa: PTH109
    try:
        handler: Any = importlib.import_module(module)
        for part in function.split("."):
            handler = getattr(handler, part)
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    is_task = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004
    )
    if not callable(handler) or is_task != (implementation == "asyncio"):
        wanted = "async def" if implementation == "asyncio" else "def"
        raise ValueError(f"it is no function that {implementation} can run; write {wanted}")
    return handler


_output = sys.stdout.buffer


def _answer(reply: Reply) -> None:
    _output.write(msgspec.json.encode(reply) + b"\n")
    _output.flush()


def _main() -> None:
    global _output
    # A user's handler may print; this conversation is none of its business.
    _output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    if request.handler is None:
        # Clients that are cut are no news; what a user's handler raises is.
        logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    handler = None
    if request.handler is not None:
        threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
        try:
            handler = _load(request.handler, request.implementation)
        except ValueError as error:
            _answer(Refused(str(error)))
            return
    context = None
    if request.tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*request.tls)
    frame_bytes = _frame_bytes(request.settings, request.implementation)
    sock = listen_tcp("127.0.0.1", 0)
    if request.receive_buffer is not None:
        # What is accepted inherits it.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, request.receive_buffer)
    arguments = {
        "sock": sock,
        "ssl": context,
        "compression": None,
        "extensions": [server_factory(request.settings)] if request.settings else None,
        **request.limits,
    }
    port = sock.getsockname()[1]
    server = (_AsyncioServer if request.implementation == "asyncio" else _SyncServer)(
        request, handler
    )
    # What is alive by now stays: collections need not look at it again.
    gc.collect()
    gc.freeze()
    if request.traced:
        tracemalloc.start()
    server.run(arguments, lambda: _answer(Listening(port, frame_bytes)))


if __name__ == "__main__":
    _main()

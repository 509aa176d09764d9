"""Many clients in one process, which open connections and play messages as they are told.

Run as `python -m wsbench.live.clients` by `wsbench.live.swarm`: it reads a `Plan` from standard
input, then one command after another, and answers each with `Done`, or with `Failed` and its end;
`Progress` comes in between. It ends when standard input does.

Clients must cost less than the server, or they are what is measured. So what they send is
compressed once for all that send the same, and of what they receive, each frame is parsed, but only
a few connections are decompressed.
"""

import array
import asyncio
import contextlib
import gc
import itertools
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from websockets.client import ClientProtocol
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from wsbench.corpus.model import Message
from wsbench.deflate import frame, offer_factories, zlib_settings
from wsbench.live.remote import client_tls
from wsbench.machine import raise_descriptor_limit
from wsbench.settings import Offer

# How many handshakes are under way at a time, within what servers queue (128 is usual).
_OPENING = 64
_PROGRESS_SECONDS = 0.1
_LEAVE_SECONDS = 5.0
_BUFFER_BYTES = 1 << 16
_PLAN_BYTES = 1 << 30
# From Linux's <netinet/in.h>: take the port when connecting, so that several destinations can
# share it, instead of when binding.
_IP_BIND_ADDRESS_NO_PORT = 24


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What clients connect to and how, and what they send.

    They connect to `uri`, from the addresses `sources` in turn (empty: the system chooses). There
    are `scripts` sequences of messages, spread over the streams; client `number` plays one of them,
    and this process has the numbers `first`, `first` + `step`, and so on. With `echo`, answers are
    compared with what was sent.
    """

    uri: WebSocketURI
    ca: str | None
    verify: bool
    sources: list[str]
    offer: Offer
    streams: list[list[Message]]
    scripts: int
    first: int
    step: int
    echo: bool
    in_flight: int
    timeout_seconds: float


class Open(msgspec.Struct, frozen=True, tag=True):
    """Open a group of connections."""

    connections: int


class Play(msgspec.Struct, frozen=True, tag=True):
    """Send `messages` messages on each connection of the groups, in turn, from message `start` of
    their scripts on, each after the answer to the one before. `timed`: note the round trips.
    """

    groups: list[int]
    start: int
    messages: int
    timed: bool


class Leave(msgspec.Struct, frozen=True, tag=True):
    """Close all connections properly, and forget their groups."""


class Progress(msgspec.Struct, frozen=True, tag=True):
    """How many connections were opened, or messages answered, since the last line."""

    count: int


class Done(msgspec.Struct, frozen=True, tag=True):
    """A command is done. `negotiated` is the server's `Sec-WebSocket-Extensions`, empty if none."""

    negotiated: str
    round_trips_ns: list[int]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The server did not do what was expected of it."""

    reason: str


Command = Open | Play | Leave
Reply = Progress | Done | Failed


class _Failed(Exception):  # noqa: N818
    """A command cannot be done; the text is the reason."""


class Uninflated(Extension):
    """Takes compressed messages for what they are, instead of decompressing them."""

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        if frame.rsv1 and frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            return Frame(frame.opcode, frame.data, frame.fin)
        return frame

    def encode(self, frame: Frame) -> Frame:
        # Only pongs and closings go this way, and they are never compressed.
        return frame


class _Script:
    """The frames that some connections send, made when the first of them needs one."""

    def __init__(self, messages: list[Message], offset: int) -> None:
        self._messages = messages
        self._offset = offset
        self._position = -1
        self._frame = b""
        self._extension: PerMessageDeflate | None = None

    def message(self, position: int) -> Message:
        """What is sent at a position of the script; it goes round and round."""
        return self._messages[(self._offset + position) % len(self._messages)]

    def frame(self, position: int, negotiated: PerMessageDeflate | None, offer: Offer) -> bytes:
        """The message, compressed after all before it, as bytes to be sent."""
        if position < self._position or self._position < 0:
            self._position = -1
            self._extension = negotiated and PerMessageDeflate(
                remote_no_context_takeover=negotiated.remote_no_context_takeover,
                local_no_context_takeover=negotiated.local_no_context_takeover,
                remote_max_window_bits=negotiated.remote_max_window_bits,
                local_max_window_bits=negotiated.local_max_window_bits,
                compress_settings=zlib_settings(offer),
            )
        while self._position < position:
            self._position += 1
            # One mask serves all connections that send this: they check nothing but its presence.
            self._frame = frame(self.message(self._position)).serialize(
                mask=True, extensions=[self._extension] if self._extension else []
            )
        return self._frame


class _Connection(asyncio.BufferedProtocol):
    """A client connection."""

    def __init__(self, clients: "_Clients", number: int, witness: bool) -> None:
        self._clients = clients
        self._witness = witness
        self._parts: list[bytes] = []
        self._opcode = Opcode.TEXT
        self._protocol = ClientProtocol(
            clients.plan.uri, extensions=offer_factories(clients.plan.offer), max_size=None
        )
        self.number = number
        self.sent_ns = 0
        self.expected: Message | None = None
        self.leaving = False
        self.opened = asyncio.get_running_loop().create_future()
        self.lost = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._protocol.send_request(self._protocol.connect())
        self._write()

    def get_buffer(self, _size_hint: int) -> memoryview:
        # Emptied before anyone else is asked to fill it.
        return self._clients.buffer

    def buffer_updated(self, size_bytes: int) -> None:
        self._protocol.receive_data(bytes(self._clients.buffer[:size_bytes]))
        self._handle_events()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._handle_events()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        self._ended(
            f"the connection was lost ({_reason(error)})" if error else "the connection was lost"
        )

    def leave(self) -> None:
        """Begin the closing handshake."""
        self.leaving = True
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._write()

    def _handle_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._handshaken(event)
            elif isinstance(event, Frame) and event.opcode in (
                Opcode.TEXT,
                Opcode.BINARY,
                Opcode.CONT,
            ):
                self._message(event)
        self._write()
        if self._protocol.handshake_exc is not None:
            self._ended(_reason(self._protocol.handshake_exc))
        elif self._protocol.parser_exc is not None:
            self._ended(f"the server broke the protocol: {_reason(self._protocol.parser_exc)}")
        elif self.opened.done() and self._protocol.state is not State.OPEN:
            closing = self._protocol.close_rcvd
            self._ended(
                f"the server closed it with {closing.code} {closing.reason}".rstrip()
                if closing
                else "the connection was lost"
            )

    def _handshaken(self, response: Response) -> None:
        if self._protocol.handshake_exc is not None or self._protocol.state is not State.OPEN:
            return
        header = ", ".join(response.headers.get_all("Sec-WebSocket-Extensions"))
        self._clients.negotiated(header, self._protocol.extensions)
        if self._protocol.extensions and not self._witness:
            self._protocol.extensions = [Uninflated()]
        if not self.opened.done():
            self.opened.set_result(None)

    def _message(self, event: Frame) -> None:
        if self._witness:
            if event.opcode is not Opcode.CONT:
                self._opcode = event.opcode
            self._parts.append(bytes(event.data))
        if not event.fin:
            return
        data = b"".join(self._parts)
        self._parts.clear()
        if not self.sent_ns:
            # Nobody asked; some servers greet.
            return
        if self._witness and self._clients.plan.echo and self.expected is not None:
            if (data, self._opcode is Opcode.TEXT) != (self.expected.data, self.expected.text):
                self._clients.fail(f"{self._clients.name(self)}: the server did not echo a message")
        self._clients.answered(self)

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.transport.write(data)
            elif self.transport.can_write_eof():
                self.transport.write_eof()
            else:
                self.transport.close()

    def _ended(self, reason: str) -> None:
        if not self.leaving:
            self.leaving = True
            self._clients.fail(f"{self._clients.name(self)}: {reason}")


def _reason(error: BaseException) -> str:
    cause = f" ({error.__cause__})" if error.__cause__ and str(error.__cause__) else ""
    return f"{str(error) or type(error).__name__}{cause}"


class _Clients:
    """All connections of this process."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._scripts = [_script(plan, number) for number in range(plan.scripts)]
        self._groups: list[list[_Connection]] = []
        self._header: str | None = None
        self._extension: PerMessageDeflate | None = None
        self._tls = client_tls(plan.ca, verify=plan.verify) if plan.uri.secure else None
        self._failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reported = 0
        self._count = 0
        self._timed = False
        self._round_trips_ns = array.array("q")
        self._turns: Iterator[tuple[_Connection, bytes, Message]] = iter(())
        self._turn: tuple[_Connection, bytes, Message] | None = None
        self._free = 0
        self._waiting: set[_Connection] = set()
        self._all_answered: asyncio.Future[None] | None = None

    def name(self, connection: _Connection) -> str:
        """What a connection is called in errors."""
        return f"connection {connection.number + 1:,}"

    def fail(self, reason: str) -> None:
        """Something happened that ends it all; the first reason counts."""
        if not self._failure.done():
            self._failure.set_result(reason)

    def negotiated(self, header: str, extensions: Any) -> None:
        """A connection was opened, and this was negotiated on it."""
        if self._header is None:
            self._header = header
            self._extension = next(
                (item for item in extensions if isinstance(item, PerMessageDeflate)), None
            )
        elif header != self._header:
            self.fail(f"the server negotiated {self._header!r} first and {header!r} later")

    async def run(self, command: Command, is_abandoned: Callable[[], bool]) -> Reply:
        """Do what is commanded, reporting progress, until it is done or nobody waits for it."""
        self._count = self._reported = 0
        work = asyncio.create_task(self._run(command))
        try:
            while not work.done() and not self._failure.done():
                if is_abandoned():
                    return Failed("nobody waits for it")
                waiting_for: set[asyncio.Future[Any]] = {work, self._failure}
                await asyncio.wait(
                    waiting_for, timeout=_PROGRESS_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                self._check_patience()
                if self._count > self._reported:
                    _answer(Progress(self._count - self._reported))
                    self._reported = self._count
            if self._failure.done():
                return Failed(self._failure.result())
            work.result()
        except _Failed as failure:
            return Failed(str(failure))
        finally:
            work.cancel()
        return Done(self._header or "", self._round_trips_ns.tolist())

    async def _run(self, command: Command) -> None:
        self._round_trips_ns = array.array("q")
        match command:
            case Open():
                await self._open(command.connections)
            case Play():
                await self._play(command)
            case Leave():
                await self._leave()

    async def _open(self, count: int) -> None:
        first = sum(map(len, self._groups))
        numbers = iter(range(first, first + count))
        group: list[_Connection] = []
        self._groups.append(group)
        place = await self._place()

        async def open_some() -> None:
            for index in numbers:
                group.append(await self._open_one(index, place))
                self._count += 1

        await asyncio.gather(*(open_some() for _ in range(min(count, _OPENING))))
        group.sort(key=lambda connection: connection.number)

    async def _place(self) -> tuple[Any, ...]:
        """What socket.socket needs to know of the server, its address last.

        A name may have several addresses, of which the server may listen at one.
        """
        uri = self.plan.uri
        try:
            places = await asyncio.get_running_loop().getaddrinfo(
                uri.host, uri.port, type=socket.SOCK_STREAM
            )
        except OSError as error:
            raise _Failed(f"{uri.host}: {error.strerror}") from None
        for place in places[:-1]:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(self.plan.timeout_seconds):
                    (await _connected(self.plan, place, self.plan.first)).close()
                return place
        return places[-1]

    async def _open_one(self, index: int, place: tuple[Any, ...]) -> _Connection:
        plan = self.plan
        number = plan.first + index * plan.step
        connection = _Connection(self, number, witness=index < plan.scripts)
        try:
            async with asyncio.timeout(plan.timeout_seconds):
                sock = await _connected(plan, place, number)
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=self._tls,
                    server_hostname=plan.uri.host if self._tls else None,
                )
                await connection.opened
        except TimeoutError:
            raise _Failed(
                f"{self.name(connection)}: it was not open within {plan.timeout_seconds:g} s"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise _Failed(
                f"the certificate is not trusted: {error.verify_message}; pass --ca FILE, or "
                "--insecure"
            ) from None
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise _Failed(f"{self.name(connection)}: {reason}") from None
        return connection

    async def _play(self, play: Play) -> None:
        connections = [item for group in play.groups for item in self._groups[group]]
        self._timed = play.timed
        self._turns = self._turns_of(connections, play)
        self._free = min(self.plan.in_flight, len(connections))
        self._all_answered = asyncio.get_running_loop().create_future()
        self._send()
        await self._all_answered

    def _turns_of(
        self, connections: list[_Connection], play: Play
    ) -> Iterator[tuple[_Connection, bytes, Message]]:
        for position in range(play.start, play.start + play.messages):
            for connection in connections:
                script = self._scripts[connection.number % self.plan.scripts]
                data = script.frame(position, self._extension, self.plan.offer)
                yield connection, data, script.message(position)

    def _send(self) -> None:
        """Send what is next, as far as it may be in flight and its connection is not waiting."""
        while self._free:
            if self._turn is None:
                self._turn = next(self._turns, None)
            if self._turn is None:
                if not self._waiting and self._all_answered and not self._all_answered.done():
                    self._all_answered.set_result(None)
                return
            connection, data, message = self._turn
            if connection.sent_ns:
                return
            self._turn = None
            self._free -= 1
            self._waiting.add(connection)
            connection.expected = message
            connection.sent_ns = time.perf_counter_ns()
            connection.transport.write(data)

    def answered(self, connection: _Connection) -> None:
        """A message was answered."""
        if self._timed:
            self._round_trips_ns.append(time.perf_counter_ns() - connection.sent_ns)
        connection.sent_ns = 0
        self._waiting.discard(connection)
        self._free += 1
        self._count += 1
        self._send()

    def _check_patience(self) -> None:
        patience_ns = self.plan.timeout_seconds * 1e9
        now_ns = time.perf_counter_ns()
        for connection in self._waiting:
            if now_ns - connection.sent_ns > patience_ns:
                self.fail(
                    f"{self.name(connection)}: no answer within {self.plan.timeout_seconds:g} s; "
                    "the server has to answer every message with one message"
                )

    async def _leave(self) -> None:
        connections = list(itertools.chain.from_iterable(self._groups))
        for connection in connections:
            connection.leave()
        if connections:
            await asyncio.wait([item.lost for item in connections], timeout=_LEAVE_SECONDS)
        for connection in connections:
            connection.transport.abort()
        self._groups.clear()


def _script(plan: Plan, number: int) -> _Script:
    """The script with a number: streams in turn, and of each, places that are spread evenly."""
    messages = plan.streams[number % len(plan.streams)]
    places = -(-plan.scripts // len(plan.streams))
    return _Script(messages, number // len(plan.streams) * len(messages) // places)


async def _connected(plan: Plan, place: tuple[Any, ...], number: int) -> socket.socket:
    family, kind, protocol, _, address = place
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if plan.sources:
            if sys.platform == "linux":
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((plan.sources[number % len(plan.sources)], 0))
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _answer(reply: Reply) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.flush()


async def _main() -> None:
    reader = asyncio.StreamReader(limit=_PLAN_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    clients = _Clients(msgspec.json.decode(await reader.readline(), type=Plan))
    decoder = msgspec.json.Decoder(Command)
    while line := await reader.readline():
        reply = await clients.run(decoder.decode(line), reader.at_eof)
        _answer(reply)
        if isinstance(reply, Failed):
            return


if __name__ == "__main__":
    raise_descriptor_limit()
    # Connections live to the end; looking for garbage among thousands of them only disturbs.
    gc.disable()
    asyncio.run(_main())

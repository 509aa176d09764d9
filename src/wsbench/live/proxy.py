"""A proxy that passes WebSocket connections on to a server, frame by frame, and records messages.

Both ends negotiate compression on their own; all else is passed on as it is: paths, headers,
subprotocols, fragments, pings and pongs, close codes, and rejected handshakes. What is no WebSocket
request is passed on too, so that a page that opens connections to where it came from can be used.
"""

import asyncio
import contextlib
import http
import re
import ssl
from collections.abc import Callable
from typing import NamedTuple

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidState, InvalidStatus, ProtocolError
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.headers import build_host, parse_subprotocol
from websockets.http11 import Request, Response
from websockets.protocol import Protocol
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from wsbench.live.recorder import Recorder
from wsbench.settings import REFERENCE, Direction

_READ_BYTES = 2**16
# How long the head of a request may be.
HEAD_BYTES = 2**16
_OPEN_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
# How long what one end sent before it went away may take to reach the other.
_LINGER_SECONDS = 60.0
_DEFLATE = {"memLevel": REFERENCE.memory_level}
# Headers that concern one connection only, or that either end of the proxy makes itself.
_OWN_HEADERS = frozenset(
    {
        *("connection", "content-length", "date", "host", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "proxy-connection", "sec-websocket-accept"),
        *("sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol"),
        *("sec-websocket-version", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:[ \t]*websocket[ \t]*\r\n", re.IGNORECASE)
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class Upstream(NamedTuple):
    """The server that connections are passed on to; `tls` is for wss."""

    uri: WebSocketURI
    tls: ssl.SSLContext | None

    @property
    def host(self) -> str:
        """What the Host header says."""
        return build_host(self.uri.host, self.uri.port, self.uri.secure)

    def resource(self, resource: str) -> str:
        """What is asked of the server when this is asked of the proxy.

        `/` is the server's URL itself. The path of that URL precedes any other that does not begin
        with it, as those that pages name do.
        """
        path, mark, query = resource.partition("?")
        own = self.uri.path.rstrip("/")
        full = path if f"{path}/".startswith(f"{own}/") else own + path
        if path == "/":
            full = self.uri.path or "/"
        queries = "&".join(filter(None, (self.uri.query, query)))
        return f"{full}?{queries}" if queries or mark else full

    def origin(self, origin: str, host: str) -> str:
        """What the Origin header says when a client said this, and that its Host is the proxy.

        A page that came from the proxy came from the server, which may accept no other.
        """
        if origin.partition("://")[2] == host:
            return f"{'https' if self.uri.secure else 'http'}://{self.host}"
        return origin

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection, with TLS if the URL says so.

        Raises:
            OSError: if it cannot be had.
        """
        async with asyncio.timeout(_OPEN_SECONDS):
            return await asyncio.open_connection(
                self.uri.host,
                self.uri.port,
                ssl=self.tls,
                server_hostname=self.uri.host if self.tls else None,
            )


class _OpaqueHeaders(Headers):
    """Headers whose values go out as the bytes they came in as, which need not be ASCII."""

    def serialize(self) -> bytes:
        # websockets decodes them as ISO-8859-1, or, in older versions, as ASCII with surrogates.
        return str(self).encode("iso-8859-1", "surrogateescape")


class _Relay(Protocol):
    """A protocol that leaves to the other end what websockets would answer by itself."""

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            Close.parse(frame.data)
            self.events.append(frame)
        elif frame.opcode is Opcode.PING:
            self.events.append(frame)
        else:
            super().recv_frame(frame)


class _ServerRelay(_Relay, ServerProtocol):
    """Towards a client, the proxy is the server."""


class _ClientRelay(_Relay, ClientProtocol):
    """Towards the server, the proxy is a client."""


class _Rejected(Exception):  # noqa: N818
    """The server does not accept a connection; `response` says so to the client."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class _End(NamedTuple):
    """One end of a proxied connection: where bytes come from and go to, and what they mean."""

    protocol: Protocol
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def write(self) -> None:
        """Send what the protocol has to say; when its connection ends is decided elsewhere."""
        data = b"".join(self.protocol.data_to_send())
        # asyncio stumbles over what is written once a connection is lost that was closing.
        if data and not self.writer.is_closing():
            self.writer.write(data)

    async def flush(self) -> None:
        """The same; wait while too much is on its way."""
        self.write()
        await self.writer.drain()

    @property
    def is_broken(self) -> bool:
        """Whether it was lost, or does not keep to the protocol."""
        lost = self.reader.at_eof() or self.reader.exception() is not None
        return lost or self.protocol.parser_exc is not None

    def go_away(self) -> None:
        """Say that the proxy ends."""
        with contextlib.suppress(InvalidState):
            self.protocol.send_close(CloseCode.GOING_AWAY)
            self.write()

    def pass_on(self, frame: Frame) -> None:
        """Send a frame that the other end sent; after a close frame, only control frames."""
        protocol, data = self.protocol, frame.data
        with contextlib.suppress(InvalidState, ProtocolError):
            match frame.opcode:
                case Opcode.TEXT:
                    protocol.send_text(data, frame.fin)
                case Opcode.BINARY:
                    protocol.send_binary(data, frame.fin)
                case Opcode.CONT:
                    protocol.send_continuation(data, frame.fin)
                case Opcode.PING:
                    protocol.send_ping(data)
                case Opcode.PONG:
                    protocol.send_pong(data)
                case Opcode.CLOSE:
                    close = Close.parse(data)
                    given = close.code != CloseCode.NO_STATUS_RCVD
                    protocol.send_close(close.code if given else None, close.reason)


class Proxy:
    """Passes on the connections of clients that it is handed, until `stop`.

    What goes wrong with one connection ends that one only; `remark` is called with what a user can
    mend, once for each reason.
    """

    def __init__(
        self, upstream: Upstream, recorder: Recorder, remark: Callable[[str], None]
    ) -> None:
        self._upstream = upstream
        self._recorder = recorder
        self._remark = remark
        self._remarked: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: set[_End] = set()
        self._is_over = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client, to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # Whoever goes away, or is cancelled, has nobody left to be told.
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await self._handle(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def stop(self) -> None:
        """Close all connections with 1001, and wait a little for them to end."""
        self._is_over = True
        for end in self._ends:
            end.go_away()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            status = http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            writer.write(_plain_response(status, "the head of the request is too long").serialize())
            return
        if _UPGRADE.search(head):
            await self._open(head, reader, writer)
        else:
            await self._tunnel(head, reader, writer)

    async def _open(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer a client's handshake with what the server answers to it, then pass messages on."""
        chosen: list[Subprotocol | None] = []
        server = _ServerRelay(
            extensions=[ServerPerMessageDeflateFactory(compress_settings=_DEFLATE)],
            select_subprotocol=lambda _, __: chosen[0],
            max_size=None,
        )
        client_end = _End(server, reader, writer)
        server.receive_data(head)
        request = next(iter(server.events_received()), None)
        if not isinstance(request, Request) or not request.path.isascii():
            error = server.handshake_exc
            reason = (error and error.__cause__) or error or "its path is not ASCII"
            text = f"the request is no handshake of a WebSocket: {reason}"
            writer.write(_plain_response(http.HTTPStatus.BAD_REQUEST, text).serialize())
            return
        try:
            server_end, answer, frames = await self._connect(request)
        except _Rejected as rejected:
            server.send_response(rejected.response)
            await client_end.flush()
            return
        with contextlib.closing(server_end.writer):
            chosen.append(server_end.protocol.subprotocol)
            response = server.accept(request)
            response.headers = _OpaqueHeaders(response.headers)
            _add_passed_on(response.headers, answer.headers)
            server.send_response(response)
            await client_end.flush()
            if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS:
                number = self._recorder.opened(request.path, server.subprotocol)
                await self._relay(number, client_end, server_end, frames)

    async def _connect(self, request: Request) -> tuple[_End, Response, list[Frame]]:
        """The server's end of a connection, its answer, and what it has sent already.

        Raises:
            _Rejected: if there is none.
        """
        try:
            subprotocols = [
                item
                for value in request.headers.get_all("Sec-WebSocket-Protocol")
                for item in parse_subprotocol(value)
            ]
        except InvalidHandshake as error:
            raise _Rejected(_plain_response(http.HTTPStatus.BAD_REQUEST, str(error))) from error
        client = _ClientRelay(
            self._upstream.uri,
            extensions=[
                ClientPerMessageDeflateFactory(
                    client_max_window_bits=True, compress_settings=_DEFLATE
                )
            ],
            subprotocols=subprotocols or None,
            max_size=None,
        )
        headers = _OpaqueHeaders(client.connect().headers)
        host = ", ".join(request.headers.get_all("Host"))
        for name, value in request.headers.raw_items():
            if name.lower() == "origin":
                headers[name] = self._upstream.origin(value, host)
            elif name.lower() != "authorization" or not self._upstream.uri.user_info:
                _add_passed_on(headers, Headers([(name, value)]))
        client.send_request(Request(self._upstream.resource(request.path), headers))
        try:
            reader, writer = await self._upstream.connect()
            end = _End(client, reader, writer)
            try:
                async with asyncio.timeout(_OPEN_SECONDS):
                    answer, frames = await _answer(end)
            except BaseException:
                writer.close()
                raise
        except OSError as error:
            raise _Rejected(self._bad_gateway(_reason(error))) from error
        if answer is not None and client.handshake_exc is None:
            return end, answer, frames
        writer.close()
        if answer is not None and isinstance(client.handshake_exc, InvalidStatus):
            headers = _OpaqueHeaders()
            _add_passed_on(headers, answer.headers)
            headers["Connection"] = "close"
            headers["Content-Length"] = str(len(answer.body or b""))
            phrase = answer.reason_phrase.encode("ascii", "replace").decode()
            raise _Rejected(Response(answer.status_code, phrase, headers, answer.body))
        raise _Rejected(self._bad_gateway(str(client.handshake_exc)))

    async def _relay(
        self, number: int, client_end: _End, server_end: _End, frames: list[Frame]
    ) -> None:
        """Pass on what either end sends, until one of them ends."""
        # Code, reason and side of what ended it, and then of what the other side said to that.
        closed: list[tuple[int, str, Direction]] = []

        async def pump(source: _End, target: _End, sender: Direction, frames: list[Frame]) -> None:
            message, is_text = bytearray(), False
            while True:
                for frame in frames:
                    target.pass_on(frame)
                    if frame.opcode is Opcode.CLOSE:
                        close = Close.parse(frame.data)
                        closed.append((close.code, close.reason, sender))
                    elif frame.opcode in _DATA:
                        if frame.opcode is not Opcode.CONT:
                            is_text = frame.opcode is Opcode.TEXT
                        message += frame.data
                        if frame.fin:
                            self._recorder.message(number, sender, bytes(message), is_text=is_text)
                            message.clear()
                await target.flush()
                if source.protocol.parser_exc is not None:
                    # What it sent breaks the protocol, and it is told so.
                    source.write()
                    return
                data = await source.reader.read(_READ_BYTES)
                if not data:
                    return
                source.protocol.receive_data(data)
                frames = _frames(source)

        ends = {client_end, server_end}
        targets = {
            asyncio.create_task(pump(client_end, server_end, "client", [])): server_end,
            asyncio.create_task(pump(server_end, client_end, "server", frames)): client_end,
        }
        pumps = list(targets)
        self._ends |= ends
        if self._is_over:
            for end in ends:
                end.go_away()
        try:
            done, left = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if not closed:
                lost: Direction = "client" if client_end.is_broken else "server"
                closed.append((CloseCode.ABNORMAL_CLOSURE, "", lost))
            for task in done:
                targets[task].writer.close()
            if left:
                await asyncio.wait(left, timeout=_LINGER_SECONDS)
        finally:
            self._ends -= ends
            for task in pumps:
                task.cancel()
            for end in ends:
                end.writer.close()
            results = await asyncio.gather(*pumps, return_exceptions=True)
            for end in ends:
                if any(isinstance(result, asyncio.CancelledError) for result in results):
                    end.writer.transport.abort()
            if closed:
                # Not before, since the other side may have sent messages until it heard of it.
                code, reason, side = closed[0]
                by_proxy = self._is_over and code == CloseCode.GOING_AWAY
                self._recorder.closed(number, code, reason, None if by_proxy else side)
            for result in results:
                if isinstance(result, Exception) and not isinstance(result, OSError):
                    raise result

    async def _tunnel(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass on a request that is no WebSocket handshake, and its answer, as bytes."""
        try:
            server_reader, server_writer = await self._upstream.connect()
        except OSError as error:
            writer.write(self._bad_gateway(_reason(error)).serialize())
            return
        with contextlib.closing(server_writer):
            server_writer.write(self._rewritten(head))
            # A connection serves one request, so that the head of each is seen.
            copies = [
                asyncio.create_task(_copy(reader, server_writer)),
                asyncio.create_task(_copy(server_reader, writer)),
            ]
            try:
                await copies[1]
            finally:
                for task in copies:
                    task.cancel()
                await asyncio.gather(*copies, return_exceptions=True)

    def _rewritten(self, head: bytes) -> bytes:
        """The head of a request to the proxy as it has to be for the server."""
        lines = head.decode("latin-1").split("\r\n")[:-2]
        fields = [line.partition(":") for line in lines[1:]]
        host = next((value.strip() for name, _, value in fields if name.lower() == "host"), "")
        kept = [lines[0], f"Host: {self._upstream.host}", "Connection: close"]
        for name, _, value in fields:
            if name.lower() == "origin":
                kept.append(f"{name}: {self._upstream.origin(value.strip(), host)}")
            elif name.lower() not in ("host", "connection", "keep-alive", "proxy-connection"):
                kept.append(f"{name}:{value}")
        return "\r\n".join([*kept, "", ""]).encode("latin-1")

    def _bad_gateway(self, reason: str) -> Response:
        text = f"{self._upstream.host}: {reason}"
        if text not in self._remarked:
            self._remarked.add(text)
            self._remark(text)
        return _plain_response(http.HTTPStatus.BAD_GATEWAY, text)


async def _answer(end: _End) -> tuple[Response | None, list[Frame]]:
    """What a server answers to a handshake, if it is HTTP, and what it has sent after it.

    Raises:
        OSError: if it does not answer.
    """
    await end.flush()
    while True:
        if data := await end.reader.read(_READ_BYTES):
            end.protocol.receive_data(data)
        else:
            # Where the body of an answer ends that has no length.
            end.protocol.receive_eof()
        events = end.protocol.events_received()
        for answer in events[:1]:
            assert isinstance(answer, Response)
            return answer, [frame for frame in events[1:] if isinstance(frame, Frame)]
        if not data:
            raise ConnectionResetError("it closed the connection instead of answering")
        if end.protocol.handshake_exc is not None:
            return None, []


def _plain_response(status: http.HTTPStatus, text: str) -> Response:
    body = f"wsbench record: {text}\n".encode()
    headers = Headers(
        [
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            ("Content-Type", "text/plain; charset=utf-8"),
        ]
    )
    return Response(status, status.phrase, headers, body)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_READ_BYTES):
            writer.write(data)
            await writer.drain()


def _add_passed_on(headers: Headers, received: Headers) -> None:
    """Add what concerns more than one connection."""
    for name, value in received.raw_items():
        if name.lower() not in _OWN_HEADERS:
            headers[name] = value


def _frames(end: _End) -> list[Frame]:
    return [event for event in end.protocol.events_received() if isinstance(event, Frame)]


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection within {_OPEN_SECONDS:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return error.strerror or str(error) or type(error).__name__

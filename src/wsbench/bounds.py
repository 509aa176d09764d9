"""What websockets limits buffers to unless told otherwise, read from the installed release."""

import asyncio.constants
import asyncio.selector_events
import inspect
import socket
from typing import Any

import websockets.asyncio.server
import websockets.sync.server
from websockets.sync.connection import Connection

from wsbench.buffers import Keepalive, Limits
from wsbench.settings import Implementation

# What asyncio takes at a time, where it no longer says so.
_READ_BYTES = 262_144
# The largest record of TLS (RFC 8446, section 5.1), which is what a read returns at most.
_TLS_RECORD_BYTES = 16_384


def default_limits(implementation: Implementation) -> Limits:
    """`max_size`, `max_queue` and, unless on threads, `write_limit` of websockets' `serve`."""
    own = _defaults(implementation)
    return Limits(
        max_size=own["max_size"], max_queue=own["max_queue"], write_limit=own.get("write_limit")
    )


def default_keepalive(implementation: Implementation) -> Keepalive:
    """`ping_interval`, `ping_timeout` and `close_timeout` of websockets' `serve`."""
    own = _defaults(implementation)
    values = {name: own[name] for name in Keepalive.__struct_fields__}
    return Keepalive(**{name: value and float(value) for name, value in values.items()})


def read_bytes(
    implementation: Implementation, *, tls: bool, receive_buffer: int | None = None
) -> int:
    """How much a server may take from the network before it looks at its queue, in bytes.

    Reading pauses after a read that fills the queue, not within it. It brings no more than the
    socket can have received, whose `receive_buffer` is SO_RCVBUF unless the system chooses. With
    TLS, a thread gets a record, which OpenSSL puts together itself; asyncio decrypts all that it
    has at once, which is what makes it pause, and one more read.
    """
    if implementation == "sync":
        most = _TLS_RECORD_BYTES if tls else int(Connection.recv_bufsize)
    else:
        transport = getattr(asyncio.selector_events, "_SelectorTransport", None)
        most = int(getattr(transport, "max_size", _READ_BYTES))
    if receive_buffer is not None and not (tls and implementation == "sync"):
        most = min(most, _receivable_bytes(receive_buffer))
    if tls and implementation == "asyncio":
        most += asyncio.constants.FLOW_CONTROL_HIGH_WATER_SSL_READ * 1024
    return most


def _receivable_bytes(receive_buffer: int) -> int:
    """What the system makes of this size: Linux doubles it, for what it manages (socket(7))."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def _defaults(implementation: Implementation) -> dict[str, Any]:
    serve: Any = (
        websockets.asyncio.server.serve
        if implementation == "asyncio"
        else websockets.sync.server.serve
    )
    return {name: item.default for name, item in inspect.signature(serve).parameters.items()}

"""What websockets limits buffers to unless told otherwise, read from the installed release."""

import asyncio.selector_events
import inspect
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


def read_bytes(implementation: Implementation, *, tls: bool) -> int:
    """How much a server may take from the network before it looks at its queue, in bytes.

    Reading pauses after a read that fills the queue, not within it. With TLS, asyncio decrypts all
    that it has at once, which is what makes it pause, and one more read.
    """
    if implementation == "sync":
        return _TLS_RECORD_BYTES if tls else int(Connection.recv_bufsize)
    transport = getattr(asyncio.selector_events, "_SelectorTransport", None)
    size = int(getattr(transport, "max_size", _READ_BYTES))
    return 2 * size if tls else size


def _defaults(implementation: Implementation) -> dict[str, Any]:
    serve: Any = (
        websockets.asyncio.server.serve
        if implementation == "asyncio"
        else websockets.sync.server.serve
    )
    return {name: item.default for name, item in inspect.signature(serve).parameters.items()}

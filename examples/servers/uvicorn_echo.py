"""An echo server on uvicorn, as a plain ASGI application.

    pip install uvicorn websockets wsproto    (wsproto for `--ws wsproto` alone)
    python uvicorn_echo.py --port 8801

What `ws_per_message_deflate` amounts to, in uvicorn 0.54.0 with websockets 17.4 and wsproto 1.3.2:
`websockets-sansio`, which `auto` takes when websockets is installed, limits both windows to 12 bits
and has memory level 5; `websockets` (deprecated) and `wsproto` leave 15 bits and zlib's memory
level 8. All have zlib's default level, 6, keep the context, and compress every message.
"""

import argparse
import os
import signal
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from uvicorn.config import WS_PROTOCOLS

Event = dict[str, Any]


async def echo(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Event]],
    send: Callable[[Event], Awaitable[None]],
) -> None:
    """Accept one connection, and send its messages back until it ends."""
    if scope["type"] != "websocket":
        raise NotImplementedError("only WebSocket connections are served")
    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        # Both kinds of events hold the message under `text` or `bytes`.
        await send({**event, "type": "websocket.send"})


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8801)
    parser.add_argument("--compression", choices=["on", "off"], default="on")
    parser.add_argument(
        "--ws", choices=[name for name in WS_PROTOCOLS if name != "none"], default="auto"
    )
    options = parser.parse_args()
    # uvicorn shuts down at SIGTERM, then raises it again for the handler from before: without this
    # one the process would end by the signal, not with 0. Nothing is left to do by then, and
    # `sys.exit` would wait for clients that no longer read.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # That `websockets` is deprecated is said above, and need not be said at every start.
    warnings.filterwarnings("ignore", category=UserWarning, module="uvicorn")
    uvicorn.run(
        echo,
        host="127.0.0.1",
        port=options.port,
        ws=options.ws,
        ws_per_message_deflate=options.compression == "on",
        lifespan="off",
        log_level="warning",
        # Without it, a client that no longer reads would delay the end for as long as it is there.
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()

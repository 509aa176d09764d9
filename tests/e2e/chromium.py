"""Chromium without a window, driven over its DevTools protocol; the HAR file of a page it loads.

The file has the shape in which the developer tools export it: what models/har/Log.ts and
core/sdk/NetworkRequest.ts of the DevTools front end make of the same events.
"""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

COMMAND = shutil.which("chromium") or shutil.which("chromium-browser")
_SECONDS = 120


async def har_of(url: str, sockets: int) -> dict[str, Any]:
    """Load a page until so many of its WebSockets are closed; what DevTools would export."""
    return _har(url, await _events(url, sockets))


@contextlib.asynccontextmanager
async def _browser() -> AsyncIterator[str]:
    """The URL of the DevTools protocol of a browser that runs meanwhile."""
    assert COMMAND is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(COMMAND, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-breakpad", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
            *(f"--user-data-dir={profile}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            written = Path(profile) / "DevToolsActivePort"
            async with asyncio.timeout(_SECONDS):
                while not written.exists() or len(written.read_text().split()) < 2:
                    assert process.returncode is None
                    await asyncio.sleep(0.05)
            port, path = written.read_text().split()
            yield f"ws://127.0.0.1:{port}{path}"
        finally:
            # It is the leader of a session, so its children are in its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


class _Protocol:
    """Commands, their results, and events, on a connection to the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self.events: list[dict[str, Any]] = []
        self._connection = connection
        self._numbers = itertools.count()

    async def event(self) -> dict[str, Any]:
        """The next event."""
        while not self.events:
            await self._receive()
        return self.events.pop(0)

    async def call(self, method: str, session: str = "", **parameters: object) -> dict[str, Any]:
        """The result of a command, of the browser or of a session."""
        command = {"id": next(self._numbers), "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        await self._connection.send(json.dumps(command))
        while (reply := await self._receive()).get("id") != command["id"]:
            pass
        result: dict[str, Any] = reply["result"]
        return result

    async def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self._connection.recv())
        if "id" not in message:
            self.events.append(message)
        return message


async def _events(url: str, sockets: int) -> list[dict[str, Any]]:
    """What happened in the network while a page was loaded and its WebSockets were used."""
    async with (
        asyncio.timeout(_SECONDS),
        _browser() as address,
        connect(address, max_size=None) as connection,
    ):
        protocol = _Protocol(connection)
        target = await protocol.call("Target.createTarget", url="about:blank")
        attached = await protocol.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        session = attached["sessionId"]
        await protocol.call("Network.enable", session)
        await protocol.call("Page.navigate", session, url=url)
        events = []
        while sockets:
            events.append(await protocol.event())
            sockets -= events[-1]["method"] == "Network.webSocketClosed"
        return events


def _har(url: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    sockets: dict[str, _Socket] = {}
    for event in events:
        domain, _, name = event["method"].partition(".")
        if domain != "Network" or not name.startswith("webSocket"):
            continue
        parameters = event["params"]
        if name == "webSocketCreated":
            sockets[parameters["requestId"]] = _Socket(parameters["url"])
        sockets[parameters["requestId"]].add(name, parameters)
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "WebInspector", "version": "537.36"},
            "pages": [{"id": "page_1", "title": url, "pageTimings": {}}],
            # Those that were never connected have no time, and come first.
            "entries": [item.entry() for item in sorted(sockets.values(), key=_Socket.begun)],
        }
    }


class _Socket:
    """What DevTools keep of a WebSocket."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._status = 0
        # Times of events count from the start of the system; -1 is an unknown one.
        self._begun_seconds = -1.0
        self._since_1970_seconds = 0.0
        self._messages: list[dict[str, Any]] = []

    def begun(self) -> float:
        return self._begun_seconds

    def add(self, name: str, parameters: dict[str, Any]) -> None:
        if name == "webSocketWillSendHandshakeRequest":
            self._begun_seconds = parameters["timestamp"]
            self._since_1970_seconds = parameters["wallTime"] - parameters["timestamp"]
        elif name == "webSocketHandshakeResponseReceived":
            self._status = parameters["response"]["status"]
        elif name in ("webSocketFrameSent", "webSocketFrameReceived"):
            frame = parameters["response"]
            kind = "send" if name.endswith("Sent") else "receive"
            self._add(kind, parameters["timestamp"], frame["opcode"], frame["payloadData"])
        elif name == "webSocketFrameError":
            self._add("error", parameters["timestamp"], -1, parameters["errorMessage"])

    def _add(self, kind: str, seconds: float, opcode: int, data: str) -> None:
        time = self._since_1970_seconds + seconds
        self._messages.append({"type": kind, "time": time, "opcode": opcode, "data": data})

    def entry(self) -> dict[str, Any]:
        started = datetime.fromtimestamp(self._since_1970_seconds + self._begun_seconds, UTC)
        return {
            "_initiator": {"type": "script"},
            "_priority": None,
            "_resourceType": "websocket",
            "cache": {},
            "request": {"method": "GET", "url": self._url, "headers": [], "cookies": []},
            "response": {
                "status": self._status,
                "headers": [],
                "content": {"size": 0, "mimeType": "x-unknown"},
                "_error": None,
            },
            "startedDateTime": started.isoformat(timespec="milliseconds"),
            "time": 0,
            "timings": {"send": 0, "wait": 0, "receive": 0},
            "pageref": "page_1",
            "_webSocketMessages": self._messages,
        }

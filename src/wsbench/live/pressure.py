"""A server under pressure: its process, clients that are no help, and what waits between them."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from websockets.uri import WebSocketURI

from wsbench.bounds import read_bytes
from wsbench.corpus.model import Message
from wsbench.errors import MeasurementError
from wsbench.live.buffered_server import (
    Broadcast,
    Done,
    Forget,
    Grown,
    Listening,
    Look,
    Refused,
    Reply,
    Request,
    Send,
    Sight,
    Take,
)
from wsbench.live.child import Child
from wsbench.live.flood import Client, Flood
from wsbench.live.kernel import Queued, queued_bytes
from wsbench.live.script import Script
from wsbench.live.target import Target, Tls, kill_family
from wsbench.settings import DeflateSettings, Implementation

_START_SECONDS = 60.0
_SILENCE_SECONDS = 60.0
_LONG_SECONDS = 10.0
_PUMP_SECONDS = 0.02
# How long nothing may move for it to count as still.
_QUIET_SECONDS = 0.15


class TimeUp(Exception):  # noqa: N818
    """A measurement would have taken longer than it may."""


class Deadline:
    """When all has to have ended, and who is told that it goes on."""

    def __init__(self, seconds: float, tick: Callable[[], None] = lambda: None) -> None:
        self._end = time.monotonic() + seconds
        self._tick = tick

    def seconds_left(self) -> float:
        """How much time there is."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raise TimeUp when there is no more time."""
        self._tick()
        if not self.seconds_left():
            raise TimeUp


class How(NamedTuple):
    """What all servers of a measurement have in common."""

    implementation: Implementation
    tls: Tls | None
    deadline: Deadline
    receive_buffer: int | None = None

    @property
    def read_bytes(self) -> int:
        """How much the server can read before it looks at its queue."""
        return read_bytes(
            self.implementation, tls=self.tls is not None, receive_buffer=self.receive_buffer
        )


class Pressure:
    """A server and its clients, from their start to the end of the block.

    `frame_bytes` is what a frame in the queue takes beside its payload, `peak_bytes` what a traced
    server has allocated at most since it was last set.

    Raises:
        MeasurementError: at the start and by every method, if the server ends or does not answer.
        TimeUp: at the start and by every method that waits, if that takes too long.
    """

    def __init__(
        self,
        how: How,
        settings: DeflateSettings | None,
        limits: Mapping[str, float | None],
        script: Script,
        *,
        traced: bool = False,
        handler: str | None = None,
        echoes: bool = False,
        app_bytes: int = 0,
        sends: bool = False,
        messages: Sequence[Message] = (),
    ) -> None:
        self._deadline = how.deadline
        self._traced = traced
        self._handler = handler
        self.peak_bytes = 0
        with contextlib.ExitStack() as stack:
            self._child = stack.enter_context(
                Child("wsbench.live.buffered_server", "the server to be measured")
            )
            # One that is busy, with what it was sent or with a user's module, would take its time.
            stack.callback(kill_family, self._child.pid)
            self._child.tell(
                Request(
                    settings=settings,
                    implementation=how.implementation,
                    tls=how.tls,
                    limits=dict(limits),
                    handler=handler,
                    echoes=echoes,
                    app_bytes=app_bytes,
                    sends=sends,
                    receive_buffer=how.receive_buffer,
                    messages=list(messages),
                    traced=traced,
                )
            )
            listening = self._started()
            if isinstance(listening, Refused):
                raise MeasurementError(f"{handler}: {listening.reason}")
            assert isinstance(listening, Listening)
            self.frame_bytes = listening.frame_bytes
            uri = WebSocketURI(how.tls is not None, "127.0.0.1", listening.port, "/", "")
            self._target = Target(self._child.pid, uri)
            self.flood = stack.enter_context(Flood(uri, settings, script))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _started(self) -> Any:
        """What the server says first."""
        try:
            seconds = min(_START_SECONDS, self._deadline.seconds_left())
            return self._child.receive(Reply, seconds)
        except MeasurementError:
            self._deadline.check()
            raise

    def warm_up(self) -> None:
        """Open a connection, let the server read a message, and close it; it is not seen again.

        What a server takes at its first connection, and at its first disconnect, is no buffer.
        """
        clients, _ = self.open_idle(1)
        self.flood.close(clients)
        self.until(lambda sight: sight.connections[0].state == "CLOSED", _LONG_SECONDS)
        self.forget()

    def forget(self) -> None:
        """Connections that there were are not seen again."""
        assert isinstance(self._ask(Forget()), Done)

    def open(self, count: int, *, reads: bool = False) -> list[Client]:
        """Open connections, one after another; the server has them in that order."""
        clients: list[Client] = []
        for _ in range(count):
            self._deadline.check()
            clients += self.flood.open(1, reads=reads)
        return clients

    def open_idle(self, count: int) -> tuple[list[Client], int]:
        """Open connections, each of which has sent a message that was read; and their memory."""
        before = self.memory_bytes()
        clients = self.open(count)
        # All scripts begin with a message of one frame.
        for client in clients:
            client.goal = self.flood.script.wire_bytes(1)

        def has_come(sight: Sight) -> bool:
            return len(sight.connections) >= count and all(
                seen.frames >= 1 for seen in sight.connections
            )

        self.until(has_come, _LONG_SECONDS)
        self.take(1)
        return clients, self.memory_bytes() - before

    def memory_bytes(self) -> int:
        """What the server has allocated, if it is traced, or else what it holds."""
        if not self._traced:
            return self._target.resident().bytes
        traced_bytes = self.look().traced_bytes
        assert traced_bytes is not None
        return traced_bytes

    def look(self) -> Sight:
        """What waits in the server."""
        sight = self._ask(Look())
        assert isinstance(sight, Sight)
        self.peak_bytes = max(self.peak_bytes, sight.traced_peak_bytes or 0)
        return sight

    def take(self, messages: int | None) -> None:
        """Let the handlers read so many messages each, or until the server reads on."""
        assert isinstance(self._ask(Take(messages)), Done)

    def send(self) -> None:
        """Let the server send its messages to all clients, without end."""
        assert isinstance(self._ask(Send()), Done)

    def broadcast(self, command: Broadcast) -> Grown:
        """Let the server broadcast, until that ends."""
        grown = self._ask(command, seconds=command.seconds + _SILENCE_SECONDS)
        assert isinstance(grown, Grown)
        return grown

    def why_closed(self) -> str:
        """What to say when a handler did not keep its connections open."""
        # What a handler raises is told once its connection is closed.
        self.until(lambda sight: any(item.state == "CLOSED" for item in sight.connections), 2.0)
        said = self._child.said()
        who = self._handler or "the echo"
        return (
            f"{who}: it closed a connection{f': {said}' if said else ''}; a handler has "
            "to keep its connections open while clients send"
        )

    def queued(self, clients: Sequence[Client] | None = None) -> Queued | None:
        """What waits in the kernel, for some clients or for all."""
        ports = None if clients is None else {client.port for client in clients}
        return queued_bytes(self._target.uri.port, ports)

    def pump(self, seconds: float) -> None:
        """Let clients send and read."""
        self._deadline.check()
        self.flood.pump(seconds)

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Pump until a condition holds; whether it did before the time was up."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self.pump(_PUMP_SECONDS)
        return True

    def until(self, condition: Callable[[Sight], bool], seconds: float) -> Sight:
        """Pump until a condition holds or the time is up; what was seen last."""
        end = time.monotonic() + seconds
        while True:
            for _ in range(3):
                self.pump(_PUMP_SECONDS)
            sight = self.look()
            if condition(sight) or time.monotonic() > end:
                return sight

    def until_still(self, progress: Callable[[Sight], Any], seconds: float) -> Sight:
        """Pump until nothing is sent and `progress` stays the same for a moment."""
        last: Any = None
        still_since = time.monotonic()

        def is_still(sight: Sight) -> bool:
            nonlocal last, still_since
            now = (progress(sight), [client.sent_bytes for client in self.flood.clients])
            if now != last:
                last, still_since = now, time.monotonic()
            return time.monotonic() - still_since > _QUIET_SECONDS

        return self.until(is_still, seconds)

    def _ask(self, command: object, *, seconds: float = _SILENCE_SECONDS) -> Any:
        """Tell the server something; clients go on until it answers."""
        self._deadline.check()
        self._child.tell(command)
        end = time.monotonic() + seconds
        while not self._child.lines:
            self._deadline.check()
            if time.monotonic() > end:
                raise self._child.silence(seconds)
            self.flood.pump(_PUMP_SECONDS, self._child)
        return self._child.receive(Reply, seconds)

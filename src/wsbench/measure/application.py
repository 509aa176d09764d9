"""The application: what a handler adds to connections, and what makes up the whole process."""

from typing import NamedTuple

from wsbench.buffers import Application, Limits
from wsbench.corpus.model import Corpus
from wsbench.errors import MeasurementError
from wsbench.live.buffered_server import Sight
from wsbench.live.flood import Client
from wsbench.live.pressure import How, Pressure
from wsbench.live.script import Script, script
from wsbench.settings import DeflateSettings

# Some of the connections then send without reading; so many do not take long to fill.
_STUCK = 3
_SETTLE_SECONDS = 60.0
# A handler that does not read may never know that its client is gone.
_DISCONNECT_SECONDS = 5.0
_PLATEAU_SECONDS = 20.0
_TURN_SECONDS = 1.0
# What each of the clients that do not read sends at most: more than buffers take.
_FLOOD_BYTES = 16 * 2**20
_PAUSE_SECONDS = 0.002


class _Run(NamedTuple):
    """Bytes: of a connection after its messages, what buffers then added, and all in the end.

    And whether the server has stopped reading from clients that send without reading.
    """

    connection: float
    buffers: int
    total: int
    kernel: int | None
    is_stopped: bool


def application(
    how: How,
    settings: DeflateSettings | None,
    limits: Limits,
    corpus: Corpus,
    *,
    handler: str | None,
    app_bytes: int,
    connections: int,
    messages: int,
) -> Application:
    """Measure it: a user's handler, `module:function`, or an echo that keeps `app_bytes`.

    Each of `connections` sends so many messages of the corpus and reads what it is sent. Then a few
    of them send on without reading. The same with an echo that keeps nothing shows what is the
    handler's.

    Raises:
        MeasurementError: if the server fails, or the handler cannot be run, or closes connections.
        TimeUp: if it takes too long.
    """
    frames = script("corpus", limits.max_size, corpus, settings)

    def run(*, own: bool, traced: bool) -> _Run:
        return _run(
            how,
            settings,
            limits,
            frames,
            handler=handler if own else None,
            app_bytes=app_bytes if own else 0,
            connections=connections,
            messages=messages,
            traced=traced,
        )

    resident = run(own=True, traced=False)
    allocated = run(own=True, traced=True)
    bare_resident, bare_allocated = (run(own=False, traced=traced) for traced in (False, True))
    stuck = min(_STUCK, connections)
    return Application(
        settings=settings,
        handler=handler or "echo",
        app_bytes=app_bytes,
        connections=connections,
        stuck=stuck,
        messages=messages,
        process_bytes=round(resident.total - resident.buffers - connections * resident.connection),
        connection_bytes=round(bare_resident.connection),
        application_bytes=round(resident.connection - bare_resident.connection),
        buffer_bytes=round(resident.buffers / stuck),
        total_bytes=resident.total,
        connection_allocated_bytes=round(bare_allocated.connection),
        application_allocated_bytes=round(allocated.connection - bare_allocated.connection),
        buffer_allocated_bytes=round(allocated.buffers / stuck),
        kernel_bytes=resident.kernel,
        is_stopped=resident.is_stopped,
    )


def _run(
    how: How,
    settings: DeflateSettings | None,
    limits: Limits,
    frames: Script,
    *,
    handler: str | None,
    app_bytes: int,
    connections: int,
    messages: int,
    traced: bool,
) -> _Run:
    arguments: dict[str, float | None] = {
        "max_size": limits.max_size,
        "max_queue": limits.max_queue,
        "ping_interval": None,
        # A handler that fails leaves messages behind, before which nothing else is read.
        "close_timeout": 1,
    }
    if limits.write_limit is not None:
        arguments["write_limit"] = limits.write_limit
    with Pressure(
        how,
        settings,
        arguments,
        frames,
        traced=traced,
        handler=handler,
        echoes=handler is None,
        app_bytes=app_bytes,
    ) as pressure:
        # What a server takes at its first connection, and at its first disconnect, is none's.
        _play(pressure, 1, messages)
        pressure.flood.close(list(pressure.flood.clients))
        pressure.until(lambda sight: sight.connections[0].state == "CLOSED", _DISCONNECT_SECONDS)
        pressure.forget()
        # What a process takes once, and the holes that traffic leaves in its heap, are there when
        # half of the connections have sent their messages; the others show what one more takes.
        half = connections // 2
        _play(pressure, half, messages)
        before = pressure.memory_bytes()
        _play(pressure, connections - half, messages)
        played = pressure.memory_bytes()
        stuck = pressure.flood.clients[:_STUCK]
        # A handler that keeps up is not to be sent messages for ever.
        goal = frames.wire_bytes(frames.frames_within(_FLOOD_BYTES, pressure.frame_bytes))
        for client in stuck:
            client.reads = False
            client.goal = client.sent_bytes + goal
        sight = pressure.until_still(_progress, _PLATEAU_SECONDS)
        queued = pressure.queued()
        total = pressure.memory_bytes()
        return _Run(
            connection=(played - before) / (connections - half),
            buffers=total - played,
            total=total,
            kernel=queued and sum(queued),
            # A thread that waits to send does not read, whether its queue is full or not.
            is_stopped=all(
                seen.frames > 0 or client.wants_to_send()
                for seen, client in zip(sight.connections[:_STUCK], stuck, strict=True)
            ),
        )


def _play(pressure: Pressure, connections: int, messages: int) -> None:
    """Open connections and send messages on each, in turn, until nothing more happens."""
    script = pressure.flood.script
    clients = pressure.open(connections, reads=True)
    for count in range(1, messages + 1):
        goal = script.wire_bytes(script.frames_of(count))
        for client in clients:
            client.goal = goal
        # All at once would be read at once, and leave other holes in the heap than traffic does.
        pressure.wait_for(lambda: not any(map(Client.wants_to_send, clients)), _TURN_SECONDS)
        pressure.pump(_PAUSE_SECONDS)
    sight = pressure.until_still(_progress, _SETTLE_SECONDS)
    for seen in sight.connections:
        if seen.state != "OPEN":
            raise MeasurementError(pressure.why_closed())


def _progress(sight: Sight) -> list[tuple[int, int, int]]:
    return [(seen.frames, seen.reader_bytes, seen.write_bytes) for seen in sight.connections]

"""Slow clients: what a connection holds when the server sends and the client does not read."""

import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from wsbench.buffers import Closing, Keepalive, SlowClient
from wsbench.corpus.model import Message
from wsbench.errors import MeasurementError
from wsbench.live.buffered_server import Seen, Sight
from wsbench.live.kernel import Queued
from wsbench.live.pressure import How, Pressure
from wsbench.live.script import idle_script
from wsbench.measure.room import check_room
from wsbench.settings import DeflateSettings

# So many that what the process takes once, some pages of its heap, makes little of each; fewer
# where messages are so short that it takes many to fill what the kernel has for them, about a MiB.
_CONNECTIONS = range(2, 17)
_MOST_MESSAGES = 200_000
_FILLED_BYTES = 2**20
# Few, so that the server has filled the buffers before it sends pings.
_WATCHED = 2
_PLATEAU_SECONDS = 120.0
# How much longer than it should take connections are watched for being closed.
_GRACE_SECONDS = 2.0


class _Run(NamedTuple):
    seen: list[Seen]
    memory_bytes: int
    queued: Queued | None


def slow_client(
    how: How,
    settings: DeflateSettings | None,
    write_limit: int | None,
    messages: Sequence[Message],
    keepalive: Keepalive,
) -> SlowClient:
    """Measure it, in three servers: one that is traced, one as it is, and one with keepalive.

    The server sends messages, round and round, until `send()` returns no more; without `messages`,
    it sends nothing. The last server then is watched until keepalive should have closed the
    connections, and a little longer.

    Raises:
        WillNotFit: if that could take more than half of the free memory.
        MeasurementError: if the server fails, or does not stop sending.
        TimeUp: if it takes too long.
    """
    limits = {} if write_limit is None else {"write_limit": write_limit}

    def server(arguments: Mapping[str, float | None], *, traced: bool = False) -> Pressure:
        return Pressure(
            how,
            settings,
            {**limits, **arguments},
            idle_script(),
            traced=traced,
            sends=bool(messages),
            messages=messages,
        )

    connections = _connections(messages)
    largest_bytes = max((len(message.data) for message in messages), default=0)
    check_room(connections * ((write_limit or 0) + largest_bytes))
    # Pings are for the watching: before, they could come in between.
    with server({"ping_interval": None}, traced=True) as pressure:
        traced = _fill(pressure, connections, is_sending=bool(messages))
    with server({"ping_interval": None}) as pressure:
        resident = _fill(pressure, connections, is_sending=bool(messages))
    with server(arguments_of(keepalive)) as pressure:
        _fill(pressure, _WATCHED, is_sending=bool(messages))
        closing = watch(pressure, keepalive, _WATCHED)
    queued, sent = traced.queued, [seen.sent for seen in traced.seen]
    buffered = statistics.fmean(seen.write_bytes for seen in traced.seen)
    return SlowClient(
        settings=settings,
        write_limit=write_limit,
        is_sending=bool(messages),
        connections=connections,
        messages=round(statistics.fmean(sent), 1),
        buffered_bytes=round(buffered),
        server_kernel_bytes=queued and round(queued.server_send / connections),
        client_kernel_bytes=queued and round(queued.client_receive / connections),
        allocated_bytes=round(traced.memory_bytes / connections),
        explained_bytes=round(statistics.fmean(seen.write_allocated_bytes for seen in traced.seen)),
        resident_bytes=round(resident.memory_bytes / connections),
        closing=closing,
    )


def _connections(messages: Sequence[Message]) -> int:
    """How many connections so many messages of this kind fill."""
    mean_bytes = statistics.fmean(len(item.data) for item in messages) if messages else 0.0
    filled = int(_MOST_MESSAGES * mean_bytes / _FILLED_BYTES)
    return min(max(filled, _CONNECTIONS[0]), _CONNECTIONS[-1])


def _fill(pressure: Pressure, connections: int, *, is_sending: bool) -> _Run:
    pressure.warm_up()
    pressure.open_idle(connections)
    before = pressure.memory_bytes()
    if is_sending:
        pressure.send()
        begin = time.monotonic()
        pressure.until_still(_progress, _PLATEAU_SECONDS)
        if time.monotonic() - begin > _PLATEAU_SECONDS:
            raise MeasurementError(
                f"the server still sends after {_PLATEAU_SECONDS:g} s to clients that do not read"
            )
    memory_bytes = pressure.memory_bytes() - before
    return _Run(pressure.look().connections, memory_bytes, pressure.queued())


def _progress(sight: Sight) -> list[int]:
    return [seen.sent for seen in sight.connections]


def arguments_of(keepalive: Keepalive) -> dict[str, float | None]:
    """What websockets' `serve` is given for this keepalive."""
    return msgspec.structs.asdict(keepalive)


def watch(pressure: Pressure, keepalive: Keepalive, count: int) -> Closing:
    """Watch the first `count` connections until they should have been closed by keepalive."""
    waits = (keepalive.ping_interval, keepalive.ping_timeout, keepalive.close_timeout)
    seconds = _GRACE_SECONDS + sum(wait for wait in waits if wait is not None)
    begin = time.monotonic()
    sight = pressure.until(
        lambda sight: all(seen.open_seconds is not None for seen in sight.connections[:count]),
        seconds,
    )
    watched = sight.connections[:count]
    ends = [seen.open_seconds for seen in watched if seen.open_seconds is not None]
    return Closing(
        keepalive=keepalive,
        watched_seconds=round(time.monotonic() - begin, 1),
        seconds=round(max(ends), 1) if len(ends) == count else None,
        states=dict(Counter(seen.state for seen in watched)),
    )

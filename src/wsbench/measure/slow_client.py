"""Slow clients: what a connection holds when the server sends and the client does not read."""

import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from wsbench.buffers import Closing, Keepalive, SlowClient
from wsbench.corpus.model import Message
from wsbench.live.buffered_server import Seen, Sight
from wsbench.live.kernel import Queued
from wsbench.live.pressure import How, Pressure
from wsbench.live.script import idle_script
from wsbench.settings import DeflateSettings

# So many that what the process takes once, some pages of its heap, makes little of each.
_CONNECTIONS = 16
# Few, so that the server has filled the buffers before it sends pings.
_WATCHED = 2
_PLATEAU_SECONDS = 60.0
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
        MeasurementError: if the server fails.
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

    # Pings are for the watching: before, they could come in between.
    with server({"ping_interval": None}, traced=True) as pressure:
        traced = _fill(pressure, _CONNECTIONS, is_sending=bool(messages))
    with server({"ping_interval": None}) as pressure:
        resident = _fill(pressure, _CONNECTIONS, is_sending=bool(messages))
    with server(arguments_of(keepalive)) as pressure:
        _fill(pressure, _WATCHED, is_sending=bool(messages))
        closing = watch(pressure, keepalive, _WATCHED)
    queued, sent = traced.queued, [seen.sent for seen in traced.seen]
    buffered = statistics.fmean(seen.write_bytes for seen in traced.seen)
    return SlowClient(
        settings=settings,
        write_limit=write_limit,
        is_sending=bool(messages),
        connections=_CONNECTIONS,
        messages=round(statistics.fmean(sent), 1),
        buffered_bytes=round(buffered),
        server_kernel_bytes=queued and round(queued.server_send / _CONNECTIONS),
        client_kernel_bytes=queued and round(queued.client_receive / _CONNECTIONS),
        allocated_bytes=round(traced.memory_bytes / _CONNECTIONS),
        explained_bytes=round(statistics.fmean(seen.write_allocated_bytes for seen in traced.seen)),
        resident_bytes=round(resident.memory_bytes / _CONNECTIONS),
        closing=closing,
    )


def _fill(pressure: Pressure, connections: int, *, is_sending: bool) -> _Run:
    pressure.warm_up()
    pressure.open_idle(connections)
    before = pressure.memory_bytes()
    if is_sending:
        pressure.send()
        pressure.until_still(_progress, _PLATEAU_SECONDS)
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

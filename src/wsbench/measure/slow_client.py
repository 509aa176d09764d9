"""Slow clients: what a connection holds when the server sends and the client does not read."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from wsbench.buffers import Closing, Keepalive, SlowClient
from wsbench.corpus.model import Message
from wsbench.live.buffered_server import Seen, Sight
from wsbench.live.kernel import Queued
from wsbench.live.pressure import How, Pressure
from wsbench.live.script import idle_script
from wsbench.settings import DeflateSettings

# Few, so that the server has filled the buffers before it sends pings.
_CONNECTIONS = 2
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
    """Measure it, in two servers: one whose allocations are traced, one as it is.

    The server sends messages, round and round, until `send()` returns no more; without `messages`,
    it sends nothing. The second server then is watched until keepalive should have closed the
    connections, and a little longer.

    Raises:
        MeasurementError: if the server fails.
        TimeUp: if it takes too long.
    """
    # Pings are for the watching: in the other one they could come in between.
    no_pings: dict[str, float | None] = {"ping_interval": None}
    limits = {} if write_limit is None else {"write_limit": write_limit}
    with Pressure(
        how,
        settings,
        {**limits, **no_pings},
        idle_script(),
        traced=True,
        sends=bool(messages),
        messages=messages,
    ) as pressure:
        traced = _fill(pressure, is_sending=bool(messages))
    arguments = limits | {
        name: getattr(keepalive, name)
        for name in ("ping_interval", "ping_timeout", "close_timeout")
    }
    with Pressure(
        how, settings, arguments, idle_script(), sends=bool(messages), messages=messages
    ) as pressure:
        resident = _fill(pressure, is_sending=bool(messages))
        closing = watch(pressure, keepalive, _CONNECTIONS)
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


def _fill(pressure: Pressure, *, is_sending: bool) -> _Run:
    pressure.warm_up()
    pressure.open_idle(_CONNECTIONS)
    before = pressure.memory_bytes()
    if is_sending:
        pressure.send()
        pressure.until_still(_progress, _PLATEAU_SECONDS)
    memory_bytes = pressure.memory_bytes() - before
    return _Run(pressure.look().connections, memory_bytes, pressure.queued())


def _progress(sight: Sight) -> list[int]:
    return [seen.sent for seen in sight.connections]


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

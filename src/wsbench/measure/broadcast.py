"""Broadcast: what piles up for clients that do not read, beside others that do."""

import statistics
from collections.abc import Sequence

from wsbench.buffers import Broadcast, Keepalive
from wsbench.corpus.model import Message
from wsbench.live import buffered_server
from wsbench.live.buffered_server import Sample
from wsbench.live.pressure import How, Pressure
from wsbench.live.script import idle_script
from wsbench.measure.room import check_room
from wsbench.measure.slow_client import arguments_of, watch
from wsbench.settings import DeflateSettings

# When what waits has grown to so much in all, it will not stop by itself.
_MOST_BYTES = 32 * 2**20
# What waits for each of those that are stuck when the kernel takes no more, and a little beyond.
_GROWING_BYTES = 65_536


def broadcast(
    how: How,
    settings: DeflateSettings | None,
    write_limit: int | None,
    messages: Sequence[Message],
    keepalive: Keepalive,
    *,
    fast: int,
    stuck: int,
    rate: float | None,
    seconds: float,
) -> Broadcast:
    """Broadcast messages, round and round, and see what becomes of the connections that are stuck.

    So many a second, or as fast as the `fast` clients read, for so many seconds, or until 32 MiB
    wait. Then connections are watched until keepalive should have closed those that are stuck.

    Raises:
        WillNotFit: if that could take more than half of the free memory.
        MeasurementError: if the server fails.
        TimeUp: if it takes too long.
    """
    largest_bytes = max(len(message.data) for message in messages)
    check_room(_MOST_BYTES + (stuck + fast) * largest_bytes)
    arguments = arguments_of(keepalive)
    if write_limit is not None:
        arguments["write_limit"] = write_limit
    with Pressure(how, settings, arguments, idle_script(), messages=messages) as pressure:
        pressure.warm_up()
        pressure.open_idle(stuck + fast)
        for client in pressure.flood.clients[stuck:]:
            client.reads = True
        before = pressure.memory_bytes()
        grown = pressure.broadcast(buffered_server.Broadcast(stuck, rate, seconds, _MOST_BYTES))
        memory_bytes = pressure.memory_bytes() - before
        queued = pressure.queued(pressure.flood.clients[:stuck])
        sight = pressure.look()
        closing = watch(pressure, keepalive, stuck)
    last = grown.samples[-1]
    full = _full(grown.samples, stuck)
    per_second = per_message = None
    if full is not None and last.messages > full.messages:
        # While the kernel makes its buffers larger, it still takes some.
        later = [item for item in grown.samples if item.seconds >= full.seconds]
        begin = later[len(later) // 2 - 1]
        growth = (last.stuck_bytes - begin.stuck_bytes) / stuck
        per_second = round(growth / (last.seconds - begin.seconds))
        per_message = round(growth / (last.messages - begin.messages), 1)
    return Broadcast(
        settings=settings,
        write_limit=write_limit,
        fast=fast,
        stuck=stuck,
        rate=rate,
        messages=last.messages,
        seconds=round(last.seconds, 2),
        kernel_seconds=None if full is None else round(full.seconds, 2),
        kernel_bytes=queued and round(queued.outwards / stuck),
        growth_bytes_per_second=per_second,
        growth_bytes_per_message=per_message,
        buffered_bytes=round(
            statistics.fmean(seen.write_bytes for seen in sight.connections[:stuck])
        ),
        fast_buffered_bytes=round(grown.fast_bytes / fast) if fast else 0,
        resident_bytes=memory_bytes,
        stopped=grown.stopped,
        closing=closing,
    )


def _full(samples: Sequence[Sample], stuck: int) -> Sample | None:
    """The sample since which the kernel's buffers are full, and the process' grow.

    The kernel may make its own larger once they are, and take all that waits.
    """
    growing = [item.stuck_bytes > stuck * _GROWING_BYTES for item in samples]
    since = len(growing) - growing[::-1].index(False)
    return samples[since] if since < len(samples) else None

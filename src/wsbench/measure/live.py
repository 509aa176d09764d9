"""Live connections: resident memory, CPU time and round trips of a real server, from outside."""

import math
import statistics
import time
from collections.abc import Iterator

from msgspec.structs import replace

from wsbench.deflate import is_negotiated
from wsbench.errors import MeasurementError
from wsbench.live.kernel import queued_bytes
from wsbench.live.swarm import Swarm
from wsbench.live.target import Resident, Target
from wsbench.results import Live, RoundTrip
from wsbench.settings import BROWSER, Offer

# What fills two windows of 32 KiB, after which zlib touches no new memory; but not more than so
# many messages.
_FILLING_BYTES = 65_536
_FILLING_MESSAGES = range(3, 201)
# The shortest time that a share can be told of: systems count CPU time in steps of 10 ms.
_SHORTEST_SECONDS = 0.3
# Enough for a second of CPU time, whether messages are short or long.
_TIMED_MESSAGES = 20_000
_TIMED_BYTES = 64 * 2**20


def filling_messages(mean_bytes: float) -> int:
    """How many messages of a size show a connection's full memory: enough to fill a window, or 200.

    See `deflateInit2` in zlib's deflate.c: its window buffer is twice the window.
    """
    wanted = math.ceil(_FILLING_BYTES / max(1.0, mean_bytes))
    return max(_FILLING_MESSAGES[0], min(_FILLING_MESSAGES[-1], wanted))


def timed_messages(connections: int, mean_bytes: float) -> int:
    """How many messages of a size each of so many connections sends while CPU time is measured."""
    in_all = min(_TIMED_MESSAGES, _TIMED_BYTES / max(1.0, mean_bytes))
    return max(1, math.ceil(in_all / connections))


def measure_live(
    target: Target, swarm: Swarm, offer: Offer, *, connections: int, messages: int, timed: int
) -> Iterator[tuple[Live, Resident]]:
    """What a server's connection costs, again and again as more becomes known.

    Half of the connections are opened and send all their `messages`; that is the state to compare
    with, in which the process has what it takes once. Then the other half is opened, sends one
    message each, and the rest, and each time what the processes hold more is divided by them. Last,
    all connections send `timed` messages in turn, while CPU time and round trips are measured.

    Raises:
        MeasurementError: if the server ends, breaks the protocol, does not answer, or negotiates
            something else than a definite offer.
    """
    negotiated = swarm.warm_up()
    if offer != BROWSER and not is_negotiated(offer, negotiated):
        raise MeasurementError(
            f"the server negotiated {negotiated or 'no compression'} instead; measure what it does "
            "negotiate with --settings browser"
        )
    live = Live(connections=connections, negotiated=negotiated)
    first = connections // 2
    groups = []
    if first:
        groups.append(swarm.open(first))
        swarm.play(groups, 0, messages)
    before = target.resident()

    def per_connection() -> tuple[int, Resident]:
        now = target.resident()
        return round((now.bytes - before.bytes) / (connections - first)), now

    cpu_before, start_seconds = target.cpu_seconds(), time.monotonic()
    groups.append(swarm.open(connections - first))
    seconds, cpu_seconds = time.monotonic() - start_seconds, target.cpu_seconds() - cpu_before
    opened, now = per_connection()
    live = replace(
        live,
        resident_opened_bytes=opened,
        opened_per_second=round((connections - first) / seconds, 1),
        opening_cpu_share=round(cpu_seconds / seconds, 3) if seconds > _SHORTEST_SECONDS else None,
    )
    yield live, now
    swarm.play(groups[-1:], 0, 1)
    after_one, now = per_connection()
    live = replace(live, resident_after_one_bytes=after_one)
    yield live, now
    swarm.play(groups[-1:], 1, messages - 1)
    after_all, now = per_connection()
    queued = queued_bytes(target.uri.port)
    live = replace(
        live,
        resident_bytes=after_all,
        kernel_bytes=None if queued is None else round(sum(queued) / connections),
    )
    yield live, now

    cpu_before = target.cpu_seconds()
    played = swarm.play(groups, messages, timed, timed=True)
    cpu_seconds = target.cpu_seconds() - cpu_before
    percentiles = statistics.quantiles(played.round_trips_ns, n=100, method="inclusive")
    yield (
        replace(
            live,
            cpu_ns_per_message=round(1e9 * cpu_seconds / len(played.round_trips_ns)),
            round_trip_ns=RoundTrip(p50=round(percentiles[49]), p99=round(percentiles[98])),
        ),
        now,
    )

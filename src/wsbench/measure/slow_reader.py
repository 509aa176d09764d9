"""Slow readers: what a connection holds when clients send faster than the handler reads."""

import statistics
from collections.abc import Iterable
from typing import NamedTuple

from wsbench.buffers import Limits, Payload, SlowReader
from wsbench.corpus.model import Corpus
from wsbench.errors import MeasurementError
from wsbench.live.buffered_server import Seen, Sight
from wsbench.live.kernel import Queued, socket_memory_bytes
from wsbench.live.pressure import How, Pressure
from wsbench.live.script import Script, script
from wsbench.measure.room import check_room
from wsbench.settings import DeflateSettings

# What all connections should hold, to tell them from the process, and how many that takes.
_ALL_BYTES = 4 * 2**20
_CONNECTIONS = range(2, 11)
# One that takes so much alone stands out by itself.
_LARGE_BYTES = 32 * 2**20
# How often the handler reads until the server reads on. What that finds in the kernel is more than
# what there was at first, when clients had just begun to send. It makes no difference where a read
# brings one frame at most.
_ROUNDS = 3
_PLATEAU_SECONDS = 60.0
# What a frame takes beside its payload, about.
_FRAME_BYTES = 200
# Until reading pauses, clients send so many times as much at each step, to see how memory grows.
_STEP = 2
# Where nothing stops clients, they stop when so much waits.
_UNLIMITED_BYTES = 4 * 2**20


class Reach(NamedTuple):
    """What the queue of a connection can come to, beyond an idle connection."""

    bytes: int
    frames: int


def reach(how: How, limits: Limits, frame_bytes: int, frames: Script) -> Reach | None:
    """What a queue can hold at the worst: `max_queue` frames, and those that one read brings.

    Such a read, after what was left of the one before, makes whole frames and the beginning of
    another. Threads keep what they have read, too. None without `max_queue`.
    """
    if limits.max_queue is None:
        return None
    most_bytes, count = frames.most(limits.max_queue, how.read_bytes, frame_bytes)
    kept = how.read_bytes if how.implementation == "sync" else 0
    return Reach(most_bytes + kept, count)


class _Plateau(NamedTuple):
    """What there is when nothing more is sent; memory beyond idle connections, of all of them."""

    seen: list[Seen]
    sent_bytes: list[int]
    memory_bytes: int
    queued: Queued | None
    socket_memory_bytes: int | None


class _Run(NamedTuple):
    """The fullest plateau of a server, what was allocated at most on the way, and when idle."""

    plateau: _Plateau
    peak_bytes: int
    idle_bytes: int
    growth: list[tuple[float, int]]
    frame_bytes: int
    reach: Reach | None


def slow_reader(
    how: How,
    settings: DeflateSettings | None,
    limits: Limits,
    payload: Payload,
    corpus: Corpus,
) -> SlowReader:
    """Measure it, in two servers: one whose allocations are traced, one as it is.

    Clients send `payload`, messages of `max_size` unless its name says otherwise, until nothing is
    taken any more. Then the handler reads until the server takes more, three times, or once where a
    read brings no more than a frame, and the fullest moment counts.

    Raises:
        WillNotFit: if that could take more than half of the free memory.
        MeasurementError: if the server fails.
        TimeUp: if it takes too long.
    """
    # Before such messages are made, and then by what is known of them.
    made = payload not in ("corpus", "small")
    size = (limits.max_size or 0) if made else 0
    check_room(((limits.max_queue or 0) + 1) * (_FRAME_BYTES + size))
    frames = script(payload, limits.max_size, corpus, settings)
    most = reach(how, limits, _FRAME_BYTES, frames)
    # Clients have all that they send at hand.
    check_room(most.bytes + frames.wire_bytes(most.frames) if most else _UNLIMITED_BYTES)
    traced, resident = (
        _run(how, settings, limits, frames, traced=traced) for traced in (True, False)
    )
    plateau = traced.plateau
    queued, connections = plateau.queued, len(plateau.seen)
    # Those that wait: from the first that the handler has not taken on.
    taken = [frames.frames_of(seen.taken) for seen in plateau.seen]
    ends = [begin + seen.frames for begin, seen in zip(taken, plateau.seen, strict=True)]
    library = [seen.reader_bytes + seen.undecrypted_bytes for seen in plateau.seen]
    explained = [
        frames.payload_bytes(begin, end)
        + (end - begin) * traced.frame_bytes
        + seen.reader_bytes
        + seen.kept_bytes
        for begin, end, seen in zip(taken, ends, plateau.seen, strict=True)
    ]
    accounted = None
    if queued is not None:
        in_sight = sum(map(frames.wire_bytes, ends)) + sum(library) + queued.inwards
        accounted = round(in_sight / sum(plateau.sent_bytes), 4)
    messages = [
        frames.messages_in(sent) - seen.taken
        for sent, seen in zip(plateau.sent_bytes, plateau.seen, strict=True)
    ]
    return SlowReader(
        settings=settings,
        payload=payload,
        payload_bytes=frames.payload_bytes(frames.frames_of(1), frames.frames_of(2)),
        limits=limits,
        connections=connections,
        messages=round(statistics.fmean(messages), 1),
        wire_bytes=_mean(plateau.sent_bytes) - _mean(map(frames.wire_bytes, taken)),
        is_stopped=all(seen.paused for seen in plateau.seen),
        queued_frames=round(statistics.fmean(seen.frames for seen in plateau.seen), 1),
        library_bytes=_mean(library),
        server_kernel_bytes=queued and round(queued.server_receive / connections),
        client_kernel_bytes=queued and round(queued.client_send / connections),
        socket_memory_bytes=plateau.socket_memory_bytes,
        accounted=accounted,
        idle_allocated_bytes=round(traced.idle_bytes / connections),
        allocated_bytes=round(plateau.memory_bytes / connections),
        peak_bytes=round(traced.peak_bytes / connections),
        explained_bytes=_mean(explained),
        resident_bytes=round(resident.plateau.memory_bytes / len(resident.plateau.seen)),
        bound_bytes=limits.queue_bytes(),
        reach_bytes=traced.reach.bytes if traced.reach else None,
        growth=tuple(traced.growth),
    )


def _run(
    how: How,
    settings: DeflateSettings | None,
    limits: Limits,
    frames: Script,
    *,
    traced: bool,
) -> _Run:
    # Pings would be answered by nobody.
    arguments: dict[str, float | None] = {
        "max_size": limits.max_size,
        "max_queue": limits.max_queue,
        "ping_interval": None,
    }
    if limits.write_limit is not None:
        arguments["write_limit"] = limits.write_limit
    with Pressure(how, settings, arguments, frames, traced=traced) as pressure:
        most = reach(how, limits, pressure.frame_bytes, frames)
        each = most.bytes if most else _UNLIMITED_BYTES
        connections = 1
        if each < _LARGE_BYTES:
            connections = min(max(_ALL_BYTES // each, _CONNECTIONS[0]), _CONNECTIONS[-1])
        pressure.warm_up()
        sockets_before = socket_memory_bytes()
        clients, idle_bytes = pressure.open_idle(connections)
        pressure.peak_bytes = before = pressure.memory_bytes()
        growth = [(0.0, 0)]
        plateaus: list[_Plateau] = []

        def fill(goal: int | None) -> _Plateau:
            for client in clients:
                client.goal = goal
            sight = pressure.until_still(_progress, _PLATEAU_SECONDS)
            for seen in sight.connections:
                if seen.failure is not None:
                    raise MeasurementError(f"the server closed a connection: {seen.failure}")
            sockets = socket_memory_bytes()
            plateau = _Plateau(
                sight.connections,
                [client.sent_bytes for client in clients],
                pressure.memory_bytes() - before,
                pressure.queued(),
                None
                if sockets is None or sockets_before is None
                else round((sockets - sockets_before) / len(clients)),
            )
            growth.append(_point(frames, plateau))
            return plateau

        if limits.max_queue is None:
            within = frames.frames_within(_UNLIMITED_BYTES, pressure.frame_bytes)
            plateaus.append(fill(frames.wire_bytes(within)))
        else:
            messages = 1
            while traced and not all(seen.paused for seen in pressure.look().connections):
                messages *= _STEP
                fill(frames.wire_bytes(frames.frames_of(messages)))
            plateaus.append(fill(None))
            overshoots = most is not None and most.frames > limits.max_queue + 1
            for _ in range(_ROUNDS if overshoots else 1):
                pressure.take(None)
                plateaus.append(fill(None))
        fullest = max(plateaus, key=lambda plateau: plateau.memory_bytes)
        peak_bytes = pressure.peak_bytes - before
        return _Run(fullest, peak_bytes, idle_bytes, growth, pressure.frame_bytes, most)


def _progress(sight: Sight) -> list[tuple[int, int, int]]:
    return [(seen.frames, seen.reader_bytes, seen.undecrypted_bytes) for seen in sight.connections]


def _point(frames: Script, plateau: _Plateau) -> tuple[float, int]:
    messages = statistics.fmean(map(frames.messages_in, plateau.sent_bytes))
    return round(messages, 1), round(plateau.memory_bytes / len(plateau.seen))


def _mean(values: Iterable[int]) -> int:
    return round(statistics.fmean(values))

"""Decompression bombs: what a server makes of messages that inflate to more than it accepts."""

from wsbench.buffers import Bomb
from wsbench.errors import MeasurementError
from wsbench.live.pressure import How, Pressure
from wsbench.live.script import fragments, one
from wsbench.settings import DeflateSettings

_FRAGMENTS = 16
# Exceptions with their tracebacks, a closing frame: 11 KiB were seen.
_CLOSING_BYTES = 16 * 1024
_SECONDS = 10.0


def bomb(
    how: How,
    settings: DeflateSettings,
    max_size: int | None,
    payload_bytes: int,
    *,
    is_fragmented: bool,
) -> Bomb:
    """Send a server a message of so many zeros, and see what it answers and allocates.

    Raises:
        MeasurementError: if the server fails, or neither accepts nor refuses the message.
        TimeUp: if it takes too long.
    """
    script = one(fragments(bytes(payload_bytes), _FRAGMENTS if is_fragmented else 1), settings)
    limits: dict[str, float | None] = {
        "max_size": max_size,
        # What matters is what one message takes, however many frames it has.
        "max_queue": None,
        "ping_interval": None,
    }
    with Pressure(how, settings, limits, script, traced=True) as pressure:
        pressure.warm_up()
        pressure.open_idle(1)
        frames = script.frames_of(2) - script.frames_of(1)
        pressure.peak_bytes = before = pressure.memory_bytes()
        (client,) = pressure.flood.clients
        client.reads = True
        client.goal = script.wire_bytes(script.frames_of(2))

        def is_decided() -> bool:
            queued = pressure.look().connections[0].frames
            return client.close_code is not None or queued == frames

        if not pressure.wait_for(is_decided, _SECONDS):
            raise MeasurementError(f"{payload_bytes} zeros: neither accepted nor refused")
        wire_bytes = client.goal - script.wire_bytes(script.frames_of(1))
        return Bomb(
            settings=settings,
            max_size=max_size,
            payload_bytes=payload_bytes,
            wire_bytes=wire_bytes,
            is_fragmented=is_fragmented,
            close_code=client.close_code,
            peak_bytes=pressure.peak_bytes - before,
            bound_bytes=None if max_size is None else _bound_bytes(how, max_size, wire_bytes),
        )


def _bound_bytes(how: How, max_size: int, wire_bytes: int) -> int:
    """What zlib makes, in pieces and joined; what was read, and is being parsed; and the end."""
    return 2 * max_size + how.read_bytes + 2 * wire_bytes + _CLOSING_BYTES

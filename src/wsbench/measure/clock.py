"""The clock of all timing, and a gauge that tells when the processor is slowed down by others."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame


def _choose_clock() -> Callable[[], int]:
    """The thread's own time, which stands still while others run, where it is fine enough.

    Windows' claims to be, and advances every 16 ms.
    """
    clock = time.get_clock_info("thread_time")
    if clock.resolution <= 1e-6 and clock.implementation.startswith("clock_gettime"):
        return time.thread_time_ns
    return time.perf_counter_ns


_clock_ns = _choose_clock()


def _clock_overhead_ns() -> int:
    """What two readings of the clock measure with nothing between them."""
    return min(-(_clock_ns() - _clock_ns()) for _ in range(200))


_overhead_ns = _clock_overhead_ns()


def run_ns(code: Callable[[Frame], Frame], frames: Iterable[Frame]) -> int:
    """The time to encode or decode the frames, in nanoseconds, at least 1."""
    start_ns = _clock_ns()
    for item in frames:
        code(item)
    return max(1, _clock_ns() - start_ns - _overhead_ns)


def run_each_ns(
    method: Callable[[PerMessageDeflate, Frame], Frame],
    endpoints: Iterable[PerMessageDeflate],
    frames: Iterable[Frame],
) -> int:
    """The same where every frame has an endpoint of its own."""
    start_ns = _clock_ns()
    for endpoint, item in zip(endpoints, frames, strict=False):
        method(endpoint, item)
    return max(1, _clock_ns() - start_ns - _overhead_ns)


class Gauge:
    """Tells whether the processor is as fast as it has been of late.

    A neighbour on the same physical core, or a change of frequency, slows everything by a third or
    more, for some milliseconds or seconds; what is measured meanwhile says nothing about settings.
    The gauge is a small piece of work that depends on nothing but the processor: no memory beyond
    the first level of the cache, no branch that depends on data. So when it takes longer than the
    fastest of its recent readings, somebody else is the reason.
    """

    # Slower than this, times the usual, is disturbed: the gauge itself scatters by 1 to 3 %.
    TOLERANCE = 1.06
    # How long to wait for calm before one timing, and how often to repeat one that lacked it.
    WAIT_NS = 50_000_000
    ATTEMPTS = 3
    # Readings that are remembered, a few milliseconds apart: those of at least two seconds.
    _REMEMBERED = 400
    _APART_NS = 5_000_000

    def __init__(self, patience_seconds: float) -> None:
        """A gauge that waits and repeats for so long in all, and then takes what comes."""
        self._patience_ns = patience_seconds * 1e9
        self._work = bytes(8192)
        self._readings_ns: deque[int] = deque(maxlen=self._REMEMBERED)
        self._remembered_at_ns = -self._APART_NS
        self._usual_ns = 0
        self._timings = 0
        self._disturbed = 0

    @property
    def disturbed_share(self) -> float:
        """How many of the timings, 0 to 1, were taken although disturbed."""
        return self._disturbed / max(1, self._timings)

    def is_calm(self) -> bool:
        """Whether the processor is as fast as usual right now."""
        reading_ns = min(self._time_ns() for _ in range(3))
        now_ns = time.perf_counter_ns()
        if now_ns - self._remembered_at_ns >= self._APART_NS:
            self._remembered_at_ns = now_ns
            self._readings_ns.append(reading_ns)
            ordered = sorted(self._readings_ns)
            # The tenth percentile: one lucky reading must not condemn all others.
            self._usual_ns = ordered[len(ordered) // 10]
        return reading_ns <= self.TOLERANCE * self._usual_ns

    def await_calm(self) -> None:
        """Wait, though not for long, until the processor is as fast as usual."""
        start_ns = time.perf_counter_ns()
        until_ns = start_ns + min(self.WAIT_NS, self._patience_ns)
        while not self.is_calm() and time.perf_counter_ns() < until_ns:
            pass
        self._patience_ns -= time.perf_counter_ns() - start_ns

    def was_calm(self) -> bool:
        """Whether a timing that ends now counts as undisturbed."""
        return self._counted(self.is_calm())

    def undisturbed(self, timing: Callable[[], list[int]]) -> list[int]:
        """What the timing returns at its first attempt between two calm moments, or else the least.

        `timing` returns nanoseconds of its parts, and can be repeated.
        """
        attempts = []
        while True:
            self.await_calm()
            start_ns = time.perf_counter_ns()
            attempts.append(timing())
            is_calm = self.is_calm()
            if is_calm or len(attempts) == self.ATTEMPTS or self._patience_ns <= 0:
                return attempts[-1] if self._counted(is_calm) else min(attempts, key=sum)
            self._patience_ns -= time.perf_counter_ns() - start_ns

    def _counted(self, is_calm: bool) -> bool:
        self._timings += 1
        self._disturbed += not is_calm
        return is_calm

    def _time_ns(self) -> int:
        start_ns = time.perf_counter_ns()
        hashlib.blake2b(self._work)
        return time.perf_counter_ns() - start_ns

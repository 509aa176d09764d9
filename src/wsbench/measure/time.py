"""Time: encoding and decoding on one hot connection, settings in turn, slice after slice.

Why it is done this way. A machine drifts and is interrupted, so settings measured one after
another differ by when they were measured. Here the messages are cut into slices of about a
millisecond. A slice is timed under every settings, in shuffled order, a few rounds in a row; of
each (settings, slice) the shortest time counts, since interference only ever adds. Slices are
visited in random order, again and again, until the time is up; so a corpus too large for that is
sampled without anybody choosing the sample.

A slice always starts from the same context: a copy of one that has compressed what precedes the
slice. Writing the copy also brings the context into the cache, where a single busy connection
would have it; without that, taking turns would charge large contexts for refilling it. Every visit
makes its contexts anew, elsewhere in memory, so that the luck of one place is averaged out.
"""

import gc
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from websockets.frames import Frame

from wsbench.corpus.model import Corpus, Message
from wsbench.deflate import endpoint, frame
from wsbench.measure.interval import MIN_ROUNDS, MIN_SLICES, relative_time
from wsbench.results import Time
from wsbench.settings import DeflateSettings

# Rounds of one visit to a slice: two batches of two.
ROUNDS_PER_VISIT = 4
# A slice takes the reference about this long: long beside the clock, short beside interruptions.
SLICE_NS = 1_000_000
SHORTEST_SLICE_NS = 200_000
# How many slices a corpus too large to be timed whole should be sampled by.
SAMPLED_SLICES = 60
# The order of visits is the same in every run, and so is the sample that it makes.
_ORDER_SEED = 7692


class _Copyable(Protocol):
    """zlib's compression and decompression objects, whose types have no public name."""

    def copy(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Slice:
    """A run of messages of one stream: its number, the first message, the one after the last."""

    stream: int
    start: int
    stop: int


_Times = dict[DeflateSettings, list[list[int]]]


class Timing:
    """Times settings against a reference: run it, then ask for the times.

    `max_seconds` bounds the run, but two slices, if there are two, are always timed twice. Nothing
    else may run in the process meanwhile.
    """

    def __init__(
        self,
        corpus: Corpus,
        settings: Sequence[DeflateSettings],
        reference: DeflateSettings,
        max_seconds: float,
    ) -> None:
        self._start = time.monotonic()
        self._max_seconds = max_seconds
        self._corpus = corpus
        self._reference = reference
        self._slices = _choose_slices(corpus, reference, len(settings), max_seconds)
        # For every settings and slice, a time a round, in nanoseconds.
        self._encode_ns: _Times = {item: [[] for _ in self._slices] for item in settings}
        self._decode_ns: _Times = {item: [[] for _ in self._slices] for item in settings}

    @property
    def is_enough(self) -> bool:
        """Whether there are rounds enough for an interval."""
        return len(self._timed()) >= min(MIN_SLICES, len(self._slices))

    def run(self) -> Iterator[float]:
        """Visit slices until the time is up; after each round, yield the share of it gone."""
        order = list(range(len(self._slices)))
        random.Random(_ORDER_SEED).shuffle(order)
        gc.collect()
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            for number in itertools.cycle(order):
                for elapsed in self._visit(number):
                    yield min(1.0, elapsed)
                    if elapsed >= 1 and self.is_enough:
                        return
        finally:
            if was_enabled:
                gc.enable()

    def times(self) -> dict[DeflateSettings, Time]:
        """The times of every settings, from what was timed at least twice.

        Raises:
            ValueError: if that is not enough for an interval.
        """
        timed = self._timed()
        return {item: self._time(item, timed) for item in self._encode_ns}

    def _visit(self, number: int) -> Iterator[float]:
        """Time one slice some rounds under every settings; yield the elapsed time each round."""
        subjects = {
            item: _Subject(self._corpus, item, self._slices[number]) for item in self._encode_ns
        }
        order = list(subjects)
        for _ in range(ROUNDS_PER_VISIT):
            random.shuffle(order)
            encode_ns = {item: subjects[item].encode_ns() for item in order}
            decode_ns = {item: subjects[item].decode_ns() for item in order}
            for item in order:
                self._encode_ns[item][number].append(encode_ns[item])
                self._decode_ns[item][number].append(decode_ns[item])
            yield (time.monotonic() - self._start) / self._max_seconds

    def _timed(self) -> list[int]:
        """The slices that were timed often enough to count."""
        times_ns = self._decode_ns[self._reference]
        return [number for number, of in enumerate(times_ns) if len(of) >= MIN_ROUNDS]

    def _time(self, item: DeflateSettings, timed: list[int]) -> Time:
        messages = sum(self._slices[number].stop - self._slices[number].start for number in timed)
        encode_ns, vs_reference, ci95 = self._relative(self._encode_ns, item, timed)
        decode_ns, decode_vs_reference, decode_ci95 = self._relative(self._decode_ns, item, timed)
        return Time(
            connections=1,
            encode_ns_per_message=encode_ns / messages,
            vs_reference=vs_reference,
            ci95=ci95,
            decode_ns_per_message=decode_ns / messages,
            decode_vs_reference=decode_vs_reference,
            decode_ci95=decode_ci95,
            sampled_messages=messages,
            rounds=min(len(self._encode_ns[item][number]) for number in timed),
        )

    def _relative(
        self, times_ns: _Times, item: DeflateSettings, timed: list[int]
    ) -> tuple[int, float, tuple[float, float]]:
        """The shortest times of the slices, summed, and how they compare with the reference's."""
        subject, reference = (
            [times_ns[of][number] for number in timed] for of in (item, self._reference)
        )
        vs_reference, ci95 = relative_time(subject, reference, len(self._slices))
        return sum(map(min, subject)), vs_reference, ci95


class _Subject:
    """One settings on one slice: the frames, and the contexts as they are before them."""

    def __init__(self, corpus: Corpus, settings: DeflateSettings, part: _Slice) -> None:
        messages = corpus.streams[part.stream].messages
        self._sender, self._receiver = endpoint(settings), endpoint(settings)
        for message in messages[_warm_start(messages, part.start, settings) : part.start]:
            self._receiver.decode(self._sender.encode(frame(message)))
        # Without context takeover there are no contexts between messages.
        self._encoder: _Copyable | None = getattr(self._sender, "encoder", None)
        self._decoder: _Copyable | None = getattr(self._receiver, "decoder", None)
        self._plain = [frame(message) for message in messages[part.start : part.stop]]
        self._restore_encoder()
        self._encoded = [self._sender.encode(item) for item in self._plain]

    def encode_ns(self) -> int:
        """The time to encode the slice."""
        self._restore_encoder()
        return _run_ns(self._sender.encode, self._plain)

    def decode_ns(self) -> int:
        """The time to decode it."""
        if self._decoder is not None:
            self._receiver.decoder = self._decoder.copy()
        return _run_ns(self._receiver.decode, self._encoded)

    def _restore_encoder(self) -> None:
        if self._encoder is not None:
            self._sender.encoder = self._encoder.copy()


def _choose_clock() -> Callable[[], int]:
    """The thread's own time where it is fine enough: it stands still while others run."""
    if time.get_clock_info("thread_time").resolution <= 1e-6:
        return time.thread_time_ns
    return time.perf_counter_ns


_clock_ns = _choose_clock()


def _clock_overhead_ns() -> int:
    """What two readings of the clock measure with nothing between them."""
    return min(-(_clock_ns() - _clock_ns()) for _ in range(200))


_overhead_ns = _clock_overhead_ns()


def _run_ns(code: Callable[[Frame], Frame], frames: list[Frame]) -> int:
    start_ns = _clock_ns()
    for item in frames:
        code(item)
    return max(1, _clock_ns() - start_ns - _overhead_ns)


def _warm_start(messages: Sequence[Message], start: int, settings: DeflateSettings) -> int:
    """The message to begin with for a context to be at message `start` what it would be there."""
    if not settings.context_takeover:
        return start
    # A context that has seen twice its window is like one that has seen everything.
    missing_bytes = 2 << settings.window_bits
    while start > 0 and missing_bytes > 0:
        start -= 1
        missing_bytes -= len(messages[start].data)
    return start


def _choose_slices(
    corpus: Corpus, reference: DeflateSettings, settings: int, max_seconds: float
) -> list[_Slice]:
    """The corpus in slices: of a millisecond, or shorter if too few of those could be visited."""
    # Decoding, preparing, and settings slower than the reference take about as much again.
    affordable_ns = max_seconds * 1e9 / (2 * ROUNDS_PER_VISIT * settings)
    slice_ns = min(SLICE_NS, max(SHORTEST_SLICE_NS, affordable_ns / SAMPLED_SLICES))
    return list(_cut(corpus, slice_ns / _ns_per_weight(corpus, reference)))


def _cut(corpus: Corpus, slice_weight: float) -> Iterator[_Slice]:
    """Consecutive slices of about this weight, of every stream to its end."""
    for number, stream in enumerate(corpus.streams):
        start, weight = 0, 0
        for stop, message in enumerate(stream.messages, 1):
            weight += _weight(message)
            if weight >= slice_weight or stop == len(stream.messages):
                yield _Slice(number, start, stop)
                start, weight = stop, 0


def _weight(message: Message) -> int:
    """How long a message takes to encode, relative to others: each has a cost beside its bytes."""
    return len(message.data) + 100


def _ns_per_weight(corpus: Corpus, reference: DeflateSettings) -> float:
    """Nanoseconds for each unit of `_weight`, from the beginning of the corpus."""
    sender = endpoint(reference)
    weight, start_ns = 0, time.perf_counter_ns()
    for message in corpus.messages():
        sender.encode(frame(message))
        weight += _weight(message)
        if time.perf_counter_ns() - start_ns > 20_000_000:
            break
    return (time.perf_counter_ns() - start_ns) / weight

"""Time: encoding and decoding on one hot connection, in interleaved rounds over slices.

Why it is done this way. A machine drifts and is interrupted, so settings measured one after
another differ by when they were measured. Here the messages are cut into slices of about a
millisecond; in each round, every slice is timed under every settings, in shuffled order, and of
each (settings, slice) the shortest time counts, since interference only ever adds. A slice always
starts from the same context: a copy of a snapshot, taken with what precedes the slice already
compressed. Writing the copy also brings the context into the cache, where a single busy
connection would have it; without that, taking turns would charge large contexts for refilling it.
"""

import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from websockets.frames import Frame

from wsbench.corpus.model import Corpus, Message
from wsbench.deflate import endpoint, frame
from wsbench.measure.interval import MIN_ROUNDS, relative_time, sum_of_minima
from wsbench.results import Time
from wsbench.settings import DeflateSettings

# What the number of slices is planned for: enough rounds for batches to find their minima.
PLANNED_ROUNDS = 15
MAX_SLICES = 48
MIN_SAMPLED_SLICES = 12
SLICE_NS = 1_000_000

# A context knows the last 32 KiB; one that has seen twice as much is like one that has seen all.
WARM_UP_BYTES = 65_536


class _Copyable(Protocol):
    """zlib's compression and decompression objects, whose types have no public name."""

    def copy(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Slice:
    """A run of messages of one stream: its number, the first message, the one after the last."""

    stream: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Start:
    """A slice under one settings: its frames, plain and encoded, and the contexts before them.

    The contexts are None without context takeover, where each message makes its own.
    """

    plain: list[Frame]
    encoded: list[Frame]
    encoder: _Copyable | None
    decoder: _Copyable | None


class Timing:
    """Times settings against a reference: prepare, run rounds, ask for the times.

    `max_seconds` bounds preparation and rounds together, but two rounds are always run. Nothing
    else may run in the process meanwhile.
    """

    def __init__(
        self,
        corpus: Corpus,
        settings: Sequence[DeflateSettings],
        reference: DeflateSettings,
        max_seconds: float,
    ) -> None:
        self._deadline = time.monotonic() + max_seconds
        self._max_seconds = max_seconds
        self._reference = reference
        slices = _choose_slices(corpus, reference, len(settings), max_seconds)
        self._subjects = {item: _Subject(corpus, item, slices) for item in settings}
        self._slices = range(len(slices))
        self._sampled_messages = sum(part.stop - part.start for part in slices)
        self.rounds = 0

    def run(self) -> Iterator[float]:
        """Run rounds until the time is up; after each slice, yield the share of it that is gone."""
        gc.collect()
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            while self.rounds < MIN_ROUNDS or time.monotonic() < self._deadline:
                for number in self._slices:
                    for subject in random.sample(
                        list(self._subjects.values()), len(self._subjects)
                    ):
                        subject.measure(number)
                    remaining = self._deadline - time.monotonic()
                    yield min(1.0, max(0.0, 1 - remaining / self._max_seconds))
                self.rounds += 1
        finally:
            if was_enabled:
                gc.enable()

    def times(self) -> dict[DeflateSettings, Time]:
        """The times of every settings, from the rounds that were completed.

        Raises:
            ValueError: if fewer than two were.
        """
        reference = self._subjects[self._reference]
        return {item: self._time(subject, reference) for item, subject in self._subjects.items()}

    def _time(self, subject: "_Subject", reference: "_Subject") -> Time:
        rounds, messages = range(self.rounds), self._sampled_messages
        encode, encode_ci95 = relative_time(subject.encode_ns, reference.encode_ns, self.rounds)
        decode, decode_ci95 = relative_time(subject.decode_ns, reference.decode_ns, self.rounds)
        return Time(
            connections=1,
            encode_ns_per_message=sum_of_minima(subject.encode_ns, rounds) / messages,
            vs_reference=encode,
            ci95=encode_ci95,
            decode_ns_per_message=sum_of_minima(subject.decode_ns, rounds) / messages,
            decode_vs_reference=decode,
            decode_ci95=decode_ci95,
            sampled_messages=self._sampled_messages,
            rounds=self.rounds,
        )


class _Subject:
    """One settings: its endpoints, the slices as they start under it, and the times taken.

    `encode_ns` and `decode_ns` hold a list of times, one a round, for every slice.
    """

    def __init__(self, corpus: Corpus, settings: DeflateSettings, slices: Sequence[_Slice]) -> None:
        self._sender, self._receiver = endpoint(settings), endpoint(settings)
        self._starts = list(_starts(corpus, settings, slices))
        self.encode_ns: list[list[int]] = [[] for _ in slices]
        self.decode_ns: list[list[int]] = [[] for _ in slices]

    def measure(self, number: int) -> None:
        """Time the slice of this number once, encoding and decoding."""
        start = self._starts[number]
        if start.encoder is not None:
            self._sender.encoder = start.encoder.copy()
        self.encode_ns[number].append(_run_ns(self._sender.encode, start.plain))
        if start.decoder is not None:
            self._receiver.decoder = start.decoder.copy()
        self.decode_ns[number].append(_run_ns(self._receiver.decode, start.encoded))


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


def _starts(
    corpus: Corpus, settings: DeflateSettings, slices: Sequence[_Slice]
) -> Iterator[_Start]:
    """The slices as they start under the settings, warmed by what precedes them."""
    stream, position = -1, 0
    sender, receiver = endpoint(settings), endpoint(settings)
    for part in slices:
        messages = corpus.streams[part.stream].messages
        warm_start = _warm_start(messages, part.start)
        if part.stream != stream or position < warm_start:
            stream, position = part.stream, warm_start
            sender, receiver = endpoint(settings), endpoint(settings)
        for message in messages[position : part.start]:
            receiver.decode(sender.encode(frame(message)))
        encoder = sender.encoder.copy() if settings.context_takeover else None
        decoder = receiver.decoder.copy() if settings.context_takeover else None
        plain = [frame(message) for message in messages[part.start : part.stop]]
        encoded = [sender.encode(item) for item in plain]
        for item in encoded:
            receiver.decode(item)
        position = part.stop
        yield _Start(plain, encoded, encoder, decoder)


def _warm_start(messages: Sequence[Message], start: int) -> int:
    """The message to start from, for a context to be warm at message `start`."""
    seen_bytes = 0
    while start > 0 and seen_bytes < WARM_UP_BYTES:
        start -= 1
        seen_bytes += len(messages[start].data)
    return start


def _choose_slices(
    corpus: Corpus, reference: DeflateSettings, settings: int, max_seconds: float
) -> list[_Slice]:
    """Slices of the whole corpus, or as many, spread over it, as the time allows to repeat."""
    cost_ns = [[_weight(message) for message in stream.messages] for stream in corpus.streams]
    ns_per_weight = _ns_per_weight(corpus, reference)
    total_ns = sum(map(sum, cost_ns)) * ns_per_weight
    # Decoding, copying contexts and settings slower than the reference take about as much again.
    budget_ns = max_seconds * 1e9 / (2 * PLANNED_ROUNDS * settings)
    if total_ns <= budget_ns:
        slice_ns, most = max(SLICE_NS, total_ns / MAX_SLICES), MAX_SLICES
    else:
        most = min(MAX_SLICES, max(MIN_SAMPLED_SLICES, round(budget_ns / SLICE_NS)))
        slice_ns = budget_ns / most
    return _spread(list(_cut(cost_ns, slice_ns / ns_per_weight)), most)


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


def _cut(weights: Sequence[Sequence[int]], slice_weight: float) -> Iterator[_Slice]:
    """Consecutive slices of about this weight, of every stream to its end."""
    for stream, of_stream in enumerate(weights):
        start, weight = 0, 0
        for number, of_message in enumerate(of_stream, 1):
            weight += of_message
            if weight >= slice_weight or number == len(of_stream):
                yield _Slice(stream, start, number)
                start, weight = number, 0


def _spread(slices: list[_Slice], most: int) -> list[_Slice]:
    """At most so many of the slices, evenly spaced."""
    count = min(most, len(slices))
    return [slices[index * len(slices) // count] for index in range(count)]

"""Time on one connection that is always busy: its context is in the processor's cache.

Why it is done this way. A machine drifts and is interrupted, so settings measured one after another
differ by when they were measured. Here the messages are cut into slices of some milliseconds, and
settings take turns on a slice, in shuffled order. A group of settings always has the reference in
it, so that it is timed as often as anything may change, and ratios are formed between times of the
same round.

Taking turns alone is biased: every settings would find the cache full of the others' contexts,
which costs a large context more than a small one. So before the clock starts, the context is copied
from one that has compressed what precedes the slice, which writes all of it, and some messages that
lead up to the slice bring the processor to where a busy connection would have it.

Interruptions of less than a slice are found by timing it in short parts, twice in a row, and taking
the shorter time of each part; longer disturbances by a gauge before and after. Slices are visited
in an order that spreads any number of them evenly over the corpus: so a corpus too large for the
time given is sampled.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from websockets.frames import Frame

from wsbench.corpus.model import Corpus, Message
from wsbench.deflate import endpoint, frame
from wsbench.measure.clock import Gauge, run_ns
from wsbench.measure.contexts import WarmContext
from wsbench.measure.order import evenly_spread, in_groups
from wsbench.measure.samples import Sample, Samples
from wsbench.settings import DeflateSettings

# What a slice takes the reference: long beside what precedes it, short beside a disturbance.
SLICE_NS = 3_000_000
SHORTEST_SLICE_NS = 300_000
# What is timed at once: short beside interruptions, long beside reading the clock.
PART_NS = 100_000
# What leads up to a slice, untimed.
LEAD_NS = 300_000
# How often a part is timed for one sample, and how many rounds a visit to a slice has.
REPEATS = 2
ROUNDS_PER_VISIT = 2
# How many slices a corpus too large to be timed whole should be sampled by.
SAMPLED_SLICES = 40


class _Slice(NamedTuple):
    """A run of messages of one stream: its number, the first message, the one after the last."""

    stream: int
    start: int
    stop: int


class OneConnection:
    """Times settings against a reference on one hot context."""

    def __init__(
        self,
        corpus: Corpus,
        settings: Sequence[DeflateSettings],
        reference: DeflateSettings,
        max_seconds: float,
        gauge: Gauge,
        first_turn: int = 0,
    ) -> None:
        self._corpus = corpus
        self._reference = reference
        self._gauge = gauge
        self._weight_ns = _ns_per_weight(corpus, reference)
        # Decoding and what leads up to a slice make it more than half as long again.
        plays = 1.6 * REPEATS * ROUNDS_PER_VISIT * len(settings)
        affordable_ns = max_seconds * 1e9 / plays / SAMPLED_SLICES
        slice_ns = min(SLICE_NS, max(SHORTEST_SLICE_NS, affordable_ns))
        self._slices = [
            _Slice(number, start, stop)
            for number, stream in enumerate(corpus.streams)
            for start, stop in self._cut(stream.messages, slice_ns)
        ]
        order = evenly_spread(len(self._slices))
        first = first_turn % len(order)
        self._numbers = itertools.cycle([*order[first:], *order[:first]])
        self.samples = Samples(
            settings, reference, 1, slice_messages=[of.stop - of.start for of in self._slices]
        )

    def visit(self, settings: Sequence[DeflateSettings]) -> Iterator[None]:
        """Time these settings on the next slice, group by group."""
        number = next(self._numbers)
        first_round = self.samples.rounds(self._reference, number)
        for group in in_groups(settings, self._reference):
            subjects = {item: self._subject(self._slices[number], item) for item in group}
            for of_round in range(first_round, first_round + ROUNDS_PER_VISIT):
                order = random.sample(group, len(group))
                encode_ns = {item: self._shortest_ns(subjects[item].encode_ns) for item in order}
                decode_ns = {item: self._shortest_ns(subjects[item].decode_ns) for item in order}
                for item in group:
                    sample = Sample(encode_ns[item], decode_ns[item])
                    self.samples.add(item, number, of_round, sample)
            yield

    def _shortest_ns(self, parts_ns: Callable[[], list[int]]) -> int:
        """The shortest time of every part, summed."""
        repeats = [self._gauge.undisturbed(parts_ns) for _ in range(REPEATS)]
        return sum(map(min, zip(*repeats, strict=True)))

    def _subject(self, of: _Slice, settings: DeflateSettings) -> "_Subject":
        stream = self._corpus.streams[of.stream]
        messages = stream.messages
        lead_start, lead_ns = of.start, 0.0
        while lead_start > 0 and lead_ns < LEAD_NS:
            lead_start -= 1
            lead_ns += self._weight_ns * _weight(messages[lead_start])
        within = messages[of.start : of.stop]
        parts = [within[start:stop] for start, stop in self._cut(within, PART_NS)]
        context = WarmContext(messages, lead_start, settings.one_way(stream.direction))
        return _Subject(context, messages[lead_start : of.start], parts)

    def _cut(self, messages: Sequence[Message], length_ns: float) -> Iterator[tuple[int, int]]:
        """Where consecutive runs of messages start and stop that take the reference so long."""
        start, run_ns = 0, 0.0
        for stop, message in enumerate(messages, 1):
            run_ns += self._weight_ns * _weight(message)
            if run_ns >= length_ns or stop == len(messages):
                yield start, stop
                start, run_ns = stop, 0.0


class _Subject:
    """One settings on one slice: the context before it, what leads up to it, and its parts."""

    def __init__(
        self, context: WarmContext, lead: Sequence[Message], parts: Sequence[Sequence[Message]]
    ) -> None:
        self._context = context
        self._plain = [[frame(message) for message in part] for part in (lead, *parts)]
        encoded = iter(context.encoded(itertools.chain(*self._plain)))
        self._encoded = [list(itertools.islice(encoded, len(part))) for part in self._plain]

    def encode_ns(self) -> list[int]:
        """The time to encode each part."""
        return _parts_ns(self._context.sender().encode, self._plain)

    def decode_ns(self) -> list[int]:
        """The time to decode each part."""
        return _parts_ns(self._context.receiver().decode, self._encoded)


def _parts_ns(code: Callable[[Frame], Frame], parts: Sequence[Sequence[Frame]]) -> list[int]:
    """The time of every part but the first, which leads up to them."""
    run_ns(code, parts[0])
    return [run_ns(code, part) for part in parts[1:]]


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

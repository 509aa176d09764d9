"""Time with many connections in use in turn: their contexts compete for the processor's caches.

A server touches another context at each message, from memory that is no longer in any cache. Here
`connections` contexts are made warm, at different messages of the corpus, and send a message each,
round after round. The first rounds are not timed: they bring the caches to where they would be if
nothing else but these settings were in use.

One settings is on at a time, so that its contexts alone take memory and cache; settings come in
groups, with the reference between them, and a ratio is formed between times of the same turn.

The contexts are copies of about a hundred, so a round consists of laps of identical work: the same
messages from the same contexts, but elsewhere in memory. The first quartile of its laps counts,
which no interruption moves.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame

from wsbench.corpus.model import Corpus
from wsbench.deflate import frame
from wsbench.measure.clock import Gauge, run_each_ns
from wsbench.measure.contexts import WarmContext, context_bytes
from wsbench.measure.order import golden_fraction, in_groups
from wsbench.measure.samples import Sample, Samples
from wsbench.results import Traffic
from wsbench.settings import DeflateSettings

# Connections of a lap: 0.5 to 2 ms of work for messages of some hundred bytes.
LAP = 100
# Places in the corpus at which independent connections are, in runs of one a message.
PLACES = 10
# A lap is seen at least so often, by making all connections anew where there are few; but once is
# enough if it takes so long that interruptions hardly count.
LAPS = 8
LAPS_NS = 100_000_000
# With few connections, as many rounds are timed as make a lap of messages, or so many bytes.
TIMED_BYTES = 300_000
# Rounds that lead up to the timed one: for so long, but at least one and at most so many.
LEAD_NS = 40_000_000
LEAD_ROUNDS = 3


def needed_bytes(settings: Iterable[DeflateSettings], connections: int) -> int:
    """An upper bound of the memory that so many contexts of the largest of the settings take."""
    return (connections + 2 * LAP) * max(map(context_bytes, settings))


def most_connections(settings: Iterable[DeflateSettings], free_bytes: int) -> int:
    """How many connections fit into so much memory, by the same bound; 0 if none do."""
    return max(0, free_bytes // max(map(context_bytes, settings)) - 2 * LAP)


class _Point(NamedTuple):
    """A connection at some message: its context, and what it sends next, plain and encoded."""

    context: WarmContext
    plain: list[Frame]
    encoded: list[Frame]


class ManyConnections:
    """Times settings against a reference on many contexts in turn."""

    def __init__(
        self,
        corpus: Corpus,
        settings: Sequence[DeflateSettings],
        reference: DeflateSettings,
        connections: int,
        traffic: Traffic,
        gauge: Gauge,
        first_turn: int = 0,
    ) -> None:
        streams = [stream for stream in corpus.streams if stream.messages]
        self._reference = reference
        self._gauge = gauge
        self._connections = connections
        self._lap = math.ceil(connections / max(1, connections // LAP))
        self._places, self._points_a_place = PLACES, math.ceil(self._lap / PLACES)
        if traffic == "broadcast":
            self._places, self._points_a_place = 1, 1
        longest = max(len(stream.messages) for stream in streams)
        statistics = corpus.statistics()
        message_bytes = max(1, statistics.bytes // statistics.messages)
        timed_messages = min(LAP, TIMED_BYTES // message_bytes)
        self._rounds = max(1, min(timed_messages // connections, longest - LEAD_ROUNDS))
        self._streams = [
            stream
            for stream in streams
            if len(stream.messages) >= min(longest, LEAD_ROUNDS + self._rounds)
        ]
        self._lead_rounds = dict.fromkeys((reference, *settings), 1)
        self._turns = first_turn
        self.samples = Samples(settings, reference, connections, endless=True)

    def visit(self, settings: Sequence[DeflateSettings]) -> Iterator[None]:
        """One turn: time these settings at some places of the corpus, one after another."""
        offset = golden_fraction(self._turns)
        self._turns += 1
        places = [(place + offset) / self._places for place in range(self._places)]
        number = self.samples.add_slice(self._lap * self._rounds)
        for group in in_groups(settings, self._reference):
            for item in _with_reference_between(group):
                self.samples.add(item, number, 0, self._sample(item, places))
                yield

    def _sample(self, settings: DeflateSettings, places: list[float]) -> Sample:
        points = [point for place in places for point in self._points(settings, place)][: self._lap]
        encode_ns = self._play_ns(
            PerMessageDeflate.encode,
            [point.context.sender for point in points],
            [point.plain for point in points],
        )
        decode_ns = self._play_ns(
            PerMessageDeflate.decode,
            [point.context.receiver for point in points],
            [point.encoded for point in points],
        )
        round_ns = encode_ns / self._rounds * self._connections / self._lap
        self._lead_rounds[settings] = min(LEAD_ROUNDS, math.ceil(LEAD_NS / round_ns))
        return Sample(encode_ns, decode_ns)

    def _points(self, settings: DeflateSettings, place: float) -> Iterator[_Point]:
        """Connections one message apart, from a place in the corpus: 0 its begin, 1 its end."""
        lead = self._lead_rounds[settings]
        number = int(place * sum(len(stream.messages) for stream in self._streams))
        for stream in self._streams:
            messages = stream.messages
            if number < len(messages):
                break
            number -= len(messages)
        settings = settings.one_way(stream.direction)
        # Whatever leads up to them, the timed messages are the same under all settings. The last
        # place is one with messages enough to come; where all streams are too short, they begin
        # again, on the same context.
        places = max(1, len(messages) - LEAD_ROUNDS - self._rounds + 1)
        context, at = WarmContext(messages, 0, settings), 0
        for timed in range(number, number + self._points_a_place):
            start = (timed % places + LEAD_ROUNDS - lead) % len(messages)
            if start == at + 1:
                context.advance(messages[at:start])
            else:
                context = WarmContext(messages, start, settings)
            at = start
            plain = [
                frame(messages[(start + ahead) % len(messages)])
                for ahead in range(lead + self._rounds)
            ]
            yield _Point(context.copy(), plain, context.encoded(plain))

    def _play_ns(
        self,
        method: Callable[[PerMessageDeflate, Frame], Frame],
        make_endpoints: Sequence[Callable[[], PerMessageDeflate]],
        frames: Sequence[Sequence[Frame]],
    ) -> int:
        """The time of one lap, summed over the timed rounds."""
        point_of = [position % len(frames) for position in range(self._lap)]
        sent = list(zip(*[frames[point] for point in point_of], strict=True))
        calm_ns: list[list[int]] = [[] for _ in sent]
        disturbed_ns: list[list[int]] = [[] for _ in sent]
        start_ns = time.perf_counter_ns()
        for _ in range(math.ceil(LAPS * self._lap / self._connections)):
            # Cut into laps at once: later, the list alone would bring endpoints into the cache.
            laps = [
                [make_endpoints[point]() for point in point_of[: self._connections - start]]
                for start in range(0, self._connections, self._lap)
            ]
            for number, of_round in enumerate(sent):
                for lap in laps:
                    self._gauge.await_calm()
                    lap_ns = run_each_ns(method, lap, of_round)
                    if len(lap) == self._lap:
                        kept_ns = calm_ns if self._gauge.was_calm() else disturbed_ns
                        kept_ns[number].append(lap_ns)
            del laps, lap
            if time.perf_counter_ns() - start_ns > LAPS_NS:
                break
        timed = range(len(sent) - self._rounds, len(sent))
        return sum(_first_quartile(calm_ns[number] or disturbed_ns[number]) for number in timed)


def _first_quartile(values: list[int]) -> int:
    return sorted(values)[len(values) // 4]


def _with_reference_between(group: list[DeflateSettings]) -> Iterator[DeflateSettings]:
    """The group, with the reference, its first, before every two others and at the end.

    The reference is in every ratio, so its error counts most.
    """
    reference, *others = group
    for position, item in enumerate(others):
        if position % 2 == 0:
            yield reference
        yield item
    yield reference

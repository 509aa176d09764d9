"""Message, Stream and Corpus: what is compressed, in the order in which it is sent."""

import bisect
import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from wsbench.errors import CorpusError
from wsbench.settings import Direction

# A client speaks first, so its stream comes first.
DIRECTIONS: tuple[Direction, ...] = ("client", "server")


class Message(msgspec.Struct, frozen=True, gc=False):
    """One WebSocket message.

    `data` is the payload as the application sends it: UTF-8 for a text message (`text` true),
    any bytes for a binary one.

    Raises:
        CorpusError: if a text message is not UTF-8.
    """

    data: bytes
    text: bool

    def __post_init__(self) -> None:
        if self.text:
            try:
                self.data.decode()
            except UnicodeDecodeError as error:
                raise CorpusError(
                    f"byte {error.start + 1} is not UTF-8, which a text message must be"
                ) from error


class Stream(msgspec.Struct, frozen=True):
    """The messages that one endpoint sends on one connection, in order.

    It is the unit of compression: with context takeover, a compression context lives exactly as
    long as one stream. `direction` names the sender: "server" sends to the client. The two streams
    of one connection have its number in `connection`; None is a connection that has no other.
    `times`, where they are known, say when each message was sent, in seconds since 1970.
    """

    messages: tuple[Message, ...]
    direction: Direction = "server"
    connection: int | None = None
    times: tuple[float | None, ...] | None = None


class Event(NamedTuple):
    """A message on a connection, sent by `direction`, or the end of the connection: None for both.

    After its end, events of the same number belong to another connection. `time` is in seconds
    since 1970, if it is known.
    """

    connection: int
    direction: Direction | None
    message: Message | None
    time: float | None = None


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts and the size distribution of a corpus; percentiles are sizes of real messages.

    `directions` are those that have messages, the client's first.
    """

    messages: int
    bytes: int
    streams: int
    connections: int
    directions: tuple[Direction, ...]
    text_messages: int
    binary_messages: int
    min_bytes: int
    median_bytes: int
    p95_bytes: int
    max_bytes: int


class Corpus(msgspec.Struct, frozen=True):
    """One or more streams under a name; `remarks` say what was left out when they were read."""

    name: str
    streams: tuple[Stream, ...]
    remarks: tuple[str, ...] = ()

    @classmethod
    def of_messages(
        cls, name: str, messages: Iterable[Message], direction: Direction = "server"
    ) -> "Corpus":
        """A corpus of one stream."""
        return cls(name, (Stream(tuple(messages), direction),))

    @classmethod
    def of_events(cls, name: str, events: Iterable[Event]) -> "Corpus":
        """A corpus of the streams that have messages, in the order in which they began."""
        begun: dict[int, dict[Direction, _Draft]] = {}
        drafts: list[_Draft] = []
        connections = itertools.count()
        for connection, direction, message, time in events:
            if direction is None or message is None:
                begun.pop(connection, None)
                continue
            of_connection = begun.setdefault(connection, {})
            draft = of_connection.get(direction)
            if draft is None:
                other = next(iter(of_connection.values()), None)
                number = next(connections) if other is None else other.connection
                draft = of_connection[direction] = _Draft(number, direction, [], [])
                drafts.append(draft)
            draft.messages.append(message)
            draft.times.append(time)
        return cls(name, tuple(map(_finished, drafts)))

    @property
    def sample(self) -> "Corpus":
        """The messages to measure where all of them would be too many: here, all of them."""
        return self

    def messages(self) -> Iterable[Message]:
        """Every message, stream after stream."""
        return (message for stream in self.streams for message in stream.messages)

    def events(self) -> Iterator[Event]:
        """Every message and the end of every connection, stream after stream."""
        left = Counter(stream.connection for stream in self.streams)
        free = (number for number in itertools.count() if number not in left)
        for stream in self.streams:
            connection = next(free) if stream.connection is None else stream.connection
            times = stream.times or itertools.repeat(None)
            for message, time in zip(stream.messages, times, strict=False):
                yield Event(connection, stream.direction, message, time)
            left[stream.connection] -= 1
            if stream.connection is None or not left[stream.connection]:
                yield Event(connection, None, None)

    def events_in_time(self) -> Iterator[Event]:
        """The same as they happened, as far as it is known when they did."""
        if all(stream.times is None for stream in self.streams):
            yield from self.events()
            return
        timed: list[tuple[float, int, Event]] = []
        latest: dict[tuple[int, Direction | None], float] = {}
        for event in self.events():
            if event.message is not None:
                key = event.connection, event.direction
                # No message comes before those that its stream has before it, whatever clocks say.
                latest[key] = max(event.time or 0.0, latest.get(key, 0.0))
                timed.append((latest[key], len(timed), event))
        left = Counter(event.connection for _, _, event in timed)
        for _, _, event in sorted(timed):
            yield event
            left[event.connection] -= 1
            if not left[event.connection]:
                yield Event(event.connection, None, None)

    def in_direction(self, direction: Direction) -> "Corpus":
        """What one side sends."""
        kept = tuple(stream for stream in self.streams if stream.direction == direction)
        return msgspec.structs.replace(self, streams=kept)

    def sent_by(self, direction: Direction) -> "Corpus":
        """What one side sends, or all if it is only known what the other does."""
        of_side = self.in_direction(direction)
        return of_side if of_side.streams else self

    def sha256(self) -> str:
        """Digest of the messages in hexadecimal, independent of the file they came from.

        Of each stream that has messages, the SHA-256 over `S` or `C` (the sending side) and, for
        each message, `T` or `B` (text, binary), the number of bytes (8 bytes, big endian) and the
        bytes. Of these digests, sorted, the SHA-256: in which order streams are is no matter.
        """
        digest = Digest()
        for event in self.events():
            digest.add(event)
        return digest.sha256()

    def statistics(self) -> Statistics:
        """Counts and sizes in bytes.

        Raises:
            ValueError: if the corpus has no messages. A loaded corpus has at least one.
        """
        counts = Counts()
        for event in self.events():
            counts.add(event)
        return counts.statistics()


class Digest:
    """The digest of a corpus, event by event; see `Corpus.sha256`."""

    def __init__(self) -> None:
        self._open: dict[int, dict[Direction, hashlib._Hash]] = {}
        self._ended: list[bytes] = []

    def add(self, event: Event) -> None:
        """Take in a message, or the end of a connection."""
        connection, direction, message, _ = event
        if direction is None or message is None:
            ended = self._open.pop(connection, {})
            self._ended += [digest.digest() for digest in ended.values()]
            return
        of_connection = self._open.setdefault(connection, {})
        digest = of_connection.get(direction)
        if digest is None:
            digest = of_connection[direction] = hashlib.sha256(direction[0].upper().encode())
        digest.update((b"T" if message.text else b"B") + len(message.data).to_bytes(8, "big"))
        digest.update(message.data)

    def sha256(self) -> str:
        """The digest of all that was taken in, in hexadecimal."""
        open_ = (digest.digest() for of in self._open.values() for digest in of.values())
        return hashlib.sha256(b"".join(sorted([*self._ended, *open_]))).hexdigest()


class Counts:
    """The statistics of a corpus, event by event, without keeping the messages."""

    def __init__(self) -> None:
        self._messages_of_size: Counter[int] = Counter()
        self._text_messages = 0
        self._connections = 0
        self._streams: Counter[Direction] = Counter()
        self._open: dict[int, set[Direction]] = {}

    def add(self, event: Event) -> None:
        """Count a message, or the end of a connection."""
        connection, direction, message, _ = event
        if direction is None or message is None:
            self._open.pop(connection, None)
            return
        sides = self._open.get(connection)
        if sides is None:
            sides = self._open[connection] = set()
            self._connections += 1
        if direction not in sides:
            sides.add(direction)
            self._streams[direction] += 1
        self._messages_of_size[len(message.data)] += 1
        self._text_messages += message.text

    def statistics(self) -> Statistics:
        """See `Corpus.statistics`."""
        messages = self._messages_of_size.total()
        if not messages:
            raise ValueError("a corpus without messages cannot be measured")
        sizes_bytes = sorted(self._messages_of_size)
        cumulated = list(itertools.accumulate(self._messages_of_size[size] for size in sizes_bytes))

        def percentile(percent: int) -> int:
            """The smallest size that at least `percent` % of the messages do not exceed."""
            rank = max(1, math.ceil(messages * percent / 100))
            return sizes_bytes[bisect.bisect_left(cumulated, rank)]

        return Statistics(
            messages=messages,
            bytes=sum(size * count for size, count in self._messages_of_size.items()),
            streams=self._streams.total(),
            connections=self._connections,
            directions=tuple(item for item in DIRECTIONS if self._streams[item]),
            text_messages=self._text_messages,
            binary_messages=messages - self._text_messages,
            min_bytes=sizes_bytes[0],
            median_bytes=percentile(50),
            p95_bytes=percentile(95),
            max_bytes=sizes_bytes[-1],
        )


class _Draft(NamedTuple):
    """A stream that is being put together."""

    connection: int
    direction: Direction
    messages: list[Message]
    times: list[float | None]


def _finished(draft: _Draft) -> Stream:
    is_timed = any(time is not None for time in draft.times)
    times = tuple(draft.times) if is_timed else None
    return Stream(tuple(draft.messages), draft.direction, draft.connection, times)

"""A corpus larger than memory: read again from its file for each use, with a sample in memory."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from wsbench.corpus.model import Corpus, Counts, Digest, Event, Message, Statistics, Stream
from wsbench.corpus.source import File
from wsbench.settings import Direction

# What a sample may take: payloads, and what Python takes for each message beside its bytes.
_SAMPLE_BYTES = 16 * 2**20
_MESSAGE_BYTES = 100
# A run of messages of one stream: several times the largest window.
_RUN_BYTES = 2**19

Reader = Callable[[File, Callable[[str], None]], Iterator[Event]]


class StreamedCorpus:
    """The messages of a file, of which a sample is held.

    It has what a `Corpus` has but `streams`; the `sample` is a Corpus of runs of messages that are
    spread evenly over the file, for what would take too long with all. Reading it again gives the
    same. It can be handed to other processes.
    """

    def __init__(
        self,
        name: str,
        file: File,
        read: Reader,
        direction: Direction | None = None,
        remarks: Iterable[str] = (),
    ) -> None:
        """Read the file once, for its statistics, its digest and the sample.

        With a `direction`, what the other side sends is passed over. `remarks` say what was left
        out before.

        Raises:
            CorpusError: if it cannot be read to its end.
        """
        self.name = name
        self._file = file
        self._read = read
        self._direction = direction
        noted = list(remarks)
        sample, counts, digest = _Sample(), Counts(), Digest()
        # Whether neither side sends anything.
        self.is_empty = True
        for event in self._read(self._file, noted.append):
            self.is_empty = self.is_empty and event.message is None
            if self._is_taken(event):
                counts.add(event)
                digest.add(event)
                sample.add(event)
        self.remarks = tuple(noted)
        self.sample = Corpus(name, tuple(sample.streams()))
        self._digest = digest.sha256()
        self._statistics: Statistics | None = None
        with contextlib.suppress(ValueError):
            self._statistics = counts.statistics()

    def __getstate__(self) -> dict[str, object]:
        # Other processes measure what is in the file; a copy of the sample would only take memory.
        return {**self.__dict__, "sample": Corpus(self.name, ())}

    def events(self) -> Iterator[Event]:
        """Every message and the end of every connection, as they are in the file."""
        return filter(self._is_taken, self._read(self._file, lambda _: None))

    def messages(self) -> Iterable[Message]:
        """Every message, as they are in the file."""
        return (event.message for event in self.events() if event.message is not None)

    def sha256(self) -> str:
        """See `Corpus.sha256`."""
        return self._digest

    def statistics(self) -> Statistics:
        """See `Corpus.statistics`."""
        if self._statistics is None:
            raise ValueError("a corpus without messages cannot be measured")
        return self._statistics

    def _is_taken(self, event: Event) -> bool:
        return self._direction is None or event.direction in (None, self._direction)


AnyCorpus = Corpus | StreamedCorpus


class _Run(NamedTuple):
    """Consecutive messages of one stream."""

    direction: Direction
    messages: list[Message]


class _Sample:
    """Every so-many-th run of messages; one in twice as many when they come to be too many."""

    def __init__(self) -> None:
        self._step = 1
        self._begun = 0
        self._kept: dict[int, _Run] = {}
        self._kept_bytes = 0
        # Of each stream, the number of its run, and what the run has so far.
        self._current: dict[int, dict[Direction, tuple[int, int]]] = {}

    def add(self, event: Event) -> None:
        connection, direction, message, _ = event
        if direction is None or message is None:
            self._current.pop(connection, None)
            return
        of_connection = self._current.setdefault(connection, {})
        number, run_bytes = of_connection.get(direction, (-1, _RUN_BYTES))
        if run_bytes >= _RUN_BYTES:
            number, run_bytes = self._begun, 0
            self._begun += 1
            if number % self._step == 0:
                self._kept[number] = _Run(direction, [])
        message_bytes = len(message.data) + _MESSAGE_BYTES
        of_connection[direction] = number, run_bytes + message_bytes
        if (run := self._kept.get(number)) is not None:
            run.messages.append(message)
            self._kept_bytes += message_bytes
            while self._kept_bytes > _SAMPLE_BYTES and len(self._kept) > 1:
                self._thin_out()

    def _thin_out(self) -> None:
        self._step *= 2
        self._kept = {n: run for n, run in self._kept.items() if n % self._step == 0}
        self._kept_bytes = sum(
            len(message.data) + _MESSAGE_BYTES
            for run in self._kept.values()
            for message in run.messages
        )

    def streams(self) -> Iterator[Stream]:
        # A run's context is its own: what came before it is not there.
        return (Stream(tuple(run.messages), run.direction) for run in self._kept.values())

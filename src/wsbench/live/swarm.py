"""Many clients of one server, in processes of their own."""

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from websockets.uri import WebSocketURI

from wsbench.corpus.model import Corpus, Message
from wsbench.errors import MeasurementError
from wsbench.live.child import Child, answers
from wsbench.live.clients import Command, Done, Failed, Leave, Open, Plan, Play, Progress, Reply
from wsbench.settings import Offer

# Clients report at least every 0.1 s if anything goes on, and give up by themselves otherwise.
_SILENCE_SECONDS = 60.0
# How many different sequences of messages are sent; each is compressed once by each process.
_SCRIPTS = 100
_PLAYED_BYTES = 32 * 2**20
# Opened, used and closed before anything counts: memory that a server takes at its first
# connections, and at its first disconnect, is none of a connection's.
_WARM_UP_CONNECTIONS = 5
_WARM_UP_MESSAGES = 2
WARM_UPS = _WARM_UP_CONNECTIONS * (1 + _WARM_UP_MESSAGES)


class Clients(NamedTuple):
    """How the clients of a swarm behave.

    There are so many `processes` of them, which have `in_flight` messages under way in all, and
    lose patience with a connection that does not open or answer within `timeout_seconds`. They
    connect from the addresses `sources` in turn, if there are any. `ca` is a file of certificates
    to trust; without `verify` all are trusted.
    """

    processes: int
    in_flight: int
    timeout_seconds: float
    sources: Sequence[str] = ()
    ca: str | None = None
    verify: bool = True


class Played(NamedTuple):
    """What came of a command: the server's `Sec-WebSocket-Extensions`, and round trips if timed."""

    negotiated: str
    round_trips_ns: list[int]


class Swarm:
    """The clients, from their start to the end of the block.

    They count connections `opened` and messages `answered`; `progress` is called at each report.

    Raises:
        MeasurementError: by every method, if the server does not do what it should, or a client
            process ends.
    """

    def __init__(
        self,
        uri: WebSocketURI,
        offer: Offer,
        corpus: Corpus,
        clients: Clients,
        *,
        echo: bool,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._progress = progress
        self._groups = 0
        self.opened = 0
        self.answered = 0
        streams = played_streams(corpus)
        with contextlib.ExitStack() as stack:
            self._children = [
                stack.enter_context(Child("wsbench.live.clients", "a client process"))
                for _ in range(clients.processes)
            ]
            in_flight = _shares(clients.in_flight, clients.processes)
            for first, child in enumerate(self._children):
                plan = Plan(
                    uri=uri,
                    ca=clients.ca,
                    verify=clients.verify,
                    sources=list(clients.sources),
                    offer=offer,
                    streams=streams,
                    scripts=max(_SCRIPTS, len(streams)),
                    first=first,
                    step=clients.processes,
                    echo=echo,
                    in_flight=max(1, in_flight[first]),
                    timeout_seconds=clients.timeout_seconds,
                )
                child.tell(plan)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def warm_up(self) -> str:
        """Open, use and close some connections; returns the server's `Sec-WebSocket-Extensions`."""
        group = self.open(_WARM_UP_CONNECTIONS)
        negotiated = self.play([group], 0, _WARM_UP_MESSAGES).negotiated
        self.leave()
        return negotiated

    def open(self, connections: int) -> int:
        """Open a group of connections, and return its number."""
        self._run([Open(share) for share in _shares(connections, len(self._children))])
        self._groups += 1
        return self._groups - 1

    def play(
        self, groups: Sequence[int], start: int, messages: int, *, timed: bool = False
    ) -> Played:
        """Send messages `start` to `start + messages - 1` on all connections of some groups."""
        play = Play(list(groups), start, messages, timed)
        done = self._run([play] * len(self._children))
        return Played(
            next((item.negotiated for item in done if item.negotiated), ""),
            [ns for item in done for ns in item.round_trips_ns],
        )

    def leave(self) -> None:
        """Close all connections properly."""
        self._run([Leave()] * len(self._children))
        self._groups = 0

    def _run(self, commands: Sequence[Command]) -> list[Done]:
        """Tell every process its command, and wait for all of them."""
        for child, command in zip(self._children, commands, strict=True):
            child.tell(command)
        done = []
        for reply in answers(self._children, Reply, _SILENCE_SECONDS):
            match reply:
                case Progress():
                    self.opened += reply.count if isinstance(commands[0], Open) else 0
                    self.answered += reply.count if isinstance(commands[0], Play) else 0
                    self._progress()
                case Failed():
                    raise MeasurementError(reply.reason)
                case Done():
                    done.append(reply)
            if len(done) == len(commands):
                break
        return done


def played_streams(corpus: Corpus) -> list[list[Message]]:
    """The messages that clients play: all of a corpus, or as many as are sensible to hand over."""
    streams, left_bytes = [], _PLAYED_BYTES
    for stream in corpus.streams:
        played = []
        for message in stream.messages:
            if left_bytes <= 0:
                break
            left_bytes -= len(message.data)
            played.append(message)
        if played:
            streams.append(played)
    return streams


def _shares(number: int, parts: int) -> list[int]:
    """A number in so many parts, which differ by at most one."""
    return [number // parts + (part < number % parts) for part in range(parts)]

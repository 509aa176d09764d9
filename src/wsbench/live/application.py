"""What the server under test answers: to messages, and to HTTP requests about its health."""

import itertools
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import psutil

from wsbench.corpus.model import Message

# What is served over HTTP, beside WebSocket connections at any path.
PAGES = ("health", "stats")


class Stats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a server is: connections open now and accepted so far, messages answered, its memory.

    `uss_bytes` is missing where the system does not tell, `traced_bytes` unless Python traces its
    allocations (`PYTHONTRACEMALLOC=1`).
    """

    connections: int
    accepted: int
    messages: int
    rss_bytes: int
    uss_bytes: int | None = None
    traced_bytes: int | None = None


class Session:
    """One open connection: its answers, and how many of them there were."""

    def __init__(self, replies: Iterator[str | bytes] | None) -> None:
        self.messages = 0
        self._replies = replies

    def answer(self, message: str | bytes) -> str | bytes:
        """What is sent back for a message: itself, or the next one of a corpus."""
        self.messages += 1
        return message if self._replies is None else next(self._replies)


class Application:
    """All sessions of a server, in one thread or in many.

    Without `replies` every message is echoed. With them, the first connection is answered with the
    first of them and what follows, the second from the second on, and so forth, round and round.
    """

    def __init__(self, replies: Sequence[Message] | None = None) -> None:
        self._replies: list[str | bytes] | None = None
        if replies is not None:
            self._replies = [m.data.decode() if m.text else m.data for m in replies]
        self._sessions: set[Session] = set()
        self._lock = threading.Lock()
        self._accepted = 0
        self._messages_of_the_past = 0

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that lasts as long as the block."""
        with self._lock:
            replies = None
            if self._replies is not None:
                first = self._accepted % len(self._replies)
                replies = itertools.islice(itertools.cycle(self._replies), first, None)
            session = Session(replies)
            self._accepted += 1
            self._sessions.add(session)
        try:
            yield session
        finally:
            with self._lock:
                self._sessions.remove(session)
                self._messages_of_the_past += session.messages

    def stats(self) -> Stats:
        """How the server is."""
        with self._lock:
            connections, accepted = len(self._sessions), self._accepted
            messages = self._messages_of_the_past + sum(item.messages for item in self._sessions)
        process = psutil.Process()
        try:
            uss_bytes = process.memory_full_info().uss
        except (psutil.Error, AttributeError):
            uss_bytes = None
        return Stats(
            connections=connections,
            accepted=accepted,
            messages=messages,
            rss_bytes=process.memory_info().rss,
            uss_bytes=uss_bytes,
            traced_bytes=tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else None,
        )

    def page(self, name: str) -> tuple[str, str]:
        """Media type and body of one of `PAGES`."""
        if name == "health":
            return "text/plain; charset=utf-8", "OK\n"
        return "application/json", msgspec.json.encode(self.stats()).decode() + "\n"


def page_name(target: str) -> str | None:
    """Which of `PAGES` an HTTP request asks for, if any."""
    name = target.partition("?")[0].strip("/")
    return name if name in PAGES else None

"""Kinds of corpora that can be generated: seeded, so that anyone gets the same messages."""

import itertools
import random
from collections.abc import Callable, Iterator

from wsbench.corpus.kinds.chat import chat
from wsbench.corpus.kinds.game import game
from wsbench.corpus.kinds.jsonrpc import jsonrpc
from wsbench.corpus.kinds.telemetry import telemetry
from wsbench.corpus.kinds.ticker import ticker
from wsbench.corpus.kinds.tokens import tokens
from wsbench.corpus.model import Corpus, Message
from wsbench.errors import CorpusError

KINDS: dict[str, Callable[[random.Random], Iterator[Message]]] = {
    "chat": chat,
    "ticker": ticker,
    "tokens": tokens,
    "jsonrpc": jsonrpc,
    "telemetry": telemetry,
    "game": game,
}


def generate(kind: str, *, messages: int, seed: int = 0) -> Corpus:
    """A corpus of one stream of `messages` messages, sent by the server.

    The same kind, number and seed give the same bytes, with every Python that wsbench is tested
    with, and a longer corpus begins with a shorter one of the same seed.

    Raises:
        CorpusError: if there is no such kind, or `messages` is less than 1.
    """
    if kind not in KINDS:
        raise CorpusError(f"no kind of corpus is called {kind!r}; choose one of {', '.join(KINDS)}")
    if messages < 1:
        raise CorpusError(f"a corpus needs at least 1 message, not {messages}")
    endless = KINDS[kind](random.Random(seed))
    return Corpus.of_messages(kind, itertools.islice(endless, messages))

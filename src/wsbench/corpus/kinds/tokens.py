"""tokens: the answers of a language model, streamed a token at a time."""

import random
import string
from collections.abc import Iterator

from wsbench.corpus.kinds.encoding import json_message
from wsbench.corpus.kinds.prose import sentence
from wsbench.corpus.model import Message


def tokens(rng: random.Random) -> Iterator[Message]:
    """Many tiny messages: a start, one message a token, and an end with the usage."""
    while True:
        answer_id = "gen-" + "".join(rng.choices(string.ascii_letters + string.digits, k=8))
        pieces = list(_answer(rng))
        yield json_message({"id": answer_id, "event": "start", "model": "assistant-large"})
        for piece in pieces:
            yield json_message({"id": answer_id, "delta": piece})
        yield json_message(
            {
                "id": answer_id,
                "event": "end",
                "finish_reason": "stop",
                "usage": {"prompt_tokens": rng.randrange(20, 2000), "tokens": len(pieces)},
            }
        )


def _answer(rng: random.Random) -> Iterator[str]:
    """The tokens of one answer of a few paragraphs, some of them lists."""
    for number in range(rng.randrange(2, 6)):
        if number:
            yield "\n\n"
        listed = rng.random() < 0.3
        for item in range(rng.randrange(2, 6)):
            if listed:
                yield f"{item + 1}"
                yield "."
            yield from _pieces(sentence(rng), leading_space=listed or item > 0)
            if listed:
                yield "\n"


def _pieces(text: str, *, leading_space: bool) -> Iterator[str]:
    """Text cut as byte pair encodings cut it: the space belongs to the word that follows,
    long words fall apart, punctuation stands alone.
    """
    for position, word in enumerate(text.split(" ")):
        bare = word.rstrip(".,:!?")
        piece = (" " if position or leading_space else "") + bare
        yield from (piece[start : start + 9] for start in range(0, len(piece), 9))
        yield from word[len(bare) :]

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.corpus import Corpus, Message, Stream
from wsbench.errors import CorpusError


def corpus_of_sizes(sizes: list[int]) -> Corpus:
    return Corpus.of_messages("sizes", [Message(b"x" * size, True) for size in sizes])


def test_digest_is_the_documented_sequence_of_bytes() -> None:
    corpus = Corpus(
        "two streams",
        (
            Stream((Message(b"hi", True), Message(b"", False)), "client"),
            Stream((Message(b"\xff", False),), "server"),
        ),
    )
    client = b"C" + b"T" + (2).to_bytes(8, "big") + b"hi" + b"B" + (0).to_bytes(8, "big")
    server = b"S" + b"B" + (1).to_bytes(8, "big") + b"\xff"
    of_streams = [hashlib.sha256(stream).digest() for stream in (client, server)]
    assert corpus.sha256() == hashlib.sha256(b"".join(sorted(of_streams))).hexdigest()


def test_digest_ignores_the_name_and_tells_all_else_apart() -> None:
    messages = [Message(b"ab", True), Message(b"c", True)]
    different = [
        Corpus.of_messages("a", messages),
        Corpus.of_messages("a", messages, "client"),
        Corpus.of_messages("a", messages[::-1]),
        Corpus.of_messages("a", [Message(b"a", True), Message(b"bc", True)]),
        Corpus.of_messages("a", [Message(b"ab", False), Message(b"c", True)]),
        Corpus("a", (Stream((messages[0],)), Stream((messages[1],)))),
    ]
    assert len({corpus.sha256() for corpus in different}) == len(different)
    assert Corpus.of_messages("b", messages).sha256() == different[0].sha256()


def test_statistics_of_one_to_hundred() -> None:
    statistics = corpus_of_sizes(list(range(100, 0, -1))).statistics()
    assert (statistics.messages, statistics.bytes, statistics.streams) == (100, 5050, 1)
    assert (statistics.min_bytes, statistics.median_bytes) == (1, 50)
    assert (statistics.p95_bytes, statistics.max_bytes) == (95, 100)


def test_statistics_count_text_and_binary_over_all_streams() -> None:
    text, binary = Message(b"t", True), Message(b"bb", False)
    statistics = Corpus("mixed", (Stream((text, binary)), Stream((binary,)))).statistics()
    assert (statistics.text_messages, statistics.binary_messages) == (1, 2)
    assert (statistics.bytes, statistics.streams) == (5, 2)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60))
def test_percentiles_are_sizes_that_enough_messages_do_not_exceed(sizes: list[int]) -> None:
    statistics = corpus_of_sizes(sizes).statistics()
    for percentile, percent in ((statistics.median_bytes, 50), (statistics.p95_bytes, 95)):
        assert percentile in sizes
        assert sum(size <= percentile for size in sizes) >= len(sizes) * percent / 100
        assert sum(size < percentile for size in sizes) < len(sizes) * percent / 100


def test_a_corpus_without_messages_has_no_statistics() -> None:
    with pytest.raises(ValueError, match="cannot be measured"):
        Corpus("none", ()).statistics()


def test_a_text_message_must_be_utf8() -> None:
    with pytest.raises(CorpusError, match="byte 3 is not UTF-8"):
        Message(b"ab\xff", True)

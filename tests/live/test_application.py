"""The server's application without a server: sessions, their answers, and what is told of them."""

import contextlib
import json
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.corpus import Message
from wsbench.live.application import PAGES, Application, page_name

LIMIT_SECONDS = 30


@given(st.lists(st.text() | st.binary(), max_size=20))
def test_messages_are_echoed_and_counted(messages: list[str | bytes]) -> None:
    application = Application()
    with application.session() as session:
        for count, message in enumerate(messages, 1):
            assert session.answer(message) is message
            assert session.messages == count
            assert application.stats().messages == count


@given(
    st.lists(
        st.builds(Message, st.text().map(str.encode), st.just(True))
        | st.builds(Message, st.binary(), st.just(False)),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.integers(0, 12), max_size=8),
)
def test_a_corpus_is_replied_round_and_round(corpus: list[Message], lengths: list[int]) -> None:
    """Session i starts with message i, however many answers the sessions before have had."""
    expected = [m.data.decode() if m.text else m.data for m in corpus]
    application = Application(corpus)
    with contextlib.ExitStack() as stack:
        for number, length in enumerate(lengths):
            session = stack.enter_context(application.session())
            replies = [session.answer(b"?") for _ in range(length)]
            assert replies == [expected[(number + turn) % len(expected)] for turn in range(length)]
    assert application.stats().messages == sum(lengths)


def test_sessions_are_counted_while_they_last_and_their_messages_for_ever() -> None:
    def counts() -> tuple[int, int, int]:
        stats = application.stats()
        return stats.connections, stats.accepted, stats.messages

    application = Application()
    assert counts() == (0, 0, 0)
    with application.session() as first:
        first.answer("a")
        # However it ends.
        with contextlib.suppress(KeyError), application.session() as second:
            second.answer("b")
            second.answer("c")
            assert counts() == (2, 2, 3)
            raise KeyError
        assert counts() == (1, 2, 3)
        first.answer("d")
    assert counts() == (0, 2, 4)


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns far more often than they do by themselves."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_share_it() -> None:
    """As many sessions start with each message of the corpus, and no message is lost."""
    corpus = [Message(bytes([number]), False) for number in range(100)]
    application = Application(corpus)
    firsts: list[str | bytes] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait(LIMIT_SECONDS)
        for _ in range(2000):
            with application.session() as session:
                firsts.append(session.answer("?"))
                session.answer("?")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert application.stats().connections <= 8
    for thread in threads:
        thread.join()
    stats = application.stats()
    assert (stats.connections, stats.accepted, stats.messages) == (0, 16_000, 32_000)
    assert Counter(firsts) == {message.data: 160 for message in corpus}


def test_memory_is_that_of_the_process() -> None:
    stats = Application().stats()
    memory = psutil.Process().memory_full_info()
    assert stats.rss_bytes == pytest.approx(memory.rss, rel=0.1)
    assert stats.uss_bytes == pytest.approx(memory.uss, rel=0.1)


def test_where_the_system_does_not_tell_something_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: psutil.Process) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    assert Application().stats().uss_bytes is None
    _, body = Application().page("stats")
    assert json.loads(body).keys() == {"connections", "accepted", "messages", "rss_bytes"}


def test_allocations_are_told_when_they_are_traced() -> None:
    application = Application()
    assert application.stats().traced_bytes is None
    tracemalloc.start()
    try:
        before = application.stats().traced_bytes
        block = bytes(1_000_000)
        after = application.stats().traced_bytes
    finally:
        tracemalloc.stop()
    assert before is not None and after is not None
    assert len(block) <= after - before < len(block) + 100_000


def test_pages() -> None:
    application = Application()
    with application.session() as session:
        session.answer("hello")
        assert application.page("health") == ("text/plain; charset=utf-8", "OK\n")
        media_type, body = application.page("stats")
    assert media_type == "application/json"
    assert body.endswith("}\n")
    stats = json.loads(body)
    assert (stats["connections"], stats["accepted"], stats["messages"]) == (1, 1, 1)


@pytest.mark.parametrize("name", PAGES)
def test_names_of_pages(name: str) -> None:
    for target in (f"/{name}", f"/{name}/", f"/{name}?", f"/{name}/?a=/b/&c"):
        assert page_name(target) == name
    for target in (f"/{name}s", f"/x/{name}", f"/{name}/x", f"/?{name}", f"/{name.upper()}"):
        assert page_name(target) is None


@pytest.mark.parametrize("target", ["", "/", "/?", "*", "/chat", "//"])
def test_anything_else_is_no_page(target: str) -> None:
    assert page_name(target) is None

import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from tests.strategies import odd_corpora

from wsbench.corpus import Corpus, Message
from wsbench.corpus.kinds import generate
from wsbench.measure import many_connections
from wsbench.measure.clock import Gauge
from wsbench.measure.many_connections import ManyConnections, most_connections, needed_bytes
from wsbench.results import Time, Traffic
from wsbench.settings import LADDER, REFERENCE, DeflateSettings


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[object], list[bytes]]]:
    """Who sent what, lap by lap, on its way to the real endpoints; the clock counts frames."""
    laps: list[tuple[list[object], list[bytes]]] = []

    def run(method, endpoints, frames):  # type: ignore[no-untyped-def]
        data = [method(*pair).data for pair in zip(endpoints, frames, strict=False)]
        laps.append((list(endpoints), data))
        return len(data) * 1000

    monkeypatch.setattr(many_connections, "run_each_ns", run)
    return laps


def visit(
    corpus: Corpus,
    settings: list[DeflateSettings],
    connections: int,
    traffic: Traffic = "independent",
    turns: int = 2,
) -> dict[DeflateSettings, Time]:
    method = ManyConnections(corpus, settings, REFERENCE, connections, traffic, Gauge(1))
    for _ in range(turns):
        list(method.visit(settings))
    return {item: method.samples.time(item) for item in settings if turns > 1}


def rounds(
    laps: list[tuple[list[object], list[bytes]]], connections: int
) -> Iterator[tuple[list[object], list[bytes]]]:
    """The laps, put together to rounds in which each of the connections sends a message."""
    everything = [pair for lap in laps for pair in zip(*lap, strict=True)]
    assert len(everything) % connections == 0
    for start in range(0, len(everything), connections):
        endpoints, data = zip(*everything[start : start + connections], strict=True)
        yield list(endpoints), list(data)


@pytest.mark.parametrize("connections", [2, 10, 99, 150, 1009])
def test_every_connection_sends_a_message_in_each_round(
    sent: list[tuple[list[object], list[bytes]]], connections: int
) -> None:
    visit(generate("chat", messages=300), [REFERENCE], connections, turns=1)
    for endpoints, _ in rounds(sent, connections):
        assert len(set(map(id, endpoints))) == connections


def test_connections_of_independent_traffic_are_at_different_messages(
    sent: list[tuple[list[object], list[bytes]]],
) -> None:
    corpus = Corpus.of_messages("numbers", [Message(b"%d" % i, True) for i in range(1000)])
    visit(corpus, [REFERENCE], 100, turns=1)
    # What is decoded is what was sent: the second half of what the turn does, and the plain data.
    decoded = {data for _, lap in sent for data in lap if data.isdigit()}
    first = next(lap for _, lap in sent if all(data.isdigit() for data in lap))
    assert len(set(first)) == 100
    assert decoded <= {message.data for message in corpus.messages()}
    # Spread over the corpus, not from one place of it.
    hundreds = {int(data) // 100 for data in first}
    assert len(hundreds) >= 8


def test_all_connections_of_a_broadcast_send_the_same_message(
    sent: list[tuple[list[object], list[bytes]]],
) -> None:
    visit(generate("chat", messages=300), [REFERENCE], 100, "broadcast", turns=1)
    assert all(len(set(lap)) == 1 for _, lap in sent)


def test_what_is_sent_is_what_a_warm_compressor_would_send(
    sent: list[tuple[list[object], list[bytes]]],
) -> None:
    """Every frame is one that zlib makes of some message after those that precede it."""
    messages = [message.data for message in generate("chat", messages=120).messages()]
    visit(Corpus.of_messages("c", [Message(data, True) for data in messages]), [REFERENCE], 20)
    compressor = zlib.compressobj(wbits=-12, memLevel=5)
    possible = {
        (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4] for data in messages
    }
    encoded = {data for _, lap in sent for data in lap} - set(messages)
    assert encoded
    assert encoded <= possible


def test_times_are_those_of_the_laps(sent: list[tuple[list[object], list[bytes]]]) -> None:
    """By a clock that counts frames, everything takes 1 µs a message."""
    times = visit(generate("chat", messages=300), list(LADDER), 250, turns=3)
    assert set(times) == set(LADDER)
    for settings, time in times.items():
        assert time.connections == 250
        assert time.rounds == 3
        assert time.encode_ns_per_message == time.decode_ns_per_message == 1000
        assert time.vs_reference == 0
        # Without any noise, what cannot be seen in one process remains.
        assert time.margin == pytest.approx(0 if settings == REFERENCE else 0.005)


@pytest.mark.parametrize("traffic", ["independent", "broadcast"])
@pytest.mark.parametrize("connections", [2, 130])
@pytest.mark.parametrize("corpus", odd_corpora, ids=lambda corpus: corpus.name)
def test_corpora_of_every_shape_are_timed(
    corpus: Corpus, connections: int, traffic: Traffic
) -> None:
    settings = [
        REFERENCE,
        DeflateSettings(15, 9),
        DeflateSettings(9, 1, context_takeover=False),
    ]
    for time in visit(corpus, settings, connections, traffic).values():
        assert time.encode_ns_per_message > 0
        assert time.decode_ns_per_message > 0


def test_the_memory_needed_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [REFERENCE, DeflateSettings(15, 8)]
    corpus = generate("chat", messages=500)
    visit(corpus, settings, 300, turns=1)
    tracemalloc.start()
    try:
        visit(corpus, settings, 300, turns=2)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 300 * 2**18 < peak_bytes <= needed_bytes(settings, 300)


@pytest.mark.parametrize("connections", [1, 10, 1000, 10**6])
def test_so_many_fit_as_are_said_to(connections: int) -> None:
    free_bytes = needed_bytes(LADDER, connections)
    assert most_connections(LADDER, free_bytes) == connections
    assert most_connections(LADDER, free_bytes - 1) == connections - 1
    assert most_connections(LADDER, 0) == 0


def test_a_large_context_is_slower_beside_many_others() -> None:
    """The turn-round: what one connection hides. 390 against 4 MiB of hash tables and windows."""
    corpus = generate("tokens", messages=2000)
    large, small = DeflateSettings(15, 9), DeflateSettings(9, 2)
    ratios = []
    for connections in (2, 1000):
        method = ManyConnections(
            corpus, [large, small], small, connections, "independent", Gauge(1)
        )
        for _ in range(3):
            list(method.visit([large, small]))
        ratios.append(method.samples.time(large).vs_reference)
    few, many = ratios
    assert many > few + 0.5


def test_two_turns_are_enough() -> None:
    method = ManyConnections(
        generate("chat", messages=300), [REFERENCE], REFERENCE, 10, "independent", Gauge(1)
    )
    list(method.visit([REFERENCE]))
    assert not method.samples.is_enough(REFERENCE)
    list(method.visit([REFERENCE]))
    assert method.samples.is_enough(REFERENCE)

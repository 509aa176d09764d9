"""A server under pressure: what is seen in it is what clients sent, and nothing is left of it."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from wsbench.corpus import Corpus, Message
from wsbench.errors import MeasurementError
from wsbench.live.buffered_server import Broadcast, Seen
from wsbench.live.kernel import Queued
from wsbench.live.pressure import Deadline, How, Pressure, TimeUp
from wsbench.live.script import Script, idle_script, script
from wsbench.settings import DeflateSettings, Implementation

REFERENCE = DeflateSettings(12, 5)
CORPUS = Corpus.of_messages("one", [Message(b"hello", True)])
LIMIT_SECONDS = 60
SIZE = 10_000
# Of a frame of 126 to 65,535 bytes that a client sends (RFC 6455, section 5.2).
HEADER_BYTES = 8
NOTHING = Queued(0, 0, 0, 0)
LIMITS = {"max_size": SIZE, "max_queue": 4, "ping_interval": None}

both = pytest.mark.parametrize("implementation", ["asyncio", "sync"])
linux = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux' /proc")


def how(implementation: Implementation = "asyncio", seconds: float = LIMIT_SECONDS) -> How:
    return How(implementation, None, Deadline(seconds))


def zeros() -> Script:
    return script("zeros", SIZE, CORPUS, None)


def servers() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
        and "wsbench.live.buffered_server" in process.cmdline()
    ]


@pytest.fixture(autouse=True)
def _no_server_is_left() -> Iterator[None]:
    assert not servers()
    yield
    assert not servers()


@both
def test_what_clients_sent_is_seen_and_taken_message_by_message(
    implementation: Implementation,
) -> None:
    frames = script("fragmented", 16_000, CORPUS, REFERENCE)
    limits = {"max_queue": 100, "ping_interval": None}
    with Pressure(how(implementation), REFERENCE, limits, frames) as pressure:
        assert len(servers()) == 1
        pressure.open_idle(2)
        assert [counts(seen) for seen in pressure.look().connections] == [(0, 1)] * 2
        first, second = pressure.flood.clients
        # Three messages in 16 frames each for one, and half a frame for the other.
        first.goal = frames.wire_bytes(frames.frames_of(4))
        second.goal = frames.wire_bytes(1) + HEADER_BYTES + 500
        sight = pressure.until(
            lambda sight: (
                sight.connections[0].frames == 48 and sight.connections[1].reader_bytes == 500
            ),
            LIMIT_SECONDS,
        )
        assert [counts(seen) for seen in sight.connections] == [(48, 1), (0, 1)]
        assert [seen.reader_bytes for seen in sight.connections] == [0, 500]
        assert [seen.state for seen in sight.connections] == ["OPEN"] * 2
        assert not any(seen.paused for seen in sight.connections)
        # It is not traced.
        assert (sight.traced_bytes, sight.traced_peak_bytes) == (None, None)
        # Each reads one: the second has to have it.
        second.goal = frames.wire_bytes(frames.frames_of(2))
        pressure.take(1)
        assert [counts(seen) for seen in pressure.look().connections] == [(32, 2), (0, 2)]
        pressure.flood.close([second])
        pressure.until(lambda sight: sight.connections[1].state == "CLOSED", LIMIT_SECONDS)
        pressure.take(2)
        gone = pressure.look().connections
        assert counts(gone[0]) == (0, 4)
        assert gone[0].open_seconds is None
        assert gone[1].open_seconds is not None
        pressure.forget()
        assert pressure.look().connections == []


def counts(seen: Seen) -> tuple[int, int]:
    return seen.frames, seen.taken


@linux
@both
def test_every_byte_that_a_client_sent_is_found_when_reading_has_paused(
    implementation: Implementation,
) -> None:
    frames = zeros()
    with Pressure(how(implementation), None, LIMITS, frames) as pressure:
        pressure.warm_up()
        assert pressure.look().connections == []
        (client,), _ = pressure.open_idle(1)
        for _ in range(2):
            client.goal = None
            sight = pressure.until_still(
                lambda sight: [(seen.frames, seen.reader_bytes) for seen in sight.connections],
                LIMIT_SECONDS,
            )
            (seen,) = sight.connections
            assert seen.paused
            # More than may wait, and no more than two reads bring.
            assert 4 < seen.frames < 4 + 2 * 262_144 / SIZE
            # The header of the unfinished frame is parsed, and no longer there.
            read_bytes = frames.wire_bytes(seen.taken + seen.frames) + seen.reader_bytes

            def missing_bytes(read_bytes: int = read_bytes) -> int:
                return client.sent_bytes - read_bytes - (pressure.queued() or NOTHING).inwards

            # What has come and is not acknowledged yet is in the kernel twice, for a moment.
            pressure.wait_for(lambda: missing_bytes() in (0, HEADER_BYTES), LIMIT_SECONDS)
            assert missing_bytes() in (0, HEADER_BYTES)
            assert (pressure.queued() or NOTHING).outwards == 0
            # Once the handler has read enough, the server reads on by itself.
            pressure.take(None)
            resumed = pressure.look().connections[0]
            assert resumed.taken > seen.taken
            assert resumed.frames + resumed.taken > 4


@both
def test_what_waits_in_the_queue_is_allocated(implementation: Implementation) -> None:
    frames = script("binary", 65_536, CORPUS, None)
    limits = {"max_queue": None, "ping_interval": None}
    with Pressure(how(implementation), None, limits, frames, traced=True) as pressure:
        pressure.warm_up()
        (client,), idle_bytes = pressure.open_idle(1)
        assert 1000 < idle_bytes < 100_000
        before = pressure.memory_bytes()
        client.goal = frames.wire_bytes(33)
        pressure.until(lambda sight: sight.connections[0].frames == 32, LIMIT_SECONDS)
        grown = pressure.memory_bytes() - before
        # A thread keeps what it has read last, too.
        assert 32 * 65_536 < grown < 32 * (65_536 + pressure.frame_bytes) + 70_000
        assert 50 < pressure.frame_bytes < 1000
        pressure.take(32)
        sight = pressure.look()
        assert sight.traced_bytes is not None and sight.traced_peak_bytes is not None
        assert sight.traced_bytes < before + 200_000
        # The peak is that since the last look.
        assert sight.traced_peak_bytes > before + 31 * 65_536
        again = pressure.look().traced_peak_bytes
        assert again is not None
        assert again < before + 2**20


def test_a_queue_without_compression_is_not_that_of_messages_refused() -> None:
    """A message beyond max_size closes its connection, and the server says why."""
    frames = script("zeros", SIZE + 1, CORPUS, None)
    with Pressure(how(), None, LIMITS, frames) as pressure:
        (client,), _ = pressure.open_idle(1)
        client.reads = True
        client.goal = frames.wire_bytes(2)
        sight = pressure.until(
            lambda sight: sight.connections[0].failure is not None, LIMIT_SECONDS
        )
        assert str(SIZE + 1) in str(sight.connections[0].failure)
        assert pressure.wait_for(lambda: client.close_code is not None, LIMIT_SECONDS)
        assert client.close_code == 1009


@both
def test_a_server_that_sends_is_stopped_by_a_client_that_does_not_read(
    implementation: Implementation,
) -> None:
    messages = [Message(b"x" * 50_000, False)]
    limits: dict[str, float | None] = {"ping_interval": None}
    if implementation == "asyncio":
        limits["write_limit"] = 100_000
    with Pressure(
        how(implementation), None, limits, idle_script(), sends=True, messages=messages
    ) as pressure:
        clients, _ = pressure.open_idle(2)
        assert [seen.sent for seen in pressure.look().connections] == [0, 0]
        clients[1].reads = True
        pressure.send()
        pressure.until(
            lambda sight: sight.connections[1].sent > 2 * sight.connections[0].sent > 0,
            LIMIT_SECONDS,
        )
        stuck, other = pressure.look().connections
        assert other.sent > 2 * stuck.sent > 0
        if implementation == "asyncio":
            # send() waits once more than that waits, which a message more may bring about.
            assert 100_000 < stuck.write_bytes <= 100_000 + 50_010
            assert stuck.write_allocated_bytes >= stuck.write_bytes
            assert other.sent * 50_000 > 2 * stuck.write_bytes
        else:
            assert (stuck.write_bytes, stuck.write_allocated_bytes) == (0, 0)


def test_broadcasting_goes_on_until_enough_waits_for_those_that_are_stuck() -> None:
    messages = [Message(b"x" * 50_000, False)]
    with Pressure(
        how(), None, {"ping_interval": None}, idle_script(), messages=messages
    ) as pressure:
        pressure.open_idle(2)
        pressure.flood.clients[1].reads = True
        grown = pressure.broadcast(Broadcast(1, None, 30, 2**20))
        assert grown.stopped == "bytes"
        assert (grown.samples[0].seconds, grown.samples[0].stuck_bytes) == (0, 0)
        assert grown.samples[-1].stuck_bytes >= 2**20
        # Nothing is added to that; the kernel may take some more of it.
        assert 0 < pressure.look().connections[0].write_bytes <= grown.samples[-1].stuck_bytes
        sent = 50_004 * grown.samples[-1].messages
        queued = pressure.queued()
        if queued is not None:
            # It went there, or into the kernel; the one that reads has read all, or nearly.
            rest = sent - grown.samples[-1].stuck_bytes
            assert 0 < rest <= queued.outwards + 200_000
        pressure.flood.close(pressure.flood.clients[:1])
        grown = pressure.broadcast(Broadcast(1, None, 30, 2**30))
        assert grown.stopped == "closed"
        # Ten a second are no more than that, however fast they are read.
        pressure.forget()
        pressure.open_idle(2)
        pressure.flood.clients[1].reads = True
        pressure.flood.clients[2].reads = True
        grown = pressure.broadcast(Broadcast(1, 10, 0.5, 2**30))
        assert grown.stopped == "seconds"
        assert 1 <= grown.samples[-1].messages <= 10 * grown.samples[-1].seconds + 1


# What users write, in a module in the current directory.
HANDLERS = """
import asyncio
print("imported")
async def waits(connection):
    print("opened")
    await connection.wait_closed()
async def closes(connection):
    pass
async def fails(connection):
    await connection.recv()
    raise RuntimeError("out of paper")
def polls(connection):
    for message in connection:
        pass
class Methods:
    async def __call__(self, connection):
        await connection.wait_closed()
methods = Methods()
number = 5
"""


@pytest.fixture
def handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_handlers.py").write_text(HANDLERS)
    (tmp_path / "broken.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("handler", "implementation", "complaint"),
    [
        ("no_such:f", "asyncio", "ModuleNotFoundError: No module named 'no_such'"),
        ("my_handlers:no_such", "asyncio", "AttributeError: .*no_such"),
        ("broken:f", "asyncio", "ZeroDivisionError: division by zero"),
        ("my_handlers:polls", "asyncio", "it is no function that asyncio can run; .*async def"),
        ("my_handlers:waits", "sync", "it is no function that sync can run; write def"),
        ("my_handlers", "asyncio", ".+"),
    ],
)
def test_a_handler_that_cannot_run_is_named(
    handler: str, implementation: Implementation, complaint: str
) -> None:
    with pytest.raises(MeasurementError, match=f"^{handler}: {complaint}"):
        Pressure(how(implementation), None, {}, idle_script(), handler=handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("handler", "implementation"),
    [
        ("my_handlers:waits", "asyncio"),
        ("my_handlers:methods", "asyncio"),
        ("my_handlers:polls", "sync"),
    ],
)
def test_a_users_handler_runs_and_may_print(handler: str, implementation: Implementation) -> None:
    with Pressure(
        how(implementation), None, {"ping_interval": None}, zeros(), handler=handler
    ) as pressure:
        pressure.flood.open(2)
        sight = pressure.until(lambda sight: len(sight.connections) == 2, LIMIT_SECONDS)
        assert [seen.state for seen in sight.connections] == ["OPEN"] * 2


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("handler", "reason"), [("closes", ""), ("fails", "out of paper")])
def test_why_a_handler_closed_a_connection(handler: str, reason: str) -> None:
    name = f"my_handlers:{handler}"
    with Pressure(
        how(), None, {"ping_interval": None, "close_timeout": 1}, zeros(), handler=name
    ) as pressure:
        (client,) = pressure.flood.open(1, reads=True)
        client.goal = pressure.flood.script.wire_bytes(1)
        pressure.until(
            lambda sight: any(seen.state == "CLOSED" for seen in sight.connections), LIMIT_SECONDS
        )
        said = pressure.why_closed()
        assert said.startswith(f"{name}: it closed a connection")
        assert reason in said


def test_echoes_come_back() -> None:
    frames = script("corpus", None, CORPUS, None)
    with Pressure(
        how(), None, {"ping_interval": None}, frames, echoes=True, app_bytes=2**24
    ) as pressure:
        before = pressure.memory_bytes()
        (client,) = pressure.flood.open(1)
        client.goal = frames.wire_bytes(10)
        sight = pressure.until(lambda sight: bool(sight.connections), LIMIT_SECONDS)
        assert sight.connections[0].state == "OPEN"
        queued = pressure.queued()
        if queued is not None:
            # Nine messages of 5 bytes and the first character, each with a header of 2 bytes.
            end = 9 * 7 + 3
            pressure.wait_for(lambda: (pressure.queued() or queued).outwards == end, 10)
            assert (pressure.queued() or queued).outwards == end
        assert pressure.memory_bytes() - before == pytest.approx(2**24, abs=2**22)


def test_the_time_is_up() -> None:
    ticks: list[int] = []
    deadline = Deadline(LIMIT_SECONDS, lambda: ticks.append(1))
    deadline.check()
    assert ticks == [1]
    over = Deadline(-1, lambda: ticks.append(2))
    with pytest.raises(TimeUp):
        over.check()
    assert ticks == [1, 2]


def test_nothing_goes_on_when_the_time_is_up() -> None:
    deadline = Deadline(LIMIT_SECONDS)
    with Pressure(How("asyncio", None, deadline), None, LIMITS, zeros()) as pressure:
        pressure.open_idle(1)
        # Waiting ends by itself, too, without what was waited for.
        assert not pressure.wait_for(lambda: False, 0.1)
        assert pressure.wait_for(lambda: True, 0.1)
        assert counts(pressure.until(lambda _: False, 0.1).connections[0]) == (0, 1)
        deadline._end = 0
        for wait in (
            pressure.look,
            lambda: pressure.take(0),
            lambda: pressure.pump(0),
            lambda: pressure.until(lambda _: False, LIMIT_SECONDS),
            lambda: pressure.until_still(lambda _: 0, LIMIT_SECONDS),
            lambda: pressure.wait_for(lambda: False, LIMIT_SECONDS),
            lambda: pressure.open_idle(1),
        ):
            with pytest.raises(TimeUp):
                wait()
        assert len(servers()) == 1


def test_a_module_that_takes_its_time_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.py").write_text("import time\n\ntime.sleep(3600)\n")
    monkeypatch.chdir(tmp_path)
    begin = time.monotonic()
    with pytest.raises(TimeUp):
        Pressure(how(seconds=1), None, LIMITS, idle_script(), handler="slow:handler")
    assert time.monotonic() - begin < LIMIT_SECONDS / 2


def test_a_server_that_ends_is_an_error_and_what_was_raised_goes_on() -> None:
    with Pressure(how(), None, LIMITS, zeros()) as pressure:
        pressure.open_idle(1)
        (server,) = servers()
        server.kill()
        with pytest.raises(MeasurementError, match="to be measured ended: it was killed by sig"):
            pressure.look()
    with pytest.raises(KeyError, match="mine"):
        _raise_within()
    assert not servers()


def _raise_within() -> None:
    with Pressure(how("sync"), None, LIMITS, zeros()) as pressure:
        (client,), _ = pressure.open_idle(1)
        client.goal = None
        pressure.pump(0.1)
        raise KeyError("mine")


def test_arguments_that_websockets_refuses_are_an_error() -> None:
    with pytest.raises(MeasurementError, match=r"to be measured ended: .*no_such"):
        Pressure(how(), None, {"no_such": 5}, idle_script())
    assert not servers()

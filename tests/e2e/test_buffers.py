"""wsbench buffers against websockets itself: what waits in it, and what users read of that.

What takes seconds, mostly of waiting, is measured by several commands at a time, from the start.
"""

import asyncio
import contextlib
import csv
import inspect
import io
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.server

from tests.e2e.orphans import MARK, marked_environment, wait_for_no_process

pytestmark = pytest.mark.usefixtures("no_orphans")

KIB = 1024
MIB = 1024 * KIB
LIMIT_SECONDS = 120
AT_A_TIME = 5
# What asyncio reads at once, as strace shows it.
READ_BYTES = 256 * KIB
SERVER = "wsbench.live.buffered_server"
# There is no bomb without compression: nothing but the advice is measured, in a second.
ADVICE = ("--scenario", "bomb", "--settings", "off")
APPLICATION = ("--scenario", "application", "--app-connections", "10", "--settings", "off")

Run = Callable[..., subprocess.CompletedProcess[str]]
Measured = dict[str, tuple[subprocess.CompletedProcess[str], Path]]


class Started(NamedTuple):
    """Commands under way, and the folder they save in."""

    folder: Path
    runs: dict[str, "Future[subprocess.CompletedProcess[str]]"]


MESSAGES = [f'{{"id": {number}, "text": "{"ab " * number}"}}' for number in range(10, 110, 7)]
# A header has 2 bytes, and 2 more for a message of 126 bytes or more (RFC 6455, section 5.2).
FRAME_BYTES = statistics.fmean(len(item) + (2 if len(item) < 126 else 4) for item in MESSAGES)
KEPT = ["x" * 2000, "y" * 1000]

HANDLERS = """\
import asyncio

async def keeps(connection):
    kept = []
    async for message in connection:
        print("kept", message)
        kept.append(message)
        await connection.send(message)

async def fails(connection):
    async for message in connection:
        raise ValueError("out of luck")

async def leaves(connection):
    await connection.recv()

def threaded(connection):
    for message in connection:
        connection.send(message)

number = 3
"""

SLOW_READER = ("--scenario", "slow-reader")
BINARY = (*SLOW_READER, "--settings", "off", "--payload", "binary")
RUNS: dict[str, tuple[str, ...]] = {
    "clients": (
        *("messages.txt", "--scenario", "slow-client", "--settings", "off", "--write-limit"),
        *("4KiB", "--write-limit", "64KiB", "--ping-interval", "0.5", "--ping-timeout", "0.5"),
    ),
    "corpus": (
        *("messages.txt", *SLOW_READER, "--settings", "12/5", "--max-queue", "4"),
        *("--max-size", "64KiB", "--payload", "corpus"),
    ),
    "large": (*BINARY, "--max-queue", "1", "--max-queue", "3", "--max-size", "512KiB"),
    "zeros": (
        *(*SLOW_READER, "--settings", "12/5", "--payload", "zeros", "--max-queue", "1"),
        *("--max-size", "4KiB"),
    ),
    "kept bytes": (*APPLICATION, "--app-bytes", "64KiB"),
    "threads": (
        *(*SLOW_READER, "--implementation", "sync", "--settings", "12/5", "--payload", "zeros"),
        *("--payload", "small", "--max-queue", "4", "--max-size", "4KiB"),
    ),
    "kept messages": ("kept.txt", *APPLICATION, "--handler", "handlers:keeps"),
    "bombs": ("--scenario", "bomb", "--max-size", "4KiB", "--max-size=64KiB", "--max-size=1MiB"),
    "broadcast": (
        # Large ones, so that the kernel's buffers are soon full on a busy machine, too.
        *("kept.txt", "--scenario", "broadcast", "--stuck", "1", "--fast", "1"),
        # A ping would close the connection before much has been sent.
        *("--settings", "off", "--ping-interval", "none", "--ping-timeout", "none"),
    ),
    "thread clients": (
        *("--scenario", "slow-client", "--implementation", "sync", "--settings", "off"),
        *("--ping-interval", "0.5", "--ping-timeout", "0.5"),
    ),
    "larger": (*BINARY, "--max-queue", "1", "--max-size", "1MiB"),
    "TLS": (*(*BINARY, "--max-queue", "4", "--max-size", "64KiB", "--tls", "cert.pem", "key.pem"),),
}


def needs(*names: str) -> pytest.MarkDecorator:
    """The `RUNS` that a test judges."""
    return pytest.mark.parametrize("runs", [names], ids=[",".join(names)])


def write_files(folder: Path) -> None:
    (folder / "messages.txt").write_text("\n".join(MESSAGES) + "\n")
    (folder / "kept.txt").write_text("\n".join(KEPT) + "\n")
    (folder / "handlers.py").write_text(HANDLERS)


@pytest.fixture(scope="module", autouse=True)
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Started]:
    """All of `RUNS` that chosen tests need, under way."""
    folder = tmp_path_factory.mktemp("runs")
    write_files(folder)
    needed = {
        name
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
        if hasattr(item, "callspec")
        for name in item.callspec.params.get("runs", ())
    }
    if "TLS" in needed:
        make_certificate(folder)
    environment = marked_environment()
    command = Path(sys.executable).parent / "wsbench"

    def run(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command, "buffers", *RUNS[name], "--save", f"{name}.json"],
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment,
            timeout=LIMIT_SECONDS,
        )

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield Started(folder, {name: pool.submit(run, name) for name in RUNS if name in needed})
        pool.shutdown(cancel_futures=True)
    wait_for_no_process(environment[MARK])


def make_certificate(folder: Path) -> None:
    if shutil.which("openssl") is not None:
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost"),
            ],
            cwd=folder,
            check=True,
            capture_output=True,
        )


@pytest.fixture
def measured(started: Started, runs: tuple[str, ...]) -> Measured:
    """What the `RUNS` of a test printed, and the records they saved."""
    if "TLS" in runs and shutil.which("openssl") is None:
        pytest.skip("makes a certificate with openssl")
    result: Measured = {}
    for name in runs:
        done = started.runs[name].result(LIMIT_SECONDS * len(RUNS))
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        result[name] = done, started.folder / f"{name}.json"
    return result


def buffers_of(run: tuple[subprocess.CompletedProcess[str], Path]) -> Any:
    record = json.loads(run[1].read_text())
    assert record["partial"] is False
    return record["buffers"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_files(tmp_path)
    return tmp_path


def mistakes(done: subprocess.CompletedProcess[str]) -> list[str]:
    lines = done.stderr.splitlines()
    return [line for line in lines if not line.startswith("wsbench: warning:")]


def deflated_bytes(data: bytes, *, window_bits: int, memory_level: int) -> int:
    """What a message takes deflated, after others like it, without the end that is cut off."""
    compressor = zlib.compressobj(wbits=-window_bits, memLevel=memory_level)
    for _ in range(3):
        deflated = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return len(deflated) - len(b"\0\0\xff\xff")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--max-size 4KB", "'4KB': write a number of bytes"),
        ("--max-queue 0", "'0': write a number of frames, from 1"),
        ("--write-limit 4KiB --implementation sync", "--write-limit: threads have no such limit"),
        ("--ping-interval 0", "'0': write a number of seconds"),
        ("--handler chat", "--handler chat: write MODULE:FUNCTION"),
        ("--handler a:b --app-bytes 1KiB", "--handler and --app-bytes: choose one"),
        ("--app-connections 9", "--app-connections"),
        ("--rate nan", "rate nan: choose a finite number"),
        ("--max-seconds 0", "--max-seconds"),
        ("--tls no.pem no.pem", "--tls no.pem no.pem: No such file"),
        ("no-such-file.json", "no-such-file.json: No such file"),
        ("--settings browser", "such as 12/5"),
        ("--format grid", "grid"),
        ("--save no-such-folder/r.json", "--save no-such-folder/r.json: No such file"),
        ("--scenario application --handler handlers:nobody", "handlers:nobody: AttributeError"),
        ("--scenario application --handler nowhere:x", "nowhere:x: ModuleNotFoundError"),
        ("--scenario application --handler handlers:number", "handlers:number: it is no function"),
        (
            "--scenario application --handler handlers:threaded",
            "handlers:threaded: it is no function that asyncio can run; write async def",
        ),
        (
            "--scenario application --handler handlers:keeps --implementation sync",
            "handlers:keeps: it is no function that sync can run; write def",
        ),
        (
            "--scenario application --handler handlers:fails --app-connections 10",
            "handlers:fails: it closed a connection: ValueError: out of luck",
        ),
        (
            "--scenario application --handler handlers:leaves --app-connections 10",
            "handlers:leaves: it closed a connection",
        ),
    ],
)
def test_a_mistake_is_one_line(arguments: str, message: str, wsbench: Run, files: Path) -> None:
    done = wsbench("buffers", *arguments.split())
    assert done.returncode == 2
    assert len(mistakes(done)) == 1, done.stderr
    assert mistakes(done)[0].startswith("wsbench: ")
    assert message in mistakes(done)[0]


def test_a_corpus_that_is_not_accepted_is_left_out(wsbench: Run, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("a" * 5000 + "\nb\n")
    done = wsbench(
        *("buffers", "corpus.txt", *SLOW_READER, "--settings", "off", "--payload", "corpus"),
        *("--max-size", "4KiB", "--format", "json"),
    )
    assert done.returncode == 0
    assert mistakes(done) == []
    (warning,) = done.stderr.splitlines()
    assert "slow reader, corpus, off" in warning
    assert "the largest message, 5,000 bytes, is larger than max_size, 4,096" in warning
    record = json.loads(done.stdout)
    assert record["buffers"].get("slow_readers", []) == []
    assert [f"wsbench: warning: {item}" for item in record["warnings"]] == [warning]


@pytest.mark.parametrize("implementation", ["asyncio", "sync"])
def test_defaults_are_those_of_the_installed_websockets(
    implementation: str, wsbench: Run, tmp_path: Path
) -> None:
    done = wsbench("buffers", *ADVICE, "--implementation", implementation, "--save", "r.json")
    assert done.returncode == 0, done.stderr
    serve: Any = getattr(websockets, implementation).server.serve
    own = {name: item.default for name, item in inspect.signature(serve).parameters.items()}
    record = json.loads((tmp_path / "r.json").read_text())["buffers"]
    for name in ("max_size", "max_queue", "write_limit"):
        assert record["defaults"].get(name) == own.get(name)
    for name in ("ping_interval", "ping_timeout", "close_timeout"):
        assert record["keepalive"][name] == own[name]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Its defaults: ")]
    write_limit = "no write_limit"
    if implementation == "asyncio":
        write_limit = f"write_limit {own['write_limit'] // KIB} KiB"
    for text in (
        f"max_size {own['max_size'] // MIB} MiB",
        f"max_queue {own['max_queue']}",
        write_limit,
        f"ping_interval {own['ping_interval']} s",
        f"ping_timeout {own['ping_timeout']} s",
    ):
        assert text in line


def test_the_advice_is_what_a_server_can_run_with(wsbench: Run, tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    folder.mkdir()
    generator = random.Random(0)
    # What does not compress is largest on the wire.
    messages = [generator.randbytes(size) for size in (10, 3000, 100, 2000, 1)]
    for number, message in enumerate(messages):
        (folder / f"{number}.bin").write_bytes(message)
    # None of the rows can be measured, which saves time, and the advice is given all the same.
    done = wsbench(
        *("buffers", "messages", "--burst", 7, "-n", 10, "--settings", "12/5", *SLOW_READER),
        *("--payload", "corpus", "--max-size", "1KiB"),
    )
    assert done.returncode == 0, done.stderr
    assert "The largest of these messages has 3,000 bytes. For 7 messages at once" in done.stdout
    assert "10 connections, 12/5, idle: " in done.stdout
    code = [line.removeprefix("    ") for line in done.stdout.splitlines() if line[:4] == "    "]
    assert code[0] == "from websockets.asyncio.server import serve"
    match = re.fullmatch(
        r"async with (serve\(handler, host, port, max_size=(\d+), max_queue=(\d+)\)) as server:",
        code[1],
    )
    assert match is not None, code
    call, max_size, max_queue = match[1], int(match[2]), int(match[3])
    assert max_queue == 7
    assert max_size % KIB == 0
    assert 3000 <= max_size < 3000 * 1.05 + KIB

    async def play() -> list[str | bytes]:
        may_read = asyncio.Event()

        async def handler(connection: websockets.asyncio.server.ServerConnection) -> None:
            await may_read.wait()
            async for message in connection:
                await connection.send(message)

        names = {"serve": websockets.asyncio.server.serve, "handler": handler}
        async with eval(call, {**names, "host": "127.0.0.1", "port": 0}) as server:
            port = server.sockets[0].getsockname()[1]
            # The client compresses as the server does by default, and accepts any message.
            async with websockets.asyncio.client.connect(
                f"ws://127.0.0.1:{port}", max_size=None, proxy=None
            ) as client:
                for _ in range(7):
                    await client.send(messages[1])
                may_read.set()
                return [await client.recv() for _ in range(7)]

    answers = asyncio.run(asyncio.wait_for(play(), LIMIT_SECONDS))
    assert answers == [messages[1]] * 7


def test_an_end_in_time_is_no_failure(wsbench: Run, tmp_path: Path) -> None:
    begin = time.monotonic()
    done = wsbench(
        *("buffers", "--scenario", "bomb", "--max-size", "4KiB", "--max-size", "64KiB"),
        *("--max-seconds", 1.5, "--save", "r.json"),
    )
    assert time.monotonic() - begin < 30
    assert done.returncode == 0
    assert mistakes(done) == []
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["partial"] is True
    # 1, 16 and 64 MiB of zeros, in one frame and in many, for each limit; and the advice.
    missing = 13 - len(record["buffers"].get("bombs", []))
    assert missing > 0
    warning = f"after 1.5 s, {missing} of 13 rows were not measured; allow more with --max-seconds"
    assert done.stderr == f"wsbench: warning: {warning}\n"
    assert "Partial: the measurement did not finish" in done.stdout
    assert f"Warning: {warning}" in done.stdout
    assert record["buffers"].get("advice") is None
    assert "max_queue=" not in done.stdout


def start_bombs(command: Path, folder: Path, *, servers: int) -> subprocess.Popen[str]:
    """A command that has started so many servers, one after another."""
    process = subprocess.Popen(
        [
            *(command, "buffers", "--scenario", "bomb", "--save", "part.json"),
            *("--max-size", "4KiB", "--max-size", "64KiB", "--max-size", "1MiB"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    seen: set[int] = set()
    deadline = time.monotonic() + LIMIT_SECONDS
    while len(seen) < servers:
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                if SERVER in " ".join(child.cmdline()):
                    seen.add(child.pid)
            except psutil.Error:
                continue
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    return process


def test_ctrl_c_prints_what_was_measured(command: Path, tmp_path: Path) -> None:
    process = start_bombs(command, tmp_path, servers=4)
    try:
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors == "wsbench: interrupted: the results are partial\n"
    assert "Partial: the measurement did not finish" in output
    record = json.loads((tmp_path / "part.json").read_text())
    assert record["partial"] is True
    rows = [line for line in output.splitlines() if re.match(r"12/5 +\d+ [KM]iB ", line)]
    # All that servers were started for, but for the last.
    assert 3 <= len(rows) == len(record["buffers"]["bombs"]) < 18


def test_nothing_is_left_of_a_killed_measurement(command: Path, tmp_path: Path) -> None:
    process = start_bombs(command, tmp_path, servers=2)
    process.kill()
    process.communicate(timeout=60)
    # The rest is up to the fixture that looks for orphans.


def test_a_killed_server_is_one_line(command: Path, tmp_path: Path) -> None:
    process = start_bombs(command, tmp_path, servers=2)
    try:
        # Each lasts for a moment only, so that the one seen last can be gone.
        deadline = time.monotonic() + 60
        while process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 2
    assert len(errors.splitlines()) == 1
    assert "Traceback" not in errors
    assert "killed by signal 9" in errors
    assert "Partial" in output


@needs("bombs")
def test_bombs_are_refused_at_the_cost_of_what_is_accepted(measured: Measured) -> None:
    rows = buffers_of(measured["bombs"])["bombs"]
    sizes = [4 * KIB, 64 * KIB, MIB]
    zeros = [MIB, 16 * MIB, 64 * MIB]
    assert [(row["max_size"], row["payload_bytes"], row["is_fragmented"]) for row in rows] == [
        (size, payload, is_fragmented)
        for size in sizes
        for payload in zeros
        for is_fragmented in (False, True)
    ]
    for row in rows:
        fits = row["payload_bytes"] <= row["max_size"]
        assert row.get("close_code") == (None if fits else 1009)
        assert 0 < row["peak_bytes"] <= row["bound_bytes"]
        # Nothing near what it would inflate to.
        read_bytes = READ_BYTES + 2 * row["wire_bytes"]
        assert row["bound_bytes"] <= 2 * row["max_size"] + read_bytes + 16 * KIB
        if not row["is_fragmented"]:
            compressor = zlib.compressobj(wbits=-12, memLevel=5)
            deflated = compressor.compress(bytes(row["payload_bytes"]))
            deflated += compressor.flush(zlib.Z_SYNC_FLUSH)
            # The header has up to 14 bytes, and there may be another block.
            assert row["wire_bytes"] == pytest.approx(len(deflated), abs=20)
    printed = measured["bombs"][0].stdout
    assert printed.count("refused with 1009") == 16
    assert printed.count("accepted") == 2


@needs("large", "larger", "zeros", "corpus", "threads", "TLS")
def test_what_waits_in_the_queue_explains_what_is_allocated(measured: Measured) -> None:
    count = 0
    for name, run in measured.items():
        buffers = buffers_of(run)
        assert buffers["tls"] is (name == "TLS")
        assert buffers["implementation"] == ("sync" if name == "threads" else "asyncio")
        for row in buffers["slow_readers"]:
            limits, allocated = row["limits"], row["allocated_bytes"]
            assert row["is_stopped"] is True
            assert row["explained_bytes"] == pytest.approx(allocated, rel=0.15), row
            assert row["accounted"] == pytest.approx(1, abs=0.02), row
            assert allocated <= 1.05 * row["reach_bytes"], row
            assert row["bound_bytes"] == limits["max_queue"] * limits["max_size"]
            assert row["resident_bytes"] > 0
            assert row["queued_frames"] > limits["max_queue"]
            assert row["server_kernel_bytes"] + row["client_kernel_bytes"] > 0
            assert row["growth"][0] == [0.0, 0]
            assert max(point[1] for point in row["growth"]) <= allocated + KIB
            count += 1
        assert "Bound: max_queue × max_size" in run[0].stdout
        assert "The frames in the queue and the unfinished one explain" in run[0].stdout
        assert "goes on" not in run[0].stdout
    assert count == 2 + 1 + 1 + 1 + 2 + 1


@needs("large", "larger")
def test_what_waits_is_a_matter_of_the_limits(measured: Measured) -> None:
    """Frames larger than a read: when it has one too many, all there may be is a part of one."""
    one, three = buffers_of(measured["large"])["slow_readers"]
    (larger,) = buffers_of(measured["larger"])["slow_readers"]
    for row, queue, size in ((one, 1, 512 * KIB), (three, 3, 512 * KIB), (larger, 1, MIB)):
        assert (row["limits"]["max_queue"], row["limits"]["max_size"]) == (queue, size)
        frames = (queue + 1) * size
        assert frames <= row["allocated_bytes"] <= 1.02 * (frames + READ_BYTES)
        assert row["queued_frames"] == queue + 1
        assert row["payload_bytes"] == size
    assert one["allocated_bytes"] < three["allocated_bytes"] - 1.5 * 512 * KIB
    assert one["allocated_bytes"] < larger["allocated_bytes"] - 1.5 * 512 * KIB


@needs("zeros", "threads")
def test_small_frames_wait_inflated(measured: Measured) -> None:
    (row,) = buffers_of(measured["zeros"])["slow_readers"]
    rows = {item["payload"]: item for item in buffers_of(measured["threads"])["slow_readers"]}
    threads = rows["zeros"]
    # A header of 2 bytes, and a mask of 4.
    wire = 6 + deflated_bytes(bytes(4 * KIB), window_bits=12, memory_level=5)
    for item in (row, threads):
        assert item["wire_bytes"] / item["messages"] == pytest.approx(wire, rel=0.02)
        each = item["allocated_bytes"] / item["queued_frames"]
        assert 4 * KIB < each < 1.1 * 4 * KIB
    # One read of such frames, on top of a queue that had room for one more.
    assert READ_BYTES / wire / 2 < row["queued_frames"] <= READ_BYTES / wire + 3
    # Threads read 64 KiB at once.
    assert threads["queued_frames"] <= 64 * KIB / wire + 6
    assert row["allocated_bytes"] > 1000 * row["bound_bytes"]
    # Short messages take more for what is around them than for themselves.
    small = rows["small"]
    each = small["allocated_bytes"] / small["queued_frames"]
    assert sys.getsizeof(b"") + small["payload_bytes"] < each < 400


@needs("clients")
def test_what_is_sent_waits_up_to_the_limit(measured: Measured) -> None:
    idle, small, large = buffers_of(measured["clients"])["slow_clients"]
    largest = max(map(len, MESSAGES)) + 4
    for row, limit in ((small, 4 * KIB), (large, 64 * KIB)):
        assert row["write_limit"] == limit
        assert row["is_sending"] is True
        # Sending waits when there is more than the limit.
        assert limit < row["buffered_bytes"] <= limit + largest
        assert row["server_kernel_bytes"] > 0
        assert row["client_kernel_bytes"] > 0
        waiting = row["buffered_bytes"] + row["server_kernel_bytes"] + row["client_kernel_bytes"]
        assert waiting == pytest.approx(row["messages"] * FRAME_BYTES, rel=0.02)
        assert limit < row["allocated_bytes"] < 2 * limit + 8 * KIB
    assert idle["is_sending"] is False
    assert (idle["messages"], idle["buffered_bytes"]) == (0, 0)
    closing = idle["closing"]
    keepalive = closing["keepalive"]
    assert (keepalive["ping_interval"], keepalive["ping_timeout"]) == (0.5, 0.5)
    # A ping, a wait for its answer, and for an end of the connection.
    assert 0.9 <= closing["seconds"] <= 0.5 + 0.5 + keepalive["close_timeout"] + 3
    assert closing["states"] == {"CLOSED": 2}
    printed = measured["clients"][0].stdout
    row = next(line for line in printed.splitlines() if "nothing" in line)
    assert row.rstrip().split("  ")[-1].strip().startswith("after ")


@needs("thread clients")
def test_threads_have_no_limit_of_what_is_sent(measured: Measured) -> None:
    done, _ = measured["thread clients"]
    rows = [line for line in done.stdout.splitlines() if re.match("off  ", line)]
    assert len(rows) == 2
    assert all("no such limit" in row for row in rows)
    _, row = buffers_of(measured["thread clients"])["slow_clients"]
    assert row.get("write_limit") is None
    assert row["is_sending"] is True
    # A thread waits for the kernel: all that there is of a buffer is a message.
    assert row["buffered_bytes"] < KIB
    assert row["server_kernel_bytes"] + row["client_kernel_bytes"] > 0


@needs("broadcast")
def test_a_broadcast_piles_up_for_those_that_are_stuck(measured: Measured) -> None:
    (row,) = buffers_of(measured["broadcast"])["broadcasts"]
    assert (row["fast"], row["stuck"], row.get("rate")) == (1, 1, None)
    assert row["fast_buffered_bytes"] < 64 * KIB
    assert row["buffered_bytes"] > MIB
    # Next to nothing but that waits.
    assert row["stopped"] in ("bytes", "seconds")
    assert row["closing"]["states"] == {"OPEN": 1}
    # All that was sent waits: in the process, and in the kernel, which may take more for a while.
    frame_bytes = statistics.fmean(map(len, KEPT)) + 4
    sent = row["messages"] * frame_bytes
    assert row["growth_bytes_per_message"] is not None, row
    assert 0.7 < row["growth_bytes_per_message"] / frame_bytes < 1.05
    assert row["buffered_bytes"] + row["kernel_bytes"] == pytest.approx(sent, rel=0.02)
    assert row["kernel_bytes"] > 0
    assert row["resident_bytes"] > 0.8 * row["buffered_bytes"]
    printed = measured["broadcast"][0].stdout
    assert f"  {row['growth_bytes_per_message'] / KIB:.1f} KiB " in printed
    assert "1 fast, 1 stuck" in printed


@needs("kept bytes", "kept messages")
def test_what_an_application_adds(measured: Measured) -> None:
    for name, run in measured.items():
        (row,) = buffers_of(run)["applications"]
        assert row["connections"] == 10
        parts = (
            row["process_bytes"]
            + row["connections"] * (row["connection_bytes"] + row["application_bytes"])
            + row["stuck"] * row["buffer_bytes"]
        )
        # Each of the numbers is rounded.
        assert parts == pytest.approx(row["total_bytes"], abs=2 * 10 + 3 + 1)
        if name == "kept bytes":
            added = 64 * KIB
            assert row["handler"] == "echo"
        else:
            # Python's own account of strings, and the list's of what is in it.
            kept = (KEPT * row["messages"])[: row["messages"]]
            added = sum(map(sys.getsizeof, kept)) + sys.getsizeof(list(kept))
            assert row["handler"] == "handlers:keeps"
            assert "application, handlers:keeps" in run[0].stdout
            # What it prints does not get in the way.
            assert "kept x" not in run[0].stdout
        assert row["messages"] > 10
        assert row["application_allocated_bytes"] == pytest.approx(added, rel=0.05)
        assert row["connection_allocated_bytes"] > 5 * KIB
        assert f"after {row['messages']} messages on each connection" in run[0].stdout


@needs("bombs", "clients", "corpus", "broadcast", "kept bytes")
def test_a_saved_record_is_printed_again(measured: Measured, wsbench: Run) -> None:
    titles = {
        "bombs": ("Decompression bomb", "bomb", 18),
        "clients": ("Slow client", "slow-client", 3),
        "corpus": ("Slow reader", "slow-reader", 1),
        "broadcast": ("Broadcast", "broadcast", 1),
        "kept bytes": ("Application", "application", 1),
    }
    for name, (done, saved) in measured.items():
        title, scenario, count = titles[name]
        assert wsbench("report", saved).stdout == done.stdout
        assert f"\n\n{title}: " in done.stdout
        table = list(
            csv.DictReader(io.StringIO(wsbench("report", saved, "--format", "csv").stdout))
        )
        assert [row["scenario"] for row in table] == [scenario] * count + ["advice"]
        assert all(None not in row for row in table)
        record = json.loads(wsbench("report", saved, "--format", "json").stdout)
        assert record == json.loads(saved.read_text())
    done, saved = measured["clients"]
    limits = [row["buffered_bytes"] for row in buffers_of((done, saved))["slow_clients"]]
    printed = wsbench("report", saved, "--format", "csv").stdout
    table = list(csv.DictReader(io.StringIO(printed)))
    assert [int(row["buffered_bytes"]) for row in table[:-1]] == limits
    markdown = wsbench("report", saved, "--format", "markdown")
    assert markdown.returncode == 0
    assert "\n### Slow client" in markdown.stdout
    assert "\n```python\nfrom websockets.asyncio.server import serve\n" in markdown.stdout
    assert len([line for line in markdown.stdout.splitlines() if line.startswith("| off")]) == 3
    rst = wsbench("report", saved, "--format", "rst")
    assert rst.returncode == 0
    first, underline = rst.stdout.splitlines()[:2]
    assert first.startswith("Slow client")
    assert underline == "-" * len(first)
    assert len([line for line in rst.stdout.splitlines() if line.startswith("off ")]) == 3
    refused = wsbench("report", saved, "--format", "grid")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1
    assert "no report format 'grid'" in refused.stderr

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from websockets.uri import parse_uri

from wsbench.errors import MeasurementError
from wsbench.live.target import Target

URI = parse_uri("ws://127.0.0.1:1/")
# Holds 64 MiB, which it has written to, and so does its child.
HOLDER = """
import subprocess, sys, time
held = b"x" * 2**26
if len(sys.argv) > 1:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print("ready", flush=True)
time.sleep(100)
"""


@pytest.fixture
def holders() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, HOLDER], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(2):
        assert process.stdout.readline() == "ready\n"
    yield process
    for child in psutil.Process(process.pid).children(recursive=True):
        child.kill()
    process.kill()
    process.communicate()


def test_resident_memory_is_that_of_the_process_and_its_children(
    holders: subprocess.Popen[str],
) -> None:
    resident = Target(holders.pid, URI).resident()
    assert resident.kind == "uss"
    # An interpreter has a few MiB of its own.
    assert 2 * 64 < resident.bytes / 2**20 < 2 * 64 + 40


def test_where_the_system_does_not_tell_it_is_what_is_shared_too(
    holders: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(process: psutil.Process) -> None:
        raise psutil.AccessDenied(process.pid)

    target = Target(holders.pid, URI)
    exact = target.resident()
    monkeypatch.setattr(psutil.Process, "memory_full_info", denied)
    resident = target.resident()
    assert resident.kind == "rss"
    assert exact.bytes < resident.bytes < exact.bytes + 60 * 2**20


def test_cpu_time_is_what_the_system_says() -> None:
    target = Target(os.getpid(), URI)
    before = target.cpu_seconds()
    start = psutil.Process().cpu_times()
    while psutil.Process().cpu_times().user - start.user < 0.3:
        pass
    assert 0.3 <= target.cpu_seconds() - before < 3


def test_a_process_that_is_not_there() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    target = Target(process.pid, URI)
    process.communicate()
    assert target.end() == "the server ended"
    with pytest.raises(MeasurementError, match="the server ended"):
        target.resident()
    with pytest.raises(MeasurementError, match=f"there is no process {process.pid}"):
        Target(process.pid, URI)

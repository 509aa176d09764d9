"""Keeps a server process: starts it, and takes it down with all its children.

Run as `python -m wsbench.live.keeper` by `wsbench.live.target`: it reads a `Start` from standard
input, answers `Started`, and waits for standard input to end, which it also does when the process
that wanted the server is killed. A server that ends before is answered with `Ended`.
"""

import contextlib
import os
import select
import subprocess
import sys
import time

import msgspec
import psutil

from wsbench.machine import raise_descriptor_limit

_POLL_SECONDS = 0.05


class Start(msgspec.Struct, frozen=True):
    """A command to run, with the listening socket that it inherits, if any.

    It is given `stop_seconds` between SIGTERM and SIGKILL.
    """

    command: list[str]
    descriptor: int | None
    stop_seconds: float


class Started(msgspec.Struct, frozen=True, tag=True):
    """It runs."""

    pid: int


class Ended(msgspec.Struct, frozen=True, tag=True):
    """It could not be started (`reason`), or ended with an exit code or, negative, by a signal."""

    reason: str
    code: int | None = None


Reply = Started | Ended


def _main() -> None:
    raise_descriptor_limit()
    start = msgspec.json.decode(sys.stdin.buffer.readline(), type=Start)
    try:
        process = subprocess.Popen(
            start.command,
            stdin=subprocess.DEVNULL,
            # What it writes to standard error may explain a failure; the rest is nobody's.
            stdout=subprocess.DEVNULL,
            pass_fds=() if start.descriptor is None else (start.descriptor,),
            start_new_session=True,
        )
    except OSError as error:
        _answer(Ended(error.strerror or str(error)))
        return
    # Once the server is gone, connecting has to fail.
    if start.descriptor is not None:
        os.close(start.descriptor)
    try:
        _answer(Started(process.pid))
        while process.poll() is None:
            if select.select([sys.stdin], [], [], _POLL_SECONDS)[0]:
                return
        _answer(Ended("", process.returncode))
    finally:
        _take_down(process, start.stop_seconds)


def _answer(reply: Reply) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
        sys.stdout.buffer.flush()


def _take_down(process: subprocess.Popen[bytes], stop_seconds: float) -> None:
    """End the process and all that it started: SIGTERM, and SIGKILL to what is left then."""
    family = _family(process.pid)
    if process.poll() is None:
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(stop_seconds)
    deadline = time.monotonic() + (stop_seconds if process.returncode is not None else 0)
    _, alive = psutil.wait_procs(family, max(0, deadline - time.monotonic()))
    for member in alive:
        with contextlib.suppress(psutil.Error):
            member.kill()
    process.kill()
    process.wait()
    psutil.wait_procs(alive, 1)


def _family(pid: int) -> list[psutil.Process]:
    """The descendants of a process, and who else is in the session that it leads."""
    family = []
    for member in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(member.pid) == pid and member.pid != pid:
                family.append(member)
    with contextlib.suppress(psutil.Error):
        family += [
            member
            for member in psutil.Process(pid).children(recursive=True)
            if member not in family
        ]
    return family


if __name__ == "__main__":
    _main()

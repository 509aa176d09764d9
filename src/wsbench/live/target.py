"""Starting and stopping the process under measurement."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

import msgspec

from wsbench.errors import MeasurementError
from wsbench.live.traced_server import Listener, Listening
from wsbench.settings import DeflateSettings

# -P keeps modules of the user's current directory from being imported in place of ours.
COMMAND = [sys.executable, "-P", "-m", "wsbench.live.traced_server"]
START_SECONDS = 60
STOP_SECONDS = 10


@contextmanager
def traced_server(settings: Sequence[DeflateSettings | None]) -> Iterator[list[Listener]]:
    """A server process with tracing on, and its listeners, one for each settings in their order.

    It ends with the block, and also when this process dies: it reads a pipe that closes then.

    Raises:
        MeasurementError: if it does not start.
    """
    # A session of its own keeps Ctrl-C from reaching it before this process has handled it.
    with TemporaryFile() as errors:
        process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            yield _listeners(process, settings, errors)
        finally:
            _stop(process)


def _listeners(
    process: subprocess.Popen[bytes], settings: Sequence[DeflateSettings | None], errors: IO[bytes]
) -> list[Listener]:
    assert process.stdin is not None and process.stdout is not None
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        process.stdin.write(msgspec.json.encode(settings) + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        line = b""
    finally:
        watchdog.cancel()
    if not line:
        process.wait(STOP_SECONDS)
        errors.seek(0)
        reason = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        raise MeasurementError(
            f"the server to be measured did not start: {reason or f'code {process.returncode}'}"
        )
    return msgspec.json.decode(line, type=Listening).listeners


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.close()
        process.wait(STOP_SECONDS)
    except (BrokenPipeError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
    finally:
        process.stdout.close()

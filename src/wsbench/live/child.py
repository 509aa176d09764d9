"""A process of ours that is told and answers in JSON lines, and that ends when this one does."""

import contextlib
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from tempfile import TemporaryFile
from typing import Any, Self

import msgspec

from wsbench.errors import MeasurementError

# -P keeps modules of the user's current directory from being imported in place of ours.
PYTHON = (sys.executable, "-P")
_STOP_SECONDS = 10
_READ_BYTES = 1 << 20


class Child:
    """`python -m module`, from its start to the end of the block.

    It reads JSON lines from standard input, answers with JSON lines on standard output, and has to
    end when its standard input does, which also happens when this process is killed.
    """

    def __init__(self, module: str, what: str, *, pass_fds: Sequence[int] = ()) -> None:
        self._what = what
        # What it says on standard error, wherever that ends: a pipe could fill up.
        self._errors = TemporaryFile()  # noqa: SIM115
        self._rest = b""
        # What it has sent and nobody has looked at.
        self.lines: deque[bytes] = deque()
        # A session of its own keeps Ctrl-C from reaching it before this process has handled it.
        self._process = subprocess.Popen(
            [*PYTHON, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
            pass_fds=pass_fds,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fileno(self) -> int:
        """The descriptor that its answers come from, for a selector."""
        return self._stdout.fileno()

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def tell(self, line: object) -> None:
        """Send a line.

        Raises:
            MeasurementError: if it has ended.
        """
        try:
            self._stdin.write(msgspec.json.encode(line) + b"\n")
            self._stdin.flush()
        except BrokenPipeError:
            raise MeasurementError(self._obituary()) from None

    def receive(self, kind: Any, timeout_seconds: float) -> Any:
        """The next line that it sends, decoded as a `kind` of struct, or one of several.

        Raises:
            MeasurementError: if it ends, or does not answer in time.
        """
        return next(answers([self], kind, timeout_seconds))

    def read(self) -> None:
        """Read what it has sent, after waiting for some of it.

        Raises:
            MeasurementError: if it has ended.
        """
        data = os.read(self._stdout.fileno(), _READ_BYTES)
        if not data:
            raise MeasurementError(self._obituary())
        *whole, self._rest = (self._rest + data).split(b"\n")
        self.lines.extend(whole)

    def said(self) -> str:
        """The last line that it, or what it started, wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip().rpartition("\n")[2].strip()

    def silence(self, seconds: float) -> MeasurementError:
        """What to raise when it has not answered for so long."""
        return MeasurementError(f"{self._what} did not answer within {seconds:g} s")

    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End it: at its own pace if it has one, else at once."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._stdout.close()
            self._errors.close()

    def _obituary(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        code = self._process.returncode
        reason = f"it was killed by signal {-code}" if code is not None and code < 0 else ""
        return f"{self._what} ended: {reason or self.said() or f'exit code {code}'}"


def answers(children: Sequence[Child], kind: Any, timeout_seconds: float) -> Iterator[Any]:
    """Lines of several children as they come, until the caller has seen enough.

    They are decoded as a `kind` of struct, or as one of several.

    Raises:
        MeasurementError: if one ends, or all are silent for `timeout_seconds`.
    """
    decoder = msgspec.json.Decoder(kind)
    with selectors.DefaultSelector() as selector:
        for child in children:
            selector.register(child, selectors.EVENT_READ, child)
        deadline = time.monotonic() + timeout_seconds
        while True:
            for child in children:
                while child.lines:
                    yield decoder.decode(child.lines.popleft())
                    deadline = time.monotonic() + timeout_seconds
            ready = selector.select(max(0, deadline - time.monotonic()))
            if not ready and time.monotonic() >= deadline:
                raise children[0].silence(timeout_seconds)
            for key, _ in ready:
                key.data.read()

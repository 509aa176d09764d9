"""Running the installed command, as a user does."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.orphans import MARK, marked_environment, wait_for_no_process

ROOT = Path(__file__).parent.parent.parent
COMMAND = Path(sys.executable).parent / "wsbench"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def no_orphans(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process that a test started, directly or not, is left after it."""
    mark = marked_environment()[MARK]
    monkeypatch.setenv(MARK, mark)
    yield
    wait_for_no_process(mark)


@pytest.fixture
def root() -> Path:
    """The folder of the project, with corpora/ and results/."""
    return ROOT


@pytest.fixture
def command() -> Path:
    """The installed wsbench."""
    return COMMAND


@pytest.fixture
def wsbench(tmp_path: Path) -> Run:
    """Run wsbench in an empty folder and return what it printed."""

    def run(
        *arguments: object, stdin: bytes = b"", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [COMMAND, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, **(environment or {})},
            timeout=300,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run

"""Where recorded software runs: a folder whose path is nobody's, a venv in it, and processes."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wsbench import load_corpus

DEMO = Path(__file__).parent / "demo"
ROOT = Path(__file__).parent.parent.parent
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


class Stage:
    """A new folder with the demo, a venv and a home, deleted in the end; its user is `demo`.

    Raises:
        SystemExit: if the folder exists, or cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir()
        except OSError as error:
            raise SystemExit(f"{folder}: {error.strerror}; name another --folder") from error
        self.folder = folder
        self.capture = folder / "capture.jsonl"
        self.demo = folder / "project"
        self.environment = {
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "LOGNAME": "demo",
            "PATH": f"{folder / 'venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "TMPDIR": str(folder / "scratch"),
            "USER": "demo",
        }

    def __enter__(self) -> Self:
        shutil.copytree(DEMO, self.demo, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("home", "scratch"):
            (self.folder / name).mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.folder)

    def install(self, *packages: str) -> None:
        """Make the venv, with these packages in it."""
        venv.create(self.folder / "venv", with_pip=True)
        self._python("-m", "pip", "install", "--quiet", *packages)

    def versions(self, *names: str) -> str:
        """Which versions of these packages are installed, as prose."""
        listed = json.loads(self._python("-m", "pip", "list", "--format", "json"))
        versions = {package["name"].lower(): package["version"] for package in listed}
        return ", ".join(f"{name} {versions[name.lower()]}" for name in names)

    def _python(self, *arguments: str) -> str:
        # With the environment of who runs this, whose pip may be configured.
        command = [str(self.folder / "venv" / "bin" / "python"), *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    @contextlib.contextmanager
    def recorded(self, port: int, *command: str | Path) -> Iterator[int]:
        """Run a server that listens on `port`, and record what passes; yields where to connect.

        Raises:
            SystemExit: if the recording failed.
        """
        record = [sys.executable, "-m", "wsbench", "record", f"ws://127.0.0.1:{port}"]
        record += ["--listen", "127.0.0.1:0", "--output", str(self.capture)]
        with self.running(*command) as server:
            wait_for(port, server)
            with running(*record, stdout=subprocess.PIPE) as recorder:
                assert recorder.stdout is not None
                said = re.search(r"listening on ws://[0-9.]+:(\d+)", recorder.stdout.readline())
                if said is None:
                    raise SystemExit("wsbench record does not listen")
                yield int(said[1])
            if recorder.returncode:
                raise SystemExit(f"wsbench record ended with {recorder.returncode}")

    def running(
        self, *command: str | Path
    ) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        """Run a program as the stage's user, in the demo's folder."""
        return running(*command, cwd=self.demo, env=self.environment)

    def check_private(self) -> None:
        """Refuse a recording that tells where, or as whom, it was made.

        Raises:
            SystemExit: if it does.
        """
        for message in load_corpus(self.capture).messages():
            for path in (str(Path.home()), str(ROOT), tempfile.gettempdir()):
                if path.encode() in message.data:
                    raise SystemExit(f"a message tells {path}: {message.data!r}")


@contextlib.contextmanager
def running(*command: str | Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a program, and end it with all that it has started."""
    process = subprocess.Popen(command, text=True, start_new_session=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until a process listens.

    Raises:
        SystemExit: if it has ended, or takes too long.
    """
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.1)
    raise SystemExit(f"{process.args!r}: does not listen on port {port}")


def request(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> Any:
    """What an HTTP server answers in JSON, or None if it answers nothing."""
    asked = urllib.request.Request(url, method=method, headers=headers or {})
    with urllib.request.urlopen(asked, timeout=_START_SECONDS) as answer:
        body = answer.read()
    return json.loads(body) if body else None


def compact(value: Any) -> str:
    """JSON as JavaScript writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

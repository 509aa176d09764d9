"""Interruptions, terminals and pipes: what happens to the results, and to the processes."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from wsbench import load_results

LIMIT_SECONDS = 120


class Terminal:
    """A process whose standard error is a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self.text = ""

    def read_until(self, pattern: str) -> None:
        """Wait for something to appear on the terminal."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, self.text
            if select.select([self._screen], [], [], 1)[0]:
                try:
                    self.text += os.read(self._screen, 10_000).decode(errors="replace")
                except OSError:
                    break
        assert re.search(pattern, self.text), self.text

    def read_to_end(self) -> None:
        """Read what is left when the process has ended."""
        while True:
            try:
                data = os.read(self._screen, 10_000)
            except OSError:
                return
            self.text += data.decode(errors="replace")


@contextmanager
def terminal(command: Path, *arguments: str, cwd: Path) -> Iterator[Terminal]:
    screen, stderr = pty.openpty()
    process = subprocess.Popen(
        [command, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )
    os.close(stderr)
    try:
        yield Terminal(process, screen)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        os.close(screen)


def wait_until_ended(processes: list[psutil.Process]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while any(map(is_alive, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(process: psutil.Process) -> bool:
    """Not so a zombie, which a container without an init keeps."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A corpus whose sizes take a while: 40 MB of numbers."""
    path = tmp_path / "slow.txt"
    lines = "\n".join(f"{number * 7919 % 1_000_003}" * 20 for number in range(400_000))
    path.write_text(lines)
    return path


def test_a_terminal_shows_progress_with_the_remaining_time(
    command: Path, root: Path, tmp_path: Path
) -> None:
    corpus = str(root / "corpora" / "chat.json")
    with terminal(
        command, "compress", corpus, "--max-seconds", "4", "--connections", "1", cwd=tmp_path
    ) as shown:
        shown.read_until(r"size +\[#*-*\] +\d+%")
        # click knows the speed after a second.
        shown.read_until(r"time +\[#*-*\] +\d+% +00:00:0\d")
        shown.read_until(r"memory +\[#*-*\] +\d+%")
        output, _ = shown.process.communicate(timeout=LIMIT_SECONDS)
    assert b"Window Bits" in output


def test_quiet_shows_none(command: Path, root: Path, tmp_path: Path) -> None:
    corpus = str(root / "corpora" / "chat.json")
    arguments = ("compress", corpus, "--max-seconds", "0.2", "--connections", "1", "--quiet")
    with terminal(command, *arguments, cwd=tmp_path) as shown:
        output, _ = shown.process.communicate(timeout=LIMIT_SECONDS)
        shown.read_to_end()
    assert b"Window Bits" in output
    assert shown.text == ""


@pytest.mark.parametrize("to_group", [True, False], ids=["Ctrl-C", "kill -INT"])
def test_interrupted_while_timing(
    command: Path, root: Path, tmp_path: Path, to_group: bool
) -> None:
    corpus = str(root / "corpora" / "chat.json")
    arguments = ("compress", corpus, "--max-seconds", "600", "--save", "r.json")
    with terminal(command, *arguments, cwd=tmp_path) as shown:
        shown.read_until(r"time .* 1%")
        (os.killpg if to_group else os.kill)(shown.process.pid, signal.SIGINT)
        # Again, at once, as impatient people do.
        (os.killpg if to_group else os.kill)(shown.process.pid, signal.SIGINT)
        output, _ = shown.process.communicate(timeout=LIMIT_SECONDS)
        shown.read_until("wsbench: interrupted: the results are partial")
    assert shown.process.returncode == 130
    assert "Traceback" not in shown.text
    assert "Partial: the sweep did not finish" in output.decode()
    record = json.loads((tmp_path / "r.json").read_bytes())
    assert record["partial"] is True
    assert all(row["size"] and not row["memory"] for row in record["rows"])
    assert all(row["time"] for row in record["rows"][:-1])


@pytest.mark.parametrize("to_group", [True, False], ids=["Ctrl-C", "kill -INT"])
def test_interrupted_while_workers_measure_sizes(
    command: Path, slow: Path, tmp_path: Path, to_group: bool
) -> None:
    arguments = ("compress", str(slow), "--jobs", "2", "--save", "r.json", "--no-memory")
    with terminal(command, *arguments, cwd=tmp_path) as shown:
        shown.read_until(r"size .* \d+%")
        workers = psutil.Process(shown.process.pid).children(recursive=True)
        assert workers
        (os.killpg if to_group else os.kill)(shown.process.pid, signal.SIGINT)
        output, _ = shown.process.communicate(timeout=LIMIT_SECONDS)
        shown.read_until("wsbench: interrupted")
    assert shown.process.returncode == 130
    assert "Traceback" not in shown.text
    wait_until_ended(workers)
    rows = json.loads((tmp_path / "r.json").read_bytes())["rows"]
    assert any(row["size"] for row in rows)
    assert not all(row["size"] for row in rows)
    assert b"off" in output


@pytest.mark.parametrize("phase", ["size", "memory"])
def test_a_killed_wsbench_leaves_no_process_behind(
    command: Path, slow: Path, root: Path, tmp_path: Path, phase: str
) -> None:
    corpus = slow if phase == "size" else root / "corpora" / "chat.json"
    # Enough settings for the memory phase to last.
    settings = ("--window-bits", "9-15") if phase == "memory" else ()
    arguments = ("compress", str(corpus), "--jobs", "2", "--no-time", *settings)
    with terminal(command, *arguments, cwd=tmp_path) as shown:
        shown.read_until(rf"{phase} .* \d+%")
        helpers = psutil.Process(shown.process.pid).children(recursive=True)
        assert helpers
        shown.process.kill()
        wait_until_ended(helpers)


def test_a_killed_worker_is_one_line_and_keeps_what_was_measured(
    command: Path, slow: Path, tmp_path: Path
) -> None:
    arguments = ("compress", str(slow), "--jobs", "2", "--no-memory", "--save", "r.json")
    with terminal(command, *arguments, cwd=tmp_path) as shown:
        shown.read_until(r"size .* \d+%")
        psutil.Process(shown.process.pid).children()[0].kill()
        output, _ = shown.process.communicate(timeout=LIMIT_SECONDS)
        shown.read_until("wsbench: a worker process was killed, perhaps .* pass --jobs 1")
    assert shown.process.returncode == 2
    assert "Traceback" not in shown.text
    assert b"Partial" in output
    assert json.loads((tmp_path / "r.json").read_bytes())["partial"] is True


def test_a_failing_memory_phase_keeps_sizes_and_times(
    command: Path, root: Path, tmp_path: Path
) -> None:
    corpus = root / "corpora" / "chat.json"
    arguments = (
        f"compress {corpus} --jobs 1 --max-seconds 0.5 --connections 1 --save r.json --format csv"
    )
    done = subprocess.run(
        ["sh", "-c", f'ulimit -n 12; exec "$0" {arguments}', command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 2
    assert "open files" in done.stderr
    assert "Traceback" not in done.stderr
    rows = json.loads((tmp_path / "r.json").read_bytes())["rows"]
    assert all(row["size"] and (row["time"] or not row["settings"]) for row in rows)
    assert not any(row["memory"] for row in rows)
    assert done.stdout.startswith("settings,")


def test_a_partial_record_is_announced_when_it_is_printed_again(
    command: Path, root: Path, tmp_path: Path
) -> None:
    replace(load_results(root / "results" / "chat.json"), partial=True).save(tmp_path / "r.json")
    done = subprocess.run(
        [command, "report", tmp_path / "r.json", "--format", "csv"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stderr.endswith("r.json: partial: the sweep did not finish\n")


@pytest.mark.parametrize("arguments", ["report results/chat.json --format json", "--help"])
def test_a_reader_that_leaves_is_no_error(command: Path, root: Path, arguments: str) -> None:
    writer = subprocess.Popen(
        [command, *arguments.split()],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.close()
        assert writer.stderr.read() == b""
        assert writer.wait(LIMIT_SECONDS) == 0


def test_a_full_disk_is_one_line(command: Path, root: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [command, "report", root / "results" / "chat.json"], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 2
    assert done.stderr == b"wsbench: standard output: No space left on device\n"


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys; from wsbench.cli import main; main(['--help']); "
        "print(sorted({'msgspec', 'websockets', 'psutil', 'tabulate', 'asyncio'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"

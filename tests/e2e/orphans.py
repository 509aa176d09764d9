"""Processes that are left of what a test started: they have a mark of its in their environment."""

import os
import time
import uuid

import psutil

MARK = "WSBENCH_TEST"
_SECONDS = 15


def marked_environment() -> dict[str, str]:
    """The environment with a new mark in it."""
    return {**os.environ, MARK: str(uuid.uuid4())}


def wait_for_no_process(mark: str) -> None:
    """Wait until no process has this mark; AssertionError if some stay."""
    deadline = time.monotonic() + _SECONDS
    while left := [item for item in psutil.process_iter() if _is_marked(item, mark)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False

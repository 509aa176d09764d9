"""Runs of wsbench, each a process of its own, as its users have it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from wsbench import DeflateSettings, Results
from wsbench.checks import Check
from wsbench.results import Time, parse_results


def compress(path: str, *options: object) -> Results:
    """The record of one run without memory."""
    return record("compress", path, "--no-memory", *options)


def record(*arguments: object) -> Results:
    """The record of one run."""
    command = [sys.executable, "-m", "wsbench", *map(str, arguments)]
    output = subprocess.run(
        [*command, "--quiet", "--format", "json"], stdout=subprocess.PIPE, check=True
    ).stdout
    return parse_results(output, "the output of wsbench")


def times(results: Results, connections: int) -> dict[DeflateSettings, Time]:
    """The time of every settings with some number of connections."""
    return {
        row.deflate: time
        for row in results.rows
        if row.deflate and (time := row.time_at(connections))
    }


def make_baseline(corpus: str, path: Path) -> None:
    """Write a new baseline of a corpus."""
    command = [sys.executable, "-m", "wsbench", "check", corpus, "--baseline", str(path)]
    subprocess.run([*command, "--update", "--quiet"], stdout=subprocess.DEVNULL, check=True)


def check(corpus: str, baseline: Path, **environment: str) -> Check:
    """What `wsbench check` finds, whether it fails or not."""
    command = [sys.executable, "-m", "wsbench", "check", corpus, "--baseline", str(baseline)]
    done = subprocess.run(
        [*command, "--quiet", "--format", "json"],
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{command} ended with {done.returncode}")
    return msgspec.json.decode(done.stdout, type=Check)


@contextlib.contextmanager
def hog() -> Iterator[None]:
    """A process that keeps a processor busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()

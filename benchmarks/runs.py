"""Runs of wsbench, each a process of its own, as its users have it."""

import subprocess
import sys

from wsbench import DeflateSettings, Results
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

"""Runs of `wsbench compress`, each a process of its own, as its users have it."""

import subprocess
import sys

from wsbench import DeflateSettings, Results
from wsbench.results import Time, parse_results


def compress(path: str, *options: object) -> Results:
    """The record of one run without memory."""
    command = [sys.executable, "-m", "wsbench", "compress", path, "--no-memory", "--quiet"]
    output = subprocess.run(
        [*command, "--format", "json", *map(str, options)], stdout=subprocess.PIPE, check=True
    ).stdout
    return parse_results(output, "the output of wsbench")


def times(results: Results, connections: int) -> dict[DeflateSettings, Time]:
    """The time of every settings with some number of connections."""
    return {
        row.settings: time
        for row in results.rows
        if row.settings and (time := row.time_at(connections))
    }

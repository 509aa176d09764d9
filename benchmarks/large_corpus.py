"""Time and memory that corpora take which are not held in memory, for the ladder's sizes.

`python benchmarks/large_corpus.py [MEGABYTES...]`; files are made in a temporary folder. Half of
the HAR file are pages and pictures, as in those of browsers.
"""

import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from wsbench.corpus.kinds import generate
from wsbench.results import parse_results

MEGABYTES = {"lines": (100, 500, 2000), "capture": (100, 500), "har": (100, 500)}
# So many messages are made, and sent again and again.
MESSAGES = 100_000
CONNECTIONS = 1000
POLL_SECONDS = 0.05


class Taken(NamedTuple):
    """What a run took: of memory at most, one process's resident set and all of them together."""

    seconds: float
    largest_process_bytes: int
    all_processes_bytes: int


def main() -> None:
    """Print what sizes down the ladder take for each file."""
    given = [int(argument) for argument in sys.argv[1:]]
    messages = [message.data for message in generate("chat", messages=MESSAGES).messages()]
    print("file           megabytes   messages  seconds  MB/s  largest process  all processes")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("lines", lines), ("capture", capture), ("har", har)):
            for megabytes in given or MEGABYTES[name]:
                path = Path(folder) / name
                write(path, make(messages), megabytes * 10**6)
                taken, count = measured(path)
                print(
                    f"{name:13} {megabytes:10,} {count:10,} {taken.seconds:8.0f} "
                    f"{8 * megabytes / taken.seconds:5.1f} "
                    f"{taken.largest_process_bytes / 10**6:12.0f} MB "
                    f"{taken.all_processes_bytes / 10**6:11.0f} MB",
                    flush=True,
                )
                path.unlink()


def lines(messages: list[bytes]) -> Iterator[bytes]:
    """A message a line, without end."""
    return (message + b"\n" for message in itertools.cycle(messages))


def capture(messages: list[bytes]) -> Iterator[bytes]:
    """Messages of servers on a thousand open connections in turn."""
    yield b'{"schema":"wsbench.capture/1","created":"2026-01-05T14:30:00Z","wsbench":"0.1.0"}\n'
    for number, message in enumerate(itertools.cycle(messages)):
        escaped = message.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        yield b'{"type":"text","connection":%d,"direction":"server","data":"%s"}\n' % (
            number % CONNECTIONS,
            escaped,
        )


def har(messages: list[bytes]) -> Iterator[bytes]:
    """Entries of a page and of a connection with a thousand messages, in turn."""
    endless = itertools.cycle(messages)
    yield b'{"log":{"entries":[{}'
    while True:
        body = random.randbytes(200_000).hex()
        sent = [
            {"type": "receive", "time": 1.7e9, "opcode": 1, "data": message.decode()}
            for message in itertools.islice(endless, 1000)
        ]
        for entry in (
            {"response": {"content": {"text": body}}},
            {"_resourceType": "websocket", "_webSocketMessages": sent},
        ):
            yield b"," + json.dumps(entry).encode()


def write(path: Path, pieces: Iterator[bytes], size_bytes: int) -> None:
    """A file of that size."""
    written_bytes = 0
    with path.open("wb") as file:
        while written_bytes < size_bytes:
            written_bytes += file.write(next(pieces))
        if path.name == "har":
            file.write(b"]}}")


def measured(path: Path) -> tuple[Taken, int]:
    """What a run of the ladder takes, and how many messages it counted."""
    command = [sys.executable, "-m", "wsbench", "compress", str(path), "--quiet"]
    start = time.monotonic()
    run = subprocess.Popen(
        [*command, "--no-time", "--no-memory", "--format", "json"], stdout=subprocess.PIPE
    )
    largest = together = 0
    process = psutil.Process(run.pid)
    while run.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            largest = max(largest, *(item.memory_info().rss for item in family))
            # Shared pages counted once.
            together = max(together, sum(item.memory_full_info().pss for item in family))
        except psutil.Error:
            continue
        time.sleep(POLL_SECONDS)
    assert run.stdout is not None
    taken = Taken(time.monotonic() - start, largest, together)
    return taken, parse_results(run.stdout.read(), "its output").corpus.messages


if __name__ == "__main__":
    main()

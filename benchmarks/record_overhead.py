"""What `wsbench record` adds to a message: round trips and processor time, beside a direct one.

Connections to `wsbench serve` are made directly and through the proxy in turn, in one run, with the
same messages; the medians of rounds are compared.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from websockets.asyncio.client import connect

from wsbench.corpus.kinds import generate

ROUNDS = 20
MESSAGES = 1000
WSBENCH = (sys.executable, "-m", "wsbench")


def main() -> None:
    """Print the time of a round trip both ways, and the processor time of the proxy."""
    messages = [message.data.decode() for message in generate("chat", messages=MESSAGES).messages()]
    with tempfile.TemporaryDirectory() as folder:
        with started("serve", "--port", "0") as (server_url, _):
            output = Path(folder) / "session.capture.jsonl"
            arguments = ("record", server_url, "--listen", "0", "-o", str(output))
            with started(*arguments) as (proxy_url, proxy):
                urls = {"direct": server_url, "through the proxy": proxy_url}
                for compression in (None, "deflate"):
                    compare(urls, proxy, messages, compression)


@contextmanager
def started(*arguments: str) -> Iterator[tuple[str, psutil.Process]]:
    """A command of wsbench that listens, where it does so, and its process."""
    run = subprocess.Popen([*WSBENCH, *arguments], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    try:
        yield (
            run.stdout.readline().split("listening on ")[1].split()[0].rstrip(","),
            (psutil.Process(run.pid)),
        )
    finally:
        run.terminate()
        run.communicate()


def compare(
    urls: dict[str, str], proxy: psutil.Process, messages: list[str], compression: str | None
) -> None:
    """Print both ways for clients with or without compression."""
    seconds: dict[str, list[float]] = {name: [] for name in urls}
    before = sum(proxy.cpu_times()[:2])
    for _ in range(ROUNDS):
        for name, url in urls.items():
            seconds[name].append(asyncio.run(round_trips(url, messages, compression)))
    cpu_seconds = sum(proxy.cpu_times()[:2]) - before
    direct, proxied = (statistics.median(of) / MESSAGES * 1e6 for of in seconds.values())
    each_way = (proxied - direct) / 2
    print(
        f"{compression or 'off':8} round trip {direct:5.0f} µs direct, {proxied:5.0f} µs through "
        f"the proxy ({proxied / direct:.2f} ×): {each_way:.0f} µs a message; "
        f"processor time of the proxy {cpu_seconds / ROUNDS / MESSAGES / 2 * 1e6:.0f} µs a message"
    )


async def round_trips(url: str, messages: list[str], compression: str | None) -> float:
    """Seconds that all messages take, one after the answer to the other."""
    async with connect(url, compression=compression) as connection:
        start = time.perf_counter()
        for message in messages:
            await connection.send(message)
            await connection.recv()
        return time.perf_counter() - start


if __name__ == "__main__":
    main()

"""How much "Time vs. default" moves from run to run: wsbench beside the docs' method.

The docs' method compresses the corpus again and again under one settings, then under the next, and
divides the times. Here it gets the same wall time as wsbench's timing, in equal parts. Every run of
either method is a process of its own, and the methods take turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
import zlib
from concurrent.futures import ProcessPoolExecutor

from wsbench import LADDER, REFERENCE, DeflateSettings, load_corpus


def wsbench_method(path: str, seconds: float) -> dict[DeflateSettings, float]:
    """Relative encoding times as `wsbench compress` prints them."""
    options = ["--no-memory", "--format", "json", "--max-seconds", str(seconds)]
    command = [sys.executable, "-m", "wsbench", "compress", path, *options]
    rows = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["rows"]
    return {
        DeflateSettings(**row["settings"]): row["time"][0]["vs_reference"]
        for row in rows
        if row["settings"]
    }


def docs_method(path: str, seconds: float) -> dict[DeflateSettings, float]:
    """Relative encoding times as the script that the docs point to measures them."""
    messages = [message.data for message in load_corpus(path).messages()]
    ns_per_pass = {
        settings: _repeated_passes_ns(messages, settings, seconds / len(LADDER))
        for settings in LADDER
    }
    reference = ns_per_pass[REFERENCE]
    return {settings: ns / reference - 1 for settings, ns in ns_per_pass.items()}


def _repeated_passes_ns(messages: list[bytes], settings: DeflateSettings, seconds: float) -> float:
    compressor = zlib.compressobj(wbits=-settings.window_bits, memLevel=settings.memory_level)
    start_ns, passes = time.perf_counter_ns(), 0
    while time.perf_counter_ns() - start_ns < seconds * 1e9:
        for message in messages:
            compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        passes += 1
    return (time.perf_counter_ns() - start_ns) / passes


def main() -> None:
    """Run both methods in turn and print a line a settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="corpora/chat.json")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    path, seconds = arguments.corpus, arguments.seconds
    runs: dict[str, list[dict[DeflateSettings, float]]] = {"wsbench": [], "docs": []}
    for _ in range(arguments.runs):
        runs["wsbench"].append(wsbench_method(path, seconds))
        with ProcessPoolExecutor(1) as process:
            runs["docs"].append(process.submit(docs_method, path, seconds).result())
    print(f"{path}: {arguments.runs} runs of {seconds:g} s of each method")
    print("Time vs. default, percentage points: mean, standard deviation")
    print(f"{'settings':10}{'wsbench':>18}{'docs':>18}")
    for settings in LADDER:
        cells = []
        for method in runs.values():
            values = [100 * run[settings] for run in method]
            cells.append(f"{statistics.mean(values):+9.1f}{statistics.stdev(values):9.2f}")
        print(f"{settings!s:10}{cells[0]}{cells[1]}")


if __name__ == "__main__":
    main()

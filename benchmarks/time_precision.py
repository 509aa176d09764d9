"""How much "Time vs. default" moves from run to run: wsbench beside the docs' method.

A corpus of 2 MB, the grid of 63 settings, one connection. The docs' method is that of the script
that the websockets documentation points to: under one settings after another, it compresses the
corpus ten times, and divides the times. Every run of either method is a process of its own, and the
methods take turns.
"""

import argparse
import statistics
import tempfile
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from runs import compress, times

from wsbench import REFERENCE, DeflateSettings, cross, load_corpus
from wsbench.corpus import write_corpus
from wsbench.corpus.kinds import generate

MESSAGES = 7000
DOCS_PASSES = 10


def wsbench_method(path: str, seconds: float) -> tuple[dict[DeflateSettings, float], float]:
    """Relative encoding times as `wsbench compress` prints them, and how long timing took."""
    grid = ("--window-bits", "9-15", "--memory-level", "1-9")
    results = compress(path, *grid, "--connections", 1, "--max-seconds", seconds)
    (timing,) = results.timing
    ratios = {item: of.vs_reference for item, of in times(results, 1).items()}
    return ratios, timing.seconds


def docs_method(path: str) -> tuple[dict[DeflateSettings, float], float]:
    """The same by the docs' method."""
    messages = [message.data for message in load_corpus(path).messages()]
    start = time.perf_counter()
    times_ns = {
        settings: _passes_ns(messages, settings) for settings in cross(range(9, 16), range(1, 10))
    }
    ratios = {settings: ns / times_ns[REFERENCE] - 1 for settings, ns in times_ns.items()}
    return ratios, time.perf_counter() - start


def _passes_ns(messages: list[bytes], settings: DeflateSettings) -> int:
    compressor = zlib.compressobj(wbits=-settings.window_bits, memLevel=settings.memory_level)
    start_ns = time.perf_counter_ns()
    for _ in range(DOCS_PASSES):
        for message in messages:
            compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return time.perf_counter_ns() - start_ns


def main() -> None:
    """Run both methods in turn and print what their results have in common and what not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", default="chat")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--docs-runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15.0)
    arguments = parser.parse_args()
    runs: dict[str, list[dict[DeflateSettings, float]]] = {"wsbench": [], "docs": []}
    seconds: dict[str, list[float]] = {"wsbench": [], "docs": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.json"
        corpus = generate(arguments.kind, messages=arguments.messages)
        write_corpus(corpus, path)
        for number in range(arguments.runs):
            taken = {"wsbench": wsbench_method(str(path), arguments.seconds)}
            if number < arguments.docs_runs:
                with ProcessPoolExecutor(1) as process:
                    taken["docs"] = process.submit(docs_method, str(path)).result()
            for method, (ratios, of_method_seconds) in taken.items():
                runs[method].append(ratios)
                seconds[method].append(of_method_seconds)
    size_bytes = corpus.statistics().bytes
    print(f"{arguments.kind}, {size_bytes:,} bytes, 63 settings")
    print("Time vs. default: standard deviation in percentage points, over the settings")
    print(f"{'method':10}{'runs':>6}{'seconds':>9}{'median':>9}{'maximum':>9}")
    for method, of_method in runs.items():
        deviations = {
            settings: 100 * statistics.stdev(run[settings] for run in of_method)
            for settings in of_method[0]
            if settings != REFERENCE
        }
        worst = max(deviations, key=lambda settings: deviations[settings])
        median = statistics.median(deviations.values())
        print(
            f"{method:10}{len(of_method):6}{max(seconds[method]):9.1f}{median:9.2f}"
            f"{deviations[worst]:9.2f} ({worst}, at {100 * of_method[0][worst]:+.0f} %)"
        )


if __name__ == "__main__":
    main()

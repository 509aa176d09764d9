"""Time with 1,000 connections: how much it moves, and why the order of the settings turns round.

First, runs of `wsbench compress`, each a process of its own. Then the explanation: one sweep over
numbers of connections, arranged by how much memory all contexts of a settings take together. What a
message costs more than on one connection follows that, and grows where it leaves the caches.
"""

import argparse
import statistics
from pathlib import Path

from runs import compress, times

from wsbench import LADDER
from wsbench.measure.contexts import context_bytes

NUMBERS = (1, 3, 10, 30, 100, 300, 1000, 3000)


def caches() -> list[str]:
    """The processor's caches for data, as Linux reports them."""
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (
            (index / name).read_text().strip() for name in ("level", "type", "size")
        )
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return found


def main() -> None:
    """Print the spread of runs, then the table of slow-downs by working set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="corpora/chat.json")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    path, seconds = arguments.corpus, arguments.seconds
    runs = [
        times(compress(path, "--connections", 1000, "--max-seconds", seconds), 1000)
        for _ in range(arguments.runs)
    ]
    print(f"{path}: {arguments.runs} runs of {seconds:g} s at 1,000 connections")
    print("Time vs. default, percentage points")
    print(f"{'settings':10}{'mean':>8}{'standard deviation':>20}{'± of a run':>12}")
    for settings in LADDER:
        ratios = [100 * run[settings].vs_reference for run in runs]
        margin = statistics.median(100 * run[settings].margin for run in runs)
        print(
            f"{settings!s:10}{statistics.mean(ratios):+8.1f}{statistics.stdev(ratios):20.1f}"
            f"{margin:12.1f}"
        )

    numbers = [option for number in NUMBERS for option in ("--connections", number)]
    results = compress(path, *numbers, "--max-seconds", 5 * len(NUMBERS))
    by_number = {number: times(results, number) for number in NUMBERS}
    print()
    print(f"Caches: {', '.join(caches())}")
    print("MiB of all contexts: how many times as long as on one connection a message takes")
    print(f"{'connections':12}" + "".join(f"{settings!s:>15}" for settings in LADDER))
    for number in NUMBERS[1:]:
        cells = []
        for settings in LADDER:
            alone_ns = by_number[1][settings].encode_ns_per_message
            mib = number * context_bytes(settings) / 2**20
            times_as_long = by_number[number][settings].encode_ns_per_message / alone_ns
            cells.append(f"{mib:8.1f}: {times_as_long:5.2f}")
        print(f"{number:<12,}" + "".join(f"{cell:>15}" for cell in cells))


if __name__ == "__main__":
    main()

"""How often the 95 % interval of one settings holds the value that many runs agree on.

15/8 against 12/5, every run a process of its own; the long-run value is the mean over all runs.
"""

import argparse
import statistics

from runs import compress, times

from wsbench import DeflateSettings

SUBJECT = DeflateSettings(15, 8)


def main() -> None:
    """Print the long-run value, how wide intervals are, and how many hold it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="corpora/chat.json")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--connections", type=int, action="append")
    parser.add_argument("--max-seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    settings = ("--window-bits", SUBJECT.window_bits, "--memory-level", SUBJECT.memory_level)
    for connections in arguments.connections or (1, 1000):
        options = ("--connections", connections, "--max-seconds", arguments.max_seconds)
        runs = [
            times(compress(arguments.corpus, *settings, *options), connections)[SUBJECT]
            for _ in range(arguments.runs)
        ]
        for what, values in (
            ("compressing", [(time.vs_reference, time.margin) for time in runs]),
            ("decompressing", [(time.decode_vs_reference, time.decode_margin) for time in runs]),
        ):
            mean = statistics.mean(ratio for ratio, _ in values)
            held = sum(abs(ratio - mean) <= margin for ratio, margin in values)
            print(
                f"{SUBJECT}, {connections:,} connections, {what}: {100 * mean:+.1f} %, "
                f"± {100 * statistics.median(margin for _, margin in values):.1f} (median), "
                f"held by {held} of {len(values)} intervals",
                flush=True,
            )


if __name__ == "__main__":
    main()

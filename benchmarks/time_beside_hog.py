"""What a program that computes on another processor does to the precision, and whether it is told.

Runs of `wsbench compress` on one connection, alone and beside one busy process, in turn.
"""

import argparse
import statistics

from runs import compress, hog, times

from wsbench import LADDER, REFERENCE, Results


def main() -> None:
    """Print standard deviations of both kinds of runs, and the warnings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="corpora/chat.json")
    parser.add_argument("--runs", type=int, default=10)
    arguments = parser.parse_args()
    runs: dict[str, list[Results]] = {"alone": [], "beside a hog": []}
    for _ in range(arguments.runs):
        # The whole time, so that precision is compared at equal cost.
        options = ("--connections", 1, "--max-seconds", 5, "--precision", 0.01)
        runs["alone"].append(compress(arguments.corpus, *options))
        with hog():
            runs["beside a hog"].append(compress(arguments.corpus, *options))
    print(f"{arguments.corpus}, {arguments.runs} runs of 5 s of each kind")
    print("Time vs. default: standard deviation in percentage points, down the ladder")
    for kind, of_kind in runs.items():
        deviations = [
            100 * statistics.stdev(times(results, 1)[settings].vs_reference for results in of_kind)
            for settings in LADDER
            if settings != REFERENCE
        ]
        warned = sum(
            any("other programs" in warning for warning in results.warnings) for results in of_kind
        )
        print(
            f"{kind:14} median {statistics.median(deviations):.2f}, maximum "
            f"{max(deviations):.2f}; warned of other programs in {warned} runs"
        )


if __name__ == "__main__":
    main()

"""How often `wsbench check` fails, or cannot decide, where nothing has changed.

A baseline is made once; then many runs check the same messages against it, with the same code,
every other one beside a program that keeps a processor busy.
"""

import argparse
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from runs import check, hog, make_baseline


def main() -> None:
    """Print verdicts, and how long they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="*", default=["corpora/chat.json"])
    parser.add_argument("--runs", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for corpus in arguments.corpus:
            baseline = Path(folder) / "baseline.json"
            baseline.unlink(missing_ok=True)
            make_baseline(corpus, baseline)
            seconds: dict[str, list[float]] = {"alone": [], "beside a hog": []}
            failed = dict.fromkeys(seconds, 0)
            undecided = dict.fromkeys(seconds, 0)
            for run in range(arguments.runs):
                kind = list(seconds)[run % 2]
                with hog() if run % 2 else nullcontext():
                    start = time.monotonic()
                    found = check(corpus, baseline)
                    seconds[kind].append(time.monotonic() - start)
                failed[kind] += found.verdict == "failed"
                undecided[kind] += found.verdict == "undecided"
                for judgement in (item for of in found.checks for item in of.judgements):
                    if judgement.verdict != "passed":
                        print(f"run {run}, {kind}: {judgement}")
            verdicts = sum(len(of.judgements) for of in found.checks)
            print(f"{corpus}: {arguments.runs} runs of {verdicts} verdicts each")
            for kind, of_kind in seconds.items():
                print(
                    f"{kind:14} {len(of_kind)} runs: {failed[kind]} failed, {undecided[kind]} "
                    f"undecided; {statistics.median(of_kind):.1f} s, at most {max(of_kind):.1f} s"
                )


if __name__ == "__main__":
    main()

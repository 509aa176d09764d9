"""How well resident memory repeats, and how well `compress --resident` foretells it.

Usage: resident_agreement.py [CORPUS ...] [--runs N]
"""

import argparse
import statistics

from runs import record

KIB = 1024


def main() -> None:
    """Print, for each settings, the mean and the spread of some runs, and the estimate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="*", default=["corpora/chat.json", "corpora/tokens.jsonl"])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    for corpus in arguments.corpora:
        live = [record("connections", corpus, "--no-memory") for _ in range(arguments.runs)]
        estimate = record("compress", corpus, "--no-time", "--no-memory", "--resident")
        assert live[0].live is not None
        print(
            f"{corpus}: {arguments.runs} runs with {live[0].live.connections:,} "
            f"connections and {live[0].live.messages} messages each, and one estimate"
        )
        print("Resident memory per connection, KiB")
        print(f"{'settings':10}{'mean':>8}{'spread':>9}{'estimate':>10}{'difference':>12}")
        for row in live[0].rows:
            measured = []
            for run in live:
                other = run.row(row.settings)
                assert other and other.live and other.live.resident_bytes is not None
                measured.append(other.live.resident_bytes)
            mean = statistics.mean(measured)
            spread = max(abs(value / mean - 1) for value in measured)
            estimated = estimate.row(row.settings)
            assert estimated and estimated.resident
            foretold = estimated.resident.connection_bytes
            print(
                f"{row.label:10}{mean / KIB:>8.1f}{f'± {100 * spread:.1f} %':>9}"
                f"{foretold / KIB:>10.1f}{f'{100 * (foretold / mean - 1):+.1f} %':>12}"
            )
        print(flush=True)


if __name__ == "__main__":
    main()

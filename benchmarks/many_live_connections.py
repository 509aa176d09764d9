"""How long ten thousand live connections take from start to table, and who sets the pace."""

import time

from runs import record

CONNECTIONS = 10_000
RUNS = 3


def main() -> None:
    """Print a line a run."""
    print(f"corpora/chat.json, 12/5, {CONNECTIONS:,} connections from one client process")
    print("run  seconds  messages each  opened per second  server's processor  resident KiB")
    for run in range(1, RUNS + 1):
        start = time.monotonic()
        results = record(
            *("connections", "corpora/chat.json", "-n", CONNECTIONS),
            *("--settings", "12/5", "--clients", 1),
        )
        seconds = time.monotonic() - start
        live = results.rows[0].live
        assert live and results.live and live.opened_per_second and live.opening_cpu_share
        assert live.resident_bytes is not None
        print(
            f"{run:<5}{seconds:>7.1f}{results.live.messages:>15}{live.opened_per_second:>19,.0f}"
            f"{f'{100 * live.opening_cpu_share:.0f} %':>20}{live.resident_bytes / 1024:>14.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

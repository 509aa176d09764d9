"""How long `wsbench --help` takes, as a ratio to `python -c "import click"`, run in turn."""

import subprocess
import sys
import time
from pathlib import Path

RUNS = 40
COMMANDS = {
    "wsbench --help": [str(Path(sys.executable).parent / "wsbench"), "--help"],
    "import click": [sys.executable, "-c", "import click"],
}


def main() -> None:
    """Print the shortest time of each command, and their ratio."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - start)
    for name, of in seconds.items():
        print(f"{name:16}{1000 * min(of):7.1f} ms, the shortest of {RUNS}")
    print(f"ratio           {min(seconds['wsbench --help']) / min(seconds['import click']):7.2f}")


if __name__ == "__main__":
    main()

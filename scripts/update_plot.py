"""Draw time against the number of connections: `python scripts/update_plot.py`, on a quiet machine.

Needs the extra `docs` (matplotlib). Measures the chat corpus down the ladder, which takes a minute,
and writes docs/time_connections.json (the record) and docs/time_connections.svg. With --draw-only,
the record is drawn as it is.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter

from wsbench import Results, load_results

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "docs" / "time_connections.json"
PLOT = RECORD.with_suffix(".svg")
CORPUS = ROOT / "corpora" / "chat.json"
NUMBERS = (1, 3, 10, 30, 100, 300, 1000, 3000)
SECONDS_A_NUMBER = 8


def measure() -> None:
    """Write the record."""
    numbers = [option for number in NUMBERS for option in ("--connections", str(number))]
    command = [sys.executable, "-m", "wsbench", "compress", CORPUS, "--no-memory", *numbers]
    seconds = str(SECONDS_A_NUMBER * len(NUMBERS))
    subprocess.run(
        [*command, "--max-seconds", seconds, "--save", RECORD, "-o", "/dev/null"], check=True
    )


def draw(results: Results) -> None:
    """Write the plot: a line for each settings, with its 95 % intervals."""
    mpl.rcParams.update({"svg.hashsalt": "wsbench", "svg.fonttype": "none", "font.size": 10})
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    rows = [row for row in results.rows if row.settings]
    colours = mpl.colormaps["viridis"]
    labels: list[tuple[float, str, object]] = []
    for position, row in enumerate(rows):
        colour = colours(0.9 * position / max(1, len(rows) - 1))
        numbers = [time.connections for time in row.time]
        times_us = [time.encode_ns_per_message / 1000 for time in row.time]
        margins_us = [
            time.margin / (1 + time.vs_reference) * time.encode_ns_per_message / 1000
            for time in row.time
        ]
        axes.errorbar(
            numbers, times_us, margins_us, color=colour, marker="o", markersize=4, capsize=2
        )
        labels.append((times_us[-1], str(row.settings), colour))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("connections in use in turn")
    axes.set_ylabel("µs to compress a message")
    axes.set_title(
        f"{results.corpus.name}: {results.environment.cpu}, zlib {results.environment.zlib}"
    )
    whole = FuncFormatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_major_formatter(whole)
    axes.yaxis.set_major_formatter(whole)
    axes.yaxis.set_minor_formatter(
        FuncFormatter(lambda value, _: f"{value:g}" if value in (5, 20, 50) else "")
    )
    axes.grid(which="both", alpha=0.25)
    # Each line is named at its end; names that would touch are moved apart.
    last, lowest = max(NUMBERS), 0.0
    for time_us, name, colour in sorted(labels):
        at = max(time_us, lowest * 1.11)
        axes.annotate(name, (last, at), xytext=(8, -3), textcoords="offset points", color=colour)
        lowest = at
    axes.set_xlim(right=last * 2.2)
    figure.savefig(PLOT, metadata={"Date": None, "Creator": None})
    # matplotlib ends lines with blanks.
    PLOT.write_text(
        "\n".join(map(str.rstrip, PLOT.read_text("utf-8").splitlines())) + "\n", "utf-8"
    )


def main() -> None:
    """Measure unless told otherwise, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw-only", action="store_true", help="draw the record as it is")
    if not parser.parse_args().draw_only:
        measure()
    draw(load_results(RECORD))


if __name__ == "__main__":
    main()

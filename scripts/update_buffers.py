"""Measure buffers again: `python scripts/update_buffers.py`; needs openssl and the extra `docs`.

Writes results/buffers.json (everything, with websockets' own limits), the records of other limits,
of threads and of TLS in results/buffers/, their tables into results/buffers.md, that of slow
readers into README.md, and the plot docs/buffers.svg. Takes eighteen minutes. With --draw-only,
pages and plot are made of the records as they are.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from msgspec.structs import replace

from wsbench import Results, load_results, render
from wsbench.buffers import SCENARIOS, SlowReader
from wsbench.report.units import binary_bytes

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "results" / "buffers.json"
RECORDS = ROOT / "results" / "buffers"
PAGE = ROOT / "results" / "buffers.md"
README = ROOT / "README.md"
PLOT = ROOT / "docs" / "buffers.svg"
CORPUS = "corpora/chat.json"
# A line that ends after fewer messages has no room for its name on the left.
SHORT = 100

LIMITS = [
    *(option for number in (1, 4, 16, 64) for option in ("--max-queue", str(number))),
    *(option for size in ("4KiB", "64KiB", "1MiB") for option in ("--max-size", size)),
]
# Title on the page, name of the record, options.
OTHERS = [
    (
        "Other limits",
        "limits",
        [
            *("--scenario", "slow-reader", "--scenario", "bomb", "--settings", "12/5", *LIMITS),
            *("--payload", "corpus", "--payload", "binary", "--payload", "zeros"),
        ],
    ),
    (
        "Write limits",
        "write-limits",
        [
            *("--scenario", "slow-client", "--settings", "off"),
            *("--write-limit", "1KiB", "--write-limit", "32KiB", "--write-limit", "256KiB"),
        ],
    ),
    (
        "No compression",
        "no-compression",
        [
            *("--scenario", "slow-reader", "--settings", "off", "--payload", "corpus"),
            *("--payload", "zeros", "--max-queue", "1", "--max-size", "4KiB"),
        ],
    ),
    (
        "A small receive buffer",
        "receive-buffer",
        [
            *("--receive-buffer", "8KiB", "--scenario", "slow-reader", "--settings", "12/5"),
            *("--max-queue", "1", "--max-queue", "16", "--max-size", "4KiB", "--max-size", "1MiB"),
        ],
    ),
    (
        "websockets' own keepalive",
        "keepalive",
        [
            *("--scenario", "slow-client", "--scenario", "broadcast", "--settings", "off"),
            *("--ping-interval", "20", "--ping-timeout", "20"),
        ],
    ),
    ("Threads", "threads", ["--implementation", "sync", "--settings", "12/5"]),
    ("TLS", "tls", ["--settings", "12/5", "--tls", "cert.pem", "key.pem"]),
    (
        "A small receive buffer with TLS",
        "tls-receive-buffer",
        [
            *("--receive-buffer", "8KiB", "--scenario", "slow-reader", "--settings", "12/5"),
            *("--max-queue", "1", "--max-size", "4KiB", "--tls", "cert.pem", "key.pem"),
        ],
    ),
]


def main() -> None:
    """Measure unless told otherwise, then write the page and the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw-only", action="store_true", help="use the records as they are")
    if not parser.parse_args().draw_only:
        RECORDS.mkdir(exist_ok=True)
        scenarios = [option for name in SCENARIOS for option in ("--scenario", name)]
        measure(RECORD, [*scenarios, "--app-bytes", "64KiB"])
        with tempfile.TemporaryDirectory() as folder:
            make_certificate(Path(folder))
            for _, name, options in OTHERS:
                given = [str(Path(folder) / item) if ".pem" in item else item for item in options]
                measure(RECORDS / f"{name}.json", given)
    PAGE.write_text(page(), "utf-8")
    README.write_text(with_example(README.read_text("utf-8")), "utf-8")
    draw(load_results(RECORD))


def measure(record: Path, options: list[str]) -> None:
    """Save the record of wsbench buffers with these options."""
    command = [sys.executable, "-m", "wsbench", "buffers", CORPUS, *options]
    subprocess.run(
        [*command, "--max-seconds", "900", "--save", record, "-o", "/dev/null"],
        check=True,
        cwd=ROOT,
    )
    if load_results(record).partial:
        sys.exit(f"{record}: the time was up; measure on a quieter machine")
    print(f"{record.stem}: done", flush=True)


def make_certificate(folder: Path) -> None:
    """Make cert.pem and key.pem."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )


def page() -> str:
    """All tables, from the records."""
    parts = [
        "# Buffers",
        "What connections hold when peers are slow; [docs/buffers.md](../docs/buffers.md) explains "
        "it. Made by `python scripts/update_buffers.py`; the records are [buffers.json]"
        "(buffers.json) and [buffers/](buffers/).",
        "## websockets' own limits",
        render(load_results(RECORD), "markdown").strip(),
    ]
    for title, name, _ in OTHERS:
        results = load_results(RECORDS / f"{name}.json")
        parts += [f"## {title}", render(results, "markdown").strip()]
    return "\n\n".join(parts) + "\n"


def with_example(readme: str) -> str:
    """The README with its example replaced: slow readers, and no advice."""
    results = load_results(RECORD)
    assert results.buffers is not None
    others = ("bombs", "slow_clients", "broadcasts", "applications")
    only = replace(results.buffers, advice=None, **dict.fromkeys(others, ()))
    output = render(replace(results, buffers=only))
    return re.sub(
        r"(?<=<!-- buffers output -->\n```text\n).*?(?=```)",
        lambda _: output,
        readme,
        count=1,
        flags=re.DOTALL,
    )


def draw(results: Results) -> None:
    """Write the plot: what a connection has allocated, against messages sent to a slow reader."""
    # Tests make the page without it.
    import matplotlib as mpl
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    assert results.buffers is not None
    mpl.rcParams.update({"svg.hashsalt": "wsbench", "svg.fonttype": "none", "font.size": 10})
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    rows = [
        row
        for row in results.buffers.slow_readers
        if str(row.settings) == "12/5" and row.payload in ("corpus", "small", "binary", "zeros")
    ]
    colours = mpl.colormaps["viridis"]
    labels = []
    for position, row in enumerate(rows):
        colour = colours(0.85 * position / max(1, len(rows) - 1))
        points = [(sent, size) for sent, size in row.growth if sent >= 1 and size > 0]
        axes.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=4)
        sent, size = max(points, key=lambda point: point[1])
        labels.append((size, sent, name(results, row), colour))
    # Each line is named to the left of its highest point, where there is room; names that would
    # touch are moved apart, and what comes no higher than the bound is named below it.
    lowest = 0.0
    for size, sent, text, colour in sorted(labels):
        at = max(size, 3 * lowest)
        is_short = sent < SHORT
        axes.annotate(
            text,
            (sent, at),
            xytext=(8, -12) if is_short else (-8, 2),
            textcoords="offset points",
            color=colour,
            ha="left" if is_short else "right",
        )
        lowest = at
    bound = rows[0].bound_bytes
    assert bound is not None
    axes.axhline(bound, color="0.4", linestyle="--")
    axes.annotate(
        f"bound: max_queue × max_size = {binary_bytes(bound)}",
        (1, bound),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 4),
        textcoords="offset points",
        color="0.3",
        ha="right",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("messages that a client has sent; the handler is slow")
    axes.set_ylabel("allocated for a connection, beyond an idle one")
    axes.set_title(
        f"websockets {results.environment.websockets}, asyncio, 12/5, its own limits", loc="left"
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: binary_bytes(value)))
    ticks = [2**power for power in range(10, 31, 4)]
    axes.set_yticks(ticks)
    axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.grid(alpha=0.25)
    axes.set_xlim(1, 4 * max(sent for row in rows for sent, _ in row.growth))
    figure.savefig(PLOT, metadata={"Date": None, "Creator": None})
    # matplotlib ends lines with blanks.
    PLOT.write_text(
        "\n".join(map(str.rstrip, PLOT.read_text("utf-8").splitlines())) + "\n", "utf-8"
    )


def name(results: Results, row: SlowReader) -> str:
    """What a line shows."""
    if row.payload == "corpus":
        mean_bytes = results.corpus.bytes / results.corpus.messages
        return f"{results.corpus.name}, {binary_bytes(mean_bytes)} on average"
    return f"{row.payload}, {binary_bytes(row.payload_bytes)}"


if __name__ == "__main__":
    main()

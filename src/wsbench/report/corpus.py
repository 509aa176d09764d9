"""A description of a corpus as text."""

from collections.abc import Iterator

from tabulate import tabulate

from wsbench.corpus.model import Statistics
from wsbench.measure.description import Description, Side, Window
from wsbench.report.units import binary_bytes, counted, kib, percent

_BAR_WIDTH = 40
# What marks the suggested row.
_MARK = "*"


def render_description(description: Description, *, blocks: bool) -> str:
    """The description; bars are of block characters, or of `#` where those cannot be shown."""
    parts = ["".join(f"{name + ':':14}{value}\n" for name, value in _facts(description))]
    if description.statistics.streams > 1:
        parts.append(_streams(description))
    parts.append(_histogram(description, "█" if blocks else "#"))
    parts.append(_windows(description))
    return "\n".join(parts)


def _facts(description: Description) -> Iterator[tuple[str, str]]:
    statistics = description.statistics
    yield "Corpus", description.name
    yield "Messages", f"{statistics.messages:,} ({_content(statistics)})"
    yield "Bytes", f"{statistics.bytes:,}"
    streams = f"{statistics.streams:,}"
    if statistics.connections > 1:
        streams += f" of {counted(statistics.connections, 'connection')}"
    yield "Streams", f"{streams}, sent by the {' and the '.join(statistics.directions)}"
    yield (
        "Message size",
        (
            f"min {statistics.min_bytes:,}, median {statistics.median_bytes:,}, "
            f"p95 {statistics.p95_bytes:,}, max {statistics.max_bytes:,} bytes"
        ),
    )
    yield "SHA-256", description.sha256


def _content(statistics: Statistics) -> str:
    if not statistics.binary_messages:
        return "text"
    if not statistics.text_messages:
        return "binary"
    return f"{statistics.text_messages:,} text, {statistics.binary_messages:,} binary"


def _streams(description: Description) -> str:
    """What each side sends, and the streams with the most bytes."""

    def cells(side: Side, name: str) -> list[str]:
        return [name, side.direction, f"{side.messages:,}", f"{side.bytes:,}"]

    rows = [cells(side, f"all {side.streams:,}") for side in description.sides]
    if description.statistics.connections == 1:
        rows = []
    rows += [cells(side, f"{side.connection:,}") for side in description.largest_streams]
    left = description.statistics.streams - len(description.largest_streams)
    table = tabulate(
        rows,
        headers=["Connection", "Sent by", "Messages", "Bytes"],
        disable_numparse=True,
        colalign=("left", "left", "right", "right"),
    )
    return f"{table}\n" + (f"and {counted(left, 'smaller stream')}\n" if left else "")


def _histogram(description: Description, block: str) -> str:
    most = max(sizes.messages for sizes in description.sizes)
    rows = []
    for sizes in description.sizes:
        low, high = f"{sizes.least_bytes:,}", f"{sizes.most_bytes:,}"
        bar = block * max(sizes.messages > 0, round(_BAR_WIDTH * sizes.messages / most))
        rows.append([low if low == high else f"{low} to {high}", f"{sizes.messages:,}", bar])
    table = tabulate(
        rows,
        headers=["Bytes", "Messages", ""],
        disable_numparse=True,
        colalign=("right", "right", "left"),
    )
    return "\n".join(line.rstrip() for line in table.splitlines()) + "\n"


def _windows(description: Description) -> str:
    """What each window of the ladder buys, and what that suggests."""
    rows = [
        [
            f"{window.settings.window_bits}{_mark(window, description)}",
            f"{window.settings.memory_level}{_mark(window, description)}",
            binary_bytes(window.reach_bytes),
            percent(window.matched_share),
            percent(window.compressed_share),
            kib(window.deflate_bytes, decimals=0),
        ]
        for window in description.windows
    ]
    headers = [
        "Window Bits",
        "Memory Level",
        "Looks back",
        "Bytes that are repeats",
        "Compressed to",
        "Compressor (zlib's formula)",
    ]
    table = tabulate(rows, headers=headers, disable_numparse=True)
    entropy = description.entropy_bits
    lines = [
        f"Bytes one by one have {entropy:.2f} bits: coding them without looking back would leave "
        f"{percent(entropy / 8)}."
    ]
    total = description.statistics.bytes
    if description.measured_bytes < total:
        lines.append(
            f"Compressed: {binary_bytes(description.measured_bytes)} of {binary_bytes(total)}, "
            f"from the beginnings of streams."
        )
    if description.matched_bytes < description.measured_bytes:
        lines.append(f"Repeats: looked for in {binary_bytes(description.matched_bytes)} of them.")
    lines.append(_suggestion(description))
    return f"{table}\n\n" + "\n".join(lines) + "\n"


def _mark(window: Window, description: Description) -> str:
    return f" {_MARK}" if window.settings == description.suggested else ""


def _suggestion(description: Description) -> str:
    if description.suggested is None:
        return (
            "Suggested: off. No window saves as much as 5%: these messages are compressed already, "
            "or too short."
        )
    return (
        f"Suggested ({_MARK}): {description.suggested}, the smallest context within 10% of the "
        f"fewest bytes. By bytes alone; wsbench compress measures memory and time."
    )

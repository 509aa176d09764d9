"""Numbers as people read them: the one place where base units are scaled and rounded."""

DASH = "—"


def counted(number: int, noun: str) -> str:
    """`1 stream`, `1,000 messages`, `2 processes`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def kib(size_bytes: float, *, decimals: int = 1) -> str:
    """Bytes in KiB of 1024 bytes: `64.5 KiB`."""
    return f"{size_bytes / 1024:.{decimals}f} KiB"


def binary_size(size_bytes: float) -> str:
    """Much memory: `300 MiB`, `25.2 GiB`."""
    if size_bytes < 2**30:
        return f"{size_bytes / 2**20:.0f} MiB"
    return f"{size_bytes / 2**30:,.1f} GiB"


def binary_bytes(size_bytes: float) -> str:
    """Little or much: `1 byte`, `300 bytes`, `4 KiB`, `63.8 KiB`, `12.5 MiB`, `1.2 GiB`."""
    size_bytes = round(size_bytes)
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        # What would be rounded up to the next unit is written in it.
        if abs(size_bytes) >= 0.99995 * unit:
            return f"{size_bytes / unit:,.1f} {name}".replace(".0 ", " ")
    return f"{size_bytes} byte{'s' * (size_bytes != 1)}"


def seconds(time_seconds: float) -> str:
    """A duration: `10 s`, `3.2 s`."""
    return f"{time_seconds:.1f} s".replace(".0 ", " ")


def points(fraction: float) -> str:
    """A distance of ratios, in percentage points without the word: `1`, `0.25`."""
    return f"{100 * fraction:g}"


def microseconds(time_ns: float, *, decimals: int = 2) -> str:
    """Nanoseconds in microseconds: `5.23 µs`."""
    return f"{time_ns / 1000:.{decimals}f} µs"


def milliseconds(time_ns: float) -> str:
    """Nanoseconds in milliseconds: `0.52 ms`."""
    return f"{time_ns / 1e6:.2f} ms"


def percent(fraction: float) -> str:
    """A share: `23.4%`."""
    return f"{100 * fraction:.1f}%"


def difference(fraction: float, *, decimals: int = 1) -> str:
    """A relative difference, with its sign: `+15.2%`; zero has none."""
    value = round(100 * fraction, decimals)
    return f"{value:+.{decimals}f}%" if value else f"{0:.{decimals}f}%"


def difference_with_margin(fraction: float, margin: float) -> str:
    """A relative difference with half its 95 % interval: `+15.2% ± 0.4`."""
    return f"{difference(fraction)} ± {100 * margin:.1f}"

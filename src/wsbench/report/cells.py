"""The cells of times: which columns a record has, and how a ratio and its doubts are written."""

from collections.abc import Iterator
from typing import NamedTuple

from wsbench.report.units import difference, difference_with_margin, microseconds
from wsbench.results import Results, Row

# Marks an interval that stayed wider than was asked for.
WIDE = "~"


class TimeColumn(NamedTuple):
    """Times of encoding or of decoding with some number of connections."""

    connections: int
    decode: bool
    precision: float | None

    def title(self, reference: str) -> str:
        """`Time vs. default`, `Time at 1,000 connections`, `Decode at 1,000 connections`."""
        quantity = "Decode" if self.decode else "Time"
        if self.connections == 1:
            return f"{quantity} vs. {reference}"
        return f"{quantity} {at_connections(self.connections)}"

    def absolute(self, row: Row) -> str | None:
        """The time a message."""
        time = row.time_at(self.connections)
        if time is None:
            return None
        return microseconds(
            time.decode_ns_per_message if self.decode else time.encode_ns_per_message
        )

    def difference(self, row: Row, *, interval: bool = False) -> str | None:
        """How it compares with the reference, marked if not known as well as was asked for."""
        time = row.time_at(self.connections)
        if time is None:
            return None
        vs_reference = time.decode_vs_reference if self.decode else time.vs_reference
        margin = time.decode_margin if self.decode else time.margin
        text = (
            difference_with_margin(vs_reference, margin) if interval else difference(vs_reference)
        )
        return f"{text} {WIDE}" if self.is_wide(row) else text

    def rounded(self, row: Row) -> str | None:
        """How it compares with the reference, in whole percentage points."""
        time = row.time_at(self.connections)
        if time is None:
            return None
        vs_reference = time.decode_vs_reference if self.decode else time.vs_reference
        return difference(vs_reference, decimals=0)

    def is_wide(self, row: Row) -> bool:
        """Whether the interval stayed wider than was asked for."""
        time = row.time_at(self.connections)
        if time is None or self.precision is None:
            return False
        return (time.decode_margin if self.decode else time.margin) > self.precision


def time_columns(results: Results, *, decode: bool) -> Iterator[TimeColumn]:
    """A column for each number of connections; with `decode`, the same for decoding after them."""
    for decoding in (False, True) if decode else (False,):
        for connections in results.timed_connections():
            timing = results.timing_of(connections)
            yield TimeColumn(connections, decoding, timing.precision if timing else None)


def at_connections(connections: int) -> str:
    """`at 1,000 connections`."""
    return f"at {connections:,} connections"

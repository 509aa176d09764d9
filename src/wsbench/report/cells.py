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
        if self.connections == 1:
            return f"{self.quantity} vs. {reference}"
        return f"{self.quantity} {at_connections(self.connections)}"

    @property
    def quantity(self) -> str:
        """`Time` or `Decode`."""
        return "Decode" if self.decode else "Time"

    @property
    def suffix(self) -> str:
        """`, at 1,000 connections`; nothing for one."""
        return f", {at_connections(self.connections)}" if self.connections > 1 else ""

    def absolute(self, row: Row) -> str | None:
        """The time a message."""
        time = row.time_at(self.connections)
        if time is None:
            return None
        ns = time.decode_ns_per_message if self.decode else time.encode_ns_per_message
        return microseconds(ns)

    def difference(self, row: Row, *, interval: bool = False) -> str | None:
        """How it compares with the reference, marked if not known as well as was asked for."""
        known = self._ratio(row)
        if known is None:
            return None
        text = difference_with_margin(*known) if interval else difference(known[0])
        return f"{text} {WIDE}" if self.is_wide(row) else text

    def rounded(self, row: Row) -> str | None:
        """How it compares with the reference, in whole percentage points."""
        known = self._ratio(row)
        return None if known is None else difference(known[0], decimals=0)

    def is_wide(self, row: Row) -> bool:
        """Whether the interval stayed wider than was asked for."""
        return self.is_known(row) is False

    def is_known(self, row: Row) -> bool | None:
        """Whether the interval is as narrow as was asked for; None if there is nothing to tell."""
        known = self._ratio(row)
        if known is None or self.precision is None:
            return None
        return known[1] <= self.precision

    def _ratio(self, row: Row) -> tuple[float, float] | None:
        """The ratio to the reference and how far its interval reaches."""
        time = row.time_at(self.connections)
        if time is None:
            return None
        if self.decode:
            return time.decode_vs_reference, time.decode_margin
        return time.vs_reference, time.margin


def time_columns(results: Results, *, decode: bool) -> Iterator[TimeColumn]:
    """A column for each number of connections; with `decode`, the same for decoding after them."""
    for decoding in (False, True) if decode else (False,):
        for connections in results.timed_connections():
            timing = results.timing_of(connections)
            yield TimeColumn(connections, decoding, timing.precision if timing else None)


def at_connections(connections: int) -> str:
    """`at 1,000 connections`."""
    return f"at {connections:,} connections"

"""Errors that a user can mend: one line each, naming the place and the remedy."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsbench.results import Results


class WsbenchError(Exception):
    """Base of every error that wsbench raises on purpose; its text is one line for a user."""


class SettingsError(WsbenchError, ValueError):
    """Settings that zlib or RFC 7692 do not allow."""


class CorpusError(WsbenchError):
    """A corpus that cannot be read, written or made."""


class ResultsError(WsbenchError):
    """A record of results that cannot be read or written."""


class MeasurementError(WsbenchError):
    """A measurement that failed, or whose outcome cannot be right.

    Raised by a sweep, its `results` hold what was measured before, if anything.
    """

    results: "Results | None" = None

"""How the kinds write JSON: compact UTF-8, as JSON.stringify in a browser does."""

import json
from datetime import UTC, datetime, timedelta

from wsbench.corpus.model import Message

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def json_message(value: object) -> Message:
    """A text message that holds `value`."""
    return Message(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), True)


def milliseconds_since_epoch(elapsed_seconds: float) -> int:
    """A time `elapsed_seconds` after the fixed start, as JavaScript's Date.now() gives it."""
    return int((START + timedelta(seconds=elapsed_seconds)).timestamp() * 1000)


def iso_time(elapsed_seconds: float) -> str:
    """The same as ISO 8601 text with microseconds."""
    time = START + timedelta(seconds=elapsed_seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

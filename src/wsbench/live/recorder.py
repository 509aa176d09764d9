"""What a proxy sees, written to a capture as it happens, so that little is lost if it is killed."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from wsbench.corpus import capture_format
from wsbench.corpus.model import Event, Message
from wsbench.corpus.redaction import Redactor
from wsbench.errors import CorpusError
from wsbench.settings import Direction

# How long a record may wait in memory: half of what may be lost, since the loop may be late.
_FLUSH_SECONDS = 0.5
_BUFFER_BYTES = 2**16


class Limits(NamedTuple):
    """When a recording ends by itself: at so many messages, or before its file has more bytes."""

    max_messages: int | None = None
    max_bytes: int | None = None


class Recorder:
    """Writes a new capture; `ended` is called when it has come to its limits, or cannot go on.

    Counts `messages`, their `payload_bytes`, `connections`, and what was `left_out`: text messages
    that are not UTF-8. `error` is why it could not go on, if it could not.

    Raises:
        FileExistsError: if there is a file of that name already.
        OSError: if it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        upstream: str,
        redactor: Redactor,
        limits: Limits,
        ended: Callable[[], None],
    ) -> None:
        self.messages = self.payload_bytes = self.connections = self.left_out = 0
        self.error: OSError | None = None
        self._redactor = redactor
        self._limits = limits
        self._ended = ended
        self._is_over = False
        self._flush_timer: asyncio.TimerHandle | None = None
        self._file = path.open("xb", _BUFFER_BYTES)
        self._written_bytes = self._file.write(
            capture_format.header(upstream, redacted=bool(redactor))
        )
        self._file.flush()

    def opened(self, path: str, subprotocol: str | None) -> int:
        """Note a connection; returns its number."""
        self.connections += 1
        # What follows is often a token.
        path = self._redacted(path.partition("?")[0])
        subprotocol = subprotocol and self._redacted(subprotocol)
        self._write(capture_format.opened(self.connections, time.time(), path, subprotocol))
        return self.connections

    def message(self, connection: int, direction: Direction, data: bytes, *, is_text: bool) -> None:
        """Note a message that one side of a connection sent."""
        if self._is_over:
            return
        now = time.time()
        try:
            message = Message(data, is_text)
        except CorpusError:
            self.left_out += 1
            return
        message = self._redactor.redact(message)
        if self._write(capture_format.event_line(Event(connection, direction, message, now))):
            self.messages += 1
            self.payload_bytes += len(data)
            if self.messages == self._limits.max_messages:
                self._end()

    def closed(self, connection: int, code: int, reason: str, direction: Direction | None) -> None:
        """Note that one side closed a connection, or lost it (1006); None: neither did."""
        reason = self._redacted(reason)
        self._write(capture_format.closed(connection, time.time(), code, reason, direction))

    def close(self) -> None:
        """Write what is left, down to the disk.

        Raises:
            OSError: if that fails.
        """
        self._is_over = True
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        with self._file:
            if self.error is None:
                self._file.flush()
                os.fsync(self._file.fileno())

    def _redacted(self, text: str) -> str:
        return self._redactor.redact(Message(text.encode(), True)).data.decode()

    def _write(self, line: bytes) -> bool:
        """Write a line, if that is still to be done; returns whether it was."""
        most_bytes = self._limits.max_bytes
        if self._is_over:
            return False
        if most_bytes is not None and self._written_bytes + len(line) > most_bytes:
            self._end()
            return False
        try:
            self._file.write(line)
        except OSError as error:
            self._fail(error)
            return False
        self._written_bytes += len(line)
        if self._flush_timer is None:
            loop = asyncio.get_running_loop()
            self._flush_timer = loop.call_later(_FLUSH_SECONDS, self._flush)
        return True

    def _flush(self) -> None:
        self._flush_timer = None
        try:
            self._file.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.error = error
        self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._ended()

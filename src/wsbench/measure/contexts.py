"""Compression contexts as they are at some message of a stream, and what many of them take."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame

from wsbench.corpus.model import DIRECTIONS, Message
from wsbench.deflate import endpoint, frame
from wsbench.settings import DeflateSettings

# What a context takes beside zlib's formulas: its fixed state and the Python objects around it.
_FIXED_BYTES = 8192


class _Copyable(Protocol):
    """zlib's compression and decompression objects, whose types have no public name."""

    def copy(self) -> Any: ...


class WarmContext:
    """Both ends of one direction of a connection, after the messages that precede `start`.

    The settings have the same window bits both ways. A copy of either has a context of its own, all
    of whose memory has been written.
    """

    def __init__(self, messages: Sequence[Message], start: int, settings: DeflateSettings) -> None:
        self._sender, self._receiver = endpoint(settings), endpoint(settings)
        self.advance(messages[_warm_start(messages, start, settings) : start])

    def advance(self, messages: Sequence[Message]) -> None:
        """Send the messages, to be after them."""
        for message in messages:
            self._receiver.decode(self._sender.encode(frame(message)))

    def copy(self) -> "WarmContext":
        """Another connection in the same state."""
        twin = copy.copy(self)
        twin._sender, twin._receiver = self.sender(), self.receiver()
        return twin

    def encoded(self, frames: Iterable[Frame]) -> list[Frame]:
        """What would be sent next for these frames."""
        return [*map(self.sender().encode, frames)]

    def sender(self) -> PerMessageDeflate:
        """An endpoint that encodes the next message."""
        return _with_copied(self._sender, "encoder")

    def receiver(self) -> PerMessageDeflate:
        """An endpoint that decodes the next message."""
        return _with_copied(self._receiver, "decoder")


def _with_copied(original: PerMessageDeflate, name: str) -> PerMessageDeflate:
    twin = copy.copy(original)
    # Without context takeover there is no context between messages.
    context: _Copyable | None = getattr(original, name, None)
    if context is not None:
        setattr(twin, name, context.copy())
    return twin


def context_bytes(settings: DeflateSettings) -> int:
    """An upper bound of what one context takes, of a compressor or of a decompressor.

    That is what compressing takes, in the direction with the larger window, and the fixed part:
    decompressing takes 1 << windowBits.
    """
    if not settings.context_takeover:
        return _FIXED_BYTES
    return max(deflate_bytes(settings.one_way(item)) for item in DIRECTIONS) + _FIXED_BYTES


def deflate_bytes(settings: DeflateSettings) -> int:
    """What a compressor of what servers send allocates, but for its fixed part, by the formula of
    zlib's zconf.h: (1 << (windowBits + 2)) + (1 << (memLevel + 9)).
    """
    return (1 << (settings.window_bits + 2)) + (1 << (settings.memory_level + 9))


def _warm_start(messages: Sequence[Message], start: int, settings: DeflateSettings) -> int:
    """The message to begin with for a context to be at message `start` what it would be there."""
    if not settings.context_takeover:
        return start
    # A context that has seen twice its window is like one that has seen everything.
    missing_bytes = 2 << settings.window_bits
    while start > 0 and missing_bytes > 0:
        start -= 1
        # No message is so short that thousands of them would have to be sent again.
        missing_bytes -= max(16, len(messages[start].data))
    return start

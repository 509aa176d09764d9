"""Makes websockets worse in every process that starts with this folder in PYTHONPATH.

`WSBENCH_DEFECT` says how: `size:11`, a hundredth more bytes at Window Bits 11; `memory`, 2 KiB more
for every connection of a server; `time:11:40`, 40 spins after every message at Window Bits 11. So
an upgrade that is worse is imitated where it would be, in the library, and in all processes alike.
"""

import os
from dataclasses import replace
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame

# Another flush, without the four bytes that are not sent (RFC 7692, section 7.2.1): an empty block.
_EMPTY_BLOCK = b"\x00\x00\xff\xff\x00"


def _replace(kind: type[PerMessageDeflate], window_bits: int) -> None:
    """Make endpoints with these Window Bits of this kind; all others stay as fast as they were."""
    init = PerMessageDeflate.__init__

    def replaced(self: PerMessageDeflate, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        if self.local_max_window_bits == window_bits:
            self.__class__ = kind

    PerMessageDeflate.__init__ = replaced  # type: ignore[method-assign]


def _grow(window_bits: int) -> None:
    class Growing(PerMessageDeflate):
        debt_bytes = 0.0

        def encode(self, frame: Frame) -> Frame:
            encoded = super().encode(frame)
            self.debt_bytes += len(encoded.data) / 100
            blocks = int(self.debt_bytes / len(_EMPTY_BLOCK))
            self.debt_bytes -= blocks * len(_EMPTY_BLOCK)
            return replace(encoded, data=bytes(encoded.data) + blocks * _EMPTY_BLOCK)

    _replace(Growing, window_bits)


def _hoard() -> None:
    init = ServerConnection.__init__

    def hoarding(self: ServerConnection, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.hoard = bytearray(2048)  # type: ignore[attr-defined]

    ServerConnection.__init__ = hoarding  # type: ignore[method-assign]


def _spin(window_bits: int, spins: int) -> None:
    class Spinning(PerMessageDeflate):
        def encode(self, frame: Frame) -> Frame:
            encoded = super().encode(frame)
            for _ in range(spins):
                pass
            return encoded

    _replace(Spinning, window_bits)


match os.environ.get("WSBENCH_DEFECT", "").split(":"):
    case ["size", bits]:
        _grow(int(bits))
    case ["memory"]:
        _hoard()
    case ["time", bits, spins]:
        _spin(int(bits), int(spins))

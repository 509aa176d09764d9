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

_encode = PerMessageDeflate.encode
_init = ServerConnection.__init__
# Another flush, without the four bytes that are not sent (RFC 7692, section 7.2.1): an empty block.
_EMPTY_BLOCK = b"\x00\x00\xff\xff\x00"


def _grow(window_bits: int) -> None:
    debts: dict[int, float] = {}

    def encode(self: PerMessageDeflate, frame: Frame) -> Frame:
        encoded = _encode(self, frame)
        if self.local_max_window_bits != window_bits:
            return encoded
        debt = debts.get(id(self), 0.0) + len(encoded.data) / 100
        blocks = int(debt / len(_EMPTY_BLOCK))
        debts[id(self)] = debt - blocks * len(_EMPTY_BLOCK)
        return replace(encoded, data=bytes(encoded.data) + blocks * _EMPTY_BLOCK)

    PerMessageDeflate.encode = encode  # type: ignore[method-assign]


def _hoard() -> None:
    def init(self: ServerConnection, *args: Any, **kwargs: Any) -> None:
        _init(self, *args, **kwargs)
        self.hoard = bytearray(2048)  # type: ignore[attr-defined]

    ServerConnection.__init__ = init  # type: ignore[method-assign]


def _spin(window_bits: int, spins: int) -> None:
    def encode(self: PerMessageDeflate, frame: Frame) -> Frame:
        encoded = _encode(self, frame)
        if self.local_max_window_bits == window_bits:
            for _ in range(spins):
                pass
        return encoded

    PerMessageDeflate.encode = encode  # type: ignore[method-assign]


match os.environ.get("WSBENCH_DEFECT", "").split(":"):
    case ["size", bits]:
        _grow(int(bits))
    case ["memory"]:
        _hoard()
    case ["time", bits, spins]:
        _spin(int(bits), int(spins))

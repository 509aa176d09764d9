"""One permessage-deflate endpoint per settings, and its negotiation, through websockets."""

import zlib

from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode

from wsbench.corpus.model import Message
from wsbench.settings import DeflateSettings, Strategy

_ZLIB_STRATEGIES: dict[Strategy, int] = {
    "default": zlib.Z_DEFAULT_STRATEGY,
    "filtered": zlib.Z_FILTERED,
    "huffman": zlib.Z_HUFFMAN_ONLY,
    "rle": zlib.Z_RLE,
    "fixed": zlib.Z_FIXED,
}


def endpoint(settings: DeflateSettings) -> PerMessageDeflate:
    """A fresh endpoint; both ends of a connection are alike, since settings hold both ways."""
    return PerMessageDeflate(
        remote_no_context_takeover=not settings.context_takeover,
        local_no_context_takeover=not settings.context_takeover,
        remote_max_window_bits=settings.window_bits,
        local_max_window_bits=settings.window_bits,
        compress_settings=_compress_settings(settings),
    )


def frame(message: Message) -> Frame:
    """The message as one unfragmented frame, before any extension."""
    return Frame(Opcode.TEXT if message.text else Opcode.BINARY, message.data)


def server_factory(settings: DeflateSettings) -> ServerPerMessageDeflateFactory:
    """What a server is given to negotiate exactly these settings."""
    return ServerPerMessageDeflateFactory(
        server_no_context_takeover=not settings.context_takeover,
        client_no_context_takeover=not settings.context_takeover,
        server_max_window_bits=settings.window_bits,
        client_max_window_bits=settings.window_bits,
        compress_settings=_compress_settings(settings),
        require_client_max_window_bits=True,
    )


def client_factory(settings: DeflateSettings) -> ClientPerMessageDeflateFactory:
    """What a client is given to offer exactly these settings."""
    return ClientPerMessageDeflateFactory(
        server_no_context_takeover=not settings.context_takeover,
        client_no_context_takeover=not settings.context_takeover,
        server_max_window_bits=settings.window_bits,
        client_max_window_bits=settings.window_bits,
        compress_settings=_compress_settings(settings),
    )


def _compress_settings(settings: DeflateSettings) -> dict[str, int]:
    return {
        "level": settings.level,
        "memLevel": settings.memory_level,
        "strategy": _ZLIB_STRATEGIES[settings.strategy],
    }

"""One permessage-deflate endpoint per settings, and its negotiation, through websockets."""

import zlib

from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.headers import parse_extension

from wsbench.corpus.model import DIRECTIONS, Message
from wsbench.settings import BROWSER, DeflateSettings, Offer, Strategy

_ZLIB_STRATEGIES: dict[Strategy, int] = {
    "default": zlib.Z_DEFAULT_STRATEGY,
    "filtered": zlib.Z_FILTERED,
    "huffman": zlib.Z_HUFFMAN_ONLY,
    "rle": zlib.Z_RLE,
    "fixed": zlib.Z_FIXED,
}


def endpoint(settings: DeflateSettings) -> PerMessageDeflate:
    """A fresh endpoint of a server; with the same window bits both ways, also one of a client."""
    return PerMessageDeflate(
        remote_no_context_takeover=not settings.context_takeover,
        local_no_context_takeover=not settings.context_takeover,
        remote_max_window_bits=settings.window_bits_of("client"),
        local_max_window_bits=settings.window_bits_of("server"),
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
        server_max_window_bits=settings.window_bits_of("server"),
        client_max_window_bits=settings.window_bits_of("client"),
        compress_settings=_compress_settings(settings),
        require_client_max_window_bits=True,
    )


def client_factory(settings: DeflateSettings) -> ClientPerMessageDeflateFactory:
    """What a client is given to offer exactly these settings."""
    return ClientPerMessageDeflateFactory(
        server_no_context_takeover=not settings.context_takeover,
        client_no_context_takeover=not settings.context_takeover,
        server_max_window_bits=settings.window_bits_of("server"),
        client_max_window_bits=settings.window_bits_of("client"),
        compress_settings=_compress_settings(settings),
    )


def offer_factories(offer: Offer) -> list[ClientPerMessageDeflateFactory] | None:
    """What a client is given to make an offer, if it makes one."""
    if offer is None:
        return None
    if offer == BROWSER:
        return [
            ClientPerMessageDeflateFactory(
                client_max_window_bits=True, compress_settings=zlib_settings(BROWSER)
            )
        ]
    return [client_factory(offer)]


def zlib_settings(offer: Offer) -> dict[str, int]:
    """What a client that made this offer compresses with, as arguments of zlib's deflateInit2."""
    return _compress_settings(offer) if isinstance(offer, DeflateSettings) else {}


def is_negotiated(settings: DeflateSettings | None, header: str) -> bool:
    """Whether a server's `Sec-WebSocket-Extensions` header says exactly these settings.

    As far as it can: memory level, level and strategy are not negotiated. What it leaves out is
    15 window bits, and context takeover (RFC 7692, section 7.1).
    """
    agreed = [
        dict(parameters)
        for name, parameters in (parse_extension(header) if header else [])
        if name == PerMessageDeflate.name
    ]
    if settings is None or not agreed:
        return settings is None and not agreed
    return all(
        int(agreed[0].get(f"{side}_max_window_bits") or 15) == settings.window_bits_of(side)
        and (f"{side}_no_context_takeover" in agreed[0]) != settings.context_takeover
        for side in DIRECTIONS
    )


def _compress_settings(settings: DeflateSettings) -> dict[str, int]:
    return {
        "level": settings.level,
        "memLevel": settings.memory_level,
        "strategy": _ZLIB_STRATEGIES[settings.strategy],
    }

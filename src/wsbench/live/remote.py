"""A server at a URL that a user gives: where it is, and whom to trust there."""

import ssl

from websockets.exceptions import InvalidURI
from websockets.uri import WebSocketURI, parse_uri

from wsbench.errors import SettingsError


def parse_url(text: str) -> WebSocketURI:
    """The server at a ws:// or wss:// address.

    Raises:
        SettingsError: if it is none.
    """
    try:
        uri = parse_uri(text)
        # What asyncio will do, and stumble over.
        uri.host.encode("idna")
    except (InvalidURI, ValueError) as error:
        reason = error.msg if isinstance(error, InvalidURI) else error
        raise SettingsError(f"{text}: {reason}; write ws://host:port/path") from error
    return uri


def client_tls(ca: str | None, *, verify: bool) -> ssl.SSLContext:
    """What a server's certificate is checked by: those in a file, or the system's, or nothing.

    Raises:
        OSError: if the file cannot be read, or holds none.
    """
    context = ssl.create_default_context(cafile=ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

"""wsbench record: a proxy that writes the messages which pass through it to a capture."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
from pathlib import Path

import click

from wsbench.cli import EXIT_DONE, remark
from wsbench.cli._options import ca_option, insecure_option, parsed, tls_context, tls_option
from wsbench.cli._output import check_target, emit
from wsbench.corpus.redaction import Redactor
from wsbench.corpus.source import without_secrets
from wsbench.errors import ResultsError, SettingsError
from wsbench.limits_text import parse_bytes, parse_seconds
from wsbench.live.listen import BACKLOG, address, listen_tcp
from wsbench.live.proxy import HEAD_BYTES, Proxy, Upstream
from wsbench.live.recorder import Limits, Recorder
from wsbench.live.remote import client_tls, parse_url
from wsbench.machine import raise_descriptor_limit
from wsbench.report.units import counted

# Room for the first line of a capture.
_LEAST_BYTES = 4096


def _parse_listen(text: str) -> tuple[str, int]:
    """A host and a port from `127.0.0.1:9000`, `[::1]:9000`, `:9000` or `9000`."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        raise SettingsError(f"{text!r}: write HOST:PORT, such as 127.0.0.1:9000")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


@click.command()
@click.argument("upstream", metavar="UPSTREAM")
@click.option(
    "--listen",
    callback=parsed(_parse_listen),
    metavar="HOST:PORT",
    default="127.0.0.1:9000",
    show_default=True,
    help="Where clients connect to; port 0 takes a free one.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="The capture, a new file, such as session.capture.jsonl.",
)
@click.option(
    "--max-messages", type=click.IntRange(min=1), metavar="N", help="End after so many messages."
)
@click.option(
    "--max-bytes",
    callback=parsed(parse_bytes),
    metavar="BYTES",
    help="End before the file is larger, such as 64MiB.",
)
@click.option(
    "--duration",
    callback=parsed(parse_seconds),
    metavar="SECONDS",
    help="End after so long.",
)
@click.option(
    "--redact",
    "patterns",
    multiple=True,
    metavar="REGEX",
    help="Replace what this matches, or its groups, by the like of it; can be repeated.",
)
@click.option(
    "--redact-json",
    "paths",
    multiple=True,
    metavar="PATH",
    help="The same for values in JSON: user.token, items[*].name, ..password; can be repeated.",
)
@tls_option
@ca_option
@insecure_option
def record(
    upstream: str,
    listen: tuple[str, int],
    output: str,
    max_messages: int | None,
    max_bytes: int | None,
    duration: float | None,
    patterns: tuple[str, ...],
    paths: tuple[str, ...],
    tls: tuple[str, str] | None,
    ca: str | None,
    insecure: bool,
) -> int:
    """Pass connections on to the server at UPSTREAM, and record their messages.

    Point a client, or a browser, to where this listens instead of to the server. Everything is
    passed on: paths, headers, subprotocols, fragments, pings, close codes, and pages over HTTP.
    Ctrl-C, SIGTERM or a limit ends the recording; if it is killed, the last second may be missing.

    \b
    wsbench record ws://127.0.0.1:8765 -o session.capture.jsonl
    wsbench record wss://chat.test/ws -o chat.capture.jsonl --redact-json ..token
    wsbench compress session.capture.jsonl

    What is redacted keeps its length and shape: letters become letters, digits digits, and the same
    secret is always replaced by the same text.
    """
    try:
        uri = parse_url(upstream)
        redactor = Redactor(patterns, paths)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    if not uri.secure and (ca or insecure):
        raise click.UsageError("--ca and --insecure are for an UPSTREAM at wss://…")
    if output == "-":
        raise click.UsageError("--output '-': name a file")
    if max_bytes is not None and max_bytes < _LEAST_BYTES:
        raise click.UsageError(f"--max-bytes {max_bytes}: choose at least {_LEAST_BYTES}")
    if os.path.lexists(output):
        raise click.UsageError(f"--output {output}: exists, and is not replaced; name a new file")
    check_target("--output", output, "-")
    server_tls = tls_context(*tls) if tls else None
    try:
        client_context = client_tls(ca, verify=not insecure) if uri.secure else None
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror
        raise click.UsageError(f"--ca {ca}: {reason}; name a PEM file") from error
    raise_descriptor_limit()
    host, port = listen
    try:
        sock = listen_tcp(host, port)
    except OSError as error:
        raise click.UsageError(
            f"--listen {host}:{port}: {error.strerror or error}; name another place to listen on"
        ) from error
    with contextlib.closing(sock):
        return asyncio.run(
            _record(
                sock,
                Upstream(uri, client_context),
                without_secrets(upstream),
                Path(output),
                redactor,
                Limits(max_messages, max_bytes),
                duration,
                server_tls,
            )
        )


async def _record(
    sock: socket.socket,
    upstream: Upstream,
    shown: str,
    output: Path,
    redactor: Redactor,
    limits: Limits,
    duration: float | None,
    tls: ssl.SSLContext | None,
) -> int:
    """Record until a signal, a limit or the time says that it is enough."""
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, enough.set)
    try:
        recorder = Recorder(output, shown, redactor, limits, enough.set)
    except OSError as error:
        raise ResultsError(f"{output}: {error.strerror}; name another place") from error
    proxy = Proxy(upstream, recorder, remark)
    server = await asyncio.start_server(
        proxy.handle, sock=sock, ssl=tls, limit=HEAD_BYTES, backlog=BACKLOG
    )
    place = address(sock, tls=tls is not None)
    emit(f"wsbench record: listening on {place}, passing on to {shown}, recording to {output}\n")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(duration):
            await enough.wait()
    # A second signal finds Python's own handlers, and ends the process.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
    server.close()
    await proxy.stop()
    try:
        recorder.close()
    except OSError as error:
        recorder.error = recorder.error or error
    if recorder.error is not None:
        raise ResultsError(
            f"{output}: {recorder.error.strerror}; what was written before can be read"
        )
    if recorder.left_out:
        remark(f"{counted(recorder.left_out, 'text message')} that are not UTF-8 were left out")
    emit(
        f"wsbench record: {counted(recorder.messages, 'message')} of "
        f"{counted(recorder.payload_bytes, 'byte')} on "
        f"{counted(recorder.connections, 'connection')} in {output}\n"
    )
    return EXIT_DONE

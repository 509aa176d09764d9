"""wsbench serve: run the server under test."""

import contextlib
import os
import socket
import sys

import click

from wsbench.cli import EXIT_DONE, warn
from wsbench.cli._options import implementation_option, parsed, tls_context, tls_option
from wsbench.cli._output import emit
from wsbench.corpus import load_corpus
from wsbench.limits_text import or_none, parse_bytes, parse_frames, parse_grace, parse_seconds
from wsbench.live import server
from wsbench.live.application import Application
from wsbench.live.listen import address, inherited, listen_tcp, listen_unix
from wsbench.machine import raise_descriptor_limit
from wsbench.settings import (
    REFERENCE,
    DeflateSettings,
    Implementation,
    parse_settings,
)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8765,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option("--unix", metavar="PATH", help="Listen on a Unix socket instead.")
@click.option(
    "--fd",
    type=click.IntRange(min=0),
    metavar="N",
    help="Listen on an inherited socket instead, such as 3 from systemd, 0 from supervisord.",
)
@click.option(
    "--settings",
    callback=parsed(parse_settings),
    metavar="BITS/LEVEL",
    default=str(REFERENCE),
    show_default=True,
    help="Window Bits and Memory Level of permessage-deflate, or off.",
)
@click.option(
    "--reply",
    type=click.Choice(("echo", "corpus")),
    default="echo",
    show_default=True,
    help="Answer a message with itself, or with the next one of a corpus.",
)
@click.option("--corpus", "corpus_path", metavar="CORPUS", help="The messages of --reply corpus.")
@implementation_option
@click.option(
    "--max-size",
    callback=parsed(or_none(parse_bytes)),
    metavar="BYTES",
    show_default="websockets' own",
    help="The largest message that is accepted, such as 64KiB, or none.",
)
@click.option(
    "--max-queue",
    callback=parsed(or_none(parse_frames)),
    metavar="FRAMES",
    show_default="websockets' own",
    help="How many received frames may wait, or none.",
)
@click.option(
    "--write-limit",
    callback=parsed(parse_bytes),
    metavar="BYTES",
    show_default="websockets' own",
    help="How much may wait to be written before sending waits; asyncio only.",
)
@click.option(
    "--ping-interval",
    callback=parsed(or_none(parse_seconds)),
    metavar="SECONDS",
    show_default="websockets' own",
    help="How often clients are pinged, or none.",
)
@tls_option
@click.option(
    "--grace",
    callback=parsed(parse_grace),
    metavar="SECONDS",
    default="10",
    show_default=True,
    help="How long to wait for connections when stopped.",
)
@click.pass_context
def serve(
    context: click.Context,
    host: str,
    port: int,
    unix: str | None,
    fd: int | None,
    settings: DeflateSettings | None,
    reply: str,
    corpus_path: str | None,
    implementation: Implementation,
    max_size: int | None,
    max_queue: int | None,
    write_limit: int | None,
    ping_interval: float | None,
    tls: tuple[str, str] | None,
    grace: float,
) -> int:
    """Run a WebSocket server that answers every message.

    GET /health/ answers 200 OK, GET /stats/ describes the server in JSON. SIGTERM and Ctrl-C stop
    it gracefully: it accepts nothing more, answers what it has received, and closes connections
    with 1001. A second signal ends it at once.
    """

    def is_given(name: str) -> bool:
        source = context.get_parameter_source(name)
        return source is not None and source != click.core.ParameterSource.DEFAULT

    places = [name for name in ("unix", "fd") if is_given(name)]
    places += ["host/--port"] if is_given("host") or is_given("port") else []
    if len(places) > 1:
        raise click.UsageError(f"--{places[0]} and --{places[1]}: choose one place to listen on")
    if implementation == "sync" and write_limit is not None:
        raise click.UsageError("--write-limit: threads have no such limit; use asyncio")
    if (reply == "corpus") != (corpus_path is not None):
        raise click.UsageError("--reply corpus and --corpus CORPUS need each other")
    replies = None
    if corpus_path is not None:
        corpus = load_corpus(corpus_path)
        warn(corpus.remarks)
        replies = list(corpus.sample.sent_by("server").messages())
    given: dict[str, float | None] = {
        "max_size": max_size,
        "max_queue": max_queue,
        "write_limit": write_limit,
        "ping_interval": ping_interval,
    }
    limits = {name: value for name, value in given.items() if is_given(name)}
    context_of_tls = tls_context(*tls) if tls else None
    raise_descriptor_limit()
    with contextlib.ExitStack() as stack:
        sock = _listen(stack, host, port, unix, fd)

        def say(what: str) -> None:
            emit(f"wsbench serve: {what}\n")

        # Not once it serves: threads wrap it for TLS, and leave an empty shell.
        place = address(sock, tls=tls is not None)
        application = Application(replies)
        cut = server.serve(
            sock,
            application,
            settings,
            implementation=implementation,
            limits=limits,
            tls=context_of_tls,
            grace_seconds=grace,
            started=lambda: say(
                f"listening on {place} ({settings or 'off'}, {reply}, {implementation})"
            ),
        )
        stats = application.stats()
        say(
            f"stopped after {stats.messages:,} messages on {stats.accepted:,} connections"
            + (f"; cut {cut:,} that did not end within {grace:g} s" if cut else "")
        )
    # Threads in the middle of a handshake would hold the process for seconds.
    sys.stdout.flush()
    os._exit(EXIT_DONE)


def _listen(
    stack: contextlib.ExitStack, host: str, port: int, unix: str | None, fd: int | None
) -> socket.socket:
    place = f"{host}:{port}"
    if fd is not None:
        place = f"--fd {fd}"
    elif unix is not None:
        place = f"--unix {unix}"
    try:
        if fd is not None:
            return stack.enter_context(contextlib.closing(inherited(fd)))
        if unix is not None:
            return stack.enter_context(listen_unix(unix))
        return stack.enter_context(contextlib.closing(listen_tcp(host, port)))
    except OSError as error:
        raise click.UsageError(
            f"{place}: {error.strerror or error}; name another place to listen on"
        ) from error

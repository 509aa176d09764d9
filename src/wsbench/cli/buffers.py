"""wsbench buffers: measure what buffers hold when a peer is slow."""

import click

from wsbench._buffers import KEEPALIVE, measure_buffers
from wsbench.buffers import PAYLOADS, SCENARIOS, Keepalive, Payload, Scenario
from wsbench.cli._measure import measure
from wsbench.cli._options import (
    corpus_format_option,
    corpus_or_chat,
    direction_option,
    implementation_option,
    output_option,
    parsed,
    parsed_each,
    quiet_option,
    save_option,
    tls_context,
    tls_option,
)
from wsbench.cli._output import check_targets
from wsbench.limits_text import or_none, parse_bytes, parse_frames, parse_seconds
from wsbench.live.target import Tls
from wsbench.report import BUFFERS_FORMATS, render
from wsbench.settings import (
    REFERENCE,
    DeflateSettings,
    Direction,
    Implementation,
    parse_settings,
)


@click.command()
@click.argument("corpus_path", metavar="[CORPUS]", required=False)
@corpus_format_option
@direction_option
@click.option(
    "--scenario",
    "scenarios",
    type=click.Choice(SCENARIOS),
    multiple=True,
    show_default="application with --handler or --app-bytes, else all others",
    help="What to measure; can be repeated.",
)
@click.option(
    "--settings",
    callback=parsed_each(parse_settings),
    multiple=True,
    metavar="SETTINGS",
    show_default="12/5 and off",
    help="Window Bits and Memory Level, or off; can be repeated.",
)
@click.option(
    "--payload",
    "payloads",
    type=click.Choice(PAYLOADS),
    multiple=True,
    show_default="each kind",
    help="What clients send to a slow reader; can be repeated.",
)
@click.option(
    "--max-size",
    "max_sizes",
    callback=parsed_each(or_none(parse_bytes)),
    multiple=True,
    metavar="BYTES",
    show_default="websockets' own",
    help="The largest message that is accepted, such as 64KiB, or none; can be repeated.",
)
@click.option(
    "--max-queue",
    "max_queues",
    callback=parsed_each(or_none(parse_frames)),
    multiple=True,
    metavar="FRAMES",
    show_default="websockets' own",
    help="How many received frames may wait, or none; can be repeated.",
)
@click.option(
    "--write-limit",
    "write_limits",
    callback=parsed_each(parse_bytes),
    multiple=True,
    metavar="BYTES",
    show_default="websockets' own",
    help="How much may wait to be written before sending waits; asyncio only; can be repeated, for "
    "slow clients.",
)
@click.option(
    "--ping-interval",
    callback=parsed(or_none(parse_seconds)),
    metavar="SECONDS",
    default=f"{KEEPALIVE.ping_interval:g}",
    show_default=True,
    help="How often slow clients are pinged, or none.",
)
@click.option(
    "--ping-timeout",
    callback=parsed(or_none(parse_seconds)),
    metavar="SECONDS",
    default=f"{KEEPALIVE.ping_timeout:g}",
    show_default=True,
    help="How long the answer to a ping may take, or none.",
)
@implementation_option
@tls_option
@click.option(
    "--receive-buffer",
    callback=parsed(parse_bytes),
    metavar="BYTES",
    show_default="the system's",
    help="Set the receive buffer of the server's sockets (SO_RCVBUF).",
)
@click.option(
    "--fast",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="How many clients of a broadcast read.",
)
@click.option(
    "--stuck",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="M",
    help="How many clients of a broadcast do not.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MESSAGES",
    show_default="as fast as the clients that read",
    help="How many messages are broadcast in a second.",
)
@click.option(
    "--handler",
    metavar="MODULE:FUNCTION",
    help="Your own handler of connections, to see what it adds.",
)
@click.option(
    "--app-bytes",
    callback=parsed(parse_bytes),
    default="0",
    metavar="BYTES",
    help="Let the handler keep so many bytes for each connection instead.",
)
@click.option(
    "--app-connections",
    type=click.IntRange(min=10),
    default=200,
    show_default=True,
    metavar="N",
    help="How many connections the handler is measured with.",
)
@click.option(
    "--burst",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    metavar="MESSAGES",
    help="How many messages a client may send at once, for the advice.",
)
@click.option(
    "-n",
    "--connections",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="How many connections there are, for the advice.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long all of it may take.",
)
@click.option(
    "--format",
    "format",
    type=click.Choice(BUFFERS_FORMATS),
    default="table",
    show_default=True,
    help="How results are printed.",
)
@output_option
@save_option
@quiet_option
def buffers(
    corpus_path: str | None,
    corpus_format: str | None,
    direction: Direction | None,
    scenarios: tuple[Scenario, ...],
    settings: list[DeflateSettings | None],
    payloads: tuple[Payload, ...],
    max_sizes: list[int | None],
    max_queues: list[int | None],
    write_limits: list[int],
    ping_interval: float | None,
    ping_timeout: float | None,
    implementation: Implementation,
    tls: tuple[str, str] | None,
    receive_buffer: int | None,
    fast: int,
    stuck: int,
    rate: float | None,
    handler: str | None,
    app_bytes: int,
    app_connections: int,
    burst: int,
    connections: int,
    max_seconds: float,
    format: str,
    output: str | None,
    save: str | None,
    quiet: bool,
) -> int:
    """Measure what buffers hold when a peer is slow, beside what they are said to be bounded to.

    \b
    slow-reader  clients send faster than the handler reads
    bomb         a message inflates to more than max_size
    slow-client  the server sends to clients that do not read
    broadcast    websockets.broadcast to clients some of which do not read
    application  what --handler, or --app-bytes, adds to a connection

    \b
    wsbench buffers messages.json
    wsbench buffers --max-queue 1 --max-queue 16 --max-size 4KiB --max-size 1MiB
    wsbench buffers messages.json --burst 50 --connections 5000 --scenario slow-reader
    wsbench buffers messages.json --handler chat:handler

    The server is websockets' own, in a process of its own. Without CORPUS, messages of a chat are
    sent. At last, limits are advised for the messages and a burst of them.
    """
    check_targets(output, save, corpus_path)
    if tls:
        tls_context(*tls)
    if implementation == "sync" and write_limits:
        raise click.UsageError("--write-limit: threads have no such limit; use asyncio")
    if handler is not None and app_bytes:
        raise click.UsageError("--handler and --app-bytes: choose one")
    if (handler or app_bytes) and scenarios and "application" not in scenarios:
        raise click.UsageError("--handler and --app-bytes are for --scenario application")
    if handler is not None and not all(handler.partition(":")):
        raise click.UsageError(f"--handler {handler}: write MODULE:FUNCTION, such as chat:handler")
    corpus = corpus_or_chat(corpus_path, corpus_format, direction)
    return measure(
        lambda progress: measure_buffers(
            corpus,
            scenarios or None,
            settings=settings or (REFERENCE, None),
            payloads=payloads or PAYLOADS,
            max_sizes=max_sizes or None,
            max_queues=max_queues or None,
            write_limits=write_limits or None,
            keepalive=Keepalive(
                ping_interval=ping_interval,
                ping_timeout=ping_timeout,
                close_timeout=KEEPALIVE.close_timeout,
            ),
            implementation=implementation,
            tls=Tls(*tls) if tls else None,
            receive_buffer=receive_buffer,
            fast=fast,
            stuck=stuck,
            rate=rate,
            handler=handler,
            app_bytes=app_bytes,
            app_connections=app_connections,
            burst=burst,
            connections=connections,
            max_seconds=max_seconds,
            progress=progress,
        ),
        lambda results: render(results, format),
        output=output,
        save=save,
        quiet=quiet,
    )

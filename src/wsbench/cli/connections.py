"""wsbench connections: measure what connections cost a live server."""

import ipaddress
import shlex
from pathlib import Path

import click

from wsbench._connections import (
    CommandServer,
    OwnServer,
    RunningServer,
    Server,
    measure_connections,
)
from wsbench.cli._measure import measure
from wsbench.cli._options import (
    ca_option,
    corpus_format_option,
    corpus_or_chat,
    direction_option,
    format_option,
    implementation_option,
    insecure_option,
    memory_level_option,
    output_option,
    parsed_each,
    points,
    quiet_option,
    save_option,
    tls_context,
    tls_option,
    window_bits_option,
)
from wsbench.cli._output import check_targets
from wsbench.errors import SettingsError
from wsbench.live.target import Tls
from wsbench.report import render
from wsbench.settings import Direction, Implementation, Offer, parse_offer


def _parse_source(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise SettingsError(f"{error}; write an address such as 127.0.0.2") from error


@click.command()
@click.argument("corpus_path", metavar="[CORPUS]", required=False)
@corpus_format_option
@direction_option
@click.option(
    "-n",
    "--connections",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="How many connections are opened.",
)
@click.option(
    "--messages",
    type=click.IntRange(min=1),
    metavar="K",
    show_default="what fills a window, up to 200",
    help="How many messages each connection sends, and gets back.",
)
@window_bits_option
@memory_level_option
@click.option(
    "--settings",
    "offers",
    callback=parsed_each(parse_offer),
    multiple=True,
    metavar="SETTINGS",
    help="What clients offer: 12/5, off, or browser, what browsers do; can be repeated.",
)
@click.option("--url", metavar="URL", help="Measure the server at this ws:// or wss:// address.")
@click.option(
    "--pid",
    type=click.IntRange(min=1),
    metavar="PID",
    help="The process of the server at --url, measured with its children.",
)
@click.option(
    "--command",
    metavar="COMMAND",
    help="Start the server at --url with this; {settings} in it is replaced.",
)
@ca_option
@insecure_option
@implementation_option
@tls_option
@click.option("--no-memory", is_flag=True, help="Do not trace allocated memory.")
@click.option(
    "--in-flight",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="How many messages are under way at a time.",
)
@click.option(
    "--clients",
    "processes",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="one less than CPUs, up to 4",
    help="How many processes hold the clients.",
)
@click.option(
    "--source-ip",
    "sources",
    callback=parsed_each(_parse_source),
    multiple=True,
    metavar="IP",
    help="Connect from this address; can be repeated, to have more ports.",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a connection may take to open, or an answer to come.",
)
@format_option
@output_option
@save_option
@quiet_option
def connections(
    corpus_path: str | None,
    corpus_format: str | None,
    direction: Direction | None,
    connections: int,
    messages: int | None,
    window_bits: list[int] | None,
    memory_level: list[int] | None,
    offers: list[Offer],
    url: str | None,
    pid: int | None,
    command: str | None,
    ca: str | None,
    insecure: bool,
    implementation: Implementation,
    tls: tuple[str, str] | None,
    no_memory: bool,
    in_flight: int,
    processes: int | None,
    sources: list[str],
    timeout_seconds: float,
    format: str,
    output: str | None,
    save: str | None,
    quiet: bool,
) -> int:
    """Measure what a connection costs a real server: memory, CPU time and round trips.

    Without --url, the server is wsbench serve, started anew for each settings. Any other server has
    to answer every message with one message. It is started with --command, or runs already as
    --pid.

    \b
    wsbench connections messages.json
    wsbench connections messages.json -n 5000 --settings 12/5 --settings off
    wsbench connections --url ws://127.0.0.1:8080 --command "node server.js"
    wsbench connections --url wss://chat.test/ws --insecure --pid 4711

    Without CORPUS, messages of a chat are sent. Without --window-bits, --memory-level and
    --settings, the settings are those of compress; for other servers, what browsers offer, and off.
    """
    check_targets(output, save, corpus_path)
    if tls:
        tls_context(*tls)
    server = _server(url, pid, command, implementation, Tls(*tls) if tls else None)
    if (ca or insecure) and url is None:
        raise click.UsageError("--ca and --insecure are for a server at --url wss://…")
    if ca is not None and not Path(ca).is_file():
        raise click.UsageError(f"--ca {ca}: no such file; name a PEM file")
    offers = [*offers, *(points(window_bits, memory_level) or [])]
    corpus = corpus_or_chat(corpus_path, corpus_format, direction)
    return measure(
        lambda progress: measure_connections(
            corpus,
            offers or None,
            server=server,
            connections=connections,
            messages=messages,
            in_flight=in_flight,
            processes=processes,
            timeout_seconds=timeout_seconds,
            sources=sources,
            ca=ca,
            verify=not insecure,
            memory=not no_memory,
            progress=progress,
        ),
        lambda results: render(results, format),
        output=output,
        save=save,
        quiet=quiet,
    )


def _server(
    url: str | None,
    pid: int | None,
    command: str | None,
    implementation: Implementation,
    tls: Tls | None,
) -> Server:
    if url is None:
        if pid is not None or command is not None:
            raise click.UsageError("--pid and --command need the --url that the server listens at")
        return OwnServer(implementation, tls)
    if tls is not None or implementation != "asyncio":
        raise click.UsageError("--tls and --implementation are for wsbench serve, without --url")
    if (pid is None) == (command is None):
        raise click.UsageError("--url needs either the --pid of the server or a --command for it")
    if pid is not None:
        return RunningServer(pid, url)
    assert command is not None
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise click.UsageError(f"--command {command!r}: {error}") from error
    if not words:
        raise click.UsageError("--command: it is empty; name what starts the server")
    return CommandServer(words, url)

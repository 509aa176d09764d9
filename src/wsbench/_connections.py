"""Live connections: server × settings → Results. Owns order, budget and progress."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, assert_never

import psutil
from websockets.uri import WebSocketURI

import wsbench
from wsbench._sweep import Progress, SweepInterrupted, corpus_summary
from wsbench.corpus import AnyCorpus, Corpus
from wsbench.environment import available_cpus, current_commit, current_environment
from wsbench.errors import MeasurementError, SettingsError
from wsbench.live.limits import (
    check_descriptors,
    check_memory,
    check_ports,
    check_server_descriptors,
)
from wsbench.live.remote import parse_url
from wsbench.live.swarm import WARM_UPS, Clients, Swarm, played_streams
from wsbench.live.target import Resident, Target, Tls, command_server, own_server, running_server
from wsbench.measure.contexts import context_bytes
from wsbench.measure.live import filling_messages, measure_live, timed_messages
from wsbench.measure.memory import measure_memory
from wsbench.report.units import counted
from wsbench.results import (
    CorpusSummary,
    Live,
    LiveSummary,
    Memory,
    ResidentKind,
    Results,
    Row,
    now,
)
from wsbench.settings import (
    BROWSER,
    LADDER,
    REFERENCE,
    DeflateSettings,
    Implementation,
    Offer,
    in_table_order,
)

# What all connections send and receive by default, at most: half a minute's work for a server.
_ALL_MESSAGES = 400_000
_ALL_BYTES = 2**30
# A connection of a websockets server beside its compression, and what TLS adds to that.
_CONNECTION_BYTES = 24 * 1024
_TLS_CONNECTION_BYTES = 320 * 1024
# How long the system may take to end a process whose connections it has closed.
_DEATH_SECONDS = 0.2
# Below this, the system would begin to swap, or to kill.
_LEAST_FREE_BYTES = 256 * 2**20
_FEW_CONNECTIONS = 100
_MOST_PROCESSES = 4


class OwnServer(NamedTuple):
    """`wsbench serve`, started anew for each settings."""

    implementation: Implementation = "asyncio"
    tls: Tls | None = None


class CommandServer(NamedTuple):
    """A server that a command starts, anew for each settings, and that listens at `url`.

    `{settings}` in the command becomes the settings that are offered: `12/5`, `off`, `browser`.
    """

    command: Sequence[str]
    url: str


class RunningServer(NamedTuple):
    """A server that runs already, as process `pid` and its children, and listens at `url`."""

    pid: int
    url: str


Server = OwnServer | CommandServer | RunningServer


def measure_connections(
    corpus: AnyCorpus,
    offers: Iterable[Offer] | None = None,
    *,
    server: Server | None = None,
    connections: int = 1000,
    messages: int | None = None,
    in_flight: int = 10,
    processes: int | None = None,
    timeout_seconds: float = 10.0,
    sources: Sequence[str] = (),
    ca: str | None = None,
    verify: bool = True,
    memory: bool = True,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Results:
    """Measure what a connection costs a real server under each settings that clients offer.

    Unless given, the server is `wsbench serve`, and the offers are the ladder and no compression;
    for other servers what browsers offer and, if the server can be started anew, no compression.
    Of `wsbench serve` the allocated memory is measured too, in a process of its own, unless
    `memory` is false.

    Client processes open so many `connections`, and each sends `messages` messages of the corpus,
    one after the answer to the other, with so many of all `in_flight`. Unless given, they are as
    many as fill the largest windows, 200 at most, or fewer where there are many connections.
    `processes` of clients are one less than processors, 4 at most. A connection that does not open,
    or is not answered, within `timeout_seconds` ends the measurement. Clients connect from the
    addresses `sources` in turn. Certificates are checked against those in the file `ca`, unless
    `verify` is false.

    Raises:
        SettingsError: if an argument is out of range or memory, descriptors or ports do not
            suffice.
        MeasurementError: if the server does not do what it should; its `results` hold what was
            measured so far, marked partial.
        SweepInterrupted: at Ctrl-C, with what was measured so far.
    """
    server = server or OwnServer()
    if isinstance(server, RunningServer):
        default: tuple[Offer, ...] = (BROWSER,)
    else:
        default = (*LADDER, None) if isinstance(server, OwnServer) else (BROWSER, None)
    rows = _in_order(default if offers is None else offers)
    summary = corpus_summary(corpus)
    _check_arguments(server, rows, connections, messages, in_flight, timeout_seconds)
    if processes is None:
        processes = max(1, min(_MOST_PROCESSES, available_cpus() - 1))
    processes = min(processes, connections)
    timed = timed_messages(connections, summary.bytes / summary.messages)
    warnings: list[str] = []
    if messages is None:
        messages, warnings = _default_messages(summary, connections)
    sample = corpus.sample
    warnings += [*corpus.remarks, *_remarks(sample, summary, connections)]
    uri = None if isinstance(server, OwnServer) else parse_url(server.url)
    tls = server.tls is not None if isinstance(server, OwnServer) else bool(uri and uri.secure)
    _check_limits(server, rows, connections, processes, sources, tls=tls)

    clients = Clients(
        processes=processes,
        in_flight=in_flight,
        timeout_seconds=timeout_seconds,
        sources=sources,
        ca=ca,
        verify=verify and not isinstance(server, OwnServer),
    )
    start_seconds = time.monotonic()
    kind: ResidentKind | None = None
    lives: dict[Offer, Live] = {}
    memories: dict[DeflateSettings | None, Memory] = {}

    def results(*, partial: bool) -> Results:
        return Results(
            schema="wsbench.result/1",
            created=now(),
            wsbench=wsbench.__version__,
            commit=current_commit(),
            partial=partial,
            environment=current_environment(),
            corpus=summary,
            reference=REFERENCE,
            rows=tuple(
                Row(
                    settings=offer,
                    memory=None if offer == BROWSER else memories.get(offer),
                    live=lives.get(offer),
                )
                for offer in rows
            ),
            live=LiveSummary(
                server=_name(server),
                implementation=server.implementation if isinstance(server, OwnServer) else None,
                tls=tls,
                connections=connections,
                messages=messages,
                in_flight=in_flight,
                processes=processes,
                resident=kind,
                seconds=round(time.monotonic() - start_seconds, 1),
            ),
            warnings=tuple(warnings),
        )

    try:
        if memory and isinstance(server, OwnServer):
            served = [offer for offer in rows if offer != BROWSER]
            for item, of_item in measure_memory(
                served, implementation=server.implementation, tls=server.tls
            ):
                memories[item] = of_item
                progress(Progress("allocated", len(memories) / len(served)))
        for offer in rows:
            with _running(server, uri, offer) as target:
                for live, resident in _measure(
                    target,
                    offer,
                    sample,
                    clients,
                    connections=connections,
                    messages=messages,
                    timed=timed,
                    echo=isinstance(server, OwnServer),
                    leave=isinstance(server, RunningServer),
                    progress=progress,
                ):
                    lives[offer], kind = live, resident.kind
    except KeyboardInterrupt:
        raise SweepInterrupted(results(partial=True)) from None
    except MeasurementError as error:
        error.results = results(partial=True)
        raise
    return results(partial=False)


def _measure(
    target: Target,
    offer: Offer,
    corpus: Corpus,
    clients: Clients,
    *,
    connections: int,
    messages: int,
    timed: int,
    echo: bool,
    leave: bool,
    progress: Callable[[Progress], None],
) -> Iterator[tuple[Live, Resident]]:
    """What `measure_live` yields for one offer, with errors that say how far it came."""
    check_server_descriptors(connections, target.descriptor_limit())
    in_all = WARM_UPS + connections * (1 + messages + timed)

    def report() -> None:
        progress(Progress(_label(offer), min(1.0, (swarm.opened + swarm.answered) / in_all)))
        if psutil.virtual_memory().available < _LEAST_FREE_BYTES:
            raise MeasurementError("the machine runs out of memory; open fewer connections")

    with Swarm(target.uri, offer, corpus, clients, echo=echo, progress=report) as swarm:
        try:
            yield from measure_live(
                target, swarm, offer, connections=connections, messages=messages, timed=timed
            )
            if leave:
                swarm.leave()
        except MeasurementError as error:
            # A server that dies is first seen by its clients.
            time.sleep(_DEATH_SECONDS)
            reason = target.end() or str(error)
            raise MeasurementError(
                f"{_label(offer)}: {reason}; {counted(swarm.opened, 'connection')} opened and "
                f"{counted(swarm.answered, 'message')} answered before"
            ) from error


def _running(
    server: Server, uri: WebSocketURI | None, offer: Offer
) -> AbstractContextManager[Target]:
    match server:
        case OwnServer():
            assert offer != BROWSER
            return own_server(offer, server.implementation, server.tls)
        case CommandServer():
            assert uri is not None
            label = _label(offer)
            return command_server(
                [part.replace("{settings}", label) for part in server.command], uri
            )
        case RunningServer():
            assert uri is not None
            return running_server(server.pid, uri)
        case _:
            assert_never(server)


def _name(server: Server) -> str:
    match server:
        case OwnServer():
            return "wsbench serve"
        case CommandServer():
            return " ".join(server.command)
        case RunningServer():
            return f"process {server.pid}"
        case _:
            assert_never(server)


def _label(offer: Offer) -> str:
    return "off" if offer is None else str(offer)


def _in_order(offers: Iterable[Offer]) -> list[Offer]:
    """The offers without repetition: settings from the largest to the smallest, browser, off."""
    given = set(offers)
    settings = in_table_order(item for item in given if isinstance(item, DeflateSettings))
    return [*settings, *(item for item in (BROWSER, None) if item in given)]


def _default_messages(summary: CorpusSummary, connections: int) -> tuple[int, list[str]]:
    mean_bytes = max(1.0, summary.bytes / summary.messages)
    filling = filling_messages(mean_bytes)
    affordable = max(2, int(min(_ALL_MESSAGES, _ALL_BYTES / mean_bytes) / connections))
    if affordable >= filling:
        return filling, []
    return affordable, [
        f"each connection sends {affordable} messages, to be done in time; large windows are full "
        f"with --messages {filling}"
    ]


def _remarks(corpus: Corpus, summary: CorpusSummary, connections: int) -> list[str]:
    remarks = []
    played = sum(map(len, played_streams(corpus)))
    if played < summary.messages:
        remarks.append(f"of the {summary.messages:,} messages {played:,} are sent")
    if connections < _FEW_CONNECTIONS:
        remarks.append(
            f"{connections} connections are few: what a process takes once, or a page at a time, "
            "is not told apart; take some hundreds"
        )
    return remarks


def _check_arguments(
    server: Server,
    rows: Sequence[Offer],
    connections: int,
    messages: int | None,
    in_flight: int,
    timeout_seconds: float,
) -> None:
    numbers = {"connections": connections, "messages": messages, "in_flight": in_flight}
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise SettingsError(f"{name} {value}: choose a number from 1")
    if not 0 < timeout_seconds < math.inf:
        raise SettingsError(f"timeout_seconds {timeout_seconds}: choose a finite number above 0")
    if isinstance(server, OwnServer) and BROWSER in rows:
        raise SettingsError("wsbench serve negotiates exact settings; offer those, or off")
    if isinstance(server, RunningServer) and len(rows) > 1:
        raise SettingsError(
            "a running server can be measured with one settings only, since memory that was freed "
            "is used again; give a command that starts it, to have a fresh one for each"
        )


def _check_limits(
    server: Server,
    rows: Sequence[Offer],
    connections: int,
    processes: int,
    sources: Sequence[str],
    *,
    tls: bool,
) -> None:
    own = isinstance(server, OwnServer)
    server_bytes = 0
    if own:
        contexts = [context_bytes(item) for item in rows if isinstance(item, DeflateSettings)]
        server_bytes = max(contexts, default=0) + _CONNECTION_BYTES
        server_bytes += _TLS_CONNECTION_BYTES if tls else 0
    check_ports(connections, sources)
    check_descriptors(connections, processes, own_server=own)
    check_memory(connections, server_bytes, tls=tls)

"""Buffers: scenarios × limits × settings → Results. Owns order, time and progress."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple, TypeVar

import websockets.sync.server

import wsbench
from wsbench._sweep import Progress, SweepInterrupted, corpus_summary
from wsbench.bounds import default_keepalive, default_limits
from wsbench.buffers import (
    PAYLOADS,
    SCENARIOS,
    Advice,
    Application,
    Bomb,
    Broadcast,
    Buffers,
    Keepalive,
    Limits,
    Payload,
    Scenario,
    SlowClient,
    SlowReader,
)
from wsbench.corpus.model import Corpus, Message
from wsbench.environment import current_environment
from wsbench.errors import MeasurementError, SettingsError
from wsbench.live.pressure import Deadline, How, TimeUp
from wsbench.live.script import script
from wsbench.live.target import Tls
from wsbench.machine import available_bytes, raise_descriptor_limit
from wsbench.measure.advice import advice
from wsbench.measure.application import application
from wsbench.measure.bomb import bomb
from wsbench.measure.broadcast import broadcast
from wsbench.measure.live import filling_messages
from wsbench.measure.slow_client import slow_client
from wsbench.measure.slow_reader import reach, slow_reader
from wsbench.report.units import binary_size
from wsbench.results import Results, now
from wsbench.settings import REFERENCE, DeflateSettings, Implementation, in_table_order

# A keepalive that can be watched within seconds. The first ping is sent when buffers are full.
KEEPALIVE = Keepalive(ping_interval=2.0, ping_timeout=1.0, close_timeout=1.0)

# The server's messages, when it sends: more would not make a difference.
_SENT_BYTES = 4 * 2**20
_BROADCAST_SECONDS = 4.0
_BOMB_BYTES = (2**20, 16 * 2**20, 64 * 2**20)
# How much of the available memory may be filled on purpose.
_MEMORY_SHARE = 0.5
_MOST_PLAYED = 100
# A tracing server, and clients that have what they send at hand.
_PROCESS_BYTES = 128 * 2**20
# What a frame takes beside its payload, about, and a connection that nothing limits.
_FRAME_BYTES = 200
_UNLIMITED_BYTES = 64 * 2**20
_FEWEST_CONNECTIONS = 10
# A message of one character has 3 bytes when it is deflated, and some room has to be left.
_LEAST_SIZE = 16
_MOST_FRAMES = 100_000

_Kind = TypeVar("_Kind")
_Record = SlowReader | Bomb | SlowClient | Broadcast | Application | Advice


class _Step(NamedTuple):
    """One row to be measured, and of what."""

    scenario: Scenario | None
    measure: Callable[[How], _Record]


def measure_buffers(
    corpus: Corpus,
    scenarios: Iterable[Scenario] | None = None,
    *,
    settings: Iterable[DeflateSettings | None] = (REFERENCE, None),
    payloads: Iterable[Payload] = PAYLOADS,
    max_sizes: Sequence[int | None] | None = None,
    max_queues: Sequence[int | None] | None = None,
    write_limits: Sequence[int] | None = None,
    keepalive: Keepalive = KEEPALIVE,
    implementation: Implementation = "asyncio",
    tls: Tls | None = None,
    receive_buffer: int | None = None,
    fast: int = 3,
    stuck: int = 3,
    rate: float | None = None,
    handler: str | None = None,
    app_bytes: int = 0,
    app_connections: int = 200,
    burst: int = 16,
    connections: int = 1000,
    max_seconds: float = 300.0,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Results:
    """Measure what a websockets server's buffers hold when peers are slow, scenario by scenario.

    Unless given, `scenarios` are all, but for the application's, which need a `handler`
    (`module:function`) or `app_bytes`, and the limits are websockets' own. Slow readers are
    measured for every combination of settings, payload, `max_size` and `max_queue`; slow clients
    for every settings and `write_limit`, with this `keepalive`. `fast` and `stuck` clients are
    broadcast to, at a `rate` of messages a second, or as fast as the former read. `app_connections`
    are opened to the handler. With `receive_buffer`, the sockets of the server have that size
    (SO_RCVBUF), and not what the system chooses. `burst` and `connections` are what limits are
    advised for.

    What has not been measured after `max_seconds` is left out, and the record is partial.

    Raises:
        SettingsError: if an argument is out of range.
        MeasurementError: if the server or the handler fails; its `results` hold what was measured
            so far, marked partial.
        SweepInterrupted: at Ctrl-C, with what was measured so far.
    """
    defaults = default_limits(implementation)
    chosen = _chosen(scenarios, with_application=handler is not None or app_bytes > 0)
    rows = _in_order(settings)
    sizes = _distinct([defaults.max_size] if max_sizes is None else max_sizes)
    queues = _distinct([defaults.max_queue] if max_queues is None else max_queues)
    writes: list[int | None] = [defaults.write_limit]
    if write_limits is not None:
        writes = _distinct(write_limits)
    _check(
        {"fast": fast, "stuck": stuck, "burst": burst, "connections": connections},
        {"max_seconds": max_seconds, "rate": rate},
        {"app_bytes": app_bytes, "app_connections": app_connections},
        write_limits=write_limits if implementation == "sync" else None,
        max_sizes=sizes,
        max_queues=queues,
    )
    raise_descriptor_limit()
    summary = corpus_summary(corpus)
    sent = _sent(corpus)
    played = min(_MOST_PLAYED, filling_messages(summary.bytes / summary.messages))
    warnings: list[str] = []
    begin = time.monotonic()
    records: list[_Record] = []

    def tick() -> None:
        progress(Progress("buffers", len(records) / len(steps)))

    how = How(implementation, tls, Deadline(max_seconds, tick), receive_buffer)

    def plan() -> Iterator[_Step]:
        for scenario in chosen:
            yield from map(partial(_Step, scenario), plans[scenario]())
        first = rows[0]
        yield _Step(
            None,
            partial(
                advice,
                settings=first,
                write_limit=defaults.write_limit,
                corpus=corpus,
                burst=burst,
                connections=connections,
            ),
        )

    def slow_readers() -> Iterator[Callable[[How], _Record]]:
        for item, size, queue, payload in product(rows, sizes, queues, _distinct(payloads)):
            limits = Limits(max_size=size, max_queue=queue, write_limit=defaults.write_limit)
            if reason := _refusal(how, item, limits, payload, corpus):
                warnings.append(f"not measured: slow reader, {payload}, {_name(item)}: {reason}")
                continue
            yield partial(slow_reader, settings=item, limits=limits, payload=payload, corpus=corpus)

    def bombs() -> Iterator[Callable[[How], _Record]]:
        compressing = [item for item in rows if item is not None]
        if not compressing:
            warnings.append("not measured: bomb, since nothing inflates without compression")
        for item in compressing[:1]:
            for size, payload_bytes, is_fragmented in product(sizes, _BOMB_BYTES, (False, True)):
                yield partial(
                    bomb,
                    settings=item,
                    max_size=size,
                    payload_bytes=payload_bytes,
                    is_fragmented=is_fragmented,
                )

    def slow_clients() -> Iterator[Callable[[How], _Record]]:
        yield partial(
            slow_client, settings=rows[0], write_limit=writes[0], messages=(), keepalive=keepalive
        )
        for item, write_limit in product(rows, writes):
            yield partial(
                slow_client,
                settings=item,
                write_limit=write_limit,
                messages=sent,
                keepalive=keepalive,
            )

    def broadcasts() -> Iterator[Callable[[How], _Record]]:
        if implementation == "sync" and not hasattr(websockets.sync.server, "broadcast"):
            warnings.append("not measured: broadcast, which this websockets has not on threads")
            return
        for item in rows:
            yield partial(
                broadcast,
                settings=item,
                write_limit=writes[0],
                messages=sent,
                keepalive=keepalive,
                fast=fast,
                stuck=stuck,
                rate=rate,
                seconds=_BROADCAST_SECONDS,
            )

    def applications() -> Iterator[Callable[[How], _Record]]:
        limits = Limits(max_size=sizes[0], max_queue=queues[0], write_limit=writes[0])
        for item in rows:
            if reason := _refusal(how, item, limits, "corpus", corpus):
                warnings.append(f"not measured: application, {_name(item)}: {reason}")
                continue
            yield partial(
                application,
                settings=item,
                limits=limits,
                corpus=corpus,
                handler=handler,
                app_bytes=app_bytes,
                connections=app_connections,
                messages=played,
            )

    plans: dict[Scenario, Callable[[], Iterator[Callable[[How], _Record]]]] = {
        "slow-reader": slow_readers,
        "bomb": bombs,
        "slow-client": slow_clients,
        "broadcast": broadcasts,
        "application": applications,
    }

    def results(*, partial: bool) -> Results:
        def of(kind: type[_Kind]) -> tuple[_Kind, ...]:
            return tuple(record for record in records if isinstance(record, kind))

        return Results(
            schema="wsbench.result/1",
            created=now(),
            wsbench=wsbench.__version__,
            partial=partial,
            environment=current_environment(),
            corpus=summary,
            reference=REFERENCE,
            rows=(),
            buffers=Buffers(
                implementation=implementation,
                tls=tls is not None,
                defaults=defaults,
                keepalive=default_keepalive(implementation),
                receive_buffer_bytes=receive_buffer,
                read_bytes=how.read_bytes,
                seconds=round(time.monotonic() - begin, 1),
                slow_readers=of(SlowReader),
                bombs=of(Bomb),
                slow_clients=of(SlowClient),
                broadcasts=of(Broadcast),
                applications=of(Application),
                advice=next(iter(of(Advice)), None),
            ),
            warnings=tuple(warnings),
        )

    try:
        steps = list(plan())
        for step in steps:
            try:
                records.append(step.measure(how))
            except MeasurementError as error:
                raise MeasurementError(f"{step.scenario or 'advice'}: {error}") from error
    except TimeUp:
        warnings.append(
            f"after {max_seconds:g} s, {len(steps) - len(records)} of {len(steps)} rows were not "
            "measured; allow more with --max-seconds"
        )
        return results(partial=True)
    except KeyboardInterrupt:
        raise SweepInterrupted(results(partial=True)) from None
    except MeasurementError as error:
        error.results = results(partial=True)
        raise
    return results(partial=False)


def _chosen(scenarios: Iterable[Scenario] | None, *, with_application: bool) -> list[Scenario]:
    """Scenarios in their order; unless told otherwise all, the application's if there is one."""
    if scenarios is None:
        return [item for item in SCENARIOS if item != "application" or with_application]
    given = set(scenarios)
    return [item for item in SCENARIOS if item in given]


def _in_order(settings: Iterable[DeflateSettings | None]) -> list[DeflateSettings | None]:
    given = set(settings)
    without = [None] if None in given else []
    return [*in_table_order(item for item in given if item is not None), *without]


def _distinct(values: Iterable[_Kind]) -> list[_Kind]:
    return list(dict.fromkeys(values))


def _name(settings: DeflateSettings | None) -> str:
    return str(settings or "off")


def _sent(corpus: Corpus) -> list[Message]:
    """What a server sends: the beginning of the corpus, or as much as is sensible to hand over."""
    sent, left_bytes = [], _SENT_BYTES
    for message in corpus.messages():
        sent.append(message)
        left_bytes -= len(message.data)
        if left_bytes <= 0:
            break
    return sent


def _refusal(
    how: How,
    settings: DeflateSettings | None,
    limits: Limits,
    payload: Payload,
    corpus: Corpus,
) -> str | None:
    """Why a combination cannot be measured, if it cannot."""
    largest = max((len(message.data) for message in corpus.messages()), default=0)
    if payload == "corpus" and limits.max_size is not None and largest > limits.max_size:
        return (
            f"its largest message, {largest:,} bytes, is larger than max_size, "
            f"{limits.max_size:,}: the server would close the connection with 1009"
        )
    # Before such messages are made, and then by what is known of them.
    size = 0 if payload in ("corpus", "small") else limits.max_size or 0
    if reason := _too_much(((limits.max_queue or 0) + 1) * (_FRAME_BYTES + size)):
        return reason
    most = reach(how, limits, _FRAME_BYTES, script(payload, limits.max_size, corpus, settings))
    return _too_much(most.bytes if most else _UNLIMITED_BYTES)


def _too_much(size_bytes: int) -> str | None:
    """Why a connection cannot hold so much here, if it cannot."""
    free = int(_MEMORY_SHARE * available_bytes())
    if _PROCESS_BYTES + size_bytes <= free:
        return None
    return (
        f"a connection could come to {binary_size(size_bytes)}, and of the free memory "
        f"{binary_size(free)} may be used, {binary_size(_PROCESS_BYTES)} of it by the server and "
        "its clients"
    )


def _check(
    positive: dict[str, int],
    finite: dict[str, float | None],
    rest: dict[str, int],
    *,
    write_limits: Sequence[int] | None,
    max_sizes: Sequence[int | None],
    max_queues: Sequence[int | None],
) -> None:
    for name, number in positive.items():
        if number < 1:
            raise SettingsError(f"{name} {number}: choose a number from 1")
    for name, value in finite.items():
        if value is not None and not 0 < value < math.inf:
            raise SettingsError(f"{name} {value}: choose a finite number above 0")
    if rest["app_bytes"] < 0 or rest["app_connections"] < _FEWEST_CONNECTIONS:
        raise SettingsError(
            f"app_bytes is from 0, and app_connections from {_FEWEST_CONNECTIONS}, since half of "
            "them are what the others are compared with"
        )
    if write_limits is not None:
        raise SettingsError("write_limit: threads have no such limit; use asyncio")
    for queue in max_queues:
        if queue is not None and queue > _MOST_FRAMES:
            raise SettingsError(
                f"max_queue {queue}: so many frames take too long to send; choose up to "
                f"{_MOST_FRAMES}, or none"
            )
    wanted, free = rest["app_bytes"] * rest["app_connections"], available_bytes()
    if wanted > _MEMORY_SHARE * free:
        raise SettingsError(
            f"app_bytes {rest['app_bytes']}: {rest['app_connections']} connections would take "
            f"{binary_size(wanted)}, and of the free memory "
            f"{binary_size(int(_MEMORY_SHARE * free))} may be used"
        )
    for size in max_sizes:
        if size is not None and size < _LEAST_SIZE:
            raise SettingsError(f"max_size {size}: choose at least {_LEAST_SIZE}")

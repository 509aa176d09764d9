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
from wsbench.corpus import AnyCorpus, Corpus, Message
from wsbench.deflate import endpoint, frame
from wsbench.environment import current_commit, current_environment
from wsbench.errors import MeasurementError, SettingsError
from wsbench.live.pressure import Deadline, How, TimeUp
from wsbench.live.target import Tls
from wsbench.machine import available_bytes, raise_descriptor_limit
from wsbench.measure.advice import advice
from wsbench.measure.application import application
from wsbench.measure.bomb import bomb
from wsbench.measure.broadcast import broadcast
from wsbench.measure.live import filling_messages
from wsbench.measure.room import MEMORY_SHARE, WillNotFit
from wsbench.measure.slow_client import slow_client
from wsbench.measure.slow_reader import slow_reader
from wsbench.report.units import binary_bytes, binary_size
from wsbench.results import Results, now
from wsbench.settings import REFERENCE, DeflateSettings, Implementation, in_table_order

# A keepalive that can be watched within seconds. The first ping is sent when buffers are full.
KEEPALIVE = Keepalive(ping_interval=2.0, ping_timeout=1.0, close_timeout=1.0)

# The server's messages, when it sends: more would not make a difference.
_SENT_BYTES = 4 * 2**20
_BROADCAST_SECONDS = 4.0
_BOMB_BYTES = (2**20, 16 * 2**20, 64 * 2**20)
_MOST_PLAYED = 100
_FEWEST_CONNECTIONS = 10
# A message of one character has 3 bytes when it is deflated, and some room has to be left.
_LEAST_SIZE = 16
_MOST_FRAMES = 100_000
# SO_RCVBUF is an int of C.
_MOST_RECEIVED_BYTES = 2**31

_Kind = TypeVar("_Kind")
_Record = SlowReader | Bomb | SlowClient | Broadcast | Application | Advice


class _Step(NamedTuple):
    """One row to be measured: what it is called in errors, and how."""

    name: str
    measure: Callable[[], _Record]


class _Plan(NamedTuple):
    """What is measured, in rows of each scenario; `warnings` get what cannot be.

    Clients send the messages of one corpus, and the server those of the other.
    """

    how: How
    from_clients: Corpus
    from_server: Corpus
    settings: list[DeflateSettings | None]
    payloads: list[Payload]
    max_sizes: list[int | None]
    max_queues: list[int | None]
    write_limits: list[int | None]
    keepalive: Keepalive
    fast: int
    stuck: int
    rate: float | None
    handler: str | None
    app_bytes: int
    app_connections: int
    burst: int
    connections: int
    warnings: list[str]

    def steps(self, scenarios: Iterable[Scenario]) -> list[_Step]:
        """The rows of these scenarios, and the advice."""
        rows: dict[Scenario, Callable[[], Iterator[_Step]]] = {
            "slow-reader": self._slow_readers,
            "bomb": self._bombs,
            "slow-client": self._slow_clients,
            "broadcast": self._broadcasts,
            "application": self._applications,
        }
        measure = partial(
            advice,
            self.how,
            self.settings[0],
            self.write_limits[0],
            self.from_clients,
            burst=self.burst,
            connections=self.connections,
        )
        # A handler that cannot be run is to be told of at once, not after minutes.
        ordered = sorted(scenarios, key=lambda item: item != "application")
        steps = [step for scenario in ordered for step in rows[scenario]()]
        return [*steps, _Step("advice", measure)]

    def _slow_readers(self) -> Iterator[_Step]:
        for settings, size, queue, payload in product(
            self.settings, self.max_sizes, self.max_queues, self.payloads
        ):
            limits = Limits(max_size=size, max_queue=queue, write_limit=self.write_limits[0])
            name = (
                f"slow reader, {payload}, {settings or 'off'}, {_limit('max_queue', queue)}, "
                f"{_limit('max_size', size)}"
            )
            if payload == "corpus" and self._is_too_large(name, settings, size):
                continue
            measure = partial(slow_reader, self.how, settings, limits, payload, self.from_clients)
            yield _Step(name, measure)

    def _bombs(self) -> Iterator[_Step]:
        compressing = [item for item in self.settings if item is not None]
        if not compressing:
            self._leave_out("bomb", "without compression, nothing inflates")
        for settings in compressing:
            for size, payload_bytes, is_fragmented in product(
                self.max_sizes, _BOMB_BYTES, (False, True)
            ):
                measure = partial(bomb, self.how, settings, size, payload_bytes)
                yield _Step(
                    f"bomb, {settings}, {_limit('max_size', size)}",
                    partial(measure, is_fragmented=is_fragmented),
                )

    def _slow_clients(self) -> Iterator[_Step]:
        sent = _sent(self.from_server)
        rows = [(self.settings[0], self.write_limits[0], list[Message]())]
        rows += [(*row, sent) for row in product(self.settings, self.write_limits)]
        for settings, write_limit, messages in rows:
            measure = partial(
                slow_client, self.how, settings, write_limit, messages, self.keepalive
            )
            name = f"slow client, {settings or 'off'}, {_limit('write_limit', write_limit)}"
            yield _Step(name, measure)

    def _broadcasts(self) -> Iterator[_Step]:
        if self.how.implementation == "sync" and not hasattr(websockets.sync.server, "broadcast"):
            self._leave_out("broadcast", "this websockets has none for threads")
            return
        for settings in self.settings:
            measure = partial(
                broadcast,
                self.how,
                settings,
                self.write_limits[0],
                _sent(self.from_server),
                self.keepalive,
                fast=self.fast,
                stuck=self.stuck,
                rate=self.rate,
                seconds=_BROADCAST_SECONDS,
            )
            yield _Step(f"broadcast, {settings or 'off'}", measure)

    def _applications(self) -> Iterator[_Step]:
        limits = Limits(
            max_size=self.max_sizes[0],
            max_queue=self.max_queues[0],
            write_limit=self.write_limits[0],
        )
        statistics = self.from_clients.statistics()
        for settings in self.settings:
            if self._is_too_large("application", settings, limits.max_size):
                continue
            measure = partial(
                application,
                self.how,
                settings,
                limits,
                self.from_clients,
                handler=self.handler,
                app_bytes=self.app_bytes,
                connections=self.app_connections,
                messages=min(
                    _MOST_PLAYED, filling_messages(statistics.bytes / statistics.messages)
                ),
            )
            yield _Step("application", measure)

    def _is_too_large(
        self, name: str, settings: DeflateSettings | None, max_size: int | None
    ) -> bool:
        """Whether a message of the corpus would not be accepted, which is warned of.

        Both as it is and as it comes: what does not compress is larger when it is deflated.
        """
        if max_size is None:
            return False
        largest = max(self.from_clients.messages(), key=lambda message: len(message.data))
        size = len(largest.data)
        if settings is not None:
            size = max(size, len(endpoint(settings.one_way("client")).encode(frame(largest)).data))
        if size <= max_size:
            return False
        self._leave_out(
            name,
            f"the largest message, {size:,} bytes, is larger than max_size, {max_size:,}: the "
            "server would close the connection with 1009",
        )
        return True

    def _leave_out(self, name: str, reason: str) -> None:
        self.warnings.append(f"not measured: {name}: {reason}")


def measure_buffers(
    corpus: AnyCorpus,
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

    Unless given, `scenarios` are the application's with a `handler` (`module:function`) or
    `app_bytes`, and all others without, and the limits are websockets' own. Slow readers are
    measured for every combination of settings, payload, `max_size` and `max_queue`; slow clients
    for every settings and `write_limit`, with this `keepalive`; all else has the first of limits
    where it does not say so. `fast` and `stuck` clients are broadcast to, at a `rate` of messages a
    second, or as fast as the former read. `app_connections` are opened to the handler. With
    `receive_buffer`, the sockets of the server have that size (SO_RCVBUF), and not what the system
    chooses. `burst` and `connections` are what limits are advised for. Clients send what clients
    sent in the corpus, and the server what servers did, if both are in it.

    What has not been measured after `max_seconds` is left out, and the record is partial.

    Raises:
        SettingsError: if an argument is out of range.
        MeasurementError: if the server or the handler fails; its `results` hold what was measured
            so far, marked partial.
        SweepInterrupted: at Ctrl-C, with what was measured so far.
    """
    defaults = default_limits(implementation)
    warnings = list(corpus.remarks)
    records: list[_Record] = []
    begin = time.monotonic()

    def tick() -> None:
        progress(Progress("buffers", len(records) / len(steps)))

    plan = _Plan(
        how=How(implementation, tls, Deadline(max_seconds, tick), receive_buffer),
        from_clients=corpus.sample.sent_by("client"),
        from_server=corpus.sample.sent_by("server"),
        settings=_in_order(settings),
        payloads=_distinct(payloads),
        max_sizes=_distinct([defaults.max_size] if max_sizes is None else max_sizes),
        max_queues=_distinct([defaults.max_queue] if max_queues is None else max_queues),
        write_limits=_distinct([defaults.write_limit] if write_limits is None else write_limits),
        keepalive=keepalive,
        fast=fast,
        stuck=stuck,
        rate=rate,
        handler=handler,
        app_bytes=app_bytes,
        app_connections=app_connections,
        burst=burst,
        connections=connections,
        warnings=warnings,
    )
    _check(plan, max_seconds)
    if implementation == "sync" and write_limits is not None:
        raise SettingsError("write_limit: threads have no such limit; use asyncio")
    raise_descriptor_limit()
    summary = corpus_summary(corpus)

    def results(*, partial: bool) -> Results:
        def of(kind: type[_Kind]) -> tuple[_Kind, ...]:
            return tuple(record for record in records if isinstance(record, kind))

        return Results(
            schema="wsbench.result/1",
            created=now(),
            wsbench=wsbench.__version__,
            commit=current_commit(),
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
                read_bytes=plan.how.read_bytes,
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

    has_application = handler is not None or app_bytes > 0
    steps = plan.steps(_chosen(scenarios, with_application=has_application))
    left = len(steps)
    try:
        for step in steps:
            try:
                records.append(step.measure())
            except WillNotFit as refusal:
                warnings.append(
                    f"not measured: {step.name}: it could come to "
                    f"{binary_size(refusal.needed_bytes)}, and of the free memory "
                    f"{binary_size(refusal.free_bytes)} may be used"
                )
            except MeasurementError as error:
                raise MeasurementError(f"{step.name}: {error}") from error
            left -= 1
    except TimeUp:
        warnings.append(
            f"after {max_seconds:g} s, {left} of {len(steps)} rows were not measured; allow more "
            "with --max-seconds"
        )
        return results(partial=True)
    except KeyboardInterrupt:
        raise SweepInterrupted(results(partial=True)) from None
    except MeasurementError as error:
        error.results = results(partial=True)
        raise
    return results(partial=False)


def _chosen(scenarios: Iterable[Scenario] | None, *, with_application: bool) -> list[Scenario]:
    """Scenarios in their order; unless told otherwise the application's, or all without one."""
    if scenarios is None:
        return [item for item in SCENARIOS if (item == "application") is with_application]
    given = set(scenarios)
    if unknown := sorted(given.difference(SCENARIOS)):
        raise SettingsError(f"scenario {unknown[0]!r}: choose one of {', '.join(SCENARIOS)}")
    return [item for item in SCENARIOS if item in given]


def _limit(name: str, value: int | None) -> str:
    if value is None:
        return f"{name} none"
    return f"{name} {value if name == 'max_queue' else binary_bytes(value)}"


def _in_order(settings: Iterable[DeflateSettings | None]) -> list[DeflateSettings | None]:
    given = set(settings)
    without = [None] if None in given else []
    return [*in_table_order(item for item in given if item is not None), *without]


def _distinct(values: Iterable[_Kind]) -> list[_Kind]:
    return list(dict.fromkeys(values))


def _sent(corpus: Corpus) -> list[Message]:
    """What a server sends: the beginning of the corpus, or as much as is sensible to hand over."""
    sent, left_bytes = [], _SENT_BYTES
    for message in corpus.messages():
        sent.append(message)
        left_bytes -= len(message.data)
        if left_bytes <= 0:
            break
    return sent


def _check(plan: _Plan, max_seconds: float) -> None:
    for name in ("settings", "payloads", "max_sizes", "max_queues", "write_limits"):
        if not getattr(plan, name):
            raise SettingsError(f"{name}: there are none; choose one or more")
    for payload in plan.payloads:
        if payload not in PAYLOADS:
            raise SettingsError(f"payload {payload!r}: choose one of {', '.join(PAYLOADS)}")
    if plan.handler is not None and plan.app_bytes:
        raise SettingsError("handler and app_bytes: choose one")
    received = plan.how.receive_buffer
    if received is not None and not 0 < received < _MOST_RECEIVED_BYTES:
        raise SettingsError(f"receive_buffer {received}: choose 1 to {_MOST_RECEIVED_BYTES - 1:,}")
    for name in ("stuck", "burst", "connections"):
        if getattr(plan, name) < 1:
            raise SettingsError(f"{name} {getattr(plan, name)}: choose a number from 1")
    for name in ("fast", "app_bytes"):
        if getattr(plan, name) < 0:
            raise SettingsError(f"{name} {getattr(plan, name)}: choose a number from 0")
    for name, value in (("max_seconds", max_seconds), ("rate", plan.rate)):
        if value is not None and not 0 < value < math.inf:
            raise SettingsError(f"{name} {value}: choose a finite number above 0")
    if plan.app_connections < _FEWEST_CONNECTIONS:
        raise SettingsError(
            f"app_connections {plan.app_connections}: choose at least {_FEWEST_CONNECTIONS}, since "
            "half of them are what the others are compared with"
        )
    for size in plan.max_sizes:
        if size is not None and size < _LEAST_SIZE:
            raise SettingsError(f"max_size {size}: choose at least {_LEAST_SIZE}")
    for queue in plan.max_queues:
        if queue is not None and queue > _MOST_FRAMES:
            raise SettingsError(
                f"max_queue {queue}: so many frames take too long to send; choose up to "
                f"{_MOST_FRAMES}, or none"
            )
    kept_bytes = plan.app_bytes * plan.app_connections
    free_bytes = int(MEMORY_SHARE * available_bytes())
    if kept_bytes > free_bytes:
        raise SettingsError(
            f"app_bytes {plan.app_bytes}: {plan.app_connections} connections would take "
            f"{binary_size(kept_bytes)}, and of the free memory {binary_size(free_bytes)} may be "
            "used"
        )

"""Resident memory, quickly: a few hundred live connections instead of as many as are wanted."""

from collections.abc import Iterator, Sequence

from wsbench.corpus.model import Corpus
from wsbench.errors import MeasurementError
from wsbench.live.swarm import Clients, Swarm
from wsbench.live.target import own_server
from wsbench.measure.live import filling_messages
from wsbench.results import Resident
from wsbench.settings import DeflateSettings

# The first ones fill what a process takes once; what each of as many more adds is the estimate.
_CONNECTIONS = 100
_CLIENTS = Clients(processes=1, in_flight=10, timeout_seconds=30.0)


def measure_resident(
    corpus: Corpus, settings: Sequence[DeflateSettings | None]
) -> Iterator[tuple[DeflateSettings | None, Resident]]:
    """Resident memory of a connection of `wsbench serve` under each settings, in their order.

    Each is measured in a process of its own, as `wsbench.measure.live` does, but with fewer
    connections.

    Raises:
        MeasurementError: if a server or the clients fail.
    """
    statistics = corpus.statistics()
    messages = filling_messages(statistics.bytes / statistics.messages)
    for item in settings:
        try:
            with (
                own_server(item, "asyncio", None) as target,
                Swarm(target.uri, item, corpus, _CLIENTS, echo=True) as swarm,
            ):
                swarm.warm_up()
                swarm.play([swarm.open(_CONNECTIONS)], 0, messages)
                before = target.resident()
                swarm.play([swarm.open(_CONNECTIONS)], 0, messages)
                after = target.resident()
        except MeasurementError as error:
            raise MeasurementError(f"{item or 'off'}: {error}") from error
        yield (
            item,
            Resident(
                connection_bytes=max(0, round((after.bytes - before.bytes) / _CONNECTIONS)),
                connections=_CONNECTIONS,
                messages=messages,
                kind=after.kind,
            ),
        )

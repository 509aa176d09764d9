"""What all tests share: hypothesis profiles, a small corpus, a record of results."""

from datetime import UTC, datetime

import pytest
from hypothesis import settings
from msgspec.structs import replace

from tests.strategies import ENVIRONMENT
from wsbench.corpus import Corpus, Message
from wsbench.results import (
    CorpusSummary,
    Live,
    LiveSummary,
    Memory,
    Results,
    RoundTrip,
    Row,
    Size,
    Time,
    TimingSummary,
)
from wsbench.settings import LADDER, REFERENCE, DeflateSettings

# A busy machine must not fail a test; examples are found again from the printed blob.
settings.register_profile("wsbench", deadline=None, print_blob=True)
settings.load_profile("wsbench")


@pytest.fixture
def corpus() -> Corpus:
    """Two hundred text messages that compress well, and a binary one that does not."""
    texts = [
        Message(f'{{"id":{i},"user":"user-{i % 7}","text":"händler {i * i}"}}'.encode(), True)
        for i in range(200)
    ]
    return Corpus.of_messages("small", [*texts, Message(bytes(range(256)), False)])


@pytest.fixture
def results() -> Results:
    """A record with round figures, as if the ladder had been measured."""

    def row(item: DeflateSettings | None, position: int) -> Row:
        return Row(
            settings=item,
            memory=Memory(
                connection_bytes=1024 * (316 - 40 * position),
                connection_stdev_bytes=512,
                connections=20,
                deflate_bytes=2000,
                inflate_bytes=1000,
            ),
            size=Size(
                original_bytes=10_000,
                compressed_bytes=1_000 + 100 * position if item else 10_000,
                wire_bytes=1_020 + 100 * position if item else 10_020,
            ),
            time=(
                Time(
                    connections=1,
                    encode_ns_per_message=5_000.0 + 100 * position,
                    vs_reference=(position - 3) / 50,
                    ci95=(
                        round((position - 3) / 50 - 0.004, 3),
                        round((position - 3) / 50 + 0.004, 3),
                    ),
                    decode_ns_per_message=1_000.0,
                    decode_vs_reference=0.0,
                    decode_ci95=(-0.01, 0.01),
                    sampled_messages=100,
                    rounds=30,
                ),
                Time(
                    connections=1000,
                    encode_ns_per_message=20_000.0 + 100 * position,
                    vs_reference=(position - 3) / 10,
                    ci95=((position - 3) / 10 - 0.02, (position - 3) / 10 + 0.02),
                    decode_ns_per_message=2_000.0,
                    decode_vs_reference=0.25,
                    decode_ci95=(0.245, 0.255),
                    sampled_messages=800,
                    rounds=8,
                ),
            )
            if item
            else (),
        )

    return Results(
        schema="wsbench.result/1",
        created=datetime(2026, 11, 22, 8, tzinfo=UTC),
        wsbench="0.1.0",
        partial=False,
        environment=ENVIRONMENT,
        corpus=CorpusSummary(
            name="commits", sha256="0" * 64, messages=1837, bytes=10_000, streams=1
        ),
        reference=REFERENCE,
        rows=tuple(row(item, position) for position, item in enumerate([*LADDER, None])),
        timing=(
            TimingSummary(
                connections=1,
                traffic=None,
                precision=0.01,
                max_seconds=5.0,
                seconds=2.25,
                stopped="precision",
            ),
            TimingSummary(
                connections=1000,
                traffic="independent",
                precision=0.01,
                max_seconds=7.75,
                seconds=7.0,
                stopped="max_seconds",
            ),
        ),
    )


@pytest.fixture
def live_results(results: Results) -> Results:
    """A record with round figures, as if live connections had been measured."""
    measured = Live(
        connections=1000,
        negotiated="permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        opened_per_second=1234.5,
        opening_cpu_share=0.95,
        resident_opened_bytes=40 * 1024,
        resident_after_one_bytes=50 * 1024,
        resident_bytes=60 * 1024,
        kernel_bytes=512,
        cpu_ns_per_message=61_540,
        round_trip_ns=RoundTrip(p50=590_000, p99=1_030_000),
    )
    memory = results.rows[3].memory
    return replace(
        results,
        rows=(
            Row(settings=REFERENCE, memory=memory, live=measured),
            Row(settings=None, live=Live(connections=1000, negotiated="", resident_bytes=1024)),
        ),
        timing=(),
        live=LiveSummary(
            server="wsbench serve",
            implementation="asyncio",
            tls=True,
            connections=1000,
            messages=200,
            in_flight=10,
            processes=2,
            resident="uss",
            seconds=12.5,
        ),
    )

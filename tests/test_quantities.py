"""What records hold that can be compared, against figures worked out another way."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from wsbench import Results
from wsbench.buffers import Limits
from wsbench.buffers_quantities import buffers_values
from wsbench.quantities import (
    MEMORY,
    PROCESSOR,
    SIZE,
    SIZE_PER_BYTE,
    SOFTWARE,
    Value,
    change,
    differ_in,
    differences,
    memory_value,
    rebased,
    time_quantity,
    values,
)
from wsbench.results import Memory, Resident, Row, Time, load_results
from wsbench.settings import BROWSER, REFERENCE, DeflateSettings

LARGEST = DeflateSettings(15, 8)

ratios = st.floats(-0.9, 10)
any_values = st.builds(Value, st.floats(-1e12, 1e12), st.none() | st.floats(0, 1e12))


def test_a_sweep_has_sizes_memory_and_times_of_all_settings(results: Results) -> None:
    found = values(results, REFERENCE)
    settings = ["15/8", "14/7", "13/6", "12/5", "11/4", "10/3", "9/2"]
    assert list(found[SIZE]) == [*settings, "off"]
    assert found[SIZE]["15/8"] == Value(1000, 0)
    assert found[SIZE_PER_BYTE]["9/2"] == Value(0.16, 0)
    assert found[SIZE_PER_BYTE]["off"] == Value(1, 0)
    assert list(found[time_quantity(1, REFERENCE)]) == settings
    at_1000 = found[time_quantity(1000, REFERENCE)]["15/8"]
    assert (at_1000.value, at_1000.margin) == (-0.3, pytest.approx(0.02))
    decode = found[time_quantity(1000, REFERENCE, decode=True)]["15/8"]
    assert (decode.value, decode.margin) == (0.25, pytest.approx(0.005))
    assert {quantity.title for quantity in found} >= {
        "Time vs. 12/5",
        "Time vs. 12/5, at 1,000 connections",
        "Decode vs. 12/5, at 1,000 connections",
    }
    assert found[MEMORY]["15/8"].value == 316 * 1024


def test_memory_is_known_to_a_tenth_of_a_kib() -> None:
    memory = Memory(
        connection_bytes=65_536,
        connection_stdev_bytes=700,
        connections=20,
        deflate_bytes=0,
        inflate_bytes=0,
    )
    # How connections differ from one another is the same in every run.
    assert memory_value(memory) == Value(65_536, 100)


def test_messages_without_bytes_have_no_share(results: Results) -> None:
    rows = tuple(
        replace(row, size=replace(row.size, original_bytes=0)) for row in results.rows if row.size
    )
    found = values(replace(results, rows=rows), REFERENCE)
    assert SIZE in found
    assert SIZE_PER_BYTE not in found


def test_what_was_not_measured_is_not_there(results: Results) -> None:
    row = Row(settings=REFERENCE)
    assert values(replace(results, rows=(row,)), REFERENCE) == {}
    resident = Resident(connection_bytes=2048, connections=5, messages=9, kind="uss")
    ((quantity, of_settings),) = values(
        replace(results, rows=(replace(row, resident=resident),)), REFERENCE
    ).items()
    assert (quantity.name, of_settings) == ("resident", {"12/5": Value(2048, None)})


def test_live_connections_have_what_was_reached(live_results: Results) -> None:
    found = {quantity.name: of for quantity, of in values(live_results, REFERENCE).items()}
    assert found["resident_bytes"] == {
        "12/5": Value(60 * 1024, None),
        "off": Value(1024, None),
    }
    assert found["cpu_ns_per_message"] == {"12/5": Value(61_540, None)}
    assert found["round_trip_ns_p50"] == {"12/5": Value(590_000, None)}
    assert found["round_trip_ns_p99"] == {"12/5": Value(1_030_000, None)}
    assert found["opened_per_second"] == {"12/5": Value(1234.5, None)}
    assert {quantity.name for quantity in values(live_results, REFERENCE) if quantity.portable} == {
        "memory",
        "resident_opened_bytes",
        "resident_after_one_bytes",
        "resident_bytes",
        "kernel_bytes",
    }


def test_what_browsers_offer_is_a_settings_too(live_results: Results) -> None:
    row = replace(live_results.rows[0], settings=BROWSER)
    found = values(replace(live_results, rows=(row,)), REFERENCE)
    assert list(found[MEMORY]) == ["browser"]


def test_times_relative_to_other_settings_are_those_that_the_clock_gave(results: Results) -> None:
    """A record whose ratios are those of its times to 12/5 is compared with 15/8."""
    ns = {row.settings: 4_000.0 + 700 * place for place, row in enumerate(results.rows[:-1])}

    def timed(settings: object) -> tuple[Time, ...]:
        ratio = ns[settings] / ns[REFERENCE] - 1  # type: ignore[index]
        first = results.rows[0].time[0]
        return (replace(first, vs_reference=ratio, ci95=(ratio - 0.01, ratio + 0.01)),)

    rows = tuple(replace(row, time=timed(row.settings)) for row in results.rows[:-1])
    record = replace(results, rows=rows)
    found = values(record, LARGEST)[time_quantity(1, LARGEST)]
    for settings, time_ns in ns.items():
        assert found[str(settings)].value == pytest.approx(time_ns / ns[LARGEST] - 1)
    assert found["15/8"] == Value(0, 0)
    # And back again.
    back = values(record, REFERENCE)[time_quantity(1, REFERENCE)]
    assert back["15/8"].value == pytest.approx(ns[LARGEST] / ns[REFERENCE] - 1)


def test_times_without_the_reference_cannot_be_compared_with_it(results: Results) -> None:
    other = DeflateSettings(9, 1)
    assert {quantity.unit for quantity in values(results, other)} == {"bytes", "share"}
    # It may be timed with other numbers of connections only.
    rows = (replace(results.rows[0], time=results.rows[0].time[:1]), *results.rows[1:])
    found = values(replace(results, rows=rows), LARGEST)
    assert time_quantity(1, LARGEST) in found
    assert time_quantity(1000, LARGEST) not in found


def test_a_reference_that_took_no_time_is_none(results: Results) -> None:
    first, *rows = results.rows
    nothing = replace(first.time[0], vs_reference=-1.0, ci95=(-1.0, -1.0))
    record = replace(results, rows=(replace(first, time=(nothing,)), *rows))
    assert time_quantity(1, LARGEST) not in values(record, LARGEST)


@pytest.mark.parametrize(("value", "reference"), [(0.5, 0.25), (-0.3, 1.8), (2.0, -0.4)])
def test_a_rebased_margin_is_that_of_many_draws(value: float, reference: float) -> None:
    margins = (0.02, 0.03)
    draw = random.Random(0).gauss
    drawn = [
        draw(1 + value, margins[0] / 1.96) / draw(1 + reference, margins[1] / 1.96)
        for _ in range(20_000)
    ]
    found = rebased(Value(value, margins[0]), Value(reference, margins[1]))
    assert found.value == pytest.approx(statistics.median(drawn) - 1, abs=0.002)
    assert found.margin == pytest.approx(1.96 * statistics.stdev(drawn), rel=0.03)


def test_what_rests_on_an_unknown_margin_has_none() -> None:
    assert rebased(Value(1, None), Value(0, 0.1)) == Value(1, None)
    assert rebased(Value(1, 0.1), Value(0, None)) == Value(1, None)


@given(ratios, ratios)
def test_rebasing_back_and_forth_gives_the_value(value: float, reference: float) -> None:
    there = rebased(Value(value, 0), Value(reference, 0))
    origin = rebased(Value(0, 0), Value(reference, 0))
    assert rebased(there, origin).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Value(200, 3), Value(210, 4), (10, 0.05, 5, True)),
        (Value(200, 3), Value(205, 4), (5, 0.025, 5, False)),
        (Value(200, 3), Value(190, 4), (-10, -0.05, 5, True)),
        (Value(200, 0), Value(200, 0), (0, 0, 0, False)),
        (Value(200, 0), Value(201, 0), (1, 0.005, 0, True)),
        (Value(200, None), Value(210, 4), (10, 0.05, None, None)),
        (Value(200, 3), Value(210, None), (10, 0.05, None, None)),
        (Value(0, 0), Value(7, 0), (7, None, 0, True)),
        (Value(-10, 0), Value(-5, 0), (5, None, 0, True)),
    ],
)
def test_a_change_is_real_beyond_both_margins_together(
    before: Value, after: Value, expected: tuple[float, float | None, float | None, bool | None]
) -> None:
    found = change(before, after)
    assert (found.change, found.relative, found.margin, found.real) == expected
    elsewhere = change(before, after, comparable=False)
    assert (elsewhere.change, elsewhere.margin) == (found.change, found.margin)
    assert elsewhere.real is None


@given(any_values, any_values)
def test_a_change_back_is_the_opposite(one: Value, other: Value) -> None:
    there, back = change(one, other), change(other, one)
    assert there.change == -back.change
    assert (there.margin, there.real) == (back.margin, back.real)


@given(any_values)
def test_nothing_differs_from_itself(value: Value) -> None:
    same = change(value, value)
    assert same.change == 0
    assert same.relative in (0, None)
    assert not same.real


def test_differences_name_the_fields_that_differ(results: Results) -> None:
    here = results.environment
    other = replace(here, websockets="15.0", cpu_version="family 6", memory_bytes=1)
    found = differences([here, other, here])
    assert [(item.field, item.values) for item in found] == [
        ("websockets", ("17.4", "15.0", "17.4")),
        ("cpu_version", (None, "family 6", None)),
    ]
    assert differ_in(found, PROCESSOR)
    assert differ_in(found, SOFTWARE)
    assert not differ_in(found, ("python",))
    assert differences([here, here]) == []
    assert not differ_in([], PROCESSOR)


def test_buffers_have_values_by_what_was_measured(buffers_record: Results) -> None:
    assert buffers_record.buffers is not None
    found = {quantity.name: of for quantity, of in buffers_values(buffers_record.buffers).items()}
    for name, attribute in (("allocated", "allocated_bytes"), ("peak", "peak_bytes"),
                            ("resident", "resident_bytes")):  # fmt: skip
        of_each = [getattr(row, attribute) for row in buffers_record.buffers.slow_readers]
        assert [item.value for item in found[f"slow_reader_{name}"].values()] == of_each
    assert found["slow_reader_allocated"]["off, small, max_queue 16, max_size 1 MiB"].value > 0
    assert "12/5, text of 1 MiB, max_queue 16, max_size 1 MiB" in found["slow_reader_peak"]
    assert "12/5, 64 MiB of zeros in 16 frames, max_size 1 MiB" in found["bomb_peak"]
    assert found["slow_client_buffered"]["12/5, write_limit 32 KiB, nothing sent"].value == 0
    assert "off, 3 fast, 3 stuck, write_limit 32 KiB" in found["broadcast_growth"]
    application = buffers_record.buffers.applications[0]
    assert found["application_resident"]["12/5, echo that keeps 64 KiB: process"] == Value(
        application.process_bytes, None
    )
    assert "12/5, 16 messages at once: slow handler, hostile client" in found["advice"]


def test_every_measurement_of_buffers_has_a_name_of_its_own(buffers_record: Results) -> None:
    assert buffers_record.buffers is not None
    text = buffers_record.buffers.slow_readers[2]
    almost = replace(text, payload_bytes=2**20 + 1)
    unlimited = replace(
        text,
        settings=None,
        payload="fragmented",
        payload_bytes=1536,
        limits=Limits(max_size=None, max_queue=None, write_limit=None),
    )
    buffers = replace(
        buffers_record.buffers,
        slow_readers=(text, text, almost, unlimited),
        bombs=(),
        slow_clients=(),
        broadcasts=(),
        applications=(),
        advice=None,
    )
    found = buffers_values(buffers)
    assert len(found) == 3
    for of_quantity in found.values():
        assert list(of_quantity) == [
            "12/5, text of 1 MiB, max_queue 16, max_size 1 MiB",
            "12/5, text of 1 MiB, max_queue 16, max_size 1 MiB (2)",
            "12/5, text of 1,048,577 bytes, max_queue 16, max_size 1 MiB",
            "off, fragmented of 1,536 bytes, max_queue none, max_size none",
        ]


@pytest.fixture
def buffers_record(request: pytest.FixtureRequest) -> Results:
    return load_results(request.config.rootpath / "results" / "buffers.json")

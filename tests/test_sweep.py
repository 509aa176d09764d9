import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import wsbench
from wsbench import LADDER, REFERENCE, Corpus, DeflateSettings, Message, Progress, _sweep
from wsbench.errors import MeasurementError, SettingsError
from wsbench.measure import size


def sizes_only(corpus: Corpus, *arguments: Any, **options: Any) -> wsbench.Results:
    return wsbench.sweep(corpus, *arguments, memory=False, time=False, **options)


def test_a_sweep_measures_the_ladder_with_the_disabled_row_last(corpus: Corpus) -> None:
    results = wsbench.sweep(corpus, connections=[1, 20], max_seconds=0.5)
    assert [row.settings for row in results.rows] == [*LADDER, None]
    assert results.timed_connections() == [1, 20]
    assert [item.connections for item in results.timing] == [1, 20]
    assert all(row.memory and row.size for row in results.rows)
    assert all(row.time for row in results.rows[:-1])
    assert not results.rows[-1].time
    assert not results.partial
    assert results.wsbench == wsbench.__version__
    assert results.corpus.sha256 == corpus.sha256()
    assert (results.corpus.messages, results.corpus.streams) == (201, 1)


def test_the_reference_is_added_in_its_place(corpus: Corpus) -> None:
    large, small = DeflateSettings(15, 8), DeflateSettings(9, 1)
    results = sizes_only(corpus, [small, None, large, small])
    assert [row.settings for row in results.rows] == [large, REFERENCE, small, None]
    other = sizes_only(corpus, [small], reference=large)
    assert [row.settings for row in other.rows] == [large, small, None]
    assert other.reference == large


def test_one_process_or_two_give_the_same_sizes(corpus: Corpus) -> None:
    one, two = sizes_only(corpus, jobs=1), sizes_only(corpus, jobs=2)
    assert one.rows == two.rows


def test_progress_goes_through_the_phases_to_their_end(corpus: Corpus) -> None:
    seen: list[Progress] = []
    wsbench.sweep(corpus, [REFERENCE], connections=[1, 2], max_seconds=0.1, progress=seen.append)
    assert list(dict.fromkeys(item.phase for item in seen)) == ["size", "time", "memory"]
    for phase in ("size", "time", "memory"):
        fractions = [item.fraction for item in seen if item.phase == phase]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1


@pytest.mark.parametrize("phase", ["size", "time", "memory"])
def test_an_interruption_keeps_what_was_measured(corpus: Corpus, phase: str) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.phase == phase and (phase != "time" or progress.fraction > 0.5):
            raise KeyboardInterrupt

    with pytest.raises(wsbench.SweepInterrupted) as caught:
        wsbench.sweep(corpus, connections=[1], max_seconds=1, progress=interrupt)
    results = caught.value.results
    assert results.partial
    assert [row.settings for row in results.rows] == [*LADDER, None]
    first = results.rows[0]
    assert first.size
    assert bool(first.time) == (phase != "size")
    assert bool(first.memory) == (phase == "memory")
    assert bool(results.rows[1].size) == (phase != "size")


def test_an_error_of_a_measurement_reaches_the_caller(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MeasurementError("as it was said")

    monkeypatch.setattr(size, "measure_size", fail)
    with pytest.raises(MeasurementError, match="as it was said"):
        sizes_only(corpus)


def test_more_jobs_than_settings_are_no_more_processes(corpus: Corpus) -> None:
    assert sizes_only(corpus, [REFERENCE], jobs=10_000).rows == sizes_only(corpus, [REFERENCE]).rows


@pytest.mark.parametrize("max_seconds", [0, -1, float("nan"), float("inf")])
def test_a_budget_must_be_a_finite_number_above_zero(corpus: Corpus, max_seconds: float) -> None:
    with pytest.raises(SettingsError, match="choose a finite number above 0"):
        wsbench.sweep(corpus, max_seconds=max_seconds)


@pytest.mark.parametrize("precision", [0, -1, float("nan"), float("inf")])
def test_a_precision_must_be_a_finite_number_above_zero(corpus: Corpus, precision: float) -> None:
    with pytest.raises(SettingsError, match="choose a finite number above 0"):
        wsbench.sweep(corpus, precision=precision)


def test_there_are_two_kinds_of_traffic(corpus: Corpus) -> None:
    with pytest.raises(SettingsError, match="choose one of independent, broadcast"):
        wsbench.sweep(corpus, traffic="chaotic")  # type: ignore[arg-type]


@pytest.mark.parametrize("connections", [[0], [-5], [1, 0]])
def test_there_must_be_a_connection(corpus: Corpus, connections: list[int]) -> None:
    with pytest.raises(SettingsError, match="choose a number from 1"):
        wsbench.sweep(corpus, connections=connections)


def test_more_connections_than_fit_are_refused_with_the_figures(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sweep, "available_bytes", lambda: 2**30)
    # 15/8 takes 256 KiB and 8 beside; 0.8 GiB are 3,177 of them, less 200 for the harness's own.
    with pytest.raises(SettingsError) as caught:
        wsbench.sweep(corpus, connections=[1, 100_000])
    assert str(caught.value) == (
        "connections 100,000: contexts of 15/8 would take 25.2 GiB, and of the free memory "
        "819 MiB can be used; choose up to 2,977"
    )


@pytest.mark.parametrize(
    ("free_mib", "timed", "warning"),
    [
        (4000, [1, 1000], ""),
        (300, [1, 500], "timed at 500 connections instead of 1,000: contexts of 15/8 would take"),
        (100, [1, 100], "timed at 100 connections instead of 1,000: contexts of 15/8 would take"),
        (1, [1], "not timed at 1,000 connections: contexts of 15/8 would take 309 MiB"),
    ],
)
def test_the_usual_number_of_connections_adapts_to_the_memory(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, free_mib: int, timed: list[int], warning: str
) -> None:
    monkeypatch.setattr(_sweep, "available_bytes", lambda: free_mib * 2**20)
    results = wsbench.sweep(corpus, [DeflateSettings(15, 8)], memory=False, max_seconds=0.01)
    assert results.timed_connections() == timed
    assert [item for item in results.warnings if "connections" in item] == [
        item for item in results.warnings if warning and item.startswith(warning)
    ]
    assert any(item.startswith(warning) for item in (*results.warnings, ""))


def test_the_usual_number_of_connections_adapts_to_long_messages() -> None:
    corpus = Corpus.of_messages("long", [Message(bytes(50_000), False)] * 3)
    results = wsbench.sweep(corpus, [REFERENCE], memory=False, max_seconds=0.01)
    assert results.timed_connections() == [1, 20]
    assert any(
        item == "timed at 20 connections instead of 1,000: messages are so long that a round would "
        "take seconds"
        for item in results.warnings
    )


def test_a_pool_ends_when_its_block_fails(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from wsbench.workers import local_pool\n"
        "if __name__ == '__main__':\n"
        "    with local_pool(2) as pool:\n"
        "        pool.submit(time.sleep, 3600)\n"
        "        raise SystemExit(7)\n"
    )
    assert subprocess.run([sys.executable, script], timeout=60).returncode == 7


def test_the_api_in_the_docstring_works(tmp_path: Path) -> None:
    """As a script without `if __name__ == "__main__"`, and away from the project."""
    (tmp_path / "c.json").write_text('["hello", "hello hello"]')
    script = "\n".join(
        line.strip() for line in (wsbench.__doc__ or "").splitlines() if line.startswith("    ")
    )
    script = script.replace("corpora/chat.json", "c.json").replace(
        "(corpus)", "(corpus, time=False)"
    )
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    assert "12 *" in done.stdout


def test_every_public_name_exists_and_nothing_else_is_promised() -> None:
    assert sorted(wsbench.__all__) == sorted(set(wsbench.__all__))
    for name in wsbench.__all__:
        assert getattr(wsbench, name) is not None
        assert name in dir(wsbench)
    with pytest.raises(AttributeError, match="no attribute 'compress'"):
        _ = wsbench.compress  # type: ignore[attr-defined]

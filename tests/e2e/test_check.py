"""`wsbench check`, as a user runs it: baselines, regressions, budgets, and what CI reads of it."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import junitparser
import msgspec
import pytest
from markdown_it import MarkdownIt
from msgspec.structs import replace

from tests.e2e.conftest import COMMAND, ROOT, Run
from tests.e2e.test_compress import mistakes
from tests.e2e.test_processes import LIMIT_SECONDS, terminal
from wsbench.checks import Check
from wsbench.judge import Judgement
from wsbench.results import Results, Row, load_records, load_results, save_records
from wsbench.settings import LADDER, REFERENCE

TEXTS = [
    f'{{"id":{number},"user":"user-{number % 7}","text":"hello {number * number}"}}'
    for number in range(400)
]
LONGER = [text.replace("}", f',"rev":{number}}}') for number, text in enumerate(TEXTS)]
LABELS = [*map(str, LADDER), "off"]
SIZES_ONLY = ("--no-time", "--no-memory")
# What nothing but a defect reaches, on however busy a machine.
GENEROUS = ("--max-time-increase", "50")

# What CI systems set, and what therefore is set while this suite runs there.
VARIABLES = ("GITHUB_SHA", "GITHUB_STEP_SUMMARY", "CI_COMMIT_SHA")


def zlib_bytes(texts: list[str], settings: str) -> int:
    """What zlib makes of the messages at some settings, or their length if it is off."""
    if settings == "off":
        return sum(len(text.encode()) for text in texts)
    window_bits, memory_level = map(int, settings.split("/"))
    deflate = zlib.compressobj(6, zlib.DEFLATED, -window_bits, memory_level)
    return sum(
        len(deflate.compress(text.encode()) + deflate.flush(zlib.Z_SYNC_FLUSH)) - 4
        for text in texts
    )


def found(done: subprocess.CompletedProcess[str]) -> Check:
    """The check that was printed as JSON."""
    return msgspec.json.decode(done.stdout, type=Check)


def judgements(done: subprocess.CompletedProcess[str]) -> list[Judgement]:
    """Those of the only corpus."""
    (check,) = found(done).checks
    return list(check.judgements)


def named(done: subprocess.CompletedProcess[str], verdict: str) -> set[tuple[str, str]]:
    """Quantities and settings with this verdict."""
    return {(item.quantity, item.label) for item in judgements(done) if item.verdict == verdict}


def with_rows(record: Results, change: Callable[[Row], Row]) -> Results:
    return replace(record, rows=tuple(map(change, record.rows)))


def untimed(record: Results) -> Results:
    return replace(with_rows(record, lambda row: replace(row, time=())), timing=())


def sizes_only(record: Results) -> Results:
    return with_rows(untimed(record), lambda row: replace(row, memory=None))


def with_times(record: Results, less: float = 0.0, margin: float | None = None) -> Results:
    """The record with smaller ratios of all but the reference, and with other margins."""

    def changed(row: Row) -> Row:
        if not row.time or row.settings == REFERENCE:
            return row
        (time,) = row.time
        ratio, half = time.vs_reference - less, time.margin if margin is None else margin
        known = replace(time, vs_reference=ratio, ci95=(ratio - half, ratio + half))
        return replace(row, time=(known,))

    return with_rows(record, changed)


def with_memory(record: Results, less_bytes: int) -> Results:
    def changed(row: Row) -> Row:
        assert row.memory is not None
        less = row.memory.connection_bytes - less_bytes
        return replace(row, memory=replace(row.memory, connection_bytes=less))

    return with_rows(record, changed)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """How the baseline of chat.json was made, by one command; `args[0]` is the file."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "chat.json").write_text(json.dumps(TEXTS))
    command = [str(COMMAND), "check", "chat.json", "--baseline", "b.json", "--update"]
    done = subprocess.run(
        command,
        capture_output=True,
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key not in VARIABLES},
        text=True,
        timeout=LIMIT_SECONDS,
    )
    return subprocess.CompletedProcess(
        [folder / "b.json"], done.returncode, done.stdout, done.stderr
    )


@pytest.fixture(scope="module")
def whole(made: subprocess.CompletedProcess[str]) -> Results:
    """The baseline of chat.json, with sizes, memory and times."""
    (record,) = load_records(made.args[0], sealed=True)
    return record


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The corpora that are checked."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "chat.json").write_text(json.dumps(TEXTS))
    (tmp_path / "longer.json").write_text(json.dumps(LONGER))
    (tmp_path / "ticks.txt").write_text("\n".join(f"tick {number}" for number in range(100)))


@pytest.fixture
def timed(tmp_path: Path, whole: Results) -> Path:
    """The whole baseline, as b.json."""
    whole.save(tmp_path / "b.json")
    return tmp_path / "b.json"


@pytest.fixture
def exact(tmp_path: Path, whole: Results) -> Path:
    """The same without times."""
    untimed(whole).save(tmp_path / "b.json")
    return tmp_path / "b.json"


@pytest.fixture
def small(tmp_path: Path, whole: Results) -> Path:
    """The same with sizes alone."""
    sizes_only(whole).save(tmp_path / "b.json")
    return tmp_path / "b.json"


# Baselines


def test_a_new_baseline_has_everything_and_says_where_it_is(
    made: subprocess.CompletedProcess[str], whole: Results
) -> None:
    assert (made.returncode, mistakes(made)) == (0, ["wsbench: b.json: written, with chat"])
    assert made.stdout.startswith(f"chat: 400 messages, {zlib_bytes(TEXTS, 'off'):,} bytes, ")
    assert "\nWindow Bits    Memory Level    Memory usage    Size vs. default" in made.stdout
    assert json.loads(made.args[0].read_bytes())["schema"] == "wsbench.records/1"
    assert (whole.corpus.name, whole.corpus.messages, whole.partial) == ("chat", 400, False)
    assert [row.label for row in whole.rows] == LABELS
    assert [row.size and row.size.compressed_bytes for row in whole.rows] == [
        zlib_bytes(TEXTS, label) for label in LABELS
    ]
    assert all(row.memory for row in whole.rows)
    assert [[time.connections for time in row.time] for row in whole.rows] == [*[[1]] * 7, []]


def test_an_update_prints_what_moved_and_keeps_the_rest(
    wsbench: Run, tmp_path: Path, whole: Results
) -> None:
    def older(row: Row) -> Row:
        assert row.size is not None
        return replace(row, size=replace(row.size, compressed_bytes=row.size.compressed_bytes - 9))

    rows = tuple(row for row in sizes_only(whole).rows if row.label in ("12/5", "9/2"))
    old = with_rows(replace(sizes_only(whole), rows=rows), older)
    other = replace(untimed(whole), corpus=replace(whole.corpus, name="talk", sha256="1" * 64))
    last = replace(other, corpus=replace(whole.corpus, name="game", sha256="2" * 64))
    save_records(tmp_path / "b.json", [other, old, last])
    done = wsbench("check", "chat.json", "--baseline", "b.json", "--update")
    assert (done.returncode, done.stderr) == (
        0,
        "wsbench: b.json: written, with talk, chat, game\n",
    )
    assert done.stdout.startswith("A: b.json, before: chat, 20")
    for label in ("12/5", "9/2"):
        now = zlib_bytes(TEXTS, label)
        assert re.search(rf"\n{label} +{now - 9:,} +{now:,} +\+9 ", done.stdout)
    first, new, third = load_records(tmp_path / "b.json", sealed=True)
    assert (first, third) == (other, last)
    # As before, there are the settings and quantities that the project wants, and always off.
    assert [row.label for row in new.rows] == ["12/5", "9/2", "off"]
    assert not any(row.memory or row.time for row in new.rows)


def test_an_update_is_compared_with_the_next_time(wsbench: Run, small: Path) -> None:
    arguments = ("check", "longer.json", "chat.json", "--baseline", "b.json", *SIZES_ONLY)
    assert wsbench("check", "chat.json", *arguments[3:]).returncode == 0
    refused = wsbench(*arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "wsbench: b.json: no record of 'longer', only of chat; add it with check --update\n"
    )
    assert wsbench(*arguments, "--update").returncode == 0
    assert [record.corpus.name for record in load_records(small)] == ["chat", "longer"]
    assert wsbench(*arguments).returncode == 0


def test_times_with_more_connections_are_made_and_checked(wsbench: Run, tmp_path: Path) -> None:
    arguments = ("check", "chat.json", "--baseline", "b.json", "--no-memory", *GENEROUS)
    chosen = ("--connections", "10", "--settings", "9/2", "--max-seconds", "1")
    done = wsbench(*arguments, "--update", *chosen)
    assert (done.returncode, mistakes(done)) == (0, ["wsbench: b.json: written, with chat"])
    (record,) = load_records(tmp_path / "b.json", sealed=True)
    assert [row.label for row in record.rows] == ["12/5", "9/2", "off"]
    assert record.timed_connections() == [10]
    checked = wsbench(*arguments, "--format", "json")
    assert checked.returncode == 0
    times = [item for item in judgements(checked) if item.quantity == "time"]
    # The reference cannot be judged: there are too few others.
    assert [(item.label, item.connections) for item in times] == [("9/2", 10)]


def test_what_compress_saves_is_a_baseline(wsbench: Run, tmp_path: Path) -> None:
    reference = ("--window-bits", "15", "--memory-level", "8", "--reference", "15/9")
    saved = wsbench("compress", "chat.json", *SIZES_ONLY, *reference, "--save", "b.json")
    assert saved.returncode == 0
    done = wsbench("check", "chat.json", "--baseline", "b.json", "--format", "json")
    assert done.returncode == 0
    assert found(done).checks[0].reference.memory_level == 9
    assert [(item.quantity, item.label) for item in judgements(done)] == [
        ("size", "15/9"),
        ("size", "15/8"),
        ("size", "off"),
    ]


def test_a_baseline_comes_from_another_commit_by_a_pipe(
    command: Path, tmp_path: Path, small: Path
) -> None:
    done = subprocess.run(
        ["bash", "-c", 'exec "$0" check chat.json --baseline <(cat b.json)', command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "chat: 8 passed" in done.stdout


# Regressions


def test_what_did_not_change_passes_in_a_few_lines(wsbench: Run, timed: Path) -> None:
    before = timed.read_bytes()
    done = wsbench("check", "chat.json", "--baseline", "b.json", *GENEROUS)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"chat\.json against b\.json, of 20\d\d-\d\d-\d\d\n"
        r"Largest increases: size 0\.0%, memory [+-]?0\.\d KiB, time \S+ ± \S+ points\.\n\n"
        r"chat: 23 passed, in \S+ s\n",
        done.stdout,
    )
    assert timed.read_bytes() == before


@pytest.mark.parametrize(
    ("defect", "arguments", "named_settings"),
    [
        ("memory", ("--no-time",), [("memory", label) for label in LABELS]),
        # Whatever adds the bytes takes its time.
        ("size:11", ("--no-time",), [("size", "11/4")]),
        ("time:11:500", ("--no-memory",), [("time", "11/4")]),
        ("time:12:500", ("--no-memory",), [("time", "12/5")]),
    ],
)
def test_what_became_worse_is_named_and_nothing_else(
    wsbench: Run,
    timed: Path,
    defect: str,
    arguments: tuple[str, ...],
    named_settings: list[tuple[str, str]],
) -> None:
    defects = {"PYTHONPATH": str(ROOT / "benchmarks" / "defects"), "WSBENCH_DEFECT": defect}
    options = ("--baseline", "b.json", *arguments, "--max-seconds", "2", "--format", "json")
    done = wsbench("check", "chat.json", *options, environment=defects)
    assert done.returncode == 1
    assert found(done).verdict == "failed"
    assert named(done, "failed") == set(named_settings)
    for item in judgements(done):
        if item.verdict == "failed":
            change, limit, kind = item.change, item.limit, item.quantity
            assert change is not None
            assert limit is not None
            assert change > limit
            if kind == "memory":
                # Memory repeats to a tenth of a KiB; and there is an attribute more.
                assert 2048 - 200 < change < 2048 + 300
            if kind == "size":
                assert 0.009 < change / zlib_bytes(TEXTS, item.label) <= 0.01


def test_what_is_allowed_to_grow_passes(wsbench: Run, exact: Path) -> None:
    arguments = ("check", "chat.json", "--baseline", "b.json", "--format", "json")
    for defect, limit, quantity in (
        ("memory", ("--max-memory-increase", "3KiB"), "memory"),
        ("memory", ("--max-memory-increase", "20 %"), "memory"),
        ("size:11", ("--max-size-increase", "1.5", "--no-memory"), "size"),
    ):
        defects = {"PYTHONPATH": str(ROOT / "benchmarks" / "defects"), "WSBENCH_DEFECT": defect}
        done = wsbench(*arguments, *limit, environment=defects)
        assert (done.returncode, named(done, "failed")) == (0, set())
        assert max(item.change or 0 for item in judgements(done) if item.quantity == quantity) > 40


def test_the_report_of_a_regression_says_what_how_much_and_how_much_is_allowed(
    wsbench: Run, tmp_path: Path, whole: Results
) -> None:
    now = zlib_bytes(TEXTS, "11/4")

    def smaller(row: Row) -> Row:
        if row.label != "11/4" or row.size is None:
            return row
        return replace(row, size=replace(row.size, compressed_bytes=now - 400))

    with_rows(sizes_only(whole), smaller).save(tmp_path / "b.json")
    done = wsbench("check", "chat.json", "--baseline", "b.json")
    assert (done.returncode, done.stderr) == (1, "")
    percent = 100 * 400 / (now - 400)
    assert (
        f"\nFAILED 11/4 size: {now - 400:,} → {now:,} bytes, +{percent:.1f}%, allowed +0.5%\n"
    ) in done.stdout
    assert re.search(r"\nchat: 7 passed, 1 failed, in \S+ s\n$", done.stdout)


# Messages


def test_changed_messages_fail_with_a_verdict_of_their_own(wsbench: Run, timed: Path) -> None:
    arguments = ("check", "longer.json", "--baseline", "b.json", "--no-memory")
    done = wsbench(*arguments, "--format", "json")
    assert done.returncode == 1
    (corpus, *sizes) = judgements(done)
    assert (corpus.quantity, corpus.verdict) == ("corpus", "failed")
    # A message more or less is no regression, and times of other messages say nothing.
    assert {(item.quantity, item.unit) for item in sizes} == {("size", "bytes_per_message")}
    assert [item.measured for item in sizes] == [
        zlib_bytes(LONGER, label) / len(LONGER) for label in LABELS
    ]
    text = wsbench(*arguments).stdout
    assert "\nFAILED: the messages changed: 400 messages of " in text
    assert "if that is intended, pass --update, or --allow-corpus-change" in text


def test_messages_that_may_change_are_judged_by_the_original_byte(
    wsbench: Run, tmp_path: Path, timed: Path
) -> None:
    (tmp_path / "chat.json").write_text(json.dumps(TEXTS * 2))
    arguments = ("check", "chat.json", "--baseline", "b.json", "--no-memory", *GENEROUS)
    done = wsbench(*arguments, "--allow-corpus-change", "--format", "json")
    assert done.returncode == 0
    (corpus, *others) = judgements(done)
    assert (corpus.quantity, corpus.verdict) == ("corpus", "passed")
    original = zlib_bytes(TEXTS * 2, "off")
    sizes = [item for item in others if item.quantity == "size"]
    assert [item.measured for item in sizes] == [
        zlib_bytes(TEXTS * 2, label) / original for label in LABELS
    ]
    assert {item.unit for item in sizes} == {"share"}
    assert [item.label for item in others if item.quantity == "time"] == LABELS[:-1]
    (tmp_path / "chat.json").write_text(json.dumps(TEXTS[:20]))
    worse = wsbench(*arguments, "--allow-corpus-change", "--no-time", "--format", "json")
    assert worse.returncode == 1
    assert named(worse, "failed") == {("size", label) for label in LABELS[:-1]}


# Budgets


def share(label: str) -> float:
    return 100 * zlib_bytes(TEXTS, label) / zlib_bytes(TEXTS, "off")


def test_a_budget_needs_no_baseline(wsbench: Run) -> None:
    done = wsbench("check", "chat.json", "--max-ratio", "50%", "--max-memory", "70KiB")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "chat.json against budgets"
    assert re.fullmatch(
        rf"Budgets: size {share('12/5'):.1f}% ≤ 50\.0%, memory \S+ KiB ≤ 70\.0 KiB\.", lines[1]
    )
    assert re.fullmatch(r"chat: 2 passed, in \S+ s", lines[3])


@pytest.mark.parametrize(
    ("arguments", "failed"),
    [
        ("--max-ratio 0.9", set()),
        ("--max-ratio 1%", {("size", "12/5")}),
        ("--max-ratio 0.9 --settings off", {("size", "off")}),
        ("--max-ratio 1 --settings off --settings 9/2", set()),
        ("--max-memory 1KiB --settings off", {("memory", "off")}),
        ("--max-memory 70000 --settings 15/8 --settings 12/5 --settings off", {("memory", "15/8")}),
        ("--max-memory 1MiB --max-ratio 1% --settings 9/1", {("size", "9/1")}),
        ("--max-memory 0 --max-ratio 0.001", {("size", "12/5"), ("memory", "12/5")}),
    ],
)
def test_budgets_are_for_the_settings_that_are_named(
    wsbench: Run, arguments: str, failed: set[tuple[str, str]]
) -> None:
    done = wsbench("check", "chat.json", *arguments.split(), "--format", "json")
    assert done.returncode == bool(failed)
    assert named(done, "failed") == failed
    wanted = re.findall(r"--settings (\S+)", arguments) or ["12/5"]
    assert list(dict.fromkeys(item.label for item in judgements(done))) == wanted
    assert all(item.is_budget for item in judgements(done))


def test_a_budget_holds_beside_a_baseline(wsbench: Run, exact: Path) -> None:
    arguments = ("check", "chat.json", "--baseline", "b.json", "--max-memory", "60KiB")
    done = wsbench(*arguments, "--max-ratio", "1", "--format", "json")
    assert done.returncode == 1
    budgets = [item for item in judgements(done) if item.is_budget]
    # They are for what the baseline's reference is, and so is the default of websockets.
    assert [(item.label, item.quantity, item.verdict) for item in budgets] == [
        ("12/5", "size", "passed"),
        ("12/5", "memory", "failed"),
    ]
    assert len(judgements(done)) == 2 * len(LABELS) + 2
    restricted = wsbench(*arguments, "--settings", "9/2", "--settings", "off", "--format", "json")
    assert restricted.returncode == 0
    assert [item.label for item in judgements(restricted) if item.is_budget] == ["9/2", "off"]


# What is measured


def test_settings_and_quantities_can_be_chosen(wsbench: Run, timed: Path) -> None:
    arguments = ("check", "chat.json", "--baseline", "b.json", "--format", "json")
    done = wsbench(*arguments, "--settings", "9/2", "--settings", "off", "--no-time")
    assert [(item.quantity, item.label) for item in judgements(done)] == [
        ("size", "9/2"),
        ("memory", "9/2"),
        ("size", "off"),
        ("memory", "off"),
    ]
    done = wsbench(*arguments, *SIZES_ONLY)
    assert [(item.quantity, item.label) for item in judgements(done)] == [
        ("size", label) for label in LABELS
    ]


def test_what_is_not_known_well_is_undecided_and_fails_if_that_is_asked_for(
    wsbench: Run, tmp_path: Path, whole: Results
) -> None:
    with_times(whole, margin=0.5).save(tmp_path / "b.json")
    options = ("--baseline", "b.json", "--no-memory", "--settings", "9/2", "--max-seconds", "1")
    done = wsbench("check", "chat.json", *options)
    assert (done.returncode, mistakes(done)) == (0, [])
    assert re.search(
        r"\nundecided 9/2 time on one connection: .* vs\. 12/5, .* points, allowed \+5: the "
        r"interval is too wide; that of the baseline is, too: make it anew, with --update\n",
        done.stdout,
    )
    assert re.search(r"\nchat: 1 passed, 1 undecided, in \S+ s\n$", done.stdout)
    strict = wsbench("check", "chat.json", *options, "--strict", "--format", "json")
    assert strict.returncode == 1
    assert found(strict).verdict == "undecided"
    assert named(strict, "undecided") == {("time", "9/2")}


# Environments

OTHER = {"python": "3.8.0", "websockets": "13.0", "cpu": "Pentium"}


def test_another_environment_stands_first_and_widens_what_is_allowed(
    wsbench: Run, tmp_path: Path, whole: Results
) -> None:
    # 2 KiB are more than a KiB, and of 315 KiB less than a percent; 11 points less than a fifth.
    older = with_memory(with_times(whole, less=0.11), 2048)
    moved = replace(older, environment=replace(whole.environment, **OTHER))
    arguments = ("check", "chat.json", "--baseline", "b.json", "--max-seconds", "1")
    older.save(tmp_path / "b.json")
    same = wsbench(*arguments, "--settings", "15/8", "--format", "json")
    assert named(same, "failed") == {("memory", "15/8"), ("time", "15/8")}
    moved.save(tmp_path / "b.json")
    done = wsbench(*arguments, "--settings", "15/8", "--format", "json")
    assert (done.returncode, named(done, "passed")) == (
        0,
        {("size", "15/8"), ("memory", "15/8"), ("time", "15/8")},
    )
    lines = wsbench(*arguments, "--no-time").stdout.splitlines()
    assert lines[0].startswith("chat.json against b.json, of 20")
    assert lines[1].startswith("The environment differs from the baseline's: websockets 13.0 → ")
    assert "Python 3.8.0 → " in lines[1]
    assert "processor Pentium → " in lines[1]
    assert lines[2] == (
        "As the software differs, allocated memory may be more by 1 KiB or 1%, whichever is larger."
    )
    # A percent of 13.7 KiB is less than a KiB.
    assert any(line.startswith("FAILED off memory: ") for line in lines)
    assert not any(line.startswith("FAILED 15/8") for line in lines)


# Damage


def conflict(data: bytes) -> bytes:
    """What git leaves of two baselines."""
    lines = data.decode().splitlines()
    middle = len(lines) // 2
    ours, theirs = lines[middle], lines[middle].replace("1", "2")
    marks = ["<<<<<<< HEAD", ours, "=======", theirs, ">>>>>>> main"]
    return "\n".join([*lines[:middle], *marks, *lines[middle + 1 :]]).encode()


BY_HAND = "was changed by hand: its seal is broken; restore it, or delete it, and make one with"
# There are more of them in tests/test_check.py, by which one process is damaged many times.
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "empty; "),
    "cut off": (lambda data: data[: len(data) // 2], "not JSON: "),
    "no text": (lambda _: bytes(range(256)), "not JSON: "),
    "two versions": (conflict, "not JSON: "),
    "a corpus": (lambda _: json.dumps(TEXTS).encode(), "not a record of results: "),
    "a newer one": (
        lambda data: data.replace(b"wsbench.records/1", b"wsbench.records/2"),
        "made by a newer wsbench, its schema is wsbench.records/2; upgrade wsbench to read it",
    ),
    "another size": (
        lambda data: re.sub(rb'("compressed_bytes": )\d+', rb"\g<1>999999", data, count=1),
        BY_HAND,
    ),
    "no seal": (
        lambda data: re.sub(rb',\s*"seal": "[0-9a-f]+"', b"", data),
        "has no seal, by which edits are found; delete it, and make one with check --update",
    ),
    "of live connections": (
        lambda _: (ROOT / "results" / "connections.json").read_bytes(),
        "was not measured by wsbench compress",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_baseline_is_refused_and_not_overwritten(
    wsbench: Run, timed: Path, whole: Results, damage: str
) -> None:
    save_records(timed, [whole])
    change, complaint = DAMAGES[damage]
    data = change(timed.read_bytes())
    timed.write_bytes(data)
    for update in ((), ("--update",)):
        done = wsbench("check", "chat.json", "--baseline", "b.json", *SIZES_ONLY, *update)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("wsbench: b.json: ")
        assert complaint in done.stderr
        assert done.stderr.count("\n") == 1
        assert timed.read_bytes() == data


def test_a_partial_record_is_no_baseline(wsbench: Run, tmp_path: Path, whole: Results) -> None:
    replace(whole, partial=True).save(tmp_path / "b.json")
    before = (tmp_path / "b.json").read_bytes()
    for update in ((), ("--update",)):
        done = wsbench("check", "chat.json", "--baseline", "b.json", *update)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "wsbench: b.json: is partial, since it was interrupted; delete it, and make one with "
            "check --update\n"
        )
        assert (tmp_path / "b.json").read_bytes() == before


def test_a_record_that_was_removed_is_missed(wsbench: Run, tmp_path: Path, whole: Results) -> None:
    others = [
        replace(sizes_only(whole), corpus=replace(whole.corpus, name=name, sha256=digit * 64))
        for name, digit in (("game", "1"), ("talk", "2"))
    ]
    save_records(tmp_path / "b.json", [others[0], sizes_only(whole), others[1]])
    assert wsbench("check", "chat.json", "--baseline", "b.json").returncode == 0
    content = json.loads((tmp_path / "b.json").read_bytes())
    del content["records"][1]
    (tmp_path / "b.json").write_text(json.dumps(content))
    done = wsbench("check", "chat.json", "--baseline", "b.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "wsbench: b.json: no record of 'chat', only of game, talk; add it with check --update\n"
    )


def test_a_baseline_may_be_reformatted(wsbench: Run, small: Path) -> None:
    content = json.loads(small.read_bytes())
    small.write_text(json.dumps(content, sort_keys=True, indent=7).replace("\n", "\r\n"))
    assert wsbench("check", "chat.json", "--baseline", "b.json").returncode == 0


# Mistakes


@pytest.fixture
def places(tmp_path: Path, small: Path) -> None:
    """What the mistakes below are made with."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "messages").mkdir()
    (tmp_path / "messages" / "0.txt").write_text("hello")
    (tmp_path / "empty.json").write_text("[]")
    (tmp_path / "nothing").write_text("")
    (tmp_path / "broken.json").write_text('["a", ')
    (tmp_path / "folder" / "chat.txt").write_text("hello")
    (tmp_path / "link.json").symlink_to("b.json")


AGAINST = "--baseline b.json"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "name a CORPUS, or put `corpus` into [tool.wsbench]; see wsbench check --help"),
        ("chat.json", "nothing to compare with; pass --baseline FILE, --max-ratio or --max-memory"),
        ("chat.json --update", "--update needs --baseline FILE, the file to be written"),
        ("chat.json --baseline no.json", "--baseline no.json: no such file; make it with --update"),
        ("chat.json --baseline folder", "folder: Is a directory; name a file made by --save"),
        ("chat.json --baseline folder --update", "--baseline folder: it is a directory; name a"),
        ("chat.json --baseline no/b.json --update", "--baseline no/b.json: No such file or dir"),
        ("chat.json --baseline - --update", "--baseline '-': name a file"),
        ("chat.json --baseline chat.json", "chat.json: not a record of results: "),
        ("chat.json --baseline chat.json --update", "--baseline chat.json: that is the input"),
        ("messages --baseline messages/b.json --update", "it would join the corpus; name another"),
        (f"missing.json {AGAINST}", "missing.json: No such file or directory; name a file"),
        (f"empty.json {AGAINST}", "empty.json: empty corpus: it holds no messages"),
        (f"nothing {AGAINST}", "nothing: empty corpus: the file is empty"),
        (f"broken.json {AGAINST}", "broken.json:1:7: not JSON: "),
        (f"- {AGAINST}", "standard input: empty corpus: the file is empty"),
        (f"chat.json folder/chat.txt {AGAINST}", "two corpora are called 'chat'; rename one of"),
        (f"chat.json ticks.txt {AGAINST}", "b.json: no record of 'ticks', only of chat; add it"),
        (
            f"chat.json {AGAINST} --settings 10/4",
            "b.json: holds nothing of 10/4, only of 15/8, 14/7, 13/6, 12/5, 11/4, 10/3, 9/2, off; "
            "choose among them, or make it anew with check --update",
        ),
        (f"longer.json chat.json {AGAINST}", "b.json: no record of 'longer', only of chat; add it"),
        (f"chat.json {AGAINST} --settings 12", "write WINDOW_BITS/MEMORY_LEVEL, such as 12/5"),
        (f"chat.json {AGAINST} --max-size-increase -1", "'-1': write percent, such as 0.5, from"),
        (f"chat.json {AGAINST} --max-memory-increase 1KB", "'1KB': write bytes or percent, such"),
        (f"chat.json {AGAINST} --max-time-increase 0", "'0': write percentage points above 0, su"),
        (f"chat.json {AGAINST} --max-seconds 0", "'0': write a number of seconds, above 0"),
        ("chat.json --max-ratio 25", "'25': write a share of the bytes, such as 0.25 or 25%"),
        ("chat.json --max-memory 64KB", "'64KB': write a number of bytes, such as 65536 or 64KiB"),
        ("chat.json --max-memory 1KiB --no-memory", "--max-memory needs what --no-memory leaves"),
        (f"chat.json {AGAINST} --connections 5", "--connections is for --update; a check measur"),
        (f"chat.json {AGAINST} --connections 0", "'--connections': 0 is not in the range x>=1"),
        (f"chat.json {AGAINST} --format csv", "'csv' is not one of 'table', 'markdown', 'json', "),
        (f"chat.json {AGAINST} --config no.toml", "no.toml: No such file or directory; name a "),
        (f"chat.json {AGAINST} -o chat.json", "--output chat.json: that is the input; name anot"),
        (f"chat.json {AGAINST} -o b.json", "--output and --baseline are both b.json; name two"),
        (f"chat.json {AGAINST} --junit link.json", "--junit and --baseline are both b.json; n"),
        (f"chat.json {AGAINST} --save ./b.json", "--save and --baseline are both b.json; name tw"),
        (f"chat.json {AGAINST} --junit x --save ./x", "--junit and --save are both ./x; name tw"),
        (f"chat.json {AGAINST} --junit x -o x", "--output and --junit are both x; name two files"),
        (f"chat.json {AGAINST} --save folder", "--save folder: it is a directory; name a file"),
        (f"chat.json {AGAINST} --junit no/x", "--junit no/x: No such file or directory; name a f"),
        (f"chat.json {AGAINST} --junit -", "--junit '-': name a file"),
        (f"chat.json {AGAINST} --update --junit x", "--junit is for a check; --update judges noth"),
        (f"chat.json {AGAINST} --update --save x", "--save is for a check; --update judges nothi"),
        (f"chat.json {AGAINST} --update --strict", "--strict is for a check; --update judges not"),
        (f"chat.json {AGAINST} --update --max-ratio 1", "--max-ratio is for a check; --update jud"),
        (
            f"chat.json {AGAINST} --update --settings 9/2",
            "b.json: holds more of 'chat' than would be measured: 15/8, 14/7, 13/6, 11/4, 10/3; "
            "measure that too, or delete the file to begin anew",
        ),
        (f"chat.json {AGAINST} --format github -o x", "--format github is for standard output; "),
        ("messages --max-ratio 2 --junit messages/x", "it would join the corpus; name another"),
        ("ticks.txt chat.json --max-ratio 1 -o chat.json", "that is the input; name another file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    wsbench: Run, tmp_path: Path, places: None, arguments: str, complaint: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = wsbench("check", *arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("wsbench: ")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_files_are_looked_at_before_anything_is_measured(wsbench: Run, places: None) -> None:
    target = wsbench("check", "broken.json", "--baseline", "missing.json", "--junit", "no/x")
    assert target.stderr.startswith("wsbench: --junit no/x: No such file")
    baseline = wsbench("check", "broken.json", "--baseline", "chat.json")
    assert baseline.stderr.startswith("wsbench: chat.json: not a record of results: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_baseline_that_is_closed_is_refused(wsbench: Run, small: Path) -> None:
    small.chmod(0)
    for update in ((), ("--update",)):
        done = wsbench("check", "chat.json", "--baseline", "b.json", *update)
        assert (done.returncode, done.stdout) == (2, "")
        assert "b.json: " in done.stderr


# Formats and files


def test_every_format_says_the_same(wsbench: Run, small: Path) -> None:
    arguments = ("check", "chat.json", "--baseline", "b.json", "--max-ratio", "0.01")
    outputs = {}
    for format in ("table", "markdown", "json", "github"):
        done = wsbench(*arguments, "--format", format)
        assert (done.returncode, done.stderr) == (1, "")
        outputs[format] = done.stdout
    finding = f"compressed to {share('12/5'):.1f}% of the bytes, the budget is 1.0%"
    assert f"FAILED 12/5 size: {finding}\n" in outputs["table"]
    assert f"- **FAILED** 12/5 size: {finding}" in outputs["markdown"]
    assert outputs["markdown"].startswith("**chat: 8 passed, 1 failed, in ")
    escaped = finding.replace("%", "%25")
    assert outputs["github"].startswith(
        f"::error title=wsbench check%3A chat%2C 12/5 size::chat, 12/5 size: {escaped}\n"
    )
    whole = json.loads(outputs["json"])
    assert (whole["schema"], whole["verdict"], whole["commit"]) == (
        "wsbench.check/1",
        "failed",
        None,
    )
    assert msgspec.convert(whole, Check).checks[0].path == "chat.json"


@pytest.mark.parametrize("format", ["table", "markdown", "json"])
def test_the_output_goes_to_a_file(wsbench: Run, tmp_path: Path, small: Path, format: str) -> None:
    arguments = ("check", "chat.json", "--baseline", "b.json", "--format", format)
    done = wsbench(*arguments, "-o", "out")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # When it was made, and how long it took, differs.
    varying = re.compile(r"[\d.]+ s\b *|\"(?:created|seconds)\": \S+")
    printed = wsbench(*arguments).stdout
    assert varying.sub("", (tmp_path / "out").read_text()) == varying.sub("", printed)


def test_verbose_shows_figures_that_passed(wsbench: Run, small: Path) -> None:
    arguments = ("check", "chat.json", "--baseline", "b.json")
    assert "13/6" not in wsbench(*arguments).stdout
    done = wsbench(*arguments, "--verbose")
    for label in LABELS:
        assert re.search(rf"\n{label} +{zlib_bytes(TEXTS, label):,}\n", done.stdout)


def test_the_summary_of_a_job_is_added_to(wsbench: Run, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# Another step\n")
    environment = {"GITHUB_STEP_SUMMARY": str(summary)}
    arguments = ("check", "chat.json", "--format", "github")
    passed = wsbench(*arguments, "--max-ratio", "1", environment=environment)
    assert (passed.returncode, passed.stderr) == (0, "")
    assert passed.stdout.startswith("::notice title=wsbench check passed::chat: 1 passed, in ")
    failed = wsbench(*arguments, "--max-ratio", "0.01", environment=environment)
    assert (failed.returncode, failed.stderr) == (1, "")
    headings = [line for line in summary.read_text().splitlines() if line.startswith("#")]
    assert headings == [
        "# Another step",
        "### ✓ wsbench check passed",
        "### ✗ wsbench check failed",
    ]
    # Only that format is for GitHub.
    wsbench(*arguments[:2], "--max-ratio", "1", environment=environment)
    assert summary.read_text().count("###") == 2


@pytest.mark.parametrize("place", ["", "no/summary.md", "."])
def test_without_a_summary_the_check_is_as_good(wsbench: Run, tmp_path: Path, place: str) -> None:
    for ratio, code in (("1", 0), ("0.01", 1)):
        done = wsbench(
            *("check", "chat.json", "--max-ratio", ratio, "--format", "github"),
            environment={"GITHUB_STEP_SUMMARY": place},
        )
        assert done.returncode == code
        assert done.stdout.startswith("::notice" if code == 0 else "::error")
        if place:
            assert re.fullmatch(
                rf"wsbench: warning: {re.escape(place)}: .*; there is no summary of this check\n",
                done.stderr,
            )
        else:
            assert done.stderr == ""
    assert not (tmp_path / "no").exists()


def test_junit_has_a_test_for_each_judgement(wsbench: Run, tmp_path: Path) -> None:
    arguments = ("check", "chat.json", "ticks.txt", "--baseline", "b.json")
    assert wsbench(*arguments, "--update", *SIZES_ONLY).returncode == 0
    done = wsbench(*arguments, "--max-ratio", "0.4", "--junit", "x.xml")
    assert done.returncode == 1
    suites = list(junitparser.JUnitXml.fromfile(str(tmp_path / "x.xml")))
    assert [(suite.name, suite.tests, suite.failures) for suite in suites] == [
        ("chat", 9, 0),
        ("ticks", 9, 1),
    ]
    cases = {case.name: case for case in suites[1]}
    assert len(cases) == 9
    assert set(cases) == {*(f"{label} size" for label in LABELS), "12/5 size budget"}
    (failure,) = cases["12/5 size budget"].result
    assert isinstance(failure, junitparser.Failure)
    assert "of the bytes, the budget is 40.0%" in failure.message


def test_what_is_undecided_is_skipped_in_junit(
    wsbench: Run, tmp_path: Path, whole: Results
) -> None:
    with_times(whole, margin=0.5).save(tmp_path / "b.json")
    options = ("--baseline", "b.json", "--no-memory", "--settings", "9/2", "--max-seconds", "1")
    assert wsbench("check", "chat.json", *options, "--junit", "x.xml").returncode == 0
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "x.xml"))
    assert (suite.tests, suite.failures, suite.skipped) == (2, 0, 1)


def test_what_is_saved_is_a_record_like_any_other(
    wsbench: Run, tmp_path: Path, timed: Path
) -> None:
    arguments = ("check", "chat.json", "--baseline", "b.json", *GENEROUS)
    assert wsbench(*arguments, "--settings", "9/2", "--save", "now.json").returncode == 0
    record = load_results(tmp_path / "now.json")
    assert [row.label for row in record.rows] == ["12/5", "9/2"]
    assert [row.size and row.size.compressed_bytes for row in record.rows] == [
        zlib_bytes(TEXTS, "12/5"),
        zlib_bytes(TEXTS, "9/2"),
    ]
    assert record.timed_connections() == [1]
    compared = wsbench("compare", "b.json", "now.json")
    assert (compared.returncode, compared.stderr) == (0, "")
    assert "Time vs. 12/5" in compared.stdout
    assert wsbench("history", "b.json", "now.json").returncode == 0
    again = wsbench("check", "chat.json", "--baseline", "now.json", *GENEROUS, "--format", "json")
    assert again.returncode == 0
    assert named(again, "passed") == {
        *(("size", "12/5"), ("size", "9/2"), ("memory", "9/2"), ("time", "9/2")),
    }


def test_several_corpora_are_checked_at_once_and_saved_together(
    wsbench: Run, tmp_path: Path
) -> None:
    arguments = ("check", "chat.json", "ticks.txt", "longer.json", "--baseline", "b.json")
    made = wsbench(*arguments, "--update", *SIZES_ONLY, "--quiet")
    assert (made.returncode, made.stderr) == (0, "")
    (tmp_path / "longer.json").write_text(json.dumps(LONGER[:-1]))
    done = wsbench(*arguments, "--save", "now.json", "--format", "json")
    assert done.returncode == 1
    checks = found(done).checks
    assert [(check.corpus.name, check.count("failed") > 0) for check in checks] == [
        ("chat", False),
        ("ticks", False),
        ("longer", True),
    ]
    records = load_records(tmp_path / "now.json", sealed=True)
    assert [record.corpus.name for record in records] == ["chat", "ticks", "longer"]
    lines = wsbench(*arguments).stdout.splitlines()
    assert lines[0].startswith("3 corpora against b.json, of 20")
    assert re.fullmatch(r"3 corpora: 24 passed, \d failed \(longer\), in \S+ s", lines[-1])
    assert wsbench("check", "chat.json", "ticks.txt", "--baseline", "now.json").returncode == 0


# pyproject.toml


def test_a_project_says_it_all_in_its_pyproject(wsbench: Run, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.wsbench]\ncorpus = ["ch*.json", "ticks.txt"]\nbaseline = "records/b.json"\n'
        'settings = "12/5"\nno-time = true\nmax-memory = "70KiB"\nmax-ratio = 0.9\n'
    )
    (tmp_path / "records").mkdir()
    made = wsbench("check", "--update")
    assert made.returncode == 0
    assert made.stderr == "wsbench: records/b.json: written, with chat, ticks\n"
    done = wsbench("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("2 corpora: 8 passed, in ")
    strict = wsbench("check", "--max-ratio", "1%", "--format", "json")
    assert strict.returncode == 1
    assert {check.corpus.name for check in found(strict).checks} == {"chat", "ticks"}
    alone = wsbench("check", "ticks.txt", "--max-ratio", "0.95", "--format", "json")
    assert [check.path for check in found(alone).checks] == ["ticks.txt"]
    assert {item.label for item in judgements(alone)} == {"12/5"}
    nothing = wsbench("check", "--config", "/dev/null")
    assert nothing.stderr.startswith("wsbench: name a CORPUS")


def test_a_pattern_does_not_take_the_baseline_for_a_corpus(wsbench: Run, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.wsbench]\ncorpus = "*.json"\nbaseline = "b.json"\n'
    )
    assert wsbench("check", "--update", *SIZES_ONLY).returncode == 0
    assert wsbench("check").returncode == 0


def test_it_is_found_from_a_folder_below(
    command: Path, tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.wsbench]\ncorpus = "chat.json"\nbaseline = "b.json"\n'
    )
    below = tmp_path / "src" / "package"
    below.mkdir(parents=True)
    for arguments, code in (([], 0), (["--max-ratio", "1%"], 1), (["--update"], 0)):
        done = subprocess.run([command, "check", *arguments], cwd=below, capture_output=True)
        assert done.returncode == code
    assert list(below.iterdir()) == []
    assert load_results(small).corpus.name == "chat"


# Interruptions


@pytest.mark.parametrize("to_group", [True, False], ids=["Ctrl-C", "kill -INT"])
def test_interrupted_while_timing_it_tells_what_was_judged(
    command: Path, tmp_path: Path, timed: Path, no_orphans: None, to_group: bool
) -> None:
    before = timed.read_bytes()
    endless = ("--max-time-increase", "0.001", "--max-seconds", "600")
    outputs = ("--junit", "x.xml", "--save", "r.json")
    arguments = ("check", "chat.json", "--baseline", "b.json", *endless, *outputs)
    with terminal(command, *arguments, cwd=tmp_path) as shown:
        shown.read_until(r"time .* 0%")
        (os.killpg if to_group else os.kill)(shown.process.pid, signal.SIGINT)
        # Again, at once, as impatient people do.
        (os.killpg if to_group else os.kill)(shown.process.pid, signal.SIGINT)
        output, _ = shown.process.communicate(timeout=LIMIT_SECONDS)
        shown.read_until("wsbench: interrupted: not everything was checked")
    assert shown.process.returncode == 130
    assert "Traceback" not in shown.text
    assert "\nIt ended early: interrupted; what is missing was not judged.\n" in output.decode()
    assert re.search(
        r"\nchat: (1[6-9]|2\d) passed.*, in \S+ s, then ended early\n$", output.decode()
    )
    assert timed.read_bytes() == before
    # CI must not take what there is for all there is.
    *_, last = junitparser.JUnitXml.fromfile(str(tmp_path / "x.xml"))
    (case,) = last
    assert (case.name, last.errors) == ("everything was checked", 1)
    assert load_results(tmp_path / "r.json").partial
    refused = subprocess.run(
        [command, "check", "chat.json", "--baseline", "r.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("wsbench: r.json: is partial, since it was interrupted; ")


FATAL = """
import os, signal, sys

if "wsbench.measure.timing_process" in sys.orig_argv:
    from websockets.extensions.permessage_deflate import PerMessageDeflate

    encode = PerMessageDeflate.encode

    def fatal(self, frame):
        if b"poison" in frame.data:
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(self, frame)

    PerMessageDeflate.encode = fatal
"""


def test_a_measurement_that_fails_is_no_pass(
    wsbench: Run, tmp_path: Path, timed: Path, whole: Results
) -> None:
    """As the kernel does where memory runs out, when the second of three corpora is timed."""
    (tmp_path / "poison.json").write_text(json.dumps(["a", "poison"]))
    (tmp_path / "sitecustomize.py").write_text(FATAL)
    corpora = ("chat.json", "poison.json", "ticks.txt")
    others = ("check", *corpora[1:], "--baseline", "o.json", "--update", *SIZES_ONLY)
    assert wsbench(*others).returncode == 0
    poison, ticks = load_records(tmp_path / "o.json")
    rows = [
        replace(row, time=of_chat.time)
        for row, of_chat in zip(poison.rows, whole.rows, strict=True)
    ]
    save_records(timed, [whole, replace(poison, rows=tuple(rows)), ticks])
    done = wsbench(
        *("check", *corpora, "--baseline", "b.json", "--no-memory", "--format", "github"),
        *("--junit", "x.xml", *GENEROUS),
        environment={"PYTHONPATH": str(tmp_path), "GITHUB_STEP_SUMMARY": str(tmp_path / "s.md")},
    )
    ended = "the process that measures times ended: it was killed by signal 9"
    assert (done.returncode, done.stderr) == (2, f"wsbench: {ended}\n")
    assert done.stdout.startswith("::error title=wsbench check ended early::")
    assert f"It ended early: {ended}; what is missing was not judged, nor was ticks.txt." in (
        done.stdout
    )
    # What was found before is not lost.
    assert re.search(r"\n2 corpora: 23 passed, in \S+ s, then ended early\n$", done.stdout)
    assert (tmp_path / "s.md").read_text().startswith("### ? wsbench check ended early\n")
    names = [suite.name for suite in junitparser.JUnitXml.fromfile(str(tmp_path / "x.xml"))]
    assert names == ["chat", "poison", "wsbench check"]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_update_that_is_ended_leaves_the_baseline_and_no_process(
    command: Path, tmp_path: Path, timed: Path, no_orphans: None, kind: signal.Signals
) -> None:
    before = timed.read_bytes()
    endless = ("--update", "--max-time-increase", "0.001", "--max-seconds", "600")
    arguments = ("check", "ticks.txt", "chat.json", "--baseline", "b.json", *endless)
    with terminal(command, *arguments, cwd=tmp_path) as shown:
        shown.read_until(r"time .* 0%")
        os.kill(shown.process.pid, kind)
        output, _ = shown.process.communicate(timeout=LIMIT_SECONDS)
        shown.read_to_end()
    assert shown.process.returncode == (130 if kind == signal.SIGINT else -kind)
    assert output == b""
    if kind == signal.SIGINT:
        assert "wsbench: interrupted: b.json is as it was" in shown.text
    assert timed.read_bytes() == before
    assert [path.name for path in tmp_path.glob(".*")] == []


# Corpora of every kind


@pytest.mark.parametrize(
    "messages",
    [["🎈"], [""] * 3, ["x" * 1_000_000]],
    ids=["one message", "empty messages", "a large message"],
)
def test_odd_messages_have_a_baseline_and_are_checked(
    wsbench: Run, tmp_path: Path, messages: list[str]
) -> None:
    (tmp_path / "odd.json").write_text(json.dumps(messages))
    arguments = ("check", "odd.json", "--baseline", "b.json", "--max-seconds", "0.1", *GENEROUS)
    # In so few messages that take so little, one process may differ from the next by much.
    made = wsbench(*arguments, "--settings", "9/2", "--update", "--no-memory")
    assert made.returncode == 0
    done = wsbench(*arguments, "--format", "json")
    assert done.returncode == 0
    sizes = {item.label: item.measured for item in judgements(done) if item.quantity == "size"}
    assert sizes == {label: zlib_bytes(messages, label) for label in ("12/5", "9/2", "off")}
    assert "time" in {item.quantity for item in judgements(done)}


def test_a_corpus_may_be_of_any_kind(wsbench: Run, tmp_path: Path, root: Path) -> None:
    (tmp_path / "chat.gz").write_bytes(gzip.compress(b"\n".join(map(str.encode, TEXTS))))
    (tmp_path / "bin").mkdir()
    for number in range(50):
        (tmp_path / "bin" / f"{number:03}").write_bytes(bytes([0, 255, number]) * 30)
    shutil.copy(root / "tests" / "corpus" / "har" / "devtools.har", tmp_path)
    arguments = ("--baseline", "b.json", *SIZES_ONLY)
    for corpus in ("bin", "devtools.har", "chat.gz"):
        assert wsbench("check", corpus, *arguments, "--update").returncode == 0
        done = wsbench("check", corpus, *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].startswith(f"{corpus.split('.')[0]}: 8 passed")
    # By any other name, they are the same messages.
    piped = wsbench("check", "-", *arguments, stdin=(tmp_path / "chat.json").read_bytes())
    assert piped.returncode == 0
    assert piped.stdout.startswith("- against b.json, of 20")
    assert "stdin: 8 passed" in piped.stdout
    har = wsbench("check", "devtools.har", *arguments, "--format", "json")
    assert har.stderr == "wsbench: warning: devtools.har: left out: error records (2)\n"


NAMES = [
    "größe — 测试 with spaces",
    "new\nline\r\x1b[1m",
    "::error title=x::pwned",
    "##[error]pwned",
    "\n::add-mask::a",
    "%0A::error::x",
    "| `x` <b>&lt;![y](z)",
    os.fsdecode(b"caf\xe9"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(wsbench: Run, tmp_path: Path, small: Path, name: str) -> None:
    shutil.copy(small, tmp_path / f"{name} base.json")
    (tmp_path / f"{name}.json").write_text(json.dumps(LONGER))
    summary = tmp_path / "summary.md"
    arguments = ("--baseline", f"{name} base.json", "--", f"{name}.json")
    done = wsbench(
        *("check", "--format", "github", "--junit", "x.xml", *arguments),
        environment={"GITHUB_STEP_SUMMARY": str(summary)},
    )
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert all(line.isprintable() for line in lines)
    commands = [line for line in lines if line.lstrip().startswith("::")]
    assert len(commands) == 2
    assert all(line.startswith("::error title=wsbench check%3A ") for line in commands)
    assert "##[" not in done.stdout
    html = MarkdownIt("gfm-like", {"linkify": False}).render(summary.read_text())
    assert set(re.findall(r"<(\w+)", html)) <= {
        *("h3", "p", "strong", "code", "br", "ul", "li", "table", "thead", "tbody", "tr", "th"),
        "td",
    }
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "x.xml"))
    assert suite.tests == 9
    as_json = wsbench("check", "--format", "json", *arguments)
    # What is not UTF-8 is spelt out, so that any reader of JSON takes it.
    (checked,) = msgspec.json.decode(as_json.stdout, type=Check).checks
    assert checked.path == os.fsencode(f"{name}.json").decode(errors="backslashreplace")


def test_help_is_there(wsbench: Run) -> None:
    done = wsbench("check", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: wsbench check [OPTIONS] [CORPUS]...\n")

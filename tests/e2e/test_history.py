"""`wsbench history`, as a user runs it: on files, directories and standard input."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.e2e.conftest import Run
from wsbench.results import Results, save_records


def at(results: Results, number: int, size_bytes: int = 1300, **changes: Any) -> Results:
    """The record as if made so many weeks later, the reference compressed to so many bytes."""
    rows = tuple(
        replace(row, size=replace(row.size, compressed_bytes=size_bytes))
        if row.settings == results.reference and row.size
        else row
        for row in results.rows
    )
    created = results.created + timedelta(weeks=number)
    return replace(results, created=created, rows=rows, commit=f"{number:07}aaaaa", **changes)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, results: Results) -> None:
    """Five records in a directory with other files, made in another order than their names'."""
    folder = tmp_path / "records"
    folder.mkdir()
    newer = replace(
        results, environment=replace(results.environment, websockets="18.0", python="3.12.1")
    )
    at(results, 0).save(folder / "e.json")
    at(results, 1).save(folder / "d.json")
    at(newer, 2, 1400).save(folder / "c.json")
    save_records(folder / "a baseline.json", [at(newer, 3, 1400), at(newer, 4, 1401)])
    (folder / "package.json").write_text('{"name": "no record"}')
    (folder / "notes.txt").write_text("nothing to read")
    (folder / ".hidden.json").write_text("not to be read")
    (folder / "nested.json").mkdir()
    at(newer, 5, 2000).save(folder / "nested.json" / "f.json")


def test_of_a_directory_all_records_are_followed(wsbench: Run) -> None:
    done = wsbench("history", "records", "--settings", "12/5")
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "commits: 5 records, 2026-11-22 to 2026-12-20, with the figures of 12/5"
    assert lines[4] == "2026-11-22 08:00 0000000aaaaa 0.1.0 17.4 1.2.13 3.11.7 13.0% 196.0 KiB"
    assert lines[8] == "2026-12-20 08:00 0000004aaaaa 0.1.0 18.0 1.2.13 3.12.1 14.0% 196.0 KiB"
    assert lines[12] == (
        "Size, of the original ▁▁███ 13.0% 14.0% +7.8% "
        "at 0000002 (websockets 17.4 → 18.0, Python 3.11.7 → 3.12.1), +7.7%"
    )
    assert done.stderr == (
        "wsbench: skipped records/package.json: not a record of results: Object missing required "
        "field `schema`; give a file made by wsbench compress --save\n"
    )


def test_files_standard_input_and_directories_go_together(wsbench: Run, tmp_path: Path) -> None:
    stdin = (tmp_path / "records" / "nested.json" / "f.json").read_bytes()
    done = wsbench(
        "history", "-", "records/e.json", "records", "records/../records/e.json", "records",
        "--quiet", "--format", "json", "--moved", stdin=stdin,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    (group,) = json.loads(done.stdout)["groups"]
    assert [record["file"] for record in group["records"]] == [
        "records/e.json",
        "records/d.json",
        "records/c.json",
        "records/a baseline.json",
        "records/a baseline.json",
        "standard input",
    ]
    (series,) = group["series"]
    assert [(move["index"], move["commit"]) for move in series["moves"]] == [
        (2, "0000002aaaaa"),
        (5, "0000005aaaaa"),
    ]


def test_the_results_of_the_project(wsbench: Run, root: Path) -> None:
    done = wsbench("history", *sorted((root / "results").glob("*.json")), "--format", "markdown")
    assert done.returncode == 0
    for corpus in ("chat", "game", "jsonrpc", "telemetry", "ticker", "tokens"):
        assert f"**{corpus}**: " in done.stdout
    assert "Live connections to wsbench serve, asyncio\n" in done.stdout
    assert "buffers have no settings to follow" in done.stderr
    assert wsbench("history", root / "results", "--format", "markdown").stdout == done.stdout

    servers = json.loads(wsbench("history", root / "results/servers", "--format", "json").stdout)
    names = {group["server"] for group in servers["groups"]}
    assert "wsbench serve, sync" in names
    assert "wsbench serve, asyncio, over TLS" in names
    assert all("kernel_bytes" in str(group["series"]) for group in servers["groups"])


def test_an_output_beside_the_records_is_none_of_them(wsbench: Run, tmp_path: Path) -> None:
    printed = wsbench("history", "records").stdout
    for output in ("records/history.md", "-"):
        done = wsbench("history", "records", "-o", output, "--quiet")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (printed if output == "-" else "")
    assert (tmp_path / "records" / "history.md").read_text() == printed


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("history", "Missing argument 'RECORDS...'; see wsbench history --help"),
        ("history missing.json", "missing.json: No such file or directory; name a file made by"),
        ("history records/package.json", "records/package.json: not a record of results"),
        ("history records records/notes.txt", "records/notes.txt: not JSON"),
        ("history empty", "empty: no records to follow; name files made by wsbench compress"),
        ("history others", "others: no records to follow; name files made by wsbench compress"),
        ("history|", "RECORDS '': name a file or a directory"),
        ("history -", "standard input: empty; give a file made by"),
        ("history forged.json", "forged.json: was changed by hand: its seal is broken"),
        ("history impossible.json", "impossible.json: holds a number that no measurement gives"),
        ("history records -o records/c.json", "that is the input; name another file"),
        ("history records -o ./records/../records/c.json", "that is the input; name another file"),
        ("history records/c.json -o records/c.json", "that is the input; name another file"),
        ("history records -o records", "--output records: it is a directory"),
        ("history records -o no/where", "--output no/where: No such file or directory"),
        ("history records --settings 10/5", "--settings 10/5: in no record; there are 15/8; 14/7"),
        ("history records --settings 12", "'12': write WINDOW_BITS/MEMORY_LEVEL, such as 12/5"),
        ("history records --format csv", "'csv' is not one of 'table', 'markdown', 'json'"),
        ("history|" + "n" * 5000, "File name too long"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    wsbench: Run, tmp_path: Path, results: Results, arguments: str, complaint: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "a.json").write_text("[]")
    sealed = results.to_json().decode()
    (tmp_path / "forged.json").write_text(sealed.replace("1300", "1200"))
    memory = results.rows[0].memory
    assert memory is not None
    most = replace(results.rows[0], memory=replace(memory, connection_bytes=2**64 - 1))
    replace(results, rows=(most, *results.rows[1:])).save(tmp_path / "impossible.json")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = wsbench(*(arguments.split("|") if "|" in arguments else arguments.split()))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("wsbench: ")
    assert complaint in done.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_damaged_records_of_a_directory_are_told(wsbench: Run, tmp_path: Path) -> None:
    forged = (tmp_path / "records" / "d.json").read_text().replace("17.4", "17.5")
    (tmp_path / "records" / "d.json").write_text(forged)
    (tmp_path / "records" / "f.json").write_text('{"schema": "wsbench.result/2"}')
    done = wsbench("history", "records")
    assert done.returncode == 0
    assert "commits: 4 records" in done.stdout
    assert "skipped records/d.json: was changed by hand: its seal is broken" in done.stderr
    assert "skipped records/f.json: made by a newer wsbench" in done.stderr


def test_names_and_terminals_of_any_kind(wsbench: Run, tmp_path: Path, results: Results) -> None:
    odd = os.fsdecode(b"new\nline \xff.json")
    name = "Grüße|名\n"
    at(replace(results, corpus=replace(results.corpus, name=name)), 0).save(tmp_path / odd)
    done = wsbench("history", odd, "records", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"Grüße|名\n: 1 record, " in done.stdout
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = wsbench("history", odd, "records", environment=ascii_only)
    assert done.returncode == 0
    assert r"Gr??e|?\n: 1 record, " in done.stdout
    done = wsbench("history", odd, "--format", "json", "-o", "h.json")
    assert (done.returncode, done.stderr) == (0, "")
    (group,) = json.loads((tmp_path / "h.json").read_text())["groups"]
    assert group["corpus"] == name
    assert group["records"][0]["file"] == "new\nline \\xff.json"


def test_help_says_what_it_reads(wsbench: Run) -> None:
    done = wsbench("history", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: wsbench history [OPTIONS] RECORDS...")
    assert "history" in wsbench("--help").stdout

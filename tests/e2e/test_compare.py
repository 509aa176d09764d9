"""wsbench compare, as a user runs it on records that were saved."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.e2e.conftest import Run
from wsbench.results import Results, load_results, save_records

# What a shell may hand over, since a file may be called so: here with a byte that is no UTF-8.
ODD_NAME = "new\nline | `x` \x1b[1m.json"
NO_TEXT = os.fsdecode(b"caf\xe9.json")


@pytest.fixture
def records(tmp_path: Path, root: Path) -> dict[str, Results]:
    """Records of results/, which lie in the folder by the same names."""
    found = {
        name: load_results(root / "results" / f"{name}.json")
        for name in ("chat", "game", "connections", "buffers")
    }
    for name in found:
        shutil.copy(root / "results" / f"{name}.json", tmp_path)
    return found


@pytest.fixture
def changed(tmp_path: Path, records: dict[str, Results]) -> Results:
    """The chat, measured with other versions on another machine, as changed.json."""
    chat = records["chat"]
    rows = []
    for row in chat.rows:
        assert row.size is not None
        size = replace(row.size, compressed_bytes=row.size.compressed_bytes + 1000)
        rows.append(replace(row, size=size))
    environment = replace(chat.environment, websockets="15.0", cpu="Another CPU")
    results = replace(chat, environment=environment, rows=tuple(rows), commit="0123456789ab")
    results.save(tmp_path / "changed.json")
    return results


def cells(text: str, title: str) -> dict[str, list[str]]:
    """The rows of the table below a title, by their settings."""
    below = text.split(f"\n{title}\n\n")[1].split("\n\n")[0].splitlines()[2:]
    rows = ([cell.strip() for cell in line.split("  ") if cell.strip()] for line in below)
    return {settings: rest for settings, *rest in rows}


def test_two_records_are_shown_side_by_side(
    wsbench: Run, records: dict[str, Results], changed: Results
) -> None:
    done = wsbench("compare", "chat.json", "changed.json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("A: chat.json: chat, 20")
    assert any(line.startswith("B: changed.json: chat, 20") for line in lines)
    assert "commit 0123456789ab" in done.stdout
    assert "Environment: websockets 17.4 → 15.0; processor" in done.stdout
    for row in records["chat"].rows:
        assert row.size is not None
        size = row.size.compressed_bytes
        first, second, difference = cells(done.stdout, "Size, compressed, in bytes")[row.label]
        assert (first, second) == (f"{size:,}", f"{size + 1000:,}")
        assert difference == f"+1,000 (+{100_000 / size:.1f}%)"
    assert cells(done.stdout, "Memory usage, allocated per connection")["12/5"][2] == "="
    assert "B has another processor than A." in done.stdout


@pytest.mark.parametrize("name", ["chat", "connections", "buffers"])
def test_a_file_does_not_differ_from_itself(
    wsbench: Run, records: dict[str, Results], name: str
) -> None:
    done = wsbench("compare", f"{name}.json", f"{name}.json", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    (comparison,) = json.loads(done.stdout)["comparisons"]
    assert comparison["differences"] == comparison["conditions"] == []
    rows = [row for quantity in comparison["quantities"] for row in quantity["rows"]]
    assert len(rows) > 30
    assert {row["changes"][1]["change"] for row in rows} == {0}
    assert "≈" not in wsbench("compare", f"{name}.json", f"{name}.json").stdout


def test_json_holds_what_the_table_shows(
    wsbench: Run, records: dict[str, Results], changed: Results
) -> None:
    done = wsbench("compare", "chat.json", "changed.json", "chat.json", "--format", "json")
    found = json.loads(done.stdout)
    assert found["schema"] == "wsbench.comparison/1"
    (comparison,) = found["comparisons"]
    assert [item["label"] for item in comparison["records"]] == [
        *("chat.json", "changed.json", "chat.json")
    ]
    assert [item["field"] for item in comparison["differences"]] == ["websockets", "cpu"]
    assert comparison["differences"][0]["values"] == ["17.4", "15.0", "17.4"]
    size = next(item for item in comparison["quantities"] if item["name"] == "size")
    off = size["rows"][-1]
    assert off["settings"] == "off"
    assert [item["value"] for item in off["values"]] == [296_077, 297_077, 296_077]
    assert [change and change["change"] for change in off["changes"]] == [None, 1000, 0]


def test_records_of_other_messages_are_compared_by_their_share(
    wsbench: Run, records: dict[str, Results]
) -> None:
    done = wsbench("compare", "chat.json", "game.json")
    assert done.returncode == 0
    assert "The messages differ, and what depends on them: A chat, 1,000 messages" in done.stdout
    chat, game = (row.size for row in (records["chat"].rows[3], records["game"].rows[3]))
    assert chat is not None
    assert game is not None
    shares = [100 * size.compressed_bytes / size.original_bytes for size in (chat, game)]
    assert cells(done.stdout, "Size, of the original")["12/5"][:2] == [
        f"{share:.1f}%" for share in shares
    ]


def test_records_of_two_commands_share_memory(wsbench: Run, records: dict[str, Results]) -> None:
    done = wsbench("compare", "chat.json", "connections.json")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = (
        next(row.memory for row in records[name].rows if row.label == "15/8")
        for name in ("chat", "connections")
    )
    assert first is not None
    assert second is not None
    found = cells(done.stdout, "Memory usage, allocated per connection")["15/8"]
    assert found[:2] == [f"{item.connection_bytes / 1024:.1f} KiB" for item in (first, second)]
    assert "Only B has: Resident per connection, opened;" in done.stdout


def test_baselines_are_matched_by_their_messages(
    wsbench: Run, tmp_path: Path, records: dict[str, Results]
) -> None:
    chat, game, live = (records[name] for name in ("chat", "game", "connections"))
    named = replace(chat, corpus=replace(chat.corpus, name="talk"))
    save_records(tmp_path / "old.json", [game, chat])
    save_records(tmp_path / "new.json", [named, replace(game, partial=True), live])
    done = wsbench("compare", "old.json", "new.json")
    assert done.returncode == 0
    titles = [line for line in done.stdout.splitlines() if line in ("chat", "game", "talk")]
    assert titles == ["game", "chat"]
    assert done.stderr == (
        "wsbench: new.json: chat, of live connections, has no partner in another file, and is left "
        "out\nwsbench: new.json: game, of a sweep, is partial: the measurement did not finish\n"
    )
    assert wsbench("compare", "old.json", "new.json", "--quiet").stderr == ""
    assert "B is partial" in wsbench("compare", "old.json", "new.json", "--quiet").stdout


def test_one_record_comes_from_standard_input(
    wsbench: Run, tmp_path: Path, records: dict[str, Results]
) -> None:
    done = wsbench("compare", "-", "chat.json", stdin=(tmp_path / "chat.json").read_bytes())
    assert done.returncode == 0
    assert done.stdout.startswith("A: standard input: chat, ")


def test_output_goes_to_a_file(wsbench: Run, tmp_path: Path, records: dict[str, Results]) -> None:
    done = wsbench("compare", "chat.json", "chat.json", "-o", "x.md", "--format", "markdown")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "| Settings   |" in (tmp_path / "x.md").read_text()


@pytest.mark.parametrize("name", [ODD_NAME, "größe — 测试.json", "-dash.json", NO_TEXT])
@pytest.mark.parametrize("format", ["table", "markdown", "json"])
def test_a_file_may_have_any_name(
    wsbench: Run, tmp_path: Path, records: dict[str, Results], name: str, format: str
) -> None:
    if sys.platform == "darwin" and name == NO_TEXT:
        pytest.skip("there names of files are UTF-8")
    records["chat"].save(tmp_path / name)
    done = wsbench("compare", "--format", format, "--", "chat.json", name)
    assert (done.returncode, done.stderr) == (0, "")
    if format == "json":
        (comparison,) = json.loads(done.stdout)["comparisons"]
        label = comparison["records"][1]["label"]
        assert label == (name if name != NO_TEXT else r"caf\xe9.json")
        return
    assert done.stdout.replace("\n", "").isprintable()
    usual = wsbench("compare", "--format", format, "--", "chat.json", "chat.json")
    assert done.stdout.split("\n\n")[1:] == usual.stdout.split("\n\n")[1:]


@pytest.fixture
def mistakes(tmp_path: Path, records: dict[str, Results]) -> None:
    """The files that the mistakes below are made with."""
    edited = json.loads(records["chat"].to_json())
    edited["rows"][0]["size"]["compressed_bytes"] -= 1
    (tmp_path / "edited.json").write_text(json.dumps(edited))
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "broken.json").write_text('{"schema": ')
    (tmp_path / "other.json").write_text('{"schema": "benchmark/3", "rows": []}')
    (tmp_path / "future.json").write_text('{"schema": "wsbench.result/2"}')
    (tmp_path / "none.json").write_text('{"schema": "wsbench.records/1", "records": []}')
    (tmp_path / "folder").mkdir()
    replace(records["chat"], rows=(), partial=True).save(tmp_path / "unmeasured.json")
    save_records(tmp_path / "both.json", [records["chat"], records["game"]])
    (tmp_path / "link.json").symlink_to("chat.json")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "name two files or more, such as wsbench compare before.json after.json; see wsbench"),
        ("chat.json", "name two files or more"),
        ("chat.json missing.json", "missing.json: No such file or directory; name a file made by"),
        ("missing.json chat.json", "missing.json: No such file or directory; name a file made by"),
        ("chat.json folder", "folder: Is a directory; name a file made by --save"),
        ("chat.json empty.json", "empty.json: empty; give a file made by"),
        ("chat.json broken.json", "broken.json: not JSON: Input data was truncated; give a file"),
        ("chat.json other.json", "other.json: not a record of results: "),
        ("chat.json none.json", "none.json: not records of results: `records` is empty"),
        ("chat.json future.json", "future.json: made by a newer wsbench, its schema is wsbench.r"),
        ("chat.json edited.json", "edited.json: was changed by hand: its seal is broken; restore"),
        ("chat.json unmeasured.json", "unmeasured.json: holds nothing that was measured; give a"),
        ("chat.json buffers.json", "buffers.json: of buffers, has no quantity in common with chat"),
        ("buffers.json both.json", "both.json: none of its records has a corpus and a quantity in"),
        ("- -", "- is named twice; standard input can be read only once"),
        ("- chat.json", "standard input: empty; give a file made by"),
        ("chat.json game.json -o chat.json", "--output chat.json: that is the input; name another"),
        ("chat.json game.json -o ./game.json", "--output ./game.json: that is the input; name"),
        ("chat.json game.json -o link.json", "--output link.json: that is the input; name another"),
        ("chat.json game.json -o folder", "--output folder: it is a directory; name a file that"),
        ("chat.json game.json -o no/where", "--output no/where: No such file or directory; name"),
        ("chat.json game.json --format csv", "'csv' is not one of 'table', 'markdown', 'json'"),
        ("chat.json new\nline.json", "new\\nline.json: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    wsbench: Run, tmp_path: Path, mistakes: None, arguments: str, complaint: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = wsbench("compare", *(part for part in arguments.split(" ") if part))
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_help_tells_what_it_does(wsbench: Run) -> None:
    done = wsbench("compare", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: wsbench compare [OPTIONS] A B [C...]\n")
    assert "  compare      Print records side by side" in wsbench("--help").stdout

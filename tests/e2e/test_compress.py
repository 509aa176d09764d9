"""The main job: `wsbench compress CORPUS`."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.e2e.conftest import Run

QUICK = ("--max-seconds", "0.5", "--connections", "1")
SIZES_ONLY = ("--no-time", "--no-memory", "--format", "json")


def mistakes(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What is on stderr beside warnings, which are the machine's affair."""
    lines = done.stderr.splitlines()
    return [line for line in lines if not line.startswith("wsbench: warning: ")]


def zlib_sizes(messages: list[bytes]) -> dict[tuple[int, int], int]:
    """The 63 sizes by a plain loop over zlib."""
    sizes = {}
    for window_bits in range(9, 16):
        for memory_level in range(1, 10):
            compressor = zlib.compressobj(wbits=-window_bits, memLevel=memory_level)
            total = 0
            for message in messages:
                data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
                assert data[-4:] == b"\x00\x00\xff\xff"
                total += len(data) - 4
            sizes[window_bits, memory_level] = total
    return sizes


def sizes(output: str) -> dict[object, int]:
    return {
        row["settings"] and (row["settings"]["window_bits"], row["settings"]["memory_level"]): row[
            "size"
        ]["compressed_bytes"]
        for row in json.loads(output)["rows"]
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Odd messages, one a file: empty, non-ASCII, large, repetitive, spaces, quotes."""
    path = tmp_path / "odd messages"
    path.mkdir()
    texts = ["hello", "wörld 🌍" * 50, '{"a":[1,2]}', '"quoted"', "x" * 70_000, "[", "\\u0041"]
    for number, text in enumerate(texts * 3):
        (path / f"{number:02}.txt").write_text(text, encoding="utf-8")
    return path


def test_the_table_has_the_docs_columns_the_reference_marked_and_off_last(
    wsbench: Run, root: Path
) -> None:
    done = wsbench("compress", root / "corpora" / "chat.json", "--max-seconds", "1")
    assert (done.returncode, mistakes(done)) == (0, [])
    lines = done.stdout.splitlines()
    assert lines[0] == "chat: 1,000 messages, 296,077 bytes, 1 stream, sent by the server"
    header = next(line for line in lines if line.startswith("Window Bits"))
    assert header.split("  ")[0] == "Window Bits"
    assert " ".join(header.split()) == (
        "Window Bits Memory Level Memory usage Size vs. default Time vs. default "
        "Time at 1,000 connections"
    )
    first = lines.index(header) + 2
    rows = [line.split() for line in lines[first : first + 8]]
    assert [row[0] for row in rows] == ["15", "14", "13", "12", "11", "10", "9", "off"]
    assert rows[3][:4] == ["12", "*", "5", "*"]
    assert rows[3][-2:] == ["=", "="]
    assert rows[-1][-1] == "—"
    assert all(row.count("±") == 2 for row in rows[:3])


def test_the_grid_is_measured_to_the_byte(wsbench: Run, folder: Path) -> None:
    grid = ("--window-bits", "9-15", "--memory-level", "1-9")
    done = wsbench("compress", folder, *grid, *SIZES_ONLY)
    assert (done.returncode, mistakes(done)) == (0, [])
    messages = [file.read_bytes() for file in sorted(folder.iterdir())]
    expected = {**zlib_sizes(messages), None: sum(map(len, messages))}
    assert sizes(done.stdout) == expected


def test_binary_messages_are_measured_to_the_byte(wsbench: Run, root: Path) -> None:
    folder = root / "corpora" / "game"
    done = wsbench(
        "compress", folder, "--window-bits", "9-15", "--memory-level", "1-9", *SIZES_ONLY
    )
    messages = [file.read_bytes() for file in sorted(folder.iterdir())]
    assert sizes(done.stdout) == {**zlib_sizes(messages), None: sum(map(len, messages))}


def test_a_directory_an_array_and_lines_agree(wsbench: Run, folder: Path, tmp_path: Path) -> None:
    texts = [file.read_bytes().decode() for file in sorted(folder.iterdir())]
    (tmp_path / "array.json").write_text(json.dumps(texts, indent=1))
    (tmp_path / "wrapped.json").write_text(json.dumps({"messages": texts}, ensure_ascii=False))
    (tmp_path / "lines.txt").write_text("\n\r\n".join(texts), encoding="utf-8", newline="")
    records = []
    for name in (folder, "array.json", "wrapped.json", "lines.txt"):
        done = wsbench("compress", name, *SIZES_ONLY)
        assert done.returncode == 0, done.stderr
        records.append(json.loads(done.stdout))
    assert len({record["corpus"]["sha256"] for record in records}) == 1
    assert all(record["rows"] == records[0]["rows"] for record in records)


def test_sizes_do_not_depend_on_jobs_hashes_or_runs(wsbench: Run, root: Path) -> None:
    corpus = root / "corpora" / "jsonrpc.json"
    rows = []
    for jobs, seed in (("1", "0"), ("2", "1"), ("2", "2"), ("7", "random")):
        done = wsbench(
            "compress", corpus, *SIZES_ONLY, "--jobs", jobs, environment={"PYTHONHASHSEED": seed}
        )
        rows.append(json.loads(done.stdout)["rows"])
    assert rows[1:] == rows[:-1]


def test_standard_input_is_read_packed_or_not(wsbench: Run, root: Path) -> None:
    packed = (root / "corpora" / "telemetry.jsonl.gz").read_bytes()
    plain = zlib.decompress(packed, wbits=31)
    records = [
        json.loads(wsbench("compress", "-", *SIZES_ONLY, stdin=data).stdout)
        for data in (packed, plain)
    ]
    assert records[0]["rows"] == records[1]["rows"]
    assert records[0]["corpus"]["name"] == "stdin"
    assert records[0]["corpus"]["messages"] == 900


def test_a_range_of_one_takes_all_values_of_the_other(wsbench: Run, folder: Path) -> None:
    one = json.loads(wsbench("compress", folder, "--window-bits", "9,15", *SIZES_ONLY).stdout)
    assert len(one["rows"]) == 2 * 9 + 1 + 1  # and the reference, and off
    other = json.loads(wsbench("compress", folder, "--memory-level", "5", *SIZES_ONLY).stdout)
    assert len(other["rows"]) == 7 + 1


def test_levels_strategies_and_context_takeover_vary_the_ladder(wsbench: Run, folder: Path) -> None:
    done = wsbench(
        "compress", folder, "--level", "1,9", "--strategy", "default", "--strategy", "huffman",
        "--no-context-takeover", *SIZES_ONLY,
    )  # fmt: skip
    settings = [row["settings"] for row in json.loads(done.stdout)["rows"]]
    assert len(settings) == 7 * 2 * 2 + 1 + 1
    varied = [item for item in settings if item and not item["context_takeover"]]
    assert {(item["level"], item["strategy"]) for item in varied} == {
        (1, "default"), (1, "huffman"), (9, "default"), (9, "huffman"),
    }  # fmt: skip


def test_another_reference_is_compared_with(wsbench: Run, folder: Path) -> None:
    done = wsbench(
        "compress", folder, "--no-time", "--no-memory", "--reference", "15/9", "--format", "csv"
    )
    rows = {row["settings"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert rows["15/9"]["reference"] == "True"
    assert float(rows["15/9"]["size_vs_reference"]) == 0
    difference = int(rows["9/2"]["compressed_bytes"]) / int(rows["15/9"]["compressed_bytes"]) - 1
    assert float(rows["9/2"]["size_vs_reference"]) == difference


def test_memory_and_time_reach_the_record(wsbench: Run, folder: Path) -> None:
    done = wsbench("compress", folder, "--window-bits", "15", "--memory-level", "8", *QUICK,
                   "--format", "json")  # fmt: skip
    large, reference, off = json.loads(done.stdout)["rows"]
    assert large["memory"]["connection_bytes"] > reference["memory"]["connection_bytes"] + 200_000
    assert off["memory"]["connection_bytes"] < reference["memory"]["connection_bytes"] - 30_000
    assert off["time"] == []
    (time,) = large["time"]
    assert time["connections"] == 1
    assert time["ci95"][0] <= time["vs_reference"] <= time["ci95"][1]


@pytest.mark.parametrize(
    ("messages", "count"),
    [
        (["x" * 20_000_000], 1),
        (["one"], 1),
        ([""] * 3, 3),
        ([f"tick {number}" for number in range(100_000)], 100_000),
    ],
    ids=["20 MB message", "one message", "empty messages", "100,000 tiny messages"],
)
def test_extreme_corpora_are_measured(
    wsbench: Run, tmp_path: Path, messages: list[str], count: int
) -> None:
    (tmp_path / "c.json").write_text(json.dumps(messages))
    done = wsbench("compress", "c.json", *QUICK, "--format", "json")
    assert (done.returncode, mistakes(done)) == (0, [])
    record = json.loads(done.stdout)
    assert record["corpus"]["messages"] == count
    assert all(row["time"] for row in record["rows"][:-1])
    table = wsbench("compress", "c.json", "--no-time", "--no-memory")
    assert table.returncode == 0


def test_a_folder_with_modules_of_the_same_names_does_no_harm(wsbench: Run, tmp_path: Path) -> None:
    for name in ("websockets", "msgspec", "json", "asyncio", "wsbench"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('the wrong module')")
    (tmp_path / "c.txt").write_text("hello\nhello\n")
    done = wsbench("compress", "c.txt", *QUICK)
    assert (done.returncode, mistakes(done)) == (0, [])


@pytest.mark.parametrize("format", ["table", "grid", "markdown", "rst", "csv", "json"])
def test_output_and_report_give_what_is_printed(
    wsbench: Run, folder: Path, tmp_path: Path, format: str
) -> None:
    run = wsbench("compress", folder, *QUICK, "--format", format, "--save", "r.json", "-o", "out")
    assert (run.returncode, run.stdout, mistakes(run)) == (0, "", [])
    again = wsbench("report", "r.json", "--format", format)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == (tmp_path / "out").read_text()
    from_stdin = wsbench(
        "report", "-", "--format", format, stdin=(tmp_path / "r.json").read_bytes()
    )
    assert from_stdin.stdout == again.stdout


def test_an_output_encoding_without_the_signs_costs_nothing(wsbench: Run, root: Path) -> None:
    done = wsbench(
        "report", root / "results" / "chat.json", environment={"PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 0
    assert "off" in done.stdout


def test_a_file_name_of_any_bytes_is_fine(wsbench: Run, root: Path, tmp_path: Path) -> None:
    name = "na\nme \udcff*.json"
    shutil.copy(root / "corpora" / "chat.json", tmp_path / name)
    done = wsbench("compress", name, "--no-time", "--no-memory", "--save", "r.json")
    assert (done.returncode, mistakes(done)) == (0, [])
    assert done.stdout.startswith("na\ufffdme \ufffd*: 1,000 messages")
    assert json.loads((tmp_path / "r.json").read_bytes())["corpus"]["messages"] == 1000


def test_numbers_of_connections_are_columns_of_their_own(wsbench: Run, folder: Path) -> None:
    arguments = ("--no-memory", "--max-seconds", "1", "--window-bits", "15", "--memory-level", "8")
    numbers = ("--connections", "30", "--connections", "1", "--connections", "30")
    done = wsbench("compress", folder, *arguments, *numbers, "--decode", "--save", "r.json")
    assert (done.returncode, mistakes(done)) == (0, [])
    header = next(line for line in done.stdout.splitlines() if line.startswith("Window Bits"))
    assert " ".join(header.split()) == (
        "Window Bits Memory Level Size vs. default Time vs. default Time at 30 connections "
        "Decode vs. default Decode at 30 connections"
    )
    rows = csv.DictReader(io.StringIO(wsbench("report", "r.json", "--format", "csv").stdout))
    (large, *_) = rows
    for column in ("encode_ns_per_message", "decode_ns_per_message"):
        assert float(large[f"at_1_{column}"]) > 0
        assert float(large[f"at_30_{column}"]) > 0
    grid = wsbench("report", "r.json", "--format", "grid").stdout
    assert "CPU time: to compress a message, at 30 connections" in grid
    assert "µs" in grid


def test_levels_make_a_table_of_their_own(wsbench: Run, root: Path) -> None:
    done = wsbench(
        "compress", root / "corpora" / "chat.json", "--window-bits", "12", "--memory-level", "5",
        "--level", "1-9", *QUICK, "--no-memory", "--format", "csv",
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["level"] for row in rows] == [*"123456789", ""]
    # Higher levels never compress worse here, and the ends are far apart in size and in time.
    sizes = [int(row["compressed_bytes"]) for row in rows[:9]]
    assert sizes == sorted(sizes, reverse=True)
    assert float(rows[0]["at_1_ci95_high"]) < 0


def test_the_output_says_what_ended_the_timing(wsbench: Run, folder: Path) -> None:
    arguments = ("compress", folder, "--no-memory", "--connections", "1")
    known = wsbench(*arguments, "--precision", "1000", "--max-seconds", "60").stdout
    assert "On one connection that is always busy: all known to ± 1000 after" in known
    assert "~" not in known
    over = wsbench(*arguments, "--precision", "0.0001", "--max-seconds", "0.5").stdout
    assert "was up; ~ is wider than ± 0.0001." in over
    assert sum(line.endswith(" ~") for line in over.splitlines()) == 6


def test_too_many_connections_are_refused_at_once(wsbench: Run, root: Path) -> None:
    corpus = root / "corpora" / "chat.json"
    done = wsbench("compress", corpus, "--connections", "1", "--connections", "1000000000")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "wsbench: connections 1,000,000,000: contexts of 15/8 would take 251,770.1 GiB, "
    )
    assert done.stderr.count("\n") == 1
    assert "; choose up to " in done.stderr


def test_another_program_that_computes_is_told(wsbench: Run, folder: Path) -> None:
    hogs = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(1 + (os.cpu_count() or 1) // 8)
    ]
    try:
        arguments = ("--max-seconds", "2", "--connections", "1", "--precision", "0.0001")
        done = wsbench("compress", folder, "--no-memory", *arguments, "--save", "r.json")
        quiet = wsbench("compress", folder, "--no-memory", *arguments, "--quiet")
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    assert done.returncode == 0
    assert "wsbench: warning: other programs used" in done.stderr
    assert "Warning: other programs used" in done.stdout
    assert "Warning: other programs used" in wsbench("report", "r.json").stdout
    assert quiet.stderr == ""

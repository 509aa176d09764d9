"""A user's mistake: one line that names the file, the place and the remedy; exit code 2."""

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Run


@pytest.fixture(autouse=True)
def files(tmp_path: Path, root: Path) -> None:
    """The files that the mistakes below are made with."""
    (tmp_path / "good.json").write_text('["hello", "world"]')
    (tmp_path / "empty folder").mkdir()
    (tmp_path / "nested" / "folder").mkdir(parents=True)
    (tmp_path / "nested" / "folder" / "a.txt").write_text("a")
    (tmp_path / "empty.json").write_text("[]")
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "nothing").write_text("")
    (tmp_path / "broken.json").write_text('[\n  {"a": 1},\n  {"b": 2\n]\n')
    (tmp_path / "shape.json").write_text('{"data": [1, 2]}')
    (tmp_path / "latin.txt").write_bytes("ok\ngrüße\n".encode("latin-1"))
    (tmp_path / "utf16.txt").write_text("hello\n", encoding="utf-16")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    packed = gzip.compress(b"hello\n" * 1000)
    (tmp_path / "cut.gz").write_bytes(packed[:-20])
    (tmp_path / "damaged.gz").write_bytes(packed[:20] + b"damaged" + packed[27:])
    (tmp_path / "header.gz").write_bytes(b"\x1f\x8b")
    record = json.loads((root / "results" / "chat.json").read_bytes())
    (tmp_path / "cut record.json").write_text(json.dumps(record)[:-9])
    record["rows"][2]["size"]["wire_bytes"] = "many"
    (tmp_path / "bad record.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("compress missing.json", "missing.json: No such file or directory; name a file"),
        ("compress", "Missing argument 'CORPUS'; see wsbench compress --help"),
        ("compress|empty folder", "empty folder: empty corpus: it needs at least one visible file"),
        ("compress nested", "nested: empty corpus: it needs at least one visible file; subdir"),
        ("compress empty.json", "empty.json: empty corpus: it holds no messages"),
        ("compress empty.txt", "empty.txt: empty corpus: it holds no messages"),
        ("compress nothing", "nothing: empty corpus: the file is empty"),
        ("compress -", "standard input: empty corpus: the file is empty"),
        ("compress broken.json", "broken.json:4:1: not JSON: Expecting ',' delimiter"),
        ("compress shape.json", "shape.json: JSON of another shape: expected an array of messages"),
        ("compress latin.txt", "latin.txt:2:3: not UTF-8 (byte 0xfc)"),
        ("compress utf16.txt", "utf16.txt: UTF-16; save it as UTF-8"),
        ("compress picture.png", "picture.png:1:1: not UTF-8 (byte 0x89); binary messages go into"),
        ("compress cut.gz", "cut.gz: corrupt gzip: compressed file ended"),
        ("compress damaged.gz", "damaged.gz: corrupt gzip: "),
        ("compress header.gz", "header.gz: corrupt gzip: "),
        ("compress good.json --window-bits 8", "window bits 8: zlib cannot produce it for raw"),
        ("compress good.json --window-bits 16", "window bits 16: choose 9 to 15"),
        ("compress good.json --memory-level 0", "memory level 0: choose 1 to 9"),
        ("compress good.json --level 10", "level 10: choose 0 to 9"),
        ("compress good.json --window-bits x", "Invalid value for '--window-bits': 'x': write"),
        ("compress good.json --window-bits 15-9", "the range runs backwards; write 9-15"),
        ("compress good.json --strategy fast", "'fast' is not one of 'default'"),
        ("compress good.json --reference 12", "'12': write WINDOW_BITS/MEMORY_LEVEL, such as 12/5"),
        ("compress good.json --reference 8/5", "window bits 8: zlib cannot produce it"),
        ("compress good.json --format xml", "'xml' is not one of 'table', 'grid'"),
        ("compress good.json --corpus-format xml", "'xml' is not one of 'json', 'lines'"),
        ("compress good.json --corpus-format directory", "good.json: not a directory"),
        ("compress nested --corpus-format json", "nested: a directory, not a file of json"),
        ("compress good.json --max-seconds 0", "max_seconds 0.0: choose a finite number above 0"),
        ("compress good.json --max-seconds nan", "max_seconds nan: choose a finite number above 0"),
        ("compress good.json --precision 0", "'--precision': 0.0 is not in the range x>0"),
        ("compress good.json --precision inf", "precision inf: choose a finite number above 0"),
        ("compress good.json --connections 0", "'--connections': 0 is not in the range x>=1"),
        ("compress good.json --connections x", "'x' is not a valid integer"),
        ("compress good.json --traffic chaotic", "'chaotic' is not one of 'independent'"),
        ("compress good.json --jobs 0", "0 is not in the range x>=1"),
        ("compress good.json --fast", "No such option"),
        ("compress good.json --save no/where.json", "--save no/where.json: No such file or"),
        ("compress good.json --save nested", "--save nested: it is a directory; name a file"),
        ("compress good.json --save good.json", "--save good.json: that is the input"),
        ("compress good.json --save ./nested/../good.json", "that is the input; name another"),
        ("compress good.json -o r --save ./r", "--save and --output are both ./r; name two"),
        ("compress nested/folder --save nested/folder/r.json", "it would join the corpus"),
        ("report|bad record.json|-o|./bad record.json", "that is the input; name another file"),
        ("", "Missing command; see wsbench --help"),
        ("corpus", "Missing command; see wsbench corpus --help"),
        ("compress " + "n" * 5000, ": File name too long; name a file"),
        ("compress|new\nline", "new\\nline: No such file"),
        ("corpus generate chat -o " + "n" * 300, ": File name too long; name another place"),
        ("compress good.json --save -", "--save '-': name a file"),
        ("compress|", "the corpus has an empty name"),
        ("compress|good.json|--save|", "--save '': name a file"),
        ("compress good.json -o no/where.txt", "--output no/where.txt: No such file or directory"),
        ("compress good.json -o r --save r", "--save and --output are both r; name two files"),
        ("corpus info missing", "missing: No such file or directory"),
        ("corpus info shape.json", "shape.json: JSON of another shape"),
        ("corpus generate poems", "'poems' is not one of 'chat'"),
        ("corpus generate chat --messages 0", "0 is not in the range x>=1"),
        ("corpus generate chat -o c.dat", "c.dat: no corpus format has the extension .dat"),
        ("corpus generate chat -o nested", "nested: exists; name a directory that does not"),
        ("corpus generate chat -o no/where.json", "no/where.json: No such file or directory"),
        ("corpus generate chat -o no/where", "no/where: No such file or directory"),
        ("corpus generate chat --to directory", "a directory needs a name"),
        ("report missing.json", "missing.json: No such file or directory"),
        ("report good.json", "good.json: not a record of results: Expected `object`, got `array`"),
        ("report broken.json", "broken.json: not JSON: JSON is malformed"),
        ("report|cut record.json", "cut record.json: not JSON: Input data was truncated"),
        ("report|bad record.json", "Expected `int`, got `str` - at `$.rows[2].size.wire_bytes`"),
        ("report good.json -o no/where", "--output no/where: No such file or directory"),
        ("squeeze good.json", "No such command 'squeeze'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    wsbench: Run, tmp_path: Path, arguments: str, complaint: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = wsbench(*(arguments.split("|") if "|" in arguments else arguments.split()))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("wsbench: ")
    assert complaint in done.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_target_is_checked_before_the_corpus_is_read(wsbench: Run) -> None:
    done = wsbench("compress", "broken.json", "--save", "no/where.json")
    assert done.stderr.startswith("wsbench: --save no/where.json: No such file")


@pytest.mark.parametrize(
    ("closed", "arguments", "complaint"),
    [
        ("<&-", "compress -", "standard input: it is closed"),
        ("<&-", "report -", "it is closed"),
        (">&-", "compress good.json --no-time --no-memory", "standard output is closed"),
        (">/dev/full", "--help", "No space left on device"),
    ],
)
def test_a_closed_or_full_stream_is_one_line(
    command: Path, tmp_path: Path, closed: str, arguments: str, complaint: str
) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" {arguments} {closed}', command],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_standard_error_the_results_are_printed(command: Path, tmp_path: Path) -> None:
    arguments = "compress good.json --no-time --no-memory 2>&-"
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" {arguments}', command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0
    assert "12 *" in done.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write and read everything")
def test_permissions_are_respected(wsbench: Run, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("[]")
    (tmp_path / "secret.json").chmod(0)
    assert "Permission denied" in wsbench("compress", "secret.json").stderr


def test_help_is_there_for_everything(wsbench: Run) -> None:
    commands = "compress", "check", "compare", "history", "report"
    for arguments in ([], *([command] for command in commands), ["corpus"], ["corpus", "info"],
                      ["corpus", "generate"]):  # fmt: skip
        for flag in ("-h", "--help"):
            done = wsbench(*arguments, flag)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith(f"Usage: {' '.join(['wsbench', *arguments])} ")


def test_version(wsbench: Run) -> None:
    assert wsbench("--version").stdout == "wsbench 0.1.0\n"

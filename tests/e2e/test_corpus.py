"""`wsbench corpus info` and `wsbench corpus generate`."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Run


def test_info_describes_a_corpus(wsbench: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number, size in enumerate((10, 20, 30, 4000)):
        (folder / f"{number}.txt").write_text("x" * size)
    (folder / "5.bin").write_bytes(b"\xff" * 50)
    done = wsbench("corpus", "info", "mixed")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:5] == [
        "Corpus:       mixed",
        "Messages:     5 (4 text, 1 binary)",
        "Bytes:        4,110",
        "Streams:      1, sent by the server",
        "Message size: min 10, median 30, p95 4,000, max 4,000 bytes",
    ]
    described = json.loads(wsbench("corpus", "info", "mixed", "--format", "json").stdout)
    assert described["statistics"]["p95_bytes"] == 4000
    assert done.stdout.splitlines()[5] == f"SHA-256:      {described['sha256']}"


@pytest.mark.parametrize("kind", ["chat", "ticker", "tokens", "jsonrpc", "telemetry"])
def test_generated_lines_can_be_piped_back(wsbench: Run, kind: str) -> None:
    made = wsbench("corpus", "generate", kind, "--messages", 50, "--seed", 3)
    assert (made.returncode, made.stderr) == (0, "")
    again = wsbench("corpus", "generate", kind, "--messages", 50, "--seed", 3, "-o", "-")
    assert again.stdout == made.stdout
    described = wsbench("corpus", "info", "-", stdin=made.stdout.encode())
    assert "Messages:     50 (text)" in described.stdout


@pytest.mark.parametrize("output", ["c.json", "c.jsonl", "c.json.gz", "c"])
def test_every_format_holds_the_same_messages(wsbench: Run, output: str) -> None:
    made = wsbench("corpus", "generate", "jsonrpc", "--messages", 30, "-o", output)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    lines = wsbench("corpus", "generate", "jsonrpc", "--messages", 30).stdout
    digests = {
        wsbench("corpus", "info", path, stdin=lines.encode()).stdout.splitlines()[-1]
        for path in (output, "-")
    }
    assert len(digests) == 1


def test_binary_messages_go_into_a_directory(wsbench: Run) -> None:
    assert wsbench("corpus", "generate", "game", "--messages", 20, "-o", "game").returncode == 0
    assert "Messages:     20 (binary)" in wsbench("corpus", "info", "game").stdout
    refused = wsbench("corpus", "generate", "game")
    assert refused.returncode == 2
    assert "message 1 is binary, which lines cannot hold" in refused.stderr

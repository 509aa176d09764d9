"""Corpora of several connections and both directions, at URLs, and what `corpus info` says."""

import contextlib
import functools
import http.server
import json
import os
import signal
import subprocess
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Run

HEADER = '{"schema":"wsbench.capture/1","created":"2026-01-05T14:30:00Z","wsbench":"0.1.0"}\n'
# Two connections, on the first of which both sides send.
SENT = {
    (1, "client"): [f"question {n} of the client" for n in range(40)],
    (1, "server"): [f"answer {n * n} of the server" for n in range(60)],
    (2, "server"): [f"news {n % 3}" for n in range(20)],
}


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture of what was sent, the connections interleaved."""
    left = {key: iter(texts) for key, texts in SENT.items()}
    lines = [HEADER]
    while left:
        for (connection, direction), texts in list(left.items()):
            text = next(texts, None)
            if text is None:
                del left[connection, direction]
                continue
            record = {"type": "text", "connection": connection, "direction": direction}
            lines.append(json.dumps({**record, "data": text}) + "\n")
    path = tmp_path / "talk.capture.jsonl"
    path.write_text("".join(lines))
    return path


def deflated_bytes(texts: list[str], bits: int, memory_level: int) -> int:
    compressor = zlib.compressobj(wbits=-bits, memLevel=memory_level)
    return sum(
        len(compressor.compress(text.encode()) + compressor.flush(zlib.Z_SYNC_FLUSH)) - 4
        for text in texts
    )


def test_every_stream_has_a_context_of_its_own(wsbench: Run, capture: Path) -> None:
    done = wsbench("compress", capture, "--no-time", "--no-memory", "--format", "json")
    record = json.loads(done.stdout)
    assert record["corpus"]["name"] == "talk"
    counts = {name: record["corpus"][name] for name in ("messages", "streams", "connections")}
    assert counts == {"messages": 120, "streams": 3, "connections": 2}
    for row in record["rows"][:-1]:
        bits, level = row["settings"]["window_bits"], row["settings"]["memory_level"]
        expected = sum(deflated_bytes(texts, bits, level) for texts in SENT.values())
        assert row["size"]["compressed_bytes"] == expected
    assert record["rows"][-1]["size"]["wire_bytes"] == sum(
        len(text) + (6 if direction == "client" else 2)
        for (_, direction), texts in SENT.items()
        for text in texts
    )


@pytest.mark.parametrize(("direction", "streams"), [("client", 1), ("server", 2)])
def test_one_direction_can_be_taken(
    wsbench: Run, capture: Path, direction: str, streams: int
) -> None:
    options = ("--no-memory", "--max-seconds", 0.2, "--connections", 1, "--direction", direction)
    done = wsbench("compress", capture, *options)
    assert done.returncode == 0
    texts = [texts for (_, side), texts in SENT.items() if side == direction]
    messages, size = sum(map(len, texts)), sum(len(text) for of in texts for text in of)
    assert done.stdout.startswith(f"talk: {messages} messages, {size:,} bytes, {streams} stream")
    assert f", sent by the {direction}\n" in done.stdout


def test_a_direction_in_which_nothing_was_sent_is_refused(wsbench: Run, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("hello\n")
    for command in ("compress", "connections", "buffers", "corpus|info"):
        done = wsbench(*command.split("|"), "c.txt", "--direction", "client")
        assert done.returncode == 2
        assert done.stderr == (
            "wsbench: c.txt: no messages from the client; choose another --direction\n"
        )


def test_windows_of_clients_are_swept_apart(wsbench: Run, capture: Path) -> None:
    options = ("--window-bits", "15", "--memory-level", "8", "--client-window-bits", "9,15")
    done = wsbench("compress", capture, "--no-time", "--no-memory", "--format", "json", *options)
    sizes = {
        row["settings"].get("client_window_bits", 15): row["size"]["compressed_bytes"]
        for row in json.loads(done.stdout)["rows"]
        if row["settings"] and row["settings"]["window_bits"] == 15
    }
    servers = sum(deflated_bytes(SENT[key], 15, 8) for key in SENT if key[1] == "server")
    assert sizes == {bits: servers + deflated_bytes(SENT[1, "client"], bits, 8) for bits in (9, 15)}
    table = wsbench("compress", capture, "--no-time", *options, "--client-window-bits", "9").stdout
    assert "Client Window Bits" in table
    # Memory of a server: it compresses with 15 bits, and decompresses with 9 or 12.
    rows = [line.split() for line in table.splitlines()]
    asymmetric, reference = (
        next(float(row[-3]) for row in rows if row[:1] == [bits]) for bits in ("15", "12")
    )
    assert 265 < asymmetric < 300
    assert 60 < reference < 70


def test_a_server_negotiates_windows_apart(wsbench: Run, capture: Path) -> None:
    options = ("-n", 4, "--messages", 3, "--no-memory", "--format", "json")
    done = wsbench("connections", capture, *options, "--settings", "12/5, client window bits 10")
    (row,) = json.loads(done.stdout)["rows"]
    words = row["live"]["negotiated"].split("; ")
    assert {"server_max_window_bits=12", "client_max_window_bits=10"} <= set(words)


def test_info_says_who_sends_what_and_what_windows_buy(wsbench: Run, capture: Path) -> None:
    done = wsbench("corpus", "info", capture)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[3] == "Streams:      3 of 2 connections, sent by the client and the server"
    rows = [line.split() for line in lines]
    for direction, name in (("client", ["all", "1"]), ("server", ["all", "2"])):
        texts = [text for (_, side), of in SENT.items() if side == direction for text in of]
        assert [*name, direction, str(len(texts)), f"{sum(map(len, texts)):,}"] in rows
    assert ["16", "to", "31"] in [row[:3] for row in rows]
    share = sum(deflated_bytes(texts, 15, 8) for texts in SENT.values()) / sum(
        len(text) for texts in SENT.values() for text in texts
    )
    assert f"{100 * share:.1f}%" in next(line for line in lines if line.startswith("15 "))
    assert "█" in done.stdout
    plain = wsbench("corpus", "info", capture, environment={"PYTHONIOENCODING": "ascii"})
    assert "█" not in plain.stdout
    assert "####" in plain.stdout


def test_a_corpus_is_not_converted_into_itself(wsbench: Run, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "1.txt").write_text("hello")
    done = wsbench("corpus", "convert", "d", "d/all.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith("wsbench: d/all.jsonl: it would join CORPUS; name another place")
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["1.txt"]
    (tmp_path / "d" / "2.bin").write_bytes(b"\xff")
    done = wsbench("corpus", "convert", "d", "-", "--to", "json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "message 2 is binary" in done.stderr


def test_a_terminated_command_leaves_no_temporary_file(
    command: Path, tmp_path: Path, no_orphans: None
) -> None:
    (tmp_path / "temporary").mkdir()
    line = b"x" * 1000 + b"\n"
    run = subprocess.Popen(
        [command, "compress", "-", "--no-time", "--no-memory", "--quiet", "--jobs", "2"],
        stdin=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
    )
    assert run.stdin is not None
    run.stdin.write(line * 40_000)
    run.stdin.close()
    deadline = time.monotonic() + 30
    # Both workers are at it, so all is read.
    while len(psutil.Process(run.pid).children()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    run.terminate()
    assert run.wait(30) == 128 + signal.SIGTERM
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_is_cut_off_is_told_and_the_rest_is_read(wsbench: Run, capture: Path) -> None:
    capture.write_text(capture.read_text()[:-9])
    done = wsbench("compress", capture, "--no-time", "--no-memory")
    assert done.returncode == 0
    warning = f"{capture}: cut off in line 121, which is left out"
    assert done.stderr == f"wsbench: warning: {warning}\n"
    assert f"Warning: {warning}" in done.stdout
    assert done.stdout.startswith("talk: 119 messages")
    quiet = wsbench("corpus", "info", capture, "--quiet")
    assert (quiet.returncode, quiet.stderr) == (0, "")


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL at which the files of a folder are."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_corpora_at_urls(wsbench: Run, capture: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(capture, "inner/talk.capture.jsonl")
    expected = wsbench("corpus", "info", capture).stdout
    with served(tmp_path) as url:
        for place in (
            f"{url}/talk.capture.jsonl",
            f"zip://inner/talk.capture.jsonl::{tmp_path}/a.zip",
            f"file://{capture}",
        ):
            done = wsbench("corpus", "info", place)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == expected
        secret = url.replace("//", "//user:secret@")
        for place, complaint in (
            (f"{url}/missing", "/missing: HTTP status 404; name a file"),
            (f"{secret}/missing?token=abc", "/missing?…: "),
            ("http://127.0.0.1:1/c", "127.0.0.1:1/c: "),
            ("gopher://host/c", "gopher://host/c: "),
            (f"zip://no::{tmp_path}/a.zip", "zip://no::"),
            (f"zip://no::{secret}/a.zip?token=abc", "/a.zip?…: "),
        ):
            done = wsbench("corpus", "info", place)
            assert (done.returncode, done.stdout) == (2, "")
            assert complaint in done.stderr
            assert done.stderr.count("\n") == 1
            assert "secret" not in done.stderr
            assert "abc" not in done.stderr

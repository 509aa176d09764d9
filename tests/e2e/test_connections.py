"""wsbench connections against real servers, good and bad, and what is left of them afterwards."""

import csv
import io
import json
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

HERE = Path(__file__).parent
BAD_SERVER = HERE.parent / "live" / "bad_server.py"
DOCS_KIND = HERE.parent / "measure"
pytestmark = pytest.mark.usefixtures("no_orphans")

KIB = 1024

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number: int = sock.getsockname()[1]
        return number


def mistakes(done: subprocess.CompletedProcess[str]) -> list[str]:
    lines = done.stderr.splitlines()
    return [line for line in lines if not line.startswith("wsbench: warning:")]


def bad(kind: str, port: int) -> list[str]:
    """Options that have a misbehaving server started."""
    command = f"{sys.executable} {BAD_SERVER} {kind} {port}"
    return ["--url", f"ws://127.0.0.1:{port}", "--command", command]


def test_the_ladder_of_our_own_server(wsbench: Run, tmp_path: Path) -> None:
    done = wsbench("connections", "-n", 100, "--messages", 30, "--save", "live.json")
    assert done.returncode == 0, done.stderr
    assert mistakes(done) == []
    lines = done.stdout.splitlines()
    head = next(line for line in lines if line.startswith("Settings"))
    assert head.split("  ")[0] == "Settings"
    for title in ("Allocated", "Resident: opened", "after 1 message", "after 30 messages"):
        assert title in head
    rows = [line.split()[0] for line in lines[lines.index(head) + 2 :][:8]]
    assert rows == ["15/8", "14/7", "13/6", "12/5", "11/4", "10/3", "9/2", "off"]

    record = json.loads((tmp_path / "live.json").read_text())
    live = record["live"]
    assert (live["server"], live["implementation"]) == ("wsbench serve", "asyncio")
    assert (live["connections"], live["messages"], live["in_flight"]) == (100, 30, 10)
    assert (live["tls"], live["resident"]) == (False, "uss")
    by_settings = {
        f"{row['settings']['window_bits']}/{row['settings']['memory_level']}"
        if row["settings"]
        else "off": row
        for row in record["rows"]
    }
    assert list(by_settings) == rows
    for settings, row in by_settings.items():
        measured = row["live"]
        bits = settings.partition("/")[0]
        assert measured["negotiated"] == (
            f"permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={bits}"
            if settings != "off"
            else ""
        )
        # Pages that zlib has not written to are not resident, so larger ones become so only later.
        opened, after_one = measured["resident_opened_bytes"], measured["resident_after_one_bytes"]
        assert 0 < opened < after_one + KIB < measured["resident_bytes"] + 2 * KIB, settings
        assert measured["connections"] == 100
        assert measured["cpu_ns_per_message"] > 1000
        assert 0 < measured["round_trip_ns"]["p50"] <= measured["round_trip_ns"]["p99"]
    resident = [row["live"]["resident_bytes"] for row in record["rows"]]
    assert resident == sorted(resident, reverse=True)
    # zlib's manual: a compressor of 15/8 has 256 KiB, one of 9/2 3 KiB, of which much is written.
    assert 100 * KIB < resident[0] - resident[6] < 256 * KIB + 40 * KIB

    again = wsbench("report", "live.json")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    for format in ("markdown", "rst", "grid"):
        printed = wsbench("report", "live.json", "--format", format)
        assert printed.returncode == 0
        assert f"{resident[0] / KIB:.1f} KiB" in printed.stdout
    table = list(
        csv.DictReader(io.StringIO(wsbench("report", "live.json", "--format", "csv").stdout))
    )
    assert [int(row["live_resident_bytes"]) for row in table] == resident
    assert json.loads(wsbench("report", "live.json", "--format", "json").stdout) == record


def test_compress_foretells_resident_memory(wsbench: Run, root: Path) -> None:
    corpus = root / "corpora" / "chat.json"
    options = ("--window-bits", 15, "--memory-level", 8)
    estimate = wsbench(
        *("compress", corpus, *options, "--no-time", "--no-memory", "--resident", "--save", "r"),
    )
    assert estimate.returncode == 0, estimate.stderr
    assert "Resident memory" in estimate.stdout
    assert "each of 100 live connections, after 200 messages each way" in estimate.stdout
    rows = json.loads(wsbench("report", "r", "--format", "json").stdout)["rows"]
    bits = [row["settings"] and row["settings"]["window_bits"] for row in rows]
    assert bits == [15, 12, None]
    foretold = [row["resident"]["connection_bytes"] for row in rows]
    live = wsbench("connections", corpus, "-n", 200, *options, "--no-memory", "--format", "json")
    (row,) = json.loads(live.stdout)["rows"]
    assert foretold[0] == pytest.approx(row["live"]["resident_bytes"], rel=0.1)
    # What has not been written to is not there, and after 200 messages nearly all has.
    assert foretold[2] < foretold[1] < foretold[0] < foretold[2] + (256 + 32 + 16) * KIB


def test_allocated_agrees_with_a_traced_server_of_websockets_alone(wsbench: Run) -> None:
    done = wsbench(
        *("connections", "-n", 10, "--messages", 1, "--settings", "15/8", "--settings", "12/5"),
        *("--format", "json"),
    )
    assert done.returncode == 0, done.stderr
    for row in json.loads(done.stdout)["rows"]:
        bits, level = row["settings"]["window_bits"], row["settings"]["memory_level"]
        arguments = [str(bits), str(level)]
        server = subprocess.Popen(
            [sys.executable, DOCS_KIND / "docs_kind_server.py", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        with server:
            assert server.stdout is not None
            at = server.stdout.readline().strip()
            client = [sys.executable, DOCS_KIND / "docs_kind_client.py", at, *arguments, "101"]
            subprocess.run(client, check=True, timeout=60)
            readings = [int(server.stdout.readline()) for _ in range(101)]
            server.terminate()
        mean = (readings[-1] - readings[0]) / 100
        assert row["memory"]["connection_bytes"] == pytest.approx(mean, rel=0.03)


def test_messages_of_any_kind_are_played(wsbench: Run, tmp_path: Path) -> None:
    """Empty, binary, long and non-ASCII messages; the clients compare the echoes."""
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "1.txt").write_bytes(b"")
    (folder / "2.bin").write_bytes(bytes(range(256)) * 8)
    (folder / "3.txt").write_text("größer 🚀", "utf-8")
    (folder / "4.bin").write_bytes(b"\0" * 2_000_000)
    for settings in ("9/1", "15/9", "12/5, no context takeover", "12/5, level 1, huffman", "off"):
        done = wsbench(
            *("connections", "odd", "-n", 6, "--messages", 9, "--settings", settings),
            *("--no-memory", "--quiet", "--clients", 2, "--format", "csv"),
        )
        assert done.returncode == 0, done.stderr
        (row,) = csv.DictReader(io.StringIO(done.stdout))
        assert row["settings"] == settings


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("refusing", r"connection \d+: server rejected WebSocket connection: HTTP 503"),
        ("unheard", r"connection \d+: it was not open within 1 s"),
        ("no_http", r"connection \d+: .*HTTP .*220"),
        ("silent", r"connection \d+: no answer within 1 s; the server has to answer every message"),
        ("closing", r"connection \d+: the server closed it with 4000 enough"),
        ("garbage", r"connection \d+: the server broke the protocol: invalid opcode"),
        ("bad_deflate", r"connection \d+: the server broke the protocol: decompression failed"),
        ("stubborn", r"the server negotiated permessage-deflate; server_max_window_bits=10; .*"),
        ("dying", r"the server ended \(exit code 3\): out of luck"),
    ],
)
def test_a_server_that_misbehaves(
    kind: str, message: str, wsbench: Run, port: int, tmp_path: Path
) -> None:
    done = wsbench(
        *("connections", "-n", 40, "--messages", 2000, "--timeout", 1, "--settings", "12/5"),
        *("--save", "part.json", *bad(kind, port)),
    )
    assert done.returncode == 2
    assert len(mistakes(done)) == 1
    so_far = r"\d+ connections? opened and [\d,]+ messages? answered before"
    assert re.fullmatch(rf"wsbench: 12/5: {message}.*; {so_far}", mistakes(done)[0])
    assert "Partial: the measurement did not finish" in done.stdout
    record = json.loads((tmp_path / "part.json").read_text())
    assert record["partial"] is True
    (row,) = record["rows"]
    assert row.get("live") is None or row["live"]["round_trip_ns"] is None


def test_what_was_measured_before_a_failure_is_printed(wsbench: Run, port: int) -> None:
    done = wsbench(
        *("connections", "-n", 20, "--messages", 10, "--settings", "12/5", "--settings", "10/5"),
        *(*bad("stubborn", port), "--quiet", "--format", "csv"),
    )
    assert done.returncode == 2
    first, second = csv.DictReader(io.StringIO(done.stdout))
    assert (first["settings"], first["live_negotiated"]) == ("12/5", "")
    assert second["live_resident_bytes"] == ""


def test_any_server_by_a_command_is_labelled_with_what_it_negotiated(
    wsbench: Run, port: int
) -> None:
    done = wsbench("connections", "-n", 50, "--messages", 20, *bad("greeting", port))
    assert done.returncode == 0, done.stderr
    browser, off = done.stdout.split("\n\n")[1].splitlines()[2:]
    # What websockets answers to a browser's offer: its default settings.
    assert browser.split("  ")[0] == "browser"
    assert browser.endswith(
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    )
    assert off.split("  ")[0] == "off"
    assert off.endswith("—")
    assert f"Server: {sys.executable} {BAD_SERVER} greeting {port}; 50 connections" in done.stdout


def test_the_command_is_told_the_settings(wsbench: Run, port: int) -> None:
    done = wsbench(
        *("connections", "-n", 20, "--messages", 5, "--quiet", "--format", "csv"),
        *("--settings", "15/8", "--settings", "off", "--url", f"ws://127.0.0.1:{port}/any/path"),
        *("--command", f"{sys.executable} -m wsbench serve --port {port} --settings {{settings}}"),
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["live_negotiated"] for row in rows] == [
        "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
        "",
    ]


def test_a_running_server_is_measured_and_left_running(wsbench: Run, port: int) -> None:
    server = subprocess.Popen([sys.executable, BAD_SERVER, "echo", str(port)])
    try:
        wait_for(port)
        options = (
            "-n",
            30,
            "--messages",
            5,
            "--url",
            f"ws://localhost:{port}",
            "--pid",
            server.pid,
        )
        done = wsbench("connections", *options)
        assert done.returncode == 0, done.stderr
        assert "browser " in done.stdout
        assert f"Server: process {server.pid}; 30 connections" in done.stdout
        assert server.poll() is None
        # Its connections were closed, and so it can be measured again.
        sockets = [item for item in psutil.net_connections("tcp4") if item.pid == server.pid]
        assert [item.status for item in sockets] == ["LISTEN"]
        twice = wsbench("connections", *options, "--settings", "12/5", "--settings", "off")
        assert twice.returncode == 2
        assert "one settings only" in mistakes(twice)[0]
    finally:
        server.kill()
        server.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_something_else_at_the_url_is_not_measured(wsbench: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        done = wsbench("connections", "-n", 10, *bad("echo", port))
    assert done.returncode == 2
    assert mistakes(done) == [
        f"wsbench: 127.0.0.1:{port}: a server listens there already; stop it, or measure it with "
        "--pid"
    ]


@pytest.mark.parametrize("victim", ["wsbench.live.clients", "wsbench serve", "wsbench.live.keeper"])
def test_a_killed_process_is_reported_and_takes_all_others_with_it(
    victim: str, command: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [command, "connections", "-n", "50", "--messages", "100000", "--no-memory"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    try:
        child = wait_for_child(process.pid, victim)
        time.sleep(1)
        child.kill()
        if victim == "wsbench.live.keeper":
            # The server goes on without it, and so does the measurement.
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Partial" in output
    if victim == "wsbench.live.keeper":
        assert process.returncode == 130
    else:
        assert process.returncode == 2
        assert "killed by signal 9" in errors


def test_nothing_is_left_of_a_killed_measurement(command: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [command, "connections", "-n", "50", "--messages", "100000", "--no-memory"], cwd=tmp_path
    )
    wait_for_child(process.pid, "wsbench.live.clients")
    time.sleep(0.5)
    process.kill()
    process.wait()
    # The rest is up to the fixture that looks for orphans.


def wait_for_child(pid: int, words: str) -> psutil.Process:
    deadline = time.monotonic() + 60
    while True:
        for child in psutil.Process(pid).children(recursive=True):
            try:
                if words in " ".join(child.cmdline()):
                    return child
            except psutil.Error:
                continue
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ctrl_c_prints_what_was_measured(command: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [command, "connections", "-n", "50", "--messages", "100000", "--save", "part.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    wait_for_child(process.pid, "wsbench serve")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: the results are partial" in errors
    # The allocated memory was known by then.
    assert "316" in output or "315" in output
    assert json.loads((tmp_path / "part.json").read_text())["partial"] is True


def limited(limit: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(limit, (value, value))


@pytest.mark.parametrize(
    ("limits", "arguments", "message"),
    [
        (
            (resource.RLIMIT_NOFILE, 256),
            ["-n", "1000"],
            "1,000 connections: a process may open 256 files and sockets; raise that with "
            "ulimit -n 1064, or choose up to 192",
        ),
        (
            (resource.RLIMIT_AS, 2**30),
            ["-n", "10000", "--settings", "15/8"],
            "10,000 connections would take 3.",
        ),
        (None, ["-n", "30000000"], "from 1 address there are"),
        (None, ["-n", "30000000", "--source-ip", "127.0.0.2"], "as in --source-ip 127.0.0.2"),
    ],
)
def test_what_cannot_be_held_is_refused_in_advance(
    limits: tuple[int, int] | None, arguments: list[str], message: str, command: Path
) -> None:
    start = time.monotonic()
    done = subprocess.run(
        [command, "connections", *arguments],
        capture_output=True,
        text=True,
        preexec_fn=limited(*limits) if limits else None,
        timeout=60,
    )
    assert done.returncode == 2
    assert message in mistakes(done)[0]
    assert len(mistakes(done)) == 1
    assert done.stdout == ""
    assert time.monotonic() - start < 30


def test_clients_connect_from_the_addresses_given(wsbench: Run, port: int, tmp_path: Path) -> None:
    done = wsbench(
        *("connections", "-n", 12, "--messages", 1, "--settings", "browser"),
        *("--source-ip", "127.0.0.2", "--source-ip", "127.0.0.3", *bad("noting", port)),
    )
    assert done.returncode == 0, done.stderr
    addresses = (tmp_path / "addresses").read_text().splitlines()
    assert addresses.count("127.0.0.2") + addresses.count("127.0.0.3") == len(addresses)
    # A dozen and those of the warm-up.
    assert abs(addresses.count("127.0.0.2") - addresses.count("127.0.0.3")) <= 1
    assert len(addresses) == 17


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pid", "1"], "--pid and --command need the --url"),
        (["--command", "true"], "--pid and --command need the --url"),
        (
            ["--url", "ws://127.0.0.1:1"],
            "--url needs either the --pid of the server or a --command",
        ),
        (["--url", "ws://127.0.0.1:1", "--pid", "1", "--command", "true"], "--url needs either"),
        (["--url", "http://127.0.0.1:1", "--pid", "1"], "write ws://host:port/path"),
        (["--url", "ws://h:99999", "--pid", "1"], "Port out of range 0-65535; write ws://host"),
        (["--url", "ws://127.0.0.1:1", "--command", "'"], "--command"),
        (["--url", "ws://127.0.0.1:1", "--command", " "], "it is empty"),
        (["--url", "ws://127.0.0.1:1", "--command", "no-such-program"], "no-such-program: No such"),
        (["--url", "ws://127.0.0.1:1", "--command", "false"], "the server ended (exit code 1)"),
        (["--url", "ws://127.0.0.1:1", "--pid", "4000000"], "there is no process 4000000"),
        (["--settings", "12"], "such as 12/5"),
        (["--settings", "12/5,off"], "'off' is none of level N"),
        (["--settings", "browser"], "wsbench serve negotiates exact settings"),
        (["--insecure"], "are for a server at --url"),
        (["--tls", "no.pem", "no.pem"], "--tls no.pem no.pem: No such file"),
        (["--source-ip", "localhost"], "write an address such as 127.0.0.2"),
        (["--source-ip", "192.0.2.1"], "Cannot assign requested address"),
        (["-n", "0"], "-n"),
        (["no-such-file.json"], "no-such-file.json"),
        (["--format", "nice"], "nice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(arguments: list[str], message: str, wsbench: Run) -> None:
    arguments = ["-n", "5", "--messages", "1", *arguments]
    done = wsbench("connections", *arguments)
    assert done.returncode == 2
    assert len(mistakes(done)) == 1, done.stderr
    assert mistakes(done)[0].startswith("wsbench: ")
    assert message in mistakes(done)[0]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_tls_is_measured_and_certificates_are_checked(
    wsbench: Run, port: int, tmp_path: Path
) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    common = ("connections", "-n", 20, "--messages", 5, "--settings", "12/5", "--format", "json")
    plain = json.loads(wsbench(*common).stdout)["rows"][0]
    secure = json.loads(wsbench(*common, "--tls", "cert.pem", "key.pem").stdout)["rows"][0]
    # asyncio gives each TLS connection a buffer of 256 KiB.
    added = secure["memory"]["connection_bytes"] - plain["memory"]["connection_bytes"]
    assert 256 * KIB <= added < 300 * KIB
    assert secure["live"]["resident_bytes"] > plain["live"]["resident_bytes"] + 200 * KIB

    serve = f"{sys.executable} -m wsbench serve --port {port} --tls cert.pem key.pem"
    any_server = (*common, "--url", f"wss://localhost:{port}", "--command", serve)
    refused = wsbench(*any_server)
    assert refused.returncode == 2
    assert "the certificate is not trusted" in mistakes(refused)[0]
    assert "pass --ca FILE, or --insecure" in mistakes(refused)[0]
    for trust in (["--insecure"], ["--ca", "cert.pem"]):
        done = wsbench(*any_server, *trust)
        assert done.returncode == 0, done.stderr
        record: Any = json.loads(done.stdout)
        assert record["live"]["tls"] is True
        assert "=12" in record["rows"][0]["live"]["negotiated"]

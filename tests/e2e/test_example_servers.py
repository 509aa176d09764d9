"""The servers of examples/, measured as a user would."""

import csv
import io
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "servers"

Run = Callable[..., subprocess.CompletedProcess[str]]


def answers() -> dict[str, str]:
    """What the page says each command answers to a browser's offer."""
    page = (EXAMPLES / "README.md").read_text("utf-8")
    return dict(re.findall(r"\| `(python [^`]+|node [^`]+)`.*\| `(permessage-[^`]+)` \|", page))


@pytest.fixture(scope="session")
def node_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the Node example with its packages installed."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("node") / "node_ws"
    shutil.copytree(EXAMPLES / "node_ws", folder, ignore=shutil.ignore_patterns("node_modules"))
    install = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--fetch-retries",
        "1",
        "--prefix",
        folder,
    ]
    try:
        subprocess.run(install, check=True, timeout=60, capture_output=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm could not install ws: {error}")
    return folder / "server.js"


def test_the_page_has_all_examples() -> None:
    commands = " ".join(answers())
    for path in [*EXAMPLES.glob("*.py"), EXAMPLES / "node_ws" / "server.js"]:
        assert path.name in commands


@pytest.mark.parametrize("command", [command for command in answers() if "python" in command])
def test_a_python_server(command: str, wsbench: Run) -> None:
    python, script, *options = command.split()
    assert python == "python"
    check([sys.executable, str(EXAMPLES / script), *options], answers()[command], wsbench)


def test_node_ws(node_server: Path, wsbench: Run) -> None:
    (answer,) = [answer for command, answer in answers().items() if "node_ws" in command]
    check(["node", str(node_server)], answer, wsbench)


def check(words: list[str], answer: str, wsbench: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    resident = {}
    for compression, negotiated in (("on", answer), ("off", "")):
        done = wsbench(
            *("connections", "-n", 60, "--messages", 40, "--settings", "browser", "--quiet"),
            *("--format", "csv", "--url", f"ws://127.0.0.1:{port}", "--command"),
            " ".join([*words, "--port", str(port), "--compression", compression]),
        )
        assert done.returncode == 0, done.stderr
        (row,) = csv.DictReader(io.StringIO(done.stdout))
        assert (row["settings"], row["live_negotiated"]) == ("browser", negotiated)
        assert int(row["live_cpu_ns_per_message"]) > 1000
        resident[compression] = int(row["live_resident_bytes"])
    # The least that any of them makes is a compressor and a decompressor of 12 bits.
    assert resident["on"] > resident["off"] + 16_384

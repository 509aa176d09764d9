"""Measure live servers again: `python scripts/update_connections.py`, on a quiet machine.

Writes results/connections.json and .md (wsbench serve, the ladder), puts that table into README.md,
and results/servers/NAME.json and results/servers.md (wsbench serve with and without TLS and on
threads, and the servers of examples/servers/, with compression on and off). Needs the extra
`servers`, node with npm, and openssl. Takes ten minutes.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from wsbench import Results, load_results, render
from wsbench.report.live import live_quantities
from wsbench.report.prose import corpus_line, environment_line
from wsbench.report.units import DASH

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
EXAMPLES = Path("examples/servers")
RECORDS = ROOT / "results" / "servers"
CORPUS = "corpora/chat.json"
PORT = 8801
URL = f"ws://127.0.0.1:{PORT}"

# Name in the table, name of the records, and what starts the server, --compression aside.
SERVERS = [
    ("uvicorn", "uvicorn", f"python {EXAMPLES}/uvicorn_echo.py --port {PORT}"),
    (
        "uvicorn --ws wsproto",
        "uvicorn-wsproto",
        f"python {EXAMPLES}/uvicorn_echo.py --ws wsproto --port {PORT}",
    ),
    ("aiohttp", "aiohttp", f"python {EXAMPLES}/aiohttp_echo.py --port {PORT}"),
    ("tornado", "tornado", f"python {EXAMPLES}/tornado_echo.py --port {PORT}"),
    ("Node ws", "node-ws", f"node {EXAMPLES}/node_ws/server.js --port {PORT}"),
]
# The same of wsbench serve: what is passed on to wsbench connections.
OWN = [
    ("websockets", "websockets", []),
    ("websockets, TLS", "websockets-tls", ["--tls", "cert.pem", "key.pem"]),
    ("websockets, threads", "websockets-sync", ["--implementation", "sync"]),
]


def main() -> None:
    """Write all records, then the tables."""
    measure(ROOT / "results" / "connections.json", [])
    RECORDS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        make_certificate(Path(folder))
        for _, name, options in OWN:
            given = [str(Path(folder) / item) if ".pem" in item else item for item in options]
            for compression, settings in (("on", "12/5"), ("off", "off")):
                measure(RECORDS / f"{name}-{compression}.json", [*given, "--settings", settings])
    subprocess.run(["npm", "install", "--silent", "--prefix", EXAMPLES / "node_ws"], check=True)
    for _, name, command in SERVERS:
        for compression in ("on", "off"):
            started = f"{command} --compression {compression}"
            options = ["--url", URL, "--command", started, "--settings", "browser"]
            measure(RECORDS / f"{name}-{compression}.json", options)
    write_pages()


def measure(record: Path, options: list[str]) -> None:
    """Save the record of wsbench connections with these options."""
    command = [sys.executable, "-m", "wsbench", "connections", CORPUS, *options]
    # `python` in a command is this one.
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"}
    subprocess.run(
        [*command, "--save", record, "-o", "/dev/null"], check=True, cwd=ROOT, env=environment
    )
    print(f"{record.stem}: done", flush=True)


def make_certificate(folder: Path) -> None:
    """Make cert.pem and key.pem."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )


def write_pages() -> None:
    """Write the pages from the records."""
    live = load_results(ROOT / "results" / "connections.json")
    (ROOT / "results" / "connections.md").write_text(
        f"# Live connections\n\n{render(live, 'markdown')}", encoding="utf-8"
    )
    README.write_text(with_example(README.read_text("utf-8"), render(live)), encoding="utf-8")
    (ROOT / "results" / "servers.md").write_text(servers_page(), encoding="utf-8")


def servers_page() -> str:
    """The table of all servers, from their records."""
    rows, titles = [], list[str]()
    records: list[Results] = []
    for title, name, _ in [*OWN, *SERVERS]:
        for compression in ("on", "off"):
            results = load_results(RECORDS / f"{name}-{compression}.json")
            records.append(results)
            quantities = live_quantities(results)
            # Only wsbench serve can be traced from here.
            quantities.pop("Allocated", None)
            titles = list(quantities)
            (row,) = results.rows
            negotiated = row.live.negotiated if row.live else ""
            cells = [cell(row) or "" for cell in quantities.values()]
            rows.append([title, compression, *cells, negotiated or DASH])
    summary = records[0].live
    assert summary is not None
    table = tabulate(
        rows,
        headers=["Server", "Compression", *titles, "Negotiated"],
        tablefmt="github",
        disable_numparse=True,
    )
    heading = "  \n".join(
        [
            corpus_line(records[0]),
            environment_line(records[0]),
            f"{summary.connections:,} connections, {summary.in_flight} messages in flight",
        ]
    )
    return f"""# Servers

What a connection costs each server of [examples/servers/](../examples/servers/README.md), and
`wsbench serve` (websockets). Compression is the library's own default: websockets' is 12/5, and
the last column is what the others answered to a browser's offer.

{heading}

{table}

Resident: physical memory of the server's processes alone (USS) that each connection of the second
half adds. CPU: the server's, a message in and its answer out. Made by
`python scripts/update_connections.py`; the records are in [servers/](servers/).
"""


def with_example(readme: str, output: str) -> str:
    """The README with its example of live connections replaced."""
    return re.sub(
        r"(?<=<!-- live output -->\n```text\n).*?(?=```)",
        lambda _: output,
        readme,
        count=1,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    main()

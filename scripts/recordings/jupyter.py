"""Jupyter: a notebook executed twice, in both protocols that Jupyter Server has for its kernels."""

import contextlib
import itertools
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from recordings.stage import Stage, compact, free_port, request
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

PACKAGES = ("jupyter_server", "ipykernel", "matplotlib", "pandas")
# What JupyterLab asks for; without it, messages are JSON texts.
BINARY = Subprotocol("v1.kernel.websocket.jupyter.org")
_TOKEN = "demo"
_PARTS = ("header", "parent_header", "metadata", "content")
# What is asked for while a cell is written, up to where the cursor is.
_COMPLETED = {
    2: ["pd.date_r", "pd.DataF"],
    3: ["gauges.grou", "gauges.sort_v"],
    4: ["gauges.station.nu", "gauges.level_m.idxm"],
    9: ["plt.subplots(figs"],
}
_INSPECTED = {3: "gauges.nunique", 7: "smoothed"}


def record(stage: Stage) -> None:
    """Execute the notebook in JSON, then, with a new kernel, in the binary protocol."""
    port = free_port()
    server = ("jupyter", "server", "--no-browser", "--allow-root", "--log-level=ERROR")
    options = (f"--ServerApp.port={port}", f"--IdentityProvider.token={_TOKEN}")
    cells = (stage.demo / "notebook.py").read_text("utf-8").split("# %%\n")[1:]
    with stage.recorded(port, *server, *options) as proxy_port:
        for subprotocol in (None, BINARY):
            with kernel(proxy_port) as kernel_id:
                execute_all(cells, proxy_port, kernel_id, subprotocol)


def versions(stage: Stage) -> str:
    """What was recorded."""
    return stage.versions("jupyter_server", "ipykernel", "pandas", "matplotlib")


@contextlib.contextmanager
def kernel(port: int) -> Iterator[str]:
    """The id of a new kernel."""
    url, headers = f"http://127.0.0.1:{port}/api/kernels", {"Authorization": f"token {_TOKEN}"}
    kernel_id = request(url, "POST", headers)["id"]
    try:
        yield kernel_id
    finally:
        request(f"{url}/{kernel_id}", "DELETE", headers)


def execute_all(
    cells: list[str], port: int, kernel_id: str, subprotocol: Subprotocol | None
) -> None:
    """Connect to a kernel and execute cells, with some help while they are written."""
    session = str(uuid.uuid4())
    url = f"ws://127.0.0.1:{port}/api/kernels/{kernel_id}/channels"
    with connect(
        f"{url}?session_id={session}&token={_TOKEN}",
        subprotocols=[subprotocol] if subprotocol else None,
        max_size=None,
    ) as connection:
        client = Client(connection, session)
        client.ask("kernel_info", {})
        client.ask("comm_info", {"target_name": "jupyter.widget"})
        for number, cell in enumerate(cells, 1):
            for code in _COMPLETED.get(number, []):
                client.ask("complete", {"code": code, "cursor_pos": len(code)})
            if name := _INSPECTED.get(number):
                client.ask("inspect", {"code": name, "cursor_pos": len(name), "detail_level": 0})
            client.execute(cell.strip())


class Client:
    """Asks a kernel what JupyterLab asks it, as JupyterLab does."""

    def __init__(self, connection: ClientConnection, session: str) -> None:
        self._connection = connection
        self._session = session

    def execute(self, code: str) -> None:
        """Execute a cell."""
        content = {
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": True,
            "code": code,
        }
        metadata = {"deletedCells": [], "recordTiming": False, "cellId": str(uuid.uuid4())}
        self.ask("execute", content, {**metadata, "trusted": True})

    def ask(
        self, what: str, content: dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> None:
        """Send a request, and receive what the kernel says until it has answered and is idle."""
        header = {
            "date": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "msg_id": str(uuid.uuid4()),
            "msg_type": f"{what}_request",
            "session": self._session,
            "username": "",
            "version": "5.2",
        }
        message = {
            "buffers": [],
            "channel": "shell",
            "content": content,
            "header": header,
            "metadata": metadata or {},
            "parent_header": {},
        }
        self._connection.send(compact(message) if self._is_text else _packed(message))
        awaited = {"idle", f"{what}_reply"}
        while awaited:
            answer = self._receive()
            if answer["parent_header"].get("msg_id") == header["msg_id"]:
                awaited -= {answer["header"]["msg_type"], answer["content"].get("execution_state")}

    @property
    def _is_text(self) -> bool:
        return self._connection.subprotocol is None

    def _receive(self) -> dict[str, Any]:
        data = self._connection.recv()
        return json.loads(data) if isinstance(data, str) else _unpacked(data)


def _packed(message: dict[str, Any]) -> bytes:
    """A message in the binary protocol: how many offsets, the offsets, the channel, the parts."""
    parts = [message["channel"], *(compact(message[name]) for name in _PARTS)]
    encoded = [part.encode() for part in parts]
    offsets = [8 * (len(encoded) + 2)]
    for part in encoded:
        offsets.append(offsets[-1] + len(part))
    numbers = [len(offsets), *offsets]
    return b"".join([*(number.to_bytes(8, "little") for number in numbers), *encoded])


def _unpacked(data: bytes) -> dict[str, Any]:
    """The parts of a message in the binary protocol; buffers that follow them are left out."""
    # Where the channel begins, then each part, then where the last part ends.
    last = 8 * (len(_PARTS) + 2)
    offsets = [int.from_bytes(data[at : at + 8], "little") for at in range(16, last + 1, 8)]
    parts = (json.loads(data[begin:end]) for begin, end in itertools.pairwise(offsets))
    return dict(zip(_PARTS, parts, strict=True))

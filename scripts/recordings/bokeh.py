"""Bokeh: a page with plots that are streamed to, used in a headless Chromium."""

import itertools
import json
import shutil
import subprocess
import time
from typing import Any

from recordings.stage import Stage, compact, free_port, request, wait_for
from websockets.sync.client import ClientConnection, connect

PACKAGES = ("bokeh",)
_WATCH_SECONDS = 3.0
_MOVE_SECONDS = 0.05
_MOVES = 12
# Where things are on the page.
_PLOT, _ASIDE = (300, 150), (420, 180)
_SLIDER, _LESS = (197, 332), (100, 332)


def record(stage: Stage) -> None:
    """Open the page and use it."""
    browser = shutil.which("chromium")
    if browser is None:
        raise SystemExit("there is no chromium; install it")
    port, debug_port = free_port(), free_port()
    server = ("bokeh", "serve", stage.demo / "kiln.py", "--port", str(port), "--log-level=error")
    with stage.recorded(port, *server) as proxy_port:
        page = f"http://127.0.0.1:{proxy_port}/kiln"
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--log-level=3"]
        options += ["--window-size=700,900", f"--remote-debugging-port={debug_port}"]
        options += [f"--user-data-dir={stage.folder}/home/chromium"]
        with stage.running(browser, *options, page) as process:
            wait_for(debug_port, process)
            targets = request(f"http://127.0.0.1:{debug_port}/json/list")
            target = next(target for target in targets if target["type"] == "page")
            with connect(target["webSocketDebuggerUrl"]) as connection:
                use(Browser(connection))


def versions(stage: Stage) -> str:
    """What was recorded."""
    version = subprocess.run(["chromium", "--version"], check=True, capture_output=True, text=True)
    return f"{stage.versions('bokeh')}, {' '.join(version.stdout.split()[:2])}"


def use(browser: "Browser") -> None:
    """Watch, drag the plot, set the kiln's target, and zoom the plot."""
    time.sleep(_WATCH_SECONDS)
    browser.drag(_PLOT, _ASIDE)
    time.sleep(_WATCH_SECONDS)
    browser.drag(_SLIDER, _LESS)
    time.sleep(_WATCH_SECONDS)
    for _ in range(_MOVES):
        browser.mouse("mouseWheel", *_PLOT, deltaX=0, deltaY=-60)
        time.sleep(_MOVE_SECONDS)
    time.sleep(_WATCH_SECONDS)


class Browser:
    """Tells a page in Chromium what its user does, by the DevTools protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)

    def drag(self, begin: tuple[int, int], end: tuple[int, int]) -> None:
        """Press the mouse, move it, and let go."""
        self.mouse("mousePressed", *begin, button="left", clickCount=1)
        for move in range(1, _MOVES + 1):
            x, y = (a + (b - a) * move // _MOVES for a, b in zip(begin, end, strict=True))
            self.mouse("mouseMoved", x, y, button="left", buttons=1)
            time.sleep(_MOVE_SECONDS)
        self.mouse("mouseReleased", *end, button="left", clickCount=1)

    def mouse(self, kind: str, x: int, y: int, **more: Any) -> None:
        """Move the mouse, or its wheel, or press its button."""
        self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def command(self, method: str, **parameters: Any) -> None:
        """Tell, and wait until it is done."""
        number = next(self._ids)
        self._connection.send(compact({"id": number, "method": method, "params": parameters}))
        while json.loads(self._connection.recv()).get("id") != number:
            pass

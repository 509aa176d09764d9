"""A language server: python-lsp-server, and an editor in which a function is written."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any

from recordings.stage import Stage, compact, free_port
from websockets.sync.client import ClientConnection, connect

PACKAGES = ("python-lsp-server[pycodestyle,pyflakes,websockets]",)
_KEY_SECONDS = 0.03
# After so long that nobody types, the server has checked what there is.
_PAUSE_SECONDS = 0.9
# What is typed at the end of reminders.py, with a name that is wrong at first.
_TYPED = '''

def fees(shelf: Shelf, today: date) -> dict[str, int]:
    """What each member owes, in cents."""
    owed: dict[str, int] = {}
    for loan in shelf.open_loans():
        cents = loan.days_late(today) * FEE_CENT
        owed[loan.member] = owed.get(loan.member, 0) + cents
    return owed
'''
_WRONG, _RIGHT = "FEE_CENT\n", "FEE_CENTS\n"
# Where the pointer rests, and what is looked up: file, text, how far into it.
_PLACES = (
    ("reminders.py", "days_late(today)\n", 2),
    ("reminders.py", "open_loans", 2),
    ("reminders.py", "Shelf, today", 2),
    ("shelf.py", "Loan(tool", 1),
    ("shelf.py", "matches", 3),
    ("tools.py", "LENDING_DAYS", 4),
    ("tools.py", "def due", 5),
)


def record(stage: Stage) -> None:
    """Open a project, write a function, and look around."""
    port = free_port()
    with stage.recorded(port, "pylsp", "--ws", "--port", str(port)) as proxy_port:
        with connect(f"ws://127.0.0.1:{proxy_port}", max_size=None) as connection:
            edit(Editor(connection, stage.demo))


def versions(stage: Stage) -> str:
    """What was recorded."""
    return stage.versions("python-lsp-server", "jedi", "pyflakes", "pycodestyle")


def edit(editor: "Editor") -> None:
    """The session of somebody who writes a function and then looks around."""
    editor.initialize()
    for name in ("tools.py", "shelf.py", "reminders.py"):
        editor.open(name)
    editor.type("reminders.py", _TYPED)
    editor.correct("reminders.py", _WRONG, _RIGHT)
    editor.pause()
    editor.notify("textDocument/didSave", editor.document("reminders.py"))
    editor.pause()
    for name, text, offset in _PLACES:
        place = editor.place(name, text, offset)
        for method in ("hover", "definition", "documentHighlight"):
            editor.request(f"textDocument/{method}", place)
        asked = {**place, "context": {"includeDeclaration": True}}
        editor.request("textDocument/references", asked)
    editor.request("textDocument/rename", {**editor.place("tools.py", "due", 1), "newName": "end"})
    editor.request("shutdown", None)
    editor.notify("exit", None)


class Editor:
    """What an editor tells a language server, and asks it; the texts of its documents."""

    def __init__(self, connection: ClientConnection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder / "lending"
        self._root = folder.as_uri()
        self._texts: dict[str, str] = {}
        self._versions: dict[str, int] = {}
        self._id = 0

    def initialize(self) -> None:
        """Say what the editor can do, of which servers care little."""
        document = ["synchronization", "completion", "hover", "signatureHelp", "references"]
        document += ["definition", "documentHighlight", "documentSymbol", "codeAction", "rename"]
        capabilities: dict[str, Any] = {
            "textDocument": {name: {"dynamicRegistration": False} for name in document},
            "window": {"workDoneProgress": True},
            "workspace": {"applyEdit": True, "workspaceFolders": True},
        }
        capabilities["textDocument"]["completion"]["completionItem"] = {"snippetSupport": True}
        symbols = {"hierarchicalDocumentSymbolSupport": True}
        capabilities["textDocument"]["documentSymbol"] |= symbols
        parameters = {
            "processId": None,
            "clientInfo": {"name": "demo", "version": "1.0"},
            "rootUri": self._root,
            "capabilities": capabilities,
            "workspaceFolders": [{"uri": self._root, "name": "lending"}],
        }
        self.request("initialize", parameters)
        self.notify("initialized", {})

    def open(self, name: str) -> None:
        """Open a file, and show its outline."""
        self._texts[name] = text = (self._folder / name).read_text("utf-8")
        self._versions[name] = 1
        item = {"uri": self._uri(name), "languageId": "python", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        self.pause()
        self.request("textDocument/documentSymbol", self.document(name))

    def type(self, name: str, text: str) -> None:
        """Type a text at the end, a key at a time; the editor indents, and offers what it can."""
        keys = re.findall(r"\n *|.", text)
        for key, following in zip(keys, [*keys[1:], "\n"], strict=True):
            at = len(self._texts[name])
            self._change(name, at, at, key)
            self.pause(_KEY_SECONDS)
            cursor = self._at(name, at + len(key))
            if key == "." and following.isidentifier():
                asked = {**cursor, "context": {"triggerKind": 2, "triggerCharacter": key}}
                self.request("textDocument/completion", asked)
            elif key in "(,":
                self.request("textDocument/signatureHelp", cursor)
            elif key[0] == "\n":
                self.pause()
                self.request("textDocument/documentSymbol", self.document(name))

    def correct(self, name: str, wrong: str, right: str) -> None:
        """Replace a text."""
        begin = self._texts[name].index(wrong)
        self._change(name, begin, begin + len(wrong), right)

    def pause(self, seconds: float = _PAUSE_SECONDS) -> None:
        """Receive what the server says unasked, until it says nothing for so long."""
        with contextlib.suppress(TimeoutError):
            while True:
                self._receive(seconds)

    def document(self, name: str) -> dict[str, Any]:
        """A document, as it is referred to."""
        return {"textDocument": {"uri": self._uri(name)}}

    def place(self, name: str, text: str, offset: int) -> dict[str, Any]:
        """Where a text first is in a document."""
        return self._at(name, self._texts[name].index(text) + offset)

    def request(self, method: str, parameters: dict[str, Any] | None) -> None:
        """Ask, and receive messages until the answer is there."""
        self._id += 1
        asked = self._id
        self._send({"id": asked, "method": method, "params": parameters})
        while self._receive(None).get("id") != asked:
            pass

    def notify(self, method: str, parameters: dict[str, Any] | None) -> None:
        """Tell."""
        self._send({"method": method, "params": parameters})

    def _change(self, name: str, begin: int, end: int, text: str) -> None:
        old = self._texts[name]
        change = {
            "range": {"start": _position(old, begin), "end": _position(old, end)},
            "rangeLength": end - begin,
            "text": text,
        }
        self._texts[name] = old[:begin] + text + old[end:]
        self._versions[name] += 1
        item = {"uri": self._uri(name), "version": self._versions[name]}
        parameters = {"textDocument": item, "contentChanges": [change]}
        self.notify("textDocument/didChange", parameters)

    def _at(self, name: str, index: int) -> dict[str, Any]:
        return {**self.document(name), "position": _position(self._texts[name], index)}

    def _uri(self, name: str) -> str:
        return (self._folder / name).as_uri()

    def _send(self, message: dict[str, Any]) -> None:
        self._connection.send(compact({"jsonrpc": "2.0", **message}))

    def _receive(self, timeout: float | None) -> dict[str, Any]:
        """The next message; what the server asks is answered with nothing."""
        message = json.loads(self._connection.recv(timeout))
        if "method" in message and "id" in message:
            self._send({"id": message["id"], "result": None})
        return {} if "method" in message else message


def _position(text: str, index: int) -> dict[str, int]:
    line = text.count("\n", 0, index)
    return {"line": line, "character": index - (text.rfind("\n", 0, index) + 1)}

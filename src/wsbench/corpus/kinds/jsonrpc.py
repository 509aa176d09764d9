"""jsonrpc: what a language server answers to an editor (Language Server Protocol over JSON-RPC)."""

import random
from collections.abc import Callable, Iterator

from wsbench.corpus.kinds.encoding import json_message
from wsbench.corpus.kinds.prose import paragraph, sentence
from wsbench.corpus.model import Message

_WORDS = """
account|amount|buffer|cache|channel|client|config|connection|context|count|cursor|customer|data|
deadline|document|entry|error|event|field|filter|frame|group|handler|header|index|invoice|item|key|
label|limit|message|metric|name|node|offset|order|owner|page|parser|path|payload|policy|price|query|
queue|range|reader|record|region|request|response|result|route|row|schema|scope|server|session|size|
socket|source|state|status|stream|table|target|task|token|total|user|value|version|window|worker
""".replace("\n", "").split("|")
_PREFIXES = ("get", "set", "is", "load", "parse", "build", "find", "update", "open", "close", "on")
_TYPES = ("str", "int", "bool", "bytes", "float | None", "list[str]", "dict[str, int]", "Path")
_SEVERITIES = ("Error", "Warning", "Information", "Hint")

_Value = dict[str, object]


class _Workspace:
    """The files and names that an editing session keeps coming back to."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.names = [self._identifier() for _ in range(400)]
        self.files = [
            f"file:///home/dev/shop/src/{rng.choice(_WORDS)}/{rng.choice(_WORDS)}_{word}.py"
            for word in rng.sample(_WORDS, 24)
        ]

    def _identifier(self) -> str:
        words = self.rng.sample(_WORDS, self.rng.choice((1, 2, 2, 3)))
        if self.rng.random() < 0.5:
            words.insert(0, self.rng.choice(_PREFIXES))
        return "_".join(words)

    def name(self) -> str:
        return self.rng.choice(self.names)

    def uri(self) -> str:
        # Editing stays in a few files.
        return self.files[min(int(self.rng.expovariate(0.4)), len(self.files) - 1)]

    def range(self) -> _Value:
        line, start = self.rng.randrange(900), self.rng.randrange(60)
        return {
            "start": {"line": line, "character": start},
            "end": {"line": line, "character": start + self.rng.randrange(3, 24)},
        }

    def signature(self) -> str:
        arguments = ", ".join(
            f"{self.rng.choice(_WORDS)}: {self.rng.choice(_TYPES)}"
            for _ in range(self.rng.randrange(4))
        )
        return f"({arguments}) -> {self.rng.choice(_TYPES)}"


def _completion(workspace: _Workspace) -> _Value:
    rng = workspace.rng
    items = []
    for position, name in enumerate(rng.sample(workspace.names, rng.randrange(8, 60))):
        items.append(
            {
                "label": name,
                "kind": rng.choice((3, 3, 5, 6, 7)),
                "detail": workspace.signature(),
                "documentation": {"kind": "markdown", "value": sentence(rng)},
                "sortText": f"{position:04d}",
                "insertTextFormat": 1,
                "data": {"uri": workspace.uri(), "position": rng.randrange(10**5)},
            }
        )
    return {"isIncomplete": False, "items": items}


def _hover(workspace: _Workspace) -> _Value:
    code = f"```python\n(function) def {workspace.name()}{workspace.signature()}\n```"
    text = f"{code}\n---\n{paragraph(workspace.rng, workspace.rng.randrange(1, 4))}"
    return {"contents": {"kind": "markdown", "value": text}, "range": workspace.range()}


def _references(workspace: _Workspace) -> list[_Value]:
    count = workspace.rng.randrange(1, 30)
    return [{"uri": workspace.uri(), "range": workspace.range()} for _ in range(count)]


def _semantic_tokens(workspace: _Workspace) -> _Value:
    rng = workspace.rng
    data: list[int] = []
    for _ in range(rng.randrange(80, 500)):
        new_line = rng.choice((0, 0, 0, 1, 1, 2))
        data += [new_line, rng.randrange(1, 30), rng.randrange(2, 16), rng.randrange(12), 0]
    return {"resultId": str(rng.randrange(10**6)), "data": data}


def _diagnostics(workspace: _Workspace) -> _Value:
    rng = workspace.rng
    diagnostics = [
        {
            "range": workspace.range(),
            "severity": rng.randrange(1, 5),
            "code": f"report{rng.choice(_SEVERITIES)}",
            "source": "pyserver",
            "message": f'"{workspace.name()}" is not a known attribute of "{workspace.name()}"',
        }
        for _ in range(rng.randrange(0, 12))
    ]
    return {"uri": workspace.uri(), "version": rng.randrange(500), "diagnostics": diagnostics}


def _progress(workspace: _Workspace) -> _Value:
    return {
        "token": "indexing",
        "value": {
            "kind": "report",
            "message": f"{workspace.rng.randrange(400)}/400 files",
            "percentage": workspace.rng.randrange(101),
        },
    }


_ANSWERS: tuple[tuple[int, Callable[[_Workspace], object]], ...] = (
    (30, _completion),
    (25, _hover),
    (8, _references),
    (7, _semantic_tokens),
)
_NOTIFICATIONS: tuple[tuple[int, str, Callable[[_Workspace], object]], ...] = (
    (22, "textDocument/publishDiagnostics", _diagnostics),
    (8, "$/progress", _progress),
)


def jsonrpc(rng: random.Random) -> Iterator[Message]:
    """Completions, hovers, references, tokens and diagnostics: few messages, some large."""
    workspace = _Workspace(rng)
    weights = [kind[0] for kind in _ANSWERS] + [kind[0] for kind in _NOTIFICATIONS]
    request_id = 0
    while True:
        choice = rng.choices(range(len(weights)), weights)[0]
        if choice < len(_ANSWERS):
            request_id += 1
            answer = _ANSWERS[choice][1](workspace)
            yield json_message({"jsonrpc": "2.0", "id": request_id, "result": answer})
        else:
            _, method, notify = _NOTIFICATIONS[choice - len(_ANSWERS)]
            yield json_message({"jsonrpc": "2.0", "method": method, "params": notify(workspace)})

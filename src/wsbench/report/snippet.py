"""Python to paste: a websockets server with given settings and limits, as ruff formats it."""

from collections.abc import Iterable, Mapping

from wsbench.settings import REFERENCE, DeflateSettings, Implementation

# As ruff and black have it unless told otherwise.
_LINE_CHARACTERS = 88
_INDENT = " " * 4
_ADDRESS = ("host", "port")


def server_snippet(
    implementation: Implementation,
    settings: DeflateSettings | None,
    limits: Mapping[str, int | None],
    *,
    tls: bool = False,
    receive_buffer_bytes: int | None = None,
) -> str:
    """Start a server and serve, with `handler`, `host`, `port` and `ssl_context` of the user's.

    `limits` are further arguments of websockets' `serve`. Settings that it has of its own accord
    are left out. With `receive_buffer_bytes`, a socket is made that has it (SO_RCVBUF). On
    asyncio, the code is for the body of a coroutine.
    """
    arguments = ["handler", *(["sock=sock"] if receive_buffer_bytes is not None else _ADDRESS)]
    arguments += ["ssl=ssl_context"] if tls else []
    arguments += [f"{name}={value}" for name, value in limits.items()]
    imports = [f"from websockets.{implementation}.server import serve"]
    if settings is None:
        arguments.append("compression=None")
    elif settings != REFERENCE:
        arguments.append(f"extensions=[\n{_indented(_factory(settings))}\n]")
        imports.append(
            "from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory"
        )
        imports.sort()
    modules = ["import socket"] if receive_buffer_bytes is not None else []
    if settings is not None and settings.strategy != "default":
        modules.append("import zlib")
    is_task = implementation == "asyncio"
    code = [] if receive_buffer_bytes is None else _socket(receive_buffer_bytes, is_task=is_task)
    begin, end = f"{'async ' * is_task}with serve(", ") as server:"
    line = begin + ", ".join(arguments) + end
    if "\n" in line or len(line) > _LINE_CHARACTERS:
        line = _lines(begin, arguments, end)
    code += [line, f"{_INDENT}{'await ' * is_task}server.serve_forever()"]
    head = ["\n".join(group) for group in (modules, imports) if group]
    return "\n\n".join([*head, "\n".join(code)])


def _socket(receive_buffer_bytes: int, *, is_task: bool) -> list[str]:
    lines = ["sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)"]
    if is_task:
        lines.insert(0, "# Without IPPROTO_TCP, asyncio would leave Nagle's algorithm on.")
    lines += [
        "sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)",
        f"sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, {receive_buffer_bytes})",
        "sock.bind((host, port))",
    ]
    return lines if is_task else [*lines, "sock.listen()"]


def _factory(settings: DeflateSettings) -> str:
    """What negotiates these settings, as far as a client lets it."""
    takeover = [f"{side}_no_context_takeover=True" for side in ("server", "client")]
    windows = [
        f"server_max_window_bits={settings.window_bits_of('server')}",
        f"client_max_window_bits={settings.window_bits_of('client')}",
    ]
    compress = {"memLevel": str(settings.memory_level)}
    if settings.level != 6:
        compress["level"] = str(settings.level)
    if settings.strategy != "default":
        name = "HUFFMAN_ONLY" if settings.strategy == "huffman" else settings.strategy.upper()
        compress["strategy"] = f"zlib.Z_{name}"
    items = [f'"{name}": {value}' for name, value in compress.items()]
    # All three do not fit on a line.
    zlib = _lines("{", items, "}") if len(items) > 2 else f"{{{', '.join(items)}}}"
    arguments = [
        *(() if settings.context_takeover else takeover),
        *windows,
        f"compress_settings={zlib}",
    ]
    return _lines("ServerPerMessageDeflateFactory(", arguments, ")")


def _lines(begin: str, items: Iterable[str], end: str) -> str:
    inner = "".join(f"{item},\n" for item in items)
    return f"{begin}\n{_indented(inner)}\n{end}"


def _indented(text: str) -> str:
    return "\n".join(_INDENT + line for line in text.splitlines())

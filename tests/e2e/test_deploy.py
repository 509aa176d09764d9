"""The configurations of docs/deploy.md, run for real: echo, and stops that clients see as 1001."""

import asyncio
import configparser
import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

LIMIT_SECONDS = 30
CONNECTIONS = 20
GOING_AWAY = 1001
NAME = "ws.example.com"

SUPERVISORD = Path(sys.executable).parent / "supervisord"
needs_supervisor = pytest.mark.skipif(not SUPERVISORD.exists(), reason="needs supervisor")
needs_systemd = pytest.mark.skipif(
    not (shutil.which("systemd-analyze") and shutil.which("systemd-socket-activate")),
    reason="needs programs of systemd",
)
needs_nginx = pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")), reason="needs nginx and openssl"
)

UNITS = "/etc/systemd/system"

Control = Callable[..., str]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: that of a Unix socket may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="wsbench") as name:
        yield Path(name)


@pytest.fixture
def files(root: Path, command: Path, folder: Path) -> dict[str, str]:
    """What the page puts into each file, with everything in one folder."""
    page = (root / "docs" / "deploy.md").read_text("utf-8")
    texts: dict[str, str] = {}
    for path, text in re.findall(r"^```\w+\n[#;] (/etc/\S+)\n(.*?)^```$", page, re.M | re.S):
        for places, here in {
            r"/srv/wsbench/\.venv/bin/": f"{command.parent}/",
            r"(?<!\w)(/run/wsbench|/run|/var/log/wsbench|/etc/ssl)/": f"{folder}/",
        }.items():
            text = re.sub(places, here, text)
        texts[path] = texts.get(path, "") + text
    return texts


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def wait_until(condition: Callable[[], object], folder: Path) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, (folder / "console.log").read_text()
        time.sleep(0.02)


def accepts(address: str | tuple[str, int]) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as sock:
        return sock.connect_ex(address) == 0


@contextmanager
def running(*arguments: object, cwd: Path) -> Iterator[psutil.Popen]:
    """A process that is ended afterwards by SIGTERM, and with all its children in any case."""
    with (cwd / "console.log").open("ab") as log:
        process = psutil.Popen(list(map(str, arguments)), cwd=cwd, stdout=log, stderr=log)
    everything = [process]
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            everything += process.children(recursive=True)
            process.terminate()
        _, alive = psutil.wait_procs(everything, timeout=20)
        for left in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        process.wait()
    assert alive == [], (cwd / "console.log").read_text()


@contextmanager
def supervised(text: str, section: str, folder: Path) -> Iterator[Control]:
    """supervisord with one of the programs of a configuration; what is yielded is supervisorctl."""
    config = configparser.RawConfigParser(comment_prefixes=";")
    config.read_string(text)
    for name in config.sections():
        if "program:" in name and name != section:
            config.remove_section(name)
        # Tests run as whoever they run as, with the descriptors that they have.
        elif config.has_section(name):
            config.remove_option(name, "user")
            config.remove_option(name, "minfds")
    path = folder / "supervisord.conf"
    with path.open("w") as file:
        config.write(file)

    def control(*arguments: str) -> str:
        supervisorctl = SUPERVISORD.with_name("supervisorctl")
        done = subprocess.run(
            [supervisorctl, "-c", path, *arguments],
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )
        return done.stdout + done.stderr

    with running(SUPERVISORD, "--nodaemon", "-c", path, cwd=folder):
        try:
            yield control
        finally:
            # It takes this up sooner than a signal.
            control("shutdown")


async def echo(connection: ClientConnection) -> None:
    message = "händler " * 40_000
    async with asyncio.timeout(LIMIT_SECONDS):
        await connection.send(message)
        assert await connection.recv() == message


async def close_code(connection: ClientConnection) -> int | None:
    """The code that the server closes a connection with."""
    with pytest.raises(ConnectionClosed) as caught:
        async with asyncio.timeout(LIMIT_SECONDS):
            await connection.recv()
    return caught.value.rcvd.code if caught.value.rcvd else None


async def check_stop(
    opened: Callable[[int], contextlib.AbstractAsyncContextManager[ClientConnection]],
    stop: Callable[[], object],
) -> None:
    """All of many connections echo, and are closed with 1001 by what stops the servers."""
    async with contextlib.AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(opened(number)) for number in range(CONNECTIONS)
        ]
        await asyncio.gather(*map(echo, connections))
        waiting = asyncio.gather(*map(close_code, connections))
        await asyncio.to_thread(stop)
        assert await waiting == [GOING_AWAY] * CONNECTIONS


@needs_systemd
def test_systemd_units_are_correct(files: dict[str, str], folder: Path) -> None:
    for path, text in files.items():
        if path.startswith(UNITS):
            unit = folder / Path(path).relative_to(UNITS)
            unit.parent.mkdir(exist_ok=True)
            unit.write_text(text)
    # Without systemd as process 1, this is what can be checked.
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "wsbench.service", "wsbench.socket"],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert str(folder) not in done.stderr
    assert "wsbench." not in done.stderr
    assert done.returncode == 0


@needs_systemd
def test_socket_activation(files: dict[str, str], folder: Path) -> None:
    (start,) = re.findall("ExecStart=(.+)", files[f"{UNITS}/wsbench.service.d/socket.conf"])
    address = f"127.0.0.1:{(port := free_port())}"
    with running("systemd-socket-activate", "-l", address, *start.split(), cwd=folder) as process:
        # It starts the server when it is connected to, and becomes it.
        log = folder / "console.log"
        wait_until(lambda: f"Listening on {address}" in log.read_text(), folder)
        asyncio.run(
            check_stop(
                lambda _: connect(
                    f"ws://{address}", sock=socket.create_connection(("127.0.0.1", port))
                ),
                process.terminate,
            )
        )
        assert process.wait(LIMIT_SECONDS) == 0


@needs_supervisor
def test_supervisord_with_a_socket_for_each_process(files: dict[str, str], folder: Path) -> None:
    with supervised(files["/etc/supervisord.conf"], "program:wsbench", folder) as control:
        sockets = [folder / f"{number}.sock" for number in range(4)]
        wait_until(lambda: all(accepts(str(path)) for path in sockets), folder)
        assert all(path.stat().st_mode & 0o777 == 0o770 for path in sockets)
        asyncio.run(
            check_stop(
                lambda number: unix_connect(str(sockets[number % 4])),
                lambda: control("stop", "wsbench:*"),
            )
        )
        assert control("status").count("STOPPED") == 4
    for number in range(4):
        assert f"on {CONNECTIONS // 4} connections\n" in (folder / f"{number}.log").read_text()


@needs_supervisor
def test_supervisord_with_one_socket_for_all_processes(files: dict[str, str], folder: Path) -> None:
    port = free_port()
    text = files["/etc/supervisord.conf"].replace("127.0.0.1:8765", f"127.0.0.1:{port}")
    uri = f"ws://127.0.0.1:{port}"

    def opened(_: int = 0) -> connect:
        return connect(uri, sock=socket.create_connection(("127.0.0.1", port)))

    with supervised(text, "fcgi-program:shared", folder) as control:
        logs = [folder / f"shared-{number}.log" for number in range(2)]
        wait_until(lambda: all(log.exists() and uri in log.read_text() for log in logs), folder)
        processes = [psutil.Process(int(control("pid", f"shared:{n}"))) for n in range(2)]

        async def both_are_given_connections() -> None:
            for process in processes:
                process.suspend()
                try:
                    async with opened() as connection:
                        await echo(connection)
                finally:
                    process.resume()

        async def keep_connecting(until: asyncio.Event) -> None:
            while not until.is_set():
                sock = socket.create_connection(("127.0.0.1", port))
                # A handshake that the stopping process has taken up may fail; none is refused.
                with contextlib.suppress(ConnectionClosed, InvalidHandshake, OSError, EOFError):
                    async with connect(uri, sock=sock) as connection:
                        await connection.send("")
                await asyncio.sleep(0.01)

        async def one_after_the_other() -> None:
            done = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_connecting(done))
                await check_stop(
                    opened, lambda: control("restart", "shared:0") + control("stop", "shared:1")
                )
                done.set()

        asyncio.run(both_are_given_connections())
        asyncio.run(one_after_the_other())
        assert control("status").count("RUNNING") == 1


@needs_nginx
def test_nginx_before_several_processes(command: Path, files: dict[str, str], folder: Path) -> None:
    certificate, key, port = folder / f"{NAME}.pem", folder / f"{NAME}.key", free_port()
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    server = files["/etc/nginx/conf.d/wsbench.conf"].replace(
        "listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"
    )
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (folder / "nginx.conf").write_text(
        # As root, nginx would serve as another user, who may not enter the folder.
        ("user root;\n" if os.geteuid() == 0 else "")
        + f"daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log stderr;\n"
        + "events { worker_connections 256; }\nhttp { access_log off;\n"
        + "".join(f"{name}_temp_path {folder}/temporary;\n" for name in temporary)
        + f"{server}}}\n"
    )
    context = ssl.create_default_context(cafile=str(certificate))

    def opened(_: int = 0) -> connect:
        return connect(
            f"wss://{NAME}/chat?room=1",
            sock=socket.create_connection(("127.0.0.1", port)),
            ssl=context,
            server_hostname=NAME,
        )

    def status(path: str, source: str) -> int:
        with socket.create_connection(("127.0.0.1", port), source_address=(source, 0)) as sock:
            with context.wrap_socket(sock, server_hostname=NAME) as connection:
                connection.settimeout(LIMIT_SECONDS)
                connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode())
                return int(connection.recv(1000).split()[1])

    async def negotiated() -> str:
        async with opened() as connection:
            assert connection.response is not None
            return connection.response.headers["Sec-WebSocket-Extensions"]

    with contextlib.ExitStack() as stack:
        sockets = [str(folder / f"{number}.sock") for number in range(4)]
        processes = [
            stack.enter_context(running(command, "serve", "--unix", path, cwd=folder))
            for path in sockets
        ]
        stack.enter_context(
            running("nginx", "-p", folder, "-e", "stderr", "-c", "nginx.conf", cwd=folder)
        )
        wait_until(lambda: all(map(accepts, [*sockets, ("127.0.0.1", port)])), folder)
        for path in ("/health/", "/stats/", "/health", "//stats", "/%73tats/"):
            assert status(path, "127.0.0.2") == 403
        assert [status(path, "127.0.0.1") for path in ("/health/", "/stats/")] == [200, 200]
        assert "server_max_window_bits=12; client_max_window_bits=12" in asyncio.run(negotiated())
        asyncio.run(check_stop(opened, lambda: [process.terminate() for process in processes]))
        psutil.wait_procs(processes, timeout=LIMIT_SECONDS)
        assert status("/health/", "127.0.0.1") == 502
    assert "on 0 connections" not in (folder / "console.log").read_text()

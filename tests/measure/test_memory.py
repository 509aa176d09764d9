import statistics
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from wsbench.deflate import client_factory
from wsbench.errors import MeasurementError
from wsbench.live import child, target
from wsbench.measure import memory
from wsbench.measure.memory import measure_memory
from wsbench.results import Memory
from wsbench.settings import LADDER, REFERENCE, DeflateSettings

HERE = Path(__file__).parent
KIB = 1024

# The table of websockets' documentation (docs/topics/compression.rst), in KiB.
DOCS_KIB = {
    "15/8": 316,
    "14/7": 172,
    "13/6": 100,
    "12/5": 64,
    "11/4": 46,
    "10/3": 37,
    "9/2": 33,
    "None": 14,
}


@pytest.fixture(scope="module")
def ladder() -> dict[DeflateSettings | None, Memory]:
    return dict(measure_memory([*LADDER, None]))


def test_the_docs_column_comes_back(ladder: dict[DeflateSettings | None, Memory]) -> None:
    # The docs cut their decimals off, so the middle of what they can mean is half a KiB higher.
    for settings, measured in ladder.items():
        docs_kib = DOCS_KIB[str(settings)] + 0.5
        assert measured.connection_bytes / KIB == pytest.approx(docs_kib, abs=2), settings


@pytest.mark.parametrize("settings", [REFERENCE, None], ids=str)
def test_two_scripts_of_websockets_alone_give_the_same(
    ladder: dict[DeflateSettings | None, Memory], settings: DeflateSettings | None
) -> None:
    numbers = (settings.window_bits, settings.memory_level) if settings else (0, 0)
    arguments = [str(number) for number in numbers]
    server = subprocess.Popen(
        [sys.executable, HERE / "docs_kind_server.py", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        subprocess.run(
            [sys.executable, HERE / "docs_kind_client.py", port, *arguments, "21"],
            check=True,
            timeout=60,
        )
        readings = [int(server.stdout.readline()) for _ in range(21)]
        server.terminate()
    mean = statistics.mean(after - before for before, after in pairwise(readings))
    assert ladder[settings].connection_bytes == pytest.approx(mean, abs=2 * KIB)


def test_a_second_run_agrees(ladder: dict[DeflateSettings | None, Memory]) -> None:
    """In another order, and with other settings between them."""
    settings = [None, DeflateSettings(9, 9), *reversed(LADDER)]
    for item, measured in measure_memory(settings):
        if item in ladder:
            first = ladder[item]
            assert measured.connection_bytes == pytest.approx(first.connection_bytes, abs=KIB)
            assert measured.deflate_bytes == first.deflate_bytes
            assert measured.inflate_bytes == first.inflate_bytes


def test_compressor_and_decompressor_hold_what_zlib_says(
    ladder: dict[DeflateSettings | None, Memory],
) -> None:
    """The zlib manual: (1 << (windowBits + 2)) + (1 << (memLevel + 9)) bytes to compress, and
    1 << windowBits to decompress, plus a few kilobytes for small objects."""
    for settings, measured in ladder.items():
        if settings is None:
            assert (measured.deflate_bytes, measured.inflate_bytes) == (0, 0)
            continue
        buffers = (1 << (settings.window_bits + 2)) + (1 << (settings.memory_level + 9))
        assert buffers < measured.deflate_bytes < buffers + 8 * KIB
        window = 1 << settings.window_bits
        assert window < measured.inflate_bytes < window + 9 * KIB


def test_a_connection_costs_its_compressor_and_decompressor_more_than_none(
    ladder: dict[DeflateSettings | None, Memory],
) -> None:
    without = ladder[None].connection_bytes
    for settings in LADDER:
        measured = ladder[settings]
        codec = measured.deflate_bytes + measured.inflate_bytes
        assert measured.connection_bytes - without == pytest.approx(codec, abs=2 * KIB)


def test_without_context_takeover_nothing_is_kept() -> None:
    settings = DeflateSettings(15, 8, context_takeover=False)
    measured = dict(measure_memory([settings, None]))
    kept = measured[settings].connection_bytes - measured[None].connection_bytes
    assert kept < 3 * KIB
    assert measured[settings].deflate_bytes > 256 * KIB


def test_the_server_process_ends_with_the_measurement() -> None:
    for _ in measure_memory([REFERENCE, None]):
        assert servers()
        break
    assert not servers()


def servers() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "wsbench.live.traced_server" in child.cmdline()
    ]


def test_another_negotiation_than_asked_for_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def offer(_: DeflateSettings) -> object:
        return [client_factory(DeflateSettings(10, 5))]

    monkeypatch.setattr(memory, "offer_factories", offer)
    with pytest.raises(MeasurementError, match=r"^12/5: .* negotiated .*=10.* instead"):
        list(measure_memory([REFERENCE]))


def test_a_server_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PYTHON", [sys.executable, "-c", "import no_such_module"])
    with pytest.raises(MeasurementError, match="server to be measured ended: ModuleNotFoundError"):
        list(measure_memory([REFERENCE]))


def test_a_server_that_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PYTHON", [sys.executable, "-c", "import time; time.sleep(99)"])
    monkeypatch.setattr(child, "_STOP_SECONDS", 0.2)
    monkeypatch.setattr(target, "_START_SECONDS", 0.5)
    with pytest.raises(MeasurementError, match=r"did not answer within 0\.5 s"):
        list(measure_memory([REFERENCE]))


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert len(list(measure_memory([None]))) == 1

import sys
import time
from pathlib import Path

import msgspec
import pytest

from wsbench.errors import MeasurementError
from wsbench.live import child
from wsbench.live.child import Child


class Line(msgspec.Struct):
    number: int


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that a child can be made of."""
    monkeypatch.setattr(child, "PYTHON", (sys.executable,))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(child, "_STOP_SECONDS", 1)
    return tmp_path / "some_child.py"


def test_lines_come_whole_however_they_are_written(module: Path) -> None:
    module.write_text(
        "import sys, time\n"
        "for part in ['{\"num', 'ber\": 1}\\n{\"number\": 2}', '\\n']:\n"
        "    sys.stdout.write(part); sys.stdout.flush(); time.sleep(0.05)\n"
        "sys.stdout.write(sys.stdin.readline()); sys.stdout.flush(); sys.stdin.read()\n"
    )
    with Child("some_child", "the child") as process:
        time.sleep(0.5)
        # The second line has come with the first one, and must not be lost.
        assert process.receive(Line, 20) == Line(1)
        assert process.receive(Line, 20) == Line(2)
        process.tell(Line(3))
        assert process.receive(Line, 20) == Line(3)


def test_one_that_ends_says_why(module: Path) -> None:
    module.write_text("raise SystemExit('out of paper')")
    with Child("some_child", "the child") as process:
        with pytest.raises(MeasurementError, match=r"^the child ended: out of paper$"):
            process.receive(Line, 20)
        with pytest.raises(MeasurementError, match=r"^the child ended: out of paper$"):
            process.tell(Line(1))


def test_one_that_says_nothing_is_not_waited_for(module: Path) -> None:
    module.write_text("import time; time.sleep(60)")
    with Child("some_child", "the child") as process:
        with pytest.raises(MeasurementError, match=r"^the child did not answer within 0\.2 s$"):
            process.receive(Line, 0.2)
        start = time.monotonic()
    assert time.monotonic() - start < 30

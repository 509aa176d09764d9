"""What machines differ in stands in files made by hand; the watch watches real processes."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from wsbench import machine
from wsbench.machine import Watch, available_bytes, standing_warnings

MIB = 2**20


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system without control groups or frequencies, with 1,000 MiB available."""
    monkeypatch.setattr(machine, "_SYS", tmp_path / "sys")
    monkeypatch.setattr(machine, "_PROC_SELF", tmp_path / "proc")
    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: SimpleNamespace(available=1000 * MIB, total=2000 * MIB)
    )
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    return tmp_path


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def group_v2(path: Path, limit: object, used: int, inactive: int = 0) -> None:
    write(path / "memory.max", limit)
    write(path / "memory.current", used)
    write(path / "memory.stat", f"anon 5\ninactive_file {inactive}\nfile 7")


def test_without_limits_the_system_tells(system: Path) -> None:
    assert available_bytes() == 1000 * MIB


def test_a_control_group_of_version_2_limits(system: Path) -> None:
    write(system / "proc/cgroup", "0::/user/job")
    group_v2(system / "sys/fs/cgroup/user/job", 300 * MIB, 250 * MIB, inactive=20 * MIB)
    assert available_bytes() == 70 * MIB


def test_the_tightest_of_nested_groups_counts(system: Path) -> None:
    write(system / "proc/cgroup", "0::/user/job")
    group_v2(system / "sys/fs/cgroup/user/job", "max", 250 * MIB)
    group_v2(system / "sys/fs/cgroup/user", 600 * MIB, 500 * MIB)
    group_v2(system / "sys/fs/cgroup", "max", 0)
    assert available_bytes() == 100 * MIB


def test_a_container_sees_its_group_as_the_root(system: Path) -> None:
    write(system / "proc/cgroup", "0::/docker/0123abcd")
    group_v2(system / "sys/fs/cgroup", 400 * MIB, 100 * MIB)
    assert available_bytes() == 300 * MIB


def test_a_path_outside_of_the_own_root_is_not_followed(system: Path) -> None:
    write(system / "proc/cgroup", "0::/../../elsewhere")
    group_v2(system / "sys/fs/cgroup", 400 * MIB, 100 * MIB)
    group_v2(system / "sys/elsewhere", 200 * MIB, 100 * MIB)
    assert available_bytes() == 300 * MIB


def test_a_control_group_of_version_1_limits(system: Path) -> None:
    write(system / "proc/cgroup", "9:cpu,cpuacct:/\n4:memory:/job\n0::/")
    group = system / "sys/fs/cgroup/memory/job"
    write(group / "memory.limit_in_bytes", 200 * MIB)
    write(group / "memory.usage_in_bytes", 150 * MIB)
    write(group / "memory.stat", f"cache 1\ntotal_inactive_file {10 * MIB}")
    write(system / "sys/fs/cgroup/memory/memory.limit_in_bytes", 9223372036854771712)
    write(system / "sys/fs/cgroup/memory/memory.usage_in_bytes", 150 * MIB)
    assert available_bytes() == 60 * MIB


def test_more_used_than_allowed_leaves_nothing(system: Path) -> None:
    write(system / "proc/cgroup", "0::/")
    group_v2(system / "sys/fs/cgroup", 100 * MIB, 101 * MIB)
    assert available_bytes() == 0


def test_a_limit_of_address_space_counts() -> None:
    script = (
        "import resource; from wsbench.machine import available_bytes;"
        "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); print(available_bytes())"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    assert 0 < int(output) < 2**30


@pytest.mark.parametrize(
    ("governors", "warned"),
    [(["performance"] * 2, False), (["performance", "powersave"], True), ([], False)],
)
def test_a_governor_other_than_performance_is_told(
    system: Path, governors: list[str], warned: bool
) -> None:
    for number, governor in enumerate(governors):
        write(system / f"sys/devices/system/cpu/cpu{number}/cpufreq/scaling_governor", governor)
    warnings = standing_warnings()
    assert [("governor is powersave" in warning) for warning in warnings] == [True] * warned


@pytest.mark.parametrize(("plugged", "warned"), [(True, False), (False, True), (None, False)])
def test_running_on_battery_is_told(
    system: Path, monkeypatch: pytest.MonkeyPatch, plugged: bool | None, warned: bool
) -> None:
    battery = SimpleNamespace(percent=50, power_plugged=plugged)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    assert [("battery" in warning) for warning in standing_warnings()] == [True] * warned


def test_a_system_that_cannot_tell_of_a_battery_is_no_error(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise FileNotFoundError("/sys/class/power_supply")

    monkeypatch.setattr(psutil, "sensors_battery", fail, raising=False)
    assert standing_warnings() == []


def test_what_this_program_uses_is_no_disturbance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_cpus", lambda: 1)
    cpus = psutil.cpu_times
    # Nobody else: all that is busy is this process.
    monkeypatch.setattr(
        psutil,
        "cpu_times",
        lambda: cpus()._replace(
            **{**dict.fromkeys(cpus()._fields, 0.0), "user": time.process_time(), "idle": 1.0}
        ),
    )
    watch = Watch()
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        pass
    assert watch.warnings() == []


def test_other_programs_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if there were one: on a machine with many, one hog would be nobody's hurt.
    monkeypatch.setattr(machine, "available_cpus", lambda: 1)
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        watch = Watch()
        time.sleep(1)
        (warning, *_) = watch.warnings()
    finally:
        hog.kill()
        hog.wait()
    assert "other programs used" in warning


class Usage:
    """Seconds that a system would show: of the clock, busy, of this process, stolen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = (0.0, 0.0, 0.0, 0.0)
        monkeypatch.setattr(machine, "_usage", lambda: self.now)


@pytest.mark.parametrize(
    ("now", "cpus", "expected"),
    [
        ((10, 10, 10, 0), 2, []),
        ((10, 14, 10, 0), 2, []),
        ((10, 16, 10, 0), 2, ["other programs used 0.6 of 2 CPUs"]),
        ((10, 16, 10, 0), 16, []),
        ((10, 30, 10, 0), 16, ["other programs used 2.0 of 16 CPUs"]),
        ((10, 10, 10, 0.1), 2, []),
        ((10, 10, 10, 1), 2, ["the hypervisor gave 5% of the CPU time"]),
        ((0, 0, 0, 0), 2, []),
    ],
)
def test_what_others_use_and_what_is_stolen_is_told(
    monkeypatch: pytest.MonkeyPatch,
    now: tuple[float, float, float, float],
    cpus: int,
    expected: list[str],
) -> None:
    monkeypatch.setattr(machine.os, "cpu_count", lambda: cpus)
    monkeypatch.setattr(machine, "available_cpus", lambda: cpus)
    usage = Usage(monkeypatch)
    watch = Watch()
    usage.now = now
    warnings = watch.warnings()
    assert len(warnings) == len(expected)
    assert all(start in warning for start, warning in zip(expected, warnings, strict=True))

"""What the machine has free, and what on it disturbs a measurement of time."""

import os
import time
from pathlib import Path

import psutil

from wsbench.environment import available_cpus
from wsbench.files import read_if_there

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_SYS = Path("/sys")
_PROC_SELF = Path("/proc/self")

# How much of the processors other programs may use, and the hypervisor may take away, unnoticed.
# Half a processor is an editor and a browser; on a large machine a tenth of all is nobody's hurt.
_OTHERS_CPUS = 0.5
_OTHERS_SHARE = 0.1
_STOLEN_SHARE = 0.01
_SHORTEST_WATCH_SECONDS = 0.5


def available_bytes() -> int:
    """The memory that this process can still take without swapping or being killed.

    The least of what the system calls available, what every control group that the process is in
    has left, and what its own limit of address space leaves.
    """
    free = [psutil.virtual_memory().available, *_control_groups_free_bytes()]
    if resource is not None:
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            free.append(limit - psutil.Process().memory_info().vms)
    return max(0, min(free))


def _control_groups_free_bytes() -> list[int]:
    """What each control group from the process's own up to the root has left of its limit."""
    free = []
    for line in read_if_there(_PROC_SELF / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            root, limit, usage = _SYS / "fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root, limit = _SYS / "fs/cgroup/memory", "memory.limit_in_bytes"
            usage = "memory.usage_in_bytes"
        else:
            continue
        # In a container the path may be the host's, or lead out of what is visible, and the root is
        # the container's own group.
        own = root if ".." in path.split("/") else root / path.lstrip("/")
        for group in (own, *own.parents):
            limit_text, usage_text = (
                read_if_there(group / limit).strip(),
                read_if_there(group / usage).strip(),
            )
            if limit_text.isdigit() and usage_text.isdigit():
                # Pages of files that nobody has used of late are given up when memory is asked for.
                statistics = dict(
                    line.split(" ", 1) for line in read_if_there(group / "memory.stat").splitlines()
                )
                reclaimable = statistics.get("total_inactive_file") or statistics.get(
                    "inactive_file", "0"
                )
                free.append(int(limit_text) - int(usage_text) + int(reclaimable))
            if group == root:
                break
    return free


def raise_descriptor_limit() -> int | None:
    """Raise how many files and sockets this process may open to what it may raise it to.

    Returns that number, or None where there is no limit or the system does not tell.
    """
    if resource is None:
        return None
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        # macOS calls its limit infinite and refuses to grant it.
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if most == resource.RLIM_INFINITY else most


def standing_warnings() -> list[str]:
    """What makes times on this machine unsteady, as long as nobody changes it."""
    warnings = []
    governors = {
        read_if_there(path).strip()
        for path in _SYS.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    }
    if unsteady := sorted(governors - {"", "performance"}):
        warnings.append(
            f"the CPU frequency governor is {', '.join(unsteady)}: times are steadier with "
            "performance"
        )
    if _is_on_battery():
        warnings.append("the machine runs on battery: plug it in for times that can be trusted")
    return warnings


def _is_on_battery() -> bool:
    # psutil has no such function on every system, and fails on some that it has one for.
    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, NotImplementedError, ValueError):
        return False
    return battery is not None and battery.power_plugged is False


class Watch:
    """Watches who else uses the processors, from its making on."""

    def __init__(self) -> None:
        self._start = _usage()

    def warnings(self) -> list[str]:
        """What disturbed a measurement on one processor, if it did."""
        seconds, busy, own, stolen = (
            now - before for now, before in zip(_usage(), self._start, strict=True)
        )
        # The system counts in steps of 10 ms.
        if seconds < _SHORTEST_WATCH_SECONDS:
            return []
        cpus = os.cpu_count() or 1
        others = (busy - own) / seconds
        warnings = []
        if others > max(_OTHERS_CPUS, _OTHERS_SHARE * available_cpus()):
            warnings.append(
                f"other programs used {others:.1f} of {cpus} CPUs during the timing: "
                "stop them for narrower intervals"
            )
        stolen_share = stolen / seconds / cpus
        if stolen_share > _STOLEN_SHARE:
            warnings.append(
                f"the hypervisor gave {100 * stolen_share:.0f}% of the CPU time to other machines "
                "during the timing"
            )
        return warnings


def _usage() -> tuple[float, float, float, float]:
    """Seconds: of the clock, of all processors busy, of this process, stolen."""
    times = psutil.cpu_times()
    stolen = getattr(times, "steal", 0.0)
    idle = times.idle + getattr(times, "iowait", 0.0)
    # A guest's time is part of user's and nice's (proc(5)).
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return time.monotonic(), sum(times) - idle - stolen - guests, time.process_time(), stolen

"""What the numbers depend on: versions, processor, memory, allocator, zlib build."""

import os
import platform
import subprocess
import zlib
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from wsbench.files import read_if_there

_COMMIT_DIGITS = 12
# What tells processors apart in Linux's /proc/cpuinfo, of x86 and of ARM, which has no names.
_CPU_VERSION = {
    "family": "cpu family",
    "model": "model",
    "stepping": "stepping",
    "implementer": "CPU implementer",
    "variant": "CPU variant",
    "part": "CPU part",
    "revision": "CPU revision",
}


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The machine and the software of a measurement; None is what the system does not tell.

    `zlib` is the library that runs (its name says so where it is a replacement such as zlib-ng),
    `zlib_headers` the one that Python was compiled against. `cpu_version` and `cpu_caches` tell
    processors apart that go by one name; older records do not have them.
    """

    python: str
    implementation: str
    websockets: str
    zlib: str
    zlib_headers: str
    os: str
    machine: str
    cpu: str | None
    cpus: int
    memory_bytes: int
    allocator: str
    transparent_huge_pages: str | None
    cpu_version: str | None = None
    cpu_caches: str | None = None


def current_environment() -> Environment:
    """Describe this process and its machine."""
    return Environment(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        websockets=version("websockets"),
        zlib=zlib.ZLIB_RUNTIME_VERSION,
        zlib_headers=zlib.ZLIB_VERSION,
        os=platform.system(),
        machine=platform.machine(),
        cpu=_cpu_model(),
        cpus=available_cpus(),
        memory_bytes=psutil.virtual_memory().total,
        allocator=_allocator(),
        transparent_huge_pages=_transparent_huge_pages(),
        cpu_version=_cpu_version(),
        cpu_caches=_cpu_caches(),
    )


def current_commit() -> str | None:
    """The commit of the working directory, `-dirty` if it was changed since; None without one.

    A CI system's own variable counts first: there may be no git in its image.
    """
    for variable in ("GITHUB_SHA", "CI_COMMIT_SHA"):
        if commit := os.environ.get(variable):
            return commit[:_COMMIT_DIGITS]
    commit = _git("rev-parse", f"--short={_COMMIT_DIGITS}", "HEAD")
    if not commit:
        return None
    # Asked in another way, git would write to the repository.
    changed = _git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def _git(*arguments: str) -> str:
    """What git answers; nothing where it has no answer."""
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip()


def available_cpus() -> int:
    """The logical processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str | None:
    # platform.processor() is empty on Linux.
    return _cpu_facts().get("model name") or platform.processor() or None


def _cpu_version() -> str | None:
    """`family 25, model 17, stepping 1`: hypervisors give generations of processors one name."""
    facts = _cpu_facts()
    parts = (f"{name} {facts[key]}" for name, key in _CPU_VERSION.items() if facts.get(key))
    return ", ".join(parts) or None


def _cpu_caches() -> str | None:
    """`L1d 32K, L2 1024K, L3 32768K`: the caches that data go through, of the first processor."""
    sizes = []
    for cache in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (
            read_if_there(cache / name).strip() for name in ("level", "type", "size")
        )
        if size and kind != "Instruction":
            sizes.append(f"L{level}{'d' * (kind == 'Data')} {size}")
    return ", ".join(sizes) or None


def _cpu_facts() -> dict[str, str]:
    """What Linux tells of the first processor."""
    first, _, _ = read_if_there("/proc/cpuinfo").partition("\n\n")
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _allocator() -> str:
    """The C library, whose malloc zlib's memory comes from, and what was set to change it."""
    name, number = platform.libc_ver()
    parts = [f"{name} {number}" if name else platform.system()]
    variables = ("LD_PRELOAD", "PYTHONMALLOC", "MALLOC_ARENA_MAX")
    parts += [f"{name}={os.environ[name]}" for name in variables if os.environ.get(name)]
    return ", ".join(parts)


def _transparent_huge_pages() -> str | None:
    """`always`, `madvise` or `never`: the bracketed word of Linux's setting."""
    _, _, rest = read_if_there("/sys/kernel/mm/transparent_hugepage/enabled").partition("[")
    return rest.partition("]")[0] or None

"""What the numbers depend on: versions, processor, memory, allocator, zlib build."""

import os
import platform
import zlib
from importlib.metadata import version

import msgspec
import psutil

from wsbench.files import read_if_there


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The machine and the software of a measurement; None is what the system does not tell.

    `zlib` is the library that runs (its name says so where it is a replacement such as zlib-ng),
    `zlib_headers` the one that Python was compiled against.
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
    )


def available_cpus() -> int:
    """The logical processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str | None:
    # platform.processor() is empty on Linux.
    for line in read_if_there("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or None


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

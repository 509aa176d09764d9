"""Whether this machine can hold so many connections, found out before the first is opened."""

from collections.abc import Sequence

from wsbench.errors import SettingsError
from wsbench.files import read_if_there
from wsbench.machine import available_bytes, raise_descriptor_limit
from wsbench.report.units import binary_size

# What else a process has open: the interpreter's files, pipes, a listening socket.
_OTHER_DESCRIPTORS = 64
# What a connection takes beside the server's memory: the client's objects, and both sockets.
_CLIENT_BYTES = 24 * 1024
# asyncio gives every TLS connection a buffer of 256 KiB.
_TLS_CLIENT_BYTES = 320 * 1024
# How much of the available memory connections may take: the rest is for what else goes on.
_MEMORY_SHARE = 0.8
# What systems use that do not tell: the range that IANA has set aside.
_IANA_PORTS = (49_152, 65_535)


def check_memory(connections: int, server_bytes: int, *, tls: bool) -> None:
    """Refuse connections that would not fit into memory.

    `server_bytes` is what each takes of the server, 0 if that is not known.

    Raises:
        SettingsError: if they would not.
    """
    each = server_bytes + (_TLS_CLIENT_BYTES if tls else _CLIENT_BYTES)
    free = int(_MEMORY_SHARE * available_bytes())
    if connections * each > free:
        raise SettingsError(
            f"{connections:,} connections would take {binary_size(connections * each)}, and of the "
            f"free memory {binary_size(free)} can be used; choose up to {free // each:,}"
        )


def check_descriptors(connections: int, processes: int, *, own_server: bool) -> None:
    """Refuse connections that a process could not have open, after raising its limit.

    Raises:
        SettingsError: if it could not.
    """
    limit = raise_descriptor_limit()
    most = connections if own_server else -(-connections // processes)
    if limit is not None and most + _OTHER_DESCRIPTORS > limit:
        fits = max(0, limit - _OTHER_DESCRIPTORS) * (1 if own_server else processes)
        raise SettingsError(
            f"{connections:,} connections: a process may open {limit:,} files and sockets; raise "
            f"that with ulimit -n {most + _OTHER_DESCRIPTORS}, or choose up to {fits:,}"
        )


def check_server_descriptors(connections: int, limit: int | None) -> None:
    """Refuse connections that somebody else's server could not have open.

    Raises:
        SettingsError: if it could not.
    """
    if limit is not None and connections >= limit:
        raise SettingsError(
            f"{connections:,} connections: the server may open {limit:,} files and sockets; start "
            f"it with ulimit -n {connections + _OTHER_DESCRIPTORS}, or choose fewer than {limit:,}"
        )


def check_ports(connections: int, sources: Sequence[str]) -> None:
    """Refuse connections to one place for which there are not enough ports.

    A connection is told by its two addresses and ports, and the server's are given.

    Raises:
        SettingsError: if there are not.
    """
    low, high = _local_ports()
    ports = high - low + 1
    addresses = max(1, len(sources))
    if connections > ports * addresses:
        needed = -(-connections // ports)
        example = " ".join(f"--source-ip 127.0.0.{2 + number}" for number in range(min(needed, 3)))
        raise SettingsError(
            f"{connections:,} connections: from {addresses} address{'es' * (addresses > 1)} "
            f"there are {ports * addresses:,} ports ({low} to {high}); give {needed} addresses, as "
            f"in {example}{' …' if needed > 3 else ''}"
        )


def _local_ports() -> tuple[int, int]:
    """The first and the last port that the system gives to clients (ip(7))."""
    words = read_if_there("/proc/sys/net/ipv4/ip_local_port_range").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else _IANA_PORTS

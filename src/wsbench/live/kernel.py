"""What waits in the kernel's buffers of TCP sockets, on the loopback interface: both ends."""

import os
from collections.abc import Collection
from typing import NamedTuple

from wsbench.files import read_if_there


class Queued(NamedTuple):
    """Bytes in the kernel's buffers of all sockets of a server and of its clients."""

    server_receive: int
    server_send: int
    client_receive: int
    client_send: int

    @property
    def inwards(self) -> int:
        """What clients have sent and the server has not read."""
        return self.client_send + self.server_receive

    @property
    def outwards(self) -> int:
        """What the server has sent and clients have not read."""
        return self.server_send + self.client_receive


def queued_bytes(port: int, clients: Collection[int] | None = None) -> Queued | None:
    """What waits between a server's port and clients on this machine; None where nothing tells.

    Of all clients, or of those that have one of the ports `clients`.

    See `/proc/net/tcp` in Linux' documentation (networking/proc_net_tcp): a send queue holds what
    was not acknowledged, a receive queue what was not read.
    """
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in read_if_there(f"/proc/net/{name}").splitlines()[1:]
    ]
    if not lines:
        return None
    sums = dict.fromkeys(Queued._fields, 0)
    for _, local, remote, state, queues, *_ in lines:
        # Of a listening socket, they are connections that wait.
        if state == "0A":
            continue
        send, receive = (int(queue, 16) for queue in queues.split(":"))
        own, other = (int(address.rpartition(":")[2], 16) for address in (local, remote))
        # Each connection is there twice, once from each of its ends.
        for end, server, client in (("server", own, other), ("client", other, own)):
            if server == port and (clients is None or client in clients):
                sums[f"{end}_send"] += send
                sums[f"{end}_receive"] += receive
    return Queued(**sums)


def socket_memory_bytes() -> int | None:
    """The memory that all TCP sockets of the system take, None where it does not tell.

    The kernel's pages for their buffers, `mem` in `/proc/net/sockstat`, with what it takes to
    manage them. Since Linux 6.0, what a CPU has added or given back is counted when it has come to
    a MiB (sysctl net.core.mem_pcpu_rsv): the figure is off by up to as much for each.
    """
    for line in read_if_there("/proc/net/sockstat").splitlines():
        words = line.split()
        if words[0] == "TCP:" and "mem" in words:
            return int(words[words.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE")
    return None

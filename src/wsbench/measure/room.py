"""Whether what is to be filled on purpose fits into memory."""

from wsbench.machine import available_bytes

# How much of the available memory may be filled, and what a tracing server takes of it.
MEMORY_SHARE = 0.5
_PROCESS_BYTES = 128 * 2**20


class WillNotFit(Exception):  # noqa: N818
    """What is to be filled, `needed_bytes`, does not fit into `free_bytes` of memory."""

    def __init__(self, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(needed_bytes, free_bytes)
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


def check_room(needed_bytes: int) -> None:
    """Raise WillNotFit unless so much fits into the share of memory that may be used."""
    free_bytes = max(0, int(MEMORY_SHARE * available_bytes()) - _PROCESS_BYTES)
    if needed_bytes > free_bytes:
        raise WillNotFit(needed_bytes, free_bytes)

"""Memory per connection down the ladder: two runs, the docs' column, and the time of the grid."""

import time

from wsbench import LADDER, cross
from wsbench.measure.memory import measure_memory
from wsbench.settings import MEMORY_LEVELS, WINDOW_BITS

# Whole KiB, as printed in websockets' documentation (docs/topics/compression.rst).
DOCS_KIB = (316, 172, 100, 64, 46, 37, 33, 14)


def main() -> None:
    """Print a line a settings, then the time of all 63 settings and the disabled row."""
    first, second = (list(measure_memory([*LADDER, None])) for _ in range(2))
    print("KiB allocated per connection")
    print(f"{'settings':10}{'first':>10}{'second':>10}{'docs':>8}")
    for (settings, one), (_, two), docs_kib in zip(first, second, DOCS_KIB, strict=True):
        kib = [memory.connection_bytes / 1024 for memory in (one, two)]
        print(f"{settings or 'off'!s:10}{kib[0]:10.1f}{kib[1]:10.1f}{docs_kib:8}")
    start = time.perf_counter()
    rows = len(list(measure_memory([*cross(WINDOW_BITS, MEMORY_LEVELS), None])))
    print(f"{rows} rows, the whole grid: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()

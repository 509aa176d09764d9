"""A pool of local processes that does not outlive its parent nor an interruption."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager


@contextmanager
def local_pool(workers: int) -> Iterator[Executor]:
    """An executor of `workers` processes; on any exception, what they do is thrown away."""
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, initializer=_follow_parent)
    try:
        yield pool
    except BaseException:
        for worker in set(multiprocessing.active_children()) - before:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it does: a killed parent cannot stop its workers.

    SIGTERM ends it at once, whatever the parent, which it is a copy of, makes of that.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()

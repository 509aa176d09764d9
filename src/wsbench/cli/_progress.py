"""Progress bars on a terminal; nothing anywhere else."""

import sys
from types import TracebackType
from typing import Any, Self

import click

from wsbench._sweep import Progress

_STEPS = 1000


class ProgressBars:
    """A bar for each phase of a sweep, with click's estimate of the time that remains."""

    def __init__(self, *, quiet: bool) -> None:
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._phase = ""
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def __call__(self, progress: Progress) -> None:
        """Show how far a phase has come."""
        if not self._shown:
            return
        if progress.phase != self._phase:
            self._close()
            self._phase = progress.phase
            label = f"{progress.phase:6}"
            self._bar = click.progressbar(length=_STEPS, label=label, file=sys.stderr)
            self._bar.__enter__()
        self._bar.update(round(progress.fraction * _STEPS) - self._bar.pos)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None

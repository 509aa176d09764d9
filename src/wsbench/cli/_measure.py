"""What every command that measures does: show progress, deliver results, whole or partial."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from wsbench._sweep import SweepInterrupted
from wsbench.cli import EXIT_DONE, EXIT_INTERRUPTED, remark, warn
from wsbench.cli._output import emit
from wsbench.cli._progress import ProgressBars
from wsbench.errors import MeasurementError
from wsbench.results import Results


def measure(
    run: Callable[[ProgressBars], Results],
    render: Callable[[Results], str],
    *,
    output: str | None,
    save: str | None,
    quiet: bool,
) -> int:
    """Measure, print and save, what there is of it after a failure or Ctrl-C; the exit code.

    Raises:
        MeasurementError: if a measurement failed.
        ResultsError: if the results cannot be written.
    """

    def deliver(results: Results) -> None:
        if not quiet:
            warn(results.warnings)
        # Save first: a terminal that went away must not cost the record; then print all the same.
        try:
            if save is not None:
                results.save(Path(save))
        finally:
            emit(render(results), output)

    signal.signal(signal.SIGINT, interrupt_once)
    try:
        with ProgressBars(quiet=quiet) as progress:
            results = run(progress)
    except SweepInterrupted as interrupted:
        deliver(interrupted.results)
        if not quiet:
            remark("interrupted: the results are partial")
        return EXIT_INTERRUPTED
    except MeasurementError as error:
        if error.results is not None:
            deliver(error.results)
        raise
    deliver(results)
    return EXIT_DONE


def interrupt_once(_signum: int, _frame: FrameType | None) -> None:
    """A handler of SIGINT that raises KeyboardInterrupt, once."""
    # Whoever presses Ctrl-C twice wants an end, not the loss of what the first one delivers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt

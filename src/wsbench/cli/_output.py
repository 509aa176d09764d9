"""Where results go: standard output or a file, checked before anything is measured."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from wsbench.cli import discard_output
from wsbench.errors import ResultsError
from wsbench.files import check_writable, write_atomically


def check_target(option: str, path: str | None, input_path: str) -> None:
    """Raise click.UsageError unless the file that an option names can be written.

    It must not be the input that is about to be read, nor, where that is a directory, become a
    message in it.
    """
    if path is None or (path == "-" and option == "--output"):
        return
    if path in ("", "-"):
        raise click.UsageError(f"{option} {path!r}: name a file")
    if input_path != "-" and is_same_file(path, input_path):
        raise click.UsageError(f"{option} {path}: that is the input; name another file")
    target = Path(path)
    if is_same_file(target.parent, input_path) and not target.name.startswith("."):
        raise click.UsageError(f"{option} {path}: it would join the corpus; name another place")
    try:
        check_writable(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.UsageError(
            f"{option} {path}: {reason}; name a file that can be written"
        ) from error


def check_targets(output: str | None, save: str | None, input_path: str | None) -> None:
    """Raise click.UsageError unless both files can be written, and are not the same."""
    # Without an input there is nothing to be spared, as with standard input.
    check_target("--output", output, input_path or "-")
    check_target("--save", save, input_path or "-")
    if save is not None and output is not None and is_same_file(save, output):
        raise click.UsageError(f"--save and --output are both {save}; name two files")


def is_same_file(path: str | Path, other: str | Path) -> bool:
    """Whether two names lead to the same place, which need not exist."""
    return os.path.realpath(path) == os.path.realpath(other)


def emit(text: str, path: str | None = None) -> None:
    """Print, or write to a file at once.

    Raises:
        ResultsError: if the file cannot be written.
    """
    if path is None or path == "-":
        _print(text)
        return
    try:
        write_atomically(Path(path), text.encode())
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; name another place") from error


def emit_bytes(chunks: Iterable[bytes]) -> None:
    """Print bytes as they are made.

    Raises:
        ResultsError: if standard output cannot be written to.
    """
    _write(lambda: sys.stdout.buffer.writelines(chunks))


def _print(text: str) -> None:
    _write(lambda: sys.stdout.write(text))


def _write(write: Callable[[], object]) -> None:
    if sys.stdout is None:
        raise ResultsError("standard output is closed; pass --output FILE")
    try:
        write()
        sys.stdout.flush()
    except OSError as error:
        discard_output()
        # Who read the output may have seen enough of it, as `head` does.
        if not isinstance(error, BrokenPipeError):
            raise ResultsError(f"standard output: {error.strerror}") from error

"""Where results go: standard output or a file, checked before anything is measured."""

import os
import sys
from pathlib import Path

import click

from wsbench.errors import ResultsError
from wsbench.files import check_writable, write_atomically


def check_target(option: str, path: str | None, corpus_path: str | None = None) -> None:
    """Raise click.UsageError unless the file that an option names can be written.

    It must not be the corpus that is about to be read.
    """
    if path is None or (path == "-" and option == "--output"):
        return
    if path in ("", "-"):
        raise click.UsageError(f"{option} {path!r}: name a file")
    if corpus_path is not None and corpus_path != "-" and _same(path, corpus_path):
        raise click.UsageError(f"{option} {path}: that is the corpus; name another file")
    try:
        check_writable(Path(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.UsageError(
            f"{option} {path}: {reason}; name a file that can be written"
        ) from error


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


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer must go somewhere when Python closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Who read the output may have seen enough of it, as `head` does.
        if not isinstance(error, BrokenPipeError):
            raise ResultsError(f"standard output: {error.strerror}") from error


def _same(path: str, other: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)

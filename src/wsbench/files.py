"""Writing files so that nothing is lost or half written; reading standard input and the system."""

import errno
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO


def standard_input() -> BinaryIO:
    """Standard input, as bytes.

    Raises:
        OSError: if it is closed.
    """
    # Python leaves no stream where the descriptor was closed.
    if sys.stdin is None:
        raise OSError(errno.EBADF, "it is closed")
    return sys.stdin.buffer


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Replace the file at `path` by `data` at once: a reader sees the old bytes or the new ones.

    A symbolic link is followed. A device or pipe, which cannot be replaced, is written to.

    Raises:
        OSError: if it cannot be written; what was there before is then untouched.
    """
    chunks = [data] if isinstance(data, bytes) else data
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            file.writelines(chunks)
        return
    target = Path(os.path.realpath(path))
    draft = _draft(target)
    try:
        with draft.open("xb") as file:
            if target.exists():
                draft.chmod(target.stat().st_mode & 0o7777)
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Find out before a long run whether `write_atomically` will work; change nothing.

    Raises:
        OSError: if it will not.
    """
    if path.is_dir():
        raise IsADirectoryError("it is a directory")
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError("it is not writable")
    if path.exists() and not path.is_file():
        return
    draft = _draft(Path(os.path.realpath(path)))
    draft.open("xb").close()
    draft.unlink()


def _draft(target: Path) -> Path:
    """A name beside the target, for what is not finished."""
    return target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")


def read_if_there(path: str | Path) -> str:
    """The text of a file in which the system tells something, empty where it does not."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""

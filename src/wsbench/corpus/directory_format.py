"""Directory corpora: every visible file is one message, in the order of their names."""

import os
from collections.abc import Iterable
from pathlib import Path

from wsbench.corpus.model import Message
from wsbench.errors import CorpusError

# Files whose name promises text or bytes; any other file is text if it is UTF-8.
_TEXT_EXTENSIONS = frozenset({".json", ".txt"})
_BINARY_EXTENSION = ".bin"


def read(path: Path) -> list[Message]:
    """The files of the directory, bytes as they stand; subdirectories are left out.

    A `.bin` file is a binary message, a `.txt` or `.json` file a text message; any other file is
    text if it is UTF-8, binary if not.

    Raises:
        CorpusError: if a file cannot be read, or should be text and is not UTF-8.
    """
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
        # A link that leads nowhere is a message that is missing.
        return [_message(entry) for entry in entries if entry.is_file() or not entry.exists()]
    except OSError as error:
        raise CorpusError(
            f"{error.filename}: {error.strerror}; make it readable, or take it out of the directory"
        ) from error


def write(messages: Iterable[Message], count: int, path: Path) -> None:
    """Make a directory that `read` gives back: one numbered file for each of `count` messages.

    Raises:
        CorpusError: if `path` exists and is anything but an empty directory, or if it cannot
            be written.
    """
    try:
        is_taken = path.exists() and not (path.is_dir() and not any(path.iterdir()))
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}; name another place") from error
    if is_taken:
        raise CorpusError(f"{path}: exists; name a directory that does not")
    path = Path(os.path.realpath(path))
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    digits = len(str(count))
    try:
        draft.mkdir()
        for number, message in enumerate(messages, 1):
            extension = ".txt" if message.text else _BINARY_EXTENSION
            (draft / f"{number:0{digits}}{extension}").write_bytes(message.data)
        draft.replace(path)
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}; name another place") from error
    finally:
        if draft.exists():
            for file in draft.iterdir():
                file.unlink()
            draft.rmdir()


def _message(path: Path) -> Message:
    data = path.read_bytes()
    extension = path.suffix.lower()
    if extension == _BINARY_EXTENSION:
        return Message(data, False)
    try:
        return Message(data, True)
    except CorpusError as error:
        if extension in _TEXT_EXTENSIONS:
            raise CorpusError(
                f"{path}: {error}; rename it to .bin to measure it as a binary message"
            ) from error
        return Message(data, False)

"""The bytes of a corpus, from a path, a URL or standard input, unpacked as they are read."""

import contextlib
import gzip
import io
import itertools
import re
import signal
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

from wsbench.errors import CorpusError
from wsbench.files import standard_input

# What is held in memory; of anything larger, formats that can be are read again for each use.
HELD_BYTES = 32 * 2**20
# What is unpacked to so many times its size, and to more than a quarter of what is held, would only
# fill the memory: messages of a byte or two take many times what they do in the file.
_MOST_TIMES = 100

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_URL = re.compile(r"[a-z0-9+]+://\S+")
# What of a library's message fits on a line.
_MOST_CHARACTERS = 200
_REMEDY = "name a file, a directory, a URL or - for standard input"


class File:
    """The bytes of one corpus, which can be read from the start any number of times.

    `label` names it in error messages.
    """

    def __init__(self, label: str, raw: bytes | Path, owner: object = None) -> None:
        self.label = label
        self._raw = raw
        # What removes a temporary file when nobody uses it any more.
        self._owner = owner
        self._state = _state(raw) if isinstance(raw, Path) else None

    def __getstate__(self) -> dict[str, object]:
        # For worker processes, which do not outlive their parent, and must not remove the file.
        return {**self.__dict__, "_owner": None}

    @contextmanager
    def open(self, *, bounded: bool = False) -> Iterator[BinaryIO]:
        """The unpacked bytes from the start, without a byte order mark.

        With `bounded`, what unpacks to more than `most_bytes` is refused, for readers that keep
        what they read.

        Raises:
            CorpusError: if the file cannot be opened, is UTF-16, or is another than it was before;
                while it is read, if it cannot be unpacked.
        """
        with contextlib.ExitStack() as stack:
            if isinstance(self._raw, bytes):
                packed: BinaryIO = io.BytesIO(self._raw)
            else:
                try:
                    packed = stack.enter_context(self._raw.open("rb"))
                    has_changed = self._state != _state(self._raw)
                except OSError as error:
                    raise CorpusError(f"{self.label}: {error.strerror}; {_REMEDY}") from error
                if has_changed:
                    raise CorpusError(
                        f"{self.label}: it changed since it was first read; give a copy, or wait "
                        f"until it is finished"
                    )
            file: BinaryIO = packed
            if self._starts_with(packed, _GZIP_MAGIC):
                unpacked = _Unpacked(self.label, packed, self.most_bytes() if bounded else None)
                file = stack.enter_context(io.BufferedReader(unpacked, 2**17))
            start = file.read(len(_UTF8_BOM))
            if start.startswith(_UTF16_BOMS):
                raise CorpusError(f"{self.label}: UTF-16; save it as UTF-8")
            if start != _UTF8_BOM:
                file.seek(0)
            yield file

    def most_bytes(self) -> int:
        """What it may unpack to: a multiple of its size that no corpus reaches, if that is much."""
        packed_bytes = len(self._raw) if isinstance(self._raw, bytes) else self._raw.stat().st_size
        return max(HELD_BYTES // 4, _MOST_TIMES * packed_bytes)

    def open_beside(self, name: str) -> BinaryIO | None:
        """A file in the same folder, or in one below; None if there is none.

        Raises:
            CorpusError: if it cannot be opened.
        """
        if isinstance(self._raw, bytes) or self._owner is not None:
            return None
        folder = self._raw.resolve().parent
        try:
            path = (folder / name).resolve()
            # What is read must not be able to name just any file of the system.
            return path.open("rb") if path.is_relative_to(folder) and path.is_file() else None
        except (ValueError, RuntimeError):  # No name of a file, or links that go round in circles.
            return None
        except OSError as error:
            raise CorpusError(
                f"{self.label}: {name!r} beside it: {error.strerror}; make it readable"
            ) from error

    def is_packed(self) -> bool:
        """Whether it is gzipped."""
        if isinstance(self._raw, bytes):
            return self._raw.startswith(_GZIP_MAGIC)
        with self._raw.open("rb") as packed:
            return self._starts_with(packed, _GZIP_MAGIC)

    @staticmethod
    def _starts_with(file: BinaryIO, magic: bytes) -> bool:
        start = file.read(len(magic))
        file.seek(0)
        return start == magic


def _state(path: Path) -> tuple[int, int, int]:
    """What is another when a file is."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


class Source(NamedTuple):
    """What is known of a corpus before its format is.

    `stem` and `extension` are its name without directory, `.gz` and extension, and the extension
    with its dot, in lower case; `head` are its first bytes, all of them if it `is_whole`.
    """

    file: File
    stem: str
    extension: str
    head: bytes
    is_whole: bool


def read_source(path: str) -> Source:
    """The start of a file, of what is at a URL, or, if the path is `-`, of standard input.

    gzip is recognised by its content. What is no file, and so cannot be read twice, is kept in a
    temporary one if it is large.

    Raises:
        CorpusError: if it cannot be read or unpacked, or is UTF-16.
    """
    file, name = _file(path)
    with file.open() as unpacked:
        head = unpacked.read(HELD_BYTES + 1)
        if file.is_packed():
            name = name.removesuffix(".gz")
    pure = PurePath(name)
    return Source(file, pure.stem, pure.suffix.lower(), head[:HELD_BYTES], len(head) <= HELD_BYTES)


def is_url(path: str) -> bool:
    """Whether a corpus is named by a URL, such as `s3://bucket/key` or `zip://a.har::b.zip`."""
    scheme, colon, rest = path.partition("://")
    return bool(colon and rest) and scheme.replace("+", "").replace("-", "").isalnum()


def _file(path: str) -> tuple[File, str]:
    """The file of a corpus, and its name."""
    if path == "-":
        label = "standard input"
        try:
            return _kept(label, standard_input()), "stdin"
        except OSError as error:
            raise CorpusError(f"{label}: {error.strerror}; {_REMEDY}") from error
    if is_url(path):
        label = without_secrets(path)
        with _opened(path, label) as remote:
            # In a chain, the first says what is taken out of the others: `zip://a.har::b.zip`.
            first = _without_secrets(path.partition("::")[0]).partition("://")[2]
            return _kept(label, remote), PurePath(first.removesuffix("?…")).name
    name = PurePath(path).name
    try:
        if Path(path).is_file():
            return File(path, Path(path)), name
        # A pipe, say, which can be read once.
        with Path(path).open("rb") as pipe:
            return _kept(path, pipe), name
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}; {_REMEDY}") from error


def _kept(label: str, stream: BinaryIO) -> File:
    """What a stream gives, in memory, or in a temporary file if it is large."""
    data = stream.read(HELD_BYTES + 1)
    if len(data) <= HELD_BYTES:
        return File(label, data)
    return spooled(label, itertools.chain([data], iter(lambda: stream.read(2**20), b"")))


def spooled(label: str, chunks: Iterable[bytes]) -> File:
    """A temporary file with these bytes, which is removed when it is no longer used.

    Raises:
        CorpusError: if it cannot be written.
    """
    # What a signal ends by default removes no temporary files.
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        with contextlib.suppress(ValueError):  # Not in the main thread.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        spool = tempfile.NamedTemporaryFile(prefix="wsbench-")  # noqa: SIM115
        spool.writelines(chunks)
        spool.flush()
    except OSError as error:
        raise CorpusError(
            f"{label}: {error.strerror or error}, while it was copied to {_temporary_folder()}; "
            f"set TMPDIR to a folder with room"
        ) from error
    return File(label, Path(spool.name), spool)


def _temporary_folder() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return "a temporary file"


def without_secrets(url: str) -> str:
    """A URL, or a chain of them, without what may be secret: passwords, signed queries."""
    return "::".join(map(_without_secrets, url.split("::")))


def _without_secrets(url: str) -> str:
    before, separator, after = url.partition("?")
    scheme, colon, rest = before.partition("://")
    host, slash, path = rest.partition("/")
    shown = f"{scheme}{colon}{host.rpartition('@')[2]}{slash}{path}"
    return f"{shown}?…" if separator and after else shown


@contextmanager
def _opened(url: str, label: str) -> Iterator[BinaryIO]:
    """What is at a URL.

    Raises:
        CorpusError: if it cannot be had.
    """
    try:
        import fsspec
    except ImportError as error:
        raise CorpusError(
            f"{label}: reading URLs needs fsspec; pip install 'wsbench[remote]'"
        ) from error
    try:
        with fsspec.open(url, "rb") as remote:
            yield remote
    except CorpusError:
        raise
    # Each of fsspec's file systems has exceptions of its own, down to those of cloud libraries.
    except Exception as error:
        raise CorpusError(f"{label}: {_reason(error)}; {_REMEDY}") from error


def _reason(error: Exception) -> str:
    """What an exception of a file system says, on one line, without secrets in URLs."""
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, Exception):
        # fsspec makes one of whatever keeps it from opening a URL.
        error = error.__cause__
    text = str(error) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        text = "No such file"
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror
    elif status := getattr(error, "status", None):
        text = f"HTTP status {status}"
    text = _URL.sub(lambda match: without_secrets(match[0]), text)
    return " ".join(text.split())[:_MOST_CHARACTERS].rstrip(".")


def too_large(label: str) -> CorpusError:
    """The error of what unpacks to more than `File.most_bytes`."""
    return CorpusError(
        f"{label}: it unpacks to more than {_MOST_TIMES} times its size, which would have to be "
        f"held in memory; give the unpacked file, or convert it to lines"
    )


class _Unpacked(io.RawIOBase):
    """A gzip file, unpacked as it is read; up to `most_bytes` of it."""

    def __init__(self, label: str, packed: BinaryIO, most_bytes: int | None) -> None:
        self._label = label
        self._most_bytes = most_bytes
        self._gzip = gzip.GzipFile(fileobj=packed, mode="rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._gzip.seek(offset, whence)

    def tell(self) -> int:
        return self._gzip.tell()

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        try:
            data = self._gzip.read1(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            text = str(error)
            raise CorpusError(
                f"{self._label}: corrupt gzip: {text[:1].lower()}{text[1:]}; compress it again, "
                f"or give the unpacked file"
            ) from error
        if self._most_bytes is not None and self._gzip.tell() > self._most_bytes:
            raise too_large(self._label)
        buffer[: len(data)] = data
        return len(data)

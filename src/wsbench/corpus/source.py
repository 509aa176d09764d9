"""The bytes of a corpus file, from a path or from standard input, unpacked."""

import gzip
import zlib
from pathlib import Path, PurePath
from typing import NamedTuple

from wsbench.errors import CorpusError
from wsbench.files import read_stdin

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class Source(NamedTuple):
    """What a reader gets.

    `label` names the file in error messages; `stem` and `extension` are its name without
    directory, `.gz` and extension, and the extension with its dot, in lower case; `data` holds
    its bytes, unpacked, without a byte order mark.
    """

    label: str
    stem: str
    extension: str
    data: bytes


def read_source(path: str) -> Source:
    """Read a file, or standard input if the path is `-`; gzip is recognised by its content.

    Raises:
        CorpusError: if the file cannot be read or unpacked, or is UTF-16.
    """
    if path == "-":
        label, name = "standard input", "stdin"
    else:
        label, name = path, PurePath(path).name
    try:
        data = read_stdin() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise CorpusError(
            f"{label}: {error.strerror}; name a file, a directory or - for standard input"
        ) from error
    if data.startswith(_GZIP_MAGIC):
        name = name.removesuffix(".gz")
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise CorpusError(
                f"{label}: corrupt gzip: {_as_clause(error)}; compress it again, or give the "
                f"unpacked file"
            ) from error
    if data.startswith(_UTF16_BOMS):
        raise CorpusError(f"{label}: UTF-16; save it as UTF-8")
    pure = PurePath(name)
    return Source(label, pure.stem, pure.suffix.lower(), data.removeprefix(_UTF8_BOM))


def _as_clause(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]

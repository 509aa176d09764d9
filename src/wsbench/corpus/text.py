"""Places in a text file, as error messages name them."""

from wsbench.errors import CorpusError


def place(data: bytes, offset: int) -> str:
    """`LINE:COLUMN`, from 1, of a byte; the column counts characters as an editor does."""
    line = data.count(b"\n", 0, offset) + 1
    line_start = data.rfind(b"\n", 0, offset) + 1
    column = len(data[line_start:offset].decode(errors="replace")) + 1
    return f"{line}:{column}"


def require_utf8(data: bytes, label: str) -> None:
    """Raise CorpusError, naming the place, unless the data is UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        raise not_utf8(data, label) from None


def not_utf8(data: bytes, label: str, line: int = 1) -> CorpusError:
    """The error, naming the place, of data that is not UTF-8 and begins in some line."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        of_data, _, column = place(data, error.start).partition(":")
        return CorpusError(
            f"{label}:{line + int(of_data) - 1}:{column}: not UTF-8 (byte "
            f"0x{data[error.start]:02x}); binary messages go into a capture, or a directory, one "
            f"file each"
        )
    raise ValueError("it is UTF-8")

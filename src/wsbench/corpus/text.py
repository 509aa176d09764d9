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
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{label}:{place(data, error.start)}: not UTF-8 (byte 0x{data[error.start]:02x}); "
            f"binary messages go into a directory, one file each"
        ) from error

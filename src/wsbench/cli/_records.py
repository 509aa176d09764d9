"""Files of records, as commands that read several of them take them."""

from wsbench.files import standard_input
from wsbench.oneline import file_label
from wsbench.results import Results, load_records, parse_records


def read_records(path: str) -> tuple[str, tuple[Results, ...]]:
    """What a file, or - for standard input, is called, and its records.

    Raises:
        ResultsError: if it holds none.
    """
    if path == "-":
        name = "standard input"
        return name, parse_records(standard_input().read(), name)
    return file_label(path), load_records(path)

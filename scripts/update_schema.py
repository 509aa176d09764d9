"""Write the JSON Schema of the record of results: `python scripts/update_schema.py`."""

from inspect import cleandoc
from pathlib import Path

import msgspec

from wsbench.results import Results

SCHEMA = Path(__file__).parent.parent / "docs" / "result.schema.json"


def schema() -> bytes:
    """The schema, generated from the types that wsbench itself validates with."""
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wsbench.result/1",
        **msgspec.json.schema(Results),
    }
    for definition in described["$defs"].values():
        # Docstrings come with their indentation, and with what Python code must know.
        text, _, _ = cleandoc(definition["description"]).partition("\n\nRaises:")
        definition["description"] = " ".join(text.split())
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"


if __name__ == "__main__":
    SCHEMA.write_bytes(schema())

"""Write the JSON Schemas of results and captures: `python scripts/update_schema.py`."""

from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args

import msgspec

from wsbench.corpus.capture_format import Header, Record
from wsbench.results import Results

DOCS = Path(__file__).parent.parent / "docs"


def schema() -> bytes:
    """The schema of a record of results, as it is in a file."""
    schema: dict[str, Any] = msgspec.json.decode(_schema([Results], "wsbench.result/1"))
    schema["$defs"]["Results"]["properties"]["seal"] = {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": "SHA-256 of the rest of the record, in JSON with sorted keys, whole numbers "
        "without a fraction, and no white space.",
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def capture_schema() -> bytes:
    """The schema of a line of a capture: the header, or a record."""
    return _schema([Header, *get_args(Record)], "A line of wsbench.capture/1")


def _schema(kinds: list[Any], title: str) -> bytes:
    """A schema of any of these types, which wsbench itself validates with."""
    schemas, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    described = schemas[0] if len(schemas) == 1 else {"oneOf": list(schemas)}
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **described,
        "$defs": definitions,
    }
    for definition in definitions.values():
        # Docstrings come with their indentation, and with what Python code must know.
        text, _, _ = cleandoc(definition["description"]).partition("\n\nRaises:")
        definition["description"] = " ".join(text.split())
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"


if __name__ == "__main__":
    (DOCS / "result.schema.json").write_bytes(schema())
    (DOCS / "capture.schema.json").write_bytes(capture_schema())

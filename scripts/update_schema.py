"""Write the JSON Schemas of what wsbench writes and prints: `python scripts/update_schema.py`."""

from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args

import msgspec

from wsbench.checks import Check
from wsbench.compare import Comparisons
from wsbench.corpus.capture_format import Header, Record
from wsbench.history import History
from wsbench.results import Results

DOCS = Path(__file__).parent.parent / "docs"


def schema() -> bytes:
    """The schema of a record of results, as it is in a file."""
    return _written(_with_seal(_schema([Results], "wsbench.result/1")))


def records_schema() -> bytes:
    """The schema of a file with several records."""
    schema = _with_seal(_schema([Results], "wsbench.records/1"))
    record = {"$ref": schema.pop("$ref")}
    return _written(
        schema
        | {
            "type": "object",
            "properties": {
                "schema": {"enum": ["wsbench.records/1"]},
                "records": {"type": "array", "items": record, "minItems": 1},
            },
            "required": ["schema", "records"],
        }
    )


def check_schema() -> bytes:
    """The schema of what `wsbench check --format json` prints."""
    return _written(_schema([Check], "wsbench.check/1"))


def comparison_schema() -> bytes:
    """The schema of what `wsbench compare --format json` prints."""
    return _written(_schema([Comparisons], "wsbench.comparison/1"))


def history_schema() -> bytes:
    """The schema of what `wsbench history --format json` prints."""
    return _written(_schema([History], "wsbench.history/1"))


def capture_schema() -> bytes:
    """The schema of a line of a capture: the header, or a record."""
    return _written(_schema([Header, *get_args(Record)], "A line of wsbench.capture/1"))


def _with_seal(schema: dict[str, Any]) -> dict[str, Any]:
    schema["$defs"]["Results"]["properties"]["seal"] = {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": "SHA-256 of the rest of the record, in JSON with sorted keys, whole numbers "
        "without a fraction, and no white space.",
    }
    return schema


def _schema(kinds: list[Any], title: str) -> dict[str, Any]:
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
    return whole


def _written(schema: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


if __name__ == "__main__":
    (DOCS / "result.schema.json").write_bytes(schema())
    (DOCS / "records.schema.json").write_bytes(records_schema())
    (DOCS / "capture.schema.json").write_bytes(capture_schema())
    (DOCS / "check.schema.json").write_bytes(check_schema())
    (DOCS / "comparison.schema.json").write_bytes(comparison_schema())
    (DOCS / "history.schema.json").write_bytes(history_schema())

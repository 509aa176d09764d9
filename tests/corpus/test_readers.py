"""Whatever a file holds, it is read, or refused with an error of one line, in bounded memory.

fuzz/README.md is about doing the same for hours, guided by coverage.
"""

import gzip
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbench.corpus import load_corpus
from wsbench.errors import CorpusError

HAR = b"""{"log":{"version":"1.2","entries":[
{"_resourceType":"document","response":{"content":{"text":"\\udce9\\"x","_file":"x"}}},
{"_resourceType":"websocket","_webSocketMessages":[
{"type":"send","time":1795557857930.1,"opcode":1,"data":"h\\u00e9llo \\ud83d\\udc0e"},
{"type":"receive","time":1795557857.9,"opcode":2,"data":"AAH+/w=="},
{"type":"error","time":12351.5,"opcode":-1,"data":"net::ERR"}]},
{"_webSocketMessages":null,"a":[[[{"b":[1.5e3,-2,true]}]]]},
{"_resourceType":"websocket","response":{"content":{"_file":"m.jsonl"}}}]}}"""
LINES = b'{"type":"receive","time":1795557857.9,"opcode":1,"data":"from another file"}\n'
CAPTURE = """{"schema":"wsbench.capture/1","created":"2026-01-05T14:30:00Z","wsbench":"0.1.0"}
{"type":"open","connection":0,"time":1795558073.5,"path":"/chat"}
{"type":"text","connection":0,"direction":"client","time":1795558073.6,"data":"h\u00e9llo"}
{"type":"binary","connection":1,"direction":"server","time":1795558074,"data":"AAH+/w=="}
{"type":"close","connection":0,"code":1000,"reason":"","direction":"client"}
""".encode()


def archive(har: bytes, attached: bytes = LINES) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("a.har", har)
        writer.writestr("m.jsonl", attached)
    return packed.getvalue()


VALID = {
    "a.json": '["h\u00e9llo", {"a": [1, 2.50, null]}, "\\u00e9\\n", ""]'.encode(),
    "b.json": b'{"about": 1, "messages": ["x", {}]}',
    "a.jsonl": '{"a":1}\n\n"b"\r\nplain \u00e9\n'.encode(),
    "a.capture.jsonl": CAPTURE,
    "a.har": HAR,
    "a.zip": archive(HAR),
    "a.json.gz": gzip.compress(b'["hello", {"a": 1}]'),
    "a.har.gz": gzip.compress(HAR),
}
FORMATS = (None, "json", "lines", "har", "capture")
TOKENS = (
    *(b"[", b"]", b"{", b"}", b'"', b":", b",", b"\\", b"\n", b"\r\n", b"null", b"true", b"NaN"),
    *(b"-1", b"1e999", b"9" * 30, b"9" * 5000, b'\\ud800"', b"\\udc00", b"\xff", b"\xed\xa0\x80"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b\x08", b"PK\x03\x04", b"\0", b'"a":', b'"type":'),
    *(b'"data":"AAE=",', b'"_webSocketMessages":[', b'{"log":{"entries":[', b"[" * 3000),
)
# What takes the place of so many bytes at so many 65,536ths of a file.
edits = st.lists(
    st.tuples(
        st.integers(0, 65_535),
        st.sampled_from((0, 1, 2, 8, 100)),
        st.sampled_from(TOKENS) | st.binary(max_size=4),
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "m.jsonl").write_bytes(LINES)
        yield Path(name)


def check(path: Path, data: bytes, format: str | None) -> None:
    """The file is read, or refused as the rules for errors have it."""
    path.write_bytes(data)
    try:
        corpus = load_corpus(path, format)
    except CorpusError as error:
        text = str(error)
        if not (text.isprintable() and text.startswith(str(path))):
            raise AssertionError(text) from error
    else:
        assert all(remark.isprintable() for remark in corpus.remarks)
        assert corpus.statistics().messages == sum(1 for _ in corpus.messages()) > 0


def test_valid_files_are_read(folder: Path) -> None:
    for name, data in VALID.items():
        (folder / name).write_bytes(data)
        assert load_corpus(folder / name).statistics().messages >= 2


@given(st.binary(max_size=200), st.sampled_from(list(VALID)), st.sampled_from(FORMATS))
@settings(max_examples=300)
def test_any_bytes(folder: Path, data: bytes, name: str, format: str | None) -> None:
    check(folder / name, data, format)


@pytest.mark.parametrize("name", VALID)
@given(edits=edits, format=st.sampled_from(FORMATS) | st.none(), is_packed=st.booleans())
@settings(max_examples=120)
def test_damaged_files(
    folder: Path,
    name: str,
    edits: list[tuple[int, int, bytes]],
    format: str | None,
    is_packed: bool,
) -> None:
    data = VALID[name]
    for place, length, replacement in edits:
        start = place * len(data) // 65_535
        data = data[:start] + replacement + data[start + length :]
    if is_packed:
        data = gzip.compress(data, 1)
    check(folder / name, data, format)


@given(edits=edits)
@settings(max_examples=120)
def test_damaged_files_in_archives(folder: Path, edits: list[tuple[int, int, bytes]]) -> None:
    data = HAR + LINES
    for place, length, replacement in edits:
        start = place * len(data) // 65_535
        data = data[:start] + replacement + data[start + length :]
    check(folder / "a.zip", archive(data[: len(HAR)], data[len(HAR) :]), None)


# Small files that would be large in memory

MEBIBYTE = 2**20
# Reads files with little room for what they unpack to; tells what became of each.
READ = """
import json, resource, sys
from wsbench.corpus import load_corpus
from wsbench.errors import CorpusError
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))
for path in sys.argv[1:]:
    try:
        outcome = load_corpus(path).statistics().messages
    except (CorpusError, MemoryError) as error:
        outcome = f"{type(error).__name__}: {error}"
    print(json.dumps(outcome))
"""


def of_many(start: bytes, repeated: bytes, mebibytes: int, end: bytes = b"") -> Iterator[bytes]:
    yield start
    block = repeated * (MEBIBYTE // len(repeated))
    for _ in range(mebibytes):
        yield block
    yield end


def gzipped(chunks: Iterator[bytes]) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6) as writer:
        for chunk in chunks:
            writer.write(chunk)
    return packed.getvalue()


def zipped(har: Iterator[bytes], attached: Iterator[bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, chunks in (("a.har", har), ("m.jsonl", attached)):
            with writer.open(name, "w") as member:
                for chunk in chunks:
                    member.write(chunk)
    return packed.getvalue()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounds memory as Linux does")
def test_small_files_do_not_fill_the_memory(tmp_path: Path) -> None:
    refused = "it unpacks to more than 100 times its size"
    har, message = b'{"log":{"entries":[{"a":"', b'{"type":"send","opcode":1,"data":"x"}'
    messages = b'"_webSocketMessages":[' + message + b"]}]}}"
    attaching = (
        b'{"log":{"entries":[{"_resourceType":"websocket",'
        b'"response":{"content":{"_file":"m.jsonl"}}}]}}'
    )
    deep = b'{"log":{"entries":[{"a":%b0%b,' + messages
    bombs: list[tuple[str, bytes, str | int]] = [
        ("zeros.gz", gzipped(of_many(b"", b"\0", 257)), "a line of more than 256 MiB"),
        ("a line.jsonl.gz", gzipped(of_many(b'{"a":"', b"x", 40)), 1),
        ("10 KB.json.gz", gzipped(of_many(b"[", b"1,", 9, b"1]")), refused),
        ("50 KB.json.gz", gzipped(of_many(b"[", b"1,", 40, b"1]")), refused),
        ("objects.json.gz", gzipped(of_many(b'{"messages":[', b"{},", 12, b"1]}")), refused),
        ("string.har.gz", gzipped(of_many(har, b"x", 40, b'",' + messages)), refused),
        ("har.zip", zipped(of_many(har, b"x", 40, b'"}]}}'), iter(())), refused),
        ("line.zip", zipped(iter((attaching,)), of_many(b'{"a":[', b"[],", 20)), refused),
        ("brackets.har", deep % (b"[" * MEBIBYTE, b"]" * MEBIBYTE), 1),
        ("maps.har", deep % (b'{"":' * (MEBIBYTE // 4), b"}" * (MEBIBYTE // 4)), 1),
    ]
    for name, data, _ in bombs:
        assert len(data) < 3 * MEBIBYTE
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", READ, *(tmp_path / name for name, _, _ in bombs)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    for (name, _, expected), outcome in zip(bombs, outcomes, strict=True):
        if isinstance(expected, str):
            assert str(outcome).startswith(f"CorpusError: {tmp_path / name}"), outcome
            assert expected in outcome
        else:
            assert (name, outcome) == (name, expected)

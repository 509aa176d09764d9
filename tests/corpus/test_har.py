"""HAR files: as programs write them, malformed ones, and that what is written is read again."""

import contextlib
import gzip
import io
import json
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wsbench.corpus import (
    AnyCorpus,
    Corpus,
    Event,
    Message,
    Stream,
    har_format,
    load_corpus,
    write_corpus,
)
from wsbench.errors import CorpusError

EXPORTS = Path(__file__).parent / "har"


def streams(corpus: AnyCorpus) -> list[tuple[int, str, list[str | bytes]]]:
    """Connection, sender and messages of each stream; texts as str."""
    assert isinstance(corpus, Corpus)
    return [
        (
            -1 if stream.connection is None else stream.connection,
            stream.direction,
            [item.data.decode() if item.text else item.data for item in stream.messages],
        )
        for stream in corpus.streams
    ]


# What programs write; har/README.md says which, har/make_mitmproxy.py what was sent

ALL_BYTES = bytes(range(256))
HORSE = "žluťoučký kůň – 🐎 – 日本語"
MITMPROXY_CLIENT = ["hello", "", b"\0\x01\xfe\xff", b"", HORSE, "fragmented"]
MITMPROXY_SERVER = ["welcome", "", ALL_BYTES, b"", 'Grüße, мир 🌍 \0\u2028\\"', "one two"]
DEVTOOLS = [
    (0, "client", ["hello", "", b"\0\x01\xfe\xff", b"", "žluť 🐎", "bye"]),
    (0, "server", ["hello", "", b"\0\x01\xfe\xff", b"", "žluť 🐎", "fragmented", "last"]),
]
PLAYWRIGHT = [
    (0, "client", ["hello", b"\0\x01\xfe\xff", "žluť 🐎", "bye"]),
    (0, "server", ["hello", b"\0\x01\xfe\xff", "žluť 🐎", "fragmented", "last"]),
]


@pytest.mark.parametrize(
    ("name", "expected", "left_out"),
    [
        (
            "mitmproxy.har",
            [
                (0, "server", MITMPROXY_SERVER),
                (0, "client", MITMPROXY_CLIENT),
                (1, "server", ["server first", *MITMPROXY_SERVER]),
                (1, "client", MITMPROXY_CLIENT),
            ],
            "",
        ),
        ("devtools.har", DEVTOOLS, "error records (2)"),
        ("playwright-embed.har", PLAYWRIGHT, ""),
        ("playwright-attach.zip", PLAYWRIGHT, ""),
        ("playwright-attach/playwright-attach.har", PLAYWRIGHT, ""),
    ],
)
def test_exports_give_what_was_sent(
    name: str, expected: list[tuple[int, str, list[str | bytes]]], left_out: str
) -> None:
    corpus = load_corpus(EXPORTS / name)
    assert streams(corpus) == expected
    assert corpus.remarks == ((f"{EXPORTS / name}: left out: {left_out}",) if left_out else ())
    # All of them were made on one evening; programs write milliseconds or seconds.
    evening = datetime(2026, 11, 24, 22, tzinfo=UTC).timestamp()
    for stream in corpus.sample.streams:
        times = [time for time in stream.times or () if time is not None]
        assert len(times) == len(stream.messages)
        assert times == sorted(times)
        assert evening < times[0] <= times[-1] < evening + 3600
        assert times[-1] - times[0] < 1


# By hand


def message(kind: str = "send", opcode: object = 1, data: object = "x", **more: object) -> Any:
    return {"type": kind, "opcode": opcode, "data": data, **more}


def entry(*messages: object) -> dict[str, object]:
    return {"_resourceType": "websocket", "_webSocketMessages": messages}


def attaching(name: str) -> dict[str, object]:
    """An entry whose messages are in another file."""
    return {"_resourceType": "websocket", "response": {"content": {"_file": name}}}


def har(*entries: object) -> bytes:
    return json.dumps({"log": {"version": "1.2", "entries": entries}}).encode()


def har_with(text: str) -> bytes:
    """A HAR file with an entry that has this in it beside a good message."""
    return har({"junk": 0, **entry(message())}).replace(b'"junk": 0', text.encode())


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as writer:
        for name, data in members:
            writer.writestr(name, data)
    return archive.getvalue()


def load(tmp_path: Path, data: bytes, name: str = "a.har") -> AnyCorpus:
    (tmp_path / name).write_bytes(data)
    return load_corpus(tmp_path / name)


def complaint(tmp_path: Path, data: bytes, name: str = "a.har") -> str:
    """What the error says after the name of the file, which it begins with."""
    with pytest.raises(CorpusError) as caught:
        load(tmp_path, data, name)
    text = str(caught.value)
    assert text.isprintable()
    label, _, rest = text.partition(": ")
    # A place is LINE:COLUMN after the name.
    assert label.startswith(str(tmp_path / name))
    return label.removeprefix(str(tmp_path / name)) + f" {rest}" if label[-1].isdigit() else rest


def test_connections_are_entries_and_messages_may_be_of_any_kind_and_empty(tmp_path: Path) -> None:
    data = har(
        {"_resourceType": "document", "response": {"content": {"text": "<p>", "_file": "p.html"}}},
        entry(
            message("receive", 1, "text"),
            message("send", 2, "AAH+/w=="),
            message("receive", 2, ""),
            message("send", 1, ""),
            message("receive", 1.0, "é\0\u2028"),
            message("send", 2.0, "eA=="),
        ),
        entry(),
        {"_webSocketMessages": [message(data="not marked as a socket")]},
    )
    assert streams(load(tmp_path, data)) == [
        (0, "server", ["text", b"", "é\0\u2028"]),
        (0, "client", [b"\0\x01\xfe\xff", "", b"x"]),
        (1, "client", ["not marked as a socket"]),
    ]


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (1795558073.25, 1795558073.25),
        (1795558073, 1795558073.0),
        (1795558073250.5, 1795558073.2505),
        (1795558073250, 1795558073.25),
        (12351.5, 12351.5),
        (0, None),
        (-1, None),
        (1e300, None),
        (10**18, None),
        (True, None),
        ("1795558073", None),
        (None, None),
        ({"a": 1}, None),
    ],
)
def test_times_are_in_seconds_or_milliseconds_or_unknown(
    tmp_path: Path, time: object, seconds: float | None
) -> None:
    corpus = load(tmp_path, har(entry(message(time=1.0), message(time=time))))
    (stream,) = corpus.sample.streams
    assert stream.times == (1.0, seconds)


def test_what_is_no_message_is_left_out_and_counted(tmp_path: Path) -> None:
    error = {"type": "error", "time": 12351.5, "opcode": -1, "data": "net::ERR_FAILED"}
    data = har(
        {"startedDateTime": "1969-12-31T23:59:59.000Z", **entry(error)},
        entry(message("receive", 1, "good"), message("receive", 9, ""), {"type": "error"}),
        entry(message("send", 8, "A+g="), message("send", 10, ""), {**error, "type": "receive"}),
        {"_resourceType": "websocket", "startedDateTime": "1969-12-31T23:59:59.000Z"},
        {"_resourceType": "websocket", "_webSocketMessages": None},
    )
    corpus = load(tmp_path, data)
    assert streams(corpus) == [(0, "server", ["good"])]
    counts = "error records (3), control frames (3)"
    assert corpus.remarks == (f"{tmp_path / 'a.har'}: left out: {counts}",)
    alone = complaint(tmp_path, har(entry(error)))
    assert alone.startswith("empty corpus: it holds no messages of WebSockets; export it from")
    assert alone.endswith("a.har: left out: error records (1)")


@pytest.mark.parametrize(
    "data",
    [
        har(),
        har({"_resourceType": "websocket"}),
        har({"_webSocketMessages": None}),
        har({"request": {"_webSocketMessages": [message()]}}),
        har([entry(message())]),
        json.dumps({"log": {"entries": []}, "_webSocketMessages": [message()]}).encode(),
    ],
)
def test_a_file_without_messages_is_refused(tmp_path: Path, data: bytes) -> None:
    assert complaint(tmp_path, data).startswith("empty corpus: it holds no messages of WebSockets")


@pytest.mark.parametrize(
    ("malformed", "said"),
    [
        (message(kind="sent"), '"type" is \'sent\'; it has to be "send" or "receive"'),
        ({"opcode": 1, "data": "x"}, '"type" is missing; it has to be "send" or "receive"'),
        (message(kind=None), '"type" is missing'),  # type: ignore[arg-type]
        (message(kind=["send"]), '"type" is []'),  # type: ignore[arg-type]
        (message(kind={"type": "send"}), '"type" is []'),  # type: ignore[arg-type]
        (message(kind="a\nb" * 40), '"type" is \'a\\nba\\nb'),
        (message(opcode=None), '"opcode" is missing; 1 is text, 2 binary'),
        (message(opcode="1"), "\"opcode\" is '1'; 1 is text"),
        (message(opcode=1.5), '"opcode" is 1.5; 1 is text'),
        (message(opcode=True), '"opcode" is True; 1 is text'),
        ({"type": "send", "opcode": 1}, '"data" is missing; it has to be a string'),
        (message(data=None), '"data" is missing; it has to be a string'),
        (message(data=5), '"data" is 5; it has to be a string'),
        (message(data=["x"]), '"data" is []; it has to be a string'),
        (message(opcode=2, data="AAH+/w"), '"data" is not base64: incorrect padding'),
        (message(opcode=2, data="AA H+/w=="), '"data" is not base64: '),
        (message(opcode=2, data="A-_="), '"data" is not base64: '),
        (message(opcode=2, data="é==="), '"data" is not base64: '),
        ("text", "no message, which is an object"),
        (5, "no message, which is an object"),
        (None, "no message, which is an object"),
        ([message()], "no message, which is an object"),
    ],
)
def test_malformed_messages_are_refused_with_their_place(
    tmp_path: Path, malformed: object, said: str
) -> None:
    good = [message(data=str(number)) for number in range(6)]
    data = har({"request": {}}, entry(message()), entry(*good, malformed, message()))
    place = "log.entries[2]._webSocketMessages[6]: "
    assert complaint(tmp_path, data).startswith(place + said)


@pytest.mark.parametrize("value", [{"item": message()}, message(), "x", 3, True])
def test_messages_that_are_no_array_are_refused(tmp_path: Path, value: object) -> None:
    text = complaint(tmp_path, har(entry(), {"_webSocketMessages": value}))
    assert text == "log.entries[1]._webSocketMessages: no array of messages"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", ":1:1 not JSON: Expecting value"),
        (b"hello", ":1:1 not JSON: Expecting value"),
        (har(entry(message()))[:-3], ":1:138 not JSON: Expecting ',' delimiter"),
        (b'{"log":{"entries":[\n{"a":"b', ":2:6 not JSON: Unterminated string"),
        (har() + b"x", ":1:43 not JSON: Extra data"),
        (b'{"log":\n{"entries":[NaN]}}', ":2:13 not JSON: NaN"),
        (b'{"log":\n{"entries":["\xff"]}}', ":2:14 not UTF-8 (byte 0xff)"),
        (b'{"log":\n{"entries":["\xed\xa0\x80"]}}', ":2:14 not UTF-8 (byte 0xed)"),
        (b'{"log":{"entries":[1' + b"0" * 30 + b"]}}", "not JSON: parse error: integer overflow"),
        (b"[]", "JSON of another shape: expected a HAR file"),
        (b'"text"', "JSON of another shape: expected a HAR file"),
        (b'{"log":[{"entries":[]}]}', "JSON of another shape: expected a HAR file"),
        (b'{"log":{"entries":{}}}', "JSON of another shape: expected a HAR file"),
        (b'{"messages":["a"]}', "JSON of another shape: expected a HAR file"),
        (b"\xff\xfe{\0", "UTF-16; save it as UTF-8"),
    ],
)
def test_what_is_no_har_file_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    assert complaint(tmp_path, data).startswith(said)


@pytest.mark.parametrize(
    "junk",
    [
        '"a":' + "[" * 50_000 + "]" * 50_000,
        '"a":' + '{"a":' * 50_000 + "0" + "}" * 50_000,
        '"a":[' + "[1.5e300,true,null,-0]," * 20_000 + '""]',
        f'"a":"{"x" * 3_000_000}"',
        f'"{"x" * 300_000}":1',
        '"_webSocketMessages ":[{"type":"send"}],"":{"":{"":1}}',
        '"log":{"entries":[{"_webSocketMessages":[1]}]}',
        '"_resourceType":["websocket"],"response":[{"content":{"_file":"x"}}]',
        '"response":{"content":{"_file":7}}',
    ],
)
def test_anything_else_in_entries_is_passed_over(tmp_path: Path, junk: str) -> None:
    assert streams(load(tmp_path, har_with(junk))) == [(0, "client", ["x"])]


def test_anything_else_in_messages_is_passed_over(tmp_path: Path) -> None:
    junk = {"type ": 1, "a": {"type": "error", "data": [[{}]]}, "": {"": 1}, "mask": True}
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]
    data = har(entry({**junk, **message(data="x"), "opcode2": deep}))
    assert streams(load(tmp_path, data)) == [(0, "client", ["x"])]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    assert streams(load(tmp_path, mark + har(entry(message())))) == [(0, "client", ["x"])]
    assert complaint(tmp_path, mark + b'{"log":{"entries":[}}').startswith(":1:20 not JSON: ")


# Halves of surrogate pairs, which have no UTF-8 form, in what mitmproxy writes of pages

escapes = st.lists(
    st.sampled_from(
        (
            *(r"\ud83d", r"\uDE00", r"\ude00", r"\uD83D", r"\ud83d\ude00", r"\u00e9", r"\ufffd"),
            *(r"\\", r"\n", r"\"", "u", "d83d", "ude00", "x", "é", "long enough to be no escape"),
        )
    )
).map("".join)


def with_replaced_halves(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


@given(escapes, escapes, st.integers(1, 40), st.integers(12, 40))
@settings(max_examples=150)
@example(r"\ud83d\ude00", r"\ud83d\\ude00\ud83d\ude00", 7, 12)
@example(r"\\" * 9 + r"\ud83d" * 3, "", 13, 13)
def test_halves_of_surrogate_pairs_are_replaced(
    junk: str, data: str, piece_bytes: int, gap_bytes: int
) -> None:
    text = har({"junk": 0, **entry(message(data="DATA"))}).decode()
    text = text.replace('"junk": 0', f'"{junk}":"{junk}"').replace("DATA", data)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        # Escapes are broken off wherever a piece of the file ends.
        patch.setattr(har_format, "_PIECE_BYTES", piece_bytes)
        patch.setattr(har_format, "_GAP_WITHIN_BYTES", gap_bytes)
        corpus = load(Path(folder), text.encode())
    assert streams(corpus) == [(0, "client", [with_replaced_halves(json.loads(f'"{data}"'))])]


def test_halves_of_surrogate_pairs_far_apart_and_close_together(tmp_path: Path) -> None:
    spread = r"\ud83d\ude00\udce9 and so on; " * 60_000
    dense = r"\ude00\ude00\ud83d" * 100_000
    data = har_with(f'"{spread}":"{dense}"').replace(b'"x"', f'"{dense}"'.encode())
    expected = "\ufffd\ufffd" + "\U0001f600\ufffd" * 99_999 + "\ufffd"
    assert streams(load(tmp_path, data)) == [(0, "client", [expected])]


# Archives, and files beside


def test_packed_files_are_read(tmp_path: Path) -> None:
    plain = har(entry(message("receive", 1, "x"), message("send", 2, "AAE=")))
    expected = [(0, "server", ["x"]), (0, "client", [b"\0\x01"])]
    for name, data in (
        ("a.har.gz", gzip.compress(plain)),
        ("a", gzip.compress(plain)),
        ("a.zip", zipped(("folder/A.HAR", plain), ("other.txt", b"hello"))),
        ("b", zipped(("a.har", plain), method=zipfile.ZIP_STORED)),
        ("a.zip.gz", gzip.compress(zipped(("a.har", plain)))),
    ):
        assert streams(load(tmp_path, data, name)) == expected


def test_archives_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    plain = har(entry(message()))
    archive = zipped(("a.har", plain))
    encrypted = bytearray(archive)
    for place in (6, archive.index(b"PK\x01\x02") + 8):
        encrypted[place] |= 1
    for data, said in (
        (zipped(("a.json", plain)), "a zip archive with 0 HAR files in it; give one with one"),
        (zipped(("a.har", plain), ("b.har", plain)), "a zip archive with 2 HAR files in it"),
        (archive[:-30], "broken zip archive: File is not a zip file; make it again"),
        (archive[:40] + bytes(9) + archive[49:], "broken zip archive: "),
        (bytes(encrypted), "broken zip archive: File 'a.har' is encrypted, password"),
        (zipped(("a.har", plain), method=zipfile.ZIP_LZMA), "broken zip archive: packed in anoth"),
        (zipped(("a.har", plain), method=zipfile.ZIP_BZIP2), "broken zip archive: packed in anot"),
        (zipped(("a\nb.har", b"{}")), "a\\nb.har: JSON of another shape"),
        (zipped(("b.har", b'{"log":')), "b.har:1:8: not JSON: Expecting value"),
    ):
        assert complaint(tmp_path, data, "a.zip").startswith(said)
    # Wherever it is damaged, it is read or refused.
    for place in range(len(archive)):
        damaged = bytearray(archive)
        damaged[place] ^= 0xFF
        (tmp_path / "a.zip").write_bytes(damaged)
        with contextlib.suppress(CorpusError):
            assert streams(load_corpus(tmp_path / "a.zip", "har")) == [(0, "client", ["x"])]


LINES = b'{"type":"send","opcode":1,"data":"x"}\n{"type":"receive","opcode":2,"data":"AAE="}\n'


def test_messages_in_other_files_are_read(tmp_path: Path) -> None:
    expected = [(0, "client", ["x"]), (0, "server", [b"\0\x01"]), (1, "client", ["own"])]
    data = har(
        {**attaching("page.html"), "_resourceType": "document"},
        attaching("m.jsonl"),
        {**attaching("missing, but not needed"), **entry(message(data="own"))},
    )
    (tmp_path / "m.jsonl").write_bytes(LINES)
    assert streams(load(tmp_path, data)) == expected
    archive = zipped(("a.har", data), ("m.jsonl", LINES))
    assert streams(load(tmp_path, archive, "a.zip")) == expected
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "m.jsonl").write_bytes(LINES)
    assert streams(load(tmp_path, har(attaching("below/m.jsonl")))) == expected[:2]


@pytest.mark.parametrize(
    "name",
    [
        *("m.jsonl", "../m.jsonl", "below/../../m.jsonl", "/ABSOLUTE/m.jsonl", "link"),
        *("below", "loop", "a\0b", "a\nb"),
    ],
)
def test_files_that_are_missing_or_elsewhere_are_not_read(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "loop").symlink_to(folder / "loop")
    (tmp_path / "m.jsonl").write_bytes(LINES)
    (folder / "link").symlink_to(tmp_path / "m.jsonl")
    name = name.replace("/ABSOLUTE", str(tmp_path))
    text = complaint(folder, har(entry(), attaching(name)))
    assert text.startswith(f"log.entries[1]: its messages are in {name!r}, which is missing; give")
    archive = zipped(("a.har", har(attaching("m.jsonl"))))
    assert "'m.jsonl', which is missing" in complaint(folder, archive, "a.zip")


def test_a_name_that_is_too_long_for_a_file_is_refused(tmp_path: Path) -> None:
    assert "File name too long" in complaint(tmp_path, har(attaching("a" * 300)))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"type":"send"', "no message: Input data was truncated"),
        ("[1]", "no message: Expected `object`, got `array`"),
        ("", "no message: Input data was truncated"),
        ('{"a":' + "[" * 100_000, "no message: maximum recursion depth exceeded"),
        ('{"type":"sent","opcode":1,"data":""}', "\"type\" is 'sent'; it has to be"),
        ('{"type":"send","opcode":2,"data":"?"}', '"data" is not base64'),
        ('{"type":"send","opcode":1,"data":"x","time":' + "9" * 400 + "}", ""),
    ],
)
def test_lines_of_other_files_are_refused_with_their_place(
    tmp_path: Path, line: str, said: str
) -> None:
    data = har(entry(), attaching("m.jsonl"))
    (tmp_path / "m.jsonl").write_bytes(LINES + line.encode() + b"\n")
    if said:
        text = complaint(tmp_path, data)
        assert text.startswith(f"log.entries[1]: m.jsonl:3: {said}")
    else:
        assert load(tmp_path, data).statistics().messages == 3


# Writing

messages = st.one_of(
    st.text(max_size=20).map(lambda text: Message(text.encode(), True)),
    st.binary(max_size=20).map(lambda data: Message(data, False)),
)
times = st.none() | st.floats(1, 4e9)
events = st.lists(
    st.builds(Event, st.integers(0, 3), st.sampled_from(("client", "server")), messages, times)
    | st.builds(Event, st.integers(0, 3), st.none(), st.none()),
    min_size=1,
    max_size=30,
)


def contents(corpus: AnyCorpus) -> Counter[tuple[object, ...]]:
    """What streams have, in whatever order they are."""
    assert isinstance(corpus, Corpus)
    return Counter((item.direction, item.messages, item.times) for item in corpus.streams)


def directions_of_connections(streams: Iterable[Stream]) -> Counter[frozenset[str]]:
    of: dict[int | None, set[str]] = {}
    for stream in streams:
        of.setdefault(stream.connection, set()).add(stream.direction)
    return Counter(map(frozenset, of.values()))


@given(events, st.sampled_from(["a.har", "a.har.gz"]))
@settings(max_examples=60)
def test_har_and_capture_hold_the_same(happened: list[Event], name: str) -> None:
    corpus = Corpus.of_events("a", happened)
    if not corpus.streams:
        return
    with tempfile.TemporaryDirectory() as folder:
        read = corpus
        for target in (name, "a.capture.jsonl", f"b.{name}", "b.capture.jsonl.gz"):
            write_corpus(read, Path(folder) / target)
            loaded = load_corpus(Path(folder) / target)
            assert isinstance(loaded, Corpus)
            assert loaded.sha256() == corpus.sha256()
            assert loaded.statistics() == corpus.statistics()
            assert contents(loaded) == contents(corpus)
            assert directions_of_connections(loaded.streams) == directions_of_connections(
                corpus.streams
            )
            read = loaded


def test_what_is_written_is_har_1_2(tmp_path: Path) -> None:
    corpus = Corpus.of_events(
        "a",
        [
            Event(5, "client", Message("é".encode(), True), 1795558073.25),
            Event(7, "server", Message(b"\0\xff", False), None),
            Event(5, "server", Message(b"", True), 1795558074.0),
        ],
    )
    write_corpus(corpus, tmp_path / "a.har")
    log = json.loads((tmp_path / "a.har").read_text())["log"]
    assert log["version"] == "1.2"
    assert log["creator"]["name"] == "wsbench"
    written = {
        item["startedDateTime"]: [
            (one["type"], one["time"], one["opcode"], one["data"])
            for one in item["_webSocketMessages"]
        ]
        for item in log["entries"]
    }
    assert written == {
        "2026-11-24T22:07:53.250+00:00": [
            ("send", 1795558073.25, 1, "é"),
            ("receive", 1795558074, 1, ""),
        ],
        "1970-01-01T00:00:00.000+00:00": [("receive", 0, 2, "AP8=")],
    }
    required = {
        "": "startedDateTime time request response cache timings",
        "request": "method url httpVersion cookies headers queryString headersSize bodySize",
        "response": "status statusText httpVersion cookies headers content redirectURL headersSize "
        "bodySize",
        "timings": "send wait receive",
    }
    for item in log["entries"]:
        for part, names in required.items():
            assert set(names.split()) <= set(item[part] if part else item)


def test_times_that_no_clock_shows_are_not_written(tmp_path: Path) -> None:
    times = [1e300, -5.0, 1e12, 2e9]
    data = [Event(n, "server", Message(b"x", True), time) for n, time in enumerate(times)]
    write_corpus(Corpus.of_events("a", data), tmp_path / "a.har")
    loaded = load_corpus(tmp_path / "a.har")
    assert Counter(item.times for item in loaded.sample.streams) == {None: 3, (2e9,): 1}

"""Captures: what their records mean, what is refused, and what is left of one that was cut off."""

import json
import tempfile
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbench.corpus import Corpus, Event, Message, load_corpus, write_corpus
from wsbench.errors import CorpusError

SCHEMA = Path(__file__).parents[2] / "docs" / "capture.schema.json"

HEADER = '{"schema":"wsbench.capture/1","created":"2026-01-05T14:30:00Z","wsbench":"0.1.0"}\n'
# Two connections, of which the first number is used again once it is free.
RECORDS = """\
{"type":"open","connection":1,"time":1795558747.25,"path":"/chat","subprotocol":"v1"}
{"type":"text","connection":1,"direction":"client","time":1795558747.5,"data":"žluť 🐎"}
{"type":"open","connection":2,"path":"/chat"}
{"type":"binary","connection":2,"direction":"server","time":1795558748,"data":"AAH+/w=="}

{"data":"","direction":"server","connection":1,"type":"text"}
{"type":"close","connection":1,"time":1795558749,"code":4001,"reason":"bye","direction":"server"}
{"type":"binary","connection":2,"direction":"server","data":""}
{"type":"text","connection":1,"direction":"client","data":"\\u00e9\\u0000\\n","unknown":[{}]}
\t
{"type":"close","connection":1}
{"type":"text","connection":1,"direction":"client","data":"once more"}
{"type":"close","connection":7}
"""
# What each record that is a message says: connection (as numbered when read), sender, message, time
MESSAGES = [
    (0, "client", "žluť 🐎", 1795558747.5),
    (1, "server", b"\0\x01\xfe\xff", 1795558748.0),
    (0, "server", "", None),
    (1, "server", b"", None),
    (2, "client", "é\0\n", None),
    (3, "client", "once more", None),
]


def load(tmp_path: Path, text: str | bytes, format: str | None = None) -> Corpus:
    data = text.encode() if isinstance(text, str) else text
    (tmp_path / "a.capture.jsonl").write_bytes(data)
    corpus = load_corpus(tmp_path / "a.capture.jsonl", format)
    assert isinstance(corpus, Corpus)
    return corpus


def read(corpus: Corpus) -> list[tuple[int, str, list[tuple[str | bytes, float | None]]]]:
    """Connection, sender, messages and their times of each stream."""
    return [
        (
            -1 if stream.connection is None else stream.connection,
            stream.direction,
            [
                (item.data.decode() if item.text else item.data, time)
                for item, time in zip(
                    stream.messages, stream.times or [None] * len(stream.messages), strict=True
                )
            ],
        )
        for stream in corpus.streams
    ]


def expected(messages: int) -> list[tuple[int, str, list[tuple[str | bytes, float | None]]]]:
    """The streams of the first of the messages."""
    streams: dict[tuple[int, str], list[tuple[str | bytes, float | None]]] = {}
    for connection, direction, data, time in MESSAGES[:messages]:
        streams.setdefault((connection, direction), []).append((data, time))
    return [(*key, of) for key, of in streams.items()]


def test_a_capture_written_by_hand(tmp_path: Path) -> None:
    corpus = load(tmp_path, HEADER + RECORDS)
    assert corpus.name == "a"
    assert corpus.remarks == ()
    assert read(corpus) == expected(len(MESSAGES))
    statistics = corpus.statistics()
    assert (statistics.connections, statistics.streams) == (4, 5)
    # Line ends of Windows, and what may precede the header.
    for text in (
        (HEADER + RECORDS).replace("\n", "\r\n"),
        "\n \r\n" + HEADER + RECORDS,
        "\ufeff" + HEADER + RECORDS,
        HEADER.replace("{", "{ ", 1) + RECORDS,
    ):
        assert read(load(tmp_path, text)) == expected(len(MESSAGES))


def test_every_line_is_as_the_schema_says(tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    write_corpus(load(tmp_path, HEADER + RECORDS), tmp_path / "b.capture.jsonl")
    written = (tmp_path / "b.capture.jsonl").read_text()
    for line in (HEADER + RECORDS + written).splitlines():
        if not line.isspace() and line:
            validator.validate(json.loads(line))
    for line in (
        HEADER.replace("capture/1", "capture/2"),
        '{"type":"note","connection":1}',
        '{"type":"text","connection":1,"data":"x"}',
        '{"type":"text","connection":-1,"direction":"client","data":"x"}',
    ):
        assert not validator.is_valid(json.loads(line))


def test_connections_may_be_interleaved_in_any_way(tmp_path: Path) -> None:
    records = "".join(
        f'{{"type":"text","connection":{10**30 if number % 3 else number % 7},'
        f'"direction":"{"client" if number % 2 else "server"}","data":"{number}"}}\n'
        for number in range(60)
    )
    streams = read(load(tmp_path, HEADER + records))
    wanted: dict[tuple[object, int], list[str]] = {}
    for number in range(60):
        key = ("large" if number % 3 else number % 7, number % 2)
        wanted.setdefault(key, []).append(str(number))
    assert [[data for data, _ in messages] for _, _, messages in streams] == list(wanted.values())


GOOD = {"type": "text", "connection": 1, "direction": "client", "data": "x"}


def without(field: str) -> str:
    return json.dumps({name: value for name, value in GOOD.items() if name != field})


def changed(**fields: object) -> str:
    return json.dumps({**GOOD, **fields}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (without("type"), "Object missing required field `type`"),
        (without("connection"), "Object missing required field `connection`"),
        (without("direction"), "Object missing required field `direction`"),
        (without("data"), "Object missing required field `data`"),
        ('{"type":"close"}', "Object missing required field `connection`"),
        (changed(type="note"), "Invalid value 'note' - at `$.type`"),
        (changed(type="a\nb"), "Invalid value 'a\\nb' - at `$.type`"),
        (changed(direction="both"), "Invalid enum value 'both' - at `$.direction`"),
        (changed(direction="a\nb"), "Invalid enum value 'a\\nb' - at `$.direction`"),
        (changed(connection=-1), "`int` >= 0 - at `$.connection`"),
        (changed(connection=1.5), "Expected `int`, got `float` - at `$.connection`"),
        (changed(connection="1"), "Expected `int`, got `str` - at `$.connection`"),
        (changed(data=5), "Expected `str`, got `int` - at `$.data`"),
        (changed(data=None), "Expected `str`, got `null` - at `$.data`"),
        (changed(data="?").replace("?", r"\ud800"), ""),
        (changed(time="now"), "$.time"),
        (changed(type="binary", data="AAE"), "Incorrect padding"),
        (changed(type="binary", data="A-_="), ""),
        (changed(type="binary", data="é==="), "ASCII"),
        (changed(type="close", code="1000"), "$.code"),
        ("[]", "Expected `object`, got `array`"),
        ("hello", "malformed"),
        (changed() + " x", "trailing characters"),
        ('{"type":"close","connection":1,"a":' + "[" * 100_000, "recursion depth"),
        (HEADER.strip(), "Object missing required field `type`"),
    ],
)
def test_lines_that_are_no_records_are_refused_with_their_number(
    tmp_path: Path, line: str, said: str
) -> None:
    with pytest.raises(CorpusError) as caught:
        load(tmp_path, HEADER + RECORDS + line + "\n" + RECORDS)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'a.capture.jsonl'}:15: no record of a capture: ")
    assert text.endswith("; repair the line, or take it out")
    assert said in text
    assert text.isprintable()


def test_a_line_that_is_not_utf_8_is_refused_with_its_number(tmp_path: Path) -> None:
    line = b'{"type":"text","connection":1,"direction":"client","data":"\xff"}\n'
    with pytest.raises(CorpusError, match=r":2: no record of a capture: .*utf-8"):
        load(tmp_path, HEADER.encode() + line)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (HEADER.replace("capture/1", "capture/2"), "Invalid enum value 'wsbench.capture/2'"),
        (HEADER.replace('"wsbench":"0.1.0"', '"by":"me"'), "missing required field `wsbench`"),
        (HEADER.replace("2026-01-05T14:30:00Z", "yesterday"), "Invalid RFC3339 encoded datetime"),
        (HEADER.replace("00Z", "00"), "timezone"),
    ],
)
def test_headers_of_other_versions_and_malformed_ones_are_refused(
    tmp_path: Path, header: str, said: str
) -> None:
    with pytest.raises(CorpusError) as caught:
        load(tmp_path, "\n" + header + RECORDS)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'a.capture.jsonl'}:2: no header of wsbench.capture/1: ")
    assert said in text
    assert text.endswith("; use the wsbench that wrote it, or put it back")


def test_a_capture_without_its_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"jsonl:1: no header of wsbench\.capture/1: "):
        load(tmp_path, RECORDS, "capture")


def test_a_capture_that_is_cut_off_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    data = (HEADER + RECORDS).encode()
    whole = data.split(b"\n")
    path = tmp_path / "a.capture.jsonl"
    for length in range(len(data) + 1):
        part = data[:length]
        # A line is whole without its end, too.
        lines = part.split(b"\n")
        is_broken = bool(lines[-1].strip()) and lines[-1] != whole[len(lines) - 1]
        complete = lines[:-1] if is_broken else lines
        count = sum(b'"data"' in line for line in complete)
        warning = f"{path}: cut off in line {len(lines)}, which is left out"
        if count:
            corpus = load(tmp_path, part)
            assert read(corpus) == expected(count)
            assert corpus.remarks == ((warning,) if is_broken else ())
        else:
            with pytest.raises(CorpusError, match="empty corpus: ") as caught:
                load(tmp_path, part, "capture")
            assert (warning in str(caught.value)) == is_broken
    assert read(load(tmp_path, data, "capture")) == expected(len(MESSAGES))


def test_a_broken_line_before_the_last_is_no_cut(tmp_path: Path) -> None:
    lines = (HEADER + RECORDS).splitlines(keepends=True)
    lines[2] = lines[2][:-9] + "\n"
    with pytest.raises(CorpusError, match=r"jsonl:3: no record of a capture: "):
        load(tmp_path, "".join(lines))
    # Not even if the last one is broken off as well.
    with pytest.raises(CorpusError, match=r"jsonl:3: no record of a capture: "):
        load(tmp_path, "".join(lines)[:-9])


messages = st.text(max_size=20).map(lambda text: Message(text.encode(), True)) | st.binary(
    max_size=20
).map(lambda data: Message(data, False))
times = st.none() | st.floats(allow_nan=False, allow_infinity=False)
directions = st.sampled_from(("client", "server"))
events = st.lists(
    st.builds(Event, st.integers(0, 3), directions, messages, times)
    | st.builds(Event, st.integers(0, 3), st.none(), st.none()),
    max_size=30,
)


@given(events, st.sampled_from(["a.capture.jsonl", "a.capture.jsonl.gz"]))
@settings(max_examples=80)
def test_a_capture_reads_back_what_it_wrote(happened: list[Event], name: str) -> None:
    corpus = Corpus.of_events("a", happened)
    if not corpus.streams:
        return
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(corpus, Path(folder) / name)
        loaded = load_corpus(Path(folder) / name)
    assert isinstance(loaded, Corpus)
    assert loaded.sha256() == corpus.sha256()
    assert loaded.name == "a"

    def connections(of: Corpus) -> list[list[tuple[object, ...]]]:
        """The streams of each connection, in whatever order they are."""
        numbered: dict[int | None, list[tuple[object, ...]]] = {}
        for item in of.streams:
            content = (item.direction, item.messages, item.times)
            numbered.setdefault(item.connection, []).append(content)
        return sorted((sorted(item, key=repr) for item in numbered.values()), key=repr)

    assert connections(loaded) == connections(corpus)

"""Readers and writers: what each format means, and that they are the inverse of one another."""

import gzip
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsbench.corpus import (
    Corpus,
    Message,
    directory_format,
    json_format,
    lines_format,
    load_corpus,
    write_corpus,
)
from wsbench.errors import CorpusError

texts = st.text().map(lambda text: Message(text.encode(), True))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
compact_json = json_values.map(
    lambda value: Message(json.dumps(value, separators=(",", ":")).encode(), True)
)
binaries = st.binary().map(lambda data: Message(data, False))


def read_lines(data: bytes, label: str) -> list[Message]:
    return list(lines_format.read(io.BytesIO(data), label))


def data_of(messages: list[Message]) -> list[bytes]:
    assert all(message.text for message in messages)
    return [message.data for message in messages]


# JSON


@pytest.mark.parametrize(
    ("document", "messages"),
    [
        ('["hello", ""]', ["hello", ""]),
        ('["\\u00e9 \\ud83d\\ude00", "\\n"]', ["é 😀", "\n"]),
        ('[ {"b" : 1, "a": [1, 2]} ]', ['{"b":1,"a":[1,2]}']),
        ('[{"b":1,"b":2}]', ['{"b":1,"b":2}']),
        ('[{"k  k": "v  v\\u00e9"}]', ['{"k  k":"v  v\\u00e9"}']),
        ("[1.10, 1e999, 12345678901234567890123, -0.0]", None),
        ("[null, true, [ ]]", ["null", "true", "[]"]),
        ('{"about": [9], "messages": ["a", {}]}', ["a", "{}"]),
    ],
)
def test_json_values_become_messages(document: str, messages: list[str] | None) -> None:
    if messages is None:  # Numbers keep the digits they are written with.
        messages = document.strip("[]").split(", ")
    assert data_of(json_format.parse(document.encode(), "c")) == [m.encode() for m in messages]


@given(st.lists(json_values))
def test_any_json_document_gives_its_values(values: list[object]) -> None:
    document = json.dumps(values, indent=2).encode()
    messages = data_of(json_format.parse(document, "c"))
    assert len(messages) == len(values)
    for message, value in zip(messages, values, strict=True):
        assert (message.decode() if isinstance(value, str) else json.loads(message)) == value


@given(st.lists(texts | compact_json))
@example([Message(b'"quoted"', True)])
@example([Message(b'{"spaced": 1}', True)])
@example([Message(b"NaN", True)])
@example([Message(b'"\\ud800"', True), Message(b'{"a":"\\ud800"}', True)])
def test_json_reads_back_what_it_wrote(messages: list[Message]) -> None:
    assert json_format.parse(b"".join(json_format.serialise(messages)), "c") == messages


def test_json_leaves_objects_readable_and_one_message_a_line() -> None:
    messages = [Message(b'{"a":1}', True), Message(b"plain", True)]
    assert b"".join(json_format.serialise(messages)) == b'[\n{"a":1},\n"plain"\n]\n'


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (b'[\n  "a",\n  "b" "c"\n]', "c.json:3:7: not JSON: Expecting ',' delimiter"),
        ('["ä", "ö" 1]'.encode(), "c.json:1:11: not JSON: Expecting ',' delimiter"),
        (b'["a", ', "c.json:1:7: not JSON: Expecting value"),
        (b'["a\xff"]', "c.json:1:4: not UTF-8 (byte 0xff)"),
        (b"[1,\n NaN]", "c.json:2:2: not JSON: NaN"),
        (b'[\n"\\ud800"]', "c.json:2:1: half of a surrogate pair"),
        (b'[{"a": "\\udc00\\ud800"}]', "c.json:1:8: half of a surrogate pair"),
        (b"[" * 100_000, "c.json: JSON nested too deeply"),
        (b'["\\\\ud800", NaN]', "c.json:1:13: not JSON: NaN"),
        (b"[" + b"1" * 5000 + b" 2]", "c.json: not JSON"),
        (b'[\0"a"]x', "c.json:1:2: not JSON"),
        (b'{"texts": []}', "c.json: JSON of another shape: expected an array of messages"),
        (b'{"messages": 1}', "c.json: JSON of another shape"),
        (b'"text"', "c.json: JSON of another shape"),
    ],
)
def test_json_errors_name_the_place(document: bytes, complaint: str) -> None:
    with pytest.raises(CorpusError) as caught:
        json_format.parse(document, "c.json")
    assert str(caught.value).startswith(complaint)


def test_json_of_any_depth_is_read_or_refused() -> None:
    """How deep it may be depends on the version of Python."""
    read = refused = 0
    for depth in (*range(2, 2000, 7), *range(980, 1010), 100_000):
        document = b"[" * depth + b"]" * depth
        try:
            messages = json_format.parse(document, "c")
        except CorpusError:
            refused += 1
        else:
            assert data_of(messages) == [document[1:-1]]
            read += 1
    assert read
    assert refused


# Lines


def test_lines_are_taken_as_they_stand_without_their_ends() -> None:
    data = '{"a": 1}\n\n  \t\nwörd\r\n  indented \r\r\n\x0bform\x0c\nno end'.encode()
    assert data_of(read_lines(data, "c")) == [
        b'{"a": 1}',
        "wörd".encode(),
        b"  indented \r",
        b"\x0bform\x0c",
        b"no end",
    ]


@given(st.lists(texts))
@example([Message("\x85\u2028\x1c".encode(), True)])
def test_lines_read_back_what_they_wrote_or_refuse_to_write(messages: list[Message]) -> None:
    try:
        data = b"".join(lines_format.serialise(messages))
    except CorpusError as error:
        number = int(str(error).split()[1])
        data = messages[number - 1].data
        assert b"\n" in data or data.endswith(b"\r") or not data.strip() or number == 1
    else:
        assert read_lines(data, "c") == messages


@given(st.lists(compact_json))
def test_lines_can_hold_any_compact_json(messages: list[Message]) -> None:
    assert read_lines(b"".join(lines_format.serialise(messages)), "c") == messages


def test_lines_that_are_not_utf8_are_refused_with_the_place() -> None:
    with pytest.raises(CorpusError, match=r"^c:2:3: not UTF-8 \(byte 0xfe\)"):
        read_lines(b"ok\n\xe2\x82\xac=\xfe", "c")


# Directories


@given(st.lists(texts | binaries, max_size=12))
def test_a_directory_reads_back_what_it_wrote(messages: list[Message]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus"
        directory_format.write(messages, len(messages), path)
        assert directory_format.read(path) == messages
        assert [entry.name for entry in Path(folder).iterdir()] == ["corpus"]


def test_a_directory_is_read_in_name_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a10", "a2", ".hidden", "Z.json", "ü.md"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "c.txt").write_text("nested")
    (tmp_path / "link to folder").symlink_to(tmp_path / "folder")
    order = [b"Z.json", b"a10", b"a2", b"b.txt", "ü.md".encode()]
    assert data_of(directory_format.read(tmp_path)) == order


def test_names_and_content_say_what_is_text(tmp_path: Path) -> None:
    (tmp_path / "1.bin").write_bytes(b"ascii")
    (tmp_path / "2.pb").write_bytes(b"\xff\x00")
    (tmp_path / "3.xml").write_bytes("<ä/>\n".encode())
    assert directory_format.read(tmp_path) == [
        Message(b"ascii", False),
        Message(b"\xff\x00", False),
        Message("<ä/>\n".encode(), True),
    ]


def test_a_text_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'"\xe4"')
    with pytest.raises(CorpusError, match=r"a\.json: byte 2 is not UTF-8.*rename it to \.bin"):
        directory_format.read(tmp_path)


def test_a_dangling_link_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to(tmp_path / "missing")
    with pytest.raises(CorpusError, match="b: No such file"):
        directory_format.read(tmp_path)


def test_a_directory_with_files_is_never_written_into(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CorpusError, match="exists"):
        directory_format.write([Message(b"a", True)], 1, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_directory_may_be_filled(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.mkdir()
    directory_format.write([Message(b"a", True)], 1, path)
    assert directory_format.read(path) == [Message(b"a", True)]


# Choosing among them


@pytest.mark.parametrize(
    ("name", "content", "messages"),
    [
        ("a.json", '["x"]', ["x"]),
        ("a", '\n [\n"x"\n]', ["x"]),
        ("a.txt", '["x",\n"y"]', ["x", "y"]),
        ("a.json", '{"messages": ["x"]}', ["x"]),
        ("a.json", '{"a":1}\n{"a":2}', ['{"a":1}', '{"a":2}']),
        ("a", "[1]\n[2]\n", ["[1]", "[2]"]),
        ("a.jsonl", '["x","y"]\n', ['["x","y"]']),
        ("a.ndjson", '{"messages":["x"]}', ['{"messages":["x"]}']),
        ("a.txt", '["x","y"]', ['["x","y"]']),
        ("a", '["x","y"]', ["x", "y"]),
        ("a", '{"a":1}', ['{"a":1}']),
        ("a.txt", "[12:00] hello", ["[12:00] hello"]),
        ("a.log", "{broken\n", ["{broken"]),
        ("a", "hello\nworld", ["hello", "world"]),
        ("a.txt", "[]", ["[]"]),
        ("a.json", '\ufeff["x"]', ["x"]),
        ("a.txt", "\ufeffx", ["x"]),
    ],
)
def test_the_format_is_recognised(
    tmp_path: Path, name: str, content: str, messages: list[str]
) -> None:
    (tmp_path / name).write_text(content, newline="")
    corpus = load_corpus(tmp_path / name)
    assert data_of(list(corpus.messages())) == [message.encode() for message in messages]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.json", "hello", "not JSON"),
        ("a.json", '"hello"', "another shape"),
        ("a.json", '{"a":1}', "another shape"),
        ("a", '{\n"a":1}', "pass --corpus-format lines"),
        ("a", '[\n"x",\n"y', ":3:1: not JSON"),
        ("a", '["x", "y', "not JSON"),
        ("a.json", "[]", "empty corpus"),
        ("a.json", '{"messages": []}', "empty corpus"),
        ("a.txt", "", "the file is empty"),
        ("a.txt", " \n\n", "it holds no messages"),
    ],
)
def test_what_looks_broken_is_refused_rather_than_guessed_at(
    tmp_path: Path, name: str, content: str, complaint: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(CorpusError) as caught:
        load_corpus(tmp_path / name)
    assert complaint in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_format_can_be_forced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n"x"\n]\n')
    assert data_of(list(load_corpus(path, "lines").messages())) == [b"[", b'"x"', b"]"]
    with pytest.raises(CorpusError, match="not a directory"):
        load_corpus(path, "directory")
    with pytest.raises(CorpusError, match="name a file in it"):
        load_corpus(tmp_path, "json")
    with pytest.raises(CorpusError, match="choose one of json, lines, directory, har, capture"):
        load_corpus(path, "xml")


@pytest.mark.parametrize("name", ["c.json", "c.jsonl", "c.txt", "c.json.gz", "c.ndjson.gz", "c"])
def test_the_same_messages_have_one_digest_in_every_format(tmp_path: Path, name: str) -> None:
    corpus = Corpus.of_messages(
        "c", [Message(text.encode(), True) for text in ('{"a":1}', "wörd", '"s"', "[", "{}")]
    )
    write_corpus(corpus, tmp_path / name)
    loaded = load_corpus(tmp_path / name)
    assert loaded.sha256() == corpus.sha256()
    assert loaded.name == "c"
    if name.endswith(".gz"):
        assert gzip.decompress((tmp_path / name).read_bytes()).count(b"\n") >= 5


def test_lines_that_would_be_read_as_json_are_not_written(tmp_path: Path) -> None:
    corpus = Corpus.of_messages("c", [Message(text, True) for text in (b"[", b'"a"', b"]")])
    with pytest.raises(CorpusError, match="would be taken for another format"):
        write_corpus(corpus, tmp_path / "c.txt")
    write_corpus(corpus, tmp_path / "c.txt", "lines")
    assert load_corpus(tmp_path / "c.txt", "lines").sha256() == corpus.sha256()


@given(st.lists(compact_json, min_size=1), st.sampled_from([".json", ".jsonl", ".txt", ".json.gz"]))
def test_what_was_written_is_recognised(messages: list[Message], extension: str) -> None:
    corpus = Corpus.of_messages("c", messages)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"c{extension}"
        write_corpus(corpus, path)
        assert load_corpus(path).sha256() == corpus.sha256()


def test_writing_to_an_unknown_extension_asks_for_the_format(tmp_path: Path) -> None:
    corpus = Corpus.of_messages("c", [Message(b"x", True)])
    with pytest.raises(CorpusError, match="pass --to"):
        write_corpus(corpus, tmp_path / "c.dat")
    write_corpus(corpus, tmp_path / "c.dat", "lines")
    assert (tmp_path / "c.dat").read_bytes() == b"x\n"


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([Message(b"ok", True), Message(b"ok", False)], "message 2 is binary"),
        ([Message(b"a\nb", True)], "message 1 holds a line end"),
        ([Message(b"a\r", True)], "message 1 holds a line end"),
        ([Message(b"", True)], "message 1 is blank"),
        ([Message(b"\xef\xbb\xbfa", True)], "message 1 starts with a byte order mark"),
    ],
)
def test_lines_refuse_what_they_cannot_hold(messages: list[Message], complaint: str) -> None:
    with pytest.raises(CorpusError, match=complaint):
        b"".join(lines_format.serialise(messages))


def test_a_name_that_cannot_be_shown_is_made_printable(tmp_path: Path) -> None:
    path = tmp_path / "a\n\udcffb.txt"
    path.write_text("x")
    assert load_corpus(path).name == "a\ufffd\ufffdb"

"""Corpora that are not held in memory: they are what they would be if they were."""

import gzip
import itertools
import os
import pickle
import random
import tempfile
import threading
from pathlib import Path

import pytest

from wsbench.corpus import Corpus, Event, Message, StreamedCorpus, load_corpus, source, write_corpus
from wsbench.corpus import __name__ as corpus_package
from wsbench.errors import CorpusError

EXTENSIONS = ("lines.jsonl", "lines.jsonl.gz", "capture.capture.jsonl", "har.har")


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """So little may be held that files of some kilobytes are too large."""
    monkeypatch.setattr(source, "HELD_BYTES", 4096)


@pytest.fixture
def talk() -> Corpus:
    """Three connections on which both sides send, their messages in the order of time."""
    generator = random.Random(5)
    events = []
    for number in range(600):
        connection = generator.randrange(3)
        direction = generator.choice(("client", "server"))
        data = f'{{"n":{number},"text":"{"word " * generator.randrange(9)}"}}'.encode()
        message = Message(data, True) if number % 7 else Message(bytes([number % 256] * 40), False)
        events.append(Event(connection, direction, message, 1.7e9 + number))
    return Corpus.of_events("talk", events)


def lines(count: int) -> Corpus:
    return Corpus.of_messages("lines", [Message(b'{"n":%d}' % n, True) for n in range(count)])


@pytest.mark.parametrize("name", EXTENSIONS)
def test_a_streamed_corpus_is_what_a_held_one_is(
    tmp_path: Path, talk: Corpus, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = lines(2000) if name.startswith("lines") else talk
    path = tmp_path / name
    write_corpus(corpus, path)
    held = load_corpus(path)
    assert isinstance(held, Corpus)
    monkeypatch.setattr(source, "HELD_BYTES", 4096)
    streamed = load_corpus(path)
    assert isinstance(streamed, StreamedCorpus)
    assert streamed.name == held.name
    assert streamed.sha256() == held.sha256() == corpus.sha256()
    assert streamed.statistics() == held.statistics()
    again = Corpus.of_events("again", streamed.events())
    assert again.sha256() == corpus.sha256()
    # As other processes get it.
    twin = pickle.loads(pickle.dumps(streamed))
    assert list(twin.events()) == list(streamed.events())
    assert list(twin.messages()) == list(streamed.messages())


def test_one_direction_of_a_streamed_corpus(
    tmp_path: Path, talk: Corpus, little_memory: None
) -> None:
    write_corpus(talk, tmp_path / "talk.capture.jsonl")
    for direction in ("client", "server"):
        streamed = load_corpus(tmp_path / "talk.capture.jsonl", direction=direction)
        assert isinstance(streamed, StreamedCorpus)
        assert streamed.sha256() == talk.in_direction(direction).sha256()
        assert streamed.statistics().directions == (direction,)


def test_the_sample_is_runs_from_all_over_the_file(
    tmp_path: Path, little_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{corpus_package}.streamed._RUN_BYTES", 2000)
    monkeypatch.setattr(f"{corpus_package}.streamed._SAMPLE_BYTES", 20_000)
    corpus = lines(5000)
    write_corpus(corpus, tmp_path / "c.jsonl")
    sample = load_corpus(tmp_path / "c.jsonl").sample
    position = {message: number for number, message in enumerate(corpus.messages())}
    firsts = []
    for stream in sample.streams:
        places = [position[message] for message in stream.messages]
        assert places == list(range(places[0], places[-1] + 1))
        firsts.append(places[0])
    assert firsts[0] == 0
    assert firsts[-1] > 4000
    # Evenly: the runs are as far from one another.
    gaps = {after - before for before, after in itertools.pairwise(firsts)}
    assert max(gaps) - min(gaps) <= 4
    assert 10_000 <= sum(len(message.data) + 100 for message in sample.messages()) <= 20_000


def test_a_large_standard_input_and_a_pipe_are_kept_for_more_than_one_reading(
    tmp_path: Path, little_memory: None
) -> None:
    data = b"".join(b"line %d\n" % number for number in range(3000))
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[data])
    writer.start()
    corpus = load_corpus(tmp_path / "pipe")
    writer.join()
    assert isinstance(corpus, StreamedCorpus)
    assert [m.data for m in corpus.messages()] == data.split(b"\n")[:-1]
    assert [m.data for m in corpus.messages()] == data.split(b"\n")[:-1]


def test_errors_far_in_a_large_file_name_the_place(tmp_path: Path, little_memory: None) -> None:
    (tmp_path / "c.jsonl").write_bytes(b"fine\n" * 5000 + b"a\xff\n")
    with pytest.raises(CorpusError, match=r"c\.jsonl:5001:2: not UTF-8 \(byte 0xff\)"):
        load_corpus(tmp_path / "c.jsonl")
    packed = gzip.compress(random.Random(1).randbytes(50_000).hex().encode())
    (tmp_path / "cut.txt.gz").write_bytes(packed[:-9000])
    with pytest.raises(CorpusError, match=r"cut\.txt\.gz: corrupt gzip: compressed file ended"):
        load_corpus(tmp_path / "cut.txt.gz")


def test_a_large_json_array_is_held_whole(tmp_path: Path, little_memory: None) -> None:
    corpus = lines(3000)
    write_corpus(corpus, tmp_path / "c.json")
    loaded = load_corpus(tmp_path / "c.json")
    assert isinstance(loaded, Corpus)
    assert loaded.sha256() == corpus.sha256()


def test_large_lines_that_begin_as_json_does_are_lines(tmp_path: Path, little_memory: None) -> None:
    (tmp_path / "a").write_bytes(b'["x","y"]\n' * 3000)
    assert load_corpus(tmp_path / "a").statistics().messages == 3000


def test_a_packed_file_that_would_fill_the_memory_is_refused(
    tmp_path: Path, little_memory: None
) -> None:
    document = b'["' + b"a" * 500_000 + b'"]'
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(document))
    with pytest.raises(CorpusError, match="unpacks to more than 100 times its size"):
        load_corpus(tmp_path / "bomb.json.gz")
    har = b'{"log":{"entries":[],"comment":"' + b"a" * 500_000 + b'"}}'
    (tmp_path / "bomb.har.gz").write_bytes(gzip.compress(har))
    with pytest.raises(CorpusError, match="unpacks to more than 100 times its size"):
        load_corpus(tmp_path / "bomb.har.gz")


def test_a_line_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{corpus_package}.lines_format.MOST_LINE_BYTES", 2**20)
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(b"short\n" + b"a" * 3 * 2**20))
    with pytest.raises(CorpusError, match=r"bomb\.txt\.gz:2: a line of more than 1 MiB"):
        load_corpus(tmp_path / "bomb.txt.gz")


def test_a_file_that_changes_is_not_measured_as_if_it_did_not(
    tmp_path: Path, little_memory: None
) -> None:
    path = tmp_path / "c.jsonl"
    write_corpus(lines(2000), path)
    streamed = load_corpus(path)
    with path.open("ab") as file:
        file.write(b"one more\n")
    with pytest.raises(CorpusError, match=r"c\.jsonl: it changed since it was first read"):
        list(streamed.events())


def test_a_direction_that_a_large_file_lacks_is_told_as_of_a_small_one(
    tmp_path: Path, little_memory: None
) -> None:
    write_corpus(lines(2000), tmp_path / "c.jsonl")
    with pytest.raises(CorpusError, match=r"c\.jsonl: no messages from the client"):
        load_corpus(tmp_path / "c.jsonl", direction="client")


def test_a_temporary_file_goes_with_its_corpus(
    tmp_path: Path, little_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    write_corpus(lines(2000), tmp_path / "c.capture.jsonl")
    write_corpus(
        load_corpus(tmp_path / "c.capture.jsonl", direction="server").sample, tmp_path / "c.har"
    )
    corpus = load_corpus(tmp_path / "c.har")
    assert isinstance(corpus, StreamedCorpus)
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    del corpus
    assert list((tmp_path / "temporary").iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(CorpusError, match=r"c\.har: No such file or directory, .*; set TMPDIR"):
        load_corpus(tmp_path / "c.har")

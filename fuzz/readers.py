r"""Fuzz the readers of corpora: whatever the bytes, messages, or an error that a user can mend.

    python fuzz/readers.py -max_total_time=600 -max_len=10000 -dict=fuzz/readers.dict FOLDER \
        fuzz/seeds

The first byte of an input chooses the name of the file and the format that is forced, if any, the
second how the rest is packed into it. fuzz/README.md says how to set this up, and what it found.
"""

import gzip
import io
import resource
import sys
import tempfile
import zipfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wsbench.corpus", "zipfile", "gzip", "_compression"]):
    from wsbench.corpus import AnyCorpus, Corpus, load_corpus, source, write_corpus

from wsbench.errors import CorpusError

# The file's name, and the format that is forced; any other first byte stands for one of these too.
CASES = {
    "j": ("c.json", None),
    "J": ("c.json", "json"),
    "l": ("c.jsonl", None),
    "L": ("c.txt", "lines"),
    "c": ("c.capture.jsonl", None),
    "C": ("c", "capture"),
    "h": ("c.har", None),
    "H": ("c", "har"),
    "n": ("c", None),
}
PACKINGS = ("plain", "gzip", "zip", "large")  # "0" to "3"
# Of what is too large to be held, so much is.
LITTLE_BYTES = 64
# What reading an input may take more than Python and the fuzzer do.
MOST_BYTES = 2**30
# Of a corpus of so many messages, files are written and read again.
FEW_MESSAGES = 100

# It stays: libFuzzer ends the process at once.
FOLDER = Path(tempfile.mkdtemp(prefix="wsbench-fuzz-"))
# What HAR files may name as the place of their messages.
BESIDE = b'{"type":"send","opcode":1,"data":"beside"}\n'


def choice(head: bytes) -> tuple[str, str | None, str]:
    """The name, the format and the packing that the first two bytes of an input stand for."""
    cases = list(CASES.values())
    name, format = CASES.get(chr(head[0]), cases[head[0] % len(cases)])
    return name, format, PACKINGS[head[1] % len(PACKINGS)]


def packed(data: bytes, packing: str) -> bytes:
    """The bytes of a file with the data in it; in an archive, up to a NUL it is the HAR file."""
    if packing == "gzip":
        return gzip.compress(data, 1)
    if packing == "zip":
        archive = io.BytesIO()
        har, _, attached = data.partition(b"\0")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
            members.writestr("a.har", har)
            members.writestr("m.jsonl", attached)
        return archive.getvalue()
    return data


def load(path: Path, format: str | None) -> AnyCorpus | None:
    """The corpus of a file, or None if it is refused as the rules for errors have it."""
    try:
        corpus = load_corpus(path, format)
    except CorpusError as error:
        text = str(error)
        if not (text.isprintable() and text.startswith(str(FOLDER))):
            raise AssertionError(text) from error
        return None
    assert all(remark.isprintable() for remark in corpus.remarks)
    assert corpus.statistics().messages == sum(1 for _ in corpus.messages())
    return corpus


def read(data: bytes) -> None:
    """Read an input; anything but a corpus or a CorpusError of one line is a finding."""
    if len(data) < 2:
        return
    name, format, packing = choice(data[:2])
    path = FOLDER / name
    path.write_bytes(packed(data[2:], packing))
    corpus = load(path, format)
    if packing == "large":
        held_bytes, source.HELD_BYTES = source.HELD_BYTES, LITTLE_BYTES
        streamed = load(path, format)
        source.HELD_BYTES = held_bytes
        # By its start alone, a file may be taken for another format.
        if format is not None:
            assert (corpus is None) == (streamed is None)
            if corpus is not None and streamed is not None:
                assert corpus.sha256() == streamed.sha256()
                assert corpus.statistics() == streamed.statistics()
                assert corpus.remarks == streamed.remarks
    path.unlink()
    if isinstance(corpus, Corpus) and corpus.statistics().messages <= FEW_MESSAGES:
        for target in ("c.capture.jsonl", "c.har"):
            write_corpus(corpus, FOLDER / target)
            again = load_corpus(FOLDER / target)
            (FOLDER / target).unlink()
            assert again.sha256() == corpus.sha256(), target


def main() -> None:
    """Run the fuzzer with the memory bounded; findings are written to the current folder."""
    (FOLDER / "m.jsonl").write_bytes(BESIDE)
    atheris.Setup(sys.argv, read)
    with open("/proc/self/statm") as statm:  # noqa: PTH123
        taken_bytes = int(statm.read().split()[0]) * resource.getpagesize()
    limit_bytes = taken_bytes + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    atheris.Fuzz()


if __name__ == "__main__":
    main()

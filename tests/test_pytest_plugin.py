"""The fixture `assert_deflate`: what it takes, what it says, and where it looks for corpora."""

import asyncio
import gzip
import json
import math
import re
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wsbench import _assertion
from wsbench.corpus import Corpus, Message, Stream, load_corpus, source
from wsbench.errors import CorpusError, MeasurementError, SettingsError
from wsbench.measure.memory import measure_memory
from wsbench.pytest_plugin import AssertDeflate, Deflated
from wsbench.results import Memory
from wsbench.settings import LADDER, DeflateSettings

pytest_plugins = ["pytester"]

TEXTS = [f'{{"id":{number},"text":"grüße {number * number}"}}' for number in range(300)]


def zlib_bytes(messages: Iterable[bytes], window_bits: int, memory_level: int) -> int:
    """What RFC 7692, section 7.2.1, makes of them: a flush a message, less its last four bytes."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -window_bits, memory_level)
    return sum(
        len(deflate.compress(message) + deflate.flush(zlib.Z_SYNC_FLUSH)) - 4
        for message in messages
    )


def test_ratios_are_those_of_zlib(assert_deflate: AssertDeflate) -> None:
    payloads = [text.encode() for text in TEXTS]
    total = sum(map(len, payloads))
    measured = assert_deflate(TEXTS, settings=["15/8", "9/1", "off"], max_ratio=1)
    expected = [zlib_bytes(payloads, 15, 8), zlib_bytes(payloads, 9, 1), total]
    assert measured == [
        Deflated(label, total, size_bytes, size_bytes / total, None)
        for label, size_bytes in zip(["15/8", "9/1", "off"], expected, strict=True)
    ]


def test_a_limit_may_be_reached_but_not_passed(assert_deflate: AssertDeflate) -> None:
    compressed = zlib_bytes([text.encode() for text in TEXTS], 12, 5)
    ratio = compressed / len("".join(TEXTS).encode())
    assert_deflate(TEXTS, max_ratio=ratio)
    with pytest.raises(AssertionError) as caught:
        assert_deflate(TEXTS, max_ratio=math.nextafter(ratio, 0))
    # The figures tell more than what they are rounded to.
    text = f"{100 * ratio:.1f}%"
    assert str(caught.value) == (
        f"messages at 12/5: compressed to {text} of the bytes ({compressed:,} of "
        f"{len(''.join(TEXTS).encode()):,}), more than {text}"
    )


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ("13/6, no context takeover", ["13/6, no context takeover"]),
        (DeflateSettings(9, 2), ["9/2"]),
        (None, ["off"]),
        (LADDER[:2], ["15/8", "14/7"]),
        (["9/2", DeflateSettings(9, 2), "off", None], ["9/2", "off"]),
        ((f"{bits}/5" for bits in (9, 10)), ["9/5", "10/5"]),
    ],
    ids=["text", "object", "none", "objects", "mixture", "generator"],
)
def test_settings_are_one_or_several(
    assert_deflate: AssertDeflate, settings: Any, labels: list[str]
) -> None:
    measured = assert_deflate(TEXTS, settings=settings, max_ratio=1.5)
    assert [item.settings for item in measured] == labels


def test_memory_is_what_a_server_allocates(assert_deflate: AssertDeflate) -> None:
    settings: list[DeflateSettings | None] = [DeflateSettings(12, 5), None]
    known = [memory.connection_bytes for _, memory in measure_memory(settings)]
    measured = assert_deflate(["hello"], settings=settings, max_memory="1MiB")
    assert [item.memory_bytes for item in measured] == pytest.approx(known, abs=1024)
    # Measured once in a session, so that the limit can be met to the byte.
    size_bytes = measured[0].memory_bytes
    assert size_bytes is not None
    assert_deflate(["hello"], max_memory=size_bytes)
    with pytest.raises(AssertionError) as caught:
        assert_deflate(["hello"], max_memory=size_bytes - 1)
    text = f"{size_bytes / 1024:.1f} KiB"
    assert re.fullmatch(
        rf"messages at 12/5: {text} \({size_bytes:,} bytes\) allocated per connection, more than "
        rf"[0-9.]+ KiB",
        str(caught.value),
    )


def test_every_settings_is_measured_once(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    asked: list[list[DeflateSettings | None]] = []

    def counted(items: list[DeflateSettings | None]) -> Iterator[Any]:
        asked.append(items)
        figures = {"connection_stdev_bytes": 0, "deflate_bytes": 0, "inflate_bytes": 0}
        yield from ((item, Memory(connection_bytes=9, connections=2, **figures)) for item in items)

    monkeypatch.setattr(_assertion, "measure_memory", counted)
    assert_deflate = AssertDeflate(pytestconfig.rootpath)
    assert_deflate(["a"], settings=["9/2", "off"], max_memory=9)
    assert_deflate(["b"], settings=["off", "9/2", "9/3"], max_memory=9)
    assert_deflate(["c"], settings="9/3", max_memory=9)
    assert_deflate(["d"], settings="15/8", max_ratio=9)
    assert asked == [[DeflateSettings(9, 2), None], [DeflateSettings(9, 3)]]


def test_all_limits_that_are_broken_are_told(assert_deflate: AssertDeflate) -> None:
    corpus = Corpus.of_messages("greeting", [Message(b"hello", True)])
    with pytest.raises(AssertionError) as caught:
        assert_deflate(corpus, settings=["12/5", "off"], max_ratio=0.5, max_memory="1KiB")
    compressed = zlib_bytes([b"hello"], 12, 5)
    patterns = [
        rf"greeting at 12/5: compressed to {20 * compressed}\.0% of the bytes "
        rf"\({compressed} of 5\), more than 50\.0%",
        r"greeting at 12/5: \S+ KiB \(\S+ bytes\) allocated per connection, more than 1\.0 KiB",
        r"greeting at off: compressed to 100\.0% of the bytes \(5 of 5\), more than 50\.0%",
        r"greeting at off: \S+ KiB \(\S+ bytes\) allocated per connection, more than 1\.0 KiB",
    ]
    assert re.fullmatch("\n".join(patterns), str(caught.value))


@pytest.mark.parametrize("form", [str, Path])
def test_paths_are_read_as_everywhere(
    assert_deflate: AssertDeflate, tmp_path: Path, form: type
) -> None:
    (tmp_path / "chat.jsonl.gz").write_bytes(gzip.compress("\n".join(TEXTS).encode()))
    (tmp_path / "folder").mkdir()
    for number, text in enumerate(TEXTS):
        (tmp_path / "folder" / f"{number:03}.json").write_text(text)
    expected = zlib_bytes([text.encode() for text in TEXTS], 12, 5)
    for name in ("chat.jsonl.gz", "folder"):
        (measured,) = assert_deflate(form(tmp_path / name), max_ratio=1)
        assert measured.compressed_bytes == expected
    with pytest.raises(AssertionError, match=r"^chat at 12/5: compressed to "):
        assert_deflate(form(tmp_path / "chat.jsonl.gz"), max_ratio=0.01)


def test_messages_may_be_of_either_kind_and_come_from_anywhere(
    assert_deflate: AssertDeflate,
) -> None:
    messages = ["grüße", b"\xff\x00", bytearray(b"abc"), memoryview(b"def"), Message(b"{}", True)]
    (measured,) = assert_deflate(iter(messages), max_ratio=9)
    payloads = ["grüße".encode(), b"\xff\x00", b"abc", b"def", b"{}"]
    assert measured.original_bytes == sum(map(len, payloads))
    assert measured.compressed_bytes == zlib_bytes(payloads, 12, 5)


def test_one_side_can_be_taken(assert_deflate: AssertDeflate, tmp_path: Path) -> None:
    said = {"server": [b"welcome"] * 9, "client": [b"hello"] * 3}
    streams = [
        Stream(tuple(Message(data, True) for data in said[side]), side, 0)
        for side in ("client", "server")
    ]
    corpus = Corpus("both", tuple(streams))
    har = {
        "log": {
            "version": "1.2",
            "entries": [
                {
                    "request": {"url": "wss://example.org/"},
                    "_webSocketMessages": [
                        {"type": kind, "time": 1.0, "opcode": 1, "data": data.decode()}
                        for kind, side in (("send", "client"), ("receive", "server"))
                        for data in said[side]
                    ],
                }
            ],
        }
    }
    (tmp_path / "both.har").write_text(json.dumps(har))
    of_side = {side: zlib_bytes(messages, 12, 5) for side, messages in said.items()}
    for given in (corpus, tmp_path / "both.har"):
        for side, expected in of_side.items():
            (measured,) = assert_deflate(given, direction=side, max_ratio=2)
            assert measured.compressed_bytes == expected
        (measured,) = assert_deflate(given, max_ratio=2)
        assert measured.compressed_bytes == sum(of_side.values())


def test_messages_are_sent_by_the_side_that_is_given(assert_deflate: AssertDeflate) -> None:
    """The two sides may have different windows."""
    texts = [text * 9 for text in TEXTS]
    settings = DeflateSettings(15, 8, client_window_bits=9)
    for side, bits in (("server", 15), ("client", 9)):
        (measured,) = assert_deflate(texts, settings=settings, direction=side, max_ratio=1)
        assert measured.compressed_bytes == zlib_bytes(
            [text.encode() for text in texts], bits, settings.memory_level
        )


def test_a_corpus_that_is_not_held_in_memory(
    assert_deflate: AssertDeflate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "HELD_BYTES", 1000)
    (tmp_path / "chat.jsonl").write_text("\n".join(TEXTS))
    corpus = load_corpus(tmp_path / "chat.jsonl")
    assert not isinstance(corpus, Corpus)
    for given in (corpus, tmp_path / "chat.jsonl"):
        (measured,) = assert_deflate(given, max_ratio=1)
        assert measured.compressed_bytes == zlib_bytes([text.encode() for text in TEXTS], 12, 5)
    with pytest.raises(ValueError, match="pass the direction to load_corpus"):
        assert_deflate(corpus, direction="server", max_ratio=1)


def test_a_test_may_be_a_coroutine(assert_deflate: AssertDeflate) -> None:
    async def of_pytest_asyncio() -> list[Deflated]:
        return assert_deflate(["hello"], settings="10/1", max_memory="40KiB", max_ratio=2)

    (measured,) = asyncio.run(of_pytest_asyncio())
    assert measured.memory_bytes is not None
    # The zlib manual: what compresses takes this, and what decompresses the window.
    assert measured.memory_bytes > (1 << 12) + (1 << 10) + (1 << 10)


def test_a_measurement_that_fails_is_no_broken_limit(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    def failing(_: object) -> Iterator[Any]:
        raise MeasurementError("the server did not start")
        yield

    monkeypatch.setattr(_assertion, "measure_memory", failing)
    with pytest.raises(MeasurementError, match="did not start") as caught:
        AssertDeflate(pytestconfig.rootpath)(["a"], max_memory="70KiB")
    # This function and the fixture, in which pytest hides itself.
    assert len(caught.traceback) == 2


@pytest.mark.parametrize(
    ("corpus", "arguments", "error", "complaint"),
    [
        (["a"], {}, TypeError, "nothing to assert: pass max_ratio, max_memory or both"),
        (["a"], {"max_ratio": "30%"}, TypeError, "max_ratio '30%': pass a share"),
        (["a"], {"max_ratio": True}, TypeError, "max_ratio True: pass a share of the bytes"),
        (["a"], {"max_ratio": 0}, ValueError, "max_ratio 0: pass a share of the bytes, such as"),
        (["a"], {"max_ratio": math.nan}, ValueError, "max_ratio nan: pass a share"),
        (["a"], {"max_ratio": math.inf}, ValueError, "max_ratio inf: pass a share"),
        (["a"], {"max_memory": 1.5}, TypeError, "max_memory 1.5: pass bytes, or a text such as"),
        (["a"], {"max_memory": True}, TypeError, "max_memory True: pass bytes, or a text such as"),
        (["a"], {"max_memory": "7kb"}, ValueError, "max_memory '7kb': write a number of bytes"),
        (["a"], {"max_memory": -7}, ValueError, "max_memory '-7': write a number of bytes"),
        (["a"], {"max_memory": 0}, ValueError, "max_memory 0: every connection takes some"),
        (["a"], {"max_ratio": 1, "settings": 12}, TypeError, "settings 12: pass '12/5', 'off', "),
        (["a"], {"max_ratio": 1, "settings": [12]}, TypeError, "settings 12: pass '12/5'"),
        (["a"], {"max_ratio": 1, "settings": []}, ValueError, "settings are empty: pass at least"),
        (["a"], {"max_ratio": 1, "settings": "12"}, SettingsError, "write WINDOW_BITS/MEMORY_"),
        (["a"], {"max_ratio": 1, "settings": "8/5"}, SettingsError, "zlib cannot produce it"),
        (["a"], {"max_ratio": 1, "direction": "both"}, ValueError, "direction 'both': pass one of"),
        ([], {"max_ratio": 1}, CorpusError, "messages: no messages; pass at least one"),
        ([{"a": 1}], {"max_ratio": 1}, TypeError, "message 1 is of type dict: pass str for text"),
        (["a", None], {"max_ratio": 1}, TypeError, "message 2 is of type NoneType: pass str for"),
        ({"a": 1}, {"max_ratio": 1}, TypeError, "corpus is of type dict: pass a path, a corpus"),
        (b"abc", {"max_ratio": 1}, TypeError, "corpus is of type bytes: pass a path, a corpus"),
        (7, {"max_ratio": 1}, TypeError, "corpus is of type int: pass a path, a corpus of wsbench"),
        ("", {"max_ratio": 1}, CorpusError, "the corpus has an empty name"),
        ("n" * 5000, {"max_ratio": 1}, CorpusError, "File name too long; name a file"),
        ("s3:", {"max_ratio": 1}, CorpusError, "s3:: No such file or directory; name a file"),
        (Corpus("none", ()), {"max_ratio": 1}, CorpusError, "none: no messages; pass at least one"),
        (
            Corpus.of_messages("chat", [Message(b"a", True)]),
            {"max_ratio": 1, "direction": "client"},
            CorpusError,
            "chat: no messages from the client; pass at least one",
        ),
    ],
)
def test_a_mistake_is_no_broken_limit(
    assert_deflate: AssertDeflate,
    corpus: Any,
    arguments: dict[str, Any],
    error: type[Exception],
    complaint: str,
) -> None:
    with pytest.raises(error) as caught:
        assert_deflate(corpus, **arguments)
    assert complaint in str(caught.value)
    assert str(caught.value).isprintable()
    # What pytest shows of it ends at the line above.
    assert not [entry for entry in caught.traceback[1:] if not entry.ishidden(caught)]


# A suite of a user, whose corpora are beside the tests or at the root of the project.
SUITE = """
    import pytest
    import wsbench

    def test_below_the_root(assert_deflate):
        assert assert_deflate("corpora/chat.json", max_ratio=9)[0].original_bytes == 5

    def test_in_the_current_folder(assert_deflate, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "own.json").write_text('["hello", "world"]')
        assert assert_deflate("own.json", max_ratio=9)[0].original_bytes == 10
        # What is below the root comes first.
        (tmp_path / "corpora").mkdir()
        (tmp_path / "corpora" / "chat.json").write_text('["hello", "world"]')
        assert assert_deflate("corpora/chat.json", max_ratio=9)[0].original_bytes == 5

    def test_nowhere(assert_deflate, request):
        place = request.config.rootpath / "corpora" / "game.json"
        with pytest.raises(wsbench.CorpusError, match=f"^{place}: No such file or directory; name"):
            assert_deflate("corpora/game.json", max_ratio=9)
"""


@pytest.mark.parametrize("folder", [".", "tests"])
def test_corpora_are_found_from_the_root(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    pytester.makeini("[pytest]")
    pytester.makepyfile(test_suite=SUITE)
    (pytester.path / "corpora").mkdir()
    (pytester.path / "corpora" / "chat.json").write_text('["hello"]')
    (pytester.path / "tests").mkdir()
    (pytester.path / "test_suite.py").rename(pytester.path / "tests" / "test_suite.py")
    monkeypatch.chdir(pytester.path / folder)
    pytester.runpytest("-W", "error").assert_outcomes(passed=3)


def test_the_plugin_says_nothing_of_itself(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]")
    pytester.makepyfile("def test_nothing(): pass")
    done = pytester.runpytest("--strict-config", "--strict-markers", "-W", "error")
    done.assert_outcomes(passed=1)
    done.stdout.no_fnmatch_line("*warning*")
    for option in ("--markers", "--help"):
        pytester.runpytest(option).stdout.no_fnmatch_line("*wsbench*")
    pytester.runpytest("--fixtures").stdout.fnmatch_lines(
        ["assert_deflate [[]session scope[]]*", "    Assert what permessage-deflate makes of *"]
    )


def test_it_can_be_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_fixture(assert_deflate): pass")
    done = pytester.runpytest("-p", "no:wsbench")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*fixture 'assert_deflate' not found*"])


def test_every_run_of_pytest_imports_next_to_nothing_for_it() -> None:
    script = """if True:
        import sys
        import pytest
        before = set(sys.modules)
        import wsbench.pytest_plugin
        print(*sorted(set(sys.modules) - before))
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["wsbench", "wsbench.pytest_plugin"]

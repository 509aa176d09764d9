"""A project's own test suite, with the fixture that comes with wsbench."""

import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

SUITE = """\
from wsbench.pytest_plugin import AssertDeflate


def test_chat_is_small_enough(assert_deflate: AssertDeflate) -> None:
    (measured,) = assert_deflate(
        "corpora/chat.jsonl", settings="12/5", max_ratio=0.5, max_memory="70KiB"
    )
    print("measured", measured.compressed_bytes, "of", measured.original_bytes)


def test_chat_with_a_small_window(assert_deflate: AssertDeflate) -> None:
    assert_deflate(
        "corpora/chat.jsonl", settings=["9/1", "12/5"], max_ratio=0.01, max_memory="1KiB"
    )
"""
TEXTS = [f'{{"id":{number},"text":"hello {number * number}"}}' for number in range(200)]

Suite = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Run pytest on the suite, in an empty project; warnings are errors."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_chat.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "chat.jsonl").write_text("\n".join(TEXTS))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-W", "error", *arguments],
            capture_output=True,
            cwd=tmp_path,
            text=True,
            timeout=300,
        )

    return run


def zlib_bytes(window_bits: int, memory_level: int) -> int:
    deflate = zlib.compressobj(6, zlib.DEFLATED, -window_bits, memory_level)
    return sum(
        len(deflate.compress(text.encode()) + deflate.flush(zlib.Z_SYNC_FLUSH)) - 4
        for text in TEXTS
    )


def test_a_project_asserts_what_its_messages_cost(suite: Suite) -> None:
    done = suite("-rP")
    original = len("".join(TEXTS))
    assert done.returncode == 1
    assert done.stderr == ""
    assert f"measured {zlib_bytes(12, 5)} of {original}\n" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    # From the line of the test to its error, nothing of wsbench is shown.
    expected = [r">       assert_deflate\(", r"            \"corpora/chat.*", r"        \)"]
    for settings, compressed in (("9/1", zlib_bytes(9, 1)), ("12/5", zlib_bytes(12, 5))):
        share = f"{100 * compressed / original:.1f}%"
        expected += [
            rf"chat at {settings}: compressed to {share} of the bytes \({compressed:,} of "
            rf"{original:,}\), more than 1\.0%",
            rf"chat at {settings}: \S+ KiB \(\S+ bytes\) allocated per connection, more than "
            rf"1\.0 KiB",
        ]
    prefix = r"\nE       (?:AssertionError: )?"
    lines = "\n".join(expected[:3]) + "".join(prefix + line for line in expected[3:])
    assert re.search(lines + r"\n\ntests/test_chat\.py:12: AssertionError\n", done.stdout)


def test_it_works_in_several_processes(suite: Suite) -> None:
    done = suite("-n", "2")
    assert "1 failed, 1 passed" in done.stdout
    assert "chat at 12/5: compressed to" in done.stdout
    assert done.stderr == ""

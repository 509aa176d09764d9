"""What the record says of where it was measured: the commit, and the processor."""

import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from wsbench import environment
from wsbench.environment import Environment, current_commit, current_environment

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where this suite does not run in CI, nor from a hook of git's."""
    for variable in [*os.environ]:
        if variable in ("GITHUB_SHA", "CI_COMMIT_SHA") or variable.startswith("GIT_"):
            monkeypatch.delenv(variable)


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Run git in an empty repository, which is the current folder."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    # Whatever the user's configuration says of signatures, hooks and names.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "somebody@example.org")

    def run(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    run("init", "--quiet")
    return run


def commit(git: Git, text: str = "first") -> str:
    Path("file").write_text(text)
    git("add", "file")
    git("commit", "--quiet", "--message", text)
    return git("rev-parse", "HEAD")


def test_a_commit_has_twelve_digits(git: Git) -> None:
    first = commit(git)
    assert current_commit() == first[:12]
    second = commit(git, "second")
    assert current_commit() == second[:12] != first[:12]


def test_tags_and_branches_do_not_matter(git: Git) -> None:
    digits = commit(git)[:12]
    git("tag", "v1.0")
    git("tag", "--annotate", "v2.0", "--message", "the second")
    assert current_commit() == digits
    git("checkout", "--quiet", "--detach")
    assert current_commit() == digits


def test_it_is_found_from_below(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = commit(git)[:12]
    Path("a", "b").mkdir(parents=True)
    monkeypatch.chdir(Path("a", "b"))
    assert current_commit() == digits


@pytest.mark.parametrize("staged", [True, False])
def test_changed_files_are_told(git: Git, staged: bool) -> None:
    digits = commit(git)[:12]
    Path("file").write_text("changed")
    if staged:
        git("add", "file")
    assert current_commit() == f"{digits}-dirty"
    git("checkout", "--quiet", "HEAD", "file")
    assert current_commit() == digits


def test_files_that_git_does_not_know_are_no_change(git: Git) -> None:
    digits = commit(git)[:12]
    Path("baseline.json").write_text("{}")
    assert current_commit() == digits


def test_asking_changes_nothing(git: Git) -> None:
    digits = commit(git)[:12]
    before = Path(".git", "index").read_bytes()
    # As much as git needs to look into the file again, and to take note of that.
    os.utime("file", (1, 1))
    assert current_commit() == digits
    assert Path(".git", "index").read_bytes() == before


def test_without_a_commit_there_is_none(git: Git) -> None:
    assert current_commit() is None


def test_outside_of_a_repository_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Where the folder for temporary files happens to lie in one.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert current_commit() is None


def test_in_a_broken_repository_there_is_none(git: Git) -> None:
    commit(git)
    Path(".git", "HEAD").write_text("nonsense")
    assert current_commit() is None


def test_without_git_there_is_none(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(git)
    monkeypatch.setenv("PATH", os.devnull)
    assert current_commit() is None


def test_in_a_folder_that_was_removed_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert current_commit() is None


@pytest.mark.parametrize("variable", ["GITHUB_SHA", "CI_COMMIT_SHA"])
def test_in_ci_the_variable_counts(
    git: Git, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    digits = commit(git)[:12]
    monkeypatch.setenv(variable, "0123456789abcdef0123456789abcdef01234567")
    assert current_commit() == "0123456789ab"
    monkeypatch.setenv(variable, "")
    assert current_commit() == digits


def test_versions_are_those_that_run() -> None:
    of = current_environment()
    assert of.python == ".".join(map(str, sys.version_info[:3]))
    assert of.implementation == "CPython"
    assert of.websockets == version("websockets")
    assert (of.zlib, of.zlib_headers) == (zlib.ZLIB_RUNTIME_VERSION, zlib.ZLIB_VERSION)
    assert of.os == os.uname().sysname
    assert of.machine == os.uname().machine
    assert of.memory_bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert of == current_environment()


def lscpu(*arguments: str) -> Any:
    """What util-linux says, which reads the processor's own registers as well."""
    if shutil.which("lscpu") is None:
        pytest.skip("needs lscpu")
    done = subprocess.run(["lscpu", "--json", *arguments], capture_output=True, env={"LC_ALL": "C"})
    if done.returncode:
        pytest.skip("this lscpu writes no JSON")
    return json.loads(done.stdout)


def test_the_processor_is_what_lscpu_says() -> None:
    fields = {item["field"].rstrip(":"): item["data"] for item in lscpu()["lscpu"]}
    of = current_environment()
    if {"Model name", "CPU family", "Model", "Stepping"} - {*fields}:
        pytest.skip("this processor has no such numbers")
    assert of.cpu == fields["Model name"]
    family, model, stepping = (fields[name] for name in ("CPU family", "Model", "Stepping"))
    assert of.cpu_version == f"family {family}, model {model}, stepping {stepping}"


def test_caches_are_what_lscpu_says() -> None:
    caches = lscpu("--caches=NAME,ONE-SIZE,TYPE", "--bytes").get("caches", [])
    if not caches:
        pytest.skip("this system tells of no caches")
    expected = {
        item["name"]: int(item["one-size"]) for item in caches if item["type"] != "Instruction"
    }
    units = {"K": 2**10, "M": 2**20, "": 1}
    found = re.findall(r"(L\d\w?) (\d+)([KM]?)", current_environment().cpu_caches or "")
    assert {name: int(size) * units[unit] for name, size, unit in found} == expected


CPUINFO = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: Some: CPU
stepping\t: 0

processor\t: 1
cpu family\t: 99
model name\t: Another CPU
"""
ARM = """\
processor\t: 0
BogoMIPS\t: 243.75
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""


@pytest.mark.parametrize(
    ("text", "cpu", "cpu_version"),
    [
        (CPUINFO, "Some: CPU", "family 25, model 1, stepping 0"),
        (ARM, "what Python says", "implementer 0x41, variant 0x3, part 0xd0c, revision 1"),
        ("model name\t: Virtual\nstepping\t: unknown\n", "Virtual", "stepping unknown"),
        ("model name\t: Virtual\ncpu family\t: \n", "Virtual", None),
        ("", "what Python says", None),
    ],
)
def test_the_first_processor_is_told(
    monkeypatch: pytest.MonkeyPatch, text: str, cpu: str, cpu_version: str | None
) -> None:
    monkeypatch.setattr(environment, "read_if_there", lambda _: text)
    monkeypatch.setattr("platform.processor", lambda: "what Python says")
    found = current_environment()
    assert (found.cpu, found.cpu_version) == (cpu, cpu_version)


def test_a_system_that_tells_nothing_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "read_if_there", lambda _: "")
    monkeypatch.setattr("platform.processor", lambda: "")
    found = current_environment()
    assert isinstance(found, Environment)
    assert (found.cpu, found.cpu_version, found.cpu_caches) == (None, None, None)
    assert found.transparent_huge_pages is None


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "PYTHONMALLOC", "MALLOC_ARENA_MAX"])
def test_what_changes_the_allocator_is_told(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv(variable, raising=False)
    usual = current_environment().allocator
    monkeypatch.setenv(variable, "5")
    assert current_environment().allocator == f"{usual}, {variable}=5"

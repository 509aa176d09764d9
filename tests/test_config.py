"""[tool.wsbench]: what a command takes from it, and how it says what is wrong there."""

import os
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.core import ParameterSource
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsbench.cli._config import ConfiguredCommand, config_option
from wsbench.cli._options import corpus_format_option, parsed, parsed_each
from wsbench.errors import SettingsError
from wsbench.limits_text import parse_bytes
from wsbench.settings import DeflateSettings, parse_settings

Taken = dict[str, Any]


def parse_share(text: str) -> float:
    if not re.fullmatch(r"0?\.[0-9]+", text):
        raise SettingsError(f"{text!r}: write a share, such as 0.25")
    return float(text)


@click.command(cls=ConfiguredCommand)
@click.argument("corpus_paths", nargs=-1, metavar="[CORPUS]...")
@config_option
@corpus_format_option
@click.option("--baseline")
@click.option("--settings", callback=parsed_each(parse_settings), multiple=True)
@click.option("--connections", type=click.IntRange(min=1), multiple=True)
@click.option("--max-ratio", "ratio", callback=parsed(parse_share))
@click.option("--max-memory", callback=parsed(parse_bytes))
@click.option("--max-seconds", type=click.FloatRange(min=1), default=30.0)
@click.option("--no-time", is_flag=True)
@click.pass_context
def command(ctx: click.Context, **taken: Any) -> Taken:
    """A command of the shape of `wsbench check`."""
    return taken


def take(*arguments: str) -> Taken:
    """What the command takes, after these arguments."""
    taken: Taken = command.main(list(arguments), standalone_mode=False)
    return taken


def mistake(*arguments: str) -> str:
    """The one line that it says instead, to a user who made no mistake on the command line."""
    with pytest.raises(click.UsageError) as caught:
        take(*arguments)
    assert caught.value.exit_code == 2
    assert caught.value.ctx is None
    text = caught.value.format_message()
    assert text.isprintable()
    return text


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the current one."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def configure(folder: Path, table: str) -> Path:
    file = folder / "pyproject.toml"
    file.write_text(f'[project]\nname = "chat"\n\n[tool.wsbench]\n{table}\n', encoding="utf-8")
    return file


WHOLE = """
corpus = ["chat.json", "https://example.org/a*.json"]
corpus-format = "json"
baseline = "results/baseline.json"
settings = ["12/5", "off"]
connections = [1, 1000]
max-ratio = 0.25
max-memory = "64KiB"
max-seconds = 60
no-time = true
"""


def test_all_of_it_is_taken(project: Path) -> None:
    configure(project, WHOLE)
    assert take() == {
        "corpus_paths": ("chat.json", "https://example.org/a*.json"),
        "corpus_format": "json",
        "baseline": "results/baseline.json",
        "settings": [DeflateSettings(12, 5), None],
        "connections": (1, 1000),
        "ratio": 0.25,
        "max_memory": 65536,
        "max_seconds": 60.0,
        "no_time": True,
    }


def test_the_command_line_wins(project: Path) -> None:
    configure(project, WHOLE)
    taken = take(
        *("mine.json", "--baseline", "b", "--settings", "9/2", "--max-memory", "1KiB"),
        *("--connections", "7", "--max-ratio", ".5", "--corpus-format", "lines"),
    )
    assert taken == {
        "corpus_paths": ("mine.json",),
        "corpus_format": "lines",
        "baseline": "b",
        "settings": [DeflateSettings(9, 2)],
        "connections": (7,),
        "ratio": 0.5,
        "max_memory": 1024,
        "max_seconds": 60.0,
        "no_time": True,
    }


NOTHING = {
    "corpus_paths": (),
    "corpus_format": None,
    "baseline": None,
    "settings": [],
    "connections": (),
    "ratio": None,
    "max_memory": None,
    "max_seconds": 30.0,
    "no_time": False,
}


def test_without_a_file_there_are_the_defaults(project: Path) -> None:
    assert take() == NOTHING


@pytest.mark.parametrize(
    "content", ["", "[tool]", "[tool.other]\nwsbench = 1", "tool = 3", "[tool.wsbench]"]
)
def test_a_file_that_says_nothing_changes_nothing(project: Path, content: str) -> None:
    (project / "pyproject.toml").write_text(content)
    assert take() == NOTHING


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ('corpus = "a.json"', "corpus_paths", ("a.json",)),
        ('corpus = "-"', "corpus_paths", ("-",)),
        ('corpus = "/data/a.json"', "corpus_paths", ("/data/a.json",)),
        ('corpus = "../a.json"', "corpus_paths", ("../a.json",)),
        ('corpus = "./a.json"', "corpus_paths", ("a.json",)),
        ("corpus = []", "corpus_paths", ()),
        ('corpus = ["a", "a"]', "corpus_paths", ("a",)),
        ('baseline = "https://example.org/b.json"', "baseline", "https://example.org/b.json"),
        ('settings = "12/5, level 9"', "settings", [DeflateSettings(12, 5, 9)]),
        ("settings = []", "settings", []),
        ("connections = 5", "connections", (5,)),
        ("max-memory = 65536", "max_memory", 65536),
        ("max-memory = 0x100", "max_memory", 256),
        ("max-ratio = 0.00001", "ratio", 0.00001),
        ('max-ratio = "0.5"', "ratio", 0.5),
        ("max-seconds = 2.5", "max_seconds", 2.5),
        ('max-seconds = "2.5"', "max_seconds", 2.5),
        ("no-time = false", "no_time", False),
        # Keys of options that this command does not have.
        ('strict = true\nmax-time-increase = "5"', "ratio", None),
    ],
)
def test_a_value_is_what_the_option_makes_of_it(
    project: Path, table: str, name: str, value: object
) -> None:
    configure(project, table)
    assert take()[name] == value


def test_the_source_of_each_value_is_known(project: Path) -> None:
    configure(project, WHOLE)
    with command.make_context("command", ["--max-memory", "1KiB"]) as ctx:
        assert ctx.get_parameter_source("max_memory") is ParameterSource.COMMANDLINE
        assert ctx.get_parameter_source("ratio") is ParameterSource.DEFAULT_MAP
        assert ctx.get_parameter_source("corpus_paths") is ParameterSource.DEFAULT_MAP
    with command.make_context("command", ["a.json"]) as ctx:
        assert ctx.get_parameter_source("corpus_paths") is ParameterSource.COMMANDLINE


def test_patterns_stand_for_files_sorted_and_once(project: Path) -> None:
    for name in ("b.json", "a.json", "c.har", ".hidden.json", "deep/er/d.json"):
        (project / "corpora" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "corpora" / name).write_text("[]")
    configure(project, 'corpus = ["corpora/b.json", "corpora/*.json", "corpora/**/d.json"]')
    assert take()["corpus_paths"] == (
        "corpora/b.json",
        "corpora/a.json",
        "corpora/deep/er/d.json",
    )
    configure(project, f'corpus = "{project}/corpora/*.har"')
    assert take()["corpus_paths"] == (f"{project}/corpora/c.har",)


def test_the_folder_of_the_file_may_have_any_name(tmp_path: Path) -> None:
    odd = tmp_path / "a [b] * ? c"
    odd.mkdir()
    (odd / "x.json").write_text("[]")
    file = configure(odd, 'corpus = "*.json"')
    assert take("--config", str(file))["corpus_paths"] == (str(odd / "x.json"),)


def test_the_nearest_file_with_the_table_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with ruff: in a repository of several packages, each has a pyproject.toml."""
    below = project / "packages" / "chat" / "tests"
    below.mkdir(parents=True)
    (project / "packages" / "chat" / "pyproject.toml").write_text("[tool.other]")
    (below / "pyproject.toml").mkdir()
    configure(project, 'corpus = "chat.json"\nbaseline = "/b.json"')
    monkeypatch.chdir(below)
    taken = take()
    assert taken["corpus_paths"] == (str(project / "chat.json"),)
    assert taken["baseline"] == "/b.json"
    configure(below.parent, 'corpus = "nearer.json"')
    assert take()["corpus_paths"] == (str(below.parent / "nearer.json"),)
    assert take()["baseline"] is None


def test_a_folder_that_was_removed_has_no_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = project / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert take() == NOTHING
    os.chdir(project)


def test_another_file_can_be_named(project: Path) -> None:
    (project / "ci").mkdir()
    configure(project, 'max-memory = "1KiB"\ncorpus = "a.json"')
    configure(project / "ci", 'max-ratio = 0.5\ncorpus = "b.json"').rename(project / "ci/ci.toml")
    taken = take("--config", "ci/ci.toml")
    assert (taken["ratio"], taken["max_memory"]) == (0.5, None)
    assert taken["corpus_paths"] == ("ci/b.json",)


def test_an_empty_file_switches_it_off(project: Path) -> None:
    configure(project, WHOLE)
    assert take("--config", os.devnull) == NOTHING


def test_help_is_there_whatever_the_file_says(project: Path) -> None:
    configure(project, "max-ration = 1")
    done = CliRunner().invoke(command, ["--help"])
    assert done.exit_code == 0
    assert "--config FILE" in done.output
    assert "of the nearest pyproject.toml that has it" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("max-ration = 1", "max-ration: no such key; choose from corpus, corpus-format, direction"),
        ("max_ratio = 1", "max_ratio: no such key; choose from"),
        ("update = true", "update: no such key"),
        ("[tool.wsbench.check]", "check: no such key"),
        ('"a\\nb\\u001b" = 1', "a\\nb\\x1b: no such key"),
        ("corpus = 1", "corpus: write a string, or an array of strings"),
        ('corpus = ["a", 1]', "corpus: write a string, or an array of strings"),
        ("baseline = 2020-01-01", "baseline: write a string"),
        ('connections = "1"', "connections: write a whole number, or an array of them"),
        ("connections = [1.5]", "connections: write a whole number, or an array of them"),
        ("connections = true", "connections: write a whole number, or an array of them"),
        ("connections = 99999999999999999999", "connections: write a whole number, or an array"),
        ("no-time = 1", "no-time: write true or false"),
        ('no-time = "yes"', "no-time: write true or false"),
        ("max-ratio = true", "max-ratio: write a number or a string"),
        ("max-memory = {}", "max-memory: write a number or a string"),
        ("max-memory = 0x1" + "0" * 9000, "max-memory: write a number or a string"),
        ('corpus = ""', "corpus: '': name a file"),
        ('corpus = "a\\u0000"', "corpus: 'a\\x00': name a file"),
        ('corpus = "\\u0000/*"', "corpus: '\\x00/*': name a file"),
        ('baseline = ""', "baseline: '': name a file"),
        ('corpus = ["*.json"]', "corpus: '*.json': no such files; the pattern matches nothing"),
        # What the options refuse by themselves.
        ('corpus-format = "xml"', "corpus-format: 'xml' is not one of 'json', 'lines'"),
        ('settings = ["12/5", "12"]', "settings: settings '12': write WINDOW_BITS/MEMORY_LEVEL"),
        ("connections = [1, 0]", "connections: 0 is not in the range x>=1"),
        ('max-memory = "64kb"', "max-memory: '64kb': write a number of bytes, such as 65536 or 64"),
        ("max-memory = 0.5", "max-memory: '0.5': write a number of bytes, such as 65536 or 64KiB"),
        ("max-ratio = inf", "max-ratio: 'Infinity': write a share, such as 0.25"),
        ("max-seconds = 0", "max-seconds: 0.0 is not in the range x>=1"),
        ('max-seconds = "soon"', "max-seconds: 'soon' is not a valid float"),
    ],
)
def test_a_mistake_names_file_and_key(project: Path, table: str, complaint: str) -> None:
    configure(project, table)
    assert mistake().startswith(f"pyproject.toml: [tool.wsbench] {complaint}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[tool.wsbench]\nstrict\n", ": not TOML: Expected '=' after a key"),
        (b"[tool.wsbench]\nstrict\n", " (at line 2, column 7); mend it"),
        (b"[a]\n[a]\n", ": not TOML: Cannot declare ('a',) twice (at line 2, column 3); mend it"),
        (b"a = " + b"[" * 9000, ": not TOML: maximum recursion depth exceeded"),
        (b"a = " + b"1" * 9000, ": not TOML: Exceeds the limit (4300 digits)"),
        (b"a = 1\nb = 'gr\xfc\xdfe'\n", ":2:8: not UTF-8 (byte 0xfc); save it as UTF-8"),
        (b"[tool]\nwsbench = 1\n", ": [tool.wsbench]: not a table; write [tool.wsbench] on a"),
        (b"[[tool.wsbench]]\n", ": [tool.wsbench]: not a table; write [tool.wsbench] on a line"),
    ],
)
def test_a_broken_file_is_named(project: Path, content: bytes, complaint: str) -> None:
    (project / "pyproject.toml").write_bytes(content)
    text = mistake()
    assert text.startswith("pyproject.toml")
    assert complaint in text


def test_files_that_are_named_must_be_there_and_have_the_table(project: Path) -> None:
    configure(project, WHOLE)
    (project / "other.toml").write_text("[tool.wsbnch]\nstrict = true")
    assert mistake("--config", "missing.toml") == (
        "missing.toml: No such file or directory; name a readable file with [tool.wsbench] by "
        "--config"
    )
    assert mistake("--config", ".").startswith(".: Is a directory; name a readable file")
    assert mistake("--config", "other.toml") == (
        "other.toml: it has no [tool.wsbench]; name a file that has, or an empty one"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_is_closed_is_named(project: Path) -> None:
    configure(project, WHOLE).chmod(0)
    assert mistake().startswith("pyproject.toml: Permission denied")


def test_a_mistake_on_the_command_line_is_about_the_command_line(project: Path) -> None:
    configure(project, WHOLE)
    with pytest.raises(click.BadParameter, match=r"^'1kb': write a number") as caught:
        take("--max-memory", "1kb")
    assert caught.value.format_message().startswith("Invalid value for '--max-memory': '1kb'")
    assert caught.value.ctx is not None


def test_every_key_is_an_option_of_wsbench_check(project: Path) -> None:
    from wsbench.cli.check import check

    configure(project, "unknown = 1")
    keys = mistake().partition("choose from ")[2].split(", ")
    assert keys[0] == "corpus"
    options = {text for param in check.params for text in param.opts}
    assert {f"--{key}" for key in keys[1:]} <= options
    assert {"corpus_paths", "--config"} <= options


# What TOML can hold, written as TOML.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
scalars = st.one_of(
    st.booleans().map(lambda value: str(value).lower()),
    st.integers().map(str),
    st.floats().map(str),
    st.dates().map(str),
    st.times().map(str),
    st.datetimes().map(str),
    st.sampled_from(["12/5", "off", "64KiB", "json", "0.5", "*", "-", "a://b", "../x"]).map(repr),
    texts.map(lambda text: '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        inner.map(lambda item: f"{{a = {item}}}"),
    ),
    max_leaves=4,
)
KEYS = (
    "corpus corpus-format direction baseline settings connections allow-corpus-change "
    "max-size-increase max-memory-increase max-time-increase max-memory max-ratio max-seconds "
    "no-time no-memory strict other"
).split()


def refusal() -> str:
    """What it says, if it does not take the file."""
    try:
        take()
    except click.UsageError as error:
        return error.format_message()
    return ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=3))
def test_any_table_is_taken_or_refused_in_a_line(project: Path, table: dict[str, str]) -> None:
    configure(project, "\n".join(f"{key} = {value}" for key, value in table.items()))
    assert re.fullmatch(r"(pyproject\.toml: \[tool\.wsbench\] .*)?", refusal())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary() | st.text(st.characters(codec="utf-8")).map(str.encode))
def test_any_file_is_taken_or_refused_in_a_line(project: Path, content: bytes) -> None:
    (project / "pyproject.toml").write_bytes(content)
    assert re.fullmatch(r"(pyproject\.toml:.*; (mend it|save it as UTF-8))?", refusal())

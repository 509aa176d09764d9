"""What GitHub makes of the output, read as its runner reads it."""

import re
from typing import NamedTuple

import pytest
from hypothesis import given
from markdown_it import MarkdownIt
from msgspec.structs import replace
from tests.report import made

from wsbench.checks import Check
from wsbench.report.check import render_check
from wsbench.report.github import github_summary, render_github
from wsbench.settings import DeflateSettings

# Of the commands that a runner knows, those that matter if somebody else gives them.
KNOWN = {
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
}
FAILED_AND_UNDECIDED = (*made.PASSED, *made.FAILED, made.wide(made.SMALLER))


class Command(NamedTuple):
    """What a runner does."""

    name: str
    title: str
    data: str


def commands(output: str) -> list[Command]:
    """What a runner finds in what a step prints: actions/runner, ActionCommand.cs."""
    found = []
    for line in re.split("\r\n|\r|\n", output):
        stripped = line.lstrip()
        end = stripped.find("::", 2) if stripped.startswith("::") else -1
        name, _, properties = stripped[2 : max(end, 2)].partition(" ")
        if name in KNOWN:
            pairs = (part.partition("=") for part in properties.split(","))
            titles = [value for of, _, value in pairs if of == "title"]
            title, data = "".join(titles), stripped[end + 2 :]
            for character in "\r\n:,%":
                title = title.replace(f"%{ord(character):02X}", character)
            for character in "\r\n%":
                data = data.replace(f"%{ord(character):02X}", character)
            found.append(Command(name, title, data))
            continue
        start = line.find("##[")
        end = line.find("]", start)
        name = line[start + 3 : end].partition(" ")[0]
        if start >= 0 and end >= 0 and name in KNOWN:
            found.append(Command(f"##[{name}]", "", line[end + 1 :]))
    return found


def of_kind(kind: str, check: Check) -> list[Command]:
    """The annotations of one kind."""
    return [command for command in commands(render_github(check)) if command.name == kind]


def test_what_did_not_pass_becomes_annotations_that_name_the_corpus() -> None:
    check = made.check_of(made.of_corpus(judgements=FAILED_AND_UNDECIDED))
    assert commands(render_github(check)) == [
        Command(
            "error",
            "wsbench check: chat, 12/5 memory",
            "chat, 12/5 memory: 63.8 KiB → 65.8 KiB per connection, +2.0 KiB, allowed +1.0 KiB",
        ),
        Command(
            "error",
            "wsbench check: chat, 11/4 time on one connection",
            "chat, 11/4 time on one connection: +7.9% → +13.1% vs. 12/5, +5.2 ± 0.9 points, "
            "allowed +5",
        ),
        Command(
            "warning",
            "wsbench check: chat, 11/4 time at 1,000 connections",
            "chat, 11/4 time at 1,000 connections: +40.0% → +43.0% vs. 12/5, +3.0 ± 5.0 points, "
            "allowed +5: the interval is too wide; measure longer",
        ),
    ]
    assert render_github(check).endswith(render_check(check))


def test_commands_are_escaped_as_the_toolkit_does_it() -> None:
    check = made.check_of(made.of_corpus(judgements=made.FAILED[1:]))
    assert render_github(check).splitlines()[0] == (
        "::error title=wsbench check%3A chat%2C 11/4 time on one connection::"
        "chat, 11/4 time on one connection: +7.9%25 → +13.1%25 vs. 12/5, +5.2 ± 0.9 points, "
        "allowed +5"
    )


def test_messages_that_changed_are_an_error() -> None:
    (error,) = of_kind("error", made.check_of(made.of_corpus(judgements=(made.messages(),))))
    assert error.title == "wsbench check: chat"
    assert error.data.startswith("chat: the messages changed: 1,000 messages of ")


def test_a_pass_is_a_notice_and_folds_the_table() -> None:
    check = made.check_of(made.of_corpus(), made.of_corpus("game"))
    passed = "2 corpora: 16 passed, in 24 s"
    assert commands(render_github(check)) == [
        Command("notice", "wsbench check passed", passed),
        Command("group", "", passed),
        Command("endgroup", "", ""),
    ]
    assert render_check(check).strip() in render_github(check)


def test_another_environment_is_a_notice_told_once() -> None:
    check = made.check_of(
        *(made.of_corpus(name, made.FAILED, baseline=made.OTHER_SOFTWARE) for name in "abc")
    )
    (notice,) = of_kind("notice", check)
    assert notice == Command(
        "notice",
        "wsbench check: environment",
        "The environment differs from the baseline's: websockets 15.0 → 17.4, zlib 1.2.13 → 1.3.1.",
    )


def test_an_early_end_is_an_error_and_no_pass() -> None:
    check = made.check_of(made.of_corpus(), ended="the server ended", unchecked=("b.json",))
    (error,) = of_kind("error", check)
    assert error.title == "wsbench check ended early"
    assert "the server ended; what is missing was not judged, nor was b.json" in error.data
    assert not of_kind("notice", check)
    assert github_summary(check).startswith("### ? wsbench check ended early")


@pytest.mark.parametrize("number", [9, 10, 11, 30])
def test_at_most_ten_annotations_of_a_kind_the_last_of_which_counts_the_others(number: int) -> None:
    settings = [DeflateSettings(bits, level) for bits in (15, 14, 13, 12) for level in range(1, 10)]
    failed = [made.size(settings=item, verdict="failed") for item in settings[:number]]
    undecided = [made.wide(made.SMALLER, connections) for connections in range(2, number + 2)]
    check = made.check_of(made.of_corpus(judgements=(*failed, *undecided)))
    for kind, word in (("error", "failed"), ("warning", "undecided")):
        found = of_kind(kind, check)
        assert len(found) == min(number, 10)
        if number > 10:
            assert f"{number - 9} more annotations" in found[-1].data
            assert word in found[-1].data
        else:
            assert "more annotation" not in found[-1].data


def test_many_environments_are_ten_notices() -> None:
    corpora = [
        made.of_corpus(str(number), baseline=replace(made.ENVIRONMENT, python=f"3.11.{number}"))
        for number in range(20)
    ]
    notices = of_kind("notice", made.check_of(*corpora))
    assert len(notices) == 10
    assert notices[0].title == "wsbench check passed"


@given(made.hostile_names)
def test_no_name_makes_a_command(name: str) -> None:
    expected = commands(render_github(made.named("name")))
    found = commands(render_github(made.named(name)))
    assert [command.name for command in found] == [command.name for command in expected]
    assert all(command.title.isprintable() and command.data.isprintable() for command in found)


@given(made.hostile_names)
def test_no_name_makes_a_command_of_a_pass(name: str) -> None:
    check = made.check_of(made.of_corpus(name, file=name), made.of_corpus(f"{name}2"))
    found = [command.name for command in commands(render_github(check, verbose=True))]
    assert found == ["notice", "group", "endgroup"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("::error::x", ": :error::x: 8 passed"),
        (" ::error::x", " : :error::x: 8 passed"),
        ("a##[error]b", "a## [error]b: 8 passed"),
        ("###[[set-output name=x]y", "### [[set-output name=x]y: 8 passed"),
        ("a\n::error::x", "a\\n::error::x: 8 passed"),
    ],
)
def test_what_would_be_a_command_is_shown_with_a_space(name: str, shown: str) -> None:
    output = render_github(made.check_of(made.of_corpus(name, path="corpus.json")))
    assert shown in output.splitlines()[-2]


def test_the_summary_begins_with_the_verdict() -> None:
    failed = github_summary(made.check_of(made.of_corpus(judgements=FAILED_AND_UNDECIDED)))
    assert failed.splitlines()[:3] == [
        "### ✗ wsbench check failed",
        "",
        "**chat: 8 passed, 2 failed, 1 undecided, in 12 s**",
    ]
    assert "- **FAILED** 12/5 memory: 63.8 KiB → 65.8 KiB per connection" in failed
    assert "| 12/5 " in failed
    passed = github_summary(made.check_of(made.of_corpus()))
    assert passed.startswith("### ✓ wsbench check passed\n\n**chat: 8 passed, in 12 s**\n")
    undecided = made.check_of(made.of_corpus(judgements=(made.wide(made.SMALLER),)))
    assert github_summary(undecided).startswith("### ? wsbench check could not decide everything")


def test_the_summary_is_no_larger_than_github_takes() -> None:
    settings = [
        DeflateSettings(bits, level, deflate_level)
        for bits in range(9, 16)
        for level in range(1, 10)
        for deflate_level in range(10)
    ]
    judgements = tuple(
        judgement
        for item in settings
        for judgement in (
            made.size(settings=item, verdict="failed"),
            made.memory(settings=item, verdict="failed"),
            made.time(settings=item, verdict="failed"),
        )
    )
    check = made.check_of(*(made.of_corpus("é" * 5000, judgements) for _ in range(6)))
    assert len(render_check(check, "markdown").encode()) > 2**20
    summary = github_summary(check)
    assert 900_000 < len(summary.encode()) < 2**20
    assert summary.endswith("What is left out here is in the log.\n")
    assert summary.startswith("### ✗ wsbench check failed")


@given(made.hostile_names)
def test_no_name_makes_html_of_the_summary(name: str) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(github_summary(made.named(name)))
    kinds = {child.type for token in tokens for child in (token, *(token.children or ()))}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "fence", "code_block"}

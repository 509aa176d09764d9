"""JUnit's XML, read by other programs than the one that wrote it."""

import xml.etree.ElementTree as ElementTree
from io import StringIO

from hypothesis import given
from junitparser import Failure, JUnitXml, Skipped, TestSuite
from tests.report import made

from wsbench.checks import Check
from wsbench.judge import Judgement
from wsbench.report.junit import render_junit
from wsbench.settings import DeflateSettings


def read(check: Check) -> list[TestSuite]:
    """The suites, as an independent reader finds them."""
    return list(JUnitXml.fromstring(render_junit(check).encode()))


def test_every_corpus_is_a_suite_and_every_judgement_a_test() -> None:
    budget = made.memory_budget(66_560, 65_536, "failed")
    judgements = (made.messages(), *made.PASSED, *made.FAILED, made.wide(made.SMALLER), budget)
    check = made.check_of(made.of_corpus("chat", judgements), made.of_corpus("game", seconds=1.5))
    chat, game = read(check)
    assert (chat.name, chat.tests, chat.failures, chat.skipped, chat.errors, chat.time) == (
        ("chat", 13, 4, 1, 0, 12.0)
    )
    assert (game.name, game.tests, game.failures, game.skipped, game.time) == ("game", 8, 0, 0, 1.5)
    assert {case.classname for case in chat} == {"wsbench.chat"}
    results = {case.name: case.result for case in chat if case.result}
    assert set(results) == {
        "messages",
        "12/5 memory",
        "11/4 time on one connection",
        "11/4 time at 1,000 connections",
        "12/5 memory budget",
    }
    (failure,) = results["12/5 memory"]
    assert isinstance(failure, Failure)
    assert failure.message == ("63.8 KiB → 65.8 KiB per connection, +2.0 KiB, allowed +1.0 KiB")
    assert failure.text == failure.message
    (skipped,) = results["11/4 time at 1,000 connections"]
    assert isinstance(skipped, Skipped)
    assert "measure longer" in skipped.message
    assert skipped.text == skipped.message
    (over,) = results["12/5 memory budget"]
    assert over.message == "65.0 KiB per connection, the budget is 64.0 KiB"
    whole = JUnitXml.fromstring(render_junit(check).encode())
    assert (whole.tests, whole.failures, whole.errors, whole.time) == (21, 4, 0, 13.5)


def test_no_two_tests_have_one_name() -> None:
    """GitLab ignores the second one."""
    settings = [made.REFERENCE, DeflateSettings(12, 5, level=1), made.SMALLER, None]
    judgements: list[Judgement] = [made.messages(), made.size_budget(), made.memory_budget()]
    for item in settings:
        judgements += [made.size(settings=item), made.memory(settings=item)]
        if item:
            judgements += [made.time(settings=item), made.wide(item, 10), made.wide(item, 1000)]
    suites = read(made.check_of(*(made.of_corpus(name, tuple(judgements)) for name in "ab")))
    names = [(case.classname, case.name) for suite in suites for case in suite]
    assert len(set(names)) == len(names) == 2 * len(judgements)


def test_properties_tell_both_environments() -> None:
    check = made.of_corpus(baseline=made.OTHER_SOFTWARE, warnings=("battery",))
    (suite,) = read(made.check_of(check))
    properties = {item.name: item.value for item in suite.properties()}
    assert properties["corpus"] == "corpora/chat.json"
    assert properties["environment.websockets"] == "17.4"
    assert properties["baseline.environment.websockets"] == "15.0"
    assert properties["baseline"] == "baseline.json"
    assert properties["baseline.commit"] == "0123456789ab"
    assert properties["commit"] == "abcdef012345"
    assert properties["warning.1"] == "battery"
    assert "environment.cpu_version" not in properties
    (suite,) = read(made.check_of(made.of_corpus(judgements=(), baseline=None)))
    assert not any(item.name.startswith("baseline") for item in suite.properties())


def test_a_check_of_nothing_is_read() -> None:
    assert read(made.check_of()) == []


@given(made.hostile_names)
def test_any_name_is_xml(name: str) -> None:
    check = made.named(name)
    text = render_junit(check)
    suites = read(check)
    expected = read(made.named("name"))
    assert [suite.tests for suite in suites] == [suite.tests for suite in expected]
    # A file is written in UTF-8, and read back without what XML does to line ends.
    root = ElementTree.parse(StringIO(text)).getroot()
    values = [value for element in root.iter() for value in element.attrib.values()]
    assert all(value.isprintable() for value in values)

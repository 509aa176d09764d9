"""A check as JUnit's XML, which GitLab, Jenkins and others show as tests.

It has what the schema of Jenkins' xUnit plug-in (junit-10.xsd) allows. GitLab takes the name of a
suite from `classname`, the message from the text of an element, and only one of two tests of the
same name.
"""

from collections.abc import Iterator
from xml.etree import ElementTree

import msgspec

from wsbench.checks import Check, CorpusCheck
from wsbench.judge import Judgement
from wsbench.report.verdicts import ending, finding, printable, subject


def render_junit(check: Check) -> str:
    """A suite for each corpus, in it a test for each judgement; what is undecided is skipped."""
    root = ElementTree.Element("testsuites", {"name": "wsbench check", **_numbers(check.checks)})
    for item in check.checks:
        root.append(_suite(item, check))
    if check.ended:
        root.append(_ending(check))
        root.set("tests", str(int(root.attrib["tests"]) + 1))
        root.set("errors", "1")
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _suite(check: CorpusCheck, whole: Check) -> ElementTree.Element:
    name = printable(check.corpus.name)
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": name,
            **_numbers([check]),
            "skipped": str(check.count("undecided")),
            "timestamp": whole.created.isoformat(),
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in _properties(check, whole):
        ElementTree.SubElement(properties, "property", {"name": key, "value": printable(value)})
    for judgement in check.judgements:
        suite.append(_case(judgement, check, f"wsbench.{name}"))
    return suite


def _ending(check: Check) -> ElementTree.Element:
    """A suite of one test, that everything was checked, which it was not."""
    name = "wsbench check"
    numbers = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0", "time": "0"}
    suite = ElementTree.Element("testsuite", {"name": name, **numbers})
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": "wsbench", "name": "everything was checked"}
    )
    told = ElementTree.SubElement(case, "error", {"type": "ended", "message": ending(check)})
    told.text = ending(check)
    return suite


def _case(judgement: Judgement, check: CorpusCheck, classname: str) -> ElementTree.Element:
    name = subject(judgement)
    # A settings may be judged by the baseline and by a budget.
    name += " budget" if judgement.is_budget else ""
    case = ElementTree.Element("testcase", {"classname": classname, "name": name})
    if judgement.verdict == "passed":
        return case
    message = finding(judgement, check)
    if judgement.verdict == "failed":
        told = ElementTree.SubElement(case, "failure", {"type": judgement.quantity})
    else:
        told = ElementTree.SubElement(case, "skipped", {"type": "undecided"})
    told.set("message", message)
    told.text = message
    return case


def _numbers(checks: tuple[CorpusCheck, ...] | list[CorpusCheck]) -> dict[str, str]:
    return {
        "tests": str(sum(len(check.judgements) for check in checks)),
        "failures": str(sum(check.count("failed") for check in checks)),
        "errors": "0",
        "time": f"{sum(check.seconds for check in checks):.3f}",
    }


def _properties(check: CorpusCheck, whole: Check) -> Iterator[tuple[str, str]]:
    """What was checked, in which environment, and what it was compared with."""
    yield "corpus", check.path
    yield "corpus.sha256", check.corpus.sha256
    yield "wsbench", whole.wsbench
    if whole.commit is not None:
        yield "commit", whole.commit
    yield "partial", str(check.partial).lower()
    yield from _environment("environment", check.environment)
    if check.baseline is not None:
        yield "baseline", check.baseline.file
        yield "baseline.created", check.baseline.created.isoformat()
        yield "baseline.wsbench", check.baseline.wsbench
        if check.baseline.commit is not None:
            yield "baseline.commit", check.baseline.commit
        yield from _environment("baseline.environment", check.baseline.environment)
    for number, warning in enumerate([*check.warnings, *check.disturbances], 1):
        yield f"warning.{number}", warning


def _environment(prefix: str, environment: msgspec.Struct) -> Iterator[tuple[str, str]]:
    """Its fields; what is unknown has none."""
    for name, value in msgspec.structs.asdict(environment).items():
        if value is not None:
            yield f"{prefix}.{name}", str(value)

"""A check for GitHub Actions: annotations and the log, and the summary of a job.

What a step prints is read for commands: `::error title=…::…` at the beginning of a line, even after
white space, and `##[error]…`, of old, anywhere in it (actions/runner, ActionCommand.cs). Names of
files and all that a baseline says may come from whoever opens a pull request, so none of it must
become a command.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wsbench.checks import Check
from wsbench.judge import Verdict
from wsbench.report.check import markdown_blocks, render_table
from wsbench.report.units import counted
from wsbench.report.verdicts import (
    MARKS,
    differences_line,
    ending,
    heading,
    printable,
    total,
    verdict_lines,
)

# GitHub shows so many annotations of each kind that a step makes, and drops the others.
_MOST_ANNOTATIONS = 10
# GitHub takes a summary of at most 1,024 KiB from a step, or else nothing of it.
_SUMMARY_BYTES = 1_000_000
_LEFT_OUT = "What is left out here is in the log."


class _Annotation(NamedTuple):
    """What GitHub shows beside a run: `error`, `warning` or `notice`."""

    kind: str
    title: str
    message: str

    @property
    def command(self) -> str:
        """The line that makes it."""
        return f"::{self.kind} title={_property(self.title)}::{_data(self.message)}"


def render_github(check: Check, verbose: bool = False) -> str:
    """Annotations of what did not pass, then the table, folded if all has passed."""
    annotations = [
        *_of_verdict(check, "failed", "error"),
        *_of_verdict(check, "undecided", "warning"),
    ]
    notices = list(_notices(check))
    report = inert(render_table(check, verbose)).splitlines()
    if check.ended:
        annotations.insert(0, _Annotation("error", heading(check), ending(check)))
    if check.verdict == "passed":
        notices.insert(0, _Annotation("notice", heading(check), total(check.checks)))
        report = [f"::group::{_data(total(check.checks))}", *report, "::endgroup::"]
    commands = [item.command for item in [*annotations, *notices[:_MOST_ANNOTATIONS]]]
    return "\n".join([*commands, *report]) + "\n"


def github_summary(check: Check) -> str:
    """The same as Markdown for the summary of a job: the verdict first, and not too large."""
    mark = MARKS[check.verdict] or "✓"
    parts = [f"### {mark} {heading(check)}"]
    left_bytes = _SUMMARY_BYTES
    for block in markdown_blocks(check):
        lines = list(_fitting(block.split("\n"), left_bytes))
        left_bytes -= sum(map(_line_bytes, lines))
        parts.append("\n".join(lines))
        if parts[-1] != block:
            parts.append(_LEFT_OUT)
            break
    return "\n\n".join(filter(None, parts)) + "\n"


def _of_verdict(check: Check, verdict: Verdict, kind: str) -> list[_Annotation]:
    """An annotation for each line with this verdict; the last one tells how many are not shown."""
    annotations = []
    for item in check.checks:
        name = printable(item.corpus.name)
        for line in verdict_lines(item):
            if line.verdict == verdict:
                # The log shows no titles.
                subject = f"{name}, {line.subject}" if line.subject else name
                title = f"wsbench check: {subject}"
                annotations.append(_Annotation(kind, title, f"{subject}: {line.finding}"))
    more = len(annotations) - _MOST_ANNOTATIONS + 1
    if more > 1:
        text = f"{counted(more, 'more annotation')} of what {verdict}; the log has them all"
        annotations[_MOST_ANNOTATIONS - 1 :] = [_Annotation(kind, "wsbench check", text)]
    return annotations


def _notices(check: Check) -> Iterator[_Annotation]:
    """In what the environment differs from the baselines'."""
    lines = (differences_line(item.differences) for item in check.checks if item.differences)
    for line in dict.fromkeys(lines):
        yield _Annotation("notice", "wsbench check: environment", line)


def inert(text: str) -> str:
    """Lines of which nothing is a command."""
    return "\n".join(map(_inert, text.split("\n")))


def _inert(text: str) -> str:
    """A line of which nothing is a command."""
    text = text.replace("##[", "## [")
    return text.replace("::", ": :", 1) if text.lstrip().startswith("::") else text


def _data(text: str) -> str:
    """Escaped as actions/toolkit does it (command.ts)."""
    text = text.replace("##[", "## [")
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _fitting(lines: Sequence[str], limit_bytes: int) -> Iterator[str]:
    for line in lines:
        limit_bytes -= _line_bytes(line)
        if limit_bytes < 0:
            return
        yield line


def _line_bytes(line: str) -> int:
    # And at most two line ends.
    return len(line.encode()) + 2

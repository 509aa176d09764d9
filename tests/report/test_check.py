"""What `wsbench check` prints, compared with text written by hand for round figures."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from markdown_it import MarkdownIt
from msgspec.structs import replace
from tests.report import made

from wsbench.checks import Check
from wsbench.errors import ResultsError
from wsbench.judge import OTHER_SOFTWARE, Judgement
from wsbench.report.check import FORMATS, render_check
from wsbench.settings import DeflateSettings

FAILING = """\
corpora/chat.json against baseline.json, of 2026-11-22, commit 0123456789ab

Settings    Size in bytes    Allocated memory                  Time vs. 12/5
----------  ---------------  --------------------------------  -----------------------------
12/5        50,000           63.8 KiB → 65.8 KiB (+2.0 KiB) ✗  =
11/4                                                           +7.9% → +13.1% (+5.2 ± 0.9) ✗

FAILED 12/5 memory: 63.8 KiB → 65.8 KiB per connection, +2.0 KiB, allowed +1.0 KiB
FAILED 11/4 time on one connection: +7.9% → +13.1% vs. 12/5, +5.2 ± 0.9 points, allowed +5

✗ failed. In parentheses: by how much it grew. Times grew by percentage points, with half the 95% \
interval.
chat: 2 passed, 2 failed, in 12 s
"""

PASSING = """\
corpora/chat.json against baseline.json, of 2026-11-22, commit 0123456789ab
Largest increases: size +0.1%, memory +0.1 KiB, time +0.3 ± 0.9 points.

chat: 8 passed, in 12 s
"""

SEVERAL = """\
3 corpora against baseline.json, of 2026-11-22, commit 0123456789ab

Corpus    Passed    Undecided    Size    Memory    Time               Time at 1,000 connections    \
Took
--------  --------  -----------  ------  --------  -----------------  ---------------------------  \
------
game      8                      +0.1%   +0.1 KiB  +0.3 ± 0.9 points                               \
12 s
lsp       8         1 ?          +0.1%   +0.1 KiB  +0.3 ± 0.9 points  +3.0 ± 5.0 points            \
12 s

lsp: undecided 11/4 time at 1,000 connections: +40.0% → +43.0% vs. 12/5, +3.0 ± 5.0 points, \
allowed +5: the interval is too wide; measure longer

corpora/chat.json

"""


def lines_of(check: Check, format: str = "table", **options: Any) -> list[str]:
    """The lines of a report, as they are without the padding of tables."""
    return [line.rstrip() for line in render_check(check, format, **options).splitlines()]


def line_about(*judgements: Judgement, **fields: Any) -> str:
    """The only line about what did not pass."""
    (line,) = [
        line
        for line in lines_of(made.check_of(made.of_corpus(judgements=judgements, **fields)))
        if line.startswith(("FAILED", "undecided"))
    ]
    return line


def test_what_failed_is_marked_in_a_table_and_told_below_it() -> None:
    judgements = (made.size(), made.reference_time(), *made.FAILED)
    assert render_check(made.check_of(made.of_corpus(judgements=judgements))) == FAILING


def test_what_passed_is_told_in_a_few_lines() -> None:
    assert render_check(made.check_of(made.of_corpus())) == PASSING


def test_of_several_corpora_the_failed_ones_come_last_with_a_table() -> None:
    check = made.check_of(
        made.of_corpus("game"),
        made.of_corpus("chat", made.FAILED),
        made.of_corpus("lsp", (*made.PASSED, made.wide(made.SMALLER))),
    )
    lines = lines_of(check)
    assert "\n".join(lines).startswith(SEVERAL)
    assert lines[-5:] == [
        "chat: 2 failed, in 12 s",
        "",
        "✗ failed. In parentheses: by how much it grew. Times grew by percentage points, with half "
        "the 95% interval.",
        "What is undecided does not fail, unless --strict is given.",
        "3 corpora: 16 passed, 2 failed (chat), 1 undecided (lsp), in 36 s",
    ]


def test_verbose_shows_the_figures_of_all() -> None:
    check = made.check_of(made.of_corpus("game"), made.of_corpus("chat"))
    assert "Settings" not in render_check(check)
    lines = lines_of(check, verbose=True)
    assert [line for line in lines if line.startswith("Settings")] == 2 * [
        "Settings    Size in bytes            Allocated memory                Time vs. 12/5"
    ]
    assert (
        "11/4        60,000 → 60,060 (+0.1%)  40.0 KiB → 40.1 KiB (+0.1 KiB)  "
        "+8.0% → +8.3% (+0.3 ± 0.9)" in lines
    )
    assert "off         200,000                  14.0 KiB" in lines
    assert "| off " in render_check(check, "markdown", verbose=True)


@pytest.mark.parametrize(
    ("judgement", "line"),
    [
        (
            made.size(98_592, 99_321, verdict="failed"),
            "FAILED 12/5 size: 98,592 → 99,321 bytes, +0.7%, allowed +0.5%",
        ),
        (
            # So that nobody wonders how 0.5 % are more than 0.5 %.
            made.size(100_000, 100_501, verdict="failed"),
            "FAILED 12/5 size: 100,000 → 100,501 bytes, +0.501%, allowed +0.500%",
        ),
        (
            made.size(0, 7, verdict="failed", settings=None),
            "FAILED off size: 0 → 7 bytes, +7, allowed +0",
        ),
        (
            made.size(98.6, 104.25, verdict="failed", unit="bytes_per_message"),
            "FAILED 12/5 size: 98.6 → 104.2 bytes per message, +5.7%, allowed +0.5%",
        ),
        (
            made.size(0.333, 0.351, verdict="failed", unit="share"),
            "FAILED 12/5 size: 33.3% → 35.1% of the bytes, +5.4%, allowed +0.5%",
        ),
        (
            made.memory(65_536, 66_561, verdict="failed"),
            "FAILED 12/5 memory: 64.0 KiB → 65.0 KiB per connection, +1.001 KiB, "
            "allowed +1.000 KiB",
        ),
        (
            made.memory(65_536, 65_546, verdict="failed", limit=0),
            "FAILED 12/5 memory: 64.00 KiB → 64.01 KiB per connection, +0.01 KiB, allowed 0.00 KiB",
        ),
        (
            made.time(-0.25, -0.12, 0.031, connections=1000, verdict="failed", limit=0.2),
            "FAILED 11/4 time at 1,000 connections: -25.0% → -12.0% vs. 12/5, "
            "+13.0 ± 3.1 points, allowed +20",
        ),
        (
            made.time(0.08, 0.4, verdict="failed", limit=0.05 + 0.2 * 1.08),
            "FAILED 11/4 time on one connection: +8.0% → +40.0% vs. 12/5, +32.0 ± 0.9 points, "
            "allowed +26.6",
        ),
        (
            made.reference_time(0.061, verdict="failed"),
            "FAILED 12/5 time on one connection: +6.1 ± 0.9 points, allowed +5: it is the "
            "reference, and what the others seem to have gained says that it became slower",
        ),
        (
            made.reference_time(0.045, verdict="undecided"),
            "undecided 12/5 time on one connection: +4.5 ± 0.9 points, allowed +5: it is the "
            "reference, and what the others seem to have gained says that it may have become "
            "slower; measure longer",
        ),
        (
            made.size_budget(0.333, 0.25, "failed"),
            "FAILED 12/5 size: compressed to 33.3% of the bytes, the budget is 25.0%",
        ),
        (
            made.memory_budget(65_546, 65_536, "failed"),
            "FAILED 12/5 memory: 64.01 KiB per connection, the budget is 64.00 KiB",
        ),
        (
            Judgement(
                settings=DeflateSettings(12, 5, level=9),
                quantity="time",
                verdict="undecided",
                unit="ratio",
                connections=2,
            ),
            "undecided 12/5, level 9 time at 2 connections: not measured",
        ),
    ],
)
def test_a_line_has_the_figures_and_the_limit(judgement: Judgement, line: str) -> None:
    assert line_about(judgement) == line


def test_cells_have_a_mark_and_what_is_known() -> None:
    judgements = (
        made.reference_time(0.061, verdict="failed"),
        made.size_budget(0.333, 0.25, "failed"),
        made.memory_budget(),
        made.wide(made.SMALLER),
        Judgement(
            settings=made.SMALLER, quantity="size", verdict="undecided", unit="bytes", reason="?"
        ),
    )
    lines = lines_of(made.check_of(made.of_corpus(judgements=judgements)))
    assert lines[2:6] == [
        "Settings    Size in bytes    Time vs. 12/5     Time vs. 12/5, at 1,000 connections    "
        "Size budget, 25.0%    Memory budget, 65.0 KiB",
        "----------  ---------------  ----------------  -------------------------------------  "
        "--------------------  -------------------------",
        "12/5                         = (+6.1 ± 0.9) ✗                                         "
        "33.3% ✗               64.0 KiB",
        "11/4        — ?                                +40.0% → +43.0% (+3.0 ± 5.0) ?",
    ]


def test_what_is_rounded_to_nothing_has_no_increase() -> None:
    judgements = (made.size(100_000, 100_010), made.memory(65_580, 65_590))
    lines = lines_of(made.check_of(made.of_corpus(judgements=judgements)), verbose=True)
    assert lines[4] == "12/5        100,000 → 100,010  64.0 KiB → 64.1 KiB"


def test_undecided_times_that_differ_in_the_settings_alone_share_a_line() -> None:
    labels = [DeflateSettings(bits, 5) for bits in range(15, 9, -1)]
    assert line_about(*map(made.wide, labels)) == (
        "undecided time at 1,000 connections of 15/5, 14/5, 13/5, 12/5, 11/5, 10/5: "
        "the interval is too wide; measure longer"
    )
    many = [DeflateSettings(bits, level) for bits in range(15, 8, -1) for level in range(1, 10)]
    assert "of 15/1, 15/2, 15/3, 15/4, 15/5, 15/6, 15/7, 15/8 and 55 more: the interval" in (
        line_about(*map(made.wide, many))
    )
    two = lines_of(made.check_of(made.of_corpus(judgements=tuple(map(made.wide, labels[:2])))))
    assert sum(line.startswith("undecided 1") for line in two) == 2


def test_messages_that_changed_are_told_with_the_remedy() -> None:
    after = replace(made.CORPUS, sha256="1" * 64, bytes=220_000)
    sizes = [
        made.size(
            50 + more, 55 + more, settings=settings, unit="bytes_per_message", verdict="failed"
        )
        for more, settings in enumerate((made.REFERENCE, made.SMALLER, None))
    ]
    check = made.of_corpus(judgements=(made.messages(), *sizes), corpus=after)
    lines = [line for line in lines_of(made.check_of(check)) if line.startswith("FAILED")]
    assert lines == [
        "FAILED: the messages changed: 1,000 messages of 200,000 bytes, now 1,000 of 220,000; "
        "compressed at 12/5 to 25.0% of the bytes, now 25.0%; if that is intended, pass "
        "--update, or --allow-corpus-change to compare per original byte",
        "FAILED size of 12/5, 11/4, off: up to +10.0%, allowed +0.5%, since the messages are "
        "others",
    ]


def test_as_many_other_messages_are_told_from_the_same_ones() -> None:
    assert line_about(made.messages()).startswith(
        "FAILED: the messages changed: 1,000 messages of 200,000 bytes, now as many others; if"
    )
    without = made.of_corpus(judgements=(made.messages(),), baseline=None)
    assert "FAILED: the messages changed" in lines_of(made.check_of(without))


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_messages_that_may_change_are_told_too(format: str) -> None:
    sizes = (made.size(0.25, 0.24, unit="share"),)
    changed = made.of_corpus("game", (made.messages("passed"), *sizes))
    text = render_check(made.check_of(changed, made.of_corpus()), format)
    assert "the messages changed: 1,000 messages of 200,000 bytes, now as many others; " in text
    assert "compressed at 12/5 to 25.0% of the bytes, now 24.0%; that is allowed" in text
    assert "FAILED" not in text
    assert text.count("messages changed") == 1


def test_the_environment_comes_first_and_what_follows_from_it() -> None:
    environment = replace(made.OTHER_SOFTWARE, cpu="Other CPU", transparent_huge_pages=None)
    limit = OTHER_SOFTWARE.allowed_bytes(204_800)
    check = made.of_corpus(
        judgements=(made.memory(204_800, 204_800, limit=limit), made.time()), baseline=environment
    )
    assert lines_of(made.check_of(check))[1:4] == [
        "The environment differs from the baseline's: websockets 15.0 → 17.4, zlib 1.2.13 → "
        "1.3.1, processor Other CPU → Some CPU, transparent huge pages unknown → madvise.",
        "As the software differs, allocated memory may be more by 1 KiB or 1%, whichever is "
        "larger.",
        "As the processor differs, times may be longer by another 20%.",
    ]


def test_other_software_allows_nothing_more_if_the_limit_was_given() -> None:
    judged = (made.memory(204_800, 204_800, limit=4096),)
    check = made.check_of(made.of_corpus(judgements=judged, baseline=made.OTHER_SOFTWARE))
    assert "The environment differs" in render_check(check)
    assert "As the" not in render_check(check)


def test_another_processor_matters_to_times_alone() -> None:
    check = made.check_of(made.of_corpus(judgements=(made.size(),), baseline=made.OTHER_PROCESSOR))
    assert "processor Other CPU → Some CPU" in render_check(check)
    assert "As the" not in render_check(check)


def test_corpora_are_together_that_were_compared_with_the_same() -> None:
    check = made.check_of(
        made.of_corpus("a"),
        made.of_corpus("b", baseline=made.OTHER_SOFTWARE),
        made.of_corpus("c"),
        made.of_corpus("d", (made.size_budget(), made.memory_budget()), baseline=None),
    )
    lines = lines_of(check)
    assert [line for line in lines if " against " in line] == [
        "2 corpora against baseline.json, of 2026-11-22, commit 0123456789ab",
        "corpora/b.json against baseline.json, of 2026-11-22, commit 0123456789ab",
        "corpora/d.json against budgets",
    ]
    assert "d         2         25.0% ≤ 30.0%   64.0 KiB ≤ 65.0 KiB  12 s" in lines


def test_budgets_that_are_kept_are_shown() -> None:
    budgets = (made.size_budget(), made.memory_budget())
    alone = made.check_of(made.of_corpus(judgements=budgets, baseline=None))
    assert render_check(alone) == (
        "corpora/chat.json against budgets\n"
        "Budgets: size 25.0% ≤ 30.0%, memory 64.0 KiB ≤ 65.0 KiB.\n\n"
        "chat: 2 passed, in 12 s\n"
    )
    both = made.check_of(made.of_corpus(judgements=(made.size(), *budgets)))
    assert "Largest increases: size 0.0%. Budgets: size 25.0% ≤ 30.0%, " in render_check(both)


def test_a_baseline_of_another_version_or_without_a_commit_says_so() -> None:
    check = made.of_corpus()
    assert check.baseline is not None
    other = replace(check.baseline, commit=None, wsbench="0.0.9")
    first = lines_of(made.check_of(replace(check, baseline=other)))[0]
    assert first == "corpora/chat.json against baseline.json, of 2026-11-22, by wsbench 0.0.9"


@pytest.mark.parametrize("format", ["table", "markdown", "github"])
def test_an_interrupted_check_says_so(format: str) -> None:
    check = made.check_of(
        made.of_corpus(judgements=(made.size(),), partial=True),
        ended="interrupted",
        unchecked=("b.json",),
    )
    text = render_check(check, format)
    assert check.verdict == "undecided"
    ended = "It ended early: interrupted; what is missing was not judged, nor was b.json."
    assert ended in text
    assert "chat: 1 passed, in 12 s, then ended early" in text
    nothing = made.check_of(made.of_corpus(judgements=(), partial=True), ended="interrupted")
    assert "chat: nothing judged, in 12 s, then ended early" in render_check(nothing, format)


def test_warnings_are_shown_once() -> None:
    warnings = ("the machine runs on battery",)
    check = made.check_of(*(made.of_corpus(name, warnings=warnings) for name in "ab"))
    assert lines_of(check)[-2] == "Warning: the machine runs on battery"
    assert render_check(check).count("battery") == 1


def test_many_corpora_that_failed_are_not_all_named() -> None:
    check = made.check_of(*(made.of_corpus(str(number), made.FAILED) for number in range(10)))
    last = lines_of(check)[-1]
    assert last == "10 corpora: 20 failed (0, 1, 2, 3, 4, 5, 6, 7 and 2 more), in 120 s"


def test_markdown_begins_with_the_verdict_and_has_the_same() -> None:
    judgements = (made.size(), made.reference_time(), *made.FAILED)
    check = made.check_of(made.of_corpus(judgements=judgements), made.of_corpus("game"))
    lines = lines_of(check, "markdown")
    assert lines[0] == "**2 corpora: 10 passed, 2 failed (chat), in 24 s**"
    assert "**`corpora/chat.json`: 2 passed, 2 failed**" in lines
    assert (
        "- **FAILED** 12/5 memory: 63.8 KiB → 65.8 KiB per connection, +2.0 KiB, "
        "allowed +1.0 KiB" in lines
    )
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    assert ["Settings", "Size in bytes", "Allocated memory", "Time vs. 12/5"] in cells
    assert ["11/4", "", "", "+7.9% → +13.1% (+5.2 ± 0.9) ✗"] in cells
    assert ["`game`", "8", "+0.1%", "+0.1 KiB", "+0.3 ± 0.9 points", "12 s"] in cells


def test_json_is_the_check() -> None:
    check = made.check_of(made.of_corpus(judgements=(*made.PASSED, *made.FAILED)))
    text = render_check(check, "json")
    assert msgspec.json.decode(text, type=Check) == check
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def test_a_check_of_nothing_is_rendered_in_every_format() -> None:
    for checks in ((), (made.of_corpus(judgements=()),)):
        for format in FORMATS:
            assert render_check(made.check_of(*checks), format).endswith("\n")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ResultsError, match="choose one of table, markdown, json, github"):
        render_check(made.check_of(), "xml")


@given(made.hostile_names)
def test_names_make_no_lines_and_are_seen(name: str) -> None:
    lines = render_check(made.named(name)).split("\n")
    assert len(lines) == len(render_check(made.named("name")).split("\n"))
    assert all(line.isprintable() for line in lines)


@given(made.hostile_names)
def test_names_stay_text_in_markdown(name: str) -> None:
    markdown = MarkdownIt("commonmark").enable("table")

    def kinds(text: str) -> list[str]:
        """What a reader of Markdown finds, but for text and where it ends."""
        found = []
        for token in markdown.parse(text):
            inline = [child.type for child in token.children or () if child.type != "text"]
            found += [token.type, *inline]
        return found

    assert kinds(render_check(made.named(name), "markdown")) == kinds(
        render_check(made.named("name"), "markdown")
    )


@given(made.hostile_names)
def test_names_come_back_from_json(name: str) -> None:
    text = render_check(made.named(name), "json")
    assert json.loads(text.encode())["checks"][0]["path"] == json.loads(json.dumps(name))

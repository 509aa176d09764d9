"""README, results and help texts say what is true."""

import json
import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import click
import jsonschema
import pytest

from wsbench import load_corpus, load_records, load_results, render
from wsbench.cli import main
from wsbench.cli.buffers import buffers
from wsbench.cli.check import check
from wsbench.cli.compare import compare
from wsbench.cli.compress import compress
from wsbench.cli.connections import connections
from wsbench.cli.history import history
from wsbench.cli.record import record
from wsbench.measure.description import describe
from wsbench.report.corpus import render_description

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
CORPORA = sorted(path for path in (ROOT / "corpora").iterdir() if path.name != "README.md")


def test_the_readme_shows_the_saved_result_as_it_is_printed() -> None:
    with_example = runpy.run_path(str(ROOT / "scripts" / "update_results.py"))["with_example"]
    output = render(load_results(ROOT / "results" / "chat.json"))
    assert output.strip() in README
    assert with_example(README, output) == README


@pytest.mark.parametrize("path", CORPORA, ids=lambda path: path.stem)
def test_every_bundled_corpus_has_its_record_and_table(path: Path) -> None:
    corpus = load_corpus(path)
    results = load_results(ROOT / "results" / f"{corpus.name}.json")
    assert results.corpus.sha256 == corpus.sha256()
    assert len(results.rows) == 8
    table = (ROOT / "results" / f"{corpus.name}.md").read_text("utf-8")
    assert table == f"# {corpus.name}\n\n{render(results, 'markdown')}"
    assert f"| `{path.name}{'/' if path.is_dir() else ''}`" in (
        ROOT / "corpora" / "README.md"
    ).read_text("utf-8")


@pytest.mark.parametrize(
    ("command", "page", "begin", "end"),
    [
        (compress, "README.md", "## Options of `wsbench compress`", "\nWithout `"),
        (connections, "README.md", "add; [examples/servers/]", "\nWithout CORPUS"),
        (buffers, "README.md", "of other limits, of threads and of TLS.", "\nWithout CORPUS"),
        (check, "docs/ci.md", "Of `wsbench check`:", "\nOf `"),
        (compare, "docs/ci.md", "Of `wsbench compare`,", "\nOf `"),
        (history, "docs/ci.md", "Of `wsbench history`,", "\n## "),
        (record, "docs/corpora.md", "a minute to reach the other.\n\n| option", "\nOn a machine"),
    ],
)
def test_the_pages_name_every_option_and_no_other(
    command: click.Command, page: str, begin: str, end: str
) -> None:
    options = {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    text = (ROOT / page).read_text("utf-8")
    assert begin in text
    section = text.partition(begin)[2].partition(end)[0]
    named = set(re.findall(r"`(--?[a-z][a-z-]*)", section))
    assert named == options | {"-h", "--help"}


def test_the_pages_of_live_connections_show_the_saved_records() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "update_connections.py"))
    results = load_results(ROOT / "results" / "connections.json")
    assert [row.label for row in results.rows][-1] == "off"
    assert len(results.rows) == 8
    assert all(row.memory and row.live and row.live.round_trip_ns for row in results.rows)
    output = render(results)
    assert output.strip() in README
    assert script["with_example"](README, output) == README
    page = (ROOT / "results" / "connections.md").read_text("utf-8")
    assert page == f"# Live connections\n\n{render(results, 'markdown')}"
    assert (ROOT / "results" / "servers.md").read_text("utf-8") == script["servers_page"]()


def test_the_pages_of_buffers_show_the_saved_records() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "update_buffers.py"))
    results = load_results(ROOT / "results" / "buffers.json")
    assert results.buffers is not None
    rows = results.buffers.slow_readers
    assert len(rows) >= 12
    assert all(row.explained and 0.85 <= row.explained <= 1.15 for row in rows)
    assert script["with_example"](README) == README
    assert (ROOT / "results" / "buffers.md").read_text("utf-8") == script["page"]()
    keepalive = load_results(ROOT / "results" / "buffers" / "keepalive.json")
    printed = render(results) + render(keepalive)
    blocks = re.findall(
        r"```text\n(.*?)```", (ROOT / "docs" / "buffers.md").read_text("utf-8"), re.DOTALL
    )
    assert len(blocks) == 2
    assert all(block in printed for block in blocks)


def test_every_linked_file_exists() -> None:
    documents = ("README.md", "CONTRIBUTING.md", "results/buffers.md")
    documents += ("docs/method.md", "docs/deploy.md", "docs/buffers.md", "docs/corpora.md")
    documents += ("docs/ci.md", "examples/ci/README.md")
    folders = ("benchmarks", "corpora", "fuzz", "results", "examples/servers")
    for document in (*documents, *(f"{folder}/README.md" for folder in folders)):
        path = ROOT / document
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{document}: {target}"


def test_the_method_page_shows_what_the_benchmarks_printed() -> None:
    printed = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    blocks = re.findall(
        r"```text\n.*?```", (ROOT / "docs" / "method.md").read_text("utf-8"), re.DOTALL
    )
    assert len(blocks) == 9
    assert all(block in printed for block in blocks)


def test_the_page_of_corpora_shows_what_was_printed() -> None:
    printed = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    chat = describe(load_corpus(ROOT / "corpora" / "chat.json"))
    printed += f"```text\n{render_description(chat, blocks=True)}```"
    page = (ROOT / "docs" / "corpora.md").read_text("utf-8")
    blocks = re.findall(r"```text\n.*?```", page, re.DOTALL)
    assert len(blocks) == 4
    assert all(block in printed for block in blocks)


def test_the_page_of_ci_shows_what_was_printed_and_the_examples() -> None:
    page = (ROOT / "docs" / "ci.md").read_text("utf-8")
    printed = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    blocks = re.findall(r"```text\n.*?```", page, re.DOTALL)
    assert len(blocks) == 5
    assert all(block in printed for block in blocks)
    assert blocks[0] in README
    for example in (ROOT / "examples" / "ci").glob("*.yml"):
        assert f"```yaml\n{example.read_text('utf-8')}```" in page


def test_every_benchmark_is_explained() -> None:
    explained = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    for script in (ROOT / "benchmarks").glob("*.py"):
        if script.name != "runs.py":
            assert f"`python benchmarks/{script.name}`" in explained


def test_the_plot_of_buffers_is_of_their_record() -> None:
    plot = ElementTree.parse(ROOT / "docs" / "buffers.svg")
    texts = {element.text for element in plot.iter("{http://www.w3.org/2000/svg}text")}
    record = load_results(ROOT / "results" / "buffers.json")
    assert record.buffers is not None
    assert "bound: max_queue × max_size = 16 MiB" in texts
    assert {"zeros, 1 MiB", "binary, 1 MiB"} <= texts


def test_the_plot_is_of_the_record_beside_it() -> None:
    record = load_results(ROOT / "docs" / "time_connections.json")
    assert record.corpus.sha256 == load_corpus(ROOT / "corpora" / "chat.json").sha256()
    plot = ElementTree.parse(ROOT / "docs" / "time_connections.svg")
    texts = {element.text for element in plot.iter("{http://www.w3.org/2000/svg}text")}
    assert {str(row.settings) for row in record.rows if row.settings} <= texts
    assert {f"{number:,}" for number in (1, 10, 100, 1000)} <= texts


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        (["compare", "results/chat.json", "results/game.json"], "comparison"),
        (["history", "results"], "history"),
    ],
)
def test_what_is_printed_as_json_is_as_its_schema_says(
    capsys: pytest.CaptureFixture[str], arguments: list[str], schema: str
) -> None:
    places = [str(ROOT / item) if "/" in item or item == "results" else item for item in arguments]
    assert main([*places, "--format", "json", "--quiet"]) == 0
    jsonschema.validate(
        json.loads(capsys.readouterr().out),
        json.loads((ROOT / "docs" / f"{schema}.schema.json").read_bytes()),
    )


def test_the_baseline_is_as_its_schema_says_and_of_all_corpora() -> None:
    path = ROOT / "results" / "baseline.json"
    schema = json.loads((ROOT / "docs" / "records.schema.json").read_bytes())
    jsonschema.validate(json.loads(path.read_bytes()), schema)
    found = {record.corpus.name: record.corpus.sha256 for record in load_records(path, sealed=True)}
    loaded = map(load_corpus, CORPORA)
    assert found == {corpus.name: corpus.sha256() for corpus in loaded}

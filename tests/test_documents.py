"""README, results and help texts say what is true."""

import re
import runpy
from pathlib import Path

import click
import pytest

from wsbench import load_corpus, load_results, render
from wsbench.cli.compress import compress

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


def test_the_readme_names_every_option_of_compress_and_no_other() -> None:
    options = {
        option
        for parameter in compress.params
        if isinstance(parameter, click.Option)
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    section = README.partition("## Options of `wsbench compress`")[2].partition("\nWithout `")[0]
    named = set(re.findall(r"`(--?[a-z][a-z-]*)", section))
    assert named == options | {"-h", "--help"}


def test_every_linked_file_exists() -> None:
    for document in ("README.md", "corpora/README.md", "results/README.md", "CONTRIBUTING.md"):
        path = ROOT / document
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{document}: {target}"

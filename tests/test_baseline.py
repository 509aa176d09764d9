import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from wsbench.baseline import Baseline
from wsbench.errors import ResultsError
from wsbench.results import Results, load_records, save_records


def named(results: Results, name: str, digit: str) -> Results:
    return replace(results, corpus=replace(results.corpus, name=name, sha256=digit * 64))


def test_a_record_that_compress_saved_is_a_baseline(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "b.json")
    baseline = Baseline.load(tmp_path / "b.json")
    assert baseline.names == ["commits"]
    assert baseline.match([results.corpus]) == [results]
    summary = baseline.summary(results)
    assert (summary.file, summary.commit) == (str(tmp_path / "b.json"), None)
    assert summary.created == results.created


def test_a_corpus_is_found_by_its_name_then_by_its_messages(results: Results) -> None:
    first, second = named(results, "a", "1"), named(results, "b", "2")
    baseline = Baseline("b.json", [first, second])
    assert baseline.match([named(results, "renamed", "2").corpus]) == [second]
    assert baseline.match([named(results, "a", "3").corpus]) == [first]
    # Now the messages of the other, but still its own name.
    assert baseline.match([named(results, "b", "1").corpus]) == [second]
    unknown = named(results, "c", "3").corpus
    assert baseline.match([unknown]) == [None]
    assert str(baseline.lacks(unknown)).startswith("b.json: no record of 'c', only of a, b; add it")


def test_no_record_is_that_of_two_corpora(results: Results) -> None:
    first, second = named(results, "a", "1"), named(results, "b", "2")
    baseline = Baseline("b.json", [first, second])
    copy = named(results, "copy", "1").corpus
    assert baseline.match([copy, first.corpus, second.corpus]) == [None, first, second]
    assert baseline.match([copy]) == [first]


def test_the_only_record_is_for_whatever_corpus_comes_alone(results: Results) -> None:
    baseline = Baseline("b.json", [results])
    other = named(results, "other", "9").corpus
    assert baseline.match([other]) == [results]
    assert baseline.match([other, named(results, "another", "8").corpus]) == [None, None]


def test_an_updated_baseline_keeps_the_other_records(results: Results, tmp_path: Path) -> None:
    first, second = named(results, "a", "1"), named(results, "b", "2")
    save_records(tmp_path / "b.json", [first, second])
    baseline = Baseline.load(tmp_path / "b.json")
    changed, third = named(results, "a", "4"), named(results, "c", "3")
    (kept,) = baseline.match([changed.corpus])
    baseline.put(changed, kept)
    baseline.put(third, None)
    with pytest.raises(ResultsError, match=r"b\.json: holds another record of 'c'"):
        baseline.put(named(results, "c", "5"), None)
    baseline.save()
    assert load_records(tmp_path / "b.json", sealed=True) == (changed, second, third)


def test_a_partial_record_is_refused(results: Results, tmp_path: Path) -> None:
    save_records(tmp_path / "b.json", [results, replace(results, partial=True)])
    with pytest.raises(ResultsError, match=r"b\.json: records\[1\]: is partial, since it was"):
        Baseline.load(tmp_path / "b.json")


def test_a_record_of_live_connections_is_refused(live_results: Results, tmp_path: Path) -> None:
    live_results.save(tmp_path / "b.json")
    with pytest.raises(ResultsError, match=r"b\.json: was not measured by wsbench compress"):
        Baseline.load(tmp_path / "b.json")


def test_a_record_without_a_seal_is_refused(results: Results, tmp_path: Path) -> None:
    record = json.loads(results.to_json())
    del record["seal"]
    (tmp_path / "b.json").write_text(json.dumps(record))
    with pytest.raises(ResultsError, match=r"b\.json: has no seal"):
        Baseline.load(tmp_path / "b.json")


def test_two_records_of_one_name_are_refused(results: Results, tmp_path: Path) -> None:
    save_records(tmp_path / "b.json", [results, named(results, "commits", "1")])
    with pytest.raises(ResultsError, match=r"b\.json: holds two records of 'commits'"):
        Baseline.load(tmp_path / "b.json")

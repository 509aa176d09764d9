import json
import runpy
import zlib
from pathlib import Path

import pytest

from wsbench.corpus import load_corpus
from wsbench.corpus.kinds import KINDS, generate
from wsbench.errors import CorpusError

ROOT = Path(__file__).parent.parent.parent
BUNDLED = runpy.run_path(str(ROOT / "scripts" / "update_corpora.py"))["BUNDLED"]


@pytest.mark.parametrize(("name", "kind", "messages"), BUNDLED)
def test_bundled_corpora_are_what_their_generators_give(
    name: str, kind: str, messages: int
) -> None:
    bundled = load_corpus(ROOT / "corpora" / name)
    assert bundled.sha256() == generate(kind, messages=messages).sha256()
    assert bundled.name == kind


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_and_a_longer_corpus_begins_with_a_shorter(kind: str) -> None:
    long, short = generate(kind, messages=60, seed=5), generate(kind, messages=40, seed=5)
    assert list(long.messages())[:40] == list(short.messages())
    assert generate(kind, messages=40, seed=6).sha256() != short.sha256()
    assert long.statistics().messages == 60


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"game"}))
def test_text_kinds_are_compact_json(kind: str) -> None:
    for message in generate(kind, messages=200).messages():
        value = json.loads(message.data)
        compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        assert message.data.decode() == compact


def test_kinds_differ_in_what_a_large_window_is_worth() -> None:
    """What corpora/README.md says: from a third less in chat to nothing at all in game."""

    def saved_by_a_large_window(kind: str) -> float:
        sizes = []
        for bits, memory_level in ((15, 8), (12, 5)):
            compressor = zlib.compressobj(wbits=-bits, memLevel=memory_level)
            sizes.append(
                sum(
                    len(compressor.compress(message.data) + compressor.flush(zlib.Z_SYNC_FLUSH)) - 4
                    for message in generate(kind, messages=300).messages()
                )
            )
        return 1 - sizes[0] / sizes[1]

    assert saved_by_a_large_window("chat") > 0.2
    assert 0.02 < saved_by_a_large_window("ticker") < 0.2
    assert saved_by_a_large_window("game") < 0.02


def test_wrong_use_is_refused() -> None:
    with pytest.raises(CorpusError, match="choose one of chat"):
        generate("poems", messages=1)
    with pytest.raises(CorpusError, match="at least 1 message, not 0"):
        generate("chat", messages=0)

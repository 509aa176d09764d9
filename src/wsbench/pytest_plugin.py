"""The plugin for pytest: a fixture by which a test says what compression may cost.

Every run of pytest on the machine imports this module, so it imports nothing else of wsbench.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import pytest

if TYPE_CHECKING:
    from wsbench.corpus import Corpus, Message, StreamedCorpus
    from wsbench.results import Memory
    from wsbench.settings import DeflateSettings


class Deflated(NamedTuple):
    """What one settings, such as `12/5` or `off`, makes of a corpus.

    The messages of `original_bytes` are compressed to `compressed_bytes`, which is `ratio` of them.
    A connection allocates `memory_bytes`; None if there was no limit for it.
    """

    settings: str
    original_bytes: int
    compressed_bytes: int
    ratio: float
    memory_bytes: int | None


class AssertDeflate:
    """What the fixture `assert_deflate` is; for annotations."""

    def __init__(self, rootpath: Path) -> None:
        """`rootpath` is the folder that paths of corpora are relative to."""
        self._rootpath = rootpath
        # Measured at most once in a session, as a server is started for it.
        self._memories: dict[DeflateSettings | None, Memory] = {}

    def __call__(
        self,
        corpus: "str | Path | Corpus | StreamedCorpus | Iterable[str | bytes | Message]",
        *,
        settings: "str | DeflateSettings | Iterable[str | DeflateSettings | None] | None" = "12/5",
        max_ratio: float | None = None,
        max_memory: int | str | None = None,
        direction: Literal["server", "client"] | None = None,
    ) -> list[Deflated]:
        """Assert that messages are compressed well enough, and contexts small enough.

        `corpus` is a file or directory as `wsbench compress` takes it, relative to pytest's
        rootdir or else to the current directory; or a corpus of wsbench; or messages, of which a
        `str` is a text message and `bytes` are a binary one. With a `direction`, only what that
        side sends is taken; messages that are given are sent by it.

        `settings` are `12/5`, `off` (None is the same), a DeflateSettings, or several of these,
        and then the limits hold for each. `max_ratio` 0.3 is the largest share of their bytes that
        the messages may be compressed to. `max_memory`, bytes or a text such as `70KiB`, is what a
        connection may allocate in a websockets server; measuring it takes a second.

        Returns what was measured, one item a settings in their order.

        Raises:
            AssertionError: if a limit is broken; the text has a line for each that is.
            TypeError: if there is no limit, or something is of another type.
            ValueError: if a limit, settings or direction make no sense.
            CorpusError: if the corpus cannot be read, or has no messages.
            MeasurementError: if a measurement fails.
        """
        __tracebackhide__ = True
        from wsbench import _assertion
        from wsbench.errors import WsbenchError

        limits = _assertion.as_limits(max_ratio, max_memory)
        try:
            chosen = _assertion.as_settings(settings)
            messages = _assertion.as_corpus(corpus, direction, self._rootpath)
            rows = _assertion.measured(messages, chosen, limits, self._memories)
        except WsbenchError as error:
            # The text says it all; what pytest shows is to end at the line of the test.
            raise error.with_traceback(None) from None
        if broken := _assertion.broken_limits(messages.name, rows, limits):
            raise AssertionError("\n".join(broken))
        return [_assertion.as_deflated(row) for row in rows]


@pytest.fixture(scope="session")
def assert_deflate(pytestconfig: pytest.Config) -> AssertDeflate:
    """Assert what permessage-deflate makes of messages.

    assert_deflate("corpus.json", settings="12/5", max_ratio=0.3, max_memory="70KiB")
    """
    return AssertDeflate(pytestconfig.rootpath)

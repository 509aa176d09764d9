"""What several tests draw from: hypothesis strategies, and corpora of every shape."""

from hypothesis import strategies as st

from wsbench.corpus import Corpus, Message, Stream
from wsbench.settings import STRATEGIES, DeflateSettings

any_settings = st.builds(
    DeflateSettings,
    st.integers(9, 15),
    st.integers(1, 9),
    st.integers(0, 9),
    st.sampled_from(STRATEGIES),
    st.booleans(),
)

odd_corpora = [
    Corpus.of_messages("one", [Message(b"x", True)]),
    Corpus.of_messages("empty", [Message(b"", True)] * 3),
    Corpus("streams", tuple(Stream((Message(b"hello", True),)) for _ in range(100))),
    Corpus("sparse", (Stream(()), Stream((Message(b"a", True),)), Stream(()))),
    Corpus.of_messages("large", [Message(bytes(300_000), False)] * 2),
]

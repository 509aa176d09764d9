"""What several tests draw from: hypothesis strategies, corpora of every shape, parts of records."""

from hypothesis import strategies as st
from msgspec import UNSET

from wsbench.corpus import DIRECTIONS, Corpus, Message, Stream
from wsbench.environment import Environment
from wsbench.results import Time
from wsbench.settings import STRATEGIES, DeflateSettings

any_settings = st.builds(
    DeflateSettings,
    st.integers(9, 15),
    st.integers(1, 9),
    st.integers(0, 9),
    st.sampled_from(STRATEGIES),
    st.booleans(),
    st.just(UNSET) | st.integers(9, 15),
)

any_messages = st.builds(lambda text: Message(text.encode(), True), st.text()) | st.builds(
    Message, st.binary(), st.just(False)
)


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    """Streams of some connections, one or two on each, with messages in them."""
    streams = []
    for connection in range(draw(st.integers(1, 4))):
        sides = draw(st.sampled_from([DIRECTIONS, DIRECTIONS[:1], DIRECTIONS[1:]]))
        streams += [
            Stream(tuple(draw(st.lists(any_messages, min_size=1, max_size=5))), side, connection)
            for side in sides
        ]
    return Corpus("drawn", tuple(streams))


odd_corpora = [
    Corpus.of_messages("one", [Message(b"x", True)]),
    Corpus.of_messages("empty", [Message(b"", True)] * 3),
    Corpus("streams", tuple(Stream((Message(b"hello", True),)) for _ in range(100))),
    Corpus("sparse", (Stream(()), Stream((Message(b"a", True),)), Stream(()))),
    Corpus.of_messages("large", [Message(bytes(300_000), False)] * 2),
]

ENVIRONMENT = Environment(
    python="3.11.7",
    implementation="CPython",
    websockets="17.4",
    zlib="1.2.13",
    zlib_headers="1.2.13",
    os="Linux",
    machine="x86_64",
    cpu="Some CPU",
    cpus=2,
    memory_bytes=2**34,
    allocator="glibc 2.36",
    transparent_huge_pages="madvise",
)


def time(ratio: float, margin: float, *, connections: int = 1, reference_ns: float = 1000) -> Time:
    """A time so much longer than the reference's, known to ± the margin."""
    return Time(
        connections=connections,
        encode_ns_per_message=reference_ns * (1 + ratio),
        vs_reference=ratio,
        ci95=(ratio - margin, ratio + margin),
        decode_ns_per_message=500,
        decode_vs_reference=0.0,
        decode_ci95=(-0.01, 0.01),
        sampled_messages=100,
        rounds=10,
    )

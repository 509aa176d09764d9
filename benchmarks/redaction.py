"""How much redaction changes what messages compress to, by the kind of what is redacted."""

from collections.abc import Iterable

from wsbench import LADDER, Corpus
from wsbench.corpus.kinds import generate
from wsbench.corpus.redaction import Redactor
from wsbench.measure.size import measure_size

MESSAGES = 1000
# The corpus, what is redacted in it, and the paths of that.
CASES = (
    ("chat", "identifiers", ("..id", "..user_id", "..channel_id")),
    ("chat", "names", ("..name",)),
    ("chat", "texts", ("..text",)),
    ("telemetry", "serials", ("serial",)),
    ("telemetry", "readings", ("metrics",)),
    ("jsonrpc", "paths", ("..uri",)),
    ("jsonrpc", "texts", ("..value", "..message")),
)


def main() -> None:
    """Print the size after redaction, as a ratio, for some rows of the ladder."""
    rows = [settings for settings in LADDER if settings.window_bits in (15, 12, 9)]
    print(f"{'corpus':10} {'redacted':12} {'bytes':>7}" + "".join(f"{row!s:>9}" for row in rows))
    for kind, what, paths in CASES:
        corpus = generate(kind, messages=MESSAGES)
        redactor = Redactor((), paths)
        redacted = Corpus.of_messages(kind, map(redactor.redact, corpus.messages()))
        changed = share(corpus, redacted)
        sizes = [
            [measure_size(of, row).compressed_bytes for of in (redacted, corpus)] for row in rows
        ]
        print(
            f"{kind:10} {what:12} {100 * changed:6.1f}%"
            + "".join(f"{100 * (after / before - 1):+8.1f}%" for after, before in sizes)
        )


def share(corpus: Corpus, redacted: Corpus) -> float:
    """The share of bytes that were changed."""

    def all_bytes(of: Corpus) -> Iterable[int]:
        return b"".join(message.data for message in of.messages())

    pairs = list(zip(all_bytes(corpus), all_bytes(redacted), strict=True))
    return sum(one != other for one, other in pairs) / len(pairs)


if __name__ == "__main__":
    main()

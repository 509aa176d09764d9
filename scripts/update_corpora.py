"""Make the bundled corpora again: `python scripts/update_corpora.py`.

They only change when a generator does; a test compares them with what the generators give.
"""

import shutil
from pathlib import Path

from wsbench.corpus import write_corpus
from wsbench.corpus.kinds import generate

CORPORA = Path(__file__).parent.parent / "corpora"

# File or directory, kind, number of messages; the seed is 0.
BUNDLED = (
    ("chat.json", "chat", 1000),
    ("ticker.jsonl", "ticker", 1500),
    ("tokens.jsonl", "tokens", 4000),
    ("jsonrpc.json", "jsonrpc", 160),
    ("telemetry.jsonl.gz", "telemetry", 900),
    ("game", "game", 250),
)


def main() -> None:
    """Write every bundled corpus over what is there."""
    for name, kind, messages in BUNDLED:
        path = CORPORA / name
        if path.is_dir():
            shutil.rmtree(path)
        write_corpus(generate(kind, messages=messages), path)
        print(f"{path.name}: {messages} messages")


if __name__ == "__main__":
    main()

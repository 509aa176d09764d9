"""Measure every bundled corpus again: `python scripts/update_results.py`, on a quiet machine.

Writes results/NAME.json (the record) and results/NAME.md (its table), and puts the table of the
chat corpus into README.md. Takes a minute.
"""

import re
import subprocess
import sys
from pathlib import Path

from wsbench import load_results, render

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SHOWN = "chat"


def main() -> None:
    """Write the record and the table of every corpus, then the README's example."""
    for path in sorted((ROOT / "corpora").iterdir()):
        if path.name == "README.md":
            continue
        name = path.name.partition(".")[0]
        record = ROOT / "results" / f"{name}.json"
        # As a user does: a process that measured something before would not time as well.
        command = [sys.executable, "-m", "wsbench", "compress", path, "--save", record]
        subprocess.run([*command, "-o", "/dev/null"], check=True)
        results = load_results(record)
        table = f"# {name}\n\n{render(results, 'markdown')}"
        (ROOT / "results" / f"{name}.md").write_text(table, encoding="utf-8")
        if name == SHOWN:
            README.write_text(with_example(README.read_text("utf-8"), render(results)), "utf-8")
        print(f"{name}: done")


def with_example(readme: str, output: str) -> str:
    """The README with its example output replaced."""
    return re.sub(
        r"(?<=<!-- example output -->\n```text\n).*?(?=```)",
        lambda _: output,
        readme,
        count=1,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    main()

"""How often `wsbench check` finds what became worse, and names it.

In every run one of these is true, of the settings of the ladder in turn, since websockets is made
worse by defects/sitecustomize.py, or the messages are others:

- messages have a field more, by which they compress to 1 % more;
- the same messages compress to 1 % more at one settings;
- every connection allocates 2 KiB more;
- at one settings, a message takes longer by 5 % of what it takes the reference.

It is found if the check fails and names the quantity and these settings; what else it names counts
as a false alarm.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from runs import check, make_baseline
from time_detects import spins_for
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame

from wsbench import LADDER
from wsbench.checks import Check

DEFECTS = Path(__file__).parent / "defects"


class Spinless(PerMessageDeflate):
    """What takes longer in the slow endpoint of defects/sitecustomize.py beside its spins."""

    def encode(self, frame: Frame) -> Frame:
        """Encode the frame, then spin not once."""
        encoded = super().encode(frame)
        for _ in range(0):
            pass
        return encoded


def with_field(corpus: str, folder: Path) -> str:
    """The messages with a field added to some of them, by which 12/5 makes 1 % more bytes."""
    messages = json.loads(Path(corpus).read_text("utf-8"))
    changed = folder / Path(corpus).name
    kept = [
        {**message, "rev": number} if number % 4 == 0 else message
        for number, message in enumerate(map(_parsed, messages))
    ]
    changed.write_text(json.dumps(kept, ensure_ascii=False), "utf-8")
    return str(changed)


def _parsed(message: object) -> dict[str, object]:
    parsed = json.loads(message) if isinstance(message, str) else message
    assert isinstance(parsed, dict)
    return parsed


def found(result: Check) -> set[tuple[str, str]]:
    """What failed: quantities, each with its settings."""
    return {
        (item.quantity, item.label)
        for of in result.checks
        for item in of.judgements
        if item.verdict == "failed"
    }


def main() -> None:
    """Print how often each was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="corpora/chat.json")
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        baseline = folder / "baseline.json"
        make_baseline(arguments.corpus, baseline)
        changed = with_field(arguments.corpus, folder)
        spins = spins_for(arguments.corpus, 0.05, Spinless)
        every = {item.window_bits: str(item) for item in LADDER}
        for what in ("a field more", "size", "memory", "time"):
            hits = alarms = 0
            seconds, changes = [], []
            for run in range(arguments.runs):
                bits, label = list(every.items())[run % len(every)]
                defect = {
                    "a field more": "",
                    "size": f"size:{bits}",
                    "memory": "memory",
                    "time": f"time:{bits}:{spins}",
                }[what]
                start = time.monotonic()
                result = check(
                    changed if what == "a field more" else arguments.corpus,
                    baseline,
                    PYTHONPATH=str(DEFECTS),
                    WSBENCH_DEFECT=defect,
                )
                seconds.append(time.monotonic() - start)
                failures = found(result)
                match what:
                    case "a field more":
                        wanted = {("corpus", "off"), ("size", "12/5")}
                        expected = failures
                    case "memory":
                        wanted = expected = {("memory", item) for item in (*every.values(), "off")}
                    case "size":
                        # Whatever adds the bytes takes its time.
                        wanted, expected = {(what, label)}, {(what, label), ("time", label)}
                    case _:
                        wanted = expected = {(what, label)}
                changes += [
                    item.change
                    for of in result.checks
                    for item in of.judgements
                    if (item.quantity, item.label) == ("time", label) and item.change is not None
                ]
                hits += wanted <= failures
                alarms += bool(failures - expected)
                if not wanted <= failures or failures - expected:
                    print(f"  {what}, {label}: {sorted(failures)}")
            print(
                f"{what:14} found in {hits} of {arguments.runs} runs, with something else in "
                f"{alarms}; at most {max(seconds):.1f} s a run"
            )
            if what == "time":
                print(f"{'':14} read {100 * min(changes):+.1f} to {100 * max(changes):+.1f} points")


if __name__ == "__main__":
    main()

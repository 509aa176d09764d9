"""Record the bundled real corpora again: `python scripts/record_corpora.py [NAME...]`.

Installs third-party software into a venv of its own, runs it on what scripts/recordings/demo/ makes
up, and writes what `wsbench record` sees pass over corpora/NAME.capture.jsonl. Needs pip's index,
and chromium for bokeh. Takes three minutes. No two recordings are the same: corpora/README.md and
results/ have to be brought up to date after it.
"""

import argparse
import shutil
from pathlib import Path

from recordings import bokeh, jupyter, lsp
from recordings.stage import Stage

from wsbench import load_corpus

CORPORA = Path(__file__).parent.parent / "corpora"
RECORDINGS = {"jupyter": jupyter, "lsp": lsp, "bokeh": bokeh}


def main() -> None:
    """Record what is asked for, each with nothing left from the one before."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(RECORDINGS)}; default: all of them"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("/srv/demo"),
        help="where the software runs; made, and deleted in the end, its path is in messages; "
        "default: %(default)s",
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in RECORDINGS]
    if unknown:
        parser.error(f"{unknown[0]}: no recording; choose from {', '.join(RECORDINGS)}")
    for name in arguments.names or RECORDINGS:
        recording = RECORDINGS[name]
        with Stage(arguments.folder) as stage:
            stage.install(*recording.PACKAGES)
            recording.record(stage)
            stage.check_private()
            capture = CORPORA / f"{name}.capture.jsonl"
            shutil.move(stage.capture, capture)
            versions = recording.versions(stage)
        statistics = load_corpus(capture).statistics()
        print(
            f"{capture.name}: {statistics.messages} messages, {capture.stat().st_size:,} bytes of "
            f"file, from {versions}",
            flush=True,
        )


if __name__ == "__main__":
    main()

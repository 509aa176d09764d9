"""A real upgrade, compared: the same corpus with other websockets, and with another zlib.

Each websockets version gets a virtual environment of its own, and `--zlib DIR` names a folder with
another libz.so.1, such as zlib-ng built in its compatible mode, which Python then loads. All are
measured by `wsbench compress`, one after another, and printed by `wsbench compare`; for the other
zlib, `wsbench check` is run as well.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent


def installed(folder: Path, websockets: str) -> Path:
    """A virtual environment with this version of websockets; its wsbench."""
    venv.create(folder, with_pip=True)
    command = [folder / "bin" / "pip", "install", "--quiet", f"websockets=={websockets}", ROOT]
    subprocess.run(command, check=True)
    return folder / "bin" / "wsbench"


def measure(wsbench: Path, corpus: str, record: Path, library_path: str | None = None) -> None:
    """Save the record of a corpus."""
    environment = dict(os.environ)
    if library_path is not None:
        environment["LD_LIBRARY_PATH"] = library_path
    command = [wsbench, "compress", corpus, "--connections", "1", "--quiet"]
    subprocess.run([*command, "--save", record, "-o", os.devnull], env=environment, check=True)


def main() -> None:
    """Measure all, and print the comparisons with the first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="corpora/chat.json")
    parser.add_argument("--websockets", nargs="+", default=["15.0", "17.4"])
    parser.add_argument("--zlib", metavar="DIR", help="a folder with another libz.so.1")
    parser.add_argument("--format", default="table")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records: list[str] = []
        for version in arguments.websockets:
            command = installed(folder / version, version)
            records.append(f"websockets-{version}.json")
            measure(command, arguments.corpus, folder / records[-1])
        compare = [sys.executable, "-m", "wsbench", "compare", "--format", arguments.format]
        subprocess.run([*compare, *records], cwd=folder, check=True)
        if arguments.zlib:
            other = "another-zlib.json"
            measure(command, arguments.corpus, folder / other, arguments.zlib)
            print(flush=True)
            subprocess.run([*compare, records[-1], other], cwd=folder, check=True)
            print(flush=True)
            check = [command, "check", ROOT / arguments.corpus, "--baseline", records[-1]]
            environment = {**os.environ, "LD_LIBRARY_PATH": arguments.zlib}
            subprocess.run([*check, "--config", os.devnull], cwd=folder, env=environment)


if __name__ == "__main__":
    main()

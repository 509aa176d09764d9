"""Whether a slow-down of 3 % is found, and none where there is none.

Three endpoints do the same work, that of 12/5, through the same wrapper: the reference, its twin,
and one that spins after every message for 3 % of what a message takes. In every run, a process of
its own, wsbench times them on one connection until it knows them to ± 1 point. The slowed one is
told apart if its interval excludes zero; the twin must not be.
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame

from wsbench import REFERENCE, DeflateSettings, load_corpus
from wsbench.deflate import endpoint, frame
from wsbench.measure import contexts
from wsbench.measure.time import Timing

SLOW_DOWN = 0.03
TWIN = DeflateSettings(12, 5, level=7)
SLOWED = DeflateSettings(12, 5, level=8)


class Spinning(PerMessageDeflate):
    """An endpoint of 12/5 that spins after every message."""

    spins = 0

    def encode(self, item: Frame) -> Frame:
        """Encode the frame, then spin."""
        encoded = super().encode(item)
        for _ in range(self.spins):
            pass
        return encoded


def spinning(settings: DeflateSettings, spins: int) -> PerMessageDeflate:
    """An endpoint for one of the three."""
    wrapper = Spinning(False, False, 12, 12, {"memLevel": 5})
    wrapper.spins = spins if settings == SLOWED else 0
    return wrapper


def spins_for(path: str, share: float, kind: type[PerMessageDeflate] | None = None) -> int:
    """How many spins take this share of what a message takes the reference.

    Of them goes off what an endpoint of some `kind` takes longer without any.
    """
    frames = [frame(message) for message in load_corpus(path).messages()]
    message_ns = min(_run_ns(frames) for _ in range(20)) / len(frames)
    more_ns = 0.0
    if kind is not None:
        more_ns = min(_run_ns(frames, kind) for _ in range(20)) / len(frames) - message_ns
    # As few at a time as a message will have: Python counts to 256 faster than further.
    spin_ns = min(_spins_ns(40, 250) for _ in range(200)) / (40 * 250)
    return max(0, round((share * message_ns - more_ns) / spin_ns))


def _run_ns(frames: list[Frame], kind: type[PerMessageDeflate] = PerMessageDeflate) -> int:
    sender = endpoint(REFERENCE)
    sender.__class__ = kind
    encode = sender.encode
    start_ns = time.perf_counter_ns()
    for item in frames:
        encode(item)
    return time.perf_counter_ns() - start_ns


def _spins_ns(spins: int, times: int) -> int:
    start_ns = time.perf_counter_ns()
    for _ in range(times):
        for _ in range(spins):
            pass
    return time.perf_counter_ns() - start_ns


def run(path: str) -> dict[str, Any]:
    """One run, in this process: both ratios with their intervals."""
    spins = spins_for(path, SLOW_DOWN)
    contexts.endpoint = lambda settings: spinning(settings, spins)  # type: ignore[assignment]
    timing = Timing(
        load_corpus(path),
        [REFERENCE, TWIN, SLOWED],
        REFERENCE,
        connections=[1],
        traffic="independent",
        decode=False,
        precision=0.01,
        max_seconds=5.0,
    )
    for _ in timing.run():
        pass
    ((twin,), (slowed,)) = timing.times(TWIN), timing.times(SLOWED)
    return {
        "twin": [twin.vs_reference, *twin.ci95],
        "slowed": [slowed.vs_reference, *slowed.ci95],
        "seconds": timing.summaries()[0].seconds,
    }


def main() -> None:
    """Run many times; print how often each was told apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="corpora/chat.json")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run(arguments.corpus)))
        return
    command = [sys.executable, __file__, arguments.corpus, "--one"]
    runs = [
        json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        for _ in range(arguments.runs)
    ]
    longest = max(item["seconds"] for item in runs)
    print(f"{arguments.corpus}: {arguments.runs} runs of up to {longest:.1f} s")
    for name in ("slowed", "twin"):
        apart = sum(not item[name][1] <= 0 <= item[name][2] for item in runs)
        ratios = [100 * item[name][0] for item in runs]
        print(
            f"{name:8} told apart in {apart} of {arguments.runs}; "
            f"read {min(ratios):+.1f} to {max(ratios):+.1f} %"
        )


if __name__ == "__main__":
    main()

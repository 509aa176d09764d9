"""How far "Time vs. default" is from the truth of its meaning: one settings, alone, hot.

The truth: a process in which nothing but one settings compresses the whole corpus, pass after pass,
each from a fresh context. Of each slice of the corpus the shortest time of all passes counts, and
passes go on until their sum stops falling. Where a process happens to be in memory moves that by a
percent, so it is the mean of many processes; the settings take turns, and a process that was slowed
down all the time, by more than 5 % beside the fastest, is left out.

Beside it: what `wsbench compress` says, the mean of some runs, each a process; and what taking
turns alone would say: every settings in turn compresses the next slice on a context of its own,
which finds the cache full of the others' contexts.
"""

import argparse
import gc
import json
import random
import statistics
import subprocess
import sys
import time

from runs import compress, times
from websockets.extensions.permessage_deflate import PerMessageDeflate

from wsbench import LADDER, REFERENCE, DeflateSettings, Message, load_corpus
from wsbench.deflate import endpoint, frame

SLICES = 100
# A process ends when the sum of its shortest times has not fallen by a thousandth for so long.
SETTLED_SECONDS = 0.3
SECONDS_TAKING_TURNS = 5


def alone_ns(path: str, settings: DeflateSettings) -> int:
    """What a pass over the corpus takes at least in this process, in nanoseconds."""
    slices = sliced(path)
    shortest_ns = [sys.maxsize] * len(slices)
    settled_ns, settled_at = sys.maxsize, time.monotonic()
    gc.disable()
    while time.monotonic() - settled_at < SETTLED_SECONDS:
        sender = endpoint(settings)
        shortest_ns = [
            min(known_ns, slice_ns(sender, part))
            for known_ns, part in zip(shortest_ns, slices, strict=True)
        ]
        if sum(shortest_ns) < 0.999 * settled_ns:
            settled_ns, settled_at = sum(shortest_ns), time.monotonic()
    return sum(shortest_ns)


def sliced(path: str) -> list[list[Message]]:
    """The messages in slices."""
    messages = list(load_corpus(path).messages())
    length = max(1, len(messages) // SLICES)
    return [messages[start : start + length] for start in range(0, len(messages), length)]


def slice_ns(sender: PerMessageDeflate, messages: list[Message]) -> int:
    """The time to encode some messages."""
    # Made now, as by an application: all of them at once would crowd the cache.
    frames = [frame(message) for message in messages]
    start_ns = time.perf_counter_ns()
    for item in frames:
        sender.encode(item)
    return time.perf_counter_ns() - start_ns


def truth(path: str, processes: int) -> dict[DeflateSettings, float]:
    """Relative times by separate processes."""
    times_ns: dict[DeflateSettings, list[int]] = {settings: [] for settings in LADDER}
    for _ in range(processes):
        for settings in random.sample(LADDER, len(LADDER)):
            command = [sys.executable, __file__, path, "--alone", str(settings)]
            output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            times_ns[settings].append(int(output))
    mean_ns = {
        settings: statistics.mean(ns for ns in of if ns < 1.05 * min(of))
        for settings, of in times_ns.items()
    }
    return {settings: ns / mean_ns[REFERENCE] - 1 for settings, ns in mean_ns.items()}


def taking_turns_ns(path: str) -> dict[str, int]:
    """The sums of the shortest times of slices that all settings compress in turn."""
    slices = sliced(path)
    shortest_ns = {settings: [sys.maxsize] * len(slices) for settings in LADDER}
    gc.disable()
    end = time.monotonic() + SECONDS_TAKING_TURNS
    while time.monotonic() < end:
        senders = {settings: endpoint(settings) for settings in LADDER}
        for number, part in enumerate(slices):
            for settings in random.sample(LADDER, len(LADDER)):
                known_ns = shortest_ns[settings][number]
                shortest_ns[settings][number] = min(known_ns, slice_ns(senders[settings], part))
    return {str(settings): sum(of) for settings, of in shortest_ns.items()}


def main() -> None:
    """Print a line a settings: the truth, what wsbench says, and the difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "corpus",
        nargs="*",
        default=["corpora/chat.json", "corpora/tokens.jsonl"],
    )
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--alone", type=DeflateSettings.parse, help=argparse.SUPPRESS)
    parser.add_argument("--taking-turns", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.taking_turns:
        print(json.dumps(taking_turns_ns(arguments.corpus[0])))
        return
    if arguments.alone:
        print(alone_ns(arguments.corpus[0], arguments.alone))
        return
    for path in arguments.corpus:
        alone = truth(path, arguments.processes)
        runs = [times(compress(path, "--connections", 1), 1) for _ in range(arguments.runs)]
        print(f"{path}: {arguments.processes} processes alone, {arguments.runs} runs of wsbench")
        command = [sys.executable, __file__, path, "--taking-turns"]
        in_turn_ns = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        print("Time vs. default, percentage points")
        print(f"{'settings':10}{'alone':>8}{'wsbench':>10}{'difference':>12}{'taking turns':>14}")
        for settings in LADDER:
            mean = statistics.mean(run[settings].vs_reference for run in runs)
            cells = f"{100 * alone[settings]:+8.1f}{100 * mean:+10.1f}"
            in_turn = in_turn_ns[str(settings)] / in_turn_ns[str(REFERENCE)] - 1
            print(
                f"{settings!s:10}{cells}{100 * (mean - alone[settings]):+12.1f}"
                f"{100 * in_turn:+14.1f}"
            )
        print(flush=True)


if __name__ == "__main__":
    main()

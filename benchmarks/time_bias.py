"""How far "Time vs. default" is from the truth of its meaning: one settings, alone, hot.

The truth: a process in which nothing but one settings compresses the whole corpus, pass after pass,
each from a fresh context. Of each slice of the corpus the shortest time of all passes counts.
Where a process happens to be in memory moves that by a percent, so there are many; processes of the
settings take turns, until for none of them the sum of the shortest times has fallen by a thousandth
for eight turns.

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
SECONDS_A_PROCESS = 0.5
SETTLED_TURNS = 8
SECONDS_TAKING_TURNS = 5


def shortest_times_ns(path: str, settings: DeflateSettings) -> list[int]:
    """The shortest time of each slice in this process, in nanoseconds."""
    slices = sliced(path)
    shortest_ns = [sys.maxsize] * len(slices)
    gc.disable()
    end = time.monotonic() + SECONDS_A_PROCESS
    while time.monotonic() < end:
        sender = endpoint(settings)
        shortest_ns = [
            min(known_ns, slice_ns(sender, part))
            for known_ns, part in zip(shortest_ns, slices, strict=True)
        ]
    return shortest_ns


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


def truth(path: str) -> tuple[dict[DeflateSettings, float], int]:
    """Relative times by separate processes, and how many there were for each settings."""
    shortest_ns: dict[DeflateSettings, list[int]] = {}
    settled_ns = dict.fromkeys(LADDER, float("inf"))
    turns = settled_turns = 0
    while settled_turns < SETTLED_TURNS:
        turns, settled_turns = turns + 1, settled_turns + 1
        for settings in random.sample(LADDER, len(LADDER)):
            command = [sys.executable, __file__, path, "--alone", str(settings)]
            output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            times_ns = json.loads(output)
            known_ns = shortest_ns.get(settings, times_ns)
            shortest_ns[settings] = list(map(min, known_ns, times_ns))
            if sum(shortest_ns[settings]) < 0.999 * settled_ns[settings]:
                settled_ns[settings], settled_turns = sum(shortest_ns[settings]), 0
    reference_ns = sum(shortest_ns[REFERENCE])
    return {item: sum(of) / reference_ns - 1 for item, of in shortest_ns.items()}, turns


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
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--alone", type=DeflateSettings.parse, help=argparse.SUPPRESS)
    parser.add_argument("--taking-turns", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.taking_turns:
        print(json.dumps(taking_turns_ns(arguments.corpus[0])))
        return
    if arguments.alone:
        print(json.dumps(shortest_times_ns(arguments.corpus[0], arguments.alone)))
        return
    for path in arguments.corpus:
        alone, processes = truth(path)
        runs = [times(compress(path, "--connections", 1), 1) for _ in range(arguments.runs)]
        print(f"{path}: {processes} processes alone, {arguments.runs} runs of wsbench")
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

"""In which order things are timed: settings in groups with the reference, places spread evenly."""

import random
from collections.abc import Iterator, Sequence

from wsbench.settings import DeflateSettings

# Settings that share a time of the reference: more would put it too far from some of them.
GROUP = 8


def in_groups(
    settings: Sequence[DeflateSettings], reference: DeflateSettings
) -> Iterator[list[DeflateSettings]]:
    """The settings, shuffled, in groups that begin with the reference and are of like size."""
    others = [item for item in settings if item != reference]
    random.shuffle(others)
    groups = max(1, -(-len(others) // GROUP))
    for number in range(groups):
        yield [reference, *others[number::groups]]


def golden_fraction(number: int) -> float:
    """The number-th, from 0, of points of [0, 1) any first few of which are spread evenly.

    Multiples of the golden ratio, modulo 1 (Knuth, The Art of Computer Programming, section 6.4,
    theorem S).
    """
    return number * 0.6180339887498949 % 1.0


def evenly_spread(count: int) -> list[int]:
    """The numbers below `count` in an order in which any first few are spread evenly."""
    return sorted(range(count), key=lambda number: golden_fraction(number + 1))

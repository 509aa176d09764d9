"""One assertion about a corpus, as the plugin for pytest makes it: what it is given, what it says.

Functions that refuse what they are given hide themselves from the traceback that pytest shows.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from wsbench.corpus import DIRECTIONS, AnyCorpus, Corpus, Direction, StreamedCorpus, load_corpus
from wsbench.corpus.model import Message
from wsbench.corpus.source import is_url
from wsbench.errors import CorpusError, SettingsError
from wsbench.judge import Judgement, Limits, judge_budgets
from wsbench.limits_text import parse_bytes
from wsbench.measure.memory import measure_memory
from wsbench.measure.size import measure_size
from wsbench.pytest_plugin import Deflated
from wsbench.report.units import counted, kib, percent
from wsbench.results import Memory, Row
from wsbench.settings import DeflateSettings, parse_settings

_MESSAGES = "str for text messages, bytes for binary ones"
# What can be iterated, but of which bytes or keys are hardly meant to be messages.
_NO_MESSAGES = (bytes, bytearray, memoryview, Mapping)


def as_limits(max_ratio: Any, max_memory: Any) -> Limits:
    """The limits that are given.

    Raises:
        TypeError: if there is none, or one is of another type.
        ValueError: if one is not above zero, or not finite.
    """
    __tracebackhide__ = True
    if max_ratio is None and max_memory is None:
        raise TypeError("assert_deflate has nothing to assert: pass max_ratio, max_memory or both")
    if max_ratio is not None:
        if isinstance(max_ratio, bool) or not isinstance(max_ratio, int | float):
            raise TypeError(f"max_ratio {max_ratio!r}: pass a share of the bytes, such as 0.3")
        if not 0 < max_ratio < math.inf:
            raise ValueError(f"max_ratio {max_ratio}: pass a share of the bytes, such as 0.3")
    if max_memory is not None:
        if isinstance(max_memory, bool) or not isinstance(max_memory, int | str):
            raise TypeError(f"max_memory {max_memory!r}: pass bytes, or a text such as '70KiB'")
        try:
            max_memory = parse_bytes(str(max_memory))
        except SettingsError as error:
            raise ValueError(f"max_memory {error}") from None
        if not max_memory:
            raise ValueError("max_memory 0: every connection takes some; pass more")
    return Limits(max_ratio=max_ratio, max_memory_bytes=max_memory)


def as_settings(given: Any) -> list[DeflateSettings | None]:
    """One settings or several, without repetition.

    Raises:
        TypeError: if something is no settings.
        ValueError: if there are none.
        SettingsError: if a text has another form, or a value is out of range.
    """
    __tracebackhide__ = True
    is_one = given is None or isinstance(given, str | DeflateSettings)
    if not is_one and not isinstance(given, Iterable):
        raise TypeError(f"settings {given!r}: pass '12/5', 'off', DeflateSettings, or several")
    items = [given] if is_one else list(given)
    if not items:
        raise ValueError("settings are empty: pass at least one, such as '12/5'")
    for item in items:
        if item is not None and not isinstance(item, str | DeflateSettings):
            raise TypeError(f"settings {item!r}: pass '12/5', 'off' or DeflateSettings")
    parsed = [parse_settings(item) if isinstance(item, str) else item for item in items]
    return list(dict.fromkeys(parsed))


def as_corpus(given: Any, direction: Direction | None, rootpath: Path) -> AnyCorpus:
    """The corpus that is given, or at the path, or of the messages.

    Raises:
        TypeError: if it is neither, or a message is neither text nor bytes.
        ValueError: if there is no such direction, or the corpus cannot be restricted to it.
        CorpusError: if it cannot be read, or has no messages.
    """
    __tracebackhide__ = True
    if direction is not None and direction not in DIRECTIONS:
        raise ValueError(f"direction {direction!r}: pass one of {', '.join(DIRECTIONS)}, or None")
    if isinstance(given, str | os.PathLike):
        return load_corpus(_found(os.fspath(given), rootpath), direction=direction)
    if isinstance(given, StreamedCorpus):
        if direction is not None:
            raise ValueError(
                f"{given.name} is too large to be held in memory; pass the direction to load_corpus"
            )
        return given
    if isinstance(given, Corpus):
        corpus = given if direction is None else given.in_direction(direction)
    elif isinstance(given, Iterable) and not isinstance(given, _NO_MESSAGES):
        corpus = Corpus.of_messages("messages", list(as_messages(given)), direction or "server")
    else:
        raise TypeError(
            f"corpus is of type {type(given).__name__}: pass a path, a corpus of wsbench, or an "
            f"iterable of messages, {_MESSAGES}"
        )
    if not any(stream.messages for stream in corpus.streams):
        sender = f" from the {direction}" if direction and isinstance(given, Corpus) else ""
        raise CorpusError(f"{corpus.name}: no messages{sender}; pass at least one")
    return corpus


def as_messages(given: Iterable[Any]) -> Iterator[Message]:
    """The messages, as an application sends them.

    Raises:
        TypeError: if one is neither text nor bytes.
    """
    __tracebackhide__ = True
    for number, message in enumerate(given, 1):
        match message:
            case Message():
                yield message
            case str():
                yield Message(message.encode(), True)
            case bytes() | bytearray() | memoryview():
                yield Message(bytes(message), False)
            case _:
                # How it is serialised decides how it compresses, so that is not guessed.
                raise TypeError(
                    f"message {number} is of type {type(message).__name__}: pass {_MESSAGES}; "
                    f"serialise others as your application does, as with json.dumps"
                )


def _found(path: str, rootpath: Path) -> str:
    """Where the corpus is: below pytest's rootdir, or else where the path leads by itself."""
    if is_url(path) or not path:
        return path
    below_root = str(rootpath / path)
    # Not Path.exists, which complains where a folder is closed.
    there = [name for name in (below_root, path) if os.path.exists(name)]  # noqa: PTH110
    return there[0] if there else below_root


def measured(
    corpus: AnyCorpus,
    settings: Sequence[DeflateSettings | None],
    limits: Limits,
    memories: dict[DeflateSettings | None, Memory],
) -> list[Row]:
    """What the limits are about; `memories`, known ones, are looked up and added to.

    Raises:
        MeasurementError: if a measurement fails.
        CorpusError: if the corpus is one that is read again, and cannot be.
    """
    if limits.max_memory_bytes is not None:
        unknown = [item for item in settings if item not in memories]
        if unknown:
            # In a thread of its own, since the measurement runs an event loop, and a test that is
            # a coroutine already has one here.
            with ThreadPoolExecutor(1) as executor:
                memories.update(executor.submit(lambda: dict(measure_memory(unknown))).result())
    return [
        Row(
            settings=item,
            size=measure_size(corpus, item),
            memory=memories[item] if limits.max_memory_bytes is not None else None,
        )
        for item in settings
    ]


def broken_limits(name: str, rows: Iterable[Row], limits: Limits) -> list[str]:
    """A line for every limit that is broken: the corpus, the settings, the figures, the limit."""
    return [
        f"{name} at {row.label}: {_excess(row, judgement)}"
        for row in rows
        for judgement in judge_budgets(row, limits)
        if judgement.verdict == "failed"
    ]


def _excess(row: Row, judgement: Judgement) -> str:
    """What is more than allowed, to the byte, as rounded figures may be the same."""
    measured, limit = judgement.measured, judgement.limit
    assert row.size is not None and measured is not None and limit is not None
    if judgement.quantity == "memory":
        exact = counted(round(measured), "byte")
        return f"{kib(measured)} ({exact}) allocated per connection, more than {kib(limit)}"
    exact = f"{row.size.compressed_bytes:,} of {row.size.original_bytes:,}"
    return f"compressed to {percent(measured)} of the bytes ({exact}), more than {percent(limit)}"


def as_deflated(row: Row) -> Deflated:
    """What is returned of a row."""
    assert row.size is not None
    return Deflated(
        settings=row.label,
        original_bytes=row.size.original_bytes,
        compressed_bytes=row.size.compressed_bytes,
        ratio=row.size.compressed_bytes / max(1, row.size.original_bytes),
        memory_bytes=row.memory.connection_bytes if row.memory is not None else None,
    )

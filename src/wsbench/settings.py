"""DeflateSettings: one point of the sweep, and how a user writes it (12/5, 9-15)."""

import itertools
from collections.abc import Iterable
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import UNSET, UnsetType

from wsbench.errors import SettingsError

Strategy = Literal["default", "filtered", "huffman", "rle", "fixed"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

# Which of websockets' implementations serves: a task a connection, or a thread.
Implementation = Literal["asyncio", "sync"]
IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)

WINDOW_BITS = range(9, 16)
MEMORY_LEVELS = range(1, 10)
LEVELS = range(10)

# Who sends: what a server sends, and what a client does, is compressed apart.
Direction = Literal["server", "client"]


def _check(what: str, value: int, allowed: range) -> None:
    if type(value) is not int or value not in allowed:
        raise SettingsError(f"{what} {value}: choose {allowed[0]} to {allowed[-1]}")


class DeflateSettings(msgspec.Struct, frozen=True):
    """What deflate is told, by one endpoint and for both directions.

    `window_bits` and `context_takeover` are negotiated (RFC 7692, sections 7.1.1 and 7.1.2);
    `memory_level`, `level` and `strategy` are arguments of zlib's deflateInit2 that concern the
    compressing side alone. Level 6 is what zlib's Z_DEFAULT_COMPRESSION means. "Compression
    disabled" is no point of this space: wherever settings may be `off`, it is None.

    `client_window_bits` are those of what clients send, `window_bits` of what servers send; they
    are negotiated apart, and unset where they are the same.

    Raises:
        SettingsError: if a value is out of range.
    """

    window_bits: Annotated[int, msgspec.Meta(ge=WINDOW_BITS[0], le=WINDOW_BITS[-1])]
    memory_level: Annotated[int, msgspec.Meta(ge=MEMORY_LEVELS[0], le=MEMORY_LEVELS[-1])]
    level: Annotated[int, msgspec.Meta(ge=LEVELS[0], le=LEVELS[-1])] = 6
    strategy: Strategy = "default"
    context_takeover: bool = True
    client_window_bits: (
        Annotated[int, msgspec.Meta(ge=WINDOW_BITS[0], le=WINDOW_BITS[-1])] | UnsetType
    ) = UNSET

    def __post_init__(self) -> None:
        if self.client_window_bits == self.window_bits:
            msgspec.structs.force_setattr(self, "client_window_bits", UNSET)
        for bits in (self.window_bits, self.window_bits_of("client")):
            if bits == 8:
                raise SettingsError(
                    "window bits 8: zlib cannot produce it for raw deflate; choose 9 to 15"
                )
            _check("window bits", bits, WINDOW_BITS)
        _check("memory level", self.memory_level, MEMORY_LEVELS)
        _check("level", self.level, LEVELS)
        if self.strategy not in STRATEGIES:
            choices = ", ".join(STRATEGIES)
            raise SettingsError(f"strategy {self.strategy!r}: choose one of {choices}")

    @classmethod
    def parse(cls, text: str) -> "DeflateSettings":
        """Settings from `12/5`: window bits, memory level; a variant may follow, as `str` has it.

        Raises:
            SettingsError: if the text has another form, or a value is out of range.
        """
        point, *variants = text.split(",")
        window_bits, slash, memory_level = point.partition("/")
        if not (slash and _is_number(window_bits) and _is_number(memory_level)):
            raise SettingsError(f"settings {text!r}: write WINDOW_BITS/MEMORY_LEVEL, such as 12/5")
        level, context_takeover = 6, True
        strategy: Strategy = "default"
        client_window_bits: int | UnsetType = UNSET
        for variant in map(str.strip, variants):
            word, _, number = variant.rpartition(" ")
            if variant in STRATEGIES:
                strategy = STRATEGIES[STRATEGIES.index(variant)]
            elif variant == "no context takeover":
                context_takeover = False
            elif word == "level" and _is_number(number):
                level = int(number)
            elif word == "client window bits" and _is_number(number):
                client_window_bits = int(number)
            else:
                raise SettingsError(
                    f"settings {text!r}: {variant!r} is none of level N, no context takeover, "
                    f"client window bits N, {', '.join(STRATEGIES)}"
                )
        return cls(
            int(window_bits),
            int(memory_level),
            level,
            strategy,
            context_takeover,
            client_window_bits,
        )

    def window_bits_of(self, direction: Direction) -> int:
        """The window bits of what one side sends."""
        if direction == "server" or self.client_window_bits is UNSET:
            return self.window_bits
        return self.client_window_bits

    def one_way(self, direction: Direction) -> "DeflateSettings":
        """The same window bits both ways: those of what one side sends."""
        if self.client_window_bits is UNSET:
            return self
        return msgspec.structs.replace(
            self, window_bits=self.window_bits_of(direction), client_window_bits=UNSET
        )

    @property
    def variant(self) -> str:
        """What differs from the defaults beside window bits and memory level: `level 9, rle`."""
        parts = []
        if self.level != 6:
            parts.append(f"level {self.level}")
        if self.strategy != "default":
            parts.append(self.strategy)
        if not self.context_takeover:
            parts.append("no context takeover")
        if self.client_window_bits is not UNSET:
            parts.append(f"client window bits {self.client_window_bits}")
        return ", ".join(parts)

    def __str__(self) -> str:
        """`12/5`, followed by the variant if there is one."""
        point = f"{self.window_bits}/{self.memory_level}"
        return f"{point}, {self.variant}" if self.variant else point


# What websockets negotiates unless told otherwise.
REFERENCE = DeflateSettings(12, 5)

# What a browser offers: it leaves the windows to the server.
BROWSER: Literal["browser"] = "browser"
# What a client offers: exact settings, no compression (None), or what a browser does.
Offer = DeflateSettings | Literal["browser"] | None

# The rows of the table in websockets' documentation; the row "off" is added by every sweep.
LADDER = tuple(DeflateSettings(bits, bits - 7) for bits in reversed(WINDOW_BITS))


def parse_settings(text: str) -> DeflateSettings | None:
    """Settings from `12/5`, or None, compression disabled, from `off`.

    Raises:
        SettingsError: if the text has another form, or a value is out of range.
    """
    return None if text == "off" else DeflateSettings.parse(text)


def parse_offer(text: str) -> Offer:
    """An offer from `12/5`, `off` or `browser`.

    Raises:
        SettingsError: if the text has another form, or a value is out of range.
    """
    return BROWSER if text == BROWSER else parse_settings(text)


def cross(window_bits: Iterable[int], memory_levels: Iterable[int]) -> list[DeflateSettings]:
    """Every window bits with every memory level, in table order.

    Raises:
        SettingsError: if a value is out of range.
    """
    levels = list(memory_levels)
    return in_table_order(DeflateSettings(bits, level) for bits in window_bits for level in levels)


def vary(
    settings: Iterable[DeflateSettings],
    *,
    levels: Iterable[int],
    strategies: Iterable[Strategy],
    context_takeover: bool,
    client_window_bits: Iterable[int | UnsetType] = (UNSET,),
) -> list[DeflateSettings]:
    """Each of the settings with every level, strategy and client window bits, in table order.

    Raises:
        SettingsError: if a value is out of range.
    """
    variants = list(itertools.product(levels, strategies, client_window_bits))
    return in_table_order(
        DeflateSettings(
            item.window_bits, item.memory_level, level, strategy, context_takeover, client_bits
        )
        for item in settings
        for level, strategy, client_bits in variants
    )


def in_table_order(settings: Iterable[DeflateSettings]) -> list[DeflateSettings]:
    """The settings without repetition, from the largest context to the smallest."""
    return sorted(
        set(settings),
        key=lambda item: (
            -item.window_bits,
            -item.memory_level,
            not item.context_takeover,
            item.level,
            STRATEGIES.index(item.strategy),
            -item.window_bits_of("client"),
        ),
    )


def parse_numbers(text: str) -> list[int]:
    """The numbers of a range list such as `9-15`, `9,12,15` or `9-11,15`, in ascending order.

    Raises:
        SettingsError: if the text has another form.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not _is_number(first) or (dash and not _is_number(last)):
            raise SettingsError(f"{text!r}: write numbers and ranges, such as 9-15 or 9,12,15")
        if dash and int(last) < int(first):
            raise SettingsError(f"{text!r}: the range runs backwards; write {last}-{first}")
        numbers.update(range(int(first), int(last or first) + 1))
    return sorted(numbers)


def _is_number(text: str) -> bool:
    # Longer ones are out of every range, and would make a typing error a huge list.
    return text.isascii() and text.isdigit() and len(text) <= 4

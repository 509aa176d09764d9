"""[tool.wsbench] of a pyproject.toml: what a command takes where the command line says nothing."""

import contextlib
import glob
import os
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import click
import msgspec
from click.core import ParameterSource

from wsbench.corpus.source import is_url
from wsbench.corpus.text import place
from wsbench.oneline import one_line

_TABLE = "[tool.wsbench]"
# The argument that the key `corpus` stands for; every other key is an option without its dashes.
_ARGUMENT = "corpus_paths"
# Where a context keeps its _Configuration, or the _Mistake in it.
_META = __name__


class _Kind(NamedTuple):
    """What a key may hold: for msgspec, and in words."""

    type: Any
    words: str


# What TOML promises to hold. Python itself refuses to write numbers of thousands of digits.
_Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

_FLAG = _Kind(bool, "true or false")
_TEXT = _Kind(str, "a string")
_TEXTS = _Kind(str | list[str], "a string, or an array of strings")
_NUMBERS = _Kind(_Integer | list[_Integer], "a whole number, or an array of them")
# The option itself says which numbers it takes, and in which form.
_QUANTITY = _Kind(_Integer | float | str, "a number or a string")

_KEYS = {
    "corpus": _TEXTS,
    "corpus-format": _TEXT,
    "direction": _TEXT,
    "baseline": _TEXT,
    "settings": _TEXTS,
    "connections": _NUMBERS,
    "allow-corpus-change": _FLAG,
    "max-size-increase": _QUANTITY,
    "max-memory-increase": _QUANTITY,
    "max-time-increase": _QUANTITY,
    "max-memory": _QUANTITY,
    "max-ratio": _QUANTITY,
    "max-seconds": _QUANTITY,
    "no-time": _FLAG,
    "no-memory": _FLAG,
    "strict": _FLAG,
}


class _Configuration(NamedTuple):
    """What a file says: of each parameter of the command, by its name, the key and the value."""

    file: Path
    keys: dict[str, str]
    values: dict[str, Any]


class _Mistake(click.UsageError):
    """A mistake in a file of configuration."""


class ConfiguredCommand(click.Command):
    """A command whose defaults are in `[tool.wsbench]`; `config_option` is one of its options.

    They are read from the nearest pyproject.toml, from the current folder upward, that has this
    table; others are passed over. The keys are the command's long options without dashes, and
    `corpus`, its argument `corpus_paths`, which must not be `required`. The command line wins.

    Files that `corpus` and `baseline` name are relative to the folder of the pyproject.toml. A `*`
    in `corpus` stands for what it stands for in a shell, `**` for any folders.

    Raises:
        click.UsageError: if the file cannot be read, a key or its type is wrong, or the option
            refuses the value; the text names file and key.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            rest = super().parse_args(ctx, args)
            found = ctx.meta.get(_META)
            if isinstance(found, _Mistake):
                raise found
            if found is not None:
                self._fill_in_argument(ctx, found)
        except click.BadParameter as error:
            raise _blamed(ctx, error) from error
        return rest

    def _fill_in_argument(self, ctx: click.Context, configuration: _Configuration) -> None:
        """Take the argument from the file: click 8.1 does so with options alone."""
        if ctx.params.get(_ARGUMENT):
            return
        for param in self.params:
            if param.name == _ARGUMENT and _ARGUMENT in configuration.values:
                ctx.set_parameter_source(_ARGUMENT, ParameterSource.DEFAULT_MAP)
                value = configuration.values[_ARGUMENT]
                ctx.params[_ARGUMENT] = param.process_value(ctx, value)


def _configure(ctx: click.Context, _: click.Parameter, path: str | None) -> None:
    """Read the file, and make it the defaults of the parameters that click has yet to look at."""
    if ctx.resilient_parsing:
        return
    try:
        configuration = _read(ctx.command, path)
    except _Mistake as mistake:
        # Raised at the end, since click 8.1 comes here before it looks for --help.
        ctx.meta[_META] = mistake
        return
    if configuration is not None:
        ctx.meta[_META] = configuration
        options = {key: of for key, of in configuration.values.items() if key != _ARGUMENT}
        ctx.default_map = {**(ctx.default_map or {}), **options}


config_option = click.option(
    "--config",
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=_configure,
    help=f"Take defaults from {_TABLE} of this file; without it, of the nearest pyproject.toml "
    "that has it.",
)


def _read(command: click.Command, path: str | None) -> _Configuration | None:
    """What the file, or else the nearest that has the table, says of the command's parameters."""
    found = _nearest() if path is None else _named(Path(path))
    if found is None:
        return None
    file, table = found
    values = {key: _value(file, key, value) for key, value in table.items()}
    if "*" in str(table.get("corpus")) and "baseline" in values:
        # What a pattern matches beside the messages.
        baseline = os.path.realpath(values["baseline"])
        kept = (item for item in values["corpus"] if os.path.realpath(item) != baseline)
        values["corpus"] = tuple(kept)
    keys = {
        param.name: key
        for param in command.params
        for key in values
        if param.name is not None
        if f"--{key}" in param.opts or (key == "corpus" and param.name == _ARGUMENT)
    }
    return _Configuration(file, keys, {name: values[key] for name, key in keys.items()})


def _blamed(ctx: click.Context, error: click.BadParameter) -> click.UsageError:
    """The error, about the file if that is where the value came from."""
    found = ctx.meta.get(_META)
    name = error.param.name if error.param is not None else None
    if (
        not isinstance(found, _Configuration)
        or name not in found.keys
        or ctx.get_parameter_source(name) is not ParameterSource.DEFAULT_MAP
    ):
        return error
    return _mistake(found.file, found.keys[name], error.message.rstrip("."))


def _mistake(file: Path, key: str, text: str) -> _Mistake:
    return _Mistake(f"{file}: {_TABLE} {one_line(key)}: {text}")


def _nearest() -> tuple[Path, dict[str, Any]] | None:
    """The nearest pyproject.toml that has the table, if there is one, and the table."""
    for file in _candidates():
        # Not Path.is_file, which complains where a folder above is closed.
        if os.path.isfile(file):  # noqa: PTH113
            table = _table(file, _content(file))
            if table is not None:
                return file, table
    return None


def _candidates() -> Iterator[Path]:
    name = "pyproject.toml"
    # Relative, so that what is shown of it, and of the files that it names, is short.
    yield Path(name)
    with contextlib.suppress(OSError):  # The current folder was removed.
        yield from (parent / name for parent in Path.cwd().parents)


def _named(file: Path) -> tuple[Path, dict[str, Any]]:
    """The file that --config names, and its table; one that is empty, as /dev/null is, has none."""
    content = _content(file)
    table = _table(file, content)
    if table is None and content:
        raise _Mistake(f"{file}: it has no {_TABLE}; name a file that has, or an empty one")
    return file, table or {}


def _content(file: Path) -> dict[str, Any]:
    data = b""
    try:
        data = file.read_bytes()
        return tomllib.loads(data.decode())
    except OSError as error:
        raise _Mistake(
            f"{file}: {error.strerror}; name a readable file with {_TABLE} by --config"
        ) from error
    except UnicodeDecodeError as error:
        raise _Mistake(
            f"{file}:{place(data, error.start)}: not UTF-8 (byte 0x{data[error.start]:02x}); "
            "save it as UTF-8"
        ) from error
    # Brackets within brackets, and numbers of thousands of digits, are too much for tomllib.
    except (ValueError, RecursionError) as error:
        raise _Mistake(f"{file}: not TOML: {one_line(str(error))}; mend it") from error


def _table(file: Path, content: dict[str, Any]) -> dict[str, Any] | None:
    tools = content.get("tool")
    table = tools.get("wsbench") if isinstance(tools, dict) else None
    if table is None or isinstance(table, dict):
        return table
    raise _Mistake(f"{file}: {_TABLE}: not a table; write {_TABLE} on a line of its own, once")


def _value(file: Path, key: str, value: Any) -> Any:
    """What the key holds, as the command line would give it to the parameter."""
    kind = _KEYS.get(key)
    if kind is None:
        raise _mistake(file, key, f"no such key; choose from {', '.join(_KEYS)}")
    try:
        msgspec.convert(value, kind.type)
    except msgspec.ValidationError as error:
        raise _mistake(file, key, f"write {kind.words}") from error
    if key == "baseline":
        return _place(file, key, value)
    if key == "corpus":
        places = [_places(file, key, entry) for entry in _listed(value)]
        return tuple(dict.fromkeys(path for of_entry in places for path in of_entry))
    if kind in (_TEXTS, _NUMBERS):
        return _listed(value)
    if isinstance(value, float):
        # As a user writes it, where Python would write 1e-05.
        return f"{Decimal(str(value)):f}"
    return str(value) if kind is _QUANTITY else value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _places(file: Path, key: str, entry: str) -> list[str]:
    """What an entry stands for: more than one file if there is a `*` in it."""
    if "*" not in entry or is_url(entry):
        return [_place(file, key, entry)]
    _place(file, key, entry)
    # Not Path.glob, which finds hidden files as well, and takes no absolute patterns.
    matches = sorted(glob.glob(entry, root_dir=file.parent, recursive=True))  # noqa: PTH207
    if not matches:
        raise _mistake(file, key, f"{entry!r}: no such files; the pattern matches nothing")
    return [_place(file, key, match) for match in matches]


def _place(file: Path, key: str, entry: str) -> str:
    """Where a file is that is named relative to the folder of the configuration."""
    if not entry or "\0" in entry:
        raise _mistake(file, key, f"{entry!r}: name a file")
    return entry if entry == "-" or is_url(entry) else str(file.parent / entry)

"""Text from outside, such as the name of a file, in one line."""

import os
from pathlib import Path


def file_label(path: str | Path) -> str:
    """What a file is called: a name that is not UTF-8 can be opened, but not printed."""
    return os.fsencode(path).decode(errors="backslashreplace")


def one_line(text: str) -> str:
    r"""The text with what cannot be shown, or would act on a terminal, spelt out."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )

"""Text in Markdown, in which nothing that came from outside has a meaning of its own."""

import re

from wsbench.oneline import one_line

# What Markdown takes for more than a character. Within a word, _ is one.
_MARKUP = re.compile(r"[\\`*<>\[\]|&~#]|(?<![^\W_])_|_(?![^\W_])")


def escaped(text: str) -> str:
    """The text in one line, as it would be without Markdown."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text))


def code(text: str) -> str:
    """The text in one line, as code."""
    text = one_line(text)
    fence = "`"
    while fence in text:
        fence += "`"
    # A space at each end belongs to the fence, if there is one at both.
    pad = " " if not text or text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"

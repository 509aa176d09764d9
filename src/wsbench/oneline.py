"""Text from outside, such as the name of a file, in one line."""


def one_line(text: str) -> str:
    r"""The text with what cannot be shown, or would act on a terminal, spelt out."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )

"""What the log may show of a customer's number, and of words that somebody else has written.

Whoever logs a number gives it to ``masked``. Words of others, such as those of an exception or of a network, may hold a
number or a text: ``without_numbers`` takes the numbers out of them. A text is never given to the log.

``numbers: full`` in the section ``log`` of the configuration shows numbers as they are. It holds for the process,
because its log is one, too.
"""

import re

_show_numbers = False
_LONG = re.compile(r"(?<![\w.])(?:\+|%2[Bb]|00)?[1-9][0-9]{7,19}(?![\w.])")
_QUOTED = re.compile(r"""['"].*""", re.DOTALL)


def show_numbers(is_full: bool) -> None:
    """Whether numbers are shown as they are from now on."""
    global _show_numbers  # noqa: PLW0603 — see above
    _show_numbers = is_full


def masked(address: str) -> str:
    """A number or sender as the log may show it: its last three characters, of a short one at most half. Who knows the
    number finds it, and nobody learns it. What can't be printed becomes a question mark."""
    if _show_numbers:
        return printable(address)
    shown = address[-min(3, len(address) // 2) :] if len(address) > 1 else ""
    return f"***{printable(shown)}"


def without_numbers(words: str) -> str:
    """Somebody else's words, in which each number of 8 digits and more is masked: it may be a customer's."""
    return words if _show_numbers else _LONG.sub(lambda found: masked(found[0]), words)


def without_quotes(words: str) -> str:
    """Without numbers, and without all from the first quotation mark on: what could not be used is quoted, and may be a
    text with quotation marks of its own."""
    return words if _show_numbers else without_numbers(_QUOTED.sub("'...'", words))


def printable(words: str) -> str:
    """With a question mark for each character that can't be printed."""
    return "".join(character if character.isprintable() else "?" for character in words)

"""What may be shown of a provider's own words: they quote the number, the text and the key that they complain about."""

import re
from collections.abc import Iterable

SHOWN_CHARACTERS = 200
_DIGITS = re.compile(r"\+?\d[\d ().-]{4,}\d")
_LEAST = 4  # characters; a shorter value hides nothing, and would tear words


def redacted(words: str, hidden: Iterable[str]) -> str:
    """Without the ``hidden`` values and without anything that looks like a number, on one line, and not long."""
    for value in sorted({one for one in hidden if len(one) >= _LEAST}, key=len, reverse=True):
        words = words.replace(value, "***")
    words = "".join(character if character.isprintable() else " " for character in _DIGITS.sub("***", words))
    return words if len(words) <= SHOWN_CHARACTERS else f"{words[:SHOWN_CHARACTERS]}..."

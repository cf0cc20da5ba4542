"""The ids that a provider gives a text, by which it will tell what became of it.

A number becomes a text of its digits. What a careless provider writes for "none" is no id: null, "null", "None", and an
empty text. (Seen at public gateways: "null" as a string, "None" for failures.)
"""

from collections.abc import Sequence
from typing import Any

from smsconnector.rest.answers import Answer, Selector, as_word

ID_CHARACTERS = 255
MAXIMUM_IDS = 255  # as many as a text can have parts
_NO_IDS = {"", "null", "none", "nil", "undefined"}


def ids_of(answer: Answer, selectors: Sequence[Selector]) -> tuple[str, ...]:
    """The ids that the first selector finds that finds any, each once; () if there are none."""
    for selector in selectors:
        found = dict.fromkeys(one for value in selector.values(answer) if (one := usable_id(value)) is not None)
        if found:
            return tuple(found)[:MAXIMUM_IDS]
    return ()


def usable_id(value: Any) -> str | None:
    """The id as a text; None if it is none."""
    word = None if isinstance(value, bool) else as_word(value)
    if word is None or word.lower() in _NO_IDS or len(word) > ID_CHARACTERS or not word.isprintable():
        return None
    return word

"""Transliteration: a text in the characters of an alphabet that lacks some of it. Typographic quotes become straight
ones, and letters lose an accent that the alphabet does not have.

It changes what the customer wrote, so it is an option. It is all or nothing: if one character of a text has nothing
near, the whole text goes as UCS-2, and then as it was written.
"""

import unicodedata
from collections.abc import Set
from functools import lru_cache

# What Unicode does not decompose to something near (its NFKD form), each with what is near in ASCII.
_NEAREST = {
    **dict.fromkeys("‘’‚‛′‵`´ʹʻʼʽˈ", "'"),
    **dict.fromkeys("“”„‟″‶«»", '"'),
    **dict.fromkeys("‐‑‒–—―−⁃", "-"),
    **dict.fromkeys("\u200b\u2060\ufeff\u00ad", ""),  # zero width space, word joiner, byte order mark, soft hyphen
    **dict.fromkeys("\u2028\u2029\u0085\u000b", "\n"),
    "\t": " ",
    "‹": "<",
    "›": ">",
    "•": "*",
    "·": ".",
    "⁄": "/",
    "×": "x",
    "©": "(c)",
    "®": "(R)",
    "œ": "oe",
    "Œ": "OE",
    "æ": "ae",
    "Æ": "AE",
    "ß": "ss",
    "ẞ": "SS",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "Ð": "D",
    "þ": "th",
    "Þ": "Th",
    "ħ": "h",
    "Ħ": "H",
    "ŧ": "t",
    "Ŧ": "T",
    "ŋ": "n",
    "Ŋ": "N",
    "ı": "i",
    "ĸ": "k",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
}


def transliterate(text: str, characters: Set[str]) -> str | None:
    """``text`` with only ``characters``, or None if one has nothing near, or nothing is left. What is among them stays
    as it is; a letter and its combining marks are taken as one. Time is linear in the length of the text."""
    repertoire = frozenset(characters)
    near: list[str] = []
    for character in text:
        if character in repertoire:
            near.append(character)
        elif unicodedata.combining(character):
            _put_on(near, character, repertoire)
        elif (found := _near(character, repertoire)) is not None:
            near.append(found)
        else:
            return None
    return "".join(near) or None


@lru_cache(maxsize=4096)
def _near(character: str, repertoire: frozenset[str]) -> str | None:
    """What stands for one character: its own of the table above, else its decomposition without the marks; if the
    repertoire has the letter with one of its marks, such as é for ế, that one."""
    found = _NEAREST.get(character)
    if found is None:
        found = _without_marks(unicodedata.normalize("NFKD", character), repertoire)
        if found.isspace() and not character.isspace():  # an accent by itself: NFKD makes it a space and a mark
            return None
        if found != character and not repertoire.issuperset(found):
            found = "".join(_NEAREST.get(part, part) for part in found)
    return found if repertoire.issuperset(found) else None


def _without_marks(decomposed: str, repertoire: frozenset[str]) -> str:
    kept: list[str] = []
    for part in decomposed:
        if unicodedata.combining(part):
            _put_on(kept, part, repertoire)
        else:
            kept.append(part)
    return "".join(kept)


def _put_on(kept: list[str], mark: str, repertoire: frozenset[str]) -> None:
    """Put a combining mark on the last of ``kept``, if the repertoire has the two as one character; if not, the mark is
    left out."""
    composed = unicodedata.normalize("NFC", kept[-1] + mark) if kept else mark
    if composed in repertoire:
        kept[-1:] = [composed]

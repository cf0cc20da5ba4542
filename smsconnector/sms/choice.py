"""Which alphabet a text goes in, when that is left to us: the exact text first, in as few segments as possible.

1. ``gsm7``, if the GSM 03.38 default alphabet has every character, and every default alphabet of the SMSCs too.
2. Else, if the national tables of an allowed language have every character: ``gsm7`` with those tables, if that needs
   fewer segments than UCS-2; else UCS-2.
3. Else, if transliteration is allowed: what is near, by the default alphabet or by national tables, whichever leaves
   more characters as they are.
4. Else UCS-2.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from smsconnector.errors import TextError
from smsconnector.sms import alphabet as alphabets
from smsconnector.sms.septets import DEFAULT_TABLES, tables
from smsconnector.sms.shift_tables import LANGUAGES, LOCKING, SINGLE
from smsconnector.sms.transliteration import transliterate

MOST_NAMED, BLOCK = 20, 80  # characters that forced UCS-2; characters of a text that are looked at for them together
SEPTET_ALPHABETS = frozenset({"gsm7", "gsm7-packed"})


class Choice(NamedTuple):
    """``text`` is what was asked for unless characters had to be replaced; those are ``transliterated``, each once.
    ``forced_by`` are the characters that forced UCS-2, the first MOST_NAMED at least."""

    alphabet: str
    text: str
    forced_by: str = ""
    transliterated: str = ""


def choose(
    text: str,
    count: Callable[[str, str], int],
    default_alphabets: Collection[str] = ("gsm7",),
    national_languages: Sequence[str] = (),
    may_transliterate: bool = False,
) -> Choice:
    """``count`` gives the segments of a text in an alphabet. ``default_alphabets`` are those that data_coding 0 means
    on the binds that may get the text; what one of them lacks goes as UCS-2. ``national_languages`` are keys of
    ``LANGUAGES``, used only where every bind's default alphabet is GSM 03.38's; the first of equals wins."""
    by_septets = SEPTET_ALPHABETS.issuperset(default_alphabets)
    characters = DEFAULT_TABLES.characters if by_septets else _common(frozenset(default_alphabets))
    if characters.issuperset(text):
        return Choice("gsm7", text)
    foreign = _first_foreign(text, characters)
    candidates = tuple(_candidates(tuple(national_languages))) if by_septets else ()
    exact = [(count(text, name), name) for name, repertoire in candidates if repertoire.issuperset(text)]
    if exact:
        segments, name = min(exact, key=lambda one: one[0])
        return Choice(name, text) if segments < count(text, "ucs2") else Choice("ucs2", text, foreign)
    if may_transliterate:
        near = [
            Choice(name, changed, "", _foreign(text, repertoire))
            for name, repertoire in (("gsm7", characters), *candidates)
            if (changed := transliterate(text, repertoire)) is not None
        ]
        if near:
            return min(near, key=lambda one: (len(one.transliterated), count(one.text, one.alphabet)))
    return Choice("ucs2", text, foreign)


def _first_foreign(text: str, characters: frozenset[str]) -> str:
    """MOST_NAMED of them, or a few more: to find all in a long text would take longer than to cut it."""
    foreign = ""
    for start in range(0, len(text), BLOCK):
        foreign += _foreign(text[start : start + BLOCK], characters, foreign)
        if len(foreign) >= MOST_NAMED:
            break
    return foreign


def _foreign(text: str, characters: frozenset[str], known: str = "") -> str:
    """Each once, in the order in which they come first, without those that are known."""
    return "".join(sorted((set(text) - characters).difference(known), key=text.index))


@lru_cache(maxsize=64)
def _common(default_alphabets: frozenset[str]) -> frozenset[str]:
    """The characters of GSM 03.38 that all these alphabets have."""
    return frozenset(
        character
        for character in DEFAULT_TABLES.characters
        if all(_has(alphabet, character) for alphabet in default_alphabets)
    )


def _has(alphabet: str, character: str) -> bool:
    try:
        return bool(alphabets.encode_text(character, alphabet))
    except TextError:
        return False


def _candidates(languages: tuple[str, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    """The names of alphabets with the tables of one language, and their characters: single shift first, for handsets
    that know only one mechanism know that one."""
    for language in languages:
        identifier = LANGUAGES[language]
        if identifier in SINGLE:
            yield f"gsm7+{language}", tables(0, identifier).characters
        if identifier in LOCKING:
            yield f"gsm7={language}", tables(identifier, 0).characters
            yield f"gsm7={language}+{language}", tables(identifier, identifier).characters

"""A text that was cut, in numbers and names for people: what each segment holds, and which characters were to blame."""

import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from smsconnector.sms import alphabet as alphabets
from smsconnector.sms.segmentation import Split, capacity, segments_in, units_in, unmarked
from smsconnector.sms.septets import DEFAULT_TABLES
from smsconnector.sms.transliteration import transliterate

MOST_CHARACTERS = 20  # that are named
_WORDS = {
    "gsm7": "GSM 03.38 default alphabet (GSM-7)",
    "gsm7-packed": "GSM 03.38 default alphabet (GSM-7), packed",
    "ascii": "ASCII",
    "latin1": "Latin-1 (ISO-8859-1)",
    "ucs2": "UCS-2 (UTF-16, big-endian)",
}
_UNITS = {"latin1": "octets", "ucs2": "UTF-16 code units"}  # else septets


class Measured(NamedTuple):
    """``units``: how many the text takes up; ``left``: how many more would fit, None where the network cuts."""

    text: str
    units: int
    left: int | None


class Named(NamedTuple):
    """A character. ``name``: of Unicode, "" if it has none. ``position``: where it comes first, from 0 on, in
    characters. ``times``: how often it comes."""

    character: str
    code_point: str
    name: str
    position: int
    times: int


def described(split: Split) -> str:
    """Its alphabet in words."""
    name, _ = unmarked(split.alphabet)
    base, locking, single = alphabets.shifts(name)
    shifted = ", with the national tables of " + name[len(base) + 1 :].partition("+")[0] if locking or single else ""
    return _WORDS[base] + shifted


def unit(split: Split) -> str:
    """What its lengths are counted in."""
    return _UNITS.get(alphabets.shifts(unmarked(split.alphabet)[0])[0], "septets")


def measured(split: Split, is_cut_for_network: bool = True) -> list[Measured]:
    """Each segment. ``is_cut_for_network``: no segment holds more than one submit_sm; False: a provider cuts them."""
    alphabet, cut_for = unmarked(split.alphabet)
    most = capacity(alphabet, "single" if len(split.segments) == 1 else cut_for) if is_cut_for_network else 0
    found = [(text, units_in(text, alphabet)) for text in split.segments]
    return [Measured(text, units, most - units if units <= most else None) for text, units in found]


def parts(split: Split) -> int:
    """How many segments reach the handset: more than were cut here, where the SMSC or the provider cuts."""
    alphabet, cut_for = unmarked(split.alphabet)
    return sum(segments_in(text, alphabet, cut_for) for text in split.segments)


def named(text: str, characters: str) -> Iterator[Named]:
    """The first MOST_CHARACTERS of these, each as it stands in the text."""
    for character in characters[:MOST_CHARACTERS]:
        name = unicodedata.name(character, "")
        yield Named(character, f"U+{ord(character):04X}", name, text.find(character), text.count(character))


def without(text: str, characters: str) -> str | None:
    """The text in the GSM 03.38 default alphabet, by what is near, without these characters, which the SMSCs lack; None
    if a character has nothing near."""
    return transliterate(text, DEFAULT_TABLES.characters.difference(characters))

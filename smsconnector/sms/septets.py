"""Text <-> unpacked septets (GSM 03.38 section 6.2.1), with the default tables or those of a national language.

A ``SeptetTables`` is one pair: a table of 128 characters, and what the escape 0x1B and a code mean. ``tables`` gives
the pair that the National Language Identifiers of a user data header select (3GPP TS 23.038 section 6.2.1.2).
"""

import codecs
import re
from collections.abc import Mapping
from functools import cache

from smsconnector.sms.shift_tables import ABSENT, EXTENSION_TABLE, LOCKING, SINGLE

# GSM 03.38 section 6.2.1: the character at index n has the code n. Code 0x1B is the escape to the extension table.
DEFAULT_ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
ESCAPE = 0x1B

_ESCAPE = chr(ESCAPE)
_RUNS = re.compile(f"{_ESCAPE}(.?)|[^{_ESCAPE}]+", re.DOTALL)


class SeptetTables:
    """``locking`` is the table of single septets, ``single`` the one behind the escape."""

    def __init__(self, locking: str, single: Mapping[int, str]) -> None:
        plain = {character: code for code, character in enumerate(locking) if character not in {_ESCAPE, ABSENT}}
        self.characters = frozenset(plain) | frozenset(single.values())
        self._foreign = re.compile(f"[^{re.escape(''.join(self.characters))}]")
        # For str.translate: a character becomes its septet, or the escape and a septet; of several ways the shortest
        # and lowest. What the tables lack must not look like a septet afterwards: beyond ASCII it stays as it is,
        # within ASCII it becomes U+FFFF; neither encodes as ASCII.
        self._septets: dict[int, str] = {
            **dict.fromkeys(range(0x80), "\uffff"),
            **{ord(single[code]): _ESCAPE + chr(code) for code in sorted(single, reverse=True)},
            **{ord(character): chr(code) for character, code in plain.items()},
        }
        # For the way back: every octet's character, and what an escape and the octet mean.
        self._characters = locking + "\ufffd" * 0x80
        self._escaped = {chr(octet): single.get(octet, self._characters[octet]) for octet in range(0x100)}
        self._escaped |= {_ESCAPE: " ", "": " "}

    def foreign(self, text: str) -> str:
        """The distinct characters that the tables lack, in the order of their first appearance."""
        return "".join(self._foreign.findall("".join(dict.fromkeys(text)))) if self._foreign.search(text) else ""

    def encode(self, text: str) -> bytes:
        """The septets, one per octet. Raises UnicodeEncodeError for what the tables lack."""
        return text.translate(self._septets).encode("ascii")

    def decode(self, septets: bytes) -> str:
        """The text of septets, whatever they are. An escape before a code that the single shift table lacks gives
        the locking table's character (the note of section 6.2.1.1), one before another escape or before nothing a
        space; an octet that is no septet (0x80 and above), or for which there is no character, U+FFFD."""
        if ESCAPE in septets:
            return _RUNS.sub(self._decode_run, septets.decode("latin-1"))
        return codecs.charmap_decode(septets, "strict", self._characters)[0]

    def _decode_run(self, run: re.Match[str]) -> str:
        escaped = run[1]
        return run[0].translate(self._characters) if escaped is None else self._escaped[escaped]


DEFAULT_TABLES = SeptetTables(DEFAULT_ALPHABET, EXTENSION_TABLE)


@cache
def _pair(locking: int, single: int) -> SeptetTables:
    return SeptetTables(LOCKING.get(locking, DEFAULT_ALPHABET), SINGLE.get(single, EXTENSION_TABLE))


def tables(locking: int = 0, single: int = 0) -> SeptetTables:
    """The pair of two National Language Identifiers; 0 is the default table, and so is an identifier that has no
    table: an unknown one is to be ignored (TS 23.038 section 6.2.1.2.4)."""
    return _pair(locking if locking in LOCKING else 0, single if single in SINGLE else 0)

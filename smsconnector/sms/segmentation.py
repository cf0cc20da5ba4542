"""A text's way to segments and back.

1. ``segment`` picks the alphabet, counts in its units and cuts the text; the door stores the ``Split``.
2. ``wire`` renders one segment as the octets of a short_message, with its user data header if there are several.
3. ``join`` puts the texts of segments that came in any order together.

The units of an alphabet are septets (``gsm7``, ``gsm7-packed``, ``ascii``), octets (``latin1``) or UTF-16 code units
(``ucs2``). A segment holds what fits in the 140 octets of user data (GSM 03.40 section 9.2.3.24), header included:

===================== ====== =============== ================
alphabet              single 8-bit reference 16-bit reference
===================== ====== =============== ================
gsm7, gsm7-packed     160    153             152
ascii                 160    153             152               (it leaves the SMSC as GSM 03.38 septets)
latin1                140    134             133
ucs2                  70     67              66
===================== ====== =============== ================
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from smsconnector.errors import TextError
from smsconnector.sms import alphabet as alphabets
from smsconnector.sms import udh

USER_DATA_OCTETS = 140
MAXIMUM_SEGMENTS = 255  # the count is one octet (GSM 03.40 section 9.2.3.24.1)

_UNIT_BITS = {"gsm7": 7, "gsm7-packed": 7, "ascii": 7, "latin1": 8, "ucs2": 16}
_HEADER_OCTETS = {8: 6, 16: 7}  # bits of the concatenation reference -> octets of the header
_SINGLE = {alphabet: USER_DATA_OCTETS * 8 // bits for alphabet, bits in _UNIT_BITS.items()}


@dataclass(frozen=True, slots=True)
class Split:
    """A text that was cut: ``segments`` joined are the text."""

    alphabet: str
    segments: tuple[str, ...]
    forced_by: str = ""  # the distinct characters that forced UCS-2 when the choice was ours


def capacity(alphabet: str, reference_bits: int = 8) -> int:
    """How many units of ``alphabet`` one of several segments holds; ``reference_bits`` is 8 or 16."""
    return (USER_DATA_OCTETS - _HEADER_OCTETS[reference_bits]) * 8 // _UNIT_BITS[alphabet]


def segment(
    text: str, *, alphabet: str = "auto", reference_bits: int = 8, maximum_segments: int = MAXIMUM_SEGMENTS
) -> Split:
    """``text`` in as few segments as whole characters allow; an empty text is one empty segment.

    ``alphabet`` is a name of ``smsconnector.sms.alphabet``, or ``auto``: ``gsm7`` if it has every character, else
    ``ucs2``. Escape pairs and surrogate pairs are never torn; grapheme clusters (Unicode Annex 29) only when longer
    than a segment. Raises TextError: ``too_many_segments`` with the count, above ``maximum_segments`` or 255; or
    what ``alphabet.encode`` raises. Time is linear in the length of the text.
    """
    forced_by = ""
    if alphabet == "auto":
        alphabet = alphabets.choose(text)
        if alphabet == "ucs2":
            forced_by = alphabets.foreign_to_gsm7(text)
    if _units(text, alphabet) <= _SINGLE[alphabet]:
        return Split(alphabet, (text,), forced_by)
    segments = tuple(_cut(text, alphabet, capacity(alphabet, reference_bits)))
    maximum = min(maximum_segments, MAXIMUM_SEGMENTS)
    if len(segments) > maximum:
        raise TextError("too_many_segments", _too_many(len(segments), maximum, forced_by), len(segments))
    return Split(alphabet, segments, forced_by)


def wire(
    text: str, alphabet: str, reference: int, count: int, number: int, *, wide: bool = False
) -> tuple[bytes, bool]:
    """The short_message of segment ``number`` (from 1) of ``count``, and whether esm_class needs UDHI (SMPP 3.4
    section 5.2.12), which is when ``count`` is above 1. ``wide`` is for a 16-bit ``reference``, cut to its bits.

    The length in octets is up to 160 for ``gsm7``, as its septets are unpacked. TextError as ``alphabet.encode``.
    """
    if count <= 1:
        return alphabets.encode(text, alphabet), False
    header = udh.concatenation(reference, count, number, wide)
    return header + alphabets.encode(text, alphabet, alphabets.fill_bits(len(header))), True


def join(parts: Mapping[int, str] | Iterable[tuple[int, str]]) -> str:
    """The text of (number, text) parts in any order; of parts with the same number the first counts. Missing
    numbers leave no trace: whether all came is the caller's to know."""
    first: dict[int, str] = {}
    for number, text in parts.items() if isinstance(parts, Mapping) else parts:
        first.setdefault(number, text)
    return "".join(first[number] for number in sorted(first))


def _too_many(count: int, maximum: int, forced_by: str) -> str:
    sentence = f"The text needs {count} segments and the maximum is {maximum}; shorten it."
    if forced_by:
        sentence += f" It has to be sent as UCS-2 because GSM 03.38 lacks {alphabets.describe(forced_by)}."
    return sentence


def _units(text: str, alphabet: str) -> int:
    """The length of ``text`` in units of ``alphabet``; TextError if it can't be encoded."""
    if alphabet == "gsm7-packed":
        return alphabets.septet_count(text)
    octets = len(alphabets.encode(text, alphabet))
    return octets // 2 if alphabet == "ucs2" else octets


def _cut(text: str, alphabet: str, units: int) -> Iterator[str]:
    """The segments of ``text``, each of at most ``units``."""
    start = 0
    while start < len(text):
        end = _end_of_cluster(text, alphabet, units, start, _fitting(text, alphabet, units, start))
        yield text[start:end]
        start = end


def _fitting(text: str, alphabet: str, units: int, start: int) -> int:
    """The greatest position up to which ``text[start:]`` fits in ``units`` with no escape or surrogate pair torn."""
    window = text[start : start + units]
    if alphabet in {"gsm7", "gsm7-packed"}:
        septets = alphabets.gsm7_encode(window)[:units]
        # An escape that lost its other half still counts as one character to subtract.
        return start + len(septets) - septets.count(alphabets.ESCAPE)
    if alphabet == "ucs2":
        code_units = window.encode("utf-16-be")[: 2 * units]
        return start + len(code_units.decode("utf-16-be", "ignore"))  # half a pair at the end is ignored
    return start + len(window)


def _end_of_cluster(text: str, alphabet: str, units: int, start: int, end: int) -> int:
    """``end``, or the start of the grapheme cluster that it would tear, if that one fits in a segment whole."""
    cluster = end
    while cluster > start and _inside_cluster(text, start, cluster):
        cluster -= 1
    if cluster in {start, end}:
        return end
    limit = _fitting(text, alphabet, units, cluster)
    fits = any(not _inside_cluster(text, cluster, position) for position in range(end + 1, limit + 1))
    return cluster if fits else end


_ZERO_WIDTH_JOINER = "\u200d"
_MARKS = {"Mn", "Mc", "Me"}  # combining marks and variation selectors
_EXTENDING = (  # what else continues a cluster: first, last
    (0x0E33, 0x0E33),  # Thai and Lao AM
    (0x0EB3, 0x0EB3),
    (0x1160, 0x11FF),  # conjoining Hangul vowels and finals
    (0x200C, 0x200D),  # zero width non-joiner and joiner
    (0xD7B0, 0xD7FF),
    (0xFF9E, 0xFF9F),  # half-width voiced sound marks
    (0x1F3FB, 0x1F3FF),  # skin tones
    (0xE0020, 0xE007F),  # tags of the flags of England, Scotland, Wales
)


def _inside_cluster(text: str, start: int, position: int) -> bool:
    """Whether a cut at ``position`` would tear a grapheme cluster; ``start`` is a boundary before it. After Unicode
    Annex 29, a little wider: whatever follows a zero width joiner stays with it."""
    if not start < position < len(text):
        return False
    before, after = text[position - 1], text[position]
    if after < "\u0300":
        return before == _ZERO_WIDTH_JOINER or (before == "\r" and after == "\n")
    if _is_regional_indicator(after):
        return before == _ZERO_WIDTH_JOINER or _regional_indicators_before(text, start, position) % 2 == 1
    return before == _ZERO_WIDTH_JOINER or _extends(after)


def _extends(character: str) -> bool:
    """Whether ``character`` belongs to the cluster of the character before it."""
    if unicodedata.category(character) in _MARKS:
        return True
    code_point = ord(character)
    return any(first <= code_point <= last for first, last in _EXTENDING)


def _is_regional_indicator(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _regional_indicators_before(text: str, start: int, position: int) -> int:
    """How many regional indicators stand right before ``position``: two of them are a flag."""
    first = position
    while first > start and _is_regional_indicator(text[first - 1]):
        first -= 1
    return position - first

"""A text's way to segments.

1. ``segment`` picks the alphabet (``choice``), counts in its units and cuts the text; the door stores the ``Split``.
2. ``wire`` renders one segment as user data: header, if it needs one, and octets.

The way back, from the segments of a handset to a text, is in ``user_data``.

The units of an alphabet are septets (``gsm7``, ``gsm7-packed``, ``ascii``), octets (``latin1``) or UTF-16 code units
(``ucs2``). A segment holds what fits in the 140 octets of user data (GSM 03.40 section 9.2.3.24), header included.
How the segments of a long message are told to belong together is its form:

===================== ====== ===== ===== =====
alphabet              single udh8  udh16 sar
===================== ====== ===== ===== =====
gsm7, gsm7-packed     160    153   152   160
gsm7+tr, gsm7=tr      155    149   148   155    (one shift table)
gsm7=tr+tr            152    146   145   152    (both)
ascii                 160    153   152   160    (it leaves the SMSC as GSM 03.38 septets)
latin1                140    134   133   140
ucs2                  70     67    66    70
===================== ====== ===== ===== =====

``udh8`` and ``udh16`` are a concatenation element with a reference of as many bits; ``sar`` is TLVs beside the user
data (SMPP 3.4 section 5.3.2.22 to 24); ``payload`` is one segment of any length, which the SMSC cuts (5.3.2.32).

Segments are stored, and rendered later, perhaps by a bind that wants another form than the one they were cut for. So
the stored alphabet tells what they were cut for, as in ``ucs2/sar``; nothing is told for ``udh8``. ``rendered_form``
says which form a bind can use for them; it is the same one for all segments of a message.
"""

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

from smsconnector.errors import TextError
from smsconnector.messages import record
from smsconnector.sms import alphabet as alphabets
from smsconnector.sms import choice, udh
from smsconnector.sms.alphabet import USER_DATA_OCTETS
from smsconnector.sms.septets import ESCAPE

SHORT = 80  # characters of GSM 03.38 that always fit into one segment: each is a septet, or two
MAXIMUM_SEGMENTS = 255  # the count is one octet (GSM 03.40 section 9.2.3.24.1)

FORMS = ("udh8", "udh16", "sar", "payload")
_CONCATENATION_OCTETS = {"single": 0, "udh8": 5, "udh16": 6, "sar": 0}  # of the element
_UNIT_BITS = {"gsm7": 7, "gsm7-packed": 7, "ascii": 7, "latin1": 8, "ucs2": 16}


@record
class Split:
    """A text that was cut: ``segments`` joined are the text, after transliteration if that was asked for."""

    alphabet: str  # a name of ``sms.alphabet``; behind it ``/`` and the form it was cut for, unless that is udh8
    segments: tuple[str, ...]
    forced_by: str = ""  # the distinct characters that forced UCS-2 when the choice was ours
    transliterated: str = ""  # the distinct characters that were replaced by what is near


@lru_cache(maxsize=1024)
def capacity(alphabet: str, form: str) -> int:
    """How many units of ``alphabet`` a segment holds: one of several (``udh8``, ``udh16``, ``sar``) or a ``single``."""
    base, shift_elements = _shifts(alphabet)
    elements = _CONCATENATION_OCTETS[form] + len(shift_elements)
    header_octets = 1 + elements if elements else 0
    return (USER_DATA_OCTETS - header_octets) * 8 // _UNIT_BITS[base]


def single_octets(alphabet: str) -> int:
    """How many octets of user data a single segment may have on the wire, header included: unpacked septets are an
    octet each."""
    base, shift_elements = _shifts(alphabet)
    if _UNIT_BITS[base] != 7 or base == "gsm7-packed":
        return USER_DATA_OCTETS
    return capacity(alphabet, "single") + len(udh.build_header(shift_elements))


@lru_cache(maxsize=1024)
def _shifts(alphabet: str) -> tuple[str, bytes]:
    """The alphabet without its languages, and the information elements that select their tables."""
    base, locking, single = alphabets.shifts(alphabet)
    return base, udh.national_shifts(locking, single)


def segment(
    text: str,
    *,
    alphabet: str = "auto",
    form: str = "udh8",
    maximum_segments: int = MAXIMUM_SEGMENTS,
    default_alphabets: Collection[str] = ("gsm7",),
    national_languages: Sequence[str] = (),
    transliterate: bool = False,
) -> Split:
    """``text`` in as few segments as whole characters allow; an empty text is one empty segment.

    ``alphabet`` is a name of ``smsconnector.sms.alphabet``, or ``auto``: see ``choice.choose``, which has the last
    three arguments. Escape pairs and surrogate pairs are never torn; grapheme clusters (Unicode Annex 29) only when
    longer than a segment. For ``payload``, the segments that the SMSC will make are what ``maximum_segments`` is
    about, and a text of several that needs national tables is cut for ``udh8``: an SMSC that cuts a text knows
    nothing of its header. Raises TextError: ``too_many_segments`` with the count, above ``maximum_segments`` or 255;
    or what ``alphabet.encode_text`` raises. Time is linear in the length of the text.
    """
    cut_for = "udh8" if form == "payload" else form
    forced_by = transliterated = ""
    if alphabet == "auto":
        chosen = choice.choose(
            text,
            lambda text, alphabet: segments_in(text, alphabet, cut_for),
            default_alphabets,
            national_languages,
            transliterate,
        )
        alphabet, text, forced_by, transliterated = chosen
        if alphabet == "gsm7" and len(text) <= SHORT:
            return Split(alphabet, (text,), forced_by, transliterated)
    if units_in(text, alphabet) <= capacity(alphabet, "single"):
        return Split(alphabet, (text,), forced_by, transliterated)
    segments = tuple(_cut(text, alphabet, capacity(alphabet, cut_for)))
    maximum = min(maximum_segments, MAXIMUM_SEGMENTS)
    if len(segments) > maximum:
        raise TextError("too_many_segments", _too_many(len(segments), maximum, forced_by), len(segments))
    if form == "payload" and not _shifts(alphabet)[1]:
        segments = (text,)
    mark = "" if cut_for == "udh8" else f"/{cut_for}"
    return Split(alphabet + mark, segments, forced_by, transliterated)


def pieces(text: str, units: int) -> Iterator[str]:
    """``text`` in pieces of at most so many UTF-16 code units, at least 2, torn as ``segment`` does."""
    return _cut(text, "ucs2", units)


def unmarked(alphabet: str) -> tuple[str, str]:
    """``ucs2/sar`` as ("ucs2", "sar"): the alphabet, and the form that a message was cut for."""
    name, _, cut_for = alphabet.partition("/")
    return name, cut_for or "udh8"


def rendered_form(cut_for: str, wanted: str) -> str:
    """The form of a message of several segments that was cut for one form, on a bind that wants another: as wanted
    if such segments always fit, else as they were cut."""
    if wanted == "sar" or (wanted == "udh8" and cut_for == "udh16"):
        return wanted
    return cut_for


def wire(text: str, alphabet: str, reference: int, count: int, number: int, form: str = "udh8") -> tuple[bytes, bool]:
    """The user data of segment ``number`` (from 1) of ``count``, and whether esm_class needs UDHI (SMPP 3.4 section
    5.2.12), which is when there is a header. ``reference`` is cut to the bits of ``form``; ``sar`` has no element of
    its own, as the TLVs are beside the user data. ``alphabet`` has no mark.

    The length in octets is up to 160 for ``gsm7``, as its septets are unpacked. TextError as ``alphabet.encode_text``.
    """
    elements = _shifts(alphabet)[1]
    if count > 1 and form != "sar":
        elements = udh.concatenation_element(reference, count, number, form == "udh16") + elements
    if not elements:
        return alphabets.encode_text(text, alphabet), False
    header = udh.build_header(elements)
    octets = alphabets.encode_text(text, alphabet, alphabets.fill_bits(len(header)), USER_DATA_OCTETS - len(header))
    return header + octets, True


def _too_many(count: int, maximum: int, forced_by: str) -> str:
    sentence = f"The text needs {count} segments and the maximum is {maximum}; shorten it."
    if forced_by:
        lacking = alphabets.describe(forced_by)
        sentence += f" It has to be sent as UCS-2 because the SMSC's default alphabet lacks {lacking}."
    return sentence


def segments_in(text: str, alphabet: str, cut_for: str = "udh8") -> int:
    """How many segments ``text`` makes, whatever the maximum is. ``cut_for`` is a form but ``payload``."""
    if units_in(text, alphabet) <= capacity(alphabet, "single"):
        return 1
    return sum(1 for _ in _cut(text, alphabet, capacity(alphabet, cut_for)))


def units_in(text: str, alphabet: str) -> int:
    """The length of ``text`` in units of ``alphabet``, which has no mark; TextError if it can't be encoded."""
    octets = len(alphabets.encode_text(text, _unpacked(alphabet)))
    return octets // 2 if alphabet == "ucs2" else octets


def _unpacked(alphabet: str) -> str:
    return alphabet.replace("-packed", "", 1)


def _cut(text: str, alphabet: str, units: int) -> Iterator[str]:
    """The segments of ``text``, each of at most ``units``. ``bmp`` is UCS-2 without surrogate pairs."""
    if alphabet == "ucs2" and units_in(text, alphabet) == len(text):
        alphabet = "bmp"
    start = 0
    while start < len(text):
        end = _end_of_cluster(text, alphabet, units, start, _fitting(text, alphabet, units, start))
        yield text[start:end]
        start = end


def _fitting(text: str, alphabet: str, units: int, start: int) -> int:
    """The greatest position up to which ``text[start:]`` fits in ``units`` with no escape or surrogate pair torn."""
    window = text[start : start + units]
    if alphabet.startswith("gsm7"):
        septets = alphabets.encode_text(window, _unpacked(alphabet))[:units]
        # An escape that lost its other half still counts as one character to subtract.
        return start + len(septets) - septets.count(ESCAPE)
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


@lru_cache(maxsize=4096)
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

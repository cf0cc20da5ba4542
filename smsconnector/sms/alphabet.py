"""Text <-> octets: the GSM 03.38 default alphabet and the other alphabets of a short_message.

An alphabet goes by one of these names:

=============== =============================================================================================
``gsm7``        GSM 03.38 section 6.2.1, unpacked: one septet per octet, as most SMSCs want it over SMPP
``gsm7-packed`` the same, eight septets in seven octets (GSM 03.38 section 6.1.2)
``ascii``       IA5, data_coding 1; one octet per character
``latin1``      ISO 8859-1, data_coding 3; one octet per character
``ucs2``        UTF-16, big-endian, without byte order mark, data_coding 8; surrogate pairs pass through
=============== =============================================================================================

Behind ``gsm7`` and ``gsm7-packed`` may stand the languages whose national tables take the place of the default ones
(3GPP TS 23.038 section 6.2.1.2): ``gsm7=tr`` with Turkish as the locking shift table, ``gsm7+tr`` as the single shift
table, ``gsm7=tr+tr`` as both. The user data header has to tell them (``udh.national_shifts``).

Encoding is strict and raises ``TextError``; decoding takes whatever came and never raises. An alphabet's name
comes from our configuration, never from a peer: an unknown one is a mistake of ours and a ``KeyError``.
"""

import codecs
import re
from collections.abc import Callable
from functools import lru_cache

from smsconnector.errors import TextError
from smsconnector.sms.septets import DEFAULT_TABLES, SeptetTables, tables
from smsconnector.sms.shift_tables import LANGUAGES, LOCKING, SINGLE

CARRIAGE_RETURN = 0x0D
USER_DATA_OCTETS = 140  # of a message, header included (GSM 03.40 section 9.2.3.24)
DESCRIBED = 10  # characters that a sentence names
_CODES = {identifier: code for code, identifier in LANGUAGES.items()}
BIG_ENDIAN = codecs.BOM_UTF16_BE
BYTE_ORDER_MARKS = (BIG_ENDIAN, codecs.BOM_UTF16_LE)
SHIFTED = re.compile("(gsm7(?:-packed)?)(?:=([a-z]+))?(?:[+]([a-z]+))?")


def foreign_to_gsm7(text: str) -> str:
    """The distinct characters that GSM 03.38 lacks, in the order of their first appearance: they force UCS-2."""
    return DEFAULT_TABLES.foreign(text)


def septet_count(text: str) -> int:
    """The length in septets; a character of the extension table counts two. TextError as ``gsm7_encode``."""
    return len(gsm7_encode(text))


def utf16_units(text: str) -> int:
    """The number of UTF-16 code units: as many providers count characters. One beyond U+FFFF, such as an emoji, is
    two."""
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def gsm7_encode(text: str, pair: SeptetTables = DEFAULT_TABLES) -> bytes:
    """The unpacked septets, one per octet; the escape 0x1B before a code of the extension table (GSM 03.38 section
    6.2.1). Raises TextError ``not_gsm7``, which names the characters that the alphabet lacks."""
    try:
        return pair.encode(text)
    except UnicodeEncodeError:
        raise TextError(
            "not_gsm7",
            f"The GSM 03.38 alphabet lacks {describe(pair.foreign(text))}; replace or send as UCS-2.",
        ) from None


@lru_cache(maxsize=1024)
def shifts(alphabet: str) -> tuple[str, int, int]:
    """``gsm7+tr`` as ("gsm7", 0, 1): the name without its languages, and the National Language Identifiers of the
    locking and the single shift table, 0 for the default ones. KeyError for a language without that table."""
    found = SHIFTED.fullmatch(alphabet)
    if not found:
        return alphabet, 0, 0
    locking, single = (LANGUAGES[code] if code else 0 for code in found.group(2, 3))
    if (locking and locking not in LOCKING) or (single and single not in SINGLE):
        raise KeyError(alphabet)
    return found[1], locking, single


def fill_bits(header_octets: int) -> int:
    """How many bits (0 to 6) stand between a user data header of ``header_octets``, UDHL included, and the first
    packed septet, so that it begins on a septet boundary (GSM 03.40 section 9.2.3.24)."""
    return -8 * header_octets % 7


def gsm7_pack(septets: bytes, padding_bits: int = 0) -> bytes:
    """Eight septets in seven octets, the first in the lowest bits (GSM 03.38 section 6.1.2.1), after
    ``padding_bits`` zero bits (``fill_bits``). Spare bits at the end are zero.

    Seven spare bits look like one more septet, ``@``, to a receiver that knows only the number of octets, as in
    SMPP. ``encode`` fills them with a carriage return (GSM 03.38 section 6.1.2.3.1); this function, whose caller
    tells the receiver the number of septets, does not.
    """
    if not septets:
        return b""
    octets, held, held_bits = bytearray(), 0, padding_bits
    for septet in septets:
        held |= (septet & 0x7F) << held_bits
        held_bits += 7
        if held_bits >= 8:
            octets.append(held & 0xFF)
            held >>= 8
            held_bits -= 8
    if held_bits:
        octets.append(held)
    return bytes(octets)


def gsm7_unpack(octets: bytes, count: int, padding_bits: int = 0) -> bytes:
    """The first ``count`` septets after ``padding_bits``, one per octet; fewer if ``octets`` end before."""
    # The padding's bits are completed to one septet, which is then left out.
    padding_septets = 1 if padding_bits else 0
    septets, held, held_bits = bytearray(), 0, -padding_bits % 7
    for octet in octets:
        held |= octet << held_bits
        held_bits += 8
        while held_bits >= 7:
            septets.append(held & 0x7F)
            held >>= 7
            held_bits -= 7
    return bytes(septets[padding_septets : padding_septets + max(count, 0)])


def encode_text(text: str, alphabet: str, padding_bits: int = 0, room: int = USER_DATA_OCTETS) -> bytes:
    """The octets of ``text``; ``padding_bits``, and ``room`` in octets, count for ``gsm7-packed`` only. Raises
    TextError ``not_gsm7``, ``not_ascii``, ``not_latin1`` or ``lone_surrogate``, which name the characters."""
    encoder = _ENCODERS.get(alphabet)
    if encoder is not None:
        return encoder(text)
    base, locking, single = shifts(alphabet)
    if base == "gsm7-packed":
        return _packed_encode(text, padding_bits, tables(locking, single), room)
    if base == "gsm7":
        return gsm7_encode(text, tables(locking, single))
    raise KeyError(alphabet)


def decode_text(octets: bytes, alphabet: str, padding_bits: int = 0) -> str:
    """The text of ``octets``; ``padding_bits`` counts for ``gsm7-packed`` only. Never raises: what the alphabet lacks
    is U+FFFD, and half a code unit at the end of ``ucs2`` is left out."""
    base, locking, single = shifts(alphabet)
    if base == "gsm7-packed":
        return tables(locking, single).decode(packed_septets(octets, padding_bits))
    if base == "gsm7":
        return tables(locking, single).decode(octets)
    return _DECODERS[alphabet](octets)


def _packed_encode(text: str, padding_bits: int, pair: SeptetTables, room: int) -> bytes:
    """Packed, with seven spare bits filled by a carriage return. A text that itself ends with one on an octet boundary
    gets another one (GSM 03.38 section 6.1.2.3.1). Where ``room`` is too small for that, the receiver will take the
    text's own for filling."""
    septets = gsm7_encode(text, pair)
    bits = padding_bits + 7 * len(septets)
    if septets and (bits % 8 == 1 or (bits % 8 == 0 and septets[-1] == CARRIAGE_RETURN and bits // 8 < room)):
        septets += bytes((CARRIAGE_RETURN,))
    return gsm7_pack(septets, padding_bits)


def packed_septets(octets: bytes, padding_bits: int, count: int | None = None) -> bytes:
    """The septets of ``octets``, one per octet, after ``padding_bits``. ``count`` is how many there are, if the sender
    has told. Else a last carriage return that ends on an octet boundary is filling, and left out; and so is one behind
    a carriage return that does (GSM 03.38 section 6.1.2.3.1)."""
    if count is not None:
        return gsm7_unpack(octets, count, padding_bits)
    count, spare_bits = divmod(8 * len(octets) - padding_bits, 7)
    septets = gsm7_unpack(octets, count, padding_bits)
    is_filled = septets.endswith(b"\r" if spare_bits == 0 else b"\r\r") and spare_bits < 2
    return septets[:-1] if is_filled else septets


def _ascii_encode(text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise TextError("not_ascii", f"ASCII lacks {_describe_above(0x7F, text)}; replace or send as UCS-2.") from None


def _latin1_encode(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise TextError(
            "not_latin1", f"Latin-1 lacks {_describe_above(0xFF, text)}; replace or send as UCS-2."
        ) from None


def _ucs2_encode(text: str) -> bytes:
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise TextError(
            "lone_surrogate",
            f"The text has half a surrogate pair, {describe(text[error.start])}, at position {error.start}; "
            "it is no character.",
        ) from None


_ENCODERS: dict[str, Callable[[str], bytes]] = {
    "gsm7": gsm7_encode,
    "ascii": _ascii_encode,
    "latin1": _latin1_encode,
    "ucs2": _ucs2_encode,
}


def _decoder(codec: str) -> Callable[[bytes], str]:
    return lambda octets: octets.decode(codec, "replace")


def _ucs2_decode(octets: bytes) -> str:
    """As UTF-16, big-endian unless a byte order mark says otherwise. There should be none, but some handsets send it
    (RFC 2781 section 4.3)."""
    codec = "utf-16" if octets[:2] in BYTE_ORDER_MARKS else "utf-16-be"
    return octets[: len(octets) & ~1].decode(codec, "replace")


def _hexadecimal(octets: bytes) -> str:
    return octets.hex().upper()


_DECODERS: dict[str, Callable[[bytes], str]] = {
    "ascii": _decoder("ascii"),
    "latin1": _decoder("latin-1"),
    "ucs2": _ucs2_decode,
    # What only comes in, by data_coding:
    "binary": _hexadecimal,
    "jis": _decoder("shift_jis"),
    "cyrillic": _decoder("iso8859_5"),
    "hebrew": _decoder("iso8859_8"),
    "iso2022jp": _decoder("iso2022_jp"),
    "extended-kanji": _decoder("euc_jp"),
    "ksc5601": _decoder("euc_kr"),
}

# SMPP 3.4 section 5.2.19; 0 is the SMSC's default alphabet; 9 (pictogram), 11, 12 and 15 are read as it.
_SMPP_DATA_CODINGS = {
    1: "ascii",
    2: "binary",
    3: "latin1",
    4: "binary",
    5: "jis",
    6: "cyrillic",
    7: "hebrew",
    8: "ucs2",
    10: "iso2022jp",
    13: "extended-kanji",
    14: "ksc5601",
}
_NOT_IA5 = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f]")  # a control code other than HT, LF, FF and CR
_GSM_CHARACTER_SETS = {0b00: "gsm7", 0b01: "binary", 0b10: "ucs2"}  # GSM 03.38 section 4, bits 3..2; 0b11 is reserved


def _alphabet_of(data_coding: int) -> str | None:
    """The alphabet that a data_coding names, or None: the SMSC's default. SMPP 3.4 section 5.2.19 rules below 0x10,
    the coding groups of GSM 03.38 section 4 from there on."""
    if data_coding < 0x10:
        return _SMPP_DATA_CODINGS.get(data_coding)
    group = data_coding >> 4
    if group < 0x8:  # general data coding; from 0x40 on, marked for automatic deletion
        compressed = data_coding & 0x20
        return "binary" if compressed else _GSM_CHARACTER_SETS.get(data_coding >> 2 & 0b11)
    if group in {0xC, 0xD}:  # message waiting indication: discard, store
        return "gsm7"
    if group == 0xE:  # message waiting indication: store, UCS-2
        return "ucs2"
    if group == 0xF:  # data coding and message class
        return "binary" if data_coding & 0b100 else "gsm7"
    return None  # reserved


_DATA_CODINGS = {data_coding: _alphabet_of(data_coding) for data_coding in range(0x100)}


def _with_shifts(alphabet: str, locking: int, single: int) -> str:
    """The name of an alphabet with the languages of these identifiers behind it, which ``shifts`` takes apart again.
    Identifiers that have no table are ignored (TS 23.038 section 6.2.1.2.4)."""
    if locking in LOCKING:
        alphabet += f"={_CODES[locking]}"
    return f"{alphabet}+{_CODES[single]}" if single in SINGLE else alphabet


def incoming_alphabet(octets: bytes, data_coding: int, default_alphabet: str, locking: int = 0, single: int = 0) -> str:
    """The name for ``decode`` of what an incoming short_message without its user data header is written in.

    ``locking`` and ``single`` are National Language Identifiers (``udh.find_shifts``), which count where the octets are
    septets; where a default alphabet of octets would be read, they say that these are septets, if they can be.

    ``default_alphabet`` is what the SMSC means by data_coding 0; it serves unknown and reserved values too. Where
    GSM 03.38 section 4 names its own default alphabet, that is read, packed if ``default_alphabet`` is. Binary and
    compressed data are ``binary``, which decodes to hexadecimal digits in upper case: no octet is lost, and none taken
    for a letter.
    What is called IA5 (data_coding 1) but has control codes that no text has is the septets of GSM 03.38: node-smpp
    and others mean that by ``ASCII``, and in their texts the @ is a NUL.
    """
    named, shifted = _DATA_CODINGS.get(data_coding), bool(locking or single)
    alphabet = named or default_alphabet
    if (alphabet == "ascii" and _NOT_IA5.search(octets)) or (not named and shifted and octets.isascii()):
        alphabet = "gsm7"
    if alphabet == "gsm7" and default_alphabet == "gsm7-packed":
        alphabet = default_alphabet
    return _with_shifts(alphabet, locking, single) if alphabet.startswith("gsm7") else alphabet


def is_binary(data_coding: int) -> bool:
    """Whether ``incoming_alphabet`` is ``binary``."""
    return _DATA_CODINGS.get(data_coding) == "binary"


def describe(characters: str) -> str:
    """Characters for a sentence, such as ``’ (U+2019), U+200B``: the first ten, then how many more there are."""
    named = [f"{c} (U+{ord(c):04X})" if c.isprintable() else f"U+{ord(c):04X}" for c in characters[:DESCRIBED]]
    if len(characters) > DESCRIBED:
        named.append(f"and {len(characters) - DESCRIBED} more")
    return ", ".join(named)


def _describe_above(last: int, text: str) -> str:
    return describe("".join(dict.fromkeys(character for character in text if ord(character) > last)))

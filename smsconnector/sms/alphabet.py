"""Text <-> octets: the GSM 03.38 default alphabet and the other alphabets of a short_message.

An alphabet goes by one of these names:

=============== =============================================================================================
``gsm7``        GSM 03.38 section 6.2.1, unpacked: one septet per octet, as most SMSCs want it over SMPP
``gsm7-packed`` the same, eight septets in seven octets (GSM 03.38 section 6.1.2)
``ascii``       IA5, data_coding 1; one octet per character
``latin1``      ISO 8859-1, data_coding 3; one octet per character
``ucs2``        UTF-16, big-endian, without byte order mark, data_coding 8; surrogate pairs pass through
=============== =============================================================================================

Encoding is strict and raises ``TextError``; decoding takes whatever came and never raises. An alphabet's name
comes from our configuration, never from a peer: an unknown one is a mistake of ours and a ``KeyError``.
"""

import codecs
import re
from collections.abc import Callable

from smsconnector.errors import TextError

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
# GSM 03.38 section 6.2.1.1: the code that follows the escape, and its character.
EXTENSION_TABLE = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
ESCAPE = 0x1B
CARRIAGE_RETURN = 0x0D

_ESCAPE = chr(ESCAPE)
_ENCODABLE = DEFAULT_ALPHABET.replace(_ESCAPE, "") + "".join(EXTENSION_TABLE.values())
_FOREIGN = re.compile(f"[^{re.escape(_ENCODABLE)}]")

# For str.translate: a character becomes its septet, or the escape and a septet. What GSM 03.38 lacks must not look
# like a septet afterwards: beyond ASCII it stays as it is, within ASCII it becomes U+FFFF; neither encodes as ASCII.
_SEPTETS: dict[int, str] = {
    **dict.fromkeys(range(0x80), "\uffff"),
    **{ord(character): chr(code) for code, character in enumerate(DEFAULT_ALPHABET) if code != ESCAPE},
    **{ord(character): _ESCAPE + chr(code) for code, character in EXTENSION_TABLE.items()},
}

# For the way back: every octet's character, then each escape with what follows it.
_CHARACTERS = DEFAULT_ALPHABET + "\ufffd" * 0x80
_ESCAPED = re.compile(f"{_ESCAPE}(.?)", re.DOTALL)
_EXTENSIONS = {DEFAULT_ALPHABET[code]: character for code, character in EXTENSION_TABLE.items()}
_EXTENSIONS |= {_ESCAPE: " ", "": " "}


def choose(text: str) -> str:
    """``gsm7`` if the GSM 03.38 default alphabet and its extension table have every character, else ``ucs2``."""
    return "ucs2" if _FOREIGN.search(text) else "gsm7"


def foreign_to_gsm7(text: str) -> str:
    """The distinct characters that GSM 03.38 lacks, in the order of their first appearance: they force UCS-2."""
    return "".join(_FOREIGN.findall("".join(dict.fromkeys(text))))


def septet_count(text: str) -> int:
    """The length in septets; a character of the extension table counts two. TextError as ``gsm7_encode``."""
    return len(gsm7_encode(text))


def gsm7_encode(text: str) -> bytes:
    """The unpacked septets, one per octet; the escape 0x1B before a code of the extension table (GSM 03.38 section
    6.2.1). Raises TextError ``not_gsm7``, which names the characters that the alphabet lacks."""
    try:
        return text.translate(_SEPTETS).encode("ascii")
    except UnicodeEncodeError:
        raise TextError(
            "not_gsm7",
            f"The GSM 03.38 alphabet lacks {describe(foreign_to_gsm7(text))}; replace or send as UCS-2.",
        ) from None


def gsm7_decode(septets: bytes) -> str:
    """The text of unpacked septets, whatever they are. An escape before a code that the extension table lacks gives
    the character of the default alphabet (the note of GSM 03.38 section 6.2.1.1); an escape before another one, or
    before nothing, a space; an octet that is no septet (0x80 and above) U+FFFD."""
    text, _ = codecs.charmap_decode(septets, "strict", _CHARACTERS)
    return _ESCAPED.sub(_unescape, text) if _ESCAPE in text else text


def _unescape(escaped: re.Match[str]) -> str:
    return _EXTENSIONS.get(escaped[1], escaped[1])


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


def encode(text: str, alphabet: str, padding_bits: int = 0) -> bytes:
    """The octets of ``text``; ``padding_bits`` counts for ``gsm7-packed`` only. Raises TextError ``not_gsm7``,
    ``not_ascii``, ``not_latin1`` or ``lone_surrogate``, which name the characters."""
    if alphabet == "gsm7-packed":
        return _packed_encode(text, padding_bits)
    return _ENCODERS[alphabet](text)


def decode(octets: bytes, alphabet: str, padding_bits: int = 0) -> str:
    """The text of ``octets``; ``padding_bits`` counts for ``gsm7-packed`` only. Never raises: what the alphabet lacks
    is U+FFFD, and half a code unit at the end of ``ucs2`` is left out."""
    if alphabet == "gsm7-packed":
        return _packed_decode(octets, padding_bits)
    return _DECODERS[alphabet](octets)


def _packed_encode(text: str, padding_bits: int) -> bytes:
    """Packed, with seven spare bits filled by a carriage return (GSM 03.38 section 6.1.2.3.1). The clause's second
    carriage return, after a text that itself ends with one on an octet boundary, is not added: it could need a
    141st octet. Such a text loses its last carriage return at the receiver."""
    septets = gsm7_encode(text)
    if septets and (padding_bits + 7 * len(septets)) % 8 == 1:
        septets += bytes((CARRIAGE_RETURN,))
    return gsm7_pack(septets, padding_bits)


def _packed_decode(octets: bytes, padding_bits: int) -> str:
    """Unpacked; a last carriage return that ends on the octet boundary is filling (GSM 03.38 section 6.1.2.3.1)."""
    count, spare_bits = divmod(8 * len(octets) - padding_bits, 7)
    septets = gsm7_unpack(octets, count, padding_bits)
    if spare_bits == 0 and septets.endswith(b"\r"):
        septets = septets[:-1]
    return gsm7_decode(septets)


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
    return octets[: len(octets) & ~1].decode("utf-16-be", "replace")


def _hexadecimal(octets: bytes) -> str:
    return octets.hex().upper()


_DECODERS: dict[str, Callable[[bytes], str]] = {
    "gsm7": gsm7_decode,
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


def decode_data_coding(octets: bytes, data_coding: int, default_alphabet: str, padding_bits: int = 0) -> str:
    """The text of an incoming short_message without its user data header; never raises.

    ``default_alphabet`` is what the SMSC means by data_coding 0; it serves unknown and reserved values too. Where
    GSM 03.38 section 4 names its own default alphabet, that is read, packed if ``default_alphabet`` is. Binary and
    compressed data become their hexadecimal digits, in upper case: no octet is lost, and none taken for a letter.
    """
    alphabet = _DATA_CODINGS.get(data_coding) or default_alphabet
    if alphabet == "gsm7" and default_alphabet == "gsm7-packed":
        alphabet = default_alphabet
    return decode(octets, alphabet, padding_bits)


def describe(characters: str, at_most: int = 10) -> str:
    """Characters for a sentence, such as ``’ (U+2019), U+200B``: the first ``at_most``, then how many more."""
    named = [f"{c} (U+{ord(c):04X})" if c.isprintable() else f"U+{ord(c):04X}" for c in characters[:at_most]]
    if len(characters) > at_most:
        named.append(f"and {len(characters) - at_most} more")
    return ", ".join(named)


def _describe_above(last: int, text: str) -> str:
    return describe("".join(dict.fromkeys(character for character in text if ord(character) > last)))

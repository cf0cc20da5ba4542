"""Incoming user data as a text: the header, its shift tables and its fill bits, all in one reading.

1. ``udh.split`` takes the user data header off, where UDHI says that there is one.
2. Its elements 0x24 and 0x25 select the national tables (3GPP TS 23.040 section 9.2.3.24.15 and .16); they count for
   this part of a text only, and each part brings its own.
3. The octets behind it are decoded by data_coding; packed ones after the fill bits that the header's length tells.

Who cuts a text by octets may cut through a character: the parts of a text are kept as octets, and decoded together.
"""

import re
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from smsconnector.sms import alphabet, udh
from smsconnector.sms.alphabet import BIG_ENDIAN, BYTE_ORDER_MARKS

PACKED = "gsm7-packed"
_PLAIN = re.compile(rb"[\t\n\r -~]*+")
Elements = list[tuple[int, bytes]]
TextPart = tuple[str | None, str]  # an alphabet and octets as hexadecimal digits; or None and a text


class UserData(NamedTuple):
    """``octets`` stand behind the header, packed ones unpacked; ``written_in`` is their name for
    ``alphabet.decode_text``; ``elements`` are for ``udh.find_concatenation``."""

    octets: bytes
    written_in: str
    elements: Elements

    @property
    def text(self) -> str:
        """The octets decoded. Never raises."""
        return alphabet.decode_text(self.octets, self.written_in)


def read(
    user_data: bytes, data_coding: int, default_alphabet: str, has_header: bool, septets: int | None = None
) -> UserData:
    """``user_data`` is short_message or message_payload as it came, ``has_header`` the UDHI of esm_class (SMPP 3.4
    section 5.2.12), ``septets`` how many septets the sender has counted, where they are packed,
    ``default_alphabet`` what the SMSC means by data_coding 0. Never raises."""
    elements, octets = udh.split(user_data) if has_header else ([], user_data)
    written_in = alphabet.incoming_alphabet(octets, data_coding, default_alphabet, *udh.find_shifts(elements))
    if written_in.startswith(PACKED):
        header_octets = len(user_data) - len(octets)
        count = None if septets is None else septets - (8 * header_octets + 6) // 7
        octets = alphabet.packed_septets(octets, alphabet.fill_bits(header_octets), count)
        written_in = written_in.replace(PACKED, "gsm7", 1)
    return UserData(octets, written_in, elements)


def join(parts: Iterable[TextPart]) -> str:
    """The text of parts in their order: what is written in one alphabet is decoded in one piece. Never raises."""
    runs = ((name, [text for _, text in run]) for name, run in groupby(parts, key=lambda part: part[0]))
    return "".join("".join(run) if name is None else _decode(run, name) for name, run in runs)


def _decode(run: list[str], name: str) -> str:
    """Parts in one alphabet, as hexadecimal digits. Some converters put a byte order mark before each part in UCS-2
    (RFC 2781 section 4.3): one that changes the order begins another piece, and the others are left out."""
    pieces = [b""]
    for part in map(bytes.fromhex, run):
        mark = part[:2] if name == "ucs2" and len(pieces[-1]) % 2 == 0 else b""  # else it is inside a character
        if mark not in BYTE_ORDER_MARKS:
            pieces[-1] += part
        elif mark == pieces[-1][:2] or (pieces[-1] and pieces[-1][:2] not in BYTE_ORDER_MARKS and mark == BIG_ENDIAN):
            pieces[-1] += part[2:]
        else:
            pieces.append(part)
    return "".join(alphabet.decode_text(piece, name) for piece in pieces)


def plain_text(digits: str) -> str:
    """The text that octets in binary, as hexadecimal digits, are: if all are printable ASCII or the white space of
    texts. Else there is none, and it is empty. Never raises."""
    try:
        octets = bytes.fromhex(digits)
    except ValueError:
        return ""
    return octets.decode("ascii") if _PLAIN.fullmatch(octets) else ""

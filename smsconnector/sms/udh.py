"""The user data header: information elements before the text (GSM 03.40 section 9.2.3.24).

On the wire, all lengths in octets: UDHL (what follows of the header), then for each information element its
identifier (IEI), its length (IEIDL) and its data; then the text. esm_class says that a header is there (UDHI, SMPP
3.4 section 5.2.12).
"""

from collections.abc import Iterable
from typing import NamedTuple

CONCATENATION_8_BIT = 0x00  # section 9.2.3.24.1: reference, count, number
CONCATENATION_16_BIT = 0x08  # section 9.2.3.24.8: the same with a reference of two octets
NATIONAL_SINGLE_SHIFT = 0x24  # 3GPP TS 23.040 section 9.2.3.24.15: a National Language Identifier
NATIONAL_LOCKING_SHIFT = 0x25  # section 9.2.3.24.16: the same

_CONCATENATION_ALONE = (b"\5\0\3", b"\6\x08\4")  # UDHL, IEI and IEIDL
_NOT_PRINTED = b"\n\r\x1b"  # septets without a character of their own


def build_header(elements: bytes) -> bytes:
    """``elements`` behind their UDHL; no header at all for none."""
    return bytes((len(elements),)) + elements if elements else b""


def concatenation_element(reference: int, count: int, number: int, wide: bool = False) -> bytes:
    """The element of segment ``number`` (from 1) of ``count``: 5 octets, or 6 if ``wide``.

    ``reference`` is cut to 8 bits, or 16 if ``wide``. ValueError unless 1 <= number <= count <= 255.
    """
    if not 1 <= number <= count <= 255:
        raise ValueError(f"segment {number} of {count} can't be expressed in a user data header")
    if wide:
        return bytes((CONCATENATION_16_BIT, 4, reference >> 8 & 0xFF, reference & 0xFF, count, number))
    return bytes((CONCATENATION_8_BIT, 3, reference & 0xFF, count, number))


def national_shifts(locking: int, single: int) -> bytes:
    """The elements that select the tables of these National Language Identifiers, of 3 octets each; 0 needs none."""
    elements = bytes((NATIONAL_LOCKING_SHIFT, 1, locking)) if locking else b""
    return elements + (bytes((NATIONAL_SINGLE_SHIFT, 1, single)) if single else b"")


def split(user_data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The information elements, as (IEI, data) in their order, and the octets behind the header. Never raises.

    A header that runs over the end of ``user_data`` is none: it gives no elements and all of ``user_data``. An
    element that runs over the end of the header is left out; the sound ones before it, and the text, stay.
    """
    if not user_data or user_data[0] >= len(user_data):
        return [], user_data
    end = 1 + user_data[0]
    elements = []
    position = 1
    while position + 2 <= end:
        data, following = position + 2, position + 2 + user_data[position + 1]
        if following > end:
            break
        elements.append((user_data[position], user_data[data:following]))
        position = following
    return elements, user_data[end:]


WIDE = 0x10000  # added to a reference of 16 bits: it is another one than the same number in 8 bits
GUESSED = 0x20000  # added to the reference of a header that may be a text after all


class SegmentPlace(NamedTuple):
    """Which segment of which message this is: ``number`` (from 1) of ``total``, of the message with ``reference``."""

    reference: int
    total: int
    number: int


def find_concatenation(elements: Iterable[tuple[int, bytes]]) -> SegmentPlace | None:
    """The place that the concatenation element tells, or None if there is no valid one.

    One with a count or number of 0, a number above its count or a wrong length is ignored (section 9.2.3.24.1); of
    several, in either form, the last counts (section 9.2.3.24).
    """
    found = None
    for identifier, data in elements:
        if (identifier, len(data)) not in {(CONCATENATION_8_BIT, 3), (CONCATENATION_16_BIT, 4)}:
            continue
        reference, count, number = int.from_bytes(data[:-2], "big"), data[-2], data[-1]
        if 1 <= number <= count:
            found = SegmentPlace(reference, count, number)
    return found


def find_unmarked(user_data: bytes) -> SegmentPlace | None:
    """The place that a header tells which is nothing but a concatenation element. It may stand there without UDHI,
    which some SMSCs forget. None if the octets can't be such a header of a segment of several."""
    head = user_data[: 1 + user_data[0]] if user_data[:3] in _CONCATENATION_ALONE else b""
    place = find_concatenation(split(head + b"\0")[0])
    return place if place is not None and place.total > 1 else None


def rebuild_unmarked(reference: int, total: int, number: int) -> bytes:
    """The header that ``find_unmarked`` has found. ``reference`` may have ``WIDE`` and ``GUESSED`` added."""
    return build_header(concatenation_element(reference, total, number, bool(reference & WIDE)))


def is_printable(reference: int, octets: int) -> bool:
    """Whether all octets of a reference are septets that are printed, so that they may be a text in GSM 03.38."""
    return all(octet < 0x80 and octet not in _NOT_PRINTED for octet in reference.to_bytes(octets, "big"))


def find_shifts(elements: Iterable[tuple[int, bytes]]) -> tuple[int, int]:
    """The National Language Identifiers of the locking and the single shift table, 0 where there is none. Elements
    of a wrong length are ignored; of several the last counts."""
    found = {identifier: data[0] for identifier, data in elements if len(data) == 1}
    return found.get(NATIONAL_LOCKING_SHIFT, 0), found.get(NATIONAL_SINGLE_SHIFT, 0)

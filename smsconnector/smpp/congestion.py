"""congestion_state: how full an SMSC says that it is (SMPP 5.0 section 4.8.4.18)."""

from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import Tag

_TAG = int(Tag.congestion_state).to_bytes(2, "big")


def percent_of(octets: bytes) -> int | None:
    """The congestion_state of this whole response, 0 to 100 by the specification; None if it has none. Only one that
    may have the TLV is decoded, because responses are many. ``find`` costs less than ``in``, which takes the octets for
    a number first."""
    return codec.decode(octets).tlv_int(Tag.congestion_state) if octets.find(_TAG) >= 0 else None

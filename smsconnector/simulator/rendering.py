"""The octets that the simulated SMSC sends: receipts (SMPP 3.4 appendix B) and texts from handsets.

Everything here is the body of a deliver_sm, without its header, so that it can be kept and sent again under
another sequence_number. Addresses are octets as they stand in a PDU: TON, NPI, the digits, NUL. ``readable`` is for the
log.
"""

import time
from typing import NamedTuple

from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import HEADER_OCTETS, CommandId, DataCoding, EsmClass, MessageStateTLV, Tag
from smsconnector.smpp.pdu import PDU
from smsconnector.sms import alphabet, segmentation, udh, user_data

EXCERPT_OCTETS = 20  # appendix B: the receipt's text holds the first 20 characters


class Final(NamedTuple):
    """A final state: its word in the receipt's text, its message_state, its err."""

    stat: bytes
    message_state: int
    err: bytes
    delivered: bytes  # dlvrd: how many were


DELIVERED = Final(b"DELIVRD", MessageStateTLV.DELIVERED, b"000", b"001")
UNDELIVERABLE = Final(b"UNDELIV", MessageStateTLV.UNDELIVERABLE, b"001", b"000")
DELETED = Final(b"DELETED", MessageStateTLV.DELETED, b"000", b"000")

# Words in a text that decide its fate, for demonstrations and tests.
FINAL_WORDS: dict[str, Final] = {
    "#fail": UNDELIVERABLE,
    "#expire": Final(b"EXPIRED", MessageStateTLV.EXPIRED, b"002", b"000"),
    "#reject": Final(b"REJECTD", MessageStateTLV.REJECTED, b"003", b"000"),
}
_FINAL_OCTETS = {word.encode(codec): final for word, final in FINAL_WORDS.items() for codec in ("ascii", "utf-16-be")}


def final_by_word(short_message: bytes) -> Final | None:
    """The final state that a word in the text asks for; GSM 03.38 and UCS-2 are searched as octets."""
    if b"#" not in short_message:
        return None
    return next((final for word, final in _FINAL_OCTETS.items() if word in short_message), None)


def excerpt(short_message: bytes, esm_class: int, data_coding: int) -> bytes:
    """The beginning of the text, for the receipt's ``text:`` field, in the SMSC's default alphabet."""
    if esm_class & EsmClass.UDHI:
        short_message = udh.split(short_message)[1]
    if data_coding == DataCoding.UCS2:
        return alphabet.decode_text(short_message[: 2 * EXCERPT_OCTETS], "ucs2").encode("ascii", "replace")
    return short_message[:EXCERPT_OCTETS]


def readable_excerpt(short_message: bytes, esm_class: int, data_coding: int, default_alphabet: str) -> bytes:
    """The same in Latin-1, as it reads on a handset; a question mark for each character that is none of Latin-1."""
    text = user_data.read(short_message, data_coding, default_alphabet, bool(esm_class & EsmClass.UDHI)).text
    shown = "".join(character if character.isprintable() else "?" for character in text[:EXCERPT_OCTETS])
    return shown.encode("latin-1", "replace")


def readable(short_message: bytes, esm_class: int, data_coding: int) -> str:
    """The text for a line of the log, with ``[2/3]`` before it if it is a segment."""
    found = user_data.read(short_message, data_coding, "gsm7", bool(esm_class & EsmClass.UDHI))
    place = udh.find_concatenation(found.elements)
    return (f"[{place.number}/{place.total}] " if place else "") + found.text


class ReceiptForm(NamedTuple):
    """What receipts look like: with the TLVs receipted_message_id and message_state, marked in esm_class, with their
    text in message_payload."""

    tlvs: bool
    marked: bool
    in_payload: bool


class Minute:
    """A time as YYMMDDhhmm in UTC (appendix B), rendered once a minute."""

    def __init__(self) -> None:
        self._minute, self._octets = -1, b""

    def at(self, seconds: float) -> bytes:
        """``seconds`` since 1970."""
        minute = int(seconds // 60)
        if minute != self._minute:
            self._minute, self._octets = minute, time.strftime("%y%m%d%H%M", time.gmtime(seconds)).encode()
        return self._octets


# service_type; the addresses; then esm_class, protocol_id, priority_flag, schedule_delivery_time, validity_period,
# registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id, sm_length, short_message, TLVs
_RECEIPT = b"\0%b%b%c" + bytes(8) + b"%c%b%b"
_TEXT = b"id:%b sub:001 dlvrd:%b submit date:%b done date:%b stat:%b err:%b text:%b"
_TLVS = b"%b%%c%%b\0%b%%c" % (
    int(Tag.receipted_message_id).to_bytes(2, "big") + b"\0",
    int(Tag.message_state).to_bytes(2, "big") + b"\0\1",
)
_PAYLOAD = int(Tag.message_payload).to_bytes(2, "big") + b"%c%c%b"


def receipt(
    handset: bytes,
    sender: bytes,
    message_id: str,
    final: Final,
    *,
    submitted: bytes,
    done: bytes,
    text: bytes,
    form: ReceiptForm,
) -> bytes:
    """The receipt that ``handset`` gives ``sender``, both as octets. The dates are ``Minute.at``; ``text`` is
    ``excerpt`` or ``readable_excerpt``."""
    octets = message_id.encode("ascii")
    short_message = _TEXT % (octets, final.delivered, submitted, done, final.stat, final.err, text)
    optional = _TLVS % (len(octets) + 1, octets, final.message_state) if form.tlvs else b""
    if form.in_payload:
        optional += _PAYLOAD % (*divmod(len(short_message), 0x100), short_message)
        short_message = b""
    esm_class = EsmClass.DELIVERY_RECEIPT if form.marked else 0
    return _RECEIPT % (handset, sender, esm_class, len(short_message), short_message, optional)


def texts_from_handset(
    source: str, destination: str, text: str, reference: int, default_alphabet: str = "gsm7"
) -> list[bytes]:
    """A text from a handset (MO), in as many deliver_sm bodies as it takes, joined by an 8-bit UDH reference."""
    split = segmentation.segment(text, default_alphabets=(default_alphabet,))
    written = default_alphabet if split.alphabet == "gsm7" else split.alphabet
    count = len(split.segments)
    bodies = []
    for number, part in enumerate(split.segments, 1):
        short_message, has_header = segmentation.wire(part, written, reference, count, number)
        fields = {
            **_address("source_addr", source),
            **_address("dest_addr", destination, "destination_addr"),
            "esm_class": EsmClass.UDHI if has_header else 0,
            "data_coding": DataCoding.UCS2 if split.alphabet == "ucs2" else DataCoding.DEFAULT,
            "short_message": short_message,
        }
        bodies.append(codec.encode(PDU(CommandId.deliver_sm, fields=fields))[HEADER_OCTETS:])
    return bodies


def _address(prefix: str, value: str, name: str | None = None) -> dict[str, str | int]:
    """TON, NPI and address: international digits 1/1, short codes 3/0, names 5/0 (SMPP 3.4 section 5.2.5)."""
    if not value.isdigit():
        ton, npi = 5, 0
    else:
        ton, npi = (3, 0) if len(value) <= 6 else (1, 1)
    return {f"{prefix}_ton": ton, f"{prefix}_npi": npi, name or prefix: value}

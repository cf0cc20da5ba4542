"""deliver_sm (and data_sm) read: is it a receipt, an intermediate notification or a text; and what does it say?

esm_class, TLVs and text decide together, because each alone is wrong at some SMSC:

1. esm_class says receipt (type 0001), or the TLV receipted_message_id is there -> receipt;
2. esm_class says intermediate notification (1000) or a handset's acknowledgement (0010, 0100) -> never a final
   receipt: progress, or nothing;
3. esm_class says nothing but the text reads as one (``id:`` and ``stat:`` with a known form) -> receipt;
4. everything else is a text from a handset.

The TLVs receipted_message_id, message_state and network_error_code win over the text (SMPP 3.4 appendix B
calls the text SMSC specific). The text is read wherever it is: short_message or message_payload, and as ASCII
even when data_coding says UCS-2.
"""

import re
from dataclasses import dataclass

from smsconnector.messages import Finality
from smsconnector.smpp.constants import DataCoding, EsmClass, MessageStateTLV, Tag
from smsconnector.smpp.pdu import PDU

_FIELDS = re.compile(
    r"(?<![a-z])(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err)[ \t]*[:=][ \t]*([^\s,;]*)", re.IGNORECASE
)
_TEXT = re.compile(r"(?<![a-z])text[ \t]*[:=]", re.IGNORECASE)

# stat words of appendix B table B-2, the longer ones that SMSCs spell out, and carriers' own.
STATUS_WORDS: dict[str, Finality] = {
    "DELIVRD": Finality.DELIVERED,
    "DELIVERD": Finality.DELIVERED,
    "DELIVERED": Finality.DELIVERED,
    "EXPIRED": Finality.FAILED,
    "DELETED": Finality.FAILED,
    "UNDELIV": Finality.FAILED,
    "UNDELIVERED": Finality.FAILED,
    "UNDELIVERABLE": Finality.FAILED,
    "REJECTD": Finality.FAILED,
    "REJECTED": Finality.FAILED,
    "UNKNOWN": Finality.FAILED,
    "FAILED": Finality.FAILED,
    "DND_REJECTED": Finality.FAILED,
    "BLACKLST": Finality.FAILED,
    "ENROUTE": Finality.PROGRESS,
    "ACCEPTD": Finality.PROGRESS,
    "ACCEPTED": Finality.PROGRESS,
    "SCHEDULED": Finality.PROGRESS,
    "SCHEDLD": Finality.PROGRESS,
    "SKIPPED": Finality.PROGRESS,
    "BUFFERED": Finality.PROGRESS,
    "QUEUED": Finality.PROGRESS,
    "SENT": Finality.PROGRESS,
}

# message_state, section 5.2.28
_STATES: dict[int, tuple[Finality, str]] = {
    MessageStateTLV.SCHEDULED: (Finality.PROGRESS, "SCHEDULED"),
    MessageStateTLV.ENROUTE: (Finality.PROGRESS, "ENROUTE"),
    MessageStateTLV.DELIVERED: (Finality.DELIVERED, "DELIVRD"),
    MessageStateTLV.EXPIRED: (Finality.FAILED, "EXPIRED"),
    MessageStateTLV.DELETED: (Finality.FAILED, "DELETED"),
    MessageStateTLV.UNDELIVERABLE: (Finality.FAILED, "UNDELIV"),
    MessageStateTLV.ACCEPTED: (Finality.PROGRESS, "ACCEPTD"),
    MessageStateTLV.UNKNOWN: (Finality.FAILED, "UNKNOWN"),
    MessageStateTLV.REJECTED: (Finality.FAILED, "REJECTD"),
    MessageStateTLV.SKIPPED: (Finality.PROGRESS, "SKIPPED"),
}


@dataclass(frozen=True, slots=True)
class ReceiptText:
    """What a receipt says. ``code`` is the ProviderStatusCode. ``known`` is False for a status word that no table
    has; ``disagrees`` when TLV and text tell different ends (the TLV has won)."""

    smsc_id: str
    finality: Finality
    status: str
    code: int | str
    known: bool = True
    disagrees: bool = False


def octets_of(pdu: PDU) -> bytes:
    """The text's octets: short_message, or message_payload where that is empty (section 5.3.2.32)."""
    return pdu.fields.get("short_message") or pdu.tlv(Tag.message_payload) or b""


def read_receipt(pdu: PDU) -> ReceiptText | None:
    """The receipt in this deliver_sm or data_sm; None if it is not one."""
    message_type = pdu.fields["esm_class"] & EsmClass.MESSAGE_TYPE
    receipted_id = pdu.tlv_text(Tag.receipted_message_id) if pdu.tlvs else None
    if message_type not in (0, EsmClass.DELIVERY_RECEIPT, EsmClass.INTERMEDIATE_NOTIFICATION):
        return None
    marked = message_type != 0 or bool(receipted_id)
    words = _words_of(octets_of(pdu), marked)
    if not marked and not ("id" in words and words.get("stat", "").upper() in STATUS_WORDS):
        return None
    smsc_id = receipted_id or words.get("id")
    if not smsc_id:
        return None
    return _interpret(pdu, smsc_id, words, intermediate=message_type == EsmClass.INTERMEDIATE_NOTIFICATION)


def _words_of(octets: bytes, marked: bool) -> dict[str, str]:
    """The fields of the receipt's text by lower-case name, the first of each; what follows ``text:`` is the
    handset user's, and never read as fields."""
    if marked and octets[1::2].count(0) < octets[::2].count(0):  # UCS-2 in earnest: its high octets are NUL
        text = octets.decode("utf-16-be", "replace")
    else:
        text = octets.decode("latin-1")
    if not marked and "id" not in text[:64].lower():
        return {}
    end = _TEXT.search(text)
    words: dict[str, str] = {}
    for name, value in _FIELDS.findall(text[: end.start()] if end else text):
        words.setdefault(name.lower().replace("_", " "), value)
    return words


def _interpret(pdu: PDU, smsc_id: str, words: dict[str, str], intermediate: bool) -> ReceiptText:
    word = words.get("stat", "").upper()
    finality = STATUS_WORDS.get(word)
    status, known, disagrees = word, finality is not None, False
    state = pdu.tlv_int(Tag.message_state)
    if state is not None and state in _STATES:
        told, name = _STATES[state]
        disagrees = finality is not None and finality is not told
        if disagrees or not known:
            status = word if (word and not known) else name
        finality, known = told, True
    if finality is None or intermediate:
        finality = Finality.PROGRESS
    return ReceiptText(smsc_id, finality, status or "UNKNOWN", _code(pdu, words, status), known, disagrees)


def _code(pdu: PDU, words: dict[str, str], status: str) -> int | str:
    """The ProviderStatusCode: network_error_code (5.3.2.31: one octet network type, two octets code) wins where it
    tells anything, then ``err`` exactly as it was written ("000", "0x1F", "4.4.1"), then the status word."""
    network = pdu.tlv(Tag.network_error_code)
    told = int.from_bytes(network[1:3], "big") if network and len(network) >= 3 else 0
    return told or words.get("err") or status or "UNKNOWN"


def is_binary(data_coding: int) -> bool:
    """Octets that are no text (section 5.2.19)."""
    return data_coding in (DataCoding.OCTET, DataCoding.OCTET_UNSPECIFIED)

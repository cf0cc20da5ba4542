"""deliver_sm (and data_sm) read: is it a receipt, an intermediate notification or a text; and what does it say?

esm_class, TLVs and text decide together, because each alone is wrong at some SMSC:

1. esm_class says receipt (type 0001), or one of the TLVs receipted_message_id and message_state is there, and TLV
   or text has an id -> receipt;
2. esm_class says intermediate notification (1000) -> progress, never final; a handset's acknowledgement (0010,
   0100) or the end of its conversation (0110) -> no receipt;
3. esm_class says nothing, or what section 5.2.12 reserves, but the text reads as a receipt: ``id``, ``stat`` with a
   known word, nothing before them, and one more field or an abbreviation of appendix B -> receipt; where ``stat`` is
   spelled ``status``, as people write it too, only with such an abbreviation;
4. everything else is a text from a handset; and so is what comes with a user's acknowledgement (0100), unless it is
   empty or reads as a receipt: it is the reply that a user wrote.

The TLVs receipted_message_id, message_state and network_error_code win over the text (SMPP 3.4 appendix B
calls the text SMSC specific). The text is read wherever it is, short_message or message_payload, and by its
octets, not by data_coding: ASCII marked as UCS-2 and UCS-2 marked as ASCII are both out there. Where data_coding 0 is
packed septets, and the octets have no id, they are unpacked.
"""

import re
from dataclasses import replace
from typing import NamedTuple

from smsconnector.messages import Finality
from smsconnector.smpp.constants import EsmClass, MessageStateTLV, Tag
from smsconnector.smpp.pdu import PDU
from smsconnector.sms import alphabet

# Plain integers: the hot path pays for no enumeration.
_MESSAGE_TYPE = int(EsmClass.MESSAGE_TYPE)
_RECEIPT = int(EsmClass.DELIVERY_RECEIPT)
_INTERMEDIATE = int(EsmClass.INTERMEDIATE_NOTIFICATION)
_FROM_USER = int(EsmClass.MANUAL_ACKNOWLEDGEMENT)
_FROM_HANDSET = frozenset((_FROM_USER, int(EsmClass.DELIVERY_ACKNOWLEDGEMENT), int(EsmClass.CONVERSATION_ABORT)))
_RECEIPTED_MESSAGE_ID, _MESSAGE_STATE = int(Tag.receipted_message_id), int(Tag.message_state)
_NETWORK_ERROR_CODE, _MESSAGE_PAYLOAD = int(Tag.network_error_code), int(Tag.message_payload)

# Appendix B's own form, which most receipts have, in one match; nothing in it can backtrack. Keys in capitals, and
# values that are not of printable ASCII, are left to ``_FIELDS``.
_VALUE = r"[!#-+\--:<-{}~]"  # without quotation mark, comma, semicolon and bar
_USUAL = re.compile(
    rf"id:(?P<id>{_VALUE}++) sub:{_VALUE}*+ dlvrd:{_VALUE}*+ submit date:{_VALUE}*+ done date:{_VALUE}*+ "
    rf"stat:(?P<stat>{_VALUE}++) err:(?P<err>{_VALUE}++)(?![^\s,;\0])"
)
# Any other order, spacing, spelling and choice of fields. A key behind the colon means that the value is missing
# ("id: sub:1"). An escape begins the bar of GSM 03.38. What follows ``text:`` is the text of a handset or of our own,
# and never read as fields.
_FIELDS = re.compile(
    r"(?<![a-z])(?:text[ \t]*+[:=](?s:.*)"
    r"|(?:(?:message|msg)_?(?=id))?+(id|sub|dlvrd|date|status|stat|err)[ \t]*+[:=]"
    r"(?:[ \t]++(?!(?:(?:submit|done)[ _])?[a-z]++[ \t]*+[:=]))?"
    r'"?+([^\s,;|"\x1b\0]*+))',
    re.IGNORECASE,
)
# What an unmarked receipt has beside id and stat, as nobody writes it by chance: a further field, or an abbreviation.
_FURTHER = frozenset({"sub", "dlvrd", "date", "err"})
_ABBREVIATIONS = frozenset({"DELIVRD", "UNDELIV", "ACCEPTD", "REJECTD"})

# stat words of appendix B table B-2, the longer ones that SMSCs spell out, and carriers' own.
STATUS_WORDS: dict[str, Finality] = {
    "DELIVRD": Finality.DELIVERED,
    "DELIVERD": Finality.DELIVERED,
    "DELIVERED": Finality.DELIVERED,
    "EXPIRED": Finality.FAILED,
    "EXPIRE": Finality.FAILED,
    "DELETED": Finality.FAILED,
    "DELETE": Finality.FAILED,
    "UNDELIV": Finality.FAILED,
    "UNDELIVRD": Finality.FAILED,
    "UNDELIVERED": Finality.FAILED,
    "UNDELIVERABLE": Finality.FAILED,
    "NON_DELIVERED": Finality.FAILED,
    "REJECTD": Finality.FAILED,
    "REJECTED": Finality.FAILED,
    "REJECT": Finality.FAILED,
    "UNKNOWN": Finality.FAILED,
    "FAILED": Finality.FAILED,
    "FAIL": Finality.FAILED,
    "DND_REJECTED": Finality.FAILED,
    "BLACKLST": Finality.FAILED,
    "BLACKLISTED": Finality.FAILED,
    "BLOCKED": Finality.FAILED,
    "ERROR": Finality.FAILED,
    "ENROUTE": Finality.PROGRESS,
    "ACCEPTD": Finality.PROGRESS,
    "ACCEPTED": Finality.PROGRESS,
    "SCHEDULED": Finality.PROGRESS,
    "SCHEDLD": Finality.PROGRESS,
    "SKIPPED": Finality.PROGRESS,
    "BUFFERED": Finality.PROGRESS,
    "QUEUED": Finality.PROGRESS,
    "SENT": Finality.PROGRESS,
    "ACKED": Finality.PROGRESS,
    "BUFFRED": Finality.PROGRESS,
    "PENDING": Finality.PROGRESS,
    "SUBMITD": Finality.PROGRESS,
    "SUBMITTED": Finality.PROGRESS,
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


class ReceiptText(NamedTuple):
    """What a receipt says. ``code`` is the ProviderStatusCode. ``known`` is False for a status word that no table
    has; ``disagrees`` when TLV and text tell different ends (the TLV has won); ``marked`` when more than the text says
    that this is a receipt."""

    smsc_id: str
    finality: Finality
    status: str
    code: int | str
    known: bool = True
    disagrees: bool = False
    marked: bool = True


def octets_of(pdu: PDU) -> bytes:
    """The text's octets: message_payload, or short_message, which it supersedes (SMPP 5.0 section 4.2.1.1)."""
    return (pdu.tlv(_MESSAGE_PAYLOAD) if pdu.tlvs else None) or pdu.fields.get("short_message", b"")


def carries_text(pdu: PDU, default_alphabet: str = "gsm7") -> bool:
    """Whether a PDU that is no receipt is a handset's text: its message type is none, or a reserved one; or a user's
    acknowledgement, and there is a text that does not read as a receipt."""
    message_type = pdu.fields["esm_class"] & _MESSAGE_TYPE
    if message_type == _FROM_USER and octets_of(pdu).strip(b"\0"):
        unmarked = replace(pdu, fields=pdu.fields | {"esm_class": 0})
        return read_receipt(unmarked, default_alphabet) is None
    return message_type not in (_RECEIPT, _INTERMEDIATE) and message_type not in _FROM_HANDSET


def read_receipt(pdu: PDU, default_alphabet: str = "gsm7") -> ReceiptText | None:
    """The receipt in this deliver_sm or data_sm; None if it is not one. ``default_alphabet`` is what the SMSC means by
    data_coding 0."""
    message_type = pdu.fields["esm_class"] & _MESSAGE_TYPE
    if message_type in _FROM_HANDSET:
        return None
    tlvs = dict(reversed(pdu.tlvs)) if pdu.tlvs else {}  # the first of each tag
    receipted_id = pdu.tlv_text(_RECEIPTED_MESSAGE_ID) or ""
    marked = bool(receipted_id) or _MESSAGE_STATE in tlvs or message_type in (_RECEIPT, _INTERMEDIATE)
    octets = tlvs.get(_MESSAGE_PAYLOAD) or pdu.fields.get("short_message", b"")
    words = _words_of(_decode(octets), marked)
    if default_alphabet == "gsm7-packed" and not words.get("id") and not pdu.fields["data_coding"]:
        words = _words_of(alphabet.decode_text(octets, default_alphabet), marked) or words
    smsc_id = receipted_id or words.get("id")
    if not smsc_id:
        return None
    word = (words.get("stat") or words.get("status", "")).upper()
    if not marked and not _is_unmistakable(words, word):
        return None
    found = _interpret(tlvs, smsc_id, word, words.get("err"), intermediate=message_type == _INTERMEDIATE)
    return found if marked else found._replace(marked=False)


def _words_of(text: str, marked: bool) -> dict[str, str]:
    """The fields of the receipt's text by lower-case name, the first of each. Of a text that is not marked as a
    receipt, only if it begins as one."""
    usual = _USUAL.match(text)
    if usual is not None:
        return usual.groupdict()
    if not marked and not _FIELDS.match(text.lstrip()):
        return {}
    words: dict[str, str] = {}
    for name, value in _FIELDS.findall(text):
        words.setdefault(name.lower(), value)
    return words


def _is_unmistakable(words: dict[str, str], word: str) -> bool:
    """Whether nobody writes these fields, and this status word, by chance."""
    return word in _ABBREVIATIONS or ("stat" in words and word in STATUS_WORDS and not _FURTHER.isdisjoint(words))


def _decode(octets: bytes) -> str:
    """Latin-1, or UTF-16 of either order where most high octets are NUL. Code 0x11 is the low line of GSM 03.38: it
    stands in ids and in carriers' status words."""
    if 0 in octets:
        for first, codec in ((0, "utf-16-be"), (1, "utf-16-le")):
            if 4 * octets[first::2].count(0) > len(octets):
                return octets.decode(codec, "replace")
    return octets.decode("latin-1").replace("\x11", "_")


def _interpret(tlvs: dict[int, bytes], smsc_id: str, word: str, error: str | None, intermediate: bool) -> ReceiptText:
    finality = STATUS_WORDS.get(word)
    status, known, disagrees = word, finality is not None, False
    state = tlvs.get(_MESSAGE_STATE)
    told = _STATES.get(int.from_bytes(state, "big")) if state else None
    if told is not None:
        disagrees = known and finality is not told[0]
        finality, known = told[0], True
        if disagrees or not word:
            status = told[1]
    if finality is None or intermediate:
        finality = Finality.PROGRESS
    return ReceiptText(smsc_id, finality, status or "UNKNOWN", _code(tlvs, error, status), known, disagrees)


def _code(tlvs: dict[int, bytes], error: str | None, status: str) -> int | str:
    """The ProviderStatusCode: network_error_code (5.3.2.31: one octet network type, two octets code) wins where it
    tells anything, then ``err`` exactly as it was written ("000", "0x1F", "4.4.1"), then the status word."""
    network = tlvs.get(_NETWORK_ERROR_CODE)
    told = int.from_bytes(network[1:3], "big") if network and len(network) >= 3 else 0
    return told or error or status or "UNKNOWN"

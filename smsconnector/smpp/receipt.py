"""Whether a deliver_sm or data_sm is a receipt, and what the receipt says.

esm_class, TLVs and text decide together, because each alone is wrong at some SMSC. The message type is bits 5 to 2 of
esm_class (SMPP 3.4 section 5.2.12).

1. *Marked as a receipt.* The message type is 0001, or there is a TLV receipted_message_id or message_state. It is a
   receipt if a TLV or the text has an id. Where its text tells no ``stat`` and no ``err``, and there is no
   message_state, it says nothing, and a person may have written the text. Where only TLVs mark it, it is a text. (There
   are aggregators that give each text from a handset an id of their own, as receipted_message_id.)
2. *Intermediate notification.* The message type is 1000. It is a receipt that tells of progress, and is never final.
3. *Not marked.* The message type is 0000 or a reserved one. It is a receipt if its text reads as one: it begins with a
   field of appendix B; it has ``id``, and ``stat`` with a known word; and either one more field, or a word that is an
   abbreviation of appendix B. With ``status`` in place of ``stat``, which people write too, only such an abbreviation
   counts.
4. *From a handset.* The message types 0010 and 0100 are acknowledgements, 0110 is the end of a conversation. They are
   read as if they were not marked: no handset knows the id of a message, so who names one is an SMSC.
5. Everything else that has a text is a text from a handset, whatever it is marked as. What was acknowledged must not
   vanish.

The TLVs receipted_message_id, message_state and network_error_code win over the text, which appendix B calls specific
to the SMSC. The text is read from message_payload or short_message, and by its octets. data_coding is not looked at:
some SMSCs mark ASCII as UCS-2, others UCS-2 as ASCII. Only where data_coding 0 means packed septets, and the octets as
they are show no id, they are unpacked.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from smsconnector.codes.words import STATES
from smsconnector.messages import Finality
from smsconnector.smpp.constants import EsmClass, MessageStateTLV, Tag
from smsconnector.smpp.pdu import PDU
from smsconnector.sms import alphabet

# Plain integers: the hot path pays for no enumeration.
_MESSAGE_TYPE = int(EsmClass.MESSAGE_TYPE)
_RECEIPT = int(EsmClass.DELIVERY_RECEIPT)
_INTERMEDIATE = int(EsmClass.INTERMEDIATE_NOTIFICATION)
_MARKED = frozenset((_RECEIPT, _INTERMEDIATE))
_FROM_HANDSET = EsmClass.MANUAL_ACKNOWLEDGEMENT, EsmClass.DELIVERY_ACKNOWLEDGEMENT, EsmClass.CONVERSATION_ABORT
_NOT_PLAIN = _MARKED | frozenset(map(int, _FROM_HANDSET))
_RECEIPTED_MESSAGE_ID, _MESSAGE_STATE = int(Tag.receipted_message_id), int(Tag.message_state)
_NETWORK_ERROR_CODE, _MESSAGE_PAYLOAD = int(Tag.network_error_code), int(Tag.message_payload)
_PAYLOAD_TAG = _MESSAGE_PAYLOAD.to_bytes(2, "big")
_BEYOND_TAGS = 0x40  # the first octet of tags that nobody may use (section 5.3.1); so do all letters begin

# The form of appendix B itself, which most receipts have, in one match that can't backtrack. Keys in capitals, and
# values that are not printable ASCII, are left to ``_FIELDS``.
_VALUE = r"[!#-+\--:<-{}~]"  # without quotation mark, comma, semicolon and bar
_USUAL = re.compile(
    rf"id:(?P<id>{_VALUE}++) sub:{_VALUE}*+ dlvrd:{_VALUE}*+ submit date:{_VALUE}*+ done date:{_VALUE}*+ "
    rf"stat:(?P<stat>{_VALUE}++) err:(?P<err>{_VALUE}++)(?![^\s,;\0])"
)
# Any other order, spacing, spelling and choice of fields. If a key follows the colon, the value is missing, as in
# "id: sub:1". An escape (0x1B) ends a value: in GSM 03.38 it is the first octet of a bar. What follows ``text:`` quotes
# a message, and is not read as fields, unless it is nothing else: then the text is empty, and not the last field.
_FIELDS = re.compile(
    r"(?<![a-z])(?:text[ \t]*+[:=]((?s:.*))"
    r"|(?:(?:message|msg)_?(?=id))?+(id|sub|dlvrd|date|status|stat|err)[ \t]*+[:=]"
    r"(?:[ \t]++(?!(?:(?:submit|done)[ _])?[a-z]++[ \t]*+[:=]))?"
    r'"?+([^\s,;|"\x1b\0]*+))',
    re.IGNORECASE,
)
_BETWEEN = r'(?:[\s,;|"\0]|\x1b@)'
_ONLY_FIELDS = re.compile(
    rf"{_BETWEEN}++(?:(?:(?:submit|done)[ _])?(?:(?:message|msg)_?(?=id))?(?:id|sub|dlvrd|date|status|stat|err)"
    rf'[ \t]*+[:=][ \t]*+"?+[^\s,;|"\x1b\0]*+(?:(?<=\d)[ ][\d:]++)?{_BETWEEN}*+)++',
    re.IGNORECASE,
)
# An unmarked text is a receipt only if it has, beside id and stat, what nobody writes by chance: one of these fields or
# one of these abbreviations.
_FURTHER = frozenset({"sub", "dlvrd", "date", "err"})
_ABBREVIATIONS = frozenset({"DELIVRD", "UNDELIV", "ACCEPTD", "REJECTD"})

BEGINNING = 48  # octets that tell the coding: a header of a long message, and some characters
_TELLING = frozenset({"stat", "status", "err"})  # fields that tell what became of a message

# The words of ``stat``: those of appendix B table B-2, the longer ones that SMSCs spell out, and some of carriers. A
# bind may have more, or mean others by these (``receipt_words``). SKIPPED is a final state (SMPP 5.0 section 4.7.15).
# UNKNOWN is one by table B-2, but some SMSCs say it of messages that they still try to deliver.
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
    "UNKNOWN": Finality.UNCLEAR,
    "FAILED": Finality.FAILED,
    "FAIL": Finality.FAILED,
    "DND_REJECTED": Finality.FAILED,
    "BLACKLST": Finality.FAILED,
    "BLACKLISTED": Finality.FAILED,
    "BLOCKED": Finality.FAILED,
    "ERROR": Finality.FAILED,
    "SKIPPED": Finality.FAILED,
    "NACK": Finality.FAILED,
    "NOCRED": Finality.FAILED,
    "SYSERR": Finality.FAILED,
    **dict.fromkeys(
        (  # of aggregators in India
            "ABSENT-SUB",
            "BARRED",
            "BLACKLIST",
            "DNDNUMB",
            "HANDSET-BUSY",
            "HANDSET-ERR",
            "INV-NUMBER",
            "INV-TEMPLATE",
            "INV-TEMPLATE-MATCH",
            "INVALID-SUB",
            "MEMEXEC",
            "MOB-OFF",
            "NET-ERR",
            "NO-CREDITS",
            "NOT-OPTIN",
            "OUTPUT-REJ",
            "REJECTED-MULTIPART",
            "SENDER-ID-NOT-FOUND",
            "SERIES-BLK",
            "SERIES-BLOCK",
            "SERVER-ERR",
            "SNDRID-NOT-ALLOTED",
            "SPAM",
            "TEMPLATE-NOT-FOUND",
            "TIME-OUT-PROM",
        ),
        Finality.FAILED,
    ),
    "ENROUTE": Finality.PROGRESS,
    "ACCEPTD": Finality.PROGRESS,
    "ACCEPTED": Finality.PROGRESS,
    "SCHEDULED": Finality.PROGRESS,
    "SCHEDLD": Finality.PROGRESS,
    "BUFFERED": Finality.PROGRESS,
    "QUEUED": Finality.PROGRESS,
    "SENT": Finality.PROGRESS,
    "ACKED": Finality.PROGRESS,
    "BUFFRED": Finality.PROGRESS,
    "PENDING": Finality.PROGRESS,
    "SUBMITD": Finality.PROGRESS,
    "SUBMITTED": Finality.PROGRESS,
}

_FINALITIES = {  # of message_state, section 5.2.28
    MessageStateTLV.SCHEDULED: Finality.PROGRESS,
    MessageStateTLV.ENROUTE: Finality.PROGRESS,
    MessageStateTLV.DELIVERED: Finality.DELIVERED,
    MessageStateTLV.EXPIRED: Finality.FAILED,
    MessageStateTLV.DELETED: Finality.FAILED,
    MessageStateTLV.UNDELIVERABLE: Finality.FAILED,
    MessageStateTLV.ACCEPTED: Finality.PROGRESS,
    MessageStateTLV.UNKNOWN: Finality.UNCLEAR,
    MessageStateTLV.REJECTED: Finality.FAILED,
    MessageStateTLV.SKIPPED: Finality.FAILED,
}
_STATES: dict[int, tuple[Finality, str]] = {int(state): (one, STATES[state]) for state, one in _FINALITIES.items()}
# 3.4 has no state 0, and 7 is UNKNOWN: who sends one of them beside a word that is known means nothing by it.
_SAYING_NOTHING = (_STATES[0], _STATES[MessageStateTLV.UNKNOWN])


class ReceiptText(NamedTuple):
    """What a receipt says.

    ``code`` is the ProviderStatusCode. ``known`` is False for a status word that no table has. ``disagrees`` is True
    where message_state and text tell different ends; message_state has won. ``marked`` is False where it may be a text
    after all: only the text says that this is a receipt; or only TLVs do and there is a text that says something else;
    or esm_class does, and nothing tells what became of the message.
    """

    smsc_id: str
    finality: Finality
    status: str
    code: int | str
    known: bool = True
    disagrees: bool = False
    marked: bool = True


def octets_of(pdu: PDU) -> bytes:
    """The text's octets: message_payload, or short_message, which it supersedes (SMPP 5.0 section 4.2.1.1). A
    message_payload of NULs supersedes nothing. A text whose length octets are wrong is what stands there."""
    payload = pdu.tlv(_MESSAGE_PAYLOAD) if pdu.tlvs else None
    short: bytes = pdu.fields.get("short_message", b"")
    if payload and (not short or payload.strip(b"\0")):
        return payload
    return _behind(pdu) if pdu.rest and not short.strip(b"\0") else short


def _behind(pdu: PDU) -> bytes:
    """A text behind the last field that could be read: a message_payload that is cut; or what begins as no tag of SMPP
    does (section 5.3.2), behind an sm_length of 0."""
    if pdu.rest[:2] == _PAYLOAD_TAG:
        return pdu.rest[4:]
    short: bytes = pdu.fields.get("short_message", b"")
    return short if pdu.tlvs or short or pdu.rest[0] < _BEYOND_TAGS else pdu.rest


def is_marked(pdu: PDU) -> bool:
    """Whether esm_class marks it as a receipt or an intermediate notification."""
    return pdu.fields["esm_class"] & _MESSAGE_TYPE in _MARKED


def carries_text(pdu: PDU) -> bool:
    """Whether a PDU that is no receipt is a text. A blank reply is one; an acknowledgement without a text is none."""
    return pdu.fields["esm_class"] & _MESSAGE_TYPE not in _NOT_PLAIN or bool(octets_of(pdu).strip(b"\0 "))


def read_receipt(
    pdu: PDU, default_alphabet: str = "gsm7", known_words: Mapping[str, Finality] = STATUS_WORDS
) -> ReceiptText | None:
    """The receipt in this deliver_sm or data_sm; None if it is not one. ``default_alphabet`` is what the SMSC means by
    data_coding 0. ``known_words`` are the words of ``stat``, in capital letters."""
    message_type = pdu.fields["esm_class"] & _MESSAGE_TYPE
    tlvs, receipted_id = {}, ""
    if pdu.tlvs:
        tlvs = dict(reversed(pdu.tlvs))  # the first of each tag
        receipted_id = (pdu.tlv_text(_RECEIPTED_MESSAGE_ID) or "").strip()
    marked = message_type in _MARKED or bool(receipted_id) or _MESSAGE_STATE in tlvs
    octets = octets_of(pdu)
    words = _words_in(octets, marked, pdu, default_alphabet)
    if tlvs and not words.get("id"):  # message_payload may quote the message, and short_message be the receipt
        words = _words_in(pdu.fields.get("short_message", b""), marked, pdu, default_alphabet) or words
    smsc_id = receipted_id or words.get("id")
    if not smsc_id:
        return None
    word = (words.get("stat") or words.get("status", "")).upper()
    if not marked and not _is_unmistakable(words, word, known_words):
        return None
    may_be_text = not any(map(words.get, _TELLING)) and bool(octets.strip(b"\0 "))
    if may_be_text and message_type in _MARKED:
        may_be_text = not _tells_state(tlvs)
    elif may_be_text and _MESSAGE_STATE not in tlvs:
        return None
    finality = known_words.get(word)
    found = _interpret(tlvs, smsc_id, word, finality, words.get("err"), intermediate=message_type == _INTERMEDIATE)
    return found if marked and not may_be_text else found._replace(marked=False)


def _tells_state(tlvs: dict[int, bytes]) -> bool:
    """Whether there is a message_state of the table."""
    return int.from_bytes(tlvs.get(_MESSAGE_STATE) or b"\xff", "big") in _STATES


def _words_in(octets: bytes, marked: bool, pdu: PDU, default_alphabet: str) -> dict[str, str]:
    """``_words_of`` a text, which may be packed septets."""
    words = _words_of(_decode(octets), marked)
    if default_alphabet == "gsm7-packed" and not words.get("id") and not pdu.fields["data_coding"]:
        words = _words_of(alphabet.decode_text(octets, default_alphabet), marked) or words
    return words


def _words_of(text: str, marked: bool) -> dict[str, str]:
    """The fields of the receipt's text by their names in lower case; of several with one name, the first. Nothing for a
    text that is not marked as a receipt and does not begin with a field."""
    usual = _USUAL.match(text)
    if usual is not None:
        return usual.groupdict()
    first = _FIELDS.match(text.lstrip())
    if not marked and not (first and first[2]):
        return {}
    words: dict[str, str] = {}
    for quoted, name, value in _FIELDS.findall(text):
        if name:
            words.setdefault(name.lower(), value)
        elif _ONLY_FIELDS.fullmatch(quoted):
            words = _words_of(quoted, marked=True) | words
    return words


def _is_unmistakable(words: dict[str, str], word: str, known_words: Mapping[str, Finality]) -> bool:
    """Whether nobody writes these fields, and this status word, by chance."""
    return word in _ABBREVIATIONS or ("stat" in words and word in known_words and not _FURTHER.isdisjoint(words))


def _decode(octets: bytes) -> str:
    """As Latin-1, or as UTF-16 of either byte order if more than half of its first high octets are NUL: the message
    that a receipt quotes at its end may be in another coding than the receipt. The octet 0x11 is the low line (_) of
    GSM 03.38, which some ids and status words have."""
    beginning = octets[:BEGINNING]
    if 0 in beginning:
        for first, codec in ((0, "utf-16-be"), (1, "utf-16-le")):
            if 4 * beginning[first::2].count(0) > len(beginning):
                return octets.decode(codec, "replace")
    return octets.decode("latin-1").replace("\x11", "_")


def _interpret(
    tlvs: dict[int, bytes],
    smsc_id: str,
    word: str,
    finality: Finality | None,
    error: str | None,
    intermediate: bool,
) -> ReceiptText:
    """``finality``: what the word means; None if no table has it. Such a word, or an ``err`` without a word, may tell
    an end; a receipt with neither tells nothing."""
    status, known, disagrees = word, finality is not None, False
    state = tlvs.get(_MESSAGE_STATE)
    told = _STATES.get(int.from_bytes(state, "big")) if state else None
    if told in _SAYING_NOTHING and known:
        told = None
    if told is not None:
        disagrees = known and finality is not told[0]
        finality, known = told[0], True
        if disagrees or not word:
            status = told[1]
    if intermediate:
        finality = Finality.PROGRESS
    elif finality is None:
        finality = Finality.UNCLEAR if word or (error and error.strip("0")) else Finality.PROGRESS
    found = ReceiptText(smsc_id, finality, status or "UNKNOWN", _code(tlvs, error, status))
    return found if known and not disagrees else found._replace(known=known, disagrees=disagrees)


def _code(tlvs: dict[int, bytes], error: str | None, status: str) -> int | str:
    """The ProviderStatusCode: network_error_code (5.3.2.31: one octet network type, two octets code) wins where it
    tells anything, then ``err`` exactly as it was written ("000", "0x1F", "4.4.1"), then the status word. A
    network_error_code may also be digits in ASCII, for no network type is that great."""
    network = tlvs.get(_NETWORK_ERROR_CODE, b"")
    told: int | str = 0
    if len(network) >= 3:
        digits = network.rstrip(b"\0 ")
        if not digits.isdigit():
            told = int.from_bytes(network[1:3], "big")
        elif digits.strip(b"0"):
            told = digits.decode("ascii")
    return told or error or status or "UNKNOWN"

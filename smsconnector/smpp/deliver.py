"""A deliver_sm or data_sm as the walks know it: a receipt, a text, a part of a text, or nothing.

1. ``smpp.receipt`` says whether it is a receipt, and what the receipt tells.
2. If it is none, it is a text, unless it is marked as something else and there are no octets of a text. A text of
   several parts names its place by a user data header or by SAR TLVs (SMPP 3.4 section 5.3.2.22 to 24). The octets of a
   part are kept as they came, because a text may be cut through a character.
3. A receipt that may be a text carries its reading as a text too: should it fit no message of ours, it is one.

What an operator should hear of comes back as a ``Notice`` beside it.
"""

from collections.abc import Mapping
from typing import NamedTuple

from smsconnector.messages import Finality, IncomingSegment, Receipt
from smsconnector.smpp.constants import EsmClass, Tag
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.receipt import STATUS_WORDS, ReceiptText, carries_text, is_marked, octets_of, read_receipt
from smsconnector.sms import udh, user_data
from smsconnector.sms.alphabet import is_binary

WHOLE = udh.SegmentPlace(reference=0, total=1, number=1)
WIDE = 0x10000  # added to a reference of 16 bits: it is another one than the same number in 8 bits
NOTHING = "acknowledgements of a handset, or receipts without an id"
NO_RECEIPT = "receipts without an id, handed on as the texts that they are"


class Notice(NamedTuple):
    """What an operator should hear of: its kind, in the plural and the same for all of a kind, and this example."""

    what: str
    example: str


class Reading(NamedTuple):
    """``item`` is None for what names no message and has no text; ``notice`` is None as a rule."""

    item: Receipt | IncomingSegment | None
    notice: Notice | None = None


class DeliverReader:
    """Reads what one bind is sent.

    ``channel`` is the name of its channel; ``account`` names whose message ids are comparable; ``default_alphabet`` is
    what the SMSC means by data_coding 0; ``receipt_words`` are words of ``stat``, in capital letters, that count before
    those of ``smpp.receipt``.
    """

    def __init__(
        self, channel: str, account: str, default_alphabet: str, receipt_words: Mapping[str, Finality] | None = None
    ) -> None:
        self._channel, self._account, self._alphabet = channel, account, default_alphabet
        self._known_words = STATUS_WORDS | dict(receipt_words or {})

    def read(self, pdu: PDU, now_ms: int) -> Reading:
        """A deliver_sm or data_sm that was decoded. ``now_ms`` is the wall clock, in milliseconds. Never raises."""
        found = read_receipt(pdu, self._alphabet, self._known_words)
        if found is not None:
            receipt = Receipt(
                self._account,
                found.smsc_id,
                found.finality,
                found.code,
                found.status,
                received_at=now_ms,
                destination=pdu.fields["source_addr"],
                addressee=pdu.fields["destination_addr"],
                incoming=None if found.marked else self._read_text(pdu, now_ms),
            )
            return Reading(receipt, None if found.known and not found.disagrees else _notice_of(found))
        if not carries_text(pdu):
            return Reading(None, Notice(NOTHING, f"from {pdu.fields['source_addr']}"))
        notice = Notice(NO_RECEIPT, f"from {pdu.fields['source_addr']}") if is_marked(pdu) else None
        return Reading(self._read_text(pdu, now_ms), notice)

    def _read_text(self, pdu: PDU, now_ms: int) -> IncomingSegment:
        has_header = bool(pdu.fields["esm_class"] & EsmClass.UDHI)
        found = user_data.read(octets_of(pdu), pdu.fields["data_coding"], self._alphabet, has_header)
        reference, count, number = udh.find_concatenation(found.elements) or _sar(pdu) or WHOLE
        reference += WIDE * any(identifier == udh.CONCATENATION_16_BIT for identifier, _ in found.elements)
        binary = is_binary(pdu.fields["data_coding"])
        whole = count == 1 or binary
        return IncomingSegment(
            self._channel,
            self._account,
            pdu.fields["source_addr"],
            pdu.fields["destination_addr"],
            text=found.text if whole else found.octets.hex(),
            received_at=now_ms,
            reference=reference,
            number=number,
            count=count,
            is_binary=binary,
            written_in=None if whole else found.written_in,
        )


def _notice_of(found: ReceiptText) -> Notice:
    """Of a receipt whose status is not known, or not certain."""
    if not found.known:
        return Notice("receipts with a status that no table knows (receipt_words can tell what it means)", found.status)
    return Notice("receipts whose text and message_state are at odds", found.status)


def _sar(pdu: PDU) -> udh.SegmentPlace | None:
    """The place that the SAR TLVs tell (section 5.3.2.22 to 24), if all three are sound."""
    values = pdu.tlv_int(Tag.sar_msg_ref_num), pdu.tlv_int(Tag.sar_total_segments), pdu.tlv_int(Tag.sar_segment_seqnum)
    reference, count, number = values
    if reference is None or count is None or number is None or not 1 <= number <= count <= 0xFF:
        return None
    return udh.SegmentPlace(reference & 0xFFFF, count, number)

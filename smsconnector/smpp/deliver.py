"""A deliver_sm or data_sm as the walks know it: a receipt, a text, a part of a text, or nothing.

1. ``smpp.receipt`` says whether it is a receipt, and what the receipt tells.
2. If it is none, it is a text, unless it is marked as something else and there are no octets of a text. A text of
   several parts names its place by a user data header or by SAR TLVs (SMPP 3.4 section 5.3.2.22 to 24). The octets of a
   part are kept as they came, because a text may be cut through a character.
3. A header without UDHI counts too. Where septets may read so by chance, its place is guessed: unless all parts come,
   each is told with these octets as letters (``store.incoming``).
4. A receipt that may be a text carries its reading as a text too: should it fit no message of ours, it is one.

What an operator should hear of comes back as a ``Notice`` beside it.
"""

from collections.abc import Mapping
from typing import NamedTuple

from smsconnector.masking import masked
from smsconnector.messages import Finality, IncomingSegment, Receipt
from smsconnector.smpp.constants import EsmClass, Tag
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.receipt import STATUS_WORDS, ReceiptText, carries_text, is_marked, octets_of, read_receipt
from smsconnector.sms import udh, user_data
from smsconnector.sms.alphabet import is_binary

WHOLE = udh.SegmentPlace(reference=0, total=1, number=1)
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
    those of ``smpp.receipt``; ``headers_without_udhi``: whether what looks like the header of a part is one though
    esm_class does not say so.
    """

    def __init__(
        self,
        channel: str,
        account: str,
        default_alphabet: str,
        receipt_words: Mapping[str, Finality] | None = None,
        *,
        headers_without_udhi: bool = True,
    ) -> None:
        self._channel, self._account, self._alphabet = channel, account, default_alphabet
        self._known_words = STATUS_WORDS | dict(receipt_words or {})
        self._without_udhi = headers_without_udhi

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
        who = f"from {masked(pdu.fields['source_addr'])}"
        if not carries_text(pdu):
            return Reading(None, Notice(NOTHING, who))
        return Reading(self._read_text(pdu, now_ms), Notice(NO_RECEIPT, who) if is_marked(pdu) else None)

    def _read_text(self, pdu: PDU, now_ms: int) -> IncomingSegment:
        octets, coding = octets_of(pdu), pdu.fields["data_coding"]
        marked = bool(pdu.fields["esm_class"] & EsmClass.UDHI)
        sar = _sar(pdu)
        unmarked = None if marked or not self._without_udhi else udh.find_unmarked(octets)
        if unmarked is not None and sar is not None and sar[1:] != unmarked[1:]:
            unmarked = None
        septets = pdu.fields.get("sm_length") if octets is pdu.fields.get("short_message") else None
        found = user_data.read(octets, coding, self._alphabet, marked or unmarked is not None, septets)
        reference, count, number = udh.find_concatenation(found.elements) or sar or WHOLE
        binary = is_binary(coding)
        if any(identifier == udh.CONCATENATION_16_BIT for identifier, _ in found.elements):
            reference += udh.WIDE
        if unmarked is not None and sar is None and (binary or found.written_in == "gsm7"):
            reference += udh.GUESSED * udh.is_printable(unmarked.reference, octets[0] - 4)
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

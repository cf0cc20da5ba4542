"""A deliver_sm or data_sm as the words of the walks: a receipt, a text or a part of one, or nothing."""

from smsconnector.channels.smpp.tally import Tally
from smsconnector.messages import IncomingSegment, Receipt
from smsconnector.smpp.constants import EsmClass, Tag
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.receipt import carries_text, octets_of, read_receipt
from smsconnector.sms import udh, user_data
from smsconnector.sms.alphabet import is_binary

WIDE = 0x10000  # a reference of 16 bits is another one than the same number in 8 bits


class Reader:
    """For one bind: ``title`` is its name in the log, ``account`` whose ids are comparable, ``default_alphabet`` what
    data_coding 0 means there."""

    def __init__(self, title: str, channel: str, account: str, default_alphabet: str) -> None:
        self._channel, self._account, self._alphabet = channel, account, default_alphabet
        self._tally = Tally(title)

    def read(self, pdu: PDU, now: int) -> Receipt | IncomingSegment | None:
        """None for what tells nothing about a submit."""
        found = read_receipt(pdu, self._alphabet)
        if found is not None:
            if not found.known:
                self._tally.count("receipts with a status that no table knows", found.status)
            elif found.disagrees:
                self._tally.count("receipts whose text and message_state are at odds", found.status)
            return Receipt(
                self._account,
                found.smsc_id,
                found.finality,
                found.code,
                found.status,
                now,
                pdu.fields["source_addr"],
                pdu.fields["destination_addr"],
                None if found.marked else self._read_text(pdu, now),
            )
        if carries_text(pdu, self._alphabet):
            return self._read_text(pdu, now)
        self._tally.count(
            "acknowledgements of a handset, or receipts without an id", f"from {pdu.fields['source_addr']}"
        )
        return None

    def _read_text(self, pdu: PDU, now: int) -> IncomingSegment:
        has_header = bool(pdu.fields["esm_class"] & EsmClass.UDHI)
        found = user_data.read(octets_of(pdu), pdu.fields["data_coding"], self._alphabet, has_header)
        reference, count, number = udh.find_concatenation(found.elements) or _sar(pdu) or (0, 1, 1)
        reference += WIDE * any(identifier == udh.CONCATENATION_16_BIT for identifier, _ in found.elements)
        binary = is_binary(pdu.fields["data_coding"])
        whole = count == 1 or binary
        return IncomingSegment(
            self._channel,
            self._account,
            pdu.fields["source_addr"],
            pdu.fields["destination_addr"],
            found.text if whole else found.octets.hex(),
            now,
            reference,
            number,
            count,
            is_binary=binary,
            written_in=None if whole else found.written_in,
        )


def _sar(pdu: PDU) -> tuple[int, int, int] | None:
    """(reference, count, number) of the SAR TLVs (section 5.3.2.22 to 24), if all three are sound."""
    values = pdu.tlv_int(Tag.sar_msg_ref_num), pdu.tlv_int(Tag.sar_total_segments), pdu.tlv_int(Tag.sar_segment_seqnum)
    reference, count, number = values
    if reference is None or count is None or number is None or not 1 <= number <= count <= 0xFF:
        return None
    return reference & 0xFFFF, count, number

"""What the SMSC has delivered and the disk has not taken yet: bounded in number and in octets.

A receipt has some 200 octets, and then the number is what counts. A text in message_payload may have 60,000 (SMPP 3.4
section 5.3.2.32: up to 64 K), and what is made of it on the way to the disk is ten times that.
"""

from collections.abc import Sequence

from smsconnector.smpp.pdu import PDU

UNANSWERED_LIMIT = 2000  # deliver_sm that are not on disk yet; with more of them nothing is read from the SMSC
UNANSWERED_OCTETS = 2_000_000  # the same for the octets of their texts and TLVs


class Unanswered:
    """Counts the deliver_sm and data_sm of one connection that have no response yet."""

    def __init__(self) -> None:
        self._count = self._octets = 0

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._count or self._octets)

    @property
    def is_too_much(self) -> bool:
        return self._count > UNANSWERED_LIMIT or self._octets > UNANSWERED_OCTETS

    def add(self, pdus: Sequence[PDU]) -> int:
        """Returns their octets, which ``remove`` wants."""
        octets = sum(map(_octets, pdus))
        self._count += len(pdus)
        self._octets += octets
        return octets

    def remove(self, count: int, octets: int) -> bool:
        """So many have a response now; whether there were too many, and are not any more."""
        before = self.is_too_much
        self._count -= count
        self._octets -= octets
        return before and not self.is_too_much


def _octets(pdu: PDU) -> int:
    text = pdu.fields.get("short_message", b"")
    octets = len(pdu.rest) + (len(text) if isinstance(text, bytes) else 0)
    for _, value in pdu.tlvs:
        octets += len(value)
    return octets

"""What an ESME submits, read: a ``Submit`` per destination, and the form of a long message.

A submit_sm is read by one regular expression, because a load test sends thousands a second. What the expression does
not match goes through the codec: submit_multi, data_sm, and a submit_sm that has message_payload.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from smsconnector.simulator import limits
from smsconnector.smpp.constants import HEADER_OCTETS, CommandId, EsmClass, Tag
from smsconnector.smpp.pdu import PDU
from smsconnector.sms import udh

FORM_OF_ELEMENT = {udh.CONCATENATION_8_BIT: "udh8", udh.CONCATENATION_16_BIT: "udh16"}

# submit_sm from its first field on (section 4.4.1): the groups are the addresses whole, then esm_class,
# registered_delivery, data_coding and sm_length. What it does not match goes the long way, through the codec, and so
# does all that ``limits`` refuses.
_TIME = limits.TIME.encode()
SUBMIT_SM = re.compile(
    rb"[^\0]{0,%d}+\0"  # service_type
    rb"(..[^\0]{0,%d}+\0)(..[^\0]{1,%d}+\0)"  # source and destination: TON, NPI, address
    rb"(.).."  # esm_class, protocol_id, priority_flag
    rb"(?:%b)\0(?:%b)\0"  # schedule_delivery_time, validity_period
    rb"(.).(.).([^\xff])"  # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id, sm_length
    % (limits.SERVICE_TYPE, limits.ADDRESS, limits.ADDRESS, _TIME, _TIME),
    re.DOTALL,
)


class Submit(NamedTuple):
    """What the SMSC looks at in a submit_sm, submit_multi or data_sm. Addresses as octets: TON, NPI, address, NUL."""

    source: bytes
    destination: bytes
    esm_class: int
    registered_delivery: int
    data_coding: int
    short_message: bytes

    @property
    def source_addr(self) -> str:
        """The source address as text, without TON and NPI."""
        return self.source[2:-1].decode("latin-1")

    @property
    def destination_addr(self) -> str:
        """The destination address as text, without TON and NPI."""
        return self.destination[2:-1].decode("latin-1")


def read_submit_sm(octets: bytes) -> Submit | None:
    """A whole submit_sm, read fast. None for one without a short_message, or one that only the codec can judge."""
    match = SUBMIT_SM.match(octets, HEADER_OCTETS)
    if match is None:
        return None
    source, destination, esm_class, registered_delivery, data_coding, sm_length = match.groups()
    start = match.end()
    end = start + sm_length[0]
    if start == end or end > len(octets):
        return None
    return Submit(
        source,
        destination,
        esm_class=esm_class[0],
        registered_delivery=registered_delivery[0],
        data_coding=data_coding[0],
        short_message=octets[start:end],
    )


def form_of(pdu: PDU) -> str | None:
    """Which of ``segmentation.FORMS`` this submit is in; None for a short message."""
    if pdu.tlv(Tag.message_payload) is not None and pdu.command_id != CommandId.data_sm:
        return "payload"
    if pdu.tlv(Tag.sar_total_segments) is not None:
        return "sar"
    if pdu.fields["esm_class"] & EsmClass.UDHI:
        identifiers = {identifier for identifier, _ in udh.split(pdu.fields.get("short_message", b""))[0]}
        if not identifiers.isdisjoint(FORM_OF_ELEMENT):
            return FORM_OF_ELEMENT[min(identifiers & set(FORM_OF_ELEMENT))]
    return None


def read_submits(pdu: PDU) -> Iterator[Submit]:
    """One ``Submit`` per destination; distribution lists are not simulated. message_payload serves as the text."""
    fields = pdu.fields
    short_message = fields.get("short_message") or pdu.tlv(Tag.message_payload) or b""
    source = octets_of(fields["source_addr_ton"], fields["source_addr_npi"], fields["source_addr"])
    for address in fields.get("dest_address", [fields]):
        if "destination_addr" in address:
            destination = octets_of(address["dest_addr_ton"], address["dest_addr_npi"], address["destination_addr"])
            yield Submit(
                source,
                destination,
                esm_class=fields["esm_class"],
                registered_delivery=fields["registered_delivery"],
                data_coding=fields["data_coding"],
                short_message=short_message,
            )


def octets_of(ton: int, npi: int, address: str) -> bytes:
    """As it stands in a PDU."""
    return bytes((ton, npi)) + address.encode("latin-1") + b"\0"

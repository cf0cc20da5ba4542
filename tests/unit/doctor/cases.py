"""Submits, receipts and texts as evidence, for the tests of the doctor."""

from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from smsconnector.channels.smpp.settings import BindSection
from smsconnector.doctor.evidence import SHORT, Evidence, Trial
from smsconnector.messages import Segment
from smsconnector.simulator.rendering import DELIVERED, ReceiptForm, receipt, texts_from_handset
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import CommandId
from smsconnector.smpp.pdu import PDU

NUMBER = "923001234567"
BIND = BindSection(name="a", endpoint="tcp:smsc.example:2775", system_id="me", password=SecretStr("secret"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEX = "hexadecimal in the response, decimal in the receipt"
DEC = "decimal in the response, hexadecimal in the receipt"


def taken(message_id: str, form: str = SHORT, at: float = 0.0, **more: Any) -> Trial:
    """A submit that the SMSC took half a second after ``at``."""
    segment = Segment(1, 1, 1, "hello", "gsm7", None, NUMBER, 0)
    settings: dict[str, Any] = {"sent_at": at, "answered_at": at + 0.5, "status": 0, "message_id": message_id} | more
    return Trial(form, segment, **settings)


def receipt_pdu(message_id: str, source: str = NUMBER, text: bytes = b"hello", **more: Any) -> PDU:
    """As the simulator writes it."""
    final = more.pop("final", DELIVERED)
    form = ReceiptForm(**({"tlvs": True, "marked": True, "in_payload": False} | more))
    handset, sender = b"\1\1" + source.encode() + b"\0", b"\3\x008228\0"
    dates = {"submitted": b"2601010000", "done": b"2601010000"}
    body = receipt(handset, sender, message_id, final, **dates, text=text, form=form)
    return codec.decode(codec.with_body(CommandId.deliver_sm, 1, body))


def text_pdu(text: str, source: str = NUMBER, default_alphabet: str = "gsm7") -> PDU:
    (body,) = texts_from_handset(source, "8228", text, 1, default_alphabet)
    return codec.decode(codec.with_body(CommandId.deliver_sm, 1, body))


def evidence(*trials: Trial, pdus: "tuple[PDU, ...] | list[PDU]" = ()) -> Evidence:
    """With these submits, and what came after them."""
    found = Evidence((NUMBER,), trials=list(trials))
    for pdu in pdus:
        found.delivered("probe", pdu, 2.0)
    found.decide(at_the_end=True)
    return found

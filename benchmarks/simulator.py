"""How much of a core the simulated SMSC and the codec cost: ``python -m benchmarks.simulator``.

In memory, no sockets: the figures are processor time in the simulator's own code. smpp.pdu3 is measured beside the
codec if it is installed.
"""

import io
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp.constants import CommandId, Tag
from smsconnector.smpp.pdu import PDU, Framer, bare, decode, encode, header, with_body

BATCH = 50  # submits a read and a turn: about what a busy ESME's window gives
SUBMITS = 50_000

FIELDS = {
    "source_addr_ton": 5,
    "source_addr": "Shop",
    "dest_addr_ton": 1,
    "dest_addr_npi": 1,
    "destination_addr": "923001234567",
    "registered_delivery": 1,
    "short_message": b"Your order 4711 is on its way. Reply STOP to end.",
}
RECEIPT = PDU(
    CommandId.deliver_sm,
    0,
    1,
    {
        **FIELDS,
        "esm_class": 4,
        "registered_delivery": 0,
        "short_message": b"id:4711 sub:001 dlvrd:001 submit date:2401010000 done date:2401010001 stat:DELIVRD err:000 "
        b"text:Your order 4711 is o",
    },
    [(Tag.message_state, b"\2"), (Tag.receipted_message_id, b"4711\0")],
)


class Wire(StringTransport):
    """Keeps what was written until it is taken."""

    def take(self) -> bytes:
        data: bytes = self.value()
        self.clear()
        return data


def submits_and_receipts(behaviour: Behaviour) -> float:
    """Seconds of the simulator per submit, response, receipt and its acknowledgement."""
    clock = Clock()
    smsc = SMSC(clock, behaviour, on_submit=lambda _: None)
    protocol, wire = smsc.buildProtocol(None), Wire()
    protocol.makeConnection(wire)
    protocol.dataReceived(encode(PDU(CommandId.bind_transceiver, 0, 1, {"system_id": "b", "password": "b"})))
    wire.take()
    body = encode(PDU(CommandId.submit_sm, 0, 1, FIELDS))[16:]
    spent = 0.0
    for first in range(1, SUBMITS + 1, BATCH):
        data = b"".join(with_body(CommandId.submit_sm, first + offset, body) for offset in range(BATCH))
        clock.rightNow += 0.02
        begun = time.perf_counter()
        protocol.dataReceived(data)
        smsc.tick()
        spent += time.perf_counter() - begun
        headers = [header(octets) for octets in Framer().feed(wire.take())]
        data = b"".join(bare(CommandId.deliver_sm_resp, h[2]) for h in headers if h[0] == CommandId.deliver_sm)
        if data:
            begun = time.perf_counter()
            protocol.dataReceived(data)
            spent += time.perf_counter() - begun
    assert smsc.counts.taken == SUBMITS and smsc.counts.acknowledged > 0.8 * SUBMITS, smsc.counts
    return spent / SUBMITS


def per_call(call: Callable[[], Any]) -> float:
    """Seconds a call takes: the best of five rounds of 2,000."""
    best = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(2000):
            call()
        best = min(best, (time.perf_counter() - begun) / 2000)
    return best


def codec() -> None:
    submit = PDU(CommandId.submit_sm, 0, 1, FIELDS)
    submit_octets, receipt_octets = encode(submit), encode(RECEIPT)
    ours = {
        "encode submit_sm": per_call(lambda: encode(submit)),
        "decode deliver_sm": per_call(lambda: decode(receipt_octets)),
    }
    theirs = {}
    try:
        from smpp.pdu.pdu_encoding import PDUEncoder  # noqa: PLC0415 — an extra of the tests, may be missing
    except ImportError:
        print("smpp.pdu3 is not installed: no comparison")
    else:
        encoder = PDUEncoder()
        their_submit = encoder.decode(io.BytesIO(submit_octets))
        theirs = {
            "encode submit_sm": per_call(lambda: encoder.encode(their_submit)),
            "decode deliver_sm": per_call(lambda: encoder.decode(io.BytesIO(receipt_octets))),
        }
    for name, seconds in ours.items():
        beside = f"   smpp.pdu3 {theirs[name] * 1e6:7.1f} us   ratio {theirs[name] / seconds:5.1f}" if theirs else ""
        print(f"{name:44} {seconds * 1e6:7.1f} us{beside}")


def main() -> None:
    for name, behaviour in (
        ("submit + response + receipt", Behaviour(receipt_delay=0.0)),
        ("the same, receipts 1 s later", Behaviour(receipt_delay=1.0)),
        ("the same, with chance and UUIDs", Behaviour(receipt_delay=1.0, failure_share=0.1, id_form="uuid")),
    ):
        seconds = submits_and_receipts(behaviour)
        print(f"{name:44} {seconds * 1e6:7.1f} us   {1 / seconds:9,.0f} a second")
    codec()


if __name__ == "__main__":
    main()

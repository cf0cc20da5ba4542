"""An ESME of a few lines in front of the simulated SMSC, in memory: a Clock, no sockets."""

import re
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.protocol import SMSCProtocol
from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp.constants import RESPONSE, CommandId
from smsconnector.smpp.pdu import PDU, Framer, bare, decode, encode

TRANSCEIVER, TRANSMITTER, RECEIVER = CommandId.bind_transceiver, CommandId.bind_transmitter, CommandId.bind_receiver
SUBMIT_SM_RESP, DELIVER_SM = CommandId.submit_sm_resp, CommandId.deliver_sm
RECEIPT = re.compile(
    r"id:(\S+) sub:001 dlvrd:(\d{3}) submit date:(\d{10}) done date:(\d{10}) stat:(\w+) err:(\d{3}) text:(.*)"
)


class ESME:
    """The other side: sends PDUs, collects what comes back."""

    def __init__(self, smsc: SMSC, bind: int | None = TRANSCEIVER, system_id: str = "connector") -> None:
        self.protocol: SMSCProtocol = smsc.buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)
        self._sequence = 0
        if bind is not None:
            self.bind(bind, system_id)

    def send(self, command_id: int, fields: dict[str, Any] | None = None, tlvs: Any = (), sequence: int = 0) -> int:
        self._sequence += 1
        sequence = sequence or self._sequence
        self.protocol.dataReceived(encode(PDU(command_id, 0, sequence, fields or {}, list(tlvs))))
        return sequence

    def received(self) -> list[PDU]:
        """What has come since the last look."""
        pdus = Framer().feed(self.transport.value())
        self.transport.clear()
        return [decode(octets) for octets in pdus]

    def bind(self, command_id: int = TRANSCEIVER, system_id: str = "connector", password: str = "secret") -> PDU:
        """Bind; the response, which is the first thing that comes. The rest stays for ``received``."""
        self.send(command_id, {"system_id": system_id, "password": password, "interface_version": 0x34})
        first, *rest = self.received()
        self.transport.write(b"".join(encode(pdu) for pdu in rest))
        return first

    def submit(self, text: bytes = b"hello", registered_delivery: int = 1, **fields: Any) -> int:
        plain: dict[str, Any] = {"source_addr": "12345", "destination_addr": "923001234567"}
        plain |= {"short_message": text, "registered_delivery": registered_delivery}
        return self.send(CommandId.submit_sm, plain | fields)

    def acknowledge(self, pdu: PDU, status: int = 0) -> None:
        self.protocol.dataReceived(bare(pdu.command_id | RESPONSE, pdu.sequence_number, status))

    def lose(self) -> None:
        self.protocol.connectionLost(connectionDone)


class SimulatorTestCase(SynchronousTestCase):
    """A Clock, and SMSCs on it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)  # 2023-11-14 22:13:20

    def smsc(self, **behaviour: Any) -> SMSC:
        smsc = SMSC(self.clock, Behaviour(**behaviour))
        smsc.doStart()
        self.addCleanup(smsc.doStop)
        return smsc

    def texts(self, pdus: list[PDU]) -> list[str]:
        """The short_messages of the deliver_sm among them."""
        return [pdu.fields["short_message"].decode() for pdu in pdus if pdu.command_id == DELIVER_SM]

    def stats(self, pdus: list[PDU]) -> list[str]:
        return [RECEIPT.fullmatch(text)[5] for text in self.texts(pdus)]  # type: ignore[index]

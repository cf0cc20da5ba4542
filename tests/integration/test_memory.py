"""How much memory the process takes at most, measured by the kernel: VmHWM of /proc/PID/status (proc(5))."""

import re
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import RESPONSE, CommandId, Tag
from smsconnector.smpp.pdu import PDU, Framer
from tests.integration.activemq import free_port
from tests.integration.stack import Connector, until

reactor: Any = _reactor
COUNT = 2_500
MOST = 350  # MiB; 1,450 were measured when only their number was bounded


def deliver_sm(number: int) -> bytes:
    """A text of 30,000 Arabic characters, in message_payload (SMPP 3.4 section 5.3.2.32)."""
    fields = {"source_addr": f"9230{number:08}", "destination_addr": "8228", "data_coding": 8}
    text = f"{number:05}" + "\u0627" * 29_995
    return codec.encode(PDU(CommandId.deliver_sm, 0, number, fields, [(Tag.message_payload, text.encode("utf-16-be"))]))


class Flood(Protocol):
    """An SMSC that sends all it has as soon as it is bound, and counts the answers."""

    transport: Any

    def __init__(self, seen: list[int]) -> None:
        self._seen, self._framer = seen, Framer()

    def dataReceived(self, data: bytes) -> None:
        for octets in self._framer.feed(data):
            command_id, status, sequence = codec.header(octets)
            if command_id == CommandId.bind_transceiver:
                self.transport.write(codec.encode(PDU(command_id | RESPONSE, 0, sequence, {"system_id": "flood"})))
                self._next = 1
                self.transport.registerProducer(self, False)
            elif command_id == CommandId.deliver_sm | RESPONSE:
                self._seen.append(status)
            elif command_id == CommandId.enquire_link:
                self.transport.write(codec.bare(command_id | RESPONSE, sequence))

    def resumeProducing(self) -> None:
        if self._next > COUNT:
            self.transport.unregisterProducer()
            return
        self.transport.write(deliver_sm(self._next))
        self._next += 1

    def stopProducing(self) -> None: ...


class MemoryCase(TestCase):
    timeout = 180

    @inlineCallbacks
    def test_long_texts(self) -> Any:
        """Thousands of the longest texts at once, the broker away: each is taken, and memory stays bounded."""
        seen: list[int] = []
        factory = Factory.forProtocol(lambda: Flood(seen))
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        connector = Connector([port.getHost().port], f"tcp://127.0.0.1:{free_port()}")
        self.addCleanup(connector.close)
        yield connector.start()
        yield until(lambda: len(seen) == COUNT, 120.0)
        self.assertEqual(set(seen), {0})
        assert connector.process is not None
        status = Path(f"/proc/{connector.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        peak = int(found[1]) // 1024
        self.assertLess(peak, MOST, "MiB")

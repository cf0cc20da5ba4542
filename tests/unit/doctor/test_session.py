"""The visit, in memory, to the simulated SMSC."""

import dataclasses
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.smpp.settings import BindSection
from smsconnector.doctor import findings
from smsconnector.doctor.evidence import Evidence
from smsconnector.doctor.plan import Plan
from smsconnector.doctor.rendering import render_report
from smsconnector.doctor.session import Visit
from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import CommandId, Status, Tag
from smsconnector.smpp.pdu import PDU
from tests.unit.channels.smpp.test_channel import Wires
from tests.unit.doctor.cases import BIND, HEX, NOW, NUMBER


@dataclasses.dataclass
class Endpoint:
    """One whose attempt is what the test makes of it."""

    attempt: "Deferred[Any]"

    def connect(self, _factory: Any) -> "Deferred[Any]":
        return self.attempt


class VisitCase(SynchronousTestCase):
    """The walk, on a Clock, against the simulated SMSC."""

    def visit(
        self, numbers: tuple[str, ...] = (NUMBER,), wait: float = 15.0, bind: BindSection = BIND, **behaviour: Any
    ) -> Evidence:
        self.begin(numbers, wait, bind, **behaviour)
        self.turn(60)
        self.assertTrue(self.ended, "the visit did not end in its time")
        return self.found.evidence

    def begin(
        self,
        numbers: tuple[str, ...] = (NUMBER,),
        wait: float = 15.0,
        bind: BindSection = BIND,
        endpoint: Any = None,
        **behaviour: Any,
    ) -> None:
        self.clock = Clock()
        self.smsc = SMSC(self.clock, Behaviour(**behaviour))
        self.smsc.startFactory()
        self.addCleanup(self.smsc.stopFactory)
        self.wires = Wires(self.smsc)
        self.said: list[str] = []
        self.ended: list[Any] = []
        self.plan = Plan(bind, numbers, wait, "channels.smpp.binds, a")
        self.found = Visit(self.clock, lambda: endpoint or self.wires, self.plan, self.said.append)
        self.found.visit().addBoth(self.ended.append)

    def turn(self, seconds: float) -> None:
        """Let time pass in small steps, and octets with it, until the visit ends."""
        for _ in range(int(seconds / 0.05)):
            self.wires.pump()
            if self.ended:
                break
            self.clock.advance(0.05)

    def table(self) -> str:
        """The report, every line of it without the blanks around."""
        return "\n".join(line.strip() for line in render_report(self.found.evidence, self.plan, NOW))

    def test_nothing_is_sent_unasked(self) -> None:
        """Connect, bind, enquire_link, unbind; the SMSC is left without a session and without a text."""
        found = self.visit(numbers=(), name="carrier", interface_version="5.0")
        self.assertEqual((self.smsc.counts.submits, self.smsc.counts.binds, self.wires.pairs), (0, 1, []))
        (line,) = found.probes
        self.assertEqual((line.bound, line.smsc, line.version, line.ended), (True, "carrier", 0x50, "unbound"))
        self.assertIsNotNone(line.link_took)
        self.assertIn("carrier, SMPP 5.0", self.table())
        self.assertEqual(self.ended, [None])

    def test_all_is_well(self) -> None:
        """Every form is taken, each receipt comes, the handset answers: it ends before the wait does."""
        found = self.visit(receipt_delay=2.0, response_delay=0.1, echo=True, congestion_state=30)
        self.assertEqual({trial.status for trial in found.trials}, {0})
        self.assertEqual((len(found.receipts), findings.receipts_missing(found), found.handed_back), (8, 0, 0))
        self.assertEqual(self.smsc.counts.refused_for_good, 0)
        self.assertLess(self.clock.seconds(), 10)
        table = self.table()
        for words in (
            "8 sent, 8 taken",
            "congestion_state up to 30 %",
            "decimal (1)",
            "the same as in the response",
            "marked in esm_class",
            "gsm7: by the text that",
            "needs no change",
        ):
            self.assertIn(words, table)
        self.assertIn("8 submit_sm", self.said[0])

    def test_a_carrier_of_its_own_kind(self) -> None:
        """One that takes two forms, reads Latin-1, and writes ids in two notations: the lines to configure."""
        self.visit(
            long_messages="sar,payload",
            default_alphabet="latin1",
            receipt_readable=True,
            first_id=0xABCDE,
            id_form="hex-response-decimal-receipt",
            receipt_mark=False,
            receipt_tlvs=False,
            receipt_payload=True,
        )
        table = self.table()
        self.assertRegex(table, r"udh8 +refused: ESME_RINVESMCLASS")
        self.assertRegex(table, r"sar +taken, receipts 2 of 2")
        for words in (
            f"decimal (703710); the same number: {HEX}",
            "not marked in esm_class",
            "no TLVs",
            "text in message_payload",
            "alphabet: latin1\nlong_messages: sar",
        ):
            self.assertIn(words, table)

    def test_a_connector_beside_it_loses_nothing(self) -> None:
        """Receipts and texts of others are handed back, and are all there for the next session."""
        self.begin(wait=3.0, redelivery_delay=0.5)
        for text in ("Hello", "I have a question"):
            self.smsc.send_mo("4915112345678", "8228", text, "me")
        self.turn(30)
        self.assertEqual(self.found.evidence.handed_back, 2)
        self.assertEqual(self.smsc.counts.acknowledged, 8)
        self.clock.advance(1)
        self.assertEqual(len(self.smsc.accounts["me"].waiting), 2)
        self.assertIn("2 receipts or texts that are not of this test", self.table())

    def test_receipt_before_the_response(self) -> None:
        """Is ours, and not handed back."""
        found = self.visit(wait=2.0, receipt_before_response_share=1.0)
        self.assertEqual((len(found.receipts), found.handed_back), (8, 0))

    def test_no_receipts(self) -> None:
        """It waits as long as was asked for, and says how many are missing."""
        self.visit(wait=4.0, lost_receipt_share=1.0)
        self.assertTrue(4.0 <= self.clock.seconds() < 6.0, self.clock.seconds())
        self.assertRegex(self.table(), r"missing +8 final receipts within 4 s")

    def test_no_responses(self) -> None:
        """An SMSC that answers no submit is left alone after a few."""
        found = self.visit(wait=2.0, lost_response_share=1.0)
        self.assertEqual([bool(trial.sent_at is not None) for trial in found.trials], [True] * 3 + [False] * 5)
        self.assertIn("no response in 2 s", self.table())
        self.assertIn("not tried", self.table())

    def test_throttled(self) -> None:
        """Throttling says nothing about a form: it is tried again, and an operator told about the rate."""
        found = self.visit(throughput=1.0)
        self.assertEqual({trial.status for trial in found.trials}, {0})
        self.assertGreater(found.throttled, 2)
        self.assertIn("set\nthroughput to that", self.table())

    def test_configured_throughput(self) -> None:
        """Is kept: two a second."""
        found = self.visit(bind=BIND.model_copy(update={"throughput": 2.0}), throughput=2.0)
        self.assertEqual(found.throttled, 0)
        sent = [trial.sent_at for trial in found.trials]
        assert sent[0] is not None and sent[-1] is not None
        self.assertGreaterEqual(sent[-1] - sent[0], 3.0)

    def test_refused(self) -> None:
        """The bind: why, and what to do; the other system_id's session is not touched."""
        found = self.visit(password="other", numbers=(NUMBER,))
        self.assertEqual((found.bound, found.trials, self.wires.pairs), (False, [], []))
        self.assertIn("ESME_RINVPASWD (invalid password)", self.table())
        self.assertNotIn("secret", self.table())

    def test_connection_refused(self) -> None:
        """No connection is an answer too."""
        self.begin((), endpoint=Endpoint(fail(error.ConnectionRefusedError())))
        self.assertEqual((self.ended, self.found.evidence.bound), ([None], False))
        self.assertIn("refuses connections to port 2775", self.table())

    def test_dropped_in_the_middle(self) -> None:
        """What was seen before is told; the bind had come up."""
        found = self.visit(drop_connection_every=3)
        self.assertTrue(found.bound)
        self.assertIn("ended early", self.table())
        self.assertIn("no response: the SMSC closed the connection", self.table())

    def test_pair(self) -> None:
        """A transmitter and a receiver: texts by the one, receipts by the other."""
        found = self.visit(bind=BIND.model_copy(update={"mode": "pair"}), wait=3.0)
        self.assertEqual([line.mode for line in found.probes], ["transmitter", "receiver"])
        self.assertEqual((len(found.receipts), self.smsc.counts.binds), (8, 2))
        self.assertTrue(all(line.link_took is not None for line in found.probes))

    def test_half_a_pair(self) -> None:
        """Where the one is refused, the other is not tried: its refusal would be the same, and count at the SMSC."""
        found = self.visit(bind=BIND.model_copy(update={"mode": "pair"}), password="other")
        self.assertEqual([line.status for line in found.probes], [Status.ESME_RINVPASWD])

    def test_two_numbers(self) -> None:
        """Each gets everything, and no other number anything."""
        self.visit(numbers=(NUMBER, "4915112345678"), wait=2.0)
        self.assertEqual({entry.destination for entry in self.smsc.ledger}, {NUMBER, "4915112345678"})
        self.assertEqual(len(self.smsc.ledger), 16)

    def test_stop(self) -> None:
        """At any moment: unbind, and the table of what was seen until then."""
        for passed in (0.0, 0.1, 0.5, 2.0):
            self.begin(lost_receipt_share=1.0, response_delay=0.1)
            self.turn(passed)
            self.found.stop()
            self.turn(5)
            self.assertEqual((self.ended, self.wires.pairs), ([None], []), passed)
            self.assertIn("interrupted", self.table())

    def test_stop_while_connecting(self) -> None:
        """The attempt is given up."""
        self.begin((), endpoint=Endpoint(Deferred()))
        self.assertEqual(self.ended, [])
        self.found.stop()
        self.assertEqual(self.ended, [None])
        self.assertFalse(self.found.evidence.bound)

    def silence(self) -> None:
        """From now on the SMSC answers nothing, and does not even close."""
        self.wires.pump = lambda: None  # type: ignore[method-assign]
        self.turn(60)
        self.assertEqual(self.ended, [None])

    def test_silence_to_the_bind(self) -> None:
        """No session."""
        self.begin(())
        self.silence()
        self.assertFalse(self.found.evidence.bound)
        self.assertIn("no answer to the bind within 10 s", self.table())

    def test_silence_to_enquire_link_and_unbind(self) -> None:
        """An SMSC that says nothing any more does not keep it."""
        self.begin(())
        near, far = self.wires.pairs[0]
        far.dataReceived(near.transport.value())
        near.transport.clear()
        near.dataReceived(far.transport.value())
        self.silence()
        self.assertRegex(self.table(), "enquire_link +no answer")

    def test_tags_are_not_in_the_way(self) -> None:
        """What the bind adds to each submit goes with the doctor's too."""
        seen: list[PDU] = []
        bind = BIND.model_copy(update={"tlvs": {"0x1400": "x"}, "service_type": "CMT"})
        self.begin(wait=1.0, bind=bind)
        far = self.wires.pairs[0][1]
        receive = far.dataReceived

        def look(data: bytes) -> None:
            seen.extend(codec.decode(octets) for octets in codec.Framer().feed(data))
            receive(data)

        far.dataReceived = look
        self.turn(20)
        submits = [pdu for pdu in seen if pdu.command_id == CommandId.submit_sm]
        self.assertEqual(len(submits), 8)
        self.assertEqual({(pdu.fields["service_type"], pdu.tlv(0x1400)) for pdu in submits}, {("CMT", b"x")})
        payload = [pdu for pdu in submits if pdu.tlv(Tag.message_payload)]
        self.assertEqual(len(payload), 1)

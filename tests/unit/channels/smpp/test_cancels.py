"""cancel_sm: what the channel asks of the SMSC, with the simulated one at the other end."""

from dataclasses import replace
from typing import Any

from smpp.pdu import operations, pdu_types
from smpp.pdu.pdu_encoding import PDUEncoder
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels import TakeBack, TakeBackAnswer, TakenSegment
from smsconnector.channels.smpp.bind import Bind, BindSettings
from smsconnector.net.link import BackOff
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import CommandId, Status
from smsconnector.smpp.session import SessionSettings
from smsconnector.smpp.submit import SubmitRenderer, SubmitSettings
from tests.unit.channels.smpp.test_channel import ChannelCase, segment

OK, SILENT = TakeBackAnswer(TakeBack.ACCEPTED), TakeBackAnswer(TakeBack.SILENT)
TO = "923001234567"


class BodyCase(SynchronousTestCase):
    def test_octets(self) -> None:
        """As the independent codec writes it: service_type, message_id, both addresses as they were submitted."""
        renderer = SubmitRenderer(SubmitSettings(source="Example", service_type="CMT"))
        body = renderer.cancel_body("a1f", None, TO)
        theirs = operations.CancelSM(
            seqNum=7,
            service_type=b"CMT",
            message_id=b"a1f",
            source_addr_ton=pdu_types.AddrTon.ALPHANUMERIC,
            source_addr_npi=pdu_types.AddrNpi.UNKNOWN,
            source_addr=b"Example",
            dest_addr_ton=pdu_types.AddrTon.INTERNATIONAL,
            dest_addr_npi=pdu_types.AddrNpi.ISDN,
            destination_addr=TO.encode(),
        )
        self.assertEqual(codec.with_body(CommandId.cancel_sm, 7, body), PDUEncoder().encode(theirs))

    def test_never_without_an_id(self) -> None:
        """That would take back all messages between two numbers."""
        for message_id in ("", "\0"):
            with self.assertRaises(ValueError):
                SubmitRenderer(SubmitSettings()).cancel_body(message_id, "8228", TO)


class TakeBackCase(ChannelCase):
    def build(self, submit: SubmitSettings | None = None, **behaviour: Any) -> None:
        super().build(submit, **({"receipt_delay": 60.0} | behaviour))
        self.bind.settings = replace(self.bind.settings, cancel_sm=True)

    def taken(self, *numbers: int, account: str = "me@smsc") -> list[TakenSegment]:
        """Submitted and taken."""
        self.route.submit([segment(number) for number in numbers])
        self.turn(0.1)
        return [TakenSegment(account, "a", one.smsc_id or "", None, TO) for one in self.owner.answers]

    def ask(self, segments: list[TakenSegment], seconds: float = 0.2) -> list[list[TakeBackAnswer]]:
        told: list[list[TakeBackAnswer]] = []
        self.channel.take_back(segments, told.append)
        self.turn(seconds)
        return told

    def test_taken_back(self) -> None:
        """Each segment once; the receipts say DELETED. Asked again the SMSC refuses."""
        self.build(SubmitSettings(source="8228"))
        segments = self.taken(1, 2)
        self.assertEqual(self.ask(segments), [[OK, OK]])
        self.assertEqual([one.status for one in self.owner.items], ["DELETED", "DELETED"])  # type: ignore[union-attr]
        refused = TakeBackAnswer(TakeBack.REFUSED, Status.ESME_RCANCELFAIL)
        self.assertEqual(self.ask(segments), [[refused, refused]])

    def test_refused(self) -> None:
        """An id that the SMSC does not know; one that is delivered, while another is taken back."""
        self.build(receipt_delay=2.0)
        (one,) = self.taken(1)
        unknown = TakeBackAnswer(TakeBack.REFUSED, Status.ESME_RINVMSGID)
        self.assertEqual(self.ask([one._replace(smsc_id="99"), one]), [[unknown, OK]])

    def test_not_asked(self) -> None:
        """Without an id, of another account, where it is not allowed, where the bind is down: nothing is sent."""
        self.build()
        (one,) = self.taken(1)
        for asked, what in (
            (one._replace(smsc_id=""), TakeBack.NOT_ASKED),
            (one._replace(account="other"), TakeBack.NOT_ALLOWED),
        ):
            ((answer,),) = self.ask([one, asked])
            self.assertEqual(answer.what, what)
        self.bind.settings = replace(self.bind.settings, cancel_sm=False)
        self.assertEqual(self.ask([one]), [[TakeBackAnswer(TakeBack.NOT_ALLOWED)]])
        self.bind.settings = replace(self.bind.settings, cancel_sm=True)
        self.wires.refuse = True
        self.wires.cut()
        ((answer,),) = self.ask([one])
        self.assertEqual(answer.what, TakeBack.NOT_ASKED)
        self.assertIn("up", answer.why)

    def test_session_lost(self) -> None:
        """In between: nothing is known."""
        self.build()
        (one,) = self.taken(1)
        told: list[Any] = []
        self.channel.take_back([one], told.append)
        self.wires.cut()
        self.assertEqual(told, [[SILENT]])

    def test_no_response(self) -> None:
        """After response_timeout nothing is known; what comes later changes nothing."""
        self.build()
        (one,) = self.taken(1)
        self.patch(type(self.wires.pairs[0][1]), "_cancel_sm", lambda *_: None)
        self.patch(self.smsc, "take_back", lambda *_: Status.ESME_ROK)
        near = self.wires.pairs[0][0]
        told: list[Any] = []
        self.channel.take_back([one], told.append)
        near.transport.clear()  # it never arrives
        self.turn(29.0)
        self.assertEqual(told, [])
        self.turn(1.5)
        self.assertEqual(told, [[SILENT]])

    def test_too_many(self) -> None:
        """As many as the window has places are under way, and no more."""
        self.build()
        (one,) = self.taken(1)
        told: list[list[TakeBackAnswer]] = []
        for _ in range(self.window + 1):
            self.channel.take_back([one], told.append)
        ((answer,),) = told
        self.assertEqual(answer.what, TakeBack.NOT_ASKED)
        self.assertEqual(self.bind.room, self.window)

    def test_two_binds(self) -> None:
        """Parts that went by two binds of an account: each is asked for on its own. If one of them is lost meanwhile,
        it is known of the other."""
        self.build()
        settings = replace(self.bind.settings, name="b")
        second = Bind(self.clock, self.wires, settings, self.channel, BackOff())  # type: ignore[arg-type]
        one, two = self.taken(1, 2)
        self.channel.add(second)
        self.turn(0.1)
        told: list[Any] = []
        self.channel.take_back([one, two._replace(bind="b")], told.append)
        self.wires.cut(self.wires.pairs[1])
        self.assertEqual(told, [])
        self.turn(0.1)
        self.assertEqual(told, [[OK, SILENT]])

    def test_another_bind(self) -> None:
        """Of the same account, where the first is down or does not allow it; the addresses are the first one's."""
        self.build(SubmitSettings(source="8228", source_ton=6))
        session = SessionSettings("me", "secret", window=5)
        settings = BindSettings("b", "me@smsc", session, SubmitSettings(source="other"), cancel_sm=True)
        second = Bind(self.clock, self.wires, settings, self.channel, BackOff())  # type: ignore[arg-type]
        (one,) = self.taken(1)
        self.channel.add(second)
        self.turn(0.1)
        self.bind.settings = replace(self.bind.settings, cancel_sm=False)
        self.assertEqual(self.ask([one]), [[OK]])

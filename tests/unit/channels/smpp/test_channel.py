"""The SMPP channel and its binds, with the simulated SMSC at the other end of transports in memory."""

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.smpp import unanswered
from smsconnector.channels.smpp.bind import Bind, BindSettings
from smsconnector.channels.smpp.channel import SMPPChannel
from smsconnector.errors import StoreUnavailable
from smsconnector.messages import Finality, IncomingSegment, Outcome, Receipt, Segment, Verdict
from smsconnector.net.link import BackOff
from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import CommandId, Status
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.session import SessionSettings
from smsconnector.smpp.submit import SubmitSettings
from smsconnector.sms.user_data import join
from smsconnector.wall_clock import WallClock
from tests.recorded_log import RecordedLog
from tests.unit.fakes import EPOCH, AgainMixin


class Wire(StringTransport):
    """One end of a connection: what is written comes out at the other end when the test pumps."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def loseConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.disconnecting = self.aborted = True


class Wires:
    """An endpoint whose connections lead to the SMSC; ``pump`` carries octets until both are silent."""

    def __init__(self, smsc: SMSC) -> None:
        self.smsc = smsc
        self.pairs: list[tuple[Any, Any]] = []
        self.refuse = False
        self.attempts = 0

    def connect(self, factory: Any) -> "Deferred[Any]":
        self.attempts += 1
        if self.refuse:
            failed: Deferred[Any] = Deferred()
            failed.errback(ConnectionRefusedError())
            return failed
        near, far = factory.buildProtocol(None), self.smsc.buildProtocol(None)
        self.pairs.append((near, far))
        far.makeConnection(Wire())
        near.makeConnection(Wire())
        return succeed(near)

    def pump(self) -> None:
        moved = True
        while moved:
            moved = False
            for pair in list(self.pairs):
                for source, target in (pair, pair[::-1]):
                    data = source.transport.value()
                    if data:
                        source.transport.clear()
                        target.dataReceived(data)
                        moved = True
                if pair in self.pairs and any(one.transport.disconnecting for one in pair):
                    self.cut(pair)
                    moved = True

    def cut(self, pair: Any = None) -> None:
        pair = pair or self.pairs[0]
        self.pairs.remove(pair)
        for one in pair:
            one.connectionLost(Failure(ConnectionDone()))


class Mute(Protocol):
    """Takes a connection, and says nothing by itself."""


class Owner(AgainMixin):
    """What the channel calls; keeps everything."""

    channel: Any

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Outcome] = []
        self.late_ones: list[Outcome] = []
        self.items: list[Receipt | IncomingSegment] = []
        self.dones: list[Any] = []
        self.error: Any = None
        self.hold = False

    def outcomes(self, outcomes: list[Outcome]) -> None:
        self.answers += outcomes

    def late(self, outcome: Outcome) -> None:
        self.late_ones.append(outcome)

    def room(self) -> None:
        if self.again:
            self.send_again(self.channel)

    def received(self, items: Any, done: Any) -> None:
        self.items += items
        if self.hold:
            self.dones.append(done)
        else:
            done(self.error)


def segment(number: int = 1, text: str = "hello", **more: Any) -> Segment:
    return Segment(number, 1, 1, text, more.pop("alphabet", "gsm7"), None, "923001234567", 0, **more)


class ChannelCase(SynchronousTestCase):
    window = 10

    def build(self, submit: SubmitSettings | None = None, **behaviour: Any) -> None:
        self.clock = Clock()
        self.smsc = SMSC(self.clock, Behaviour(**({"receipt_delay": 1.0} | behaviour)))
        self.smsc.startFactory()
        self.addCleanup(self.smsc.stopFactory)
        self.wires = Wires(self.smsc)
        self.owner = Owner()
        self.channel = SMPPChannel(
            "smpp", WallClock(lambda: EPOCH + self.clock.seconds()), self.owner, lambda prefix, route: self.owner
        )
        session = SessionSettings("me", "secret", window=self.window)
        settings = BindSettings("a", "me@smsc", session, submit or SubmitSettings())
        self.bind = Bind(self.clock, self.wires, settings, self.channel, BackOff())  # type: ignore[arg-type]
        self.channel.add(self.bind)
        self.route = self.channel.routes[""]
        self.owner.channel = self.route
        self.said = RecordedLog(self).lines
        self.channel.startService()
        self.turn()

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass in small steps, and octets with it."""
        self.wires.pump()
        for _ in range(max(1, int(seconds / 0.05))):
            self.clock.advance(0.05 if seconds else 0)
            self.wires.pump()


class SubmitCase(ChannelCase):
    def test_accepted(self) -> None:
        """A submit's response is an outcome with the SMSC's id, on the bind's account."""
        self.build()
        self.route.submit([segment()])
        self.turn(0.1)
        (outcome,) = self.owner.answers
        self.assertEqual((outcome.verdict, outcome.smsc_id, outcome.account), (Verdict.ACCEPTED, "1", "me@smsc"))

    def test_refusals_are_told(self) -> None:
        """The log has a line for the first refusal of a kind, one a minute for those after it, and one when it is
        over."""
        self.build(refuse_share=1.0)
        for number in range(30):
            self.route.submit([segment(number)])
            self.turn(0.1)
        self.turn(120)
        kind = "bind smpp/a: submit_sm answered with ESME_RINVDSTADR (invalid destination address)"
        self.assertEqual(
            [line for line in self.said if "RINVDSTADR" in line],
            [
                f"{kind}, to ***567",
                f"{kind}: 29 more in the last minute, to ***567",
                f"{kind}: none in the last minute, 30 before that",
            ],
        )

    def test_receipt(self) -> None:
        """Its receipt comes as a Receipt that names the id, the number and the code."""
        self.build()
        self.route.submit([segment()])
        self.turn(2)
        (receipt,) = self.owner.items
        assert isinstance(receipt, Receipt)
        self.assertEqual(
            (receipt.smsc_id, receipt.finality, receipt.code, receipt.destination),
            ("1", Finality.DELIVERED, "000", "923001234567"),
        )

    def test_capacity_is_the_window(self) -> None:
        """No more than the window is under way, and none before the bind is good."""
        self.build(response_delay=1.0)
        self.assertEqual(self.route.capacity(), 10)
        self.route.submit([segment(number) for number in range(10)])
        self.assertEqual(self.route.capacity(), 0)
        self.turn(1.2)
        self.assertEqual(self.route.capacity(), 10)

    def test_one_write_a_turn(self) -> None:
        """Ten submits of one turn are one write."""
        self.build()
        writes: list[bytes] = []
        near = self.wires.pairs[0][0]
        self.patch(near.transport, "write", writes.append)
        self.route.submit([segment(number) for number in range(10)])
        self.assertEqual(len(writes), 1)

    def test_refused(self) -> None:
        """A permanent refusal is one, with the number of its command_status."""
        self.build(refuse_share=1.0)
        self.route.submit([segment()])
        self.turn(0.1)
        (outcome,) = self.owner.answers
        self.assertEqual((outcome.verdict, outcome.code), (Verdict.REFUSED, Status.ESME_RINVDSTADR))

    def test_throttled(self) -> None:
        """Throttled submits are no outcomes: they are sent again, in order, until the SMSC takes them."""
        self.build(throttle_share=0.3, seed=7)
        for first in range(0, 40, 10):
            self.owner.throttled(segment(number) for number in range(first, first + 10))
            self.owner.room()
            self.turn(20)
        self.assertEqual({outcome.verdict for outcome in self.owner.answers}, {Verdict.ACCEPTED})
        self.assertEqual(len(self.owner.answers), 40)
        self.assertGreater(self.smsc.counts.throttled, 5)

    def test_no_receipts_asked_for(self) -> None:
        """registered_delivery none: taken is the end."""
        self.build(SubmitSettings(registered_delivery=0))
        self.route.submit([segment()])
        self.turn(3)
        self.assertEqual([one.verdict for one in self.owner.answers], [Verdict.DONE])
        self.assertEqual(self.owner.items, [])

    def test_lost_connection(self) -> None:
        """What was under way has an unknown outcome, each once; the bind comes back by itself."""
        self.build(response_delay=5.0)
        self.route.submit([segment(1), segment(2)])
        self.turn(0.1)
        self.wires.cut()
        self.assertEqual([one.verdict for one in self.owner.answers], [Verdict.UNKNOWN] * 2)
        self.assertEqual(self.route.capacity(), 0)
        self.turn(2)
        self.assertEqual(self.route.capacity(), 10)

    def test_lost_response(self) -> None:
        """A response that never comes frees its slot after the time-out; the outcome is unknown."""
        self.build(lost_response_share=1.0)
        self.route.submit([segment()])
        self.turn(31)
        self.assertEqual([one.verdict for one in self.owner.answers], [Verdict.UNKNOWN])
        self.assertEqual(self.route.capacity(), 10)

    def test_late_response(self) -> None:
        """The outcome was unknown; that it was taken is told when it is."""
        self.build(response_delay=40.0)
        self.route.submit([segment()])
        self.turn(41)
        self.assertEqual([one.verdict for one in self.owner.answers], [Verdict.UNKNOWN])
        self.assertEqual([(one.verdict, one.smsc_id) for one in self.owner.late_ones], [(Verdict.ACCEPTED, "1")])


class ReceiveCase(ChannelCase):
    def test_acknowledged_after_the_commit(self) -> None:
        """Law 1: deliver_sm_resp only when it is on disk."""
        self.build()
        self.owner.hold = True
        self.smsc.send_mo("923001234567", "8228", "hi")
        self.turn(0.2)
        self.assertEqual((len(self.owner.dones), self.smsc.counts.acknowledged), (1, 0))
        self.owner.dones[0](None)
        self.turn(0.2)
        self.assertEqual(self.smsc.counts.acknowledged, 1)

    def test_store_fails(self) -> None:
        """ESME_RX_T_APPN when it can't be written: the SMSC tries again, and then it is taken."""
        self.build()
        self.owner.error = StoreUnavailable("full")
        self.smsc.send_mo("923001234567", "8228", "hi")
        self.turn(0.2)
        self.assertEqual(self.smsc.counts.acknowledged, 0)
        self.owner.error = None
        self.turn(5)
        self.assertEqual(self.smsc.counts.acknowledged, 1)

    def test_disk_falls_behind(self) -> None:
        """While too much waits for the disk nothing more is read, and that alone ends no connection."""
        self.patch(unanswered, "UNANSWERED_LIMIT", 2)
        self.build()
        self.owner.hold = True
        for number in range(3):
            self.smsc.send_mo("923001234567", "8228", str(number))
        self.turn(0.2)
        near = self.wires.pairs[0][0]
        self.assertEqual(near.transport.producerState, "paused")
        self.turn(100)
        for done in self.owner.dones:
            done(None)
        self.turn(0.2)
        self.assertEqual((near.transport.producerState, self.smsc.counts.acknowledged), ("producing", 3))
        self.assertTrue(self.bind.bound)

    def test_long_texts_fall_behind(self) -> None:
        """Few long texts are too much as well: octets count, not only their number."""
        self.patch(unanswered, "UNANSWERED_OCTETS", 250)
        self.build()
        self.owner.hold = True
        near = self.wires.pairs[0][0]
        for number in range(3):
            self.assertEqual(near.transport.producerState, "producing", number)
            self.smsc.send_mo("923001234567", "8228", "x" * 100)
            self.turn(0.2)
        self.assertEqual(near.transport.producerState, "paused")
        for done in self.owner.dones[:1]:
            done(None)
        self.assertEqual(near.transport.producerState, "producing")

    def test_peer_does_not_read(self) -> None:
        """A peer that sends and never reads is not read from, and dropped in bounded time."""
        self.build()
        near = self.wires.pairs[0][0]
        near.transport.producer.pauseProducing()
        self.assertEqual(near.transport.producerState, "paused")
        self.turn(10)
        near.transport.producer.resumeProducing()
        self.assertEqual(near.transport.producerState, "producing")
        near.transport.producer.pauseProducing()
        self.turn(31)
        self.assertTrue(near.transport.aborted)

    def test_version_without_tlvs(self) -> None:
        """What the configuration says is sent, for the SMSC may understand more than its version; the log says so."""
        for form, version, is_told in (("sar", "3.3", True), ("udh8", "3.3", False), ("sar", "3.4", False)):
            self.build(SubmitSettings(form=form), interface_version=version)
            self.assertEqual(any("has no TLVs" in line for line in self.said), is_told, (form, version))

    def test_long_text(self) -> None:
        """The parts of a long text carry their place; joined they are the text."""
        self.build()
        text = "سلام " * 60
        self.smsc.send_mo("923001234567", "8228", text)
        self.turn(0.5)
        parts = [one for one in self.owner.items if isinstance(one, IncomingSegment)]
        self.assertEqual(join((one.written_in, one.text) for one in sorted(parts, key=lambda one: one.number)), text)
        self.assertEqual({one.count for one in parts}, {len(parts)})

    def test_notices_are_told(self) -> None:
        """The log says of what came and told nothing, once for the first of a kind."""
        self.build()
        empty = codec.encode(PDU(CommandId.deliver_sm, 0, 901, {"source_addr": "12345", "esm_class": 4}))
        for _ in range(2):
            self.wires.pairs[0][0].dataReceived(empty)
        self.assertEqual(
            [line for line in self.said if "without an id" in line],
            ["bind smpp/a: acknowledgements of a handset, or receipts without an id, from ***45"],
        )

    def test_awkward_pdus(self) -> None:
        """None of these drops the bind; each is answered."""
        self.build()
        near = self.wires.pairs[0][0]
        cases = [
            codec.with_body(CommandId.deliver_sm, 901, b"\0"),
            codec.encode(PDU(CommandId.deliver_sm, 0x999, 902, {"short_message": b"\xff\xfe", "data_coding": 0xF7})),
            codec.encode(PDU(CommandId.deliver_sm, 0, 903, {"esm_class": 4, "short_message": b"no receipt at all"})),
            codec.encode(PDU(CommandId.deliver_sm, 0, 904, {"esm_class": 0x40, "short_message": b"\x7f\0"})),
            codec.encode(PDU(CommandId.data_sm, 0, 905, {}, [(0x0424, b"text"), (0x1400, b"?")])),
            codec.bare(0x00000999, 906),
        ]
        for octets in cases:
            near.dataReceived(octets)
        self.assertTrue(self.bind.bound)
        self.assertEqual(len(self.wires.pairs), 1)


class LinkCase(ChannelCase):
    def test_no_smsc(self) -> None:
        """Where something else than an SMSC listens, the log says what it speaks, however its octets come, and the
        connection is given up at once."""
        for octets, words in (
            (b"ERROR\nmessage:Unknown STOMP action\n\n\0", "it speaks STOMP, as brokers do"),
            (b"\0\0\1\x84\1ActiveMQ\0\0\0\x0c\1", "it speaks OpenWire"),
            (b"AMQP\0\0\x09\1", "it speaks AMQP"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it speaks HTTP"),
            (b"\x15\3\3\0\2\2\x46", "it speaks TLS: write tls: before the address"),
        ):
            for size in (1, 5, len(octets)):
                self.build()
                self.said.clear()
                self.wires.cut()
                self.patch(self.wires.smsc, "buildProtocol", lambda _address: Mute())
                self.turn(5)
                near = self.wires.pairs[0][0]
                for start in range(0, len(octets), size):
                    near.dataReceived(octets[start : start + size])
                self.clock.advance(0)
                self.assertTrue(near.transport.aborted, octets)
                self.wires.cut()
                (line,) = [line for line in self.said if "it speaks" in line]
                self.assertIn(f"the other side is no SMSC ({words}", line)

    def test_bind_answered_octet_by_octet(self) -> None:
        """An SMSC is never taken for something else, and what comes after its first octets is not looked at."""
        self.build()
        near, far = self.wires.pairs[0]
        self.wires.cut()
        self.patch(self.wires, "pump", lambda: None)
        self.clock.advance(5)
        near, far = self.wires.pairs[0]
        far.dataReceived(near.transport.value())
        for octet in far.transport.value():
            near.dataReceived(bytes([octet]))
        self.assertTrue(self.bind.bound)
        near.dataReceived(codec.bare(CommandId.enquire_link, 1))
        self.assertTrue(self.bind.bound)

    def test_wrong_password(self) -> None:
        """The operator reads which bind, why, and when it is tried again; and that is not at once."""
        self.build(password="other")
        self.assertIn("ESME_RINVPASWD (invalid password)", " ".join(self.said))
        self.turn(25)
        self.assertEqual(self.wires.attempts, 1)
        self.turn(30)
        self.assertEqual(self.wires.attempts, 2)

    def test_nobody_listens(self) -> None:
        """Refused connections are tried again, ever more slowly, and never given up."""
        self.build()
        self.wires.refuse = True
        self.wires.cut()
        self.turn(120)
        self.assertTrue(5 < self.wires.attempts < 12, self.wires.attempts)
        self.wires.refuse = False
        self.turn(60)
        self.assertTrue(self.bind.bound)

    def test_forgotten_session(self) -> None:
        """A peer that answers each enquire_link with an error: the log says so, and the bind is made anew."""
        for command_id in (CommandId.enquire_link_resp, CommandId.generic_nack):
            self.build()
            near, far = self.wires.pairs[0]
            far.smsc.connections.discard(far)
            self.patch(
                far,
                "_receive",
                lambda octets, far=far, answer=command_id: far.write(
                    codec.bare(answer, codec.header(octets)[2], Status.ESME_RINVBNDSTS)
                ),
            )
            self.turn(60)
            self.assertTrue(near.transport.disconnecting)
            self.assertEqual((self.wires.attempts, self.bind.bound), (2, True))
            (line,) = [line for line in self.said if "ESME_RINVBNDSTS" in line]
            self.assertIn("answers enquire_link with", line)

    def test_frozen_peer(self) -> None:
        """A connection to a peer that takes nothing any more is aborted: closing it would wait for ever."""
        self.build()
        near = self.wires.pairs[0][0]
        self.wires.pairs.clear()  # nothing moves
        self.clock.pump([1.0] * 59)
        self.assertFalse(near.transport.aborted)
        self.clock.pump([1.0] * 3)
        self.assertTrue(near.transport.aborted)

    def test_slow_close(self) -> None:
        """A peer that is told why the connection ends has some seconds to read it."""
        self.build()
        near = self.wires.pairs[0][0]
        self.wires.pairs.clear()
        near.dataReceived(b"\0" * 16)
        self.assertEqual((near.transport.disconnecting, near.transport.aborted), (True, False))
        self.clock.pump([1.0] * 6)
        self.assertTrue(near.transport.aborted)

    def test_unbind_when_all_is_over(self) -> None:
        """An unbind that was meant for a connection that is lost meanwhile does nothing, and leaves no timer."""
        self.build()
        near = self.wires.pairs[0][0]
        self.wires.refuse = True
        self.wires.cut()
        before = self.clock.getDelayedCalls()
        near.unbind()
        self.assertEqual((self.clock.getDelayedCalls(), near.transport.disconnecting), (before, False))

    def test_stop(self) -> None:
        """A stop drains, unbinds and closes; no further attempt follows."""
        self.build(response_delay=0.5)
        self.route.submit([segment()])
        stopped: list[Any] = []
        self.channel.stopService().addCallback(stopped.append)
        self.turn(0.2)
        self.assertEqual(stopped, [])
        self.turn(1)
        self.assertEqual(len(stopped), 1)
        self.assertEqual([one.verdict for one in self.owner.answers], [Verdict.ACCEPTED])
        self.turn(60)
        self.assertEqual(self.wires.attempts, 1)

    def test_stop_with_a_silent_smsc(self) -> None:
        """A stop is bounded even when nothing is ever answered."""
        self.build(lost_response_share=1.0)
        self.route.submit([segment()])
        stopped: list[Any] = []
        self.channel.stopService().addCallback(stopped.append)
        self.turn(11)
        self.assertEqual(len(stopped), 1)

    def test_stop_while_unbound(self) -> None:
        """Nor does a bind that never came up keep it waiting."""
        self.build()
        self.wires.refuse = True
        self.wires.cut()
        stopped: list[Any] = []
        self.channel.stopService().addCallback(stopped.append)
        self.assertEqual(len(stopped), 1)

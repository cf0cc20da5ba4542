"""The process gets no time for a while (SIGSTOP, a virtual machine that is paused, a disk that swaps), or reads nothing
on purpose. What came meanwhile lies in the socket: it is read before anything is judged.

Measured on a real process: frozen for 9 seconds with 50 submits under way, 50 of 50 counted as never answered.
"""

from smsconnector.channels.smpp.connection import SESSION_TICK
from smsconnector.messages import Verdict
from smsconnector.smpp.constants import CommandId
from smsconnector.smpp.pdu import header
from tests.unit.channels.smpp.test_channel import ChannelCase, segment

RESPONSE_TIMEOUT = 30.0  # seconds, of the session
LONG = (31.0, 3_600.0, 10.0**7)


class FrozenCase(ChannelCase):
    def freeze(self, seconds: float) -> None:
        """The SMSC goes on. When the daemon wakes up its timers are called first, as Twisted does, and then what lies
        in the socket is read."""
        self.clock.advance(seconds)
        self.turn()

    def turn_daemon_only(self, seconds: float) -> None:
        """Time passes, and no octets arrive."""
        for _ in range(int(seconds / 0.05)):
            self.clock.advance(0.05)

    def smsc_answers(self) -> None:
        """The submits reach the SMSC, and its responses lie in our socket."""
        near, far = self.wires.pairs[0]
        far.dataReceived(near.transport.value())
        near.transport.clear()


class FreezeCase(FrozenCase):
    def test_answers_in_the_socket(self) -> None:
        """Submits whose responses came in that time are taken, and none counts as unknown."""
        for seconds in LONG:
            self.build()
            self.route.submit([segment(number) for number in range(10)])
            self.turn_daemon_only(1.0)
            self.smsc_answers()
            self.freeze(seconds)
            self.turn(0.1)
            self.assertEqual({one.verdict for one in self.owner.answers}, {Verdict.ACCEPTED}, seconds)
            self.assertEqual(len(self.owner.answers), 10)

    def test_just_before_the_end(self) -> None:
        """Also where the time was nearly over before, and where the process is frozen again and again."""
        self.build()
        self.route.submit([segment(1)])
        self.turn_daemon_only(RESPONSE_TIMEOUT - 0.5)
        self.smsc_answers()
        self.freeze(9.0)
        self.assertEqual([one.verdict for one in self.owner.answers], [Verdict.ACCEPTED])

    def test_frozen_in_vain(self) -> None:
        """A peer that is silent all the same is found out, as soon as it has had its time to be heard."""
        self.build(response_delay=10.0**6)
        self.route.submit([segment(1)])
        self.freeze(3_600.0)
        self.turn(RESPONSE_TIMEOUT - 2.0)
        self.assertEqual(self.owner.answers, [])
        self.turn(3.0)
        self.assertEqual([one.verdict for one in self.owner.answers], [Verdict.UNKNOWN])

    def test_link_stays(self) -> None:
        """The bind is not given up for an enquire_link whose answer lies in the socket."""
        self.build()
        connection = self.wires.pairs[0]
        near = connection[0]
        self.turn(29.9)
        for _ in range(20):  # up to the enquire_link
            self.clock.advance(0.05)
        self.assertIn(CommandId.enquire_link, [header(near.transport.value())[0]])
        self.smsc_answers()
        self.freeze(3_600.0)
        self.turn(1.0)
        self.assertEqual((self.wires.pairs, self.bind.bound), ([connection], True))

    def test_bind_response_in_the_socket(self) -> None:
        """Nor for the response to the bind."""
        self.build()
        self.wires.pairs.clear()
        self.bind._protocol.transport.loseConnection()  # type: ignore[union-attr]
        self.bind._protocol.connectionLost()  # type: ignore[union-attr]
        while not self.wires.pairs:
            self.clock.advance(0.25)
        connection = self.wires.pairs[0]
        self.smsc_answers()
        self.freeze(60.0)
        self.turn(1.0)
        self.assertEqual((self.wires.pairs, self.bind.bound), ([connection], True))

    def test_peer_that_did_not_read(self) -> None:
        """A peer had no time to read in which we had none to write."""
        self.build()
        near = self.wires.pairs[0][0]
        near.transport.producer.pauseProducing()
        self.turn(10)
        self.freeze(3_600.0)
        near.transport.producer.resumeProducing()
        self.turn(1.0)
        self.assertFalse(near.transport.aborted)

    def test_drain(self) -> None:
        """A stop waits for the answers, and a freeze is none of its time."""
        self.build()
        self.route.submit([segment(1)])
        self.turn_daemon_only(0.5)
        self.smsc_answers()
        stopped = self.channel.stopService()
        self.freeze(60.0)
        self.turn(1.0)
        self.successResultOf(stopped)
        self.assertEqual([one.verdict for one in self.owner.answers], [Verdict.ACCEPTED])


class HeldCase(FrozenCase):
    def test_reading_held(self) -> None:
        """While the disk is slow nothing is read, and no answer counts as missing; nor just after, before what has
        piled up is read."""
        self.build()
        self.route.submit([segment(1)])
        self.turn_daemon_only(0.5)
        self.smsc_answers()
        protocol = self.bind._protocol
        assert protocol is not None
        protocol.hold_reading(True)
        self.turn_daemon_only(120.0)
        protocol.hold_reading(False)
        self.turn_daemon_only(SESSION_TICK)
        self.assertEqual(self.owner.answers, [])
        self.turn(0.1)
        self.assertEqual([one.verdict for one in self.owner.answers], [Verdict.ACCEPTED])

    def test_held_and_drained(self) -> None:
        """A stop in which the peer reads nothing, so that we read nothing either, still ends."""
        self.build(response_delay=10.0**6)
        self.route.submit([segment(1)])
        near = self.wires.pairs[0][0]
        near.transport.producer.pauseProducing()
        self.turn(1.0)
        self.channel.stopService()
        self.turn_daemon_only(12.0)
        self.assertTrue(near.transport.disconnecting)

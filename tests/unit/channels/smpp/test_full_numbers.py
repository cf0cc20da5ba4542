"""A throttle says that the bind is too fast, or that the number's own queue is full: only the first slows it down."""

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.smpp.bind import OTHERS_TAKEN, THROTTLES_OF_FULL_NUMBER, Bind, BindSettings
from smsconnector.net.link import BackOff
from smsconnector.smpp.constants import Status
from smsconnector.smpp.pace import Pace
from smsconnector.smpp.session import SessionSettings
from tests.unit.smpp.awkward import pdu
from tests.unit.smpp.test_awkward import SEGMENT, Ear

BIND_TRANSCEIVER_RESP, SUBMIT_SM_RESP = 0x80000009, 0x80000004


class CountingPace(Pace):
    """Counts how often it was slowed down."""

    slowed = 0

    def refused(self, now: float) -> None:
        self.slowed += 1
        super().refused(now)


class FullNumberCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.ear, self.pace = Clock(), Ear(), CountingPace(0.0, 0.0)
        self.sequence = 1
        settings = BindSettings("a", "me@smsc", SessionSettings("me", "secret"))
        self.bind = Bind(self.clock, self.ear, settings, self.ear, BackOff(), self.pace)  # type: ignore[arg-type]
        self.bind.startService()
        self.ear.protocol.dataReceived(pdu(BIND_TRANSCEIVER_RESP, b"smsc\0", 0, 1))
        self.clock.advance(2 * OTHERS_TAKEN)

    def submit(self, throttles: int, status: Status) -> None:
        """A segment that has been throttled so often, and what the SMSC says to it."""
        self.sequence += 1
        self.bind.submit(replace(SEGMENT, throttles=throttles), self.ear)
        self.bind.flush()
        self.ear.protocol.dataReceived(pdu(SUBMIT_SM_RESP, b"1\0", status, self.sequence))

    def test_throttled_some_times(self) -> None:
        """The bind slows down."""
        self.submit(0, Status.ESME_ROK)
        self.submit(THROTTLES_OF_FULL_NUMBER - 1, Status.ESME_RTHROTTLED)
        self.assertEqual(self.pace.slowed, 1)

    def test_throttled_again_and_again(self) -> None:
        """While others are taken it is the number that is full: the bind keeps its pace, and the segment waits."""
        self.submit(0, Status.ESME_ROK)
        self.submit(THROTTLES_OF_FULL_NUMBER, Status.ESME_RTHROTTLED)
        self.assertEqual(self.pace.slowed, 0)
        self.assertEqual([one.throttles for one in self.ear.waiting], [THROTTLES_OF_FULL_NUMBER])

    def test_nothing_else_is_taken(self) -> None:
        """If no other segment was taken for a while, it is the bind after all."""
        self.submit(0, Status.ESME_ROK)
        self.clock.advance(OTHERS_TAKEN + 1)
        self.submit(THROTTLES_OF_FULL_NUMBER, Status.ESME_RTHROTTLED)
        self.assertEqual(self.pace.slowed, 1)

"""A throttle says that the bind is too fast, or that the number's own queue is full: only the first slows it down."""

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.smpp.bind import Bind, BindSettings
from smsconnector.net.link import BackOff
from smsconnector.smpp.constants import Status
from smsconnector.smpp.pace import Pace
from smsconnector.smpp.session import SessionSettings
from tests.unit.smpp.awkward import pdu
from tests.unit.smpp.test_awkward import SEGMENT, Ear

BIND_TRANSCEIVER_RESP, SUBMIT_SM_RESP = 0x80000009, 0x80000004


class NotedPace(Pace):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__(0.0, 0.0)
        self.told: list[tuple[str, int]] = []

    def refused(self, now: float, throttles: int = 0) -> None:
        self.told.append(("refused", throttles))
        super().refused(now, throttles)

    def taken(self, throttles: int = 0) -> None:
        self.told.append(("taken", throttles))
        super().taken(throttles)


class FullNumberCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.ear, self.pace = Clock(), Ear(), NotedPace()
        self.sequence = 1
        settings = BindSettings("a", "me@smsc", SessionSettings("me", "secret"))
        self.bind = Bind(self.clock, self.ear, settings, self.ear, BackOff(), self.pace)  # type: ignore[arg-type]
        self.bind.startService()
        self.ear.protocol.dataReceived(pdu(BIND_TRANSCEIVER_RESP, b"smsc\0", 0, 1))

    def submit(self, throttles: int, status: Status) -> None:
        """A segment that has been throttled so often, and what the SMSC says to it."""
        self.sequence += 1
        self.bind.submit(replace(SEGMENT, throttles=throttles), self.ear)
        self.bind.flush()
        self.ear.protocol.dataReceived(pdu(SUBMIT_SM_RESP, b"1\0", status, self.sequence))

    def test_first_try(self) -> None:
        """What was not throttled before says something of the bind, whatever comes of it."""
        for status in (Status.ESME_ROK, Status.ESME_RTHROTTLED, Status.ESME_RMSGQFUL, Status.ESME_RINVDSTADR):
            self.submit(0, status)
        self.assertEqual(self.pace.told, [("taken", 0), ("refused", 0), ("refused", 0), ("taken", 0)])

    def test_repeat(self) -> None:
        """What was throttled before may be to a full number: the pace is told, and decides."""
        for status in (Status.ESME_ROK, Status.ESME_RTHROTTLED, Status.ESME_RINVDSTADR):
            self.submit(3, status)
        self.assertEqual(self.pace.told, [("taken", 3), ("refused", 3), ("taken", 3)])
        self.assertEqual([one.throttles for one in self.ear.waiting], [3])

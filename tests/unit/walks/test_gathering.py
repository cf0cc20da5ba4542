"""Events on their way to the sink: one alone does not wait, and what comes soon after it goes together, in order."""

from collections.abc import Sequence

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import DELIVERY_REPORT, Event
from smsconnector.walks.gathering import GATHERED_FOR_S, Gathering
from smsconnector.walks.outbox_reading import EVENTS_AT_ONCE


def events(*ids: int) -> list[Event]:
    return [Event(one, f"e{one}", DELIVERY_REPORT, "smpp", "{}") for one in ids]


class GatheringCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.given = Clock(), list[list[int]]()
        self.gathering = Gathering(self.clock, self.take)

    def take(self, events: Sequence[Event]) -> None:
        self.given.append([event.id for event in events])

    def test_alone(self) -> None:
        """Each that comes after a while goes at once."""
        for number in range(1, 4):
            self.gathering.add(events(number))
            self.assertEqual(self.given[-1:], [[number]])
            self.clock.advance(GATHERED_FOR_S * 1.5)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_together(self) -> None:
        for number in range(1, 10):
            self.gathering.add(events(number))
            self.clock.advance(GATHERED_FOR_S / 4)
        self.assertEqual(self.given, [[1], [2, 3, 4], [5, 6, 7, 8]])

    def test_many_do_not_wait(self) -> None:
        self.gathering.add(events(1))
        self.gathering.add(events(*range(2, EVENTS_AT_ONCE + 3)))
        self.assertEqual([len(some) for some in self.given], [1, EVENTS_AT_ONCE + 1])

    def test_given_when_wanted(self) -> None:
        """Who reads from the outbox what is behind them has them given before."""
        self.gathering.add(events(1))
        self.gathering.add(events(2))
        self.gathering.give()
        self.clock.advance(1)
        self.assertEqual(self.given, [[1], [2]])

    def test_stopped(self) -> None:
        self.gathering.add(events(1))
        self.gathering.add(events(2))
        self.gathering.stop()
        self.clock.advance(1)
        self.gathering.give()
        self.assertEqual((self.given, self.clock.getDelayedCalls()), ([[1]], []))

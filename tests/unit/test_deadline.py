"""The bound of a stop: each step ends, whoever does not answer."""

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.deadline import SHORTEST, Deadline


class DeadlineCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.deadline = Deadline(self.clock, 10.0)

    def test_all_have_fired(self) -> None:
        """A step is over when the last has fired, and leaves no timer; a failure is an end as well."""
        last: Deferred[Any] = Deferred()
        over = self.deadline.bound(succeed(1), fail(ValueError()), last)
        self.assertNoResult(over)
        last.callback(None)
        self.assertIsNone(self.successResultOf(over))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobody_to_wait_for(self) -> None:
        """A step without anybody is over at once."""
        self.successResultOf(self.deadline.bound())

    def test_time_is_shared(self) -> None:
        """What one step takes is no longer there for the next."""
        first = self.deadline.bound(Deferred())
        self.clock.advance(9.9)
        self.assertNoResult(first)
        self.clock.advance(0.1)
        self.successResultOf(first)
        second = self.deadline.bound(Deferred())
        self.assertNoResult(second)
        self.clock.advance(SHORTEST)
        self.successResultOf(second)

    def test_too_late(self) -> None:
        """What fires after the time is over harms nobody."""
        late: Deferred[Any] = Deferred()
        over = self.deadline.bound(late)
        self.clock.advance(10)
        late.callback(None)
        self.assertIsNone(self.successResultOf(over))

"""When a link tries again."""

from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.link import BackOff, Link


class LinkCase(SynchronousTestCase):
    """``attempts`` holds when there was one."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.attempts: list[float] = []

    def link(self, seed: int = 0) -> Link:
        def connect() -> "Deferred[Any]":
            self.attempts.append(self.clock.seconds())
            return succeed(None)

        link = Link(self.clock, "bind a", connect, BackOff(source=Random(seed)))
        link.startService()
        return link

    def test_refused_together(self) -> None:
        """Those that are refused at the same time don't come back at the same time, and none too early."""
        for seed in range(20):
            self.link(seed).ended("refused", 30.0)
        self.attempts.clear()
        self.clock.pump([0.1] * 460)
        self.assertEqual(len(self.attempts), 20)
        self.assertTrue(30.0 <= min(self.attempts) < 35.0 and 40.0 < max(self.attempts) <= 45.1)

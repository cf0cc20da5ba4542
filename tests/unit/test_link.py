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

    def test_ended_at_once(self) -> None:
        """A peer that takes every handshake and then ends the connection is not hammered."""
        link = self.link()
        for _ in range(600):
            if self.attempts[-1] == self.clock.seconds():
                link.established()
                link.ended("the SMSC sent unbind")
            self.clock.advance(0.1)
        self.assertLess(len(self.attempts), 10)

    def test_lost_after_long(self) -> None:
        """One that has stood for a while is made again at once, whatever was before."""
        link = self.link()
        for _ in range(10):
            link.ended("refused")
            self.clock.advance(60)
        link.established()
        self.clock.advance(10)
        link.ended("connection lost")
        self.clock.advance(0.5)
        self.assertEqual(len(self.attempts), 12)

"""When a link tries again."""

from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.net.link import BackOff, Link


class LinkCase(SynchronousTestCase):
    """``attempts`` holds when there was one."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.attempts: list[float] = []

    def link(self, seed: int = 0, works: bool = True, **more: Any) -> Link:
        def connect() -> "Deferred[Any]":
            self.attempts.append(self.clock.seconds())
            return succeed(None) if works else fail(OSError("address in use"))

        link = Link(self.clock, "bind a", connect, BackOff(source=Random(seed)), **more)
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

    def test_incoming(self) -> None:
        """A peer that connects to us can do so again at once, whatever came of its connections, or of a stranger's."""
        link = self.link(incoming=True)
        for pace in [0.0] * 20 + [30.0]:
            link.ended("the SMSC closed the connection", pace)
            self.clock.advance(0)
        self.assertEqual(self.attempts, [0.0] * 22)

    def test_cannot_listen(self) -> None:
        """That is tried again ever more slowly."""
        self.link(incoming=True, works=False)
        self.clock.pump([0.1] * 600)
        self.assertTrue(5 < len(self.attempts) < 10, self.attempts)

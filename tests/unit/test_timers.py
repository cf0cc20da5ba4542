"""The clock of the reactor's timers, and timers that go on."""

from typing import Any

from twisted.internet.base import ReactorBase
from twisted.internet.task import Clock
from twisted.python.runtime import seconds as time_of_day
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.timers import Repeating, run_on_monotonic_clock


class StillReactor(ReactorBase):
    """Twisted's timers, with nothing that waits."""

    def installWaker(self) -> None: ...

    def removeAll(self) -> list[Any]:
        return []


class MonotonicCase(SynchronousTestCase):
    """Known from public bug reports on Twisted: a clock that is set back stops every timer for that long."""

    def setUp(self) -> None:
        self.now = 7.0  # a machine that was just started
        self.reactor: Any = StillReactor()
        self.called: list[str] = []

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.reactor.runUntilCurrent()

    def test_timers(self) -> None:
        """They go by the clock that is given, and so does how long the reactor may sleep."""
        run_on_monotonic_clock(self.reactor, lambda: self.now)
        self.reactor.callLater(3.0, self.called.append, "three")
        self.reactor.callLater(5.0, self.called.append, "five")
        self.assertEqual((self.reactor.seconds(), self.reactor.timeout()), (7.0, 3.0))
        self.pass_time(3.0)
        self.assertEqual((self.called, self.reactor.timeout()), (["three"], 2.0))

    def test_timers_that_were_there(self) -> None:
        """What somebody asked for before keeps the time that it had left; what was cancelled stands in nobody's way."""
        calls = [self.reactor.callLater(at, self.called.append, f"{at}") for at in (2.0, 1.0, 4.0, 3.0)]
        cancelled = self.reactor.callLater(0.5, self.called.append, "cancelled")
        self.reactor.runUntilCurrent()
        cancelled.cancel()
        run_on_monotonic_clock(self.reactor, lambda: self.now)
        self.assertLess(self.reactor.timeout(), 1.1)
        calls[2].reset(9.0)
        for _ in range(4):
            self.pass_time(1.0)
        self.assertEqual(self.called, ["1.0", "2.0", "3.0"])
        self.pass_time(6.0)
        self.assertEqual(self.called, ["1.0", "2.0", "3.0", "4.0"])

    def test_other_clocks(self) -> None:
        """A reactor that does not go by the time of day is left alone: asyncio's, or a test's."""
        clock = Clock()
        run_on_monotonic_clock(clock, lambda: self.now)
        self.assertEqual(clock.seconds(), 0.0)
        run_on_monotonic_clock(object(), lambda: self.now)

    def test_twisted_still_does(self) -> None:
        """Twisted's reactors go by the time of day, and timers by what ``seconds`` of their reactor is. If that ever
        changes, ``run_on_monotonic_clock`` does nothing."""
        self.assertIs(self.reactor.seconds, time_of_day)


class RepeatingCase(SynchronousTestCase):
    def test_goes_on(self) -> None:
        """Whatever is raised, the next call comes; each fault is in the log."""
        clock, called = Clock(), []

        def fail() -> None:
            called.append(clock.seconds())
            raise (ValueError, KeyError, ZeroDivisionError)[len(called) % 3]

        repeating = Repeating(clock, "the test's call", fail)
        repeating.start(1.0)
        clock.pump([1.0] * 5)
        self.assertEqual(called, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
        self.assertTrue(repeating.running)
        self.assertEqual(len(self.flushLoggedErrors(ValueError, KeyError, ZeroDivisionError)), 6)
        repeating.stop()
        clock.advance(10.0)
        self.assertEqual(len(called), 6)

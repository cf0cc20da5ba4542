"""What systemd is told, in its own words (sd_notify(3))."""

import time

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.systemd import Notifier


class Heard(Notifier):
    """Keeps what is said, rather than sending it."""

    def __init__(self) -> None:
        super().__init__(Clock(), {})
        self.said: list[str] = []

    def notify(self, state: str) -> None:
        self.said.append(state)


class NotifierCase(SynchronousTestCase):
    def test_reloading(self) -> None:
        """RELOADING comes with the time of CLOCK_MONOTONIC in microseconds, in the same message."""
        notifier = Heard()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        notifier.reloading()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        first, second = notifier.said[0].splitlines()
        self.assertEqual(first, "RELOADING=1")
        self.assertTrue(before <= int(second.removeprefix("MONOTONIC_USEC=")) <= after)

    def test_ready(self) -> None:
        """READY, and what systemctl status shows if there is something to say: one line, whatever is in it."""
        notifier = Heard()
        notifier.ready()
        notifier.ready("the last reload changed nothing: line 1\nWATCHDOG=trigger")
        self.assertEqual(
            notifier.said, ["READY=1", "READY=1\nSTATUS=the last reload changed nothing: line 1 WATCHDOG=trigger"]
        )

"""What systemd is told, in its own words (sd_notify(3))."""

import time

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.fakes import HeardNotifier


class NotifierCase(SynchronousTestCase):
    def test_reloading(self) -> None:
        """RELOADING comes with the time of CLOCK_MONOTONIC in microseconds, in the same message."""
        notifier = HeardNotifier()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        notifier.reloading()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        first, second = notifier.said[0].splitlines()
        self.assertEqual(first, "RELOADING=1")
        self.assertTrue(before <= int(second.removeprefix("MONOTONIC_USEC=")) <= after)

    def test_ready(self) -> None:
        """READY, and what systemctl status shows if there is something to say: one line, whatever is in it."""
        notifier = HeardNotifier()
        notifier.ready()
        notifier.ready("the last reload changed nothing: line 1\nWATCHDOG=trigger")
        self.assertEqual(
            notifier.said, ["READY=1", "READY=1\nSTATUS=the last reload changed nothing: line 1 WATCHDOG=trigger"]
        )

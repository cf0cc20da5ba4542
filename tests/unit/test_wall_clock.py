"""The two readings of the time of day."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.wall_clock import WallClock, since_boot
from tests.recorded_log import RecordedLog
from tests.unit.fakes import EPOCH

NOW = int(EPOCH * 1000)


class WallClockCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.elapsed, self.set_by = 50.0, 0.0
        self.log = RecordedLog(self)
        self.clock = WallClock(lambda: EPOCH + self.elapsed - 50.0 + self.set_by, lambda: self.elapsed)

    def readings(self) -> tuple[int, int, int]:
        """The time of day, the steady reading and the earlier, in ms since the start."""
        clock = self.clock
        return (
            clock.milliseconds() - NOW,
            clock.steady_milliseconds() - NOW,
            clock.earlier_milliseconds() - NOW,
        )

    def test_not_set(self) -> None:
        """All are the same, and the log is silent."""
        for seconds in (0.0, 0.5, 86_400.0 * 30):
            self.elapsed += seconds
            self.assertEqual(len(set(self.readings())), 1)
        self.assertEqual(self.log.events, [])

    def test_set_back_and_forward(self) -> None:
        """By an operator, by a wrong time zone of the RTC, by NTP after the start: the steady reading goes on."""
        for seconds in (-3600.0, 60.0, 3600.0, 14 * 3600.0, -60.0):
            self.set_by += seconds
            self.elapsed += 1.0
            passed = int((self.elapsed - 50.0) * 1000)
            stamp = passed + int(self.set_by * 1000)
            self.assertEqual(self.readings(), (stamp, passed, passed - 3_600_000))
        self.assertEqual(len(self.log.events), 5, "each once")

    def test_set_right_again(self) -> None:
        """After a step and one that takes it back, nothing is left of either, but for what was stamped meanwhile."""
        for seconds, earlier in ((3600.0, 0), (-3600.0, -3_600_000)):
            for step in (seconds, -seconds):
                self.set_by += step
                self.readings()
            self.assertEqual(self.readings(), (0, 0, earlier))

    def test_small(self) -> None:
        """What NTP does every day is followed without a word, so that the two do not drift apart."""
        for _ in range(100):
            self.set_by += 0.5
            self.readings()
        self.assertEqual(self.readings(), (50_000, 50_000, 50_000))
        self.assertEqual(self.log.events, [])

    def test_set_right_from_1970(self) -> None:
        """A machine without a battery starts in 1970, and NTP sets its clock by decades: lifetimes have to follow."""
        self.set_by = 1_700_000_000.0
        self.assertEqual(self.readings(), (1_700_000_000_000,) * 3)
        self.assertIn("follow", self.log.lines[-1])

    def test_no_other_clock(self) -> None:
        """Without one nothing is noticed."""
        clock = WallClock(lambda: EPOCH + self.set_by)
        self.set_by = -3600.0
        self.assertEqual(clock.steady_milliseconds(), clock.milliseconds())

    def test_since_boot(self) -> None:
        """It rises."""
        first = since_boot()
        self.assertGreaterEqual(since_boot(), first)

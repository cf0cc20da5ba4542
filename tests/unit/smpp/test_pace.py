"""The pace of a bind, against SMSCs that throttle for different reasons, in simulated time."""

from collections.abc import Callable
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.smpp.pace import Pace

STEP = 0.01  # seconds
ROUND_TRIP = 2  # steps


class Busy:
    """Refuses a share of all submits, whatever their rate."""

    def __init__(self, share: float) -> None:
        self._share, self._random = share, Random(4)

    def __call__(self, now: float) -> bool:
        return self._random.random() >= self._share


class Limited:
    """Takes so many in a second, and refuses the rest."""

    def __init__(self, rate: float, burst: float = 0.1) -> None:
        self.rate, self._burst, self._tokens, self._at = rate, burst, 0.0, 0.0

    def __call__(self, now: float) -> bool:
        self._tokens = min(self.rate * self._burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def run(pace: Pace, takes: Callable[[float], bool], seconds: float, window: int = 50) -> tuple[float, float]:
    """Submit as much as the pace and the window allow; submits taken and refused a second, in the last half."""
    under_way: list[tuple[int, bool]] = []
    taken = refused = 0
    steps = int(seconds / STEP)
    for step in range(steps):
        now = step * STEP
        while under_way and under_way[0][0] <= step:
            good = under_way.pop(0)[1]
            if good:
                pace.taken()
            else:
                pace.refused(now)
            if step > steps / 2:
                taken, refused = taken + good, refused + (not good)
        for _ in range(min(window - len(under_way), pace.available(now, len(under_way)))):
            pace.submitted()
            under_way.append((step + ROUND_TRIP, takes(now)))
    return taken / seconds * 2, refused / seconds * 2


class PaceCase(SynchronousTestCase):
    def test_configured(self) -> None:
        """The configured throughput is kept, with bounded bursts."""
        taken, _ = run(Pace(200, 0.0), lambda now: True, 20)
        self.assertTrue(190 < taken < 205, taken)
        pace = Pace(200, 0.0)
        self.assertLessEqual(pace.available(100.0, 0), 20)

    def test_unlimited(self) -> None:
        """Without throughput and refusals only the window counts."""
        taken, _ = run(Pace(0, 0.0), lambda now: True, 10)
        self.assertTrue(2450 < taken <= 2500, taken)

    def test_busy(self) -> None:
        """A share that is refused at any rate costs that share and no more than a tenth beside it."""
        for share in (0.01, 0.05, 0.2, 0.5):
            taken, _ = run(Pace(0, 0.0), Busy(share), 60)
            self.assertGreater(taken, 2500 * (1 - share) * 0.9, f"share {share}")

    def test_limited(self) -> None:
        """An SMSC with a limit gets what it takes, to a tenth, and few submits in vain."""
        for rate in (20, 100, 700, 2000):
            taken, refused = run(Pace(0, 0.0), Limited(rate), 60)
            self.assertGreater(taken, rate * 0.9, f"rate {rate}")
            self.assertLess(refused, rate * 0.15, f"rate {rate}")

    def test_limit_far_below(self) -> None:
        """A limit far below what we could send is learned, and not taken for an SMSC that is busy."""
        for burst in (0.1, 1.0):
            taken, refused = run(Pace(0, 0.0), Limited(150, burst), 60, window=200)
            self.assertGreater(taken, 150 * 0.9)
            self.assertLess(refused, 25)

    def test_bursts(self) -> None:
        """From the time between two bursts nothing is learned: each is sent as fast as the first."""
        pace, takes = Pace(0, 0.0), Busy(0.05)
        now = 0.0
        for _ in range(12):
            taken, started = 0, now
            while taken < 500:
                now += STEP
                for _ in range(min(50, pace.available(now, 0))):
                    pace.submitted()
                    if takes(now):
                        taken += 1
                        pace.taken()
                    else:
                        pace.refused(now)
            self.assertLess(now - started, 2.0)
            now += 30.0

    def test_limit_is_lifted(self) -> None:
        """When the SMSC takes more again, so do we, in seconds."""
        pace, limited = Pace(0, 0.0), Limited(50)

        def takes(now: float) -> bool:
            limited.rate = 50 if now < 20 else 100_000
            return limited(now)

        taken, _ = run(pace, takes, 60)
        self.assertGreater(taken, 2000)

    def test_shut(self) -> None:
        """While nothing at all is taken, little is sent; when it opens, all flows within seconds."""
        pace = Pace(0, 0.0)
        sent = 0

        def takes(now: float) -> bool:
            nonlocal sent
            sent += now < 30
            return now >= 30

        taken, _ = run(pace, takes, 70)
        self.assertLess(sent, 150)
        self.assertGreater(taken, 2000)

    def test_congested(self) -> None:
        """congestion_state of 80 and more pauses for a moment; less does not."""
        pace = Pace(0, 0.0)
        pace.congested(0.0, 70)
        self.assertGreater(pace.available(0.0, 0), 0)
        pace.congested(0.0, 90)
        self.assertEqual(pace.available(0.0, 0), 0)
        self.assertGreater(pace.available(0.5, 0), 0)
        pace.congested(1.0, 0x5000)  # no percentage
        self.assertGreater(pace.available(1.0, 0), 0)

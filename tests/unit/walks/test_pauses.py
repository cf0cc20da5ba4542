"""Throttled segments and the times at which they come again: no clock but the numbers given."""

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import Segment
from smsconnector.walks.pauses import FIRST_PAUSE, LONGEST_PAUSE, TOGETHER, Pauses, pause_after


def segment(number: int, throttles: int = 1) -> Segment:
    return Segment(number, 1, 1, "x", "gsm7", None, "923001234567", 2**60, throttles=throttles)


class PausesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.pauses = Pauses(Random(1))

    def over(self) -> list[int]:
        return [self.pauses.next().id for _ in range(self.pauses.over)]

    def test_length(self) -> None:
        """It doubles with each throttle, up to the longest."""
        self.assertEqual([pause_after(count) for count in (1, 2, 3)], [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE])
        self.assertEqual([pause_after(count) for count in (12, 100_000)], [LONGEST_PAUSE] * 2)

    def test_spread(self) -> None:
        """Those that were throttled together come again at different times, a quarter earlier or later at most."""
        ends = []
        for number in range(1000):
            pauses = Pauses(Random(number))
            pauses.begin(segment(1, 12), now=100.0)
            ends.append(pauses.first_end or 0.0)
        self.assertGreaterEqual(min(ends), 100.0 + 0.75 * LONGEST_PAUSE)
        self.assertLessEqual(max(ends), 100.0 + 1.25 * LONGEST_PAUSE)
        self.assertGreater(max(ends) - min(ends), 0.4 * LONGEST_PAUSE)

    def test_not_before_the_end(self) -> None:
        """A pause that is not over stays; the first end is known."""
        self.assertIsNone(self.pauses.first_end)
        self.pauses.begin(segment(1, 12), now=0.0)
        self.pauses.begin(segment(2, 6), now=0.0)
        end = self.pauses.first_end
        assert end is not None
        self.assertLessEqual(abs(end - pause_after(6)), pause_after(6) / 4)
        self.pauses.end(end - 2 * TOGETHER)
        self.assertEqual((self.pauses.paused, self.pauses.over), (2, 0))
        self.pauses.end(end)
        self.assertEqual((self.pauses.paused, self.over()), (1, [2]))

    def test_end_together(self) -> None:
        """Pauses that end nearly at the same time end in one go."""
        self.pauses.begin(segment(1), now=0.0)
        self.pauses.begin(segment(2), now=0.001)
        end = self.pauses.first_end
        assert end is not None
        self.pauses.end(end)
        self.assertEqual(self.pauses.over, 2)

    def test_order(self) -> None:
        """Those that may be sent again come in the order of acceptance, whenever their pauses ended."""
        for number in (3, 1, 2):
            self.pauses.begin(segment(number), now=float(-number))
        self.pauses.end(10.0)
        self.assertEqual(self.over(), [1, 2, 3])

    def test_put_back(self) -> None:
        """What found no room keeps its turn, and needs no other pause."""
        self.pauses.begin(segment(2), now=0.0)
        self.pauses.end(1.0)
        self.pauses.put_back([segment(3), segment(1)])
        self.assertEqual((self.pauses.paused, self.over()), (0, [1, 2, 3]))

    def test_all_of_them(self) -> None:
        """At a stop all that is known not to have been sent is found."""
        self.pauses.begin(segment(1), now=0.0)
        self.pauses.end(1.0)
        self.pauses.begin(segment(2), now=1.0)
        self.assertEqual([one.id for one in self.pauses.segments()], [1, 2])

"""For how long a peer could be heard."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.net.hearing import MOST, Hearing

TICK = 0.25  # seconds, which adds up exactly


class HearingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.hearing = Hearing(self.now)

    def ticks(self, count: int) -> float:
        heard = 0.0
        for _ in range(count):
            self.now += TICK
            heard = self.hearing.tick(self.now)
        return heard

    def test_ordinary(self) -> None:
        """All time counts, one tick later: what came before that tick has been read."""
        self.assertEqual(self.ticks(1), 0.0)
        self.assertEqual(self.ticks(40), 10.0)

    def test_frozen(self) -> None:
        """A freeze of any length counts little, and nothing before there was a chance to read."""
        before = self.ticks(4)
        for seconds in (9.0, 3_600.0, 10.0**9):
            self.now += seconds
            self.assertEqual(self.hearing.tick(self.now), before + TICK)
            after = self.ticks(1)
            self.assertEqual(after, before + TICK + MOST)
            before = after

    def test_busy(self) -> None:
        """A process that is always late still gets on: a peer that is dead is found out in the end."""
        for _ in range(50):
            self.now += 3.0
            heard = self.hearing.tick(self.now)
        self.assertEqual(heard, 49 * MOST)

    def test_held(self) -> None:
        """While nothing is read nothing counts, nor the moment before: what came then was not read either."""
        before = self.ticks(9)
        self.now += 0.1
        self.hearing.hold(True)
        self.assertEqual(self.ticks(400), before)
        self.hearing.hold(False)
        self.assertEqual(self.ticks(1), before, "held for a part of it")
        self.assertEqual(self.ticks(3), before + 2 * TICK)

    def test_held_between_two_ticks(self) -> None:
        """However short, it was a time in which nothing was read."""
        before = self.ticks(9)
        self.hearing.hold(True)
        self.hearing.hold(False)
        self.assertEqual(self.ticks(2), before)
        self.assertEqual(self.ticks(1), before + TICK)

    def test_behind(self) -> None:
        """A read that filled the buffer may have left something in the socket."""
        before = self.ticks(9)
        self.hearing.behind()
        self.assertEqual(self.ticks(2), before)
        self.assertEqual(self.ticks(1), before + TICK)

    def test_what_begins_now(self) -> None:
        """What begins at any moment has all of its time: a later tick never counts more than has passed since."""
        for begin in (0.0, 0.1, 0.2, 5.0):
            self.ticks(3)
            self.now += begin
            since, at = self.hearing.now(self.now), self.now
            for _ in range(40):
                heard = self.ticks(1)
                self.assertLessEqual(heard - since, self.now - at)
            self.assertGreaterEqual(heard - since, self.now - at - 2 * MOST)

    def test_only_rises(self) -> None:
        """So that it can be the time of a core that knows no other."""
        last = 0.0
        for step in (0.25, 0.1, 9.0, 0.0, 0.25, 0.2) * 20:
            self.now += step
            if step in (0.25, 9.0):
                self.hearing.hold(step == 9.0)
                self.hearing.tick(self.now)
            now = self.hearing.now(self.now)
            self.assertGreaterEqual(now, last)
            last = now

    def test_has_just_woken(self) -> None:
        """Asked before the first tick after a freeze, and after it; and not when all goes on as ever."""
        self.ticks(10)
        self.assertFalse(self.hearing.has_just_woken(self.now + TICK))
        self.now += 9.0
        self.assertTrue(self.hearing.has_just_woken(self.now))
        self.ticks(1)
        self.assertTrue(self.hearing.has_just_woken(self.now))
        self.ticks(5)
        self.assertFalse(self.hearing.has_just_woken(self.now))

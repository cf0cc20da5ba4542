"""When a bind is passed over because its SMSC refuses everything for now."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.smpp.refusals import LONGEST_AVOIDED, MANY, Refusals


class RefusalsCase(SynchronousTestCase):
    def refused(self, times: int, now: float = 100.0) -> Refusals:
        refusals = Refusals()
        for _ in range(times):
            refusals.refused(now)
        return refusals

    def test_some(self) -> None:
        """Fewer than many say nothing about the SMSC."""
        self.assertFalse(self.refused(MANY - 1).is_avoided(100.0, 1))

    def test_longer_each_time(self) -> None:
        """The time doubles from one second, up to its longest, however many there are."""
        refusals = self.refused(MANY - 1)
        pauses = [refusals.refused(100.0) for _ in range(2_000)]
        self.assertEqual(pauses[:4], [1.0, 2.0, 4.0, 8.0])
        self.assertEqual(set(pauses[10:]), {LONGEST_AVOIDED})

    def test_trial(self) -> None:
        """When the time is over it may be tried with one, and is avoided again while that one is under way."""
        refusals = self.refused(MANY)
        self.assertTrue(refusals.is_avoided(100.9, 0))
        self.assertEqual(refusals.left(100.0), 1.0)
        self.assertFalse(refusals.is_avoided(101.0, 0))
        self.assertTrue(refusals.is_avoided(101.0, 1))

    def test_well_again(self) -> None:
        """One text that is taken ends it, and the counting begins anew."""
        refusals = self.refused(MANY + 3)
        refusals.in_a_row = 0
        self.assertFalse(refusals.is_avoided(100.0, 1))
        self.assertEqual(refusals.refused(100.0), 0.0)

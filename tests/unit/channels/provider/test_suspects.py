"""Whether a trouble of the account is a trouble of one text: only what was taken meanwhile says so."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.provider.suspects import Suspects


class SuspectsCase(SynchronousTestCase):
    def test_others_are_taken(self) -> None:
        suspects = Suspects()
        self.assertFalse(suspects.is_guilty(1))
        suspects.taken(2)
        self.assertTrue(suspects.is_guilty(1))

    def test_nobody_is_taken(self) -> None:
        suspects = Suspects()
        self.assertEqual([suspects.is_guilty(1) for _ in range(3)], [False] * 3)

    def test_taken_before(self) -> None:
        """A look-up has found that another text was taken, before the trouble began: the account may be at fault."""
        suspects = Suspects()
        self.assertFalse(suspects.is_guilty(1))
        suspects.taken(2, is_found=True)
        self.assertFalse(suspects.is_guilty(1))
        suspects.taken(3)
        self.assertTrue(suspects.is_guilty(1))

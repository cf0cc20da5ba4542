"""Addresses that come with wrong keys are slowed down, and cost no more memory than they may."""

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.access.guesses import AT_ONCE, EVERY_S, MOST, Guesses

HERE, THERE = ip_address("192.0.2.1"), ip_address("192.0.2.2")


class GuessesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.guesses = Guesses(most=50)

    def use_up(self, address: object, now: float = 0.0) -> None:
        for _ in range(AT_ONCE):
            self.assertEqual(self.guesses.charge(address, now), 0, address)  # type: ignore[arg-type]

    def test_slowed_down(self) -> None:
        """So many at once, then one in ``EVERY_S`` seconds; another address has its own."""
        self.use_up(HERE)
        self.assertAlmostEqual(self.guesses.charge(HERE, 0.0), EVERY_S)
        self.assertEqual(self.guesses.charge(THERE, 0.0), 0)
        self.assertAlmostEqual(self.guesses.charge(HERE, EVERY_S / 2), EVERY_S / 2)
        self.assertEqual(self.guesses.charge(HERE, EVERY_S * 1.01), 0)
        self.assertGreater(self.guesses.charge(HERE, EVERY_S * 1.02), 0)

    def test_given_back(self) -> None:
        """A key that is right costs nothing."""
        for _ in range(10 * AT_ONCE):
            self.assertEqual(self.guesses.charge(HERE, 0.0), 0)
            self.guesses.give_back(HERE)
        self.guesses.give_back(THERE)  # forgotten meanwhile
        self.use_up(HERE)
        self.assertGreater(self.guesses.charge(HERE, 0.0), 0)

    def test_ipv6_by_its_network(self) -> None:
        """One customer has a /64, and could come from another address each time."""
        self.use_up(ip_address("2001:db8::1"))
        self.assertGreater(self.guesses.charge(ip_address("2001:db8::ffff:2"), 0.0), 0)
        self.assertEqual(self.guesses.charge(ip_address("2001:db8:0:1::1"), 0.0), 0)
        self.assertEqual(self.guesses.charge(ip_address("::"), 0.0), 0)
        self.use_up(None)
        self.assertEqual(self.guesses.charge(ip_address("0.0.0.0"), 0.0), 0)

    def test_memory(self) -> None:
        """A flood of addresses is forgotten again; the one that goes on is not."""
        self.use_up(HERE)
        for number in range(1_000):
            self.guesses.charge(ip_address(0x0A000000 + number), 0.0)
            self.assertGreater(self.guesses.charge(HERE, 0.0), 0)
        self.assertEqual(len(self.guesses), 50)
        self.assertLessEqual(MOST, 10_000)

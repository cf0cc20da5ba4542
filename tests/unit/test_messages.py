"""The MessageSID."""

import re

from twisted.trial.unittest import SynchronousTestCase

from smsconnector import messages
from smsconnector.messages import new_sid

NOW_MS = 1_800_000_000_123


class SidCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(messages, "_random_digits", [])

    def test_form(self) -> None:
        """SM and 32 hexadecimal digits, which begin with the time."""
        for _ in range(600):
            self.assertTrue(re.fullmatch(f"SM{NOW_MS:012x}[0-9a-f]{{20}}", new_sid(NOW_MS)))

    def test_random_digits(self) -> None:
        """No random digit serves twice, though they are fetched for many at once; and none is left out."""
        fetched: list[bytes] = []

        class Octets:
            @staticmethod
            def urandom(count: int) -> bytes:
                fetched.append(bytes((len(fetched) * count + at) * 7919 % 251 for at in range(count)))
                return fetched[-1]

        self.patch(messages, "os", Octets)
        count = 2 * messages._RANDOM_AT_ONCE
        used = [new_sid(NOW_MS)[-14:] for _ in range(count)]
        self.assertEqual(len(fetched), 2)
        given = b"".join(fetched).hex()
        self.assertEqual(sorted(used), sorted(given[at : at + 14] for at in range(0, len(given), 14)))

    def test_several_threads(self) -> None:
        """The store's thread makes some too: even with one counter and one time they differ."""
        sids = set()
        for _ in range(1_000):
            self.patch(messages, "_sid_counter", 7)
            sids.add(new_sid(NOW_MS))
        self.assertEqual(len(sids), 1_000)

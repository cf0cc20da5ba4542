"""Retry-After, as servers write it."""

import os
import time
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import LONGEST_WAIT
from smsconnector.net.retry_after import retry_after

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110


class RetryAfterCase(SynchronousTestCase):
    def test_forms(self) -> None:
        """Seconds and all three forms of a date (RFC 9110 section 5.6.7); a time that is over is now."""
        for value, seconds in (
            ("0", 0.0),
            (" 120 ", 120.0),
            ("1.5", 1.5),
            ("9" * 50, LONGEST_WAIT),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
            ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
            ("Sun Nov  6 08:50:37 1994", 60.0),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
            ("Sun, 06 Nov 1994 08:50:37 -0000", 60.0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ):
            self.assertEqual(retry_after(value, NOW), seconds, value)

    def test_zone_of_the_machine(self) -> None:
        """A date without a zone is GMT (RFC 9110 section 5.6.7), wherever the machine stands."""
        self.addCleanup(time.tzset)
        with mock.patch.dict(os.environ, TZ="XYZ-5"):
            time.tzset()
            for value in ("Sun Nov  6 08:50:37 1994", "Sun, 06 Nov 1994 08:50:37 -0000", "Sun, 06 Nov 1994 08:50:37"):
                self.assertEqual(retry_after(value, NOW), 60.0, value)

    def test_nothing(self) -> None:
        """What is neither says nothing."""
        for value in (None, "", "soon", "-1", "nan", "inf", "1e9", "\u0663", "1 2", "Sun, 99 Nov 1994 08:50:37 GMT"):
            self.assertIsNone(retry_after(value, NOW), value)
        self.assertIsNone(retry_after("Thu, 01 Jan 99999 00:00:00 GMT", NOW))

"""Numbers and senders: the one rule for the door, the configuration, the doctor and the matching of receipts."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import AddressError
from smsconnector.sms.addresses import normal_number, normal_sender, same_number


class NumberCase(SynchronousTestCase):
    def test_numbers(self) -> None:
        """Decoration and the international prefix come off; a short code keeps its zeros."""
        for written in ("+92 300 123-4567", "0092 (300) 1234567", "923001234567", "+92.300.1234567", "00923001234567"):
            self.assertEqual(normal_number(written), "923001234567", written)
        for short in ("112", "8228", "0012345678"):
            self.assertEqual(normal_number(short), short)

    def test_invisible(self) -> None:
        """What nobody sees in a number that was copied comes off: marks of direction, spaces without width, a byte
        order mark, the dashes and spaces of typography."""
        for mark in "\u200b\u200e\u200f\u202a\u202c\u202e\u2060\u2066\u2069\ufeff\u00ad\u202f\u2009\u2010\u2013":
            for written in (f"{mark}+923001234567", f"+92300{mark}1234567", f"+923001234567{mark}"):
                self.assertEqual(normal_number(written), "923001234567", ascii(written))
                self.assertEqual(normal_sender(written), "923001234567", ascii(written))
        self.assertRaises(AddressError, normal_number, "\u200e")

    def test_no_numbers(self) -> None:
        """A word, too few or too many digits, a plus inside, other digits than ASCII."""
        for written in ("", "12", "me", "1" * 21, "92+300", "٠٣٠٠١٢٣٤٥٦٧", "92300123456x", "++923001234567"):
            error = self.assertRaises(AddressError, normal_number, written)
            self.assertEqual(error.code, "invalid_number", written)
            self.assertIn("To is not a phone number", error.about("To"))

    def test_senders(self) -> None:
        """Numbers as numbers, names as they are, nothing as nothing."""
        cases = (
            ("8228", "8228"),
            ("00", "00"),
            ("+92 300 1234567", "923001234567"),
            (" Bank ", "Bank"),
            ("8228\n", "8228"),
            ("Bank\r\n", "Bank"),
        )
        for written, wanted in cases:
            self.assertEqual(normal_sender(written), wanted, written)
        self.assertEqual((normal_sender(None), normal_sender("")), (None, None))
        for written in ("x" * 12, "[" * 6, "Bänk", "€", " ", "a\r\nb", "a\tb", "a\0b", "a\x1bb", "a\x7fb", "a\u200bb"):
            self.assertEqual(self.assertRaises(AddressError, normal_sender, written).code, "invalid_sender", written)

    def test_same_number(self) -> None:
        """National and international forms, and short codes with a zero or a plus before them."""
        same = (
            ("923001234567", "03001234567"),
            ("923001234567", "+923001234567"),
            ("923001234567", "1234567"),
            ("12345", "012345"),
            ("12345", "+12345"),
            ("12345", "12345"),
        )
        for left, right in same:
            self.assertTrue(same_number(left, right) and same_number(right, left), (left, right))
        for left, right in (("923001234567", "923001234568"), ("12345", "12346"), ("", ""), ("12345", ""), ("+", "0")):
            self.assertFalse(same_number(left, right) or same_number(right, left), (left, right))

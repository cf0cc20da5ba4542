"""Numbers and senders: the one rule for the door, the configuration, the doctor and the matching of receipts."""

import re
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import AddressError
from smsconnector.sms import addresses
from smsconnector.sms.addresses import normal_number, normal_sender, same_number


class ShortCutCase(SynchronousTestCase):
    @settings(max_examples=300)
    @given(st.text(alphabet="+0123456789 -().\u200e\u0661\u00a0a\n", max_size=24) | st.from_regex(addresses._NUMBER))
    def test_plain_digits(self, text: str) -> None:
        """A number that is written as the SMSC has it needs nothing taken off: it comes out as the long way has it."""

        def read() -> str:
            try:
                return normal_number(text)
            except AddressError as error:
                return error.code

        found = read()
        with patch.object(addresses, "_NUMBER", SecondTime(addresses._NUMBER)):
            self.assertEqual(read(), found)


class SecondTime:
    """A pattern that matches nothing the first time that it is asked: the short cut is not taken."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern, self._asked = pattern, False

    def fullmatch(self, text: str) -> re.Match[str] | None:
        asked, self._asked = self._asked, True
        return self._pattern.fullmatch(text) if asked else None


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
        marks = "\u061c\u180e\u200b\u200e\u200f\u202a\u202c\u202e\u2060\u2066\u2069\ufeff\u00ad"
        marks += "\u202f\u2007\u2009\u2010\u2013\u2014\u2212\u3000\ufe0f"
        for mark in marks:
            for written in (f"{mark}+923001234567", f"+92300{mark}1234567", f"+923001234567{mark}"):
                self.assertEqual(normal_number(written), "923001234567", ascii(written))
                self.assertEqual(normal_sender(written), "923001234567", ascii(written))
        self.assertRaises(AddressError, normal_number, "\u200e")

    def test_national_zero(self) -> None:
        """The zero that is dialled only at home comes off an international number, in brackets or not; where it belongs
        to the number, as in Italy, it stays. (Letterheads write numbers so; DIN 5008 forbids it, in vain.)"""
        cases = (
            ("+44 (0)7911 123456", "447911123456"),
            ("0044 (0) 7911 123456", "447911123456"),
            ("(+44) 07911-123456", "447911123456"),
            ("(0044) (0)7911 123456", "447911123456"),
            ("+44\u00a0(0)\u200e7911\u2011123456", "447911123456"),
            ("+49 (0)30/123456", "4930123456"),
            ("+92 (0)300 1234567", "923001234567"),
            ("+972 (0)50-123-4567", "972501234567"),
            ("+36 (06) 30 123 4567", "36301234567"),  # dialled 06 at home
            ("+7 (8) 912 345 67 89", "79123456789"),  # and 8
            ("+39 06 1234 5678", "390612345678"),
            ("+39 (06) 12345678", "390612345678"),
            ("+1 (415) 555-2671", "14155552671"),
            ("+1.415.555.2671", "14155552671"),
            ("+54 9 11 2345-6789", "5491123456789"),
            ("+00 92 300 1234567", "923001234567"),
            ("+225 01 02 03 04 05", "2250102030405"),
        )
        for written, wanted in cases:
            self.assertEqual(normal_number(written), wanted, written)
            self.assertEqual(normal_sender(written), wanted, written)

    def test_wrong_form(self) -> None:
        """What can't be a number of its country is refused with the reason; as digits alone it is sent as it is."""
        for written, reason in (
            ("+44 7911 1234567890", "too long"),
            ("+44 7911", "too short"),
            ("+92 3", "too short"),
            ("+999 12345 678", "no country"),
            ("+ 0 300 1234567", "no country"),
            ("0000 44 7911 123456", "no country"),
            ("+54 9 (0)11 15-2345-6789", "too long"),
            ("+1 555-2671", "too short"),
        ):
            for read, code in ((normal_number, "invalid_number"), (normal_sender, "invalid_sender")):
                error = self.assertRaises(AddressError, read, written)
                self.assertEqual(error.code, code)
                self.assertIn(reason, error.about("To"), written)
        self.assertEqual(normal_number("+4479111234567890"), "4479111234567890")
        self.assertEqual(normal_number("+99912345678"), "99912345678")

    def test_left_alone(self) -> None:
        """What is in no country's international form is read as before: short codes, national numbers, names."""
        for written, wanted in (
            ("0300-1234567", "03001234567"),
            ("(0)300 1234567", "03001234567"),
            ("82 28", "8228"),
            ("00-123 456", "00123456"),
            ("0012 345 678", "0012345678"),
            ("44 (0)7911 123456", "4407911123456"),
        ):
            self.assertEqual(normal_number(written), wanted, written)
        for name in ("+Bank", "00 Taxi", "+44 SHOP"):
            self.assertEqual(normal_sender(name), name)
        self.assertEqual(self.assertRaises(AddressError, normal_number, "+1-800-FLOWERS").code, "invalid_number")
        self.assertEqual(self.assertRaises(AddressError, normal_number, "+1 415 555 2671 ext 5").code, "invalid_number")

    def test_digits_cost_nothing(self) -> None:
        """Digits, with or without a plus, are never parsed: that takes tens of microseconds, and 20 ms the first
        time."""
        self.patch(addresses, "_international", None)  # whoever calls it fails
        for written in ("923001234567", "+923001234567", " +923001234567\n", "\ufeff00923001234567", "8228"):
            self.assertIn(normal_number(written), ("923001234567", "8228"))

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

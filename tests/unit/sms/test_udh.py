"""The user data header: what we write, what we read, and what is broken."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.sms import udh

quick = settings(deadline=None, max_examples=200, database=None)
elements_lists = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=20)), max_size=10)


def header(elements: list[tuple[int, bytes]]) -> bytes:
    """The octets of a header with ``elements``, by the clause (GSM 03.40 section 9.2.3.24)."""
    body = b"".join(bytes((identifier, len(data))) + data for identifier, data in elements)
    return bytes((len(body),)) + body


def concatenation(reference: int, count: int, number: int, wide: bool) -> bytes:
    """A header with nothing but the concatenation element."""
    return udh.build_header(udh.concatenation_element(reference, count, number, wide))


class ConcatenationTests(SynchronousTestCase):
    """The header that we send."""

    def test_octets(self) -> None:
        """Both forms, octet by octet (GSM 03.40 sections 9.2.3.24.1 and 9.2.3.24.8)."""
        for reference, count, number, wide, octets in (
            (0x2A, 3, 1, False, "0500032a0301"),
            (0x2A, 3, 1, True, "060804002a0301"),
            (0x1234, 255, 255, False, "05000334ffff"),
            (0x1234, 255, 255, True, "0608041234ffff"),
            (0xABCDEF012345, 2, 2, False, "050003450202"),  # a message id as reference is cut to its low bits
            (0xABCDEF012345, 2, 2, True, "06080423450202"),
        ):
            self.assertEqual(concatenation(reference, count, number, wide).hex(), octets)

    def test_impossible_numbers(self) -> None:
        """A header that no receiver would accept is not written."""
        for count, number in ((0, 0), (2, 0), (2, 3), (256, 1)):
            self.assertRaises(ValueError, udh.concatenation_element, 1, count, number)

    @quick
    @given(st.integers(0, 2**48), st.integers(1, 255), st.integers(1, 255), st.booleans(), st.binary(max_size=40))
    def test_round_trip(self, reference: int, count: int, number: int, wide: bool, text: bytes) -> None:
        """What we write is what we read."""
        number = min(number, count)
        elements, rest = udh.split(concatenation(reference, count, number, wide) + text)
        self.assertEqual(rest, text)
        self.assertEqual(udh.find_concatenation(elements), (reference & (0xFFFF if wide else 0xFF), count, number))


class ElementTests(SynchronousTestCase):
    """Headers of several elements."""

    def test_header(self) -> None:
        """UDHL, then the elements; no elements need no header."""
        self.assertEqual(udh.build_header(b""), b"")
        elements = udh.concatenation_element(7, 2, 1) + udh.national_shifts(0, 1)
        self.assertEqual(udh.build_header(elements).hex(), "08000307020" + "1240101")
        self.assertEqual(udh.split(udh.build_header(elements) + b"a"), ([(0, b"\7\2\1"), (0x24, b"\1")], b"a"))

    def test_find_shifts(self) -> None:
        """Locking and single shift, in any order; a wrong length is ignored and the last of several counts."""
        for elements, expected in (
            ([], (0, 0)),
            ([(0x24, b"\1")], (0, 1)),
            ([(0x24, b"\1"), (0x25, b"\3")], (3, 1)),
            ([(0x25, b"\3"), (0x00, b"\1\1\1"), (0x24, b"\1")], (3, 1)),
            ([(0x24, b"\1"), (0x24, b"\2")], (0, 2)),
            ([(0x24, b""), (0x25, b"\1\1")], (0, 0)),
        ):
            self.assertEqual(udh.find_shifts(elements), expected)


class SplitTests(SynchronousTestCase):
    """The header that comes in."""

    def test_sound(self) -> None:
        """Elements in their order, others beside the concatenation included (pitfall 17)."""
        for octets, elements, rest in (
            ("0500030a0201" + "6869", [(0x00, b"\x0a\x02\x01")], b"hi"),
            ("0b05040b8423f00003010302", [(0x05, b"\x0b\x84\x23\xf0"), (0x00, b"\x01\x03\x02")], b""),
            ("0024", [], b"\x24"),  # a header without elements
            ("022400" + "41", [(0x24, b"")], b"A"),  # an element without data
        ):
            self.assertEqual(udh.split(bytes.fromhex(octets)), (elements, rest), octets)

    def test_broken(self) -> None:
        """A length that runs over its end costs at most its element: the text, and what was sound, stay."""
        for octets, elements, rest in (
            ("", [], ""),
            ("05", [], "05"),
            ("0500030102", [], "0500030102"),  # UDHL over the end: no header
            ("ff6869", [], "ff6869"),
            ("0500040a020141", [], "41"),  # IEIDL over the header's end
            ("0700030a020124ff41", [(0x00, b"\x0a\x02\x01")], "41"),
            ("0600030a02012441", [(0x00, b"\x0a\x02\x01")], "41"),  # an IEI without length
            ("0600030a020124", [(0x00, b"\x0a\x02\x01")], ""),  # the same, and nothing behind it
        ):
            self.assertEqual(udh.split(bytes.fromhex(octets)), (elements, bytes.fromhex(rest)), octets)

    @quick
    @given(elements_lists, st.binary(max_size=40))
    def test_any_sound_header(self, elements: list[tuple[int, bytes]], text: bytes) -> None:
        """Any elements that a header can hold are read as they were written."""
        self.assertEqual(udh.split(header(elements) + text), (elements, text))

    @quick
    @given(st.binary(max_size=60))
    def test_never_raises(self, user_data: bytes) -> None:
        """Any octets: the rest is their tail, and the elements are sound enough to be searched."""
        elements, rest = udh.split(user_data)
        self.assertTrue(user_data.endswith(rest))
        udh.find_concatenation(elements)


class FindConcatenationTests(SynchronousTestCase):
    """Which segment of how many this is."""

    def test_table(self) -> None:
        """Valid elements of both forms are found among others; invalid ones are ignored; the last one counts."""
        ports = (0x05, b"\x0b\x84\x23\xf0")
        for elements, found in (
            ([], None),
            ([ports], None),
            ([ports, (0x00, b"\x07\x03\x02"), (0x24, b"\x0d")], (7, 3, 2)),
            ([(0x08, b"\x12\x34\x03\x02"), ports], (0x1234, 3, 2)),
            ([(0x00, b"\x07\x01\x01")], (7, 1, 1)),
            ([(0x00, b"\x07\x03\x00")], None),  # number 0
            ([(0x00, b"\x07\x00\x00")], None),  # count 0
            ([(0x00, b"\x07\x03\x04")], None),  # number above count
            ([(0x00, b"\x07\x03")], None),
            ([(0x00, b"\x12\x34\x03\x02")], None),
            ([(0x08, b"\x07\x03\x02")], None),
            ([(0x00, b"\x07\x03\x02"), (0x00, b"\x08\x03\x00")], (7, 3, 2)),
            ([(0x00, b"\x07\x03\x02"), (0x08, b"\x12\x34\x03\x01")], (0x1234, 3, 1)),
        ):
            self.assertEqual(udh.find_concatenation(elements), found, elements)

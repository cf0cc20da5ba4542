"""A deliver_sm read: what is told of it, and parts of a text on their way to the event, however they were cut."""

import codecs
import json
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import Finality, Receipt
from smsconnector.smpp.deliver import DeliverReader
from smsconnector.smpp.pdu import decode
from smsconnector.sms import alphabet, udh, user_data
from smsconnector.store import operations as ops
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask
from tests.unit.smpp import awkward
from tests.unit.smpp.awkward import DELIVERED, FAILED, PROGRESS, UNCLEAR
from tests.unit.store.test_store import NOW

UDHI = 0x40
EMOJI = "A😀B".encode("utf-16-be")


class TicketCase(SynchronousTestCase):
    def test_state_beside_a_text(self) -> None:
        """TLVs that tell a state, esm_class 0, and words of a person: a receipt if it fits a message of ours, and else
        the text. With esm_class of a receipt, or the fields of one, it is no text."""
        tlvs = awkward.tlv(awkward.RECEIPTED_MESSAGE_ID, b"4711\0") + awkward.tlv(awkward.MESSAGE_STATE, b"\2")
        for octets, text in (
            (awkward.deliver(b"Help", tlvs), "Help"),
            (awkward.deliver(b"Help", tlvs, esm=4), None),
            (awkward.deliver(awkward.usual(), tlvs), None),
            (awkward.deliver(b"", tlvs), None),
        ):
            item = DeliverReader("smpp", "me@smsc", "gsm7").read(decode(octets), NOW).item
            assert isinstance(item, Receipt)
            self.assertEqual(item.incoming and item.incoming.text, text, octets)


def narrow(number: int, reference: int = 0x42) -> bytes:
    return udh.build_header(udh.concatenation_element(reference, 2, number))


def wide(number: int, reference: int = 0x42) -> bytes:
    return udh.build_header(udh.concatenation_element(reference, 2, number, wide=True))


class NoticeCase(SynchronousTestCase):
    """What an operator should hear of comes back beside what was read."""

    def test_notices(self) -> None:
        """A status that no table has, a text and a TLV that tell different ends, and what tells nothing; for what is
        usual, there is none."""
        failed = awkward.tlv(awkward.MESSAGE_STATE, b"\5")
        for octets, has_item, notice in (
            (awkward.deliver(awkward.usual()), True, None),
            (awkward.deliver(b"hello"), True, None),
            (
                awkward.deliver(awkward.usual(stat="ODD"), esm=4),
                True,
                ("receipts with a status that no table knows (receipt_words can tell what it means)", "ODD"),
            ),
            (
                awkward.deliver(awkward.usual(), failed, esm=4),
                True,
                ("receipts whose text and message_state are at odds", "UNDELIV"),
            ),
            (
                awkward.deliver(esm=8),
                False,
                ("acknowledgements of a handset, or receipts without an id", "from ***567"),
            ),
        ):
            reading = DeliverReader("smpp", "me@smsc", "gsm7").read(decode(octets), NOW)
            self.assertEqual((reading.item is not None, reading.notice), (has_item, notice), octets)


class WordsCase(SynchronousTestCase):
    """What a carrier means by the words of its receipts, as the bind's ``receipt_words`` say."""

    WORDS: ClassVar = {"0": DELIVERED, "2": FAILED, "FROBBED": FAILED, "NACK": PROGRESS}

    def finality(self, stat: str, esm: int = 4, tlvs: bytes = b"") -> Finality:
        reader = DeliverReader("smpp", "me@smsc", "gsm7", self.WORDS)
        item = reader.read(decode(awkward.deliver(awkward.usual(stat=stat), tlvs, esm=esm)), NOW).item
        assert isinstance(item, Receipt)
        return item.finality

    def test_words(self) -> None:
        """Numbers in place of words, words of its own, and a known word that means something else there; every other
        word means what it always does. Without regard to capital letters."""
        for stat, finality in (
            ("0", DELIVERED),
            ("2", FAILED),
            ("7", UNCLEAR),
            ("frobbed", FAILED),
            ("NACK", PROGRESS),
            ("DELIVRD", DELIVERED),
            ("UNDELIV", FAILED),
        ):
            self.assertEqual(self.finality(stat), finality, stat)

    def test_what_counts_before(self) -> None:
        """A message_state wins over them, and an intermediate notification is never an end."""
        self.assertEqual(self.finality("0", tlvs=awkward.tlv(awkward.MESSAGE_STATE, b"\5")), FAILED)
        self.assertEqual(self.finality("0", esm=0x20), PROGRESS)

    def test_not_marked(self) -> None:
        """A text that begins as a receipt is one with the words of this bind too."""
        self.assertEqual(self.finality("FROBBED", esm=0), FAILED)


class PartsCase(SynchronousTestCase):
    def as_text(self, octets: bytes) -> str:
        return alphabet.decode_text(octets, "gsm7")

    def texts(self, *pdus: bytes, default: str = "gsm7", headers: bool = True) -> list[str]:
        """The texts of the events of these deliver_sm."""
        return [body["Body"] for body in self.bodies(*pdus, default=default, headers=headers)]

    def bodies(
        self, *pdus: bytes, default: str = "gsm7", headers: bool = True, later: bool = False
    ) -> list[dict[str, Any]]:
        """The bodies of the events of these deliver_sm. ``later``: when no more parts are waited for."""
        store = Store(":memory:")
        self.addCleanup(store.close)
        reader = DeliverReader("smpp", "me@smsc", default, headers_without_udhi=headers)
        for octets in pdus:
            found = reader.read(decode(octets), NOW).item
            store.apply([ops.Incoming((found,))])  # type: ignore[arg-type]
        if later:
            store.apply([ops.Sweep(NOW, NOW)])
        (events,) = ask(store, [ops.LoadEvents(SINK, 0, 100)])
        return [json.loads(event.body) for event in events]

    def halves(self, octets: bytes, cut: int, coding: int) -> list[bytes]:
        """Two deliver_sm with a text cut there."""
        pieces = octets[:cut], octets[cut:]
        return [
            awkward.deliver(wide(number) + piece, esm=UDHI, coding=coding) for number, piece in enumerate(pieces, 1)
        ]

    def test_cut_through_a_character(self) -> None:
        """Wherever the octets of a text are cut, it comes whole: UCS-2, septets with an escape, EUC, Shift-JIS."""
        for octets, coding, text in (
            (EMOJI, 8, "A😀B"),
            (alphabet.gsm7_encode("cost 5€ now"), 0, "cost 5€ now"),
            ("日本語".encode("euc_jp"), 13, "日本語"),
            ("日本語".encode("shift_jis"), 5, "日本語"),
            (b"\x01\xab\x02", 4, ""),
        ):
            for cut in range(len(octets) + 1):
                self.assertEqual(self.texts(*self.halves(octets, cut, coding)), [text], (text, cut))
                self.assertEqual(self.texts(*reversed(self.halves(octets, cut, coding))), [text], (text, cut))

    def test_cut_and_told_by_sar(self) -> None:
        """The same where TLVs tell the place."""
        pdus = [
            awkward.deliver(piece, awkward.sar(7, 2, number), coding=8)
            for number, piece in enumerate((EMOJI[:4], EMOJI[4:]), 1)
        ]
        self.assertEqual(self.texts(*pdus), ["A😀B"])

    def test_byte_order_mark_of_each_part(self) -> None:
        """A converter that puts a byte order mark before each part (a carrier's capture; RFC 2781 section 4.3): none is
        left in the text, and each part is read in its own order. What only looks like one inside a character stays."""
        big, little = codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE
        for parts, text in (
            ((big + "سل".encode("utf-16-be"), big + "ام".encode("utf-16-be")), "سلام"),
            ((little + "سل".encode("utf-16-le"), little + "ام".encode("utf-16-le")), "سلام"),
            ((big + "سل".encode("utf-16-be"), little + "ام".encode("utf-16-le")), "سلام"),
            (("سل".encode("utf-16-be"), big + "ام".encode("utf-16-be")), "سلام"),
            (("سل".encode("utf-16-be"), little + "ام".encode("utf-16-le")), "سلام"),
            ((little + "سل".encode("utf-16-le"), "ام".encode("utf-16-le")), "سلام"),
            ((big, big), ""),
            ((b"\x06\x33\x00", b"\xfe\xff\x10"), "س\xfe\uff10"),
        ):
            pdus = [awkward.deliver(wide(at) + part, esm=UDHI, coding=8) for at, part in enumerate(parts, 1)]
            self.assertEqual(self.texts(*pdus), [text], parts)

    def test_binary_that_is_a_text(self) -> None:
        """data_coding 4 on a plain text (an aggregator that marks every text so): the text is in Body, and the octets
        are in BodyHex as those of all binary texts. An octet that no text has keeps the Body empty."""
        for coding in (2, 4, 0x14, 0xF5):
            for octets, text in (
                (b"Help", "Help"),
                (b"Two\r\nlines\tand a tab", "Two\r\nlines\tand a tab"),
                (b"Help\0", ""),
                (b"caf\xe9", ""),
                (b"\x1b[0m", ""),
                (b"", ""),
            ):
                (body,) = self.bodies(awkward.deliver(octets, coding=coding))
                self.assertEqual((body["Body"], body["BodyHex"]), (text, octets.hex().upper()), (coding, octets))
        (body,) = self.bodies(*self.halves(b"Help me", 4, 4))
        self.assertEqual((body["Body"], body["BodyHex"]), ("Help me", b"Help me".hex().upper()))

    def test_packed_parts(self) -> None:
        """Each part of packed septets has its own fill bits and its own filling at the end; the escape may be cut."""
        septets = alphabet.gsm7_encode("123456€")
        pieces = septets[:7], septets[7:]
        bits = alphabet.fill_bits(len(narrow(1)))
        pdus = [
            awkward.deliver(narrow(number) + alphabet.gsm7_pack(piece, bits), esm=UDHI)
            for number, piece in enumerate(pieces, 1)
        ]
        self.assertEqual(self.texts(*pdus, default="gsm7-packed"), ["123456€"])

    def test_tables_of_each_part(self) -> None:
        """Parts in different tables or alphabets are each read in their own."""
        turkish = udh.build_header(udh.concatenation_element(0x42, 2, 1, wide=True) + udh.national_shifts(1, 0))
        pdus = awkward.deliver(turkish + b"\x1d", esm=UDHI), awkward.deliver(wide(2) + EMOJI, esm=UDHI, coding=8)
        self.assertEqual(self.texts(*pdus), ["şA😀B"])

    def test_references_of_two_widths(self) -> None:
        """A handset's 8-bit reference is not the 16-bit one of the same number."""
        pdus = [
            awkward.deliver(head + text, esm=UDHI)
            for head, text in (
                (narrow(1), b"a1"),
                (wide(1), b"b1"),
                (narrow(2), b"a2"),
                (wide(2), b"b2"),
            )
        ]
        self.assertEqual(self.texts(*pdus), ["a1a2", "b1b2"])

    def test_header_without_udhi(self) -> None:
        """A header that esm_class does not announce (public bug reports of several aggregators): the parts are joined,
        whatever the alphabet, the width of the reference, and the reference itself; also where SAR TLVs tell the same
        place, and where only some of the parts lost their UDHI."""
        for coding, name in ((0, "gsm7"), (1, "ascii"), (3, "latin1"), (8, "ucs2")):
            for head in (narrow, wide, partial(narrow, reference=0xA7), partial(wide, reference=0xA7C4)):
                one, two = (head(at) + alphabet.encode_text(text, name) for at, text in ((1, "Hello, "), (2, "world")))
                for pdus in (
                    (awkward.deliver(one, coding=coding), awkward.deliver(two, coding=coding)),
                    (awkward.deliver(two, coding=coding), awkward.deliver(one, coding=coding)),
                    (
                        awkward.deliver(one, coding=coding, tlvs=awkward.sar(9, 2, 1)),
                        awkward.deliver(two, coding=coding, tlvs=awkward.sar(9, 2, 2)),
                    ),
                ):
                    self.assertEqual(self.texts(*pdus), ["Hello, world"], (name, head(1).hex()))
        one, two = narrow(1, reference=0xA7) + b"Hello, ", narrow(2, reference=0xA7) + b"world"
        self.assertEqual(self.texts(awkward.deliver(one, esm=UDHI), awkward.deliver(two)), ["Hello, world"])
        septets = narrow(1) + alphabet.encode_text("Hello, ", "gsm7-packed", 1), narrow(2) + b"\xee\xdf\x93\x0d"
        self.assertEqual(self.texts(*map(awkward.deliver, septets), default="gsm7-packed")[0][:7], "Hello, ")
        (body,) = self.bodies(*(awkward.deliver(narrow(at) + b"\1\2", coding=4) for at in (1, 2)))
        self.assertEqual(body["BodyHex"], "01020102")

    def test_what_only_begins_like_a_header(self) -> None:
        """A text may begin with these octets, though hardly: in GSM 03.38 they are letters. A reference that is a
        printable septet, and parts that never come: each is told as the text that it is. A reference that no text has
        shows a header: what came is told as an incomplete text. What can't be a place is no header."""
        accents = "é@¥B$"  # 05 00 03 42 02
        for pdus, bodies in (
            ((narrow(1) + b"Hi",), [(accents + "£Hi", None)]),
            ((wide(1) + b"Hi",), [(self.as_text(wide(1) + b"Hi"), None)]),
            ((narrow(1) + b"Hi", narrow(1) + b"Ho"), [(accents + "£Hi", None), (accents + "£Ho", None)]),
            ((narrow(1, reference=0xA7) + b"Hi",), [("Hi", True)]),
            ((narrow(1, reference=0x1B) + b"Hi",), [("Hi", True)]),
        ):
            got = self.bodies(*map(awkward.deliver, pdus), later=True)
            self.assertEqual([(body["Body"], body.get("Incomplete")) for body in got], bodies, pdus)
        for octets in (
            b"\5\0\3\x42\1\1Hi",
            b"\5\0\3\x42\2\0Hi",
            b"\5\0\3\x42\2\3Hi",
            b"\5\0\3\x42\2",
            b"\5\0\4\x42\2\1Hi",
        ):
            self.assertEqual(self.texts(awkward.deliver(octets)), [self.as_text(octets)], octets)
        pdu = awkward.deliver(narrow(1) + b"Hi", tlvs=awkward.sar(9, 3, 2))
        self.assertEqual(self.bodies(pdu, later=True)[0]["Body"], accents + "£Hi", "SAR TLVs tell another place")
        (body,) = self.bodies(awkward.deliver(narrow(1) + b"\1\2", coding=4), later=True)
        self.assertEqual(body["BodyHex"], (narrow(1) + b"\1\2").hex().upper())

    def test_headers_without_udhi_off(self) -> None:
        """With the key of the bind that says so, nothing without UDHI is a header."""
        octets = narrow(1, reference=0xA7) + b"Hi"
        self.assertEqual(self.texts(awkward.deliver(octets), headers=False), [self.as_text(octets)])
        octets = narrow(1) + "سلام".encode("utf-16-be")
        self.assertEqual(self.texts(awkward.deliver(octets, coding=8), headers=False), [octets.decode("utf-16-be")])

    @given(st.text(max_size=40), st.lists(st.integers(0, 80), max_size=5))
    def test_any_cuts(self, text: str, cuts: list[int]) -> None:
        """Any text in UCS-2, cut anywhere and any number of times, is itself again."""
        octets = text.encode("utf-16-be")
        if not {"\ufeff", "\ufffe"}.isdisjoint(text):
            return  # at the beginning of a part it would be a byte order mark
        places = [0, *sorted(cuts), len(octets)]
        parts = [("ucs2", octets[begin:end].hex()) for begin, end in pairwise(places)]
        self.assertEqual(user_data.join(parts), text)

"""Segmentation: the edges of every capacity, nothing torn, nothing lost, too much refused."""

import itertools
import random
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import TextError
from smsconnector.sms import alphabet, segmentation, udh, user_data
from smsconnector.sms.segmentation import Split, capacity, rendered_form, segment, unmarked, wire
from smsconnector.sms.septets import tables

quick = settings(deadline=None, max_examples=150, database=None)

CUT_FORMS = ("udh8", "udh16", "sar")
FAMILY = "👨\u200d👩\u200d👧\u200d👦"  # 11 code units
FLAG = "🇵🇰"  # 4 code units
CLUSTERS = (
    "a",
    "ب",
    "😀",
    "e\u0301",
    "ب\u0651\u064e",  # Arabic with two marks
    "क\u093f",  # Devanagari with a spacing vowel sign
    "ก\u0e33",  # Thai with AM
    "\u1112\u1161\u11ab",  # a Hangul syllable as jamo
    "❤\ufe0f",
    "👍🏽",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England: 14 code units
    "🏳\ufe0f\u200d🌈",
    FAMILY,
    FLAG,
    "\r\n",
)
gsm7_texts = st.text("abc xyz\r\n@£é€[]{}^~|\\", max_size=500)
cluster_lists = st.lists(st.sampled_from(CLUSTERS), max_size=200)
messages = gsm7_texts | st.text(max_size=300) | cluster_lists.map("".join)


def sizes(split: Split) -> list[int]:
    """The length of each segment in characters."""
    return [len(text) for text in split.segments]


def units(text: str, name: str) -> int:
    """The length in units of the alphabet, by its octets."""
    return len(alphabet.encode_text(text, name)) // (2 if name == "ucs2" else 1)


class CapacityTests(SynchronousTestCase):
    """How much a segment holds (GSM 03.40 section 9.2.3.24)."""

    def test_capacities(self) -> None:
        """The figures that the whole field knows."""
        for name, *expected in (
            ("gsm7", 160, 153, 152, 160),
            ("gsm7-packed", 160, 153, 152, 160),
            ("gsm7+tr", 155, 149, 148, 155),
            ("gsm7=hi", 155, 149, 148, 155),
            ("gsm7=hi+hi", 152, 146, 145, 152),
            ("gsm7-packed+tr", 155, 149, 148, 155),
            ("ascii", 160, 153, 152, 160),
            ("latin1", 140, 134, 133, 140),
            ("ucs2", 70, 67, 66, 70),
        ):
            self.assertEqual([capacity(name, form) for form in ("single", "udh8", "udh16", "sar")], expected, name)

    def test_edges(self) -> None:
        """The last text that fits in one segment, the first that does not, and the same for two and three."""
        for name, letter, single, narrow, wide in (
            ("gsm7", "a", 160, 153, 152),
            ("gsm7-packed", "a", 160, 153, 152),
            ("gsm7+tr", "a", 155, 149, 148),
            ("gsm7=hi+hi", "क", 152, 146, 145),
            ("ascii", "a", 160, 153, 152),
            ("latin1", "é", 140, 134, 133),
            ("ucs2", "ب", 70, 67, 66),
        ):
            for form, part in (("udh8", narrow), ("udh16", wide), ("sar", single)):
                for length, expected in (
                    (0, [0]),
                    (1, [1]),
                    (single, [single]),
                    (single + 1, [part, single + 1 - part]),
                    (2 * part, [part, part]),
                    (2 * part + 1, [part, part, 1]),
                ):
                    split = segment(letter * length, alphabet=name, form=form)
                    self.assertEqual(sizes(split), expected, (name, form, length))

    def test_extension_counts_two(self) -> None:
        """The euro sign and its kind count two septets (pitfall 13)."""
        self.assertEqual(sizes(segment("€" * 80)), [80])
        self.assertEqual(sizes(segment("€" * 81)), [76, 5])
        self.assertEqual(sizes(segment("a" * 158 + "€")), [159])
        self.assertEqual(sizes(segment("a" * 159 + "€")), [153, 7])

    def test_surrogates_count_two(self) -> None:
        """UCS-2 is counted in UTF-16 code units."""
        self.assertEqual(sizes(segment("😀" * 35)), [35])
        self.assertEqual(sizes(segment("😀" * 36)), [33, 3])


class ChoiceTests(SynchronousTestCase):
    """GSM-7 or UCS-2 (pitfall 15)."""

    def test_automatic(self) -> None:
        """UCS-2 only when a character forces it, and the split tells which."""
        for text, expected in (
            ("", Split("gsm7", ("",), "")),
            ("plain", Split("gsm7", ("plain",), "")),
            ("10 € [net]", Split("gsm7", ("10 € [net]",), "")),
            ("it’s", Split("ucs2", ("it’s",), "’")),
            ("“so” “so”", Split("ucs2", ("“so” “so”",), "“”")),
        ):
            self.assertEqual(segment(text), expected)

    def test_explicit(self) -> None:
        """An alphabet that was asked for is used, and nothing is said to have forced it."""
        for name in ("gsm7", "gsm7-packed", "ascii", "latin1", "ucs2"):
            self.assertEqual(segment("plain", alphabet=name), Split(name, ("plain",), ""))

    def test_refusals(self) -> None:
        """What can't be encoded is refused here, at the door, long or short: never later, on the way to the wire."""
        for text, name, code in (
            ("it’s", "gsm7", "not_gsm7"),
            ("é", "ascii", "not_ascii"),
            ("€", "latin1", "not_latin1"),
            ("\ud83d", "auto", "lone_surrogate"),
            ("x" * 500 + "\ude00", "auto", "lone_surrogate"),
        ):
            error = self.assertRaises(TextError, segment, text, alphabet=name)
            self.assertEqual(error.code, code)


class OptionTests(SynchronousTestCase):
    """National tables and transliteration, and what the SMSCs' default alphabets lack."""

    def test_table(self) -> None:
        """Each with its options, the alphabet, the text, what forced UCS-2 and what was replaced."""
        turkish = "Işığı söndür, şarkı söyle. "
        tr, hi, ascii_only = {"national_languages": ["tr"]}, {"national_languages": ["tr", "hi"]}, ["gsm7", "ascii"]
        near: dict[str, Any] = {"transliterate": True}
        for text, options, name, sent, forced_by, replaced in (
            ("plain", {**tr, **near}, "gsm7", None, "", ""),
            ("şaka", tr, "ucs2", None, "ş", ""),  # one segment either way: the alphabet that every handset has
            (turkish * 4, {}, "ucs2", None, "şığ", ""),
            (turkish * 4, tr, "gsm7+tr", None, "", ""),  # 108 characters in 155 septets by the one shift
            (turkish * 5, tr, "gsm7=tr", None, "", ""),  # 135 by the locking one
            ("मेरा नाम राम है। " * 5, hi, "gsm7=hi+hi", None, "", ""),
            ("ş“", tr, "ucs2", None, "ş“", ""),
            ("ş“", {**tr, **near}, "gsm7+tr", 'ş"', "", "“"),
            ("ş“", near, "gsm7", 's"', "", "ş“"),
            ("it’s", near, "gsm7", "it's", "", "’"),
            ("it’s ب", near, "ucs2", None, "’ب", ""),
            ("5 €", {"default_alphabets": ["latin1"]}, "ucs2", None, "€", ""),
            ("5 €", {"default_alphabets": ["latin1"], **near}, "gsm7", "5 EUR", "", "€"),
            ("é", {"default_alphabets": ["latin1"]}, "gsm7", None, "", ""),
            ("é", {"default_alphabets": ascii_only}, "ucs2", None, "é", ""),
            (turkish * 4, {"default_alphabets": ["latin1"], **tr}, "ucs2", None, "şığ", ""),
            ("é€", {"default_alphabets": ["gsm7", "gsm7-packed"]}, "gsm7", None, "", ""),
        ):
            split = segment(text, **options)
            self.assertEqual(
                (split.alphabet, "".join(split.segments), split.forced_by, split.transliterated),
                (name, text if sent is None else sent, forced_by, replaced),
                (text, options),
            )

    @quick
    @given(st.text("abc şğı İ çĞ€[]{}“é", max_size=400), st.booleans(), st.sampled_from(CUT_FORMS))
    def test_never_more_than_ucs2(self, text: str, near: bool, form: str) -> None:
        """Options only ever save segments, and without transliteration nothing of the text is changed."""
        split = segment(text, form=form, national_languages=["es", "tr", "pt"], transliterate=near)
        plain = segment(text, form=form)
        self.assertLessEqual(len(split.segments), len(plain.segments))
        if not near:
            self.assertEqual("".join(split.segments), text)


class ShortTests(SynchronousTestCase):
    @settings(max_examples=300, deadline=None)
    @given(
        st.text(alphabet="@£_\n Aaz0Δ^{}\\[~]|€\f’é\ud83dşü😀", max_size=100),
        st.sampled_from(({"gsm7"}, {"gsm7", "latin1"}, {"ascii"})),
        st.sampled_from(((), ("tr",), ("es", "pt"))),
        st.booleans(),
        st.sampled_from(("udh8", "udh16", "sar", "payload")),
    )
    def test_short_cut(self, text: str, alphabets: Any, languages: Any, transliterate: bool, form: str) -> None:
        """A short text that GSM 03.38 has is not counted; what comes of it is what counting brings."""

        def cut() -> Any:
            try:
                return segment(
                    text,
                    form=form,
                    default_alphabets=alphabets,
                    national_languages=languages,
                    transliterate=transliterate,
                )
            except TextError as error:
                return error.code

        found = cut()
        with patch.object(segmentation, "SHORT", -1):
            self.assertEqual(cut(), found)

    def test_the_longest(self) -> None:
        """Even if each of its characters is two septets."""
        self.assertLessEqual(2 * segmentation.SHORT, capacity("gsm7", "single"))


class MaximumTests(SynchronousTestCase):
    """A message too long is refused, with its count, never cut (pitfall 12)."""

    def test_refused(self) -> None:
        """The error has the code, the count and the maximum; one segment less is accepted."""
        error = self.assertRaises(TextError, segment, "a" * 460, maximum_segments=3)
        self.assertEqual((error.code, error.segments), ("too_many_segments", 4))
        self.assertIn("4 segments and the maximum is 3", str(error))
        self.assertNotIn("UCS-2", str(error))
        self.assertEqual(len(segment("a" * 459, maximum_segments=3).segments), 3)

    def test_names_what_forced_ucs2(self) -> None:
        """One typographic quote that made the text too long is named."""
        error = self.assertRaises(TextError, segment, "it’s" + "a" * 150, maximum_segments=2)
        self.assertEqual(error.segments, 3)
        self.assertIn("’ (U+2019)", str(error))

    def test_header_limit(self) -> None:
        """Whatever the configuration says, the header can't count above 255."""
        self.assertEqual(len(segment("a" * 153 * 255, maximum_segments=1000).segments), 255)
        error = self.assertRaises(TextError, segment, "a" * (153 * 255 + 1), maximum_segments=1000)
        self.assertEqual(error.segments, 256)


class FormTests(SynchronousTestCase):
    """What a message was cut for, and the forms it may be rendered in (pitfall 17)."""

    def test_marks(self) -> None:
        """A message of several segments tells what it was cut for, unless that is udh8, which always fits."""
        for form, length, name, count in (
            ("udh8", 161, "gsm7", 2),
            ("udh16", 161, "gsm7/udh16", 2),
            ("sar", 161, "gsm7/sar", 2),
            ("sar", 320, "gsm7/sar", 2),
            ("payload", 161, "gsm7", 1),
            ("sar", 160, "gsm7", 1),
            ("udh16", 160, "gsm7", 1),
        ):
            split = segment("a" * length, form=form)
            self.assertEqual((split.alphabet, len(split.segments)), (name, count), (form, length))
        for marked, parts in (("ucs2", ("ucs2", "udh8")), ("gsm7+tr/sar", ("gsm7+tr", "sar"))):
            self.assertEqual(unmarked(marked), parts)

    def test_rendered_form_fits(self) -> None:
        """Whatever the bind wants, a segment fits in the form it is rendered in: as wanted where that always fits."""
        for cut_for, wanted, form in (
            ("udh8", "udh8", "udh8"),
            ("udh8", "udh16", "udh8"),
            ("udh8", "sar", "sar"),
            ("udh8", "payload", "udh8"),
            ("udh16", "udh8", "udh8"),
            ("udh16", "udh16", "udh16"),
            ("udh16", "sar", "sar"),
            ("udh16", "payload", "udh16"),
            ("sar", "udh8", "sar"),
            ("sar", "udh16", "sar"),
            ("sar", "sar", "sar"),
            ("sar", "payload", "sar"),
        ):
            self.assertEqual(rendered_form(cut_for, wanted), form, (cut_for, wanted))
            for name in ("gsm7", "gsm7+tr", "gsm7=hi+hi", "latin1", "ucs2"):
                self.assertLessEqual(capacity(name, cut_for), capacity(name, form))

    def test_payload(self) -> None:
        """One segment whatever its length; the maximum is about what the SMSC will make of it."""
        self.assertEqual(segment("a" * 153 * 255, form="payload").segments, ("a" * 153 * 255,))
        error = self.assertRaises(TextError, segment, "a" * 460, form="payload", maximum_segments=3)
        self.assertEqual((error.code, error.segments), ("too_many_segments", 4))

    def test_payload_with_national_tables(self) -> None:
        """An SMSC that cuts a text knows nothing of its header: such a text is cut here."""
        split = segment("ş" + "a" * 300, form="payload", national_languages=["tr"])
        self.assertEqual((split.alphabet, len(split.segments)), ("gsm7+tr", 3))


class BoundaryTests(SynchronousTestCase):
    """What a cut keeps together (pitfalls 13 and 14)."""

    def test_escape_pair(self) -> None:
        """An extension character whose escape would be septet 153 moves to the next segment whole."""
        self.assertEqual(sizes(segment("a" * 151 + "€" + "a" * 10)), [152, 10])  # its second septet is the 153rd
        self.assertEqual(sizes(segment("a" * 152 + "€" + "a" * 10)), [152, 11])

    def test_clusters_at_the_edge(self) -> None:
        """Whatever the offset, no cluster is torn across the edge, and no room is left where it would have fit."""
        for cluster in CLUSTERS:
            size = units(cluster, "ucs2")
            for before in range(67 - size - 1, 70):
                text = "ب" * before + "x" + cluster + "ب" * 40
                first, second = segment(text, alphabet="ucs2").segments
                if before + 1 + size <= 67:
                    self.assertEqual(units(first, "ucs2"), 67)
                else:
                    self.assertEqual(first, text[: min(before + 1, 67)], (cluster, before))
                self.assertEqual(first + second, text)

    def test_flags_stay_paired(self) -> None:
        """In a row of flags, 16 fit in 67 code units; none is cut in two, none is paired with its neighbour."""
        self.assertEqual(segment(FLAG * 40).segments, (FLAG * 16, FLAG * 16, FLAG * 8))
        self.assertEqual(segment("x" + FLAG * 40).segments[0], "x" + FLAG * 16)
        self.assertEqual(segment("xy😀" + FLAG * 40).segments[0], "xy😀" + FLAG * 15)

    def test_families(self) -> None:
        """Six families of 11 code units fit in 67; the seventh moves whole."""
        self.assertEqual(segment(FAMILY * 8).segments, (FAMILY * 6, FAMILY * 2))

    def test_crlf(self) -> None:
        """A line end stays in one piece, in GSM-7 too."""
        self.assertEqual(sizes(segment("a" * 152 + "\r\n" + "a" * 10)), [152, 12])

    def test_monstrous_cluster(self) -> None:
        """A cluster longer than a segment fills the segments, cut between code points."""
        self.assertEqual(sizes(segment("e" + "\u0301" * 199)), [67, 67, 66])
        self.assertEqual(sizes(segment("x" * 10 + "e" + "\u0301" * 100)), [67, 44])
        for mark in ("\U000e0067", "\U000e0100"):  # tags and variation selectors are surrogate pairs
            self.assertEqual(sizes(segment("x" + mark * 80)), [34, 33, 14])

    def test_cluster_that_just_fits(self) -> None:
        """A cluster of exactly one segment is moved whole, one of a code unit more is cut where it stands."""
        self.assertEqual(sizes(segment("x" * 9 + "e" + "\u0301" * 66 + "z")), [9, 67, 1])
        self.assertEqual(sizes(segment("x" * 9 + "e" + "\u0301" * 67 + "z")), [67, 11])

    @quick
    @given(cluster_lists, st.sampled_from(CUT_FORMS))
    def test_no_cluster_is_torn(self, clusters: list[str], form: str) -> None:
        """Every segment ends where a cluster ends, and the next cluster would not have fitted: greedy, so minimal."""
        split = segment("".join(clusters), alphabet="ucs2", form=form)
        ends = set(itertools.accumulate(map(len, clusters), initial=0))
        self.assertLessEqual(set(itertools.accumulate(map(len, split.segments))), ends)
        following = dict(zip(itertools.accumulate(map(len, clusters), initial=0), clusters, strict=False))
        position = 0
        for text in split.segments[:-1]:
            position += len(text)
            self.assertGreater(units(text + following[position], "ucs2"), capacity("ucs2", form))


class RoundTripTests(SynchronousTestCase):
    """From a text to the wire and back."""

    def test_octets(self) -> None:
        """The user data of one segment, octet by octet, and whether UDHI is set."""
        for arguments, form, octets, udhi in (
            (("a€", "gsm7", 7, 1, 1), "udh8", "611b65", False),
            (("a€", "gsm7", 7, 2, 1), "udh8", "050003070201" + "611b65", True),
            (("a", "gsm7", 0x12345, 2, 2), "udh16", "06080423450202" + "61", True),
            (("a", "gsm7", 0x12345, 2, 2), "sar", "61", False),
            (("ب", "ucs2", 7, 2, 2), "udh8", "050003070202" + "0628", True),
            (("é", "latin1", 7, 2, 2), "udh8", "050003070202" + "e9", True),
            (("a", "gsm7-packed", 7, 2, 2), "udh8", "050003070202" + "c2", True),  # after one fill bit
            (("a", "gsm7-packed", 7, 2, 2), "udh16", "06080400070202" + "61", True),
            (("ş", "gsm7+tr", 7, 1, 1), "udh8", "03240101" + "1b73", True),
            (("ş", "gsm7=tr", 7, 1, 1), "udh8", "03250101" + "1d", True),
            (("ş€", "gsm7=tr+tr", 7, 1, 1), "udh8", "06250101240101" + "1d04", True),
            (("ş", "gsm7+tr", 7, 2, 2), "udh8", "08000307020224010" + "1" + "1b73", True),
            (("ş", "gsm7+tr", 7, 2, 2), "udh16", "09080400070202240101" + "1b73", True),
            (("ş", "gsm7+tr", 7, 2, 2), "sar", "03240101" + "1b73", True),
            (("ş", "gsm7-packed=tr", 7, 1, 1), "udh8", "03250101" + "e800", True),  # after three fill bits
        ):
            user_data, has_header = wire(*arguments, form=form)
            self.assertEqual((user_data.hex(), has_header), (octets, udhi), arguments)

    @quick
    @given(messages, st.sampled_from(("udh8", "udh16")), st.integers(0, 2**40), st.randoms())
    def test_any_text_in_any_order(self, text: str, form: str, reference: int, order: random.Random) -> None:
        """Any text comes back from its segments, whatever their order and duplicates; each fits."""
        split = segment(text, form=form)
        name, _ = unmarked(split.alphabet)
        self.assertEqual("".join(split.segments), text)
        count = len(split.segments)
        parts = []
        for number, part in enumerate(split.segments, 1):
            short_message, udhi = wire(part, name, reference, count, number, form)
            self.assertEqual(udhi, count > 1)
            elements, octets = udh.split(short_message) if udhi else ([], short_message)
            limit = capacity(name, form if udhi else "single")
            self.assertLessEqual(len(octets), limit * (2 if name == "ucs2" else 1))
            found = (reference % (2**16 if form == "udh16" else 2**8), count, number) if udhi else None
            self.assertEqual(udh.find_concatenation(elements), found)
            parts.append((number, alphabet.decode_text(octets, name)))
        parts += parts[:2]
        order.shuffle(parts)
        self.assertEqual("".join(part for _, part in sorted(set(parts))), text)

    @quick
    @given(
        st.sampled_from(("gsm7", "gsm7-packed", "gsm7+tr", "gsm7=tr", "gsm7=tr+tr", "gsm7-packed+tr", "ucs2")),
        st.sampled_from(CUT_FORMS),
        st.builds(str.__mul__, st.text("abc şğı İ çĞ€[]{}", max_size=60), st.integers(1, 15)),
        st.integers(0, 2**40),
        st.randoms(),
    )
    def test_every_alphabet_and_form(
        self, name: str, form: str, text: str, reference: int, order: random.Random
    ) -> None:
        """With national tables, packed or not, in every form: each segment is within 140 octets on the air, tells
        its tables itself, and is read back by itself."""
        base, locking, single = alphabet.shifts(name)
        pair = tables(locking, single)
        text = "".join(character for character in text if name == "ucs2" or character in pair.characters)
        split = segment(text, alphabet=name, form=form)
        count = len(split.segments)
        parts = []
        for number, part in enumerate(split.segments, 1):
            octets, has_header = wire(part, name, reference, count, number, form)
            header_octets = 1 + octets[0] if has_header else 0
            septets = len(octets) - header_octets
            on_air = -(-7 * (septets + -(-header_octets * 8 // 7)) // 8) if base == "gsm7" else len(octets)
            self.assertLessEqual(on_air, 140)
            default = "gsm7" if base == "ucs2" else base
            found = user_data.read(octets, 8 if base == "ucs2" else 0, default, has_header)
            place = udh.find_concatenation(found.elements)
            self.assertEqual(place is not None, count > 1 and form != "sar")
            # A packed text that itself ends with a carriage return is the one exception, and has none here.
            parts.append((number, found.text))
        order.shuffle(parts)
        self.assertEqual("".join(part for _, part in sorted(set(parts))), text)

    @quick
    @given(gsm7_texts, st.sampled_from(CUT_FORMS))
    def test_segments_are_full(self, text: str, form: str) -> None:
        """Each segment fits, and takes all that fits: the next character, or line end, would be too much."""
        for name in ("gsm7", "gsm7-packed"):
            split = segment(text, alphabet=name, form=form)
            limit = capacity("gsm7", form) if len(split.segments) > 1 else 160
            for part, following in itertools.pairwise(split.segments):
                self.assertGreater(units(part + following[: 2 if following[:2] == "\r\n" else 1], "gsm7"), limit)
            for number, part in enumerate(split.segments, 1):
                self.assertLessEqual(units(part, "gsm7"), limit)
                packed, _ = wire(part, "gsm7-packed", 1, len(split.segments), number, form)
                self.assertLessEqual(len(packed), 140)

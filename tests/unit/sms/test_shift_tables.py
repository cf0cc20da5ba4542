"""The national language shift tables, and transliteration: the other ways to keep a text in septets."""

import time
import unicodedata
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import TextError
from smsconnector.sms import alphabet, udh, user_data
from smsconnector.sms.septets import DEFAULT_ALPHABET, DEFAULT_TABLES, tables
from smsconnector.sms.shift_tables import ABSENT, EXTENSION_TABLE, LANGUAGES, LOCKING, SINGLE
from smsconnector.sms.transliteration import transliterate

quick = settings(deadline=None, max_examples=150, database=None)

# Where the letters of each script are in Unicode, and what its names begin with.
BLOCKS = {
    "bn": (0x0980, "BENGALI"),
    "gu": (0x0A80, "GUJARATI"),
    "hi": (0x0900, "DEVANAGARI"),
    "kn": (0x0C80, "KANNADA"),
    "ml": (0x0D00, "MALAYALAM"),
    "or": (0x0B00, "ORIYA"),
    "pa": (0x0A00, "GURMUKHI"),
    "ta": (0x0B80, "TAMIL"),
    "te": (0x0C00, "TELUGU"),
}
# Of the tables as two independent implementations have them (oFono 1.31, and Android 10's GsmAlphabet, which agree
# with each other but for omissions of oFono's in Bengali, Kannada, Malayalam and Telugu).
CHECKSUMS = {
    "tr": (0xE3B406DE, 0x36225018),
    "es": (0x00000000, 0x07F02297),
    "pt": (0x46538026, 0x416A4CC1),
    "bn": (0xB3AAFC0A, 0x6C8190CE),
    "gu": (0xCB9248FC, 0xE0370BA5),
    "hi": (0x8DC50511, 0x6C4966FB),
    "kn": (0x6FB8AA2A, 0x535E72CA),
    "ml": (0x1899CC65, 0xD31C8815),
    "or": (0x5337AA2F, 0x93522F60),
    "pa": (0xA1296DBD, 0xE71CAC0B),
    "ta": (0x04CD6D71, 0x3F167E5C),
    "te": (0x2DB31876, 0xADFB58DC),
    "ur": (0x83E33E83, 0x37E2CFAF),
}


def checksum(characters: str) -> int:
    return zlib.crc32(characters.encode("utf-8"))


class TableTests(SynchronousTestCase):
    """3GPP TS 23.038 annex A."""

    def test_shape(self) -> None:
        """A locking table has 128 codes with the escape, LF, CR and space at their place, none of them twice."""
        self.assertEqual(set(LANGUAGES.values()), set(range(1, 14)))
        self.assertEqual(set(SINGLE), set(range(1, 14)))
        self.assertEqual(set(LOCKING), set(range(1, 14)) - {LANGUAGES["es"]})
        for identifier, table in LOCKING.items():
            self.assertEqual(len(table), 128, identifier)
            self.assertEqual((table[0x0A], table[0x0D], table[0x1B], table[0x20]), ("\n", "\r", "\x1b", " "))
            letters = table.replace(ABSENT, "")
            self.assertEqual(len(set(letters)), len(letters), identifier)
        for identifier, extensions in SINGLE.items():
            self.assertNotIn(0x0D, extensions, identifier)  # reserved: another control character
            self.assertNotIn(0x1B, extensions, identifier)  # reserved: another escape
            self.assertTrue(all(0 <= code < 0x80 and len(letter) == 1 for code, letter in extensions.items()))
            self.assertEqual(
                {code: extensions[code] for code in EXTENSION_TABLE if code != 0x65},
                {code: letter for code, letter in EXTENSION_TABLE.items() if code != 0x65},
            )

    def test_checksums(self) -> None:
        """The tables are those that were compared, code by code, with two implementations that none of us wrote."""
        for language, identifier in LANGUAGES.items():
            single = "".join(SINGLE[identifier].get(code, " ") for code in range(0x80))
            self.assertEqual((checksum(LOCKING.get(identifier, "")), checksum(single)), CHECKSUMS[language], language)

    def test_known_codes(self) -> None:
        """Codes that everybody can look up: octets, languages and the text."""
        for octets, locking, single, text in (
            ("1b531b731b471b67", "", "tr", "ŞşĞğ"),
            ("1b491b691b631b65", "", "tr", "İıç€"),
            ("1c1d0b0c400760", "tr", "", "ŞşĞğİıç"),
            ("04", "tr", "", "€"),
            ("1b411b491b4f1b551b611b691b6f1b75", "", "es", "ÁÍÓÚáíóú"),
            ("1b091b65", "", "es", "ç€"),
            ("1b5b1b7b1b5c1b7c1b05", "", "pt", "ÃãÕõê"),
            ("0405060708", "pt", "", "êéúíó"),
            ("5b7b5c7c121118", "pt", "", "ÃãÕõª_€"),
            ("15501634", "hi", "", "\u0915\u093e\u0916" + "4"),
            ("1b1c1b1d1b1e", "", "hi", "०१२"),
            ("00", "ur", "", "ا"),
            ("1b3f1b26", "", "ur", "۔،"),
            ("601b401b3c", "ta", "", "ௐ|["),  # the default extension table stays without a single shift
        ):
            pair = tables(LANGUAGES[locking] if locking else 0, LANGUAGES[single] if single else 0)
            self.assertEqual(pair.decode(bytes.fromhex(octets)), text, (octets, locking, single))

    def test_indic_letters(self) -> None:
        """The scripts of India share one order in Unicode and one in the annex: what stands at a code is the same
        letter in each, and a character of that script."""
        hindi = LOCKING[LANGUAGES["hi"]]
        for language, (base, script) in BLOCKS.items():
            table = LOCKING[LANGUAGES[language]]
            for code in [*range(0x00, 0x30), *range(0x3C, 0x60)]:
                if table[code] in (ABSENT, hindi[code]):
                    continue
                self.assertEqual(ord(table[code]) - base, ord(hindi[code]) - 0x0900, (language, hex(code)))
            for letter in set(table[0x00:0x0A] + table[0x40:0x61] + table[0x7B:]) - {ABSENT}:
                self.assertTrue(unicodedata.name(letter).startswith(script), (language, letter))

    def test_digits(self) -> None:
        """The digits of each script are in order in its single shift table."""
        for language, zero in (("bn", 0x19), ("hi", 0x1C), ("gu", 0x1C), ("ta", 0x1C), ("te", 0x1C), ("ur", 0x1C)):
            table = SINGLE[LANGUAGES[language]]
            codes = [code for code in range(zero, 0x30) if code != 0x1B][:10]
            self.assertEqual([unicodedata.digit(table[code]) for code in codes], list(range(10)), language)

    def test_every_character_both_ways(self) -> None:
        """Every character of every pair of tables is encoded, and comes back."""
        for locking in (0, *LOCKING):
            for single in (0, *SINGLE):
                pair = tables(locking, single)
                for character in pair.characters:
                    self.assertEqual(pair.decode(pair.encode(character)), character, (locking, single))

    def test_shortest_and_lowest_code(self) -> None:
        """A character in both tables is one septet; one that is twice in a single shift table has its lower code."""
        for character, locking, single, octets in (
            ("*", 0, 6, "2a"),
            ("*", 6, 6, "1b0b"),
            ("¡", 6, 6, "1b13"),
            ("€", 1, 1, "04"),
            ("€", 6, 0, "1b65"),
        ):
            self.assertEqual(tables(locking, single).encode(character).hex(), octets)

    def test_every_code_is_decoded(self) -> None:
        """By itself every code gives the locking table's character, and behind an escape the single table's, or the
        locking table's where that has none (the note of section 6.2.1.1)."""
        for locking in (0, *LOCKING):
            for single in (0, *SINGLE):
                pair = tables(locking, single)
                table, extensions = LOCKING.get(locking, DEFAULT_ALPHABET), SINGLE.get(single, EXTENSION_TABLE)
                for code in set(range(0x80)) - {0x1B}:
                    self.assertEqual(pair.decode(bytes((code,))), table[code])
                    self.assertEqual(pair.decode(bytes((0x1B, code))), extensions.get(code, table[code]))

    @quick
    @given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 255))
    def test_decoding_never_raises(self, octets: bytes, locking: int, single: int) -> None:
        """Whatever identifiers and octets come, there is a text; an identifier without a table is ignored."""
        text = tables(locking, single).decode(octets)
        if locking not in LOCKING and single not in SINGLE:
            self.assertEqual(text, DEFAULT_TABLES.decode(octets))

    def test_names(self) -> None:
        """The names of alphabets with languages; one without such a table is a mistake of ours."""
        for name, expected in (
            ("gsm7", ("gsm7", 0, 0)),
            ("gsm7+tr", ("gsm7", 0, 1)),
            ("gsm7=tr", ("gsm7", 1, 0)),
            ("gsm7-packed=hi+ur", ("gsm7-packed", 6, 13)),
            ("ucs2", ("ucs2", 0, 0)),
            ("ucs2+tr", ("ucs2+tr", 0, 0)),
        ):
            self.assertEqual(alphabet.shifts(name), expected)
        for name in ("gsm7+xx", "gsm7=es", "ucs2+tr"):
            self.assertRaises(KeyError, alphabet.encode_text, "a", name)
        error = self.assertRaises(TextError, alphabet.encode_text, "ş“", "gsm7+tr")
        self.assertIn("lacks “ (U+201C);", str(error))


class UserDataTests(SynchronousTestCase):
    """Incoming user data, with whatever header."""

    def test_table(self) -> None:
        """Octets, data_coding, the SMSC's default alphabet: the text, and where the part belongs."""
        for octets, data_coding, default, has_header, text, place in (
            ("1b73", 0, "gsm7", False, "s", None),
            ("03240101" + "1b73", 0, "gsm7", True, "ş", None),
            ("03250101" + "1d", 0, "gsm7", True, "ş", None),
            ("03250101" + "1d", 0xF1, "gsm7", True, "ş", None),
            ("03250101" + "1d", 0xF1, "latin1", True, "ş", None),
            ("06240101250101" + "1d1b65", 0, "gsm7", True, "ş€", None),
            ("08000307020124010" + "1" + "1b73", 0, "gsm7", True, "ş", (7, 2, 1)),
            ("03250101" + "1d", 0, "latin1", True, "ş", None),  # an element for septets, on a bind of octets
            ("03250101" + "e91d", 0, "latin1", True, "é\x1d", None),  # those octets are no septets
            ("03250101" + "015f", 8, "gsm7", True, "ş", None),
            ("0325010e" + "1c", 0, "gsm7", True, "Æ", None),  # no such table yet: ignored
            ("0425020101" + "1c", 0, "gsm7", True, "Æ", None),  # a wrong length
            ("06250101250103" + "04", 0, "gsm7", True, "ê", None),  # the last counts
            ("050003070201" + "c2", 0, "gsm7-packed", True, "a", (7, 2, 1)),  # one fill bit
            ("03250101" + "e800", 0, "gsm7-packed", True, "ş", None),  # three of them
            ("ff", 0, "gsm7", True, "\ufffd", None),
            ("", 0, "gsm7", True, "", None),
        ):
            found = user_data.read(bytes.fromhex(octets), data_coding, default, has_header)
            self.assertEqual((found.text, udh.find_concatenation(found.elements)), (text, place), octets)

    @quick
    @given(st.binary(max_size=200), st.integers(0, 255), st.sampled_from(("gsm7", "gsm7-packed", "latin1", "ascii")))
    def test_never_raises(self, octets: bytes, data_coding: int, default: str) -> None:
        """Any octets under any data_coding are some text, with a header or without."""
        for has_header in (True, False):
            text = user_data.read(octets, data_coding, default, has_header).text
            self.assertIsInstance(text, str)

    def test_shift_elements(self) -> None:
        """The elements that we send are those that we read; 0 needs none."""
        for locking, single, octets in ((0, 0, ""), (1, 0, "250101"), (0, 3, "240103"), (6, 6, "250106240106")):
            self.assertEqual(udh.national_shifts(locking, single).hex(), octets)
            elements, _ = udh.split(udh.build_header(bytes.fromhex(octets)))
            self.assertEqual(udh.find_shifts(elements), (locking, single))


class TransliterationTests(SynchronousTestCase):
    """The nearest text in GSM 03.38 (pitfall 15)."""

    def test_table(self) -> None:
        """Typographic signs, ligatures and accents; None where one character has nothing near."""
        for text, near in (
            ("", None),
            ("it’s “so” – or ‘not’ — …", "it's \"so\" - or 'not' - ..."),
            ("a\u00a0b\u202fc\u2003d", "a b c d"),
            ("zero\u200bwidth\ufeff", "zerowidth"),
            ("ﬁn ﬂy œuvre ĳs", "fin fly oeuvre ijs"),
            ("Éé Èè ÀàÄä", "Éé Eè AàÄä"),  # what GSM 03.38 has stays
            ("ÁÍÓÚ áíóú çâêô ãõ", "AIOU aiou caeo ao"),
            ("Łódź Škoda Đorđe Þór", "Lodz Skoda Dorde Thor"),
            ("Phở Việt ế ǟ", "Pho Viet é ä"),  # the mark that GSM 03.38 has is kept
            ("cafe\u0301 q\u0301", "café q"),  # decomposed
            ("½ ²  ™ № ①", "1/2 2  TM No 1"),
            ("10 € ~ [x]", "10 € ~ [x]"),
            ("`code`", "'code'"),
            ("´ ¸", None),  # a cedilla by itself
            ("日本", None),
            ("“日”", None),
            ("😀", None),
            ("❤\ufe0f", None),
            ("\ud83d", None),
            ("\u200b", None),
        ):
            self.assertEqual(transliterate(text, DEFAULT_TABLES.characters), near, text)

    def test_towards_other_alphabets(self) -> None:
        """It knows what it writes for: Turkish letters stay where Turkish tables are, ASCII gets ASCII."""
        self.assertEqual(transliterate("“şâ”", tables(0, 1).characters), '"şa"')
        self.assertEqual(transliterate("Straße Æ 5 €", frozenset(map(chr, range(0x80)))), "Strasse AE 5 EUR")

    def test_pile_of_marks(self) -> None:
        """Marks without end take linear time: a tenth of a second, where sorting them by Unicode normalisation takes
        half a minute."""
        began = time.perf_counter()
        self.assertEqual(transliterate("e" + "\u0301\u0316" * 100_000, DEFAULT_TABLES.characters), "é")
        self.assertLess(time.perf_counter() - began, 3)

    @quick
    @given(st.text(max_size=60) | st.text(st.characters(), max_size=60))
    def test_clean_or_nothing(self, text: str) -> None:
        """The result has only characters that GSM 03.38 has; a text that is clean already is left as it is."""
        near = transliterate(text, DEFAULT_TABLES.characters)
        if near is not None:
            self.assertEqual(alphabet.foreign_to_gsm7(near), "")
        if text and not alphabet.foreign_to_gsm7(text):
            self.assertEqual(near, text)

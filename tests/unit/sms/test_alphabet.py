"""The alphabets: every code point of GSM 03.38 both ways, packing, choosing, and whatever a peer may send."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import TextError
from smsconnector.sms import alphabet
from smsconnector.sms.choice import choose

quick = settings(deadline=None, max_examples=150, database=None)

# The Unicode Consortium's mapping of GSM 03.38, code 0x00 to 0x7F; 0x1B is the escape.
CODE_POINTS = """
    0040 00A3 0024 00A5 00E8 00E9 00F9 00EC 00F2 00C7 000A 00D8 00F8 000D 00C5 00E5
    0394 005F 03A6 0393 039B 03A9 03A0 03A8 03A3 0398 039E ---- 00C6 00E6 00DF 00C9
    0020 0021 0022 0023 00A4 0025 0026 0027 0028 0029 002A 002B 002C 002D 002E 002F
    0030 0031 0032 0033 0034 0035 0036 0037 0038 0039 003A 003B 003C 003D 003E 003F
    00A1 0041 0042 0043 0044 0045 0046 0047 0048 0049 004A 004B 004C 004D 004E 004F
    0050 0051 0052 0053 0054 0055 0056 0057 0058 0059 005A 00C4 00D6 00D1 00DC 00A7
    00BF 0061 0062 0063 0064 0065 0066 0067 0068 0069 006A 006B 006C 006D 006E 006F
    0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007A 00E4 00F6 00F1 00FC 00E0
"""
DEFAULT = {code: chr(int(point, 16)) for code, point in enumerate(CODE_POINTS.split()) if point != "----"}
EXTENSION = {
    0x0A: "\x0c",
    0x14: "\x5e",
    0x28: "\x7b",
    0x29: "\x7d",
    0x2F: "\x5c",
    0x3C: "\x5b",
    0x3D: "\x7e",
    0x3E: "\x5d",
    0x40: "\x7c",
    0x65: "\u20ac",
}
ENCODABLE = "".join(DEFAULT.values()) + "".join(EXTENSION.values())

ALPHABETS = ("gsm7", "gsm7-packed", "ascii", "latin1", "ucs2")
gsm7_texts = st.text(ENCODABLE, max_size=200)
any_text = st.text(max_size=60) | st.text(st.characters(), max_size=60)  # the second with lone surrogates


def decoded(octets: bytes, data_coding: int, default_alphabet: str, padding_bits: int = 0) -> str:
    """The text of incoming octets without a user data header."""
    name = alphabet.incoming_alphabet(octets, data_coding, default_alphabet)
    return alphabet.decode_text(octets, name, padding_bits)


class GSM7Tests(SynchronousTestCase):
    """GSM 03.38 section 6.2.1, unpacked."""

    def test_every_code_point_both_ways(self) -> None:
        """All 127 characters of the default alphabet are one septet, the right one, and come back."""
        self.assertEqual(len(DEFAULT), 127)
        for code, character in DEFAULT.items():
            self.assertEqual(alphabet.gsm7_encode(character), bytes((code,)), character)
            self.assertEqual(alphabet.decode_text(bytes((code,)), "gsm7"), character, hex(code))

    def test_every_extension_both_ways(self) -> None:
        """All characters of the extension table are an escape and the right septet, and come back."""
        for code, character in EXTENSION.items():
            self.assertEqual(alphabet.gsm7_encode(character), bytes((0x1B, code)), character)
            self.assertEqual(alphabet.decode_text(bytes((0x1B, code)), "gsm7"), character, hex(code))

    def test_nothing_else_is_encodable(self) -> None:
        """Of the whole Basic Multilingual Plane, only the table's characters are GSM-7, whether one asks or encodes."""
        for point in range(0x10000):
            character = chr(point)
            known = character in ENCODABLE
            self.assertEqual(alphabet.foreign_to_gsm7(character), "" if known else character, hex(point))
            if not known:
                self.assertRaises(TextError, alphabet.gsm7_encode, character)

    def test_error_names_the_characters(self) -> None:
        """A client's developer reads which characters are the problem, each once, in order."""
        error = self.assertRaises(TextError, alphabet.gsm7_encode, "“Oké” `x` “again”\u200b")
        self.assertEqual(error.code, "not_gsm7")
        self.assertIn("“ (U+201C), ” (U+201D), ` (U+0060), U+200B", str(error))

    def test_error_stays_short(self) -> None:
        """A text of a thousand foreign characters does not make a sentence of a thousand."""
        error = self.assertRaises(TextError, alphabet.gsm7_encode, "".join(map(chr, range(0x4E00, 0x4E00 + 1000))))
        self.assertIn("and 990 more", str(error))
        self.assertLess(len(str(error)), 300)

    def test_tolerant_decoding(self) -> None:
        """What the tables don't define gives the character that GSM 03.38 tells to show, and never an exception."""
        for octets, text in (
            (b"", ""),
            (b"\x1b\x41", "A"),  # not in the extension table: the default alphabet's character
            (b"\x1b\x0d", "\r"),
            (b"\x1b\x00", "@"),
            (b"a\x1b", "a "),  # a lone escape at the end
            (b"a\x1b\x1bb", "a b"),  # reserved for another extension table
            (b"\x1b\x1b\x1b", "  "),
            (b"\x1b\x65\x65", "€e"),
            (b"\x80\xffA", "\ufffd\ufffdA"),
            (b"\x1b\xe5", "\ufffd"),
        ):
            self.assertEqual(alphabet.decode_text(octets, "gsm7"), text, octets)

    def test_septet_count(self) -> None:
        """Length is counted in encoded septets: the extension table counts two (pitfall 13)."""
        for text, septets in (("", 0), ("abc", 3), ("@£Δ", 3), ("^{}\\[~]|€\f", 20), ("10 €", 5)):
            self.assertEqual(alphabet.septet_count(text), septets, text)

    def test_foreign_characters(self) -> None:
        """The characters that force UCS-2 are told once each, in order; a combining mark is one by itself."""
        for text, foreign in (
            ("plain", ""),
            ("it’s “it”’", "’“”"),
            ("e\u0301", "\u0301"),
            ("a😀b😀", "😀"),
            ("`ç", "`ç"),
        ):
            self.assertEqual(alphabet.foreign_to_gsm7(text), foreign)

    @quick
    @given(gsm7_texts)
    def test_round_trip(self, text: str) -> None:
        """Any text of the alphabet comes back from its septets, all of them below 0x80."""
        septets = alphabet.gsm7_encode(text)
        self.assertTrue(septets.isascii())
        self.assertEqual(alphabet.decode_text(septets, "gsm7"), text)


class PackingTests(SynchronousTestCase):
    """GSM 03.38 section 6.1.2."""

    def test_known_vectors(self) -> None:
        """Octets as other implementations make them."""
        for text, octets in (
            ("", ""),
            ("1", "31"),
            ("12", "3119"),
            ("hello", "e8329bfd06"),
            ("hellohello", "e8329bfd4697d9ec37"),
            ("12345678", "31d98c56b3dd70"),
        ):
            packed = alphabet.gsm7_pack(alphabet.gsm7_encode(text))
            self.assertEqual(packed.hex(), octets, text)
            self.assertEqual(alphabet.gsm7_unpack(packed, len(text)), text.encode("ascii"))

    def test_against_the_bit_string(self) -> None:
        """Packing is what the clause says: the septets' bits, lowest first, after the padding's."""
        septets = bytes(range(0x80))
        for padding_bits in range(7):
            for count in range(1, 20):
                bits = sum(septet << padding_bits + 7 * n for n, septet in enumerate(septets[-count:]))
                octets = bits.to_bytes((padding_bits + 7 * count + 7) // 8, "little")
                self.assertEqual(alphabet.gsm7_pack(septets[-count:], padding_bits), octets)

    def test_fill_bits(self) -> None:
        """After a header of 6 octets there is one fill bit, after one of 7 none (GSM 03.40 section 9.2.3.24)."""
        self.assertEqual([alphabet.fill_bits(octets) for octets in range(9)], [0, 6, 5, 4, 3, 2, 1, 0, 6])

    @quick
    @given(st.binary(max_size=170).map(lambda octets: bytes(octet & 0x7F for octet in octets)), st.integers(0, 6))
    def test_round_trip(self, septets: bytes, padding_bits: int) -> None:
        """Any septets come back, whatever the padding; a count beyond the end gives what is there."""
        packed = alphabet.gsm7_pack(septets, padding_bits)
        self.assertEqual(alphabet.gsm7_unpack(packed, len(septets), padding_bits), septets)
        self.assertTrue(alphabet.gsm7_unpack(packed, 10_000, padding_bits).startswith(septets))
        self.assertEqual(alphabet.gsm7_unpack(packed, -1, padding_bits), b"")

    def test_seven_spare_bits(self) -> None:
        """Seven spare bits are filled with a carriage return, not read as ``@`` (GSM 03.38 section 6.1.2.3.1)."""
        self.assertEqual(alphabet.encode_text("1234567", "gsm7-packed").hex(), "31d98c56b3dd1a")
        self.assertEqual(alphabet.decode_text(bytes.fromhex("31d98c56b3dd1a"), "gsm7-packed"), "1234567")
        self.assertEqual(
            alphabet.decode_text(alphabet.encode_text("1234567@", "gsm7-packed"), "gsm7-packed"), "1234567@"
        )

    def test_carriage_return_of_the_text(self) -> None:
        """A text whose own carriage return ends on an octet boundary gets another one, which the receiver takes off
        again (GSM 03.38 section 6.1.2.3.1). Where there is no room for it, in a message of 140 octets, it is left out.
        A handset's text that ends so is read the same way."""
        for text, octets in (
            ("1234567\r", "31d98c56b3dd1a0d"),
            ("123456\r\r", "31d98c56b3351a0d"),
            ("123456789012345\r", "31d98c56b3dd7039584c36a3d51a0d"),
            ("123456\r", "31d98c56b3351a"),
        ):
            self.assertEqual(alphabet.encode_text(text, "gsm7-packed").hex(), octets, text)
            self.assertEqual(alphabet.decode_text(bytes.fromhex(octets), "gsm7-packed"), text)
        full = "x" * 159 + "\r"
        self.assertEqual(len(alphabet.encode_text(full, "gsm7-packed")), 140)
        for padding_bits in range(7):
            for count in range(20):
                text = "z" * count + "\r"
                packed = alphabet.encode_text(text, "gsm7-packed", padding_bits)
                self.assertEqual(alphabet.decode_text(packed, "gsm7-packed", padding_bits), text)


class CodecTests(SynchronousTestCase):
    """``encode`` and ``decode`` by the alphabet's name."""

    def test_table(self) -> None:
        """Each alphabet's octets, both ways; UCS-2 is big-endian, two octets a code unit (pitfall 14)."""
        for name, text, octets in (
            ("gsm7", "a€@", b"a\x1be\x00"),
            ("gsm7-packed", "hello", bytes.fromhex("e8329bfd06")),
            ("ascii", "a@[", b"a@["),
            ("latin1", "é@", b"\xe9@"),
            ("ucs2", "aآ", b"\x00a\x06\x22"),
            ("ucs2", "😀", b"\xd8\x3d\xde\x00"),
        ):
            self.assertEqual(alphabet.encode_text(text, name), octets, name)
            self.assertEqual(alphabet.decode_text(octets, name), text, name)

    def test_errors(self) -> None:
        """What can't be encoded raises a TextError with its code and the character; it is never replaced."""
        for name, text, code, named in (
            ("gsm7", "ç", "not_gsm7", "U+00E7"),
            ("gsm7-packed", "ç", "not_gsm7", "U+00E7"),
            ("ascii", "é", "not_ascii", "U+00E9"),
            ("latin1", "é€", "not_latin1", "U+20AC"),
            ("ucs2", "x\ud83d", "lone_surrogate", "U+D83D"),
            ("ucs2", "\ude00\ud83d", "lone_surrogate", "U+DE00"),
        ):
            error = self.assertRaises(TextError, alphabet.encode_text, text, name)
            self.assertEqual(error.code, code)
            self.assertIn(named, str(error))
            str(error).encode("utf-8")  # the sentence itself can be sent

    def test_tolerant_ucs2(self) -> None:
        """Half a code unit at the end is left out, half a surrogate pair becomes U+FFFD."""
        for octets, text in (
            (b"\x00a\x00", "a"),
            (b"\x00", ""),
            (b"\xd8\x3d", "\ufffd"),
            (b"\xde\x00\x00a", "\ufffda"),
        ):
            self.assertEqual(alphabet.decode_text(octets, "ucs2"), text, octets)

    @quick
    @given(st.binary(max_size=200), st.sampled_from(ALPHABETS), st.integers(0, 6))
    def test_decode_never_raises(self, octets: bytes, name: str, padding_bits: int) -> None:
        """Whatever octets come, there is a text, and it can be stored as UTF-8 (no lone surrogates)."""
        alphabet.decode_text(octets, name, padding_bits).encode("utf-8")

    @quick
    @given(any_text, st.sampled_from(ALPHABETS))
    def test_encode_is_exact_or_refuses(self, text: str, name: str) -> None:
        """Encoding either keeps the text or raises TextError: no other exception, no silent change."""
        try:
            octets = alphabet.encode_text(text, name)
        except TextError:
            return
        if not (name == "gsm7-packed" and (text.endswith("\r\r") or len(octets) == 140)):  # the documented losses
            self.assertEqual(alphabet.decode_text(octets, name), text)

    @quick
    @given(any_text)
    def test_choice_can_be_encoded(self, text: str) -> None:
        """The chosen alphabet takes the text, and UCS-2 is chosen exactly when a character forces it (pitfall 15)."""
        chosen = choose(text, lambda text, name: 1).alphabet
        self.assertEqual(chosen == "ucs2", bool(alphabet.foreign_to_gsm7(text)))
        try:
            alphabet.encode_text(text, chosen)
        except TextError as error:
            self.assertEqual(error.code, "lone_surrogate")


class DataCodingTests(SynchronousTestCase):
    """Incoming data_coding: SMPP 3.4 section 5.2.19 below 0x10, GSM 03.38 section 4 from there on."""

    def test_table(self) -> None:
        """Each data_coding reads its own alphabet."""
        for octets, data_coding, text in (
            (b"\x00\x1be", 0x00, "@€"),
            (b"@[\xe9", 0x01, "@[\ufffd"),
            (b"\x00\xab", 0x02, "00AB"),
            (b"@\xe9", 0x03, "@é"),
            (b"\x00\xab", 0x04, "00AB"),
            ("日本語".encode("shift_jis"), 0x05, "日本語"),
            ("Привет".encode("iso8859_5"), 0x06, "Привет"),
            ("שלום".encode("iso8859_8"), 0x07, "שלום"),
            ("سلام".encode("utf-16-be"), 0x08, "سلام"),
            ("日本語".encode("iso2022_jp"), 0x0A, "日本語"),
            ("日本語".encode("euc_jp"), 0x0D, "日本語"),
            (b"\x8f\xb0\xa1", 0x0D, "丂"),  # JIS X 0212
            ("한국어".encode("euc_kr"), 0x0E, "한국어"),
            (b"\x00a", 0x10, "@a"),  # class 0, "flash"
            (b"\x00\xab", 0x15, "00AB"),
            ("سلام".encode("utf-16-be"), 0x18, "سلام"),
            ("سلام".encode("utf-16-be"), 0x1B, "سلام"),
            (b"\x00\xab", 0x20, "00AB"),  # compressed
            ("سلام".encode("utf-16-be"), 0x48, "سلام"),  # marked for automatic deletion
            (b"\x00a", 0xC8, "@a"),
            (b"\x00a", 0xD0, "@a"),
            ("سلام".encode("utf-16-be"), 0xE0, "سلام"),
            (b"\x00a", 0xF0, "@a"),
            (b"\x00a", 0xF3, "@a"),
            (b"\x00\xab", 0xF4, "00AB"),
            (b"\x00\xab", 0xF7, "00AB"),
        ):
            self.assertEqual(decoded(octets, data_coding, "gsm7"), text, hex(data_coding))

    def test_default_alphabet(self) -> None:
        """0 and what is unknown or reserved are read as the SMSC's default alphabet, a setting (pitfall 16)."""
        for data_coding in (0x00, 0x09, 0x0B, 0x0C, 0x0F, 0x1C, 0x80, 0xBF, 0x100, -1):
            for name, octets in (("gsm7", b"\x00"), ("latin1", b"@"), ("ascii", b"@"), ("ucs2", b"\x00@")):
                self.assertEqual(decoded(octets, data_coding, name), "@", hex(data_coding))

    def test_septets_called_ia5(self) -> None:
        """data_coding 1 with control codes that no text has is GSM 03.38, as node-smpp writes it; with others, IA5."""
        for octets, text in (
            (b"me\x00example.com", "me@example.com"),
            (b"snake\x11case for \x025", "snake_case for $5"),
            (b"[a]\ttab\r\n", "[a]\ttab\r\n"),
            (b"a@b {c}", "a@b {c}"),
        ):
            self.assertEqual(decoded(octets, 1, "gsm7"), text)

    def test_packed_default(self) -> None:
        """An SMSC that packs its default alphabet does so for every data_coding that means it, after a UDH too."""
        octets = alphabet.encode_text("hello", "gsm7-packed", 1)
        for data_coding in (0x00, 0x10, 0xF0):
            self.assertEqual(decoded(octets, data_coding, "gsm7-packed", 1), "hello")
        self.assertEqual(decoded(b"\x00@", 0x08, "gsm7-packed"), "@")

    @quick
    @given(st.binary(max_size=60), st.sampled_from(ALPHABETS))
    def test_never_raises(self, octets: bytes, name: str) -> None:
        """Any octets under any data_coding give a text that can be stored."""
        for data_coding in range(0x100):
            decoded(octets, data_coding, name).encode("utf-8")

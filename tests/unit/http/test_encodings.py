"""What clients write otherwise than they should, and what is meant: a plus that was not escaped, blanks at the ends,
fields that come twice, alphabets other than UTF-8."""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import InvalidRequest
from smsconnector.http.forms import parse_notification, parse_receive
from smsconnector.http.requests import parse_send

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
REST = b"&To=8228&SmsSid=7"


class EncodingCase(SynchronousTestCase):
    def refused(self, parse: Any, octets: bytes, kind: str) -> str:
        error = self.assertRaises(InvalidRequest, parse, octets, kind)
        return error.code  # type: ignore[no-any-return]


class PlusCase(EncodingCase):
    def source(self, raw: bytes) -> str:
        return parse_receive(b"Body=hi&From=" + raw + REST, FORM).source

    def test_plus_that_was_not_escaped(self) -> None:
        """In a form a plus is a blank: before the digits of a number it was a plus. (Public reports on several
        aggregators, whose own examples with curl say ``-d From=+923...``.)"""
        for raw, source in (
            (b"+923001234567", "+923001234567"),
            (b"%20923001234567", "+923001234567"),
            (b"+92+300+1234567", "+92 300 1234567"),
            (b"+92-300-1234567\n", "+92-300-1234567"),
            (b"%2B923001234567", "+923001234567"),
            (b"923001234567", "923001234567"),
            (b"++923001234567", "+923001234567"),
        ):
            self.assertEqual(self.source(raw), source, raw)
        receive = parse_receive(b"Body=hi&From=1234567&To=+4790000777&SmsSid=7", FORM)
        self.assertEqual((receive.source, receive.destination), ("1234567", "+4790000777"))

    def test_trimmed(self) -> None:
        """Blanks and ends of lines around a value go; a short code, a national number and a name get no plus."""
        for raw, source in (
            (b"8228%0A", "8228"),
            (b"%0D%0A8228%0D%0A", "8228"),
            (b"+8228", "8228"),
            (b"+0300+1234567", "0300 1234567"),
            (b"+Bank+", "Bank"),
            (b"%C2%A0923001234567%E2%80%8E", "923001234567"),
        ):
            self.assertEqual(self.source(raw), source, raw)
        for raw in (b"+", b"%0A", b"%20%09"):
            self.assertEqual(self.refused(parse_receive, b"Body=hi&From=" + raw + REST, FORM), "missing_field")

    def test_text_is_not_touched(self) -> None:
        """The body is the customer's: its blanks stay."""
        self.assertEqual(parse_receive(b"Body=+923001234567%0A&From=1" + REST, FORM).body, " 923001234567\n")

    def test_ids_and_words(self) -> None:
        """An end of line behind an id or a word is none of it; blanks in an id are, as they were before."""
        said = parse_notification(b"MessageSid=1001%0D%0A&SmsStatus=delivered%0A&ErrorCode=000+", FORM)
        self.assertEqual((said.sid, said.status, said.code), ("1001", "delivered", "000"))
        self.assertEqual(parse_receive(b"Body=&From=1&To=2&SmsSid=+7+%0A", FORM).sid, " 7 ")


class TwiceCase(EncodingCase):
    def test_nobody_reads_it(self) -> None:
        """A field that we don't read may come as often as it likes (PHP's ``MediaUrl[]``, a proxy's ``tag``)."""
        form = b"Body=hi&From=1&tag=a&tag=b" + REST + b"&tag=c"
        self.assertEqual(parse_receive(form, FORM).body, "hi")
        self.assertEqual(parse_notification(b"To=1&MessageSid=7&To=2&SmsStatus=sent", FORM).sid, "7")
        self.assertEqual(parse_receive(b"Body=hi&From=1&MessageSid=1&MessageSid=2" + REST, FORM).sid, "7")
        sent = parse_send(b'{"x": 1, "x": 2, "meta": {"To": 1, "To": 2}, "To": "8228", "Body": "hi"}', JSON)
        self.assertEqual(sent.to, "8228")

    def test_same_value(self) -> None:
        """Nor is one that says the same twice: there is nothing to choose."""
        self.assertEqual(parse_receive(b"Body=hi&From=1&From=1" + REST, FORM).source, "1")
        self.assertEqual(parse_send(b'{"To": "8228", "To": "8228", "Body": "hi"}', JSON).to, "8228")

    def test_two_values(self) -> None:
        """One that we read, and that says two things, is refused by its name."""
        forms = (
            (parse_receive, b"Body=hi&From=1&From=2&From=1" + REST),
            (parse_receive, b"Body=hi&Body=&From=1" + REST),
            (parse_receive, b"Body=hi&From=1&SmsSid=8" + REST),
            (parse_notification, b"MessageSid=1&SmsStatus=sent&SmsStatus=failed"),
            (parse_notification, b"MessageSid=1&SmsStatus=failed&ErrorCode=1&ErrorCode=2"),
        )
        for parse, octets in forms:
            self.assertEqual(self.refused(parse, octets, FORM), "duplicate_field", octets)
        for more in (b'"To": "8229"', b'"Body": "ho"', b'"From": "1", "From": "2"', b'"channel": "a", "channel": null'):
            octets = b'{"To": "8228", "Body": "hi", ' + more + b"}"
            self.assertEqual(self.refused(parse_send, octets, JSON), "duplicate_field", octets)
        twice = b'{"To": "8228", "Body": "hi", "ValidityPeriod": 5, "ValidityPeriod": 6}'
        self.assertEqual(self.refused(parse_send, twice, JSON), "duplicate_field")


class CharsetCase(EncodingCase):
    TEXT = "h\u00e9 \u0633\u0644\u0627\u0645 \U0001f600"

    def test_json(self) -> None:
        """JSON is read in the alphabet that its Content-Type names, UTF-8 if it names none."""
        written = '{"To": "8228", "Body": "%s"}'
        for kind, encoding, text in (
            ("application/json", "utf-8", self.TEXT),
            ("application/json; charset=utf-8", "utf-8", self.TEXT),
            ("application/json;charset=UTF8", "utf-8-sig", self.TEXT),
            ('application/json; x=y; Charset="UTF-16"', "utf-16", self.TEXT),
            ("application/json; charset=utf-16", "utf-16-le", self.TEXT),  # without a byte order mark
            ("application/json; charset=utf-16", "utf-16-be", self.TEXT),
            ("application/json; charset=UTF-16BE", "utf-16-be", self.TEXT),
            ("application/json; charset=iso-8859-1", "latin-1", "caf\u00e9"),
            ("application/json; charset=ISO_8859-1", "cp1252", "it\u2019s 5 \u20ac"),
            ("text/plain; charset=us-ascii", "utf-8", self.TEXT),  # who says so, and writes UTF-8
            ("application/json; charset=windows-1256", "cp1256", "\u0633\u0644\u0627\u0645"),
            ("application/json; charset=", "utf-8", self.TEXT),
        ):
            octets = (written % text).encode(encoding)
            self.assertEqual(parse_send(octets, kind).body, text, (kind, encoding))

    def test_forms(self) -> None:
        """The same for a form: for its own octets, and for those that are escaped."""
        for kind, octets, text in (
            ("", b"Body=h%C3%A9", "h\u00e9"),
            ("; charset=UTF-8", b"Body=h%C3%A9", "h\u00e9"),
            ("; charset=ISO-8859-1", b"Body=h%E9+x", "h\u00e9 x"),
            ("; charset=ISO-8859-1", b"Body=h\xe9+x", "h\u00e9 x"),
            ("; charset=windows-1256", b"Body=%D3%E1%C7%E3", "\u0633\u0644\u0627\u0645"),
        ):
            self.assertEqual(parse_receive(octets + b"&From=1" + REST, FORM + kind).body, text, (kind, octets))
        whole = "Body=h\u00e9+%C3%A9&From=1&To=8228&SmsSid=7"
        for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
            self.assertEqual(parse_receive(whole.encode(encoding), FORM + "; charset=utf-16").body, "h\u00e9 \u00e9")

    def test_refused(self) -> None:
        """An alphabet that we don't know, and octets that are none of its characters; Python's codecs that are no
        alphabets, some of which run for long, are not reached."""
        good = json.dumps({"To": "8228", "Body": "hi"}).encode()
        for kind in ("rot13", "idna", "unicode_escape", "utf-7", "zlib", "x" * 5000, "../x", "\0", "\xff", "klingon"):
            self.assertEqual(self.refused(parse_send, good, f"{JSON}; charset={kind}"), "wrong_encoding")
            self.assertEqual(
                self.refused(parse_receive, b"Body=1&From=1" + REST, f"{FORM}; charset={kind}"), "wrong_encoding"
            )
        for octets, kind in (
            (b"\xff", "utf-8"),
            (b"x", "utf-16"),
            (b"\xd8\x00\x00\x41", "utf-16be"),
            (b"\x81", "latin1"),
        ):
            self.assertEqual(self.refused(parse_send, octets, f"{JSON}; charset={kind}"), "wrong_encoding")
        self.assertEqual(self.refused(parse_receive, b"Body=%E9&From=1" + REST, FORM), "wrong_encoding")

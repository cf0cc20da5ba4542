"""Requests from templates: every value escaped for its place, in one pass, and left out where it has none."""

import datetime
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import TextError
from smsconnector.rest.requests import compile_request
from smsconnector.rest.variables import MASK, names
from tests.unit.rest.cases import NOW_MS, SECRETS, facts, faults, filled

NASTY = 'a&b=c "q" <t> {{from}} {{secret.key}} ]]> %41 +é\r\nX: y € 😀 \\ \''
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


class EscapingCase(SynchronousTestCase):
    """What a text holds comes out at the other side as it was, in every place."""

    def test_one_pass(self) -> None:
        """A text that contains a placeholder is sent as it stands (public reports on gateways that replace one name
        after another)."""
        self.assertEqual(filled({"raw": "{{text}}/{{from}}"}, "{{from}}").body, b"{{from}}/447700900123")

    def test_query_and_form(self) -> None:
        """By the parser of the standard library, name and value, also those of the template itself."""
        request = filled({"query": {"a b": "{{text}}", "x": "1 & 2"}, "form": {"text": "<{{text}}>", "n": 5}}, NASTY)
        self.assertEqual(parse_qsl(urlsplit(request.url).query), [("a b", NASTY), ("x", "1 & 2")])
        self.assertEqual(parse_qsl(request.body.decode()), [("text", f"<{NASTY}>"), ("n", "5")])
        self.assertIn(("Content-Type", "application/x-www-form-urlencoded"), request.headers)

    def test_url(self) -> None:
        """Path and query of a URL; its own signs stay, those of values are escaped."""
        request = filled({"url": "https://h:8443/send/{{text}}/x;y?a=1&to={{to_plus}}", "query": {"b": "2"}}, "a/b?c#d")
        self.assertEqual(request.url, "https://h:8443/send/a%2Fb%3Fc%23d/x;y?a=1&to=%2B923001234567&b=2")
        for text in (".", ".."):
            with self.assertRaises(TextError):
                filled({"url": "https://h/send/{{text}}"}, text)

    def test_json(self) -> None:
        """Nested objects and lists; one placeholder alone keeps its type, and names are never templates."""
        tree = {
            "messages": [{"to": ["{{to}}"], "text": "{{text}}", "flag": "{{unicode}}", "n": "{{id}}", "fixed": 5}],
            "mixed": "no {{id}}",
            "yes": True,
        }
        request = filled({"json": tree}, NASTY)
        self.assertEqual(
            json.loads(request.body),
            {
                "messages": [{"to": ["923001234567"], "text": NASTY, "flag": True, "n": 7, "fixed": 5}],
                "mixed": "no 7",
                "yes": True,
            },
        )

    def test_xml(self) -> None:
        """In an element and in an attribute, line ends included; what XML can't hold is refused, not dropped."""
        template = {"xml": '<m to="{{text}}"><t>{{text}}</t></m>'}
        root = ElementTree.fromstring(filled(template, NASTY).body)
        self.assertEqual((root.get("to"), root.findtext("t")), (NASTY, NASTY))
        with self.assertRaises(TextError):
            filled(template, "bell\x07")

    def test_header(self) -> None:
        """No text makes a header of its own; octets are written by a filter."""
        self.assertIn(
            ("X-Text", "SGk="), filled({"headers": {"X-Text": "{{text|base64}}"}, "method": "GET"}, "Hi").headers
        )
        for text in ("a\r\nX: y", "é", "\x00"):
            with self.assertRaises(TextError):
                filled({"headers": {"X-Text": "{{text}}"}}, text)

    def test_charset(self) -> None:
        """Of query, form and XML; a text that the charset lacks is refused."""
        self.assertEqual(filled({"charset": "latin-1", "form": {"t": "{{text}}"}}, "é").body, b"t=%E9")
        request = filled({"charset": "iso-8859-1", "xml": "<t>{{text}}</t>"}, "é")
        self.assertEqual((request.body, request.headers[0][1]), (b"<t>\xe9</t>", "text/xml; charset=iso-8859-1"))
        with self.assertRaises(TextError):
            filled({"charset": "latin-1", "form": {"t": "{{text}}"}}, "€")

    @given(TEXTS)
    @settings(max_examples=150, deadline=None)
    def test_every_text_comes_through(self, text: str) -> None:
        """By independent parsers, in query, form and JSON."""
        request = filled({"query": {"t": "{{text}}"}, "form": {"t": "{{text}}"}}, text)
        self.assertEqual(parse_qsl(urlsplit(request.url).query, True), [("t", text)])
        self.assertEqual(parse_qsl(request.body.decode("ascii"), True), [("t", text)])
        self.assertTrue(request.url.isascii() and request.url.isprintable())
        self.assertEqual(json.loads(filled({"json": {"t": "{{text}}"}}, text).body), {"t": text})


class ValuesCase(SynchronousTestCase):
    """What can be named, and what can be made of it."""

    def value(self, template: str, text: str = "Hello", **changes: Any) -> str:
        return filled({"raw": template}, text, **changes).body.decode()

    def test_values(self) -> None:
        """Every name, and every filter, once at least."""
        cases = {
            "{{to}} {{to_plus}} {{to_00}} {{to_national}}": "923001234567 +923001234567 00923001234567 03001234567",
            "{{from}} {{from_plus}} {{from_00}} {{from_national}}": "447700900123 +447700900123 00447700900123"
            " 07700900123",
            "{{alphabet}} {{unicode}} {{unicode|yes:1|no:0}}": "gsm false 0",
            "{{sid}} {{id}} {{part}}/{{parts}} {{channel}}": "SM1 7 1/1 out",
            "{{callback_url}}": "https://sms.example.org/msg-client/out/delivery-notification/SM1",
            "{{receive_url}}": "https://sms.example.org/msg-client/out/receive",
            "{{now}} {{now_ms}} {{now|iso}} {{now|time:%Y%m%d %H:%M}}": f"1700000000 {NOW_MS} 2023-11-14T22:13:20Z"
            " 20231114 22:13",
            "{{lifetime}} {{lifetime|divide:7}} {{lifetime|times:1000}}": "60 9 60000",
            "{{lifetime|at_most:9}} {{lifetime|at_least:99}}": "9 99",
            "{{secret.key}}": "k&y=1",
            "{{text|upper}} {{text|lower}} {{text|first:2}} {{text|last:2}}": "HELLO hello He lo",
            "{{text|utf16|hex}} {{text|utf8|hex|lower}}": "00480065006C006C006F 48656c6c6f",
            "{{text|base64}} {{text|utf16|base64}} {{text|utf16|percent}}": "SGVsbG8= AEgAZQBsAGwAbw==" + " "
            "%00H%00e%00l%00l%00o",
            "{{ text | latin1 | hex }}": "48656C6C6F",
            "{{validity|default:none}}": "none",
        }
        for template, wanted in cases.items():
            self.assertEqual(self.value(template), wanted, template)
        self.assertEqual(self.value("{{alphabet}} {{unicode|yes:7|no:0}}", "سلام"), "unicode 7")
        self.assertEqual(self.value("{{validity}} {{expires}}", is_limited=True), "60 1700000060")

    def test_short_codes_and_names_have_no_plus(self) -> None:
        """A sender may be a name, and a short code is no international number."""
        for source in ("Bank", "8080"):
            self.assertEqual(self.value("{{from_plus}} {{from_00}}", source=source), f"{source} {source}")

    def test_octets_in_a_query(self) -> None:
        """UTF-16 percent-encoded, once: what Kannel wants for Arabic (reports on gateways in front of Kannel)."""
        request = filled({"query": {"text": "{{text|utf16}}"}}, "سل")
        self.assertEqual(urlsplit(request.url).query, "text=%063%06D")

    def test_nothing_is_left_out(self) -> None:
        """A field without a value is left out, with the headers, entries and objects that hold nothing else."""
        request = filled(
            {
                "query": {
                    "from": "{{from}}",
                    "ttl": "{{validity|times:1000}}",
                    "u": "{{unicode|yes:1}}",
                    "a": ["x", "{{from}}"],
                },
                "json": {"hooks": {"delivery": {"url": "{{callback_url}}"}}, "list": ["{{from}}"], "empty": {}, "z": 0},
                "headers": {"X-From": "from {{from}}"},
            },
            source=None,
            hooks_url=None,
        )
        self.assertEqual(urlsplit(request.url).query, "a=x")
        self.assertEqual(json.loads(request.body), {"empty": {}, "z": 0})
        self.assertEqual(request.headers, (("Content-Type", "application/json"),))

    def test_the_url_keeps_its_other_fields(self) -> None:
        """A field of the URL without a value goes alone (was: the whole query, with the key and the text)."""
        url = "https://h/s?a=1&t={{text}}&ttl={{validity}}&f={{from|default:a&b}}&{{unicode|yes:u}}&z=%20"
        self.assertEqual(filled({"url": url}, "x&y", source=None).url, "https://h/s?a=1&t=x%26y&f=a%26b&z=%20")
        self.assertEqual(
            filled({"url": url}, "\u0633", is_limited=True).url,
            "https://h/s?a=1&t=%D8%B3&ttl=60&f=447700900123&u&z=%20",
        )
        self.assertEqual(filled({"url": "https://h/s?{{from}}"}, source=None).url, "https://h/s")

    def test_what_cannot_be_left_out(self) -> None:
        """A path and a body that is one piece need every value: the text is refused, and not sent without them (was:
        an empty body, and the root of the server)."""
        for request in ({"url": "https://h/{{from}}/s"}, {"xml": "<a>{{from}}</a>"}, {"raw": "f={{from}}"}):
            with self.assertRaises(TextError) as caught:
                filled(request, source=None)
            self.assertIn("from", str(caught.exception))

    def test_what_may_be_missing(self) -> None:
        """Known when the template is read: by path and name."""
        cases: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
            ({"url": "https://h/{{from}}/{{to}}?v={{validity}}"}, [("url", "from")]),
            ({"xml": "<a>{{from|default:x}}{{expires}}{{text}}</a>"}, [("xml", "expires")]),
            ({"raw": "{{text_gsm}}{{text_unicode|utf16|hex}}"}, [("raw", "text_gsm"), ("raw", "text_unicode")]),
            ({"raw": "{{unicode|yes:1|no:0}}{{unicode|yes:1}}"}, [("raw", "unicode")]),
            ({"raw": "{{unicode|yes:1|no:0}}{{sid}}{{secret.key}}{{session}}{{now}}"}, []),
            ({"form": {"f": "{{from}}"}, "headers": {"X": "{{callback_url}}"}}, []),
        ]
        for request, wanted in cases:
            made, _ = compile_request({"url": "https://h/"} | request, names(SECRETS, True))
            assert made is not None
            self.assertEqual(sorted(made.may_be_missing()), wanted, str(request))

    def test_an_empty_text_is_a_value(self) -> None:
        """It is not the same as none."""
        self.assertEqual(filled({"form": {"text": "{{text}}"}}, "").body, b"text=")

    def test_masked(self) -> None:
        """To be shown: no secret is in it, and the session neither."""
        template, _ = compile_request(
            {"url": "https://h/{{session}}", "form": {"k": "{{secret.key}}"}}, names(SECRETS, True)
        )
        assert template is not None
        given = facts(session="s3ss10n")
        shown = repr(template.fill(given.masked())) + repr(given)
        for secret in (*SECRETS.values(), "s3ss10n"):
            self.assertNotIn(secret, shown)
        self.assertIn(f"https://h/{MASK}", shown)


class FaultsCase(SynchronousTestCase):
    def test_faults(self) -> None:
        """Each with its path, and with what to write instead; all at once."""
        cases: list[tuple[dict[str, Any], str, str]] = [
            ({"form": {"to": "{{too}}"}}, "request.form.to", "did you mean to?"),
            ({"form": {"k": "{{secret.pass}}"}}, "request.form.k", "secret.password"),
            ({"json": {"a": [{"b": "{{bee}}"}]}}, "request.json.a[0].b", "There are: to, to_plus"),
            ({"query": {"a": ["1", "{{x"]}}, "request.query.a[1]", "no }} ends it"),
            ({"query": {"a": {"b": 1}}}, "request.query.a", "a text or a number"),
            ({"xml": "<a>{{text|hax}}</a>"}, "request.xml", "there is no filter 'hax'"),
            ({"json": {"a": "{{text|utf16}}"}}, "request.json.a", "octets can't stand in JSON"),
            ({"raw": "{{text|utf16|upper}}"}, "request.raw", "takes no octets"),
            ({"raw": "{{text|first}}"}, "request.raw", "needs something behind a colon"),
            ({"raw": "{{text|first:x}}"}, "request.raw", "a whole number"),
            ({"raw": "{{text|hex:2}}"}, "request.raw", "takes nothing"),
            ({"url": "https://{{to}}.example.com/"}, "request.url", "without placeholders"),
            ({"url": "https://user@example.com/"}, "request.url", "an absolute URL"),
            ({"url": "https://example.com:99999/"}, "request.url", "a port"),
            ({"url": "/send"}, "request.url", "an absolute URL"),
            ({"url": "https://h/{{nobody}}?a={{nothing}}"}, "request.url", "does not exist"),
            ({"headers": {"Content-Length": "5"}}, "request.headers.Content-Length", "no header of this name"),
            ({"headers": {"A B": "5"}}, "request.headers.A B", "no header of this name"),
            ({"headers": {"A": "{{now}}\r\nB: c"}}, "request.headers.A", "ASCII without control characters"),
            ({"charset": "klingon"}, "request.charset", "no charset"),
            ({"charset": "undefined"}, "request.charset", "no charset"),
            ({"charset": "\0"}, "request.charset", "no charset"),
            ({"charset": "idna"}, "request.charset", "no charset"),
            ({"charset": "hex"}, "request.charset", "no charset"),
            ({"form": {"a": "\ud800"}}, "request.form.a", "lacks"),
            ({"query": {"a\ud800": "b"}}, "request.query.a\ud800", "lacks"),
            ({"raw": "\ud800"}, "request.raw", "lacks"),
            ({"xml": "<a>é</a>", "charset": "ascii"}, "request.xml", "lacks"),
            ({"form": {"{{to}}": "b"}}, "request.form.{{to}}", "does not exist"),
            ({"json": {"at": datetime.date(2020, 1, 1)}}, "request.json.at", "in quotes"),
            ({"json": [float("nan")]}, "request.json[0]", "in quotes"),
            ({"form": {}, "json": {}}, "request", "one body"),
            ({"form": {"a": 1}, "method": "GET"}, "request.method", "a GET has no body"),
        ]
        for request, path, words in cases:
            self.assertIn(words, faults(request).get(path, f"nothing, but {faults(request)}"), str(request))
        self.assertEqual(len(faults({"form": {"a": "{{x}}", "b": "{{y}}"}, "headers": {"C": "{{z}}"}})), 3)

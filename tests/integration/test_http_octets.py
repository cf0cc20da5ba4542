"""Which octets a channel of the type ``http`` gives its provider, by HTTP and HTTPS, read by other code than ours."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree.ElementTree import fromstring

from smsconnector.lifecycle import CODE_UNSENDABLE
from smsconnector.messages import Verdict
from tests.integration.fake_provider import Request
from tests.integration.provider_bench import NUMBER, TAKEN, TEXT, HTTPCase, SecureCase
from tests.unit.channels.http.examples import NASTY

NASTY_TEXTS = (
    TEXT,
    NASTY,
    "{{secret.key}}{{to|default:x}}{{",
    "}} {{no-such-name}} {% if %} ${to} %(to)s {0} %s",
    "a=b&c=d&to=1;from=2#x?y/z+1 %41%20 100%",
    "\"quoted\" 'single' back\\slash \\n \\u0041 `tick`",
    '<b>&amp;</b> ]]> <!-- --> <?x?> &#60; "',
    "\u0633\u0644\u0627\u0645 \u06cc\u06c1 \u200f\u200d \u0661\u0662\u0663",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \u20ac\u00a0\ufeff",
    "two\nlines\r\nand\ta tab ",
    " ",
)


class OctetsTest(HTTPCase):
    async def request(self, text: str, request: Mapping[str, Any]) -> Request:
        provider = self.provider(TAKEN)
        bench = self.bench(provider, request={"url": "http://provider/send", **request})
        self.assertEqual((await bench.end(text=text))[0], Verdict.ACCEPTED)
        await bench.stop()
        return provider.requests[0]

    async def test_octets(self) -> None:
        """To the letter, in each kind of request."""
        text = 'a&b=c "q" <d> {{from}} \u06cc\U0001f600'
        escaped = "a%26b%3Dc%20%22q%22%20%3Cd%3E%20%7B%7Bfrom%7D%7D%20%DB%8C%F0%9F%98%80"
        seen = await self.request(text, {"query": {"to": "{{to_plus}}", "a b&": "{{text}}"}})
        self.assertEqual(
            (seen.method, seen.target, seen.body), ("GET", f"/send?to=%2B{NUMBER}&a%20b%26={escaped}", b"")
        )
        seen = await self.request(text, {"form": {"to": "{{to}}", "text": "{{text}}", "two": ["1", "{{from}}"]}})
        self.assertEqual(seen.body, f"to={NUMBER}&text={escaped}&two=1&two=15005550006".encode())
        self.assertEqual(seen.headers["content-type"], "application/x-www-form-urlencoded")
        seen = await self.request(text, {"json": {"to": ["{{to}}"], "text": "{{text}}", "n": 1, "u": "{{unicode}}"}})
        inner = 'a&b=c \\"q\\" <d> {{from}} \u06cc\U0001f600'
        wanted = f'{{"to": ["{NUMBER}"], "text": "{inner}", "n": 1, "u": true}}'
        self.assertEqual(seen.body, wanted.encode())
        self.assertEqual(seen.headers["content-type"], "application/json")
        seen = await self.request(text, {"xml": '<m to="{{to}}" t="{{text}}">{{text}}</m>'})
        inner = "a&amp;b=c &quot;q&quot; &lt;d&gt; {{from}} \u06cc\U0001f600"
        self.assertEqual(seen.body, f'<m to="{NUMBER}" t="{inner}">{inner}</m>'.encode())
        self.assertEqual(seen.headers["content-type"], "text/xml; charset=utf-8")
        self.assertEqual(seen.headers["content-length"], str(len(seen.body)))

    async def test_every_text_in_every_place(self) -> None:
        """What comes out at the provider is what went in, and nothing of the request around it is touched."""
        for text in NASTY_TEXTS:
            seen = await self.request(
                text, {"url": "http://provider/s/{{text}}?t={{text}}", "query": {"u": "{{text}}"}}
            )
            parts = urlsplit(seen.target)
            self.assertEqual(unquote(parts.path), f"/s/{text}")
            self.assertEqual(parse_qsl(parts.query, strict_parsing=True), [("t", text), ("u", text)])
            seen = await self.request(text, {"form": {"to": "{{to}}", "t": "{{text}}", "from": "{{from}}"}})
            pairs = parse_qsl(seen.body.decode("ascii"), strict_parsing=True)
            self.assertEqual(pairs, [("to", NUMBER), ("t", text), ("from", "15005550006")])
            seen = await self.request(text, {"json": {"a": {"t": "{{text}}", "l": ["x {{text}} y"]}, "to": "{{to}}"}})
            self.assertEqual(json.loads(seen.body), {"a": {"t": text, "l": [f"x {text} y"]}, "to": NUMBER})
            seen = await self.request(text, {"xml": "<a b='{{text}}'><c>{{text}}</c></a>"})
            root = fromstring(seen.body)
            self.assertEqual((root.get("b"), root.findtext("c"), len(root)), (text, text, 1))
            seen = await self.request(text, {"raw": "{{to}} {{text}}", "headers": {"X-T": "{{text|base64}}"}})
            self.assertEqual(seen.body, f"{NUMBER} {text}".encode())
            self.assertEqual(base64.b64decode(seen.headers["x-t"]), text.encode())

    async def test_other_alphabets(self) -> None:
        """UTF-16 as octets and as hex, Latin-1 in each kind of body, and what it lacks."""
        arabic = "\u0633\u0644\u0627\u0645"
        seen = await self.request(arabic, {"query": {"t": "{{text|utf16}}", "h": "{{text|utf16|hex}}"}})
        octets = arabic.encode("utf-16-be")
        self.assertEqual(seen.target, f"/send?t={quote(octets, safe='')}&h={octets.hex().upper()}")
        text = "d\u00e9j\u00e0 & <b>"
        seen = await self.request(text, {"charset": "latin-1", "form": {"t": "{{text}}"}})
        self.assertEqual(seen.body, b"t=d%E9j%E0%20%26%20%3Cb%3E")
        seen = await self.request(text, {"charset": "latin-1", "xml": "<t>{{text}}</t>"})
        self.assertEqual(seen.body, b"<t>d\xe9j\xe0 &amp; &lt;b&gt;</t>")
        self.assertEqual(seen.headers["content-type"], "text/xml; charset=latin-1")
        provider = self.provider(TAKEN)
        bench = self.bench(provider, request={"url": "http://provider/", "charset": "latin-1", "raw": "{{text}}"})
        self.assertEqual(await bench.end(text=arabic), (Verdict.REFUSED, CODE_UNSENDABLE, "up"))
        self.assertEqual(provider.requests, [])

    async def test_no_text_makes_a_header_or_a_request(self) -> None:
        """A line end in a header or a raw body smuggles nothing."""
        provider = self.provider(TAKEN)
        request = {"url": "http://provider/", "raw": "x", "headers": {"X-T": "{{text}}"}}
        bench = self.bench(provider, request=request)
        self.assertEqual(await bench.end(text="a\r\nX-B: c"), (Verdict.REFUSED, CODE_UNSENDABLE, "up"))
        self.assertEqual(provider.requests, [])
        text = "\r\n\r\nGET /other HTTP/1.1\r\nHost: x\r\n\r\n"
        seen = await self.request(text, {"raw": "{{text}}"})
        self.assertEqual(seen.body, text.encode())

    async def test_left_out(self) -> None:
        """A field, a header and an entry that have no value are not there."""
        request = {
            "query": {"v": "{{validity}}", "t": "{{text}}"},
            "headers": {"X-V": "{{validity}}", "X-S": "{{sid|then:yes}}"},
            "json": {"v": "{{validity}}", "o": {"v": ["{{validity}}"]}, "t": "{{text_unicode}}", "g": "{{text_gsm}}"},
        }
        seen = await self.request("x", request)
        self.assertEqual((seen.target, json.loads(seen.body)), ("/send?t=x", {"t": "x"}))
        self.assertEqual(("x-v" in seen.headers, seen.headers["x-s"]), (False, "yes"))


class SecureOctetsTest(SecureCase, OctetsTest): ...

"""Signatures and tokens of requests that go out: made anew at each try, and right by other code than ours."""

import base64
import hashlib
import hmac
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.http.provider import Surface, TemplateProvider, make_provider
from smsconnector.channels.http.settings import HTTPChannelSection
from smsconnector.hooks.requests import Place
from smsconnector.hooks.template_signatures import ParameterForm, Template, TemplateSignature
from smsconnector.net.http_client import HTTPCall
from tests.unit.hooks import form_call
from tests.unit.rest.cases import NOW_MS, segment

NOW_S = NOW_MS // 1000
KEY = "signature secret"
VONAGE: dict[str, Any] = {
    "request": {
        "url": "https://rest.nexmo.example/sms/json",
        "form": {
            "api_key": "k1", "from": "{{from}}", "to": "{{to}}", "text": "{{text}}", "timestamp": "{{now}}",
            "nonce": "{{nonce}}", "sig": "{{signature}}",
        },
    },
    "sign": {
        "algorithm": "md5", "template": "{params}{secret}", "secret": "{{secret.key}}",
        "params": {"pair": "&{name}={value}", "replace": "&=", "by": "_"},
    },
}  # fmt: skip
TEXT = 'a&b=c &timestamp={params}{{to}} "\u06cc"'


def made(**section: Any) -> TemplateProvider:
    data = {"type": "http", "secrets": {"key": KEY, "user": "u1"}, "request": {"url": "https://h.example/"}} | section
    assert HTTPChannelSection.early_problems(data, "x") == [], HTTPChannelSection.early_problems(data, "x")
    checked = HTTPChannelSection.model_validate(data)
    assert checked.problems("x") == [], checked.problems("x")
    count = itertools.count(1)
    surface = Surface("out", "https://sms.example.org/msg-client/out")
    nobody: Any = None
    return make_provider(checked, surface, nobody, lambda: NOW_MS, lambda: 0.0, lambda: f"nonce-{next(count)}")


def called(provider: TemplateProvider, text: str = TEXT, now_ms: int = NOW_MS, **changes: Any) -> HTTPCall:
    provider._milliseconds = lambda: now_ms  # the time of day
    found = provider.call(segment(text, **changes), now_ms)
    assert isinstance(found, HTTPCall), found
    return found


def fields(call: HTTPCall) -> dict[str, str]:
    pairs = parse_qsl(call.body.decode(), strict_parsing=True)
    assert len(pairs) == len(dict(pairs)), "a field stands there twice"
    return dict(pairs)


class VonageCase(SynchronousTestCase):
    """Vonage's signed requests (its specification of the SMS API, and the signing of its SDKs)."""

    def signed(self, call: HTTPCall) -> bytes:
        """What is signed, written by hand: all other fields, sorted, & and = in values as _."""
        rest = {name: value for name, value in fields(call).items() if name != "sig"}
        return "".join(
            f"&{name}={value.replace('&', '_').replace('=', '_')}" for name, value in sorted(rest.items())
        ).encode()

    def test_digests(self) -> None:
        """MD5 of the fields and the secret, or an HMAC by any of the hashes."""
        call = called(made(**VONAGE))
        self.assertEqual(fields(call)["sig"], hashlib.md5(self.signed(call) + KEY.encode()).hexdigest())
        for name in ("md5", "sha1", "sha256", "sha512"):
            sign = VONAGE["sign"] | {"algorithm": f"hmac-{name}", "template": "{params}"}
            call = called(made(**VONAGE | {"sign": sign}))
            wanted = hmac.new(KEY.encode(), self.signed(call), name).hexdigest()
            self.assertEqual(fields(call)["sig"], wanted, name)
            self.assertEqual(fields(call)["text"], TEXT)

    def test_as_verified(self) -> None:
        """The verifier for webhooks believes it, and does not when the text is another."""
        form = ParameterForm("&{name}={value}", replaced="&=")
        template = Template("{params}{secret}", Place("form", "timestamp"), params=form, signature_name="sig")
        verifier = TemplateSignature(template, Place("form", "sig"), (KEY.encode(),), "md5")
        sent = fields(called(made(**VONAGE)))
        self.assertIsNone(verifier.fault(form_call(sent), NOW_S))
        self.assertIsNotNone(verifier.fault(form_call(sent | {"text": "other"}), NOW_S))

    def test_a_repeat_is_signed_anew(self) -> None:
        """A repeat has a timestamp, a nonce and a signature of its own, and no field of the first try in it
        (vonage-python-sdk#202)."""
        provider = made(**VONAGE)
        first, second = called(provider), called(provider, now_ms=NOW_MS + 90_000, attempts=1)
        for call, stamp, nonce in ((first, NOW_S, "nonce-1"), (second, NOW_S + 90, "nonce-2")):
            sent = fields(call)
            self.assertEqual((sent["timestamp"], sent["nonce"]), (str(stamp), nonce))
            self.assertEqual(sent["sig"], hashlib.md5(self.signed(call) + KEY.encode()).hexdigest())
        self.assertEqual(set(fields(first)), set(fields(second)))
        self.assertNotEqual(fields(first)["sig"], fields(second)["sig"])


class PlacesCase(SynchronousTestCase):
    def test_words_of_the_text(self) -> None:
        """Upper-case MD5 of user|password|to|text|from|date|secret in the query (telesom). What the text holds is no
        placeholder of either kind."""
        provider = made(
            request={
                "url": "https://h.example/send?k={{signature|upper}}",
                "query": {"to": "{{to}}", "text": "{{text}}", "date": "{{now|time:%d/%m/%Y}}"},
            },
            sign={
                "algorithm": "md5",
                "template": "{{secret.user}}|{{to}}|{{text}}|{{from}}|{{now|time:%d/%m/%Y}}|{{secret.key}}",
            },
        )
        text = "{secret}{url}{{secret.key}} |{params}"
        query = dict(parse_qsl(urlsplit(called(provider, text).url).query))
        wanted = f"u1|923001234567|{text}|447700900123|14/11/2023|{KEY}"
        self.assertEqual(query["k"], hashlib.md5(wanted.encode()).hexdigest().upper())
        self.assertEqual(query["text"], text)

    def test_header(self) -> None:
        """Over time, URL and body's hash, as base64 with its padding; the key is base64 too."""
        key = base64.b64encode(bytes(range(20))).decode()
        provider = made(
            secrets={"key": key},
            request={
                "url": "https://h.example:8443/a%20b/{{to}}?x=1",
                "query": {"y": "{{text}}"},
                "json": {"text": "{{text}}", "n": {"a": [1]}},
                "headers": {"X-Time": "{{now}}", "X-Signature": "v1={{signature}}"},
            },
            sign={
                "algorithm": "hmac-sha256", "secret": "{{secret.key}}", "key_encoding": "base64", "encoding": "base64",
                "template": "{{now}}\n{method}\n{url}\n{body_sha256_raw}{body}",
            },
        )  # fmt: skip
        call = called(provider)
        self.assertEqual(json.loads(call.body)["text"], TEXT)
        signed = f"{NOW_S}\nPOST\n{call.url}\n".encode() + hashlib.sha256(call.body).digest() + call.body
        wanted = base64.b64encode(hmac.digest(bytes(range(20)), signed, "sha256")).decode()
        self.assertEqual(dict(call.headers)["X-Signature"], f"v1={wanted}")
        self.assertTrue(wanted.endswith("="))

    def test_json_field_and_sorted_query(self) -> None:
        """A flat JSON object is signed by its fields; a query by itself, sorted."""
        sign = {"algorithm": "hmac-sha1", "secret": "{{secret.key}}", "template": "{params}"}
        call = called(made(sign=sign, request={
            "url": "https://h.example/", "json": {"b": "{{text}}", "a": 1, "c": True, "sig": "{{signature}}"},
        }))  # fmt: skip
        wanted = hmac.new(KEY.encode(), f"a1b{TEXT}ctrue".encode(), "sha1").hexdigest()
        self.assertEqual(json.loads(call.body)["sig"], wanted)
        call = called(made(sign=sign | {"template": "{path}?{sorted_query}"}, request={
            "url": "https://h.example/p", "query": {"b": "{{text}}", "a": "1 2", "sig": "{{signature}}"},
        }), "x")  # fmt: skip
        wanted = hmac.new(KEY.encode(), b"/p?a=1+2&b=x", "sha1").hexdigest()
        self.assertEqual(dict(parse_qsl(urlsplit(call.url).query))["sig"], wanted)

    def test_shown(self) -> None:
        """What the doctor shows has neither key nor signature."""
        provider = made(**VONAGE)
        shown = provider.request.masked(provider.facts(segment("x"), NOW_MS))
        sent = fields(called(provider, "x"))
        for hidden in (KEY, sent["sig"]):
            self.assertNotIn(hidden, str(tuple(shown)) + repr(provider.request))
        self.assertIn("sig=_hidden_", shown.body.decode())

    def test_parts_of_a_text(self) -> None:
        """Each has a signature of its own."""
        provider = made(**VONAGE)
        parts = [fields(called(provider, "same", number=number, count=2)) for number in (1, 2)]
        self.assertEqual(len({one["sig"] for one in parts}), 2)


class SettingsCase(SynchronousTestCase):
    def faults(self, **section: Any) -> dict[str, str]:
        data = {"type": "http", "secrets": {"key": KEY}, "request": {"url": "https://h.example/"}} | section
        found = dict(HTTPChannelSection.early_problems(data, "x"))
        if found:
            return found
        try:
            checked = HTTPChannelSection.model_validate(data)
        except ValueError as error:
            return {"x": str(error)}
        return dict(checked.problems("x"))

    def test_sign(self) -> None:
        """Each mistake, with what to do instead."""
        signed: dict[str, Any] = {"url": "https://h.example/", "headers": {"S": "{{signature}}"}}
        sign = {"algorithm": "hmac-sha256", "template": "{body}", "secret": "{{secret.key}}"}
        nested = {"url": "https://h.example/", "json": {"a": {"b": 1}}, "headers": {"S": "{{signature}}"}}
        cases: tuple[tuple[dict[str, Any], str, str], ...] = (
            ({"sign": sign}, "x.sign", "names no {{signature}}"),
            ({"request": signed}, "x.request.headers.S", "does not exist"),
            ({"request": signed, "sign": sign | {"template": "{boddy}"}}, "x.sign.template", "use {url}"),
            ({"request": signed, "sign": sign | {"template": "{timestamp}"}}, "x.sign.template", "{{now}}"),
            ({"request": signed, "sign": sign | {"template": "{nonce}"}}, "x.sign.template", "{{nonce}}"),
            ({"request": signed, "sign": sign | {"template": "{id}"}}, "x.sign.template", "{{sid}}"),
            ({"request": signed, "sign": sign | {"template": "{{signature}}"}}, "x.sign.template", "does not exist"),
            ({"request": signed, "sign": sign | {"secret": "{{secret.no}}"}}, "x.sign.secret", "does not exist"),
            ({"request": signed, "sign": sign | {"algorithm": "crc32"}}, "x", "one of these is wanted"),
            ({"request": signed, "sign": sign | {"template": "{body}{secret}"}}, "x", "{secret} belongs"),
            ({"request": signed, "sign": sign | {"secret": None}}, "x", "set secret"),
            ({"request": signed, "sign": {"algorithm": "md5", "template": "{body}{secret}"}}, "x", "set secret"),
            ({"request": signed, "sign": {"algorithm": "md5", "template": "{body}"}}, "x", "anybody could make it"),
            ({"request": signed, "sign": sign | {"algorithm": "md5"}}, "x", "{secret} belongs"),
            ({"request": signed, "sign": sign | {"key_encoding": "hex"}}, "x.sign.secret", "the key is not hex"),
            ({"request": nested, "sign": sign | {"template": "{params}"}}, "x.sign.template", "no list and no object"),
            (
                {
                    "request": signed | {"json": {"a": 1}, "headers": signed["headers"] | {"Content-Type": "text/x"}},
                    "sign": sign | {"template": "{params}"},
                },
                "x.sign.template",
                "no form and no JSON",
            ),
            (
                {"request": signed | {"xml": "<a/>"}, "sign": sign | {"template": "{params}"}},
                "x.sign.template",
                "form or a flat JSON",
            ),
            *(
                ({"request": {"url": "https://h.example/", kind: body}, "sign": sign}, "x.sign.template", "a header")
                for kind, body in (
                    ("xml", "<a>{{signature}}</a>"), ("raw", "{{signature}}"), ("json", {"s": "{{signature}}"}),
                    ("form", {"s": "{{signature}}"}),
                )
            ),
        )  # fmt: skip
        for section, path, words in cases:
            self.assertIn(words, self.faults(**section).get(path, ""), f"{section}: {self.faults(**section)}")
        self.assertEqual(self.faults(request=signed, sign=sign), {})
        numbers = signed | {"json": {"to": "{{to|number}}", "text": "{{text}}"}}
        self.assertEqual(self.faults(request=numbers, sign=sign), {})  # no number is none, but texts have one

    def test_junk(self) -> None:
        """Whatever stands there, it is an error and no crash."""
        junks: list[Any] = [None, 5, [], "x", {"template": 5}, {"template": None, "secret": []}, {"params": 5}]
        for junk in junks:
            for section in ({"sign": junk}, {"authentication": {"jwt": junk}}):
                self.assertIsInstance(self.faults(**section), dict)

    def test_ids_of_our_own(self) -> None:
        """What is another at each try is no id: the provider would be told another one than we keep."""
        for name in ("now", "now_ms", "nonce", "lifetime", "validity"):
            self.assertIn("{{sid}}", self.faults(id={"own": f"a{{{{{name}}}}}"}).get("x.id.own", ""), name)
        self.assertEqual(self.faults(id={"own": "{{sid}}{{id}}{{channel}}"}), {})


def key_file(case: SynchronousTestCase, key: Any = None, password: bytes | None = None) -> str:
    """A PEM file of a private key."""
    path = Path(case.mktemp())
    encryption: Any = (
        serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    )
    key = key or rsa.generate_private_key(65537, 2048)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return str(path)


class TokenCase(SynchronousTestCase):
    """JSON Web Tokens by RS256 (RFC 7519, RFC 7518 section 3.3), as Vonage's Messages API wants them."""

    def setUp(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.path = key_file(self, self.key)

    def claims(self, call: HTTPCall) -> dict[str, Any]:
        scheme, token = dict(call.headers)["Authorization"].split(" ")
        self.assertEqual(scheme, "Bearer")
        options = {"verify_exp": False, "verify_iat": False}
        found: dict[str, Any] = jwt.decode(token, self.key.public_key(), ["RS256"], options)  # type: ignore[arg-type]
        return found

    def test_token(self) -> None:
        """By PyJWT: our claims, and when it was made, when it ends, and an id, which are others at each try."""
        section = {"private_key_file": self.path, "claims": {"application_id": "{{secret.user}}", "acl": {"paths": {}}}}
        provider = made(authentication={"jwt": section | {"lifetime": 600}})
        for number in (1, 2):
            now_s = NOW_S + number
            claims = self.claims(called(provider, now_ms=now_s * 1000))
            wanted = {"application_id": "u1", "acl": {"paths": {}}, "iat": now_s, "exp": now_s + 600}
            self.assertEqual(claims, wanted | {"jti": f"nonce-{number}"})
        header = jwt.get_unverified_header(dict(called(provider).headers)["Authorization"].split(" ")[1])
        self.assertEqual(header, {"alg": "RS256", "typ": "JWT"})

    def test_own_header(self) -> None:
        """Where a header of the request names it itself, however that is written, there is no other; a key has its name
        in the token."""
        section = {"private_key_file": self.path, "key_id": "k-1"}
        for name in ("Authorization", "authorization"):
            request = {"url": "https://h.example/", "headers": {"X-JWT": "{{session}}", name: "none"}}
            sent = called(made(authentication={"jwt": section}, request=request)).headers
            self.assertEqual([value for one, value in sent if one.lower() == "authorization"], ["none"])
            self.assertEqual(jwt.get_unverified_header(dict(sent)["X-JWT"])["kid"], "k-1")

    def test_shown(self) -> None:
        """Neither the key nor a token."""
        provider = made(authentication={"jwt": {"private_key_file": self.path}})
        shown = str(tuple(provider.request.masked(provider.facts(segment("x"), NOW_MS))))
        self.assertIn("Bearer _hidden_", shown)
        self.assertNotIn("eyJ", shown + repr(provider.request))

    def test_mistakes(self) -> None:
        """Each with its path, and what to do."""
        encrypted = key_file(self, self.key, b"secret")
        empty = self.mktemp()
        Path(empty).write_text("nothing")
        public = self.mktemp()
        Path(public).write_bytes(
            self.key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        faults = SettingsCase().faults
        place = "x.authentication.jwt"
        for section, path, words in (
            ({"private_key_file": "/nowhere/key"}, f"{place}.private_key_file", "can't be read"),
            ({"private_key_file": empty}, f"{place}.private_key_file", "no private key in PEM"),
            ({"private_key_file": public}, f"{place}.private_key_file", "no private key in PEM"),
            ({"private_key_file": encrypted}, f"{place}.private_key_file", "passphrase"),
            (
                {"private_key_file": key_file(self, ec.generate_private_key(ec.SECP256R1()))},
                f"{place}.private_key_file",
                "RSA",
            ),
            (
                {"private_key_file": key_file(self, rsa.generate_private_key(65537, 1024))},
                f"{place}.private_key_file",
                "2048",
            ),
            ({"private_key_file": self.path, "claims": {"a": {"b": "{{to}}"}}}, f"{place}.claims.a.b", "not exist"),
            ({"private_key_file": self.path, "lifetime": 0}, "x", "greater"),
            ({}, "x", "required"),
        ):  # fmt: skip
            found = faults(authentication={"jwt": section})
            self.assertIn(words, found.get(path, ""), f"{section}: {found}")
        both = {"jwt": {"private_key_file": self.path}, "basic": {"username": "a", "password": "b"}}
        self.assertIn("whole authentication", faults(authentication=both)["x"])
        again = {"authentication": {"jwt": {"private_key_file": self.path}}}
        rules = [{"when": {"status": 401}, "then": "log_in_again"}]
        self.assertIn("no log-in", faults(failures=rules, **again)["x"])


class FactsCase(SynchronousTestCase):
    def test_nonces(self) -> None:
        """32 hexadecimal digits, others each time."""
        section = HTTPChannelSection.model_validate({"type": "http", **VONAGE, "secrets": {"key": KEY}})
        nobody: Any = None
        provider = make_provider(section, Surface("out", None), nobody, lambda: NOW_MS, lambda: 0.0)
        found = {fields(called(provider))["nonce"] for _ in range(100)}
        self.assertEqual(len(found), 100)
        for one in found:
            self.assertRegex(one, "^[0-9a-f]{32}$")

    def test_secrets_of_a_signature(self) -> None:
        """Neither key nor token show in a representation."""
        provider = made(**VONAGE)
        facts = replace(provider.facts(segment("x"), NOW_MS), signature="5ecret", session="t0ken")
        for hidden in (KEY, "5ecret", "t0ken"):
            self.assertNotIn(hidden, repr(facts))

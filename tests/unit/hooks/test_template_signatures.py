"""Signatures over templates. What a provider signs is written out here by hand, from its documentation and its SDK, and
the HMAC is made by the standard library alone."""

import base64
import hashlib
import hmac
from dataclasses import replace
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.hooks.requests import FORM, HookRequest, Place
from smsconnector.hooks.signatures import MISSING, WRONG, Verifier, key_of
from smsconnector.hooks.template_signatures import (
    ALGORITHMS,
    Ed25519Signature,
    ParameterForm,
    Template,
    TemplateSignature,
)
from tests.unit.hooks import NOW, PATH, PUBLIC, call, damaged, form_call

KEY = b"signing key"
STAMP = str(NOW)


def mac(octets: bytes, algorithm: str = "sha256", key: bytes = KEY) -> bytes:
    return hmac.new(key, octets, algorithm).digest()


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


PLIVO_V2 = TemplateSignature(
    Template("{url_without_query}{nonce}", nonce=Place("header", "X-Plivo-Signature-V2-Nonce")),
    Place("header", "X-Plivo-Signature-V2", separator=","),
    (KEY,),
    encoding="base64",
)
PLIVO_V3 = TemplateSignature(
    Template(
        "{plivo_url}{params}.{nonce}",
        nonce=Place("header", "X-Plivo-Signature-V3-Nonce"),
        params=ParameterForm(source="body"),
    ),
    Place("header", "X-Plivo-Signature-V3", separator=","),
    (KEY,),
    encoding="base64",
)
BIRD = TemplateSignature(
    Template("{timestamp}\n{url}\n{body_sha256_raw}", timestamp=Place("header", "messagebird-request-timestamp")),
    Place("header", "messagebird-signature"),
    (KEY,),
    encoding="base64",
)
MESSAGEBIRD = replace(BIRD, template=replace(BIRD.template, text="{timestamp}\n{sorted_query}\n{body_sha256_raw}"))
SINCH = TemplateSignature(
    Template(
        "{body}.{nonce}.{timestamp}",
        timestamp=Place("header", "x-sinch-webhook-signature-timestamp"),
        nonce=Place("header", "x-sinch-webhook-signature-nonce"),
    ),
    Place("header", "x-sinch-webhook-signature"),
    (KEY,),
    encoding="base64",
)
PARAMETERS = ParameterForm("&{name}={value}", replaced="&=")


def vonage(place: str = "form", algorithm: str = "md5") -> TemplateSignature:
    text = "{params}" if algorithm.startswith("hmac") else "{params}{secret}"
    return TemplateSignature(
        Template(text, timestamp=Place(place, "timestamp"), params=PARAMETERS, signature_name="sig"),
        Place(place, "sig"),
        (KEY,),
        algorithm,
    )


class ProvidersCase(SynchronousTestCase):
    def check(self, verifier: Verifier, good: HookRequest, headers: tuple[str, ...], parts: str = "body url") -> None:
        """It passes, and does not with one bit flipped."""
        self.assertIsNone(verifier.fault(good, NOW))
        for what, bad in damaged(good, headers=headers, parts=parts):
            self.assertIsNotNone(verifier.fault(bad, NOW), what)

    def test_plivo_v2(self) -> None:
        """The URL without its query and the nonce; the port with and without (plivo-node#83). The body is not covered,
        which is Plivo's doing."""
        names = ("X-Plivo-Signature-V2", "X-Plivo-Signature-V2-Nonce")
        for public, signed_as in (
            (PUBLIC, PUBLIC),
            ("https://sms.example.org:7443", PUBLIC),
            ("https://sms.example.org:7443", "https://sms.example.org:7443"),
            (PUBLIC, f"{PUBLIC}:443"),
        ):
            headers = dict(zip(names, (b64(mac(f"{signed_as}{PATH}n0nce".encode())), "n0nce"), strict=True))
            good = form_call({"Text": "x"}, target=f"{PATH}?q=1", headers=headers, public_url=public)
            self.check(PLIVO_V2, replace(good, target=PATH), names, "url")
            self.assertIsNone(PLIVO_V2.fault(good, NOW))

    def test_plivo_v3(self) -> None:
        """GET and POST, with and without a query; several signatures in one header."""
        names = ("X-Plivo-Signature-V3", "X-Plivo-Signature-V3-Nonce")
        form = {"To": "2", "From": "1", "Text": "a b"}
        for method, query, signed in (
            ("POST", "", f"{PUBLIC}{PATH}?From1Texta bTo2.n"),
            ("POST", "?b=2&a=x%20y", f"{PUBLIC}{PATH}?a=x y&b=2.From1Texta bTo2.n"),
            ("GET", "?b=2&a=x%20y", f"{PUBLIC}{PATH}?a=x y&b=2.n"),
            ("GET", "", f"{PUBLIC}{PATH}.n"),
        ):
            good = call(
                urlencode(form).encode() if method == "POST" else b"",
                method=method,
                kind=FORM if method == "POST" else "",
                target=PATH + query,
                headers=dict(zip(names, (f"AAAA, {b64(mac(signed.encode()))}", "n"), strict=True)),
            )
            self.check(PLIVO_V3, good, (names[1],))
            self.assertIsNone(PLIVO_V3.fault(good, NOW), (method, query))

    def test_bird_and_messagebird(self) -> None:
        """A timestamp, the URL or the sorted query, and the 32 octets of the body's SHA-256."""
        names = ("messagebird-signature", "messagebird-request-timestamp")
        body, target = b'{"event": "x"}', f"{PATH}?b=x+y&a=1"
        digest = hashlib.sha256(body).digest()
        for verifier, middle in ((BIRD, PUBLIC + target), (MESSAGEBIRD, "a=1&b=x+y")):
            signature = b64(mac(f"{STAMP}\n{middle}\n".encode() + digest))
            good = call(body, target=target, headers=dict(zip(names, (signature, STAMP), strict=True)))
            self.check(verifier, good, names, "body url" if verifier is BIRD else "body")
            self.assertIn("too old", verifier.fault(good, NOW + 301) or "")
            self.assertIn("future", verifier.fault(good, NOW - 301) or "")

    def test_sinch(self) -> None:
        names = tuple(f"x-sinch-webhook-signature{tail}" for tail in ("", "-nonce", "-timestamp"))
        body = b'{"text": "{timestamp}"}'
        signature = b64(mac(body + f".n1.{STAMP}".encode()))
        good = call(body, headers=dict(zip(names, (signature, "n1", STAMP), strict=True)), kind="application/json")
        self.check(SINCH, good, names, "body")

    def test_vonage(self) -> None:
        """Sorted, each with & before it, & and = in values as _; MD5 of that and the secret, or an HMAC; the hex in any
        case (luguslabs/habs#230). A text with "&timestamp=" in it verifies (vonage-ruby-sdk#60)."""
        fields = {"timestamp": STAMP, "text": "a&b=c&timestamp=1 \u20ac", "msisdn": "447700900001", "nonce": "n"}
        written = f"&msisdn=447700900001&nonce=n&text=a_b_c_timestamp_1 \u20ac&timestamp={STAMP}".encode()
        for algorithm, digest in (
            ("md5", hashlib.md5(written + KEY).hexdigest()),
            ("hmac-md5", mac(written, "md5").hex()),
            ("hmac-sha1", mac(written, "sha1").hex()),
            ("hmac-sha256", mac(written).hex()),
            ("hmac-sha512", mac(written, "sha512").hex()),
        ):
            for signature in (digest, digest.upper()):
                good = form_call({**fields, "sig": signature})
                self.assertIsNone(vonage("form", algorithm).fault(good, NOW), algorithm)
                as_query = call(target=f"{PATH}?{urlencode({**fields, 'sig': signature})}", method="GET")
                self.assertIsNone(vonage("query", algorithm).fault(as_query, NOW), algorithm)
            for bad in ({**fields, "text": "other"}, {**fields, "timestamp": str(NOW + 1)}, {**fields, "more": "x"}):
                self.assertEqual(vonage("form", algorithm).fault(form_call({**bad, "sig": digest}), NOW), WRONG)
            last = digest[:-1] + ("0" if digest[-1] != "0" else "1")
            self.assertEqual(vonage("form", algorithm).fault(form_call({**fields, "sig": last}), NOW), WRONG)
            self.assertIn(
                "too old", vonage("form", algorithm).fault(form_call({**fields, "sig": digest}), NOW + 999) or ""
            )

    def test_a_repeat_is_signed_anew(self) -> None:
        """A repeat has a new timestamp and signature, and each verifies by itself (vonage-python-sdk#202)."""
        for stamp in (STAMP, str(NOW + 60)):
            digest = hashlib.md5(f"&messageId=1&timestamp={stamp}".encode() + KEY).hexdigest()
            self.assertIsNone(vonage().fault(form_call({"messageId": "1", "timestamp": stamp, "sig": digest}), NOW))

    def test_vonage_as_json(self) -> None:
        """A flat object is signed as a form is, with its numbers as they are written. A nested one can't be, and is
        refused with a sentence (vonage-node-sdk#876)."""
        written = f"&price=0.0300&text=x&timestamp={STAMP}".encode()
        digest = hashlib.md5(written + KEY).hexdigest()
        body = f'{{"text": "x", "price": 0.0300, "timestamp": {STAMP}, "sig": "{digest}"}}'.encode()
        self.assertIsNone(vonage().fault(call(body, kind="application/json"), NOW))
        for bad in (body[:-1] + b', "more": {"a": [1]}}', b"[1]", b"{", b"[" * 9_000, b'{"sig": [1]}'):
            self.assertIsNotNone(vonage().fault(call(bad, kind="application/json"), NOW), bad[:20])
        self.assertIn(
            "not signed",
            vonage("query").fault(call(b"<a/>", target=f"{PATH}?sig=x&timestamp={STAMP}", kind="text/xml"), NOW) or "",
        )

    def test_telnyx(self) -> None:
        """ed25519 over timestamp, | and the raw body."""
        key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        names = ("telnyx-signature-ed25519", "telnyx-timestamp")
        verifier = Ed25519Signature(
            Template("{timestamp}|{body}", timestamp=Place("header", names[1])),
            Place("header", names[0]),
            (bytes(32), key.public_key().public_bytes_raw()),
        )
        body = b'{"data": {}}'
        headers = dict(zip(names, (b64(key.sign(f"{STAMP}|".encode() + body)), STAMP), strict=True))
        self.check(verifier, call(body, headers=headers), names, "body")
        self.assertIn("too old", verifier.fault(call(body, headers=headers), NOW + 301) or "")
        right = headers[names[0]]
        other = right[:-3] + chr(ord(right[-3]) + 1) + "=="  # decodes to the same octets: four bits are over
        self.assertEqual(base64.b64decode(other), base64.b64decode(right))
        for text in ("", "=", "\u00fc", "AAAA", other):
            self.assertIsNotNone(verifier.fault(call(body, headers={**headers, names[0]: text}), NOW))


class TemplateCase(SynchronousTestCase):
    def test_a_value_is_not_filled_again(self) -> None:
        """{secret} in a body stays what it is."""
        self.assertEqual(Template("{body}").octets(call(b"{secret}{url}"), "u", b"s"), b"{secret}{url}")

    def test_a_list_of_key_and_value(self) -> None:
        """``t=..,v1=..`` in one header, as Stripe's imitators have it."""
        stamp, signature = Place("header", "Sig", "t=", ","), Place("header", "Sig", "v1=", ",")
        verifier = TemplateSignature(Template("{timestamp}.{body}", timestamp=stamp), signature, (KEY,))
        good = mac(f"{STAMP}.x".encode()).hex()
        for value, passes in (
            (f"t={STAMP},v1={good}", True),
            (f"t={STAMP}, v0={'0' * 64}, v1={'0' * 64}, v1={good}", True),
            (f"t={STAMP},v0={good}", False),
            (f"t={NOW + 1},v1={good}", False),
            (f"v1={good}", False),
        ):
            self.assertEqual(verifier.fault(call(b"x", headers={"Sig": value}), NOW) is None, passes, value)

    def test_milliseconds(self) -> None:
        """A time of 13 digits is in milliseconds."""
        place = Place("header", "T")
        verifier = TemplateSignature(Template("{timestamp}", timestamp=place), Place("header", "S"), (KEY,))
        for text, passes in ((f"{NOW}000", True), (f"{NOW}", True), (f"{NOW - 301}000", False)):
            headers = {"T": text, "S": mac(text.encode()).hex()}
            self.assertEqual(verifier.fault(call(headers=headers), NOW) is None, passes, text)

    def test_several_secrets_and_a_prefix(self) -> None:
        """``sha256=`` before the hex, by the old secret or the new one."""
        verifier = TemplateSignature(Template("{body}"), Place("header", "X-Hub", "sha256="), (b"new", b"old"))
        for key, passes in ((b"new", True), (b"old", True), (b"none", False)):
            request = call(b"x", headers={"X-Hub": f"sha256={mac(b'x', key=key).hex()}"})
            self.assertEqual(verifier.fault(request, NOW) is None, passes)
        self.assertEqual(verifier.fault(call(b"x", headers={"X-Hub": mac(b"x", key=b"new").hex()}), NOW), MISSING)
        self.assertNotIn("new", repr(verifier))

    def test_a_mistake_in_the_settings(self) -> None:
        """Each is told at once, and says what to do."""
        with self.assertRaisesRegex(ValueError, "use {url}"):
            Template("{uri}")
        with self.assertRaisesRegex(ValueError, "set timestamp"):
            Template("{timestamp}")
        for text, algorithm in (("{params}", "md5"), ("{params}{secret}", "hmac-md5")):
            with self.assertRaisesRegex(ValueError, "secret"):
                TemplateSignature(Template(text), Place("header", "S"), (KEY,), algorithm)
        self.assertIn("hmac-sha512", ALGORITHMS)

    def test_keys(self) -> None:
        """Raw, base64, hex and whsec_; an error does not show the key."""
        for text, encoding in (
            ("key!", "raw"),
            ("a2V5IQ==", "base64"),
            ("a2V5IQ", "base64"),
            ("6b657921", "hex"),
            ("whsec_a2V5IQ", "whsec"),
        ):
            self.assertEqual(key_of(text, encoding), b"key!", encoding)
        for text, encoding in (("key!", "base64"), ("key!", "hex"), ("", "raw"), ("", "base64"), ("key!", "whsec")):
            with self.assertRaises(ValueError) as caught:
                key_of(text, encoding)
            self.assertNotIn("key!", str(caught.exception))

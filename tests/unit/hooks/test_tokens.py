"""JSON Web Tokens with payload_hash and url_hash: ours against PyJWT."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import jwt
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.hooks.requests import HookRequest, Place
from smsconnector.hooks.signatures import MISSING, WRONG
from smsconnector.hooks.tokens import WebToken
from tests.unit.hooks import NOW, PATH, PUBLIC, call, damaged

KEY, OTHER = "k" * 32, "o" * 64
BIRD = WebToken(Place("header", "MessageBird-Signature-JWT"), (KEY.encode(), OTHER.encode()), covers_url=True)
VONAGE = WebToken(Place("header", "Authorization", "Bearer "), (KEY.encode(),))
TARGET = f"{PATH}?id=1&status=delivered"
BODY = b'{"message_uuid": "u", "error": {"nested": [1]}}'


def sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def token(key: str = KEY, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    return jwt.encode(claims, key, algorithm, headers=headers)


def to_bird(text: str, body: bytes = b"", target: str = TARGET) -> HookRequest:
    return call(body, target=target, method="POST" if body else "GET", headers={"MessageBird-Signature-JWT": text})


def to_vonage(text: str, body: bytes = BODY) -> HookRequest:
    return call(body, headers={"Authorization": f"Bearer {text}"}, kind="application/json")


class WebTokenCase(SynchronousTestCase):
    def test_a_status_by_get(self) -> None:
        """url_hash covers the whole URL with its query; an empty body has no payload_hash (messagebird-nodejs#69)."""
        for key in (KEY, OTHER):
            claims: dict[str, Any] = {
                "iss": "MessageBird",
                "nbf": NOW,
                "exp": NOW + 60,
                "url_hash": sha256((PUBLIC + TARGET).encode()),
            }
            request = to_bird(token(key, **claims))
            self.assertIsNone(BIRD.fault(request, NOW))
            self.assertIsNone(replace(BIRD, issuer="MessageBird").fault(request, NOW))
            self.assertIn("issuer", replace(BIRD, issuer="other").fault(request, NOW) or "")
            for what, bad in damaged(request, headers=("MessageBird-Signature-JWT",)):
                self.assertIsNotNone(BIRD.fault(bad, NOW), what)
            self.assertIn("another body", BIRD.fault(replace(request, body=b"x"), NOW) or "")

    def test_the_url_without_its_query_is_another(self) -> None:
        """Some gateways hash it so, which breaks with a query."""
        request = to_bird(token(exp=NOW + 60, url_hash=sha256((PUBLIC + PATH).encode())))
        self.assertIn("public_url", BIRD.fault(request, NOW) or "")
        self.assertIn("another URL", BIRD.fault(to_bird(token(exp=NOW + 60)), NOW) or "", "none at all")

    def test_nested_json_is_covered_by_its_hash(self) -> None:
        """A signed JSON text with nested objects is verified, and a forged one refused (vonage-node-sdk#876)."""
        request = to_vonage(token(iat=NOW, jti="j", iss="Vonage", payload_hash=sha256(BODY)))
        self.assertIsNone(VONAGE.fault(request, NOW))
        for what, bad in damaged(request, headers=("Authorization",), parts="body"):
            self.assertIsNotNone(VONAGE.fault(bad, NOW), what)
        claims: dict[str, Any]
        for claims in ({}, {"payload_hash": None}, {"payload_hash": sha256(b"")}, {"payload_hash": ["x"]}):
            self.assertIn("another body", VONAGE.fault(to_vonage(token(iat=NOW, **claims)), NOW) or "")
        self.assertIsNone(VONAGE.fault(to_vonage(token(iat=NOW, payload_hash=sha256(BODY).upper())), NOW))

    def test_times(self) -> None:
        """exp, nbf and iat with the leeway; a token without exp may be five minutes old."""
        good: dict[str, Any] = {"payload_hash": sha256(BODY)}
        claims: dict[str, Any]
        for claims, passes in (
            ({"exp": NOW - 4}, True),
            ({"exp": NOW - 5}, False),
            ({"exp": NOW + 9, "nbf": NOW + 5}, True),
            ({"exp": NOW + 9, "nbf": NOW + 6}, False),
            ({"iat": NOW + 5}, True),
            ({"iat": NOW + 6}, False),
            ({"iat": NOW - 300}, True),
            ({"iat": NOW - 301}, False),
            ({"iat": NOW - 301, "exp": NOW + 1}, True),
            ({"nbf": NOW}, False),  # no end at all
            ({}, False),
            ({"exp": NOW + 0.5}, True),
        ):
            found = VONAGE.fault(to_vonage(token(**good, **claims)), NOW)
            self.assertEqual(found is None, passes, (claims, found))
        self.assertIsNone(replace(VONAGE, tolerance_s=None).fault(to_vonage(token(**good)), NOW))

    def test_times_that_are_none(self) -> None:
        """No exception and no pass, whatever stands there."""
        for text in ('"soon"', "true", "null", "NaN", "Infinity", "1e999", "9" * 5000, "[1]", f'"{NOW + 9}"'):
            payload = b'{"exp": %s, "payload_hash": "%s"}' % (text.encode(), sha256(BODY).encode())
            signed = jwt.api_jws.encode(payload, KEY, "HS256")
            self.assertIn("time", VONAGE.fault(to_vonage(signed), NOW) or "", text[:9])

    def test_algorithms(self) -> None:
        """Only those that are allowed: none, another length and public keys are refused. HS512 can be allowed."""
        claims: dict[str, Any] = {"iat": NOW, "payload_hash": sha256(BODY)}
        head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
        payload = token(**claims).split(".")[1]
        for bad in (token(OTHER, "HS512", **claims), jwt.encode(claims, "", "none"), f"{head}.{payload}."):
            self.assertIn("algorithm", VONAGE.fault(to_vonage(bad), NOW) or "")
        for header in ({"alg": "nOnE"}, {"alg": "RS256"}, {"alg": ["HS256"]}, {}, {"alg": None}):
            text = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
            self.assertIn("algorithm", VONAGE.fault(to_vonage(f"{text}.{payload}.x"), NOW) or "", header)
        wider = replace(VONAGE, algorithms=("HS256", "HS512"), secrets=(OTHER.encode(),))
        self.assertIsNone(wider.fault(to_vonage(token(OTHER, "HS512", **claims)), NOW))

    def test_an_extension_that_has_to_be_known(self) -> None:
        """RFC 7515 section 4.1.11."""
        text = token(headers={"crit": ["b64"], "b64": False}, iat=NOW, payload_hash=sha256(BODY))
        self.assertIn("extension", VONAGE.fault(to_vonage(text), NOW) or "")

    def test_what_is_no_token(self) -> None:
        """A sentence for each, and no exception: deep JSON, other characters, too few parts, no object."""
        deep = base64.urlsafe_b64encode(b"[" * 5_000).decode()
        number = base64.urlsafe_b64encode(b"1").decode()
        for text in ("x", "a.b", "a.b.c.d", "...", "\u00fc.b.c", f"{deep}.b.c", f"{number}.b.c", "!!!!.b.c"):
            self.assertIn("token", VONAGE.fault(to_vonage(text), NOW) or "", text[:9])
        self.assertEqual(VONAGE.fault(call(BODY), NOW), MISSING)
        self.assertEqual(VONAGE.fault(call(BODY, headers={"Authorization": "Basic x"}), NOW), MISSING)

    def test_a_wrong_key(self) -> None:
        """The claims of a token that is not signed right are not looked at."""
        text = token("w" * 32, exp="rubbish", payload_hash=sha256(BODY))
        self.assertEqual(VONAGE.fault(to_vonage(text), NOW), WRONG)
        self.assertNotIn("kkk", repr(VONAGE))

"""X-Twilio-Signature against Twilio's own validator, and what its users have run into (public bug reports)."""

import hashlib
from dataclasses import replace
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.hooks.requests import FORM, HookRequest
from smsconnector.hooks.signatures import MISSING, WRONG
from smsconnector.hooks.twilio_signature import TwilioSignature
from tests.unit.hooks import NOW, PATH, PUBLIC, call, damaged, form_call

TOKEN, OTHER = "12345", "a token of a sub-account"
VERIFIER = TwilioSignature((TOKEN.encode(), OTHER.encode()))
FIELDS = {"From": "+14155550100", "To": "+15005550006", "Body": "h\u00e9llo & =\u20ac\U0001f600", "FromCity": ""}


class Fields(dict[str, list[str]]):
    """Of several values, as Twilio's validator reads them."""

    def getall(self, name: str) -> list[str]:
        return self[name]


def by_twilio(url: str, fields: object = None, token: str = TOKEN, algorithm: str | None = None) -> str:
    return str(RequestValidator(token).compute_signature(url, fields or {}, algorithm))


def with_signature(request: HookRequest, signature: str, **more: str) -> HookRequest:
    headers = {"x-twilio-signature": signature, **more}
    return replace(request, headers={**request.headers, **{k.encode(): [v.encode()] for k, v in headers.items()}})


class TwilioSignatureCase(SynchronousTestCase):
    def assertPasses(self, request: HookRequest, verifier: TwilioSignature = VERIFIER) -> None:
        self.assertIsNone(verifier.fault(request, NOW))

    def test_vectors_of_twilio(self) -> None:
        """A form, a GET, and JSON with bodySHA256, signed by Twilio's own code; none passes with one bit flipped."""
        body = b'{"a": [1, 2]}'
        hashed = f"{PATH}?bodySHA256={hashlib.sha256(body).hexdigest()}"
        target = f"{PATH}?MessageSid=SM1&Body=a%20b"
        for request, signature in (
            (form_call(FIELDS), by_twilio(PUBLIC + PATH, FIELDS)),
            (form_call({}), by_twilio(PUBLIC + PATH)),
            (call(target=target, method="GET"), by_twilio(PUBLIC + target)),
            (call(body, target=hashed, kind="application/json"), by_twilio(PUBLIC + hashed)),
        ):
            good = with_signature(request, signature)
            self.assertPasses(good)
            for what, bad in damaged(good, headers=("x-twilio-signature",)):
                self.assertIsNotNone(VERIFIER.fault(bad, NOW), what)

    def test_a_port_with_and_without(self) -> None:
        """https on port 4433: signed with the port and without it (twilio-python#402)."""
        public = "https://sms.example.org:4433"
        for signed_as in (public, PUBLIC):
            request = with_signature(form_call(FIELDS, public_url=public), by_twilio(signed_as + PATH, FIELDS))
            self.assertPasses(request)

    def test_a_default_port_written_out(self) -> None:
        """:443 and :80, in our setting or in what is signed, make no difference (twilio-python#392)."""
        for scheme, port in (("https", 443), ("http", 80)):
            plain, written = f"{scheme}://sms.example.org", f"{scheme}://sms.example.org:{port}"
            for ours in (plain, written):
                for theirs in (plain, written):
                    request = form_call(FIELDS, public_url=ours)
                    self.assertPasses(with_signature(request, by_twilio(theirs + PATH, FIELDS)))

    def test_another_port_or_host_does_not_pass(self) -> None:
        """Only the port of the scheme is optional."""
        for url in ("https://sms.example.org:8443", "https://other.example.org", "http://sms.example.org"):
            request = with_signature(form_call(FIELDS), by_twilio(url + PATH, FIELDS))
            self.assertEqual(VERIFIER.fault(request, NOW), WRONG, url)

    def test_an_ipv6_host_and_a_query_without_a_path(self) -> None:
        """The colons of an address are no port, and neither is one in the query."""
        for public, signed_as in (
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
            ("https://[2001:db8::1]:4433", "https://[2001:db8::1]"),
        ):
            target = f"{PATH}?at=12:30"
            request = form_call(FIELDS, public_url=public, target=target)
            # Twilio's own remove_port cuts an IPv6 host at its first colon, so the URL is given ready-made
            self.assertPasses(with_signature(request, by_twilio(signed_as + target, FIELDS)))

    def test_a_query_that_is_sent_sorted(self) -> None:
        """Twilio signs the query as it is entered, and may send it sorted (twilio-php#790, twilio-node#1079). The URL
        as it is entered can be told; a request with other fields is not taken for it."""
        written = f"{PUBLIC}{PATH}?z=1&a=2#rc=5&rp=all"
        signature = by_twilio(f"{PUBLIC}{PATH}?z=1&a=2", FIELDS)
        sent = with_signature(form_call(FIELDS, target=f"{PATH}?a=2&z=1"), signature)
        self.assertEqual(VERIFIER.fault(sent, NOW), WRONG)
        knowing = replace(VERIFIER, written=(written,))
        self.assertPasses(sent, knowing)
        for target in (f"{PATH}?a=3&z=1", f"{PATH}?a=2&z=1&a=2", PATH, "/msg-client/other/receive?a=2&z=1"):
            self.assertEqual(knowing.fault(replace(sent, target=target), NOW), WRONG, target)

    def test_repeated_fields(self) -> None:
        """Values of one name are sorted, and each counts once (twilio-node#722, twilio-python#613)."""
        pairs = [("To", "b"), ("To", "a"), ("Body", "x"), ("To", "b")]
        signature = by_twilio(PUBLIC + PATH, Fields(To=["b", "a", "b"], Body=["x"]))
        self.assertPasses(with_signature(form_call(pairs), signature))

    def test_two_tokens_and_a_blank_field(self) -> None:
        """A sub-account signs by its own token; FromCity= is signed though it is blank (twilio-php#436)."""
        for token, right in ((TOKEN, True), (OTHER, True), ("an API key's secret", False)):
            request = with_signature(form_call(FIELDS), by_twilio(PUBLIC + PATH, FIELDS, token))
            self.assertEqual(VERIFIER.fault(request, NOW) is None, right, token)
        trimmed = {name: value for name, value in FIELDS.items() if value}
        self.assertIsNotNone(VERIFIER.fault(with_signature(form_call(FIELDS), by_twilio(PUBLIC + PATH, trimmed)), NOW))

    def test_names_with_blanks_and_a_field_of_blanks(self) -> None:
        """Nothing is trimmed (the same reports; Twilio's error 57012)."""
        fields = {"Body": "  two blanks  ", " a": "\r\n", "\U0001f600": "astral", "\uff5e": "BMP"}
        ordered = sorted(fields, key=lambda name: name.encode("utf-16-be"))
        data = PUBLIC + PATH + "".join(name + fields[name] for name in ordered)
        self.assertPasses(with_signature(form_call(fields), by_twilio(data)))

    def test_a_host_in_capitals(self) -> None:
        """It is signed as it is written (twilio-csharp#522)."""
        public = "https://SMS.Example.org"
        self.assertPasses(with_signature(form_call(FIELDS, public_url=public), by_twilio(public + PATH, FIELDS)))
        lower = with_signature(form_call(FIELDS, public_url=public), by_twilio(public.lower() + PATH, FIELDS))
        self.assertEqual(VERIFIER.fault(lower, NOW), WRONG)

    def test_a_password_in_the_url_is_not_signed(self) -> None:
        """twilio-php#448."""
        public = "https://user:p%40ss@sms.example.org"
        self.assertPasses(with_signature(form_call(FIELDS, public_url=public), by_twilio(PUBLIC + PATH, FIELDS)))

    def test_a_prefix_of_the_proxy(self) -> None:
        """The public URL may have a path, with or without the slash at its end."""
        for public in ("https://sms.example.org/gw", "https://sms.example.org/gw/"):
            request = form_call(FIELDS, public_url=public)
            self.assertPasses(with_signature(request, by_twilio(f"{PUBLIC}/gw{PATH}", FIELDS)))

    def test_headers_don_t_change_the_url(self) -> None:
        """What a caller writes into Host or X-Forwarded-* tells nothing."""
        request = call(
            urlencode(FIELDS).encode(),
            kind=FORM,
            headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"},
        )
        self.assertPasses(with_signature(request, by_twilio(PUBLIC + PATH, FIELDS)))
        self.assertIsNotNone(
            VERIFIER.fault(with_signature(request, by_twilio("https://evil.example" + PATH, FIELDS)), NOW)
        )

    def test_json_has_to_be_covered(self) -> None:
        """Without bodySHA256, or with a wrong one, the URL's signature alone is not enough."""
        body = b'{"a": 1}'
        for target in (PATH, f"{PATH}?bodySHA256=", f"{PATH}?bodySHA256={hashlib.sha256(b'other').hexdigest()}"):
            request = with_signature(call(body, target=target, kind="application/json"), by_twilio(PUBLIC + target))
            self.assertIn("bodySHA256", VERIFIER.fault(request, NOW) or "", target)

    def test_a_body_can_t_hide_behind_get(self) -> None:
        """A GET with a body is not signed by its URL alone."""
        request = call(b"Body=forged", target=PATH, method="GET", kind=FORM)
        self.assertEqual(VERIFIER.fault(with_signature(request, by_twilio(PUBLIC + PATH)), NOW), WRONG)

    def test_sha_256_by_a_webhook_rule(self) -> None:
        """X-Twilio-Webhooks-Signature-Settings names the algorithm; one that is not known is refused."""
        signature = by_twilio(PUBLIC + PATH, FIELDS, algorithm="HMAC_SHA256")
        name = "x-twilio-webhooks-signature-settings"
        self.assertPasses(with_signature(form_call(FIELDS), signature, **{name: "key=k1, algorithm=HMAC_SHA256"}))
        self.assertEqual(VERIFIER.fault(with_signature(form_call(FIELDS), signature), NOW), WRONG)
        bad = with_signature(form_call(FIELDS), signature, **{name: "algorithm=NONE"})
        self.assertIn("algorithm", VERIFIER.fault(bad, NOW) or "")

    def test_what_is_no_signature(self) -> None:
        """No exception, whatever stands there."""
        self.assertEqual(VERIFIER.fault(form_call(FIELDS), NOW), MISSING)
        for text in ("=", "\u00fc\u00ff", "a" * 5000, "v1,abc"):
            self.assertEqual(VERIFIER.fault(with_signature(form_call(FIELDS), text), NOW), WRONG, text[:9])

    def test_octets_that_are_no_utf_8(self) -> None:
        """The form is signed as octets; too many fields are refused with a sentence."""
        request = with_signature(call(b"Body=%ff%fe&a=%C3", kind=FORM), "x")
        self.assertEqual(VERIFIER.fault(request, NOW), WRONG)
        many = with_signature(call(b"&".join(b"a%d=" % n for n in range(1_001)), kind=FORM), "x")
        self.assertIn("fields", VERIFIER.fault(many, NOW) or "")

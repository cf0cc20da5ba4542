"""Standard Webhooks 1.0: ours against the reference library, both ways."""

import base64
from datetime import UTC, datetime
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks.webhooks import Webhook
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.hooks.requests import HookRequest
from smsconnector.hooks.signatures import MISSING, WRONG, StandardWebhooks, secret_of, sign
from tests.unit.hooks import NOW, call, damaged

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of 24 oct").decode()
BODY = '{"type":"message.delivered","data":{"text":"grüß dich"}}'.encode()
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


def reference(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature by the reference library, which takes a datetime."""
    return str(Webhook(secret).sign(message_id, datetime.fromtimestamp(timestamp, UTC), body.decode()))


def signed(signature: str, *, prefix: str = "webhook-", timestamp: str = str(NOW), body: bytes = BODY) -> HookRequest:
    headers = {f"{prefix}id": "msg_1", f"{prefix}timestamp": timestamp, f"{prefix}signature": signature}
    return call(body, headers=headers, kind="application/json")


class SigningCase(SynchronousTestCase):
    def test_as_the_reference_signs(self) -> None:
        """Our signature is that of the reference library, and the library believes ours."""
        ours = sign(secret_of(SECRET), "msg_1", NOW, BODY)
        self.assertEqual(ours, reference(SECRET, "msg_1", NOW, BODY))

        class Frozen(datetime):
            @classmethod
            def now(cls, tz: object = None) -> "Frozen":
                return cls.fromtimestamp(NOW, UTC)

        with patch("standardwebhooks.webhooks.datetime", Frozen):
            Webhook(SECRET).verify(BODY, dict(zip(NAMES, ("msg_1", str(NOW), ours), strict=True)))

    def test_a_secret_is_read_in_every_form(self) -> None:
        """With and without the prefix, the padding, and blanks around it."""
        octets = b"0123456789abcdef0123456789"
        text = base64.b64encode(octets).decode()
        self.assertTrue(text.endswith("="))
        for one in (text, text.rstrip("="), f"whsec_{text}", f" whsec_{text}\n"):
            self.assertEqual(secret_of(one), octets, one)

    def test_what_is_no_secret(self) -> None:
        """An error says what to do, and does not show the secret."""
        for one in ("whsec_", "", "whsec_not base64!", "whsec_a", "\u00fc"):
            with self.assertRaises(ValueError) as caught:
                secret_of(one)
            self.assertIn("whsec_ and", str(caught.exception))
            self.assertNotIn("not base64!", str(caught.exception))

    def test_an_id_with_a_full_stop_is_not_signed(self) -> None:
        """It would make two readings of what is signed."""
        self.assertRaises(ValueError, sign, b"secret", "msg.1", NOW, BODY)


class VerifyingCase(SynchronousTestCase):
    verifier = StandardWebhooks((secret_of(SECRET), secret_of(OTHER)))

    def test_vectors_of_the_reference(self) -> None:
        """Signatures by either secret pass, under both names of the headers; with one bit flipped none does."""
        for secret in (SECRET, OTHER):
            for prefix in ("webhook-", "svix-"):
                request = signed(reference(secret, "msg_1", NOW, BODY), prefix=prefix)
                self.assertIsNone(self.verifier.fault(request, NOW))
                names = tuple(f"{prefix}{name}" for name in ("id", "timestamp", "signature"))
                for what, bad in damaged(request, headers=names, parts="body"):
                    self.assertIsNotNone(self.verifier.fault(bad, NOW), what)

    def test_a_list_of_signatures(self) -> None:
        """One that fits is enough. Unknown versions are passed over. An element without a comma, which the reference
        library fails on, is one that does not fit."""
        good = reference(SECRET, "msg_1", NOW, BODY)
        self.assertIsNone(self.verifier.fault(signed(f"v1,AAAA v2,x junk , ,, {good}"), NOW))
        for bad in ("junk", "v1", "v1,", "v2," + good[3:], good[3:], "v1a," + good[3:], "v1,\u00fc"):
            self.assertEqual(self.verifier.fault(signed(bad), NOW), WRONG, bad)

    def test_tolerance(self) -> None:
        """Five minutes both ways; what is no time is refused."""
        request = signed(reference(SECRET, "msg_1", NOW, BODY))
        for now, passes in ((NOW + 300, True), (NOW - 300, True), (NOW + 301, False), (NOW - 301, False)):
            self.assertEqual(self.verifier.fault(request, now) is None, passes, now - NOW)
        for text in ("", "soon", "1e9", "-5", "9" * 5000, "\u00b2"):
            self.assertIn("timestamp", self.verifier.fault(signed("v1,x", timestamp=text), NOW) or "", text[:9])

    def test_missing_headers(self) -> None:
        """Each is named."""
        self.assertEqual(self.verifier.fault(call(BODY), NOW), MISSING)
        request = call(BODY, headers={"webhook-signature": "v1,x", "webhook-timestamp": str(NOW)})
        self.assertIn("webhook-id", self.verifier.fault(request, NOW) or "")

    def test_public_keys(self) -> None:
        """v1a is ed25519 over the same octets."""
        key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        verifier = StandardWebhooks(public_keys=(key.public_key().public_bytes_raw(),))
        signature = base64.b64encode(key.sign(b"msg_1.%d.%s" % (NOW, BODY))).decode()
        request = signed(f"v1,x v1a,{signature}")
        self.assertIsNone(verifier.fault(request, NOW))
        for what, bad in damaged(request, headers=NAMES, parts="body"):
            self.assertIsNotNone(verifier.fault(bad, NOW), what)

    def test_no_secret_is_shown(self) -> None:
        """Not by repr either, which a traceback in the log may use."""
        self.assertNotIn("secret of 24", repr(self.verifier))

"""Signatures of requests to webhooks, checked in constant time; and the signing of Standard Webhooks 1.0.

A verifier is a ``Verifier``: ``fault`` says why a request is not to be believed, or None. A sentence of it has no
secret and no value of the request in it. Each secret and each form of the URL is tried to the end, so that the time
tells nothing. What is compared are octets, by ``hmac.compare_digest``.

Here are what verifiers are made of, and Standard Webhooks. The others are in ``twilio_signature``,
``template_signatures``, ``tokens`` and ``callers``.
"""

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from smsconnector.hooks.requests import HookRequest, octets_of

TOLERANCE_S = 300  # what Standard Webhooks' libraries and Telnyx advise
WRONG = "the signature is wrong"
MISSING = "the signature is missing"


class Verifier(Protocol):
    """Says who may call a webhook."""

    def fault(self, request: HookRequest, now_s: float) -> str | None:
        """Why this request is not from whom it should be; None if it is. ``now_s`` is the time of day, in seconds."""


# --- what all of them use -----------------------------------------------------------------------------------


def any_true(results: list[bool]) -> bool:
    """``any``, over comparisons that have all been made: which one was right does not change the time."""
    return any(results)


def equal(one: str | bytes, other: str | bytes) -> bool:
    """In constant time, for any characters."""
    return hmac.compare_digest(
        one if isinstance(one, bytes) else octets_of(one), other if isinstance(other, bytes) else octets_of(other)
    )


def any_equal(expected: Iterable[bytes], given: Iterable[str], encoding: str) -> bool:
    """Whether one of the digests is one of the given texts. All pairs are compared."""
    wanted = [_written(digest, encoding) for digest in expected]
    had = [_normal(text, encoding) for text in given]
    return any_true([equal(one, other) for one in wanted for other in had])


def _written(digest: bytes, encoding: str) -> str:
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode().rstrip("=")


def _normal(text: str, encoding: str) -> str:
    """Texts are compared, not what they decode to: base64 has several texts for the same octets. The case of hex,
    padding, and the two alphabets of base64 (RFC 4648 sections 4 and 5) make no difference."""
    return text.lower() if encoding == "hex" else text.rstrip("=").replace("-", "+").replace("_", "/")


def key_of(text: str, encoding: str) -> bytes:
    """The octets of a key that is written ``raw`` (as UTF-8), ``base64``, ``hex`` or ``whsec``. Raises ValueError, with
    a sentence that does not show the key."""
    if encoding == "whsec":
        return secret_of(text)
    try:
        key = {"raw": octets_of, "base64": _base64, "hex": bytes.fromhex}[encoding](text)
    except ValueError:
        raise ValueError(f"the key is not {encoding}: copy it whole, or set another key_encoding") from None
    if not key:
        raise ValueError("the key is empty: copy it from the provider's console")
    return key


def _base64(text: str) -> bytes:
    text = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def timestamp_fault(text: str, now_s: float, tolerance_s: float | None) -> str | None:
    """What is wrong with a time in seconds since the Unix epoch, which may not be too far from now. One with 12 digits
    and more is in milliseconds."""
    if tolerance_s is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        return "the timestamp is missing, or no number of seconds"
    seconds = int(text) / (1000 if len(text) >= 12 else 1)
    if abs(now_s - seconds) > tolerance_s:
        return "the timestamp is too old" if seconds < now_s else "the timestamp is in the future"
    return None


# --- Standard Webhooks 1.0 ----------------------------------------------------------------------------------


def secret_of(text: str) -> bytes:
    """The octets of a secret: ``whsec_`` and base64, with or without its padding; without the prefix too. Raises
    ValueError, with a sentence that does not show the secret."""
    try:
        secret = _base64(text.strip().removeprefix("whsec_"))
    except ValueError:
        raise ValueError("the secret is not whsec_ and base64 behind it: copy it whole") from None
    if not secret:
        raise ValueError("the secret is empty: make one of 24 to 64 random octets, whsec_ and their base64")
    return secret


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of webhook-signature: ``v1,`` and base64. ``timestamp`` is in seconds, and is also the value of
    webhook-timestamp. Raises ValueError if ``message_id`` holds a full stop, which separates what is signed."""
    if "." in message_id:
        raise ValueError("a message id may not hold a full stop")
    return "v1," + base64.b64encode(_standard_mac(secret, message_id, str(timestamp), body)).decode()


def _standard_octets(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b"%s.%s.%s" % (octets_of(message_id), octets_of(timestamp), body)


def _standard_mac(secret: bytes, message_id: str, timestamp: str, body: bytes) -> bytes:
    return hmac.digest(secret, _standard_octets(message_id, timestamp, body), "sha256")


@dataclass(frozen=True, slots=True)
class StandardWebhooks:
    """Headers webhook-id, webhook-timestamp and webhook-signature, or the same as svix-*. Any signature of the list
    will do, by any of the secrets (v1) or public keys (v1a); versions that are not known are passed over."""

    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    public_keys: tuple[bytes, ...] = ()
    tolerance_s: float | None = TOLERANCE_S

    def fault(self, request: HookRequest, now_s: float) -> str | None:
        prefix = "webhook-" if request.header("webhook-signature") else "svix-"
        message_id, timestamp, signatures = (request.header(prefix + name) for name in ("id", "timestamp", "signature"))
        if not signatures:
            return MISSING
        if not message_id:
            return "the header webhook-id is missing"
        found = timestamp_fault(timestamp, now_s, self.tolerance_s)
        if found is not None:
            return found
        given = [one.partition(",")[::2] for one in signatures.split()]
        by_secret = any_equal(
            [_standard_mac(secret, message_id, timestamp, request.body) for secret in self.secrets],
            [signature for version, signature in given if version == "v1"],
            "base64",
        )
        signed = _standard_octets(message_id, timestamp, request.body)
        by_key = any_true(
            [
                is_signed(key, signature, signed, "base64")
                for version, signature in given
                for key in self.public_keys
                if version == "v1a"
            ]
        )
        return None if by_secret or by_key else WRONG


def is_signed(public_key: bytes, signature: str, octets: bytes, encoding: str) -> bool:
    """RFC 8032. A signature has one text only: what decodes to the same octets is not the same."""
    try:
        decoded = key_of(signature, encoding)
        if _written(decoded, encoding) != _normal(signature, encoding):
            return False
        Ed25519PublicKey.from_public_bytes(public_key).verify(decoded, octets)
    except (InvalidSignature, ValueError):
        return False
    return True

"""JSON Web Tokens (RFC 7519) with the hash of what they came with, as MessageBird, Bird and Vonage send them.

Only HMAC is known here (RFC 7518 section 3.2): ``alg`` none, and every algorithm with a public key, is refused.
"""

import base64
import hashlib
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smsconnector.hooks.requests import HookRequest, Number, Place, Unreadable, json_of, octets_of, url_forms
from smsconnector.hooks.signatures import MISSING, TOLERANCE_S, WRONG, any_true, equal

_DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_UNREADABLE = "the token is no JSON Web Token"


@dataclass(frozen=True, slots=True)
class WebToken:
    """The token covers the body by payload_hash and the URL by url_hash, SHA-256 in hex. payload_hash may be missing
    for an empty body only. url_hash is wanted if ``covers_url``, and is checked wherever it is.

    :param place: where the token stands.
    :param leeway_s: how far the provider's clock may be off.
    :param tolerance_s: how old a token without ``exp`` may be, by its ``iat``; None: any age."""

    place: Place
    secrets: tuple[bytes, ...] = field(repr=False)
    algorithms: tuple[str, ...] = ("HS256",)
    issuer: str | None = None
    covers_body: bool = True
    covers_url: bool = False
    leeway_s: float = 5.0
    tolerance_s: float | None = TOLERANCE_S

    def fault(self, request: HookRequest, now_s: float) -> str | None:
        try:
            token = self.place.value(request)
            if not token:
                return MISSING
            claims = self._claims(token)
        except Unreadable as error:
            return str(error)
        if claims is None:
            return WRONG
        return self._time_fault(claims, now_s) or self._content_fault(claims, request)

    def _claims(self, token: str) -> Mapping[str, Any] | None:
        """The claims, once the signature is right; None if it is wrong. Raises Unreadable."""
        signed, _, signature = token.rpartition(".")
        head, dot, payload = signed.partition(".")
        if not dot or "." in payload:
            raise Unreadable(_UNREADABLE)
        header = _object(head)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self.algorithms or algorithm not in _DIGESTS:
            raise Unreadable("the token is signed by an algorithm that is not allowed")
        if "crit" in header:  # RFC 7515 section 4.1.11: who does not know an extension that is critical, refuses
            raise Unreadable("the token has an extension that is not known here")
        expected = [
            base64.urlsafe_b64encode(hmac.digest(secret, signed.encode("latin-1", "replace"), _DIGESTS[algorithm]))
            for secret in self.secrets
        ]
        right = any_true([equal(one.rstrip(b"="), signature) for one in expected])
        return _object(payload) if right else None

    def _time_fault(self, claims: Mapping[str, Any], now_s: float) -> str | None:
        """RFC 7519 section 4.1.4 to 4.1.6."""
        times = {name: _seconds(claims[name]) for name in ("exp", "nbf", "iat") if name in claims}
        if any(value is None for value in times.values()):
            return "a time in the token is no number"
        expires, begins, issued = times.get("exp"), times.get("nbf"), times.get("iat")
        if expires is not None and now_s >= expires + self.leeway_s:
            return "the token has expired"
        if any(one is not None and one > now_s + self.leeway_s for one in (begins, issued)):
            return "the token is not valid yet"
        if expires is None and self.tolerance_s is not None:
            if issued is None:
                return "the token has no time, neither exp nor iat"
            if now_s - issued > self.tolerance_s:
                return "the token is too old"
        return None

    def _content_fault(self, claims: Mapping[str, Any], request: HookRequest) -> str | None:
        if self.issuer is not None and claims.get("iss") != self.issuer:
            return "the token is of another issuer"
        covers_body = "payload_hash" in claims or (self.covers_body and request.body != b"")
        if covers_body and not _is_hash(claims.get("payload_hash"), [request.body]):
            return "the token is for another body"
        covers_url = "url_hash" in claims or self.covers_url
        if covers_url and not _is_hash(claims.get("url_hash"), [octets_of(one) for one in url_forms(request.url)]):
            return "the token is for another URL: is http.public_url what the provider calls?"
        return None


def _is_hash(claim: object, contents: list[bytes]) -> bool:
    given = claim.lower() if isinstance(claim, str) else ""
    return any_true([equal(hashlib.sha256(one).hexdigest(), given) for one in contents])


def _seconds(claim: object) -> float | None:
    """A NumericDate; None if it is none."""
    value = float(claim) if isinstance(claim, Number) and len(claim) <= 32 else math.nan
    return value if math.isfinite(value) else None


def _object(text: str) -> dict[str, Any]:
    try:
        octets = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are
        raise Unreadable(_UNREADABLE) from None
    try:
        data = json_of(octets)
    except Unreadable:
        raise Unreadable(_UNREADABLE) from None
    if not isinstance(data, dict):
        raise Unreadable(_UNREADABLE)
    return data

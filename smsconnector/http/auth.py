"""API keys. If any are configured, every request must bring one of them; if none are, every request is let in, and
the server should listen on the loopback interface only.

A key comes as ``Authorization: Bearer KEY``, as ``X-API-Key: KEY``, or as the password of HTTP Basic: that is the form
that the URL of a webhook can carry (``https://any:KEY@host/receive``).
"""

import base64
import binascii
import hmac
from collections.abc import Sequence

from smsconnector.errors import InvalidRequest
from smsconnector.http.answers import HeaderValues

CHALLENGE = (b"WWW-Authenticate", b'Bearer realm="smsconnector"')  # RFC 9110 section 11.6.1: a 401 has one


class KeyRing:
    """The configured keys. They are compared in constant time (``hmac.compare_digest``)."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    def check(self, header_values: HeaderValues) -> None:
        """Raises InvalidRequest (401) unless the headers bring a key."""
        if not self._keys:
            return
        given = _given(header_values)
        fits = [given != b"" and hmac.compare_digest(given, key) for key in self._keys]
        if not any(fits):
            raise InvalidRequest(
                "unauthorized",
                "No valid API key: send it as Authorization: Bearer KEY.",
                status=401,
                headers=(CHALLENGE,),
            )


def _given(header_values: HeaderValues) -> bytes:
    """The key that the headers bring; b"" for none. Of a header that comes twice the first counts."""
    plain = header_values(b"x-api-key")
    if plain:
        return plain[0].strip()
    kind, _, value = (header_values(b"authorization") or (b"",))[0].strip().partition(b" ")
    if kind.lower() == b"bearer":
        return value.strip()
    if kind.lower() == b"basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""

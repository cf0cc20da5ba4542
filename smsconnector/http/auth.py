"""Who is let in: API keys, and pages in browsers.

If any keys are configured, every request must bring one of them; if none are, every request is let in, and
the server should listen on the loopback interface only.

A key comes as ``Authorization: Bearer KEY``, as ``X-API-Key: KEY``, or as the password of HTTP Basic: that is the form
that the URL of a webhook can carry (``https://any:KEY@host/receive``).

A page that somebody looks at can have the browser post to any address that the browser reaches, loopback too; for
``text/plain`` the browser asks nobody before. It says so in ``Origin`` (RFC 6454) or ``Sec-Fetch-Site`` (W3C Fetch
Metadata), which no page can change. Such a request is refused, unless its origin is this server or is allowed. Programs
that are no browsers send neither header.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence

from smsconnector.errors import InvalidRequest
from smsconnector.http.answers import RequestHeaders

CHALLENGE = (b"WWW-Authenticate", b'Bearer realm="smsconnector"')  # RFC 9110 section 11.6.1: a 401 has one


class Access:
    """``keys`` are compared in constant time (``hmac.compare_digest``). ``allowed_origins`` are origins of pages, as
    browsers write them: ``https://desk.example``."""

    def __init__(self, keys: Sequence[str], allowed_origins: Sequence[str] = ()) -> None:
        self._keys = [key.encode() for key in keys]
        self._allowed_origins = {origin.lower().encode() for origin in allowed_origins}

    def check(self, headers: RequestHeaders) -> None:
        """Raises InvalidRequest: 403 for a page from elsewhere, else 401 unless the headers bring a key."""
        self.check_page(headers)
        if not self._keys:
            return
        given = presented_key(headers)
        fits = [given != b"" and hmac.compare_digest(given, key) for key in self._keys]
        if not any(fits):
            raise InvalidRequest(
                "unauthorized",
                "No valid API key: send it as Authorization: Bearer KEY.",
                status=401,
                headers=(CHALLENGE,),
            )

    def check_page(self, headers: RequestHeaders) -> None:
        """If a browser asks, it has to be for a navigation to us, for our own page, or for one that is allowed. Raises
        InvalidRequest."""
        origins = headers.get(b"origin", ())
        if origins or b"sec-fetch-site" in headers:
            self._check_origins(origins, headers)

    def _check_origins(self, origins: Sequence[bytes], headers: RequestHeaders) -> None:
        foreign = [one for one in (value.strip().lower() for value in origins) if one not in self._allowed_origins]
        host = b"".join(headers.get(b"host", ())).strip().lower()
        elsewhere = any(value.strip().lower() == b"cross-site" for value in headers.get(b"sec-fetch-site", ()))
        if any(_host_of(one) != _without_default_port(host) for one in foreign) or (
            elsewhere and (foreign or not origins)
        ):
            raise InvalidRequest(
                "foreign_origin",
                "A page of another origin may not ask this server: name its origin in http.allowed_origins.",
                status=403,
            )


def _host_of(origin: bytes) -> bytes | None:
    """Host and port of an origin; None for ``null``, which is that of files and of frames without one."""
    scheme, separator, host = origin.partition(b"://")
    return _without_default_port(host) if separator and scheme in (b"http", b"https") else None


def _without_default_port(host: bytes) -> bytes:
    return host.removesuffix(b":80").removesuffix(b":443")


def presented_key(headers: RequestHeaders) -> bytes:
    """The key that the headers bring; b"" for none. Of a header that comes twice the first counts."""
    plain = headers.get(b"x-api-key")
    if plain:
        return plain[0].strip()
    kind, _, value = headers.get(b"authorization", (b"",))[0].strip().partition(b" ")
    if kind.lower() == b"bearer":
        return value.strip()
    if kind.lower() == b"basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""

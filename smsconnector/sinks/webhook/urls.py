"""The URLs that events are posted to: whether one can be used, and which host it leads to. No clock and no I/O."""

import re
from urllib.parse import urlsplit

from hyperlink import EncodedURL, URLParseError

from smsconnector.net.guard import literal_address, why_not_public
from smsconnector.net.http_client import server_of

LONGEST_URL = 2_048  # characters; of one that comes with a message
_USUAL_PORTS = {"http": 80, "https": 443}
_NO_URL = "this is no URL: write https://HOST/PATH"


def fault_of(url: str, instead_of_user: str = "leave them out, for every request is signed") -> str:
    """Why this is no URL for a webhook; "" if it is. The sentence does not show it."""
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        return "a URL is ASCII without spaces: write a host with other letters as xn--..., and %20 for a space"
    try:
        parts = urlsplit(url)
        _ = parts.port
        if not parts.netloc.startswith("["):
            EncodedURL.from_text(url).to_uri()  # as treq will read it, whose way to write a host knows no IPv6
    except (ValueError, URLParseError):
        return _NO_URL
    if parts.scheme not in _USUAL_PORTS or not parts.hostname:
        return _NO_URL
    if "@" in parts.netloc:
        return f"a user and a password can't stand in the URL, for URLs end up in logs: {instead_of_user}"
    if parts.fragment:
        return "what stands behind # is never sent: leave it out"
    return "" if server_of(url).startswith(parts.scheme) else _NO_URL


def place_of(url: str) -> str:
    """The host of a URL without fault, in lower case, and the port behind it if it is not the scheme's usual one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, _USUAL_PORTS[parts.scheme]) else f"{host}:{parts.port}"


def why_private(host: str) -> str | None:
    """What the host is instead of public, as far as that is seen without asking for its name."""
    if host == "localhost" or host.endswith(".localhost"):
        return "loopback"
    address = literal_address(host)
    return why_not_public(address) if address is not None else None

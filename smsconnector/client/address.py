"""Where the connector is, and the key: checked once, so that no error shows the key later."""

import re
from urllib.parse import urlsplit

_KEY = re.compile(r"[!-~]+")


def checked_url(base_url: str) -> str:
    """Without the slash at its end. ValueError if it can't be one."""
    try:
        parts = urlsplit(base_url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError("base_url is no URL of the API: write http://127.0.0.1:8080/msg-client, or https://...")
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url has a user or a password in it: give the key as key=.")
    if parts.query or parts.fragment:
        raise ValueError("base_url ends with the base path of the API: leave out what stands behind it.")
    return base_url.rstrip("/")


def origin_of(url: str) -> str:
    """Scheme, host and port, for sentences."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def key_headers(key: str | None) -> dict[str, str]:
    """ValueError, which does not show it, if no header can carry it."""
    if key is None:
        return {}
    if not _KEY.fullmatch(key):
        raise ValueError("key is no key: it is empty, or has blanks, line ends or characters beyond ASCII in it.")
    return {"Authorization": f"Bearer {key}"}

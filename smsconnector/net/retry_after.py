"""The header Retry-After (RFC 9110 section 10.2.3): a number of seconds, or a date."""

from email.utils import parsedate_to_datetime


def retry_after(value: str | None, now_s: float) -> float | None:
    """Seconds to wait, not below 0. ``now_s``: the time of day, in seconds since the Unix epoch. None: there is no such
    header, or nobody can tell what it says."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None

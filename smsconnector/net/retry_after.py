"""The header Retry-After (RFC 9110 section 10.2.3): a number of seconds, or a date."""

import re
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"([0-9]+)(\.[0-9]{1,9})?")
_DIGITS = 9  # 31 years will do


def retry_after(value: str | None, now_s: float) -> float | None:
    """Seconds to wait, not below 0. ``now_s``: the time of day, in seconds since the Unix epoch. None: there is no such
    header, or nobody can tell what it says. A fraction (1.5) is no standard, and some write it."""
    text = (value or "").strip()
    seconds = _SECONDS.fullmatch(text)
    if seconds is not None:
        return float(seconds[1][:_DIGITS] + (seconds[2] or ""))
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None

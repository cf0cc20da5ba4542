"""The header Retry-After (RFC 9110 section 10.2.3): a number of seconds, or a date."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

from smsconnector.messages import LONGEST_WAIT

_SECONDS = re.compile(r"([0-9]+)(\.[0-9]{1,9})?")
_DIGITS = 9  # 31 years will do


def retry_after(value: str | None, now_s: float) -> float | None:
    """Seconds to wait, 0 to LONGEST_WAIT. ``now_s``: the time of day, in seconds since the Unix epoch. None: there is
    no such header, or nobody can tell what it says. A fraction (1.5) is no standard, and some write it."""
    text = (value or "").strip()
    seconds = _SECONDS.fullmatch(text)
    if seconds is not None:
        return min(float(seconds[1][:_DIGITS] + (seconds[2] or "")), LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:  # none is written, or -0000: it is GMT all the same
            date = date.replace(tzinfo=UTC)
        return min(max(0.0, date.timestamp() - now_s), LONGEST_WAIT)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None

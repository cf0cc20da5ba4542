"""The header Retry-After (RFC 9110 section 10.2.3): seconds, or a date."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Seconds from now, at least 0; None if it is not there, or can't be read. ``headers`` by their names in lower
    case."""
    text = headers.get("retry-after", "").strip()
    if not text or len(text) > 40:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_ms / 1000)
    except (ValueError, OverflowError, OSError):
        pass
    try:
        seconds = float(text)  # 1.5: no standard, and some write so
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None

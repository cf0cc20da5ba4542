"""How long a text would wait that was accepted now: what waits before it, and how fast that goes out.

It is an estimate. It knows the rates of the configuration and those that were learned from throttling. What has its
next attempt later counts as if it were due now, and the order to one number is not looked at.
"""

from typing import NamedTuple

from smsconnector.channels.previews import Preview
from smsconnector.store.measures import MOST_COUNTED, Prospect


class Forecast(NamedTuple):
    """``seconds`` until its last segment is submitted; None where ``reason`` says why that is not known."""

    seconds: float | None
    reason: str | None = None


def forecast(
    preview: Preview,
    prospect: Prospect | None,
    *,
    under_way: int,
    segments: int,
    is_running: bool,
    is_scheduled: bool = False,
) -> Forecast:
    """``under_way``: of what waits by the store's count, so many were submitted, and have no outcome yet. Without a
    ``prospect`` the store could not be asked. ``is_running``: whether the queue is served.
    ``is_scheduled``: it is to be sent later, and nobody knows what waits then."""
    if not is_running:
        return Forecast(None, "This queue is not served now: the connector is starting or stopping.")
    if prospect is None:
        return Forecast(None, preview.obstacle or "What waits can't be counted now: the store can't be read.")
    if prospect.opted_out:
        return Forecast(None, "Whoever has this number wants no texts: it would not be sent.")
    if is_scheduled:
        return Forecast(None, "It is scheduled: what waits before it then is not known now.")
    if preview.obstacle:
        return Forecast(None, preview.obstacle)
    return _by_rate(preview.rate, prospect.waiting, under_way, segments)


def _by_rate(rate: float | None, waiting: int, under_way: int, segments: int) -> Forecast:
    before = max(0, waiting - under_way)
    if waiting >= MOST_COUNTED:
        return Forecast(None, f"{MOST_COUNTED} segments or more wait before it.")
    if rate is not None:
        return Forecast(round((before + segments - 1) / rate, 1))
    if before:
        return Forecast(None, f"{before} segments wait before it, and no rate is configured or was learned.")
    return Forecast(0.0)

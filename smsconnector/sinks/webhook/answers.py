"""What an application's answer means for the event, and for the target as a whole. No clock and no I/O.

=========================  =========================================================================================
2xx                        TAKEN, whatever the body says
410                        GONE: it wants no events any more
429, 502, 503, 504         SLOWER: the target has enough for now; so do 408, 425 and other 5xx with Retry-After
3xx                        REFUSED: redirects are not followed
408, 409, 425, other 5xx   AGAIN: it may be better in a moment
other 4xx                  REFUSED: this event. Retry-After of these, and of 409, is about the event alone
=========================  =========================================================================================
"""

import enum
from http import HTTPStatus
from typing import NamedTuple

from smsconnector.net.http_client import HTTPReply
from smsconnector.net.retry_after import retry_after

_SLOWER = (429, 502, 503, 504)
_AGAIN = (408, 409, 425)
_WITH_PAUSE = (408, 425)  # of the 4xx that are no SLOWER, those whose Retry-After is about the target


class Kind(enum.Enum):
    """What an answer means."""

    TAKEN = "taken"
    SLOWER = "slower"
    AGAIN = "again"
    REFUSED = "refused"
    GONE = "gone"


class Meaning(NamedTuple):
    """``reason`` is for an operator: a status, and no word of the body, which may hold anything. ``pause``: seconds for
    which the target wants nothing, if it says so."""

    kind: Kind
    reason: str = ""
    pause: float | None = None


TAKEN = Meaning(Kind.TAKEN)


def meaning_of(reply: HTTPReply, now_s: float) -> Meaning:
    """``now_s``: the time of day, in seconds since the Unix epoch."""
    status = reply.status
    if 200 <= status <= 299:
        return TAKEN
    said = f"it answered {_named(status)}"
    if status == 410:
        return Meaning(Kind.GONE, said)
    if 300 <= status <= 399:
        return Meaning(Kind.REFUSED, f"{said}: redirects are not followed, so write the URL that it leads to")
    is_of_target = status in (*_SLOWER, *_WITH_PAUSE) or not 400 <= status <= 499
    pause = retry_after(reply.headers.get("retry-after"), now_s) if is_of_target else None
    if status in _SLOWER or pause is not None:
        return Meaning(Kind.SLOWER, said, pause)
    if status in _AGAIN or not 400 <= status <= 499:
        return Meaning(Kind.AGAIN, said)
    return Meaning(Kind.REFUSED, said)


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)

"""What Twilio's error codes do to the channel, as one table. A code that is not here is judged by its HTTP status.
Their titles are in ``smsconnector.codes``.

A code of the *account* stops the channel, so only what would be refused for every text may be one. What hangs on the
country, on the number or on the text is permanent for that text: else one text to an odd number would hold up all the
others. A code of the *sender* stops the channel if the sender is the configured one, and is permanent for a text that
brought its own.

Codes from 30001 on come in status callbacks mostly. A service that is asked again may give them in an answer too.
"""

import enum
from typing import NamedTuple

from smsconnector.channels.provider.results import Kind
from smsconnector.codes import phrase
from smsconnector.codes.http_statuses import STATUSES as HTTP_STATUSES
from smsconnector.codes.twilio import TWILIO


class Whose(enum.Enum):
    """Whether it is the configured sender that the code is about, if that was used."""

    TEXT = enum.auto()
    SENDER = enum.auto()


class Meaning(NamedTuple):
    """``is_for_today``: nothing will be taken before the next day begins."""

    kind: Kind
    title: str
    whose: Whose = Whose.TEXT
    is_for_today: bool = False


def title_of(code: int) -> str:
    """Of a code of Twilio's or an HTTP status that a table has, as a phrase."""
    return phrase((TWILIO.get(code) or HTTP_STATUSES[code]).text)


_ACCOUNT = (
    20003,
    20005,
    20006,
    20008,
    20010,
    20403,
    20404,
    21603,
    21607,
    21609,
    21626,
    21701,
    21702,
    21703,
    21704,
    21705,
    30002,
)
_TODAY = (30023, 30027, 63038)
_SENDER = (21212, 21601, 63002, 63007)
_THROTTLED = (14107, 20429, 30001, 30022, 63017, 63018)
_TEMPORARY = (21611, 30017, 30020, 30021, 30500)
_UNKNOWN = (20500, 20503, 30008, 30410)
_PERMANENT = (
    21211,
    21266,
    21408,
    21421,
    21602,
    21604,
    21606,
    21608,
    21610,
    21612,
    21614,
    21616,
    21617,
    21618,
    21624,
    21635,
    21653,
    21654,
    21655,
    21656,
    21709,
    30003,
    30004,
    30005,
    30006,
    30007,
    30018,
    30019,
    30024,
    30032,
    30034,
    30450,
    63016,
    90007,
)

CODES: dict[int, Meaning] = {
    **{code: Meaning(Kind.ACCOUNT, title_of(code)) for code in _ACCOUNT},
    **{code: Meaning(Kind.ACCOUNT, title_of(code), is_for_today=True) for code in _TODAY},
    **{code: Meaning(Kind.ACCOUNT, title_of(code), Whose.SENDER) for code in _SENDER},
    **{code: Meaning(Kind.THROTTLED, title_of(code)) for code in _THROTTLED},
    **{code: Meaning(Kind.TEMPORARY, title_of(code)) for code in _TEMPORARY},
    **{code: Meaning(Kind.UNKNOWN, title_of(code)) for code in _UNKNOWN},
    **{code: Meaning(Kind.PERMANENT, title_of(code)) for code in _PERMANENT},
}

# By HTTP status, where there is no code that is known. 3xx: a redirect never carries a POST on.
STATUSES: dict[int, Meaning] = {
    **{status: Meaning(Kind.ACCOUNT, title_of(status)) for status in (401, 402, 403, 404, 405, 407)},
    408: Meaning(Kind.UNKNOWN, title_of(408)),
    409: Meaning(Kind.TEMPORARY, title_of(409)),
    425: Meaning(Kind.TEMPORARY, title_of(425)),
    429: Meaning(Kind.THROTTLED, title_of(429)),
}


def meaning_of(status: int, code: int | None) -> Meaning:
    """What an answer that is no success means. Twilio's advice is to go by the status where it says "later" (429 and
    5xx); a code may make it a later day. A failure of the server says nothing of what it had done before."""
    by_code = None if code is None else CODES.get(code)
    if status >= 500 or status < 300:
        return Meaning(Kind.UNKNOWN, by_code.title if by_code is not None else f"HTTP {status}")
    if status == 429 and by_code is not None and by_code.kind is Kind.ACCOUNT:
        return by_code
    if status == 429:
        return STATUSES[429]
    if by_code is not None:
        return by_code
    if status < 400:
        return Meaning(Kind.ACCOUNT, "a redirect: look at base_url")
    return STATUSES.get(status) or Meaning(Kind.PERMANENT, "refused")

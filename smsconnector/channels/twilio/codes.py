"""What Twilio's error codes mean for us, as one table. A code that is not here is judged by its HTTP status.

A code of the *account* stops the channel, so only what would be refused for every text may be one. What hangs on the
country, on the number or on the text is permanent for that text: else one text to an odd number would hold up all the
others. A code of the *sender* stops the channel if the sender is the configured one, and is permanent for a text that
brought its own.

Titles are Twilio's, in short (its error dictionary). Codes from 30001 on come in status callbacks mostly. A service
that is asked again may give them in an answer too.
"""

import enum
from typing import NamedTuple

from smsconnector.channels.provider.results import Kind


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


_ACCOUNT = {
    20003: "the account SID or the token is wrong, or the account is suspended",
    20005: "the account is not active",
    20006: "access is denied",
    20008: "these are test credentials",
    20010: "the account may not do this",
    20403: "the account may not do this",
    20404: "there is no such account: look at account_sid and base_url",
    21603: "a sender is missing: set from or messaging_service_sid",
    21607: "a trial account can't use this sender",
    21609: "the StatusCallback is refused: look at http.public_url",
    21626: "the StatusCallback is refused: look at http.public_url",
    21701: "there is no such messaging service",
    21702: "the messaging service is not available",
    21703: "the messaging service has no number",
    21704: "the messaging service has no number",
    21705: "the messaging service's SID is wrong",
    30002: "the account is suspended",
}
_TODAY = {
    30023: "the campaign's messages of this day are used up",
    30027: "T-Mobile takes no more of this brand today",
    63038: "the account's messages of this day are used up",
}
_SENDER = {
    21212: "the sender is no valid number",
    21601: "the sender can't send texts",
    63002: "there is no such sender on this channel",
    63007: "there is no such sender on this channel",
}
_THROTTLED = {
    14107: "too fast",
    20429: "too many requests",
    30001: "the queue is full",
    30022: "the rate of the campaign is exceeded",
    63017: "the rate of the channel is exceeded",
    63018: "the rate of the channel is exceeded",
}
_TEMPORARY = {
    21611: "the sender's queue is full",
    30017: "the carrier is congested",
    30020: "a failure of Twilio",
    30021: "a failure of Twilio",
    30500: "a failure of Twilio",
}
_UNKNOWN = {
    20500: "a failure of Twilio",
    20503: "Twilio is not available",
    30008: "unknown",
    30410: "the provider behind Twilio did not answer",
}
_PERMANENT = {
    21211: "the number is none",
    21266: "the number and the sender are the same",
    21408: "texts to this country are not enabled for the account",
    21421: "the number is not valid",
    21602: "the text is empty",
    21604: "the number is missing",
    21606: "this sender can't send to this number",
    21608: "a trial account can't send to this number",
    21610: "who has the number has said STOP to this sender",
    21612: "this number can't be reached with this sender",
    21614: "the number is not of a mobile phone",
    21616: "the sender is several numbers",
    21617: "the text has more than 1600 characters",
    21618: "the text can't be sent",
    21624: "the validity period is out of range",
    21635: "the number is a landline",
    21653: "too many recipients",
    21654: "the template is missing",
    21655: "the template is wrong",
    21656: "the template's variables are wrong",
    21709: "this sender may not be used in the messaging service",
    30003: "the handset can't be reached",
    30004: "blocked by the carrier, or by who has the number",
    30005: "the number is not in use",
    30006: "a landline, or a carrier that can't be reached",
    30007: "filtered by a carrier",
    30018: "the sender has to be registered in this country",
    30019: "too large for the carrier",
    30024: "the sender is not provisioned at the carrier",
    30032: "the toll-free sender is not verified",
    30034: "the sender is not registered for A2P",
    30450: "blocked as SMS pumping",
    63016: "outside of the channel's 24 hours",
    90007: "the validity period is out of range",
}

CODES: dict[int, Meaning] = {
    **{code: Meaning(Kind.ACCOUNT, title) for code, title in _ACCOUNT.items()},
    **{code: Meaning(Kind.ACCOUNT, title, is_for_today=True) for code, title in _TODAY.items()},
    **{code: Meaning(Kind.ACCOUNT, title, Whose.SENDER) for code, title in _SENDER.items()},
    **{code: Meaning(Kind.THROTTLED, title) for code, title in _THROTTLED.items()},
    **{code: Meaning(Kind.TEMPORARY, title) for code, title in _TEMPORARY.items()},
    **{code: Meaning(Kind.UNKNOWN, title) for code, title in _UNKNOWN.items()},
    **{code: Meaning(Kind.PERMANENT, title) for code, title in _PERMANENT.items()},
}

# By HTTP status, where there is no code that is known. 3xx: a redirect never carries a POST on.
STATUSES: dict[int, Meaning] = {
    401: Meaning(Kind.ACCOUNT, "the account SID or the token is wrong"),
    402: Meaning(Kind.ACCOUNT, "the account has to be paid for"),
    403: Meaning(Kind.ACCOUNT, "the account may not do this"),
    404: Meaning(Kind.ACCOUNT, "there is no such account or path: look at account_sid and base_url"),
    405: Meaning(Kind.ACCOUNT, "that server takes no texts: look at base_url"),
    407: Meaning(Kind.ACCOUNT, "a proxy wants a password"),
    408: Meaning(Kind.UNKNOWN, "the server did not get it in time"),
    409: Meaning(Kind.TEMPORARY, "a conflict"),
    425: Meaning(Kind.TEMPORARY, "too early"),
    429: Meaning(Kind.THROTTLED, "too many requests"),
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

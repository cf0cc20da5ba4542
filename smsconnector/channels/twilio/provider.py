"""The request that gives Twilio a text, and what its reply means (REST API of 2010-04-01, Messages).

1. ``call`` renders the form. One request is one text of up to 1600 characters: Twilio cuts it itself.
2. ``read`` looks at the answer. Only a 2xx with a JSON object that has a ``sid`` says that the text was taken. A 2xx
   with anything else, such as the log-in page of a proxy, says nothing: the text may have been taken, and the outcome
   is unknown.
3. Twilio has no key by which a repeated request is known. So a text whose request was not answered is looked for
   (``lookup``) before it is sent again: among the messages to its number, one with the same text that was made after
   the text was accepted, and that is not known to be another one's.

The callback names our MessageSID in its path. So it finds its message before the answer with Twilio's own SID has been
read, and also when that answer was lost.
"""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from smsconnector.channels.provider.results import Kind, Result
from smsconnector.channels.twilio.codes import Whose, meaning_of
from smsconnector.channels.twilio.settings import LONGEST_VALIDITY, TwilioChannelSection
from smsconnector.errors import TextError
from smsconnector.messages import Segment
from smsconnector.net.http_client import HTTPCall, HTTPReply
from smsconnector.net.retry_after import retry_after
from smsconnector.sms.alphabet import utf16_units
from smsconnector.sms.segmentation import Split, segment

MOST_CHARACTERS = 1_600
SHORT_CODE_DIGITS = 6
REMEMBERED = 10_000  # SIDs that are known to be those of other texts
CLOCKS_DIFFER = 60_000  # ms by which Twilio's clock may be behind ours
RETRIED_CALLBACKS = "#rc=5&rp=all"  # a fragment that Twilio reads: five more tries, whatever went wrong
DAY_MS = 86_400_000
HOUR = 3_600.0  # seconds
CODE_DIGITS = 6
NOT_FOUND = (404, 405, 501)  # a compatible provider without a list of messages


class TwilioProvider:
    """``callback``: the URL of our door for notifications, to which ``/`` and our MessageSID are added; None: there is
    none. ``now_ms``: the time of day, in ms."""

    def __init__(self, section: TwilioChannelSection, callback: str | None, now_ms: Callable[[], int]) -> None:
        self._section, self._callback, self._now_ms = section, callback, now_ms
        sid = quote(section.account_sid, safe="")
        self._account_url = f"{section.base_url}/2010-04-01/Accounts/{sid}"
        self._url = f"{self._account_url}/Messages.json"
        user, password = section.credentials()
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = (("Authorization", f"Basic {basic}"), ("Accept", "application/json"))
        self._form_headers = (*self._headers, ("Content-Type", "application/x-www-form-urlencoded"))
        self._known: dict[str, None] = {}  # Twilio's SIDs of texts that it is known to have taken, the oldest first
        self.names_our_sid = callback is not None
        self.gives_receipts = self.names_our_sid if section.receipts is None else section.receipts

    # --- the request ----------------------------------------------------------------------------------------

    def call(self, segment: Segment, now_ms: int) -> HTTPCall:
        """One text."""
        sender, number = self.addresses(segment)
        fields = {"To": number, "Body": segment.text}
        if sender is not None:
            fields["From"] = sender
        if self._section.messaging_service_sid is not None:
            fields["MessagingServiceSid"] = self._section.messaging_service_sid
        validity = self._validity(segment, now_ms)
        if validity is not None:
            fields["ValidityPeriod"] = str(validity)
        if self._callback is not None and segment.sid:
            fields["StatusCallback"] = f"{self._callback}/{segment.sid}{RETRIED_CALLBACKS}"
        return HTTPCall("POST", self._url, self._form_headers, urlencode(fields).encode("ascii"))

    def addresses(self, segment: Segment) -> tuple[str | None, str]:
        """From, None where a messaging service chooses, and To."""
        sender = segment.source or self._section.source
        return None if sender is None else written_sender(sender), written_number(segment.destination)

    def _validity(self, segment: Segment, now_ms: int) -> int | None:
        """Seconds; None: Twilio's own, which is the longest."""
        wanted = self._section.validity
        if wanted == "none" or (wanted == "asked" and not segment.is_limited):
            return None
        left = max(1, min((segment.expires_at - now_ms) // 1000, LONGEST_VALIDITY))
        return left if isinstance(wanted, str) else min(wanted, left)

    def check_call(self, by_key: bool) -> HTTPCall:
        """A request that changes nothing, for the doctor: the account. An API key may not read it, unless it is a main
        key; it may list messages (Twilio's pages on API keys)."""
        url = f"{self._url}?PageSize=1" if by_key else f"{self._account_url}.json"
        return HTTPCall("GET", url, self._headers)

    # --- the answer -----------------------------------------------------------------------------------------

    def read(self, segment: Segment, reply: HTTPReply) -> Result:
        """What became of the text."""
        data = _json(reply)
        if 200 <= reply.status < 300:
            return self._read_success(segment, data, reply)
        return self._read_failure(segment, reply, code_of(data.get("code")))

    def _read_success(self, segment: Segment, data: dict[str, Any], reply: HTTPReply) -> Result:
        sid = data.get("sid")
        if not isinstance(sid, str) or not 0 < len(sid) <= 255:
            return Result(Kind.UNKNOWN, reason=f"HTTP {reply.status} without a message: is it a proxy that answers?")
        self._remember(sid)
        code = code_of(data.get("error_code"))
        status = data.get("status")
        if status in ("failed", "undelivered", "canceled"):
            return Result(Kind.PERMANENT, code=code or status, reason="it failed at once")
        return Result(Kind.TAKEN, (sid,))

    def _read_failure(self, segment: Segment, reply: HTTPReply, code: int | None) -> Result:
        meaning = meaning_of(reply.status, code)
        kind, retry_in = meaning.kind, None
        if meaning.whose is Whose.SENDER and segment.source is not None:
            kind = Kind.PERMANENT
        if kind in (Kind.THROTTLED, Kind.TEMPORARY):
            retry_in = retry_after(reply.headers.get("retry-after"), self._now_ms() / 1000)
        elif kind is Kind.ACCOUNT and meaning.is_for_today:
            retry_in = self._until_tomorrow()
        told = f"{meaning.title} (HTTP {reply.status})"  # in our own words: Twilio's repeat the number
        return Result(kind, code=reply.status if code is None else code, reason=told, retry_in=retry_in)

    def _until_tomorrow(self) -> float:
        """Seconds: Twilio's day is that of UTC. Somewhat later, and an hour at least."""
        left = (DAY_MS - self._now_ms() % DAY_MS) / 1000
        return max(left + HOUR / 6, HOUR)

    def _remember(self, sid: str) -> None:
        self._known[sid] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    # --- looked up ------------------------------------------------------------------------------------------

    def lookup(self, segment: Segment, now_ms: int) -> HTTPCall:
        """The latest messages to its number since the day when it was accepted."""
        sender, number = self.addresses(segment)
        query = {"To": number}
        if sender is not None:
            query["From"] = sender
        accepted = accepted_at(segment)
        if accepted is not None:
            query["DateSent>"] = _day(accepted - CLOCKS_DIFFER)
        query["PageSize"] = "100"
        return HTTPCall("GET", f"{self._url}?{urlencode(query)}", self._headers)

    def found(self, segment: Segment, reply: HTTPReply) -> Result | None:
        """TAKEN with its SID, if it is among them."""
        if reply.status in NOT_FOUND:
            return None
        data = _json(reply)
        messages = data.get("messages")
        if not 200 <= reply.status < 300:
            return self._read_failure(segment, reply, code_of(data.get("code")))
        if not isinstance(messages, list):
            return Result(Kind.UNKNOWN, reason=f"HTTP {reply.status} without messages: is it a proxy that answers?")
        for message in messages:
            sid = message.get("sid") if isinstance(message, dict) else None
            if isinstance(sid, str) and sid and self._is_it(segment, sid, message):
                self._remember(sid)
                return Result(Kind.TAKEN, (sid,))
        return None

    def _is_it(self, segment: Segment, sid: str, message: dict[str, Any]) -> bool:
        if message.get("body") != segment.text or sid in self._known:  # another's, or found before and not its own
            return False
        if message.get("direction") == "inbound":
            return False
        accepted, made = accepted_at(segment), _time_of(message.get("date_created"))
        return accepted is None or made is None or made >= accepted - CLOCKS_DIFFER


def cut(text: str, transliterate: bool = False) -> Split:
    """One segment, whatever its length is; TextError above 1600 UTF-16 code units: Twilio counts an emoji as several
    characters (error 21617). The alphabet is what Twilio will choose."""
    split = segment(text, form="payload", transliterate=transliterate)
    whole = "".join(split.segments)
    length = utf16_units(whole)
    if length > MOST_CHARACTERS:
        raise TextError(
            "text_too_long",
            f"Twilio takes {MOST_CHARACTERS} characters at most, and this text has {length}; an emoji counts as two.",
        )
    return Split(split.alphabet, (whole,), split.forced_by, split.transliterated)


def written_number(number: str) -> str:
    """E.164 with its plus."""
    return f"+{number}" if number.isdigit() else number


def written_sender(sender: str) -> str:
    """A number with its plus; a short code or a name as it is."""
    return f"+{sender}" if sender.isdigit() and len(sender) > SHORT_CODE_DIGITS else sender


def accepted_at(segment: Segment) -> int | None:
    """When its message was accepted (ms), which our MessageSID tells (``messages.new_sid``); None if it does not."""
    try:
        return int(segment.sid[2:14], 16)
    except ValueError:
        return None


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"


def _time_of(text: Any) -> int | None:
    """ms of a date as of RFC 2822; None if it is none. Without a zone, or with -0000, it is UTC."""
    try:
        date = parsedate_to_datetime(text)
        return int((date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp() * 1000)
    except (TypeError, ValueError, AttributeError, OverflowError, IndexError):
        return None


def _json(reply: HTTPReply) -> dict[str, Any]:
    """Its JSON object; empty if it is none."""
    try:
        data = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def code_of(value: Any) -> int | None:
    """Twilio's codes are numbers of five digits; some compatible providers write them as strings. A longer number is
    none: it may be a customer's."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= CODE_DIGITS:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < 10**CODE_DIGITS else None

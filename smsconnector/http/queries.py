"""The query of ``GET /messages``, checked: octets in, what the store is asked out.

Whatever is wrong raises InvalidRequest, with a stable code, a sentence that says what to do, and the parameter's name.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from smsconnector.errors import AddressError, InvalidRequest
from smsconnector.sms.addresses import normal_number, normal_sender
from smsconnector.store.finding import MOST_FOUND, FindExchanged, PlaceOfBoth, Search, Shown

Given = list[tuple[str, str]]
_LARGEST = (1 << 63) - 1


def parse_search(query: bytes) -> tuple[Search | FindExchanged, Given]:
    """What is asked; with ``with`` for both directions. And the parameters as they were given, without ``cursor``: with
    another one they ask for the next page."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise InvalidRequest("malformed_query", "The query is not name=value&name=value in UTF-8.") from None
    names = [name for name, _ in pairs]
    for name, value in pairs:
        if name not in _READERS:
            known = ", ".join(_READERS)
            raise InvalidRequest(
                "unknown_parameter", f"There is no parameter of that name; there is: {known}.", name[:40]
            )
        if names.count(name) > 1:
            raise InvalidRequest("duplicate_parameter", f"{name} is given more than once: give it once.", name)
        if not value or "\0" in value:
            raise InvalidRequest("invalid_parameter", f"{name} is empty, or holds NUL: leave it out.", name)
    read = {_READERS[name][0]: _READERS[name][1](value, name) for name, value in pairs}
    with_number = "number" in read
    for name, _ in pairs if with_number else ():
        if name not in _OF_BOTH:
            others = ", ".join(one for one in _OF_BOTH if one != "with")
            raise InvalidRequest("invalid_parameter", f"{name} does not go with `with`, but {others} do.", name)
    if isinstance(read.get("before"), PlaceOfBoth) is not with_number and "before" in read:
        _refuse_cursor("cursor")
    asked = FindExchanged(**read) if with_number else Search(**read)
    return asked, [(name, value) for name, value in pairs if name != "cursor"]


def _number(value: str, name: str) -> Any:
    return _address(normal_number, value, name)


def _sender(value: str, name: str) -> Any:
    return _address(normal_sender, value, name)


def _address(read: Callable[[str], Any], value: str, name: str) -> Any:
    """A plus that was not written as %2B is a blank here."""
    try:
        return read("+" + value[1:] if value.startswith(" ") else value)
    except AddressError as error:
        raise InvalidRequest(error.code, error.about(name), name) from None


def _text(value: str, _name: str) -> str:
    return value


def _shown(value: str, name: str) -> Shown:
    """A word of DeliveryStatus, or of State if both have the same messages."""
    word = value.lower()
    if word in _STATES:
        return _STATES[word]
    known = f"{name} is none of {', '.join(_STATES)}"
    hint = f": {word} is found by {_FOUND_BY[word]}" if word in _FOUND_BY else ""
    raise InvalidRequest("invalid_parameter", f"{known}{hint}.", name)


def _time(value: str, name: str) -> int:
    """ISO 8601, in UTC where no offset is given; or seconds since the Unix epoch. In ms."""
    try:
        if value.isascii() and value.isdigit() and len(value) <= 12:
            return int(value) * 1000
        time = datetime.fromisoformat(value.replace(" ", "+"))  # a plus that was not written as %2B
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            "invalid_parameter", f"{name} is no time: write 2026-01-31T12:00:00Z, or seconds since 1970.", name
        ) from None


def _count(value: str, name: str) -> int:
    if not (value.isascii() and value.isdigit()) or not 0 < int(value[:9]) <= MOST_FOUND or len(value) > 9:
        raise InvalidRequest("invalid_parameter", f"{name} is no number from 1 to {MOST_FOUND}.", name)
    return int(value)


def _cursor(value: str, name: str) -> int | PlaceOfBoth:
    """An id, or two ids with a hyphen between them."""
    ids = value.split("-")
    if len(ids) > 2 or not all(one.isascii() and one.isdigit() and len(one) <= 19 for one in ids):
        _refuse_cursor(name)
    numbers = [int(one) for one in ids]
    if max(numbers) > _LARGEST:
        _refuse_cursor(name)
    return PlaceOfBoth(*numbers) if len(numbers) == 2 else numbers[0]


def _refuse_cursor(name: str) -> NoReturn:
    raise InvalidRequest("invalid_parameter", f"{name} is not one that an answer has given in `next`.", name)


_STATES = {
    "scheduled": Shown.SCHEDULED,
    "queued": Shown.QUEUED,
    "sent": Shown.SENT,
    "submitted": Shown.SENT,
    "delivered": Shown.DELIVERED,
    "failed": Shown.FAILED,
}
# Of words that only State has: those messages are among others, and State tells them apart.
_FOUND_BY = {"cancelled": "failed"} | dict.fromkeys(
    ("waiting_for_bind", "throttled", "retrying", "under_way", "unanswered", "falling_back"), "queued"
)
_OF_BOTH = ("with", "channel", "since", "until", "limit", "cursor")
_READERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "with": ("number", _number),
    "to": ("to", _number),
    "from": ("source", _sender),
    "channel": ("channel", _text),
    "state": ("state", _shown),
    "reference": ("reference", _text),
    "smsc_id": ("smsc_id", _text),
    "since": ("since", _time),
    "until": ("until", _time),
    "limit": ("limit", _count),
    "cursor": ("before", _cursor),
}

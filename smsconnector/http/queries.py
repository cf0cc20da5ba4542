"""The query of ``GET /messages``, checked: octets in, what the store is asked out.

Whatever is wrong raises InvalidRequest, with a stable code, a sentence that says what to do, and the parameter's name.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from smsconnector.errors import AddressError, InvalidRequest
from smsconnector.sms.addresses import normal_number, normal_sender
from smsconnector.store.finding import MOST_FOUND, Search, Shown

Given = list[tuple[str, str]]
_LARGEST = (1 << 63) - 1


def parse_search(query: bytes) -> tuple[Search, Given]:
    """And the parameters as they were given, without ``cursor``: with another one they ask for the next page."""
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
    return Search(**read), [(name, value) for name, value in pairs if name != "cursor"]


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
    try:
        return Shown(value.upper())
    except ValueError:
        known = ", ".join(one.value for one in Shown)
        raise InvalidRequest("invalid_parameter", f"{name} is none of {known}.", name) from None


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


def _cursor(value: str, name: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 19 and int(value) <= _LARGEST):
        raise InvalidRequest("invalid_parameter", f"{name} is not one that an answer has given in `next`.", name)
    return int(value)


_READERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
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

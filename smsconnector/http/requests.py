"""The JSON that applications post, checked: octets in, a plain record out.

Whatever is wrong raises InvalidRequest, with a stable code, a sentence that says what to do, and the field's name.
"""

import json
import re
from collections.abc import Callable, Collection
from dataclasses import field
from datetime import datetime
from typing import Any, TypeVar

from smsconnector.errors import AddressError, InvalidRequest, TextError
from smsconnector.http.charsets import decode
from smsconnector.messages import record
from smsconnector.sinks.webhook.urls import LONGEST_URL, fault_of
from smsconnector.sms.addresses import in_country, normal_number, normal_sender

Address = TypeVar("Address", str, str | None)
LONGEST_VALIDITY_S = 31_536_000  # a year
LONGEST_REFERENCE = 255  # characters
FIELDS = ("To", "Body", "From", "channel", "ValidityPeriod", "Reference", "SendAt", "Priority", "StatusCallback")
INTERACTIVE, BULK = PRIORITIES = ("interactive", "bulk")
# RFC 3339 section 5.6, date-time: the offset is not optional. A blank may stand for the T.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


@record
class SendRequest:
    """The body of ``/send``; addresses are normalised."""

    to: str
    body: str
    source: str | None
    channel: str | None
    validity_s: int | None = None
    reference: str | None = None
    send_at: int | None = None  # ms, time of day
    priority: str | None = None  # one of PRIORITIES
    status_callback: str | None = field(default=None, repr=False)  # a URL without fault, which may hold a secret


class Fields(dict[str, Any]):
    """What was posted, by name. ``unclear``: the names that were given several values."""

    unclear: Collection[str] = ()

    def clear_value(self, name: str) -> Any:
        """The value, None if there is none; InvalidRequest as ``make_clear``."""
        self.make_clear(name)
        return self.get(name)

    def make_clear(self, *names: str) -> None:
        """InvalidRequest if one of these has several values, for nobody could tell which of them is meant. A field that
        nobody reads may have as many as it likes."""
        for name in names if self.unclear else ():
            if name in self.unclear:
                raise InvalidRequest("duplicate_field", f"{name} is given more than once: give it once.", name)


def fields_of(pairs: list[tuple[str, Any]]) -> Fields:
    """The pairs by their names."""
    fields = Fields(pairs)
    if len(fields) < len(pairs):
        fields.unclear = {name for name, value in pairs if value != fields[name]}
    return fields


class NotJSON(InvalidRequest):
    """What was posted is not JSON, so nobody knows where it ends."""


def parse_send(octets: bytes, content_type: str = "") -> SendRequest:
    """JSON with To, Body and, optional, From, channel, ValidityPeriod, Reference, SendAt, Priority and StatusCallback.
    Fields we don't know are left alone."""
    return read_send(json_object(octets, content_type))


def read_send(data: Fields) -> SendRequest:
    """The same, of what the JSON says."""
    data.make_clear(*FIELDS)
    to = _string(data, "To")
    body = _string(data, "Body")
    if not body:
        raise InvalidRequest("empty_text", "Body is empty: give the text to send.", "Body")
    if "\0" in body:
        raise InvalidRequest("invalid_text", "Body holds a NUL character: take it out.", "Body")
    return SendRequest(
        _address(normal_number, to, "To"),
        body,
        _address(normal_sender, _optional(data, "From"), "From"),
        _optional(data, "channel"),
        _validity(data.get("ValidityPeriod")),
        _reference(data) if "Reference" in data else None,
        _send_at(data) if "SendAt" in data else None,
        _priority(data) if "Priority" in data else None,
        _status_callback(data) if "StatusCallback" in data else None,
    )


def _send_at(data: Fields) -> int | None:
    """SendAt in ms since the Unix epoch. Without an offset nobody could tell which time of day is meant."""
    text = data["SendAt"]
    if text is None:
        return None
    form = _RFC_3339.fullmatch(text) if isinstance(text, str) else None
    if form is not None and form[2] is None:
        raise InvalidRequest(
            "invalid_send_at", f"SendAt has no offset from UTC: write {text[:10]}T{text[11:]}Z, or +01:00.", "SendAt"
        )
    try:
        if form is not None:
            return int(datetime.fromisoformat(text.upper()).timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    raise InvalidRequest("invalid_send_at", "SendAt is no time of RFC 3339: write 2026-12-24T18:00:00+01:00.", "SendAt")


def _priority(data: Fields) -> str | None:
    priority = data["Priority"]
    if priority is not None and priority not in PRIORITIES:
        raise InvalidRequest(
            "invalid_priority", f"Priority is none of {', '.join(PRIORITIES)}: write one, or leave it out.", "Priority"
        )
    return None if priority is None else str(priority)


def _reference(data: Fields) -> str | None:
    """Reference, by which the application knows the message: printable, so that it can stand in a header."""
    reference = _optional(data, "Reference")
    if reference is not None and not (0 < len(reference) <= LONGEST_REFERENCE and reference.isprintable()):
        raise InvalidRequest(
            "invalid_reference",
            f"Reference is not 1 to {LONGEST_REFERENCE} printable characters: shorten it, or leave it out.",
            "Reference",
        )
    return reference


def _status_callback(data: Fields) -> str | None:
    """StatusCallback, the URL to which the report of this message is posted."""
    url = _optional(data, "StatusCallback")
    if url is None:
        return None
    fault = fault_of(url) if len(url) <= LONGEST_URL else f"it is longer than {LONGEST_URL} characters: shorten it"
    if fault:
        raise InvalidRequest("invalid_callback", f"StatusCallback can't be used: {fault}.", "StatusCallback")
    return url


def _validity(value: Any) -> int | None:
    """ValidityPeriod, in seconds, as Twilio has it; a number, or its digits as a string. 60.0 is a whole number too, as
    JSON Schema has it (2020-12, section 6.1.1 of its validation); some languages write each number so."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:9]) <= LONGEST_VALIDITY_S or len(text) > 9:
        raise InvalidRequest(
            "invalid_validity",
            f"ValidityPeriod is not a number of seconds: write 1 to {LONGEST_VALIDITY_S}.",
            "ValidityPeriod",
        )
    return int(text)


def _address(read: Callable[[Address], Address], text: Address, field: str) -> Address:
    try:
        return read(text)
    except AddressError as error:
        raise InvalidRequest(error.code, error.about(field), field) from None


def international(number: str, country: str | None, field: str) -> str:
    """The number as ``addresses.in_country`` has it; the client's error if it can't be one of that country."""
    return number if country is None else _address(lambda text: in_country(text, country), number, field)


def international_or_none(number: str, country: str | None) -> str | None:
    """The same; None if it can't be one of that country."""
    try:
        return in_country(number, country)
    except AddressError:
        return None


def json_object(octets: bytes, content_type: str = "") -> Fields:
    """The fields of one JSON object. NotJSON if it is none."""
    text, _ = decode(octets, content_type)
    try:
        data = _JSON.decode(text)
    except RecursionError:
        raise InvalidRequest("malformed_json", "The body is nested too deep: send one flat JSON object.") from None
    except ValueError as error:
        if _FORM.match(text):
            raise NotJSON(
                "malformed_json", "The body is a form: send one JSON object, as Content-Type: application/json."
            ) from None
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise NotJSON("malformed_json", f"The body is not valid JSON{where}: send one JSON object.") from None
    if not isinstance(data, Fields):
        raise InvalidRequest("malformed_json", "The body must be a JSON object with To and Body.")
    return data


_FORM = re.compile(r"\w+=")
_JSON = json.JSONDecoder(object_pairs_hook=fields_of)


def _string(data: Fields, name: str) -> str:
    if name not in data:
        raise InvalidRequest("missing_field", f"{name} is missing: it is required.", name)
    value = data[name]
    if not isinstance(value, str):
        raise InvalidRequest("invalid_field", f"{name} must be a string.", name)
    return value


def _optional(data: Fields, name: str) -> str | None:
    return None if data.get(name) is None else _string(data, name)


def text_refused(error: TextError) -> InvalidRequest:
    """What segmentation says of a text, as the client's error."""
    return InvalidRequest(error.code, str(error), "Body")

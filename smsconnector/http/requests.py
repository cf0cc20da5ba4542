"""What applications and providers post, checked: octets in, plain records out.

No HTTP machinery here: a handler hands over the body's octets. Everything that is wrong raises InvalidRequest
with a stable code, one sentence that says what to do, and the field's name.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from smsconnector.errors import AddressError, InvalidRequest, TextError
from smsconnector.messages import Finality
from smsconnector.sms.addresses import normal_number, normal_sender

Address = TypeVar("Address", str, str | None)
MAXIMUM_FIELDS = 100  # Twilio posts about thirty
LONGEST_VALIDITY = 31_536_000  # seconds: a year


@dataclass(frozen=True, slots=True)
class SendRequest:
    """The body of ``/send``; addresses are normalised."""

    to: str
    body: str
    source: str | None
    channel: str | None
    validity: int | None = None  # seconds


def parse_send(octets: bytes) -> SendRequest:
    """JSON with To, Body and, optional, From, channel and ValidityPeriod. Fields we don't know are left alone."""
    data = _json_object(octets)
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
    )


def _validity(value: Any) -> int | None:
    """ValidityPeriod, in seconds, as Twilio has it; a number, or its digits as a string."""
    if value is None:
        return None
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:9]) <= LONGEST_VALIDITY or len(text) > 9:
        raise InvalidRequest(
            "invalid_validity",
            f"ValidityPeriod is not a number of seconds: write 1 to {LONGEST_VALIDITY}.",
            "ValidityPeriod",
        )
    return int(text)


def _address(read: Callable[[Address], Address], text: Address, field: str) -> Address:
    try:
        return read(text)
    except AddressError as error:
        raise InvalidRequest(error.code, error.about(field), field) from None


def _json_object(octets: bytes) -> dict[str, Any]:
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest("wrong_encoding", "The body is not UTF-8: encode it as UTF-8.") from None
    try:
        data = _JSON.decode(text)
    except RecursionError:
        raise InvalidRequest("malformed_json", "The body is nested too deep: send one flat JSON object.") from None
    except ValueError as error:
        if _FORM.match(text):
            raise InvalidRequest(
                "malformed_json", "The body is a form: send one JSON object, as Content-Type: application/json."
            ) from None
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidRequest("malformed_json", f"The body is not valid JSON{where}: send one JSON object.") from None
    if not isinstance(data, dict):
        raise InvalidRequest("malformed_json", "The body must be a JSON object with To and Body.")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise InvalidRequest("duplicate_field", f"{twice[:64]} is given more than once: give it once.", twice[:64])
    return data


_FORM = re.compile(r"\w+=")
_JSON = json.JSONDecoder(object_pairs_hook=_unique)


def _string(data: dict[str, Any], name: str) -> str:
    if name not in data:
        raise InvalidRequest("missing_field", f"{name} is missing: it is required.", name)
    value = data[name]
    if not isinstance(value, str):
        raise InvalidRequest("invalid_field", f"{name} must be a string.", name)
    return value


def _optional(data: dict[str, Any], name: str) -> str | None:
    return None if data.get(name) is None else _string(data, name)


def text_refused(error: TextError) -> InvalidRequest:
    """What segmentation says of a text, as the client's error."""
    return InvalidRequest(error.code, str(error), "Body")


# --- forms -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReceiveRequest:
    """The form of ``/receive``."""

    body: str
    source: str
    destination: str
    sid: str


@dataclass(frozen=True, slots=True)
class NotificationRequest:
    """The form of ``/delivery-notification``; ``code`` is the ProviderStatusCode."""

    sid: str
    finality: Finality
    status: str
    code: str


# The contract's words, and Twilio's others (its "Message Status Values").
PROVIDER_STATUS: dict[str, Finality] = {
    "delivered": Finality.DELIVERED,
    "read": Finality.DELIVERED,
    "undelivered": Finality.FAILED,
    "failed": Finality.FAILED,
    "canceled": Finality.FAILED,
    "queued": Finality.PROGRESS,
    "sent": Finality.PROGRESS,
    "accepted": Finality.PROGRESS,
    "sending": Finality.PROGRESS,
    "scheduled": Finality.PROGRESS,
}


def parse_receive(octets: bytes, content_type: str) -> ReceiveRequest:
    """The form fields Body (may be empty), From, To and SmsSid (or Twilio's MessageSid)."""
    form = parse_form(octets, content_type)
    body = _form_field(form, "Body", may_be_empty=True)
    sid = _identifier(_form_field(form, "SmsSid", "MessageSid"), "SmsSid")
    return ReceiveRequest(body, _form_field(form, "From"), _form_field(form, "To"), sid)


def parse_notification(octets: bytes, content_type: str) -> NotificationRequest:
    """The form fields MessageSid and SmsStatus (or MessageStatus), and ErrorCode if there."""
    form = parse_form(octets, content_type)
    sid = _identifier(_form_field(form, "MessageSid", "SmsSid"), "MessageSid")
    status = _form_field(form, "SmsStatus", "MessageStatus")
    finality = PROVIDER_STATUS.get(status.lower())
    if finality is None:
        raise InvalidRequest(
            "invalid_field",
            f"SmsStatus is not one of delivered, undelivered, failed, queued, sent: {status[:32]!r}.",
            "SmsStatus",
        )
    return NotificationRequest(sid, finality, status, form.get("ErrorCode") or status)


def _identifier(text: str, field: str) -> str:
    """An id goes into headers of the queue's messages: printable ASCII, up to 128 characters."""
    if len(text) > 128 or not text.isascii() or not text.isprintable():
        raise InvalidRequest("invalid_field", f"{field} is no id: give at most 128 printable ASCII characters.", field)
    return text


def parse_form(octets: bytes, content_type: str) -> dict[str, str]:
    """application/x-www-form-urlencoded, in UTF-8, each field once."""
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise InvalidRequest(
            "wrong_content_type",
            "Post the fields as application/x-www-form-urlencoded.",
        )
    try:
        pairs = parse_qsl(
            octets.decode("utf-8"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MAXIMUM_FIELDS,
        )
    except UnicodeDecodeError:
        raise InvalidRequest("wrong_encoding", "The form is not UTF-8: encode it as UTF-8.") from None
    except ValueError:
        raise InvalidRequest("too_many_fields", f"The form has more than {MAXIMUM_FIELDS} fields.") from None
    return _unique(pairs)


def _form_field(form: dict[str, str], name: str, other: str | None = None, may_be_empty: bool = False) -> str:
    value = form.get(name)
    if value is None and other is not None:
        value = form.get(other)
    if value is None:
        raise InvalidRequest("missing_field", f"{name} is missing: it is required.", name)
    if not value and not may_be_empty:
        raise InvalidRequest("missing_field", f"{name} is empty: it is required.", name)
    return value

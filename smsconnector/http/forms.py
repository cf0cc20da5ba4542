"""The forms that HTTP providers post to the webhooks, checked: octets in, plain records out.

Whatever is wrong raises InvalidRequest, with a stable code, a sentence that says what to do, and the field's name.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from smsconnector.errors import InvalidRequest
from smsconnector.hooks.reading import plain_address
from smsconnector.http.charsets import decode
from smsconnector.http.requests import Fields, fields_of
from smsconnector.messages import Finality

MAXIMUM_FIELDS = 100  # Twilio posts about thirty


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
    return ReceiveRequest(body, _address(form, "From"), _address(form, "To"), sid)


def parse_notification(octets: bytes, content_type: str) -> NotificationRequest:
    """The form fields MessageSid and SmsStatus (or MessageStatus), and ErrorCode if there."""
    form = parse_form(octets, content_type)
    sid = _identifier(_form_field(form, "MessageSid", "SmsSid"), "MessageSid")
    status = _form_field(form, "SmsStatus", "MessageStatus").strip()
    finality = PROVIDER_STATUS.get(status.lower())
    if finality is None:
        raise InvalidRequest(
            "invalid_field",
            f"SmsStatus is not one of delivered, undelivered, failed, queued, sent: {status[:32]!r}.",
            "SmsStatus",
        )
    return NotificationRequest(sid, finality, status, (form.clear_value("ErrorCode") or "").strip() or status)


def _identifier(text: str, field: str) -> str:
    """An id goes into headers of the queue's messages: printable ASCII, up to 128 characters. Ends of lines around it
    are taken off. Blanks are not, for they were never, and its repeats have to be known."""
    text = text.strip("\r\n\t")
    if len(text) > 128 or not text.isascii() or not text.isprintable():
        raise InvalidRequest("invalid_field", f"{field} is no id: give at most 128 printable ASCII characters.", field)
    return text


def _address(form: Fields, name: str) -> str:
    """A number or a name, as ``plain_address`` reads it."""
    text = plain_address(_form_field(form, name))
    if not text:
        raise InvalidRequest("missing_field", f"{name} is empty: it is required.", name)
    return text


def parse_form(octets: bytes, content_type: str) -> Fields:
    """application/x-www-form-urlencoded, in the alphabet of its charset."""
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise InvalidRequest(
            "wrong_content_type",
            "Post the fields as application/x-www-form-urlencoded.",
        )
    text, codec = decode(octets, content_type)
    try:
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            encoding=codec,
            errors="strict",
            max_num_fields=MAXIMUM_FIELDS,
        )
    except UnicodeDecodeError:
        raise InvalidRequest(
            "wrong_encoding", "What is escaped in the form is not in its charset: escape UTF-8."
        ) from None
    except ValueError:
        raise InvalidRequest("too_many_fields", f"The form has more than {MAXIMUM_FIELDS} fields.") from None
    return fields_of(pairs)


def _form_field(form: Fields, name: str, other: str | None = None, may_be_empty: bool = False) -> str:
    value: str | None = form.clear_value(name)
    if value is None and other is not None:
        value = form.clear_value(other)
    if value is None:
        raise InvalidRequest("missing_field", f"{name} is missing: it is required.", name)
    if not value and not may_be_empty:
        raise InvalidRequest("missing_field", f"{name} is empty: it is required.", name)
    return value

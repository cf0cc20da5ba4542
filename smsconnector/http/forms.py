"""The forms that HTTP providers post to the webhooks, checked: octets in, plain records out.

Whatever is wrong raises InvalidRequest, with a stable code, a sentence that says what to do, and the field's name.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from smsconnector.errors import InvalidRequest
from smsconnector.http.requests import once_each
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
    return once_each(pairs)


def _form_field(form: dict[str, str], name: str, other: str | None = None, may_be_empty: bool = False) -> str:
    value = form.get(name)
    if value is None and other is not None:
        value = form.get(other)
    if value is None:
        raise InvalidRequest("missing_field", f"{name} is missing: it is required.", name)
    if not value and not may_be_empty:
        raise InvalidRequest("missing_field", f"{name} is empty: it is required.", name)
    return value

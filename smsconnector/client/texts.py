"""What applications ask for: texts to send, and which messages they look for; as the API wants to have it."""

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

_KEY = re.compile(r"[!-~]{1,255}")
Priority = Literal["interactive", "bulk"]
Time = datetime | str | int  # a string as ISO 8601, a number in seconds since the Unix epoch
State = Literal["scheduled", "queued", "sent", "delivered", "failed"]


class Fields(TypedDict, total=False):
    """What may be said of a text beside number and words. See ``Text``."""

    from_: str | None
    channel: str | None
    reference: str | None
    validity_period: int | timedelta | None
    send_at: datetime | str | None
    priority: Priority | None
    status_callback: str | None
    idempotency_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text to send. What is None is left out, and the connector decides.

    ``validity_period`` is in seconds. ``send_at`` has its offset from UTC: one without is refused, for nobody could
    tell which noon it means. ``idempotency_key``: the same text with the same key is sent once; the client makes one
    for each text that has none. Number, sender and words don't show in ``repr``.
    """

    to: str = field(repr=False)
    body: str = field(repr=False)
    from_: str | None = field(default=None, repr=False)
    channel: str | None = None
    reference: str | None = None
    validity_period: int | timedelta | None = None
    send_at: datetime | str | None = None
    priority: Priority | None = None
    status_callback: str | None = None
    idempotency_key: str | None = None

    def fields(self) -> dict[str, Any]:
        """As the body of ``/send``. ValueError if a time can't be told."""
        validity, send_at = self.validity_period, self.send_at
        given: dict[str, Any] = {
            "To": self.to,
            "Body": self.body,
            "From": self.from_,
            "channel": self.channel,
            "Reference": self.reference,
            "ValidityPeriod": _seconds(validity) if isinstance(validity, timedelta) else validity,
            "SendAt": _written(send_at, "send_at") if isinstance(send_at, datetime) else send_at,
            "Priority": self.priority,
            "StatusCallback": self.status_callback,
        }
        return {name: value for name, value in given.items() if value is not None}


def _seconds(length: timedelta) -> int:
    """Whole seconds, at least as long."""
    return -(-length // timedelta(seconds=1))


def text_of(one: Text | Mapping[str, Any]) -> Text:
    """A text of a batch, which may be a mapping of the names of ``Text``."""
    return one if isinstance(one, Text) else Text(**one)


def key_of(text: Text) -> str:
    """The key that it has, or one that no other text has. ValueError if no header could carry it."""
    key = text.idempotency_key
    if key is None:
        return secrets.token_hex(16)
    if not _KEY.fullmatch(key):
        raise ValueError("idempotency_key is not 1 to 255 characters of ASCII without blanks: a UUID is best.")
    return key


def json_of(data: Any) -> bytes:
    """Plain ASCII, so no text can break it."""
    return json.dumps(data, separators=(",", ":")).encode("ascii")


class Query(TypedDict, total=False):
    """Which messages are looked for: those that fit all that is given. ``since``: accepted then or later; ``until``:
    before. ``with_``: from or to this number, both directions. ``limit``: in one answer, 1 to 200."""

    to: str
    from_: str
    with_: str
    channel: str
    state: State
    reference: str
    smsc_id: str
    since: Time
    until: Time
    limit: int


def parameters(query: Query) -> tuple[tuple[str, str], ...]:
    """As the query of ``GET /messages``."""
    pairs: Iterable[tuple[str, Any]] = query.items()
    return tuple((name.rstrip("_"), _parameter(name, value)) for name, value in pairs if value is not None)


def _parameter(name: str, value: Any) -> str:
    return _written(value, name) if isinstance(value, datetime) else str(value)


def _written(time: datetime, name: str) -> str:
    """ISO 8601."""
    if time.tzinfo is None:
        raise ValueError(f"{name} has no offset from UTC: give one, for instance datetime.now(UTC).")
    return time.isoformat()

"""Answers of the HTTP door: JSON, and one form for every error."""

import json
from datetime import UTC, datetime
from typing import Any

from twisted.web.http import Request

from smsconnector.errors import InvalidRequest
from smsconnector.lifecycle import MessageState, SegmentState
from smsconnector.messages import Message
from smsconnector.sms.segmentation import Split, unmarked
from smsconnector.store.operations import FoundMessage

RETRY_AFTER = "5"  # seconds, with 503


def refuse(request: Request, error: InvalidRequest) -> bytes:
    """``{"error": {"code", "message", "field"}}`` with the error's status."""
    request.setResponseCode(error.status)
    if error.status == 503:
        request.setHeader("Retry-After", RETRY_AFTER)
    return _give(request, rendered(error))


def rendered(error: InvalidRequest) -> bytes:
    """The JSON alone."""
    return _json({"error": {"code": error.code, "message": error.message, "field": error.field}})


def give(request: Request, data: Any) -> bytes:
    """That as JSON."""
    return _give(request, _json(data))


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


def _give(request: Request, body: bytes) -> bytes:
    request.setHeader("Content-Type", "application/json")
    request.setHeader("Content-Length", str(len(body)))
    return body


def nothing(request: Request) -> bytes:
    """No content, and said so: without a length the answer would be chunked."""
    request.setHeader("Content-Length", "0")
    return b""


def say_what_changed(request: Request, split: Split) -> None:
    """Headers that name the characters for which the text costs more, or is another than was asked for."""
    for name, characters in (("X-UCS2-Because", split.forced_by), ("X-Transliterated", split.transliterated)):
        if characters:
            request.setHeader(name, " ".join(f"U+{ord(character):04X}" for character in characters[:20]))


def representation(message: Message) -> dict[str, Any]:
    """A message that has just been accepted."""
    return {
        "MessageSID": message.sid,
        "channel": message.channel,
        "From": message.source,
        "To": message.destination,
        "Body": "".join(message.segments),
        "Alphabet": unmarked(message.alphabet)[0],
        "Segments": len(message.segments),
        "DeliveryStatus": "QUEUED",
        "ProviderStatusCode": None,
        "AcceptedAt": timestamp(message.accepted_at),
        "ExpiresAt": timestamp(message.expires_at),
        "FinalAt": None,
    }


def found(row: FoundMessage) -> dict[str, Any]:
    """A message as the store found it."""
    return {
        "MessageSID": row.sid,
        "channel": row.channel,
        "From": row.source,
        "To": row.destination,
        "Body": "".join(segment.text for segment in row.segments),
        "Alphabet": unmarked(row.alphabet)[0],
        "Segments": len(row.segments),
        "DeliveryStatus": _status(row),
        "ProviderStatusCode": row.code,
        "AcceptedAt": timestamp(row.accepted_at),
        "ExpiresAt": timestamp(row.expires_at),
        "FinalAt": timestamp(row.final_at),
    }


def _status(row: FoundMessage) -> str:
    """DELIVERED or FAILED when final; before that SENT when the network has taken all of it, else QUEUED."""
    if row.state != MessageState.ACTIVE:
        return MessageState(row.state).name
    return "SENT" if all(segment.state >= SegmentState.SENT for segment in row.segments) else "QUEUED"


def timestamp(milliseconds: int | None) -> str | None:
    """ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

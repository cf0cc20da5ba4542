"""Bodies and headers of answers: JSON, and one form for every error."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from smsconnector.errors import InvalidRequest
from smsconnector.http.answers import Answer, Headers
from smsconnector.lifecycle import MessageState, SegmentState
from smsconnector.messages import Message
from smsconnector.sms.segmentation import Split, unmarked
from smsconnector.store.operations import FoundMessage

RETRY_AFTER_S = 5
JSON = (b"Content-Type", b"application/json")
_FINAL = (MessageState.DELIVERED, MessageState.FAILED)


def json_answer(data: Any, status: int = 200, headers: Headers = ()) -> Answer:
    """``data`` as JSON, in UTF-8."""
    return Answer(status, (*headers, JSON), _json(data))


def refusal(error: InvalidRequest) -> Answer:
    """Whatever is wrong with a request becomes its answer here: the error's status, its headers and its JSON. (What is
    not HTTP at all is no request: ``BoundedChannel.refuse`` answers it.)"""
    return Answer(error.status, (*retry_after(error), *error.headers, JSON), error_body(error))


def retry_after(error: InvalidRequest) -> Headers:
    """The header Retry-After (RFC 9110 section 10.2.3), in seconds. Every refusal with 503 has it, and no other: only
    503 says that nothing was done and that the same request may succeed later."""
    return ((b"Retry-After", b"%d" % RETRY_AFTER_S),) if error.status == 503 else ()


def error_body(error: InvalidRequest) -> bytes:
    """``{"error": {"code", "message", "field"}}``; ``field`` is null where no field is to blame."""
    return _json({"error": {"code": error.code, "message": error.message, "field": error.field}})


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


EMPTY_200 = Answer()
STORE_FAILED = refusal(
    InvalidRequest("unavailable", "Nothing was accepted: the store can't write now. Try again.", status=503)
)
SIBLING_FAILED = refusal(
    InvalidRequest("unavailable", "Another process, which may have this message, can't be asked now.", status=503)
)
LOOKUP_FAILED = refusal(InvalidRequest("unavailable", "The message can't be read now. Try again.", status=503))


def text_headers(split: Split) -> Headers:
    """Headers that name the characters because of which the text costs more, or is not quite what was asked for."""
    if not (split.forced_by or split.transliterated):
        return ()
    named = ((b"X-UCS2-Because", split.forced_by), (b"X-Transliterated", split.transliterated))
    return tuple((name, _code_points(characters)) for name, characters in named if characters)


def _code_points(characters: str) -> bytes:
    """The first twenty, as ``U+2019 U+00EA``."""
    return " ".join(f"U+{ord(character):04X}" for character in characters[:20]).encode("ascii")


def representation(message: Message) -> dict[str, Any]:
    """A message that has just been accepted."""
    return _resource(message, message.segments, status="QUEUED")


def found(row: FoundMessage) -> dict[str, Any]:
    """A message as the store found it."""
    texts = [segment.text for segment in row.segments]
    code = row.code if row.state in _FINAL else None
    return _resource(row, texts, status=_status(row), code=code, final_at=row.final_at)


def _resource(
    message: Message | FoundMessage,
    texts: Sequence[str],
    *,
    status: str,
    code: int | str | None = None,
    final_at: int | None = None,
) -> dict[str, Any]:
    """The message resource. ``texts`` are those of its segments; ``final_at`` is in ms."""
    return {
        "MessageSID": message.sid,
        "channel": message.channel,
        "From": message.source,
        "To": message.destination,
        "Body": "".join(texts),
        "Alphabet": unmarked(message.alphabet)[0],
        "Segments": len(texts),
        "DeliveryStatus": status,
        "ProviderStatusCode": code,
        "AcceptedAt": timestamp(message.accepted_at),
        "ExpiresAt": timestamp(message.expires_at),
        "FinalAt": timestamp(final_at),
    }


def _status(row: FoundMessage) -> str:
    """DELIVERED or FAILED when final; before that SENT when the network has taken all of it, else QUEUED."""
    if row.state in _FINAL:
        return MessageState(row.state).name
    is_sent = row.state == MessageState.ACTIVE and all(one.state >= SegmentState.SENT for one in row.segments)
    return "SENT" if is_sent else "QUEUED"


def timestamp(milliseconds: int | None) -> str | None:
    """ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Bodies and headers of answers: JSON, and one form for every error."""

import json
from collections.abc import Iterable
from typing import Any

from smsconnector.errors import InvalidRequest
from smsconnector.http.answers import Answer, Headers
from smsconnector.sms.segmentation import Split

RETRY_AFTER_S = 5
JSON = (b"Content-Type", b"application/json")


def json_answer(data: Any, status: int = 200, headers: Headers = ()) -> Answer:
    """``data`` as JSON, in UTF-8."""
    return Answer(status, (*headers, JSON), _json(data))


def refusal(error: InvalidRequest) -> Answer:
    """Whatever is wrong with a request becomes its answer here: the error's status, its headers and its JSON. (What is
    not HTTP at all is no request: ``BoundedChannel.refuse`` answers it.)"""
    return Answer(error.status, (*retry_after(error), *error.headers, JSON), error_body(error))


def error_of(answer: Answer) -> InvalidRequest:
    """What ``refusal`` has made this answer of."""
    said = json.loads(answer.body)["error"]
    headers = tuple(one for one in answer.headers if one != JSON and (one[0] != b"Retry-After" or answer.status != 503))
    return InvalidRequest(said["code"], said["message"], said["field"], answer.status, headers=headers)


def not_allowed(methods: Iterable[str]) -> InvalidRequest:
    """405, with the methods that the path takes (RFC 9110 section 15.5.6)."""
    allowed = ", ".join(sorted(methods))
    return InvalidRequest(
        "method_not_allowed", f"Use the method {allowed} here.", status=405, headers=((b"Allow", allowed.encode()),)
    )


def retry_after(error: InvalidRequest) -> Headers:
    """The header Retry-After (RFC 9110 section 10.2.3), in seconds. Every refusal with 503 has it: it says that
    nothing was done and that the same request may succeed later. So does 429, which brings its own."""
    return ((b"Retry-After", b"%d" % RETRY_AFTER_S),) if error.status == 503 else ()


def error_body(error: InvalidRequest) -> bytes:
    """``{"error": {"code", "message", "field"}}``; ``field`` is null where no field is to blame."""
    return _json({"error": {"code": error.code, "message": error.message, "field": error.field}})


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


EMPTY_200 = Answer()
STORE_ERROR = InvalidRequest("unavailable", "Nothing was accepted: the store can't write now. Try again.", status=503)
STORE_FAILED = refusal(STORE_ERROR)
SIBLING_FAILED = refusal(
    InvalidRequest("unavailable", "Another process, which may have this message, can't be asked now.", status=503)
)
CANCEL_FAILED = refusal(
    InvalidRequest("unavailable", "Nothing was changed: the store can't write now. Try again.", status=503)
)
CANCEL_UNWRITTEN = refusal(
    InvalidRequest(
        "unavailable",
        "The network takes it back, but the store can't write that now. Its report will tell.",
        status=503,
    )
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

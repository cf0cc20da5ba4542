"""Requests that a client may send again: the key that it gives them, and what counts as the same request.

A client that got no answer does not know whether its text was accepted. With ``Idempotency-Key`` in the head of
``/send``, or ``IdempotencyKey`` in an item of a batch, it sends the same again and gets the first answer. (The header
is that of draft-ietf-httpapi-idempotency-key-header, and of many providers.) The key is the caller's own: other callers
may use the same.
"""

import hashlib
import json
import re
from dataclasses import fields
from typing import Any

from smsconnector.access.keys import Caller
from smsconnector.errors import InvalidRequest
from smsconnector.http.answers import RequestHeaders
from smsconnector.http.requests import SendRequest
from smsconnector.store.repeats import RequestKey

HEADER = b"idempotency-key"
FIELD = "IdempotencyKey"
_NAME = re.compile(r"[!-~]{1,255}")
_FIELDS = [one.name for one in fields(SendRequest)]


def name_in(headers: RequestHeaders) -> str | None:
    """The key in the head of a request; None if there is none."""
    values = headers.get(HEADER)
    if values is None:
        return None
    if len(values) > 1:
        raise _invalid("Idempotency-Key is given more than once: give it once.")
    return checked_name(values[0].decode("latin-1").strip())


def checked_name(value: Any) -> str:
    """A key as a client writes it; in quotes, as the draft has it, it is the same as without."""
    name = value[1:-1] if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"' else value
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _invalid("The key is 1 to 255 characters of ASCII without spaces: a UUID is best.")
    return name


def caller_of(caller: Caller | None) -> str:
    """Who asks, as the store knows them: by the id of the API key, or by the name of one of the configuration."""
    return "" if caller is None else caller.id or caller.name


def request_key(caller: str, name: str, send: SendRequest, now: int, hours: float) -> RequestKey:
    """``now`` in ms, by the clock that nobody sets; for so many hours the key is known."""
    asked = {one: value for one in _FIELDS if (value := getattr(send, one)) is not None}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    return RequestKey(caller, name, digest, now, now + int(hours * 3_600_000))


def other_request() -> InvalidRequest:
    return InvalidRequest(
        "idempotency_key_reused",
        "This key was used for another message, and nothing was accepted: give each message a key of its own.",
        status=422,
    )


def _invalid(sentence: str) -> InvalidRequest:
    return InvalidRequest("invalid_idempotency_key", sentence)

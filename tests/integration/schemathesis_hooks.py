"""What schemathesis has to know of this API and no OpenAPI document can say.

- How a body of NDJSON is written: a line for each text.
- That the answer to ``/send`` has a body only for who asks by ``Prefer``. (That it is empty else is tested elsewhere.)
- That a key of a request is for one text: each that could be one is another one here.
- Which channels there are in this installation, and that it allows no host for StatusCallback.
- That SendAt is a time of the next days.
- That a search for both directions goes with nothing that one direction has, and has cursors of its own.
- That an address that comes with many wrong keys is made to wait: each request comes from another one here, by a proxy
  that the connector trusts, if it has keys.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import schemathesis
from schemathesis import GenerationMode

CHANNEL = "smpp"
_KEY = re.compile("[!-~]{1,255}")
_numbers = count(1)


@schemathesis.serializer("application/x-ndjson")
def lines(_context: Any, value: Any) -> bytes:
    written = value if isinstance(value, str) else json.dumps(value)
    return value if isinstance(value, bytes) else written.encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    headers, body, number = case.headers, case.body, next(_numbers)
    headers["X-Forwarded-For"] = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    if case.operation.label == "POST /send":
        headers["Prefer"] = "return=representation"
    if _KEY.fullmatch(headers.get("Idempotency-Key", "")):
        headers["Idempotency-Key"] = f"key-{number}"
    is_good = case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE
    if is_good and isinstance(body, dict):
        as_they_are_here = {"channel": CHANNEL, "StatusCallback": None, "SendAt": _tomorrow()}
        body.update({name: value for name, value in as_they_are_here.items() if isinstance(body.get(name), str)})
    if is_good and case.operation.label == "GET /messages":
        _search_by_one(case.query)


def _tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def _search_by_one(query: Any) -> None:
    is_of_both = "-" in str(query.get("cursor", ""))
    if "with" in query:
        for name in ("to", "from", "state", "reference", "smsc_id"):
            query.pop(name, None)
    if "cursor" in query and is_of_both != ("with" in query):
        query.pop("cursor")

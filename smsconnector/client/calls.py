"""The operations, each as a flow: requests and pauses out, what came of them in, and in the end the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from smsconnector.client import answers
from smsconnector.client.courses import Course, Flow, Reply, Request, json_in
from smsconnector.client.texts import Query, Text, json_of, key_of, parameters

A = TypeVar("A")
JSON = ("Content-Type", "application/json")


@dataclass(frozen=True, slots=True)
class Sent:
    """A text that was accepted, and is on the connector's disk. ``ucs2_because``: the characters because of which it
    goes as UCS-2, and costs more; ``transliterated``: those that were replaced; twenty at most. ``idempotency_key``:
    with it the same text can be sent again, and goes out once."""

    sid: str
    idempotency_key: str
    ucs2_because: str = ""
    transliterated: str = ""


def send(course: Course, text: Text) -> Flow[Sent]:
    key = key_of(text)
    headers = (JSON, ("Idempotency-Key", key))
    reply = yield from course.ask(Request("POST", "/send", (), headers, json_of(text.fields())))
    _check(course, reply)
    sid = reply.headers.get("x-message-sid")
    if not sid:
        raise course.unreadable("a MessageSID")
    because, replaced = (_characters(reply.headers.get(name, "")) for name in ("x-ucs2-because", "x-transliterated"))
    return Sent(sid, key, because, replaced)


def _characters(code_points: str) -> str:
    """``U+2019 U+00EA`` as the characters."""
    try:
        return "".join(chr(int(one.removeprefix("U+"), 16)) for one in code_points.split())
    except (ValueError, OverflowError):
        return ""


def explain(course: Course, text: Text) -> Flow[answers.Explained]:
    reply = yield from course.ask(Request("POST", "/send/explain", (), (JSON,), json_of(text.fields())))
    return _read(course, reply, answers.explained_of, "an explanation")


def message(course: Course, sid: str) -> Flow[answers.Message]:
    reply = yield from course.ask(Request("GET", _path(sid)))
    return _read(course, reply, answers.message_of, "a message")


def timeline(course: Course, sid: str) -> Flow[answers.Timeline]:
    reply = yield from course.ask(Request("GET", f"{_path(sid)}/timeline"))
    return _read(course, reply, answers.timeline_of, "a timeline")


def page(course: Course, query: Query, cursor: str | None) -> Flow[answers.Page]:
    """Of the messages that fit, those behind the cursor, as many as come in one answer."""
    given = parameters(query) + (() if cursor is None else (("cursor", cursor),))
    reply = yield from course.ask(Request("GET", "/messages", given))

    def read(data: Mapping[str, Any]) -> answers.Page:
        """``next`` is a path of the server's own: only its cursor holds for whoever stands before the server too."""
        following = data["next"]
        found = None if following is None else parse_qs(urlsplit(following).query)["cursor"][0]
        if found is not None and found == cursor:
            raise ValueError("it leads in a circle")
        return answers.Page(tuple(answers.message_of(one) for one in data["messages"]), found)

    return _read(course, reply, read, "messages")


def cancel(course: Course, sid: str) -> Flow[answers.Message]:
    """The message, which will not be sent. If an attempt had no answer, "too late" may be due to that very attempt:
    then the message tells."""
    reply = yield from course.ask(Request("DELETE", _path(sid)))
    if reply.status == 409 and course.is_unclear:
        found = yield from message(course, sid)
        if found.state == "cancelled":
            return found
        course.is_unclear = False  # it was not taken back, by this attempt or another
    if reply.status == 200 and not reply.body:  # cancelled, and gone before it could be shown
        found = yield from message(course, sid)
        return found
    return _read(course, reply, answers.message_of, "a message")


def health(course: Course) -> Flow[answers.Health]:
    """503 is an answer too: it says that texts are refused for now, and why."""
    reply = yield from course.ask(Request("GET", "/health", takes_503=True))
    if reply.status == 503:
        said = json_in(reply.body)
        if not isinstance(said, dict) or "accepting" not in said:
            raise course.refusal(reply)
        return answers.health_of(said)
    return _read(course, reply, answers.health_of, "its health")


def _path(sid: str) -> str:
    if not sid or sid in (".", ".."):
        raise ValueError("a MessageSID is needed: Sent.sid has it.")
    return f"/messages/{quote(sid, safe='')}"


def _check(course: Course, reply: Reply) -> None:
    if reply.status != 200:
        raise course.refusal(reply)


def _read(course: Course, reply: Reply, read: Callable[[Mapping[str, Any]], A], what: str) -> A:
    """What the answer says; Refused or Unreadable."""
    _check(course, reply)
    data = json_in(reply.body)
    try:
        if isinstance(data, dict):
            return read(data)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        pass
    raise course.unreadable(what)

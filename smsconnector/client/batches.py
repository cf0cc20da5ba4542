"""Many texts: cut into requests of some hundred, each read to its end before the next.

1. Each text gets an Idempotency-Key, unless it has one.
2. ``Cutter`` collects texts until a request is full. So the connector never waits for the application's next text, and
   the application never for more than one request.
3. ``send_some`` sends them as NDJSON. What has a result is done. What was refused for now, and all of which nothing was
   heard, is sent again with the same keys; a text that was accepted before gets its first result then.
4. Where the connector takes fewer at once, the rest goes in requests that are as small as it wants them.

Texts that were refused for now and come later may be accepted behind others of the batch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from smsconnector.client.courses import FOR_NOW, Course, Flow, Reply, Request, error_in, json_in
from smsconnector.client.errors import Busy, ClientError, Refused
from smsconnector.client.texts import Text, json_of, key_of, text_of

AT_ONCE = 500  # texts in one request
LARGEST = 1_048_576  # octets of one request, unless one text alone is larger
NDJSON = (("Content-Type", "application/x-ndjson"),)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a text of a batch. ``index`` counts from 0. ``sid`` if it was accepted, else ``error``."""

    index: int
    text: Text
    idempotency_key: str
    sid: str | None = None
    error: ClientError | None = None


class Item(NamedTuple):
    """A text with its place in the whole, its key, and its line of NDJSON."""

    number: int
    text: Text
    key: str
    line: bytes


class Batched(NamedTuple):
    """One result for each text, in order. ``error``: nothing more is to be sent."""

    results: list[Result]
    error: ClientError | None


class Cutter:
    """Collects texts into requests. ``most``: texts in one, as far as the connector takes so many."""

    def __init__(self) -> None:
        self.most = AT_ONCE
        self._items: list[Item] = []
        self._octets = self._count = 0

    def put(self, one: Text | Mapping[str, Any]) -> Iterator[list[Item]]:
        """The requests that are full now."""
        text = text_of(one)
        key = key_of(text)
        line = json_of(text.fields() | {"IdempotencyKey": key}) + b"\n"
        if self._items and self._octets + len(line) > LARGEST:
            yield from self.rest()
        self._items.append(Item(self._count, text, key, line))
        self._count, self._octets = self._count + 1, self._octets + len(line)
        if len(self._items) >= self.most:
            yield from self.rest()

    def rest(self) -> Iterator[list[Item]]:
        """What was collected."""
        items, self._items, self._octets = self._items, [], 0
        if items:
            yield items


def send_some(course: Course, cutter: Cutter, items: list[Item]) -> Flow[Batched]:
    """One result for each. What had none when there was no time left has the error that ended it."""
    results: dict[int, Result] = {}
    waiting, error = items, None
    try:
        while waiting:
            sending = waiting[: cutter.most]
            body = b"".join(one.line for one in sending)
            reply = yield from course.once(Request("POST", "/send-batch", (), NDJSON, body, is_lines=True))
            if reply is None:
                continue
            refusal = _Reading(course, cutter, sending, results).read(reply)
            before, waiting = waiting, [one for one in waiting if one.number not in results]
            if len(waiting) < len(before):
                course.attempts = 0
            if reply.lost or refusal is not None:
                course.is_unclear = course.is_unclear or bool(reply.lost)
                yield from course.pause(reply, refusal)
    except ClientError as ended:
        error = ended
    undone = {one.number: Result(one.number, one.text, one.key, error=error) for one in waiting}
    return Batched([results.get(one.number) or undone[one.number] for one in items], error)


class _Reading:
    """One answer: ``results`` are added to."""

    def __init__(self, course: Course, cutter: Cutter, sending: list[Item], results: dict[int, Result]) -> None:
        self._course, self._cutter, self._sending, self._results = course, cutter, sending, results
        self._is_stopped = False

    def read(self, reply: Reply) -> Refused | None:
        """What some were refused with for now; None if none was. Raises what ends the batch."""
        if reply.status == 413:
            self._cutter.most = len(self._sending) // 2 or AT_ONCE
            if len(self._sending) == 1:  # so it was this text, and not the number of them
                self._done(self._sending[0], None, self._course.refusal(reply))
            return None
        if reply.status != 200:
            raise self._course.refusal(reply)
        lines = reply.body.split(b"\n")
        if reply.lost:
            lines.pop()  # it may be torn
        told = [self._told(json_in(line)) for line in lines if line.strip()]
        if len(told) < len(self._sending) and not (self._is_stopped or reply.lost):
            raise self._course.unreadable("a result for each text")
        return next((one for one in told if one is not None), None)

    def _told(self, said: Any) -> Refused | None:
        """Of one line: what its text was refused with for now."""
        index, status = (said.get("index"), said.get("status")) if isinstance(said, dict) else (None, None)
        if not isinstance(index, int) or not isinstance(status, int) or not 0 <= index <= len(self._sending):
            raise self._course.unreadable("results")
        error = None if status == 200 else error_in(status, said.get("error"))
        if said.get("stopped"):
            self._is_stopped = True
            if status == 413 and 0 < index < len(self._sending):
                self._cutter.most = index
                return None
            if error is not None and status in FOR_NOW:
                return error
            raise error or self._course.unreadable("results")
        if index == len(self._sending) or (status != 200 and error is None):
            raise self._course.unreadable("results")
        if isinstance(error, Busy):
            return error
        item, sid = self._sending[index], said.get("MessageSID")
        if status == 200 and not (isinstance(sid, str) and sid):
            raise self._course.unreadable("a MessageSID")
        self._done(item, sid if status == 200 else None, error)
        return None

    def _done(self, item: Item, sid: str | None, error: ClientError | None) -> None:
        self._results[item.number] = Result(item.number, item.text, item.key, sid, error)

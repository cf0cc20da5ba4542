"""``POST /send-batch``: many messages in one request, each accepted or refused by itself.

1. ``Batches.stream`` looks at the head: what kind of body it is, and whether anything is accepted now.
2. ``Batch.received`` cuts what comes into items (``batch_items``, ``recipients``). Each goes the way of ``/send``: the
   same checks, the same error codes. What is read in one turn is put to the writer in one turn, so it shares a
   commit. After AT_ONCE items other connections have their turn.
3. No more than MOST_UNDER_WAY messages wait for their commits. Until there is room the body waits, and so does the
   client.
4. Each item has its result, in the order of the items: the MessageSID after the commit, or the error. A result is
   written when all before it are.
5. What was committed is accepted, whether the client still hears of it or not. Where the body breaks off or breaks,
   what came before stands; a last result, which is no item's and is marked ``stopped``, says so.

The status is 200: it is sent with the first results, when nobody knows yet what becomes of the others. Each result has
the status that ``/send`` would have given. Where nothing was read as an item, the whole request has that status.
"""

import json
from collections import deque
from collections.abc import Callable
from typing import Protocol

from smsconnector.access.keys import Caller
from smsconnector.errors import InvalidRequest, StoreError
from smsconnector.http import idempotency, replies
from smsconnector.http.answers import (
    AnswerInPieces,
    Collected,
    GiveAnswer,
    HTTPRequest,
)
from smsconnector.http.auth import NotForThisKey
from smsconnector.http.batch_items import Elements, Lines
from smsconnector.http.idempotency import FIELD
from smsconnector.http.recipients import Recipients
from smsconnector.http.requests import Fields, NotJSON, SendRequest, json_object, read_send
from smsconnector.http.send import Send, closed, past
from smsconnector.messages import Message
from smsconnector.sms.segmentation import Split
from smsconnector.store.repeats import First
from smsconnector.walks.admission import Gate
from smsconnector.walks.once import accept_once
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.submitter import Submitter

MOST_UNDER_WAY = 1_000  # messages of one batch that wait for their commits
AT_ONCE = 400  # items that are looked at in one turn of the reactor: some milliseconds, then others have theirs
LONGEST_OBJECT = 1_048_576  # octets of an object with recipients, which is read as a whole
ONE_READ = 65_536  # octets that a batch has in memory, beside an item and what it keeps of its answer
NDJSON = (b"Content-Type", b"application/x-ndjson")
_NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
_CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii")


class BatchSettings(Protocol):
    """What the configuration says of batches: items of one, octets of its body, and octets of one item."""

    @property
    def maximum_batch(self) -> int: ...

    @property
    def maximum_batch_body(self) -> int: ...

    @property
    def maximum_body(self) -> int: ...


class Result:
    """Of one item. ``octets`` are b"" until it is there."""

    __slots__ = ("octets",)

    def __init__(self) -> None:
        self.octets = b""


class Batches:
    """The route. ``send`` makes messages of what is asked. ``charge`` counts an item against the rate of the caller's
    key, and raises InvalidRequest for one that is beyond it."""

    def __init__(
        self,
        send: Send,
        gate: Gate,
        settings: BatchSettings,
        charge: Callable[[Caller | None], None] = lambda caller: None,
    ) -> None:
        self.send, self.gate, self.settings, self.charge = send, gate, settings, charge

    def stream(self, request: HTTPRequest, answer: AnswerInPieces) -> "Batch":
        """Raises InvalidRequest if nothing of it can be accepted."""
        code, reason = self.gate.answer()
        if code:
            raise closed(code, reason)
        _check_encodings(request)
        if idempotency.HEADER in request.headers:
            raise InvalidRequest(
                "invalid_idempotency_key",
                f"A key is of one message: leave Idempotency-Key out, and give each item its own {FIELD}.",
            )
        lengths = request.headers.get(b"content-length", (b"",))
        if lengths[0].isdigit() and int(lengths[0]) > self.settings.maximum_batch_body:
            raise self.too_large()
        if not answer.take(self.settings.maximum_body + ONE_READ):
            raise InvalidRequest(
                "overloaded", "Too many batches are under way: nothing was accepted, try again later.", status=503
            )
        is_lines = request.content_type.partition(";")[0].strip().lower() in _NDJSON_TYPES
        return Batch(self, request, answer, is_lines)

    def post(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """One that was read as a whole, because its path is written in an unusual way."""
        collected = Collected(answer)
        batch = self.stream(request, collected)
        batch.received(request.body)
        batch.ended()

    def too_large(self, what_stands: str = "") -> InvalidRequest:
        sentence = f"The body is longer than {self.settings.maximum_batch_body} octets: send less.{what_stands}"
        return InvalidRequest("body_too_large", sentence, status=413)


class Batch:
    """One batch. ``is_lines``: NDJSON."""

    def __init__(self, batches: Batches, request: HTTPRequest, answer: AnswerInPieces, is_lines: bool) -> None:
        self._caller = request.caller
        self._batches, self._answer, self._settings = batches, answer, batches.settings
        self._reader: Lines | Elements | Recipients | None = Lines(self._settings.maximum_body) if is_lines else None
        self._is_lines = is_lines
        self._pieces: deque[bytes] = deque()  # that were not put to the reader yet
        self._results: deque[Result] = deque()  # not written yet
        self._octets = self._count = self._under_way = 0
        self._has_ended = False  # all of the body has come
        self._is_read = False  # there are no more items
        self._is_begun = self._is_over = False
        self._is_pulling = self._is_paused = self._is_due = False
        self._is_told = False  # ``_written`` will be called
        self._now = 0, 0  # both readings of the clock (ms), for what is accepted in this turn
        self._last_cut: tuple[Outlet | None, str, Split | None] = None, "", None

    # --- the body -------------------------------------------------------------------------------------------

    def received(self, octets: bytes) -> None:
        self._octets += len(octets)
        if self._is_read or self._is_over:
            return
        self._pieces.append(octets)
        if not self._is_paused:
            self._pull()

    def ended(self) -> None:
        self._has_ended = True
        if not (self._is_read or self._is_over or self._is_paused):
            self._pull()

    def lost(self) -> None:
        """What is under way goes its way."""
        self._is_over = True
        self._pieces.clear()
        self._results.clear()

    def _pull(self) -> None:
        """Take the items that are there, as many as may be under way."""
        if self._is_pulling or self._is_read or self._is_over:
            return
        self._is_pulling = True
        first, closed, self._now = self._count, self._closed(), self._batches.send.wall_clock.both_milliseconds()
        try:
            while self._under_way < MOST_UNDER_WAY and self._count - first < AT_ONCE:
                item = self._next()
                if item is None:
                    break
                if self._count >= self._settings.maximum_batch:
                    raise self._too_many()
                self._take(item, closed)
        except InvalidRequest as error:
            self._end_with(error)
        self._is_pulling = False
        if self._count > first:
            self._answer.progress()
        waits = not self._is_read and (self._under_way >= MOST_UNDER_WAY or self._count - first >= AT_ONCE)
        if waits != self._is_paused:
            self._is_paused = waits
            (self._answer.pause if waits else self._answer.resume)()
        if waits and self._under_way < MOST_UNDER_WAY and not self._is_due:
            self._is_due = True
            self._answer.soon(self._go_on)
        self._flush()

    def _go_on(self) -> None:
        self._is_due = False
        self._pull()

    def _closed(self) -> InvalidRequest | None:
        code, reason = self._batches.gate.answer()
        return closed(code, reason) if code else None

    def _next(self) -> bytes | Fields | InvalidRequest | None:
        """The next item; None if more has to come, or there are no more. Raises InvalidRequest if nobody can tell where
        it ends, or if what comes is too much."""
        while True:
            item = self._reader.next() if self._reader is not None else None
            if item is not None:
                return item
            if self._octets > self._settings.maximum_batch_body:
                raise self._batches.too_large(" The items before this one stand, and nothing from here on was read.")
            if self._pieces:
                self._put(self._pieces.popleft())
            elif not self._has_ended or self._is_read:
                return None
            elif self._reader is None:
                raise InvalidRequest(
                    "malformed_json", "The body is empty: send a JSON array, NDJSON, or an object with recipients."
                )
            else:
                self._reader.close()
                item = self._reader.next()
                self._is_read = item is None or not isinstance(self._reader, Recipients)
                if item is not None:
                    return item

    def _put(self, octets: bytes) -> None:
        if self._reader is None:
            begin = octets.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
            if not begin:
                return
            octets = begin
            if begin[:1] == b"[":
                self._reader = Elements(self._settings.maximum_body)
            elif begin[:1] == b"{":
                self._reader = Recipients(min(LONGEST_OBJECT, self._settings.maximum_batch_body))
            else:
                raise InvalidRequest(
                    "malformed_json",
                    "The body must be a JSON array of messages, an object with a list of recipients, or one message a"
                    " line as Content-Type: application/x-ndjson.",
                )
        if isinstance(self._reader, Recipients) and not self._answer.take(len(octets)):
            raise InvalidRequest(
                "overloaded", "Too many batches are under way: nothing was accepted, try again later.", status=503
            )
        self._reader.put(octets)

    # --- items ----------------------------------------------------------------------------------------------

    def _take(self, item: bytes | Fields | InvalidRequest, closed: InvalidRequest | None) -> None:
        """Accept or refuse it."""
        index, result = self._count, Result()
        self._count += 1
        self._results.append(result)
        try:
            if closed is not None:
                raise closed
            if index:  # the first one was counted with the request
                self._batches.charge(self._caller)
            if isinstance(item, InvalidRequest):
                raise item
            self._accept(json_object(item) if isinstance(item, bytes) else item, index, result)
        except NotJSON as error:
            result.octets = refused(index, error)
            if isinstance(self._reader, Elements):
                raise InvalidRequest(
                    "malformed_json",
                    f"The array is broken at item {index}, which is no JSON. What came before stands, and nothing"
                    " behind it was read.",
                ) from None
        except InvalidRequest as error:
            result.octets = refused(index, error)

    def _accept(self, fields: Fields, index: int, result: Result) -> None:
        send = read_send(fields)
        name = fields.clear_value(FIELD) if FIELD in fields else None
        try:
            message, submitter, _ = self._batches.send.message_of(send, self._now, self._cut, self._caller)
        except InvalidRequest as error:
            if name is None or isinstance(error, NotForThisKey):
                raise
            self._answer_again(idempotency.checked_name(name), send, error, index, result)
            return
        if name is not None:
            self._accept_once(idempotency.checked_name(name), send, message, submitter, index, result)
            return
        if send.send_at is not None and self._batches.send.is_past(send):
            raise past()
        sid = message.sid

        def written(error: StoreError | None) -> None:
            self._under_way -= 1
            if error is None:
                self._batches.send.accepted_from(self._caller)
                result.octets = accepted(index, sid)
            else:
                self._failed(error, index, result)
            self._tell_later(submitter)

        self._under_way += 1
        submitter.accept(message, written)

    def _accept_once(
        self, name: str, send: SendRequest, message: Message, submitter: Submitter, index: int, result: Result
    ) -> None:
        def written(first: First | None, error: StoreError | None) -> None:
            self._under_way -= 1
            if first is None:
                self._failed(error, index, result)
            elif first.sid is None:
                result.octets = refused(index, past())
            elif first.digest != key.digest:
                result.octets = refused(index, idempotency.other_request())
            else:
                if first.sid == message.sid:
                    self._batches.send.accepted_from(self._caller)
                result.octets = accepted(index, first.sid)
            self._tell_later(submitter)

        key = self._batches.send.key_of(idempotency.caller_of(self._caller), name, send)
        self._under_way += 1
        accept_once(submitter, message, key, written, only_again=self._batches.send.is_past(send))

    def _answer_again(self, name: str, send: SendRequest, error: InvalidRequest, index: int, result: Result) -> None:
        """It would be refused now, with ``error``; if it was accepted before, it gets the first answer."""

        def found(first: First | InvalidRequest) -> None:
            self._under_way -= 1
            result.octets = accepted(index, first.sid or "") if isinstance(first, First) else refused(index, first)
            self._written()

        self._under_way += 1
        self._batches.send.find_first(idempotency.caller_of(self._caller), name, send, error, found)

    def _failed(self, error: StoreError | None, index: int, result: Result) -> None:
        if error is not None:
            self._batches.gate.failed(error)
        result.octets = refused(index, replies.STORE_ERROR)

    def _cut(self, outlet: Outlet, text: str) -> Split:
        """As ``Outlet.cut``. Of a batch many texts are the same."""
        last_outlet, last_text, split = self._last_cut
        if text != last_text or outlet is not last_outlet or split is None:
            split = outlet.cut(text)
            self._last_cut = outlet, text, split
        return split

    def _tell_later(self, submitter: Submitter) -> None:
        """Once, when all answers of the commit are given."""
        if not self._is_told:
            self._is_told = True
            submitter.backlog.afterwards(self._written)

    def _written(self) -> None:
        """A commit has been answered."""
        self._is_told = False
        if self._is_over:
            return
        if self._is_paused and self._under_way <= MOST_UNDER_WAY // 2:
            self._pull()
        else:
            self._flush()

    # --- results --------------------------------------------------------------------------------------------

    def _too_many(self) -> InvalidRequest:
        return InvalidRequest(
            "batch_too_long",
            f"A batch may have {self._settings.maximum_batch} items. Those before this one stand, and nothing from here"
            " on was read: send it in another batch.",
            status=413,
        )

    def _end_with(self, error: InvalidRequest) -> None:
        """Nothing more is read."""
        self._is_read = True
        self._pieces.clear()
        if not self._count:
            self._is_over = True
            self._answer.whole(replies.refusal(error))
            return
        last = Result()
        last.octets = refused(self._count, error, is_last=True)
        self._results.append(last)

    def _flush(self) -> None:
        """Write the results that are there, up to the first that is not."""
        if self._is_over or self._is_pulling:
            return
        ready, results = [], self._results
        while results and results[0].octets:
            ready.append(results.popleft().octets)
        is_last = self._is_read and not results
        if not (ready or is_last):
            return
        if self._is_lines:
            begin, between, end = b"", b"\n", b"\n" if ready else b""
        else:
            begin, between, end = b",\n" if self._is_begun else b"[\n", b",\n", b"\n]\n" if is_last else b""
            if not ready:
                begin = b"" if self._is_begun else b"["
                end = b"]\n" if not self._is_begun else end
        if not self._is_begun:
            self._is_begun = True
            self._answer.begin((NDJSON if self._is_lines else replies.JSON,))
        self._answer.write(begin + between.join(ready) + end)
        if is_last:
            self._is_over = True
            self._answer.finish()


def accepted(index: int, sid: str) -> bytes:
    """The result of an item that is on disk."""
    return b'{"index": %d, "status": 200, "MessageSID": "%s"}' % (index, sid.encode())


def refused(index: int, error: InvalidRequest, *, is_last: bool = False) -> bytes:
    """The result of an item that was not accepted. ``is_last``: of what is no item, because nothing from there on was
    read."""
    said = {"code": error.code, "message": error.message, "field": error.field}
    result = {"index": index, "status": error.status, "error": said} | ({"stopped": True} if is_last else {})
    return json.dumps(result, ensure_ascii=False).encode("utf-8", "replace")


def _check_encodings(request: HTTPRequest) -> None:
    """Raises InvalidRequest: only plain UTF-8 can be read while it comes."""
    coding = b",".join(request.headers.get(b"content-encoding", ())).strip().lower()
    if coding not in (b"", b"identity"):
        raise InvalidRequest(
            "unsupported_encoding",
            "A batch can't be compressed: leave Content-Encoding out.",
            status=415,
            headers=((b"Accept-Encoding", b"identity"),),
        )
    for parameter in request.content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(" \"'").lower() not in _CHARSETS:
            raise InvalidRequest("wrong_encoding", "A batch has to be UTF-8: write it so, and leave charset out.")

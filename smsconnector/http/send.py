"""``POST /send``: an application's text becomes a message on disk, and then the application is told.

1. The gate says whether anything can be accepted now.
2. ``parse_send`` reads the body and checks it. Channel and number decide which submitter takes the text; the text is
   split into segments.
3. The submitter writes the message. The answer is given after the commit, never before.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from smsconnector.access.keys import Caller
from smsconnector.errors import InvalidRequest, StoreError, TextError
from smsconnector.http import idempotency, replies, resources
from smsconnector.http.answers import Answer, GiveAnswer, Headers, HTTPRequest
from smsconnector.http.auth import NotForThisKey, check_channel
from smsconnector.http.requests import BULK, SendRequest, international, parse_send, text_refused
from smsconnector.messages import Callback, Message, new_sid
from smsconnector.sinks.webhook.urls import place_of
from smsconnector.sms.segmentation import Split
from smsconnector.store import operations as ops
from smsconnector.store.finding import FoundMessage
from smsconnector.store.reader import IReader
from smsconnector.store.repeats import FindFirst, First, RequestKey
from smsconnector.walks.admission import Gate
from smsconnector.walks.once import accept_once
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.submitter import Submitter
from smsconnector.wall_clock import WallClock

Cut = Callable[[Outlet, str], Split]
REPRESENTATION = b"return=representation"  # a value of the header Prefer (RFC 7240 section 4.2)


PAST_MS = 300_000  # how long ago SendAt may be: clocks differ
SCHEDULE_AHEAD = 3_024_000.0  # seconds: 35 days

AcceptedFrom = Callable[[Caller | None], None]


class Send:
    """The handler of ``/send``. ``outlets`` are the channels by their names; ``messages_path`` is the path below which
    a message is found by its MessageSID; ``idempotency_hours`` is how long a request's key is known;
    ``schedule_ahead`` is how far ahead SendAt may be (s); ``callback_hosts`` are those to which a report may be posted.
    ``accepted_from`` is told of each message whose it is."""

    def __init__(
        self,
        *,
        wall_clock: WallClock,
        outlets: Mapping[str, Outlet],
        default_channel: str,
        gate: Gate,
        reader: IReader,
        messages_path: str,
        idempotency_hours: float = 24.0,
        schedule_ahead: float = SCHEDULE_AHEAD,
        callback_hosts: Collection[str] = (),
        accepted_from: AcceptedFrom = lambda caller: None,
    ) -> None:
        self.wall_clock, self._outlets, self.default_channel = wall_clock, outlets, default_channel
        self._gate, self._reader, self._messages_path = gate, reader, messages_path.encode()
        self._idempotency_hours, self._ahead_ms = idempotency_hours, int(schedule_ahead * 1000)
        self._callback_hosts = callback_hosts
        self.accepted_from = accepted_from

    def post(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """200 after the commit, with the MessageSID and where to ask for the message. 503 if the gate is closed or
        the store can't write, 400 if the body is not right: then nothing was accepted."""
        code, reason = self._gate.answer()
        if code:
            raise closed(code, reason)
        send = parse_send(request.body, request.content_type)
        preferences = request.headers.get(b"prefer")
        with_body = preferences is not None and REPRESENTATION in b",".join(preferences)
        is_keyed = idempotency.HEADER in request.headers
        try:
            message, submitter, split = self.message_of(
                send, self.wall_clock.both_milliseconds(), Outlet.cut, request.caller
            )
        except InvalidRequest as error:
            if not is_keyed or isinstance(error, NotForThisKey):
                raise
            self._answer_again(request, send, error, with_body, answer)
            return
        if is_keyed:
            self._accept_once(request, send, (message, submitter, split), with_body, answer)
            return
        if send.send_at is not None and self.is_past(send):
            raise past()

        def written(error: StoreError | None) -> None:
            if error is None:
                self.accepted_from(request.caller)
                answer(self._accepted(message, split, with_body))
            else:
                self._gate.failed(error)
                answer(replies.STORE_FAILED)

        submitter.accept(message, written)

    def _accept_once(
        self,
        request: HTTPRequest,
        send: SendRequest,
        made: tuple[Message, Submitter, Split],
        with_body: bool,
        answer: GiveAnswer,
    ) -> None:
        """As ``post``, but a request that comes again is answered as the first one was, and 422 if it asks for
        something else."""
        message, submitter, split = made
        name = idempotency.name_in(request.headers) or ""

        def written(first: First | None, error: StoreError | None) -> None:
            if first is None:
                if error is not None:
                    self._gate.failed(error)
                answer(replies.STORE_FAILED)
            elif first.sid is None:
                answer(replies.refusal(past()))
            elif first.digest != key.digest:
                answer(replies.refusal(idempotency.other_request()))
            else:
                if first.sid == message.sid:
                    self.accepted_from(request.caller)
                answer(self._accepted(as_first(message, first, send), split, with_body))

        key = self.key_of(idempotency.caller_of(request.caller), name, send)
        accept_once(submitter, message, key, written, only_again=self.is_past(send))

    def _answer_again(
        self, request: HTTPRequest, send: SendRequest, error: InvalidRequest, with_body: bool, answer: GiveAnswer
    ) -> None:
        """``error`` is why it would be refused now. If it was accepted before, it gets the first answer."""

        def found(first: First | InvalidRequest) -> None:
            if isinstance(first, InvalidRequest):
                answer(replies.refusal(first))
            elif with_body:
                self._reader.put(ops.Find(first.sid or ""), partial(shown, first))
            else:
                answer(Answer(200, self._told(first.sid or "")))

        def shown(first: First, row: FoundMessage | None, _error: StoreError | None) -> None:
            headers = self._told(first.sid or "")
            if row is None:  # it is not kept any more
                answer(Answer(200, headers))
                return
            row = row._replace(accepted_at=first.accepted_at, expires_at=first.expires_at)
            answer(_with_body(row, [one.text for one in row.segments], headers))

        name = idempotency.name_in(request.headers) or ""
        self.find_first(idempotency.caller_of(request.caller), name, send, error, found)

    def find_first(
        self,
        caller: str,
        name: str,
        send: SendRequest,
        error: InvalidRequest,
        done: Callable[[First | InvalidRequest], None],
    ) -> None:
        """For a request with a key that would be refused with ``error`` now: ``done`` is called with what the key has
        made, or with the refusal."""
        key = self.key_of(caller, name, send)

        def found(first: First | None, _error: StoreError | None) -> None:
            is_other = first is not None and first.digest != key.digest
            done(error if first is None else idempotency.other_request() if is_other else first)

        self._reader.put(FindFirst(key), found)

    def is_past(self, send: SendRequest) -> bool:
        """Whether its SendAt is over, so that only what was accepted before may be asked for."""
        return send.send_at is not None and send.send_at < self.wall_clock.milliseconds() - PAST_MS

    def key_of(self, caller: str, name: str, send: SendRequest) -> RequestKey:
        """What the store has to know of a request with a key."""
        now_ms = self.wall_clock.steady_milliseconds()
        return idempotency.request_key(caller, name, send, now_ms, self._idempotency_hours)

    def message_of(
        self, send: SendRequest, now: tuple[int, int], cut: Cut, caller: Caller | None = None
    ) -> tuple[Message, Submitter, Split]:
        """The message, who takes it, and how its text was split; InvalidRequest if that can't be. ``now``: both
        readings of the clock (ms), see ``WallClock.both_milliseconds``."""
        channel = send.channel or self.default_channel
        if caller is not None:
            check_channel(caller, channel)
        outlet = self._outlets.get(channel)
        if outlet is None:
            raise InvalidRequest(
                "unknown_channel", f"There is no such channel; there is: {', '.join(self._outlets)}.", "channel"
            )
        destination = international(send.to, outlet.default_country, "To")
        submitter = outlet.submitter(destination)
        if submitter is None:
            raise InvalidRequest("unroutable_number", "No bind of this channel serves this number.", "To")
        try:
            split = cut(outlet, send.body)
        except TextError as error:
            raise text_refused(error) from None
        is_bulk = outlet.is_bulk if send.priority is None else send.priority == BULK
        if is_bulk and (full := self._gate.refuses_bulk()):
            raise closed("overloaded", full)
        now_ms, steady_ms = now
        send_at, begins = None, steady_ms
        if send.send_at is not None:
            send_at, begins = self._begins(send.send_at, now_ms, steady_ms)
        lifetime_s = outlet.lifetime if send.validity_s is None else min(outlet.lifetime, send.validity_s)
        message = Message(
            sid=new_sid(now_ms),
            channel=channel,
            source=send.source,
            destination=destination,
            alphabet=split.alphabet,
            segments=split.segments,
            accepted_at=now_ms,
            expires_at=begins + int(lifetime_s * 1000),
            is_limited=send.validity_s is not None,
            reference=send.reference,
            accepted_by=None if caller is None else caller.name,
            is_bulk=is_bulk,
            send_at=send_at,
            callback=None if send.status_callback is None else self._callback(send.status_callback),
        )
        return message, submitter, split

    def _begins(self, send_at: int, now_ms: int, steady_ms: int) -> tuple[int | None, int]:
        """When it is sent, None for at once; and when its lifetime begins. That of a scheduled text is a time of day,
        and follows the clock until the text is due (``walks.scheduling``)."""
        if send_at <= now_ms:
            return None, steady_ms
        if send_at > now_ms + self._ahead_ms:
            days = f"{self._ahead_ms / 86_400_000:g}"
            raise InvalidRequest(
                "send_at_too_far", f"SendAt is more than {days} days ahead: send it again later.", "SendAt"
            )
        return send_at, send_at

    def _callback(self, url: str) -> Callback:
        """InvalidRequest if its host is not allowed."""
        host = place_of(url)
        if host not in self._callback_hosts:
            raise InvalidRequest(
                "callback_not_allowed",
                "StatusCallback leads to a host that is not allowed: the operator can add it to"
                " status_callbacks.hosts in the connector's configuration.",
                "StatusCallback",
            )
        return Callback(host, url)

    def _accepted(self, message: Message, split: Split, with_body: bool) -> Answer:
        """``with_body``: the client wants the message resource in the answer."""
        headers = self._told(message.sid) + replies.text_headers(split)
        return _with_body(message, message.segments, headers) if with_body else Answer(200, headers)

    def _told(self, sid: str) -> Headers:
        """Which message it is."""
        octets = sid.encode()
        return (b"X-Message-SID", octets), (b"Location", self._messages_path + octets)


def _with_body(message: Message | FoundMessage, texts: Sequence[str], headers: Headers) -> Answer:
    shown = resources.representation(message, texts)
    return replies.json_answer(shown, headers=(*headers, (b"Preference-Applied", REPRESENTATION)))


def as_first(message: Message, first: First, send: SendRequest) -> Message:
    """The message that was made of the same request before. Its SendAt may be over since."""
    was_later = send.send_at is not None and send.send_at > first.accepted_at
    return replace(
        message,
        sid=first.sid or "",
        accepted_at=first.accepted_at,
        expires_at=first.expires_at,
        send_at=send.send_at if was_later else None,
    )


def past() -> InvalidRequest:
    return InvalidRequest(
        "send_at_past",
        f"SendAt is more than {PAST_MS // 60_000} minutes ago, and nothing was accepted: leave it out to send now.",
        "SendAt",
    )


def closed(code: str, reason: str) -> InvalidRequest:
    """What the gate says, as the client's error."""
    return InvalidRequest(code, f"{reason} Nothing was accepted: try again later.", status=503)

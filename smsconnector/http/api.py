"""The contract's routes, by Klein: ``send``, ``receive``, ``delivery-notification`` and the message resource.

1. ``requests`` reads and checks the body; ``segmentation`` picks the alphabet and splits the text.
2. The walk behind the route (submitter, receiver) writes it; the answer is given after the commit, never before.
3. What goes wrong is JSON: 400 and its kin say which field and what to do, 503 that nothing was accepted, 500 that
   it is our fault and in the log.
"""

from collections.abc import Callable, Mapping
from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from smsconnector.errors import InvalidRequest, StoreError, TextError
from smsconnector.http import replies
from smsconnector.http.auth import KeyRing
from smsconnector.http.requests import SendRequest, parse_notification, parse_receive, parse_send, text_refused
from smsconnector.http.site import BoundedRequest, Routes, too_large
from smsconnector.messages import IncomingSegment, Message, Receipt, new_sid
from smsconnector.sms.segmentation import Split
from smsconnector.store import operations as ops
from smsconnector.store.reader import IReader
from smsconnector.walks.admission import Gate
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.receiver import Receiver
from smsconnector.walks.submitter import Submitter

ERRORS = (InvalidRequest, HTTPException, Exception)


class API:
    """``resource`` is what a site serves."""

    log = Logger()

    def __init__(
        self,
        wall_clock: Callable[[], float],
        outlets: Mapping[str, Outlet],
        default_channel: str,
        webhook_channel: str,
        receiver: Receiver,
        reader: IReader,
        keys: KeyRing,
        base_path: str,
        gate: Gate | None = None,
        health: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._wall_clock, self._outlets, self._default_channel = wall_clock, outlets, default_channel
        self._webhook_channel, self._receiver, self._reader = webhook_channel, receiver, reader
        self._keys, self._base_path, self._gate, self._health_of = (keys, base_path, gate or Gate(), health)
        self._app = Klein()
        self._route("/send", "POST", self._send)
        self._route("/receive", "POST", self._receive)
        self._route("/delivery-notification", "POST", self._notification)
        self._route("/<channel>/receive", "POST", self._receive, root=False)
        self._route("/<channel>/delivery-notification", "POST", self._notification, root=False)
        self._route("/messages/<sid>", "GET", self._message, root=False)
        self._route("/health", "GET", self._health)
        on_error: Any = self._failed
        self._app.handle_errors(*ERRORS)(on_error)

    @property
    def resource(self) -> Any:
        return Routes(self._app, self._failed)

    def _route(self, path: str, method: str, handler: Callable[..., Any], root: bool = True) -> None:
        """Under the base path, and at the root too where the document shows both."""

        def guarded(request: BoundedRequest, **arguments: str) -> Any:
            self._keys.check(request)
            if request.too_long:
                raise too_large(request.maximum_body)
            return handler(request, **arguments)

        for prefix in (self._base_path, "") if root else (self._base_path,):
            self._app.route(prefix + path, endpoint=prefix + path, methods=[method], strict_slashes=False)(guarded)

    # --- /send ----------------------------------------------------------------------------------------------

    def _send(self, request: BoundedRequest) -> "Deferred[bytes]":
        code, refusal = self._gate.answer()
        if code:
            raise InvalidRequest(code, f"{refusal} Nothing was accepted: try again later.", status=503)
        message, submitter, split = self._message_of(parse_send(request.body()))
        wants_body = b"return=representation" in b",".join(request.requestHeaders.getRawHeaders(b"prefer", []))

        def accepted() -> bytes:
            request.setHeader("X-Message-SID", message.sid)
            request.setHeader("Location", f"{self._base_path}/messages/{message.sid}")
            replies.say_what_changed(request, split)
            if wants_body:
                request.setHeader("Preference-Applied", "return=representation")
                return replies.give(request, replies.representation(message))
            return replies.nothing(request)

        return self._when_written(lambda done: submitter.accept(message, done), accepted)

    def _message_of(self, send: SendRequest) -> tuple[Message, Submitter, Split]:
        channel = send.channel or self._default_channel
        outlet = self._outlets.get(channel)
        if outlet is None:
            raise InvalidRequest(
                "unknown_channel", f"There is no such channel; there is: {', '.join(self._outlets)}.", "channel"
            )
        submitter = outlet.submitter(send.to)
        if submitter is None:
            raise InvalidRequest("unroutable_number", "No bind of this channel serves this number.", "To")
        try:
            split = outlet.cut(send.body)
        except TextError as error:
            raise text_refused(error) from None
        now = int(self._wall_clock() * 1000)
        lifetime = outlet.lifetime if send.validity is None else min(outlet.lifetime, send.validity)
        expires_at = now + int(lifetime * 1000)
        message = Message(
            new_sid(now),
            channel,
            send.source,
            send.to,
            split.alphabet,
            split.segments,
            now,
            expires_at,
            send.validity is not None,
        )
        return message, submitter, split

    # --- webhooks -------------------------------------------------------------------------------------------

    def _receive(self, request: BoundedRequest, channel: str | None = None) -> "Deferred[bytes]":
        channel = self._webhook(channel)
        form = parse_receive(request.body(), request.content_type())
        now = int(self._wall_clock() * 1000)
        text = IncomingSegment(channel, channel, form.source, form.destination, form.body, now, sid=form.sid)
        return self._when_written(lambda done: self._receiver.incoming(text, done), lambda: replies.nothing(request))

    def _notification(self, request: BoundedRequest, channel: str | None = None) -> "Deferred[bytes]":
        channel = self._webhook(channel)
        form = parse_notification(request.body(), request.content_type())
        now = int(self._wall_clock() * 1000)
        receipt = Receipt(channel, form.sid, form.finality, form.code, form.status, now)
        return self._when_written(
            lambda done: self._receiver.notified(receipt, channel, done), lambda: replies.nothing(request)
        )

    def _webhook(self, channel: str | None) -> str:
        if channel is not None and channel not in self._outlets and channel != self._webhook_channel:
            raise InvalidRequest("not_found", "There is no such channel.", status=404)
        return channel or self._webhook_channel

    def _when_written(
        self, write: Callable[[Callable[[StoreError | None], None]], None], answer: Callable[[], bytes]
    ) -> "Deferred[bytes]":
        """The answer, when what ``write`` was asked to write is on disk."""
        deferred: Deferred[bytes] = Deferred()

        def done(error: StoreError | None) -> None:
            if error is None:
                deferred.callback(answer())
            else:
                self._gate.failed(error)
                deferred.errback(_unavailable(error))

        write(done)
        return deferred

    # --- health ---------------------------------------------------------------------------------------------

    def _health(self, request: BoundedRequest) -> bytes:
        """200 while texts are accepted, else 503 with the reason."""
        refusal = self._gate.refusal()
        if refusal:
            request.setResponseCode(503)
        return replies.give(request, {"accepting": not refusal, "reason": refusal or None} | self._health_of())

    # --- the message resource -------------------------------------------------------------------------------

    def _message(self, request: BoundedRequest, sid: str) -> "Deferred[bytes]":
        answer: Deferred[bytes] = Deferred()

        def found(row: ops.FoundMessage | None, error: StoreError | None) -> None:
            if error is not None:
                answer.errback(_unavailable(error))
            elif row is None:
                answer.errback(InvalidRequest("not_found", "There is no message with this MessageSID.", status=404))
            else:
                answer.callback(replies.give(request, replies.found(row)))

        self._reader.put(ops.Find(sid), found)
        return answer

    # --- errors ---------------------------------------------------------------------------------------------

    def _failed(self, request: Request, failure: Failure) -> bytes:
        error = failure.value
        if isinstance(error, InvalidRequest):
            return replies.refuse(request, error)
        if isinstance(error, MethodNotAllowed):
            allowed = ", ".join(sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"}))
            request.setHeader("Allow", allowed)
            return replies.refuse(
                request, InvalidRequest("method_not_allowed", f"Use the method {allowed} here.", status=405)
            )
        if isinstance(error, HTTPException):
            status = error.code if error.code and error.code < 500 and error.code >= 400 else 404
            return replies.refuse(
                request,
                InvalidRequest("not_found", f"There is nothing here: see {self._base_path}/send.", status=status),
            )
        self.log.failure("a request to {path} failed", failure, path=request.path)
        return replies.refuse(
            request, InvalidRequest("internal_error", "Internal error: see the connector's log.", status=500)
        )


def _unavailable(_error: StoreError) -> InvalidRequest:
    return InvalidRequest("unavailable", "Nothing was accepted: the store can't write now. Try again.", status=503)

"""The HTTP server: Twisted's, held to bounds, with no access log.

1. ``Connections`` counts connections; one too many is closed at once, under TLS too.
2. ``Channel`` reads requests off a connection. It looks at none while earlier answers are not read, at one a turn of
   the reactor, and tells the connection's clock what it waits for. What is no HTTP it refuses in JSON and closes.
3. ``BoundedRequest`` keeps ``maximum_body`` octets of a body. A longer one is read on, up to ``DRAIN`` octets, without
   being kept, so that its sender can read the 413; one that says it is longer than that, or asks first whether it may
   come (``Expect: 100-continue``), is answered and closed at once.
4. ``Routes`` finds the handler.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES, HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from smsconnector.errors import InvalidRequest
from smsconnector.http import replies
from smsconnector.http.answers import NO_ARGUMENTS, Answer, HTTPRequest, HTTPRoute
from smsconnector.http.api import API
from smsconnector.http.connections import Connection, Connections

DRAIN = 1_048_576  # octets of an over-long body that are read and thrown away
BACKLOG = 1_024  # connections that wait to be accepted; the kernel has its own limit, net.core.somaxconn


def too_large(maximum: int) -> InvalidRequest:
    return InvalidRequest("body_too_large", f"The body is longer than {maximum} octets: send less.", status=413)


class BoundedChannel(HTTPChannel):
    """One connection; ``transport`` is its ``Connection``."""

    transport: Connection  # type: ignore[assignment]

    @property
    def closing(self) -> bool:
        """Nothing is read or written any more."""
        return bool(self.transport.disconnecting)

    # --- what comes -----------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        if not self.closing:
            super().dataReceived(data)
            self._set_clock()

    def headerReceived(self, line: bytes) -> bool:
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a Content-Length of more digits than int() reads
            self._respondToBadRequestAndDisconnect()
            return False

    def lineLengthExceeded(self, line: bytes) -> None:
        self._respondToBadRequestAndDisconnect()

    def allContentReceived(self) -> None:
        if not self.closing:
            self.transport.request_is_whole()
            super().allContentReceived()

    def _set_clock(self) -> None:
        """It runs while we wait for the client: for the rest of a request, for room to answer, for the end of a
        closed connection (TLS waits for the other side's)."""
        waiting = not self._handlingRequest and (self.requests or self._buffer)
        if not (waiting or self.closing):
            self.transport.since = None
        elif self.transport.since is None:
            self.transport.since = self.transport.factory.clock.seconds()

    # --- one after the other --------------------------------------------------------------------------------

    def requestDone(self, request: Request) -> None:
        """A request that was answered as soon as it was read: others have their turn before the next of this client."""
        super().requestDone(request)
        if self._busyReceiving and self._buffer and not self.closing:
            self.paused = True
            self._networkProducer.pauseProducing()
            self.callLater(0, self._go_on)
        self._set_clock()

    def pauseProducing(self) -> None:
        """The answers are not read. Twisted goes on with what it reads while a request is handled, and for each it has
        an answer in memory."""
        super().pauseProducing()
        self.paused = True
        self._networkProducer.pauseProducing()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._go_on()

    def _go_on(self) -> None:
        if self._waitingForTransport or self.closing:
            return
        self.paused = False
        LineReceiver.dataReceived(self, b"")
        self._set_clock()
        if not (self.paused or self._handlingRequest or self.closing):
            self._networkProducer.resumeProducing()

    # --- the end --------------------------------------------------------------------------------------------

    def refuse(self, error: InvalidRequest) -> None:
        """What no route can answer; the rest of what came is not looked at."""
        if self.closing:
            return
        body = replies.error_body(error)
        self.transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
            % (error.status, RESPONSES[error.status], len(body), body)
        )
        self.loseConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(
            InvalidRequest(
                "malformed_request",
                "This is no HTTP/1.1 request: check its first line, its headers (500 and 16 KiB at most), "
                "Content-Length and chunks.",
            )
        )

    def _send100Continue(self) -> None:
        if not self.closing:
            super()._send100Continue()

    def loseConnection(self) -> None:
        super().loseConnection()
        self._set_clock()

    def timeoutConnection(self) -> None:
        """Not a word in the log: whoever connects would fill it."""
        self.loseConnection()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.clearLineBuffer()
        super().connectionLost(reason)


class BoundedRequest(Request):
    """``too_long`` is set when the body went over ``maximum_body``; ``content`` is empty then. ``gone`` is set when the
    client is."""

    maximum_body = 65_536
    too_long = False
    gone = False
    _received = 0

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > self.maximum_body:
            self.too_long = True
            if length > self.maximum_body + DRAIN or self.requestHeaders.hasHeader(b"expect"):
                self._refuse_at_once()
        super().gotLength(0 if self.too_long else length)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self.maximum_body:
            self.too_long = True
            content = cast(BytesIO, self.content)
            content.seek(0)
            content.truncate()
            if self._received > self.maximum_body + DRAIN:
                self._refuse_at_once()
            return
        super().handleContentChunk(data)

    def process(self) -> None:
        """A path that is no UTF-8, or none at all, is none of ours; the routes would stumble over it. An absolute URI
        is its path (RFC 9112 section 3.2.2)."""
        if self.path.lower().startswith((b"http://", b"https://")):
            self.path = b"/" + self.path.split(b"/", 3)[3] if self.path.count(b"/") > 2 else b"/"
        try:
            path = unquote_to_bytes(self.path).decode("utf-8")
        except UnicodeDecodeError:
            path = ""
        if path.startswith("/") or (self.method, path) == (b"OPTIONS", "*"):
            super().process()
        else:
            self.answer(replies.refusal(InvalidRequest("not_found", "There is no such path.", status=404)))

    def getRequestHostname(self) -> bytes:
        """The routes know no hosts; werkzeug refuses half of what clients may write there."""
        return b""

    def record(self, arguments: Mapping[str, str] = NO_ARGUMENTS) -> HTTPRequest:
        """What handlers see of it; ``arguments`` are those of its path."""
        return HTTPRequest(
            self.method,
            self.path,
            self.header_values,
            cast(BytesIO, self.content).read(),
            arguments,
            too_large(self.maximum_body) if self.too_long else None,
        )

    def header_values(self, name: bytes) -> Sequence[bytes]:
        return self.requestHeaders.getRawHeaders(name) or ()

    def head(self, answer: Answer) -> bytes:
        """Set the answer's status and headers; give its body, which is still to be written."""
        self.setResponseCode(answer.status)
        for name, value in answer.headers:
            self.setHeader(name, value)
        self.setHeader(b"Content-Length", b"%d" % len(answer.body))  # without it the answer would be chunked
        return answer.body

    def answer(self, answer: Answer) -> None:
        """Write all of the answer, if there is still someone to read it."""
        if not self.gone:
            body = self.head(answer)
            if body:
                self.write(body)
            self.finish()

    def connectionLost(self, reason: Failure) -> None:
        self.gone = True
        super().connectionLost(reason)

    def _refuse_at_once(self) -> None:
        cast(BoundedChannel, self.channel).refuse(too_large(self.maximum_body))


class Routes(KleinResource):
    """The table of ``api``, as Klein's routes. A path without a variable is found here by its octets, because the
    matching of werkzeug, which Klein uses, costs more than the handler of ``/send``. All others are Klein's."""

    def __init__(self, api: API) -> None:
        self._api, app = api, Klein()
        routes: dict[str, HTTPRoute] = {}  # by Klein's names for them
        for route in api.routes:
            for path in route.paths(api.base_path):
                name = f"{route.method} {path}"
                routes[name] = route
                app.route(path, endpoint=name, methods=[route.method], strict_slashes=False)(self._endpoint(route))
        app.handle_errors(HTTPException)(self._nothing_there)
        app.handle_errors(Exception)(self._our_fault)
        super().__init__(app)
        self._plain = {
            (method.encode(), rule.rule.encode()): routes[rule.endpoint]
            for rule in app.url_map.iter_rules()
            if not rule.arguments
            for method in rule.methods or ()
        }

    def render(self, request: Any) -> Any:
        route = self._plain.get((request.method, request.path))
        if route is None:
            return super().render(request)
        self._api.serve(route, request.record(), request.answer)
        return NOT_DONE_YET

    def _endpoint(self, route: HTTPRoute) -> Callable[..., "Deferred[bytes]"]:
        """The route's handler as Klein calls it: with what its path's variables stand for, and for a Deferred."""

        def endpoint(request: BoundedRequest, **arguments: str) -> "Deferred[bytes]":
            body: Deferred[bytes] = Deferred()
            self._api.serve(route, request.record(arguments), lambda answer: body.callback(request.head(answer)))
            return body

        return endpoint

    def _nothing_there(self, request: Any, failure: Failure) -> bytes:
        """No route has this path, or none with this method."""
        error = failure.value
        if isinstance(error, MethodNotAllowed):
            allowed = ", ".join(sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"}))
            refused = InvalidRequest(
                "method_not_allowed",
                f"Use the method {allowed} here.",
                status=405,
                headers=((b"Allow", allowed.encode()),),
            )
        else:
            code = cast(HTTPException, error).code or 404  # a redirect, to the path that was meant, is one of them
            refused = InvalidRequest(
                "not_found",
                f"There is nothing here: see {self._api.base_path}/send.",
                status=code if 400 <= code < 500 else 404,
            )
        return request.head(replies.refusal(refused))

    def _our_fault(self, request: Any, failure: Failure) -> bytes:
        return request.head(self._api.our_fault(failure, request.path))


class QuietSite(Site):
    """No access log: it costs more than the handlers do. Bodies are bounded, so they stay in memory."""

    protocol = BoundedChannel  # type: ignore[assignment]  # not by way of the one that may become HTTP/2

    def getContentFile(self, length: int | None) -> BytesIO:
        return BytesIO()

    def log(self, request: Any) -> None:
        pass


def with_backlog(endpoint: str) -> str:
    """The endpoint string with room for a burst, unless it says itself how much: beyond Twisted's 50 a connection
    waits a second, until its SYN comes again."""
    kind, *arguments = re.split(r"(?<!\\):", endpoint)
    own = any("=" not in argument or argument.startswith("backlog=") for argument in arguments[1:])
    return endpoint if own or kind == "systemd" else f"{endpoint}:backlog={BACKLOG}"


def make_site(
    resource: Resource,
    clock: IReactorTime,
    maximum_body: int,
    idle_timeout: float,
    request_timeout: float = 30.0,
    maximum_connections: int = 10_000,
) -> Connections:
    """Times in seconds: how long a connection may be silent, and how long a request may take to arrive."""

    class ConfiguredRequest(BoundedRequest):
        pass

    ConfiguredRequest.maximum_body = maximum_body
    site = QuietSite(
        resource,
        requestFactory=ConfiguredRequest,
        timeout=idle_timeout,
        reactor=clock,
        parsePOSTFormSubmission=False,  # requests.py does, and says what is wrong
    )
    site.displayTracebacks = False
    return Connections(site, clock, maximum_connections, request_timeout)

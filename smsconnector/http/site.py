"""The HTTP server: Twisted's, with limits, and without an access log.

1. ``Connections`` counts connections. One beyond the limit is closed at once, under TLS too.
2. ``BoundedChannel`` reads requests from a connection, one in each turn of the reactor. It reads no further request
   while the client does not read the answers to earlier ones. It tells the connection since when it has been waiting
   for the client. If what came is not HTTP, it answers in JSON and closes the connection. A client that has closed its
   writing half gets the answers to all that it has asked, and then the connection is closed.
3. ``BoundedRequest`` keeps at most ``maximum_body`` octets of a body. The rest of a longer body is read and dropped, up
   to ``DRAIN`` octets, because a client that is still writing does not read the 413. If the client announces more than
   that, or asks before it sends (``Expect: 100-continue``), the connection gets its answer at once and is closed. All
   bodies together may have ``Bodies.most``; a request beyond that gets 503, and its connection is closed. Providers
   may post long lists: such a body may have ``maximum_webhook_body``. What all of them have beyond ``maximum_body``
   together may have ``Bodies.most_beyond``, so that lists can't take the room of texts.
4. ``Routes`` finds the route, and ``API.serve`` has the request handled.
"""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, NamedTuple, cast
from urllib.parse import unquote_to_bytes

from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES, HTTPChannel
from twisted.web.server import Request, Site

from smsconnector.errors import InvalidRequest
from smsconnector.http import replies
from smsconnector.http.answers import (
    NO_ARGUMENTS,
    SCOPES_WITH_TARGET,
    SECURITY_HEADERS,
    Answer,
    HTTPRequest,
    HTTPRoute,
    RequestHeaders,
)
from smsconnector.http.bodies import Bodies
from smsconnector.http.connections import Connection
from smsconnector.http.long_answers import PIECE, LongAnswer
from smsconnector.http.streams import DRAIN, Stream


def too_large(maximum: int) -> InvalidRequest:
    return InvalidRequest("body_too_large", f"The body is longer than {maximum} octets: send less.", status=413)


def too_many_bodies() -> InvalidRequest:
    return InvalidRequest(
        "overloaded", "The bodies of the requests under way are too long together: try again later.", status=503
    )


class BoundedChannel(HTTPChannel):
    """Reads the requests of one connection and writes the answers; ``transport`` is its ``Connection``."""

    transport: Connection  # type: ignore[assignment]
    is_last = False  # the client has closed its writing half: nothing comes behind what is in memory
    _has_answered = False  # a request of this connection

    @property
    def closing(self) -> bool:
        """The connection is being closed: nothing is read from it or written to it any more."""
        return bool(self.transport.disconnecting)

    # --- reading --------------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        if not self.closing:
            super().dataReceived(data)
            self.set_clock()
            self._give_back()

    def headerReceived(self, line: bytes) -> bool:
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a Content-Length of more digits than int() reads
            self._respondToBadRequestAndDisconnect()
            return False

    def allHeadersReceived(self) -> None:
        """RFC 9112 section 3.2: a request has one Host, and only one; HTTP/1.0 may leave it out. Section 6.3: its one
        coding is chunked, else nobody knows where the body ends; Twisted passes over "identity". HTTP/1.0 has no
        codings (section 6.1)."""
        request = self.requests[-1]
        request.headers = {name.lower(): values for name, values in request.requestHeaders.getAllRawHeaders()}
        hosts, codings = request.headers.get(b"host", ()), request.headers.get(b"transfer-encoding", ())
        is_chunked = self._version == b"HTTP/1.1" and [one.strip().lower() for one in codings] == [b"chunked"]
        if codings and not is_chunked:
            self._respondToBadRequestAndDisconnect()
        elif len(hosts) != 1 and (hosts or self._version == b"HTTP/1.1"):
            self.refuse(InvalidRequest("malformed_request", "Send one Host header: HTTP/1.1 wants it, and no second."))
        else:
            super().allHeadersReceived()

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Whether more may come behind this request. When the process stops, its answer says that nothing may."""
        if self.transport.factory.is_leaving:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def lineLengthExceeded(self, line: bytes) -> None:
        self._respondToBadRequestAndDisconnect()

    def allContentReceived(self) -> None:
        if not self.closing:
            self.transport.request_is_whole()
            super().allContentReceived()

    def set_clock(self) -> None:
        """Note since when we have been waiting for the client: for the rest of a request, until it reads its answers,
        or until it closes its side of a connection that we have closed (TLS waits for that)."""
        stream = self.stream
        if stream is not None:
            waiting = stream.waits_for_client
        elif self._requestProducer is not None:  # a long answer
            waiting = self._waitingForTransport
        else:
            waiting = bool(not self._handlingRequest and (self.requests or self._buffer))
        if not (waiting or self.closing):
            self.transport.waiting_since_s = None
        elif self.transport.waiting_since_s is None:
            self.transport.waiting_since_s = self.transport.factory.now()

    @property
    def stream(self) -> Stream | None:
        """Of the request that is being read or answered, if its body is handled in pieces."""
        return cast(BoundedRequest, self.requests[0]).stream if self.requests else None

    # --- one request a turn ---------------------------------------------------------------------------------

    def requestDone(self, request: Request) -> None:
        """A request has been answered. If it was answered as soon as it was read, and more requests of this client
        are in memory, then other connections have their turn before the next of them."""
        super().requestDone(request)
        cast(BoundedRequest, request).forget()
        if self._busyReceiving and self._buffer and not self.closing:
            self.paused = True
            self._networkProducer.pauseProducing()
            self.callLater(0, self._go_on)
        self._close_if_last()
        self.set_clock()
        self._has_answered = True
        self._give_back()

    def _give_back(self) -> None:
        """The client has its answers, and nothing else has come: if there is a fast lane, what comes next may be plain.
        A client of Java asks for another protocol with the first request of a connection, and with no other."""
        if not self._has_answered or self._busyReceiving or self.closing or not self.transport.may_be_given_back:
            return
        is_busy = self.requests or self._buffer or self._dataBuffer or self.paused or self._waitingForTransport
        # Twisted passes over one empty line before a request, and has no public name for whether it has done so.
        if not (is_busy or self.is_last) and self.persistent and self._HTTPChannel__first_line == 1:  # type: ignore[attr-defined]
            self.setTimeout(None)
            self.transport.unregisterProducer()
            self.transport.give_back()

    def pauseProducing(self) -> None:
        """The client does not read its answers: read nothing more from it. Twisted alone would go on with the requests
        that it has in memory, and would keep an answer to each."""
        stream = self.stream
        if stream is not None and not stream.is_read:  # it may write all of its body before it reads
            self._waitingForTransport = True
            return
        super().pauseProducing()
        self.paused = True
        self._networkProducer.pauseProducing()
        self.set_clock()

    def resumeProducing(self) -> None:
        stream = self.stream
        if stream is not None:
            self._waitingForTransport = False
            stream.can_write()
            if not stream.is_read or self._waitingForTransport:
                return
        elif self._requestProducer is not None:
            self.transport.waiting_since_s = None
        super().resumeProducing()
        self._go_on()

    def _go_on(self) -> None:
        if self._waitingForTransport or self.closing:
            return
        self.paused = False
        LineReceiver.dataReceived(self, b"")
        self._close_if_last()
        self.set_clock()
        if not (self.paused or self._handlingRequest or self.closing):
            self._networkProducer.resumeProducing()
            self._give_back()

    def no_more_comes(self) -> None:
        """The client has closed its writing half. Twisted says so again whenever reading is taken up again."""
        self.is_last = True
        self._close_if_last()

    def _close_if_last(self) -> None:
        """Close when all is answered that the client has asked. What it has not asked to the end stays unanswered."""
        if self.is_last and not (self._handlingRequest or self.paused or self.closing):
            self.loseConnection()

    # --- closing --------------------------------------------------------------------------------------------

    def refuse(self, error: InvalidRequest) -> None:
        """Answer what can't be given to a route, and close. What came behind it is dropped."""
        if self.closing:
            return
        if self.requests and self.requests[0].startedWriting:  # that its answer breaks off tells the client
            self.loseConnection()
            return
        answer = replies.refusal(error)
        headers = (
            *answer.headers,
            *SECURITY_HEADERS,
            (b"Connection", b"close"),
            (b"Content-Length", b"%d" % len(answer.body)),
        )
        head = b"".join(b"%s: %s\r\n" % header for header in headers)
        status = b"%d %s" % (answer.status, RESPONSES[answer.status])
        self.transport.write(b"HTTP/1.1 %s\r\n%s\r\n%s" % (status, head, answer.body))
        self.loseConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(
            InvalidRequest(
                "malformed_request",
                "This is no HTTP/1.1 request: check its first line, its headers (500 and 16 KiB at most), "
                "Content-Length and chunks.",
            )
        )

    def begin_stream(self) -> None:
        """The body of this request comes in pieces: how long it may be silent is ``request_timeout``'s matter alone."""
        if self.timeOut:
            self._savedTimeOut = self.setTimeout(None)

    def _send100Continue(self) -> None:
        if not self.closing:
            super()._send100Continue()

    def loseConnection(self) -> None:
        super().loseConnection()
        self.set_clock()

    def timeoutConnection(self) -> None:
        """Close without a line in the log: else anybody who can connect could fill it. After a time in which the
        process was frozen the silence may have been ours, and a request may wait to be read: count anew."""
        if self.transport.factory.has_just_woken:
            self.setTimeout(self.timeOut)
        else:
            self.loseConnection()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.clearLineBuffer()
        super().connectionLost(reason)


class BodyLimits(NamedTuple):
    """What one body may have in octets; ``takes_lists`` says of a request's target whether its body may be as long as
    ``maximum_webhook_body``. ``make_stream``
    gives of a request, its method and its target what takes its body in pieces; None: it is wanted whole. ``bodies``:
    what all have together that are wanted whole."""

    maximum_body: int
    maximum_webhook_body: int
    takes_lists: Callable[[bytes], bool]
    bodies: Bodies
    make_stream: Callable[[Any, bytes, bytes], Stream | None]


class BoundedRequest(Request):
    """``headers``: by their names in lower case; Twisted's own are slow to look at. ``too_long``: the body was longer
    than ``limit``, and ``content`` is empty. ``gone``: the connection has ended."""

    headers: RequestHeaders
    too_long = False
    gone = False
    stream: Stream | None = None
    _received = 0
    _counted = 0  # octets of it in ``bodies``
    _counted_beyond = 0

    def __init__(self, channel: Any, *more: Any) -> None:
        super().__init__(channel, *more)
        self._limits: BodyLimits = channel.site.limits
        self.limit = self._limits.maximum_body

    def gotLength(self, length: int | None) -> None:
        limits, channel = self._limits, cast(Any, self.channel)
        self.stream = limits.make_stream(self, channel._command, channel._path)
        if self.stream is not None:
            channel.begin_stream()
            self.method, self.path, self.clientproto = channel._command, channel._path, channel._version
            super().gotLength(0)
            self.stream.open(HTTPRequest(self.method, self.path, self.headers, b"", peer=self._peer), length)
            return
        if (length is None or length > self.limit) and limits.takes_lists(cast(BoundedChannel, self.channel)._path):
            self.limit = max(limits.maximum_webhook_body, limits.maximum_body)
        if length is not None and length > self.limit:
            self.too_long = True
            if length > self.limit + DRAIN or self.requestHeaders.hasHeader(b"expect"):
                self._refuse_at_once()
        super().gotLength(0 if self.too_long else length)

    def handleContentChunk(self, data: bytes) -> None:
        if self.stream is not None:
            self.stream.received(data)
            return
        self._received += len(data)
        if self._received > self.limit:
            self.too_long = True
            content = cast(BytesIO, self.content)
            content.seek(0)
            content.truncate()
            if self._received > self.limit + DRAIN:
                self._refuse_at_once()
            return
        beyond = max(0, min(len(data), self._received - self._limits.maximum_body))
        if not self._limits.bodies.take(len(data), beyond):
            cast(BoundedChannel, self.channel).refuse(too_many_bodies())
            return
        self._counted += len(data)
        self._counted_beyond += beyond
        super().handleContentChunk(data)

    @property
    def _peer(self) -> str:
        """The address of the direct peer; "" if it has none."""
        return getattr(cast(Any, self.channel).getPeer(), "host", None) or ""

    def forget(self) -> None:
        """It has its answer, or nobody waits for one."""
        self._limits.bodies.give_back(self._counted, self._counted_beyond)
        self._counted = self._counted_beyond = 0

    def process(self) -> None:
        """All of it has been read. Of an absolute URI only the path counts (RFC 9112 section 3.2.2). A path that is not
        UTF-8, or does not begin with a slash, is answered 404 here, because Klein can't take it. So is one with an
        escaped slash, which Klein would take for a slash (RFC 3986 section 2.2: it is none)."""
        if self.stream is not None:
            self.stream.ended()
            return
        if self.path.lower().startswith((b"http://", b"https://")):
            self.path = b"/" + self.path.split(b"/", 3)[3] if self.path.count(b"/") > 2 else b"/"
        try:
            path = unquote_to_bytes(self.path).decode("utf-8")
        except UnicodeDecodeError:
            path = ""
        if (path.startswith("/") and b"%2f" not in self.path.lower()) or (self.method, path) == (b"OPTIONS", "*"):
            super().process()
        else:
            self.answer(replies.refusal(InvalidRequest("not_found", "There is no such path.", status=404)))

    def getRequestHostname(self) -> bytes:
        """None: the routes are the same for every host, and werkzeug refuses many hosts that clients may write."""
        return b""

    def record(self, route: HTTPRoute, arguments: Mapping[str, str] = NO_ARGUMENTS) -> HTTPRequest:
        """What handlers see of it; ``arguments`` are those of its path."""
        record = HTTPRequest(
            self.method,
            self.path,
            self.headers,
            cast(BytesIO, self.content).read(),
            arguments=arguments,
            fault=too_large(self.limit) if self.too_long else None,
            peer=self._peer,
        )
        if route.scope not in SCOPES_WITH_TARGET:
            return record
        _, mark, query = self.uri.partition(b"?")
        return record._replace(target=self.path + mark + query)

    def set_head(self, answer: Answer) -> bytes:
        """Set the status and the headers of this answer, and give its body, which the caller has to write."""
        self.setResponseCode(answer.status)
        for name, value in answer.headers:
            self.setHeader(name, value)
        for name, value in SECURITY_HEADERS:
            if not self.responseHeaders.hasHeader(name):
                self.setHeader(name, value)
        self.setHeader(b"Content-Length", b"%d" % len(answer.body))  # without it the answer would be chunked
        return answer.body

    def answer(self, answer: Answer) -> None:
        """Write all of the answer, if there is still someone to read it."""
        if not self.gone:
            body = self.set_head(answer)
            if len(body) > PIECE:
                LongAnswer(self, body).start()
                return
            if body:
                self.write(body)
            self.finish()

    def connectionLost(self, reason: Failure) -> None:
        self.gone = True
        self.forget()
        if self.stream is not None:
            self.stream.lost()
        super().connectionLost(reason)

    def _refuse_at_once(self) -> None:
        cast(BoundedChannel, self.channel).refuse(too_large(self.limit))


class QuietSite(Site):
    """Twisted's, without an access log, which costs more than the handlers do. Bodies have a limit, so they are kept
    in memory."""

    noisy = False
    protocol = BoundedChannel  # type: ignore[assignment]  # Twisted's own may become HTTP/2
    limits: BodyLimits

    def getContentFile(self, length: int | None) -> BytesIO:
        return BytesIO()

    def log(self, request: Any) -> None:
        pass

"""An HTTP client for requests that must not be sent twice by mistake.

A request that fails ends in one of two ways, and everything that sends texts hangs on the difference:

- ``NotSent``: nothing of it can have reached the server. No connection was made, or its TLS handshake failed, or the
  request could not be written as it stands.
- ``Unanswered``: it may have reached the server. The connection was lost, the time was over, or the reply broke off.

1. ``ask`` checks the call. What could break the request line or a header is not sent.
2. Twisted's pool has a connection that is idle, or makes one. A new one counts as made when its TLS handshake is done
   (``http_connections``): until then nothing of a request is written, so whatever goes wrong before is ``NotSent``.
3. treq writes the request and reads the reply, up to ``maximum_reply`` octets. Redirects are not followed, nothing is
   tried again, no cookie is kept, and no reply is decompressed.
4. One timer looks at all requests that are under way. Their time counts only while the server could be heard
   (``net.hearing``): a reply that lies in the socket while the process stands still is not late.

A connection that was idle may be closed by the server in the moment in which the next request is written to it. Nobody
can tell then whether the request was read, so it is ``Unanswered``. ``IDLE`` is short so that this is rare: the servers
that are in use close after 5 s and more.
"""

import re
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple

import treq.client
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import RequestNotSent
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

from smsconnector.errors import HTTPFailure, NotSent, Unanswered
from smsconnector.net.endpoints import client_endpoint
from smsconnector.net.hearing import Hearing
from smsconnector.net.http_connections import EndpointFor, Servers
from smsconnector.net.name_lookups import share_look_ups
from smsconnector.net.tls import TLS, explain_failure

__all__ = ["EndpointFor", "HTTPCall", "HTTPClient", "HTTPFailure", "HTTPReply", "NotSent", "Unanswered"]

IDLE = 4.0  # seconds for which a connection is kept that nobody uses
LOOK_INTERVAL = 0.25  # seconds between looks at what is under way
MOST_HEADERS = 65_536  # octets of a reply beside its body
CHUNKING = 8  # how many octets may come for each octet of a body: of one in small chunks

_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(?:[/?][\x21\x22\x24-\x7e]*)?\Z")
_OWN = {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}  # the client's
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110 section 5.6.2
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")  # RFC 9110 section 5.5


class HTTPCall(NamedTuple):
    """One request. ``url`` is absolute, in ASCII, escaped, with its query. It is never shown, for URL, headers and body
    may hold secrets."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<HTTPCall {self.method} to {server_of(self.url)}>"


class HTTPReply(NamedTuple):
    """A whole reply. ``headers``: by their names in lower case, of each the first value."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<HTTPReply {self.status}, {len(self.body)} octets>"


def server_of(url: str) -> str:
    """Scheme, host and port, which is what may stand in a log."""
    found = _URL.match(url)
    return "a URL that can't be used" if found is None else url[: found.end(3) if found.end(3) > 0 else found.end(2)]


def _fault(call: HTTPCall) -> str:
    """Why the call can't be written as it stands; "" if it can. The sentence shows no value."""
    found = _URL.match(call.url)
    if found is None or int(found[3] or 0) > 65_535:
        return "the URL has to be http:// or https://, a host, and a path in ASCII without spaces, user or fragment"
    if not _TOKEN.match(call.method):
        return "the method is none: write GET or POST"
    for name, value in call.headers:
        if not _TOKEN.match(name):
            return "a header's name holds characters that none may hold"
        if name.lower() in _OWN:
            return f"the header {name} is the client's own: leave it out"
        if not _HEADER_VALUE.match(value):
            return f"the value of the header {name} holds a line end, or a character that is not in Latin-1"
    return ""


class HTTPClient:
    """``connections``: how many are kept to one server. ``connect_timeout`` (s): for a connection and its handshake.
    ``reply_timeout`` (s): from ``ask`` to the end of the reply. ``whole_replies`` False: status and headers are enough;
    of a body that is too long, too late or breaks off, what came is given, and the connection is closed.
    ``endpoint_for`` gives the endpoint of a server, TLS included; without it, ``net.endpoints.client_endpoint`` with
    ``tls``."""

    def __init__(
        self,
        reactor: Any,
        tls: TLS = TLS(),  # noqa: B008 — it is frozen
        *,
        connections: int,
        connect_timeout: float = 10.0,
        reply_timeout: float = 30.0,
        maximum_reply: int = 1_048_576,
        whole_replies: bool = True,
        endpoint_for: EndpointFor | None = None,
    ) -> None:
        self._reactor, self._tls = reactor, tls
        self._connect_timeout, self._reply_timeout = connect_timeout, reply_timeout
        self._maximum_reply, self._whole_replies = maximum_reply, whole_replies
        share_look_ups(reactor)
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = connections
        self._pool.cachedConnectionTimeout = IDLE  # type: ignore[assignment]
        self._pool.retryAutomatically = False
        most = MOST_HEADERS + CHUNKING * maximum_reply
        self._servers = Servers(reactor, endpoint_for or self._ordinary_endpoint, connect_timeout, most)
        agent = Agent.usingEndpointFactory(reactor, self._servers, self._pool)
        no_cookies = IndexableCookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._treq = treq.client.HTTPClient(_AsItIs(agent), no_cookies, _Body)
        self._exchanges: set[_Exchange] = set()
        self._hearing = Hearing(reactor.seconds())
        self._timer: IDelayedCall | None = None
        self._is_closed = False

    def ask(self, call: HTTPCall) -> "Deferred[HTTPReply]":
        """The reply, whatever its status is. Fails with ``NotSent`` or ``Unanswered`` only; cancelling it gives it
        up, and fails with one of them as well."""
        fault = "the client is closed" if self._is_closed else _fault(call)
        if fault:
            return fail(NotSent(fault))
        late_at = self._hearing.now(self._reactor.seconds()) + self._reply_timeout
        exchange = _Exchange(server_of(call.url), late_at, self._maximum_reply, self._whole_replies)
        self._exchanges.add(exchange)
        if self._timer is None:
            self._timer = self._reactor.callLater(LOOK_INTERVAL, self._look)
        headers = Headers()
        for name, value in call.headers:
            headers.addRawHeader(name.encode("ascii"), value.encode("latin-1"))
        try:
            asked = self._treq.request(
                call.method, call.url, headers=headers, data=call.body or None, allow_redirects=False,
                unbuffered=True, reactor=self._reactor,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 — treq refuses some URLs by exceptions of several libraries
            asked = fail(NotSent(f"the request can't be made: {type(error).__name__}"))
        exchange.begin(asked)
        return exchange.ended.addBoth(self._ended, exchange)

    def close(self) -> "Deferred[None]":
        """Give up what is under way, and end every connection; nothing is sent any more."""
        self._is_closed = True
        for exchange in tuple(self._exchanges):
            exchange.give_up("it was given up by the stop")
        self._pool.closeCachedConnections()  # forgets them, and their timers
        self._servers.abort()
        return succeed(None)

    def _ended(self, result: Any, exchange: "_Exchange") -> Any:
        self._exchanges.discard(exchange)
        if not self._exchanges and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return result

    def _look(self) -> None:
        self._timer = self._reactor.callLater(LOOK_INTERVAL, self._look)
        heard = self._hearing.tick(self._reactor.seconds())
        for exchange in [one for one in self._exchanges if one.late_at <= heard]:
            exchange.give_up(f"no whole reply came within {self._reply_timeout:g} s")

    def _ordinary_endpoint(self, host: str, port: int, is_tls: bool) -> Any:
        tls = self._tls if is_tls else None
        return client_endpoint(self._reactor, host, port, tls, self._connect_timeout)


@implementer(IAgent)
class _AsItIs:
    """Asks for replies that are not compressed, and leaves those as they are that come so all the same: an octet of
    them may stand for a thousand."""

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> "Deferred[Any]":
        headers.setRawHeaders(b"Accept-Encoding", [b"identity"])
        found: Deferred[Any] = self._agent.request(method, uri, headers, bodyProducer)
        return found.addCallback(self._replied)

    def _replied(self, response: Any) -> Any:
        response.headers.removeHeader(b"Content-Encoding")
        return response


@implementer(IBodyProducer)
class _Body:
    """Writes a body in one go. treq's own needs several turns of the reactor for it."""

    def __init__(self, body: bytes) -> None:
        self._body, self.length = body, len(body)

    def startProducing(self, consumer: Any) -> "Deferred[None]":
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def stopProducing(self) -> None: ...


class _Exchange:
    """One request that is under way. ``ended`` fires once, with the reply or its failure."""

    def __init__(self, server: str, late_at: float, maximum: int, whole: bool) -> None:
        self._server, self.late_at, self._maximum, self._whole = server, late_at, maximum, whole
        self.ended: Deferred[HTTPReply] = Deferred(lambda _: self.give_up("it was given up"))
        self._asked: Deferred[Any] | None = None
        self._body: _Collector | None = None
        self._why = ""

    def begin(self, asked: "Deferred[Any]") -> None:
        self._asked = asked
        asked.addCallbacks(self._replied, self._failed)

    def give_up(self, why: str) -> None:
        """Wait no longer."""
        self._why = self._why or why
        if self._body is not None:
            self._body.abort()
            self.broke_off(Unanswered(f"{self._server}: {self._why}"))
        elif self._asked is not None:
            self._asked.cancel()

    def end(self, result: HTTPReply | HTTPFailure) -> None:
        """What became of it; the first word counts."""
        if self.ended.called:
            return
        if isinstance(result, HTTPFailure):
            self.ended.errback(result)
        else:
            self.ended.callback(result)

    def _replied(self, response: Any) -> None:
        self._body = _Collector(self, response, self._maximum)
        response.deliverBody(self._body)
        if not 100 <= response.code <= 999:  # RFC 9110 section 15: three digits
            self._whole = True
            self.give_up("the reply is no HTTP that can be read: its status is none")

    def broke_off(self, why: Unanswered) -> None:
        """The status has come, and not the whole body."""
        self.end(why if self._whole or self._body is None else self._body.reply())

    def _failed(self, failure: Failure) -> None:
        error = innermost(failure).value
        if isinstance(error, NotSent):
            self.end(error)
        elif failure.check(RequestNotSent):
            self.end(NotSent(f"{self._server}: the connection was lost before"))
        else:
            self.end(self.broken(failure))

    def broken(self, failure: Failure) -> Unanswered:
        """In the words of what is behind it."""
        return Unanswered(f"{self._server}: {self._why or _shown(innermost(failure))}")


def innermost(failure: Failure) -> Failure:
    """What is behind Twisted's own exceptions, which are lists of failures."""
    while reasons := getattr(failure.value, "reasons", None):
        failure = reasons[0]
    return failure


def _shown(failure: Failure) -> str:
    """An exception about a reply that is none holds octets of it, which may be our request sent back."""
    value = failure.value
    if type(value).__module__.startswith("twisted.web") or isinstance(value, ValueError | LookupError | TypeError):
        return f"the reply is no HTTP that can be read ({type(value).__name__.lstrip('_')})"
    return explain_failure(failure)


class _Collector(Protocol):
    """Reads the body of a reply."""

    def __init__(self, exchange: _Exchange, response: Any, maximum: int) -> None:
        self._exchange, self._response, self._maximum = exchange, response, maximum
        self._parts: list[bytes] = []
        self._octets = 0

    def dataReceived(self, data: bytes) -> None:
        self._octets += len(data)
        if self._octets <= self._maximum:
            self._parts.append(data)
        else:
            self._exchange.give_up(f"the reply has more than {self._maximum} octets")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not reason.check(ResponseDone, PotentialDataLoss):  # the latter: no length was told, and its end is the end
            self._exchange.broke_off(self._exchange.broken(reason))
        else:
            self._exchange.end(self.reply())

    def reply(self) -> HTTPReply:
        """As far as it has come."""
        headers = {
            name.decode("latin-1").lower(): values[0].decode("latin-1")
            for name, values in self._response.headers.getAllRawHeaders()
        }
        return HTTPReply(self._response.code, headers, b"".join(self._parts))

    def abort(self) -> None:
        """Read no more."""
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()

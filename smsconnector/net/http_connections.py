"""Connections to HTTP servers: when one counts as made, and what may come over it.

Twisted's client writes a request as soon as a TCP connection is there. By TLS the request then waits for the
handshake, and when that fails, nobody can tell from the failure whether the request was sent. Here a connection counts
as made when its handshake is done (``Opening``). Whatever goes wrong before is ``NotSent``.

By TLS 1.3 the server looks at our own certificate after that, when the request may be on its way. If it refuses the
certificate it has read nothing of the request, so that is ``NotSent`` too.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from smsconnector.errors import NotSent
from smsconnector.net.tls import explain_failure, is_our_certificate_refused

EndpointFor = Callable[[str, int, bool], IStreamClientEndpoint]  # host, port, whether by TLS: the whole endpoint


@implementer(IAgentEndpointFactory)
class Servers:
    """Opens connections for Twisted's Agent, within ``timeout`` (s) each. ``most``: the octets that one reply may have
    on the wire."""

    def __init__(self, reactor: Any, endpoint_for: EndpointFor, timeout: float, most: int) -> None:
        self._reactor, self._endpoint_for, self._timeout, self._most = reactor, endpoint_for, timeout, most
        self._connections: set[Connection] = set()

    def endpointForURI(self, uri: Any) -> "_Endpoint":
        """Called for each request; the endpoint itself is made when a connection is needed."""
        return _Endpoint(self._opened, uri.host.decode("ascii").strip("[]"), uri.port, uri.scheme == b"https")

    def abort(self) -> None:
        """End all connections at once. A peer that never ends its half would hold up a polite end."""
        for connection in tuple(self._connections):
            connection.abort()

    def _opened(self, host: str, port: int, is_tls: bool, factory: IProtocolFactory) -> "Deferred[Any]":
        """A connection that may be written to; fails with ``NotSent`` only."""
        opening = Opening(f"{host}:{port}", is_tls, factory, self._connections, self._most)
        late = self._reactor.callLater(self._timeout, opening.failed, f"it was not made within {self._timeout:g} s")
        opening.made.addBoth(_without, late)
        try:
            opening.attempt(self._endpoint_for(host, port, is_tls))
        except NotSent as refused:
            opening.failed(refused.reason)
        except Exception as error:  # noqa: BLE001 — OpenSSL has exceptions of its own for half a PEM file
            opening.failed(str(error) or type(error).__name__)
        return opening.made


def _without(result: Any, call: IDelayedCall) -> Any:
    if call.active():
        call.cancel()
    return result


@implementer(IStreamClientEndpoint)
class _Endpoint:
    """A server, as the pool wants it."""

    def __init__(self, opened: Callable[..., Any], *server: Any) -> None:
        self._opened, self._server = opened, server

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[Any]":
        found: Deferred[Any] = self._opened(*self._server, protocolFactory)
        return found


class Opening(Factory):
    """One attempt to open a connection, TLS handshake included. ``made`` fires with Twisted's protocol for HTTP."""

    noisy = False

    def __init__(
        self, server: str, is_tls: bool, factory: IProtocolFactory, connections: set["Connection"], most: int
    ) -> None:
        self._server, self._is_tls, self._factory, self._connections = server, is_tls, factory, connections
        self._most = most
        self._connection: Connection | None = None
        self._attempt: Deferred[Any] | None = None
        self.made: Deferred[Any] = Deferred(lambda _: self.failed("it was given up before it was made"))
        self._is_over = False

    def attempt(self, endpoint: IStreamClientEndpoint) -> None:
        """Connect by that endpoint."""
        self._attempt = endpoint.connect(self)
        self._attempt.addErrback(lambda failure: self.failed(explain_failure(failure)))
        if self._is_over:
            self._attempt.cancel()

    def buildProtocol(self, addr: Any) -> "Connection":
        inner: Any = self._factory.buildProtocol(addr)
        self._connection = Connection(self, inner, self._is_tls, self._connections, self._most)
        return self._connection

    def opened(self, inner: Any) -> None:
        """The connection may be written to."""
        if not self._is_over:
            self._is_over = True
            self.made.callback(inner)

    def failed(self, why: str) -> None:
        """There will be none."""
        if self._is_over:
            return
        self._is_over = True
        if self._attempt is not None:
            self._attempt.cancel()
        if self._connection is not None:
            self._connection.abort()
        self.made.errback(NotSent(f"no connection to {self._server}: {why}"))


@implementer(IHandshakeListener)
class Connection(Protocol):
    """Stands before Twisted's protocol for HTTP until the handshake is done, and counts what comes. ``most``: the
    octets that one reply may have on the wire. Twisted itself has no limit to the headers of a reply."""

    def __init__(self, opening: Opening, inner: Any, is_tls: bool, connections: set["Connection"], most: int) -> None:
        self._opening, self._inner, self._is_tls, self._connections = opening, inner, is_tls, connections
        self._most = most
        self._octets = 0
        self._is_open = self._is_heard = False

    def connectionMade(self) -> None:
        self._connections.add(self)
        if not self._is_tls:
            self._open()

    def handshakeCompleted(self) -> None:
        """The certificate is good, and the server has said that it has the keys."""
        if not self._is_open:
            self._open()

    def _open(self) -> None:
        self._is_open = True
        transport: Any = self.transport
        transport.loseConnection = transport.abortConnection  # a TLS peer may never answer the polite end, close_notify
        self._inner.makeConnection(transport)
        self._opening.opened(self._inner)

    def dataReceived(self, data: bytes) -> None:
        if not self._is_open:
            return
        self._is_heard = True
        self._octets += len(data)
        if self._octets > self._most:
            self.abort()
        else:
            self._inner.dataReceived(data)
            if self._inner.state == "QUIESCENT":
                self._octets = 0

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._connections.discard(self)
        if self._is_open:
            if not self._is_heard and is_our_certificate_refused(reason):
                reason = Failure(NotSent(f"the server does not take our certificate: {explain_failure(reason)}"))
            self._inner.connectionLost(reason)
        else:
            self._opening.failed(explain_failure(reason))

    def abort(self) -> None:
        """End it at once."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

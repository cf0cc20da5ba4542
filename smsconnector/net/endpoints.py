"""Endpoints: a connection to a host name, by TCP or TLS, and a connection that the peer makes to us.

Both are client endpoints of Twisted, so that a ``link.Link`` can keep either.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from smsconnector.net.tls import TLS, tls_options

CONNECT_TIMEOUT = 10.0  # seconds


def client_endpoint(
    reactor: Any, host: str, port: int, tls: TLS | None = None, timeout: float = CONNECT_TIMEOUT
) -> Any:
    """An endpoint that connects within ``timeout`` (s), by TLS if asked for: OSError or ValueError if its files are
    no good."""
    endpoint: Any = HostnameEndpoint(reactor, host, port, timeout=timeout)
    return endpoint if tls is None else TLSEndpoint(endpoint, host, tls)


@implementer(IStreamClientEndpoint)
class TLSEndpoint:
    """Reads its files for every connection, so that a certificate that was renewed is used by the next one; if they
    can't be read then, the last ones are."""

    log = Logger()

    def __init__(self, endpoint: IStreamClientEndpoint, host: str, tls: TLS) -> None:
        self._endpoint, self._host, self._tls = endpoint, host, tls
        self._options = tls_options(host, tls)

    def connect(self, factory: IProtocolFactory) -> "Deferred[Any]":
        try:
            self._options = tls_options(self._host, self._tls)
        except (OSError, ValueError) as error:
            self.log.warn(
                "the certificates for {host} can't be read again, and the last ones are used: {error}",
                host=self._host,
                error=error,
            )
        connected: Deferred[Any] = wrapClientTLS(self._options, self._endpoint).connect(factory)
        return connected


class _Answering(Factory):
    """Asks ``came`` for the protocol of each connection; None refuses it."""

    def __init__(self, came: Callable[[Any], Any]) -> None:
        self._came = came

    def buildProtocol(self, addr: Any) -> Any:
        return self._came(addr)


@implementer(IStreamClientEndpoint)
class IncomingConnections:
    """A client endpoint whose connections come from the peer: ``connect`` listens, and fires when one has come.

    It listens only while somebody waits for a connection. At any other time the operating system refuses the peer: that
    is better than a connection that nobody answers."""

    def __init__(self, endpoint: IStreamServerEndpoint) -> None:
        self._endpoint = endpoint
        self._waiting: list[tuple[IProtocolFactory, Deferred[Any]]] = []
        self._listening: Deferred[Any] | None = None
        self._factory = _Answering(self._came)

    def connect(self, factory: IProtocolFactory) -> "Deferred[Any]":
        """The first who waits gets the first connection; cancelling gives up waiting."""
        found: Deferred[Any] = Deferred(self._cancelled)
        self._waiting.append((factory, found))
        if self._listening is None:
            self._listening = self._endpoint.listen(self._factory)
            self._listening.addErrback(self._failed)
        return found

    def _came(self, address: Any) -> Any:
        if not self._waiting:
            return None
        factory, found = self._waiting.pop(0)
        self._rest()
        protocol = factory.buildProtocol(address)
        found.callback(protocol)
        return protocol

    def _failed(self, failure: Failure) -> None:
        self._listening = None
        waiting, self._waiting = self._waiting, []
        for _, found in waiting:
            found.errback(failure)

    def _cancelled(self, found: "Deferred[Any]") -> None:
        self._waiting = [pair for pair in self._waiting if pair[1] is not found]
        self._rest()

    def _rest(self) -> None:
        """Listen no more when nobody waits."""
        if not self._waiting and self._listening is not None:
            listening, self._listening = self._listening, None
            listening.addCallback(lambda port: port.stopListening() if port is not None else None)

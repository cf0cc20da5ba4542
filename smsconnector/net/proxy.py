"""Connections through an HTTP proxy, by CONNECT (RFC 9110 section 9.3.6).

1. A connection is made to the proxy, and CONNECT names host and port that are meant.
2. A reply of 2xx opens the tunnel: what comes behind its blank line is from the far side. Any other reply is an error;
   nothing was sent to the far side then.
3. From there on the connection is as if it were to the far side itself. TLS is spoken through it, so the proxy sees
   host and port only.
"""

import base64
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from smsconnector.errors import LinkError
from smsconnector.net.endpoints import TLSEndpoint, client_endpoint
from smsconnector.net.tls import TLS

MAXIMUM_HEAD = 16_384  # octets of the proxy's reply


@dataclass(frozen=True, slots=True)
class Proxy:
    """``credentials``: user:password, for Basic; None: none."""

    host: str
    port: int
    credentials: str | None = field(default=None, repr=False)


class _Tunnel(Protocol):
    """Asks the proxy, and gives its place to the protocol that is meant."""

    def __init__(self, request: bytes, factory: IProtocolFactory, opened: "Deferred[Any]", place: str) -> None:
        self._request, self._factory, self._opened, self._place = request, factory, opened, place
        self._head = b""

    def connectionMade(self) -> None:
        self._write(self._request)

    def _write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            if len(head) > MAXIMUM_HEAD:
                self.fail("its reply does not end")
            return
        status = head.split(b"\r\n", 1)[0].split(b" ", 2)[1:2]
        if not head.startswith(b"HTTP/1.") or not status or not status[0].isdigit() or len(status[0]) != 3:
            self.fail("it does not answer as an HTTP proxy")
        elif not status[0].startswith(b"2"):
            self.fail(f"it answers CONNECT with HTTP status {status[0].decode('ascii')}")
        elif not self._opened.called:
            self._open(rest)

    def _open(self, rest: bytes) -> None:
        transport: Any = self.transport
        protocol = self._factory.buildProtocol(transport.getPeer())
        if protocol is None:
            self.fail("nobody wants the connection any more")
            return
        transport.protocol = protocol
        protocol.makeConnection(transport)
        self._opened.callback(protocol)
        if rest:
            protocol.dataReceived(rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.fail("it closed the connection")

    def fail(self, why: str) -> None:
        """Only the first word counts."""
        if not self._opened.called:
            self._opened.errback(LinkError(f"the proxy {self._place}: {why}"))
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


@implementer(IStreamClientEndpoint)
class ProxyEndpoint:
    """Connects to ``host`` and ``port`` by way of ``proxy``. ``through`` is the endpoint of the proxy itself;
    ``timeout`` (s) is for its answer."""

    def __init__(
        self, reactor: Any, through: IStreamClientEndpoint, proxy: Proxy, host: str, port: int, timeout: float
    ) -> None:
        self._reactor, self._through, self._timeout = reactor, through, timeout
        self._place = f"{proxy.host}:{proxy.port}"
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.credentials is not None:
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(proxy.credentials.encode()).decode('ascii')}")
        self._request = "".join(f"{line}\r\n" for line in lines).encode("ascii") + b"\r\n"

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[Any]":
        tunnels: list[_Tunnel] = []

        def give_up(_deferred: Any = None) -> None:
            for tunnel in tunnels:
                tunnel.fail(f"no answer within {self._timeout:g} s")
            connecting.cancel()

        opened: Deferred[Any] = Deferred(give_up)
        tunnels.append(_Tunnel(self._request, protocolFactory, opened, self._place))
        connecting = self._through.connect(_Once(tunnels[0]))
        connecting.addErrback(lambda failure: None if opened.called else opened.errback(failure))
        late = self._reactor.callLater(self._timeout, give_up)
        return opened.addBoth(lambda result: (late.active() and late.cancel(), result)[1])


class _Once(Factory):
    """Gives the one protocol."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: Any) -> Protocol:
        return self._protocol


def proxied(reactor: Any, proxy: Proxy, tls: TLS, timeout: float) -> Any:
    """What ``HTTPClient`` takes as ``endpoint_for``: every connection goes through the proxy."""

    def endpoint_for(host: str, port: int, is_tls: bool) -> Any:
        through = client_endpoint(reactor, proxy.host, proxy.port, None, timeout)
        tunnel = ProxyEndpoint(reactor, through, proxy, host, port, timeout)
        return TLSEndpoint(tunnel, host, tls) if is_tls else tunnel

    return endpoint_for

"""An HTTP proxy on loopback: it answers CONNECT as the test says, and joins the two sides."""

from dataclasses import dataclass, field
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure


@dataclass
class FakeProxy:
    """``reply``: what it says to CONNECT; None: nothing at all. Only 200 makes it connect. ``heads`` are the requests
    that came, with their headers."""

    reactor: Any
    reply: bytes | None = b"HTTP/1.1 200 Connection established\r\n\r\n"
    heads: list[str] = field(default_factory=list)
    live: set[Any] = field(default_factory=set)
    _port: Any = None

    def start(self) -> "FakeProxy":
        factory: Any = Factory.forProtocol(_Near)
        factory.proxy = self
        self._port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port.getHost().port}"

    def stop(self) -> Any:
        for side in tuple(self.live):
            side.transport.abortConnection()
        return self._port.stopListening()


class _Side(Protocol):
    """One side. ``other``: where its octets go."""

    proxy: FakeProxy
    other: Any = None

    def connectionMade(self) -> None:
        self.proxy.live.add(self)

    def dataReceived(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.proxy.live.discard(self)
        if self.other is not None:
            self.other.transport.loseConnection()


class _Near(_Side):
    def connectionMade(self) -> None:
        factory: Any = self.factory
        self.proxy = factory.proxy
        self.head = b""
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        if self.other is not None:
            super().dataReceived(data)
            return
        self.head += data
        if self.head.endswith(b"\r\n\r\n"):
            self.proxy.heads.append(self.head.decode("latin-1"))
            self.answer()

    def answer(self) -> None:
        transport: Any = self.transport
        reply = self.proxy.reply
        if reply is None:
            return
        if b" 200 " not in reply:
            transport.write(reply)
            transport.loseConnection()
            return
        host, _, port = self.proxy.heads[-1].split(" ")[1].rpartition(":")
        far = _Side()
        far.proxy, far.other = self.proxy, self

        def joined(_: Any) -> None:
            self.other = far
            transport.write(reply)

        connectProtocol(TCP4ClientEndpoint(self.proxy.reactor, host, int(port)), far).addCallback(joined)

"""A port before the connector's, which cuts connections off while an answer comes."""

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

reactor: Any = _reactor


class Cutter:
    """A port before the connector's. ``cuts``: of the next answers how many octets come through, and then the
    connection is cut."""

    def __init__(self, port: int) -> None:
        self.cuts: list[int] = []
        factory: Any = Factory.forProtocol(_Near)
        factory.cutter, factory.port = self, port
        self._port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.number = self._port.getHost().port
        self.live: set[Any] = set()

    def stop(self) -> Any:
        for side in tuple(self.live):
            side.transport.abortConnection()
        return self._port.stopListening()


class _Near(Protocol):
    factory: Any
    transport: Any
    far: Any = None
    waiting = b""
    left: int | None = None  # octets of this answer until the cut

    def connectionMade(self) -> None:
        self.factory.cutter.live.add(self)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.factory.port)
        connectProtocol(endpoint, _Far(self)).addCallbacks(self.joined, lambda _: self.transport.abortConnection())

    def joined(self, far: Any) -> None:
        self.far = far
        far.transport.write(self.waiting)

    def dataReceived(self, data: bytes) -> None:
        if self.far is None:
            self.waiting += data
        else:
            self.far.transport.write(data)

    def answered(self, data: bytes) -> None:
        cuts = self.factory.cutter.cuts
        if self.left is None and cuts:
            self.left = cuts.pop(0)
        if self.left is None:
            self.transport.write(data)
            return
        self.transport.write(data[: self.left])
        self.left -= len(data)
        if self.left <= 0:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.cutter.live.discard(self)
        if self.far is not None:
            self.far.transport.loseConnection()


class _Far(Protocol):
    transport: Any

    def __init__(self, near: _Near) -> None:
        self.near = near

    def dataReceived(self, data: bytes) -> None:
        self.near.answered(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.near.transport.loseConnection()

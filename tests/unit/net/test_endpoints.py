"""Connections that the peer makes to us."""

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactor, RaisingMemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.net.endpoints import IncomingConnections


class IncomingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.endpoint = IncomingConnections(TCP4ServerEndpoint(self.reactor, 2775))
        self.factory = Factory.forProtocol(Protocol)

    def come(self) -> Any:
        """A peer connects; the protocol that it meets."""
        return self.reactor.tcpServers[-1][1].buildProtocol(IPv4Address("TCP", "10.0.0.1", 40_000))

    def test_first_who_waits(self) -> None:
        """Whoever has waited longest gets the connection; one that nobody waits for is refused."""
        first, second = self.endpoint.connect(self.factory), self.endpoint.connect(self.factory)
        self.assertEqual(len(self.reactor.tcpServers), 1)
        met = self.come()
        self.assertIs(self.successResultOf(first), met)
        self.assertNoResult(second)
        self.assertIs(self.come(), self.successResultOf(second))
        self.assertIsNone(self.come())

    def test_listens_again(self) -> None:
        """Who asks for a connection after that waits at a new port."""
        self.endpoint.connect(self.factory)
        self.come()
        again = self.endpoint.connect(self.factory)
        self.assertEqual(len(self.reactor.tcpServers), 2)
        self.assertIs(self.come(), self.successResultOf(again))

    def test_given_up(self) -> None:
        """Who is cancelled does not get the connection that comes then."""
        first, second = self.endpoint.connect(self.factory), self.endpoint.connect(self.factory)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertIs(self.come(), self.successResultOf(second))

    def test_port_is_taken(self) -> None:
        """All who wait are told; the next one tries to listen again."""
        error = CannotListenError("127.0.0.1", 2775, OSError("taken"))
        endpoint = IncomingConnections(TCP4ServerEndpoint(RaisingMemoryReactor(listenException=error), 2775))
        for _ in range(2):
            self.failureResultOf(endpoint.connect(self.factory), CannotListenError)

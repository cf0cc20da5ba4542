"""Connections through an HTTP proxy: CONNECT, and nothing of ours before the tunnel is open."""

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import LinkError
from smsconnector.net.proxy import Proxy, ProxyEndpoint


class Far(Protocol):
    """The protocol that is meant for the far side."""

    def __init__(self) -> None:
        self.heard = b""
        self.lost = False

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"ours")

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True


class ProxyCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.transport: Any = StringTransport()
        self.clock, self.far = Clock(), Far()

    def connect(self, host: str = "api.example", credentials: str | None = None) -> "Deferred[Any]":
        case = self

        class Through:
            def connect(self, factory: Any) -> "Deferred[Any]":
                protocol = factory.buildProtocol(None)
                case.transport.protocol = protocol
                protocol.makeConnection(case.transport)
                return succeed(protocol)

        proxy = Proxy("proxy", 3128, credentials)
        endpoint = ProxyEndpoint(self.clock, Through(), proxy, host, 443, 10.0)  # type: ignore[arg-type]
        return endpoint.connect(Factory.forProtocol(lambda: self.far))

    def hear(self, data: bytes) -> None:
        protocol: Any = self.transport.protocol
        protocol.dataReceived(data)

    def test_tunnel(self) -> None:
        """The reply may come octet by octet; what stands behind it is from the far side."""
        connected = self.connect(credentials="me:secret")
        self.assertEqual(
            self.transport.value(),
            b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n"
            b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n",
        )
        for octet in b"HTTP/1.0 200 Connection established\r\nVia: x\r\n\r":
            self.hear(bytes([octet]))
        self.assertNoResult(connected)
        self.hear(b"\nhello")
        self.assertIs(self.successResultOf(connected), self.far)
        self.assertTrue(self.transport.value().endswith(b"\r\n\r\nours"))
        self.hear(b" again")
        self.assertEqual(self.far.heard, b"hello again")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ipv6(self) -> None:
        """An address of IPv6 stands in brackets."""
        self.connect("::1")
        self.assertIn(b"CONNECT [::1]:443 HTTP/1.1\r\n", self.transport.value())

    def test_refused(self) -> None:
        """Each way not to open it is an error that names the proxy; nothing of ours was sent."""
        for reply, words in (
            (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "HTTP status 407"),
            (b"HTTP/1.1 503 Busy\r\n\r\n", "HTTP status 503"),
            (b"SSH-2.0-x\r\n\r\n", "does not answer as an HTTP proxy"),
            (b"x" * 20_000, "does not end"),
        ):
            self.setUp()
            connected = self.connect()
            self.hear(reply)
            error = self.failureResultOf(connected, LinkError).value
            self.assertIn(words, str(error))
            self.assertIn("proxy:3128", str(error))
            self.assertNotIn(b"ours", self.transport.value())
            self.assertTrue(self.transport.disconnected)

    def test_silent(self) -> None:
        """It is not waited for for ever."""
        connected = self.connect()
        self.clock.advance(10.0)
        self.assertIn("no answer within 10 s", str(self.failureResultOf(connected, LinkError).value))

    def test_closed(self) -> None:
        """It hangs up before the tunnel is open."""
        connected = self.connect()
        protocol: Any = self.transport.protocol
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertIn("closed the connection", str(self.failureResultOf(connected, LinkError).value))

    def test_away(self) -> None:
        """There is no proxy."""

        class Away:
            def connect(self, factory: Any) -> "Deferred[Any]":
                return fail(ConnectionRefusedError())

        endpoint = ProxyEndpoint(self.clock, Away(), Proxy("p", 1), "h", 443, 10.0)  # type: ignore[arg-type]
        self.failureResultOf(endpoint.connect(Factory.forProtocol(Far)), ConnectionRefusedError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_given_up(self) -> None:
        """Whoever wants the connection no more, cancels it."""
        connected = self.connect()
        connected.cancel()
        self.failureResultOf(connected, LinkError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

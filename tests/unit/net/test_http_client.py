"""Requests over connections in memory: what counts as sent, and what counts as late."""

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import IHandshakeListener, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smsconnector.net.http_client import IDLE, LOOK_INTERVAL, HTTPCall, HTTPClient, NotSent, Unanswered

REPLY = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
CALL = HTTPCall("POST", "http://provider.example:81/send?key=secret", (("X-A", "b"),), b"Body=x")
BY_TLS = CALL._replace(url="https://provider.example/send")


class Transport(StringTransport):
    """Tells of its end in the next turn, as a real one does."""

    def __init__(self, clock: Clock, protocol: Any) -> None:
        super().__init__()
        self._clock, self._protocol = clock, protocol
        self.is_ended = False

    def abortConnection(self) -> None:
        if not self.is_ended:
            self.is_ended = True
            self._clock.callLater(0, self._protocol.connectionLost, Failure(ConnectionDone()))


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Its connections are made when the test says so."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.attempts: list[tuple[Any, Deferred[Any]]] = []
        self.asked: list[tuple[str, int, bool]] = []

    def __call__(self, host: str, port: int, is_tls: bool) -> "Endpoint":
        self.asked.append((host, port, is_tls))
        return self

    def connect(self, factory: Any) -> "Deferred[Any]":
        attempt: Deferred[Any] = Deferred()
        self.attempts.append((factory, attempt))
        return attempt

    def accept(self) -> tuple[Any, Transport]:
        """The oldest attempt becomes a connection."""
        factory, attempt = self.attempts.pop(0)
        protocol = factory.buildProtocol(IPv4Address("TCP", "10.0.0.1", 80))
        transport = Transport(self.clock, protocol)
        protocol.makeConnection(transport)
        attempt.callback(protocol)
        return protocol, transport


class HTTPClientCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.endpoint = Endpoint(self.clock)
        self.client = HTTPClient(
            self.clock,
            connections=2,
            connect_timeout=5.0,
            reply_timeout=10.0,
            maximum_reply=100,
            endpoint_for=self.endpoint,
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([LOOK_INTERVAL] * int(seconds / LOOK_INTERVAL))

    def test_request_and_reply(self) -> None:
        """What is on the wire; and nothing is left that waits for time, but for the idle connection."""
        asked = self.client.ask(CALL)
        protocol, transport = self.endpoint.accept()
        head, _, body = transport.value().partition(b"\r\n\r\n")
        first, *headers = head.split(b"\r\n")
        self.assertEqual((first, body), (b"POST /send?key=secret HTTP/1.1", b"Body=x"))
        self.assertLessEqual({b"Host: provider.example:81", b"X-A: b", b"Content-Length: 6"}, set(headers))
        self.assertEqual(self.endpoint.asked, [("provider.example", 81, False)])
        protocol.dataReceived(REPLY)
        self.assertEqual(self.successResultOf(asked).status, 201)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.pass_time(IDLE)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(transport.is_ended)

    def test_status_is_enough(self) -> None:
        """Where nobody reads the body: one that is too long, breaks off, or trickles does not undo the status. The
        connection is closed, and what else comes is not read."""
        self.client = HTTPClient(
            self.clock,
            connections=2,
            reply_timeout=10.0,
            maximum_reply=100,
            whole_replies=False,
            endpoint_for=self.endpoint,
        )
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
        for what in ("too long", "breaks off", "trickles"):
            asked = self.client.ask(CALL)
            protocol, transport = self.endpoint.accept()
            protocol.dataReceived(head + b"x")
            self.assertNoResult(asked)
            if what == "too long":
                protocol.dataReceived(b"x" * 200)
            elif what == "breaks off":
                protocol.connectionLost(Failure(ConnectionDone()))
            else:
                self.pass_time(11)
            self.assertEqual(self.successResultOf(asked).status, 200, what)
            self.assertTrue(what == "breaks off" or transport.is_ended or transport.disconnecting, what)

    def test_no_status(self) -> None:
        """A connection that ends before the status has come is no answer there either."""
        self.client = HTTPClient(
            self.clock, connections=2, maximum_reply=100, whole_replies=False, endpoint_for=self.endpoint
        )
        asked = self.client.ask(CALL)
        protocol, _ = self.endpoint.accept()
        protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-")
        protocol.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(asked, Unanswered)

    def test_what_is_no_reply_is_not_shown(self) -> None:
        """A server that sends our request back, or garbage: the reason names no word of it, for it ends in the log and
        among the parked events."""
        for octets in (
            b"Body=923001234567 x y\r\n\r\n",
            b"HTTP/1.1 923001234567 x\r\n\r\n",
            b"HTTP/1.1 x923001234567 x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 923001234567x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n923001234567 text\r\nabc",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 923001234567\r\n\r\n",
        ):
            asked = self.client.ask(CALL)
            protocol, _ = self.endpoint.accept()
            protocol.dataReceived(octets)
            self.clock.advance(0)
            if not asked.called:
                protocol.connectionLost(Failure(ConnectionDone()))
            reason = self.failureResultOf(asked, Unanswered).getErrorMessage()
            self.assertNotIn("923001234567", reason)
            self.assertIn("provider.example:81", reason)

    def test_handshake_first(self) -> None:
        """By TLS nothing is written before the handshake is done, and a connection that ends before sent nothing."""
        asked = self.client.ask(BY_TLS)
        protocol, transport = self.endpoint.accept()
        self.assertTrue(IHandshakeListener.providedBy(protocol))
        self.assertEqual(transport.value(), b"")
        protocol.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(asked, NotSent)
        asked = self.client.ask(BY_TLS)
        protocol, transport = self.endpoint.accept()
        protocol.handshakeCompleted()
        self.assertIn(b"Body=x", transport.value())
        protocol.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(asked, Unanswered)

    def test_handshake_in_time(self) -> None:
        """A server that takes the connection and never speaks TLS: nothing was sent, and the socket is ended."""
        asked = self.client.ask(BY_TLS)
        _, transport = self.endpoint.accept()
        self.pass_time(4.75)
        self.assertNoResult(asked)
        self.pass_time(0.25)
        self.assertIn("5 s", self.failureResultOf(asked, NotSent).getErrorMessage())
        self.assertTrue(transport.is_ended)

    def test_connect(self) -> None:
        """Refused, never answered, given up: nothing was sent."""
        refused, late, given_up = (self.client.ask(CALL) for _ in range(3))
        self.endpoint.attempts[0][1].errback(ConnectionRefusedError())
        self.failureResultOf(refused, NotSent)
        given_up.cancel()
        self.failureResultOf(given_up, NotSent)
        self.pass_time(5)
        self.failureResultOf(late, NotSent)

    def test_guard(self) -> None:
        """An endpoint that is refused, by an exception or in a Deferred: the guard's own words are told."""

        class Guarded(Endpoint):
            def connect(self, factory: Any) -> "Deferred[Any]":
                refused: Deferred[Any] = succeed(None)
                return refused.addCallback(lambda _: Failure(NotSent("10.0.0.1 is not allowed")))

        def guard(host: str, port: int, is_tls: bool) -> Any:
            if host == "10.0.0.1":
                raise NotSent("10.0.0.1 is not allowed")
            return Guarded(self.clock)

        client = HTTPClient(self.clock, connections=1, endpoint_for=guard)
        for host in ("10.0.0.1", "inner.example"):
            failure = self.failureResultOf(client.ask(HTTPCall("GET", f"http://{host}/")), NotSent)
            self.assertIn("10.0.0.1 is not allowed", failure.getErrorMessage())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late(self) -> None:
        """A reply that does not come in time; the connection is not used again."""
        asked = self.client.ask(CALL)
        _, transport = self.endpoint.accept()
        self.pass_time(9.75)
        self.assertNoResult(asked)
        self.pass_time(1)
        self.failureResultOf(asked, Unanswered)
        self.assertTrue(transport.is_ended)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_frozen(self) -> None:
        """The process stands still for a minute while the reply lies in the socket: it is not late."""
        asked = self.client.ask(CALL)
        protocol, _ = self.endpoint.accept()
        self.pass_time(1)
        self.clock.advance(60.0)  # the timer is due before the socket is read
        self.assertNoResult(asked)
        protocol.dataReceived(REPLY)
        self.assertEqual(self.successResultOf(asked).body, b"{}")

    def test_idle_connection_used_and_lost(self) -> None:
        """The server closes an idle connection as the next request is written: nobody knows if it was read. Nothing
        is tried again, a GET neither: at some providers it sends."""
        for call in (CALL, HTTPCall("GET", CALL.url)):
            asked = self.client.ask(call)
            protocol, transport = self.endpoint.accept()
            protocol.dataReceived(REPLY)
            self.successResultOf(asked)
            transport.clear()
            asked = self.client.ask(call)
            self.assertIn(b"/send", transport.value())
            protocol.connectionLost(Failure(ConnectionDone()))
            self.failureResultOf(asked, Unanswered)
            self.assertEqual(self.endpoint.attempts, [])

    def test_window_of_connections(self) -> None:
        """So many stay open; a further one is ended when its reply has come."""
        asked = [self.client.ask(CALL) for _ in range(3)]
        pairs = [self.endpoint.accept() for _ in asked]
        for (protocol, _), one in zip(pairs, asked, strict=True):
            protocol.dataReceived(REPLY)
            self.successResultOf(one)
        self.pass_time(LOOK_INTERVAL)
        self.assertEqual([transport.is_ended for _, transport in pairs], [True, False, False])

    def test_close(self) -> None:
        """All is given up at once: what was written may have arrived, what has no connection has not."""
        sent, idle = self.client.ask(CALL), self.client.ask(CALL)
        (_, one), (protocol, other) = self.endpoint.accept(), self.endpoint.accept()
        protocol.dataReceived(REPLY)
        self.successResultOf(idle)
        connecting = self.client.ask(BY_TLS)
        self.successResultOf(self.client.close())
        self.failureResultOf(sent, Unanswered)
        self.failureResultOf(connecting, NotSent)
        self.assertTrue(one.is_ended and other.is_ended)
        self.failureResultOf(self.client.ask(CALL), NotSent)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

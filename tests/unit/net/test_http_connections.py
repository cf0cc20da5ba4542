"""Connections of the HTTP client: whatever goes wrong while one is made, nothing was sent, and nothing is left."""

from typing import Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import URI

from smsconnector.errors import NotSent
from smsconnector.net.http_connections import Connection, Servers


class Torn(Exception):
    """What OpenSSL raises of half a PEM file: no OSError and no ValueError."""


class TornCase(SynchronousTestCase):
    def connect(self, endpoint_for: Any) -> None:
        clock = Clock()
        servers = Servers(clock, endpoint_for, 10.0, 1_000)
        endpoint = servers.endpointForURI(URI.fromBytes(b"https://crm.example/"))
        failure = self.failureResultOf(endpoint.connect(Factory()), NotSent)
        self.assertIn("no start line", failure.value.reason)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_no_endpoint(self) -> None:
        """A certificate that is read while it is being written, when the endpoint is made."""

        def endpoint_for(*_server: Any) -> Any:
            raise Torn("no start line")

        self.connect(endpoint_for)

    def test_no_attempt(self) -> None:
        """The same when it connects."""

        class Endpoint:
            def connect(self, _factory: Any) -> Any:
                raise Torn("no start line")

        self.connect(lambda *_: Endpoint())


class RefusedCase(SynchronousTestCase):
    """The server does not take our certificate. By TLS 1.3 (RFC 8446 section 4.4.2.4) it may say so when the handshake
    is done for us, and the request is on its way."""

    def lost(self, error: Exception, heard: bytes = b"") -> Failure:
        """How the connection ends for what speaks HTTP."""
        ends: list[Failure] = []

        class Inner:
            state = "WAITING"

            def makeConnection(self, transport: Any) -> None: ...

            def dataReceived(self, data: bytes) -> None: ...

            def connectionLost(self, reason: Failure) -> None:
                ends.append(reason)

        class Opening:
            def opened(self, inner: Any) -> None: ...

        opening: Any = Opening()
        connection = Connection(opening, Inner(), True, set(), 1_000)
        connection.makeConnection(StringTransport())
        connection.handshakeCompleted()
        if heard:
            connection.dataReceived(heard)
        connection.connectionLost(Failure(error))
        self.assertEqual(len(ends), 1)
        return ends[0]

    def test_refusals(self) -> None:
        """Every alert about our certificate, in the words of OpenSSL 1.1 and 3: nothing of the request was read."""
        for words in (
            "tlsv13 alert certificate required",
            "sslv3 alert bad certificate",
            "ssl/tls alert bad certificate",
            "sslv3 alert certificate expired",
            "sslv3 alert certificate revoked",
            "sslv3 alert certificate unknown",
            "tlsv1 alert unknown ca",
            "tlsv1 alert access denied",
        ):
            found = self.lost(SSL.Error([("SSL routines", "", words)])).value
            assert isinstance(found, NotSent), words
            self.assertIn(words, found.reason)

    def test_other_ends(self) -> None:
        """Any other end, and the same behind an answer, says nothing about the request."""
        refusal = SSL.Error([("SSL routines", "", "tlsv13 alert certificate required")])
        for error, heard in (
            (refusal, b"HTTP/1.1 200 OK"),
            (SSL.Error([("SSL routines", "", "tlsv1 alert internal error")]), b""),
            (SSL.Error([("SSL routines", "", "certificate verify failed")]), b""),
            (SSL.Error([]), b""),
            (SSL.Error(-1, "Unexpected EOF"), b""),
            (ConnectionLost(), b""),
        ):
            self.assertIs(self.lost(error, heard).value, error)

"""Connections of the HTTP client: whatever goes wrong while one is made, nothing was sent, and nothing is left."""

from typing import Any

from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import URI

from smsconnector.errors import NotSent
from smsconnector.net.http_connections import Servers


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

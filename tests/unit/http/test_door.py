"""Sockets that systemd has made are looked at when they are there: the configuration does not tell where they are."""

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.http import door
from smsconnector.http.door import Door
from smsconnector.http_section import HTTP
from tests.unit.http.ways import make_api

NOTHING: Any = None


class Port:
    def __init__(self, host: Any) -> None:
        self._host = host

    def getHost(self) -> Any:
        return self._host


class SocketsCase(SynchronousTestCase):
    def opened(self, host: Any, *keys: str, **settings: Any) -> str:
        """Why the door can't be opened; "" if it can."""
        self.patch(door, "listen", lambda *_args, **_how: succeed(Port(host)))
        self.patch(door, "allow_files", lambda _most: "")
        return Door(Clock(), make_api(*keys), HTTP(endpoints=["systemd:domain=INET:index=0"], **settings)).open()

    def test_reached_by_others(self) -> None:
        """Refused as an endpoint of the configuration is; with a key it still carries it for everybody to read."""
        for host in (
            IPv4Address("TCP", "0.0.0.0", 80),
            IPv4Address("TCP", "192.0.2.1", 80),
            IPv6Address("TCP", "::", 80),
            IPv6Address("TCP", "fe80::1%eth0", 80),
        ):
            said = self.opened(host)
            self.assertIn("http.endpoints: systemd:domain=INET:index=0 lets everybody in reach send texts", said)
            self.assertIn("http.allow_insecure: true", said)
            self.assertNotIn("lets everybody", self.opened(host, "key"))
            self.assertIn("carries keys and texts", self.opened(host, "key"))
            self.assertEqual(self.opened(host, allow_insecure=True), "")

    def test_of_this_machine(self) -> None:
        """On loopback, or a UNIX socket."""
        for host in (
            IPv4Address("TCP", "127.0.0.1", 80),
            IPv6Address("TCP", "::1", 80),
            UNIXAddress("/run/x.sock"),
        ):
            self.assertEqual(self.opened(host), "", host)

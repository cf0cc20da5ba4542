"""A port that several processes share: how it is opened, and the order in which one of them leaves it."""

import os
from pathlib import Path
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.tcp import makeBinding
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.net.server_tls import listen
from smsconnector.net.shared_port import HANDSHAKES_S, NO_NEW_ONES, SharedPort
from tests.integration.certificates import Authority


class OpenCase(SynchronousTestCase):
    def test_socket_options(self) -> None:
        """Only a shared endpoint may be shared, in plain TCP and TLS, IPv4 and IPv6; the rest of it is as written."""
        pem = Path(Authority(self.mktemp()).issue("localhost"))
        files = f"privateKey={pem}:certKey={pem}"
        for endpoint, address in (
            ("tcp:8080:interface=127.0.0.1:backlog=9", "127.0.0.1"),
            ("tcp:8080:backlog=9", ""),
            (r"tcp6:8080:interface=\:\:1:backlog=9", "::1"),
            ("tcp6:8080:backlog=9", "::"),
            (f"ssl:8080:interface=127.0.0.1:backlog=9:{files}", "127.0.0.1"),
            (rf"ssl:8080:interface=\:\:1:backlog=9:{files}", "::1"),
        ):
            for shared in (True, False):
                reactor = MemoryReactor()
                port = self.successResultOf(listen(reactor, endpoint, Factory(), shared=shared))
                self.assertTrue(IListeningPort.providedBy(port))
                ((number, _, *_, backlog, interface),) = reactor.tcpServers + reactor.sslServers
                wanted = makeBinding(address, 8080, reuseAddress=True, reusePort=True) if shared else 8080
                self.assertEqual((number, backlog, interface), (wanted, 9, address), endpoint)

    def test_failure(self) -> None:
        """What the kernel says is told as of any other endpoint."""

        class Taken(MemoryReactor):
            def listenTCP(self, *_args: Any, **_more: Any) -> Any:
                raise CannotListenError("127.0.0.1", 8080, OSError(98, "Address already in use"))

        failure = self.failureResultOf(listen(Taken(), "tcp:8080:interface=127.0.0.1", Factory(), shared=True))
        self.assertIn("Address already in use", failure.getErrorMessage())


class Listening:
    """A port with connections that wait: each is an octet in a pipe. ``told`` is what was done to it, in order."""

    def __init__(self, told: list[Any]) -> None:
        self.told = told
        self._out, self._in = os.pipe()
        self.socket = self
        self.is_closed, self.takes_filters = False, True

    def wait(self, count: int) -> None:
        os.write(self._in, b"x" * count)

    def fileno(self) -> int:
        return self._out

    def setsockopt(self, level: int, option: int, _value: bytes) -> None:
        if not self.takes_filters:
            raise OSError(92, "Protocol not available")
        self.told.append((level, option))

    def doRead(self) -> None:
        self.told.append(f"accepted {len(os.read(self._out, 2))}")

    def stopListening(self) -> None:
        self.told.append("closed")
        self.close()

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            os.close(self._out)
            os.close(self._in)


class LeaveCase(SynchronousTestCase):
    """When the last socket option is set, no further connection is begun; those that are begun are accepted."""

    def setUp(self) -> None:
        self.told: list[Any] = []
        self.clock, self.port = Clock(), Listening(self.told)
        self.addCleanup(self.port.close)
        self.shared = SharedPort(self.clock, self.port)

    def test_order(self) -> None:
        """A listening socket that closes resets what waits in its queue (known from kernel mailing lists, and measured:
        31 of 80 connections). So: no new ones, time for handshakes, accept all that waits, close."""
        self.port.wait(3)
        ended = self.shared.stopListening()
        self.assertEqual(self.told, [NO_NEW_ONES])
        self.clock.advance(HANDSHAKES_S - 0.01)
        self.assertEqual(len(self.told), 1)
        self.port.wait(2)  # their handshakes have ended meanwhile
        self.clock.advance(0.02)
        self.successResultOf(ended)
        self.assertEqual(self.told[1:], ["accepted 2", "accepted 2", "accepted 1", "closed"])

    def test_nothing_waits(self) -> None:
        """Then it is closed after the same time."""
        ended = self.shared.stopListening()
        self.clock.advance(HANDSHAKES_S)
        self.successResultOf(ended)
        self.assertEqual(self.told, [NO_NEW_ONES, "closed"])

    def test_no_filters(self) -> None:
        """A kernel that has none of these filters, or lets us set none: the port is closed all the same."""
        self.port.takes_filters = False
        self.port.wait(1)
        ended = self.shared.stopListening()
        self.clock.advance(HANDSHAKES_S)
        self.successResultOf(ended)
        self.assertEqual(self.told, ["accepted 1", "closed"])

    def test_none_can_be_accepted(self) -> None:
        """The kernel says that one waits and gives none, as when it has no memory: the stop goes on."""
        self.port.doRead = lambda: None  # type: ignore[method-assign]
        self.port.wait(1)
        ended = self.shared.stopListening()
        self.clock.advance(HANDSHAKES_S)
        self.successResultOf(ended)
        self.assertEqual(self.told[-1], "closed")

"""What clients do to the door of a real connector, over TCP and TLS: hoard connections, drip, never read, never go.

After each the door answers at once, and the log has no failure.
"""

import http.client
import resource
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.integration.activemq import free_port
from tests.integration.certificates import Authority
from tests.integration.stack import Connector, until

IDLE = 2_000
NOTHING = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
AT_ONCE = 2.0  # seconds: far less than any time-out here, far more than an answer takes on a busy machine


class RealDoorCase(TestCase):
    """A connector with a door for TCP and one for TLS; nothing is behind it, so texts wait on disk."""

    timeout = 120

    @inlineCallbacks
    def set_up(self, **http: Any) -> Any:
        """``ways``: how to make a connection."""
        authority = Authority(self.mktemp())
        self.authority, pem = authority, Path(authority.issue("localhost")).resolve()
        self.pem = pem
        self.tls = ssl.create_default_context(cafile=authority.ca_file)
        tcp, self.tls_port = free_port(), free_port()
        endpoints = [
            f"tcp:{tcp}:interface=127.0.0.1",
            f"ssl:{self.tls_port}:interface=127.0.0.1:privateKey={pem}:certKey={pem}",
        ]
        http = {"endpoints": endpoints} | http
        self.connector = Connector([free_port()], f"tcp://127.0.0.1:{free_port()}", http=http)
        self.addCleanup(self.connector.close)
        yield self.connector.start()
        yield until(lambda: self.connector.said().count("HTTP on") == len(http["endpoints"]), 10)
        self.ways: tuple[Callable[[], socket.socket], ...] = (
            lambda: socket.create_connection(("127.0.0.1", tcp), timeout=10),
            lambda: self.tls.wrap_socket(
                socket.create_connection(("127.0.0.1", self.tls_port), timeout=10), server_hostname="localhost"
            ),
        )

    def memory(self) -> float:
        """Of the connector, in KiB."""
        assert self.connector.process is not None
        return int(Path(f"/proc/{self.connector.process.pid}/status").read_text().split("VmRSS:")[1].split()[0])

    def check_health(self) -> None:
        """Both doors answer at once, and nothing is in the log that should not be."""
        for connect in self.ways:
            started = time.monotonic()
            with connect() as client:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = http.client.HTTPResponse(client)
                answer.begin()
                self.assertEqual(answer.status, 200)
            self.assertLess(time.monotonic() - started, AT_ONCE)
        for bad in ("Traceback", "Unhandled", "Error"):
            self.assertNotIn(bad, self.connector.said())

    def ends(self, client: socket.socket, act: Callable[[], Any], within: float) -> float:
        """The seconds until the other side ends the connection, while we ``act`` ten times a second at most."""
        client.settimeout(0.1)
        started = time.monotonic()
        while time.monotonic() - started < within:
            try:
                act()
            except TimeoutError:
                continue
            except OSError:
                return time.monotonic() - started
        raise AssertionError(f"still there after {within} s")

    def check_never_reads(self, octets: bytes) -> None:
        """Who sends these again and again, with a request_timeout of 1 s, and reads nothing, is read from no more than
        fits, and is ended. The first of each kind also has code loaded, and objects that the collector finds later: the
        second one is measured."""
        self.check_health()
        for connect in self.ways:
            for is_first in (True, False):
                before = self.memory()
                with connect() as client:
                    self.assertTrue(0.9 < self.ends(client, lambda: client.send(octets), 40) < 30)
                if not is_first:
                    self.assertLess(self.memory() - before, 8_192)  # KiB
                self.check_health()


class HTTPLoadCase(RealDoorCase):
    @inlineCallbacks
    def test_alpn(self) -> Any:
        """A TLS client that offers HTTP/2 too, as curl and browsers do, gets HTTP/1.1."""
        yield self.set_up()
        self.tls.set_alpn_protocols(["h2", "http/1.1"])
        with self.ways[1]() as client:
            assert isinstance(client, ssl.SSLSocket)
            self.assertEqual(client.selected_alpn_protocol(), "http/1.1")
        yield deferToThread(self.check_health)

    @inlineCallbacks
    def test_renewed_certificate(self) -> Any:
        """The next connection gets the new one, while an earlier connection goes on; a torn file changes nothing."""
        yield self.set_up()

        def serial(client: socket.socket) -> str:
            assert isinstance(client, ssl.SSLSocket)
            found = client.getpeercert()
            assert found is not None
            return str(found["serialNumber"])

        def renew() -> None:
            with self.ways[1]() as before:
                first = serial(before)
                self.authority.issue("localhost")  # writes the same file
                whole = self.pem.read_bytes()
                self.pem.write_bytes(whole[: len(whole) // 2])
                with self.ways[1]() as torn:
                    self.assertEqual(serial(torn), first)
                self.pem.write_bytes(whole)
                with self.ways[1]() as after:
                    self.assertNotEqual(serial(after), first)
                before.sendall(NOTHING)
                self.assertTrue(before.recv(100).startswith(b"HTTP/1.1 404"))
            self.check_health()

        yield deferToThread(renew)

    @inlineCallbacks
    def test_idle(self) -> Any:
        """2,000 idle connections: others are answered at once, and each costs little."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < IDLE + 200:
            self.skipTest(f"needs {IDLE + 200} open files: ulimit -n")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 200), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        yield self.set_up(maximum_connections=IDLE + 20)

        def hoard() -> None:
            self.check_health()
            before = self.memory()
            with ExitStack() as kept:
                started = time.monotonic()
                for _ in range(IDLE):
                    kept.enter_context(self.ways[0]())
                self.assertLess(time.monotonic() - started, 6.0)  # seconds: nobody waits for a second SYN
                self.check_health()
                self.assertLess((self.memory() - before) / IDLE, 16)  # KiB; it is 2 or 3

        yield deferToThread(hoard)

    @inlineCallbacks
    def test_limit(self) -> Any:
        """Beyond the limit a connection is closed at once, whichever door it comes to; then there is room again."""
        yield self.set_up(maximum_connections=4)

        def hoard() -> None:
            with ExitStack() as kept:
                for _ in range(2):
                    for connect in self.ways:
                        kept.enter_context(connect())
                for connect in self.ways:
                    with self.assertRaises(OSError), connect() as client:
                        client.sendall(NOTHING)
                        if not client.recv(1):
                            raise ConnectionResetError
            self.await_room()
            self.check_health()

        yield deferToThread(hoard)

    @inlineCallbacks
    def test_half_closed(self) -> Any:
        """A client that closes its writing half behind its requests gets each answer, and then the end."""
        yield self.set_up()

        def ask() -> None:
            with self.ways[0]() as client:
                client.sendall(NOTHING * 3)
                client.shutdown(socket.SHUT_WR)
                octets = b"".join(iter(lambda: client.recv(65_536), b""))
            self.assertEqual(octets.count(b"HTTP/1.1 404"), 3)
            self.check_health()

        yield deferToThread(ask)

    def await_room(self) -> None:
        """Until the connector has seen that they have gone."""
        for _ in range(100):
            try:
                with self.ways[0]() as client:
                    client.sendall(NOTHING)
                    if client.recv(1):
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("no room")

    @inlineCallbacks
    def test_dripping(self) -> Any:
        """A request that comes an octet at a time is ended in time, and so is a TLS handshake that does not come."""
        yield self.set_up(request_timeout=1, idle_timeout=2)

        def drip() -> None:
            for connect in self.ways:
                with connect() as client:
                    self.assertTrue(0.9 < self.ends(client, lambda: self.octet(client, b"P"), 15) < 10)
            with socket.create_connection(("127.0.0.1", self.tls_port)) as client:
                self.assertTrue(1.9 < self.ends(client, lambda: self.octet(client, b""), 15) < 10)
            self.check_health()

        yield deferToThread(drip)

    def octet(self, client: socket.socket, octet: bytes) -> None:
        client.send(octet)
        if not client.recv(1):
            raise ConnectionResetError

    @inlineCallbacks
    def test_never_reads(self) -> Any:
        """Of a client that sends and never reads no more is read than fits, and it is ended."""
        yield self.set_up(request_timeout=1, idle_timeout=2)
        yield deferToThread(self.check_never_reads, NOTHING * 500)

    @inlineCallbacks
    def test_never_goes(self) -> Any:
        """Whoever is answered with Connection: close and stays is cut off, so that its place is free again."""
        yield self.set_up(request_timeout=1, idle_timeout=2, maximum_connections=3)

        def stay() -> None:
            with ExitStack() as kept:
                for _ in range(3):
                    client = kept.enter_context(self.ways[1]())
                    client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    self.assertTrue(client.recv(1))
                self.await_room()
                self.check_health()

        yield deferToThread(stay)

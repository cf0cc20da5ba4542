"""The fast lane on real sockets, over TCP and TLS, beside a connector without it: many requests, one behind the other
and all at once, clients that are slow to write or to read, and those that close their half."""

import re
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread

from tests.integration.test_http_load import RealDoorCase
from tests.unit.http.test_lane import PLAIN, UNUSUAL, masked

SEND, REFUSED = PLAIN["send"], PLAIN["refused"]
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def read_all(client: socket.socket) -> bytes:
    """Until the other side closes."""
    return b"".join(iter(lambda: client.recv(65_536), b""))


def statuses(octets: bytes) -> list[int]:
    return [int(found) for found in STATUS.findall(octets)]


def answers_of(client: socket.socket, count: int) -> bytes:
    """What comes, until so many answers are there."""
    octets = b""
    while len(STATUS.findall(octets)) < count or not octets.endswith((b"\r\n\r\n", b"}")):
        more = client.recv(65_536)
        if not more:
            raise AssertionError(f"closed after {statuses(octets)}")
        octets += more
    return octets


class LaneCase(RealDoorCase):
    @inlineCallbacks
    def test_thousand(self) -> Any:
        """1,000 texts on one connection, each when the one before it is answered; each has a MessageSID of its own."""
        yield self.set_up()

        def post() -> None:
            for connect in self.ways:
                sids = set()
                with connect() as client:
                    for _ in range(1_000):
                        client.sendall(SEND)
                        answer = answers_of(client, 1)
                        self.assertEqual(statuses(answer), [200])
                        sids.add(re.findall(rb"SM[0-9a-f]{32}", answer)[0])
                self.assertEqual(len(sids), 1_000)
            self.check_health()

        yield deferToThread(post)

    @inlineCallbacks
    def test_at_once(self) -> Any:
        """1,000 requests written at once by a client that reads a little now and then: every answer, in order."""
        yield self.set_up()
        wanted = [200 if number % 3 else 400 for number in range(1_000)]
        octets = b"".join(SEND if status == 200 else REFUSED for status in wanted)

        def post() -> None:
            for connect in self.ways:
                with connect() as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                    writing = threading.Thread(target=client.sendall, args=(octets,))
                    if not isinstance(client, ssl.SSLSocket):  # one thread at a time for OpenSSL
                        writing.start()
                        found = b""
                        while len(statuses(found)) < 1_000:
                            found += client.recv(2_000)
                            time.sleep(0.001)
                        writing.join()
                    else:
                        found = b"".join(self.in_lots(client, wanted))
                    self.assertEqual(statuses(found), wanted)
            self.check_health()

        yield deferToThread(post)

    def in_lots(self, client: socket.socket, wanted: list[int]) -> Iterator[bytes]:
        """The answers to requests that come 40 at once."""
        for at in range(0, len(wanted), 40):
            lot = wanted[at : at + 40]
            client.sendall(b"".join(SEND if status == 200 else REFUSED for status in lot))
            yield answers_of(client, len(lot))

    @inlineCallbacks
    def test_octet_by_octet(self) -> Any:
        """A client that writes an octet at a time is answered, and so is one behind the other on its connection."""
        yield self.set_up()

        def post() -> None:
            for connect in self.ways:
                with connect() as client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    for _ in range(3):
                        for octet in SEND:
                            client.sendall(bytes((octet,)))
                        self.assertEqual(statuses(answers_of(client, 1)), [200])
            self.check_health()

        yield deferToThread(post)

    @inlineCallbacks
    def test_half_closed(self) -> Any:
        """A client that closes its writing half behind 50 texts gets 50 answers, and then the end."""
        yield self.set_up()

        def post() -> None:
            with self.ways[0]() as client:
                client.sendall(SEND * 50 + SEND[:-1])
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(statuses(read_all(client)), [200] * 50)
            self.check_health()

        yield deferToThread(post)

    @inlineCallbacks
    def test_unix(self) -> Any:
        """A socket of the file system serves as TCP does, both ways, and nothing of it is in the log."""
        with tempfile.TemporaryDirectory() as folder:
            for fast_lane in (True, False):
                path = f"{folder}/{fast_lane}"
                yield self.set_up(fast_lane=fast_lane, endpoints=[f"unix:{path}"])

                def post(path: str = path) -> None:
                    with socket.socket(socket.AF_UNIX) as client:
                        client.connect(path)
                        client.sendall(SEND * 20 + UNUSUAL["chunks"] + SEND)
                        client.shutdown(socket.SHUT_WR)
                        self.assertEqual(statuses(read_all(client)), [200] * 22)
                    for bad in ("Traceback", "Unhandled", "Error", "error"):
                        self.assertNotIn(bad, self.connector.said())

                yield deferToThread(post)

    @inlineCallbacks
    def test_never_reads(self) -> Any:
        """A client that sends texts and never reads is read from no more, and ended."""
        yield self.set_up(request_timeout=1, idle_timeout=2)
        yield deferToThread(self.check_never_reads, REFUSED * 500)

    @inlineCallbacks
    def test_as_without_it(self) -> Any:
        """Every plain and every unusual request has the same answer as from a connector without the fast lane."""
        found = []
        for fast_lane in (True, False):
            yield self.set_up(fast_lane=fast_lane)
            found.append((yield deferToThread(lambda: [list(self.asked(connect)) for connect in self.ways])))
        self.assertEqual(*found)

    def asked(self, connect: Any) -> Iterator[tuple[str, bytes]]:
        """Each request with what comes until the end: of TCP the client closes its half, over TLS the plain ones are
        answered and that is all."""
        for what, octets in (PLAIN | UNUSUAL).items():
            if b"/health" in octets:
                continue  # it says how long what has been down
            with connect() as client:
                if not isinstance(client, ssl.SSLSocket):
                    client.sendall(octets)
                    client.shutdown(socket.SHUT_WR)
                    answer = read_all(client)
                elif what in PLAIN:
                    client.sendall(octets)
                    answer = answers_of(client, 1)
                else:
                    continue
            yield what, masked(answer, times=True)

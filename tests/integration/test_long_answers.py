"""An answer of 1.5 MB over TCP and TLS: to who reads slowly, and to fifty who read nothing."""

import socket
import time
from contextlib import ExitStack
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread

from tests.integration.test_http_load import RealDoorCase

PATH = "/msg-client/docs/swagger-ui-bundle.js"
GET = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
MANY = 50
AT_ONCE = 6  # requests of each: 9 MB of answers, more than the kernel takes for a connection
MOST_EACH = 160  # KiB of the process for each who does not read; the whole answer has 1,450


class LongAnswersCase(RealDoorCase):
    def length_and_start(self, client: socket.socket) -> tuple[int, bytes]:
        """Of the body, by the head of the answer."""
        found = b""
        while b"\r\n\r\n" not in found:
            found += client.recv(4_096)
        head, _, body = found.partition(b"\r\n\r\n")
        (length,) = (line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
        return int(length), body

    @inlineCallbacks
    def test_slow(self) -> Any:
        """A client with a small window gets all of it, twice on one connection, and the same both times."""
        yield self.set_up()

        def read() -> None:
            for connect in self.ways:
                with connect() as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
                    bodies = []
                    for _ in range(2):
                        client.sendall(GET)
                        length, body = self.length_and_start(client)
                        while len(body) < length:
                            body += client.recv(8_192)
                        bodies.append(body)
                    self.assertEqual(len(bodies[0]), length)
                    self.assertEqual(*bodies)
            self.check_health()

        yield deferToThread(read)

    @inlineCallbacks
    def test_nobody_reads(self) -> Any:
        """None of them has its own copy in memory; each is cut off, and others are answered meanwhile."""
        yield self.set_up(request_timeout=3, idle_timeout=60)

        def hoard() -> None:
            for connect in self.ways:
                with connect() as first:  # the file is read, and kept once
                    first.sendall(GET)
                    self.length_and_start(first)
                before = self.memory()
                with ExitStack() as stack:
                    clients = []
                    for _ in range(MANY):
                        client = stack.enter_context(connect())
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
                        client.sendall(GET * AT_ONCE)
                        clients.append(client)
                    time.sleep(1)  # what they would cost shows when the kernel takes no more
                    self.check_health()
                    self.assertLess(self.memory() - before, MANY * MOST_EACH)
                    for client in clients[:: MANY // 4]:
                        self.ends(client, lambda client=client: client.send(GET), 20)  # type: ignore[misc]
            self.check_health()

        yield deferToThread(hoard)

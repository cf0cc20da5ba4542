"""Batches and repeats on real sockets, over TCP and TLS, with the fast lane and without it: 10,000 messages at once, a
client that writes all before it reads, one that never reads, and a kill in the middle."""

import contextlib  # trial takes the name ``suppress`` in a module for its own
import http.client
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread

from tests.integration.stack import until
from tests.integration.test_http_load import RealDoorCase

PATH = "/msg-client/send-batch"
NDJSON = {"Content-Type": "application/x-ndjson"}
MANY = 10_000


def lines(count: int, keyed: bool = False) -> bytes:
    items = ({"To": f"+92300{number:07}", "Body": f"text {number}"} for number in range(count))
    keys = ({"IdempotencyKey": f"k{number}"} if keyed else {} for number in range(count))
    return b"".join(json.dumps(item | key).encode() + b"\n" for item, key in zip(items, keys, strict=True))


def head(length: int) -> bytes:
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def answer_of(client: socket.socket) -> tuple[int, list[Any]]:
    """Status and results."""
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.status, [json.loads(line) for line in response.read().splitlines()]


class RealBatchCase(RealDoorCase):
    timeout = 180

    def stored(self) -> list[str]:
        """The texts of all messages that are on disk."""
        path = self.connector.folder / "smsconnector.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return [text for (text,) in connection.execute("SELECT text FROM segment ORDER BY id")]

    @contextmanager
    def posted(self, connect: Any, body: bytes) -> Iterator[socket.socket]:
        """While a thread writes it."""

        def write() -> None:
            with contextlib.suppress(OSError):
                client.sendall(head(len(body)) + body)

        with connect() as client:
            client.settimeout(60)
            writing = threading.Thread(target=write)
            writing.start()
            yield client
            writing.join()

    @inlineCallbacks
    def test_many(self) -> Any:
        """10,000 messages at once, with the fast lane and without, by a client that reads while it writes; then single
        requests on the same connection. Each message is there once, in order."""
        for fast_lane in (True, False):
            yield self.set_up(fast_lane=fast_lane)

            def post() -> None:
                with self.posted(self.ways[0], lines(MANY)) as client:
                    status, results = answer_of(client)
                    self.assertEqual((status, {one["status"] for one in results}), (200, {200}))
                    self.assertEqual([one["index"] for one in results], list(range(MANY)))
                    single = json.dumps({"To": "+923001234567", "Body": "single"}).encode()
                    for _ in range(3):
                        client.sendall(head(len(single)).replace(b"send-batch", b"send") + single)
                        response = http.client.HTTPResponse(client)
                        response.begin()
                        self.assertEqual((response.status, response.read()), (200, b""))
                self.assertEqual(self.stored(), [*(f"text {number}" for number in range(MANY)), *["single"] * 3])
                self.check_health()

            yield deferToThread(post)

    @inlineCallbacks
    def test_write_all_then_read(self) -> Any:
        """By a client that reads nothing before it has written all, with little room for what comes: over TCP and
        TLS."""
        yield self.set_up()
        body = lines(MANY)

        def post() -> None:
            for connect in self.ways:
                with connect() as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
                    client.settimeout(60)
                    client.sendall(head(len(body)) + body)
                    status, results = answer_of(client)
                    self.assertEqual((status, len(results)), (200, MANY))
                self.check_health()

        yield deferToThread(post)

    @inlineCallbacks
    def test_never_reads(self) -> Any:
        """Twenty that write and never read: they are ended, what they sent whole is accepted, memory is bounded."""
        yield self.set_up(request_timeout=1, idle_timeout=2)
        body = lines(MANY)

        def post() -> None:
            before = self.memory()
            clients = []
            for _ in range(20):
                client = self.ways[0]()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
                client.settimeout(30)
                clients.append(client)
                client.sendall(head(len(body)) + body)
            for client in clients:
                client.close()
            self.check_health()
            self.assertLess(self.memory() - before, 120_000)  # KiB; texts that wait are in it, 10,000 at most

        yield deferToThread(post)

    @inlineCallbacks
    def test_killed_in_the_middle(self) -> Any:
        """kill -9 while a batch with keys comes in, again and again; the client sends the same each time. In the end
        each message is there once, and each MessageSID that was told is that of the end."""
        body = lines(MANY, keyed=True)
        yield self.set_up()
        told: dict[int, str] = {}

        def post(kills_behind: int) -> int:
            """How many results came before the end. (One of them may stand in two chunks: it is not looked at.)"""
            with self.posted(self.ways[0], body) as client:
                if kills_behind:
                    octets = b""
                    with contextlib.suppress(OSError):
                        while more := client.recv(65_536):
                            octets += more
                            if kills_behind and octets.count(b"MessageSID") >= kills_behind:
                                self.connector.kill()
                                kills_behind = 0
                    whole = [one for one in octets.splitlines() if one.startswith(b'{"index"') and one.endswith(b"}")]
                    found = [json.loads(line) for line in whole]
                else:
                    _, found = answer_of(client)
            for one in found:
                self.assertEqual(one["status"], 200)
                self.assertEqual(told.setdefault(one["index"], one["MessageSID"]), one["MessageSID"])
            return len(found)

        for kills_behind in (500, 3_000, 8_000):
            self.assertLess((yield deferToThread(post, kills_behind)), MANY)
            yield self.connector.start()
            yield until(lambda: self.connector.said().count("HTTP on") == 2, 10)
        self.assertEqual((yield deferToThread(post, 0)), MANY)
        self.assertEqual(len(told), MANY)
        self.assertEqual(sorted(self.stored()), sorted(f"text {number}" for number in range(MANY)))

    @inlineCallbacks
    def test_key_outlives_a_kill(self) -> Any:
        """A single text: its answer is the same after kill -9 and a new start, through both ways of the server."""
        yield self.set_up()

        def ask() -> str | None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.request("POST", "/send", json.dumps({"To": "+923001234567", "Body": "hi"}), headers)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.getheader("X-Message-SID") if answer.status == 200 else str(answer.status)

        headers = {"Idempotency-Key": "order-1"}
        first = yield deferToThread(ask)
        self.connector.kill()
        yield self.connector.start()
        yield until(lambda: self.connector.said().count("HTTP on") == 2, 10)
        self.assertEqual((yield deferToThread(ask)), first)
        headers["Expect"] = "100-continue"  # twisted.web's
        self.assertEqual((yield deferToThread(ask)), first)
        self.assertEqual(self.stored(), ["hi"])

    @property
    def port(self) -> int:
        with self.ways[0]() as client:
            return int(client.getpeername()[1])

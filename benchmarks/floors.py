"""What the least that could do the work would cost on this machine, measured beside the gateways.

- *door*: a bare Twisted protocol that finds the end of each request and answers as ``/send`` does.
- *durable*: the same, but each answer waits until a thread has written the request into a bare SQLite database (WAL,
  synchronous=FULL), with all others that came meanwhile. The least that can keep the first law of the connector.
- *socket*: as the door, but in a loop of the standard library's ``selectors``, without Twisted.
- *store*: one INSERT a message into a bare SQLite database (WAL, synchronous=FULL), so many in each transaction.
- *disk*: ``fdatasync`` after 4 KiB at the end of a file, as a commit does; milliseconds.

A figure of ours divided by such a floor can be compared between machines. ``python -m benchmarks.floors`` with
``door``, ``durable`` or ``socket`` is a server: it prints its port.
"""

import os
import re
import selectors
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

from twisted.internet.protocol import Factory, Protocol

from benchmarks.gateways import processor_seconds
from benchmarks.peer import HERE, Peer
from tests.endurance.figures import percentile
from tests.integration.activemq import die_with_parent

SID = b"SM0192f0c1a2b37c3d8e4f5a6b7c8d9e0f"
ANSWER = b"HTTP/1.1 200 OK\r\nX-Message-SID: %b\r\nLocation: /msg-client/messages/%b\r\nContent-Length: 0\r\n\r\n" % (
    SID,
    SID,
)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE).search
PAGE = 4096  # octets
DISK_WRITES = 200


def requests(buffer: bytes) -> tuple[list[bytes], bytes]:
    """The bodies of all whole requests, and what is left of the buffer."""
    bodies = []
    while (head := buffer.find(b"\r\n\r\n")) >= 0:
        found = _LENGTH(buffer, 0, head)
        end = head + 4 + (int(found[1]) if found else 0)
        if len(buffer) < end:
            break
        bodies.append(buffer[head + 4 : end])
        buffer = buffer[end:]
    return bodies, buffer


class Door(Protocol):
    transport: Any
    _buffer = b""

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        found, self._buffer = requests(self._buffer + data)
        if found:
            self.answer(found)

    def answer(self, bodies: list[bytes]) -> None:
        """The requests with these bodies."""
        self.transport.write(ANSWER * len(bodies))


def serve_door() -> None:
    _serve(Factory.forProtocol(Door))


def _serve(factory: Any) -> None:
    from twisted.internet import reactor as _reactor  # noqa: PLC0415 — only this process has one

    reactor: Any = _reactor
    port = reactor.listenTCP(0, factory, backlog=2048, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


class Writer(threading.Thread):
    """Writes all that came since its last commit in one transaction, and has it answered."""

    def __init__(self, reactor: Any, path: Path) -> None:
        super().__init__(daemon=True)
        self._reactor, self._path = reactor, path
        self._waiting: SimpleQueue[tuple[DurableDoor, bytes]] = SimpleQueue()
        self.write = self._waiting.put

    def run(self) -> None:
        with closing(bare_database(self._path)) as connection:
            number = 0
            while True:
                batch = [self._waiting.get()]
                while not self._waiting.empty():
                    batch.append(self._waiting.get())
                rows = [(number + index, body) for index, (_, body) in enumerate(batch)]
                number += len(rows)
                insert(connection, rows)
                self._reactor.callFromThread(self._answer, batch)

    @staticmethod
    def _answer(batch: list[tuple["DurableDoor", bytes]]) -> None:
        for door, _ in batch:
            door.transport.write(ANSWER)


class DurableDoor(Door):
    """As ``Door``, but each answer waits for the commit of what came."""

    writer: Writer

    def answer(self, bodies: list[bytes]) -> None:
        for body in bodies:
            self.writer.write((self, body))


def serve_durable() -> None:
    from twisted.internet import reactor  # noqa: PLC0415 — only this process has one

    with tempfile.TemporaryDirectory(prefix="floor-") as folder:
        DurableDoor.writer = Writer(reactor, Path(folder) / "floor.db")
        DurableDoor.writer.start()
        _serve(Factory.forProtocol(DurableDoor))


def serve_socket() -> None:
    selector = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    selector.register(listener, selectors.EVENT_READ)
    buffers: dict[Any, bytes] = {}
    while True:
        for key, _ in selector.select():
            sock: Any = key.fileobj
            if sock is listener:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(sock, selectors.EVENT_READ)
                buffers[sock] = b""
                continue
            data = sock.recv(65_536)
            if not data:
                selector.unregister(sock)
                sock.close()
                del buffers[sock]
                continue
            found, buffers[sock] = requests(buffers[sock] + data)
            if found:
                sock.sendall(ANSWER * len(found))


class Server:
    """``door``, ``durable`` or ``socket`` as a process, while the ``with`` block lasts."""

    def __init__(self, kind: str) -> None:
        self._process = subprocess.Popen(
            [*die_with_parent(), sys.executable, "-m", "benchmarks.floors", kind],
            cwd=HERE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def cost(self, peer: Peer, template: bytes, count: int, **options: float) -> float:
        """Microseconds of processor time a request. ``options`` are those of ``Peer.load``."""
        begun = processor_seconds([self._process.pid])
        peer.load(self._port, template, count, submits=0, reports=0, **options)
        return (processor_seconds([self._process.pid]) - begun) / count * 1e6


def bare_database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, body NOT NULL)")
    return connection


def insert(connection: sqlite3.Connection, rows: list[tuple[int, bytes]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO message VALUES (?, ?)", rows)
    connection.execute("COMMIT")


def store(octets: int, batch: int, count: int) -> float:
    """Microseconds of processor time per message of so many octets."""
    body = b"x" * octets
    with (
        tempfile.TemporaryDirectory(prefix="floor-") as folder,
        closing(bare_database(Path(folder) / "floor.db")) as connection,
    ):
        begun = time.process_time()
        for first in range(0, count, batch):
            insert(connection, [(number, body) for number in range(first, min(first + batch, count))])
        return (time.process_time() - begun) / count * 1e6


def disk() -> tuple[float, float]:
    """p50 and p99 of ``fdatasync`` in milliseconds."""
    found = []
    with tempfile.TemporaryFile(prefix="floor-") as file:
        for _ in range(DISK_WRITES):
            os.write(file.fileno(), b"x" * PAGE)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            found.append((time.perf_counter() - begun) * 1e3)
    return percentile(found, 0.5), percentile(found, 0.99)


if __name__ == "__main__":
    {"door": serve_door, "durable": serve_durable, "socket": serve_socket}[sys.argv[1]]()

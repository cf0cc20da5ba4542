"""One HTTP request to the daemon, on a connection of its own."""

from collections.abc import Callable
from typing import Any

from tests.simulation.clock import Machine
from tests.simulation.network import ADDRESS, Connection, End, Network

PORT = 8080
Ended = Callable[[int | None, dict[str, str]], None]


def is_open(machine: Machine | None) -> bool:
    """Whether somebody listens there."""
    return machine is not None and machine.alive and PORT in machine.ports


def octets_of(path: str, kind: str, body: bytes, more: str = "", method: str = "POST") -> bytes:
    """A request; ``more`` headers, each with its end of line."""
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def connect(network: Network, machine: Machine, client: Any) -> Connection:
    """A new connection to the daemon; ``client`` is the protocol of its peer."""
    connection = Connection(network, machine, "http")
    network.connections.add(connection)
    connection.daemon.protocol, connection.peer.protocol = machine.ports[PORT].buildProtocol(ADDRESS), client
    connection.daemon.protocol.makeConnection(connection.daemon)
    return connection


class Answers:
    """Cuts what comes into answers; ``told`` is called with status and headers of each that is whole."""

    def __init__(self, told: Callable[[int, dict[str, str]], None]) -> None:
        self._told, self._received = told, b""

    def feed(self, data: bytes) -> None:
        self._received += data
        while True:
            head, separator, body = self._received.partition(b"\r\n\r\n")
            if not separator:
                return
            status, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", 0))
            if len(body) < length:
                return
            self._received = body[length:]
            self._told(int(status.split()[1]), headers)


class Post:
    """Posts ``body``. ``ended`` is called once, with the status and the headers of the answer; None if no answer came,
    or not all of it."""

    def __init__(
        self,
        network: Network,
        machine: Machine,
        path: str,
        kind: str,
        body: bytes,
        ended: Ended,
        more: str = "",
        method: str = "POST",
    ) -> None:
        """``more`` headers, each with its end of line."""
        self.octets = octets_of(path, kind, body, more, method)
        self._ended: Ended | None = ended
        self._answers = Answers(self._answered)
        self.connection = connect(network, machine, self)
        self.transport: End = self.connection.peer
        self.send()

    def send(self) -> None:
        """All at once; others take their time, or hang up."""
        self.transport.write(self.octets)

    def dataReceived(self, data: bytes) -> None:
        self._answers.feed(data)

    def _answered(self, status: int, headers: dict[str, str]) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(status, headers)
            self.transport.loseConnection()

    def connectionLost(self, _reason: Any) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(None, {})

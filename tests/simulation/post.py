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
    ) -> None:
        """``more`` headers, each with its end of line."""
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        self.octets = head.encode() + body
        self._ended: Ended | None = ended
        self._received = b""
        self.connection = connection = Connection(network, machine, "http")
        network.connections.add(connection)
        connection.daemon.protocol, connection.peer.protocol = machine.ports[PORT].buildProtocol(ADDRESS), self
        connection.daemon.protocol.makeConnection(connection.daemon)
        self.transport: End = connection.peer
        self.send()

    def send(self) -> None:
        """All at once; others take their time, or hang up."""
        self.transport.write(self.octets)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if self._ended is None or not separator:
            return
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if len(body) < int(headers.get("content-length", 0)):
            return
        ended, self._ended = self._ended, None
        ended(int(status.split()[1]), headers)
        self.transport.loseConnection()

    def connectionLost(self, _reason: Any) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(None, {})

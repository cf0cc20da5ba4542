"""The server's end of a connection that the daemon's HTTP client has made: requests in, answers out."""

from typing import Any, NamedTuple

from tests.simulation.network import Connection, End


class Request(NamedTuple):
    """A whole one. ``headers`` by their names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


class Parser:
    """Octets in, whole requests out."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Request]:
        self._buffer += data
        found = []
        while self._buffer:
            head, separator, body = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                break
            first, *lines = head.decode().split("\r\n")
            method, target, version = first.split(" ")
            assert version == "HTTP/1.1", first
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", 0))
            if len(body) < length:
                break
            self._buffer = body[length:]
            found.append(Request(method, target, headers, body[:length].decode()))
        return found


class Served:
    """``heard`` and ``written`` are for subclasses. What is given to ``answer`` gets ``known_at``, the time at which
    the whole answer was with a daemon that lived."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.transport: End
        self._arrived = Parser()
        self._answers: list[tuple[int, Any]] = []  # up to which octet each goes

    def makeConnection(self, transport: End) -> None:
        self.transport = transport
        self.connection.watch = self._watch

    def connectionLost(self, _reason: Any) -> None: ...

    def dataReceived(self, data: bytes) -> None:
        for request in self._arrived.feed(data):
            self.heard(request)

    def heard(self, request: Request) -> None:
        """A whole request is here."""

    def written(self, data: bytes) -> None:
        """The daemon has written these octets, wherever they are now."""

    def answer(self, octets: bytes, known: Any = None) -> None:
        """``known``: who is told when all of it has arrived; None: nobody."""
        self.transport.write(octets)
        if known is not None:
            self._answers.append((len(self.transport.written), known))

    def _watch(self, what: str, end: End, data: bytes, upto: int) -> None:
        if what == "wrote" and end is self.connection.daemon:
            self.written(data)
        elif what == "arrived" and end is self.connection.peer:
            while self._answers and self._answers[0][0] <= upto:
                self._answers.pop(0)[1].known_at = self.connection.time.rightNow

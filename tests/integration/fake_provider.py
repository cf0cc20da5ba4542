"""An HTTP server that does what a test's script says, over real sockets on loopback: a provider, as bad as they come.

A script is a list of answers, one for each request, in the order in which they come; the last one is for all that
follow. An answer is a ``Reply``, or a function that makes one of the request. Steps that can't be said by a ``Reply``
(silence, a cut) are its ``acts``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from OpenSSL import SSL
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure


@dataclass(frozen=True)
class Request:
    """As it came. ``connection`` counts the server's connections from 0."""

    method: str
    target: str
    headers: dict[str, str]  # by their names in lower case
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, encoding="utf-8"))


@dataclass(frozen=True)
class Reply:
    """``raw``: these octets instead of a well-formed reply. ``cut``: so many octets of it are written, then the
    connection is reset. ``is_last``: the connection is closed behind it. ``delay`` (s): before it is written.
    ``is_silent``: nothing is written at all. ``is_slow``: an octet every 20 ms. ``then``: these octets are written too,
    ``pause`` (s) later."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    raw: bytes | None = None
    cut: int | None = None
    is_last: bool = False
    delay: float = 0.0
    is_silent: bool = False
    is_slow: bool = False
    then: bytes = b""
    pause: float = 0.0

    def octets(self) -> bytes:
        """The whole of it."""
        if self.raw is not None:
            return self.raw
        lines = [f"HTTP/1.1 {self.status} X", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + self.body


Answer = Reply | Callable[[Request], Reply]


@dataclass
class FakeProvider:
    """``start`` listens on a free port of loopback, by TLS if ``certificate`` (PEM of key and certificate) is given.
    ``client_ca`` (PEM): clients have to show a certificate that this authority has signed. ``requests`` is what came,
    and ``times`` when, in seconds of the reactor. ``most_at_once``: the requests that were under way at one time."""

    reactor: Any
    script: Sequence[Answer] = (Reply(),)
    certificate: str | None = None
    client_ca: str | None = None
    times: list[float] = field(default_factory=list)
    under_way: int = 0
    most_at_once: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    live: set[Any] = field(default_factory=set)
    _port: Any = None

    def start(self) -> "FakeProvider":
        factory: Any = Factory.forProtocol(_Connection)
        factory.provider = self
        if self.certificate is None:
            self._port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            context = ssl.DefaultOpenSSLContextFactory(self.certificate, self.certificate)
            if self.client_ca is not None:
                asked = context.getContext()
                asked.load_verify_locations(self.client_ca)
                asked.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *found: bool(found[-1]))
            self._port = self.reactor.listenSSL(0, factory, context, interface="127.0.0.1")
        return self

    @property
    def port(self) -> int:
        return int(self._port.getHost().port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}" if self.certificate is None else f"https://localhost:{self.port}"

    def stop(self) -> "Deferred[Any]":
        """Listen no more, and end what is open."""
        self.drop()
        stopped: Deferred[Any] = self._port.stopListening()
        return stopped

    def drop(self) -> None:
        """Reset every connection."""
        for connection in tuple(self.live):
            connection.transport.abortConnection()

    def answer(self, request: Request) -> Reply:
        answer = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(request)
        self.times.append(self.reactor.seconds())
        return answer if isinstance(answer, Reply) else answer(request)


class _Connection(Protocol):
    def connectionMade(self) -> None:
        self.provider: FakeProvider = self.factory.provider
        self.number = self.provider.connections
        self.provider.connections += 1
        self.provider.live.add(self)
        self.buffer = b""
        self.calls: set[Any] = set()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.provider.live.discard(self)
        for call in self.calls:
            if call.active():
                call.cancel()

    def dataReceived(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                return
            body, self.buffer = rest[:length], rest[length:]
            method, target, _ = first.split(" ")
            reply = self.provider.answer(Request(method, target, headers, body, self.number))
            self.provider.under_way += 1
            self.provider.most_at_once = max(self.provider.most_at_once, self.provider.under_way)
            if not reply.is_silent:
                self.later(reply.delay, self.write, reply)

    def later(self, delay: float, function: Callable[..., Any], *arguments: Any) -> None:
        if not delay:
            function(*arguments)
        else:
            self.calls.add(self.provider.reactor.callLater(delay, function, *arguments))

    def write(self, reply: Reply) -> None:
        transport: Any = self.transport
        self.provider.under_way -= 1
        octets = reply.octets() if reply.cut is None else reply.octets()[: reply.cut]
        if reply.is_slow:
            for place in range(len(octets)):
                self.later(0.02 * (place + 1), transport.write, octets[place : place + 1])
            return
        transport.write(octets)
        if reply.then:
            self.later(reply.pause, transport.write, reply.then)
        if reply.cut is not None:
            self.later(0.02, transport.abortConnection)
        elif reply.is_last:
            transport.loseConnection()

"""Texts over HTTP from many connections, paced or as fast as they are answered, with the latency of each.

Paced, a text falls due at its time whether the connector answers or not (an open loop): its latency counts from then,
so that a stall is seen by all that fell due in it. Connections that are lost are made again; what was under way on
one may or may not have been accepted.
"""

import json
import re
from collections import deque
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone

reactor: Any = _reactor
AGAIN = 0.02  # seconds until a connection that was lost or refused is tried again
LONGEST_LINE = 5000  # texts that wait for a free connection; more are not posted
_SID = re.compile(rb"(?i)x-message-sid: (\S+)")
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")


class _Client(Protocol):
    """One connection: at most one request under way, or idle in the load's list."""

    transport: Any

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._buffer = b""
        self.under_way: tuple[str, float] | None = None  # number, due at

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self._load.is_idle(self)

    def post(self, number: str, due_at: float, request: bytes) -> None:
        self.under_way = number, due_at
        self.transport.write(request)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if self.under_way is None or not end or length is None or len(rest) < int(length[1]):
            return
        (number, due_at), self.under_way, self._buffer = self.under_way, None, b""
        self._load.answered(number, due_at, head)
        self._load.is_idle(self)

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self._load.is_lost(self)


class Load:
    """Posts texts from ``start`` to ``stop``, each to a number of its own from ``first`` on. ``rate`` a second (0: as
    fast as they are answered) may be changed at any time. Every ``long_every``-th text takes two segments."""

    def __init__(
        self,
        port: int,
        rate: float = 0.0,
        connections: int = 32,
        first: int = 0,
        long_every: int = 0,
        channel: str = "smpp",
    ) -> None:
        self.rate, self.connections, self.channel = rate, connections, channel
        self._endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port, timeout=5)
        self._next, self._long_every = first, long_every
        self.accepted: dict[str, str] = {}  # MessageSID -> number
        self.refused: list[bytes] = []
        self.posted = self.unanswered = self.not_posted = self.under_way = 0
        self.limit: int | None = None  # posts in all
        self.latencies: list[float] = []  # seconds, of the 200s; whoever reads them may clear them
        self._idle: deque[_Client] = deque()
        self._due: deque[float] = deque()
        self._following = 0.0  # when the next one falls due
        self._timer: Any = None
        self._running = False

    def is_long(self, number: str) -> bool:
        return bool(self._long_every) and int(number) % self._long_every == 0

    def start(self) -> None:
        self._running = True
        self._following = reactor.seconds()
        for _ in range(self.connections):
            self._connect()
        self._fall_due()

    def stop(self) -> None:
        """Post nothing more; what is under way is still answered."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()
        for client in list(self._idle):
            client.transport.loseConnection()

    def post(self, count: int) -> None:
        """So many more."""
        self.limit = self.posted + count
        self._following = reactor.seconds()
        self._serve()

    @property
    def done(self) -> bool:
        """Whether all that was to be posted is answered, or lost."""
        return not self.under_way and (not self._running or (self.limit is not None and self.posted >= self.limit))

    def _connect(self) -> None:
        attempt: Deferred[Any] = connectProtocol(self._endpoint, _Client(self))
        attempt.addErrback(lambda _: self._connect_again())

    def _connect_again(self) -> None:
        if self._running:
            reactor.callLater(AGAIN, self._connect)

    # --- time -----------------------------------------------------------------------------------------------

    def _fall_due(self) -> None:
        """Whatever is due by now, in line."""
        now = reactor.seconds()
        if self.rate and (self.limit is None or self.posted + len(self._due) < self.limit):
            while self._following <= now:
                if len(self._due) < LONGEST_LINE:
                    self._due.append(self._following)
                else:
                    self.not_posted += 1
                self._following += 1 / self.rate
        else:
            self._following = now
        self._serve()
        self._timer = reactor.callLater(max(0.001, min(0.02, self._following - reactor.seconds())), self._fall_due)

    def _serve(self) -> None:
        """Give idle connections what is due."""
        while self._idle and self._running and (self._due or not self.rate):
            if self.limit is not None and self.posted >= self.limit:
                self._due.clear()
                return
            self._post(self._idle.popleft(), self._due.popleft() if self._due else reactor.seconds())

    def _post(self, client: _Client, due_at: float) -> None:
        number = f"9230{self._next:08d}"
        text = f"text {self._next}" + (" " + "long " * 40 if self.is_long(number) else "")
        self._next += 1
        self.posted += 1
        self.under_way += 1
        body = json.dumps({"To": f"+{number}", "Body": text, "channel": self.channel}).encode()
        client.post(
            number,
            due_at,
            b"POST /msg-client/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
        )

    # --- from the connections -------------------------------------------------------------------------------

    def is_idle(self, client: _Client) -> None:
        if self._running:
            self._idle.append(client)
            self._serve()
        else:
            client.transport.loseConnection()

    def answered(self, number: str, due_at: float, head: bytes) -> None:
        self.under_way -= 1
        sid = _SID.search(head)
        if head.startswith(b"HTTP/1.1 200") and sid is not None:
            self.accepted[sid[1].decode()] = number
            self.latencies.append(reactor.seconds() - due_at)
        else:
            self.refused.append(head)

    def is_lost(self, client: _Client) -> None:
        if client.under_way is not None:
            self.under_way -= 1
            self.unanswered += 1
        elif client in self._idle:
            self._idle.remove(client)
        self._connect_again()

"""The application: posts texts over HTTP and believes what it is told.

A text that was refused for now (503), or found nobody listening, is posted again under a tag of its own; one whose
answer never came is not: the application can't know.
"""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.simulation.clock import Time
from tests.simulation.network import ADDRESS, Connection, End, Network
from tests.simulation.plan import Plan, Text

PORT = 8080
AGAIN, TRIES = 0.7, 40  # seconds
PATIENCE = 60.0  # seconds that an answer may take before the daemon is said to hang


@dataclass(eq=False)
class Request:
    """One POST. ``status`` None: no answer came, or not all of it."""

    text: Text
    number: int  # which request for this text
    begun_at: float
    life: Any
    destination: str
    body: str
    status: int | None = None
    sid: str = ""
    answered_at: float | None = None
    ended_at: float | None = None  # no more will come of it

    @property
    def tag(self) -> tuple[int, int]:
        return self.text.number, self.number


def number_of(to: int) -> str:
    """Half of the numbers have one prefix, half the other."""
    return f"46{'70' if to % 2 == 0 else '80'}00{to:05}"


def body_of(text: Text, number: int) -> str:
    tag = f"({text.number}.{number})"
    return tag if text.segments == 1 else (tag * 100)[: 153 * (text.segments - 1) + 20]


class Application:
    """``requests`` is what it remembers."""

    def __init__(self, time: Time, network: Network, plan: Plan, dice: Random, find: Any) -> None:
        self.time, self.network, self.dice, self._find = time, network, dice, find
        self.requests: list[Request] = []
        self.pending = len(plan.of(Text))
        for text in plan.of(Text):
            time.callLater(text.at, self._post, text, 0, 0)

    def _post(self, text: Text, number: int, tries: int) -> None:
        machine = self._find()
        factory = machine.ports.get(PORT) if machine is not None and machine.alive else None
        if factory is None:
            if tries < TRIES:
                self.time.callLater(AGAIN, self._post, text, number, tries + 1)
            else:
                self.pending -= 1
            return
        request = Request(text, number, self.time.rightNow, machine, number_of(text.to), body_of(text, number))
        self.requests.append(request)
        connection = Connection(self.network, machine, "http")
        self.network.connections.add(connection)
        client = Client(self, request, connection)
        connection.daemon.protocol, connection.peer.protocol = factory.buildProtocol(ADDRESS), client
        connection.daemon.protocol.makeConnection(connection.daemon)
        client.makeConnection(connection.peer)

    def ended(self, request: Request) -> None:
        """An answer, or none: once more if that is safe."""
        request.ended_at = self.time.rightNow
        if request.status is not None and request.status >= 500 and request.number < TRIES:
            self.time.callLater(AGAIN, self._post, request.text, request.number + 1, 0)
        else:
            self.pending -= 1


class Client:
    """One request on one connection."""

    def __init__(self, application: Application, request: Request, connection: Connection) -> None:
        self.application, self.request, self.connection = application, request, connection
        self._received = b""
        self._over = False

    def makeConnection(self, transport: End) -> None:
        self.transport = transport
        request = self.request
        body = json.dumps({"To": "+" + request.destination, "Body": request.body}).encode()
        octets = (
            b"POST /msg-client/send HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        hangup = request.text.hangup if request.number == 0 else ""
        dice, time = self.application.dice, self.application.time
        if hangup in ("in request", "slow request"):
            cut = dice.randrange(1, len(octets))
            transport.write(octets[:cut])
            if hangup == "in request":
                time.callLater(0.1, self.connection.cut)
            else:
                time.callLater(1.0, transport.write, octets[cut:])
            return
        transport.write(octets)
        if hangup:
            time.callLater(dice.random() * 0.1, self.connection.cut)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if self._over or not separator:
            return
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if len(body) < int(headers.get("content-length", 0)):
            return
        self._over = True
        request = self.request
        request.status, request.sid = int(status.split()[1]), headers.get("x-message-sid", "")
        request.answered_at = self.application.time.rightNow
        self.application.ended(request)
        self.transport.loseConnection()

    def connectionLost(self, _reason: Any) -> None:
        if not self._over:
            self._over = True
            self.application.ended(self.request)

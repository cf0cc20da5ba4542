"""The application that takes events by HTTP POST: it takes them, or refuses, or keeps silent, or hangs up, as the plan
says."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.simulation.clock import Machine, Time
from tests.simulation.network import Connection, End
from tests.simulation.plan import Answered, Plan

ADDRESS = "10.0.0.4"
STATUS = {
    "refused": "400 Bad Request",
    "moved": "301 Moved Permanently\r\nLocation: http://10.0.0.5/",
    "error": "500 Internal Server Error",
    "bad gateway": "502 Bad Gateway",
    "busy": "503 Service Unavailable",
    "too many": "429 Too Many Requests\r\nRetry-After: 2",
    "gone": "410 Gone",
}
TAKEN = ("", "taken, dropped", "half", "silent", "late", "slow")
FINAL = ("refused", "moved")  # the event is parked at once
SILENT = 20.0  # seconds until a connection is cut on which an answer never comes


@dataclass(eq=False)
class Hooked:
    """One request. ``what`` the application did with it, "" for 200 at once. ``known_at``: the whole 200 was with a
    daemon that lived."""

    webhook_id: str
    body: str
    timestamp: int
    what: str
    at: float
    life: Machine
    known_at: float | None = None

    @property
    def is_taken(self) -> bool:
        return self.what in TAKEN

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.body)["data"]  # type: ignore[no-any-return]


class Subscriber:
    """``requests``: what came, in the order in which it came."""

    def __init__(self, time: Time, plan: Plan, dice: Random) -> None:
        self.time, self.dice = time, dice
        self.requests: list[Hooked] = []
        self.pending = 0
        self.faults = {one.number: one.what for one in plan.of(Answered)}

    def answer(self, connection: Connection) -> "Peer":
        return Peer(self, connection)


class Peer:
    """The application's end of one connection."""

    def __init__(self, owner: Subscriber, connection: Connection) -> None:
        self.owner, self.connection = owner, connection
        self.transport: End
        self._buffer = b""
        self._answers: list[tuple[int, Hooked]] = []  # up to which octet each 200 goes

    def makeConnection(self, transport: End) -> None:
        self.transport = transport
        self.connection.watch = self._watch

    def connectionLost(self, _reason: Any) -> None: ...

    def _watch(self, what: str, end: End, _data: bytes, upto: int) -> None:
        if what == "arrived" and end is self.connection.peer:
            while self._answers and self._answers[0][0] <= upto:
                self._answers.pop(0)[1].known_at = self.owner.time.rightNow

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        first, *lines = head.decode().split("\r\n")
        assert first == "POST /hook HTTP/1.1", first
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"])
        if len(body) >= length:
            self._buffer = body[length:]
            self._heard(headers, body[:length].decode())

    def _heard(self, headers: dict[str, str], body: str) -> None:
        owner, life = self.owner, self.connection.daemon.machine
        assert life is not None
        assert headers["webhook-signature"].startswith("v1,")
        what = owner.faults.get(len(owner.requests) + 1, "")
        request = Hooked(
            headers["webhook-id"], body, int(headers["webhook-timestamp"]), what, owner.time.rightNow, life
        )
        owner.requests.append(request)
        if what in ("dropped", "taken, dropped"):
            self.connection.cut()
            return
        delay = {"late": 6.0, "slow": 1.0, "silent": SILENT}.get(what, owner.dice.random() * 0.02)
        owner.pending += 1
        owner.time.callLater(delay, self._answer, request)

    def _answer(self, request: Hooked) -> None:
        self.owner.pending -= 1
        if self.connection.is_cut:
            return
        if request.what == "silent":
            self.connection.cut()
            return
        status = STATUS.get(request.what, "200 OK")
        self.transport.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok".encode())
        if request.is_taken:
            self._answers.append((len(self.transport.written), request))
        if request.what == "half":
            self.connection.cut()

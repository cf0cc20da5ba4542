"""The application that takes events by HTTP POST: it takes them, or refuses, or keeps silent, or hangs up, as the plan
says."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.simulation.clock import Machine, Time
from tests.simulation.network import Connection
from tests.simulation.served import Request, Served

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
    target: str
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

    def __init__(self, time: Time, faults: dict[int, str], dice: Random) -> None:
        """``faults``: what it does with a request, by the number of that, from 1."""
        self.time, self.dice, self.faults = time, dice, faults
        self.requests: list[Hooked] = []
        self.pending = 0

    def answer(self, connection: Connection) -> "Peer":
        return Peer(self, connection)


class Peer(Served):
    """The application's end of one connection."""

    def __init__(self, owner: Subscriber, connection: Connection) -> None:
        super().__init__(connection)
        self.owner = owner

    def heard(self, request: Request) -> None:
        owner, life, headers = self.owner, self.connection.daemon.machine, request.headers
        assert life is not None
        assert request.method == "POST"
        assert headers["webhook-signature"].startswith("v1,")
        what = owner.faults.get(len(owner.requests) + 1, "")
        stamp = int(headers["webhook-timestamp"])
        hooked = Hooked(headers["webhook-id"], request.target, request.body, stamp, what, owner.time.rightNow, life)
        owner.requests.append(hooked)
        if what in ("dropped", "taken, dropped"):
            self.connection.cut()
            return
        delay = {"late": 6.0, "slow": 1.0, "silent": SILENT}.get(what, owner.dice.random() * 0.02)
        owner.pending += 1
        owner.time.callLater(delay, self._answer, hooked)

    def _answer(self, hooked: Hooked) -> None:
        self.owner.pending -= 1
        if self.connection.is_cut:
            return
        if hooked.what == "silent":
            self.connection.cut()
            return
        status = STATUS.get(hooked.what, "200 OK")
        octets = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok".encode()
        self.answer(octets, hooked if hooked.is_taken else None)
        if hooked.what == "half":
            self.connection.cut()

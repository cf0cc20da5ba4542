"""A STOMP consumer of the broker's queues, and the tally of what came, by event-id.

It acknowledges by being subscribed (``ack:auto``), so it may only be there while the broker is not killed: then each
message that is on a queue comes exactly once, and whatever comes twice was published twice.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol

reactor: Any = _reactor
REPORTS, TEXTS = "delivery-report", "incoming-message"


@dataclass(slots=True)
class Copies:
    """All that came under one event-id. ``at``: when the broker got each (ms since the epoch)."""

    body: str
    at: list[int] = field(default_factory=list)
    differ: bool = False


class Tally:
    """``reports`` and ``texts`` by event-id, each in the order of the first copies; ``told``: the reports of each
    MessageSID, one per event-id."""

    def __init__(self) -> None:
        self.reports: dict[str, Copies] = {}
        self.texts: dict[str, Copies] = {}
        self.told: dict[str, list[dict[str, Any]]] = {}
        self.arrivals = 0

    def add(self, queue: str, event_id: str, at: int, body: str) -> None:
        self.arrivals += 1
        events = self.reports if queue == REPORTS else self.texts
        copies = events.get(event_id)
        if copies is None:
            copies = events[event_id] = Copies(body)
            if queue == REPORTS:
                report = json.loads(body)
                self.told.setdefault(report["MessageSID"], []).append(report)
        copies.at.append(at)
        copies.differ |= copies.body != body


class _Consumer(Protocol):
    transport: Any

    def __init__(self, arrived: Callable[[str, str, int, str], None]) -> None:
        self._arrived = arrived
        self._buffer = b""

    def connectionMade(self) -> None:
        self.transport.write(b"CONNECT\naccept-version:1.1\nhost:x\nheart-beat:0,0\n\n\0")
        for queue in (REPORTS, TEXTS):
            self.transport.write(b"SUBSCRIBE\nid:%b\ndestination:/queue/%b\nack:auto\n\n\0" % ((queue.encode(),) * 2))

    def dataReceived(self, data: bytes) -> None:
        """No body has a NUL, so it ends the frame."""
        *frames, self._buffer = (self._buffer + data).split(b"\0")
        for frame in frames:
            head, _, body = frame.lstrip(b"\n").decode().partition("\n\n")
            command, *lines = head.split("\n")
            if command == "ERROR":
                raise RuntimeError(f"the broker says: {head}")
            if command == "MESSAGE":
                headers = dict(line.split(":", 1) for line in lines)
                self._arrived(headers["subscription"], headers["event-id"], int(headers["timestamp"]), body)


class Consumer:
    """Subscribed to both queues from ``start`` to ``close``; all that comes is in ``tally``."""

    def __init__(self, port: int) -> None:
        self._endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        self._protocol: Any = None
        self.tally = Tally()

    async def start(self) -> None:
        attempt: Deferred[Any] = connectProtocol(self._endpoint, _Consumer(self.tally.add))
        self._protocol = await attempt

    def close(self) -> None:
        if self._protocol is not None:
            self._protocol.transport.abortConnection()

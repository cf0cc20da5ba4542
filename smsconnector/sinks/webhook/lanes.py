"""The events of one number, one after the other; those of different numbers side by side. No clock and no I/O.

A number that has events has a lane. The first of it is *ready*, *out* (being sent), or *waits* for a time. The others
stand behind it until it has gone.
"""

import heapq
from collections import deque

from smsconnector.messages import Event
from smsconnector.sinks import TellOutcome


class Delivery:
    """One event on its way. It belongs to its lane until it is settled."""

    __slots__ = ("body", "event", "failed_at", "number", "settle", "taken_before", "tries")

    def __init__(self, event: Event, settle: TellOutcome, number: str, body: bytes) -> None:
        self.event, self.settle, self.number, self.body = event, settle, number, body
        self.tries = 0  # that have failed
        self.failed_at = 0.0  # s of the clock; when the first of them did
        self.taken_before = 0  # how many events the target had taken by then


class Lanes:
    """All lanes of one target."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Delivery]] = {}
        self._ready: deque[Delivery] = deque()
        self._waiting: list[tuple[float, int, Delivery]] = []  # due at, a number that makes it unique, and which
        self._count = 0

    def __len__(self) -> int:
        """How many lanes there are."""
        return len(self._lanes)

    def add(self, delivery: Delivery) -> None:
        """Behind all others of its number."""
        lane = self._lanes.get(delivery.number)
        if lane is None:
            self._lanes[delivery.number] = deque((delivery,))
            self._ready.append(delivery)
        else:
            lane.append(delivery)

    def settled(self, delivery: Delivery) -> None:
        """It is gone: the next one of its number is ready."""
        lane = self._lanes[delivery.number]
        lane.popleft()
        if lane:
            self._ready.append(lane[0])
        else:
            del self._lanes[delivery.number]

    def again(self, delivery: Delivery) -> None:
        """It is ready again, behind those of all other numbers: who fails holds up nobody."""
        self._ready.append(delivery)

    def wait(self, delivery: Delivery, until: float) -> None:
        """It is ready again at that time (s)."""
        self._count += 1
        heapq.heappush(self._waiting, (until, self._count, delivery))

    def due_at(self) -> float | None:
        """When the next one that waits is ready (s)."""
        return self._waiting[0][0] if self._waiting else None

    def take(self, now: float, most: int) -> list[Delivery]:
        """Those that may go out now (s), ``most`` of them at most."""
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

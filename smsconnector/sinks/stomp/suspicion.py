"""Which event the broker refuses, when it ends a connection while some are under way. No clock and no I/O.

1. ERROR may be about one event, and the broker may also hang up without a word again and again. From then on one part
   is under way at a time, so that it is known which is at fault. An ERROR may name a part by its receipt-id, too.
2. That part is halved, until it is a single event. Parts grow again with each that is confirmed.
3. A single event that an ERROR names is refused. Without a name it has to be alone under way at a second ERROR, or when
   the broker hangs up for the third time: the first may be about the broker itself.
4. Several refused in a row for one destination, with none confirmed: it is the destination. All that is for it is
   refused at once, for a while. So the others don't wait for it. It is tried again after that while, and before with
   an event that was parked, or when the broker has gone without any event under way: somebody may have mended it.

What the connector drops by itself, for silence or for a receipt that is owed, makes parts smaller and refuses nothing.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from smsconnector.sinks.stomp.frames import BatchPart

LONGEST_PART = 1000  # events
ENDS_UNTIL_SUSPECT = 3  # connections in a row that ended without ERROR, before any of what they carried was confirmed
ERRORS_UNTIL_REFUSED = 2  # without a receipt-id
REFUSED_IN_A_ROW = 3  # events for one destination, after which it is closed
CLOSED_S = 60.0  # seconds until a closed destination is tried again


class EndedConnection(Protocol):
    """What is known of how a connection ended."""

    said: str  # by ERROR; "" without one
    named: BatchPart | None
    hung_up: bool


class Finding(NamedTuple):
    """``refused``: a part of one event, and the ``reason``. ``closed_kind``: all of that kind is refused for now.
    ``is_about_events``: it was not the broker's fault, so there is no reason to wait before the next attempt."""

    is_about_events: bool = False
    refused: BatchPart | None = None
    reason: str = ""
    closed_kind: str | None = None


class Suspicion:
    """``longest``: events that a part may have now; ``one_at_a_time``: parts."""

    def __init__(self) -> None:
        self.longest = LONGEST_PART
        self.one_at_a_time = False
        self._ends = 0  # connections in a row that ended with parts under way, and none of them confirmed
        self._alone: tuple[int, int] | None = None  # the event that was alone under way at the last ends, and how many
        self._refused: Counter[str] = Counter()  # by kind, since one of that kind was confirmed
        self._closed: dict[str, tuple[float, str]] = {}  # kind -> until when (s), and why

    def confirmed(self, part: BatchPart) -> None:
        """The broker has taken it."""
        self._ends, self._alone = 0, None
        if self.longest < LONGEST_PART:
            self.longest = min(self.longest * 2, LONGEST_PART)
            self.one_at_a_time = self.longest < LONGEST_PART
        if self._refused:
            for kind in {event.kind for event in part.events}:
                self._refused.pop(kind, None)
                self._closed.pop(kind, None)

    def closed(self, now: float) -> dict[str, str]:
        """The kinds of events that are refused for now, and why."""
        if not self._closed:
            return {}
        return {kind: reason for kind, (until, reason) in self._closed.items() if now < until}

    def ended(self, connection: EndedConnection, parts: Sequence[BatchPart], now: float) -> Finding:
        """A connection has ended with these parts under way, in order."""
        if not parts:
            self._closed.clear()
            return Finding()
        self._ends += 1
        if not connection.said and self._ends < ENDS_UNTIL_SUSPECT:
            return Finding()
        self.one_at_a_time = True
        suspect = connection.named or parts[0]
        if len(suspect.events) > 1:
            self.longest = max(1, len(suspect.events) // 2)
            return Finding(is_about_events=bool(connection.said))
        self.longest = 1
        if connection.named is None and not self._is_guilty(connection, parts):
            return Finding(is_about_events=bool(connection.said))
        return self._refuse(suspect, connection.said or "the broker hung up on it again and again", now)

    def _is_guilty(self, connection: EndedConnection, parts: Sequence[BatchPart]) -> bool:
        """Whether the only event under way has been so often enough."""
        if len(parts) > 1 or not (connection.said or connection.hung_up):
            self._alone = None
            return False
        event_id = parts[0].events[0].id
        before = self._alone[1] if self._alone is not None and self._alone[0] == event_id else 0
        self._alone = event_id, before + 1
        return before + 1 >= (ERRORS_UNTIL_REFUSED if connection.said else ENDS_UNTIL_SUSPECT)

    def _refuse(self, part: BatchPart, reason: str, now: float) -> Finding:
        self._ends, self._alone = 0, None
        kind = part.events[0].kind
        self._refused[kind] += 1
        closed = self._refused[kind] >= REFUSED_IN_A_ROW
        if closed:
            self._closed[kind] = now + CLOSED_S, reason
        return Finding(is_about_events=True, refused=part, reason=reason, closed_kind=kind if closed else None)

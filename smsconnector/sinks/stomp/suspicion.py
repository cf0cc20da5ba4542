"""How much may be under way to one destination, and which event the broker refuses. No clock and no I/O.

1. A broker that ends a connection while events are under way may do so because of one of them. From then on fewer may
   be under way, half as many each time. So it is known in the end which is at fault, and those before it are confirmed
   meanwhile. The number grows again, twofold each time that so many are confirmed.
2. A single event that an ERROR names by its receipt-id is refused. Without a name it has to be alone under way at a
   second ERROR: the first may be about the broker itself. A broker that hangs up without a word is believed later: at
   the third time, over some seconds, for it may be starting or stopping. (RabbitMQ 3.10 hangs up so when a queue with
   the policy ``reject-publish`` is full.)
3. Several refused in a row, with none confirmed: it is the destination. All that is for it is refused at once, for a
   while. It is tried again after that while, and before with an event that was parked, or when the broker has gone
   without any event under way: somebody may have mended it.
4. A transaction in which nothing moves is *stalled*. With ActiveMQ's producer flow control a SEND waits for memory that
   only the COMMIT behind it would free. From then on events go one by one, and transactions grow again up to half of
   what stalled. That limit is forgotten after some minutes.

A single event whose receipt is owed is waited for, as long as the broker lives. That makes nothing smaller.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from smsconnector.sinks.stomp.frames import BatchPart

MOST = 1000  # events of a part, and events under way while an event is looked for
ERRORS_UNTIL_REFUSED = 2  # without a receipt-id, with one event under way
HANG_UPS_UNTIL_REFUSED = 3  # the same, without a word
HANG_UPS_LAST = 2.0  # seconds at least, from the first of them to the last
REFUSED_IN_A_ROW = 3  # events, after which the destination is closed
CLOSED_S = 60.0  # seconds until a closed destination is tried again
STALL_KEPT_S = 600.0  # seconds for which it is remembered how long a transaction may be


class EndedConnection(Protocol):
    """What is known of how a connection ended."""

    said: str  # by ERROR; "" without one
    named: BatchPart | None
    hung_up: bool
    stalled: BatchPart | None


class Finding(NamedTuple):
    """``refused``: a part of one event, and the ``reason``. ``is_closed``: all is refused for now.
    ``is_about_events``: it was not the broker's fault, so there is no reason to wait before the next attempt."""

    is_about_events: bool = False
    refused: BatchPart | None = None
    reason: str = ""
    is_closed: bool = False


class Suspicion:
    """``longest``: events that a part may have now. ``is_careful``: no more than that may be under way."""

    def __init__(self) -> None:
        self.longest = MOST
        self.is_careful = False
        self._confirmed = 0  # events, since ``longest`` has changed
        self._alone: tuple[int, int, float] | None = None  # an event that was alone under way; how often; since when
        self._refused = 0  # events, since one was confirmed
        self._hangs_up = False  # one of these was refused because the broker hung up
        self._closed: tuple[float, str] | None = None  # until when (s), and why
        self._limit, self._limited_until = MOST, 0.0  # of transactions, after one has stalled

    def confirmed(self, events: int, now: float) -> None:
        """The broker has taken so many."""
        self._alone, self._closed, self._refused, self._hangs_up = None, None, 0, False
        if self.longest < MOST or self.is_careful:
            self._confirmed += events
            if self._confirmed >= self.longest:
                self._grow(now)

    def _grow(self, now: float) -> None:
        limit = self._limit if now < self._limited_until else MOST
        self.longest, self._confirmed = min(self.longest * 2, limit), 0
        self.is_careful = self.is_careful and self.longest < limit

    def closed(self, now: float) -> str:
        """Why everything is refused for now; "" if it is not."""
        return self._closed[1] if self._closed is not None and now < self._closed[0] else ""

    @property
    def closed_since(self) -> float:
        """When (s) it was closed last."""
        return self._closed[0] - CLOSED_S if self._closed is not None else 0.0

    def ended(self, connection: EndedConnection, parts: Sequence[BatchPart], now: float) -> Finding:
        """A connection has ended with these parts under way, in order."""
        if connection.stalled is not None:
            self._stalled(len(connection.stalled.events), now)
            return Finding()
        if not parts:
            self._closed, self._refused, self._hangs_up = None, 0, False
            return Finding()
        if not (connection.said or connection.hung_up):
            return Finding()
        suspects = connection.named.events if connection.named else [one for part in parts for one in part.events]
        self.is_careful, self.longest, self._confirmed = True, max(1, min(len(suspects), self.longest) // 2), 0
        if len(suspects) > 1:
            self._alone = None
            return Finding(is_about_events=True)
        self.longest = 1
        if connection.named is None and not self._is_guilty(suspects[0].id, bool(connection.said), now):
            return Finding(is_about_events=bool(connection.said))
        return self._refuse(connection, parts, now)

    def _stalled(self, events: int, now: float) -> None:
        self.longest, self._confirmed = 1, 0
        self._limit, self._limited_until = max(1, events // 2), now + STALL_KEPT_S

    def _is_guilty(self, event: int, has_words: bool, now: float) -> bool:
        """Whether the only event under way has been so often enough, and for long enough."""
        same = self._alone is not None and self._alone[0] == event
        times, since = self._alone[1:] if same and self._alone is not None else (0, now)
        self._alone = event, times + 1, since
        if has_words:
            return times + 1 >= ERRORS_UNTIL_REFUSED
        if self._hangs_up:  # on others before, and it has taken none since
            return True
        return times + 1 >= HANG_UPS_UNTIL_REFUSED and now - since >= HANG_UPS_LAST

    def _refuse(self, connection: EndedConnection, parts: Sequence[BatchPart], now: float) -> Finding:
        again = "as on others before" if self._hangs_up else "again and again"
        reason = connection.said or f"the connection was lost with it under way, {again}, and the broker said no word"
        self._alone, self._hangs_up = None, self._hangs_up or not connection.said
        self._refused += 1
        is_closed = self._refused >= REFUSED_IN_A_ROW
        if is_closed:
            self._closed = now + CLOSED_S, reason
        return Finding(True, connection.named or parts[0], reason, is_closed)

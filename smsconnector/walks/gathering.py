"""New events on their way to a sink: the first one goes at once, and what comes soon after it goes together.

So at a small load an event does not wait, and at a larger one not each has a receipt of its own from the broker.
"""

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from smsconnector.messages import Event
from smsconnector.walks.outbox_reading import are_many

GATHERED_FOR_S = 0.02  # behind the last events that were given


class Gathering:
    """Calls ``give`` with the events, in their order."""

    def __init__(self, clock: IReactorTime, give: Callable[[Sequence[Event]], None]) -> None:
        self._clock, self._give = clock, give
        self._events: list[Event] = []
        self._timer: IDelayedCall | None = None  # until then events are gathered

    def add(self, events: Sequence[Event]) -> None:
        self._events += events
        if self._timer is None or are_many(self._events):
            self.give()

    def give(self) -> None:
        """Give what there is."""
        events, self._events = self._events, []
        if events:
            if self._timer is None:
                self._timer = self._clock.callLater(GATHERED_FOR_S, self._over)
            self._give(events)

    def stop(self) -> None:
        """Give nothing more."""
        self._events.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        self._timer = None
        self.give()

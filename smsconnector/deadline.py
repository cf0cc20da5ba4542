"""A bound in time for a stop of several steps, of which each may wait for somebody who never answers."""

from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

SHORTEST = 0.5  # seconds that a step has even when the time is over: it may be done at once


class Deadline:
    """``seconds`` from now on, for all steps together."""

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self._clock = clock
        self._at = clock.seconds() + seconds

    def bound(self, *waiting: "Deferred[Any]") -> "Deferred[None]":
        """Fires with None when all of ``waiting`` have fired or failed, or when the time is over. What they bring, a
        failure too, is dropped."""
        over: Deferred[None] = Deferred()

        def fire(_result: Any = None) -> None:
            if not over.called:
                over.callback(None)

        timer = self._clock.callLater(max(SHORTEST, self._at - self._clock.seconds()), fire)
        DeferredList(waiting, consumeErrors=True).addCallback(fire)
        return over.addCallback(lambda _: timer.cancel() if timer.active() else None)

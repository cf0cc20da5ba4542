"""Facts that only memory holds, until they are on disk: what the network answered, what the broker confirmed.

``put`` is the writer's, but what the disk could not take is put again after a while, until it can; the operation is
made anew each time, for it says when. Its callback is called once: with the result, or with an error that no repeat
would mend.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from smsconnector.errors import StoreError, StoreUnavailable
from smsconnector.store.operations import Operation
from smsconnector.store.writer import Done, IWriter

RETRY_INTERVAL = 1.0  # seconds
Make = Callable[[], Operation]


class RetryingWriter:
    """One user's way to the writer."""

    def __init__(self, clock: IReactorTime, writer: IWriter) -> None:
        self._clock, self._writer = clock, writer
        self._open = 0
        self._again: list[tuple[Make, Done]] = []
        self._timer: IDelayedCall | None = None
        self._settled: Deferred[None] | None = None
        self._closed = False

    @property
    def failing(self) -> bool:
        """Whether something could not be written, and waits to be tried again."""
        return bool(self._again)

    def put(self, make: Make, done: Done) -> None:
        self._open += 1
        self._writer.put(make(), partial(self._answered, make, done))

    def settled(self) -> "Deferred[None]":
        """Fires when nothing waits any more; what does is tried at once. The caller bounds how long it waits."""
        self._settled = Deferred()
        settled = self._settled
        self._try_again()
        self._look()
        return settled

    def close(self) -> None:
        """Try no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _answered(self, make: Make, done: Done, result: Any, error: StoreError | None) -> None:
        if isinstance(error, StoreUnavailable):
            self._again.append((make, done))
            if self._timer is None and not self._closed:
                self._timer = self._clock.callLater(RETRY_INTERVAL, self._try_again)
            return
        self._open -= 1
        done(result, error)
        self._look()

    def _try_again(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        again, self._again = self._again, []
        for make, done in again:
            self._writer.put(make(), partial(self._answered, make, done))

    def _look(self) -> None:
        if self._settled is not None and not self._open:
            settled, self._settled = self._settled, None
            settled.callback(None)

"""A thread that does one kind of work on the database, in batches. The writer is one, the reader another.

1. ``put`` appends an item and its callback to a queue. Nothing else happens in the reactor's thread.
2. The thread takes the items that have come, at most ``most`` at a time, and answers them.
3. One call into the reactor's thread passes all answers of a batch to their callbacks, in the order of ``put``.

A callback is called exactly once, as ``done(result, None)`` or as ``done(None, error)``.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsconnector.errors import StoreDamaged, StoreError, StoreUnavailable

Item = TypeVar("Item")
Result = tuple[Any, StoreError | None]
Done = Callable[[Any, StoreError | None], None]


class IReactorThreads(Protocol):
    """The part of Twisted's reactor that a thread may call."""

    def callFromThread(self, callable: Callable[..., Any], *args: Any) -> None: ...


class Worker(Generic[Item]):
    """Works from the start of the thread until the Deferred of ``stop`` fires. ``damaged`` is called in the reactor's
    thread with the error each time that SQLite finds the file damaged. A kind of worker says how it answers a batch,
    and what it closes in the end."""

    log = Logger()

    def __init__(
        self,
        reactor: IReactorThreads,
        damaged: Callable[[StoreError], None] = lambda error: None,
        *,
        name: str,
        most: int,
    ) -> None:
        self._reactor, self._damaged, self._most = reactor, damaged, most
        self._queue: deque[tuple[Item, Done]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._stopped: Deferred[None] = Deferred()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def stop(self) -> "Deferred[None]":
        """Answer what is queued and close the database. Fires with None, in the reactor's thread, when the thread has
        ended its work. What is put from now on gets StoreUnavailable."""
        self._stopping = True
        self._wake.set()
        return self._stopped

    def put(self, item: Item, done: Done) -> None:
        """Queue an item. Call it in the reactor's thread only."""
        if self._stopping:
            done(None, StoreUnavailable("the connector is stopping"))
            return
        self._queue.append((item, done))
        if not self._wake.is_set():
            self._wake.set()

    # --- in the thread --------------------------------------------------------------------------------------

    def _answer(self, batch: Sequence[Item]) -> list[Result]:
        """A result for each, in order. Must not raise."""
        raise NotImplementedError

    def _close(self) -> None:
        """Close the database."""
        raise NotImplementedError

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            stopping = self._stopping  # read before the queue is emptied: once it is set, nothing is put any more
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._most))]
                answers = self._answer([item for item, _ in batch])
                self._reactor.callFromThread(self._finish, batch, answers)
            if stopping:
                self._close()
                self._reactor.callFromThread(self._stopped.callback, None)
                return

    # --- in the reactor's thread ----------------------------------------------------------------------------

    def _finish(self, batch: list[tuple[Item, Done]], answers: list[Result]) -> None:
        damaged = next((error for _, error in answers if isinstance(error, StoreDamaged)), None)
        if damaged is not None:
            self._damaged(damaged)
        for (item, done), (result, error) in zip(batch, answers, strict=True):
            try:
                done(result, error)
            except Exception:  # noqa: BLE001 — the edge of the loop: one callback's fault is not the others'
                self.log.failure("the callback of {kind} failed", kind=type(item).__name__)

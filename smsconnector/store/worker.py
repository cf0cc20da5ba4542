"""A thread that does one kind of work on the database, in batches. The writer is one, the reader another.

1. ``put`` appends an item and its callback to the inbox. Nothing else happens in the reactor's thread. What nobody
   waits for may wait a little for company (``inbox``).
2. The thread takes the items that have come, at most ``most`` at a time, and answers them.
3. One call into the reactor's thread passes all answers of a batch to their callbacks: first those of what has waited,
   and each sort in the order of ``put``. What was given to ``afterwards`` meanwhile is called behind the last of them.

A callback is called exactly once, as ``done(result, None)`` or as ``done(None, error)``.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, Generic, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from smsconnector.errors import StoreDamaged, StoreError, StoreUnavailable
from smsconnector.store.inbox import LONGEST_WAIT_S, Done, Entry, Inbox, Item

Result = tuple[Any, StoreError | None]
PAUSE_S = 0.001  # behind a batch after which more is about to come


class IReactorThreads(Protocol):
    """The parts of Twisted's reactor that a worker needs. A thread may call only the first."""

    def callFromThread(self, callable: Callable[..., Any], *args: Any) -> None: ...
    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> IDelayedCall: ...
    def seconds(self) -> float: ...


class Soon:
    """Calls that are made when the answers of a batch have been given, each once however often it was asked for; at
    once if none are being given."""

    def __init__(self) -> None:
        self.is_open = False
        self._calls: dict[Callable[[], None], None] = {}

    def call(self, call: Callable[[], None]) -> None:
        if self.is_open:
            self._calls[call] = None
        else:
            call()

    def taken(self) -> Iterator[Callable[[], None]]:
        """The answers have been given: these are to be called now."""
        self.is_open = False
        while self._calls:
            calls, self._calls = self._calls, {}
            yield from calls


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
        takes_along: Callable[[Item], bool] = lambda item: True,
    ) -> None:
        self._reactor, self._damaged, self._most = reactor, damaged, most
        self._inbox = Inbox(takes_along)
        self._wakes: SimpleQueue[None] = SimpleQueue()  # it blocks without Python code, unlike threading.Event
        self._is_awake = False  # the thread was woken, and will look at the queue
        self._timer: IDelayedCall | None = None  # when the thread is woken for what may wait
        self._soon = Soon()
        self._stopping = False
        self._stopped: Deferred[None] = Deferred()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def stop(self) -> "Deferred[None]":
        """Answer what is queued and close the database. Fires with None, in the reactor's thread, when the thread has
        ended its work. What is put from now on gets StoreUnavailable."""
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()
        return self._stopped

    def put(self, item: Item, done: Done, may_wait: bool = False) -> None:
        """Queue an item. ``may_wait``: nobody waits for it. Call it in the reactor's thread only."""
        if self._stopping:
            done(None, StoreUnavailable("the connector is stopping"))
            return
        is_due = self._inbox.put(item, done, self._reactor.seconds() if may_wait else 0.0, may_wait)
        if is_due and not self._is_awake:
            self._wake()
        if may_wait and self._timer is None:  # the thread may be taking the others just now, and not this one
            self._timer = self._reactor.callLater(LONGEST_WAIT_S, self._look)

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call it when the answers that are being given now have been given; at once if none are."""
        self._soon.call(call)

    def _wake(self) -> None:
        self._is_awake = True
        self._wakes.put(None)

    def _look(self) -> None:
        """Wake the thread if what may wait has waited long enough."""
        self._timer = None
        due_in = self._inbox.due_in(self._reactor.seconds())
        if due_in is not None and due_in > 0:
            self._timer = self._reactor.callLater(due_in, self._look)
        elif due_in is not None and not self._is_awake:
            self._wake()

    # --- in the thread --------------------------------------------------------------------------------------

    def _answer(self, batch: Sequence[Item]) -> list[Result]:
        """A result for each, in order. Must not raise."""
        raise NotImplementedError

    def _close(self) -> None:
        """Close the database."""
        raise NotImplementedError

    def _pauses_behind(self, batch: Sequence[Item]) -> bool:
        """Whether to wait PAUSE_S before the next batch, so that it has more."""
        return False

    def _work(self) -> None:
        while True:
            self._wakes.get()
            self._is_awake = False
            stopping = self._stopping  # read before the queue is emptied: once it is set, nothing is put any more
            while batch := self._inbox.take(self._most, self._reactor.seconds(), everything=stopping):
                items = [item for item, _ in batch]
                self._reactor.callFromThread(self._finish, batch, self._answer(items))
                if self._pauses_behind(items) and not stopping:
                    time.sleep(PAUSE_S)
            if stopping:
                self._close()
                self._reactor.callFromThread(self._stopped.callback, None)
                return

    # --- in the reactor's thread ----------------------------------------------------------------------------

    def _finish(self, batch: Sequence[Entry[Item]], answers: Sequence[Result]) -> None:
        damaged = next((error for _, error in answers if isinstance(error, StoreDamaged)), None)
        if damaged is not None:
            self._damaged(damaged)
        self._soon.is_open = True
        for (item, done), (result, error) in zip(batch, answers, strict=True):
            try:
                done(result, error)
            except Exception:  # noqa: BLE001 — the edge of the loop: one callback's fault is not the others'
                self.log.failure("the callback of {kind} failed", kind=type(item).__name__)
        for call in self._soon.taken():
            try:
                call()
            except Exception:  # noqa: BLE001 — as above
                self.log.failure("what follows the answers failed")

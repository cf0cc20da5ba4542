"""The one thread that owns the store. It writes by group commit.

1. ``put`` appends an operation and its callback to a queue. Nothing else happens in the reactor's thread.
2. The writer's thread takes the operations that have come since its last commit, at most ``MAXIMUM_BATCH``, and applies
   them in one transaction.
3. One call into the reactor's thread passes all results to their callbacks, in the order of ``put``.

While one commit waits for the disk, the next batch grows. So the load sets the size of the batches.

A callback is called exactly once, as ``done(result, None)`` or as ``done(None, error)``. An operation that got an error
has written nothing. If an operation is at fault, the operations of its batch are applied one by one, so that only the
faulty one gets an error.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsconnector.errors import StoreDamaged, StoreError, StoreUnavailable
from smsconnector.store.operations import Operation
from smsconnector.store.store import Store

Done = Callable[[Any, StoreError | None], None]
MAXIMUM_BATCH = 4000  # operations in one transaction


class IReactorThreads(Protocol):
    """The part of Twisted's reactor that a thread may call."""

    def callFromThread(self, callable: Callable[..., Any], *args: Any) -> None: ...


class IWriter(Protocol):
    """What the walks need of the writer."""

    def put(self, operation: Operation, done: Done) -> None: ...
    def allocate(self, count: int) -> int: ...

    @property
    def depth(self) -> int: ...


class Writer:
    """Owns a store from ``start`` until the Deferred of ``stop`` fires. ``damaged`` is called in the reactor's thread
    with the error each time that SQLite finds the file damaged."""

    log = Logger()

    _store: Store
    _next_id: int

    def __init__(self, reactor: IReactorThreads, damaged: Callable[[StoreError], None] = lambda error: None) -> None:
        self._reactor, self._damaged = reactor, damaged
        self._queue: deque[tuple[Operation, Done]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._stopped: Deferred[None] = Deferred()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)

    def start(self, store: Store) -> None:
        self._store, self._next_id = store, store.last_segment_id() + 1
        self._thread.start()

    def stop(self) -> "Deferred[None]":
        """Write what is queued and close the store. Fires with None, in the reactor's thread, when the thread has ended
        its work. What is put from now on gets StoreUnavailable."""
        self._stopping = True
        self._wake.set()
        return self._stopped

    def allocate(self, count: int) -> int:
        """The first of ``count`` new segment ids."""
        first = self._next_id
        self._next_id += count
        return first

    def put(self, operation: Operation, done: Done) -> None:
        """Queue an operation. Call it in the reactor's thread only."""
        if self._stopping:
            done(None, StoreUnavailable("the connector is stopping"))
            return
        self._queue.append((operation, done))
        if not self._wake.is_set():
            self._wake.set()

    @property
    def depth(self) -> int:
        """How many operations wait for their batch."""
        return len(self._queue)

    # --- in the thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            stopping = self._stopping  # read before the queue is emptied: once it is set, nothing is put any more
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAXIMUM_BATCH))]
                answers = apply_batch(self._store, [operation for operation, _ in batch])
                self._reactor.callFromThread(self._finish, batch, answers)
            if stopping:
                self._store.close()
                self._reactor.callFromThread(self._stopped.callback, None)
                return

    # --- in the reactor's thread ----------------------------------------------------------------------------

    def _finish(self, batch: list[tuple[Operation, Done]], answers: "list[Result]") -> None:
        damaged = next((error for _, error in answers if isinstance(error, StoreDamaged)), None)
        if damaged is not None:
            self._damaged(damaged)
        for (operation, done), (result, error) in zip(batch, answers, strict=True):
            try:
                done(result, error)
            except Exception:  # noqa: BLE001 — the edge of the loop: one callback's fault is not the others'
                self.log.failure("the callback of {operation} failed", operation=type(operation).__name__)


Result = tuple[Any, StoreError | None]


def apply_batch(store: Store, batch: Sequence[Operation]) -> list[Result]:
    """Apply the operations in one transaction; returns a (result, error) for each. If the disk fails, all get the
    error. If an operation is at fault, each is applied in a transaction of its own."""
    try:
        return [(result, None) for result in store.apply(batch)]
    except StoreUnavailable as error:
        return [(None, error)] * len(batch)
    except Exception as fault:  # noqa: BLE001 — whatever an operation can bring about must not end the thread
        if len(batch) == 1:
            Writer.log.failure("an operation was refused by the database: {kind}", kind=type(batch[0]).__name__)
            return [(None, StoreError(f"the operation can't be written: {fault}"))]
        return [answer for operation in batch for answer in apply_batch(store, [operation])]

"""The one thread that owns the store. It writes by group commit.

It is a ``worker``. It takes the operations that have come since its last commit, at most ``MAXIMUM_BATCH`` and as many
that have waited, and applies them in one transaction. While one commit waits for the disk, the next batch grows. So the
load sets the size of the batches.

The events that a batch has written are handed to the listeners, before the callbacks of the batch are called. So they
need not be read again.

An operation that got an error has written nothing. If an operation is at fault, or meets a damaged page, the operations
of its batch are applied one by one, so that only that one gets an error.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from smsconnector.errors import StoreDamaged, StoreError, StoreUnavailable
from smsconnector.messages import Event
from smsconnector.store.inbox import Done, Entry
from smsconnector.store.operations import Accept, Operation
from smsconnector.store.repeats import AcceptOnce
from smsconnector.store.store import Store
from smsconnector.store.worker import IReactorThreads, Result, Worker

MAXIMUM_BATCH = 4000  # operations in one transaction
MANY = 8  # texts accepted in one transaction
Written = Sequence[Event] | None  # events, in the order of their ids; None: they were not kept, and have to be read
HearWritten = Callable[[Written], None]


class IPut(Protocol):
    """Who takes operations."""

    def put(self, operation: Operation, done: Done, may_wait: bool = False) -> None: ...


class IWriter(IPut, Protocol):
    """What the walks need of the writer."""

    def afterwards(self, call: Callable[[], None]) -> None: ...
    def listen(self, listener: HearWritten) -> None: ...
    def allocate(self, count: int) -> int: ...

    @property
    def depth(self) -> int: ...


class IHeardWriter(IWriter, Protocol):
    """What is needed where listeners come and go."""

    def unlisten(self, listener: HearWritten) -> None: ...


class Writer(Worker[Operation]):
    """Owns a store from ``start`` until the Deferred of ``stop`` fires."""

    _store: Store
    _next_id: int

    def __init__(self, reactor: IReactorThreads, damaged: Callable[[StoreError], None] = lambda error: None) -> None:
        super().__init__(reactor, damaged, name="store", most=MAXIMUM_BATCH, takes_along=takes_along)
        self._written: deque[Written] = deque()  # by the batches whose answers are on their way
        self._listeners: list[HearWritten] = []

    def listen(self, listener: HearWritten) -> None:
        """It is called with the events that a batch has written, in the reactor's thread."""
        self._listeners.append(listener)

    def unlisten(self, listener: HearWritten) -> None:
        """It is called no more."""
        self._listeners.remove(listener)

    def start(self, store: Store) -> None:
        """Start the thread."""
        self._store, self._next_id = store, store.last_segment_id() + 1
        self._thread.start()

    def allocate(self, count: int) -> int:
        """The first of ``count`` new segment ids."""
        first = self._next_id
        self._next_id += count
        return first

    @property
    def depth(self) -> int:
        """How many operations wait for their batch."""
        return len(self._inbox)

    def _answer(self, batch: Sequence[Operation]) -> list[Result]:
        answers = apply_batch(self._store, batch)
        self._written.append(self._store.take_written())
        return answers

    def _finish(self, batch: Sequence[Entry[Operation]], answers: Sequence[Result]) -> None:
        hand_over(self._written.popleft(), self._listeners)
        super()._finish(batch, answers)

    def _close(self) -> None:
        self._store.close()

    def _pauses_behind(self, batch: Sequence[Operation]) -> bool:
        """Clients that post many at once have to hear that these were accepted before they post the next ones."""
        return sum(type(one) is Accept for one in batch) >= MANY


def takes_along(operation: Operation) -> bool:
    """Whether what may wait is written with it. A new text has nothing to do with what has become of others; all else
    might be about the same segments."""
    return type(operation) not in (Accept, AcceptOnce)


def hand_over(written: Written, listeners: Sequence[HearWritten]) -> None:
    """The events of a batch to all who want to know."""
    if written is None or written:
        for listener in listeners:
            try:
                listener(written)
            except Exception:  # noqa: BLE001 — the edge of the loop: the others are told, and the callbacks called
                Writer.log.failure("what was to be done with new events failed")


def apply_batch(store: Store, batch: Sequence[Operation]) -> list[Result]:
    """Apply the operations in one transaction; returns a (result, error) for each. If the disk fails, all get the
    error. If an operation is at fault, or meets a damaged page, each is applied in a transaction of its own."""
    try:
        return [(result, None) for result in store.apply(batch)]
    except StoreUnavailable as error:
        if len(batch) == 1 or not isinstance(error, StoreDamaged):
            return [(None, error)] * len(batch)
    except Exception as fault:  # noqa: BLE001 — whatever an operation can bring about must not end the thread
        if len(batch) == 1:
            Writer.log.failure("an operation was refused by the database: {kind}", kind=type(batch[0]).__name__)
            return [(None, StoreError(f"the operation can't be written: {fault}"))]
    return [answer for operation in batch for answer in apply_batch(store, [operation])]

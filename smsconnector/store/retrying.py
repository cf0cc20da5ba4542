"""A writer that tries again, for facts that must not be lost when the disk can't be written.

The answer of an SMSC to a submit, or a broker's confirmation, comes only once. Until it is on disk, memory has the only
copy. ``RetryingWriter.put`` passes the operation on to the writer. If the writer answers StoreUnavailable (disk full,
I/O error), the operation is put again every ``RETRY_INTERVAL`` seconds, until it is written or the ``RetryingWriter``
is closed.

If the writer answers StoreDamaged, no repeat would help, for the file stays damaged. The operation is not put again,
and its callback is never called. ``failing`` stays True: the users of this writer send nothing more, because what
became of it could not be written either. The log says once what an operator has to do. (New texts are refused by then:
see ``walks.admission``.) After the next start it is as if the process had been killed: the sweeper settles the claims,
and what was sent without a record is sent again, or reported UNKNOWN, as the channel's policy says.

Whatever else the writer answers goes to the caller's callback.

The caller gives a function that makes the operation. It is called anew for each try, because most operations carry the
present time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from smsconnector.errors import StoreDamaged, StoreError, StoreUnavailable
from smsconnector.store.inbox import Done
from smsconnector.store.operations import Operation
from smsconnector.store.writer import IPut

RETRY_INTERVAL = 1.0  # seconds
MakeOperation = Callable[[], Operation]


class Waiters:
    """All who wait for one thing to happen. It is true while there are any."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self) -> "Deferred[None]":
        """Fires with None at the next ``fire``."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def fire(self) -> None:
        """Tell all. Who has cancelled is not told."""
        told, self._waiting = self._waiting, []
        for waiting in told:
            waiting.callback(None)


class RetryingWriter:
    """Puts the operations of one user (a publisher, a submitter, ...) to the writer, again if need be."""

    log = Logger()

    def __init__(self, clock: IReactorTime, writer: IPut) -> None:
        self._clock, self._writer = clock, writer
        self._unanswered = 0  # operations whose callback has not been called yet
        self._failed: list[tuple[MakeOperation, Done]] = []  # those of them that wait for the next try
        self._timer: IDelayedCall | None = None  # the next try
        self._damaged = 0  # operations that can't be written, ever: the file is damaged
        self._settled = Waiters()
        self._closed = False

    @property
    def failing(self) -> bool:
        """Whether an operation could not be written: it waits for its next try, or the file is damaged."""
        return bool(self._failed or self._damaged)

    @property
    def damaged(self) -> bool:
        """Whether an operation can't be written, ever, because the file is damaged."""
        return self._damaged > 0

    def put(self, make: MakeOperation, done: Done, may_wait: bool = False) -> None:
        """Write the operation that ``make`` returns. ``done(result, None)`` is called when it is written, or
        ``done(None, error)`` if the operation itself is at fault. It is called once, but never if the file is damaged,
        and never after ``close`` for an operation that waits for its next try. ``may_wait``: see ``Worker.put``."""
        self._unanswered += 1
        self._writer.put(make(), partial(self._answered, make, done), may_wait)

    def settled(self) -> "Deferred[None]":
        """Fires with None when every operation has been answered, but for those that a damaged file can't take. Those
        that wait for the next try are tried at once. It may never fire: the caller bounds how long it waits."""
        waiting = self._settled.add()
        self._try_again()
        self._fire_if_settled()
        return waiting

    def close(self) -> None:
        """Try nothing again from now on. Operations that wait for their next try are dropped, and the log says how
        many."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lost = len(self._failed) + self._damaged
        if lost:
            self.log.error(
                "{count} operations could not be written before the stop, and are lost: what became of texts and events"
                " that they tell of is not known at the next start",
                count=lost,
            )

    def _answered(self, make: MakeOperation, done: Done, result: Any, error: StoreError | None) -> None:
        if isinstance(error, StoreDamaged):
            if not self._damaged:
                self.log.critical("what has happened can't be written, and is not tried again: {error}", error=error)
            self._damaged += 1
            self._fire_if_settled()
            return
        if isinstance(error, StoreUnavailable):
            self._failed.append((make, done))
            if self._timer is None and not self._closed:
                self._timer = self._clock.callLater(RETRY_INTERVAL, self._try_again)
            return
        self._unanswered -= 1
        done(result, error)
        self._fire_if_settled()

    def _try_again(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        failed, self._failed = self._failed, []
        for make, done in failed:
            self._writer.put(make(), partial(self._answered, make, done))

    def _fire_if_settled(self) -> None:
        if self._settled and self._unanswered == self._damaged:
            self._settled.fire()

"""A writer that tries again, for facts that must not be lost when the disk can't be written.

The answer of an SMSC to a submit, or a broker's confirmation, comes only once. Until it is on disk, memory has the only
copy. ``RetryingWriter.put`` passes the operation on to the writer. If the writer answers StoreUnavailable (disk full,
I/O error, damaged file), the operation is put again every ``RETRY_INTERVAL`` seconds, until it is written or the
``RetryingWriter`` is closed. Whatever else the writer answers goes to the caller's callback.

The caller gives a function that makes the operation. It is called anew for each try, because most operations carry the
present time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from smsconnector.errors import StoreError, StoreUnavailable
from smsconnector.store.operations import Operation
from smsconnector.store.worker import Done
from smsconnector.store.writer import IWriter

RETRY_INTERVAL = 1.0  # seconds
MakeOperation = Callable[[], Operation]


class RetryingWriter:
    """Puts the operations of one user (a publisher, a submitter, ...) to the writer, again if need be."""

    def __init__(self, clock: IReactorTime, writer: IWriter) -> None:
        self._clock, self._writer = clock, writer
        self._unanswered = 0  # operations whose callback has not been called yet
        self._failed: list[tuple[MakeOperation, Done]] = []  # those of them that wait for the next try
        self._timer: IDelayedCall | None = None  # the next try
        self._settled: Deferred[None] | None = None
        self._closed = False

    @property
    def failing(self) -> bool:
        """Whether an operation could not be written and waits for its next try."""
        return bool(self._failed)

    def put(self, make: MakeOperation, done: Done) -> None:
        """Write the operation that ``make`` returns. ``done(result, None)`` is called when it is written, or
        ``done(None, error)`` if the operation itself is at fault. It is called once, but never after ``close`` for an
        operation that waits for its next try."""
        self._unanswered += 1
        self._writer.put(make(), partial(self._answered, make, done))

    def settled(self) -> "Deferred[None]":
        """Fires with None when every operation has been answered. Those that wait for the next try are tried at once.
        It may never fire: the caller bounds how long it waits. Only one caller may wait at a time."""
        self._settled = Deferred()
        settled = self._settled
        self._try_again()
        self._fire_if_settled()
        return settled

    def close(self) -> None:
        """Try nothing again from now on. Operations that wait for their next try are dropped."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _answered(self, make: MakeOperation, done: Done, result: Any, error: StoreError | None) -> None:
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
        if self._settled is not None and not self._unanswered:
            settled, self._settled = self._settled, None
            settled.callback(None)

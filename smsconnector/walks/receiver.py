"""The walk of what networks and providers tell us: receipt or incoming text -> recorded -> may be acknowledged.

1. A channel or webhook hands over what came in one read, with ``done``.
2. Receipts are matched or parked, texts joined from their parts; the events they cause are written in the same
   commit.
3. ``done(None)`` after the commit: now the network may have its acknowledgement. ``done(error)``: it must not.

A sweep every few seconds ends what is overdue: messages past their lifetime, parts whose others never came; and it
drops what has been kept long enough, step by step.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from smsconnector.errors import StoreError
from smsconnector.messages import IncomingSegment, Receipt
from smsconnector.store import operations as ops
from smsconnector.store.retrying import RetryingWriter
from smsconnector.store.writer import IWriter

Done = Callable[[StoreError | None], None]
SWEEP_INTERVAL = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Keep:
    """How long what is over is kept (s)."""

    texts: float = 2_592_000.0
    messages: float = 2_592_000.0


class Receiver(Service):
    """``told`` is called when events were written. ``incoming_timeout`` (s): how long parts wait for the others.
    ``process`` is the one whose submitters' claims are not settled. ``ended`` is called with the ids of messages of
    several segments that a receipt has ended."""

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: Callable[[], float],
        writer: IWriter,
        told: Callable[[], None],
        incoming_timeout: float = 300.0,
        keep: Keep | None = None,
        process: int = 0,
        ended: Callable[[Collection[int]], None] = lambda message_ids: None,
    ) -> None:
        self._process, self._retrying, self._ended = process, RetryingWriter(clock, writer), ended
        self._wall_clock, self._writer, self._told = wall_clock, writer, told
        self._incoming_timeout, self._keep = incoming_timeout, keep or Keep()
        self._purging = False
        self._sweep_timer = LoopingCall(self.sweep)
        self._sweep_timer.clock = clock

    def startService(self) -> None:
        super().startService()
        self._retrying.put(
            lambda: ops.Settle(int(self._wall_clock() * 1000), self._process),
            lambda ended, _: self._told() if ended else None,
        )
        self._sweep_timer.start(SWEEP_INTERVAL, now=False)

    def stopService(self) -> None:
        super().stopService()
        self._sweep_timer.stop()
        self._retrying.close()

    def received(self, items: Sequence[Receipt | IncomingSegment], done: Done) -> None:
        """From an SMPP channel: receipts and texts of one read."""
        receipts = tuple(item for item in items if isinstance(item, Receipt))
        segments = tuple(item for item in items if isinstance(item, IncomingSegment))
        operations: list[ops.Operation] = []
        if receipts:
            operations.append(ops.Receive(receipts))
        if segments:
            operations.append(ops.Incoming(segments))
        self._write(operations, done)

    def notified(self, receipt: Receipt, channel: str, done: Done) -> None:
        """From a provider's webhook: a status notification, reported under its own id if it fits no message."""
        self._write([ops.Receive((receipt,), report_unknown=True, channel=channel)], done)

    def incoming(self, segment: IncomingSegment, done: Done) -> None:
        """From a provider's webhook: a whole text."""
        self._write([ops.Incoming((segment,))], done)

    def sweep(self) -> None:
        """End what is overdue, drop what is old."""
        now = int(self._wall_clock() * 1000)
        self._writer.put(ops.Sweep(now, now - int(self._incoming_timeout * 1000)), self._swept)
        if not self._purging:
            self._purging = True
            self._purge()

    def _purge(self) -> None:
        now, keep = int(self._wall_clock() * 1000), self._keep
        self._writer.put(ops.Purge(now - int(keep.texts * 1000), now - int(keep.messages * 1000)), self._purged)

    def _purged(self, dropped: int | None, _error: StoreError | None) -> None:
        """A step at a time: what is to be written meanwhile is written in between."""
        self._purging = bool(dropped and self.running)
        if self._purging:
            self._purge()

    def _swept(self, ended: int | None, _error: StoreError | None) -> None:
        if ended:
            self._told()
            if self.running:  # there may be more than one sweep takes
                self.sweep()

    def _write(self, operations: list[ops.Operation], done: Done) -> None:
        """Put all; ``done`` once, when the last is answered, with the first error if there is one."""
        waiting = len(operations)
        first_error: StoreError | None = None

        def written(result: object, error: StoreError | None) -> None:
            nonlocal waiting, first_error
            waiting -= 1
            first_error = first_error or error
            if isinstance(result, ops.Received) and result.ended:
                self._ended(result.ended)
            if waiting == 0:
                if first_error is None:
                    self._told()
                done(first_error)

        for operation in operations:
            self._writer.put(operation, written)

"""What nobody asks for: ends what is overdue, drops what is old, settles what a killed process had claimed.

1. At the start: segments that another process had claimed may have been sent (policy ``hold``). They end now.
2. Every few seconds: messages past their lifetime end, parts of texts whose others never came are handed on, receipts
   that fitted nothing are given up. There may be more than one sweep takes: then the next follows at once.
3. What has been kept long enough is dropped, a step at a time, so that what is to be written meanwhile is written in
   between.
"""

from collections.abc import Callable
from dataclasses import dataclass

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from smsconnector.errors import StoreError
from smsconnector.store import operations as ops
from smsconnector.store.retrying import RetryingWriter
from smsconnector.store.writer import IWriter

SWEEP_INTERVAL = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Keep:
    """How long what is over is kept (s)."""

    texts: float = 2_592_000.0
    messages: float = 2_592_000.0


class Sweeper(Service):
    """``told`` is called when events were written. ``incoming_timeout`` (s): how long parts wait for the others.
    ``process`` is the one whose submitters' claims are not settled."""

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: Callable[[], float],
        writer: IWriter,
        told: Callable[[], None],
        *,
        incoming_timeout: float = 300.0,
        keep: Keep | None = None,
        process: int = 0,
    ) -> None:
        self._wall_clock, self._writer, self._told, self._process = wall_clock, writer, told, process
        self._retrying = RetryingWriter(clock, writer)
        self._incoming_timeout, self._keep = incoming_timeout, keep or Keep()
        self._purging = False
        self._timer = LoopingCall(self.sweep)
        self._timer.clock = clock

    def startService(self) -> None:
        super().startService()
        self._retrying.put(
            lambda: ops.Settle(self._now(), self._process), lambda ended, _: self._told() if ended else None
        )
        self._timer.start(SWEEP_INTERVAL, now=False)

    def stopService(self) -> None:
        super().stopService()
        self._timer.stop()
        self._retrying.close()

    def sweep(self) -> None:
        """End what is overdue, drop what is old."""
        now = self._now()
        self._writer.put(ops.Sweep(now, now - int(self._incoming_timeout * 1000)), self._swept)
        if not self._purging:
            self._purging = True
            self._purge()

    def _swept(self, ended: int | None, _error: StoreError | None) -> None:
        if ended:
            self._told()
            if self.running:  # there may be more than one sweep takes
                self.sweep()

    def _purge(self) -> None:
        now, keep = self._now(), self._keep
        self._writer.put(ops.Purge(now - int(keep.texts * 1000), now - int(keep.messages * 1000)), self._purged)

    def _purged(self, dropped: int | None, _error: StoreError | None) -> None:
        self._purging = bool(dropped and self.running)
        if self._purging:
            self._purge()

    def _now(self) -> int:
        return int(self._wall_clock() * 1000)

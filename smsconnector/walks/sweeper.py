"""Work by the clock: end what is overdue, drop what is old, end what a killed process had claimed.

1. At the start, segments that a killed process had claimed end as FAILED with the code UNKNOWN (policy ``hold``), for
   they may have been sent. Those of a provider that names our own ids are kept for a grace: it may still tell.
2. Every ``SWEEP_INTERVAL`` seconds a sweep ends messages past their lifetime and past the time for receipts, and those
   of which something unclear was told that nothing has made clear. It hands on texts whose missing parts never came. It
   gives up receipts that fit no message. If it ended anything, the next sweep follows at once, for one sweep takes a
   limited number of each. A message that is being submitted is left alone: its response decides.
3. With each of these sweeps, messages and events that have been kept long enough are dropped. This is done in small
   steps, so that other operations are written in between.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime

from smsconnector.errors import StoreError
from smsconnector.store import operations as ops
from smsconnector.store.inbox import ignore
from smsconnector.store.retrying import RetryingWriter
from smsconnector.store.writer import IWriter
from smsconnector.timers import Repeating
from smsconnector.walks.outlet import Outlet
from smsconnector.wall_clock import WallClock

SWEEP_INTERVAL = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Keep:
    """How long final messages and settled events are kept. The defaults are 30 days."""

    texts: float = 2_592_000.0  # s, for the texts of messages and the bodies of events
    messages: float = 2_592_000.0  # s, for the messages and events themselves


class Sweeper(Service):
    """Sweeps the store while it runs.

    :param incoming_timeout: seconds that the parts of an incoming text wait for the missing ones.
    :param keep: how long what is over is kept.
    :param outlets: gives the channels whose submitters know what is being submitted, and hear of messages that have
        ended.
    :param process: the number of this process; its own claims are not ended.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: WallClock,
        writer: IWriter,
        *,
        incoming_timeout: float = 300.0,
        keep: Keep | None = None,
        process: int = 0,
        outlets: Callable[[], Iterable[Outlet]] = tuple,
    ) -> None:
        self._wall_clock, self._writer, self._process = wall_clock, writer, process
        self._retrying = RetryingWriter(clock, writer)
        self.incoming_timeout, self.keep, self._outlets = incoming_timeout, keep or Keep(), outlets
        self._purging = False
        self._timer = Repeating(clock, "a sweep", self.sweep)

    def startService(self) -> None:
        super().startService()
        self._retrying.put(
            lambda: ops.Settle(self._wall_clock.milliseconds(), self._process),
            ignore,
        )
        self._timer.start(SWEEP_INTERVAL, now=False)

    def stopService(self) -> None:
        super().stopService()
        self._timer.stop()
        self._retrying.close()

    def sweep(self) -> None:
        """End what is overdue. Begin to drop what is old, unless that is still under way."""
        clock = self._wall_clock
        earlier, steady = clock.earlier_milliseconds(), clock.steady_milliseconds()
        before = earlier - int(self.incoming_timeout * 1000)
        sweep = ops.Sweep(
            clock.milliseconds(),
            before,
            under_way=tuple(set().union(*(outlet.overdue(steady) for outlet in self._outlets()))),
            process=self._process,
            steady_now=steady,
            earlier_now=earlier,
        )
        self._writer.put(sweep, self._swept)
        if not self._purging:
            self._purging = True
            self._purge()

    def _swept(self, swept: ops.Swept | None, _error: StoreError | None) -> None:
        if swept is not None and swept.ended:
            for outlet in self._outlets():
                outlet.messages_ended(swept.ended)
        if swept is not None and swept.number and self.running:  # one sweep ends a limited number: there may be more
            self.sweep()

    def _purge(self) -> None:
        clock, keep = self._wall_clock, self.keep
        earlier, latest = clock.earlier_milliseconds(), max(clock.milliseconds(), clock.steady_milliseconds())
        purge = ops.Purge(earlier - int(keep.texts * 1000), earlier - int(keep.messages * 1000), now=latest)
        self._writer.put(purge, self._purged)

    def _purged(self, dropped: int | None, _error: StoreError | None) -> None:
        self._purging = bool(dropped and self.running)
        if self._purging:
            self._purge()

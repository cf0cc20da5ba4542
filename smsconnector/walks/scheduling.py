"""The walk of a text that is to be sent later: scheduled -> due -> accepted into the queue of its route.

1. Every ``LOOK_INTERVAL`` seconds the store is asked which texts are due, at most ``LIMIT`` at once. SendAt is a time
   of day, so the machine's own clock says what is due. A clock that is set forward makes texts due, and one that is set
   back lets them wait: whoever wrote 18:00 wants what the clocks say at 18:00.
2. Each is given to the submitter that serves its number in this configuration, and is accepted there as if it were
   posted now, in one commit with the end of its schedule. So it comes behind what waits already. An opt-out since then
   ends it, with a report.
3. When all of these are written, the next ones follow, if there are more. So very many that are due at once are never
   in memory together, and others have their turn in between.

Its lifetime begins at SendAt. What became due while nothing ran is sent late, or not at all if its lifetime is over.
What no channel of this configuration serves waits in the queue that it was accepted for, as any other text does, and is
counted and told with these (``requeue``).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime

from smsconnector.errors import StoreError
from smsconnector.messages import Message
from smsconnector.store import operations as ops
from smsconnector.store.reader import IReader
from smsconnector.store.scheduling import LoadScheduled, Release, Scheduled
from smsconnector.store.writer import IWriter
from smsconnector.timers import Repeating
from smsconnector.walks.outlet import Outlet
from smsconnector.wall_clock import WallClock

LOOK_INTERVAL = 0.5  # seconds
LIMIT = 500  # messages in one step


class Scheduling(Service):
    """Looks while it runs. ``outlets`` are the channels by their names. ``leave`` is told how many segments, by
    channel, are due and served by none."""

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: WallClock,
        writer: IWriter,
        reader: IReader,
        outlets: Mapping[str, Outlet],
        leave: Callable[[Mapping[str, int]], None],
    ) -> None:
        self._wall_clock, self._writer, self._reader, self._outlets = wall_clock, writer, reader, outlets
        self._timer = Repeating(clock, "the look for texts that are due", self.look)
        self._tell_unserved = leave
        self._unserved: Counter[str] = Counter()  # segments, by channel, of what was found last
        self._busy = False
        self._left = 0  # of the texts that were found, how many are not written yet
        self._written = 0
        self._has_more = False

    def startService(self) -> None:
        super().startService()
        self._timer.start(LOOK_INTERVAL)

    def stopService(self) -> None:
        super().stopService()
        self._timer.stop()

    def look(self) -> None:
        """Ask for the next ones, unless the last ones are still being written."""
        if not self._busy:
            self._busy = True
            self._reader.put(LoadScheduled(self._wall_clock.milliseconds(), LIMIT), self._found)

    def _found(self, found: list[Scheduled] | None, _error: StoreError | None) -> None:
        if not found or not self.running:
            self._busy = False
            return
        self._left, self._written, self._has_more = len(found), 0, len(found) == LIMIT
        now_ms, steady_ms = self._wall_clock.both_milliseconds()
        for one in found:
            self._release(one, now_ms, steady_ms)

    def _release(self, one: Scheduled, now_ms: int, steady_ms: int) -> None:
        """From here on its lifetime goes by the clock that nobody sets."""
        expires_at = one.message.expires_at - now_ms + steady_ms
        message = replace(one.message, accepted_at=now_ms, expires_at=expires_at)
        outlet = self._outlets.get(message.channel)
        submitter = outlet.submitter(message.destination) if outlet is not None else None
        if submitter is not None:
            submitter.accept(message, self._is_written, scheduled=one.id)
        else:
            self._leave(one, message, now_ms)

    def _leave(self, one: Scheduled, message: Message, now_ms: int) -> None:
        """Nothing serves it: it waits in the queue for which it was accepted."""
        accept = ops.Accept(message, self._writer.allocate(len(message.segments)), one.queue)

        def written(result: ops.Accepted | None, error: StoreError | None) -> None:
            if result is ops.Accepted.QUEUED:
                self._unserved[message.channel] += len(message.segments)
            self._is_written(error)

        self._writer.put(Release(accept, one.id, now_ms), written)

    def _is_written(self, error: StoreError | None) -> None:
        """What could not be written is still scheduled, and is found again."""
        self._left -= 1
        self._written += error is None
        if self._left == 0:
            self._busy = False
            unserved, self._unserved = self._unserved, Counter()
            if unserved:
                self._tell_unserved(unserved)
            if self._has_more and self._written and self.running:
                self.look()

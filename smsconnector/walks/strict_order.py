"""Strict order: a number's lane is kept for a message as long as the message may be tried again, and no longer.

1. At the start the messages that wait for another attempt are read from disk, and their lanes are kept. Before that
   nothing may be sent.
2. A lane is given up when its message expires.
3. A message may end without an outcome here: a receipt for another of its segments has ended it, a callback that names
   its MessageSID has, or a late response has told of the last one. So we look now and then which messages still wait on
   disk, and at once when such a thing was heard. A lane is given up if its message was missing in two looks, one after
   the other.

One look is not enough: an outcome may come while the look is under way, and its answer is older. Two are: the second is
asked after the first was answered, and the backlog answers it only when all outcomes that were known by then are on
disk. That also holds while the disk cannot be written, for as long as that lasts.
"""

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IReactorTime

from smsconnector.errors import StoreError
from smsconnector.messages import Segment
from smsconnector.walks.backlog import IBacklog
from smsconnector.walks.lanes import Lanes, Waiting

KEPT = 20_000  # lanes that are kept at most; more, and no new message is begun until some have ended
LOOK_INTERVAL = 5.0  # seconds from the answer of one look to the next look


class StrictOrder:
    """``freed`` is called with the segments that need not wait in their lanes any more, in order."""

    def __init__(
        self, clock: IReactorTime, backlog: IBacklog, lanes: Lanes, freed: Callable[[list[Segment]], None]
    ) -> None:
        self._clock, self._backlog, self._lanes, self._freed = clock, backlog, lanes, freed
        self.is_known = False  # which messages wait for another attempt: nothing may be sent before
        self._answered_at: float | None = None  # None while a look is under way
        self._hurried = 0  # so many looks that do not wait for their time

    @property
    def is_full(self) -> bool:
        """Whether so many lanes are kept that no new message may be begun."""
        return len(self._lanes.kept) >= KEPT

    def tick(self, now_ms: int) -> None:
        """Give up the lanes of what has expired, and look if it is time."""
        free = self._lanes.expire(now_ms)
        if free:
            self._freed(free)
        if self._answered_at is None or (self.is_known and not self._lanes.kept):
            return
        if self._hurried or self._clock.seconds() - self._answered_at >= LOOK_INTERVAL:
            self.look()

    def hurry(self) -> None:
        """A message may have ended without an outcome here: let the next two ticks look."""
        self._hurried = 2 if self._lanes.kept else 0

    def taken(self, segment: Segment) -> None:
        """A late response has told that this segment was taken: no further attempt of it comes."""
        if segment.count > 1:
            self.hurry()
        else:
            self.give_up([segment])

    def give_up(self, segments: Iterable[Segment]) -> None:
        """The messages of these have ended."""
        for one in segments if self._lanes.kept else ():
            free = list(self._lanes.give_up(one.destination, one.message_id))
            if free:
                self._freed(free)

    def look(self) -> None:
        """Ask which messages wait for another attempt."""
        self._answered_at = None
        self._hurried = max(0, self._hurried - 1)
        self._backlog.load_retries(KEPT, self._loaded)

    def _loaded(self, rows: list[Waiting] | None, _error: StoreError | None) -> None:
        self._answered_at = self._clock.seconds()
        if rows is None:
            return
        if not self.is_known:
            self._lanes.keep(rows)
            self.is_known = True
            self._freed([])
        elif len(rows) < KEPT:
            self._freed(self._lanes.compare(rows))

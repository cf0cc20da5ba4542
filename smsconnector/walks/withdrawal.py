"""Messages that leave a submitter, because another channel is to send them.

1. ``hold``: from now on nothing is submitted, until ``release``. It says which of the messages may leave: those of
   which no segment is under way. What waits in memory, in a lane or for the end of a pause is not under way.
2. Who holds them writes that they have moved. That takes as long as a commit.
3. ``release`` says which have moved. Memory may still have copies of their segments, or a load may bring some. They are
   not sent: unlike other obsolete segments these are remembered for as long as there may be such copies, for a submit
   of one would be a second copy on the handset.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain

from smsconnector.messages import Segment
from smsconnector.walks.backlog import IBacklog
from smsconnector.walks.lanes import Lanes
from smsconnector.walks.obsolete import Obsolete
from smsconnector.walks.pauses import Pauses
from smsconnector.walks.priorities import ReadyByClass
from smsconnector.walks.strict_order import StrictOrder

MANY = 5_000  # messages that have moved, after which it is looked which of them memory still has


class Withdrawals:
    """True while something is held. It looks at the parts of a submitter; ``submitted`` are those of its segments that
    are with the channel, or whose outcome, early or late, is not on disk yet. ``released`` is called when it may submit
    again."""

    def __init__(
        self,
        ready: ReadyByClass,
        lanes: Lanes,
        pauses: Pauses,
        obsolete: Obsolete,
        strict: StrictOrder | None,
        submitted: Mapping[int, Segment],
        backlog: IBacklog,
        released: Callable[[], None],
    ) -> None:
        self._ready, self._lanes, self._pauses, self._obsolete = ready, lanes, pauses, obsolete
        self._submitted, self._backlog = submitted, backlog
        self._strict, self._released = strict, released
        self._holds = 0

    def __bool__(self) -> bool:
        return self._holds > 0

    def hold(self, messages: Iterable[tuple[int, int]]) -> set[int]:
        """``messages``: their ids, and how many segments each has. Gives the ids of those with none under way; none
        while the disk does not take what became of others."""
        self._holds += 1
        if self._backlog.failing:
            return set()
        busy = self._ready.under_way - {one.id for one in self._waiting()} | self._submitted.keys()
        return {first for first, count in messages if busy.isdisjoint(range(first, first + count))}

    def release(self, moved: Collection[int]) -> None:
        """The ids of those that have moved."""
        self._holds -= 1
        if moved and self._ready.holds_segments:
            self._remember(moved)
        if moved and self._strict is not None:
            self._strict.hurry()
        self._released()

    def _remember(self, moved: Collection[int]) -> None:
        known = self._obsolete.moved
        known.update(moved)
        if len(known) > MANY and not self._ready.is_loading:
            known.intersection_update({one.message_id for one in self._waiting()})

    def _waiting(self) -> Iterable[Segment]:
        """What memory holds and nobody has sent."""
        return chain(self._ready.waiting(), self._pauses.segments(), self._lanes.segments())

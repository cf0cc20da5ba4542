"""The segments of one queue that are in memory and wait to be sent.

1. What was just accepted is taken from memory, in the order of acceptance. If more has come than memory may hold, the
   rest is read back from disk in chunks: memory is *behind* then.
2. Segments whose next attempt is due are read from disk in chunks too; they take turns with those of 1.
3. ``take`` chooses what is sent next. A segment whose number is busy goes into the number's lane instead.

A load may be answered from a state of the disk that is older than what has happened since it was asked:

- What is accepted while never-tried segments are being loaded may be missing from the answer. It is kept aside, and
  follows if the answer shows that the end was reached.
- What has left memory while a load was under way, because its outcome was written or it was postponed, may still be in
  the answer. Such ids are remembered until then, and not taken from it.

The backlog owns all of these segments; here are copies.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from smsconnector.errors import StoreError
from smsconnector.messages import Message, Segment, segments_of
from smsconnector.walks.backlog import IBacklog, ILoads
from smsconnector.walks.lanes import Lanes
from smsconnector.walks.obsolete import Obsolete

CHUNK = 500  # segments read from disk at once
MEMORY = 2000  # segments held in memory at most, beside those under way and those in lanes
LANES = 20_000  # segments that wait in lanes at most; more, and nothing new is read into memory until they are fewer
LEFT = 10_000  # ids that are remembered while a load is under way; more, and its answer is not used
THROTTLES_OF_POSTPONED = 7  # how often in a row a segment that was postponed is taken to have been throttled


class ReadySegments:
    """``in_line`` are segments in the order of acceptance, ``due`` those whose next attempt is due. ``under_way`` has
    the ids that a load must not bring again: of what is due or was given to the channel, until its outcome is written.

    ``changed`` is called when a load was answered or a postponement is written; ``failed`` if never-tried segments
    could not be loaded. ``loads`` reads them, if it is not the backlog itself. ``most_in_lanes``: as LANES. ``freed``
    takes those that have waited in a lane behind an obsolete one, and may be of another class; without it they are
    first in line here."""

    def __init__(
        self,
        backlog: IBacklog,
        lanes: Lanes,
        obsolete: Obsolete,
        changed: Callable[[], None],
        failed: Callable[[], None],
        loads: ILoads | None = None,
        most_in_lanes: int | None = None,
        freed: Callable[[Iterable[Segment]], None] | None = None,
    ) -> None:
        self._backlog, self._lanes, self._obsolete = backlog, lanes, obsolete
        self._loads, self._most_in_lanes = loads or backlog, most_in_lanes
        self._freed = freed or self.first_in_line
        self._changed, self._failed = changed, failed
        self.in_line: deque[Segment] = deque()
        self.due: deque[Segment] = deque()
        self.under_way: set[int] = set()
        self._read_up_to = 0  # the id up to which never-tried segments are in memory, or have been
        self._behind = True  # there may be more of them on disk
        self._aside: list[tuple[int, Message]] = []  # accepted while such are loaded: the first id, the message
        self._aside_count = 0  # segments
        self._left: set[int] | None = None  # ids that left ``under_way`` since such a load was asked; None: none was
        self._left_due: set[int] | None = None  # the same for the load of due ones
        self._due_first = False  # whose turn it is when one place is left

    def __bool__(self) -> bool:
        """Whether any wait to be sent."""
        return bool(self.due or self.in_line)

    @property
    def holds_segments(self) -> bool:
        """Whether there are segments in memory, here, in lanes or under way; or a load may bring some."""
        return bool(self.is_loading or self or self.under_way or self._lanes.waiting)

    @property
    def is_loading(self) -> bool:
        """Whether the disk was asked for segments, and has not answered yet."""
        return self._left is not None or self._left_due is not None

    @property
    def is_through(self) -> bool:
        """Whether nothing is known that waits to be sent, here, in lanes or on disk."""
        return not (self._behind or self or self.is_loading or self._lanes.waiting)

    @property
    def is_crowded(self) -> bool:
        """Whether so much waits in lanes that little room is left for other numbers."""
        return self._lanes.waiting > LANES // 2

    def _are_lanes_full(self) -> bool:
        return self._lanes.waiting > (LANES if self._most_in_lanes is None else self._most_in_lanes)

    # --- from the door --------------------------------------------------------------------------------------

    def accepted(self, first_id: int, message: Message) -> bool:
        """It was written. Whether it may be sent from memory now; if not, it is loaded later, or has been."""
        count = len(message.segments)
        if self._behind:
            if self._left is not None and self._aside_count <= MEMORY:
                self._aside_count += count
                self._aside.append((first_id, message))
            return False
        if first_id <= self._read_up_to:
            return False
        if len(self.in_line) + count > MEMORY or (self._lanes.waiting and self._are_lanes_full()):
            self._behind = True
            return False
        self._read_up_to = first_id + count - 1
        self.in_line += segments_of(message, first_id)
        return True

    # --- from disk ------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Read the next chunk of never-tried segments, if memory is behind and has room for it."""
        if self._behind and self._left is None and len(self.in_line) <= CHUNK and not self._are_lanes_full():
            self._left = set()
            self._loads.load_untried(self._read_up_to, CHUNK, self._loaded_untried)

    def _loaded_untried(self, segments: list[Segment] | None, _error: StoreError | None) -> None:
        """What was kept aside is newer than all of a chunk that is not full, or part of it: ids rise. Behind a full
        chunk there may be more on disk that comes before it."""
        left, self._left = self._left or set(), None
        aside, self._aside = self._aside, []
        overflow, self._aside_count = self._aside_count > MEMORY, 0
        if segments is None or len(left) > LEFT:
            self._failed()
            return
        if segments:
            self.in_line.extend(one for one in segments if one.id not in self.under_way and one.id not in left)
            self._read_up_to = segments[-1].id
        self._behind = len(segments) == CHUNK or overflow
        for first_id, message in aside:
            self.accepted(first_id, message)
        self._changed()

    def load_due(self) -> None:
        """Read the next chunk of what is due, if memory has room for it."""
        if self._left_due is None and len(self.due) <= CHUNK:
            self._left_due = set()
            self._loads.load_due(CHUNK, self._loaded_due)

    def _loaded_due(self, segments: list[Segment] | None, _error: StoreError | None) -> None:
        """Some of it may be in memory already. What is due without an attempt has been postponed, and the number of its
        throttles is not on disk."""
        left, self._left_due = self._left_due or set(), None
        if segments is not None and len(left) <= LEFT:
            for one in segments:
                if one.id not in self.under_way and one.id not in left:
                    self.under_way.add(one.id)
                    self.due.append(one if one.attempts else replace(one, throttles=THROTTLES_OF_POSTPONED))
        self._changed()

    def leave(self, ids: Collection[int]) -> None:
        """These are not under way any more: what became of them is on disk, or they are obsolete."""
        self.under_way.difference_update(ids)
        for left in (self._left, self._left_due):
            if left is not None and len(left) <= LEFT:
                left.update(ids)

    def postpone(self, segments: Iterable[Segment], seconds: float) -> None:
        """These wait on disk for so long. Until that is written, no load may bring them again."""
        ids = [one.id for one in segments]
        self.under_way.update(ids)

        def are_away(_result: None, _error: StoreError | None) -> None:
            self.leave(ids)
            self._changed()

        self._backlog.postpone(ids, seconds, are_away)

    # --- to the channel -------------------------------------------------------------------------------------

    def first_in_line(self, segments: Iterable[Segment]) -> None:
        """These have waited long enough in a lane."""
        if segments:
            self.in_line.extendleft(reversed(tuple(segments)))

    def is_obsolete(self, segment: Segment, now_ms: int) -> bool:
        """Whether it need not be sent any more; if so, it is not under way either."""
        obsolete = self._obsolete.covers(segment, now_ms)
        if obsolete:
            self.leave((segment.id,))
        return obsolete

    def take(self, room: int, now_ms: int, may_begin: bool) -> tuple[list[Segment], list[Segment]]:
        """Up to ``room`` segments to be sent now, in order. And those that should wait on disk: they are due, and very
        many wait in the lane of their number. ``may_begin``: not only what is due."""
        found: list[Segment] = []
        crowd: list[Segment] = []
        lanes, in_line, due = self._lanes, self.in_line, self.due
        self._due_first = not self._due_first
        share = (room + self._due_first) // 2 if in_line else room  # the numbers of due ones may still be full
        while len(found) < room:
            source = due if due and (share > 0 or not in_line) else in_line
            if not source or (source is in_line and not may_begin):
                break
            segment = source.popleft()
            share -= source is due
            if self.is_obsolete(segment, now_ms):
                self._freed(lanes.drop(segment))
            elif source is due and lanes.is_crowded(segment, CHUNK):
                crowd.append(segment)
            elif lanes.enter(segment):
                found.append(segment)
        self.under_way.update(one.id for one in found)
        return found, crowd

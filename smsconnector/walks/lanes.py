"""Order to one number: each number has a lane, and one message at a time is in it.

1. ``enter``: a segment whose lane is free, or its own message's, may go; any other waits behind.
2. ``leave``: what became of it is known, as far as the order goes; when that holds for all of its message, the next
   message that waits has the lane, and its segments are set free.
3. With strict order a segment that will be tried again leaves ``to_retry``: its message keeps the lane until its next
   attempt, its expiry, or until it turns out that a receipt has ended it (``compare``).
"""

from collections import deque
from collections.abc import Iterable

from smsconnector.messages import Segment

Waiting = tuple[str, int, int, int]  # destination, message id, segments to be tried again, when it expires (ms)


class Lane:
    """``to_retry`` counts the segments that will be tried again; ``expected`` are the ids of those that were set free
    and have not entered yet."""

    __slots__ = ("expected", "expires_at", "message_id", "to_retry", "under_way", "waiting")

    def __init__(self, message_id: int, under_way: int = 1, to_retry: int = 0, expires_at: int = 0) -> None:
        self.message_id = message_id
        self.under_way, self.to_retry = under_way, to_retry
        self.expires_at = expires_at
        self.expected: set[int] = set()
        self.waiting: deque[Segment] | None = None


class Lanes:
    """``waiting`` counts the segments that wait; ``kept`` are the numbers whose lanes are kept for another attempt."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self.waiting = 0
        self.kept: set[str] = set()
        self._absent: set[int] = set()  # messages of kept lanes that were not among the waiting the last time

    def __len__(self) -> int:
        return len(self._lanes)

    def enter(self, segment: Segment) -> bool:
        """Whether it may go now."""
        lane = self._lanes.get(segment.destination)
        if lane is None:
            self._lanes[segment.destination] = Lane(segment.message_id)
            return True
        if lane.message_id == segment.message_id:
            lane.under_way += 1
            if segment.id in lane.expected:
                lane.expected.discard(segment.id)
            elif segment.attempts and lane.to_retry:
                lane.to_retry -= 1
            return True
        if lane.waiting is None:
            lane.waiting = deque()
        lane.waiting.append(segment)
        self.waiting += 1
        return False

    def leave(self, segment: Segment, to_retry: bool = False) -> Iterable[Segment]:
        """Those that are free now, in order."""
        lane = self._lanes.get(segment.destination)
        if lane is None or lane.message_id != segment.message_id:
            return ()
        lane.under_way -= 1
        if to_retry:
            lane.to_retry += 1
            lane.expires_at = segment.expires_at
            self.kept.add(segment.destination)
        return self._free(segment.destination, lane)

    def drop(self, segment: Segment) -> Iterable[Segment]:
        """It has ended before it entered; those that are free now."""
        lane = self._lanes.get(segment.destination)
        if lane is None or lane.message_id != segment.message_id or segment.id not in lane.expected:
            return ()
        lane.expected.discard(segment.id)
        return self._free(segment.destination, lane)

    def give_up(self, destination: str, message_id: int) -> Iterable[Segment]:
        """No further attempt of this message will come; those that are free now."""
        lane = self._lanes.get(destination)
        if lane is None or lane.message_id != message_id:
            return ()
        lane.to_retry = 0
        return self._free(destination, lane)

    def is_crowded(self, segment: Segment, limit: int) -> bool:
        """Whether so many wait in its lane for a message that is not its own."""
        lane = self._lanes.get(segment.destination)
        return (
            lane is not None
            and lane.message_id != segment.message_id
            and lane.waiting is not None
            and len(lane.waiting) >= limit
        )

    def clear(self, destination: str) -> list[Segment]:
        """Nobody waits behind the message in the lane any more; those that did, in order."""
        lane = self._lanes.get(destination)
        if lane is None or not lane.waiting:
            return []
        found, lane.waiting = list(lane.waiting), None
        self.waiting -= len(found)
        return found

    def _free(self, destination: str, lane: Lane) -> Iterable[Segment]:
        if lane.under_way > 0 or lane.to_retry > 0 or lane.expected:
            return ()
        self.kept.discard(destination)
        if not lane.waiting:
            del self._lanes[destination]
            return ()
        lane.message_id = lane.waiting[0].message_id
        free = []
        while lane.waiting and lane.waiting[0].message_id == lane.message_id:
            free.append(lane.waiting.popleft())
        self.waiting -= len(free)
        lane.expected = {one.id for one in free}
        return free

    # --- strict order ---------------------------------------------------------------------------------------

    def keep(self, rows: Iterable[Waiting]) -> None:
        """At the start: these messages wait for another attempt; the first to each number has its lane."""
        for destination, message_id, count, expires_at in rows:
            if destination not in self._lanes:
                self._lanes[destination] = Lane(message_id, 0, count, expires_at)
                self.kept.add(destination)

    def expire(self, now: int) -> list[Segment]:
        """Give up those whose messages have expired; all that are free now."""
        over = [one for one in self.kept if self._lanes[one].expires_at <= now]
        return [segment for one in over for segment in self.give_up(one, self._lanes[one].message_id)]

    def compare(self, rows: Iterable[Waiting]) -> list[Segment]:
        """``rows`` are all messages that wait for another attempt, as the disk has them. Give up the lanes of those
        that are not among them and were not the last time either; all segments that are free now.

        A message with a segment under way is not looked at: what waits on disk may change with its outcome. The rows
        may be older than an outcome that has just kept a lane, so a message that is missing once may only be missing
        still. ``strict_order`` says why one that is missing twice is not."""
        waiting = {message_id for _, message_id, _, _ in rows}
        lanes = ((one, self._lanes[one]) for one in self.kept)
        absent = {lane.message_id: one for one, lane in lanes if not lane.under_way and lane.message_id not in waiting}
        over, self._absent = absent.keys() & self._absent, set(absent)
        return [segment for one in sorted(over) for segment in self.give_up(absent[one], one)]

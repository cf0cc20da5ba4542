"""The order of the messages to one number: each number has a lane, and one message at a time holds it.

1. ``enter``: a segment asks to be sent. It may be sent if nobody holds the lane, or its own message does. Otherwise it
   waits in the lane, behind those that came before; but an interactive one waits before the bulk ones.
2. ``leave``: a segment has its outcome. When all segments of the message that were sent have theirs, the next message
   that waits holds the lane. Its segments are handed back, and each has to enter before it is sent.
3. With strict order a segment that will be tried again leaves with ``to_retry``. Then its message keeps the lane: until
   the next attempt has an outcome, until it expires (``expire``), or until the disk shows that it has ended without
   one (``compare``).

A segment belongs to its lane only while it waits there. No I/O and no clock: the time comes with the call.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from smsconnector.messages import Segment


class Waiting(NamedTuple):
    """A message that waits for another attempt, as the disk has it."""

    destination: str
    message_id: int
    segments: int  # so many of its segments wait
    expires_at: int  # ms


class Lane:
    """The lane of one number. ``message_id`` is the message that holds it: ``under_way`` of its segments were sent and
    have no outcome, ``to_retry`` will be tried again, and ``expected`` are the ids of those that may be sent and have
    not entered yet. ``waiting`` are the segments of later messages, in order. ``expires_at`` (ms) counts if the lane
    is kept for another attempt."""

    __slots__ = ("expected", "expires_at", "message_id", "to_retry", "under_way", "waiting")

    def __init__(self, message_id: int, under_way: int = 1, to_retry: int = 0, expires_at: int = 0) -> None:
        self.message_id = message_id
        self.under_way, self.to_retry = under_way, to_retry
        self.expires_at = expires_at
        self.expected: set[int] = set()
        self.waiting: deque[Segment] | None = None


class Lanes:
    """The lanes of all busy numbers. ``waiting`` counts the segments that wait in them; ``kept`` are the numbers whose
    lanes are kept for another attempt."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self.waiting = 0
        self.kept: set[str] = set()
        self._absent: set[int] = set()  # messages that hold kept lanes and were missing in the last comparison

    def __len__(self) -> int:
        return len(self._lanes)

    def enter(self, segment: Segment) -> bool:
        """Whether it may be sent now; if not, it waits here."""
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
        self.waiting += 1
        if segment.is_bulk or not lane.waiting or not lane.waiting[-1].is_bulk:
            lane.waiting.append(segment)
        else:
            place = next(at for at, one in enumerate(lane.waiting) if one.is_bulk)
            lane.waiting.insert(place, segment)
        return False

    def leave(self, segment: Segment, to_retry: bool = False) -> Iterable[Segment]:
        """It has its outcome, and may be tried again. As the methods below, this gives the segments that need not wait
        any more, in order."""
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
        """It will not be sent, and has not entered."""
        lane = self._lanes.get(segment.destination)
        if lane is None or lane.message_id != segment.message_id or segment.id not in lane.expected:
            return ()
        lane.expected.discard(segment.id)
        return self._free(segment.destination, lane)

    def give_up(self, destination: str, message_id: int) -> Iterable[Segment]:
        """No further attempt of this message will come."""
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
        """Nobody waits in this lane any more; those that did, in order, are the caller's."""
        lane = self._lanes.get(destination)
        if lane is None or not lane.waiting:
            return []
        found, lane.waiting = list(lane.waiting), None
        self.waiting -= len(found)
        return found

    def segments(self) -> Iterator[Segment]:
        """All that wait in lanes."""
        return (one for lane in self._lanes.values() if lane.waiting for one in lane.waiting)

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
        for row in rows:
            if row.destination not in self._lanes:
                self._lanes[row.destination] = Lane(row.message_id, 0, row.segments, row.expires_at)
                self.kept.add(row.destination)

    def expire(self, now: int) -> list[Segment]:
        """Give up the kept lanes whose messages have expired; ``now`` in ms."""
        over = [one for one in self.kept if self._lanes[one].expires_at <= now]
        return [segment for one in over for segment in self.give_up(one, self._lanes[one].message_id)]

    def compare(self, rows: Iterable[Waiting]) -> list[Segment]:
        """``rows`` are all messages that wait for another attempt, as the disk has them. Give up the lanes of those
        that are not among them and were not the last time either.

        A message with a segment under way is not looked at: what waits on disk may change with its outcome. The rows
        may be older than an outcome that has just kept a lane, so a message that is missing once may only be missing
        still. ``strict_order`` says why one that is missing twice is not."""
        waiting = {row.message_id for row in rows}
        lanes = ((one, self._lanes[one]) for one in self.kept)
        absent = {lane.message_id: one for one, lane in lanes if not lane.under_way and lane.message_id not in waiting}
        over, self._absent = absent.keys() & self._absent, set(absent)
        return [segment for one in sorted(over) for segment in self.give_up(absent[one], one)]

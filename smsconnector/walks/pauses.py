"""Throttled segments, and when they are sent again.

1. ``begin``: the network has throttled a segment. It may be its number that is full, so the pause before it is sent
   again is its own, and nobody else waits for it.
2. The pause doubles each time that the segment is throttled in a row, from ``FIRST_PAUSE`` to ``LONGEST_PAUSE``, and
   is spread by a quarter to both sides, so that segments which were throttled together do not come back together.
3. ``end``: the pauses that are over end. ``next`` gives their segments: interactive ones before bulk ones, and the
   lowest id first, which is the order of acceptance. ``put_back`` is for those that found no room.

No I/O and no clock: the time comes with the call, in seconds that only rise. Who has segments here owns them.
"""

import random
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from smsconnector.messages import Segment

FIRST_PAUSE = 0.02  # seconds, after the first throttle
LONGEST_PAUSE = 30.0  # seconds
TOGETHER = 0.02  # seconds: pauses that would end within it end together


def pause_after(throttles: int) -> float:
    """The pause (seconds) of a segment that has been throttled so often in a row, before it is spread."""
    return min(FIRST_PAUSE * 2.0 ** min(throttles - 1, 20), LONGEST_PAUSE)


class Pauses:
    """``source`` spreads the pauses."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._paused: list[tuple[float, int, Segment]] = []  # a heap: when the pause ends, id, segment
        self._over: list[tuple[bool, int, Segment]] = []  # a heap: whether it is bulk, id, segment

    @property
    def paused(self) -> int:
        """How many segments have a pause that is not over."""
        return len(self._paused)

    @property
    def over(self) -> int:
        """How many segments may be sent again now."""
        return len(self._over)

    @property
    def only_bulk_is_over(self) -> bool:
        """Whether some may be sent again now, and none of them is interactive."""
        return bool(self._over) and self._over[0][0]

    @property
    def first_end(self) -> float | None:
        """When the first pause ends; None if there is none."""
        return self._paused[0][0] if self._paused else None

    def begin(self, segment: Segment, now: float) -> None:
        """It was throttled just now, which ``segment.throttles`` has counted."""
        pause = pause_after(segment.throttles) * (0.75 + self._source.random() / 2)
        heappush(self._paused, (now + pause, segment.id, segment))

    def end(self, now: float) -> None:
        """The pauses that are over, or nearly, end."""
        while self._paused and self._paused[0][0] <= now + TOGETHER:
            _, segment_id, segment = heappop(self._paused)
            heappush(self._over, (segment.is_bulk, segment_id, segment))

    def next(self) -> Segment:
        """The first of those that may be sent again; IndexError if there is none."""
        return heappop(self._over)[2]

    def put_back(self, segments: Iterable[Segment]) -> None:
        """These could not be sent: they keep their turn, without another pause."""
        for segment in segments:
            heappush(self._over, (segment.is_bulk, segment.id, segment))

    def waiting(self) -> list[Segment]:
        """Those whose pause is over, in no order."""
        return [segment for _, _, segment in self._over]

    def take_out(self, segments: Iterable[Segment]) -> None:
        """These of ``waiting`` are the caller's again."""
        ids = {one.id for one in segments}
        self._over = [entry for entry in self._over if entry[1] not in ids]
        heapify(self._over)

    def segments(self) -> list[Segment]:
        """All of them."""
        return self.waiting() + [segment for _, _, segment in self._paused]

"""The segments that wait in memory, by their class: interactive texts go before bulk ones, up to their share.

1. Each class is a queue of its own on disk, and has a room of its own in memory (``ready``). So bulk texts fill no room
   of interactive ones, and the next interactive text is read without passing over bulk ones, however many wait.
2. While texts of one class wait alone, they have all of what the channel can take.
3. While both wait, interactive texts have their share of it, and bulk ones the rest: neither is held up for ever. What
   one of them does not use, the other has.
4. Both use the same lanes. So a text to a number waits for one that is under way to that number, whatever its class.
   An interactive one does not wait for bulk ones that have not begun.

A segment keeps its class in all that becomes of it: a retry, a pause, a way through a lane or the disk.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain

from smsconnector.messages import Message, Segment
from smsconnector.walks.backlog import IBacklog
from smsconnector.walks.lanes import Lanes
from smsconnector.walks.obsolete import Obsolete
from smsconnector.walks.ready import LANES, ReadySegments

USUAL_SHARE = 0.8  # of what the channel can take, for interactive texts
BULK_LANES = LANES * 9 // 10  # segments in lanes, beyond which no bulk ones are read: the others have room left there


class Turns:
    """Whose turn it is while both classes wait. ``share``: the part of all places that interactive texts have, from 0
    to 1."""

    def __init__(self, share: float = USUAL_SHARE) -> None:
        self._bulk_share = 1.0 - share
        self._owed = 0.0  # places for bulk texts, less than one

    def for_bulk(self, room: int) -> int:
        """How many of the next ``room`` places bulk texts have. What is less than a whole place is owed to them."""
        self._owed += room * self._bulk_share
        places = int(self._owed + 1e-9)
        self._owed -= places
        return places


class ReadyByClass:
    """What a submitter knows of ``ReadySegments``, for both classes. The parameters are those of ``ReadySegments``."""

    def __init__(
        self,
        backlog: IBacklog,
        lanes: Lanes,
        obsolete: Obsolete,
        changed: Callable[[], None],
        failed: Callable[[], None],
        share: float = USUAL_SHARE,
    ) -> None:
        known = (backlog, lanes, obsolete, changed, failed)
        self.interactive = ReadySegments(*known, freed=self.first_in_line)
        self.bulk = ReadySegments(*known, loads=backlog.bulk, most_in_lanes=BULK_LANES, freed=self.first_in_line)
        self._both = (self.interactive, self.bulk)
        self._turns = Turns(share)
        self._bulk_had_its_places = False  # already, of those that are given out now

    def __bool__(self) -> bool:
        """Whether any wait to be sent."""
        return bool(self.interactive or self.bulk)

    @property
    def any_in_line(self) -> bool:
        return bool(self.interactive.in_line or self.bulk.in_line)

    @property
    def holds_segments(self) -> bool:
        return self.interactive.holds_segments or self.bulk.holds_segments

    @property
    def is_loading(self) -> bool:
        return self.interactive.is_loading or self.bulk.is_loading

    @property
    def is_through(self) -> bool:
        return self.interactive.is_through and self.bulk.is_through

    @property
    def is_crowded(self) -> bool:
        return self.interactive.is_crowded

    @property
    def under_way(self) -> set[int]:
        return self.interactive.under_way | self.bulk.under_way

    def waiting(self) -> Iterator[Segment]:
        """Those that wait here, and in no lane."""
        return chain.from_iterable(chain(one.in_line, one.due) for one in self._both)

    def _of(self, segment: Segment) -> ReadySegments:
        return self.bulk if segment.is_bulk else self.interactive

    def _by_class(self, segments: Iterable[Segment]) -> Iterable[tuple[ReadySegments, list[Segment]]]:
        """These, in their order, each with its class."""
        segments = list(segments)
        bulk = [one for one in segments if one.is_bulk]
        if not bulk:
            return ((self.interactive, segments),)
        return ((self.interactive, [one for one in segments if not one.is_bulk]), (self.bulk, bulk))

    # --- in -------------------------------------------------------------------------------------------------

    def accepted(self, first_id: int, message: Message) -> bool:
        return (self.bulk if message.is_bulk else self.interactive).accepted(first_id, message)

    def load(self) -> None:
        for one in self._both:
            one.load()

    def load_due(self) -> None:
        for one in self._both:
            one.load_due()

    def first_in_line(self, segments: Iterable[Segment]) -> None:
        if segments:
            for ready, some in self._by_class(segments):
                ready.first_in_line(some)

    def postpone(self, segments: Iterable[Segment], seconds: float) -> None:
        for ready, some in self._by_class(segments):
            if some:
                ready.postpone(some, seconds)

    def leave(self, ids: Collection[int]) -> None:
        """As ``ReadySegments``; the ids may be of both."""
        self.interactive.leave(ids)
        if self.bulk.under_way or self.bulk.is_loading:
            self.bulk.leave(ids)

    # --- out ------------------------------------------------------------------------------------------------

    def is_obsolete(self, segment: Segment, now_ms: int) -> bool:
        return self._of(segment).is_obsolete(segment, now_ms)

    def for_throttled(self, room: int, are_bulk: bool, has_turn: bool) -> int:
        """How many of ``room`` places are for segments that were throttled before. They take turns with the others:
        with ``has_turn`` they have the odd one. Where none of them is interactive, and some of the others are, they
        have the places of bulk texts only."""
        self._bulk_had_its_places = False
        if are_bulk and self.interactive:
            self._bulk_had_its_places = True
            return self._turns.for_bulk(room)
        return (room + has_turn) // 2 if self else room

    def take(
        self, room: int, now_ms: int, may_begin: bool, may_begin_bulk: bool = True
    ) -> tuple[list[Segment], list[Segment]]:
        """As ``ReadySegments``; ``may_begin_bulk`` is for bulk texts."""
        if not self.bulk:
            return self.interactive.take(room, now_ms, may_begin)
        if not self.interactive:
            return self.bulk.take(room, now_ms, may_begin and may_begin_bulk)
        had_places, self._bulk_had_its_places = self._bulk_had_its_places, False
        places = 0 if had_places else self._turns.for_bulk(room)
        found, crowd = self.interactive.take(room - places, now_ms, may_begin)
        for ready in (self.bulk, self.interactive):
            if len(found) < room:
                more, more_crowd = ready.take(
                    room - len(found), now_ms, may_begin and (may_begin_bulk or ready is self.interactive)
                )
                found += more
                crowd += more_crowd
        return found, crowd

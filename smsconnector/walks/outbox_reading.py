"""How far the outbox was read for a sink, and how far it is settled. No clock and no I/O: queries come out, rows go in.

1. All kinds of events are read together, in the order of their ids, up to ``_read_up_to``. Where all were read, the
   next ones need not be read: whoever wrote them tells them (``told``).
2. A kind of event whose destination answers no more is *set aside*. The others are read on. The kind has its own place
   from then on, and is read from there when it has room again.
3. When it has come as far as the others, it is read together with them again.

An event is settled when what became of it is on disk. ``settled_up_to`` never passes an event that is not: neither one
that was read, nor one behind the place of a kind that is set aside.
"""

from collections.abc import Collection, Iterable, Sequence

from smsconnector.messages import KINDS_OF_EVENTS, Event
from smsconnector.store import operations as ops

EVENTS_AT_ONCE = 500  # events read from the database by one query


def are_many(events: Sequence[Event]) -> bool:
    """More than are read at once."""
    return len(events) > EVENTS_AT_ONCE or sum(len(event.body) for event in events) > ops.EVENT_OCTETS


class OutboxReading:
    """What was read for the sink, which the database knows as ``sink``."""

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._read_up_to = 0
        self._furthest: int | None = None  # no event with a greater id is settled; None: not known yet
        self._places: dict[str, int] = {}  # of each kind that is set aside: up to where it was read
        # By kind: the ids that were read, in order.
        self._unsettled: dict[str, dict[int, None]] = {kind: {} for kind in KINDS_OF_EVENTS}
        self.more = True  # there may be events that were not read yet

    @property
    def is_begun(self) -> bool:
        return self._furthest is not None

    @property
    def is_through(self) -> bool:
        """Whether all that is known to be in the outbox was read."""
        return not self.more and not self._places

    def begin(self, progress: ops.SinkProgress) -> None:
        """Where an earlier process has come to."""
        self._read_up_to, self._furthest = progress

    def set_aside(self, kind: str) -> None:
        self._places.setdefault(kind, self._read_up_to)

    def is_aside(self, kind: str) -> bool:
        return kind in self._places

    def next_query(self, full: Collection[str]) -> ops.LoadEvents | None:
        """What to read now; None if there is nothing. Kinds that are ``full`` take no more."""
        for kind, place in self._places.items():
            if kind not in full:
                return self._query(place, only=kind, up_to=self._read_up_to)
        others = [kind for kind in KINDS_OF_EVENTS if kind not in self._places]
        if not self.more or not others or any(kind in full for kind in others):
            return None
        self.more = False
        return self._query(self._read_up_to, only=others[0] if self._places else None)

    def _query(self, after: int, only: str | None, up_to: int | None = None) -> ops.LoadEvents:
        assert self._furthest is not None
        return ops.LoadEvents(self._sink, after, EVENTS_AT_ONCE, after < self._furthest, only, up_to)

    def loaded(self, query: ops.LoadEvents, events: Sequence[Event]) -> None:
        """The answer to that query."""
        is_full = len(events) == query.limit or sum(len(event.body) for event in events) >= ops.EVENT_OCTETS
        self._loaded(query, events, events[-1].id if events else None, is_full)

    def loaded_selected(self, query: ops.LoadEvents, found: ops.Selected) -> None:
        """The answer to that query where the sink wants some of the events only. The others are settled."""
        self._loaded(query, found.events, found.examined, found.has_more)

    def _loaded(self, query: ops.LoadEvents, events: Sequence[Event], examined: int | None, has_more: bool) -> None:
        """``examined``: what was read up to there has been looked at; None: nothing was there."""
        for event in events:
            self._unsettled.setdefault(event.kind, {})[event.id] = None
        if query.up_to is not None and query.only is not None:
            self._places[query.only] = query.up_to if examined is None else examined
            if not has_more:
                del self._places[query.only]
                self.more = True  # events of that kind, behind those of the others
        elif examined is not None:
            self._read_up_to = max(self._read_up_to, examined)
            self.more = self.more or has_more
            for kind in self._places:
                if query.only in (None, kind):  # it was set aside while the query was under way
                    self._places[kind] = self._read_up_to

    def told(self, events: Sequence[Event]) -> Sequence[Event]:
        """These were just written, behind all that ``is_through`` knows of: those of them that were not read."""
        new = [event for event in events if event.id > self._read_up_to]
        for event in new:
            self._unsettled[event.kind][event.id] = None
        if new:
            self._read_up_to = new[-1].id
        return new

    def failed(self) -> None:
        """The query has no answer: it has to be asked again."""
        self.more = True

    def has(self, event: Event) -> bool:
        """Whether it was read, and is not settled."""
        return event.id in self._unsettled.get(event.kind, ())

    def settled(self, events: Iterable[Event]) -> None:
        for event in events:
            self._unsettled[event.kind].pop(event.id, None)

    def settled_up_to(self, settling: Collection[int]) -> int:
        """The greatest id up to which every event is settled, once the events ``settling`` are."""
        found = self._read_up_to
        for kind, unsettled in self._unsettled.items():
            first = next((event_id for event_id in unsettled if event_id not in settling), None)
            place = self._places.get(kind, self._read_up_to)
            found = min(found, place if first is None else first - 1)
        return found

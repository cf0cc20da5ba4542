"""The way of an event: outbox -> sink -> confirmed or parked. Each sink has a publisher of its own.

1. The writer tells of the events that it has written. If the publisher has read all before them, it takes them as they
   are. If it has not, or if the sink has enough for now, it reads ``EVENTS_AT_ONCE`` events at a time of the outbox, in
   order.
2. The sink gets them. It answers for each event, when the broker has. That may take as long as the broker is away.
3. A confirmed event is marked in the database. If the process is killed after the confirmation and before the mark, the
   event is published again, with the same event id.
4. An event that the sink refuses, or wants later, is parked in the database. It is tried again, after a pause that is
   doubled each time, more or less: what was refused together does not come back together. Other events do not wait for
   it (``parked_events``).
5. A kind of event whose destination gives no answers is set aside when there is no more room for it. The other kind
   goes on (``outbox_reading``).

Where the sink wants some of the events only (its ``Selection``), the others are passed over by the query that reads,
and count as settled. How far the sink has come is written now and then, so that they are not kept for it.

An event is *settled* when it is marked as confirmed or parked. Every event up to ``settled_up_to`` is settled, and a
new process goes on from there. Of each kind, at most ``EVENTS_AT_ONCE * CHUNKS_AT_SINK`` events and some parked ones
are at the sink at a time, and no more than ``EVENT_OCTETS * CHUNKS_AT_SINK`` octets of bodies. So memory stays bounded
while the broker is away, in number and in octets. If the database is damaged so that a mark can't be written, nothing
more is published: all of it would be published again after the rescue.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from random import Random

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel

from smsconnector.errors import StoreError
from smsconnector.masking import without_numbers
from smsconnector.messages import ALL_EVENTS, KINDS_OF_EVENTS, Event, Selection
from smsconnector.recurring import Recurring, Sentences
from smsconnector.sinks import EventOutcome, EventVerdict, IEventSink, TellOutcome
from smsconnector.store import operations as ops
from smsconnector.store.reader import IReader
from smsconnector.store.retrying import RETRY_INTERVAL, RetryingWriter, Waiters
from smsconnector.store.writer import IWriter, Written
from smsconnector.timers import Repeating
from smsconnector.walks.gathering import Gathering
from smsconnector.walks.outbox_reading import EVENTS_AT_ONCE, OutboxReading, are_many
from smsconnector.walks.parked_events import KindsOfEvents, pause_after
from smsconnector.wall_clock import WallClock

CHUNKS_AT_SINK = 2  # times EVENTS_AT_ONCE of each kind may be at the sink
LOOK_FOR_PARKED = 2.0  # seconds between looks for parked events that are due, and for kinds that get few answers
FIRST_RETRY, LONGEST_RETRY = 60.0, 3600.0  # seconds until a refused event is tried again: at first, and at most
FIRST_DELAY = 1.0  # seconds; as FIRST_RETRY, for an event that the sink wants later
REFUSALS_ALONE = 20  # in a minute so many refused events are logged one by one
REFUSED = Sentences(
    one="{title} refused the event {example}. It is parked, and tried again now and then; the others go on."
    " `smsconnector events --parked` lists it",
    more="{title} refused {count} more events in the last minute, now {example}",
    over="{title}: no more refused events in the last minute, {total} before that",
)


class Publisher(Service):
    """Moves events from the outbox to ``sink``, which the database knows as ``sink_name``, and which wants those of
    ``selection``. ``wall_clock`` gives seconds since the Unix epoch."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: WallClock,
        writer: IWriter,
        reader: IReader,
        sink: IEventSink,
        sink_name: str = "stomp",
        selection: Selection = ALL_EVENTS,
        dice: Random | None = None,
    ) -> None:
        self._clock, self._wall_clock, self._reader, self.sink = clock, wall_clock, reader, sink
        self.sink_name, self._selection = sink_name, selection
        self._dice = dice or Random()  # nosec B311 # spreads retries in time; nothing secret comes of it
        self._passed, self._is_passing = 0, False  # with a selection: what is written to be settled; being written
        self._retrying, self._reading = RetryingWriter(clock, writer), OutboxReading(sink_name)
        self._loading = False  # a query is under way
        self.at_sink: Counter[str] = Counter()  # by kind: events that the sink has not answered for
        self._octets: Counter[str] = Counter()  # by kind: the octets of their bodies
        self._answers: Counter[str] = Counter()  # by kind: events that the sink has answered for since the last look
        self._was_full: set[str] = set()  # the kinds of which the sink had enough at the last look
        self._retry: IDelayedCall | None = None  # the next query, after one that failed
        self._gathering = Gathering(clock, self._give_new)
        self._drained = Waiters()
        self._retried: dict[str, set[int]] = {kind: set() for kind in KINDS_OF_EVENTS}  # parked ones, at the sink again
        self._kinds = KindsOfEvents()
        self._looking: set[str] = set()  # the kinds for which a query for parked events is under way
        self._trouble = Recurring(clock, self.log, sink_name, REFUSED, level=LogLevel.error, alone=REFUSALS_ALONE)
        self._look_timer = Repeating(clock, f"{sink_name}'s look around", self._look_around)

    def startService(self) -> None:
        super().startService()
        self._look_timer.start(LOOK_FOR_PARKED, now=False)
        self.wake()

    def stopService(self) -> None:
        super().stopService()
        self._look_timer.stop()
        self._pass_unwanted()
        self._gathering.stop()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def drain(self) -> "Deferred[None]":
        """Fires with None when the sink has answered for every event of the outbox that was not parked before. The
        answers may not be on disk yet: ``settled`` waits for that. The caller bounds how long it waits."""
        drained = self._drained.add()
        self._gathering.give()
        self.wake()
        return drained

    def settled(self) -> "Deferred[None]":
        """Fires with None when every answer that the sink has given is on disk. The caller bounds how long it waits."""
        return self._retrying.settled()

    def close(self) -> None:
        """After the stop: do not try again to write answers."""
        self._retrying.close()
        self._trouble.stop()

    # --- 1: from the outbox ---------------------------------------------------------------------------------

    def written(self, events: Written) -> None:
        """These are new in the outbox; None: there may be new ones."""
        if events is None or not self._may_take(events):
            self._reading.more = True
            if _may_concern(self._selection, events):
                self._load()
            return
        new = self._reading.told(events)
        self._count(new)
        self._gathering.add(new)

    def _may_take(self, events: Sequence[Event]) -> bool:
        """Whether all that came before them was read, so that they need not be read themselves."""
        if self._loading or not self.running or self._retrying.damaged or self._selection != ALL_EVENTS:
            return False
        return self._reading.is_begun and self._reading.is_through and not are_many(events) and not self._full()

    def wake(self) -> None:
        """Say that there may be new events in the outbox."""
        self._reading.more = True
        self._load()

    def _load(self) -> None:
        if self._retrying.damaged:
            if not self.at_sink.total():
                self._drained.fire()
            return
        if self._loading or not self.running:
            return
        if not self._reading.is_begun:
            self._loading = True
            self._reader.put(ops.LoadProgress(self.sink_name), self._loaded_progress)
            return
        query = self._reading.next_query(self._full())
        if query is not None:
            self._loading = True
            if self._selection == ALL_EVENTS:
                self._reader.put(query, partial(self._loaded, query))
            else:
                self._reader.put(ops.LoadSelected(query, self._selection), partial(self._loaded_selected, query))

    def _full(self) -> list[str]:
        """The kinds of which the sink has enough for now."""
        if not self._are_enough(KINDS_OF_EVENTS):  # nearly always
            return []
        together = [kind for kind in KINDS_OF_EVENTS if not self._reading.is_aside(kind)]
        return [kind for kind in KINDS_OF_EVENTS if self._are_enough(together if kind in together else [kind])]

    def _are_enough(self, kinds: Sequence[str]) -> bool:
        chunks = CHUNKS_AT_SINK - 1
        events, octets = (sum(counter[kind] for kind in kinds) for counter in (self.at_sink, self._octets))
        return events > chunks * EVENTS_AT_ONCE or octets > chunks * ops.EVENT_OCTETS

    def _loaded_progress(self, progress: ops.SinkProgress | None, _error: StoreError | None) -> None:
        self._loading = False
        if progress is None:
            self._again_later()
            return
        self._reading.begin(progress)
        self._load()

    def _loaded(self, query: ops.LoadEvents, events: list[Event] | None, _error: StoreError | None) -> None:
        self._loading = False
        if events is None:
            self._again_later()
            return
        self._reading.loaded(query, events)
        self._give_loaded(events)

    def _loaded_selected(self, query: ops.LoadEvents, found: ops.Selected | None, _error: StoreError | None) -> None:
        self._loading = False
        if found is None:
            self._again_later()
            return
        self._reading.loaded_selected(query, found)
        self._give_loaded(found.events)

    def _give_loaded(self, events: list[Event]) -> None:
        self._gathering.give()  # they come before
        if events:
            self._give(events, self._settle)
        elif self._drained and not self.at_sink.total() and self._reading.is_through:
            self._drained.fire()
        self._load()

    def _give_new(self, events: Sequence[Event]) -> None:
        """They are counted already."""
        if self._retrying.damaged:
            self._count(events, -1)
        else:
            self.sink.publish(events, self._settle)

    def _give(self, events: Sequence[Event], settle: TellOutcome) -> None:
        self._count(events)
        self.sink.publish(events, settle)

    def _count(self, events: Sequence[Event], sign: int = 1) -> None:
        for event in events:
            self.at_sink[event.kind] += sign
            self._octets[event.kind] += sign * len(event.body)

    def _again_later(self) -> None:
        self._reading.failed()
        if self._retry is None and self.running:
            self._retry = self._clock.callLater(RETRY_INTERVAL, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._load()

    def _set_aside(self) -> None:
        """Let the other kind go on where the sink is full of one, and gave few answers for it since the last look. If
        the sink is away, it gives none for either."""
        full = {kind for kind in KINDS_OF_EVENTS if self._are_enough([kind])}
        slow = [kind for kind in full & self._was_full if self._answers[kind] < EVENTS_AT_ONCE]
        for kind in slow if self.sink.connected else ():
            if not self._reading.is_aside(kind):
                self._reading.set_aside(kind)
                self._load()
        self._was_full = full
        self._answers.clear()

    # --- 2 and 3: the sink's answers ------------------------------------------------------------------------

    def _settle(self, outcome: EventOutcome) -> None:
        self._count(outcome.events, -1)
        for event in outcome.events:
            self._answers[event.kind] += 1
        if outcome.verdict is EventVerdict.CONFIRMED:
            self._confirmed(outcome)
        else:
            self._park(outcome)
        self._load()

    def _confirmed(self, outcome: EventOutcome) -> None:
        ids = tuple(event.id for event in outcome.events)
        self._retrying.put(partial(self._confirm, ids), partial(self._settled, outcome.events), may_wait=True)

    def _confirm(self, ids: tuple[int, ...]) -> ops.Confirm:
        return ops.Confirm(self.sink_name, ids, self._reading.settled_up_to(frozenset(ids)), self._now())

    def _settled(self, events: Sequence[Event], _result: None, error: StoreError | None) -> None:
        """What became of these is on disk. If it can't be written, ever, they stay unsettled, for the next start."""
        if error is not None:
            self.log.error("what became of {count} events can't be written: {error}", count=len(events), error=error)
        else:
            self._reading.settled(events)
        if any(self._retried.values()):
            self._retried_written(events)
        if self._drained:
            self.wake()

    def _retried_written(self, events: Sequence[Event]) -> None:
        """If these were the last parked ones of their kind at the sink, look for others."""
        ids = {event.id for event in events}
        for retried in self._retried.values():
            if not retried.isdisjoint(ids):
                retried.difference_update(ids)
                self._look_for_parked()

    # --- 4: what is parked ----------------------------------------------------------------------------------

    def _park(self, outcome: EventOutcome) -> None:
        refused = outcome.verdict is EventVerdict.REFUSED
        rows, ids = [], frozenset(event.id for event in outcome.events)
        for event in outcome.events:
            if event.attempts:
                self._kinds[event.kind].refused(self._clock.seconds())
            elif refused:
                self._trouble.count("refused", f"{event.event_id}: {without_numbers(outcome.reason)}")
            pause = pause_after(FIRST_RETRY if refused else FIRST_DELAY, LONGEST_RETRY, event.attempts, self._dice)
            due_at = self._wall_clock.steady_milliseconds() + int(pause * 1000) if outcome.again else ops.NOT_AGAIN
            rows.append(ops.ParkedEvent(event.id, event.kind, event.attempts + 1, due_at, outcome.reason))

        def make() -> ops.ParkEvents:
            return ops.ParkEvents(self.sink_name, tuple(rows), refused, self._reading.settled_up_to(ids), self._now())

        self._retrying.put(make, partial(self._settled, outcome.events))

    def _look_around(self) -> None:
        self._load()
        self._set_aside()
        self._look_for_parked()
        self._pass_unwanted()

    def _pass_unwanted(self) -> None:
        """Write how far the sink has come, where nothing that it wanted has told it."""
        if self._selection == ALL_EVENTS or self._is_passing or self._retrying.damaged:
            return
        up_to = self._reading.settled_up_to(())
        if up_to <= self._passed:
            return
        self._is_passing = True

        def written(_result: None, _error: StoreError | None) -> None:
            self._passed, self._is_passing = up_to, False

        self._retrying.put(partial(ops.Confirm, self.sink_name, (), up_to, self._now()), written)

    def _look_for_parked(self) -> None:
        """Publish some of the parked events that are due: their pause is over, or an operator wants them tried now. No
        more of that kind are read while some are at the sink."""
        if not self.running or not self.sink.connected or self._retrying.damaged:
            return
        for kind in KINDS_OF_EVENTS:
            is_busy = self._retried[kind] or kind in self._looking
            limit = 0 if is_busy else self._kinds[kind].may_be_tried(self._clock.seconds())
            if limit:
                self._looking.add(kind)
                now_ms = self._wall_clock.steady_milliseconds()
                latest_ms = now_ms + int(LONGEST_RETRY * 1000)
                query = ops.LoadParkedEvents(self.sink_name, kind, now_ms, limit, latest_ms)
                self._reader.put(query, partial(self._loaded_parked, kind))

    def _loaded_parked(self, kind: str, found: list[Event] | None, _error: StoreError | None) -> None:
        self._looking.discard(kind)
        if not self.running:
            return
        for event in found or ():  # each alone, so that the others do not wait for one that is refused again
            if event.id not in self._retried[event.kind] and not self._reading.has(event):
                self._retried[event.kind].add(event.id)
                self._give([event], self._settle_parked)

    def _settle_parked(self, outcome: EventOutcome) -> None:
        if outcome.verdict is EventVerdict.CONFIRMED:
            for event in outcome.events:
                self._kinds[event.kind].taken()
        self._settle(outcome)

    def _now(self) -> int:
        return self._wall_clock.milliseconds()


def _may_concern(selection: Selection, events: Written) -> bool:
    """Whether to look at once for what was written. Callbacks are wanted by few messages: the others, and what nobody
    has kept, are passed over by the next look around."""
    host = selection.callback
    if host is None:
        return True
    return any(one.callback is not None and one.callback.host == host for one in events or ())

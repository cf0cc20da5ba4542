"""The way of an event: outbox -> sink -> confirmed or parked. Each sink has a publisher of its own.

1. Whoever wrote events calls ``wake``. The publisher reads the next ``EVENTS_AT_ONCE`` events of the outbox, in order.
2. The sink gets them. It answers for each event, when the broker has. That may take as long as the broker is away.
3. A confirmed event is marked in the database. If the process is killed after the confirmation and before the mark, the
   event is published again, with the same event id.
4. An event that the sink refuses, or wants later, is parked in the database. It is tried again, after a pause that is
   doubled each time. Other events do not wait for it (``parked_events``).

An event is *settled* when it is marked as confirmed or parked. Every event up to ``settled_up_to`` is settled, and a
new process goes on from there. At most ``EVENTS_AT_ONCE * CHUNKS_AT_SINK`` events, and some parked ones, are at the
sink at a time. So memory stays bounded while the broker is away.
"""

from collections.abc import Sequence
from functools import partial

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from smsconnector.errors import StoreError
from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, Event
from smsconnector.sinks import EventOutcome, EventVerdict, IEventSink
from smsconnector.store import operations as ops
from smsconnector.store.reader import IReader
from smsconnector.store.retrying import RETRY_INTERVAL, RetryingWriter
from smsconnector.store.writer import IWriter
from smsconnector.walks.parked_events import KindsOfEvents
from smsconnector.wall_clock import WallClock

EVENTS_AT_ONCE = 500  # events read from the database by one query
CHUNKS_AT_SINK = 2  # times EVENTS_AT_ONCE may be at the sink
LOOK_FOR_PARKED = 2.0  # seconds between looks for parked events that are due
FIRST_RETRY, LONGEST_RETRY = 60.0, 3600.0  # seconds until a refused event is tried again: at first, and at most
FIRST_DELAY = 1.0  # seconds; as FIRST_RETRY, for an event that the sink wants later
REFUSALS_LOGGED, LOG_PERIOD = 20, 60.0  # so many refused events are logged one by one in so many seconds


class Publisher(Service):
    """Moves events from the outbox to ``sink``, which the database knows as ``sink_name``. ``wall_clock`` gives seconds
    since the Unix epoch."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: WallClock,
        writer: IWriter,
        reader: IReader,
        sink: IEventSink,
        sink_name: str = "stomp",
    ) -> None:
        self._clock, self._wall_clock, self._reader = clock, wall_clock, reader
        self.sink, self.sink_name = sink, sink_name
        self._retrying = RetryingWriter(clock, writer)
        self._read_up_to = 0
        self._furthest: int | None = None  # no event with a greater id is settled; None: not known yet
        self._loading = False  # a query is under way
        self._more = False  # there may be events that were not read yet
        self._unsettled: dict[int, None] = {}  # ids of events that were read and are not settled on disk, in order
        self._at_sink = 0  # how many of them the sink has not answered for
        self._retry: IDelayedCall | None = None  # the next query, after one that failed
        self._drained: Deferred[None] | None = None
        self._retried: set[int] = set()  # ids of parked events that are at the sink again
        self._kinds = KindsOfEvents()
        self._looks = 0  # queries for parked events that are not answered yet
        self._logged_at: list[float] = []  # s of the clock, for each refused event logged in the last LOG_PERIOD
        self._not_logged = 0  # refused events that were left out of the log
        self._parked_timer = LoopingCall(self._look_for_parked)
        self._parked_timer.clock = clock

    def startService(self) -> None:
        super().startService()
        self._parked_timer.start(LOOK_FOR_PARKED, now=False)
        self.wake()

    def stopService(self) -> None:
        super().stopService()
        self._parked_timer.stop()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def drain(self) -> "Deferred[None]":
        """Fires with None when the sink has answered for every event of the outbox that was not parked before. The
        answers may not be on disk yet: ``settled`` waits for that. The caller bounds how long it waits."""
        self._drained = Deferred()
        self.wake()
        return self._drained

    def settled(self) -> "Deferred[None]":
        """Fires with None when every answer that the sink has given is on disk. The caller bounds how long it waits."""
        return self._retrying.settled()

    def close(self) -> None:
        """After the stop: do not try again to write answers."""
        self._retrying.close()

    # --- 1: from the outbox ---------------------------------------------------------------------------------

    def wake(self) -> None:
        """Say that there may be new events in the outbox."""
        self._more = True
        self._load()

    def _load(self) -> None:
        is_full = self._at_sink > (CHUNKS_AT_SINK - 1) * EVENTS_AT_ONCE
        if not self._more or self._loading or is_full or not self.running:
            return
        self._loading = True
        if self._furthest is None:
            self._reader.put(ops.LoadProgress(self.sink_name), self._loaded_progress)
            return
        self._more = False
        may_be_settled = self._read_up_to < self._furthest
        query = ops.LoadEvents(self.sink_name, self._read_up_to, EVENTS_AT_ONCE, may_be_settled)
        self._reader.put(query, self._loaded)

    def _loaded_progress(self, progress: ops.SinkProgress | None, _error: StoreError | None) -> None:
        self._loading = False
        if progress is None:
            self._again_later()
            return
        self._read_up_to, self._furthest = progress
        self._load()

    def _loaded(self, events: list[Event] | None, _error: StoreError | None) -> None:
        self._loading = False
        if events is None:
            self._again_later()
            return
        if events:
            self._read_up_to = events[-1].id
            self._more = self._more or len(events) == EVENTS_AT_ONCE
            self._unsettled.update((event.id, None) for event in events)
            self._at_sink += len(events)
            self.sink.publish(events, self._settle)
        elif self._drained is not None and not self._at_sink and not self._more:
            self._drained.callback(None)
            self._drained = None
        self._load()

    def _again_later(self) -> None:
        self._more = True
        if self._retry is None and self.running:
            self._retry = self._clock.callLater(RETRY_INTERVAL, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._load()

    # --- 2 and 3: the sink's answers ------------------------------------------------------------------------

    def _settle(self, outcome: EventOutcome) -> None:
        self._at_sink -= len(outcome.events)
        if outcome.verdict is EventVerdict.CONFIRMED:
            self._confirmed(outcome)
        else:
            self._park(outcome)
        self._load()

    def _confirmed(self, outcome: EventOutcome) -> None:
        ids = tuple(event.id for event in outcome.events)
        self._retrying.put(partial(self._confirm, ids), partial(self._written, ids))

    def _confirm(self, ids: tuple[int, ...]) -> ops.Confirm:
        return ops.Confirm(self.sink_name, ids, self._settled_up_to(ids), self._now())

    def _settled_up_to(self, settling: Sequence[int]) -> int:
        """The greatest id up to which every event is settled, once the events ``settling`` are."""
        among = frozenset(settling)
        first = next((event_id for event_id in self._unsettled if event_id not in among), None)
        return self._read_up_to if first is None else first - 1

    def _written(self, ids: Sequence[int], _result: None, error: StoreError | None) -> None:
        """What became of these is on disk. If it can't be written, ever, they stay unsettled, for the next start."""
        if error is not None:
            self.log.error("what became of {count} events can't be written: {error}", count=len(ids), error=error)
        for event_id in ids if error is None else ():
            self._unsettled.pop(event_id, None)
        if not self._retried.isdisjoint(ids):
            self._retried.difference_update(ids)
            self._look_for_parked()
        if self._drained is not None:
            self.wake()

    # --- 4: what is parked ----------------------------------------------------------------------------------

    def _park(self, outcome: EventOutcome) -> None:
        refused = outcome.verdict is EventVerdict.REFUSED
        rows, ids = [], tuple(event.id for event in outcome.events)
        for event in outcome.events:
            if event.attempts:
                self._kinds[event.kind].refused(self._clock.seconds())
            elif refused:
                self._say_refused(event, outcome.reason)
            first = FIRST_RETRY if refused else FIRST_DELAY
            pause = min(first * 2.0 ** min(event.attempts, 30), LONGEST_RETRY)
            due_at = self._now() + int(pause * 1000)
            rows.append(ops.ParkedEvent(event.id, event.kind, event.attempts + 1, due_at, outcome.reason))

        def make() -> ops.ParkEvents:
            return ops.ParkEvents(self.sink_name, tuple(rows), refused, self._settled_up_to(ids), self._now())

        self._retrying.put(make, partial(self._written, ids))

    def _look_for_parked(self) -> None:
        """Publish some of the parked events that are due: their pause is over, or an operator wants them tried now. No
        more are read while some are at the sink. Also logs how many refusals were left out of the log."""
        if self._not_logged and self._clock.seconds() - self._logged_at[-1] >= LOG_PERIOD:
            self.log.error("{sink} refused {count} more events", sink=self.sink_name, count=self._not_logged)
            self._not_logged = 0
        if self._looks or self._retried or not self.running or not self.sink.connected:
            return
        now = self._clock.seconds()
        for kind in (DELIVERY_REPORT, INCOMING_MESSAGE):
            limit = self._kinds[kind].may_be_tried(now)
            if limit:
                self._looks += 1
                self._reader.put(ops.LoadParkedEvents(self.sink_name, kind, self._now(), limit), self._loaded_parked)

    def _loaded_parked(self, found: list[Event] | None, _error: StoreError | None) -> None:
        self._looks -= 1
        if not self.running:
            return
        for event in found or ():  # each alone, so that the others do not wait for one that is refused again
            if event.id not in self._retried and event.id not in self._unsettled:
                self._retried.add(event.id)
                self._at_sink += 1
                self.sink.publish([event], self._settle_parked)

    def _settle_parked(self, outcome: EventOutcome) -> None:
        if outcome.verdict is EventVerdict.CONFIRMED:
            for event in outcome.events:
                self._kinds[event.kind].taken()
        self._settle(outcome)

    def _say_refused(self, event: Event, reason: str) -> None:
        """Log a refused event. Of many in a short time only ``REFUSALS_LOGGED`` are logged one by one."""
        now = self._clock.seconds()
        self._logged_at = [at for at in self._logged_at if now - at < LOG_PERIOD]
        if len(self._logged_at) >= REFUSALS_LOGGED:
            self._not_logged += 1
            return
        self._logged_at.append(now)
        self.log.error(
            "{sink} refused the event {event_id}: {reason}. It is parked, and tried again now and then;"
            " the others go on. `smsconnector events --parked` lists it",
            sink=self.sink_name,
            event_id=event.event_id,
            reason=reason,
        )

    def _now(self) -> int:
        return self._wall_clock.milliseconds()

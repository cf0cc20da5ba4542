"""The walk of an event: outbox -> sink -> settled. One publisher per sink, each with its own progress.

1. Somebody wrote events and calls ``wake``. The next chunk is read from the outbox, in order.
2. The sink gets it, and answers for each event when the far side has. That may take as long as that side is away.
3. What is confirmed is marked in one statement. An event that is confirmed, but not yet marked when the process is
   killed, is published again, with the same event id.
4. What is refused, or wanted later, is parked on disk. It is tried again after a pause that grows each time, and it
   holds up no other (``parked_events``).

At most ``CHUNKS_AT_SINK`` chunks are at the sink at once: a broker that is away costs nothing but time and disk. Every
event up to ``settled_up_to`` is confirmed or parked on disk; a start goes on from there.
"""

from collections.abc import Callable, Sequence
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

EVENTS_AT_ONCE = 500  # read from disk in one go
CHUNKS_AT_SINK = 2
LOOK_FOR_PARKED = 2.0  # seconds between looks for parked events that are due
FIRST_RETRY, LONGEST_RETRY = 60.0, 3600.0  # seconds until a refused event is tried again, doubled each time
FIRST_DELAY = 1.0  # seconds, the same for one that the sink wants later
TOLD_AT_ONCE, TOLD_AGAIN = 20, 60.0  # lines about refused events in the log, in so many seconds


class Publisher(Service):
    """Moves events from the outbox to the sink of that name."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: Callable[[], float],
        writer: IWriter,
        reader: IReader,
        sink: IEventSink,
        sink_name: str = "stomp",
    ) -> None:
        self._clock, self._wall_clock, self._reader = clock, wall_clock, reader
        self.sink, self.sink_name = sink, sink_name
        self._retrying = RetryingWriter(clock, writer)
        self._read_up_to = 0
        self._furthest: int | None = None  # no event behind it is settled; None: that is not known yet
        self._loading = False
        self._more = False
        self._unsettled: dict[int, None] = {}  # events that were read, until what became of them is on disk; in order
        self._at_sink = 0  # how many of them the sink has not answered for
        self._retry: IDelayedCall | None = None
        self._drained: Deferred[None] | None = None
        self._attempts: dict[int, int] = {}  # parked events that are tried again: how often they were before
        self._kinds = KindsOfEvents()
        self._looks = 0  # looks for parked events that are not answered yet
        self._told: list[float] = []  # when the last lines about refused events were logged
        self._untold = 0  # refused events that were not logged
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
        """Fires when all that is known has been confirmed and marked; the caller bounds how long it waits."""
        self._drained = Deferred()
        self.wake()
        return self._drained

    def settled(self) -> "Deferred[None]":
        """Fires when every answer of the sink is on disk."""
        return self._retrying.settled()

    def close(self) -> None:
        """After the stop: nothing more is tried."""
        self._retrying.close()

    # --- 1: from the outbox ---------------------------------------------------------------------------------

    def wake(self) -> None:
        """There may be new events."""
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
        """The last event before the first that is neither confirmed nor parked on disk, when these will be."""
        among = frozenset(settling)
        first = next((event_id for event_id in self._unsettled if event_id not in among), None)
        return self._read_up_to if first is None else first - 1

    def _written(self, ids: Sequence[int], _result: None, error: StoreError | None) -> None:
        """What became of these is on disk. If it can't be written, ever, they stay unsettled, for the next start."""
        if error is not None:
            self.log.error("what became of {count} events can't be written: {error}", count=len(ids), error=error)
        retried = [event_id for event_id in ids if self._attempts.pop(event_id, None) is not None]
        for event_id in ids if error is None else ():
            self._unsettled.pop(event_id, None)
        if retried and not self._attempts:
            self._look_for_parked()
        if self._drained is not None:
            self.wake()

    # --- 4: what is parked ----------------------------------------------------------------------------------

    def _park(self, outcome: EventOutcome) -> None:
        refused = outcome.verdict is EventVerdict.REFUSED
        rows, ids = [], tuple(event.id for event in outcome.events)
        for event in outcome.events:
            attempts = self._attempts.get(event.id, 0)
            if attempts:
                self._kinds[event.kind].refused(self._clock.seconds())
            elif refused:
                self._say_refused(event, outcome.reason)
            first = FIRST_RETRY if refused else FIRST_DELAY
            pause = min(first * 2.0 ** min(attempts, 30), LONGEST_RETRY)
            due_at = self._now() + int(pause * 1000)
            rows.append(ops.ParkedEvent(event.id, event.kind, attempts + 1, due_at, outcome.reason))

        def make() -> ops.ParkEvents:
            return ops.ParkEvents(self.sink_name, tuple(rows), refused, self._settled_up_to(ids), self._now())

        self._retrying.put(make, partial(self._written, ids))

    def _look_for_parked(self) -> None:
        """Some are due, by their pause or because somebody has asked for it."""
        if self._untold and self._clock.seconds() - self._told[-1] >= TOLD_AGAIN:
            self.log.error("{sink} refused {count} more events", sink=self.sink_name, count=self._untold)
            self._untold = 0
        if self._looks or self._attempts or not self.running or not self.sink.connected:
            return
        now = self._clock.seconds()
        for kind in (DELIVERY_REPORT, INCOMING_MESSAGE):
            limit = self._kinds[kind].may_be_tried(now)
            if limit:
                self._looks += 1
                self._reader.put(ops.LoadParkedEvents(self.sink_name, kind, self._now(), limit), self._loaded_parked)

    def _loaded_parked(self, found: "list[tuple[Event, int]] | None", _error: StoreError | None) -> None:
        self._looks -= 1
        if not self.running:
            return
        for event, attempts in found or ():  # each alone, so that one that is refused again holds up no other
            if event.id not in self._attempts and event.id not in self._unsettled:
                self._attempts[event.id] = attempts
                self._at_sink += 1
                self.sink.publish([event], self._settle_parked)

    def _settle_parked(self, outcome: EventOutcome) -> None:
        if outcome.verdict is EventVerdict.CONFIRMED:
            for event in outcome.events:
                self._kinds[event.kind].taken()
        self._settle(outcome)

    def _say_refused(self, event: Event, reason: str) -> None:
        """Once for each event, but for a flood of them."""
        now = self._clock.seconds()
        self._told = [at for at in self._told if now - at < TOLD_AGAIN]
        if len(self._told) >= TOLD_AT_ONCE:
            self._untold += 1
            return
        self._told.append(now)
        self.log.error(
            "{sink} refused the event {event_id}: {reason}. It is parked, and tried again now and then;"
            " the others go on. `smsconnector events --parked` lists it",
            sink=self.sink_name,
            event_id=event.event_id,
            reason=reason,
        )

    def _now(self) -> int:
        return int(self._wall_clock() * 1000)

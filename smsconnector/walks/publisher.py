"""The walk of an event: outbox -> sink -> marked as published.

1. Somebody wrote events and calls ``wake``; the next chunk is read from the outbox, in order.
2. The sink gets it and fires when the broker has confirmed all of it, however long that takes.
3. The chunk is marked in one statement. An event that is confirmed but not yet marked when we are killed is
   published again, with the same event id.

At most ``PIPELINE`` chunks are at the sink at once: a broker that is away costs nothing but time and disk.
"""

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.errors import StoreError
from smsconnector.messages import Event
from smsconnector.sinks import IEventSink
from smsconnector.store import operations as ops
from smsconnector.store.retrying import RetryingWriter
from smsconnector.store.writer import IWriter

EVENTS_AT_ONCE = 500  # events in one batch
PIPELINE = 2  # batches at the sink at once
STORE_RETRY = 1.0  # seconds


class Publisher(Service):
    """Moves events from the outbox to the sink."""

    log = Logger()

    def __init__(self, clock: IReactorTime, wall_clock: Callable[[], float], writer: IWriter, sink: IEventSink) -> None:
        self._clock, self._wall_clock, self._writer, self._sink = clock, wall_clock, writer, sink
        self._read_up_to = 0
        self._loading = False
        self._more = False
        self._at_sink = 0
        self._retry: IDelayedCall | None = None
        self._drained: Deferred[None] | None = None
        self._retrying = RetryingWriter(clock, writer)

    def startService(self) -> None:
        super().startService()
        self.wake()

    def stopService(self) -> None:
        super().stopService()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def drain(self) -> "Deferred[None]":
        """Fires when all that is known has been confirmed and marked; the caller bounds how long it waits."""
        self._drained = Deferred()
        self.wake()
        return self._drained

    def settled(self) -> "Deferred[None]":
        """Fires when every confirmation is on disk."""
        return self._retrying.settled()

    def close(self) -> None:
        """After the stop: nothing more is tried."""
        self._retrying.close()

    def wake(self) -> None:
        """There may be new events."""
        self._more = True
        self._load()

    def _load(self) -> None:
        if self._more and not self._loading and self._at_sink < PIPELINE and self.running:
            self._loading, self._more = True, False
            self._writer.put(ops.LoadEvents(self._read_up_to, EVENTS_AT_ONCE), self._loaded)

    def _loaded(self, events: list[Event] | None, _error: StoreError | None) -> None:
        self._loading = False
        if events is None:
            self._again_later()
            return
        if events:
            self._read_up_to = events[-1].id
            self._more = self._more or len(events) == EVENTS_AT_ONCE
            self._publish(events)
        elif self._drained is not None and not self._at_sink and not self._more:
            self._drained.callback(None)
            self._drained = None
        self._load()

    def _publish(self, events: list[Event]) -> None:
        self._at_sink += 1
        ids = tuple(event.id for event in events)
        self._sink.publish(events).addCallbacks(lambda _: self._confirmed(ids), self._abandoned)

    def _confirmed(self, ids: tuple[int, ...]) -> None:
        self._at_sink -= 1
        self._mark(ids)
        self._load()

    def _mark(self, ids: tuple[int, ...]) -> None:
        def marked(_result: None, error: StoreError | None) -> None:
            if self._drained is not None:
                self.wake()

        self._retrying.put(lambda: ops.Published(ids, int(self._wall_clock() * 1000)), marked)

    def _abandoned(self, failure: Failure) -> None:
        """The sink was stopped; the events are still in the outbox."""
        self._at_sink -= 1
        if failure.check(CancelledError) is None:
            self.log.failure("a batch of events was given up by the sink", failure)

    def _again_later(self) -> None:
        self._more = True
        if self._retry is None and self.running:
            self._retry = self._clock.callLater(STORE_RETRY, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._load()

"""Send the events of one destination: one queue of events, one connection, one broker at a time.

1. ``publish`` queues a batch. The events are still in the outbox.
2. While a broker is connected, ``_pump`` cuts *parts* off the batches and hands them to the connection. Where the
   broker confirms transactions, a part has at most ``Suspicion.longest`` events and ``window`` octets, but one event at
   least. Nearly always it is a whole batch. Elsewhere a part is one event, and many are under way.
3. The RECEIPT confirms all events of the part. They must not be dropped from the outbox before that.
4. If a connection is lost or falls silent, its unconfirmed parts go back to the head of the queue, in order. The next
   broker of the failover list gets them again, with new transaction ids and the *same* ``event-id`` headers, by which a
   consumer can drop a repeat. While the broker lives and owes a receipt, it gets no copies. ``trouble`` says so.
5. When the broker ends a connection while parts are under way, one event may be at fault. ``suspicion`` finds out
   which. That event is answered as REFUSED, with the broker's words, and the others are sent.
6. ``stopService`` sends DISCONNECT, takes the receipts that still come, and closes within ``STOP_TIMEOUT``. Events
   without a receipt get no answer.

``connection`` is one STOMP session. This module has the queue, and decides when and where to connect. The caller bounds
memory by the events that it has given to the producer. The producer adds at most ``window`` octets.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from random import Random
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from smsconnector.masking import without_numbers
from smsconnector.messages import Event
from smsconnector.net.endpoints import client_endpoint
from smsconnector.net.tls import TLS
from smsconnector.sinks import EventOutcome, EventVerdict, TellOutcome, Trouble
from smsconnector.sinks.stomp.connection import SessionSettings, StompConnection, shown
from smsconnector.sinks.stomp.failover import Broker, FailoverURI, ReconnectSchedule
from smsconnector.sinks.stomp.frames import BatchPart
from smsconnector.sinks.stomp.suspicion import Suspicion

STOP_TIMEOUT = 2.0  # seconds

EndpointFactory = Callable[[Any, Broker, TLS], Any]  # an IStreamClientEndpoint


def broker_endpoint(reactor: Any, broker: Broker, tls: TLS) -> Any:
    """TCP, or TLS on TCP with the broker's name verified."""
    return client_endpoint(reactor, broker.host, broker.port, tls if broker.tls else None)


class Producer(Service):
    """Publishes events to ``destination``, as ``destination_of`` gives it. ``headers`` are added to each. The module's
    docstring describes how."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        destination: str,
        uri: FailoverURI,
        settings: SessionSettings,
        headers: Mapping[str, str],
        random: Random,
        endpoint: EndpointFactory = broker_endpoint,
    ) -> None:
        self.reactor, self.destination, self.settings, self.headers = reactor, destination, settings, headers
        self._endpoint = endpoint
        self._schedule = ReconnectSchedule(uri, random)
        self._waiting: deque[BatchPart] = deque()
        self._suspicion = Suspicion()
        self._number = 0  # of the last receipt and transaction
        self._connection: StompConnection | None = None
        self._attempt: Deferred[Any] | None = None
        self._timer: Any = None  # the next connection attempt; while stopping, the end of STOP_TIMEOUT
        self._stopped = False
        self._on_stopped: Deferred[None] | None = None
        self._down: tuple[str, float] | None = None  # why there is no session, and since when

    @property
    def broker(self) -> Broker | None:
        """The broker that events go to now, None while there is none."""
        connection = self._connection
        return connection.broker if connection is not None and connection.ready else None

    @property
    def connected(self) -> bool:
        return self.broker is not None

    @property
    def trouble(self) -> Trouble | None:
        """Why no event goes out now, None if they do."""
        connection = self._connection
        if connection is None or not connection.ready:
            why, since = self._down or ("not connected yet", self.reactor.seconds())
            return Trouble("down", why, since)
        since = connection.owes_since
        if since is not None:
            count = connection.events_in_flight
            owed = f"{connection.broker} owes the receipts of {count} events for {self.destination}"
            return Trouble("holds back", owed, since)
        reason = self._suspicion.closed(self.reactor.seconds())
        if reason:
            return Trouble(
                "refuses", f"{connection.broker}, {self.destination}: {reason}", self._suspicion.closed_since
            )
        return None

    # -- the contract

    def startService(self) -> None:
        super().startService()
        if self._on_stopped is not None:  # started again while still stopping
            self._finish_stop()
        self._stopped = False
        self._down = "not connected yet", self.reactor.seconds()
        self._connect_next()

    def stopService(self) -> "Deferred[None]":
        """Fires with None, within ``STOP_TIMEOUT`` seconds, when the connection is closed."""
        super().stopService()
        self._stopped = True
        self._cancel_timer()
        if self._attempt is not None:
            self._attempt.cancel()
        if self._on_stopped is None:
            self._on_stopped = Deferred()
        stopped = self._on_stopped
        if self._connection is None:
            self._finish_stop()
        else:
            self._timer = self.reactor.callLater(STOP_TIMEOUT, self._finish_stop)
            self._connection.stop()
        return stopped

    def publish(self, events: Sequence[Event], settle: TellOutcome) -> None:
        """See ``IEventSink``. Before the start, events wait; after the stop, they are dropped. An event that was parked
        is sent even if the destination refuses all that comes: whoever parked it takes care that these are few."""
        if not self._stopped:
            self._take_in(BatchPart(events, settle), and_retry=True)
            self._pump()

    # -- parts out, receipts in

    def _pump(self) -> None:
        """Send as many parts as the connection has room for."""
        connection, waiting, suspicion = self._connection, self._waiting, self._suspicion
        while connection is not None and waiting and connection.room > 0:
            most = suspicion.longest if connection.uses_transactions else 1
            part, rest = waiting[0].cut(most, self.settings.window)
            if connection.in_flight:
                is_much = connection.events_in_flight + len(part.events) > suspicion.longest
                if (suspicion.is_careful and is_much) or part.octets > connection.room:
                    return
            waiting.popleft()
            if rest is not None:
                waiting.appendleft(rest)
            self._number += 1
            try:
                connection.send(part, self._number)
            except Exception as error:  # noqa: BLE001 — whatever it is, these events must not hold up the others
                self._not_rendered(part, error)

    def _not_rendered(self, part: BatchPart, error: Exception) -> None:
        """Some event of the part can't be made into a frame. Each of the others goes alone."""
        if len(part.events) > 1:
            self._waiting.extendleft(BatchPart([event], part.settle) for event in reversed(part.events))
        else:
            part.settle(EventOutcome(part.events, EventVerdict.REFUSED, f"STOMP can't carry it: {error}"))

    def confirmed(self, connection: StompConnection, parts: Sequence[BatchPart]) -> None:
        """The receipts of these have come."""
        self.proved(connection)
        self._suspicion.confirmed(sum(len(part.events) for part in parts), self.reactor.seconds())
        for part in _joined(parts):
            part.settle(EventOutcome(part.events, EventVerdict.CONFIRMED))
        self._pump()

    def _find_fault(self, connection: StompConnection) -> None:
        """A connection has ended while parts were under way. They are to be sent again, but for an event that is found
        to be refused. If it is the destination that refuses everything, so is all that waits."""
        parts = list(connection.in_flight.values())
        finding = self._suspicion.ended(connection, parts, self.reactor.seconds())
        if finding.is_about_events and connection.said:
            self._schedule.again()
        elif finding.is_about_events:
            self._schedule.succeeded()
        self._waiting.extendleft(part for part in reversed(parts) if part is not finding.refused)
        reason = f"{self.destination}: {finding.reason}"
        if finding.refused is not None:
            finding.refused.settle(EventOutcome(finding.refused.events, EventVerdict.REFUSED, reason))
        if finding.is_closed:
            waiting, self._waiting = self._waiting, deque()
            for part in waiting:
                self._take_in(part)

    def _take_in(self, part: BatchPart, and_retry: bool = False) -> None:
        """Into the queue. While the destination refuses all, the events are told so at once. With ``and_retry`` those
        that were parked are tried all the same."""
        reason = self._suspicion.closed(self.reactor.seconds())
        if reason:
            refused = [event for event in part.events if not (and_retry and event.attempts)]
            taken = [event for event in part.events if and_retry and event.attempts]
            if refused:
                part.settle(EventOutcome(refused, EventVerdict.REFUSED, f"{self.destination}: {reason}"))
            part = BatchPart(taken, part.settle)
        if part.events:
            self._waiting.append(part)

    # -- connections come and go

    def _connect_next(self, why: str = "", broker: Broker | None = None, refused: bool = False) -> None:
        """Plan the next connection attempt. ``why`` tells the failure that led to it, for the log; "" if there was
        none."""
        candidate, delay = self._schedule.next()
        if why:
            since = self._down[1] if self._down is not None else self.reactor.seconds()
            self._down = f"{broker}: {why}", since
            when = f"in {delay:.1f} s" if delay >= 0.05 else "at once"
            again = "again " if candidate == broker else ""
            self.log.emit(
                LogLevel.error if refused else LogLevel.warn,
                "No events for {destination} to {broker}: {why}. {candidate} will be tried {again}{when}.",
                **{"destination": self.destination, "broker": broker, "why": without_numbers(why)},
                **{"candidate": candidate, "again": again, "when": when},
            )
        self._timer = self.reactor.callLater(delay, self._connect, candidate)

    def _connect(self, broker: Broker) -> None:
        self._timer = None
        factory = Factory()
        factory.noisy = False
        factory.protocol = partial(StompConnection, self, broker)
        try:
            endpoint = self._endpoint(self.reactor, broker, self.settings.tls)
            attempt = endpoint.connect(factory)
        except Exception as error:  # noqa: BLE001 — a PEM file that is half written, a host that is no name, ...
            self._connect_next(shown(Failure(error)), broker)
            return
        if self._connection is None:
            self._attempt = attempt
        attempt.addErrback(self._not_reached, broker)

    def opened(self, connection: StompConnection) -> bool:
        """The transport is connected. Whether the handshake may begin: not if the sink was stopped meanwhile."""
        self._attempt = None
        if not self._stopped:
            self._connection = connection
        return not self._stopped

    def _not_reached(self, reason: Failure, broker: Broker) -> None:
        self._attempt = None
        if not self._stopped:
            self._connect_next(shown(reason), broker)

    def agreed(self, connection: StompConnection, what: str) -> None:
        """CONNECTED has come: events may be sent. ``what`` has the version and the server, for the log."""
        words = {"destination": self.destination, "broker": connection.broker, "what": what}
        self.log.info("Events for {destination} go to {broker} ({what}).", **words)
        self._pump()

    def held_back(self, connection: StompConnection) -> None:
        """The broker lives, and owes a receipt for some time."""
        self.log.warn(
            "{broker} holds back the receipts of {count} events for {destination}. They are waited for: the queue may"
            " be full, or its consumer slow.",
            broker=connection.broker,
            count=connection.events_in_flight,
            destination=self.destination,
        )

    def proved(self, connection: StompConnection) -> None:
        """The session has brought a receipt, or has lasted and owes nothing: reset the back-off. CONNECTED alone does
        not reset it, because an event that makes the broker close the connection would be sent again without a
        pause."""
        if connection is self._connection:
            self._down = None
            self._schedule.succeeded()

    def lost(self, connection: StompConnection) -> None:
        """The connection has ended: put its unconfirmed parts back at the head of the queue, and try the next
        broker."""
        if connection is not self._connection:
            return
        self._connection = None
        if self._stopped:
            self._finish_stop()
            return
        self._find_fault(connection)
        if connection.refused:
            self._schedule.refused()
        self._connect_next(connection.why or "lost", connection.broker, connection.refused)

    def _finish_stop(self) -> None:
        """End the stop: close the connection if it is still open, and drop the queue."""
        self._cancel_timer()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop("stopped")
        self._waiting.clear()
        stopped, self._on_stopped = self._on_stopped, None
        if stopped is not None:
            stopped.callback(None)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


def _joined(parts: Sequence[BatchPart]) -> Iterator[BatchPart]:
    """The same events; parts of one batch that follow each other are one."""
    for settle, group in groupby(parts, attrgetter("settle")):
        yield BatchPart([event for part in group for event in part.events], settle)

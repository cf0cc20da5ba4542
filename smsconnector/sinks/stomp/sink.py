"""Send events to ActiveMQ, or any broker that speaks STOMP 1.0, 1.1 or 1.2. The broker's RECEIPT confirms them.

1. ``StompSink.publish`` queues a batch. The events are still in the outbox.
2. While a broker is connected, ``_pump`` cuts *parts* off the batches and hands them to the connection. A part has at
   most ``Suspicion.longest`` events and ``window`` octets, but one event at least. Nearly always it is a whole batch.
3. The RECEIPT confirms all events of the part. They must not be dropped from the outbox before that.
4. If a connection is lost, falls silent, or gets no receipt for too long, its unconfirmed parts go back to the head of
   the queue, in order. The next broker of the failover list gets them again, with new transaction ids and the *same*
   ``event-id`` headers, by which a consumer can drop a repeat.
5. When the broker ends a connection while parts are under way, one event may be at fault. ``suspicion`` finds out
   which: parts become smaller until it is known. That event is answered as REFUSED, with the broker's words, and the
   others are sent.
6. ``stopService`` sends DISCONNECT, takes the receipts that still come, and closes within ``STOP_TIMEOUT``. Events
   without a receipt get no answer.

``connection`` is one STOMP session. This module has the queue, and decides when and where to connect. The caller bounds
memory by the number of events that it has given to the sink. The sink adds at most ``window`` octets.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from smsconnector.messages import Event
from smsconnector.net.endpoints import client_endpoint
from smsconnector.net.tls import TLS
from smsconnector.sinks import EventOutcome, EventVerdict, IEventSink, TellOutcome
from smsconnector.sinks.stomp.connection import StompConnection, shown
from smsconnector.sinks.stomp.destinations import destination_of
from smsconnector.sinks.stomp.failover import Broker, FailoverURI, ReconnectSchedule
from smsconnector.sinks.stomp.frames import BatchPart
from smsconnector.sinks.stomp.suspicion import Suspicion

STOP_TIMEOUT = 2.0  # seconds
WINDOW = 1 << 20  # octets sent and not yet confirmed

EndpointFactory = Callable[[Any, Broker, TLS], Any]  # an IStreamClientEndpoint


def broker_endpoint(reactor: Any, broker: Broker, tls: TLS) -> Any:
    """TCP, or TLS on TCP with the broker's name verified."""
    return client_endpoint(reactor, broker.host, broker.port, tls if broker.tls else None)


@implementer(IEventSink)
class StompSink(Service):
    """Publishes events to a STOMP broker. The module's docstring describes how.

    :param uri: ActiveMQ's failover syntax, or one address (``ValueError`` if it can't be understood).
    :param destinations: for each kind of event the queue, as ``destination_of`` understands it.
    :param vhost: the ``host`` header of CONNECT; None: the broker's address.
    :param heartbeat: milliseconds (what we can send, what we wish to get); 0 is none.
    :param tls: how brokers at ``ssl:`` addresses are verified; the default is what the machine trusts.
    :param window: octets that may be on the wire unconfirmed. (The test broker coilmq loses its place in a frame
        that is cut by its reads of 4,096 octets, and at a client's heart-beat; it works with ``window=4000``,
        ``heartbeat=(0, 0)`` and ``vhost=socket.getfqdn()``.)
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        uri: str,
        login: str | None,
        passcode: str | None,
        destinations: Mapping[str, str],
        *,
        vhost: str | None = None,
        heartbeat: tuple[int, int] = (10_000, 10_000),
        tls: TLS = TLS(),  # noqa: B008 — frozen
        random: Random | None = None,
        window: int = WINDOW,
        endpoint: EndpointFactory = broker_endpoint,
    ) -> None:
        self.reactor = reactor
        self.uri = FailoverURI.parse(uri)
        for header, value in (("login", login), ("passcode", passcode), ("vhost", vhost)):
            if value is not None and re.search(r"[\x00\r\n]", value):
                raise ValueError(f"The STOMP {header} holds a line break or NUL, which CONNECT can't express.")
        self.login, self.passcode, self.vhost = login, passcode, vhost
        self.heartbeat, self.window = heartbeat, window
        self.destinations = {kind: destination_of(name) for kind, name in destinations.items()}
        self._tls, self._endpoint = tls, endpoint
        self._schedule = ReconnectSchedule(self.uri, random or Random())
        self._waiting: deque[BatchPart] = deque()
        self._suspicion = Suspicion()
        self._number = 0  # of the last receipt and transaction
        self._connection: StompConnection | None = None
        self._attempt: Deferred[Any] | None = None
        self._timer: Any = None  # the next connection attempt; while stopping, the end of STOP_TIMEOUT
        self._stopped = False
        self._on_stopped: Deferred[None] | None = None

    @property
    def broker(self) -> Broker | None:
        """The broker that events go to now, None while there is none."""
        connection = self._connection
        return connection.broker if connection is not None and connection.ready else None

    @property
    def connected(self) -> bool:
        return self.broker is not None

    # -- the contract

    def startService(self) -> None:
        super().startService()
        if self._on_stopped is not None:  # started again while still stopping
            self._finish_stop()
        self._stopped = False
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
        """See ``IEventSink``. Events that STOMP can't carry are answered as REFUSED at once. Before the start, events
        wait; after the stop, they are dropped. An event that was parked is sent even if its destination refuses all
        that comes: whoever parked it takes care that these are few."""
        good = [event for event in events if self._can_carry(event)]
        if len(good) < len(events):
            bad = [event for event in events if not self._can_carry(event)]
            settle(EventOutcome(bad, EventVerdict.REFUSED, "STOMP can't carry it: its body is not JSON in ASCII"))
        if good and not self._stopped:
            self._take_in(BatchPart(good, settle), and_retry=True)
            self._pump()

    def _can_carry(self, event: Event) -> bool:
        return event.body.isascii() and "\0" not in event.body and event.kind in self.destinations

    # -- parts out, receipts in

    def _pump(self) -> None:
        """Send as many parts as the connection has room for."""
        connection, waiting = self._connection, self._waiting
        while connection is not None and waiting and connection.room > 0:
            if self._suspicion.one_at_a_time and connection.in_flight:
                return
            part, rest = waiting[0].cut(self._suspicion.longest, self.window)
            if connection.in_flight and part.octets > connection.room:
                return
            waiting.popleft()
            if rest is not None:
                waiting.appendleft(rest)
            self._number += 1
            connection.send(part, self._number)

    def confirmed(self, connection: StompConnection, part: BatchPart) -> None:
        """The receipt of a part has come."""
        self.proved(connection)
        self._suspicion.confirmed(part)
        part.settle(EventOutcome(part.events, EventVerdict.CONFIRMED))
        self._pump()

    def _find_fault(self, connection: StompConnection) -> None:
        """A connection has ended while parts were under way. They are to be sent again, but for an event that is found
        to be refused. If it is its destination that refuses everything, so is all that waits for it."""
        parts = list(connection.in_flight.values())
        verdict = self._suspicion.ended(connection, parts, self.reactor.seconds())
        if verdict.is_about_events:
            self._schedule.succeeded()
        self._waiting.extendleft(part for part in reversed(parts) if part is not verdict.refused)
        if verdict.refused is not None:
            verdict.refused.settle(EventOutcome(verdict.refused.events, EventVerdict.REFUSED, verdict.reason))
        if verdict.closed_kind is not None:
            waiting, self._waiting = self._waiting, deque()
            for part in waiting:
                self._take_in(part)

    def _take_in(self, part: BatchPart, and_retry: bool = False) -> None:
        """Into the queue, but for events of a kind that is refused for now: these are told so at once. With
        ``and_retry`` those that were parked are tried all the same."""
        for kind, reason in self._suspicion.closed(self.reactor.seconds()).items():
            taken: list[Event] = []
            refused: list[Event] = []
            for event in part.events:
                (taken if event.kind != kind or (and_retry and event.attempts) else refused).append(event)
            if refused:
                part.settle(EventOutcome(refused, EventVerdict.REFUSED, reason))
                part = BatchPart(taken, part.settle)
        if part.events:
            self._waiting.append(part)

    # -- connections come and go

    def _connect_next(self, why: str = "", broker: Broker | None = None, refused: bool = False) -> None:
        """Plan the next connection attempt. ``why`` tells the failure that led to it, for the log; "" if there was
        none."""
        candidate, delay = self._schedule.next()
        if why:
            when = f"in {delay:.1f} s" if delay >= 0.05 else "at once"
            again = "again " if candidate == broker else ""
            self.log.emit(
                LogLevel.error if refused else LogLevel.warn,
                "No events to {broker}: {why}. {candidate} will be tried {again}{when}.",
                **{"broker": broker, "why": why, "candidate": candidate, "again": again, "when": when},
            )
        self._timer = self.reactor.callLater(delay, self._connect, candidate)

    def _connect(self, broker: Broker) -> None:
        self._timer = None
        factory = Factory()
        factory.noisy = False
        factory.protocol = partial(StompConnection, self, broker)
        try:
            endpoint = self._endpoint(self.reactor, broker, self._tls)
            attempt = endpoint.connect(factory)
        except (ImportError, ValueError, OSError) as error:  # no pyOpenSSL, a host that is no name
            self._connect_next(str(error), broker)
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
        self.log.info("Events go to {broker} ({what}).", broker=connection.broker, what=what)
        self._pump()

    def proved(self, connection: StompConnection) -> None:
        """The session has brought a receipt, or has lasted: reset the back-off. CONNECTED alone does not reset it,
        because an event that makes the broker close the connection would be sent again without a pause."""
        if connection is self._connection:
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

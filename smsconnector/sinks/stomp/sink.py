"""Events to ActiveMQ (or any broker that speaks STOMP 1.0, 1.1 or 1.2), confirmed by the broker's RECEIPT.

1. ``StompSink.publish`` cuts a batch into *parts* of at most ``window`` octets (nearly always: one part) and
   queues them. The caller still owns the events: they are in the outbox.
2. While a broker is connected, ``_pump`` hands parts to the connection: BEGIN, one SEND per event, COMMIT with
   a receipt, written in one go; a part of a single event is a plain SEND with a receipt. At most ``window``
   octets are on the wire unconfirmed, so a broker that reads slowly never makes the send buffer grow.
3. The RECEIPT confirms the part. When all parts of a batch are confirmed, its Deferred fires, and only now may
   the outbox forget the events (law 1).
4. A connection that is lost, reports an ERROR, falls silent or owes a receipt for too long gives its
   unconfirmed parts back, in order; the next broker of the failover list gets them again, with new transaction
   ids and the *same* ``event-id`` headers, by which a consumer drops a repeat.
5. ``stopService`` says DISCONNECT, takes the receipts that still come, closes within 2 s, and cancels what is
   left.

Two classes: ``_Connection`` is one STOMP session on one TCP or TLS connection; ``StompSink`` owns the queue,
and decides when and where to connect. stompest does the protocol (frames, parser, session, negotiation).

Why the frames look as they do: without ``content-length`` ActiveMQ makes a TextMessage of a SEND (with it, a
BytesMessage); ``type`` becomes JMSType; ``persistent:true`` makes it outlive the broker; other headers become
JMS string properties under their own names.

A caller bounds memory by the number of batches it has outstanding; the sink adds at most ``window`` octets.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from stompest.error import StompError
from stompest.protocol import StompFrame, StompParser, StompSession, StompSpec
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from smsconnector.messages import Event
from smsconnector.net.endpoints import client_endpoint
from smsconnector.net.tls import TLS, explain_failure
from smsconnector.sinks import IEventSink
from smsconnector.sinks.stomp.failover import Broker, FailoverURI, ReconnectSchedule

# All in seconds.
HANDSHAKE_TIMEOUT = 10.0  # from TCP connect to CONNECTED
RECEIPT_TIMEOUT = 30.0  # with parts outstanding and not one of them confirmed
STOP_TIMEOUT = 2.0
PROVED_AFTER = 10.0  # a session that lasts so long is a good one, even if nothing was published on it
LOOK_INTERVAL = 1.0

GRACE = 2  # a broker's beat may come nearly twice as late as agreed
MAX_FRAME = 1 << 20  # octets that a broker may send without completing a frame
WINDOW = 1 << 20  # octets sent and not yet confirmed
FRAME_OVERHEAD = 256  # octets of a SEND frame beside event id and body, roughly

# Header texts that need no escaping in any STOMP version.
_PLAIN = re.compile(r"[A-Za-z0-9 ._/|@=+,;*()#~-]*").fullmatch
# What a version can't express in a header: 1.0 has no escapes at all, 1.1 none for the carriage return.
_INEXPRESSIBLE = {
    StompSpec.VERSION_1_0: re.compile(r"[\x00\r\n]|[^\x00-\x7f]"),
    StompSpec.VERSION_1_1: re.compile(r"[\x00\r\ud800-\udfff]"),
    StompSpec.VERSION_1_2: re.compile(r"[\x00\ud800-\udfff]"),
}

EndpointFactory = Callable[[Any, Broker, TLS], Any]  # an IStreamClientEndpoint


def broker_endpoint(reactor: Any, broker: Broker, tls: TLS) -> Any:
    """TCP, or TLS on TCP with the broker's name verified."""
    return client_endpoint(reactor, broker.host, broker.port, tls if broker.tls else None)


class _Batch:
    """What ``publish`` was called with: fires when none of its parts is open."""

    __slots__ = ("cancelled", "done", "open_parts")

    def __init__(self) -> None:
        self.cancelled = False
        self.open_parts = 0
        self.done: Deferred[None] = Deferred(self._cancel)

    def _cancel(self, _: "Deferred[None]") -> None:
        self.cancelled = True

    def cancel(self) -> None:
        if not self.cancelled:  # once: a second cancel would reach into whatever the caller chained to it
            self.done.cancel()

    def confirm_part(self) -> None:
        self.open_parts -= 1
        if not self.open_parts and not self.cancelled:
            self.done.callback(None)


class _Part:
    """Some consecutive events of a batch: what one receipt confirms."""

    __slots__ = ("batch", "events", "octets")

    def __init__(self, batch: _Batch, events: Sequence[Event], octets: int) -> None:
        self.batch, self.events, self.octets = batch, events, octets
        batch.open_parts += 1


def _parts(events: Sequence[Event], batch: _Batch, window: int) -> Iterator[_Part]:
    """Cut a batch so that a part fits into the window; a single event larger than that is a part of its own."""
    begin = octets = 0
    for index, event in enumerate(events):
        size = len(event.body) + len(event.event_id) + FRAME_OVERHEAD
        if octets and octets + size > window:
            yield _Part(batch, events[begin:index], octets)
            begin, octets = index, 0
        octets += size
    yield _Part(batch, events[begin:], octets)


class _Renderer:
    """Events as SEND frames of one STOMP version. Header blocks are rendered once per (kind, JMS type)."""

    def __init__(self, destinations: Mapping[str, str], version: str) -> None:
        self._destinations, self._version = destinations, version
        self._heads: dict[tuple[str, str], str] = {}

    def frame(self, command: str, *headers: tuple[str, str]) -> str:
        """A frame without a body."""
        inexpressible = _INEXPRESSIBLE[self._version]
        raw = [(name, inexpressible.sub("?", value)) for name, value in headers]
        return bytes(StompFrame(command, rawHeaders=raw, version=self._version)).decode()

    def part(self, events: Sequence[Event], number: int) -> bytes:
        """All events of a part; its receipt, and its transaction if it has one, is called by ``number``."""
        if len(events) == 1:
            return self._send(events[0], f"receipt:{number}\n").encode()
        transaction = ("transaction", str(number))
        inside = f"transaction:{number}\n"
        frames = [self.frame(StompSpec.BEGIN, transaction)]
        frames += [self._send(event, inside) for event in events]
        frames.append(self.frame(StompSpec.COMMIT, transaction, ("receipt", str(number))))
        return "".join(frames).encode()

    def _send(self, event: Event, extra: str) -> str:
        key = (event.kind, event.jms_type)
        head = self._heads.get(key) or self._heads.setdefault(key, self._head(*key))
        event_id = event.event_id
        if not _PLAIN(event_id):
            event_id = self.frame(StompSpec.SEND, ("event-id", event_id))[len("SEND\nevent-id:") : -len("\n\n\0")]
        return f"{head}event-id:{event_id}\n{extra}\n{event.body}\0"

    def _head(self, kind: str, jms_type: str) -> str:
        """The constant headers, up to and without the empty line."""
        headers = (("destination", self._destinations[kind]), ("type", jms_type), ("persistent", "true"))
        return self.frame(StompSpec.SEND, *headers)[: -len("\n\0")]


class _Connection(Protocol):
    """One STOMP session: handshake, receipts, heart-beats, time-outs. One timer, ``_tick``, looks after all."""

    transport: Any

    def __init__(self, sink: "StompSink", broker: Broker) -> None:
        self.sink, self.broker = sink, broker
        self.reactor = sink.reactor
        self.session = StompSession(StompSpec.VERSION_1_2)
        self.parser = StompParser(StompSpec.VERSION_1_0)  # no unescaping before the version is agreed
        self.in_flight: dict[str, _Part] = {}  # by receipt id, in the order sent
        self.octets_in_flight = 0
        self.ready = False  # CONNECTED, and neither dropped nor stopping
        self.stopping = False
        self.refused = False
        self.why: str | None = None  # set when it is dropped, by us or by an ERROR frame
        self._renderer: _Renderer | None = None
        self._unparsed = 0  # octets fed since the last frame
        self._sends_every = self._beats_every = 0.0  # s; 0: no heart-beats in that direction
        self._timer: Any = None  # the next tick

    # -- the transport calls these

    def connectionMade(self) -> None:
        self._opened = self._last_received = self._last_sent = self._last_progress = self.reactor.seconds()
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        sink = self.sink
        if not sink._opened(self):
            self.drop("stopped")
            return
        connect = self.session.connect(
            login=sink.login,
            passcode=sink.passcode,
            versions=StompSpec.VERSIONS,
            host=self.broker.host if sink.vhost is None else sink.vhost,
            heartBeats=sink.heartbeat,
        )
        connect.version = StompSpec.VERSION_1_2  # UTF-8; the headers of CONNECT are never escaped
        self._write(bytes(connect))
        self._tick()

    def dataReceived(self, data: bytes) -> None:
        if self.why is not None:
            return
        self._last_received = self.reactor.seconds()  # any octet counts as a beat
        self._unparsed += len(data)
        if self._unparsed > MAX_FRAME:
            self.drop(f"the broker sent over {MAX_FRAME} octets without completing a frame")
            return
        try:
            self.parser.add(data)
            while self.parser.canRead() and self.why is None:
                self._unparsed = 0
                self._frame(self.parser.get())
        except (StompError, ValueError, OverflowError) as error:  # a header that is no UTF-8, or no number
            self.drop(f"the broker does not speak STOMP ({_shortened(str(error))})")

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 — Twisted's signature
        self._cancel_tick()
        self.ready = False
        if self.why is None:
            ended = "the broker closed the connection" if reason.check(ConnectionDone) else _shown(reason)
            self.why = ended if self._renderer else f"{ended} before it answered CONNECT"
        self.sink._lost(self)

    # -- the sink calls these

    def room(self, octets: int) -> bool:
        """Whether a part of this size may be sent now."""
        return self.ready and (not self.in_flight or self.octets_in_flight + octets <= self.sink.window)

    def send(self, part: _Part, number: int) -> None:
        """Write a part in one go; ``number`` was never used before."""
        assert self._renderer is not None
        if not self.in_flight:
            self._last_progress = self.reactor.seconds()
        self.in_flight[str(number)] = part
        self.octets_in_flight += part.octets
        self._write(self._renderer.part(part.events, number))

    def drop(self, why: str) -> None:
        """Give the connection up at once, whatever is still in its buffers."""
        self.why, self.ready = self.why or why, False
        self.transport.abortConnection()

    def stop(self) -> None:
        """Say DISCONNECT and close on its receipt; a session that was not agreed yet is closed at once."""
        if not self.ready:
            self.drop("stopped")
            return
        self.ready, self.stopping = False, True
        self._write(bytes(self.session.disconnect(receipt="disconnect")))

    # -- frames

    def _frame(self, frame: Any) -> None:
        if not frame:
            return  # a heart-beat; that something came is noted already
        if frame.command == StompSpec.RECEIPT:
            self._receipt(frame.headers.get(StompSpec.RECEIPT_ID_HEADER))
        elif frame.command == StompSpec.ERROR:
            self._error(frame)
        elif frame.command == StompSpec.CONNECTED and self._renderer is None:
            self._connected(frame)
        else:
            self.drop(f"the broker sent a {frame.command} frame, which has no place here")

    def _connected(self, frame: Any) -> None:
        self.session.connected(frame)
        version = self.session.version
        self.parser.version = version
        self._renderer = _Renderer(self.sink.destinations, version)
        self._sends_every = self.session.clientHeartBeat / 1000
        self._beats_every = self.session.serverHeartBeat / 1000
        self.ready = True
        self._cancel_tick()
        self._tick()  # the agreed beats may be faster than the tick so far
        self.sink._connected(self, f"STOMP {version}, {self.session.server or 'unnamed server'}")

    def _receipt(self, receipt_id: str | None) -> None:
        if self.stopping and receipt_id == "disconnect":
            self.why = "stopped"
            self.transport.loseConnection()
            return
        part = self.in_flight.pop(receipt_id, None) if receipt_id else None
        if part is not None:
            self.octets_in_flight -= part.octets
            self._last_progress = self.reactor.seconds()
            self.sink._confirmed(self, part)

    def _error(self, frame: Any) -> None:
        """Every ERROR ends the session. ActiveMQ would go on after one, and even COMMIT the transaction that
        lost a SEND: its receipt must not count, so nothing that comes after is read."""
        said = frame.headers.get("message") or frame.body.decode("utf-8", "replace").partition("\n")[0]
        self.refused = self._renderer is None
        if self.sink.passcode:
            said = said.replace(self.sink.passcode, "***")
        self.drop(f"the broker {'refused CONNECT' if self.refused else 'reported an error'}: {_shortened(said)}")

    # -- time

    def _tick(self) -> None:
        """What is due: give up on a silent broker, or tell a patient one that we are alive."""
        if self.why is not None:
            return
        now = self.reactor.seconds()
        beats = self._beats_every
        if self._renderer is None and now - self._opened >= HANDSHAKE_TIMEOUT:
            self.drop(f"no answer to CONNECT within {HANDSHAKE_TIMEOUT:.0f} s")
        elif beats and now - self._last_received > GRACE * beats:
            self.drop(f"nothing heard for {now - self._last_received:.1f} s, agreed was a beat every {beats:.1f} s")
        elif self.in_flight and now - self._last_progress >= RECEIPT_TIMEOUT:
            self.drop(f"{len(self.in_flight)} receipts are owed, and none came within {RECEIPT_TIMEOUT:.0f} s")
        else:
            if self._sends_every and now - self._last_sent >= self._sends_every / 2:
                self._write(b"\n")
            if self.ready and now - self._opened >= PROVED_AFTER:
                self.sink._proved(self)
            agreed = [every / 4 for every in (self._sends_every, beats) if every]
            self._timer = self.reactor.callLater(min([LOOK_INTERVAL, *agreed]), self._tick)

    def _cancel_tick(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _write(self, data: bytes) -> None:
        self._last_sent = self.reactor.seconds()
        self.transport.write(data)


@implementer(IEventSink)
class StompSink(Service):
    """Publishes events on a STOMP broker; see the module for the walk.

    :param uri: ActiveMQ's failover syntax, or one address (``ValueError`` if it can't be understood).
    :param destinations: for each kind of event the queue: a bare name, ``/queue/name`` or ``/topic/name``.
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
        self.destinations = {
            kind: name if name.startswith(("/queue/", "/topic/")) else f"/queue/{name}"
            for kind, name in destinations.items()
        }
        self._tls, self._endpoint = tls, endpoint
        self._schedule = ReconnectSchedule(self.uri, random or Random())
        self._waiting: deque[_Part] = deque()
        self._number = 0  # of the last receipt and transaction
        self._connection: _Connection | None = None
        self._attempt: Deferred[Any] | None = None
        self._timer: Any = None  # the next attempt, or while stopping the end of patience
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
        """Fires within ``STOP_TIMEOUT`` seconds, when nothing is open any more and every batch has ended."""
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

    def publish(self, events: Sequence[Event]) -> "Deferred[None]":
        """Send all, in order; fire when all are confirmed. Before the start they wait; after a stop the Deferred
        is cancelled. ``ValueError`` for events that STOMP can't carry: the caller made them wrong."""
        for event in events:
            if event.kind not in self.destinations:
                return fail(ValueError(f"No destination is set for events of kind {event.kind!r}."))
            if not event.body.isascii() or "\0" in event.body:
                return fail(ValueError(f"The body of event {event.event_id} is not JSON in ASCII."))
        if self._stopped:
            return fail(CancelledError())
        if not events:
            return succeed(None)
        batch = _Batch()
        self._waiting.extend(_parts(events, batch, self.window))
        self._pump()
        return batch.done

    # -- parts out, receipts in

    def _pump(self) -> None:
        """Send whatever there is room for."""
        connection, waiting = self._connection, self._waiting
        while connection is not None and waiting and connection.room(waiting[0].octets):
            part = waiting.popleft()
            if not part.batch.cancelled:
                self._number += 1
                connection.send(part, self._number)

    def _confirmed(self, connection: _Connection, part: _Part) -> None:
        self._proved(connection)
        part.batch.confirm_part()
        self._pump()

    # -- connections come and go

    def _connect_next(self, why: str = "", broker: Broker | None = None, refused: bool = False) -> None:
        """Try the broker whose turn it is, when it is its turn; say so if it is because of a failure."""
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
        factory.protocol = partial(_Connection, self, broker)
        try:
            endpoint = self._endpoint(self.reactor, broker, self._tls)
            attempt = endpoint.connect(factory)
        except (ImportError, ValueError, OSError) as error:  # no pyOpenSSL, a host that is no name
            self._connect_next(str(error), broker)
            return
        if self._connection is None:
            self._attempt = attempt
        attempt.addErrback(self._not_reached, broker)

    def _opened(self, connection: _Connection) -> bool:
        """The connection is there, the handshake may begin; False if it came after the stop."""
        self._attempt = None
        if not self._stopped:
            self._connection = connection
        return not self._stopped

    def _not_reached(self, reason: Failure, broker: Broker) -> None:
        self._attempt = None
        if not self._stopped:
            self._connect_next(_shown(reason), broker)

    def _connected(self, connection: _Connection, what: str) -> None:
        self.log.info("Events go to {broker} ({what}).", broker=connection.broker, what=what)
        self._pump()

    def _proved(self, connection: _Connection) -> None:
        """A receipt came, or the session lasts: only this resets the back-off. CONNECTED alone would not do: an
        event that makes the broker hang up would be tried again without a pause."""
        if connection is self._connection:
            self._schedule.succeeded()

    def _lost(self, connection: _Connection) -> None:
        """Take the unconfirmed parts back, before all others, and look for the next broker."""
        if connection is not self._connection:
            return
        self._connection = None
        self._waiting.extendleft(reversed(connection.in_flight.values()))
        if self._stopped:
            self._finish_stop()
            return
        if connection.refused:
            self._schedule.refused()
        self._connect_next(connection.why or "lost", connection.broker, connection.refused)

    def _finish_stop(self) -> None:
        """The end: connection gone or given up, every unconfirmed batch cancelled."""
        self._cancel_timer()
        connection, self._connection = self._connection, None
        if connection is not None:
            self._waiting.extendleft(reversed(connection.in_flight.values()))
            connection.drop("stopped")
        waiting, self._waiting = self._waiting, deque()
        for part in waiting:
            part.batch.cancel()
        stopped, self._on_stopped = self._on_stopped, None
        if stopped is not None:
            stopped.callback(None)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


def _shown(reason: Failure) -> str:
    """A failure in words, for one line of the log."""
    return _shortened(explain_failure(reason))


def _shortened(text: str) -> str:
    """One printable line of at most 200 characters."""
    return "".join(character if character.isprintable() else " " for character in text)[:200].strip(" .")

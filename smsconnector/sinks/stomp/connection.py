"""One STOMP session on one TCP or TLS connection: handshake, receipts, heart-beats, time-outs.

1. CONNECT is sent at once. CONNECTED agrees on the version and on the heart-beats, and names the server. From then on
   parts may be sent.
2. A part of one event is a SEND with a receipt. A part of several events is BEGIN, the SENDs, and COMMIT with a
   receipt, written with one call. There are such parts only where a COMMIT is known to confirm them
   (``uses_transactions``). At most ``window`` octets are unconfirmed at a time (one part may be longer), so that the
   send buffer stays small.
3. ERROR ends the session. ``named`` is the part that its receipt-id names, if it has one.
4. A broker that is silent is given up. A broker that lives and owes a receipt is waited for: sending the event again
   would be one more copy for a broker that is full. But a transaction in which nothing moves is *stalled*, and the
   connection is closed, so that the broker drops it. One timer, ``_tick``, sees to all of this. Only the time counts in
   which the broker could be heard (``net.hearing``): not the time in which this process was frozen.

The library stompest has the frames, the parser, the session and the negotiation of STOMP 1.0 to 1.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from stompest.error import StompError
from stompest.protocol import StompParser, StompSession, StompSpec
from twisted.internet import protocol as net
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.python.failure import Failure

from smsconnector.net.hearing import Hearing
from smsconnector.net.tls import TLS, explain_failure
from smsconnector.net.writing import write_at_once
from smsconnector.sinks.stomp.failover import Broker
from smsconnector.sinks.stomp.frames import BatchPart, FrameRenderer, is_expressible
from smsconnector.sinks.stomp.peers import (
    broken_error,
    confirms_transactions,
    is_no_stomp,
    shortened,
    with_line_feeds,
    words_of_error,
)

# All in seconds.
HANDSHAKE_TIMEOUT = 10.0  # from TCP connect to CONNECTED
STALLED = 10.0  # from the last receipt to the next one, while a transaction of several events is under way
HELD_BACK = 10.0  # the same, for single events: after that it is said, and waited for
OWED = 60.0  # from the sending of the oldest part under way, while receipts of others come now and then: as HELD_BACK
PROVED_AFTER = 10.0  # a session that lasts so long and owes nothing resets the back-off
CONNECTION_TICK = 1.0  # between looks at the time, at most
ORDINARY_GAP = 1.5  # between two looks; a longer one means that the process was frozen

GRACE = 2  # times the agreed interval of heart-beats, after which a silent broker is given up
MAX_FRAME = 1 << 20  # octets that a broker may send without completing a frame
RECENT = 4096  # octets that are kept, to find the ERROR in what can't be read
WINDOW = 1 << 20  # octets sent and not yet confirmed

TRUSTED_HERE = TLS()  # by what the machine trusts


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What every session of a sink is made with. ``heartbeat``: ms that we can send, and wish to get; 0 is none.
    ``vhost``: the ``host`` header of CONNECT; None: the broker's address. ``transactions``: "auto" asks the broker's
    name whether the receipt of a COMMIT is a confirmation. ``window``: octets that may be unconfirmed."""

    login: str | None = None
    passcode: str | None = None
    vhost: str | None = None
    heartbeat: tuple[int, int] = (10_000, 10_000)
    window: int = WINDOW
    transactions: bool | Literal["auto"] = "auto"
    tls: TLS = TRUSTED_HERE


class SessionKeeper(Protocol):
    """What a connection needs of its producer, which decides when to connect and what to send."""

    reactor: Any
    settings: SessionSettings
    destination: str
    headers: Mapping[str, str]

    def opened(self, connection: "StompConnection") -> bool: ...
    def agreed(self, connection: "StompConnection", what: str) -> None: ...
    def confirmed(self, connection: "StompConnection", parts: Sequence[BatchPart]) -> None: ...
    def held_back(self, connection: "StompConnection") -> None: ...
    def proved(self, connection: "StompConnection") -> None: ...
    def lost(self, connection: "StompConnection") -> None: ...


class StompConnection(net.Protocol):
    """One session, from the transport's connection to its end. ``why`` says why it ended. ``refused``: the other side
    will have no session: an ERROR frame came instead of CONNECTED, or what came is no STOMP."""

    transport: Any

    def __init__(self, producer: SessionKeeper, broker: Broker) -> None:
        self.producer, self.broker = producer, broker
        self.settings, self.reactor = producer.settings, producer.reactor
        self.session = StompSession(StompSpec.VERSION_1_2)
        self.parser = StompParser(StompSpec.VERSION_1_2)  # the headers of CONNECTED are never escaped
        self.in_flight: dict[str, BatchPart] = {}  # by receipt id, in the order sent
        self.events_in_flight = self.octets_in_flight = 0
        self.ready = False  # CONNECTED, and neither dropped nor stopping
        self.uses_transactions = False
        self.stopping = self._may_close = False  # DISCONNECT was sent; and its receipt has come
        self.refused = False
        self.why: str | None = None  # set when it is dropped, by us or by an ERROR frame
        self.said = ""  # the words of the ERROR frame, if there was one
        self.hung_up = False  # by the broker, without a word, when the session stood
        self.named: BatchPart | None = None  # the part that the ERROR frame names
        self.stalled: BatchPart | None = None  # the transaction in which nothing moved
        self._sent: dict[str, tuple[float, float]] = {}  # by receipt id: when, in s heard and in s of the reactor
        self._said_held_back = False  # since nothing was under way
        self._confirmed: list[BatchPart] = []  # by the octets that are being read
        self._renderer: FrameRenderer | None = None
        self._first = b""  # what came before CONNECTED
        self._recent = b""  # the last octets that were fed to the parser
        self._unparsed = 0  # octets fed since the last frame
        self._sends_every = self._beats_every = 0.0  # s; 0: no heart-beats in that direction
        self._timer: Any = None  # the next tick

    # -- the transport calls these

    def connectionMade(self) -> None:
        self._last_sent = self.reactor.seconds()
        self._hearing = Hearing(self._last_sent, ORDINARY_GAP)
        self._opened = self._last_received = self._last_progress = self._now()  # s of what was heard
        settings = self.settings
        if not self.producer.opened(self):
            self.drop("stopped")
            return
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        connect = self.session.connect(
            login=settings.login,
            passcode=settings.passcode,
            versions=StompSpec.VERSIONS,
            host=self.broker.host if settings.vhost is None else settings.vhost,
            heartBeats=settings.heartbeat,
        )
        connect.version = StompSpec.VERSION_1_2  # UTF-8; the headers of CONNECT are never escaped
        self._write(bytes(connect))
        self._tick()

    def dataReceived(self, data: bytes) -> None:
        if self.why is not None:
            return
        self._last_received = self._now()  # any octet counts as a beat
        self._unparsed += len(data)
        if self._unparsed > MAX_FRAME:
            self.drop(f"the broker sent over {MAX_FRAME} octets without completing a frame")
            return
        if self._renderer is None:
            data = self._begun(data)
        if b"\r" in data:
            data = with_line_feeds(data, self._recent)
        self._recent = (self._recent + data)[-RECENT:]
        if self.why is None:
            self._parse(data)
        if self._confirmed:
            confirmed, self._confirmed = self._confirmed, []
            self.producer.confirmed(self, confirmed)
        if self._may_close and not self.in_flight and self.why is None:
            self.why = "stopped"
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 — Twisted's signature
        self._cancel_tick()
        self.ready = False
        if self.why is None:
            ended = "the broker closed the connection" if reason.check(ConnectionDone) else shown(reason)
            self.why = ended if self._renderer else f"{ended} before it answered CONNECT"
            self.hung_up = self._renderer is not None
        self.producer.lost(self)

    # -- the producer calls these

    @property
    def room(self) -> int:
        """Octets that may be sent now. If nothing is under way, one part may be longer."""
        return self.settings.window - self.octets_in_flight if self.ready else 0

    def send(self, part: BatchPart, number: int) -> None:
        """Write a part with one call. ``number`` names its receipt and transaction, and must be new."""
        assert self._renderer is not None
        octets = self._renderer.part(part.events, number)
        now, heard = self.reactor.seconds(), self._now()
        if not self.in_flight:
            self._last_progress = heard
        self.in_flight[str(number)] = part
        self._sent[str(number)] = heard, now
        self.events_in_flight += len(part.events)
        self.octets_in_flight += part.octets
        self._write(octets)

    def drop(self, why: str) -> None:
        """Abort the connection at once, even if data is still in its buffers."""
        self.why, self.ready = self.why or self._masked(why), False
        self.transport.abortConnection()

    def _masked(self, words: str) -> str:
        """Without the passcode, for a peer may repeat what it was sent. One that is the login as well is no secret."""
        passcode = self.settings.passcode
        return words.replace(passcode, "***") if passcode and passcode != self.settings.login else words

    @property
    def owes_since(self) -> float | None:
        """Since when (s of the reactor) the broker, which lives, holds receipts back; None if it does not."""
        return self._owes_since(self._now())

    def _owes_since(self, heard: float) -> float | None:
        if not self.in_flight:
            return None
        sent, since = self._sent[next(iter(self.in_flight))]
        quiet = heard - max(self._last_progress, sent)
        return since if quiet >= HELD_BACK or heard - sent >= OWED else None

    def stop(self) -> None:
        """Send DISCONNECT, and close when its receipt and those of all events have come. A session without CONNECTED is
        closed at once."""
        if not self.ready:
            self.drop("stopped")
            return
        self.ready, self.stopping = False, True
        self._write(bytes(self.session.disconnect(receipt="disconnect")))

    # -- frames

    def _begun(self, data: bytes) -> bytes:
        """Look whether what comes before CONNECTED may be STOMP; returns it without the line ends before the first
        frame."""
        if not self._first:
            data = data.lstrip(b"\r\n")
        self._first += data
        why_not = is_no_stomp(self._first[:64])
        if why_not:
            self.refused = True
            self.drop(f"the other side is no STOMP broker ({why_not})")
        return data

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.add(data)
            while self.parser.canRead() and self.why is None:
                self._unparsed = 0
                self._frame(self.parser.get())
        except (StompError, ValueError, OverflowError) as error:  # a header that is no UTF-8, or no number
            while self.parser.canRead() and self.why is None:  # the receipts before it count
                self._frame(self.parser.get())
            if self.why is None:
                self._unreadable(error)

    def _unreadable(self, error: Exception) -> None:
        """The parser takes no more. It may still be an ERROR that says why."""
        said = broken_error(self._recent)
        if said is not None:
            self._error(said, None)
        else:
            self.refused, self.hung_up = self._renderer is None, self._renderer is not None
            self.drop(f"the broker does not speak STOMP ({shortened(str(error))})")

    def _frame(self, frame: Any) -> None:
        if not frame:
            return  # a heart-beat: dataReceived has noted the time
        if frame.command == StompSpec.RECEIPT:
            self._receipt(frame.headers.get(StompSpec.RECEIPT_ID_HEADER))
        elif frame.command == StompSpec.ERROR:
            said = words_of_error(frame.headers.get("message", ""), frame.body)
            self._error(said, frame.headers.get(StompSpec.RECEIPT_ID_HEADER))
        elif frame.command == StompSpec.CONNECTED and self._renderer is None:
            self._connected(frame)
        else:
            self.drop(f"the broker sent a {frame.command} frame, which has no place here")

    def _connected(self, frame: Any) -> None:
        self.session.connected(frame)
        version, server = self.session.version, self.session.server
        if not is_expressible(self.producer.destination, version):
            self.refused = True
            self.drop(f"STOMP {version} can't express the name {self.producer.destination}: write it in ASCII")
            return
        self.parser.version = version
        self._renderer = FrameRenderer(self.producer.destination, version, self.producer.headers)
        self._first = b""
        self._sends_every = self.session.clientHeartBeat / 1000
        self._beats_every = self.session.serverHeartBeat / 1000
        wished = self.settings.transactions
        self.uses_transactions = confirms_transactions(server) if wished == "auto" else wished
        self.ready = True
        self._cancel_tick()
        self._tick()  # the agreed heart-beats may need a shorter interval
        how = "transactions" if self.uses_transactions else "a receipt for each"
        self.producer.agreed(self, f"STOMP {version}, {shortened(server or '') or 'unnamed server'}, {how}")

    def _receipt(self, receipt_id: str | None) -> None:
        if self.stopping and receipt_id == "disconnect":
            self._may_close = True  # when the rest has come: RabbitMQ may confirm events after that
            return
        part = self.in_flight.pop(receipt_id, None) if receipt_id else None
        if part is not None:
            self.events_in_flight -= len(part.events)
            self.octets_in_flight -= part.octets
            self._last_progress = self._last_received
            del self._sent[receipt_id or ""]
            self._said_held_back = self._said_held_back and bool(self.in_flight)
            self._confirmed.append(part)

    def _error(self, said: str, receipt_id: str | None) -> None:
        """Close the connection. ActiveMQ goes on after an ERROR, and even commits a transaction that has lost a SEND.
        The receipt of that COMMIT must not count, so nothing is read any more."""
        self.refused = self._renderer is None
        self.said = shortened(self._masked(said)) or "no reason given"
        self.named = self.in_flight.get(receipt_id or "")
        self.drop(f"the broker {'refused CONNECT' if self.refused else 'reported an error'}: {self.said}")

    # -- time

    def _tick(self) -> None:
        """Close the connection to a silent broker, or send a heart-beat if one is due."""
        if self.why is not None:
            return
        now, beats = self.reactor.seconds(), self._beats_every
        heard = self._hearing.tick(now)
        if self._renderer is None and heard - self._opened >= HANDSHAKE_TIMEOUT:
            self.drop(f"no answer to CONNECT within {HANDSHAKE_TIMEOUT:.0f} s")
        elif beats and heard - self._last_received > GRACE * beats:
            self.drop(f"nothing heard for {heard - self._last_received:.1f} s, agreed was a beat every {beats:.1f} s")
        elif self._is_stalled(heard):
            self.drop(f"nothing moves in a transaction within {STALLED:.0f} s")
        else:
            if self._sends_every and now - self._last_sent >= self._sends_every / 2:
                self._write(b"\n")
            self._look_at_receipts(heard)
            agreed = [every / 4 for every in (self._sends_every, beats) if every]
            self._timer = self.reactor.callLater(min([CONNECTION_TICK, *agreed]), self._tick)

    def _is_stalled(self, heard: float) -> bool:
        if not self.in_flight or heard - self._last_progress < STALLED:
            return False
        oldest = next(iter(self.in_flight.values()))  # what is behind it can't move before it
        self.stalled = oldest if len(oldest.events) > 1 else None
        return self.stalled is not None

    def _look_at_receipts(self, heard: float) -> None:
        if not self.in_flight:
            if self.ready and heard - self._opened >= PROVED_AFTER:
                self.producer.proved(self)
        elif not self._said_held_back and self._owes_since(heard) is not None:
            self._said_held_back = True
            self.producer.held_back(self)

    def _now(self) -> float:
        """For what begins now, in seconds of the time in which the broker could be heard."""
        return self._hearing.now(self.reactor.seconds())

    def _cancel_tick(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _write(self, data: bytes) -> None:
        self._last_sent = self.reactor.seconds()
        write_at_once(self.transport, data)


def shown(reason: Failure) -> str:
    """A failure in words, shortened for the log."""
    return shortened(explain_failure(reason))

"""One STOMP session on one TCP or TLS connection: handshake, receipts, heart-beats, time-outs.

1. CONNECT is sent at once. CONNECTED agrees on the version and on the heart-beats. From then on parts may be sent.
2. A part of one event is a SEND with a receipt. A part of several events is BEGIN, the SENDs, and COMMIT with a
   receipt, written with one call. At most ``window`` octets are unconfirmed at a time (one part may be longer), so that
   the send buffer stays small.
3. ERROR ends the session. ``named`` is the part that its receipt-id names, if it has one.
4. The connection to a broker that is silent, or sends no receipt for too long, is closed. One timer, ``_tick``, does
   that.

The library stompest has the frames, the parser, the session and the negotiation of STOMP 1.0 to 1.2.
"""

from typing import Any, Protocol

from stompest.error import StompError
from stompest.protocol import StompParser, StompSession, StompSpec
from twisted.internet import protocol as net
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.python.failure import Failure

from smsconnector.net.tls import explain_failure
from smsconnector.sinks.stomp.failover import Broker
from smsconnector.sinks.stomp.frames import BatchPart, FrameRenderer

# All in seconds.
HANDSHAKE_TIMEOUT = 10.0  # from TCP connect to CONNECTED
RECEIPT_TIMEOUT = 30.0  # from the last receipt to the next one, while parts are unconfirmed
PROVED_AFTER = 10.0  # a session that lasts so long resets the back-off, even if nothing was published on it
CONNECTION_TICK = 1.0  # between looks at the time, at most

GRACE = 2  # times the agreed interval of heart-beats, after which a silent broker is given up
MAX_FRAME = 1 << 20  # octets that a broker may send without completing a frame


class SessionKeeper(Protocol):
    """What a connection needs of its sink, which decides when to connect and what to send."""

    reactor: Any
    login: str | None
    passcode: str | None
    vhost: str | None
    heartbeat: tuple[int, int]  # ms
    window: int  # octets
    destinations: dict[str, str]

    def opened(self, connection: "StompConnection") -> bool: ...
    def agreed(self, connection: "StompConnection", what: str) -> None: ...
    def confirmed(self, connection: "StompConnection", part: BatchPart) -> None: ...
    def proved(self, connection: "StompConnection") -> None: ...
    def lost(self, connection: "StompConnection") -> None: ...


class StompConnection(net.Protocol):
    """One session, from the transport's connection to its end. ``why`` says why it ended. ``refused``: an ERROR frame
    came instead of CONNECTED."""

    transport: Any

    def __init__(self, sink: SessionKeeper, broker: Broker) -> None:
        self.sink, self.broker = sink, broker
        self.reactor = sink.reactor
        self.session = StompSession(StompSpec.VERSION_1_2)
        self.parser = StompParser(StompSpec.VERSION_1_0)  # no unescaping before the version is agreed
        self.in_flight: dict[str, BatchPart] = {}  # by receipt id, in the order sent
        self.octets_in_flight = 0
        self.ready = False  # CONNECTED, and neither dropped nor stopping
        self.stopping = False
        self.refused = False
        self.why: str | None = None  # set when it is dropped, by us or by an ERROR frame
        self.said = ""  # the words of the ERROR frame, if there was one
        self.hung_up = False  # by the broker, without a word, when the session stood
        self.named: BatchPart | None = None  # the part that the ERROR frame names
        self._renderer: FrameRenderer | None = None
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
        if not sink.opened(self):
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
            self.drop(f"the broker does not speak STOMP ({shortened(str(error))})")

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 — Twisted's signature
        self._cancel_tick()
        self.ready = False
        if self.why is None:
            ended = "the broker closed the connection" if reason.check(ConnectionDone) else shown(reason)
            self.why = ended if self._renderer else f"{ended} before it answered CONNECT"
            self.hung_up = self._renderer is not None
        self.sink.lost(self)

    # -- the sink calls these

    @property
    def room(self) -> int:
        """Octets that may be sent now. If nothing is under way, one part may be longer."""
        return self.sink.window - self.octets_in_flight if self.ready else 0

    def send(self, part: BatchPart, number: int) -> None:
        """Write a part with one call. ``number`` names its receipt and transaction, and must be new."""
        assert self._renderer is not None
        if not self.in_flight:
            self._last_progress = self.reactor.seconds()
        self.in_flight[str(number)] = part
        self.octets_in_flight += part.octets
        self._write(self._renderer.part(part.events, number))

    def drop(self, why: str) -> None:
        """Abort the connection at once, even if data is still in its buffers."""
        self.why, self.ready = self.why or why, False
        self.transport.abortConnection()

    def stop(self) -> None:
        """Send DISCONNECT, and close when its receipt comes. A session without CONNECTED is closed at once."""
        if not self.ready:
            self.drop("stopped")
            return
        self.ready, self.stopping = False, True
        self._write(bytes(self.session.disconnect(receipt="disconnect")))

    # -- frames

    def _frame(self, frame: Any) -> None:
        if not frame:
            return  # a heart-beat: dataReceived has noted the time
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
        self._renderer = FrameRenderer(self.sink.destinations, version)
        self._sends_every = self.session.clientHeartBeat / 1000
        self._beats_every = self.session.serverHeartBeat / 1000
        self.ready = True
        self._cancel_tick()
        self._tick()  # the agreed heart-beats may need a shorter interval
        self.sink.agreed(self, f"STOMP {version}, {self.session.server or 'unnamed server'}")

    def _receipt(self, receipt_id: str | None) -> None:
        if self.stopping and receipt_id == "disconnect":
            self.why = "stopped"
            self.transport.loseConnection()
            return
        part = self.in_flight.pop(receipt_id, None) if receipt_id else None
        if part is not None:
            self.octets_in_flight -= part.octets
            self._last_progress = self.reactor.seconds()
            self.sink.confirmed(self, part)

    def _error(self, frame: Any) -> None:
        """Close the connection. ActiveMQ goes on after an ERROR, and even commits a transaction that has lost a SEND.
        The receipt of that COMMIT must not count, so nothing is read any more."""
        said = words_of_error(frame.headers.get("message", ""), frame.body)
        self.refused = self._renderer is None
        if self.sink.passcode:
            said = said.replace(self.sink.passcode, "***")
        self.said = shortened(said) or "no reason given"
        self.named = self.in_flight.get(frame.headers.get(StompSpec.RECEIPT_ID_HEADER, ""))
        self.drop(f"the broker {'refused CONNECT' if self.refused else 'reported an error'}: {self.said}")

    # -- time

    def _tick(self) -> None:
        """Close the connection to a silent broker, or send a heart-beat if one is due."""
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
                self.sink.proved(self)
            agreed = [every / 4 for every in (self._sends_every, beats) if every]
            self._timer = self.reactor.callLater(min([CONNECTION_TICK, *agreed]), self._tick)

    def _cancel_tick(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _write(self, data: bytes) -> None:
        self._last_sent = self.reactor.seconds()
        self.transport.write(data)


def words_of_error(message: str, body: bytes) -> str:
    """What an ERROR frame says: its header ``message``, and the first line of its body if that says more. RabbitMQ puts
    the cause there ("Access refused for user 'x'"), ActiveMQ a stack trace."""
    text = body.decode("utf-8", "replace")
    cause = next((line.strip() for line in text.split("\n") if line.strip(" \r\t\0")), "")
    if not message or not cause:
        return message or cause
    says_more = "\n\tat " not in text and cause not in message and message not in cause
    return f"{message}: {cause}" if says_more else message


def shown(reason: Failure) -> str:
    """A failure in words, shortened for the log."""
    return shortened(explain_failure(reason))


def shortened(text: str) -> str:
    """One printable line of at most 200 characters."""
    return "".join(character if character.isprintable() else " " for character in text)[:200].strip(" .")

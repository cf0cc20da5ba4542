"""A broker made of bytes, for tests of the STOMP sink: a Clock, string transports, no sockets, no waiting."""

from dataclasses import replace
from random import Random
from typing import Any

from stompest.protocol import StompFrame, StompParser
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import DELIVERY_REPORT, Event
from smsconnector.net.tls import TLS
from smsconnector.sinks import EventOutcome, EventVerdict
from smsconnector.sinks.stomp.connection import SessionSettings
from smsconnector.sinks.stomp.failover import Broker, FailoverURI
from smsconnector.sinks.stomp.producer import Producer
from tests.recorded_log import RecordedLog

QUEUE = "/queue/delivery-report"


def event(number: int, jms_type: str = "smpp", kind: str = DELIVERY_REPORT, event_id: str = "") -> Event:
    return Event(number, event_id or f"e{number}", kind, jms_type, f'{{"n":{number}}}')


class Published:
    """A batch that was published, and what the sink has said of it."""

    def __init__(self, sink: Any, events: list[Event]) -> None:
        self.events = events
        self.outcomes: list[EventOutcome] = []
        sink.publish(events, self.outcomes.append)

    @property
    def confirmed(self) -> bool:
        """All of it, each event once."""
        told = [event for outcome in self.outcomes for event in outcome.events]
        verdicts = {outcome.verdict for outcome in self.outcomes}
        return verdicts == {EventVerdict.CONFIRMED} and told == self.events


def publish(sink: Any, events: list[Event]) -> Published:
    return Published(sink, events)


class Wire(StringTransport):
    """The far end of one connection: what the sink wrote, as frames; what the broker says, as bytes."""

    def __init__(self, broker: Broker, protocol: Any, version: str) -> None:
        super().__init__()
        self.broker, self.protocol = broker, protocol
        self.parser = StompParser(version)
        self.writes: list[bytes] = []
        self.closed = self.aborted = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def loseConnection(self) -> None:
        self.closed = True

    def abortConnection(self) -> None:
        self.closed = self.aborted = True

    def frames(self) -> list[StompFrame]:
        """The frames written since the last call, heart-beats left out."""
        for data in self.writes:
            self.parser.add(data)
        self.writes.clear()
        found = []
        while self.parser.canRead():
            found.append(self.parser.get())
        return [frame for frame in found if frame]

    def say(self, command: str, body: bytes = b"", /, **headers: str) -> None:
        """One frame from the broker; an underscore in a keyword stands for a hyphen."""
        lines = [command, *(f"{name.replace('_', '-')}:{value}" for name, value in headers.items())]
        self.protocol.dataReceived("\n".join(lines).encode() + b"\n\n" + body + b"\0\n")

    def lose(self, reason: Any = None) -> None:
        self.protocol.connectionLost(Failure(reason or ConnectionDone()))


class BrokerOfBytes(SynchronousTestCase):
    """The stage: a producer, and the brokers that it connects to."""

    server = "ActiveMQ/5.17.2"

    uri = "failover:(tcp://a,tcp://b)?randomize=false&initialReconnectDelay=1000"
    version = "1.2"

    def setUp(self) -> None:
        self.clock = Clock()
        self.attempts: list[tuple[Broker, Any, Deferred[Any]]] = []
        self.logged = RecordedLog(self).events
        self.pauses: list[float] = []  # before each attempt after a refusal

    # -- the stage

    def sink(self, **settings: Any) -> Producer:
        """A producer for the queue of reports."""
        uri, headers = settings.pop("uri", self.uri), settings.pop("headers", {})
        made = replace(SessionSettings(login="admin", passcode="hunter2"), **settings)
        return Producer(self.clock, QUEUE, FailoverURI.parse(uri), made, headers, Random(1), self.endpoint)

    def endpoint(self, reactor: Any, broker: Broker, tls: TLS) -> Any:
        test = self

        class Endpoint:
            def connect(self, factory: Any) -> "Deferred[Any]":
                reached: Deferred[Any] = Deferred()
                test.attempts.append((broker, factory, reached))
                return reached

        return Endpoint()

    def reach(self) -> Wire:
        """The TCP connection of the latest attempt comes about."""
        self.clock.advance(0)
        broker, factory, reached = self.attempts[-1]
        protocol = factory.buildProtocol(None)
        wire = Wire(broker, protocol, self.version)
        protocol.makeConnection(wire)
        reached.callback(protocol)
        return wire

    def connect(self, **headers: str) -> Wire:
        """As reach, and the broker says CONNECTED."""
        wire = self.reach()
        wire.frames()
        wire.say("CONNECTED", **{"version": self.version, "server": self.server} | headers)
        return wire

    def started(self, **settings: Any) -> tuple[Producer, Wire]:
        sink = self.sink(**settings)
        sink.startService()
        return sink, self.connect()

    def warnings(self) -> list[str]:
        return [formatEvent(entry) for entry in self.logged if entry["log_level"] >= LogLevel.warn]

    def advance(self, seconds: float) -> None:
        """Let time pass in small steps, so that every timer has its turn."""
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)

    def refuse(self, wire: Wire, words: str = "no such thing", **headers: str) -> None:
        """The broker says ERROR and hangs up; time passes until the next attempt."""
        wire.say("ERROR", b"java.lang.SecurityException: refused\n\tat org.apache", message=words, **headers)
        self.assertTrue(wire.closed)
        wire.lose()
        self.pauses.append(self.clock.getDelayedCalls()[0].getTime() - self.clock.seconds())
        self.clock.advance(self.pauses[-1])

    def confirm_all(self, wire: Wire) -> list[StompFrame]:
        """The broker confirms whatever asks for a receipt, until nothing more is sent; what was sent."""
        seen: list[StompFrame] = []
        while frames := wire.frames():
            seen += frames
            for frame in frames:
                if "receipt" in frame.headers:
                    wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        return seen

    def live(self, wire: Wire, seconds: float) -> None:
        """Time passes, and the broker's heart beats."""
        for _ in range(round(seconds)):
            self.advance(1)
            if not wire.closed:
                wire.protocol.dataReceived(b"\n")

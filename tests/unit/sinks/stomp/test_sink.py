"""The STOMP sink against a broker made of bytes: a Clock, string transports, no sockets, no waiting."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from OpenSSL import SSL
from stompest.protocol import StompFrame, StompParser
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, Event
from smsconnector.sinks import EventOutcome, EventVerdict, IEventSink
from smsconnector.sinks.stomp.connection import MAX_FRAME, RECEIPT_TIMEOUT, words_of_error
from smsconnector.sinks.stomp.failover import Broker
from smsconnector.sinks.stomp.sink import STOP_TIMEOUT, StompSink
from smsconnector.sinks.stomp.suspicion import CLOSED_S, REFUSED_IN_A_ROW
from tests.recorded_log import RecordedLog

DESTINATIONS = {DELIVERY_REPORT: "delivery-report", INCOMING_MESSAGE: "/topic/incoming"}


def event(number: int, jms_type: str = "smpp", kind: str = DELIVERY_REPORT, event_id: str = "") -> Event:
    return Event(number, event_id or f"e{number}", kind, jms_type, f'{{"n":{number}}}')


class Published:
    """A batch that was published, and what the sink has said of it."""

    def __init__(self, sink: StompSink, events: list[Event]) -> None:
        self.events = events
        self.outcomes: list[EventOutcome] = []
        sink.publish(events, self.outcomes.append)

    @property
    def confirmed(self) -> bool:
        """All of it, each event once."""
        told = [event for outcome in self.outcomes for event in outcome.events]
        verdicts = {outcome.verdict for outcome in self.outcomes}
        return verdicts == {EventVerdict.CONFIRMED} and told == self.events


def publish(sink: StompSink, events: list[Event]) -> Published:
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


class StompSinkTests(SynchronousTestCase):
    """One law a test."""

    uri = "failover:(tcp://a,tcp://b)?randomize=false&initialReconnectDelay=1000"
    version = "1.2"

    def setUp(self) -> None:
        self.clock = Clock()
        self.attempts: list[tuple[Broker, Any, Deferred[Any]]] = []
        self.logged = RecordedLog(self).events
        self.pauses: list[float] = []  # before each attempt after a refusal

    # -- the stage

    def sink(self, **settings: Any) -> StompSink:
        login, passcode = settings.pop("login", "admin"), settings.pop("passcode", "hunter2")
        uri = settings.pop("uri", self.uri)
        more: dict[str, Any] = {"random": Random(1), "endpoint": self.endpoint} | settings
        return StompSink(self.clock, uri, login, passcode, DESTINATIONS, **more)

    def endpoint(self, reactor: Any, broker: Broker, tls_options: Callable[[str], Any]) -> Any:
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
        wire.say("CONNECTED", version=self.version, **headers)
        return wire

    def started(self, **settings: Any) -> tuple[StompSink, Wire]:
        sink = self.sink(**settings)
        sink.startService()
        return sink, self.connect()

    def warnings(self) -> list[str]:
        from twisted.logger import formatEvent  # noqa: PLC0415

        return [formatEvent(entry) for entry in self.logged if entry["log_level"] >= LogLevel.warn]

    def advance(self, seconds: float) -> None:
        """Let time pass in small steps, so that every timer has its turn."""
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)

    # -- life

    def test_interface(self) -> None:
        """It is an IEventSink."""
        verifyObject(IEventSink, self.sink())

    def test_constructor_starts_nothing(self) -> None:
        """No timer, no connection before startService."""
        self.sink()
        self.assertEqual((self.clock.getDelayedCalls(), self.attempts), ([], []))

    def test_bad_settings(self) -> None:
        """A URI or a login that can't be used is a ValueError at once; the passcode is not repeated."""
        self.assertRaises(ValueError, self.sink, uri="http://a")
        error = self.assertRaises(ValueError, self.sink, passcode="hunter2\nx")
        self.assertNotIn("hunter2", str(error))

    def test_handshake(self) -> None:
        """CONNECT offers all versions, names the host, brings login, passcode and heart-beats; CONNECTED is logged."""
        sink = self.sink()
        sink.startService()
        wire = self.reach()
        (frame,) = wire.frames()
        self.assertEqual(frame.command, "CONNECT")
        self.assertEqual(
            frame.headers,
            {
                "accept-version": "1.0,1.1,1.2",
                "host": "a",
                "login": "admin",
                "passcode": "hunter2",
                "heart-beat": "10000,10000",
            },
        )
        self.assertIsNone(sink.broker)
        wire.say("CONNECTED", version="1.2", server="ActiveMQ/5.17.2", heart_beat="10000,10000")
        self.assertEqual(sink.broker, Broker("a", 61613))
        self.assertEqual(self.warnings(), [])

    def test_no_login(self) -> None:
        """login and passcode are sent only if they are set; vhost is the host header."""
        self.sink(login=None, passcode=None, vhost="virtual", heartbeat=(0, 0)).startService()
        (frame,) = self.reach().frames()
        self.assertEqual(frame.headers, {"accept-version": "1.0,1.1,1.2", "host": "virtual", "heart-beat": "0,0"})

    def test_login_is_not_escaped(self) -> None:
        """A colon, a backslash and an umlaut in the passcode travel as they are: CONNECT knows no escapes."""
        self.sink(passcode="a:b\\ü").startService()
        (data,) = self.reach().writes
        self.assertIn("\npasscode:a:b\\ü\n".encode(), data)

    # -- publishing

    def test_batch_is_a_transaction(self) -> None:
        """BEGIN, one SEND per event, COMMIT with the receipt, in one write; it fires on the RECEIPT, not before."""
        sink, wire = self.started()
        done = publish(sink, [event(1), event(2)])
        self.assertEqual(len(wire.writes), 1)
        begin, first, second, commit = wire.frames()
        transaction = begin.headers["transaction"]
        self.assertEqual((begin.command, commit.command), ("BEGIN", "COMMIT"))
        for frame, number in ((first, 1), (second, 2)):
            self.assertEqual((frame.command, frame.body), ("SEND", b'{"n":%d}' % number))
            self.assertEqual(
                frame.headers,
                {
                    "destination": "/queue/delivery-report",
                    "type": "smpp",
                    "persistent": "true",
                    "event-id": f"e{number}",
                    "transaction": transaction,
                },
            )
        self.assertEqual(commit.headers["transaction"], transaction)
        self.assertEqual(done.outcomes, [])
        wire.say("RECEIPT", receipt_id="of-something-else")
        self.assertEqual(done.outcomes, [])
        wire.say("RECEIPT", receipt_id=commit.headers["receipt"])
        self.assertTrue(done.confirmed)

    def test_single_event(self) -> None:
        """One event needs no transaction: a SEND with a receipt. A full destination name is kept."""
        sink, wire = self.started()
        done = publish(sink, [event(1, kind=INCOMING_MESSAGE)])
        (frame,) = wire.frames()
        self.assertEqual((frame.command, frame.headers["destination"]), ("SEND", "/topic/incoming"))
        self.assertNotIn("transaction", frame.headers)
        wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        self.assertTrue(done.confirmed)

    def test_no_content_length(self) -> None:
        """With content-length a SEND would become a BytesMessage."""
        sink, wire = self.started()
        publish(sink, [event(1), event(2)])
        self.assertNotIn(b"content-length", b"".join(wire.writes))

    def test_empty_batch(self) -> None:
        """Nothing to send is nothing on the wire."""
        sink, wire = self.started()
        self.assertEqual(publish(sink, []).outcomes, [])
        self.assertEqual(wire.writes, [])

    def test_events_stomp_cannot_carry(self) -> None:
        """A body that is no ASCII, or holds NUL, or an event of unknown kind is refused alone; the others are sent."""
        sink, wire = self.started()
        for bad in (
            Event(1, "x", DELIVERY_REPORT, "t", "ü"),
            Event(1, "x", DELIVERY_REPORT, "t", "\0"),
            event(1, kind="?"),
        ):
            done = publish(sink, [event(2), bad])
            (outcome,) = done.outcomes
            self.assertEqual((outcome.events, outcome.verdict), ([bad], EventVerdict.REFUSED))
            self.assertEqual([frame.headers["event-id"] for frame in wire.frames()], ["e2"])

    def test_before_start(self) -> None:
        """What is published before the start, or before CONNECTED, is sent after it."""
        sink = self.sink()
        publish(sink, [event(1)])
        sink.startService()
        wire = self.reach()
        publish(sink, [event(2)])
        self.assertEqual([frame.command for frame in wire.frames()], ["CONNECT"])
        wire.say("CONNECTED", version="1.2")
        self.assertEqual([frame.headers["event-id"] for frame in wire.frames()], ["e1", "e2"])

    def test_several_batches_outstanding(self) -> None:
        """Batches don't wait for one another, have their own transactions, and each fires on its own receipt."""
        sink, wire = self.started()
        first, second = publish(sink, [event(1), event(2)]), publish(sink, [event(3), event(4)])
        commits = [frame.headers for frame in wire.frames() if frame.command == "COMMIT"]
        self.assertNotEqual(commits[0]["transaction"], commits[1]["transaction"])
        wire.say("RECEIPT", receipt_id=commits[1]["receipt"])
        self.assertEqual(first.outcomes, [])
        self.assertTrue(second.confirmed)
        wire.say("RECEIPT", receipt_id=commits[0]["receipt"])
        self.assertTrue(first.confirmed)

    def test_window(self) -> None:
        """No more octets than the window are on the wire unconfirmed; a larger batch goes in parts, and each is settled
        by its own receipt."""
        sink, wire = self.started(window=600)
        done = publish(sink, [event(number) for number in range(5)])  # two fit
        seen: list[str] = []
        for number in range(3):
            self.assertEqual(len(done.outcomes), number)
            frames = wire.frames()
            seen += [frame.headers["event-id"] for frame in frames if frame.command == "SEND"]
            self.assertLessEqual(len(frames), 4)
            wire.say("RECEIPT", receipt_id=frames[-1].headers["receipt"])
        self.assertEqual(seen, [f"e{number}" for number in range(5)])
        self.assertTrue(done.confirmed)

    def test_event_larger_than_window(self) -> None:
        """An event larger than the window is still sent, alone."""
        sink, wire = self.started(window=10)
        publish(sink, [event(1), event(2)])
        self.assertEqual([frame.headers["event-id"] for frame in wire.frames()], ["e1"])

    def test_byte_by_byte(self) -> None:
        """How TCP cuts the broker's words makes no difference."""
        sink = self.sink()
        sink.startService()
        wire = self.reach()
        done = publish(sink, [event(1), event(2)])
        for byte in b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0\n\nRECEIPT\nreceipt-id:1\n\n\0\n":
            wire.protocol.dataReceived(bytes([byte]))
        self.assertTrue(done.confirmed)

    # -- escaping

    def test_escaping_by_version(self) -> None:
        """From 1.1 on header values are escaped; 1.0 has no escapes, so what would break the frame is replaced."""
        odd = "a:b\\c\nd\re\0ü"
        for version, expected in (
            ("1.0", "event-id:a:b\\c?d?e??\n"),
            ("1.1", "event-id:a\\cb\\\\c\\nd?e?ü\n"),
            ("1.2", "event-id:a\\cb\\\\c\\nd\\re?ü\n"),
        ):
            self.version = version
            sink, wire = self.started()
            publish(sink, [event(1, event_id=odd, jms_type=odd)])
            (data,) = wire.writes
            self.assertIn(expected.encode(), data, version)
            self.assertIn(expected.replace("event-id", "type").encode(), data, version)
            (frame,) = wire.frames()
            self.assertEqual(frame.body, b'{"n":1}')

    def test_version_1_0(self) -> None:
        """A broker that names no version speaks 1.0: no heart-beats are expected or sent."""
        self.version = "1.0"
        sink = self.sink()
        sink.startService()
        wire = self.reach()
        wire.frames()
        wire.say("CONNECTED", session="1")
        self.advance(60)
        self.assertEqual((wire.writes, wire.closed), ([], False))

    # -- lost connections

    def test_resent_after_a_loss(self) -> None:
        """What has no receipt when the connection is lost is sent again, in order, before what came later, with
        the same event ids and new transactions; what was confirmed is not."""
        sink, wire = self.started()
        confirmed = publish(sink, [event(1), event(2)])
        second, third = publish(sink, [event(3), event(4)]), publish(sink, [event(5)])
        old = wire.frames()
        wire.say("RECEIPT", receipt_id=old[3].headers["receipt"])
        self.assertTrue(confirmed.confirmed)
        wire.lose(ConnectionLost())
        fourth = publish(sink, [event(6)])
        self.clock.advance(1.25)
        wire = self.connect()
        self.assertEqual(wire.broker.host, "b")
        new = wire.frames()
        self.assertEqual(
            [frame.headers["event-id"] for frame in new if frame.command == "SEND"], ["e3", "e4", "e5", "e6"]
        )
        transactions = [{f.headers["transaction"] for f in frames if f.command == "BEGIN"} for frames in (old, new)]
        self.assertTrue(transactions[0].isdisjoint(transactions[1]))
        receipts = [frame.headers["receipt"] for frame in new if "receipt" in frame.headers]
        for done, receipt in zip((second, third, fourth), receipts, strict=True):
            self.assertEqual(done.outcomes, [])
            wire.say("RECEIPT", receipt_id=receipt)
            self.assertTrue(done.confirmed)

    def test_unconfirmed_before_unsent(self) -> None:
        """What was on the wire when the connection was lost goes before what the window still held back."""
        sink, wire = self.started(window=600)
        publish(sink, [event(number) for number in range(5)])  # two fit
        wire.lose()
        self.clock.advance(2)
        wire = self.connect()
        self.assertEqual([frame.headers.get("event-id") for frame in wire.frames()], [None, "e0", "e1", None])

    def test_broker_words_are_unescaped(self) -> None:
        """After CONNECTED the broker's headers are read by the rules of the agreed version."""
        _, wire = self.started()
        wire.say("ERROR", message="Invalid id\\c 7")
        wire.lose()
        self.assertIn("the broker reported an error: Invalid id: 7.", self.warnings()[0])

    def test_log_tells_which_why_and_when(self) -> None:
        """A loss is one line: which broker, why, which is next, and when."""
        _, wire = self.started()
        wire.lose()
        (line,) = self.warnings()
        self.assertEqual(
            line, "No events to tcp://a:61613: the broker closed the connection. tcp://b:61613 will be tried at once."
        )
        self.clock.advance(0)
        self.attempts[-1][2].errback(ConnectionRefusedError())
        self.assertRegex(
            self.warnings()[-1],
            r"^No events to tcp://b:61613: Connection was refused by other side\. tcp://a:61613 will be tried in \d",
        )

    def test_refused_ports_are_walked(self) -> None:
        """Brokers that can't be reached are tried one after the other, round after round, with growing pauses."""
        self.sink().startService()
        for _ in range(6):
            while self.attempts and self.attempts[-1][2].called:
                self.clock.advance(0.1)
            self.clock.advance(0)
            self.attempts[-1][2].errback(ConnectionRefusedError())
            self.clock.advance(0)
        self.assertEqual([broker.host for broker, _, _ in self.attempts[:6]], ["a", "b"] * 3)
        self.assertTrue(0.75 + 1.5 <= self.clock.seconds() <= 1.3 + 2.6, self.clock.seconds())

    def refuse(self, wire: Wire, words: str = "no such thing", **headers: str) -> None:
        """The broker says ERROR and hangs up; time passes until the next attempt."""
        wire.say("ERROR", b"java.lang.SecurityException: refused\n\tat org.apache", message=words, **headers)
        self.assertTrue(wire.closed)
        wire.lose()
        self.pauses.append(self.clock.getDelayedCalls()[0].getTime() - self.clock.seconds())
        self.clock.advance(self.pauses[-1])

    def test_refused_event_is_found_by_halving(self) -> None:
        """One event of a batch at which the broker hangs up is refused alone, with the broker's words; the others are
        confirmed, and none of the pauses is long."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10")
        sink.startService()
        done = publish(sink, [event(number) for number in range(100)])
        poisoned, connections = "e37", 0
        wire = self.connect()
        while len({one.id for outcome in done.outcomes for one in outcome.events}) < 100:
            frames = wire.frames()
            sends = [frame.headers["event-id"] for frame in frames if frame.command == "SEND"]
            if poisoned in sends:
                connections += 1
                self.refuse(wire)
                wire = self.connect()
            else:
                wire.say("RECEIPT", receipt_id=frames[-1].headers["receipt"])
        (refused,) = [one for one in done.outcomes if one.verdict is EventVerdict.REFUSED]
        self.assertEqual(([one.event_id for one in refused.events], refused.reason), ([poisoned], "no such thing"))
        told = [one.id for outcome in done.outcomes for one in outcome.events]
        self.assertEqual(sorted(told), list(range(100)))
        self.assertLess(connections, 10)
        self.assertLess(sum(self.pauses), 1.0)

    def test_refused_event_that_is_named(self) -> None:
        """An ERROR whose receipt-id names a SEND is about that event, whatever else is under way."""
        sink, wire = self.started()
        first, second, third = (publish(sink, [event(number)]) for number in range(3))
        receipts = [frame.headers["receipt"] for frame in wire.frames()]
        self.refuse(wire, receipt_id=receipts[1])
        (outcome,) = second.outcomes
        self.assertEqual((outcome.verdict, outcome.reason), (EventVerdict.REFUSED, "no such thing"))
        wire = self.connect()
        for _ in range(2):
            (frame,) = wire.frames()  # one at a time, until it is known that all is well
            wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        self.assertTrue(first.confirmed and third.confirmed)

    def test_lost_connection_blames_nobody(self) -> None:
        """Without an ERROR no event is at fault: what was under way is sent again as it was, however often that happens
        with a receipt in between."""
        sink, wire = self.started()
        for _ in range(5):
            done = publish(sink, [event(1), event(2)])
            for _ in range(2):
                self.assertEqual(len(wire.frames()), 4)
                wire.lose(ConnectionLost())
                self.clock.advance(60)
                wire = self.connect()
            *_, commit = wire.frames()
            wire.say("RECEIPT", receipt_id=commit.headers["receipt"])
            self.assertTrue(done.confirmed)

    def test_hang_ups(self) -> None:
        """A broker that hangs up again and again, without a word and with nothing confirmed, may do so at one event:
        parts become smaller, and one at which it hung up three times alone is refused."""
        sink, wire = self.started()
        done = publish(sink, [event(number) for number in range(8)])
        told: dict[int, EventVerdict] = {}
        for _ in range(30):
            frames = wire.frames()
            if "e5" in [frame.headers.get("event-id") for frame in frames]:
                wire.lose(ConnectionLost())
                self.clock.advance(60)
                wire = self.connect()
            elif frames:
                wire.say("RECEIPT", receipt_id=frames[-1].headers["receipt"])
            told = {one.id: outcome.verdict for outcome in done.outcomes for one in outcome.events}
        self.assertEqual([number for number, verdict in told.items() if verdict is EventVerdict.REFUSED], [5])
        self.assertEqual(sorted(told), list(range(8)))

    def test_receipts_owed_refuse_nothing(self) -> None:
        """A broker that lives and gives no receipt makes parts smaller; no event is refused for that."""
        sink, wire = self.started()
        done = publish(sink, [event(1), event(2)])
        for _ in range(12):
            self.assertTrue(wire.frames())
            self.advance(RECEIPT_TIMEOUT + 2)
            wire.lose(ConnectionLost())
            self.clock.advance(60)
            wire = self.connect()
        self.assertEqual(done.outcomes, [])

    def test_error_without_a_name(self) -> None:
        """It may be about the broker: an event that was alone under way is refused at the second one in a row."""
        sink, wire = self.started()
        done = publish(sink, [event(1)])
        wire.frames()
        self.refuse(wire, "shutting down")
        self.assertEqual(done.outcomes, [])
        wire = self.connect()
        (frame,) = wire.frames()
        wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        self.assertTrue(done.confirmed)

    def test_error_without_words(self) -> None:
        """It counts as one with words."""
        sink, wire = self.started()
        done = publish(sink, [event(1)])
        for _ in range(2):
            wire.frames()
            wire.say("ERROR", b"\n")
            wire.lose()
            self.clock.advance(60)
            wire = self.connect()
        (outcome,) = done.outcomes
        self.assertEqual((outcome.verdict, outcome.reason), (EventVerdict.REFUSED, "no reason given"))

    def test_parts_grow_again(self) -> None:
        """After trouble the parts are small, and double with each that is confirmed."""
        sink, wire = self.started()
        publish(sink, [event(number) for number in range(64)])
        self.refuse(wire)
        wire = self.connect()
        sizes = []
        while frames := wire.frames():
            sizes.append(sum(frame.command == "SEND" for frame in frames))
            wire.say("RECEIPT", receipt_id=frames[-1].headers["receipt"])
        self.assertEqual(sizes, [32, 32])
        publish(sink, [event(number) for number in range(1000)])
        self.assertEqual(sum(frame.command == "SEND" for frame in wire.frames()), 128)

    def test_destination_that_refuses_everything(self) -> None:
        """After three events in a row it is the destination: all that is for it is refused at once, and the others go
        on. After a while one is tried again, and a receipt opens it."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10")
        sink.startService()
        events = [event(number, kind=(INCOMING_MESSAGE, DELIVERY_REPORT)[number % 2]) for number in range(200)]
        done, connections = publish(sink, events), 0
        wire = self.connect()
        while sum(len(outcome.events) for outcome in done.outcomes) < 200:
            frames = wire.frames()
            if any(frame.headers.get("destination") == "/topic/incoming" for frame in frames):
                connections += 1
                self.refuse(wire)
                wire = self.connect()
            else:
                wire.say("RECEIPT", receipt_id=frames[-1].headers["receipt"])
        told = {one.id: outcome.verdict for outcome in done.outcomes for one in outcome.events}
        self.assertEqual({number % 2 for number, one in told.items() if one is EventVerdict.REFUSED}, {0})
        self.assertEqual({number % 2 for number, one in told.items() if one is EventVerdict.CONFIRMED}, {1})
        self.assertLess(connections, 20)
        self.assertLess(sum(self.pauses), 2.0)

        wire.frames()
        (outcome,) = publish(sink, [event(1, kind=INCOMING_MESSAGE)]).outcomes
        self.assertEqual((outcome.verdict, outcome.reason, wire.frames()), (EventVerdict.REFUSED, "no such thing", []))
        self.clock.advance(CLOSED_S)
        for _ in range(2):
            tried = publish(sink, [event(1, kind=INCOMING_MESSAGE)])
            (frame,) = wire.frames()
            wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
            self.assertTrue(tried.confirmed)

    def close_destination(self) -> tuple[StompSink, Any]:
        """A sink whose topic of incoming texts has refused three events in a row, and its new connection."""
        sink, wire = self.started()
        for number in range(REFUSED_IN_A_ROW):
            publish(sink, [event(number, kind=INCOMING_MESSAGE)])
            self.refuse(wire, receipt_id=wire.frames()[-1].headers["receipt"])
            wire = self.connect()
        (outcome,) = publish(sink, [event(9, kind=INCOMING_MESSAGE)]).outcomes
        self.assertEqual((outcome.verdict, wire.frames()), (EventVerdict.REFUSED, []))
        return sink, wire

    def test_destination_mended(self) -> None:
        """An event that was parked is sent to a destination that refuses all, for somebody may have mended it. It is
        the only one of its batch. If it is taken, so are new ones."""
        sink, wire = self.close_destination()
        parked = replace(event(7, kind=INCOMING_MESSAGE), attempts=2)
        tried = publish(sink, [event(6, kind=INCOMING_MESSAGE), parked])
        (frame,) = wire.frames()
        self.assertEqual([one.id for outcome in tried.outcomes for one in outcome.events], [6])
        wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        self.assertEqual(tried.outcomes[-1], EventOutcome([parked], EventVerdict.CONFIRMED))
        publish(sink, [event(8, kind=INCOMING_MESSAGE)])
        self.assertEqual(len(wire.frames()), 1)

    def test_destination_not_mended(self) -> None:
        """If it refuses that one too, the parked events that wait behind it are refused without a try."""
        sink, wire = self.close_destination()
        done = [publish(sink, [replace(event(n, kind=INCOMING_MESSAGE), attempts=1)]) for n in range(20, 40)]
        self.refuse(wire, receipt_id=wire.frames()[-1].headers["receipt"])
        wire = self.connect()
        self.assertEqual([len(one.outcomes) for one in done], [1] * 20)
        self.assertEqual(wire.frames(), [])

    def test_broker_started_again(self) -> None:
        """A broker that goes while nothing is under way may have been changed: its destinations are tried again."""
        sink, wire = self.close_destination()
        wire.lose()
        wire = self.connect()
        publish(sink, [event(10, kind=INCOMING_MESSAGE)])
        self.assertEqual(len(wire.frames()), 1)

    def test_words_of_error(self) -> None:
        """The cause that a broker writes into the body of ERROR is told, a stack trace is not, nor anything twice."""
        for message, body, words in (
            ("Bad CONNECT", b"Access refused for user 'x'\n", "Bad CONNECT: Access refused for user 'x'"),
            ("access_refused", b"\r\nACCESS_REFUSED - queue 'q'\nmore", "access_refused: ACCESS_REFUSED - queue 'q'"),
            ("not allowed", b"java.lang.SecurityException: refused\n\tat org.apache\n", "not allowed"),
            ("not allowed", b"The user is not allowed here", "not allowed"),
            ("not allowed here", b"not allowed", "not allowed here"),
            ("", b"only the body\n", "only the body"),
            ("only the message", b"\n\0", "only the message"),
            ("", b"", ""),
            ("x", b"\xff\xfe", "x: \ufffd\ufffd"),
        ):
            self.assertEqual(words_of_error(message, body), words)

    def test_receipt_after_error_does_not_count(self) -> None:
        """ActiveMQ goes on after an ERROR and even commits the rest of the transaction: that receipt is no proof."""
        sink, wire = self.started()
        done = publish(sink, [event(1), event(2)])
        wire.protocol.dataReceived(b"ERROR\nmessage:x\n\n\0\nRECEIPT\nreceipt-id:1\n\n\0\n")
        wire.say("RECEIPT", receipt_id="1")
        self.assertEqual(done.outcomes, [])

    def test_a_good_session_resets_the_delay(self) -> None:
        """A session with a receipt, or of some length, is good: the next pause is short again."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=100&maxReconnectDelay=20000")
        sink.startService()
        for _ in range(8):
            self.clock.advance(0)
            self.attempts[-1][2].errback(ConnectionRefusedError())
            self.clock.advance(25)
        wire = self.connect()
        publish(sink, [event(1)])
        wire.say("RECEIPT", receipt_id="1")
        wire.lose()
        self.clock.advance(0.13)
        wire = self.connect()
        self.advance(11)
        wire.lose()
        self.clock.advance(0.13)
        self.assertEqual(self.connect().closed, False)

    # -- refusals and nonsense

    def test_login_refused_is_paced(self) -> None:
        """A refused login is said loudly, with the broker's own words and no passcode, and tried again after 5 s,
        then 10, and so on; not at the pace of lost connections."""
        self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10").startService()
        pauses = []
        for _ in range(3):
            wire = self.reach()
            wire.say("ERROR", b"..", message="User name [admin] or password is invalid. (hunter2)")
            wire.lose()
            pauses.append(self.clock.getDelayedCalls()[0].getTime() - self.clock.seconds())
            self.clock.advance(pauses[-1])
        for pause, least in zip(pauses, (5, 10, 20), strict=True):
            self.assertTrue(least <= pause <= least * 1.25, pauses)
        self.assertRegex(
            self.warnings()[0],
            r"refused CONNECT: User name \[admin\] or password is invalid.*tcp://a:61613 will be tried again in \d",
        )
        self.assertNotIn("hunter2", "".join(self.warnings()))
        self.assertEqual({entry["log_level"] for entry in self.logged if "why" in entry}, {LogLevel.error})

    def test_closed_before_connected(self) -> None:
        """A broker that hangs up without CONNECTED is named as such, and the next one is tried."""
        self.sink().startService()
        self.reach().lose()
        self.assertIn("the broker closed the connection before it answered CONNECT", self.warnings()[0])
        self.clock.advance(0)
        self.assertEqual(self.attempts[-1][0].host, "b")

    def test_tls_failure_in_words(self) -> None:
        """What OpenSSL gives as a list of tuples is logged as its reason."""
        self.sink().startService()
        self.reach().lose(SSL.Error([("SSL routines", "", "certificate verify failed")]))
        self.assertIn(": TLS: certificate verify failed before it answered CONNECT.", self.warnings()[0])

    def test_handshake_timeout(self) -> None:
        """A broker that accepts and says nothing is dropped after 10 s."""
        self.sink().startService()
        wire = self.reach()
        self.advance(9.5)
        self.assertFalse(wire.closed)
        self.advance(2)
        self.assertTrue(wire.aborted)
        wire.lose(ConnectionLost())
        self.assertIn("no answer to CONNECT within 10 s", self.warnings()[0])

    def test_unusable_versions_and_beats(self) -> None:
        """CONNECTED with a version or heart-beats that make no sense drops the connection, and nothing worse."""
        for headers in (
            {"version": "3.0"},
            {"version": "1.2", "heart_beat": "a,b"},
            {"version": "1.2", "heart_beat": "1" + "0" * 400 + ",1" + "0" * 400},
        ):
            self.sink().startService()
            wire = self.reach()
            wire.say("CONNECTED", **headers)
            self.assertTrue(wire.aborted, headers)

    def test_nonsense(self) -> None:
        """Whatever is no STOMP drops the connection, with one line in the log."""
        for data in (
            b"HTTP/1.1 400 Bad Request\r\n\r\n\n\n",
            b"RECEIPT\nno separator\n\n\0",
            b"RECEIPT\nreceipt-id:\xff\n\n\0",
            b"RECEIPT\ncontent-length:x\n\n\0",
            b"RECEIPT\ncontent-length:-3\n\n\0\0\0",
            b"MESSAGE\ndestination:/queue/a\nmessage-id:1\nsubscription:1\n\nx\0",
            b"CONNECTED\nversion:1.2\n\n\0",
            b"\0" * 10 + b"\n\n",
        ):
            _, wire = self.started()
            self.logged.clear()
            wire.protocol.dataReceived(data)
            self.assertTrue(wire.aborted, data)
            wire.protocol.dataReceived(data)
            wire.lose()
            self.assertEqual(len(self.warnings()), 1, data)

    def test_receipt_without_id(self) -> None:
        """A RECEIPT that names nothing confirms nothing."""
        sink, wire = self.started()
        done = publish(sink, [event(1)])
        wire.say("RECEIPT")
        self.assertEqual(done.outcomes, [])

    def test_oversized(self) -> None:
        """A frame without end is not collected beyond 1 MiB; many small ones may be larger together."""
        _, wire = self.started()
        for _ in range(2 * MAX_FRAME // 60_000):
            wire.protocol.dataReceived(b"RECEIPT\nreceipt-id:9\n\n\0\n" * 2400)
        self.assertFalse(wire.closed)
        for _ in range(MAX_FRAME // 60_000 + 2):
            wire.protocol.dataReceived(b"x" * 60_000)
        self.assertTrue(wire.aborted)
        wire.lose()
        self.assertIn("without completing a frame", self.warnings()[0])
        self.assertLess(len(wire.protocol.parser._data), MAX_FRAME + 1)

    # -- time

    def test_silence_drops_the_connection(self) -> None:
        """A beat may be nearly twice as late as agreed, but not later."""
        self.sink().startService()
        wire = self.connect(heart_beat="10000,10000")
        for _ in range(3):
            self.advance(19.5)
            self.assertFalse(wire.closed)
            wire.protocol.dataReceived(b"\n")
        self.advance(22)
        self.assertTrue(wire.aborted)
        wire.lose()
        self.assertIn("agreed was a beat every 10.0 s", self.warnings()[0])

    def test_own_beats(self) -> None:
        """While there is nothing to send, beats go out more often than agreed; and data counts as a beat."""
        sink = self.sink(heartbeat=(10_000, 0))
        sink.startService()
        wire = self.connect(heart_beat="0,400")  # agreed: every 10 s
        self.advance(60)
        self.assertTrue(6 < len(wire.writes) <= 13, len(wire.writes))
        self.assertEqual(set(wire.writes), {b"\n"})
        wire.writes.clear()
        for number in range(20):
            publish(sink, [event(number)])
            self.advance(1)
        self.assertEqual(wire.writes.count(b"\n"), 0)

    def test_fast_beats(self) -> None:
        """Beats that are agreed faster than the usual tick are kept, from the first one on."""
        self.sink(heartbeat=(200, 0)).startService()
        wire = self.connect(heart_beat="0,200")
        for _ in range(20):
            wire.writes.clear()
            for _ in range(20):
                self.clock.advance(0.01)
            self.assertTrue(wire.writes)

    def test_receipt_timeout(self) -> None:
        """Parts outstanding and no receipt for 30 s: the connection is dropped, beats or not. A receipt in between
        is progress, and gives the others time."""
        sink, wire = self.started()
        publish(sink, [event(1)])
        publish(sink, [event(2)])
        self.advance(RECEIPT_TIMEOUT - 1)
        wire.say("RECEIPT", receipt_id="1")
        self.advance(RECEIPT_TIMEOUT - 1)
        self.assertFalse(wire.closed)
        self.advance(2)
        self.assertTrue(wire.aborted)
        wire.lose()
        self.assertIn("1 receipts are owed, and none came within 30 s", self.warnings()[0])

    def test_idle_time_is_no_receipt_time(self) -> None:
        """The receipt's time begins with the publish, not with the last one before a quiet hour."""
        sink, wire = self.started()
        self.advance(100)
        publish(sink, [event(1)])
        self.advance(RECEIPT_TIMEOUT - 1.1)
        self.assertFalse(wire.closed)

    def test_one_timer(self) -> None:
        """However much is outstanding, a connection has one timer; a lost one leaves none behind."""
        sink, wire = self.started()
        for number in range(50):
            publish(sink, [event(number)])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        wire.lose()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)  # the next attempt

    # -- stopping

    def test_stop_says_disconnect(self) -> None:
        """A stop says DISCONNECT, takes the receipts that still come, and closes on its own receipt."""
        sink, wire = self.started()
        kept, lost = publish(sink, [event(1)]), publish(sink, [event(2)])
        stopped = sink.stopService()
        *_, frame = wire.frames()
        self.assertEqual(frame.command, "DISCONNECT")
        wire.say("RECEIPT", receipt_id="1")
        self.assertTrue(kept.confirmed)
        self.assertEqual(lost.outcomes, [])
        wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        self.assertTrue(wire.closed)
        self.assertNoResult(stopped)
        wire.lose()
        self.successResultOf(stopped)
        self.assertEqual(lost.outcomes, [])
        self.assertEqual((self.clock.getDelayedCalls(), self.warnings()), ([], []))

    def test_stop_never_hangs(self) -> None:
        """A broker that does not answer DISCONNECT costs 2 s; nothing is said of what it did not confirm."""
        sink, wire = self.started(window=300)
        done = publish(sink, [event(1), event(2), event(3)])
        stopped = sink.stopService()
        self.advance(STOP_TIMEOUT - 0.2)
        self.assertNoResult(stopped)
        self.advance(0.4)
        self.successResultOf(stopped)
        self.assertTrue(wire.aborted)
        self.assertEqual(done.outcomes, [])
        wire.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_forgets_what_is_on_the_wire(self) -> None:
        """What was sent, but not confirmed within the stop's bound, is still owed: nothing is said of it."""
        sink, wire = self.started()
        done = publish(sink, [event(1), event(2)])
        sink.stopService()
        self.advance(STOP_TIMEOUT + 0.2)
        self.assertTrue(wire.aborted)
        wire.say("RECEIPT", receipt_id="1")
        self.assertEqual(done.outcomes, [])

    def test_stop_in_every_other_state(self) -> None:
        """Before the start, while an attempt is on its way, before CONNECTED, and between attempts: at once."""
        self.successResultOf(self.sink().stopService() or Deferred())

        sink = self.sink()
        sink.startService()
        self.clock.advance(0)
        self.successResultOf(sink.stopService())
        self.assertTrue(self.attempts[-1][2].called)

        sink = self.sink()
        sink.startService()
        wire = self.reach()
        stopped = sink.stopService()
        self.assertTrue(wire.aborted)
        wire.lose()
        self.successResultOf(stopped)

        sink, wire = self.started()
        wire.lose()
        self.successResultOf(sink.stopService())
        self.assertEqual((self.clock.getDelayedCalls()), [])

    def test_connected_too_late(self) -> None:
        """A connection that comes about although its attempt was cancelled is closed without a word."""
        sink = self.sink()
        sink.startService()
        self.clock.advance(0)
        _, factory, _ = self.attempts[-1]
        sink.stopService()
        protocol = factory.buildProtocol(None)
        wire = Wire(Broker("a", 1), protocol, "1.2")
        protocol.makeConnection(wire)
        self.assertEqual((wire.aborted, wire.writes), (True, []))
        wire.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_publish_after_stop(self) -> None:
        """After a stop a batch is not taken; after another start it is."""
        sink, wire = self.started()
        sink.stopService()
        wire.lose()
        self.assertEqual(publish(sink, [event(1)]).outcomes, [])
        sink.startService()
        done = publish(sink, [event(1)])
        wire = self.connect()
        self.assertEqual([frame.headers["event-id"] for frame in wire.frames()], ["e1"])
        self.assertEqual(done.outcomes, [])

    def test_start_while_stopping(self) -> None:
        """A start before the stop has ended ends it, and the new connection is left alone by the old timer."""
        sink, _ = self.started()
        stopped = sink.stopService()
        sink.startService()
        self.successResultOf(stopped)
        wire = self.connect()
        self.advance(STOP_TIMEOUT + 1)
        self.assertFalse(wire.closed)
        self.assertIsNotNone(sink.broker)

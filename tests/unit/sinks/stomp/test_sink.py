"""The STOMP sink: a producer for each kind of event, none of which waits for another."""

from collections.abc import Mapping
from random import Random
from typing import Any

from zope.interface.verify import verifyObject

from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, Event
from smsconnector.sinks import EventVerdict, IEventSink
from smsconnector.sinks.stomp.connection import SessionSettings
from smsconnector.sinks.stomp.sink import StompSink
from tests.unit.sinks.stomp.stage import BrokerOfBytes, Wire, event, publish

DESTINATIONS = {DELIVERY_REPORT: "delivery-report", INCOMING_MESSAGE: "/topic/incoming"}


class StompSinkTests(BrokerOfBytes):
    def make(
        self, uri: str = "tcp://a", headers: Mapping[str, Mapping[str, str]] | None = None, **settings: Any
    ) -> Any:
        made = SessionSettings(**settings)
        return StompSink(
            self.clock, uri, DESTINATIONS, made, headers=headers or {}, random=Random(1), endpoint=self.endpoint
        )

    def both(self, sink: StompSink) -> tuple[Wire, Wire]:
        """Start it; the connections for reports and for incoming texts."""
        sink.startService()
        self.clock.advance(0)
        found = []
        for broker, factory, reached in self.attempts[-2:]:
            protocol = factory.buildProtocol(None)
            wire = Wire(broker, protocol, "1.2")
            protocol.makeConnection(wire)
            reached.callback(protocol)
            wire.frames()
            wire.say("CONNECTED", version="1.2", server=self.server, heart_beat="10000,10000")
            found.append(wire)
        return found[0], found[1]

    def test_interface(self) -> None:
        """It is an IEventSink."""
        verifyObject(IEventSink, self.make())

    def test_bad_settings(self) -> None:
        """A URI or a login that can't be used is a ValueError at once; the passcode is not repeated."""
        self.assertRaises(ValueError, self.make, uri="http://a")
        error = self.assertRaises(ValueError, self.make, passcode="hunter2\nx")
        self.assertNotIn("hunter2", str(error))

    def test_events_stomp_cannot_carry(self) -> None:
        """A body that is no ASCII, as a rescued database may have it, or holds NUL, or an event of unknown kind is
        refused alone; the others are sent."""
        sink = self.make()
        wire, _ = self.both(sink)
        for bad in (
            Event(1, "x", DELIVERY_REPORT, "t", "\ufffd"),
            Event(1, "x", DELIVERY_REPORT, "t", "\0"),
            event(1, kind="?"),
        ):
            done = publish(sink, [event(2), bad])
            (outcome,) = done.outcomes
            self.assertEqual((outcome.events, outcome.verdict), ([bad], EventVerdict.REFUSED))
            self.assertEqual([frame.headers["event-id"] for frame in wire.frames()], ["e2"])

    def test_each_kind_has_its_own_connection(self) -> None:
        """ActiveMQ reads no more from a connection while the queue of one of its SENDs is full. So a full queue of
        incoming texts holds up no report, and ``troubles`` says which queue it is."""
        sink = self.make(headers={INCOMING_MESSAGE: {"_type": "Text"}})
        reports, texts = self.both(sink)
        events = [event(number, kind=(DELIVERY_REPORT, INCOMING_MESSAGE)[number % 2]) for number in range(10)]
        done = publish(sink, events)
        sent = texts.frames()
        self.assertEqual(
            {frame.headers["destination"] for frame in sent if frame.command == "SEND"}, {"/topic/incoming"}
        )
        self.assertEqual({frame.headers["_type"] for frame in sent if frame.command == "SEND"}, {"Text"})
        self.confirm_all(reports)
        self.assertEqual([one.id for outcome in done.outcomes for one in outcome.events], [0, 2, 4, 6, 8])
        publish(sink, [event(11, kind=INCOMING_MESSAGE)])
        self.assertEqual(sink.troubles, [])
        for _ in range(8):
            self.advance(1)
            reports.protocol.dataReceived(b"\n")
            texts.protocol.dataReceived(b"\n")
        self.confirm_all(reports)
        self.assertFalse(reports.closed)

    def test_destination_that_refuses_everything(self) -> None:
        """After three events in a row it is the destination: all that is for it is refused at once. The other kind of
        event does not even see it."""
        sink = self.make(uri="failover:(tcp://a)?initialReconnectDelay=10")
        reports, texts = self.both(sink)
        events = [event(number, kind=(INCOMING_MESSAGE, DELIVERY_REPORT)[number % 2]) for number in range(200)]
        done, connections = publish(sink, events), 0
        self.confirm_all(reports)
        self.assertEqual({one.id % 2 for outcome in done.outcomes for one in outcome.events}, {1})
        while sum(len(outcome.events) for outcome in done.outcomes) < 200:
            connections += 1
            self.refuse(texts)
            texts = self.connect()
        told = {one.id: outcome.verdict for outcome in done.outcomes for one in outcome.events}
        self.assertEqual({number % 2 for number, one in told.items() if one is EventVerdict.REFUSED}, {0})
        self.assertLess(connections, 20)
        self.assertFalse(reports.closed)

    def test_troubles_of_a_broker_that_is_away(self) -> None:
        """Both kinds say why, and since when; it is the time of the first failure, not of the latest."""
        sink = self.make(uri="failover:(tcp://a)?initialReconnectDelay=10")
        reports, texts = self.both(sink)
        self.advance(13)
        reports.lose()
        texts.lose()
        self.advance(1)
        since = {trouble.since for trouble in sink.troubles}
        self.assertEqual({trouble.state for trouble in sink.troubles}, {"down"})
        self.assertTrue(all("the broker closed the connection" in trouble.why for trouble in sink.troubles))
        self.assertEqual(len(sink.troubles), 2)
        self.assertTrue(all(self.clock.seconds() - one < 1.2 for one in since), since)

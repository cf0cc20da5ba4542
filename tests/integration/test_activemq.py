"""The STOMP sink with real brokers and a real JMS consumer: what the customer's application gets.

Brokers are killed and started again in mid-run. Nothing sleeps: a test waits for a Deferred, within a bound.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, Event
from smsconnector.sinks import EventOutcome, EventVerdict
from smsconnector.sinks.stomp.connection import SessionSettings
from smsconnector.sinks.stomp.sink import StompSink
from tests.integration import activemq, jms
from tests.recorded_log import RecordedLog

DESTINATIONS = {DELIVERY_REPORT: "delivery-report", INCOMING_MESSAGE: "incoming-message"}
BOUND = 20.0  # seconds


def report(number: int, jms_type: str = "smpp") -> Event:
    body = json.dumps({"MessageSID": f"SM{number:032x}", "DeliveryStatus": "DELIVERED", "ProviderStatusCode": 0})
    return Event(number, f"report-{number}", DELIVERY_REPORT, jms_type, body)


def until(condition: Callable[[], Any], within: float = BOUND) -> "Deferred[Any]":
    """Fires when the condition holds; fails when it does not within so many seconds."""
    deadline = time.monotonic() + within

    def look() -> None:
        if condition():
            loop.stop()
        elif time.monotonic() > deadline:
            raise TimeoutError(f"{condition} did not come true within {within} s")

    loop = LoopingCall(look)
    return loop.start(0.01)


def publish(sink: StompSink, events: list[Event]) -> "Deferred[None]":
    """Fires when the sink has said of all these that they are confirmed."""
    done: Deferred[None] = Deferred()
    told: list[Event] = []

    def settle(outcome: EventOutcome) -> None:
        assert outcome.verdict is EventVerdict.CONFIRMED, outcome
        told.extend(outcome.events)
        if len(told) == len(events):
            done.callback(None)

    sink.publish(events, settle)
    return done


class ActiveMQTests(TestCase):
    """Each test has its own brokers."""

    skip = activemq.available() or jms.available()
    timeout = 60

    def setUp(self) -> None:
        self.lines = RecordedLog(self).lines

    def broker(self, **settings: Any) -> activemq.ActiveMQ:
        broker = activemq.ActiveMQ(**settings)
        self.addCleanup(broker.stop)
        return broker.start()

    def sink(self, uri: str, **settings: Any) -> StompSink:
        sink = StompSink(reactor, uri, DESTINATIONS, SessionSettings(**settings))
        sink.startService()
        self.addCleanup(lambda: sink.stopService() if sink.running else None)
        return sink

    @inlineCallbacks
    def test_what_a_jms_client_gets(self) -> Any:
        """A persistent TextMessage with the channel as JMSType, exactly the body, and the event's id; in order,
        whether it came alone or in a transaction, on the queue of its kind."""
        broker = self.broker()
        sink = self.sink(broker.uri)
        odd = 'a:b\\c "ü"\n'
        yield publish(sink, [report(1, odd)])
        yield publish(sink, [report(2), report(3), Event(4, odd, INCOMING_MESSAGE, "twilio", '{"Body": "\\u00fc"}')])
        reports = yield jms.consume(broker.jms_url, "delivery-report", 3, silence=3)
        for number, message in enumerate(reports, 1):
            self.assertEqual(
                message,
                {
                    "kind": "TextMessage",
                    "type": odd if number == 1 else "smpp",
                    "persistent": True,
                    "redelivered": False,
                    "event_id": f"report-{number}",
                    "correlation": f"SM{number:032x}",
                    "spring": None,
                    "text": report(number).body,
                },
            )
        self.assertEqual(len(reports), 3)
        (incoming,) = yield jms.consume(broker.jms_url, "incoming-message", 1, silence=3)
        self.assertEqual((incoming["type"], incoming["event_id"]), ("twilio", odd))
        self.assertEqual((incoming["kind"], incoming["text"]), ("TextMessage", '{"Body": "\\u00fc"}'))

    @inlineCallbacks
    def test_selectors(self) -> Any:
        """A JMS consumer selects by names that are identifiers of Java; Spring finds its type id."""
        broker = self.broker()
        settings = SessionSettings()
        headers = {DELIVERY_REPORT: {"_type": "com.example.Report"}}
        sink = StompSink(reactor, broker.uri, DESTINATIONS, settings, headers=headers)
        sink.startService()
        self.addCleanup(sink.stopService)
        yield publish(sink, [report(number) for number in range(5)])
        selector = "event_id = 'report-3' AND DeliveryStatus = 'DELIVERED' AND channel = 'smpp' AND _type LIKE 'com.%'"
        found = yield jms.consume(broker.jms_url, "delivery-report", 2, 1, selector)
        self.assertEqual([(one["event_id"], one["spring"]) for one in found], [("report-3", "com.example.Report")])

    @inlineCallbacks
    def test_outage(self) -> Any:
        """The broker is killed in the middle of 2,000 events and started again: every event arrives, and a repeat
        can be told by its event-id."""
        broker = self.broker(persistent=True)
        sink = self.sink(broker.uri)
        batches = [[report(number) for number in range(start, start + 50)] for start in range(0, 2000, 50)]
        confirmed: list[None] = []
        published = [publish(sink, batch).addCallback(confirmed.append) for batch in batches[:20]]
        yield until(lambda: len(confirmed) >= 3)
        broker.kill()
        published += [publish(sink, batch).addCallback(confirmed.append) for batch in batches[20:]]
        yield until(lambda: not sink.connected)
        self.assertLess(len(confirmed), len(batches))
        yield deferToThread(broker.start)
        yield DeferredList(published, fireOnOneErrback=True).addTimeout(BOUND, reactor)
        self.assertEqual(len(confirmed), len(batches))
        messages = yield jms.consume(broker.jms_url, "delivery-report", 10_000, silence=2)
        texts: dict[str, str] = {}
        for message in messages:
            self.assertEqual(texts.setdefault(message["event_id"], message["text"]), message["text"])
        self.assertEqual(texts, {event.event_id: event.body for batch in batches for event in batch})

    @inlineCallbacks
    def test_failover(self) -> Any:
        """When the first broker dies, the second one of the list gets the events."""
        first, second = self.broker(), self.broker()
        sink = self.sink(f"failover:({first.uri},{second.uri})?randomize=false")
        yield publish(sink, [report(1)])
        first.kill()
        yield publish(sink, [report(2), report(3)]).addTimeout(BOUND, reactor)
        self.assertEqual(str(sink.producers[DELIVERY_REPORT].broker), second.uri)
        messages = yield jms.consume(second.jms_url, "delivery-report", 2, silence=3)
        self.assertEqual([message["event_id"] for message in messages], ["report-2", "report-3"])
        self.assertTrue(any(f"{second.uri} will be tried" in line for line in self.lines), self.lines)

    @inlineCallbacks
    def test_login(self) -> Any:
        """The right login is accepted; a wrong one is said loudly with the broker's words, and paced."""
        broker = self.broker(login="admin", passcode="right")
        yield publish(self.sink(broker.uri, login="admin", passcode="right"), [report(1)]).addTimeout(BOUND, reactor)
        wrong = self.sink(broker.uri, login="admin", passcode="wrong")
        yield until(lambda: any("refused CONNECT" in line for line in self.lines))
        for line in [line for line in self.lines if "refused CONNECT" in line]:
            self.assertIn("User name [admin] or password is invalid", line)
            self.assertRegex(line, r"will be tried again in [56]\.\d s")
        yield wrong.stopService()

    @inlineCallbacks
    def test_stop(self) -> Any:
        """A stop in the middle of publishing ends quickly; nothing is said of what was not confirmed until then."""
        broker = self.broker()
        sink = self.sink(broker.uri)
        ended: list[Any] = []
        for start in range(0, 5000, 100):
            publish(sink, [report(number) for number in range(start, start + 100)]).addCallback(ended.append)
        yield until(lambda: ended)
        yield sink.stopService().addTimeout(3, reactor)
        told = len(ended)
        yield until(lambda: not sink.connected)
        self.assertEqual(len(ended), told)

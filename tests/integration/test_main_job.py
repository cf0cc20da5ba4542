"""The main job on real parts, counted from outside: what was answered 200, what the SMSC took, what the queue got.

HTTP -> the connector's process -> SMPP -> the simulated SMSC -> receipts -> a real ActiveMQ -> a JMS consumer.
"""

import json
import signal
from collections import Counter
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smsconnector.walks.outbox_reading import EVENTS_AT_ONCE
from smsconnector.walks.publisher import CHUNKS_AT_SINK
from tests.integration import activemq, jms
from tests.integration.stack import Connector, Load, Network, until

reactor: Any = _reactor
WINDOW = 50


class MainJobCase(TestCase):
    skip = activemq.available() or jms.available()
    timeout = 180

    @inlineCallbacks
    def set_up(self, binds: int = 1, **behaviour: Any) -> Any:
        """``binds``: each to an SMSC of its own."""
        self.broker = activemq.ActiveMQ(persistent=True)
        self.addCleanup(self.broker.stop)
        self.broker.start()
        self.networks = [Network(**({"receipt_delay": 0.2} | behaviour)) for _ in range(binds)]
        for network in self.networks:
            network.listen()
            self.addCleanup(network.cut)
        self.network = self.networks[0]
        self.connector = Connector([network.number for network in self.networks], self.broker.uri)
        self.addCleanup(self.connector.close)
        yield self.connector.start()

    @inlineCallbacks
    def reports(self, expected: int, silence: float = 5.0) -> Any:
        """All that is on the queue: waits for as many, and then for the silence after them."""
        found = yield jms.consume(self.broker.jms_url, "delivery-report", expected * 2, silence)
        return found

    def check_reports(self, reports: list[dict[str, Any]], accepted: list[str]) -> None:
        """One each for all that was accepted; by their event-id none twice."""
        by_event = {one["event_id"]: json.loads(one["text"])["MessageSID"] for one in reports}
        told = Counter(by_event.values())
        self.assertEqual(set(accepted) - set(told), set(), "messages without a report")
        self.assertEqual([sid for sid, count in told.items() if count > 1], [], "messages with two reports")

    def check_told_again(self, event_ids: list[str]) -> None:
        """After one outage of the broker: what comes twice is what had no receipt then, at most what the publisher
        has at the sink at once. It comes in the same order directly after the first time, and nothing else does."""
        first: dict[str, int] = {}
        again = [place for place, name in enumerate(event_ids) if first.setdefault(name, place) != place]
        self.assertLessEqual(len(again), EVENTS_AT_ONCE * CHUNKS_AT_SINK)
        if again:
            seam = again[0]
            self.assertEqual(again, list(range(seam, seam + len(again))), "told again, and not in one run")
            self.assertEqual(event_ids[seam : seam + len(again)], event_ids[seam - len(again) : seam])

    def submits(self) -> Counter[bytes]:
        return Counter(entry.short_message for network in self.networks for entry in network.taken)

    @inlineCallbacks
    def test_ten_thousand(self) -> Any:
        """10,000 sends at 32 connections: every message submitted once, one report each, none twice."""
        yield self.set_up()
        load = Load(self.connector.port, 10_000)
        yield load.run()
        self.assertEqual((len(load.accepted), load.refused), (10_000, []))
        reports = yield self.reports(10_000)
        self.assertEqual(len(reports), 10_000)
        self.check_reports(reports, load.accepted)
        submits = self.submits()
        self.assertEqual((len(submits), set(submits.values())), (10_000, {1}))
        first = reports[0]
        self.assertEqual((first["kind"], first["type"], first["persistent"]), ("TextMessage", "smpp", True))
        self.assertEqual(set(json.loads(first["text"])), {"MessageSID", "DeliveryStatus", "ProviderStatusCode"})

    @inlineCallbacks
    def test_kill(self) -> Any:
        """kill -9 in the middle, restart: nothing accepted is missing, repeats are at most the window."""
        yield self.set_up()
        load = Load(self.connector.port, 6_000)
        running = load.run()
        yield until(lambda: len(load.accepted) > 2_000, 60)
        self.connector.kill()
        yield self.connector.start()
        yield running
        reports = yield self.reports(6_000)
        self.check_reports(reports, load.accepted)
        repeats = sum(count - 1 for count in self.submits().values())
        self.assertLessEqual(repeats, WINDOW)

    @inlineCallbacks
    def test_one_of_two_binds(self) -> Any:
        """One of two SMSCs is cut off in mid-run and comes back: 10,000 messages, none lost, one report each; none is
        submitted twice but those that were under way there, whose fate nobody knows."""
        yield self.set_up(binds=2, response_delay=0.02)
        first, second = self.networks
        load = Load(self.connector.port, 10_000)
        running = load.run()
        yield until(lambda: len(load.accepted) > 3_000, 60)
        under_way = {entry.short_message for entry in first.taken[-WINDOW:]}
        yield first.cut()
        taken_before = len(second.taken)
        yield until(lambda: len(load.accepted) > 6_000, 60)
        first.listen()
        yield running
        reports = yield self.reports(10_000)
        self.check_reports(reports, load.accepted)
        submits = self.submits()
        self.assertEqual((len(load.accepted), len(submits)), (10_000, 10_000))
        self.assertLessEqual({text for text, count in submits.items() if count > 1}, under_way)
        self.assertGreater(len(second.taken) - taken_before, 1_000)
        self.assertGreater(len(first.taken), 1_600)

    @inlineCallbacks
    def test_outages(self) -> Any:
        """The broker away for 20 s in mid-run, then the SMSC: nothing is missing, and by its event-id no report is
        repeated. What the broker was asked to keep when it stopped, and kept without a word, it is told again."""
        yield self.set_up()
        load = Load(self.connector.port, 6_000, connections=10, pause=0.08)
        running = load.run()
        yield until(lambda: len(load.accepted) > 500, 60)
        self.broker.terminate()
        yield deferLater(reactor, 20)
        self.broker.start()
        yield until(lambda: len(load.accepted) > 3_000, 60)
        yield self.network.cut()
        yield deferLater(reactor, 20)
        self.network.listen()
        yield running
        self.assertEqual(load.refused, [])
        yield until(lambda: len(self.submits()) >= 6_000, 60)
        reports = yield self.reports(6_000)
        self.check_reports(reports, load.accepted)
        self.check_told_again([one["event_id"] for one in reports])
        repeats = sum(count - 1 for count in self.submits().values())
        self.assertLessEqual(repeats, WINDOW)

    @inlineCallbacks
    def test_stop(self) -> Any:
        """SIGTERM drains and ends with 143, within its bound, and loses nothing."""
        yield self.set_up()
        load = Load(self.connector.port, 1_000)
        yield load.run()
        code = yield deferToThread(self.connector.terminate)
        self.assertIn(code, (143, -signal.SIGTERM))
        self.assertIn("stopped", self.connector.said())
        yield self.connector.start()
        reports = yield self.reports(1_000)
        self.check_reports(reports, load.accepted)
        self.assertEqual(set(self.submits().values()), {1})

"""A channel and a sink of foreign types, added to the two dicts: the daemon runs with them and no module is touched."""

import json
from functools import partial
from typing import Any
from unittest import mock

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.access.keeper import Keeper
from smsconnector.channels.types import CHANNEL_TYPES
from smsconnector.config import parse
from smsconnector.errors import ConfigurationError
from smsconnector.messages import DELIVERY_REPORT
from smsconnector.service import Connector
from smsconnector.sinks.types import SINK_TYPES
from smsconnector.store.inbox import Done
from smsconnector.store.operations import Query
from smsconnector.store.store import Store
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH, AtOnce, DirectWriter
from tests.unit.toy import TOY_CHANNEL, TOY_SINK, ToyChannel, ToyChannelSection, ToySink

CONFIGURATION = """
http: {endpoints: ["tcp:8080:interface=127.0.0.1"]}
store: {path: "%s"}
events: {sink: toy, box: letters}
channels:
  play: {type: toy, line: red, lifetime: 60}
"""


class StartedWriter(DirectWriter):
    """A writer without a thread that gets its store when the connector starts, as the real one."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.listeners = clock, []

    def start(self, store: Store) -> None:
        listeners = self.listeners
        super().__init__(self.clock, store)
        self.listeners = listeners

    def stop(self) -> "Deferred[None]":
        self.store.close()
        return succeed(None)


class StartedReader:
    """Reads by way of the writer."""

    def __init__(self, case: "DaemonCase") -> None:
        self._case = case

    def start(self, path: str) -> None:
        """The store is open."""

    def put(self, query: Query, done: Done) -> None:
        self._case.connector.writer.put(query, done)

    def stop(self) -> "Deferred[None]":
        return succeed(None)


class TypesCase(SynchronousTestCase):
    def setUp(self) -> None:
        for types, entry in ((CHANNEL_TYPES, TOY_CHANNEL), (SINK_TYPES, TOY_SINK)):
            patch: Any = mock.patch.dict(types, {"toy": entry})
            patch.start()
            self.addCleanup(patch.stop)
        self.path = self.mktemp()


class SectionsCase(TypesCase):
    def problems(self, text: str) -> dict[str, str]:
        error = self.assertRaises(ConfigurationError, parse, text, {})
        return dict(error.problems)

    def test_its_own_model(self) -> None:
        """The section of a channel is checked by the model of its type, with what all types have."""
        section = parse(CONFIGURATION % self.path).channels["play"]
        assert isinstance(section, ToyChannelSection)
        self.assertEqual((section.line, section.lifetime, section.retry.maximum), ("red", 60.0, 300.0))

    def test_its_own_problems(self) -> None:
        """What is wrong comes with the same paths as for every other type; files are looked at last."""
        text = CONFIGURATION % self.path
        problems = self.problems(text.replace("line: red, lifetime: 60", "lifetime: 0, binds: []"))
        self.assertEqual(set(problems), {f"channels.play.{key}" for key in ("line", "lifetime", "binds")})
        self.assertEqual(set(self.problems(text.replace("box", "uri"))), {"events.box", "events.uri"})
        self.assertEqual(self.problems(text.replace("red", "engaged")), {"channels.play.line": "the line is engaged"})

    def test_known_types(self) -> None:
        """Who writes a type that is not there is told which are."""
        text = CONFIGURATION.replace("toy", "toi") % self.path
        wanted = "one of these is wanted here: "
        channels, sinks = ", ".join(CHANNEL_TYPES), ", ".join(SINK_TYPES)
        self.assertEqual(self.problems(text), {"channels.play.type": wanted + channels, "events.sink": wanted + sinks})

    def test_kin(self) -> None:
        """Which accounts belong together is for each type to say."""
        self.assertEqual(parse(CONFIGURATION % self.path).kin, {"red": ("red", "other")})


class DaemonCase(TypesCase):
    """The whole connector, with time and the listening port in memory."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()
        self.connector = Connector(
            self.reactor,
            parse(CONFIGURATION % self.path),
            WallClock(lambda: EPOCH + self.reactor.seconds()),
            lambda reactor, damaged: StartedWriter(reactor),
            lambda reactor, damaged: StartedReader(self),
            make_keeper=partial(Keeper, threads=AtOnce),
        )
        self.channel, self.sink = self.connector.outlets["play"].channel, self.connector.sinks["toy"]

    def start(self) -> None:
        self.connector.startService()
        self.addCleanup(self.stop)
        self.settle()

    def stop(self) -> None:
        stopped: list[Any] = []
        self.connector.stopService().addCallback(stopped.append)
        self.settle()
        self.assertEqual(stopped, [None])

    def settle(self) -> None:
        for _ in range(20):
            self.reactor.advance(0)

    def request(self, first: str, body: str = "") -> tuple[int, Any]:
        """Status and JSON of the answer."""
        protocol: Any = self.reactor.tcpServers[0][1].buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        transport = StringTransport()
        protocol.makeConnection(transport)
        head = f"{first} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        protocol.dataReceived((head + body).encode())
        self.settle()
        answered_head, _, answer = transport.value().partition(b"\r\n\r\n")
        return int(answered_head.split()[1]), json.loads(answer) if answer else None

    def test_made_and_not_started(self) -> None:
        """Making the connector starts nothing: neither a port, nor a timer, nor a channel."""
        self.assertEqual((self.reactor.tcpServers, self.reactor.getDelayedCalls()), ([], []))
        assert isinstance(self.channel, ToyChannel)
        self.assertFalse(self.channel.running)

    def test_text_and_report(self) -> None:
        """A text that is posted goes out by the channel, and its report arrives at the sink."""
        assert isinstance(self.channel, ToyChannel)
        assert isinstance(self.sink, ToySink)
        self.start()
        status, _ = self.request("POST /msg-client/send", '{"To": "+923001234567", "Body": "hello"}')
        self.assertEqual((status, self.channel.sent), (200, ["hello"]))
        self.reactor.advance(1)
        self.settle()
        (event,) = self.sink.events
        self.assertEqual((self.sink.box, event.kind), ("letters", DELIVERY_REPORT))
        self.assertEqual(json.loads(event.body)["DeliveryStatus"], "DELIVERED")

    def test_cut_by_the_channel(self) -> None:
        """How long a text may be is for the channel to say."""
        self.start()
        status, answer = self.request("POST /msg-client/send", json.dumps({"To": "+923001234567", "Body": "x" * 200}))
        self.assertEqual((status, answer["error"]["field"]), (400, "Body"))

    def test_health(self) -> None:
        """Its parts are in the answer, and the sink counts as the broker."""
        self.start()
        status, answer = self.request("GET /msg-client/health")
        self.assertEqual((status, answer["binds"], answer["broker"]), (200, {"play/red": "open"}, "connected"))

    def test_started_and_stopped(self) -> None:
        """Channel and sink run with the connector, and nothing is left to be called after its stop."""
        self.start()
        assert isinstance(self.channel, ToyChannel)
        assert isinstance(self.sink, ToySink)
        self.assertTrue(self.channel.running and self.sink.running)
        self.doCleanups()
        self.assertFalse(self.channel.running or self.sink.running)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

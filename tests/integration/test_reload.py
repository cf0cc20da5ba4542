"""Another configuration while a real connector works: counted from outside, by the SMSCs and by the reports."""

import collections
import http.client
import shutil
import signal
import ssl
from pathlib import Path
from typing import Any

import yaml
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.integration.activemq import free_port
from tests.integration.certificates import Authority
from tests.integration.stack import Connector, Load, Network, reactor, until

TEXTS, RELOADS = 3_000, 20


class ReloadCase(TestCase):
    timeout = 180

    def setUp(self) -> None:
        self.networks = [Network(receipt_delay=0.05, sessions=1, password="test") for _ in range(3)]
        for network in self.networks:
            network.listen()
            self.addCleanup(network.cut)
        ports = [network.number for network in self.networks]
        self.connector = Connector(ports, f"failover:(tcp://127.0.0.1:{free_port()})")
        self.addCleanup(self.connector.close)
        self.path = Path(self.connector.folder, "connector.yaml")
        self.whole = yaml.safe_load(self.path.read_text())
        self.write(binds=self.binds(2))

    def binds(self, count: int, **changes: Any) -> list[dict[str, Any]]:
        """The first so many; the last of them with these changes."""
        binds = [dict(one) for one in self.whole["channels"]["smpp"]["binds"][:count]]
        binds[-1] |= changes
        return binds

    def write(self, **section: Any) -> None:
        """These keys of the channel, and what else the file has."""
        channel = self.whole["channels"]["smpp"] | section
        self.path.write_text(yaml.safe_dump(self.whole | {"channels": {"smpp": channel}}))

    def reload(self) -> None:
        assert self.connector.process is not None
        self.connector.process.send_signal(signal.SIGHUP)

    @inlineCallbacks
    def await_reload(self, words: str, **section: Any) -> Any:
        """Write it, have it read, and wait until the log has the words once more."""
        before = self.connector.said().count(words)
        self.write(**section)
        self.reload()
        yield until(lambda: self.connector.said().count(words) > before, 20)

    def connections(self, network: int) -> int:
        """How many there were."""
        return len(self.networks[network]._protocols)

    @inlineCallbacks
    def start(self) -> Any:
        self.connector.start()
        yield until(self.connector.is_up, 30)
        yield until(lambda: self.connector.said().count("bound as") == 2, 20)

    @inlineCallbacks
    def test_under_load(self) -> Any:
        """Binds are added, changed and removed 20 times while texts flow: each text has one report, no SMSC gets one
        twice, and the bind that nothing is said of keeps its connection."""
        yield self.start()
        load = Load(self.connector.port, TEXTS, connections=16, pause=0.04)
        running = load.run()
        variants = [
            self.binds(3),
            self.binds(3, window=7),
            self.binds(3, to=["923000"]),
            self.binds(2, throughput=900),
            self.binds(1),
        ]
        for number in range(RELOADS):
            yield self.await_reload("reload: done", binds=variants[number % len(variants)])
            yield deferLater(reactor, 0.05)
        posted_by_then = len(load.accepted)
        yield running
        yield self.await_reload("reload: done", binds=self.binds(3))  # an SMSC keeps receipts for a bind that is gone
        yield until(lambda: len(self.connector.reports()) >= len(load.accepted), 60)
        reports = collections.Counter(sid for sid, _ in self.connector.reports())
        self.assertEqual({sid: reports[sid] for sid in load.accepted}, dict.fromkeys(load.accepted, 1))
        self.assertEqual({state for _, state in self.connector.reports()}, {"DELIVERED"})
        self.assertGreater(posted_by_then, 100)
        self.assertEqual(load.refused, [])
        taken = collections.Counter(entry.destination for network in self.networks for entry in network.taken)
        self.assertEqual([text for text, count in taken.items() if count > 1], [])
        self.assertEqual(len(taken), TEXTS)
        self.assertEqual(self.connections(0), 1)
        self.assertGreater(min(self.connections(1), self.connections(2)), 2)
        self.assertNotIn("Traceback", self.connector.said())

    def status(self, key: str) -> int:
        """Of a request with this key."""
        connection = http.client.HTTPConnection("127.0.0.1", self.connector.port, timeout=10)
        connection.request("GET", "/msg-client/messages", headers={"X-API-Key": key})
        return connection.getresponse().status

    @inlineCallbacks
    def test_keys_and_networks(self) -> Any:
        """Who may come in is what the file says now: keys, and the networks that requests come from."""
        self.whole["http"] |= {"api_keys": ["one"]}
        self.write(binds=self.binds(2))
        yield self.start()
        for settings, wanted in (
            ({"api_keys": ["two"]}, {"one": 401, "two": 200}),
            ({"networks": ["10.0.0.0/8"]}, {"two": 403}),
            ({"networks": [], "rate_limit": 0.01}, {"two": 200}),
        ):
            self.whole["http"] |= settings
            yield self.await_reload("reload: done", binds=self.binds(2))
            for key, status in wanted.items():
                found = yield deferToThread(self.status, key)
                self.assertEqual(found, status, f"{settings}, {key}")
        self.whole["http"]["api_keys"] = []
        yield self.await_reload("no key would be left", binds=self.binds(2))
        found = yield deferToThread(self.status, "one")
        self.assertEqual(found, 401)
        self.assertEqual([self.connections(number) for number in range(3)], [1, 1, 0])

    @inlineCallbacks
    def test_certificate(self) -> Any:
        """A certificate that was renewed is presented after a reload of the same file, and the log says so at once; one
        that can't be used is told too. A connection that stands goes on."""
        authority = Authority(str(self.connector.folder))
        pem = self.path.with_name("door.pem")
        shutil.copy(authority.issue("first"), pem)
        endpoint = f"ssl:{self.connector.port}:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
        self.whole["http"] |= {"endpoints": [endpoint], "api_keys": ["one"]}
        self.write(binds=self.binds(2))
        yield self.start()
        context = ssl._create_unverified_context()

        def connect() -> tuple[http.client.HTTPSConnection, bytes]:
            connection = http.client.HTTPSConnection("127.0.0.1", self.connector.port, timeout=10, context=context)
            connection.connect()
            return connection, connection.sock.getpeercert(binary_form=True) or b""

        def status(connection: http.client.HTTPSConnection) -> int:
            connection.request("GET", "/msg-client/health", headers={"X-API-Key": "one"})
            answer = connection.getresponse()
            answer.read()
            return answer.status

        kept, first = yield deferToThread(connect)
        self.assertEqual((yield deferToThread(status, kept)), 200)
        pem.write_text("-----BEGIN CERTIFICATE-----\n")
        yield self.await_reload("the configuration stays as it was: http.endpoints", binds=self.binds(2))
        shutil.copy(authority.issue("second"), pem)
        yield self.await_reload("it is presented from now on", binds=self.binds(2))
        _, second = yield deferToThread(connect)
        self.assertNotEqual(first, second)
        self.assertEqual((yield deferToThread(status, kept)), 200)

    @inlineCallbacks
    def test_refused(self) -> Any:
        """What is wrong, or needs a restart, changes nothing at all, and the log says why; a line for each."""
        yield self.start()
        yield self.await_reload("binds[1].window", binds=self.binds(2, window=-1, sessions=0))
        self.assertIn("channels.smpp.binds[1].sessions", self.connector.said())
        self.whole["http"]["idle_timeout"] = 7
        yield self.await_reload("http.idle_timeout: can't change while the connector runs", binds=self.binds(1))
        del self.whole["http"]["idle_timeout"]
        self.assertEqual([self.connections(number) for number in range(3)], [1, 1, 0])
        yield self.await_reload("reload: done", binds=self.binds(3))
        yield until(lambda: self.connections(2) == 1, 20)

    @inlineCallbacks
    def test_password_and_port(self) -> Any:
        """A wrong password is refused by the SMSC, as at a start, and the next reload mends it at once; the other bind
        stays all the time, also while an SMSC is down."""
        yield self.start()
        yield self.await_reload("refused the bind", binds=self.binds(2, password="wrong"))
        yield self.await_reload("bound as", binds=self.binds(2))
        yield self.networks[1].cut()
        yield self.await_reload("no connection", binds=self.binds(2, window=9))
        self.networks[1].listen()
        yield self.await_reload("bound as", binds=self.binds(2, window=8))
        self.assertEqual(self.connections(0), 1)

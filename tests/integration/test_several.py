"""Several connector processes on one port: each gets a share, one that stops in order loses no connection, and one that
is killed takes nothing with it but its own connections."""

import collections
import http.client
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.integration.activemq import free_port
from tests.integration.certificates import Authority
from tests.integration.stack import Connector, Network, until

CONNECTIONS = 200
CLIENTS = 16


def post(connection: http.client.HTTPConnection, number: int) -> str:
    """The MessageSID; "503" or so if it was refused."""
    body = json.dumps({"To": f"+9230{number:08d}", "Body": f"text {number}"})
    connection.request("POST", "/msg-client/send", body)
    answer = connection.getresponse()
    answer.read()
    return answer.headers["X-Message-SID"] if answer.status == 200 else str(answer.status)


class Clients:
    """Threads that send texts, each by a new connection, or all of a thread by one that is kept (``kept``). ``ends``
    counts what became of a request that was begun: "accepted", or how it failed."""

    def __init__(self, port: int, kept: bool = False) -> None:
        self.accepted: list[str] = []
        self.ends: collections.Counter[str] = collections.Counter()
        self.slowest_s = 0.0
        self._port, self._kept, self._number, self._go_on = port, kept, 0, True
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CLIENTS)]

    def start(self) -> None:
        for one in self._threads:
            one.start()

    def end(self) -> None:
        self._go_on = False
        for one in self._threads:
            one.join(20)

    def _work(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while self._go_on:
            with self._lock:
                self._number += 1
                number = self._number
            begun = time.monotonic()
            connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            try:
                sid = post(connection, number)
            except (OSError, http.client.HTTPException) as error:
                sid, end = "", type(error).__name__
            else:
                end = "accepted" if sid.startswith("SM") else sid
            with self._lock:
                self.ends[end] += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
                if end == "accepted":
                    self.accepted.append(sid)
            if not (self._kept and end == "accepted"):
                connection.close()
                connection = None


class SeveralCase(TestCase):
    timeout = 120

    def instance(self, network: Network, shared: list[str], **http: Any) -> Connector:
        connector = Connector(
            [network.number], f"tcp://127.0.0.1:{free_port()}", http={"shared_endpoints": shared} | http
        )
        self.addCleanup(connector.close)
        return connector

    @inlineCallbacks
    def set_up(self, *shared: str) -> Any:
        """Two of them, each with an SMSC of its own."""
        self.port = free_port()
        self.shared = list(shared) or [f"tcp:{self.port}:interface=127.0.0.1"]
        self.networks = [Network(receipt_delay=0.05), Network(receipt_delay=0.05)]
        own = [free_port(), free_port()]
        self.instances = []
        for network, port, other in zip(self.networks, own, reversed(own), strict=True):
            network.listen()
            self.addCleanup(network.cut)
            http = {"endpoints": [f"tcp:{port}:interface=127.0.0.1"], "siblings": [f"http://127.0.0.1:{other}"]}
            self.instances.append(self.instance(network, self.shared, **http))
        for one in self.instances:
            yield self.start(one)

    @inlineCallbacks
    def start(self, connector: Connector) -> Any:
        yield connector.start()
        yield until(lambda: connector.said().count("HTTP on") == 1 + len(self.shared), 20)

    def stored(self, connector: Connector) -> list[str]:
        with closing(sqlite3.connect(f"file:{connector.folder / 'smsconnector.db'}?mode=ro", uri=True)) as database:
            return [sid for (sid,) in database.execute("SELECT sid FROM message")]

    def all_stored(self) -> list[str]:
        return [sid for one in self.instances for sid in self.stored(one)]

    def delivered(self, connector: Connector) -> set[str]:
        return {sid for sid, status in connector.reports() if status == "DELIVERED"}

    @inlineCallbacks
    def test_both_get_some(self) -> Any:
        """Of 200 connections each gets between a third and two thirds; what one accepted is its own to the end."""
        yield self.set_up()

        def work() -> list[str]:
            sids = []
            for number in range(CONNECTIONS):
                with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
                    sids += [post(connection, number) for _ in range(2)]
            return sids

        sids = yield deferToThread(work)
        self.assertEqual(sorted(self.all_stored()), sorted(sids))
        for one in self.instances:
            self.assertIn(len(self.stored(one)), range(2 * CONNECTIONS // 3, 4 * CONNECTIONS // 3))
        yield until(lambda: all(self.delivered(one) == set(self.stored(one)) for one in self.instances), 20)

    @inlineCallbacks
    def test_asked_for(self) -> Any:
        """A GET finds a message whichever process it reaches. 404 is said of what nobody has, and 503 of what a process
        may have that is down."""
        yield self.set_up()

        def status(path: str) -> int:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
                connection.request("GET", path)
                answer = connection.getresponse()
                body = json.loads(answer.read())
                if answer.status == 200:
                    self.assertEqual(body["MessageSID"], path.rpartition("/")[2])
                return answer.status

        def send() -> list[str]:
            sids = []
            for number in range(40):
                with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
                    sids.append(f"/msg-client/messages/{post(connection, number)}")
            return sids

        paths = yield deferToThread(send)
        missing = "/msg-client/messages/SM" + "0" * 32
        found = yield deferToThread(lambda: ({status(path) for path in paths}, {status(missing) for _ in range(20)}))
        self.assertEqual(found, ({200}, {404}))
        gone, left = self.instances
        of_left = [f"/msg-client/messages/{sid}" for sid in self.stored(left)]
        gone.kill()
        found = yield deferToThread(lambda: ({status(path) for path in of_left}, status(missing), status(paths[0])))
        self.assertEqual(found, ({200}, 503, 200 if paths[0] in of_left else 503))

    @inlineCallbacks
    def test_tls_and_ipv6(self) -> Any:
        """They share these as well: both processes answer at each."""
        authority = Authority(self.mktemp())
        pem = Path(authority.issue("localhost")).resolve()
        tls_port, six_port = free_port(), free_port()
        yield self.set_up(
            f"ssl:{tls_port}:interface=127.0.0.1:privateKey={pem}:certKey={pem}", rf"tcp6:{six_port}:interface=\:\:1"
        )
        context = ssl.create_default_context(cafile=authority.ca_file)

        def work(make: Any) -> None:
            for number in range(40):
                with closing(make()) as connection:
                    self.assertTrue(post(connection, number).startswith("SM"))

        before = [0, 0]
        for make in (
            lambda: http.client.HTTPSConnection("localhost", tls_port, context=context, timeout=10),
            lambda: http.client.HTTPConnection("::1", six_port, timeout=10),
        ):
            yield deferToThread(work, make)
            after = [len(self.stored(one)) for one in self.instances]
            self.assertEqual(sum(after), sum(before) + 40)
            self.assertTrue(all(new > old for new, old in zip(after, before, strict=True)), (before, after))
            before = after

    @inlineCallbacks
    def test_stopped_in_order(self) -> Any:
        """One stops and starts again and again while clients make a connection for each text: none of them is refused,
        reset or left without an answer, and all that was accepted is delivered. (A listening socket that is simply
        closed resets what it has not accepted.)"""
        yield self.set_up()
        clients = Clients(self.port)
        clients.start()
        self.addCleanup(clients.end)
        for turn in range(4):
            one = self.instances[turn % 2]
            yield deferToThread(time.sleep, 1.0)
            code = yield deferToThread(one.terminate)
            self.assertIn(code, (-signal.SIGTERM, 128 + signal.SIGTERM))
            yield self.start(one)
        yield deferToThread(clients.end)
        self.assertEqual(dict(clients.ends), {"accepted": len(clients.accepted)})
        self.assertLess(clients.slowest_s, 5.0)  # a SYN that came while a port was being closed comes again after 1 s
        self.assertEqual(sorted(self.all_stored()), sorted(clients.accepted))
        yield until(lambda: all(self.delivered(one) == set(self.stored(one)) for one in self.instances), 30)

    @inlineCallbacks
    def test_kept_connections(self) -> Any:
        """Clients that keep their connections are told to make new ones before the process ends: none of their requests
        is refused or left without an answer."""
        yield self.set_up()
        clients = Clients(self.port, kept=True)
        clients.start()
        self.addCleanup(clients.end)
        for turn in range(4):
            one = self.instances[turn % 2]
            yield deferToThread(time.sleep, 1.0)
            yield deferToThread(one.terminate)
            yield self.start(one)
        yield deferToThread(clients.end)
        self.assertEqual(dict(clients.ends), {"accepted": len(clients.accepted)})
        self.assertEqual(sorted(self.all_stored()), sorted(clients.accepted))

    @inlineCallbacks
    def test_killed(self) -> Any:
        """kill -9: the other goes on. The one that was killed delivers what it had accepted when it is back; what a
        client saw accepted is in one of the databases, whatever happened to the connections."""
        yield self.set_up()
        clients = Clients(self.port)
        clients.start()
        self.addCleanup(clients.end)
        yield deferToThread(time.sleep, 1.0)
        killed, other = self.instances
        killed.kill()
        count = len(self.stored(other))
        yield until(lambda: len(self.stored(other)) > count + 20, 10)
        yield self.start(killed)
        yield deferToThread(clients.end)
        self.assertEqual(set(clients.accepted) - set(self.all_stored()), set())
        yield until(lambda: all(self.delivered(one) == set(self.stored(one)) for one in self.instances), 30)

    def ended(self, connector: Connector) -> str:
        """What it says that can't start."""
        connector.launch()
        assert connector.process is not None
        process, connector.process = connector.process, None
        self.assertEqual(process.wait(20), 1)
        self.assertNotIn("Traceback", connector.said())
        return connector.said()

    @inlineCallbacks
    def test_not_shared(self) -> Any:
        """The port is another process's alone, or another user's: it says what to do. Neither gets a share."""
        yield self.set_up()
        network = Network()
        alone = free_port()
        with closing(socket.socket()) as taken:
            taken.bind(("127.0.0.1", alone))
            taken.listen()
            said = yield deferToThread(self.ended, self.instance(network, [f"tcp:{alone}:interface=127.0.0.1"]))
        for words in (f"can't listen: Couldn't listen on 127.0.0.1:{alone}", "has to name it in http.shared_endpoints"):
            self.assertIn(words, said)
        other = self.instance(network, [], endpoints=[self.shared[0]])
        said = yield deferToThread(self.ended, other)
        self.assertIn("http.endpoints: can't listen", said)
        if os.getuid() == 0:
            code = (
                "import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1);"
                f"s.bind(('127.0.0.1', {self.port}))"
            )
            command = ["/usr/bin/python3", "-c", code]
            found = subprocess.run(command, user=65534, capture_output=True, text=True, check=False)
            self.assertIn("Address already in use", found.stderr)

    @inlineCallbacks
    def test_one_database(self) -> Any:
        """A second process on the database of the first ends before it listens: it takes no connection."""
        yield self.set_up()
        first = self.instances[0]
        second = self.instance(self.networks[0], self.shared)
        settings = yaml.safe_load((second.folder / "connector.yaml").read_text())
        settings["store"] = {"path": str(first.folder / "smsconnector.db")}
        (second.folder / "connector.yaml").write_text(yaml.safe_dump(settings))
        said = yield deferToThread(self.ended, second)
        self.assertNotIn("HTTP on", said)

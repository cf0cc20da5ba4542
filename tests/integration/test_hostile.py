"""Hostile requests over raw sockets, to a real connector with an SMSC behind it: with the fast lane and without, with
keys and without.

Each is refused by a 4xx or by the end of the connection. Nothing of it is in the store, nothing goes to the SMSC, the
next good request is answered, and the process grows by no more than ``MOST_GROWTH``. The table is ``hostile``.
"""

import re
import socket
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.integration.activemq import free_port
from tests.integration.hostile import EVIL, HEALTH, STATUS, Case, cases, head, slow, with_wrong_keys
from tests.integration.stack import Connector, Network, until

CUT_OFF = 15.0  # seconds within which a request is cut off that may take two
MOST_GROWTH = 32 * 1024  # KiB of resident memory, at its highest, over the whole set
KEY = "key-of-an-application-0123456789"


class HostileCase(TestCase):
    """A connector with an SMSC. What is wrong is collected, so that one run shows all of it."""

    timeout = 300
    fast_lane = True

    @inlineCallbacks
    def set_up(self, **http: Any) -> Any:
        self.network = Network()
        self.network.listen()
        self.addCleanup(self.network.cut)
        http = {"fast_lane": self.fast_lane, "maximum_connections": 500} | http
        self.connector = Connector([self.network.number], f"tcp://127.0.0.1:{free_port()}", http=http)
        self.addCleanup(self.connector.close)
        yield self.connector.start()
        self.wrong: list[str] = []
        self.ran = self.sources = 0

    # --- from outside ---------------------------------------------------------------------------------------

    def connect(self) -> socket.socket:
        """Each from an address of its own: who comes with many wrong keys is made to wait."""
        self.sources += 1
        source = f"127.{1 + self.sources // 65_025}.{1 + self.sources // 255 % 255}.{1 + self.sources % 254}"
        return socket.create_connection(("127.0.0.1", self.connector.port), 20, (source, 0))

    def said_to(self, octets: bytes) -> bytes:
        """All that comes until the connection ends. The client writes all, closes its half, and reads."""
        found = b""
        with self.connect() as client:
            writing = threading.Thread(target=self.write, args=(client, octets))
            writing.start()
            try:
                while more := client.recv(65_536):
                    found += more
            except ConnectionError:
                pass  # it was closed while we still wrote
            except TimeoutError:
                found += b"[still open]"
            writing.join(20)
        return found

    @staticmethod
    def write(client: socket.socket, octets: bytes) -> None:
        try:
            client.sendall(octets)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed by the other side

    def stored(self) -> int:
        """Messages in the database."""
        database = self.connector.folder / "smsconnector.db"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM message").fetchone()
        return int(count)

    def memory(self, what: str) -> int:
        """Of the connector, in KiB: ``VmRSS``, or ``VmHWM``, its highest."""
        assert self.connector.process is not None
        return int(Path(f"/proc/{self.connector.process.pid}/status").read_text().split(f"{what}:")[1].split()[0])

    # --- what came of it ------------------------------------------------------------------------------------

    def fault(self, case: Case, found: bytes) -> str:
        """What is wrong with the answers to it; "" if nothing is."""
        statuses = tuple(int(one) for one in STATUS.findall(found) if one != b"100")
        before, refusals = statuses[: len(case.before)], statuses[len(case.before) :]
        if b"[still open]" in found or before != case.before:
            return f"{statuses}, {'still open' if b'[still open]' in found else 'others first'}"
        if len(refusals) > case.most or (case.sure and not refusals and case.most and not case.inside):
            return f"{len(refusals)} answers {refusals}"
        if case.inside and refusals == (200,):
            return "" if 200 in case.fits else self.fault_inside(found)
        wanted = (case.only,) if case.only else range(400, 500)
        return "" if {*refusals} <= {*wanted, *case.fits} else f"{refusals} instead of {case.only or '4xx'}"

    @staticmethod
    def fault_inside(found: bytes) -> str:
        body = found.partition(b"\r\n\r\n")[2]
        taken = [one for one in re.findall(rb'"status": (\d+)', body) if not 400 <= int(one) < 500]
        results = re.findall(rb'"status": (\d+)', body)
        return f"results {taken}" if taken or not results else ""

    def run_all(self, table: Sequence[Case], healthy: bytes = HEALTH) -> None:
        for case in table:
            before = self.stored()
            why = self.fault(case, self.said_to(case.octets))
            if (more := self.stored() - before) != case.accepted:
                why += f" {more} messages were stored instead of {case.accepted}"
            if STATUS.findall(self.said_to(healthy)) != [b"200"]:
                why += " the next request is not answered"
            self.ran += 1
            if why:
                self.wrong.append(f"{case.name}: {why}")

    def check(self) -> None:
        """Nothing hostile was stored, submitted or told, and nothing went wrong inside."""
        database = self.connector.folder / "smsconnector.db"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            for table, column in (("segment", "text"), ("outbox", "body"), ("incoming_segment", "text")):
                rows = connection.execute(f"SELECT count(*) FROM {table} WHERE {column} LIKE ?", (f"%{EVIL}%",))
                self.assertEqual(rows.fetchone(), (0,), table)
            for table in ("idempotency_key", "parked_receipt"):
                self.assertEqual(connection.execute(f"SELECT count(*) FROM {table}").fetchone(), (0,), table)
        self.assertEqual([one for one in self.network.taken if EVIL in repr(one)], [])
        log = self.connector.said()
        for bad in ("Traceback", "Unhandled", "Error", KEY, EVIL):
            self.assertNotIn(bad, log)

    @inlineCallbacks
    def check_all(self, table: Sequence[Case], healthy: bytes = HEALTH) -> Any:
        for _ in range(20):  # what it loads and keeps once
            yield deferToThread(self.said_to, healthy)
        before = self.memory("VmRSS")
        yield deferToThread(self.run_all, table, healthy)
        self.assertEqual(self.wrong, [], "\n".join(["", *self.wrong]))
        good = sum(case.accepted for case in table)
        yield until(lambda: len(self.network.taken) >= good, 20)
        self.assertEqual(len(self.network.taken), good)
        self.check()
        self.assertEqual(self.ran, len(table))
        grown = self.memory("VmHWM") - before
        print(f"{self.ran} hostile requests, grown by {grown} KiB", flush=True)
        self.assertLess(grown, MOST_GROWTH)

    # --- tests ----------------------------------------------------------------------------------------------

    @inlineCallbacks
    def test_table(self) -> Any:
        """Each case of the table, of which there are hundreds, on all routes."""
        yield self.set_up()
        table = cases()
        self.assertGreater(len(table), 200)
        yield self.check_all(table)

    @inlineCallbacks
    def test_keys(self) -> Any:
        """A key in a form in which it does not count opens nothing, wherever else it stands. And where a key is needed,
        the whole table is refused as well, what is good in it too, for it brings none."""
        yield self.set_up(api_keys=[KEY])
        table = [*with_wrong_keys(KEY)]
        table += [
            replace(one, before=(), most=one.most + len(one.before), only=0, accepted=0, inside=False)
            for one in cases()
        ]
        yield self.check_all(table, head("GET", "/health", f"Authorization: Bearer {KEY}"))

    @inlineCallbacks
    def test_slow(self) -> Any:
        """Requests that come an octet now and then are cut off together, nothing of them is accepted, and meanwhile
        others are answered."""
        yield self.set_up(request_timeout=2, idle_timeout=5)
        yield deferToThread(self.run_slow, [*slow()] * 4)
        self.assertEqual(self.wrong, [], "\n".join(["", *self.wrong]))
        self.assertEqual((self.stored(), self.network.taken), (0, []))
        self.check()

    def run_slow(self, table: Sequence[tuple[str, bytes, bytes]]) -> None:
        before = self.memory("VmRSS")
        with ExitStack() as stack:
            waiting: dict[socket.socket, tuple[str, bytes]] = {}
            for name, begin, drip in table:
                client = stack.enter_context(self.connect())
                client.sendall(begin)
                client.settimeout(0)
                waiting[client] = name, drip
            started = time.monotonic()
            while waiting and time.monotonic() - started < CUT_OFF:
                for client, (name, drip) in [*waiting.items()]:
                    if why := self.drip(client, drip):
                        del waiting[client]
                        self.wrong += [f"{name}: {why}"] if why != "closed" else []
                if STATUS.findall(self.said_to(HEALTH)) != [b"200"]:
                    self.wrong.append("others are not answered")
                time.sleep(0.1)
        self.wrong += [f"{name}: still open" for name, _ in waiting.values()]
        if self.memory("VmHWM") - before > MOST_GROWTH:
            self.wrong.append("it has grown too much")

    @staticmethod
    def drip(client: socket.socket, octets: bytes) -> str:
        """ "closed" when the other side has closed; what is wrong with an answer; else ""."""
        try:
            client.send(octets)
            found = client.recv(65_536)
        except BlockingIOError:
            return ""
        except OSError:
            return "closed"
        statuses = [one for one in STATUS.findall(found) if one != b"100" and not one.startswith(b"4")]
        if statuses and b'"accepting"' not in found and b'"messages"' not in found:  # of a good request in front
            return f"{statuses}"
        return "" if found else "closed"


class HostileWithoutLaneCase(HostileCase):
    """The same, through twisted.web alone."""

    fast_lane = False

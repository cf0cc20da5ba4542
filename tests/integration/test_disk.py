"""A full disk, a real one (a small tmpfs): nothing is accepted or acknowledged, and all goes on when there is room."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smsconnector.store.offline.reconcile import reconcile
from smsconnector.walks.admission import MEASURE_INTERVAL
from tests.integration.activemq import free_port
from tests.integration.stack import Connector, Load, Network, until

reactor: Any = _reactor


class Disk:
    """A small disk of its own."""

    def __init__(self, folder: str, mebibytes: int) -> None:
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(self.folder)], check=True)

    def fill(self) -> None:
        """To the last octet."""
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            block = b"x" * 65_536
            while block:
                try:
                    filler.write(block)
                except OSError:
                    block = block[: len(block) // 2]

    def make_room(self) -> None:
        (self.folder / "filler").unlink()

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


class DiskCase(TestCase):
    skip = None if os.geteuid() == 0 else "needs root, to mount a small disk"
    timeout = 120

    @inlineCallbacks
    def set_up(self, **store: Any) -> Any:
        try:
            self.disk = Disk(self.mktemp(), 8)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"needs to mount a small disk: {error}")
        self.addCleanup(self.disk.unmount)
        self.network = Network(receipt_delay=0.1)
        self.network.listen()
        self.addCleanup(self.network.cut)
        self.path = str(self.disk.folder / "sms.db")
        nobody = f"tcp://127.0.0.1:{free_port()}"
        self.connector = Connector([self.network.number], nobody, store={"path": self.path} | store)
        self.addCleanup(self.connector.close)
        yield self.connector.start()

    @inlineCallbacks
    def get(self, path: str) -> Any:
        """(status, JSON)."""

        def fetch() -> tuple[int, Any]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.connector.port}{path}", timeout=10) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)

        found = yield deferToThread(fetch)
        return found

    @inlineCallbacks
    def send(self, count: int) -> Any:
        """As many requests, whatever is answered."""
        load = Load(self.connector.port, count, connections=4)
        load.refusals_count = True
        yield load.run()
        return load

    @inlineCallbacks
    def test_full(self) -> Any:
        """503 with Retry-After; the SMSC keeps its texts; health says why; with room again all is taken and told."""
        yield self.set_up(minimum_free=0)
        before = yield self.send(200)
        yield until(lambda: len(self.network.taken) == 200, 20)
        self.disk.fill()
        full = yield self.send(400)
        self.assertGreater(len(full.refused), 0)
        for head in full.refused:
            self.assertTrue(head.startswith(b"HTTP/1.1 503"), head)
            self.assertIn(b"retry-after", head.lower())
        for number in range(50):
            self.network.smsc.send_mo("923001234567", "8228", f"text {number} " + "x" * 100)
        status, health = yield self.get("/health")
        self.assertEqual((status, health["accepting"]), (503, False))
        self.assertIn("full", health["reason"])
        self.disk.make_room()
        yield until(lambda: self.network.smsc.counts.acknowledged >= 50 + len(self.network.taken), 60)
        yield until(lambda: "accepted again" in self.connector.said(), 10)
        after = yield self.send(100)
        self.assertEqual(after.refused, [])
        accepted = len(before.accepted) + len(full.accepted) + len(after.accepted)
        yield until(lambda: len(self.network.taken) >= accepted, 20)
        yield until(lambda: sum(line.delivered for line in reconcile(self.path).lines) == accepted, 20)
        account = reconcile(self.path)
        self.assertEqual((account.faults, sum(line.accepted for line in account.lines)), ([], accepted))
        self.assertNotIn("Traceback", self.connector.said())

    @inlineCallbacks
    def test_full_of_texts(self) -> Any:
        """The door stays closed while there is no room, though the odd page could still be written."""
        yield self.set_up(minimum_free=0)
        yield self.network.cut()
        (self.disk.folder / "filler").write_bytes(b"x" * (5 << 20))
        for count in (2000, 100, 100, 100):
            load = yield self.send(count)
            self.assertGreater(len(load.refused), 0)
            yield deferLater(reactor, MEASURE_INTERVAL)
        _, health = yield self.get("/health")
        self.assertEqual((health["accepting"], health["store"]["free_octets"]), (False, 0))
        said = self.connector.said()
        self.assertEqual((said.count("nothing is accepted"), said.count("accepted again")), (1, 0), said)

    @inlineCallbacks
    def test_nearly_full(self) -> Any:
        """Before the disk is full nothing more is accepted, and what was accepted still has its end written."""
        yield self.set_up(minimum_free=4 << 20)
        yield self.send(50)
        filler = self.disk.folder / "filler"
        filler.write_bytes(b"x" * (5 << 20))
        yield until(lambda: "nothing is accepted" in self.connector.said(), 10)
        refused = yield self.send(20)
        self.assertEqual(len(refused.refused), 20)
        filler.unlink()
        yield until(lambda: "accepted again" in self.connector.said(), 10)
        again = yield self.send(20)
        self.assertEqual(again.refused, [])

    @inlineCallbacks
    def test_full_at_start(self) -> Any:
        """A start on a disk without room ends with one sentence that says so, with a new database and with one that is
        there. SQLite calls it "disk I/O error"."""
        yield self.set_up(minimum_free=0)
        yield deferToThread(self.connector.terminate)
        for _ in range(2):
            self.disk.fill()
            said = yield self.refused_start()
            self.assertIn("is full: make room", said)
            self.disk.make_room()
            for name in ("sms.db", "sms.db-wal", "sms.db-shm", "sms.db-lock"):
                (self.disk.folder / name).unlink(missing_ok=True)
        yield self.connector.start()

    @inlineCallbacks
    def test_read_only(self) -> Any:
        """A disk that may only be read, as the kernel leaves it after errors, and as the sandbox of the unit shows all
        others: one sentence, with a new database and with one that is there."""
        yield self.set_up()
        yield deferToThread(self.connector.terminate)
        for name in ("sms.db-lock", "sms.db"):
            subprocess.run(["mount", "-o", "remount,ro", str(self.disk.folder)], check=True)
            said = yield self.refused_start()
            self.assertIn("may only be read: mount it for writing", said)
            subprocess.run(["mount", "-o", "remount,rw", str(self.disk.folder)], check=True)
            (self.disk.folder / name).unlink()
        yield self.connector.start()

    @inlineCallbacks
    def refused_start(self) -> Any:
        """What a connector says that ends at once, with 1."""
        with self.assertRaises(RuntimeError):
            yield self.connector.start()
        process = self.connector.process
        assert process is not None
        self.connector.process = None
        code = yield deferToThread(process.wait)
        said = self.connector.said()
        self.assertEqual((code, said.count("Traceback")), (1, 0), said)
        return said

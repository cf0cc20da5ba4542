"""What is kept, what is dropped, what adds up, and a copy of it all."""

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

from smsconnector.errors import StoreUnusable
from smsconnector.messages import Finality, IncomingSegment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.database import create, open_readonly
from smsconnector.store.offline.backup import backup
from smsconnector.store.offline.new_file import new_file
from smsconnector.store.offline.reconcile import HOUR, reconcile
from smsconnector.store.store import Store
from tests.unit.fakes import confirm
from tests.unit.store.test_store import ACCOUNT, NOW, StoreCase, receipt


class FileStoreCase(StoreCase):
    """A store in a file, with a message of each kind: delivered, failed in two segments, under way."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.store = Store(self.path)
        self.addCleanup(self.store.close)
        self.next_id = 1
        (first,) = self.accept("SM1")
        self.record(first, Verdict.ACCEPTED, "1")
        self.receive(receipt("1"))
        failed = self.accept("SM2", "one", "two")
        for segment in failed:
            self.record(segment, Verdict.ACCEPTED, f"2{segment.number}")
        self.receive(receipt("22", Finality.FAILED, "011"))
        self.accept("SM3")
        self.publish(NOW + 10)

    def publish(self, at: int) -> None:
        events = self.events()
        self.one(confirm(events, at))

    def rows(self, table: str) -> int:
        return self.store._one(f"SELECT count(*) FROM {table}")

    def purge(self, texts: int, messages: int, limit: int = 200) -> int:
        steps = 0
        while self.one(ops.Purge(texts, messages, limit)):
            steps += 1
        return steps


class PurgeCase(FileStoreCase):
    def test_nothing_is_old(self) -> None:
        """What is younger than is said stays as it is."""
        self.assertEqual(self.purge(NOW - 1, NOW - 1), 0)
        self.assertEqual((self.rows("message"), self.rows("outbox")), (3, 2))

    def test_texts_first(self) -> None:
        """The texts of what has ended go; what became of it stays, and what is under way keeps its text."""
        self.purge(NOW + 100, NOW - 1)
        self.assertEqual([segment.text for segment in self.one(ops.Find("SM2")).segments], ["", ""])
        self.assertEqual(self.one(ops.Find("SM2")).code, "011")
        self.assertEqual(self.one(ops.Find("SM3")).segments[0].text, "hello")
        self.assertEqual(self.store._one("SELECT count(*) FROM outbox WHERE body <> ''"), 0)

    def test_all(self) -> None:
        """Later the rows go, segments and events too; a message that is under way and an event that waits don't."""
        self.one(ops.Incoming((IncomingSegment("smpp", ACCOUNT, "1", "2", "hi", NOW, sid="in1"),)))
        self.purge(NOW + 100, NOW + 100)
        self.assertIsNone(self.one(ops.Find("SM1")))
        self.assertEqual((self.rows("message"), self.rows("segment"), self.rows("outbox")), (1, 1, 1))
        self.publish(NOW + 20)
        self.purge(NOW + 100, NOW + 100)
        self.assertEqual(self.rows("outbox"), 0)

    def test_clock_steps_back(self) -> None:
        """A report is not dropped before its message, though the clock stepped back between the two."""
        self.store._connection.execute("UPDATE outbox SET created_at = ?", (NOW - 1_000_000,))
        self.purge(NOW - 1_000, NOW - 1_000)
        self.assertEqual(reconcile(self.path).faults, [])
        self.assertEqual(self.rows("outbox"), 2)
        self.purge(NOW + 100, NOW + 100)
        self.assertEqual(self.rows("outbox"), 0)

    def test_in_steps(self) -> None:
        """Each step takes a few of each; the last says that there is no more."""
        for number in range(10, 30):
            (segment,) = self.accept(f"SM{number}")
            self.record(segment, Verdict.REFUSED, code=11)
        self.publish(NOW + 10)
        self.assertGreater(self.purge(NOW + 100, NOW + 100, limit=5), 4)
        self.assertEqual((self.rows("message"), self.rows("outbox")), (1, 0))

    def test_repeat_is_known(self) -> None:
        """A provider's repeat of a text is known by its id after the body has gone."""
        text = IncomingSegment("twilio", "twilio", "1", "2", "hi", NOW, sid="in1")
        self.one(ops.Incoming((text,)))
        self.publish(NOW + 10)
        self.purge(NOW + 100, NOW - 1)
        self.one(ops.Incoming((text,)))
        self.assertEqual(self.events(), [])

    def test_room_is_used_again(self) -> None:
        """The file grows no further than the busiest time needs."""
        sizes = []
        for round_ in range(6):
            for number in range(40):
                (segment,) = self.accept(f"SM{round_}-{number}", "x" * 1000)
                self.record(segment, Verdict.REFUSED, code=11)
            self.publish(NOW + 10)
            self.purge(NOW + 100, NOW + 100)
            self.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            sizes.append(os.path.getsize(self.path))
        self.assertEqual(len(set(sizes[1:])), 1, sizes)


class CountersCase(FileStoreCase):
    def test_queued(self) -> None:
        """The count of what has to be submitted is that of the rows, whatever happens, and after a restart."""

        def check() -> None:
            rows = self.store._one("SELECT count(*) FROM segment WHERE state IN (0, 1)")
            self.assertEqual(self.one(ops.Measure()).queued, rows)

        check()
        segments = self.accept("SM4", "a", "b", "c")
        check()
        self.record(segments[0], Verdict.RETRY, due_at=NOW)
        check()
        self.one(ops.Claim((segments[1].id,), 0))
        check()
        self.record(segments[0], Verdict.REFUSED, code=11)  # the others are not sent any more
        check()
        self.one(ops.Claim(tuple(one.id for one in self.accept("SM5")), 0))
        self.one(ops.Settle(NOW, 1))
        check()
        self.accept("SM6", at=NOW - 3_700_000)
        self.one(ops.Sweep(NOW, 0))
        check()
        self.assertRaises(AttributeError, self.store.apply, [ops.Accept(None, 1, "smpp")])  # type: ignore[arg-type]
        check()
        self.store.close()
        self.store = Store(self.path)
        check()


class ReconcileCase(FileStoreCase):
    def test_adds_up(self) -> None:
        """By channel and hour, beside a running connector."""
        account = reconcile(self.path)
        self.assertEqual(account.faults, [])
        (line,) = account.lines
        self.assertEqual(line, ("smpp", NOW // HOUR * HOUR, 3, 1, 1, 1, 2, 0))

    def test_since(self) -> None:
        """Only what was accepted since."""
        self.assertEqual(reconcile(self.path, NOW + 1).lines, [])

    def test_faults(self) -> None:
        """Each contradiction is found, with the message that it is about."""
        for sql, sentence in (
            ("DELETE FROM outbox WHERE event_id = 'dr-SM1'", "no report"),
            ("UPDATE message SET state = 0 WHERE sid = 'SM2'", "not final"),
            ("UPDATE message SET state = 1 WHERE sid = 'SM2'", "another end"),
            ("DELETE FROM segment WHERE id = 3", "missing"),
            ("UPDATE segment SET state = 4 WHERE id = 4", "segments have ended"),
            ("UPDATE segment SET state = 2 WHERE id = 1", "a segment of it is not"),
        ):
            self.setUp()
            self.store._connection.execute(sql)
            faults = reconcile(self.path).faults
            self.assertTrue(any(sentence in said for _, said in faults), (sql, faults))

    def test_damaged(self) -> None:
        """A damaged page is told with the way out."""
        for number in range(100):
            self.accept(f"SM{10 + number}", "x" * 100)
        self.store.close()
        octets = bytearray(Path(self.path).read_bytes())
        for page in range(5, len(octets) // 4096):
            octets[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
        Path(self.path).write_bytes(octets)
        self.assertIn("smsconnector rescue", str(self.assertRaises(StoreUnusable, reconcile, self.path)))

    def test_tables_of_another_version(self) -> None:
        """A file of another version is refused with the way out."""
        self.store._connection.execute("PRAGMA user_version=1")
        self.assertIn("schema 1", str(self.assertRaises(StoreUnusable, reconcile, self.path)))
        self.assertIn("there is no", str(self.assertRaises(StoreUnusable, reconcile, self.mktemp())))


class BackupCase(FileStoreCase):
    def test_copy(self) -> None:
        """While the store is open; the copy is what was committed, private, and can be opened as it is."""
        target = self.mktemp()
        backup(self.path, target)
        self.accept("SM4")
        self.assertEqual(os.stat(target).st_mode & 0o077, 0)
        with closing(open_readonly(target)) as copy:
            self.assertEqual(copy.execute("SELECT count(*) FROM message").fetchone()[0], 3)
        store = Store(target)
        self.assertEqual(store.counts()["queued"], 1)
        store.close()

    def test_refused(self) -> None:
        """Nothing is overwritten, nothing half done is left."""
        target = self.mktemp()
        with open(target, "w") as file:
            file.write("precious")
        self.assertIn("exists", str(self.assertRaises(StoreUnusable, backup, self.path, target)))
        nowhere = self.mktemp() + "/x"
        self.assertRaises(StoreUnusable, backup, self.path, nowhere)
        broken = self.mktemp()
        with open(broken, "wb") as file:
            file.write(os.urandom(8192))
        beside = self.mktemp()
        self.assertRaises(StoreUnusable, backup, broken, beside)
        self.assertEqual([name for name in os.listdir(os.path.dirname(beside)) if ".unfinished" in name], [])

    def test_two_at_once(self) -> None:
        """The one that is ready first has the name; the other is refused and takes nothing away."""
        target = self.mktemp()
        with self.assertRaises(StoreUnusable) as caught, new_file(target) as unfinished:
            Path(unfinished).write_text("the later one")
            backup(self.path, target)
        self.assertIn("exists", str(caught.exception))
        open_readonly(target).close()
        self.assertFalse(os.path.exists(unfinished))

    def test_killed_at_any_moment(self) -> None:
        """The target is there whole or not at all, whichever system call is the last one before a kill. An empty one
        would be taken by the connector for a new database."""

        class Killed(BaseException):
            """The process ends here; no clean-up of it runs that changes the folder."""

        names = ("open", "close", "link", "rename", "replace", "unlink", "fsync")
        for last in range(1, 30):
            folder = self.mktemp()
            os.mkdir(folder)
            target, calls = os.path.join(folder, "copy.db"), [0]
            with ExitStack() as patches:

                def counted(name: str, calls: list[int] = calls, last: int = last) -> Callable[..., Any]:
                    real = getattr(os, name)

                    def call(*arguments: Any, **more: Any) -> Any:
                        calls[0] += 1
                        if calls[0] > last:
                            raise Killed
                        return real(*arguments, **more)

                    return call

                try:
                    with new_file(target) as unfinished:
                        Path(unfinished).write_text("whole")
                        for name in names:
                            patches.enter_context(patch.object(os, name, counted(name)))
                except Killed:
                    pass
            if os.path.exists(target):
                self.assertEqual(Path(target).read_text(), "whole", last)
            if calls[0] <= last:
                break
        else:
            self.fail("it never came to its end")

    def test_disk_without_links(self) -> None:
        """Some file systems have no hard links (FAT; some that are mounted over a network): it works there as well,
        and still overwrites nothing."""
        for number in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            target = self.mktemp()
            with patch.object(os, "link", side_effect=OSError(number, os.strerror(number))):
                backup(self.path, target)
                open_readonly(target).close()
                self.assertIn("exists", str(self.assertRaises(StoreUnusable, backup, self.path, target)))
                self.assertEqual([one for one in os.listdir(os.path.dirname(target)) if ".unfinished" in one], [])

    def test_before_an_upgrade(self) -> None:
        """A file of an earlier version is copied as it is."""
        with closing(sqlite3.connect(self.mktemp())) as connection:
            create(connection, 1)
            (path,) = [row[2] for row in connection.execute("PRAGMA database_list")]
        target = self.mktemp()
        backup(path, target)
        with closing(sqlite3.connect(target)) as connection:
            self.assertEqual(connection.execute("PRAGMA user_version").fetchone(), (1,))

"""The daemon's side: keys that come and go while it runs, and what it adds to the audit."""

import sqlite3
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.access import keeper, keys
from smsconnector.access.file import AccessFile
from smsconnector.access.keeper import COUNT_S, LOOK_S, Keeper
from smsconnector.access.keys import Permissions
from smsconnector.errors import StoreUnusable
from smsconnector.wall_clock import WallClock
from tests.recorded_log import RecordedLog
from tests.unit.fakes import EPOCH, AtOnce

SEND = Permissions(("send",))


class KeeperCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(keys, "SCRYPT", "scrypt:2:1:1")
        self.clock, self.path = Clock(), self.mktemp()
        self.log_lines = RecordedLog(self).lines
        self.keeper = self.start("configured")
        self.file = AccessFile(self.path)  # the command line's
        self.addCleanup(self.file.close)

    def start(self, *configured: str) -> Keeper:
        here = Keeper(
            self.clock, WallClock(lambda: EPOCH + self.clock.seconds()), self.path, list(configured), threads=AtOnce
        )
        here.start("version 1")
        self.addCleanup(here.stop)
        return here

    def audit(self) -> list[tuple[str, str, str]]:
        return [(row.who, row.what, row.about) for row in self.file.rows()]

    def advance(self, seconds: float) -> None:
        self.clock.pump([LOOK_S] * int(seconds / LOOK_S))

    def found(self, key: str) -> Any:
        """Who has this key, once it was hashed."""
        callers: list[Any] = []
        self.keeper.ring.examine(key.encode(), callers.append)
        return callers[0]

    def test_made_and_revoked(self) -> None:
        """A key that the command line makes opens the door a second later, and is shut out a second after its end."""
        key = self.file.add("crm", SEND, "me", 1)
        self.assertIsNone(self.found(key))
        self.advance(LOOK_S)
        self.assertEqual(self.found(key).name, "crm")
        self.file.revoke("crm", "me", 2)
        self.advance(LOOK_S)
        self.assertIsNone(self.keeper.ring.find(key.encode()))
        self.assertIsNone(self.found(key))

    def test_nothing_is_read_in_vain(self) -> None:
        """As long as nobody writes, the keys are not read again, nor by what the keeper writes itself."""
        reads = []
        read = AccessFile.stored_keys

        def counted(file: AccessFile) -> Any:
            reads.append(1)
            return read(file)

        self.patch(AccessFile, "stored_keys", counted)
        self.keeper.accepted(None)
        self.keeper.note("me", "x", "")
        self.advance(3 * COUNT_S)
        self.assertEqual(reads, [])
        self.file.note([("me", "x", "")], 1)
        self.advance(LOOK_S)
        self.assertEqual(reads, [1])

    def test_other_changes_forget_nothing(self) -> None:
        """A row of the audit, or a new key, makes nobody's key unknown."""
        key = self.file.add("crm", SEND, "me", 1)
        self.advance(LOOK_S)
        self.found(key)
        self.file.note([("me", "x", "")], 1)
        self.file.add("other", SEND, "me", 1)
        self.advance(LOOK_S)
        self.assertIsNotNone(self.keeper.ring.find(key.encode()))

    def test_counts(self) -> None:
        """A row for each key and minute, not for each message; and when a key was used last."""
        key = self.file.add("crm", SEND, "me", 1)
        self.advance(LOOK_S)
        caller, configured = self.found(key), self.found("configured")
        for _ in range(3):
            caller.uses += 1
            self.keeper.accepted(caller)
        self.keeper.accepted(configured)
        self.keeper.accepted(None)
        self.advance(COUNT_S)
        title = f"key crm ({caller.id})"
        since = "2026-01-01 00:00:00" if EPOCH == 1767225600 else ""
        rows = self.audit()[-3:]
        self.assertEqual([(who, what) for who, what, _ in rows], [
            ("key http.api_keys[0]", "sent"), (title, "sent"), ("no key", "sent"),
        ])  # fmt: skip
        self.assertEqual([about.split(" messages since ")[0] for _, _, about in rows], ["1", "3", "1"])
        self.assertIn(since, rows[0][2])
        self.assertEqual(self.file.stored_keys()[0].used_at, int((EPOCH + COUNT_S) * 1000))
        before = len(self.audit())
        self.advance(3 * COUNT_S)
        self.assertEqual(len(self.audit()), before)

    def test_of_a_revoked_key(self) -> None:
        """What was sent by it before is counted too."""
        key = self.file.add("crm", SEND, "me", 1)
        self.advance(LOOK_S)
        self.keeper.accepted(self.found(key))
        self.file.revoke("crm", "me", 2)
        self.advance(COUNT_S)
        self.assertEqual((self.audit()[-1][1], self.audit()[-1][2][:10]), ("sent", "1 messages"))

    def test_start_and_stop(self) -> None:
        """Both are told; a stop writes what was counted, and nothing goes on after it. The log has the hash that a
        chain which was made anew would not have."""
        self.keeper.accepted(None)
        self.keeper.stop()
        self.assertEqual(
            [(who, what) for who, what, _ in self.audit()],
            [("daemon", "started"), ("no key", "sent"), ("daemon", "stopped")],
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])
        first = next(self.file.rows())
        self.assertIn(f"audit: row 1 has the hash {first.hash}", "\n".join(self.log_lines))
        self.assertEqual(self.file.faults(), [])

    def test_stop_while_it_looks(self) -> None:
        """A look that is under way when the stop begins starts no other."""
        waiting: list[Any] = []

        class Slow(AtOnce):
            def run(self, function: Any) -> Any:
                found = AtOnce.run(self, function)
                found.pause()
                waiting.append(found)
                return found

        here = Keeper(self.clock, WallClock(self.clock.seconds), self.path, [], threads=Slow)
        here.start("")
        self.advance(LOOK_S)
        here.stop()
        for one in waiting:
            one.unpause()
        self.keeper.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noted(self) -> None:
        """What a walk tells is on disk when the Deferred fires."""
        noted = self.successResultOf(self.keeper.note("key crm (1)", "paused", "channel smpp"))
        self.assertIsNone(noted)
        self.assertEqual(self.audit()[-1], ("key crm (1)", "paused", "channel smpp"))

    def test_remembered(self) -> None:
        """What nobody waits for is written within a second, together; at a stop too."""
        for number in range(3):
            self.keeper.remember(self.found("configured"), "cancelled", f"SM{number}")
        self.advance(LOOK_S)
        rows = [row for row in self.audit() if row[1] == "cancelled"]
        self.assertEqual(rows, [("key http.api_keys[0]", "cancelled", f"SM{number}") for number in range(3)])
        self.keeper.remember(None, "cancelled", "SM4")
        self.keeper.stop()
        self.assertIn(("no key", "cancelled", "SM4"), self.audit())

    def test_the_file_fails(self) -> None:
        """A disk that is full: the log says so once, and what was counted is written when it can be; keys go on."""
        key = self.file.add("crm", SEND, "me", 1)
        self.advance(LOOK_S)
        self.found(key)
        used = AccessFile.used

        def fails(*_more: Any) -> None:
            raise StoreUnusable("the disk is full")

        self.patch(AccessFile, "used", fails)
        for _ in range(3):
            self.keeper.accepted(None)
            self.advance(COUNT_S)
        self.assertEqual("\n".join(self.log_lines).count("the disk is full"), 1)
        self.assertIsNotNone(self.keeper.ring.find(key.encode()))
        self.patch(AccessFile, "used", used)
        self.advance(COUNT_S)
        self.assertEqual([about[:10] for _, what, about in self.audit() if what == "sent"], ["1 messages"] * 3)
        self.assertIn("can be used again", "\n".join(self.log_lines))

    def test_bounded(self) -> None:
        """What can't be written is not kept without end."""
        self.patch(keeper, "MOST_NOTES", 5)
        self.patch(AccessFile, "used", lambda *_more: 1 / 0)
        for _ in range(20):
            self.keeper.accepted(None)
            self.advance(COUNT_S)
        self.assertEqual(len(self.keeper._left), 5)
        self.patch(AccessFile, "used", lambda *_more: None)

    def test_no_start_without_the_file(self) -> None:
        """A file that is no such file ends the start with a sentence."""
        foreign = self.mktemp()
        connection = sqlite3.connect(foreign)
        connection.execute("CREATE TABLE x (y)")
        connection.close()
        here = Keeper(self.clock, WallClock(self.clock.seconds), foreign, [], threads=AtOnce)
        self.assertIn("another program's", str(self.assertRaises(StoreUnusable, here.start, "")))
        self.successResultOf(here.stop())

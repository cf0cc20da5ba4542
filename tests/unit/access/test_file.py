"""The file of keys and audit: what is in it, who may write to it, and that nothing goes out of it."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.access import keys
from smsconnector.access.file import AccessFile, access_path_of, described, has_keys
from smsconnector.access.keys import Permissions
from smsconnector.errors import ConfigurationError, StoreUnusable

SEND = Permissions(("send",))
ALL = Permissions(("send", "read"), ("smpp",), ("192.0.2.0/24",), 12.5)


class FileCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(keys, "SCRYPT", "scrypt:2:1:1")
        self.path = self.mktemp()
        self.file = self.open()

    def open(self) -> AccessFile:
        file = AccessFile(self.path)
        self.addCleanup(file.close)
        return file

    def sql(self, statement: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute(statement)

    def test_keys(self) -> None:
        """What was made is there, with what it may do and who made it; the key itself is nowhere in the file."""
        made = self.file.add("crm", ALL, "me", 1_000)
        (found,) = self.open().stored_keys()
        key_id, secret = keys.parts_of(made.encode())
        self.assertEqual((found.id, found.name, found.permissions, found.created_by), (key_id, "crm", ALL, "me"))
        self.assertEqual((found.created_at, found.revoked_at, found.used_at), (1_000, None, None))
        self.assertTrue(keys.is_right(found, secret))
        self.assertNotIn(secret, Path(self.path).read_bytes())
        self.file.used({found.id: 5_000}, [], 6_000)
        self.assertEqual(self.file.stored_keys()[0].used_at, 5_000)

    def test_names(self) -> None:
        """A name has one key that counts; once it is revoked, another may have it. An id revokes too."""
        self.file.add("crm", SEND, "me", 1)
        error = self.assertRaises(ConfigurationError, self.file.add, "crm", SEND, "me", 2)
        self.assertIn("revoke it, or take another name", str(error))
        self.assertTrue(self.file.revoke("crm", "me", 3))
        self.assertFalse(self.file.revoke("crm", "me", 4))
        self.file.add("crm", SEND, "me", 5)
        (key_id,) = [one.id for one in self.file.stored_keys() if one.revoked_at is None]
        self.assertTrue(self.file.revoke(key_id, "me", 6))
        self.assertEqual([one.revoked_at for one in self.file.stored_keys()], [3, 6])
        self.assertFalse(self.file.revoke("", "me", 7))

    def test_has_keys(self) -> None:
        """For the start on an address that others reach: a key that is revoked opens nothing."""
        self.assertFalse(has_keys(self.path))
        self.assertFalse(has_keys(self.mktemp()))
        self.file.add("crm", SEND, "me", 1)
        self.assertTrue(has_keys(self.path))
        self.file.revoke("crm", "me", 2)
        self.assertFalse(has_keys(self.path))

    def test_audit(self) -> None:
        """Keys that are made and revoked are told, with all else, in a chain that two writers keep whole."""
        other = self.open()
        self.file.add("crm", ALL, "me", 1)
        other.note([("daemon", "started", ""), ("no key", "sent", "3 messages")], 2)
        self.file.revoke("crm", "you", 3)
        rows = list(other.rows())
        self.assertEqual([one.number for one in rows], [1, 2, 3, 4])
        self.assertEqual([one.who for one in rows], ["me", "daemon", "no key", "you"])
        self.assertIn("scope send,read; channel smpp; network 192.0.2.0/24; rate 12.5 a second", rows[0].about)
        self.assertEqual([one.number for one in self.file.rows(since=2)], [2, 3, 4])
        self.assertEqual(self.file.faults(), [])
        self.assertEqual(self.file.head(), (4, rows[-1].hash))

    def test_only_added_to(self) -> None:
        """A row can't be changed or deleted by mistake, nor can a key."""
        self.file.add("crm", SEND, "me", 1)
        for statement in ("DELETE FROM audit", "UPDATE audit SET who = 'x'", "DELETE FROM key"):
            self.assertRaises(sqlite3.IntegrityError, self.sql, statement)

    def test_removed_on_purpose(self) -> None:
        """Who takes the triggers away, and then a row, is found out: in the middle, at the end, at the beginning."""
        for number in range(1, 6):
            self.file.note([("me", "sent", f"{number} messages")], number)
        self.file.close()
        octets = Path(self.path).read_bytes()
        for statement, words in (
            ("DELETE FROM audit WHERE number = 3", "row 3 is not there"),
            ("DELETE FROM audit WHERE number = 5", "the head knows row 5"),
            ("DELETE FROM audit WHERE number = 1", "row 1 is not there"),
            ("DELETE FROM audit", "the head knows row 5"),
            ("UPDATE audit SET about = '1 message' WHERE number = 2", "row 2 is not as it was written"),
            ("UPDATE audit_head SET number = 4", "the head knows row 4"),
            ("DELETE FROM audit_head", "the head knows row 0"),
        ):
            Path(self.path).write_bytes(octets)
            self.sql("DROP TRIGGER audit_kept")
            self.sql("DROP TRIGGER audit_unchanged")
            self.sql(statement)
            file = AccessFile(self.path)
            self.assertIn(words, "; ".join(file.faults()), statement)
            file.close()

    def test_nothing_half(self) -> None:
        """A key whose row of the audit can't be written is not made."""
        self.sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")
        self.assertRaises(StoreUnusable, self.file.add, "crm", SEND, "me", 1)
        self.assertEqual(self.file.stored_keys(), [])

    def test_noticed(self) -> None:
        """What another has written changes the version, what oneself has written does not."""
        other = self.open()
        before = self.file.version_of_data()
        self.file.note([("me", "x", "")], 1)
        self.assertEqual(self.file.version_of_data(), before)
        other.note([("me", "x", "")], 1)
        self.assertNotEqual(self.file.version_of_data(), before)

    def test_mode(self) -> None:
        """Nobody else may read it."""
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_what_is_no_such_file(self) -> None:
        """Another program's database, no database, a newer version, a folder that is not there: a sentence, and the
        file stays as it was."""
        text, foreign, newer = self.mktemp(), self.mktemp(), self.mktemp()
        Path(text).write_text("hello " * 1_000)
        with closing(sqlite3.connect(foreign)) as connection:
            connection.execute("CREATE TABLE bookmark (url TEXT)")
        AccessFile(newer).close()
        with closing(sqlite3.connect(newer)) as connection:
            connection.execute("PRAGMA user_version=99")
        for path, words in (
            (text, "not a database"),
            (foreign, "another program's"),
            (newer, "newer version"),
            ("/nowhere/at/all.db", "No such file"),
        ):
            before = Path(path).read_bytes() if os.path.exists(path) else b""
            self.assertIn(words, str(self.assertRaises(StoreUnusable, AccessFile, path)))
            self.assertEqual(Path(path).read_bytes() if os.path.exists(path) else b"", before)
        self.assertIn("makes it", str(self.assertRaises(StoreUnusable, AccessFile, self.mktemp(), create=False)))

    def test_where(self) -> None:
        """Beside the database of the store."""
        for path, wanted in (
            ("smsconnector.db", "smsconnector.access.db"),
            ("/var/lib/x/a.sqlite", "/var/lib/x/a.access.db"),
            ("store", "store.access.db"),
        ):
            self.assertEqual(access_path_of(path), wanted)

    def test_described(self) -> None:
        """What is not limited is not said."""
        self.assertEqual(described(SEND), "scope send")

"""One statement for many rows: whatever their number, each row is written, changed or found once."""

import sqlite3
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.store.rows import FEW, MOST_EXACT, Rows

COUNTS = (0, 1, FEW - 1, FEW, MOST_EXACT - 1, MOST_EXACT, MOST_EXACT + 1, 63, 64, 65, 300, 777)


class RowsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rows = Rows()
        self.rows._connection = sqlite3.connect(":memory:", isolation_level=None)
        self.addCleanup(self.rows._connection.close)
        self.rows._connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)")

    def all(self) -> list[Any]:
        return self.rows._connection.execute("SELECT id, a, b FROM t ORDER BY id").fetchall()

    def test_every_row_once(self) -> None:
        """Around the borders between the pieces into which many rows are cut."""
        for count in COUNTS:
            self.rows._connection.execute("DELETE FROM t")
            rows = [(at, f"a{at}", None) for at in range(count)]
            self.assertEqual(self.rows._insert("INSERT INTO t (id, a, b)", rows), count)
            self.assertEqual(self.all(), rows)
            changed = [(at, at * 2, f"b{at}") for at in range(count)]
            self.rows._update("t", "a, b", changed)
            self.assertEqual(self.all(), changed)
            wanted = [(at,) for at in range(0, count, 3)]
            found = self.rows._select("t.id, t.b", "CROSS JOIN t ON t.id = j.column1", wanted)
            self.assertEqual(found, [(at, f"b{at}") for (at,) in wanted])

    def test_only_the_named_rows_change(self) -> None:
        self.rows._insert("INSERT INTO t (id, a, b)", [(at, 0, 0) for at in range(10)])
        for count in (1, FEW - 1, FEW, FEW + 1):
            self.rows._connection.execute("UPDATE t SET a = 0")
            self.rows._update("t", "a", [(at, 1) for at in range(2, 2 + count)])
            self.assertEqual([row[0] for row in self.all() if row[1]], list(range(2, 2 + count)))

    def test_what_is_ignored_does_not_count(self) -> None:
        self.rows._insert("INSERT INTO t (id, a, b)", [(40, 0, 0)])
        written = self.rows._insert("INSERT OR IGNORE INTO t (id, a, b)", [(at, 0, 0) for at in range(70)])
        self.assertEqual(written, 69)

    def test_what_sqlite_has_no_form_for(self) -> None:
        """An integer of more than 64 bits, as a provider may give for a code; half a surrogate pair; a NUL."""
        for row in ((1, 1 << 63, "x"), (2, -(10**400), "a\0b"), (3, 0, "x\ud800y")):
            self.rows._insert("INSERT INTO t (id, a, b)", [row])
        found = [(1, float(1 << 63), "x"), (2, str(-(10**400)), "a\0b"), (3, 0, "x?y")]
        self.assertEqual(self.all(), found)

"""Saving what can be saved: pages of real files are destroyed, one after the other."""

import errno
import io
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from smsconnector.errors import StoreUnusable
from smsconnector.lifecycle import MessageState
from smsconnector.messages import ALL_EVENTS, CALLBACK_SINK, Callback, Outcome, Selection, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.offline import rescue as rescuing
from smsconnector.store.offline.btree_leaves import Leaves
from smsconnector.store.offline.reconcile import reconcile
from smsconnector.store.offline.rescue import TABLES, rescue
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask, message
from tests.unit.store.test_store import ACCOUNT, NOW, StoreCase

PAGE = 4096  # octets


class FileCase(StoreCase):
    """A file with 300 texts of three segments: a third delivered, a third refused, a third under way."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.store = Store(self.path)
        self.addCleanup(self.store.close)
        self.next_id = 1
        for number in range(300):
            segments = self.accept(f"SM{number}", *(f"{number} {part} " * 5 for part in "abc"))
            if number % 3 < 2:
                outcome = (Verdict.DONE, Verdict.REFUSED)[number % 3]
                self.one(ops.Record(tuple((Outcome(one, outcome, ACCOUNT, None, 11), 0) for one in segments), NOW))
        self.store.close()
        self.whole = Path(self.path).read_bytes()
        with closing(sqlite3.connect(self.path)) as connection:
            self.rows = {name: set(connection.execute(f"SELECT * FROM {name}")) for name in TABLES}

    def test_each_table(self) -> None:
        """Every table of the schema is saved, but for those whose rows the daemon makes anew."""
        made_anew = {
            "fall_back_due": "by AwaitFallBacks at a start",
            "falling_channel": "as fall_back_due",
            "message_number": "by the next start, which lists all",
            "outbox_progress": "how far retention has come: it begins anew",
            "probe": "what is written to see whether the disk takes anything",
        }
        with closing(sqlite3.connect(self.path)) as connection:
            present = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        present -= {"sqlite_sequence", *(name for name in present if name.startswith("sqlite_stat"))}
        self.assertEqual(present - made_anew.keys(), set(TABLES))

    def damaged(self) -> Iterator[tuple[int, str]]:
        """The number of a page, and a file in which that one is no page any more."""
        for page in range(1, len(self.whole) // PAGE):
            path = self.mktemp()
            Path(path).write_bytes(self.whole[: page * PAGE] + b"\xff" * PAGE + self.whole[(page + 1) * PAGE :])
            yield page, path

    def test_each_page(self) -> None:
        """Whichever page is destroyed: the rest comes through as it was, adds up, and can be gone on with."""
        refused = untouched = most_lost = 0
        for page, path in self.damaged():
            before, target = Path(path).read_bytes(), self.mktemp()
            try:
                saved = rescue(path, target)
            except StoreUnusable as error:
                self.assertIn("last backup", str(error))  # what the tables are is not known any more
                refused += 1
                continue
            self.assertEqual(Path(path).read_bytes(), before)
            self.assertEqual(reconcile(target).faults, [], page)
            self.one_report_each(target)
            with closing(sqlite3.connect(target)) as connection:
                kept = {name: set(connection.execute(f"SELECT * FROM {name}")) & self.rows[name] for name in TABLES}
            lost = sum(len(self.rows[name] - kept[name]) for name in TABLES)
            if not saved.gaps:
                self.assertEqual(lost, 0)
                untouched += 1
            else:
                most_lost = max(most_lost, lost)
            Store(target).close()
        self.assertLess(refused, 4)
        self.assertGreater(untouched, 10)  # pages of indices
        self.assertLess(most_lost, 300)  # of 1,400: a leaf, and what hung on it
        self.assertGreater(most_lost, 0)

    def one_report_each(self, target: str, but: str = "-") -> None:
        """Every message that was saved has one report, or is still under way with all its segments."""
        with closing(sqlite3.connect(target)) as connection:
            for sid, state, reports, segments in connection.execute(
                "SELECT m.sid, m.state, (SELECT count(*) FROM outbox WHERE event_id = 'dr-' || m.sid),"
                " (SELECT count(*) FROM segment AS s WHERE s.id BETWEEN m.id AND m.id + 2 AND s.text <> '')"
                " FROM message AS m"
            ):
                if sid.startswith(but):
                    continue
                if state == MessageState.ACTIVE:
                    self.assertEqual((reports, segments), (0, 3), sid)
                else:
                    self.assertEqual(reports, 1, sid)

    def test_lost_without_a_trace(self) -> None:
        """What is known of messages that are gone with all their segments: their reports, and the ids that are free."""
        with closing(sqlite3.connect(self.path)) as connection:
            for first in (10, 13, 16):  # the second is delivered, the third refused, the first under way
                connection.execute("DELETE FROM message WHERE id = ?", (first,))
                connection.execute("DELETE FROM segment WHERE id BETWEEN ? AND ? + 2", (first, first))
            connection.commit()
        saved = rescue(self.path, self.mktemp())
        self.assertEqual((saved.repair.reports_only, saved.repair.ids_unused, saved.repair.messages_lost), (2, 9, 0))

    def test_dropped_by_retention(self) -> None:
        """A report that is owed outlives its message, when the broker is away for longer than messages are kept. Those
        messages need not be lost. They ended before every message that is there."""
        day = 86_400_000
        with closing(sqlite3.connect(self.path)) as connection:
            for first in (1, 10, 13):
                connection.execute("UPDATE outbox SET created_at = created_at - ? WHERE id = ?", (day, first))
            sids = [
                event_id[3:]
                for (event_id,) in connection.execute("SELECT event_id FROM outbox WHERE created_at < ?", (NOW,))
            ]
            for sid in sids:
                (first,) = connection.execute("SELECT id FROM message WHERE sid = ?", (sid,)).fetchone()
                connection.execute("DELETE FROM message WHERE id = ?", (first,))
                connection.execute("DELETE FROM segment WHERE id BETWEEN ? AND ? + 2", (first, first))
            connection.commit()
        repair = rescue(self.path, self.mktemp()).repair
        self.assertEqual((repair.reports_only, repair.reports_outlive), (0, 3))

    def test_says_what_is_in_the_file(self) -> None:
        """The rows that are told as saved are in the new file: rows that had to go, for nothing refers to them any
        more, are not saved; nor are the empty segments that stand for lost ones."""
        for _, path in self.damaged():
            target = self.mktemp()
            try:
                saved = rescue(path, target)
            except StoreUnusable:
                continue
            with closing(sqlite3.connect(target)) as connection:
                for table in saved.tables:
                    found = connection.execute(f"SELECT * FROM {table.name}").fetchall()
                    # what the damaged file had too, by its id: a repair changes states
                    ids = {row[0] for row in self.rows[table.name]}
                    kept = [row for row in found if row[0] in ids]
                    if table.name == "segment":
                        texts = {row[0]: row[3] for row in self.rows["segment"]}
                        kept = [row for row in kept if row[3] == texts[row[0]]]
                    if table.name in ("outbox", "sink"):  # lost ones are made anew, under their old names
                        self.assertLessEqual(table.rows, len(found), table.name)
                    else:
                        self.assertEqual(table.rows, len(kept), table.name)

    def test_tables_of_one_shape(self) -> None:
        """The rows of a sink and of an account look alike, but for the size of their numbers. Where one table is
        destroyed, the other's rows do not come back in it: an account would be a sink that is owed nothing."""
        store = Store(self.path)
        roots = {
            name: store._one(f"SELECT rootpage FROM sqlite_schema WHERE name = '{name}'")
            for name in ("sink", "account_telling_parts")
        }
        store.close()
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("INSERT INTO account_telling_parts VALUES (1, ?, ?), (2, 'b', ?)", (ACCOUNT, NOW, NOW))
            connection.commit()
        whole = Path(self.path).read_bytes()
        for name, root in roots.items():
            path, target = self.mktemp(), self.mktemp()
            Path(path).write_bytes(whole[: (root - 1) * PAGE] + b"\xff" * PAGE + whole[root * PAGE :])
            rescue(path, target)
            with closing(sqlite3.connect(target)) as connection:
                sinks = [found for (found,) in connection.execute("SELECT name FROM sink")]
                accounts = [
                    found for (found,) in connection.execute("SELECT account FROM account_telling_parts ORDER BY id")
                ]
            self.assertEqual(sinks, ["stomp"], name)
            self.assertEqual(accounts, [ACCOUNT, "b"] if name == "sink" else [], name)

    def test_parked_event_is_lost(self) -> None:
        """What was parked, and whose row is lost, is owed again: nobody knows that it was not confirmed."""
        store = Store(self.path)
        first, second, third = ask(store, [ops.LoadEvents(SINK, 0, 3)])[0]
        row = ops.ParkedEvent(second.id, second.kind, 1, NOW, "no")
        store.apply([ops.ParkEvents(SINK, (row,), True, 0, NOW), ops.Confirm(SINK, (first.id, third.id), 3, NOW)])
        root = store._one("SELECT rootpage FROM sqlite_schema WHERE name = 'parked_event'")
        store.close()
        octets = bytearray(Path(self.path).read_bytes())
        octets[(root - 1) * PAGE : root * PAGE] = b"\xff" * PAGE
        Path(self.path).write_bytes(octets)
        target = self.mktemp()
        rescue(self.path, target)
        store = Store(target)
        self.addCleanup(store.close)
        owed = ask(store, [ops.LoadEvents(SINK, 0, 2)])[0]
        self.assertEqual(owed[0].event_id, second.event_id)

    def test_report_with_a_callback_is_lost(self) -> None:
        """Its report is written again, and the callback's host is owed that one, and no event that got the old id."""
        sinks = {SINK: ALL_EVENTS, f"{CALLBACK_SINK}crm": Selection(callback="crm")}
        store = Store(self.path, sinks=sinks)
        for number in (10_000, 10_001):
            made = replace(message(f"SM{number}"), callback=Callback("crm", "https://crm/"))
            ask(store, [ops.Accept(made, number, "smpp")])
            ask(store, [ops.Cancel(number, NOW)])
        lost = store._one("SELECT event FROM status_callback WHERE sid = 'SM10000'")
        store._connection.execute("DELETE FROM outbox WHERE id = ?", (lost,))
        store._connection.execute("DELETE FROM segment WHERE id = 1")  # so that something counts as lost
        store.close()
        target = self.mktemp()
        rescue(self.path, target)
        store = Store(target, sinks=sinks)
        self.addCleanup(store.close)
        load = ops.LoadSelected(ops.LoadEvents(f"{CALLBACK_SINK}crm", 0, 9), Selection(callback="crm"))
        self.assertEqual([one.event_id for one in ask(store, [load])[0].events], ["dr-SM10001", "dr-SM10000"])

    def test_many_pages(self) -> None:
        """Every eighth page destroyed: most is saved all the same, whichever pages those are. (Where the first of them
        has the schema, nothing can be read.)"""
        saved = []
        for first in range(9, 17):
            octets = bytearray(self.whole)
            for page in range(first, len(octets) // PAGE, 8):
                octets[page * PAGE : (page + 1) * PAGE] = os.urandom(PAGE)
            Path(self.path).write_bytes(octets)
            target = self.mktemp()
            try:
                saved.append(sum(table.rows for table in rescue(self.path, target).tables))
            except StoreUnusable:
                continue
            self.assertEqual(reconcile(target).faults, [])
        self.assertGreater(len(saved), 3)
        self.assertGreater(sum(saved) / len(saved), 900, saved)

    def test_rows_that_make_no_sense(self) -> None:
        """A page that is one but holds what can't be: the row is not taken."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("UPDATE message SET segments = 4000000000 WHERE sid = 'SM1'")
            connection.execute("UPDATE message SET state = 'x' WHERE sid = 'SM2'")
            connection.execute("UPDATE segment SET text = x'00ff' WHERE id = 1")
            connection.execute("UPDATE message SET code = x'00ff' WHERE sid = 'SM3'")
            connection.execute("DELETE FROM outbox WHERE event_id = 'dr-SM3'")
            connection.commit()
        target = self.mktemp()
        saved = rescue(self.path, target)
        self.assertEqual((saved.gaps, saved.repair.messages_lost), (4, 3))
        self.assertEqual(reconcile(target).faults, [])

    def test_sectors_that_cannot_be_read(self) -> None:
        """Where the disk gives nothing but an error, the rest is saved."""
        bad = range(9 * PAGE, 10 * PAGE)

        def pread(file: int, size: int, at: int) -> bytes:
            if at in bad or at < bad.start < at + size:
                raise OSError(errno.EIO, "Input/output error")
            return os.pread(file, size, at)

        self.patch(rescuing, "pread", pread)
        target = self.mktemp()
        saved = rescue(self.path, target)
        self.assertGreater(sum(table.rows for table in saved.tables), 1100)
        self.assertEqual(reconcile(target).faults, [])

    def test_copy_that_broke_off(self) -> None:
        """A file whose end is missing: the rest is saved."""
        Path(self.path).write_bytes(self.whole[: -3 * PAGE])
        target = self.mktemp()
        saved = rescue(self.path, target)
        self.assertGreater(sum(table.rows for table in saved.tables), 1000)
        self.assertEqual(reconcile(target).faults, [])

    def test_write_that_was_lost(self) -> None:
        """Pages with the content of before: nothing fails to be read, and yet what was saved adds up and goes on."""
        self.store = Store(self.path)
        self.accept("SM600", *(f"600 {part} " * 5 for part in "abc"))
        for _ in range(12):
            self.accept(f"SM6-{self.next_id}", "x" * 100)
        self.store.close()
        newer, damaged = Path(self.path).read_bytes(), 0
        for page in range(1, len(self.whole) // PAGE):
            before = self.whole[page * PAGE : (page + 1) * PAGE]
            if before == newer[page * PAGE : (page + 1) * PAGE]:
                continue
            Path(self.path).write_bytes(newer[: page * PAGE] + before + newer[(page + 1) * PAGE :])
            target = self.mktemp()
            try:
                saved = rescue(self.path, target)
            except StoreUnusable:
                continue
            damaged += bool(
                saved.gaps or saved.repair.messages_lost or saved.repair.messages_incomplete or saved.damage
            )
            self.assertEqual(reconcile(target).faults, [], page)
            self.one_report_each(target, "SM6")
            self.store = Store(target)
            self.next_id = self.store.last_segment_id() + 1
            self.accept("SMnew")
            self.store.close()
        self.assertGreater(damaged, 1)

    def test_directory_that_cannot_be_written(self) -> None:
        """A disk that was made read-only: nothing is written beside the file."""
        folder, target = Path(self.mktemp()), self.mktemp()
        folder.mkdir()
        Path(folder / "a.db").write_bytes(self.whole)
        before = os.listdir(folder)
        rescue(str(folder / "a.db"), target)
        self.assertEqual(os.listdir(folder), before)

    def test_sound_file(self) -> None:
        """Nothing is lost of a file that is sound, nor changed; what is in the WAL counts."""
        path, target = self.mktemp(), self.mktemp()
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("DELETE FROM outbox WHERE id = 1")  # a report that retention has dropped
            connection.commit()
            for end in ("", "-wal"):
                Path(path + end).write_bytes(Path(self.path + end).read_bytes())
        saved = rescue(path, target)
        repair = saved.repair
        self.assertEqual(
            (saved.gaps, repair.messages_lost, repair.messages_ended, repair.reports_repeated), (0, 0, 0, 0)
        )
        with closing(sqlite3.connect(target)) as connection:
            self.assertEqual(connection.execute("SELECT min(id), count(*) FROM outbox").fetchone(), (2, 199))


class RescueCase(TestCase):
    def test_refused(self) -> None:
        """A file in use, one that exists, one that is not ours or of another version, no file: each says what to do,
        and nothing is left behind."""
        path, target = self.mktemp(), self.mktemp()
        store = Store(path)
        self.assertIn("in use", str(self.assertRaises(StoreUnusable, rescue, path, target)))
        store.close()
        self.assertIn("nothing is overwritten", str(self.assertRaises(StoreUnusable, rescue, path, path)))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version=99")
        self.assertIn("schema 99", str(self.assertRaises(StoreUnusable, rescue, path, target)))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DROP TABLE message")
        self.assertIn("another program's", str(self.assertRaises(StoreUnusable, rescue, path, target)))
        self.assertIn("there is no", str(self.assertRaises(StoreUnusable, rescue, self.mktemp(), target)))
        Path(path).write_bytes(b"x" * 9000)
        self.assertIn("last backup", str(self.assertRaises(StoreUnusable, rescue, path, target)))
        Path(path).unlink()
        Store(path).close()
        self.assertIn("nowhere", str(self.assertRaises(StoreUnusable, rescue, path, "nowhere/x")))
        self.assertEqual([name for name in os.listdir(".") if name.startswith(target)], [])


quick = settings(deadline=None, max_examples=100, database=None)
VALUES = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.integers(0, 20_000).map(lambda length: "long " * length),
)


class LeavesCase(TestCase):
    @quick
    @given(st.lists(st.lists(VALUES, min_size=2, max_size=2), max_size=40), st.sampled_from([512, 1024, 4096, 65536]))
    def test_as_sqlite_reads_them(self, rows: list[list[Any]], size: int) -> None:
        """Every row of a file of whatever page size, as SQLite gives it; none of those that were deleted."""
        path = self.mktemp()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size={size}")
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, a, b)")
            connection.executemany("INSERT INTO one (a, b) VALUES (?, ?)", rows)
            connection.execute("DELETE FROM one WHERE id % 3 = 0")
            wanted = connection.execute("SELECT * FROM one").fetchall()
        with open(path, "rb") as file:
            found = sorted((row.rowid, *row.values[1:]) for row in Leaves(file).rows() if row.values[0] is None)
        self.assertEqual(found, wanted)

    def test_list_of_free_pages_that_is_cut(self) -> None:
        """What is free can't be told from what is not: nothing is read, or what was deleted would come again."""
        path = self.mktemp()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete=OFF")
            connection.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, a)")
            connection.executemany("INSERT INTO one (a) VALUES (?)", [("x" * 100,)] * 1000)
            connection.execute("DELETE FROM one WHERE id > 100")
        octets = bytearray(Path(path).read_bytes())
        trunk = int.from_bytes(octets[32:36], "big")
        self.assertGreater(trunk, 0)
        octets[(trunk - 1) * PAGE : trunk * PAGE] = bytes(PAGE)
        self.assertEqual(list(Leaves(io.BytesIO(octets)).rows()), [])

    @quick
    @given(st.lists(st.binary(min_size=512, max_size=512), max_size=5))
    def test_whatever_octets(self, pages: list[bytes]) -> None:
        """No octets make it fail."""
        first = b"SQLite format 3\0\x02\x00\x01\x01\x00\x40\x20\x20" + bytes(12 + 64)
        leaves = [b"\x0d\0\0\0\x10" + page[5:] for page in pages]
        list(Leaves(io.BytesIO(b"".join((first.ljust(512, b"\0"), *leaves)))).rows())

"""Reconcile: linear, in short transactions, beside a connector that goes on."""

import contextlib
import io
import sqlite3
from contextlib import closing

from smsconnector import cli
from smsconnector.messages import Outcome, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.database import open_readonly
from smsconnector.store.offline import reconcile as offline
from smsconnector.store.offline.reconcile import HOUR, reconcile
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask, confirm, message
from tests.unit.store.test_store import ACCOUNT, NOW, StoreCase, receipt


class ReconcileCase(StoreCase):
    """A store in a file, and slices of ten messages."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.store = Store(self.path)
        self.addCleanup(self.store.close)
        self.next_id = 1
        self.patch(offline, "AT_ONCE", 10)
        self.patch(offline, "open_readonly", self.watched)
        self.steps = 0

    def fill(self, count: int, delivered: bool = True) -> None:
        """So many messages of two segments, all delivered, their reports confirmed; or all under way."""
        firsts = range(self.next_id, self.next_id + 2 * count, 2)
        self.next_id += 2 * count
        ask(self.store, [ops.Accept(message(f"SM{first}", "one", "two"), first, "smpp") for first in firsts])
        segments = self.one(ops.LoadSegments("smpp", firsts[0] - 1, 2 * count))
        outcomes = tuple((Outcome(one, Verdict.ACCEPTED, ACCOUNT, f"7{one.id}", None), 0) for one in segments)
        self.one(ops.Record(outcomes, NOW))
        if not delivered:
            return
        self.one(ops.Receive(tuple(receipt(f"7{one.id}") for one in segments)))
        self.one(confirm(self.one(ops.LoadEvents(SINK, 0, 10_000)), NOW))

    def cost(self) -> int:
        """Instructions of SQLite's machine."""
        self.steps = 0
        self.assertEqual(reconcile(self.path).faults, [])
        return self.steps

    def step(self) -> int:
        self.steps += 1
        return 0

    def watched(self, path: str) -> sqlite3.Connection:
        connection = open_readonly(path)
        connection.set_progress_handler(self.step, 10)
        return connection

    def test_linear(self) -> None:
        """Four times as many messages cost four times as much. Measured before: 1.5, 38 and 162 s for 10, 50 and 100
        thousand."""
        self.fill(100)
        self.fill(100, delivered=False)
        once = self.cost()
        self.fill(300)
        self.fill(300, delivered=False)
        self.assertLess(self.cost(), once * 4.4)

    def test_short_transactions(self) -> None:
        """Between two slices nothing is held: the WAL can be written back and emptied."""
        self.fill(35)
        free: list[int] = []

        def tell(_share: float) -> None:
            free.append(self.store._one("PRAGMA wal_checkpoint(TRUNCATE)"))

        reconcile(self.path, tell=tell)
        self.assertEqual(free, [0] * 4)

    def test_progress(self) -> None:
        """The share rises with each slice, and ends at 1."""
        shares: list[float] = []
        reconcile(self.path, tell=shares.append)
        self.assertEqual(shares, [])  # there is nothing
        self.fill(35)
        reconcile(self.path, tell=shares.append)
        self.assertEqual((len(shares), shares), (4, sorted(shares)))
        self.assertEqual(shares[-1], 1.0)

    def test_all_slices(self) -> None:
        """The sums are those of all slices; a fault is found in the last one, and listed up to the limit."""
        self.fill(35)
        (line,) = reconcile(self.path).lines
        self.assertEqual(line, ("smpp", NOW // HOUR * HOUR, 35, 35, 0, 0, 35, 0))
        self.store._connection.execute("DELETE FROM outbox WHERE id > 25")
        self.assertEqual(len(reconcile(self.path).faults), 10)
        self.patch(offline, "MOST_FAULTS", 3)
        self.assertEqual([sid for sid, _ in reconcile(self.path).faults], ["SM51", "SM53", "SM55"])

    def test_beside_traffic(self) -> None:
        """What is accepted or dropped meanwhile makes no fault, and does not keep it from its end."""
        self.fill(35)
        done: list[float] = []

        def tell(share: float) -> None:
            if not done:
                self.fill(20)
                self.store._connection.execute("DELETE FROM message WHERE id > 50")
                self.store._connection.execute("DELETE FROM segment WHERE id > 50")
            done.append(share)

        balance = reconcile(self.path, tell=tell)
        self.assertEqual((balance.faults, [line.accepted for line in balance.lines]), ([], [25]))

    def test_gaps_of_ids(self) -> None:
        """Ids far apart are no slices without messages."""
        self.fill(5)
        self.next_id = 10**9
        self.fill(5)
        shares: list[float] = []
        self.assertEqual(sum(line.accepted for line in reconcile(self.path, tell=shares.append).lines), 10)
        self.assertEqual(len(shares), 1)

    def test_command(self) -> None:
        """Progress goes to stderr, now and then; the table alone to stdout."""
        self.fill(35)
        for interval, lines in ((0.0, 4), (60.0, 0)):
            self.patch(cli, "PROGRESS_INTERVAL", interval)
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                self.assertEqual(cli.main(["reconcile", "--database", self.path]), 0)
            self.assertEqual(err.getvalue().count("of the messages looked at\n"), lines)
            self.assertIn("all adds up", out.getvalue())

    def counts(self, *sinks: str) -> tuple[int, int]:
        """Confirmed and waiting reports of all messages."""
        lines = reconcile(self.path, sinks=sinks or None).lines
        return sum(one.confirmed for one in lines), sum(one.waiting for one in lines)

    def test_a_sink_that_is_gone(self) -> None:
        """A report waits for the sinks of the configuration. What a sink is owed that is in it no more, nobody brings;
        the database keeps it, for the sink may come back."""
        self.store.close()
        self.store = Store(self.path, sinks=(SINK, "old"))
        self.addCleanup(self.store.close)
        self.fill(4)  # "old" has confirmed none
        self.assertEqual(self.counts(), (0, 4))
        self.assertEqual(self.counts(SINK, "old"), (0, 4))
        self.assertEqual(self.counts(SINK), (4, 0))
        self.assertEqual(self.counts("old"), (0, 4))
        self.assertEqual(self.counts(SINK, "new"), (4, 0))
        rows = self.one(ops.LoadEvents("old", 0, 2))
        parked = tuple(ops.ParkedEvent(one.id, one.kind, 1, NOW, "no") for one in rows)
        self.one(ops.ParkEvents("old", parked, True, 0, NOW))
        self.assertEqual((self.counts(SINK), self.counts("old")), ((4, 0), (0, 4)))

    def test_command_by_configuration(self) -> None:
        """With a configuration, only its sinks count, and another one is told of. A configuration that can't be read
        for want of secrets, or the database alone, counts them all."""
        self.store.close()
        self.store = Store(self.path, sinks=(SINK, "old"))
        self.addCleanup(self.store.close)
        self.fill(4)
        stomp, old = "{type: stomp}", "{type: webhook, name: old, url: 'https://h/', secrets: ['${NOT_SET}']}"
        for events, arguments, waiting, told in (
            ("events: {sink: stomp}", ["--config"], "0", "old"),
            (f"events: {{sinks: [{stomp}]}}", ["--config"], "0", "old"),
            (f"events: {{sinks: [{stomp}, {old}]}}", ["--config"], "4", ""),
            ("events: {sinks: 5}", ["--config"], "4", ""),
            ("channels: {}", ["--config"], "0", "old"),
            ("", ["--database"], "4", ""),
        ):
            file = self.mktemp()
            with open(file, "w", encoding="utf-8") as written:
                written.write(f"store: {{path: {self.path}}}\n{events}\n")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                path = file if arguments == ["--config"] else self.path
                self.assertEqual(cli.main(["reconcile", *arguments, path]), 0)
            self.assertEqual(out.getvalue().splitlines()[1].split()[-1], waiting, events)
            self.assertEqual("the sink old" in out.getvalue(), bool(told), events)

    def test_closed(self) -> None:
        """Afterwards the file is nobody's: it can be written by another."""
        self.fill(1)
        reconcile(self.path)
        with closing(sqlite3.connect(self.path, timeout=0)) as other:
            other.execute("BEGIN EXCLUSIVE")

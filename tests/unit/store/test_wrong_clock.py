"""A clock that was wrong for a while: what it stamped stops no walk.

Seen on machines without a battery-backed clock, and with an NTP server that was wrong: times months ahead for minutes.
"""

from smsconnector.messages import IncomingSegment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.receipts import PARKED_TIMEOUT
from tests.unit.store.test_retention import FileStoreCase
from tests.unit.store.test_store import ACCOUNT, NOW, receipt

AHEAD = NOW + 365 * 86_400_000  # what the wrong clock showed
KEPT = 1_000_000  # ms that is kept here
LATER = NOW + 2 * KEPT


class WrongClockCase(FileStoreCase):
    """The store holds reports of SM1 and SM2, both confirmed."""

    def set(self, table: str, column: str, row: int, at: int = AHEAD) -> None:
        self.store._connection.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (at, row))

    def value(self, table: str, column: str, row: int) -> int:
        return self.store._one(f"SELECT {column} FROM {table} WHERE id = ?", row)

    def text(self, sid: str, at: int) -> None:
        self.one(ops.Incoming((IncomingSegment("smpp", ACCOUNT, "1", "2", "hi", at, sid=sid),)))
        self.publish(at)

    def bodies(self) -> int:
        return self.store._one("SELECT count(*) FROM outbox WHERE body <> ''")

    def keep(self, now: int, limit: int = 200) -> int:
        """Drop what is older than KEPT; how many steps that took."""
        self.one(ops.Sweep(now, 0))
        steps = 0
        while self.one(ops.Purge(now - KEPT, now - KEPT, limit, now)):
            steps += 1
        return steps

    # --- events -----------------------------------------------------------------------------------------------

    def test_event_in_the_future(self) -> None:
        """One event with a time in the future is dropped with those around it."""
        self.set("outbox", "created_at", 1)
        self.keep(LATER)
        self.assertEqual((self.bodies(), self.rows("outbox")), (0, 0))

    def test_it_is_not_older_than_the_next(self) -> None:
        """Until the one behind it is old enough, it stays."""
        self.text("in1", NOW)
        self.text("in2", LATER)
        self.set("outbox", "created_at", 3)
        self.keep(LATER + 1)
        self.assertEqual(self.rows("outbox"), 2)
        self.keep(LATER + KEPT + 1)
        self.assertEqual(self.rows("outbox"), 0)

    def test_last_event(self) -> None:
        """The last one of all counts from now."""
        self.text("in1", AHEAD)
        self.keep(LATER)
        self.assertEqual(self.value("outbox", "created_at", 3), LATER)
        self.keep(LATER + KEPT + 1)
        self.assertEqual(self.rows("outbox"), 0)

    def test_many_in_the_future(self) -> None:
        """More of them in a row than one step looks at: they count from now, and then they go."""
        for index in range(9):
            self.text(f"in{index}", AHEAD)
        self.text("last", LATER)
        for round_ in range(1, 9):
            self.keep(LATER + round_ * (KEPT + 1), limit=4)
        self.assertEqual(self.store._one("SELECT count(*) FROM outbox WHERE event_id LIKE 'in-%'"), 0)

    def test_report_of_a_message_that_stays(self) -> None:
        """A report stays with its message, and holds up nothing behind it."""
        self.store._connection.execute("UPDATE message SET final_at = ? WHERE sid = 'SM1'", (LATER - 1,))
        self.text("in1", NOW)
        self.keep(LATER)
        self.assertEqual(self.store._one("SELECT count(*) FROM outbox WHERE event_id = 'dr-SM1'"), 1)
        self.assertEqual(self.rows("outbox"), 1)
        self.assertEqual(self.rows("message"), 2)  # and the one under way

    # --- messages, parts, receipts ----------------------------------------------------------------------------

    def test_message(self) -> None:
        """A message that ended in the future is kept for its time from now on."""
        for kept in (0, 1):
            self.store._connection.execute(
                "UPDATE message SET final_at = ?, texts_kept = ? WHERE id = 1", (AHEAD, kept)
            )
            self.one(ops.Sweep(LATER, 0))
            self.assertEqual(self.value("message", "final_at", 1), LATER)
        self.keep(LATER + KEPT + 1)
        self.assertIsNone(self.one(ops.Find("SM1")))

    def test_parts(self) -> None:
        """Parts of a text whose last part never comes are told in their time, not in a year."""
        part = IncomingSegment("smpp", ACCOUNT, "92300", "8228", "text", AHEAD, 7, 1, 2)
        self.one(ops.Incoming((part,)))
        self.one(ops.Sweep(NOW, NOW - 300_000))
        self.assertEqual(len(self.events()), 0)
        self.one(ops.Sweep(NOW + 300_001, NOW + 1))
        self.assertEqual(len(self.events()), 1)

    def test_parked_receipt(self) -> None:
        """A parked receipt is dropped in its time; and till then it is matched."""
        for smsc_id in ("x1", "x2"):
            self.receive(receipt(smsc_id, destination="923009999999"))
        self.store._connection.execute("UPDATE parked_receipt SET received_at = ?", (AHEAD,))
        self.one(ops.Sweep(LATER, 0))
        self.record(self.accept("SM9", to="923009999999")[-1], Verdict.ACCEPTED, "x1")
        self.assertEqual(len(self.events()), 1)
        self.one(ops.Sweep(LATER + PARKED_TIMEOUT, 0))
        self.assertEqual(self.store.parked, 0)

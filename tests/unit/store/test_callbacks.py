"""The report of one message, wanted at a URL of its own: owed to the sink of that host, and to nobody for others."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

from smsconnector.messages import ALL_EVENTS, CALLBACK_SINK, Callback, Finality, Message, Selection, Verdict
from smsconnector.store import callbacks
from smsconnector.store import operations as ops
from smsconnector.store.finding import FindTimeline, Told
from smsconnector.store.offline.parked import parked_events
from smsconnector.store.offline.reconcile import reconcile
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask, confirm, message
from tests.unit.store.test_store import NOW, StoreCase, receipt

CRM, DESK = "crm.example", "desk.example:8443"
AT_CRM, AT_DESK = CALLBACK_SINK + CRM, CALLBACK_SINK + DESK
WANTED = {SINK: ALL_EVENTS, AT_CRM: Selection(callback=CRM), AT_DESK: Selection(callback=DESK)}
LATER = NOW + 10**9


def with_callback(sid: str, host: str = CRM) -> Message:
    return replace(message(sid), callback=Callback(host, f"https://{host}/told?token={sid}"))


class CallbackCase(StoreCase):
    """A broker that wants all, and two hosts."""

    def setUp(self) -> None:
        self.path, self.next_id = self.mktemp(), 1
        self.store = Store(self.path, sinks=WANTED)

    def tearDown(self) -> None:
        self.store.close()

    def reopen(self, wanted: dict[str, Selection]) -> None:
        self.store.close()
        self.store = Store(self.path, sinks=wanted)

    def put(self, made: Message) -> int:
        self.one(ops.Accept(made, self.next_id, "smpp"))
        self.next_id += 1
        return self.next_id - 1

    def end(self, made: Message, finality: Finality = Finality.DELIVERED) -> None:
        first = self.put(made)
        (segment,) = self.one(ops.LoadSegments("smpp", first - 1, 1))
        self.record(segment, Verdict.ACCEPTED, made.sid)
        self.receive(receipt(made.sid, finality))

    def owed(self, host: str = CRM, after: int = 0) -> list[tuple[str, str]]:
        """The event and the URL of each."""
        load = ops.LoadSelected(ops.LoadEvents(CALLBACK_SINK + host, after, 100), Selection(callback=host))
        found: list[Any] = self.one(load).events
        return [(one.event_id, one.callback.url) for one in found]

    def waiting(self) -> int:
        return int(self.one(ops.Measure()).waiting_events)

    def rows(self) -> int:
        with closing(sqlite3.connect(self.path)) as connection:
            return int(connection.execute("SELECT count(*) FROM status_callback").fetchone()[0])

    def test_each_at_its_host(self) -> None:
        """The broker is owed all reports; each host those that it was named for, and no other's."""
        for made in (message("SM1"), with_callback("SM2"), with_callback("SM3", DESK), message("SM4")):
            self.end(made)
        self.assertEqual([one.event_id for one in self.events()], ["dr-SM1", "dr-SM2", "dr-SM3", "dr-SM4"])
        self.assertEqual(self.owed(), [("dr-SM2", "https://crm.example/told?token=SM2")])
        self.assertEqual(self.owed(DESK), [("dr-SM3", "https://desk.example:8443/told?token=SM3")])
        self.assertEqual(self.waiting(), 6)

    def test_nothing_before_the_end(self) -> None:
        """A message that is under way is owed to nobody, and one that is taken back is reported."""
        first = self.put(with_callback("SM1"))
        self.assertEqual(self.owed(), [])
        self.one(ops.Cancel(first, NOW))
        self.assertEqual([name for name, _ in self.owed()], ["dr-SM1"])

    def test_plain_texts_pay_nothing(self) -> None:
        """Where no message has one, not one statement is about them, from the acceptance of a text to its end."""
        said: list[str] = []
        self.store._connection.set_trace_callback(said.append)
        self.end(message("SM1"))
        self.end(message("SM2"), Finality.FAILED)
        self.assertNotEqual(said, [])
        self.assertEqual([sql for sql in said if "status_callback" in sql], [])

    def test_after_a_restart(self) -> None:
        """Accepted in one life, ended in the next: the report still knows its URL, and counts."""
        first = self.put(with_callback("SM1"))
        self.reopen(WANTED)
        self.assertEqual(self.waiting(), 0)
        self.one(ops.Cancel(first, NOW))
        self.assertEqual((len(self.owed()), self.waiting()), (1, 2))
        self.reopen(WANTED)
        self.assertEqual((len(self.owed()), self.waiting()), (1, 2))

    def test_told_with_the_events(self) -> None:
        """Whoever hears of new events sees which of them are wanted where."""
        self.store.take_written()
        self.end(message("SM1"))
        self.end(with_callback("SM2"))
        written = self.store.take_written()
        assert written is not None
        self.assertEqual([one.callback and one.callback.host for one in written], [None, CRM])

    def test_settled(self) -> None:
        """What the host has confirmed or refused is not owed any more; a parked one comes back with its URL."""
        for sid in ("SM1", "SM2"):
            self.end(with_callback(sid))
        self.one(ops.Confirm(AT_CRM, (1,), 1, NOW + 5))
        parked = ops.ParkedEvent(2, "delivery_report", 1, NOW, "it answered 500")
        self.one(ops.ParkEvents(AT_CRM, (parked,), True, 2, NOW + 6))
        self.assertEqual((self.owed(), self.waiting()), ([], 2))
        (again,) = self.one(ops.LoadParkedEvents(AT_CRM, "delivery_report", NOW, 10))
        self.assertEqual((again.event_id, again.attempts), ("dr-SM2", 1))
        self.assertEqual(again.callback, Callback(CRM, "https://crm.example/told?token=SM2"))
        self.assertEqual([(one.sink, one.event_id) for one in parked_events(self.path)], [(AT_CRM, "dr-SM2")])

    def test_timeline(self) -> None:
        """The callback's answer stands there as each sink's does."""
        self.end(with_callback("SM1"))
        self.one(ops.Confirm(SINK, (1,), 1, NOW + 4))
        self.one(ops.Confirm(AT_CRM, (1,), 1, NOW + 5))
        told = self.one(FindTimeline("SM1")).report.told
        self.assertEqual(told, (Told(SINK, NOW + 4, True), Told(AT_CRM, NOW + 5, True)))

    def test_host_not_configured_any_more(self) -> None:
        """It is owed nothing new that is counted; what it was owed is told; retention does not wait for it."""
        self.end(with_callback("SM1"))
        for number in range(2, 5):
            self.end(message(f"SM{number}"))
        self.reopen({SINK: ALL_EVENTS})
        self.assertEqual((self.waiting(), self.store.forgotten_sinks()), (4, {AT_CRM: 1}))
        self.reopen(WANTED)
        self.assertEqual((self.waiting(), len(self.owed())), (5, 1))

    def test_dropped_with_the_event(self) -> None:
        """Their rows go with the messages and the events, those without a report to come stay."""
        self.end(with_callback("SM1"))
        self.put(with_callback("SM2"))
        self.one(confirm(self.events(), NOW))
        for sink in (AT_CRM, AT_DESK):
            self.one(ops.Confirm(sink, (1,) if sink == AT_CRM else (), 1, NOW))
        self.assertEqual(self.rows(), 2)
        for _ in range(4):
            self.one(ops.Purge(LATER, LATER))
        self.assertEqual((self.rows(), self.events()), (1, []))

    def test_reconcile(self) -> None:
        """A report that no callback wants waits for no host; one that is wanted waits until its host has confirmed."""
        self.end(message("SM1"))
        self.end(with_callback("SM2"))
        self.one(confirm(self.events(), NOW))
        (line,) = reconcile(self.path).lines
        self.assertEqual((line.confirmed, line.waiting), (1, 1))
        self.one(ops.Confirm(AT_CRM, (2,), 2, NOW))
        (line,) = reconcile(self.path).lines
        self.assertEqual((line.confirmed, line.waiting), (2, 0))

    def test_by_their_own_index(self) -> None:
        """To find those of a host among many events takes no look at the others."""
        self.end(with_callback("SM1"))
        plan = self.store._connection.execute(
            "EXPLAIN QUERY PLAN SELECT o.id FROM status_callback AS c CROSS JOIN outbox AS o ON o.id = c.event"
            " WHERE c.event > 0 AND c.host = 'x' ORDER BY c.event LIMIT 9"
        ).fetchall()
        self.assertTrue(any("status_callback_event" in row[3] for row in plan), plan)
        self.assertFalse(any("SCAN" in row[3] or "TEMP" in row[3] for row in plan), plan)

    def test_another_channel(self) -> None:
        """A text that goes on over another channel keeps its MessageSID, and with it the callback."""
        self.put(with_callback("SM1"))
        self.assertEqual(
            ask(self.store, [ops.Measure()])[0].waiting_events, 0, "it has no report yet, whatever its channel"
        )
        self.assertEqual(self.store._callbacks_of(["SM1", "SM1/smpp", "SM2"]).keys(), {"SM1"})

    def test_shown(self) -> None:
        """A secret in the URL shows nowhere that a record is written to a log."""
        made = with_callback("SM1")
        self.assertNotIn("token", repr(made))
        self.end(made)
        self.assertNotIn("token", repr(self.store.take_written()))
        self.assertEqual(callbacks.FIRST_OF_SID, len("dr-") + 1)

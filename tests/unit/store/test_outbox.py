"""Events owed to sinks: each sink has its own progress, and one event that is refused holds up no other."""

import sqlite3
from contextlib import closing

from smsconnector.errors import StoreUnusable
from smsconnector.messages import INCOMING_MESSAGE, Event, IncomingSegment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.offline.parked import parked_events, retry_parked
from smsconnector.store.offline.reconcile import reconcile
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask
from tests.unit.store.test_store import ACCOUNT, NOW, StoreCase

OTHER = "toy"


def parked(event: Event, attempts: int = 1, due_at: int = NOW + 1000, reason: str = "no") -> ops.ParkedEvent:
    return ops.ParkedEvent(event.id, event.kind, attempts, due_at, reason)


class SinkCase(StoreCase):
    """A store whose events are owed to two sinks, in a file."""

    sinks: tuple[str, ...] = (SINK, OTHER)

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.store = Store(self.path, sinks=self.sinks)
        self.next_id = 1

    def tearDown(self) -> None:
        self.store.close()

    def reopen(self, *sinks: str) -> None:
        self.store.close()
        self.store = Store(self.path, sinks=sinks or self.sinks)

    def told(self, *texts: str) -> list[Event]:
        """Some events; those that the first sink is owed."""
        segments = [IncomingSegment("smpp", ACCOUNT, "1", "2", text, NOW, sid=f"in-{text}") for text in texts]
        self.one(ops.Incoming(tuple(segments)))
        return self.owed(SINK)

    def owed(self, sink: str, after: int = 0) -> list[Event]:
        return self.one(ops.LoadEvents(sink, after, 100))  # type: ignore[no-any-return]

    def confirm(self, sink: str, events: list[Event], up_to: int = 0) -> None:
        self.one(ops.Confirm(sink, tuple(event.id for event in events), up_to, NOW + 10))

    def park(self, sink: str, *events: ops.ParkedEvent, up_to: int = 0, refused: bool = True) -> None:
        self.one(ops.ParkEvents(sink, events, refused, up_to, NOW + 10))

    def counts(self) -> tuple[int, int]:
        measures = self.one(ops.Measure())
        return measures.waiting_events, measures.parked_events

    def check_counts(self) -> None:
        """What is counted in memory is what a start finds."""
        before = self.counts()
        self.reopen()
        self.assertEqual(self.counts(), before)


class ProgressCase(SinkCase):
    def test_each_sink_has_its_own(self) -> None:
        """What one has confirmed the other is still owed."""
        first, second = self.told("a", "b")
        self.confirm(SINK, [first, second], up_to=second.id)
        self.assertEqual((self.owed(SINK), self.owed(OTHER)), ([], [first, second]))
        self.assertEqual(self.counts(), (2, 0))
        self.check_counts()
        self.confirm(OTHER, [second])
        self.assertEqual(self.owed(OTHER), [first])
        self.check_counts()

    def test_confirmed_twice(self) -> None:
        """A repeat of a confirmation changes nothing."""
        events = self.told("a", "b")
        for _ in range(2):
            self.confirm(SINK, events, up_to=events[-1].id)
        self.assertEqual(self.counts(), (2, 0))
        self.check_counts()

    def test_where_a_start_goes_on(self) -> None:
        """From the last event before the first that is owed; nothing behind ``furthest`` has to be looked at."""
        events = self.told("a", "b", "c", "d")
        self.confirm(SINK, [events[0], events[2]], up_to=1)
        self.assertEqual(self.one(ops.LoadProgress(SINK)), (1, 3))
        self.assertEqual(self.one(ops.LoadProgress(OTHER)), (0, 0))
        self.assertEqual(self.owed(SINK), [events[1], events[3]])
        self.assertEqual(self.one(ops.LoadEvents(SINK, 3, 100, may_be_settled=False)), [events[3]])

    def test_progress_never_goes_back(self) -> None:
        """An older word about it comes later when the disk was full in between."""
        events = self.told("a", "b")
        self.confirm(SINK, events, up_to=2)
        self.confirm(SINK, [], up_to=1)
        self.assertEqual(self.one(ops.LoadProgress(SINK)).settled_up_to, 2)

    def test_new_sink(self) -> None:
        """It is owed what is written from its first day on."""
        self.told("a")
        self.reopen(SINK, OTHER, "third")
        self.assertEqual(self.owed("third"), [])
        *_, last = self.told("b")
        self.assertEqual(self.owed("third"), [last])

    def test_sink_that_is_no_longer_configured(self) -> None:
        """It is counted no more, named at the start, and goes on where it was when it comes back."""
        events = self.told("a", "b")
        self.confirm(SINK, events, up_to=2)
        self.reopen(SINK)
        self.assertEqual((self.counts(), self.store.forgotten_sinks()), ((0, 0), {OTHER: 2}))
        self.reopen(SINK, OTHER)
        self.assertEqual((self.owed(OTHER), self.store.forgotten_sinks()), (events, {}))


class ParkedCase(SinkCase):
    def test_holds_up_no_other(self) -> None:
        """What is parked is not loaded with the others, but when it is due; it is counted apart."""
        first, second, third = self.told("a", "b", "c")
        self.park(SINK, parked(second), up_to=0)
        self.assertEqual(self.owed(SINK), [first, third])
        self.assertEqual(self.counts(), (5, 1))
        self.check_counts()
        self.assertEqual(self.one(ops.LoadParkedEvents(SINK, INCOMING_MESSAGE, NOW + 999, 10)), [])
        self.assertEqual(self.one(ops.LoadParkedEvents(SINK, INCOMING_MESSAGE, NOW + 1000, 10)), [second])
        self.assertEqual(self.one(ops.LoadParkedEvents(OTHER, INCOMING_MESSAGE, NOW + 1000, 10)), [])

    def test_parked_again(self) -> None:
        """The pause and the attempts change, since when it waits does not."""
        (event,) = self.told("a")
        self.park(SINK, parked(event))
        self.park(SINK, parked(event, attempts=2, due_at=NOW + 5000, reason="still no"))
        self.assertEqual(self.counts(), (1, 1))
        (found,) = parked_events(self.path)
        self.assertEqual(found, (event.event_id, "incoming_message", SINK, NOW + 10, 2, NOW + 5000, 1, "still no"))

    def test_taken_in_the_end(self) -> None:
        """Confirmed, it is parked no more; its text goes at once if the texts of its time have been dropped."""
        first, second = self.told("a", "b")
        self.confirm(OTHER, [first, second], up_to=2)
        self.park(SINK, parked(first))
        self.confirm(SINK, [second], up_to=2)
        while self.one(ops.Purge(NOW + 100, NOW - 1)):
            pass
        bodies = self.store._connection.execute("SELECT body <> '' FROM outbox ORDER BY id").fetchall()
        self.assertEqual(bodies, [(1,), (0,)])
        self.confirm(SINK, [first], up_to=2)
        self.assertEqual((self.counts(), parked_events(self.path)), ((0, 0), []))
        self.assertEqual(self.store._one("SELECT count(*) FROM outbox WHERE body <> ''"), 0)
        self.check_counts()

    def test_is_kept(self) -> None:
        """What is parked stays, however old; what lies behind it goes."""
        first, second = self.told("a", "b")
        for sink in self.sinks:
            self.confirm(sink, [second], up_to=2)
        self.park(SINK, parked(first))
        self.confirm(OTHER, [first], up_to=2)
        while self.one(ops.Purge(NOW + 100, NOW + 100)):
            pass
        self.assertEqual(self.store._connection.execute("SELECT id FROM outbox").fetchall(), [(first.id,)])
        self.assertEqual(self.store._connection.execute("SELECT count(*) FROM confirmation").fetchone(), (1,))

    def test_retry(self) -> None:
        """One of them, or all, are due at once; what is not there is counted as none."""
        first, second = self.told("a", "b")
        self.park(SINK, parked(first), parked(second, due_at=NOW + 2000))
        self.assertEqual(retry_parked(self.path, [second.event_id]), 1)
        self.assertEqual(self.one(ops.LoadParkedEvents(SINK, INCOMING_MESSAGE, NOW, 10)), [second])
        self.assertEqual((retry_parked(self.path, ["x"]), retry_parked(self.path, [])), (0, 2))
        self.assertEqual(len(self.one(ops.LoadParkedEvents(SINK, INCOMING_MESSAGE, NOW, 10))), 2)
        self.assertRaises(StoreUnusable, retry_parked, self.mktemp(), [])
        self.assertRaises(StoreUnusable, parked_events, self.mktemp())

    def test_parked_at_both(self) -> None:
        """The body stays until the last sink has the event."""
        (event,) = self.told("a")
        for sink in self.sinks:
            self.park(sink, parked(event), up_to=1)
        while self.one(ops.Purge(NOW + 100, NOW - 1)):
            pass
        self.confirm(SINK, [event], up_to=1)
        self.assertEqual(self.one(ops.LoadParkedEvents(OTHER, INCOMING_MESSAGE, NOW + 1000, 10)), [event])
        self.confirm(OTHER, [event], up_to=1)
        self.assertEqual(self.store._one("SELECT count(*) FROM outbox WHERE body <> ''"), 0)

    def test_back_after_its_texts_were_dropped(self) -> None:
        """A sink that was not configured while the texts of its events were dropped gets no empty ones."""
        events = self.told("a", "b")
        self.confirm(SINK, events, up_to=2)
        self.reopen(SINK)
        while self.one(ops.Purge(NOW + 100, NOW - 1)):
            pass
        self.reopen(SINK, OTHER)
        (third,) = self.told("c")
        self.assertEqual((self.owed(OTHER), self.counts()), ([third], (2, 0)))

    def test_many_parked_before_all_others(self) -> None:
        """Retention gets by, a step at a time, however many are parked. What was parked goes when its time comes."""
        events = self.told(*(f"t{number}" for number in range(60)))
        self.confirm(OTHER, events, up_to=60)
        self.park(SINK, *(parked(event) for event in events[:50]), up_to=50)
        self.confirm(SINK, events[50:], up_to=60)
        for _ in range(10):
            self.one(ops.Purge(NOW + 100, NOW + 100, limit=10))
        self.assertEqual(self.store._one("SELECT count(*) FROM outbox"), 50)
        self.confirm(SINK, events[:50], up_to=60)
        for _ in range(20):
            self.one(ops.Purge(NOW + 100, NOW + 100, limit=10))
        for table in ("outbox", "confirmation", "parked_event"):
            self.assertEqual(self.store._one(f"SELECT count(*) FROM {table}"), 0, table)

    def test_adds_up(self) -> None:
        """A report that one sink has not confirmed waits, whatever the other has done."""
        segment = self.accept("SM1")[0]
        self.record(segment, Verdict.REFUSED, code=11)
        (event,) = self.owed(SINK)

        def told() -> tuple[int, int]:
            (line,) = reconcile(self.path).lines
            return line.confirmed, line.waiting

        self.assertEqual(told(), (0, 1))
        self.confirm(SINK, [event], up_to=1)
        self.assertEqual(told(), (0, 1))
        self.park(OTHER, parked(event), up_to=1)
        self.assertEqual(told(), (0, 1))
        self.confirm(OTHER, [event], up_to=1)
        self.assertEqual(told(), (1, 0))


class IdsCase(SinkCase):
    def test_many_sinks(self) -> None:
        """The last id that a sink may have does not reach into the next event's."""
        self.reopen(*(f"s{number}" for number in range(61)))
        first, second = self.told("a", "b")[:2] or self.owed("s60")[:2]
        self.confirm("s60", [first])
        with closing(sqlite3.connect(self.path)) as connection:
            ((key,),) = connection.execute("SELECT id FROM confirmation").fetchall()
        self.assertEqual(divmod(key, 64), (first.id, 63))
        self.assertEqual(self.owed("s60"), [second])
        self.assertEqual(ask(self.store, [ops.LoadEvents("s0", 0, 9)])[0], [first, second])


class WrittenCase(SinkCase):
    """The events that a commit hands over are those on disk, with their ids; or it says that they have to be read."""

    def write(self, *sids: str) -> list[Event] | None:
        self.store.take_written()
        self.one(ops.Incoming(tuple(IncomingSegment("smpp", ACCOUNT, "1", "2", "hi", NOW, sid=one) for one in sids)))
        return self.store.take_written()

    def test_new_ones(self) -> None:
        self.write("a")
        self.assertEqual(self.write("b", "c"), self.owed(SINK)[1:])
        self.assertEqual(self.store.take_written(), [])

    def test_repeats_among_them(self) -> None:
        """Which ids the others have is not known then."""
        self.write("a")
        self.assertIsNone(self.write("b", "a", "c"))
        self.assertEqual(self.write("a"), [])
        self.assertEqual(self.write("d"), self.owed(SINK)[3:])

    def test_rolled_back(self) -> None:
        """Nothing is told of a batch that was not written."""
        segment = IncomingSegment("smpp", ACCOUNT, "1", "2", "hi", NOW, sid="a")
        wrong = ops.Confirm("nobody", (1,), 0, NOW)
        self.store.take_written()
        self.assertRaises(KeyError, self.store.apply, [ops.Incoming((segment,)), wrong])
        self.assertEqual((self.store.take_written(), self.owed(SINK)), ([], []))

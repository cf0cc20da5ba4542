"""A sink that wants some of the events only: the others are not owed to it, and hold up neither it nor retention."""

from smsconnector.messages import (
    ALL_EVENTS,
    DELIVERY_REPORT,
    INCOMING_MESSAGE,
    Event,
    Finality,
    IncomingSegment,
    Receipt,
    Selection,
)
from smsconnector.store import operations as ops
from smsconnector.store.offline.parked import parked_events
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask
from tests.unit.store.test_store import ACCOUNT, NOW, StoreCase

CHOOSY = "crm"
TEXTS = Selection(kinds=(INCOMING_MESSAGE,))
LATER = NOW + 10**9


class SelectionCase(StoreCase):
    """One sink that wants all events, and one that wants ``TEXTS``."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.store = Store(self.path, sinks={SINK: ALL_EVENTS, CHOOSY: TEXTS})
        self.next_id = 1

    def tearDown(self) -> None:
        self.store.close()

    def reopen(self, **wanted: Selection) -> None:
        self.store.close()
        self.store = Store(self.path, sinks={SINK: ALL_EVENTS} | wanted)

    def text(self, sid: str, channel: str = "smpp") -> None:
        self.one(ops.Incoming((IncomingSegment(channel, ACCOUNT, "1", "2", sid, NOW, sid=sid),)))

    def report(self, sid: str, channel: str = "smpp") -> None:
        told = Receipt(ACCOUNT, sid, Finality.DELIVERED, "000", "delivered", NOW)
        self.one(ops.Receive((told,), report_unknown=True, channel=channel))

    def selected(self, wanted: Selection = TEXTS, after: int = 0, limit: int = 100, **more: object) -> ops.Selected:
        load = ops.LoadEvents(CHOOSY, after, limit, **more)  # type: ignore[arg-type]
        return self.one(ops.LoadSelected(load, wanted))  # type: ignore[no-any-return]

    def ids(self, events: list[Event]) -> list[int]:
        return [event.id for event in events]

    def waiting(self) -> int:
        return int(self.one(ops.Measure()).waiting_events)

    def confirm(self, sink: str, ids: tuple[int, ...], up_to: int) -> None:
        self.one(ops.Confirm(sink, ids, up_to, NOW))

    def test_by_kind_and_channel(self) -> None:
        """Each alone, and both."""
        for sid, channel in (("a", "smpp"), ("b", "twilio")):
            self.report(sid, channel)
            self.text(sid, channel)
        for wanted, ids in (
            (Selection((INCOMING_MESSAGE,)), [2, 4]),
            (Selection((), ("twilio",)), [3, 4]),
            (Selection((DELIVERY_REPORT,), ("smpp", "other")), [1]),
            (Selection((DELIVERY_REPORT, INCOMING_MESSAGE), ("smpp", "twilio")), [1, 2, 3, 4]),
            (Selection((), ("no such channel",)), []),
        ):
            found = self.selected(wanted)
            self.assertEqual((self.ids(found.events), found.examined, found.has_more), (ids, 4, False), wanted)

    def test_examined_in_steps(self) -> None:
        """A query looks at a bounded number of events, says up to which, and the next goes on there."""
        self.patch(ops, "EVENTS_EXAMINED", 3)
        for number in range(7):
            self.report(f"r{number}")
        self.text("late")
        looks = [self.selected(after=after) for after in (0, 3, 6)]
        self.assertEqual(
            [(self.ids(one.events), one.examined, one.has_more) for one in looks[:2]], [([], 3, True), ([], 6, True)]
        )
        self.assertEqual(looks[2], ops.Selected(looks[2].events, 8, False))
        self.assertEqual(self.ids(looks[2].events), [8])

    def test_full_answer(self) -> None:
        """An answer that is full has examined as far as its last event; up_to is kept to; settled ones are passed."""
        for number in range(5):
            self.text(f"t{number}")
        self.assertEqual(self.selected(limit=2)[1:], (2, True))
        self.assertEqual(self.selected(up_to=3, only=INCOMING_MESSAGE)[1:], (3, False))
        self.confirm(CHOOSY, (1, 3), 1)
        self.assertEqual(self.ids(self.selected().events), [2, 4, 5])
        self.assertEqual(self.selected(after=5)[:2], ([], 5))

    def test_counted(self) -> None:
        """What waits is counted for those who are owed it, in memory as at a start."""
        self.report("a")
        self.text("b")
        self.report("c")
        self.assertEqual(self.waiting(), 3 + 1)
        self.confirm(CHOOSY, (2,), 3)
        self.confirm(SINK, (1, 2), 2)
        self.report("d")
        self.assertEqual(self.waiting(), 2)
        self.reopen(**{CHOOSY: TEXTS})
        self.assertEqual(self.waiting(), 2)

    def test_retention(self) -> None:
        """Events that a sink does not want are dropped as soon as it has passed them."""
        self.report("a")
        self.confirm(SINK, (1,), 1)
        self.assertEqual(self.one(ops.Purge(LATER, LATER, now=LATER)), 0)
        self.confirm(CHOOSY, (), self.selected().examined)
        self.assertEqual(self.one(ops.Purge(LATER, LATER, now=LATER)), 2, "its body, and itself")

    def test_selection_that_has_changed(self) -> None:
        """The new one holds for what is not settled. What was parked, and is not wanted any more, is owed no more."""
        self.text("a")
        self.report("b")
        self.one(ops.ParkEvents(CHOOSY, (ops.ParkedEvent(1, INCOMING_MESSAGE, 1, NOW, "no"),), True, 1, NOW))
        self.reopen(**{CHOOSY: Selection((DELIVERY_REPORT,))})
        self.assertEqual(parked_events(self.path), [])
        measures = self.one(ops.Measure())
        self.assertEqual((measures.waiting_events, measures.parked_events), (2 + 1, 0))
        self.assertEqual(self.ids(self.selected(Selection((DELIVERY_REPORT,))).events), [2])

    def test_not_again(self) -> None:
        """What is parked for good is not found again, even where the clock was set back; when an operator wants it, it
        is."""
        self.text("a")
        row = ops.ParkedEvent(1, INCOMING_MESSAGE, 30, ops.NOT_AGAIN, "no")
        self.one(ops.ParkEvents(CHOOSY, (row,), True, 1, NOW))
        load = ops.LoadParkedEvents(CHOOSY, INCOMING_MESSAGE, LATER, 10, latest=LATER)
        self.assertEqual(self.one(load), [])
        self.one(ops.ParkEvents(CHOOSY, (row._replace(due_at=0),), True, 1, NOW))
        self.assertEqual([event.attempts for event in self.one(load)], [30])

    def test_created_at(self) -> None:
        """An event knows when it was written; a parked one too."""
        self.text("a")
        (event,) = self.selected().events
        self.assertEqual((event.created_at, event.attempts), (NOW, 0))
        self.one(ops.ParkEvents(CHOOSY, (ops.ParkedEvent(1, INCOMING_MESSAGE, 3, 0, "no"),), True, 1, NOW))
        (event,) = self.one(ops.LoadParkedEvents(CHOOSY, INCOMING_MESSAGE, NOW, 10))
        self.assertEqual((event.created_at, event.attempts), (NOW, 3))


class ManyNamesCase(SelectionCase):
    def test_more_names_than_ids(self) -> None:
        """There are 63 ids. Who renames sinks more often than that takes the id of one that is long forgotten, and what
        was written for that one is no word about the new one."""
        self.text("a")
        self.confirm(CHOOSY, (1,), 0)
        for number in range(70):
            self.reopen(**{f"name-{number}": ALL_EVENTS})
        self.text("b")
        owed = ask(self.store, [ops.LoadEvents("name-69", 0, 9)])[0]
        self.assertEqual(self.ids(owed), [2])
        self.assertEqual(self.ids(ask(self.store, [ops.LoadEvents(SINK, 0, 9)])[0]), [1, 2])
        self.assertLess(max(self.store._sinks.values()), 64)

"""How far the outbox was read, where one kind of event is set aside."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, Event
from smsconnector.store import operations as ops
from smsconnector.walks.outbox_reading import EVENTS_AT_ONCE, OutboxReading


def event(number: int, kind: str = INCOMING_MESSAGE) -> Event:
    return Event(number, f"e{number}", kind, "smpp", "{}")


class OutboxReadingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reading = OutboxReading("stomp")
        self.reading.begin(ops.SinkProgress(0, 0))

    def ask(self, *full: str) -> ops.LoadEvents:
        query = self.reading.next_query(full)
        assert query is not None
        return query

    def test_together(self) -> None:
        """All kinds by one query, as long as no kind is set aside; nothing is asked twice."""
        query = self.ask()
        self.assertEqual((query.after, query.only, query.up_to), (0, None, None))
        self.reading.loaded(query, [event(1), event(2, DELIVERY_REPORT)])
        self.assertIsNone(self.reading.next_query(()))
        self.assertEqual(self.reading.settled_up_to({1}), 1)
        self.reading.settled([event(1)])
        self.assertEqual(self.reading.settled_up_to({2}), 2)

    def test_told(self) -> None:
        """What is told is not read; and of what was read before it was told only the rest is new."""
        self.reading.loaded(self.ask(), [event(1), event(2)])
        self.assertEqual(self.reading.told([event(1), event(2)]), [])
        self.assertEqual(self.reading.told([event(2), event(3), event(4)]), [event(3), event(4)])
        self.assertIsNone(self.reading.next_query(()))
        self.assertEqual((self.reading.settled_up_to({1, 2}), self.reading.settled_up_to({1, 2, 3, 4})), (2, 4))
        self.reading.more = True
        self.assertEqual(self.ask().after, 4)

    def test_full(self) -> None:
        """Where any kind is full, nothing is read, until it is set aside; then the other is."""
        self.assertIsNone(self.reading.next_query([INCOMING_MESSAGE]))
        self.reading.set_aside(INCOMING_MESSAGE)
        self.assertEqual(self.ask(INCOMING_MESSAGE).only, DELIVERY_REPORT)

    def test_settled_stops_at_what_is_aside(self) -> None:
        """What was not read of a kind that is set aside is not settled, however far the other kind is."""
        self.reading.loaded(self.ask(), [event(1)])
        self.reading.set_aside(INCOMING_MESSAGE)
        self.reading.more = True
        self.reading.loaded(self.ask(INCOMING_MESSAGE), [event(9, DELIVERY_REPORT)])
        self.assertEqual(self.reading.settled_up_to({1, 9}), 1)

    def test_comes_back(self) -> None:
        """With room again it is read from its place, up to where the other is; then both together, from there."""
        self.reading.loaded(self.ask(), [event(1)])
        self.reading.set_aside(INCOMING_MESSAGE)
        self.reading.more = True
        self.reading.loaded(self.ask(INCOMING_MESSAGE), [event(9, DELIVERY_REPORT)])
        query = self.ask()
        self.assertEqual((query.after, query.only, query.up_to), (1, INCOMING_MESSAGE, 9))
        self.reading.loaded(query, [event(number) for number in range(2, 2 + EVENTS_AT_ONCE)])
        query = self.ask()
        self.assertEqual(query.after, 1 + EVENTS_AT_ONCE)
        self.reading.loaded(query, [])
        query = self.ask()
        self.assertEqual((query.after, query.only, query.up_to), (9, None, None))

    def test_set_aside_while_its_query_is_under_way(self) -> None:
        """What that query finds is not read again."""
        query = self.ask()
        self.reading.set_aside(INCOMING_MESSAGE)
        self.reading.loaded(query, [event(1), event(2)])
        query = self.ask()
        self.assertEqual((query.after, query.up_to), (2, 2))

    def test_failed(self) -> None:
        """A query that was not answered is asked again."""
        self.ask()
        self.reading.failed()
        self.assertEqual(self.ask().after, 0)

    def test_through(self) -> None:
        """All is read when nothing is aside, and no more may be there."""
        self.reading.loaded(self.ask(), [])
        self.assertTrue(self.reading.is_through)
        self.reading.set_aside(DELIVERY_REPORT)
        self.assertFalse(self.reading.is_through)

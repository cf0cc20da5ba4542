"""The publisher of a sink that wants some of the events only, and of one that gives an event up."""

from smsconnector.messages import INCOMING_MESSAGE, Finality, Receipt, Selection
from smsconnector.sinks import EventOutcome, EventVerdict
from smsconnector.store import operations as ops
from smsconnector.store.offline.parked import parked_events, retry_parked
from smsconnector.walks import outbox_reading, publisher
from smsconnector.walks.publisher import LONGEST_RETRY
from tests.unit.fakes import SINK, ask
from tests.unit.walks.test_publisher import PublisherStage


class SelectionCase(PublisherStage):
    """The sink wants texts only."""

    selection = Selection((INCOMING_MESSAGE,))

    def settled_up_to(self) -> int:
        return int(ask(self.writer.store, [ops.LoadProgress(SINK)])[0].settled_up_to)

    def test_unwanted_are_passed(self) -> None:
        """It gets what it wants, in order, and nothing else; how far it is stands in the database soon, even if nothing
        that it wants comes."""
        self.report("r1", "r2")
        self.tell("a")
        self.report("r3")
        self.tell("b")
        self.answer(set())
        self.assertEqual(self.ids(self.sink.published), ["a", "b"])
        self.report("r4")
        self.advance(5)
        self.assertEqual((self.settled_up_to(), self.measures()), (6, (0, 0)))

    def test_told_at_the_stop(self) -> None:
        """How far it is is written at a stop too, so that ``reconcile`` counts nothing as waiting that is not owed."""
        self.report("r1")
        self.publisher.stopService()
        self.settle()
        self.assertEqual(self.settled_up_to(), 1)

    def test_not_past_what_is_owed(self) -> None:
        """An event that the sink has not answered for is not passed; a kill in between loses nothing."""
        self.report("r1")
        self.tell("a")
        self.report("r2")
        self.advance(5)
        self.assertEqual(self.settled_up_to(), 1)
        self.kill()
        self.assertEqual(self.at_sink(), [["a"]])

    def test_many_unwanted(self) -> None:
        """A long backlog of what it does not want is passed in steps, and what it wants behind that is found."""
        self.patch(ops, "EVENTS_EXAMINED", 5)
        self.report(*(f"r{number}" for number in range(23)))
        self.tell("a")
        self.assertEqual(self.at_sink(), [["a"]])
        self.answer(set())
        self.advance(5)
        self.assertEqual(self.settled_up_to(), 24)

    def test_kind_that_is_set_aside(self) -> None:
        """The same where the sink is full of the kind that it wants, and is slow."""
        self.patch(outbox_reading, "EVENTS_AT_ONCE", 2)
        self.patch(publisher, "EVENTS_AT_ONCE", 2)
        for number in range(12):
            self.report(f"r{number}")
            self.tell(f"t{number}")
        self.advance(10)
        for _ in range(20):
            self.answer(set())
            self.advance(1)
        self.advance(5)
        self.assertEqual(self.ids(self.sink.published), [f"t{number}" for number in range(12)])
        self.assertEqual((self.settled_up_to(), self.measures()), (24, (0, 0)))

    def test_progress_when_the_disk_is_full(self) -> None:
        """That it can't be written now is no reason to ask for it again and again; later it is written."""
        receipt = Receipt("twilio", "r1", Finality.DELIVERED, "0", "delivered", 1)
        self.writer.store.apply([ops.Receive((receipt,), report_unknown=True, channel="smpp")])
        self.writer.full = True
        self.publisher.wake()
        self.advance(10)
        self.assertEqual(self.settled_up_to(), 0)
        self.writer.full = False
        self.advance(10)
        self.assertEqual(self.settled_up_to(), 1)


class GivenUpCase(PublisherStage):
    def test_not_again(self) -> None:
        """What its sink gives up stays parked, and is tried when an operator says so, once each time."""
        self.tell("a")
        ((events, settle),), self.sink.batches = self.sink.batches, []
        settle(EventOutcome(events, EventVerdict.REFUSED, "no", again=False))
        self.advance(3 * LONGEST_RETRY)
        self.assertEqual((self.at_sink(), self.measures()), ([], (0, 1)))
        (row,) = parked_events(self.path)
        self.assertEqual(row.due_at, ops.NOT_AGAIN)
        self.assertEqual(retry_parked(self.path, []), 1)
        self.advance(30)
        self.assertEqual(self.at_sink(), [["a"]])

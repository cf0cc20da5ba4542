"""The publisher: what a sink refuses or wants later is parked alone, tried again, and holds up nothing."""

from functools import partial
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import StoreDamaged
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
from smsconnector.recurring import PERIOD
from smsconnector.sinks import EventOutcome, EventVerdict
from smsconnector.store import operations as ops
from smsconnector.store.store import Store
from smsconnector.walks import gathering, outbox_reading, publisher
from smsconnector.walks.parked_events import MOST
from smsconnector.walks.publisher import FIRST_DELAY, FIRST_RETRY, LONGEST_RETRY, REFUSALS_ALONE, Publisher
from smsconnector.wall_clock import WallClock
from tests.recorded_log import RecordedLog
from tests.unit.fakes import EPOCH, SINK, DirectWriter, FakeSink, answers_of, ask, run_what_is_due


def name_of(event: Event) -> str:
    """The id by which the provider named it."""
    return event.event_id.split("/")[2]


class Dice(Random):
    """Always rolls the same."""

    def __init__(self, roll: float) -> None:
        super().__init__()
        self.roll = roll

    def random(self) -> float:
        return self.roll


class PublisherStage(SynchronousTestCase):
    """A store in a file, one sink; ``tell`` and ``report`` write events, ``sink`` answers. ``listens``: the publisher
    is told of them; if not, it has to read them."""

    selection, listens = ALL_EVENTS, True

    def setUp(self) -> None:
        self.patch(gathering, "GATHERED_FOR_S", 0.0)
        self.clock, self.path = Clock(), self.mktemp()
        self.dice = Dice(1.0)
        self.log = RecordedLog(self)
        self.start()

    def tearDown(self) -> None:
        self.writer.store.close()

    def start(self) -> None:
        store = Store(self.path, sinks={SINK: self.selection})
        self.writer, self.sink = DirectWriter(self.clock, store), FakeSink()
        wall_clock = WallClock(self.now)
        self.publisher = Publisher(
            self.clock, wall_clock, self.writer, self.writer, self.sink, SINK, self.selection, self.dice
        )
        if self.listens:
            self.writer.listen(self.publisher.written)
        self.publisher.startService()
        self.settle()

    def kill(self) -> None:
        self.writer.store.close()
        self.clock.calls.clear()
        self.start()

    def now(self) -> float:
        return EPOCH + self.clock.seconds()

    def settle(self) -> None:
        run_what_is_due(self.clock)

    def advance(self, seconds: float) -> None:
        for _ in range(int(seconds * 2)):
            self.clock.advance(0.5)
            self.settle()

    def wrote(self, *_answer: object) -> None:
        if not self.listens:
            self.publisher.wake()

    def tell(self, *texts: str) -> None:
        now = int(self.now() * 1000)
        parts = tuple(IncomingSegment("smpp", "a", "1", "2", text, now, sid=text) for text in texts)
        self.writer.put(ops.Incoming(parts), self.wrote)
        self.settle()

    def answer(self, refused: set[str], verdict: EventVerdict = EventVerdict.REFUSED) -> None:
        """The sink does not take those of that id, and confirms the others."""
        batches, self.sink.batches = self.sink.batches, []
        for events, settle in batches:
            for event in events:
                is_bad = name_of(event) in refused
                self.sink.published += [] if is_bad else [event]
                settle(EventOutcome([event], verdict if is_bad else EventVerdict.CONFIRMED, "not this one"))
        self.settle()

    def ids(self, events: list[Event]) -> list[str]:
        return [name_of(event) for event in events]

    def at_sink(self) -> list[list[str]]:
        return [self.ids(events) for events, _ in self.sink.batches]

    def measures(self) -> tuple[int, int]:
        measures = ask(self.writer.store, [ops.Measure()])[0]
        return measures.waiting_events, measures.parked_events

    def refusals_said(self) -> list[str]:
        return [line for line in self.log.lines if "refused" in line]

    def report(self, *sids: str) -> None:
        """Delivery reports of texts that a provider sent."""
        now = int(self.now() * 1000)
        for sid in sids:
            receipt = Receipt("twilio", sid, Finality.DELIVERED, "0", "delivered", now)
            self.writer.put(ops.Receive((receipt,), report_unknown=True, channel="smpp"), self.wrote)
        self.settle()


class ParkingCase(PublisherStage):
    def test_octets(self) -> None:
        """Long events are read few at a time, and no more while the sink has enough of them; none is left out, and
        short ones behind them come too."""
        self.patch(ops, "EVENT_OCTETS", 1_000)
        texts = [f"{number:x}" * 400 for number in range(12)]
        self.tell(*texts, "short")
        most = 0
        for _ in range(20):
            most = max(most, sum(len(event.body) for events, _ in self.sink.batches for event in events))
            self.answer(set())
        self.assertEqual(self.ids(self.sink.published), [*texts, "short"])
        self.assertTrue(1_000 <= most < 4_000, most)

    def test_octets_of_parked_ones(self) -> None:
        """The same for those that were refused, when they are tried again."""
        self.patch(ops, "EVENT_OCTETS", 1_000)
        texts = [f"{number:x}" * 400 for number in range(12)]
        self.tell(*texts)
        for _ in range(20):
            self.answer(set(texts))
        most = 0
        for _ in range(300):
            self.advance(30)
            most = max(most, sum(len(event.body) for events, _ in self.sink.batches for event in events))
            self.answer(set())
        self.assertEqual(sorted(self.ids(self.sink.published)), sorted(texts))
        self.assertLess(most, 4_000)

    def test_parked_alone(self) -> None:
        """The refused one is parked, counted and told once; the others are published."""
        self.tell("a", "b", "c")
        self.answer({"b"})
        self.assertEqual(self.ids(self.sink.published), ["a", "c"])
        self.assertEqual(self.measures(), (0, 1))
        (line,) = self.refusals_said()
        self.assertIn("stomp refused the event in/smpp/b/", line)
        self.assertIn(": not this one", line)
        self.tell("d")
        self.answer({"b"})
        self.assertEqual(self.ids(self.sink.published), ["a", "c", "d"])

    def test_tried_again(self) -> None:
        """After a pause that doubles, up to an hour, alone; told no more; taken in the end, it is gone."""
        self.tell("a")
        self.answer({"a"})
        pauses: list[float] = []
        since = self.clock.seconds()
        while len(pauses) < 8:
            self.advance(1)
            if self.sink.batches:
                pauses.append(self.clock.seconds() - since)
                since = self.clock.seconds()
                self.answer({"a"})
        for pause, wanted in zip(pauses, (60, 120, 240, 480, 960, 1920, 3600, 3600), strict=True):
            self.assertTrue(wanted <= pause <= wanted + 3, pauses)
        self.assertEqual((FIRST_RETRY, LONGEST_RETRY, len(self.refusals_said())), (60.0, 3600.0, 1))
        self.advance(LONGEST_RETRY + 5)
        self.answer(set())
        self.assertEqual((self.ids(self.sink.published), self.measures()), (["a"], (0, 0)))
        self.advance(2 * LONGEST_RETRY)
        self.assertEqual(self.sink.batches, [])

    def test_not_all_at_once(self) -> None:
        """What was refused together comes back spread over a quarter of the pause, and never later than that: a
        consumer that has just come up must not get everything of all connectors in one second."""
        self.publisher._dice = Random(7)
        self.tell(*(f"e{at}" for at in range(40)))
        self.answer({f"e{at}" for at in range(40)})
        rows = self.writer.store._connection.execute("SELECT due_at - since FROM parked_event").fetchall()
        pauses = [pause / 1000 for (pause,) in rows]
        self.assertEqual(len(pauses), 40)
        self.assertTrue(all(0.75 * FIRST_RETRY <= one <= FIRST_RETRY for one in pauses), pauses)
        self.assertLess(min(pauses), 0.8 * FIRST_RETRY)
        self.assertGreater(max(pauses), 0.95 * FIRST_RETRY)
        self.assertGreater(len(set(pauses)), 30)

    def test_wanted_later(self) -> None:
        """The first pause is short, and it is no error."""
        self.tell("a", "b")
        self.answer({"a"}, EventVerdict.LATER)
        self.assertEqual((self.measures(), self.refusals_said()), ((0, 1), []))
        self.advance(FIRST_DELAY + 4)
        self.assertEqual(self.at_sink(), [["a"]])

    def test_one_is_tried_first(self) -> None:
        """Of those that are due one is tried alone, and the others only when it has been taken: more each time."""
        self.tell(*"abcdefgh")
        self.answer(set("abcdefgh"))
        self.advance(FIRST_RETRY + 5)
        self.assertEqual(self.at_sink(), [["a"]])
        self.answer({"a"})
        self.advance(3)
        self.assertEqual(self.at_sink(), [], "its kind rests for a while")
        sizes, self.sink.published = [], []
        while len(self.sink.published) < 7:
            self.advance(1)
            if self.sink.batches:
                sizes.append(len(self.sink.batches))
                self.answer({"a"})
        self.assertEqual((sizes, self.measures()), ([1, 2, 4], (0, 1)))

    def test_other_kinds_don_t_rest(self) -> None:
        """While the texts are refused again and again, a report that was parked is tried when it is due."""
        self.tell("a")
        report = Receipt("twilio", "x1", Finality.DELIVERED, "0", "delivered", int(self.now() * 1000))
        unknown = ops.Receive((report,), report_unknown=True, channel="smpp")
        self.writer.put(unknown, self.wrote)
        self.settle()
        self.answer({"a", "x1"})
        self.advance(FIRST_RETRY + 5)
        self.assertEqual(self.at_sink(), [["x1"], ["a"]])
        self.answer({"a"})
        self.assertEqual((self.ids(self.sink.published), self.measures()), (["x1"], (0, 1)))

    def test_slow_answers_to_looks(self) -> None:
        """Looks whose answers come late don't overlap: nothing is tried twice."""
        self.tell("a")
        self.answer({"a"})
        self.advance(FIRST_RETRY - 1)
        put: Any = self.writer.put
        late: list[Any] = []

        def put_late(what: Any, done: Any, may_wait: bool = False) -> None:
            if isinstance(what, ops.LoadParkedEvents):
                late.append((what, done))
            else:
                put(what, done)

        self.patch(self.writer, "put", put_late)
        self.advance(20)
        self.assertEqual(len(late), 2, "one for each kind")
        for what, done in late:
            put(what, done)
        late.clear()
        self.settle()
        self.assertEqual(self.at_sink(), [["a"]])

    def test_sink_that_is_down(self) -> None:
        """Nothing that is parked is tried while nobody is there to answer."""
        self.tell("a")
        self.answer({"a"})
        self.sink.connected = False
        self.advance(3 * FIRST_RETRY)
        self.assertEqual(self.at_sink(), [])
        self.sink.connected = True
        self.advance(5)
        self.assertEqual(self.at_sink(), [["a"]])

    def test_kill(self) -> None:
        """What was parked stays so; what was being parked when the process died is published again."""
        self.tell("a", "b")
        self.answer({"a"})
        self.kill()
        self.assertEqual((self.sink.batches, self.measures()), ([], (0, 1)))
        self.advance(FIRST_RETRY + 5)
        self.assertEqual(self.at_sink(), [["a"]])
        self.tell("c", "d")
        self.writer.full = True
        batches, self.sink.batches = self.sink.batches, []
        for events, settle in batches:
            settle(EventOutcome(events, EventVerdict.REFUSED, "no"))
        self.advance(3)
        self.kill()
        self.assertIn(["c", "d"], self.at_sink())
        self.advance(FIRST_RETRY + 5)
        self.assertIn(["a"], self.at_sink())

    def test_full_disk(self) -> None:
        """While it can't be written that an event is parked, nothing says that it is settled."""
        self.tell("a", "b")
        (batch, settle) = self.sink.batches.pop()
        self.writer.full = True
        settle(EventOutcome(batch[:1], EventVerdict.REFUSED, "no"))
        self.settle()
        self.writer.full = False
        settle(EventOutcome(batch[1:], EventVerdict.CONFIRMED))
        self.settle()
        self.assertEqual(ask(self.writer.store, [ops.LoadProgress(SINK)])[0].settled_up_to, 0)
        self.advance(3)
        self.assertEqual(ask(self.writer.store, [ops.LoadProgress(SINK)])[0], (2, 2))
        self.tell("c")
        self.answer(set())
        self.assertEqual(ask(self.writer.store, [ops.LoadProgress(SINK)])[0], (3, 3))

    def test_damaged(self) -> None:
        """Marks that a damaged file can't take are tried once. Nothing more is published, for all of it would be
        published again after the rescue; and the stop does not wait for it."""
        self.patch(publisher, "EVENTS_AT_ONCE", 1)
        self.patch(outbox_reading, "EVENTS_AT_ONCE", 1)
        self.tell("a", "b", "c", "d", "e")
        self.writer.full, self.writer.error = True, StoreDamaged("`smsconnector rescue`")
        self.sink.confirm()
        self.advance(120)
        self.sink.confirm()
        self.advance(120)
        self.assertEqual(len(self.sink.published), 2)
        self.assertEqual(len([line for line in self.log.lines if "smsconnector rescue" in line]), 1)
        fired: list[str] = []
        self.publisher.drain().addCallback(lambda _: fired.append("drained"))
        self.publisher.settled().addCallback(lambda _: fired.append("settled"))
        self.settle()
        self.assertEqual(fired, ["drained", "settled"])

    def test_drained_twice(self) -> None:
        """Two may wait for it: both are told, and one who asks when all is done. The first was dropped."""
        fired: list[int] = []
        self.tell("a")
        self.publisher.drain().addCallback(lambda _: fired.append(0))
        self.publisher.drain().addCallback(lambda _: fired.append(1))
        self.settle()
        self.assertEqual(fired, [])
        self.sink.confirm()
        self.settle()
        self.publisher.drain().addCallback(lambda _: fired.append(2))
        self.settle()
        self.assertEqual(fired, [0, 1, 2])

    def test_flood_of_refusals(self) -> None:
        """The log has a line for each of some, then how many there were."""
        self.tell(*(f"x{number}" for number in range(REFUSALS_ALONE + 30)))
        self.answer({f"x{number}" for number in range(REFUSALS_ALONE + 30)})
        self.assertEqual(len(self.refusals_said()), REFUSALS_ALONE)
        self.advance(PERIOD + 5)
        self.assertIn("stomp refused 30 more events", self.refusals_said()[-1])

    def test_memory_is_bounded(self) -> None:
        """However many are parked and due, the sink holds a few of them; all come in the end."""
        numbers: list[Any] = [f"x{number}" for number in range(1200)]
        self.tell(*numbers)
        while self.sink.batches:
            self.answer(set(numbers))
        self.assertEqual(self.measures(), (0, 1200))
        self.advance(FIRST_RETRY + 5)
        most = 0
        while self.sink.batches:
            most = max(most, len(self.sink.batches))
            self.answer(set())
        self.assertEqual((most, len(self.sink.published), self.measures()), (MOST, 1200, (0, 0)))

    # --- a kind of event whose destination gives no answers

    def confirm_kind(self, kind: str) -> list[str]:
        """The sink confirms what it has of that kind, and keeps the rest."""
        done: list[Event] = []
        batches, self.sink.batches = self.sink.batches, []
        for events, settle in batches:
            mine = [event for event in events if event.kind == kind]
            rest = [event for event in events if event.kind != kind]
            if rest:
                self.sink.batches.append((rest, settle))
            if mine:
                settle(EventOutcome(mine, EventVerdict.CONFIRMED))
            done += mine
        self.settle()
        return self.ids(done)

    def fill(self) -> None:
        """More incoming texts than the sink is given at once, and then reports."""
        self.tell(*(f"x{number}" for number in range(1800)))
        self.report("P1", "P2")

    def test_full_queue_holds_up_no_other(self) -> None:
        """The queue of incoming texts is full, and its broker confirms none. After some seconds the reports go on,
        those that come later too. Nothing is sent twice, and the texts wait in the outbox, where memory ends."""
        self.fill()
        self.assertEqual(self.confirm_kind(DELIVERY_REPORT), [])
        self.advance(7)
        self.assertEqual(self.confirm_kind(DELIVERY_REPORT), ["P1", "P2"])
        self.report("P3")
        self.assertEqual(self.confirm_kind(DELIVERY_REPORT), ["P3"])
        at_sink = [event.event_id for events, _ in self.sink.batches for event in events]
        self.assertEqual((len(at_sink), len(set(at_sink))), (1000, 1000))
        self.assertEqual(self.measures(), (1800, 0))
        seen: list[str] = []
        while found := self.confirm_kind(INCOMING_MESSAGE):
            seen += found
        self.assertEqual(seen, [f"x{number}" for number in range(1800)])
        self.assertEqual(self.measures(), (0, 0))
        self.tell("after")
        self.report("P4")
        self.assertEqual(self.ids(self.sink.batches[-1][0]), ["P4"])
        self.sink.confirm()
        self.settle()
        self.assertEqual(self.measures(), (0, 0))

    def test_texts_behind_the_last_report(self) -> None:
        """Texts that come while theirs are set aside, after the last report that was read, are read later."""
        self.tell(*(f"x{number}" for number in range(600)))
        self.advance(7)
        self.tell("y", "z")
        self.report("P1")
        self.assertEqual(self.confirm_kind(DELIVERY_REPORT), ["P1"])
        self.tell("last")
        seen: list[str] = []
        while found := self.confirm_kind(INCOMING_MESSAGE):
            seen += found
        self.assertEqual(seen[-3:], ["y", "z", "last"])
        self.assertEqual(self.measures(), (0, 0))

    def test_slow_queue_holds_up_no_other(self) -> None:
        """A queue that takes one text each two seconds is not the reports' concern: they go on within five seconds."""
        self.fill()
        seconds = 0.0
        while not self.confirm_kind(DELIVERY_REPORT):
            self.advance(2)
            seconds += 2
            self.assertLess(seconds, 6)
            events, settle = self.sink.batches[0]
            settle(EventOutcome(events[:1], EventVerdict.CONFIRMED))
            self.sink.batches[0] = (events[1:], settle)

    def test_killed_while_a_queue_is_full(self) -> None:
        """What another process finds: the reports that were confirmed do not come again, the texts do, in order."""
        self.fill()
        self.advance(7)
        self.assertEqual(self.confirm_kind(DELIVERY_REPORT), ["P1", "P2"])
        self.kill()
        self.assertEqual(self.confirm_kind(DELIVERY_REPORT), [])
        seen: list[str] = []
        while found := self.confirm_kind(INCOMING_MESSAGE):
            seen += found
        self.assertEqual(seen, [f"x{number}" for number in range(1800)])
        self.assertEqual(self.confirm_kind(DELIVERY_REPORT), [])

    def test_both_queues_full(self) -> None:
        """Then both wait, each with its share of memory, and both go on by themselves."""
        self.fill()
        self.report(*(f"Q{number}" for number in range(1700)))
        self.advance(30)
        kinds = [event.kind for events, _ in self.sink.batches for event in events]
        self.assertEqual(
            {kind: kinds.count(kind) for kind in set(kinds)}, {INCOMING_MESSAGE: 1000, DELIVERY_REPORT: 1000}
        )
        for kind in (DELIVERY_REPORT, INCOMING_MESSAGE) * 5:
            self.confirm_kind(kind)
        self.assertEqual((self.measures(), self.sink.batches), ((0, 0), []))

    def test_broker_away(self) -> None:
        """A broker that is away gives no answers at all: no kind is set aside for that."""
        self.fill()
        self.sink.connected = False
        self.advance(60)
        self.assertEqual(sum(len(events) for events, _ in self.sink.batches), 1000)
        while self.sink.batches:
            self.sink.confirm()
            self.settle()
        self.assertEqual(self.measures(), (0, 0))

    def test_parked_events_of_a_full_queue(self) -> None:
        """A parked text that gets no answer does not keep parked reports from being tried."""
        self.tell("x")
        self.report("P1")
        for events, settle in self.sink.batches:
            settle(EventOutcome(events, EventVerdict.REFUSED, "no"))
        self.sink.batches = []
        self.advance(FIRST_RETRY + 5)
        self.assertEqual(self.confirm_kind(DELIVERY_REPORT), ["P1"])
        self.report("P2")
        for events, settle in [one for one in self.sink.batches if one[0][0].kind == DELIVERY_REPORT]:
            settle(EventOutcome(events, EventVerdict.LATER, "no"))
        self.sink.batches = [one for one in self.sink.batches if one[0][0].kind == INCOMING_MESSAGE]
        self.advance(FIRST_DELAY + 5)
        self.assertEqual(self.confirm_kind(DELIVERY_REPORT), ["P2"])

    def test_drain_waits_for_what_is_aside(self) -> None:
        """A drain is over when the texts that were set aside are confirmed as well."""
        self.fill()
        self.advance(7)
        drained = self.publisher.drain()
        self.confirm_kind(DELIVERY_REPORT)
        self.assertNoResult(drained)
        while self.confirm_kind(INCOMING_MESSAGE):
            pass
        self.successResultOf(drained)


class ToldCase(PublisherStage):
    """Events that the writer hands over, beside those that are read."""

    def test_while_they_are_read(self) -> None:
        """The answer to a query that is under way comes before them, for it has what was written before."""
        self.tell("a")
        late: list[Any] = []
        put: Any = self.writer.put

        def put_late(what: Any, done: Any, may_wait: bool = False) -> None:
            if isinstance(what, ops.LoadEvents):
                late.append(partial(done, *answers_of(self.writer.store, [what])[0]))
            else:
                put(what, done, may_wait)

        self.patch(self.writer, "put", put_late)
        listener = self.writer.listeners.pop()
        self.tell("b")  # nobody tells the publisher
        self.publisher.wake()
        self.writer.listeners.append(listener)
        self.tell("c")
        self.assertEqual(self.at_sink(), [["a"]])
        while late:
            late.pop(0)()
        self.settle()
        self.assertEqual([one for some in self.at_sink() for one in some], ["a", "b", "c"])

    def test_not_read_again(self) -> None:
        """A publisher that has read all takes them as they are: no query is made for them."""
        queries: list[Any] = []
        put: Any = self.writer.put

        def counted(what: Any, done: Any, may_wait: bool = False) -> None:
            queries.extend([what] if isinstance(what, ops.LoadEvents) else [])
            put(what, done, may_wait)

        self.patch(self.writer, "put", counted)
        for text in "abc":
            self.tell(text)
        self.answer(set())
        self.assertEqual((self.ids(self.sink.published), queries), (["a", "b", "c"], []))


class ReadCase(ParkingCase):
    """The same where the events are read."""

    listens = False


class AllSelectedCase(ParkingCase):
    """All of that also holds where the events are read by a selection, which all of them are in."""

    selection = Selection((INCOMING_MESSAGE, DELIVERY_REPORT), ("smpp",))

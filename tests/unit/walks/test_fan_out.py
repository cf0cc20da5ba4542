"""Several sinks on one outbox: each has its own publisher and its own progress, and none waits for another."""

from dataclasses import replace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import (
    ALL_EVENTS,
    CALLBACK_SINK,
    DELIVERY_REPORT,
    Callback,
    Finality,
    IncomingSegment,
    Receipt,
    Selection,
)
from smsconnector.sinks import EventOutcome, EventVerdict
from smsconnector.store import operations as ops
from smsconnector.store import outbox
from smsconnector.store.offline.parked import parked_events
from smsconnector.store.store import Store
from smsconnector.walks import gathering
from smsconnector.walks.publisher import FIRST_RETRY, LOOK_FOR_PARKED, Publisher
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH, DirectWriter, FakeSink, ask, message, run_what_is_due

WANTED = {"jms": ALL_EVENTS, "crm": ALL_EVENTS, "reports": Selection((DELIVERY_REPORT,))}


class FanOutStage(SynchronousTestCase):
    """``start`` says which sinks there are; ``answer`` has one of them take what it was given."""

    listens = True

    def setUp(self) -> None:
        self.patch(gathering, "GATHERED_FOR_S", 0.0)
        self.clock, self.path, self.count = Clock(), self.mktemp(), 0
        self.start(WANTED)

    def tearDown(self) -> None:
        self.writer.store.close()

    def start(self, wanted: dict[str, Selection]) -> None:
        self.writer = DirectWriter(self.clock, Store(self.path, sinks=wanted))
        self.sinks = {name: FakeSink() for name in wanted}
        wall_clock = WallClock(lambda: EPOCH + self.clock.seconds())
        self.publishers = [
            Publisher(self.clock, wall_clock, self.writer, self.writer, sink, name, wanted[name])
            for name, sink in self.sinks.items()
        ]
        for publisher in self.publishers:
            if self.listens:
                self.writer.listen(publisher.written)
            publisher.startService()
        run_what_is_due(self.clock)

    def restart(self, wanted: dict[str, Selection]) -> None:
        self.writer.store.close()
        self.clock.calls.clear()
        self.start(wanted)

    def tell(self, texts: int = 0, reports: int = 0) -> None:
        now = int((EPOCH + self.clock.seconds()) * 1000)
        for _ in range(texts):
            self.count += 1
            part = IncomingSegment("smpp", "a", "1", "2", "hi", now, sid=f"t{self.count}")
            self.writer.put(ops.Incoming((part,)), self.wake)
        for _ in range(reports):
            self.count += 1
            receipt = Receipt("a", f"r{self.count}", Finality.DELIVERED, "0", "delivered", now)
            self.writer.put(ops.Receive((receipt,), True, "smpp"), self.wake)
        run_what_is_due(self.clock)

    def wake(self, *_result: object) -> None:
        for publisher in () if self.listens else self.publishers:
            publisher.wake()

    def advance(self, seconds: float) -> None:
        for _ in range(int(seconds * 2)):
            self.clock.advance(0.5)
            run_what_is_due(self.clock)

    def answer(self, name: str, refused: frozenset[int] = frozenset()) -> list[int]:
        """Which it took."""
        taken: list[int] = []
        while self.sinks[name].batches:
            batches, self.sinks[name].batches = self.sinks[name].batches, []
            for events, settle in batches:
                for event in events:
                    is_bad = event.id in refused
                    taken += [] if is_bad else [event.id]
                    settle(EventOutcome([event], EventVerdict.REFUSED if is_bad else EventVerdict.CONFIRMED, "no"))
            run_what_is_due(self.clock)
        return taken

    def waiting(self) -> int:
        return int(ask(self.writer.store, [ops.Measure()])[0].waiting_events)

    def purged(self) -> int:
        late = int((EPOCH + self.clock.seconds() + 10**6) * 1000)
        return int(ask(self.writer.store, [ops.Purge(late, late, now=late)])[0])


class FanOutCase(FanOutStage):
    """Sinks that want all events, and one that wants reports."""

    def test_each_gets_what_it_wants(self) -> None:
        """All events for those that want all, and what is wanted for the other; then nothing waits."""
        self.tell(texts=2)
        self.tell(reports=2)
        self.assertEqual([sorted(self.answer(name)) for name in WANTED], [[1, 2, 3, 4], [1, 2, 3, 4], [3, 4]])
        self.advance(5)
        self.assertEqual(self.waiting(), 0)

    def test_silent(self) -> None:
        """One that never answers, with more events than it may have at a time: the others get all of them."""
        self.tell(texts=1200)
        self.tell(reports=5)
        self.assertEqual(len(self.answer("jms")), 1205)
        self.assertEqual(len(self.answer("reports")), 5)
        self.assertEqual(self.waiting(), 1205)

    def test_refused_by_one(self) -> None:
        """An event that one sink refuses is parked there, and nowhere else; taken later, it is not sent to the others
        again."""
        self.tell(texts=3)
        self.assertEqual((self.answer("jms"), self.answer("crm", frozenset((2,)))), ([1, 2, 3], [1, 3]))
        self.assertEqual([one.sink for one in parked_events(self.path)], ["crm"])
        self.advance(FIRST_RETRY + 5)
        self.assertEqual((self.answer("jms"), self.answer("crm")), ([], [2]))
        self.assertEqual(parked_events(self.path), [])

    def test_removed(self) -> None:
        """A sink that is taken out of the configuration keeps nothing from being dropped; what the others are owed is
        kept."""
        self.tell(texts=1)
        self.answer("jms")
        self.advance(5)
        self.assertEqual(self.purged(), 0, "crm is owed it")
        self.restart({"jms": ALL_EVENTS, "reports": WANTED["reports"]})
        self.advance(5)
        self.assertEqual((self.waiting(), self.purged()), (0, 2), "its body, and the row")

    def test_added(self) -> None:
        """A new sink is owed what is written from now on, and one that comes back what it had not taken."""
        self.tell(texts=1)
        self.answer("jms")
        self.restart({"jms": ALL_EVENTS, "new": ALL_EVENTS})
        self.tell(texts=1)
        self.assertEqual((self.answer("new"), self.answer("jms")), ([2], [2]))
        self.restart(WANTED | {"new": ALL_EVENTS})
        self.assertEqual((self.answer("new"), self.answer("crm")), ([], [1, 2]))


class ReadFanOutCase(FanOutCase):
    """The same where the events are read."""

    listens = False


class CallbacksCase(FanOutStage):
    """Hosts for callbacks beside a broker: each is asked about what concerns it, and about nothing else."""

    def setUp(self) -> None:
        self.patch(gathering, "GATHERED_FOR_S", 0.0)
        self.clock, self.path, self.count = Clock(), self.mktemp(), 0
        hosts = {f"{CALLBACK_SINK}{one}": Selection(callback=one) for one in ("one", "two")}
        self.start({"jms": ALL_EVENTS} | hosts)

    def ends(self, callback: str = "") -> None:
        """A text is accepted, and taken back."""
        self.count += 1
        made = replace(message(f"SM{self.count}"), callback=Callback(callback, "https://x/") if callback else None)
        self.writer.put(ops.Accept(made, self.count, "smpp"), self.wake)
        self.writer.put(ops.Cancel(self.count, int(EPOCH * 1000)), self.wake)
        run_what_is_due(self.clock)

    def at(self, host: str) -> list[str]:
        return [one.event_id for events, _ in self.sinks[f"{CALLBACK_SINK}{host}"].batches for one in events]

    def queries(self) -> list[str]:
        """Whose publisher reads, from now on."""
        asked: list[str] = []
        put = self.writer.put

        def counted(what: Any, done: Any, may_wait: bool = False) -> None:
            asked.extend([what.load.sink] if isinstance(what, ops.LoadSelected) else [])
            put(what, done, may_wait)

        self.patch(self.writer, "put", counted)
        return asked

    def test_plain_texts_wake_nobody(self) -> None:
        """However many reports are written that no callback wants: no publisher of a host reads for them."""
        asked = self.queries()
        for _ in range(5):
            self.ends()
        self.assertEqual(asked, [])

    def test_at_once_at_its_host(self) -> None:
        """A report that is wanted comes to its host at once, and the other host's publisher is not woken."""
        asked = self.queries()
        self.ends("one")
        self.assertEqual((self.at("one"), self.at("two")), (["dr-SM1"], []))
        self.assertEqual(set(asked), {f"{CALLBACK_SINK}one"})

    def test_what_nobody_has_kept(self) -> None:
        """Where more was written than is handed on, the next look around finds it."""
        self.patch(outbox, "MOST_KEPT", 0)
        self.ends("two")
        self.assertEqual(self.at("two"), [])
        self.clock.advance(LOOK_FOR_PARKED)
        run_what_is_due(self.clock)
        self.assertEqual(self.at("two"), ["dr-SM1"])

    def test_nothing_is_kept_for_them(self) -> None:
        """The hosts pass over what they are not owed, and so retention goes on behind it, though nothing was sent."""
        for _ in range(3):
            self.ends()
        for _ in range(4):
            self.clock.advance(LOOK_FOR_PARKED)
            run_what_is_due(self.clock)
        behind = self.writer.store._connection.execute("SELECT name, settled_up_to FROM sink").fetchall()
        self.assertEqual(dict(behind), {"jms": 0, f"{CALLBACK_SINK}one": 3, f"{CALLBACK_SINK}two": 3})

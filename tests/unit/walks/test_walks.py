"""The walks: submitter, receiver, publisher, each against a real store, a fake channel or sink, and a clock."""

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import StoreDamaged, StoreError
from smsconnector.lifecycle import CODE_EXPIRED, CODE_UNKNOWN, DEFAULT_WAIT_MS, SegmentState
from smsconnector.messages import Finality, Outcome, Receipt, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.reader import IReader
from smsconnector.store.store import Store
from smsconnector.walks import gathering, ready, strict_order, throttled
from smsconnector.walks import publisher as publishing
from smsconnector.walks import submitter as submitting
from smsconnector.walks.backlog import FOR_EVER, StoreBacklog
from smsconnector.walks.lanes import Lanes
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.publisher import Publisher
from smsconnector.walks.receiver import Receiver
from smsconnector.walks.retry_policy import RetryPolicy
from smsconnector.walks.submitter import Submitter
from smsconnector.walks.sweeper import Sweeper
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH, SINK, DirectWriter, FakeChannel, FakeSink, ask, message, run_what_is_due

ACCOUNT = "connector@smsc"


class WalkCase(SynchronousTestCase):
    """One store with one submitter, receiver and publisher; ``settle`` lets everything that is due happen."""

    resend = True
    strict_order = False
    attempts: int | None = 3
    window = 50
    longest_pause = FOR_EVER
    life = 0

    def setUp(self) -> None:
        self.patch(gathering, "GATHERED_FOR_S", 0.0)
        self.clock = Clock()
        self.path = self.mktemp()
        self.start()

    def start(self, broken: bool = False) -> None:
        self.wall_clock = self.make_wall_clock()
        self.writer = self.make_writer(self.clock, Store(self.path))
        self.writer.broken = broken
        self.sink, self.channel = FakeSink(), FakeChannel(self.window)
        self.publisher = Publisher(self.clock, self.wall_clock, self.writer, self.writer, self.sink)
        self.life += 1
        self.writer.listen(self.publisher.written)
        self.receiver = Receiver(self.writer)
        policy = RetryPolicy(
            attempts=self.attempts,
            initial=2,
            maximum=10,
            resend=self.resend,
            strict_order=self.strict_order,
            source=Random(1),
        )
        self.backlog = StoreBacklog(
            "smpp",
            self.writer,
            self.reader(),
            clock=self.clock,
            wall_clock=self.wall_clock,
            process=self.life,
            longest_pause=self.longest_pause,
        )
        self.submitter = Submitter(self.clock, self.wall_clock, self.backlog, self.channel, policy=policy)
        self.channel.listener = self.submitter
        self.sweeper = Sweeper(
            self.clock,
            self.wall_clock,
            self.writer,
            process=self.life,
            outlets=lambda: [Outlet(self.channel, {"": self.submitter}, 3600.0)],
        )
        for service in (self.publisher, self.sweeper, self.submitter):
            service.startService()
        self.settle()

    def make_wall_clock(self) -> WallClock:
        return WallClock(self.now)

    def make_writer(self, clock: Clock, store: Store) -> DirectWriter:
        return DirectWriter(clock, store)

    def reader(self) -> IReader:
        """What answers the submitter's loads."""
        return self.writer

    def tearDown(self) -> None:
        self.writer.store.close()

    def kill(self, broken: bool = False) -> None:
        """The process is gone, with all it had in memory; another one starts on the same file, which it can write to
        unless it is ``broken``."""
        self.writer.store.close()
        self.clock.calls.clear()
        self.start(broken)

    def now(self) -> float:
        return EPOCH + self.clock.seconds()

    def settle(self) -> None:
        """Everything that is due now, and nothing that takes time."""
        run_what_is_due(self.clock)

    def advance(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self.clock.advance(0.25)
            self.settle()

    def accept(self, *sids: str, **more: Any) -> list[StoreError | None]:
        """Messages, each to a number of its own unless ``to`` names one."""
        answers: list[StoreError | None] = []
        for sid in sids:
            settings: dict[str, Any] = {"to": f"92300{sid[2:]:>07}", "at": int(self.now() * 1000)} | more
            self.submitter.accept(message(sid, **settings), answers.append)
        return answers

    def accepted_by_smsc(self, *segments: Segment) -> None:
        self.channel.answer(*[Outcome(one, Verdict.ACCEPTED, ACCOUNT, f"{one.id}") for one in segments])
        self.settle()

    def receipt(self, segment: Segment, finality: Finality = Finality.DELIVERED) -> list[StoreError | None]:
        answers: list[StoreError | None] = []
        receipt = Receipt(ACCOUNT, f"{segment.id}", finality, "000", "DELIVRD", int(self.now() * 1000))
        self.receiver.received([receipt], answers.append)
        return answers

    def reports(self) -> list[Any]:
        self.sink.confirm()
        self.settle()
        return [json.loads(event.body) for event in self.sink.published]


class SubmitterCase(WalkCase):
    def test_nothing_is_said_before_the_commit(self) -> None:
        """Law 1: done only after the commit, and nothing on the wire before it."""
        answers = self.accept("SM1")
        self.assertEqual((answers, self.channel.submitted), ([], []))
        self.settle()
        self.assertEqual(answers, [None])
        self.assertEqual(len(self.channel.submitted), 1)

    def test_accepted_while_loading(self) -> None:
        """A message that is written in the batch of a read from disk is submitted once, not twice."""
        self.submitter._ready.interactive._behind = True
        self.submitter._ready.load()
        self.accept("SM1")
        self.settle()
        self.assertEqual(len(self.channel.submitted), 1)

    def waits(self) -> list[bool]:
        """Whether each outcome that is put from now on may wait for others."""
        found: list[bool] = []
        put: Any = self.writer.put

        def counted(what: Any, done: Any, may_wait: bool = False) -> None:
            found.extend([may_wait] if isinstance(what, ops.Record) else [])
            put(what, done, may_wait)

        self.patch(self.writer, "put", counted)
        return found

    def test_outcome_may_wait(self) -> None:
        """If nothing waits to be sent. If something does, the outcome has its place in the window."""
        waits = self.waits()
        self.accept("SM1")
        self.settle()
        self.accepted_by_smsc(*self.channel.under_way)
        self.assertEqual(waits, [True])
        self.accept(*(f"SM{number}" for number in range(2, 3 + self.window)))
        self.settle()
        self.accepted_by_smsc(self.channel.under_way[0])
        self.assertEqual(waits, [True, False])

    def test_outcomes_leave_half_of_the_room(self) -> None:
        """More of them than half of the places that are free do not wait, or who comes next would have none."""
        waits, self.channel.window = self.waits(), 5
        self.accept("SM1", "SM2", "SM3")
        self.settle()
        first, second, third = self.channel.under_way
        for one in (first, second, third):
            self.channel.answer(Outcome(one, Verdict.ACCEPTED, ACCOUNT, f"{one.id}"))
        self.assertEqual(waits, [True, False, False])
        self.settle()

    def test_store_fails(self) -> None:
        """What could not be written is refused, and not submitted."""
        self.writer.broken = True
        answers = self.accept("SM1")
        self.settle()
        self.assertIsInstance(answers[0], StoreError)
        self.writer.broken = False
        self.advance(2)
        self.assertEqual(self.channel.submitted, [])

    def test_order_is_that_of_acceptance(self) -> None:
        """The wire sees the order of the 200s, from memory and from disk alike."""
        self.channel.window = 3
        self.patch(ready, "MEMORY", 4)
        self.patch(ready, "CHUNK", 5)
        sids = [f"SM{number:02}" for number in range(30)]
        self.accept(*sids)
        self.settle()
        while self.channel.under_way:
            self.accepted_by_smsc(*self.channel.under_way)
        self.assertEqual([one.id for one in self.channel.submitted], list(range(1, 31)))

    def test_memory_is_bounded(self) -> None:
        """Law 4: whatever the backlog, memory holds a bounded part of it."""
        self.patch(ready, "MEMORY", 40)
        self.patch(ready, "CHUNK", 10)
        for number in range(200):
            self.accept(f"SM{number}")
        self.settle()
        self.assertLessEqual(len(self.submitter._ready.interactive.in_line), 40)

    def test_temporary_refusal(self) -> None:
        """Tried again after the back-off, until the attempts are used up; then FAILED with the last code."""
        self.accept("SM1")
        self.settle()
        for attempt in range(1, 4):
            self.assertEqual(len(self.channel.submitted), attempt)
            self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, None, 8))
            self.advance(20)
        self.assertEqual(len(self.channel.submitted), 3)
        self.assertEqual([one["ProviderStatusCode"] for one in self.reports()], [8])

    def test_unknown_outcome_is_sent_again(self) -> None:
        """Law 5, policy resend: no response means once more; one report in the end."""
        self.accept("SM1")
        self.settle()
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.UNKNOWN, ACCOUNT))
        self.advance(5)
        self.assertEqual(len(self.channel.submitted), 2)
        self.accepted_by_smsc(self.channel.under_way[0])
        self.receipt(self.channel.submitted[0])
        self.settle()
        self.assertEqual(len(self.reports()), 1)

    def late(self, *sids: str, **more: Any) -> Segment:
        """A text without a response in time; the last attempt of the first one of them."""
        self.accept(*sids, **more)
        self.settle()
        segment = self.channel.under_way[0]
        self.channel.answer(Outcome(segment, Verdict.UNKNOWN, ACCOUNT))
        self.settle()
        return segment

    def test_late_response(self) -> None:
        """It was taken after all: not sent again, and its receipt is known."""
        segment = self.late("SM1")
        self.submitter.late(Outcome(segment, Verdict.ACCEPTED, ACCOUNT, "1"))
        self.advance(20)
        self.assertEqual(len(self.channel.submitted), 1)
        self.receipt(segment)
        self.settle()
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])
        self.assertFalse(self.submitter._ready.holds_segments or self.submitter._obsolete.taken)

    def test_late_response_without_receipts(self) -> None:
        """Taken is the end, where no receipts are asked for."""
        self.submitter.late(Outcome(self.late("SM1"), Verdict.DONE, ACCOUNT, "1", "ACCEPTED"))
        self.settle()
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])

    def test_late_response_to_what_waits_for_room(self) -> None:
        """The next attempt is in memory, and not sent yet."""
        segment = self.late("SM1")
        self.channel.window = 0
        self.advance(5)
        self.submitter.late(Outcome(segment, Verdict.ACCEPTED, ACCOUNT, "1"))
        self.channel.window = 50
        self.advance(20)
        self.assertEqual(len(self.channel.submitted), 1)

    def test_late_response_after_the_next_attempt(self) -> None:
        """Sent again already: what the SMSC says of that one changes nothing."""
        segment = self.late("SM1")
        self.advance(5)
        self.submitter.late(Outcome(segment, Verdict.ACCEPTED, ACCOUNT, "1"))
        self.settle()
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.REFUSED, ACCOUNT, None, 11))
        self.advance(20)
        self.assertEqual((len(self.channel.submitted), self.reports()), (2, []))
        self.receipt(segment)
        self.settle()
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])

    def test_outcomes_wait_for_the_store(self) -> None:
        """Outcomes are facts: while the store can't write them nothing more is submitted, and none is lost."""
        self.channel.window = 2
        self.accept("SM1", "SM2", "SM3")
        self.settle()
        self.writer.broken = True
        self.channel.answer(*[Outcome(one, Verdict.ACCEPTED, ACCOUNT, f"{one.id}") for one in self.channel.under_way])
        self.settle()
        submitted = len(self.channel.submitted)
        self.advance(3)
        self.assertEqual(len(self.channel.submitted), submitted)
        self.writer.broken = False
        self.advance(3)
        self.assertEqual(len(self.channel.submitted), 3)
        self.accepted_by_smsc(*self.channel.under_way)
        for segment in self.channel.submitted:
            self.receipt(segment)
        self.settle()
        self.assertEqual(len(self.reports()), 3)

    def test_kill_repeats_a_window_at_most(self) -> None:
        """What is answered takes its place in the window until that is on disk: a kill has no more to repeat."""
        self.channel.window = 3
        self.accept(*[f"SM{number}" for number in range(9)])
        self.settle()
        for _ in range(3):
            self.channel.answer(
                *[Outcome(one, Verdict.ACCEPTED, ACCOUNT, f"{one.id}") for one in list(self.channel.under_way)]
            )
            self.assertLessEqual(len(self.channel.submitted), 3)
        self.settle()
        self.assertEqual(len(self.channel.submitted), 6)

    def test_throttled_keeps_its_order(self) -> None:
        """What the network throttled comes again soon, and what is newer to its number waits for it."""
        self.channel.window = 2
        self.accept("SM1", "SM2", "SM3", "SM4")
        self.accept("SM5", to="923000000002")
        self.settle()
        self.channel.throttle(self.channel.under_way[1])
        while self.channel.under_way:
            self.accepted_by_smsc(*self.channel.under_way)
            self.advance(0.25)
        ids = [one.id for one in self.channel.submitted]
        self.assertEqual(sorted(ids), [1, 2, 2, 3, 4, 5])
        self.assertLess(ids.index(2, 2), ids.index(5))

    def test_full_number(self) -> None:
        """A number that is always throttled is tried ever more rarely, and holds up nobody."""
        self.channel.window = 1
        self.accept("SM1")
        self.settle()
        for number in range(2, 302):
            self.accept(f"SM{number}")
        for _ in range(600):
            (one,) = self.channel.under_way
            if one.id == 1:
                self.channel.throttle(one)
                self.submitter.room()
                self.settle()
            else:
                self.accepted_by_smsc(one)
            if not self.channel.under_way:
                break
            self.clock.advance(0.01)
            self.settle()
        ids = [one.id for one in self.channel.submitted]
        self.assertEqual(len(set(ids)), 301)
        self.assertLess(ids.count(1), 15)

    def minutes(self, minutes: int, each_second: Callable[[int], None]) -> None:
        """Numbers that begin with 9999 are full; everything else is taken at once."""
        for second in range(minutes * 60):
            each_second(second)
            for _ in range(10):
                self.clock.advance(0.1)
                for _ in range(50):
                    full = [one for one in self.channel.under_way if one.destination.startswith("9999")]
                    taken = [one for one in self.channel.under_way if one not in full]
                    if not self.channel.under_way:
                        break
                    if full:
                        self.channel.throttle(*full)
                    self.channel.answer(*[Outcome(one, Verdict.DONE, ACCOUNT, "1", "ACCEPTED") for one in taken])
                    self.clock.advance(0.001)

    def test_many_full_numbers(self) -> None:
        """However many numbers are full, memory holds a bounded part of what waits for them, and none of it is lost."""
        self.patch(throttled, "MANY_PAUSED", 50)
        self.submitter._policy = replace(self.submitter._policy, maximum=300)

        def accept(second: int) -> None:
            if second < 60:
                self.accept(*[f"SM{second * 10 + at}" for at in range(10)], to=f"9999{second:07d}")
                for at in range(8):
                    self.accept(f"SN{second * 10 + at}", to=f"9999{second:03d}{at:04d}")

        self.minutes(2, accept)
        pauses, lanes = self.submitter._pauses, self.submitter._lanes
        self.assertLess(pauses.paused, 120)
        self.assertLess(len(pauses.segments()) + lanes.waiting + len(lanes), 400)
        self.assertEqual(self.writer.store.counts()["queued"], 60 * 18)

    def test_too_many_full_numbers(self) -> None:
        """While enough throttled segments are in memory nothing new is begun."""
        self.patch(submitting, "MOST_PAUSED", 5)
        self.channel.window = 3
        self.accept(*[f"SM{number}" for number in range(1, 21)])
        self.settle()
        for _ in range(30):
            self.channel.throttle(*self.channel.under_way)
            self.submitter.room()
        self.assertLessEqual(self.submitter._pauses.paused, 5 + 3)

    def test_full_numbers_with_many_texts(self) -> None:
        """What waits behind full numbers does not fill the room that the others need."""
        self.patch(ready, "LANES", 300)
        self.patch(ready, "MEMORY", 100)
        self.patch(ready, "CHUNK", 50)

        def accept(second: int) -> None:
            if second == 0:
                for number in range(400):
                    self.accept(f"SM{number}", to=f"9999{number % 4:07d}")
            elif second == 30:
                self.accept("SM400", to="923000000001")

        self.minutes(2, accept)
        self.assertIn("923000000001", [one.destination for one in self.channel.submitted])

    def refuse_for_now(self, number: str, seconds: float) -> None:
        """What is under way for that number waits for another attempt."""
        segments = [one for one in self.channel.under_way if one.destination == number]
        self.channel.answer(*[Outcome(one, Verdict.RETRY, ACCOUNT, None, 8, seconds) for one in segments])
        self.settle()

    def test_due_ones_that_wait_in_memory(self) -> None:
        """A chunk of what is due is in memory, waiting for its lane: what is due behind it comes all the same."""
        self.patch(ready, "CHUNK", 3)
        self.accept(*(f"SM{number}" for number in range(1, 6)), to="111")
        self.accept("SM6", "SM7", to="222")
        self.settle()
        for _ in range(5):  # one after the other
            self.refuse_for_now("111", 1)
            self.refuse_for_now("222", 2)
        before = len(self.channel.submitted)
        self.advance(6)
        self.assertIn("222", {one.destination for one in self.channel.submitted[before:]})

    def test_full_number_keeps_its_order(self) -> None:
        """A text that goes back to the disk is one that was tried; those behind it are tried before they follow, and
        what comes later waits for its turn behind them."""
        self.patch(throttled, "MANY_PAUSED", -1)
        self.accept("SM1", "SM2", "SM3", to="111")
        self.settle()
        for turn in range(12):
            self.channel.throttle(*self.channel.under_way)
            self.advance(1)
            if turn == 3:
                self.accept("SM4", to="111")
                self.settle()
        self.assertEqual(list(dict.fromkeys(one.id for one in self.channel.submitted)), [1, 2, 3, 4])
        for _ in range(40):
            self.accepted_by_smsc(*self.channel.under_way)
            self.advance(1)
        self.assertEqual({one.id for one in self.channel.submitted[-4:]}, {1, 2, 3, 4})
        self.assertEqual((self.submitter._pauses.segments(), self.submitter._ready.under_way), ([], set()))

    def test_due_flood_to_one_number(self) -> None:
        """What is due for one number does not crowd memory, nor hold up what is fresh."""
        self.patch(ready, "CHUNK", 5)
        self.patch(ready, "LANES", 40)
        self.patch(ready, "MEMORY", 20)
        self.accept(*(f"SM{number}" for number in range(200)), to="111")
        self.settle()
        ask(self.writer.store, [ops.Postpone(tuple(range(2, 201)), int(self.now() * 1000) + 1000)])
        self.kill()
        most = 0
        for second in range(200):
            self.advance(0.5)
            most = max(most, self.submitter._lanes.waiting)
            if second == 40:
                self.accept("SM200", to="222")
                self.settle()
                self.assertIn("222", [one.destination for one in self.channel.under_way])
            self.accepted_by_smsc(*self.channel.under_way)
        self.assertLess(most, 12)

    def test_lane_that_is_free_at_the_end_of_a_turn(self) -> None:
        """The last thing a turn does may set a text free: it goes in the next one, without anything else happening."""
        self.accept("SM1", to="111", at=int(self.now() * 1000) - 3_599_000)  # a second is left of its hour
        self.accept("SM2", to="111")
        self.settle()
        (first,) = self.channel.under_way
        self.channel.window = 0
        self.channel.throttle(first)
        self.advance(1)
        self.accept("SM3", to="333", at=int(self.now() * 1000) - 3_600_000)
        self.settle()
        self.submitter._throttled_first = True  # so that it is the turn of what is fresh
        self.channel.window = 1
        self.submitter.pump()
        self.settle()
        self.assertEqual([one.id for one in self.channel.submitted], [1, 2])

    def test_throttled_until_it_expires(self) -> None:
        """A throttled segment whose message has ended is not sent any more, and those behind it are."""
        self.accept("SM1", to="923000000001")
        self.settle()
        self.advance(1)
        self.accept("SM2", to="923000000001")
        self.settle()
        self.channel.window = 0
        self.channel.throttle(*self.channel.under_way)
        self.advance(3599.5)
        self.channel.window = 9
        self.submitter.room()
        self.settle()
        self.assertEqual([one.id for one in self.channel.submitted], [1, 2])

    def test_flood_to_one_number(self) -> None:
        """Many texts to one number don't hold up the others."""
        self.patch(ready, "MEMORY", 20)
        self.patch(ready, "CHUNK", 10)
        for number in range(100):
            self.accept(f"SM{number}", to="923000000001")
        self.accept("SM100", to="923000000002")
        self.settle()
        self.assertEqual([one.id for one in self.channel.submitted], [1, 101])

    def test_kill(self) -> None:
        """Everything accepted is submitted after a kill; what was under way is, once more."""
        self.channel.window = 2
        self.accept("SM1", "SM2", "SM3")
        self.settle()
        self.accepted_by_smsc(self.channel.under_way[0])
        self.kill()
        self.assertEqual([one.id for one in self.channel.submitted], [2, 3])

    def test_expired_before_it_was_sent(self) -> None:
        """A message past its lifetime is not submitted any more, and reported FAILED once."""
        self.channel.window = 0
        self.accept("SM1")
        self.settle()
        self.clock.advance(3601)
        self.channel.window = 5
        self.advance(6)
        self.assertEqual(self.channel.submitted, [])
        self.assertEqual([one["ProviderStatusCode"] for one in self.reports()], ["EXPIRED"])


class StrictOrderCase(WalkCase):
    strict_order = True

    def both(self) -> None:
        """Two to one number, the first refused for now."""
        self.accept("SM1", "SM2", to="923000000001")
        self.settle()
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, None, 8))
        self.settle()

    def ids(self) -> list[int]:
        return [one.id for one in self.channel.submitted]

    def test_waits(self) -> None:
        """The second waits until the first has an outcome; the others don't."""
        self.both()
        self.accept("SM3", to="923000000002")
        self.settle()
        self.assertEqual(self.ids(), [1, 3])
        self.advance(3)
        self.assertEqual(self.ids(), [1, 3, 1])
        self.accepted_by_smsc(self.channel.under_way[-1])
        self.assertEqual(self.ids(), [1, 3, 1, 2])

    def test_restart(self) -> None:
        """A kill does not let it overtake."""
        self.both()
        self.kill()
        self.assertEqual(self.ids(), [])
        self.advance(3)
        self.assertEqual(self.ids(), [1])
        self.accepted_by_smsc(*self.channel.under_way)
        self.assertEqual(self.ids(), [1, 2])

    def test_ended_by_a_receipt(self) -> None:
        """A message that a receipt has ended while another of its segments waits does not keep its lane."""
        accepted = message("SM1", "one", "two", to="923000000001", at=int(self.now() * 1000))
        self.submitter.accept(accepted, lambda error: None)
        self.accept("SM2", to="923000000001")
        self.settle()
        first, second = self.channel.under_way
        self.channel.answer(
            Outcome(first, Verdict.ACCEPTED, ACCOUNT, "1"),
            Outcome(second, Verdict.RETRY, ACCOUNT, None, 8, retry_in=3000.0),
        )
        self.receipt(first, Finality.FAILED)
        self.advance(20)
        self.assertEqual(self.ids(), [1, 2, 3])

    def test_late_response(self) -> None:
        """The next one need not wait for an attempt that will not come."""
        self.accept("SM1", "SM2", to="923000000001")
        self.settle()
        first = self.channel.under_way[0]
        self.channel.answer(Outcome(first, Verdict.UNKNOWN, ACCOUNT))
        self.settle()
        self.submitter.late(Outcome(first, Verdict.ACCEPTED, ACCOUNT, "1"))
        self.settle()
        self.assertEqual(self.ids(), [1, 2])

    def of_two_segments(self) -> tuple[Segment, Segment]:
        """A message of two segments under way, and behind it another one to its number."""
        accepted = message("SM1", "one", "two", to="923000000001", at=int(self.now() * 1000))
        self.submitter.accept(accepted, lambda error: None)
        self.accept("SM2", to="923000000001")
        self.settle()
        first, second = self.channel.under_way
        return first, second

    def test_late_response_to_a_part(self) -> None:
        """Nor for an attempt of one part when the other has its response: what is behind goes within two seconds."""
        first, second = self.of_two_segments()
        unknown = Outcome(second, Verdict.UNKNOWN, ACCOUNT)
        self.channel.answer(Outcome(first, Verdict.ACCEPTED, ACCOUNT, "1"), unknown)
        self.settle()
        self.submitter.late(Outcome(second, Verdict.ACCEPTED, ACCOUNT, "2"))
        self.settle()
        self.advance(2)
        self.assertEqual(self.ids(), [1, 2, 3])

    def test_ended_by_a_part(self) -> None:
        """A receipt has ended the message while a part of it waits for a long time: the same."""
        first, second = self.of_two_segments()
        refused = Outcome(second, Verdict.RETRY, ACCOUNT, None, 8, retry_in=3000.0)
        self.channel.answer(Outcome(first, Verdict.ACCEPTED, ACCOUNT, "1"), refused)
        self.receipt(first, Finality.FAILED)
        self.submitter.messages_ended([1])
        self.advance(2)
        self.assertEqual(self.ids(), [1, 2, 3])

    def test_both_tried_before(self) -> None:
        """Two messages to one number that both wait for another attempt, as when the order became strict: one after the
        other, and the lane opens in the end."""
        lanes = Lanes()
        first = [Segment(at, at, 2, "x", "gsm7", None, "1", 2**60, 1) for at in (1, 2)]
        second = [Segment(at + 2, at, 2, "x", "gsm7", None, "1", 2**60, 1) for at in (1, 2)]
        self.assertEqual([lanes.enter(one) for one in (*first, *second)], [True, True, False, False])
        self.assertEqual([*lanes.leave(first[0]), *lanes.leave(first[1])], second)
        self.assertTrue(lanes.enter(second[0]))
        lanes.leave(second[0], to_retry=True)
        self.assertTrue(lanes.enter(second[1]))
        lanes.leave(second[1])
        self.assertTrue(lanes.enter(second[0]))
        lanes.leave(second[0])
        self.assertEqual(len(lanes), 0)

    def test_flood_behind_a_retry(self) -> None:
        """However much waits behind a message, its next attempt comes."""
        self.patch(ready, "LANES", 2)
        self.both()
        self.accept("SM3", "SM4", "SM5", "SM6", to="923000000001")
        self.settle()
        self.advance(3)
        self.assertEqual(self.ids(), [1, 1])

    def test_bounded(self) -> None:
        """However many are refused for now, a bounded number of lanes is kept, and all goes on."""
        self.patch(strict_order, "KEPT", 5)
        self.accept(*[f"SM{number}" for number in range(1, 21)])
        self.settle()
        for _ in range(200):
            self.channel.answer(
                *[
                    Outcome(one, Verdict.RETRY if one.attempts == 0 else Verdict.ACCEPTED, ACCOUNT, f"{one.id}")
                    for one in self.channel.under_way[:3]
                ]
            )
            self.assertLessEqual(len(self.submitter._lanes.kept), 5 + self.window)
            self.advance(0.5)
        self.assertEqual(len(self.ids()), 40)

    def test_bounded_for_a_long_time(self) -> None:
        """While enough lanes are kept nothing new is begun, and what is due goes on."""
        self.patch(strict_order, "KEPT", 5)
        self.channel.window = 3
        self.accept(*[f"SM{number}" for number in range(1, 21)])
        self.settle()
        for _ in range(30):
            self.channel.answer(
                *[Outcome(one, Verdict.RETRY, ACCOUNT, None, 8, 10.0) for one in self.channel.under_way]
            )
            self.advance(0.25)
        self.assertLessEqual(len(self.ids()), 5 + 3)
        self.advance(10)
        self.assertEqual(self.ids().count(1), 2)

    def test_more_retries_than_are_looked_at(self) -> None:
        """A look that does not show all retries says nothing about the missing ones."""
        self.accept("SM1", "SM2", "SM3")
        self.settle()
        self.channel.answer(*[Outcome(one, Verdict.RETRY, ACCOUNT, None, 8, 60.0) for one in self.channel.under_way])
        self.patch(strict_order, "KEPT", 2)
        self.advance(20)
        self.assertEqual(len(self.submitter._lanes.kept), 3)

    def test_expired_while_nothing_else_happens(self) -> None:
        """A message that expires between two attempts lets the next to its number go, on a quiet bind too."""
        answers: list[StoreError | None] = []
        now = int(self.now() * 1000)
        self.submitter.accept(replace(message("SM1", to="92300", at=now), expires_at=now + 3_000), answers.append)
        self.submitter.accept(message("SM2", to="92300", at=now), answers.append)
        self.settle()
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, None, 8, retry_in=60.0))
        self.advance(30)
        self.assertEqual([one.id for one in self.channel.submitted], [1, 2])

    def test_full_disk_keeps_the_order(self) -> None:
        """A full disk can be read: that a retry is not on it says nothing while it could not be written."""
        self.accept("SM1", "SM2", to="92300")
        self.settle()
        self.writer.full = True
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, None, 8, retry_in=30.0))
        self.advance(15)
        self.writer.full = False
        self.advance(40)
        self.assertEqual([one.id for one in self.channel.submitted][:2], [1, 1])


class LifetimeCase(WalkCase):
    """The end of the lifetime, while the text is with the channel. Known from a run with ValidityPeriod 10 and an SMSC
    that answered after 16 seconds."""

    def overdue(self) -> Segment:
        self.accept("SM1")
        self.settle()
        self.clock.advance(3600)
        self.advance(12)
        self.assertEqual(self.reports(), [])
        return self.channel.under_way[0]

    def test_taken(self) -> None:
        """It was not "never accepted": its receipt is waited for."""
        segment = self.overdue()
        self.accepted_by_smsc(segment)
        self.advance(12)
        self.receipt(segment)
        self.settle()
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])

    def test_refused_for_now(self) -> None:
        """Then it was never taken, and is not sent again."""
        segment = self.overdue()
        self.channel.answer(Outcome(segment, Verdict.RETRY, ACCOUNT, code=8))
        self.advance(12)
        self.assertEqual([one["ProviderStatusCode"] for one in self.reports()], [CODE_EXPIRED])
        self.assertEqual((len(self.channel.submitted), self.submitter.submitted), (1, {}))

    def test_throttled(self) -> None:
        """The same for what the network has throttled."""
        self.channel.throttle(self.overdue())
        self.advance(12)
        self.assertEqual([one["ProviderStatusCode"] for one in self.reports()], [CODE_EXPIRED])
        self.assertEqual((len(self.channel.submitted), self.submitter.submitted), (1, {}))

    def test_outcome_that_is_not_written_yet(self) -> None:
        """Taken, and the disk was full at that time: what memory knows counts."""
        segment = self.overdue()
        self.writer.full = True
        self.accepted_by_smsc(segment)
        self.advance(7)
        self.writer.full = False
        self.advance(7)
        self.receipt(segment)
        self.settle()
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])


class LifetimeHoldCase(LifetimeCase):
    """The same, where a text is marked before it is sent."""

    resend = False


class HoldCase(WalkCase):
    resend = False

    def test_unknown_outcome_is_never_sent_again(self) -> None:
        """Law 5, policy hold: reported FAILED with the code UNKNOWN, not sent twice."""
        self.accept("SM1")
        self.settle()
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.UNKNOWN, ACCOUNT))
        self.advance(30)
        self.assertEqual(len(self.channel.submitted), 1)
        self.assertEqual([one["ProviderStatusCode"] for one in self.reports()], [CODE_UNKNOWN])

    def unanswered(self) -> Segment:
        """A submit without a response in time, over a connection that is still there."""
        self.accept("SM1")
        self.settle()
        segment = self.channel.under_way[0]
        self.channel.answer(Outcome(segment, Verdict.UNKNOWN, ACCOUNT, may_come_late=True))
        self.advance(30)
        self.assertEqual(self.reports(), [])
        return segment

    def test_late_response(self) -> None:
        """It is waited for before anything is reported: a text that was delivered is not told to be UNKNOWN."""
        segment = self.unanswered()
        self.submitter.late(Outcome(segment, Verdict.ACCEPTED, ACCOUNT, "1"))
        self.settle()
        self.receipt(segment)
        self.settle()
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])
        self.assertEqual(len(self.channel.submitted), 1)
        self.assertFalse(self.submitter._ready.holds_segments or self.submitter.submitted)

    def test_no_late_response(self) -> None:
        """After the grace it is UNKNOWN, and it was sent once."""
        self.unanswered()
        self.clock.advance(DEFAULT_WAIT_MS / 1000)
        self.advance(6)
        self.assertEqual([one["ProviderStatusCode"] for one in self.reports()], [CODE_UNKNOWN])
        self.assertEqual(len(self.channel.submitted), 1)

    def test_killed_while_it_waits(self) -> None:
        """A late response can't come to another process: UNKNOWN at once."""
        self.unanswered()
        self.kill()
        self.settle()
        self.assertEqual([one["ProviderStatusCode"] for one in self.reports()], [CODE_UNKNOWN])

    def test_kill(self) -> None:
        """Nor after a kill: the claim was on disk before the submit was on the wire."""
        self.accept("SM1", "SM2")
        self.settle()
        self.accepted_by_smsc(self.channel.under_way[0])
        self.kill()
        self.advance(30)
        self.assertEqual(self.channel.submitted, [])
        self.assertEqual([one["MessageSID"] for one in self.reports()], ["SM2"])

    def test_settled_when_the_disk_lets(self) -> None:
        """What another process had claimed ends UNKNOWN, however late that can be written; our own claims do not."""
        self.accept("SM1")
        self.settle()
        self.kill(broken=True)
        self.advance(7)
        self.writer.broken = False
        self.accept("SM2")
        self.advance(7)
        self.assertEqual([one["ProviderStatusCode"] for one in self.reports()], ["UNKNOWN"])
        self.assertEqual([one.id for one in self.channel.under_way], [2])

    def test_throttled_at_the_stop(self) -> None:
        """What the network is known not to have taken is sent by the next process."""
        self.accept("SM1", "SM2")
        self.settle()
        self.channel.throttle(self.channel.under_way[0])
        self.channel.window = 0
        self.submitter.stopService()
        self.channel.throttle(self.channel.under_way[0])
        self.settle()
        self.kill()
        self.assertEqual([one.id for one in self.channel.submitted], [1, 2])
        self.assertEqual(self.reports(), [])

    def test_full_disk_at_the_stop(self) -> None:
        """The same where the disk lets only at the end of the stop."""
        self.accept("SM1")
        self.settle()
        self.channel.throttle(self.channel.under_way[0])
        self.writer.full = True
        self.submitter.stopService()
        self.settle()
        self.writer.full = False
        self.submitter.settled()
        self.settle()
        self.kill()
        self.assertEqual(([one.id for one in self.channel.submitted], self.reports()), ([1], []))

    def test_damaged_file(self) -> None:
        """Claims that meet a damaged page are not tried again and again, take no more than the window, and send
        nothing; the stop does not wait for them."""
        self.channel.window = 5
        self.accept(*[f"SM{number}" for number in range(50)])
        self.writer.commit()
        self.writer.full, self.writer.error = True, StoreDamaged("`smsconnector rescue`")
        commits: list[int] = []
        put = self.writer.put

        def count(operation: Any, done: Any) -> None:
            commits.extend([1] * isinstance(operation, ops.Claim))
            put(operation, done)

        self.patch(self.writer, "put", count)
        for _ in range(60):
            self.clock.advance(1)
            self.settle()
        self.assertLessEqual(len(commits), 5)
        self.assertEqual(self.channel.submitted, [])
        self.submitter.stopService()
        fired: list[str] = []
        self.submitter.settled().addCallback(lambda _: fired.append("settled"))
        self.settle()
        self.assertEqual(fired, ["settled"])

    def test_claims_are_a_window_at_most(self) -> None:
        """However long the disk refuses claims: when it lets, no more is claimed than there is room for."""
        self.channel.window = 5
        self.accept(*[f"SM{number}" for number in range(50)])
        self.writer.commit()
        self.writer.broken = True
        for _ in range(20):
            self.advance(0.25)
            self.submitter.room()
        self.writer.broken = False
        self.advance(3)
        self.kill()
        self.advance(7)
        self.assertEqual(len(self.reports()), 5)

    def test_room_goes_while_the_claim_is_written(self) -> None:
        """What was claimed and finds no room any more is sent when there is room."""
        self.accept("SM1", "SM2")
        self.writer.commit()
        self.submitter.pump()
        self.channel.window = 1
        self.settle()
        self.assertEqual(len(self.channel.submitted), 1)
        self.accepted_by_smsc(*self.channel.under_way)
        self.assertEqual([one.id for one in self.channel.submitted], [1, 2])


class FullNumbersHoldCase(WalkCase):
    """Policy hold while numbers are full: what is known not to have been taken is never reported UNKNOWN. Measured: a
    kill -9 while 1,600 texts waited for full numbers ended all of them so."""

    resend = False

    def throttle(self, times: int) -> None:
        """All that is sent is throttled, so often in a row."""
        for time in range(times):
            if time:
                self.until_sent()
            self.channel.throttle(*list(self.channel.under_way))
            self.settle()

    def until_sent(self) -> None:
        """All whose pauses are of one length are sent."""
        for _ in range(400):
            if self.channel.under_way:
                break
            self.advance(0.25)
        self.advance(1.0)
        self.assertTrue(self.channel.under_way)

    def states(self) -> list[int]:
        """Of all segments, as they are on disk."""
        rows = self.writer.store._connection.execute("SELECT state FROM segment ORDER BY id").fetchall()
        return [state for (state,) in rows]

    def codes(self) -> list[Any]:
        return [one["ProviderStatusCode"] for one in self.reports()]

    def test_kill(self) -> None:
        """A kill in a long pause: the next process sends them, and none ends UNKNOWN."""
        self.accept(*[f"SM{number}" for number in range(30)])
        self.settle()
        self.throttle(8)
        self.kill()
        self.assertEqual([one.id for one in self.channel.submitted], list(range(1, 31)))
        self.accepted_by_smsc(*list(self.channel.under_way))
        self.assertEqual(self.codes(), [])

    def test_claimed_again(self) -> None:
        """After the pause the claim is on disk before the submit is on the wire, as for the first one."""
        self.accept("SM1")
        self.settle()
        self.throttle(8)
        sent = len(self.channel.submitted)
        self.assertEqual(self.states(), [SegmentState.QUEUED])
        self.writer.broken = True
        self.advance(6)
        self.assertEqual(len(self.channel.submitted), sent)
        self.writer.broken = False
        self.advance(2)
        self.assertEqual((len(self.channel.submitted), self.states()), (sent + 1, [SegmentState.CLAIMED]))
        self.kill()
        self.advance(6)
        self.assertEqual((self.channel.submitted, self.codes()), ([], [CODE_UNKNOWN]))

    def test_disk_is_full_when_the_pause_begins(self) -> None:
        """A claim that can't be given back for now is not given back later, when the text is on the wire again."""
        self.accept("SM1")
        self.settle()
        self.throttle(7)
        self.until_sent()
        sent = len(self.channel.submitted)
        self.writer.full = True
        self.throttle(1)
        self.advance(20)
        self.assertEqual(len(self.channel.submitted), sent)
        self.writer.full = False
        self.advance(6)
        self.assertEqual((len(self.channel.submitted), self.states()), (sent + 1, [SegmentState.CLAIMED]))
        self.advance(6)
        self.assertEqual(self.states(), [SegmentState.CLAIMED])

    def test_short_pauses_cost_nothing(self) -> None:
        """A pause of less than a second is not worth two writes."""
        self.accept("SM1")
        self.settle()
        commits = self.writer.commits
        self.channel.throttle(*list(self.channel.under_way))
        self.clock.advance(0.1)
        self.settle()
        self.assertEqual((len(self.channel.submitted), self.writer.commits - commits), (2, 0))

    def test_stop(self) -> None:
        """A stop while claims are being given back: the next process sends them, and nothing is called after it."""
        self.accept("SM1", "SM2")
        self.settle()
        self.throttle(7)
        self.until_sent()
        self.writer.full = True
        self.throttle(1)
        self.submitter.stopService()
        self.writer.full = False
        self.submitter.settled()
        self.settle()
        self.kill()
        self.assertEqual(([one.id for one in self.channel.submitted], self.codes()), ([1, 2], []))

    def test_expired(self) -> None:
        """What expires in its pause is neither claimed nor kept in memory."""
        self.submitter.accept(replace(message("SM1"), expires_at=int(self.now() * 1000) + 13_000), self.assertIsNone)
        self.settle()
        self.throttle(8)
        self.assertEqual(self.states(), [SegmentState.QUEUED])
        self.advance(40)
        self.assertEqual((self.channel.under_way, self.codes()), ([], [CODE_EXPIRED]))
        self.assertFalse(self.submitter._ready.holds_segments)

    def test_no_room(self) -> None:
        """What was claimed and finds no room for a second, its bind being down, gives its claim back too."""
        self.accept("SM1", "SM2")
        self.writer.commit()
        self.submitter.pump()
        self.channel.window = 0
        self.advance(2)
        self.assertEqual(self.states(), [SegmentState.QUEUED] * 2)
        self.kill()
        self.channel.window = 50
        self.assertEqual(([one.id for one in self.channel.submitted], self.codes()), ([1, 2], []))

    def test_order(self) -> None:
        """Giving claims back keeps the order: the next text to the number waits."""
        self.accept("SM1", "SM2", to="923001234567")
        self.settle()
        self.throttle(9)
        self.until_sent()
        self.assertEqual([one.id for one in self.channel.under_way], [1])
        self.accepted_by_smsc(*list(self.channel.under_way))
        self.assertEqual([one.id for one in self.channel.under_way], [2])


class ReceiverCase(WalkCase):
    def test_nothing_is_acknowledged_before_the_commit(self) -> None:
        """Law 1: the SMSC hears only after the commit; an error instead if it failed."""
        self.accept("SM1")
        self.settle()
        segment = self.channel.under_way[0]
        self.accepted_by_smsc(segment)
        answers = self.receipt(segment)
        self.assertEqual(answers, [])
        self.settle()
        self.assertEqual(answers, [None])

    def test_store_fails(self) -> None:
        """The network is told to come again, and its second try counts."""
        self.accept("SM1")
        self.settle()
        segment = self.channel.under_way[0]
        self.accepted_by_smsc(segment)
        self.writer.broken = True
        answers = self.receipt(segment)
        self.settle()
        self.assertIsInstance(answers[0], StoreError)
        self.writer.broken = False
        self.receipt(segment)
        self.settle()
        self.assertEqual(len(self.reports()), 1)


class PublisherCase(WalkCase):
    def one_report(self) -> None:
        self.accept("SM1")
        self.settle()
        segment = self.channel.under_way[0]
        self.accepted_by_smsc(segment)
        self.receipt(segment)
        self.settle()

    def waiting(self) -> int:
        return len(ask(self.writer.store, [ops.LoadEvents(SINK, 0, 100)])[0])

    def test_leaves_the_outbox_after_the_confirmation(self) -> None:
        """Law 1: an event is marked only when the broker has confirmed it."""
        self.one_report()
        self.assertEqual((len(self.sink.batches), self.waiting()), (1, 1))
        self.reports()
        self.assertEqual(self.waiting(), 0)

    def test_kill_before_the_confirmation(self) -> None:
        """An event that was sent but not confirmed is sent again, with the same id."""
        self.one_report()
        before = self.sink.batches[0][0]
        self.kill()
        self.assertEqual(self.sink.batches[0][0], before)

    def test_mark_waits_for_the_store(self) -> None:
        """If the mark can't be written, it is later; the event is not published again meanwhile."""
        self.one_report()
        self.writer.broken = True
        self.reports()
        self.writer.broken = False
        self.advance(3)
        self.assertEqual((self.waiting(), len(self.sink.published)), (0, 1))

    def test_broker_away(self) -> None:
        """However many events wait, the sink holds a bounded number, and all come in order."""
        self.patch(publishing, "EVENTS_AT_ONCE", 3)
        for number in range(20):
            self.accept(f"SM{number}")
        self.settle()
        for segment in list(self.channel.under_way):
            self.accepted_by_smsc(segment)
            self.receipt(segment)
            self.settle()
        self.assertLessEqual(sum(len(events) for events, _ in self.sink.batches), 6)
        while self.sink.batches:
            self.reports()
        self.assertEqual([event.id for event in self.sink.published], list(range(1, 21)))

"""Loads that are answered late, from a state of the disk that is older than what has happened since they were asked:
nothing is sent twice, nothing is forgotten, and the order stays."""

from typing import Any

from twisted.internet.task import Clock

from smsconnector.errors import StoreError, StoreUnavailable
from smsconnector.messages import Finality, Outcome, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.inbox import Done
from smsconnector.store.operations import Query
from smsconnector.store.reader import IReader
from smsconnector.store.store import Store
from smsconnector.store.worker import Result
from smsconnector.walks import ready, throttled
from tests.unit.fakes import DirectWriter, answers_of, message
from tests.unit.walks.test_walks import ACCOUNT, WalkCase


class LateReader:
    """Reads when it is asked, and gives the answers to loads of the kinds ``held`` when the test says so."""

    def __init__(self, writer: DirectWriter, held: tuple[type[Any], ...]) -> None:
        self.writer, self.held = writer, held
        self.waiting: list[tuple[Query, Done, Result]] = []

    def put(self, query: Query, done: Done) -> None:
        answer = self._read(query)
        if isinstance(query, self.held):
            self.waiting.append((query, done, answer))
        else:
            self.writer.clock.callLater(0, done, *answer)

    def read_again(self) -> None:
        """What was not answered yet is read only now."""
        self.waiting = [(query, done, self._read(query)) for query, done, _ in self.waiting]

    def answer(self, error: StoreError | None = None) -> None:
        waiting, self.waiting = self.waiting, []
        for _, done, answer in waiting:
            done(*((None, error) if error else answer))

    def _read(self, query: Query) -> Result:
        return answers_of(self.writer.store, [query])[0]


class StallingWriter(DirectWriter):
    """Commits nothing while it is ``stalled``, and says nothing."""

    stalled = False

    def commit(self) -> None:
        if self.stalled:
            self.clock.callLater(0.1, self.commit)
        else:
            super().commit()


class LateCase(WalkCase):
    held: tuple[type[Any], ...] = ()
    writer: StallingWriter

    def make_writer(self, clock: Clock, store: Store) -> DirectWriter:
        return StallingWriter(clock, store)

    def reader(self) -> IReader:
        self.late_reader = LateReader(self.writer, self.held)
        return self.late_reader

    def hold(self, *kinds: type[Any]) -> None:
        """Such loads are answered by ``let_go``, also in the next lives."""
        self.held = self.late_reader.held = kinds

    def let_go(self, error: StoreError | None = None) -> None:
        self.held = self.late_reader.held = ()
        self.assertTrue(self.late_reader.waiting, "no such load is under way")
        self.late_reader.answer(error)
        self.settle()

    def ids(self) -> list[int]:
        return [one.id for one in self.channel.submitted]

    def take_all(self) -> None:
        while self.channel.under_way:
            self.accepted_by_smsc(*self.channel.under_way)


class UntriedCase(LateCase):
    """What is accepted while never-tried segments are being loaded."""

    def test_accepted_meanwhile(self) -> None:
        """It is not in the answer, and is sent all the same, in order."""
        self.hold(ops.LoadSegments)
        self.kill()
        answers = self.accept("SM1", "SM2", "SM3")
        self.settle()
        self.assertEqual(answers, [None] * 3)
        self.let_go()
        self.assertEqual(self.ids(), [1, 2, 3])

    def test_behind_what_is_on_disk(self) -> None:
        """What the answer has was accepted before, and is sent before."""
        self.channel.window = 0
        self.accept("SM1", "SM2")
        self.settle()
        self.hold(ops.LoadSegments)
        self.kill()
        self.accept("SM3")
        self.settle()
        self.let_go()
        self.assertEqual(self.ids(), [1, 2, 3])

    def test_in_the_answer_too(self) -> None:
        """A load that is under way when a message is written may have seen it: it is sent once."""
        self.hold(ops.LoadSegments)
        self.kill()
        self.accept("SM1")
        self.settle()
        self.late_reader.read_again()
        self.let_go()
        self.assertEqual(self.ids(), [1])

    def test_full_chunk(self) -> None:
        """Behind a full chunk there is more on disk: what was accepted meanwhile waits behind that."""
        self.patch(ready, "CHUNK", 2)
        self.channel.window = 0
        self.accept("SM1", "SM2", "SM3")
        self.settle()
        self.hold(ops.LoadSegments)
        self.kill()
        self.accept("SM4")
        self.settle()
        self.let_go()
        self.assertEqual(self.ids(), [1, 2, 3, 4])

    def test_too_many_meanwhile(self) -> None:
        """Memory keeps a bounded part of them, and the rest is loaded."""
        self.patch(ready, "MEMORY", 3)
        self.patch(ready, "CHUNK", 2)
        self.hold(ops.LoadSegments)
        self.kill()
        self.accept(*[f"SM{number}" for number in range(1, 11)])
        self.settle()
        self.assertLessEqual(len(self.submitter._ready.interactive._aside), 4)
        self.let_go()
        self.assertEqual(self.ids(), list(range(1, 11)))

    def test_more_than_memory_has_room_for(self) -> None:
        """They follow what was loaded only as far as there is room; the rest is loaded later."""
        self.patch(ready, "MEMORY", 3)
        self.patch(ready, "CHUNK", 2)
        self.channel.window = 0
        self.accept("SM1")
        self.settle()
        self.hold(ops.LoadSegments)
        self.kill()
        self.channel.window = 0
        self.accept("SM2", "SM3", "SM4")
        self.settle()
        self.let_go()
        self.assertEqual(len(self.submitter._ready.interactive.in_line), 3)
        self.channel.window = 1
        self.submitter.room()
        self.settle()
        self.take_all()
        self.assertEqual(self.ids(), [1, 2, 3, 4])

    def test_failed(self) -> None:
        """A load that failed says nothing about the end: all is loaded by the next one, once."""
        self.hold(ops.LoadSegments)
        self.kill()
        self.accept("SM1", "SM2")
        self.settle()
        self.let_go(StoreUnavailable("the disk is gone"))
        self.assertEqual((self.ids(), self.submitter._ready.interactive._aside), ([], []))
        self.advance(2)
        self.assertEqual(self.ids(), [1, 2])


class DueCase(LateCase):
    """What has left memory while due segments are being loaded."""

    def second_attempt(self) -> Segment:
        """A segment whose second attempt is under way; a load that has seen it as due is not answered yet."""
        self.accept("SM1")
        self.settle()
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, None, 8, 0.4))
        self.advance(1)
        self.assertEqual(self.ids(), [1, 1])
        self.hold(ops.LoadDue)
        self.advance(1)
        self.assertTrue(self.late_reader.waiting)
        return self.channel.under_way[0]

    def test_outcome_written(self) -> None:
        """What has its outcome is not sent again."""
        self.accepted_by_smsc(self.second_attempt())
        self.let_go()
        self.advance(2)
        self.assertEqual(self.ids(), [1, 1])
        self.assertFalse(self.submitter._ready.holds_segments)

    def test_to_be_tried_again(self) -> None:
        """What waits for another attempt is sent at its time, and once."""
        self.channel.answer(Outcome(self.second_attempt(), Verdict.RETRY, ACCOUNT, None, 8, 5.0))
        self.settle()
        self.let_go()
        self.advance(2)
        self.assertEqual(self.ids(), [1, 1])
        self.advance(8)  # the delay that a refusal brings doubles with each attempt
        self.assertEqual(self.ids(), [1, 1, 1])

    def test_too_many_to_remember(self) -> None:
        """If more has left memory than is remembered, the answer is not used; what is due is found by the next one."""
        self.patch(ready, "LEFT", 0)
        self.accept("SM2")
        self.settle()
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, None, 8, 0.4))
        self.settle()
        self.channel.window = 1
        self.accept("SM1")
        self.settle()
        self.hold(ops.LoadDue)
        self.advance(1)
        self.accepted_by_smsc(*self.channel.under_way)
        self.accept("SM3")
        self.settle()
        self.accepted_by_smsc(*self.channel.under_way)
        self.let_go()
        self.assertEqual(self.ids(), [1, 2, 3])
        self.advance(2)
        self.assertEqual(self.ids(), [1, 2, 3, 1])

    def test_postponed(self) -> None:
        """What went back to the disk is not sent before its time."""
        self.channel.window = 0
        self.accept("SM1")
        self.settle()
        self.writer.store.apply([ops.Postpone((1,), int(self.now() * 1000) + 500)])
        self.kill()
        self.patch(throttled, "MANY_PAUSED", -1)
        self.advance(1)
        (segment,) = self.channel.under_way
        self.hold(ops.LoadDue)
        self.advance(1)
        self.channel.throttle(segment)
        self.settle()
        self.assertEqual(self.submitter._ready.under_way, set())
        self.let_go()
        self.advance(2)
        self.assertEqual(self.ids(), [1])
        self.advance(11)
        self.assertEqual(self.ids(), [1, 1])

    def test_taken_late(self) -> None:
        """What was taken after all is not sent again, though nothing else is in memory that could keep this in mind."""
        self.accept("SM1")
        self.settle()
        segment = self.channel.under_way[0]
        self.channel.answer(Outcome(segment, Verdict.UNKNOWN, ACCOUNT, retry_in=0.1))
        self.settle()
        self.clock.advance(0.2)
        self.hold(ops.LoadDue)
        self.advance(1)
        self.submitter.late(Outcome(segment, Verdict.ACCEPTED, ACCOUNT, "1"))
        self.settle()
        self.let_go()
        self.advance(2)
        self.assertEqual(self.ids(), [1])
        self.assertEqual(self.submitter._obsolete.taken, set())

    def test_message_has_ended(self) -> None:
        """A segment whose message has ended by a receipt is not tried again."""
        accepted = message("SM1", "one", "two", at=int(self.now() * 1000))
        self.submitter.accept(accepted, lambda error: None)
        self.settle()
        first, second = self.channel.under_way
        self.channel.answer(
            Outcome(first, Verdict.ACCEPTED, ACCOUNT, "1"), Outcome(second, Verdict.RETRY, ACCOUNT, None, 8, 0.1)
        )
        self.settle()
        self.clock.advance(0.2)
        self.hold(ops.LoadDue)
        self.advance(1)
        self.receipt(first, Finality.FAILED)
        self.settle()
        self.submitter.messages_ended([1])
        self.let_go()
        self.advance(2)
        self.assertEqual(self.ids(), [1, 2])
        self.assertEqual(self.submitter._obsolete.messages, set())


class StrictOrderCase(LateCase):
    """Lanes that are kept, and looks that are answered from an old state."""

    strict_order = True

    def both(self, seconds: float, stalled: bool = False) -> None:
        """Two to one number; the first is refused for now."""
        self.accept("SM1", "SM2", to="923000000001")
        self.settle()
        self.writer.stalled = stalled
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, None, 8, seconds))

    def test_slow_disk(self) -> None:
        """However long the outcome takes to be written while the disk can be read, its number's lane is kept."""
        self.both(60.0, stalled=True)
        self.advance(30)
        self.assertEqual(self.ids(), [1])
        self.writer.stalled = False
        self.advance(60)
        self.assertEqual(self.ids(), [1, 1])
        self.accepted_by_smsc(*self.channel.under_way)
        self.assertEqual(self.ids(), [1, 1, 2])

    def test_look_before_the_outcome(self) -> None:
        """One look that has not seen the outcome yet says nothing."""
        self.accept("SM0", to="923000000000")
        self.settle()
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, None, 8, 60.0))
        self.settle()
        self.hold(ops.LoadRetries)
        self.advance(6)
        self.both(60.0)
        self.settle()
        self.let_go()
        self.advance(20)
        self.assertEqual(self.ids(), [1, 2])


class StrictHoldCase(LateCase):
    strict_order, resend = True, False

    def test_claimed_in_two_looks(self) -> None:
        """What is under way is on disk as claimed, not as waiting. That says nothing about the attempt after it."""
        self.accept("SM1", "SM2", to="923000000001")
        self.settle()
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, None, 8, 0.1))
        self.advance(13)  # its second attempt is under way in two looks
        self.assertEqual(self.ids(), [1, 1])
        self.hold(ops.LoadRetries)
        self.advance(5)
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, None, 8, 60.0))
        self.settle()
        self.let_go()
        self.advance(20)
        self.assertEqual(self.ids(), [1, 1])

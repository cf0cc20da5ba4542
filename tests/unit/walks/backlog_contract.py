"""What every backlog has to do: the tests of ``IBacklog``, for any implementation.

A case of an implementation inherits from ``BacklogContract`` and from trial's ``SynchronousTestCase``, and says how to
make a backlog, let time pass and break the place where its segments are kept.
"""

from typing import Any

from smsconnector.errors import StoreError
from smsconnector.messages import Outcome, Segment, Verdict
from smsconnector.store.repeats import RequestKey
from smsconnector.walks.backlog import IBacklog
from tests.unit.fakes import message

ACCOUNT = "connector@smsc"


class BacklogContract:
    """The queue is always the first of two in one place: what is in the other one must never be seen."""

    assertEqual: Any
    assertTrue: Any
    assertFalse: Any
    assertGreater: Any
    assertIsInstance: Any
    fail: Any

    # --- what an implementation says ------------------------------------------------------------------------

    def make(self, queue: str = "one") -> IBacklog:
        """A backlog of this queue, in the place where all of this test are."""
        raise NotImplementedError

    def kill(self) -> None:
        """The process that made the backlogs so far is gone; the next is made by another one."""
        raise NotImplementedError

    def advance(self, seconds: float) -> None:
        """Let time pass; what can be answered is answered."""
        raise NotImplementedError

    def break_writes(self, broken: bool) -> None:
        """From now on nothing can be written, or it can again; reading goes on."""
        raise NotImplementedError

    def break_all(self, broken: bool) -> None:
        """From now on nothing can be read or written, or it can again."""
        raise NotImplementedError

    def now_ms(self) -> int:
        raise NotImplementedError

    # --- words of the tests ---------------------------------------------------------------------------------

    def accepted(self, backlog: IBacklog, *sids: str, count: int = 1) -> list[int]:
        """The first ids of messages that were written, of so many segments each."""
        answers: list[Any] = []
        texts = [f"part {number}" for number in range(1, count + 1)]
        made = [message(sid, *texts, to=f"92300{sid[2:]:>07}", at=self.now_ms()) for sid in sids]
        ids = [backlog.accept(one, lambda *answer: answers.append(answer)) for one in made]
        self.advance(0)
        self.assertEqual(answers, [(False, None)] * len(sids))
        return ids

    def answer(self, call: Any, *arguments: Any) -> Any:
        """What a method answers, which must be one answer without an error, after it has returned."""
        answers: list[Any] = []
        call(*arguments, lambda *answer: answers.append(answer))
        self.assertEqual(answers, [], "answered before the method has returned")
        self.advance(0)
        self.assertEqual(len(answers), 1, "not answered once")
        result, error = answers[0]
        self.assertEqual(error, None)
        return result

    def untried(self, backlog: IBacklog, after: int = 0, limit: int = 100) -> list[int]:
        return [one.id for one in self.answer(backlog.load_untried, after, limit)]

    def due(self, backlog: IBacklog, limit: int = 100) -> list[int]:
        return [one.id for one in self.answer(backlog.load_due, limit)]

    def segments(self, backlog: IBacklog) -> dict[int, Segment]:
        found: list[Segment] = self.answer(backlog.load_untried, 0, 100)
        return {one.id: one for one in found}

    def outcome(self, segment: Segment, verdict: Verdict, seconds: float = 0.0) -> tuple[Outcome, int]:
        smsc_id = f"{segment.id}" if verdict is Verdict.ACCEPTED else None
        due_at = self.now_ms() + int(seconds * 1000) if verdict is Verdict.RETRY else 0
        return Outcome(segment, verdict, ACCOUNT, smsc_id, None if smsc_id else 8), due_at

    def retried(self, backlog: IBacklog, segment: Segment, seconds: float) -> None:
        """It waits for another attempt, so long."""
        self.assertEqual(self.answer(backlog.record, [self.outcome(segment, Verdict.RETRY, seconds)]), [])

    # --- accept ---------------------------------------------------------------------------------------------

    def test_order_of_acceptance(self) -> None:
        """Ids rise in the order of acceptance, each message has as many as segments, and loads keep that order."""
        backlog = self.make()
        first = self.accepted(backlog, "SM1", "SM2", count=2)
        then = self.accepted(backlog, "SM3", count=3)
        a, b, c = *first, *then
        self.assertGreater(b, a + 1)
        self.assertGreater(c, b + 1)
        self.assertEqual(self.untried(backlog), [a, a + 1, b, b + 1, c, c + 1, c + 2])

    def test_segments_are_as_accepted(self) -> None:
        """What is loaded says all that the message said."""
        backlog = self.make()
        sent = message("SM1", "one", "two", at=self.now_ms())
        first = backlog.accept(sent, lambda *_: None)
        self.advance(0)
        expected = [
            Segment(
                first + at, at + 1, 2, text, sent.alphabet, sent.source, sent.destination, sent.expires_at, sid="SM1"
            )
            for at, text in enumerate(sent.segments)
        ]
        self.assertEqual(self.answer(backlog.load_untried, 0, 100), expected)

    def test_nothing_is_said_before_the_commit(self) -> None:
        """``done`` is called once and later; what it has said is there after a kill."""
        backlog, answers = self.make(), list[Any]()
        first = backlog.accept(message("SM1", at=self.now_ms()), lambda *answer: answers.append(answer))
        self.assertEqual(answers, [])
        self.advance(0)
        self.assertEqual(answers, [(False, None)])
        self.kill()
        self.assertEqual(self.untried(self.make()), [first])

    def test_accept_fails(self) -> None:
        """With an error nothing was written, then or later."""
        backlog, errors = self.make(), list[StoreError | None]()
        self.break_writes(True)
        backlog.accept(message("SM1", at=self.now_ms()), lambda _none, error: errors.append(error))
        self.advance(0)
        self.assertEqual(len(errors), 1)
        self.assertIsInstance(errors[0], StoreError)
        self.break_writes(False)
        self.advance(5)
        self.assertEqual((self.untried(backlog), backlog.failing, len(errors)), ([], False, 1))

    def test_queues_are_apart(self) -> None:
        """What is in another queue is never loaded."""
        one, two = self.make("one"), self.make("two")
        (first,), (second,) = self.accepted(one, "SM1"), self.accepted(two, "SM2")
        self.assertEqual((self.untried(one), self.untried(two)), ([first], [second]))
        self.retried(two, self.segments(two)[second], 0.0)
        self.advance(1)
        self.assertEqual((self.due(one), self.answer(one.load_retries, 100)), ([], []))
        self.assertEqual((one.queue, two.queue), ("one", "two"))

    # --- loads ----------------------------------------------------------------------------------------------

    def test_load_untried_in_chunks(self) -> None:
        """Chunk after chunk, each behind the last id of the one before: nothing is lost, and nothing comes twice."""
        backlog = self.make()
        self.accepted(backlog, *[f"SM{number}" for number in range(1, 8)])
        found: list[int] = []
        while True:
            chunk = self.untried(backlog, found[-1] if found else 0, 3)
            found += chunk
            if len(chunk) < 3:
                break
        self.assertEqual(found, list(range(found[0], found[0] + 7)))

    def test_load_sees_what_was_answered(self) -> None:
        """A load that is asked when something has just been written sees it."""
        backlog, loaded = self.make(), list[Any]()

        def written(_result: int | None, _error: StoreError | None) -> None:
            backlog.load_untried(0, 100, lambda *answer: loaded.append(answer))

        first = backlog.accept(message("SM1", at=self.now_ms()), written)
        self.advance(0)
        self.assertEqual([[one.id for one in segments] for segments, _ in loaded], [[first]])

    def test_load_fails(self) -> None:
        """Each load says so, and the next one finds all."""
        backlog = self.make()
        (first,) = self.accepted(backlog, "SM1")
        self.break_all(True)
        errors: list[StoreError | None] = []
        backlog.load_untried(0, 10, lambda _none, error: errors.append(error))
        backlog.load_due(10, lambda _none, error: errors.append(error))
        backlog.load_retries(10, lambda _none, error: errors.append(error))
        self.advance(0)
        self.assertEqual([isinstance(one, StoreError) for one in errors], [True] * 3)
        self.break_all(False)
        self.assertEqual(self.untried(backlog), [first])

    def test_due_at_its_time(self) -> None:
        """What is to be tried again is not untried any more, and due at its time and not before."""
        backlog = self.make()
        first, second = self.accepted(backlog, "SM1", "SM2")
        self.retried(backlog, self.segments(backlog)[first], 5.0)
        self.assertEqual((self.untried(backlog), self.due(backlog)), ([second], []))
        self.advance(4)
        self.assertEqual(self.due(backlog), [])
        self.advance(2)
        (segment,) = self.answer(backlog.load_due, 100)
        self.assertEqual((segment.id, segment.attempts), (first, 1))

    def test_due_in_chunks(self) -> None:
        """The longest due first; each call goes on behind the last chunk, and begins anew after the end."""
        backlog = self.make()
        ids = self.accepted(backlog, *[f"SM{number}" for number in range(1, 6)])
        segments = self.segments(backlog)
        for at, one in enumerate(reversed(ids)):
            self.retried(backlog, segments[one], 1.0 + at)
        self.advance(10)
        expected = list(reversed(ids))
        self.assertEqual([self.due(backlog, 2) for _ in range(3)], [expected[:2], expected[2:4], expected[4:]])
        self.assertEqual(self.due(backlog, 2), expected[:2])

    def test_retries(self) -> None:
        """Each message that waits for another attempt, due or not, with the number of its segments that do."""
        backlog = self.make()
        first, second = self.accepted(backlog, "SM1", "SM2", count=2)
        self.accepted(backlog, "SM3")
        segments = self.segments(backlog)
        for one, seconds in ((second, 60.0), (first, 0.0), (first + 1, 60.0)):
            self.retried(backlog, segments[one], seconds)
        self.advance(1)
        rows = self.answer(backlog.load_retries, 100)
        expires_at = segments[first].expires_at
        expected = [("923000000001", first, 2, expires_at), ("923000000002", second, 1, expires_at)]
        self.assertEqual([tuple(row) for row in rows], expected)
        self.assertEqual([tuple(row) for row in self.answer(backlog.load_retries, 1)], expected[:1])

    def test_retries_see_all_outcomes(self) -> None:
        """A load of retries that is asked when an outcome was given to ``record`` sees it, written already or not."""
        backlog = self.make()
        (first,) = self.accepted(backlog, "SM1")
        outcome = self.outcome(self.segments(backlog)[first], Verdict.RETRY, 60.0)
        self.break_writes(True)
        answers: list[Any] = []
        backlog.record([outcome], lambda *_: None)
        backlog.load_retries(100, lambda *answer: answers.append(answer))
        self.advance(5)
        self.assertEqual(answers, [])
        self.break_writes(False)
        self.advance(5)
        self.assertEqual([[row[1] for row in rows] for rows, _ in answers], [[first]])

    # --- claims and postponements ---------------------------------------------------------------------------

    def test_claimed(self) -> None:
        """What is claimed is not loaded any more, not even after a kill."""
        backlog = self.make()
        first, second, third = self.accepted(backlog, "SM1", "SM2", "SM3")
        self.assertEqual(self.answer(backlog.claim, [first, second]), [first, second])
        self.assertEqual(self.untried(backlog), [third])
        self.kill()
        again = self.make()
        self.assertEqual((self.untried(again), self.due(again)), ([third], []))

    def test_claim_of_what_has_ended(self) -> None:
        """It may not be submitted."""
        backlog = self.make()
        first, second = self.accepted(backlog, "SM1", "SM2")
        self.answer(backlog.record, [self.outcome(self.segments(backlog)[first], Verdict.ACCEPTED)])
        self.assertEqual(self.answer(backlog.claim, [first, second]), [second])

    def test_claim_fails(self) -> None:
        """With an error nothing is claimed."""
        backlog, errors = self.make(), list[Any]()
        (first,) = self.accepted(backlog, "SM1")
        self.break_writes(True)
        backlog.claim([first], lambda ids, error: errors.append((ids, isinstance(error, StoreError))))
        self.advance(0)
        self.break_writes(False)
        self.advance(5)
        self.assertEqual((errors, self.untried(backlog)), ([(None, True)], [first]))

    def test_unclaimed(self) -> None:
        """What was not sent after all can be loaded again, after a kill too, however long the disk takes."""
        backlog = self.make()
        first, second = self.accepted(backlog, "SM1", "SM2")
        self.answer(backlog.claim, [first, second])
        self.break_writes(True)
        answers: list[Any] = []
        backlog.unclaim([first], lambda *answer: answers.append(answer))
        self.advance(5)
        self.assertEqual((backlog.failing, answers), (True, []))
        self.break_writes(False)
        self.advance(5)
        self.assertEqual((backlog.failing, answers), (False, [(None, None)]))
        self.kill()
        self.assertEqual(self.untried(self.make()), [first])

    def test_postponed(self) -> None:
        """What is postponed is not untried any more, and due at its time, with no attempt counted."""
        backlog = self.make()
        first, second = self.accepted(backlog, "SM1", "SM2")
        self.answer(backlog.claim, [second])
        self.answer(backlog.postpone, [first, second], 5.0)
        self.assertEqual((self.untried(backlog), self.due(backlog)), ([], []))
        self.advance(6)
        found = self.answer(backlog.load_due, 100)
        self.assertEqual([(one.id, one.attempts) for one in found], [(first, 0), (second, 0)])

    def test_postponement_waits_for_the_disk(self) -> None:
        """It is answered when it is written, and counts as a fact that is failing until then."""
        backlog, answers = self.make(), list[Any]()
        (first,) = self.accepted(backlog, "SM1")
        self.break_writes(True)
        backlog.postpone([first], 60.0, lambda *answer: answers.append(answer))
        self.advance(5)
        self.assertEqual((answers, backlog.failing), ([], True))
        self.break_writes(False)
        self.advance(5)
        self.assertEqual((answers, backlog.failing, self.untried(backlog)), ([(None, None)], False, []))

    # --- outcomes -------------------------------------------------------------------------------------------

    def test_taken(self) -> None:
        """What the network has taken is not loaded any more; it has not ended before its receipt."""
        backlog = self.make()
        first, second = self.accepted(backlog, "SM1", "SM2")
        accepted = self.outcome(self.segments(backlog)[first], Verdict.ACCEPTED)
        self.assertEqual(self.answer(backlog.record, [accepted]), [])
        self.kill()
        again = self.make()
        self.advance(1)
        self.assertEqual((self.untried(again), self.due(again)), ([second], []))

    def test_ended(self) -> None:
        """A refusal, or being taken where no receipt is asked for, is the end of the message. It is told once."""
        backlog = self.make()
        first, second, third = self.accepted(backlog, "SM1", "SM2", "SM3")
        segments = self.segments(backlog)
        refused = self.outcome(segments[first], Verdict.REFUSED)
        done = self.outcome(segments[second], Verdict.DONE)
        retry = self.outcome(segments[third], Verdict.RETRY)
        self.assertEqual(sorted(self.answer(backlog.record, [refused, done, retry])), [first, second])
        self.assertEqual(self.answer(backlog.record, [refused]), [])

    def test_outcomes_wait_for_the_disk(self) -> None:
        """An outcome is kept until it is written, and answered once; ``failing`` says so meanwhile."""
        backlog, answers = self.make(), list[Any]()
        (first,) = self.accepted(backlog, "SM1")
        outcome = self.outcome(self.segments(backlog)[first], Verdict.REFUSED)
        self.break_writes(True)
        backlog.record([outcome], lambda *answer: answers.append(answer))
        self.advance(5)
        self.assertEqual((answers, backlog.failing), ([], True))
        self.break_writes(False)
        self.advance(5)
        self.assertEqual((answers, backlog.failing), ([([first], None)], False))

    # --- keys of requests -----------------------------------------------------------------------------------

    def test_once(self) -> None:
        """What comes again under one key is written once, and told of the first; what was written is loaded like any
        other. An error has written nothing."""
        backlog, now = self.make(), self.now_ms()
        key = RequestKey("", "k", "d", now, now + 60_000)
        found: list[Any] = []
        self.break_writes(True)
        backlog.accept_once(message("SM0", at=now), key, lambda *answer: found.append(answer[0]))
        self.advance(0)
        self.break_writes(False)
        first = backlog.accept_once(message("SM1", at=now), key, lambda *answer: found.append(answer[0]))
        backlog.accept_once(message("SM2", at=now), key, lambda *answer: found.append(answer[0]))
        self.advance(0)
        self.kill()
        backlog = self.make()
        found.append(self.answer(lambda done: backlog.accept_once(message("SM3", at=now), key, done)))
        told = [one and (one.sid, one.is_queued) for one in found]
        self.assertEqual(told, [None, ("SM1", True), ("SM1", False), ("SM1", False)])
        self.assertEqual(self.untried(backlog), [first])

    # --- the stop -------------------------------------------------------------------------------------------

    def test_settled(self) -> None:
        """It fires when all is written, and not before; at once if nothing waits. Waiting facts are tried at once."""
        backlog, fired = self.make(), list[str]()
        backlog.settled().addCallback(lambda _: fired.append("nothing"))
        self.assertEqual(fired, ["nothing"])
        (first,) = self.accepted(backlog, "SM1")
        outcome = self.outcome(self.segments(backlog)[first], Verdict.ACCEPTED)
        self.break_writes(True)
        backlog.record([outcome], lambda *_: fired.append("written"))
        self.advance(0)
        self.break_writes(False)
        backlog.settled().addCallback(lambda _: fired.append("settled"))
        self.assertEqual(fired, ["nothing"])
        self.advance(0)
        self.assertEqual(fired, ["nothing", "written", "settled"])

    def test_closed(self) -> None:
        """After that nothing is tried again: what could not be written is sent once more by the next process."""
        backlog = self.make()
        (first,) = self.accepted(backlog, "SM1")
        outcome = self.outcome(self.segments(backlog)[first], Verdict.ACCEPTED)
        self.break_writes(True)
        backlog.record([outcome], lambda *_: self.fail("it was not written"))
        self.advance(0)
        backlog.close()
        self.break_writes(False)
        self.advance(5)
        self.kill()
        self.assertEqual(self.untried(self.make()), [first])

"""Scheduled messages in the store, and what its tools make of them."""

import sqlite3
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.lifecycle import EndRules, MessageState, SegmentState
from smsconnector.messages import IncomingSegment
from smsconnector.sms.opt_out import OptOutRules, words_of
from smsconnector.store import operations as ops
from smsconnector.store.configuring import CountQueued, Waiting
from smsconnector.store.finding import FoundMessage
from smsconnector.store.offline.reconcile import reconcile
from smsconnector.store.offline.rescue import rescue
from smsconnector.store.scheduling import LoadScheduled, Release
from smsconnector.store.store import Store
from tests.unit.fakes import ask, message

NOW = 1_800_000_000_000
HOUR = 3_600_000


class ScheduleCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        self.store = self.open(self.path)
        self.addCleanup(self.close)
        self.next_id = 1

    def open(self, path: str) -> Store:
        return Store(path, rules=EndRules(), opt_out={"smpp": OptOutRules(words_of(["en"], {}))})

    def close(self) -> None:
        self.store.close()

    def one(self, operation: Any) -> Any:
        return ask(self.store, [operation])[0]

    def schedule(self, sid: str, *texts: str, send_at: int = NOW + HOUR, **more: Any) -> ops.Accepted:
        made = replace(message(sid, *texts, at=NOW, **more), send_at=send_at, expires_at=send_at + HOUR)
        first_id, self.next_id = self.next_id, self.next_id + len(made.segments)
        answer: ops.Accepted = self.one(ops.Schedule(made, first_id, "smpp"))
        return answer

    def release(self, now: int = NOW + HOUR) -> list[ops.Accepted]:
        answers = []
        for one in self.one(LoadScheduled(now)):
            first_id, self.next_id = self.next_id, self.next_id + len(one.message.segments)
            made = replace(one.message, accepted_at=now)
            answers.append(self.one(Release(ops.Accept(made, first_id, one.queue), one.id, now)))
        return answers

    def test_counted_once(self) -> None:
        """A text that was accepted for later is no other one when its time comes."""
        self.schedule("SM1")
        self.assertEqual(self.release(), [ops.Accepted.QUEUED])
        self.assertEqual(self.store.figures.accepted.read(), {("smpp",): 1})

    def found(self, sid: str) -> FoundMessage:
        found = self.one(ops.Find(sid))
        assert isinstance(found, FoundMessage)
        return found

    def codes(self) -> list[tuple[str, Any]]:
        return [
            (one.sid, one.code)
            for one in (self.one(ops.Find(f"SM{number}")) for number in range(10))
            if one is not None and one.state in (MessageState.DELIVERED, MessageState.FAILED)
        ]

    def test_released_once(self) -> None:
        """However often it is asked for, in one batch or in two: one message."""
        self.assertEqual(self.schedule("SM1", "a", "b"), ops.Accepted.SCHEDULED)
        (one,) = self.one(LoadScheduled(NOW + HOUR))
        releases = [Release(ops.Accept(one.message, 10 + 2 * place, "smpp"), one.id, NOW) for place in range(2)]
        answers = self.store.apply(releases)
        self.assertEqual(sorted(answers), [ops.Accepted.QUEUED, ops.Accepted.NOTHING])
        self.assertEqual(self.one(releases[0]), ops.Accepted.NOTHING)
        self.assertEqual(len(self.one(ops.LoadSegments("smpp", 0, 10))), 2)
        self.assertEqual(self.store.counts()["queued"], 2)

    def test_cancelled_in_the_same_batch(self) -> None:
        """The wish comes first."""
        self.schedule("SM1")
        (one,) = self.one(LoadScheduled(NOW + HOUR))
        release = Release(ops.Accept(one.message, 10, "smpp"), one.id, NOW)
        self.assertEqual(self.store.apply([release, ops.Cancel(one.id, NOW)]), [ops.Accepted.NOTHING, True])
        self.assertEqual((self.codes(), self.store.counts()["queued"]), ([("SM1", "CANCELLED")], 0))

    def test_opted_out_before(self) -> None:
        """The same answer as for a text that is sent at once."""
        self.one(ops.Incoming((IncomingSegment("smpp", "a", "923001234567", "8228", "STOP", NOW),)))
        self.assertEqual(self.schedule("SM1"), ops.Accepted.ENDED)
        self.assertEqual(self.codes(), [("SM1", "OPTED_OUT")])
        self.assertEqual(self.one(LoadScheduled(NOW + HOUR)), [])

    def test_not_answered_yet(self) -> None:
        """What a customer writes answers nothing that is still to be sent."""
        self.schedule("SM1", to="923001234567")
        self.one(ops.Incoming((IncomingSegment("smpp", "a", "923001234567", "8228", "hello", NOW),)))
        self.release()
        self.one(ops.Incoming((IncomingSegment("smpp", "a", "923001234567", "8228", "hello again", NOW + HOUR),)))
        with sqlite3.connect(self.path) as connection:
            headers = [row[0] for row in connection.execute("SELECT headers FROM outbox ORDER BY id")]
        self.assertEqual(headers, [None, '{"MessageSID": "SM1"}'])

    def test_nothing_else_ends_it(self) -> None:
        """Neither a sweep, nor a start after a kill, nor the end of a time that has not begun."""
        self.schedule("SM1", send_at=NOW + 100 * HOUR)
        self.one(ops.Settle(NOW, 9))
        self.one(ops.Sweep(NOW + 99 * HOUR, NOW + 99 * HOUR))
        self.one(ops.Purge(NOW + 99 * HOUR, NOW + 99 * HOUR))
        self.one(ops.Requeue(("other",), lambda channel, number: "other"))
        self.assertEqual(self.found("SM1").state, MessageState.SCHEDULED)

    def test_dropped_with_its_message(self) -> None:
        """Retention leaves no row of a text that is over."""
        self.schedule("SM1")
        self.schedule("SM2")
        self.release()
        for one in (self.found("SM1"), self.found("SM2")):
            self.assertTrue(self.one(ops.Cancel(one.id, NOW + HOUR)))
        for _ in range(3):
            self.one(ops.Purge(NOW + 2 * HOUR, NOW + 2 * HOUR, now=NOW + 3 * HOUR))
        with sqlite3.connect(self.path) as connection:
            counts = connection.execute("SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM schedule)")
            self.assertEqual(counts.fetchone(), (0, 0))

    # --- tools ----------------------------------------------------------------------------------------------

    def test_reconcile(self) -> None:
        """It is under way, and contradicts nothing."""
        self.schedule("SM1", "a", "b")
        self.schedule("SM2", send_at=NOW + 2 * HOUR)
        self.release()
        balance = reconcile(self.path)
        self.assertEqual((balance.faults, sum(one.under_way for one in balance.lines)), ([], 2))

    def test_counted_for_its_channel(self) -> None:
        """Before a channel is taken out it is asked what waits for it: scheduled texts of it, until they are due or
        are taken back, and those of no other one."""
        self.schedule("SM1", "a", "b")
        self.schedule("SM2")
        asked = CountQueued(("smpp",), "smpp")
        self.assertEqual(self.one(asked), Waiting(0, 2))
        self.assertEqual(self.one(CountQueued(("two",), "two")), Waiting(0, 0))
        self.one(ops.Cancel(1, NOW))
        self.assertEqual(self.one(asked), Waiting(0, 1))
        self.release()
        self.assertEqual(self.one(asked), Waiting(1, 0))

    def test_rescue(self) -> None:
        """It is still scheduled in the file that was rescued."""
        self.schedule("SM1", "a", "b")
        self.store.close()
        target = self.mktemp()
        rescue(self.path, target)
        self.store = self.open(target)
        (one,) = self.one(LoadScheduled(NOW + HOUR))
        self.assertEqual((one.message.sid, one.message.segments), ("SM1", ("a", "b")))

    def test_rescue_without_its_time(self) -> None:
        """Where its time is lost it is not sent too early: it ends as EXPIRED, with one report."""
        self.schedule("SM1")
        self.store.close()
        with sqlite3.connect(self.path) as connection:
            connection.execute("DELETE FROM schedule")
        target = self.mktemp()
        rescue(self.path, target)
        self.store = self.open(target)
        self.assertEqual(self.one(LoadScheduled(NOW + HOUR)), [])
        self.release(NOW + 2 * HOUR)
        self.one(ops.Sweep(NOW + 2 * HOUR + 1, NOW))
        self.assertEqual(self.codes(), [("SM1", "EXPIRED")])

    def test_rescue_without_its_text(self) -> None:
        """What is lost of it can't be sent: it ends, and is reported."""
        self.schedule("SM1", "a", "b")
        self.store.close()
        with sqlite3.connect(self.path) as connection:
            connection.execute("DELETE FROM segment WHERE number = 2")
        target = self.mktemp()
        rescue(self.path, target)
        self.store = self.open(target)
        self.assertEqual(self.codes(), [("SM1", "UNKNOWN")])
        self.assertEqual({one.state for one in self.found("SM1").segments}, {SegmentState.FAILED})
        self.assertEqual(self.release(), [])

"""Messages that fall back to another channel, in the store: one of the two messages is alive, and one report told."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.http.resources import found
from smsconnector.lifecycle import CODE_EXPIRED, CODE_OPTED_OUT, CODE_UNKNOWN, EndRules, FallBackRule
from smsconnector.messages import Event, Finality, Outcome, OutcomeFound, Receipt, Segment, Verdict
from smsconnector.sms.opt_out import OptOutRules, Wish
from smsconnector.store import operations as ops
from smsconnector.store.fall_backs import CLAIMED_AGAIN, LOOK_AGAIN
from smsconnector.store.falling import AwaitFallBacks, EndFalling, Falling, FindFalling, Move
from smsconnector.store.offline.reconcile import reconcile
from smsconnector.store.offline.rescue import rescue
from smsconnector.store.store import Store
from tests.unit.fakes import EPOCH, SINK, ask, message

NOW = int(EPOCH * 1000)
DUE = NOW + 60_000
CODES = frozenset({"11", "001", CODE_UNKNOWN})
NUMBER = "923001234567"


class FallBacksCase(SynchronousTestCase):
    """The channel ``smpp`` falls back to ``cloud``, and that one to ``last``."""

    may_repeat = True

    def setUp(self) -> None:
        self.path, self.opt_out = self.mktemp(), dict[str, OptOutRules]()
        self.open()

    def open(self) -> None:
        rules = FallBackRule(CODES, self.may_repeat)
        ends = EndRules(fall_backs={"smpp": rules, "cloud": rules})
        self.store = Store(self.path, rules=ends, opt_out=self.opt_out)
        self.addCleanup(self.store.close)

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def one(self, operation: ops.Operation | ops.Query) -> Any:
        return ask(self.store, [operation])[0]

    def accept(self, sid: str, first_id: int, *segments: str, due: int | None = DUE) -> list[Segment]:
        self.one(ops.Accept(message(sid, *segments, at=NOW), first_id, "smpp", fall_back_at=due))
        return self.queued("smpp", first_id - 1)

    def queued(self, queue: str, after: int = 0) -> list[Segment]:
        segments: list[Segment] = self.one(ops.LoadSegments(queue, after, 100))
        return segments

    def end(self, segment: Segment, verdict: Verdict, code: Any = None, smsc_id: str | None = None) -> Any:
        account = "cloud" if segment.id >= 100 else "me@smsc"
        return self.one(ops.Record(((Outcome(segment, verdict, account, smsc_id, code), 0),), NOW + 1))

    def receive(self, smsc_id: str, finality: Finality, code: Any = "001", account: str = "me@smsc") -> Any:
        return self.one(ops.Receive((Receipt(account, smsc_id, finality, code, finality.name, NOW + 2, NUMBER),)))

    def falling(self, now: int = DUE, **more: Any) -> list[Falling]:
        found: list[Falling] = self.one(FindFalling(now, **more)).falling
        return found

    def move(self, one: Falling, first_id: int, channel: str = "cloud", due: int | None = None) -> ops.Accepted:
        new = replace(message(one.sid, one.text, at=one.accepted_at), channel=channel, source=one.source)
        result: ops.Accepted = self.one(Move(ops.Accept(new, first_id, channel, fall_back_at=due), one.id, NOW + 5))
        return result

    def events(self) -> list[Event]:
        events: list[Event] = self.one(ops.LoadEvents(SINK, 0, 1000))
        return events

    def reports(self) -> dict[str, tuple[str, Any]]:
        """By MessageSID, and none twice."""
        bodies = [json.loads(event.body) for event in self.events()]
        self.assertEqual(len({one["MessageSID"] for one in bodies}), len(bodies))
        return {one["MessageSID"]: (one["DeliveryStatus"], one["ProviderStatusCode"]) for one in bodies}

    def state(self, message_id: int) -> tuple[Any, ...]:
        sql = "SELECT sid, state, code, asked_channel FROM message WHERE id = ?"
        row: tuple[Any, ...] = self.store._connection.execute(sql, (message_id,)).fetchone()
        return row


class InTimeCase(FallBacksCase):
    """What the network has not taken in time."""

    def test_found_when_due(self) -> None:
        """Not before; then with its whole text, and again after a while if nothing comes of it."""
        self.accept("SM1", 1, "one ", "two")
        self.assertEqual(self.falling(DUE - 1), [])
        wanted = Falling(1, "SM1", "smpp", "8228", NUMBER, 2, NOW, NOW + 3_600_000, False, False, None, "one two")
        self.assertEqual(self.falling(), [wanted])
        self.assertEqual(self.falling(), [])
        self.assertEqual(self.falling(DUE + LOOK_AGAIN), [wanted])

    def test_no_fall_back(self) -> None:
        """Of a channel that has none nothing is found."""
        self.accept("SM1", 1, due=None)
        self.assertEqual(self.falling(NOW * 2), [])

    def test_taken_in_time(self) -> None:
        """What the network has taken, or what has ended, stays where it is, and is not looked at again."""
        self.end(self.accept("SM1", 1)[0], Verdict.ACCEPTED, smsc_id="a1")
        self.end(self.accept("SM2", 2)[0], Verdict.REFUSED, code=99)
        self.assertEqual(self.falling(), [])
        self.assertEqual(self.store._one("SELECT count(*) FROM fall_back_due"), 0)

    def test_over(self) -> None:
        """A message whose lifetime is over is for the sweep."""
        self.accept("SM1", 1)
        self.assertEqual(self.falling(NOW + 3_600_000), [])

    def test_part_taken(self) -> None:
        """If one of its parts was taken and another was not, nobody can read it yet: the whole goes the other way."""
        first, _ = self.accept("SM1", 1, "one ", "two")
        self.end(first, Verdict.ACCEPTED, smsc_id="a1")
        self.assertEqual([one.text for one in self.falling()], ["one two"])

    def test_claimed(self) -> None:
        """What is just being sent, under the policy `hold`, does not move; it is looked at again."""
        self.accept("SM1", 1)
        self.one(ops.Claim((1,), 7))
        self.assertEqual(self.falling(), [])
        self.assertEqual(self.store._one("SELECT due_at FROM fall_back_due"), DUE + CLAIMED_AGAIN)
        self.one(ops.Unclaim((1,)))
        self.assertEqual([one.id for one in self.falling(DUE + CLAIMED_AGAIN)], [1])

    def test_many(self) -> None:
        """Some at a time; what can't move does not stand in the way of the others."""
        for number in range(1, 7):
            (segment,) = self.accept(f"SM{number}", number, due=DUE + number)
            if number < 4:
                self.end(segment, Verdict.ACCEPTED, smsc_id=f"a{number}")
        now = DUE + 100
        self.assertEqual(self.falling(now, limit=2), [])
        self.assertEqual([one.id for one in self.falling(now, limit=2)], [4])
        self.assertEqual([one.id for one in self.falling(now, limit=2)], [5, 6])

    def test_move(self) -> None:
        """Its own channel sends it no more, the other one has it under its MessageSID, and its report is the other
        one's, of the channel that was asked for."""
        self.accept("SM1", 1, "one ", "two")
        (one,) = self.falling()
        self.assertEqual(self.move(one, 100), ops.Accepted.QUEUED)
        self.assertEqual(self.queued("smpp"), [])
        self.assertEqual(self.store.counts()["queued"], 1)
        (segment,) = self.queued("cloud")
        self.assertEqual((segment.sid, segment.text, segment.expires_at), ("SM1", "one two", NOW + 3_600_000))
        self.assertEqual(self.reports(), {})
        self.end(segment, Verdict.ACCEPTED, smsc_id="c1")
        self.receive("c1", Finality.DELIVERED, "0", "cloud")
        self.assertEqual(self.reports(), {"SM1": ("DELIVERED", "0")})
        self.assertEqual([event.jms_type for event in self.events()], ["smpp"])
        self.assertEqual(self.falling(NOW + 10**9), [])
        self.assertEqual(self.store.counts() | {"events": 0}, {"active": 0, "queued": 0, "events": 0, "parked": 0})

    def test_move_once(self) -> None:
        """Whatever has ended, was taken, or has moved meanwhile does not move: nothing is written."""
        (segment,) = self.accept("SM1", 1)
        (one,) = self.falling()
        self.end(segment, Verdict.ACCEPTED, smsc_id="a1")
        self.assertEqual(self.move(one, 100), ops.Accepted.NOTHING)
        self.receive("a1", Finality.DELIVERED)
        self.assertEqual(self.move(one, 100), ops.Accepted.NOTHING)
        self.accept("SM2", 2)
        (two,) = self.falling()
        batch: list[ops.Operation] = [
            Move(ops.Accept(replace(message("SM2"), channel="cloud"), 101, "cloud"), two.id, NOW),
            ops.Accept(message("SM3"), 3, "smpp"),
        ]
        self.assertEqual(ask(self.store, batch), [ops.Accepted.QUEUED, ops.Accepted.QUEUED])
        self.assertEqual(self.move(two, 103), ops.Accepted.NOTHING)
        self.assertEqual([one.id for one in self.queued("cloud")], [101])
        self.assertEqual(self.reports(), {"SM1": ("DELIVERED", "001")})

    def test_more_to_look_at(self) -> None:
        """Who looks is told when there may be more, also where all that was looked at has been taken."""
        for number in range(1, 5):
            self.end(self.accept(f"SM{number}", number)[0], Verdict.ACCEPTED, smsc_id=f"a{number}")
        found = [self.one(FindFalling(DUE, limit=2)) for _ in range(3)]
        self.assertEqual(found, [([], True), ([], True), ([], False)])

    def test_late_response_in_the_same_commit(self) -> None:
        """What the network tells in the same commit comes first: that has taken it, so it does not move."""
        (segment,) = self.accept("SM1", 1)
        (one,) = self.falling()
        late = Outcome(segment, Verdict.ACCEPTED, "me@smsc", "a1")
        move = Move(ops.Accept(replace(message("SM1"), channel="cloud"), 100, "cloud"), one.id, NOW + 5)
        receipt = Receipt("me@smsc", "a1", Finality.DELIVERED, "000", "DELIVRD", NOW + 2, NUMBER)
        results = ask(self.store, [move, ops.Record(((late, 0),), NOW + 1), ops.Receive((receipt,))])
        self.assertEqual(results[0], ops.Accepted.NOTHING)
        self.assertEqual(self.reports(), {"SM1": ("DELIVERED", "000")})

    def test_back_to_a_channel(self) -> None:
        """A configuration that was turned round, and back: a text may come to a channel again."""
        self.accept("SM1", 1)
        self.move(self.falling()[0], 100, "cloud", due=DUE)
        self.move(self.falling(DUE + LOOK_AGAIN)[0], 200, "smpp", due=DUE)
        self.assertEqual(self.move(self.falling(DUE + 2 * LOOK_AGAIN)[0], 300, "cloud"), ops.Accepted.QUEUED)
        self.receive("SM1", Finality.FAILED, "77", "smpp")
        self.assertEqual((self.reports(), [one.id for one in self.queued("cloud")]), ({}, [300]))

    def test_found_as_it_was_before(self) -> None:
        """A look-up of the other channel finds the text as it was with the first one, on the same account of the same
        provider: the other one has not taken it."""
        (segment,) = self.accept("SM1", 1)
        self.end(segment, Verdict.ACCEPTED, smsc_id="X1")
        self.receive("X1", Finality.FAILED, "001")
        self.move(self.falling()[0], 100)
        (again,) = self.queued("cloud")
        self.one(ops.Record(((OutcomeFound(again, Verdict.ACCEPTED, "cloud", "X1"), 0),), NOW + 1))
        ((tried,), _) = self.one(ops.LoadDue("cloud", NOW, 9, ops.DuePlace(0, 999)))
        self.assertEqual((tried.sid, tried.attempts), ("SM1", 1))

    def test_moved_beside_others(self) -> None:
        """In one commit with one that may not move, and with a new message: each has its own answer."""
        self.end(self.accept("SM1", 1)[0], Verdict.ACCEPTED, smsc_id="a1")
        self.accept("SM2", 2)
        batch: list[ops.Operation] = [
            Move(ops.Accept(replace(message("SM1"), channel="cloud"), 100, "cloud"), 1, NOW),
            ops.Accept(message("SM3"), 3, "smpp"),
            Move(ops.Accept(replace(message("SM2"), channel="cloud"), 101, "cloud"), 2, NOW),
        ]
        wanted = [ops.Accepted.NOTHING, ops.Accepted.QUEUED, ops.Accepted.QUEUED]
        self.assertEqual(ask(self.store, batch), wanted)
        self.assertEqual([one.id for one in self.queued("cloud")], [101])
        self.assertEqual([one.id for one in self.queued("smpp")], [3])

    def test_chain(self) -> None:
        """From channel to channel; the report is still of the first one, and the file may be opened anew between."""
        self.accept("SM1", 1)
        self.move(self.falling()[0], 100, due=DUE + 100)
        self.reopen()
        self.assertEqual(self.move(self.falling(DUE + 100)[0], 200, "last"), ops.Accepted.QUEUED)
        self.reopen()
        (segment,) = self.queued("last")
        self.end(segment, Verdict.REFUSED, code="no")
        self.assertEqual(self.reports(), {"SM1": ("FAILED", "no")})
        self.assertEqual([event.jms_type for event in self.events()], ["smpp"])

    def test_late_news_of_the_first(self) -> None:
        """What its first channel tells after it has moved changes nothing: a late response, receipts by the id or by
        the MessageSID. The other channel's own receipt by the MessageSID counts."""
        segment, last = self.accept("SM1", 1, "one ", "two")
        self.end(last, Verdict.ACCEPTED, smsc_id="a2")
        self.move(self.falling()[0], 100)
        self.end(segment, Verdict.ACCEPTED, smsc_id="a1")
        for smsc_id in ("a1", "a2"):
            self.receive(smsc_id, Finality.DELIVERED)
        self.receive("SM1", Finality.FAILED, "30003", "smpp")
        self.assertEqual(self.reports(), {})
        self.assertEqual(self.receive("SM1", Finality.DELIVERED, "0", "cloud").matched, 1)
        self.assertEqual(self.reports(), {"SM1": ("DELIVERED", "0")})

    def test_late_news_of_a_part(self) -> None:
        """The same where the first channel is told of the parts, under the MessageSID with their numbers behind."""
        segment, _ = self.accept("SM1", 1, "one ", "two")
        self.end(segment, Verdict.ACCEPTED, smsc_id="a1")
        self.move(self.falling()[0], 100)
        for name in ("SM1-1", "SM1-2"):
            self.receive(name, Finality.FAILED, "30003", "smpp")
        self.assertEqual(self.reports(), {})
        self.assertEqual(self.receive("SM1-1", Finality.DELIVERED, "0", "cloud").matched, 1)
        self.assertEqual(self.reports(), {"SM1": ("DELIVERED", "0")})

    def test_opted_out_of_the_other(self) -> None:
        """Who wants no texts of the other channel gets none over it: the message ends, with its one report."""
        self.opt_out["cloud"] = OptOutRules({"stop": Wish.STOP})
        self.reopen()
        insert = "INSERT INTO opt_out (channel, tail, number, sender, since, because) VALUES ('cloud', ?, ?, '', 1, '')"
        self.store._connection.execute(insert, (NUMBER[-7:], NUMBER))
        (tail,) = self.store._connection.execute("SELECT tail FROM opt_out").fetchone()
        self.accept("SM1", 1)
        result = self.move(self.falling()[0], 100)
        self.assertEqual((len(tail), result), (7, ops.Accepted.ENDED))
        self.assertEqual(self.reports(), {"SM1": ("FAILED", CODE_OPTED_OUT)})
        self.assertEqual([event.created_at for event in self.events()], [NOW + 5])
        self.assertEqual([event.jms_type for event in self.events()], ["smpp"])

    def test_ended_before_it_moved(self) -> None:
        """Nothing moves then, whether or not customers of its channel can opt out."""
        self.opt_out["cloud"] = OptOutRules({"stop": Wish.STOP})
        self.reopen()
        (segment,) = self.accept("SM1", 1)
        (one,) = self.falling()
        self.end(segment, Verdict.ACCEPTED, smsc_id="a1")
        self.assertEqual(self.move(one, 100), ops.Accepted.NOTHING)

    def test_told_of_before_it_has_ended(self) -> None:
        """However short the retention is: the first message is known as long as the other one is under way, so that its
        channel's callback does not end that. And no row is left that a new message with its id would meet."""
        self.accept("SM1", 1)
        self.move(self.falling()[0], 100)
        for _ in range(3):
            self.one(ops.Purge(NOW + 10**9, NOW + 10**9))
        self.receive("SM1", Finality.FAILED, "77", "smpp")
        self.assertEqual(self.reports(), {})
        self.end(self.queued("cloud")[0], Verdict.DONE)
        self.end(self.accept("SM2", 101)[0], Verdict.DONE)
        for _ in range(3):
            self.one(ops.Purge(NOW + 10**9, NOW + 10**9))
        self.assertEqual(self.store._one("SELECT count(*) FROM message"), 0)
        self.accept("SM3", 101)

    def test_retention(self) -> None:
        """What has moved is dropped in time, and so is what it became; what waits to move keeps its text."""
        self.accept("SM1", 1)
        self.move(self.falling()[0], 100)
        (segment,) = self.queued("cloud")
        self.end(segment, Verdict.DONE)
        self.end(self.accept("SM2", 2)[0], Verdict.REFUSED, code=11)
        for _ in range(3):
            self.one(ops.Purge(NOW + 10**9, NOW + 10**9))
        self.assertEqual([one.text for one in self.falling()], ["hello"])
        self.assertEqual(self.store._one("SELECT count(*) FROM message"), 1)


class BegunLaterCase(FallBacksCase):
    def test_waiting_ones(self) -> None:
        """What waited when its channel did not fall back yet has as much time as what comes then. At the next start
        nothing begins anew; where no channel falls back any more, nothing is due."""
        self.accept("SM1", 1, due=None)
        self.end(self.accept("SM2", 2, due=None)[0], Verdict.ACCEPTED, smsc_id="a2")
        self.one(AwaitFallBacks((("smpp", DUE), ("cloud", DUE))))
        self.one(AwaitFallBacks((("smpp", DUE + 1), ("cloud", DUE))))
        self.assertEqual([one.id for one in self.falling()], [1])
        self.one(AwaitFallBacks((("cloud", DUE),)))
        self.assertEqual(self.falling(NOW + 10**6), [])
        self.one(AwaitFallBacks((("smpp", DUE + 2), ("cloud", DUE))))
        self.assertEqual([one.id for one in self.falling(DUE + 2)], [1])

    def test_clock_that_was_wrong(self) -> None:
        """What was accepted while the clock was ahead has no more time than what is accepted now."""
        self.accept("SM1", 1, due=DUE + 10**9)
        self.one(AwaitFallBacks((("smpp", DUE), ("cloud", DUE))))
        self.assertEqual([one.id for one in self.falling()], [1])


class CodesCase(FallBacksCase):
    """What has failed with a code of the list."""

    def test_refused(self) -> None:
        """It is not reported, its other parts are not sent, and it waits to move with its whole text."""
        first, _ = self.accept("SM1", 1, "one ", "two")
        self.assertEqual(self.end(first, Verdict.REFUSED, code=11), [1])
        self.assertEqual((self.queued("smpp"), self.reports()), ([], {}))
        self.assertEqual(self.store.counts()["queued"], 0)
        (one,) = self.falling(NOW)
        self.assertEqual((one.is_withdrawn, one.text), (True, "one two"))
        self.assertEqual(self.move(one, 100), ops.Accepted.QUEUED)
        self.assertEqual(self.falling(NOW), [])
        self.end(self.queued("cloud")[0], Verdict.DONE, code="ok")
        self.assertEqual(self.reports(), {"SM1": ("DELIVERED", "ok")})

    def test_other_code(self) -> None:
        """Any other code is an end."""
        self.end(self.accept("SM1", 1)[0], Verdict.REFUSED, code=12)
        self.assertEqual((self.falling(), self.reports()), ([], {"SM1": ("FAILED", 12)}))

    def test_receipt(self) -> None:
        """A receipt that says so, before the response or after it. A repeat of it changes nothing."""
        (segment,) = self.accept("SM1", 1)
        self.end(segment, Verdict.ACCEPTED, smsc_id="a1")
        self.receive("a1", Finality.FAILED)
        (other,) = self.accept("SM2", 2)
        self.receive("a2", Finality.FAILED)
        self.end(other, Verdict.ACCEPTED, smsc_id="a2")
        self.receive("a1", Finality.FAILED)
        self.receive("a1", Finality.DELIVERED)
        self.assertEqual([one.id for one in self.falling(NOW)], [1, 2])
        self.assertEqual(self.reports(), {})

    def test_another_part_failed(self) -> None:
        """A part that could never be sent is no reason where another part has failed with a code that is an end."""
        first, second = self.accept("SM1", 1, "one ", "two")
        pairs = (
            (Outcome(first, Verdict.REFUSED, "me@smsc", code=99), 0),
            (
                Outcome(second, Verdict.REFUSED, "me@smsc", code=CODE_EXPIRED),
                0,
            ),
        )
        self.one(ops.Record(pairs, NOW + 1))
        self.assertEqual(self.reports(), {"SM1": ("FAILED", 99)})

    def test_kept_by_a_kill(self) -> None:
        """It still waits in the next process, and in more than one step."""
        for number in range(1, 6):
            self.end(self.accept(f"SM{number}", number)[0], Verdict.REFUSED, code=11)
        self.reopen()
        first, second = self.falling(NOW, limit=2)
        self.assertEqual((first.id, second.id), (1, 2))
        self.move(first, 100)
        self.assertEqual([one.id for one in self.falling(NOW, limit=9)], [2, 3, 4, 5])

    def test_can_not_move(self) -> None:
        """It ends with its code, as it would have without a fall-back; one that its channel may send waits on."""
        self.end(self.accept("SM1", 1)[0], Verdict.REFUSED, code=11)
        self.accept("SM2", 2)
        self.assertEqual(self.one(EndFalling((1, 2), NOW + 9)), 1)
        self.assertEqual(self.reports(), {"SM1": ("FAILED", 11)})
        self.assertEqual((self.falling(DUE * 10), [one.id for one in self.queued("smpp")]), ([], [2]))
        self.assertEqual(self.falling(DUE + LOOK_AGAIN), [])
        self.assertEqual(self.one(EndFalling((1, 2), NOW + 9)), 0)

    def test_attempts_used_up(self) -> None:
        """What could never be sent, and may not be tried again, falls back whatever the list says; but not what a
        receipt calls so: the network has had that."""
        self.end(self.accept("SM1", 1)[0], Verdict.REFUSED, code=CODE_EXPIRED)
        self.end(self.accept("SM2", 2)[0], Verdict.ACCEPTED, smsc_id="a2")
        self.receive("a2", Finality.FAILED, CODE_EXPIRED)
        self.receive("a3", Finality.FAILED, CODE_EXPIRED)
        self.end(self.accept("SM3", 3)[0], Verdict.ACCEPTED, smsc_id="a3")
        self.assertEqual([one.id for one in self.falling(NOW)], [1])
        self.assertEqual(self.reports(), {"SM2": ("FAILED", CODE_EXPIRED), "SM3": ("FAILED", CODE_EXPIRED)})

    def test_over(self) -> None:
        """Who fails when the lifetime is over has failed: by the clock that nobody sets, which who finds it knows."""
        (segment,) = self.accept("SM1", 1)
        self.one(ops.Record(((Outcome(segment, Verdict.REFUSED, "me@smsc", code=11), 0),), NOW + 3_600_001))
        self.one(EndFalling((self.falling(NOW)[0].id,), NOW + 3_600_002))
        self.assertEqual(self.reports(), {"SM1": ("FAILED", 11)})
        self.accept("SM2", 2)
        self.one(ops.Sweep(NOW + 3_600_002, NOW))
        self.assertEqual(self.reports()["SM2"], ("FAILED", CODE_EXPIRED))

    def test_presumed(self) -> None:
        """A text that may have been sent goes out a second time only where its channel may send it again."""
        (segment,) = self.accept("SM1", 1)
        self.end(segment, Verdict.ACCEPTED, smsc_id="a1")
        self.receive("a1", Finality.UNCLEAR)
        (other,) = self.accept("SM2", 2)
        self.end(other, Verdict.UNKNOWN)
        self.one(ops.Sweep(NOW + 3_600_000 - 1, NOW, earlier_now=NOW * 2))
        falling = [one.id for one in self.falling(NOW)]
        self.assertEqual(falling, [1, 2] if self.may_repeat else [])
        ends = {"SM1": ("FAILED", "001"), "SM2": ("FAILED", CODE_UNKNOWN)}
        self.assertEqual(self.reports(), {} if self.may_repeat else ends)

    def test_killed_while_sending(self) -> None:
        """The same for what a process had claimed when it was killed."""
        self.accept("SM1", 1)
        self.one(ops.Claim((1,), 7))
        self.one(ops.Settle(NOW + 1, 8))
        self.assertEqual(len(self.falling(NOW)), 1 if self.may_repeat else 0)
        self.assertEqual(self.reports(), {} if self.may_repeat else {"SM1": ("FAILED", CODE_UNKNOWN)})


class HoldCase(CodesCase):
    """The same where nothing is sent a second time that may have come."""

    may_repeat = False


class OfflineCase(FallBacksCase):
    """What the tools say of a file with messages that fall back: two have moved, one of them has ended, one waits."""

    def setUp(self) -> None:
        super().setUp()
        for number in (1, 2):
            self.accept(f"SM{number}", number)
            self.move(self.falling()[0], 100 + number)
        self.end(self.queued("cloud")[0], Verdict.DONE)
        self.end(self.accept("SM3", 3, "one ", "two")[0], Verdict.REFUSED, code=11)
        self.store.close()

    def test_reconcile(self) -> None:
        """Each message counts once, and there is nothing wrong."""
        balance = reconcile(self.path)
        self.assertEqual(balance.faults, [])
        lines = {one.channel: (one.accepted, one.delivered, one.failed, one.under_way) for one in balance.lines}
        self.assertEqual(lines, {"cloud": (2, 1, 0, 1), "smpp": (1, 0, 0, 1)})

    def test_rescue(self) -> None:
        """What waits to move waits still, and no report is made of what has moved."""
        damaged, self.path = self.path, self.mktemp()
        rescue(damaged, self.path)
        self.open()
        self.assertEqual([(one.sid, one.text) for one in self.falling()], [("SM3", "one two")])
        self.assertEqual(set(self.reports()), {"SM1"})
        self.assertEqual([event.jms_type for event in self.events()], ["smpp"])
        self.assertEqual([one.sid for one in self.queued("cloud")], ["SM2"])

    def test_rescue_without_its_text(self) -> None:
        """What has lost a part of its text does not move: it ends."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("DELETE FROM segment WHERE id = 4")
            connection.execute("DELETE FROM outbox")
            connection.commit()
        damaged, self.path = self.path, self.mktemp()
        rescue(damaged, self.path)
        self.open()
        self.assertEqual(self.falling(), [])
        self.assertEqual(self.reports(), {"SM1": ("DELIVERED", "DELIVERED"), "SM3": ("FAILED", CODE_UNKNOWN)})
        self.assertEqual({event.jms_type for event in self.events()}, {"smpp"})

    def test_lost_after_the_move(self) -> None:
        """What has moved, and is nowhere: both tools see it, and a report tells of it."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("DELETE FROM message WHERE id = 102")
            connection.commit()
        self.assertIn("SM2/smpp/2", [sid for sid, _ in reconcile(self.path).faults])
        damaged, self.path = self.path, self.mktemp()
        rescue(damaged, self.path)
        self.open()
        self.assertEqual(self.reports()["SM2"], ("FAILED", CODE_UNKNOWN))

    def test_lookup(self) -> None:
        """A client sees a message under way; its code comes with its end."""
        self.open()
        shown = {sid: found(self.one(ops.Find(sid))) for sid in ("SM1", "SM2", "SM3")}
        said = {sid: (one["DeliveryStatus"], one["ProviderStatusCode"]) for sid, one in shown.items()}
        self.assertEqual(said, {"SM1": ("DELIVERED", "DELIVERED"), "SM2": ("QUEUED", None), "SM3": ("QUEUED", None)})

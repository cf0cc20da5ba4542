"""Texts that are to be sent later: from the schedule into their queue, with the real store and a clock."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smsconnector.errors import StoreError
from smsconnector.lifecycle import EndRules
from smsconnector.messages import IncomingSegment
from smsconnector.sms.opt_out import OptOutRules, words_of
from smsconnector.store import operations as ops
from smsconnector.store.finding import FoundMessage, Search, Shown
from smsconnector.store.store import Store
from smsconnector.walks import scheduling
from smsconnector.walks.cancelling import Cancelled, Cancelling
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.scheduling import Scheduling
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import ask, message
from tests.unit.walks.test_walks import WalkCase

LIFETIME = 3_600_000  # ms


class SchedulingCase(WalkCase):
    set_by = 0.0  # seconds by which the machine's clock was set

    def start(self, broken: bool = False) -> None:
        super().start(broken)
        self.outlets = {"smpp": Outlet(self.channel, {"": self.submitter}, 3600.0)}
        self.scheduling = self.make_scheduling()
        self.scheduling.startService()
        self.cancelling = Cancelling(self.wall_clock, self.writer, self.writer, self.outlets)
        self.settle()

    def make_scheduling(self) -> Scheduling:
        self.left: list[Mapping[str, int]] = []
        return Scheduling(self.clock, self.wall_clock, self.writer, self.writer, self.outlets, self.left.append)

    def make_wall_clock(self) -> WallClock:
        return WallClock(self.now, elapsed=self.clock.seconds)

    def now(self) -> float:
        return super().now() + self.set_by

    def schedule(self, *sids: str, after: float = 60.0, is_bulk: bool = False, **more: Any) -> None:
        """Texts that are to be sent in so many seconds."""
        answers: list[StoreError | None] = []
        for sid in sids:
            at = int((self.now() + after) * 1000)
            settings: dict[str, Any] = {"to": f"92300{sid[2:]:>07}", "at": int(self.now() * 1000)} | more
            made = message(sid, **settings)
            made = replace(made, send_at=at, expires_at=at + LIFETIME, is_bulk=is_bulk)
            self.submitter.accept(made, answers.append)
        self.settle()
        self.assertEqual(answers, [None] * len(sids))

    def sent(self) -> list[str]:
        return [one.sid for one in self.channel.submitted]

    def found(self, sid: str) -> FoundMessage:
        (found,) = ask(self.writer.store, [ops.Find(sid)])
        assert isinstance(found, FoundMessage)
        return found

    def measures(self) -> ops.Measures:
        (measures,) = self.writer.store.apply([ops.Measure()])
        assert isinstance(measures, ops.Measures)
        return measures

    def cancel(self, sid: str) -> list[Any]:
        answers: list[Any] = []
        self.cancelling.cancel(sid, lambda what, error: answers.append(what or error))
        self.settle()
        return answers

    # --- due ------------------------------------------------------------------------------------------------

    def test_when_due(self) -> None:
        """Not before its time, and within a second after."""
        self.schedule("SM1", after=60)
        self.advance(59.75)
        self.assertEqual((self.sent(), self.found("SM1").state), ([], 5))
        self.advance(1.25)
        self.assertEqual(self.sent(), ["SM1"])
        self.accepted_by_smsc(*self.channel.under_way)
        self.receipt(self.channel.submitted[0])
        self.settle()
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])

    def test_memory_and_room(self) -> None:
        """Until then it waits for no network: it is in no memory, and counts for nothing but itself."""
        self.schedule(*(f"SM{number}" for number in range(1, 31)))
        self.assertFalse(self.submitter._ready.holds_segments)
        measures = self.measures()
        self.assertEqual((measures.queued, measures.scheduled), (0, 30))
        self.advance(61)
        measures = self.measures()
        self.assertEqual((measures.queued, measures.scheduled), (30, 0))

    def test_after_a_kill(self) -> None:
        """It is on disk; what became due while nothing ran is sent then. The counts are right."""
        self.schedule("SM1", "SM2", after=60)
        self.schedule("SM3", after=600)
        self.kill()
        self.assertEqual(self.measures().scheduled, 3)
        self.clock.rightNow += 100
        self.kill()
        self.advance(1)
        self.assertEqual((self.sent(), self.measures().scheduled), (["SM1", "SM2"], 1))

    def test_killed_at_any_point(self) -> None:
        """Neither sent twice nor lost, whether the process is killed before the commit that releases it or after."""
        self.schedule("SM1", "SM2", after=1)
        self.channel.window = 0
        self.clock.advance(1.25)
        self.clock.advance(0)  # found, and the commit is still to come
        self.kill()
        self.advance(1)
        self.assertEqual(sorted(self.sent()), ["SM1", "SM2"])

    def test_many_at_once(self) -> None:
        """Very many that are due at the same moment come in steps, in the order of their times."""
        self.patch(scheduling, "LIMIT", 10)
        self.channel.window = 1000
        self.schedule(*(f"SM{number}" for number in range(1, 36)))
        commits = self.writer.commits
        self.advance(61)
        self.assertEqual(self.sent(), [f"SM{number}" for number in range(1, 36)])
        self.assertGreaterEqual(self.writer.commits - commits, 4)

    def test_comes_behind_what_waits(self) -> None:
        """It is as if it had been posted when it is due; so strict order holds, too."""
        self.channel.window = 0
        self.schedule("SM1", after=2, to="923001234567")
        self.accept("SM2", to="923001234567")
        self.advance(3)
        self.channel.window = 1
        self.submitter.pump()
        self.settle()
        self.assertEqual(self.sent(), ["SM2"])
        self.accepted_by_smsc(*self.channel.under_way)
        self.assertEqual(self.sent(), ["SM2", "SM1"])

    def test_segments_and_class(self) -> None:
        """All that was accepted is sent: each segment, the class, the reference."""
        made = message("SM1", "one ", 'tw"o', at=int(self.now() * 1000))
        at = int((self.now() + 5) * 1000)
        made = replace(made, send_at=at, expires_at=at + LIFETIME, is_bulk=True, reference="r", accepted_by="k")
        self.submitter.accept(made, lambda error: None)
        self.advance(6)
        self.assertEqual([(one.text, one.is_bulk) for one in self.channel.submitted], [("one ", True), ('tw"o', True)])
        found = self.found("SM1")
        self.assertEqual((found.reference, found.accepted_by, found.is_bulk), ("r", "k", True))
        self.assertEqual((found.send_at, found.accepted_at), (at, made.accepted_at))

    def test_disk_full(self) -> None:
        """What can't be written is still scheduled, and is sent when it can."""
        self.schedule("SM1", after=1)
        self.writer.full = True
        self.advance(3)
        self.assertEqual(self.sent(), [])
        self.writer.full = False
        self.advance(1)
        self.assertEqual(self.sent(), ["SM1"])

    def test_lifetime(self) -> None:
        """It begins when the text is due; if nothing ran for all of it, the text is not sent."""
        self.schedule("SM1", after=LIFETIME / 1000 + 60)
        self.advance(10)
        self.schedule("SM2", after=60)
        self.clock.rightNow += LIFETIME / 1000 + 65
        self.kill()
        self.advance(10)
        self.assertEqual(self.sent(), ["SM1"])
        codes = {one["MessageSID"]: one["ProviderStatusCode"] for one in self.reports()}
        self.assertEqual(codes, {"SM2": "EXPIRED"})

    def test_nobody_serves_it(self) -> None:
        """A channel that is not configured any more: it waits as other texts do, holds up nobody, and is told, once for
        all that were found together."""
        self.schedule("SM1", "SM2", after=1)
        self.schedule("SM3", after=10)
        self.outlets.clear()
        self.advance(2)
        self.assertEqual(self.left, [{"smpp": 2}])
        self.advance(10)
        self.assertEqual(self.left, [{"smpp": 2}, {"smpp": 1}])
        found = self.found("SM1")
        self.assertEqual((found.state, [one.state for one in found.segments]), (0, [0]))

    # --- the clock ------------------------------------------------------------------------------------------

    def test_clock_is_set(self) -> None:
        """SendAt is a time of day. A clock that is set forward makes it due, with all of its lifetime; one that is set
        back lets it wait."""
        self.schedule("SM1", after=3_600)
        self.schedule("SM2", after=600)
        self.set_by = -1_000.0
        self.advance(20)
        self.assertEqual(self.sent(), [])
        self.set_by = 3_590.0
        self.advance(1)
        self.assertEqual(self.sent(), ["SM2", "SM1"])
        left = self.channel.submitted[1].expires_at - self.wall_clock.steady_milliseconds()
        self.assertTrue(LIFETIME - 20_000 < left <= LIFETIME, left)

    # --- taken back -----------------------------------------------------------------------------------------

    def test_cancelled(self) -> None:
        """It is never sent, and reported once as CANCELLED."""
        self.schedule("SM1", "SM2")
        self.assertEqual(self.cancel("SM1"), [Cancelled.DONE])
        self.assertEqual(self.cancel("SM1"), [Cancelled.TOO_LATE])
        self.advance(61)
        self.assertEqual(self.sent(), ["SM2"])
        reports = [(one["MessageSID"], one["ProviderStatusCode"]) for one in self.reports()]
        self.assertEqual(reports, [("SM1", "CANCELLED")])
        measures = self.measures()
        self.assertEqual((measures.queued, measures.scheduled), (1, 0))

    def test_cancelled_as_it_becomes_due(self) -> None:
        """It is another message then, under the same MessageSID: it is taken back there, as it still waits."""
        self.channel.window = 0
        self.schedule("SM1", after=1)
        answers: list[Any] = []
        found = self.found("SM1")
        self.advance(2)
        self.cancelling._found(lambda what, error: answers.append(what), found, None)
        self.settle()
        self.assertEqual(answers, [Cancelled.DONE])
        self.channel.window = 1
        self.submitter.pump()
        self.settle()
        self.assertEqual(self.sent(), [])

    # --- looked at ------------------------------------------------------------------------------------------

    def test_search(self) -> None:
        """By its state, and among all others; nothing of its old place is left."""
        self.schedule("SM1")
        self.accept("SM2")
        self.settle()
        for search, sids in ((Search(state=Shown.SCHEDULED), ["SM1"]), (Search(), ["SM2", "SM1"])):
            (page,) = ask(self.writer.store, [search])
            self.assertEqual([one.sid for one in page.messages], sids)
        self.advance(61)
        (page,) = ask(self.writer.store, [Search()])
        self.assertEqual([one.sid for one in page.messages], ["SM1", "SM2"])

    def test_retention(self) -> None:
        """Nothing of a text that is still to be sent is dropped, however long ago it was accepted."""
        self.schedule("SM1", after=100 * 86_400)
        self.clock.rightNow += 90 * 86_400
        self.advance(10)
        self.assertEqual(self.found("SM1").segments[0].text, "hello")
        far = int(self.now() * 1000)
        self.assertEqual(self.writer.store.apply([ops.Purge(far, far)]), [0])


class OptedOutMeanwhileCase(SchedulingCase):
    """Where customers can opt out by a word."""

    def make_writer(self, clock: Any, store: Store) -> Any:
        store.close()
        rules = OptOutRules(words_of(["en"], {}))
        return super().make_writer(clock, Store(self.path, rules=EndRules(), opt_out={"smpp": rules}))

    def test_opted_out(self) -> None:
        """Who has opted out between acceptance and SendAt gets nothing: one report says so."""
        self.schedule("SM1", to="923001234567")
        incoming = IncomingSegment("smpp", "a", "923001234567", "8228", "STOP", int(self.now() * 1000))
        self.writer.store.apply([ops.Incoming((incoming,))])
        self.advance(61)
        self.assertEqual(self.sent(), [])
        reports = [one for one in self.reports() if one.get("MessageSID") == "SM1"]
        self.assertEqual([one["ProviderStatusCode"] for one in reports], ["OPTED_OUT"])


del WalkCase

"""Messages are found by what an application or an operator knows of them, in pages that take a bounded time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.lifecycle import CODE_CANCELLED, EndRules, FallBackRule, MessageState
from smsconnector.messages import Finality, Outcome, Receipt, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store import searching
from smsconnector.store.falling import Move
from smsconnector.store.finding import FindTimeline, FoundMessage, Page, Search, Shown, Told
from smsconnector.store.numbers import BLOCK
from smsconnector.store.offline.rescue import rescue
from smsconnector.store.segment_events import MOST, Kind
from smsconnector.store.store import Store
from tests.unit.fakes import EPOCH, SINK, ask, confirm, message

NOW = int(EPOCH * 1000)
ACCOUNT = "connector@smsc"


class SearchStage(SynchronousTestCase):
    """A store; ``accept`` makes messages, a second apart."""

    def setUp(self) -> None:
        self.store = Store(":memory:", sinks=[SINK, "webhook"])
        self.addCleanup(self.store.close)
        self.next_id = 1

    def one(self, asked: Any) -> Any:
        return ask(self.store, [asked])[0]

    def accept(self, *texts: str, **fields: Any) -> Segment:
        """Its first segment."""
        first, self.next_id = self.next_id, self.next_id + max(1, len(texts))
        to, fields = fields.pop("to", "923001234567"), {"accepted_at": NOW + first * 1000} | fields
        made = replace(message(f"SM{first}", *(texts or ("hi",)), to=to), **fields)
        self.one(ops.Accept(made, first, "smpp"))
        (segment, *_) = self.one(ops.LoadSegments("smpp", first - 1, 1))
        self.assertIsInstance(segment, Segment)
        return segment  # type: ignore[no-any-return]

    def record(self, segment: Segment, verdict: Verdict, at: int = NOW, **fields: Any) -> None:
        outcome = Outcome(segment, verdict, ACCOUNT, **fields)
        self.one(ops.Record(((outcome, at + 5000),), at, 7))

    def receive(self, smsc_id: str, finality: Finality, status: str, at: int = NOW, code: Any = "000") -> None:
        self.one(ops.Receive((Receipt(ACCOUNT, smsc_id, finality, code, status, at, destination="923001234567"),)))

    def search(self, **wanted: Any) -> list[str]:
        """The MessageSIDs of all pages, in order."""
        found: list[FoundMessage] = []
        before: int | None = None
        for _ in range(1000):
            page: Page = self.one(Search(**wanted, before=before))
            found += page.messages
            before = page.before
            if before is None:
                return [one.sid for one in found]
        self.fail("the pages have no end")


class SearchCase(SearchStage):
    def test_newest_first(self) -> None:
        for _ in range(5):
            self.accept()
        for limit in (1, 2, 5, 50):
            self.assertEqual(self.search(limit=limit), ["SM5", "SM4", "SM3", "SM2", "SM1"], f"limit {limit}")
        self.assertEqual(len(self.one(Search(limit=2)).messages), 2)

    def test_nothing_there(self) -> None:
        for wanted in ({}, {"to": "1"}, {"reference": "x"}, {"smsc_id": "1"}, {"since": 1}, {"until": NOW}):
            self.assertEqual(self.one(Search(**wanted)), Page([], None), wanted)

    def test_number(self) -> None:
        """In whatever block of ids they are, and together with what else is given."""
        self.patch(searching, "BLOCKS_AT_ONCE", 2)
        numbers = []
        for place in range(25):
            self.next_id = place * 400 + 1
            numbers.append(self.accept("hi", to="461" if place % 4 == 1 else "462").id)
        wanted = [f"SM{one}" for one in reversed(numbers[1::4])]
        for limit in (2, 50):
            self.assertEqual(self.search(to="461", limit=limit), wanted)
        self.assertEqual(self.search(to="463"), [])
        self.assertEqual(self.search(to="461", until=NOW + 4_000_000), wanted[-3:])
        self.assertEqual(self.search(to="461", since=NOW + 4_000_000), wanted[:-3])

    def test_number_beyond_one_query(self) -> None:
        """A query that has looked into enough blocks says where to go on."""
        self.patch(searching, "BLOCKS", 1)
        self.accept("hi", to="461")
        for block in (1, 2):
            self.next_id = (block << BLOCK) + 7
            self.accept("hi", to="462")
        first = self.one(Search(to="461"))
        self.assertEqual((first.messages, first.before), ([], 1 << BLOCK))
        self.assertEqual(self.search(to="461"), ["SM1"])

    def test_beyond_one_query(self) -> None:
        self.patch(searching, "EXAMINED", 3)
        for place in range(10):
            self.accept(source="Rare" if place == 1 else "Shop")
        self.assertEqual((self.one(Search(source="Rare")).messages, self.search(source="Rare")), ([], ["SM2"]))

    def test_time(self) -> None:
        """``since`` is within, ``until`` is not; a clock that was set back for less than a minute hides nothing."""
        for _ in range(200):
            self.accept()
        self.accept(accepted_at=NOW + 150_000)
        for since, until, first, last in ((50, 60, 50, 59), (199, 10**6, 199, 200), (0, 2, 1, 1)):
            found = self.search(since=NOW + since * 1000, until=NOW + until * 1000)
            self.assertEqual(found, [f"SM{one}" for one in range(last, first - 1, -1)])
        self.assertIn("SM201", self.search(since=NOW + 149_000, until=NOW + 151_000))
        self.assertEqual(self.search(since=NOW + 10**7), [])
        self.assertEqual(self.search(until=NOW), [])

    def test_states(self) -> None:
        """By the words that a report and a look-up have."""
        queued, sent, delivered, failed = (self.accept() for _ in range(4))
        half = self.accept("one", "two")
        self.record(sent, Verdict.ACCEPTED, smsc_id="1")
        self.record(delivered, Verdict.DONE, smsc_id="2", code="ACCEPTED")
        self.record(failed, Verdict.REFUSED, code=11)
        self.record(half, Verdict.ACCEPTED, smsc_id="3")
        for state, wanted in (
            (Shown.QUEUED, (half, queued)),
            (Shown.SENT, (sent,)),
            (Shown.DELIVERED, (delivered,)),
            (Shown.FAILED, (failed,)),
        ):
            self.assertEqual(self.search(state=state), [f"SM{one.id}" for one in wanted], state)

    def test_reference_and_key(self) -> None:
        self.accept()
        self.accept(reference="order 5", accepted_by="shop")
        self.accept(reference="order 5")
        self.assertEqual(self.search(reference="order 5"), ["SM3", "SM2"])
        self.assertEqual(self.search(reference="order"), [])
        (found,) = self.one(Search(reference="order 5", until=NOW + 3000)).messages
        self.assertEqual((found.reference, found.accepted_by), ("order 5", "shop"))

    def test_smsc_id(self) -> None:
        """In decimal or hexadecimal digits, as SMSCs mix them in responses and receipts."""
        self.record(self.accept(), Verdict.ACCEPTED, smsc_id="00F444A")
        self.accept()
        for written in ("00F444A", "f444a", "1000522"):
            self.assertEqual(self.search(smsc_id=written), ["SM1"], written)
        self.assertEqual(self.search(smsc_id="1000523"), [])

    def test_other_fields(self) -> None:
        self.accept(channel="smpp", source="Shop")
        self.accept(channel="twilio", source="Bank")
        self.assertEqual((self.search(channel="twilio"), self.search(source="Shop")), (["SM2"], ["SM1"]))
        self.assertEqual(self.search(channel="twilio", source="Shop"), [])


class TimelineCase(SearchStage):
    def happened(self, sid: str = "SM1") -> list[tuple[Any, ...]]:
        (leg,) = self.one(FindTimeline(sid)).legs
        return [(Kind(one.kind).name, one.bind, one.sequence, one.code, one.words) for one in leg.events]

    def test_unknown(self) -> None:
        self.assertIsNone(self.one(FindTimeline("SM1")))

    def test_taken_at_once(self) -> None:
        """What is usual is in the segment's own row: the last submit and the receipt."""
        segment = self.accept()
        self.record(segment, Verdict.ACCEPTED, NOW + 5, smsc_id="1", bind="a", sequence=9, answered_in=12)
        self.receive("1", Finality.DELIVERED, "DELIVRD", NOW + 70)
        timeline = self.one(FindTimeline("SM1"))
        ((found, events),) = timeline.legs
        (part,) = found.segments
        self.assertEqual(events, ())
        self.assertEqual((part.bind, part.sequence, part.answered_in, part.sent_at), ("a", 9, 12, NOW + 5))
        self.assertEqual((part.told, part.told_at), ("DELIVRD", NOW + 70))
        self.assertEqual((timeline.report.event_id, timeline.report.told), ("dr-SM1", ()))

    def test_attempts(self) -> None:
        """A refusal for now, a silence, and a receipt of progress each have a row."""
        segment = self.accept()
        self.record(segment, Verdict.RETRY, code=0x58, bind="a", sequence=1)
        self.record(segment, Verdict.UNKNOWN, code="UNKNOWN", bind="b", sequence=2)
        self.record(segment, Verdict.ACCEPTED, smsc_id="1", bind="a", sequence=3)
        self.receive("1", Finality.PROGRESS, "ENROUTE")
        self.assertEqual(
            self.happened(),
            [
                ("SUBMIT", "a", 1, 0x58, None),
                ("SILENCE", "b", 2, "UNKNOWN", None),
                ("RECEIPT", None, None, "000", "ENROUTE"),
            ],
        )

    def test_repeated_receipt(self) -> None:
        """One that comes after the end is told too; ever more of them fill nothing."""
        self.record(self.accept(), Verdict.ACCEPTED, smsc_id="1")
        for at in range(MOST + 20):
            self.receive("1", Finality.DELIVERED, "DELIVRD", NOW + at)
        self.assertEqual(self.happened(), [("RECEIPT", None, None, "000", "DELIVRD")] * MOST)

    def test_parked_receipt(self) -> None:
        """A receipt that came before the response has its own words and time."""
        segment = self.accept(to="923001234567")
        self.receive("1", Finality.DELIVERED, "DELIVRD", NOW + 3)
        self.record(segment, Verdict.ACCEPTED, NOW + 9, smsc_id="1")
        (part,) = self.one(ops.Find("SM1")).segments
        self.assertEqual((part.told, part.told_at), ("DELIVRD", NOW + 3))

    def test_sinks(self) -> None:
        """When each sink has confirmed the report, or why it did not."""
        self.record(self.accept(), Verdict.REFUSED, code=11)
        (event,) = self.one(ops.LoadEvents(SINK, 0, 10))
        self.one(confirm([event], NOW + 40))
        parked = ops.ParkedEvent(event.id, event.kind, 2, NOW + 99, "410 Gone")
        self.one(ops.ParkEvents("webhook", (parked,), True, event.id, NOW + 50))
        told = self.one(FindTimeline("SM1")).report.told
        self.assertEqual(told, (Told(SINK, NOW + 40, True), Told("webhook", NOW + 50, False, 2, "410 Gone")))

    def test_moved(self) -> None:
        """A message that went on over another channel shows both, the first one first."""
        self.store._rules = EndRules(fall_backs={"smpp": FallBackRule(frozenset({"11"}), may_repeat=True)})
        self.record(self.accept(), Verdict.REFUSED, code=11, bind="a")
        self.one(Move(ops.Accept(replace(message("SM1"), channel="twilio"), 2, "twilio"), 1, NOW + 5))
        first, second = self.one(FindTimeline("SM1")).legs
        self.assertEqual((first.message.channel, first.message.state), ("smpp", MessageState.MOVED))
        self.assertEqual((second.message.channel, second.message.sid), ("twilio", "SM1"))
        self.assertEqual(self.search(), ["SM1"], "the one that moved is no message of its own")

    def test_rescued(self) -> None:
        """What was tried before the last submit is in the timeline of a rescued database as well; but not what belongs
        to a segment that is lost, for its id may be given to another one."""
        self.store.close()
        path = self.mktemp()
        self.store = Store(path, sinks=[SINK])
        kept, lost = self.accept(), self.accept()
        for segment in (kept, lost):
            self.record(segment, Verdict.RETRY, code=0x58, bind="a", sequence=1)
        before = self.happened(kept.sid)
        self.store._connection.execute("DELETE FROM segment WHERE id = ?", (lost.id,))
        self.store._connection.execute("DELETE FROM message WHERE id = ?", (lost.message_id,))
        self.store.close()
        target = self.mktemp()
        rescue(path, target)
        self.store = Store(target, sinks=[SINK])
        self.assertEqual((len(before), self.happened(kept.sid)), (1, before))
        self.assertEqual(self.store._one("SELECT count(*) FROM segment_event"), 1)

    def test_dropped_with_the_message(self) -> None:
        segment = self.accept()
        self.record(segment, Verdict.RETRY, code=8)
        self.record(segment, Verdict.REFUSED, code=11)
        (event,) = self.one(ops.LoadEvents(SINK, 0, 10))
        for sink in (SINK, "webhook"):
            self.one(ops.Confirm(sink, (event.id,), event.id, NOW))
        for _ in range(3):
            self.one(ops.Purge(NOW * 2, NOW * 2))
        self.assertIsNone(self.one(ops.Find("SM1")))
        self.assertEqual(self.store._one("SELECT count(*) FROM segment_event"), 0)


class CancelCase(SearchStage):
    def cancel(self, *segments: Segment) -> Sequence[bool]:
        return ask(self.store, [ops.Cancel(one.message_id, NOW + 7) for one in segments])

    def reports(self) -> list[str]:
        return [event.body for event in self.one(ops.LoadEvents(SINK, 0, 100))]

    def test_waiting(self) -> None:
        """What waits to be sent, or to be sent again after a refusal, ends with one report."""
        fresh, refused = self.accept("one", "two"), self.accept()
        self.record(refused, Verdict.RETRY, code=0x58)
        self.assertEqual(self.cancel(fresh, refused), [True, True])
        self.assertEqual(len(self.reports()), 2)
        for body in self.reports():
            self.assertIn(f'"FAILED", "ProviderStatusCode": "{CODE_CANCELLED}"', body)
        self.assertEqual(self.one(ops.LoadSegments("smpp", 0, 10)), [])
        self.assertEqual(self.store.counts()["queued"], 0)
        self.assertEqual(self.cancel(fresh), [False])
        self.assertEqual(len(self.reports()), 2)

    def test_too_late(self) -> None:
        """What was sent in part, may have been sent, is claimed, or has ended."""
        part, silent, claimed, ended, again = (self.accept("one", "two"), *(self.accept() for _ in range(4)))
        self.record(part, Verdict.ACCEPTED, smsc_id="1")
        self.record(silent, Verdict.UNKNOWN, code="UNKNOWN")
        self.one(ops.Claim((claimed.id,), 7))
        self.record(ended, Verdict.REFUSED, code=11)
        self.record(again, Verdict.RETRY, code="UNKNOWN")  # sent again, for its outcome is unknown
        before = self.reports()
        self.assertEqual(self.cancel(part, silent, claimed, ended, again), [False] * 5)
        self.assertEqual(self.reports(), before)
        self.assertEqual(self.one(ops.Cancel(99, NOW)), False)

    def test_withdrawn(self) -> None:
        """A message that waits for another channel; but not if it may have been sent."""
        rule = FallBackRule(frozenset({"11", "UNKNOWN"}), may_repeat=True)
        self.store._rules = EndRules(fall_backs={"smpp": rule})
        failed, silent = self.accept(), self.accept()
        self.record(failed, Verdict.REFUSED, code=11)
        self.record(silent, Verdict.REFUSED, code="UNKNOWN")
        half = self.accept("one", "two")
        _, other = self.one(ops.LoadSegments("smpp", half.id - 1, 2))
        self.record(other, Verdict.ACCEPTED, smsc_id="1")
        self.record(half, Verdict.REFUSED, code=11)
        late = self.accept("one", "two")  # its second part was under way when the first one failed
        _, other = self.one(ops.LoadSegments("smpp", late.id - 1, 2))
        self.record(late, Verdict.REFUSED, code=11)
        self.record(other, Verdict.ACCEPTED, smsc_id="2")
        self.assertEqual(self.cancel(failed, silent, half, late), [True, False, False, False])
        self.assertEqual(len(self.reports()), 1)

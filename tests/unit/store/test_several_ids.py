"""One text, several ids: an answer that has an id for each part of it, and a report for each of them.

Known from Vonage's SMS API: a long text is one request, and the answer has an element with a ``message-id`` for each
part. Each id has a report of its own (Nexmo's OpenAPI description of the SMS API).
"""

from dataclasses import replace
from typing import Any

from smsconnector.lifecycle import CODE_UNKNOWN, DEFAULT_WAIT_MS, EndRules, SegmentState
from smsconnector.messages import Finality, Outcome, OutcomeOfParts, Receipt, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.offline.rescue import rescue
from smsconnector.store.receipts import PARKED_TIMEOUT
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, confirm
from tests.unit.store.test_store import NOW, StoreCase, by_path, receipt

PROV = "prov"
SID = "SM0190c0ffee00" + "0" * 20
NUMBER = "923001234567"
OTHER_NUMBER = "923007654321"


def told(smsc_id: str, finality: Finality = Finality.DELIVERED, code: Any = "000", **more: Any) -> Receipt:
    one = replace(receipt(smsc_id, finality, code, PROV), **{key: more[key] for key in more if key != "own_id"})
    return by_path(one, more["own_id"]) if "own_id" in more else one


class TextCase(StoreCase):
    """A text to a provider that gives several ids; it is not sent yet."""

    def setUp(self) -> None:
        super().setUp()
        self.store._rules = EndRules()
        self.store._of_several.add(PROV)
        (self.segment,) = self.accept(SID)

    def taken(self, *ids: str, segment: Segment | None = None, one_report: bool = False) -> Any:
        one = segment or self.segment
        outcome = Outcome(one, Verdict.ACCEPTED, PROV, ids[0])
        if len(ids) > 1:
            outcome = OutcomeOfParts(one, Verdict.ACCEPTED, PROV, ids[0], other_ids=ids[1:], one_report=one_report)
        return self.one(ops.Record(((outcome, 0),), NOW))

    def state(self, sid: str = SID) -> SegmentState:
        return SegmentState(self.one(ops.Find(sid)).segments[0].state)

    def ends(self) -> list[tuple[str, Any]]:
        return [(one["DeliveryStatus"], one["ProviderStatusCode"]) for one in self.reports()]


class SeveralIdsCase(TextCase):
    def test_each_id(self) -> None:
        """The text is delivered when each of its parts is, in whatever order they are told."""
        self.taken("a", "b", "c")
        for smsc_id in ("c", "a", "c", "a"):
            self.receive(told(smsc_id))
            self.assertEqual(self.ends(), [])
        received = self.receive(told("b", code="9"))
        self.assertEqual((received.matched, received.parked, self.ends()), (1, 0, [("DELIVERED", "9")]))

    def test_one_fails(self) -> None:
        """The first failure is the end, with its code; nothing that follows changes it."""
        self.taken("a", "b", "c")
        self.receive(told("a"))
        self.receive(told("c", Finality.FAILED, "5"))
        self.assertEqual(self.ends(), [("FAILED", "5")])
        received = self.receive(told("b", Finality.FAILED, "6"), told("b"), told("c"))
        self.assertEqual((received.repeated, received.parked, len(self.events())), (3, 0, 1))

    def test_all_in_one_batch(self) -> None:
        """A list of reports, and a repeat among them."""
        self.taken("a", "b", "c")
        received = self.receive(told("a"), told("b"), told("b"), told("c"))
        self.assertEqual((self.ends(), received.parked), ([("DELIVERED", "000")], 0))

    def test_reports_before_the_answer(self) -> None:
        """What came first waits, and no part counts for the whole."""
        self.receive(told("b"), told("a"))
        self.taken("a", "b", "c")
        self.assertEqual((self.ends(), self.state(), self.store.parked), ([], SegmentState.SENT, 0))
        self.receive(told("c"))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_all_reports_before_the_answer(self) -> None:
        """Then the answer is the end; a failure among them is its end, with its code."""
        for failed in (None, "b"):
            self.setUp()
            for one in ("a", "b", "c"):
                self.receive(told(one, *((Finality.FAILED, "7") if one == failed else ())))
            self.assertEqual(self.taken("a", "b", "c"), [self.segment.message_id])
            self.assertEqual(self.ends(), [("FAILED", "7") if failed else ("DELIVERED", "000")])
            self.assertEqual(self.store.parked, 0)

    def test_an_old_report(self) -> None:
        """One that was parked for too long is of an earlier use of the id."""
        self.receive(told("b", received_at=NOW - PARKED_TIMEOUT - 1))
        self.taken("a", "b")
        self.receive(told("a"))
        self.assertEqual(self.ends(), [])

    def test_an_id_in_another_form(self) -> None:
        """What SMSCs do with hexadecimal ids is no matter here: such a report is of another text."""
        self.receive(told(str(0x1E240)))
        self.taken("1e240", "1e241")
        self.assertEqual((self.ends(), self.store.parked), ([], 1))

    def test_in_the_batch_of_the_answer(self) -> None:
        """Causes come before effects."""
        outcome = OutcomeOfParts(self.segment, Verdict.ACCEPTED, PROV, "a", other_ids=("b",))
        self.store.apply([ops.Receive((told("b"), told("a"))), ops.Record(((outcome, 0),), NOW)])
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_one_report_for_all(self) -> None:
        """Where the configuration says so, a report of any id is about the text."""
        for said in ("a", "c"):
            self.setUp()
            self.taken("a", "b", "c", one_report=True)
            self.receive(told(said))
            self.assertEqual(self.ends(), [("DELIVERED", "000")])
            self.assertEqual(self.receive(told("b")).repeated, 1)

    def test_one_report_that_was_unclear(self) -> None:
        """A clear one of another id is better."""
        self.taken("a", "b", one_report=True)
        self.receive(told("a", Finality.UNCLEAR))
        self.receive(told("b"))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_another_text_with_the_same_ids(self) -> None:
        """The number tells them apart; in any way of writing."""
        (other,) = self.accept("SMother", to=OTHER_NUMBER)
        self.taken("a", "b")
        self.taken("a", "b", segment=other)
        self.receive(told("a", destination=f"+{NUMBER}"), told("b", destination=NUMBER))
        self.assertEqual([one["MessageSID"] for one in self.reports()], [SID])

    def test_an_id_used_again(self) -> None:
        """Of one number the newest text that has not ended."""
        self.taken("a", "b")
        (other,) = self.accept("SMother")
        self.taken("a", "b", segment=other)
        self.receive(told("a"), told("b"))
        self.assertEqual([one["MessageSID"] for one in self.reports()], ["SMother"])
        self.receive(told("a"), told("b"))
        self.assertEqual(len(self.events()), 2)

    def test_without_a_number(self) -> None:
        """The id alone is enough, however it is written."""
        self.taken("0A-1", "0A-2")
        self.receive(told("0a-1", destination=""), told("0A-2", destination=""))
        self.assertEqual(len(self.events()), 1)

    def test_silence(self) -> None:
        """A part that is never told of is no delivery."""
        self.taken("a", "b")
        self.receive(told("a"))
        (expires_at,) = self.store._connection.execute("SELECT expires_at FROM message").fetchone()
        self.one(ops.Sweep(expires_at + 1, 0))
        self.one(ops.Sweep(expires_at + DEFAULT_WAIT_MS + 1, 0))
        self.assertEqual(self.ends(), [("FAILED", "NO_RECEIPT")])

    def test_an_unclear_word(self) -> None:
        """If nothing better comes of that part, it has failed; a clear one of another part is nothing better."""
        self.taken("a", "b")
        self.receive(told("a", Finality.UNCLEAR, "99"))
        self.receive(told("b"))
        self.one(ops.Sweep(NOW + DEFAULT_WAIT_MS + 2, 0))
        self.assertEqual(self.ends(), [("FAILED", "99")])

    def test_an_unclear_word_made_clear(self) -> None:
        """Then the text waits for the others, and is not ended by what was unclear."""
        self.taken("a", "b")
        self.receive(told("a", Finality.UNCLEAR, "99"))
        self.receive(told("a"))
        self.receive(told("a", Finality.UNCLEAR, "99"))  # comes late: it says nothing new
        self.one(ops.Sweep(NOW + DEFAULT_WAIT_MS + 2, 0))
        self.assertEqual(self.ends(), [])
        self.receive(told("b"))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_parts_of_ours_with_several_ids(self) -> None:
        """A text that we cut, and the provider once more."""
        one, two = self.accept("SMlong", "one ", "two")
        self.taken("a", "b", segment=one)
        self.taken("c", "d", segment=two)
        self.receive(told("a"), told("b"), told("c"))
        self.assertEqual(self.ends(), [])
        received = self.receive(told("d"))
        self.assertEqual((self.ends(), received.ended), ([("DELIVERED", "000")], (one.message_id,)))

    def test_after_a_restart(self) -> None:
        """What was told of some parts is on disk, whatever the configuration says of the account then."""
        path, copy = self.mktemp(), self.mktemp()
        self.store = Store(path, rules=EndRules(several_ids={PROV}))
        self.next_id = 1
        (self.segment,) = self.accept(SID)
        self.taken("a", "b", "c")
        self.receive(told("b"))
        self.store.close()
        rescue(path, copy)
        for file in (path, copy):
            self.store = Store(file)
            self.receive(told("a"))
            self.assertEqual(self.ends(), [])
            self.receive(told("c"))
            self.assertEqual(self.ends(), [("DELIVERED", "000")])
            self.store.close()

    def test_retention(self) -> None:
        """The ids go with their message."""
        self.taken("a", "b")
        self.receive(told("a"), told("b"))
        self.one(confirm(self.one(ops.LoadEvents(SINK, 0, 10)), NOW))
        for _ in range(3):
            self.one(ops.Purge(NOW + 100, NOW + 100))
        self.assertEqual(self.store._connection.execute("SELECT count(*) FROM provider_id").fetchone(), (0,))
        self.assertIsNone(self.one(ops.Find(SID)))

    def test_others_cost_nothing(self) -> None:
        """For the receipts and the outcomes of an account with single ids no statement is run for this."""
        ran: list[str] = []
        (other,) = self.accept("SMother")
        self.store._of_several.discard(PROV)
        self.store._connection.set_trace_callback(ran.append)
        self.record(other, Verdict.ACCEPTED, "77")
        self.receive(receipt("77"), receipt("78"))
        self.assertEqual([one for one in ran if "provider_id" in one], [])


class OwnIdCase(TextCase):
    """Reports that come to a callback of ours, whose path names our own id, and name the part by the provider's."""

    def test_our_id_does_not_end_all(self) -> None:
        """The path is the same for the reports of all parts."""
        self.taken("a", "b")
        self.receive(told("a", own_id=SID))
        self.assertEqual(self.ends(), [])
        self.receive(told("b", own_id=SID))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_before_the_answer(self) -> None:
        """What is told of one part is kept for the answer, which says how many there are."""
        self.receive(told("b", own_id=SID))
        self.assertEqual((self.ends(), self.store.parked, self.state()), ([], 0, SegmentState.QUEUED))
        self.taken("a", "b")
        self.assertEqual(self.ends(), [])
        self.receive(told("a", own_id=SID))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_before_an_answer_with_one_id(self) -> None:
        """Then it was about the text: whether it has that id, or one that the answer does not tell."""
        for named in ("a", "another"):
            self.setUp()
            self.receive(told(named, own_id=SID))
            self.taken("a")
            self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_a_failure_before_the_answer(self) -> None:
        """A part that failed is the end of the text."""
        self.receive(told("b", Finality.FAILED, "5", own_id=SID))
        self.assertEqual(self.ends(), [("FAILED", "5")])
        self.taken("a", "b")
        self.assertEqual(len(self.events()), 1)

    def test_another_id_after_the_answer(self) -> None:
        """Where the answer has told one id, the path decides: some providers report under another one."""
        self.taken("a")
        self.receive(told("another", own_id=SID))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_another_id_beside_several(self) -> None:
        """It may be of an earlier try: it ends nothing."""
        self.taken("a", "b")
        self.receive(told("another", own_id=SID))
        self.assertEqual(self.ends(), [])
        self.receive(told("a"), told("b"))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_the_answer_is_lost(self) -> None:
        """How many parts there are will never be known; what was told of them is better than not to know, before and
        after the request has failed, and it is not sent again."""
        for verdict in (Verdict.UNKNOWN, Verdict.RETRY):
            for is_told_first in (True, False):
                self.setUp()
                outcome = Outcome(self.segment, verdict, PROV, code=CODE_UNKNOWN)
                if is_told_first:
                    self.receive(told("a", own_id=SID))
                final = self.one(ops.Record(((outcome, NOW + 5),), NOW))
                if not is_told_first:  # memory may hold a copy that was to be sent again: it hears of the end
                    self.assertEqual(self.receive(told("a", own_id=SID)).ended, (self.segment.message_id,))
                self.assertEqual(self.ends(), [("DELIVERED", "000")], (verdict, is_told_first))
                self.assertEqual(final, [self.segment.message_id] if is_told_first else [])
                self.assertEqual(self.store.counts()["queued"], 0)

    def test_killed_before_the_answer(self) -> None:
        """As if no answer had come: what was told before the kill counts, and what is told after it."""
        for is_told_first in (True, False):
            self.setUp()
            self.store._rules = EndRules(naming_ids={"smpp"})
            self.one(ops.Claim((self.segment.id,), 1))
            if is_told_first:
                self.receive(told("a", own_id=SID))
            self.assertEqual(self.one(ops.Settle(NOW, 2)), int(is_told_first))
            if not is_told_first:
                self.receive(told("a", own_id=SID))
            self.assertEqual(self.ends(), [("DELIVERED", "000")], is_told_first)

    def test_refused_for_now(self) -> None:
        """A request that was refused for now was not taken: what an earlier one has told waits on."""
        self.receive(told("a", own_id=SID))
        self.one(ops.Record(((Outcome(self.segment, Verdict.RETRY, PROV, code=8), NOW + 5),), NOW))
        self.assertEqual(self.state(), SegmentState.QUEUED)

    def test_a_part_of_ours(self) -> None:
        """The path of a part that we cut."""
        sid = SID[:-1] + "1"
        _, two = self.accept(sid, "one ", "two")
        self.taken("a", "b", segment=two)
        self.receive(told("a", own_id=f"{sid}-2"), told("b", own_id=f"{sid}-2"))
        self.assertEqual([part.state for part in self.one(ops.Find(sid)).segments], [0, 3])

    def test_nobody_s(self) -> None:
        """An own id that is not ours, and an id that is not known: parked by the provider's id."""
        self.receive(told("a", own_id="SMnobody"))
        self.assertEqual(self.store.parked, 1)
        self.taken("a")
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_after_the_end(self) -> None:
        """A repeat."""
        self.taken("a", "b")
        self.receive(told("a", Finality.FAILED, "1"))
        received = self.receive(told("b", own_id=SID), told("c", own_id=SID))
        self.assertEqual((received.repeated, received.parked), (2, 0))

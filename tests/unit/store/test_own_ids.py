"""Notifications that name our own id: the MessageSID of a text, or of a part that we cut (``SM...-2``)."""

from dataclasses import replace
from typing import Any

from smsconnector.lifecycle import CODE_UNKNOWN, DEFAULT_WAIT_MS, EndRules, SegmentState
from smsconnector.messages import Finality, Outcome, OutcomeFound, Receipt, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.matching import SAME_IN_A_ROW
from tests.unit.store.test_store import ACCOUNT, NOW, StoreCase, receipt

SID = "SM0190c0ffee00" + "0" * 20
PROV = "prov"


def told(smsc_id: str, finality: Finality = Finality.DELIVERED, number: str = "") -> Receipt:
    return receipt(smsc_id, finality, account=PROV, destination=number)


class FoundCase(StoreCase):
    """A text that was found by a look-up after its request had no answer."""

    def found(self, segment: Segment, smsc_id: str, verdict: Verdict = Verdict.ACCEPTED) -> None:
        self.one(ops.Record(((OutcomeFound(segment, verdict, ACCOUNT, smsc_id, "000"), 0),), NOW))

    def test_its_own(self) -> None:
        """It was taken: its receipt ends it."""
        (segment,) = self.accept("SM1")
        self.found(segment, "X1")
        self.assertEqual(self.receive(receipt("X1")).matched, 1)

    def test_of_another_text(self) -> None:
        """Another text like it has that id, from before a restart: this one was never taken. It is tried again, and the
        receipt is the other's."""
        for verdict in (Verdict.ACCEPTED, Verdict.DONE):
            self.setUp()
            (first,) = self.accept("SM1")
            self.record(first, Verdict.ACCEPTED, "X1")
            (second,) = self.accept("SM2")
            self.found(second, "X1", verdict)
            ((again,), _) = self.one(ops.LoadDue("smpp", NOW, 9, ops.DuePlace(0, 100)))
            self.assertEqual((again.sid, again.attempts), ("SM2", 1))
            self.receive(receipt("X1"))
            self.assertEqual([one["MessageSID"] for one in self.reports()], ["SM1"])

    def test_both_found(self) -> None:
        """Two that are found under one id, one after the other: it can be only one of them."""
        (first,), (second,) = self.accept("SM1"), self.accept("SM2")
        self.found(first, "X1")
        self.found(second, "X1")
        self.assertEqual(len(self.one(ops.LoadDue("smpp", NOW, 9, ops.DuePlace(0, 100)))[0]), 1)


class KilledCase(StoreCase):
    """Policy ``hold``: a process was killed between the claim and the answer. The provider's callback has our own id in
    its path, so that it may still tell the truth."""

    GRACE = 600_000  # ms

    def setUp(self) -> None:
        super().setUp()
        self.store._rules = EndRules(graces={"smpp": self.GRACE}, naming_ids={"smpp"})
        (self.segment,) = self.accept(SID)
        self.one(ops.Claim((self.segment.id,), 1))

    def ends(self) -> list[tuple[str, Any]]:
        return [(one["DeliveryStatus"], one["ProviderStatusCode"]) for one in self.reports()]

    def settle(self, now: int = NOW, process: int = 2) -> None:
        self.assertEqual(self.one(ops.Settle(now, process)), 0)

    def test_told_later(self) -> None:
        """It is delivered, though nobody knew whether it had been sent; and it is not sent meanwhile."""
        self.settle()
        self.assertEqual((self.ends(), self.one(ops.LoadSegments("smpp", 0, 9))), ([], []))
        self.assertEqual(self.one(ops.LoadDue("smpp", NOW * 2, 9))[0], [])
        self.receive(told(SID))
        self.assertEqual((self.ends(), self.store.counts()["queued"]), ([("DELIVERED", "000")], 0))

    def test_told_of_a_failure(self) -> None:
        """With the provider's own code."""
        self.settle()
        self.receive(replace(told(SID, Finality.FAILED), code="30005"))
        self.assertEqual(self.ends(), [("FAILED", "30005")])

    def test_never_told(self) -> None:
        """After the grace it is UNKNOWN, as without a callback; once."""
        self.settle()
        self.one(ops.Sweep(NOW + self.GRACE - 1, 0))
        self.assertEqual(self.ends(), [])
        self.one(ops.Sweep(NOW + self.GRACE, 0))
        self.assertEqual(self.ends(), [("FAILED", CODE_UNKNOWN)])
        self.receive(told(SID))
        self.assertEqual(len(self.events()), 1)

    def test_killed_again_and_again(self) -> None:
        """The grace does not begin anew, or a text would never end."""
        for kill in range(5):
            self.settle(NOW + kill * self.GRACE // 4, kill + 2)
        self.one(ops.Sweep(NOW + self.GRACE, 0))
        self.assertEqual(self.ends(), [("FAILED", CODE_UNKNOWN)])

    def test_unanswered_before_the_kill(self) -> None:
        """What was being waited for already is waited for to the same end."""
        self.one(ops.Record(((Outcome(self.segment, Verdict.UNKNOWN, PROV), 0),), NOW - 100, 1))
        self.settle()
        self.one(ops.Sweep(NOW - 100 + self.GRACE, 0))
        self.assertEqual(self.ends(), [("FAILED", CODE_UNKNOWN)])

    def test_a_lifetime_that_ends(self) -> None:
        """The end of the lifetime is no end while the callback may come, and no cause to send it."""
        (expires_at,) = self.store._connection.execute("SELECT expires_at FROM message").fetchone()
        self.settle(expires_at - 10)
        self.one(ops.Sweep(expires_at + 1, 0))
        self.assertEqual(self.ends(), [])
        self.receive(told(SID))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_others_end_at_once(self) -> None:
        """Over SMPP no response can come any more, for its connection has ended with the process."""
        self.store._rules = EndRules(naming_ids={"another"})
        self.assertEqual(self.one(ops.Settle(NOW, 2)), 1)
        self.assertEqual(self.ends(), [("FAILED", CODE_UNKNOWN)])

    def test_parts(self) -> None:
        """Of a text that we cut the parts that were not claimed wait for their turn, and each is told of."""
        sid = SID[:-1] + "1"
        one, two = self.accept(sid, "one ", "two")
        self.one(ops.Claim((one.id,), 1))
        self.settle()
        self.receive(told(f"{sid}-1"))
        self.assertEqual([part.id for part in self.one(ops.LoadSegments("smpp", 0, 9))], [two.id])
        self.one(ops.Record(((Outcome(two, Verdict.ACCEPTED, PROV, "p2"), 0),), NOW))
        self.receive(told("p2"))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])


class PartCase(StoreCase):
    """A text of three parts, each a request of its own to a provider."""

    def setUp(self) -> None:
        super().setUp()
        self.parts = self.accept(SID, "one ", "two ", "three")

    def taken(self, segment: Segment, smsc_id: str) -> None:
        outcome = Outcome(segment, Verdict.ACCEPTED, PROV, smsc_id)
        self.one(ops.Record(((outcome, 0),), NOW))

    def states(self) -> list[SegmentState]:
        return [SegmentState(one.state) for one in self.one(ops.Find(SID)).segments]

    def test_the_second_part(self) -> None:
        """By our own id or by the provider's, before our request was answered or after: it ends the second part, and
        no other."""
        wanted = [SegmentState.QUEUED, SegmentState.DELIVERED, SegmentState.QUEUED]
        for named, given in ((f"{SID}-2", "p2"), ("p2", "p2"), (f"{SID}-2", f"{SID}-2")):
            for is_answered_before in (False, True):
                self.setUp()
                if is_answered_before:
                    self.taken(self.parts[1], given)
                self.receive(told(named))
                if not is_answered_before:
                    self.taken(self.parts[1], given)
                self.assertEqual((self.states(), self.reports(), self.store.parked), (wanted, [], 0), named)

    def test_all_parts(self) -> None:
        """The text is delivered when its last part is, and fails with the first that fails."""
        for number in (2, 3, 1):
            self.assertEqual(self.reports(), [])
            self.receive(told(f"{SID}-{number}"))
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])

    def test_failed_part(self) -> None:
        """One code is told, that of the first failure."""
        self.receive(replace(told(f"{SID}-3", Finality.FAILED), code="30005"))
        self.receive(replace(told(f"{SID}-1", Finality.FAILED), code="30006"))
        self.assertEqual([one["ProviderStatusCode"] for one in self.reports()], ["30005"])

    def test_the_whole_text(self) -> None:
        """The MessageSID alone is about all of it."""
        self.receive(told(SID))
        self.assertEqual(self.states(), [SegmentState.DELIVERED] * 3)

    def test_a_part_that_is_not_there(self) -> None:
        """A number beyond the last part, or none, ends nothing: it is parked as any id that is not known."""
        for end in ("-0", "-4", "-01", "-2x", "-", "-2-2", "-1000"):
            self.receive(told(SID + end))
        self.assertEqual((self.states(), self.store.parked), ([SegmentState.QUEUED] * 3, 7))

    def test_repeats(self) -> None:
        """A repeat changes nothing, and is not parked."""
        for _ in range(2):
            received = self.receive(told(f"{SID}-2"))
        self.assertEqual((received.repeated, received.parked), (1, 0))

    def test_in_the_contract_s_form(self) -> None:
        """Where an id that nobody knows would be reported: that of a part of ours is known."""
        self.receive(told(f"{SID}-2"), report_unknown=True, channel=PROV)
        self.assertEqual(self.reports(), [])

    def test_another_number(self) -> None:
        """The provider writes the number as it likes, even another one than the text was sent to: the id is ours."""
        self.receive(told(f"{SID}-2", number="00000"))
        self.assertEqual(self.states()[1], SegmentState.DELIVERED)

    def test_an_unclear_word(self) -> None:
        """It is about its part: if nothing better comes, that one has failed."""
        self.receive(told(f"{SID}-2", Finality.UNCLEAR))
        self.one(ops.Sweep(NOW + DEFAULT_WAIT_MS + 1, 0))
        self.assertEqual(self.states()[1], SegmentState.FAILED)

    def test_a_provider_with_one_id_for_all(self) -> None:
        """Its id says nothing then. Ours in the path of the callback does (law 6)."""
        for part in self.parts:
            self.taken(part, "same")
        for at in range(SAME_IN_A_ROW):
            (more,) = self.accept(f"SM{at}")
            self.taken(more, "same")
        self.receive(told(f"{SID}-2"), told(f"{SID}-1"))
        self.assertEqual(self.states()[:2], [SegmentState.DELIVERED] * 2)

    def test_other_parts_are_not_presumed(self) -> None:
        """Each part was a request of its own, so each has a report of its own: one that stays silent is not taken for
        delivered because another was."""
        self.store._rules = EndRules(telling_parts={PROV})
        for part in self.parts:
            self.taken(part, f"p{part.number}")
        self.receive(told(f"{SID}-1"), told("p2"))
        self.one(ops.Sweep(NOW + DEFAULT_WAIT_MS * 2, 0))
        self.assertEqual(self.states()[2], SegmentState.SENT)

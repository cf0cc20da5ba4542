"""Notifications that name our own id: the MessageSID of a text, or of a part that we cut (``SM...-2``)."""

from dataclasses import replace

from smsconnector.lifecycle import DEFAULT_WAIT_MS, EndRules, SegmentState
from smsconnector.messages import Finality, Outcome, Receipt, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.matching import SAME_IN_A_ROW
from tests.unit.store.test_store import NOW, StoreCase, receipt

SID = "SM0190c0ffee00" + "0" * 20
PROV = "prov"


def told(smsc_id: str, finality: Finality = Finality.DELIVERED, number: str = "") -> Receipt:
    return receipt(smsc_id, finality, account=PROV, destination=number)


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

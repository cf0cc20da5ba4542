"""SMSCs that give one id to many texts, or ids that differ in case only.

Seen at SMSCs of small carriers and in test systems: message_id "0" or "1" in every submit_sm_resp (SMPP 3.4 section
4.4.2 asks for a unique id and can't make anybody give one). Counters in base 62 are known from aggregators: ``xxxg`` is
another text than ``xxxG``.
"""

from smsconnector.messages import Finality, Outcome, Receipt, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.matching import MOST_CANDIDATES, OTHER_CASE, RECEIPTS_TO_LEARN, form_of
from tests.unit.store.test_store import ACCOUNT, NOW, StoreCase, receipt

FIRST_NUMBER = 923_000_000_000


def number(index: int) -> str:
    return str(FIRST_NUMBER + index)


class SharedIdCase(StoreCase):
    """A store in which many texts, each to a number of its own, have the id "0"."""

    def setUp(self) -> None:
        super().setUp()
        self.steps = 0
        self.sent = 0

    def step(self) -> int:
        self.steps += 1
        return 0

    def send(self, count: int, smsc_id: str = "0") -> None:
        segments = [
            segment
            for index in range(self.sent, self.sent + count)
            for segment in [self.accept(f"SM{index}", to=number(index))[-1]]
        ]
        self.sent += count
        self.one(
            ops.Record(tuple((Outcome(one, Verdict.ACCEPTED, ACCOUNT, smsc_id, None), 0) for one in segments), NOW)
        )

    def cost(self, *operations: ops.Operation) -> int:
        """Instructions of SQLite's machine, which are the same on every computer."""
        self.steps = 0
        self.store._connection.set_progress_handler(self.step, 10)
        for operation in operations:
            self.one(operation)
        self.store._connection.set_progress_handler(None, 0)
        return self.steps

    def ended(self) -> list[tuple[str, str]]:
        return [(one["MessageSID"], one["DeliveryStatus"]) for one in self.reports()]


class ConstantIdCase(SharedIdCase):
    """One id for everything."""

    def test_cost_of_a_receipt(self) -> None:
        """Three times as many texts with that id cost a receipt nothing more. Measured before there was a limit: 1.2 s
        for one receipt among 200,000."""
        costs = []
        for _ in range(2):
            self.send(MOST_CANDIDATES * 2)
            costs.append(self.cost(ops.Receive((receipt("0", destination=number(self.sent - 1)),))))
        self.assertLess(costs[1], costs[0] + 20)

    def test_cost_of_a_batch(self) -> None:
        """Receipts with one id in one batch are looked up once."""
        self.send(MOST_CANDIDATES * 2)
        one = receipt("0", destination=number(self.sent - 1))
        self.receive(one)
        once = self.cost(ops.Receive((one,)))  # a repeat: nothing is written
        self.assertLess(self.cost(ops.Receive((one,) * 50)), once + 50)

    def test_cost_of_parked_receipts(self) -> None:
        """The same for receipts that came before their responses: one response does not read them all."""
        costs = []
        for smsc_id, count in (("x1", 2), ("x2", 6)):
            self.receive(*[receipt(smsc_id, destination="15550001111")] * (MOST_CANDIDATES * count))
            (segment,) = self.accept(smsc_id)[-1:]
            outcome = Outcome(segment, Verdict.ACCEPTED, ACCOUNT, smsc_id, None)
            costs.append(self.cost(ops.Record(((outcome, 0),), NOW + 3_000_000)))
        self.assertLess(costs[1], costs[0] + 20)

    def test_number_decides(self) -> None:
        """Among the newest the number tells which text a receipt is about."""
        self.send(MOST_CANDIDATES + 5)
        for index in (self.sent - 1, self.sent - MOST_CANDIDATES):
            self.assertEqual(self.receive(receipt("0", destination=number(index))).matched, 1)
        self.assertEqual([sid for sid, _ in self.ended()], [f"SM{self.sent - 1}", f"SM{self.sent - MOST_CANDIDATES}"])

    def test_older_than_the_newest(self) -> None:
        """A receipt for a text that is not among the newest waits: it ends no text to another number."""
        self.send(MOST_CANDIDATES + 5)
        self.assertEqual(self.receive(receipt("0", destination=number(0))).parked, 1)
        self.assertEqual(self.ended(), [])

    def test_before_its_response(self) -> None:
        """A receipt that comes before its response ends no other text that has the same id."""
        self.send(2)
        self.assertEqual(self.receive(receipt("0", Finality.FAILED, destination=number(2))).parked, 1)
        self.send(1)
        self.assertEqual(self.ended(), [("SM2", "FAILED")])

    def test_seen_to_be_the_same(self) -> None:
        """The others with that id have ended, and one alone is under way: an account that gives one id to all tells
        nothing by it, whichever comes first. As soon as it gives another, its ids count again."""
        self.send(3)
        for index in range(2):
            self.receive(receipt("0", destination=number(index)))
        self.assertEqual(self.receive(receipt("0", Finality.FAILED, destination=number(9))).parked, 1)
        self.send(1)
        self.assertEqual(len(self.ended()), 2)
        self.send(1, "77")
        self.assertEqual(self.receive(receipt("77", destination="MSISDN")).matched, 1)

    def test_without_a_number(self) -> None:
        """A receipt that names no number can't be told from another's, as long as several are under way."""
        self.send(2)
        self.assertEqual(self.receive(receipt("0", destination="")).parked, 1)
        self.assertEqual(self.receive(receipt("0", destination=number(0))).matched, 1)
        self.assertEqual(self.receive(receipt("0", destination="")).matched, 1)
        self.assertEqual([sid for sid, _ in self.ended()], ["SM0", "SM1"])

    def test_constant_in_many_digits(self) -> None:
        """An id of many digits that is the same for all is no better."""
        self.send(MOST_CANDIDATES + 5, "10000000")
        self.assertEqual(self.receive(receipt("10000000", destination=number(0))).parked, 1)
        self.assertEqual(self.receive(receipt("10000000", destination=number(self.sent - 1))).matched, 1)


class CaseCase(SharedIdCase):
    """Ids that differ in upper and lower case."""

    def taken(self, sid: str, smsc_id: str, **more: str) -> Segment:
        (segment,) = self.accept(sid, **more)[-1:]
        self.record(segment, Verdict.ACCEPTED, smsc_id)
        return segment

    def test_exact_first(self) -> None:
        """Two texts to one number: each receipt ends the text whose id it has, whichever is newer or under way."""
        self.taken("SM1", "xyzG")
        self.taken("SM2", "xyzg")
        for smsc_id, finality in (("xyzG", Finality.FAILED), ("xyzG", Finality.FAILED), ("xyzg", Finality.DELIVERED)):
            self.receive(receipt(smsc_id, finality))
        self.assertEqual(self.ended(), [("SM1", "FAILED"), ("SM2", "DELIVERED")])

    def test_hexadecimal(self) -> None:
        """The same where the letters might be hexadecimal digits."""
        self.taken("SM1", "12aB")
        self.taken("SM2", "12Ab")
        for smsc_id in ("12aB", "12aB", "12Ab"):
            self.receive(receipt(smsc_id))
        self.assertEqual([sid for sid, _ in self.ended()], ["SM1", "SM2"])

    def test_zeros_and_dashes(self) -> None:
        """Ids that differ in zeros before them: the exact one first too."""
        self.taken("SM1", "0077")
        self.taken("SM2", "77")
        self.receive(receipt("0077", Finality.FAILED), receipt("0077", Finality.FAILED))
        self.assertEqual(self.ended(), [("SM1", "FAILED")])

    def test_by_id_alone(self) -> None:
        """The number is written as nobody else writes it: the exact id decides."""
        self.taken("SM1", "xyzG")
        self.taken("SM2", "xyzg", to=number(1))
        self.receive(receipt("xyzG", destination="MSISDN"))
        self.assertEqual([sid for sid, _ in self.ended()], ["SM1"])

    def test_parked(self) -> None:
        """Both receipts come before both responses, in one batch."""
        self.receive(receipt("xyzg", Finality.FAILED), receipt("xyzG"))
        (first,), (second,) = self.accept("SM1"), self.accept("SM2")[-1:]
        outcomes = [
            (Outcome(one, Verdict.ACCEPTED, ACCOUNT, key, None), 0) for one, key in ((first, "xyzG"), (second, "xyzg"))
        ]
        self.one(ops.Record(tuple(outcomes), NOW))
        self.assertEqual(sorted(self.ended()), [("SM1", "DELIVERED"), ("SM2", "FAILED")])

    def learn(self, receipted: str) -> None:
        for index in range(RECEIPTS_TO_LEARN):
            self.taken(f"SMlearn{index}", f"wxyz{index}")
            self.receive(receipt(receipted.format(f"wxyz{index}")))

    def test_learned(self) -> None:
        """An account whose ids come back as they were written: another case is another id, and the receipt waits for
        its response."""
        self.learn("{}")
        self.taken("SM1", "longidG")
        self.assertEqual(self.receive(receipt("longidg", Finality.FAILED)).parked, 1)
        self.taken("SM2", "longidg")
        self.assertEqual(self.ended()[RECEIPTS_TO_LEARN:], [("SM2", "FAILED")])

    def test_changed_on_the_way(self) -> None:
        """An SMSC that writes its ids in upper case in receipts only: they are matched, the receipt first too."""
        for index in range(RECEIPTS_TO_LEARN + 5):
            self.taken(f"SM{index}", f"longid-x{index}")
            self.assertEqual(self.receive(receipt(f"LONGID-X{index}")).matched, 1)
        self.receive(receipt("LONGID-XY"))
        self.taken("SMlast", "longid-xy")
        self.assertEqual(self.ended()[-1], ("SMlast", "DELIVERED"))

    def test_form(self) -> None:
        """Which differences make a form of their own."""
        for smsc_id, receipted, form in (
            ("xyzg", "xyzG", OTHER_CASE),
            ("xyzg", "xyzg", "raw"),
            ("12ab", "12AB", "raw"),
            ("00xyz", "XYZ", "raw"),
            ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "raw"),
        ):
            self.assertEqual(form_of("raw", smsc_id, receipted), form, smsc_id)


class UnmarkedCase(SharedIdCase):
    """What is not marked as a receipt needs the number, shared id or not."""

    def test_progress(self) -> None:
        """A receipt that tells of progress ends nothing, among many with one id."""
        self.send(3)
        one = Receipt(ACCOUNT, "0", Finality.PROGRESS, "000", "ENROUTE", NOW, number(1))
        self.assertEqual(self.receive(one), ops.Received(0, 0, 0))

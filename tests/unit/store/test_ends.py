"""When a message ends that nobody has told the end of: by its lifetime, by the time for receipts, by a grace."""

from typing import Any

from smsconnector.lifecycle import CODE_EXPIRED, CODE_NO_FAILURE, CODE_NO_RECEIPT, CODE_UNKNOWN
from smsconnector.messages import Finality, Verdict
from smsconnector.store import operations as ops
from tests.unit.store.test_store import NOW, StoreCase, receipt

SEND_UNTIL = NOW + 3_600_000  # of every message here
HOUR = 3_600_000  # ms; the default of both the time for receipts and the grace
REPORT_BY = SEND_UNTIL + HOUR


class EndsCase(StoreCase):
    """What the tests below ask."""

    def sweep(self, at: int, **more: Any) -> None:
        self.one(ops.Sweep(at, 0, **more))

    def ends(self) -> list[tuple[str, Any]]:
        return [(one["DeliveryStatus"], one["ProviderStatusCode"]) for one in self.reports()]


class TwoTimesCase(EndsCase):
    """ "Send no more" and "expect no receipt" are two times."""

    def test_receipt_after_the_lifetime(self) -> None:
        """With a validity of ten seconds a DELIVRD came at 16.5 s: it counts."""
        (sent,) = self.accept()
        self.record(sent, Verdict.ACCEPTED, "77")
        self.sweep(SEND_UNTIL)
        self.assertEqual(self.ends(), [])
        self.receive(receipt("77"))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_the_network_says_expired(self) -> None:
        """An SMSC tells of the end of a validity after that end: its own code is reported."""
        (sent,) = self.accept()
        self.record(sent, Verdict.ACCEPTED, "77")
        self.sweep(SEND_UNTIL + 1)
        self.receive(receipt("77", Finality.FAILED, "027"))
        self.sweep(REPORT_BY)
        self.assertEqual(self.ends(), [("FAILED", "027")])

    def test_no_receipt_at_all(self) -> None:
        """NO_RECEIPT when the time for receipts is over, and not before; a receipt after that changes nothing."""
        (sent,) = self.accept()
        self.record(sent, Verdict.ACCEPTED, "77")
        for at in (SEND_UNTIL, REPORT_BY - 1):
            self.sweep(at)
            self.assertEqual(self.ends(), [])
        self.sweep(REPORT_BY)
        self.receive(receipt("77"))
        self.assertEqual(self.ends(), [("FAILED", CODE_NO_RECEIPT)])

    def test_silence_is_the_good_news_later(self) -> None:
        """Where only failures are told, the network's EXPIRED comes after the lifetime too."""
        for number in (1, 2):
            (sent,) = self.accept(f"SM{number}")
            self.record(sent, Verdict.ACCEPTED, f"7{number}", code=CODE_NO_FAILURE)
        self.sweep(SEND_UNTIL)
        self.assertEqual(self.ends(), [])
        self.receive(receipt("72", Finality.FAILED, "027"))
        self.sweep(REPORT_BY)
        self.assertEqual(self.ends(), [("FAILED", "027"), ("DELIVERED", CODE_NO_FAILURE)])

    def test_never_taken(self) -> None:
        """What the network never took is told at the end of its lifetime: no receipt can come."""
        self.accept("SM1")
        (refused,) = self.accept("SM2")
        self.record(refused, Verdict.RETRY, due_at=SEND_UNTIL + 5, code=8)
        self.sweep(SEND_UNTIL)
        self.assertEqual(self.ends(), [("FAILED", CODE_EXPIRED)] * 2)

    def test_taken_in_part(self) -> None:
        """A part that will never be sent ends the message at once, whatever receipts the others may get."""
        first, _second = self.accept("SM1", "one", "two")
        self.record(first, Verdict.ACCEPTED, "77")
        self.sweep(SEND_UNTIL)
        self.assertEqual(self.ends(), [("FAILED", CODE_NO_RECEIPT)])

    def test_answered_after_the_lifetime(self) -> None:
        """On the wire at the end of the lifetime, and taken at 16 s of 10: it was not "never accepted"."""
        (segment,) = self.accept()
        self.sweep(SEND_UNTIL, under_way=(segment.message_id,))
        self.assertEqual(self.ends(), [])
        self.record(segment, Verdict.ACCEPTED, "77")
        self.sweep(SEND_UNTIL + 5000)
        self.receive(receipt("77"))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_refused_after_the_lifetime(self) -> None:
        """The same with a refusal for now: then it was never taken, and is told by the next sweep."""
        (segment,) = self.accept()
        self.sweep(SEND_UNTIL, under_way=(segment.message_id,))
        self.record(segment, Verdict.RETRY, due_at=SEND_UNTIL + 5000, code=8)
        self.sweep(SEND_UNTIL + 5000)
        self.assertEqual(self.ends(), [("FAILED", CODE_EXPIRED)])

    def test_outcome_unknown_at_the_end_of_the_lifetime(self) -> None:
        """No response came to its last attempt: a late one may still come, so it waits, and is not sent meanwhile."""
        (segment,) = self.accept()
        self.record(segment, Verdict.RETRY, due_at=NOW + 5, code=CODE_UNKNOWN)
        self.sweep(SEND_UNTIL)
        self.assertEqual(self.ends(), [])
        self.assertEqual(self.one(ops.LoadDue("smpp", SEND_UNTIL, 10)), ([], None))
        self.record(segment, Verdict.ACCEPTED, "77")
        self.receive(receipt("77"))
        self.sweep(REPORT_BY)
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_outcome_never_known(self) -> None:
        """No late response came either: it may have been taken, so it is UNKNOWN and not EXPIRED; once."""
        (segment,) = self.accept()
        self.record(segment, Verdict.RETRY, due_at=NOW + 5, code=CODE_UNKNOWN)
        for at in (SEND_UNTIL, REPORT_BY - 1, REPORT_BY, REPORT_BY + 1):
            self.sweep(at)
            self.assertEqual(self.ends(), [("FAILED", CODE_UNKNOWN)] * (at >= REPORT_BY), at)
        self.assertEqual(self.one(ops.Measure()).queued, 0)

    def test_many_that_wait(self) -> None:
        """Those that wait for receipts do not hide, from a sweep of few, those that are over."""
        for number in range(4):
            (sent,) = self.accept(f"SM{number}")
            self.record(sent, Verdict.ACCEPTED, f"7{number}")
        self.accept("SM9")
        for _ in range(3):
            self.sweep(SEND_UNTIL, limit=2)
        self.assertEqual(self.ends(), [("FAILED", CODE_EXPIRED)])


class HoldCase(EndsCase):
    """Policy hold: a submit without a response."""

    def unanswered(self) -> Any:
        (segment,) = self.accept()
        self.one(ops.Claim((segment.id,), 5))
        self.record(segment, Verdict.UNKNOWN)
        return segment

    def test_late_response(self) -> None:
        """It is waited for: the message was delivered, and is not reported UNKNOWN."""
        segment = self.unanswered()
        self.sweep(NOW + 60_000)
        self.assertEqual(self.ends(), [])
        self.record(segment, Verdict.ACCEPTED, "77")
        self.sweep(NOW + HOUR + 60_000, under_way=())
        self.assertEqual(self.ends(), [])
        self.receive(receipt("77"))
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_no_late_response(self) -> None:
        """UNKNOWN when the grace is over, and it is never sent again."""
        self.unanswered()
        self.sweep(NOW + HOUR - 1)
        self.assertEqual(self.ends(), [])
        self.assertEqual(self.one(ops.LoadSegments("smpp", 0, 10)), [])
        self.sweep(NOW + HOUR)
        self.assertEqual(self.ends(), [("FAILED", CODE_UNKNOWN)])

    def test_killed_while_it_waits(self) -> None:
        """No late response can come over a connection that is gone with its process."""
        self.unanswered()
        self.one(ops.Settle(NOW + 1, 6))
        self.sweep(NOW + HOUR)
        self.assertEqual(self.ends(), [("FAILED", CODE_UNKNOWN)])

"""When a message ends that nobody has told the end of: by its lifetime, by the time for receipts, by a grace."""

from dataclasses import replace
from typing import Any

from smsconnector.lifecycle import CODE_EXPIRED, CODE_NO_FAILURE, CODE_NO_RECEIPT, CODE_UNKNOWN, EndRules
from smsconnector.messages import Finality, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.presumed import REMEMBERED_MS
from smsconnector.store.store import Store
from tests.unit.store.test_store import ACCOUNT, NOW, StoreCase, receipt

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


class UnclearCase(EndsCase):
    """A receipt with a word that nobody knows, or UNKNOWN: carriers have words of their own, and some say UNKNOWN while
    they still try."""

    def setUp(self) -> None:
        super().setUp()
        (self.sent,) = self.accept()

    def told(self, code: str = "013", smsc_id: str = "77", at: int = NOW) -> Any:
        return self.receive(replace(receipt(smsc_id, Finality.UNCLEAR, code), received_at=at))

    def test_nothing_better(self) -> None:
        """After the grace it is FAILED, with the receipt's own code; one report."""
        self.record(self.sent, Verdict.ACCEPTED, "77")
        self.assertEqual(self.told().matched, 1)
        self.sweep(NOW + HOUR - 1)
        self.assertEqual(self.ends(), [])
        for at in (NOW + HOUR, NOW + HOUR + 1, REPORT_BY):
            self.sweep(at)
            self.assertEqual(self.ends(), [("FAILED", "013")])

    def test_something_better(self) -> None:
        """DELIVRD within the grace is DELIVERED, and a clear failure is what it says."""
        for code, finality, end in (("000", Finality.DELIVERED, "DELIVERED"), ("034", Finality.FAILED, "FAILED")):
            self.setUp()
            self.record(self.sent, Verdict.ACCEPTED, "77")
            self.told()
            self.receive(receipt("77", finality, code))
            self.assertEqual(self.ends(), [(end, code)])
            self.sweep(NOW + HOUR)
            self.assertEqual(self.ends(), [(end, code)])

    def test_another_unclear_one(self) -> None:
        """The last one counts, and the grace begins anew with it."""
        self.record(self.sent, Verdict.ACCEPTED, "77")
        self.told("013")
        self.told("408", at=NOW + HOUR // 2)
        self.sweep(NOW + HOUR)
        self.assertEqual(self.ends(), [])
        self.sweep(NOW + HOUR + HOUR // 2)
        self.assertEqual(self.ends(), [("FAILED", "408")])

    def test_before_the_response(self) -> None:
        """It is parked, as every receipt is that overtakes the response to its submit."""
        self.assertEqual(self.told().parked, 1)
        self.record(self.sent, Verdict.ACCEPTED, "77")
        self.assertEqual((self.store.parked, self.ends()), (0, []))
        self.sweep(NOW + HOUR)
        self.assertEqual(self.ends(), [("FAILED", "013")])

    def test_time_for_receipts_is_over(self) -> None:
        """The grace is no longer than that time, and the code is not forgotten for NO_RECEIPT."""
        self.record(self.sent, Verdict.ACCEPTED, "77")
        self.sweep(SEND_UNTIL)
        self.told(at=REPORT_BY - 1000)
        self.sweep(REPORT_BY)
        self.assertEqual(self.ends(), [("FAILED", "013")])

    def test_other_part_never_taken(self) -> None:
        """The lifetime is over, so nothing better can come. The code counts at once: it says more than NO_RECEIPT."""
        first, _ = self.accept("SM2", "two", "parts")
        self.record(first, Verdict.ACCEPTED, "88")
        self.told(smsc_id="88")
        for _ in range(2):
            self.sweep(SEND_UNTIL)
        self.assertIn(("FAILED", "013"), self.ends())

    def test_not_due_by_a_clock_that_was_set(self) -> None:
        """The clock was set, so the grace seems to last when the time for receipts is over: the code still counts."""
        self.record(self.sent, Verdict.ACCEPTED, "77")
        self.told()
        for _ in range(2):
            self.one(ops.Sweep(NOW, 0, steady_now=SEND_UNTIL, earlier_now=NOW))
        for _ in range(2):
            self.one(ops.Sweep(NOW, 0, steady_now=REPORT_BY, earlier_now=NOW))
        self.assertEqual(self.ends(), [("FAILED", "013")])

    def test_after_the_end(self) -> None:
        """Of a message that has ended it changes nothing."""
        self.record(self.sent, Verdict.ACCEPTED, "77")
        self.receive(receipt("77"))
        self.assertEqual(self.told().repeated, 1)
        self.sweep(NOW + HOUR)
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_restart_within_the_grace(self) -> None:
        """It is on disk: another process ends the message."""
        path = self.mktemp()
        self.store = Store(path)
        (sent,) = self.accept()
        self.record(sent, Verdict.ACCEPTED, "77")
        self.told()
        self.store.close()
        self.store = Store(path)
        self.addCleanup(self.store.close)
        self.sweep(NOW + HOUR)
        self.assertEqual(self.ends(), [("FAILED", "013")])

    def test_one_part(self) -> None:
        """It ends a message of several parts, the rest of which is not sent any more."""
        self.store = Store(":memory:", rules=EndRules(graces={"smpp": 5000}))
        self.addCleanup(self.store.close)
        first, _second = self.accept("SM2", "one", "two")
        self.record(first, Verdict.ACCEPTED, "78")
        self.told(smsc_id="78")
        swept = self.one(ops.Sweep(NOW + 5000, 0))
        self.assertEqual((self.ends(), swept.ended), ([("FAILED", "013")], (first.message_id,)))

    def test_grace_of_the_channel(self) -> None:
        """The configuration says how long."""
        self.store = Store(":memory:", rules=EndRules(graces={"smpp": 5000}))
        self.addCleanup(self.store.close)
        self.record(self.accept()[0], Verdict.ACCEPTED, "77")
        self.told()
        self.sweep(NOW + 5000)
        self.assertEqual(self.ends(), [("FAILED", "013")])


class OneReceiptCase(EndsCase):
    """Some SMSCs join the parts of a long text, and send one receipt for the whole."""

    def sent(self, sid: str = "SM1", count: int = 3) -> list[Any]:
        """A text of so many parts; the SMSC's ids are that of the message and the number of the part."""
        segments = self.accept(sid, *["x"] * count)
        for one in segments:
            self.record(one, Verdict.ACCEPTED, f"{sid[2:]}000{one.number}")
        return segments

    def test_for_all(self) -> None:
        """The others stay silent for the grace: it tells for all, with its code."""
        self.sent()
        self.receive(receipt("10001", code="00"))
        self.sweep(NOW + HOUR)
        self.assertEqual(self.ends(), [])
        self.sweep(NOW + HOUR + 1)
        self.assertEqual(self.ends(), [("DELIVERED", "00")])

    def test_the_last_part(self) -> None:
        """It may be the last part that it names; and come before the response."""
        segments = self.accept("SM1", "x", "y")
        self.receive(receipt("10002"))
        for one in segments:
            self.record(one, Verdict.ACCEPTED, f"1000{one.number}")
        self.sweep(NOW + HOUR)
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_another_part_failed(self) -> None:
        """A failure of another part within the grace is the end."""
        self.sent()
        self.receive(receipt("10001"))
        self.receive(receipt("10003", Finality.FAILED, "034"))
        self.sweep(NOW + HOUR + 1)
        self.assertEqual(self.ends(), [("FAILED", "034")])

    def test_a_part_that_was_not_sent(self) -> None:
        """Nothing is presumed of a part that the network has not taken; when it has, it has its own grace."""
        first, second = self.accept("SM1", "x", "y")
        self.record(first, Verdict.ACCEPTED, "10001")
        self.receive(receipt("10001"))
        self.store._connection.execute("UPDATE message SET expires_at = expires_at + 100000000")
        self.sweep(NOW + HOUR + 1)
        self.assertEqual(self.ends(), [])
        self.record(second, Verdict.ACCEPTED, "10002")
        self.sweep(NOW + 2 * HOUR)
        self.assertEqual(self.ends(), [])
        self.sweep(NOW + 2 * HOUR + 1)
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_an_unclear_part(self) -> None:
        """What a part's own receipt says counts before what another one lets presume, whichever comes first."""
        for order in ((0, 1), (1, 0)):
            self.setUp()
            self.sent("SM1", 2)
            said = (receipt("10001"), receipt("10002", Finality.UNCLEAR, "013"))
            for one in order:
                self.receive(said[one])
            self.sweep(NOW + HOUR + 1)
            self.assertEqual(self.ends(), [("FAILED", "013")])

    def test_a_receipt_for_each_part(self) -> None:
        """An SMSC that was seen to do so: a part without a receipt is not delivered, also in another process."""
        path = self.mktemp()
        self.store = Store(path)
        self.sent("SM1", 2)
        self.receive(receipt("10001"))
        self.receive(receipt("10002"))
        self.store.close()
        self.store = Store(path)
        self.addCleanup(self.store.close)
        self.sent("SM2")
        self.receive(receipt("20001"))
        self.sweep(REPORT_BY)
        self.assertEqual(self.ends(), [("DELIVERED", "000"), ("FAILED", CODE_NO_RECEIPT)])

    def test_learned_within_the_grace(self) -> None:
        """What was presumed before it was seen is presumed no more; both receipts in one read teach it too."""
        self.sent("SM1", 2)
        self.receive(receipt("10001"))
        self.sent("SM2", 2)
        self.receive(receipt("20001"), receipt("20002"))
        self.sweep(REPORT_BY)
        self.assertEqual(self.ends(), [("DELIVERED", "000"), ("FAILED", CODE_NO_RECEIPT)])

    def test_it_does_so_no_more(self) -> None:
        """What an SMSC did a week ago counts no more: it may have been changed."""
        self.sent("SM1", 2)
        self.receive(receipt("10001"), receipt("10002"))
        self.store._connection.execute("UPDATE message SET expires_at = expires_at + 10000000000")
        self.sent("SM2", 2)
        self.store._connection.execute("UPDATE message SET expires_at = expires_at + 10000000000")
        self.receive(replace(receipt("20001"), received_at=NOW + REMEMBERED_MS + 2))
        self.sweep(NOW + REMEMBERED_MS + HOUR + 2)
        self.assertEqual(self.ends(), [("DELIVERED", "000")] * 2)

    def test_repeats_with_one_id(self) -> None:
        """An SMSC that gives all parts one id, and sends its one receipt twice: that is no receipt for each part."""
        segments = self.accept("SM1", "x", "y", "z")
        for one in segments:
            self.record(one, Verdict.ACCEPTED, "10000")
        self.receive(receipt("10000"))
        self.receive(receipt("10000"))
        self.sweep(NOW + HOUR + 1)
        self.assertEqual(self.ends(), [("DELIVERED", "000")])

    def test_never(self) -> None:
        """Where the configuration says that each part has its receipt, silence is no good news."""
        self.store = Store(":memory:", rules=EndRules(telling_parts={ACCOUNT}))
        self.addCleanup(self.store.close)
        self.sent()
        self.receive(receipt("10001"))
        self.sweep(REPORT_BY)
        self.assertEqual(self.ends(), [("FAILED", CODE_NO_RECEIPT)])


class OwnIdCase(EndsCase):
    """A notification that names our own MessageSID is about the message, however many segments it has."""

    def notified(self, finality: Finality, code: str = "0") -> None:
        self.receive(receipt("SM1", finality, code, account="http"), report_unknown=True, channel="http")

    def test_delivered(self) -> None:
        """It ends a text of two segments, once; known from a run where NO_RECEIPT followed."""
        first, *_ = self.accept("SM1", "one", "two")
        self.record(first, Verdict.ACCEPTED, "77")
        self.notified(Finality.DELIVERED)
        self.notified(Finality.DELIVERED)
        self.sweep(REPORT_BY)
        self.assertEqual(self.ends(), [("DELIVERED", "0")])
        self.assertEqual(self.one(ops.Measure()).queued, 0)

    def test_failed(self) -> None:
        """A failure does as well, though one part was delivered; and the rest is not sent any more."""
        first, *_ = self.accept("SM1", "one", "two")
        self.record(first, Verdict.ACCEPTED, "77")
        self.receive(receipt("77"))
        received = self.receive(receipt("SM1", Finality.FAILED, "30003", account="http"))
        self.assertEqual((self.ends(), received.matched), ([("FAILED", "30003")], 1))
        self.assertEqual(received.ended, (first.message_id,))

    def test_both_in_one_batch(self) -> None:
        """The first one counts."""
        self.accept("SM1", "one", "two", "three")
        said = [receipt("SM1", finality, code, account="http") for finality, code in _BOTH]
        self.assertEqual(self.receive(*said), ops.Received(1, 0, 1, (1,)))
        self.assertEqual(self.ends(), [("DELIVERED", "0")])

    def test_one_part(self) -> None:
        """A part of a text that we cut for the provider is named by the MessageSID and its number: it tells of that
        part alone. Before its answer too, and whatever id the provider gives it."""
        first, second = self.accept("SM1", "one", "two")
        self.receive(receipt("SM1-2", account="http"))
        self.assertEqual(self.ends(), [])
        self.record(first, Verdict.ACCEPTED, "77")
        self.record(second, Verdict.ACCEPTED, "78")
        received = self.receive(receipt("SM1-1", account="http"))
        self.assertEqual((self.ends(), received.matched), ([("DELIVERED", "000")], 1))

    def test_one_part_failed(self) -> None:
        """Its failure ends the text, with its code."""
        first, second = self.accept("SM1", "one", "two")
        for one in (first, second):
            self.record(one, Verdict.ACCEPTED, f"7{one.number}")
        self.receive(receipt("SM1-1", account="http"), receipt("SM1-2", Finality.FAILED, "30003", account="http"))
        self.assertEqual(self.ends(), [("FAILED", "30003")])

    def test_no_such_part(self) -> None:
        """What names a part that the text has not, or none, ends nothing: it is kept as all that fits no text."""
        self.accept("SM1", "one", "two")
        for name in ("SM1-0", "SM1-3", "SM1-", "SM1--1", "SM1-\u00b2", "SM1-99999999999999999999", "SM-1-1"):
            self.assertEqual(self.receive(receipt(name, account="http")).parked, 1, name)
        self.assertEqual(self.ends(), [])

    def test_beside_another_message(self) -> None:
        """Its neighbours, whose ids are next to its own, are left alone."""
        self.accept("SM0", "a")
        self.accept("SM1", "one", "two")
        self.accept("SM2", "b")
        self.notified(Finality.DELIVERED)
        self.assertEqual([one["MessageSID"] for one in self.reports()], ["SM1"])

    def test_progress(self) -> None:
        """What tells of progress ends nothing."""
        self.accept("SM1", "one", "two")
        self.notified(Finality.PROGRESS)
        self.assertEqual(self.ends(), [])


class AlikeIdsCase(EndsCase):
    """A provider's ids may look like our MessageSIDs, as Twilio's do: our table says what is ours, and no prefix."""

    def setUp(self) -> None:
        super().setUp()
        self.theirs, self.ours = "SM" + "b" * 32, "SM" + "0" * 32

    def test_provider_sid(self) -> None:
        """It is found as the id that the channel was given; its neighbour stays as it is."""
        first, *_ = self.accept(self.ours, "one")
        self.accept("SM" + "1" * 32, "other")
        self.record(first, Verdict.ACCEPTED, self.theirs)
        self.receive(receipt(self.theirs, Finality.DELIVERED, "delivered"), report_unknown=True, channel="cloud")
        self.assertEqual([one["MessageSID"] for one in self.reports()], [self.ours])

    def test_before_the_answer(self) -> None:
        """It is parked until the answer with that id has been read."""
        first, *_ = self.accept(self.ours, "one")
        self.receive(receipt(self.theirs, Finality.FAILED, "30003"))
        self.assertEqual(self.ends(), [])
        self.record(first, Verdict.ACCEPTED, self.theirs)
        self.assertEqual(self.ends(), [("FAILED", "30003")])

    def test_ours_beside_theirs(self) -> None:
        """Ours in the callback's path, and theirs in its form: one report."""
        first, *_ = self.accept(self.ours, "one")
        self.receive(receipt(self.ours, Finality.DELIVERED, "delivered", account="cloud"))
        self.record(first, Verdict.ACCEPTED, self.theirs)
        self.receive(receipt(self.theirs, Finality.FAILED, "30003"))
        self.assertEqual(self.ends(), [("DELIVERED", "delivered")])


_BOTH = ((Finality.DELIVERED, "0"), (Finality.FAILED, "30003"))

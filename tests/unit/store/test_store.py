"""The store: what is asked in a batch, decided by the table of the lifecycle, and written at once."""

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import StoreDamaged, StoreUnusable
from smsconnector.lifecycle import (
    CODE_EXPIRED,
    CODE_NO_FAILURE,
    CODE_NO_RECEIPT,
    CODE_UNKNOWN,
    DEFAULT_WAIT_MS,
    SegmentState,
)
from smsconnector.messages import Event, Finality, IncomingSegment, Outcome, Receipt, ReceiptOfPart, Segment, Verdict
from smsconnector.store import incoming
from smsconnector.store import operations as ops
from smsconnector.store.database import open_readonly
from smsconnector.store.incoming import TEXT_OCTETS
from smsconnector.store.matching import RECEIPTS_TO_LEARN
from smsconnector.store.receipts import PARKED_BY_ID_ALONE, PARKED_TIMEOUT
from smsconnector.store.store import Store
from smsconnector.store.writer import apply_batch
from tests.unit.fakes import EPOCH, SINK, ask, message

NOW = int(EPOCH * 1000)
ACCOUNT = "connector@smsc"


def receipt(
    smsc_id: str,
    finality: Finality = Finality.DELIVERED,
    code: Any = "000",
    account: str = ACCOUNT,
    destination: str = "923001234567",
) -> Receipt:
    return Receipt(account, smsc_id, finality, code, finality.name, NOW + 1, destination)


def by_path(one: Receipt, own_id: str) -> ReceiptOfPart:
    """The same to a callback that names our own id."""
    fields = {each.name: getattr(one, each.name) for each in dataclass_fields(one)}
    return ReceiptOfPart(**fields, own_id=own_id)


class StoreCase(SynchronousTestCase):
    """A store in memory, and the few moves that the tests are made of."""

    def setUp(self) -> None:
        self.store = Store(":memory:")
        self.addCleanup(self.store.close)
        self.next_id = 1

    def one(self, operation: ops.Operation | ops.Query) -> Any:
        return ask(self.store, [operation])[0]

    def accept(self, sid: str = "SM1", *segments: str, **more: Any) -> list[Segment]:
        """Accept a message; its segments as the submitter would load them."""
        first = self.next_id
        texts = segments or ("hello",)
        self.next_id += len(texts)
        self.one(ops.Accept(message(sid, *texts, **more), first, "smpp"))
        loaded: list[Segment] = self.one(ops.LoadSegments("smpp", first - 1, 100))
        return loaded

    def record(
        self, segment: Segment, verdict: Verdict, smsc_id: str | None = None, due_at: int = 0, code: Any = None
    ) -> Any:
        outcome = Outcome(segment, verdict, ACCOUNT, smsc_id, code)
        return self.one(ops.Record(((outcome, due_at),), NOW))

    def receive(self, *receipts: Receipt, **more: Any) -> ops.Received:
        received: ops.Received = self.one(ops.Receive(receipts, **more))
        return received

    def events(self) -> list[Event]:
        events: list[Event] = self.one(ops.LoadEvents(SINK, 0, 1000))
        return events

    def reports(self) -> list[Any]:
        return [json.loads(event.body) for event in self.events()]


class NumberCase(StoreCase):
    """The number in a receipt, by one rule whether the receipt or the response comes first."""

    SAME = (
        ("12345", "12345"),
        ("12345", "012345"),
        ("12345", "+12345"),
        ("923001234567", "03001234567"),
        ("923001234567", "+92 3001234567".replace(" ", "")),
        ("923001234567", "00923001234567"),
    )
    OTHERS = (("12345", "12346"), ("923001234567", "923001234568"), ("12345", "54321"))

    def ends(self, to: str, written: str, receipt_first: bool, **more: Any) -> bool:
        """Whether a receipt with the id in decimal ends a message whose response had it in hexadecimal digits."""
        self.setUp()
        (segment,) = self.accept("SM1", to=to)
        said = replace(receipt("439041101", destination=written), **more)
        if receipt_first:
            self.receive(said)
            self.record(segment, Verdict.ACCEPTED, "1a2b3c4d")
        else:
            self.record(segment, Verdict.ACCEPTED, "1a2b3c4d")
            self.receive(said)
        return bool(self.reports())

    def test_same_number(self) -> None:
        """Short codes with a zero or a plus before them, national and international forms."""
        for to, written in self.SAME:
            for receipt_first in (False, True):
                self.assertTrue(self.ends(to, written, receipt_first), (to, written, receipt_first))

    def test_another_number(self) -> None:
        """An id in another form is no proof when the number is another one."""
        for to, written in self.OTHERS:
            for receipt_first in (False, True):
                self.assertFalse(self.ends(to, written, receipt_first), (to, written, receipt_first))

    def test_addresses_not_swapped(self) -> None:
        """Some SMSCs leave the handset's number where the submit had it."""
        for receipt_first in (False, True):
            self.assertTrue(self.ends("923001234567", "8228", receipt_first, addressee="03001234567"), receipt_first)
            self.assertFalse(self.ends("923001234567", "8228", receipt_first, addressee="03001234568"), receipt_first)


class KinCase(StoreCase):
    """A carrier's two hosts under one system_id, which stand for each other."""

    OTHER = "connector@other"

    def setUp(self) -> None:
        group = (ACCOUNT, self.OTHER)
        self.store = Store(":memory:", dict.fromkeys(group, group))
        self.addCleanup(self.store.close)
        self.next_id = 1

    def test_receipt_over_the_other(self) -> None:
        """It counts, and once; before the response too."""
        first, second = self.accept("SM1")[0], self.accept("SM2")[0]
        self.record(first, Verdict.ACCEPTED, "1000077")
        self.assertEqual(self.receive(receipt("1000077", account=self.OTHER)).matched, 1)
        self.assertEqual(self.receive(receipt("1000077", account=self.OTHER)).repeated, 1)
        self.assertEqual(self.receive(receipt("1000088", account=self.OTHER)).parked, 1)
        self.record(second, Verdict.ACCEPTED, "1000088")
        self.assertEqual([one["MessageSID"] for one in self.reports()], ["SM1", "SM2"])

    def test_another_number(self) -> None:
        """Each host may count for itself: the number has to fit, and one's own text comes first."""
        first, second = self.accept("SM1")[0], self.accept("SM2")[0]
        self.record(first, Verdict.ACCEPTED, "1000077")
        outcome = Outcome(second, Verdict.ACCEPTED, self.OTHER, "1000077", None)
        self.one(ops.Record(((outcome, 0),), NOW))
        self.assertEqual(self.receive(receipt("1000077")).matched, 1)
        self.assertEqual([one["MessageSID"] for one in self.reports()], ["SM1"])
        self.assertEqual(self.receive(receipt("1000077", Finality.FAILED, account=self.OTHER)).matched, 1)
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED", "FAILED"])
        (third,) = self.accept("SM3")
        self.assertEqual(self.receive(receipt("1000099", account=self.OTHER, destination="923007654321")).parked, 1)
        self.record(third, Verdict.ACCEPTED, "1000099")
        self.assertEqual(self.receive(receipt("1000099", account=self.OTHER, destination="923007654321")).parked, 1)
        self.assertEqual(len(self.reports()), 2)

    def test_short_id(self) -> None:
        """Two hosts that count each for itself meet at the low numbers."""
        (first,) = self.accept("SM1")
        self.record(first, Verdict.ACCEPTED, "77")
        self.assertEqual(self.receive(receipt("77", account=self.OTHER)).parked, 1)

    def test_parts_over_both(self) -> None:
        """The parts of one text are joined wherever they come."""
        for account, text, number in ((self.OTHER, "b", 2), (ACCOUNT, "a", 1)):
            self.one(ops.Incoming((IncomingSegment("smpp", account, "92300", "8228", text, NOW, 7, number, 2),)))
        self.assertEqual([one["Body"] for one in self.reports()], ["ab"])


class MTCase(StoreCase):
    def test_lifetime_that_was_asked_for(self) -> None:
        """That the request set the lifetime is kept with the message."""
        limited, plain = replace(message("SM1", "a", "b"), is_limited=True), message("SM2")
        ask(self.store, [ops.Accept(limited, 1, "smpp"), ops.Accept(plain, 3, "smpp")])
        loaded = self.one(ops.LoadSegments("smpp", 0, 9))
        self.assertEqual([bool(one.is_limited) for one in loaded], [True, True, False])

    def test_report_of_a_delivered_message(self) -> None:
        """Accepted, taken by the SMSC, receipt: one report, exactly the contract's three keys."""
        (segment,) = self.accept()
        self.record(segment, Verdict.ACCEPTED, "77")
        self.assertEqual(self.events(), [])
        self.assertEqual(self.receive(receipt("77")), ops.Received(1, 0, 0))
        (event,) = self.events()
        self.assertEqual(
            json.loads(event.body),
            {"MessageSID": "SM1", "DeliveryStatus": "DELIVERED", "ProviderStatusCode": "000"},
        )
        self.assertEqual((event.jms_type, event.event_id), ("smpp", "dr-SM1"))

    def test_repeated_receipts(self) -> None:
        """A receipt that comes again, in the same batch or later, changes nothing: one report, ever."""
        (segment,) = self.accept()
        self.record(segment, Verdict.ACCEPTED, "77")
        self.assertEqual(self.receive(receipt("77"), receipt("77", Finality.FAILED)), ops.Received(1, 0, 1))
        self.assertEqual(self.receive(receipt("77", Finality.FAILED)), ops.Received(0, 0, 1))
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])

    def test_progress_is_no_end(self) -> None:
        """ENROUTE and its like report nothing, and the final receipt is still awaited."""
        (segment,) = self.accept()
        self.record(segment, Verdict.ACCEPTED, "77")
        self.receive(receipt("77", Finality.PROGRESS))
        self.assertEqual(self.events(), [])
        self.receive(receipt("77", Finality.FAILED, "045"))
        self.assertEqual(self.reports()[0]["ProviderStatusCode"], "045")

    def test_receipt_before_the_response(self) -> None:
        """A receipt may overtake the submit_sm_resp: it is parked on disk and finds its segment afterwards."""
        (segment,) = self.accept()
        self.assertEqual(self.receive(receipt("77")), ops.Received(0, 1, 0))
        self.assertEqual(self.store.parked, 1)
        self.record(segment, Verdict.ACCEPTED, "77")
        self.assertEqual(len(self.reports()), 1)
        self.assertEqual(self.store.parked, 0)

    def test_receipt_in_the_batch_of_its_response(self) -> None:
        """Cause before effect within a batch, whatever the order of asking."""
        (segment,) = self.accept()
        outcome = Outcome(segment, Verdict.ACCEPTED, ACCOUNT, "77")
        ask(self.store, [ops.Receive((receipt("77"),)), ops.Record(((outcome, 0),), NOW)])
        self.assertEqual(len(self.reports()), 1)

    def test_same_id_from_two_accounts(self) -> None:
        """An id means something within its SMSC account only."""
        (segment,) = self.accept()
        self.record(segment, Verdict.ACCEPTED, "77")
        self.assertEqual(self.receive(receipt("77", account="other@smsc")), ops.Received(0, 1, 0))
        self.assertEqual(self.events(), [])

    def test_forms_of_the_id(self) -> None:
        """Hexadecimal here and decimal there, padded, upper case, a UUID: matched without a setting."""
        forms = [
            ("1a2b", "6699"),
            ("6699", "1A2B"),
            ("0000001a2b", "1A2B"),
            ("77", "0077"),
            ("6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "6ba7b8109dad11d180b400c04fd430c8"),
        ]
        for index, (in_response, in_receipt) in enumerate(forms):
            store = Store(":memory:")
            ask(store, [ops.Accept(message(f"SM{index}"), 1, "smpp")])
            (segment,) = ask(store, [ops.LoadSegments("smpp", 0, 1)])[0]
            outcome = Outcome(segment, Verdict.ACCEPTED, ACCOUNT, in_response)
            ask(store, [ops.Record(((outcome, 0),), NOW)])
            self.assertEqual(ask(store, [ops.Receive((receipt(in_receipt),))])[0].matched, 1, in_receipt)
            store.close()

    def test_forms_of_the_id_when_parked(self) -> None:
        """The same when the receipt came first."""
        (segment,) = self.accept()
        self.receive(receipt("6699"))
        self.record(segment, Verdict.ACCEPTED, "1a2b")
        self.assertEqual(len(self.reports()), 1)

    def test_ambiguous_forms(self) -> None:
        """Decimal 10 is hexadecimal a, and hexadecimal 10 is another message: the number decides."""
        (first,) = self.accept("SM1", to="923000000001")
        (second,) = self.accept("SM2", to="923000000002")
        self.record(first, Verdict.ACCEPTED, "a")
        self.record(second, Verdict.ACCEPTED, "10")
        self.receive(receipt("10", destination="923000000001"))
        self.assertEqual([one["MessageSID"] for one in self.reports()], ["SM1"])

    def test_repeated_receipt_is_no_other_id(self) -> None:
        """Decimal 16 has ended; its repeated receipt does not end hexadecimal 16, which is the id 22 (pitfall 2)."""
        first, second = self.accept("SM1")[0], self.accept("SM2")[0]
        self.record(first, Verdict.ACCEPTED, "16")
        self.record(second, Verdict.ACCEPTED, "22")
        for _ in range(2):
            self.receive(receipt("16"))
        self.assertEqual([one["MessageSID"] for one in self.reports()], ["SM1"])

    def test_learned_form(self) -> None:
        """Where receipts have always come in one form, an id is not read in another: decimal 16 waits for its response,
        and does not end hexadecimal 10."""
        for number in range(100, 100 + RECEIPTS_TO_LEARN):
            (segment,) = self.accept(f"SM{number}")
            self.record(segment, Verdict.ACCEPTED, f"{number}")
            self.receive(receipt(f"{number}"))
        early, other = self.accept("SM1")[0], self.accept("SM2")[0]
        self.record(other, Verdict.ACCEPTED, "10")
        self.assertEqual(self.receive(receipt("16", Finality.FAILED)).parked, 1)
        self.record(early, Verdict.ACCEPTED, "16")
        self.assertEqual([one["MessageSID"] for one in self.reports()][-1], "SM1")
        self.assertEqual(len(self.reports()), RECEIPTS_TO_LEARN + 1)

    def test_addresses_not_swapped(self) -> None:
        """Ids in two forms are matched where the receipt names the handset as addressee, or nobody."""
        for number, (source, addressee) in enumerate([("8228", "923001234567"), ("", "")] * 10, 1000):
            (segment,) = self.accept(f"SM{number}")
            self.record(segment, Verdict.ACCEPTED, f"{number:x}")
            said = Receipt(ACCOUNT, f"{number}", Finality.DELIVERED, "000", "DELIVRD", NOW, source, addressee)
            self.assertEqual(self.receive(said).matched, 1)

    def test_form_changes(self) -> None:
        """An SMSC that begins to write ids in another way is understood again after a while."""
        for number in range(100, 100 + RECEIPTS_TO_LEARN):
            (segment,) = self.accept(f"SM{number}")
            self.record(segment, Verdict.ACCEPTED, f"{number}")
            self.receive(receipt(f"{number}"))
        for number in range(0xA000, 0xA000 + 2 * RECEIPTS_TO_LEARN):
            (segment,) = self.accept(f"SM{number}")
            self.record(segment, Verdict.ACCEPTED, f"{number:x}")
            self.receive(receipt(f"{number}"))
        self.assertEqual(len(self.reports()), 2 * RECEIPTS_TO_LEARN)

    def test_two_nodes(self) -> None:
        """An SMSC of two nodes that write ids in two ways: ids of many digits are understood in both, at any time, the
        receipt before its response too."""
        for number in range(1_000_000, 1_000_000 + RECEIPTS_TO_LEARN):
            (segment,) = self.accept(f"SM{number}")
            self.record(segment, Verdict.ACCEPTED, f"{number}")
            self.receive(receipt(f"{number}"))
        for number in range(0xA00000, 0xA00000 + 2):
            (segment,) = self.accept(f"SM{number}")
            if number % 2:
                self.receive(receipt(f"{number}"))
            self.record(segment, Verdict.ACCEPTED, f"{number:x}")
            self.receive(receipt(f"{number}"))
        self.assertEqual(len(self.reports()), RECEIPTS_TO_LEARN + 2)

    def test_reused_id(self) -> None:
        """An id comes again for another number, its receipt before its response: it waits, and is no repeat."""
        (first,) = self.accept("SM1", to="923000000001")
        self.record(first, Verdict.ACCEPTED, "77")
        self.receive(receipt("77", destination="923000000001"))
        (second,) = self.accept("SM2", to="923000000002")
        self.assertEqual(self.receive(receipt("77", Finality.FAILED, destination="923000000002")).parked, 1)
        self.record(second, Verdict.ACCEPTED, "77")
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED", "FAILED"])

    def test_old_parked_receipt(self) -> None:
        """A receipt that has waited too long belongs to nothing that is submitted now; a sweep takes it away."""
        self.receive(receipt("77"))
        (segment,) = self.accept(at=NOW + PARKED_TIMEOUT)
        later = NOW + PARKED_TIMEOUT + 2
        self.one(ops.Record(((Outcome(segment, Verdict.ACCEPTED, ACCOUNT, "77"), 0),), later))
        self.assertEqual(self.events(), [])
        self.one(ops.Sweep(later, 0))
        self.assertEqual((self.events(), self.store.parked), ([], 0))

    def test_parked_for_another_number(self) -> None:
        """By its id alone, a parked receipt is taken only if it has just come."""
        for wait, reports in ((1_000, 1), (PARKED_BY_ID_ALONE + 1_000, 1)):
            self.receive(receipt(str(wait), destination="15550001111"))
            (segment,) = self.accept(f"SM{wait}")
            outcome = Outcome(segment, Verdict.ACCEPTED, ACCOUNT, str(wait))
            self.one(ops.Record(((outcome, 0),), NOW + wait))
            self.assertEqual(len(self.reports()), reports)

    def test_number_in_another_form(self) -> None:
        """A receipt that names the number as nobody else does is matched by its id."""
        (segment,) = self.accept()
        self.record(segment, Verdict.ACCEPTED, "77")
        self.assertEqual(self.receive(receipt("77", destination="MSISDN")).matched, 1)

    def test_refused(self) -> None:
        """A permanent refusal ends the message with the command_status as its code."""
        (segment,) = self.accept()
        self.assertEqual(self.record(segment, Verdict.REFUSED, code=11), [segment.message_id])
        self.assertEqual(self.reports(), [{"MessageSID": "SM1", "DeliveryStatus": "FAILED", "ProviderStatusCode": 11}])

    def test_retry(self) -> None:
        """A temporary refusal closes nothing: the segment is due later, with its attempts counted."""
        (segment,) = self.accept()
        self.record(segment, Verdict.RETRY, due_at=NOW + 1000, code=8)
        self.assertEqual(self.one(ops.LoadSegments("smpp", 0, 10)), [])
        self.assertEqual(self.one(ops.LoadDue("smpp", NOW + 999, 10)), ([], None))
        ((again,), _) = self.one(ops.LoadDue("smpp", NOW + 1000, 10))
        self.assertEqual(again.attempts, 1)
        self.record(again, Verdict.ACCEPTED, "78")
        self.receive(receipt("78"))
        self.assertEqual(len(self.reports()), 1)

    def test_done_without_receipts(self) -> None:
        """Where no receipts are asked for, the SMSC's word is the end."""
        (segment,) = self.accept()
        self.record(segment, Verdict.DONE, "77", code="ACCEPTED")
        self.assertEqual(self.reports()[0]["ProviderStatusCode"], "ACCEPTED")

    def test_all_segments_delivered(self) -> None:
        """DELIVERED when all segments are, in any order; the last one's code."""
        segments = self.accept("SM1", "a", "b", "c")
        for segment in segments:
            self.record(segment, Verdict.ACCEPTED, f"7{segment.number}")
        self.receive(receipt("73"), receipt("71"))
        self.assertEqual(self.events(), [])
        self.receive(receipt("72"))
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])

    def test_all_segments_in_one_batch(self) -> None:
        """The same when every receipt is in one batch."""
        for segment in self.accept("SM1", "a", "b"):
            self.record(segment, Verdict.ACCEPTED, f"7{segment.number}")
        self.receive(receipt("71"), receipt("72"))
        self.assertEqual(len(self.reports()), 1)

    def test_first_failed_segment(self) -> None:
        """FAILED at the first final failure, with its code; the others' receipts change nothing."""
        for segment in self.accept("SM1", "a", "b", "c"):
            self.record(segment, Verdict.ACCEPTED, f"7{segment.number}")
        self.receive(receipt("72", Finality.FAILED, "031"))
        self.receive(receipt("71"), receipt("73"))
        self.assertEqual(
            self.reports(), [{"MessageSID": "SM1", "DeliveryStatus": "FAILED", "ProviderStatusCode": "031"}]
        )

    def test_ends_of_a_batch(self) -> None:
        """Of several records in one batch, each hears of the ends of its own messages."""
        first, second = self.accept("SM1"), self.accept("SM2", "one", "two")
        records = [
            ops.Record(((Outcome(one, verdict, ACCOUNT, smsc_id, 8), 0),), NOW)
            for one, verdict, smsc_id in ((first[0], Verdict.ACCEPTED, "77"), (second[0], Verdict.REFUSED, None))
        ]
        self.assertEqual(ask(self.store, records), [[], [second[0].message_id]])

    def test_rest_of_a_failed_message(self) -> None:
        """What is left of a failed message is not sent any more."""
        first, *_ = self.accept("SM1", "a", "b", "c")
        self.record(first, Verdict.REFUSED, code=11)
        self.assertEqual(self.one(ops.LoadSegments("smpp", 0, 10)), [])

    def test_expiry(self) -> None:
        """By its expiry a message without an end is FAILED: EXPIRED if never taken, NO_RECEIPT if taken."""
        self.accept("SM1")
        (sent,) = self.accept("SM2")
        self.record(sent, Verdict.ACCEPTED, "77")
        self.assertEqual(self.one(ops.Sweep(NOW + 3_599_999, 0)).number, 0)
        self.assertEqual(self.one(ops.Sweep(NOW + 3_600_000, 0)).number, 2)
        self.one(ops.Sweep(NOW + 3_600_000 + DEFAULT_WAIT_MS, 0))
        codes = {one["MessageSID"]: one["ProviderStatusCode"] for one in self.reports()}
        self.assertEqual(codes, {"SM1": CODE_EXPIRED, "SM2": CODE_NO_RECEIPT})
        self.receive(receipt("77"))
        self.assertEqual(len(self.reports()), 2)

    def test_expiry_with_some_failure_receipts(self) -> None:
        """One part is known to be there, of the other no failure was told: that is what was asked for."""
        first, second = self.accept("SM1", "one", "two")
        self.record(first, Verdict.ACCEPTED, "77", code=CODE_NO_FAILURE)
        self.record(second, Verdict.ACCEPTED, "78", code=CODE_NO_FAILURE)
        self.one(ops.Receive((receipt("77"),)))
        self.one(ops.Sweep(NOW + 10**9, 0))
        (event,) = self.events()
        self.assertIn(CODE_NO_FAILURE, event.body)
        self.assertIn("DELIVERED", event.body)

    def test_expiry_with_failure_receipts_only(self) -> None:
        """Where only failures are told, silence is the good news."""
        (segment,) = self.accept()
        self.record(segment, Verdict.ACCEPTED, "77", code=CODE_NO_FAILURE)
        self.one(ops.Sweep(NOW + 3_600_000 + DEFAULT_WAIT_MS, 0))
        self.assertEqual(self.reports()[0]["DeliveryStatus"], "DELIVERED")

    def test_find(self) -> None:
        """A message is found by its sid with its parts; an unknown sid is None."""
        self.accept("SM1", "a", "b")
        found = self.one(ops.Find("SM1"))
        self.assertEqual([segment.text for segment in found.segments], ["a", "b"])
        self.assertIsNone(self.one(ops.Find("SM2")))


class HoldCase(StoreCase):
    def test_claimed_and_killed(self) -> None:
        """Policy hold: what was claimed before a crash may have been sent, and is never sent again."""
        (segment,) = self.accept()
        self.assertEqual(self.one(ops.Claim((segment.id,), 0)), [segment.id])
        self.assertEqual(self.one(ops.Claim((segment.id,), 0)), [])
        self.assertEqual(self.one(ops.LoadSegments("smpp", 0, 10)), [])
        self.assertEqual(self.one(ops.Settle(NOW, 1)), 1)
        self.assertEqual(self.reports()[0]["ProviderStatusCode"], CODE_UNKNOWN)


class WebhookCase(StoreCase):
    def test_unknown_id_is_reported_once(self) -> None:
        """A MessageSid that we did not send is reported under that id, and once."""
        for _ in range(2):
            self.receive(receipt("SMx", Finality.FAILED, "30003", "twilio"), report_unknown=True, channel="twilio")
        self.assertEqual(
            self.reports(), [{"MessageSID": "SMx", "DeliveryStatus": "FAILED", "ProviderStatusCode": "30003"}]
        )
        self.assertEqual(self.events()[0].jms_type, "twilio")

    def test_progress_of_our_own_sid(self) -> None:
        """A provider's progress ends nothing."""
        (segment,) = self.accept("SM" + "0" * 32)
        self.record(segment, Verdict.ACCEPTED, "77")
        self.receive(receipt(segment_sid := "SM" + "0" * 32, Finality.PROGRESS))
        self.assertEqual(self.events(), [])
        self.receive(receipt(segment_sid))
        self.assertEqual(len(self.events()), 1)

    def test_our_own_sid(self) -> None:
        """A provider that names our own MessageSID ends that message: no second report can follow."""
        (segment,) = self.accept("SM1")
        self.record(segment, Verdict.ACCEPTED, "77")
        self.receive(receipt("SM1", account="twilio"), report_unknown=True, channel="twilio")
        self.receive(receipt("77", Finality.FAILED))
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])


class IncomingCase(StoreCase):
    def test_looks_like_progress(self) -> None:
        """A text that reads as a receipt of progress and fits no message is a text, at once."""
        text = IncomingSegment("smpp", ACCOUNT, "923001234567", "8228", "id:5 stat:ENROUTE date:monday", NOW)
        said = replace(receipt("5", Finality.PROGRESS), incoming=text)
        self.one(ops.Receive((said,)))
        self.assertIn("monday", self.events()[0].body)

    def test_a_receipt_that_never_fits_is_counted(self) -> None:
        """It is dropped after its time, and counted; one that was a text after all is none of them."""
        text = IncomingSegment("smpp", ACCOUNT, "923001234567", "8228", "id:5 stat:DELIVRD", NOW)
        self.one(ops.Receive((receipt("x"), receipt("y"), replace(receipt("5"), incoming=text))))
        measured: ops.Measures = self.one(ops.Measure())
        self.assertEqual((measured.parked, measured.dropped), (3, 0))
        self.one(ops.Sweep(NOW + PARKED_TIMEOUT + 1, 0))
        measured = self.one(ops.Measure())
        self.assertEqual((measured.parked, measured.dropped), (0, 2))
        self.assertEqual(len(self.events()), 1)

    def test_part_that_looks_like_a_receipt(self) -> None:
        """It is joined with the other one when it turns out to be none."""
        part = IncomingSegment("smpp", ACCOUNT, "923001234567", "8228", "id:5 stat:DELIVRD ", NOW, 7, 1, 2)
        self.one(ops.Receive((replace(receipt("5"), incoming=part),)))
        self.one(ops.Incoming((replace(part, number=2, text="and more"),)))
        self.one(ops.Sweep(NOW + PARKED_TIMEOUT + 1, 0))
        self.assertIn("id:5 stat:DELIVRD and more", self.events()[0].body)

    def part(self, number: int, count: int, text: str, **more: Any) -> IncomingSegment:
        return IncomingSegment("smpp", ACCOUNT, "923001234567", "8228", text, NOW, 9, number, count, **more)

    def test_whole_text(self) -> None:
        """A text is an event with the contract's four keys."""
        self.one(ops.Incoming((self.part(1, 1, "hi", sid="in1"),)))
        (event,) = self.events()
        self.assertEqual(json.loads(event.body), {"Body": "hi", "From": "923001234567", "To": "8228", "SmsSid": "in1"})
        self.assertEqual(event.kind, "incoming_message")

    def test_repeated_sid(self) -> None:
        """A provider's repeat of one SmsSid is one event."""
        for _ in range(2):
            self.one(ops.Incoming((self.part(1, 1, "hi", sid="in1"),)))
        self.assertEqual(len(self.events()), 1)

    def test_parts_in_any_order(self) -> None:
        """Parts are joined by their number, whatever their order; a repeated part counts once."""
        for part in (self.part(3, 3, "c"), self.part(1, 3, "a"), self.part(1, 3, "a")):
            self.one(ops.Incoming((part,)))
        self.assertEqual(self.events(), [])
        self.one(ops.Incoming((self.part(2, 3, "b"),)))
        self.assertEqual([one["Body"] for one in self.reports()], ["abc"])

    def test_all_parts_in_one_batch(self) -> None:
        """The same when all parts come together."""
        self.one(ops.Incoming((self.part(2, 2, "b"), self.part(1, 2, "a"))))
        self.assertEqual([one["Body"] for one in self.reports()], ["ab"])

    def test_missing_part(self) -> None:
        """Parts whose others never come are handed on, marked incomplete, never in silence."""
        self.one(ops.Incoming((self.part(2, 3, "b"),)))
        self.one(ops.Sweep(NOW, NOW - 1))
        self.assertEqual(self.events(), [])
        self.one(ops.Sweep(NOW, NOW))
        (body,) = self.reports()
        self.assertEqual((body["Body"], body["Incomplete"]), ("b", True))

    def test_part_sent_again(self) -> None:
        """A part that the SMSC sends again after the text was handed on is no second text, in its time."""
        parts = self.part(1, 2, "a"), self.part(2, 2, "b")
        self.one(ops.Incoming(parts))
        self.one(ops.Incoming(parts[1:]))
        self.one(ops.Sweep(NOW, NOW))
        self.one(ops.Sweep(NOW, NOW))
        self.assertEqual([one["Body"] for one in self.reports()], ["ab"])

    def test_reference_used_again(self) -> None:
        """A handset that uses one reference for every text gets none of them mixed up."""
        self.one(ops.Incoming((self.part(1, 2, "a"), self.part(2, 2, "b"))))
        self.one(ops.Incoming((self.part(1, 2, "c"),)))
        self.one(ops.Incoming((self.part(1, 2, "d"), self.part(2, 2, "e"))))
        self.assertEqual([one["Body"] for one in self.reports()], ["ab", "c", "de"])
        self.assertEqual([one.get("Incomplete") for one in self.reports()], [None, True, None])

    def test_same_beginning(self) -> None:
        """A text that begins or ends as the one before it under the same reference is whole too."""
        for first, second in (("Dear all, ", "one."), ("Dear all, ", "two."), ("Dear sir, ", "two.")):
            self.one(ops.Incoming((self.part(1, 2, first),)))
            self.one(ops.Incoming((self.part(2, 2, second),)))
        self.assertEqual(
            [one["Body"] for one in self.reports()], ["Dear all, one.", "Dear all, two.", "Dear sir, two."]
        )

    def unmarked(self, smsc_id: str, source: str = "923001234567") -> Receipt:
        """What reads as a receipt, and is not marked as one."""
        incoming = IncomingSegment("smpp", ACCOUNT, source, "8228", f"id:{smsc_id} stat:DELIVRD", NOW)
        return Receipt(ACCOUNT, smsc_id, Finality.DELIVERED, "000", "DELIVRD", NOW, source, "8228", incoming)

    def test_unmarked_receipt(self) -> None:
        """It is one if it comes from the number that the message went to."""
        (segment,) = self.accept()
        self.record(segment, Verdict.ACCEPTED, "77")
        self.assertEqual(self.receive(self.unmarked("77")).matched, 1)

    def test_forged_receipt(self) -> None:
        """From another number it ends nothing; as it fits no message, it comes out as the text that it is."""
        (segment,) = self.accept(at=NOW + PARKED_TIMEOUT)
        self.record(segment, Verdict.ACCEPTED, "77")
        self.assertEqual(self.receive(self.unmarked("77", "15550001111")).parked, 1)
        self.one(ops.Sweep(NOW + PARKED_TIMEOUT, 0))
        (body,) = self.reports()
        self.assertEqual((body["Body"], body["From"]), ("id:77 stat:DELIVRD", "15550001111"))

    def test_any_octets(self) -> None:
        """NUL and lone surrogates in a text don't stop the store."""
        self.one(ops.Incoming((self.part(1, 1, "a\0b\ud800c", sid="in1"),)))
        self.assertEqual(self.reports()[0]["Body"], "a\0b\ud800c")
        self.one(ops.Incoming((self.part(1, 2, "x\0\ud800"), self.part(2, 2, "y"))))
        self.assertEqual(self.reports()[1]["Body"], "x\0\ud800y")


class LongTextCase(StoreCase):
    """Parts of many octets: a message_payload TLV may have 64 K (SMPP 3.4 section 5.3.2.32)."""

    def part(self, number: int, text: str, reference: int = 7, count: int = 255) -> IncomingSegment:
        return IncomingSegment("smpp", ACCOUNT, "92300", "8228", text, NOW, reference, number, count)

    def octets_waiting(self) -> int:
        return self.store._one(
            "SELECT coalesce(max(octets), 0) FROM (SELECT sum(length(text)) AS octets"
            " FROM incoming_segment GROUP BY reference)"
        )

    def test_octets_of_one_text(self) -> None:
        """A text grows no further than its budget: what came is told as incomplete, and another begins. Nothing of it
        is lost."""
        texts = [f"{number:03}" * 20_000 for number in range(1, 21)]
        for number, text in enumerate(texts, 1):
            self.one(ops.Incoming((self.part(number, text),)))
            self.assertLessEqual(self.octets_waiting(), TEXT_OCTETS + 10)
        self.one(ops.Sweep(NOW, NOW))
        reports = self.reports()
        self.assertEqual("".join(one["Body"] for one in reports), "".join(texts))
        self.assertTrue(all(one["Incomplete"] for one in reports))

    def test_longest_of_small_parts(self) -> None:
        """255 parts of 140 octets, kept as digits, fit: they are one text."""
        parts = [self.part(number, "0041" * 70) for number in range(1, 256)]
        self.one(ops.Incoming(tuple(replace(one, written_in="ucs2") for one in parts)))
        self.assertEqual([len(one["Body"]) for one in self.reports()], [255 * 70])

    def test_many_texts_at_once(self) -> None:
        """More texts in one batch than are in memory together: all are joined, and later all are given up."""
        self.patch(incoming, "TEXTS_AT_ONCE", 3)
        for number in (1, 2):
            self.one(ops.Incoming(tuple(self.part(number, "ab"[number - 1], at, 2) for at in range(10))))
        self.assertEqual([one["Body"] for one in self.reports()], ["ab"] * 10)
        self.one(ops.Incoming(tuple(self.part(1, "c", at, 3) for at in range(10))))
        self.assertEqual(self.one(ops.Sweep(NOW, NOW)).number, 20)
        self.assertEqual([one["Body"] for one in self.reports()[10:]], ["c"] * 10)

    def test_parts_of_one_text_in_two_slices(self) -> None:
        """The parts of one text are joined, whatever stands between them in the batch."""
        self.patch(incoming, "TEXTS_AT_ONCE", 3)
        others = [self.part(1, "x", at, 2) for at in range(20, 25)]
        self.one(ops.Incoming((self.part(1, "a", 1, 2), *others, self.part(2, "b", 1, 2))))
        self.assertEqual([one["Body"] for one in self.reports()], ["ab"])


class OutboxCase(StoreCase):
    def test_time_of_the_newest(self) -> None:
        """Of outcomes that are written together some have waited: what ends by them ends when the newest came."""
        records = []
        for sid, now in (("SM1", NOW + 5), ("SM2", NOW + 9), ("SM3", NOW + 7)):
            (segment,) = self.accept(sid)
            records.append(ops.Record(((Outcome(segment, Verdict.REFUSED, ACCOUNT, None, 11), 0),), now))
        ask(self.store, records)
        self.assertEqual({self.one(ops.Find(sid)).final_at for sid in ("SM1", "SM2", "SM3")}, {NOW + 9})

    def test_twice_in_one_batch(self) -> None:
        """A late response, and the next attempt's outcome behind it: the last step of the table counts."""
        (segment,) = self.accept("SM1")
        others = [self.accept(f"SM{number}")[-1] for number in range(2, 6)]
        outcomes = [
            Outcome(segment, Verdict.RETRY, ACCOUNT, None, 8),
            Outcome(segment, Verdict.ACCEPTED, ACCOUNT, "id-1"),
            *(Outcome(one, Verdict.ACCEPTED, ACCOUNT, f"o{one.id}") for one in others),
        ]
        ask(self.store, [ops.Record(((one, NOW),), NOW) for one in outcomes])
        (found,) = self.one(ops.Find("SM1")).segments
        self.assertEqual((found.state, found.smsc_id, self.store.counts()["queued"]), (SegmentState.SENT, "id-1", 0))

    def test_published(self) -> None:
        """A published event is not loaded again; the others are, in order."""
        for sid in ("SM1", "SM2", "SM3"):
            (segment,) = self.accept(sid)
            self.record(segment, Verdict.REFUSED, code=11)
        first, second, third = self.events()
        self.one(ops.Confirm(SINK, (second.id,), 0, NOW))
        self.assertEqual(self.events(), [first, third])
        self.assertEqual(self.one(ops.LoadEvents(SINK, first.id, 10)), [third])


class FileCase(SynchronousTestCase):
    def test_what_was_committed_is_there(self) -> None:
        """Everything committed is there when the file is opened again; ids go on rising."""
        path = self.mktemp()
        store = Store(path)
        ask(store, [ops.Accept(message("SM1", "a", "b"), 1, "smpp")])
        store.close()
        store = Store(path)
        self.addCleanup(store.close)
        self.assertEqual(len(ask(store, [ops.LoadSegments("smpp", 0, 10)])[0]), 2)
        self.assertEqual(store.last_segment_id(), 2)

    def test_one_owner(self) -> None:
        """A second connector on the same file is refused with the reason."""
        path = self.mktemp()
        store = Store(path)
        self.addCleanup(store.close)
        ask(store, [ops.Accept(message("SM1"), 1, "smpp")])
        error = self.assertRaises(StoreUnusable, Store, path)
        self.assertIn("in use by another connector", str(error))

    def test_synchronous(self) -> None:
        """A commit that returned is on disk: that is what 200 says."""
        store = Store(self.mktemp())
        self.addCleanup(store.close)
        pragma = lambda name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]  # noqa: E731
        self.assertEqual((pragma("synchronous"), pragma("journal_mode")), (2, "wal"))

    def test_other_routes(self) -> None:
        """What waits goes to the queues of today, some at a time, whichever it was in; what has none stays. While the
        queues are the same, only what no submitter serves is looked at."""
        store = Store(self.mktemp())
        self.addCleanup(store.close)
        for number in range(1, 26):
            queue = ("a", "gone", "older")[number % 3]
            to = "1" if number % 5 == 0 else f"92300{number:07d}"
            ask(store, [ops.Accept(message(f"SM{number}", to=to), number, queue)])
        left_over: list[str] = []
        after, moved, steps = ops.BEGINNING, 0, 0
        while after is not None:
            route = lambda _, destination: "b" if destination != "1" else None  # noqa: E731
            ((count, unserved, after),) = ask(store, [ops.Requeue(("a", "b"), route, after, limit=3)])
            moved, left_over, steps = moved + count, left_over + unserved, steps + 1
        self.assertEqual((moved, left_over, steps > 5), (20, ["smpp"] * 5, True))
        left = [len(ask(store, [ops.LoadSegments(queue, 0, 100)])[0]) for queue in ("a", "b", "gone", "older")]
        self.assertEqual((sum(left), left[:2]), (25, [1, 20]))
        asked: list[str] = []
        again = ops.Requeue(("a", "b"), lambda _, destination: asked.append(destination))
        self.assertEqual([one.moved for one in ask(store, [again])], [0])
        self.assertEqual(set(asked), {"1"})  # what is in no queue of today is looked at each time

    def test_postponed(self) -> None:
        """Tried again when it is due, with no attempt counted; what has ended stays as it is."""
        store = Store(self.mktemp())
        self.addCleanup(store.close)
        ask(store, [ops.Accept(message("SM1"), 1, "smpp"), ops.Accept(message("SM2"), 2, "smpp")])
        ask(
            store,
            [
                ops.Record(
                    (
                        (
                            Outcome(
                                ask(store, [ops.LoadSegments("smpp", 1, 1)])[0][0], Verdict.REFUSED, ACCOUNT, None, 11
                            ),
                            0,
                        ),
                    ),
                    NOW,
                )
            ],
        )
        ask(store, [ops.Postpone((1, 2), NOW + 1000)])
        self.assertEqual(ask(store, [ops.LoadSegments("smpp", 0, 9), ops.LoadDue("smpp", NOW, 9)]), [[], ([], None)])
        (((segment,), _),) = ask(store, [ops.LoadDue("smpp", NOW + 1000, 9)])
        self.assertEqual((segment.id, segment.attempts), (1, 0))

    def test_look_amid_many(self) -> None:
        """A look for what is due, or for what to move, reads what it finds: not the backlog it stands in."""
        store = Store(self.mktemp())
        self.addCleanup(store.close)
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        store._connection.set_progress_handler(step, 10)  # instructions of SQLite's machine
        costs = []
        for first in (1, 1001):
            ask(store, [ops.Accept(message(f"SM{at}"), at, "smpp") for at in range(first, first + 1000)])
            for load in (
                ops.LoadDue("smpp", NOW, 10),
                ops.LoadSegments("smpp", first + 900, 10),
                ops.Requeue(("other",), lambda *_: None, ops.QueuePlace("smpp", 0, first + 900), 10),
            ):
                steps = 0
                ask(store, [load])
                costs.append(steps)
            ask(store, [ops.Postpone(tuple(range(first, first + 500)), NOW + 1)])
            steps = 0
            ask(store, [ops.LoadDue("smpp", NOW + 1, 10, ops.DuePlace(NOW + 1, first + 450))])
            costs.append(steps)
        for few, many in zip(costs[:4], costs[4:], strict=True):
            self.assertLess(many, few + 50)

    def test_damaged_page(self) -> None:
        """A page of a table that is no page any more: found at the start, or told as what it is when it is read."""
        path = self.mktemp()
        store = Store(path)
        for first in range(1, 2001, 100):
            ask(store, [ops.Accept(message(f"SM{at}", "x" * 100), at, "smpp") for at in range(first, first + 100)])
        store.close()
        whole, told = Path(path).read_bytes(), []
        for page in range(1, len(whole) // 4096, 3):
            Path(path).write_bytes(whole[: page * 4096] + b"\xff" * 4096 + whole[(page + 1) * 4096 :])
            try:
                store = Store(path)
            except StoreUnusable as error:
                told.append(str(error))
                continue
            try:
                ask(store, [ops.LoadSegments("smpp", 0, 5000)])
                ask(store, [ops.Sweep(NOW * 2, 0, 5000)])
            except StoreDamaged as error:
                told.append(str(error))
            store.close()
        self.assertGreater(len(told), 20)
        for one in told:
            self.assertIn("smsconnector rescue", one)

    def test_files_of_others(self) -> None:
        """What is not ours is refused as it is: not a bit of it is changed."""
        path = self.mktemp()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE message (id)")
        os.chmod(path, 0o644)
        before = Path(path).read_bytes()
        self.assertIn("another program's", str(self.assertRaises(StoreUnusable, Store, path)))
        self.assertIn("another program's", str(self.assertRaises(StoreUnusable, open_readonly, path)))
        text = self.mktemp()
        Path(text).write_text("no database at all " * 100)
        os.chmod(text, 0o644)
        self.assertIn("never was one", str(self.assertRaises(StoreUnusable, Store, text)))
        self.assertEqual(Path(path).read_bytes(), before)
        self.assertEqual([os.stat(one).st_mode & 0o777 for one in (path, text)], [0o644] * 2)

    def test_damaged_file(self) -> None:
        """A file that is no database is refused with the command that saves what can be saved."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(os.urandom(8192))
        self.assertIn("smsconnector rescue", str(self.assertRaises(StoreUnusable, Store, path)))

    def test_texts_are_private(self) -> None:
        """Only the owner may read the file."""
        path = self.mktemp()
        Store(path).close()
        self.assertEqual(os.stat(path).st_mode & 0o077, 0)


class BatchCase(StoreCase):
    def test_poisonous_operation(self) -> None:
        """An operation that can't be written fails alone; the others of its batch are written."""
        twice = ops.Accept(message("SM1"), 1, "smpp")
        answers = apply_batch(self.store, [ops.Accept(message("SM0"), 7, "smpp"), twice, twice])
        self.flushLoggedErrors()
        self.assertEqual([error is None for _, error in answers], [True, True, False])
        self.assertIsNotNone(self.one(ops.Find("SM0")))

"""Whose a deliver_sm is."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.doctor.evidence import MARK, SHORT, Evidence, Trial
from smsconnector.doctor.plan import LONG_TEXT, Plan
from smsconnector.smpp.constants import Status
from smsconnector.smpp.pdu import PDU
from tests.unit.doctor.cases import BIND, NUMBER, evidence, receipt_pdu, taken, text_pdu


class WhoseCase(SynchronousTestCase):
    """A deliver_sm is acknowledged only if it is of our own submits; everything else goes back."""

    def decided(self, found: Evidence, *pdus: PDU, at_the_end: bool = False) -> list[int]:
        for pdu in pdus:
            found.delivered("probe", pdu, 1.0)
        return [status for _, _, status in found.decide(at_the_end)]

    def test_receipts(self) -> None:
        """By the id as it is from anywhere; in another notation only from our number, however that is written."""
        cases = (
            ("1234", "123", "923001234567", True),
            ("00001234", "123", "923001234567", True),
            ("4d2", "1234", "923001234567", True),
            ("4d2", "1234", "+923001234567", True),
            ("4d2", "1234", "03001234567", True),
            ("4d2", "1234", "923009999999", False),
            ("1234", "1234", "923009999999", True),
            ("9999", "1234", "923001234567", False),
        )
        for receipt_id, response_id, source, ours in cases:
            found = evidence(taken("1234" if response_id == "123" else response_id))
            statuses = self.decided(found, receipt_pdu(receipt_id, source))
            self.assertEqual(statuses, [Status.ESME_ROK if ours else Status.ESME_RX_T_APPN], (receipt_id, source))
            self.assertEqual((len(found.receipts), found.handed_back), (ours, not ours))

    def test_texts(self) -> None:
        """A text is ours if it is from our number and has the signs; in UCS-2 as well."""
        for text, source, ours in (
            ("@_[]é", NUMBER, True),
            (f"you wrote {MARK}", NUMBER, True),
            ("@_[] سلام", NUMBER, True),
            ("hello", NUMBER, False),
            ("@_[]é", "4915112345678", False),
            (LONG_TEXT.format(form="sar")[:100], NUMBER, True),
            ("Test of", NUMBER, False),
        ):
            found = evidence(*Plan(BIND, (NUMBER,)).trials())
            statuses = self.decided(found, text_pdu(text, source))
            self.assertEqual(statuses, [Status.ESME_ROK if ours else Status.ESME_RX_T_APPN], (text, source))
            self.assertEqual(len(found.texts), ours)

    def test_receipt_before_the_response(self) -> None:
        """While a response is missing, a receipt that fits none waits for it; a text does not."""
        trial = Trial(SHORT, taken("").segment, sent_at=0.0)
        found = evidence(trial)
        self.assertEqual(self.decided(found, receipt_pdu("7"), text_pdu("hello")), [Status.ESME_RX_T_APPN])
        trial.status, trial.message_id = 0, "7"
        self.assertEqual(self.decided(found), [Status.ESME_ROK])
        self.assertEqual(len(found.receipts), 1)

    def test_nothing_is_kept_waiting_at_the_end(self) -> None:
        """What fits no response by then goes back."""
        found = evidence(Trial(SHORT, taken("").segment, sent_at=0.0))
        self.assertEqual(self.decided(found, receipt_pdu("7")), [])
        self.assertEqual(self.decided(found, at_the_end=True), [Status.ESME_RX_T_APPN])

    def test_repeats_are_counted_once(self) -> None:
        """The SMSC sends what was handed back again and again."""
        found = evidence(taken("1"))
        self.decided(found, *[receipt_pdu("99", "4915112345678") for _ in range(3)], text_pdu("hi"))
        self.assertEqual(found.handed_back, 2)

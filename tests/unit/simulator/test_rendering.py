"""Receipts, and how texts are quoted."""

from smsconnector.simulator.rendering import readable
from smsconnector.smpp.constants import EsmClass, Tag
from smsconnector.sms import udh
from tests.unit.simulator.esme import ESME, RECEIPT, SimulatorTestCase


class ReceiptTests(SimulatorTestCase):
    """What receipts look like: the quote of the text, the TLVs, the place of the text."""

    def test_excerpt(self) -> None:
        """The receipt's text is the first 20 characters, without user data header, readable if it was UCS-2."""
        esme = ESME(self.smsc())
        header = udh.build_header(udh.concatenation_element(1, 2, 1))
        for text, fields, shown in (
            (b"short", {}, "short"),
            (header + b"a segment with a header", {"esm_class": 0x40}, "a segment with a hea"),
            ("a UCS-2 text of 30 characters…".encode("utf-16-be"), {"data_coding": 8}, "a UCS-2 text of 30 c"),
            (header + "سلام!".encode("utf-16-be"), {"esm_class": 0x40, "data_coding": 8}, "????!"),
        ):
            esme.submit(text, **fields)
            self.clock.advance(2)
            (receipt,) = self.texts(esme.received())
            self.assertEqual(RECEIPT.fullmatch(receipt)[7], shown)  # type: ignore[index]

    def test_readable(self) -> None:
        """A receipt quotes the text as the handset shows it: by what data_coding 0 means to this SMSC."""
        for default_alphabet, quote in (("gsm7", b"@_[]\xe9"), ("latin1", b"???<?>?"), ("gsm7-packed", None)):
            esme = ESME(self.smsc(receipt_readable=True, default_alphabet=default_alphabet))
            esme.submit(b"\0\x11\x1b<\x1b>\5")
            self.clock.advance(2)
            text = esme.received()[-1].fields["short_message"].split(b"text:")[1]
            if quote is not None:
                self.assertEqual(text, quote)
            self.assertEqual(text.decode("latin-1"), "".join(filter(str.isprintable, text.decode("latin-1"))))

    def test_receipt_forms(self) -> None:
        """Not marked in esm_class; the text in message_payload; both."""
        for marked in (True, False):
            for in_payload in (True, False):
                esme = ESME(self.smsc(receipt_mark=marked, receipt_payload=in_payload))
                esme.submit(b"hello")
                self.clock.advance(2)
                receipt = esme.received()[-1]
                self.assertEqual(receipt.fields["esm_class"], EsmClass.DELIVERY_RECEIPT if marked else 0)
                payload, short_message = receipt.tlv(Tag.message_payload), receipt.fields["short_message"]
                self.assertEqual((payload is not None, short_message == b""), (in_payload, in_payload))
                self.assertRegex((payload or short_message).decode(), RECEIPT)
                self.assertEqual((receipt.tlv_text(Tag.receipted_message_id), receipt.rest), ("1", b""))


class LogTests(SimulatorTestCase):
    """Texts in the log."""

    def test_readable(self) -> None:
        """The text of a segment as the log shows it."""
        self.assertEqual(readable(b"\5\0\3\1\2\1hello", EsmClass.UDHI, 0), "[1/2] hello")
        self.assertEqual(readable("سلام".encode("utf-16-be"), 0, 8), "سلام")

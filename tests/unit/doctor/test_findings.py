"""What follows from the evidence, from octets and events."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.doctor import findings
from smsconnector.doctor.evidence import MARK, Trial, signs_read_as
from smsconnector.doctor.plan import TRIED_FORMS
from smsconnector.simulator.rendering import UNDELIVERABLE
from smsconnector.smpp.constants import EsmClass, Status
from smsconnector.smpp.pdu import PDU
from smsconnector.sms import alphabet as alphabets
from tests.unit.doctor.cases import DEC, HEX, evidence, receipt_pdu, taken, text_pdu


class IdCase(SynchronousTestCase):
    def test_notation(self) -> None:
        """What an operator would call it."""
        for ids, name in (
            (["1", "23"], "decimal (1)"),
            (["0001", "0002"], "decimal with leading zeros (0001)"),
            (["0"], "decimal (0)"),
            (["10", "1f"], "hexadecimal (10)"),
            (["0xAB"], "hexadecimal (0xAB)"),
            (["6ba7b810-9dad-41d1-80b4-00c04fd430c8"], "UUID (6ba7b810-9dad-41d1-80b4-00c04fd430c8)"),
            (["msg:1"], "of a form of its own (msg:1)"),
            (["²"], "of a form of its own (²)"),
        ):
            self.assertEqual(findings.notation(ids), name)

    def test_agreement(self) -> None:
        """As it is, up to writing, or as the same number."""
        for response_ids, receipt_ids, sentence in (
            (["100", "101"], ["100", "101"], "the same as in the response"),
            (["ab", "ac"], ["00AB", "00AC"], "the same but for case, dashes or leading zeros"),
            (["64", "65"], ["100", "101"], f"the same number: {HEX}"),
            (["100", "101"], ["64", "65"], f"the same number: {DEC}"),
            (["100"], ["7"], "they agree in no notation"),
            (["100"], [], ""),
        ):
            found = evidence(*map(taken, response_ids), pdus=[receipt_pdu(one) for one in receipt_ids])
            self.assertEqual(findings.agreement(found), sentence)

    def test_a_series_that_overlaps_itself(self) -> None:
        """Hexadecimal 10 to 17 and decimal 16 to 23 have members in common: most receipts decide, not the first."""
        trials = [taken(f"{number:x}", at=float(number)) for number in range(16, 24)]
        found = evidence(*trials, pdus=[receipt_pdu(str(number)) for number in range(16, 24)])
        self.assertIn(HEX, findings.agreement(found))
        by_trial = findings.attributed(found).by_trial
        self.assertEqual(
            [[one.read.smsc_id for one in by_trial[trial]] for trial in trials],
            [[str(number)] for number in range(16, 24)],
        )
        self.assertEqual(findings.receipts_missing(found), 0)


class ReceiptCase(SynchronousTestCase):
    def form(self, *pdus: PDU) -> list[str]:
        return findings.receipt_form(evidence(taken("1"), pdus=pdus).receipts)

    def test_form(self) -> None:
        """Mark, TLVs, the place of the text, and what it has."""
        self.assertEqual(
            self.form(receipt_pdu("1")),
            [
                "marked in esm_class",
                "TLV receipted_message_id",
                "TLV message_state",
                "text in short_message",
                "text with id and stat",
            ],
        )
        self.assertEqual(
            self.form(receipt_pdu("1", tlvs=False, marked=False, in_payload=True)),
            ["not marked in esm_class", "no TLVs", "text in message_payload", "text with id and stat"],
        )

    def test_they_differ(self) -> None:
        """How many of them."""
        phrases = self.form(receipt_pdu("1"), receipt_pdu("1", tlvs=False, marked=False))
        self.assertIn("marked in esm_class (1 of 2)", phrases)
        self.assertIn("TLV message_state (1 of 2)", phrases)

    def test_text_and_tlv_at_odds(self) -> None:
        """The id in the text is another one; or there is no text."""
        pdu = receipt_pdu("1")
        pdu.fields["short_message"] = pdu.fields["short_message"].replace(b"id:1 ", b"id:0099 ")
        self.assertIn("the id in the text is not that of the TLV", self.form(pdu))
        pdu.fields["short_message"] = b""
        self.assertIn("no id in the text", self.form(pdu))

    def test_times(self) -> None:
        """From the submit; a mere progress is no end."""
        first, second = taken("1", at=0.0), taken("2", at=1.0, answered_at=4.0)
        found = evidence(first, second, pdus=[receipt_pdu("1"), receipt_pdu("2")])
        self.assertEqual(findings.response_times(found), (1.75, 3.0))
        self.assertEqual(findings.receipt_times(found), (1.5, 2.0))
        progress = receipt_pdu("1")
        progress.fields["esm_class"] = EsmClass.INTERMEDIATE_NOTIFICATION
        self.assertEqual(findings.receipts_missing(evidence(first, pdus=[progress])), 1)


class AlphabetCase(SynchronousTestCase):
    def test_quotes(self) -> None:
        """What was sent, how the receipt quotes it, and what that says; empty: nothing, None: not to be found."""
        septets, gsm_as_latin1 = b"\0\x11\x1b<\x1b>", "¡§ÄÑ"
        cases: tuple[tuple[str, bytes, str | None], ...] = (
            ("gsm7", b"Test @_[]\xe9: please", "gsm7"),
            ("gsm7", b"Test @_[]?: please", "gsm7"),
            ("gsm7", b"Test " + septets + b"\5: please", ""),
            ("gsm7", b"Test ???<?>?: pleas", "latin1"),
            ("gsm7", b"Test ...<.>.: pleas", "latin1"),
            ("gsm7", b"Test <>: please answ", "latin1"),
            ("gsm7", b"please answer", None),
            ("latin1", b"Test @_[]\xe9", ""),
            ("latin1", b"Test " + septets + b"\5", "latin1"),
            ("latin1", b"Test " + gsm_as_latin1.encode("latin-1"), "gsm7"),
            ("latin1", b"Test " + gsm_as_latin1.encode(), "gsm7"),
            ("ascii", b"Test " + gsm_as_latin1.encode(), "gsm7"),
            ("ascii", b"Test " + septets, "ascii"),
            ("gsm7-packed", b"Test @_[]\xe9", "gsm7-packed"),
            ("gsm7-packed", b"\xd4\xf2", None),
        )
        for sent_as, quote, name in cases:
            self.assertEqual(findings.alphabet_by_quote(sent_as, quote), name, (sent_as, quote))

    def test_every_reading_of_the_simulator(self) -> None:
        """An SMSC that quotes what it reads: each pair of what was sent and what it takes data_coding 0 for."""
        for sent_as in ("gsm7", "latin1", "ascii"):
            octets = alphabets.encode_text(MARK, sent_as)
            for meant in ("gsm7", "latin1", "ascii"):
                quote = alphabets.decode_text(octets, meant).encode("latin-1", "replace")
                name = findings.alphabet_by_quote(sent_as, quote)
                self.assertIn(name, ("", meant, "latin1" if meant == "ascii" else meant), (sent_as, meant))

    def test_where_the_quote_is(self) -> None:
        """Behind ``text:``, in short_message or message_payload, in UTF-16 too; empty where there is none."""
        for pdu in (receipt_pdu("1", text=b"@_[]"), receipt_pdu("1", text=b"@_[]", in_payload=True)):
            self.assertEqual(findings.quoted(pdu), b"@_[]")
        pdu = receipt_pdu("1", text=b"@_[]")
        pdu.fields["short_message"] = pdu.fields["short_message"].decode().encode("utf-16-be")
        self.assertEqual(findings.quoted(pdu), b"@_[]")
        pdu.fields["short_message"] = b"id:1 stat:DELIVRD"
        self.assertEqual(findings.quoted(pdu), b"")

    def test_answers(self) -> None:
        """A text that came back tells by its octets; one in UCS-2 tells nothing."""
        for default_alphabet in ("gsm7", "gsm7-packed", "latin1"):
            self.assertEqual(signs_read_as(text_pdu("@_[]é ok", default_alphabet=default_alphabet)), default_alphabet)
        self.assertEqual(signs_read_as(text_pdu("@_[]", default_alphabet="ascii")), "ascii")
        self.assertEqual(signs_read_as(text_pdu("@_[] سلام")), "")
        self.assertIsNone(signs_read_as(text_pdu("hello")))

    def test_an_answer_outweighs_a_quote(self) -> None:
        """And without either the table says why it is not known."""
        quote, answer = receipt_pdu("1", text=b"Test @_[]"), text_pdu("@_[]é", default_alphabet="latin1")
        for pdus, name, why in (
            ([quote, answer], "latin1", "sent back"),
            ([quote], "gsm7", "quotes"),
            ([], "", "no receipt"),
            ([receipt_pdu("1", text=b"Test \0\x11\x1b<\x1b>")], "", "as it was sent"),
            ([receipt_pdu("1", text=b"xyz")], "", "tells nothing"),
        ):
            found = findings.default_alphabet(evidence(taken("1"), pdus=pdus), "gsm7")
            self.assertEqual(found.name, name)
            self.assertIn(why, found.why)
        found = findings.default_alphabet(evidence(taken("1", data_coding=0xF1), pdus=[quote]), "gsm7")
        self.assertEqual(found.name, "")


class FormCase(SynchronousTestCase):
    def test_fates(self) -> None:
        """Each segment's, in words; good is only what all segments came through with."""
        refused = taken("", "sar", status=Status.ESME_ROPTPARNOTALLWD)
        cases: tuple[tuple[list[Trial], list[PDU], bool, str], ...] = (
            ([taken("1", "sar"), taken("2", "sar")], [], True, "taken"),
            (
                [taken("1", "sar"), refused],
                [],
                False,
                "taken (1 of 2), refused: ESME_ROPTPARNOTALLWD (TLV not allowed) (1 of 2)",
            ),
            ([taken("", "sar", status=None, unanswered="no response in 15 s")], [], False, "no response in 15 s"),
            ([taken("", "sar", status=None, sent_at=None)], [], False, "not tried"),
            ([taken("1", "sar")], [receipt_pdu("1")], True, "taken, receipts 1 of 1: DELIVRD err 000"),
            (
                [taken("1", "sar")],
                [receipt_pdu("1", final=UNDELIVERABLE)],
                False,
                "taken, receipts 1 of 1: UNDELIV err 001",
            ),
        )
        for trials, pdus, good, said in cases:
            self.assertEqual(findings.of_form(evidence(*trials, pdus=pdus), "sar"), ("sar", good, not good, said))
        lost = taken("", "sar", status=None, unanswered="no response in 15 s")
        found = findings.of_form(evidence(taken("1", "sar"), lost), "sar")
        self.assertEqual((found.good, found.bad), (False, False), "a response may be lost by chance")
        self.assertFalse(findings.of_form(evidence(), "sar").good)

    def test_advisable(self) -> None:
        """A form that works is kept; else the first that does. An alphabet is named only if it is known and other."""
        every, only_sar = [taken("1", form) for form in TRIED_FORMS], [taken("1", "sar")]
        short, latin1 = taken("9"), receipt_pdu("9", text=b"Test ???<?>?")
        cases: tuple[tuple[list[Trial], list[PDU], str, str, dict[str, str]], ...] = (
            (every, [], "gsm7", "udh8", {}),
            (every, [], "gsm7", "payload", {}),
            (only_sar, [], "gsm7", "udh8", {"long_messages": "sar"}),
            (only_sar, [], "gsm7", "sar", {}),
            ([taken("1", "udh8")], [], "gsm7", "sar", {"long_messages": "udh8"}),
            ([], [], "gsm7", "udh8", {}),
            ([short, *every], [latin1], "gsm7", "udh8", {"alphabet": "latin1"}),
            ([short, *only_sar], [latin1], "gsm7", "udh8", {"alphabet": "latin1", "long_messages": "sar"}),
            ([short, *every], [receipt_pdu("9", text=b"Test @_[]")], "gsm7", "udh8", {}),
        )
        for trials, pdus, alphabet, form, keys in cases:
            self.assertEqual(findings.advisable(evidence(*trials, pdus=pdus), alphabet, form), keys)

"""``smsconnector doctor``: its findings from octets and events, and its visit to the simulated SMSC in memory."""

import argparse
import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from twisted.internet import error
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.smpp.settings import BindSection
from smsconnector.config import parse
from smsconnector.doctor import findings
from smsconnector.doctor.advice import trouble
from smsconnector.doctor.evidence import MARK, SHORT, Evidence, Line, TLSFacts, Trial, signs_read_as
from smsconnector.doctor.plan import LONG_TEXT, PASSWORD_VARIABLE, TRIED_FORMS, Plan, make_plan
from smsconnector.doctor.rendering import announcement, configuration, render_report, seconds
from smsconnector.doctor.session import Visit
from smsconnector.messages import Segment
from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.rendering import DELIVERED, UNDELIVERABLE, receipt, texts_from_handset
from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import CommandId, EsmClass, Status, Tag
from smsconnector.smpp.pdu import PDU
from smsconnector.sms import alphabet as alphabets
from tests.configured import binds_of
from tests.unit.channels.smpp.test_channel import Wires

NUMBER = "923001234567"
BIND = BindSection(name="a", endpoint="tcp:smsc.example:2775", system_id="me", password="secret")  # type: ignore[arg-type]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEX = "hexadecimal in the response, decimal in the receipt"
DEC = "decimal in the response, hexadecimal in the receipt"


def taken(message_id: str, form: str = SHORT, at: float = 0.0, **more: Any) -> Trial:
    """A submit that the SMSC took half a second after ``at``."""
    segment = Segment(1, 1, 1, "hello", "gsm7", None, NUMBER, 0)
    settings: dict[str, Any] = {"sent_at": at, "answered_at": at + 0.5, "status": 0, "message_id": message_id} | more
    return Trial(form, segment, **settings)


def receipt_pdu(message_id: str, source: str = NUMBER, text: bytes = b"hello", **more: Any) -> PDU:
    """As the simulator writes it."""
    settings: dict[str, Any] = {"final": DELIVERED, "tlvs": True} | more
    addresses = (b"\1\1" + source.encode() + b"\0", b"\3\x008228\0")
    body = receipt(*addresses, message_id, submitted=b"2601010000", done=b"2601010000", text=text, **settings)
    return codec.decode(codec.with_body(CommandId.deliver_sm, 1, body))


def text_pdu(text: str, source: str = NUMBER, default_alphabet: str = "gsm7") -> PDU:
    (body,) = texts_from_handset(source, "8228", text, 1, default_alphabet)
    return codec.decode(codec.with_body(CommandId.deliver_sm, 1, body))


def evidence(*trials: Trial, pdus: "tuple[PDU, ...] | list[PDU]" = ()) -> Evidence:
    """With these submits, and what came after them."""
    found = Evidence((NUMBER,), trials=list(trials))
    for pdu in pdus:
        found.delivered("line", pdu, 2.0)
    found.decide(at_the_end=True)
    return found


class WhoseCase(SynchronousTestCase):
    """A deliver_sm is acknowledged only if it is of our own submits; everything else goes back."""

    def decided(self, found: Evidence, *pdus: PDU, at_the_end: bool = False) -> list[int]:
        for pdu in pdus:
            found.delivered("line", pdu, 1.0)
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
        by_trial = findings.attributed(found)[1]
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


class PlanCase(SynchronousTestCase):
    def options(self, **given: Any) -> argparse.Namespace:
        names = ("bind", "host", "system_id", "system_type", "password_file", "ca_file", "source")
        defaults: dict[str, Any] = {"config": "c.yaml", "to": [], "wait": 15.0} | dict.fromkeys(names)
        return argparse.Namespace(**(defaults | given))

    def configured(self) -> str:
        path = self.mktemp()
        binds = (
            "[{name: a, endpoint: 'tcp:h:1', system_id: me, password: hunter2, window: 7, alphabet: latin1}, "
            "{name: r, endpoint: 'tcp:h:1', system_id: me, mode: receiver}, "
            "{name: o, endpoint: 'outbind:0.0.0.0:1', system_id: me, outbind_system_id: s, "
            "outbind_password: p}]"
        )
        Path(path).write_text(f"channels: {{one: {{type: smpp, binds: {binds}}}, two: {{type: smpp, binds: {binds}}}}}")
        return path

    def test_wrong_usage(self) -> None:
        """One sentence that says what to do; never the password."""
        here, config = {PASSWORD_VARIABLE: "hunter2"}, self.configured()
        host = {"host": "tcp:h:1", "system_id": "me"}
        bind = {"config": config, "bind": "one/a"}
        secret = Path(self.mktemp())
        secret.write_text("hunter2ü")
        cases: tuple[tuple[dict[str, Any], dict[str, str], str], ...] = (
            ({}, here, "--bind NAME"),
            ({"bind": "a", **host}, here, "--bind NAME"),
            ({"host": "tcp:h:1"}, here, "needs --system-id"),
            (host, {}, f"environment variable {PASSWORD_VARIABLE}"),
            (host, {PASSWORD_VARIABLE: "hunter2\n"}, "printable"),
            (host, {PASSWORD_VARIABLE: "hunter2ü"}, "ASCII"),
            ({**host, "password_file": str(secret)}, {}, "ASCII"),
            ({**host, "password_file": "nowhere"}, {}, "nowhere can't be read"),
            ({**host, "host": "h:1"}, here, "--host: 'h:1' is no SMSC endpoint"),
            ({**host, "host": "outbind:0.0.0.0:1"}, here, "outbind"),
            ({**host, "system_id": "x" * 16}, here, "--system-id: "),
            ({**host, "to": ["12"]}, here, "--to '12' is not a phone number"),
            ({**host, "to": ["me"]}, here, "is not a phone number"),
            ({**host, "source": "8228"}, here, "name a number"),
            ({**host, "to": ["12345"], "source": "x" * 12}, here, "--from is neither a number of up to 20 digits"),
            ({**host, "wait": -1.0}, here, "--wait has to be"),
            ({**host, "wait": float("nan")}, here, "--wait has to be"),
            ({**bind, "bind": "b"}, here, "say one of one/a, one/r, one/o, two/a"),
            ({**bind, "bind": "a"}, here, "more than one bind"),
            ({**bind, "system_id": "me"}, here, "--system-id goes with --host"),
            ({**bind, "bind": "two/r", "to": ["12345"]}, here, "is a receiver"),
            ({**bind, "bind": "one/o"}, here, "outbind"),
        )
        for given, environment, sentence in cases:
            with self.assertRaises(ValueError) as caught:
                make_plan(self.options(**given), environment)
            self.assertIn(sentence, str(caught.exception))
            self.assertNotIn("hunter2", str(caught.exception))

    def test_from_the_configuration(self) -> None:
        """The session and the submits are the connector's own, but one at a time and with receipts."""
        plan = make_plan(self.options(config=self.configured(), bind="two/a", to=["+92 300-1234567"] * 2, source="8"))
        self.assertEqual((plan.place, plan.numbers, plan.bind.source), ("channels.two.binds, a", (NUMBER,), "8"))
        session, submit = plan.session("transceiver"), plan.submit("sar")
        self.assertEqual((session.password, session.window, session.response_timeout), ("hunter2", 1, 15.0))
        self.assertEqual((submit.default_alphabet, submit.form, submit.source), ("latin1", "sar", "8"))
        for asked in ("none", "failure", "final"):
            bind = BIND.model_copy(update={"registered_delivery": asked, "intermediate_notifications": True})
            self.assertEqual(Plan(bind).submit("udh8").registered_delivery, 0x11)

    def test_numbers_as_the_door_reads_them(self) -> None:
        """What the doctor sends to is what the daemon would send to: the international prefix 00 comes off."""
        here = {PASSWORD_VARIABLE: "hunter2"}
        for written in ("00923001234567", "+92 300-1234567", "0092 (300) 123.4567", "+92 300/1234567"):
            options = self.options(host="tcp:h:1", system_id="me", to=[written], source=written)
            plan = make_plan(options, here)
            self.assertEqual((plan.numbers, plan.bind.source), ((NUMBER,), NUMBER), written)

    def test_password_from_the_environment(self) -> None:
        """It is used, and the entry names the variable rather than it."""
        plan = make_plan(self.options(host="tcp:h:1", system_id="me"), {PASSWORD_VARIABLE: "hunter2"})
        self.assertEqual(plan.session("transceiver").password, "hunter2")
        self.assertNotIn("hunter2", str((plan, configuration(Evidence(), plan), announcement(plan))))

    def test_trials(self) -> None:
        """To each number one short text and one long text in each form; the signs are where a receipt quotes."""
        trials = list(Plan(BIND, (NUMBER, "12345")).trials())
        counts = [(SHORT, 1), ("udh8", 2), ("udh16", 2), ("sar", 2), ("payload", 1)]
        forms = [form for form, count in counts for _ in range(count)]
        self.assertEqual([trial.form for trial in trials], forms * 2)
        self.assertEqual(len({trial.segment.id for trial in trials}), 16)
        self.assertLess(trials[0].segment.text.index(MARK) + len(MARK), 20)
        for alphabet in ("gsm7", "gsm7-packed", "latin1", "ascii"):
            plan = Plan(BIND.model_copy(update={"alphabet": alphabet}), (NUMBER,))
            alphabets.encode_text(next(plan.trials()).segment.text, alphabet)  # or it would not go with data_coding 0


class AdviceCase(SynchronousTestCase):
    def told(self, bind: BindSection = BIND, **line: Any) -> str:
        return " ".join(trouble(Line("transceiver", **line), bind))

    def test_refusals(self) -> None:
        """Each status has what to do; one that no table knows says whom to ask."""
        for status, words in (
            (Status.ESME_RINVPASWD, "invalid password"),
            (Status.ESME_RINVPASWD, "mend password"),
            (Status.ESME_RINVSYSID, "mend system_id"),
            (Status.ESME_RINVSYSTYP, "set system_type"),
            (Status.ESME_RBINDFAIL, "whitelist"),
            (Status.ESME_RALYBND, "already bound"),
            (Status.ESME_RALYBND, "stop the connector"),
            (Status.ESME_RINVCMDID, "mode: pair"),
            (Status.ESME_RSYSERR, "later"),
            (0x422, "0x00000422"),
            (0x422, "Ask the carrier"),
        ):
            self.assertIn(words, self.told(connected_in=0.1, status=int(status)))

    def test_long_password(self) -> None:
        """More than eight characters is said, but not which."""
        (bind,) = binds_of(
            parse(
                "channels: {a: {type: smpp, binds: [{name: a, endpoint: 'tcp:h:1', system_id: me, "
                "password: hunter2hunter2}]}}"
            ),
            "a",
        )
        said = self.told(bind, connected_in=0.1, status=Status.ESME_RINVPASWD)
        self.assertIn("8 characters", said)
        self.assertNotIn("hunter2", said)

    def test_no_connection(self) -> None:
        """Refused, not known, no answer, no way, anything else."""
        for failure, words in (
            (error.ConnectionRefusedError(), "refuses connections to port 2775"),
            (error.DNSLookupError(), "name smsc.example is not known"),
            (error.TimeoutError(), "whitelist"),
            (error.NoRouteError(), "no way to smsc.example"),
            (ValueError("x.pem holds no certificate"), "x.pem holds no certificate"),
            (error.ConnectError(osError=113), "smsc.example:2775"),
            (RuntimeError(), "RuntimeError"),
            (None, "ended before"),
        ):
            self.assertIn(words, self.told(failure=failure, ended="no connection"))

    def test_tls(self) -> None:
        """Why a certificate is not good."""
        for fault, words in (
            (10, "no longer valid"),
            (9, "clock"),
            (18, "signed by itself"),
            (20, "ca_file"),
            (77, "error 77"),
        ):
            self.assertIn(words, self.told(connected_in=0.1, tls=TLSFacts(fault=fault), ended="x"))

    def test_no_answer(self) -> None:
        """To the bind: what a peer does that is no SMSC, or one that does not want us."""
        for ended, words in (
            ("the SMSC closed the connection", "whitelist"),
            ("no answer to the bind within 10 s", "waits for TLS"),
            ("command_length 5 is outside 16..65536: the stream's framing is lost", "no SMPP"),
        ):
            self.assertIn(words, self.told(connected_in=0.1, ended=ended))
            self.assertNotIn("waits for TLS", self.told(connected_in=0.1, ended=ended, tls=TLSFacts(took=0.1)))


class RenderingCase(SynchronousTestCase):
    def test_seconds(self) -> None:
        """Three figures at most."""
        self.assertEqual(
            [seconds(one) for one in (0.00042, 0.012, 0.12, 1.25, 90)],
            ["0.4 ms", "12.0 ms", "120 ms", "1.2 s", "90.0 s"],
        )

    def test_what_a_peer_writes_can_t_steer_a_terminal(self) -> None:
        """Control characters show as what they are."""
        line = Line("transceiver", connected_in=0.1, status=0, smsc="\x1b[31mred\n")
        text = "\n".join(render_report(Evidence(lines=[line]), Plan(BIND), NOW))
        self.assertNotIn("\x1b", text)
        self.assertIn(r"\x1b[31mred\x0a", text)

    def test_certificate(self) -> None:
        """Its end, how far that is, and by what it was verified."""
        bind = BIND.model_copy(update={"tls": BIND.tls.model_copy(update={"ca_file": "ca.pem"})})
        for ends, took, words in (
            (datetime(2026, 1, 11, tzinfo=UTC), 0.1, "2026-01-11, in 10 days (soon)"),
            (datetime(2027, 1, 1, tzinfo=UTC), 0.1, "in 365 days"),
            (datetime(2025, 12, 30, tzinfo=UTC), None, "2 days ago"),
            (datetime(2027, 1, 1, tzinfo=UTC), 0.1, "by ca.pem: CN=root"),
            (datetime(2027, 1, 1, tzinfo=UTC), None, "no, not by ca.pem; it is signed by CN=root"),
        ):
            tls = TLSFacts("TLSv1.3", "AES", took, "CN=smsc", ends=ends, authority="CN=root")
            line = Line("transceiver", connected_in=0.1, tls=tls, ended="x")
            self.assertIn(words, "\n".join(render_report(Evidence(lines=[line]), Plan(bind), NOW)))

    def test_configuration_can_be_pasted(self) -> None:
        """The entry of an SMSC that is in no configuration is one that the connector takes."""
        entry = {
            "name": "smsc",
            "endpoint": "tls:h:1",
            "system_id": "yes",
            "password": "${X}",
            "tls": {"server_name": "smsc.example"},
        }
        lines = configuration(evidence(taken("1", "sar")), Plan(BIND, entry=entry))[2:]
        binds = yaml.safe_load("\n".join(lines))
        self.assertEqual(binds, [entry | {"long_messages": "sar"}])
        text = yaml.safe_dump({"channels": {"smpp": {"type": "smpp", "binds": binds}}})
        self.assertEqual(binds_of(parse(text, {"X": "hunter2"}))[0].long_messages, "sar")

    def test_lines_for_a_bind(self) -> None:
        """Only what has to change; or that nothing has to."""
        plan = Plan(BIND, place="channels.smpp.binds, a")
        self.assertEqual(configuration(evidence(taken("1", "sar")), plan)[1:], ["", "  long_messages: sar"])
        self.assertIn("needs no change", configuration(evidence(taken("1", "udh8")), plan)[0])


@dataclasses.dataclass
class Endpoint:
    """One whose attempt is what the test makes of it."""

    attempt: "Deferred[Any]"

    def connect(self, _factory: Any) -> "Deferred[Any]":
        return self.attempt


class VisitCase(SynchronousTestCase):
    """The walk, on a Clock, against the simulated SMSC."""

    def visit(
        self, numbers: tuple[str, ...] = (NUMBER,), wait: float = 15.0, bind: BindSection = BIND, **behaviour: Any
    ) -> Evidence:
        self.begin(numbers, wait, bind, **behaviour)
        self.turn(60)
        self.assertTrue(self.ended, "the visit did not end in its time")
        return self.found.evidence

    def begin(
        self,
        numbers: tuple[str, ...] = (NUMBER,),
        wait: float = 15.0,
        bind: BindSection = BIND,
        endpoint: Any = None,
        **behaviour: Any,
    ) -> None:
        self.clock = Clock()
        self.smsc = SMSC(self.clock, Behaviour(**behaviour))
        self.smsc.startFactory()
        self.addCleanup(self.smsc.stopFactory)
        self.wires, self.said, self.ended = Wires(self.smsc), [], []
        self.plan = Plan(bind, numbers, wait, "channels.smpp.binds, a")
        self.found = Visit(self.clock, lambda: endpoint or self.wires, self.plan, self.said.append)
        self.found.visit().addBoth(self.ended.append)

    def turn(self, seconds: float) -> None:
        """Let time pass in small steps, and octets with it, until the visit ends."""
        for _ in range(int(seconds / 0.05)):
            self.wires.pump()
            if self.ended:
                break
            self.clock.advance(0.05)

    def table(self) -> str:
        """The report, every line of it without the blanks around."""
        return "\n".join(line.strip() for line in render_report(self.found.evidence, self.plan, NOW))

    def test_nothing_is_sent_unasked(self) -> None:
        """Connect, bind, enquire_link, unbind; the SMSC is left without a session and without a text."""
        found = self.visit(numbers=(), name="carrier", interface_version="5.0")
        self.assertEqual((self.smsc.counts.submits, self.smsc.counts.binds, self.wires.pairs), (0, 1, []))
        (line,) = found.lines
        self.assertEqual((line.bound, line.smsc, line.version, line.ended), (True, "carrier", 0x50, "unbound"))
        self.assertIsNotNone(line.link_took)
        self.assertIn("carrier, SMPP 5.0", self.table())
        self.assertEqual(self.ended, [None])

    def test_all_is_well(self) -> None:
        """Every form is taken, each receipt comes, the handset answers: it ends before the wait does."""
        found = self.visit(receipt_delay=2.0, response_delay=0.1, echo=True, congestion_state=30)
        self.assertEqual({trial.status for trial in found.trials}, {0})
        self.assertEqual((len(found.receipts), findings.receipts_missing(found), found.handed_back), (8, 0, 0))
        self.assertEqual(self.smsc.counts.refused_for_good, 0)
        self.assertLess(self.clock.seconds(), 10)
        table = self.table()
        for words in (
            "8 sent, 8 taken",
            "congestion_state up to 30 %",
            "decimal (1)",
            "the same as in the response",
            "marked in esm_class",
            "gsm7: by the text that",
            "needs no change",
        ):
            self.assertIn(words, table)
        self.assertIn("8 submit_sm", self.said[0])

    def test_a_carrier_of_its_own_kind(self) -> None:
        """One that takes two forms, reads Latin-1, and writes ids in two notations: the lines to configure."""
        self.visit(
            long_messages="sar,payload",
            default_alphabet="latin1",
            receipt_readable=True,
            first_id=0xABCDE,
            id_form="hex-response-decimal-receipt",
            receipt_mark=False,
            receipt_tlvs=False,
            receipt_payload=True,
        )
        table = self.table()
        self.assertRegex(table, r"udh8 +refused: ESME_RINVESMCLASS")
        self.assertRegex(table, r"sar +taken, receipts 2 of 2")
        for words in (
            f"decimal (703710); the same number: {HEX}",
            "not marked in esm_class",
            "no TLVs",
            "text in message_payload",
            "alphabet: latin1\nlong_messages: sar",
        ):
            self.assertIn(words, table)

    def test_a_connector_beside_it_loses_nothing(self) -> None:
        """Receipts and texts of others are handed back, and are all there for the next session."""
        self.begin(wait=3.0, redelivery_delay=0.5)
        for text in ("Hello", "I have a question"):
            self.smsc.send_mo("4915112345678", "8228", text, "me")
        self.turn(30)
        self.assertEqual(self.found.evidence.handed_back, 2)
        self.assertEqual(self.smsc.counts.acknowledged, 8)
        self.clock.advance(1)
        self.assertEqual(len(self.smsc.accounts["me"].waiting), 2)
        self.assertIn("2 receipts or texts that are not of this test", self.table())

    def test_receipt_before_the_response(self) -> None:
        """Is ours, and not handed back."""
        found = self.visit(wait=2.0, receipt_before_response_share=1.0)
        self.assertEqual((len(found.receipts), found.handed_back), (8, 0))

    def test_no_receipts(self) -> None:
        """It waits as long as was asked for, and says how many are missing."""
        self.visit(wait=4.0, lost_receipt_share=1.0)
        self.assertTrue(4.0 <= self.clock.seconds() < 6.0, self.clock.seconds())
        self.assertRegex(self.table(), r"missing +8 final receipts within 4 s")

    def test_no_responses(self) -> None:
        """An SMSC that answers no submit is left alone after a few."""
        found = self.visit(wait=2.0, lost_response_share=1.0)
        self.assertEqual([bool(trial.sent_at is not None) for trial in found.trials], [True] * 3 + [False] * 5)
        self.assertIn("no response in 2 s", self.table())
        self.assertIn("not tried", self.table())

    def test_throttled(self) -> None:
        """Throttling says nothing about a form: it is tried again, and an operator told about the rate."""
        found = self.visit(throughput=1.0)
        self.assertEqual({trial.status for trial in found.trials}, {0})
        self.assertGreater(found.throttled, 2)
        self.assertIn("set\nthroughput to that", self.table())

    def test_configured_throughput(self) -> None:
        """Is kept: two a second."""
        found = self.visit(bind=BIND.model_copy(update={"throughput": 2.0}), throughput=2.0)
        self.assertEqual(found.throttled, 0)
        sent = [trial.sent_at for trial in found.trials]
        assert sent[0] is not None and sent[-1] is not None
        self.assertGreaterEqual(sent[-1] - sent[0], 3.0)

    def test_refused(self) -> None:
        """The bind: why, and what to do; the other system_id's session is not touched."""
        found = self.visit(password="other", numbers=(NUMBER,))
        self.assertEqual((found.bound, found.trials, self.wires.pairs), (False, [], []))
        self.assertIn("ESME_RINVPASWD (invalid password)", self.table())
        self.assertNotIn("secret", self.table())

    def test_connection_refused(self) -> None:
        """No connection is an answer too."""
        self.begin((), endpoint=Endpoint(fail(error.ConnectionRefusedError())))
        self.assertEqual((self.ended, self.found.evidence.bound), ([None], False))
        self.assertIn("refuses connections to port 2775", self.table())

    def test_dropped_in_the_middle(self) -> None:
        """What was seen before is told; the bind had come up."""
        found = self.visit(drop_connection_every=3)
        self.assertTrue(found.bound)
        self.assertIn("ended early", self.table())
        self.assertIn("no response: the SMSC closed the connection", self.table())

    def test_pair(self) -> None:
        """A transmitter and a receiver: texts by the one, receipts by the other."""
        found = self.visit(bind=BIND.model_copy(update={"mode": "pair"}), wait=3.0)
        self.assertEqual([line.mode for line in found.lines], ["transmitter", "receiver"])
        self.assertEqual((len(found.receipts), self.smsc.counts.binds), (8, 2))
        self.assertTrue(all(line.link_took is not None for line in found.lines))

    def test_half_a_pair(self) -> None:
        """Where the one is refused, the other is not tried: its refusal would be the same, and count at the SMSC."""
        found = self.visit(bind=BIND.model_copy(update={"mode": "pair"}), password="other")
        self.assertEqual([line.status for line in found.lines], [Status.ESME_RINVPASWD])

    def test_two_numbers(self) -> None:
        """Each gets everything, and no other number anything."""
        self.visit(numbers=(NUMBER, "4915112345678"), wait=2.0)
        self.assertEqual({entry.destination for entry in self.smsc.ledger}, {NUMBER, "4915112345678"})
        self.assertEqual(len(self.smsc.ledger), 16)

    def test_stop(self) -> None:
        """At any moment: unbind, and the table of what was seen until then."""
        for passed in (0.0, 0.1, 0.5, 2.0):
            self.begin(lost_receipt_share=1.0, response_delay=0.1)
            self.turn(passed)
            self.found.stop()
            self.turn(5)
            self.assertEqual((self.ended, self.wires.pairs), ([None], []), passed)
            self.assertIn("interrupted", self.table())

    def test_stop_while_connecting(self) -> None:
        """The attempt is given up."""
        self.begin((), endpoint=Endpoint(Deferred()))
        self.assertEqual(self.ended, [])
        self.found.stop()
        self.assertEqual(self.ended, [None])
        self.assertFalse(self.found.evidence.bound)

    def silence(self) -> None:
        """From now on the SMSC answers nothing, and does not even close."""
        self.wires.pump = lambda: None  # type: ignore[method-assign]
        self.turn(60)
        self.assertEqual(self.ended, [None])

    def test_silence_to_the_bind(self) -> None:
        """No session."""
        self.begin(())
        self.silence()
        self.assertFalse(self.found.evidence.bound)
        self.assertIn("no answer to the bind within 10 s", self.table())

    def test_silence_to_enquire_link_and_unbind(self) -> None:
        """An SMSC that says nothing any more does not keep it."""
        self.begin(())
        near, far = self.wires.pairs[0]
        far.dataReceived(near.transport.value())
        near.transport.clear()
        near.dataReceived(far.transport.value())
        self.silence()
        self.assertRegex(self.table(), "enquire_link +no answer")

    def test_tags_are_not_in_the_way(self) -> None:
        """What the bind adds to each submit goes with the doctor's too."""
        seen: list[PDU] = []
        bind = BIND.model_copy(update={"tlvs": {"0x1400": "x"}, "service_type": "CMT"})
        self.begin(wait=1.0, bind=bind)
        far = self.wires.pairs[0][1]
        receive = far.dataReceived

        def look(data: bytes) -> None:
            seen.extend(codec.decode(octets) for octets in codec.Framer().feed(data))
            receive(data)

        far.dataReceived = look
        self.turn(20)
        submits = [pdu for pdu in seen if pdu.command_id == CommandId.submit_sm]
        self.assertEqual(len(submits), 8)
        self.assertEqual({(pdu.fields["service_type"], pdu.tlv(0x1400)) for pdu in submits}, {("CMT", b"x")})
        payload = [pdu for pdu in submits if pdu.tlv(Tag.message_payload)]
        self.assertEqual(len(payload), 1)

"""What codes mean: every table of the connector has its explanations, and the sentences can be read."""

import random

from twisted.trial.unittest import SynchronousTestCase

from smsconnector import lifecycle
from smsconnector.channels.twilio.codes import CODES, STATUSES
from smsconnector.codes import Action, Codes, Explanation, OwnMeaning, explain, explain_state, knows
from smsconnector.codes.actions import by_code, phrase, sentence
from smsconnector.codes.command_status import MEANINGS, Status, describe_status
from smsconnector.codes.http_statuses import STATUSES as HTTP_STATUSES
from smsconnector.codes.networks import (
    ANSI_136,
    ANSI_136_CAUSE,
    CAUSES,
    DENIED,
    GSM,
    GSM_ERRORS,
    IS_95,
    MESSAGE_CENTRE,
    SMPP,
)
from smsconnector.codes.twilio import TWILIO
from smsconnector.codes.words import OWN, WORDS
from smsconnector.hooks.reading import WORDS as HOOK_WORDS
from smsconnector.http.forms import PROVIDER_STATUS
from smsconnector.messages import Finality
from smsconnector.smpp import policy
from smsconnector.smpp.constants import MessageStateTLV
from smsconnector.smpp.receipt import STATUS_WORDS

OF_SMPP, OF_TWILIO = Codes("smpp"), Codes("twilio")
LISTED = Explanation("On the list.", Action.RECIPIENT_OPTED_OUT)


class TablesCase(SynchronousTestCase):
    """A table that says what is done with a code, and one that says what it means, have the same codes."""

    def test_every_status(self) -> None:
        """Every command_status of the specification but ESME_ROK, refused so or told by a network."""
        self.assertEqual(set(MEANINGS), set(Status) - {Status.ESME_ROK})
        for status in MEANINGS:
            found = explain(int(status), OF_SMPP, was_taken=False)
            self.assertTrue(found.is_known)
            self.assertIn(Status(status).name, found.text)
            self.assertEqual(explain(int(status), OF_SMPP, network_type=SMPP), found)

    def test_policy_and_action_agree(self) -> None:
        """What the policy tries again is what people are told to try later, and nothing else (SMPP 3.4 section
        5.1.3)."""
        again = {
            int(one) for one in MEANINGS if explain(int(one), OF_SMPP, was_taken=False).action is Action.RETRY_LATER
        }
        self.assertEqual(set(policy.RULES), again)
        wanted = {8: "retry", 0x45: "retry", 0x64: "retry", 0xFF: "retry", 0x102: "retry", 4: "rebind"}
        wanted |= {0x58: "throttle", 0x14: "throttle"}
        self.assertEqual({status: rule.action.value for status, rule in policy.RULES.items()}, wanted)

    def test_every_word(self) -> None:
        """Every word of receipts, of the contract and of providers' webhooks; a word of success asks for nothing."""
        for table in (STATUS_WORDS, PROVIDER_STATUS, HOOK_WORDS):
            for word, finality in table.items():
                found = explain(word)
                self.assertTrue(found.is_known, word)
                self.assertEqual(found.action is None, finality in (Finality.DELIVERED, Finality.PROGRESS), word)

    def test_every_code_of_our_own(self) -> None:
        """All of ``lifecycle``, by name: a new one is not forgotten."""
        own = {value for name, value in vars(lifecycle).items() if name.startswith("CODE_")}
        self.assertEqual(set(OWN), own)
        for code in own:
            self.assertIs(explain(code, OF_SMPP, was_taken=False), OWN[code])

    def test_every_state(self) -> None:
        """message_state by its number."""
        for state in MessageStateTLV:
            self.assertTrue(explain_state(state).is_known, state.name)
        self.assertEqual(explain_state(3).action, Action.RETRY_LATER)
        for odd in (-1, 10, 255):
            self.assertFalse(explain_state(odd).is_known)

    def test_every_code_of_twilio(self) -> None:
        """What stops, slows or ends something at Twilio's channel is explained in the same words."""
        self.assertEqual(set(CODES), set(TWILIO))
        for code, meaning in (CODES | STATUSES).items():
            found = explain(code, OF_TWILIO)
            self.assertTrue(found.is_known, code)
            self.assertEqual(phrase(found.text), meaning.title)
            self.assertEqual(explain(str(code), OF_TWILIO), found, "a callback brings it as a word")

    def test_sentences(self) -> None:
        """Each is one, and short enough to be read on a phone."""
        tables = (WORDS, OWN, TWILIO, HTTP_STATUSES, GSM_ERRORS, CAUSES, DENIED)
        texts = [one.text for table in tables for one in table.values()]
        texts += [explain(int(status), OF_SMPP, was_taken=False).text for status in MEANINGS]
        for text in texts:
            self.assertRegex(text, r"^[A-Z][^\n]{10,240}\.$")
            self.assertNotIn("..", text)
        self.assertEqual(phrase(sentence("the SIM is busy")), "the SIM is busy")
        self.assertEqual(phrase("Twilio is not available."), "Twilio is not available")
        self.assertEqual(phrase("T-Mobile takes no more."), "T-Mobile takes no more")

    def test_every_action_is_used(self) -> None:
        """The seven words that the API promises."""
        words = {"retry_later", "fix_the_number", "fix_the_sender", "fix_the_text", "fix_the_configuration"}
        self.assertEqual({one.value for one in Action}, words | {"call_the_carrier", "recipient_opted_out"})
        self.assertEqual({one.action for one in TWILIO.values()}, set(Action))

    def test_described_for_the_log(self) -> None:
        """The log's words are the table's."""
        self.assertEqual(describe_status(0), "ESME_ROK (no error)")
        self.assertEqual(describe_status(0x58), "ESME_RTHROTTLED (throttled)")

    def test_a_table_by_its_actions(self) -> None:
        """No code stands twice in a table that is written by actions: the later would hide the earlier."""
        made = by_code({None: {1: "one", 2: "two"}, Action.RETRY_LATER: {3: "three"}})
        self.assertEqual(made[3], Explanation("Three.", Action.RETRY_LATER))
        self.assertRaises(ValueError, by_code, {None: {1: "one"}, Action.RETRY_LATER: {1: "uno"}})


class WaysCase(SynchronousTestCase):
    """One code says different things by the way on which it came."""

    def test_number_of_smpp(self) -> None:
        """11 refuses as ESME_RINVDSTADR; behind an id it is GSM 09.02's teleserviceNotProvisioned."""
        refused, told = explain(11, OF_SMPP, was_taken=False), explain(11, OF_SMPP)
        self.assertIn("ESME_RINVDSTADR", refused.text)
        self.assertIn("service is not part of the contract", told.text)
        self.assertEqual((refused.action, told.action), (Action.FIX_THE_NUMBER, Action.FIX_THE_NUMBER))

    def test_networks(self) -> None:
        """The type of the network decides (SMPP 3.4 section 5.3.2.31, 5.0 section 4.8.4.42)."""
        for network_type, code, action in (
            (GSM, 1, Action.FIX_THE_NUMBER),
            (GSM, 27, Action.RETRY_LATER),
            (GSM, 0xD3, Action.RETRY_LATER),
            (ANSI_136, 1, Action.CALL_THE_CARRIER),
            (IS_95, 3, Action.RETRY_LATER),
            (IS_95, 33, Action.RETRY_LATER),
            (ANSI_136_CAUSE, 1, Action.FIX_THE_NUMBER),
            (ANSI_136_CAUSE, 96, Action.FIX_THE_TEXT),
            (SMPP, 0x0A, Action.FIX_THE_SENDER),
        ):
            found = explain(code, OF_SMPP, network_type=network_type)
            self.assertEqual((found.action, found.is_known), (action, True), (network_type, code))
        for network_type in (0, MESSAGE_CENTRE, 9, 255):
            self.assertFalse(explain(1, OF_SMPP, network_type=network_type).is_known)

    def test_our_word_and_theirs(self) -> None:
        """EXPIRED and UNKNOWN are words of receipts and of ours: whether the network had the text decides."""
        for word in ("EXPIRED", "UNKNOWN", "ACCEPTED"):
            self.assertEqual(explain(word, OF_SMPP, was_taken=False), OWN[word])
            self.assertEqual(explain(word, OF_SMPP), WORDS[word])
            self.assertNotEqual(OWN[word].text, WORDS[word].text)

    def test_no_error(self) -> None:
        """``err:000`` of a receipt, in any width; and the number 0, as HTTP providers write it."""
        for codes in (OF_SMPP, OF_TWILIO, Codes()):
            self.assertIsNone(explain(0, codes).action)
        for zeros in ("0", "000", "0000"):
            self.assertEqual(explain(zeros, OF_SMPP), Explanation("The network reports no error.", None))

    def test_no_error_beside_a_failure(self) -> None:
        """``stat:UNDELIV err:000`` and error 0 of a failed notification: the word says what the number leaves out."""
        for code in ("0", "000", 0):
            for codes in (OF_SMPP, OF_TWILIO, Codes()):
                self.assertEqual(explain(code, codes, word="undeliv"), WORDS["UNDELIV"])
                self.assertIsNone(explain(code, codes, word="DELIVRD").action)
                self.assertIsNone(explain(code, codes, word="NEVER-HEARD").action)

    def test_err_is_the_carriers_own(self) -> None:
        """A number in ``err`` is not taken for one of GSM: it is told as a hint, and counted as unknown."""
        found = explain("001", OF_SMPP)
        self.assertEqual((found.action, found.is_known), (Action.CALL_THE_CARRIER, False))
        self.assertIn("nobody has this number", found.text)
        for code in ("0x1F", "003", "0x1F", "12345"):
            self.assertNotIn("GSM", explain(code, OF_SMPP).text, "nothing that would help")

    def test_by_the_word(self) -> None:
        """Where nobody knows ``err``, the word of the receipt tells what it can; the code counts as unknown all the
        same. What is known of the code counts before the word."""
        found = explain("069", OF_SMPP, word="expired")
        self.assertEqual((found.action, found.is_known), (Action.RETRY_LATER, False))
        self.assertIn("validity", found.text)
        self.assertIn("069", found.text)
        self.assertEqual(explain("069", OF_SMPP, word="NEVER-HEARD"), explain("069", OF_SMPP))
        self.assertEqual(explain(1, OF_SMPP, word="EXPIRED"), explain(1, OF_SMPP))

    def test_configured(self) -> None:
        """What the configuration says counts first: a number and its digits are one code, leading zeros are not."""
        codes = Codes("smpp", {"a": dict.fromkeys(("069", "11", "EXPIRED"), OwnMeaning(LISTED, LISTED)), "b": {}})
        for code, account, is_it in (
            ("069", "a", True),
            ("069", None, True),
            ("069", "b", False),
            ("069", "gone", False),
            ("69", "a", False),
            (69, "a", False),
            (11, "a", True),
            ("EXPIRED", "a", True),
        ):
            self.assertEqual(explain(code, codes, account=account) == LISTED, is_it, (code, account))
        self.assertTrue(knows("069", codes))
        self.assertFalse(knows("069", OF_SMPP))

    def test_configured_by_the_way(self) -> None:
        """Vonage's 9 is "no credit" in a refusal, and "wants no texts" in a report."""
        credit = Explanation("No credit.", Action.CALL_THE_CARRIER)
        codes = Codes(own={"v": {"9": OwnMeaning(LISTED, credit)}})
        self.assertEqual(explain("9", codes, account="v"), LISTED)
        self.assertEqual(explain("9", codes, account="v", was_taken=False), credit)

    def test_numbers_of_http(self) -> None:
        """A provider without a table of its own has HTTP's statuses; 21610 is no code there."""
        self.assertEqual(explain(401).action, Action.FIX_THE_CONFIGURATION)
        self.assertEqual(explain(503, OF_TWILIO).action, Action.RETRY_LATER)
        self.assertFalse(explain(21610).is_known)
        self.assertEqual(explain("21610", OF_TWILIO).action, Action.RECIPIENT_OPTED_OUT)

    def test_anything(self) -> None:
        """Whatever an outside sends gets a sentence: no error, nothing that is not printable, no great length."""
        dice = random.Random(1)
        odd: list[int | str] = ["", "\0", "a" * 10_000, "９９９", "٣", "\ud800", "9" * 5_000, -1, 1 << 70, -(1 << 70)]
        odd += ["".join(chr(dice.randrange(1, 0x110000)) for _ in range(dice.randrange(1, 9))) for _ in range(500)]
        for code in odd:
            for codes in (OF_SMPP, OF_TWILIO, Codes()):
                for was_taken in (True, False):
                    found = explain(code, codes, was_taken=was_taken, network_type=dice.randrange(256))
                    self.assertTrue(found.text.isascii() and found.text.isprintable() and len(found.text) < 600)

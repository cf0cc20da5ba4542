"""GET of a message that has ended: what its code means. And what the health says of codes that nobody knows."""

import json
import sqlite3
from typing import Any, cast
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.codes import Action, Codes, Explanation, OwnMeaning
from smsconnector.health import Health
from smsconnector.lifecycle import EndRules
from smsconnector.messages import Finality, Outcome, Receipt, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.rows import LONGEST_CODE, MOST_CODES, StoreCounts
from tests.unit.fakes import ask
from tests.unit.http.ways import DoorCase, both_ways

OWN = Explanation("On the regulator's list.", Action.RECIPIENT_OPTED_OUT)


@both_ways
class ExplainedCase(DoorCase):
    codes = Codes("smpp", {"a": {"069": OwnMeaning(OWN, OWN)}})

    def ended(self, code: int | str | None, finality: Finality | None = None, word: str = "X") -> Any:
        """The resource of a message that was refused with the code, or, with a finality, told of by a receipt."""
        sid = self.send(To="+923001234567", Body="hi").header("X-Message-SID")
        (segment,) = self.channel.under_way
        if finality is None:
            self.channel.answer(Outcome(segment, Verdict.REFUSED, "a", code=code))
        else:
            self.channel.answer(Outcome(segment, Verdict.ACCEPTED, "a", str(segment.id)))
            self.settle()
            told = Receipt("a", str(segment.id), finality, cast(Any, code), word, received_at=int(self.now() * 1000))
            ask(self.writer.store, [ops.Receive((told,))])
        self.settle()
        return self.request("GET", f"/msg-client/messages/{sid}").json

    def test_what_it_means(self) -> None:
        """A refusal, a receipt, a code of the configuration, one that nobody knows, and a delivery."""
        for code, finality, action, words in (
            (11, None, "fix_the_number", "ESME_RINVDSTADR"),
            (0x45F, None, "call_the_carrier", "0x0000045F"),
            (11, Finality.FAILED, "fix_the_number", "service"),
            ("069", Finality.FAILED, "recipient_opted_out", "regulator"),
            ("070", Finality.FAILED, "call_the_carrier", "070"),
            ("EXPIRED", Finality.FAILED, "retry_later", "validity"),
            ("000", Finality.DELIVERED, None, "no error"),
            ("DELIVRD", Finality.DELIVERED, None, "has the text"),
            ("255", Finality.DELIVERED, None, "delivered"),
            (21610, None, "call_the_carrier", "0x0000546A"),
        ):
            resource = self.ended(code, finality)
            self.assertEqual(resource["ProviderStatusCode"], code)
            self.assertEqual(resource["Explanation"]["action"], action, (code, finality))
            self.assertIn(words, resource["Explanation"]["text"])

    def test_by_the_word_of_the_receipt(self) -> None:
        """An ``err`` that nobody knows beside a word that everybody knows."""
        explained = self.ended("070", Finality.FAILED, "EXPIRED")["Explanation"]
        self.assertEqual(explained["action"], "retry_later")
        self.assertIn("070", explained["text"])

    def test_in_a_list(self) -> None:
        """What a search finds is explained in the same words."""
        resource = self.ended("069", Finality.FAILED)
        (found,) = self.request("GET", "/msg-client/messages?to=%2B923001234567").json["messages"]
        self.assertEqual(found["Explanation"], resource["Explanation"])

    def test_taken_back(self) -> None:
        """A message that the application has cancelled: nothing is to be done."""
        self.channel.window = 0
        sid = self.send(To="+923001234567", Body="hi").header("X-Message-SID")
        resource = self.request("DELETE", f"/msg-client/messages/{sid}").json
        self.assertEqual((resource["ProviderStatusCode"], resource["Explanation"]["action"]), ("CANCELLED", None))

    def test_none_before_the_end(self) -> None:
        """A message without a code has no explanation, and the resource is as it was."""
        sid = self.send(To="+923001234567", Body="hi").header("X-Message-SID")
        resource = self.request("GET", f"/msg-client/messages/{sid}").json
        self.assertNotIn("Explanation", resource)
        self.assertIsNone(resource["ProviderStatusCode"])

    def test_the_report_is_as_it_was(self) -> None:
        """The report on the queue is the customer's contract: exactly three fields."""
        self.ended(11)
        (event,) = self.events()
        self.assertEqual(set(json.loads(event.body)), {"MessageSID", "DeliveryStatus", "ProviderStatusCode"})


class UnknownCodesCase(DoorCase):
    """Counted in the commit of the end, by channel."""

    def fail_with(self, *codes: int | str) -> None:
        for code in codes:
            self.send(To="+923001234567", Body="hi")
            (segment,) = self.channel.under_way
            self.channel.answer(Outcome(segment, Verdict.REFUSED, "a", code=code))
            self.settle()

    def measured(self) -> Any:
        return ask(self.writer.store, [ops.Measure()])[0].unknown_codes

    def test_counted(self) -> None:
        """What no table has, and what failed only."""
        known = ("11", "UNDELIV")
        self.writer.store._rules = EndRules(knows=lambda channel, code: str(code) in known)
        self.fail_with(11, "UNDELIV", "070", "070", 0x45F)
        self.assertEqual(self.measured(), {("smpp", "070"): 2, ("smpp", "1119"): 1})

    def test_rolled_back(self) -> None:
        """A batch that was not written has counted nothing."""
        self.writer.store._rules = EndRules(knows=lambda channel, code: False)
        before = self.measured()
        self.patch(self.writer.store, "_write_events", mock.Mock(side_effect=sqlite3.OperationalError("disk full")))
        self.fail_with("070")
        self.assertEqual((self.measured(), before), ({}, {}))

    def test_bounded(self) -> None:
        """An outside that sends ever new codes, each as long as it likes, takes up a bounded memory."""
        counts = StoreCounts()
        for number in range(MOST_CODES + 50):
            counts.count_unknown([("smpp", f"{number:04}" + "x" * 1000)] * 2)
        self.assertEqual(len(counts.unknown_codes), MOST_CODES + 1)
        self.assertEqual(sum(counts.unknown_codes.values()), 2 * (MOST_CODES + 50))
        self.assertEqual(counts.unknown_codes["others", "others"], 100)
        self.assertTrue(all(len(code) <= LONGEST_CODE for _, code in counts.unknown_codes))


class HealthCase(SynchronousTestCase):
    def test_shown(self) -> None:
        """By channel, and not at all while there are none."""
        measures = mock.Mock(unknown_codes={("smpp", "069"): 3, ("others", "others"): 9})
        nothing = cast(Any, None)
        for one, said in ((measures, {"smpp": {"069": 3}, "others": {"others": 9}}), (None, None)):
            admission = cast(Any, mock.Mock(measures=one))
            health = Health(nothing, nothing, {}, {}, admission, cast(Any, mock.Mock()))
            self.assertEqual(health.report().get("unknown_codes"), said)

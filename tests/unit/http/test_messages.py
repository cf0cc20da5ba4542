"""Messages as applications look at them: one with its parts, its timeline, those that fit, one that is taken back."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels import TakeBack, TakeBackAnswer, TakeBackDone
from smsconnector.codes import ANY, Action, Codes, Explanation, OwnMeaning
from smsconnector.http import resources
from smsconnector.lifecycle import MessageState, SegmentState
from smsconnector.messages import Finality, IncomingSegment, Outcome, Receipt, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.finding import FoundMessage, FoundSegment, Leg, Timeline
from smsconnector.store.segment_events import Kind, SegmentEvent
from tests.unit.fakes import ask, message
from tests.unit.http.ways import Answer, DoorCase, both_ways

TO = "+923001234567"
BASE = "/msg-client/messages"


class MessagesStage(DoorCase):
    """A channel with a window of one submit."""

    def setUp(self) -> None:
        super().setUp()
        self.channel.window = 1

    def accept(self, **fields: Any) -> str:
        """The MessageSID."""
        sid = self.send(**({"To": TO, "Body": "hi"} | fields)).header("X-Message-SID")
        self.settle()
        assert sid is not None
        return sid

    def look(self, sid: str) -> Any:
        answer = self.request("GET", f"{BASE}/{sid}")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def taken(self, smsc_id: str = "77", **fields: Any) -> None:
        """The network has taken what is under way."""
        (segment,) = self.channel.under_way
        how: dict[str, Any] = {"bind": "a", "sequence": 5, "answered_in": 12} | fields
        self.channel.answer(Outcome(segment, Verdict.ACCEPTED, "acc", smsc_id, **how))
        self.settle()

    def receipt(self, smsc_id: str, finality: Finality, status: str, code: Any = "000") -> None:
        now = int(self.now() * 1000)
        ask(self.writer.store, [ops.Receive((Receipt("acc", smsc_id, finality, code, status, now),))])

    def timeline(self, sid: str) -> list[Any]:
        answer = self.request("GET", f"{BASE}/{sid}/timeline")
        self.assertEqual(answer.status, 200, answer.body)
        entries: list[Any] = answer.json["Timeline"]
        return entries

    def search(self, **query: str) -> Answer:
        given = "&".join(f"{name.rstrip('_')}={quote(value)}" for name, value in query.items())
        return self.request("GET", f"{BASE}?{given}" if given else BASE)

    def found(self, **query: str) -> list[str]:
        answer = self.search(**query)
        self.assertEqual(answer.status, 200, answer.body)
        return [one["MessageSID"] for one in answer.json["messages"]]

    def refused(self, answer: Answer) -> tuple[int, str, str | None]:
        return answer.status, answer.error["code"], answer.error["field"]


@both_ways
class OneCase(MessagesStage):
    def state(self, sid: str) -> tuple[str, str]:
        found = self.look(sid)
        return found["DeliveryStatus"], found["State"]

    def test_states(self) -> None:
        """What a message waits for, step by step."""
        first, second = self.accept(), self.accept()
        self.assertEqual(self.state(first), ("QUEUED", "under_way"))
        self.assertEqual(self.state(second), ("QUEUED", "queued"))
        self.channel.is_up = False
        self.assertEqual(self.state(second), ("QUEUED", "waiting_for_bind"))
        self.channel.is_up = True
        self.taken()
        self.assertEqual(self.state(first), ("SENT", "submitted"))
        self.receipt("77", Finality.DELIVERED, "DELIVRD")
        self.assertEqual(self.state(first), ("DELIVERED", "delivered"))
        (segment,) = self.channel.under_way
        self.channel.window = 0
        self.channel.throttle(segment)
        self.assertEqual(self.state(second), ("QUEUED", "throttled"))

    def test_retrying(self) -> None:
        sid = self.accept()
        (segment,) = self.channel.under_way
        self.channel.answer(Outcome(segment, Verdict.RETRY, "acc", code=0x64, bind="a", sequence=3, answered_in=1))
        self.settle()
        found = self.look(sid)
        (part,) = found["Parts"]
        self.assertEqual((found["State"], part["State"], part["Attempts"]), ("retrying", "retrying", 1))
        self.assertIn("ESME_RX_T_APPN", part["LastError"])
        self.assertEqual((part["LastErrorCode"], part["LastErrorAction"]), (0x64, "retry_later"))
        self.assertGreater(part["NextAttemptAt"], found["AcceptedAt"])

    def test_parts(self) -> None:
        """Each with the bind, the SMSC's id, the times; the message is as far as the part that is furthest behind."""
        sid = self.accept(Body="x" * 200, Reference="order 5")
        self.taken("1")
        found = self.look(sid)
        self.assertEqual((found["Segments"], found["State"], found["Reference"]), (2, "under_way", "order 5"))
        first, second = found["Parts"]
        self.assertEqual(
            (first["State"], first["Bind"], first["Sequence"], first["SmscId"], first["AnsweredInMs"]),
            ("submitted", "a", 5, "1", 12),
        )
        self.assertEqual(first["AnsweredAt"], found["AcceptedAt"])
        self.assertEqual((second["State"], second["Bind"], second["SmscId"]), ("under_way", None, None))

    def test_failed(self) -> None:
        """The reason in words, where the network has refused it."""
        sid = self.accept()
        (segment,) = self.channel.under_way
        self.channel.answer(Outcome(segment, Verdict.REFUSED, "acc", code=11, bind="a", sequence=3))
        self.settle()
        (part,) = self.look(sid)["Parts"]
        self.assertEqual(
            (part["State"], part["LastErrorCode"], part["LastErrorAction"]), ("failed", 11, "fix_the_number")
        )
        self.assertTrue(part["LastError"].startswith("The SMSC refused it with ESME_RINVDSTADR"), part["LastError"])

    def test_channel_is_gone(self) -> None:
        """A message of a channel that the configuration does not have any more waits for it."""
        ask(self.writer.store, [ops.Accept(replace(message("SMold"), channel="old"), 900, "old")])
        self.assertEqual(self.look("SMold")["State"], "waiting_for_bind")


@both_ways
class TimelineCase(MessagesStage):
    def test_unknown(self) -> None:
        self.assertEqual(self.request("GET", f"{BASE}/SM1/timeline").status, 404)
        self.writer.broken = True
        self.assertEqual(self.request("GET", f"{BASE}/SM1/timeline").status, 503)

    def test_delivered(self) -> None:
        sid = self.accept()
        self.taken()
        self.receipt("77", Finality.PROGRESS, "ENROUTE")
        self.receipt("77", Finality.DELIVERED, "DELIVRD")
        entries = self.timeline(sid)
        self.assertEqual(
            [one["Event"] for one in entries], ["accepted", "submit", "receipt", "receipt", "ended", "report"]
        )
        submit = entries[1]
        self.assertEqual(
            (submit["Segment"], submit["Bind"], submit["Sequence"], submit["Response"], submit["SmscId"]),
            (1, "a", 5, "ESME_ROK (no error)", "77"),
        )
        self.assertEqual((entries[3]["Status"], entries[3]["Code"]), ("DELIVRD", "000"))
        self.assertEqual((entries[4]["DeliveryStatus"], entries[4]["ProviderStatusCode"]), ("DELIVERED", "000"))
        self.assertEqual(entries[5]["EventId"], f"dr-{sid}")
        self.assertTrue(all(one["At"].endswith("Z") for one in entries))

    def test_refused_twice(self) -> None:
        """Each attempt stands there once, with its response in words."""
        sid = self.accept()
        for sequence, verdict, code in ((1, Verdict.RETRY, 0x58), (2, Verdict.REFUSED, 11)):
            (segment,) = self.channel.under_way
            self.channel.answer(Outcome(segment, verdict, "acc", code=code, bind="a", sequence=sequence))
            for _ in range(40):
                self.clock.advance(0.5)
        submits = [one for one in self.timeline(sid) if one["Event"] == "submit"]
        self.assertEqual([one["Sequence"] for one in submits], [1, 2])
        self.assertIn("ESME_RTHROTTLED", submits[0]["Response"])
        self.assertIn("ESME_RINVDSTADR", submits[1]["Response"])


LISTED = Explanation("On the regulator's list.", Action.RECIPIENT_OPTED_OUT)
NO_CREDIT = Explanation("The prepaid credit is used up.", Action.FIX_THE_CONFIGURATION)


@both_ways
class WordsCase(MessagesStage):
    """Errors of segments and entries of timelines say what their codes mean, and what to do."""

    codes = Codes(
        "smpp",
        {"acc": {"069": OwnMeaning(LISTED, LISTED)}, "other": {"1025": OwnMeaning(LISTED, NO_CREDIT)}},
        {"a": "acc", "b": "other"},
    )

    def undelivered(self, code: Any, status: str = "UNDELIV") -> str:
        """A message that the network has taken, and could not deliver."""
        sid = self.accept()
        self.taken(sid)
        self.receipt(sid, Finality.FAILED, status, code)
        return sid

    def entry(self, sid: str, event: str) -> Any:
        (found,) = [one for one in self.timeline(sid) if one["Event"] == event]
        return found

    def test_own_codes_first(self) -> None:
        """The code of a receipt by what the bind says of it; in the part, the receipt and the end alike."""
        sid = self.undelivered("069")
        (part,) = self.look(sid)["Parts"]
        self.assertEqual((part["LastError"], part["LastErrorAction"]), (LISTED.text, "recipient_opted_out"))
        for event in ("receipt", "ended"):
            explained = self.entry(sid, event)["Explanation"]
            self.assertEqual(explained, {"text": LISTED.text, "action": "recipient_opted_out"}, event)

    def test_receipt_by_its_word(self) -> None:
        """What nobody knows by its number, and zeros beside a failure (SMSCs write ``err:000`` with UNDELIV), are told
        by the word."""
        for code in ("070", "000"):
            sid = self.undelivered(code, "ABSENT-SUB")
            (part,) = self.look(sid)["Parts"]
            for text, action in (
                (part["LastError"], part["LastErrorAction"]),
                self.entry(sid, "receipt")["Explanation"].values(),
                self.look(sid)["Explanation"].values(),
            ):
                self.assertIn("switched off", text, code)
                self.assertEqual(action, "retry_later")

    def test_refusal_of_another_bind(self) -> None:
        """Each attempt is explained by the codes of the bind that made it, a session of several too; the same number
        in a receipt may be another thing."""
        sid = self.accept()
        for bind, verdict in (("b#2", Verdict.RETRY), ("b", Verdict.RETRY), ("a", Verdict.REFUSED)):
            (segment,) = self.channel.under_way
            self.channel.answer(Outcome(segment, verdict, "acc", code=1025, bind=bind, sequence=1))
            for _ in range(60):
                self.clock.advance(0.5)
        submits = [one for one in self.timeline(sid) if one["Event"] == "submit"]
        self.assertEqual(
            [(one["Code"], one["Explanation"]["action"]) for one in submits],
            [(1025, "fix_the_configuration"), (1025, "fix_the_configuration"), (1025, "call_the_carrier")],
        )

    def test_nothing_to_do(self) -> None:
        """What was taken, what is on its way and what was delivered asks nobody to do anything."""
        sid = self.accept()
        self.taken()
        self.receipt("77", Finality.PROGRESS, "ENROUTE")
        self.receipt("77", Finality.DELIVERED, "DELIVRD", "255")
        entries = self.timeline(sid)
        self.assertNotIn("Explanation", entries[0])
        self.assertEqual({one["Explanation"]["action"] for one in entries if "Explanation" in one}, {None})
        (part,) = self.look(sid)["Parts"]
        self.assertEqual((part["LastError"], part["LastErrorCode"], part["LastErrorAction"]), (None, None, None))

    def test_channel_is_gone(self) -> None:
        """The codes of a channel that is not configured any more are explained by what all know."""
        ask(self.writer.store, [ops.Accept(replace(message("SMold"), channel="old"), 900, "old")])
        self.assertEqual(self.timeline("SMold")[0]["Event"], "accepted")


class LegsCase(SynchronousTestCase):
    def leg(self, channel: str, bind: str | None) -> Leg:
        """Refused there with 21610, and told of so by a receipt before."""
        segment = FoundSegment(1, "hi", SegmentState.FAILED, 0, "acc", None, 21610, 30, bind=bind, sequence=5)
        found = FoundMessage(1, "SM1", channel, None, "1", "gsm7", 10, 99, MessageState.FAILED, 21610, 40, (segment,))
        return Leg(found, (SegmentEvent(1, 20, Kind.RECEIPT, code=21610, words="UNDELIV"),))

    def test_each_by_its_own_channel(self) -> None:
        """A text that went on over another channel: the same number is Twilio's word there, and a carrier's own code
        here. What a channel that is gone has said with a bind, is SMPP's all the same."""
        codes = {"smpp": Codes("smpp"), "twilio": Codes("twilio"), "gone": ANY}
        legs = (self.leg("smpp", "a"), self.leg("gone", "b"), self.leg("twilio", None))
        entries = resources.timeline(Timeline(legs, None), codes.__getitem__)["Timeline"]
        explained = [(one["Event"], one["Explanation"]["action"]) for one in entries if "Explanation" in one]
        self.assertEqual(
            [action for event, action in explained if event == "submit"],
            ["call_the_carrier", "call_the_carrier", "recipient_opted_out"],
        )
        self.assertEqual(explained[-1], ("ended", "recipient_opted_out"))
        submits = [one for one in entries if one["Event"] == "submit"]
        self.assertIn("0x0000546A", submits[1]["Explanation"]["text"])
        self.assertEqual([one["Response"][:2] for one in submits], ["0x", "0x", "21"])


@both_ways
class SearchCase(MessagesStage):
    def test_what_fits(self) -> None:
        first = self.accept(Reference="order 5", From="Shop")
        self.taken()
        second = self.accept(To="+923009999999")
        for query, wanted in (
            ({}, [second, first]),
            ({"to": TO}, [first]),
            ({"to": " 923001234567"}, [first]),
            ({"from_": "Shop"}, [first]),
            ({"reference": "order 5"}, [first]),
            ({"smsc_id": "77"}, [first]),
            ({"state": "sent"}, [first]),
            ({"state": "submitted"}, [first]),
            ({"state": "QUEUED", "channel": "smpp"}, [second]),
            ({"channel": "twilio"}, []),
            ({"since": "2020-01-01T00:00:00Z", "until": "2100-01-01"}, [second, first]),
            ({"until": "1000000000"}, []),
        ):
            self.assertEqual(self.found(**query), wanted, query)

    def test_pages(self) -> None:
        """``next`` leads through all of them, each once."""
        sids = [self.accept(Reference="r") for _ in range(5)]
        answer, found = self.search(limit="2", reference="r"), []
        for _ in range(10):
            found += [one["MessageSID"] for one in answer.json["messages"]]
            if answer.json["next"] is None:
                break
            answer = self.request("GET", answer.json["next"])
        self.assertEqual(found, sids[::-1])

    def test_words_of_state(self) -> None:
        """Each word that State shows either finds messages, or the error says by which word they are found; the words
        are written as the API writes them."""
        for word in ("scheduled", "queued", "submitted", "delivered", "failed"):
            self.assertEqual(self.request("GET", f"/msg-client/messages?state={word}").status, 200, word)
        waiting = ("waiting_for_bind", "throttled", "retrying", "under_way", "unanswered", "falling_back")
        for word, by in (("cancelled", "failed"), *((one, "queued") for one in waiting)):
            refused = self.request("GET", f"/msg-client/messages?state={word}")
            self.assertEqual((refused.status, refused.error["field"]), (400, "state"), word)
            self.assertIn(f"{word} is found by {by}", refused.error["message"])
        said = self.request("GET", "/msg-client/messages?state=lost").error["message"]
        self.assertIn("scheduled, queued, sent, submitted, delivered, failed", said)

    def test_refused(self) -> None:
        """Each with the parameter's name and what to do."""
        for query, code, field in (
            ("until=yesterday", "invalid_parameter", "until"),
            ("since=2026-13-01", "invalid_parameter", "since"),
            ("since=99999999999999999999", "invalid_parameter", "since"),
            ("state=lost", "invalid_parameter", "state"),
            ("limit=0", "invalid_parameter", "limit"),
            ("limit=201", "invalid_parameter", "limit"),
            ("limit=%D9%A1", "invalid_parameter", "limit"),
            ("cursor=-1", "invalid_parameter", "cursor"),
            ("cursor=99999999999999999999", "invalid_parameter", "cursor"),
            ("to=nobody", "invalid_number", "to"),
            ("To=1", "unknown_parameter", "To"),
            ("to=461234567&to=461234568", "duplicate_parameter", "to"),
            ("reference=", "invalid_parameter", "reference"),
            ("reference=%00", "invalid_parameter", "reference"),
            ("reference", "malformed_query", None),
            ("reference=%FF", "malformed_query", None),
        ):
            answer = self.request("GET", f"{BASE}?{query}")
            self.assertEqual(self.refused(answer), (400, code, field), query)

    def test_store_fails(self) -> None:
        self.writer.broken = True
        self.assertEqual(self.search().status, 503)


@both_ways
class ExchangedCase(MessagesStage):
    def wrote(self, tag: str, source: str = TO) -> None:
        """A customer's text."""
        self.clock.advance(1)
        now = int(self.now() * 1000)
        ask(self.writer.store, [ops.Incoming((IncomingSegment("smpp", "acc", source, "8228", tag, now, sid=tag),))])

    def talk(self, **query: str) -> list[tuple[str, str]]:
        """Of all pages: the direction, and the text."""
        path: str | None = f"{BASE}?with={quote(TO)}" + "".join(f"&{name}={value}" for name, value in query.items())
        found: list[tuple[str, str]] = []
        while path is not None:
            answer = self.request("GET", path)
            self.assertEqual(answer.status, 200, answer.body)
            found += [(one["Direction"], one["Body"]) for one in answer.json["messages"]]
            path = answer.json["next"]
        return found

    def test_both_directions(self) -> None:
        """The newest first, in pages of any size; texts of others are not there."""
        self.accept(Body="Hello")
        self.wrote("Hi")
        self.wrote("nobody", "4670123")
        self.clock.advance(1)
        self.accept(Body="Bye")
        wanted = [("outgoing", "Bye"), ("incoming", "Hi"), ("outgoing", "Hello")]
        for limit in ("1", "2", "50"):
            self.assertEqual(self.talk(limit=limit), wanted, limit)

    def test_what_each_says(self) -> None:
        """A text of ours is the resource; a customer's has what stands in its event, and what it answers."""
        sid = self.accept(Reference="order 5")
        ask(self.writer.store, [ops.Measure()])
        self.wrote("Hi")
        incoming, outgoing = self.search(with_=TO).json["messages"]
        self.assertEqual((outgoing["MessageSID"], outgoing["State"]), (sid, "queued"))
        self.assertEqual(
            {name: incoming[name] for name in ("From", "To", "SmsSid", "channel")},
            {"From": TO, "To": "8228", "SmsSid": "Hi", "channel": "smpp"},
        )
        self.assertRegex(incoming["ReceivedAt"], r"^20..-.*Z$")
        self.assertIn("Answers", incoming)

    def test_refused(self) -> None:
        """What goes with one direction only, and a cursor of the other kind, is told with what to do."""
        for query, field in (
            (f"with={quote(TO)}&to=1234", "to"),
            (f"from=Shop&with={quote(TO)}", "from"),
            (f"with={quote(TO)}&state=failed", "state"),
            (f"with={quote(TO)}&reference=x", "reference"),
            (f"with={quote(TO)}&smsc_id=1", "smsc_id"),
            (f"with={quote(TO)}&cursor=5", "cursor"),
            (f"with={quote(TO)}&cursor=5-6-7", "cursor"),
            (f"with={quote(TO)}&cursor=5-", "cursor"),
            (f"with={quote(TO)}&cursor=5-99999999999999999999", "cursor"),
            ("to=1234&cursor=5-6", "cursor"),
            ("cursor=5-6", "cursor"),
            ("with=Shop", "with"),
            ("with=", "with"),
            ("with=1234&with=1235", "with"),
        ):
            answer = self.request("GET", f"{BASE}?{query}")
            self.assertEqual((answer.status, answer.error["field"]), (400, field), query)
            self.assertTrue(answer.error["message"], query)


@both_ways
class CancelCase(MessagesStage):
    def cancel(self, sid: str) -> Answer:
        answer = self.request("DELETE", f"{BASE}/{sid}")
        self.settle()
        return answer

    def test_waiting(self) -> None:
        """It is not sent, and reported once."""
        first, second = self.accept(), self.accept()
        answer = self.cancel(second)
        self.assertEqual((answer.status, answer.json["State"]), (200, "cancelled"))
        self.assertEqual((answer.json["DeliveryStatus"], answer.json["ProviderStatusCode"]), ("FAILED", "CANCELLED"))
        self.taken()
        self.assertEqual([one.sid for one in self.channel.submitted], [first])
        self.assertEqual(len([one for one in self.events() if second in one.body]), 1)
        self.assertEqual(self.refused(self.cancel(second)), (409, "too_late", None))

    def test_too_late(self) -> None:
        """Under way, taken, or delivered: 409 with the state; what is under way goes on."""
        sid = self.accept()
        for state, step in (
            ("under_way", lambda: None),
            ("submitted", self.taken),
            ("delivered", lambda: self.receipt("77", Finality.DELIVERED, "DELIVRD")),
        ):
            step()
            answer = self.cancel(sid)
            self.assertEqual(self.refused(answer), (409, "too_late", None))
            self.assertIn(state, answer.error["message"])
        self.assertEqual(self.look(sid)["State"], "delivered")

    def test_others_go_on(self) -> None:
        """While one is taken back nothing is lost of the others, in their order."""
        sids = [self.accept() for _ in range(4)]
        self.cancel(sids[2])
        for number in range(3):
            self.taken(f"{number}")
        self.assertEqual([one.sid for one in self.channel.submitted], [sids[0], sids[1], sids[3]])

    def test_unknown(self) -> None:
        self.assertEqual(self.refused(self.cancel("SM1")), (404, "not_found", None))

    def test_store_fails(self) -> None:
        """503: it may be sent, and can be asked for again."""
        self.accept()
        sid = self.accept()
        self.writer.broken = True
        answer = self.cancel(sid)
        self.assertEqual((answer.status, answer.error["code"]), (503, "unavailable"))
        self.writer.broken = False
        self.assertEqual(self.cancel(sid).status, 200)


@both_ways
class TakeBackCase(MessagesStage):
    """One that the network has, over a channel that can ask it."""

    def cancel(self, *answers: TakeBackAnswer) -> Answer:
        """The network answers so."""

        def take_back(_segments: Any, done: TakeBackDone) -> None:
            self.writer.broken = self.is_broken
            done(list(answers))

        self.channel.take_back = take_back  # type: ignore[attr-defined]
        answer = self.request("DELETE", f"{BASE}/{self.sid}")
        self.settle()
        return answer

    is_broken = False

    def setUp(self) -> None:
        super().setUp()
        self.sid = self.accept()
        self.taken()

    def test_accepted(self) -> None:
        """200, one report, and too late afterwards."""
        answer = self.cancel(TakeBackAnswer(TakeBack.ACCEPTED))
        self.assertEqual((answer.status, answer.json["State"]), (200, "cancelled"))
        self.receipt("77", Finality.FAILED, "DELETED")
        self.assertEqual(len([one for one in self.events() if self.sid in one.body]), 1)
        self.assertEqual(self.refused(self.cancel()), (409, "too_late", None))

    def test_stays(self) -> None:
        """Each reason has its word, and the message stays."""
        for kind, code, word in (
            (TakeBack.REFUSED, 0x11, "cancel_refused"),
            (TakeBack.SILENT, None, "cancel_unknown"),
            (TakeBack.NOT_ASKED, None, "too_late"),
            (TakeBack.NOT_ALLOWED, None, "too_late"),
        ):
            self.assertEqual(self.refused(self.cancel(TakeBackAnswer(kind, code))), (409, word, None))
        self.assertEqual((self.look(self.sid)["State"], self.events()), ("submitted", []))

    def test_some_parts(self) -> None:
        """Some accepted, some refused: it stays, and the sentence counts."""
        self.sid = self.accept(Body="x" * 200)
        self.taken("78")
        self.taken("79")
        answer = self.cancel(TakeBackAnswer(TakeBack.ACCEPTED), TakeBackAnswer(TakeBack.REFUSED, 0x11))
        self.assertEqual(self.refused(answer), (409, "cancel_refused", None))
        self.assertIn("1 of its 2 parts", answer.error["message"])

    def test_store_fails(self) -> None:
        """503 says that the network has taken it back."""
        self.is_broken = True
        answer = self.cancel(TakeBackAnswer(TakeBack.ACCEPTED))
        self.writer.broken = False
        self.assertEqual((answer.status, answer.error["code"]), (503, "unavailable"))
        self.assertIn("takes it back", answer.error["message"])


@both_ways
class ReferenceCase(MessagesStage):
    def test_refused(self) -> None:
        for reference in ("", "a\nb", "x" * 256, 5, "\u200b"):
            answer = self.send(To=TO, Body="hi", Reference=reference)
            self.assertEqual((answer.status, answer.error["field"]), (400, "Reference"), repr(reference))
        self.assertIsNone(self.look(self.accept(Reference=None))["Reference"])

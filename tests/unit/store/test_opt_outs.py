"""Who has opted out: entered by words, codes and files; texts to them end at once, with their one report."""

import io
from dataclasses import replace
from typing import Any

from smsconnector.errors import ConfigurationError
from smsconnector.messages import Finality, IncomingSegment, Verdict
from smsconnector.sms.opt_out import OptOutRules, Wish, words_of
from smsconnector.store import operations as ops
from smsconnector.store.events import incoming_event
from smsconnector.store.offline.opt_outs import (
    OptOut,
    enter_opt_outs,
    opt_outs,
    read_opt_outs,
    take_out,
    write_opt_outs,
)
from smsconnector.store.store import Store
from tests.unit.fakes import ask, message
from tests.unit.store.test_store import ACCOUNT, NOW, StoreCase, receipt

NUMBER = "923001234567"


class OptOutCase(StoreCase):
    per_sender = False

    def setUp(self) -> None:
        super().setUp()
        rules = OptOutRules(words_of(["en"], {}), self.per_sender, {"21610", "1032"})
        self.store._opt_out = {"smpp": rules}

    def hear(self, text: str, source: str = NUMBER, to: str = "8228", **more: Any) -> list[tuple[Wish, bool]]:
        one = IncomingSegment("smpp", ACCOUNT, source, to, text, NOW, **more)
        heard = self.one(ops.Incoming((one,))).wishes
        return [(wish.wish, wish.is_new) for wish in heard]

    def is_ended(self, to: str = NUMBER, *segments: str, source: str | None = "8228") -> bool:
        """Whether a text to this number ends at once."""
        first = self.next_id
        self.next_id += max(1, len(segments))
        sent = replace(message(f"SM{first}", *segments, to=to), source=source)
        ended: bool = self.one(ops.Accept(sent, first, "smpp"))
        return ended


class WordsCase(OptOutCase):
    def test_stop(self) -> None:
        """Each text from then on ends in the commit of its acceptance: one report, nothing to submit."""
        self.assertFalse(self.is_ended())
        self.assertEqual(self.hear("Stop."), [(Wish.STOP, True)])
        queued = self.store.counts()["queued"]
        self.assertTrue(self.is_ended(NUMBER, "part one", "part two"))
        self.assertEqual(self.store.counts()["queued"], queued)
        self.assertEqual([one.id for one in self.one(ops.LoadSegments("smpp", 1, 10))], [])
        report = self.reports()[-1]
        self.assertEqual((report["DeliveryStatus"], report["ProviderStatusCode"]), ("FAILED", "OPTED_OUT"))
        self.assertEqual(len(self.reports()), 2)  # the text with the word is an event like any other

    def test_many_at_once(self) -> None:
        """In one batch each gets its own answer."""
        self.hear("stop")
        batch = [
            ops.Accept(message(f"SM{at}", to=to), at, "smpp") for at, to in ((1, "46701"), (2, NUMBER), (3, "46702"))
        ]
        self.assertEqual(ask(self.store, batch), [False, True, False])

    def test_other_spelling(self) -> None:
        """The network may write the number in the national form, or with 00; somebody else who shares its last digits
        still gets texts."""
        for source in ("+" + NUMBER, "00" + NUMBER, "03001234567"):
            self.hear("STOP", source)
            self.assertTrue(self.is_ended(), source)
            self.hear("START", NUMBER)
            self.assertFalse(self.is_ended(), source)
        self.hear("STOP", "12125551234")
        self.assertFalse(self.is_ended("14155551234"))

    def test_start(self) -> None:
        """Texts go out again. A word that changes nothing is heard, and is not new."""
        self.assertEqual(self.hear("START"), [(Wish.START, False)])
        self.assertEqual(self.hear("STOP"), [(Wish.STOP, True)])
        self.assertEqual(self.hear("STOP", "+" + NUMBER), [(Wish.STOP, False)])
        self.assertEqual(self.hear("start"), [(Wish.START, True)])
        self.assertEqual(self.hear("HELP"), [(Wish.HELP, True)])
        self.assertFalse(self.is_ended())

    def test_repeat(self) -> None:
        """A text that a provider posts again says nothing: an old STOP, sent once more by anybody who has recorded it,
        undoes no later START. (Twilio's signature has no time in it.)"""
        self.hear("STOP", sid="SM1")
        self.hear("START", sid="SM2")
        self.assertEqual(self.hear("STOP", sid="SM1"), [])
        self.assertFalse(self.is_ended())
        self.assertEqual(self.hear("STOP", sid="SM3"), [(Wish.STOP, True)])
        self.assertEqual(self.hear("START", sid="SM2"), [])
        self.assertTrue(self.is_ended())
        self.assertEqual(self.hear("HELP", sid="SM4"), [(Wish.HELP, True)])
        self.assertEqual(self.hear("HELP", sid="SM4"), [])
        self.assertEqual(self.hear("Stop", sid="SM1"), [(Wish.STOP, False)])  # another text under an id used again

    def test_repeat_in_one_batch(self) -> None:
        """A provider that is impatient posts it again before the first is written."""
        one = IncomingSegment("smpp", ACCOUNT, NUMBER, "8228", "HELP", NOW, sid="SM1")
        first, second = ask(self.store, [ops.Incoming((one, one)), ops.Incoming((one,))])
        self.assertEqual([len(heard.wishes) for heard in (first, second)], [1, 0])

    def test_repeat_of_an_earlier_version(self) -> None:
        """What an earlier version has told, under the id that it gave, is not heard again."""
        one = IncomingSegment("smpp", ACCOUNT, NUMBER, "8228", "STOP", NOW, sid="SM1")
        event = incoming_event(one, one.text)
        self.store._write_events([event._replace(event_id=event.earlier_id, earlier_id="")])
        self.assertEqual(self.hear("STOP", sid="SM1"), [])
        self.assertFalse(self.is_ended())

    def test_answer_is_written_with_the_word(self) -> None:
        """In one commit, and only if the word has changed something: a kill can't come between them."""
        for text, written in (("START", False), ("STOP", True), ("STOP", False), ("start", True), ("help", True)):
            self.next_id += 1
            answer = ops.Accept(message(f"SM{self.next_id}", to=NUMBER), self.next_id, "smpp", despite_opt_out=True)
            one = IncomingSegment("smpp", ACCOUNT, NUMBER, "8228", text, NOW)
            (heard,) = self.one(ops.Incoming((one,), ((0, answer),))).wishes
            self.assertEqual(heard.answer, answer if written else None, text)
            found = self.one(ops.LoadSegments("smpp", self.next_id - 1, 10))
            self.assertEqual([each.id for each in found], [self.next_id] if written else [], text)

    def test_no_words(self) -> None:
        """Parts of long texts, octets, and other channels say nothing."""
        self.assertEqual(self.hear("STOP", reference=1, number=1, count=2), [])
        self.assertEqual(self.hear("53544F50", is_binary=True), [])
        other = IncomingSegment("other", ACCOUNT, NUMBER, "8228", "STOP", NOW)
        self.assertEqual(self.one(ops.Incoming((other,))).wishes, ())
        self.assertFalse(self.is_ended())

    def test_answer_goes_out(self) -> None:
        """What is to go despite of it is sent."""
        self.hear("STOP")
        answer = ops.Accept(message("SMbye", to=NUMBER), self.next_id, "smpp", despite_opt_out=True)
        self.assertFalse(self.one(answer))

    def test_any_sender(self) -> None:
        """A STOP to one sender counts for the channel."""
        self.hear("STOP", to="8228")
        self.assertTrue(self.is_ended(source="Shop"))

    def test_codes(self) -> None:
        """A refusal and a receipt with such a code enter the number: Twilio's 21610, a carrier's own."""
        (refused,) = self.accept("SMa", to="46700000001")
        self.record(refused, Verdict.REFUSED, code=21610)
        (taken,) = self.accept("SMb", to="46700000002")
        self.record(taken, Verdict.ACCEPTED, "b1")
        self.receive(receipt("b1", Finality.FAILED, "1032", destination="46700000002"))
        (other,) = self.accept("SMc", to="46700000003")
        self.record(other, Verdict.REFUSED, code=11)
        self.next_id += 10
        ended = [self.is_ended(f"4670000000{digit}") for digit in (1, 2, 3)]
        self.assertEqual(ended, [True, True, False])

    def test_off(self) -> None:
        """Without rules of a channel nothing is looked at, whatever the table has."""
        self.hear("STOP")
        self.store._opt_out = {}
        self.assertFalse(self.is_ended())
        self.assertEqual(self.hear("START"), [])


class SenderCase(OptOutCase):
    """A STOP holds for the sender that it was written to."""

    per_sender = True

    def test_sender(self) -> None:
        """Another sender goes on; where the request names none, nobody can tell, and nothing is sent."""
        self.hear("STOP", to="8228")
        self.assertTrue(self.is_ended(source="8228"))
        self.assertFalse(self.is_ended(source="4004"))
        self.assertTrue(self.is_ended(source=None))
        self.hear("START", to="4004")
        self.assertTrue(self.is_ended(source="8228"))
        self.hear("START", to="8228")
        self.assertFalse(self.is_ended(source="8228"))


class FileCase(StoreCase):
    """The operator's list, beside a connector that runs."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.store = Store(self.path, opt_out={"smpp": OptOutRules(words_of(["en"], {}))})
        self.addCleanup(self.store.close)
        self.next_id = 1

    def test_there_and_back(self) -> None:
        """What is written can be read again; what is there already stays as it was."""
        self.one(ops.Incoming((IncomingSegment("smpp", ACCOUNT, NUMBER, "8228", "Stop!", NOW),)))
        stream = io.StringIO()
        write_opt_outs(stream, opt_outs(self.path))
        again = read_opt_outs(io.StringIO(stream.getvalue()), 0)
        self.assertEqual(again, [OptOut("smpp", NUMBER, "", NOW // 1000 * 1000, "word Stop!")])
        enter_opt_outs(self.path, [*again, OptOut("smpp", "46701234567", "", NOW, "imported")])
        self.assertEqual([one.number for one in opt_outs(self.path)], [NUMBER, "46701234567"])
        self.assertTrue(self.one(ops.Accept(message("SM1", to="46701234567"), 1, "smpp")))

    def test_take_out(self) -> None:
        """In any spelling; whether it was there."""
        enter_opt_outs(self.path, [OptOut("smpp", NUMBER, sender, NOW, "imported") for sender in ("", "8228")])
        self.assertFalse(take_out(self.path, "other", NUMBER))
        self.assertTrue(take_out(self.path, "smpp", "03001234567"))
        self.assertEqual(list(opt_outs(self.path)), [])

    def test_many(self) -> None:
        """More than one transaction takes."""
        enter_opt_outs(self.path, (OptOut("smpp", str(46_700_000_000 + one), "", NOW, "") for one in range(2_500)))
        self.assertEqual(len(list(opt_outs(self.path))), 2_500)

    def test_bad_lines(self) -> None:
        """Every line that can't be read is named, and then nothing is entered."""
        text = "channel,number,since\nsmpp,abc,\n,46701234567,\nsmpp,46701234567,yesterday\nsmpp,46701234568,\n"
        error = self.assertRaises(ConfigurationError, read_opt_outs, io.StringIO(text), NOW)
        self.assertEqual([line for line, _ in error.problems], ["line 2", "line 3", "line 4"])
        for text in ("", "number\n1\n", "46701234567\n"):
            error = self.assertRaises(ConfigurationError, read_opt_outs, io.StringIO(text), NOW)
            self.assertIn("name the columns", str(error))

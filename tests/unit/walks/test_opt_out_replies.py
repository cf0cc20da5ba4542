"""The answer to STOP, START and HELP, and when the network is told that the word was taken."""

from typing import Any

from twisted.logger import capturedLogs, formatEvent

from smsconnector.errors import StoreError, StoreUnavailable
from smsconnector.messages import IncomingSegment
from smsconnector.sms.opt_out import OptOutRules, Wish, words_of
from smsconnector.walks.opt_out_replies import OptOutReplies
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.receiver import Receiver
from tests.unit.fakes import answers_of
from tests.unit.walks.test_walks import ACCOUNT, WalkCase

NUMBER = "923001234567"
TEXTS = {"smpp": {Wish.STOP: "You get no more texts.", Wish.HELP: "This is the shop."}}


class RepliesCase(WalkCase):
    def start(self, *arguments: Any, **more: Any) -> None:
        super().start(*arguments, **more)
        rules = self.writer.store._opt_out = {"smpp": OptOutRules(words_of(["en"], {}))}
        outlets = {"smpp": Outlet(self.channel, {"": self.submitter}, 3600.0)}
        replies = OptOutReplies(self.wall_clock, rules, TEXTS, lambda: outlets)
        self.receiver = Receiver(self.writer, replies=replies)

    def text(self, text: str, source: str = NUMBER, **more: Any) -> IncomingSegment:
        return IncomingSegment("smpp", ACCOUNT, source, "8228", text, int(self.now() * 1000), **more)

    def hear(self, text: str, source: str = NUMBER, **more: Any) -> list[StoreError | None]:
        """A text from a handset; whether the network has been told."""
        done: list[StoreError | None] = []
        self.receiver.received([self.text(text, source, **more)], done.append)
        self.settle()
        return done

    def sent(self) -> list[tuple[str, str | None, str]]:
        return [(one.destination, one.source, one.text) for one in self.channel.submitted]

    def test_stop(self) -> None:
        """The answer comes from the number that was written to, once; and nothing after it."""
        self.assertEqual(self.hear("STOP"), [None])
        self.assertEqual(self.hear("Stop"), [None])
        self.assertEqual(self.sent(), [(NUMBER, "8228", "You get no more texts.")])
        self.accept("SM1", to=NUMBER)
        self.settle()
        self.assertEqual(len(self.sent()), 1)
        self.assertEqual([one["ProviderStatusCode"] for one in self.reports() if "MessageSID" in one], ["OPTED_OUT"])

    def test_start(self) -> None:
        """There is no answer to START here; texts go out again."""
        self.hear("STOP")
        self.hear("START")
        self.accept("SM1", to=NUMBER)
        self.settle()
        self.accepted_by_smsc(*self.channel.under_way)
        self.assertEqual([text for _, _, text in self.sent()], ["You get no more texts.", "hello"])

    def test_from_home(self) -> None:
        """Who writes STOP from 0300... gets the answer in international form, and no more texts, however the
        application writes the number."""
        self.receiver = Receiver(self.writer, replies=self.receiver._replies, country_of={"smpp": "PK"}.get)
        self.assertEqual(self.hear("STOP", "03001234567"), [None])
        self.assertEqual(self.sent(), [("923001234567", "8228", "You get no more texts.")])
        self.accept("SM1", to="923001234567")
        self.settle()
        self.assertEqual(len(self.sent()), 1)
        self.assertEqual(self.hear("START", "+923001234567"), [None])
        self.accept("SM2", to="923001234567")
        self.settle()
        self.accepted_by_smsc(*self.channel.under_way)
        self.assertEqual(self.sent()[-1], ("923001234567", "8228", "hello"))

    def test_help(self) -> None:
        """Each gets its answer."""
        self.hear("help")
        self.accepted_by_smsc(*self.channel.under_way)
        self.hear("INFO")
        self.assertEqual([text for _, _, text in self.sent()], ["This is the shop."] * 2)

    def test_nobody_to_answer(self) -> None:
        """A word from a name is taken, and not answered."""
        self.assertEqual(self.hear("STOP", "SomeShop"), [None])
        self.assertEqual(self.sent(), [])

    def test_written_with_the_word(self) -> None:
        """A kill after the commit of the word loses no answer: it is on disk already, and the next process sends it."""
        told: list[StoreError | None] = []
        self.receiver.received([self.text("STOP")], told.append)
        answers_of(self.writer.store, [one for one, _ in self.writer.queue])
        self.kill()
        self.assertEqual((told, self.sent()), ([], [(NUMBER, "8228", "You get no more texts.")]))

    def test_one_answer_whenever_it_is_killed(self) -> None:
        """The network sends the word until it is acknowledged. Killed before the commit, between commit and
        acknowledgement, or behind that: there is one answer to the STOP, and one for each event of a HELP."""
        for number, when in enumerate(("before", "between", "behind")):
            source = f"{NUMBER[:-1]}{number}"
            for word in ("STOP", "HELP"):
                told: list[StoreError | None] = []
                self.receiver.received([self.text(word, source)], told.append)
                if when == "between":
                    answers_of(self.writer.store, [one for one, _ in self.writer.queue])
                elif when == "behind":
                    self.settle()
                self.kill()
                if not told:
                    self.hear(word, source)
                for _ in range(3):
                    self.accepted_by_smsc(*self.channel.under_way)
        run = self.writer.store._connection.execute
        (answers,) = run("SELECT count(*) FROM segment WHERE text = ?", (TEXTS["smpp"][Wish.STOP],)).fetchone()
        (helped,) = run("SELECT count(*) FROM segment WHERE text = ?", (TEXTS["smpp"][Wish.HELP],)).fetchone()
        (events,) = run("SELECT count(*) FROM outbox WHERE body LIKE '%HELP%'").fetchone()
        self.assertEqual((answers, helped), (3, events))

    def test_repeat(self) -> None:
        """What a provider posts again is answered 200, and nothing is sent."""
        for _ in range(3):
            self.assertEqual(self.hear("HELP", sid="SM1"), [None])
            self.accepted_by_smsc(*self.channel.under_way)
        self.assertEqual([text for _, _, text in self.sent()], ["This is the shop."])

    def test_disk_can_not_be_written(self) -> None:
        """Neither the word nor the answer counts, and the network is told to send it again."""
        self.writer.full = True
        (error,) = self.hear("STOP")
        self.assertIsInstance(error, StoreUnavailable)
        self.writer.full = False
        self.assertEqual(self.sent(), [])
        self.hear("STOP")
        self.assertEqual(len(self.sent()), 1)

    def test_no_names_in_the_log(self) -> None:
        """Whose word can't be answered is told with a masked number, once."""
        with capturedLogs() as events:
            self.hear("STOP", "SomeShop")
            self.hear("STOP", "SomeShop")
        lines = [formatEvent(event) for event in events if "answered" in (event.get("log_format") or "")]
        self.assertEqual(len(lines), 1)
        self.assertNotIn("SomeShop", lines[0])

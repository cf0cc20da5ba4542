"""The answer to STOP, START and HELP, and when the network is told that the word was taken."""

from typing import Any

from smsconnector.errors import StoreError
from smsconnector.messages import IncomingSegment
from smsconnector.sms.opt_out import OptOutRules, Wish, words_of
from smsconnector.walks.opt_out_replies import OptOutReplies
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.receiver import Receiver
from tests.unit.walks.test_walks import ACCOUNT, WalkCase

NUMBER = "923001234567"
TEXTS = {"smpp": {Wish.STOP: "You get no more texts.", Wish.HELP: "This is the shop."}}


class RepliesCase(WalkCase):
    def start(self, *arguments: Any, **more: Any) -> None:
        super().start(*arguments, **more)
        self.writer.store._opt_out = {"smpp": OptOutRules(words_of(["en"], {}))}
        outlets = {"smpp": Outlet(self.channel, {"": self.submitter}, 3600.0)}
        replies = OptOutReplies(self.wall_clock, TEXTS, lambda: outlets)
        self.receiver = Receiver(self.writer, self.publisher.wake, replies=replies)

    def hear(self, text: str, source: str = NUMBER) -> list[StoreError | None]:
        """A text from a handset; whether the network has been told."""
        done: list[StoreError | None] = []
        now_ms = int(self.now() * 1000)
        self.receiver.received([IncomingSegment("smpp", ACCOUNT, source, "8228", text, now_ms)], done.append)
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

    def test_not_told_before_the_answer_is_written(self) -> None:
        """A kill before that has the network send the word again."""
        done: list[StoreError | None] = []
        accept = self.submitter.accept
        held: list[Any] = []
        self.patch(self.submitter, "accept", lambda *arguments, **more: held.append((arguments, more)))
        done = self.hear("STOP")
        self.assertEqual(done, [])
        for arguments, more in held:
            accept(*arguments, **more)
        self.settle()
        self.assertEqual(done, [None])

"""A message that the network has is taken back: the walk, with the real store and a channel that can ask."""

from typing import Any

from smsconnector.channels import TakeBack, TakeBackAnswer, TakenSegment
from smsconnector.codes import Codes
from smsconnector.messages import Finality, Outcome, Verdict
from smsconnector.walks.cancelling import Cancelled, Cancelling, Stays
from smsconnector.walks.outlet import Outlet
from tests.unit.walks.test_walks import WalkCase

OK, SILENT = TakeBackAnswer(TakeBack.ACCEPTED), TakeBackAnswer(TakeBack.SILENT)
REFUSED = TakeBackAnswer(TakeBack.REFUSED, 0x11)


class TakeBackCase(WalkCase):
    def start(self, broken: bool = False) -> None:
        super().start(broken)
        self.asked: list[tuple[list[TakenSegment], Any]] = []
        self.outlet = Outlet(self.channel, {"": self.submitter}, 3600.0, codes=Codes("smpp"))
        self.cancelling = Cancelling(self.wall_clock, self.writer, self.writer, {"smpp": self.outlet})
        self.channel.take_back = lambda segments, done: self.asked.append((segments, done))  # type: ignore[attr-defined]
        self.answers: list[Any] = []

    def submitted(self, **more: Any) -> None:
        """SM1 is with the network."""
        self.accept("SM1", **more)
        self.settle()
        self.accepted_by_smsc(*self.channel.under_way)
        self.settle()

    def cancel(self) -> None:
        self.cancelling.cancel("SM1", lambda what, error: self.answers.append(what or error))
        self.settle()

    def answer(self, *answers: TakeBackAnswer) -> None:
        ((_, done),) = self.asked
        self.asked.clear()
        done(list(answers))
        self.settle()

    def told(self) -> list[tuple[str, Any]]:
        return [(one["DeliveryStatus"], one["ProviderStatusCode"]) for one in self.reports()]

    def reason(self) -> tuple[str, str]:
        (stays,) = self.answers
        assert isinstance(stays, Stays), stays
        return stays.reason, stays.sentence

    def test_accepted(self) -> None:
        """One report; a receipt that comes later changes nothing, whatever it says."""
        self.submitted()
        self.cancel()
        self.answer(OK)
        self.assertEqual((self.answers, self.told()), ([Cancelled.DONE], [("FAILED", "CANCELLED")]))
        self.receipt(self.channel.submitted[0])
        self.settle()
        self.assertEqual(len(self.told()), 1)

    def test_what_is_asked(self) -> None:
        self.submitted()
        self.cancel()
        (((one,), _),) = self.asked
        self.assertEqual(
            (one.destination, bool(one.account), bool(one.smsc_id)), (self.channel.submitted[0].destination, True, True)
        )

    def test_receipt_in_between(self) -> None:
        """What a receipt has told counts."""
        self.submitted()
        self.cancel()
        self.receipt(self.channel.submitted[0])
        self.settle()
        self.answer(OK)
        self.assertEqual(self.answers, [Cancelled.TOO_LATE])
        self.assertEqual([status for status, _ in self.told()], ["DELIVERED"])

    def test_stays(self) -> None:
        """Refused, silent, or not possible: it stays, and its receipt tells."""
        self.submitted()
        for answer, reason, word in (
            (REFUSED, "cancel_refused", "ESME_RCANCELFAIL"),
            (SILENT, "cancel_unknown", "not known"),
            (TakeBackAnswer(TakeBack.NOT_ASKED, why="so it is"), "too_late", "so it is."),
        ):
            self.answers.clear()
            self.cancel()
            self.answer(answer)
            self.assertEqual(self.reason()[0], reason)
            self.assertIn(word, self.reason()[1])
        self.answers.clear()
        self.cancel()
        self.answer(TakeBackAnswer(TakeBack.NOT_ALLOWED))
        self.assertEqual((self.answers, self.told()), ([Cancelled.TOO_LATE], []))
        self.receipt(self.channel.submitted[0], Finality.FAILED)
        self.settle()
        self.assertEqual(len(self.told()), 1)

    def test_two_at_once(self) -> None:
        """The network is asked once, and both get its answer."""
        self.submitted()
        self.cancel()
        self.cancel()
        self.answer(OK)
        self.assertEqual((self.answers, len(self.told())), ([Cancelled.DONE] * 2, 1))

    def test_second_copy(self) -> None:
        """After an attempt without a response nobody can take both back: the network is not asked."""
        self.accept("SM1")
        self.settle()
        (segment,) = self.channel.under_way
        self.channel.answer(Outcome(segment, Verdict.UNKNOWN, "acc", retry_in=0.1))
        self.advance(5)
        self.accepted_by_smsc(*self.channel.under_way)
        self.settle()
        self.cancel()
        self.assertEqual((self.asked, self.reason()[0]), ([], "too_late"))

    def test_channel_that_can_not(self) -> None:
        self.submitted()
        del self.channel.take_back  # type: ignore[attr-defined]
        self.cancel()
        self.assertEqual(self.answers, [Cancelled.TOO_LATE])

    def test_disk_fails(self) -> None:
        """The network has taken it back, and that can't be written."""
        self.submitted()
        self.cancel()
        self.writer.broken = True
        self.answer(OK)
        self.writer.broken = False
        self.assertEqual(self.answers, [Cancelled.UNWRITTEN])

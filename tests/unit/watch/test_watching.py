"""What is said of how it goes: its words, and when."""

from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels import Part
from smsconnector.codes import Codes
from smsconnector.figures import Figures, Recent
from smsconnector.walks.outlet import Outlets
from smsconnector.wall_clock import WallClock
from smsconnector.watch.situations import Waits, conditions
from smsconnector.watch.watching import LOOK, Watch
from smsconnector.watch.words import Channel, age, commonest
from tests.recorded_log import RecordedLog
from tests.unit.fakes import HeardNotifier

SMPP = Channel(Codes("smpp"), {}, 1)


class WatchCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.figures, self.notifier = Clock(), Figures(), HeardNotifier()
        self.parts = [Part("smpp/a", "bound"), Part("smpp/b", "down", "no connection")]
        channel = SimpleNamespace(parts=lambda: self.parts)
        outlets: Any = Outlets({"smpp": cast(Any, SimpleNamespace(channel=channel, codes=SMPP.codes, submitters={}))})
        self.admission = SimpleNamespace(measures=None)
        self.log = RecordedLog(self)
        self.watch = Watch(
            self.clock,
            WallClock(lambda: 1_800_000_000.0),
            figures=self.figures,
            reader=cast(Any, None),
            outlets=outlets,
            admission=cast(Any, self.admission),
            health=cast(Any, SimpleNamespace(broker=lambda: "down since 12:00: refused\nhere")),
            notifier=self.notifier,
        )
        self.watch.startService()
        self.addCleanup(self.watch.stopService)

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([LOOK] * int(seconds / LOOK))

    def test_status(self) -> None:
        """STATUS= is one line, and is sent again only if it has changed."""
        self.pass_time(30)
        self.assertEqual(
            self.notifier.said,
            [
                "STATUS=links to networks: 1 of 2 up; 0 waiting; last minute: 0 delivered, 0 failed;"
                " broker down since 12:00: refused here"
            ],
        )
        self.figures.reports.add(("smpp", "delivered", "000"), 7)
        self.pass_time(30)
        self.assertEqual(len(self.notifier.said), 2)
        self.assertIn("last minute: 7 delivered", self.notifier.said[1])

    def test_status_after_a_reload(self) -> None:
        """What the last reload has come to is not lost with the next status."""
        self.notifier.ready("the last reload changed nothing: channels.smpp: no")
        self.pass_time(10)
        self.assertIn("broker down since 12:00: refused here; the last reload changed nothing", self.notifier.said[-1])

    def test_receipts_given_up(self) -> None:
        """A receipt that fitted no text and is dropped makes a line; more of them are summed up."""
        self.figures.given_up.add(("me@smsc",))
        self.pass_time(10)
        self.assertEqual(
            [line for line in self.log.lines if "given up" in line],
            ["receipts of the account me@smsc: 1 fitted no text, and were given up. What they said is lost"],
        )
        self.figures.given_up.add(("me@smsc",), 500)
        self.pass_time(60)
        self.assertIn("500 more fitted no text in the last minute", self.log.lines[-1])

    def test_not_well(self) -> None:
        """With a bind down it is not said that all is well."""
        self.figures.accepted.add(("smpp",))
        self.pass_time(60)
        (line,) = [line for line in self.log.lines if "the last minute" in line]
        self.assertNotIn("All is well", line)
        self.parts = self.parts[:1]
        self.figures.accepted.add(("smpp",))
        self.pass_time(60)
        self.assertIn("nothing waits. All is well", self.log.lines[-1])

    def test_a_fault_ends_nothing(self) -> None:
        """One look that fails is told, and the next one comes."""
        parts, self.parts = self.parts, cast(Any, None)
        self.pass_time(10)
        self.assertTrue(self.flushLoggedErrors(TypeError))
        self.parts = parts
        self.pass_time(10)
        self.assertEqual(len(self.notifier.said), 1)


class SituationsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.figures = Figures()
        self.recent = Recent(self.figures, 0.0)
        self.now = 0.0

    def found(self, waits: Waits | None = None, lasting: tuple[str, ...] = ()) -> list[str]:
        self.now += 10
        self.recent.take(self.now)
        names = conditions(self.recent, {"smpp": SMPP}, {"smpp": waits} if waits else {}, lasting)
        return [name.removeprefix("the channel smpp: ") for name in names]

    def test_few(self) -> None:
        """A few texts that fail, as those to wrong numbers do, are no trouble of a channel."""
        self.figures.reports.add(("smpp", "failed", 11), 4)
        self.assertEqual(self.found(), [])
        self.figures.reports.add(("smpp", "failed", 11))
        self.assertEqual(self.found(), ["every text fails"])
        self.figures.reports.add(("smpp", "delivered", "000"))
        self.assertEqual(self.found(), [])

    def test_taken_back(self) -> None:
        """Texts that were taken back, or to numbers that want none, have not failed."""
        for code in ("CANCELLED", "OPTED_OUT"):
            self.figures.reports.add(("smpp", "failed", code), 100)
        self.assertEqual(self.found(), [])

    def test_receipts_take_a_moment(self) -> None:
        """It is not said at once that none comes; nor where none is asked for; nor once some come."""
        self.figures.responses.add(("smpp", "ACCEPTED", ""), 100)
        self.assertEqual([self.found(), self.found()], [[], []])
        self.assertEqual(self.found(), ["no receipt comes"])
        self.figures.receipts.add(("smpp", "progress"))
        self.assertEqual(self.found(), [])

    def test_none_asked_for(self) -> None:
        """With `registered_delivery: none` or `failure` nobody waits for them."""
        self.figures.responses.add(("smpp", "DONE", "ACCEPTED"), 100)
        self.figures.responses.add(("smpp", "ACCEPTED", "NO_FAILURE"), 100)
        self.assertEqual([self.found() for _ in range(6)], [[]] * 6)

    def test_receipts_stay_away(self) -> None:
        """It lasts while receipts are owed, also when no more texts are sent; after minutes nothing is known."""
        self.figures.responses.add(("smpp", "ACCEPTED", ""), 100)
        found = [self.found(lasting=("the channel smpp: no receipt comes",)) for _ in range(60)]
        self.assertEqual(found[10], ["no receipt comes"])
        self.assertEqual(found[-1], [])

    def test_still(self) -> None:
        """What waits, and moves, is no trouble, however much it is."""
        for _ in range(6):
            self.figures.responses.add(("smpp", "ACCEPTED", ""))
            self.figures.receipts.add(("smpp", "delivered"))
            self.assertEqual(self.found(Waits(1_000_000, 5000.0)), [])
        self.assertEqual([self.found(Waits(5, 90.0)) for _ in range(3)], [[], [], ["nothing moves"]])
        self.assertEqual(self.found(Waits(5, 2.0)), [])


class WordsCase(SynchronousTestCase):
    def test_codes(self) -> None:
        """The three commonest, in words: a status of a refusal and a network's error are not the same."""
        figures = Figures()
        recent = Recent(figures, 0.0)
        figures.responses.add(("smpp", "REFUSED", 11), 9)
        recent.take(1.0)
        codes: dict[str | int, int] = {11: 9, 1: 5, "UNDELIV": 7, "069": 1, "\x1b[2J": 2}
        shown = commonest(codes, recent.since(10), "smpp", SMPP)
        self.assertTrue(shown.startswith("9 with 11 (the SMSC refused it with ESME_RINVDSTADR"), shown)
        self.assertIn("7 with 'UNDELIV' (the handset could not get the text", shown)
        self.assertTrue(shown.endswith("3 with other codes"), shown)
        self.assertNotIn("\x1b", shown)

    def test_age(self) -> None:
        """In the unit that fits."""
        self.assertEqual([age(5), age(119), age(600), age(7200)], ["5 s", "119 s", "10 min", "2 h"])

"""What the log tells without being asked, of a whole daemon: each of the great troubles within a minute, and that all
is well if it is."""

from typing import Any, NamedTuple

from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smsconnector.watch import situations
from tests.simulation.plan import Fate, Outage, Plan, Text
from tests.simulation.world import World

TEXTS = 40


class Said(NamedTuple):
    """``at``: seconds from the start."""

    at: float
    level: str
    line: str


def texts(begin: float = 1.0, first: int = 0, count: int = TEXTS) -> tuple[Text, ...]:
    return tuple(Text(begin + number * 0.01, number, to=number) for number in range(first, first + count))


def each(what: str, attempt: int = 1, first: int = 0, count: int = TEXTS) -> tuple[Fate, ...]:
    return tuple(Fate(number, what, attempt=attempt) for number in range(first, first + count))


class ToldCase(SynchronousTestCase):
    def live(self, *steps: Any, seconds: float, setup: str = "resend") -> World:
        """Let a daemon live for so long."""
        self.said: list[Said] = []
        world = World(Plan(7, setup, steps))
        self.addCleanup(world.clean_up)

        @implementer(ILogObserver)
        def heard(event: Any) -> None:
            self.said.append(Said(world.time.rightNow, event["log_level"].name, formatEvent(event)))

        globalLogPublisher.addObserver(heard)
        self.addCleanup(globalLogPublisher.removeObserver, heard)
        world.start()
        while world.time.rightNow < seconds and world.time.step():
            pass
        return world

    def find(self, words: str, level: str = "error") -> list[Said]:
        return [one for one in self.said if words in one.line and one.level == level]

    def test_good(self) -> None:
        """Good texts make one line, which says how many, and that all is well; nothing is a warning."""
        self.live(*texts(), seconds=130.0)
        (minute,) = self.find("the last minute", "info")
        self.assertLessEqual(minute.at, 61)
        self.assertIn(
            f"{TEXTS} texts accepted, {TEXTS} segments taken by the networks, {TEXTS} delivered, none failed,"
            " 0 from handsets; nothing waits. All is well",
            minute.line,
        )
        self.assertEqual([one for one in self.said if one.at and one.level in ("warn", "error", "critical")], [])

    def test_refuses_everything(self) -> None:
        """All texts FAILED: within a minute an error says so, how many, and why in words; and the second burst, too."""
        second = texts(200.0, 100)
        self.live(*texts(), *each("permanent"), *second, *each("permanent", first=100), seconds=262.0)
        found = self.find("the channel smpp: every text fails")
        self.assertLess(found[0].at, 61)
        self.assertIn(f": {TEXTS} in the last minute, none was delivered: {TEXTS} with 11 (", found[0].line)
        self.assertIn("ESME_RINVDSTADR", found[0].line)
        self.assertTrue(any(200 < one.at < 260 for one in found), found)
        first = self.find("the last minute", "warn")[0]
        self.assertIn(f"{TEXTS} failed ({TEXTS} with 11 (", first.line)
        self.assertTrue(self.find("every text fails: not so any more", "info"))

    def test_receipts_lost(self) -> None:
        """The network takes all, and no receipt comes: an error says so within a minute."""
        self.live(*texts(), *each("receipt lost"), seconds=61.0)
        found = self.find("the channel smpp: no receipt comes")
        self.assertTrue(found)
        self.assertIn(f"for {TEXTS} segments that the network has taken", found[0].line)
        (minute,) = self.find("the last minute", "warn")
        self.assertIn("no receipt comes", minute.line)

    def test_nothing_moves(self) -> None:
        """Texts wait, and the SMSC is away: within a minute an error says how many wait, for how long, and why."""
        self.patch(situations, "STILL", 15.0)  # the texts of a simulation live for 25 s
        self.live(Outage(0.0, "smsc 0", 500.0), *texts(), seconds=61.0)
        found = self.find("the channel smpp: nothing moves")
        self.assertTrue(found)
        self.assertRegex(found[0].line, f"though {TEXTS} segments wait, the oldest for 1[0-9] s: smpp/a is down")

    def test_takes_nothing(self) -> None:
        """Everything is refused for now, or throttled, again and again."""
        for what, words in (("temporary", "ESME_RSYSERR"), ("throttled", "ESME_RTHROTTLED")):
            self.live(*texts(), *each(what, attempt=0), seconds=61.0)
            found = self.find("the channel smpp: the network takes nothing")
            self.assertTrue(found, what)
            self.assertIn(words, found[0].line)

    def test_some_fail(self) -> None:
        """A few wrong numbers among good ones are no trouble of the channel; the minute has them, with their reason."""
        self.live(*texts(), *each("permanent", count=3), seconds=61.0)
        (minute,) = self.find("the last minute", "info")
        self.assertIn("37 delivered, 3 failed (3 with 11 (", minute.line)
        self.assertNotIn("All is well", minute.line)
        self.assertEqual([one for one in self.said if one.level in ("error", "critical")], [])

    def test_silence(self) -> None:
        """Where nothing moves and nothing waits, there is no line a minute, and one an hour that says so."""
        self.live(seconds=3700.0)
        self.assertEqual(self.find("the last minute", "info"), [])
        (hour,) = self.find("the last hour: nothing moved", "info")
        self.assertIn("nothing waits; links to networks: 1 of 1 up; broker connected", hour.line)

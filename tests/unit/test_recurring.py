"""Trouble that comes again and again: told at once, summed up by time, told when it is over."""

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.recurring import MOST_KINDS, PERIOD, Recurring, Sentences


class RecurringCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[tuple[str, str]] = []
        heard: Any = lambda e: self.events.append((e["log_level"].name, formatEvent(e)))  # noqa: E731
        log = Logger(observer=LogPublisher(heard))
        self.recurring = Recurring(self.clock, log, "bind smpp/a")
        self.log = log

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self.events]

    def test_once(self) -> None:
        """A single one is one line, and no timer is left."""
        self.recurring.count("a late response", "to ***567")
        self.clock.pump([1.0] * 200)
        self.assertEqual(self.events, [("warn", "bind smpp/a: a late response, to ***567")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_as_long_as_it_lasts(self) -> None:
        """The first at once; then a line a minute, with how many there were in it; then that it is over."""
        for _ in range(150):
            self.recurring.count("refused", f"at {self.clock.seconds():g} s")
            self.clock.advance(1)
        self.assertEqual(
            self.lines,
            [
                "bind smpp/a: refused, at 0 s",
                "bind smpp/a: refused: 59 more in the last minute, at 59 s",
                "bind smpp/a: refused: 60 more in the last minute, at 119 s",
            ],
        )
        self.clock.pump([10.0] * 20)
        self.assertEqual(self.lines[3:], [
            "bind smpp/a: refused: 30 more in the last minute, at 149 s",
            "bind smpp/a: refused: none in the last minute, 150 before that",
        ])  # fmt: skip
        self.assertEqual(self.events[-1][0], "info")

    def test_again(self) -> None:
        """The second outage of a life is told as the first one was: at once."""
        for _ in range(2):
            for _ in range(1950):
                self.recurring.count("refused")
            self.clock.pump([1.0] * 300)
        self.assertEqual(len(self.lines), 6)
        self.assertEqual(self.lines[:3], self.lines[3:])

    def test_kinds(self) -> None:
        """Each has a minute of its own."""
        self.recurring.count("one")
        self.clock.advance(30)
        self.recurring.count("other")
        self.recurring.count("one")
        self.clock.advance(30)
        self.recurring.count("other")
        self.assertEqual(len(self.lines), 3)
        self.clock.advance(30)
        self.assertEqual(self.lines[3:], ["bind smpp/a: other: 1 more in the last minute"])

    def test_bounded(self) -> None:
        """Whoever is outside may invent kinds: they are not all kept, and not all told."""
        for number in range(10 * MOST_KINDS):
            self.recurring.count(f"status {number}")
        self.assertEqual(len(self.lines), MOST_KINDS + 1)
        self.clock.advance(PERIOD)
        self.assertIn(f"{9 * MOST_KINDS - 1} more", "".join(self.lines[MOST_KINDS + 1 :]))

    def test_several_at_once(self) -> None:
        """A number counts as so many; sentences and level can be others; so many are told one by one."""
        sentences = Sentences("{count} of {title}: {what}", "{count} more of {what}, {example}", "{what} over: {total}")
        recurring = Recurring(self.clock, self.log, "t", sentences, alone=2)
        for _ in range(3):
            recurring.count("w", "e", number=5)
        self.clock.pump([PERIOD] * 3)
        self.assertEqual(self.lines, ["5 of t: w", "5 of t: w", "5 more of w, e", "w over: 15"])

    def test_stop(self) -> None:
        """What was counted and not told is told; no timer is left, and none is made by what comes later."""
        for _ in range(3):
            self.recurring.count("refused", "x")
        self.recurring.stop()
        self.recurring.stop()
        self.assertEqual(self.lines[1:], ["bind smpp/a: refused: 2 more in the last minute, x"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.recurring.count("refused")
        self.recurring.count("refused")
        self.assertEqual(len(self.lines), 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

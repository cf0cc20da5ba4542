"""Searches by time, and both directions of a number, where texts have new ids but were accepted before: they have gone
on over another channel, or were scheduled."""

import json
from dataclasses import replace

from smsconnector.lifecycle import EndRules, FallBackRule
from smsconnector.messages import IncomingSegment
from smsconnector.store import operations as ops
from smsconnector.store.falling import Move
from smsconnector.store.finding import Exchanged, FindExchanged, FoundMessage, PlaceOfBoth
from smsconnector.store.scheduling import LoadScheduled, Release
from tests.unit.fakes import message
from tests.unit.store.test_searching import ACCOUNT, NOW, SearchStage

NUMBER = "923001234567"


class MovedCase(SearchStage):
    def setUp(self) -> None:
        super().setUp()
        self.store._rules = EndRules(fall_backs={"smpp": FallBackRule(frozenset({"11"}), may_repeat=True)})

    def at(self, seconds: int) -> int:
        return NOW + seconds * 1000

    def take(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def move(self, number: int, accepted: int, now: int) -> None:
        made = replace(message(f"SM{number}", to=NUMBER), channel="cloud", accepted_at=self.at(accepted))
        answer = self.one(Move(ops.Accept(made, self.take(), "cloud"), number, self.at(now)))
        self.assertEqual(answer, ops.Accepted.QUEUED)

    def exchanged(self, limit: int) -> list[str]:
        """All pages."""
        names: list[str] = []
        before: PlaceOfBoth | None = None
        for _ in range(100):
            page: Exchanged = self.one(FindExchanged(NUMBER, before=before, limit=limit))
            names += [
                one.sid if isinstance(one, FoundMessage) else json.loads(one.body)["SmsSid"] for one in page.found
            ]
            before = page.before
            if before is None:
                return names
        self.fail("the pages have no end")

    def received(self, tag: str, seconds: int) -> None:
        self.one(ops.Incoming((IncomingSegment("smpp", ACCOUNT, NUMBER, "8228", tag, self.at(seconds), sid=tag),)))

    def many(self) -> None:
        """100 texts, one each ten minutes; the first 50 go on over another channel at the end."""
        for number in range(1, 101):
            self.accept(accepted_at=self.at(number * 600))
        for number in range(1, 51):
            self.move(number, number * 600, 70_000)

    def test_since(self) -> None:
        """All that were accepted since a time, whatever has moved."""
        self.many()
        for wanted in ({}, {"to": NUMBER}):
            found = self.search(since=self.at(90 * 600), **wanted)
            self.assertEqual(found, [f"SM{number}" for number in range(100, 89, -1)], wanted)
            self.assertEqual(len(self.search(since=self.at(30 * 600), **wanted)), 71, wanted)

    def test_until(self) -> None:
        """All that were accepted before a time, though those that have moved stand among the newest."""
        self.many()
        for wanted in ({}, {"to": NUMBER}):
            found = self.search(until=self.at(11 * 600), **wanted)
            self.assertEqual(sorted(found), sorted(f"SM{number}" for number in range(1, 11)), wanted)
            self.assertEqual(len(self.search(until=self.at(70 * 600), **wanted)), 69, wanted)
        between = self.search(since=self.at(40 * 600), until=self.at(60 * 600))
        self.assertEqual(sorted(between), sorted(f"SM{number}" for number in range(40, 60)))

    def test_all_have_moved(self) -> None:
        for number in range(1, 11):
            self.accept(accepted_at=self.at(number * 600))
        for number in range(1, 11):
            self.move(number, number * 600, 70_000)
        self.assertEqual(len(self.search(since=self.at(8 * 600))), 3)
        self.assertEqual(len(self.search(until=self.at(8 * 600))), 7)

    def test_both_directions_and_a_move(self) -> None:
        """A text that went on over another channel stands where it went on: SM1, of second 1, at second 9."""
        self.accept(to=NUMBER, accepted_at=self.at(1))
        self.received("in5", 5)
        self.accept(to=NUMBER, accepted_at=self.at(8))
        self.move(1, 1, 9)
        self.received("in10", 10)
        for limit in (1, 2, 3, 10):
            self.assertEqual(self.exchanged(limit), ["in10", "SM1", "SM2", "in5"], limit)

    def test_both_directions_and_a_scheduled_text(self) -> None:
        """A text that was scheduled stands where it was due: SM1, of second 0, at second 10."""
        later = replace(message("SM1", to=NUMBER, at=self.at(0)), send_at=self.at(10), expires_at=self.at(99))
        self.one(ops.Schedule(later, self.take(), "smpp"))
        self.received("in5", 5)
        self.accept(to=NUMBER, accepted_at=self.at(8))
        (due,) = self.one(LoadScheduled(self.at(10)))
        made = replace(due.message, accepted_at=self.at(10))
        self.one(Release(ops.Accept(made, self.take(), due.queue), due.id, self.at(10)))
        self.received("in11", 11)
        for limit in (1, 2, 3, 10):
            self.assertEqual(self.exchanged(limit), ["in11", "SM1", "SM2", "in5"], limit)

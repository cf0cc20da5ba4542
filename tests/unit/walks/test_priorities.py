"""Interactive texts and bulk ones: the real store, a fake channel and a clock."""

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import Outcome, Segment, Verdict
from smsconnector.walks import ready
from smsconnector.walks.priorities import Turns
from tests.unit.fakes import message
from tests.unit.walks.test_walks import ACCOUNT, WalkCase


class TurnsCase(SynchronousTestCase):
    def test_share(self) -> None:
        """Over time each class has its part, however few places there are at once."""
        for rooms in ([1] * 100, [100], [7] * 10 + [30]):
            turns = Turns(0.8)
            self.assertEqual(sum(map(turns.for_bulk, rooms)), 20)


class PriorityCase(WalkCase):
    window = 0

    def accept_of(self, is_bulk: bool, *sids: str, to: str | None = None) -> None:
        for sid in sids:
            made = message(sid, to=to or f"92300{sid[2:]:>07}", at=int(self.now() * 1000))
            self.submitter.accept(replace(made, is_bulk=is_bulk), lambda error: None)
        self.settle()

    def bulk(self, *sids: str, **more: Any) -> None:
        self.accept_of(True, *sids, **more)

    def interactive(self, *sids: str, **more: Any) -> None:
        self.accept_of(False, *sids, **more)

    def give_room(self, places: int) -> list[str]:
        """The SIDs of what is sent with so many places more."""
        before = len(self.channel.submitted)
        self.channel.window += places
        self.submitter.pump()
        self.settle()
        return self.sids(self.channel.submitted[before:])

    def sids(self, segments: list[Segment]) -> list[str]:
        return [one.sid for one in segments]

    def numbers(self, first: int, last: int) -> list[str]:
        return [f"SM{number}" for number in range(first, last + 1)]

    def test_interactive_goes_first(self) -> None:
        """A text of an agent is sent with the next place, whatever was accepted before."""
        self.bulk(*self.numbers(1, 50))
        self.interactive("SM99")
        self.assertEqual(self.give_room(1), ["SM99"])
        self.assertEqual(self.give_room(2), ["SM1", "SM2"])

    def test_each_has_its_share(self) -> None:
        """Neither class waits for ever for the other: bulk texts have the rest of the share."""
        self.bulk(*self.numbers(1, 50))
        self.interactive(*self.numbers(101, 150))
        sent = [sid for _ in range(20) for sid in self.give_room(1)]
        self.assertEqual(sent[:5], ["SM101", "SM102", "SM103", "SM104", "SM1"])
        self.assertEqual(len([sid for sid in sent if len(sid) < 5]), 4)
        self.assertEqual(self.give_room(10).count("SM5"), 1)

    def test_nothing_is_kept_free(self) -> None:
        """Bulk texts alone have all places; so have interactive ones, and each has what the other does not use."""
        self.bulk(*self.numbers(1, 10))
        self.assertEqual(len(self.give_room(10)), 10)
        self.interactive(*self.numbers(11, 20))
        self.assertEqual(len(self.give_room(10)), 10)
        self.interactive("SM21")
        self.bulk(*self.numbers(22, 30))
        self.assertEqual(len(self.give_room(10)), 10)

    def test_more_than_memory(self) -> None:
        """Bulk texts that fill their part of memory, and are on disk otherwise, take no room of interactive ones. Not
        one of them is read past to find one."""
        self.patch(ready, "MEMORY", 20)
        self.patch(ready, "CHUNK", 10)
        self.bulk(*self.numbers(1, 100))
        self.interactive(*self.numbers(901, 930))
        self.assertEqual(self.give_room(4), self.numbers(901, 904))
        self.assertLessEqual(len(self.submitter._ready.bulk.in_line), 20)
        sent = [sid for _ in range(126) for sid in self.give_room(1)]
        self.assertEqual(len(set(sent)), 126)

    def test_after_a_kill(self) -> None:
        """The class is on disk."""
        self.bulk(*self.numbers(1, 30))
        self.interactive("SM99")
        self.kill()
        self.assertEqual(self.give_room(1), ["SM99"])
        self.assertEqual(self.give_room(3), ["SM1", "SM2", "SM3"])
        self.assertEqual([one.is_bulk for one in self.channel.submitted], [False, True, True, True])

    def test_retry_keeps_its_class(self) -> None:
        """Bulk texts that are due again do not come before interactive ones; nor after a kill."""
        self.bulk(*self.numbers(1, 5))
        self.give_room(5)
        self.channel.window = 0
        for one in list(self.channel.under_way):
            self.channel.answer(Outcome(one, Verdict.RETRY, ACCOUNT, code=8))
        self.settle()
        self.advance(5)
        self.interactive("SM98")
        self.assertEqual(self.give_room(1), ["SM98"])
        self.channel.window = 0
        self.accepted_by_smsc(*self.channel.under_way)
        self.kill()
        self.channel.window = 0
        self.advance(1)
        self.interactive("SM99")
        self.assertEqual(self.give_room(1), ["SM99"])
        self.assertEqual(sorted(self.give_room(5)), self.numbers(1, 5))

    def test_throttled_bulk(self) -> None:
        """Bulk texts that the network throttled have the places of bulk texts, and no more."""
        self.bulk(*self.numbers(1, 40))
        self.give_room(20)
        self.channel.throttle(*list(self.channel.under_way))
        self.channel.window = 0
        self.settle()
        self.advance(1)
        self.interactive(*self.numbers(101, 150))
        sent = [sid for _ in range(20) for sid in self.give_room(1)]
        self.assertEqual(len([sid for sid in sent if len(sid) == 5]), 16)

    def test_throttled_interactive(self) -> None:
        """Of those that were throttled, interactive ones are first too."""
        self.bulk(*self.numbers(1, 4))
        self.interactive("SM99")
        self.give_room(5)
        self.channel.throttle(*list(self.channel.under_way))
        self.channel.window = 0
        self.settle()
        self.advance(1)
        self.assertEqual(self.give_room(1), ["SM99"])

    def test_same_number(self) -> None:
        """A text waits for the one that is under way to its number, whatever its class; an interactive one does not
        wait for bulk ones that have not begun."""
        self.bulk(*self.numbers(1, 4), to="923001234567")
        self.assertEqual(self.give_room(3), ["SM1"])
        self.interactive("SM98", "SM99", to="923001234567")
        self.assertEqual(self.give_room(1), [])
        sent = []
        for _ in range(6):
            (one,) = self.channel.under_way
            sent.append(one.sid)
            self.accepted_by_smsc(one)
        self.assertEqual(sent, ["SM1", "SM98", "SM99", "SM2", "SM3", "SM4"])


class StrictPriorityCase(PriorityCase):
    """With strict order: in each class the order holds, and the lane of a bulk text that has begun is kept."""

    strict_order = True

    def test_after_a_bulk_text_that_is_tried_again(self) -> None:
        """It has begun: what comes later for its number waits until its fate is known, whatever its class."""
        self.bulk("SM1", to="923001234567")
        self.give_room(5)
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, code=8))
        self.interactive("SM99", to="923001234567")
        self.assertEqual(self.sids(self.channel.submitted), ["SM1"])
        self.kill()
        self.channel.window = 5
        self.settle()
        self.assertEqual(self.channel.submitted, [])
        self.advance(5)
        self.accepted_by_smsc(*self.channel.under_way)
        self.assertEqual(self.sids(self.channel.submitted), ["SM1", "SM99"])


class HoldPriorityCase(PriorityCase):
    """Where each segment is claimed before it is sent."""

    resend = False


del WalkCase

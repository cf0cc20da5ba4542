"""The segments in memory, by themselves: what a load must not bring, and who takes turns with whom."""

from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import Segment
from smsconnector.walks import ready as rooms
from smsconnector.walks.lanes import Lanes
from smsconnector.walks.obsolete import Obsolete
from smsconnector.walks.ready import ReadySegments
from tests.unit.fakes import message


class FakeBacklog:
    """Keeps what it is asked; the test answers."""

    def __init__(self) -> None:
        self.untried: list[Any] = []
        self.due: list[Any] = []
        self.postponed: list[tuple[Sequence[int], float, Any]] = []

    def load_untried(self, after: int, limit: int, done: Any) -> None:
        self.untried.append(done)

    def load_due(self, limit: int, done: Any) -> None:
        self.due.append(done)

    def postpone(self, ids: Sequence[int], seconds: float, done: Any) -> None:
        self.postponed.append((ids, seconds, done))


def segment(number: int, attempts: int = 0, to: str = "") -> Segment:
    return Segment(number, 1, 1, "x", "gsm7", None, to or f"92300{number}", 2**60, attempts)


class ReadyCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.backlog, self.lanes, self.obsolete = FakeBacklog(), Lanes(), Obsolete()
        self.said: list[str] = []
        self.ready = ReadySegments(
            self.backlog,  # type: ignore[arg-type]
            self.lanes,
            self.obsolete,
            changed=lambda: self.said.append("changed"),
            failed=lambda: self.said.append("failed"),
        )

    def take(self, room: int = 10, may_begin: bool = True) -> list[int]:
        found, _ = self.ready.take(room, 0, may_begin)
        return [one.id for one in found]

    def test_under_way(self) -> None:
        """What is under way, or was when the load was asked, is not brought again by either kind of load."""
        self.ready.under_way.update((1, 2))
        self.ready.load()
        self.ready.load_due()
        self.ready.leave((2,))
        segments = [segment(1), segment(2), segment(3)]
        self.backlog.untried.pop()(segments, None)
        self.assertEqual([one.id for one in self.ready.in_line], [3])
        self.backlog.due.pop()([segment(1, 1), segment(2, 1), segment(4, 1)], None)
        self.assertEqual([one.id for one in self.ready.due], [4])

    def test_what_left_before_the_load(self) -> None:
        """What had left before it was asked may come again."""
        self.ready.under_way.add(1)
        self.ready.leave((1,))
        self.ready.load_due()
        self.backlog.due.pop()([segment(1, 1)], None)
        self.assertEqual(self.take(), [1])

    def test_too_much_has_left(self) -> None:
        """An answer that too much has changed under is not used: it counts as a failure."""
        self.patch(rooms, "LEFT", 1)
        self.ready.load()
        self.ready.leave((1, 2))
        self.backlog.untried.pop()([segment(2)], None)
        self.assertEqual((self.said, self.take()), (["failed"], []))
        self.ready.load()
        self.backlog.untried.pop()([segment(2)], None)
        self.assertEqual((self.said, self.take()), (["failed", "changed"], [2]))

    def test_more_was_accepted_than_is_kept(self) -> None:
        """What was not kept aside is on disk, whatever the answer says of the end, and though others have ended."""
        self.patch(rooms, "MEMORY", 3)
        self.ready.load()
        for number in range(1, 7):
            self.ready.accepted(number, message(f"SM{number}"))
        self.backlog.untried.pop()([segment(3)], None)
        self.ready.load()
        self.assertEqual(len(self.backlog.untried), 1)

    def test_one_load_at_a_time(self) -> None:
        """Another one is asked when the first was answered, and memory is behind and has room."""
        for _ in range(2):
            self.ready.load()
            self.ready.load_due()
        self.assertEqual((len(self.backlog.untried), len(self.backlog.due)), (1, 1))
        self.backlog.untried.pop()([], None)
        self.ready.load()
        self.assertEqual(self.backlog.untried, [])

    def test_taking_turns(self) -> None:
        """What is due and what is in line share the room; alone, each has all of it."""
        self.ready.load()
        self.backlog.untried.pop()([segment(at) for at in range(1, 7)], None)
        self.ready.load_due()
        self.backlog.due.pop()([segment(at, 1) for at in range(11, 17)], None)
        self.assertEqual(self.take(4), [11, 12, 1, 2])
        one_by_one = [self.take(1)[0] for _ in range(4)]
        self.assertEqual(sorted(one_by_one), [3, 4, 13, 14])
        self.assertEqual(self.take(), [15, 16, 5, 6])

    def test_nothing_new_may_begin(self) -> None:
        """Then only what is due goes."""
        self.ready.load()
        self.backlog.untried.pop()([segment(1)], None)
        self.ready.load_due()
        self.backlog.due.pop()([segment(2, 1)], None)
        self.assertEqual(self.take(may_begin=False), [2])
        self.assertEqual(self.take(), [1])

    def test_postponed(self) -> None:
        """What was postponed is under way until that is written; what comes back without an attempt counts as throttled
        many times."""
        self.ready.postpone([segment(1)], 3.0)
        ids, seconds, done = self.backlog.postponed.pop()
        self.assertEqual((ids, seconds, self.ready.under_way), ([1], 3.0, {1}))
        done(None, None)
        self.assertEqual((self.said, self.ready.under_way), (["changed"], set()))
        self.ready.load_due()
        self.backlog.due.pop()([segment(1), segment(2, 1)], None)
        self.assertEqual([one.throttles for one in self.ready.due], [rooms.THROTTLES_OF_POSTPONED, 0])

    def test_obsolete(self) -> None:
        """What need not be sent any more is passed over, and is not under way."""
        accepted = message("SM1", "one", "two", to="1")
        self.ready.load()
        self.backlog.untried.pop()([], None)
        self.assertTrue(self.ready.accepted(1, accepted))
        self.obsolete.add_messages([1])
        self.assertEqual((self.take(), self.ready.under_way, self.ready.holds_segments), ([], set(), False))

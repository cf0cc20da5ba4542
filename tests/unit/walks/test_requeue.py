"""What waits on disk since another configuration, with the real store: moved or counted, before submitters start."""

from typing import Any

from twisted.application.service import Service
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.store import operations as ops
from smsconnector.store.store import Store
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.requeue import Rerouting
from tests.unit.fakes import DirectWriter, FakeChannel, message


class StandIn(Service):
    """A submitter, as far as this walk knows it."""

    def __init__(self, queue: str) -> None:
        self.queue = queue


class RequeueCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.writer = DirectWriter(self.clock, Store(":memory:"))
        self.addCleanup(self.writer.store.close)
        self.submitters: dict[str, Any] = {"46": StandIn("smpp/46"), "92": StandIn("smpp/92")}
        outlets = {"smpp": Outlet(FakeChannel(), self.submitters, 60.0)}
        self.rerouting = Rerouting(self.clock, self.writer, outlets)

    def accept(self, queue: str, to: str, *segments: str) -> None:
        """A message that was accepted into that queue, by the channel smpp."""
        count = max(1, len(segments))
        accepted = message(f"SM{self.writer.next_id}", *segments, to=to)
        self.writer.put(ops.Accept(accepted, self.writer.allocate(count), queue), lambda result, error: None)
        self.clock.advance(0)

    def waiting(self, queue: str) -> list[str]:
        """The destinations of the segments in that queue."""
        found: list[str] = []
        self.writer.put(
            ops.LoadSegments(queue, 0, 100), lambda segments, error: found.extend(one.destination for one in segments)
        )
        self.clock.advance(0)
        return found

    def started(self) -> list[bool]:
        return [bool(one.running) for one in self.submitters.values()]

    def run_it(self) -> None:
        self.rerouting.startService()
        self.clock.pump([0] * 20)

    def start_with(self, *prefixes: str) -> None:
        """Another process, whose configuration has these prefixes; "" are all other numbers."""
        queues = {one: f"smpp/{one}" if one else "smpp" for one in prefixes}
        self.submitters = {one: StandIn(queue) for one, queue in queues.items()}
        self.rerouting = Rerouting(self.clock, self.writer, {"smpp": Outlet(FakeChannel(), self.submitters, 60.0)})
        self.run_it()
        self.assertEqual(self.started(), [True] * len(prefixes))

    def test_prefix_added(self) -> None:
        """A prefix chosen for price or for law holds for what was accepted before, too: the bind that served its
        numbers until now is still there, and must not get them."""
        self.start_with("")
        self.accept("smpp", "923001234567", "one", "two")
        self.accept("smpp", "4670123456")
        self.start_with("", "92300")
        self.assertEqual((self.waiting("smpp/92300"), self.waiting("smpp")), (["923001234567"] * 2, ["4670123456"]))

    def test_longer_prefix_added(self) -> None:
        """The same among prefixes: the longest counts."""
        self.start_with("", "92")
        self.accept("smpp/92", "923001234567")
        self.accept("smpp/92", "923331234567")
        self.start_with("", "92", "92300")
        self.assertEqual((self.waiting("smpp/92300"), self.waiting("smpp/92")), (["923001234567"], ["923331234567"]))

    def test_prefix_removed(self) -> None:
        """Without its prefix a number goes the way of the next shorter one."""
        self.start_with("", "92", "92300")
        self.accept("smpp/92300", "923001234567")
        self.start_with("", "92")
        self.assertEqual((self.waiting("smpp/92"), self.waiting("smpp/92300")), (["923001234567"], []))

    def test_prefix_exchanged(self) -> None:
        """As many prefixes as before, but others."""
        self.start_with("", "92300")
        self.accept("smpp/92300", "923001234567")
        self.accept("smpp", "4670123456")
        self.start_with("", "4670")
        self.assertEqual((self.waiting("smpp"), self.waiting("smpp/4670")), (["923001234567"], ["4670123456"]))

    def test_class_is_kept(self) -> None:
        """Bulk texts go to the bulk queue of the new route. A queue of theirs is no reason to look at all of them."""
        self.start_with("")
        self.accept("smpp!bulk", "923001234567")
        self.accept("smpp", "923001234568")
        self.start_with("")
        self.assertEqual(self.rerouting._moved, 0)
        self.start_with("", "92300")
        self.assertEqual(self.waiting("smpp/92300!bulk"), ["923001234567"])
        self.assertEqual(self.waiting("smpp/92300"), ["923001234568"])
        self.assertEqual((self.waiting("smpp!bulk"), self.waiting("smpp")), ([], []))

    def test_what_waits_for_another_attempt(self) -> None:
        """It goes along, and is due when it was."""
        self.start_with("")
        self.accept("smpp", "923001234567")
        self.writer.put(ops.Postpone((1,), 5_000), lambda result, error: None)
        self.start_with("", "92300")
        found: list[Any] = []
        self.writer.put(ops.LoadDue("smpp/92300", 5_000, 9), lambda answer, error: found.append(answer[0][0].id))
        self.clock.advance(0)
        self.assertEqual(found, [1])

    def test_killed_while_it_moves(self) -> None:
        """A start that does not get to the end has not looked at all: the next one does."""
        self.start_with("")
        for number in range(5):
            self.accept("smpp", f"92300000000{number}")
        submitters: dict[str, Any] = {one: StandIn(f"smpp/{one}" if one else "smpp") for one in ("", "92300")}
        half = Rerouting(self.clock, self.writer, {"smpp": Outlet(FakeChannel(), submitters, 60.0)}, limit=2)
        half.startService()
        self.writer.commit()
        half.stopService()
        self.clock.pump([0] * 9)
        self.assertTrue(0 < len(self.waiting("smpp/92300")) < 5)
        self.start_with("", "92300")
        self.assertEqual((len(self.waiting("smpp/92300")), self.waiting("smpp")), (5, []))

    def test_file_of_before(self) -> None:
        """A file whose last configuration nobody wrote down is looked at as a whole."""
        self.accept("smpp", "923001234567")
        self.start_with("", "92300")
        self.assertEqual(self.waiting("smpp/92300"), ["923001234567"])

    def test_nothing_changed(self) -> None:
        """A start with the same prefixes looks at nothing: a backlog of millions costs no time."""
        self.start_with("", "92300")
        for number in range(50):
            self.accept("smpp", f"4670000000{number:02}")
        asked: list[str] = []
        self.patch(Rerouting, "queue_of", lambda rerouting, channel, number: asked.append(number))
        self.start_with("", "92300")
        self.assertEqual(asked, [])

    def test_nothing_to_do(self) -> None:
        """Queues that a submitter reads stay as they are, and all submitters start."""
        self.accept("smpp/92", "923001234567")
        self.run_it()
        self.assertEqual((self.waiting("smpp/92"), self.rerouting.unserved), (["923001234567"], {}))
        self.assertEqual(self.started(), [True, True])

    def test_moved(self) -> None:
        """Each segment of a queue that is gone goes to the route of its number."""
        self.accept("smpp", "923001234567", "one", "two")
        self.accept("smpp", "4670123456")
        self.run_it()
        self.assertEqual(self.waiting("smpp/92"), ["923001234567"] * 2)
        self.assertEqual((self.waiting("smpp/46"), self.waiting("smpp")), (["4670123456"], []))

    def test_no_route(self) -> None:
        """What no route serves stays, is counted, and keeps nobody from starting."""
        self.accept("smpp", "4915212345")
        self.accept("smpp", "4915212346")
        self.run_it()
        self.assertEqual((len(self.waiting("smpp")), self.rerouting.unserved), (2, {"smpp": 2}))
        self.assertEqual(self.started(), [True, True])

    def test_left_later(self) -> None:
        """What is due later, and served by none, is counted and told as well."""
        self.accept("smpp", "4915212345")
        self.run_it()
        told: list[tuple[str, int]] = []
        self.patch(Rerouting, "log", _Log(told))
        self.rerouting.leave({"smpp": 2, "two": 1})
        self.assertEqual((self.rerouting.unserved, told), ({"smpp": 3, "two": 1}, [("smpp", 2), ("two", 1)]))

    def test_not_before_it_is_done(self) -> None:
        """While the store can't be read no submitter starts; it is tried again until it can."""
        self.accept("smpp", "923001234567")
        self.writer.broken = True
        self.run_it()
        self.clock.advance(5)
        self.assertEqual(self.started(), [False, False])
        self.writer.broken = False
        self.clock.pump([1, 0, 0, 0])
        self.assertEqual((self.waiting("smpp/92"), self.started()), (["923001234567"], [True, True]))

    def test_stopped_before_the_answer(self) -> None:
        """An answer that comes after the stop starts no submitter."""
        self.rerouting.startService()
        self.rerouting.stopService()
        self.clock.advance(0)
        self.assertEqual((self.started(), self.writer.commits), ([False, False], 1))

    def test_stopped_while_it_fails(self) -> None:
        """After a stop nothing is tried again."""
        self.writer.broken = True
        self.run_it()
        self.rerouting.stopService()
        self.writer.broken = False
        self.clock.pump([1] * 5)
        self.assertEqual((self.started(), self.clock.getDelayedCalls()), ([False, False], []))


class _Log:
    def __init__(self, told: list[tuple[str, int]]) -> None:
        self._told = told

    def warn(self, _words: str, **values: Any) -> None:
        self._told.append((values["channel"], values["count"]))

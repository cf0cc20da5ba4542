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
        self.clock.pump([0] * 10)

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

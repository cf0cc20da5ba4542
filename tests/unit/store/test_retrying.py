"""The writer that tries again: while the disk is full, and not where the file is damaged."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import StoreDamaged, StoreError, StoreUnavailable
from smsconnector.store import operations as ops
from smsconnector.store.inbox import Done
from smsconnector.store.operations import Operation
from smsconnector.store.retrying import RETRY_INTERVAL, RetryingWriter
from smsconnector.store.writer import apply_batch
from tests.recorded_log import RecordedLog

DAMAGED = StoreDamaged("the database sms.db is damaged: save it with `smsconnector rescue sms.db NEWFILE`")


class RetryingCase(SynchronousTestCase):
    """``error`` is what the writer answers, at once; None: it is written."""

    def setUp(self) -> None:
        self.clock, self.log = Clock(), RecordedLog(self)
        self.error: StoreError | None = None
        self.tries = 0
        self.told: list[StoreError | None] = []
        self.retrying = RetryingWriter(self.clock, self)
        self.held: list[Done] = []
        self.holds = False

    depth = 0

    def allocate(self, count: int) -> int:
        return count

    def put(self, _operation: Operation, done: Done, may_wait: bool = False) -> None:
        self.tries += 1
        if self.holds:
            self.held.append(done)
        else:
            done(None, self.error)

    def write(self) -> None:
        self.retrying.put(lambda: ops.Unclaim((1,)), lambda _result, error: self.told.append(error))

    def wait(self, seconds: int) -> None:
        self.clock.pump([RETRY_INTERVAL] * seconds)

    def fired(self) -> list[str]:
        """Grows when ``settled``, asked now, fires."""
        found: list[str] = []
        self.retrying.settled().addCallback(lambda _: found.append("settled"))
        return found

    def test_full(self) -> None:
        """Tried once a second until it is written, and told once."""
        self.error = StoreUnavailable("the disk is full")
        self.write()
        self.wait(5)
        self.assertEqual((self.tries, self.retrying.failing, self.told), (6, True, []))
        self.error = None
        self.wait(1)
        self.assertEqual((self.retrying.failing, self.told), (False, [None]))

    def test_damaged(self) -> None:
        """A damaged file stays so: it is tried once, it fails from then on, so that nobody promises or sends more, and
        the log says once, as critical, what to do."""
        self.error = DAMAGED
        self.write()
        self.wait(100)
        self.write()
        self.wait(100)
        self.assertEqual((self.tries, self.told), (2, []))
        self.assertEqual((self.retrying.failing, self.retrying.damaged), (True, True))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        (event,) = [event for event in self.log.events if event["log_level"].name == "critical"]
        (line,) = [line for line in self.log.lines if "smsconnector rescue sms.db NEWFILE" in line]
        self.assertIs(self.log.events[self.log.lines.index(line)], event)

    def test_full_and_then_damaged(self) -> None:
        """A batch that failed for one reason may fail for another when it is tried again."""
        self.error = StoreUnavailable("disk I/O error")
        self.write()
        self.error = DAMAGED
        self.wait(10)
        self.assertEqual((self.tries, self.retrying.damaged, self.clock.getDelayedCalls()), (2, True, []))

    def test_one_is_damaged(self) -> None:
        """What other pages take is still written and told, but ``failing`` stays."""
        self.error = DAMAGED
        self.write()
        self.error = None
        self.write()
        self.assertEqual((self.told, self.retrying.failing), ([None], True))

    def test_stop_does_not_wait_for_what_is_damaged(self) -> None:
        """It would wait for its whole time. It waits for what may still be written."""
        self.error = DAMAGED
        self.write()
        self.assertEqual(self.fired(), ["settled"])
        self.error = StoreUnavailable("the disk is full")
        self.write()
        fired = self.fired()
        self.assertEqual(fired, [])
        self.error = DAMAGED
        self.wait(1)
        self.assertEqual(fired, ["settled"])

    def test_lost_at_the_stop(self) -> None:
        """What could not be written is gone with the process: the log says how much, and nothing if all is written."""
        self.retrying.close()
        self.assertEqual(self.log.lines, [])
        self.error = StoreUnavailable("the disk is full")
        self.write()
        self.write()
        self.retrying.close()
        (line,) = self.log.lines
        self.assertIn("2 ", line)
        self.assertIn("could not be written", line)

    def test_settled_twice(self) -> None:
        """Two may wait for it, one after the other: both are told. The first was dropped."""
        self.holds = True
        self.write()
        first, second = self.fired(), self.fired()
        self.assertEqual((first, second), ([], []))
        self.held.pop()(None, None)
        self.assertEqual((first, second, self.fired()), (["settled"], ["settled"], ["settled"]))

    def test_settled_and_given_up(self) -> None:
        """One who has cancelled is not told, and the others are."""
        self.holds = True
        self.write()
        given_up = self.retrying.settled()
        failed: list[object] = []
        given_up.addErrback(failed.append)
        waiting = self.fired()
        given_up.cancel()
        self.held.pop()(None, None)
        self.assertEqual((len(failed), waiting), (1, ["settled"]))

    def test_settled_in_its_own_callback(self) -> None:
        """Who is told asks again at once, and is told at once."""
        self.holds = True
        self.write()
        found: list[str] = []
        self.retrying.settled().addCallback(lambda _: found.extend(self.fired()))
        self.held.pop()(None, None)
        self.assertEqual(found, ["settled"])


class DamagedPageStore:
    """A store in which each Unclaim meets a damaged page. ``commits`` holds the sizes of those that were good."""

    def __init__(self) -> None:
        self.commits: list[int] = []

    def apply(self, batch: Sequence[Operation]) -> list[Any]:
        if any(isinstance(one, ops.Unclaim) for one in batch):
            raise DAMAGED
        self.commits.append(len(batch))
        return ["written"] * len(batch)


class DamagedBatchCase(SynchronousTestCase):
    def test_only_who_meets_the_page(self) -> None:
        """One operation of a batch meets a damaged page: the others are written. They would be given up with it."""
        store: Any = DamagedPageStore()
        good, bad = ops.Measure(0), ops.Unclaim((1,))
        answers = apply_batch(store, [good, bad, good, bad])
        self.assertEqual(answers, [("written", None), (None, DAMAGED), ("written", None), (None, DAMAGED)])
        self.assertEqual(store.commits, [1, 1])

    def test_full_disk_is_asked_once(self) -> None:
        """Where the disk is full, all of the batch is."""
        full = StoreUnavailable("the disk is full")
        store = SimpleNamespace(asked=0)

        def apply(_batch: Sequence[Operation]) -> list[Any]:
            store.asked += 1
            raise full

        store.apply = apply
        given: Any = store
        self.assertEqual(apply_batch(given, [ops.Measure(0), ops.Measure(0)]), [(None, full)] * 2)
        self.assertEqual(store.asked, 1)

"""The backlog in the database, by the contract that every backlog has to keep."""

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.store import operations as ops
from smsconnector.store.inbox import Done
from smsconnector.store.operations import Query
from smsconnector.store.reader import IReader
from smsconnector.store.store import Store
from smsconnector.walks.backlog import StoreBacklog
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH, DirectWriter, run_what_is_due
from tests.unit.walks.backlog_contract import BacklogContract


class StoreBacklogCase(BacklogContract, SynchronousTestCase):
    """Loads are answered by the writer, in the order of its commits."""

    def setUp(self) -> None:
        self.clock, self.path, self.process = Clock(), self.mktemp(), 1
        self.start()

    def tearDown(self) -> None:
        self.writer.store.close()

    def start(self) -> None:
        self.writer = DirectWriter(self.clock, Store(self.path))

    def reader(self) -> IReader:
        return self.writer

    def make(self, queue: str = "one") -> StoreBacklog:
        return StoreBacklog(
            queue,
            self.writer,
            self.reader(),
            clock=self.clock,
            wall_clock=WallClock(self.seconds),
            process=self.process,
        )

    def kill(self) -> None:
        self.writer.store.close()
        self.clock.calls.clear()
        self.process += 1
        self.start()

    def seconds(self) -> float:
        return EPOCH + self.clock.seconds()

    def now_ms(self) -> int:
        return int(self.seconds() * 1000)

    def advance(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self.clock.advance(0.25)
        run_what_is_due(self.clock)

    def break_writes(self, broken: bool) -> None:
        self.writer.full = broken

    def break_all(self, broken: bool) -> None:
        self.writer.broken = broken


class OwnConnectionCase(StoreBacklogCase):
    """Loads are answered by another connection, before what the writer has been given and not committed."""

    def reader(self) -> IReader:
        return Reader(self)


class Reader:
    """Reads at once, and answers in the next turn."""

    def __init__(self, case: StoreBacklogCase) -> None:
        self._case = case

    def put(self, query: Query, done: Done) -> None:
        assert isinstance(query, ops.LoadSegments | ops.LoadDue | ops.LoadRetries)
        reader = DirectWriter(self._case.clock, self._case.writer.store)
        reader.broken = self._case.writer.broken

        def answered(*answer: Any) -> None:
            self._case.clock.callLater(0, done, *answer)

        reader.queue.append((query, answered))
        reader.commit()

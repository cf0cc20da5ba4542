"""The database file and who writes to it, with their faults.

``SimulatedWriter`` keeps the contract of ``store.writer.Writer`` on simulated time: it takes what came, commits it a
little later, and hands the answers over later still; a crash may fall between any two of these. ``SimulatedReader``
does so for ``store.reader.Reader``: its answers are as old as they can be. The store and its
file are real. A crash copies the file and its write-ahead log as they are at that moment; a *torn* one loses part of
what the last commit wrote: as if the power went while that commit waited for the disk.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from smsconnector.errors import StoreError, StoreUnavailable
from smsconnector.store import operations as ops
from smsconnector.store.database import open_readonly
from smsconnector.store.inbox import LONGEST_WAIT_S, Done, Inbox
from smsconnector.store.queries import Queries
from smsconnector.store.reader import answer_query
from smsconnector.store.store import Store
from smsconnector.store.worker import Soon
from smsconnector.store.writer import HearWritten, Written, apply_batch, hand_over, takes_along
from tests.simulation.clock import Machine
from tests.unit.fakes import HOUSEKEEPING, only_reads

CONFIRMED = "id * 64 + 1 IN (SELECT id FROM confirmation)"  # of an event, by the broker
CALLED_BACK = (  # of a callback ``c``, by its host
    "EXISTS (SELECT 1 FROM sink AS k JOIN confirmation AS f ON f.id = c.event * 64 + k.id"
    " WHERE k.name = 'callback:' || c.host)"
)
CONFIRMED_2 = "id * 64 + 2 IN (SELECT id FROM confirmation)"  # by the second sink, the webhook
_IDLE = (ops.Measure, *HOUSEKEEPING)  # what is asked now and then, whether there is anything to do or not


class Faults:
    """What is wrong with the disk now: the kind of each fault and until when, and the crash that waits for a commit."""

    def __init__(self) -> None:
        self.until: dict[str, float] = {}
        self.ended_at = -1.0  # the last fault that anything ran into
        self.crash_at: str | None = None  # before, torn, after, callback
        self.crash: Callable[[], None]

    def active(self, kind: str, now: float) -> bool:
        if self.until.get(kind, -1.0) > now:
            self.ended_at = max(self.ended_at, now)
            return True
        return False


class FaultyConnection:
    """The store's connection, in front of the real one: COMMIT fails as it does when fsync does, or a statement in
    the middle as it does when the disk is full. The transaction is rolled back by whoever called."""

    def __init__(self, connection: sqlite3.Connection, machine: Machine, faults: Faults, dice: Random) -> None:
        self._connection, self._machine, self._faults, self._dice = connection, machine, faults, dice

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        now = self._machine.seconds()
        if sql == "COMMIT" and self._faults.active("commit", now):
            raise sqlite3.OperationalError("disk I/O error")
        writes = self._faults.until and sql.startswith(("INSERT", "UPDATE", "DELETE"))
        if writes and self._faults.active("statement", now) and self._dice.random() < 0.5:
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(sql, parameters)


class SimulatedWriter:
    """One life's writer. ``slowness``: seconds that a commit takes at most."""

    log = Logger()

    def __init__(self, machine: Machine, faults: Faults, dice: Random, slowness: float) -> None:
        self._machine, self._faults, self._dice, self._slowness = machine, faults, dice, slowness
        self._inbox = Inbox(takes_along)
        self._busy = self._stopping = False
        self._stopped: Deferred[None] = Deferred()
        self._answered_at = 0.0
        self._looks: list[IDelayedCall] = []  # at what may wait
        self._next_id = 0
        self.writing = 0  # operations that may write and are not answered yet
        self._soon = Soon()
        self._listeners: list[HearWritten] = []
        self.store: Store

    def start(self, store: Store) -> None:
        self.store, self._next_id = store, store.last_segment_id() + 1
        connection: Any = FaultyConnection(store._connection, self._machine, self._faults, self._dice)
        store._connection = connection
        self._wake()

    def stop(self) -> "Deferred[None]":
        self._stopping = True
        for look in self._looks:
            if look.active():
                look.cancel()
        self._wake()
        return self._stopped

    def allocate(self, count: int) -> int:
        first, self._next_id = self._next_id, self._next_id + count
        return first

    @property
    def depth(self) -> int:
        return len(self._inbox)

    def listen(self, listener: HearWritten) -> None:
        self._listeners.append(listener)

    def unlisten(self, listener: HearWritten) -> None:
        self._listeners.remove(listener)

    def afterwards(self, call: Callable[[], None]) -> None:
        self._soon.call(call)

    def put(self, operation: ops.Operation, done: Done, may_wait: bool = False) -> None:
        if self._stopping:
            done(None, StoreUnavailable("the connector is stopping"))
            return
        self.writing += not isinstance(operation, _IDLE)
        if self._inbox.put(operation, done, self._machine.seconds(), may_wait):
            self._wake()
        else:
            self._looks = [look for look in self._looks if look.active()]
            self._looks.append(self._machine.callLater(LONGEST_WAIT_S, self._wake))

    # --- as the thread does -----------------------------------------------------------------------------------

    def _wake(self) -> None:
        if not self._busy and hasattr(self, "store"):
            self._busy = True
            self._machine.callLater(self._dice.random() * 0.001, self._take)

    def _take(self) -> None:
        batch = self._inbox.take(len(self._inbox), self._machine.seconds(), everything=self._stopping)
        if not batch:
            self._go_on()
        elif all(isinstance(operation, ops.Measure) for operation, _ in batch):
            self._apply(batch)
        else:
            self._machine.callLater(self._dice.random() * self._slowness, self._apply, batch)

    def _apply(self, batch: list[tuple[ops.Operation, Done]]) -> None:
        operations = [operation for operation, _ in batch]
        writes = not all(isinstance(operation, ops.Measure) for operation in operations)
        crash = self._faults.crash_at if writes else None
        if crash == "before":
            self._faults.crash()
            return
        before = wal_of(self.store) if crash == "torn" else (b"", b"")
        answers, written = self._answers(operations), self.store.take_written()
        if crash == "torn":
            self._faults.crash_at = None
            tear(before, self.store, self._dice, self._faults.crash)
            return
        if crash == "after":
            self._faults.crash()
            return
        self._answered_at = max(self._answered_at, self._machine.seconds() + self._dice.random() * 0.001)
        later = self._answered_at - self._machine.seconds()
        self._machine.callLater(later, self._answer, batch, answers, written)
        self._go_on()
        if len(self._inbox):
            self._wake()

    def _go_on(self) -> None:
        """Nothing is being written."""
        self._busy = self._stopping and not len(self._inbox)
        if self._busy:
            self._machine.callLater(0.001, self._close)

    def _answers(self, operations: list[ops.Operation]) -> Any:
        if self._faults.active("full", self._machine.seconds()) and not only_reads(operations):
            return [(None, StoreUnavailable("the database can't be written: database or disk is full"))] * len(
                operations
            )
        return apply_batch(self.store, operations)

    def _close(self) -> None:
        self.store.close()
        self._stopped.callback(None)

    def _answer(
        self,
        batch: list[tuple[ops.Operation, Done]],
        answers: list[tuple[Any, StoreError | None]],
        written: Written,
    ) -> None:
        hand_over(written, self._listeners)
        self.writing -= sum(not isinstance(operation, _IDLE) for operation, _ in batch)
        crash_behind = -1
        if self._faults.crash_at == "callback" and len(batch) > 1:
            crash_behind = self._dice.randrange(1, len(batch))
        self._soon.is_open = True
        for index, ((operation, done), (result, error)) in enumerate(zip(batch, answers, strict=True)):
            if index == crash_behind:
                self._faults.crash()
            if not self._machine.alive:
                return
            try:
                done(result, error)
            except Exception:  # noqa: BLE001 — as Writer does
                self.log.failure("the callback of {operation} failed", operation=type(operation).__name__)
        for call in self._soon.taken():
            call()


class SimulatedReader:
    """One life's reader. A query sees what was committed when its turn came; its answer comes later still. Meanwhile
    there may be commits, and the daemon may hear of them first."""

    log = Logger()

    def __init__(self, machine: Machine, dice: Random, slowness: float) -> None:
        self._machine, self._dice, self._slowness = machine, dice, slowness
        self._queue: list[tuple[ops.Query, Done]] = []
        self._busy = self._stopping = False
        self._stopped: Deferred[None] = Deferred()
        self._connection: sqlite3.Connection
        self._queries: Queries

    def start(self, path: str) -> None:
        self._connection = open_readonly(path)
        self._queries = Queries(self._connection, path)
        self._wake()

    def stop(self) -> "Deferred[None]":
        self._stopping = True
        self._wake()
        return self._stopped

    def close(self) -> None:
        self._connection.close()

    def put(self, query: ops.Query, done: Done) -> None:
        if self._stopping:
            done(None, StoreUnavailable("the connector is stopping"))
            return
        self._queue.append((query, done))
        self._wake()

    def _wake(self) -> None:
        if not self._busy and (self._queue or self._stopping):
            self._busy = True
            self._machine.callLater(self._dice.random() * 0.001, self._take)

    def _take(self) -> None:
        """What is there is answered now; the answers arrive at once, or after some commits."""
        batch, self._queue = self._queue, []
        answers = [answer_query(self._queries, query) for query, _ in batch]
        slow = self._dice.random() < 0.2
        later = self._dice.random() * (2 * self._slowness + 0.02 if slow else 0.001)
        self._machine.callLater(later, self._answer, batch, answers)

    def _answer(self, batch: list[tuple[ops.Query, Done]], answers: list[tuple[Any, StoreError | None]]) -> None:
        for (query, done), (result, error) in zip(batch, answers, strict=True):
            if not self._machine.alive:
                return
            try:
                done(result, error)
            except Exception:  # noqa: BLE001 — as Reader does
                self.log.failure("the callback of {query} failed", query=type(query).__name__)
        self._busy = False
        if self._stopping and not self._queue:
            self._busy = True
            self.close()
            self._stopped.callback(None)
        else:
            self._wake()


# --- what a crash leaves --------------------------------------------------------------------------------------


def path_of(store: Store) -> str:
    return str(store._connection.execute("PRAGMA database_list").fetchone()[2])


def wal_of(store: Store) -> tuple[bytes, bytes]:
    """The octets of the file and of its write-ahead log."""
    path = path_of(store)
    with open(path, "rb") as file:
        database = file.read()
    if not os.path.exists(path + "-wal"):
        return database, b""
    with open(path + "-wal", "rb") as log:
        return database, log.read()


def tear(before: tuple[bytes, bytes], store: Store, dice: Random, crash: Callable[[], None]) -> None:
    """Crash, and lose part of what the last commit wrote to the log: cut off, or other octets in their place. If the
    commit moved the log into the file, it was on disk before that, and there is nothing to lose."""
    database, log = wal_of(store)
    crash()
    if database != before[0]:
        return
    first = first_difference(before[1], log)
    if first >= len(log):
        return
    cut = dice.randrange(first, len(log))
    torn = log[:cut]
    if dice.random() < 0.5:  # the pages behind arrived, this one did not: what was there before, or noise
        hole = min(len(log), cut + dice.choice((1, 512, 4096)))
        old = before[1][cut:hole] if len(before[1]) >= hole else dice.randbytes(hole - cut)
        if old == log[cut:hole]:
            old = bytes(octet ^ 0xFF for octet in old)
        torn = log[:cut] + old + log[hole:]
    with open(path_after_crash(store) + "-wal", "wb") as file:
        file.write(torn)


def first_difference(old: bytes, new: bytes) -> int:
    """Where they begin to differ, or the length of ``old`` if it is all there."""
    for at in range(0, len(old), 4096):
        if old[at : at + 4096] != new[at : at + 4096]:
            return next(
                (at + index for index in range(min(4096, len(old) - at)) if old[at + index] != new[at + index]),
                len(old),
            )
    return len(old)


def path_after_crash(store: Store) -> str:
    return next_path(path_of(store))


def next_path(path: str) -> str:
    """Each life has a folder of its own: its number."""
    folder, name = os.path.split(path)
    root, number = os.path.split(folder)
    return os.path.join(root, str(int(number) + 1), name)


def copy_as_it_is(path: str) -> str:
    """The file and its log, as the kernel has them at this moment, for the next life."""
    found = next_path(path)
    os.makedirs(os.path.dirname(found), exist_ok=True)
    for suffix in ("", "-wal"):
        if os.path.exists(path + suffix):
            shutil.copyfile(path + suffix, found + suffix)
    return found

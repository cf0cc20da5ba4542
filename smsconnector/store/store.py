"""Apply a batch of operations in one transaction.

Each kind of operation is handled for the whole batch at once, in three steps:

1. *Select* the rows that it is about, with one statement.
2. *Decide* in Python, by the table of ``lifecycle``.
3. *Write* with one statement per table, for all rows (``rows``). A statement per row would take the GIL from the
   reactor's thread each time.

The base classes do this: ``outgoing``, ``schedules``, ``idempotency``, ``several_ids``, ``receipts``, ``ends``,
``fall_backs``, ``incoming``, ``outbox`` and ``retention``.

The store is synchronous and knows nothing of threads; ``writer`` uses it in one thread. If an exception is raised,
nothing of the batch was written.
"""

import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from smsconnector.errors import StoreDamaged, StoreUnavailable, StoreUnusable
from smsconnector.figures import Figures
from smsconnector.lifecycle import EndRules, MessageState, SegmentState
from smsconnector.messages import ALL_EVENTS, Selection
from smsconnector.sms.addresses import same_number
from smsconnector.sms.opt_out import OptOutRules
from smsconnector.store import falling
from smsconnector.store import operations as ops
from smsconnector.store.accounts import Accounts
from smsconnector.store.configuring import Configure
from smsconnector.store.database import Lock, Tell, open_database, steps
from smsconnector.store.idempotency import Idempotency
from smsconnector.store.matching import Matcher
from smsconnector.store.opt_outs import same_subscriber_in
from smsconnector.store.repeats import AcceptOnce
from smsconnector.store.retention import Retention
from smsconnector.store.rows import StoreCounts
from smsconnector.store.scheduling import Release
from smsconnector.store.trouble import explain, free_octets, is_damaged


class Store(Idempotency, Retention):
    """One database file. Use it in one thread at a time. ``is_new``: the file was missing or empty.

    :param path: of the database file; it is made if it is missing.
    :param kin: for each account the accounts that stand for each other, itself included. Receipts with a long id, and
        parts of one text, may come over any of them.
    :param sinks: the names of the sinks, with the events that each is owed; a sequence of names: all of them.
    :param rules: how long is waited for what may still be told of a message.
    :param system_ids: of the accounts that the binds have today: see ``accounts``.
    :param opt_out: of the channels whose customers can opt out by a word.
    :param figures: where is counted what the store has written.
    :param tell: is given a sentence for each step by which an older schema is brought up to date, when it begins.

    Raises StoreUnusable if the file can't be used, or if another connector uses it."""

    def __init__(
        self,
        path: str,
        kin: Mapping[str, tuple[str, ...]] | None = None,
        sinks: Mapping[str, Selection] | Sequence[str] = ("stomp",),
        rules: EndRules | None = None,
        system_ids: Mapping[str, str] | None = None,
        tell: Tell = lambda sentence: None,
        opt_out: Mapping[str, OptOutRules] | None = None,
        figures: Figures | None = None,
    ) -> None:
        self.figures, self._noted = figures or Figures(), []
        self._rules, self._opt_out = rules or EndRules(), opt_out or {}
        self.is_new = not os.path.exists(path) or not os.path.getsize(path)
        self._lock, self.path = Lock(path), path
        try:
            self._connection = open_database(path, tell)
        except StoreUnusable:
            self._lock.release()
            raise
        self._connection.create_function("same_number", 2, same_number, deterministic=True)
        same_subscriber_in(self._connection)
        self._matcher = Matcher()
        try:
            self._counts = StoreCounts(
                queued=sum(self._one(f"SELECT count(*) FROM segment WHERE state = {state:d}") for state in _TO_SUBMIT),
                parked_receipts=self._one("SELECT count(*) FROM parked_receipt"),
            )
            self._open_outbox(sinks if isinstance(sinks, Mapping) else dict.fromkeys(sinks, ALL_EVENTS))
            self._open_callbacks()
            self._open_receipts()
            self._open_fall_backs()
            self._open_schedule()
            self._open_numbers()
            self._has_references = bool(self._one("SELECT EXISTS (SELECT 1 FROM message WHERE reference IS NOT NULL)"))
            self._accounts = Accounts(self._connection, kin or {}, system_ids or {})
            self.last_segment_id()
            self.counts()
        except sqlite3.DatabaseError as error:
            self.close()
            raise StoreUnusable(explain(error, path)) from error
        self._handlers = self._by_operation()

    def _by_operation(self) -> dict[type, Callable[[list[Any]], list[Any]]]:
        """Who does what an operation says, for all of its kind in a batch."""
        return {
            Configure: self._configure,
            ops.Settle: self._settle,
            falling.AwaitFallBacks: self._await_fall_backs,
            ops.Requeue: self._requeue,
            ops.Accept: self._accept,
            ops.Schedule: self._schedule,
            AcceptOnce: self._accept_once,
            ops.Claim: self._claim,
            ops.Unclaim: self._unclaim,
            ops.Postpone: self._postpone,
            ops.Record: self._record,
            ops.CancelTaken: self._cancel_taken,
            ops.Receive: self._receive,
            ops.Cancel: self._cancel,
            Release: self._release,
            ops.Incoming: self._incoming,
            ops.Confirm: self._confirm,
            ops.ParkEvents: self._park_events,
            falling.Move: self._move,
            falling.FindFalling: self._find_falling,
            falling.EndFalling: self._end_falling,
            ops.Sweep: self._sweep,
            ops.Purge: self._purge,
            ops.Measure: self._measure,
        }

    @property
    def parked(self) -> int:
        """How many receipts wait for the response to their submit."""
        return self._counts.parked_receipts

    def last_segment_id(self) -> int:
        """The greatest segment id in the database, 0 if there is none."""
        return self._one("SELECT coalesce(max(id), 0) FROM segment")

    def counts(self) -> dict[str, int]:
        """How many there are: ``active`` messages, ``queued`` segments, ``events`` that are neither confirmed nor
        parked, ``parked`` receipts. Counts the active messages in an index."""
        return {
            "active": self._one(f"SELECT count(*) FROM message WHERE state = {MessageState.ACTIVE:d}"),
            "queued": self._counts.queued,
            "events": self._counts.waiting_events,
            "parked": self._counts.parked_receipts,
        }

    def described(self) -> str:
        """What it is and what is in it, for the log at the start."""
        kind = "a new database" if self.is_new else "the database"
        return f"{kind}, {os.path.abspath(self.path)}, schema {steps()[-1][0]}: {self.counts()}"

    def close(self) -> None:
        self._connection.close()
        self._lock.release()

    def apply(self, batch: Sequence[ops.Operation]) -> list[Any]:
        """Write all of the batch, or nothing. It is on disk when this returns. The results are in the order of the
        batch.

        Raises StoreUnavailable if the disk or the file fails, and its subclass StoreDamaged if the file is damaged. Any
        other exception is the fault of one of the operations."""
        groups: dict[type, list[int]] = defaultdict(list)
        for index, operation in enumerate(batch):
            groups[type(operation)].append(index)
        results: list[Any] = [None] * len(batch)
        counts, written, self._noted = replace(self._counts), self._written, []
        try:
            self._roll_back()  # if the roll-back after the last error failed
            self._connection.execute("BEGIN IMMEDIATE")
            for kind in ops.ORDER:
                indexes = groups.get(kind)
                if indexes:
                    answers = self._handlers[kind]([batch[index] for index in indexes])
                    for index, answer in zip(indexes, answers, strict=True):
                        results[index] = answer
            self._connection.execute("COMMIT")
            for family, happened in self._noted:
                family.add_all(happened)
        except BaseException as error:
            self._counts, self._written = counts, written
            self._roll_back()
            if isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError) and not isinstance(
                error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError
            ):
                if is_damaged(error):
                    raise StoreDamaged(explain(error, self.path)) from error
                raise StoreUnavailable(f"the database can't be written: {error}") from error
            raise
        return results

    def _roll_back(self) -> None:
        """End the transaction. If that fails too, the caller raises the error that came before, and the next batch
        tries to roll back again."""
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _configure(self, batch: list[Configure]) -> list[None]:
        for one in batch:
            written = self._written
            self._rules, self._opt_out = one.rules, one.opt_out
            if one.queues is not None:
                self._queues = set(one.queues)
                self._still_served(one.queues)
            if one.sinks is not None:
                self._open_outbox(one.sinks)
            self._open_receipts()
            self._accounts = Accounts(self._connection, one.kin, one.system_ids, self._accounts)
            self._written = written  # by the batch before, and not taken yet
        return [None] * len(batch)

    def _sweep(self, batch: list[ops.Sweep]) -> list[ops.Swept]:
        return [self._sweep_once(sweep) for sweep in batch]

    def _sweep_once(self, sweep: ops.Sweep) -> ops.Swept:
        """What is presumed counts before what only time has ended."""
        self._mend_times(sweep)
        count, ended = self._apply_presumed(sweep)
        if count < sweep.limit:
            count += self._expire(sweep)
        count += self._give_up_waiting(sweep) + self._give_up_parked(sweep) + self._drop_keys(sweep)
        return ops.Swept(count, tuple(one.message_id for one in ended))

    def _measure(self, batch: list[ops.Measure]) -> list[ops.Measures]:
        probes = [measure.probe for measure in batch if measure.probe is not None]
        if probes:
            self._connection.execute("UPDATE probe SET filling = zeroblob(?)", (max(probes),))
        counts = self._counts
        measures = ops.Measures(
            queued=counts.queued,
            waiting_events=counts.waiting_events,
            parked=counts.parked_receipts,
            parked_events=counts.parked_events,
            free=free_octets(self.path),
            dropped=counts.dropped_receipts,
            unknown_codes=counts.unknown_codes,
            scheduled=counts.scheduled,
        )
        return [measures] * len(batch)


_TO_SUBMIT = (SegmentState.QUEUED, SegmentState.CLAIMED)

"""A batch of operations, in one transaction: what was asked, what is decided, what is written.

Each kind of operation is handled for the whole batch at once, in three moves: *select* the rows it is about
with one statement, *decide* in Python by the table of ``lifecycle``, *write* with one statement per table
(``INSERT ... SELECT ... FROM json_each(?)``: a statement per row would take the GIL from the reactor each time).

The store is synchronous and knows no thread; ``writer`` owns it in one. An exception leaves nothing written.
"""

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from smsconnector.errors import StoreDamaged, StoreUnavailable, StoreUnusable
from smsconnector.lifecycle import (
    CODE_EXPIRED,
    CODE_NO_FAILURE,
    CODE_NO_RECEIPT,
    CODE_UNKNOWN,
    MessageState,
    SegmentState,
    may_step,
    message_state,
)
from smsconnector.messages import (
    Finality,
    IncomingSegment,
    Receipt,
    Segment,
    Verdict,
)
from smsconnector.smpp.message_ids import OTHER_WAY, RAW, id_candidates, id_key
from smsconnector.store import operations as ops
from smsconnector.store.database import Lock, explain, free_octets, is_damaged, open_database
from smsconnector.store.incoming import IncomingTexts
from smsconnector.store.matching import Candidate, Matcher, is_long
from smsconnector.store.outbox import report_event
from smsconnector.store.retention import Retention
from smsconnector.store.rows import columns

_AFTER_RECEIPT = {Finality.DELIVERED: SegmentState.DELIVERED, Finality.FAILED: SegmentState.FAILED}
_AFTER_SUBMIT = {
    Verdict.ACCEPTED: SegmentState.SENT,
    Verdict.RETRY: SegmentState.QUEUED,
    Verdict.REFUSED: SegmentState.FAILED,
    Verdict.DONE: SegmentState.DELIVERED,
}
PARKED_TIMEOUT = 3_600_000  # ms that a receipt waits for the response to its submit; ids come again in time
PARKED_BY_ID_ALONE = 60_000  # ms, the same if it names another number than the message's
_FOR_EVER = (1 << 63) - 1  # ms
_LOADED = (
    "s.id, s.number, m.segments, s.text, m.alphabet, m.source, m.destination, m.expires_at, s.attempts, m.is_limited"
)


_TO_SUBMIT = frozenset({SegmentState.QUEUED, SegmentState.CLAIMED})


class Known:
    """The segments a batch is about and their messages, as they are after what the batch has decided so far."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self.states: dict[int, SegmentState] = {}
        self.messages: dict[int, tuple[str, str, int, int]] = {}  # id -> sid, channel, segments, state
        self.message_of: dict[int, int] = {}
        self.left_queue = 0  # segments that need not be submitted any more
        self.add(rows)

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for segment_id, state, message_id, sid, channel, segments, final in rows:
            self.states.setdefault(segment_id, SegmentState(state))
            self.messages.setdefault(message_id, (sid, channel, segments, final))
            self.message_of[segment_id] = message_id

    def step(self, segment_id: int, wanted: SegmentState) -> bool:
        """Take the step if the table allows it."""
        current = self.states.get(segment_id)
        if current is None or not may_step(current, wanted):
            return False
        self.states[segment_id] = wanted
        self.left_queue += current in _TO_SUBMIT and wanted not in _TO_SUBMIT
        return True


def _parked_text(incoming: IncomingSegment | None) -> str | None:
    one = incoming
    if one is None:
        return None
    return json.dumps(
        [one.channel, one.destination, one.text, one.reference, one.number, one.count, one.is_binary, one.written_in]
    )


def _text_of_parked(account: str, source: str, received_at: int, parked: str) -> IncomingSegment:
    channel, destination, text, *place = json.loads(parked)
    reference, number, count, is_binary, written_in = (*place, None)[:5] if place else (0, 1, 1, False, None)
    return IncomingSegment(
        channel,
        account,
        source,
        destination,
        text,
        received_at,
        reference,
        number,
        count,
        is_binary=is_binary,
        written_in=written_in,
    )


class Store(IncomingTexts, Retention):
    """One database file. Use from one thread at a time. ``is_new``: there was none, or an empty one. ``kin``: for an
    account all those, itself included, over which its receipts with long ids may come, and parts of texts."""

    def __init__(self, path: str, kin: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._kin = kin or {}
        self.is_new = not os.path.exists(path) or not os.path.getsize(path)
        self._lock = Lock(path)
        self._path = path
        try:
            self._connection = open_database(path)
        except StoreUnusable:
            self._lock.release()
            raise
        self._matcher = Matcher()
        try:
            self._parked = self._one("SELECT count(*) FROM parked_receipt")
            self._queued = self._one("SELECT count(*) FROM segment WHERE state = 0") + self._one(
                "SELECT count(*) FROM segment WHERE state = 1"
            )
            self._events_waiting = self._one("SELECT count(*) FROM outbox WHERE published_at IS NULL")
            self.last_segment_id()
            self.counts()
        except sqlite3.DatabaseError as error:
            self.close()
            raise StoreUnusable(explain(error, path)) from error
        self._handlers: dict[type, Callable[[list[Any]], list[Any]]] = {
            ops.Settle: self._settle,
            ops.Requeue: self._requeue,
            ops.Accept: self._accept,
            ops.Claim: self._claim,
            ops.Unclaim: self._unclaim,
            ops.Postpone: self._postpone,
            ops.Record: self._record,
            ops.Receive: self._receive,
            ops.Incoming: self._incoming,
            ops.Published: self._published,
            ops.Sweep: self._sweep,
            ops.Purge: self._purge,
            ops.Measure: self._measure,
            ops.LoadSegments: self._load_segments,
            ops.LoadDue: self._load_due,
            ops.LoadRetries: self._load_retries,
            ops.LoadEvents: self._load_events,
            ops.Find: self._find,
        }

    @property
    def parked(self) -> int:
        """Receipts that wait for the response to their submit."""
        return self._parked

    def last_segment_id(self) -> int:
        """The highest id given out so far."""
        return self._one("SELECT coalesce(max(id), 0) FROM segment")

    def counts(self) -> dict[str, int]:
        """Messages under way and events waiting; reads an index each, for start-up and health."""
        return {
            "active": self._one("SELECT count(*) FROM message WHERE state = 0"),
            "queued": self._queued,
            "events": self._events_waiting,
            "parked": self._parked,
        }

    def close(self) -> None:
        self._connection.close()
        self._lock.release()

    def apply(self, batch: Sequence[ops.Operation]) -> list[Any]:
        """All of the batch or nothing, on disk when this returns; the results in the batch's order.

        Raises StoreUnavailable when the disk or the file fails for now; any other exception is a fault in one
        of the operations (nothing was written either)."""
        groups: dict[type, list[int]] = defaultdict(list)
        for index, operation in enumerate(batch):
            groups[type(operation)].append(index)
        results: list[Any] = [None] * len(batch)
        counters = self._parked, self._queued, self._events_waiting
        try:
            self._roll_back()  # if that failed the last time
            self._connection.execute("BEGIN IMMEDIATE")
            for kind in ops.ORDER:
                indexes = groups.get(kind)
                if indexes:
                    answers = self._handlers[kind]([batch[index] for index in indexes])
                    for index, answer in zip(indexes, answers, strict=True):
                        results[index] = answer
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._parked, self._queued, self._events_waiting = counters
            self._roll_back()
            if isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError) and not isinstance(
                error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError
            ):
                if is_damaged(error):
                    raise StoreDamaged(explain(error, self._path)) from error
                raise StoreUnavailable(f"the database can't be written: {error}") from error
            raise
        return results

    def _roll_back(self) -> None:
        """Where not even that can be done, the error that led here is the one to tell; the next batch tries again."""
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    # --- MT -------------------------------------------------------------------------------------------------

    def _accept(self, batch: list[ops.Accept]) -> list[None]:
        messages, segments = [], []
        for accept in batch:
            message, first_id = accept.message, accept.first_id
            messages.append(
                (
                    first_id,
                    message.sid,
                    message.channel,
                    message.source,
                    message.destination,
                    message.alphabet,
                    len(message.segments),
                    message.accepted_at,
                    message.expires_at,
                    message.is_limited,
                )
            )
            for number, text in enumerate(message.segments, 1):
                segments.append((first_id + number - 1, accept.queue, number, text))
        self._run(
            "INSERT INTO message (id, sid, channel, source, destination, alphabet, segments, accepted_at, expires_at,"
            f" is_limited) SELECT {columns(10)} FROM json_each(?)",
            messages,
        )
        self._run(f"INSERT INTO segment (id, queue, number, text) SELECT {columns(4)} FROM json_each(?)", segments)
        self._queued += len(segments)
        return [None] * len(batch)

    def _settle(self, batch: list[ops.Settle]) -> list[int]:
        claimed = self._connection.execute(
            f"SELECT id FROM segment WHERE state = {SegmentState.CLAIMED:d} AND due_at <> ?", (batch[-1].process,)
        ).fetchall()
        known = self._know([segment_id for (segment_id,) in claimed])
        codes = {one: CODE_UNKNOWN for one in list(known.states) if known.step(one, SegmentState.FAILED)}
        self._write_ends(known, codes)
        self._conclude(known, codes, batch[-1].now)
        self._queued -= known.left_queue
        return [len(codes)] * len(batch)

    def _requeue(self, batch: list[ops.Requeue]) -> list[ops.Requeued]:
        return [self._requeue_some(requeue) for requeue in batch]

    def _requeue_some(self, requeue: ops.Requeue) -> ops.Requeued:
        queue, due_at, after = requeue.after
        while (found := self._first_queue(queue)) in requeue.queues:
            queue = f"{found}\0"
        if found is None:
            return ops.Requeued(0, [], None)
        if found != requeue.after[0]:
            queue, due_at, after = found, -1, -1
        rows = self._behind("m.channel, m.destination", queue, due_at, after, _FOR_EVER, requeue.limit)
        if not rows:
            return ops.Requeued(0, [], (queue + "\0", -1, -1))
        routes = [(segment_id, channel, requeue.route(channel, number)) for _, segment_id, channel, number in rows]
        moves = [(segment_id, new) for segment_id, _, new in routes if new is not None]
        self._run("UPDATE segment SET queue = j.value->>1 FROM json_each(?) AS j WHERE segment.id = j.value->>0", moves)
        return ops.Requeued(len(moves), [channel for _, channel, new in routes if new is None], (queue, *rows[-1][:2]))

    def _first_queue(self, begin: str) -> str | None:
        """The name of the first one, from there on, that has something in it."""
        sql = "SELECT min(queue) FROM segment WHERE state = 0 AND queue >= ?"
        found: str | None = self._connection.execute(sql, (begin,)).fetchone()[0]
        return found

    def _claim(self, batch: list[ops.Claim]) -> list[list[int]]:
        known = self._know([segment_id for claim in batch for segment_id in claim.ids])
        claimed = [
            [segment_id for segment_id in claim.ids if known.step(segment_id, SegmentState.CLAIMED)] for claim in batch
        ]
        self._run(
            f"UPDATE segment SET state = {SegmentState.CLAIMED:d}, due_at = j.value->>1 FROM json_each(?) AS j"
            " WHERE segment.id = j.value->>0",
            [(segment_id, claim.process) for claim, ids in zip(batch, claimed, strict=True) for segment_id in ids],
        )
        return claimed

    def _unclaim(self, batch: list[ops.Unclaim]) -> list[None]:
        self._run(
            f"UPDATE segment SET state = {SegmentState.QUEUED:d}, due_at = 0 WHERE state = {SegmentState.CLAIMED:d}"
            " AND id IN (SELECT value FROM json_each(?))",
            [segment_id for unclaim in batch for segment_id in unclaim.ids],
        )
        return [None] * len(batch)

    def _postpone(self, batch: list[ops.Postpone]) -> list[None]:
        self._run(
            f"UPDATE segment SET state = {SegmentState.QUEUED:d}, due_at = j.value->>1 FROM json_each(?) AS j"
            f" WHERE segment.id = j.value->>0 AND state IN ({SegmentState.QUEUED:d}, {SegmentState.CLAIMED:d})",
            [(segment_id, postpone.due_at) for postpone in batch for segment_id in postpone.ids],
        )
        return [None] * len(batch)

    def _record(self, batch: list[ops.Record]) -> list[list[int]]:
        pairs = [pair for record in batch for pair in record.outcomes]
        known = self._know([outcome.segment.id for outcome, _ in pairs])
        codes: dict[int, Any] = {}
        updates = []
        accepted: list[tuple[int, str, str]] = []  # segment id, account, smsc id
        now = batch[-1].now
        for outcome, due_at in pairs:
            segment = outcome.segment
            state = _AFTER_SUBMIT[outcome.verdict]
            if not known.step(segment.id, state):
                continue
            key = id_key(outcome.smsc_id) if outcome.smsc_id else None
            if outcome.verdict is Verdict.ACCEPTED and outcome.smsc_id:
                accepted.append((segment.id, outcome.account, outcome.smsc_id))
            elif state in (SegmentState.FAILED, SegmentState.DELIVERED):
                codes[segment.id] = outcome.code
            attempts = segment.attempts + (outcome.verdict is Verdict.RETRY)
            updates.append(
                (segment.id, state, due_at, attempts, outcome.account, outcome.smsc_id, key, outcome.code, now)
            )
        self._run(
            "UPDATE segment SET state = j.value->>1, due_at = j.value->>2, attempts = j.value->>3,"
            " account = j.value->>4, smsc_id = j.value->>5, smsc_key = j.value->>6, code = j.value->>7,"
            " sent_at = j.value->>8 FROM json_each(?) AS j WHERE segment.id = j.value->>0",
            updates,
        )
        if self._parked and accepted:
            unparked, latest = self._unpark(known, accepted, now)
            codes |= unparked
            now = max(now, latest)
        ended = self._conclude(known, codes, now)
        self._queued -= known.left_queue
        final = {message_id for message_id, *_ in ended}
        return [sorted(final & {outcome.segment.message_id for outcome, _ in record.outcomes}) for record in batch]

    def _unpark(self, known: Known, accepted: list[tuple[int, str, str]], now: int) -> tuple[dict[int, Any], int]:
        """Receipts that came before the response: give each to the segment whose id has just become known. The codes of
        what has ended so, and when the latest of them came."""
        wanted = [
            (segment_id, account, key, account == own)
            for segment_id, own, smsc_id in accepted
            for account in self._family(own, smsc_id)
            for form, key in id_candidates(smsc_id)
            if self._matcher.may_be(account, OTHER_WAY[form], smsc_id)
        ]
        rows = self._run(
            "SELECT j.value->>0, p.id, p.finality, p.code, p.received_at FROM json_each(?) AS j"
            " JOIN parked_receipt AS p ON p.account = j.value->>1 AND p.smsc_key = j.value->>2"
            " JOIN segment AS s ON s.id = j.value->>0 JOIN message AS m ON m.id = s.id - s.number + 1"
            " WHERE p.received_at > ?2 AND (substr(p.destination, -7) = substr(m.destination, -7)"
            "    OR (j.value->>3 AND p.smsc_key = s.smsc_key AND p.incoming IS NULL"
            "        AND (p.destination = '' OR p.received_at > ?3)))"
            " ORDER BY p.id",
            wanted,
            now - PARKED_TIMEOUT,
            now - PARKED_BY_ID_ALONE,
        ).fetchall()
        codes: dict[int, Any] = {}
        latest = 0
        for segment_id, _, finality, code, received_at in rows:
            if known.step(segment_id, _AFTER_RECEIPT[Finality(finality)]):
                codes[segment_id] = code
                latest = max(latest, received_at)
        self._write_ends(known, codes)
        taken = {row[1] for row in rows}
        self._run("DELETE FROM parked_receipt WHERE id IN (SELECT value FROM json_each(?))", list(taken))
        self._parked -= len(taken)
        return codes, latest

    # --- receipts -------------------------------------------------------------------------------------------

    def _receive(self, batch: list[ops.Receive]) -> list[ops.Received]:
        flat = [
            (index, receipt)
            for index, receive in enumerate(batch)
            for receipt in receive.receipts
            if receipt.finality is not Finality.PROGRESS
        ]
        self._read_as_texts([one for receive in batch for one in receive.receipts])
        candidates, known = self._candidates([receipt for _, receipt in flat])
        counts = [[0, 0, 0] for _ in batch]
        codes: dict[int, Any] = {}
        parked: list[Receipt] = []
        unknown: list[tuple[str, Receipt]] = []
        now = 0
        for position, (index, receipt) in enumerate(flat):
            now = receipt.received_at
            found = self._matcher.pick(receipt, candidates[position])
            if found is None and batch[index].report_unknown:
                unknown.append((batch[index].channel, receipt))
                counts[index][0] += 1
            elif found is None:
                parked.append(receipt)
                counts[index][1] += 1
            elif known.step(found.segment_id, _AFTER_RECEIPT[receipt.finality]):
                codes[found.segment_id] = receipt.code
                counts[index][0] += 1
            else:
                counts[index][2] += 1
        self._write_ends(known, codes)
        ended = tuple(row[0] for row in self._conclude(known, codes, now) if known.messages[row[0]][2] > 1)
        self._queued -= known.left_queue
        self._park(parked)
        self._report_unknown(unknown)
        return [
            ops.Received(matched, parked_, repeated, () if index else ended)
            for index, (matched, parked_, repeated) in enumerate(counts)
        ]

    def _read_as_texts(self, receipts: list[Receipt]) -> None:
        """What is not marked as a receipt, reads as one that tells of progress, and fits no message, is a text."""
        doubtful = [one for one in receipts if one.finality is Finality.PROGRESS and one.incoming is not None]
        candidates = self._candidates(doubtful)[0] if doubtful else []
        texts = [
            one.incoming
            for one, found in zip(doubtful, candidates, strict=True)
            if one.incoming is not None and self._matcher.pick(one, found) is None
        ]
        if texts:
            self._incoming([ops.Incoming(tuple(texts))])

    def _candidates(self, receipts: list[Receipt]) -> tuple[list[list[Candidate]], Known]:
        """For each receipt the segments it may belong to, by every form of its id, or by our own sid."""
        wanted = [
            (position, account, key, form)
            for position, receipt in enumerate(receipts)
            for account in self._family(receipt.account, receipt.smsc_id)
            for form, key in id_candidates(receipt.smsc_id)
        ]
        rows = self._run(
            "SELECT j.value->>0, j.value->>1, j.value->>3, m.destination,"
            " s.id, s.state, m.id, m.sid, m.channel, m.segments, m.state FROM json_each(?) AS j"
            " JOIN segment AS s ON s.account = j.value->>1 AND s.smsc_key = j.value->>2"
            " JOIN message AS m ON m.id = s.id - s.number + 1",
            wanted,
        ).fetchall()
        rows += self._own_sids(receipts)
        found: list[list[Candidate]] = [[] for _ in receipts]
        for position, account, form, destination, segment_id, state, *_ in rows:
            found[position].append(Candidate(account, segment_id, SegmentState(state), destination, form))
        return found, Known(row[4:] for row in rows)

    def _family(self, account: str, smsc_id: str) -> tuple[str, ...]:
        """The accounts over which this id may be told."""
        kin = self._kin.get(account)
        return kin if kin and is_long(smsc_id) else (account,)

    def _own_sids(self, receipts: list[Receipt]) -> list[tuple[Any, ...]]:
        """Providers may name our own MessageSID; it stands for all segments, the first is the one that tells."""
        ours = [
            (position, one.smsc_id, one.account)
            for position, one in enumerate(receipts)
            if one.smsc_id.startswith("SM")
        ]
        if not ours:
            return []
        return self._run(
            "SELECT j.value->>0, j.value->>2, ?2, m.destination,"
            " s.id, s.state, m.id, m.sid, m.channel, m.segments, m.state"
            " FROM json_each(?1) AS j JOIN message AS m ON m.sid = j.value->>1 JOIN segment AS s ON s.id = m.id",
            ours,
            RAW,
        ).fetchall()

    def _write_ends(self, known: Known, codes: dict[int, Any]) -> None:
        self._run(
            "UPDATE segment SET state = j.value->>1, code = j.value->>2 FROM json_each(?) AS j"
            " WHERE segment.id = j.value->>0",
            [(segment_id, known.states[segment_id], code) for segment_id, code in codes.items()],
        )

    def _park(self, receipts: list[Receipt]) -> None:
        if not receipts:
            return
        self._run(
            "INSERT INTO parked_receipt"
            " (account, smsc_key, smsc_id, finality, code, status, destination, received_at, incoming)"
            f" SELECT {columns(9)} FROM json_each(?)",
            [
                (
                    one.account,
                    id_key(one.smsc_id),
                    one.smsc_id,
                    one.finality,
                    one.code,
                    one.status,
                    one.destination,
                    one.received_at,
                    _parked_text(one.incoming),
                )
                for one in receipts
            ],
        )
        self._parked += len(receipts)

    def _report_unknown(self, receipts: list[tuple[str, Receipt]]) -> None:
        self._tell(
            [
                report_event(
                    receipt.smsc_id,
                    channel,
                    _AFTER_RECEIPT[receipt.finality] is SegmentState.DELIVERED,
                    receipt.code,
                    receipt.received_at,
                )
                for channel, receipt in receipts
            ]
        )

    # --- ends -----------------------------------------------------------------------------------------------

    def _conclude(self, known: Known, codes: dict[int, Any], now: int) -> list[tuple[Any, ...]]:
        """End the messages whose segments have all ended well, or one of them badly; tell of each, once."""
        touched = {known.message_of[segment_id] for segment_id in known.states}
        states = self._states_by_message(known, [one for one in touched if known.messages[one][3] == 0])
        ended = []
        for message_id, segments in states.items():
            state = message_state(list(segments.values()))
            if state is MessageState.ACTIVE:
                continue
            sid, channel, _, _ = known.messages[message_id]
            decisive = next(
                (one for one in segments if segments[one] is SegmentState.FAILED and one in codes),
                max((one for one in segments if one in codes), default=None),
            )
            code = codes.get(decisive) if decisive is not None else None
            ended.append((message_id, state, code if code is not None else state.name, now, sid, channel))
        self._end_messages(ended)
        return ended

    def _states_by_message(self, known: Known, message_ids: list[int]) -> dict[int, dict[int, SegmentState]]:
        """The states of all segments of these messages, with what the batch has decided on top."""
        states: dict[int, dict[int, SegmentState]] = {message_id: {} for message_id in message_ids}
        for segment_id, state in known.states.items():
            message_id = known.message_of[segment_id]
            if message_id in states:
                states[message_id][segment_id] = state
        longer = [one for one in message_ids if known.messages[one][2] > len(states[one])]
        if longer:
            for segment_id, state, message_id in self._run(
                "SELECT s.id, s.state, m.id FROM json_each(?) AS j JOIN message AS m ON m.id = j.value"
                " JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1",
                longer,
            ):
                states[message_id].setdefault(segment_id, SegmentState(state))
        return states

    def _end_messages(self, ended: list[tuple[Any, ...]]) -> None:
        """Rows of (id, state, code, now, sid, channel): write the end and its report; what is left of a failed
        message is not sent any more."""
        if not ended:
            return
        self._run(
            "UPDATE message SET state = j.value->>1, code = j.value->>2, final_at = j.value->>3"
            " FROM json_each(?) AS j WHERE message.id = j.value->>0",
            ended,
        )
        failed = [row[0] for row in ended if row[1] == MessageState.FAILED]
        if failed:
            self._queued -= self._run(
                f"UPDATE segment SET state = {SegmentState.FAILED:d} WHERE state IN"
                f" ({SegmentState.QUEUED:d}, {SegmentState.CLAIMED:d}) AND id IN (SELECT s.id FROM json_each(?) AS j"
                " JOIN message AS m ON m.id = j.value"
                " JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1)",
                failed,
            ).rowcount
        self._tell(
            [
                report_event(sid, channel, state == MessageState.DELIVERED, code, now)
                for _, state, code, now, sid, channel in ended
            ]
        )

    def _sweep(self, batch: list[ops.Sweep]) -> list[int]:
        return [self._expire(sweep) + self._give_up_waiting(sweep) + self._give_up_parked(sweep) for sweep in batch]

    def _expire(self, sweep: ops.Sweep) -> int:
        rows = self._connection.execute(
            "SELECT m.id, m.sid, m.channel, max(s.state),"
            "   min(s.state = 3 OR (s.state = 2 AND coalesce(s.code, '') = ?))"
            " FROM (SELECT id, sid, channel, segments FROM message"
            "       WHERE state = 0 AND expires_at <= ? ORDER BY expires_at LIMIT ?) AS m"
            " JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1 GROUP BY m.id",
            (CODE_NO_FAILURE, sweep.now, sweep.limit),
        ).fetchall()
        self._end_messages(
            [
                (message_id, *_end_by_expiry(furthest, no_failure), sweep.now, sid, channel)
                for message_id, sid, channel, furthest, no_failure in rows
            ]
        )
        return len(rows)

    def _give_up_parked(self, sweep: ops.Sweep) -> int:
        """Receipts that fitted no message in good time: those that only looked like one are texts."""
        rows = self._connection.execute(
            "SELECT id, account, destination, received_at, incoming FROM parked_receipt WHERE received_at <= ? LIMIT ?",
            (sweep.now - PARKED_TIMEOUT, sweep.limit),
        ).fetchall()
        if not rows:
            return 0
        texts = [
            _text_of_parked(account, source, received_at, incoming)
            for _, account, source, received_at, incoming in rows
            if incoming is not None
        ]
        self._incoming([ops.Incoming(tuple(texts))])
        self._run("DELETE FROM parked_receipt WHERE id IN (SELECT value FROM json_each(?))", [row[0] for row in rows])
        self._parked -= len(rows)
        return len(rows)

    # --- reading --------------------------------------------------------------------------------------------

    def _know(self, segment_ids: list[int]) -> Known:
        return Known(
            self._run(
                "SELECT s.id, s.state, m.id, m.sid, m.channel, m.segments, m.state FROM json_each(?) AS j"
                " JOIN segment AS s ON s.id = j.value JOIN message AS m ON m.id = s.id - s.number + 1",
                segment_ids,
            )
        )

    def _measure(self, batch: list[ops.Measure]) -> list[ops.Measures]:
        probes = [measure.probe for measure in batch if measure.probe is not None]
        if probes:
            self._connection.execute("UPDATE probe SET filling = zeroblob(?)", (max(probes),))
        measures = ops.Measures(self._queued, self._events_waiting, self._parked, free_octets(self._path))
        return [measures] * len(batch)

    def _load_segments(self, batch: list[ops.LoadSegments]) -> list[list[Segment]]:
        sql = (
            f"SELECT {_LOADED} FROM segment AS s JOIN message AS m ON m.id = s.id - s.number + 1"
            " WHERE s.state = 0 AND s.queue = ? AND s.due_at = 0 AND s.id > ? ORDER BY s.id LIMIT ?"
        )
        return [
            [Segment(*row) for row in self._connection.execute(sql, (load.queue, load.after, load.limit))]
            for load in batch
        ]

    def _load_due(self, batch: list[ops.LoadDue]) -> list[tuple[list[Segment], tuple[int, int] | None]]:
        return [self._load_due_of(load) for load in batch]

    def _load_due_of(self, load: ops.LoadDue) -> tuple[list[Segment], tuple[int, int] | None]:
        rows = self._behind(_LOADED, load.queue, *load.after, load.now, load.limit)
        after = rows[-1][:2] if len(rows) == load.limit else None
        return [Segment(*row[2:]) for row in rows], after

    def _behind(self, columns: str, queue: str, due_at: int, after: int, until: int, limit: int) -> list[Any]:
        """(due_at, id, ``columns``...) of what is queued behind the place (``due_at``, ``after``) and due at ``until``
        at the latest; at most ``limit``. In two searches: of ``(due_at, id) > (?, ?)`` SQLite would search only for the
        first half, and read through all that has the same ``due_at``: 0 is that of the whole backlog."""
        sql = (
            f"SELECT s.due_at, s.id, {columns} FROM segment AS s JOIN message AS m ON m.id = s.id - s.number + 1"
            " WHERE s.state = 0 AND s.queue = ? AND "
        )
        at_once, later = "s.due_at = ? AND s.id > ?", "s.due_at > ? AND s.due_at <= ?"
        run, order = self._connection.execute, " ORDER BY s.due_at, s.id LIMIT ?"
        rows = run(sql + at_once + order, (queue, due_at, after, limit)).fetchall()
        if len(rows) < limit:
            rows += run(sql + later + order, (queue, due_at, until, limit - len(rows))).fetchall()
        return rows

    def _load_retries(self, batch: list[ops.LoadRetries]) -> list[list[tuple[str, int, int, int]]]:
        sql = (
            "SELECT m.destination, m.id, count(*), m.expires_at FROM segment AS s"
            " JOIN message AS m ON m.id = s.id - s.number + 1"
            " WHERE s.state = 0 AND s.queue = ? AND s.due_at > 0 GROUP BY m.id ORDER BY m.id LIMIT ?"
        )
        return [self._connection.execute(sql, (load.queue, load.limit)).fetchall() for load in batch]

    def _find(self, batch: list[ops.Find]) -> list[dict[str, Any] | None]:
        return [self._find_one(find.sid) for find in batch]

    def _find_one(self, sid: str) -> dict[str, Any] | None:
        row = self._connection.execute(
            "SELECT id, sid, channel, source, destination, alphabet, segments, accepted_at, expires_at, state, code,"
            " final_at FROM message WHERE sid = ?",
            (sid,),
        ).fetchone()
        if row is None:
            return None
        names = (
            "id",
            "sid",
            "channel",
            "source",
            "destination",
            "alphabet",
            "segments",
            "accepted_at",
            "expires_at",
            "state",
            "code",
            "final_at",
        )
        found = dict(zip(names, row, strict=True))
        found["parts"] = self._connection.execute(
            "SELECT number, text, state, attempts, account, smsc_id, code, sent_at FROM segment"
            " WHERE id BETWEEN ? AND ? ORDER BY id",
            (row[0], row[0] + row[6] - 1),
        ).fetchall()
        return found


def _end_by_expiry(furthest: int, no_failure: int) -> tuple[MessageState, str]:
    """The state and code of a message whose lifetime is over."""
    if no_failure:
        return MessageState.DELIVERED, CODE_NO_FAILURE
    return MessageState.FAILED, CODE_NO_RECEIPT if furthest >= SegmentState.SENT else CODE_EXPIRED

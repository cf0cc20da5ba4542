"""Messages on their way out: accept, claim, give back and record them, and move them to other queues."""

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from smsconnector.lifecycle import CODE_EXPIRED, CODE_OPTED_OUT, CODE_UNKNOWN, SegmentState
from smsconnector.messages import Outcome, OutcomeFound, Verdict, bulk_queue, is_bulk_queue, route_queue
from smsconnector.smpp.message_ids import id_key
from smsconnector.store import operations as ops
from smsconnector.store.ends import Code, Known, Reason
from smsconnector.store.fall_backs import is_moved
from smsconnector.store.falling import Move
from smsconnector.store.queries import FOR_EVER, queued_behind
from smsconnector.store.receipts import AcceptedSegment
from smsconnector.store.segment_events import Kind, SegmentEvent
from smsconnector.store.several_ids import SeveralIds

DUE_AT_ONCE = 1  # ms; of what was tried before: 0 is for what was never tried
AT_ONCE = 60_000  # ms; a receipt that seems to be later than what it ends by more was stamped before the clock was set
_OF_MESSAGE = "id, sid, channel, source, destination, alphabet, segments, accepted_at, expires_at, is_limited"
_INTO_MESSAGE = f"INSERT INTO message ({_OF_MESSAGE})"
_INTO_NAMED_MESSAGE = f"INSERT INTO message ({_OF_MESSAGE}, reference, accepted_by)"
_OF_OUTCOME = (
    "state, due_at, attempts, unknowns, account, smsc_id, smsc_key, code, sent_at, bind, sequence, answered_in"
)
_AFTER_SUBMIT = {
    Verdict.ACCEPTED: SegmentState.SENT,
    Verdict.RETRY: SegmentState.QUEUED,
    Verdict.REFUSED: SegmentState.FAILED,
    Verdict.DONE: SegmentState.DELIVERED,
}
_NOT_THE_LAST = (Verdict.RETRY, Verdict.UNKNOWN)


def _event_of(outcome: Outcome, now: int) -> SegmentEvent:
    """A submit that is not the last word on its segment."""
    is_silent = outcome.verdict is Verdict.UNKNOWN or outcome.code == CODE_UNKNOWN
    kind = Kind.SILENCE if is_silent else Kind.SUBMIT
    how = (outcome.bind, outcome.sequence, outcome.answered_in)
    return SegmentEvent(outcome.segment.id, now, kind, *how, outcome.code)


class OutgoingTexts(SeveralIds):
    """What is written of messages and their segments, from acceptance to the outcome of the submit."""

    _queues: set[str] | None = None  # of the last ``Configure``

    def _move(self, batch: list[Move]) -> list[ops.Accepted]:
        moved = self._take_from(batch)
        if not moved:
            return [ops.Accepted.NOTHING] * len(batch)
        results = dict(
            zip((one.accept.first_id for one in moved), self._accept([one.accept for one in moved], moved), strict=True)
        )
        return [results.get(one.accept.first_id, ops.Accepted.NOTHING) for one in batch]

    def _accept(
        self, batch: list[ops.Accept], moved: Sequence[Move] = (), *, are_new: bool = True
    ) -> list[ops.Accepted]:
        """``moved``: where they come from, if that is another channel. ``are_new``: they were not accepted before."""
        messages, named, segments, callbacks = [], [], [], []
        for accept in batch:
            message, first_id = accept.message, accept.first_id
            row = (
                first_id,
                message.sid,
                message.channel,
                message.source,
                message.destination,
                message.alphabet,
                len(message.segments),
                message.accepted_at,
                message.expires_at,
                int(message.is_limited),
            )
            if message.reference is None and message.accepted_by is None:
                messages.append(row)
            else:
                named.append((*row, message.reference, message.accepted_by))
                self._has_references = self._has_references or message.reference is not None
            for number, text in enumerate(message.segments, 1):
                segments.append((first_id + number - 1, accept.queue, number, text))
            if message.callback is not None:
                callbacks.append((message.sid, *message.callback))
        self._insert(_INTO_MESSAGE, messages)
        self._insert(_INTO_NAMED_MESSAGE, named)
        self._list_numbers([one.first_id for one in batch])
        self._insert("INSERT INTO segment (id, queue, number, text)", segments)
        self._note_callbacks(callbacks)
        self._counts.queued += len(segments)
        if moved:
            self._note_asked_channels(moved)
        elif are_new:
            accepted = Counter([accept.message.channel for accept in batch])
            self._note(self.figures.accepted, {(name,): count for name, count in accepted.items()})
        if self._rules.fall_backs:
            self._note_fall_backs(batch)
        if not self._opt_out:
            return [ops.Accepted.QUEUED] * len(batch)
        refused = self._opted_out(batch)
        self._end_opted_out(refused, moved[-1].now if moved else batch[-1].message.accepted_at)
        first_ids = {one.first_id for one in refused}
        return [ops.Accepted.ENDED if one.first_id in first_ids else ops.Accepted.QUEUED for one in batch]

    def _incoming(self, batch: list[ops.Incoming]) -> list[ops.Heard]:
        """With the answers to words that are new."""
        heard = super()._incoming(batch)
        answers = [wish.answer for one in heard for wish in one.wishes if wish.answer is not None]
        if answers:
            self._accept(answers)
        return heard

    def _end_opted_out(self, accepted: list[ops.Accept], now: int) -> None:
        """End these at once: their numbers want no texts."""
        ids = [one.first_id + place for one in accepted for place in range(len(one.message.segments))]
        if not ids:
            return
        known = self._know(ids)
        codes: dict[int, Code] = {one: CODE_OPTED_OUT for one in ids if known.step(one, SegmentState.FAILED)}
        self._write_ends(known, codes)
        self._conclude(known, codes, now)

    def _settle(self, batch: list[ops.Settle]) -> list[int]:
        claimed = self._connection.execute(
            f"SELECT id FROM segment WHERE state = {SegmentState.CLAIMED:d} AND due_at <> ?", (batch[-1].process,)
        ).fetchall()
        known = self._know([segment_id for (segment_id,) in claimed])
        kept = self._keep_claims(known, batch[-1]) if self._rules.naming_ids else set()
        failed = [one for one in list(known.states) if one not in kept and known.step(one, SegmentState.FAILED)]
        codes: dict[int, Code] = dict.fromkeys(failed, CODE_UNKNOWN)
        if kept and self._of_several:
            codes |= self._end_lost(known, kept, batch[-1].now)
        self._write_ends(known, codes)
        self._conclude(known, codes, batch[-1].now, is_presumed=True)
        return [len(codes)] * len(batch)

    def _keep_claims(self, known: Known, settle: ops.Settle) -> set[int]:
        """The claimed segments of which the provider may still tell, because it names our own id. Each is kept for the
        grace of its channel, from the first start after the kill on."""
        naming = self._rules.naming_ids
        kept = [one for one in known.states if known.messages[known.message_of[one]].channel in naming]
        rows = self._run("SELECT id FROM presumed_end WHERE id IN (SELECT value FROM json_each(?))", kept)
        waited_for = {segment_id for (segment_id,) in rows}
        self._keep_unanswered(known, [one for one in kept if one not in waited_for], settle)
        return set(kept)

    def _requeue(self, batch: list[ops.Requeue]) -> list[ops.Requeued]:
        return [self._requeue_some(requeue) for requeue in batch]

    def _requeue_some(self, requeue: ops.Requeue) -> ops.Requeued:
        """One step in the first queue, from the place on, that is to be looked at. ``f"{name}\\0"`` sorts directly
        after the name of a queue, so it is where the search for the next queue begins."""
        queue, due_at, after = requeue.after
        as_they_are = self._still_served(requeue.queues)
        while (found := self._first_queue(queue)) is not None and route_queue(found) in as_they_are:
            queue = f"{found}\0"
        if found is None:
            if self._queues is None or self._queues == set(requeue.queues):  # not of the configuration before
                self._write_served(as_they_are, set(requeue.queues))
            return ops.Requeued(0, [], None)
        if found != requeue.after.queue:
            queue, due_at, after = found, -1, -1
        rows = queued_behind(
            self._connection,
            "m.channel, m.destination",
            queue=queue,
            place=ops.DuePlace(due_at, after),
            until=FOR_EVER,
            limit=requeue.limit,
        )
        if not rows:
            return ops.Requeued(0, [], ops.QueuePlace(queue + "\0", -1, -1))
        routes = [(segment_id, channel, requeue.route(channel, number)) for _, segment_id, channel, number in rows]
        if is_bulk_queue(found):
            routes = [(one, channel, None if new is None else bulk_queue(new)) for one, channel, new in routes]
        moves = [(segment_id, new) for segment_id, _, new in routes if new not in (None, found)]
        self._run("UPDATE segment SET queue = j.value->>1 FROM json_each(?) AS j WHERE segment.id = j.value->>0", moves)
        left = [channel for _, channel, new in routes if new is None]
        return ops.Requeued(len(moves), left, ops.QueuePlace(queue, *rows[-1][:2]))

    def _still_served(self, queues: Sequence[str]) -> set[str]:
        """Those of ``queues`` in which all that waits is right, if these are the routes from now on. It is written down
        at once: what is accepted from now on goes by these routes, whether a walk comes to its end or not. With a route
        that was not there before, none is known to be right. With fewer routes than before, those that are left are."""
        before = {name for (name,) in self._connection.execute("SELECT name FROM served_queue")}
        left = set(queues) if before.issuperset(queues) else set()
        self._write_served(before, left)
        return left

    def _write_served(self, before: set[str], queues: set[str]) -> None:
        """What waits in these queues is in its own."""
        if before != queues:
            self._connection.execute("DELETE FROM served_queue")
            self._run("INSERT INTO served_queue (name) SELECT value FROM json_each(?)", sorted(queues))

    def _first_queue(self, begin: str) -> str | None:
        """The first name of a queue with queued segments, in the order of names from ``begin`` on; None if there is
        none."""
        sql = f"SELECT min(queue) FROM segment WHERE state = {SegmentState.QUEUED:d} AND queue >= ?"
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
        pairs = self._without_ids_of_others([pair for record in batch for pair in record.outcomes])
        known = self._know([outcome.segment.id for outcome, _ in pairs])
        self._note_responses(known, batch)
        codes: dict[int, Code] = {}
        updates: dict[int, tuple[Any, ...]] = {}  # the last one of each segment counts
        accepted: list[AcceptedSegment] = []
        unanswered: list[int] = []
        happened: list[SegmentEvent] = []
        newest = max(batch, key=attrgetter("now"))  # some have waited for others
        now = newest.now
        for outcome, due_at in pairs:
            segment = outcome.segment
            if outcome.verdict in _NOT_THE_LAST:
                happened.append(_event_of(outcome, now))
            if outcome.verdict is Verdict.UNKNOWN:
                unanswered.append(segment.id)
                continue
            state = _AFTER_SUBMIT[outcome.verdict]
            if not known.step(segment.id, state):
                continue
            key = id_key(outcome.smsc_id) if outcome.smsc_id else None
            if outcome.verdict is Verdict.ACCEPTED and outcome.smsc_id:
                accepted.append(AcceptedSegment(segment.id, outcome.account, outcome.smsc_id))
                self._matcher.given(outcome.account, key or "")
            elif state in (SegmentState.FAILED, SegmentState.DELIVERED):
                codes[segment.id] = outcome.code
            unknowns = segment.unknowns + (outcome.verdict is Verdict.RETRY and outcome.code == CODE_UNKNOWN)
            attempts = segment.attempts + (outcome.verdict is Verdict.RETRY)
            how = (outcome.bind, outcome.sequence, outcome.answered_in)
            written = (outcome.account, outcome.smsc_id, key, outcome.code, now, *how)
            updates[segment.id] = (segment.id, int(state), due_at, attempts, unknowns, *written)
        self._update("segment", _OF_OUTCOME, list(updates.values()))
        self._note_segment_events(happened)
        if unanswered:
            self._keep_unanswered(known, unanswered, newest)
        unsent = {known.message_of[segment_id] for segment_id, code in codes.items() if code == CODE_EXPIRED}
        earlier = now if newest.earlier_now is None else newest.earlier_now
        if self._of_several:
            codes |= self._note_ids(known, (outcome for outcome, _ in pairs), accepted, now, earlier)
        if self._counts.parked_receipts and accepted:
            unparked, latest = self._unpark(known, accepted, earlier)
            codes |= unparked
            if now < latest < now + AT_ONCE:
                now = latest
        ended = self._conclude(known, codes, now, unsent=unsent)
        final = {one.message_id for one in ended}
        return [sorted(final & {outcome.segment.message_id for outcome, _ in record.outcomes}) for record in batch]

    def _note_responses(self, known: Known, batch: Sequence[ops.Record]) -> None:
        """The outcomes of a record are of one channel, and mostly alike: then none is looked at twice."""
        for record in batch:
            outcomes = [outcome for outcome, _ in record.outcomes]
            verdicts, codes = [one.verdict for one in outcomes], {one.code for one in outcomes}
            message_id = known.message_of.get(outcomes[0].segment.id) if outcomes else None
            if message_id is None:
                continue
            found: Mapping[tuple[Verdict, Code], int]
            if len(codes) == 1 and verdicts.count(verdicts[0]) == len(verdicts):
                found = {(verdicts[0], codes.pop()): len(verdicts)}
            else:
                found = Counter((one.verdict, one.code) for one in outcomes)
            channel = known.messages[message_id].channel
            responses = {
                (channel, verdict.name, "" if code is None else code): count for (verdict, code), count in found.items()
            }
            self._note(self.figures.responses, responses)

    def _without_ids_of_others(self, pairs: list[tuple[Outcome, int]]) -> list[tuple[Outcome, int]]:
        """A text that was found under an id that another text has was not taken: it is tried again at once."""
        found = [
            (outcome.segment.id, outcome.account, id_key(outcome.smsc_id or ""), outcome.segment.sid)
            for outcome, _ in pairs
            if type(outcome) is OutcomeFound
        ]
        if not found:
            return pairs
        rows = self._run(
            "SELECT j.value->>0 FROM json_each(?) AS j WHERE EXISTS (SELECT 1 FROM segment AS s"
            " WHERE s.account = j.value->>1 AND s.smsc_key = j.value->>2 AND s.id <> j.value->>0)"
            " OR EXISTS (SELECT 1 FROM message AS m"  # the same text, as it was with another channel
            " CROSS JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1"
            f" WHERE {is_moved('(j.value->>3)')} AND +s.smsc_key = j.value->>2)",
            found,
        ).fetchall()
        others = {segment_id for (segment_id,) in rows}
        return [
            (Outcome(outcome.segment, Verdict.RETRY, outcome.account), DUE_AT_ONCE)
            if outcome.segment.id in others
            else (outcome, due_at)
            for outcome, due_at in pairs
        ]

    def _keep_unanswered(self, known: Known, segment_ids: list[int], by: ops.Record | ops.Settle) -> None:
        """Mark these as claimed until the grace is over: a late response may still tell what became of them."""
        kept = [one for one in segment_ids if known.states.get(one) in (SegmentState.QUEUED, SegmentState.CLAIMED)]
        known.states.update(dict.fromkeys(kept, SegmentState.CLAIMED))
        self._run(
            f"UPDATE segment SET state = {SegmentState.CLAIMED:d}, due_at = ?2, code = ?3, sent_at = ?4"
            " WHERE id IN (SELECT value FROM json_each(?1))",
            kept,
            by.process,
            CODE_UNKNOWN,
            by.now,
        )
        graces = {one: self._rules.grace(known.messages[known.message_of[one]].channel) for one in kept}
        self._presume([(one, Reason.UNANSWERED, CODE_UNKNOWN, by.now + grace) for one, grace in graces.items()])

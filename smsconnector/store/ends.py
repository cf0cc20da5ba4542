"""End segments and messages by the table of ``lifecycle``, and report each message once.

An outcome or a receipt ends segments in three steps:

1. ``Known.step`` takes each step that the table allows, in memory.
2. ``_write_ends`` writes the segments.
3. ``_conclude`` finds the messages that have ended by that, writes their ends, and writes their reports to the outbox.

The end of its lifetime, or of the time for receipts, ends a message as a whole: ``_expire``. What is not told clearly
is kept as the end that is presumed (``_presume``); ``presumed`` applies it when it is due.
"""

import enum
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from smsconnector.lifecycle import (
    CODE_CANCELLED,
    CODE_EXPIRED,
    CODE_NO_FAILURE,
    CODE_NO_RECEIPT,
    CODE_UNKNOWN,
    DEFAULT_WAIT_MS,
    EndRules,
    MessageState,
    SegmentState,
    may_step,
    message_state,
)
from smsconnector.store import operations as ops
from smsconnector.store.conversations import about
from smsconnector.store.events import report_event
from smsconnector.store.fall_backs import FallBacks
from smsconnector.store.falling import EndFalling
from smsconnector.store.opt_outs import OptOuts
from smsconnector.store.outbox import Outbox
from smsconnector.store.segment_events import SegmentEvents

Code = int | str | None
STATES = {int(state): state for state in SegmentState}  # faster than the call of an Enum
TO_SUBMIT = frozenset({SegmentState.QUEUED, SegmentState.CLAIMED})
KNOWN_COLUMNS = "s.id, s.state, m.id, m.sid, m.channel, m.segments, m.state"  # the rows of Known


class Reason(enum.IntEnum):
    """Why an end is presumed of a segment."""

    UNANSWERED = 0  # no response came to its submit, which is not repeated: FAILED
    UNCLEAR_RECEIPT = 1  # its receipt has a word that nobody knows, or the word UNKNOWN: FAILED
    OTHER_PART = 2  # another part of its message was delivered, and this one has no receipt yet: DELIVERED


PresumedEnd = tuple[int, Reason, Code, int]  # the segment's id; why; the code of its end; when it is due (ms)

# Of a segment ``s`` with its presumed end ``p``: whether it was taken, and only a failure would have a receipt; and
# whether it was perhaps taken, for its last submit had no response.
_NO_FAILURE = (
    f"s.state = {SegmentState.DELIVERED:d}"
    f" OR (s.state = {SegmentState.SENT:d} AND coalesce(s.code, '') = '{CODE_NO_FAILURE}')"
)
_MAY_BE_TAKEN = (
    f"((s.state = {SegmentState.QUEUED:d} AND coalesce(s.code, '') = '{CODE_UNKNOWN}')"
    f" OR (s.state = {SegmentState.CLAIMED:d} AND coalesce(p.reason = {Reason.UNANSWERED:d}, 0)))"
)


class KnownMessage(NamedTuple):
    """What a batch needs to know of a message."""

    sid: str
    channel: str
    segments: int  # how many it has
    state: int  # lifecycle.MessageState


class EndedMessage(NamedTuple):
    """A message that has just ended, and what its report says."""

    message_id: int
    state: MessageState
    code: Code
    now: int  # ms; when it ended
    sid: str
    channel: str


_REPORTED: Callable[[EndedMessage], tuple[str, MessageState, Code]] = attrgetter("channel", "state", "code")


class Known:
    """The segments that a batch is about, and their messages, in the state that the batch has brought them to so far.
    ``rows`` have the values of KNOWN_COLUMNS."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self.states: dict[int, SegmentState] = {}  # by segment id
        self.messages: dict[int, KnownMessage] = {}  # by message id
        self.message_of: dict[int, int] = {}  # the message id by segment id
        self.left_queue = 0  # segments that need not be submitted any more
        for segment_id, state, message_id, sid, channel, segments, final in rows:
            self.states.setdefault(segment_id, STATES[state])
            self.messages.setdefault(message_id, KnownMessage(sid, channel, segments, final))
            self.message_of[segment_id] = message_id

    def step(self, segment_id: int, wanted: SegmentState) -> bool:
        """Take the step if the segment is known and the table allows it; whether it was taken."""
        current = self.states.get(segment_id)
        if current is None or not may_step(current, wanted):
            return False
        self.states[segment_id] = wanted
        self.left_queue += current in TO_SUBMIT and wanted not in TO_SUBMIT
        return True


def may_wait(known: Known, message_id: int, to_submit: set[int]) -> bool:
    """Whether a segment of this message, which has ended, may wait in memory to be submitted."""
    return known.messages[message_id].segments > 1 or message_id in to_submit


class Ends(Outbox, OptOuts, FallBacks, SegmentEvents):
    """Ends segments and messages, and reports the messages. ``_rules``: see ``Store``. ``_has_references``: whether a
    message has one."""

    _rules: EndRules
    _has_references = False

    def _know(self, segment_ids: list[int]) -> Known:
        return Known(
            self._select(
                KNOWN_COLUMNS,
                "CROSS JOIN segment AS s ON s.id = j.column1 CROSS JOIN message AS m ON m.id = s.id - s.number + 1",
                [(segment_id,) for segment_id in segment_ids],
            )
        )

    def _write_ends(self, known: Known, codes: dict[int, Code]) -> None:
        self._update(
            "segment",
            "state, code",
            [(segment_id, int(known.states[segment_id]), codes[segment_id]) for segment_id in codes],
        )

    def _conclude(
        self,
        known: Known,
        codes: dict[int, Code],
        now: int,
        is_presumed: bool = False,
        unsent: Collection[int] = (),
    ) -> list[EndedMessage]:
        """End and report the messages under way whose segments are now all DELIVERED, or of which one is FAILED.
        ``codes`` are those of the segments that ended in this batch. A report has the code of the first one that
        FAILED, else of the last one that ended; without such a code, the name of the message's state. The result has
        the messages that fall back as well. ``is_presumed``: the network has not told all of that clearly. ``unsent``
        are the ids of messages that end because a segment could never be sent."""
        touched = {known.message_of[segment_id] for segment_id in known.states}
        active = [one for one in touched if known.messages[one].state == MessageState.ACTIVE]
        ended = []
        for message_id, segments in self._states_by_message(known, active).items():
            state = message_state(list(segments.values()))
            if state is MessageState.ACTIVE:
                continue
            message = known.messages[message_id]
            decisive = next(
                (one for one in segments if segments[one] is SegmentState.FAILED and one in codes),
                max((one for one in segments if one in codes), default=None),
            )
            code = codes.get(decisive) if decisive is not None else None
            code = code if code is not None else state.name
            ended.append(EndedMessage(message_id, state, code, now=now, sid=message.sid, channel=message.channel))
        self._end_messages(self._that_end(ended, is_presumed, unsent) if self._rules.fall_backs else ended)
        self._counts.queued -= known.left_queue
        known.left_queue = 0
        return ended

    def _states_by_message(self, known: Known, message_ids: list[int]) -> dict[int, dict[int, SegmentState]]:
        """The states of all segments of these messages, by message id and segment id. What the batch has decided counts
        before what is on disk."""
        states: dict[int, dict[int, SegmentState]] = {message_id: {} for message_id in message_ids}
        for segment_id, state in known.states.items():
            message_id = known.message_of[segment_id]
            if message_id in states:
                states[message_id][segment_id] = state
        longer = [one for one in message_ids if known.messages[one].segments > len(states[one])]
        if longer:
            for segment_id, state, message_id in self._run(
                "SELECT s.id, s.state, m.id FROM json_each(?) AS j JOIN message AS m ON m.id = j.value"
                " JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1",
                longer,
            ):
                states[message_id].setdefault(segment_id, STATES[state])
        return states

    def _that_end(self, ended: list[EndedMessage], is_presumed: bool, unsent: Collection[int]) -> list[EndedMessage]:
        """These but for those that fall back to another channel."""
        failed = [(one.message_id, one.channel, one.code) for one in ended if one.state is MessageState.FAILED]
        withdrawn = self._withdraw(failed, is_presumed, unsent)
        return [one for one in ended if one.message_id not in withdrawn]

    def _cancel(self, batch: list[ops.Cancel]) -> list[bool]:
        """A segment whose last submit had no response may be on the handset. A withdrawn message waits for another
        channel, for a part has failed. If it has several, another one may have been under way just then."""
        rows = self._run(
            "SELECT m.id, m.sid, m.channel FROM json_each(?) AS j JOIN message AS m ON m.id = j.value"
            " JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1 GROUP BY m.id HAVING"
            f" ((m.state = {MessageState.ACTIVE:d} AND max(s.state) = {SegmentState.QUEUED:d})"
            f"   OR (m.state = {MessageState.WITHDRAWN:d} AND coalesce(m.code, '') <> '{CODE_UNKNOWN}'"
            " AND m.segments = 1))"
            f" AND max(s.unknowns) = 0 AND max(coalesce(s.code, '') = '{CODE_UNKNOWN}') = 0",
            [one.message_id for one in batch],
        ).fetchall()
        return self._end_cancelled(rows, batch)

    def _cancel_taken(self, batch: list[ops.CancelTaken]) -> list[bool]:
        """Nobody has told of any segment. An earlier submit without a response may be a second copy, which was not
        taken back."""
        rows = self._run(
            "SELECT m.id, m.sid, m.channel FROM json_each(?) AS j JOIN message AS m ON m.id = j.value"
            " JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1 GROUP BY m.id HAVING"
            f" m.state = {MessageState.ACTIVE:d} AND min(s.state) = {SegmentState.SENT:d}"
            f" AND max(s.state) = {SegmentState.SENT:d} AND max(s.unknowns) = 0",
            [one.message_id for one in batch],
        ).fetchall()
        return self._end_cancelled(rows, batch)

    def _end_cancelled(self, rows: list[Any], batch: Sequence[ops.Cancel | ops.CancelTaken]) -> list[bool]:
        """``rows``: id, sid and channel of those that end by it. Which of the batch do."""
        now, ids = batch[-1].now, {message_id for message_id, *_ in rows}
        self._end_messages([EndedMessage(one, MessageState.FAILED, CODE_CANCELLED, now, *rest) for one, *rest in rows])
        self._forget(list(ids))
        return [one.message_id in ids for one in batch]

    def _end_falling(self, batch: list[EndFalling]) -> list[int]:
        ids = [message_id for end in batch for message_id in end.ids]
        self._forget(ids)
        rows = self._run(
            "SELECT m.id, m.code, m.sid, m.channel FROM json_each(?) AS j JOIN message AS m ON m.id = j.value"
            f" WHERE m.state = {MessageState.WITHDRAWN:d}",
            ids,
        ).fetchall()
        now = batch[-1].now
        self._end_messages([EndedMessage(one, MessageState.FAILED, code, now, *rest) for one, code, *rest in rows])
        return [len(rows)] * len(batch)

    def _end_messages(self, ended: list[EndedMessage]) -> None:
        """Write the ends and the reports. The segments of a FAILED message that were not submitted yet become FAILED
        too."""
        if not ended:
            return
        self._count_reports(ended)
        rows = [(one.message_id, int(one.state), one.code, one.now) for one in ended]
        self._update("message", "state, code, final_at", rows)
        failed = [one.message_id for one in ended if one.state is MessageState.FAILED]
        if failed and self._opt_out:
            self._note_codes((one.message_id, one.channel, one.code, one.now) for one in ended)
        if failed:
            self._drop_waiting_segments(failed)
            self._count_codes(one for one in ended if one.state is MessageState.FAILED)
        asked = self._asked_channels(one.message_id for one in ended)
        references = self._references([one.message_id for one in ended])
        reports = [
            report_event(
                one.sid,
                asked.get(one.message_id, one.channel),
                delivered=one.state is MessageState.DELIVERED,
                code=one.code,
                now=one.now,
                headers=references.get(one.message_id),
            )
            for one in ended
        ]
        if self._has_callbacks:
            callbacks = self._callbacks_of([one.sid for one in ended])
            reports = [made._replace(callback=callbacks.get(one.sid)) for made, one in zip(reports, ended, strict=True)]
        self._write_events(reports)

    def _count_reports(self, ended: Sequence[EndedMessage]) -> None:
        told = Counter(map(_REPORTED, ended))
        reports = {
            (channel, state.name.lower(), "" if code is None else code): count
            for (channel, state, code), count in told.items()
        }
        self._note(self.figures.reports, reports)

    def _count_codes(self, failed: Iterable[EndedMessage]) -> None:
        """Count the codes that nothing explains."""
        knows = self._rules.knows
        told = [(one.channel, one.code) for one in failed if one.code is not None]
        unknown = [(channel, str(code)) for channel, code in told if not knows(channel, code)]
        if unknown:
            self._counts.count_unknown(unknown)

    def _references(self, message_ids: list[int]) -> dict[int, str | None]:
        """What the reports of these say beside their bodies: the application's own names of the messages."""
        if not self._has_references:
            return {}
        rows = self._run(
            "SELECT m.id, m.reference FROM json_each(?) AS j CROSS JOIN message AS m ON m.id = j.value"
            " WHERE m.reference IS NOT NULL",
            message_ids,
        )
        return {message_id: about(None, reference) for message_id, reference in rows}

    def _expire(self, sweep: ops.Sweep) -> int:
        """End the messages whose lifetime is over, if no receipt can come for all of their segments; else let them wait
        until the time for receipts is over, and end them then. Returns how many there were.

        A segment whose last submit had no response is not sent again. It is marked as claimed, so that a late response
        can still tell; at the end of the time for receipts it is UNKNOWN."""
        rows = self._run(
            f"SELECT m.id, m.sid, m.channel, m.expires_at, max(s.state), min({_NO_FAILURE}), max({_MAY_BE_TAKEN}),"
            f"   max(s.state IN ({SegmentState.QUEUED:d}, {SegmentState.CLAIMED:d}) AND NOT {_MAY_BE_TAKEN}),"
            "   max(p.id), max(s.unknowns > 0)"
            " FROM (SELECT id, sid, channel, segments, expires_at FROM message"
            f"       WHERE state = {MessageState.ACTIVE:d} AND coalesce(look_at, expires_at) <= ?2"
            "        AND id NOT IN (SELECT value FROM json_each(?1))"
            "       ORDER BY coalesce(look_at, expires_at) LIMIT ?3) AS m"
            " JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1"
            " LEFT JOIN presumed_end AS p ON p.id = s.id GROUP BY m.id",
            sweep.under_way,
            sweep.over,
            sweep.limit,
        ).fetchall()
        ended, waiting, presumed = [], [], []
        for message_id, sid, channel, expires_at, furthest, no_failure, may_be_taken, not_taken, last, unknown in rows:
            report_by = expires_at + self._rules.receipt_time(channel)
            if sweep.over < report_by and not not_taken:
                waiting.append((message_id, report_by))
            elif last is not None:  # not due yet, by a clock that was set: it counts before what only time has ended
                presumed.append((message_id, last))
            else:
                end = _end_by_expiry(furthest, no_failure, may_be_taken or unknown)
                ended.append(EndedMessage(message_id, *end, sweep.now, sid, channel))
        self._end_messages(ended)
        self._wait_for_receipts(waiting, sweep.process)
        if presumed:
            self._run(
                "UPDATE presumed_end SET due_at = 0 WHERE id IN (SELECT p.id FROM json_each(?) AS j"
                " CROSS JOIN presumed_end AS p WHERE p.id BETWEEN j.value->>0 AND j.value->>1)",
                presumed,
            )
        return len(rows)

    def _wait_for_receipts(self, waiting: list[tuple[int, int]], process: int) -> None:
        """``waiting``: the ids of messages, and until when (ms)."""
        if not waiting:
            return
        self._run(
            "UPDATE message SET look_at = j.value->>1 FROM json_each(?) AS j WHERE message.id = j.value->>0", waiting
        )
        without_response = self._run(
            "SELECT s.id, j.value->>1 FROM json_each(?) AS j JOIN message AS m ON m.id = j.value->>0"
            " JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1"
            f" WHERE s.state = {SegmentState.QUEUED:d}",
            waiting,
        ).fetchall()
        self._run(
            f"UPDATE segment SET state = {SegmentState.CLAIMED:d}, due_at = ?2"
            " WHERE id IN (SELECT value->>0 FROM json_each(?1))",
            without_response,
            process,
        )
        self._presume([(one, Reason.UNANSWERED, CODE_UNKNOWN, until) for one, until in without_response])

    def _presume(self, ends: Sequence[PresumedEnd]) -> None:
        """Write how these segments end if nothing better is told. It is never later than the time for receipts ends.
        What another part lets presume takes no other's place, unless that is over: its late response has come."""
        if not ends:
            return
        self._run(
            "INSERT INTO presumed_end (id, reason, code, due_at)"
            " SELECT s.id, j.value->>1, j.value->>2, min(j.value->>3,"
            "   m.expires_at + coalesce((SELECT t.value FROM json_each(?2) AS t WHERE t.key = m.channel), ?3))"
            " FROM json_each(?1) AS j JOIN segment AS s ON s.id = j.value->>0"
            " JOIN message AS m ON m.id = s.id - s.number + 1 WHERE true"
            " ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, code = excluded.code,"
            f"   due_at = excluded.due_at WHERE excluded.reason <> {Reason.OTHER_PART:d}"
            f"   OR (presumed_end.reason = {Reason.UNANSWERED:d}"
            f"       AND (SELECT state FROM segment WHERE segment.id = presumed_end.id) = {SegmentState.SENT:d})",
            ends,
            json.dumps(dict(self._rules.receipt_times)),
            DEFAULT_WAIT_MS,
        )


def _end_by_expiry(furthest: int, no_failure: int, may_be_taken: int) -> tuple[MessageState, str]:
    """The state and the code of a message of which nothing more can be told.

    :param furthest: the greatest state among its segments.
    :param no_failure: 1 if every segment was delivered, or was accepted and only a failure would have had a receipt.
    :param may_be_taken: 1 if some segment may have been taken, but nobody knows."""
    if no_failure:
        return MessageState.DELIVERED, CODE_NO_FAILURE
    if furthest >= SegmentState.SENT:
        return MessageState.FAILED, CODE_NO_RECEIPT
    return MessageState.FAILED, CODE_UNKNOWN if may_be_taken else CODE_EXPIRED

"""Answer what is asked about messages (``finding``). Nothing is written.

Ids rise with the time of acceptance, so the newest messages have the greatest ids, and all searches go by them:

- *By number*: messages are listed by their numbers in blocks of ids (``numbers``). Each block is looked into, the
  newest first. Before that, those that are not listed yet are looked at.
- *By reference, or by the SMSC's id*: by an index of its own.
- *By all else*: the messages themselves are looked at, ``EXAMINED`` ids in one query.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from smsconnector.lifecycle import MessageState, SegmentState
from smsconnector.smpp.message_ids import id_candidates
from smsconnector.store import operations as ops
from smsconnector.store.fall_backs import is_moved
from smsconnector.store.finding import (
    MOST_FOUND,
    FindTimeline,
    FoundMessage,
    FoundSegment,
    Leg,
    Page,
    Report,
    Search,
    Shown,
    Timeline,
    Told,
)
from smsconnector.store.numbers import BLOCK, LISTED_BELOW
from smsconnector.store.outbox import SINKS
from smsconnector.store.segment_events import SegmentEvent

EXAMINED = 10_000  # ids of messages and segments that one query looks at
BLOCKS = 1_000  # blocks that one query looks into
BLOCKS_AT_ONCE = 128
CLOCK_STEP = 60_000  # ms by which a message may seem to be accepted before one with a smaller id
_MESSAGE = (
    "m.id, m.sid, m.channel, m.source, m.destination, m.alphabet, m.accepted_at, m.expires_at, m.state, m.code,"
    " m.final_at, m.segments, m.reference, m.accepted_by"
)
_ACCEPTED_PLACE, _SEGMENTS_PLACE = 6, 11  # of m.accepted_at and m.segments in it
_SEGMENT = (
    "s.number, s.text, s.state, s.attempts, s.account, s.smsc_id, s.code, s.sent_at, s.due_at, s.bind, s.sequence,"
    " s.answered_in, s.told, s.told_at, s.queue, s.unknowns"
)
_WAITS = (
    "EXISTS (SELECT 1 FROM segment AS s WHERE s.id BETWEEN m.id AND m.id + m.segments - 1"
    f" AND s.state IN ({SegmentState.QUEUED:d}, {SegmentState.CLAIMED:d}))"
)
_SHOWN = {
    Shown.QUEUED: f"(m.state = {MessageState.WITHDRAWN:d} OR (m.state = {MessageState.ACTIVE:d} AND {_WAITS}))",
    Shown.SENT: f"m.state = {MessageState.ACTIVE:d} AND NOT {_WAITS}",
    Shown.DELIVERED: f"m.state = {MessageState.DELIVERED:d}",
    Shown.FAILED: f"m.state = {MessageState.FAILED:d}",
    Shown.SCHEDULED: f"m.state = {MessageState.SCHEDULED:d}",
}


# The numbers of the blocks from ``:begin`` to ``:block``, as a table ``b``.
THESE_BLOCKS = (
    "(WITH RECURSIVE block (number) AS (SELECT :begin UNION ALL SELECT number + 1 FROM block WHERE number < :block)"
    " SELECT number FROM block) AS b"
)


def in_blocks(first: int, last: int, bits: int) -> Iterator[tuple[int, int, int]]:
    """The blocks of the ids from ``first`` to ``last``, some at a time, the newest first, BLOCKS of them at most: the
    first and the last block of those, and the lowest id in them. ``bits`` of an id are its place in a block."""
    block, end = last >> bits, max(first >> bits, (last >> bits) - BLOCKS + 1)
    while block >= end:
        begin = max(end, block - BLOCKS_AT_ONCE + 1)
        yield begin, block, max(first, begin << bits)
        block = begin - 1


class Searches:
    """On a connection that may be read-only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, find: ops.Find) -> FoundMessage | None:
        rows = self._connection.execute(f"SELECT {_MESSAGE} FROM message AS m WHERE m.sid = ?", (find.sid,)).fetchall()
        return next(self._with_segments(rows), None)

    def _with_segments(self, rows: Sequence[tuple[Any, ...]]) -> Iterator[FoundMessage]:
        for row in rows:
            first, count = row[0], row[_SEGMENTS_PLACE]
            segments = self._connection.execute(
                f"SELECT {_SEGMENT} FROM segment AS s WHERE s.id BETWEEN ? AND ? ORDER BY s.id",
                (first, first + count - 1),
            )
            found = tuple(FoundSegment(*one) for one in segments)
            later = self._connection.execute(
                "SELECT send_at, left_at, accepted_at FROM schedule WHERE id = ?", (first,)
            ).fetchone()
            send_at, left_at, accepted_at = later or (None, None, row[_ACCEPTED_PLACE])
            values = (*row[:_SEGMENTS_PLACE], found, *row[_SEGMENTS_PLACE + 1 :], send_at, left_at)
            yield FoundMessage._make(values)._replace(accepted_at=accepted_at)

    # --- those that fit -------------------------------------------------------------------------------------

    def search(self, search: Search) -> Page:
        limit = min(search.limit, MOST_FOUND)
        first, last = self._bounds(search)
        if search.smsc_id is not None:
            rows, lowest = self._by_smsc_id(search, first, last, limit), first
        elif search.reference is not None:
            rows, lowest = self._rows("message AS m", search, first, last, limit), first
        elif search.to is not None:
            rows, lowest = self._by_number(search, first, last, limit)
        else:
            lowest = max(first, last - EXAMINED + 1)
            rows = self._rows("message AS m", search, lowest, last, limit)
        before = rows[-1][0] if len(rows) == limit else lowest
        return Page(list(self._with_segments(rows)), before if before > first else None)

    def _rows(self, source: str, search: Search, first: int, last: int, limit: int, **more: Any) -> list[Any]:
        """The rows of messages with ids from ``first`` to ``last`` that fit, the newest first. ``source`` is SQL, with
        a message ``m``, and ``more`` its parameters."""
        given = {
            "reference": (search.reference, "m.reference = :reference"),
            "source": (search.source, "m.source = :source"),
            "channel": (search.channel, "m.channel = :channel"),
            "to": (search.to, "m.destination = :to"),
            "since": (search.since, "m.accepted_at >= :since"),
            "until": (search.until, "m.accepted_at < :until"),
        }
        wanted = [condition for value, condition in given.values() if value is not None]
        if search.state is not None:
            wanted.append(_SHOWN[search.state])
        values = {name: value for name, (value, _) in given.items()}
        return self._connection.execute(
            f"SELECT {_MESSAGE} FROM {source} WHERE m.id BETWEEN :first AND :last"
            f" AND m.state <> {MessageState.MOVED:d}{''.join(f' AND {one}' for one in wanted)}"
            " ORDER BY m.id DESC LIMIT :limit",
            values | more | {"first": first, "last": last, "limit": limit},
        ).fetchall()

    def _by_number(self, search: Search, first: int, last: int, limit: int) -> tuple[list[Any], int]:
        """And the lowest id that was looked at. Some blocks at a time, so that what is found need be sorted only among
        them."""
        (listed,) = self._connection.execute(f"SELECT {LISTED_BELOW}").fetchone()
        lowest = max(first, listed)
        rows = self._rows("message AS m", search, lowest, last, limit)
        if len(rows) >= limit:
            return rows, lowest
        last = min(last, listed - 1)
        for begin, block, lowest in in_blocks(first, last, BLOCK):
            rows += self._rows(
                f"{THESE_BLOCKS} CROSS JOIN message_number AS n"
                " ON n.block = b.number AND n.destination = :to CROSS JOIN message AS m ON m.id = n.message",
                search,
                lowest,
                last,
                limit - len(rows),
                begin=begin,
                block=block,
            )
            if len(rows) >= limit:
                break
        return rows, lowest

    def to_number(self, search: Search, limit: int) -> tuple[list[FoundMessage], list[int], int, int, int]:
        """Those to the number of the search; when each was given to its channel; the first and the last id that may
        fit; and the lowest that was looked at."""
        first, last = self._bounds(search)
        rows, lowest = self._by_number(search, first, last, limit)
        lowest = rows[-1][0] if len(rows) == limit else lowest
        return list(self._with_segments(rows)), self._given_at(rows), first, last, lowest

    def _by_smsc_id(self, search: Search, first: int, last: int, limit: int) -> list[Any]:
        """An SMSC may write its id in another way in the receipt than in the response (``message_ids``)."""
        assert search.smsc_id is not None
        keys = [(account, key) for account in self._accounts() for _, key in id_candidates(search.smsc_id)]
        return self._rows(
            "(SELECT DISTINCT s.id - s.number + 1 AS id FROM json_each(:keys) AS j CROSS JOIN segment AS s"
            " ON s.account = j.value->>0 AND s.smsc_key = j.value->>1) AS f CROSS JOIN message AS m ON m.id = f.id",
            search,
            first,
            last,
            limit,
            keys=json.dumps(keys),
        )

    def _accounts(self) -> Iterator[str]:
        """All that have given an id to a segment."""
        last: str | None = ""
        sql = "SELECT min(account) FROM segment WHERE smsc_key IS NOT NULL AND account > ?"
        while (last := self._connection.execute(sql, (last,)).fetchone()[0]) is not None:
            yield last

    def _bounds(self, search: Search) -> tuple[int, int]:
        """The first and the last id that may fit."""
        first, last = self._connection.execute(
            "SELECT coalesce((SELECT min(id) FROM message), 1), coalesce((SELECT max(id) FROM message), 0)"
        ).fetchone()
        if search.before is not None:
            last = min(last, search.before - 1)
        if search.until is not None:
            last = max(
                self._first_accepted(search.until + CLOCK_STEP, first, last + 1) - 1,
                self._last_moved(first, last, search.until),
            )
        if search.since is not None:
            first = self._first_accepted(search.since - CLOCK_STEP, first, last + 1)
        return first, last

    def _first_accepted(self, time: int, first: int, end: int) -> int:
        """The first id from ``first`` on that was accepted at that time (ms) or later; ``end`` if none below it was.
        Times rise with the ids, but for steps of the clock: CLOCK_STEP allows for small ones. What has come from
        another channel does not count: its id is new, and it was accepted before."""
        while first < end:
            middle = (first + end) // 2
            row = self._connection.execute(
                "SELECT id, accepted_at FROM message WHERE id >= ? AND id < ? AND asked_channel IS NULL"
                " ORDER BY id LIMIT 1",
                (middle, end),
            ).fetchone()
            if row is None or row[1] >= time:
                end = middle
            else:
                first = row[0] + 1
        return first

    def _last_moved(self, first: int, last: int, until: int) -> int:
        """The last id of what has come from another channel and was accepted before that time (ms); 0: there is
        none."""
        row = self._connection.execute(
            "SELECT id FROM message WHERE asked_channel IS NOT NULL AND id BETWEEN ? AND ? AND accepted_at < ?"
            " ORDER BY id DESC LIMIT 1",
            (first, last, until),
        ).fetchone()
        return row[0] if row is not None else 0

    def _given_at(self, rows: Sequence[tuple[Any, ...]]) -> list[int]:
        """When each of these messages was given to the channel in which it is (ms): these times rise with the ids. It
        is the time of its acceptance, or when it was due, or when it came from another channel."""
        moved = self._connection.execute(
            f"SELECT n.id, (SELECT max(m.final_at) FROM message AS m WHERE {is_moved('n.sid')})"
            " FROM json_each(?) AS j CROSS JOIN message AS n ON n.id = j.value WHERE n.asked_channel IS NOT NULL",
            (json.dumps([row[0] for row in rows]),),
        )
        times = {message_id: at for message_id, at in moved if at is not None}
        return [times.get(row[0], row[_ACCEPTED_PLACE]) for row in rows]

    # --- the history of one ---------------------------------------------------------------------------------

    def timeline(self, find: FindTimeline) -> Timeline | None:
        """Messages that went on over another channel are found by their MessageSID and the name of their channel."""
        last = self.find(ops.Find(find.sid))
        if last is None:
            return None
        rows = self._connection.execute(
            f"SELECT {_MESSAGE} FROM message AS m WHERE {is_moved('?1')} ORDER BY m.id", (find.sid,)
        ).fetchall()
        legs = tuple(Leg(one, self._events_of(one)) for one in (*self._with_segments(rows), last))
        return Timeline(legs, self._report_of(find.sid))

    def _events_of(self, message: FoundMessage) -> tuple[SegmentEvent, ...]:
        rows = self._connection.execute(
            "SELECT segment, at, kind, bind, sequence, answered_in, code, words FROM segment_event"
            " WHERE segment BETWEEN ? AND ? ORDER BY id",
            (message.id, message.id + len(message.segments) - 1),
        )
        return tuple(SegmentEvent(*row) for row in rows)

    def _report_of(self, sid: str) -> Report | None:
        row = self._connection.execute(
            "SELECT id, event_id, created_at FROM outbox WHERE event_id = 'dr-' || ?", (sid,)
        ).fetchone()
        if row is None:
            return None
        event, event_id, created_at = row
        ids = (event * SINKS, event * SINKS + SINKS - 1)
        confirmed = self._connection.execute(
            f"SELECT s.name, c.at, 1 FROM confirmation AS c JOIN sink AS s ON s.id = c.id % {SINKS}"
            " WHERE c.id BETWEEN ? AND ? ORDER BY c.at",
            ids,
        )
        parked = self._connection.execute(
            "SELECT s.name, p.since, 0, p.attempts, p.reason FROM parked_event AS p"
            f" JOIN sink AS s ON s.id = p.id % {SINKS}"
            " WHERE p.id BETWEEN ? AND ? ORDER BY p.since",
            ids,
        )
        told = tuple(
            Told(name, at, bool(is_confirmed), *more) for name, at, is_confirmed, *more in (*confirmed, *parked)
        )
        return Report(event_id, created_at, told)

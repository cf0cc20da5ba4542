"""Count what was accepted against what became of it, and list what contradicts itself.

1. For each channel and hour: accepted = delivered + failed + under way. The reports of these messages are counted too:
   those confirmed by every sink, and those that still wait for one.
2. For each message: whether its state, its segments and its report agree.

All is read in one transaction, so it is one consistent view. A connector may be running meanwhile. Messages that
retention has dropped are not counted.
"""

import sqlite3
from contextlib import closing
from typing import NamedTuple

from smsconnector.errors import StoreUnusable
from smsconnector.lifecycle import CODE_NO_FAILURE, MessageState, SegmentState
from smsconnector.store.database import open_readonly
from smsconnector.store.outbox import SINKS
from smsconnector.store.trouble import explain

HOUR = 3_600_000  # ms
MOST_FAULTS = 1000  # faults of one kind that are listed


class HourOfChannel(NamedTuple):
    """The messages of one channel that were accepted in one hour, counted."""

    channel: str
    hour: int  # its begin, ms since the Unix epoch
    accepted: int
    delivered: int
    failed: int
    under_way: int
    confirmed: int  # reports of these messages that every sink has confirmed
    waiting: int  # reports of these messages that some sink has not confirmed yet


class Balance(NamedTuple):
    """The result. ``faults`` are pairs of a MessageSID, or a channel where it is about an hour, and a sentence."""

    lines: list[HourOfChannel]
    faults: list[tuple[str, str]]


# Whether any sink has yet to confirm the event ``o``. Step 7 of the schema says how confirmations are kept.
_IS_OWED = f"""EXISTS (
    SELECT 1 FROM sink AS k LEFT JOIN confirmation AS c ON c.id = o.id * {SINKS} + k.id
    LEFT JOIN parked_event AS p ON p.id = o.id * {SINKS} + k.id
    WHERE p.id IS NOT NULL OR (o.id > k.settled_up_to AND c.id IS NULL))"""
_LINES = f"""
SELECT m.channel, m.accepted_at / {HOUR} * {HOUR}, count(*), sum(m.state = {MessageState.DELIVERED:d}),
       sum(m.state = {MessageState.FAILED:d}), sum(m.state = {MessageState.ACTIVE:d}),
       sum(o.id IS NOT NULL AND NOT {_IS_OWED}), sum(o.id IS NOT NULL AND {_IS_OWED})
FROM message AS m LEFT JOIN outbox AS o ON o.event_id = 'dr-' || m.sid
WHERE m.accepted_at >= ?1 GROUP BY 1, 2 ORDER BY 2, 1
"""

_ACTIVE, _DELIVERED, _FAILED = (f"{state:d}" for state in MessageState)
_SEGMENTS = "JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1"

# By the sentence that is printed: the query for the sids of such messages, of those accepted since ?1 (ms).
_FAULTS = {
    "it is final, but there is no report of it": f"""
        SELECT m.sid FROM message AS m LEFT JOIN outbox AS o ON o.event_id = 'dr-' || m.sid
        WHERE m.accepted_at >= ?1 AND m.state <> {_ACTIVE} AND o.id IS NULL""",
    "there is a report of it, but it is not final": f"""
        SELECT m.sid FROM message AS m JOIN outbox AS o ON o.event_id = 'dr-' || m.sid
        WHERE m.accepted_at >= ?1 AND m.state = {_ACTIVE}""",
    "its report says another end than it has": f"""
        SELECT m.sid FROM message AS m JOIN outbox AS o ON o.event_id = 'dr-' || m.sid
        WHERE m.accepted_at >= ?1 AND m.state <> {_ACTIVE} AND o.body <> ''
        AND json_extract(o.body, '$.DeliveryStatus') <> iif(m.state = {_DELIVERED}, 'DELIVERED', 'FAILED')""",
    "segments of it are missing": f"""
        SELECT m.sid FROM message AS m LEFT {_SEGMENTS}
        WHERE m.accepted_at >= ?1 GROUP BY m.id HAVING count(s.id) <> m.segments""",
    "it is under way, but its segments have ended": f"""
        SELECT m.sid FROM message AS m {_SEGMENTS} WHERE m.accepted_at >= ?1 AND m.state = {_ACTIVE}
        GROUP BY m.id HAVING max(s.state) = {SegmentState.FAILED:d} OR min(s.state) = {SegmentState.DELIVERED:d}""",
    "it is delivered, but a segment of it is not": f"""
        SELECT m.sid FROM message AS m {_SEGMENTS} WHERE m.accepted_at >= ?1 AND m.state = {_DELIVERED}
        AND m.code IS NOT '{CODE_NO_FAILURE}' AND s.state <> {SegmentState.DELIVERED:d} GROUP BY m.id""",
}


def reconcile(path: str, since: int = 0) -> Balance:
    """Count the messages accepted at ``since`` (ms since the Unix epoch) or later. At most ``MOST_FAULTS`` faults of
    each kind are listed. Raises StoreUnusable."""
    with closing(open_readonly(path)) as connection:
        try:
            connection.execute("BEGIN")
            lines = [HourOfChannel(*row) for row in connection.execute(_LINES, (since,))]
            return Balance(lines, _faults(connection, since) + _sums(lines))
        except sqlite3.DatabaseError as error:
            raise StoreUnusable(explain(error, path)) from error


def _faults(connection: sqlite3.Connection, since: int) -> list[tuple[str, str]]:
    return [
        (sid, sentence)
        for sentence, sql in _FAULTS.items()
        for (sid,) in connection.execute(f"{sql} LIMIT {MOST_FAULTS}", (since,))
    ]


def _sums(lines: list[HourOfChannel]) -> list[tuple[str, str]]:
    return [
        (line.channel, "accepted is not delivered + failed + under way in one of its hours")
        for line in lines
        if line.accepted != line.delivered + line.failed + line.under_way
    ]

"""Count what was accepted against what became of it, and list what contradicts itself.

1. For each channel and hour: accepted = delivered + failed + under way. The reports of these messages are counted too:
   those confirmed by every sink, and those that still wait for one.
2. For each message: whether its state, its segments and its report agree.

Messages are read in slices, in the order of their ids. Each slice is one short transaction, so a message, its segments
and its report are one consistent view. A connector may be running meanwhile: SQLite can't take anything out of the WAL
that a transaction of ours may still read, so a long one would let it grow without end. What is accepted after the begin
is not counted, and neither are messages that retention has dropped.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import closing
from typing import NamedTuple

from smsconnector.errors import StoreUnusable
from smsconnector.lifecycle import CODE_NO_FAILURE, MessageState, SegmentState
from smsconnector.messages import CALLBACK_SINK
from smsconnector.store.database import open_readonly
from smsconnector.store.fall_backs import SID_OF_MOVED
from smsconnector.store.outbox import SINKS
from smsconnector.store.trouble import explain

HOUR = 3_600_000  # ms
AT_ONCE = 2_000  # messages of one slice
MOST_FAULTS = 1000  # faults of one kind that are listed


class HourOfChannel(NamedTuple):
    """The messages of one channel that were accepted in one hour, counted."""

    channel: str
    hour: int  # its begin, ms since the Unix epoch
    accepted: int
    delivered: int
    failed: int
    under_way: int
    confirmed: int  # reports of these messages that every sink in question has confirmed
    waiting: int  # reports of these messages that some of them has not confirmed yet


class Balance(NamedTuple):
    """The result. ``faults`` are pairs of a MessageSID, or a channel where it is about an hour, and a sentence."""

    lines: list[HourOfChannel]
    faults: list[tuple[str, str]]


# Whether any sink has yet to confirm the event ``o``, of all or of those with the names ?4 (JSON). Step 7 of the schema
# says how confirmations are kept.
_IS_OWED = f"""EXISTS (
    SELECT 1 FROM sink AS k LEFT JOIN confirmation AS c ON c.id = o.id * {SINKS} + k.id
    LEFT JOIN parked_event AS p ON p.id = o.id * {SINKS} + k.id
    WHERE (?4 IS NULL OR k.name IN (SELECT value FROM json_each(?4)))
    AND (k.name NOT LIKE '{CALLBACK_SINK}%' OR EXISTS (
        SELECT 1 FROM status_callback AS b WHERE b.event = o.id AND b.host = substr(k.name, {len(CALLBACK_SINK) + 1})))
    AND (p.id IS NOT NULL OR (o.id > k.settled_up_to AND c.id IS NULL)))"""
_UNDER_WAY = f"({MessageState.ACTIVE:d}, {MessageState.WITHDRAWN:d}, {MessageState.SCHEDULED:d})"
_FINAL = f"({MessageState.DELIVERED:d}, {MessageState.FAILED:d})"
_SLICE = "m.id > ?2 AND m.id <= ?3 AND m.accepted_at >= ?1"
_LINES = f"""
SELECT m.channel, m.accepted_at / {HOUR} * {HOUR}, count(*), sum(m.state = {MessageState.DELIVERED:d}),
       sum(m.state = {MessageState.FAILED:d}), sum(m.state IN {_UNDER_WAY}),
       sum(o.id IS NOT NULL AND NOT {_IS_OWED}), sum(o.id IS NOT NULL AND {_IS_OWED})
FROM message AS m LEFT JOIN outbox AS o ON o.event_id = 'dr-' || m.sid
WHERE {_SLICE} AND m.state <> {MessageState.MOVED:d} GROUP BY 1, 2
"""

_ACTIVE, _DELIVERED = f"{MessageState.ACTIVE:d}", f"{MessageState.DELIVERED:d}"
# SQLite keeps the order of a CROSS JOIN, and of a LEFT JOIN: the messages of the slice, and for each its segments.
_SEGMENTS = "segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1"

# By the sentence that is printed: the query for the sids of such messages among those of a slice.
_FAULTS = {
    "it is final, but there is no report of it": f"""
        SELECT m.sid FROM message AS m LEFT JOIN outbox AS o ON o.event_id = 'dr-' || m.sid
        WHERE {_SLICE} AND m.state IN {_FINAL} AND o.id IS NULL""",
    "there is a report of it, but it is not final": f"""
        SELECT m.sid FROM message AS m JOIN outbox AS o ON o.event_id = 'dr-' || m.sid
        WHERE {_SLICE} AND m.state IN {_UNDER_WAY}""",
    "its report says another end than it has": f"""
        SELECT m.sid FROM message AS m JOIN outbox AS o ON o.event_id = 'dr-' || m.sid
        WHERE {_SLICE} AND m.state IN {_FINAL} AND o.body <> ''
        AND json_extract(o.body, '$.DeliveryStatus') <> iif(m.state = {_DELIVERED}, 'DELIVERED', 'FAILED')""",
    "it goes by another channel, and is nowhere": f"""
        SELECT m.sid FROM message AS m WHERE {_SLICE} AND m.state = {MessageState.MOVED:d}
        AND NOT EXISTS (SELECT 1 FROM message AS n WHERE n.sid = {SID_OF_MOVED})""",
    "segments of it are missing": f"""
        SELECT m.sid FROM message AS m LEFT JOIN {_SEGMENTS}
        WHERE {_SLICE} GROUP BY m.id HAVING count(s.id) <> m.segments""",
    "it is under way, but its segments have ended": f"""
        SELECT m.sid FROM message AS m CROSS JOIN {_SEGMENTS} WHERE {_SLICE} AND m.state = {_ACTIVE}
        GROUP BY m.id HAVING max(s.state) = {SegmentState.FAILED:d} OR min(s.state) = {SegmentState.DELIVERED:d}""",
    "it is delivered, but a segment of it is not": f"""
        SELECT m.sid FROM message AS m CROSS JOIN {_SEGMENTS} WHERE {_SLICE} AND m.state = {_DELIVERED}
        AND m.code IS NOT '{CODE_NO_FAILURE}' AND s.state <> {SegmentState.DELIVERED:d} GROUP BY m.id""",
}


def known_sinks(path: str) -> list[str]:
    """The names of all sinks that the database knows. Raises StoreUnusable."""
    with closing(open_readonly(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sink ORDER BY id")]


def reconcile(
    path: str,
    since: int = 0,
    tell: Callable[[float], None] = lambda share: None,
    sinks: Collection[str] | None = None,
) -> Balance:
    """Count the messages accepted at ``since`` (ms since the Unix epoch) or later. Reports wait for the sinks of these
    names; None: for all that the database knows. At most ``MOST_FAULTS`` faults of each kind are listed. ``tell`` is
    called after each slice, with the share of the ids that were looked at, 0 to 1. Raises StoreUnusable."""
    with closing(open_readonly(path)) as connection:
        try:
            names = None if sinks is None else json.dumps(sorted(sinks))
            return _all_slices(connection, since, tell, names)
        except sqlite3.DatabaseError as error:
            raise StoreUnusable(explain(error, path)) from error


def _all_slices(
    connection: sqlite3.Connection, since: int, tell: Callable[[float], None], sinks: str | None
) -> Balance:
    counts: dict[tuple[int, str], Counter[str]] = {}
    faults: dict[str, list[str]] = {sentence: [] for sentence in _FAULTS}
    first = connection.execute("SELECT coalesce(min(id), 1) FROM message").fetchone()[0]
    last = connection.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()[0]
    after = first - 1
    while after < last:
        connection.execute("BEGIN")
        end = connection.execute(_END, (after, last, AT_ONCE)).fetchone()[0]
        if end is not None:  # retention may have dropped the rest
            _one_slice(connection, (since, after, end), sinks, counts, faults)
        connection.execute("COMMIT")
        after = last if end is None else end
        tell((after - first + 1) / (last - first + 1))
    lines = [
        HourOfChannel(channel, hour, *(counts[hour, channel][name] for name in HourOfChannel._fields[2:]))
        for hour, channel in sorted(counts)
    ]
    found = [(sid, sentence) for sentence, sids in faults.items() for sid in sids]
    return Balance(lines, found + _sums(lines))


_END = "SELECT max(id) FROM (SELECT id FROM message WHERE id > ? AND id <= ? ORDER BY id LIMIT ?)"  # of a slice


def _one_slice(
    connection: sqlite3.Connection,
    bounds: tuple[int, int, int],
    sinks: str | None,
    counts: dict[tuple[int, str], Counter[str]],
    faults: dict[str, list[str]],
) -> None:
    """Add what a slice has to ``counts`` and ``faults``. ``bounds``: since when (ms), the ids after which it begins,
    and with which it ends. ``sinks``: their names as JSON."""
    for row in connection.execute(_LINES, (*bounds, sinks)):
        line = HourOfChannel(*row)
        counts.setdefault((line.hour, line.channel), Counter()).update(
            {name: getattr(line, name) for name in HourOfChannel._fields[2:]}
        )
    for sentence, sql in _FAULTS.items():
        left = MOST_FAULTS - len(faults[sentence])
        faults[sentence] += [sid for (sid,) in connection.execute(f"{sql} LIMIT {left}", bounds)]


def _sums(lines: list[HourOfChannel]) -> list[tuple[str, str]]:
    return [
        (line.channel, "accepted is not delivered + failed + under way in one of its hours")
        for line in lines
        if line.accepted != line.delivered + line.failed + line.under_way
    ]

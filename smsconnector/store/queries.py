"""Answer queries on one connection. Nothing is written, so the connection may be read-only."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from smsconnector.errors import StoreDamaged, StoreUnavailable
from smsconnector.lifecycle import SegmentState
from smsconnector.messages import ALL_EVENTS, Callback, Event, Message, Segment, Selection, bulk_queue, is_bulk_queue
from smsconnector.sms.addresses import number_tail
from smsconnector.store import operations as ops
from smsconnector.store.callbacks import CALLBACK_OF
from smsconnector.store.configuring import CountQueued, Waiting
from smsconnector.store.exchanged import Exchanges
from smsconnector.store.finding import FindExchanged, FindTimeline, Search
from smsconnector.store.measures import MOST_COUNTED, MOST_OF_A_QUEUE, Outlook, Prospect, QueueMeasure, QueuesMeasure
from smsconnector.store.opt_outs import ENTRIES_OF, same_subscriber_in
from smsconnector.store.outbox import SINKS, parameters_of, selected
from smsconnector.store.repeats import FindFirst, First
from smsconnector.store.scheduling import LoadScheduled, Scheduled
from smsconnector.store.searching import Searches
from smsconnector.store.trouble import explain, is_damaged

_LAST = ops.NOT_AGAIN - 1
_OF_QUEUE = f"FROM segment WHERE state = {SegmentState.QUEUED:d} AND queue = ?"
FOR_EVER = (1 << 63) - 1  # ms; the greatest integer of SQLite, later than every due_at
_LOADED = (
    "s.id, s.number, m.segments, s.text, m.alphabet, m.source, m.destination, m.expires_at, s.attempts, m.is_limited,"
    " 0, s.unknowns, m.sid"
)
_EVENT = "o.id, o.event_id, o.kind, o.jms_type, o.body, {attempts}, o.created_at, o.headers"
_OF_EVENT = 8  # how many columns that are; host and URL of a callback may follow
_NEW, _PARKED = _EVENT.format(attempts=0), _EVENT.format(attempts="p.attempts")


def queued_behind(
    connection: sqlite3.Connection, columns: str, *, queue: str, place: ops.DuePlace, until: int, limit: int
) -> list[Any]:
    """At most ``limit`` rows (due_at, id, ``columns``...) of the segments of ``queue`` that are queued behind ``place``
    and due at ``until`` (ms) at the latest, in the order of due_at and id. ``columns`` are SQL: ``s`` is the segment,
    ``m`` its message.

    There are two searches, because SQLite would use the index for the first half of ``(due_at, id) > (?, ?)`` only, and
    would read all rows with the same ``due_at``. The whole untried backlog has the same one, 0."""
    sql = (
        f"SELECT s.due_at, s.id, {columns} FROM segment AS s JOIN message AS m ON m.id = s.id - s.number + 1"
        f" WHERE s.state = {SegmentState.QUEUED:d} AND s.queue = ? AND "
    )
    at_once, later = "s.due_at = ? AND s.id > ?", "s.due_at > ? AND s.due_at <= ?"
    run, order = connection.execute, " ORDER BY s.due_at, s.id LIMIT ?"
    rows = run(sql + at_once + order, (queue, *place, limit)).fetchall()
    if len(rows) < limit:
        rows += run(sql + later + order, (queue, place[0], until, limit - len(rows))).fetchall()
    return rows


def _loaded(queue: str) -> str:
    """The columns of ``Segment``, in SQL."""
    return f"{_LOADED}, {int(is_bulk_queue(queue))}"


def _scheduled(message_id: int, queue: str, *values: Any) -> Scheduled:
    sid, channel, source, destination, alphabet, texts, send_at, expires_at, is_limited, *more = values
    message = Message(
        sid=sid,
        channel=channel,
        source=source,
        destination=destination,
        alphabet=alphabet,
        segments=tuple(json.loads(texts)),
        accepted_at=send_at,
        expires_at=expires_at,
        is_limited=bool(is_limited),
        reference=more[0],
        accepted_by=more[1],
        is_bulk=is_bulk_queue(queue),
    )
    return Scheduled(message_id, queue, message)


def _event_of(row: Sequence[Any]) -> Event:
    host_and_url = row[_OF_EVENT:]
    callback = Callback(*host_and_url) if host_and_url and host_and_url[0] is not None else None
    event_id, name, kind, jms_type, body, attempts, created_at, headers = row[:_OF_EVENT]
    return Event(event_id, name, kind, jms_type, body, attempts, created_at, headers, callback)


def _bounded(rows: Iterable[Any]) -> list[Event]:
    """The events of these rows, up to the one that makes it EVENT_OCTETS or more. The others are not read."""
    events, octets = [], 0
    for row in rows:
        event = _event_of(row)
        events.append(event)
        octets += len(event.body)
        if octets >= ops.EVENT_OCTETS:
            break
    return events


class Queries:
    """Answers queries on ``connection``, which is open on ``path``."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection, self._path = connection, path
        searches = Searches(connection)
        self._handlers: dict[type, Callable[[Any], Any]] = {
            ops.LoadSegments: self._load_segments,
            ops.LoadDue: self._load_due,
            ops.LoadRetries: self._load_retries,
            LoadScheduled: self._load_scheduled,
            ops.LoadEvents: self._load_events,
            ops.LoadSelected: self._load_selected,
            ops.LoadParkedEvents: self._load_parked_events,
            ops.LoadProgress: self._load_progress,
            ops.Find: searches.find,
            FindTimeline: searches.timeline,
            Search: searches.search,
            FindExchanged: Exchanges(connection, searches).find,
            Outlook: self._outlook,
            QueuesMeasure: self._measure_queues,
            CountQueued: self._count_queued,
            FindFirst: self._find_first,
        }

    def answer(self, query: ops.Query) -> Any:
        """The result that the query's class describes. Raises StoreUnavailable if the file can't be read for now, and
        StoreDamaged if it is damaged."""
        try:
            return self._handlers[type(query)](query)
        except sqlite3.DatabaseError as error:
            if is_damaged(error):
                raise StoreDamaged(explain(error, self._path)) from error
            raise StoreUnavailable(f"the database can't be read: {error}") from error

    def _find_first(self, find: FindFirst) -> First | None:
        row = self._connection.execute(
            "SELECT sid, accepted_at, expires_at, digest FROM idempotency_key"
            " WHERE caller = ? AND name = ? AND known_until > ?",
            (find.key.caller, find.key.name, find.key.now),
        ).fetchone()
        return None if row is None else First(*row)

    def _count_queued(self, count: CountQueued) -> Waiting:
        sql = f"SELECT count(*) FROM segment WHERE state = {SegmentState.QUEUED:d} AND queue = ?"
        queued = sum(self._connection.execute(sql, (queue,)).fetchone()[0] for queue in count.queues)
        (scheduled,) = self._connection.execute(
            "SELECT count(*) FROM schedule AS t CROSS JOIN message AS m ON m.id = t.id"
            " WHERE t.left_at IS NULL AND m.channel = ?",
            (count.channel,),
        ).fetchone()
        return Waiting(queued, scheduled)

    def _measure_queues(self, asked: QueuesMeasure) -> dict[str, QueueMeasure]:
        """Ids rise with time. Those that were never tried are in their order in the index; the others are few, or else
        it is enough to look at some."""
        found = {}
        for queue in asked.queues:
            count, oldest = self._connection.execute(
                f"SELECT (SELECT count(*) FROM (SELECT 1 {_OF_QUEUE} LIMIT ?)), min("
                f" coalesce((SELECT min(id) {_OF_QUEUE} AND due_at = 0), {FOR_EVER}),"
                f" coalesce((SELECT min(id) FROM (SELECT id {_OF_QUEUE} AND due_at > 0 LIMIT ?)), {FOR_EVER}))",
                (queue, MOST_OF_A_QUEUE, queue, queue, MOST_OF_A_QUEUE),
            ).fetchone()
            row = self._connection.execute(
                "SELECT m.accepted_at FROM segment AS s CROSS JOIN message AS m ON m.id = s.id - s.number + 1"
                " WHERE s.id = ?",
                (oldest,),
            ).fetchone()
            if row is not None:
                found[queue] = QueueMeasure(count, *row)
        return found

    def _load_segments(self, load: ops.LoadSegments) -> list[Segment]:
        rows = self._connection.execute(
            f"SELECT {_loaded(load.queue)} FROM segment AS s JOIN message AS m ON m.id = s.id - s.number + 1"
            f" WHERE s.state = {SegmentState.QUEUED:d} AND s.queue = ? AND s.due_at = 0 AND s.id > ?"
            " ORDER BY s.id LIMIT ?",
            (load.queue, load.after, load.limit),
        )
        return [Segment(*row) for row in rows]

    def _load_due(self, load: ops.LoadDue) -> tuple[list[Segment], ops.DuePlace | None]:
        rows: list[Any] = []
        ranges = [(load.after, load.now)] if load.after.due_at <= load.latest else []
        for place, until in (*ranges, (max(load.after, ops.DuePlace(load.latest, FOR_EVER)), FOR_EVER)):
            left = load.limit - len(rows)
            if left:
                rows += queued_behind(
                    self._connection, _loaded(load.queue), queue=load.queue, place=place, until=until, limit=left
                )
        after = ops.DuePlace(*rows[-1][:2]) if len(rows) == load.limit else None
        return [Segment(*row[2:]) for row in rows], after

    def _load_retries(self, load: ops.LoadRetries) -> list[tuple[str, int, int, int]]:
        return self._connection.execute(
            "SELECT m.destination, m.id, count(*), m.expires_at FROM segment AS s"
            " JOIN message AS m ON m.id = s.id - s.number + 1"
            f" WHERE s.state = {SegmentState.QUEUED:d} AND s.queue IN (?, ?) AND s.due_at > 0"
            " GROUP BY m.id ORDER BY m.id LIMIT ?",
            (load.queue, bulk_queue(load.queue), load.limit),
        ).fetchall()

    def _load_scheduled(self, load: LoadScheduled) -> list[Scheduled]:
        rows = self._connection.execute(
            "SELECT m.id, (SELECT f.queue FROM segment AS f WHERE f.id = m.id), m.sid, m.channel, m.source,"
            " m.destination,"
            " m.alphabet, (SELECT json_group_array(s.text) FROM (SELECT text FROM segment"
            "   WHERE id BETWEEN m.id AND m.id + m.segments - 1 ORDER BY id) AS s),"
            " t.send_at, m.expires_at, m.is_limited, m.reference, m.accepted_by"
            " FROM schedule AS t CROSS JOIN message AS m ON m.id = t.id WHERE t.left_at IS NULL AND t.send_at <= ?"
            " ORDER BY t.send_at, t.id LIMIT ?",
            (load.now, load.limit),
        )
        return [_scheduled(*row) for row in rows]

    # --- events ---------------------------------------------------------------------------------------------

    def _sink(self, name: str) -> tuple[int, int]:
        """The id of a sink in the database, and the id up to which it has confirmed or parked every event."""
        found: tuple[int, int] = self._connection.execute(
            "SELECT id, settled_up_to FROM sink WHERE name = ?", (name,)
        ).fetchone()
        return found

    def _load_selected(self, load: ops.LoadSelected) -> ops.Selected:
        query, selection = load.load, load.selection
        begin = max(query.after, self._sink(query.sink)[1]) if query.may_be_settled else query.after
        # The newest first: what is written between the two statements lies behind it, and is looked at the next time.
        (newest,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()
        last = newest if query.up_to is None else min(newest, query.up_to)
        end = min(last, begin + ops.EVENTS_EXAMINED)
        events = self._load_events(replace(query, after=begin, up_to=end), selection)
        if len(events) == query.limit or sum(len(event.body) for event in events) >= ops.EVENT_OCTETS:
            return ops.Selected(events, events[-1].id, True)
        return ops.Selected(events, max(begin, end), end < last)

    def _load_events(self, load: ops.LoadEvents, selection: Selection = ALL_EVENTS) -> list[Event]:
        after, key, source, columns, which = load.after, "o.id", "outbox AS o", _NEW, selected(selection)
        if selection.callback is not None:  # by their own index: they are few
            key, columns, which = "c.event", f"{_NEW}, c.host, c.url", " AND c.host = :callback"
            source = "status_callback AS c CROSS JOIN outbox AS o ON o.id = c.event"
        if load.may_be_settled:
            sink, settled_up_to = self._sink(load.sink)
            after = max(after, settled_up_to)
            for table in ("confirmation", "parked_event"):
                which += f" AND NOT EXISTS (SELECT 1 FROM {table} AS t WHERE t.id = o.id * {SINKS} + {sink})"
        if load.only is not None:
            which += " AND o.kind = :only"
        if load.up_to is not None:
            which += f" AND {key} <= :up_to"
        rows = self._connection.execute(
            f"SELECT {columns} FROM {source} WHERE {key} > :after{which} ORDER BY {key} LIMIT :limit",
            {
                "after": after,
                "only": load.only,
                "up_to": load.up_to,
                "limit": load.limit,
                **parameters_of(selection),
            },
        )
        return _bounded(rows)

    def _load_parked_events(self, load: ops.LoadParkedEvents) -> list[Event]:
        sink, _ = self._sink(load.sink)
        sql = (
            f"SELECT {_PARKED}, {CALLBACK_OF.format('c.host')}, {CALLBACK_OF.format('c.url')}"
            " FROM parked_event AS p JOIN outbox AS o ON o.id = p.id / ?4"
            " WHERE p.kind = ?1 AND {} AND p.id % ?4 = ?5 ORDER BY p.due_at LIMIT ?3"
        )
        found = (
            self._connection.execute(sql.format(when), (load.kind, moment, load.limit, SINKS, sink))
            for when, moment in (("p.due_at <= ?2", load.now), (f"p.due_at BETWEEN ?2 + 1 AND {_LAST}", load.latest))
        )
        return _bounded(islice(chain.from_iterable(found), load.limit))

    def _load_progress(self, load: ops.LoadProgress) -> ops.SinkProgress:
        sink, settled_up_to = self._sink(load.sink)
        furthest = [
            self._connection.execute(
                f"SELECT coalesce(max(id), 0) / ?1 FROM {table} WHERE id >= ?2 AND id % ?1 = ?3",
                (SINKS, settled_up_to * SINKS, sink),
            ).fetchone()[0]
            for table in ("confirmation", "parked_event")
        ]
        return ops.SinkProgress(settled_up_to, max(settled_up_to, *furthest))

    # --- messages -------------------------------------------------------------------------------------------

    def _outlook(self, asked: Outlook) -> Prospect:
        (waiting,) = self._connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM segment WHERE state = {SegmentState.QUEUED:d} AND queue IN (?, ?)"
            " LIMIT ?)",
            (asked.queue, bulk_queue(asked.queue) if asked.is_bulk else asked.queue, MOST_COUNTED),
        ).fetchone()
        if not asked.can_opt_out:
            return Prospect(waiting, False)
        number = asked.destination
        row = (asked.channel, number_tail(number), number, asked.source or "")
        same_subscriber_in(self._connection)
        found = self._connection.execute(f"SELECT 1 FROM json_each(?) AS j {ENTRIES_OF} LIMIT 1", (json.dumps([row]),))
        return Prospect(waiting, found.fetchone() is not None)

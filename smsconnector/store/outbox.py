"""The outbox: events as rows, written in the commit that caused them.

1. ``_write_events`` writes events. From then on each configured sink is owed them: it has to confirm them.
2. ``_confirm`` writes that a sink has taken responsibility for some events. ``_park_events`` writes that it refused
   them, or wants them later.
3. ``settled_up_to`` of a sink is the id up to which every event is confirmed or parked there. The publisher knows it
   and gives it with each of these operations. So the events that a sink is owed are found without a search, however far
   it is behind.

A sink may want only some of the events: its ``Selection``. The others are not owed to it, and count as settled. Nothing
is written for them but ``settled_up_to``, now and then. A selection that has changed holds for what is not settled.

The reports that single messages want at a host of their own are owed to the sink of that host (``callbacks``). They are
counted when they are written, and nothing is counted where there are none.

A sink that is no longer configured keeps its row in the table ``sink``, and retention does not wait for it. If it is
configured again, it goes on from there, but for what retention has dropped meanwhile.
"""

import json
from collections.abc import Mapping, Sequence

from smsconnector.messages import ALL_EVENTS, CALLBACK_SINK, Event, Selection
from smsconnector.store import operations as ops
from smsconnector.store.callbacks import Callbacks
from smsconnector.store.events import EventRow, is_repeat

MOST_KEPT = 500  # events that one batch hands to the publishers; more, and they are read
SINKS = 64  # ids of sinks are 1 to 63; confirmation.id is outbox.id * SINKS + sink.id, and so is parked_event.id


def selected(selection: Selection) -> str:
    """The condition, with an AND before it, that the event ``o`` is in the selection; "" if all are. Its parameters are
    ``:kinds`` and ``:channels``, as JSON, and ``:callback``."""
    if selection.callback is not None:
        return " AND EXISTS (SELECT 1 FROM status_callback AS c WHERE c.host = :callback AND c.event = o.id)"
    columns_of = (("o.kind", ":kinds", selection.kinds), ("o.jms_type", ":channels", selection.channels))
    return "".join(
        f" AND {column} IN (SELECT value FROM json_each({name}))" for column, name, wanted in columns_of if wanted
    )


def parameters_of(selection: Selection) -> dict[str, object]:
    """Of ``selected``."""
    kinds, channels = json.dumps(selection.kinds), json.dumps(selection.channels)
    return {"kinds": kinds, "channels": channels, "callback": selection.callback}


_COLUMNS = "event_id, kind, jms_type, body, created_at, headers"


class Outbox(Callbacks):
    """The events, and which of them each sink has confirmed or not taken."""

    _sinks: dict[str, int]  # the ids of the configured sinks, by name
    _choosy: Sequence[Selection] = ()  # of the sinks that do not want all events, but for those for callbacks
    _callback_hosts: Sequence[str] = ()  # each is a sink
    _written: list[Event] | None = None  # since ``take_written``; None: more than are kept, or they are not to be kept

    def _open_outbox(self, wanted: Mapping[str, Selection]) -> None:
        """Find or make the rows of the configured sinks. A new sink is owed the events that are written from now on."""
        run, names = self._connection.execute, list(wanted)
        self._written = []
        self._choosy = [one for one in wanted.values() if one != ALL_EVENTS and one.callback is None]
        self._callback_hosts = [one.callback for one in wanted.values() if one.callback is not None]
        known = [name for (name,) in run("SELECT name FROM sink")]
        for name in names:
            if name not in known:
                self._make_sink(name, names)
        rows = run("SELECT name, id FROM sink").fetchall()
        # A sink that comes back is not owed events whose texts were dropped while it was away.
        run(
            "UPDATE sink SET settled_up_to = max(settled_up_to, (SELECT emptied FROM outbox_progress))"
            " WHERE name IN (SELECT value FROM json_each(?))",
            (json.dumps(names),),
        )
        self._sinks = {name: sink_id for name, sink_id in rows if name in names}
        for name, sink in self._sinks.items():
            if wanted[name] != ALL_EVENTS:
                self._drop_parked_unwanted(sink, wanted[name])
        self._counts.waiting_events = sum(self._count_owed(one, wanted[name]) for name, one in self._sinks.items())
        self._counts.parked_events = sum(self._count_parked(one) for one in self._sinks.values())

    def _make_sink(self, name: str, configured: Sequence[str]) -> None:
        """With the next id. If all are used, with that of the sink that is not configured and furthest behind."""
        run = self._connection.execute
        if self._one("SELECT count(*) FROM sink") >= SINKS - 1:
            (oldest,) = run(
                "SELECT id FROM sink WHERE name NOT IN (SELECT value FROM json_each(?)) ORDER BY settled_up_to LIMIT 1",
                (json.dumps(configured),),
            ).fetchone()
            for table in ("confirmation", "parked_event"):
                run(f"DELETE FROM {table} WHERE id % ? = ?", (SINKS, oldest))
            run("DELETE FROM sink WHERE id = ?", (oldest,))
            run(
                "INSERT INTO sink (id, name, settled_up_to) SELECT ?, ?, coalesce(max(id), 0) FROM outbox",
                (oldest, name),
            )
        else:
            run("INSERT INTO sink (name, settled_up_to) SELECT ?, coalesce(max(id), 0) FROM outbox", (name,))

    def _drop_parked_unwanted(self, sink: int, selection: Selection) -> None:
        """What is parked at a sink that does not want it any more is not owed to it."""
        self._connection.execute(
            "DELETE FROM parked_event WHERE id IN (SELECT p.id FROM parked_event AS p JOIN outbox AS o"
            f" ON o.id = p.id / {SINKS} WHERE p.id % {SINKS} = {sink}"
            f" AND NOT (true{selected(selection)}))",
            parameters_of(selection),
        )

    def forgotten_sinks(self) -> dict[str, int]:
        """The sinks that are not configured any more, by name, each with the number of events it has not confirmed;
        those without any are left out."""
        rows = self._connection.execute("SELECT name, id FROM sink").fetchall()
        owed = {
            name: self._count_owed(one, _selection_of(name)) + self._count_parked(one)
            for name, one in rows
            if name not in self._sinks
        }
        return {name: count for name, count in owed.items() if count}

    def _count_owed(self, sink: int, selection: Selection = ALL_EVENTS) -> int:
        """How many events the sink has neither confirmed nor parked."""
        behind = self._settled_up_to(sink)
        if selection != ALL_EVENTS:
            return self._count_owed_selected(sink, behind, selection)
        written = self._one("SELECT count(*) FROM outbox WHERE id > ?", behind)
        settled = "SELECT count(*) FROM {} WHERE id >= ? AND id % ? = ?"
        first = (behind + 1) * SINKS
        return (
            written
            - self._one(settled.format("confirmation"), first, SINKS, sink)
            - self._one(settled.format("parked_event"), first, SINKS, sink)
        )

    def _count_owed_selected(self, sink: int, behind: int, selection: Selection) -> int:
        settled = f"EXISTS (SELECT 1 FROM {{}} AS t WHERE t.id = o.id * {SINKS} + {sink})"
        found: int = self._connection.execute(
            f"SELECT count(*) FROM outbox AS o WHERE o.id > :behind{selected(selection)}"
            f" AND NOT {settled.format('confirmation')} AND NOT {settled.format('parked_event')}",
            parameters_of(selection) | {"behind": behind},
        ).fetchone()[0]
        return found

    def _settled_up_to(self, sink: int) -> int:
        return self._one("SELECT settled_up_to FROM sink WHERE id = ?", sink)

    def _count_parked(self, sink: int) -> int:
        return self._one("SELECT count(*) FROM parked_event WHERE id % ? = ?", SINKS, sink)

    def _write_events(self, events: list[EventRow]) -> None:
        """Write events to the outbox. One whose event_id is there already is left out."""
        events = self._without_told_before(events)
        if events:
            before = self._last_event() if self._choosy else 0
            # Only texts have a sender.
            columns, width = (_COLUMNS, 6) if all(one.sender is None for one in events) else (f"{_COLUMNS}, sender", 7)
            rows = [one[:width] for one in events]
            written = self._insert(f"INSERT OR IGNORE INTO outbox ({columns})", rows)
            self._keep_written(events, written, self._last_id)
            everywhere = len(self._sinks) - len(self._choosy) - len(self._callback_hosts)
            self._counts.waiting_events += written * everywhere
            wanted = [one.event_id for one in events if one.callback is not None]
            if wanted:
                self._counts.waiting_events += self._note_reports(wanted, self._callback_hosts)
            for selection in self._choosy:
                self._counts.waiting_events += self._count_written(before, selection)

    def take_written(self) -> list[Event] | None:
        """The events that were committed since the last call, in the order of their ids. None: they have to be read."""
        written, self._written = self._written, []
        return written

    def _keep_written(self, events: Sequence[EventRow], count: int, last: int) -> None:
        """``count`` of these were written, and ``last`` is the id of the last one."""
        if self._written is None or not count:
            return
        if count < len(events) or len(self._written) + count > MOST_KEPT:
            self._written = None
            return
        self._written = self._written + [
            Event(
                event_id,
                one.event_id,
                one.kind,
                one.jms_type,
                one.body,
                0,
                one.created_at,
                one.headers,
                one.callback,
            )
            for event_id, one in enumerate(events, last - count + 1)
        ]

    def _new_events(self, events: list[EventRow]) -> set[str]:
        """The event_ids of those that ``_write_events`` will write."""
        if not events:
            return set()
        new = {one.event_id for one in self._without_told_before(events)}
        found = self._run("SELECT o.event_id FROM json_each(?) AS j JOIN outbox AS o ON o.event_id = j.value", [*new])
        return new.difference(event_id for (event_id,) in found)

    def _last_event(self) -> int:
        return self._one("SELECT coalesce(max(id), 0) FROM outbox")

    def _count_written(self, before: int, selection: Selection) -> int:
        """How many events behind ``before`` a sink wants."""
        found: int = self._connection.execute(
            f"SELECT count(*) FROM outbox AS o WHERE o.id > :before{selected(selection)}",
            parameters_of(selection) | {"before": before},
        ).fetchone()[0]
        return found

    def _without_told_before(self, events: list[EventRow]) -> list[EventRow]:
        """Without those that a row of an earlier version has told under the id that such a version gave."""
        renamed = [(one.earlier_id, one.jms_type, one.kind) for one in events if one.earlier_id]
        if not renamed:
            return events
        told = {
            tuple(key): body
            for *key, body in self._run(
                "SELECT o.event_id, o.jms_type, o.kind, o.body FROM json_each(?) AS j JOIN outbox AS o"
                " ON o.event_id = j.value->>0 AND o.jms_type = j.value->>1 AND o.kind = j.value->>2",
                renamed,
            )
        }
        keys = [(one.earlier_id, one.jms_type, one.kind) for one in events]
        return [one for one, key in zip(events, keys, strict=True) if not (key in told and is_repeat(one, told[key]))]

    def _confirm(self, batch: list[ops.Confirm]) -> list[None]:
        for confirm in batch:
            sink = self._sinks[confirm.sink]
            keys = [event * SINKS + sink for event in confirm.events]
            confirmed = self._insert(
                "INSERT OR IGNORE INTO confirmation (id, at)", [(key, confirm.now) for key in keys]
            )
            unparked = self._unpark_events(keys, confirm.events) if self._counts.parked_events else 0
            self._counts.waiting_events -= confirmed - unparked
            self._note(self.figures.published, {(confirm.sink,): confirmed})
            self._settle_up_to(sink, confirm.settled_up_to)
        return [None] * len(batch)

    def _unpark_events(self, keys: list[int], events: Sequence[int]) -> int:
        """Delete the rows of those that were parked; returns how many. Retention has passed over their bodies, so where
        it has emptied the events around them, and no other sink has them parked, their bodies are emptied now."""
        unparked = self._run("DELETE FROM parked_event WHERE id IN (SELECT value FROM json_each(?))", keys).rowcount
        if unparked:
            self._run(
                "UPDATE outbox SET body = '', sender = NULL WHERE id IN (SELECT value FROM json_each(?))"
                " AND id <= (SELECT emptied FROM outbox_progress)"
                " AND NOT EXISTS (SELECT 1 FROM parked_event AS p WHERE p.id BETWEEN outbox.id * ?2"
                "   AND outbox.id * ?2 + ?2 - 1)",
                list(events),
                SINKS,
            )
        self._counts.parked_events -= unparked
        return unparked

    def _park_events(self, batch: list[ops.ParkEvents]) -> list[None]:
        for park in batch:
            sink = self._sinks[park.sink]
            rows = [(one.event * SINKS + sink, *one[1:]) for one in park.events]
            keys = {row[0] for row in rows}
            known = self._run("SELECT count(*) FROM parked_event WHERE id IN (SELECT value FROM json_each(?))", [*keys])
            new = len(keys) - known.fetchone()[0]
            self._run(
                "INSERT INTO parked_event (id, refused, since, kind, attempts, due_at, reason)"
                " SELECT value->>0, ?2, ?3, value->>1, value->>2, value->>3, value->>4 FROM json_each(?1) WHERE true"
                " ON CONFLICT (id) DO UPDATE SET refused = excluded.refused, attempts = excluded.attempts,"
                " due_at = excluded.due_at, reason = excluded.reason",
                rows,
                park.refused,
                park.now,
            )
            self._counts.parked_events += new
            self._counts.waiting_events -= new
            self._settle_up_to(sink, park.settled_up_to)
        return [None] * len(batch)

    def _settle_up_to(self, sink: int, event: int) -> None:
        self._connection.execute(
            "UPDATE sink SET settled_up_to = ?1 WHERE id = ?2 AND settled_up_to < ?1", (event, sink)
        )


def _selection_of(name: str) -> Selection:
    """Of a sink that is not configured any more. What it did not want is not known, but for one for callbacks."""
    return Selection(callback=name.removeprefix(CALLBACK_SINK)) if name.startswith(CALLBACK_SINK) else ALL_EVENTS

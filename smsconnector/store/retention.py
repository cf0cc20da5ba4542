"""Drop what has been kept long enough: first the texts, later the messages and events themselves.

One ``Purge`` drops at most ``limit`` rows of each kind, so that no commit takes long. The caller asks again while there
is more. SQLite uses the room again, so the file does not grow without end.

A time in the future comes from a clock that was wrong. It stops nothing: ``_mend_times`` sets it to now, so what it
says is kept for its time from now on. Events have no index for that, because there are many of them. They are written
in the order of time, so one with a time in the future is as old as the next one behind it. Behind the last one it
counts from now.
"""

from smsconnector.lifecycle import MessageState
from smsconnector.store import operations as ops
from smsconnector.store.fall_backs import SID_OF_MOVED
from smsconnector.store.numbers import Numbers
from smsconnector.store.outbox import SINKS, Outbox
from smsconnector.store.segment_events import SegmentEvents

LATE = 60_000  # ms by which a time may lie behind that of a sweep: a sweep may have waited for its commit
# Stamps by which something is dropped or given up: the table, the column, and what else its index begins with.
_TIMES = (
    ("message", "final_at", f"state > {MessageState.ACTIVE:d} AND texts_kept = 1"),
    ("message", "final_at", f"state > {MessageState.ACTIVE:d} AND texts_kept = 0"),
    ("parked_receipt", "received_at", "true"),
    ("incoming_segment", "received_at", "true"),
)
# of a segment: that it is of one of these messages
_OF_MESSAGES = (
    "id IN (SELECT s.id FROM json_each(?) AS j JOIN message AS m ON m.id = j.value"
    " JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1)"
)


class Retention(Outbox, SegmentEvents, Numbers):
    """Drops texts, messages, and events."""

    _dropped_up_to = 0  # the event up to which the last step has looked for those to drop
    _of_several: set[str]  # the accounts that may have rows in provider_id
    _first_kept: int | None = None  # the first report since then that stayed because its message is there

    def _mend_times(self, sweep: ops.Sweep) -> None:
        """Set to now what lies in the future."""
        latest = max(sweep.now, sweep.over) + LATE
        for table, column, first in _TIMES:
            self._connection.execute(
                f"UPDATE {table} SET {column} = ?1 WHERE id IN"
                f" (SELECT id FROM {table} WHERE {first} AND {column} > ?2 LIMIT ?3)",
                (sweep.now, latest, sweep.limit),
            )

    def _purge(self, batch: list[ops.Purge]) -> list[int]:
        return [
            self._drop_texts(purge) + self._drop_messages(purge) + self._drop_bodies(purge) + self._drop_events(purge)
            for purge in batch
        ]

    def _drop_texts(self, purge: ops.Purge) -> int:
        """Empty the texts of final messages. The rest of the messages stays."""
        ids = self._final_messages(purge.texts_before, purge.limit, kept=1)
        if ids:
            self._run(f"UPDATE segment SET text = '' WHERE {_OF_MESSAGES}", ids)
            self._run("UPDATE message SET texts_kept = 0 WHERE id IN (SELECT value FROM json_each(?))", ids)
        return len(ids)

    def _drop_messages(self, purge: ops.Purge) -> int:
        ids = self._final_messages(purge.messages_before, purge.limit, kept=0)
        if ids:
            if self._of_several:
                self._run(
                    "DELETE FROM provider_id WHERE id IN (SELECT i.id FROM json_each(?) AS j"
                    " CROSS JOIN message AS m ON m.id = j.value"
                    " CROSS JOIN provider_id AS i ON i.segment BETWEEN m.id AND m.id + m.segments - 1)",
                    ids,
                )
            self._drop_segment_events(ids)
            self._run(f"DELETE FROM segment WHERE {_OF_MESSAGES}", ids)
            for table in ("message", "fall_back_due", "schedule"):
                self._run(f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))", ids)
            self._forget_numbers(purge.limit)
            if self._first_kept is not None:  # its message may be gone now
                self._dropped_up_to, self._first_kept = min(self._dropped_up_to, self._first_kept - 1), None
        return len(ids)

    def _final_messages(self, before: int, limit: int, kept: int) -> list[int]:
        rows = self._connection.execute(
            f"SELECT id FROM message AS m WHERE state > {MessageState.ACTIVE:d} AND texts_kept = ? AND final_at <= ?"
            f" AND NOT (state = {MessageState.MOVED:d} AND EXISTS (SELECT 1 FROM message AS n"  # which may be told of
            f" WHERE n.sid = {SID_OF_MOVED}"
            f"   AND n.state IN ({MessageState.ACTIVE:d}, {MessageState.WITHDRAWN:d}))) LIMIT ?",
            (kept, before, limit),
        )
        return [message_id for (message_id,) in rows]

    def _drop_bodies(self, purge: ops.Purge) -> int:
        """Empty the bodies of events that every sink has confirmed. Their event_ids stay, by which a repeat is
        known."""
        emptied = self._one("SELECT emptied FROM outbox_progress")
        ids, examined = self._settled_events(emptied, purge.texts_before, purge)
        if ids:
            self._run("UPDATE outbox SET body = '', sender = NULL WHERE id IN (SELECT value FROM json_each(?))", ids)
        if examined > emptied:
            self._connection.execute("UPDATE outbox_progress SET emptied = ?", (examined,))
        return len(ids)

    def _drop_events(self, purge: ops.Purge) -> int:
        """Delete events that every sink has confirmed. A report stays as long as its message is there, so that both
        agree even if the clock was set. Such reports, and parked events, may stand before all others: one call looks at
        ``limit`` events, and the next goes on behind them."""
        ids, examined = self._settled_events(self._dropped_up_to, purge.messages_before, purge)
        if ids:
            rows = self._run(
                "SELECT o.id FROM json_each(?) AS j CROSS JOIN outbox AS o ON o.id = j.value"
                " CROSS JOIN message AS m ON m.sid = substr(o.event_id, 4) WHERE o.event_id LIKE 'dr-%'",
                ids,
            )
            kept = {event_id for (event_id,) in rows}
            ids = [one for one in ids if one not in kept]
            self._first_kept = min(kept, default=None) if self._first_kept is None else self._first_kept
        self._dropped_up_to = examined if examined > self._dropped_up_to else 0
        if ids:
            self._drop_callbacks(ids)
            self._run("DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))", ids)
            for table in ("confirmation", "parked_event"):  # parked at sinks that are not configured any more
                self._run(
                    f"DELETE FROM {table} WHERE id IN (SELECT t.id FROM json_each(?1) AS j JOIN {table} AS t"
                    " ON t.id BETWEEN j.value * ?2 AND j.value * ?2 + ?2 - 1)",
                    ids,
                    SINKS,
                )
        return len(ids)

    def _settled_events(self, after: int, before: int, purge: ops.Purge) -> tuple[list[int], int]:
        """Of the next ``purge.limit`` events behind ``after`` the ids, in order, of those that every configured sink
        has confirmed, written at ``before`` (ms) or earlier; and the id of the last event that was looked at. It ends
        at the first event that is owed to a sink, or was written later. Parked events are passed over. Events with a
        time in the future are as old as the next one."""
        owed_from = min((self._settled_up_to(one) for one in self._sinks.values()), default=0)
        parked_at = ", ".join(f"o.id * {SINKS} + {sink}" for sink in self._sinks.values())
        found: list[int] = []
        future: list[tuple[int, bool]] = []  # those with a time in the future, and whether they are parked
        examined = after
        for event_id, created_at, is_parked in self._connection.execute(
            f"SELECT o.id, o.created_at, EXISTS (SELECT 1 FROM parked_event AS p WHERE p.id IN ({parked_at}))"
            " FROM outbox AS o WHERE o.id > ?1 AND o.id <= ?2 ORDER BY o.id LIMIT ?3",
            (after, owed_from, purge.limit),
        ):
            future.append((event_id, is_parked))
            if created_at > purge.now + LATE:
                continue
            if created_at > before:
                return found, examined
            examined = event_id
            found += [one for one, parked in future if not parked]
            future.clear()
        if examined == after and future:  # nothing behind them tells how old they are
            self._run(
                "UPDATE outbox SET created_at = ?2 WHERE id IN (SELECT value FROM json_each(?1))",
                [one for one, _ in future],
                purge.now,
            )
        return found, examined

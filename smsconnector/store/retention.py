"""Drop what has been kept long enough: first the texts, later the messages and events themselves.

One ``Purge`` drops at most ``limit`` rows of each kind, so that no commit takes long. The caller asks again while there
is more. SQLite uses the room again, so the file does not grow without end.
"""

from smsconnector.lifecycle import MessageState
from smsconnector.store import operations as ops
from smsconnector.store.outbox import SINKS, Outbox


class Retention(Outbox):
    """Drops texts, messages, and events."""

    def _purge(self, batch: list[ops.Purge]) -> list[int]:
        return [
            self._drop_texts(purge) + self._drop_messages(purge) + self._drop_bodies(purge) + self._drop_events(purge)
            for purge in batch
        ]

    def _drop_texts(self, purge: ops.Purge) -> int:
        """Empty the texts of final messages. The rest of the messages stays."""
        ids = self._final_messages(purge.texts_before, purge.limit, kept=1)
        if ids:
            self._run(
                "UPDATE segment SET text = '' WHERE id IN (SELECT s.id FROM json_each(?) AS j JOIN message AS m"
                " ON m.id = j.value JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1)",
                ids,
            )
            self._run("UPDATE message SET texts_kept = 0 WHERE id IN (SELECT value FROM json_each(?))", ids)
        return len(ids)

    def _drop_messages(self, purge: ops.Purge) -> int:
        ids = self._final_messages(purge.messages_before, purge.limit, kept=0)
        if ids:
            self._run(
                "DELETE FROM segment WHERE id IN (SELECT s.id FROM json_each(?) AS j JOIN message AS m"
                " ON m.id = j.value JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1)",
                ids,
            )
            self._run("DELETE FROM message WHERE id IN (SELECT value FROM json_each(?))", ids)
        return len(ids)

    def _final_messages(self, before: int, limit: int, kept: int) -> list[int]:
        rows = self._connection.execute(
            f"SELECT id FROM message WHERE state > {MessageState.ACTIVE:d} AND texts_kept = ? AND final_at <= ?"
            " LIMIT ?",
            (kept, before, limit),
        )
        return [message_id for (message_id,) in rows]

    def _drop_bodies(self, purge: ops.Purge) -> int:
        """Empty the bodies of events that every sink has confirmed. Their event_ids stay, by which a repeat is
        known."""
        ids = self._settled_events(self._one("SELECT emptied FROM outbox_progress"), purge.texts_before, purge.limit)
        if ids:
            self._run("UPDATE outbox SET body = '' WHERE id IN (SELECT value FROM json_each(?))", ids)
            self._connection.execute("UPDATE outbox_progress SET emptied = ?", (ids[-1],))
        return len(ids)

    def _drop_events(self, purge: ops.Purge) -> int:
        """Delete events that every sink has confirmed. A report stays as long as its message is there, and so do all
        events behind it, so that reports and messages agree even if the clock was set."""
        ids = self._settled_events(0, purge.messages_before, purge.limit)
        if ids:
            kept = self._run(
                "SELECT min(o.id) FROM json_each(?) AS j JOIN outbox AS o ON o.id = j.value"
                " JOIN message AS m ON m.sid = substr(o.event_id, 4) WHERE o.event_id LIKE 'dr-%'",
                ids,
            ).fetchone()[0]
            ids = ids if kept is None else [one for one in ids if one < kept]
        if ids:
            self._run("DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))", ids)
            self._run(
                "DELETE FROM confirmation WHERE id IN (SELECT c.id FROM json_each(?1) AS j JOIN confirmation AS c"
                " ON c.id BETWEEN j.value * ?2 AND j.value * ?2 + ?2 - 1)",
                ids,
                SINKS,
            )
        return len(ids)

    def _settled_events(self, after: int, before: int, limit: int) -> list[int]:
        """The ids, in order, of at most ``limit`` events behind ``after`` that every configured sink has confirmed, the
        last sink at ``before`` (ms) or earlier. The list ends at the first event that is owed to a sink, or was
        confirmed later. Parked events are passed over."""
        owed_from = min((self._settled_up_to(one) for one in self._sinks.values()), default=0)
        found = []
        for event_id, settled_at in self._connection.execute(
            "SELECT o.id, coalesce((SELECT max(c.at) FROM confirmation AS c"
            "   WHERE c.id BETWEEN o.id * ?4 AND o.id * ?4 + ?4 - 1), o.created_at)"
            " FROM outbox AS o WHERE o.id > ?1 AND o.id <= ?2 AND NOT EXISTS (SELECT 1 FROM parked_event AS p"
            "   WHERE p.id BETWEEN o.id * ?4 AND o.id * ?4 + ?4 - 1) ORDER BY o.id LIMIT ?3",
            (after, owed_from, limit, SINKS),
        ):
            if settled_at > before:
                break
            found.append(event_id)
        return found

"""Where the reports of single messages are posted, beside the sinks: the ``StatusCallback`` of a request.

1. ``_note_callbacks`` writes them in the commit that accepts their messages.
2. When a message ends, ``_callbacks_of`` tells whether its report is wanted, and ``_note_reports`` writes which event
   of the outbox that is. From then on it is owed to the sink of that host (``outbox``).
3. ``_drop_callbacks`` drops them with their events.

Messages without one have no row, and where no message has one, none of this runs a statement.
"""

from collections.abc import Collection, Sequence

from smsconnector.messages import Callback
from smsconnector.store.rows import Row, Rows

FIRST_OF_SID = 4  # where the MessageSID begins in the event id of a report: "dr-" stands before it
# Of an event ``o``, as a value: where its message wants it.
CALLBACK_OF = f"(SELECT {{}} FROM status_callback AS c WHERE c.sid = substr(o.event_id, {FIRST_OF_SID}))"


class Callbacks(Rows):
    """The table ``status_callback``. ``_has_callbacks``: whether there may be a row in it."""

    _has_callbacks = False

    def _open_callbacks(self) -> None:
        self._has_callbacks = bool(self._one("SELECT coalesce(max(id), 0) FROM status_callback"))

    def _note_callbacks(self, rows: Sequence[Row]) -> None:
        """``rows``: MessageSID, host and URL of each."""
        if rows:
            self._insert("INSERT OR IGNORE INTO status_callback (sid, host, url)", rows)
            self._has_callbacks = True

    def _callbacks_of(self, sids: Sequence[str]) -> dict[str, Callback]:
        """Those of these messages, by MessageSID."""
        rows = self._run(
            "SELECT c.sid, c.host, c.url FROM json_each(?) AS j CROSS JOIN status_callback AS c ON c.sid = j.value",
            sids,
        )
        return {sid: Callback(host, url) for sid, host, url in rows}

    def _note_reports(self, event_ids: Sequence[str], hosts: Collection[str]) -> int:
        """The events with these event_ids are in the outbox now. To how many of ``hosts`` they are owed."""
        found = self._run(
            "SELECT c.id, o.id, c.host FROM json_each(?) AS j CROSS JOIN outbox AS o ON o.event_id = j.value"
            f" CROSS JOIN status_callback AS c ON c.sid = substr(o.event_id, {FIRST_OF_SID}) WHERE c.event IS NULL",
            event_ids,
        ).fetchall()
        self._update("status_callback", "event", [one[:2] for one in found])
        return sum(host in hosts for *_, host in found)

    def _link_callbacks(self) -> None:
        """All of them with the reports that there are, whatever was written before."""
        self._connection.execute(
            "UPDATE status_callback SET event = (SELECT o.id FROM outbox AS o WHERE o.event_id = 'dr-' || sid)"
        )

    def _drop_callbacks(self, events: Sequence[int]) -> None:
        """Of the events with these ids, which are still in the outbox."""
        if self._has_callbacks:
            self._run(
                "DELETE FROM status_callback WHERE sid IN (SELECT substr(o.event_id, ?2) FROM json_each(?1) AS j"
                " CROSS JOIN outbox AS o ON o.id = j.value)",
                events,
                FIRST_OF_SID,
            )

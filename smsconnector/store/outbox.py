"""The outbox: events as rows, from the commit that caused them until the broker has confirmed them."""

import json
from typing import Any

from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, Event, IncomingSegment, new_sid
from smsconnector.store import operations as ops
from smsconnector.store.rows import Rows, columns

EventRow = tuple[Any, ...]  # event_id, kind, jms_type, body, created_at


class Outbox(Rows):
    _events_waiting = 0

    def _tell(self, events: list[EventRow]) -> None:
        """Into the outbox; an event_id that has been told before is passed over."""
        if events:
            self._events_waiting += self._run(
                "INSERT OR IGNORE INTO outbox (event_id, kind, jms_type, body, created_at)"
                f" SELECT {columns(5)} FROM json_each(?)",
                events,
            ).rowcount

    def _published(self, batch: list[ops.Published]) -> list[None]:
        self._events_waiting -= self._run(
            "UPDATE outbox SET published_at = ?2"
            " WHERE published_at IS NULL AND id IN (SELECT value FROM json_each(?1))",
            [event_id for published in batch for event_id in published.ids],
            batch[-1].now,
        ).rowcount
        return [None] * len(batch)

    def _load_events(self, batch: list[ops.LoadEvents]) -> list[list[Event]]:
        return [
            [
                Event(*row)
                for row in self._connection.execute(
                    "SELECT id, event_id, kind, jms_type, body FROM outbox"
                    " WHERE published_at IS NULL AND id > ? ORDER BY id LIMIT ?",
                    (load.after, load.limit),
                )
            ]
            for load in batch
        ]


def report_event(sid: str, channel: str, delivered: bool, code: Any, now: int) -> EventRow:
    body = {
        "MessageSID": sid,
        "DeliveryStatus": "DELIVERED" if delivered else "FAILED",
        "ProviderStatusCode": code,
    }
    return (f"dr-{sid}", DELIVERY_REPORT, channel, json.dumps(body), now)


def incoming_event(one: IncomingSegment, text: str, incomplete: bool = False) -> EventRow:
    sid = one.sid or new_sid(one.received_at)
    body: dict[str, Any] = {
        "Body": "" if one.is_binary else text,
        "From": one.source,
        "To": one.destination,
        "SmsSid": sid,
    }
    if one.is_binary:
        body["BodyHex"] = text
    if incomplete:
        body["Incomplete"] = True
    return (f"in-{one.channel}-{sid}", INCOMING_MESSAGE, one.channel, json.dumps(body), one.received_at)

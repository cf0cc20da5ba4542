"""Parked events, which a sink did not take: list them, and let them be tried again now.

A connector may be running meanwhile. It looks for parked events that are due every few seconds.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from smsconnector.errors import StoreUnusable
from smsconnector.store.database import open_readonly
from smsconnector.store.outbox import SINKS
from smsconnector.store.trouble import explain

BUSY_TIMEOUT = 10.0  # seconds to wait for a connector that is writing


class ParkedEventOfSink(NamedTuple):
    """One event that is parked at one sink. Times are in ms since the Unix epoch."""

    event_id: str
    kind: str
    sink: str
    since: int  # when it was parked first
    attempts: int  # that the sink did not take
    due_at: int  # when it is tried again; 0: at once; operations.NOT_AGAIN: never by itself
    refused: int  # 1: the sink refused it; 0: the sink wants it later
    reason: str  # the sink's own words


def parked_events(path: str) -> list[ParkedEventOfSink]:
    """All parked events of all sinks, those parked first in front. Raises StoreUnusable."""
    with closing(open_readonly(path)) as connection:
        try:
            rows = connection.execute(
                "SELECT o.event_id, o.kind, k.name, p.since, p.attempts, p.due_at, p.refused, p.reason"
                f" FROM parked_event AS p JOIN outbox AS o ON o.id = p.id / {SINKS}"
                f" JOIN sink AS k ON k.id = p.id % {SINKS} ORDER BY p.since, p.id"
            )
            return [ParkedEventOfSink._make(row) for row in rows]
        except sqlite3.DatabaseError as error:
            raise StoreUnusable(explain(error, path)) from error


def not_parked(path: str, event_ids: Sequence[str]) -> list[str]:
    """Those of the ids that no parked event has. Raises StoreUnusable."""
    there = {one.event_id for one in parked_events(path)} if event_ids else set()
    return [one for one in event_ids if one not in there]


def retry_parked(path: str, event_ids: Sequence[str]) -> int:
    """Make these parked events due now, or all of them if ``event_ids`` is empty; returns how many were parked. An
    event that is parked at two sinks counts twice. Raises StoreUnusable."""
    with closing(open_readonly(path)):  # raises if the file is missing or has another schema
        pass
    which = f"id / {SINKS} IN (SELECT o.id FROM outbox AS o WHERE o.event_id IN (SELECT value FROM json_each(?)))"
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT)) as connection:
            if event_ids:
                sql = f"UPDATE parked_event SET due_at = 0 WHERE {which}"
                return connection.execute(sql, (json.dumps(list(event_ids)),)).rowcount
            return connection.execute("UPDATE parked_event SET due_at = 0").rowcount
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(explain(error, path)) from error

"""Events that a sink did not take: which there are, and that they be tried again now.

Both work beside a connector that may be running: it looks for parked events that are due every few seconds.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from smsconnector.errors import StoreUnusable
from smsconnector.store.database import explain, open_readonly
from smsconnector.store.outbox import SINKS

BUSY_TIMEOUT = 10.0  # seconds to wait for a connector that is writing


class ParkedEventOfSink(NamedTuple):
    """Times in ms; ``refused``: 1 for good, or else the sink wants it later; ``reason``: the sink's own words."""

    event_id: str
    kind: str
    sink: str
    since: int
    attempts: int
    due_at: int
    refused: int
    reason: str


def parked_events(path: str) -> list[ParkedEventOfSink]:
    """All of them, the oldest first. Raises StoreUnusable."""
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


def retry_parked(path: str, event_ids: Sequence[str]) -> int:
    """Let these be tried now, or all if none is named; how many there are. Raises StoreUnusable."""
    with closing(open_readonly(path)):  # says what is wrong with the file, if anything is
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

"""What the parts of the store share: one statement for all rows of a batch, and the counts of the store."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


def columns(count: int) -> str:
    """The column list of ``SELECT ... FROM json_each(?)``, where each row is a JSON array of ``count`` values."""
    return ", ".join(f"value->>{index}" for index in range(count))


@dataclass(slots=True)
class StoreCounts:
    """Numbers of rows, kept in memory, because SQLite would have to read all rows to count them. What is dropped has no
    rows: it counts from the start of the process."""

    queued: int = 0  # segments that the network has not taken: QUEUED or CLAIMED
    parked_receipts: int = 0
    dropped_receipts: int = 0  # since the start: they were parked, and fitted no segment
    waiting_events: int = 0  # neither confirmed nor parked; an event that two sinks are owed counts twice
    parked_events: int = 0  # an event that is parked at two sinks counts twice


class Rows:
    """One connection, and the counts of its database."""

    _connection: sqlite3.Connection
    _counts: StoreCounts

    def _one(self, sql: str, *parameters: Any) -> int:
        """The integer that is the first value of the first row."""
        return int(self._connection.execute(sql, parameters).fetchone()[0])

    def _run(self, sql: str, rows: Sequence[Any], *more: Any) -> sqlite3.Cursor:
        """Execute one statement. Its first parameter is all ``rows`` as one JSON array, the next ones are ``more``."""
        return self._connection.execute(sql, (json.dumps(rows), *more))

"""The statements that every room of the store is made of: one over all rows of a batch."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


def columns(count: int) -> str:
    """The values of a row that came as a JSON array, for SELECT ... FROM json_each(?)."""
    return ", ".join(f"value->>{index}" for index in range(count))


@dataclass(slots=True)
class StoreCounts:
    """How many there are, kept beside the tables, for to count rows takes time."""

    queued: int = 0  # segments that the network has not taken
    parked_receipts: int = 0
    waiting_events: int = 0  # owed to a sink and not parked, once for each sink
    parked_events: int = 0


class Rows:
    """One connection, and what was counted on it."""

    _connection: sqlite3.Connection
    _counts: StoreCounts

    def _one(self, sql: str, *parameters: Any) -> int:
        return int(self._connection.execute(sql, parameters).fetchone()[0])

    def _run(self, sql: str, rows: Sequence[Any], *more: Any) -> sqlite3.Cursor:
        """One statement over all rows, given to it as one JSON array."""
        return self._connection.execute(sql, (json.dumps(rows), *more))

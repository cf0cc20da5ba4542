"""The statements that every room of the store is made of: one over all rows of a batch."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any


def columns(count: int) -> str:
    """The values of a row that came as a JSON array, for SELECT ... FROM json_each(?)."""
    return ", ".join(f"value->>{index}" for index in range(count))


class Rows:
    """One connection."""

    _connection: sqlite3.Connection

    def _one(self, sql: str) -> int:
        return int(self._connection.execute(sql).fetchone()[0])

    def _run(self, sql: str, rows: Sequence[Any], *more: Any) -> sqlite3.Cursor:
        """One statement over all rows, given to it as one JSON array."""
        return self._connection.execute(sql, (json.dumps(rows), *more))

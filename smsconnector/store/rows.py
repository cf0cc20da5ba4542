"""What the parts of the store share: one statement for all rows of a batch, and the counts of the store.

There are two ways to give many rows to one statement:

- ``_insert``, ``_update`` and ``_select`` bind each value of each row: ``VALUES (?, ?), (?, ?)``. They are for what
  each text needs. SQLite compiles such a statement for each number of rows, and the connection keeps it.
- ``_run`` gives all rows as one JSON array. That takes two to three times as long, but any statement can be written
  so.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any

from smsconnector.figures import Counts, Family, Figures

MOST_EXACT = 32  # rows: up to here there is a statement for each number; more rows are cut into pieces
_PIECES = (256, 128, 64, MOST_EXACT)
FEW = 4  # rows; an update of fewer is faster one by one: SQLite keeps what an UPDATE FROM has found before it writes
MOST_CODES, LONGEST_CODE = 100, 40  # of those that nothing explains; characters of one
OTHERS = ("others", "others")  # a channel of this name has no code of this name, or it counts here too
Row = Sequence[Any]


def columns(count: int) -> str:
    """The column list of ``SELECT ... FROM json_each(?)``, where each row is a JSON array of ``count`` values."""
    return ", ".join(f"value->>{index}" for index in range(count))


@dataclass(slots=True)
class StoreCounts:
    """Numbers of rows, kept in memory, because SQLite would have to read all rows to count them. What is dropped has no
    rows: it counts from the start of the process."""

    queued: int = 0  # segments that the network has not taken: QUEUED or CLAIMED
    scheduled: int = 0  # messages that are to be sent later
    parked_receipts: int = 0
    dropped_receipts: int = 0  # since the start: they were parked, and fitted no segment
    waiting_events: int = 0  # neither confirmed nor parked; an event that two sinks are owed counts twice
    parked_events: int = 0  # an event that is parked at two sinks counts twice
    listed_below: int = 0  # all messages with lower ids are listed by their numbers (``numbers``)
    unknown_codes: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by channel and code; since the start

    def count_unknown(self, found: Iterable[tuple[str, str]]) -> None:
        """Codes of reports of failure that nothing explains: (channel, code). MOST_CODES are told apart, for an outside
        may invent more. The mapping is made anew, so that whoever has the old one keeps it as it was."""
        counts = dict(self.unknown_codes)
        for channel, code in found:
            key = (channel, code[:LONGEST_CODE])
            if key not in counts and len(counts) >= MOST_CODES:
                key = OTHERS
            counts[key] = counts.get(key, 0) + 1
        self.unknown_codes = counts


class Rows:
    """One connection, and the counts of its database."""

    _connection: sqlite3.Connection
    _counts: StoreCounts
    _last_id = 0
    figures: Figures
    _noted: list[tuple[Family, Counts]]  # what the batch adds to ``figures`` when it is committed

    def _note(self, family: Family, counts: Counts) -> None:
        self._noted.append((family, counts))

    def _one(self, sql: str, *parameters: Any) -> int:
        """The integer that is the first value of the first row."""
        return int(self._connection.execute(sql, parameters).fetchone()[0])

    def _run(self, sql: str, rows: Sequence[Any], *more: Any) -> sqlite3.Cursor:
        """Execute one statement. Its first parameter is all ``rows`` as one JSON array, the next ones are ``more``."""
        return self._connection.execute(sql, (json.dumps(rows), *more))

    def _insert(self, into: str, rows: Sequence[Row]) -> int:
        """``into`` is ``INSERT INTO table (columns)``. How many rows were written; the id of the last one is
        ``_last_id``."""
        written = 0
        for some in _pieces(rows):
            cursor = self._execute(_with_values(into, len(some), len(some[0])), some)
            written += cursor.rowcount
            self._last_id = cursor.lastrowid or 0
        return written

    def _update(self, table: str, columns: str, rows: Sequence[Row]) -> None:
        """``columns`` are the names of those that are set, with commas; each row has the id and then their values."""
        if len(rows) < FEW:
            for row in rows:
                self._execute(_update_of_one(table, columns), (row,))
            return
        for some in _pieces(rows):
            self._execute(_update_of(table, columns, len(some)), some)

    def _select(self, columns: str, joined: str, rows: Sequence[Row]) -> list[Any]:
        """``SELECT columns FROM rows AS j joined``; the values of ``rows`` are ``j.column1``, ``j.column2`` ... The
        joins have to be CROSS JOINs, for then SQLite looks up each row where its id or an index tells."""
        return [
            found
            for some in _pieces(rows)
            for found in self._execute(_select_of(columns, joined, len(some), len(some[0])), some)
        ]

    def _execute(self, sql: str, rows: Sequence[Row]) -> sqlite3.Cursor:
        values = list(chain.from_iterable(rows))
        try:
            return self._connection.execute(sql, values)
        except (OverflowError, UnicodeEncodeError):
            return self._connection.execute(sql, [storable(value) for value in values])


def storable(value: Any) -> Any:
    """SQLite has integers of 64 bits; a greater one becomes a real number, as in JSON. Half a surrogate pair is no
    character: it becomes "?"."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return float(value) if abs(value) < 1 << 1000 else str(value)
    return value


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows, so many at a time that the statements are few."""
    begin, left = 0, len(rows)
    while left > 0:
        size = left if left <= MOST_EXACT else next(one for one in _PIECES if one <= left)
        yield rows if size == len(rows) else rows[begin : begin + size]
        begin, left = begin + size, left - size


def _values(count: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"VALUES {', '.join([row] * count)}"


@cache
def _with_values(sql: str, count: int, width: int) -> str:
    return f"{sql} {_values(count, width)}"


@cache
def _update_of_one(table: str, columns: str) -> str:
    set_to = ", ".join(f"{name} = ?{number}" for number, name in enumerate(columns.split(", "), 2))
    return f"UPDATE {table} SET {set_to} WHERE id = ?1"


@cache
def _update_of(table: str, columns: str, count: int) -> str:
    names = columns.split(", ")
    set_to = ", ".join(f"{name} = j.column{number}" for number, name in enumerate(names, 2))
    rows = _values(count, len(names) + 1)
    return f"UPDATE {table} SET {set_to} FROM ({rows}) AS j WHERE {table}.id = j.column1"


@cache
def _select_of(columns: str, joined: str, count: int, width: int) -> str:
    return f"SELECT {columns} FROM ({_values(count, width)}) AS j {joined}"

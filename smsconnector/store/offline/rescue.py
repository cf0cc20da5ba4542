"""What can be saved from a damaged database, as a new one that can be worked with.

All is done on a copy, with holes where the disk gives nothing. The rows of each table are read in the order of their
ids. Where a page is no page any more, the search for the next row that can be read doubles its stride, then halves it;
then the leaves that can't be reached any more are read by themselves (``leaves``). So a damaged page costs its own rows
only. No index of the damaged file is used. What was read makes a new file, and what hung together there does so again:

- a segment whose message is lost has no number to be sent to: it goes;
- a message that has lost segments can't be sent whole. If it was under way it ends now, FAILED with UNKNOWN, for what
  is lost may have been sent;
- a final message whose report is lost is reported again, under the same event-id as before, by which a consumer knows
  a repeat.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from os import pread
from typing import Any, BinaryIO, NamedTuple

from smsconnector.errors import StoreUnusable
from smsconnector.lifecycle import CODE_UNKNOWN, MessageState, SegmentState
from smsconnector.store.database import Lock, create, open_readonly, steps, upgrade
from smsconnector.store.offline.btree_leaves import Leaves, Row
from smsconnector.store.offline.new_file import new_file
from smsconnector.store.outbox import SINKS, Outbox, report_event
from smsconnector.store.rows import StoreCounts

TABLES = (
    "message",
    "segment",
    "outbox",
    "parked_receipt",
    "incoming_segment",
    "sink",
    "confirmation",
    "parked_event",
)
_RANGES = {  # beyond what the types of the columns say
    "message": {"segments": range(1, 256), "state": range(3)},
    "segment": {"number": range(1, 256), "state": range(5)},
}
_TYPES = {"INTEGER": (int,), "TEXT": (str,), "": (int, str)}  # "": a code
BLOCK, SECTOR = 1 << 20, 512  # octets
BATCH = 1000  # rows read at once
FURTHEST = 1 << 62  # no id is beyond


class Saved(NamedTuple):
    """``rows`` are (table, rows saved, gaps: places where rows could not be read, and rows that make no sense);
    ``lost`` counts messages of which segments remain but nothing else, ``told`` those of which the report remains;
    ``unused`` the ids between those saved that nothing has: of messages lost without a trace, refused or purged.
    ``torn`` are those that have lost segments, ``ended`` those of them that were under way, ``told_again`` other
    reports that are written anew; ``doubt`` is what SQLite has against the damaged file."""

    rows: list[tuple[str, int, int]]
    lost: int
    told: int
    unused: int
    torn: int
    ended: int
    told_again: int
    doubt: str

    @property
    def gaps(self) -> int:
        return sum(gaps for _, _, gaps in self.rows)


def rescue(path: str, target: str) -> Saved:
    """Write what can be read of the database at ``path``, which no connector may be using and which stays as it is, to
    ``target``, which must not exist; needs room there for both. Raises StoreUnusable."""
    if not os.path.exists(path):
        raise StoreUnusable(f"there is no database {path}")
    if not os.path.getsize(path) and not os.path.exists(f"{path}-wal"):
        raise StoreUnusable(f"{path} is empty: there is nothing to save")
    lock = Lock(path, create=False)
    try:
        with new_file(target) as unfinished:
            image = f"{unfinished}-image"
            _make_image(path, image)
            with closing(_open(path, image)) as source, closing(sqlite3.connect(unfinished)) as copy:
                return _save(source, image, copy, target)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnusable(f"{path} could not be saved to {target}: {error}") from error
    finally:
        lock.release()


def _save(source: sqlite3.Connection, image: str, copy: sqlite3.Connection, target: str) -> Saved:
    copy.isolation_level = None
    copy.execute("PRAGMA synchronous=OFF")  # new_file sees to it in the end
    create(copy, source.execute("PRAGMA user_version").fetchone()[0])
    there = {name for (name,) in copy.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    tables = [_Table(copy, name) for name in TABLES if name in there]  # an earlier version had fewer
    copy.execute("BEGIN")
    for table in tables:
        table.copy(source)
    damaged = [table for table in tables if table.gaps]
    if damaged:
        _add_leaves(image, damaged)
    copy.execute("COMMIT")
    upgrade(copy, target)
    mended = _Mending(copy).mend(has_gaps=bool(damaged))
    found = copy.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        raise StoreUnusable(f"what was saved can't be read back from {target} ({found}): is its disk sound?")
    return Saved([(table.name, table.saved, table.gaps) for table in tables], *mended, _doubt(source))


def _make_image(path: str, image: str) -> None:
    """The file and its WAL as far as they can be read, zeros in the place of what can't, and as long as it says that it
    is: a disk that fails and a copy that broke off are what damages files. Of the owner of the file, if we may."""
    for end in ("", "-wal"):
        if os.path.exists(path + end):
            with open(path + end, "rb") as source, open(image + end, "wb") as copy:
                _copy_readable(source.fileno(), copy)
    found = os.stat(path)
    with open(image, "r+b") as file, suppress(PermissionError):
        os.chown(image.removesuffix("-image"), found.st_uid, found.st_gid)
        header = file.read(100)
        wanted = int.from_bytes(header[16:18], "big") * int.from_bytes(header[28:32], "big")  # 1.3.2, 1.3.8
        if found.st_size < wanted < 2 * found.st_size + BLOCK:
            file.truncate(wanted)


def _copy_readable(source: int, copy: BinaryIO) -> None:
    size, at = os.fstat(source).st_size, 0
    while at < size:
        try:
            octets = pread(source, BLOCK, at)
        except OSError:
            octets = b"".join(_read_or_zeros(source, place) for place in range(at, min(at + BLOCK, size), SECTOR))
        if not octets:
            return
        copy.write(octets)
        at += len(octets)


def _read_or_zeros(source: int, at: int) -> bytes:
    try:
        return pread(source, SECTOR, at)
    except OSError:
        return bytes(SECTOR)


def _open(path: str, image: str) -> sqlite3.Connection:
    try:
        with closing(sqlite3.connect(image)) as whole:
            whole.execute("PRAGMA journal_mode=DELETE")  # with what is in the WAL
        connection = open_readonly(image, any_version=True)
    except (sqlite3.DatabaseError, StoreUnusable) as error:
        cause = error.__cause__ if isinstance(error, StoreUnusable) else error
        if isinstance(cause, sqlite3.DatabaseError):
            raise StoreUnusable(f"nothing can be read from {path} ({cause}): go on with the last backup") from error
        raise StoreUnusable(str(error).replace(image, path)) from error
    version, newest = connection.execute("PRAGMA user_version").fetchone()[0], steps()[-1][0]
    if not 1 <= version <= newest:
        connection.close()
        raise StoreUnusable(f"{path} has schema {version}, this version knows 1 to {newest}: use the one that wrote it")
    connection.text_factory = lambda octets: octets.decode("utf-8", "replace")
    return connection


def _doubt(source: sqlite3.Connection) -> str:
    try:
        found = str(source.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == "ok" else found.splitlines()[-1]


class _Table:
    """One table of the copy, and which rows it may have."""

    def __init__(self, copy: sqlite3.Connection, name: str) -> None:
        self.name = name
        self.columns = copy.execute(f"PRAGMA table_info({name})").fetchall()
        self.saved = self.gaps = 0
        self._copy = copy
        self._defaults = [
            None if default is None else copy.execute(f"SELECT {default}").fetchone()[0]
            for *_, default, _ in self.columns
        ]
        self._kinds = [
            (index, (*_TYPES[kind], *(() if not_null or is_key else (type(None),))))
            for index, _, kind, not_null, _, is_key in self.columns
            if kind in _TYPES
        ]
        ranges = _RANGES.get(name, {})
        self._ranges = [(index, ranges[column]) for index, column, *_ in self.columns if column in ranges]

    def copy(self, source: sqlite3.Connection) -> None:
        """What can be read the usual way."""
        reader = _Reader(source, self.name, [name for _, name, *_ in self.columns])
        read = 0
        for rows in reader.batches():
            read += len(rows)
            self._put([row for row in rows if self._is_sane(row)])
        self.gaps = reader.gaps + read - self.saved

    def add(self, rows: list[Row]) -> None:
        """Those of any table, of which it takes its own, and what it does not have yet."""
        whole = ((row.rowid, *row.values[1:], *self._defaults[len(row.values) :]) for row in rows)
        self._put([row for row in whole if self._is_sane(row)])

    def _put(self, rows: list[tuple[Any, ...]]) -> None:
        places = ", ".join("?" * len(self.columns))
        self.saved += self._copy.executemany(f"INSERT OR IGNORE INTO {self.name} VALUES ({places})", rows).rowcount

    def _is_sane(self, row: tuple[Any, ...]) -> bool:
        """Whether it could have been written as it is; a page has no checksum that would tell."""
        return (
            len(row) == len(self.columns)
            and all(isinstance(row[index], kinds) for index, kinds in self._kinds)
            and all(row[index] in allowed for index, allowed in self._ranges)
        )


def _add_leaves(image: str, tables: list[_Table]) -> None:
    """What no tree leads to any more."""
    with open(image, "rb") as file:
        found = Leaves(file).rows()
        while rows := list(islice(found, BATCH)):
            for table in tables:
                table.add(rows)


class _Reader:
    """The rows of one table that can be read; ``gaps`` counts the places where some could not."""

    def __init__(self, source: sqlite3.Connection, table: str, names: list[str]) -> None:
        self.gaps = 0
        self._source = source
        self._sql = f"SELECT {', '.join(names)} FROM {table} NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?"

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        after = -1
        while after < FURTHEST:
            rows, is_whole = self._read(after, BATCH)
            if rows:
                yield rows
                after = rows[-1][0]
            if not is_whole:
                self.gaps += 1
                after = self._behind(after)
            elif len(rows) < BATCH:
                return

    def _read(self, after: int, limit: int) -> tuple[list[tuple[Any, ...]], bool]:
        """What comes after that id until the limit or the first that can't be read; whether there was none such."""
        rows: list[tuple[Any, ...]] = []
        last = after
        try:
            for row in self._source.execute(self._sql, (after, limit)):
                if row[0] <= last:
                    return rows, False  # the page is not where it should be
                last = row[0]
                rows.append(row)
        except sqlite3.DatabaseError:
            return rows, False
        return rows, True

    def _behind(self, after: int) -> int:
        """The least id from which on rows can be read again; FURTHEST if none."""
        stride = 1
        while not self._read(after + stride, 1)[1]:
            stride *= 2
            if after + stride >= FURTHEST:
                return FURTHEST
        bad, good = after + stride // 2, after + stride
        while good - bad > 1:
            middle = (good + bad) // 2
            bad, good = (bad, middle) if self._read(middle, 1)[1] else (middle, good)
        return good


class _Mending(Outbox):
    """What hung together does so again."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._counts, self._sinks = connection, StoreCounts(), {}

    def mend(self, has_gaps: bool) -> tuple[int, int, int, int, int, int]:
        """Messages lost and told, ids unused, messages torn and ended, and reports told again, if anything was lost."""
        now = int(time.time() * 1000)
        self._connection.execute("BEGIN")
        unused = self._one("SELECT coalesce(max(id) - min(id) + 1 - count(*), 0) FROM segment")
        told = self._one(
            "SELECT count(*) FROM outbox WHERE event_id LIKE 'dr-SM%' AND substr(event_id, 4) NOT IN"
            " (SELECT sid FROM message)"
        )
        lost = self._drop_orphans()
        self._mend_progress(has_gaps)
        torn, ended = self._fill(now)
        told_again = self._tell_again(now) - ended if has_gaps or lost or torn else 0
        self._connection.execute("COMMIT")
        return lost, told, unused, torn, ended, told_again

    def _mend_progress(self, has_gaps: bool) -> None:
        """Ids of events that are lost are given out again: nobody may take the new ones for settled. What is not known
        to be settled is told again."""
        for table in ("confirmation", "parked_event"):
            self._connection.execute(f"DELETE FROM {table} WHERE id / {SINKS} NOT IN (SELECT id FROM outbox)")
        last = "(SELECT coalesce(max(id), 0) FROM outbox)"
        self._connection.execute(f"UPDATE sink SET settled_up_to = min(settled_up_to, {last})")
        if has_gaps:  # which may be those of parked events: what has no confirmation is told again
            confirmed = "SELECT c.id FROM confirmation AS c WHERE c.id"
            self._connection.execute(
                f"UPDATE sink SET settled_up_to = min(settled_up_to, coalesce((SELECT min(o.id) - 1 FROM outbox AS o"
                f" WHERE o.body <> '' AND o.id > (SELECT min(c.id) / {SINKS} FROM confirmation AS c"
                f"   WHERE c.id % {SINKS} = sink.id)"
                f" AND NOT EXISTS ({confirmed} = o.id * {SINKS} + sink.id)), settled_up_to))"
            )
        self._connection.execute(
            "INSERT INTO sink SELECT 1, 'stomp', 0 WHERE NOT EXISTS (SELECT 1 FROM sink)"
            " AND EXISTS (SELECT 1 FROM outbox)"
        )

    def _drop_orphans(self) -> int:
        orphans = "FROM segment WHERE id - number + 1 NOT IN (SELECT id FROM message)"
        lost = self._one(f"SELECT count(DISTINCT id - number + 1) {orphans}")
        self._connection.execute(f"DELETE {orphans}")
        return lost

    def _fill(self, now: int) -> tuple[int, int]:
        """Segments without a text in the place of those that are lost; the others of such a message are not sent."""
        torn = self._connection.execute(
            "SELECT m.id, m.channel, m.segments, m.state FROM message AS m LEFT JOIN segment AS s"
            " ON s.id BETWEEN m.id AND m.id + m.segments - 1 AND s.id - s.number + 1 = m.id"
            " GROUP BY m.id HAVING count(s.id) <> m.segments"
        ).fetchall()
        self._connection.executemany(
            "INSERT OR IGNORE INTO segment (id, queue, number, text, state, code) VALUES (?, ?, ?, '', ?, ?)",
            [
                (message_id + number, channel, number + 1, *_instead(MessageState(state)))
                for message_id, channel, segments, state in torn
                for number in range(segments)
            ],
        )
        active = [(now, message_id) for message_id, _, _, state in torn if state == MessageState.ACTIVE]
        self._connection.executemany(
            f"UPDATE segment SET state = {SegmentState.FAILED:d} WHERE id BETWEEN ?2 AND ?2 + 254"
            f" AND id - number + 1 = ?2 AND state IN ({SegmentState.QUEUED:d}, {SegmentState.CLAIMED:d}) AND ?1",
            active,
        )
        self._connection.executemany(
            f"UPDATE message SET state = {MessageState.FAILED:d}, code = '{CODE_UNKNOWN}', final_at = ? WHERE id = ?",
            active,
        )
        return len(torn), len(active)

    def _tell_again(self, now: int) -> int:
        untold = self._connection.execute(
            f"SELECT m.sid, m.channel, m.state, m.code FROM message AS m WHERE m.state <> {MessageState.ACTIVE:d}"
            " AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.event_id = 'dr-' || m.sid) ORDER BY m.final_at"
        ).fetchall()
        self._tell(
            [
                report_event(sid, channel, state == MessageState.DELIVERED, code, now)
                for sid, channel, state, code in untold
            ]
        )
        return len(untold)


def _instead(state: MessageState) -> tuple[SegmentState, str | None]:
    """State and code of a segment that is lost."""
    if state is MessageState.DELIVERED:
        return SegmentState.DELIVERED, None
    return SegmentState.FAILED, CODE_UNKNOWN

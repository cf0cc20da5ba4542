"""Save what can be read of a damaged database, as a new database that the connector can go on with.

1. The file and its WAL are copied. Zeros stand where the disk can't be read. The damaged file itself is not changed.
2. The rows of each table are read in the order of their ids, without any index. Where a page can't be read, the next
   readable id is searched for: the stride is doubled until a row can be read, then halved to find the first one. So a
   damaged page costs its own rows only.
3. If something could not be read, the leaf pages that no tree leads to are read by themselves (``btree_leaves``).
4. What was read is written to a new file. A row that the connector could not have written so is left out.
5. The rows of the new file are made to agree with each other (``_Repair``):

   - A segment whose message is lost has no number to be sent to. It is deleted.
   - A message that has lost segments can't be sent whole. The lost segments are replaced by empty ones. If the message
     was under way, it ends as FAILED with the code UNKNOWN, for the lost segments may have been sent.
   - A final message whose report is lost is reported again, under the same event-id as before. A consumer knows a
     repeat by its event-id.
"""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from os import pread
from typing import Any, BinaryIO, NamedTuple

from smsconnector.errors import StoreUnusable
from smsconnector.lifecycle import CODE_UNKNOWN, MessageState, SegmentState
from smsconnector.store.database import Lock, create, open_readonly, steps, upgrade
from smsconnector.store.events import report_event
from smsconnector.store.fall_backs import SID_OF_MOVED
from smsconnector.store.offline.btree_leaves import Leaves, Row
from smsconnector.store.offline.new_file import new_file
from smsconnector.store.outbox import SINKS, Outbox
from smsconnector.store.rows import StoreCounts
from smsconnector.store.segment_events import Kind

_OF_TEXTS = ("message", "segment", "outbox", "parked_receipt", "incoming_segment", "presumed_end", "schedule")
_OF_SEGMENTS = ("provider_id", "segment_event")
_OF_SINKS = ("sink", "confirmation", "parked_event", "status_callback")
_OTHERS = ("account_telling_parts", "served_queue", "opt_out", "idempotency_key")
TABLES = (*_OF_TEXTS, *_OF_SEGMENTS, *_OF_SINKS, *_OTHERS)  # the rows of the others are made anew by the next start
_UNDER_WAY = (MessageState.ACTIVE, MessageState.WITHDRAWN, MessageState.SCHEDULED)
_RANGES = {  # the values that a column may have, where its type does not say enough
    "message": {"segments": range(1, 256), "state": range(len(MessageState))},
    "segment": {"number": range(1, 256), "state": range(len(SegmentState))},
    # These two look alike, but for their numbers: an id of an event is less than every time since 2001 in ms.
    "sink": {"id": range(1, SINKS), "settled_up_to": range(10**12)},
    "provider_id": {"awaited": range(2), "told": range(4)},
    "account_telling_parts": {"seen_at": range(10**12, 10**15)},
    "segment_event": {"kind": range(min(Kind), max(Kind) + 1)},
}
_TYPES = {"INTEGER": (int,), "TEXT": (str,), "": (int, str)}  # by the declared type of a column; a code has none
BLOCK, SECTOR = 1 << 20, 512  # octets read at once; octets read at once where a block can't be read
BATCH, GREATEST_ID = 1000, 1 << 62  # rows read at once; every id is less


class RescuedTable(NamedTuple):
    """What was saved of one table."""

    name: str
    rows: int  # saved: they are in the new file
    gaps: int  # places where rows could not be read, and rows left out; some may have come back from leaf pages


class RepairReport(NamedTuple):
    """How the rows were made to agree; all are numbers of messages, reports or ids."""

    messages_lost: int  # messages of which only segments were left
    reports_only: int  # messages of which only a report was left
    reports_outlive: int  # reports of other messages that are not there: lost, or dropped by retention before
    ids_unused: int  # ids between the least and the greatest segment id that no segment has
    messages_incomplete: int  # messages that have lost segments
    messages_ended: int  # those of them that were under way, and end as FAILED
    reports_repeated: int  # other final messages without a report, which are reported again


class RescueReport(NamedTuple):
    """What a rescue saved and what is lost. ``damage`` is what SQLite's integrity check says of the damaged file, "" if
    it finds nothing."""

    tables: list[RescuedTable]
    repair: RepairReport
    damage: str

    @property
    def gaps(self) -> int:
        """The gaps of all tables."""
        return sum(table.gaps for table in self.tables)


def rescue(path: str, target: str) -> RescueReport:
    """Write what can be read of the database at ``path`` to the new file ``target``.

    No connector may be using ``path``; it is not changed. ``target`` must not exist. Its disk needs room for the new
    file and for a copy of the damaged one. Raises StoreUnusable if nothing can be saved."""
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


def _save(source: sqlite3.Connection, image: str, copy: sqlite3.Connection, target: str) -> RescueReport:
    """Copy the rows of ``source``, which is open on ``image``, to ``copy``, and repair them there."""
    copy.isolation_level = None
    copy.execute("PRAGMA synchronous=OFF")  # new_file syncs the whole file at the end
    create(copy, source.execute("PRAGMA user_version").fetchone()[0])
    present = {name for (name,) in copy.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    tables = [_Table(copy, name) for name in TABLES if name in present]  # earlier versions had fewer
    copy.execute("BEGIN")
    for table in tables:
        table.copy(source)
    damaged = [table for table in tables if table.gaps]
    if damaged:
        _add_leaves(image, damaged)
    copy.execute("COMMIT")
    upgrade(copy, target)
    repairing = _Repair(copy)
    repair = repairing.repair(has_gaps=bool(damaged))
    found = copy.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        raise StoreUnusable(f"what was saved can't be read back from {target} ({found}): is its disk sound?")
    rescued = [RescuedTable(table.name, table.saved - repairing.dropped[table.name], table.gaps) for table in tables]
    return RescueReport(rescued, repair, _integrity_error(source))


def _make_image(path: str, image: str) -> None:
    """Copy the file and its WAL to ``image``, with zeros where the disk can't be read.

    If the end of the file is missing, as after an interrupted copy, zeros are added up to the length that the header
    gives. The new file and its image get the owner of the damaged file, if this process may do that."""
    for end in ("", "-wal"):
        if os.path.exists(path + end):
            with open(path + end, "rb") as source, open(image + end, "wb") as copy:
                _copy_readable(source.fileno(), copy)
    found = os.stat(path)
    with open(image, "r+b") as file, suppress(PermissionError):
        os.chown(image.removesuffix("-image"), found.st_uid, found.st_gid)
        header = file.read(100)
        # The page size and the number of pages: "Database File Format" (sqlite.org/fileformat2.html), 1.3.2 and 1.3.8.
        wanted = int.from_bytes(header[16:18], "big") * int.from_bytes(header[28:32], "big")
        if found.st_size < wanted < 2 * found.st_size + BLOCK:
            file.truncate(wanted)


def _copy_readable(source: int, copy: BinaryIO) -> None:
    """All octets of the file descriptor ``source``; sectors that can't be read become zeros."""
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
    """A read-only connection to the image, with what is in its WAL. Raises StoreUnusable."""
    try:
        with closing(sqlite3.connect(image)) as whole:
            whole.execute("PRAGMA journal_mode=DELETE")  # moves the WAL into the file
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


def _integrity_error(source: sqlite3.Connection) -> str:
    """The last line of what SQLite finds wrong with the file; "" if it finds nothing."""
    try:
        found = str(source.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == "ok" else found.splitlines()[-1]


class _Table:
    """One table of the copy: takes rows, and leaves out those that the connector could not have written."""

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
        """Take the rows that can be read through the table's tree."""
        reader = _Reader(source, self.name, [name for _, name, *_ in self.columns])
        read = 0
        for rows in reader.batches():
            read += len(rows)
            self._put([row for row in rows if self._is_sane(row)])
        self.gaps = reader.gaps + read - self.saved

    def add(self, rows: list[Row]) -> None:
        """Take rows found in leaf pages, which may be of any table: those that fit this table and are not in it yet. A
        row from an older schema has fewer columns, and gets the defaults for the others."""
        whole = ((row.rowid, *row.values[1:], *self._defaults[len(row.values) :]) for row in rows)
        self._put([row for row in whole if self._is_sane(row)])

    def _put(self, rows: list[tuple[Any, ...]]) -> None:
        places = ", ".join("?" * len(self.columns))
        self.saved += self._copy.executemany(f"INSERT OR IGNORE INTO {self.name} VALUES ({places})", rows).rowcount

    def _is_sane(self, row: tuple[Any, ...]) -> bool:
        """Whether the connector could have written the row. Its columns tell, for a page has no checksum."""
        return (
            len(row) == len(self.columns)
            and all(isinstance(row[index], kinds) for index, kinds in self._kinds)
            and all(row[index] in allowed for index, allowed in self._ranges)
        )


def _add_leaves(image: str, tables: list[_Table]) -> None:
    """Add the rows of leaf pages that no tree leads to any more."""
    with open(image, "rb") as file:
        found = Leaves(file).rows()
        while rows := list(islice(found, BATCH)):
            for table in tables:
                table.add(rows)


class _Reader:
    """Reads one table as far as it can be read. ``gaps`` counts the places where rows could not be read."""

    def __init__(self, source: sqlite3.Connection, table: str, names: list[str]) -> None:
        self.gaps = 0
        self._source = source
        self._sql = f"SELECT {', '.join(names)} FROM {table} NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?"

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        """The rows in the order of their ids, at most ``BATCH`` at once, each with its id as the first value."""
        after = -1
        while after < GREATEST_ID:
            rows, is_whole = self._read(after, BATCH)
            if rows:
                yield rows
                after = rows[-1][0]
            if not is_whole:
                self.gaps += 1
                after = self._next_readable(after)
            elif len(rows) < BATCH:
                return

    def _read(self, after: int, limit: int) -> tuple[list[tuple[Any, ...]], bool]:
        """At most ``limit`` rows with an id greater than ``after``, and whether all of them could be read: if not, the
        rows are those before the first that could not."""
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

    def _next_readable(self, after: int) -> int:
        """The least id after which rows can be read again; GREATEST_ID if there is none."""
        stride = 1
        while not self._read(after + stride, 1)[1]:
            stride *= 2
            if after + stride >= GREATEST_ID:
                return GREATEST_ID
        bad, good = after + stride // 2, after + stride
        while good - bad > 1:
            middle = (good + bad) // 2
            bad, good = (bad, middle) if self._read(middle, 1)[1] else (middle, good)
        return good


class _Repair(Outbox):
    """Makes the rows of the new file agree with each other."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._counts, self._sinks = connection, StoreCounts(), {}
        self.dropped: Counter[str] = Counter()  # rows of each table that had to go

    def repair(self, has_gaps: bool) -> RepairReport:
        """All in one transaction. ``has_gaps``: rows of some table could not be read. Only if anything was lost, final
        messages without a report are reported again: in a sound file retention has dropped those reports."""
        now = int(time.time() * 1000)
        self._connection.execute("BEGIN")
        unused = self._one("SELECT coalesce(max(id) - min(id) + 1 - count(*), 0) FROM segment")
        reports_only, reports_outlive = self._reports_without_message()
        lost = self._drop_orphans()
        self._repair_progress(has_gaps)
        incomplete, ended = self._replace_lost_segments(now)
        repeated = self._report_again(now) - ended if has_gaps or lost or incomplete else 0
        self._link_callbacks()
        self._connection.execute("COMMIT")
        return RepairReport(
            messages_lost=lost,
            reports_only=reports_only,
            reports_outlive=reports_outlive,
            ids_unused=unused,
            messages_incomplete=incomplete,
            messages_ended=ended,
            reports_repeated=repeated,
        )

    def _reports_without_message(self) -> tuple[int, int]:
        """How many reports there are without their message: those whose message is lost, and those whose message
        retention may have dropped. It drops the oldest final messages first, and a report that is still owed stays. So
        a message that ended after one that is there has not been dropped."""
        found: tuple[int, int] = self._connection.execute(
            "SELECT coalesce(sum(is_later), 0), coalesce(sum(NOT is_later), 0) FROM (SELECT coalesce(o.created_at >="
            f"  (SELECT min(final_at) FROM message WHERE state <> {MessageState.ACTIVE:d}), 0) AS is_later"
            " FROM outbox AS o WHERE o.event_id LIKE 'dr-SM%'"
            " AND substr(o.event_id, 4) NOT IN (SELECT sid FROM message))"
        ).fetchone()
        return found

    def _repair_progress(self, has_gaps: bool) -> None:
        """The ids of lost events will be given to new events, which must not count as confirmed or parked: drop what
        refers to lost events, and lower ``settled_up_to`` to the last event that was saved. A lost row of the sink is
        made anew, as owed every event."""
        for table in ("confirmation", "parked_event"):
            gone = self._connection.execute(f"DELETE FROM {table} WHERE id / {SINKS} NOT IN (SELECT id FROM outbox)")
            self.dropped[table] += gone.rowcount
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
        """Delete segments whose message is lost; how many messages those were."""
        orphans = "FROM segment WHERE id - number + 1 NOT IN (SELECT id FROM message)"
        lost = self._one(f"SELECT count(DISTINCT id - number + 1) {orphans}")
        self.dropped["segment"] += self._connection.execute(f"DELETE {orphans}").rowcount
        for table in _OF_SEGMENTS:
            gone = self._connection.execute(f"DELETE FROM {table} WHERE segment NOT IN (SELECT id FROM segment)")
            self.dropped[table] += gone.rowcount
        return lost

    def _replace_lost_segments(self, now: int) -> tuple[int, int]:
        """Put segments without a text in the place of the lost ones. A message under way that has lost any ends as
        FAILED, and its other segments are not sent. How many messages have lost segments, and how many of them ended
        here."""
        incomplete = self._connection.execute(
            "SELECT m.id, m.channel, m.segments, m.state FROM message AS m LEFT JOIN segment AS s"
            " ON s.id BETWEEN m.id AND m.id + m.segments - 1 AND s.id - s.number + 1 = m.id"
            " GROUP BY m.id HAVING count(s.id) <> m.segments"
        ).fetchall()
        self._connection.executemany(
            "INSERT OR IGNORE INTO segment (id, queue, number, text, state, code) VALUES (?, ?, ?, '', ?, ?)",
            [
                (message_id + number, channel, number + 1, *_replacement(MessageState(state)))
                for message_id, channel, segments, state in incomplete
                for number in range(segments)
            ],
        )
        active = [(now, message_id) for message_id, _, _, state in incomplete if state in _UNDER_WAY]
        self._connection.executemany(
            f"UPDATE segment SET state = {SegmentState.FAILED:d} WHERE id BETWEEN ?2 AND ?2 + 254"
            f" AND id - number + 1 = ?2 AND state IN ({SegmentState.QUEUED:d}, {SegmentState.CLAIMED:d},"
            f" {SegmentState.SCHEDULED:d}) AND ?1",
            active,
        )
        self._connection.executemany(
            f"UPDATE message SET state = {MessageState.FAILED:d}, code = '{CODE_UNKNOWN}', final_at = ? WHERE id = ?",
            active,
        )
        is_scheduled = f"SELECT id FROM message WHERE state = {MessageState.SCHEDULED:d}"
        self._connection.execute(f"DELETE FROM schedule WHERE left_at IS NULL AND id NOT IN ({is_scheduled})")
        self._connection.execute(  # whose time is lost: it ends as EXPIRED, and is not sent too early
            "INSERT OR IGNORE INTO schedule (id, send_at, accepted_at) SELECT id, expires_at, accepted_at FROM message"
            f" WHERE state = {MessageState.SCHEDULED:d}"
        )
        return len(incomplete), len(active)

    def _report_again(self, now: int) -> int:
        """Write a report for every final message that has none; how many."""
        unreported = self._connection.execute(
            "SELECT m.sid, coalesce(m.asked_channel, m.channel), m.state, m.code FROM message AS m"
            f" WHERE m.state IN ({MessageState.DELIVERED:d}, {MessageState.FAILED:d})"
            " AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.event_id = 'dr-' || m.sid) ORDER BY m.final_at"
        ).fetchall()
        unreported += self._connection.execute(  # moved to another channel, and lost there
            f"SELECT {SID_OF_MOVED}, coalesce(m.asked_channel, m.channel), {MessageState.FAILED:d}, '{CODE_UNKNOWN}'"
            f" FROM message AS m WHERE m.state = {MessageState.MOVED:d}"
            f" AND NOT EXISTS (SELECT 1 FROM message AS n WHERE n.sid = {SID_OF_MOVED})"
            f" AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.event_id = 'dr-' || {SID_OF_MOVED}) GROUP BY 1"
        ).fetchall()
        delivered = MessageState.DELIVERED
        made = [report_event(sid, name, end == delivered, code, now) for sid, name, end, code in unreported]
        self._write_events(made)
        return len(unreported)


def _replacement(state: MessageState) -> tuple[SegmentState, str | None]:
    """State and code of the segment that replaces a lost one of a message in that state."""
    if state is MessageState.DELIVERED:
        return SegmentState.DELIVERED, None
    return SegmentState.FAILED, CODE_UNKNOWN

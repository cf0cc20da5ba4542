"""The list of those who have opted out, for an operator: shown, taken from a CSV file, and mended.

A connector may be running meanwhile. It looks into the table for each text that it accepts, so a change counts at once.
"""

import csv
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

from smsconnector.errors import AddressError, ConfigurationError, StoreUnusable
from smsconnector.sms.addresses import normal_number, normal_sender, number_tail
from smsconnector.store.database import open_readonly
from smsconnector.store.offline.parked import BUSY_TIMEOUT
from smsconnector.store.opt_outs import OptOuts, same_subscriber_in
from smsconnector.store.trouble import explain

AT_ONCE = 1_000  # rows of one transaction, so that a connector that writes does not wait for long


class OptOut(NamedTuple):
    """One number that gets no texts of a channel. ``since`` is in ms since the Unix epoch."""

    channel: str
    number: str
    sender: str  # "": all of the channel
    since: int
    because: str


class _List(OptOuts):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._opt_out = connection, {}

    def add(self, entries: list[OptOut]) -> None:
        self._enter(
            [(one.channel, number_tail(one.number), one.number, one.sender, one.since, one.because) for one in entries]
        )

    def remove(self, channel: str, number: str) -> bool:
        return self._take_out(channel, number, "")


def opt_outs(path: str) -> Iterator[OptOut]:
    """All of them, in the order of their entry. Raises StoreUnusable."""
    with closing(open_readonly(path)) as connection:
        try:
            rows = connection.execute("SELECT channel, number, sender, since, because FROM opt_out ORDER BY id")
            yield from map(OptOut._make, rows)
        except sqlite3.DatabaseError as error:
            raise StoreUnusable(explain(error, path)) from error


def enter_opt_outs(path: str, entries: Iterable[OptOut]) -> None:
    """Enter these; one that is there already stays as it is. Raises StoreUnusable."""
    with _to_write(path) as there:
        some: list[OptOut] = []
        for one in entries:
            some.append(one)
            if len(some) == AT_ONCE:
                there.add(some)
                some = []
        there.add(some)


def take_out(path: str, channel: str, number: str) -> bool:
    """Take this number out, for all senders of the channel; whether it was there. Raises StoreUnusable."""
    with _to_write(path) as there:
        return there.remove(channel, number)


@contextmanager
def _to_write(path: str) -> Iterator[_List]:
    with closing(open_readonly(path)):  # raises if the file is missing or has another schema
        pass
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT)) as connection:
            same_subscriber_in(connection)
            yield _List(connection)
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(explain(error, path)) from error


def write_opt_outs(stream: TextIO, entries: Iterable[OptOut]) -> None:
    """As CSV (RFC 4180) with a line of names; ``since`` in ISO 8601, UTC."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(OptOut._fields)
    for one in entries:
        since = datetime.fromtimestamp(one.since / 1000, UTC).isoformat(timespec="seconds")
        writer.writerow(one._replace(since=since))  # type: ignore[arg-type]


def read_opt_outs(stream: Iterable[str], now: int) -> list[OptOut]:
    """What ``write_opt_outs`` wrote, or a list of one's own: its first line names the columns, ``channel`` and
    ``number`` at least; the others may be missing or empty. ``now`` (ms) is the time of those that have none. Raises
    ConfigurationError with every line that can't be read; then nothing is to be entered."""
    rows = csv.DictReader(stream)
    missing = {"channel", "number"} - set(rows.fieldnames or ())
    if missing:
        raise ConfigurationError([("line 1", "name the columns there: channel,number,sender,since,because")])
    found, problems = [], list[tuple[str, str]]()
    for row in rows:
        try:
            found.append(_read(row, now))
        except AddressError as error:
            problems.append((f"line {rows.line_num}", error.about("number")))
        except ValueError as error:
            problems.append((f"line {rows.line_num}", str(error)))
    if problems:
        raise ConfigurationError(problems)
    return found


def _read(row: dict[str, str], now: int) -> OptOut:
    value = {name: (row.get(name) or "").strip() for name in OptOut._fields}
    if not value["channel"]:
        raise ValueError("channel is empty: write the channel's name")
    try:
        since = datetime.fromisoformat(value["since"]) if value["since"] else None
    except ValueError:
        raise ValueError("since is no time: write it as 2026-01-31T14:00:00+00:00") from None
    stamp = now if since is None else int((since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp() * 1000)
    number, sender = normal_number(value["number"]), normal_sender(value["sender"]) or ""
    return OptOut(value["channel"], number, sender, stamp, value["because"] or "imported")

"""The list of those who have opted out, for an operator: shown, taken from a CSV file, and mended.

A connector may be running meanwhile. It looks into the table for each text that it accepts, so a change counts at once.
"""

import csv
import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

from smsconnector.errors import AddressError, ConfigurationError, StoreUnusable
from smsconnector.sms.addresses import normal_number, normal_sender, number_tail
from smsconnector.store.database import open_readonly
from smsconnector.store.offline.parked import BUSY_TIMEOUT
from smsconnector.store.opt_outs import OptOuts, same_subscriber_in
from smsconnector.store.trouble import explain

AS_IT_IS = "'"  # before a cell: a text, not a formula (as spreadsheets have it), and not to be made a normal number
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", " ", AS_IT_IS)  # how a cell begins that needs it
_NUMBER = re.compile(r"\+?[0-9]+")
_LATEST = 253_402_300_799_000  # ms: the end of the year 9999
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
    """Take this number out, however it is written, for all senders of the channel; whether it was there. Raises
    StoreUnusable."""
    with suppress(AddressError):  # the number of a customer may be a name
        number = normal_number(number)
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
    """As CSV (RFC 4180) with a line of names; ``since`` in ISO 8601, UTC. What a spreadsheet would take for a formula,
    and an address that is no number, has an apostrophe before it."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(OptOut._fields)
    for one in entries:
        since = datetime.fromtimestamp(min(max(one.since, 0), _LATEST) / 1000, UTC).isoformat(timespec="seconds")
        sender = _address(one.sender, normal_sender) if one.sender else ""
        number = _address(one.number, normal_number)
        writer.writerow((_cell(one.channel), number, sender, since, _cell(one.because)))


def _cell(text: str) -> str:
    return AS_IT_IS + text if text.startswith(_FORMULA) or text != text.strip() else text


def _address(text: str, normal: Callable[[str], object]) -> str:
    """A number, or a name that the import makes the same of, as it is."""
    if _NUMBER.fullmatch(text):
        try:
            normal(text)
            return text
        except AddressError:
            pass
    else:
        with suppress(AddressError):
            if normal(text) == text:
                return _cell(text)
    return AS_IT_IS + text


def read_opt_outs(stream: Iterable[str], now: int, channels: Collection[str] | None = None) -> list[OptOut]:
    """What ``write_opt_outs`` wrote, or a list of one's own: its first line names the columns, ``channel`` and
    ``number`` at least; the others may be missing or empty. ``now`` (ms) is the time of those that have none.
    ``channels``: those that there are; None: any. Raises ConfigurationError with every line that can't be read; then
    nothing is to be entered."""
    rows = csv.DictReader(stream, strict=True)
    found, problems = [], list[tuple[str, str]]()
    begins = 1  # the line where the row begins that is read next
    try:
        names = rows.fieldnames = [one.lstrip("\ufeff").strip() for one in rows.fieldnames or ()]
        if not {"channel", "number"} <= set(names):
            raise ConfigurationError([("line 1", "name the columns there: channel,number,sender,since,because")])
        begins = rows.line_num + 1
        for row in rows:
            try:
                found.append(_read(row, now, channels))
            except AddressError as error:
                problems.append((f"line {rows.line_num}", error.about("number")))
            except ValueError as error:
                problems.append((f"line {rows.line_num}", str(error)))
            begins = rows.line_num + 1
    except csv.Error:
        problems.append((f"line {begins}", 'a quote (") there is not closed, or stands within a value: mend it'))
    if problems:
        raise ConfigurationError(problems)
    return found


def _read(row: dict[str | None, str | list[str] | None], now: int, channels: Collection[str] | None) -> OptOut:
    if None in row:
        raise ValueError('it has more values than line 1 has names: put a value with a comma into quotes (")')
    cells = {name: str(row.get(name) or "") for name in OptOut._fields}
    channel, stamp = _text_of(cells["channel"]), cells["since"].strip()
    if not channel:
        raise ValueError("channel is empty: write the channel's name")
    if channels is not None and channel not in channels:
        raise ValueError(f"channel is {channel!r}, but the channels are: {', '.join(channels)}")
    number = _text_of(cells["number"]) if _is_as_it_is(cells["number"]) else normal_number(cells["number"])
    sender = _text_of(cells["sender"]) if _is_as_it_is(cells["sender"]) else normal_sender(cells["sender"].strip())
    return OptOut(channel, number, sender or "", _stamp(stamp, now), _text_of(cells["because"]) or "imported")


def _is_as_it_is(cell: str) -> bool:
    return cell.lstrip().startswith(AS_IT_IS)


def _text_of(cell: str) -> str:
    return cell.lstrip()[len(AS_IT_IS) :] if _is_as_it_is(cell) else cell.strip()


def _stamp(written: str, now: int) -> int:
    """In ms since the Unix epoch. Raises ValueError."""
    if not written:
        return now
    try:
        since = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError("since is no time: write it as 2026-01-31T14:00:00+00:00") from None
    stamp = int((since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp() * 1000)
    if not 0 <= stamp <= _LATEST:
        raise ValueError("since is before 1970 or after 9999: write it as 2026-01-31T14:00:00+00:00")
    return stamp

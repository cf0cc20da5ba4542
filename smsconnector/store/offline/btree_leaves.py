"""Read the rows of a SQLite file from its leaf pages, without the b-trees above them.

This is for a file whose interior pages are damaged. Each page that looks like a leaf of a table b-tree is read by
itself. Pages of the freelist are left out, for they hold deleted rows. Section numbers in this module are those of
"Database File Format" (sqlite.org/fileformat2.html).
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

LEAF = 13  # 1.6: the flag of a leaf of a table b-tree
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # 2.1: octets by serial type


class _Broken(Exception):
    """The octets can't be what the file format requires at this place."""


class Row(NamedTuple):
    """One row of any table. ``values`` are in the order of the columns that the table had when the row was written; the
    column that is the rowid is None there."""

    rowid: int
    values: list[Any]


class Leaves:
    """The leaf pages of ``file``, a database file whose WAL has been moved into it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(0)
        header = file.read(100)
        size = int.from_bytes(header[16:18], "big")  # 1.3
        self._size = 65536 if size == 1 else size
        self._usable = self._size - header[20]
        self._free, self._free_count = struct.unpack(">II", header[32:40])
        self._pages = file.seek(0, 2) // self._size

    def rows(self) -> Iterator[Row]:
        """The rows of all tables, page by page. None at all if the freelist can't be read, for then deleted rows would
        be among them."""
        try:
            free = self._free_pages()
        except _Broken:
            return
        for number in range(2, self._pages + 1):  # the first holds the schema
            if number in free:
                continue
            page = self._page(number)
            if page[0] == LEAF:
                yield from self._rows_of(page)

    def _page(self, number: int) -> bytes:
        """The octets of a page; pages are numbered from 1. Raises _Broken if there is no such page."""
        if not 1 <= number <= self._pages:
            raise _Broken
        self._file.seek((number - 1) * self._size)
        return self._file.read(self._size)

    def _free_pages(self) -> set[int]:
        """1.5: the numbers of the pages on the freelist. Each trunk page names the next trunk and its leaf pages.
        Raises _Broken if the list does not agree with the header."""
        free: set[int] = set()
        trunk = self._free
        while trunk:
            if trunk in free:
                raise _Broken
            page = self._page(trunk)
            following, count = struct.unpack_from(">II", page)
            if count > self._usable // 4 - 2:
                raise _Broken
            free.add(trunk)
            free.update(struct.unpack_from(f">{count}I", page, 8))
            trunk = following
        if len(free) != self._free_count:
            raise _Broken
        return free

    def _rows_of(self, page: bytes) -> Iterator[Row]:
        count = int.from_bytes(page[3:5], "big")
        if 8 + 2 * count > self._usable:
            return
        for start in struct.unpack_from(f">{count}H", page, 8):
            try:
                size, at = _varint(page, start)
                rowid, at = _varint(page, at)
                yield Row(rowid, _values(self._payload(page, at, size)))
            except _Broken:
                continue

    def _payload(self, page: bytes, at: int, size: int) -> bytes:
        """1.6: the record of ``size`` octets that begins at ``at``. What does not fit on its page is in a chain of
        overflow pages."""
        if size > self._size * self._pages:
            raise _Broken
        most = self._usable - 35
        if size <= most:
            return page[at : at + size]
        least = (self._usable - 12) * 32 // 255 - 23
        here = least + (size - least) % (self._usable - 4)
        here = here if here <= most else least
        found, following = bytearray(page[at : at + here]), page[at + here : at + here + 4]
        while len(found) < size:
            page = self._page(int.from_bytes(following, "big"))
            following = page[:4]
            found += page[4 : 4 + min(self._usable - 4, size - len(found))]
        return bytes(found)


def _varint(octets: bytes, at: int) -> tuple[int, int]:
    """1.6: a varint of at most nine octets; returns its value and the position after it."""
    value = 0
    for place, octet in enumerate(octets[at : at + 9]):
        value = value << 8 | octet if place == 8 else value << 7 | octet & 0x7F
        if octet < 0x80 or place == 8:
            return value - (1 << 64) if value >= 1 << 63 else value, at + place + 1
    raise _Broken


def _values(record: bytes) -> list[Any]:
    """2.1: the values of a record. It has a header with the serial types, then the values."""
    end, at = _varint(record, 0)
    kinds = []
    while at < end:
        kind, at = _varint(record, at)
        kinds.append(kind)
    if at != end:
        raise _Broken
    values = []
    for kind in kinds:
        value, at = _value(record, at, kind)
        values.append(value)
    if at != len(record):
        raise _Broken
    return values


def _value(record: bytes, at: int, kind: int) -> tuple[Any, int]:
    """2.1: the value of that serial type at ``at``; returns it and the position after it."""
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    size = _INTEGERS.get(kind, 8 if kind == 7 else (kind - 12) // 2)
    octets = record[at : at + size]
    if kind in (10, 11) or kind < 0 or len(octets) != size:
        raise _Broken
    if kind in _INTEGERS:
        return int.from_bytes(octets, "big", signed=True), at + size
    if kind == 7:
        return struct.unpack(">d", octets)[0], at + size
    return octets if kind % 2 == 0 else octets.decode("utf-8", "replace"), at + size

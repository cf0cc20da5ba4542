"""What was exchanged with one number, both directions in one order, the newest first.

1. Texts to the number are found as ``searching`` finds them. Texts from it are events of the outbox, by the index
   ``outbox_sender``, which has blocks of ids, and of a number the last digits: as long as their bodies are kept.
2. Each direction is in the order of its ids. The two are merged by time: of a text to the number, when it was given to
   the channel in which it is. That is later than its acceptance if it was scheduled, or has come from another channel.
3. Where one direction has looked at all that one query may, and has found no more, nobody knows what comes next there:
   the page ends, and the next one goes on behind it. A place is two ids, one of each direction.
"""

import sqlite3
from typing import Any, NamedTuple

from smsconnector.store.events import sender_key
from smsconnector.store.finding import (
    MOST_FOUND,
    Exchanged,
    FindExchanged,
    FoundMessage,
    FoundText,
    PlaceOfBoth,
    Search,
)
from smsconnector.store.searching import THESE_BLOCKS, Searches, in_blocks

# Who has sent the text that the event ``o`` is. Others may have the same last digits.
_SENDER = "ltrim(CASE WHEN json_valid(o.body) THEN o.body ->> '$.From' END, '+')"
_ANSWERED = "(SELECT m.channel FROM message AS m WHERE m.sid = o.headers ->> '$.MessageSID')"
NOTHING = 0  # no id is smaller
BLOCK = 10  # bits of an id that are its place in a block of ``outbox_sender``


class _Direction(NamedTuple):
    """``found``: the newest first. ``times``: of each its own, in ms. ``lowest``: all with this id or a greater one
    were looked at; NOTHING: all are. ``begin``: the ids that are asked for are smaller than this."""

    found: list[Any]
    times: list[int]
    lowest: int
    begin: int

    def place(self, taken: int) -> int:
        """Where the next page goes on, if so many of ``found`` are on this one."""
        if taken == len(self.found):
            return self.lowest
        return self.found[taken - 1].id if taken else self.begin


class Exchanges:
    """On a connection that may be read-only."""

    def __init__(self, connection: sqlite3.Connection, searches: Searches) -> None:
        self._connection, self._searches = connection, searches

    def find(self, asked: FindExchanged) -> Exchanged:
        limit = min(asked.limit, MOST_FOUND)
        directions = (self._sent(asked, limit), self._received(asked, limit))
        taken, found = [0, 0], list[FoundMessage | FoundText]()
        while len(found) < limit:
            heads = [one.found[at] if at < len(one.found) else None for one, at in zip(directions, taken, strict=True)]
            if any(head is None and one.lowest for head, one in zip(heads, directions, strict=True)):
                break
            times = [one.times[at] if at < len(one.times) else -1 for one, at in zip(directions, taken, strict=True)]
            if heads == [None, None]:
                break
            which = int(times[1] > times[0])
            found.append(directions[which].found[taken[which]])
            taken[which] += 1
        place = PlaceOfBoth(*(one.place(at) for one, at in zip(directions, taken, strict=True)))
        return Exchanged(found, place if any(place) else None)

    def _sent(self, asked: FindExchanged, limit: int) -> _Direction:
        before = None if asked.before is None else asked.before.message
        search = Search(asked.number, channel=asked.channel, since=asked.since, until=asked.until, before=before)
        found, times, first, last, lowest = self._searches.to_number(search, limit)
        return _Direction(found, times, lowest if lowest > first else NOTHING, last + 1)

    def _received(self, asked: FindExchanged, limit: int) -> _Direction:
        first, last = self._connection.execute(
            "SELECT coalesce((SELECT min(id) FROM outbox), 1), coalesce((SELECT max(id) FROM outbox), 0)"
        ).fetchone()
        if asked.before is not None:
            last = min(last, asked.before.event - 1)
        found: list[FoundText] = []
        lowest = last + 1
        for begin, block, lowest in in_blocks(first, last, BLOCK):
            found += self._texts(asked, (begin, block), (lowest, last), limit - len(found))
            if len(found) >= limit:
                break
        lowest = found[-1].id if len(found) >= limit else lowest
        times = [one.received_at for one in found]
        return _Direction(found, times, lowest if lowest > first else NOTHING, last + 1)

    def _texts(
        self, asked: FindExchanged, blocks: tuple[int, int], ids: tuple[int, int], limit: int
    ) -> list[FoundText]:
        given = {
            "channel": (asked.channel, "o.jms_type = :channel"),
            "since": (asked.since, "o.created_at >= :since"),
            "until": (asked.until, "o.created_at < :until"),
        }
        wanted = "".join(f" AND {condition}" for value, condition in given.values() if value is not None)
        values = {name: value for name, (value, _) in given.items()}
        rows = self._connection.execute(
            f"SELECT o.id, o.event_id, o.jms_type, o.body, o.created_at, o.headers, {_ANSWERED} FROM {THESE_BLOCKS}"
            f" CROSS JOIN outbox AS o ON o.id >> {BLOCK} = b.number AND o.sender = :sender"
            f" WHERE {_SENDER} = :number AND o.id BETWEEN :first AND :last"
            f"{wanted} ORDER BY o.id DESC LIMIT :limit",
            values
            | {"number": asked.number, "begin": blocks[0], "block": blocks[1], "first": ids[0], "last": ids[1]}
            | {"limit": limit, "sender": sender_key(asked.number)},
        )
        return [FoundText(*row) for row in rows]
